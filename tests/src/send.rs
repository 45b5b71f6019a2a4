//! Records that a test writes itself, by hand.

use std::time::Duration;

use kafka::{Headers, Outgoing, Producer};

use crate::{Pipeline, Read};

/// How long the broker may take to acknowledge.
const ACKNOWLEDGED_IN: Duration = Duration::from_secs(30);

/// Records in a row that go to the same partition, so that the client's batches are full.
const RUN_LENGTH: u64 = 1_000;

impl Pipeline {
    /// Writes these values to a topic, each with the same key, and waits until all are acknowledged.
    pub fn send(&self, topic: &str, key: Option<&str>, values: &[Vec<u8>]) {
        let producer = self.kafka().producer("test", &[]).expect("a producer");
        for value in values {
            queue(&producer, topic, None, key, value);
        }
        producer.drain(ACKNOWLEDGED_IN).expect("acknowledged");
    }

    /// Writes so many records to a topic as fast as it can, the same few again and again, and spreads them over the partitions.
    pub fn preload(&self, topic: &str, partitions: u64, values: &[Vec<u8>], count: u64) {
        let producer = self.kafka().producer("preload", &[]).expect("a producer");
        for (number, value) in (0..count).zip(values.iter().cycle()) {
            queue(&producer, topic, Some((number / RUN_LENGTH % partitions) as i32), None, value);
        }
        producer.drain(ACKNOWLEDGED_IN).expect("acknowledged");
    }

    /// Writes text to a topic, without a key.
    pub fn send_text(&self, topic: &str, values: &[&str]) {
        let values: Vec<Vec<u8>> = values.iter().map(|value| value.as_bytes().to_vec()).collect();
        self.send(topic, None, &values);
    }

    /// Writes events to a raw topic, as Avro behind the id of their schema, which is registered first.
    pub fn send_events<T>(&self, topic: &str, schema: &str, events: &[T], encode: fn(&T, &mut Vec<u8>)) {
        let id = self.register(&format!("{topic}-value"), schema);
        let framed = events.iter().map(|event| {
            let mut value = Vec::new();
            schema_registry::frame(id, &mut value);
            encode(event, &mut value);
            value
        });
        self.send(topic, None, &framed.collect::<Vec<_>>());
    }
}

impl Read {
    /// The fields of a framed record by their names, as MariaDB's client prints such values.
    pub fn fields(&self, schema: &str) -> Vec<(String, String)> {
        let shape = events::Shape::parse(schema).expect("the schema compiles");
        let mut values = Vec::new();
        shape.decode(&self.value[5..], &mut values).expect("a record of the schema");
        let text = |value: &events::Value<'_>, field: &events::Field| match (value, field.logical) {
            (events::Value::Null, _) => "NULL".to_owned(),
            (events::Value::Boolean(value), _) => u8::from(*value).to_string(),
            (events::Value::Bytes(bytes), Some(events::Logical::Decimal { scale, .. })) => {
                events::Decimal::from_bytes(bytes, scale).expect("an amount").to_string()
            }
            (events::Value::Int(value), _) => value.to_string(),
            (events::Value::Long(millis), _) => millis.to_string(),
            (events::Value::Double(value), _) => value.to_string(),
            (events::Value::String(value), _) => (*value).to_owned(),
            (other, _) => panic!("no event of ours has {other:?}"),
        };
        let fields = shape.fields().iter().zip(&values);
        fields.map(|(field, value)| (field.name.clone(), text(value, field))).collect()
    }
}

fn queue(producer: &Producer, topic: &str, partition: Option<i32>, key: Option<&str>, value: &[u8]) {
    let record = Outgoing {
        topic,
        partition,
        key: key.map(str::as_bytes),
        value: Some(value),
        timestamp_ms: None,
        headers: Headers::new(),
        receipt: None,
    };
    producer.send(record).expect("queued");
}
