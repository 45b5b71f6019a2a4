//! `healthcheck`: a service asks its own HTTP port how it is, for images without a shell or `curl`.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::Error;
use crate::error::one_line;

/// How long to wait for the connection, and again for each part of the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// More of an answer than this is not read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Why the service does not count as healthy.
#[derive(Debug, thiserror::Error)]
enum Unhealthy {
    #[error("ask http://{0}{1}")]
    NoAnswer(SocketAddr, &'static str, #[source] io::Error),
    #[error("http://{0}{1} answered {2}")]
    Answered(SocketAddr, &'static str, String),
}

/// Asks for `path`; anything but a 200 is an error.
pub(crate) fn healthy(address: SocketAddr, path: &'static str) -> Result<(), Error> {
    let address = reachable(address);
    let answer =
        get(address, path).map_err(|error| Error::failed(Unhealthy::NoAnswer(address, path, error)))?;
    let status = answer.split(' ').nth(1).unwrap_or("nothing");
    if status == "200" {
        return Ok(());
    }
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Err(Error::failed(Unhealthy::Answered(address, path, one_line(&format!("{status} {body}")))))
}

/// One request over HTTP/1.1 without keep-alive, so the answer ends with the connection.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}

/// Where to ask a service that listens at `address`: one that listens everywhere is asked on the loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(host, address.port())
}
