//! `turnpike verify` against a running system: it proves a healthy one, and finds what is broken in one that is not.

use std::fs;

use local_stack::{Jaeger, Process, Signal};
use serde_json::Value as Json;
use system_tests::{Pipeline, Said, Service, http_address, otlp::Observed};

/// Debug builds use more than those that are shipped.
const MEMORY_LIMIT: &str = "2000";
const CONTAINERS: &str = "turnpike-kafka-1\t412.3MiB / 1GiB\nturnpike-jaeger-1\t96MiB / 384MiB\nturnpike-grafana-1\t1.9GiB / 2GiB\n";

/// A system under load, with faults; with Jaeger where it was built.
struct Running {
    pipeline: Pipeline,
    processes: Vec<(&'static str, Process)>,
}

impl Running {
    fn start() -> Self {
        let pipeline = if Jaeger::program().is_ok() { Pipeline::with_jaeger() } else { Pipeline::start() };
        if let Some(jaeger) = &pipeline.stack.jaeger {
            pipeline.observe(&Observed::at(&jaeger.otlp_endpoint(), 1));
        }
        let generator = ["--rate", "40", "--malformed", "all=12%"];
        let started = [
            (Service::Validator, &["--instance", "a"][..]),
            (Service::Writer, &["--instance", "a"]),
            (Service::Generator, &generator),
            (Service::TrafficGenerator, &generator),
            (Service::WeatherGenerator, &generator),
        ];
        let processes = started
            .map(|(service, args)| (service.name(), pipeline.spawn(service, args)))
            .into_iter()
            .collect();
        Self { pipeline, processes }
    }

    /// Verifies with all that can be asked, and these arguments.
    fn verify(&self, args: &[&str]) -> Said {
        let services =
            self.processes.iter().map(|(name, process)| format!("{name}={}", http_address(process)));
        let services = services.collect::<Vec<_>>().join(",");
        let containers = self.pipeline.stack.folder().path().join("memory.txt");
        fs::write(&containers, CONTAINERS).expect("written");
        let jaeger = self.pipeline.stack.jaeger.as_ref().map(Jaeger::url).unwrap_or_default();
        let asked = [
            &["verify", "--faults", "all=12%", "--service", &services, "--jaeger-url", &jaeger][..],
            &["--containers", &containers.to_string_lossy()],
            args,
        ];
        self.pipeline.turnpike(&asked.concat())
    }

    fn process(&self, service: Service) -> &Process {
        let mut all = self.processes.iter();
        all.find_map(|(name, process)| (*name == service.name()).then_some(process)).expect("it was started")
    }
}

fn assert_says(said: &Said, code: i32, parts: &[&str]) {
    assert_eq!(said.code, Some(code), "{}", said.text);
    for part in parts {
        assert!(said.out.contains(part), "`{part}` is not in\n{}", said.text);
    }
}

/// All is proved while records flow, with a line for each check. Then limits are set too low, a row is deleted and the writer
/// killed, one after the other: each is found and named, with what to do, and the exit code is 1.
#[test]
fn a_healthy_system_is_verified_and_a_broken_one_is_not() {
    let running = Running::start();
    let limit = ["--services-memory-limit-mib", MEMORY_LIMIT, "--within-seconds", "90"];

    let healthy = running.verify(&[&limit[..], &["--first-row-seconds", "41.2"]].concat());
    let lines = [
        "✓ topics          9 there; partitions 4, replication 1, all in sync",
        "✓ rows            traffic_db.toll_passages: ",
        "✓ rows            tolldata.livetolldata: ",
        "✓ rows            weather_db.warning_temperatures: ",
        "✓ rows            turnpike.dead_letters: ",
        "✓ ledger          balanced",
        "✓ rows = ledger   ",
        "✓ dead letters    ",
        "✓ services        ready: validator, mariadb-writer, toll-generator, traffic-generator, weather-generator",
        "✓ services' MiB   ",
        "✓ stack's MiB     508.3 of 2048 MiB in 2 containers; the largest: turnpike-kafka-1 412.3",
        "✓ first row       41.2 s after the start, of 60 s",
        "\nverified (",
    ];
    assert_says(&healthy, 0, &lines);
    if let Some(jaeger) = &running.pipeline.stack.jaeger {
        assert_says(
            &healthy,
            0,
            &["✓ trace           ", "> validator > mariadb-writer", &jaeger.trace_url("")],
        );
    }

    let small = ["--services-memory-limit-mib", "1", "--stack-memory-limit-mib", "508", "--json"];
    let small =
        running.verify(&[&small[..], &["--first-row-seconds", "60.5", "--within-seconds", "90"]].concat());
    assert_eq!(small.code, Some(1), "{}", small.text);
    let json: Json = serde_json::from_str(&small.out).expect("one JSON object");
    let checks = json["checks"].as_array().expect("a list").iter();
    let short: Vec<&str> = checks
        .filter(|check| check["state"] == "falls short")
        .filter_map(|check| check["name"].as_str())
        .collect();
    assert_eq!(short, ["services' MiB", "stack's MiB", "first row"], "{json}");

    running.pipeline.sql("DELETE FROM traffic_db.traffic_events ORDER BY id LIMIT 1");
    let deleted = running.verify(&limit);
    assert_says(
        &deleted,
        1,
        &["✗ rows = ledger   traffic_db.traffic_events lacks 1: ", "falls short: rows = ledger ("],
    );

    running.process(Service::Writer).kill(Signal::KILL);
    let killed = running.verify(&["--within-seconds", "4", "--services-memory-limit-mib", MEMORY_LIMIT]);
    let parts = [
        "✗ services        mariadb-writer at 127.0.0.1:",
        "✗ rows            traffic_db.toll_passages: ",
        "no new row, though toll got ",
        "next: look at the log of mariadb-writer: docker compose logs --since 10m mariadb-writer",
        "falls short: rows, ledger, rows = ledger, services",
    ];
    assert_says(&killed, 1, &parts);
    assert!(killed.text.contains(" s: not proved yet: rows, ledger, services"), "{}", killed.text);
}

/// Arguments that are not allowed are refused in one line with exit code 2; with nothing there, every source says why in the card.
#[test]
fn arguments_are_refused_and_an_empty_system_is_told() {
    let pipeline = Pipeline::without_topics();
    for (args, part) in [
        (["--service", "validator"], "NAME=HOST:PORT"),
        (["--faults", "much"], "a percentage such as 2%"),
        (["--containers", "/nowhere"], "a file that can be read"),
        (["--first-row-seconds", "soon"], "such as 41.2"),
        (["--within-seconds", "0"], "within-seconds"),
    ] {
        let said = pipeline.turnpike(&[&["verify"], &args[..]].concat());
        assert_eq!(said.code, Some(2), "{}", said.text);
        assert!(said.text.contains(part) && said.text.lines().count() == 1, "{}", said.text);
    }
    let empty = pipeline.turnpike(&["verify", "--within-seconds", "1"]);
    let parts = [
        "✗ topics          9 of 9 are missing: toll, ",
        "next: turnpike topics create",
        "✗ ledger          there is no topic with another named TOPIC.valid",
        "– services        not asked",
        "– first row       not measured",
    ];
    assert_says(&empty, 1, &parts);
}
