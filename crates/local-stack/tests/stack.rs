//! The real Kafka and the real MariaDB: they start, keep what they were given over stops and crashes, stay small, and
//! never stay behind. Each test starts its own; one at a time, for the machine's sake.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not count as tests")]

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kafka::{Connection, Headers, NewTopic, Outgoing, TopicPartition};
use local_stack::{Folder, Kafka, MariaDb, Options, Process, Progress, Signal, Stack, User};

const LIMIT: Duration = Duration::from_mins(1);
const MEMORY_KIB_MAX: u64 = 512 * 1024;

fn one_at_a_time() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connection(kafka: &Kafka) -> Connection {
    Connection::new(kafka.bootstrap_servers())
}

fn create_topic(kafka: &Kafka, name: &str) {
    let topic = NewTopic { name: name.to_owned(), partitions: 4, replication_factor: 1, config: Vec::new() };
    let outcome = connection(kafka).admin().unwrap().create_topics(&[topic]).unwrap();
    assert!(matches!(outcome[..], [(_, kafka::TopicOutcome::Created)]), "{outcome:?}");
}

/// Sends `count` records of 150 bytes to partition 0 and waits until all are acknowledged.
fn send(kafka: &Kafka, topic: &str, count: u64) {
    let producer = connection(kafka).producer("test", &[]).unwrap();
    for _ in 0..count {
        let (key, value) = (Some(&b"key"[..]), Some(&[b'v'; 150][..]));
        let headers = Headers::new();
        producer
            .send(Outgoing {
                topic,
                partition: Some(0),
                key,
                value,
                timestamp_ms: None,
                headers,
                receipt: None,
            })
            .unwrap();
    }
    producer.drain(LIMIT).unwrap();
}

fn end_offset(kafka: &Kafka, topic: &str) -> i64 {
    let settings =
        kafka::ConsumerSettings { group_id: "test".into(), client_id: "test".into(), ..Default::default() };
    let consumer = connection(kafka).consumer(&settings).unwrap();
    consumer.watermarks(&TopicPartition { topic: topic.into(), partition: 0 }).unwrap().1
}

/// Whether a process is gone; one that is dead but not yet collected by its parent has no command line any more.
fn is_gone(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).map_or(true, |line| line.is_empty())
}

/// Waits until a shell's test succeeds.
fn wait_until(folder: &Folder, test: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("until {test}; do sleep 0.05; done")]);
    let watch = Process::spawn(test, &shell, &folder.path().join("watch.log")).unwrap();
    assert!(watch.wait(LIMIT).unwrap().success(), "{test}");
}

/// Everything answers, and nothing of it is left when the stack is dropped.
#[test]
fn a_stack_starts_answers_and_leaves_nothing() {
    let _turn = one_at_a_time();
    let lines = std::sync::Arc::new(Mutex::new(Vec::new()));
    let heard = std::sync::Arc::clone(&lines);
    let progress = Progress::to(move |line| heard.lock().unwrap().push(line.to_owned()));
    let stack = Stack::start(Options { progress, ..Options::default() }).unwrap();

    create_topic(&stack.kafka, "toll");
    let topics = connection(&stack.kafka).admin().unwrap().topics().unwrap();
    assert_eq!(topics.iter().map(|topic| topic.partitions.len()).collect::<Vec<_>>(), [4]);
    let tables =
        stack.mariadb.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'turnpike'");
    assert!(tables.unwrap().lines().any(|table| table == "ledger"));
    let (kafka, mariadb) = (stack.kafka.pid().unwrap(), stack.mariadb.pid().unwrap());
    let up =
        [format!("Kafka {} is up on {}", Kafka::VERSION, stack.kafka.bootstrap_servers()), "MariaDB ".into()];
    let lines = lines.lock().unwrap();
    assert!(up.iter().all(|start| lines.iter().any(|line| line.starts_with(start))), "{lines:?}");

    let mark = stack.folder().path().join("mark");
    fs::write(&mark, "").unwrap();
    drop(stack);
    assert!(is_gone(kafka) && is_gone(mariadb) && !mark.exists());
}

/// Records survive an orderly stop and a kill, on the same port; under load the broker stays below its bound.
#[test]
fn kafka_keeps_its_records_and_stays_small() {
    let _turn = one_at_a_time();
    let folder = Folder::claim().unwrap();
    let kafka = Kafka::create(&folder, &Progress::default()).unwrap();
    assert_eq!(kafka.pid(), None);
    kafka.start().unwrap();
    let servers = kafka.bootstrap_servers();
    create_topic(&kafka, "toll");
    send(&kafka, "toll", 200_000);
    let peak = kafka.resident_peak_kib().unwrap();
    assert!(peak < MEMORY_KIB_MAX, "{peak} KiB");

    kafka.stop().unwrap();
    assert_eq!(kafka.pid(), None);
    kafka.start().unwrap();
    kafka.start().unwrap();
    assert_eq!(end_offset(&kafka, "toll"), 200_000);
    send(&kafka, "toll", 1);
    kafka.kill();
    kafka.start().unwrap();
    assert_eq!(end_offset(&kafka, "toll"), 200_001);
    assert_eq!(kafka.bootstrap_servers(), servers);
}

/// Rows survive an orderly stop and a kill, on the same port; accounts have passwords and no more rights than given.
#[test]
fn mariadb_keeps_its_rows_and_its_doors_shut() {
    let _turn = one_at_a_time();
    let folder = Folder::claim().unwrap();
    let mariadb = MariaDb::create(&folder, 16, &Progress::default()).unwrap();
    mariadb.start().unwrap();
    let count = || mariadb.sql("SELECT COUNT(*) FROM tolldata.livetolldata").unwrap();
    let insert = || mariadb.sql("INSERT INTO tolldata.livetolldata VALUES (NOW(), 1, 'car', 4000)").unwrap();
    insert();
    mariadb.stop().unwrap();
    assert!(mariadb.sql("SELECT 1").is_err());
    mariadb.start().unwrap();
    insert();
    mariadb.kill();
    mariadb.start().unwrap();
    assert_eq!(count(), "2\n");
    assert_eq!(
        mariadb.sql("SELECT @@innodb_flush_log_at_trx_commit, @@innodb_buffer_pool_size >> 20").unwrap(),
        "1\t16\n"
    );

    let as_person = |user, statement: &str| {
        let words = mariadb.client_command(user);
        let mut words = words.split(' ');
        Command::new(words.next().unwrap()).args(words).args(["-Ne", statement]).output().unwrap()
    };
    let rows = as_person(User::Reader, "SELECT COUNT(*) FROM tolldata.livetolldata");
    assert_eq!(String::from_utf8_lossy(&rows.stdout), "2\n", "{rows:?}");
    assert!(
        as_person(User::Writer, "INSERT INTO tolldata.livetolldata VALUES (NOW(), 2, 'van', 4001)")
            .status
            .success()
    );
    assert!(!as_person(User::Reader, "DELETE FROM tolldata.livetolldata").status.success());
    for user in ["root", "turnpike_writer", ""] {
        let port = format!("-P{}", mariadb.port());
        let client = ["--no-defaults", "-h127.0.0.1", &port, "-u", user, "-e", "SELECT 1"];
        assert!(
            !Command::new("mariadb").args(client).output().unwrap().status.success(),
            "no password for {user:?}"
        );
    }
    let refused = mariadb.sql("SELECT nonsense").unwrap_err().to_string();
    assert!(refused.starts_with("MariaDB refused SELECT nonsense: ERROR 1054"), "{refused}");
}

/// A frozen server keeps its port but does not answer; it goes on where it was.
#[test]
fn a_frozen_database_goes_on() {
    let _turn = one_at_a_time();
    let folder = Folder::claim().unwrap();
    let mariadb = MariaDb::create(&folder, 16, &Progress::default()).unwrap();
    mariadb.start().unwrap();
    mariadb.signal(Signal::STOP);
    let stat = format!("/proc/{}/stat", mariadb.pid().unwrap());
    wait_until(&folder, &format!("grep -q ') T ' {stat}"));
    mariadb.signal(Signal::CONT);
    assert_eq!(mariadb.sql("SELECT 1").unwrap(), "1\n");
}

/// The owner is killed without a chance to clean up: the kernel takes its children down, the next start its folder.
#[test]
fn a_killed_owner_leaves_no_process_and_no_folder() {
    let _turn = one_at_a_time();
    let folder = Folder::claim().unwrap();
    let command = Command::new(env!("CARGO_BIN_EXE_local-stack"));
    let owner = Process::spawn("owner", &command, &folder.path().join("owner.log")).unwrap();
    owner.wait_for_line(LIMIT, |line| line.starts_with("ready").then_some(())).unwrap();
    let output = owner.output().unwrap();
    let line = output.lines().find_map(|line| line.strip_prefix("folder   "));
    let left_behind = Path::new(line.unwrap()).join("mark");
    let pids: Vec<u32> =
        output.split("pid ").skip(1).map(|rest| rest.split(')').next().unwrap().parse().unwrap()).collect();
    assert_eq!(pids.len(), 2, "{output}");
    fs::write(&left_behind, "").unwrap();
    assert!(!pids.iter().any(|pid| is_gone(*pid)));

    owner.kill(Signal::KILL);
    owner.wait(LIMIT).unwrap();
    for pid in pids {
        wait_until(&folder, &format!("! grep -q . /proc/{pid}/cmdline"));
    }
    drop(Folder::claim().unwrap());
    assert!(!left_behind.exists());
}
