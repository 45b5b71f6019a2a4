//! Sets records aside: the original bytes go to the dead-letter topic, with headers that say why, and are acknowledged.

use std::time::Duration;

use dead_letter::{Context, is_own_header};
use kafka::{Headers, Outgoing, Producer, Record};
use service::{Stop, clock};

use crate::{batch::Batch, rejection::Rejection};

/// Writes dead letters for one task of a connector.
#[derive(Debug)]
pub(crate) struct Reporter {
    producer: Producer,
    topic: String,
    connector: String,
    task: u32,
}

/// How long the acknowledgement of dead letters may take before it counts as an outage.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a stop is looked for meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

impl Reporter {
    /// Dead letters of `connector`'s `task` go to `topic`.
    pub(crate) fn new(producer: Producer, topic: &str, connector: &str, task: u32) -> Self {
        Self { producer, topic: topic.to_owned(), connector: connector.to_owned(), task }
    }

    /// Sends a dead letter for each rejected record of the batch and waits until all are acknowledged.
    ///
    /// Blocks the thread. After an error the call may be repeated: what Kafka is known to have, or what still waits in the
    /// producer, is not sent again.
    pub(crate) fn report(
        &self,
        batch: &mut Batch<'_>,
        rejected: &[(u32, Rejection)],
        stop: &Stop,
    ) -> Result<(), kafka::Error> {
        for (index, rejection) in rejected {
            if !batch.reported.contains(index) {
                self.send(&batch.records[*index as usize], rejection)?;
                batch.reported.insert(*index);
            }
        }
        let mut waited = Duration::ZERO;
        loop {
            let Err(error) = self.producer.drain(LOOK_AGAIN) else { return Ok(()) };
            if self.producer.in_flight() == 0 {
                // It was refused, not delayed. (If the last answer came just now, all are sent twice, which the table does not mind.)
                batch.reported.clear();
                return Err(error);
            }
            waited += LOOK_AGAIN;
            if waited >= ACKNOWLEDGE_TIMEOUT || stop.is_stopping() {
                return Err(error);
            }
        }
    }

    fn send(&self, record: &Record<'_>, rejection: &Rejection) -> Result<(), kafka::Error> {
        let context = Context {
            topic: record.topic().to_owned(),
            partition: record.partition(),
            offset: record.offset(),
            connector_name: self.connector.clone(),
            task_id: self.task,
            stage: rejection.stage,
            exception_class: rejection.class.to_owned(),
            exception_message: rejection.message.clone(),
            reason: rejection.reason,
            rule: None,
            detail: rejection.detail.clone(),
            contract_version: None,
            attempt: Context::attempts_of(record.headers()) + 1,
            failed_at_ms: clock::now_ms(),
        };
        let own = context.headers();
        let own = own.iter().map(|(name, value)| (*name, Some(value.as_bytes())));
        let headers = record.headers().filter(|(name, _)| !is_own_header(name)).chain(own);
        self.producer.send(Outgoing {
            topic: &self.topic,
            partition: Some(record.partition()),
            key: record.key(),
            value: record.value(),
            timestamp_ms: Some(record.timestamp_ms()).filter(|ms| *ms > 0),
            headers: headers.fold(Headers::new(), |headers, (name, value)| headers.add(name, value)),
            receipt: None,
        })
    }
}
