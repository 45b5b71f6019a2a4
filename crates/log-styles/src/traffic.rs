//! The traffic pipeline's producer and consumer.

use events::{TrafficEvent, Value};

use crate::{Event, Line, python, time::isoformat};

pub(crate) fn line(line: &Line<'_>) -> Option<String> {
    Some(match line {
        Line::ProducerStarting { topic } => format!("Producing to topic: {topic} (Ctrl+C to stop)"),
        Line::Sent { event } => format!("[SENT] {}", dict(*event)?),
        Line::Delivered { topic, partition, offset, .. } => {
            format!("[DELIVERED] topic={topic} partition={partition} offset={}", crate::offset(*offset))
        }
        Line::DeliveryFailed { error, .. } => format!("[DELIVERY ERROR] {error}"),
        Line::ProducerStopping => "Stopping producer...".to_owned(),
        Line::Reading { topic } => format!("Consuming from topic: {topic} (Ctrl+C to stop)"),
        Line::Received { key, partition, offset, event } => {
            let key = key.map_or_else(|| "None".into(), String::from_utf8_lossy);
            let event = dict(*event)?;
            format!("[RECEIVED] key={key} partition={partition} offset={offset} event={event}")
        }
        Line::ConsumerStopping => "Stopping consumer...".to_owned(),
        _ => return None,
    })
}

/// The event as that pipeline has it: its own names, and of the optional fields those of the event's kind.
fn dict(event: Event<'_>) -> Option<String> {
    let event = event.named(TrafficEvent::NAME)?;
    let event_type = event.text("event_type")?;
    let of_kind: &[&str] = match event_type {
        "TRAFFIC_JAM" => &["severity", "avg_speed_kmh", "length_m"],
        "ACCIDENT" => &["severity", "lanes_blocked", "injuries_reported"],
        "SPEED_CAMERA" => &["speed_limit_kmh", "direction", "active"],
        _ => &[],
    };
    let value = |field: &str| python::value(event.value(field).unwrap_or(Value::Null));
    let common = [
        ("event_id", value("event_id")),
        ("event_type", python::text(event_type)),
        ("ts_utc", python::text(&isoformat(event.time_ms("occurred_at")?)?)),
        ("city", value("city")),
        ("road", value("road")),
        ("lat", value("latitude")),
        ("lon", value("longitude")),
    ];
    Some(python::dict(common.into_iter().chain(of_kind.iter().map(|field| (*field, value(field))))))
}
