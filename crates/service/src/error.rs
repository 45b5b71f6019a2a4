//! Why a service ends, and how that is told: one line and an exit code.

use std::error::Error as StdError;
use std::io::{self, Write};
use std::panic;

/// Why a service, or a task of it, ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting has a value that is not allowed; exit code 2.
    #[error("{key} = \"{value}\" is not allowed; allowed: {allowed}")]
    Config {
        /// The flag, variable or file that is wrong.
        key: String,
        /// What it says; never a secret.
        value: String,
        /// What it may say.
        allowed: String,
    },
    /// The service was told to stop while it waited; exit code 0.
    #[error("told to stop")]
    Stopped,
    /// Anything else; exit code 1.
    #[error(transparent)]
    Failed(Box<dyn StdError + Send + Sync>),
}

impl Error {
    /// A setting whose value is not allowed, with what is.
    pub fn config(key: impl Into<String>, value: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self::Config { key: key.into(), value: value.into(), allowed: allowed.into() }
    }

    /// A failure with all of its causes.
    pub fn failed(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Failed(cause.into())
    }
}

/// An error and all of its causes on one line, the outermost first.
pub fn cause_chain(error: &(dyn StdError + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&cause| cause.source());
    let texts: Vec<_> = causes.map(|cause| one_line(&cause.to_string())).collect();
    texts.join(": ")
}

/// The text with every run of white space as one blank.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Tells how the process ends, in one line, and returns its exit code.
pub(crate) fn report(service: &str, outcome: Result<(), Error>) -> u8 {
    match outcome {
        Ok(()) | Err(Error::Stopped) => 0,
        Err(error @ Error::Config { .. }) => {
            line(service, &error);
            2
        }
        // Before the logs are set up, and for `healthcheck`, nobody would see a log line.
        Err(error) if !tracing::dispatcher::has_been_set() => {
            line(service, &error);
            1
        }
        Err(error) => {
            tracing::error!("{service} failed: {}", cause_chain(&error));
            1
        }
    }
}

/// Makes every panic a log line.
pub(crate) fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let message = panic.payload_as_str().map(one_line);
        tracing::error!(place, "panicked: {}", message.as_deref().unwrap_or("without a message"));
    }));
}

fn line(service: &str, error: &Error) {
    // A closed stderr leaves the exit code as the only way to tell.
    let _ = writeln!(io::stderr(), "{service}: {}", cause_chain(error));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("open berth 7")]
    struct Outer(#[source] io::Error);

    /// The chain names every cause once, on one line, though a cause may hold several.
    #[test]
    fn chain_is_one_line_without_repetition() {
        let error = Error::failed(Outer(io::Error::other("the harbour\n  is closed")));
        assert_eq!(cause_chain(&error), "open berth 7: the harbour is closed");
    }

    /// A refused setting names key, value and what is allowed.
    #[test]
    fn config_names_all_three() {
        let error = Error::config("--rate (TURNPIKE_RATE)", "fast", "a whole number");
        assert_eq!(
            cause_chain(&error),
            "--rate (TURNPIKE_RATE) = \"fast\" is not allowed; allowed: a whole number"
        );
    }
}
