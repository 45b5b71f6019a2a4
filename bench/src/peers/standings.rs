//! What came out: a figure for each peer, figures for the best of them, and a table of the peers themselves.

use std::{fs::OpenOptions, io::Write as _, path::Path};

use service::Error;

use super::contest::{Cold, Contest, Runs, Work};
use crate::{
    pairs,
    report::{self, Figure, median, number},
    say,
    watch::Seen,
};

/// What came out of one contest.
#[derive(Debug)]
pub(super) struct Outcome {
    title: String,
    work: Work,
    tasks: u32,
    is_best_of_connect: bool,
    is_safe_default_of_connect: bool,
    /// None if it could not be held at all.
    figure: Option<Figure>,
    ours: Vec<Seen>,
    /// As many as ours, or fewer if the peer failed.
    theirs: Vec<Seen>,
    cold: Vec<Cold>,
    failure: Option<String>,
}

/// Which contests a figure of several is made of.
struct Best {
    name: &'static str,
    of: fn(&Outcome) -> bool,
    /// Whether it is about the number of tasks too, and so means nothing with one of them alone.
    is_of_tasks: bool,
}

/// The best of several: ours and theirs, each at its best in the same round.
const BESTS: [Best; 5] = [
    Best {
        name: "peers.append.connect",
        of: |outcome| outcome.work == Work::Append && outcome.tasks == 1 && outcome.is_best_of_connect,
        is_of_tasks: false,
    },
    Best {
        name: "peers.append.connect_tasks",
        of: |outcome| outcome.work == Work::Append && outcome.is_best_of_connect,
        is_of_tasks: true,
    },
    Best {
        name: "peers.append.connect_default",
        of: |outcome| outcome.is_safe_default_of_connect,
        is_of_tasks: false,
    },
    Best {
        name: "peers.upsert.connect",
        of: |outcome| outcome.work == Work::Upsert && outcome.tasks == 1 && outcome.is_best_of_connect,
        is_of_tasks: false,
    },
    Best {
        name: "peers.upsert.connect_tasks",
        of: |outcome| outcome.work == Work::Upsert && outcome.is_best_of_connect,
        is_of_tasks: true,
    },
];

impl Outcome {
    /// Of a contest that was held.
    pub(super) fn new(
        contest: &Contest,
        figure: Figure,
        ours: Vec<Seen>,
        runs: Runs,
        failure: Option<String>,
    ) -> Self {
        Self {
            title: contest.title(),
            work: contest.work,
            tasks: contest.tasks,
            is_best_of_connect: contest.is_best_of_connect(),
            is_safe_default_of_connect: contest.is_safe_default_of_connect(),
            figure: Some(figure),
            ours,
            theirs: runs.warm,
            cold: runs.cold,
            failure,
        }
    }

    /// Of a contest that could not be held, which is told by who held it.
    pub(super) fn failed(contest: &Contest) -> Self {
        let nothing = Self::new(contest, Figure::default(), Vec::new(), Runs::default(), None);
        Self { figure: None, ..nothing }
    }

    /// Whether the peer came through all pairs.
    fn is_whole(&self) -> bool {
        self.figure.as_ref().is_some_and(|figure| figure.ratio.is_some())
    }

    /// The peer by itself, as figures without a limit.
    fn itself(&self) -> Vec<Figure> {
        if !self.is_whole() {
            return Vec::new();
        }
        let name = format!("peer.{}", self.title);
        let mut figures = vec![pairs::figure(&name, "rows/s", "", &self.theirs, None)];
        let of = |what: fn(&Cold) -> f64| self.cold.iter().map(what).map(seen).collect::<Vec<_>>();
        let first_row = of(|cold| cold.first_row_ms);
        figures.push(pairs::figure(&format!("{name}.first_row_ms"), "ms", "", &first_row, None));
        figures.push(pairs::figure(&format!("{name}.cold"), "rows/s", "", &of(|cold| cold.speed), None));
        figures
    }

    /// A line of the table of peers.
    fn line(&self) -> String {
        let title = &self.title;
        if !self.is_whole() {
            return format!("| {title} | failed | | | | | |\n");
        }
        let of = |what: fn(&Seen) -> f64| self.theirs.iter().map(what).collect::<Vec<f64>>();
        let speeds = of(|seen| seen.speed);
        let (least, most) = ends(&speeds);
        let cold = median(&self.cold.iter().map(|cold| cold.speed).collect::<Vec<_>>());
        let first_row = median(&self.cold.iter().map(|cold| cold.first_row_ms).collect::<Vec<_>>());
        format!(
            "| {title} | {} | {} to {} | {} | {:.1} | {:.1} | {:.0} |\n",
            number(median(&speeds)),
            number(least),
            number(most),
            number(cold),
            first_row / 1e3,
            median(&of(|seen| seen.cpu_s_per_million)),
            ends(&of(|seen| seen.peak_rss_mib)).1,
        )
    }
}

/// The figure of each contest.
pub(super) fn of_each(outcomes: &[Outcome]) -> Vec<Figure> {
    outcomes.iter().filter_map(|outcome| outcome.figure.clone()).collect()
}

/// All figures, and the table of the peers by themselves.
pub(super) fn standings(outcomes: &[Outcome]) -> (Vec<Figure>, String) {
    let mut figures = of_each(outcomes);
    figures.extend(BESTS.iter().filter_map(|best| best.figure(outcomes)));
    figures.extend(outcomes.iter().flat_map(Outcome::itself));
    let mut table = "\
| peer, warm unless said | rows/s | from, to | cold rows/s | s to the first row | processor s per million | peak MiB |
|---|---:|---:|---:|---:|---:|---:|
"
    .to_owned();
    table.extend(outcomes.iter().map(Outcome::line));
    let failures = outcomes.iter().filter_map(|outcome| {
        let failure = outcome.failure.as_ref()?;
        Some(format!("\n- failed: {}: {failure}", outcome.title))
    });
    table.extend(failures);
    (figures, table)
}

impl Best {
    /// None if nothing of it was measured. If one of the peers failed, nobody knows who the fastest is: then it has no limit.
    fn figure(&self, outcomes: &[Outcome]) -> Option<Figure> {
        let meant: Vec<&Outcome> = outcomes.iter().filter(|outcome| (self.of)(outcome)).collect();
        let of: Vec<&Outcome> = meant.iter().copied().filter(|outcome| !outcome.ours.is_empty()).collect();
        let pairs = of.iter().map(|outcome| outcome.ours.len()).min()?;
        if self.is_of_tasks && meant.iter().all(|outcome| outcome.tasks == 1) {
            return None;
        }
        // With one task all of ours are the same, and their fastest would be a matter of luck: the middle one stands for them.
        let ours = |pair| {
            let mut of_pair: Vec<Seen> = of.iter().map(|outcome| outcome.ours[pair]).collect();
            of_pair.sort_by(|a, b| a.speed.total_cmp(&b.speed));
            if self.is_of_tasks { of_pair.pop() } else { of_pair.get((of_pair.len() - 1) / 2).copied() }
        };
        let ours: Vec<Seen> = (0..pairs).filter_map(ours).collect();
        let fastest = |pair: usize| {
            let speeds = of.iter().filter_map(|outcome| outcome.theirs.get(pair)).map(|seen| seen.speed);
            speeds.max_by(f64::total_cmp)
        };
        let is_whole = meant.iter().all(|outcome| outcome.is_whole());
        let theirs: Option<Vec<f64>> = is_whole.then(|| (0..pairs).filter_map(fastest).collect());
        Some(pairs::figure(self.name, "rows/s", &limit(&meant), &ours, theirs.as_deref()))
    }
}

/// Who took part: without a plugin of another sink that is Debezium's alone, which is said.
fn limit(of: &[&Outcome]) -> String {
    let titles: Vec<&str> = of.iter().map(|outcome| &*outcome.title).collect();
    let alone =
        if titles.iter().all(|title| title.contains(".debezium")) { " (no sink but Debezium's)" } else { "" };
    format!("the fastest of {}{alone}", titles.join(", "))
}

/// Adds the table of the peers to the report; gives what was added.
pub(super) fn publish(table: &str) -> Result<String, Error> {
    let text = format!("\n{table}");
    say(&text)?;
    let path = Path::new(report::FOLDER).join("peers.md");
    let file = OpenOptions::new().append(true).open(path);
    file.and_then(|mut file| writeln!(file, "{text}")).map_err(Error::failed)?;
    Ok(text)
}

fn seen(value: f64) -> Seen {
    Seen { speed: value, cpu_s_per_million: 0.0, peak_rss_mib: 0.0 }
}

fn ends(values: &[f64]) -> (f64, f64) {
    (
        values.iter().copied().fold(f64::INFINITY, f64::min),
        values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(title: &str, tasks: u32, ours: &[f64], theirs: &[f64]) -> Outcome {
        let runs = |speeds: &[f64]| speeds.iter().copied().map(seen).collect::<Vec<_>>();
        Outcome {
            title: title.to_owned(),
            work: Work::Append,
            tasks,
            is_best_of_connect: true,
            is_safe_default_of_connect: false,
            figure: Some(pairs::figure(title, "rows/s", title, &runs(ours), Some(theirs))),
            ours: runs(ours),
            theirs: runs(theirs),
            cold: vec![Cold { first_row_ms: 1.0, speed: 1.0 }],
            failure: None,
        }
    }

    fn ratio(figures: &[Figure], name: &str) -> Option<f64> {
        figures.iter().find(|figure| figure.name == name)?.ratio
    }

    /// In each pair the fastest peer is the one to beat, and with tasks the writer may choose its number as well.
    #[test]
    fn the_fastest_of_each_pair_counts() {
        let outcomes = [
            outcome("one", 1, &[200.0, 200.0], &[100.0, 40.0]),
            outcome("other", 1, &[200.0, 200.0], &[50.0, 100.0]),
            outcome("other_tasks_2", 2, &[300.0, 300.0], &[150.0, 150.0]),
        ];
        let (figures, _) = standings(&outcomes);
        assert_eq!(ratio(&figures, "peers.append.connect"), Some(2.0));
        assert_eq!(ratio(&figures, "peers.append.connect_tasks"), Some(2.0));
    }

    /// If somebody failed, in one pair or altogether, nobody knows who the fastest is: the figure has no ratio, and who failed
    /// no figure of its own.
    #[test]
    fn without_one_of_them_nobody_is_the_fastest() {
        let not_held =
            Outcome { figure: None, ours: vec![], theirs: vec![], ..outcome("one", 1, &[1.0], &[1.0]) };
        for one in [outcome("one", 1, &[200.0, 200.0], &[100.0]), not_held] {
            let (figures, table) = standings(&[one, outcome("other", 1, &[200.0, 200.0], &[50.0, 50.0])]);
            let best = figures.iter().find(|figure| figure.name == "peers.append.connect").expect("told");
            assert_eq!((best.limit_value, best.ratio, best.min, best.max), (None, None, None, None));
            assert!(best.lacks_its_limit() && best.limit == "the fastest of one, other", "{}", best.limit);
            assert!(figures.iter().all(|figure| figure.name != "peer.one"));
            assert!(table.contains("| one | failed |"));
        }
    }

    /// Who reads the limit sees whether any sink but Debezium's was measured.
    #[test]
    fn the_limit_says_who_took_part() {
        let [debezium, aiven] =
            ["append.debezium_best", "append.aiven_best"].map(|title| outcome(title, 1, &[2.0], &[1.0]));
        assert_eq!(limit(&[&debezium]), "the fastest of append.debezium_best (no sink but Debezium's)");
        assert_eq!(limit(&[&debezium, &aiven]), "the fastest of append.debezium_best, append.aiven_best");
    }

    /// One task alone says nothing of the best number of tasks.
    #[test]
    fn tasks_want_more_than_one() {
        let (figures, _) = standings(&[outcome("one", 1, &[2.0], &[1.0])]);
        assert_eq!(ratio(&figures, "peers.append.connect_tasks"), None);
    }
}
