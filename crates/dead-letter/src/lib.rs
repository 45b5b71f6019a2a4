//! What a dead letter says: the closed list of reasons, and the headers that carry them.
//!
//! A dead letter is the original record (key, value, timestamp and headers untouched) plus a [`Context`]: Kafka
//! Connect's `__connect.errors.*` headers with the same names, stages and text form (KIP-298), then `turnpike.*`
//! headers with what Connect's lack: a stable reason code, the rule, the values it saw, the attempt and the time.
//! Good records may carry marks: what is odd about them ([`FLAGS`]), and which text they came as ([`DIALECT`]).
//! This crate is pure: it neither reads nor writes topics.

mod context;
mod reason;

pub use context::{
    Context, DIALECT, FLAGS, HeaderError, NO_DETAIL, Stage, TRACEPARENT, is_mark, is_own_header,
};
pub use reason::{Reason, UnknownReason};
