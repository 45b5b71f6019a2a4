//! Ids for records of sources that give none.

use uuid::{Uuid, uuid};

use crate::Origin;

/// UUID version 5 of the name `records.turnpike`.
const RECORDS: Uuid = uuid!("0ce57135-e17b-5bc3-8703-cfcb7e74c119");
/// UUID version 5 of the name `transponders.turnpike`.
const TRANSPONDERS: Uuid = uuid!("3655b4f9-3728-51b4-b231-e13fa5d7cbea");

/// The id of the event that one record tells.
///
/// It is derived from the record's bytes and its place: a record that is read again after a crash gets the same id, so
/// the store's unique key holds, while a source that sends the same line twice (two passages in one second look alike)
/// tells two events. The timestamp keeps the records of a topic that was deleted and created anew apart.
pub(crate) fn event_id(origin: &Origin<'_>, value: &[u8]) -> Uuid {
    let mut name = Vec::with_capacity(origin.topic.len() + value.len() + 21);
    name.extend_from_slice(origin.topic.as_bytes());
    name.push(0);
    name.extend_from_slice(&origin.partition.to_be_bytes());
    name.extend_from_slice(&origin.offset.to_be_bytes());
    name.extend_from_slice(&origin.timestamp_ms.to_be_bytes());
    name.extend_from_slice(value);
    Uuid::new_v5(&RECORDS, &name)
}

/// The pseudonym of the vehicle with a transponder, the same at each of its passages.
pub(crate) fn vehicle_id(transponder_id: i32) -> Uuid {
    Uuid::new_v5(&TRANSPONDERS, transponder_id.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin<'_> = Origin { topic: "toll", partition: 1, offset: 7, timestamp_ms: 9 };

    /// The namespaces are what their comments say.
    #[test]
    fn namespaces_are_derived_from_names() {
        assert_eq!(RECORDS, Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"records.turnpike"));
        assert_eq!(TRANSPONDERS, Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"transponders.turnpike"));
    }

    /// The same record has the same id whenever it is read, and differs from any other in one thing.
    #[test]
    fn a_place_and_its_bytes_are_one_event() {
        let id = event_id(&ORIGIN, b"line");
        assert_eq!(id, event_id(&ORIGIN, b"line"));
        for (origin, value) in [
            (Origin { topic: "tol", ..ORIGIN }, &b"line"[..]),
            (Origin { partition: 2, ..ORIGIN }, b"line"),
            (Origin { offset: 8, ..ORIGIN }, b"line"),
            (Origin { timestamp_ms: 10, ..ORIGIN }, b"line"),
            (ORIGIN, b"lines"),
        ] {
            assert_ne!(event_id(&origin, value), id, "{origin:?}");
        }
    }

    /// A vehicle keeps its pseudonym, and no other has it.
    #[test]
    fn a_transponder_is_one_vehicle() {
        assert_eq!(vehicle_id(9_820_660), vehicle_id(9_820_660));
        assert_ne!(vehicle_id(9_820_660), vehicle_id(982_066));
    }
}
