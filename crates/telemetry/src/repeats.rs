//! Collapses warnings and errors that come again and again: the first is a line, the others are counted, and the count is a line.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::Context;

/// How long the same line is counted before it is told how often it came.
const WINDOW: Duration = Duration::from_secs(10);
/// Different lines that are told apart; a service has few, and what is beyond is written as it comes.
const LINES_MAX: usize = 256;
/// The target of the lines that tell a count, which are not counted themselves.
const TARGET: &str = "telemetry::repeats";

/// Counts repetitions; clones share them.
#[derive(Clone, Debug)]
pub struct Repeats {
    clock: fn() -> Instant,
    lines: Arc<Mutex<HashMap<u64, Line>>>,
}

#[derive(Debug)]
struct Line {
    first: Instant,
    again: u64,
    is_error: bool,
    target: &'static str,
    message: String,
}

/// Reads an event: what it says, and a number that another event has only if it says the same.
struct Reader {
    hasher: DefaultHasher,
    message: String,
    fields: String,
}

impl Repeats {
    /// Nothing counted yet.
    pub(crate) fn new(clock: fn() -> Instant) -> Self {
        Self { clock, lines: Arc::default() }
    }

    /// Tells how often lines have come whose time is over; to be called about once a second.
    pub fn tell(&self) {
        let now = (self.clock)();
        self.tell_those(|line| now.saturating_duration_since(line.first) >= WINDOW);
    }

    /// Tells of all lines, at the end of the process.
    pub fn tell_all(&self) {
        self.tell_those(|_| true);
    }

    fn tell_those(&self, is_over: impl Fn(&Line) -> bool) {
        let over: Vec<Line> = self.lock().extract_if(|_, line| is_over(line)).map(|(_, line)| line).collect();
        for Line { again, is_error, target, message, .. } in over.into_iter().filter(|line| line.again > 0) {
            let times = if again == 1 { "once more".to_owned() } else { format!("{again} times more") };
            if is_error {
                tracing::error!(target: TARGET, repeated = again, of = target, "{times}: {message}");
            } else {
                tracing::warn!(target: TARGET, repeated = again, of = target, "{times}: {message}");
            }
        }
    }

    /// Whether an event is written, rather than counted.
    fn is_new(&self, event: &Event<'_>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN || metadata.target() == TARGET {
            return true;
        }
        let mut reader = Reader::new();
        metadata.callsite().hash(&mut reader.hasher);
        event.record(&mut reader);
        let key = reader.hasher.finish();
        let now = (self.clock)();
        let mut lines = self.lock();
        if let Some(line) = lines.get_mut(&key)
            && now.saturating_duration_since(line.first) < WINDOW
        {
            line.again += 1;
            return false;
        }
        // A line whose time is over and that has not been told yet goes on being counted, and so is told by the next call.
        if let Some(line) = lines.get_mut(&key).filter(|line| line.again > 0) {
            line.again += 1;
            return false;
        }
        if lines.len() < LINES_MAX {
            let Reader { message, fields, .. } = reader;
            let message = message + &fields;
            let is_error = *metadata.level() == Level::ERROR;
            lines.insert(key, Line { first: now, again: 0, is_error, target: metadata.target(), message });
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Repeats {
    /// Every line is put to the filters, each time: what `tracing::enabled!` answered on this thread (librdkafka's settings ask at
    /// each client) would otherwise stay in their memory, and take the next line with it.
    fn register_callsite(&self, _metadata: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        self.is_new(event)
    }

    /// It asks for nothing that the others do not ask for.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }
}

impl Reader {
    fn new() -> Self {
        Self { hasher: DefaultHasher::new(), message: String::new(), fields: String::new() }
    }
}

impl Visit for Reader {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let (name, text) = (field.name(), format!("{value:?}"));
        (name, &text).hash(&mut self.hasher);
        if name == "message" {
            self.message = text;
        } else {
            self.fields.extend([" ", name, "=", &text]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{LazyLock, mpsc};

    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    static START: LazyLock<Instant> = LazyLock::new(start);
    static SECONDS: AtomicU64 = AtomicU64::new(0);
    /// Lines that a test has not looked at.
    const WAITING_MAX: usize = 64;

    #[expect(clippy::disallowed_methods, reason = "a moment to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    fn clock() -> Instant {
        *START + Duration::from_secs(SECONDS.load(Ordering::Relaxed))
    }

    struct Tell(mpsc::SyncSender<String>);

    impl<S: Subscriber> Layer<S> for Tell {
        fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
            let mut reader = Reader::new();
            event.record(&mut reader);
            self.0.send(reader.message).expect("the test listens");
        }
    }

    /// The first line is written, its repetitions are one line with their count; others, and what is said at info, are not touched.
    #[test]
    fn repetitions_are_one_line() {
        let repeats = Repeats::new(clock);
        let (sender, lines) = mpsc::sync_channel(WAITING_MAX);
        let subscriber = tracing_subscriber::registry().with(repeats.clone()).with(Tell(sender));
        tracing::subscriber::with_default(subscriber, || {
            for berth in [7, 7, 7, 8] {
                tracing::warn!(berth, "the tide is out");
                tracing::info!("waiting");
            }
            repeats.tell();
            SECONDS.store(11, Ordering::Relaxed);
            repeats.tell();
            tracing::warn!(berth = 7, "the tide is out");
            repeats.tell_all();
        });
        let lines: Vec<String> = lines.try_iter().filter(|line| line != "waiting").collect();
        let line = "the tide is out";
        assert_eq!(lines, [line, line, "2 times more: the tide is out berth=7", line]);
    }

    /// A question whether a line would be written takes no other line with it.
    #[test]
    fn a_question_loses_no_line() {
        let (sender, lines) = mpsc::sync_channel(WAITING_MAX);
        let tell = Tell(sender).with_filter(EnvFilter::new("info,buoy=warn"));
        let subscriber = tracing_subscriber::registry().with(Repeats::new(clock)).with(tell);
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..2 {
                // The answer does not matter here; that it was asked stays in the filters' memory.
                let _ = tracing::enabled!(target: "buoy", Level::INFO);
                tracing::info!("high tide");
            }
        });
        assert_eq!(lines.try_iter().count(), 2);
    }

    /// More different lines than are told apart are written as they come.
    #[test]
    fn what_is_remembered_is_bounded() {
        let repeats = Repeats::new(clock);
        let (sender, lines) = mpsc::sync_channel(LINES_MAX * 4);
        let subscriber = tracing_subscriber::registry().with(repeats.clone()).with(Tell(sender));
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..2 {
                for berth in 0..LINES_MAX + 3 {
                    tracing::warn!(berth, "occupied");
                }
            }
        });
        assert_eq!(lines.try_iter().count(), LINES_MAX + 6);
        assert_eq!(repeats.lock().len(), LINES_MAX);
    }
}
