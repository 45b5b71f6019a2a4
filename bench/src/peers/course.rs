//! What everybody has to store: topics of passages, and how far somebody is with one, told by rows that others can see.

use std::{
    cell::RefCell,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use kafka::{Found, Position};
use local_stack::Process;
use service::{Error, clock};

use crate::{
    rows::PASSAGES,
    setting::Setting,
    watch::{Seen, watch},
};

/// Records of a run.
const RECORDS: u64 = 1_000_000;
const RECORDS_QUICK: u64 = 200_000;
/// Partitions of the topic that several tasks share.
const PARTITIONS: i32 = 4;
/// In so many steps is told how far somebody is with a partition.
const STEPS: u64 = 100;
/// Where the passage's id stands in a framed record: behind frame and length, as text.
const EVENT_ID: std::ops::Range<usize> = 6..42;
/// How long the broker may take for one record.
const READ_WITHIN: Duration = Duration::from_secs(20);
/// How long a process may take to its first row.
const FIRST_ROW_WITHIN: Duration = Duration::from_mins(2);
const FIRST_ROW_LOOK: Duration = Duration::from_millis(2);

/// Topics, made when they are asked for.
pub(super) struct Courses<'s> {
    setting: &'s Setting,
    known: RefCell<Vec<Rc<Course>>>,
}

/// A topic of passages.
#[derive(Debug)]
pub(super) struct Course {
    /// The topic.
    pub(super) topic: String,
    /// Its records.
    pub(super) records: u64,
    /// For each partition, ids of passages in their order, each with how many records go up to it.
    marks: Vec<Vec<(String, u64)>>,
}

impl<'s> Courses<'s> {
    /// None yet.
    pub(super) fn new(setting: &'s Setting) -> Self {
        Self { setting, known: RefCell::default() }
    }

    /// A topic for so many tasks; of fewer records than usual, if that is asked for.
    pub(super) fn of(&self, tasks: u32, records: Option<u64>) -> Result<Rc<Course>, Error> {
        let most = if self.setting.quick { RECORDS_QUICK } else { RECORDS };
        let records = records.map_or(most, |records| records.min(most));
        let partitions = if tasks == 1 { 1 } else { PARTITIONS };
        let topic = format!("bench.peers-{records}-{partitions}");
        if let Some(course) = self.known.borrow().iter().find(|course| course.topic == topic) {
            return Ok(Rc::clone(course));
        }
        self.setting.passages(&topic, partitions, records)?;
        let marks = marks(self.setting, &topic, partitions)?;
        let course = Rc::new(Course { topic, records, marks });
        self.known.borrow_mut().push(Rc::clone(&course));
        Ok(course)
    }
}

impl Course {
    /// Follows a process from a tenth of the records to the moment at which the last is a row that others see; `fault` is
    /// asked now and then whether something is wrong with it.
    pub(super) fn follow(
        &self,
        setting: &Setting,
        process: &Process,
        fault: impl Fn() -> Result<(), Error>,
    ) -> Result<Seen, Error> {
        const LOOKS_A_FAULT: u32 = 50;
        let mut at = vec![0; self.marks.len()];
        let mut looks = 0;
        let seen = watch(process, self.records, || {
            looks += 1;
            if looks % LOOKS_A_FAULT == 0 {
                fault()?;
            }
            let mut done = 0;
            for (marks, at) in self.marks.iter().zip(&mut at) {
                *at = reached(setting, marks, *at)?;
                done += marks[..*at].last().map_or(0, |(_, records)| *records);
            }
            Ok(done)
        })?;
        PASSAGES.expect_rows(setting, self.records)?;
        Ok(seen)
    }
}

/// Waits for the first row that others see; gives the milliseconds since `began`. `fault` is asked now and then whether
/// something is wrong.
pub(super) fn first_row_ms(
    setting: &Setting,
    process: &Process,
    began: Instant,
    fault: impl Fn() -> Result<(), Error>,
) -> Result<f64, Error> {
    const LOOKS_A_FAULT: u32 = 500;
    let mut looks = 0;
    while setting.number(&format!("SELECT EXISTS (SELECT 1 FROM {})", PASSAGES.name))? == 0 {
        if began.elapsed() > FIRST_ROW_WITHIN || !process.is_running() {
            return Err(Error::failed(format!("{}: no row: {}", process.name(), last_words(process))));
        }
        looks += 1;
        if looks % LOOKS_A_FAULT == 0 {
            fault().map_err(|error| Error::failed(format!("{error}: {}", last_words(process))))?;
        }
        thread::sleep(FIRST_ROW_LOOK);
    }
    Ok((clock::instant() - began).as_secs_f64() * 1e3)
}

/// The end of what a process has said, for people.
pub(super) fn last_words(process: &Process) -> String {
    const LINES: usize = 12;
    let output = process.output().unwrap_or_default();
    let lines: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join("\n  ");
    format!("its log ends with\n  {last}")
}

/// How many of a partition's marks are rows, of which so many are known: everybody stores a partition in its order, so a few
/// looks tell.
fn reached(setting: &Setting, marks: &[(String, u64)], known: usize) -> Result<usize, Error> {
    let (mut least, mut most) = (known, marks.len());
    while least < most {
        let middle = usize::midpoint(least, most);
        if is_row(setting, &marks[middle].0)? {
            least = middle + 1;
        } else {
            most = middle;
        }
    }
    Ok(least)
}

fn is_row(setting: &Setting, id: &str) -> Result<bool, Error> {
    Ok(setting.number(&format!("SELECT COUNT(*) FROM {} WHERE event_id = '{id}'", PASSAGES.name))? == 1)
}

/// Reads a topic once, for the ids by which is told how far somebody is.
fn marks(setting: &Setting, topic: &str, partitions: i32) -> Result<Vec<Vec<(String, u64)>>, Error> {
    let connection = setting.connection();
    let from: Vec<_> = (0..partitions).map(|partition| (partition, Position::Beginning)).collect();
    let reader = connection.reader(topic, &from).map_err(Error::failed)?;
    let counts = from.iter().map(|(partition, _)| {
        let (_, end) = setting.admin().offsets(topic, *partition).map_err(Error::failed)?;
        Ok(end as u64)
    });
    let counts: Vec<u64> = counts.collect::<Result<_, Error>>()?;
    let mut marks = vec![Vec::new(); counts.len()];
    let mut left: u64 = counts.iter().sum();
    while left > 0 {
        match reader.next(READ_WITHIN).map_err(Error::failed)? {
            Found::Record(record) => {
                left -= 1;
                let partition = record.partition() as usize;
                let (number, step) = (record.offset() as u64 + 1, counts[partition].div_ceil(STEPS));
                if number.is_multiple_of(step) || number == counts[partition] {
                    let id = record.value().and_then(|value| value.get(EVENT_ID)).unwrap_or_default();
                    marks[partition].push((String::from_utf8_lossy(id).into_owned(), number));
                }
            }
            Found::EndOf(_) => {}
            Found::Nothing => return Err(Error::failed(format!("topic {topic} lacks {left} records"))),
        }
    }
    Ok(marks)
}
