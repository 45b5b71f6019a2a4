//! The lab's `toll_traffic_generator.py` and `streaming_data_reader.py`.

use events::TollPassage;

use crate::{Event, Line, time::ctime};

pub(crate) fn line(line: &Line<'_>) -> Option<String> {
    Some(match line {
        Line::Sent { event } => passed(*event)?,
        Line::DatabaseConnecting => "Connecting to the database".to_owned(),
        Line::DatabaseConnected => "Connected to database".to_owned(),
        Line::DatabaseRefused => "Could not connect to database. Please check credentials".to_owned(),
        Line::KafkaConnecting => "Connecting to Kafka".to_owned(),
        Line::KafkaConnected => "Connected to Kafka".to_owned(),
        Line::Reading { topic } => format!("Reading messages from the topic {topic}"),
        Line::Inserted { event } => {
            let vehicle_type = event.named(TollPassage::NAME)?.text("vehicle_type")?;
            format!("A {vehicle_type} was inserted into the database")
        }
        _ => return None,
    })
}

fn passed(event: Event<'_>) -> Option<String> {
    let passage = event.named(TollPassage::NAME)?;
    let (vehicle_type, plaza) = (passage.text("vehicle_type")?, passage.int("toll_plaza_id")?);
    let time = ctime(passage.time_ms("occurred_at")?)?;
    Some(format!("A {vehicle_type} has passed by the toll plaza {plaza} at {time}."))
}
