//! Tests of the report: what is said of a figure, and what is not.

use super::{Figure, Report, is_of, table, verdicts};

/// A figure with a target for its ratio, its processor time and its memory, all of them reached.
fn good() -> Figure {
    Figure {
        name: "writer.append".to_owned(),
        value: 360_000.0,
        unit: "rows/s",
        limit: "LOAD DATA".to_owned(),
        limit_value: Some(400_000.0),
        ratio: Some(0.9),
        min: Some(0.85),
        max: Some(0.95),
        pairs: 5,
        cpu_s_per_million: Some(1.2),
        peak_rss_mib: Some(38.0),
        value_ends: Some([350_000.0, 370_000.0]),
        cpu_ends: Some([1.1, 1.3]),
    }
}

fn lines(figure: Figure) -> (String, bool) {
    verdicts(&[figure])
}

#[test]
fn what_is_reached_is_said() {
    let (text, is_reached) = lines(good());
    assert!(is_reached, "{text}");
    assert_eq!(text.lines().count(), 3);
    assert!(text.lines().all(|line| line.starts_with("- reached: writer.append, ")), "{text}");
}

/// A target is missed by its own measure alone, and both numbers are told.
#[test]
fn a_missed_target_is_told_with_both_numbers() {
    let cases = [
        (
            Figure { ratio: Some(0.8), ..good() },
            "not reached: writer.append, ratio at least 0.85: 0.800 instead of 0.85",
        ),
        (
            Figure { cpu_s_per_million: Some(1.6), ..good() },
            "not reached: writer.append, processor s per million at most 1.5: 1.600 instead of 1.5",
        ),
        (
            Figure { peak_rss_mib: Some(41.0), ..good() },
            "not reached: writer.append, peak MiB at most 40: 41.0 instead of 40",
        ),
    ];
    for (figure, words) in cases {
        let (text, is_reached) = lines(figure);
        assert!(!is_reached);
        assert!(text.contains(words), "{text}");
        assert_eq!(text.matches("not reached").count(), 1, "{text}");
    }
}

/// At the number itself a target is reached.
#[test]
fn the_number_itself_is_enough() {
    let figure = Figure { ratio: Some(0.85), min: Some(0.85), peak_rss_mib: Some(40.0), ..good() };
    assert!(lines(figure).1);
}

/// Ratios that spread over 30 % are no verdict, however good their middle is; and that is no pass.
#[test]
fn too_noisy_a_machine_gets_no_verdict() {
    let just = Figure { min: Some(0.80), max: Some(1.07), ..good() };
    assert!(lines(just).1);
    let (text, is_reached) = lines(Figure { min: Some(0.80), max: Some(1.08), ..good() });
    assert!(!is_reached);
    assert!(
        text.contains("no verdict: too noisy: writer.append, ratio at least 0.85: its runs spread over 31 %"),
        "{text}"
    );
}

/// Each target by the spread of what it is about: ratios that spread say nothing of processor time, nor the other way round; and
/// a peak is the most of all runs, however far they lie apart.
#[test]
fn a_target_is_judged_by_its_own_spread() {
    let noisy = [
        (Figure { min: Some(0.5), max: Some(1.0), ..good() }, "ratio at least"),
        (Figure { cpu_ends: Some([1.0, 1.4]), ..good() }, "processor s per million at most"),
    ];
    for (figure, what) in noisy {
        let (text, is_reached) = lines(figure);
        assert!(!is_reached);
        assert!(text.contains(&format!("- no verdict: too noisy: writer.append, {what} ")), "{text}");
        assert_eq!(text.matches("- reached: ").count(), 2, "{text}");
    }
    let values = Figure { value_ends: Some([100_000.0, 900_000.0]), ..good() };
    assert!(lines(values).1, "no target is about its values");
}

/// What a service did is known without its limit.
#[test]
fn without_its_limit_the_rest_is_judged() {
    let (text, is_reached) = lines(Figure { limit_value: None, ratio: None, min: None, max: None, ..good() });
    assert!(!is_reached);
    assert!(text.contains("- reached: writer.append, processor s per million at most 1.5: 1.200"), "{text}");
    assert!(text.contains("- reached: writer.append, peak MiB at most 40: 38.0"), "{text}");
    let of_path = |most: f64| Figure {
        name: "path.p99_ms_at_5000".to_owned(),
        value: 30.0,
        unit: "ms",
        limit: "bare clients".to_owned(),
        pairs: 5,
        value_ends: Some([28.0, most]),
        ..Figure::default()
    };
    assert!(lines(of_path(33.0)).0.contains("- reached: path.p99_ms_at_5000, value at most 50: 30.0"));
    assert!(lines(of_path(60.0)).0.contains("- no verdict: too noisy: path.p99_ms_at_5000, value "));
}

/// Of two runs nobody knows how far a third would be off.
#[test]
fn fewer_than_three_pairs_are_no_verdict() {
    assert!(lines(Figure { pairs: 3, ..good() }).1);
    let (text, is_reached) = lines(Figure { pairs: 2, ..good() });
    assert!(!is_reached);
    assert_eq!(text.matches("- no verdict: too few pairs: writer.append, ").count(), 3, "{text}");
}

/// A question of three per cent is within what runs differ by, and who reads the verdict is told.
#[test]
fn runs_on_both_sides_of_a_target_are_told() {
    let telemetry = |min: f64| Figure {
        name: "telemetry.writer".to_owned(),
        ratio: Some(0.98),
        min: Some(min),
        max: Some(1.01),
        ..good()
    };
    let (text, is_reached) = lines(telemetry(0.93));
    assert!(is_reached);
    let words =
        "- reached: telemetry.writer, ratio at least 0.97: 0.980 (runs lie on both sides: 0.930–1.010)\n";
    assert_eq!(text, words);
    assert_eq!(lines(telemetry(0.97)).0, "- reached: telemetry.writer, ratio at least 0.97: 0.980\n");
}

/// What is no number is absent from the report, and told.
#[test]
fn what_is_no_number_is_not_measured() {
    let figure = Figure { value: f64::NAN, limit_value: None, ratio: None, min: None, max: None, ..good() };
    let json = serde_json::to_value(Report { results: std::slice::from_ref(&figure) }).expect("serializes");
    assert!(json["results"][0].get("value").is_none(), "{json}");
    let (text, is_reached) = lines(figure);
    assert!(!is_reached && text.contains("- not measured: writer.append came out as no number"), "{text}");
}

/// Of the folder of all reports, a run removes what an earlier one of the same name left, and nothing else.
#[test]
fn only_the_report_of_the_name_is_removed() {
    let all = [
        "report.json",
        "report.md",
        "report-ratios.svg",
        "peers.json",
        "reports.md",
        "report-notes.md",
        "report",
    ];
    let of_report: Vec<&str> = all.into_iter().filter(|file| is_of("report", file)).collect();
    assert_eq!(of_report, ["report.json", "report.md", "report-ratios.svg"]);
}

/// The spread of a figure without a limit is that of its values.
#[test]
fn values_spread_as_well() {
    let first_row = |max: f64| Figure {
        name: "writer.start_to_first_row_ms".to_owned(),
        value: 300.0,
        unit: "ms",
        min: Some(280.0),
        max: Some(max),
        pairs: 5,
        value_ends: Some([280.0, max]),
        ..Figure::default()
    };
    assert!(lines(first_row(350.0)).1);
    let (text, is_reached) = lines(first_row(400.0));
    assert!(!is_reached && text.contains("too noisy"), "{text}");
}

/// A limit that failed leaves no ratio, neither in the verdicts nor in the table nor in the report.
#[test]
fn a_limit_that_failed_leaves_no_ratio() {
    let figure = Figure { limit_value: None, ratio: None, min: None, max: None, ..good() };
    let (text, is_reached) = verdicts(std::slice::from_ref(&figure));
    assert!(!is_reached);
    assert!(
        text.contains("the limit failed to run: writer.append, LOAD DATA; so there is no ratio"),
        "{text}"
    );
    assert!(text.contains("no verdict: writer.append, ratio at least 0.85: not measured"), "{text}");
    let row = table(std::slice::from_ref(&figure));
    assert!(row.contains("| LOAD DATA: failed |  |  |  | 5 |"), "{row}");
    let json = serde_json::to_value(Report { results: &[figure] }).expect("serializes");
    let result = json["results"][0].as_object().expect("an object");
    let keys: Vec<&str> = result.keys().map(String::as_str).collect();
    assert_eq!(keys.len(), 7, "{keys:?}");
    assert!(["limit_value", "ratio", "min", "max"].iter().all(|key| !keys.contains(key)), "{keys:?}");
}

/// A limit that failed is no pass even where nothing is asked of the figure.
#[test]
fn a_failed_limit_without_a_target_is_no_pass() {
    let figure = Figure { name: "writer.other".to_owned(), ratio: None, limit_value: None, ..good() };
    assert!(!lines(figure).1);
}

/// The keys that others read.
#[test]
fn the_report_has_its_form() {
    let json = serde_json::to_string(&Report { results: &[good()] }).expect("serializes");
    let result = r#"{"name":"writer.append","value":360000.0,"unit":"rows/s","limit":"LOAD DATA","limit_value":400000.0,"#;
    let rest = r#""ratio":0.9,"min":0.85,"max":0.95,"pairs":5,"cpu_s_per_million":1.2,"peak_rss_mib":38.0}"#;
    assert_eq!(json, format!(r#"{{"results":[{result}{rest}]}}"#));
}
