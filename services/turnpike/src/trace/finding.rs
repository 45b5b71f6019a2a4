//! From what a record is asked for by to the record: in the tables, in Jaeger, and by looking through the topics.

use std::{collections::VecDeque, time::Duration};

use chrono::DateTime;
use kafka::Record;
use serde_json::Value as Json;
use service::{Error, clock};
use uuid::Uuid;

use super::{
    Sources,
    entry::{Entry, contains, is_of_trace},
    log::{At, Next, Stretch},
    name::{Name, Place},
    spans::Trace,
};
use crate::{output::grouped, tail::time};

/// A sender may make an event this long before it sends it.
const EARLIER: Duration = Duration::from_mins(1);
/// An event may be sent this long after its time.
const LATER: Duration = Duration::from_mins(10);

/// What was found.
#[derive(Debug)]
pub(crate) enum Finding {
    /// A record.
    Record(Entry),
    /// A trace that no record of the topics belongs to, such as that of a batch.
    Trace(Trace),
}

/// Where to look if nothing tells when the record was written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    pub(crate) is_vehicle: bool,
    /// How many passages of a vehicle.
    pub(crate) last: u32,
    /// `None` is as far back as there are records.
    pub(crate) since_ms: Option<i64>,
}

/// Finds what a name stands for, the newest first.
///
/// # Errors
/// Nothing is found; where it was looked for, and how to look further.
pub(crate) fn find(name: &Name, reach: Reach, sources: &Sources<'_>) -> Result<Vec<Finding>, Error> {
    let found = match name {
        Name::Place(place) => return Ok(vec![Finding::Record(at(place, sources)?)]),
        Name::Trace(trace_id) => of_trace(trace_id, reach, sources)?,
        Name::Transponder(number) => {
            let condition = format!("transponder_id = {number}");
            let events = sources.tables.passages(&condition, reach.last);
            if let Some(why) = sources.tables.away() {
                return Err(Error::failed(format!("a transponder can be looked up in MariaDB alone: {why}")));
            }
            passages(&events.unwrap_or_default(), reach, sources)?
        }
        Name::Uuid(id) => {
            let stored = if reach.is_vehicle { None } else { sources.tables.event(id) };
            let events = match stored {
                Some(_) => None,
                None => sources.tables.passages(&format!("vehicle_id = '{id}'"), reach.last),
            };
            match events {
                Some(events) if !events.is_empty() => passages(&events, reach, sources)?,
                _ => of_uuid(id, reach, sources)?,
            }
        }
    };
    if found.is_empty() {
        return Err(not_found(name, reach, sources));
    }
    Ok(found)
}

fn at(place: &Place, sources: &Sources<'_>) -> Result<Entry, Error> {
    let why = match sources.log.at(place)? {
        At::Record(entry) => return Ok(entry),
        At::Gone(first) => {
            let first = Place::of(&place.topic, place.partition, first);
            format!("{place} is deleted: the broker's first record of this partition is {first}")
        }
        At::NotYet(end) => format!("{place} is not written yet: the partition ends before offset {end}"),
        At::Nothing => format!(
            "{place} holds no record: it is the end of a transaction, or of one that was aborted or is still open"
        ),
    };
    Err(Error::failed(why))
}

/// Spans tell where their records stand; else the headers of all records are looked at.
fn of_trace(trace_id: &str, reach: Reach, sources: &Sources<'_>) -> Result<Vec<Finding>, Error> {
    let trace = sources.jaeger.trace(trace_id);
    for place in trace.iter().flat_map(Trace::places) {
        if sources.log.has(&place.topic)
            && let At::Record(entry) = sources.log.at(&place)?
        {
            return Ok(vec![Finding::Record(entry)]);
        }
    }
    if let Some(trace) = trace {
        // Spans without a place are those of a batch, and no record carries their trace.
        return Ok(vec![Finding::Trace(trace)]);
    }
    let mut found = None;
    let streams = || sources.streams.iter();
    let raw = streams().map(|stream| &*stream.raw);
    let behind = streams().flat_map(|stream| [&*stream.dlq, &*stream.valid]);
    for topic in raw.chain(behind).filter(|topic| sources.log.has(topic)) {
        sources.log.scan(topic, None, Stretch { from_ms: reach.since_ms, to_ms: None }, |record| {
            if !is_of_trace(record, trace_id) {
                return Next::On;
            }
            found = Some(Entry::from(record));
            Next::Stop
        })?;
        if let Some(entry) = found {
            return Ok(vec![Finding::Record(entry)]);
        }
    }
    Ok(Vec::new())
}

fn passages(events: &[String], reach: Reach, sources: &Sources<'_>) -> Result<Vec<Finding>, Error> {
    let mut found = Vec::new();
    for id in events.iter().filter_map(|event| Uuid::try_parse(event).ok()) {
        found.extend(event(&id, reach, sources)?.map(Finding::Record));
    }
    Ok(found)
}

/// An event, or passages of a vehicle that the tables do not know.
fn of_uuid(id: &Uuid, reach: Reach, sources: &Sources<'_>) -> Result<Vec<Finding>, Error> {
    if !reach.is_vehicle
        && let Some(entry) = event(id, reach, sources)?
    {
        return Ok(vec![Finding::Record(entry)]);
    }
    let text = id.to_string();
    let mut newest: VecDeque<Entry> = VecDeque::new();
    if let Some(stream) = sources.streams.iter().find(|stream| sources.log.has(&stream.raw)) {
        sources.log.scan(&stream.raw, None, Stretch { from_ms: reach.since_ms, to_ms: None }, |record| {
            if holds(record, &text) {
                newest.push_front(Entry::from(record));
                newest.truncate(reach.last as usize);
            }
            Next::On
        })?;
    }
    Ok(newest.into_iter().map(Finding::Record).collect())
}

/// The record of an event: near the time that its id or its row tells, else as far back as it is looked for.
fn event(id: &Uuid, reach: Reach, sources: &Sources<'_>) -> Result<Option<Entry>, Error> {
    let stored = sources.tables.event(id);
    let made_ms = id.get_timestamp().map(|time| {
        let (seconds, nanos) = time.to_unix();
        seconds as i64 * 1_000 + i64::from(nanos) / 1_000_000
    });
    let near = made_ms.or(stored.as_ref().map(|stored| stored.occurred_at_ms)).map(|ms| Stretch {
        from_ms: Some(ms - EARLIER.as_millis() as i64),
        to_ms: Some(ms + LATER.as_millis() as i64),
    });
    let far = Stretch { from_ms: reach.since_ms, to_ms: None };
    let text = id.to_string();
    for stretch in near.into_iter().chain([far]) {
        let streams = || {
            let raw = stored.as_ref().map(|stored| stored.raw);
            sources.streams.iter().filter(move |stream| raw.is_none_or(|raw| raw == &*stream.raw))
        };
        let raw = streams().map(|stream| &*stream.raw);
        // The events of text get their ids from the validator.
        let valid = streams().map(|stream| &*stream.valid);
        for topic in raw.chain(valid).filter(|topic| sources.log.has(topic)) {
            let mut found = None;
            sources.log.scan(topic, None, stretch, |record| {
                if holds(record, &text) && is_event(record, &text, sources) {
                    found = Some(Entry::from(record));
                    return Next::Stop;
                }
                Next::On
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
    }
    Ok(None)
}

fn holds(record: &Record<'_>, text: &str) -> bool {
    record.value().is_some_and(|value| contains(value, text.as_bytes()))
}

/// Whether the id that a record holds is its event's; of one that cannot be read it is believed, unless it is the key's.
fn is_event(record: &Record<'_>, id: &str, sources: &Sources<'_>) -> bool {
    match sources.streams.decode(&Entry::from(record), &sources.schemas) {
        Ok(decoded) => {
            let event_id = decoded.fields.get("event_id").and_then(Json::as_str);
            event_id.is_some_and(|event_id| event_id.eq_ignore_ascii_case(id))
        }
        Err(_) => !record.key().is_some_and(|key| key.eq_ignore_ascii_case(id.as_bytes())),
    }
}

fn not_found(name: &Name, reach: Reach, sources: &Sources<'_>) -> Error {
    let what = match name {
        Name::Place(place) => format!("no record at {place}"),
        Name::Trace(id) => format!("no record of trace {id}"),
        Name::Transponder(number) => format!("no passage of the vehicle with transponder {number}"),
        Name::Uuid(id) if reach.is_vehicle => format!("no passage of vehicle {id}"),
        Name::Uuid(id) => format!("no event and no vehicle {id}"),
    };
    let tables = match sources.tables.away() {
        Some(why) => format!("not in MariaDB ({why})"),
        None => "in MariaDB".to_owned(),
    };
    let jaeger = match (name, sources.jaeger.away()) {
        (Name::Trace(_), Some(why)) => format!(", not in Jaeger ({why})"),
        (Name::Trace(_), None) => " and in Jaeger".to_owned(),
        _ => String::new(),
    };
    let back = match reach.since_ms {
        Some(ms) if DateTime::from_timestamp_millis(ms).is_some() => {
            format!("back to {}; look further with --since 1d or --from-beginning", time(ms))
        }
        _ => "all that there are".to_owned(),
    };
    let records = grouped(sources.log.progress.records());
    Error::failed(format!("{what}; looked {tables}{jaeger} and at {records} records of the topics, {back}"))
}

/// The beginning of what is looked through when nothing is known: so long before now.
pub(crate) fn since(length: chrono::Duration) -> i64 {
    clock::now_ms() - length.num_milliseconds()
}
