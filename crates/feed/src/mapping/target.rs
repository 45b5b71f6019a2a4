//! From a source's text to the value of an event's field.

use chrono_tz::Tz;
use dead_letter::Reason;
use events::{Field, Kind, Logical, Value};
use uuid::Uuid;

use super::{time::Format, unit::Line};

/// The value of a field, owned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Boolean(bool),
    Int(i32),
    Long(i64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Scalar {
    /// The value as the codec takes it.
    pub(crate) fn as_value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(boolean) => Value::Boolean(*boolean),
            Self::Int(int) => Value::Int(*int),
            Self::Long(long) => Value::Long(*long),
            Self::Double(double) => Value::Double(*double),
            Self::Text(text) => Value::String(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
        }
    }

    /// The value as text, for a record's key.
    pub(crate) fn as_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Int(int) => int.to_string(),
            other => format!("{:?}", other.as_value()),
        }
    }
}

/// Why a text cannot be a field's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    fn unparsable(text: &str, what: &str) -> Self {
        Self::new(Reason::Unparsable, format!("`{}` {what}", shortened(text)))
    }

    fn out_of_range(text: &str, what: &str) -> Self {
        Self::new(Reason::OutOfRange, format!("`{}` {what}", shortened(text)))
    }
}

/// Characters of a text that a message shows.
const SHOWN_CHARS: usize = 60;

/// A text as a message shows it.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What a text becomes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    Text,
    Uuid,
    /// A UUID made from the text, the same for the same text.
    Pseudonym(Uuid),
    Boolean,
    Int(Line),
    Long(Line),
    Double(Line),
    /// An exact amount, of which the source's number is a part of ten to `shift`.
    Decimal {
        precision: u32,
        scale: u32,
        shift: u32,
    },
    Time(Format),
}

impl Target {
    /// What a field takes: numbers in its own unit, times in RFC 3339; `None` for a type that no feed can fill.
    pub(crate) fn of(field: &Field) -> Option<Self> {
        Some(match (field.kind, field.logical) {
            (Kind::String, Some(Logical::Uuid)) => Self::Uuid,
            (Kind::String, _) => Self::Text,
            (Kind::Boolean, _) => Self::Boolean,
            (Kind::Int, None) => Self::Int(Line::SAME),
            (Kind::Long, None) => Self::Long(Line::SAME),
            (Kind::Long, Some(Logical::TimestampMillis)) => Self::Time(Format::Rfc3339),
            (Kind::Double, _) => Self::Double(Line::SAME),
            (Kind::Bytes, Some(Logical::Decimal { precision, scale })) => {
                Self::Decimal { precision, scale, shift: 0 }
            }
            _ => return None,
        })
    }

    /// The same in another unit; `None` where the unit makes no sense.
    pub(crate) fn in_unit(self, line: Line) -> Option<Self> {
        Some(match self {
            Self::Int(_) => Self::Int(line),
            Self::Long(_) => Self::Long(line),
            Self::Double(_) => Self::Double(line),
            Self::Decimal { precision, scale, .. } => {
                // An amount must stay exact, so of the lines only those that move the point are for it.
                let shift = (0..=scale).find(|shift| {
                    let part = 10_f64.powi(*shift as i32).recip();
                    (line.apply(1.0) - part).abs() < f64::EPSILON
                })?;
                Self::Decimal { precision, scale, shift }
            }
            _ => return None,
        })
    }

    /// The value that a text stands for; `zone` is for times that name no offset.
    pub(crate) fn read(&self, text: &str, zone: Option<Tz>) -> Result<Scalar, Fault> {
        Ok(match self {
            Self::Text => Scalar::Text(text.to_owned()),
            Self::Uuid => match Uuid::try_parse(text) {
                Ok(id) => Scalar::Text(id.to_string()),
                Err(_) => return Err(Fault::unparsable(text, "is no UUID")),
            },
            Self::Pseudonym(namespace) => Scalar::Text(Uuid::new_v5(namespace, text.as_bytes()).to_string()),
            Self::Boolean => match text.to_ascii_lowercase().as_str() {
                "true" | "1" => Scalar::Boolean(true),
                "false" | "0" => Scalar::Boolean(false),
                _ => return Err(Fault::unparsable(text, "is neither true nor false")),
            },
            Self::Int(line) => match i32::try_from(whole(text, *line)?) {
                Ok(int) => Scalar::Int(int),
                Err(_) => return Err(Fault::out_of_range(text, "does not fit 32 bits")),
            },
            Self::Long(line) => Scalar::Long(whole(text, *line)?),
            Self::Double(line) => Scalar::Double(line.apply(number(text)?)),
            Self::Decimal { precision, scale, shift } => {
                Scalar::Bytes(amount(text, *precision, *scale, *shift)?)
            }
            Self::Time(format) => match format.read(text, zone) {
                Ok(ms) => Scalar::Long(ms),
                Err(what) => return Err(Fault::unparsable(text, &what)),
            },
        })
    }
}

fn number(text: &str) -> Result<f64, Fault> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| Fault::unparsable(text, "is no number"))
}

/// A whole number; one that comes from another unit is rounded.
fn whole(text: &str, line: Line) -> Result<i64, Fault> {
    if line == Line::SAME
        && let Ok(whole) = text.parse::<i64>()
    {
        return Ok(whole);
    }
    let given = number(text)?;
    let number = line.apply(given).round();
    if line == Line::SAME && (given - number).abs() > 0.0 {
        return Err(Fault::unparsable(text, "is no whole number"));
    }
    // Beyond this not every whole number is a double.
    if number.abs() > 2_f64.powi(53) {
        return Err(Fault::out_of_range(text, "is too large"));
    }
    Ok(number as i64)
}

/// Big-endian two's complement of an exact decimal number, moved by `shift` digits.
fn amount(text: &str, precision: u32, scale: u32, shift: u32) -> Result<Vec<u8>, Fault> {
    let no_amount = || Fault::unparsable(text, "is no amount");
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + part.len() == 0 || !whole.bytes().chain(part.bytes()).all(|digit| digit.is_ascii_digit())
    {
        return Err(no_amount());
    }
    let part = part.trim_end_matches('0');
    let room = (scale - shift) as usize;
    if part.len() > room {
        let what = format!("has more than {room} digits after the point");
        return Err(Fault::unparsable(text, &what));
    }
    let unscaled = format!("{whole}{part:0<room$}");
    let unscaled = unscaled.trim_start_matches('0');
    if unscaled.len() > precision as usize {
        return Err(Fault::out_of_range(text, &format!("has more than {precision} digits")));
    }
    let unscaled: i64 = if unscaled.is_empty() { 0 } else { unscaled.parse().map_err(|_| no_amount())? };
    Ok((if negative { -unscaled } else { unscaled }).to_be_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use events::Decimal;

    use super::*;
    use crate::mapping::unit::line;

    fn reason(target: &Target, text: &str) -> (Reason, String) {
        let fault = target.read(text, None).expect_err(text);
        (fault.reason, fault.message)
    }

    /// Whole numbers are exact; what comes from another unit is rounded, and nothing else is.
    #[test]
    fn whole_numbers() {
        let int = Target::Int(Line::SAME);
        assert_eq!(int.read("07149", None), Ok(Scalar::Int(7149)));
        assert_eq!(int.read("35.0", None), Ok(Scalar::Int(35)));
        assert_eq!(reason(&int, "35.5"), (Reason::Unparsable, "`35.5` is no whole number".to_owned()));
        assert_eq!(
            reason(&int, "4294967296"),
            (Reason::OutOfRange, "`4294967296` does not fit 32 bits".to_owned())
        );
        assert_eq!(reason(&int, "fast"), (Reason::Unparsable, "`fast` is no number".to_owned()));
        let mph = Target::Int(line("avg_speed_kmh", "mph").expect("known"));
        assert_eq!(mph.read("60", None), Ok(Scalar::Int(97)));
        assert_eq!(
            Target::Long(Line::SAME).read("9007199254740993", None),
            Ok(Scalar::Long(9_007_199_254_740_993))
        );
    }

    /// Neither infinity nor NaN is a measurement.
    #[test]
    fn numbers_are_finite() {
        let double = Target::Double(Line::SAME);
        assert_eq!(double.read("-3.5", None), Ok(Scalar::Double(-3.5)));
        for text in ["inf", "NaN", "", "3,5", "1e999"] {
            assert_eq!(reason(&double, text).0, Reason::Unparsable, "{text}");
        }
    }

    /// Amounts stay exact, in cents as in units of the currency.
    #[test]
    fn amounts() {
        let euros = Target::Decimal { precision: 10, scale: 2, shift: 0 };
        let cents = euros.clone().in_unit(line("amount", "cents").expect("known")).expect("for amounts");
        for (target, text, expected) in [
            (&euros, "12.3", "12.30"),
            (&euros, "-0.05", "-0.05"),
            (&euros, "7.100", "7.10"),
            (&euros, ".5", "0.50"),
            (&euros, "0", "0.00"),
            (&cents, "250", "2.50"),
            (&cents, "-5", "-0.05"),
        ] {
            let Ok(Scalar::Bytes(bytes)) = target.read(text, None) else { panic!("{text} is an amount") };
            assert_eq!(Decimal::from_bytes(&bytes, 2).expect("an amount").to_string(), expected);
        }
        for (target, text, expected) in [
            (&euros, "1.005", Reason::Unparsable),
            (&cents, "2.5", Reason::Unparsable),
            (&euros, "1e3", Reason::Unparsable),
            (&euros, ".", Reason::Unparsable),
            (&euros, "-", Reason::Unparsable),
            (&euros, "123456789.00", Reason::OutOfRange),
        ] {
            assert_eq!(reason(target, text).0, expected, "{text}");
        }
    }

    /// Booleans come as words and as digits; a pseudonym is the same for the same text and for no other.
    #[test]
    fn booleans_and_pseudonyms() {
        assert_eq!(Target::Boolean.read("False", None), Ok(Scalar::Boolean(false)));
        assert_eq!(Target::Boolean.read("1", None), Ok(Scalar::Boolean(true)));
        assert_eq!(reason(&Target::Boolean, "yes").0, Reason::Unparsable);
        let pseudonym = Target::Pseudonym(Uuid::NAMESPACE_OID);
        assert_eq!(pseudonym.read("AB-123", None), pseudonym.read("AB-123", None));
        assert_ne!(pseudonym.read("AB-123", None), pseudonym.read("AB-124", None));
        assert_eq!(reason(&Target::Uuid, "AB-123").1, "`AB-123` is no UUID");
    }

    /// A long text is shown by its beginning, cut between characters.
    #[test]
    fn messages_are_bounded() {
        let (_, message) = reason(&Target::Boolean, &"é".repeat(500));
        assert_eq!(message.chars().filter(|character| *character == 'é').count(), SHOWN_CHARS);
    }
}
