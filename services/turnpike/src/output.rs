//! What is written to stdout: lines, tables, and on a terminal a block that is drawn over again.

use std::{
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
};

use comfy_table::{Cell, CellAlignment, Row, Table, presets};
use service::Error;

/// Up this many lines.
const UP: &str = "A";
/// From the cursor to the end of the screen, emptied.
const CLEAR_BELOW: &str = "\x1b[J";
/// A line that is too long for the terminal is cut, or the block would have more lines than are counted.
const WRAP_OFF: &str = "\x1b[?7l";
const WRAP_ON: &str = "\x1b[?7h";

/// Where a command writes to; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    is_terminal: bool,
    /// Lines of the block that stands at the end and may be drawn over.
    drawn_lines: Arc<Mutex<usize>>,
}

impl Output {
    /// Standard output.
    pub(crate) fn stdout() -> Self {
        Self { is_terminal: io::stdout().is_terminal(), drawn_lines: Arc::default() }
    }

    /// Whether a person looks at it now.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Writes lines for good; a block that stands there goes away until it is drawn again.
    pub(crate) fn say(&self, text: impl AsRef<str>) -> Result<(), Error> {
        let mut drawn = self.drawn_lines.lock().unwrap_or_else(PoisonError::into_inner);
        let erase = erasure(*drawn);
        *drawn = 0;
        write(&format!("{erase}{}\n", text.as_ref()))
    }

    /// Draws a block in place of the one before; where nobody sees it, the blocks follow each other.
    pub(crate) fn draw(&self, block: &str) -> Result<(), Error> {
        if !self.is_terminal {
            return self.say(block);
        }
        let mut drawn = self.drawn_lines.lock().unwrap_or_else(PoisonError::into_inner);
        let erase = erasure(*drawn);
        *drawn = block.lines().count();
        write(&format!("{erase}{WRAP_OFF}{}\n{WRAP_ON}", block.trim_end()))
    }

    /// Lets the block stand as it is.
    pub(crate) fn keep_block(&self) {
        *self.drawn_lines.lock().unwrap_or_else(PoisonError::into_inner) = 0;
    }
}

fn erasure(lines: usize) -> String {
    if lines == 0 { String::new() } else { format!("\x1b[{lines}{UP}\r{CLEAR_BELOW}") }
}

/// Nobody reading any more, as after `| head`, is a reason to stop and no failure.
fn write(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Error::Stopped,
        _ => Error::failed(anyhow::Error::new(error).context("write to stdout")),
    })
}

/// Writes a line to stderr, for what is no part of a command's answer.
pub(crate) fn warn(text: impl AsRef<str>) {
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(io::stderr(), "turnpike: {}", text.as_ref());
}

/// A table with these columns; those named in `numbers` are aligned to the right.
pub(crate) fn table(columns: &[&str], numbers: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header(columns.iter().copied());
    for (index, column) in columns.iter().enumerate() {
        let column = table.column_mut(index).filter(|_| numbers.contains(column));
        if let Some(column) = column {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Adds a row of texts.
pub(crate) fn row<T: ToString>(cells: impl IntoIterator<Item = T>) -> Row {
    cells.into_iter().map(|cell| Cell::new(cell.to_string())).collect::<Vec<_>>().into()
}

/// A count with its thousands apart: `12 345 678`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A text that cannot steer a terminal or break a table: control characters are shown as escapes.
pub(crate) fn harmless(text: &str) -> String {
    let escaped = |symbol: char| {
        if symbol.is_control() { symbol.escape_default().to_string() } else { symbol.to_string() }
    };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::{erasure, grouped, harmless, row, table};

    /// What a sender put into a field reaches no terminal as a command.
    #[test]
    fn control_characters_are_shown() {
        assert_eq!(harmless("Pa\0ris\n\u{1b}[31mX"), "Pa\\u{0}ris\\n\\u{1b}[31mX");
        assert_eq!(harmless("Orl\u{e9}ans │"), "Orl\u{e9}ans │");
    }

    /// Thousands are told apart, small numbers are left alone.
    #[test]
    fn counts_are_grouped() {
        for (count, text) in [(0, "0"), (999, "999"), (1_000, "1 000"), (12_345_678, "12 345 678")] {
            assert_eq!(grouped(count), text);
        }
    }

    /// A block of three lines is erased by going up three; nothing is erased where nothing stands.
    #[test]
    fn a_block_is_erased_by_its_lines() {
        assert_eq!(erasure(0), "");
        assert_eq!(erasure(3), "\x1b[3A\r\x1b[J");
    }

    /// Numbers stand under each other by their last digit.
    #[test]
    fn numbers_are_aligned() {
        let mut table = table(&["topic", "read"], &["read"]);
        table.add_row(row(["toll", "7"]));
        table.add_row(row(["toll.valid", "12345"]));
        let lines: Vec<String> = table.to_string().lines().map(str::to_owned).collect();
        assert!(lines.contains(&"│ toll             7 │".to_owned()), "{lines:?}");
    }
}
