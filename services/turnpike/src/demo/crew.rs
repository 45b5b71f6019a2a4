//! All services of the demo together: looked at once a second, started again when killed, shown, stopped.

use std::{collections::BTreeMap, time::Instant};

use futures::future::join_all;
use local_stack::{Jaeger, Stack};
use service::{Error, clock};

use super::{
    flows::Flow,
    member::{Executables, Member, Revival, Service, Setting},
    summary::{Running, Summary, speeds},
};
use crate::shell::Shell;

/// Above this many records on their way the generators are held, so that a demo at full speed can be drained within seconds.
const BACKLOG_RECORDS_MAX: u64 = 250_000;
/// Below this many they go on: some seconds of work, so that the others never wait for it.
const BACKLOG_RECORDS_LOW: u64 = 150_000;

/// The services, and what is known of them.
#[derive(Debug)]
pub(crate) struct Crew<'d> {
    setting: Setting<'d>,
    members: Vec<Member>,
    started: Instant,
    /// Whether the generators wait for the others.
    is_held: bool,
    /// What was drawn last, and when.
    drawn: (Instant, BTreeMap<Flow, u64>),
    failures: Vec<String>,
}

impl<'d> Crew<'d> {
    /// Starts all services at once; each waits by itself for what it needs.
    pub(crate) fn start(
        executables: &'d Executables,
        stack: &'d Stack,
        rate: u64,
        malformed: &'d str,
    ) -> Result<Self, Error> {
        let setting = Setting { executables, stack, rate, malformed };
        let members = Service::ALL.into_iter().map(|service| Member::start(service, &setting));
        let members = members.collect::<Result<_, _>>()?;
        let started = clock::instant();
        let drawn = (started, BTreeMap::new());
        Ok(Self { setting, members, started, is_held: false, drawn, failures: Vec::new() })
    }

    /// Starts again what was killed, and asks everybody how it goes.
    pub(crate) fn look(&mut self, shell: &Shell) -> Result<(), Error> {
        self.revive_stack(shell)?;
        for member in &mut self.members {
            match member.revive(&self.setting)? {
                Some(Revival::Again(text)) => shell.output.say(text)?,
                Some(Revival::Failure(text)) => {
                    shell.output.say(&text)?;
                    self.failures.push(text);
                }
                None => {}
            }
        }
        shell.wait(join_all(self.members.iter_mut().map(Member::ask)));
        Ok(())
    }

    /// Broker and database too may be killed by a user who wants to see what happens.
    fn revive_stack(&self, shell: &Shell) -> Result<(), Error> {
        let Stack { kafka, mariadb, jaeger, .. } = self.setting.stack;
        if kafka.pid().is_none() {
            shell.output.say("Kafka is gone; starting it again")?;
            kafka.start().map_err(Error::failed)?;
        }
        if mariadb.pid().is_none() {
            shell.output.say("MariaDB is gone; starting it again")?;
            mariadb.start().map_err(Error::failed)?;
        }
        if let Some(jaeger) = jaeger.as_ref().filter(|jaeger| jaeger.pid().is_none()) {
            shell.output.say("Jaeger is gone, and its traces with it; starting it again")?;
            jaeger.start_again().map_err(Error::failed)?;
        }
        Ok(())
    }

    /// Whether a row was stored.
    pub(crate) fn has_row(&self) -> bool {
        self.totals().iter().any(|(flow, count)| matches!(flow, Flow::Stored(_)) && *count > 0)
    }

    /// Whether a service failed by itself.
    pub(crate) fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }

    /// Holds the generators while there is much to do for the others, and lets them go on when there is less.
    pub(crate) fn hold_back(&mut self, shell: &Shell) {
        let backlog = Summary::backlog(&self.lag());
        let hold = if self.is_held { backlog > BACKLOG_RECORDS_LOW } else { backlog > BACKLOG_RECORDS_MAX };
        if !hold && !self.is_held {
            return;
        }
        let generators = self.members.iter_mut().filter(|member| member.service.is_generator());
        let clients: Vec<_> = generators.filter(|member| member.has_process()).map(Member::client).collect();
        let asked = clients.into_iter().map(async |client| match client {
            Some(client) if hold => client.pause().await.is_ok(),
            Some(client) => client.resume().await.is_ok(),
            None => false,
        });
        // Said at each look while it holds, since one that was started again knows nothing of a pause; without the answer of
        // all, the next look asks again.
        let is_heard = shell.wait(join_all(asked)).into_iter().all(|is_heard| is_heard);
        self.is_held = hold || !is_heard;
    }

    /// Draws the summary, with something more to say.
    pub(crate) fn draw(&mut self, note: Option<String>, shell: &Shell) -> Result<(), Error> {
        let now = clock::instant();
        let totals = self.totals();
        let (before_at, before) = std::mem::replace(&mut self.drawn, (now, totals.clone()));
        let held = self.is_held.then(|| "the generators wait until the backlog is smaller".to_owned());
        let readings = self.members.iter().filter_map(|member| member.reading.as_ref());
        let summary = Summary {
            elapsed: now - self.started,
            speeds: speeds(&before, &totals, now - before_at),
            totals,
            lag: self.lag(),
            latency: readings.flat_map(|reading| reading.latency.clone()).collect(),
            processes: self.processes(),
            traces_url: self.setting.stack.jaeger.as_ref().map(Jaeger::url),
            note: note.or(held),
        };
        let is_terminal = shell.output.is_terminal();
        shell.output.draw(&if is_terminal { summary.as_table() } else { summary.as_line() })
    }

    /// Ends the generators: whatever they have produced is acknowledged when this returns.
    pub(crate) fn stop_generators(&mut self, shell: &Shell) -> Result<(), Error> {
        self.stop(shell, Service::is_generator)
    }

    /// Ends all services.
    pub(crate) fn stop_all(&mut self, shell: &Shell) -> Result<(), Error> {
        self.stop(shell, |_| true)
    }

    fn stop(&mut self, shell: &Shell, which: impl Fn(Service) -> bool) -> Result<(), Error> {
        let mut members: Vec<&mut Member> =
            self.members.iter_mut().filter(|member| which(member.service)).collect();
        for member in &members {
            member.terminate();
        }
        for member in &mut members {
            if let Some(failure) = member.wait_for_end() {
                shell.output.say(&failure)?;
                self.failures.push(failure);
            }
        }
        Ok(())
    }

    /// What a service counted while it was being stopped is not known, so a stopped one is left out.
    fn totals(&self) -> BTreeMap<Flow, u64> {
        let mut sums = BTreeMap::new();
        for member in self.members.iter().filter(|member| member.has_process()) {
            member.totals.add_to(&mut sums);
        }
        sums
    }

    fn lag(&self) -> BTreeMap<String, u64> {
        let readings = self.members.iter().filter_map(|member| member.reading.as_ref());
        readings.flat_map(|reading| reading.lag.clone()).collect()
    }

    fn processes(&self) -> Vec<Running> {
        let Stack { kafka, mariadb, jaeger, .. } = self.setting.stack;
        let mut processes: Vec<Running> = self.members.iter().map(Member::running).collect();
        processes.push(Running { name: "Kafka", pid: kafka.pid(), resident_kib: kafka.resident_kib() });
        processes.push(Running { name: "MariaDB", pid: mariadb.pid(), resident_kib: mariadb.resident_kib() });
        processes.extend(jaeger.as_ref().map(|jaeger| {
            let (pid, resident_kib) = (jaeger.pid(), jaeger.resident_kib());
            Running { name: "Jaeger", pid, resident_kib }
        }));
        processes
    }
}
