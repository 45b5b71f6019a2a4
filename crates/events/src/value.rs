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

/// Powers of ten that a double holds exactly, by their exponent.
const UNITS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

impl Decimal {
    /// Reads big-endian two's complement; `None` if it has more than 16 bytes and so cannot be a sane amount.
    pub fn from_bytes(bytes: &[u8], scale: u32) -> Option<Self> {
        let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
        let start = if negative { -1 } else { 0 };
        // Numbers of 128 bits cost several times as much, and amounts of money hardly ever need them; here and below.
        let unscaled = match bytes.len() {
            0..=8 => bytes.iter().fold(start, |sum: i64, byte| (sum << 8) | i64::from(*byte)).into(),
            9..=16 => bytes.iter().fold(start.into(), |sum: i128, byte| (sum << 8) | i128::from(*byte)),
            _ => return None,
        };
        Some(Self { unscaled, scale })
    }

    /// The nearest double; exact enough to compare with the limits that rules name.
    pub fn to_f64(self) -> f64 {
        match (i64::try_from(self.unscaled), UNITS.get(self.scale as usize)) {
            (Ok(unscaled), Some(unit)) => unscaled as f64 / unit,
            _ => self.large_to_f64(),
        }
    }

    #[cold]
    fn large_to_f64(self) -> f64 {
        self.unscaled as f64 / 10_f64.powi(self.scale as i32)
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

    /// The short ways to a number and to a double are the long ones' equals.
    #[test]
    #[expect(clippy::float_cmp, reason = "the same double is meant")]
    fn short_ways_lead_to_the_same() {
        let around_double = 1_i128 << 53;
        for unscaled in [
            0,
            5,
            -5,
            1_234,
            -128,
            -129,
            -40_000,
            -8_388_609,
            5_000_000_000,
            -5_000_000_000,
            around_double + 1,
            -around_double - 1,
            i128::from(i64::MAX),
            i128::from(i64::MIN),
            i128::from(i64::MIN) - 1,
            i128::MAX,
            i128::MIN,
        ] {
            let bytes = unscaled.to_be_bytes();
            let fits = |count: &usize| {
                let spare = 128 - 8 * count;
                (unscaled << spare) >> spare == unscaled
            };
            for scale in [0, 2, 22, 23, 38] {
                let decimal = Decimal { unscaled, scale };
                for count in (1..=16).filter(fits) {
                    assert_eq!(Decimal::from_bytes(&bytes[16 - count..], scale), Some(decimal));
                }
                assert_eq!(decimal.to_f64(), decimal.large_to_f64(), "{decimal:?}");
            }
        }
    }

    /// Seventeen bytes are no amount of money: refused instead of wrapped.
    #[test]
    fn oversized_decimals_are_refused() {
        assert_eq!(Decimal::from_bytes(&[1; 17], 2), None);
    }
}
