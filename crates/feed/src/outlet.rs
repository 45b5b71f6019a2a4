//! The way into Kafka: records, dead letters and the position of their source in one transaction.

use std::time::Instant;

use kafka::{Class, Headers, Outgoing, TransactionalProducer};
use service::{Error, Health, Stop, clock};
use telemetry::Histogram;

use crate::{
    batch::{Batch, Topics},
    cluster::{KAFKA, refused},
    position::{self, Position},
    traced::{Traced, Transaction},
};

/// A session of a feed with the cluster; a twin that opens one shuts this one out.
#[derive(Debug)]
pub(crate) struct Outlet {
    producer: TransactionalProducer,
    topics: Topics,
    /// Key of the source's position.
    key: String,
    stop: Stop,
    health: Health,
    traced: Traced,
    /// How long commits take.
    commits: Histogram,
    /// A commit had to be tried again, and its first request may still be on its way.
    is_spent: bool,
}

/// Why a session has ended before its time.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The cluster says that another one has taken its place.
    Fenced(String),
    /// Whether the last transaction has been committed is not known: the next session finds out.
    Lost(String),
    /// All is committed, but a request to commit may still be on its way: a new session shuts it out.
    Spent,
    /// A new session would do no better.
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<kafka::Error> for Ended {
    fn from(error: kafka::Error) -> Self {
        match error.class() {
            Class::Fenced => Self::Fenced(error.to_string()),
            Class::Infrastructure | Class::Abortable => Self::Lost(error.to_string()),
            Class::Data => {
                let hint = "raise the topic's max.message.bytes, or leave such records out";
                Self::Failed(Error::failed(format!("{error}; {hint}")))
            }
            Class::Config => Self::Failed(refused(error)),
        }
    }
}

impl Outlet {
    pub(crate) fn new(
        producer: TransactionalProducer,
        topics: Topics,
        key: String,
        (stop, health): (Stop, Health),
        traced: Traced,
        commits: Histogram,
    ) -> Self {
        Self { producer, topics, key, stop, health, traced, commits, is_spent: false }
    }

    /// The key of the source's position.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// To be called before what comes next: a late request to commit would commit the beginning of another transaction.
    ///
    /// The next session takes the id anew, and reads the position again: a twin may have gone on in between.
    pub(crate) fn check(&self) -> Result<(), Ended> {
        if self.is_spent { Err(Ended::Spent) } else { Ok(()) }
    }

    /// Forgets the position, for good when this returns well.
    pub(crate) fn forget(&mut self) -> Result<(), Ended> {
        let mut transaction = self.traced.transaction();
        self.producer.begin()?;
        Ok(self.commit_with(None, &mut transaction)?)
    }

    /// Sends a batch and the position behind it; when this returns well, all of it is visible.
    ///
    /// After an error the session is over: the next one aborts what is open, and reads how far this one came.
    pub(crate) fn deliver(&mut self, batch: &Batch, position: &Position) -> Result<(), Ended> {
        let mut transaction = self.traced.transaction();
        let sent = self.send(batch, &mut transaction);
        let delivered = sent.and_then(|()| self.commit_with(Some(&position.encode()), &mut transaction));
        transaction.ended(&delivered);
        Ok(delivered?)
    }

    fn send(&mut self, batch: &Batch, transaction: &mut Transaction) -> Result<(), kafka::Error> {
        self.producer.begin()?;
        for record in batch.records() {
            let topic = record.topic(&self.topics);
            let traced = self.traced.begin(record, topic, transaction);
            self.producer.send(record.outgoing(topic, traced))?;
        }
        transaction.sent(batch);
        Ok(())
    }

    /// Commits what was sent together with a position, or a tombstone in its place.
    fn commit_with(
        &mut self,
        position: Option<&str>,
        transaction: &mut Transaction,
    ) -> Result<(), kafka::Error> {
        self.producer.send(Outgoing {
            topic: position::TOPIC,
            partition: Some(0),
            key: Some(self.key.as_bytes()),
            value: position.map(str::as_bytes),
            timestamp_ms: None,
            headers: Headers::new(),
            receipt: None,
        })?;
        transaction.committing();
        let began = clock::instant();
        let mut since: Option<Instant> = None;
        self.producer.commit_without_offsets(|error| {
            self.health.set(KAFKA, Err(error.to_string()));
            transaction.retrying(error);
            let since = *since.get_or_insert_with(clock::instant);
            // After this time the broker has given the transaction up.
            !self.stop.is_stopping() && since.elapsed() < TransactionalProducer::TIMEOUT
        })?;
        let took = began.elapsed();
        self.commits.record_time(took);
        if let Some(context) = transaction.context() {
            self.commits.exemplar(took.as_micros() as u64, &context, clock::system());
        }
        if since.is_some() {
            self.is_spent = true;
            self.health.set(KAFKA, Ok(()));
        }
        Ok(())
    }
}
