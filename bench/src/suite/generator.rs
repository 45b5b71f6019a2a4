//! The generators at full speed, beside a client that sends records which were made before.

use std::{thread, time::Duration};

use kafka::{Headers, Outgoing, Position};
use service::{Error, clock};

use super::Item;
use crate::{
    pairs::pairs,
    raw::{end, end_now_and_then},
    report::Figure,
    setting::Setting,
    watch::{Seen, watch},
};

/// What is measured here.
pub(super) const ITEMS: &[Item] = &[
    Item { names: &["generator.toll"], seconds: [45, 15], run: toll },
    Item { names: &["generator.traffic"], seconds: [30, 0], run: traffic },
    Item { names: &["generator.weather"], seconds: [30, 0], run: weather },
];

/// Records of a run.
const RECORDS: u64 = 1_500_000;
const RECORDS_QUICK: u64 = 600_000;
/// Pairs of the generators that no target is about.
const PAIRS_OTHERS: u32 = 3;
/// A generator's own default.
const PARTITIONS: i32 = 4;
/// Different records that the client sends again and again.
const PREPARED: u64 = 8_192;
/// Records of the client that may be on their way: as many as a generator allows itself.
const IN_FLIGHT_MAX: usize = 50_000;
/// Records between two looks at how many are on their way.
const AT_A_TIME: usize = 256;
const DRAINED_IN: Duration = Duration::from_secs(20);
const READ_IN: Duration = Duration::from_secs(10);
/// The first part of the work, which is not measured, as of a service.
const WARM_UP: f64 = 0.1;

const UNIT: &str = "records/s";
const LIMIT: &str = "the same client with records made before";

fn toll(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    beside_the_client(setting, figures, "generator.toll", "toll-generator", setting.pairs)
}

fn traffic(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    let pairs = setting.pairs.min(PAIRS_OTHERS);
    beside_the_client(setting, figures, "generator.traffic", "traffic-generator", pairs)
}

fn weather(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    let pairs = setting.pairs.min(PAIRS_OTHERS);
    beside_the_client(setting, figures, "generator.weather", "weather-generator", pairs)
}

fn beside_the_client(
    setting: &Setting,
    figures: &mut Vec<Figure>,
    name: &str,
    service: &str,
    of: u32,
) -> Result<(), Error> {
    let prepared = prepared(setting, service)?;
    let records = if setting.quick { RECORDS_QUICK } else { RECORDS };
    let ours = |_| generate(setting, service, records);
    let theirs = |_| send(setting, &prepared, records);
    figures.push(pairs(name, UNIT, LIMIT, of, ours, theirs)?);
    Ok(())
}

/// A generator as fast as it can, into a topic of its own.
fn generate(setting: &Setting, service: &str, records: u64) -> Result<Seen, Error> {
    let run = setting.fresh(service);
    let _passing = setting.passing_stream(&run);
    // Before anybody asks for its end: the client waits long for a topic that is not there.
    setting.create_topic(&run, PARTITIONS)?;
    // More than are waited for: the end of a run, when the queue drains, is slower.
    let most = (records * 2).to_string();
    let process =
        setting.spawn(service, &run, &["--topic", &run, "--rate", "0", "--seed", "7", "--count", &most])?;
    let seen = watch(&process, records, || end_now_and_then(setting.admin(), &run, PARTITIONS))?;
    setting.end(&process)?;
    Ok(seen)
}

/// A record as it goes to Kafka.
#[derive(Debug)]
struct Ready {
    key: Vec<u8>,
    value: Vec<u8>,
}

/// Records that the generator itself has made: of the same sizes, keys and compressibility.
fn prepared(setting: &Setting, service: &str) -> Result<Vec<Ready>, Error> {
    let topic = setting.fresh(&format!("prepared-{service}"));
    let _passing = setting.passing_stream(&topic);
    let count = PREPARED.to_string();
    let process = setting.spawn(
        service,
        &topic,
        &["--topic", &topic, "--rate", "0", "--seed", "7", "--partitions", "1", "--count", &count],
    )?;
    let status = process.wait(DRAINED_IN).map_err(Error::failed)?;
    if !status.success() || end(setting.admin(), &topic, 1)? != PREPARED {
        return Err(Error::failed(format!("{service} made no records; see {}", process.log().display())));
    }
    let reader = setting.connection().reader(&topic, &[(0, Position::Beginning)]).map_err(Error::failed)?;
    let (mut ready, started) = (Vec::new(), clock::instant());
    while (ready.len() as u64) < PREPARED {
        if let kafka::Found::Record(record) = reader.next(READ_IN).map_err(Error::failed)? {
            let bytes = |bytes: Option<&[u8]>| bytes.unwrap_or_default().to_vec();
            ready.push(Ready { key: bytes(record.key()), value: bytes(record.value()) });
        } else if started.elapsed() > READ_IN {
            return Err(Error::failed(format!("the records of {topic} cannot be read")));
        }
    }
    Ok(ready)
}

/// Records a second of a client with a generator's own settings that makes none.
fn send(setting: &Setting, prepared: &[Ready], records: u64) -> Result<f64, Error> {
    let topic = setting.fresh("client");
    let _passing = setting.passing([topic.clone()]);
    setting.create_topic(&topic, PARTITIONS)?;
    let producer = setting.connection().producer("bench", &[]).map_err(Error::failed)?;
    let mut begun = None;
    let mut ready = prepared.iter().cycle();
    loop {
        let timestamp_ms = Some(clock::now_ms());
        for Ready { key, value } in ready.by_ref().take(AT_A_TIME) {
            producer
                .send(Outgoing {
                    topic: &topic,
                    partition: None,
                    key: Some(key),
                    value: Some(value),
                    timestamp_ms,
                    headers: Headers::new(),
                    receipt: None,
                })
                .map_err(Error::failed)?;
        }
        let (delivered, now) = (producer.delivered(), clock::instant());
        if delivered as f64 >= records as f64 * WARM_UP {
            let (first, since) = *begun.get_or_insert((delivered, now));
            if delivered >= records {
                producer.drain(DRAINED_IN).map_err(Error::failed)?;
                return Ok((delivered - first) as f64 / (now - since).as_secs_f64());
            }
        }
        while producer.in_flight() > IN_FLIGHT_MAX {
            thread::sleep(Duration::from_millis(1));
        }
    }
}
