//! Rows of a table, with their bytes.

use std::io::{self, Read};

use csv::ByteRecord;
use dead_letter::Reason;
use serde_json::json;

use super::{Piece, RECORD_BYTES_MAX, ReadError};
use crate::{
    item::{Columns, Item},
    mapping::Refusal,
};

/// Bytes that the reader asks for at once.
const READ_BYTES: usize = 64 << 10;

/// The rows of a table.
#[derive(Debug)]
pub(crate) struct Rows<R> {
    csv: csv::Reader<Window<R>>,
    /// Where the source stood when reading began.
    base: u64,
    columns: Columns,
    row: ByteRecord,
}

impl<R: Read> Rows<R> {
    pub(super) fn new(source: R, base: u64, delimiter: u8) -> Self {
        let csv = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .buffer_capacity(READ_BYTES)
            .from_reader(Window { source, kept: Vec::new(), from: 0, done: 0 });
        Self { csv, base, columns: Columns::new(Vec::new()), row: ByteRecord::new() }
    }

    pub(super) fn set_columns(&mut self, columns: Columns) {
        self.columns = columns;
    }

    /// Takes the first row for the names of the columns.
    pub(super) fn read_heading(&mut self) -> Result<(), ReadError> {
        if !self.read()? {
            return Err(ReadError::NotThis("it has no heading row".to_owned()));
        }
        self.columns = Columns::of_heading(&self.row);
        let next = self.csv.position().byte();
        self.csv.get_mut().done = next;
        Ok(())
    }

    pub(super) fn columns(&self) -> &Columns {
        &self.columns
    }

    pub(super) fn next(&mut self) -> Result<Option<Piece<'_>>, ReadError> {
        if !self.read()? {
            return Ok(None);
        }
        let begin = self.row.position().map_or(0, csv::Position::byte);
        let next = self.csv.position().byte();
        self.csv.get_mut().done = next;
        let raw = without_line_ends(self.csv.get_ref().between(begin, next));
        let item = if self.row.len() == self.columns.len() {
            Ok(Item::Row(&self.columns, &self.row))
        } else {
            let (found, wanted) = (self.row.len(), self.columns.len());
            let message = format!("the row has {found} fields instead of {wanted}");
            let seen = json!({ "fields": found, "wanted": wanted });
            Err(Refusal::of_record(Reason::WrongFieldCount, message, &seen))
        };
        Ok(Some(Piece { raw, item, next_byte: self.base + next }))
    }

    fn read(&mut self) -> Result<bool, ReadError> {
        let begin = self.base + self.csv.position().byte();
        self.csv.read_byte_record(&mut self.row).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                ReadError::RecordTooLarge(begin)
            }
            csv::ErrorKind::Io(error) => ReadError::Io(error),
            other => ReadError::NotThis(format!("{other:?}")),
        })
    }
}

/// A row without the ends of lines around it: of its own, and of blank lines and the other half of `\r\n` before it.
/// White space stays: in a table that is separated by tabs it is empty cells.
fn without_line_ends(mut row: &[u8]) -> &[u8] {
    while let [b'\r' | b'\n', rest @ ..] | [rest @ .., b'\r' | b'\n'] = row {
        row = rest;
    }
    row
}

/// Keeps what the parser has read since its last row, so that a row's own bytes can be told.
#[derive(Debug)]
struct Window<R> {
    source: R,
    kept: Vec<u8>,
    /// Where `kept` begins.
    from: u64,
    /// Up to here nothing is needed any more.
    done: u64,
}

impl<R> Window<R> {
    fn between(&self, begin: u64, end: u64) -> &[u8] {
        let index = |byte: u64| (byte.saturating_sub(self.from) as usize).min(self.kept.len());
        &self.kept[index(begin)..index(end)]
    }
}

impl<R: Read> Read for Window<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let done = (self.done.saturating_sub(self.from) as usize).min(self.kept.len());
        self.kept.drain(..done);
        self.from += done as u64;
        if self.kept.len() > RECORD_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let count = self.source.read(buffer)?;
        self.kept.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Cell;

    fn rows(text: &[u8]) -> Rows<&[u8]> {
        let mut rows = Rows::new(text, 0, b';');
        rows.set_columns(Columns::new(["a", "b"].map(str::to_owned).to_vec()));
        rows
    }

    /// All rows as their bytes, their first cell or reason, and where the next one begins.
    fn read_all(rows: &mut Rows<&[u8]>) -> Vec<(String, String, u64)> {
        let mut all = Vec::new();
        while let Some(piece) = rows.next().expect("readable") {
            let first = match &piece.item {
                Ok(item) => match item.cell("a") {
                    Cell::Text(text) => text.into_owned(),
                    other => format!("{other:?}"),
                },
                Err(refusal) => refusal.reason.to_string(),
            };
            all.push((String::from_utf8_lossy(piece.raw).into_owned(), first, piece.next_byte));
        }
        all
    }

    /// Bytes are those of the row alone, whatever ends the lines; reading again from any place gives the rest.
    #[test]
    fn rows_know_their_bytes_and_the_place_behind_them() {
        let text = b"1;x\r\n2;\"y;\n\"\"z\"\r\n\r\n3;w;v\n4;u";
        let all = read_all(&mut rows(text));
        let expected = [("1;x", "1"), ("2;\"y;\n\"\"z\"", "2"), ("3;w;v", "WRONG_FIELD_COUNT"), ("4;u", "4")];
        let read: Vec<_> = all.iter().map(|(raw, first, _)| (raw.as_str(), first.as_str())).collect();
        assert_eq!(read, expected);
        for (done, (_, _, next)) in all.iter().enumerate() {
            let mut rest = rows(&text[*next as usize..]);
            let rest = read_all(&mut rest);
            let raws: Vec<_> = rest.iter().map(|(raw, ..)| raw.as_str()).collect();
            let expected: Vec<_> = expected[done + 1..].iter().map(|(raw, _)| *raw).collect();
            assert_eq!(raws, expected, "from byte {next}");
        }
    }

    /// Empty cells at the ends of a row are part of its bytes, also where they are white space.
    #[test]
    fn rows_keep_their_empty_cells() {
        let mut rows = Rows::new(&b"\t1\t\t\r\n\r\n\t\t\n 2 \t\r\n"[..], 0, b'\t');
        rows.set_columns(Columns::new(["a", "b", "c"].map(str::to_owned).to_vec()));
        let all = read_all(&mut rows);
        let bytes: Vec<_> = all.iter().map(|(raw, ..)| raw.as_str()).collect();
        assert_eq!(bytes, ["\t1\t\t", "\t\t", " 2 \t"]);
    }

    /// A file that is longer than the reader's buffer keeps the bytes of each row right.
    #[test]
    fn windows_move_on() {
        let text: String =
            (0..20_000).map(|number| format!("{number};{}\n", "x".repeat(number % 37))).collect();
        let all = read_all(&mut rows(text.as_bytes()));
        assert_eq!(all.len(), 20_000);
        for ((raw, ..), line) in all.iter().zip(text.lines()) {
            assert_eq!(raw, line);
        }
        assert_eq!(all.last().map(|(_, _, next)| *next), Some(text.len() as u64));
    }

    /// A quote that is never closed takes the rest for one row, and is told before it fills the memory.
    #[test]
    fn endless_rows_are_refused() {
        let text = [&b"1;x\n2;\""[..], &vec![b'y'; 2 * RECORD_BYTES_MAX]].concat();
        let mut rows = rows(&text);
        assert!(rows.next().expect("readable").is_some());
        let error = rows.next().expect_err("too large").to_string();
        assert!(error.starts_with("the record at byte 4 has more than 1048576 bytes"), "{error}");
    }

    /// The heading row names the columns; a source without one says so.
    #[test]
    fn headings_name_the_columns() {
        let mut rows = Rows::new(&b"\xef\xbb\xbfb;a\n1;2\n"[..], 0, b';');
        rows.read_heading().expect("a heading");
        assert_eq!(read_all(&mut rows), [("1;2".to_owned(), "2".to_owned(), 11)]);
        let error = Rows::new(&b""[..], 0, b';').read_heading().expect_err("empty").to_string();
        assert_eq!(error, "it has no heading row");
    }
}
