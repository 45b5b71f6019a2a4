//! An answer as a table, as CSV or as JSON; the last two are written while rows still come, so they may be long.

use comfy_table::Table;
use service::Error;

use crate::{
    database::{Column, Type},
    output::{self, Output, harmless},
};

/// How an answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Aligned columns for people
    Table,
    /// RFC 4180, with a line of names; NULL is an empty field
    Csv,
    /// An array of objects, one a line
    Json,
}

/// An answer that is being written.
pub(super) struct Answer<'o> {
    columns: Vec<Column>,
    output: &'o Output,
    rows: u64,
    body: Body,
}

enum Body {
    Table(Table),
    Csv(csv::Writer<Vec<u8>>),
    Json(String),
}

/// Rows are written so many at a time.
const ROWS_WRITTEN: u64 = 500;

impl<'o> Answer<'o> {
    /// No rows yet.
    pub(super) fn new(format: Format, columns: Vec<Column>, output: &'o Output) -> Self {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let numbers: Vec<&str> = columns
            .iter()
            .filter(|column| column.kind == Type::Number)
            .map(|column| column.name.as_str())
            .collect();
        let body = match format {
            Format::Table => Body::Table(output::table(&names, &numbers)),
            Format::Csv => Body::Csv(csv::Writer::from_writer(Vec::new())),
            Format::Json => Body::Json("[".to_owned()),
        };
        Self { columns, output, rows: 0, body }
    }

    /// Adds a row, and writes what has gathered.
    pub(super) fn add(&mut self, row: Vec<Option<String>>) -> Result<(), Error> {
        let is_first = self.rows == 0;
        self.rows += 1;
        match &mut self.body {
            Body::Table(table) => {
                let cells = row.into_iter().zip(&self.columns);
                table.add_row(output::row(cells.map(|(cell, column)| match cell {
                    Some(text) => harmless(&as_text(text, column.kind)),
                    None => "NULL".to_owned(),
                })));
            }
            Body::Csv(writer) => {
                if is_first {
                    header(writer, &self.columns)?;
                }
                let cells = row.into_iter().zip(&self.columns);
                let record = cells
                    .map(|(cell, column)| cell.map(|text| as_text(text, column.kind)).unwrap_or_default());
                writer.write_record(record).map_err(Error::failed)?;
            }
            Body::Json(text) => {
                text.push_str(if is_first { "\n{" } else { ",\n{" });
                for (index, (cell, column)) in row.into_iter().zip(&self.columns).enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    text.push_str(&serde_json::Value::from(column.name.as_str()).to_string());
                    text.push(':');
                    text.push_str(&as_json(cell, column.kind));
                }
                text.push('}');
            }
        }
        if self.rows.is_multiple_of(ROWS_WRITTEN) { self.write() } else { Ok(()) }
    }

    /// Writes the rest; tells how many rows there were.
    pub(super) fn finish(mut self) -> Result<u64, Error> {
        match &mut self.body {
            Body::Table(table) => self.output.say(table.to_string())?,
            Body::Csv(writer) => {
                if self.rows == 0 {
                    header(writer, &self.columns)?;
                }
                self.write()?;
            }
            Body::Json(text) => {
                text.push_str(if self.rows == 0 { "]" } else { "\n]" });
                self.write()?;
            }
        }
        Ok(self.rows)
    }

    fn write(&mut self) -> Result<(), Error> {
        let text = match &mut self.body {
            // Its columns are as wide as their widest cell, which may still come.
            Body::Table(_) => return Ok(()),
            Body::Csv(writer) => {
                let full = std::mem::replace(writer, csv::Writer::from_writer(Vec::new()));
                let bytes = full.into_inner().map_err(|error| Error::failed(error.to_string()))?;
                String::from_utf8(bytes).map_err(Error::failed)?
            }
            Body::Json(text) => std::mem::take(text),
        };
        let text = text.strip_suffix('\n').unwrap_or(&text);
        if text.is_empty() { Ok(()) } else { self.output.say(text) }
    }
}

fn header(writer: &mut csv::Writer<Vec<u8>>, columns: &[Column]) -> Result<(), Error> {
    writer.write_record(columns.iter().map(|column| &column.name)).map_err(Error::failed)
}

/// A value as people read it.
fn as_text(text: String, kind: Type) -> String {
    match kind {
        Type::Boolean => (text != "0").to_string(),
        Type::Number | Type::Text => text,
    }
}

/// A value as JSON has it; numbers keep all digits of the database's own text.
fn as_json(cell: Option<String>, kind: Type) -> String {
    match (cell, kind) {
        (None, _) => "null".to_owned(),
        (Some(text), Type::Number) => text,
        (Some(text), Type::Boolean) => (text != "0").to_string(),
        (Some(text), Type::Text) => serde_json::Value::from(text).to_string(),
    }
}
