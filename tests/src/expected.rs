//! What a run of the generator writes, computed from its seed alone, and what must become of it.

use chrono::{DateTime, SecondsFormat};
use events::{Decimal, Shape, TollPassage, Value};
use generator::{Source, Stream};
use service::clock;
use simulation::{Seed, World, faults::Kind, faults::Shares};

/// A record as the generator sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// What is wrong with it on purpose.
    pub fault: Option<Kind>,
}

/// The settings of a run that can be computed in advance.
#[derive(Debug, Clone)]
pub struct Run {
    /// Seed of the world.
    pub seed: u64,
    /// How many records.
    pub count: u64,
    /// Records a second; must divide 1 000 000.
    pub rate: u64,
    /// Shares of faults, as the generator takes them.
    pub malformed: &'static str,
    /// Time of the first record, in milliseconds since 1970.
    start_ms: i64,
}

impl Run {
    /// A run whose records carry times that begin now: a broker forgets producers whose records are a day old.
    pub fn new(seed: u64, count: u64, rate: u64, malformed: &'static str) -> Self {
        Self { seed, count, rate, malformed, start_ms: clock::now_ms() }
    }

    /// The generator's arguments.
    pub fn args(&self) -> Vec<String> {
        let start = DateTime::from_timestamp_millis(self.start_ms).expect("a time of this century");
        let start = start.to_rfc3339_opts(SecondsFormat::Millis, true);
        let args = [
            ("--seed", self.seed.to_string()),
            ("--count", self.count.to_string()),
            ("--rate", self.rate.to_string()),
            ("--malformed", self.malformed.to_owned()),
            ("--start-time", start),
        ];
        args.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
    }
}

/// All records of a run.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The records in the order in which they were made.
    pub sent: Vec<Sent>,
}

/// A passage as the tables hold it, every column as MariaDB's client prints it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TollRow {
    /// `event_id`.
    pub event_id: String,
    /// The other columns of `toll_passages` in their order, separated by tabs.
    pub columns: String,
}

impl Expected {
    /// The records of a generator's run with the world's default options.
    pub fn of<S: Source>(run: &Run, schema_id: u32) -> Self
    where
        <S::World as World>::Options: Default,
    {
        let malformed: Shares = run.malformed.parse().expect("shares of faults");
        let options = <S::World as World>::Options::default();
        let mut stream = Stream::<S>::new(Seed::new(run.seed), &options, &malformed, schema_id);
        let sent = (0..run.count).map(|index| {
            let record = stream.next(run.start_ms + (index * 1_000 / run.rate) as i64);
            Sent { key: record.key.to_vec(), value: record.value.to_vec(), fault: record.fault }
        });
        Self { sent: sent.collect() }
    }

    /// How many records have no fault.
    pub fn good(&self) -> u64 {
        self.sent.iter().filter(|sent| sent.fault.is_none()).count() as u64
    }

    /// The rows that the passages without a fault, and those that are only flagged for one, must have become.
    pub fn rows(&self) -> Vec<TollRow> {
        let row = |sent: &Sent| match sent.fault {
            None => Some(toll_row(&sent.value, "NULL")),
            Some(Kind::OldTime) => Some(toll_row(&sent.value, "IMPLAUSIBLE_TIME:occurred_at_recent")),
            Some(_) => None,
        };
        let mut rows: Vec<TollRow> = self.sent.iter().filter_map(row).collect();
        rows.sort();
        rows
    }
}

/// The row of a framed passage, by another way than the writer's; `flags` as the client prints the column.
pub fn toll_row(value: &[u8], flags: &str) -> TollRow {
    let shape = Shape::parse(TollPassage::SCHEMA).expect("the shipped schema compiles");
    let mut values = Vec::new();
    shape.decode(&value[5..], &mut values).expect("a passage");
    let [
        Value::String(event_id),
        Value::String(vehicle_id),
        Value::Int(transponder_id),
        Value::String(vehicle_type),
        Value::Int(plaza),
        Value::Int(lane),
        Value::Bytes(amount),
        Value::String(currency),
        Value::Long(occurred_at_ms),
    ] = values[..]
    else {
        panic!("not a passage: {values:?}")
    };
    let amount = Decimal::from_bytes(amount, 2).expect("an amount");
    TollRow {
        event_id: event_id.to_owned(),
        columns: format!(
            "{vehicle_id}\t{transponder_id}\t{vehicle_type}\t{plaza}\t{lane}\t{amount}\t{currency}\t{occurred_at_ms}\t{flags}"
        ),
    }
}
