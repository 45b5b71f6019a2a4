//! A condition by itself, outside a contract: which records somebody wants.

use cel::Program;
use events::{Shape, Value};

use crate::{
    Cause, Mistake,
    compile::{self, Condition},
    expr::Scope,
};

/// A condition in the language of the rules, parsed and not yet bound to a schema.
///
/// Parsing finds mistakes of syntax, before any record and its schema are seen; names and types are checked when it
/// is [bound](Self::bind).
#[derive(Debug)]
pub struct Filter {
    program: Program,
}

/// A [`Filter`] compiled for the records of one schema.
#[derive(Debug)]
pub struct BoundFilter {
    condition: Condition,
}

impl Filter {
    /// Parses a condition such as `message.temperature_c > 30.0`.
    pub fn parse(expr: &str) -> Result<Self, Mistake> {
        Ok(Self { program: compile::parse(expr)? })
    }

    /// Compiles it for the records of one schema.
    ///
    /// # Errors
    /// The first field that the schema lacks, or the first values that cannot be compared.
    pub fn bind(&self, shape: &Shape) -> Result<BoundFilter, Mistake> {
        Ok(BoundFilter { condition: compile::bind(&self.program, shape)? })
    }
}

impl BoundFilter {
    /// Whether a record fulfils the condition.
    ///
    /// `values` are the record's, in the order of the schema that the filter was bound to; `timestamp_ms` is the
    /// record's Kafka timestamp, which conditions know as `now`.
    ///
    /// # Errors
    /// The condition has no answer for this record: a field that it needs is null, or the arithmetic fails.
    pub fn matches(&self, values: &[Value<'_>], timestamp_ms: i64) -> Result<bool, Cause> {
        self.condition.steps.truth(Scope::new(values, timestamp_ms)).map_err(Cause::from)
    }
}
