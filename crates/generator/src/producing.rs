//! The thread that produces: no future or log line for a record, and an allocation or span for those alone that are traced.

use std::{
    thread,
    time::{Duration, Instant},
};

use kafka::{Class, Headers, Outgoing, Producer};
use service::{Control, Error, Health, Stop, Voice, clock};
use simulation::faults::Kind;
use telemetry::{Counter, Metrics, Tracer, names};

use crate::{
    Config, Source, Stream, pace::Pace, styled::Styled, timeline::Timeline, topics::KAFKA, traced::Traced,
};

/// Most records sent before clock, control and stop are looked at again.
const BATCH_RECORDS_MAX: u64 = 256;
/// Most records in flight: room for full batches to every partition, yet less than the client's own queue takes, so that sending never
/// has to wait.
const IN_FLIGHT_MAX: u64 = 30_000;
/// How long the thread sleeps when nothing is due or there is no room.
const TICK: Duration = Duration::from_millis(2);
/// After this long without an acknowledgement, with records in flight, Kafka counts as away.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// How often it is asked anew why, and the client given its bootstrap servers again.
const TELL_AGAIN: Duration = Duration::from_secs(15);
/// How long a stopped generator waits for acknowledgements; less than the service's own deadline, to say what
/// failed.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);

/// All that the thread owns.
#[derive(Debug)]
pub(crate) struct Producing<S: Source> {
    topic: String,
    stream: Stream<S>,
    pace: Pace,
    timeline: Timeline,
    /// Records to produce in all.
    count: u64,
    producer: Producer,
    control: Control,
    stop: Stop,
    health: Health,
    styled: Styled,
    traced: Traced,
    sent: Counter,
    faults: [Counter; Kind::COUNT],
    started: Instant,
    produced: u64,
    acknowledged: u64,
    /// When something was acknowledged last, or nothing was in flight.
    answered: Instant,
    /// When the state of Kafka was told last.
    told: Instant,
    silent: bool,
}

impl<S: Source> Producing<S> {
    pub(crate) fn new(
        config: &Config<S>,
        metrics: &Metrics,
        control: &Control,
        stop: &Stop,
        health: &Health,
        producer: Producer,
        stream: Stream<S>,
    ) -> Self {
        let start_ms = config.start_time.map(|time| time.timestamp_millis());
        let timeline = Timeline::new(start_ms, clock::now_ms());
        let sent =
            metrics.counter(&names::SENT, &[(names::STREAM, &config.topic), (names::TOPIC, &config.topic)]);
        let faults = Kind::ALL.map(|kind| {
            metrics.counter(&names::FAULTS, &[(names::STREAM, &config.topic), (names::FAULT, kind.name())])
        });
        let started = clock::instant();
        let traced = Traced::new::<S>(&Tracer::default(), &config.topic, stream.schema_id());
        Producing {
            topic: config.topic.clone(),
            stream,
            pace: Pace::new(config.pacing(), timeline.now_ms()),
            timeline,
            count: if config.count == 0 { u64::MAX } else { config.count },
            producer,
            control: control.clone(),
            stop: stop.clone(),
            health: health.clone(),
            styled: Styled::default(),
            traced,
            sent,
            faults,
            started,
            produced: 0,
            acknowledged: 0,
            answered: started,
            told: started,
            silent: false,
        }
    }

    /// The same, telling `voice` what it does.
    pub(crate) fn speaking(self, voice: &Voice) -> Self {
        Producing { styled: Styled::new::<S>(voice), ..self }
    }

    /// The same, with spans for some of its records.
    pub(crate) fn traced_by(self, tracer: &Tracer) -> Self {
        Producing { traced: Traced::new::<S>(tracer, &self.topic, self.stream.schema_id()), ..self }
    }

    /// Produces until the count is reached or the service is told to stop, then waits for all
    /// acknowledgements.
    pub(crate) fn run(mut self) -> Result<(), Error> {
        self.styled.starting(&self.topic);
        while self.produced < self.count && !self.stop.is_stopping() {
            let now = clock::instant();
            self.timeline.tick(clock::now_ms());
            let elapsed = now.duration_since(self.started);
            let rate = self.control.rate().unwrap_or(self.pace.pacing().rate());
            self.pace.heed(self.control.is_paused(), rate, elapsed, self.timeline.now_ms());
            let room = IN_FLIGHT_MAX.saturating_sub(self.account(now)?);
            let batch =
                self.pace.due(elapsed).min(self.count - self.produced).min(room).min(BATCH_RECORDS_MAX);
            for _ in 0..batch {
                self.send_next()?;
            }
            if batch == 0 {
                thread::sleep(TICK);
            }
        }
        if self.stop.is_stopping() {
            self.styled.stopping();
        }
        self.finish()
    }

    fn send_next(&mut self) -> Result<(), Error> {
        let now_ms = self.timeline.next_ms(self.pace.pacing());
        let record = self.stream.next(now_ms);
        self.styled.sent(record.value);
        let is_traced = self.traced.draw();
        loop {
            let (headers, receipt) =
                if is_traced { self.traced.begin(&record) } else { (Headers::new(), None) };
            let sent = self.producer.send(Outgoing {
                topic: &self.topic,
                partition: None,
                key: Some(record.key),
                value: Some(record.value),
                timestamp_ms: Some(now_ms),
                headers,
                receipt,
            });
            match sent {
                Ok(()) => break,
                Err(error) if error.class() == Class::Infrastructure && !self.stop.is_stopping() => {}
                Err(error) => return Err(Error::failed(error)),
            }
        }
        if let Some(kind) = record.fault {
            self.faults[kind as usize].add(1);
        }
        self.pace.record_sent();
        self.produced += 1;
        Ok(())
    }

    /// Counts what was acknowledged meanwhile and tells whether Kafka answers; gives the number of records in
    /// flight.
    ///
    /// Fails if a record was refused.
    fn account(&mut self, now: Instant) -> Result<u64, Error> {
        // In this order, a record that is acknowledged in between counts as both, never as neither.
        let in_flight = self.producer.in_flight() as u64;
        let acknowledged = self.producer.delivered();
        if acknowledged + in_flight < self.produced {
            self.producer.drain(DRAIN_TIMEOUT).map_err(Error::failed)?;
        }
        if acknowledged > self.acknowledged || in_flight == 0 {
            self.answered = now;
        }
        self.sent.add(acknowledged - self.acknowledged);
        self.acknowledged = acknowledged;
        let silent = now.duration_since(self.answered) > SILENCE_MAX;
        if silent != self.silent || (silent && now.duration_since(self.told) > TELL_AGAIN) {
            (self.silent, self.told) = (silent, now);
            let nothing = format!("no record acknowledged for {SILENCE_MAX:?}");
            let state = if silent { Err(self.producer.trouble(&nothing).to_string()) } else { Ok(()) };
            self.health.set(KAFKA, state);
        }
        Ok(in_flight)
    }

    /// Waits for all acknowledgements: as long as it takes, or until the deadline once the service is told to
    /// stop.
    fn finish(mut self) -> Result<(), Error> {
        while self.account(clock::instant())? > 0 && !self.stop.is_stopping() {
            thread::sleep(TICK);
        }
        let drained = self.producer.drain(DRAIN_TIMEOUT);
        let (produced, acknowledged) = (self.produced, self.producer.delivered());
        self.sent.add(acknowledged - self.acknowledged);
        tracing::info!(produced, acknowledged, "{produced} records produced, {acknowledged} acknowledged");
        drained.map_err(Error::failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Passages, parse, tracing_all};

    /// How long a test waits for what must happen.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// A service around the thread, whose producer brings a mock broker of its own.
    #[derive(Debug, Default)]
    struct Surroundings {
        metrics: Metrics,
        stop: Stop,
    }

    impl Surroundings {
        fn producing(&self, arguments: &[&str]) -> Producing<Passages> {
            let always = ["--vehicles=100", "--kafka-property=test.mock.num.brokers=1"];
            let config = parse(&[&always, arguments].concat()).expect("settings");
            let producer = config.kafka.producer("passages", &[]).expect("a producer");
            let (control, health) = (Control::new(&self.metrics), Health::new(&self.metrics));
            let stream = config.stream(1);
            Producing::new(&config, &self.metrics, &control, &self.stop, &health, producer, stream)
        }

        fn total(&self, name: &str) -> f64 {
            let samples = self.metrics.snapshot().samples.into_iter();
            samples.filter(|sample| sample.name == name).map(|sample| sample.value).sum()
        }
    }

    /// The thread ends by itself once all wanted records are acknowledged, malformed ones and duplicates
    /// included.
    #[test]
    fn the_count_is_reached_exactly() {
        let surroundings = Surroundings::default();
        let producing = surroundings.producing(&["--rate=0", "--count=5000", "--malformed=all=18%"]);
        producing.run().expect("all records are acknowledged");
        assert!((surroundings.total(names::SENT.name) - 5_000.0).abs() < 0.5);
        let faults = surroundings.total(names::FAULTS.name);
        assert!((600.0..1_200.0).contains(&faults), "{faults} faults");
    }

    /// An endless stream ends when it is told to, with everything acknowledged that was produced.
    #[test]
    fn a_stop_drains() {
        let surroundings = Surroundings::default();
        let producing = surroundings.producing(&["--rate=2000"]);
        thread::scope(|scope| {
            let running = scope.spawn(|| producing.run());
            let started = clock::instant();
            while surroundings.total(names::SENT.name) < 500.0 && !running.is_finished() {
                assert!(clock::instant() - started < PATIENCE, "too few records acknowledged");
                thread::yield_now();
            }
            surroundings.stop.request();
            running.join().expect("the thread ends").expect("all records are acknowledged");
        });
    }

    /// Each traced record, malformed ones and duplicates included, has a span, which ends once Kafka has the record.
    #[tokio::test(flavor = "multi_thread")]
    async fn spans_end_with_the_acknowledgement() {
        let surroundings = Surroundings::default();
        let export = tracing_all(&surroundings.metrics);
        let producing = surroundings.producing(&["--rate=0", "--count=300", "--malformed=all=50%"]);
        producing.traced_by(export.tracer()).run().expect("all records are acknowledged");
        assert_eq!(surroundings.metrics.gauge(&names::SPAN_QUEUE, &[]).get(), 300);
    }
}
