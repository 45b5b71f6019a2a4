//! The worlds as their streams show them: golden events, plausibility over hours and years, and faults that the shipped
//! contracts judge as they should.

mod golden;
mod toll;
mod traffic;
mod verdicts;
mod weather;

use simulation::World;

/// Friday, the second of October 2026, at 07:26:20 UTC: the middle of the morning peak.
const FRIDAY_MORNING_MS: i64 = 1_790_925_980_000;
/// The night before, four hours earlier.
const FRIDAY_NIGHT_MS: i64 = FRIDAY_MORNING_MS - 4 * 3_600_000;

/// Events at even distances.
fn events<W: World>(world: &mut W, start_ms: i64, step_ms: i64, count: i64) -> Vec<W::Event> {
    (0..count).map(|index| world.next(start_ms + index * step_ms)).collect()
}
