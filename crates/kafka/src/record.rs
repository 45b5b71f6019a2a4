//! Records as they are read, borrowed, and as they are sent.

use std::{fmt, sync::OnceLock};

use rdkafka::{
    Message,
    message::{BorrowedMessage, Header, Headers as _, OwnedHeaders},
};

use crate::Error;

/// A record as it came from the broker: nothing is copied, and the fetch buffer stays until the record is dropped.
#[derive(Debug)]
pub struct Record<'c> {
    message: BorrowedMessage<'c>,
    /// Most have none, and are asked for them at each step: the client is asked once.
    has_headers: OnceLock<bool>,
}

impl<'c> Record<'c> {
    pub(crate) fn new(message: BorrowedMessage<'c>) -> Self {
        Self { message, has_headers: OnceLock::new() }
    }
}

impl Record<'_> {
    /// The topic.
    pub fn topic(&self) -> &str {
        self.message.topic()
    }

    /// The partition.
    pub fn partition(&self) -> i32 {
        self.message.partition()
    }

    /// Whether another record is of the same partition. Neighbours mostly are, and then this costs less than to compare names.
    pub fn is_beside(&self, other: &Record<'_>) -> bool {
        let is_same_topic =
            || self.message.topic_ptr() == other.message.topic_ptr() || self.topic() == other.topic();
        self.partition() == other.partition() && is_same_topic()
    }

    /// The offset in the partition.
    pub fn offset(&self) -> i64 {
        self.message.offset()
    }

    /// When the record was made, in milliseconds since 1970 UTC; 0 if it does not say.
    pub fn timestamp_ms(&self) -> i64 {
        self.message.timestamp().to_millis().unwrap_or(0)
    }

    /// The key.
    pub fn key(&self) -> Option<&[u8]> {
        self.message.key()
    }

    /// The value; `None` is a tombstone.
    pub fn value(&self) -> Option<&[u8]> {
        self.message.payload()
    }

    /// Bytes of key and value.
    pub fn size(&self) -> usize {
        self.message.key_len() + self.message.payload_len()
    }

    /// Whether it has any headers.
    pub fn has_headers(&self) -> bool {
        *self.has_headers.get_or_init(|| self.message.headers().is_some())
    }

    /// The headers in order; a header's value may be null.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let headers = self.has_headers().then(|| self.message.headers()).flatten();
        headers.into_iter().flat_map(|headers| headers.iter().map(|header| (header.key, header.value)))
    }
}

/// Room for the headers of a dead letter, which are the most that a record of ours has.
const HEADERS: usize = 20;

/// Headers of a record that is to be sent.
#[derive(Debug, Clone, Default)]
pub struct Headers(pub(crate) Option<OwnedHeaders>);

impl Headers {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The headers of a record, unchanged.
    pub fn from_record(record: &Record<'_>) -> Self {
        Self(record.message.headers().map(rdkafka::message::BorrowedHeaders::detach))
    }

    /// Adds one more.
    #[must_use]
    pub fn add(self, name: &str, value: Option<&[u8]>) -> Self {
        let headers = self.0.unwrap_or_else(|| OwnedHeaders::new_with_capacity(HEADERS));
        Self(Some(headers.insert(Header { key: name, value })))
    }

    /// Adds more, whose values are text.
    #[must_use]
    pub fn add_texts<'n>(self, texts: impl IntoIterator<Item = (&'n str, impl AsRef<str>)>) -> Self {
        texts
            .into_iter()
            .fold(self, |headers, (name, text)| headers.add(name, Some(text.as_ref().as_bytes())))
    }
}

/// Is told once what became of one record: its partition and offset, or why it has none. On the thread that counts reports, so briefly.
pub type Receipt = Box<dyn FnOnce(&Result<(i32, i64), Error>) + Send>;

/// A record to send; key and value are copied once, into the producer's queue.
pub struct Outgoing<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition; `None` lets the key's hash choose.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
    /// When the record was made, in milliseconds since 1970 UTC; `None` is now.
    pub timestamp_ms: Option<i64>,
    /// The headers.
    pub headers: Headers,
    /// Who wants to know what becomes of it.
    pub receipt: Option<Receipt>,
}

impl fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, partition, timestamp_ms, .. } = self;
        let mut shown = f.debug_struct("Outgoing");
        shown.field("topic", topic).field("partition", partition).field("timestamp_ms", timestamp_ms);
        shown.finish_non_exhaustive()
    }
}
