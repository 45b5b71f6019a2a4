//! Each check can fail, and only for its own reason.

use std::{collections::BTreeMap, time::Duration};

use kafka::{Partition, Topic};

use super::{
    super::{
        asked::{Address, Asked},
        check::{Check, State, is_verified},
        containers::parse,
        evidence::{Counted, Counts, Evidence, Ledger, Process, Rows, Traced, Warm, Whole},
        streams::tables,
    },
    judge,
};
use crate::{
    ledger::{Account, Books, GRACE},
    topics::TOPICS,
};

const STREAMS: [&str; 3] = ["toll", "traffic.events", "weather_data"];
const CONNECTORS: [(&str, &str); 5] = [
    ("toll-passages", "toll"),
    ("live-toll-data", "toll"),
    ("traffic-events", "traffic.events"),
    ("weather-readings", "weather_data"),
    ("warning-temperatures", "weather_data"),
];

fn account(reader: &str, topic: &str, read: u64, dead: u64) -> Account {
    Account {
        reader: reader.to_owned(),
        topic: topic.to_owned(),
        partition: 0,
        read,
        passed: read - dead,
        dead,
        skipped: 0,
        next_offset: read as i64,
        end_offset: Some(read as i64),
        lag: 0,
    }
}

/// Books of which everything has been read: `read` records of each stream, `dead` of them refused.
fn books(read: u64, dead: u64) -> Books {
    let judged = STREAMS.map(|topic| account("validator", topic, read, dead)).to_vec();
    let connectors = CONNECTORS.map(|(name, topic)| account(name, &format!("{topic}.valid"), read - dead, 0));
    let letters = STREAMS.map(|topic| account("dead-letters", &format!("{topic}.dlq"), dead, 0));
    Books { judged, stored: [&connectors[..], &letters].concat() }
}

fn topic(name: &str) -> Topic {
    let partition = Partition { number: 0, leader: 1, replicas: vec![1, 2], in_sync_replicas: vec![1, 2] };
    Topic { name: name.to_owned(), partitions: vec![partition] }
}

fn ledger(first: Books, now: Books) -> Ledger {
    let verdict = now.verdict();
    Ledger { first, now, verdict, between: Duration::from_secs(4), unbalanced_for: Duration::ZERO }
}

/// A system in which nothing falls short: 40 records of each stream have come, four of them dead letters.
fn healthy() -> (Asked, Evidence) {
    let asked = Asked {
        faults: Some("all=12%".parse().expect("faults")),
        services: ["validator:8080", "toll-generator:8080"]
            .map(|text| text.parse::<Address>().expect("an address"))
            .to_vec(),
        services_memory_limit_mib: 150,
        containers: Some(
            parse("turnpike-kafka-1\t412.5MiB / 1GiB\nturnpike-grafana-1\t4GiB / 8GiB").expect("lines"),
        ),
        stack_memory_limit_mib: 2_048,
        first_row_seconds: Some(41.25),
        first_row_limit_seconds: 60.0,
        jaeger_link: Some("http://localhost:16686".to_owned()),
    };
    let rows = |has_id: bool, grown| Rows { any: true, grown: has_id.then_some(grown) };
    let process =
        |address: &str| Process { address: address.to_owned(), not_ready: None, bytes: Some(20 << 20) };
    let counted = tables().map(|table| {
        let stored = if table.name == "turnpike.dead_letters" { 24 } else { 132 };
        Counted { table: table.name, stored, rows: Some(stored) }
    });
    let warm = Warm { readings: 132, warnings: 132, ahead_max: 0, behind_max: 0 };
    let evidence = Evidence {
        topics: Ok(TOPICS.map(topic).to_vec()),
        ledger: Ok(ledger(books(100, 4), books(140, 8))),
        tables: Ok(tables().map(|table| (table.name, rows(table.has_id, 12))).collect()),
        counts: Some(Ok(Counts { tables: counted.collect(), warm: Some(warm) })),
        reasons: Ok(vec![("OUT_OF_RANGE".to_owned(), 15), ("NOT_FRAMED".to_owned(), 9)]),
        trace: Ok(Traced {
            looked_at: 20,
            whole: Some(Whole {
                id: "4bf9".to_owned(),
                sentence: "7 spans".to_owned(),
                age: Duration::from_secs(3),
            }),
        }),
        processes: vec![
            ("validator".to_owned(), Ok(vec![process("10.0.0.2:8080"), process("10.0.0.3:8080")])),
            ("toll-generator".to_owned(), Ok(vec![process("10.0.0.4:8080")])),
        ],
    };
    (asked, evidence)
}

/// What falls short of a healthy system after a change: name, state and text of each.
fn short(change: impl FnOnce(&mut Asked, &mut Evidence)) -> Vec<(&'static str, State, String)> {
    let (mut asked, mut evidence) = healthy();
    change(&mut asked, &mut evidence);
    let checks = judge(&asked, &evidence);
    let short = checks.into_iter().filter(Check::falls_short);
    short
        .map(|Check { name, state, says, next }| {
            assert!(next.is_some(), "{name} says what to do");
            (name, state, says)
        })
        .collect()
}

/// The only check that falls short after a change: whether waiting may mend it, and what it says.
fn only_short(name: &str, change: impl FnOnce(&mut Asked, &mut Evidence)) -> (State, String) {
    let mut short = short(change);
    assert_eq!(short.len(), 1, "{short:?}");
    let (short_name, state, says) = short.remove(0);
    assert_eq!(short_name, name);
    (state, says)
}

fn now(evidence: &mut Evidence) -> &mut Ledger {
    evidence.ledger.as_mut().expect("a ledger")
}

fn says(change: impl FnOnce(&mut Asked, &mut Evidence)) -> BTreeMap<String, String> {
    let (mut asked, mut evidence) = healthy();
    change(&mut asked, &mut evidence);
    let checks = judge(&asked, &evidence);
    assert!(is_verified(&checks), "{checks:?}");
    checks.into_iter().map(|check| (check.name.to_owned(), check.says)).collect()
}

/// Each check is met, and says its figures.
#[test]
fn a_healthy_system_is_verified() {
    let says = says(|_, _| {});
    for (name, text) in [
        ("topics", "9 there; partitions 1, replication 2, all in sync"),
        ("rows", "turnpike.dead_letters: 24 rows, +12; 12 set aside in 4.0 s"),
        ("ledger", "balanced: 420 records read = 396 valid + 24 dead; nothing is in flight"),
        ("rows = ledger", "684 rows of 6 tables, each once; 132 warnings of 132 readings above 30 °C"),
        (
            "dead letters",
            "24 set aside (toll.dlq 8, traffic.events.dlq 8, weather_data.dlq 8); OUT_OF_RANGE 15, NOT_FRAMED 9",
        ),
        ("trace", "7 spans, 3 s ago: http://localhost:16686/trace/4bf9"),
        ("services", "ready: validator ×2, toll-generator"),
        ("services' MiB", "60.0 of 150 MiB: validator 40.0, toll-generator 20.0"),
        ("stack's MiB", "412.5 of 2048 MiB in 1 containers; the largest: turnpike-kafka-1 412.5"),
        ("first row", "41.2 s after the start, of 60 s"),
    ] {
        assert_eq!(says[name], text, "{name}");
    }
}

/// A topic that is missing, out of sync, without a leader or with another number of partitions is named.
#[test]
fn topics_fall_short() {
    let (state, says) =
        only_short("topics", |_, evidence| drop(evidence.topics.as_mut().expect("topics").remove(2)));
    assert_eq!((state, says.as_str()), (State::Pending, "1 of 9 are missing: toll.dlq"));
    let (_, says) = only_short("topics", |_, evidence| {
        let partition = &mut evidence.topics.as_mut().expect("topics")[4].partitions[0];
        (partition.leader, partition.in_sync_replicas) = (-1, vec![2]);
    });
    assert_eq!(
        says,
        "partitions without all of their copies in sync: traffic.events.valid[0] 1 of 2, no leader"
    );
    let (state, says) = only_short("topics", |_, evidence| {
        let partitions = &mut evidence.topics.as_mut().expect("topics")[6].partitions;
        partitions.push(partitions[0].clone());
    });
    assert_eq!(state, State::Short);
    assert!(says.starts_with("weather_data, weather_data.valid and weather_data.dlq differ"), "{says}");
    let (state, says) =
        only_short("topics", |_, evidence| evidence.topics = Err("no broker answers".to_owned()));
    assert_eq!((state, says.as_str()), (State::Pending, "no broker answers"));
}

/// A table that stands still while its stream grows falls short, and the log to look at is that of whoever stands before the rows.
#[test]
fn rows_fall_short() {
    let (state, says) = only_short("rows", |_, evidence| {
        let rows = Rows { any: true, grown: Some(0) };
        evidence.tables.as_mut().expect("tables").insert("traffic_db.traffic_events", rows);
    });
    assert_eq!(state, State::Pending);
    assert_eq!(
        says,
        "traffic_db.traffic_events: 132 rows, no new row, though traffic.events got 40 in 4.0 s"
    );
    let (_, says) = only_short("rows", |_, evidence| {
        evidence.tables.as_mut().expect("tables").insert("traffic_db.toll_passages", Rows::default());
    });
    assert!(says.starts_with("traffic_db.toll_passages: no row yet"), "{says}");
    // The table without ids grows as its connector has stored.
    let (_, says) = only_short("rows", |_, evidence| {
        let ledger = now(evidence);
        for books in [&mut ledger.first, &mut ledger.now] {
            books.stored[1] = account("live-toll-data", "toll.valid", 132, 0);
        }
    });
    assert!(says.starts_with("tolldata.livetolldata: 132 rows, no new row"), "{says}");
    // Letters that are set aside and do not come to their table.
    let (_, says) = only_short("rows", |_, evidence| {
        let rows = Rows { any: true, grown: Some(0) };
        evidence.tables.as_mut().expect("tables").insert("turnpike.dead_letters", rows);
    });
    assert_eq!(says, "turnpike.dead_letters: 24 rows, +0; 12 set aside in 4.0 s");
}

/// No reading may be warm for a while, and a stream without records needs no rows, unless its generator is to run.
#[test]
fn rows_need_not_grow_without_a_reason() {
    let none_warm = |_: &mut Asked, evidence: &mut Evidence| {
        evidence.tables.as_mut().expect("tables").insert("weather_db.warning_temperatures", Rows::default());
    };
    assert!(short(none_warm).is_empty());
    let quiet = |seconds| {
        move |_: &mut Asked, evidence: &mut Evidence| {
            let ledger = now(evidence);
            ledger.first = ledger.now.clone();
            ledger.between = Duration::from_secs(seconds);
        }
    };
    let of_generator = |found: &[(&str, State, String)]| {
        found.iter().filter(|(_, _, says)| says.contains("toll-generator sends nothing")).count()
    };
    let found = short(quiet(20));
    assert_eq!((found.len(), of_generator(&found)), (2, 2), "{found:?}");
    let found = short(quiet(2));
    assert_eq!(
        (found.len(), of_generator(&found)),
        (5, 2),
        "whether anything comes is not known yet: {found:?}"
    );
    let found = short(|asked, evidence| {
        asked.services.remove(1);
        quiet(20)(asked, evidence);
    });
    assert!(found.is_empty(), "{found:?}");
}

/// An imbalance may be a reading in the wrong moment, and is final once it lasts.
#[test]
fn a_ledger_falls_short() {
    let lost = |seconds| {
        move |_: &mut Asked, evidence: &mut Evidence| {
            let ledger = now(evidence);
            ledger.now.judged[0].passed -= 1;
            ledger.verdict = ledger.now.verdict();
            ledger.unbalanced_for = Duration::from_secs(seconds);
        }
    };
    assert_eq!(only_short("ledger", lost(1)).0, State::Pending);
    let (state, says) = only_short("ledger", lost(GRACE.as_secs() + 1));
    assert_eq!(state, State::Short);
    assert!(says.starts_with("out of balance: validator has read 140 records of toll[0]"), "{says}");
}

/// Records in flight are fine while readers move; one that stands still before them is named, with whose log to look at.
#[test]
fn a_reader_that_stands_still_falls_short() {
    let behind = |by: i64| {
        move |_: &mut Asked, evidence: &mut Evidence| {
            let ledger = now(evidence);
            ledger.first.stored[0].lag = 3;
            ledger.now.stored[0].lag = 43;
            ledger.now.stored[0].next_offset = ledger.first.stored[0].next_offset + by;
            ledger.verdict = ledger.now.verdict();
        }
    };
    let figures = says(behind(7));
    assert!(figures["ledger"].ends_with("; 43 in flight, and moving"), "{figures:?}");
    let (state, says) = only_short("ledger", behind(0));
    assert_eq!(state, State::Pending);
    assert!(says.ends_with("have not moved for 4.0 s: toll-passages before 43 of toll.valid[0]"), "{says}");
    let (asked, mut evidence) = healthy();
    behind(0)(&mut asked.clone(), &mut evidence);
    let checks = judge(&asked, &evidence);
    let next = checks.iter().find(|check| check.name == "ledger").and_then(|check| check.next.clone());
    assert!(next.is_some_and(|next| next.contains("mariadb-writer")));
}

/// A row too few or too many in any table falls short at once; a dead letter that came twice does not.
#[test]
fn counts_fall_short() {
    let off = |table: usize, rows: u64| {
        move |_: &mut Asked, evidence: &mut Evidence| {
            let Some(Ok(counts)) = &mut evidence.counts else { panic!("counted") };
            counts.tables[table].rows = Some(rows);
        }
    };
    let (state, says) = only_short("rows = ledger", off(0, 131));
    assert_eq!(state, State::Short);
    assert_eq!(says, "traffic_db.toll_passages lacks 1: 131 rows, and the ledger has stored 132");
    let (_, says) = only_short("rows = ledger", off(1, 134));
    assert_eq!(says, "tolldata.livetolldata has too many, by 2: 134 rows, and the ledger has stored 132");
    assert_eq!(only_short("rows = ledger", off(5, 25)).0, State::Short);
    // All 24 that were set aside are there, and 2 of them came to the topic twice.
    let figures = self::says(|_, evidence| {
        let Some(Ok(counts)) = &mut evidence.counts else { panic!("counted") };
        counts.tables[5].stored = 26;
    });
    assert!(
        figures["rows = ledger"].ends_with("; 2 dead letters came twice and stand there once"),
        "{figures:?}"
    );
    let (state, says) = only_short("rows = ledger", off(5, 23));
    assert_eq!(state, State::Pending, "the last one may not be readable yet");
    assert_eq!(says, "turnpike.dead_letters lacks 1: 23 rows, and 24 were set aside");
    let figures = self::says(|_, evidence| {
        let Some(Ok(counts)) = &mut evidence.counts else { panic!("counted") };
        (counts.tables[0].rows, counts.tables[0].stored) = (None, 9_000_000);
    });
    assert!(
        figures["rows = ledger"].ends_with("too many: traffic_db.toll_passages with its 9 000 000"),
        "{figures:?}"
    );
}

/// Warnings are as many as warm readings, but for what only one of the two connectors has.
#[test]
fn warnings_fall_short() {
    let warm = |warnings| {
        move |_: &mut Asked, evidence: &mut Evidence| {
            let Some(Ok(counts)) = &mut evidence.counts else { panic!("counted") };
            counts.warm = Some(Warm { readings: 20, warnings, ahead_max: 2, behind_max: 3 });
        }
    };
    for warnings in [17, 20, 22] {
        assert!(short(warm(warnings)).is_empty(), "{warnings}");
    }
    for warnings in [16, 23] {
        let (_, says) = only_short("rows = ledger", warm(warnings));
        assert!(says.starts_with("weather_db.warning_temperatures has "), "{says}");
    }
}

/// With faults there are dead letters, on their topics and in their table; without there are no new ones.
#[test]
fn dead_letters_fall_short() {
    let (state, says) = only_short("dead letters", |_, evidence| {
        *now(evidence) = ledger(books(100, 0), books(140, 0));
    });
    assert_eq!(
        (state, says.as_str()),
        (State::Pending, "none yet of 420 records; about 46 are to be expected")
    );
    let (_, says) = only_short("dead letters", |_, evidence| {
        let rows = Rows { any: false, grown: Some(1) };
        evidence.tables.as_mut().expect("tables").insert("turnpike.dead_letters", rows);
    });
    assert!(says.ends_with("none of them is in turnpike.dead_letters yet"), "{says}");
    let (state, says) = only_short("dead letters", |asked, _| asked.faults = "none".parse().ok());
    assert_eq!(state, State::Short);
    assert!(says.starts_with("12 new, though no record is made wrong on purpose"), "{says}");
    let figures = self::says(|asked, evidence| {
        asked.faults = "none".parse().ok();
        now(evidence).first = books(136, 8);
    });
    assert!(figures["dead letters"].starts_with("none new"), "{figures:?}");
    let figures = self::says(|asked, _| asked.faults = None);
    assert!(figures["dead letters"].ends_with("whether there must be some: --faults"), "{figures:?}");
}

/// A source that does not answer is told by each check that needs it, with whose log to look at.
#[test]
fn a_source_that_is_away_is_told() {
    let (asked, mut evidence) = healthy();
    evidence.ledger = Err("Kafka at a:1: no broker answers".to_owned());
    evidence.counts = Some(Err("MariaDB at b:1: refused".to_owned()));
    let checks = judge(&asked, &evidence);
    let logs: Vec<(&str, &str)> = checks
        .iter()
        .filter(|check| check.falls_short())
        .filter_map(|check| Some((check.name, check.next.as_deref()?.rsplit(' ').next()?)))
        .collect();
    let of_kafka = ["ledger", "rows = ledger", "dead letters"].map(|name| (name, "kafka"));
    let mut expected = [&[("rows", "kafka"); 6][..], &of_kafka].concat();
    expected[7].1 = "mariadb";
    assert_eq!(logs, expected);
}

/// No trace, none that is whole, one of long ago, and Jaeger away: each falls short; an old one does for a system at rest.
#[test]
fn traces_fall_short() {
    let with = |traced: Traced| only_short("trace", move |_, evidence| evidence.trace = Ok(traced));
    assert_eq!(with(Traced::default()).1, "Jaeger has no trace of a stored record");
    let torn = with(Traced { looked_at: 20, whole: None });
    assert_eq!(torn.0, State::Pending);
    assert!(torn.1.starts_with("of 20 traces none leads"), "{torn:?}");
    let old = || Whole { age: Duration::from_mins(16), ..Whole::default() };
    assert_eq!(with(Traced { looked_at: 1, whole: Some(old()) }).1, "the newest whole trace is 16 min old");
    assert_eq!(only_short("trace", |_, evidence| evidence.trace = Err("away".to_owned())).1, "away");
    says(|asked, evidence| {
        asked.services.clear();
        let ledger = now(evidence);
        (ledger.first, ledger.between) = (ledger.now.clone(), Duration::from_secs(20));
        evidence.trace = Ok(Traced { looked_at: 1, whole: Some(old()) });
    });
    let figures = says(|asked, _| asked.jaeger_link = None);
    assert!(figures["trace"].starts_with("not asked"), "{figures:?}");
}

/// A replica that is not ready, a name that nobody knows and a process without its memory are named.
#[test]
fn services_fall_short() {
    let (state, says) = only_short("services", |_, evidence| {
        evidence.processes[0].1.as_mut().expect("processes")[1].not_ready =
            Some("mariadb (refused)".to_owned());
    });
    assert_eq!(state, State::Pending);
    assert_eq!(says, "validator at 10.0.0.3:8080 is not ready: mariadb (refused)");
    let found =
        short(|_, evidence| evidence.processes[1].1 = Err("toll-generator:8080 is not known".to_owned()));
    let names: Vec<&str> = found.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, ["services", "services' MiB"]);
    let (_, says) = only_short("services' MiB", |_, evidence| {
        evidence.processes[0].1.as_mut().expect("processes")[0].bytes = None;
    });
    assert!(says.starts_with("the memory of validator is not known"), "{says}");
    let figures = self::says(|asked, _| asked.services.clear());
    assert!(
        figures["services"].starts_with("not asked") && figures["services' MiB"].starts_with("not asked")
    );
}

/// Limits of memory and time: a little above each falls short, and waiting mends none.
#[test]
fn limits_fall_short() {
    let over = [
        only_short("services' MiB", |asked, _| asked.services_memory_limit_mib = 59),
        only_short("stack's MiB", |asked, _| asked.stack_memory_limit_mib = 412),
        only_short("stack's MiB", |asked, _| asked.containers = Some(vec![])),
        only_short("first row", |asked, _| asked.first_row_seconds = Some(60.1)),
    ];
    assert!(over.iter().all(|(state, _)| *state == State::Short), "{over:?}");
    assert_eq!(over[0].1, "60.0 of 59 MiB: validator 40.0, toll-generator 20.0");
    let figures = says(|asked, _| (asked.containers, asked.first_row_seconds) = (None, None));
    assert!(figures["stack's MiB"].starts_with("not asked"), "{figures:?}");
    assert!(figures["first row"].starts_with("not measured"), "{figures:?}");
}
