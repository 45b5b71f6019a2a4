//! `--log-style`: what the services print is what the source pipelines' programs print, about the same records.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use chrono::DateTime;
use events::{TollPassage, TrafficEvent, WeatherReading};
use local_stack::Process;
use system_tests::{Pipeline, Read, Service, assert_drains, read_topic};
use uuid::Uuid;

const COUNT: u64 = 40;

/// The lines of a source pipeline, without those of the log beside them.
fn lines(process: &Process) -> Vec<String> {
    let output = process.output().expect("its output can be read");
    let is_log = |line: &str| line.contains(" WARN ") || line.contains(" ERROR ");
    output.lines().filter(|line| !is_log(line)).map(str::to_owned).collect()
}

/// Runs a generator to the end of its count.
fn generate(pipeline: &Pipeline, service: Service, style: &str) -> Vec<String> {
    let args = ["--log-style", style, "--count", &COUNT.to_string(), "--rate", "400"];
    let generator = pipeline.spawn(service, &args);
    let ended = generator.wait(Duration::from_mins(1)).expect("the generator ends");
    assert!(ended.success(), "{}", generator.output().unwrap_or_default());
    lines(&generator)
}

/// Runs a validator and a writer with one connector until `records` are stored.
fn store(pipeline: &Pipeline, connector: &str, style: &str, records: u64) -> Vec<String> {
    let _validator = pipeline.spawn(Service::Validator, &["--instance", "a"]);
    let document = format!("deploy/connectors/{connector}.json");
    let writer = pipeline.spawn(Service::Writer, &["--log-style", style, "--connectors", &document]);
    pipeline.await_read(connector, records);
    assert_drains(&writer);
    lines(&writer)
}

/// The fields of a record as they were sent.
struct Fields(BTreeMap<String, String>);

impl Fields {
    fn of(record: &Read, schema: &str) -> Self {
        Self(record.fields(schema).into_iter().collect())
    }

    fn get(&self, name: &str) -> &str {
        &self.0[name]
    }

    /// A text in Python's quotes; the records of these tests have nothing to escape.
    fn quoted(&self, name: &str) -> String {
        format!("'{}'", self.get(name))
    }

    fn float(&self, name: &str) -> String {
        format!("{:?}", self.get(name).parse::<f64>().expect("a number"))
    }

    fn time(&self, name: &str, format: &str) -> String {
        let time_ms = self.get(name).parse().expect("milliseconds");
        DateTime::from_timestamp_millis(time_ms).expect("a time").format(format).to_string()
    }
}

/// Asserts that these are the lines, in any order.
fn assert_lines(printed: &[String], expected: Vec<String>) {
    assert_eq!(sorted(printed.to_vec()), sorted(expected));
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// The lab's generator and reader, whose lines carry the time as C writes it.
#[test]
fn log_style_ibm_prints_the_labs_lines() {
    let pipeline = Pipeline::start();
    let printed = generate(&pipeline, Service::Generator, "ibm");
    let sent = read_topic(&pipeline.kafka(), "toll");
    let passed = sent.iter().map(|record| {
        let passage = Fields::of(record, TollPassage::SCHEMA);
        let (kind, plaza) = (passage.get("vehicle_type"), passage.get("toll_plaza_id"));
        let time = passage.time("occurred_at", "%a %b %e %H:%M:%S %Y");
        format!("A {kind} has passed by the toll plaza {plaza} at {time}.")
    });
    assert_eq!(sorted(printed), sorted(passed.collect()));

    let printed = store(&pipeline, "live-toll-data", "ibm", COUNT);
    let (start, rows) = printed.split_at(5);
    let expected_start = [
        "Connecting to the database",
        "Connected to database",
        "Connecting to Kafka",
        "Connected to Kafka",
        "Reading messages from the topic toll.valid",
    ];
    assert_eq!(start, expected_start);
    let inserted = sent.iter().map(|record| {
        let passage = Fields::of(record, TollPassage::SCHEMA);
        format!("A {} was inserted into the database", passage.get("vehicle_type"))
    });
    assert_eq!(sorted(rows.to_vec()), sorted(inserted.collect()));
}

/// Wrong credentials are told in the lab's words, beside the line that says which, and end the writer.
#[test]
fn log_style_ibm_tells_of_wrong_credentials() {
    let pipeline = Pipeline::start();
    let mut command = pipeline.command(Service::Writer, &["--log-style", "ibm"]);
    command.env("TURNPIKE_MARIADB_PASSWORD", "wrong");
    let writer = pipeline.spawn_command(Service::Writer, &command);
    let ended = writer.wait(Duration::from_mins(1)).expect("the writer ends");
    assert_eq!(ended.code(), Some(2));
    let output = writer.output().expect("its output");
    for line in ["Connecting to the database", "Could not connect to database. Please check credentials"] {
        assert!(output.lines().any(|told| told == line), "no {line:?} in {output}");
    }
    assert!(output.contains("1045"), "{output}");
}

/// The toll pipeline's topic script, producer and consumer.
#[test]
fn log_style_toll_prints_deliveries_and_rows() {
    let pipeline = Pipeline::without_topics();
    let printed = generate(&pipeline, Service::Generator, "toll");
    let (created, delivered) = printed.split_at(6);
    let topics = ["toll", "toll.valid", "toll.dlq"].map(|topic| {
        [format!("Creating topic '{topic}'..."), format!("Topic '{topic}' created successfully.")]
    });
    assert_eq!(sorted(created.to_vec()), sorted(topics.concat()));
    let sent = read_topic(&pipeline.kafka(), "toll");
    let expected = sent
        .iter()
        .map(|read| format!("Message delivered to toll [{}] at offset {}", read.partition, read.offset));
    assert_lines(delivered, expected.collect());

    pipeline.create_topics();
    let printed = store(&pipeline, "toll-passages", "toll", COUNT);
    let (end, rows) = printed.split_last().expect("it prints");
    assert_eq!(end, "Consumer interrupted");
    let expected = sent.iter().map(|record| {
        let passage = Fields::of(record, TollPassage::SCHEMA);
        format!("Inserted record for vehicle_id: {}", passage.get("vehicle_id"))
    });
    assert_eq!(sorted(rows.to_vec()), sorted(expected.collect()));
}

/// An event as the traffic pipeline's programs print it.
fn traffic_dict(record: &Read) -> String {
    let event = Fields::of(record, TrafficEvent::SCHEMA);
    let millis: i64 = event.get("occurred_at").parse().expect("milliseconds");
    let fraction = if millis % 1_000 == 0 { String::new() } else { format!(".{:03}000", millis % 1_000) };
    let time = event.time("occurred_at", "%Y-%m-%dT%H:%M:%S");
    let truth = |field| if event.get(field) == "1" { "True" } else { "False" };
    let own = match event.get("event_type") {
        "TRAFFIC_JAM" => format!(
            "'severity': {}, 'avg_speed_kmh': {}, 'length_m': {}",
            event.quoted("severity"),
            event.get("avg_speed_kmh"),
            event.get("length_m")
        ),
        "ACCIDENT" => format!(
            "'severity': {}, 'lanes_blocked': {}, 'injuries_reported': {}",
            event.quoted("severity"),
            event.get("lanes_blocked"),
            truth("injuries_reported")
        ),
        _ => format!(
            "'speed_limit_kmh': {}, 'direction': {}, 'active': {}",
            event.get("speed_limit_kmh"),
            event.quoted("direction"),
            truth("active")
        ),
    };
    format!(
        "{{'event_id': {}, 'event_type': {}, 'ts_utc': '{time}{fraction}+00:00', 'city': {}, 'road': {}, 'lat': {}, \
         'lon': {}, {own}}}",
        event.quoted("event_id"),
        event.quoted("event_type"),
        event.quoted("city"),
        event.quoted("road"),
        event.float("latitude"),
        event.float("longitude"),
    )
}

/// The traffic pipeline's producer and consumer, dictionaries and all.
#[test]
fn log_style_traffic_prints_events_as_dictionaries() {
    let pipeline = Pipeline::start();
    let printed = generate(&pipeline, Service::TrafficGenerator, "traffic");
    let (start, lines) = printed.split_first().expect("it prints");
    assert_eq!(start, "Producing to topic: traffic.events (Ctrl+C to stop)");
    let sent = read_topic(&pipeline.kafka(), "traffic.events");
    let expected = sent.iter().flat_map(|read| {
        let (partition, offset) = (read.partition, read.offset);
        [
            format!("[SENT] {}", traffic_dict(read)),
            format!("[DELIVERED] topic=traffic.events partition={partition} offset={offset}"),
        ]
    });
    assert_lines(lines, expected.collect());

    let printed = store(&pipeline, "traffic-events", "traffic", COUNT);
    assert_eq!(printed[0], "Consuming from topic: traffic.events.valid (Ctrl+C to stop)");
    assert_eq!(printed.last().map(String::as_str), Some("Stopping consumer..."));
    let good = read_topic(&pipeline.kafka(), "traffic.events.valid");
    for partition in 0..4 {
        // What is of one partition is printed in its order.
        let of_partition = |line: &&String| line.contains(&format!(" partition={partition} offset="));
        let expected: Vec<String> = good
            .iter()
            .filter(|read| read.partition == partition)
            .map(|read| {
                let key = String::from_utf8_lossy(&read.key);
                let event = traffic_dict(read);
                format!("[RECEIVED] key={key} partition={partition} offset={} event={event}", read.offset)
            })
            .collect();
        assert!(printed.iter().filter(of_partition).eq(&expected), "{printed:#?}\n{expected:#?}");
    }
    assert_eq!(printed.len() as u64, COUNT + 2);
}

/// The weather pipeline's producer and consumer; an alert is above 30 °C, not at it.
#[test]
fn log_style_meteo_prints_readings_and_alerts_in_french() {
    let pipeline = Pipeline::start();
    let printed = generate(&pipeline, Service::WeatherGenerator, "meteo");
    let (start, sent) = printed.split_first().expect("it prints");
    assert_eq!(start, "démarrage du simulateur de capteurs...");
    let records = read_topic(&pipeline.kafka(), "weather_data");
    let expected = records.iter().map(|record| {
        let reading = Fields::of(record, WeatherReading::SCHEMA);
        format!(
            "Envoyé ! {{'sensor_id': {}, 'température': {}, 'city': {}, 'timestamp': '{}'}}",
            reading.get("sensor_id"),
            reading.float("temperature_c"),
            reading.quoted("city"),
            reading.time("observed_at", "%Y-%m-%d %H:%M:%S")
        )
    });
    assert_eq!(sorted(sent.to_vec()), sorted(expected.collect()));

    send_readings(&pipeline, &[30.0, 31.55]);
    let printed = store(&pipeline, "weather-readings", "meteo", COUNT + 2);
    let (start, rest) = printed.split_at(2);
    assert_eq!(start, ["Connexion à la base de données réussie.", "En attente des données..."]);
    let (end, told) = rest.split_last().expect("it prints");
    assert_eq!(end, "Arrêt...");
    let good = read_topic(&pipeline.kafka(), "weather_data.valid");
    let expected = good.iter().flat_map(|record| {
        let reading = Fields::of(record, WeatherReading::SCHEMA);
        let temperature = reading.float("temperature_c");
        if reading.get("temperature_c").parse::<f64>().expect("a number") > 30.0 {
            vec![
                format!("ALERTE : Température élevée ({temperature}°C)! "),
                "Alerte enregistrée dans la base de données.".to_owned(),
            ]
        } else {
            vec![format!("Température normale : {temperature}°C")]
        }
    });
    assert_eq!(sorted(told.to_vec()), sorted(expected.collect()));
    let alert =
        told.iter().position(|line| line == "ALERTE : Température élevée (31.55°C)! ").expect("an alert");
    assert_eq!(told[alert + 1], "Alerte enregistrée dans la base de données.");
    assert!(told.contains(&"Température normale : 30.0°C".to_owned()));
}

fn send_readings(pipeline: &Pipeline, temperatures: &[f64]) {
    let reading = |(id, temperature_c): (u128, &f64)| WeatherReading {
        event_id: Uuid::from_u128(id),
        sensor_id: 1,
        city: Cow::Borrowed("Paris"),
        temperature_c: *temperature_c,
        humidity_pct: None,
        wind_speed_mps: None,
        surface_temperature_c: None,
        observed_at_ms: service::clock::now_ms(),
    };
    let readings: Vec<_> = (1_u128..).zip(temperatures).map(reading).collect();
    pipeline.send_events("weather_data", WeatherReading::SCHEMA, &readings, WeatherReading::encode);
}
