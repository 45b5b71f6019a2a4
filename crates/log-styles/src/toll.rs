//! The toll pipeline's topic script, producer and consumer.

use events::TollPassage;

use crate::{Line, python};

pub(crate) fn line(line: &Line<'_>) -> Option<String> {
    Some(match line {
        Line::TopicCreating { topic } => format!("Creating topic '{topic}'..."),
        Line::TopicCreated { topic } => format!("Topic '{topic}' created successfully."),
        Line::TopicFailed { topic, error } => format!("Failed to create topic '{topic}': {error}"),
        Line::Delivered { topic, partition, offset, .. } => {
            format!("Message delivered to {topic} [{partition}] at offset {}", crate::offset(*offset))
        }
        Line::DeliveryFailed { key, error } => {
            format!("Delivery failed for {}: {error}", python::bytes(*key))
        }
        Line::ProducerStopping => "Producer interrupted".to_owned(),
        Line::Inserted { event } => {
            let vehicle_id = event.named(TollPassage::NAME)?.text("vehicle_id")?;
            format!("Inserted record for vehicle_id: {vehicle_id}")
        }
        Line::InsertFailed { error } => format!("Error: {error}"),
        Line::ConsumerStopping => "Consumer interrupted".to_owned(),
        _ => return None,
    })
}

/// As its first version printed it: the delivery line had the record's key.
pub(crate) fn first_line(line: &Line<'_>) -> Option<String> {
    match line {
        Line::Delivered { topic, partition, offset, key } => {
            let key = python::bytes(*key);
            let offset = crate::offset(*offset);
            Some(format!("Record {key} successfully produced to {topic} [{partition}] at offset {offset}"))
        }
        _ => self::line(line),
    }
}
