//! Words and numbers as the sources write them in text.

use std::num::IntErrorKind;

use dead_letter::Reason;
use serde_json::Value as Json;

use crate::Fault;

/// Words that stand for a missing value: of France's weather service, of American road stations, of spreadsheets.
const SENTINELS: [&str; 8] = ["mq", "MQ", "N/A", "n/a", "NA", "Not Reported", "-", "*****"];

/// Why a text is no value of `field`, where a value that is not a word is `wanted`.
pub(crate) fn fault(field: &'static str, text: &str, wanted: &str) -> Fault {
    let seen = Json::from(text);
    if text.is_empty() {
        Fault::missing(field)
    } else if SENTINELS.contains(&text) {
        Fault::sentinel(field, &seen)
    } else {
        Fault::unparsable(field, &seen, wanted)
    }
}

/// A whole number of 32 bits.
pub(crate) fn int(field: &'static str, text: &str) -> Result<i32, Fault> {
    text.parse().map_err(|error: std::num::ParseIntError| match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => Fault::too_large(field, &Json::from(text)),
        _ => fault(field, text, "a whole number"),
    })
}

/// The value as text.
pub(crate) fn utf8(value: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(value).map_err(|error| {
        let message = format!("the text is not UTF-8 behind byte {}", error.valid_up_to());
        Fault::of_record(Reason::Unparsable, message, value)
    })
}
