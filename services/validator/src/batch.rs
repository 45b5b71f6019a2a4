//! A batch in hand: records that were polled together, and what was judged of them.

use std::{collections::HashSet, iter};

use kafka::{Record, TopicPartition};
use schema_registry::{Registry, SchemaId};
use service::clock;

use crate::{
    bench::{Bench, Raw, Schemas},
    laps::{Laps, Step},
    progress::{Counts, Tally},
    schemas::Remembered,
    stream::Stream,
    verdict::Verdict,
};

/// One record in so many may be refused before it is letters that fill the memory: each is some twenty times its record.
const LETTERS_MAX: usize = 10;

/// Records of a transaction to come.
#[derive(Debug)]
pub(crate) struct Batch<'c> {
    /// In the order in which they came, those of a partition beside each other.
    pub(crate) records: Vec<Record<'c>>,
    /// What was judged of each; empty until they are judged.
    pub(crate) verdicts: Vec<Verdict>,
    /// Behind which records another partition begins; known when they are judged.
    ends: Vec<usize>,
    /// More records were waiting.
    pub(crate) is_full: bool,
    pub(crate) laps: Laps,
}

impl<'c> Batch<'c> {
    pub(crate) fn with_capacity(records: usize) -> Self {
        let laps = Laps::start(clock::system(), clock::instant());
        let records = Vec::with_capacity(records);
        Self { records, verdicts: Vec::new(), ends: Vec::new(), is_full: false, laps }
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.is_full = false;
        self.forget();
    }

    /// Lets go of what was judged.
    pub(crate) fn forget(&mut self) {
        self.verdicts.clear();
        self.ends.clear();
    }

    /// Lets go of the records of these partitions; the others are judged again.
    pub(crate) fn give_up(&mut self, gone: &[TopicPartition]) {
        self.records.retain(|record| {
            !gone.iter().any(|at| at.partition == record.partition() && *at.topic == *record.topic())
        });
        self.forget();
    }

    /// Whether so many records are refused that what is said of them is most of what the batch takes in memory.
    pub(crate) fn is_mostly_letters(&self) -> bool {
        let refused = self.verdicts.iter().filter(|verdict| !verdict.is_valid()).count();
        refused * LETTERS_MAX > self.verdicts.len()
    }

    /// Judges the records that are not judged yet: first those whose schemas are known, then, when the registry was asked for all
    /// schemas of the others, these.
    pub(crate) fn judge<S: Schemas>(
        &mut self,
        streams: &mut [(Stream, Bench)],
        registry: &Registry,
        schemas: &S,
    ) -> Result<(), S::Outage> {
        if !self.verdicts.is_empty() {
            return Ok(());
        }
        self.laps.begin(Step::Judge, clock::instant());
        self.verdicts.reserve(self.records.len());
        let mut open: Vec<usize> = Vec::new();
        for stretch in self.records.chunk_by(Record::is_beside) {
            self.ends.push(self.verdicts.len() + stretch.len());
            let (stream, bench) = of_stream(streams, &stretch[0]);
            for record in stretch {
                let judged = bench.judge(stream, raw(record), record.headers(), &Remembered(registry));
                // What stands here for a record that is open is replaced below.
                self.verdicts.push(judged.unwrap_or_else(|()| {
                    open.push(self.verdicts.len());
                    Verdict::Valid
                }));
            }
        }
        if !open.is_empty() {
            let records = open.iter().map(|index| &self.records[*index]);
            let id =
                |record: &Record<'_>| Some(schema_registry::split(record.value()?, record.headers()).ok()?.0);
            let ids: HashSet<SchemaId> = records.filter_map(id).collect();
            schemas.prepare(&Vec::from_iter(ids));
        }
        for index in open {
            let record = &self.records[index];
            let (stream, bench) = of_stream(streams, record);
            self.verdicts[index] = bench.judge(stream, raw(record), record.headers(), schemas)?;
        }
        self.laps.end(Step::Judge, clock::instant());
        Ok(())
    }

    /// The judged records of one partition after the other, with their verdicts.
    pub(crate) fn stretches(&self) -> impl Iterator<Item = (&[Record<'c>], &[Verdict])> {
        let begins = iter::once(&0).chain(&self.ends);
        let stretches = begins.zip(&self.ends).map(|(begin, end)| *begin..*end);
        stretches.map(|stretch| (&self.records[stretch.clone()], &self.verdicts[stretch]))
    }

    /// How many records of each partition were judged how, and where to go on.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for (records, verdicts) in self.stretches() {
            let last = &records[records.len() - 1];
            let valid = verdicts.iter().filter(|verdict| verdict.is_valid()).count() as u64;
            let read = records.len() as u64;
            let counts = Counts { read, valid, dead: read - valid };
            tally.add(last.topic(), last.partition(), last.offset(), last.timestamp_ms(), counts);
        }
        tally
    }
}

fn raw<'r>(record: &'r Record<'_>) -> Raw<'r> {
    Raw {
        value: record.value(),
        partition: record.partition(),
        offset: record.offset(),
        timestamp_ms: record.timestamp_ms(),
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
