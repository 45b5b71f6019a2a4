//! The streams that a feed can go to.

use events::{TollPassage, TrafficEvent, WeatherReading};

/// A stream of events: what its records are, and where they go.
#[derive(Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its name in a mapping file.
    pub name: &'static str,
    /// The raw topic.
    pub topic: &'static str,
    /// The Avro schema of its event.
    pub schema: &'static str,
    /// The field whose text is the record's key.
    pub key: &'static str,
}

impl Stream {
    /// Every stream.
    pub const ALL: [Self; 3] = [
        Self { name: "toll", topic: "toll", schema: TollPassage::SCHEMA, key: "vehicle_id" },
        Self { name: "traffic", topic: "traffic.events", schema: TrafficEvent::SCHEMA, key: "road" },
        Self { name: "weather", topic: "weather_data", schema: WeatherReading::SCHEMA, key: "sensor_id" },
    ];
}
