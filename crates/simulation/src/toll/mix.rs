//! Types of vehicles, and how often each passes.

use std::{fmt, str::FromStr};

use crate::{settings, settings::ParseError, weights::Weights};

/// What kind of vehicle passes; tariffs and demand differ by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum VehicleType {
    Car,
    Truck,
    Van,
    Bus,
    Motorcycle,
}

impl VehicleType {
    /// How many types there are.
    pub const COUNT: usize = 5;
    /// All types, in the order of their positions in tables.
    pub const ALL: [VehicleType; Self::COUNT] =
        [Self::Car, Self::Truck, Self::Van, Self::Bus, Self::Motorcycle];

    /// The name as it stands in events and settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Car => "car",
            Self::Truck => "truck",
            Self::Van => "van",
            Self::Bus => "bus",
            Self::Motorcycle => "motorcycle",
        }
    }

    /// The type with a name, if it is one of ours.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|vehicle_type| vehicle_type.name() == name)
    }

    /// Whether it pays as a heavy vehicle.
    pub const fn is_heavy(self) -> bool {
        matches!(self, Self::Truck | Self::Bus)
    }
}

/// How often each type passes, relative to the others. By default 11 cars to 4 trucks to 2 vans.
///
/// Written as `car=11,truck=4,van=2`; a type that is left out does not pass.
#[derive(Debug, Clone)]
pub struct Mix {
    parts: [u32; VehicleType::COUNT],
    weights: Weights<{ VehicleType::COUNT }>,
}

impl Mix {
    /// A mix in the order of [`VehicleType::ALL`]; `None` if no part is positive.
    pub fn new(parts: [u32; VehicleType::COUNT]) -> Option<Self> {
        let any = parts.iter().any(|part| *part > 0);
        any.then(|| Mix { parts, weights: Weights::new(parts.map(f64::from)) })
    }

    /// The share of a type among all passages, 0 to 1.
    pub fn share(&self, vehicle_type: VehicleType) -> f64 {
        let total: f64 = self.parts.iter().copied().map(f64::from).sum();
        f64::from(self.parts[vehicle_type as usize]) / total
    }

    /// The type that `draw`, uniform over all 32-bit numbers, falls on.
    pub(crate) fn choose(&self, draw: u32) -> VehicleType {
        VehicleType::ALL[self.weights.choose(draw)]
    }
}

impl Default for Mix {
    fn default() -> Self {
        Mix::new([11, 4, 2, 0, 0]).expect("some parts are positive")
    }
}

impl PartialEq for Mix {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Eq for Mix {}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (vehicle_type, part) in VehicleType::ALL.into_iter().zip(self.parts).filter(|(_, part)| *part > 0)
        {
            write!(f, "{separator}{}={part}", vehicle_type.name())?;
            separator = ",";
        }
        Ok(())
    }
}

impl FromStr for Mix {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut parts = [0; VehicleType::COUNT];
        let names = VehicleType::ALL.map(VehicleType::name);
        for (index, part) in settings::parse(text, &names, "a whole number", |value| value.parse().ok())? {
            parts[index] = part;
        }
        Mix::new(parts).ok_or(ParseError::BadSum { what: "the mix", wanted: "positive" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_reads_as_it_is_written() {
        assert_eq!(Mix::default().to_string(), "car=11,truck=4,van=2");
        let all = "car=11,truck=4,van=2,bus=1,motorcycle=1";
        assert_eq!(all.parse::<Mix>().unwrap().to_string(), all);
        assert_eq!("van=1, bus=3".parse::<Mix>().unwrap(), Mix::new([0, 0, 1, 3, 0]).unwrap());
    }

    #[test]
    fn a_bad_mix_names_the_culprit() {
        let error = |text: &str| text.parse::<Mix>().unwrap_err().to_string();
        assert_eq!(error("suv=1"), r#"unknown name "suv": allowed are car, truck, van, bus, motorcycle"#);
        assert_eq!(error("car=-1"), r#""-1" for car is not a whole number"#);
        assert_eq!(error("car"), r#""car" is not NAME=VALUE"#);
        assert_eq!(error("car=1,car=2"), "car is given twice");
        assert_eq!(error("car=0"), "the sum of the mix must be positive");
        assert_eq!(error(""), "the sum of the mix must be positive");
    }
}
