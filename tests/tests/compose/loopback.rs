//! Nothing listens beyond loopback: asked of Docker, of this machine's table of listeners, and by knocking.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    process::Command,
    time::Duration,
};

use crate::stack::{Stack, run};

/// How long a command or a connection may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What listens for each published port is bound to loopback, and the Rust services publish none.
pub(crate) fn only(stack: &Stack) {
    let ports = published(stack);
    for variable in ["KAFKA_PORT", "SCHEMA_REGISTRY_PORT", "MARIADB_PORT", "JAEGER_PORT", "PROMETHEUS_PORT"] {
        assert!(ports.contains(&stack.port(variable)), "{variable} is not published: {ports:?}");
        knock(IpAddr::V4(Ipv4Addr::LOCALHOST), stack.port(variable)).expect("loopback answers");
    }
    no_listener_elsewhere(&ports);
    if let Some(address) = other_address() {
        for port in ports {
            assert!(knock(address, port).is_err(), "{address}:{port} answers");
        }
    }
}

/// The ports of this machine that lead to a container.
fn published(stack: &Stack) -> BTreeSet<u16> {
    let mut ports = BTreeSet::new();
    for container in stack.containers() {
        let bound = container.at("/NetworkSettings/Ports").as_object().cloned().unwrap_or_default();
        for binding in bound.values().filter_map(|bindings| bindings.as_array()).flatten() {
            let (name, address) = (container.name(), binding["HostIp"].as_str().unwrap_or_default());
            let loopback = address.parse().is_ok_and(|address: IpAddr| address.is_loopback());
            assert!(loopback, "{name} is reached by {binding}");
            assert!(!container.image().starts_with("turnpike/"), "{name} publishes {binding}");
            ports.extend(binding["HostPort"].as_str().and_then(|port| port.parse::<u16>().ok()));
        }
    }
    ports
}

/// `ss` lists the listeners of this machine, where it is installed.
fn no_listener_elsewhere(ports: &BTreeSet<u16>) {
    let Ok(said) = run(Command::new("ss").args(["-Hltn"]), LIMIT) else { return };
    let listeners = said.out.lines().filter_map(|line| line.split_whitespace().nth(3)?.rsplit_once(':'));
    for (address, port) in listeners {
        if port.parse().is_ok_and(|port| ports.contains(&port)) {
            assert!(["127.0.0.1", "[::1]"].contains(&address), "{address}:{port} is listened on");
        }
    }
}

/// An address of this machine that others can reach, if it has one: that from which it would send. Nothing is sent.
fn other_address() -> Option<IpAddr> {
    const DOCUMENTATION: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect(DOCUMENTATION).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
}

fn knock(address: IpAddr, port: u16) -> std::io::Result<TcpStream> {
    TcpStream::connect_timeout(&SocketAddr::new(address, port), LIMIT)
}
