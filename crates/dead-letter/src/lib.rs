//! What a dead letter says: the closed list of reasons, and the headers that carry them.
//!
//! A dead letter is the original record (key, value, timestamp and headers untouched) plus a [`Context`]: Kafka
//! Connect's `__connect.errors.*` headers with the same names, stages and text form (KIP-298), then `turnpike.*`
//! headers with what Connect's lack: a stable reason code, the rule, the values it saw, the attempt and the time.
//! This crate is pure: it neither reads nor writes topics.

mod context;
mod reason;

pub use context::{Context, HeaderError, Stage, is_own_header};
pub use reason::{Reason, UnknownReason};
