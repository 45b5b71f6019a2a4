//! The services of the path, and runs at a rate.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use kafka::NewTopic;
use local_stack::Process;
use serde_json::{Value, json};
use service::{Error, clock};

use super::watching::{Ages, TABLE, Watching};
use crate::{
    progress,
    raw::{Group, Raw},
    setting::{Passing, Setting},
    watch::{Seen, cpu_seconds},
};

/// A generator's own default.
const PARTITIONS: i32 = 4;
/// How long a rate is held before it is measured.
const WARM_UP: Duration = Duration::from_secs(2);
/// The first records pay for what the services do once, and the first of all for the broker's JVM, which compiles meanwhile what small
/// requests run through.
const FIRST_RATE: u64 = 2_000;
const FIRST: Duration = Duration::from_secs(2);
const FIRST_OF_ALL: Duration = Duration::from_mins(1);
/// A rate is held if so much of it arrives.
const HELD: f64 = 0.97;
/// How long the services may take for what is left after a generator has ended.
const DRAINED_IN: Duration = Duration::from_mins(1);
const DRAINED_LOOK: Duration = Duration::from_millis(100);
/// So long no row must come after all records are judged, until there are none left.
const STILL: Duration = Duration::from_secs(1);
/// The connector that ships.
const CONNECTOR: &str = "deploy/connectors/toll-passages.json";

/// A validator and a writer that wait for records.
pub(super) struct Chain<'s> {
    setting: &'s Setting,
    name: String,
    validator: Process,
    writer: Process,
    runs: u32,
    raw: Raw,
    /// How far the validator is.
    judged: Group,
    _passing: Passing<'s>,
}

/// What came of a rate.
#[derive(Debug)]
pub(super) struct Run {
    /// How old the rows were that appeared.
    pub(super) ages: Ages,
    /// What the three services together have used meanwhile; the speed is how many rows appeared in a second.
    pub(super) cost: Seen,
    rate: u64,
    /// What the writer itself says of the mean age.
    told_ms: f64,
}

impl Run {
    /// Whether what was sent has arrived as fast.
    pub(super) fn is_held(&self) -> bool {
        self.cost.speed >= self.rate as f64 * HELD
    }

    /// In a line.
    pub(super) fn text(&self) -> String {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| self.ages.quantile_ms(quantile));
        format!(
            "{} a second: {:.0} arrive, p50 {p50:.1} ms, p99 {p99:.1} ms, p99.9 {p999:.1} ms, mean {:.1} ms (the writer says {:.1} ms)",
            self.rate,
            self.cost.speed,
            self.ages.mean_ms(),
            self.told_ms
        )
    }
}

impl<'s> Chain<'s> {
    /// Starts both on topics of their own, and lets the first records through.
    pub(super) fn start(setting: &'s Setting) -> Result<Self, Error> {
        let name = setting.fresh("path");
        let [valid, dead] = ["valid", "dlq"].map(|kind| format!("{name}.{kind}"));
        let topics = [&name, &valid, &dead].map(|topic| NewTopic::new(topic, PARTITIONS, 1));
        setting.admin().create_topics(&topics).map_err(Error::failed)?;
        let passing = setting.passing_stream(&name);
        let raw = Raw { topic: name.clone(), partitions: PARTITIONS, records: 0 };
        let judged = raw.group(setting, &name)?;
        setting.sql(&format!("TRUNCATE TABLE {TABLE}"))?;
        let stream = format!("{name}=schemas/toll_passage");
        let validator = setting.spawn("validator", &name, &["--group-id", &name, "--stream", &stream])?;
        let shipped = fs::read_to_string(CONNECTOR).map_err(Error::failed)?;
        let mut shipped: Value = serde_json::from_str(&shipped).map_err(Error::failed)?;
        shipped["config"]["topics"] = json!(valid);
        shipped["config"]["errors.deadletterqueue.topic.name"] = json!(dead);
        let folder = setting.connector(&name, &shipped["config"])?;
        let writer = setting.spawn("mariadb-writer", &name, &["--connectors", &folder])?;
        let mut chain = Self { setting, name, validator, writer, runs: 0, raw, judged, _passing: passing };
        let first = if !setting.quick && setting.is_first("path") { FIRST_OF_ALL } else { FIRST };
        chain.run(FIRST_RATE, first)?;
        progress("  the first records, which do not count, are through");
        Ok(chain)
    }

    /// Lets a generator hold a rate, and watches the table.
    pub(super) fn run(&mut self, rate: u64, measured: Duration) -> Result<Run, Error> {
        self.runs += 1;
        let Self { setting, name, .. } = &*self;
        let (rate_text, seed) = (rate.to_string(), self.runs.to_string());
        let mut watching = Watching::start(setting)?;
        let generator = setting.spawn(
            "toll-generator",
            &format!("{name}-{seed}"),
            &["--topic", name, "--rate", &rate_text, "--seed", &seed],
        )?;
        let (counts, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
        let (ages, usage) = thread::scope(|scope| {
            let over = Over(&is_over);
            let watching = scope.spawn(|| watching.watch(&counts, &is_over));
            thread::sleep(WARM_UP);
            let used = self.usage(&generator, &counts, measured);
            drop(over);
            let ages = watching.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok::<_, Error>((ages?, used?))
        })?;
        let rows = ages.count() as f64;
        let peak = [&generator, &self.validator, &self.writer].map(Process::resident_peak_kib);
        let peak_kib: u64 = peak.into_iter().flatten().sum();
        setting.end(&generator)?;
        self.drain()?;
        let cost = Seen {
            speed: rows / usage.seconds,
            cpu_s_per_million: usage.cpu_seconds / rows.max(1.0) * 1e6,
            peak_rss_mib: peak_kib as f64 / 1_024.0,
        };
        Ok(Run { ages, cost, rate, told_ms: usage.told_ms })
    }

    /// Ends both.
    pub(super) fn end(self) -> Result<(), Error> {
        self.setting.end(&self.validator)?;
        self.setting.end(&self.writer)
    }

    /// What the services use while it counts.
    fn usage(&self, generator: &Process, counts: &AtomicBool, measured: Duration) -> Result<Usage, Error> {
        let cpu = || {
            let all = [generator, &self.validator, &self.writer];
            all.map(cpu_seconds).into_iter().sum::<Result<f64, Error>>()
        };
        let (cpu_before, told_before, began) = (cpu()?, self.told()?, clock::instant());
        counts.store(true, Ordering::Relaxed);
        thread::sleep(measured);
        counts.store(false, Ordering::Relaxed);
        let seconds = began.elapsed().as_secs_f64();
        let (cpu_after, told_after) = (cpu()?, self.told()?);
        let told_ms = (told_after.seconds - told_before.seconds) / (told_after.rows - told_before.rows) * 1e3;
        Ok(Usage { seconds, cpu_seconds: cpu_after - cpu_before, told_ms })
    }

    /// What the writer says of the ages of its rows.
    fn told(&self) -> Result<Told, Error> {
        let of = |part: &str| {
            let metric = format!("turnpike_end_to_end_latency_seconds_{part}");
            self.setting.metric(&self.writer, &metric, |_| true)
        };
        Ok(Told { seconds: of("sum")?, rows: of("count")? })
    }

    /// Waits until all that was sent is judged and no row comes any more, and empties the table.
    fn drain(&self) -> Result<(), Error> {
        let rows = || self.setting.number(&format!("SELECT MAX(id) FROM {TABLE}"));
        let since = clock::instant();
        let (mut last, mut moved) = (rows()?, since);
        loop {
            let now = rows()?;
            if now != last || self.judged.committed()? < self.raw.end(self.setting.admin())? {
                (last, moved) = (now, clock::instant());
            } else if moved.elapsed() > STILL {
                return self.setting.sql(&format!("TRUNCATE TABLE {TABLE}")).map(|_| ());
            }
            if since.elapsed() > DRAINED_IN {
                return Err(Error::failed("the services do not come to the end of what a generator left"));
            }
            thread::sleep(DRAINED_LOOK);
        }
    }
}

/// Ends the watching however the measuring ends: who joins a thread that nobody stops waits for ever.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a run has used.
#[derive(Debug, Clone, Copy)]
struct Usage {
    seconds: f64,
    cpu_seconds: f64,
    told_ms: f64,
}

/// Sum and number of the ages that a writer has counted.
#[derive(Debug, Clone, Copy)]
struct Told {
    seconds: f64,
    rows: f64,
}
