//! The contract's document: Confluent's rule-set JSON, read and checked.

use std::str::FromStr;

use cel::Program;
use dead_letter::{Reason, UnknownReason};
use events::Shape;
use serde::Deserialize;

use crate::{Judge, Mistake, compile};

/// A rule set, parsed and not yet bound to a schema.
#[derive(Debug)]
pub struct Contract {
    version: String,
    rules: Vec<(Rule, Program)>,
}

/// What a rule is called and what follows from its failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name, unique in the contract.
    pub name: String,
    /// What it demands, for people.
    pub doc: String,
    /// The condition, in CEL.
    pub expr: String,
    /// What becomes of a record that fails it.
    pub on_failure: OnFailure,
    /// The reason code of its failure.
    pub code: Reason,
}

/// What becomes of a record that fails a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum OnFailure {
    /// It is refused: it goes to the dead letters.
    #[serde(rename = "DLQ")]
    Refuse,
    /// It passes, and is flagged.
    #[serde(rename = "NONE")]
    Flag,
}

/// Why a contract cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// The document is no rule set.
    #[error("line {}, column {}: {source}", source.line(), source.column())]
    Document {
        /// What the JSON reader says.
        #[from]
        source: serde_json::Error,
    },
    /// A rule names an unknown reason.
    #[error("rule `{rule}`, params.code: {source}; the codes are {}", codes())]
    Code {
        /// The rule.
        rule: String,
        /// The code.
        source: UnknownReason,
    },
    /// Two rules have one name.
    #[error("rule `{0}` is there twice; names must be unique")]
    SameName(String),
    /// A rule's expression is wrong.
    #[error("rule `{rule}`, expr column {}: {}", mistake.column, mistake.what)]
    Rule {
        /// The rule.
        rule: String,
        /// Its expression.
        expr: String,
        /// What is wrong with it.
        mistake: Mistake,
    },
}

fn codes() -> String {
    Reason::ALL.iter().map(|reason| reason.code()).collect::<Vec<_>>().join(", ")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    metadata: Metadata,
    rule_set: RuleSet,
}

#[derive(Deserialize)]
struct Metadata {
    properties: Properties,
}

#[derive(Deserialize)]
struct Properties {
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RuleSet {
    domain_rules: Vec<DomainRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DomainRule {
    name: String,
    doc: String,
    #[serde(rename = "kind")]
    _kind: Kind,
    #[serde(rename = "type")]
    _type: Type,
    #[serde(rename = "mode")]
    _mode: Mode,
    expr: String,
    on_failure: OnFailure,
    params: Params,
}

#[derive(Deserialize)]
enum Kind {
    #[serde(rename = "CONDITION")]
    Condition,
}

#[derive(Deserialize)]
enum Type {
    #[serde(rename = "CEL")]
    Cel,
}

#[derive(Deserialize)]
enum Mode {
    #[serde(rename = "READ")]
    Read,
    #[serde(rename = "WRITE")]
    Write,
    #[serde(rename = "WRITEREAD")]
    WriteRead,
}

#[derive(Deserialize)]
struct Params {
    code: String,
}

impl FromStr for Contract {
    type Err = ContractError;

    fn from_str(json: &str) -> Result<Self, Self::Err> {
        let document: Document = serde_json::from_str(json)?;
        let mut rules: Vec<(Rule, Program)> = Vec::new();
        for rule in document.rule_set.domain_rules {
            if rules.iter().any(|(other, _)| other.name == rule.name) {
                return Err(ContractError::SameName(rule.name));
            }
            let code = match rule.params.code.parse() {
                Ok(code) => code,
                Err(source) => return Err(ContractError::Code { rule: rule.name, source }),
            };
            let program = match compile::parse(&rule.expr) {
                Ok(program) => program,
                Err(mistake) => {
                    return Err(ContractError::Rule { rule: rule.name, expr: rule.expr, mistake });
                }
            };
            let rule =
                Rule { name: rule.name, doc: rule.doc, expr: rule.expr, on_failure: rule.on_failure, code };
            rules.push((rule, program));
        }
        Ok(Self { version: document.metadata.properties.version, rules })
    }
}

impl Contract {
    /// The version that verdicts carry.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Compiles the rules for records of one schema.
    ///
    /// # Errors
    /// The first rule that names a field which the schema lacks, or compares what cannot be compared.
    pub fn bind(&self, shape: &Shape) -> Result<Judge, ContractError> {
        let bound = self.rules.iter().map(|(rule, program)| match compile::bind(program, shape) {
            Ok(condition) => Ok((rule.clone(), condition)),
            Err(mistake) => {
                Err(ContractError::Rule { rule: rule.name.clone(), expr: rule.expr.clone(), mistake })
            }
        });
        Ok(Judge::new(bound.collect::<Result<_, _>>()?, shape))
    }
}
