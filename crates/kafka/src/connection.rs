//! How to reach the cluster, as flags and environment, and the clients made from it.

use std::{fmt, str::FromStr};

use rdkafka::ClientConfig;
use serde::{Serialize, Serializer};

use crate::{
    Admin, Class, Consumer, Error, OnDelivery, Position, Producer, PropertiesFile, Reader,
    TransactionalProducer,
};

/// Where the cluster is and how to speak to it.
#[expect(clippy::struct_field_names, reason = "the fields are flags beside those of other parts")]
#[derive(Debug, Clone, Serialize, clap::Args)]
#[command(next_help_heading = "Kafka")]
pub struct Connection {
    /// Brokers to ask first, as host:port, separated by commas.
    #[arg(
        long,
        env = "TURNPIKE_KAFKA_BOOTSTRAP_SERVERS",
        default_value = "localhost:9092",
        value_name = "HOST:PORT,..."
    )]
    pub kafka_bootstrap_servers: String,
    /// Further librdkafka properties, such as security.protocol=SSL,ssl.ca.location=ca.pem; may be repeated.
    #[arg(long, env = "TURNPIKE_KAFKA_PROPERTIES", value_name = "KEY=VALUE,...", hide_env_values = true)]
    pub kafka_property: Vec<Properties>,
    /// A file of librdkafka properties, one KEY=VALUE a line: the place for passwords. --kafka-property wins over it.
    #[arg(long, env = "TURNPIKE_KAFKA_PROPERTIES_FILE", value_name = "FILE")]
    pub kafka_properties_file: Option<PropertiesFile>,
}

/// Properties in one text, with commas between them; a comma that no `key=` follows belongs to the value before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Properties(pub Vec<Property>);

impl fmt::Display for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join(","))
    }
}

impl FromStr for Properties {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut properties: Vec<Property> = Vec::new();
        for part in text.split(',') {
            match (part.parse(), properties.last_mut()) {
                (Ok(property), _) => properties.push(property),
                (Err(_), Some(last)) => last.value = format!("{},{part}", last.value),
                (Err(reason), None) => return Err(reason),
            }
        }
        Ok(Self(properties))
    }
}

/// One `key=value` property of the client; its value is not printed if the key speaks of a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Property {
    /// The property's name.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl FromStr for Property {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, value) = text.split_once('=').ok_or("a property has the form key=value")?;
        Ok(Self { key: key.trim().to_owned(), value: value.trim().to_owned() })
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = ["password", "secret", "key.pem", "oauthbearer.config", "jaas"]
            .iter()
            .any(|word| self.key.contains(word));
        write!(f, "{}={}", self.key, if secret { "[redacted]" } else { &self.value })
    }
}

impl fmt::Debug for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Property {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What makes one consumer differ from another.
#[derive(Debug, Clone, Default)]
pub struct ConsumerSettings {
    /// The consumer group.
    pub group_id: String,
    /// The name under which brokers log this client.
    pub client_id: String,
    /// A name that survives restarts, so that a restarted member gets its partitions back at once (KIP-345).
    pub instance_id: Option<String>,
    /// librdkafka properties that win over this crate's defaults, and over which those that were given win.
    pub defaults: Vec<Property>,
    /// librdkafka properties that win over all others.
    pub properties: Vec<Property>,
}

/// What a consumer may hold in memory. docs/memory.md has the arithmetic.
const READ_AHEAD: [(&str, &str); 3] = [
    // Bytes of keys and values; librdkafka's own default is 64 MiB.
    ("queued.max.messages.kbytes", "2048"),
    // Records, each of which costs 320 bytes beside its own.
    ("queued.min.messages", "10000"),
    // Bytes of one partition in one fetch.
    ("fetch.message.max.bytes", FETCH_BYTES),
];
/// Bytes of one fetch of all partitions, as they are compressed: all of them are unpacked at once, beside what was fetched before.
const FETCH_BYTES: &str = "262144";
/// The name of that limit: a client is refused in which it is less than [`UNPACKED`].
const FETCH_LIMIT: &str = "fetch.max.bytes";
/// What is guessed to be the size of a batch of records before it is unpacked, if it is less than four times the packed one.
/// Larger batches are given more. To a producer it is the largest record.
const UNPACKED: &str = "message.max.bytes";
/// After this long without a heartbeat the group gives a member's partitions away.
const SESSION_TIMEOUT_MS: &str = "10000";
/// Bytes of one partition in one request, before compression.
const PRODUCER_REQUEST_BYTES: &str = "1000000";
/// Requests of a producer on their way to a broker. A broker takes any sequence number as the first of a producer that it does not know
/// (KIP-360): one that is just made the leader of a new partition, or has forgotten the producer, would refuse a first request, take the
/// second, and call the repeated first a duplicate, which is to say stored. So there is no second. To a broker that is near it costs little:
/// it answers a connection's requests one after the other anyway.
const IN_FLIGHT: (&str, &str) = ("max.in.flight.requests.per.connection", "1");
/// What a producer may hold in memory until the broker has it: bytes of keys and values, and records.
const SEND_QUEUE: [(&str, &str); 2] =
    [("queue.buffering.max.kbytes", "16384"), ("queue.buffering.max.messages", "40000")];

impl Connection {
    /// The flags by which somebody can mend what a cluster refuses.
    pub const FLAGS: &str = "--kafka-bootstrap-servers, --kafka-properties-file or --kafka-property";

    /// These brokers, in plain text.
    pub fn new(bootstrap_servers: impl Into<String>) -> Self {
        Self {
            kafka_bootstrap_servers: bootstrap_servers.into(),
            kafka_property: Vec::new(),
            kafka_properties_file: None,
        }
    }

    /// What it says, without secrets.
    pub fn shown(&self) -> String {
        let shown = self.given().map(ToString::to_string);
        let all: Vec<String> = std::iter::once(self.kafka_bootstrap_servers.clone()).chain(shown).collect();
        all.join(",")
    }

    /// The properties that were given, those that win over others last.
    fn given(&self) -> impl Iterator<Item = &Property> {
        let of_file = self.kafka_properties_file.iter().flat_map(|file| &file.properties);
        of_file.chain(self.kafka_property.iter().flat_map(|Properties(given)| given))
    }

    /// A consumer of a group.
    pub fn consumer(&self, settings: &ConsumerSettings) -> Result<Consumer, Error> {
        Consumer::new(&self.consumer_config(settings))
    }

    fn consumer_config(&self, settings: &ConsumerSettings) -> ClientConfig {
        let mut config = self.config(&settings.client_id);
        config
            .set("group.id", &settings.group_id)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // Where to read is always said; an offset that retention has deleted must not be skipped in silence.
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", SESSION_TIMEOUT_MS)
            // With a queue this small the default pause of 1 s between fetches would halve the throughput.
            .set("fetch.queue.backoff.ms", "5")
            .set("fetch.error.backoff.ms", "100")
            // Questions about offsets queue behind a fetch that waits for records.
            .set("fetch.wait.max.ms", "100");
        if let Some(instance_id) = &settings.instance_id {
            config.set("group.instance.id", instance_id);
        }
        set_all(&mut config, &READ_AHEAD);
        for property in &settings.defaults {
            config.set(&property.key, &property.value);
        }
        self.override_with(&mut config, &settings.properties);
        limit_fetch(&mut config);
        config
    }

    /// A consumer that asks for its group's coordinator and nothing else, which makes a new cluster create `__consumer_offsets`. To be
    /// kept while topics are created: groups that form before that topic is there wait for three seconds (librdkafka's pauses).
    ///
    /// # Errors
    /// If the settings are no client's. That the cluster does not answer, or does not allow it, is no error.
    pub fn first_group(&self) -> Result<Consumer, Error> {
        let name = "turnpike-topics".to_owned();
        let settings =
            ConsumerSettings { group_id: name.clone(), client_id: name, ..ConsumerSettings::default() };
        self.consumer(&settings)
    }

    /// An idempotent producer.
    pub fn producer(&self, client_id: &str, properties: &[Property]) -> Result<Producer, Error> {
        self.telling_producer(client_id, properties, None)
    }

    /// The same, that tells somebody what became of each record.
    pub fn telling_producer(
        &self,
        client_id: &str,
        properties: &[Property],
        told: Option<OnDelivery>,
    ) -> Result<Producer, Error> {
        let mut config = self.producer_config(client_id);
        // The record is kept until the broker has it: an outage may last as long as it lasts.
        config.set("message.timeout.ms", "0");
        self.override_with(&mut config, properties);
        one_in_flight(&config)?;
        Producer::new(&config, told)
    }

    /// A transactional producer; `transactional_id` must be stable for one instance and its own.
    pub fn transactional_producer(&self, transactional_id: &str) -> Result<TransactionalProducer, Error> {
        Ok(TransactionalProducer::new(vec![self.producer_of_transactions(transactional_id)?]))
    }

    /// The same for whoever commits many times a second: with a second id, which is the first with `#2` behind it.
    pub fn alternating_producer(&self, transactional_id: &str) -> Result<TransactionalProducer, Error> {
        let second = format!("{transactional_id}#2");
        let ids = [transactional_id, &second];
        let producers = ids.into_iter().map(|id| self.producer_of_transactions(id));
        Ok(TransactionalProducer::new(producers.collect::<Result<_, _>>()?))
    }

    fn producer_of_transactions(&self, transactional_id: &str) -> Result<Producer, Error> {
        let mut config = self.producer_config(transactional_id);
        config
            .set("transactional.id", transactional_id)
            .set("transaction.timeout.ms", TransactionalProducer::TIMEOUT.as_millis().to_string())
            // The end of a transaction does not wait for it. While it lasts the records of a partition gather in one request: librdkafka
            // sends a partition's next one when the last is answered, and asks all the time whether it is.
            .set("linger.ms", "20")
            // A broker that is not done with the transaction before is so in some milliseconds; it is 100 otherwise.
            .set("retry.backoff.ms", "5");
        self.override_with(&mut config, &[]);
        one_in_flight(&config)?;
        Producer::new(&config, None)
    }

    /// A reader of one topic's partitions from the given positions; it belongs to no group.
    pub fn reader(&self, topic: &str, from: &[(i32, Position)]) -> Result<Reader, Error> {
        let mut config = self.config("turnpike-reader");
        config
            // The client wants a group's name even if the group is never joined.
            .set("group.id", "turnpike-reader")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "100");
        set_all(&mut config, &READ_AHEAD);
        self.override_with(&mut config, &[]);
        limit_fetch(&mut config);
        Reader::new(&config, topic, from)
    }

    /// A client for topics and offsets.
    pub fn admin(&self) -> Result<Admin, Error> {
        Admin::new(&self.client_config("turnpike-admin", &[]))
    }

    /// What every client has, with `properties` in front of those that were given.
    pub(crate) fn client_config(&self, client_id: &str, properties: &[Property]) -> ClientConfig {
        let mut config = self.config(client_id);
        self.override_with(&mut config, properties);
        config
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where clients are configured")]
    fn config(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.kafka_bootstrap_servers).set("client.id", client_id);
        config
            .set(UNPACKED, FETCH_BYTES)
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("topic.metadata.refresh.interval.ms", "30000");
        config
    }

    fn producer_config(&self, client_id: &str) -> ClientConfig {
        let mut config = self.config(client_id);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "lz4")
            .set("linger.ms", "5")
            .set("batch.size", PRODUCER_REQUEST_BYTES)
            // No limit beside the bytes.
            .set("batch.num.messages", "1000000")
            // What a topic takes is the broker's decision, and is told by the broker.
            .set(UNPACKED, "100000000");
        set_all(&mut config, &[IN_FLIGHT]);
        set_all(&mut config, &SEND_QUEUE);
        config
    }

    fn override_with(&self, config: &mut ClientConfig, properties: &[Property]) {
        for property in self.given().chain(properties) {
            config.set(&property.key, &property.value);
        }
    }
}

/// Fails if somebody wants more requests on their way than [`IN_FLIGHT`] says.
fn one_in_flight(config: &ClientConfig) -> Result<(), Error> {
    let (name, one) = IN_FLIGHT;
    let other =
        [name, "max.in.flight"].into_iter().find(|name| config.get(name).is_some_and(|given| given != one));
    other.map_or(Ok(()), |name| {
        let reason =
            format!("{name} other than {one} could lose the first records of a new partition: leave it out");
        Err(Error::with_class("create a producer", reason, Class::Config))
    })
}

fn set_all(config: &mut ClientConfig, properties: &[(&str, &str)]) {
    for (key, value) in properties {
        config.set(*key, *value);
    }
}

/// Sets how much comes with one fetch, unless that was given: as little as the client takes with what else was given.
fn limit_fetch(config: &mut ClientConfig) {
    if config.get(FETCH_LIMIT).is_none() {
        let bytes = |text: &str| text.parse::<u64>().ok();
        let least = config.get(UNPACKED).and_then(bytes).max(bytes(FETCH_BYTES)).unwrap_or(0);
        config.set(FETCH_LIMIT, least.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::{Class, Connection, ConsumerSettings, FETCH_LIMIT, Properties, Property, limit_fetch};

    /// Whoever lets larger records be sent by a property for all clients gets consumers too.
    #[test]
    fn a_fetch_is_as_large_as_a_record_may_be() {
        for (given, expected) in [
            ("client.id=a", "262144"),
            ("message.max.bytes=10000000", "10000000"),
            ("message.max.bytes=2000", "262144"),
            ("fetch.max.bytes=500000", "500000"),
        ] {
            let connection = Connection {
                kafka_property: vec![given.parse().expect("parses")],
                ..Connection::new("127.0.0.1:1")
            };
            let settings = ConsumerSettings { group_id: "test".to_owned(), ..ConsumerSettings::default() };
            connection.consumer(&settings).expect("a consumer");
            let mut config = connection.client_config("test", &[]);
            limit_fetch(&mut config);
            assert_eq!(config.get(FETCH_LIMIT), Some(expected), "{given}");
        }
    }

    /// What was given for all clients wins over what a service would have, and what one consumer is told over both.
    #[test]
    fn properties_have_an_order() {
        let property = |text: &str| text.parse::<Property>().expect("parses");
        let connection = Connection {
            kafka_property: vec!["queued.min.messages=2,client.id=b".parse().expect("parses")],
            ..Connection::new("127.0.0.1:1")
        };
        let settings = ConsumerSettings {
            defaults: vec![property("queued.min.messages=1"), property("fetch.wait.max.ms=50")],
            properties: vec![property("client.id=c")],
            ..ConsumerSettings::default()
        };
        let config = connection.consumer_config(&settings);
        let set = |key: &str| config.get(key).unwrap_or_default();
        assert_eq!([set("queued.min.messages"), set("client.id")], ["2", "c"]);
        assert_eq!([set("fetch.wait.max.ms"), set("queued.max.messages.kbytes")], ["50", "2048"]);
    }

    /// A second request on its way could lose a record, so nobody gets one.
    #[test]
    fn one_request_is_on_its_way() {
        for (given, allowed) in [
            ("client.id=a", true),
            ("max.in.flight=1", true),
            ("max.in.flight=2", false),
            ("max.in.flight.requests.per.connection=5", false),
        ] {
            let connection = Connection {
                kafka_property: vec![given.parse().expect("parses")],
                ..Connection::new("127.0.0.1:1")
            };
            for made in [
                connection.producer("test", &[]).map(|_| ()),
                connection.transactional_producer("test").map(|_| ()),
            ] {
                assert_eq!(
                    made.map_err(|error| error.class()),
                    if allowed { Ok(()) } else { Err(Class::Config) }
                );
            }
        }
    }

    /// Several properties in one text, one of them with commas in its value.
    #[test]
    fn a_comma_may_belong_to_a_value() {
        let Properties(all) = "debug=eos,topic,client.id=a".parse().expect("parses");
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(all, ["debug=eos,topic", "client.id=a"]);
        assert!("eos,debug=all".parse::<Properties>().is_err());
    }

    /// Properties parse at the first `=`, and a password is never printed.
    #[test]
    fn properties_parse_and_hide_secrets() {
        let property: Property = "sasl.password=a=b".parse().expect("parses");
        assert_eq!((property.key.as_str(), property.value.as_str()), ("sasl.password", "a=b"));
        assert_eq!(format!("{property} {property:?}"), "sasl.password=[redacted] sasl.password=[redacted]");
        assert!("nonsense".parse::<Property>().is_err());
    }
}
