//! What a writer does, in the words of a source pipeline (`--log-style`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use events::Value;
use kafka::Record;
use log_styles::{Event, Line, Style};
use service::Voice;

use crate::{
    batch::{Batch, Rows},
    rejection::Rejection,
};

/// What is said of one connector; tasks share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Styled {
    voice: Voice,
    /// Topics of which it was said that they are read.
    read: Arc<Mutex<BTreeSet<String>>>,
}

/// The connector that stores what a pipeline's consumer stored; those beside it would say everything once more.
fn speaker(style: Style) -> &'static str {
    match style {
        Style::Ibm => "live-toll-data",
        Style::Toll | Style::TollFirst => "toll-passages",
        Style::Traffic => "traffic-events",
        Style::Meteo | Style::MeteoEmoji => "weather-readings",
    }
}

impl Styled {
    /// Silent, unless the connector is the one that speaks for the style.
    pub(crate) fn new(voice: &Voice, connector: &str) -> Self {
        let speaks = voice.style().is_some_and(|style| speaker(style) == connector);
        Self { voice: if speaks { voice.clone() } else { Voice::default() }, read: Arc::default() }
    }

    /// A partition of the topic is read from now on.
    pub(crate) fn reading(&self, topic: &str) {
        if self.voice.is_silent() {
            return;
        }
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.is_empty() {
            self.voice.say(&Line::KafkaConnected);
        }
        if read.insert(topic.to_owned()) {
            self.voice.say(&Line::Reading { topic });
        }
    }

    /// A batch is committed, but for what was rejected. What a filter left out is not spoken of.
    pub(crate) fn stored(&self, batch: &Batch<'_>, rejected: &[(u32, Rejection)]) {
        if self.voice.is_silent() {
            return;
        }
        let rejected: BTreeMap<u32, &Rejection> = rejected.iter().map(|(index, why)| (*index, why)).collect();
        for (index, record) in (0..).zip(&batch.records).filter(|(index, _)| !batch.is_skipped(*index)) {
            let rejection = rejected.get(&index).copied();
            let parts = batch.parts.iter();
            let is_said = parts.map(|part| &*part.rows).any(|rows| self.say_of(rows, record, rejection));
            // What cannot be read was received all the same, but there is nothing to print of it.
            if let (false, Some(Rejection { message, .. })) = (is_said, rejection) {
                self.voice.say(&Line::InsertFailed { error: message });
            }
        }
    }

    /// Says what became of a record, if `rows` can read it.
    fn say_of(&self, rows: &Rows, record: &Record<'_>, rejection: Option<&Rejection>) -> bool {
        let Rows::Avro(rows) = rows else { return false };
        let Some((shape, avro)) = rows.avro_of(record) else { return false };
        let mut values: Vec<Value<'_>> = Vec::with_capacity(shape.fields().len());
        if shape.decode(avro, &mut values).is_err() {
            return false;
        }
        let event = Event::new(shape, &values);
        let (partition, offset) = (record.partition(), record.offset());
        self.voice.say(&Line::Received { key: record.key(), partition, offset, event });
        self.voice.say(&match rejection {
            None => Line::Inserted { event },
            Some(Rejection { message, .. }) => Line::InsertFailed { error: message },
        });
        true
    }
}
