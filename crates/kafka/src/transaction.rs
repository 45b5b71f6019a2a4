//! A producer whose records and consumed offsets become visible together or not at all (KIP-98, KIP-447).
//!
//! A broker answers a commit once it is sure to happen, and makes the records visible some milliseconds later. Until then it
//! refuses the producer's next transaction, and librdkafka pauses for 20 ms before it asks again. So whoever commits often
//! has two producers, with a transactional id each, and uses them in turn.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::Consumer as _,
    error::{KafkaError, KafkaResult},
    producer::Producer as _,
};

use crate::{Class, Consumer, Error, Outgoing, Producer, TopicPartition};

/// How long one attempt at a step may take; then whoever waits is asked whether to go on.
const STEP_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends batches of records in transactions together with the offsets that they come from, one transaction at a time.
#[derive(Debug)]
pub struct TransactionalProducer {
    /// The first is called as the whole is; each transaction is the next one's.
    producers: Vec<Producer>,
    /// The transactions that have ended.
    ended: AtomicUsize,
}

impl TransactionalProducer {
    /// After this long the broker gives up a transaction whose producer has vanished; until then readers wait for it.
    pub const TIMEOUT: Duration = Duration::from_secs(20);

    pub(crate) fn new(producers: Vec<Producer>) -> Self {
        Self { producers, ended: AtomicUsize::new(0) }
    }

    /// Takes the transactional ids: older holders are fenced, their open transactions are aborted. To be called once.
    pub fn init(&self) -> Result<(), Error> {
        self.producers.iter().try_for_each(|producer| {
            let taken = producer.inner.init_transactions(STEP_TIMEOUT);
            taken.map_err(|error| producer.word(Error::new("take the transactional id", &error)))
        })
    }

    /// Opens a transaction.
    pub fn begin(&self) -> Result<(), Error> {
        let begun = self.producer().inner.begin_transaction();
        begun.map_err(|error| Error::new("begin a transaction", &error))
    }

    /// Queues a record in the open transaction.
    pub fn send(&self, record: Outgoing<'_>) -> Result<(), Error> {
        self.producer().send(record)
    }

    /// Records acknowledged so far, in this transaction and those before it. When one is committed, all of its records are.
    pub fn delivered(&self) -> u64 {
        self.producers.iter().map(Producer::delivered).sum()
    }

    /// Commits the open transaction with the offsets to go on from, each with a text that commits along with it.
    ///
    /// The offsets are sent while records are on their way, but everything in flight is drained before the commit: with
    /// records in flight it would cost librdkafka 100 ms. While the coordinator is away, `keep_trying` is told why and says
    /// whether to go on; the outcome is unknown until then.
    ///
    /// # Errors
    /// [`Class::Abortable`]: call [`Self::abort`], go back to the committed offsets. [`Class::Fenced`]: the id is lost.
    pub fn commit(
        &self,
        consumer: &Consumer,
        offsets: &[(TopicPartition, i64, String)],
        mut keep_trying: impl FnMut(&Error) -> bool,
    ) -> Result<(), Error> {
        let Some(group) = consumer.inner.group_metadata() else {
            return Err(Error::with_class("commit", "the consumer belongs to no group", Class::Config));
        };
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (at, offset, text) in offsets {
            let mut element = list.add_partition(&at.topic, at.partition);
            element.set_metadata(text);
            let set = element.set_offset(Offset::Offset(*offset));
            set.map_err(|error| Error::new(format!("set the offset of {at}"), &error))?;
        }
        let producer = self.producer();
        let send_offsets = || producer.inner.send_offsets_to_transaction(&list, &group, STEP_TIMEOUT);
        let sent = thread::scope(|scope| {
            // Without a thread the records linger, and are flushed behind the offsets.
            let _ = thread::Builder::new().spawn_scoped(scope, || producer.flush(STEP_TIMEOUT));
            repeat(send_offsets, "send the offsets", &mut keep_trying)
        });
        // A transaction with a record that was refused takes no offsets: then it is the record that is to be told of.
        if !matches!(&sent, Err(error) if error.class() == Class::Fenced) {
            self.drain(&mut keep_trying)?;
        }
        sent.map_err(abortable)?;
        self.end(&mut keep_trying)
    }

    /// Commits the open transaction of a producer whose records come from elsewhere than a Kafka topic.
    ///
    /// Where to go on from is then one of the records. Otherwise as [`Self::commit`].
    pub fn commit_without_offsets(&self, mut keep_trying: impl FnMut(&Error) -> bool) -> Result<(), Error> {
        self.drain(&mut keep_trying)?;
        self.end(&mut keep_trying)
    }

    fn end(&self, keep_trying: &mut impl FnMut(&Error) -> bool) -> Result<(), Error> {
        let commit = || self.producer().inner.commit_transaction(STEP_TIMEOUT);
        repeat(commit, "commit the transaction", keep_trying)?;
        self.turn();
        Ok(())
    }

    fn drain(&self, keep_trying: &mut impl FnMut(&Error) -> bool) -> Result<(), Error> {
        loop {
            let producer = self.producer();
            match producer.drain(STEP_TIMEOUT) {
                Err(error) if producer.in_flight() > 0 && keep_trying(&error) => {}
                drained => return drained.map_err(abortable),
            }
        }
    }

    /// Gives up the open transaction: readers never see its records. `keep_trying` as for [`Self::commit`].
    pub fn abort(&self, mut keep_trying: impl FnMut(&Error) -> bool) -> Result<(), Error> {
        let abort = || self.producer().inner.abort_transaction(STEP_TIMEOUT);
        repeat(abort, "abort the transaction", &mut keep_trying)?;
        self.turn();
        Ok(())
    }

    /// Whose turn it is.
    fn producer(&self) -> &Producer {
        &self.producers[self.ended.load(Ordering::Relaxed) % self.producers.len()]
    }

    /// A transaction has ended: the next one is the next producer's.
    fn turn(&self) {
        self.producer().forget_failures();
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for TransactionalProducer {
    fn drop(&mut self) {
        self.producers.iter().for_each(Producer::will_end);
    }
}

/// The steps are idempotent, and must be called again while they fail for lack of a broker.
fn repeat(
    step: impl Fn() -> KafkaResult<()>,
    operation: &str,
    keep_trying: &mut impl FnMut(&Error) -> bool,
) -> Result<(), Error> {
    loop {
        let Err(error) = step() else { return Ok(()) };
        let is_retriable = matches!(&error, KafkaError::Transaction(error) if error.is_retriable());
        let error = Error::new(operation, &error);
        if !(is_retriable && keep_trying(&error)) {
            return Err(error);
        }
    }
}

/// Inside a transaction an outage has one way out: abort and do the work again.
fn abortable(error: Error) -> Error {
    match error.class() {
        Class::Infrastructure => error.reclassed(Class::Abortable),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::TransactionalProducer;
    use crate::{Connection, Headers, Outgoing, Properties};

    /// What is acknowledged is told of each transaction when it is committed, whether or not the one before it was given up, and
    /// whichever of two producers it is of.
    #[test]
    fn a_committed_transaction_is_acknowledged() {
        let connection = Connection {
            kafka_property: vec!["test.mock.num.brokers=1".parse::<Properties>().expect("properties")],
            ..Connection::new("127.0.0.1:1")
        };
        let one = connection.transactional_producer("test").expect("a producer");
        let two = connection.alternating_producer("test").expect("two producers");
        for producer in [one, two] {
            commits_and_aborts(&producer);
        }
    }

    fn commits_and_aborts(producer: &TransactionalProducer) {
        producer.init().expect("the id is free");
        for (records, is_committed) in [(3, true), (2, false), (4, true), (5, true)] {
            producer.begin().expect("no transaction is open");
            let before = producer.delivered();
            for _ in 0..records {
                producer
                    .send(Outgoing {
                        topic: "toll",
                        partition: Some(0),
                        key: None,
                        value: Some(b"value"),
                        timestamp_ms: None,
                        headers: Headers::new(),
                        receipt: None,
                    })
                    .expect("there is room");
            }
            if is_committed {
                producer.commit_without_offsets(|_| true).expect("a commit");
                assert_eq!(producer.delivered() - before, records);
            } else {
                producer.abort(|_| true).expect("an abort");
            }
        }
    }
}
