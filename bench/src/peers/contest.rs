//! One peer in turn with the writer.

use std::cell::RefCell;

use serde_json::json;
use service::{Error, cause_chain, clock};

use super::{
    connect::{Converter, Worker},
    course::{self, Course, Courses},
    python::Script,
    settings::{Home, SinkSettings},
    standings::Outcome,
};
use crate::{pairs::pairs, progress, rows::PASSAGES, setting::Setting, watch::Seen};

/// What all contests have in common.
pub(super) struct Ground<'g> {
    /// Kafka, MariaDB and the registry.
    pub(super) setting: &'g Setting,
    /// What is compared with.
    pub(super) home: &'g Home,
    /// Topics.
    pub(super) courses: &'g Courses<'g>,
    /// What Connect reads Avro with.
    pub(super) converter: &'g Converter,
}

/// What is done to rows whose key is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Plain inserts.
    Append,
    /// The new row replaces the old one.
    Upsert,
}

/// A peer, and what it is measured with.
#[derive(Debug)]
pub(super) struct Contest {
    /// What is to be done; the writer does the same.
    pub(super) work: Work,
    /// How many tasks each of both has.
    pub(super) tasks: u32,
    /// Fewer records than others get, for a slow one.
    records: Option<u64>,
    /// What the peer is.
    peer: Peer,
}

/// A peer.
#[derive(Debug)]
enum Peer {
    Sink(SinkSettings),
    Python(Script),
}

/// What a process was seen to do from its start on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cold {
    /// From the start of the process to the first row that others see.
    pub(super) first_row_ms: f64,
    /// Rows a second of its first run.
    pub(super) speed: f64,
}

/// Runs of a peer.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// Those that are compared: the first of a process of Connect is not among them.
    pub(super) warm: Vec<Seen>,
    /// The first of each process.
    pub(super) cold: Vec<Cold>,
}

impl Contest {
    /// A sink of Kafka Connect, with each number of tasks that it is to be run with.
    pub(super) fn of_sink(sink: &SinkSettings) -> Vec<Self> {
        let work = if sink.is_upsert { Work::Upsert } else { Work::Append };
        let of_tasks =
            |tasks: &u32| Self { work, tasks: *tasks, records: sink.records, peer: Peer::Sink(sink.clone()) };
        sink.tasks.iter().map(of_tasks).collect()
    }

    /// A Python program.
    pub(super) fn of_script(work: Work, script: Script, records: Option<u64>) -> Self {
        Self { work, tasks: 1, records, peer: Peer::Python(script) }
    }

    /// As in `append.debezium_best_tasks_2`.
    pub(super) fn title(&self) -> String {
        let work = match self.work {
            Work::Append => "append",
            Work::Upsert => "upsert",
        };
        let peer = match &self.peer {
            Peer::Sink(sink) => sink.name.clone(),
            Peer::Python(script) => format!("python_{}", script.name),
        };
        let tasks = if self.tasks > 1 { format!("_tasks_{}", self.tasks) } else { String::new() };
        format!("{work}.{peer}{tasks}")
    }

    /// The figure's name.
    pub(super) fn name(&self) -> String {
        format!("peers.{}", self.title())
    }

    /// Whether it is a sink of Kafka Connect with the best settings that are known.
    pub(super) fn is_best_of_connect(&self) -> bool {
        matches!(&self.peer, Peer::Sink(sink) if !sink.name.contains("_default"))
    }

    /// Whether it is such a sink as it comes, and as a redelivery does no harm to.
    pub(super) fn is_safe_default_of_connect(&self) -> bool {
        matches!(&self.peer, Peer::Sink(sink) if sink.name.ends_with("_default_upsert"))
    }

    /// Measures the peer in turn with the writer.
    pub(super) fn hold(&self, ground: &Ground<'_>) -> Result<Outcome, Error> {
        let Ground { setting, courses, .. } = ground;
        let ours = courses.of(self.tasks, None)?;
        let theirs = courses.of(self.tasks, self.records)?;
        let stored = RefCell::new(Vec::new());
        let (mut runs, mut failure, mut worker) = (Runs::default(), None, None);
        let figure = pairs(
            &self.name(),
            "rows/s",
            &self.title(),
            setting.pairs,
            |_| {
                let seen = store(setting, &ours, self.work, self.tasks)?;
                stored.borrow_mut().push(seen);
                Ok(seen)
            },
            |_| {
                let run = self.run_peer(ground, &theirs, &mut worker, &mut runs);
                let run = run.inspect_err(|error| failure = Some(cause_chain(error)));
                run.map(|seen| seen.speed)
            },
        )?;
        Ok(Outcome::new(self, figure, stored.into_inner(), runs, failure))
    }

    /// One run of the peer; Connect's worker is started by the first and goes on running.
    fn run_peer(
        &self,
        ground: &Ground<'_>,
        course: &Course,
        worker: &mut Option<Worker>,
        runs: &mut Runs,
    ) -> Result<Seen, Error> {
        let seen = match (&self.peer, &mut *worker) {
            (Peer::Python(script), _) => {
                let (seen, first_row_ms) = script.run(ground, course)?;
                runs.cold.push(Cold { first_row_ms, speed: seen.speed });
                seen
            }
            (Peer::Sink(sink), Some(worker)) => worker.run(ground, sink, course, self.tasks)?,
            (Peer::Sink(sink), None) => {
                let (started, cold) = Worker::start(ground, sink, course, self.tasks)?;
                let Cold { first_row_ms, speed } = cold;
                progress(format!("  cold: first row after {first_row_ms:.0} ms, then {speed:.0} rows/s"));
                runs.cold.push(cold);
                worker.insert(started).run(ground, sink, course, self.tasks)?
            }
        };
        let Seen { cpu_s_per_million, peak_rss_mib, .. } = seen;
        progress(format!("  it used {cpu_s_per_million:.1} processor s per million, {peak_rss_mib:.0} MiB"));
        runs.warm.push(seen);
        Ok(seen)
    }
}

/// The writer's first run, which does not count.
pub(super) fn warm_up(setting: &Setting, courses: &Courses<'_>) -> Result<(), Error> {
    store(setting, &*courses.of(1, None)?, Work::Append, 1)?;
    progress("  a first run of the writer, which does not count, is done");
    Ok(())
}

/// The writer as it ships: nothing is set but what is to be stored where, and how.
fn store(setting: &Setting, course: &Course, work: Work, tasks: u32) -> Result<Seen, Error> {
    PASSAGES.clear(setting)?;
    let mut config = json!({
        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector",
        "tasks.max": tasks.to_string(),
        "topics": course.topic,
        "table.name.format": PASSAGES.name,
        "insert.mode": "insert",
        "fields.whitelist": PASSAGES.columns,
    });
    if work == Work::Upsert {
        config["insert.mode"] = json!("upsert");
        config["pk.mode"] = json!("record_value");
        config["pk.fields"] = json!("event_id");
    }
    let run = setting.fresh("peers");
    let folder = setting.connector(&run, &config)?;
    let began = clock::instant();
    let process = setting.spawn("mariadb-writer", &run, &["--connectors", &folder])?;
    course::first_row_ms(setting, &process, began, || Ok(()))?;
    let seen = course.follow(setting, &process, || Ok(()))?;
    setting.end(&process)?;
    Ok(seen)
}
