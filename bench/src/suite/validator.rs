//! The validator: how fast it judges and forwards, beside a client that forwards the same records unread.

mod copy;

use std::{thread, time::Duration};

use local_stack::Process;
use service::{Error, clock};

use super::Item;
use crate::{
    pairs::{self, pairs},
    progress,
    raw::{Kind, Raw},
    report::Figure,
    setting::Setting,
    watch::{Seen, watch},
};

/// What is measured here.
pub(super) const ITEMS: &[Item] = &[
    Item { names: &["validator.clean", "validator.dirty"], seconds: [120, 34], run: clean_and_dirty },
    Item { names: &["validator.clean_4"], seconds: [35, 0], run: clean_4 },
];

/// Records of a run.
const RECORDS: u64 = 1_000_000;
const RECORDS_QUICK: u64 = 400_000;
/// Pairs of the figure with four partitions.
const PAIRS_4: u32 = 3;
/// How long the validator may take to count what it has committed.
const COUNTED_IN: Duration = Duration::from_secs(5);
const COUNTED_LOOK: Duration = Duration::from_millis(20);
/// Spread evenly over all kinds of faults.
const MALFORMED: &str = "all=2%";

const UNIT: &str = "records/s";
const COPY: &str = "a transactional copy by the same client, unread";

/// Clean and malformed records by the validator, and clean ones by the client alone, in turn.
fn clean_and_dirty(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    let clean = made(setting, "bench.raw-1", 1, Kind::default())?;
    let dirty = made(setting, "bench.dirty-1", 1, Kind { malformed: MALFORMED, ..Kind::default() })?;
    // The first readers of all pay for what the broker does once.
    judge(setting, &clean)?;
    judge(setting, &dirty)?;
    copy::copy(setting, &clean)?;
    progress("  first runs, which do not count, are done");
    let (mut of_clean, mut of_dirty) = (Vec::new(), Vec::new());
    let pair = |pair: u32| {
        // The three of a pair in one order and then in the other, as two would be.
        let mut both = [None, None];
        for of in if pair.is_multiple_of(2) { [0, 1] } else { [1, 0] } {
            both[of] = Some(judge(setting, if of == 0 { &clean } else { &dirty })?);
        }
        Ok(both)
    };
    let ours = |number: u32| {
        let [Some(of_clean_now), Some(of_dirty_now)] = pair(number)? else { unreachable!("both were run") };
        of_clean.push(of_clean_now.speed);
        of_dirty.push(of_dirty_now);
        Ok::<Seen, Error>(of_clean_now)
    };
    let theirs = |_| copy::copy(setting, &clean);
    figures.push(pairs("validator.clean", UNIT, COPY, setting.pairs, ours, theirs)?);
    figures.push(pairs::figure("validator.dirty", UNIT, "validator.clean", &of_dirty, Some(&of_clean)));
    Ok(())
}

/// Four partitions, by one validator.
fn clean_4(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    let clean = made(setting, "bench.raw-4", 4, Kind::default())?;
    let ours = |_| judge(setting, &clean);
    let theirs = |_| copy::copy(setting, &clean);
    figures.push(pairs("validator.clean_4", UNIT, COPY, setting.pairs.min(PAIRS_4), ours, theirs)?);
    Ok(())
}

fn made(setting: &Setting, topic: &str, partitions: i32, kind: Kind<'_>) -> Result<Raw, Error> {
    let records = if setting.quick { RECORDS_QUICK } else { RECORDS };
    Raw::made(setting, topic, partitions, records, kind)
}

/// Judges the whole topic by a validator that has never seen it, and makes sure that every record is where it says, once.
fn judge(setting: &Setting, raw: &Raw) -> Result<Seen, Error> {
    let Raw { topic, partitions, records } = raw;
    let run = setting.fresh("validator");
    let group = raw.group(setting, &run)?;
    let outputs = ["valid", "dlq"].map(|kind| format!("{topic}.{kind}"));
    for output in &outputs {
        setting.renew_topic(output, *partitions)?;
    }
    let stream = format!("{topic}=schemas/toll_passage");
    let process = setting.spawn("validator", &run, &["--group-id", &run, "--stream", &stream])?;
    let seen = watch(&process, *records, || group.committed())?;
    let judged = verdicts(setting, &process, *records)?;
    setting.end(&process)?;
    if judged.iter().sum::<u64>() != *records {
        return Err(Error::failed(format!("{judged:?} records of {topic} were judged, of {records}")));
    }
    for (output, expected) in outputs.iter().zip(judged) {
        let found = setting.count(output, *partitions, expected)?;
        if found != expected {
            return Err(Error::failed(format!("{output} has {found} records instead of {expected}")));
        }
    }
    Ok(seen)
}

/// How many records the validator itself says were good, and how many were bad. It counts a batch after its commit.
fn verdicts(setting: &Setting, process: &Process, records: u64) -> Result<[u64; 2], Error> {
    const METRIC: &str = "turnpike_validator_verdicts_total";
    let is_valid = |labels: &str| labels.contains(r#"reason="VALID""#);
    let since = clock::instant();
    loop {
        let valid = setting.metric(process, METRIC, is_valid)? as u64;
        let refused = setting.metric(process, METRIC, |labels| !is_valid(labels))? as u64;
        if valid + refused >= records || since.elapsed() > COUNTED_IN {
            return Ok([valid, refused]);
        }
        thread::sleep(COUNTED_LOOK);
    }
}
