//! What a generator does, in the words of a source pipeline (`--log-style`).

use events::{Shape, Value};
use kafka::{Delivery, OnDelivery, TopicOutcome};
use log_styles::{Event, Line, Style};
use service::{Voice, cause_chain};

use crate::Source;

/// Says what becomes of the records; without a style it does nothing.
#[derive(Debug, Default)]
pub(crate) struct Styled {
    voice: Voice,
    /// How to read what was encoded; `None` if nothing is said of it.
    shape: Option<Shape>,
}

impl Styled {
    pub(crate) fn new<S: Source>(voice: &Voice) -> Self {
        let parse = || Shape::parse(S::SCHEMA).expect("our own schema parses, a test of its crate says");
        Self { voice: voice.clone(), shape: (!voice.is_silent()).then(parse) }
    }

    pub(crate) fn starting(&self, topic: &str) {
        self.voice.say(&Line::ProducerStarting { topic });
    }

    /// A framed value is about to be sent; one that is malformed beyond reading has no line.
    pub(crate) fn sent(&self, value: &[u8]) {
        let Some(shape) = &self.shape else { return };
        let Ok((_, avro)) = schema_registry::split(value, std::iter::empty()) else { return };
        let mut values: Vec<Value<'_>> = Vec::with_capacity(shape.fields().len());
        if shape.decode(avro, &mut values).is_ok() {
            self.voice.say(&Line::Sent { event: Event::new(shape, &values) });
        }
    }

    pub(crate) fn stopping(&self) {
        self.voice.say(&Line::ProducerStopping);
    }
}

/// Says what became of a topic that was asked for; none of the pipelines has a word for one that is there already.
pub(crate) fn topic(voice: &Voice, topic: &str, outcome: &TopicOutcome) {
    match outcome {
        TopicOutcome::AlreadyThere => {}
        TopicOutcome::Created => {
            voice.say(&Line::TopicCreating { topic });
            voice.say(&Line::TopicCreated { topic });
        }
        TopicOutcome::Failed(error) => {
            voice.say(&Line::TopicCreating { topic });
            voice.say(&Line::TopicFailed { topic, error: &cause_chain(error) });
        }
    }
}

/// The voice, if its pipeline had a generator of this stream; else a silent one.
pub(crate) fn of_stream(voice: Voice, stream: &str) -> Voice {
    let spoken = match voice.style() {
        Some(Style::Ibm | Style::Toll | Style::TollFirst) => "toll",
        Some(Style::Traffic) => "traffic",
        Some(Style::Meteo | Style::MeteoEmoji) => "weather",
        None => return voice,
    };
    if spoken == stream { voice } else { Voice::default() }
}

/// Says what became of each record, if anything is said at all.
pub(crate) fn on_delivery(voice: &Voice) -> Option<OnDelivery> {
    let voice = voice.clone();
    (!voice.is_silent()).then(|| -> OnDelivery {
        Box::new(move |Delivery { topic, key, outcome }| match outcome {
            Ok((partition, offset)) => {
                voice.say(&Line::Delivered { topic, partition: *partition, offset: *offset, key: *key });
            }
            Err(error) => voice.say(&Line::DeliveryFailed { key: *key, error: &cause_chain(error) }),
        })
    })
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use events::{Shape, TollPassage, Value};
    use log_styles::Style;
    use service::{Control, Health, Stop, Voice};
    use telemetry::Metrics;

    use super::{Styled, on_delivery};
    use crate::producing::Producing;
    use crate::testing::{Passages, parse};

    #[derive(Clone, Default)]
    struct Printed(Arc<Mutex<Vec<u8>>>);

    impl Printed {
        fn lines(&self) -> Vec<String> {
            let bytes = self.0.lock().expect("not poisoned").clone();
            String::from_utf8(bytes).expect("text").lines().map(str::to_owned).collect()
        }
    }

    impl Write for Printed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a run against a mock broker prints, and its settings' records by their fields.
    fn run(style: Style, is_stopped: bool) -> (Vec<String>, Vec<String>) {
        let (metrics, stop, printed) = (Metrics::default(), Stop::default(), Printed::default());
        let voice = Voice::new(style, printed.clone(), &stop);
        let config = parse(&[
            "--kafka-property=test.mock.num.brokers=1",
            "--start-time=2026-10-02T19:26:20Z",
            "--rate=1",
            "--count=5",
        ])
        .expect("settings");
        let producer =
            config.kafka.telling_producer("passages", &[], on_delivery(&voice)).expect("a producer");
        let (control, health) = (Control::new(&metrics), Health::new(&metrics));
        control.set_rate(Some(0));
        if is_stopped {
            stop.request();
        }
        let stream = config.stream(1);
        let producing = Producing::new(&config, &metrics, &control, &stop, &health, producer, stream);
        producing.speaking(&voice).run().expect("all records are acknowledged");
        voice.flush();

        let (mut stream, shape) = (config.stream(1), Shape::parse(TollPassage::SCHEMA).expect("our schema"));
        let start_ms = config.start_time.expect("it is set").timestamp_millis();
        let expected = (0..5).map(|number| {
            let value = stream.next(start_ms + number).value;
            let mut values = Vec::new();
            shape.decode(&value[5..], &mut values).expect("a good record");
            let of = |field: &str| values[shape.index_of(field).expect("our field")];
            let [Value::String(kind), Value::Int(plaza), Value::Long(at)] =
                ["vehicle_type", "toll_plaza_id", "occurred_at"].map(of)
            else {
                panic!("{values:?}")
            };
            let at = chrono::DateTime::from_timestamp_millis(at).expect("a time").format("%b %e %H:%M:%S %Y");
            format!("A {kind} has passed by the toll plaza {plaza} at Fri {at}.")
        });
        (printed.lines(), expected.collect())
    }

    /// A line for each record, as the lab's generator prints it, and nothing else.
    #[test]
    fn log_style_ibm_prints_the_labs_lines() {
        let (printed, expected) = run(Style::Ibm, false);
        assert_eq!(printed, expected);
        assert!(printed.iter().all(|line| line.contains(" at Fri Oct  2 19:26:2")), "{printed:?}");
    }

    /// A line for each record once Kafka has it, with the place where it stands.
    #[test]
    fn log_style_toll_prints_deliveries() {
        let (mut printed, _) = run(Style::Toll, false);
        printed.sort_unstable();
        assert_eq!(printed.len(), 5, "{printed:?}");
        assert!(printed.iter().all(|line| line.starts_with("Message delivered to toll [")), "{printed:?}");
        printed.dedup();
        assert_eq!(printed.len(), 5, "two records at one place");
    }

    /// A generator that was interrupted says so; one that has reached its count does not.
    #[test]
    fn a_stop_is_said() {
        assert_eq!(run(Style::Toll, true).0, ["Producer interrupted"]);
    }

    /// What cannot be read is passed over, and the next record has its line.
    #[test]
    fn malformed_records_have_no_line() {
        let (stop, printed) = (Stop::default(), Printed::default());
        let voice = Voice::new(Style::Ibm, printed.clone(), &stop);
        let styled = Styled::new::<Passages>(&voice);
        let config = parse(&[]).expect("settings");
        let mut stream = config.stream(1);
        let good = stream.next(1_790_969_180_000).value;
        for value in [b"".as_slice(), &[7; 40], &good[..20], good] {
            styled.sent(value);
        }
        voice.flush();
        assert_eq!(printed.lines().len(), 1);
    }
}
