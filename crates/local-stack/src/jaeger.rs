//! Jaeger, which keeps traces in memory and shows them: one program that `deploy/jaeger/install` builds.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{Error, Folder, Progress, Signal, daemon::Daemon, files, time::Stopwatch};

/// As in `deploy/jaeger/install`.
const VERSION: &str = "2.13.0";
const CONFIG: &str = include_str!("../../../deploy/jaeger/config.yaml");
/// Where the document has a page from that is not built in.
const UI_ASSETS: &str = "JAEGER_UI_ASSETS";
const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(5);
const PROBE_LIMIT: Duration = Duration::from_secs(1);
/// Some minutes of a hundred records a second with their batches, near 400 MiB.
const TRACES_MAX: u32 = 20_000;
/// How much the heap grows until garbage is collected. Go's own habit is 100, which would take 650 MiB.
const GARBAGE_PERCENT: u32 = 50;

/// A Jaeger on ports of 127.0.0.1; its traces go with its process.
#[derive(Debug)]
pub struct Jaeger {
    daemon: Daemon,
    ports: Ports,
    progress: Progress,
    _folder: Arc<Folder>,
}

/// All that it listens on.
#[derive(Debug)]
struct Ports {
    page: u16,
    query_grpc: u16,
    otlp_grpc: u16,
    otlp_http: u16,
    health: u16,
}

impl Jaeger {
    /// The version of Jaeger.
    pub const VERSION: &str = VERSION;
    /// Where people look for its page.
    pub const USUAL_PORT: u16 = 16_686;

    /// Where the program is, if it was built: what needs it can be left out otherwise.
    pub fn program() -> Result<PathBuf, Error> {
        let program = files::tools().join(format!("jaeger-{VERSION}/jaeger"));
        if program.is_file() { Ok(program) } else { Err(Error::MissingJaeger { program }) }
    }

    /// Starts a Jaeger on free ports and waits until it is ready.
    pub fn start(folder: &Arc<Folder>) -> Result<Self, Error> {
        let jaeger = Self::create(folder, None, &Progress::default())?;
        jaeger.start_again().map(|()| jaeger)
    }

    /// Lays one out; its page is on `page_port` if that is given and free.
    pub(crate) fn create(
        folder: &Arc<Folder>,
        page_port: Option<u16>,
        progress: &Progress,
    ) -> Result<Self, Error> {
        let program = Self::program()?;
        let is_free = |port: &u16| TcpListener::bind(local(*port)).is_ok();
        let ports = Ports {
            page: page_port.filter(is_free).map_or_else(|| folder.port(), Ok)?,
            query_grpc: folder.port()?,
            otlp_grpc: folder.port()?,
            otlp_http: folder.port()?,
            health: folder.port()?,
        };
        let home = folder.path().join("jaeger");
        files::create_folder(&home)?;
        files::write(&home.join("config.yaml"), CONFIG)?;
        let daemon = Daemon {
            name: format!("Jaeger {VERSION}"),
            arguments: vec!["--config=config.yaml".into()],
            environment: ports.environment(page_folder(&program)),
            program,
            folder: home,
            log: folder.path().join("jaeger.log"),
            address: local(ports.health),
            is_ready,
            start_limit: START_LIMIT,
            stop_limit: STOP_LIMIT,
            process: Mutex::default(),
        };
        let (progress, folder) = (progress.clone(), Arc::clone(folder));
        Ok(Self { daemon, ports, progress, _folder: folder })
    }

    /// Starts it on the same ports after it was stopped or killed; nothing happens if it runs.
    pub fn start_again(&self) -> Result<(), Error> {
        let stopwatch = Stopwatch::start();
        self.daemon.start()?;
        self.progress.say(format!("{} is up on {} ({})", self.daemon.name, self.url(), stopwatch.text()));
        Ok(())
    }

    /// Shuts it down in order; its ports stay, its traces go.
    pub fn stop(&self) -> Result<(), Error> {
        self.daemon.stop()
    }

    /// Kills it as a crash would; its ports stay, its traces go.
    pub fn kill(&self) {
        self.daemon.kill();
    }

    /// Sends a signal: SIGSTOP freezes it, SIGCONT lets it go on.
    pub fn signal(&self, signal: Signal) {
        self.daemon.signal(signal);
    }

    /// Where spans go by gRPC, as in `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn otlp_endpoint(&self) -> String {
        format!("http://{}", local(self.ports.otlp_grpc))
    }

    /// Where spans go by HTTP, without the `/v1/traces` that senders add.
    pub fn otlp_http_endpoint(&self) -> String {
        format!("http://{}", local(self.ports.otlp_http))
    }

    /// Its page, and its API below `/api`.
    pub fn url(&self) -> String {
        format!("http://{}", local(self.ports.page))
    }

    /// Whether the program has Jaeger's own page: where it was built here, a page of ours is served in its place.
    pub fn has_own_page(&self) -> bool {
        !self.daemon.environment.iter().any(|(name, _)| *name == UI_ASSETS)
    }

    /// The page of one trace.
    pub fn trace_url(&self, trace_id: &str) -> String {
        format!("{}/trace/{trace_id}", self.url())
    }

    /// One trace as JSON.
    pub fn trace_api_url(&self, trace_id: &str) -> String {
        format!("{}/api/traces/{trace_id}", self.url())
    }

    /// Process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.daemon.pid()
    }

    /// Resident memory in KiB, while it runs.
    pub fn resident_kib(&self) -> Option<u64> {
        self.daemon.resident_kib()
    }

    /// What it writes: warnings and errors.
    pub fn log(&self) -> &Path {
        &self.daemon.log
    }
}

impl Ports {
    /// The variables of `deploy/jaeger/config.yaml`, and one of Go's.
    fn environment(&self, page: Option<PathBuf>) -> Vec<(&'static str, String)> {
        let mut environment = vec![
            ("JAEGER_LISTEN_HOST", Ipv4Addr::LOCALHOST.to_string()),
            ("JAEGER_QUERY_PORT", self.page.to_string()),
            ("JAEGER_QUERY_GRPC_PORT", self.query_grpc.to_string()),
            ("JAEGER_OTLP_GRPC_PORT", self.otlp_grpc.to_string()),
            ("JAEGER_OTLP_HTTP_PORT", self.otlp_http.to_string()),
            ("JAEGER_HEALTH_PORT", self.health.to_string()),
            ("JAEGER_MAX_TRACES", TRACES_MAX.to_string()),
            ("GOGC", GARBAGE_PERCENT.to_string()),
        ];
        environment.extend(page.map(|folder| (UI_ASSETS, folder.display().to_string())));
        environment
    }
}

/// A page of ours that lies beside a program which was built without its own.
fn page_folder(program: &Path) -> Option<PathBuf> {
    Some(program.with_file_name("ui")).filter(|folder| folder.join("index.html").is_file())
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Whether its health check answers well, which it does once every part listens.
fn is_ready(address: SocketAddr) -> bool {
    let mut status = [0; 12];
    TcpStream::connect_timeout(&address, PROBE_LIMIT)
        .and_then(|mut stream| {
            stream.set_read_timeout(Some(PROBE_LIMIT))?;
            stream.write_all(b"GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
            stream.read_exact(&mut status)
        })
        .is_ok_and(|()| status == *b"HTTP/1.1 200")
}

#[cfg(test)]
mod tests {
    use super::{CONFIG, Ports, VERSION};

    /// The script installs what is looked for, and every variable that is set here is read there.
    #[test]
    fn script_and_document_agree_with_this() {
        let script = include_str!("../../../deploy/jaeger/install");
        assert!(script.contains(&format!("readonly VERSION={VERSION}\n")));
        let ports = Ports { page: 1, query_grpc: 2, otlp_grpc: 3, otlp_http: 4, health: 5 };
        let environment = ports.environment(Some("ui".into()));
        let names = environment.iter().map(|(name, _)| *name).filter(|name| name.starts_with("JAEGER_"));
        assert_eq!(names.clone().count(), CONFIG.matches("\n#   JAEGER_").count());
        for name in names {
            assert!(CONFIG.contains(&format!("${{env:{name}:-")), "{name}");
        }
    }
}
