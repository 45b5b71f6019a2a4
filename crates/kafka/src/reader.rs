//! Reads a topic without a group: what is there, from any offset to the end and on.

use std::{fmt, time::Duration};

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
};

use crate::{Error, Position, Record, bootstrap::Lost, consumer::consumption_error, logging::Quiet};

/// Reads one topic from given positions, seeing only what is committed, and leaving no trace at the broker.
pub struct Reader {
    inner: BaseConsumer<Quiet>,
    lost: Lost,
}

/// What a [`Reader`] has found.
#[derive(Debug)]
pub enum Found<'r> {
    /// A record.
    Record(Record<'r>),
    /// Nothing more to read in this partition for now; open transactions count as nothing.
    EndOf(i32),
    /// Nothing within the time.
    Nothing,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    pub(crate) fn new(config: &ClientConfig, topic: &str, from: &[(i32, Position)]) -> Result<Self, Error> {
        let operation = || format!("read topic {topic}");
        let inner: BaseConsumer<Quiet> =
            config.create_with_context(Quiet::default()).map_err(|error| Error::new(operation(), &error))?;
        let mut list = TopicPartitionList::with_capacity(from.len());
        for (partition, position) in from {
            let offset = match position {
                Position::Beginning => Offset::Beginning,
                Position::Offset(offset) => Offset::Offset(*offset),
            };
            list.add_partition_offset(topic, *partition, offset)
                .map_err(|error| Error::new(operation(), &error))?;
        }
        inner.assign(&list).map_err(|error| Error::new(operation(), &error))?;
        Ok(Self { inner, lost: Lost::default() })
    }

    /// The next record of any partition, or that a partition is at its end, within `timeout`.
    pub fn next(&self, timeout: Duration) -> Result<Found<'_>, Error> {
        self.lost.mend(self.inner.client());
        match self.inner.poll(timeout) {
            Some(Ok(message)) => Ok(Found::Record(Record::new(message))),
            Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Found::EndOf(partition)),
            Some(Err(error)) => {
                self.lost.hear(&error);
                Err(consumption_error(&error, &self.inner.context().refusal))
            }
            None => Ok(Found::Nothing),
        }
    }
}
