//! What happens to a running system: more of it, kills, restarts, new passwords, a lost database.

use system_tests::eventually;

use crate::{
    books,
    containers::Container,
    stack::{PROJECT, Stack},
};

/// The services that may run more than once.
const SCALED: [&str; 2] = ["validator", "mariadb-writer"];

/// Kafka, registry, database, Jaeger, Prometheus, three generators, validator and writer.
const KINDS: usize = 10;

/// Two validators and two writers share the work.
pub(crate) fn scaled_to_two(stack: &Stack) {
    stack.make(&["scale", "N=2"]);
    for service in SCALED {
        let containers = stack.service(service);
        assert!(containers.len() == 2 && containers.iter().all(Container::is_healthy), "{containers:?}");
    }
    stack.verify_after_faults();
}

/// One container of each service is killed, as by the kernel, and comes back by itself.
pub(crate) fn each_kind_is_killed(stack: &Stack) {
    let mut kinds: Vec<Container> = stack.containers().into_iter().filter(Container::is_running).collect();
    kinds.sort_by_key(Container::service);
    kinds.dedup_by_key(|container| container.service());
    assert_eq!(kinds.len(), KINDS, "{kinds:?}");
    for killed in kinds {
        // Not `docker kill`, after which the engine would leave it stopped.
        stack.on_engine("kill -KILL \"$1\"", &[&killed.pid().to_string()]);
        eventually(&format!("{} is back", killed.name()), || {
            let all = stack.service(&killed.service());
            let now = all.iter().find(|container| container.id() == killed.id())?;
            (now.is_healthy() && now.started_at() != killed.started_at()).then_some(())
        });
    }
}

/// The two that keep all data, in order.
pub(crate) fn kafka_and_mariadb_are_restarted(stack: &Stack) {
    stack.compose(&["restart", "kafka", "mariadb"]);
    await_healthy(stack);
}

/// Everything at once.
pub(crate) fn all_are_restarted(stack: &Stack) {
    stack.compose(&["restart"]);
    await_healthy(stack);
}

/// New passwords for a database that has data: while it runs, and while it does not.
pub(crate) fn passwords_are_changed(stack: &Stack) {
    let first = reader_password(stack);
    assert!(can_read(stack, &first));
    stack.make(&["rotate"]);
    stack.know_passwords();
    let second = reader_password(stack);
    assert!(can_read(stack, &second) && !can_read(stack, &first));

    stack.make(&["down"]);
    std::fs::remove_dir_all(stack.secrets()).expect("removed");
    stack.up();
    let third = reader_password(stack);
    assert!(can_read(stack, &third) && !can_read(stack, &second));
}

/// The volume of the database is lost. The backup brings back rows and ledger of one moment, and Kafka what came since.
pub(crate) fn restored_from_a_backup(stack: &Stack) {
    let file = format!("FILE={}", stack.folder().join("backup.sql.gz").display());
    let before = stack.count(ALL_STORED);
    stack.make(&["backup", &file]);
    let after = stack.count(ALL_STORED);

    stack.make(&["down"]);
    stack.docker(&["volume", "rm", &format!("{PROJECT}_mariadb-data")]);
    stack.compose(&["up", "--detach", "--wait", "mariadb"]);
    assert_eq!(stack.count(ALL_STORED), 0);
    stack.make_and_confirm(&["restore", &file]);
    let restored = stack.count(ALL_STORED);
    assert!(
        (before..=after).contains(&restored),
        "{restored} stored, {before} to {after} as the backup was made"
    );
    books::rows_are_those_of_the_ledger(stack);

    stack.up();
    eventually("the writer goes on", || (stack.count(ALL_STORED) > after).then_some(()));
}

const ALL_STORED: &str = "SELECT COALESCE(SUM(stored_count), 0) FROM turnpike.ledger";

/// Every container runs and is healthy, but for the one that creates the topics, which has ended well.
pub(crate) fn await_healthy(stack: &Stack) {
    eventually("all containers are healthy", || {
        let fine = |one: &Container| match &*one.service() {
            "topics" => !one.is_running() && one.at("/State/ExitCode") == 0,
            _ => one.is_healthy(),
        };
        stack.containers().iter().all(fine).then_some(())
    });
}

fn reader_password(stack: &Stack) -> String {
    std::fs::read_to_string(stack.secrets().join("mariadb_reader_password")).expect("a password")
}

/// Whether the reader gets in with a password, over TCP as its users do.
fn can_read(stack: &Stack, password: &str) -> bool {
    let script = format!(
        "MYSQL_PWD={password} mariadb --host=127.0.0.1 --user=turnpike_reader --execute 'SELECT COUNT(*) FROM traffic_db.toll_data' && echo in || echo out"
    );
    stack.compose(&["exec", "-T", "mariadb", "bash", "-c", &script]).lines().last() == Some("in")
}
