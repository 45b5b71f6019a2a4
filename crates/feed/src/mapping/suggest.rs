//! What somebody may have meant who wrote a name that is none.

/// Names less alike than this are not suggested, unless one slip of the fingers lies between them.
const ALIKE: f64 = 0.75;
/// In shorter names every other one is a slip away.
const SLIP_CHARS_MIN: usize = 3;

/// The candidate that is most like `name`, if one is.
pub(crate) fn similar<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let name = name.to_lowercase();
    let likeness = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        let is_slip = name.len() >= SLIP_CHARS_MIN && strsim::damerau_levenshtein(&name, &candidate) <= 1;
        if is_slip { 1.0 } else { strsim::jaro_winkler(&name, &candidate) }
    };
    candidates
        .into_iter()
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

/// `; did you mean …?` for the candidate that is most like `name`, or nothing.
pub(crate) fn hint<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    similar(name, candidates).map(|candidate| format!("; did you mean `{candidate}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::hint;

    /// A slip is recognised, something else altogether is not.
    #[test]
    fn slips_are_recognised() {
        let names = ["temperature_c", "humidity_pct", "city"];
        assert_eq!(hint("temprature_c", names), "; did you mean `temperature_c`?");
        assert_eq!(hint("cvs", ["csv", "json"]), "; did you mean `csv`?");
        assert_eq!(hint("City", names), "; did you mean `city`?");
        assert_eq!(hint("pressure_hpa", names), "");
    }
}
