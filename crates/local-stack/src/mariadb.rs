//! A private MariaDB with the repository's databases, tables and users.

use std::{
    ffi::OsString,
    fmt,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{Error, Folder, Progress, Security, Signal, daemon::Daemon, files, time::Stopwatch, tools};

const INIT_SQL: &str = include_str!("../../../init.sql");
const START_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_secs(20);
const TEMPLATE_LIMIT: Duration = Duration::from_mins(2);
const PROBE_LIMIT: Duration = Duration::from_secs(1);
/// First byte of MariaDB's greeting after its four bytes of length.
const PROTOCOL_VERSION: u8 = 10;

/// An account of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// `turnpike_writer`: what services write with.
    Writer,
    /// `turnpike_reader`: what people look with.
    Reader,
    /// `root`: what tests use to break things.
    Administrator,
}

impl User {
    /// The name to log in with.
    pub fn name(self) -> &'static str {
        match self {
            Self::Writer => "turnpike_writer",
            Self::Reader => "turnpike_reader",
            Self::Administrator => "root",
        }
    }
}

/// A database server with its data in a stack's folder; commits are as durable as MariaDB makes them by default.
pub struct MariaDb {
    daemon: Daemon,
    port: u16,
    /// In the order of [`User`].
    passwords: [String; 3],
    client: PathBuf,
    is_secured: bool,
    has_tables: AtomicBool,
    progress: Progress,
    _folder: Arc<Folder>,
}

impl MariaDb {
    /// Lays out a server without our tables; the first ever on this machine prepares the system tables for all.
    pub fn create(folder: &Arc<Folder>, buffer_pool_mib: u32, progress: &Progress) -> Result<Self, Error> {
        Self::create_secured(folder, buffer_pool_mib, None, progress)
    }

    /// The same, whose writer and reader must come over TLS.
    pub(crate) fn create_secured(
        folder: &Arc<Folder>,
        buffer_pool_mib: u32,
        security: Option<&Security>,
        progress: &Progress,
    ) -> Result<Self, Error> {
        let (program, client) = (tools::find("mariadbd")?, tools::find("mariadb")?);
        let version = version(&program)?;
        let data = folder.path().join("mariadb");
        files::copy_folder(&template(&version, progress)?, &data)?;
        let passwords = [files::new_password()?, files::new_password()?, files::new_password()?];
        let init_file = folder.path().join("mariadb-init.sql");
        files::write(&init_file, &administrator_sql(&passwords[User::Administrator as usize]))?;
        let port = folder.port()?;
        let daemon = Daemon {
            name: format!("MariaDB {version}"),
            program,
            arguments: server_arguments(&data, port, buffer_pool_mib, &init_file, security),
            environment: Vec::new(),
            folder: data,
            log: folder.path().join("mariadb.log"),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            is_ready: greets,
            start_limit: START_LIMIT,
            stop_limit: STOP_LIMIT,
            process: Mutex::default(),
        };
        Ok(Self {
            daemon,
            port,
            passwords,
            client,
            is_secured: security.is_some(),
            has_tables: AtomicBool::new(false),
            progress: progress.clone(),
            _folder: Arc::clone(folder),
        })
    }

    /// Starts the server and waits until it answers; the first time it also runs `init.sql` and unlocks the users.
    pub fn start(&self) -> Result<(), Error> {
        let stopwatch = Stopwatch::start();
        self.daemon.start()?;
        if !self.has_tables.load(Ordering::Relaxed) {
            self.run("init.sql", INIT_SQL)?;
            for user in [User::Writer, User::Reader] {
                let (name, password) = (user.name(), self.password(user));
                let tls = if self.is_secured { "REQUIRE SSL" } else { "" };
                self.sql(&format!("ALTER USER {name}@'%' IDENTIFIED BY '{password}' {tls} ACCOUNT UNLOCK"))?;
            }
            self.has_tables.store(true, Ordering::Relaxed);
        }
        self.progress.say(format!(
            "{} is up on {} ({})",
            self.daemon.name,
            self.daemon.address,
            stopwatch.text()
        ));
        Ok(())
    }

    /// Shuts the server down in order; its data and port stay.
    pub fn stop(&self) -> Result<(), Error> {
        self.daemon.stop()
    }

    /// Kills the server as a crash would; its data and port stay.
    pub fn kill(&self) {
        self.daemon.kill();
    }

    /// Sends a signal: SIGSTOP freezes the server, SIGCONT lets it go on.
    pub fn signal(&self, signal: Signal) {
        self.daemon.signal(signal);
    }

    /// Runs statements as the administrator; answers rows as lines, columns parted by tabs.
    pub fn sql(&self, statements: &str) -> Result<String, Error> {
        self.run(statements, statements)
    }

    /// The password of an account, made anew for each stack.
    pub fn password(&self, user: User) -> &str {
        &self.passwords[user as usize]
    }

    /// As in `mysql://user:password@127.0.0.1:port/`.
    pub fn url(&self, user: User) -> String {
        format!("mysql://{}:{}@127.0.0.1:{}/", user.name(), self.password(user), self.port)
    }

    /// As in `connection.url` of a JDBC sink, which names the user apart.
    pub fn jdbc_url(&self) -> String {
        let host = if self.is_secured { "localhost" } else { "127.0.0.1" };
        format!("jdbc:mariadb://{host}:{}/", self.port)
    }

    /// What a person types to look inside.
    pub fn client_command(&self, user: User) -> String {
        format!(
            "mariadb --no-defaults -h127.0.0.1 -P{} -u{} -p{}",
            self.port,
            user.name(),
            self.password(user)
        )
    }

    /// The port of 127.0.0.1 that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.daemon.pid()
    }

    /// Resident memory in KiB, while it runs.
    pub fn resident_kib(&self) -> Option<u64> {
        self.daemon.resident_kib()
    }

    /// Highest resident memory since its start in KiB, while it runs.
    pub fn resident_peak_kib(&self) -> Option<u64> {
        self.daemon.resident_peak_kib()
    }

    /// What it writes: notes, warnings and errors.
    pub fn log(&self) -> &Path {
        &self.daemon.log
    }

    /// Hands statements to the client's standard input, so that none is too long for a command line.
    fn run(&self, name: &str, statements: &str) -> Result<String, Error> {
        let refused = |message: String| Error::Sql { sql: name.to_owned(), message };
        let mut client = tools::command(&self.client);
        client.args(["--no-defaults", "--host=127.0.0.1", "--user=root", "--batch", "--skip-column-names"]);
        client.arg("--connect-timeout=10").arg(format!("--port={}", self.port));
        client.env("MYSQL_PWD", self.password(User::Administrator));
        client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let spawned = client.spawn().map_err(|source| Error::Spawn { name: "mariadb".to_owned(), source });
        let mut child = spawned?;
        if let Some(mut input) = child.stdin.take() {
            // A client that gives up early says why on its standard error.
            input.write_all(statements.as_bytes()).ok();
        }
        let output = child.wait_with_output().map_err(|source| refused(source.to_string()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        // The client repeats the statement before it says what is wrong with it.
        let message = complaint.find("ERROR ").map_or(&*complaint, |at| &complaint[at..]);
        Err(refused(message.trim().to_owned()))
    }
}

impl fmt::Debug for MariaDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MariaDb").field("daemon", &self.daemon).finish_non_exhaustive()
    }
}

/// Runs at every start before anybody can connect. Statements must each be on one line.
fn administrator_sql(password: &str) -> String {
    format!(
        "CREATE USER IF NOT EXISTS root@'127.0.0.1' IDENTIFIED BY '{password}';\n\
         GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n"
    )
}

fn server_arguments(
    data: &Path,
    port: u16,
    buffer_pool_mib: u32,
    init_file: &Path,
    security: Option<&Security>,
) -> Vec<OsString> {
    let with_path = |option: &str, path: &Path| {
        let mut text = OsString::from(option);
        text.push(path);
        text
    };
    let mut arguments = vec![
        "--no-defaults".into(), // must come first
        with_path("--datadir=", data),
        with_path("--tmpdir=", data),
        with_path("--init-file=", init_file),
        // Relative to the data: paths of sockets may not be longer than 107 bytes.
        "--socket=mariadb.sock".into(),
        "--pid-file=mariadb.pid".into(),
        "--bind-address=127.0.0.1".into(),
        format!("--port={port}").into(),
        format!("--innodb-buffer-pool-size={buffer_pool_mib}M").into(),
        // No preparing of a warm cache between stops and starts.
        "--innodb-buffer-pool-dump-at-shutdown=OFF".into(),
        "--innodb-buffer-pool-load-at-startup=OFF".into(),
        "--key-buffer-size=1M".into(),
        "--aria-pagecache-buffer-size=8M".into(),
        "--max-connections=100".into(),
        "--table-open-cache=256".into(),
        "--skip-name-resolve".into(),
        "--character-set-server=utf8mb4".into(),
        "--default-time-zone=+00:00".into(),
        "--log-warnings=1".into(),
    ];
    if let Some(Security { certificate, key, ca, .. }) = security {
        arguments.push(with_path("--ssl-cert=", certificate));
        arguments.push(with_path("--ssl-key=", key));
        arguments.push(with_path("--ssl-ca=", ca));
    }
    arguments.extend(as_root());
    arguments
}

/// MariaDB refuses to run as root unless it is told to.
fn as_root() -> Option<OsString> {
    rustix::process::geteuid().is_root().then(|| "--user=root".into())
}

/// The system tables, made once: `target/local-stack/mariadb-<version>/template`.
fn template(version: &str, progress: &Progress) -> Result<PathBuf, Error> {
    let base = files::home();
    let home = base.join(format!("mariadb-{version}"));
    let template = home.join("template");
    if template.is_dir() {
        return Ok(template);
    }
    files::create_folder(&base)?;
    let _lock = files::lock(&base.join("mariadb.lock"))?;
    if template.is_dir() {
        return Ok(template);
    }
    let stopwatch = Stopwatch::start();
    let draft = base.join(format!("mariadb-{version}.draft"));
    files::remove_folder(&draft)?;
    let data = draft.join("template");
    files::create_folder(&data)?;
    let mut install = tools::command(tools::find("mariadb-install-db")?);
    install.arg("--no-defaults").args(as_root()).args([
        "--auth-root-authentication-method=socket",
        "--auth-root-socket-user=root",
        "--cross-bootstrap",
        "--skip-test-db",
        // Grown by the server at its start; small to copy.
        "--innodb-log-file-size=4M",
    ]);
    install.arg(format!("--datadir={}", data.display()));
    tools::run("mariadb-install-db", &install, &base.join("mariadb-install.log"), TEMPLATE_LIMIT)?;
    files::remove_folder(&home)?;
    files::rename(&draft, &home)?;
    progress.say(format!("prepared MariaDB {version} ({})", stopwatch.text()));
    Ok(template)
}

/// `10.11.19` of `mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for …`.
fn version(mariadbd: &Path) -> Result<String, Error> {
    let output = tools::command(mariadbd).args(["--no-defaults", "--version"]).output();
    let output = output.map_err(|source| Error::Spawn { name: "mariadbd".to_owned(), source })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_once("Ver ").and_then(|(_, rest)| rest.split(['-', ' ']).next());
    Ok(version.unwrap_or("unknown").to_owned())
}

/// Whether MariaDB greets there; it does so only when it is ready for logins.
fn greets(address: SocketAddr) -> bool {
    let mut greeting = [0; 5];
    TcpStream::connect_timeout(&address, PROBE_LIMIT)
        .and_then(|mut stream| {
            stream.set_read_timeout(Some(PROBE_LIMIT))?;
            stream.read_exact(&mut greeting)
        })
        .is_ok_and(|()| greeting[4] == PROTOCOL_VERSION)
}
