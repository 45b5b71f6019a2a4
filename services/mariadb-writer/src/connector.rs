//! A connector: what to read, where to write it and what to do with what cannot be written, checked before anything starts.

mod keys;

use std::time::Duration;

use service::{Error, Secret};

use crate::{
    database::{self, Target},
    document::Document,
    settings::Settings,
    transforms::Transforms,
};
use keys::{CLASSES, TABLES_MUST_EXIST, UNSUPPORTED, WITHOUT_EFFECT};

/// A checked connector document, in the terms of this writer.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    /// Its name: part of the consumer group, of the ledger's key and of every signal.
    pub(crate) name: String,
    /// What becomes of a record.
    pub(crate) sink: Sink,
    /// How many tasks share the partitions, each with one consumer and one connection.
    pub(crate) tasks_max: u32,
    /// What is read.
    pub(crate) topics: Topics,
    /// Where the database is.
    pub(crate) target: Target,
    /// Which table rows go to.
    pub(crate) table: TableFormat,
    /// How rows are written.
    pub(crate) insert_mode: InsertMode,
    /// Where key columns come from.
    pub(crate) key: KeySource,
    /// What becomes of a record's fields, and which of them are written.
    pub(crate) transforms: Transforms,
    /// How much goes into one transaction.
    pub(crate) batch: BatchLimits,
    /// What becomes of records that cannot be written; `None` = the first one stops the service.
    pub(crate) dead_letter_topic: Option<String>,
    /// Overrides of the connector's consumer (`consumer.override.*`).
    pub(crate) consumer_properties: Vec<(String, String)>,
    /// Overrides of the connector's producer of dead letters (`producer.override.*`).
    pub(crate) producer_properties: Vec<(String, String)>,
    /// The registry of this connector's converter, if it names one.
    pub(crate) registry_url: Option<String>,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sink {
    /// Each Avro record becomes a row.
    Jdbc,
    /// Each dead letter becomes a row of `turnpike.dead_letters`, raw bytes and headers.
    DeadLetters,
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Topics {
    /// `topics`.
    Named(Vec<String>),
    /// `topics.regex`: matches whole names.
    Pattern(String),
}

/// `insert.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InsertMode {
    /// A row that is there already is a data error.
    Insert,
    /// A row that is there already is overwritten.
    Upsert,
}

/// `pk.mode` with `pk.fields`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// No key columns of their own.
    None,
    /// Topic, partition and offset go to these columns.
    Coordinates([String; 3]),
    /// The record's key, as text, goes to this column.
    RecordKey(String),
    /// These fields of the value are the key.
    RecordValue(Vec<String>),
}

/// `table.name.format`: `table` or `database.table`, where `${topic}` stands for the topic's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableFormat {
    database: String,
    table: String,
}

/// A table's full name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TableName {
    /// Its database.
    pub(crate) database: String,
    /// Its name within the database.
    pub(crate) table: String,
}

/// How much goes into one transaction; whichever limit is met first closes the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchLimits {
    /// Rows (`batch.size`).
    pub(crate) rows_max: usize,
    /// Bytes of keys and values (`batch.bytes.max`).
    pub(crate) bytes_max: usize,
    /// How long a batch may wait for more records while the writer is idle (`batch.linger.ms`).
    pub(crate) linger: Duration,
}

/// What a document need not say itself: the service's own flags.
#[derive(Debug, Clone)]
pub(crate) struct Defaults {
    /// The database (`--mariadb-url`).
    pub(crate) url: Option<String>,
    /// Its user.
    pub(crate) user: Option<String>,
    /// Its password.
    pub(crate) password: Option<Secret>,
}

/// As fast as larger batches, with less in memory; and no remainder that would take small statements.
const ROWS_DEFAULT: usize = 3_072;
const ROWS_MAX: usize = 50_000;
const BYTES_DEFAULT: usize = 4 << 20;
const BYTES_MAX: usize = 64 << 20;
const LINGER_MS_DEFAULT: u64 = 1;
const LINGER_MS_MAX: u64 = 10_000;
const TASKS_MAX: u32 = 64;
const DEAD_LETTERS_TABLE: &str = "turnpike.dead_letters";

impl Connector {
    /// Checks a document; unknown keys are logged, anything wrong is refused by key.
    pub(crate) fn new(document: &Document, defaults: &Defaults) -> Result<Self, Error> {
        let settings = Settings::new(document);
        for key in WITHOUT_EFFECT {
            settings.find(&[key]);
        }
        settings.under("key.converter.");
        for (key, supported) in UNSUPPORTED {
            settings.unsupported(key, supported)?;
        }
        for (key, supported) in TABLES_MUST_EXIST {
            if settings.unsupported(key, supported).is_err() {
                let file = document.file.display();
                tracing::warn!(
                    connector = document.name,
                    key,
                    "{file}: `{key}` is not supported yet: tables and columns must exist"
                );
            }
        }
        let classes = CLASSES.map(|(name, _)| name).join(", ");
        let class = settings.required("connector.class", &classes)?;
        let sink = CLASSES.iter().find(|(name, _)| *name == class).map(|(_, sink)| *sink);
        let sink = sink.ok_or_else(|| settings.refused("connector.class", &classes))?;
        converter(&settings, sink)?;
        let topics = topics(&settings)?;
        let target = database::target(&settings, defaults)?;
        let insert_mode = insert_mode(&settings, sink)?;
        let connector = Self {
            name: document.name.clone(),
            sink,
            tasks_max: settings.number(&["tasks.max"], 1..=TASKS_MAX, 1)?,
            table: table_format(&settings, sink, &target)?,
            insert_mode,
            key: key_source(&settings, insert_mode, sink)?,
            transforms: transforms(&settings, sink)?,
            batch: batch_limits(&settings)?,
            dead_letter_topic: dead_letter_topic(&settings, sink, &topics)?,
            consumer_properties: settings.under("consumer.override."),
            producer_properties: settings.under("producer.override."),
            registry_url: settings.find(&["value.converter.schema.registry.url"]).map(str::to_owned),
            topics,
            target,
        };
        connector.tables(&settings)?;
        for (key, meant) in settings.unknown() {
            let hint = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
            let file = document.file.display();
            tracing::warn!(
                connector = connector.name,
                key,
                "{file}: `{key}` is not a key of this sink and is ignored{hint}"
            );
        }
        Ok(connector)
    }

    /// The table of a topic.
    pub(crate) fn table_of(&self, topic: &str) -> TableName {
        let fill = |text: &str| text.replace("${topic}", topic);
        TableName { database: fill(&self.table.database), table: fill(&self.table.table) }
    }

    /// The columns that make the key.
    pub(crate) fn key_columns(&self) -> Vec<String> {
        match &self.key {
            KeySource::None => Vec::new(),
            KeySource::Coordinates(columns) => columns.to_vec(),
            KeySource::RecordKey(column) => vec![column.clone()],
            KeySource::RecordValue(fields) => fields.clone(),
        }
    }

    /// The tables that rows can go to, each named once.
    pub(crate) fn table_names(&self) -> Vec<TableName> {
        let mut tables: Vec<TableName> = match &self.topics {
            Topics::Named(topics) => topics.iter().map(|topic| self.table_of(topic)).collect(),
            Topics::Pattern(_) => vec![self.table_of("")],
        };
        tables.sort();
        tables.dedup();
        tables
    }

    fn tables(&self, settings: &Settings<'_>) -> Result<(), Error> {
        let by_topic = self.table.database.contains("${topic}") || self.table.table.contains("${topic}");
        if by_topic && matches!(self.topics, Topics::Pattern(_)) {
            return Err(
                settings.refused("table.name.format", "a table without ${topic} when topics.regex is used")
            );
        }
        Ok(())
    }
}

impl Topics {
    /// The topics that are known by name.
    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Self::Named(topics) => topics.clone(),
            Self::Pattern(_) => Vec::new(),
        }
    }

    /// Whether a topic is among those that are read.
    fn include(&self, topic: &str) -> bool {
        match self {
            Self::Named(topics) => topics.iter().any(|name| name == topic),
            Self::Pattern(pattern) => whole_name(pattern).is_ok_and(|pattern| pattern.is_match(topic)),
        }
    }
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}

fn converter(settings: &Settings<'_>, sink: Sink) -> Result<(), Error> {
    let (default, allowed) = match sink {
        Sink::Jdbc => ("io.confluent.connect.avro.AvroConverter", "io.confluent.connect.avro.AvroConverter"),
        Sink::DeadLetters => {
            let bytes = "org.apache.kafka.connect.converters.ByteArrayConverter";
            (bytes, bytes)
        }
    };
    settings.find(&["value.converter.schema.registry.url"]);
    match settings.find(&["value.converter"]).unwrap_or(default) {
        value if value == allowed => Ok(()),
        _ => Err(settings.refused("value.converter", allowed)),
    }
}

fn topics(settings: &Settings<'_>) -> Result<Topics, Error> {
    let named = settings.list(&["topics"]);
    match (named.is_empty(), settings.find(&["topics.regex"])) {
        (false, None) => Ok(Topics::Named(named)),
        (true, Some(pattern)) => match whole_name(pattern) {
            Ok(_) => Ok(Topics::Pattern(pattern.to_owned())),
            Err(_) => Err(settings.refused("topics.regex", "a regular expression")),
        },
        (true, None) => Err(settings.refused("topics", "names of topics, or topics.regex in its place")),
        (false, Some(_)) => Err(settings.refused("topics.regex", "nothing, as topics is set as well")),
    }
}

fn table_format(settings: &Settings<'_>, sink: Sink, target: &Target) -> Result<TableFormat, Error> {
    const KEYS: [&str; 2] = ["table.name.format", "collection.name.format"];
    let default = match sink {
        Sink::Jdbc => "${topic}",
        Sink::DeadLetters => DEAD_LETTERS_TABLE,
    };
    let format = settings.find(&KEYS).unwrap_or(default);
    let (database, table) = match format.split_once('.') {
        Some((database, table)) => (Some(database), table),
        None => (target.database.as_deref(), format),
    };
    match database {
        Some(database) if !database.is_empty() && !table.is_empty() => {
            Ok(TableFormat { database: database.to_owned(), table: table.to_owned() })
        }
        _ => {
            Err(settings
                .refused(KEYS[0], "database.table, or a table when connection.url names the database"))
        }
    }
}

fn insert_mode(settings: &Settings<'_>, sink: Sink) -> Result<InsertMode, Error> {
    let modes = [
        ("insert", Some(InsertMode::Insert)),
        ("multi", Some(InsertMode::Insert)),
        ("upsert", Some(InsertMode::Upsert)),
        ("update", None),
    ];
    let default = match sink {
        Sink::Jdbc => InsertMode::Insert,
        Sink::DeadLetters => InsertMode::Upsert,
    };
    settings
        .choice(&["insert.mode"], &modes, Some(default))?
        .ok_or_else(|| settings.refused("insert.mode", "insert, upsert (update is not supported yet)"))
}

fn key_source(settings: &Settings<'_>, mode: InsertMode, sink: Sink) -> Result<KeySource, Error> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mode {
        None,
        Kafka,
        RecordKey,
        RecordValue,
    }
    const KEYS: [&str; 2] = ["pk.mode", "primary.key.mode"];
    let modes = [
        ("none", Mode::None),
        ("kafka", Mode::Kafka),
        ("record_key", Mode::RecordKey),
        ("record_value", Mode::RecordValue),
    ];
    let mut fields = settings.list(&["pk.fields", "primary.key.fields"]);
    let refused = |allowed: &str| Err(settings.refused("pk.fields", allowed));
    Ok(match settings.choice(&KEYS, &modes, Mode::None)? {
        Mode::None if mode == InsertMode::Upsert && sink == Sink::Jdbc => {
            return Err(
                settings.refused(KEYS[0], "kafka, record_key, record_value (insert.mode=upsert needs a key)")
            );
        }
        Mode::None => KeySource::None,
        Mode::Kafka => {
            if fields.is_empty() {
                fields = ["__connect_topic", "__connect_partition", "__connect_offset"]
                    .map(str::to_owned)
                    .to_vec();
            }
            match <[String; 3]>::try_from(fields) {
                Ok(columns) => KeySource::Coordinates(columns),
                Err(_) => return refused("three columns: for topic, partition and offset"),
            }
        }
        Mode::RecordKey => match <[String; 1]>::try_from(fields) {
            Ok([column]) => KeySource::RecordKey(column),
            Err(_) => return refused("one column: keys are plain text"),
        },
        Mode::RecordValue if fields.is_empty() && mode == InsertMode::Upsert => {
            return refused("the fields that make the key");
        }
        Mode::RecordValue => KeySource::RecordValue(fields),
    })
}

fn batch_limits(settings: &Settings<'_>) -> Result<BatchLimits, Error> {
    Ok(BatchLimits {
        rows_max: settings.number(&["batch.size"], 1..=ROWS_MAX, ROWS_DEFAULT)?,
        bytes_max: settings.number(&["batch.bytes.max"], 1..=BYTES_MAX, BYTES_DEFAULT)?,
        linger: Duration::from_millis(settings.number(
            &["batch.linger.ms"],
            1..=LINGER_MS_MAX,
            LINGER_MS_DEFAULT,
        )?),
    })
}

fn transforms(settings: &Settings<'_>, sink: Sink) -> Result<Transforms, Error> {
    if sink == Sink::DeadLetters && settings.find(&["transforms"]).is_some() {
        return Err(settings.refused("transforms", "nothing: dead letters are stored as they are"));
    }
    Transforms::new(settings)
}

/// The topic for dead letters. Records are never dropped unseen, so tolerance without a topic is refused, and dead letters
/// themselves have none: each can be stored, or has to wait.
fn dead_letter_topic(settings: &Settings<'_>, sink: Sink, topics: &Topics) -> Result<Option<String>, Error> {
    const KEY: &str = "errors.deadletterqueue.topic.name";
    let tolerant = settings.choice(&["errors.tolerance"], &[("none", false), ("all", true)], false)?;
    let topic = settings.find(&[KEY]);
    if sink == Sink::DeadLetters {
        return match topic {
            Some(_) => Err(settings.refused(KEY, "nothing: dead letters have no dead letters of their own")),
            None => Ok(None),
        };
    }
    match (tolerant, topic) {
        (false, _) => Ok(None),
        (true, None) => {
            Err(settings
                .refused(KEY, "a topic, as errors.tolerance is all and no record may be dropped unseen"))
        }
        (true, Some(topic)) if topics.include(topic) => {
            Err(settings.refused(KEY, "a topic that the connector does not read itself"))
        }
        (true, Some(topic)) => Ok(Some(topic.to_owned())),
    }
}

fn whole_name(pattern: &str) -> Result<regex::Regex, regex::Error> {
    regex::Regex::new(&format!("^(?:{pattern})$"))
}

#[cfg(test)]
#[path = "connector_tests.rs"]
mod tests;
