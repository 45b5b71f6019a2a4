//! The IBM lab's line: `Fri Oct  2 19:26:20 2026,9820660,truck,4004`.

use chrono_tz::Tz;
use dead_letter::Reason;
use events::TollPassage;

use crate::{Fault, Origin, identity, text, time};

const TIMESTAMP: &str = "timestamp";
const VEHICLE_ID: &str = "vehicle_id";
const VEHICLE_TYPE: &str = "vehicle_type";
const PLAZA: &str = "toll_plaza_id";

pub(crate) fn read(value: &[u8], origin: &Origin<'_>, zone: Tz) -> Result<TollPassage, Fault> {
    let line = text::utf8(value)?.trim_end_matches(['\r', '\n']);
    let [timestamp, vehicle_id, vehicle_type, plaza] = split(line)?;
    for (field, text) in
        [(TIMESTAMP, timestamp), (VEHICLE_ID, vehicle_id), (VEHICLE_TYPE, vehicle_type), (PLAZA, plaza)]
    {
        if text.is_empty() {
            return Err(Fault::missing(field));
        }
    }
    let wanted = "a date such as `Fri Oct  2 19:26:20 2026`";
    let occurred_at_ms =
        time::ctime(timestamp, zone).ok_or_else(|| text::fault(TIMESTAMP, timestamp, wanted))?;
    let transponder_id = text::int(VEHICLE_ID, vehicle_id)?;
    Ok(TollPassage {
        event_id: identity::event_id(origin, value),
        vehicle_id: identity::vehicle_id(transponder_id),
        transponder_id: Some(transponder_id),
        vehicle_type: vehicle_type.to_owned().into(),
        toll_plaza_id: text::int(PLAZA, plaza)?,
        lane: None,
        amount_cents: None,
        currency: None,
        occurred_at_ms,
    })
}

fn split(line: &str) -> Result<[&str; 4], Fault> {
    let mut fields = line.split(',');
    if let (Some(a), Some(b), Some(c), Some(d), None) =
        (fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
    {
        return Ok([a, b, c, d]);
    }
    let message = match line.split(',').count() {
        1 => "the line has 1 field".to_owned(),
        count => format!("the line has {count} fields"),
    };
    let message = format!("{message}; it needs 4: {TIMESTAMP}, {VEHICLE_ID}, {VEHICLE_TYPE}, {PLAZA}");
    Err(Fault::of_record(Reason::WrongFieldCount, message, line.as_bytes()))
}
