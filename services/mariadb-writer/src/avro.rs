//! Avro records as rows of one table: fields find their columns by name, once per schema, whatever schema a record has.

use std::sync::Arc;

use dead_letter::Reason;
use events::{DecodeError, Field, Logical, Shape, Value};
use kafka::Record;
use schema_registry::{NotFramed, SchemaId};
use service::Error;
use sqlx::mysql::MySqlArguments;

use crate::{
    cell::{Cell, DECIMAL_SCALE_MAX},
    connector::{Connector, InsertMode, KeySource},
    rejection::Rejection,
    statement::Statements,
    table::{Table, Unset},
    transforms::Outcome,
};

/// How the records of one connector become rows of one table. Immutable: a new schema makes a new one.
#[derive(Debug, Clone)]
pub(crate) struct AvroRows {
    connector: Arc<Connector>,
    table: Arc<Table>,
    columns: Vec<String>,
    statements: Arc<Statements>,
    schemas: Vec<Schema>,
}

/// A schema that records can have.
#[derive(Debug, Clone)]
struct Schema {
    id: SchemaId,
    shape: Arc<Shape>,
    transformed: Arc<Outcome>,
    projection: Projection,
}

/// What a record has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// A row.
    Row,
    /// Nothing: a filter left it out.
    Skipped,
}

/// Where each column of the statement takes its value from, for one schema.
type Projection = Arc<[Input]>;

/// What one column takes.
#[derive(Debug, Clone)]
struct Input {
    source: Source,
    /// Whether the column is text of ASCII alone.
    ascii: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Field(usize),
    Topic,
    Partition,
    Offset,
    Key,
    /// The schema has no such field; NULL if the column takes it.
    Absent {
        nullable: bool,
    },
}

/// Memory that is used from record to record.
#[derive(Debug, Default)]
pub(crate) struct Scratch<'b> {
    values: Vec<Value<'b>>,
    cells: Vec<Cell<'b>>,
}

impl AvroRows {
    /// Rows of `table`. Columns that the connector names itself are checked now, those of a schema when it is met.
    pub(crate) fn new(connector: Arc<Connector>, table: Table) -> Result<Self, Error> {
        let columns: Vec<String> = match &connector.key {
            KeySource::Coordinates(columns) => columns.to_vec(),
            KeySource::RecordKey(column) => vec![column.clone()],
            KeySource::None | KeySource::RecordValue(_) => Vec::new(),
        };
        let whitelist = &connector.transforms.whitelist;
        let columns: Vec<String> = columns.into_iter().chain(whitelist.iter().cloned()).collect();
        let complete = !whitelist.is_empty();
        let statements = Arc::new(Statements::new(&table.name, Vec::new(), connector.insert_mode, &[]));
        let rows =
            Self { connector, table: Arc::new(table), columns: Vec::new(), statements, schemas: Vec::new() };
        rows.check_key()?;
        rows.with_columns(columns, complete)
    }

    /// The same, able to read records of one more schema.
    ///
    /// # Errors
    /// [`Error::Config`] if a field has no column, a column that needs a value has no field, or a transform names a field
    /// that the records do not have.
    pub(crate) fn with_schema(&self, id: SchemaId, shape: Arc<Shape>) -> Result<Self, Error> {
        let connector = &self.connector;
        let of_schema = format!("of schema {id} ({})", shape.name());
        let transformed = connector.transforms.of_schema(&shape).map_err(|misfit| {
            let setting = format!("connector {}: {} for records {of_schema}", connector.name, misfit.key);
            Error::config(setting, misfit.value, misfit.allowed)
        })?;
        let mut columns = self.columns.clone();
        let mut named: Vec<&str> = Vec::new();
        for (index, column) in transformed.columns() {
            let field = &transformed.fields()[index];
            let refused = |allowed: &str| {
                let setting =
                    format!("connector {}: column of field {} {of_schema}", connector.name, field.name);
                Err(Error::config(setting, format!("{}.{column}", self.table.name), allowed))
            };
            if let Some(Logical::Decimal { scale, .. }) = field.logical
                && scale > DECIMAL_SCALE_MAX
            {
                return refused("a decimal of at most 38 digits after the point");
            }
            if named.iter().any(|known| known.eq_ignore_ascii_case(column)) {
                return refused("a column that no other field is written to");
            }
            if !columns.iter().any(|known| known.eq_ignore_ascii_case(column)) {
                columns.push(column.to_owned());
            }
            named.push(column);
        }
        let mut rows = self.with_columns(columns, true)?;
        let (transformed, projection) = (Arc::new(transformed), Arc::from([]));
        rows.schemas.push(Schema { id, shape, transformed, projection });
        rows.project();
        Ok(rows)
    }

    /// Whether records of this schema can be read.
    pub(crate) fn knows(&self, id: SchemaId) -> bool {
        self.schemas.iter().any(|schema| schema.id == id)
    }

    /// The bare Avro of a record and how to read it; `None` if its schema is not known.
    pub(crate) fn avro_of<'b>(&self, record: &'b Record<'_>) -> Option<(&Shape, &'b [u8])> {
        let (id, avro) = schema_of(record).ok()?;
        let schema = self.schemas.iter().find(|schema| schema.id == id)?;
        Some((&schema.shape, avro))
    }

    /// The statements that the rows go into.
    pub(crate) fn statements(&self) -> &Arc<Statements> {
        &self.statements
    }

    /// Binds a record's values to the next placeholders, or binds nothing: a filter left the record out, or it says why.
    ///
    /// The record's schema must be known; a schema that is not counts as unknown to the registry.
    pub(crate) fn bind<'b>(
        &'b self,
        record: &'b Record<'_>,
        scratch: &mut Scratch<'b>,
        arguments: &mut MySqlArguments,
    ) -> Result<Bound, Rejection> {
        let (id, avro) = schema_of(record)?;
        let Some(schema) = self.schemas.iter().find(|schema| schema.id == id) else {
            return Err(Rejection::of_value(
                Reason::UnknownSchema,
                format!("the registry knows no schema {id}"),
            ));
        };
        schema.shape.decode(avro, &mut scratch.values).map_err(|error| undecodable(&error))?;
        if !schema.transformed.apply(record, &mut scratch.values)? {
            return Ok(Bound::Skipped);
        }
        let fields: &[Field] = schema.transformed.fields();
        scratch.cells.clear();
        for (Input { source, ascii }, column) in schema.projection.iter().zip(&self.columns) {
            let cell = match source {
                Source::Field(index) => Cell::new(scratch.values[*index], &fields[*index], column)?,
                Source::Topic => Cell::Text(record.topic()),
                Source::Partition => Cell::Int(record.partition()),
                Source::Offset => Cell::Long(record.offset()),
                Source::Key => key(record, column)?,
                Source::Absent { nullable: true } => Cell::Null,
                Source::Absent { nullable: false } => {
                    let message =
                        format!("schema {id} has no field for column {column}, which takes no NULL");
                    return Err(Rejection::of_column(Reason::MissingField, column, message));
                }
            };
            scratch.cells.push(if *ascii { cell.of_ascii() } else { cell });
        }
        for cell in &scratch.cells {
            cell.bind(arguments);
        }
        Ok(Bound::Row)
    }

    /// The same with other columns; `complete` says that rows have no columns but these.
    fn with_columns(&self, columns: Vec<String>, complete: bool) -> Result<Self, Error> {
        if columns == self.columns && !complete {
            return Ok(self.clone());
        }
        let refused = |what: &str, column: &str, allowed: &str| {
            let key = format!("connector {}: {what}", self.connector.name);
            Error::config(key, format!("{}.{column}", self.table.name), allowed)
        };
        for name in &columns {
            match self.table.column(name) {
                Some(column) if column.unset != Unset::Generated => {}
                Some(_) => {
                    return Err(refused(
                        "column",
                        name,
                        "a column that the database does not compute itself",
                    ));
                }
                None => {
                    let allowed = "a column that exists: add it to the table, or leave the field out by fields.whitelist \
                        or rename it by a ReplaceField transform";
                    return Err(refused("column", name, allowed));
                }
            }
        }
        let unsupplied = if complete { self.table.unsupplied(&columns) } else { Vec::new() };
        if let Some(column) = unsupplied.first() {
            let allowed = "a column that a field supplies, or that has a default or takes NULL";
            return Err(refused("column without a value", column, allowed));
        }
        let key = self.connector.key_columns();
        let upsert = self.connector.insert_mode == InsertMode::Upsert;
        let is_supplied = |name: &&String| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
        if let Some(column) = key.iter().find(|name| complete && upsert && !is_supplied(name)) {
            return Err(refused("pk.fields", column, "a column that a field supplies"));
        }
        let statements = Statements::new(&self.table.name, columns.clone(), self.connector.insert_mode, &key);
        let mut rows = Self { columns, statements: Arc::new(statements), ..self.clone() };
        rows.project();
        Ok(rows)
    }

    /// Finds anew where each column takes its value from, for every schema.
    fn project(&mut self) {
        let (columns, table) = (&self.columns, &self.table);
        for Schema { transformed, projection, .. } in &mut self.schemas {
            let source = |column: &String| match &self.connector.key {
                KeySource::Coordinates([topic, _, _]) if topic == column => Source::Topic,
                KeySource::Coordinates([_, partition, _]) if partition == column => Source::Partition,
                KeySource::Coordinates([_, _, offset]) if offset == column => Source::Offset,
                KeySource::RecordKey(key) if key == column => Source::Key,
                _ => {
                    let index = transformed
                        .columns()
                        .find_map(|(index, name)| name.eq_ignore_ascii_case(column).then_some(index));
                    let nullable = table.column(column).is_some_and(|column| column.nullable);
                    index.map_or(Source::Absent { nullable }, Source::Field)
                }
            };
            let ascii = |column: &String| table.column(column).is_some_and(|column| column.ascii);
            let input = |column: &String| Input { source: source(column), ascii: ascii(column) };
            *projection = columns.iter().map(input).collect();
        }
    }

    /// An upsert finds the row to update by any unique key, so the connector's key must be one of them.
    fn check_key(&self) -> Result<(), Error> {
        let key = self.connector.key_columns();
        if self.connector.insert_mode == InsertMode::Insert {
            return Ok(());
        }
        if !self.table.is_unique(&key) {
            let setting = format!("connector {}: pk.fields", self.connector.name);
            let allowed = format!(
                "the columns of a unique key of {}, by which rows can be found again",
                self.table.name
            );
            return Err(Error::config(setting, key.join(","), allowed));
        }
        let all: Vec<String> = self
            .table
            .columns
            .iter()
            .filter(|column| column.unset == Unset::Refused)
            .map(|c| c.name.clone())
            .collect();
        for other in self.table.other_unique_keys(&key, &all) {
            let table = self.table.name.to_string();
            tracing::warn!(
                connector = self.connector.name,
                table,
                "{table} has another unique key ({other}): an upsert that meets it updates the row found there"
            );
        }
        Ok(())
    }
}

/// The schema that a record names, and its bare Avro bytes.
pub(crate) fn schema_of<'b>(record: &'b Record<'_>) -> Result<(SchemaId, &'b [u8]), Rejection> {
    let Some(value) = record.value() else {
        return Err(Rejection::of_value(
            Reason::NullValue,
            "the record has no value, and rows are not deleted".to_owned(),
        ));
    };
    schema_registry::split(value, record.headers())
        .map_err(|error: NotFramed| Rejection::of_value(Reason::NotFramed, error.to_string()))
}

fn undecodable(error: &DecodeError) -> Rejection {
    let reason = match error {
        DecodeError::TrailingBytes { .. } => Reason::TrailingBytes,
        DecodeError::Truncated { .. } | DecodeError::Malformed { .. } => Reason::Undecodable,
    };
    Rejection::of_value(reason, error.to_string())
}

fn key<'b>(record: &'b Record<'_>, column: &str) -> Result<Cell<'b>, Rejection> {
    match record.key().map(std::str::from_utf8) {
        Some(Ok(key)) => Ok(Cell::Text(key)),
        Some(Err(_)) => Err(Rejection::of_column(
            Reason::TypeMismatch,
            column,
            "the record's key is not text in UTF-8".to_owned(),
        )),
        None => Err(Rejection::of_column(Reason::MissingField, column, "the record has no key".to_owned())),
    }
}
