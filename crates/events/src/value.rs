//! One decoded field, borrowed from the record's bytes.

use std::fmt;

/// A field's value as it stands in the record, before its logical type is applied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// The null branch of an optional field.
    Null,
    /// `boolean`.
    Boolean(bool),
    /// `int`.
    Int(i32),
    /// `long`.
    Long(i64),
    /// `float`.
    Float(f32),
    /// `double`.
    Double(f64),
    /// `bytes`.
    Bytes(&'a [u8]),
    /// `string`.
    String(&'a str),
}

/// A decimal as Avro writes it: an unscaled integer and the number of its digits after the point.
///
/// Displays as SQL and JSON write it: `-12.30`. Up to 38 digits; Avro specification 1.12, "Decimal".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    /// The digits as one integer.
    pub unscaled: i128,
    /// How many of the digits stand after the point.
    pub scale: u32,
}

impl Decimal {
    /// Reads big-endian two's complement; `None` if it has more than 16 bytes and so cannot be a sane amount.
    pub fn from_bytes(bytes: &[u8], scale: u32) -> Option<Self> {
        if bytes.len() > 16 {
            return None;
        }
        let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
        let start = if negative { -1 } else { 0 };
        let unscaled = bytes.iter().fold(start, |sum: i128, byte| (sum << 8) | i128::from(*byte));
        Some(Self { unscaled, scale })
    }

    /// The nearest double; exact enough to compare with the limits that rules name.
    pub fn to_f64(self) -> f64 {
        // Numbers of 128 bits are converted step by step, and amounts of money hardly ever need it.
        let unscaled =
            i64::try_from(self.unscaled).map_or_else(|_| self.unscaled as f64, |unscaled| unscaled as f64);
        unscaled / 10_f64.powi(self.scale as i32)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return write!(f, "{}", self.unscaled);
        }
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let digits = self.unscaled.unsigned_abs();
        let unit = 10_u128.pow(self.scale);
        write!(f, "{sign}{}.{:0width$}", digits / unit, digits % unit, width = self.scale as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::Decimal;

    /// Signs, padding zeros and short byte strings come out as SQL writes them.
    #[test]
    fn decimals_display_as_sql_writes_them() {
        for (bytes, scale, text) in [
            (&[0x04, 0xd2][..], 2, "12.34"),
            (&[0x05], 2, "0.05"),
            (&[0xfb], 2, "-0.05"),
            (&[0xff, 0x38], 2, "-2.00"),
            (&[], 2, "0.00"),
            (&[0x00, 0x80], 0, "128"),
        ] {
            assert_eq!(Decimal::from_bytes(bytes, scale).map(|d| d.to_string()).as_deref(), Some(text));
        }
    }

    /// Seventeen bytes are no amount of money: refused instead of wrapped.
    #[test]
    fn oversized_decimals_are_refused() {
        assert_eq!(Decimal::from_bytes(&[1; 17], 2), None);
    }
}
