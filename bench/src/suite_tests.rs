//! Tests of the suite's course.

use std::{cell::RefCell, collections::BTreeSet};

use service::Error;

use super::{Item, Options, all, chosen, items};
use crate::{report::Figure, targets::TARGETS};

fn options(quick: bool, only: &[&str]) -> Options {
    Options { quick, only: only.iter().map(|name| (*name).to_owned()).collect(), pairs: None, save: None }
}

fn names(options: &Options) -> Result<Vec<&'static str>, Error> {
    Ok(chosen(options)?.iter().flat_map(|item| item.names.iter().copied()).collect())
}

/// A target for a figure that nobody measures would never be missed.
#[test]
fn every_target_is_of_a_figure_that_is_measured() {
    let names: Vec<&str> = items().iter().flat_map(|item| item.names.iter().copied()).collect();
    assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len(), "twice in {names:?}");
    for target in TARGETS.iter().filter(|target| !target.name.starts_with("peers.")) {
        assert!(names.contains(&target.name), "nothing measures {}", target.name);
    }
}

#[test]
fn figures_are_chosen_by_name_or_group() {
    assert_eq!(names(&options(false, &["writer.upsert"])).expect("known"), ["writer.upsert"]);
    let group = names(&options(false, &["writer"])).expect("known");
    assert!(group.len() > 5 && group.iter().all(|name| name.starts_with("writer.")), "{group:?}");
    let refused = names(&options(false, &["writer.appendix"])).expect_err("unknown").to_string();
    assert!(refused.contains("writer.appendix") && refused.contains("writer.append_4"), "{refused}");
}

/// What takes long is left out of a quick run, unless it is asked for.
#[test]
fn a_quick_run_leaves_out_what_takes_long() {
    let quick = names(&options(true, &[])).expect("known");
    assert!(quick.contains(&"writer.append") && !quick.contains(&"writer.append_at_50m"), "{quick:?}");
    assert!(names(&options(false, &[])).expect("known").contains(&"writer.append_at_50m"));
    assert!(names(&options(true, &["writer.lag_5m"])).expect("known").contains(&"writer.lag_5m"));
}

/// A quick run is for under five minutes: the rest of them is for starting and stopping.
#[test]
fn a_quick_run_takes_less_than_five_minutes() {
    const SECONDS_MAX: u32 = 280;
    let seconds: u32 = items().iter().map(|item| item.seconds[1]).sum();
    assert!(seconds <= SECONDS_MAX, "{seconds} s");
}

/// A service that fails takes its own figures with it, and no others: neither those of other items nor what it had before.
#[test]
fn a_failure_stops_nothing_else() {
    let item = |names: &'static [&'static str]| Item { names, seconds: [1, 1], run: |_, _| Ok(()) };
    let items = [item(&["a"]), item(&["b.1", "b.2"]), item(&["c"])];
    let order = RefCell::new(Vec::new());
    let measure = |item: &Item, figures: &mut Vec<Figure>| {
        order.borrow_mut().push(item.names[0]);
        figures.push(Figure { name: item.names[0].to_owned(), ..Figure::default() });
        if item.names[0] == "b.1" { Err(Error::failed("it ended with 1")) } else { Ok(()) }
    };
    let (figures, failures) = all(true, &items.iter().collect::<Vec<_>>(), measure);
    assert_eq!(*order.borrow(), ["a", "b.1", "c"]);
    let found: Vec<&str> = figures.iter().map(|figure| figure.name.as_str()).collect();
    assert_eq!(found, ["a", "b.1", "c"]);
    assert_eq!(failures, ["failed: b.1, b.2: it ended with 1"]);
}
