//! The feed's thread: sessions with the cluster, each of which goes on where the last one got to.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use service::{Attempt, Control, Error, Health, Stop, clock, wait_for};
use telemetry::{Metrics, Tracer, names, names::spans};
use tokio::runtime::Handle;

use crate::{
    Config, Mapping,
    batch::{Batch, Tally, Topics, connector},
    cluster::{KAFKA, attempt},
    file::{self, FileSource},
    http::Address,
    outlet::{Ended, Outlet},
    position::{self, FilePosition, Position},
    traced::Traced,
};
use dead_letter::Stage;

/// Being shut out twice within this time means that another feed of this name runs.
const FENCED_AGAIN: Duration = Duration::from_secs(30);
/// How long to wait before a new session.
const RECOVERY_PAUSE: Duration = Duration::from_millis(500);
/// How often a paused feed looks whether it may go on.
const PAUSED_TURN: Duration = Duration::from_millis(100);
/// How often a long file tells how far it is.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Where records come from.
#[derive(Debug)]
pub(crate) enum Input {
    /// A file, by its full path.
    File(PathBuf),
    /// An address, and how long from one question to the next.
    Http(Address, Duration),
}

/// All that the thread owns.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) config: Config,
    pub(crate) mapping: Mapping,
    pub(crate) topics: Topics,
    pub(crate) schema_id: u32,
    pub(crate) stop: Stop,
    pub(crate) health: Health,
    pub(crate) control: Control,
    pub(crate) metrics: Metrics,
    pub(crate) tracer: Tracer,
    /// Whether the last position is to be forgotten first.
    pub(crate) starts_over: bool,
    /// What became of all records of this run.
    pub(crate) tally: Tally,
    /// Questions asked.
    pub(crate) polls: u64,
}

impl Feed {
    /// Takes the source until its end, or until told to stop.
    pub(crate) fn run(mut self, input: &Input) -> Result<(), Error> {
        let mut last_fenced: Option<Instant> = None;
        loop {
            match self.session(input) {
                Ok(()) => return Ok(()),
                Err(Ended::Failed(error)) => return Err(error),
                Err(Ended::Fenced(reason)) => {
                    let now = clock::instant();
                    if last_fenced.replace(now).is_some_and(|last| now - last < FENCED_AGAIN) {
                        let name = &self.mapping.name;
                        return Err(Error::failed(format!(
                            "feed {name} was shut out twice ({reason}); does another one of this name run?"
                        )));
                    }
                    tracing::warn!(reason, "shut out by the cluster; starting over with a new session");
                }
                Err(Ended::Spent) => {
                    tracing::info!("the last commit had to be tried again; going on with a new session");
                }
                Err(Ended::Lost(reason)) => {
                    if self.stop.is_stopping() {
                        return Err(Error::Stopped);
                    }
                    self.health.set(KAFKA, Err(reason));
                    self.rest(RECOVERY_PAUSE);
                }
            }
        }
    }

    /// Shuts out a twin, reads how far the feed has come, and goes on from there.
    fn session(&mut self, input: &Input) -> Result<(), Ended> {
        let mut outlet = self.outlet(input)?;
        if self.starts_over {
            // Committed before anything is sent: after a lost answer the next session goes on, and sends nothing twice.
            outlet.forget()?;
            self.starts_over = false;
            outlet.check()?;
        }
        let last = self.last_position(outlet.key())?;
        match (input, last) {
            (Input::File(path), Some(Position::File(last))) => self.take_file(&mut outlet, path, Some(last)),
            (Input::File(path), _) => self.take_file(&mut outlet, path, None),
            (Input::Http(address, interval), Some(Position::Http(last))) => {
                self.poll(&mut outlet, address, *interval, last)
            }
            (Input::Http(address, interval), _) => {
                self.poll(&mut outlet, address, *interval, position::HttpPosition::default())
            }
        }
    }

    /// The way into Kafka, which is this feed's alone from now on.
    fn outlet(&self, input: &Input) -> Result<Outlet, Error> {
        let id = connector(&self.mapping.name);
        let producer = self.ask_kafka(|| {
            let producer = self.config.kafka.transactional_producer(&id)?;
            producer.init().map(|()| producer)
        })?;
        let key = match input {
            Input::File(path) => position::key(&self.mapping.name, "file", &path.to_string_lossy()),
            Input::Http(address, _) => position::key(&self.mapping.name, "url", &address.shown),
        };
        let traced = Traced::new(&self.tracer, &self.mapping, &self.topics, self.schema_id);
        let commit = [(names::OPERATION, spans::COMMIT)];
        let commits = self.metrics.histogram(&names::OPERATION_DURATION, &commit);
        let state = (self.stop.clone(), self.health.clone());
        Ok(Outlet::new(producer, self.topics.clone(), key, state, traced, commits))
    }

    /// Where the source was left.
    fn last_position(&self, key: &str) -> Result<Option<Position>, Error> {
        let value = self.ask_kafka(|| self.config.kafka.newest_value(position::TOPIC, key.as_bytes()))?;
        let Some(value) = value else { return Ok(None) };
        let position = Position::decode(&value).map_err(|error| {
            let shown = String::from_utf8_lossy(&value).into_owned();
            let allowed = format!("a position of this version ({error}); --start-over forgets it");
            Error::config(format!("position {key} on topic {}", position::TOPIC), shown, allowed)
        })?;
        Ok(Some(position))
    }

    fn ask_kafka<T>(&self, ask: impl Fn() -> Result<T, kafka::Error>) -> Result<T, Error> {
        let ask = || std::future::ready(ask().map_err(attempt) as Result<T, Attempt>);
        Handle::current().block_on(wait_for(KAFKA, &self.stop, &self.health, ask))
    }

    fn take_file(
        &mut self,
        outlet: &mut Outlet,
        path: &Path,
        last: Option<FilePosition>,
    ) -> Result<(), Ended> {
        let mut source = FileSource::open(path, &self.mapping, last)?;
        let name = self.mapping.name.clone();
        tracing::info!(feed = name, "{name}: going on after row {}", source.row());
        let mut told = clock::instant();
        loop {
            self.hold_while_paused();
            if self.stop.is_stopping() {
                let row = source.row();
                tracing::info!(feed = name, "{name}: stopped after row {row}; the next start goes on there");
                return Ok(());
            }
            outlet.check()?;
            let mut batch = Batch::default();
            let read_on = self.fill(&mut source, path, &mut batch);
            if batch.tally.all() > 0 {
                let position = source.position().map_err(|error| {
                    Error::failed(format!("cannot read the beginning of {} again: {error}", path.display()))
                });
                outlet.deliver(&batch, &Position::File(position?))?;
                self.delivered(&batch.tally);
            }
            if !read_on? {
                break;
            }
            if told.elapsed() >= TELL_EVERY {
                told = clock::instant();
                let percent = source.percent();
                tracing::info!(
                    feed = name,
                    percent,
                    "{name}: {}, {percent} % of the file",
                    self.tally.text()
                );
            }
        }
        // A closed stdout loses the sum, which the last log line has as well.
        let _ = writeln!(io::stdout(), "{name}: {}", self.tally.text());
        Ok(())
    }

    /// Fills a batch; whether the file goes on behind it.
    fn fill(&self, source: &mut FileSource, path: &Path, batch: &mut Batch) -> Result<bool, Error> {
        let file_name = file::name(path);
        let now_ms = clock::now_ms();
        while !batch.is_full() {
            let row = source.row();
            let next = source.next().map_err(|error| file::unreadable(path, row, &error));
            let Some((piece, row)) = next? else { return Ok(false) };
            let event_id = piece.event_id(&self.mapping, Some((&file_name, row)));
            batch.take(&self.mapping, &self.topics, self.schema_id, (&piece, event_id), (row, now_ms));
        }
        Ok(true)
    }

    /// Counts what has been committed.
    pub(crate) fn delivered(&mut self, tally: &Tally) {
        self.tally.add(tally);
        let feed = self.mapping.name.as_str();
        let count = |outcome, number: u64| {
            let labels = [(names::FEED, feed), (names::OUTCOME, outcome)];
            self.metrics.counter(&names::FEED_RECORDS, &labels).add(number);
        };
        count("sent", tally.sent);
        count("set_aside", tally.dead());
        count("skipped", tally.skipped);
        count("seen", tally.seen);
        for (topic, number) in [(&self.topics.raw, tally.sent), (&self.topics.dlq, tally.dead())] {
            self.metrics.counter(&names::SENT, &[(names::TOPIC, topic)]).add(number);
        }
        for (reason, number) in &tally.set_aside {
            let labels = [(names::STAGE, Stage::ValueConverter.name()), (names::REASON, reason.code())];
            self.metrics.counter(&names::DEAD_LETTERS, &labels).add(*number);
        }
    }

    pub(crate) fn hold_while_paused(&self) {
        while self.control.is_paused() && !self.stop.is_stopping() {
            self.rest(PAUSED_TURN);
        }
    }

    /// Waits, but not beyond a wish to stop.
    pub(crate) fn rest(&self, time: Duration) {
        let rest = async { tokio::time::timeout(time, self.stop.requested()).await.is_ok() };
        Handle::current().block_on(rest);
    }
}
