//! What each connector did with a forwarded record, from its table, its dead letters and the ledger.

use dead_letter::Context;
use serde::Serialize;

use super::{
    Sources,
    entry::Entry,
    journey::Journey,
    tables::{Row, sinks},
};
use crate::tail::Fields;

/// What a connector did with the record.
#[derive(Debug, Serialize)]
pub(crate) struct Stored {
    pub(crate) connector: String,
    pub(crate) table: Option<&'static str>,
    pub(crate) state: State,
    /// Where the connector goes on in the partition.
    pub(crate) next_offset: Option<i64>,
    pub(crate) rows: Vec<Row>,
}

/// What became of a record at a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// A row is there.
    Stored,
    /// There is a dead letter in place of a row.
    SetAside,
    /// It was read, and the connector's filter is why there is no row.
    LeftOut,
    /// It was read; into which row is not known here.
    Read,
    /// It was read, and there is neither a row nor a dead letter.
    Missing,
    /// The connector has not come to it.
    NotRead,
}

/// What each connector did with the forwarded record; nothing if there is none, or the tables cannot be asked.
pub(crate) fn stored(journey: &Journey, fields: Option<&Fields>, sources: &Sources<'_>) -> Vec<Stored> {
    let Some(valid) = &journey.valid else { return Vec::new() };
    let ledger = sources.tables.ledger(&valid.place);
    if sources.tables.away().is_some() {
        return Vec::new();
    }
    let raw = sources.streams.of(&valid.place.topic).map(|stream| &*stream.raw);
    let known: Vec<_> = raw.into_iter().flat_map(sinks).collect();
    let next_offset = |connector: &str| {
        ledger.iter().find(|entry| entry.connector == connector).map(|entry| entry.next_offset)
    };
    let of_known = known.iter().map(|sink| {
        let next_offset = next_offset(sink.connector);
        let rows = fields.and_then(|fields| sources.tables.rows(sink, fields)).unwrap_or_default();
        let is_set_aside = journey.letters.iter().any(|letter| is_of(letter, sink.connector));
        let is_read = next_offset.is_some_and(|next| next > valid.place.offset);
        let state = state(is_set_aside, is_read, &rows, sink.has_filter);
        // A row that is there in spite of the letter is that of another record.
        let rows = if state == State::Stored { rows } else { Vec::new() };
        Stored { connector: sink.connector.to_owned(), table: Some(sink.table), state, next_offset, rows }
    });
    let is_other = |connector: &str| known.iter().all(|sink| sink.connector != connector);
    let others = ledger.iter().filter(|entry| is_other(&entry.connector)).map(|entry| {
        let is_set_aside = journey.letters.iter().any(|letter| is_of(letter, &entry.connector));
        let state = match (is_set_aside, entry.next_offset > valid.place.offset) {
            (true, _) => State::SetAside,
            (false, true) => State::Read,
            (false, false) => State::NotRead,
        };
        let (connector, next_offset) = (entry.connector.clone(), Some(entry.next_offset));
        Stored { connector, table: None, state, next_offset, rows: Vec::new() }
    });
    of_known.chain(others).collect()
}

/// A letter counts more than a row: the unique key that refused the record is another record's.
fn state(is_set_aside: bool, is_read: bool, rows: &[Row], has_filter: bool) -> State {
    match (is_set_aside, is_read) {
        (true, _) => State::SetAside,
        // A row alike may be another record's, as long as this one was not read.
        (false, false) => State::NotRead,
        (false, true) if !rows.is_empty() => State::Stored,
        (false, true) if has_filter => State::LeftOut,
        (false, true) => State::Missing,
    }
}

fn is_of(letter: &Entry, connector: &str) -> bool {
    Context::from_headers(letter.headers()).is_ok_and(|letter| letter.connector_name == connector)
}

#[cfg(test)]
mod tests {
    use super::{State, state};

    /// A letter outweighs a row, what was not read has none of its own, and only a filter excuses that there is nothing.
    #[test]
    fn a_state_follows_from_letter_ledger_and_row() {
        let (none, one) = (vec![], vec![vec![("id", Some("7".to_owned()))]]);
        for (is_set_aside, is_read, rows, has_filter, expected) in [
            (true, true, &one, false, State::SetAside),
            (true, false, &none, false, State::SetAside),
            (false, false, &one, false, State::NotRead),
            (false, false, &none, true, State::NotRead),
            (false, true, &one, true, State::Stored),
            (false, true, &none, true, State::LeftOut),
            (false, true, &none, false, State::Missing),
        ] {
            assert_eq!(state(is_set_aside, is_read, rows, has_filter), expected);
        }
    }
}
