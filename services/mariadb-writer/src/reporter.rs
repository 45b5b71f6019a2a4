//! Sets records aside: the original bytes go to the dead-letter topic, with headers that say why, and are acknowledged.

use std::time::Duration;

use dead_letter::{Context, is_own_header};
use kafka::{Headers, Outgoing, Producer, Record};
use service::{Stop, clock};
use telemetry::{Parent, Span, TRACEPARENT, TRACESTATE, Tracer};

use crate::{
    batch::Batch,
    meters::Meters,
    rejection::Rejection,
    traces::{Traces, of_letter},
};

/// Writes dead letters for one task of a connector.
#[derive(Debug)]
pub(crate) struct Reporter {
    producer: Producer,
    topic: String,
    connector: String,
    task: u32,
    meters: Meters,
    tracer: Tracer,
    sent: u64,
    counted: Counts,
}

/// What has been counted so far.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Counts {
    sent: u64,
    delivered: u64,
    refused: u64,
}

impl Counts {
    /// The counts when so many were sent and delivered. As some may be in flight and delivered at once, fewer may seem refused than
    /// before; that does not take a refusal back.
    fn after(self, sent: u64, delivered: u64, in_flight: u64) -> Self {
        let refused = sent.saturating_sub(delivered + in_flight);
        Self { sent, delivered, refused: refused.max(self.refused) }
    }
}

/// How long the acknowledgement of dead letters may take before it counts as an outage.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a stop is looked for meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

impl Reporter {
    /// Dead letters of a connector's task go to `topic`.
    pub(crate) fn new(
        producer: Producer,
        topic: &str,
        (connector, task): (&str, u32),
        meters: &Meters,
        tracer: &Tracer,
    ) -> Self {
        Self {
            producer,
            topic: topic.to_owned(),
            connector: connector.to_owned(),
            task,
            meters: meters.clone(),
            tracer: tracer.clone(),
            sent: 0,
            counted: Counts::default(),
        }
    }

    /// Sends a dead letter for each rejected record of the batch and waits until all are acknowledged.
    ///
    /// Blocks the thread. After an error the call may be repeated: what Kafka is known to have, or what still waits in the
    /// producer, is not sent again.
    pub(crate) fn report(
        &mut self,
        batch: &mut Batch<'_>,
        rejected: &[(u32, Rejection)],
        stop: &Stop,
    ) -> Result<(), kafka::Error> {
        let outcome = self.send_all(batch, rejected).and_then(|()| self.acknowledged(batch, stop));
        self.count();
        outcome
    }

    fn send_all(&mut self, batch: &mut Batch<'_>, rejected: &[(u32, Rejection)]) -> Result<(), kafka::Error> {
        let Batch { records, reported, traces, .. } = batch;
        for (index, rejection) in rejected {
            if !reported.contains(index) {
                self.sent += 1;
                self.send(&records[*index as usize], rejection, *index, traces)?;
                reported.insert(*index);
            }
        }
        Ok(())
    }

    /// Counts what has become of letters since the last time.
    fn count(&mut self) {
        // In this order: what Kafka reports in between is still in flight here, and so nothing is refused that was not.
        let in_flight = self.producer.in_flight() as u64;
        let delivered = self.producer.delivered();
        let before = self.counted;
        let now = before.after(self.sent, delivered, in_flight);
        self.counted = now;
        let refused = now.refused - before.refused;
        self.meters.letters(&self.topic, now.sent - before.sent, now.delivered - before.delivered, refused);
    }

    fn acknowledged(&self, batch: &mut Batch<'_>, stop: &Stop) -> Result<(), kafka::Error> {
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

    fn send(
        &self,
        record: &Record<'_>,
        rejection: &Rejection,
        index: u32,
        traces: &mut Traces,
    ) -> Result<(), kafka::Error> {
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
            detail: rejection.detail.to_string(),
            contract_version: None,
            attempt: Context::attempts_of(record.headers()) + 1,
            failed_at_ms: clock::now_ms(),
        };
        let span = self.span(record, rejection, traces.of_record(index).as_ref());
        let letter = span.as_ref().map(Span::context);
        if let Some(letter) = &letter {
            traces.letter(index, letter);
        }
        self.producer.send(Outgoing {
            topic: &self.topic,
            partition: Some(record.partition()),
            key: record.key(),
            value: record.value(),
            timestamp_ms: Some(record.timestamp_ms()).filter(|ms| *ms > 0),
            headers: headers(record, &context, letter.as_ref()),
            receipt: span.map(kafka::ended_by),
        })
    }

    /// The span of a letter, from which its own trace begins.
    fn span(&self, record: &Record<'_>, rejection: &Rejection, of_record: Option<&Parent>) -> Option<Span> {
        let mut span = self.tracer.dead_letter(&self.topic, of_record.is_some(), clock::instant())?;
        let why = (rejection.reason, rejection.message.as_str());
        of_letter(&mut span, &self.topic, record, &self.connector, why, of_record);
        Some(span)
    }
}

/// The record's headers, then those that say why. A letter with a span carries its context, and the record's own under another name;
/// what others keep beside the record's context (`tracestate`) is of the trace that ends here.
fn headers(record: &Record<'_>, context: &Context, letter: Option<&Parent>) -> Headers {
    let is_context = |name: &str| letter.is_some() && [TRACEPARENT, TRACESTATE].contains(&name);
    let is_kept = |name: &str| !is_own_header(name) && !is_context(name);
    let kept = record.headers().filter(|(name, _)| is_kept(name));
    let headers = kept.fold(Headers::new(), |headers, (name, value)| headers.add(name, value));
    let headers = headers.add_texts(context.headers());
    let Some(letter) = letter else { return headers };
    let headers = headers.add(TRACEPARENT, Some(letter.traceparent().as_bytes()));
    match record.headers().find(|(name, _)| *name == TRACEPARENT) {
        Some((_, original)) => headers.add(dead_letter::TRACEPARENT, original),
        None => headers,
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    /// A letter that is reported while it is counted is not refused, and one that was refused is counted once.
    #[test]
    fn a_refusal_is_counted_once() {
        let counts = Counts::default().after(10, 4, 6);
        assert_eq!(counts, Counts { sent: 10, delivered: 4, refused: 0 });
        let counts = counts.after(10, 8, 0);
        assert_eq!(counts.refused, 2);
        // One was delivered after those in flight were counted.
        let counts = counts.after(13, 9, 3);
        assert_eq!(counts.refused, 2);
        assert_eq!(counts.after(13, 11, 0), Counts { sent: 13, delivered: 11, refused: 2 });
    }
}
