//! A batch in hand: records that were polled together, and what was judged of them.

use kafka::{Record, TopicPartition};
use service::clock;

use crate::{
    bench::{Bench, Raw, Schemas},
    headers::{self, Letter},
    laps::{Laps, Step},
    progress::{Counts, Tally},
    stream::Stream,
    verdict::Verdict,
};

/// Records of a transaction to come.
#[derive(Debug)]
pub(crate) struct Batch<'c> {
    /// In the order in which they came, those of a partition beside each other.
    pub(crate) records: Vec<Record<'c>>,
    /// What was judged of each; empty until they are judged.
    pub(crate) verdicts: Vec<Verdict>,
    /// What their letters say of those that are refused, in their order.
    pub(crate) letters: Vec<Letter>,
    /// More records were waiting.
    pub(crate) is_full: bool,
    pub(crate) laps: Laps,
}

impl Batch<'_> {
    pub(crate) fn with_capacity(records: usize) -> Self {
        let laps = Laps::start(clock::system(), clock::instant());
        let records = Vec::with_capacity(records);
        Self { records, verdicts: Vec::new(), letters: Vec::new(), is_full: false, laps }
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.is_full = false;
        self.forget();
    }

    /// Lets go of the records of these partitions; the others are judged again.
    pub(crate) fn give_up(&mut self, gone: &[TopicPartition]) {
        self.records.retain(|record| {
            !gone.iter().any(|at| at.partition == record.partition() && *at.topic == *record.topic())
        });
        self.forget();
    }

    /// Takes what was judged for not judged.
    pub(crate) fn forget(&mut self) {
        self.verdicts.clear();
        self.letters.clear();
    }

    /// Judges the records that are not judged yet.
    pub(crate) fn judge<S: Schemas>(
        &mut self,
        streams: &mut [(Stream, Bench)],
        schemas: &S,
    ) -> Result<(), S::Outage> {
        if !self.verdicts.is_empty() {
            return Ok(());
        }
        self.laps.begin(Step::Judge, clock::instant());
        self.verdicts.reserve(self.records.len());
        for stretch in self.records.chunk_by(Record::is_beside) {
            let (stream, bench) = of_stream(streams, &stretch[0]);
            for record in stretch {
                let raw = Raw {
                    value: record.value(),
                    partition: record.partition(),
                    offset: record.offset(),
                    timestamp_ms: record.timestamp_ms(),
                };
                let verdict = bench.judge(stream, raw, record.headers(), schemas)?;
                if let Verdict::Refused(refusal) = &verdict {
                    self.letters.push(headers::letter(record, refusal, stream.contract.version()));
                }
                self.verdicts.push(verdict);
            }
        }
        self.laps.end(Step::Judge, clock::instant());
        Ok(())
    }

    /// How many records of each partition were judged how, and where to go on.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        let mut verdicts = self.verdicts.iter();
        for stretch in self.records.chunk_by(Record::is_beside) {
            let last = &stretch[stretch.len() - 1];
            let of_stretch = verdicts.by_ref().take(stretch.len());
            let valid = of_stretch.filter(|verdict| verdict.is_valid()).count() as u64;
            let read = stretch.len() as u64;
            let counts = Counts { read, valid, dead: read - valid };
            tally.add(last.topic(), last.partition(), last.offset(), last.timestamp_ms(), counts);
        }
        tally
    }
}

/// The stream that a record is of, and where its records are judged.
pub(crate) fn of_stream<'s>(
    streams: &'s mut [(Stream, Bench)],
    record: &Record<'_>,
) -> &'s mut (Stream, Bench) {
    let topic = record.topic();
    let index = streams.iter().position(|(stream, _)| *stream.raw == *topic);
    &mut streams[index.expect("only subscribed topics are polled")]
}
