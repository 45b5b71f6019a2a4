//! Examples of a contract: for every rule records that keep it and records that break it, and whether they do.

use std::{collections::BTreeMap, str::FromStr};

use chrono::DateTime;
use events::{Shape, Value};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::{Failure, Judge, Rule, cells::Cell, compile::nearest};

/// The key by which an example names the variant that it changes, where that is not the base.
const VARIANT: &str = "$variant";

/// The examples of one contract, read and not yet tried.
#[derive(Debug)]
pub struct Examples {
    now_ms: i64,
    base: Map<String, Json>,
    variants: BTreeMap<String, Map<String, Json>>,
    rules: BTreeMap<String, OfRule>,
}

/// Why examples cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum ExamplesError {
    /// The document does not have the form of examples.
    #[error("line {}, column {}: {source}", source.line(), source.column())]
    Document {
        /// What the JSON reader says.
        #[from]
        source: serde_json::Error,
    },
    /// Something in it does not fit the contract or the schema.
    #[error("{place}: {what}")]
    Mistake {
        /// Where, as a path from the document's root: `rules.lane_in_range.fails[0]`.
        place: String,
        /// What is wrong, and what would be right if that can be guessed.
        what: String,
    },
}

/// What became of the examples of a contract.
#[derive(Debug)]
pub struct Report {
    /// How each rule fared, in the contract's order.
    pub rules: Vec<RuleReport>,
    /// What the base and its variants, which must be good, fail.
    pub surprises: Vec<String>,
}

/// How the examples of one rule fared.
#[derive(Debug)]
pub struct RuleReport {
    /// The rule.
    pub rule: Rule,
    /// Records that must keep it.
    pub passes: Tally,
    /// Records that must break it.
    pub fails: Tally,
    /// Rules that the failing records break as well, each once.
    pub also_failed: Vec<String>,
    /// What is not as it should be, for people.
    pub surprises: Vec<String>,
}

/// How many examples did what they should.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that did.
    pub right: usize,
    /// All.
    pub all: usize,
}

impl Report {
    /// Whether every rule has examples and every example does what it should.
    pub fn is_good(&self) -> bool {
        self.surprises.is_empty() && self.rules.iter().all(|rule| rule.surprises.is_empty())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    now: String,
    base: Map<String, Json>,
    #[serde(default)]
    variants: BTreeMap<String, Map<String, Json>>,
    rules: BTreeMap<String, OfRule>,
}

/// Changes of the base that keep a rule, and such that break it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfRule {
    passes: Vec<Map<String, Json>>,
    fails: Vec<Map<String, Json>>,
}

impl FromStr for Examples {
    type Err = ExamplesError;

    fn from_str(json: &str) -> Result<Self, Self::Err> {
        let Document { now, base, variants, rules } = serde_json::from_str(json)?;
        let now = DateTime::parse_from_rfc3339(&now).map_err(|_| {
            mistake("now", format!("`{now}` is no time; write one such as \"2026-01-31T12:00:00Z\""))
        })?;
        Ok(Self { now_ms: now.timestamp_millis(), base, variants, rules })
    }
}

impl Examples {
    /// Tries every example on a contract that was bound to `shape`.
    ///
    /// # Errors
    /// An example that is no record of the schema, or examples of a rule that the contract does not have.
    pub fn check(&self, judge: &Judge, shape: &Shape) -> Result<Report, ExamplesError> {
        for name in self.rules.keys() {
            if !judge.rules().any(|rule| rule.name == *name) {
                let known = nearest(name, judge.rules().map(|rule| rule.name.as_str()));
                return Err(mistake("rules", format!("the contract has no rule `{name}`{known}")));
            }
        }
        let trial = Trial { examples: self, judge, shape };
        Ok(Report {
            surprises: trial.good_records()?,
            rules: judge.rules().map(|rule| trial.rule(rule)).collect::<Result<_, _>>()?,
        })
    }
}

/// Examples, with what they are tried on.
struct Trial<'e> {
    examples: &'e Examples,
    judge: &'e Judge,
    shape: &'e Shape,
}

impl Trial<'_> {
    /// What the base and its variants fail, though they should be good.
    fn good_records(&self) -> Result<Vec<String>, ExamplesError> {
        let base = [("base".to_owned(), Map::new())];
        let variants = self.examples.variants.keys().map(|name| {
            (format!("variants.{name}"), Map::from_iter([(VARIANT.to_owned(), Json::from(name.as_str()))]))
        });
        let mut surprises = Vec::new();
        for (place, change) in base.into_iter().chain(variants) {
            let failed = self.failures(&place, &change)?;
            surprises.extend(failed.into_iter().map(|(_, sentence)| format!("{place} fails {sentence}")));
        }
        Ok(surprises)
    }

    fn rule(&self, rule: &Rule) -> Result<RuleReport, ExamplesError> {
        let none = OfRule::default();
        let examples = self.examples.rules.get(&rule.name).unwrap_or(&none);
        let mut report = RuleReport {
            rule: rule.clone(),
            passes: Tally { right: 0, all: examples.passes.len() },
            fails: Tally { right: 0, all: examples.fails.len() },
            also_failed: Vec::new(),
            surprises: Vec::new(),
        };
        for (index, change) in examples.passes.iter().enumerate() {
            let place = format!("rules.{}.passes[{index}]", rule.name);
            match self.failures(&place, change)?.into_iter().find(|(name, _)| *name == rule.name) {
                None => report.passes.right += 1,
                Some((_, sentence)) => report.surprises.push(format!("passes[{index}] fails: {sentence}")),
            }
        }
        for (index, change) in examples.fails.iter().enumerate() {
            let place = format!("rules.{}.fails[{index}]", rule.name);
            let (own, others): (Vec<_>, Vec<_>) =
                self.failures(&place, change)?.into_iter().partition(|(name, _)| *name == rule.name);
            if own.is_empty() {
                report.surprises.push(format!("fails[{index}] passes: {}", Json::from(change.clone())));
            } else {
                report.fails.right += 1;
            }
            for (name, _) in others {
                if !report.also_failed.contains(&name) {
                    report.also_failed.push(name);
                }
            }
        }
        if examples.passes.is_empty() {
            report.surprises.push("no example passes it".to_owned());
        }
        if examples.fails.is_empty() {
            report.surprises.push("no example fails it".to_owned());
        }
        Ok(report)
    }

    /// The rules that a changed record fails, each with a sentence about it.
    fn failures(
        &self,
        place: &str,
        change: &Map<String, Json>,
    ) -> Result<Vec<(String, String)>, ExamplesError> {
        let cells = self.cells(place, change)?;
        let values: Vec<Value<'_>> = cells.iter().map(Cell::value).collect();
        let mut failures: Vec<Failure> = Vec::new();
        self.judge.judge(&values, self.examples.now_ms, &mut failures);
        let told = |failure: &Failure| {
            (self.judge.rule(failure).name.clone(), self.judge.sentence(failure, &values))
        };
        Ok(failures.iter().map(told).collect())
    }

    /// The base, changed by a variant if one is named, changed by the example.
    fn cells(&self, place: &str, change: &Map<String, Json>) -> Result<Vec<Cell>, ExamplesError> {
        let Examples { base, variants, .. } = self.examples;
        let variant = match change.get(VARIANT) {
            None => None,
            Some(name) => Some(name.as_str().and_then(|name| variants.get(name)).ok_or_else(|| {
                let known = variants.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                mistake(place, format!("{VARIANT} {name} is none of: {known}"))
            })?),
        };
        let layers: Vec<&Map<String, Json>> =
            [Some(change), variant, Some(base)].into_iter().flatten().collect();
        let names = layers.iter().flat_map(|layer| layer.keys()).filter(|name| *name != VARIANT);
        for name in names {
            if self.shape.index_of(name).is_none() {
                let known = nearest(name, self.shape.fields().iter().map(|field| field.name.as_str()));
                return Err(mistake(place, format!("{} has no field `{name}`{known}", self.shape.name())));
            }
        }
        let cells = self.shape.fields().iter().map(|field| {
            let json = match layers.iter().find_map(|layer| layer.get(&field.name)) {
                Some(json) => json,
                None if field.null_branch.is_some() => &Json::Null,
                None => return Err(mistake(place, format!("field `{}` is missing", field.name))),
            };
            Cell::read(field, json)
                .map_err(|what| mistake(place, format!("field `{}` is {json}: {what}", field.name)))
        });
        cells.collect()
    }
}

fn mistake(place: impl Into<String>, what: String) -> ExamplesError {
    ExamplesError::Mistake { place: place.into(), what }
}
