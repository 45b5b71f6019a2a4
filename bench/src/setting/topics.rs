//! Topics that come and go, and what is in them.

use std::{collections::BTreeSet, sync::PoisonError, thread, time::Duration};

use kafka::{Found, NewTopic, Position, TopicOutcome};
use service::{Error, cause_chain, clock};

use super::Setting;
use crate::progress;

/// How long the broker may take until a topic is there, or until its records can be read.
const THERE_IN: Duration = Duration::from_secs(10);
/// How often it is asked.
const LOOK: Duration = Duration::from_millis(20);

/// Topics of a run: they go with this, or the disk would be full of them before a full run is over.
pub(crate) struct Passing<'s> {
    setting: &'s Setting,
    topics: Vec<String>,
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.setting.delete_topics(&self.topics) {
            progress(format!("  topics stay behind: {}", cause_chain(&error)));
        }
    }
}

impl Setting {
    /// Deletes these topics, there or not, when the run is over. To be held longer than who writes to them.
    pub(crate) fn passing(&self, topics: impl IntoIterator<Item = String>) -> Passing<'_> {
        Passing { setting: self, topics: topics.into_iter().collect() }
    }

    /// The same for a raw topic with those that a generator makes beside it.
    pub(crate) fn passing_stream(&self, raw: &str) -> Passing<'_> {
        self.passing(["", ".valid", ".dlq"].map(|kind| format!("{raw}{kind}")))
    }

    /// Creates a topic, which must be a new one.
    pub(crate) fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), Error> {
        let outcomes = self.admin.create_topics(&[NewTopic::new(topic, partitions, 1)]);
        match outcomes.map_err(Error::failed)?.pop() {
            Some((_, TopicOutcome::Created)) => Ok(()),
            outcome => Err(Error::failed(format!("topic {topic} is not created: {outcome:?}"))),
        }
    }

    /// Makes sure that a topic is there and empty: what was in it is gone.
    pub(crate) fn renew_topic(&self, topic: &str, partitions: i32) -> Result<(), Error> {
        self.delete_topics(&[topic.to_owned()])?;
        self.create_topic(topic, partitions)?;
        let since = clock::instant();
        // The broker hears of both from the controller, a moment later.
        let offsets = |partition| self.admin.offsets(topic, partition);
        while let Some(other) = (0..partitions).map(offsets).find(|offsets| !matches!(offsets, Ok((0, 0)))) {
            if since.elapsed() > THERE_IN {
                let reason = match other {
                    Ok((first, end)) => format!("a partition's records are {first} to {end}"),
                    Err(error) => error.to_string(),
                };
                return Err(Error::failed(format!("topic {topic} does not become empty: {reason}")));
            }
            thread::sleep(LOOK);
            // A client that has once been told that there is no such topic believes it for long, unless it hears of all topics.
            self.admin.topics().map_err(Error::failed)?;
        }
        Ok(())
    }

    /// Counts the committed records of a topic, one by one; waits a while for as many as there should be.
    pub(crate) fn count(&self, topic: &str, partitions: i32, expected: u64) -> Result<u64, Error> {
        let from: Vec<_> = (0..partitions).map(|partition| (partition, Position::Beginning)).collect();
        let reader = self.connection().reader(topic, &from).map_err(Error::failed)?;
        let (mut count, mut open) = (0, (0..partitions).collect::<BTreeSet<i32>>());
        let mut moved = clock::instant();
        while !open.is_empty() || count < expected {
            match reader.next(LOOK).map_err(Error::failed)? {
                Found::Record(record) => {
                    open.insert(record.partition());
                    count += 1;
                    moved = clock::instant();
                }
                Found::EndOf(partition) => {
                    open.remove(&partition);
                }
                Found::Nothing if moved.elapsed() > THERE_IN => break,
                Found::Nothing => {}
            }
        }
        Ok(count)
    }

    fn delete_topics(&self, topics: &[String]) -> Result<(), Error> {
        let mut filled = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        filled.retain(|topic, _| !topics.contains(topic));
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        self.admin.delete_topics(&topics).map_err(Error::failed)
    }
}
