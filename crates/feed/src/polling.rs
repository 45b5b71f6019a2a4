//! Asking an HTTP feed again and again: what is new is sent, and failures are told, counted and waited out.

use std::{collections::BTreeSet, io::Cursor, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use service::clock;
use telemetry::names;
use tokio::runtime::Handle;

use crate::{
    batch::{Batch, Fate, Topics},
    feed::Feed,
    http::{Address, Answer, Failure},
    mapping::Mapping,
    outlet::{Ended, Outlet},
    position::{HttpPosition, Position, Seen},
    records::{ReadError, Records},
};

/// Most records of a document.
const DOCUMENT_RECORDS_MAX: usize = 10_000;
/// Most records that are remembered, so that they are not sent again: those of the last document and some before.
const SEEN_MAX: usize = DOCUMENT_RECORDS_MAX;
/// The first wait after a failure, unless the interval is shorter; then it doubles, up to the interval.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// What came of a question.
enum Asked {
    /// An answer; the outcome's name in metrics.
    Well(&'static str),
    Badly(Failure),
    /// The feed was told to stop first.
    Stopped,
}

impl Feed {
    /// Asks until told to stop, or until the wanted number of questions is asked.
    pub(crate) fn poll(
        &mut self,
        outlet: &mut Outlet,
        address: &Address,
        interval: Duration,
        mut last: HttpPosition,
    ) -> Result<(), Ended> {
        let mut pauses = pauses(interval);
        loop {
            self.hold_while_paused();
            if self.stop.is_stopping() {
                return Ok(());
            }
            outlet.check()?;
            let (outcome, state, wait) = match self.ask(outlet, address, &mut last)? {
                Asked::Stopped => return Ok(()),
                Asked::Well(outcome) => {
                    pauses = self::pauses(interval);
                    (outcome, Ok(()), interval)
                }
                Asked::Badly(failure) => {
                    let pause = pauses.next().unwrap_or(interval);
                    (failure.outcome, Err(failure.what), wait_after(failure.retry_after, pause))
                }
            };
            self.health.set(&address.shown, state.clone());
            let labels = [(names::FEED, self.mapping.name.as_str()), (names::OUTCOME, outcome)];
            self.metrics.counter(&names::FEED_POLLS, &labels).add(1);
            self.polls += 1;
            if self.config.polls > 0 && self.polls >= self.config.polls {
                tracing::info!(feed = self.mapping.name, "{}: {}", self.mapping.name, self.tally.text());
                return state.map_err(|what| Ended::Failed(address.failed(self.polls, &what)));
            }
            self.rest(wait);
        }
    }

    /// Asks once, and sends what is new.
    fn ask(
        &mut self,
        outlet: &mut Outlet,
        address: &Address,
        last: &mut HttpPosition,
    ) -> Result<Asked, Ended> {
        let asked = Handle::current().block_on(async {
            tokio::select! {
                biased;
                () = self.stop.requested() => None,
                answer = address.ask(last, clock::now_ms()) => Some(answer),
            }
        });
        let (body, etag, last_modified) = match asked {
            None => return Ok(Asked::Stopped),
            Some(Err(failure)) => return Ok(Asked::Badly(failure)),
            Some(Ok(Answer::NotModified)) => return Ok(Asked::Well("not_modified")),
            Some(Ok(Answer::Document { body, etag, last_modified })) => (body, etag, last_modified),
        };
        let news = news(&self.mapping, &self.topics, self.schema_id, body, last);
        let (batch, mut position) = match news {
            Ok(news) => news,
            Err(failure) => return Ok(Asked::Badly(failure)),
        };
        (position.etag, position.last_modified) = (etag, last_modified);
        if batch.tally.sent + batch.tally.dead() == 0 {
            // Nothing has to survive a restart: the same document would again bring nothing new.
            self.delivered(&batch.tally);
            *last = position;
            return Ok(Asked::Well("unchanged"));
        }
        outlet.deliver(&batch, &Position::Http(position.clone()))?;
        self.delivered(&batch.tally);
        tracing::info!(feed = self.mapping.name, "{}: {}", self.mapping.name, batch.tally.text());
        *last = position;
        Ok(Asked::Well("new"))
    }
}

/// What is new in a document, and the position behind it.
///
/// A record that was sent is known by its event's id, one that was set aside by that and its bytes. One that the mapping
/// leaves out is judged again each time: it may become one that it takes.
fn news(
    mapping: &Mapping,
    topics: &Topics,
    schema_id: u32,
    body: Vec<u8>,
    last: &HttpPosition,
) -> Result<(Batch, HttpPosition), Failure> {
    let unreadable = |error: ReadError| Failure::new("unreadable", error.to_string());
    let now_ms = clock::now_ms();
    let known: BTreeSet<Seen> = last.seen.iter().copied().collect();
    let (mut batch, mut row) = (Batch::default(), last.row);
    let (mut ids, mut here, mut seen) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let mut records = Records::new(mapping, Cursor::new(body), 0, None).map_err(unreadable)?;
    while let Some(piece) = records.next().map_err(unreadable)? {
        let event_id = piece.event_id(mapping, None);
        let (sent, set_aside) = (Seen::from(event_id), Seen::set_aside(event_id, piece.raw));
        let found = [sent, set_aside].into_iter().find(|id| here.contains(id) || known.contains(id));
        let remembered = if found.is_some() {
            batch.tally.seen += 1;
            found
        } else {
            match batch.take(mapping, topics, schema_id, (&piece, event_id), (row, now_ms)) {
                Fate::Sent => Some(sent),
                Fate::SetAside => Some(set_aside),
                Fate::Skipped => None,
            }
        };
        row += u64::from(found.is_none() && remembered.is_some());
        seen.extend(remembered.filter(|id| here.insert(*id)));
        ids.insert(sent);
        if ids.len().max(seen.len()) > DOCUMENT_RECORDS_MAX {
            let what = format!("the answer has more than {DOCUMENT_RECORDS_MAX} records");
            return Err(Failure::new("too_large", what));
        }
    }
    seen.extend(last.seen.iter().filter(|id| !here.contains(id)));
    seen.truncate(SEEN_MAX);
    Ok((batch, HttpPosition { etag: None, last_modified: None, row, seen }))
}

/// How long to wait after a failure: as long as the server asks for, but never less than without its asking.
fn wait_after(wanted: Option<Duration>, pause: Duration) -> Duration {
    wanted.map_or(pause, |wanted| wanted.max(pause))
}

/// Waits after failures, from short ones up to the interval.
fn pauses(interval: Duration) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(PAUSE_MIN.min(interval))
        .with_max_delay(interval)
        .without_max_times()
        .with_jitter()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Tally;

    const MAPPING: &str = r#"{ "name": "t", "stream": "weather", "format": { "type": "jsonl" }, "identity": ["/n"],
        "skip_if": { "/off": ["true"] }, "fields": { "sensor_id": { "from": "/n" }, "city": { "value": "Paris" },
        "temperature_c": { "from": "/t" }, "observed_at": { "value": "0", "format": "unix" } } }"#;
    const GOOD: &str = r#"{"n":1,"t":1}"#;
    const COLDER: &str = r#"{"n":1,"t":0}"#;
    const OFF: &str = r#"{"n":1,"t":1,"off":"true"}"#;
    const EMPTY: &str = r#"{"n":1,"t":""}"#;
    const ODD: &str = r#"{"n":1,"t":"?"}"#;

    /// How many records of a document are sent, set aside, skipped and known, and the position behind it.
    fn judged(document: &str, last: &HttpPosition) -> ([u64; 4], HttpPosition) {
        let mapping = Mapping::parse(MAPPING).expect("a mapping");
        let topics = Topics { raw: "raw".to_owned(), dlq: "raw.dlq".to_owned() };
        let body = document.as_bytes().to_vec();
        let (batch, position) = news(&mapping, &topics, 1, body, last).expect("readable");
        let Tally { sent, skipped, seen, .. } = batch.tally;
        assert_eq!(batch.records().len() as u64, sent + batch.tally.dead());
        ([sent, batch.tally.dead(), skipped, seen], position)
    }

    /// A record that was left out or set aside is sent as soon as it can be, and nothing is sent or set aside twice,
    /// also by a feed that has read its position again.
    #[test]
    fn records_are_judged_until_they_are_sent() {
        let mut last = HttpPosition::default();
        for (document, expected, row) in [
            (OFF, [0, 0, 1, 0], 0),
            (OFF, [0, 0, 1, 0], 0),
            (EMPTY, [0, 1, 0, 0], 1),
            (EMPTY, [0, 0, 0, 1], 1),
            (ODD, [0, 1, 0, 0], 2),
            (OFF, [0, 0, 1, 0], 2),
            (EMPTY, [0, 0, 0, 1], 2),
            (GOOD, [1, 0, 0, 0], 3),
            (GOOD, [0, 0, 0, 1], 3),
            (COLDER, [0, 0, 0, 1], 3),
            (ODD, [0, 0, 0, 1], 3),
            (OFF, [0, 0, 0, 1], 3),
        ] {
            let (counts, position) = judged(document, &last);
            assert_eq!((counts, position.row), (expected, row), "{document}");
            let Ok(Position::Http(read)) = Position::decode(Position::Http(position).encode().as_bytes())
            else {
                panic!("a position is read again")
            };
            last = read;
        }
    }

    /// Of copies in one document the first good one is sent, whatever stands before or behind it.
    #[test]
    fn broken_copies_hide_no_good_one() {
        for (copies, expected) in [
            ([EMPTY, GOOD, COLDER], [1, 1, 0, 1]),
            ([OFF, EMPTY, GOOD], [1, 1, 1, 0]),
            ([GOOD, EMPTY, OFF], [1, 0, 0, 2]),
            ([EMPTY, EMPTY, ODD], [0, 2, 0, 1]),
        ] {
            let (counts, position) = judged(&copies.join("\n"), &HttpPosition::default());
            assert_eq!(counts, expected, "{copies:?}");
            let (again, _) = judged(&copies.join("\n"), &position);
            assert_eq!(again, [0, 0, 0, 3], "{copies:?}");
        }
    }

    /// Records that are left out count towards the bound of a document; copies of one do not.
    #[test]
    fn documents_are_bounded() {
        let mapping = Mapping::parse(MAPPING).expect("a mapping");
        let topics = Topics { raw: "raw".to_owned(), dlq: "raw.dlq".to_owned() };
        let outcome = |body: String| {
            let news = news(&mapping, &topics, 1, body.into_bytes(), &HttpPosition::default());
            news.map_or_else(|failure| failure.outcome, |_| "news")
        };
        let off = |count: usize| -> String {
            (0..count).map(|n| format!("{{\"n\":\"{n}\",\"off\":\"true\"}}\n")).collect()
        };
        assert_eq!(outcome(off(DOCUMENT_RECORDS_MAX)), "news");
        assert_eq!(outcome(off(DOCUMENT_RECORDS_MAX + 1)), "too_large");
        assert_eq!(outcome(format!("{OFF}\n").repeat(DOCUMENT_RECORDS_MAX + 1)), "news");
    }

    /// A server that wants to be asked again at once, or whose clock is behind, is not asked without end.
    #[test]
    fn servers_cannot_shorten_the_pause() {
        let [none, short, pause, long] = [0, 1, 5, 60].map(Duration::from_secs);
        for (wanted, expected) in
            [(None, pause), (Some(none), pause), (Some(short), pause), (Some(long), long)]
        {
            assert_eq!(wait_after(wanted, pause), expected, "{wanted:?}");
        }
        assert!(pauses(pause).take(9).all(|pause| pause >= PAUSE_MIN));
    }
}
