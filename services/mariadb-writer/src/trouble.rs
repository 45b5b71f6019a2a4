//! Why an attempt on a piece of work failed, and so what is done about it.

use std::error::Error as StdError;

use kafka::TopicPartition;
use service::{Error, cause_chain};

use crate::{
    calls::{COLLISION, INFRASTRUCTURE},
    errors::{self, Class},
};

/// Why an attempt on a piece of work failed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Another transaction was in the way: again, at once.
    Collision(Box<dyn StdError + Send + Sync>),
    /// A partition belongs to somebody else: again, without it.
    Fenced(TopicPartition),
    /// Something is away, full or wrong: again, later.
    Wait(Box<dyn StdError + Send + Sync>),
    /// The service cannot go on.
    Fatal(Error),
}

/// An operation on the database failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation}{hint}")]
struct Failed {
    operation: &'static str,
    hint: &'static str,
    source: sqlx::Error,
}

/// A record cannot be stored, and the connector has no topic for dead letters.
#[derive(Debug, thiserror::Error)]
#[error(
    "connector {connector}: record {at} at offset {offset} cannot be stored: {reason}: {message}; errors.tolerance is none, \
     so this stops the connector: set it to all and name errors.deadletterqueue.topic.name to set such records aside"
)]
pub(crate) struct Intolerable {
    /// The connector.
    pub(crate) connector: String,
    /// The record's partition.
    pub(crate) at: TopicPartition,
    /// The record's offset there.
    pub(crate) offset: i64,
    /// The reason code.
    pub(crate) reason: dead_letter::Reason,
    /// The error in words.
    pub(crate) message: String,
}

impl Trouble {
    /// What an error of the database means for the work.
    pub(crate) fn of(operation: &'static str, source: sqlx::Error) -> Self {
        let hint = match errors::class(&source) {
            Class::Collision => return Self::Collision(Box::new(Failed { operation, hint: "", source })),
            Class::Config => {
                "; this worked before, so settings, rights or the table were changed: correct them, the writer waits"
            }
            Class::Unknown | Class::Data(_) => {
                "; not a known error of infrastructure, the writer waits all the same"
            }
            Class::Infrastructure => "",
        };
        Self::Wait(Box::new(Failed { operation, hint, source }))
    }

    /// What a repetition for this reason is called in signals, and the reason in words; `None` if it is none.
    pub(crate) fn retry(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Collision(error) => Some((COLLISION, cause_chain(&**error))),
            Self::Wait(error) => Some((INFRASTRUCTURE, cause_chain(&**error))),
            Self::Fenced(_) | Self::Fatal(_) => None,
        }
    }
}
