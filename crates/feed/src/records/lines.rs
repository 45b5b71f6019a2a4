//! JSON lines: a value a line.

use std::io::{BufRead as _, BufReader, Read};

use super::{Piece, RECORD_BYTES_MAX, ReadError, json_item};

/// The lines of a source.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    source: BufReader<R>,
    /// Where the next line begins.
    byte: u64,
    line: Vec<u8>,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(source: R, byte: u64) -> Self {
        Self { source: BufReader::new(source), byte, line: Vec::new() }
    }

    pub(super) fn next(&mut self) -> Result<Option<Piece<'_>>, ReadError> {
        loop {
            self.line.clear();
            let limit = RECORD_BYTES_MAX as u64 + 1;
            let count = self.source.by_ref().take(limit).read_until(b'\n', &mut self.line)?;
            if count == 0 {
                return Ok(None);
            }
            if count > RECORD_BYTES_MAX {
                return Err(ReadError::RecordTooLarge(self.byte));
            }
            self.byte += count as u64;
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        let raw = self.line.trim_ascii();
        // A byte order mark belongs to the file and not to its first record.
        let raw = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
        Ok(Some(Piece { raw, item: json_item(raw), next_byte: self.byte }))
    }
}

#[cfg(test)]
mod tests {
    use dead_letter::Reason;

    use super::*;

    /// Lines are values, blank ones are nothing, and a broken one is told with its bytes while the next is read.
    #[test]
    fn lines_are_read_one_by_one() {
        let mut lines = Lines::new(&b"\xef\xbb\xbf{\"a\":1}\r\n\n{\"a\":\n{\"a\":3}"[..], 0);
        let mut read = Vec::new();
        while let Some(piece) = lines.next().expect("readable") {
            let reason = piece.item.as_ref().err().map(|refusal| refusal.reason);
            read.push((String::from_utf8_lossy(piece.raw).into_owned(), reason, piece.next_byte));
        }
        assert_eq!(
            read,
            [
                ("{\"a\":1}".to_owned(), None, 12),
                ("{\"a\":".to_owned(), Some(Reason::Unparsable), 19),
                ("{\"a\":3}".to_owned(), None, 26),
            ]
        );
    }

    /// A line without an end is told before it fills the memory.
    #[test]
    fn endless_lines_are_refused() {
        let text = [&b"{}\n"[..], &vec![b' '; 2 * RECORD_BYTES_MAX]].concat();
        let mut lines = Lines::new(&text[..], 0);
        assert!(lines.next().expect("readable").is_some());
        assert!(matches!(lines.next(), Err(ReadError::RecordTooLarge(3))));
    }
}
