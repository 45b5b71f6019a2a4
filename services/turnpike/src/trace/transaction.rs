//! Which records of a partition were committed together: the end of each transaction takes an offset, and so parts them.

use kafka::{Position, Record};
use serde::Serialize;
use service::Error;

use super::{
    log::{Log, Next},
    name::Place,
};

/// How far a transaction is followed to either side.
const RECORDS_MAX: i64 = 20_000;
/// The header of a dead letter with who set it aside.
const SET_ASIDE_BY: &str = "__connect.errors.connector.name";
/// The one who does it in transactions.
pub(super) const VALIDATOR: &str = "validator";

/// The records of one transaction in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Transaction {
    /// Offset of the first record.
    pub(crate) first: i64,
    /// Offset of the last record.
    pub(crate) last: i64,
    pub(crate) records: usize,
    /// Whether both ends were seen; if not, it is larger than it is said to be.
    pub(crate) is_whole: bool,
}

/// The transaction that a place belongs to; `None` where records follow each other to the end, as without transactions.
pub(crate) fn around(log: &Log<'_>, place: &Place) -> Result<Option<Transaction>, Error> {
    let Place { topic, partition, offset } = place;
    let (first, end) = log.bounds(topic, *partition)?;
    let start = first.max(offset - RECORDS_MAX);
    let mut seen: Vec<Seen> = Vec::new();
    log.read(topic, &[(*partition, Position::Offset(start))], |record| {
        let is_parted = seen.last().is_some_and(|last| record.offset() > last.offset + 1);
        seen.push(Seen { offset: record.offset(), is_member: !is_of_connector(record) });
        let is_far = record.offset() > offset + RECORDS_MAX;
        if is_far || is_parted && record.offset() > *offset { Next::Stop } else { Next::On }
    })?;
    Ok(parted(&seen, *offset, start, end))
}

/// A record beside the one that is asked for.
#[derive(Debug, Clone, Copy)]
struct Seen {
    offset: i64,
    /// Whether it may be of a transaction; connectors set records aside outside of any.
    is_member: bool,
}

fn is_of_connector(record: &Record<'_>) -> bool {
    let mut names = record.headers().filter(|(name, _)| *name == SET_ASIDE_BY).filter_map(|(_, value)| value);
    names.any(|name| name != VALIDATOR.as_bytes())
}

/// The run of offsets without a gap that holds `offset`. `start` is where reading began, `end` where the partition ends.
fn parted(seen: &[Seen], offset: i64, start: i64, end: i64) -> Option<Transaction> {
    let at = seen.binary_search_by_key(&offset, |seen| seen.offset).ok()?;
    let before = seen[..at].iter().rev().zip(1..).take_while(|(other, steps)| other.offset == offset - steps);
    let after = seen[at + 1..].iter().zip(1..).take_while(|(other, steps)| other.offset == offset + steps);
    let run = &seen[at - before.count()..=at + after.count()];
    let (run_first, run_last) = (run.first()?.offset, run.last()?.offset);
    // The marker takes the offset behind the last record; whoever stands at the very end has none.
    if run_last + 1 >= end {
        return None;
    }
    let members = || run.iter().filter(|seen| seen.is_member);
    // A partition's first transaction begins at 0; elsewhere a gap before it must be seen.
    let begins = run_first > start || run_first == 0;
    let is_cut = run_last - offset > RECORDS_MAX;
    Some(Transaction {
        first: members().next()?.offset,
        last: members().next_back()?.offset,
        records: members().count(),
        is_whole: begins && !is_cut,
    })
}

#[cfg(test)]
mod tests {
    use super::{Seen, Transaction};

    fn transaction(first: i64, last: i64, is_whole: bool) -> Transaction {
        Transaction { first, last, records: (last - first + 1) as usize, is_whole }
    }

    fn parted(offsets: &[i64], offset: i64, start: i64, end: i64) -> Option<Transaction> {
        let seen: Vec<Seen> =
            offsets.iter().map(|offset| Seen { offset: *offset, is_member: true }).collect();
        super::parted(&seen, offset, start, end)
    }

    /// Markers at 3, 5 and 9 part three transactions; each offset belongs to the one around it.
    #[test]
    fn markers_part_transactions() {
        let offsets = [0, 1, 2, 4, 6, 7, 8];
        for (offset, expected) in [
            (0, transaction(0, 2, true)),
            (1, transaction(0, 2, true)),
            (2, transaction(0, 2, true)),
            (4, transaction(4, 4, true)),
            (7, transaction(6, 8, true)),
        ] {
            assert_eq!(parted(&offsets, offset, 0, 10), Some(expected), "{offset}");
        }
    }

    /// An aborted transaction is a larger gap, and no less an end.
    #[test]
    fn aborted_records_part_as_well() {
        assert_eq!(parted(&[0, 1, 9, 10], 1, 0, 12), Some(transaction(0, 1, true)));
        assert_eq!(parted(&[0, 1, 9, 10], 9, 0, 12), Some(transaction(9, 10, true)));
    }

    /// Where reading began in the midst of it, or retention has deleted its beginning, the transaction is not known whole.
    #[test]
    fn a_beginning_that_was_not_seen_is_told() {
        assert_eq!(parted(&[40, 41, 42], 41, 40, 44), Some(transaction(40, 42, false)));
        assert_eq!(parted(&[40, 42, 43], 42, 40, 45), Some(transaction(42, 43, true)));
    }

    /// Without a marker behind the last record there was no transaction; an offset that is not there is in none.
    #[test]
    fn records_without_a_marker_are_in_no_transaction() {
        assert_eq!(parted(&[0, 1, 2], 1, 0, 3), None);
        assert_eq!(parted(&[0, 1, 4], 3, 0, 6), None);
        assert_eq!(parted(&[], 3, 0, 6), None);
    }

    /// Dead letters of connectors stand before and between those of a transaction, and are none of it.
    #[test]
    fn letters_of_connectors_are_not_counted() {
        let seen = [(4, false), (5, true), (6, false), (7, true), (9, false)];
        let seen = seen.map(|(offset, is_member)| Seen { offset, is_member });
        let expected = Transaction { first: 5, last: 7, records: 2, is_whole: true };
        assert_eq!(super::parted(&seen, 7, 0, 10), Some(expected));
    }
}
