//! What the source pipelines' programs print, line for line.
//!
//! A service says what happens as a [`Line`]; a [`Style`] puts it into the words of one pipeline, or keeps silent where
//! that pipeline prints nothing. Pure: nothing is written here. `docs/log-styles.md` shows every style.

mod event;
mod ibm;
mod meteo;
mod python;
mod time;
mod toll;
mod traffic;

pub use event::Event;

/// A source pipeline, by the name of its dialect; what two versions of one print differently is two styles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// The lab's generator and reader of toll data, both in English.
    Ibm,
    /// The toll pipeline of MariaDB.
    Toll,
    /// The same with the delivery line of its first version.
    TollFirst,
    /// The traffic events.
    Traffic,
    /// The weather alerts, in French as its programs print them.
    Meteo,
    /// The same with the emoji of its description.
    MeteoEmoji,
}

/// Something that happens in a generator or a writer.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the fields are what the variants' sentences speak of")]
pub enum Line<'a> {
    /// A topic is about to be created.
    TopicCreating { topic: &'a str },
    /// It is there now.
    TopicCreated { topic: &'a str },
    /// It could not be created.
    TopicFailed { topic: &'a str, error: &'a str },
    /// Kafka does not answer; another attempt follows.
    WaitingForKafka,
    /// A generator is about to produce.
    ProducerStarting { topic: &'a str },
    /// A generator has handed an event to its producer.
    Sent { event: Event<'a> },
    /// Kafka has acknowledged a record; a negative offset is one that the client was not told.
    Delivered { topic: &'a str, partition: i32, offset: i64, key: Option<&'a [u8]> },
    /// Kafka has refused a record.
    DeliveryFailed { key: Option<&'a [u8]>, error: &'a str },
    /// A generator was told to stop and flushes.
    ProducerStopping,
    /// A writer is about to connect to its database.
    DatabaseConnecting,
    /// The database does not answer; another attempt follows.
    WaitingForDatabase { error: &'a str },
    /// The database refuses user or password.
    DatabaseRefused,
    /// The database has answered.
    DatabaseConnected,
    /// A writer is about to connect to Kafka.
    KafkaConnecting,
    /// Kafka has answered.
    KafkaConnected,
    /// A writer reads a topic from now on.
    Reading { topic: &'a str },
    /// A writer has read an event.
    Received { key: Option<&'a [u8]>, partition: i32, offset: i64, event: Event<'a> },
    /// The event is a row.
    Inserted { event: Event<'a> },
    /// The database has refused an event.
    InsertFailed { error: &'a str },
    /// A writer was told to stop.
    ConsumerStopping,
}

/// An offset as the Python client shows it. A record whose request had to be repeated is there, at an offset that the client
/// was not told; librdkafka then gives a negative one.
pub(crate) fn offset(offset: i64) -> String {
    if offset < 0 { "None".to_owned() } else { offset.to_string() }
}

impl Style {
    /// Every style.
    pub const ALL: [Self; 6] =
        [Self::Ibm, Self::Toll, Self::TollFirst, Self::Traffic, Self::Meteo, Self::MeteoEmoji];

    /// The style's name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Style::Ibm => "ibm",
            Style::Toll => "toll",
            Style::TollFirst => "toll-first",
            Style::Traffic => "traffic",
            Style::Meteo => "meteo",
            Style::MeteoEmoji => "meteo-emoji",
        }
    }

    /// What the pipeline prints, without the line's end; `None` where it prints nothing, or knows no such event.
    pub fn line(self, line: &Line<'_>) -> Option<String> {
        match self {
            Style::Ibm => ibm::line(line),
            Style::Toll => toll::line(line),
            Style::TollFirst => toll::first_line(line),
            Style::Traffic => traffic::line(line),
            Style::Meteo => meteo::line(line),
            Style::MeteoEmoji => meteo::emoji_line(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Style};

    /// A record that is there at an offset nobody told is shown as Python shows it.
    #[test]
    fn an_unknown_offset_is_none() {
        let line =
            |offset| Style::Traffic.line(&Line::Delivered { topic: "t", partition: 0, offset, key: None });
        assert_eq!(line(7).as_deref(), Some("[DELIVERED] topic=t partition=0 offset=7"));
        assert_eq!(line(-1001).as_deref(), Some("[DELIVERED] topic=t partition=0 offset=None"));
    }
}
