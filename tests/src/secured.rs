//! A pipeline whose servers let in only those who sign in, over TLS, and services that are told how by files alone.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use local_stack::{Options, Process, Security, User};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use crate::{Pipeline, Said, Service, executable, root};

/// Who signs in to Kafka and to the registry.
const USER: &str = "turnpike";
/// By which password: one that nothing else is called.
const PASSWORD: &str = "s3cret-of-the-tests";

/// A secured stack, and files with all that it takes to be let in.
#[derive(Debug)]
pub struct Secured {
    /// The pipeline, whose own questions go to the plain ports.
    pub pipeline: Pipeline,
    folder: TempDir,
}

impl Secured {
    /// A fresh secured stack with the topics, once no other pipeline runs in this process.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str| folder.path().join(name);
        make_certificates(&file);
        let security = Security {
            certificate: file("server.pem"),
            key: file("server.key"),
            ca: file("ca.pem"),
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
        };
        let pipeline = Pipeline::on(Options { security: Some(security), ..Options::default() });
        pipeline.create_topics();
        let secured = Self { pipeline, folder };
        secured.write("registry-password", &format!("{PASSWORD}\n"));
        for user in [User::Writer, User::Reader] {
            secured.write(user.name(), secured.pipeline.stack.mariadb.password(user));
        }
        secured
    }

    /// The path of one of the files: `ca.pem`, `client.pem`, `client.key`, or `stranger.pem`, which is another authority.
    pub fn file(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// A file of properties to sign in to Kafka by this mechanism and password; the right one unless it is given.
    pub fn properties(&self, mechanism: &str, password: Option<&str>) -> String {
        let password = password.unwrap_or(PASSWORD);
        self.write(
            &format!("{mechanism}-{}.properties", password.len()),
            &format!(
                "# How to sign in.\nsecurity.protocol=SASL_SSL\nssl.ca.location={}\nbroker.address.family=v4\n\
                 sasl.mechanism={mechanism}\nsasl.username={USER}\nsasl.password={password}\n",
                self.file("ca.pem")
            ),
        )
    }

    /// A file of other properties. A service that just reads an older one of this name sees that or this, whole.
    pub fn write(&self, name: &str, text: &str) -> String {
        let (draft, path) = (self.path("draft"), self.path(name));
        write_private(&draft, text);
        fs::rename(&draft, &path).expect("renamed");
        path.to_string_lossy().into_owned()
    }

    /// Where MariaDB is, with these parameters of the URL.
    pub fn mariadb_url(&self, parameters: &str) -> String {
        format!("{}?{parameters}", self.pipeline.stack.mariadb.jdbc_url())
    }

    /// Everything that must not be seen anywhere.
    pub fn secrets(&self) -> [&str; 3] {
        let mariadb = &self.pipeline.stack.mariadb;
        [PASSWORD, mariadb.password(User::Writer), mariadb.password(User::Reader)]
    }

    /// Starts a service that is let in, but for what `changes` says otherwise.
    pub fn spawn(&self, service: Service, args: &[&str], changes: &[(&str, &str)]) -> Process {
        let mut command = Command::new(executable(service.name()));
        command.args(["--http-address", "127.0.0.1:0", "--grpc-address", "127.0.0.1:0"]).args(args);
        self.let_in(&mut command, User::Writer);
        command.envs(changes.iter().copied());
        self.pipeline.spawn_command(service, &command)
    }

    /// Runs `turnpike` to its end, let in as the reader, but for what `changes` says otherwise.
    pub fn turnpike(&self, args: &[&str], changes: &[(&str, &str)]) -> Said {
        let mut command = Command::new(executable("turnpike"));
        self.let_in(command.args(args), User::Reader);
        Said::of(&command.envs(changes.iter().copied()).output().expect("turnpike runs"))
    }

    fn let_in(&self, command: &mut Command, user: User) {
        let stack = &self.pipeline.stack;
        let ca = self.file("ca.pem");
        let brokers = stack.kafka.password_servers().expect("a secured stack");
        command
            .env("TURNPIKE_KAFKA_BOOTSTRAP_SERVERS", brokers)
            .env("TURNPIKE_KAFKA_PROPERTIES_FILE", self.properties("SCRAM-SHA-512", None))
            .env("TURNPIKE_SCHEMA_REGISTRY_URL", stack.registry.url())
            .env("TURNPIKE_SCHEMA_REGISTRY_USER", USER)
            .env("TURNPIKE_SCHEMA_REGISTRY_PASSWORD_FILE", self.path("registry-password"))
            .env("TURNPIKE_SCHEMA_REGISTRY_SSL_CA_LOCATION", &ca)
            .env("TURNPIKE_MARIADB_URL", self.mariadb_url(&format!("sslMode=verify-full&serverSslCert={ca}")))
            .env("TURNPIKE_MARIADB_USER", user.name())
            .env("TURNPIKE_MARIADB_PASSWORD_FILE", self.path(user.name()))
            .current_dir(root());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// An authority, certificates of it for the servers (as `localhost`) and for a client, and an authority that nobody knows.
fn make_certificates(file: &impl Fn(&str) -> PathBuf) {
    let authority = authority("Turnpike's tests");
    fs::write(file("ca.pem"), authority.pem()).expect("written");
    fs::write(file("stranger.pem"), self::authority("a stranger").pem()).expect("written");
    let issue = |name: &str, host: &str| {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([host.to_owned()]).expect("a host");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        write_private(&file(&format!("{name}.key")), &key.serialize_pem());
        fs::write(file(&format!("{name}.pem")), certificate.pem()).expect("written");
    };
    issue("server", "localhost");
    issue("client", USER);
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("private");
}
