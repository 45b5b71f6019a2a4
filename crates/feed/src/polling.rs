//! Asking an HTTP feed again and again: what is new is sent, and failures are told, counted and waited out.

use std::{collections::BTreeSet, io::Cursor, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use service::{Error, clock};
use telemetry::names;
use tokio::runtime::Handle;

use crate::{
    batch::Batch,
    feed::Feed,
    http::{Address, Answer, Failure},
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
                return state.map_err(|what| {
                    let (polls, shown) = (self.polls, &address.shown);
                    Ended::Failed(Error::failed(format!(
                        "question {polls} of {polls} to {shown} failed: {what}; ask again later"
                    )))
                });
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
        let (batch, mut position) = match self.news(body, last) {
            Ok(news) => news,
            Err(failure) => return Ok(Asked::Badly(failure)),
        };
        (position.etag, position.last_modified) = (etag, last_modified);
        if batch.tally.sent + batch.tally.dead() == 0 {
            // Nothing has to survive a restart: the same document would again bring nothing new.
            *last = position;
            return Ok(Asked::Well("unchanged"));
        }
        outlet.deliver(&batch, &Position::Http(position.clone()))?;
        self.delivered(&batch.tally);
        tracing::info!(feed = self.mapping.name, "{}: {}", self.mapping.name, batch.tally.text());
        *last = position;
        Ok(Asked::Well("new"))
    }

    /// The records of a document that were not in an earlier one, and the position behind it.
    fn news(&self, body: Vec<u8>, last: &HttpPosition) -> Result<(Batch, HttpPosition), Failure> {
        let unreadable = |error: ReadError| Failure::new("unreadable", error.to_string());
        let now_ms = clock::now_ms();
        let known: BTreeSet<Seen> = last.seen.iter().copied().collect();
        let (mut batch, mut row) = (Batch::default(), last.row);
        let (mut here, mut seen) = (BTreeSet::new(), Vec::new());
        let mut records = Records::new(&self.mapping, Cursor::new(body), 0, None).map_err(unreadable)?;
        while let Some(piece) = records.next().map_err(unreadable)? {
            let event_id = piece.event_id(&self.mapping, None);
            if here.insert(Seen::from(event_id)) {
                seen.push(Seen::from(event_id));
                if seen.len() > DOCUMENT_RECORDS_MAX {
                    let what = format!("the answer has more than {DOCUMENT_RECORDS_MAX} records");
                    return Err(Failure::new("too_large", what));
                }
                if !known.contains(&Seen::from(event_id)) {
                    batch.take(
                        &self.mapping,
                        &self.topics,
                        self.schema_id,
                        (&piece, event_id),
                        (row, now_ms),
                    );
                    row += 1;
                    continue;
                }
            }
            batch.tally.seen += 1;
        }
        seen.extend(last.seen.iter().filter(|id| !here.contains(id)));
        seen.truncate(SEEN_MAX);
        Ok((batch, HttpPosition { etag: None, last_modified: None, row, seen }))
    }
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
