//! What runs: that it is ready, and how much memory it takes.

use std::collections::BTreeMap;

use super::{
    super::{asked::Asked, check::Check, evidence::Evidence},
    log_of,
};

const MIB: f64 = 1_048_576.0;
/// Containers that are named with their memory: the largest.
const CONTAINERS_SHOWN: usize = 4;

/// Every process of every service that was named is ready.
pub(super) fn services(asked: &Asked, evidence: &Evidence) -> Check {
    const NAME: &str = "services";
    if asked.services.is_empty() {
        return Check::not_asked(NAME, "not asked: --service NAME=HOST:PORT names those that must be ready");
    }
    let mut ready = Vec::new();
    let mut failing = Vec::new();
    let mut first = None;
    for (name, processes) in &evidence.processes {
        let before = failing.len();
        match processes {
            Err(why) => failing.push(format!("{name}: {why}")),
            Ok(processes) => {
                for process in processes {
                    let why = process.not_ready.iter();
                    failing
                        .extend(why.map(|why| format!("{name} at {} is not ready: {why}", process.address)));
                }
                ready.push(if processes.len() == 1 {
                    name.clone()
                } else {
                    format!("{name} ×{}", processes.len())
                });
            }
        }
        if failing.len() > before {
            first.get_or_insert(name);
        }
    }
    match first {
        Some(first) => Check::pending(NAME, failing.join("\n"), log_of(first)),
        None => Check::met(NAME, format!("ready: {}", ready.join(", "))),
    }
}

/// All processes of the services together stay below their limit.
pub(super) fn services_memory(asked: &Asked, evidence: &Evidence) -> Check {
    const NAME: &str = "services' MiB";
    let limit = asked.services_memory_limit_mib;
    if asked.services.is_empty() {
        return Check::not_asked(NAME, "not asked: --service NAME=HOST:PORT names those that are counted");
    }
    let mut of_each = BTreeMap::<&str, u64>::new();
    let mut order = Vec::new();
    for (name, processes) in &evidence.processes {
        let unknown = || {
            format!(
                "the memory of {name} is not known: it does not answer, or tells no process_memory_usage_bytes"
            )
        };
        let Ok(processes) = processes else { return Check::pending(NAME, unknown(), log_of(name)) };
        let bytes = processes.iter().map(|process| process.bytes).collect::<Option<Vec<u64>>>();
        let Some(bytes) = bytes else { return Check::pending(NAME, unknown(), log_of(name)) };
        order.push(name.as_str());
        *of_each.entry(name).or_default() += bytes.iter().sum::<u64>();
    }
    order.dedup();
    let parts =
        order.iter().map(|name| format!("{name} {}", mib(of_each[name]))).collect::<Vec<_>>().join(", ");
    let total = of_each.values().sum();
    let says = format!("{} of {limit} MiB: {parts}", mib(total));
    if total as f64 <= limit as f64 * MIB {
        return Check::met(NAME, says);
    }
    Check::short(
        NAME,
        says,
        "with more replicas or records in flight it may be right: --services-memory-limit-mib",
    )
}

/// The containers of the core stay below their limit.
pub(super) fn stack_memory(asked: &Asked) -> Check {
    const NAME: &str = "stack's MiB";
    let limit = asked.stack_memory_limit_mib;
    let Some(containers) = &asked.containers else {
        return Check::not_asked(NAME, "not asked: --containers tells the memory of the containers");
    };
    let mut core: Vec<_> =
        containers.iter().filter(|container| container.is_core() && container.bytes > 0).collect();
    if core.is_empty() {
        return Check::short(NAME, "no container of the core runs", "docker compose ps --all");
    }
    core.sort_by(|a, b| (b.bytes, &a.name).cmp(&(a.bytes, &b.name)));
    let total: u64 = core.iter().map(|container| container.bytes).sum();
    let largest = core.iter().take(CONTAINERS_SHOWN).map(|one| format!("{} {}", one.name, mib(one.bytes)));
    let largest = largest.collect::<Vec<_>>().join(", ");
    let says = format!("{} of {limit} MiB in {} containers; the largest: {largest}", mib(total), core.len());
    if total as f64 <= limit as f64 * MIB {
        return Check::met(NAME, says);
    }
    Check::short(
        NAME,
        says,
        "lower the heaps and caches of the largest in docker-compose.yml, or --stack-memory-limit-mib",
    )
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / MIB)
}
