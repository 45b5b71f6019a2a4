//! A way to a server on which its clients can be made to wait, as if it were slow or far away.

use std::{
    io,
    net::{self, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

/// Passes connections on to a port of this machine until it is dropped.
#[derive(Debug)]
pub struct SlowWay {
    port: u16,
    /// What clients may send in a second; 0 is as much as they like.
    bytes_a_second: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Passed on at once, and then waited for: less than a slow way lets through in a second.
const PIECE_BYTES: usize = 16 << 10;
/// How often a piece may pass while the rate is limited.
const TURNS_A_SECOND: usize = 100;
const TURN: Duration = Duration::from_millis(1_000 / TURNS_A_SECOND as u64);

impl SlowWay {
    /// A way to the port that is not slow yet.
    pub fn to(port: u16) -> Self {
        Self::start(port).expect("a port is free")
    }

    fn start(to: u16) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let bytes_a_second = Arc::new(AtomicU64::new(0));
        let rate = Arc::clone(&bytes_a_second);
        let (stop, stopped) = oneshot::channel::<()>();
        #[expect(clippy::disallowed_methods, reason = "joined when the way is dropped")]
        let thread = std::thread::Builder::new().name("slow-way".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, to, &rate) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { port, bytes_a_second, stop: Some(stop), thread: Some(thread) })
    }

    /// The port of this machine that clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on all clients together may send so many bytes a second; 0 is as many as they like.
    pub fn set_bytes_a_second(&self, bytes: u64) {
        self.bytes_a_second.store(bytes, Ordering::Relaxed);
    }
}

impl Drop for SlowWay {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

async fn serve(listener: net::TcpListener, to: u16, bytes_a_second: &Arc<AtomicU64>) {
    let listener = TcpListener::from_std(listener).expect("inside a runtime");
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(pass(client, to, Arc::clone(bytes_a_second)));
        while connections.try_join_next().is_some() {}
    }
}

/// Until one side closes: what the client sends is held back, the answers are not.
async fn pass(mut client: TcpStream, to: u16, bytes_a_second: Arc<AtomicU64>) {
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await else { return };
    client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).ok();
    let (from_client, mut to_client) = client.split();
    let (mut from_server, to_server) = server.split();
    tokio::select! {
        _ = hold_back(from_client, to_server, &bytes_a_second) => {}
        _ = copy(&mut from_server, &mut to_client) => {}
    }
}

async fn hold_back(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    bytes_a_second: &AtomicU64,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut turns = interval(TURN);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let rate = bytes_a_second.load(Ordering::Relaxed);
        let most = match rate {
            0 => PIECE_BYTES,
            rate => (rate as usize / TURNS_A_SECOND).clamp(1, PIECE_BYTES),
        };
        let bytes = from.read(&mut piece[..most]).await?;
        if bytes == 0 {
            return Ok(());
        }
        to.write_all(&piece[..bytes]).await?;
        if rate > 0 {
            turns.tick().await;
        }
    }
}
