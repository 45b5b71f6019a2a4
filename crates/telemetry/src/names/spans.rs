//! Names of spans: an operation, and what it is done to, of which there are few.

/// Writing a record to a topic.
pub fn send(topic: &str) -> String {
    format!("send {topic}")
}

/// Handling a record of a topic.
pub fn process(topic: &str) -> String {
    format!("process {topic}")
}

/// Storing rows in a table.
pub fn insert(table: &str) -> String {
    format!("INSERT {table}")
}

/// A batch of the validator or a feed: one Kafka transaction of this group or transactional id.
pub fn transaction(group: &str) -> String {
    format!("transaction {group}")
}

/// A batch of the writer: one MariaDB transaction of this connector.
pub fn store(connector: &str) -> String {
    format!("store {connector}")
}

/// Waiting until a dependency answers.
pub fn connect(dependency: &str) -> String {
    format!("connect {dependency}")
}

/// Reading the records of a batch.
pub const POLL: &str = "poll";
/// Judging the records of a batch.
pub const JUDGE: &str = "judge";
/// Sending the records of a batch.
pub const SEND: &str = "send";
/// Committing a batch to Kafka.
pub const COMMIT: &str = "commit";
/// Moving the ledger on.
pub const UPDATE_LEDGER: &str = "UPDATE ledger";
/// Committing a batch to MariaDB.
pub const DB_COMMIT: &str = "COMMIT";

/// The event of an attempt that failed and is repeated.
pub const RETRY: &str = "retry";
/// How an operation that commits is typed: `messaging.operation.type`.
pub const SETTLE: &str = "settle";
