//! Measuring in pairs: ours and its limit in turn, so that whatever drifts meanwhile hits both.

use service::{Error, cause_chain};

use crate::{
    progress,
    report::{Figure, median},
    watch::Seen,
};

/// Measures `ours` beside `theirs`, the limit, in the order A B, B A, A B and so on.
///
/// An error of `theirs` is told and leaves the figure without a limit and a ratio; an error of `ours` is an error.
pub(crate) fn pairs(
    name: &str,
    unit: &'static str,
    limit: &str,
    pairs: u32,
    mut ours: impl FnMut(u32) -> Result<Seen, Error>,
    mut theirs: impl FnMut(u32) -> Result<f64, Error>,
) -> Result<Figure, Error> {
    let mut seen = Vec::new();
    // None as soon as one has failed.
    let mut limits = Some(Vec::new());
    for pair in 0..pairs {
        for is_ours in [pair % 2 == 0, pair % 2 != 0] {
            if is_ours {
                seen.push(measured(name, ours(pair)?)?);
            } else if let Some(values) = &mut limits {
                match theirs(pair).and_then(|value| usable(limit, value)) {
                    Ok(value) => values.push(value),
                    Err(error) => {
                        progress(format!("{name}: the limit, {limit}, failed: {}", cause_chain(&error)));
                        limits = None;
                    }
                }
            }
        }
        tell(name, unit, &seen, limits.as_deref());
    }
    Ok(figure(name, unit, limit, &seen, limits.as_deref()))
}

/// Measures something that has no limit beside it.
pub(crate) fn runs(
    name: &str,
    unit: &'static str,
    runs: u32,
    mut ours: impl FnMut(u32) -> Result<Seen, Error>,
) -> Result<Figure, Error> {
    let mut seen = Vec::new();
    for run in 0..runs {
        seen.push(measured(name, ours(run)?)?);
        tell(name, unit, &seen, None);
    }
    Ok(figure(name, unit, "", &seen, None))
}

/// A figure of the processor time in each pair, and of the limit's in the same order.
pub(crate) fn cpu_figure(name: &str, limit: &str, seen: &[Seen], limits: &[f64]) -> Figure {
    let cpu: Vec<Seen> = seen.iter().map(|seen| Seen { speed: seen.cpu_s_per_million, ..*seen }).collect();
    figure(name, "processor s per million", limit, &cpu, Some(limits))
}

/// A figure of what was seen in each pair, and of the limit's values in the same order; without these if it failed.
pub(crate) fn figure(
    name: &str,
    unit: &'static str,
    limit: &str,
    seen: &[Seen],
    limits: Option<&[f64]>,
) -> Figure {
    let of = |what: fn(&Seen) -> f64| seen.iter().map(what).collect::<Vec<f64>>();
    let speeds = of(|seen| seen.speed);
    let value_ends = ends(&speeds);
    let limits = limits.filter(|limits| {
        value_ends.is_some() && limits.len() == speeds.len() && limits.iter().copied().all(is_usable)
    });
    let ratios: Option<Vec<f64>> =
        limits.map(|limits| speeds.iter().zip(limits).map(|(ours, limit)| ours / limit).collect());
    // Of the values where there is nothing to hold them against.
    let told = if limit.is_empty() { value_ends } else { ratios.as_deref().and_then(ends) };
    let cpu = of(|seen| seen.cpu_s_per_million);
    Figure {
        name: name.to_owned(),
        value: if value_ends.is_some() { median(&speeds) } else { f64::NAN },
        unit,
        limit: limit.to_owned(),
        limit_value: limits.map(median),
        ratio: ratios.as_deref().map(median),
        min: told.map(|[least, _]| least),
        max: told.map(|[_, most]| most),
        pairs: speeds.len(),
        cpu_s_per_million: some(median(&cpu)),
        peak_rss_mib: some(of(|seen| seen.peak_rss_mib).into_iter().fold(0.0, f64::max)),
        value_ends,
        cpu_ends: ends(&cpu),
    }
}

/// The least and the most; none, if one of them is no number.
fn ends(values: &[f64]) -> Option<[f64; 2]> {
    let least = values.iter().copied().reduce(f64::min)?;
    let most = values.iter().copied().reduce(f64::max)?;
    values.iter().all(|value| value.is_finite()).then_some([least, most])
}

/// What came out as no number was not measured.
fn measured(name: &str, seen: Seen) -> Result<Seen, Error> {
    if seen.speed.is_finite() {
        return Ok(seen);
    }
    Err(Error::failed(format!("{name} came out as {}", seen.speed)))
}

/// A limit of nothing would make a ratio of nothing.
fn is_usable(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

fn usable(limit: &str, value: f64) -> Result<f64, Error> {
    if is_usable(value) {
        return Ok(value);
    }
    Err(Error::failed(format!("{limit} came out as {value}")))
}

/// What was not measured of a process is zero.
fn some(value: f64) -> Option<f64> {
    is_usable(value).then_some(value)
}

fn tell(name: &str, unit: &str, seen: &[Seen], limits: Option<&[f64]>) {
    let Some(last) = seen.last() else { return };
    let limit = limits.and_then(<[f64]>::last).map(|limit| format!(", its limit {limit:.0}"));
    progress(format!("  {name}, run {}: {:.0} {unit}{}", seen.len(), last.speed, limit.unwrap_or_default()));
}

#[cfg(test)]
#[path = "pairs_tests.rs"]
mod tests;
