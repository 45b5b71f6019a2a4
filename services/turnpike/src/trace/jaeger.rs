//! Jaeger's query API, asked for whole traces; that it is away is no error.

use std::cell::RefCell;

use super::{http::Http, spans::Trace};
use crate::shell::Shell;

/// Where traces are looked up.
#[derive(Debug)]
pub(crate) struct Jaeger<'s> {
    url: &'s str,
    http: &'s Http,
    shell: &'s Shell,
    away: RefCell<Option<String>>,
}

impl<'s> Jaeger<'s> {
    /// Nothing is asked yet.
    pub(crate) fn new(url: &'s str, http: &'s Http, shell: &'s Shell) -> Self {
        Self { url: url.trim_end_matches('/'), http, shell, away: RefCell::default() }
    }

    /// The page of a trace.
    pub(crate) fn link(&self, trace_id: &str) -> String {
        format!("{}/trace/{trace_id}", self.url)
    }

    /// A trace, if Jaeger answers and has it.
    pub(crate) fn trace(&self, trace_id: &str) -> Option<Trace> {
        if self.away.borrow().is_some() {
            return None;
        }
        let url = format!("{}/api/traces/{trace_id}", self.url);
        match self.shell.wait(self.http.json(&url, None)) {
            Ok(answer) => Trace::read(&answer?),
            Err(why) => {
                self.away.replace(Some(format!("{}: {why}", self.url)));
                None
            }
        }
    }

    /// Why nothing can be had of it, if that is so.
    pub(crate) fn away(&self) -> Option<String> {
        self.away.borrow().clone()
    }
}
