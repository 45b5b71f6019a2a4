//! Units that sources measure in, and how to get from them to ours.

/// A straight line from a source's number to ours: `number * factor + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Line {
    factor: f64,
    offset: f64,
}

/// Digits after the point that a converted number keeps: 281.15 K are 8 °C and not 7.999999999999943.
const CONVERTED_DECIMALS: i32 = 4;

impl Line {
    /// Leaves a number as it is.
    pub(crate) const SAME: Self = Self { factor: 1.0, offset: 0.0 };

    pub(crate) fn apply(self, number: f64) -> f64 {
        if self == Self::SAME {
            return number;
        }
        let digits = 10_f64.powi(CONVERTED_DECIMALS);
        ((number * self.factor + self.offset) * digits).round() / digits
    }
}

/// What a field measures, told by the unit at the end of its name.
struct Quantity {
    /// How the names of its fields end; the unit is ours.
    suffix: &'static str,
    /// Every unit with its way to ours: factor, offset.
    units: &'static [(&'static str, f64, f64)],
}

const QUANTITIES: [Quantity; 6] = [
    Quantity {
        suffix: "_c",
        units: &[
            ("°C", 1.0, 0.0),
            ("C", 1.0, 0.0),
            ("K", 1.0, -273.15),
            ("°F", 5.0 / 9.0, -160.0 / 9.0),
            ("F", 5.0 / 9.0, -160.0 / 9.0),
        ],
    },
    Quantity {
        suffix: "_mps",
        units: &[
            ("m/s", 1.0, 0.0),
            ("km/h", 1.0 / 3.6, 0.0),
            ("mph", 0.447_04, 0.0),
            ("kn", 1_852.0 / 3_600.0, 0.0),
        ],
    },
    Quantity {
        suffix: "_kmh",
        units: &[("km/h", 1.0, 0.0), ("m/s", 3.6, 0.0), ("mph", 1.609_344, 0.0), ("kn", 1.852, 0.0)],
    },
    Quantity {
        suffix: "_m",
        units: &[
            ("m", 1.0, 0.0),
            ("cm", 0.01, 0.0),
            ("km", 1_000.0, 0.0),
            ("ft", 0.304_8, 0.0),
            ("mi", 1_609.344, 0.0),
        ],
    },
    Quantity { suffix: "_pct", units: &[("%", 1.0, 0.0), ("1", 100.0, 0.0)] },
    Quantity { suffix: "amount", units: &[("1", 1.0, 0.0), ("cents", 0.01, 0.0)] },
];

/// The units that a field can be given in; none for a field that measures nothing.
pub(crate) fn units_of(field: &str) -> Vec<&'static str> {
    quantity(field)
        .map(|quantity| quantity.units.iter().map(|(unit, ..)| *unit).collect())
        .unwrap_or_default()
}

/// The way from a unit to the field's own; `None` for a unit that it does not know.
///
/// A number in front of the unit says what one of the source's numbers stands for: `0.1 °C` are tenths of a degree.
pub(crate) fn line(field: &str, unit: &str) -> Option<Line> {
    let (part, name) = match unit.split_once(' ') {
        Some((part, name)) => {
            (part.parse::<f64>().ok().filter(|part| part.is_finite() && *part > 0.0)?, name)
        }
        None => (1.0, unit),
    };
    let (_, factor, offset) = quantity(field)?.units.iter().find(|(known, ..)| *known == name)?;
    Some(Line { factor: part * factor, offset: *offset })
}

fn quantity(field: &str) -> Option<&'static Quantity> {
    QUANTITIES.iter().find(|quantity| field.ends_with(quantity.suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each unit at a value that people know.
    #[test]
    fn known_values_come_out() {
        for (field, unit, given, ours) in [
            ("temperature_c", "K", 281.15, 8.0),
            ("temperature_c", "K", 0.0, -273.15),
            ("surface_temperature_c", "°F", 212.0, 100.0),
            ("surface_temperature_c", "F", -40.0, -40.0),
            ("temperature_c", "0.1 °C", -35.0, -3.5),
            ("wind_speed_mps", "km/h", 36.0, 10.0),
            ("wind_speed_mps", "mph", 10.0, 4.4704),
            ("wind_speed_mps", "kn", 10.0, 5.1444),
            ("wind_speed_mps", "0.1 m/s", 25.0, 2.5),
            ("avg_speed_kmh", "mph", 60.0, 96.5606),
            ("length_m", "mi", 1.0, 1609.344),
            ("length_m", "cm", 520.0, 5.2),
            ("humidity_pct", "1", 0.82, 82.0),
            ("amount", "cents", 250.0, 2.5),
        ] {
            let line = line(field, unit).unwrap_or_else(|| panic!("{field} in {unit}"));
            assert!((line.apply(given) - ours).abs() < 1e-9, "{given} {unit} are {}", line.apply(given));
        }
    }

    /// A number in our own unit is not touched, not even in its last digits.
    #[test]
    fn our_own_unit_changes_nothing() {
        let line = line("temperature_c", "°C").expect("known");
        assert_eq!(line, Line::SAME);
        assert!((line.apply(8.123_456_789) - 8.123_456_789).abs() < f64::EPSILON);
    }

    /// What a field does not measure is no unit of it.
    #[test]
    fn other_units_are_unknown() {
        for (field, unit) in [
            ("temperature_c", "mph"),
            ("temperature_c", "Kelvin"),
            ("wind_speed_mps", "-1 m/s"),
            ("wind_speed_mps", "x m/s"),
            ("city", "K"),
        ] {
            assert_eq!(line(field, unit), None, "{field} in {unit}");
        }
        assert!(units_of("city").is_empty());
    }
}
