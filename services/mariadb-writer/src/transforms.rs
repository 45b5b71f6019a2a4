//! Single message transforms: what becomes of a record before its fields find their columns, by Kafka Connect's class names.
//!
//! Transforms work on names: which fields a record has, what they are called, what is added to them. That is settled once for
//! each schema ([`Transforms::of_schema`]), so a record pays for values that are added and for filters, and for nothing else.

mod outcome;
mod parse;

use std::sync::Arc;

use contract::{Filter, Mistake};
use events::{Field, Kind, Logical, Shape};

pub(crate) use outcome::{Outcome, Step};

/// The transforms of a connector in their order, and `fields.whitelist` behind them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transforms {
    transforms: Vec<(String, Transform)>,
    /// The columns to write; all fields when it is empty.
    pub(crate) whitelist: Vec<String>,
}

/// One transform.
#[derive(Debug, Clone)]
enum Transform {
    ReplaceField(ReplaceField),
    /// `InsertField$Value` and `HeaderToValue`: fields of these names, filled from elsewhere.
    Add(Vec<(String, Origin)>),
    Filter(Condition),
}

/// `ReplaceField$Value`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ReplaceField {
    include: Vec<String>,
    exclude: Vec<String>,
    renames: Vec<(String, String)>,
}

/// Which records pass.
#[derive(Debug, Clone)]
struct Condition {
    text: String,
    filter: Arc<Filter>,
}

/// Where the value of an added field comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The same text in every record.
    Static(String),
    /// The record's topic.
    Topic,
    /// Its partition.
    Partition,
    /// Its offset.
    Offset,
    /// Its timestamp.
    Timestamp,
    /// The text of a header, NULL without it.
    Header(String),
}

/// Why the transforms do not fit the records of a schema.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// The key of the document that does not fit, such as `transforms.hot.condition`.
    pub(crate) key: String,
    /// Its value.
    pub(crate) value: String,
    /// What would fit.
    pub(crate) allowed: String,
}

impl Transforms {
    /// What the transforms make of the records of one schema.
    pub(crate) fn of_schema(&self, shape: &Shape) -> Result<Outcome, Misfit> {
        // A field that is left out keeps its place, since the values of a record do, and loses its name.
        let mut fields = shape.fields().to_vec();
        let mut steps = Vec::new();
        for (alias, transform) in &self.transforms {
            match transform {
                Transform::ReplaceField(replace) => replace.apply(&mut fields),
                Transform::Add(added) => {
                    for (name, origin) in added {
                        if fields.iter().any(|field| field.name == *name) {
                            return Err(Misfit {
                                key: format!("transforms.{alias}"),
                                value: name.clone(),
                                allowed: "the name of a field that the record does not have yet".to_owned(),
                            });
                        }
                        fields.push(origin.field(name));
                        steps.push(Step::Add(origin.clone()));
                    }
                }
                Transform::Filter(Condition { text, filter }) => {
                    let bound = filter.bind(&shape.with_fields(fields.clone()));
                    steps.push(Step::Filter(bound.map_err(|mistake| Misfit {
                        key: format!("transforms.{alias}.condition"),
                        value: text.clone(),
                        allowed: allowed_condition(&mistake),
                    })?));
                }
            }
        }
        let is_written = |name: &str| {
            !name.is_empty()
                && (self.whitelist.is_empty() || self.whitelist.iter().any(|field| field == name))
        };
        let columns =
            fields.iter().map(|field| is_written(&field.name).then(|| field.name.clone())).collect();
        Ok(Outcome::new(fields, columns, steps))
    }
}

impl ReplaceField {
    fn apply(&self, fields: &mut [Field]) {
        for Field { name, .. } in fields {
            if self.exclude.contains(name) || !(self.include.is_empty() || self.include.contains(name)) {
                name.clear();
            } else if let Some((_, renamed)) = self.renames.iter().find(|(from, _)| from == name) {
                name.clone_from(renamed);
            }
        }
    }
}

impl Origin {
    /// The field that is filled from here.
    fn field(&self, name: &str) -> Field {
        let (kind, logical) = match self {
            Self::Static(_) | Self::Topic | Self::Header(_) => (Kind::String, None),
            Self::Partition => (Kind::Int, None),
            Self::Offset => (Kind::Long, None),
            Self::Timestamp => (Kind::Long, Some(Logical::TimestampMillis)),
        };
        Field { name: name.to_owned(), kind, null_branch: Some(0), logical }
    }
}

/// What a condition may be, and what is wrong with this one.
fn allowed_condition(mistake: &Mistake) -> String {
    format!("a condition in CEL over `message`, such as message.temperature_c > 30.0 ({mistake})")
}

#[cfg(test)]
mod tests;
