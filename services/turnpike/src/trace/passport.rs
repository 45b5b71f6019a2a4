//! Everything that is known of one event, put together.

use serde::Serialize;
use service::Error;

use super::{
    Sources,
    entry::Entry,
    journey::Journey,
    judged::Judged,
    sheet::{Letter, Sheet},
    spans::Trace,
    stored::{State, Stored, stored},
    traced::{Hop, Traced, Traces, latency},
};
use crate::tail::Fields;

/// Everything that is known of one event.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Passport {
    pub(crate) event_id: Option<String>,
    /// Who sent it, if its spans tell.
    pub(crate) producer: Option<String>,
    /// As it was sent.
    pub(crate) record: Option<Sheet>,
    pub(crate) judged: Option<Judged>,
    /// As it was forwarded.
    pub(crate) forwarded: Option<Sheet>,
    pub(crate) dead_letters: Vec<Letter>,
    pub(crate) stored: Vec<Stored>,
    pub(crate) latency: Vec<Hop>,
    /// Whether spans of the record were to be kept.
    pub(crate) is_sampled: bool,
    pub(crate) traces: Vec<Traced>,
    /// What could not be told, and why.
    pub(crate) notes: Vec<String>,
}

impl Passport {
    /// Puts together what is known of a record.
    pub(crate) fn of(entry: Entry, sources: &Sources<'_>) -> Result<Self, Error> {
        let mut journey = Journey::of(entry, sources)?;
        let fields = fields(&journey, sources);
        let mut stored = stored(&journey, fields.as_ref(), sources);
        let is_open = stored.iter().any(|stored| stored.state == State::Missing);
        if is_open || sources.tables.away().is_some() {
            // MariaDB hears of a dead letter later than Kafka.
            journey.find_letters(sources)?;
            stored = self::stored(&journey, fields.as_ref(), sources);
        }
        let traces = Traces::of(&journey, sources);
        let sheet = |entry: &Option<Entry>, is_forwarded: bool| {
            entry.as_ref().map(|entry| Sheet::of(entry, is_forwarded, sources)).transpose()
        };
        let letters = journey.letters.iter().map(|letter| Letter::of(letter, sources));
        let forwarded = sheet(&journey.valid, true)?.map(|forwarded| {
            let sent = journey.raw.as_ref().map(|raw| &raw.value);
            Sheet { is_repeated: sent == journey.valid.as_ref().map(|valid| &valid.value), ..forwarded }
        });
        let mut passport = Self {
            event_id: fields.as_ref().and_then(|fields| Some(fields.get("event_id")?.as_str()?.to_owned())),
            producer: traces.producer(&journey),
            record: sheet(&journey.raw, false)?,
            forwarded,
            dead_letters: letters.collect::<Result<_, _>>()?,
            stored,
            latency: latency(&journey, fields.as_ref(), &traces),
            is_sampled: traces.is_sampled,
            traces: traces.traces,
            judged: journey.judged,
            notes: journey.notes,
        };
        passport
            .notes
            .extend(sources.tables.away().map(|why| format!("rows and ledger are not known: {why}")));
        if passport.is_sampled {
            let away = sources.jaeger.away();
            passport.notes.extend(away.map(|why| format!("spans are not known: Jaeger at {why}")));
        }
        Ok(passport)
    }

    /// What is known of a trace that no record was found of.
    pub(crate) fn of_trace(trace: Trace, sources: &Sources<'_>) -> Self {
        let note = "no record of the topics is told by these spans; their links (→) lead to those that they are about";
        Self {
            is_sampled: true,
            traces: Traces::alone(trace, sources).traces,
            notes: vec![note.to_owned()],
            ..Self::default()
        }
    }
}

/// The event's fields: as they were forwarded, else as they were sent.
fn fields(journey: &Journey, sources: &Sources<'_>) -> Option<Fields> {
    let entries = [&journey.valid, &journey.raw].into_iter().flatten().chain(&journey.letters);
    let mut read = entries.filter_map(|entry| sources.streams.decode(entry, &sources.schemas).ok());
    read.next().map(|decoded| decoded.fields)
}
