//! The books and what they prove. Pure: numbers in, verdict out.

use serde::Serialize;

/// What one reader has done with one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Account {
    /// `validator`, or the connector's name.
    pub(crate) reader: String,
    /// The topic that it reads.
    pub(crate) topic: String,
    /// The partition's number.
    pub(crate) partition: i32,
    /// Records read.
    pub(crate) read: u64,
    /// Records forwarded as valid, or stored as rows.
    pub(crate) passed: u64,
    /// Records set aside as dead letters.
    pub(crate) dead: u64,
    /// Records left out on purpose.
    pub(crate) skipped: u64,
    /// Offset to go on from.
    pub(crate) next_offset: i64,
    /// Offset after the last one of the partition; `None` if there is no such partition.
    pub(crate) end_offset: Option<i64>,
    /// Offsets from the next record to the end; 0 if there is no next record.
    pub(crate) lag: u64,
}

/// All accounts, as they were read within a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Books {
    /// The validator's accounts of the raw topics.
    pub(crate) judged: Vec<Account>,
    /// The connectors' accounts of what they read, each with all partitions of its topic.
    pub(crate) stored: Vec<Account>,
}

/// What the books prove.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Verdict {
    /// What is out of balance, by how much and where.
    pub(crate) findings: Vec<String>,
    /// How many records each reader has still to read.
    pub(crate) in_flight: Vec<InFlight>,
    /// What is in balance and worth knowing.
    pub(crate) notes: Vec<String>,
}

/// What a reader has still to read of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct InFlight {
    /// Who is to read it.
    pub(crate) reader: String,
    /// From which topic.
    pub(crate) topic: String,
    /// How many records, or offsets where only these are known.
    pub(crate) records: u64,
}

impl Verdict {
    /// Nothing is lost or doubled, as far as it has been read.
    pub(crate) fn is_balanced(&self) -> bool {
        self.findings.is_empty()
    }

    /// Nothing is on its way.
    pub(crate) fn is_settled(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Records on their way, those of several readers counted for each.
    pub(crate) fn in_flight_records(&self) -> u64 {
        self.in_flight.iter().map(|flight| flight.records).sum()
    }

    fn expect(&mut self, reader: &str, topic: &str, records: u64) {
        let known = self.in_flight.iter_mut().find(|flight| flight.reader == reader && flight.topic == topic);
        match known {
            Some(flight) => flight.records += records,
            None if records > 0 => {
                let (reader, topic) = (reader.to_owned(), topic.to_owned());
                self.in_flight.push(InFlight { reader, topic, records });
            }
            None => {}
        }
    }
}

impl Books {
    /// Weighs the accounts against each other.
    ///
    /// The connectors' counts were read before the validator's, and how much is left after both: what moved meanwhile can
    /// only look like being on its way.
    pub(crate) fn verdict(&self) -> Verdict {
        let mut verdict = Verdict::default();
        for account in self.judged.iter().chain(&self.stored) {
            verdict.findings.extend(account.own_findings());
            verdict.expect(&account.reader, &account.topic, account.lag);
        }
        for judged in &self.judged {
            let valid = format!("{}.valid", judged.topic);
            let dlq = format!("{}.dlq", judged.topic);
            let storing = || self.readers_of(&valid, judged.partition);
            self.weigh_valid(&mut verdict, judged, &valid);
            let set_aside = judged.dead + storing().map(|account| account.dead).sum::<u64>();
            self.weigh_dead(&mut verdict, set_aside, &dlq, judged.partition);
        }
        verdict
    }

    /// What the validator has forwarded, each connector has read or has still to read.
    fn weigh_valid(&self, verdict: &mut Verdict, judged: &Account, valid: &str) {
        let Account { partition, passed, .. } = judged;
        if self.readers_of(valid, *partition).next().is_none() {
            verdict.expect("(no connector yet)", valid, *passed);
        }
        for account in self.readers_of(valid, *partition) {
            let Account { reader, read, lag, .. } = account;
            if read > passed {
                verdict.findings.push(format!(
                    "{reader} has read {} records more of {valid}[{partition}] than the validator has forwarded: {read} of {passed}",
                    read - passed
                ));
            } else if read < passed && *lag == 0 {
                verdict.findings.push(format!(
                    "{} records of {valid}[{partition}] never reached {reader}: it has read {read} of {passed} and nothing is left",
                    passed - read
                ));
            }
        }
    }

    /// What was set aside is in the dead letters. It may be there twice after a crash: a dead letter is acknowledged
    /// before the ledger moves. The table's unique key takes the second one.
    fn weigh_dead(&self, verdict: &mut Verdict, set_aside: u64, dlq: &str, partition: i32) {
        if self.readers_of(dlq, partition).next().is_none() {
            verdict.expect("(no connector yet)", dlq, set_aside);
        }
        for Account { reader, read, lag, .. } in self.readers_of(dlq, partition) {
            if *read < set_aside && *lag == 0 {
                verdict.findings.push(format!(
                    "{} dead letters of {dlq}[{partition}] never reached {reader}: it has read {read} of {set_aside} and nothing is left",
                    set_aside - read
                ));
            } else if *read > set_aside {
                verdict.notes.push(format!(
                    "{} dead letters of {dlq}[{partition}] are a feed's own, or there twice because a connector was ended \
                     between dead letter and ledger, or about to be counted; {reader} has each of them once",
                    read - set_aside
                ));
            }
        }
    }

    fn readers_of<'b>(&'b self, topic: &'b str, partition: i32) -> impl Iterator<Item = &'b Account> {
        self.stored.iter().filter(move |account| account.topic == topic && account.partition == partition)
    }
}

impl Account {
    /// What an account tells against itself.
    fn own_findings(&self) -> impl Iterator<Item = String> {
        let Self { reader, topic, partition, read, passed, dead, skipped, next_offset, .. } = self;
        let sum = passed + dead + skipped;
        let unbalanced = (*read != sum).then(|| {
            format!(
                "{reader} has read {read} records of {topic}[{partition}] and accounts for {sum}: \
                 {passed} passed on, {dead} set aside, {skipped} skipped"
            )
        });
        let beyond = match self.end_offset {
            None if *read > 0 => {
                Some(format!("{reader} has read {read} records of {topic}[{partition}], which is not there"))
            }
            Some(end) if *next_offset > end => Some(format!(
                "{reader} goes on from offset {next_offset} of {topic}[{partition}], which ends at {end}: \
                 the topic was created anew"
            )),
            _ => None,
        };
        unbalanced.into_iter().chain(beyond)
    }
}

#[cfg(test)]
#[path = "books_tests.rs"]
mod tests;
