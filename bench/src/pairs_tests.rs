//! Tests of measuring in pairs.

use std::cell::RefCell;

use service::Error;

use super::{figure, pairs, runs};
use crate::watch::Seen;

fn seen(speed: f64) -> Seen {
    Seen { speed, cpu_s_per_million: 1.0 + speed, peak_rss_mib: speed }
}

/// A B, B A, A B; medians of both sides, and of the ratios of the pairs, not the ratio of the medians.
#[test]
fn both_sides_take_turns() {
    let order = RefCell::new(String::new());
    let ours = |pair: u32| {
        order.borrow_mut().push('A');
        Ok(seen([8.0, 30.0, 9.0][pair as usize]))
    };
    let theirs = |pair: u32| {
        order.borrow_mut().push('B');
        Ok([10.0, 20.0, 30.0][pair as usize])
    };
    let figure = pairs("name", "rows/s", "limit", 3, ours, theirs).expect("both run");
    assert_eq!(*order.borrow(), "ABBAAB");
    assert_eq!((figure.value, figure.limit_value, figure.pairs), (9.0, Some(20.0), 3));
    assert_eq!((figure.ratio, figure.min, figure.max), (Some(0.8), Some(0.3), Some(1.5)));
    assert_eq!((figure.cpu_s_per_million, figure.peak_rss_mib), (Some(10.0), Some(30.0)));
}

/// A limit that fails once, or comes out as nothing, is no limit: what it gave before does not count, and it is not tried again.
#[test]
fn a_limit_that_fails_leaves_the_figure_without_a_ratio() {
    let fails = |_| Err(Error::failed("away"));
    let bad: [fn(u32) -> Result<f64, Error>; 3] = [fails, |_| Ok(0.0), |_| Ok(f64::NAN)];
    for bad in bad {
        let (mut ours_ran, mut theirs_ran) = (0, 0);
        let ours = |_| {
            ours_ran += 1;
            Ok(seen(1.0))
        };
        let theirs = |pair| {
            theirs_ran += 1;
            if pair == 1 { bad(pair) } else { Ok(1.0) }
        };
        let figure = pairs("name", "rows/s", "limit", 5, ours, theirs).expect("ours runs");
        assert_eq!((ours_ran, theirs_ran), (5, 2));
        assert!(figure.lacks_its_limit());
        assert_eq!((figure.limit_value, figure.ratio, figure.min, figure.max), (None, None, None, None));
        assert_eq!((figure.value, figure.pairs), (1.0, 5));
    }
}

#[test]
fn what_fails_itself_is_no_figure() {
    let ours = |pair| if pair == 1 { Err(Error::failed("broken")) } else { Ok(seen(1.0)) };
    assert!(pairs("name", "rows/s", "limit", 2, ours, |_| Ok(1.0)).is_err());
}

/// Values and processor seconds keep their own ends beside those of the ratios, with a limit and without.
#[test]
fn each_measure_keeps_its_ends() {
    let seen = [8.0, 30.0, 9.0].map(seen);
    for limits in [Some(&[10.0, 20.0, 30.0][..]), None] {
        let figure = figure("name", "rows/s", "limit", &seen, limits);
        assert_eq!((figure.value_ends, figure.cpu_ends), (Some([8.0, 30.0]), Some([9.0, 31.0])));
    }
}

/// A run that came out as no number leaves none of what is made of it; so does a limit.
#[test]
fn what_is_no_number_is_absent() {
    for bad in [f64::NAN, f64::INFINITY] {
        assert!(runs("name", "ms", 1, |_| Ok(seen(bad))).is_err());
        let ours = figure("name", "rows/s", "limit", &[1.0, bad, 2.0].map(seen), Some(&[1.0; 3]));
        assert!(ours.value.is_nan());
        assert_eq!((ours.limit_value, ours.ratio, ours.min, ours.max), (None, None, None, None));
        let limit = figure("name", "rows/s", "limit", &[seen(1.0)], Some(&[bad]));
        assert_eq!((limit.value, limit.limit_value, limit.ratio), (1.0, None, None));
    }
}

/// Without a limit the ends are those of the values, and nothing lacks.
#[test]
fn runs_have_no_ratio() {
    let figure = runs("name", "ms", 4, |run| Ok(seen(f64::from(run) + 1.0))).expect("runs");
    assert_eq!((figure.value, figure.min, figure.max), (2.5, Some(1.0), Some(4.0)));
    assert!(figure.ratio.is_none() && !figure.lacks_its_limit());
}
