//! Small and large records: a key and a text that fills them up to their size.

use std::fs;

use service::Error;

use super::{LOAD_DATA, UNIT, document, few_pairs, store_all, warm_up};
use crate::{
    pairs::pairs,
    report::Figure,
    rows::{PAYLOADS, write_file},
    setting::Setting,
};

const SCHEMA: &str = r#"{"type": "record", "name": "Payload", "namespace": "bench", "fields": [
    {"name": "event_id", "type": "string"}, {"name": "payload", "type": "string"}]}"#;

/// Name, bytes of the value in Kafka, and how many records, in a full and in a quick run.
const SIZES: [(&str, usize, [u64; 2]); 3] = [
    ("writer.size_100_b", 100, [600_000, 300_000]),
    ("writer.size_1_kb", 1_000, [300_000, 100_000]),
    ("writer.size_10_kb", 10_000, [50_000, 15_000]),
];
/// The framing, the id, and the lengths of both texts.
const OVERHEAD: usize = 5 + 1 + 36 + 2;

/// Measures them all.
pub(super) fn sizes(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    warm_up(setting)?;
    for (name, bytes, [full, quick]) in SIZES {
        let records = if setting.quick { quick } else { full };
        let topic = format!("bench.{name}");
        let _passing = setting.passing([topic.clone()]);
        let schema_id = setting.register(&topic, SCHEMA)?;
        let mut payloads = Payloads { next: 0, records, bytes: bytes - OVERHEAD };
        setting.fill(&topic, 1, records, |send| {
            let mut value = Vec::new();
            for (id, payload) in payloads.by_ref() {
                value.clear();
                schema_registry::frame(schema_id, &mut value);
                for text in [&id, &payload] {
                    length(text.len(), &mut value);
                    value.extend_from_slice(text.as_bytes());
                }
                send(id.as_bytes(), &value, setting.newest_ms)?;
            }
            Ok(())
        })?;
        payloads.next = 0;
        let file = setting.path(&format!("{name}.csv"));
        write_file(&file, payloads.map(|(id, payload)| format!("{id},{payload}\n")))?;
        let config = document(&topic, &PAYLOADS, 1);
        let ours = |_| store_all(setting, name, &config, &PAYLOADS, records);
        let theirs = |_| {
            PAYLOADS.clear(setting)?;
            PAYLOADS.load(setting, std::slice::from_ref(&file))
        };
        figures.push(pairs(name, UNIT, LOAD_DATA, few_pairs(setting), ours, theirs)?);
        fs::remove_file(&file).map_err(Error::failed)?;
    }
    PAYLOADS.clear(setting)
}

/// Ids in their order, with texts that do not compress to nothing.
struct Payloads {
    next: u64,
    records: u64,
    bytes: usize,
}

impl Iterator for Payloads {
    type Item = (String, String);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.records {
            return None;
        }
        let number = self.next;
        self.next += 1;
        let id = format!("{:08x}-0000-7000-8000-{:012x}", number >> 4, mixed(number) >> 16);
        let parts = (0..=self.bytes as u64 / 16).map(|part| format!("{:016x}", mixed((number << 16) + part)));
        let mut payload: String = parts.collect();
        payload.truncate(self.bytes);
        Some((id, payload))
    }
}

/// One step of `SplitMix64`.
fn mixed(number: u64) -> u64 {
    let bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^ (bits >> 27)
}

/// A length as Avro writes it.
fn length(length: usize, out: &mut Vec<u8>) {
    let mut rest = length << 1;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
