//! Data contracts: what a record must be, as rules in CEL, judged without I/O, clock or allocation.
//!
//! A contract is a Confluent data-contract rule set (`domainRules` of kind `CONDITION` and type `CEL`). A [`Contract`]
//! is read once, [bound](Contract::bind) to the [`Shape`](events::Shape) of a schema, which checks every name and
//! type, and then [judges](Judge::judge) decoded records. A verdict lists **all** rules that failed, with the values
//! that they saw; a rule refuses the record or only [flags](Judge::flags) it. `now` is the record's own timestamp, so
//! the same record gets the same verdict on every run.
//!
//! [`Examples`] show of every rule which records keep and which break it, and can be tried. A [`Filter`] is a condition
//! of the same language outside a contract.
//!
//! The language is the part of CEL that speaks of one flat record: literals, `message.FIELD`, `now`, `has()`,
//! comparison, logic, arithmetic, `in` with a list, `size`, `startsWith`, `endsWith`, `contains`, `matches`,
//! `timestamp('…')` and `duration('…')`. Macros over lists and maps have no use here and are refused by name.

mod cells;
mod compile;
mod document;
mod examples;
mod expr;
mod filter;
mod judge;
mod literal;
mod steps;

pub use compile::Mistake;
pub use document::{Contract, ContractError, OnFailure, Rule};
pub use examples::{Examples, ExamplesError, Report, RuleReport, Tally};
pub use filter::{BoundFilter, Filter};
pub use judge::{Cause, Failure, Judge, Opinion, field_json};
