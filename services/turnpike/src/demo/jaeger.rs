//! Traces of the demo: what the services are told, and what is asked of Jaeger.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use local_stack::Jaeger;
use service::{Error, clock};

use super::member::Service;
use crate::{
    shell::Shell,
    trace::{
        finished::{search_url, sentence, usual},
        http::Http,
        spans::Trace,
        tree::lines,
    },
};

/// So many records a second are traced at most: enough to find one of each kind, too few to cost anything.
const TRACED_A_SECOND: u64 = 100;
/// The share at full speed, some hundred thousand records a second.
const SHARE_AT_FULL_SPEED: f64 = 0.001;
/// How long a service keeps spans before it sends them.
const SCHEDULE_DELAY_MS: u64 = 200;
/// A newer trace is shown after this long: Jaeger keeps the newest, which may be some minutes of them.
const SHOW_EVERY: Duration = Duration::from_mins(1);

/// A kind of trace that is worth a look: from the sending of a record to its rows.
#[derive(Debug)]
struct Way {
    /// In front of its line.
    label: &'static str,
    /// What the writer has read last on this way.
    topic: &'static str,
}

/// A record that was good, and one that was refused: its dead letter begins a trace of its own.
const WAYS: [Way; 2] =
    [Way { label: "trace", topic: "toll.valid" }, Way { label: "refused", topic: "toll.dlq" }];

/// Where OpenTelemetry's own variables begin.
pub(super) const VARIABLES: &str = "OTEL_";

/// The share of records that are traced at this many a second, 0 meaning as fast as possible.
fn share(rate: u64) -> f64 {
    match rate {
        0 => SHARE_AT_FULL_SPEED,
        _ => (TRACED_A_SECOND as f64 / rate as f64).min(1.0),
    }
}

/// The share in words, such as `1 in 5 records`.
fn share_in_words(rate: u64) -> String {
    let one_in = (1.0 / share(rate)).round() as u64;
    if one_in == 1 { "every record".to_owned() } else { format!("1 in {one_in} records") }
}

/// What a service is told so that its spans go to Jaeger, and nothing else does: Jaeger takes no metrics and no logs.
pub(super) fn environment(jaeger: &Jaeger, rate: u64) -> [(&'static str, String); 7] {
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", jaeger.otlp_endpoint()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".to_owned()),
        ("OTEL_METRICS_EXPORTER", "none".to_owned()),
        ("OTEL_LOGS_EXPORTER", "none".to_owned()),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio".to_owned()),
        ("OTEL_TRACES_SAMPLER_ARG", share(rate).to_string()),
        ("OTEL_BSP_SCHEDULE_DELAY", SCHEDULE_DELAY_MS.to_string()),
    ]
}

/// Asks Jaeger for traces.
#[derive(Debug)]
pub(super) struct Traces<'d> {
    jaeger: &'d Jaeger,
    http: Http,
    /// When a trace of each of [`WAYS`] was shown last.
    shown: [Option<Instant>; WAYS.len()],
}

impl<'d> Traces<'d> {
    /// Of this Jaeger.
    pub(super) fn of(jaeger: &'d Jaeger) -> Result<Self, Error> {
        Ok(Self { jaeger, http: Http::new()?, shown: [None; WAYS.len()] })
    }

    /// Says which share of so many records a second is traced, and where.
    pub(super) fn announce(&self, rate: u64, shell: &Shell) -> Result<(), Error> {
        let page = if self.jaeger.has_own_page() {
            ""
        } else {
            "; the page is a small one of ours, Jaeger's own comes with its releases"
        };
        let (share, url) = (share_in_words(rate), self.jaeger.url());
        shell.output.say(format!("{share} can be followed in Jaeger: {url}{page}"))
    }

    /// Says where a finished trace of each kind is, as soon as there is one and now and then after that.
    pub(super) fn look(&mut self, shell: &Shell) -> Result<(), Error> {
        for (way, shown) in WAYS.iter().zip(&mut self.shown) {
            if shown.is_some_and(|at| at.elapsed() < SHOW_EVERY) {
                continue;
            }
            let Some(trace) = shell.wait(finished(&self.http, self.jaeger, way)) else { continue };
            let id = &trace.trace_id;
            let (url, api) = (self.jaeger.trace_url(id), self.jaeger.trace_api_url(id));
            let mut text = format!("{:<9} {url}  ({})", way.label, sentence(&trace));
            if shown.is_none() {
                // Writing to a string cannot fail.
                let _ = write!(
                    text,
                    "\n{:<9} as JSON: {api}; with its records and rows: turnpike trace {id}",
                    ""
                );
            }
            shell.output.say(text)?;
            *shown = Some(clock::instant());
        }
        Ok(())
    }

    /// Shows a whole trace of each kind: Jaeger ends with the demo, and its pages with it.
    pub(super) fn show(&self, shell: &Shell) -> Result<(), Error> {
        for way in &WAYS {
            let text = match shell.wait(finished(&self.http, self.jaeger, way)) {
                Some(trace) => {
                    format!("{}  ({})\n{}", trace.trace_id, sentence(&trace), lines(&trace).join("\n"))
                }
                None => format!("no record of {} is in Jaeger with all of its way", way.topic),
            };
            shell.output.say(format!("{:<9} {text}", way.label))?;
        }
        Ok(())
    }
}

/// A trace that is whole. Jaeger not answering is no reason to end a demo: there is none then.
async fn finished(http: &Http, jaeger: &Jaeger, way: &Way) -> Option<Trace> {
    let url = search_url(&jaeger.url(), Service::Writer.name(), way.topic, clock::now_ms());
    usual(&http.json(&url, None).await.ok()??)
}

#[cfg(test)]
mod tests {
    use super::{share, share_in_words};

    /// A hundred a second at most, all where there are no more, one in a thousand where nobody knows how many there are.
    #[test]
    fn the_share_is_bounded() {
        let shares = [1, 100, 500, 1_000, 0].map(|rate| share(rate).to_string());
        assert_eq!(shares, ["1", "1", "0.2", "0.1", "0.001"]);
        assert_eq!([50, 500, 0].map(share_in_words), ["every record", "1 in 5 records", "1 in 1000 records"]);
    }
}
