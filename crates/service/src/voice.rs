//! The lines of a source pipeline, on stdout.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log_styles::{Line, Style};

use crate::{Error, Stop, clock};

/// Lines wait for each other until they have this many bytes; then they are written.
const WAITING_BYTES_MAX: usize = 64 * 1024;

/// The longest time that a line waits to be written.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// How often the same wait is told, as the source pipelines pause between two attempts.
const SAY_AGAIN: Duration = Duration::from_secs(5);

/// Prints what happens in the words of a source pipeline, or nothing; clones share it.
///
/// Without a style it is silent, and what would have been said need not be put together: look at
/// [`is_silent`](Self::is_silent) first where that costs something. A terminal sees each line at once, any other reader
/// within a second. A reader who goes away, as `| head` does, stops the service.
#[derive(Clone, Debug, Default)]
pub struct Voice {
    speech: Option<Arc<Speech>>,
}

struct Speech {
    style: Style,
    is_terminal: bool,
    stop: Stop,
    state: Mutex<State>,
}

struct State {
    /// Where lines go; `None` once that has failed.
    sink: Option<Box<dyn Write + Send>>,
    waiting: Vec<u8>,
    said_kafka: Option<Instant>,
    said_database: Option<Instant>,
}

impl Voice {
    /// Speaks in this style into `sink`; `stop` is requested when nobody listens any more.
    pub fn new(style: Style, sink: impl Write + Send + 'static, stop: &Stop) -> Self {
        Self::with(style, Box::new(sink), false, stop)
    }

    /// Speaks on stdout, or not at all without a style.
    pub(crate) fn stdout(style: Option<Style>, stop: &Stop) -> Self {
        let is_terminal = io::stdout().is_terminal();
        style.map_or_else(Self::default, |style| Self::with(style, Box::new(io::stdout()), is_terminal, stop))
    }

    fn with(style: Style, sink: Box<dyn Write + Send>, is_terminal: bool, stop: &Stop) -> Self {
        let state = State { sink: Some(sink), waiting: Vec::new(), said_kafka: None, said_database: None };
        let speech = Speech { style, is_terminal, stop: stop.clone(), state: Mutex::new(state) };
        Self { speech: Some(Arc::new(speech)) }
    }

    /// In whose words it speaks; `None` if it is silent.
    pub fn style(&self) -> Option<Style> {
        self.speech.as_ref().map(|speech| speech.style)
    }

    /// Whether nothing is printed, whatever is said.
    pub fn is_silent(&self) -> bool {
        self.speech.is_none()
    }

    /// Says what happens; a pipeline that prints nothing there is silent.
    pub fn say(&self, line: &Line<'_>) {
        let Some(speech) = &self.speech else { return };
        let Some(text) = speech.style.line(line) else { return };
        let mut state = speech.lock();
        state.push(&text);
        if speech.is_terminal || state.waiting.len() >= WAITING_BYTES_MAX {
            state.write(&speech.stop);
        }
    }

    /// Says that a dependency is waited for, at most once in five seconds each for Kafka and the database.
    pub(crate) fn say_waiting(&self, dependency: &str, reason: &str) {
        let Some(speech) = &self.speech else { return };
        let is_due = |said: &mut Option<Instant>| {
            let now = clock::instant();
            let is_due = said.is_none_or(|said| now - said >= SAY_AGAIN);
            if is_due {
                *said = Some(now);
            }
            is_due
        };
        if dependency == "kafka" && is_due(&mut speech.lock().said_kafka) {
            self.say(&Line::WaitingForKafka);
        }
        // The writer has a database for each of its tasks, such as `mariadb (toll-passages/0)`.
        if dependency.starts_with("mariadb") && is_due(&mut speech.lock().said_database) {
            self.say(&Line::WaitingForDatabase { error: reason });
        }
    }

    /// Writes what waits.
    pub fn flush(&self) {
        if let Some(speech) = &self.speech {
            speech.lock().write(&speech.stop);
        }
    }

    /// Writes what waits, again and again.
    pub(crate) async fn keep_flushing(self) -> Result<(), Error> {
        loop {
            tokio::time::sleep(WAIT_MAX).await;
            // A reader may be slow.
            tokio::task::block_in_place(|| self.flush());
        }
    }
}

impl Speech {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// One line, whatever the text holds: it may come from a record.
    fn push(&mut self, text: &str) {
        if self.sink.is_none() {
            return;
        }
        for symbol in text.chars() {
            if symbol.is_control() {
                self.waiting.extend(symbol.escape_default().map(|escape| escape as u8));
            } else {
                self.waiting.extend_from_slice(symbol.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        self.waiting.push(b'\n');
    }

    fn write(&mut self, stop: &Stop) {
        let Some(sink) = &mut self.sink else { return };
        let written = sink.write_all(&self.waiting).and_then(|()| sink.flush());
        self.waiting.clear();
        let Err(error) = written else { return };
        self.sink = None;
        if error.kind() == ErrorKind::BrokenPipe {
            tracing::info!("stopping, for nobody reads stdout any more");
            stop.request();
        } else {
            tracing::warn!(%error, "lines of the log style are no longer printed: stdout cannot be written");
        }
    }
}

impl fmt::Debug for Speech {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Speech").field("style", &self.style).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    /// Writes that a test has not looked at.
    const WRITES_MAX: usize = 16;

    /// Hands on each write; fails as a closed pipe does once the test has dropped the other end.
    struct Pipe(SyncSender<String>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.0.try_send(text).map_err(|_| ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn voice(style: Style, is_terminal: bool, stop: &Stop) -> (Voice, Receiver<String>) {
        let (sender, written) = sync_channel(WRITES_MAX);
        (Voice::with(style, Box::new(Pipe(sender)), is_terminal, stop), written)
    }

    /// A terminal gets each line when it is said, other readers get them together.
    #[test]
    fn lines_wait_unless_somebody_watches() {
        let connected = "Connecting to Kafka\nConnected to Kafka\n";
        for is_terminal in [true, false] {
            let (voice, written) = voice(Style::Ibm, is_terminal, &Stop::default());
            voice.say(&Line::KafkaConnecting);
            assert_eq!(written.try_recv().is_ok(), is_terminal);
            voice.say(&Line::KafkaConnected);
            voice.flush();
            let rest: String = written.try_iter().collect();
            assert_eq!(rest.lines().count(), if is_terminal { 1 } else { 2 });
            assert!(connected.ends_with(&rest), "{rest}");
        }
    }

    /// Many lines do not wait for the second to pass.
    #[test]
    fn what_waits_is_bounded() {
        let (voice, written) = voice(Style::Ibm, false, &Stop::default());
        let line = Line::Reading { topic: "toll" };
        let mut said = 0;
        let first = loop {
            voice.say(&line);
            said += 1;
            if let Ok(first) = written.try_recv() {
                break first;
            }
            assert!(said < 10_000, "nothing was written");
        };
        assert_eq!(first.lines().count(), said);
        assert!(first.len() < WAITING_BYTES_MAX + 100);
    }

    /// A text that would be more than a line, or would steer a terminal, stays one line.
    #[test]
    fn a_line_is_one_line() {
        let (voice, written) = voice(Style::Toll, true, &Stop::default());
        voice.say(&Line::InsertFailed { error: "é\nInserted\x1b[2J" });
        assert_eq!(written.try_recv().as_deref(), Ok("Error: é\\nInserted\\u{1b}[2J\n"));
    }

    /// When the reader has gone, the service stops, and nothing is kept for nobody.
    #[test]
    fn a_reader_who_goes_stops_the_service() {
        let stop = Stop::default();
        let (voice, written) = voice(Style::Ibm, true, &stop);
        drop(written);
        voice.say(&Line::KafkaConnecting);
        assert!(stop.is_stopping());
        voice.say(&Line::KafkaConnected);
        assert!(voice.speech.expect("it has a style").lock().waiting.is_empty());
    }

    /// Many attempts on many databases are one line; Kafka is told apart; other dependencies have no line.
    #[test]
    fn waits_are_said_now_and_then() {
        let (voice, written) = voice(Style::Meteo, true, &Stop::default());
        for dependency in
            ["mariadb (a/0)", "mariadb (b/0)", "kafka topics", "kafka", "kafka", "schema-registry"]
        {
            voice.say_waiting(dependency, "Connection refused");
        }
        let lines: Vec<String> = written.try_iter().collect();
        assert_eq!(
            lines,
            [
                "Erreur de connexion à la base de données : Connection refused. Nouvelle tentative dans 5 sec...\n",
                "Kafka broker non disponible, nouvelle tentative dans 5 secondes...\n",
            ]
        );
    }
}
