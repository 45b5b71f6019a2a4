//! What became of the records of a batch, counted apart from the ledger: rows as the server counts them, letters as Kafka has taken
//! them. The ledger takes what is left of a batch for stored; here a record that got lost on the way is seen.

use std::sync::Arc;

use crate::batch::Span;

/// Records that were read and are not yet accounted for, by topic.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally(Vec<(Arc<str>, i64)>);

impl Tally {
    /// All that was read, but for what filters have left out.
    pub(crate) fn of(spans: &[Span]) -> Self {
        let mut tally = Self::default();
        for span in spans {
            let records = span.records as i64 - span.skipped as i64;
            match tally.0.iter_mut().find(|(topic, _)| *topic == span.at.topic) {
                Some((_, open)) => *open += records,
                None => tally.0.push((Arc::clone(&span.at.topic), records)),
            }
        }
        tally
    }

    /// The server says that it has stored so many rows, which were made of one record of each of these topics.
    pub(crate) fn stored<'t>(&mut self, rows: u64, topics: impl ExactSizeIterator<Item = &'t str>) {
        if let [(_, open)] = self.0.as_mut_slice() {
            *open -= rows as i64;
            return;
        }
        // What the server has more or less than was sent can be anybody's; it is put down to the last one.
        let more = rows as i64 - topics.len() as i64;
        let mut last = None;
        for topic in topics {
            self.settle(topic, 1);
            last = Some(topic);
        }
        if let Some(topic) = last {
            self.settle(topic, more);
        }
    }

    /// A record was set aside.
    pub(crate) fn set_aside(&mut self, topic: &str) {
        self.settle(topic, 1);
    }

    /// What is not accounted for: 0 for each topic, unless something is wrong.
    pub(crate) fn open(&self) -> impl Iterator<Item = (&Arc<str>, i64)> {
        self.0.iter().map(|(topic, open)| (topic, *open))
    }

    fn settle(&mut self, topic: &str, records: i64) {
        if let Some((_, open)) = self.0.iter_mut().find(|(known, _)| **known == *topic) {
            *open -= records;
        }
    }
}

#[cfg(test)]
mod tests {
    use kafka::TopicPartition;

    use super::{Span, Tally};

    fn span(topic: &str, partition: i32, records: u64, skipped: u64) -> Span {
        let at = TopicPartition { topic: topic.into(), partition };
        Span { at, first_offset: 0, next_offset: records as i64, records, skipped, last_timestamp_ms: 0 }
    }

    fn open(tally: &Tally) -> Vec<(&str, i64)> {
        tally.open().map(|(topic, open)| (&**topic, open)).collect()
    }

    /// Rows, dead letters and what filters leave out are all that was read.
    #[test]
    fn what_is_accounted_for_balances() {
        let mut tally = Tally::of(&[span("toll.valid", 0, 5, 1), span("toll.valid", 1, 4, 0)]);
        tally.stored(6, ["toll.valid"; 6].into_iter());
        tally.set_aside("toll.valid");
        assert_eq!(open(&tally), [("toll.valid", 1)]);
        tally.stored(1, ["toll.valid"].into_iter());
        assert_eq!(open(&tally), [("toll.valid", 0)]);
    }

    /// Rows that the server has not stored stay open, and so do those that it has stored beyond what was read.
    #[test]
    fn what_the_server_says_counts() {
        let mut tally = Tally::of(&[span("a", 0, 2, 0), span("b", 0, 1, 0)]);
        tally.stored(2, ["a", "a", "b"].into_iter());
        assert_eq!(open(&tally), [("a", 0), ("b", 1)]);
        let mut tally = Tally::of(&[span("a", 0, 2, 0)]);
        tally.stored(3, ["a", "a"].into_iter());
        assert_eq!(open(&tally), [("a", -1)]);
    }
}
