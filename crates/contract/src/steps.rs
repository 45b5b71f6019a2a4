//! A condition as a list of small tests, each with a place to go on from: what is worked out for every record.
//!
//! Most rules are logic over fields beside constants. Such a test is told by two or three comparisons where the value lies, without
//! terms, faults and a walk through a tree. Whatever is not so simple is one test that asks the tree, and where a test finds no value
//! (a null, a number too large) the whole condition is the tree's, which alone says what is at fault. So rules that ask whether a field
//! is null before they look at it are the quick ones.

use std::sync::Arc;

use events::{Decimal, Value};
use regex::Regex;

use crate::expr::{Arithmetic, Comparison, Expr, Fault, Load, Scope};

/// A condition, ready to be worked out. Means the same as its tree.
#[derive(Debug)]
pub(crate) struct Steps {
    all: Vec<Step>,
    first: Place,
    tree: Expr,
}

/// A test, and where it leads.
#[derive(Debug)]
struct Step {
    test: Test,
    holds: Place,
    fails: Place,
}

/// The next step, or the condition's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Step(u32),
    End(bool),
}

/// What can be told of one field.
#[derive(Debug)]
enum Test {
    /// It is not null.
    Has(usize),
    /// A whole number in a range, both of its ends included.
    Ints { index: usize, least: i64, most: i64 },
    /// A whole number of a list.
    IntIn(usize, Vec<i64>),
    /// A number beside another.
    Double(Number, Comparison, f64),
    /// A number of a list.
    DoubleIn(Number, Vec<f64>),
    /// A text of a list.
    TextIn(usize, Texts),
    /// A text that fits a pattern.
    Matches(usize, Arc<Regex>),
    /// A time beside another: a constant, or so far from the record's own.
    Time { index: usize, per_unit: i64, comparison: Comparison, from_now: bool, micros: i64 },
    /// Anything else.
    Tree(Expr),
}

/// A field that is compared as a double.
#[derive(Debug, Clone, Copy)]
struct Number {
    index: usize,
    load: Load,
}

/// Texts, few of them.
#[derive(Debug)]
struct Texts {
    texts: Vec<String>,
    /// A bit for each length that one of them has: most texts are no member, and by this alone.
    lengths: u64,
}

impl Steps {
    /// The steps of a condition.
    pub(crate) fn new(tree: Expr) -> Self {
        let mut steps = Self { all: Vec::new(), first: Place::End(true), tree: tree.clone() };
        steps.first = steps.add(tree, Place::End(true), Place::End(false));
        steps
    }

    /// Whether the condition is fulfilled.
    #[inline]
    pub(crate) fn truth(&self, scope: Scope<'_>) -> Result<bool, Fault> {
        self.walk(&scope).map_or_else(|| self.tree.truth(scope), Ok)
    }

    /// Where the steps lead; `None` if one has no outcome.
    fn walk(&self, scope: &Scope<'_>) -> Option<bool> {
        let mut place = self.first;
        loop {
            let step = match place {
                Place::Step(index) => &self.all[index as usize],
                Place::End(truth) => return Some(truth),
            };
            place = if step.test.outcome(scope)? { step.holds } else { step.fails };
        }
    }

    /// Adds the steps of an expression that lead to either place; gives the first of them. Later steps are added before those that
    /// lead to them.
    fn add(&mut self, expr: Expr, holds: Place, fails: Place) -> Place {
        match expr {
            Expr::Bool(true) => holds,
            Expr::Bool(false) => fails,
            Expr::Not(operand) => self.add(*operand, fails, holds),
            Expr::And(operands) => {
                let [left, right] = *operands;
                let right = self.add(right, holds, fails);
                self.add(left, right, fails)
            }
            Expr::Or(operands) => {
                let [left, right] = *operands;
                let right = self.add(right, holds, fails);
                self.add(left, holds, right)
            }
            Expr::Choose(parts) => {
                let [condition, then, otherwise] = *parts;
                let then = self.add(then, holds, fails);
                let otherwise = self.add(otherwise, holds, fails);
                self.add(condition, then, otherwise)
            }
            Expr::Compare(Comparison::NotEqual, operands) => {
                self.add(Expr::Compare(Comparison::Equal, operands), fails, holds)
            }
            leaf => {
                let test = Test::new(&leaf).unwrap_or(Test::Tree(leaf));
                self.all.push(Step { test, holds, fails });
                Place::Step(self.all.len() as u32 - 1)
            }
        }
    }
}

impl Test {
    /// The test that an expression is, if it is one.
    fn new(expr: &Expr) -> Option<Self> {
        match expr {
            Expr::Has { index } => Some(Self::Has(*index)),
            Expr::Compare(comparison, operands) => {
                let [left, right] = &**operands;
                Self::comparison(left, *comparison, right)
                    .or_else(|| Self::comparison(right, comparison.reversed(), left))
            }
            Expr::In(needle, straws) => Self::member(needle, straws),
            Expr::Matches(operand, pattern) => Some(Self::Matches(operand.plain()?, Arc::clone(pattern))),
            _ => None,
        }
    }

    /// A field beside a constant.
    fn comparison(field: &Expr, comparison: Comparison, constant: &Expr) -> Option<Self> {
        let Expr::Field { index, load } = field else { return None };
        match (load, constant) {
            (Load::Int, Expr::Int(int)) => {
                let (least, most) = comparison.range(*int)?;
                Some(Self::Ints { index: *index, least, most })
            }
            (Load::Double | Load::Decimal { .. }, constant) => {
                Some(Self::Double(Number { index: *index, load: *load }, comparison, constant.number()?))
            }
            (Load::Plain, Expr::String(text)) if comparison == Comparison::Equal => {
                Some(Self::TextIn(*index, Texts::new(vec![text.clone()])))
            }
            (Load::Micros { per_unit }, moment) => {
                let (from_now, micros) = moment.moment()?;
                Some(Self::Time { index: *index, per_unit: *per_unit, comparison, from_now, micros })
            }
            _ => None,
        }
    }

    /// A field in a list of constants.
    fn member(needle: &Expr, straws: &[Expr]) -> Option<Self> {
        let Expr::Field { index, load } = needle else { return None };
        let straws = straws.iter();
        match load {
            Load::Int => {
                let ints = straws.map(|straw| if let Expr::Int(int) = straw { Some(*int) } else { None });
                Some(Self::IntIn(*index, ints.collect::<Option<_>>()?))
            }
            Load::Double | Load::Decimal { .. } => {
                let number = Number { index: *index, load: *load };
                Some(Self::DoubleIn(number, straws.map(Expr::number).collect::<Option<_>>()?))
            }
            Load::Plain => {
                let texts = straws
                    .map(|straw| if let Expr::String(text) = straw { Some(text.clone()) } else { None });
                Some(Self::TextIn(*index, Texts::new(texts.collect::<Option<_>>()?)))
            }
            Load::Micros { .. } => None,
        }
    }

    /// Whether it holds; `None` where there is no telling.
    fn outcome(&self, scope: &Scope<'_>) -> Option<bool> {
        Some(match self {
            Self::Has(index) => scope.values[*index] != Value::Null,
            Self::Ints { index, least, most } => {
                let int = int(&scope.values[*index])?;
                *least <= int && int <= *most
            }
            Self::IntIn(index, ints) => ints.contains(&int(&scope.values[*index])?),
            Self::Double(number, comparison, other) => {
                // Not-a-number has no order; that it is unequal to all is told by the places of `==`.
                number.value(scope)?.partial_cmp(other).is_some_and(|order| comparison.holds(order))
            }
            Self::DoubleIn(number, doubles) => doubles.contains(&number.value(scope)?),
            Self::TextIn(index, texts) => match scope.values[*index] {
                Value::String(text) => texts.contains(text),
                _ => return None,
            },
            Self::Matches(index, pattern) => match scope.values[*index] {
                Value::String(text) => pattern.is_match(text),
                _ => return None,
            },
            Self::Time { index, per_unit, comparison, from_now, micros } => {
                let time = int(&scope.values[*index])?.checked_mul(*per_unit)?;
                let other = if *from_now { scope.now_micros.checked_add(*micros)? } else { *micros };
                comparison.holds(time.cmp(&other))
            }
            Self::Tree(expr) => expr.truth(*scope).ok()?,
        })
    }
}

impl Number {
    fn value(self, scope: &Scope<'_>) -> Option<f64> {
        Some(match (scope.values[self.index], self.load) {
            (Value::Bytes(bytes), Load::Decimal { scale }) => Decimal::from_bytes(bytes, scale)?.to_f64(),
            (Value::Double(double), _) => double,
            (Value::Float(float), _) => f64::from(float),
            _ => return None,
        })
    }
}

impl Texts {
    fn new(texts: Vec<String>) -> Self {
        let lengths = texts.iter().fold(0, |lengths, text| lengths | Self::bit(text));
        Self { texts, lengths }
    }

    /// The bit of a text's length; the longest share one.
    fn bit(text: &str) -> u64 {
        1 << text.len().min(63)
    }

    fn contains(&self, text: &str) -> bool {
        self.lengths & Self::bit(text) != 0 && self.texts.iter().any(|other| other == text)
    }
}

fn int(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Int(int) => Some(i64::from(*int)),
        Value::Long(long) => Some(*long),
        _ => None,
    }
}

impl Comparison {
    /// The same with its sides exchanged.
    fn reversed(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }

    /// The least and the largest whole number that is so beside `int`.
    fn range(self, int: i64) -> Option<(i64, i64)> {
        Some(match self {
            Self::Equal => (int, int),
            Self::NotEqual => return None,
            Self::Less => (i64::MIN, int.checked_sub(1)?),
            Self::LessOrEqual => (i64::MIN, int),
            Self::Greater => (int.checked_add(1)?, i64::MAX),
            Self::GreaterOrEqual => (int, i64::MAX),
        })
    }
}

impl Expr {
    /// The place of a field that stands for itself.
    fn plain(&self) -> Option<usize> {
        match self {
            Self::Field { index, load: Load::Plain } => Some(*index),
            _ => None,
        }
    }

    /// A constant number.
    fn number(&self) -> Option<f64> {
        match self {
            Self::Int(int) => Some(*int as f64),
            Self::Double(double) => Some(*double),
            _ => None,
        }
    }

    /// A moment that depends on no field, in microseconds: since 1970, or (`true`) from the record's own time.
    fn moment(&self) -> Option<(bool, i64)> {
        match self {
            Self::Time(micros) => Some((false, *micros)),
            Self::Now => Some((true, 0)),
            Self::Arithmetic(operator, operands) => match (operator, &**operands) {
                (Arithmetic::Add, [Self::Now, Self::Span(span)] | [Self::Span(span), Self::Now]) => {
                    Some((true, *span))
                }
                (Arithmetic::Subtract, [Self::Now, Self::Span(span)]) => Some((true, span.checked_neg()?)),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "steps_tests.rs"]
mod tests;
