//! An idempotent producer that counts what is acknowledged.

use std::{
    collections::HashMap,
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext, Message, bindings,
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, DeliveryResult},
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
    types::RDKafkaRespErr,
};

use crate::{Class, Error, Outgoing, Receipt, bootstrap, logging::quiet, refusal::Refusal};

/// How often [`Producer::drain`] and a full queue look again; librdkafka's own flush looks every 100 ms.
const LOOK_AGAIN: Duration = Duration::from_micros(200);
/// How long [`Producer::send`] waits for room in the queue before it says that the broker is away.
const ROOM_TIMEOUT: Duration = Duration::from_mins(1);
/// How long one poll for reports takes, and so how long the end of a producer waits for its thread. rdkafka hands on whole milliseconds and
/// spins through what is left of one. Linux wakes a sleeper some 50 µs late (its timer slack), so of a poll in which nothing happens nothing is
/// left; of others, half a millisecond on average.
const REPORTS_POLL: Duration = Duration::from_micros(250_050);

/// Sends records and says when all of them are acknowledged by all in-sync replicas.
///
/// There is no future per record: delivery reports are counted on a thread of its own. It is not rdkafka's (`ThreadedProducer`), which
/// spins for one millisecond in a hundred, whether or not anything is sent.
pub struct Producer {
    pub(crate) inner: Arc<BaseProducer<Deliveries>>,
    is_over: Arc<AtomicBool>,
    reports: Option<JoinHandle<()>>,
}

/// What became of one record.
#[derive(Debug)]
pub struct Delivery<'a> {
    /// The topic that it was sent to.
    pub topic: &'a str,
    /// The record's key.
    pub key: Option<&'a [u8]>,
    /// The partition and the offset that it has there, or why it has none.
    pub outcome: Result<(i32, i64), Error>,
}

/// Is told what became of each record, on the thread that counts them: other reports wait while it works.
pub type OnDelivery = Box<dyn Fn(&Delivery<'_>) + Send + Sync>;

/// Counts of delivery reports.
#[derive(Default)]
pub(crate) struct Deliveries {
    delivered: AtomicU64,
    first_failure: Mutex<Option<Error>>,
    told: Option<OnDelivery>,
    receipts: Mutex<Receipts>,
    refusal: Refusal,
}

/// Who waits for news of single records, by a number from 1; a record that nobody waits for has 0 and costs nothing.
#[derive(Default)]
struct Receipts {
    last: usize,
    waiting: HashMap<usize, Receipt>,
}

impl Deliveries {
    /// The number of a record that somebody waits for.
    fn expect(&self, receipt: Option<Receipt>) -> usize {
        let Some(receipt) = receipt else { return 0 };
        let mut receipts = self.receipts.lock().unwrap_or_else(PoisonError::into_inner);
        receipts.last += 1;
        let number = receipts.last;
        receipts.waiting.insert(number, receipt);
        number
    }

    fn tell(&self, number: usize, outcome: &Result<(i32, i64), Error>) {
        if number == 0 {
            return;
        }
        let waiting = self.receipts.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(&number);
        if let Some(receipt) = waiting {
            receipt(outcome);
        }
    }
}

impl ClientContext for Deliveries {
    quiet!();
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, receipt: usize) {
        if let Some(told) = &self.told {
            told(&report(result));
        }
        if receipt != 0 {
            self.tell(receipt, &report(result).outcome);
        }
        match result {
            Ok(_) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, message)) => {
                let mut first = self.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert_with(|| refused(error, message));
            }
        }
    }
}

fn report<'a>(result: &'a DeliveryResult<'_>) -> Delivery<'a> {
    let (Ok(message) | Err((_, message))) = result;
    let outcome = match result {
        Ok(message) => Ok((message.partition(), message.offset())),
        Err((error, message)) => Err(refused(error, message)),
    };
    Delivery { topic: message.topic(), key: message.key(), outcome }
}

fn refused(error: &KafkaError, message: &BorrowedMessage<'_>) -> Error {
    Error::new(format!("send a record to {}", message.topic()), error)
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}

impl Producer {
    pub(crate) fn new(config: &ClientConfig, told: Option<OnDelivery>) -> Result<Self, Error> {
        let inner: BaseProducer<Deliveries> = config
            .create_with_context(Deliveries { told, ..Deliveries::default() })
            .map_err(|error| Error::new("create a producer", &error))?;
        let (inner, is_over) = (Arc::new(inner), Arc::new(AtomicBool::new(false)));
        let reports = count_reports(Arc::clone(&inner), Arc::clone(&is_over)).map_err(|error| {
            Error::with_class("start a producer's thread", error.to_string(), Class::Infrastructure)
        })?;
        Ok(Self { inner, is_over, reports: Some(reports) })
    }

    /// Queues a record; blocks while the queue is full, at most 60 s.
    ///
    /// # Errors
    /// [`Class::Data`] if the record can never be sent, [`Class::Infrastructure`] if there was no room in time.
    pub fn send(&self, record: Outgoing<'_>) -> Result<(), Error> {
        let topic = record.topic;
        let receipt = self.inner.context().expect(record.receipt);
        let mut queued = BaseRecord {
            topic,
            partition: record.partition,
            payload: record.value,
            key: record.key,
            timestamp: record.timestamp_ms,
            headers: record.headers.0,
            delivery_opaque: receipt,
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
                Err((error, _)) => {
                    let error = Err(Error::new(format!("send a record to {topic}"), &error));
                    self.inner.context().tell(receipt, &error);
                    return error.map(|_| ());
                }
            }
        }
    }

    /// Sends what is queued at once, however short its linger has been, and waits until every record is acknowledged.
    ///
    /// # Errors
    /// The first failure since the last call, or [`Class::Infrastructure`] if `timeout` passes first.
    pub fn drain(&self, timeout: Duration) -> Result<(), Error> {
        let is_answered = self.flush(timeout);
        // What is answered still has to be counted.
        while self.in_flight() > 0 {
            if !is_answered {
                let reason = format!("{} records are not acknowledged after {timeout:?}", self.in_flight());
                return Err(Error::with_class("drain the producer", reason, Class::Infrastructure));
            }
            thread::sleep(LOOK_AGAIN);
        }
        match self.take_failure() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Sends what is queued at once, and waits until it is answered; whether it was so in time. rdkafka's own flush lets it linger,
    /// and then waits up to 100 ms for nothing.
    #[expect(unsafe_code, reason = "rdkafka passes no timeout on to librdkafka's flush")]
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the client owns the handle, which is valid as long as the borrow, and may be used from any thread. Reports are events
        // that the producer's own thread takes, so the call only waits for their number to reach zero.
        let flushed = unsafe { bindings::rd_kafka_flush(self.inner.client().native_ptr(), timeout_ms) };
        flushed == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
    }

    /// Tells its thread that it will be dropped: whoever drops several producers waits for all of their threads at once.
    pub(crate) fn will_end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
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

    /// Why nothing is acknowledged: what brokers have against this client if they said so, else `otherwise`.
    pub fn trouble(&self, otherwise: &str) -> Error {
        self.word(Error::with_class("send records", otherwise, Class::Infrastructure))
    }

    /// Asks the cluster for its brokers, to see whether it answers.
    pub fn probe(&self, timeout: Duration) -> Result<(), Error> {
        let answer = self.inner.client().fetch_metadata(Some("__consumer_offsets"), timeout);
        answer.map(|_| ()).map_err(|error| {
            self.explain(Error::with_class("reach Kafka", error.to_string(), Class::Infrastructure))
        })
    }

    /// An error with what brokers have against this client; others of them may take it.
    pub(crate) fn word(&self, error: Error) -> Error {
        bootstrap::again(self.inner.client());
        self.inner.context().refusal.word(error)
    }

    pub(crate) fn explain(&self, error: Error) -> Error {
        bootstrap::again(self.inner.client());
        self.inner.context().refusal.explain(error)
    }
}

/// Starts the thread that counts reports, until the producer is over.
#[expect(clippy::disallowed_methods, reason = "the producer waits for its thread when it is dropped")]
fn count_reports(
    inner: Arc<BaseProducer<Deliveries>>,
    is_over: Arc<AtomicBool>,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("kafka-reports".to_owned()).spawn(move || {
        while !is_over.load(Ordering::Relaxed) {
            inner.poll(REPORTS_POLL);
        }
    })
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.will_end();
        if let Some(reports) = self.reports.take() {
            // A panic of the thread was told when it happened.
            let _ = reports.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, mpsc::sync_channel};

    use super::{Delivery, OnDelivery};
    use crate::{Connection, Headers, Outgoing, Properties, Receipt};

    /// Reports that a test has not looked at.
    const REPORTS_MAX: usize = 16;

    /// A report's key, and the partition and offset or the error.
    type Report = (Option<Vec<u8>>, Result<(i32, i64), String>);

    /// Sends a record without a key and one with, and returns what was told of them.
    fn reports(properties: &str) -> Vec<Report> {
        let connection = Connection {
            kafka_property: vec![properties.parse::<Properties>().expect("properties")],
            ..Connection::new("127.0.0.1:1")
        };
        let (sender, reports) = sync_channel(REPORTS_MAX);
        let told: OnDelivery = Box::new(move |Delivery { topic, key, outcome }| {
            assert_eq!(*topic, "toll");
            let outcome = outcome.as_ref().map_err(ToString::to_string).copied();
            sender.send((key.map(<[u8]>::to_vec), outcome)).expect("the test listens");
        });
        let producer = connection.telling_producer("test", &[], Some(told)).expect("a producer");
        let receipt = Arc::new(Mutex::new(Vec::new()));
        for key in [None, Some(b"a-7".as_slice())] {
            producer
                .send(Outgoing {
                    topic: "toll",
                    partition: Some(0),
                    key,
                    value: Some(b"value"),
                    timestamp_ms: None,
                    headers: Headers::new(),
                    receipt: key.map(|_| -> Receipt {
                        let told = Arc::clone(&receipt);
                        Box::new(move |outcome| told.lock().expect("whole").push(outcome.is_ok()))
                    }),
                })
                .expect("there is room");
        }
        // Told before it is drained; a failure is the drain's as well.
        let drained = producer.drain(super::ROOM_TIMEOUT);
        let reports: Vec<Report> = reports.try_iter().collect();
        assert_eq!(drained.is_err(), reports.iter().any(|(_, outcome)| outcome.is_err()));
        // The record with a key has a receipt, which says the same.
        assert_eq!(*receipt.lock().expect("whole"), [reports[1].1.is_ok()]);
        reports
    }

    /// A producer that is dropped leaves no thread and no client behind.
    #[test]
    fn a_dropped_producer_is_gone() {
        let producer = Connection::new("127.0.0.1:1").producer("test", &[]).expect("a producer");
        let client = Arc::downgrade(&producer.inner);
        assert!(client.upgrade().is_some());
        drop(producer);
        assert!(client.upgrade().is_none(), "its thread has it still");
    }

    /// Every record is told of with its key: where it stands, or why it does not.
    #[test]
    fn deliveries_are_told() {
        let delivered = reports("test.mock.num.brokers=1");
        assert_eq!(delivered, [(None, Ok((0, 0))), (Some(b"a-7".to_vec()), Ok((0, 1)))]);
        let failed = reports("message.timeout.ms=50");
        assert_eq!(failed.len(), 2);
        for ((key, outcome), sent) in failed.iter().zip([None, Some(b"a-7".to_vec())]) {
            assert_eq!(*key, sent);
            assert!(
                outcome.as_ref().is_err_and(|error| error.contains("send a record to toll")),
                "{outcome:?}"
            );
        }
    }
}
