//! Servers that let in only those who sign in, over TLS: those who may get everything through, the others are told why not.

use std::{fs, time::Duration};

use local_stack::Process;
use system_tests::{Expected, Run, Secured, Service, assert_drains};
use toll_generator::Tolls;

/// How long a service may take to say what is wrong.
const LIMIT: Duration = Duration::from_secs(30);
const KAFKA: &str = "TURNPIKE_KAFKA_PROPERTIES_FILE";
const BROKERS: &str = "TURNPIKE_KAFKA_BOOTSTRAP_SERVERS";
const MARIADB: &str = "TURNPIKE_MARIADB_URL";
const REGISTRY_CA: &str = "TURNPIKE_SCHEMA_REGISTRY_SSL_CA_LOCATION";

/// Runs the generator to its end.
fn generate(secured: &Secured, run: &Run, changes: &[(&str, &str)]) -> Expected {
    let args = run.args();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let generator = secured.spawn(Service::Generator, &args, changes);
    let status = generator.wait(LIMIT).expect("the generator ends");
    assert!(status.success(), "{}", generator.output().unwrap_or_default());
    // The first schema of a new registry.
    Expected::of::<Tolls>(run, 1)
}

/// What a process was started with, and what it has written.
fn seen_of(process: &Process) -> String {
    let of = |name: &str| fs::read(format!("/proc/{}/{name}", process.pid())).expect("it runs");
    let [environment, command_line] =
        ["environ", "cmdline"].map(|name| String::from_utf8_lossy(&of(name)).into_owned());
    environment + &command_line + &process.output().unwrap_or_default()
}

/// By each mechanism of SASL, over TLS to Kafka, the registry and MariaDB: every record is stored, the ledger balances, and no
/// password is in an environment, a command line, a log or a printed configuration. A certificate is as good as a password.
#[test]
fn those_who_sign_in_get_everything_through() {
    let secured = Secured::start();
    let by = |mechanism: &str| secured.properties(mechanism, None);
    let consumers = [
        secured.spawn(Service::Validator, &["--instance", "a"], &[(KAFKA, &by("PLAIN"))]),
        secured.spawn(Service::Writer, &["--instance", "a"], &[(KAFKA, &by("SCRAM-SHA-512"))]),
    ];
    let expected = generate(&secured, &Run::new(5, 4_000, 4_000, ""), &[(KAFKA, &by("SCRAM-SHA-256"))]);
    secured.pipeline.settle(4_000, 0);
    secured.pipeline.assert_rows(&expected);
    let ledger = secured.turnpike(&["ledger", "--settle", "30"], &[]);
    assert_eq!(ledger.code, Some(0), "{}", ledger.text);
    assert!(ledger.text.contains("balanced: 4 000 records read"), "{}", ledger.text);
    let tail = secured.turnpike(&["tail", "toll.valid", "--from-beginning", "--no-follow"], &[]);
    assert!(tail.out.contains("\"toll_plaza_id\""), "{}", tail.text);

    let shown = secured.spawn(Service::Writer, &["--print-config"], &[]);
    shown.wait(LIMIT).expect("it ends");
    let mut seen: Vec<String> = consumers.iter().map(seen_of).collect();
    seen.extend([shown.output().unwrap_or_default(), ledger.text, tail.text]);
    for secret in secured.secrets() {
        assert!(seen.iter().all(|text| !text.contains(secret)), "a password is shown in {seen:?}");
    }

    let servers = secured.pipeline.stack.kafka.certificate_servers().expect("a secured stack");
    let [ca, certificate, key] = ["ca.pem", "client.pem", "client.key"].map(|name| secured.file(name));
    let trusting = format!("security.protocol=SSL\nbroker.address.family=v4\nssl.ca.location={ca}\n");
    let own = format!("ssl.certificate.location={certificate}\nssl.key.location={key}\n");
    let own = secured.write("mutual.properties", &format!("{trusting}{own}"));
    let listed = secured.turnpike(&["topics", "list"], &[(BROKERS, &servers), (KAFKA, &own)]);
    assert!(listed.code == Some(0) && listed.out.contains("toll.valid"), "{}", listed.text);
    let nameless = secured.write("nameless.properties", &trusting);
    let refused = secured.turnpike(&["topics", "list"], &[(BROKERS, &servers), (KAFKA, &nameless)]);
    assert!(refused.code == Some(2) && refused.text.contains("ssl.certificate.location"), "{}", refused.text);
    consumers.iter().for_each(assert_drains);
}

/// Who ends, and what the line must say.
struct Refused(Process, &'static [&'static str]);

impl Refused {
    fn assert(&self) {
        let Self(process, parts) = self;
        let ended = process.wait(LIMIT);
        let output = process.output().unwrap_or_default();
        let status = ended.unwrap_or_else(|error| panic!("{error}\n{output}"));
        assert_eq!(status.code(), Some(2), "{output}");
        let last = output.lines().last().unwrap_or_default();
        assert!(parts.iter().all(|part| last.contains(part)), "not all of {parts:?} in\n{output}");
    }
}

/// A wrong password, an authority that is not trusted, a host that the certificate does not name and a file with a mistake
/// each end with code 2 and one line that says what to correct; where it may be an outage, it is waited for with such a line.
/// When all is right again, every record is there.
#[test]
fn the_others_are_told_and_nothing_is_lost() {
    let secured = Secured::start();
    let run = Run::new(6, 500, 4_000, "");
    let expected = generate(&secured, &run, &[]);

    let scram = |changes: &[(&str, &str)]| {
        let right = fs::read_to_string(secured.properties("SCRAM-SHA-512", None)).expect("readable");
        let text = changes.iter().fold(right, |text, (old, new)| text.replace(old, new));
        secured.write(&format!("{}.properties", changes[0].1.replace('/', "_")), &text)
    };
    let wrong = secured.properties("SCRAM-SHA-512", Some("wrong"));
    let [ca, stranger] = ["ca.pem", "stranger.pem"].map(|name| secured.file(name));
    let untrusted = scram(&[(&ca, &stranger)]);
    let broken = scram(&[("sasl.mechanism", "sasl.mechanisn")]);
    let plain = scram(&[("SASL_SSL", "SASL_PLAINTEXT")]);
    let servers = secured.pipeline.stack.kafka.password_servers().expect("a secured stack");
    let elsewhere = servers.replace("localhost", "127.0.0.1");
    let registry = secured.pipeline.stack.registry.url();
    let mariadb = |parameters: &str| secured.mariadb_url(parameters);
    let by_address =
        mariadb(&format!("sslMode=verify-full&serverSslCert={ca}")).replace("localhost", "127.0.0.1");

    let validator = |changes: &[(&str, &str)]| secured.spawn(Service::Validator, &[], changes);
    let writer = |changes: &[(&str, &str)]| secured.spawn(Service::Writer, &[], changes);
    let generator = |changes: &[(&str, &str)]| secured.spawn(Service::Generator, &["--count", "1"], changes);
    let sign_in: &[&str] = &["--kafka-properties-file", "sasl.username and sasl.password"];
    let refused = [
        Refused(generator(&[(KAFKA, &wrong)]), sign_in),
        Refused(validator(&[(KAFKA, &wrong)]), sign_in),
        Refused(writer(&[(KAFKA, &wrong)]), sign_in),
        Refused(validator(&[(KAFKA, &untrusted)]), &["certificate verify failed", "ssl.ca.location"]),
        Refused(writer(&[(BROKERS, &elsewhere)]), &["certificate verify failed", "name the host"]),
        Refused(validator(&[(KAFKA, &broken)]), &["--kafka-properties-file", "line 5", "sasl.mechanisn"]),
        Refused(
            writer(&[(MARIADB, &mariadb(&format!("sslMode=verify-ca&serverSslCert={stranger}")))]),
            &["connection.url", "UnknownIssuer", "serverSslCert"],
        ),
        Refused(writer(&[(MARIADB, &by_address)]), &["connection.url", "localhost", "name the host"]),
        Refused(writer(&[(MARIADB, &mariadb("sslMode=disable"))]), &["1045", "sslMode=verify-full"]),
        Refused(
            generator(&[("TURNPIKE_SCHEMA_REGISTRY_USER", "somebody")]),
            &["--schema-registry-user", "Unauthorized"],
        ),
        Refused(
            generator(&[(REGISTRY_CA, &stranger)]),
            &["--schema-registry-ssl-ca-location", "UnknownIssuer", "authority"],
        ),
        Refused(
            generator(&[("TURNPIKE_SCHEMA_REGISTRY_URL", &registry.replace("localhost", "127.0.0.1"))]),
            &["--schema-registry-url", "name the host"],
        ),
    ];
    let waiting = validator(&[(KAFKA, &plain)]);
    let line =
        waiting.wait_for_line(LIMIT, |line| line.contains("security.protocol").then(|| line.to_owned()));
    let output = waiting.output().unwrap_or_default();
    assert!(line.is_ok_and(|line| line.contains("WARN") && line.contains("kafka")), "{output}");
    refused.iter().for_each(Refused::assert);
    assert!(waiting.is_running());
    assert_drains(&waiting);

    let consumers = [validator(&[]), writer(&[])];
    secured.pipeline.settle(500, 0);
    secured.pipeline.assert_rows(&expected);
    consumers.iter().for_each(assert_drains);
}
