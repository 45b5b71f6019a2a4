//! The toll JSON: `{"vehicle_id": "…", "vehicle_type": "Car", "toll_plaza_id": "TP005", "timestamp": "…"}`.

use chrono_tz::Tz;
use events::TollPassage;
use serde_json::Value as Json;

use crate::{
    Fault, Origin, identity,
    json::{self, Object},
};

/// The types of this dialect, whose own spelling is capitalised, and ours.
const VEHICLE_TYPES: [(&str, &str); 4] =
    [("Car", "car"), ("Truck", "truck"), ("Motorcycle", "motorcycle"), ("Bus", "bus")];
/// Our number of `TP000`: the dialect counts its plazas from `TP001`, we count ours from 4000.
const PLAZA_ZERO: i32 = 3999;

pub(crate) fn read(value: &[u8], origin: &Origin<'_>, zone: Tz) -> Result<TollPassage, Fault> {
    let object = Object::parse(value)?;
    let vehicle_type = object.required("vehicle_type", json::text)?;
    let ours = VEHICLE_TYPES.iter().find(|(theirs, _)| *theirs == vehicle_type);
    Ok(TollPassage {
        event_id: identity::event_id(origin, value),
        vehicle_id: object.required("vehicle_id", json::uuid)?,
        transponder_id: None,
        vehicle_type: ours.map_or(vehicle_type.into(), |(_, ours)| (*ours).into()),
        toll_plaza_id: object.required("toll_plaza_id", plaza)?,
        lane: None,
        amount_cents: None,
        currency: None,
        occurred_at_ms: object.time("timestamp", zone)?,
    })
}

/// `TP` and three digits.
fn plaza(field: &'static str, value: &Json) -> Result<i32, Fault> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("TP"));
    let is_three = |digits: &&str| digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit());
    let number: Option<i32> = digits.filter(is_three).and_then(|digits| digits.parse().ok());
    match number {
        Some(number) => Ok(PLAZA_ZERO + number),
        None => Err(json::not_a(field, value, "a plaza such as TP005")),
    }
}
