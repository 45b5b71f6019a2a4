//! From a record of a source to an event: which field comes from where, in which unit, zone and words.
//!
//! A mapping file is read and checked once ([`Mapping::parse`]); what can be told from the event's schema is refused
//! then, with the place in the file. The rest is told of each record: a value that is missing or cannot be read makes
//! a [`Refusal`], which becomes a dead letter.

mod compile;
mod document;
mod join;
pub(crate) mod suggest;
mod target;
mod time;
mod unit;

use std::time::Duration;

use chrono_tz::Tz;
use dead_letter::Reason;
use events::{Shape, Value};
use serde_json::{Value as Json, json};
use uuid::Uuid;

pub use document::Mistake;
use join::{Piece, Template};
pub(crate) use target::shortened;
use target::{Fault, Scalar, Target};

use crate::{
    Stream,
    item::{Cell, Columns, Item},
};

/// A checked mapping file.
#[derive(Debug)]
pub struct Mapping {
    /// The feed's name: part of every signal, of the position's key and of event ids.
    pub name: String,
    /// Where its events go.
    pub stream: &'static Stream,
    /// How records stand in the source.
    pub(crate) format: Format,
    /// Where the HTTP feed is, if the file says so.
    pub(crate) source: Option<Source>,
    shape: Shape,
    /// One a field of the shape.
    plans: Vec<Plan>,
    /// The field that the record's key is made of.
    key: usize,
    /// The places that make a record what it is, each with the texts that stand for no value there.
    identity: Vec<(String, Vec<Mark>)>,
    skip_if: Vec<(String, Vec<String>)>,
    skip_unless: Vec<(String, Vec<String>)>,
    /// Namespace of the feed's event ids.
    namespace: Uuid,
}

/// How records stand in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Format {
    /// Rows; without columns the first row names them.
    Csv { delimiter: u8, columns: Option<Columns> },
    /// A JSON value a line.
    JsonLines,
    /// One JSON document: the records are the list, or the one object, at this pointer.
    Json { records: String },
}

/// Where an HTTP feed is, and how often to ask.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Source {
    pub(crate) url: String,
    pub(crate) interval: Option<Duration>,
}

/// How a field is filled.
#[derive(Debug)]
enum Plan {
    /// With the id that the feed makes.
    EventId,
    /// With the same value always.
    Constant(Scalar),
    /// From the record.
    Read(Box<Reading>),
}

/// How a field is read from a record.
#[derive(Debug)]
struct Reading {
    field: String,
    is_required: bool,
    origin: Origin,
    missing: Vec<Mark>,
    zone: Zone,
    words: Option<Words>,
    target: Target,
}

/// Where the text of a field comes from.
#[derive(Debug)]
enum Origin {
    Place(String),
    Join(Template),
}

/// The zone of times that name no offset.
#[derive(Debug)]
enum Zone {
    Fixed(Option<Tz>),
    Place(String),
}

/// What a source's words stand for.
#[derive(Debug)]
struct Words {
    known: Vec<(String, Scalar)>,
    otherwise: Option<Scalar>,
}

/// A text that stands for a missing value; if it is a number, so does that number in other digits.
#[derive(Debug)]
struct Mark {
    text: String,
    number: Option<f64>,
}

/// What became of a record.
#[derive(Debug, PartialEq)]
pub(crate) enum Mapped {
    /// An event.
    Event(Event),
    /// Nothing: the mapping leaves such records out.
    Skipped,
    /// It cannot be an event.
    Refused(Refusal),
}

/// A record that can be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) key: String,
    /// Bare Avro, without the registry's framing.
    pub(crate) avro: Vec<u8>,
}

/// Why a record cannot be an event; the reason is that of the first field that fails.
#[derive(Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) message: String,
    /// Every field that fails, with what stands in the source.
    pub(crate) detail: Json,
}

impl Mapping {
    /// The schema's compiled form.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The id of an item's event: of its identity if the mapping names one and all of it is there, else of `otherwise`.
    pub(crate) fn event_id(&self, item: Option<&Item<'_>>, otherwise: impl FnOnce() -> Vec<u8>) -> Uuid {
        let identity = item.filter(|_| !self.identity.is_empty()).and_then(|item| {
            let texts = self.identity.iter().map(|(place, missing)| match item.cell(place) {
                Cell::Text(text) => {
                    let text = text.trim();
                    let says_nothing = text.is_empty() || missing.iter().any(|mark| mark.is(text));
                    (!says_nothing).then(|| text.to_owned())
                }
                Cell::Absent | Cell::Odd(_) => None,
            });
            texts.collect::<Option<Vec<String>>>()
        });
        match identity {
            // A unit separator, so that no two identities run together.
            Some(texts) => Uuid::new_v5(&self.namespace, texts.join("\u{1f}").as_bytes()),
            None => Uuid::new_v5(&self.namespace, &otherwise()),
        }
    }

    /// Makes an event of an item.
    pub(crate) fn map(&self, item: &Item<'_>, event_id: Uuid) -> Mapped {
        if self.is_left_out(item) {
            return Mapped::Skipped;
        }
        let (mut scalars, mut faults) = (Vec::with_capacity(self.plans.len()), Vec::new());
        for plan in &self.plans {
            let scalar = match plan {
                Plan::EventId => Ok(Scalar::Text(event_id.to_string())),
                Plan::Constant(scalar) => Ok(scalar.clone()),
                Plan::Read(reading) => reading.read(item).map_err(|fault| (&**reading, fault)),
            };
            match scalar {
                Ok(scalar) => scalars.push(scalar),
                Err(fault) => faults.push(fault),
            }
        }
        if let Some(refusal) = refusal(item, &faults) {
            return Mapped::Refused(refusal);
        }
        let values: Vec<Value<'_>> = scalars.iter().map(Scalar::as_value).collect();
        let mut avro = Vec::new();
        self.shape.encode(&values, &mut avro).expect("each plan was made for its field's type");
        Mapped::Event(Event { key: scalars[self.key].as_text(), avro })
    }

    fn is_left_out(&self, item: &Item<'_>) -> bool {
        let is_one_of = |(place, texts): &(String, Vec<String>)| match item.cell(place) {
            Cell::Text(text) => texts.iter().any(|candidate| candidate == text.trim()),
            Cell::Absent | Cell::Odd(_) => false,
        };
        self.skip_if.iter().any(is_one_of) || !self.skip_unless.iter().all(is_one_of)
    }

    /// Refuses a table that lacks a column which the mapping needs.
    pub(crate) fn check_columns(&self, columns: &Columns) -> Result<(), String> {
        match self.places().into_iter().find(|(_, place)| columns.index_of(place).is_none()) {
            None => Ok(()),
            Some((needed_by, place)) => {
                let names = columns.names();
                let hint = suggest::hint(place, names.iter().map(String::as_str));
                let names = shortened(&names.join(", "));
                Err(format!("{needed_by}: there is no column `{place}`{hint}; the columns are {names}"))
            }
        }
    }

    /// Every column or pointer that the mapping needs, behind the member that needs it.
    fn places(&self) -> Vec<(String, &str)> {
        let mut places = Vec::new();
        for plan in &self.plans {
            if let Plan::Read(reading) = plan {
                let needed_by = format!("fields.{}", reading.field);
                places.extend(reading.places().into_iter().map(|place| (needed_by.clone(), place)));
            }
        }
        for (member, rules) in [("skip_if", &self.skip_if), ("skip_unless", &self.skip_unless)] {
            places.extend(rules.iter().map(|(place, _)| (member.to_owned(), place.as_str())));
        }
        places.extend(self.identity.iter().map(|(place, _)| ("identity".to_owned(), place.as_str())));
        places
    }
}

impl Reading {
    fn places(&self) -> Vec<&str> {
        let mut places = match &self.origin {
            Origin::Place(place) => vec![place.as_str()],
            Origin::Join(template) => template.places().collect(),
        };
        if let Zone::Place(place) = &self.zone {
            places.push(place);
        }
        places
    }

    fn read(&self, item: &Item<'_>) -> Result<Scalar, Fault> {
        let text = match &self.origin {
            Origin::Place(place) => self.present(item, place),
            Origin::Join(template) => self.joined(item, template),
        };
        let text = match text {
            Ok(text) => text,
            Err(Absence::Missing(_)) if !self.is_required => return Ok(Scalar::Null),
            Err(Absence::Missing(fault) | Absence::Unreadable(fault)) => return Err(fault),
        };
        if let Some(words) = &self.words {
            return words.read(&text);
        }
        self.target.read(&text, self.zone(item)?)
    }

    /// The text at a place, if it says something.
    fn present(&self, item: &Item<'_>, place: &str) -> Result<String, Absence> {
        let missing = |reason, message: String| Err(Absence::Missing(Fault::new(reason, message)));
        match item.cell(place) {
            Cell::Absent => missing(Reason::MissingField, format!("there is nothing at `{place}`")),
            Cell::Odd(what) => {
                let message = format!("`{place}` is {what}");
                Err(Absence::Unreadable(Fault::new(Reason::Unparsable, message)))
            }
            Cell::Text(text) => match text.trim() {
                "" => missing(Reason::MissingField, format!("`{place}` is empty")),
                text if self.missing.iter().any(|mark| mark.is(text)) => {
                    missing(Reason::Sentinel, format!("`{place}` is `{text}`, which stands for no value"))
                }
                text => Ok(text.to_owned()),
            },
        }
    }

    fn joined(&self, item: &Item<'_>, template: &Template) -> Result<String, Absence> {
        let pieces = template.pieces().iter().map(|piece| match piece {
            Piece::Literal(text) => Ok(text.clone()),
            Piece::Place { name, width } => {
                self.present(item, name).map(|text| format!("{text:0>width$}", width = *width))
            }
        });
        pieces.collect()
    }

    fn zone(&self, item: &Item<'_>) -> Result<Option<Tz>, Fault> {
        match &self.zone {
            Zone::Fixed(zone) => Ok(*zone),
            Zone::Place(place) => {
                let Cell::Text(name) = item.cell(place) else {
                    return Err(Fault::new(Reason::MissingField, format!("there is no zone at `{place}`")));
                };
                let unknown = || format!("`{}` at `{place}` is no time zone", shortened(&name));
                let zone = time::zone(name.trim());
                zone.map(Some).ok_or_else(|| Fault::new(Reason::Unparsable, unknown()))
            }
        }
    }
}

/// Why there is no text for a field.
enum Absence {
    /// The source says nothing, in one way or another.
    Missing(Fault),
    /// It says something that is no text.
    Unreadable(Fault),
}

impl Words {
    fn read(&self, text: &str) -> Result<Scalar, Fault> {
        let known = self.known.iter().find(|(word, _)| word == text).map(|(_, scalar)| scalar);
        known.or(self.otherwise.as_ref()).cloned().ok_or_else(|| {
            let message = format!("`{}` is none of the words of the mapping's `map`", shortened(text));
            Fault::new(Reason::UnknownCategory, message)
        })
    }
}

impl Mark {
    fn new(text: &str) -> Self {
        Self { text: text.trim().to_owned(), number: text.trim().parse().ok() }
    }

    fn is(&self, text: &str) -> bool {
        let same_number =
            |mark: f64| text.parse::<f64>().is_ok_and(|number| (number - mark).abs() < f64::EPSILON);
        self.text == text || self.number.is_some_and(same_number)
    }
}

/// What the faults of a record come to.
fn refusal(item: &Item<'_>, faults: &[(&Reading, Fault)]) -> Option<Refusal> {
    let (reading, first) = faults.first()?;
    let detail = faults.iter().map(|(reading, fault)| {
        let seen = reading.places().into_iter().map(|place| match item.cell(place) {
            Cell::Text(text) => (place.to_owned(), Json::from(shortened(&text))),
            Cell::Absent | Cell::Odd(_) => (place.to_owned(), Json::Null),
        });
        let seen: serde_json::Map<String, Json> = seen.collect();
        json!({ "code": fault.reason.code(), "field": reading.field, "message": fault.message, "values": seen })
    });
    let (reason, message) = (first.reason, format!("{}: {}", reading.field, first.message));
    Some(Refusal { reason, message, detail: detail.collect() })
}

impl Refusal {
    /// Of a record that could not even be taken apart.
    pub(crate) fn of_record(reason: Reason, message: String, seen: &Json) -> Self {
        let detail = json!([{ "code": reason.code(), "message": message, "values": seen }]);
        Self { reason, message, detail }
    }
}
