//! What all brokers share: the jars, a formatted storage, and a class-data archive that makes the JVM start fast.

use std::{
    ffi::OsString,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{Error, Progress, files, time::Stopwatch, tools};

/// As in `kafka/pom.xml`. Not 4.3 or 4.4: killed between a commit and its markers, such a broker may never write them (KAFKA-20734), and
/// whoever reads committed records waits for them for ever.
pub(super) const VERSION: &str = "4.2.1";
const POM: &str = include_str!("../../kafka/pom.xml");
/// Kafka 4 runs on Java 17 and later.
const JAVA_MIN: u32 = 17;
/// About 45 MiB are fetched on a machine whose Maven has none of it.
const FETCH_LIMIT: Duration = Duration::from_mins(10);
const FORMAT_LIMIT: Duration = Duration::from_mins(1);
const JAVA_VERSION_LIMIT: Duration = Duration::from_secs(20);
/// All brokers on this machine are clusters of their own; the id only has to be there.
const CLUSTER_ID: &str = "turnpike-local-stack-A";

/// `target/local-stack/kafka-<version>`.
#[derive(Debug)]
pub(super) struct Home(PathBuf);

impl Home {
    /// Makes it if it is not there or was made from another pom; one process does so, others wait.
    pub(super) fn prepare(progress: &Progress) -> Result<Self, Error> {
        let base = files::home();
        let home = Self(base.join(format!("kafka-{VERSION}")));
        if home.is_current() {
            return Ok(home);
        }
        files::create_folder(&base)?;
        let _lock = files::lock(&base.join("kafka.lock"))?;
        if home.is_current() {
            return Ok(home);
        }
        let draft = Self(base.join(format!("kafka-{VERSION}.draft")));
        files::remove_folder(&draft.0)?;
        files::create_folder(&draft.0)?;
        draft.fetch_jars(&base.join("kafka-fetch.log"), progress)?;
        draft.format_storage(&base.join("kafka-format.log"))?;
        files::remove_folder(&home.0)?;
        files::rename(&draft.0, &home.0)?;
        Ok(home)
    }

    /// All jars, as `java -cp` takes them.
    pub(super) fn class_path(&self) -> PathBuf {
        self.0.join("target/libs/*")
    }

    /// A formatted storage, good for any port.
    pub(super) fn template(&self) -> PathBuf {
        self.0.join("template")
    }

    /// The JVM option that uses the archive of classes for this `java`.
    ///
    /// If there is none yet, `train` runs a broker with the option that writes one. Without an archive Kafka starts
    /// three times slower, so a failure here is told and passed over.
    pub(super) fn class_data_archive(
        &self,
        java: &Path,
        progress: &Progress,
        train: impl FnOnce(OsString) -> Result<(), Error>,
    ) -> Result<OsString, Error> {
        let archive = self.0.join(format!("classes-{:016x}.jsa", identity(java)?));
        if !archive.is_file() {
            let _lock = files::lock(&self.0.join("archive.lock"))?;
            if !archive.is_file() {
                check_version(java, &self.0.join("java.log"))?;
                let stopwatch = Stopwatch::start();
                let draft = archive.with_extension("draft");
                let trained = train(jvm_option("-XX:ArchiveClassesAtExit=", &draft))
                    .and_then(|()| files::rename(&draft, &archive));
                progress.say(match trained {
                    Ok(()) => format!("prepared Kafka for fast starts ({})", stopwatch.text()),
                    Err(error) => format!("Kafka will start slowly, no class-data archive: {error}"),
                });
            }
        }
        Ok(jvm_option("-XX:SharedArchiveFile=", &archive))
    }

    fn is_current(&self) -> bool {
        fs::read_to_string(self.0.join("pom.xml")).is_ok_and(|pom| pom == POM)
    }

    fn fetch_jars(&self, log: &Path, progress: &Progress) -> Result<(), Error> {
        let stopwatch = Stopwatch::start();
        progress.say(format!("fetching Kafka {VERSION} with Maven"));
        files::write(&self.0.join("pom.xml"), POM)?;
        let mut maven = tools::command("mvn");
        maven.args(["--quiet", "--batch-mode", "--no-transfer-progress", "-Dstyle.color=never"]);
        maven.arg("dependency:copy-dependencies");
        maven.current_dir(&self.0);
        tools::run("Maven", &maven, log, FETCH_LIMIT)?;
        progress.say(format!("fetched Kafka {VERSION} ({})", stopwatch.text()));
        Ok(())
    }

    fn format_storage(&self, log: &Path) -> Result<(), Error> {
        let format_properties = self.0.join("format.properties");
        files::write(
            &format_properties,
            &super::settings(1, 2).replace("log.dirs=data", "log.dirs=template"),
        )?;
        self.format(&self.0, "format.properties", &[], log)
    }

    /// Formats the storage that a properties file in `folder` names, with these users.
    pub(super) fn format(
        &self,
        folder: &Path,
        properties: &str,
        scram_users: &[String],
        log: &Path,
    ) -> Result<(), Error> {
        let mut format = tools::command("java");
        format.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]).arg(self.class_path());
        format.args(["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID]);
        format.args(["--config", properties]).current_dir(folder);
        for user in scram_users {
            format.args(["--add-scram", user]);
        }
        tools::run("kafka.tools.StorageTool", &format, log, FORMAT_LIMIT)
    }
}

fn jvm_option(option: &str, path: &Path) -> OsString {
    let mut text = OsString::from(option);
    text.push(path);
    text
}

/// Tells one installed JVM from another: an archive fits only the JVM that wrote it.
fn identity(java: &Path) -> Result<u64, Error> {
    let real = java.canonicalize().map_err(Error::file("find", java))?;
    let metadata = real.metadata().map_err(Error::file("read", &real))?;
    let mut hasher = DefaultHasher::new();
    (&real, metadata.len(), metadata.modified().ok()).hash(&mut hasher);
    Ok(hasher.finish())
}

fn check_version(java: &Path, log: &Path) -> Result<(), Error> {
    let mut command = tools::command(java);
    command.arg("-version");
    let process = crate::Process::spawn("java -version", &command, log)?;
    process.wait(JAVA_VERSION_LIMIT)?;
    match major_version(&process.output()?) {
        Some(found) if found < JAVA_MIN => Err(Error::JavaTooOld { found }),
        // What an unknown kind of Java says of itself is not worth stopping for.
        _ => Ok(()),
    }
}

/// 17 for `openjdk version "17.0.15" 2025-04-15`, 8 for `java version "1.8.0_392"`.
fn major_version(text: &str) -> Option<u32> {
    let version = text.lines().find_map(|line| line.split_once("version \"")).map(|(_, rest)| rest)?;
    let mut numbers = version.split(|character: char| !character.is_ascii_digit()).map(str::parse);
    match numbers.next()?.ok()? {
        1 => numbers.next()?.ok(),
        major => Some(major),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The version that is printed is the one that is fetched.
    #[test]
    fn pom_names_the_version() {
        assert!(POM.contains(&format!("<version>{VERSION}</version>")));
    }

    /// Old and new ways of writing Java's version.
    #[test]
    fn java_versions_are_read() {
        assert_eq!(major_version("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK …"), Some(17));
        assert_eq!(major_version("Picked up …\nopenjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(major_version("java version \"1.8.0_392\""), Some(8));
        assert_eq!(major_version("gibberish"), None);
    }
}
