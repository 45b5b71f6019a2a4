//! What must be found in the books, and what must not.

use super::{Account, Books};

fn account(reader: &str, topic: &str, counts: [u64; 4], lag: u64) -> Account {
    let [read, passed, dead, skipped] = counts;
    let next_offset = 100 + read as i64;
    Account {
        reader: reader.to_owned(),
        topic: topic.to_owned(),
        partition: 2,
        read,
        passed,
        dead,
        skipped,
        next_offset,
        end_offset: Some(next_offset + lag as i64),
        lag,
    }
}

/// Ten records: seven valid, three dead; one connector refuses one more, so there are four dead letters.
fn settled() -> Books {
    Books {
        judged: vec![account("validator", "toll", [10, 7, 3, 0], 0)],
        stored: vec![
            account("dead-letters", "toll.dlq", [4, 4, 0, 0], 0),
            account("live-toll-data", "toll.valid", [7, 7, 0, 0], 0),
            account("toll-passages", "toll.valid", [7, 6, 1, 0], 0),
        ],
    }
}

fn finding(books: &Books) -> String {
    let verdict = books.verdict();
    assert_eq!(verdict.findings.len(), 1, "{verdict:?}");
    verdict.findings[0].clone()
}

/// Everything has arrived: balanced, nothing in flight, nothing to remark.
#[test]
fn full_accounts_are_balanced() {
    let verdict = settled().verdict();
    assert!(verdict.is_balanced() && verdict.is_settled() && verdict.notes.is_empty(), "{verdict:?}");
}

/// No books at all prove nothing wrong.
#[test]
fn empty_books_are_balanced() {
    let verdict = Books::default().verdict();
    assert!(verdict.is_balanced() && verdict.is_settled());
}

/// Behind, with something left to read, is in flight and no loss.
#[test]
fn what_is_on_its_way_is_no_loss() {
    let mut books = settled();
    books.judged[0].lag = 5;
    books.stored[1] = account("live-toll-data", "toll.valid", [4, 4, 0, 0], 3);
    books.stored[0] = account("dead-letters", "toll.dlq", [1, 1, 0, 0], 4);
    let verdict = books.verdict();
    assert!(verdict.is_balanced() && !verdict.is_settled(), "{verdict:?}");
    assert_eq!(verdict.in_flight_records(), 12);
    assert_eq!(verdict.in_flight[0].reader, "validator");
}

/// A record that was forwarded, not read, and is not there to be read any more, is lost.
#[test]
fn a_lost_record_is_found() {
    let mut books = settled();
    books.stored[1] = account("live-toll-data", "toll.valid", [6, 6, 0, 0], 0);
    assert!(finding(&books).starts_with("1 records of toll.valid[2] never reached live-toll-data"));
}

/// A connector that has read more than was forwarded has stored something twice.
#[test]
fn a_doubled_record_is_found() {
    let mut books = settled();
    books.stored[1] = account("live-toll-data", "toll.valid", [9, 9, 0, 0], 0);
    assert!(finding(&books).starts_with("live-toll-data has read 2 records more of toll.valid[2]"));
}

/// Read without a place to be is found in the account itself.
#[test]
fn an_account_must_add_up() {
    let mut books = settled();
    books.stored[2].passed -= 1;
    assert!(
        finding(&books).starts_with("toll-passages has read 7 records of toll.valid[2] and accounts for 6")
    );
    books.stored[2].skipped += 1;
    assert!(books.verdict().is_balanced());
}

/// Dead letters of validator and connectors must all be there; one too many is told and is no loss.
#[test]
fn dead_letters_are_counted() {
    let mut books = settled();
    books.stored[0] = account("dead-letters", "toll.dlq", [3, 3, 0, 0], 0);
    assert!(finding(&books).starts_with("1 dead letters of toll.dlq[2] never reached dead-letters"));
    books.stored[0] = account("dead-letters", "toll.dlq", [5, 5, 0, 0], 0);
    let verdict = books.verdict();
    assert!(
        verdict.is_balanced()
            && verdict.notes[0].starts_with("1 dead letters of toll.dlq[2] are a feed's own, or there twice")
    );
}

/// Without any connector everything that was forwarded is still to be stored.
#[test]
fn without_connectors_all_is_in_flight() {
    let books = Books { stored: Vec::new(), ..settled() };
    let verdict = books.verdict();
    assert!(verdict.is_balanced());
    assert_eq!(verdict.in_flight_records(), 10);
}

/// A ledger that is ahead of its topic belongs to another topic of that name.
#[test]
fn a_topic_created_anew_is_found() {
    let mut books = settled();
    books.stored[1].end_offset = Some(3);
    assert!(finding(&books).contains("goes on from offset 107 of toll.valid[2], which ends at 3"));
    books.stored[1].end_offset = None;
    assert!(finding(&books).ends_with("which is not there"));
}
