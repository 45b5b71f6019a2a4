//! Nothing is lost and nothing doubled: what is in Kafka, seen from this machine, against what is in the tables and the ledger.

use kafka::Connection;
use serde_json::Value as Json;
use system_tests::read_topic;

use crate::{faults::await_healthy, stack::Stack};

const GENERATORS: [&str; 3] = ["toll-generator", "traffic-generator", "weather-generator"];

/// A raw topic, a connector that stores each of its records as a row, and that one's table.
const STORED: [(&str, &str, &str); 4] = [
    ("toll", "toll-passages", "traffic_db.toll_passages"),
    ("toll", "live-toll-data", "tolldata.livetolldata"),
    ("traffic.events", "traffic-events", "traffic_db.traffic_events"),
    ("weather_data", "weather-readings", "weather_db.readings"),
];

/// Connectors that leave records out, or whose records are not of one raw topic.
const OTHERS: [(&str, &str); 2] =
    [("warning-temperatures", "weather_db.warning_temperatures"), ("dead-letters", "turnpike.dead_letters")];

/// The generators stop, all that is on its way arrives, and every record is accounted for.
pub(crate) fn balance(stack: &Stack) {
    stack.compose(&[&["stop"], &GENERATORS[..]].concat());
    for generator in GENERATORS.map(|name| stack.service(name).remove(0)) {
        assert_eq!(*generator.at("/State/ExitCode"), 0, "{} did not drain", generator.name());
    }
    let ledger = stack.compose(&["run", "--rm", "-T", "turnpike", "ledger", "--settle", "60", "--json"]);
    let ledger: Json = serde_json::from_str(&ledger).unwrap_or_else(|error| panic!("{error}: {ledger}"));
    assert_eq!(ledger["state"], "balanced", "{ledger}");

    rows_are_those_of_the_ledger(stack);
    for (topic, connector, table) in STORED {
        let dead = dead_letters(stack, topic, connector);
        assert_eq!(
            rows(stack, table) + dead,
            sent(stack, topic),
            "{table} and {dead} dead letters of {topic}"
        );
    }
    for table in ["traffic_db.toll_passages", "traffic_db.traffic_events", "weather_db.readings"] {
        assert_eq!(stack.count(&format!("SELECT COUNT(DISTINCT event_id) FROM {table}")), rows(stack, table));
    }
    stack.compose(&[&["start"], &GENERATORS[..]].concat());
    await_healthy(stack);
}

/// Each table has as many rows as the ledger says were stored.
pub(crate) fn rows_are_those_of_the_ledger(stack: &Stack) {
    let connectors = STORED.map(|(_, connector, table)| (connector, table)).into_iter().chain(OTHERS);
    for (connector, table) in connectors {
        let stored = "SELECT SUM(stored_count) FROM turnpike.ledger WHERE connector";
        assert_eq!(rows(stack, table), stack.count(&format!("{stored} = '{connector}'")), "{table}");
    }
}

fn rows(stack: &Stack, table: &str) -> u64 {
    stack.count(&format!("SELECT COUNT(*) FROM {table}"))
}

/// Records of a topic, read as a client on this machine does.
fn sent(stack: &Stack, topic: &str) -> u64 {
    let kafka = Connection::new(format!("localhost:{}", stack.port("KAFKA_PORT")));
    read_topic(&kafka, topic).len() as u64
}

/// Records of a raw topic that never became a connector's rows: refused by the validator, or by the connector.
fn dead_letters(stack: &Stack, topic: &str, connector: &str) -> u64 {
    stack.count(&format!(
        "SELECT COUNT(*) FROM turnpike.dead_letters WHERE dlq_topic = '{topic}.dlq' AND connector IN ('validator', '{connector}')"
    ))
}
