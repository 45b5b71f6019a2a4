//! What was installed to compare with, and the settings that the sinks are run with.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use service::Error;

/// Where the settings are.
const SINKS: &str = "bench/peers/sinks";
/// Settings of the bench, which the sink does not get to see.
const OF_THE_BENCH: &str = "bench.";

/// The folder with everything that is compared with.
#[derive(Debug)]
pub(super) struct Home(PathBuf);

impl Home {
    /// Fetches what is missing.
    pub(super) fn install() -> Result<Self, Error> {
        let output =
            Command::new("bench/peers/install").stderr(Stdio::inherit()).output().map_err(Error::failed)?;
        if !output.status.success() {
            return Err(Error::failed("bench/peers/install cannot fetch what is compared with"));
        }
        Ok(Self(String::from_utf8_lossy(&output.stdout).trim().into()))
    }

    /// Something in it.
    pub(super) fn path(&self, part: &str) -> PathBuf {
        self.0.join(part)
    }
}

/// A sink of Kafka Connect with one way to set it up.
#[derive(Debug, Clone)]
pub(super) struct SinkSettings {
    /// The sink and the profile, such as `debezium_best`.
    pub(super) name: String,
    /// Whether rows with a known key replace the old ones.
    pub(super) is_upsert: bool,
    /// The connector's settings, with names in braces for what differs from run to run.
    pub(super) connector: BTreeMap<String, String>,
    /// Where the plugin is.
    pub(super) plugin: PathBuf,
    /// Options of the JVM beside the scripts' own; none: the scripts' defaults.
    pub(super) jvm: Vec<String>,
    /// How many records it gets, if not as many as others: for those that are slow.
    pub(super) records: Option<u64>,
    /// With how many tasks it is run, each a figure of its own.
    pub(super) tasks: Vec<u32>,
}

impl SinkSettings {
    /// Those of the sink that can be fetched by everybody.
    pub(super) fn shipped(home: &Home) -> Result<Vec<Self>, Error> {
        let settings = read_folder(&Path::new(SINKS).join("debezium"), "debezium")?;
        let with_plugin = settings.into_iter().map(|(mut settings, driver)| {
            let folder = if driver == "shipped" { "debezium" } else { "debezium-driver" };
            settings.plugin = home.path(&format!("sinks/{folder}/plugin/debezium-connector-jdbc"));
            settings
        });
        Ok(with_plugin.collect())
    }

    /// Those of a plugin that somebody else brings.
    pub(super) fn of_plugin(plugin: &Path, config: Option<&Path>) -> Result<Vec<Self>, Error> {
        let plugin = fs::canonicalize(plugin).map_err(Error::failed)?;
        let settings = match config {
            Some(file) => vec![read(file, "plugin")?],
            None if holds_aiven(&plugin)? => read_folder(&Path::new(SINKS).join("aiven"), "aiven")?,
            None => read_folder(&plugin, "plugin")?,
        };
        if settings.is_empty() {
            let allowed = "a folder with a .properties file in it, or --plugin-config";
            return Err(Error::config("--plugin", plugin.display().to_string(), allowed));
        }
        let with_plugin =
            settings.into_iter().map(|(settings, _)| Self { plugin: plugin.clone(), ..settings });
        Ok(with_plugin.collect())
    }
}

/// Whether these are the jars of the sink for which we have settings.
fn holds_aiven(plugin: &Path) -> Result<bool, Error> {
    let mut jars = fs::read_dir(plugin).map_err(Error::failed)?.filter_map(Result::ok);
    Ok(jars.any(|jar| jar.file_name().to_string_lossy().starts_with("jdbc-connector-for-apache-kafka")))
}

/// All settings in a folder, in the order of their names.
fn read_folder(folder: &Path, sink: &str) -> Result<Vec<(SinkSettings, String)>, Error> {
    let entries = fs::read_dir(folder).map_err(Error::failed)?.filter_map(Result::ok);
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "properties"));
    files.sort();
    files.iter().map(|file| read(file, sink)).collect()
}

/// One file, `append_best.properties` for example, and the driver it asks for.
fn read(file: &Path, sink: &str) -> Result<(SinkSettings, String), Error> {
    let text =
        fs::read_to_string(file).map_err(|error| Error::failed(format!("{}: {error}", file.display())))?;
    let mut connector = properties(&text);
    let mut of_the_bench = |key: &str| connector.remove(&format!("{OF_THE_BENCH}{key}"));
    let jvm = of_the_bench("jvm").unwrap_or_default();
    let driver = of_the_bench("driver").unwrap_or_default();
    let number = |text: &str| text.trim().parse::<u64>().map_err(Error::failed);
    let records = of_the_bench("records").as_deref().map(number).transpose()?;
    let tasks = of_the_bench("tasks").unwrap_or_else(|| "1".to_owned());
    let tasks =
        tasks.split(',').map(|tasks| number(tasks).map(|tasks| tasks as u32)).collect::<Result<_, _>>()?;
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let (is_upsert, profile) = match stem.split_once('_') {
        Some(("append", profile)) => (false, profile),
        Some(("upsert", profile)) => (true, profile),
        _ => (connector.get("insert.mode").is_some_and(|mode| mode == "upsert"), &*stem),
    };
    let settings = SinkSettings {
        name: format!("{sink}_{profile}"),
        is_upsert,
        connector,
        plugin: PathBuf::new(),
        jvm: jvm.split_whitespace().map(str::to_owned).collect(),
        records,
        tasks,
    };
    Ok((settings, driver))
}

/// The lines `key=value`.
pub(super) fn properties(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect()
}

/// Puts values in the place of their names in braces.
pub(super) fn filled(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Comments and empty lines say nothing; a value may have an equals sign in it.
    #[test]
    fn properties_are_read() {
        let read = properties("# a=b\n\nurl = {url}bench?x=y\n");
        assert_eq!(read, BTreeMap::from([("url".to_owned(), "{url}bench?x=y".to_owned())]));
    }

    /// Only names that are known are filled in.
    #[test]
    fn names_in_braces_are_filled() {
        assert_eq!(
            filled("{url}bench of ${topic}, {other}", &[("url", "u/")]),
            "u/bench of ${topic}, {other}"
        );
    }

    /// Every file of settings is read, and holds no name in braces that nobody fills.
    #[test]
    fn the_settings_hold_known_names() {
        let known = ["url", "user", "password", "topic"].map(|name| (name, "x"));
        for sink in ["debezium", "aiven"] {
            let folder = Path::new("..").join(SINKS).join(sink);
            let settings = read_folder(&folder, sink).expect("settings that can be read");
            assert_eq!(settings.len(), 4, "{sink}");
            for (settings, _) in settings {
                assert!(settings.connector.keys().all(|key| !key.starts_with(OF_THE_BENCH)), "{settings:?}");
                let values = settings.connector.values().map(|value| filled(value, &known));
                assert!(values.into_iter().all(|value| !value.contains('{')), "{settings:?}");
            }
        }
    }
}
