//! The roads: where they run, how fast they are when free, and how prone to jams.

use crate::waves::wave;

/// Metres of a degree of latitude.
const DEGREE_M: f64 = 111_320.0;

/// A road in or around one city.
#[derive(Debug, Clone, Copy)]
pub(super) struct Road {
    pub(super) city: &'static str,
    pub(super) name: &'static str,
    /// Speed when nothing is in the way.
    pub(super) free_flow_kmh: i32,
    /// How often it jams, relative to the others.
    pub(super) prone: f64,
    /// Points along it, north and east, some hundred metres exact; a ring ends where it begins.
    points: &'static [(f64, f64)],
}

/// A place on a road.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    /// Whether the road runs rather from south to north here than from west to east.
    pub(super) is_north_south: bool,
}

/// How many roads there are; the same number in two cities is two roads.
pub(super) const COUNT: usize = 12;

/// All roads.
pub(super) const ROADS: [Road; COUNT] = [
    Road {
        city: "Paris",
        name: "A1",
        free_flow_kmh: 110,
        prone: 1.3,
        points: &[
            (48.8990, 2.3592),
            (48.9180, 2.3585),
            (48.9340, 2.3740),
            (48.9480, 2.4280),
            (48.9560, 2.4560),
            (48.9650, 2.4850),
            (48.9800, 2.5130),
        ],
    },
    Road {
        city: "Paris",
        name: "A6",
        free_flow_kmh: 110,
        prone: 1.3,
        points: &[
            (48.8170, 2.3330),
            (48.8050, 2.3370),
            (48.7830, 2.3400),
            (48.7560, 2.3420),
            (48.7330, 2.3290),
            (48.7100, 2.3250),
        ],
    },
    Road {
        city: "Paris",
        name: "A10",
        free_flow_kmh: 130,
        prone: 0.8,
        points: &[(48.7330, 2.3290), (48.7270, 2.2950), (48.7160, 2.2400), (48.7030, 2.2280)],
    },
    Road {
        city: "Paris",
        name: "A13",
        free_flow_kmh: 110,
        prone: 1.1,
        points: &[(48.8480, 2.2560), (48.8430, 2.2200), (48.8390, 2.1570), (48.8360, 2.1130)],
    },
    Road {
        city: "Paris",
        name: "N118",
        free_flow_kmh: 90,
        prone: 1.1,
        points: &[
            (48.8245, 2.2275),
            (48.7920, 2.2230),
            (48.7800, 2.2180),
            (48.7600, 2.2060),
            (48.7310, 2.1800),
            (48.7050, 2.1880),
        ],
    },
    Road {
        city: "Paris",
        name: "Peripherique",
        free_flow_kmh: 70,
        prone: 2.0,
        points: &[
            (48.8780, 2.2820),
            (48.8950, 2.3130),
            (48.9005, 2.3590),
            (48.8990, 2.3860),
            (48.8640, 2.4120),
            (48.8470, 2.4150),
            (48.8290, 2.3920),
            (48.8170, 2.3600),
            (48.8200, 2.3250),
            (48.8250, 2.3020),
            (48.8380, 2.2570),
            (48.8710, 2.2740),
            (48.8780, 2.2820),
        ],
    },
    Road {
        city: "Lyon",
        name: "A6",
        free_flow_kmh: 110,
        prone: 1.0,
        points: &[
            (45.8400, 4.7690),
            (45.8100, 4.7600),
            (45.7780, 4.7780),
            (45.7640, 4.7950),
            (45.7490, 4.8250),
        ],
    },
    Road {
        city: "Lyon",
        name: "A7",
        free_flow_kmh: 110,
        prone: 1.2,
        points: &[
            (45.7480, 4.8240),
            (45.7290, 4.8180),
            (45.7040, 4.8320),
            (45.6730, 4.8440),
            (45.6560, 4.8400),
        ],
    },
    Road {
        city: "Lyon",
        name: "Peripherique",
        free_flow_kmh: 70,
        prone: 1.2,
        points: &[
            (45.7990, 4.8400),
            (45.7880, 4.8820),
            (45.7650, 4.9070),
            (45.7400, 4.9050),
            (45.7190, 4.8920),
            (45.7060, 4.8600),
        ],
    },
    Road {
        city: "Marseille",
        name: "A7",
        free_flow_kmh: 110,
        prone: 1.0,
        points: &[
            (43.3030, 5.3740),
            (43.3350, 5.3640),
            (43.3700, 5.3560),
            (43.3950, 5.3520),
            (43.4120, 5.3150),
            (43.4400, 5.2600),
        ],
    },
    Road {
        city: "Lille",
        name: "A1",
        free_flow_kmh: 110,
        prone: 0.9,
        points: &[(50.6210, 3.0780), (50.6010, 3.0800), (50.5800, 3.0640), (50.5560, 3.0440)],
    },
    Road {
        city: "Toulouse",
        name: "Peripherique",
        free_flow_kmh: 70,
        prone: 1.0,
        points: &[
            (43.6160, 1.4190),
            (43.6280, 1.4350),
            (43.6340, 1.4620),
            (43.6250, 1.4740),
            (43.6090, 1.4810),
            (43.5750, 1.4830),
            (43.5580, 1.4720),
            (43.5640, 1.4350),
            (43.5850, 1.4050),
            (43.6090, 1.4010),
            (43.6160, 1.4190),
        ],
    },
];

impl Road {
    /// The place that lies after this part of the way, 0 to 1.
    pub(super) fn place(&self, part: f64) -> Place {
        let mut left_m = part.clamp(0.0, 1.0) * self.length_m();
        let mut pairs = self.points.windows(2).peekable();
        loop {
            let pair = pairs.next().expect("a road has two points, and the last stretch takes what is left");
            let (from, to) = (pair[0], pair[1]);
            let (north_m, east_m) = way(from, to);
            let stretch_m = (north_m * north_m + east_m * east_m).sqrt();
            if left_m <= stretch_m || pairs.peek().is_none() {
                let along = (left_m / stretch_m).min(1.0);
                return Place {
                    latitude: degrees(from.0 + (to.0 - from.0) * along),
                    longitude: degrees(from.1 + (to.1 - from.1) * along),
                    is_north_south: north_m.abs() >= east_m.abs(),
                };
            }
            left_m -= stretch_m;
        }
    }

    /// How long it is.
    pub(super) fn length_m(&self) -> f64 {
        let stretches = self.points.windows(2).map(|pair| way(pair[0], pair[1]));
        stretches.map(|(north_m, east_m)| (north_m * north_m + east_m * east_m).sqrt()).sum()
    }
}

/// How far it is to the north and to the east from one point to another.
fn way(from: (f64, f64), to: (f64, f64)) -> (f64, f64) {
    let cosine = wave(from.0 / 360.0 + 0.25);
    ((to.0 - from.0) * DEGREE_M, (to.1 - from.1) * DEGREE_M * cosine)
}

/// To six decimals, a tenth of a metre.
fn degrees(degrees: f64) -> f64 {
    (degrees * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Roads are as long as on the map, by and large, and their places begin, end and move on along them.
    #[test]
    fn places_lie_along_the_road() {
        for road in ROADS {
            let length_m = road.length_m();
            assert!((7_000.0..40_000.0).contains(&length_m), "{} of {}: {length_m} m", road.name, road.city);
            let ends = [road.points[0], road.points[road.points.len() - 1]];
            for (part, point) in [0.0, 1.0].into_iter().zip(ends) {
                let place = road.place(part);
                assert_eq!((place.latitude, place.longitude), point, "{} of {}", road.name, road.city);
            }
            for step in 0..100 {
                let [from, to] = [step, step + 1].map(|step| road.place(f64::from(step) / 100.0));
                let (north_m, east_m) = way((from.latitude, from.longitude), (to.latitude, to.longitude));
                let moved_m = (north_m * north_m + east_m * east_m).sqrt();
                assert!(moved_m < length_m / 99.0, "{moved_m} m of {length_m} m at {step} %");
            }
        }
    }

    /// The ring of Paris is about 35 km, and the A1 leaves it to the north.
    #[test]
    fn the_map_is_roughly_right() {
        let road =
            |city, name| ROADS.into_iter().find(|road| (road.city, road.name) == (city, name)).unwrap();
        let ring_m = road("Paris", "Peripherique").length_m();
        assert!((28_000.0..38_000.0).contains(&ring_m), "{ring_m} m");
        assert!(
            road("Paris", "A1").place(0.1).is_north_south && !road("Paris", "A13").place(0.5).is_north_south
        );
    }
}
