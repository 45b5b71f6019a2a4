//! What a query has to be told: a vehicle, a plaza, a type, a road, a sensor; checked, and written as a condition in SQL.

use service::Error;
use uuid::Uuid;

/// What a query has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A vehicle, by its UUID or by the number of its transponder.
    Vehicle,
    /// A toll plaza, as 4004 or as TP005.
    Plaza,
    /// A type of vehicle.
    VehicleType,
    /// A type of traffic event.
    EventType,
    /// A road.
    Road,
    /// A weather sensor.
    Sensor,
}

/// The plaza before TP001.
const PLAZA_BEFORE_FIRST: i16 = 3_999;
/// The longest text that a column takes.
const TEXT_CHARACTERS_MAX: usize = 100;

impl Kind {
    /// What stands for it in a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vehicle => "VEHICLE",
            Self::Plaza => "PLAZA",
            Self::VehicleType | Self::EventType => "TYPE",
            Self::Road => "ROAD",
            Self::Sensor => "SENSOR",
        }
    }

    /// The index that has the rows about it in the order of time, which `init.sql` calls the same in each table. A vehicle has none.
    pub(super) fn index(self) -> Option<&'static str> {
        match self {
            Self::Vehicle => None,
            Self::Plaza => Some("by_plaza"),
            Self::VehicleType | Self::EventType => Some("by_type"),
            Self::Road => Some("by_road"),
            Self::Sensor => Some("by_sensor"),
        }
    }

    fn allowed(self) -> &'static str {
        match self {
            Self::Vehicle => {
                "a vehicle's UUID such as 5a8a62a8-65c4-5c33-92a7-3cb9d9a1a35e, or the number of its transponder"
            }
            Self::Plaza => "a plaza such as 4004 or TP005",
            Self::VehicleType => "a type of vehicle, such as car, truck or van",
            Self::EventType => "a type of event: TRAFFIC_JAM, ACCIDENT or SPEED_CAMERA",
            Self::Road => "a road, such as A6 or Peripherique",
            Self::Sensor => "the number of a sensor",
        }
    }

    /// The condition that a row is about `text`.
    pub(super) fn condition(self, text: &str) -> Result<String, Error> {
        let condition = match self {
            Self::Vehicle => match (Uuid::parse_str(text), text.parse::<i32>()) {
                (_, Ok(number)) => Some(format!("transponder_id = {number}")),
                (Ok(id), _) => Some(format!("vehicle_id = '{}'", id.hyphenated())),
                _ => None,
            },
            Self::Plaza => plaza(text).map(|plaza| format!("toll_plaza_id = {plaza}")),
            Self::VehicleType => quoted(text).map(|text| format!("vehicle_type = {text}")),
            Self::EventType => quoted(text).map(|text| format!("event_type = {text}")),
            Self::Road => quoted(text).map(|text| format!("road = {text}")),
            Self::Sensor => text.parse::<i32>().ok().map(|number| format!("sensor_id = {number}")),
        };
        condition.ok_or_else(|| Error::config(self.name(), text, self.allowed()))
    }

    /// The error for an argument that is not there.
    pub(super) fn missing(self) -> Error {
        Error::config(self.name(), "", self.allowed())
    }
}

fn plaza(text: &str) -> Option<i16> {
    let is_named = text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("TP"));
    let number: i16 = if is_named { &text[2..] } else { text }.parse().ok().filter(|number| *number > 0)?;
    if is_named { number.checked_add(PLAZA_BEFORE_FIRST) } else { Some(number) }
}

/// A text as SQL writes it. Quotes are doubled and so are backslashes, so it ends where it should whatever the server's mode.
fn quoted(text: &str) -> Option<String> {
    let is_text = !text.is_empty()
        && text.chars().count() <= TEXT_CHARACTERS_MAX
        && !text.chars().any(char::is_control);
    is_text.then(|| format!("'{}'", text.replace('\\', r"\\").replace('\'', "''")))
}

#[cfg(test)]
mod tests {
    use super::Kind;

    /// Vehicles have two names, plazas as well; a text cannot leave its quotes.
    #[test]
    fn arguments_become_conditions() {
        let id = "5a8a62a8-65c4-5c33-92a7-3cb9d9a1a35e";
        let vehicle = format!("vehicle_id = '{id}'");
        for (kind, text, condition) in [
            (Kind::Vehicle, id, vehicle.as_str()),
            (Kind::Vehicle, &id.to_uppercase(), &vehicle),
            (Kind::Vehicle, "9820660", "transponder_id = 9820660"),
            (Kind::Plaza, "4004", "toll_plaza_id = 4004"),
            (Kind::Plaza, "TP005", "toll_plaza_id = 4004"),
            (Kind::Plaza, "tp011", "toll_plaza_id = 4010"),
            (Kind::VehicleType, "truck", "vehicle_type = 'truck'"),
            (Kind::EventType, "ACCIDENT", "event_type = 'ACCIDENT'"),
            (Kind::Road, r"x\' OR 1=1 -- ", r"road = 'x\\'' OR 1=1 -- '"),
            (Kind::Sensor, "7", "sensor_id = 7"),
        ] {
            assert_eq!(kind.condition(text).expect(text), condition);
        }
    }

    /// What cannot be meant is refused, with what can.
    #[test]
    fn others_are_refused_with_what_is_allowed() {
        for (kind, text, part) in [
            (Kind::Vehicle, "AB-123-CD", "transponder"),
            (Kind::Vehicle, "99999999999", "transponder"),
            (Kind::Plaza, "TP", "TP005"),
            (Kind::Plaza, "TP32767", "TP005"),
            (Kind::Plaza, "-1", "4004"),
            (Kind::Plaza, "é4", "4004"),
            (Kind::VehicleType, "", "truck"),
            (Kind::Road, "A\n6", "Peripherique"),
            (Kind::Sensor, "Paris", "number"),
        ] {
            let message = kind.condition(text).expect_err(text).to_string();
            assert!(message.starts_with(kind.name()) && message.contains(part), "{text}: {message}");
        }
    }
}
