//! The spans of records that are traced, one in many, and of the transactions that have one.

use std::time::SystemTime;

use kafka::{Headers, Receipt, ended_by};
use service::clock;
use telemetry::{
    KeyValue, LINKS_MAX, Parent, Sampler, Span, SpanKind, TRACEPARENT, Tracer, names, names::spans,
};

use crate::{
    batch::{Batch, Record, Topics, connector},
    mapping::Mapping,
};

/// Chooses records and makes their spans and those of their transactions.
#[derive(Debug)]
pub(crate) struct Traced {
    tracer: Tracer,
    sampler: Sampler,
    feed: String,
    stream: String,
    schema_id: u32,
}

/// The spans of one transaction: none until a record of it is traced.
#[derive(Debug)]
pub(crate) struct Transaction {
    tracer: Tracer,
    began: SystemTime,
    root: Option<Span>,
    /// What is under way.
    step: Option<Span>,
    links: usize,
}

impl Traced {
    pub(crate) fn new(tracer: &Tracer, mapping: &Mapping, topics: &Topics, schema_id: u32) -> Self {
        Self {
            tracer: tracer.clone(),
            sampler: tracer.sampler(),
            feed: mapping.name.clone(),
            stream: topics.raw.clone(),
            schema_id,
        }
    }

    /// A transaction begins.
    pub(crate) fn transaction(&self) -> Transaction {
        let tracer = self.tracer.clone();
        Transaction { tracer, began: clock::system(), root: None, step: None, links: 0 }
    }

    /// What the next record carries, and who is told what becomes of it: if it is traced, a span that ends when Kafka has it.
    pub(crate) fn begin(
        &mut self,
        record: &Record,
        topic: &str,
        transaction: &mut Transaction,
    ) -> (Headers, Option<Receipt>) {
        let is_traced = self.sampler.draw();
        if !is_traced && record.letter.is_none() {
            return (Headers::new(), None);
        }
        let headers = record.headers();
        let Some(mut span) = self.span(record, topic, is_traced) else { return (headers, None) };
        transaction.take(&self.feed, &mut span);
        let context = span.context().traceparent();
        (headers.add(TRACEPARENT, Some(context.as_bytes())), Some(ended_by(span)))
    }

    /// The root of the trace of a record, or of its dead letter.
    fn span(&self, record: &Record, topic: &str, is_traced: bool) -> Option<Span> {
        let mut span = match &record.letter {
            None => self.tracer.start(spans::send(topic), SpanKind::Producer, None)?,
            Some(_) => self.tracer.dead_letter(topic, is_traced, clock::instant())?,
        };
        span.set(names::MESSAGING_SYSTEM, names::KAFKA);
        span.set(names::OPERATION, spans::SEND);
        span.set(names::OPERATION_TYPE, spans::SEND);
        span.set(names::TOPIC, topic.to_owned());
        span.set(names::SPAN_STREAM, self.stream.clone());
        span.set(names::SPAN_FEED, self.feed.clone());
        span.set(names::EVENT_ID, record.event_id.to_string());
        if let Some(key) = &record.key {
            span.set(names::KEY, key.clone());
        }
        match &record.letter {
            None => span.set(names::SCHEMA_ID, i64::from(self.schema_id)),
            Some(letter) => {
                span.set(names::SPAN_REASON, letter.reason.code());
                span.set(names::SPAN_CONNECTOR, letter.connector_name.clone());
                span.set(names::SOURCE_TOPIC, letter.topic.clone());
                span.set(names::SOURCE_PARTITION, i64::from(letter.partition));
                span.set(names::SOURCE_OFFSET, letter.offset);
                span.fail(letter.reason.code(), letter.exception_message.clone());
            }
        }
        Some(span)
    }
}

impl Transaction {
    /// A record of the transaction is traced; the two point at each other.
    fn take(&mut self, feed: &str, record: &mut Span) {
        if self.root.is_none() {
            let name = spans::transaction(&connector(feed));
            self.root = self.tracer.start_at(name, SpanKind::Internal, None, self.began);
            if let Some(root) = &mut self.root {
                root.set(names::MESSAGING_SYSTEM, names::KAFKA);
                root.set(names::SPAN_FEED, feed.to_owned());
            }
        }
        let Some(root) = &mut self.root else { return };
        record.link(&root.context(), Vec::new());
        if self.links < LINKS_MAX {
            self.links += 1;
            root.link(&record.context(), Vec::new());
        }
    }

    /// All of the batch is queued.
    pub(crate) fn sent(&mut self, batch: &Batch) {
        self.step(spans::SEND, spans::SEND, Some(self.began));
        if let Some(send) = &mut self.step {
            send.set(names::BATCH_COUNT, batch.records().len() as i64);
        }
    }

    /// The broker is asked to commit.
    pub(crate) fn committing(&mut self) {
        self.step(spans::COMMIT, spans::SETTLE, None);
    }

    /// The broker was asked to commit, and is asked again.
    pub(crate) fn retrying(&mut self, error: &kafka::Error) {
        if let Some(step) = &mut self.step {
            step.event(spans::RETRY, vec![KeyValue::new(names::ERROR_MESSAGE, error.to_string())]);
        }
    }

    /// The transaction is committed, or given up.
    pub(crate) fn ended(&mut self, outcome: &Result<(), kafka::Error>) {
        if let Err(error) = outcome {
            for span in [&mut self.step, &mut self.root].into_iter().flatten() {
                span.fail(error.class().name(), error.to_string());
            }
        }
        // The child first.
        self.step = None;
        self.root = None;
    }

    /// What exemplars point at.
    pub(crate) fn context(&self) -> Option<Parent> {
        self.root.as_ref().map(Span::context)
    }

    /// Ends the step before, and begins the next, if this transaction has spans.
    fn step(&mut self, name: &'static str, kind: &'static str, began: Option<SystemTime>) {
        self.step = None;
        let Some(root) = self.context() else { return };
        let began = began.unwrap_or_else(clock::system);
        self.step = self.tracer.start_at(name, SpanKind::Client, Some(&root), began);
        if let Some(step) = &mut self.step {
            step.set(names::MESSAGING_SYSTEM, names::KAFKA);
            step.set(names::OPERATION, name);
            step.set(names::OPERATION_TYPE, kind);
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use telemetry::{Export, Identity, Metrics};

    use super::*;
    use crate::records::Records;

    const MAPPING: &str = r#"{ "name": "t", "stream": "weather", "format": { "type": "jsonl" }, "fields": {
        "sensor_id": { "from": "/n" }, "city": { "value": "Paris" }, "temperature_c": { "from": "/t" },
        "observed_at": { "value": "0", "format": "unix" } } }"#;

    #[derive(Debug, clap::Parser)]
    struct CommandLine {
        #[command(flatten)]
        options: telemetry::Options,
    }

    /// A tracer for a collector that is not there: its queue, in `metrics`, has all spans that have ended.
    fn export(sampler: &str, metrics: &Metrics) -> Export {
        let arguments = format!(
            "feed --otlp-endpoint=http://127.0.0.1:1 --traces-sampler={sampler} --span-delay=600000 \
             --metrics-exporter=none --logs-exporter=none"
        );
        let options = CommandLine::parse_from(arguments.split_whitespace()).options;
        let identity = Identity {
            service: "feed",
            version: "0",
            instance: "test",
            started: clock::system(),
            started_instant: clock::instant(),
        };
        Export::new(&options, &identity, metrics).expect("telemetry")
    }

    /// A good record and one that is set aside.
    fn batch(mapping: &Mapping, topics: &Topics) -> Batch {
        let source = "{\"n\":1,\"t\":1}\n{\"n\":2}\n".as_bytes();
        let mut records = Records::new(mapping, source, 0, None).expect("records");
        let mut batch = Batch::default();
        while let Some(piece) = records.next().expect("readable") {
            let event_id = piece.event_id(mapping, None);
            batch.take(mapping, topics, 1, (&piece, event_id), (0, 0));
        }
        batch
    }

    /// Which records of a batch carry a context, and how many spans have ended with its commit.
    fn run(tracer: &Tracer, metrics: &Metrics) -> (Vec<bool>, i64) {
        let topics = Topics { raw: "raw".to_owned(), dlq: "raw.dlq".to_owned() };
        let mapping = Mapping::parse(MAPPING).expect("a mapping");
        let (batch, mut chosen) = (batch(&mapping, &topics), Traced::new(tracer, &mapping, &topics, 1));
        let (mut transaction, mut has_context) = (chosen.transaction(), Vec::new());
        for record in batch.records() {
            let (headers, receipt) = chosen.begin(record, record.topic(&topics), &mut transaction);
            let has_headers = format!("{headers:?}") != format!("{:?}", Headers::new());
            assert_eq!(has_headers, record.letter.is_some() || receipt.is_some());
            has_context.push(receipt.is_some());
            if let Some(receipt) = receipt {
                receipt(&Ok((0, 7)));
            }
        }
        transaction.sent(&batch);
        transaction.committing();
        assert_eq!(transaction.context().is_some(), has_context.contains(&true));
        transaction.ended(&Ok(()));
        (has_context, metrics.gauge(&names::SPAN_QUEUE, &[]).get())
    }

    /// Without a collector no record carries a context, and no transaction has spans.
    #[test]
    fn without_a_collector_there_are_none() {
        assert_eq!(run(&Tracer::default(), &Metrics::default()), (vec![false, false], 0));
    }

    /// A transaction has its own spans, with a child for sending and one for committing, if a record of it is traced; a dead
    /// letter is, also where no other record would be.
    #[tokio::test(flavor = "multi_thread")]
    async fn transactions_have_spans_if_a_record_has() {
        for (sampler, has_context, spans) in
            [("always_on", [true, true], 5), ("always_off", [false, true], 4)]
        {
            let metrics = Metrics::default();
            let export = export(sampler, &metrics);
            assert_eq!(run(export.tracer(), &metrics), (has_context.to_vec(), spans), "{sampler}");
        }
    }
}
