//! Looks at everything once; what does not answer is told, and looked at again the next time.

use std::time::{Duration, Instant};

use kafka::{Admin, Connection};
use service::{Error, cause_chain, clock};

use super::{
    Options,
    asked::Asked,
    evidence::{Counts, Evidence, Known, Ledger, Traced, Whole},
    processes,
    streams::{STREAMS, WRITER},
    tables::{self, Marks},
};
use crate::{
    database::Database,
    kafka_error::told,
    ledger::{Books, Sources},
    shell::Shell,
    trace::{
        finished::{search_url, sentence, usual},
        http::Http,
    },
};

/// Everything that is looked at, and what was seen of it first.
#[derive(Debug)]
pub(super) struct Looker<'o> {
    asked: &'o Asked,
    shell: &'o Shell,
    kafka: &'o Connection,
    database: &'o Database,
    jaeger_url: Option<&'o str>,
    http: Http,
    admin: Admin,
    sources: Sources<'o>,
    first: Option<(Books, Instant)>,
    marks: Option<Marks>,
    unbalanced_since: Option<Instant>,
}

impl<'o> Looker<'o> {
    /// Clients for everything; nothing is asked yet.
    pub(super) fn new(options: &'o Options, asked: &'o Asked, shell: &'o Shell) -> Result<Self, Error> {
        let Options { kafka, database, validator_group, .. } = options;
        Ok(Self {
            asked,
            shell,
            kafka,
            database,
            jaeger_url: options.jaeger_url(),
            http: Http::new()?,
            admin: kafka.admin().map_err(told(kafka))?,
            sources: Sources::new(kafka, database, validator_group)?,
            first: None,
            marks: None,
            unbalanced_since: None,
        })
    }

    /// Everything but the counting of rows.
    pub(super) fn look(&mut self) -> Result<Evidence, Error> {
        let topics = known(self.admin.topics().map_err(told(self.kafka)))?;
        let ledger = self.ledger()?;
        let seen = known(self.shell.wait(tables::look(self.database, &mut self.marks)))?;
        let (tables, reasons) = match seen {
            Ok(seen) => (Ok(seen.rows), Ok(seen.reasons)),
            Err(why) => (Err(why.clone()), Err(why)),
        };
        let trace = self.shell.wait(self.trace());
        let processes = self.shell.wait(processes::look(&self.asked.services, &self.http));
        Ok(Evidence { topics, ledger, tables, counts: None, reasons, trace, processes })
    }

    /// Rows and ledger at one moment.
    pub(super) fn count(&self) -> Result<Known<Counts>, Error> {
        known(self.shell.wait(tables::count(self.database)))
    }

    fn ledger(&mut self) -> Result<Known<Ledger>, Error> {
        let now = match known(self.sources.read(self.shell))? {
            Ok(now) => now,
            Err(why) => return Ok(Err(why)),
        };
        let (first, first_at) = self.first.get_or_insert_with(|| (now.clone(), clock::instant()));
        let verdict = now.verdict();
        if verdict.is_balanced() {
            self.unbalanced_since = None;
        } else {
            self.unbalanced_since.get_or_insert_with(clock::instant);
        }
        let unbalanced_for = self.unbalanced_since.map_or(Duration::ZERO, |since| since.elapsed());
        Ok(Ok(Ledger { first: first.clone(), now, verdict, between: first_at.elapsed(), unbalanced_for }))
    }

    /// A whole trace of any stream, the streams in their order.
    async fn trace(&self) -> Known<Traced> {
        let Some(url) = self.jaeger_url else { return Ok(Traced::default()) };
        let mut traced = Traced::default();
        for stream in &STREAMS {
            let now_ms = clock::now_ms();
            let valid = format!("{}.valid", stream.topic);
            let answer = self.http.json(&search_url(url, WRITER, &valid, now_ms), None).await;
            let Some(answer) = answer.map_err(|why| format!("Jaeger at {url}: {why}"))? else { continue };
            traced.looked_at += answer["data"].as_array().map_or(0, Vec::len);
            if let Some(trace) = usual(&answer) {
                let age_us = (now_ms * 1_000 - trace.start_us()).max(0) as u64;
                let (sentence, age) = (sentence(&trace), Duration::from_micros(age_us));
                traced.whole = Some(Whole { id: trace.trace_id, sentence, age });
                break;
            }
        }
        Ok(traced)
    }
}

/// An answer, or why there is none for now; what is a mistake of the command line stays an error.
fn known<T>(answer: Result<T, Error>) -> Result<Known<T>, Error> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(Error::Failed(error)) => Ok(Err(cause_chain(&*error))),
        Err(error) => Err(error),
    }
}
