//! How traffic swells and ebbs: demand by hour of the day (UTC), on working days and on weekends.

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;
/// Hours of a day.
const DAY_HOURS: usize = 24;

/// An hour of a working day or of a weekend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hour {
    weekend: bool,
    /// 0..24.
    hour: usize,
}

impl Hour {
    /// How many hours differ: 24 of working days and 24 of weekends.
    pub const COUNT: usize = 2 * DAY_HOURS;

    /// The hour in which the Unix time `time_ms` lies.
    pub fn of(time_ms: i64) -> Self {
        let hours = time_ms.div_euclid(HOUR_MS);
        let days = hours.div_euclid(DAY_HOURS as i64);
        // The first of January 1970 was a Thursday: counted from Monday, day 3.
        let weekday = (days + 3).rem_euclid(7);
        Hour { weekend: weekday >= 5, hour: hours.rem_euclid(DAY_HOURS as i64) as usize }
    }

    /// All of them, in the order of [`Hour::index`].
    pub fn all() -> impl Iterator<Item = Hour> {
        [false, true].into_iter().flat_map(|weekend| (0..DAY_HOURS).map(move |hour| Hour { weekend, hour }))
    }

    /// Position in a table of [`Hour::COUNT`] entries.
    pub fn index(self) -> usize {
        usize::from(self.weekend) * DAY_HOURS + self.hour
    }
}

/// Demand by the hour, relative to itself: 2.0 is twice the traffic of 1.0.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    hours: [f64; Hour::COUNT],
}

/// People going to work and back: two peaks on working days, flat and low at weekends.
pub const COMMUTER: Curve = Curve::new(
    [
        2., 1., 1., 1., 3., 9., 20., 30., 28., 16., 12., 12., 13., 12., 13., 17., 26., 31., 25., 15., 9., 7.,
        5., 3.,
    ],
    [
        3., 2., 2., 1., 2., 3., 4., 6., 8., 10., 12., 13., 12., 12., 12., 12., 12., 11., 10., 8., 6., 5., 5.,
        4.,
    ],
);

/// Trips to the sea and the mountains: a broad midday on working days, twice that at weekends.
pub const LEISURE: Curve = Curve::new(
    [
        1., 1., 1., 1., 1., 2., 4., 6., 9., 11., 12., 12., 12., 12., 12., 13., 13., 12., 10., 8., 6., 4., 3.,
        2.,
    ],
    [
        2., 2., 1., 1., 2., 4., 8., 14., 21., 27., 30., 28., 24., 22., 23., 26., 30., 31., 27., 20., 13., 8.,
        5., 3.,
    ],
);

/// Goods on the road: early, steady, through the night, and nearly absent at weekends.
pub const FREIGHT: Curve = Curve::new(
    [
        9., 8., 8., 9., 12., 16., 18., 17., 16., 16., 16., 15., 14., 15., 16., 16., 15., 14., 13., 12., 12.,
        11., 10., 10.,
    ],
    [4., 3., 3., 3., 3., 4., 4., 4., 4., 4., 4., 3., 3., 3., 3., 3., 3., 3., 4., 4., 5., 6., 6., 6.],
);

impl Curve {
    /// A curve from the demand of each hour of a working day and of a weekend; some hour of either must be
    /// positive.
    pub const fn new(working_day: [f64; 24], weekend: [f64; 24]) -> Self {
        let mut hours = [0.0; Hour::COUNT];
        let mut hour = 0;
        while hour < DAY_HOURS {
            hours[hour] = working_day[hour];
            hours[DAY_HOURS + hour] = weekend[hour];
            hour += 1;
        }
        Curve { hours }
    }

    /// The demand of an hour.
    pub fn at(&self, hour: Hour) -> f64 {
        self.hours[hour.index()]
    }

    /// The sum of several curves, each times its weight, scaled so that the mean over each kind of day is 1.
    pub fn daily_mean_of<'a>(curves: impl IntoIterator<Item = (f64, &'a Curve)>) -> Curve {
        let mut hours = [0.0; Hour::COUNT];
        for (weight, curve) in curves {
            for (sum, demand) in hours.iter_mut().zip(curve.hours) {
                *sum += weight * demand;
            }
        }
        for day in hours.chunks_exact_mut(DAY_HOURS) {
            let mean = day.iter().sum::<f64>() / DAY_HOURS as f64;
            for demand in day {
                *demand /= mean;
            }
        }
        Curve { hours }
    }

    /// Demand summed up between two Unix times, in milliseconds at demand 1, for a curve whose daily mean is
    /// 1.
    pub(crate) fn integral_ms(&self, start_ms: f64, end_ms: f64) -> f64 {
        self.since_epoch_ms(end_ms) - self.since_epoch_ms(start_ms)
    }

    fn since_epoch_ms(&self, time_ms: f64) -> f64 {
        let hour_ms = HOUR_MS as f64;
        let now = Hour::of(time_ms.floor() as i64);
        let day_start_ms = (time_ms / (hour_ms * DAY_HOURS as f64)).floor() * hour_ms * DAY_HOURS as f64;
        let into_hour_ms = time_ms - day_start_ms - now.hour as f64 * hour_ms;
        let midnight = Hour { hour: 0, ..now }.index();
        let whole_hours: f64 = self.hours[midnight..now.index()].iter().sum();
        day_start_ms + whole_hours * hour_ms + self.at(now) * into_hour_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour_of(text: &str) -> Hour {
        Hour::of(chrono::DateTime::parse_from_rfc3339(text).expect("a time").timestamp_millis())
    }

    #[test]
    fn hours_and_weekends_follow_the_calendar() {
        assert_eq!(hour_of("2026-10-02T19:26:20Z"), Hour { weekend: false, hour: 19 }, "a Friday");
        assert_eq!(hour_of("2026-10-03T00:00:00Z"), Hour { weekend: true, hour: 0 }, "a Saturday");
        assert_eq!(hour_of("2026-10-04T23:59:59.999Z"), Hour { weekend: true, hour: 23 }, "a Sunday");
        assert_eq!(hour_of("2026-10-05T00:00:00Z"), Hour { weekend: false, hour: 0 }, "a Monday");
        assert_eq!(
            hour_of("1969-12-31T23:59:59Z"),
            Hour { weekend: false, hour: 23 },
            "before 1970, a Wednesday"
        );
        assert!(Hour::all().map(Hour::index).eq(0..Hour::COUNT));
    }

    /// Whatever the curves, a whole day at demand holds as much as a day at demand 1.
    #[test]
    fn a_day_of_demand_is_a_day() {
        let curve = Curve::daily_mean_of([(3.0, &COMMUTER), (1.0, &LEISURE), (2.0, &FREIGHT)]);
        for start_ms in [0.0, 1_000_000.0, 1_790_985_980_000.0] {
            let day_ms = curve.integral_ms(start_ms, start_ms + 86_400_000.0);
            let same_kind_of_day =
                Hour::of(start_ms as i64).weekend == Hour::of(start_ms as i64 + 86_400_000).weekend;
            assert!(!same_kind_of_day || (day_ms - 86_400_000.0).abs() < 1.0, "{day_ms} from {start_ms}");
        }
    }
}
