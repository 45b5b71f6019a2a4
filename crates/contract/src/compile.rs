//! Compiles a CEL expression for the records of one schema: every name is known, every type fits, or it says where not.

use std::sync::Arc;

use cel::{
    Program,
    common::ast::{CallExpr, Expr as Ast, IdedExpr, LiteralValue, SelectExpr, SourceInfo, operators},
};
use events::{Kind, Logical, Shape};
use regex::Regex;

use crate::{
    expr::{Arithmetic, Comparison, Expr, Load, TextTest},
    literal,
    steps::Steps,
};

/// What is wrong with an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {what}")]
pub struct Mistake {
    /// Column in the expression, from 1.
    pub column: usize,
    /// What is wrong, and what would be right if that can be guessed.
    pub what: String,
}

/// A condition, and the fields that it looks at.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) steps: Steps,
    pub(crate) fields: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Null,
    Bool,
    Int,
    Double,
    String,
    Bytes,
    Time,
    Span,
}

impl Type {
    /// The type with its article, for sentences.
    fn name(self) -> &'static str {
        match self {
            Self::Null => "a null",
            Self::Bool => "a bool",
            Self::Int => "an int",
            Self::Double => "a double",
            Self::String => "a string",
            Self::Bytes => "bytes",
            Self::Time => "a timestamp",
            Self::Span => "a duration",
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Double)
    }
}

type Typed = (Expr, Type);

/// Parses an expression; names and types are checked when it is bound.
pub(crate) fn parse(source: &str) -> Result<Program, Mistake> {
    Program::compile(source).map_err(|errors| match errors.errors.into_iter().next() {
        Some(error) => Mistake { column: column(source, error.pos), what: error.msg },
        None => Mistake { column: 1, what: "the expression cannot be parsed".to_owned() },
    })
}

/// The parser's line and column, both from 1, as a column of the whole expression.
fn column(source: &str, (line, column): (isize, isize)) -> usize {
    let lines_before = usize::try_from(line - 1).unwrap_or(0);
    let before: usize =
        source.split_inclusive('\n').take(lines_before).map(|line| line.chars().count()).sum();
    before + usize::try_from(column).unwrap_or(1).max(1)
}

/// Compiles a parsed expression for the records of `shape`.
pub(crate) fn bind(program: &Program, shape: &Shape) -> Result<Condition, Mistake> {
    let mut binder = Binder { shape, source: program.source_info(), fields: Vec::new() };
    let root = program.expression();
    let (expr, found) = binder.expr(root)?;
    if found != Type::Bool {
        return Err(binder.mistake(root, format!("a rule is a condition, and this is {}", found.name())));
    }
    Ok(Condition { steps: Steps::new(expr), fields: binder.fields })
}

struct Binder<'s> {
    shape: &'s Shape,
    source: &'s SourceInfo,
    fields: Vec<usize>,
}

impl Binder<'_> {
    fn mistake(&self, at: &IdedExpr, what: impl Into<String>) -> Mistake {
        let start = self.source.offset_for(at.id).map_or(0, |(start, _)| start);
        Mistake { column: start as usize + 1, what: what.into() }
    }

    fn expr(&mut self, at: &IdedExpr) -> Result<Typed, Mistake> {
        match &at.expr {
            Ast::Literal(literal) => self.literal(at, literal),
            Ast::Ident(name) if name == "now" => Ok((Expr::Now, Type::Time)),
            Ast::Ident(name) if name == "message" => {
                Err(self.mistake(at, "`message` is the whole record; name one of its fields"))
            }
            Ast::Ident(name) => {
                let known = nearest(name, ["message", "now"].into_iter());
                Err(self
                    .mistake(at, format!("unknown name `{name}`{known}; a rule knows `message` and `now`")))
            }
            Ast::Select(select) => self.field(at, select),
            Ast::Call(call) => self.call(at, call),
            Ast::Comprehension(_) | Ast::List(_) | Ast::Map(_) | Ast::Struct(_) | Ast::Unspecified => {
                Err(self.mistake(
                    at,
                    "lists, maps and macros over them have no place in a rule about a flat record",
                ))
            }
        }
    }

    fn literal(&self, at: &IdedExpr, literal: &LiteralValue) -> Result<Typed, Mistake> {
        Ok(match literal {
            LiteralValue::Null => (Expr::Null, Type::Null),
            LiteralValue::Boolean(value) => (Expr::Bool(*value.inner()), Type::Bool),
            LiteralValue::Int(value) => (Expr::Int(*value.inner()), Type::Int),
            LiteralValue::Double(value) => (Expr::Double(*value.inner()), Type::Double),
            LiteralValue::String(value) => (Expr::String(value.inner().to_owned()), Type::String),
            LiteralValue::UInt(_) | LiteralValue::Bytes(_) => {
                return Err(self
                    .mistake(at, "unsigned numbers and bytes do not occur in records; write 12 or 'text'"));
            }
        })
    }

    fn field(&mut self, at: &IdedExpr, select: &SelectExpr) -> Result<Typed, Mistake> {
        if select.operand.expr != Ast::Ident("message".to_owned()) {
            return Err(self.mistake(at, "only fields of `message` can be named; records are flat"));
        }
        let name = &select.field;
        let Some(index) = self.shape.index_of(name) else {
            let known = nearest(name, self.shape.fields().iter().map(|field| field.name.as_str()));
            return Err(self.mistake(at, format!("{} has no field `{name}`{known}", self.shape.name())));
        };
        if !self.fields.contains(&index) {
            self.fields.push(index);
        }
        if select.test {
            return Ok((Expr::Has { index }, Type::Bool));
        }
        let field = &self.shape.fields()[index];
        let (load, found) = match (field.kind, field.logical) {
            (_, Some(Logical::TimestampMillis)) => (Load::Micros { per_unit: 1_000 }, Type::Time),
            (_, Some(Logical::TimestampMicros)) => (Load::Micros { per_unit: 1 }, Type::Time),
            (_, Some(Logical::Date)) => (Load::Micros { per_unit: 86_400_000_000 }, Type::Time),
            (_, Some(Logical::Decimal { scale, .. })) => (Load::Decimal { scale }, Type::Double),
            (Kind::Boolean, _) => (Load::Plain, Type::Bool),
            (Kind::Int | Kind::Long, _) => (Load::Int, Type::Int),
            (Kind::Float | Kind::Double, _) => (Load::Double, Type::Double),
            (Kind::String, _) => (Load::Plain, Type::String),
            (Kind::Bytes, _) => (Load::Plain, Type::Bytes),
        };
        Ok((Expr::Field { index, load }, found))
    }

    fn call(&mut self, at: &IdedExpr, call: &CallExpr) -> Result<Typed, Mistake> {
        let args: Vec<&IdedExpr> = call.target.iter().map(|target| &**target).chain(&call.args).collect();
        if let Some(comparison) = comparison(&call.func_name) {
            return self.compare(at, comparison, &args);
        }
        if let Some(operator) = arithmetic(&call.func_name) {
            return self.arithmetic(at, operator, &args);
        }
        match (call.func_name.as_str(), args.as_slice()) {
            (operators::LOGICAL_AND, [left, right]) => {
                Ok((Expr::And(Box::new([self.condition(left)?, self.condition(right)?])), Type::Bool))
            }
            (operators::LOGICAL_OR, [left, right]) => {
                Ok((Expr::Or(Box::new([self.condition(left)?, self.condition(right)?])), Type::Bool))
            }
            (operators::LOGICAL_NOT, [operand]) => {
                Ok((Expr::Not(Box::new(self.condition(operand)?)), Type::Bool))
            }
            (operators::NEGATE, [operand]) => match self.expr(operand)? {
                (expr, found @ (Type::Int | Type::Double | Type::Span)) => {
                    Ok((Expr::Negate(Box::new(expr)), found))
                }
                (_, found) => Err(self.mistake(at, format!("{} has no negative", found.name()))),
            },
            (operators::CONDITIONAL, [condition, then, otherwise]) => {
                self.choose(at, condition, then, otherwise)
            }
            (operators::IN, [needle, haystack]) => self.member(at, needle, haystack),
            ("size", [operand]) => match self.expr(operand)? {
                (expr, Type::String | Type::Bytes) => Ok((Expr::Size(Box::new(expr)), Type::Int)),
                (_, found) => Err(self.mistake(at, format!("{} has no size", found.name()))),
            },
            ("startsWith", [text, part]) => self.text(TextTest::StartsWith, text, part),
            ("endsWith", [text, part]) => self.text(TextTest::EndsWith, text, part),
            ("contains", [text, part]) => self.text(TextTest::Contains, text, part),
            ("matches", [text, pattern]) => self.matches(text, pattern),
            ("timestamp", [text]) => {
                let micros = constant(text).and_then(literal::timestamp_micros);
                let expr = micros.map(Expr::Time);
                Ok((
                    expr.ok_or_else(|| self.mistake(text, "write timestamp('2026-01-31T12:00:00Z')"))?,
                    Type::Time,
                ))
            }
            ("duration", [text]) => {
                let micros = constant(text).and_then(literal::duration_micros);
                let expr = micros.map(Expr::Span);
                Ok((expr.ok_or_else(|| self.mistake(text, "write duration('1h30m')"))?, Type::Span))
            }
            (other, _) => {
                const KNOWN: [&str; 8] =
                    ["has", "size", "startsWith", "endsWith", "contains", "matches", "timestamp", "duration"];
                let known = nearest(other, KNOWN.into_iter());
                let all = KNOWN.join(", ");
                Err(self.mistake(
                    at,
                    format!("unknown function or wrong arguments: `{other}`{known}; there are {all}"),
                ))
            }
        }
    }

    fn of_type(&mut self, at: &IdedExpr, wanted: Type) -> Result<Expr, Mistake> {
        match self.expr(at)? {
            (expr, found) if found == wanted => Ok(expr),
            (_, found) => {
                Err(self.mistake(at, format!("expected {}, found {}", wanted.name(), found.name())))
            }
        }
    }

    fn condition(&mut self, at: &IdedExpr) -> Result<Expr, Mistake> {
        self.of_type(at, Type::Bool)
    }

    fn text(&mut self, kind: TextTest, whole: &IdedExpr, part: &IdedExpr) -> Result<Typed, Mistake> {
        let operands = [self.of_type(whole, Type::String)?, self.of_type(part, Type::String)?];
        Ok((Expr::Text(kind, Box::new(operands)), Type::Bool))
    }

    fn matches(&mut self, text: &IdedExpr, pattern: &IdedExpr) -> Result<Typed, Mistake> {
        let text = self.of_type(text, Type::String)?;
        let Some(source) = constant(pattern) else {
            return Err(
                self.mistake(pattern, "a pattern is written as a literal, so that it is compiled once")
            );
        };
        let regex =
            Regex::new(source).map_err(|error| self.mistake(pattern, format!("bad pattern: {error}")))?;
        Ok((Expr::Matches(Box::new(text), Arc::new(regex)), Type::Bool))
    }

    fn choose(
        &mut self,
        at: &IdedExpr,
        condition: &IdedExpr,
        then: &IdedExpr,
        otherwise: &IdedExpr,
    ) -> Result<Typed, Mistake> {
        let condition = self.condition(condition)?;
        let ((then, found), (otherwise, other)) = (self.expr(then)?, self.expr(otherwise)?);
        if found != other {
            let what = format!("the branches differ: {} and {}", found.name(), other.name());
            return Err(self.mistake(at, what));
        }
        Ok((Expr::Choose(Box::new([condition, then, otherwise])), found))
    }

    fn member(&mut self, at: &IdedExpr, needle: &IdedExpr, haystack: &IdedExpr) -> Result<Typed, Mistake> {
        let (needle, wanted) = self.expr(needle)?;
        let Ast::List(list) = &haystack.expr else {
            return Err(self.mistake(at, "`in` needs a list, such as ['car', 'van']"));
        };
        let mut straws = Vec::with_capacity(list.elements.len());
        for element in &list.elements {
            let (straw, found) = self.expr(element)?;
            if found != wanted && !(found.is_number() && wanted.is_number()) {
                let what = format!("{} is never in a list with {}", wanted.name(), found.name());
                return Err(self.mistake(element, what));
            }
            straws.push(straw);
        }
        Ok((Expr::In(Box::new(needle), straws), Type::Bool))
    }

    fn compare(
        &mut self,
        at: &IdedExpr,
        comparison: Comparison,
        args: &[&IdedExpr],
    ) -> Result<Typed, Mistake> {
        let ((left, one), (right, other)) = (self.expr(args[0])?, self.expr(args[1])?);
        let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        let fits = one == other
            || (one.is_number() && other.is_number())
            || (equality && (one == Type::Null || other == Type::Null));
        if !fits || (one == Type::Null && !equality) {
            return Err(self.mistake(at, format!("{} cannot be compared with {}", one.name(), other.name())));
        }
        Ok((Expr::Compare(comparison, Box::new([left, right])), Type::Bool))
    }

    fn arithmetic(
        &mut self,
        at: &IdedExpr,
        operator: Arithmetic,
        args: &[&IdedExpr],
    ) -> Result<Typed, Mistake> {
        let ((left, one), (right, other)) = (self.expr(args[0])?, self.expr(args[1])?);
        let found = match (one, operator, other) {
            (Type::Int, _, Type::Int) => Type::Int,
            (Type::Time, Arithmetic::Add | Arithmetic::Subtract, Type::Span)
            | (Type::Span, Arithmetic::Add, Type::Time) => Type::Time,
            (Type::Time, Arithmetic::Subtract, Type::Time)
            | (Type::Span, Arithmetic::Add | Arithmetic::Subtract, Type::Span) => Type::Span,
            (one, operator, other)
                if one.is_number() && other.is_number() && operator != Arithmetic::Modulo =>
            {
                Type::Double
            }
            _ => {
                let what = format!("no such arithmetic between {} and {}", one.name(), other.name());
                return Err(self.mistake(at, what));
            }
        };
        Ok((Expr::Arithmetic(operator, Box::new([left, right])), found))
    }
}

fn constant(at: &IdedExpr) -> Option<&str> {
    match &at.expr {
        Ast::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        operators::EQUALS => Comparison::Equal,
        operators::NOT_EQUALS => Comparison::NotEqual,
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::LessOrEqual,
        operators::GREATER => Comparison::Greater,
        operators::GREATER_EQUALS => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn arithmetic(name: &str) -> Option<Arithmetic> {
    Some(match name {
        operators::ADD => Arithmetic::Add,
        operators::SUBSTRACT => Arithmetic::Subtract,
        operators::MULTIPLY => Arithmetic::Multiply,
        operators::DIVIDE => Arithmetic::Divide,
        operators::MODULO => Arithmetic::Modulo,
        _ => return None,
    })
}

/// A guess at what was meant, ready to be appended; empty if nothing is near.
///
/// Near is a slip of the fingers, or the beginning of a longer name.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    const BEGINNING_CHARS_MIN: usize = 3;
    let slips_max = 1 + name.len() / 4;
    let is_beginning = |candidate: &str| name.len() >= BEGINNING_CHARS_MIN && candidate.starts_with(name);
    let guesses = known.map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate));
    let best = guesses.filter(|(slips, candidate)| *slips <= slips_max || is_beginning(candidate)).min();
    best.map_or_else(String::new, |(_, candidate)| format!("; did you mean `{candidate}`?"))
}
