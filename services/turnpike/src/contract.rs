//! `turnpike contract`: compiles contracts and tries their examples.

mod shown;

use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use contract::{Contract, Examples, Report};
use events::Shape;
use service::Error;

use crate::{output::warn, shell::Shell};

/// What a contract's file is called beside its schema and its examples.
const CONTRACT: &str = "contract.json";
const SCHEMA: &str = "avsc";
const EXAMPLES: &str = "examples.json";

/// What to do with contracts.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Compiles contracts and tries their examples; exit code 1 if one misbehaves, 2 if a file has a mistake
    #[command(after_help = "Examples:
  turnpike contract check schemas/toll_passage.contract.json
  turnpike contract check schemas/toll_passage schemas/traffic_event --json
  turnpike contract check new.json --schema schemas/toll_passage.avsc --examples new.examples.json

Every rule must have at least one example that passes it and one that fails it. Nothing is needed but the files.")]
    Check(Check),
}

/// Contracts to check.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// Contracts; NAME stands for NAME.contract.json with NAME.avsc and NAME.examples.json beside it
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The schema, if it is elsewhere; for a single contract
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// The examples, if they are elsewhere; for a single contract
    #[arg(long, value_name = "FILE")]
    examples: Option<PathBuf>,
    /// One JSON object a contract, each on a line
    #[arg(long)]
    json: bool,
}

/// The files of one contract.
#[derive(Debug, PartialEq, Eq)]
struct Files {
    contract: PathBuf,
    schema: PathBuf,
    examples: PathBuf,
}

/// A contract that compiles, with what became of its examples.
struct Checked {
    file: PathBuf,
    version: String,
    record: String,
    report: Report,
}

/// Runs the subcommand.
pub(crate) fn run(command: &Command, shell: &Shell) -> Result<ExitCode, Error> {
    let Command::Check(options) = command;
    if options.files.len() > 1 && (options.schema.is_some() || options.examples.is_some()) {
        let count = format!("{} contracts", options.files.len());
        return Err(Error::config("--schema or --examples with", count, "one contract"));
    }
    let (mut misbehaved, mut unusable) = (false, false);
    for file in &options.files {
        match check(&Files::of(file, options)) {
            Ok(checked) => {
                misbehaved |= !checked.report.is_good();
                shell.output.say(if options.json { shown::json(&checked) } else { shown::text(&checked) })?;
            }
            // A mistake in one does not keep the others from being checked.
            Err(mistake) => {
                unusable = true;
                warn(mistake);
            }
        }
    }
    Ok(match (unusable, misbehaved) {
        (true, _) => ExitCode::from(2),
        (false, true) => ExitCode::FAILURE,
        (false, false) => ExitCode::SUCCESS,
    })
}

impl Files {
    fn of(file: &Path, options: &Check) -> Self {
        let text = file.to_string_lossy();
        let name =
            text.strip_suffix(".contract.json").or_else(|| text.strip_suffix(".json")).unwrap_or(&text);
        let beside = |extension| PathBuf::from(format!("{name}.{extension}"));
        Self {
            contract: if name == text { beside(CONTRACT) } else { file.to_owned() },
            schema: options.schema.clone().unwrap_or_else(|| beside(SCHEMA)),
            examples: options.examples.clone().unwrap_or_else(|| beside(EXAMPLES)),
        }
    }
}

/// Compiles a contract and tries its examples; an error is what is wrong with one of its files.
fn check(files: &Files) -> Result<Checked, String> {
    let text = read(&files.contract)?;
    let shape = Shape::parse(&read(&files.schema)?).map_err(in_file(&files.schema))?;
    let mistake = |error| shown::mistake(&files.contract, &text, &error);
    let contract: Contract = text.parse().map_err(mistake)?;
    let judge = contract.bind(&shape).map_err(mistake)?;
    let examples: Examples = read(&files.examples)?.parse().map_err(in_file(&files.examples))?;
    Ok(Checked {
        report: examples.check(&judge, &shape).map_err(in_file(&files.examples))?,
        file: files.contract.clone(),
        version: contract.version().to_owned(),
        record: shape.name().to_owned(),
    })
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(in_file(path))
}

fn in_file<E: Display>(path: &Path) -> impl Fn(E) -> String {
    move |error| format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Check, Files, check};

    fn files(file: &str, schema: Option<&str>) -> Files {
        let options =
            Check { files: Vec::new(), schema: schema.map(PathBuf::from), examples: None, json: false };
        Files::of(Path::new(file), &options)
    }

    /// Schema and examples stand beside the contract, whichever way it is named.
    #[test]
    fn files_are_found_beside_the_contract() {
        let toll = files("schemas/toll_passage.contract.json", None);
        assert_eq!(toll.schema, Path::new("schemas/toll_passage.avsc"));
        assert_eq!(toll.examples, Path::new("schemas/toll_passage.examples.json"));
        assert_eq!(files("schemas/toll_passage", None), toll);
        let other = files("new.json", Some("toll.avsc"));
        assert_eq!((other.contract, other.schema), ("new.json".into(), "toll.avsc".into()));
        assert_eq!(other.examples, Path::new("new.examples.json"));
    }

    /// A file that is not there is named, with why it cannot be read.
    #[test]
    fn a_missing_file_is_named() {
        let Err(mistake) = check(&files("no/such", None)) else { panic!("it was checked") };
        assert!(mistake.starts_with("no/such.contract.json: No such file"), "{mistake}");
    }
}
