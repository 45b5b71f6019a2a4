//! What telemetry costs: each service at full speed with one record in a thousand traced, beside the same service without.
//!
//! On a machine whose speed drifts by a third within a minute, two runs after each other say nothing about three per cent. So
//! both services of a pair live at the same time, and one of them is stopped (SIGSTOP) while the other works: they take turns of
//! about a second, and whatever drifts is the same for both ([`turns`]). Processor time is told as well: it does not
//! depend on who else wants the processor.

mod turns;

use local_stack::{Process, Signal};
use serde_json::json;
use service::{Error, cause_chain};
use system_tests::otlp::Collector;

use crate::{
    pairs, progress,
    raw::{Kind, Raw, end},
    report::Figure,
    rows::{PASSAGES, Table},
    setting::Setting,
    suite::Item,
};
use turns::{Turn, Turns};

/// What is measured here.
pub(crate) const ITEMS: &[Item] = &[
    Item { names: &["telemetry.generator", "telemetry.generator_cpu"], seconds: [50, 14], run: generator },
    Item { names: &["telemetry.validator", "telemetry.validator_cpu"], seconds: [80, 22], run: validator },
    Item { names: &["telemetry.writer", "telemetry.writer_cpu"], seconds: [70, 20], run: writer },
];

/// Records that are there to be worked off, with contexts and without.
const RECORDS: u64 = 4_000_000;
const RECORDS_QUICK: u64 = 1_700_000;
const PARTITIONS: i32 = 4;
/// The share of records that are traced: the default of the services.
const SHARE: &str = "0.001";

const UNIT: &str = "records/s";
const OFF: &str = "telemetry off";

/// The tables of the two writers.
const TABLE_ON: Table = Table { name: "bench.telemetry_on", ..PASSAGES };
const TABLE_OFF: Table = Table { name: "bench.telemetry_off", ..PASSAGES };

/// Whether a service has telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    On,
    Off,
}

impl Is {
    fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

/// Somebody who receives what the services say.
struct Receiver(Collector);

impl Receiver {
    fn start(setting: &Setting) -> Self {
        Self(Collector::start(setting.stack.folder()))
    }

    fn spawn(
        &self,
        setting: &Setting,
        service: &str,
        run: &str,
        is: Is,
        arguments: &[&str],
    ) -> Result<Process, Error> {
        let endpoint = self.0.endpoint();
        setting.spawn_with(service, run, arguments, &variables(is, &endpoint))
    }

    /// A topic as it is where all services have telemetry, or where none has.
    fn raw(&self, setting: &Setting, is: Is) -> Result<Raw, Error> {
        let records = if setting.quick { RECORDS_QUICK } else { RECORDS };
        let topic = format!("bench.telemetry-{}", is.name());
        let endpoint = self.0.endpoint();
        let kind = Kind { telemetry: &variables(is, &endpoint), ..Kind::default() };
        Raw::made(setting, &topic, PARTITIONS, records, kind)
    }

    /// Without spans it was not telemetry that was measured.
    fn expect_spans(&self) -> Result<(), Error> {
        let spans = self.0.spans().all().len();
        progress(format!("  {spans} spans arrived"));
        if spans == 0 { Err(Error::failed("no span arrived")) } else { Ok(()) }
    }
}

/// Variables of a service, whatever the shell has set.
fn variables(is: Is, endpoint: &str) -> Vec<(&'static str, &str)> {
    match is {
        Is::On => vec![
            ("OTEL_SDK_DISABLED", "false"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            ("OTEL_TRACES_SAMPLER_ARG", SHARE),
        ],
        Is::Off => vec![("OTEL_SDK_DISABLED", "true")],
    }
}

/// Lets both take turns, in as many pairs of processes as were asked for. `prepare` makes what one of them needs, while nobody works yet;
/// `start` starts it, and says how far it is.
fn measure<'s, P>(
    setting: &Setting,
    figures: &mut Vec<Figure>,
    name: &str,
    prepare: impl Fn(Is) -> Result<P, Error>,
    start: impl Fn(Is, P) -> Result<Turn<'s>, Error>,
) -> Result<(), Error> {
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for pair in 0..setting.pairs {
        let first = if pair.is_multiple_of(2) { Is::On } else { Is::Off };
        let second = if first == Is::On { Is::Off } else { Is::On };
        let turns = if setting.quick { Turns::QUICK } else { Turns::FULL };
        let (of_first, of_second) = (prepare(first)?, prepare(second)?);
        let both = [start(first, of_first)?, start(second, of_second)?];
        let [of_first, of_second] = turns.take(&both)?;
        for turn in &both {
            // In order: the coordinator would end an open transaction of a killed one later, in the topics of the next pair.
            turn.process.kill(Signal::CONT);
            if let Err(error) = setting.end(&turn.process) {
                progress(format!("  {}", cause_chain(&error)));
            }
        }
        let (of_on, of_off) = if first == Is::On { (of_first, of_second) } else { (of_second, of_first) };
        progress(format!(
            "  {name}, pair {}: {:.3} of the speed without",
            pair + 1,
            of_on.speed / of_off.speed
        ));
        on.push(of_on);
        off.push(of_off);
    }
    let limits: Vec<f64> = off.iter().map(|seen| seen.speed).collect();
    figures.push(pairs::figure(name, UNIT, OFF, &on, Some(&limits)));
    let limits: Vec<f64> = off.iter().map(|seen| seen.cpu_s_per_million).collect();
    figures.push(pairs::cpu_figure(&format!("{name}_cpu"), OFF, &on, &limits));
    Ok(())
}

fn generator(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    let receiver = Receiver::start(setting);
    let prepare = |is: Is| {
        let topic = setting.fresh(&format!("telemetry-generator-{}", is.name()));
        setting.create_topic(&topic, PARTITIONS)?;
        let passing = setting.passing_stream(&topic);
        Ok((topic, passing))
    };
    measure(setting, figures, "telemetry.generator", prepare, |is, (topic, passing)| {
        let process =
            receiver.spawn(setting, "toll-generator", &topic, is, &["--topic", &topic, "--rate", "0"])?;
        let done = move || {
            // Goes with whoever asks: after the process.
            let _held = &passing;
            end(setting.admin(), &topic, PARTITIONS)
        };
        Ok(Turn { process, records: u64::MAX, done: Box::new(done) })
    })?;
    receiver.expect_spans()
}

fn validator(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    let receiver = Receiver::start(setting);
    let prepare = |is| {
        let raw = receiver.raw(setting, is)?;
        for output in ["valid", "dlq"] {
            setting.renew_topic(&format!("{}.{output}", raw.topic), PARTITIONS)?;
        }
        Ok(raw)
    };
    measure(setting, figures, "telemetry.validator", prepare, |is, raw| {
        let run = setting.fresh(&format!("telemetry-validator-{}", is.name()));
        let stream = format!("{}=schemas/toll_passage", raw.topic);
        let arguments = ["--group-id", &*run, "--stream", &stream];
        let process = receiver.spawn(setting, "validator", &run, is, &arguments)?;
        let group = raw.group(setting, &run)?;
        Ok(Turn { process, records: raw.records, done: Box::new(move || group.committed()) })
    })?;
    receiver.expect_spans()
}

fn writer(setting: &Setting, figures: &mut Vec<Figure>) -> Result<(), Error> {
    let receiver = Receiver::start(setting);
    let table = |is| if is == Is::On { TABLE_ON } else { TABLE_OFF };
    let prepare = |is| {
        table(is).clear(setting)?;
        receiver.raw(setting, is)
    };
    measure(setting, figures, "telemetry.writer", prepare, |is, raw| {
        let table = table(is);
        let run = setting.fresh(&format!("telemetry-writer-{}", is.name()));
        let config = json!({
            "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector",
            "tasks.max": "1",
            "topics": raw.topic,
            "table.name.format": table.name,
            "insert.mode": "insert",
            "fields.whitelist": table.columns,
        });
        let folder = setting.connector(&run, &config)?;
        let process = receiver.spawn(setting, "mariadb-writer", &run, is, &["--connectors", &folder])?;
        Ok(Turn { process, records: raw.records, done: Box::new(move || setting.stored(&run)) })
    })?;
    receiver.expect_spans()?;
    TABLE_ON.drop(setting)?;
    TABLE_OFF.drop(setting)
}
