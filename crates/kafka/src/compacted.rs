//! The newest value of a key, as a compacted topic keeps it.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
};

use crate::{Class, Connection, Error, Found, Position, Property, logging::Quiet};

/// The one partition that is read.
const PARTITION: i32 = 0;
/// How long the cluster may take to say how far the partition goes.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the next record may take: with the questions before it, less than a service has to stop.
const READ_TIMEOUT: Duration = Duration::from_secs(4);

impl Connection {
    /// The newest committed value of a key in a topic of one partition; `None` if there is none, or a tombstone.
    ///
    /// A reader of committed records stops before the first transaction that is still open, whoever it belongs to, and
    /// would miss what was committed behind it. So nothing is read as long as one is.
    ///
    /// # Errors
    /// [`Class::Infrastructure`] while the cluster does not answer or a transaction is open: ask again.
    pub fn newest_value(&self, topic: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let end = self.end_of(topic, "read_uncommitted")?;
        if self.end_of(topic, "read_committed")? < end {
            let reason = "a transaction on it is still open";
            return Err(Error::with_class(format!("read topic {topic}"), reason, Class::Infrastructure));
        }
        let reader = self.reader(topic, &[(PARTITION, Position::Beginning)])?;
        let mut newest = None;
        loop {
            match reader.next(READ_TIMEOUT)? {
                Found::Record(record) if record.key() == Some(key) => {
                    newest = record.value().map(<[u8]>::to_vec);
                }
                Found::Record(_) => {}
                Found::EndOf(_) => return Ok(newest),
                Found::Nothing => {
                    let reason = format!("nothing came within {READ_TIMEOUT:?}");
                    return Err(Error::with_class(
                        format!("read topic {topic}"),
                        reason,
                        Class::Infrastructure,
                    ));
                }
            }
        }
    }

    /// The offset after the last record that a reader of this isolation level can see.
    fn end_of(&self, topic: &str, isolation_level: &str) -> Result<i64, Error> {
        let operation = || format!("ask for the end of topic {topic}");
        let level = Property { key: "isolation.level".to_owned(), value: isolation_level.to_owned() };
        let config: ClientConfig = self.client_config("turnpike-reader", &[level]);
        let asking: BaseConsumer<Quiet> =
            config.create_with_context(Quiet::default()).map_err(|error| Error::new(operation(), &error))?;
        let (_, end) = asking
            .fetch_watermarks(topic, PARTITION, ASK_TIMEOUT)
            .map_err(|error| Error::new(operation(), &error))?;
        Ok(end)
    }
}
