//! What the traffic pipeline promised, each check by its number; the shapes themselves are in `dialects.rs`.

use std::time::Duration;

use events::TrafficEvent;
use system_tests::{Pipeline, Read, Service, read_topic};

const COLUMNS: &str = "event_id, event_type, city, road, latitude, longitude, severity, avg_speed_kmh, length_m, \
    lanes_blocked, injuries_reported, speed_limit_kmh, direction, active, \
    TIMESTAMPDIFF(MICROSECOND, '1970-01-01', occurred_at) DIV 1000";

fn generate(pipeline: &Pipeline, args: &[&str]) {
    let generator = pipeline.spawn(Service::TrafficGenerator, args);
    let status = generator.wait(Duration::from_mins(1)).expect("the generator ends");
    assert!(status.success(), "{}", generator.output().unwrap_or_default());
}

/// An event as the table's client prints [`COLUMNS`].
fn row(record: &Read) -> String {
    let fields = record.fields(TrafficEvent::SCHEMA);
    let field = |name: &str| {
        let found = fields.iter().find(|(field, _)| field == name);
        found.unwrap_or_else(|| panic!("no field {name}")).1.clone()
    };
    let names = COLUMNS.split(", ").take(14);
    names.map(field).chain([field("occurred_at")]).collect::<Vec<_>>().join("\t")
}

/// `turnpike tail` shows what the pipeline's consumer showed: event, key, partition and offset.
#[test]
fn a3_3_the_view_shows_key_partition_and_offset() {
    let pipeline = Pipeline::start();
    generate(&pipeline, &["--count", "50", "--rate", "1000"]);
    let told = pipeline.turnpike_ok(&["tail", "traffic.events", "--from-beginning", "--no-follow"]);
    let records = read_topic(&pipeline.kafka(), "traffic.events");
    assert_eq!(told.lines().count(), 50, "{told}");
    for record in &records {
        let (key, fields) = (String::from_utf8_lossy(&record.key), record.fields(TrafficEvent::SCHEMA));
        let start = format!("traffic.events[{}]@{} ", record.partition, record.offset);
        let line = told.lines().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("no line begins with {start}: {told}"));
        assert!(line.contains(&format!(" key={key} ")) && line.contains(&fields[0].1), "{line}");
    }
}

/// Every event is a row with all of its fields, and only the fields of its kind are set.
#[test]
fn a3_5_events_are_stored() {
    let pipeline = Pipeline::start();
    let _consumers = pipeline.spawn_consumers();
    // Roads so busy that some accident is under way at any hour.
    generate(&pipeline, &["--count", "2000", "--rate", "5000", "--congestion", "10"]);
    pipeline.await_read("traffic-events", 2_000);
    let records = read_topic(&pipeline.kafka(), "traffic.events");
    let mut sent: Vec<String> = records.iter().map(row).collect();
    sent.sort();
    let stored = pipeline.sql(&format!("SELECT {COLUMNS} FROM traffic_db.traffic_events"));
    let mut stored: Vec<&str> = stored.lines().collect();
    stored.sort_unstable();
    let missing = sent.iter().find(|row| stored.binary_search(&row.as_str()).is_err());
    assert!(stored == sent, "{} rows of {} events; missing {missing:?}", stored.len(), sent.len());
    assert_eq!(read_topic(&pipeline.kafka(), "traffic.events.dlq"), []);
    let odd = "(event_type <> 'TRAFFIC_JAM' AND (avg_speed_kmh IS NOT NULL OR length_m IS NOT NULL))
        OR (event_type <> 'ACCIDENT' AND (lanes_blocked IS NOT NULL OR injuries_reported IS NOT NULL))
        OR (event_type <> 'SPEED_CAMERA' AND (direction IS NOT NULL OR active IS NOT NULL))";
    assert_eq!(pipeline.count(&format!("SELECT COUNT(*) FROM traffic_db.traffic_events WHERE {odd}")), 0);
    assert_eq!(pipeline.count("SELECT COUNT(DISTINCT event_type) FROM traffic_db.traffic_events"), 3);
}
