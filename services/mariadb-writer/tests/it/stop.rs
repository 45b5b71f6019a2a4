//! Being told to stop: what is in hand is finished or undone, and the next start goes on from there.

use std::{thread, time::Duration};

use local_stack::Signal;

use crate::support::{LIMIT, Scene, wait_until};

/// The longest that a service may take to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// SIGTERM under load: exit 0 in time, ledger and rows agree, and another writer completes the rest.
#[test]
fn sigterm_under_load_loses_nothing() {
    let scene = Scene::new("sigterm");
    let _shared = scene.world.shared();
    scene.send_passages(0..20_000);
    let document = scene.document(&[("batch.size", "100")]);
    for _ in 0..3 {
        let writer = scene.writer(&document, &[]);
        let goal = scene.rows() + 1_000;
        scene.wait_for_rows(&writer, goal);
        writer.kill(Signal::TERM);
        assert_eq!(writer.wait(DRAIN).unwrap().code(), Some(0), "{}", writer.output().unwrap());
        assert_eq!(scene.rows(), scene.ledger().1);
    }
    let writer = scene.writer(&document, &[]);
    scene.wait_for_rows(&writer, 20_000);
    scene.assert_exactly_once(20_000);
}

/// Paused through the control plane nothing more is stored, and the group keeps the member; resumed, all is.
#[test]
fn a_paused_writer_stores_nothing() {
    let scene = Scene::new("paused");
    let _shared = scene.world.shared();
    scene.send_passages(0..400);
    let writer = scene.writer(&scene.document(&[]), &[]);
    scene.wait_for_rows(&writer, 400);
    let find = |line: &str| Some(line.split_once("grpc=")?.1.split_whitespace().next()?.to_owned());
    let address = writer.wait_for_line(LIMIT, find).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut client = runtime.block_on(service::control::Client::connect(&address)).unwrap();
    runtime.block_on(client.pause()).unwrap();
    // A poll that was under way at that moment may still bring some; from then on nothing is stored.
    let mut sent = 400;
    let stored = loop {
        let before = scene.rows();
        scene.send_passages(sent..sent + 20);
        sent += 20;
        thread::park_timeout(Duration::from_secs(1));
        if scene.rows() == before {
            break before;
        }
        assert!(sent < 600, "it goes on storing");
    };
    scene.send_passages(sent..800);
    thread::park_timeout(Duration::from_secs(1));
    assert_eq!(scene.rows(), stored);
    runtime.block_on(client.resume()).unwrap();
    scene.wait_for_rows(&writer, 800);
    scene.assert_exactly_once(800);
}

/// SIGTERM while the database hangs, and while it is away: exit 0 in time all the same.
#[test]
fn sigterm_without_a_database_is_obeyed() {
    let scene = Scene::new("hanging");
    let _alone = scene.world.alone();
    scene.send_passages(0..20_000);
    let document = scene.document(&[("batch.size", "100")]);
    for signal in [Signal::STOP, Signal::KILL] {
        let writer = scene.writer(&document, &[]);
        let goal = scene.rows() + 500;
        scene.wait_for_rows(&writer, goal);
        if signal == Signal::STOP {
            scene.world.stack.mariadb.signal(signal);
        } else {
            scene.world.stack.mariadb.kill();
            let is_told =
                |line: &str| (line.contains("mariadb") && line.contains("is not ready")).then_some(());
            writer.wait_for_line(LIMIT, is_told).unwrap();
        }
        writer.kill(Signal::TERM);
        let ended = writer.wait(DRAIN);
        if signal == Signal::STOP {
            scene.world.stack.mariadb.signal(Signal::CONT);
        } else {
            scene.world.stack.mariadb.start().unwrap();
        }
        assert_eq!(ended.unwrap().code(), Some(0), "{}", writer.output().unwrap());
    }
    let writer = scene.writer(&document, &[]);
    wait_until(&writer, "all stored", || scene.ledger().1 == 20_000);
    scene.assert_exactly_once(20_000);
}
