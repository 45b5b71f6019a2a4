//! What transforms make of the records of one schema: names for their fields, values added to them, records left out.

use contract::BoundFilter;
use dead_letter::Reason;
use events::{Field, Value};
use kafka::Record;

use super::Origin;
use crate::rejection::Rejection;

/// The transforms of a connector, worked out for one schema.
#[derive(Debug)]
pub(crate) struct Outcome {
    fields: Vec<Field>,
    columns: Vec<Option<String>>,
    pub(super) steps: Vec<Step>,
}

/// What is to be done with each record.
#[derive(Debug)]
pub(crate) enum Step {
    /// One more value.
    Add(Origin),
    /// Only records that match go on.
    Filter(BoundFilter),
}

impl Outcome {
    /// `columns` are those of `fields`: the schema's own, then one for each value that `steps` add.
    pub(super) fn new(fields: Vec<Field>, columns: Vec<Option<String>>, steps: Vec<Step>) -> Self {
        Self { fields, columns, steps }
    }

    /// The fields in the order of a record's values.
    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The fields that are written, each with its place among the values and its column.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (usize, &str)> {
        self.columns.iter().enumerate().filter_map(|(index, column)| Some((index, column.as_deref()?)))
    }

    /// Adds what is to be added to a record's decoded `values`; `false` if the record is left out.
    ///
    /// A condition that has no answer, since a field that it needs is null, is not fulfilled.
    pub(crate) fn apply<'b>(
        &'b self,
        record: &'b Record<'_>,
        values: &mut Vec<Value<'b>>,
    ) -> Result<bool, Rejection> {
        for step in &self.steps {
            match step {
                Step::Add(origin) => values.push(origin.value(record)?),
                Step::Filter(filter) if filter.matches(values, record.timestamp_ms()) == Ok(true) => {}
                Step::Filter(_) => return Ok(false),
            }
        }
        Ok(true)
    }
}

impl Origin {
    fn value<'b>(&'b self, record: &'b Record<'_>) -> Result<Value<'b>, Rejection> {
        Ok(match self {
            Self::Static(text) => Value::String(text),
            Self::Topic => Value::String(record.topic()),
            Self::Partition => Value::Int(record.partition()),
            Self::Offset => Value::Long(record.offset()),
            // Records without a timestamp say 0.
            Self::Timestamp if record.timestamp_ms() == 0 => Value::Null,
            Self::Timestamp => Value::Long(record.timestamp_ms()),
            Self::Header(name) => match record.headers().filter(|(header, _)| header == name).last() {
                Some((_, Some(bytes))) => Value::String(std::str::from_utf8(bytes).map_err(|_| {
                    let message = format!("header {name} is not text in UTF-8");
                    Rejection::of_transform(Reason::TypeMismatch, message)
                })?),
                Some((_, None)) | None => Value::Null,
            },
        })
    }
}
