//! A compiled condition and its evaluation: a small tree over borrowed values, with CEL's meaning. What is quick to tell is told by
//! its [steps](crate::steps).

use std::{cmp::Ordering, sync::Arc};

use events::{Decimal, Value};
use regex::Regex;

/// A value while a condition is worked out. Times and spans are in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Term<'v> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    String(&'v str),
    Bytes(&'v [u8]),
    Time(i64),
    Span(i64),
}

/// Why a condition has no value for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A field that it needs is null.
    Null(usize),
    /// It cannot be worked out.
    Impossible(&'static str),
}

/// How a field's wire value becomes a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// As it is: a text, bytes, true or false.
    Plain,
    /// A whole number.
    Int,
    /// A number with a fraction.
    Double,
    /// Unscaled digits.
    Decimal { scale: u32 },
    /// A time since 1970.
    Micros { per_unit: i64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

/// A node of a compiled condition. Names and types were checked when it was compiled.
#[derive(Debug, Clone)]
pub(crate) enum Expr {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    String(String),
    Time(i64),
    Span(i64),
    Now,
    Field { index: usize, load: Load },
    Has { index: usize },
    Not(Box<Expr>),
    Negate(Box<Expr>),
    And(Box<[Expr; 2]>),
    Or(Box<[Expr; 2]>),
    Choose(Box<[Expr; 3]>),
    Compare(Comparison, Box<[Expr; 2]>),
    Arithmetic(Arithmetic, Box<[Expr; 2]>),
    In(Box<Expr>, Vec<Expr>),
    Size(Box<Expr>),
    Text(TextTest, Box<[Expr; 2]>),
    Matches(Box<Expr>, Arc<Regex>),
}

/// What a condition may look at: the record's values, and the record's time in microseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'v> {
    pub(crate) values: &'v [Value<'v>],
    pub(crate) now_micros: i64,
}

impl<'v> Scope<'v> {
    /// The values of a record whose Kafka timestamp is `timestamp_ms`.
    pub(crate) fn new(values: &'v [Value<'v>], timestamp_ms: i64) -> Self {
        Self { values, now_micros: timestamp_ms.saturating_mul(1_000) }
    }
}

impl Expr {
    /// Whether the condition is fulfilled.
    ///
    /// What can only be true or false is worked out here, and the rest by [`Self::evaluate`].
    pub(crate) fn truth(&self, scope: Scope<'_>) -> Result<bool, Fault> {
        Ok(match self {
            Self::Bool(value) => *value,
            Self::Has { index } => scope.values[*index] != Value::Null,
            Self::Not(operand) => !operand.truth(scope)?,
            Self::And(operands) => logic(operands, scope, false)?,
            Self::Or(operands) => logic(operands, scope, true)?,
            Self::Compare(comparison, operands) => compare(*comparison, operands, scope)?,
            Self::In(needle, haystack) => {
                let needle = needle.present(scope)?;
                let mut found = false;
                for straw in haystack {
                    found = found || equal(needle, straw.evaluate(scope)?);
                }
                found
            }
            Self::Text(test, operands) => text(*test, operands, scope)?,
            Self::Matches(operand, pattern) => match operand.present(scope)? {
                Term::String(text) => pattern.is_match(text),
                _ => return Err(TYPES),
            },
            _ => match self.present(scope)? {
                Term::Bool(value) => value,
                _ => return Err(TYPES),
            },
        })
    }

    /// The value.
    fn evaluate<'v>(&'v self, scope: Scope<'v>) -> Result<Term<'v>, Fault> {
        Ok(match self {
            Self::Field { index, load } => load.term(&scope.values[*index])?,
            Self::Null => Term::Null,
            Self::Int(value) => Term::Int(*value),
            Self::Double(value) => Term::Double(*value),
            Self::String(value) => Term::String(value),
            Self::Time(micros) => Term::Time(*micros),
            Self::Span(micros) => Term::Span(*micros),
            Self::Now => Term::Time(scope.now_micros),
            Self::Negate(operand) => match operand.present(scope)? {
                Term::Int(value) => Term::Int(value.checked_neg().ok_or(OVERFLOW)?),
                Term::Double(value) => Term::Double(-value),
                Term::Span(value) => Term::Span(value.checked_neg().ok_or(OVERFLOW)?),
                _ => return Err(TYPES),
            },
            Self::Choose(parts) => {
                let [condition, then, otherwise] = &**parts;
                return if condition.truth(scope)? { then } else { otherwise }.evaluate(scope);
            }
            Self::Arithmetic(operator, operands) => {
                let [left, right] = &**operands;
                arithmetic(*operator, left.present(scope)?, right.present(scope)?)?
            }
            Self::Size(operand) => match operand.present(scope)? {
                Term::String(text) => Term::Int(text.chars().count() as i64),
                Term::Bytes(bytes) => Term::Int(bytes.len() as i64),
                _ => return Err(TYPES),
            },
            Self::Bool(_)
            | Self::Has { .. }
            | Self::Not(_)
            | Self::And(_)
            | Self::Or(_)
            | Self::Compare(..)
            | Self::In(..)
            | Self::Text(..)
            | Self::Matches(..) => Term::Bool(self.truth(scope)?),
        })
    }

    /// The value, where null is not one.
    fn present<'v>(&'v self, scope: Scope<'v>) -> Result<Term<'v>, Fault> {
        match (self.evaluate(scope)?, self) {
            (Term::Null, Self::Field { index, .. }) => Err(Fault::Null(*index)),
            (Term::Null, _) => Err(Fault::Impossible("null has no order, size or truth")),
            (term, _) => Ok(term),
        }
    }
}

const OVERFLOW: Fault = Fault::Impossible("the number is out of the range of 64 bits");
const TYPES: Fault = Fault::Impossible("the types do not fit");

impl Load {
    fn term<'v>(self, value: &Value<'v>) -> Result<Term<'v>, Fault> {
        Ok(match (value, self) {
            (Value::Null, _) => Term::Null,
            (Value::Boolean(value), _) => Term::Bool(*value),
            (Value::Int(days), Self::Micros { per_unit }) => {
                Term::Time(i64::from(*days).checked_mul(per_unit).ok_or(OVERFLOW)?)
            }
            (Value::Int(value), _) => Term::Int(i64::from(*value)),
            (Value::Long(value), Self::Micros { per_unit }) => {
                Term::Time(value.checked_mul(per_unit).ok_or(OVERFLOW)?)
            }
            (Value::Long(value), _) => Term::Int(*value),
            (Value::Float(value), _) => Term::Double(f64::from(*value)),
            (Value::Double(value), _) => Term::Double(*value),
            (Value::String(value), _) => Term::String(value),
            (Value::Bytes(value), Self::Decimal { scale }) => {
                let decimal = Decimal::from_bytes(value, scale);
                Term::Double(
                    decimal.ok_or(Fault::Impossible("the decimal has more than 38 digits"))?.to_f64(),
                )
            }
            (Value::Bytes(value), _) => Term::Bytes(value),
        })
    }
}

/// `&&` and `||` of CEL: one side that decides is enough, even if the other has no value.
fn logic(operands: &[Expr; 2], scope: Scope<'_>, decisive: bool) -> Result<bool, Fault> {
    match operands[0].truth(scope) {
        Ok(left) if left == decisive => Ok(decisive),
        Ok(_) => operands[1].truth(scope),
        Err(fault) => match operands[1].truth(scope) {
            Ok(right) if right == decisive => Ok(decisive),
            _ => Err(fault),
        },
    }
}

fn text(test: TextTest, operands: &[Expr; 2], scope: Scope<'_>) -> Result<bool, Fault> {
    let (Term::String(whole), Term::String(part)) =
        (operands[0].present(scope)?, operands[1].present(scope)?)
    else {
        return Err(TYPES);
    };
    Ok(match test {
        TextTest::StartsWith => whole.starts_with(part),
        TextTest::EndsWith => whole.ends_with(part),
        TextTest::Contains => whole.contains(part),
    })
}

impl Comparison {
    /// Whether values of this order are so.
    pub(crate) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order == Ordering::Equal,
            Self::NotEqual => order != Ordering::Equal,
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::GreaterOrEqual => order != Ordering::Less,
        }
    }
}

fn compare(comparison: Comparison, operands: &[Expr; 2], scope: Scope<'_>) -> Result<bool, Fault> {
    let [left, right] = operands;
    match comparison {
        Comparison::Equal => return Ok(equal(left.evaluate(scope)?, right.evaluate(scope)?)),
        Comparison::NotEqual => return Ok(!equal(left.evaluate(scope)?, right.evaluate(scope)?)),
        _ => {}
    }
    // NaN has no order: every comparison with it is false.
    let order = order(left.present(scope)?, right.present(scope)?)?;
    Ok(order.is_some_and(|order| comparison.holds(order)))
}

#[expect(clippy::float_cmp, reason = "CEL's `==` on numbers is exact")]
fn equal(left: Term<'_>, right: Term<'_>) -> bool {
    match (left, right) {
        (Term::Int(left), Term::Double(right)) => left as f64 == right,
        (Term::Double(left), Term::Int(right)) => left == right as f64,
        (left, right) => left == right,
    }
}

fn order(left: Term<'_>, right: Term<'_>) -> Result<Option<Ordering>, Fault> {
    Ok(match (left, right) {
        (Term::Int(left), Term::Int(right)) => Some(left.cmp(&right)),
        (Term::Int(left), Term::Double(right)) => (left as f64).partial_cmp(&right),
        (Term::Double(left), Term::Int(right)) => left.partial_cmp(&(right as f64)),
        (Term::Double(left), Term::Double(right)) => left.partial_cmp(&right),
        (Term::String(left), Term::String(right)) => Some(left.cmp(right)),
        (Term::Bytes(left), Term::Bytes(right)) => Some(left.cmp(right)),
        (Term::Time(left), Term::Time(right)) | (Term::Span(left), Term::Span(right)) => {
            Some(left.cmp(&right))
        }
        (Term::Bool(left), Term::Bool(right)) => Some(left.cmp(&right)),
        _ => return Err(TYPES),
    })
}

fn arithmetic<'v>(operator: Arithmetic, left: Term<'v>, right: Term<'v>) -> Result<Term<'v>, Fault> {
    use Arithmetic::{Add, Divide, Modulo, Multiply, Subtract};
    let whole = |result: Option<i64>| result.ok_or(OVERFLOW);
    Ok(match (left, operator, right) {
        (Term::Int(_), Divide | Modulo, Term::Int(0)) => return Err(Fault::Impossible("division by zero")),
        (Term::Int(left), _, Term::Int(right)) => Term::Int(whole(match operator {
            Add => left.checked_add(right),
            Subtract => left.checked_sub(right),
            Multiply => left.checked_mul(right),
            Divide => left.checked_div(right),
            Modulo => left.checked_rem(right),
        })?),
        (Term::Double(_) | Term::Int(_), _, Term::Double(_) | Term::Int(_)) => {
            let (left, right) = (double(left), double(right));
            Term::Double(match operator {
                Add => left + right,
                Subtract => left - right,
                Multiply => left * right,
                Divide => left / right,
                Modulo => return Err(TYPES),
            })
        }
        (Term::Time(time), Add, Term::Span(span)) | (Term::Span(span), Add, Term::Time(time)) => {
            Term::Time(whole(time.checked_add(span))?)
        }
        (Term::Time(time), Subtract, Term::Span(span)) => Term::Time(whole(time.checked_sub(span))?),
        (Term::Time(left), Subtract, Term::Time(right)) => Term::Span(whole(left.checked_sub(right))?),
        (Term::Span(left), Add, Term::Span(right)) => Term::Span(whole(left.checked_add(right))?),
        (Term::Span(left), Subtract, Term::Span(right)) => Term::Span(whole(left.checked_sub(right))?),
        _ => return Err(TYPES),
    })
}

fn double(term: Term<'_>) -> f64 {
    match term {
        Term::Int(value) => value as f64,
        Term::Double(value) => value,
        _ => f64::NAN,
    }
}
