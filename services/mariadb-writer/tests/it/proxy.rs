//! Proxies before the database: one loses the answers to some COMMITs, and the connection with them; one is slow.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use crate::support::now;

/// A listening proxy.
pub(crate) struct Proxy {
    port: u16,
    lost: Arc<AtomicU32>,
}

/// Bytes since the last COMMIT that tell a batch from the taking of a partition.
const BATCH_BYTES_MIN: usize = 10_000;
/// The command for a text query, and the text.
const COMMIT: &[u8] = b"\x03COMMIT";

impl Proxy {
    /// Forwards to the database at `port`, but for every second COMMIT of a batch. It reaches the server and only its answer is lost,
    /// or neither.
    pub(crate) fn start(port: u16, reaches_server: bool) -> Self {
        Self::listen(port, Duration::ZERO, Some(reaches_server))
    }

    /// Forwards to the database at `port`, and takes some time over each connection.
    pub(crate) fn slow(port: u16, connect_time: Duration) -> Self {
        Self::listen(port, connect_time, None)
    }

    fn listen(port: u16, connect_time: Duration, loses: Option<bool>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let lost = Arc::new(AtomicU32::new(0));
        let (commits, counted) = (Arc::new(AtomicU32::new(0)), Arc::clone(&lost));
        spawn(move || {
            for client in listener.incoming() {
                let since = now();
                while since.elapsed() < connect_time {
                    thread::park_timeout(connect_time.saturating_sub(since.elapsed()));
                }
                let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", port)).unwrap());
                let (from_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                spawn(move || copy(from_server, &to_client));
                let (commits, lost) = (Arc::clone(&commits), Arc::clone(&counted));
                spawn(move || forward(client, server, loses, &commits, &lost));
            }
        });
        Self { port: own, lost }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many COMMITs were lost.
    pub(crate) fn lost(&self) -> u32 {
        self.lost.load(Ordering::Relaxed)
    }
}

fn forward(
    mut client: TcpStream,
    mut server: TcpStream,
    loses: Option<bool>,
    commits: &AtomicU32,
    lost: &AtomicU32,
) {
    let mut buffer = vec![0; 65_536];
    let mut since_commit = 0;
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        let packet = &buffer[..length];
        let is_commit = packet.len() == 4 + COMMIT.len() && packet.ends_with(COMMIT);
        let is_batch = is_commit && since_commit >= BATCH_BYTES_MIN;
        since_commit = if is_commit { 0 } else { since_commit + length };
        if let Some(reaches_server) = loses
            && is_batch
            && commits.fetch_add(1, Ordering::Relaxed).is_multiple_of(2)
        {
            lost.fetch_add(1, Ordering::Relaxed);
            // The client hears nothing more, whatever the server makes of it.
            client.shutdown(Shutdown::Both).unwrap();
            if reaches_server {
                server.write_all(packet).unwrap();
            }
            break;
        }
        if server.write_all(packet).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Write);
}

fn copy(mut from: TcpStream, mut to: &TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}

#[expect(clippy::disallowed_methods, reason = "the proxy lives as long as the test's process")]
fn spawn(body: impl FnOnce() + Send + 'static) {
    thread::spawn(body);
}
