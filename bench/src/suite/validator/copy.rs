//! The validator's limit: the same client reads the same records and sends them on, in transactions, without looking at them.

use std::time::{Duration, Instant};

use kafka::{
    BatchLimits, Consumer, ConsumerSettings, Headers, Outgoing, Position, Rebalance, Record, TopicPartition,
    TransactionalProducer,
};
use service::{Error, clock};

use crate::{raw::Raw, setting::Setting};

/// A validator's own limits of a transaction.
const LIMITS: BatchLimits = BatchLimits {
    rows_max: 5_000,
    bytes_max: 4 << 20,
    wait: Duration::from_millis(100),
    linger: Duration::from_millis(1),
};
/// The first part of the work, which is not measured, as of a service.
const WARM_UP: f64 = 0.1;
/// How long nothing may come.
const STILL_MAX: Duration = Duration::from_mins(1);

/// Records a second from one topic to another of as many partitions: key, value and time as they are, one transaction a batch.
pub(super) fn copy(setting: &Setting, raw: &Raw) -> Result<f64, Error> {
    let run = setting.fresh("copy");
    let target = setting.fresh("copied");
    setting.create_topic(&target, raw.partitions)?;
    let _passing = setting.passing([target.clone()]);
    let settings =
        ConsumerSettings { group_id: run.clone(), client_id: run.clone(), ..ConsumerSettings::default() };
    let consumer = setting.connection().consumer(&settings).map_err(Error::failed)?;
    let producer = setting.connection().alternating_producer(&run).map_err(Error::failed)?;
    producer.init().map_err(Error::failed)?;
    consumer.subscribe(&[&raw.topic]).map_err(Error::failed)?;
    let mut batch = Vec::with_capacity(LIMITS.rows_max);
    let (mut copied, mut begun, mut moved) = (0, None::<(u64, Instant)>, clock::instant());
    while copied < raw.records {
        consumer.poll_batch(&LIMITS, &mut batch).map_err(Error::failed)?;
        start_assigned(&consumer)?;
        if batch.is_empty() {
            if moved.elapsed() > STILL_MAX {
                return Err(Error::failed(format!("the copy of {} stands at {copied}", raw.topic)));
            }
            continue;
        }
        forward(&producer, &consumer, &target, &batch).map_err(Error::failed)?;
        copied += batch.len() as u64;
        moved = clock::instant();
        if copied as f64 >= raw.records as f64 * WARM_UP {
            begun.get_or_insert((copied, moved));
        }
        batch.clear();
    }
    let found = setting.count(&target, raw.partitions, raw.records)?;
    if found != raw.records {
        return Err(Error::failed(format!(
            "the copy of {} has {found} records of {}",
            raw.topic, raw.records
        )));
    }
    let (first, since) = begun.unwrap_or((0, moved));
    Ok((copied - first) as f64 / (moved - since).as_secs_f64())
}

/// Everything is read from its beginning, and nobody else is in the group.
fn start_assigned(consumer: &Consumer) -> Result<(), Error> {
    for change in consumer.rebalances() {
        let Rebalance::Assigned(partitions) = change else {
            return Err(Error::failed("the group took a partition away in the middle"));
        };
        let from: Vec<_> = partitions.into_iter().map(|at| (at, Position::Beginning)).collect();
        consumer.start(&from).map_err(Error::failed)?;
    }
    Ok(())
}

fn forward(
    producer: &TransactionalProducer,
    consumer: &Consumer,
    topic: &str,
    batch: &[Record<'_>],
) -> Result<(), kafka::Error> {
    let mut offsets: Vec<(TopicPartition, i64, String)> = Vec::new();
    producer.begin()?;
    for record in batch {
        let (partition, next) = (record.partition(), record.offset() + 1);
        if let Some((_, offset, _)) = offsets.iter_mut().find(|(at, ..)| at.partition == partition) {
            *offset = next;
        } else {
            let at = TopicPartition { topic: record.topic().into(), partition };
            offsets.push((at, next, String::new()));
        }
        producer.send(Outgoing {
            topic,
            partition: Some(partition),
            key: record.key(),
            value: record.value(),
            timestamp_ms: Some(record.timestamp_ms()),
            headers: Headers::new(),
            receipt: None,
        })?;
    }
    producer.commit(consumer, &offsets, |_| true)
}
