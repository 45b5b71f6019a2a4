//! Consumers in Python: as tutorials have them, and as a careful author writes them.

use std::process::Command;

use local_stack::{Process, User};
use service::{Error, clock};

use super::{
    contest::{Contest, Ground, Work},
    course::{self, Course},
};
use crate::{rows::PASSAGES, watch::Seen};

/// Records for the tutorial's, which waits for the disk at each of them.
const TUTORIAL_RECORDS: u64 = 20_000;

/// A program of `bench/peers/python`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Script {
    /// Its name without `.py`.
    pub(super) name: &'static str,
    arguments: &'static [&'static str],
}

/// What Python is measured with.
pub(super) fn contests() -> Vec<Contest> {
    let tutorial = Script { name: "tutorial", arguments: &[] };
    let batched = Script { name: "batched", arguments: &[] };
    let upsert = Script { arguments: &["--upsert"], ..batched };
    vec![
        Contest::of_script(Work::Append, tutorial, Some(TUTORIAL_RECORDS)),
        Contest::of_script(Work::Append, batched, None),
        Contest::of_script(Work::Upsert, upsert, None),
    ]
}

impl Script {
    /// Lets it store a topic; gives what was seen, and the milliseconds from its start to its first row.
    pub(super) fn run(&self, ground: &Ground<'_>, course: &Course) -> Result<(Seen, f64), Error> {
        let Ground { setting, home, .. } = ground;
        PASSAGES.clear(setting)?;
        let Self { name, arguments } = self;
        let run = setting.fresh(name);
        let mariadb = &setting.stack.mariadb;
        let mut command = Command::new(home.path("python/bin/python"));
        command
            .arg(format!("bench/peers/python/{name}.py"))
            .args([&setting.stack.kafka.bootstrap_servers(), &setting.stack.registry.url()])
            .args([&course.topic, &run, &mariadb.port().to_string(), User::Writer.name()])
            .args(*arguments)
            .env("DATABASE_PASSWORD", mariadb.password(User::Writer));
        let began = clock::instant();
        let process =
            Process::spawn(*name, &command, &setting.path(&format!("{run}.log"))).map_err(Error::failed)?;
        let first_row_ms = course::first_row_ms(setting, &process, began, || Ok(()))?;
        let told = |error| Error::failed(format!("{error}: {}", course::last_words(&process)));
        let seen = course.follow(setting, &process, || Ok(())).map_err(told)?;
        Ok((seen, first_row_ms))
    }
}
