//! Things that go away: nothing is lost, nothing is stored twice, and nothing becomes a dead letter.

use std::{thread, time::Duration};

use local_stack::{Process, Signal, User};

use crate::{
    proxy::Proxy,
    support::{LIMIT, Scene, now, wait_until},
};

/// Connections are left alone for no longer than this.
const PAUSE_MAX: Duration = Duration::from_secs(1);

fn wait_for_stored(scene: &Scene, writer: &Process, count: i64) {
    wait_until(writer, &format!("{count} stored"), || scene.ledger().1 >= count);
}

/// The database dies in mid-stream and comes back: the writer waits, says so, and goes on where it was.
#[test]
fn a_dead_database_is_waited_for() {
    let scene = Scene::new("dead");
    let _alone = scene.world.alone();
    scene.send_passages(0..40_000);
    let writer = scene.writer(&scene.document(&[("batch.size", "200")]), &[]);
    scene.wait_for_rows(&writer, 1_000);
    scene.world.stack.mariadb.kill();
    let is_told = |line: &str| (line.contains("mariadb") && line.contains("is not ready")).then_some(());
    writer.wait_for_line(LIMIT, is_told).unwrap();
    scene.world.stack.mariadb.start().unwrap();
    wait_for_stored(&scene, &writer, 40_000);
    scene.assert_exactly_once(40_000);
}

/// Connections killed at any moment, again and again.
#[test]
fn killed_connections_lose_nothing() {
    let scene = Scene::new("killed");
    let _alone = scene.world.alone();
    scene.send_passages(0..60_000);
    let more = [("batch.size", "500"), ("tasks.max", "2")];
    let writer = scene.writer(&scene.document(&more), &[]);
    let ours =
        format!("SELECT id FROM information_schema.processlist WHERE user = '{}'", User::Writer.name());
    // Each time they are left alone for a little longer: however slow the machine is, at some time a batch gets through.
    let mut pauses = (0..).map(|round| Duration::from_millis(10 * round).min(PAUSE_MAX));
    wait_until(&writer, "all stored", || {
        thread::park_timeout(pauses.next().unwrap_or(PAUSE_MAX));
        for id in scene.world.sql(&ours).lines() {
            // It may have ended by itself.
            let _ = scene.world.stack.mariadb.sql(&format!("KILL CONNECTION {id}"));
        }
        scene.ledger().1 >= 60_000
    });
    scene.assert_exactly_once(60_000);
}

/// The answer to a COMMIT is lost, once though it was committed and once though it was not: the ledger tells which.
#[test]
fn a_lost_answer_to_commit_is_looked_up() {
    for reaches_server in [true, false] {
        let scene = Scene::new("lost");
        let _shared = scene.world.shared();
        scene.send_passages(0..4_000);
        let proxy = Proxy::start(scene.world.stack.mariadb.port(), reaches_server);
        let url = format!("jdbc:mariadb://127.0.0.1:{}/", proxy.port());
        let writer = scene.writer(&scene.document(&[("connection.url", &url), ("batch.size", "500")]), &[]);
        wait_for_stored(&scene, &writer, 4_000);
        assert!(proxy.lost() >= 2, "{} answers were lost", proxy.lost());
        scene.assert_exactly_once(4_000);
    }
}

/// A frozen writer loses its partitions to another; when it thaws it can commit nothing of what it had in hand.
#[test]
fn a_thawed_writer_is_fenced() {
    let scene = Scene::new("frozen");
    let _shared = scene.world.shared();
    let document = scene.document(&[("batch.size", "20"), ("consumer.override.session.timeout.ms", "6000")]);
    let first = scene.writer(&document, &[]);
    scene.send_passages(0..20_000);
    scene.wait_for_rows(&first, 200);
    first.kill(Signal::STOP);
    let second = scene.writer(&document, &[]);
    scene.send_passages(20_000..30_000);
    let before = scene.ledger().1;
    wait_until(&second, "the second to go on", || scene.ledger().1 > before + 1_000);
    first.kill(Signal::CONT);
    wait_for_stored(&scene, &second, 30_000);
    scene.send_passages(30_000..31_000);
    wait_for_stored(&scene, &second, 31_000);
    scene.assert_exactly_once(31_000);
    assert!(first.is_running());
}

/// Writers killed at random moments while they share the partitions.
#[test]
fn killed_writers_lose_nothing() {
    let scene = Scene::new("shared");
    let _shared = scene.world.shared();
    let document = scene.document(&[("batch.size", "50"), ("consumer.override.session.timeout.ms", "6000")]);
    scene.send_passages(0..30_000);
    let steady = scene.writer(&document, &[]);
    for round in 0..3 {
        let victim = scene.writer(&document, &[]);
        let goal = scene.ledger().1 + 500 + 311 * round;
        wait_until(&victim, "progress", || scene.ledger().1 > goal.min(25_000));
        victim.kill(Signal::KILL);
        victim.wait(LIMIT).unwrap();
    }
    wait_for_stored(&scene, &steady, 30_000);
    scene.assert_exactly_once(30_000);
}

/// The registry is away at the start: records wait, none is set aside.
#[test]
fn the_registry_is_waited_for() {
    let scene = Scene::new("registry");
    let _alone = scene.world.alone();
    scene.send_passages(0..100);
    scene.world.stack.registry.stop();
    let writer = scene.writer(&scene.document(&[]), &[]);
    let is_told = |line: &str| line.contains("schema-registry is not ready").then_some(());
    writer.wait_for_line(LIMIT, is_told).unwrap();
    assert_eq!(scene.ledger(), (0, 0, 0));
    scene.world.stack.registry.start().unwrap();
    scene.wait_for_rows(&writer, 100);
    scene.assert_exactly_once(100);
}

/// A table that vanishes while the writer runs is waited for, loudly.
#[test]
fn a_vanished_table_is_waited_for() {
    let scene = Scene::new("vanished");
    let _shared = scene.world.shared();
    scene.send_passages(0..100);
    let writer = scene.writer(&scene.document(&[]), &[]);
    scene.wait_for_rows(&writer, 100);
    let table = format!("traffic_db.{}", scene.table);
    scene.world.sql(&format!("RENAME TABLE {table} TO {table}_away"));
    scene.send_passages(100..200);
    writer.wait_for_line(LIMIT, |line| line.contains("this worked before").then_some(())).unwrap();
    scene.world.sql(&format!("RENAME TABLE {table}_away TO {table}"));
    scene.wait_for_rows(&writer, 200);
    scene.assert_exactly_once(200);
}

/// A topic that ends before the ledger goes on was created anew: said, and waited for, instead of skipped in silence, also when it has
/// grown beyond that place.
#[test]
fn a_topic_created_anew_is_told() {
    let scene = Scene::new("anew");
    let _shared = scene.world.shared();
    let (name, topic) = (&scene.name, &scene.topic);
    let columns = "connector, topic, partition_number, next_offset";
    scene.world.sql(&format!("INSERT INTO turnpike.ledger ({columns}) VALUES ('{name}', '{topic}', 2, 30)"));
    scene.send_passages(0..100);
    let writer = scene.writer(&scene.document(&[]), &[]);
    writer.wait_for_line(LIMIT, |line| line.contains("was created anew").then_some(())).unwrap();
    scene.wait_for_rows(&writer, 75);
    scene.send_passages(100..200);
    scene.wait_for_rows(&writer, 150);
    scene
        .world
        .sql(&format!("DELETE FROM turnpike.ledger WHERE connector = '{name}' AND partition_number = 2"));
    scene.wait_for_rows(&writer, 200);
    scene.assert_exactly_once(200);
}

/// Rows that another session has locked are waited for; a time-out of the lock is no reason to set anything aside.
#[test]
fn locked_rows_are_waited_for() {
    let scene = Scene::new("locked");
    let _shared = scene.world.shared();
    let table = format!("traffic_db.{}", scene.table);
    let hold = format!(
        "SET autocommit = 0; INSERT INTO {table} (event_id, vehicle_id, transponder_id, vehicle_type, \
        toll_plaza_id, lane, amount, currency, occurred_at) VALUES ('00000000-0000-0000-0000-000000000001', '', 1, '', 1, 1, \
        1, '', NOW()); SELECT SLEEP(13); ROLLBACK"
    );
    thread::scope(|scope| {
        scope.spawn(|| scene.world.sql(&hold));
        let since = now();
        let is_held = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_rows_modified > 0";
        while scene.world.number(is_held) == 0 && since.elapsed() < LIMIT {
            thread::park_timeout(Duration::from_millis(20));
        }
        scene.send_passages(0..100);
        let writer = scene.writer(&scene.document(&[]), &[]);
        wait_for_stored(&scene, &writer, 100);
        scene.assert_exactly_once(100);
    });
}
