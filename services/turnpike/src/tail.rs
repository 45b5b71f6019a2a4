//! `turnpike tail`: prints the records of a topic, decoded, as they come.

mod decode;
mod shown;

use std::{collections::BTreeSet, process::ExitCode, time::Duration};

use kafka::{Class, Connection, Found, Position};
use service::Error;

use crate::{
    kafka_error::{told, topic},
    output::warn,
    shell::Shell,
};
use decode::Decoder;
pub(crate) use decode::{hex, plain_text, text};
pub(crate) use shown::{Content, Fields, time};

/// What names a topic of dead letters.
const DLQ: &str = ".dlq";
/// How long it may take until a signal is heeded.
const TURN: Duration = Duration::from_millis(200);

/// Which records to print, and how.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Debug, clap::Args)]
#[group(skip)] // its name would be that of the registry's options
#[command(after_help = "Examples:
  turnpike tail toll.valid
  turnpike tail toll --dlq --from-beginning -n 10
  turnpike tail toll --json --from-beginning --no-follow | jq .value.vehicle_type

It joins no consumer group and commits nothing. Ctrl-C ends it with exit code 0.")]
pub(crate) struct Options {
    /// The topic to read
    topic: String,
    /// Start with the first record that the broker still has, instead of the next one to come
    #[arg(long)]
    from_beginning: bool,
    /// Stop after so many records
    #[arg(short = 'n', long = "records", value_name = "NUMBER")]
    records: Option<u64>,
    /// Read the topic's dead letters, TOPIC.dlq: each with its reason, and where the record came from
    #[arg(long)]
    dlq: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Stop at the end instead of waiting for more
    #[arg(long)]
    no_follow: bool,
    #[command(flatten)]
    kafka: Connection,
    #[command(flatten)]
    schema_registry: schema_registry::Options,
}

/// Prints records until there were enough, the end is reached, or the user stops it.
pub(crate) fn run(options: &Options, shell: &mut Shell) -> Result<ExitCode, Error> {
    let name = topic_name(&options.topic, options.dlq);
    let from = start(options, &name)?;
    let mut unfinished: BTreeSet<i32> = from.iter().map(|(partition, _)| *partition).collect();
    let reader = options.kafka.reader(&name, &from).map_err(told(&options.kafka))?;
    let mut decoder = Decoder::new(&options.schema_registry)?;
    let mut left = options.records.unwrap_or(u64::MAX);
    let mut is_away = false;
    shell.listen()?;
    while left > 0 && !(options.no_follow && unfinished.is_empty()) && !shell.is_told_to_stop(Duration::ZERO)
    {
        match reader.next(TURN) {
            Ok(Found::Record(record)) => {
                is_away = false;
                let shown = decoder.show(&record, shell);
                shell.output.say(if options.json { shown.json()? } else { shown.to_string() })?;
                left -= 1;
            }
            Ok(Found::EndOf(partition)) => drop(unfinished.remove(&partition)),
            Ok(Found::Nothing) => {}
            // The client goes on trying by itself, and says so for every broker.
            Err(error) if error.class() == Class::Infrastructure => {
                if !std::mem::replace(&mut is_away, true) {
                    warn(format!("{error}; waiting for it"));
                }
            }
            Err(error) => return Err(told(&options.kafka)(error)),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn topic_name(topic: &str, dlq: bool) -> String {
    let suffix = if dlq && !topic.ends_with(DLQ) { DLQ } else { "" };
    format!("{topic}{suffix}")
}

/// Where each partition is read from.
fn start(options: &Options, name: &str) -> Result<Vec<(i32, Position)>, Error> {
    let kafka = &options.kafka;
    let admin = kafka.admin().map_err(told(kafka))?;
    let topic = topic(kafka, &admin, name)?;
    let position = |number| {
        if options.from_beginning {
            return Ok((number, Position::Beginning));
        }
        let (_, end) = admin.offsets(name, number).map_err(told(kafka))?;
        Ok((number, Position::Offset(end)))
    };
    topic.partitions.iter().map(|partition| position(partition.number)).collect()
}

#[cfg(test)]
mod tests {
    use super::topic_name;

    /// The suffix is added once.
    #[test]
    fn dead_letters_are_beside_their_topic() {
        assert_eq!(topic_name("toll", true), "toll.dlq");
        assert_eq!(topic_name("toll.dlq", true), "toll.dlq");
        assert_eq!(topic_name("toll", false), "toll");
    }
}
