//! Kafka as the services use it: consumers that say where they start, producers that say when all is acknowledged,
//! transactions, topics, and errors sorted by what to do about them.
//!
//! The only crate that names `rdkafka`. Everything here is synchronous and meant for a thread that owns its client:
//! the hot paths poll a batch of borrowed [`Record`]s, work on them and hand them on, without a future or an
//! allocation per record. It is **not** a general client: no auto-commit, no eager rebalancing, always
//! `read_committed`.

mod admin;
mod bootstrap;
mod compacted;
mod connection;
mod consumer;
mod error;
mod lag;
mod logging;
mod producer;
mod properties_file;
mod reader;
mod receipt;
mod record;
mod refusal;
mod transaction;

pub use admin::{Admin, NewTopic, Partition, Topic, TopicOutcome};
pub use connection::{Connection, ConsumerSettings, Properties, Property};
pub use consumer::{BatchLimits, Committed, Consumer, Position, Rebalance, TopicPartition};
pub use error::{Class, Error};
pub use lag::{Lag, LagMeter, Standing};
pub use producer::{Delivery, OnDelivery, Producer};
pub use properties_file::PropertiesFile;
pub use reader::{Found, Reader};
pub use receipt::ended_by;
pub use record::{Headers, Outgoing, Receipt, Record};
pub use transaction::TransactionalProducer;
