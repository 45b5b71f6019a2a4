//! Feeds: files and HTTP, mapped, sent once and resumed. What must come is told by the mapping alone (`feed::preview`).

mod web;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use dead_letter::Context;
use events::{Shape, Value};
use feed::Mapping;
use kafka::{Headers, Outgoing};
use local_stack::Signal;
use serde_json::Value as Json;
use system_tests::{PATIENCE, Pipeline, assert_drains, eventually, read_topic, root};

use web::{Reply, with_web};

/// What a source must come to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// Event ids and keys, sorted.
    sent: Vec<(String, String)>,
    /// Row and reason of each dead letter, sorted.
    dead: Vec<(i64, String)>,
}

fn feed_file(name: &str) -> PathBuf {
    root().join("deploy/feeds").join(name)
}

fn mapping(path: &Path) -> Mapping {
    Mapping::parse(&fs::read_to_string(path).expect("a mapping file")).expect("a mapping")
}

/// What the mapping makes of a file.
fn expected(mapping: &Mapping, source: &Path) -> Outcome {
    let file = fs::File::open(source).expect("a source");
    let name = source.file_name().expect("a name").to_string_lossy();
    expected_of(mapping, Some(&name), file)
}

/// What the mapping makes of a file of this name, or of an answer over HTTP.
fn expected_of(mapping: &Mapping, file_name: Option<&str>, source: impl Read) -> Outcome {
    let mut outcome = Outcome::default();
    feed::preview(mapping, source, file_name, |line| {
        let (row, line) = line.split_once(' ').expect("a number first");
        if let Some(sent) = line.strip_prefix("sent key=") {
            let (key, event) = sent.split_once(' ').expect("an event behind the key");
            let event: Json = serde_json::from_str(event).expect("JSON");
            outcome.sent.push((event["event_id"].as_str().expect("an id").to_owned(), key.to_owned()));
        } else if let Some(dead) = line.strip_prefix("set aside ") {
            let reason = dead.split(' ').next().expect("a reason");
            outcome.dead.push((row.parse().expect("a number"), reason.to_owned()));
        }
        Ok(())
    })
    .expect("readable");
    outcome.sent.sort();
    outcome.dead.sort();
    outcome
}

/// What readers of committed records find on a stream's topics.
fn found(pipeline: &Pipeline, mapping: &Mapping) -> Outcome {
    let topic = mapping.stream.topic;
    let shape = Shape::parse(mapping.stream.schema).expect("a shape");
    let mut outcome = Outcome::default();
    for read in read_topic(&pipeline.kafka(), topic) {
        let (_, avro) = schema_registry::split(&read.value, std::iter::empty()).expect("framed");
        let mut values = Vec::new();
        shape.decode(avro, &mut values).expect("an event");
        let Value::String(id) = values[0] else { panic!("the first field is the id") };
        outcome.sent.push((id.to_owned(), String::from_utf8(read.key).expect("text")));
    }
    for read in read_topic(&pipeline.kafka(), &format!("{topic}.dlq")) {
        let headers = read.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes())));
        let context = Context::from_headers(headers).expect("the headers of a dead letter");
        assert_eq!(context.connector_name, format!("feed-{}", mapping.name));
        assert!(context.topic == topic && context.partition < 0, "{context:?}");
        outcome.dead.push((context.offset, context.reason.to_string()));
    }
    outcome.sent.sort();
    outcome.dead.sort();
    outcome
}

/// Runs a feed to its end, and gives what it printed.
fn run(pipeline: &Pipeline, mapping: &Path, args: &[&str]) -> String {
    let process = pipeline.spawn_feed(mapping, args);
    let status = process.wait(PATIENCE).expect("the feed ends");
    let output = process.output().expect("an output");
    assert!(status.success(), "{output}");
    output
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// The wanted number of weather stations as CSV for `stations.json`, every fiftieth row without a temperature.
fn stations(rows: usize) -> String {
    let mut csv = "id;t;date\n".to_owned();
    for row in 0..rows {
        let t = if row % 50 == 7 { "mq".to_owned() } else { format!("28{}.15", row % 10) };
        writeln!(csv, "{};{t};2026100206{:02}{:02}", 1 + row % 500, row / 60 % 60, row % 60).expect("a text");
    }
    csv
}

const STATIONS: &str = r#"{
  "name": "stations", "stream": "weather", "format": { "type": "csv", "delimiter": ";" }, "missing": ["mq"],
  "fields": {
    "sensor_id": { "from": "id" }, "city": { "value": "Paris" }, "temperature_c": { "from": "t", "unit": "K" },
    "observed_at": { "from": "date", "format": "%Y%m%d%H%M%S", "zone": "UTC" }
  }
}"#;

/// A file is taken to its end, each record once: good ones as events, bad ones as dead letters with their own bytes;
/// and an address is asked, gives the same, and gives nothing twice.
#[test]
fn a1_2_an_http_feed_and_a_file_are_taken() {
    let pipeline = Pipeline::start();
    let (mapping_file, sample) = (feed_file("synop-france.json"), feed_file("samples/synop-france.csv"));
    let synop = mapping(&mapping_file);
    let output = run(&pipeline, &mapping_file, &["--file", text(&sample)]);
    let said = "synop-france: 6 records sent, 4 set aside (1 WRONG_FIELD_COUNT, 2 UNPARSABLE, 1 SENTINEL), 1 skipped";
    assert!(output.contains(said), "{output}");
    assert_eq!(found(&pipeline, &synop), expected(&synop, &sample));
    let lines = fs::read_to_string(&sample).expect("a sample");
    for letter in read_topic(&pipeline.kafka(), "weather_data.dlq") {
        let value = String::from_utf8(letter.value).expect("text");
        assert!(lines.lines().any(|line| line == value), "{value}");
    }

    let again = run(&pipeline, &mapping_file, &["--file", text(&sample)]);
    assert!(again.contains("synop-france: 0 records sent, 0 set aside"), "{again}");
    assert_eq!(found(&pipeline, &synop), expected(&synop, &sample), "nothing twice");

    with_web(|web| {
        let (mapping_file, sample) = (feed_file("autobahn.json"), feed_file("samples/autobahn.json"));
        let autobahn = mapping(&mapping_file);
        web.answer(&[Reply::Plain("200 OK", fs::read_to_string(&sample).expect("a sample"))]);
        let url = web.url();
        run(&pipeline, &mapping_file, &["--url", &url, "--interval-seconds", "0.1", "--polls", "3"]);
        let mut expected = expected(&autobahn, &sample);
        expected.sent.dedup();
        assert_eq!(found(&pipeline, &autobahn).sent, expected.sent, "an item that is there twice is one");
        assert_eq!(found(&pipeline, &autobahn).dead.len(), expected.dead.len());
        assert_eq!(web.asked().len(), 3);
    });
}

/// Every mapping that we ship does on Kafka what it says without: formats, units, zones and faults.
#[test]
fn shipped_mappings_send_what_they_say() {
    let pipeline = Pipeline::start();
    for (topic, feeds) in [
        ("toll", [("taiwan-m06a", "taiwan-m06a.csv"), ("fintraffic-lam", "fintraffic-lam.csv")]),
        ("weather_data", [("open-meteo", "open-meteo.json"), ("wsdot-weather", "wsdot-weather.json")]),
    ] {
        let (mut keys, mut dead) = (Vec::new(), 0);
        for (name, sample) in feeds {
            let (file, sample) =
                (feed_file(&format!("{name}.json")), feed_file(&format!("samples/{sample}")));
            run(&pipeline, &file, &["--file", text(&sample)]);
            let expected = expected(&mapping(&file), &sample);
            keys.extend(expected.sent.into_iter().map(|(_, key)| key));
            dead += expected.dead.len();
        }
        let sent = read_topic(&pipeline.kafka(), topic).into_iter();
        let mut sent: Vec<String> = sent.map(|read| String::from_utf8(read.key).expect("text")).collect();
        keys.sort();
        sent.sort();
        assert_eq!(sent, keys, "{topic}");
        assert_eq!(read_topic(&pipeline.kafka(), &format!("{topic}.dlq")).len(), dead, "{topic}.dlq");
    }
}

/// Killed again and again in the middle of a file, once behind another one's open transaction, and with its broker killed, a
/// feed goes on without loss or repetition.
#[test]
fn a_killed_feed_goes_on_where_it_was() {
    const ROWS: usize = 600_000;
    let pipeline = Pipeline::start();
    let folder = pipeline.stack.folder().path().to_owned();
    let (mapping_file, source) = (folder.join("stations.json"), folder.join("stations.csv"));
    fs::write(&mapping_file, STATIONS).expect("written");
    fs::write(&source, stations(ROWS)).expect("written");
    let stations = mapping(&mapping_file);
    let admin = pipeline.kafka().admin().expect("an admin client");
    // A topic that has just been created, or whose broker has, may have no leader for a moment.
    let end = |partition| admin.offsets("weather_data", partition).ok().map(|(_, end)| end);
    let committed = || (0..4).map(end).sum::<Option<i64>>();

    let goes_on = |line: &str| line.contains("going on after row").then_some(());
    let kill_in_the_middle = |meanwhile: &dyn Fn()| {
        let feed = pipeline.spawn_feed(&mapping_file, &["--file", text(&source)]);
        // What was open at the last kill is aborted by now, so that what comes is this feed's.
        feed.wait_for_line(PATIENCE, goes_on).expect("it goes on");
        let before = eventually("the topic's end", committed);
        eventually("more records", || committed().filter(|now| *now > before));
        meanwhile();
        assert!(feed.is_running(), "the file was over too soon: {}", feed.output().unwrap_or_default());
        feed.kill(Signal::KILL);
        feed.wait(PATIENCE).expect("it ends");
    };
    kill_in_the_middle(&|| {});
    kill_in_the_middle(&|| {});
    // Another feed's transaction hides what is committed behind it from readers of committed records.
    let other = pipeline.kafka().transactional_producer("feed-other").expect("a producer");
    let positions = || admin.offsets(feed::POSITIONS_TOPIC, 0).ok().map(|(_, end)| end);
    eventually("the id is taken", || other.init().ok());
    kill_in_the_middle(&|| {
        let key = Some(&b"[\"other\",{}]"[..]);
        let (topic, headers) = (feed::POSITIONS_TOPIC, Headers::new());
        let record = Outgoing {
            topic,
            partition: Some(0),
            key,
            value: key,
            timestamp_ms: None,
            headers,
            receipt: None,
        };
        other.begin().and_then(|()| other.send(record)).expect("a transaction is open");
        eventually("positions that nobody sees", || {
            let (before, seen) = (committed()?, positions()?);
            eventually("records", || committed().filter(|now| *now > before + 10_000));
            (positions()? == seen).then_some(())
        });
    });

    let feed = pipeline.spawn_feed(&mapping_file, &["--file", text(&source)]);
    let waits = |line: &str| line.contains("a transaction on it is still open").then_some(());
    feed.wait_for_line(PATIENCE, waits).expect("it waits for the end of the other transaction");
    other.commit_without_offsets(|_| true).expect("the other transaction ends");
    feed.wait_for_line(PATIENCE, goes_on).expect("it goes on");
    pipeline.stack.kafka.kill();
    pipeline.stack.kafka.start().expect("the broker comes back");
    let status = feed.wait(PATIENCE).expect("the feed ends");
    assert!(status.success(), "{}", feed.output().unwrap_or_default());

    let (found, expected) = (found(&pipeline, &stations), expected(&stations, &source));
    let ids: BTreeSet<&String> = found.sent.iter().map(|(id, _)| id).collect();
    assert_eq!((ids.len(), found.sent.len()), (expected.sent.len(), expected.sent.len()));
    assert!(found == expected, "{} dead letters, expected {}", found.dead.len(), expected.dead.len());
}

/// A request to commit that was given up may come late: after a commit that had to be tried again, a feed sends nothing
/// before a new session has shut it out, and goes on where it was.
#[test]
fn a_repeated_commit_ends_the_session() {
    let pipeline = Pipeline::start();
    let folder = pipeline.stack.folder().path().to_owned();
    let (mapping_file, source) = (folder.join("stations.json"), folder.join("stations.csv"));
    fs::write(&mapping_file, STATIONS).expect("written");
    fs::write(&source, stations(200_000)).expect("written");
    let stations = mapping(&mapping_file);
    let admin = pipeline.kafka().admin().expect("an admin client");
    let feed = pipeline.spawn_feed(&mapping_file, &["--file", text(&source)]);
    eventually("records", || {
        admin.offsets("weather_data", 0).ok().and_then(|(_, end)| (end > 0).then_some(()))
    });
    let times = |told: &str| feed.output().expect("an output").matches(told).count();
    pipeline.stack.kafka.signal(Signal::STOP);
    let before = times("kafka is not ready");
    eventually("a step that is tried again", || (times("kafka is not ready") > before).then_some(()));
    pipeline.stack.kafka.signal(Signal::CONT);
    let status = feed.wait(PATIENCE).expect("the feed ends");
    let output = feed.output().expect("an output");
    assert!(status.success(), "{output}");
    assert!(
        output.contains("the last commit had to be tried again; going on with a new session"),
        "{output}"
    );
    assert_eq!(times("going on after row"), 2, "{output}");
    assert!(found(&pipeline, &stations) == expected(&stations, &source), "{output}");
}

/// If the last of the wanted questions fails, so does the feed; and nobody but the address is told the token.
#[test]
fn a_failed_last_question_is_exit_code_1() {
    let pipeline = Pipeline::start();
    with_web(|web| {
        web.answer(&[
            Reply::Plain("200 OK", "[]".to_owned()),
            Reply::Plain("302 Found\r\nLocation: /moved", String::new()),
            Reply::Plain("404 Not Found", "gone".to_owned()),
        ]);
        let url = format!("{}?code={{token}}", web.url());
        let args = ["--url", &url, "--token", "hush", "--interval-seconds", "0.1", "--polls", "2"];
        let feed = pipeline.spawn_feed(&feed_file("wsdot-weather.json"), &args);
        let status = feed.wait(PATIENCE).expect("the feed ends");
        let output = feed.output().expect("an output");
        assert_eq!(status.code(), Some(1), "{output}");
        let said = "failed: the answer is 404 Not Found; it begins with `gone`";
        assert!(output.contains("question 2 of 2 to ") && output.contains(said), "{output}");
        let asked = web.asked();
        assert!(asked[1].starts_with("get /feed?code=hush "), "{}", asked[1]);
        assert!(asked[2].starts_with("get /moved ") && !asked[2].contains("hush"), "{}", asked[2]);
        assert!(!output.contains("hush"), "{output}");
    });
}

/// Everything that a server can do wrong is told, waited out and survived in little memory; then the data comes, once.
#[test]
fn a_bad_server_is_survived() {
    let pipeline = Pipeline::start();
    let (mapping_file, sample) = (feed_file("wsdot-weather.json"), feed_file("samples/wsdot-weather.json"));
    let wsdot = mapping(&mapping_file);
    let data = fs::read_to_string(&sample).expect("a sample");
    with_web(|web| {
        web.answer(&[
            Reply::Plain("500 Internal Server Error", "out of order".to_owned()),
            Reply::Plain("200 OK\r\nContent-Type: text/html", "<!DOCTYPE html><p>maintenance".to_owned()),
            Reply::Plain("200 OK", "{\"Message\":\"no access\"".to_owned()),
            Reply::Plain("429 Too Many Requests\r\nRetry-After: 1", String::new()),
            Reply::Huge,
            Reply::Chunked,
            Reply::Half,
            Reply::Hang,
            Reply::Plain("200 OK\r\nETag: \"a\"", data),
            Reply::Plain("304 Not Modified", String::new()),
        ]);
        let (url, polls) = (web.url(), "11");
        let args = ["--url", &url, "--interval-seconds", "0.2", "--timeout-seconds", "2", "--polls", polls];
        let feed = pipeline.spawn_feed(&mapping_file, &args);
        let mut peak_kib = 0;
        let status = eventually("the feed ends", || {
            peak_kib = feed.resident_peak_kib().unwrap_or(0).max(peak_kib);
            feed.ended()
        });
        let output = feed.output().expect("an output");
        assert!(status.success(), "{output}");
        for told in [
            "the answer is 500 Internal Server Error; it begins with `out of order`",
            "the answer is a page and no data; it begins with `<!DOCTYPE html>",
            "it is no JSON (EOF while parsing an object",
            "the answer is 429 Too Many Requests",
            "the answer has more than 33554432 bytes",
            "no complete answer in time",
            "is ready",
        ] {
            assert!(output.contains(told), "{told} is not in\n{output}");
        }
        assert!(peak_kib < 200_000, "{peak_kib} KiB");
        assert!(
            web.asked()[9..].iter().all(|head| head.contains("if-none-match: \"a\"")),
            "{:?}",
            web.asked()
        );
    });
    assert_eq!(found(&pipeline, &wsdot), expected(&wsdot, &sample));
}

/// What was there before a restart is known after it: the validator of the document, and each of its records.
#[test]
fn an_http_feed_remembers_what_it_has_seen() {
    let pipeline = Pipeline::start();
    let mapping_file = pipeline.stack.folder().path().join("lines.json");
    let text = STATIONS.replace(r#"{ "type": "csv", "delimiter": ";" }"#, r#"{ "type": "jsonl" }"#);
    let text = ["id", "t", "date"].iter().fold(text, |text, name| {
        text.replace(&format!("\"from\": \"{name}\""), &format!("\"from\": \"/{name}\""))
    });
    fs::write(&mapping_file, text).expect("written");
    let line = |id: u32, t: &str| format!("{{\"id\":{id},\"t\":\"{t}\",\"date\":\"20261002060000\"}}\n");
    with_web(|web| {
        let url = web.url();
        let poll = |body: String, etag: &'static str| {
            web.answer(&[Reply::Plain(etag, body)]);
            run(&pipeline, &mapping_file, &["--url", &url, "--interval-seconds", "0.1", "--polls", "2"])
        };
        let first = poll(line(1, "280") + &line(2, "mq"), "200 OK\r\nETag: \"one\"");
        assert!(first.contains("stations: 1 records sent, 1 set aside (1 SENTINEL)"), "{first}");
        let second = poll(line(2, "mq") + &line(1, "280") + &line(3, "281"), "200 OK\r\nLast-Modified: now");
        assert!(second.contains("stations: 1 records sent, 0 set aside, 2 seen before"), "{second}");
        let asked = web.asked();
        assert!(!asked[0].contains("if-none-match"), "{}", asked[0]);
        assert!(asked[2].contains("if-none-match: \"one\""), "{}", asked[2]);
        assert!(asked[3].contains("if-modified-since: now"), "{}", asked[3]);
    });
    let (lines, document) = (mapping(&mapping_file), line(1, "280") + &line(3, "281"));
    let expected = expected_of(&lines, None, document.as_bytes());
    assert_eq!(
        found(&pipeline, &lines).sent,
        expected.sent,
        "each record once, with the id that a dry run tells"
    );
    assert_eq!(read_topic(&pipeline.kafka(), "weather_data.dlq").len(), 1);
}

/// A feed over HTTP drains on SIGTERM, also while a server lets it hang.
#[test]
fn a_hanging_feed_stops_when_told() {
    let pipeline = Pipeline::start();
    with_web(|web| {
        web.answer(&[Reply::Hang]);
        let url = web.url();
        let feed = pipeline.spawn_feed(&feed_file("autobahn.json"), &["--url", &url]);
        eventually("a question", || (!web.asked().is_empty()).then_some(()));
        assert_drains(&feed);
    });
}

/// A mapping file that is wrong, and a file that is not the one that was read, end the feed at once with exit code 2.
#[test]
fn mistakes_end_with_exit_code_2() {
    let pipeline = Pipeline::start();
    let folder = pipeline.stack.folder().path().to_owned();
    let (mapping_file, source) = (folder.join("stations.json"), folder.join("stations.csv"));
    fs::write(&mapping_file, STATIONS.replace("\"K\"", "\"Kelvin\"")).expect("written");
    fs::write(&source, stations(10)).expect("written");
    let refused = |expected: &str| {
        let feed = pipeline.spawn_feed(&mapping_file, &["--file", text(&source)]);
        let status = feed.wait(Duration::from_secs(20)).expect("it ends");
        let output = feed.output().unwrap_or_default();
        assert_eq!(status.code(), Some(2), "{output}");
        assert!(output.contains(expected), "{output}");
    };
    refused("line 4, column 106, fields.temperature_c.unit = \"Kelvin\" is not allowed; allowed: °C, C, K");

    fs::write(&mapping_file, STATIONS).expect("written");
    run(&pipeline, &mapping_file, &["--file", text(&source)]);
    fs::write(&source, stations(10).replacen(';', ",", 1)).expect("written");
    refused("the file that was read up to row 10, and this is another one of the same name");
    fs::write(&source, stations(5).replace("2026", "2025")).expect("written");
    let output = run(&pipeline, &mapping_file, &["--file", text(&source), "--start-over"]);
    assert!(output.contains("stations: 5 records sent"), "{output}");
    assert_eq!(read_topic(&pipeline.kafka(), "weather_data").len(), 14);
    let positions = read_topic(&pipeline.kafka(), feed::POSITIONS_TOPIC);
    let is_known: Vec<bool> = positions.iter().map(|read| !read.value.is_empty()).collect();
    assert_eq!(is_known, [true, false, true], "the position is forgotten before anything is sent again");
}

/// A record that is left out is counted at each question, and sent once it is no longer to be left out; one that was set
/// aside is sent once it is mended.
#[test]
fn an_http_feed_sends_what_it_once_left_out() {
    let pipeline = Pipeline::start();
    let mapping_file = feed_file("autobahn.json");
    let sample = fs::read_to_string(feed_file("samples/autobahn.json")).expect("a sample");
    let mut document: Json = serde_json::from_str(&sample).expect("JSON");
    let warnings = document["warning"].as_array().expect("a list");
    let sent = warnings.iter().find(|warning| {
        let only = serde_json::json!({ "warning": [warning] }).to_string();
        expected_of(&mapping(&mapping_file), None, only.as_bytes()).sent.len() == 1
    });
    let good = sent.expect("a warning that is sent").clone();
    let (mut blocked, mut nowhere) = (good.clone(), good.clone());
    blocked["isBlocked"] = "true".into();
    (nowhere["identifier"], nowhere["coordinate"]["long"]) = ("other".into(), "".into());
    let mut mended = nowhere.clone();
    mended["coordinate"]["long"] = good["coordinate"]["long"].clone();
    let mut reply = |warnings: [&Json; 2]| {
        document["warning"] = warnings.into_iter().cloned().collect();
        Reply::Plain("200 OK", document.to_string())
    };
    let (before, after) = (reply([&blocked, &nowhere]), reply([&good, &mended]));
    with_web(|web| {
        web.answer(&[before.clone(), before, after]);
        let url = web.url();
        let args = ["--url", &url, "--interval-seconds", "0.1", "--polls", "4"];
        let output = run(&pipeline, &mapping_file, &args);
        let reason = "1 set aside (1 MISSING_FIELD)";
        let sum = format!("autobahn-a100: 2 records sent, {reason}, 2 skipped, 3 seen before");
        assert!(output.contains(&sum), "{output}");
    });
    let found = found(&pipeline, &mapping(&mapping_file));
    assert_eq!((found.sent.len(), found.dead.len()), (2, 1), "{found:?}");
}
