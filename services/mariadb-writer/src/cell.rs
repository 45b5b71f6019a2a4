//! One field's value on its way into a column: borrowed from the record, checked, and bound without an allocation.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime};
use dead_letter::Reason;
use events::{Decimal, Field, Logical, Value};
use sqlx::{Arguments as _, Encode, MySql, Type, mysql::MySqlArguments};

use crate::rejection::Rejection;

/// A value in the form in which it is sent to the database.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'b> {
    Null,
    Boolean(bool),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Bytes(&'b [u8]),
    Text(&'b str),
    Decimal(DecimalText),
    Date(NaiveDate),
    Time(NaiveTime),
    DateTime(NaiveDateTime),
}

/// Sign, 39 digits of an `i128`, the point and the zero before it.
const DECIMAL_TEXT_MAX: usize = 48;
/// MariaDB's DECIMAL has at most so many digits after the point.
pub(crate) const DECIMAL_SCALE_MAX: u32 = 38;

/// A decimal as SQL writes it, in a buffer of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecimalText {
    buffer: [u8; DECIMAL_TEXT_MAX],
    start: u8,
}

impl<'b> Cell<'b> {
    /// Applies a field's logical type to its value; the rejection names the column.
    pub(crate) fn new(value: Value<'b>, field: &Field, column: &str) -> Result<Self, Rejection> {
        Ok(match (value, field.logical) {
            (Value::Null, _) => Self::Null,
            (Value::Boolean(value), _) => Self::Boolean(value),
            (Value::Int(days), Some(Logical::Date)) => {
                Self::Date(date(days).ok_or_else(|| out_of_time(column, &days))?)
            }
            (Value::Int(ms), Some(Logical::TimeMillis)) => {
                Self::Time(time_of_day(ms).ok_or_else(|| out_of_time(column, &ms))?)
            }
            (Value::Int(value), _) => Self::Int(value),
            (Value::Long(ms), Some(Logical::TimestampMillis)) => Self::DateTime(
                date_time(DateTime::from_timestamp_millis(ms)).ok_or_else(|| out_of_time(column, &ms))?,
            ),
            (Value::Long(us), Some(Logical::TimestampMicros)) => Self::DateTime(
                date_time(DateTime::from_timestamp_micros(us)).ok_or_else(|| out_of_time(column, &us))?,
            ),
            (Value::Long(value), _) => Self::Long(value),
            (Value::Float(value), _) if value.is_finite() => Self::Float(value),
            (Value::Double(value), _) if value.is_finite() => Self::Double(value),
            (Value::Float(_) | Value::Double(_), _) => {
                let message = format!("column {column} has no form for infinity and not-a-number");
                return Err(Rejection::of_column(Reason::TypeMismatch, column, message));
            }
            (Value::Bytes(bytes), Some(Logical::Decimal { scale, .. })) => {
                let decimal = Decimal::from_bytes(bytes, scale).ok_or_else(|| {
                    let message = format!(
                        "the decimal of column {column} has {} bytes, at most 16 are read",
                        bytes.len()
                    );
                    Rejection::of_column(Reason::ValueTooLong, column, message)
                })?;
                Self::Decimal(DecimalText::new(decimal))
            }
            (Value::Bytes(bytes), _) => Self::Bytes(bytes),
            (Value::String(text), _) => Self::Text(text),
        })
    }

    /// The same for a column of ASCII text: as bytes, which the server does not convert from UTF-8 to ASCII. Text that is none stays
    /// what it is, for the server to refuse.
    pub(crate) fn of_ascii(self) -> Self {
        match self {
            Self::Text(text) if text.is_ascii() => Self::Bytes(text.as_bytes()),
            other => other,
        }
    }

    /// Binds the value to the next placeholder.
    pub(crate) fn bind(&self, arguments: &mut MySqlArguments) {
        match self {
            Self::Null => bind(arguments, None::<i64>),
            Self::Boolean(value) => bind(arguments, *value),
            Self::Int(value) => bind(arguments, *value),
            Self::Long(value) => bind(arguments, *value),
            Self::Float(value) => bind(arguments, *value),
            Self::Double(value) => bind(arguments, *value),
            Self::Bytes(value) => bind(arguments, *value),
            Self::Text(value) => bind(arguments, *value),
            Self::Decimal(value) => bind(arguments, value.as_str()),
            Self::Date(value) => bind(arguments, *value),
            Self::Time(value) => bind(arguments, *value),
            Self::DateTime(value) => bind(arguments, *value),
        }
    }
}

/// Binds a value whose encoding cannot fail: dates are checked to have a year of four digits before.
pub(crate) fn bind<'q, T: Encode<'q, MySql> + Type<MySql>>(arguments: &mut MySqlArguments, value: T) {
    arguments.add(value).expect("only dates of other years have no encoding");
}

/// A moment as a column of type DATETIME holds it, in UTC; `None` outside of the years 0 to 9999.
pub(crate) fn date_time(moment: Option<DateTime<chrono::Utc>>) -> Option<NaiveDateTime> {
    moment.map(|moment| moment.naive_utc()).filter(|moment| (0..=9_999).contains(&moment.year()))
}

fn date(days: i32) -> Option<NaiveDate> {
    const DAY_MS: i64 = 86_400_000;
    date_time(DateTime::from_timestamp_millis(i64::from(days) * DAY_MS)).map(|moment| moment.date())
}

fn time_of_day(ms: i32) -> Option<NaiveTime> {
    let ms = u32::try_from(ms).ok()?;
    NaiveTime::from_num_seconds_from_midnight_opt(ms / 1_000, ms % 1_000 * 1_000_000)
}

fn out_of_time(column: &str, value: &dyn std::fmt::Display) -> Rejection {
    let message = format!("{value} is no time that column {column} could hold");
    Rejection::of_column(Reason::ValueTooLong, column, message)
}

impl DecimalText {
    fn new(decimal: Decimal) -> Self {
        let mut text = Self { buffer: [0; DECIMAL_TEXT_MAX], start: DECIMAL_TEXT_MAX as u8 };
        let magnitude = decimal.unscaled.unsigned_abs();
        // Division of 128 bits is slow, and amounts of money hardly ever need it.
        if let Ok(mut rest) = u64::try_from(magnitude) {
            text.digits(decimal.scale, || {
                let digit = rest % 10;
                rest /= 10;
                (digit as u8, rest == 0)
            });
        } else {
            let mut rest = magnitude;
            text.digits(decimal.scale, || {
                let digit = rest % 10;
                rest /= 10;
                (digit as u8, rest == 0)
            });
        }
        if decimal.unscaled < 0 {
            text.push(b'-');
        }
        text
    }

    /// Writes digits from the last to the first, the point after `scale` of them, at least one before the point.
    fn digits(&mut self, scale: u32, mut next: impl FnMut() -> (u8, bool)) {
        let mut count = 0;
        loop {
            if count == scale && scale > 0 {
                self.push(b'.');
            }
            let (digit, last) = next();
            self.push(b'0' + digit);
            count += 1;
            if last && count > scale {
                return;
            }
        }
    }

    fn push(&mut self, byte: u8) {
        self.start -= 1;
        self.buffer[usize::from(self.start)] = byte;
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.buffer[usize::from(self.start)..])
            .expect("digits, a point and a sign are ASCII")
    }
}

impl std::fmt::Debug for DecimalText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use dead_letter::Reason;
    use events::{Decimal, Field, Kind, Logical, Value};

    use super::{Cell, DecimalText};

    fn field(kind: Kind, logical: Option<Logical>) -> Field {
        Field { name: "f".into(), kind, null_branch: None, logical }
    }

    /// The fast writer agrees with the plain one on signs, padding, and numbers of more than 64 bits.
    #[test]
    fn decimals_are_written_as_sql_does() {
        let large = i128::from(u64::MAX) * 1_000 + 7;
        for unscaled in
            [0, 5, -5, 10, 1_234, -20_000, i128::from(i64::MIN), large, -large, i128::MIN, i128::MAX]
        {
            for scale in [0, 1, 2, 20, 38] {
                let decimal = Decimal { unscaled, scale };
                assert_eq!(DecimalText::new(decimal).as_str(), decimal.to_string());
            }
        }
    }

    /// Times become UTC dates and times; those that no column holds are told with the column's name.
    #[test]
    fn times_are_utc_and_bounded() {
        let millis = field(Kind::Long, Some(Logical::TimestampMillis));
        let Ok(Cell::DateTime(moment)) = Cell::new(Value::Long(1_790_969_180_123), &millis, "at") else {
            panic!("a date and time expected");
        };
        assert_eq!(moment.to_string(), "2026-10-02 19:26:20.123");
        for ms in [i64::MAX, i64::MIN, 253_402_300_800_000, -62_167_219_200_001] {
            let rejection = Cell::new(Value::Long(ms), &millis, "at").expect_err("no such year");
            assert_eq!(rejection.reason, Reason::ValueTooLong);
            assert!(rejection.message.contains("column at"), "{}", rejection.message);
        }
        let date = field(Kind::Int, Some(Logical::Date));
        let Ok(Cell::Date(day)) = Cell::new(Value::Int(-1), &date, "d") else { panic!("a date expected") };
        assert_eq!(day.to_string(), "1969-12-31");
        assert!(Cell::new(Value::Int(i32::MAX), &date, "d").is_err());
        let time = field(Kind::Int, Some(Logical::TimeMillis));
        assert!(matches!(Cell::new(Value::Int(86_399_999), &time, "t"), Ok(Cell::Time(_))));
        assert!(Cell::new(Value::Int(86_400_000), &time, "t").is_err());
    }

    /// What a column of ASCII text takes goes there as bytes; for anything else it is the server that has the words.
    #[test]
    fn ascii_is_bytes() {
        assert_eq!(Cell::Text("4b7f").of_ascii(), Cell::Bytes(b"4b7f"));
        assert_eq!(Cell::Text("Zürich").of_ascii(), Cell::Text("Zürich"));
        assert_eq!(Cell::Long(7).of_ascii(), Cell::Long(7));
    }

    /// SQL has no not-a-number: refused instead of stored as something else.
    #[test]
    fn numbers_that_are_none_are_refused() {
        let double = field(Kind::Double, None);
        assert!(Cell::new(Value::Double(f64::NAN), &double, "x").is_err());
        assert_eq!(Cell::new(Value::Double(1.5), &double, "x"), Ok(Cell::Double(1.5)));
    }
}
