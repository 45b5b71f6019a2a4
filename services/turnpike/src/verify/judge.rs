//! What the figures prove: evidence in, checks out. Pure.

mod letters;
mod rows;
mod running;

use std::{collections::BTreeSet, time::Duration};

use kafka::{Partition, Topic};

use super::{
    asked::Asked,
    check::Check,
    evidence::{Evidence, Ledger, Traced},
    streams::{STREAMS, VALIDATOR, WRITER},
};
use crate::{
    ledger::{Account, GRACE},
    output::grouped,
    topics::TOPICS,
};

/// Older traces prove nothing of a system that has got records since.
const TRACE_AGE_MAX: Duration = Duration::from_mins(15);
/// Readers that stand still are named up to this many.
const STANDING_MAX: usize = 3;

/// All checks, in the order of the card.
pub(super) fn judge(asked: &Asked, evidence: &Evidence) -> Vec<Check> {
    let mut checks = vec![topics(evidence)];
    for stream in &STREAMS {
        checks.extend(stream.tables.iter().map(|table| rows::of_stream(asked, evidence, stream, table)));
    }
    checks.push(rows::of_dead_letters(evidence));
    checks.push(ledger(evidence));
    checks.extend(rows::against_ledger(evidence));
    checks.push(letters::dead_letters(asked, evidence));
    checks.push(trace(asked, evidence));
    checks.push(running::services(asked, evidence));
    checks.push(running::services_memory(asked, evidence));
    checks.push(running::stack_memory(asked));
    checks.push(first_row(asked));
    checks
}

/// Where a container's log is; its name is that of the program elsewhere, too.
fn log_of(service: &str) -> String {
    format!("look at the log of {service}: docker compose logs --since 10m {service}")
}

/// Whose log tells why something could not be read.
fn log_behind(why: &str) -> String {
    log_of(if why.starts_with("MariaDB") { "mariadb" } else { "kafka" })
}

/// Every topic of ours is there, has a leader and all of its copies, and those of a stream have as many partitions.
fn topics(evidence: &Evidence) -> Check {
    const NAME: &str = "topics";
    let topics = match &evidence.topics {
        Ok(topics) => topics,
        Err(why) => return Check::pending(NAME, why, log_of("kafka")),
    };
    let of = |name: &str| topics.iter().find(|topic| topic.name == name);
    let missing: Vec<&str> = TOPICS.into_iter().filter(|name| of(name).is_none()).collect();
    if !missing.is_empty() {
        let says = format!("{} of {} are missing: {}", missing.len(), TOPICS.len(), missing.join(", "));
        return Check::pending(NAME, says, "turnpike topics create");
    }
    let ours: Vec<&Topic> = TOPICS.iter().filter_map(|name| of(name)).collect();
    let partitions =
        || ours.iter().flat_map(|topic| topic.partitions.iter().map(move |partition| (topic, partition)));
    let is_whole = |partition: &Partition| {
        partition.leader >= 0 && partition.in_sync_replicas.len() >= partition.replicas.len()
    };
    let torn: Vec<String> = partitions()
        .filter(|(_, partition)| !is_whole(partition))
        .map(|(topic, Partition { number, leader, replicas, in_sync_replicas })| {
            let leader = if *leader < 0 { ", no leader" } else { "" };
            format!("{}[{number}] {} of {}{leader}", topic.name, in_sync_replicas.len(), replicas.len())
        })
        .collect();
    if !torn.is_empty() {
        let says = format!("partitions without all of their copies in sync: {}", torn.join(", "));
        return Check::pending(NAME, says, "turnpike topics describe");
    }
    let uneven = STREAMS.iter().find(|stream| {
        let counts =
            [stream.topic.to_owned(), format!("{}.valid", stream.topic), format!("{}.dlq", stream.topic)];
        let counts: BTreeSet<_> = counts.iter().filter_map(|name| Some(of(name)?.partitions.len())).collect();
        counts.len() > 1
    });
    if let Some(stream) = uneven {
        let says = format!("{0}, {0}.valid and {0}.dlq differ in their number of partitions", stream.topic);
        return Check::short(NAME, says, "give them as many as the largest has: docs/runbook.md");
    }
    let numbers = |number: fn(&Topic) -> usize| {
        let numbers: BTreeSet<usize> = ours.iter().map(|topic| number(topic)).collect();
        numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
    };
    let each = numbers(|topic| topic.partitions.len());
    let copies = numbers(|topic| topic.partitions.first().map_or(0, |partition| partition.replicas.len()));
    Check::met(NAME, format!("{} there; partitions {each}, replication {copies}, all in sync", ours.len()))
}

/// Every record is accounted for, and nobody stands still before one.
fn ledger(evidence: &Evidence) -> Check {
    const NAME: &str = "ledger";
    let ledger = match &evidence.ledger {
        Ok(ledger) => ledger,
        Err(why) => return Check::pending(NAME, why, log_behind(why)),
    };
    let Ledger { now, verdict, between, unbalanced_for, .. } = ledger;
    let sum = |part: fn(&Account) -> u64| grouped(now.judged.iter().map(part).sum());
    let (read, valid, dead) = (sum(|one| one.read), sum(|one| one.passed), sum(|one| one.dead));
    if !verdict.is_balanced() {
        let says = format!("out of balance: {}", verdict.findings.join("\nout of balance: "));
        let next = "turnpike ledger --partitions; docs/delivery.md says what each count is";
        return if *unbalanced_for < GRACE {
            Check::pending(NAME, says, next)
        } else {
            Check::short(NAME, says, next)
        };
    }
    let judged = format!("{read} records read = {valid} valid + {dead} dead");
    let standing: Vec<&Account> = ledger.standing().collect();
    if let Some(first) = standing.first() {
        let shown = standing.iter().take(STANDING_MAX).map(|account| {
            format!(
                "{} before {} of {}[{}]",
                account.reader,
                grouped(account.lag),
                account.topic,
                account.partition
            )
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more = standing.len().saturating_sub(STANDING_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let says = format!(
            "balanced so far: {judged}; but these have not moved for {:.1} s: {shown}{more}",
            between.as_secs_f64()
        );
        let service = if first.reader == VALIDATOR { VALIDATOR } else { WRITER };
        return Check::pending(NAME, says, log_of(service));
    }
    if verdict.is_settled() {
        return Check::met(NAME, format!("balanced: {judged}; nothing is in flight"));
    }
    let in_flight = grouped(verdict.in_flight_records());
    if evidence.arrived_in_all() == 0 {
        let says = format!("balanced so far: {judged}; {in_flight} in flight, though nothing new comes");
        return Check::pending(NAME, says, "turnpike ledger --settle 60");
    }
    Check::met(NAME, format!("balanced so far: {judged}; {in_flight} in flight, and moving"))
}

/// A record can be followed from its sending to its rows.
fn trace(asked: &Asked, evidence: &Evidence) -> Check {
    const NAME: &str = "trace";
    let Some(link) = &asked.jaeger_link else {
        return Check::not_asked(NAME, "not asked: --jaeger-url tells where Jaeger is");
    };
    let Traced { looked_at, whole } = match &evidence.trace {
        Ok(traced) => traced,
        Err(why) => return Check::pending(NAME, why, log_of("jaeger")),
    };
    let next = "is OTEL_TRACES_SAMPLER_ARG above 0, and OTEL_EXPORTER_OTLP_ENDPOINT right? Then wait longer: --within-seconds";
    match whole {
        None if *looked_at == 0 => Check::pending(NAME, "Jaeger has no trace of a stored record", next),
        None => {
            let says = format!(
                "of {looked_at} traces none leads from the sending of a record to its rows without a gap"
            );
            Check::pending(NAME, says, next)
        }
        Some(whole) if whole.age > TRACE_AGE_MAX && evidence.arrived_in_all() > 0 => {
            let minutes = whole.age.as_secs() / 60;
            Check::pending(NAME, format!("the newest whole trace is {minutes} min old"), next)
        }
        Some(whole) => {
            let age = whole.age.as_secs();
            Check::met(NAME, format!("{}, {age} s ago: {link}/trace/{}", whole.sentence, whole.id))
        }
    }
}

/// The first row was there in time.
fn first_row(asked: &Asked) -> Check {
    const NAME: &str = "first row";
    let limit = asked.first_row_limit_seconds;
    let Some(seconds) = asked.first_row_seconds else {
        return Check::not_asked(NAME, "not measured: --first-row-seconds tells how long it took");
    };
    let says = format!("{seconds:.1} s after the start, of {limit:.0} s");
    if seconds <= limit {
        return Check::met(NAME, says);
    }
    Check::short(NAME, says, "docker compose ps and docker compose logs show what was late")
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
