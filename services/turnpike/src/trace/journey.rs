//! From one record to all records that came of it, or that it came of: raw, forwarded, set aside.

use dead_letter::{Context, DIALECT};
use dialects::Event;
use kafka::{ConsumerSettings, Record, TopicPartition};
use service::Error;

use super::{
    Sources,
    entry::{Entry, contains},
    judged::Judged,
    log::{At, Next, Stretch},
    name::Place,
};
use crate::kafka_error::told;

/// The last characters of a topic of dead letters.
const DLQ: &str = ".dlq";
/// The header with the failed record's offset, which tells almost every other letter apart.
const LETTER_OFFSET: &str = "__connect.errors.offset";

/// One event in all topics.
#[derive(Debug, Default)]
pub(crate) struct Journey {
    /// As its sender wrote it.
    pub(crate) raw: Option<Entry>,
    pub(crate) judged: Option<Judged>,
    /// As the validator forwarded it.
    pub(crate) valid: Option<Entry>,
    pub(crate) letters: Vec<Entry>,
    /// What could not be found, and why.
    pub(crate) notes: Vec<String>,
}

impl Journey {
    /// Follows a record to both sides.
    pub(crate) fn of(entry: Entry, sources: &Sources<'_>) -> Result<Self, Error> {
        let mut journey = Self::default();
        journey.place(entry, sources)?;
        if let (None, Some(valid)) = (&journey.raw, &journey.valid) {
            journey.raw = origin(valid, sources)?;
            if journey.raw.is_none() {
                journey.notes.push(format!("the record that became {} is not found any more", valid.place));
            }
        }
        if let Some(raw) = &journey.raw {
            match sources.streams.judge(raw, &sources.schemas) {
                Some(Ok(judged)) => journey.judged = Some(judged),
                Some(Err(outage)) => journey.notes.push(format!("not judged again: {outage}")),
                None => journey.notes.push(format!("topic {} has no contract here", raw.place.topic)),
            }
        }
        journey.look_behind(sources)?;
        Ok(journey)
    }

    /// Puts the record where it belongs, and that of which it is the dead letter.
    fn place(&mut self, entry: Entry, sources: &Sources<'_>) -> Result<(), Error> {
        let topic = &entry.place.topic;
        if sources.streams.of(topic).is_some_and(|stream| stream.valid == *topic) {
            self.valid = Some(entry);
        } else if !topic.ends_with(DLQ) {
            self.raw = Some(entry);
        } else {
            match Context::from_headers(entry.headers()) {
                Err(error) => self.notes.push(format!("{} does not say what it is of: {error}", entry.place)),
                Ok(letter) => {
                    let of = Place::of(&letter.topic, letter.partition, letter.offset);
                    let failed = sources.log.has(&of.topic).then(|| sources.log.at(&of)).transpose()?;
                    if let Some(At::Record(failed)) = failed
                        && !of.topic.ends_with(DLQ)
                    {
                        self.place(failed, sources)?;
                    } else {
                        let note = format!("{of}, of which it is the dead letter, is not there any more");
                        self.notes.push(note);
                    }
                }
            }
            self.letters.push(entry);
        }
        Ok(())
    }

    /// What became of the raw record, and of the forwarded one.
    fn look_behind(&mut self, sources: &Sources<'_>) -> Result<(), Error> {
        if let (Some(raw), None) = (&self.raw, &self.valid)
            && sources.streams.of(&raw.place.topic).is_some()
        {
            let (topic, partition, offset) = (&raw.place.topic, raw.place.partition, raw.place.offset);
            if let Some(next) = sources.judged_up_to(topic, partition)?.filter(|next| *next <= offset) {
                let note =
                    format!("not judged yet: the validators go on at {}", Place::of(topic, partition, next));
                self.notes.push(note);
                return Ok(());
            }
            let is_expected = self.judged.as_ref().is_none_or(Judged::is_valid);
            if is_expected {
                self.valid = forwarded(raw, sources)?;
            }
            if self.valid.is_none() {
                add(&mut self.letters, letters(&raw.place, raw.timestamp_ms, true, sources)?);
            }
            // Contracts change: it may have been judged by another one.
            if !is_expected && self.letters.is_empty() {
                self.valid = forwarded(raw, sources)?;
            }
            if self.valid.is_none() && self.letters.is_empty() {
                let behind =
                    sources.streams.of(topic).map(|stream| format!("{} or {}", stream.valid, stream.dlq));
                self.notes.push(format!(
                    "judged, and not found in {}: deleted, or with another timestamp",
                    behind.unwrap_or_default()
                ));
            }
        }
        if let Some(valid) = &self.valid {
            let stored = sources.tables.letters(&valid.place);
            for row in stored {
                if let (true, At::Record(letter)) =
                    (sources.log.has(&row.place.topic), sources.log.at(&row.place)?)
                {
                    add(&mut self.letters, vec![letter]);
                }
            }
        }
        Ok(())
    }

    /// Looks for dead letters of connectors that MariaDB does not tell of.
    pub(crate) fn find_letters(&mut self, sources: &Sources<'_>) -> Result<(), Error> {
        if let Some(valid) = &self.valid {
            add(&mut self.letters, letters(&valid.place, valid.timestamp_ms, false, sources)?);
        }
        Ok(())
    }
}

impl Sources<'_> {
    /// Where the validators go on in a partition; `None` if they never were there.
    fn judged_up_to(&self, topic: &str, partition: i32) -> Result<Option<i64>, Error> {
        let settings = ConsumerSettings {
            group_id: self.validator_group.to_owned(),
            client_id: "turnpike-trace".to_owned(),
            ..ConsumerSettings::default()
        };
        let group = self.kafka.consumer(&settings).map_err(told(self.kafka))?;
        let at = TopicPartition { topic: topic.into(), partition };
        let committed = group.committed(&[at]).map_err(told(self.kafka))?;
        Ok(Some(committed.first().and_then(|committed| committed.offset).unwrap_or(0)))
    }
}

fn add(letters: &mut Vec<Entry>, found: Vec<Entry>) {
    for letter in found {
        if !letters.iter().any(|known| known.place == letter.place) {
            letters.push(letter);
        }
    }
}

/// The record that the validator made of a raw one: same partition, timestamp and key, and the same bytes or the same event.
fn forwarded(raw: &Entry, sources: &Sources<'_>) -> Result<Option<Entry>, Error> {
    let Some(stream) = sources.streams.of(&raw.place.topic) else { return Ok(None) };
    let event = sources.streams.told_as_text(raw).map(|event| event_id(&event));
    let is_it = |record: &Record<'_>| match &event {
        Some(id) => record.value().is_some_and(|value| contains(value, id.as_bytes())),
        None => record.value() == raw.value.as_deref(),
    };
    nth(rank(raw, sources)?, &stream.valid, raw, is_it, sources)
}

/// The raw record that a forwarded one was made of.
fn origin(valid: &Entry, sources: &Sources<'_>) -> Result<Option<Entry>, Error> {
    let Some(stream) = sources.streams.of(&valid.place.topic) else { return Ok(None) };
    let is_text = valid.header(DIALECT).is_some();
    let is_it = |record: &Record<'_>| {
        if !is_text {
            return record.value() == valid.value.as_deref();
        }
        let event = sources.streams.told_as_text(&Entry::from(record)).map(|event| event_id(&event));
        event.is_some_and(|id| valid.value.as_deref().is_some_and(|value| contains(value, id.as_bytes())))
    };
    nth(rank(valid, sources)?, &stream.raw, valid, is_it, sources)
}

fn event_id(event: &Event) -> String {
    match event {
        Event::Toll(passage) => passage.event_id.to_string(),
        Event::Traffic(event) => event.event_id.to_string(),
        Event::Weather(reading) => reading.event_id.to_string(),
    }
}

/// How many records before this one, in its own partition, cannot be told from it: the order of a partition is kept.
fn rank(entry: &Entry, sources: &Sources<'_>) -> Result<usize, Error> {
    let mut before = 0;
    let Place { topic, partition, offset } = &entry.place;
    sources.log.scan(topic, Some(*partition), moment(entry), |record| {
        if record.offset() >= *offset {
            return Next::Stop;
        }
        before += usize::from(is_beside(record, entry) && record.value() == entry.value.as_deref());
        Next::On
    })?;
    Ok(before)
}

/// The record of `topic` that is the counterpart of `entry`, the one behind `rank` others like it.
fn nth(
    rank: usize,
    topic: &str,
    entry: &Entry,
    is_it: impl Fn(&Record<'_>) -> bool,
    sources: &Sources<'_>,
) -> Result<Option<Entry>, Error> {
    let (mut passed, mut found) = (0, None);
    if sources.log.has(topic) {
        sources.log.scan(topic, Some(entry.place.partition), moment(entry), |record| {
            if !is_beside(record, entry) || !is_it(record) {
                return Next::On;
            }
            if passed == rank {
                found = Some(Entry::from(record));
                return Next::Stop;
            }
            passed += 1;
            Next::On
        })?;
    }
    Ok(found)
}

/// What the validator keeps of every record.
fn is_beside(record: &Record<'_>, entry: &Entry) -> bool {
    record.timestamp_ms() == entry.timestamp_ms && record.key() == entry.key.as_deref()
}

fn moment(entry: &Entry) -> Stretch {
    Stretch { from_ms: Some(entry.timestamp_ms), to_ms: Some(entry.timestamp_ms) }
}

/// The dead letters of the record at a place; they keep its timestamp and its partition number.
fn letters(
    of: &Place,
    timestamp_ms: i64,
    is_single: bool,
    sources: &Sources<'_>,
) -> Result<Vec<Entry>, Error> {
    let mut found = Vec::new();
    let Some(stream) = sources.streams.of(&of.topic) else { return Ok(found) };
    if !sources.log.has(&stream.dlq) {
        return Ok(found);
    }
    let offset = of.offset.to_string();
    let from = Stretch { from_ms: Some(timestamp_ms), to_ms: None };
    sources.log.scan(&stream.dlq, Some(of.partition), from, |record| {
        let mut headers = record.headers();
        if !headers.any(|(name, value)| name == LETTER_OFFSET && value == Some(offset.as_bytes())) {
            return Next::On;
        }
        let letter = Context::from_headers(record.headers());
        let is_of = letter.is_ok_and(|letter| {
            (letter.topic.as_str(), letter.partition, letter.offset)
                == (of.topic.as_str(), of.partition, of.offset)
        });
        if is_of {
            found.push(Entry::from(record));
        }
        if is_of && is_single { Next::Stop } else { Next::On }
    })?;
    Ok(found)
}
