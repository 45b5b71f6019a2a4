//! An idempotent producer that counts what is acknowledged.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext, Message,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer},
};

use crate::{Class, Error, Outgoing, logging::quiet};

/// How often [`Producer::drain`] and a full queue look again; librdkafka's own flush looks every 100 ms.
const LOOK_AGAIN: Duration = Duration::from_micros(200);
/// How long [`Producer::send`] waits for room in the queue before it says that the broker is away.
const ROOM_TIMEOUT: Duration = Duration::from_mins(1);

/// Sends records and says when all of them are acknowledged by all in-sync replicas.
///
/// There is no future per record: delivery reports are counted on the client's own thread.
pub struct Producer {
    pub(crate) inner: ThreadedProducer<Deliveries>,
}

/// Counts of delivery reports.
#[derive(Default)]
pub(crate) struct Deliveries {
    delivered: AtomicU64,
    first_failure: Mutex<Option<Error>>,
}

impl ClientContext for Deliveries {
    quiet!();
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _opaque: ()) {
        match result {
            Ok(_) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, message)) => {
                let mut first = self.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert_with(|| {
                    Error::new(format!("send a record to {}", message.topic()), error)
                });
            }
        }
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}

impl Producer {
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, Error> {
        let inner = config
            .create_with_context(Deliveries::default())
            .map_err(|error| Error::new("create a producer", &error))?;
        Ok(Self { inner })
    }

    /// Queues a record; blocks while the queue is full, at most 60 s.
    ///
    /// # Errors
    /// [`Class::Data`] if the record can never be sent, [`Class::Infrastructure`] if there was no room in time.
    pub fn send(&self, record: Outgoing<'_>) -> Result<(), Error> {
        let topic = record.topic;
        let mut queued = BaseRecord {
            topic,
            partition: record.partition,
            payload: record.value,
            key: record.key,
            timestamp: record.timestamp_ms,
            headers: record.headers.0,
            delivery_opaque: (),
        };
        let mut waited = Duration::ZERO;
        loop {
            match self.inner.send(queued) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if waited < ROOM_TIMEOUT =>
                {
                    queued = back;
                    thread::sleep(LOOK_AGAIN);
                    waited += LOOK_AGAIN;
                }
                Err((error, _)) => return Err(Error::new(format!("send a record to {topic}"), &error)),
            }
        }
    }

    /// Waits until every record is acknowledged.
    ///
    /// # Errors
    /// The first failure since the last call, or [`Class::Infrastructure`] if `timeout` passes first.
    pub fn drain(&self, timeout: Duration) -> Result<(), Error> {
        let mut waited = Duration::ZERO;
        while self.in_flight() > 0 {
            if waited >= timeout {
                let reason = format!("{} records are not acknowledged after {timeout:?}", self.in_flight());
                return Err(Error::with_class("drain the producer", reason, Class::Infrastructure));
            }
            thread::sleep(LOOK_AGAIN);
            waited += LOOK_AGAIN;
        }
        match self.take_failure() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Drops what failed in a transaction that has ended: it failed with it.
    pub(crate) fn forget_failures(&self) {
        drop(self.take_failure());
    }

    fn take_failure(&self) -> Option<Error> {
        self.inner.context().first_failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Records that are queued or sent and not yet acknowledged.
    pub fn in_flight(&self) -> usize {
        usize::try_from(self.inner.in_flight_count()).unwrap_or(0)
    }

    /// Records acknowledged so far.
    pub fn delivered(&self) -> u64 {
        self.inner.context().delivered.load(Ordering::Relaxed)
    }

    /// Asks the cluster for its brokers, to see whether it answers.
    pub fn probe(&self, timeout: Duration) -> Result<(), Error> {
        let answer = self.inner.client().fetch_metadata(Some("__consumer_offsets"), timeout);
        answer
            .map(|_| ())
            .map_err(|error| Error::with_class("reach Kafka", error.to_string(), Class::Infrastructure))
    }
}
