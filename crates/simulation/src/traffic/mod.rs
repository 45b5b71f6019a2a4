//! The world of traffic events: jams that build and clear, the accidents that cause some of them, and speed cameras,
//! on roads around five cities.
//!
//! An event is a report of something that is under way: the same jam is reported again and again, slower as it grows
//! and faster as it clears.

mod cameras;
mod faults;
mod incidents;
mod roads;

use std::borrow::Cow;

use events::TrafficEvent;
use rand::Rng as _;

use crate::{
    Random, Seed, World,
    demand::{COMMUTER, Curve},
    draw,
    faults::Kind,
    weights::Weights,
};
use cameras::{Camera, Cameras};
use incidents::{Accident, Incident, Incidents};
use roads::{Place, ROADS};

/// Most that [`Options::congestion`] may be.
pub const CONGESTION_MAX: f64 = 10.0;

/// How often there is a report of a jam, an accident and a camera; what there is none of is not reported.
const REPORTS: [f64; 3] = [6.0, 1.5, 2.5];
/// From this part of the free flow on, a jam is none (DATEX II, AbnormalTraffic).
const FREE_FLOW_PART: f64 = 0.9;
/// How far two reports of the same jam differ, as a part of the free flow.
const SPEED_NOISE: f64 = 0.015;

/// Settings of a [`TrafficWorld`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// How busy the roads are: 1 as usual, 0 not at all, up to [`CONGESTION_MAX`].
    pub congestion: f64,
}

impl Default for Options {
    fn default() -> Self {
        Options { congestion: 1.0 }
    }
}

/// All roads, and the reports about them.
#[derive(Debug)]
pub struct TrafficWorld {
    incidents: Incidents,
    cameras: Cameras,
    weights: Weights<{ REPORTS.len() }>,
    kinds: Random,
    choices: Random,
    speeds: Random,
    event_ids: Random,
}

impl World for TrafficWorld {
    type Options = Options;
    type Event = TrafficEvent;

    fn new(seed: Seed, options: &Options) -> Self {
        let congestion = options.congestion.clamp(0.0, CONGESTION_MAX);
        TrafficWorld {
            incidents: Incidents::new(seed.child("incidents"), congestion),
            cameras: Cameras::new(seed.child("cameras")),
            weights: Weights::new(REPORTS),
            kinds: seed.child("kinds").random(),
            choices: seed.child("choices").random(),
            speeds: seed.child("speeds").random(),
            event_ids: seed.child("event-ids").random(),
        }
    }

    fn demand() -> Curve {
        Curve::daily_mean_of([(1.0, &COMMUTER)])
    }

    fn next(&mut self, now_ms: i64) -> TrafficEvent {
        self.incidents.go_to(now_ms);
        let event_id = draw::event_id(now_ms, &mut self.event_ids);
        let blank = |event_type, road, place| blank(event_type, road, place, now_ms);
        let kind = self.weights.choose(self.kinds.next_u32());
        let accident = if kind == 1 { self.incidents.accident(&mut self.choices) } else { None };
        let jam = if kind == 0 || kind == 1 { self.incidents.jam(&mut self.choices) } else { None };
        let event = match (accident, jam) {
            (Some((incident, accident)), _) => {
                of_accident(accident, now_ms, blank("ACCIDENT", incident.road, incident.place))
            }
            (None, Some(incident)) => {
                let noise = draw::normal(&mut self.speeds) * SPEED_NOISE;
                of_jam(incident, noise, now_ms, blank("TRAFFIC_JAM", incident.road, incident.place))
            }
            (None, None) => {
                let camera = self.cameras.choose(&mut self.choices);
                of_camera(camera, now_ms, blank("SPEED_CAMERA", camera.road, camera.place))
            }
        };
        TrafficEvent { event_id, ..event }
    }

    fn spoil(kind: Kind, event: &mut TrafficEvent, random: &mut Random) {
        faults::spoil(kind, event, random);
    }
}

/// The event without what depends on its type.
fn blank(event_type: &'static str, road: usize, place: Place, now_ms: i64) -> TrafficEvent {
    TrafficEvent {
        event_id: uuid::Uuid::nil(),
        event_type: Cow::Borrowed(event_type),
        city: Cow::Borrowed(ROADS[road].city),
        road: Cow::Borrowed(ROADS[road].name),
        latitude: place.latitude,
        longitude: place.longitude,
        occurred_at_ms: now_ms,
        severity: None,
        avg_speed_kmh: None,
        length_m: None,
        lanes_blocked: None,
        injuries_reported: None,
        speed_limit_kmh: None,
        direction: None,
        active: None,
    }
}

fn of_jam(incident: &Incident, noise: f64, now_ms: i64, blank: TrafficEvent) -> TrafficEvent {
    let free_flow_kmh = ROADS[incident.road].free_flow_kmh;
    let speed_kmh = (incident.jam.speed(FREE_FLOW_PART, now_ms) + noise) * f64::from(free_flow_kmh);
    let speed_kmh = (speed_kmh.round() as i32).clamp(1, fastest_jam_kmh(free_flow_kmh));
    TrafficEvent {
        severity: Some(Cow::Borrowed(severity(speed_kmh, free_flow_kmh))),
        avg_speed_kmh: Some(speed_kmh),
        length_m: Some(incident.jam.length_m(now_ms)),
        ..blank
    }
}

fn of_accident(accident: &Accident, now_ms: i64, blank: TrafficEvent) -> TrafficEvent {
    TrafficEvent {
        severity: Some(Cow::Borrowed(if accident.is_major { "MAJOR" } else { "MINOR" })),
        lanes_blocked: Some(accident.lanes_blocked(now_ms)),
        injuries_reported: Some(accident.injuries),
        ..blank
    }
}

fn of_camera(camera: &Camera, now_ms: i64, blank: TrafficEvent) -> TrafficEvent {
    TrafficEvent {
        speed_limit_kmh: Some(camera.limit_kmh),
        direction: Some(Cow::Borrowed(camera.direction)),
        active: Some(camera.is_active(now_ms)),
        ..blank
    }
}

/// The greatest whole speed below nine tenths of the free flow.
fn fastest_jam_kmh(free_flow_kmh: i32) -> i32 {
    (free_flow_kmh * 9 - 1) / 10
}

/// How bad a jam is by its speed (DATEX II, AbnormalTraffic): stationary below a tenth of the free flow and queuing
/// below a quarter are `HIGH`, slow below three quarters is `MEDIUM`, heavy is `LOW`.
fn severity(speed_kmh: i32, free_flow_kmh: i32) -> &'static str {
    if speed_kmh * 4 < free_flow_kmh {
        "HIGH"
    } else if speed_kmh * 4 < free_flow_kmh * 3 {
        "MEDIUM"
    } else {
        "LOW"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bounds of DATEX II, on a road of 110 km/h.
    #[test]
    fn severity_follows_the_speed() {
        let severities = [1, 10, 27, 28, 82, 83, 98].map(|speed_kmh| severity(speed_kmh, 110));
        assert_eq!(severities, ["HIGH", "HIGH", "HIGH", "MEDIUM", "MEDIUM", "LOW", "LOW"]);
        assert_eq!([110, 130, 90, 70].map(fastest_jam_kmh), [98, 116, 80, 62]);
    }
}
