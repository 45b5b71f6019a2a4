//! Labels of metrics and attributes of spans.

/// A topic.
pub const TOPIC: &str = "messaging.destination.name";
/// A partition number.
pub const PARTITION: &str = "messaging.destination.partition.id";
/// A consumer group.
pub const GROUP: &str = "messaging.consumer.group.name";
/// The messaging system: always [`KAFKA`].
pub const MESSAGING_SYSTEM: &str = "messaging.system.name";
/// What is asked of Kafka, for example `commit`.
pub const OPERATION: &str = "messaging.operation.name";
/// What kind of operation that is: `send`, `receive`, `process` or `settle`.
pub const OPERATION_TYPE: &str = "messaging.operation.type";
/// Records of a batch.
pub const BATCH_COUNT: &str = "messaging.batch.message_count";
/// An offset in a partition.
pub const OFFSET: &str = "kafka.offset";
/// A record's key.
pub const KEY: &str = "kafka.message.key";
/// The value of [`MESSAGING_SYSTEM`].
pub const KAFKA: &str = "kafka";

/// The database system: always [`MARIADB`].
pub const DB_SYSTEM: &str = "db.system.name";
/// A table.
pub const DB_COLLECTION: &str = "db.collection.name";
/// A database.
pub const DB_NAMESPACE: &str = "db.namespace";
/// The kind of statement, for example `INSERT`.
pub const DB_OPERATION: &str = "db.operation.name";
/// What is done to what, in few words: the name of the span.
pub const DB_SUMMARY: &str = "db.query.summary";
/// The server's error number.
pub const DB_STATUS: &str = "db.response.status_code";
/// Rows of a statement: it is one operation, so the conventions have no name for them.
pub const DB_ROWS: &str = "app.db.rows";
/// The value of [`DB_SYSTEM`].
pub const MARIADB: &str = "mariadb";

/// A request's method.
pub const HTTP_METHOD: &str = "http.request.method";
/// An answer's status.
pub const HTTP_STATUS: &str = "http.response.status_code";
/// The path of a request with its variables by name.
pub const URL_TEMPLATE: &str = "url.template";
/// Where a request goes.
pub const SERVER_ADDRESS: &str = "server.address";

/// Why something failed: a reason code, a class of errors.
pub const ERROR_TYPE: &str = "error.type";

/// What went wrong, in words.
pub const ERROR_MESSAGE: &str = "error.message";

/// A stream of events by its raw topic, for example `toll`.
pub const STREAM: &str = "stream";
/// A reason code of a dead letter or a flag; `VALID` in verdicts of records that go on.
pub const REASON: &str = "reason";
/// The name of a rule of a contract.
pub const RULE: &str = "rule";
/// A connector of the writer.
pub const CONNECTOR: &str = "connector";
/// A task of a connector, from 0.
pub const TASK: &str = "task";
/// Where something is counted: a connector's name, `validator`, or of the validator's dead letters Kafka Connect's stage.
pub const STAGE: &str = "stage";
/// What a service waits for, for example `kafka`.
pub const DEPENDENCY: &str = "dependency";
/// A kind of deliberate fault, for example `truncated`.
pub const FAULT: &str = "fault";
/// A feed's name.
pub const FEED: &str = "feed";
/// What became of something, for example `not_modified`.
pub const OUTCOME: &str = "outcome";

/// Of a span: the stream of events, by its raw topic.
pub const SPAN_STREAM: &str = "turnpike.stream";
/// Of a span: the feed that wrote the record.
pub const SPAN_FEED: &str = "turnpike.feed";
/// Of a span: the event's id.
pub const EVENT_ID: &str = "turnpike.event_id";
/// Of a span: `valid`, `flagged` or `refused`.
pub const VERDICT: &str = "turnpike.verdict";
/// Of a span: the rules that only flag, as `CODE:rule,…`.
pub const SPAN_FLAGS: &str = "turnpike.flags";
/// Of a span: the reason code of a refusal.
pub const SPAN_REASON: &str = "turnpike.reason";
/// Of a span: the first rule that refused.
pub const SPAN_RULE: &str = "turnpike.rule";
/// Of a span: the pipeline whose text the record was.
pub const DIALECT: &str = "turnpike.dialect";
/// Of a span: the id of the schema that the record is written with.
pub const SCHEMA_ID: &str = "turnpike.schema.id";
/// Of a span: the version of the contract that judged.
pub const CONTRACT_VERSION: &str = "turnpike.contract.version";
/// Of a span: the connector that stores.
pub const SPAN_CONNECTOR: &str = "turnpike.connector";
/// Of a span: `stored`, `skipped` by a filter, `rejected`, `taken_over` by another writer, or `undone` at a stop.
pub const SPAN_OUTCOME: &str = "turnpike.outcome";
/// Of a span: the deliberate fault that the generator gave the record.
pub const SPAN_FAULT: &str = "turnpike.fault";
/// Of a dead letter's span: the topic of the failed record.
pub const SOURCE_TOPIC: &str = "turnpike.source.topic";
/// Of a dead letter's span: its partition.
pub const SOURCE_PARTITION: &str = "turnpike.source.partition";
/// Of a dead letter's span: its offset.
pub const SOURCE_OFFSET: &str = "turnpike.source.offset";
