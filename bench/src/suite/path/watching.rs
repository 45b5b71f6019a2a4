//! Somebody who reads the table all the time, and how old rows are when they see them.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, UNIX_EPOCH},
};

use local_stack::User;
use service::{Error, clock};
use sqlx::{AssertSqlSafe, ConnectOptions as _, MySqlConnection, mysql::MySqlConnectOptions};
use tokio::runtime::{self, Runtime};

use crate::setting::Setting;

/// The table of the connector that ships.
pub(super) const TABLE: &str = "traffic_db.toll_passages";
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// Ages, the lowest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Ages(Vec<Duration>);

impl Ages {
    /// These in any order.
    pub(super) fn new(mut ages: Vec<Duration>) -> Self {
        ages.sort_unstable();
        Self(ages)
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The age that such a share of them do not exceed, in milliseconds; without any, more than any.
    pub(super) fn quantile_ms(&self, quantile: f64) -> f64 {
        let rank = (self.0.len() as f64 * quantile).ceil() as usize;
        self.0.get(rank.max(1) - 1).map_or(f64::INFINITY, |age| age.as_secs_f64() * 1e3)
    }

    /// The mean, in milliseconds.
    pub(super) fn mean_ms(&self) -> f64 {
        self.0.iter().map(Duration::as_secs_f64).sum::<f64>() * 1e3 / self.0.len() as f64
    }
}

/// A connection that looks at the table.
pub(super) struct Watching {
    runtime: Runtime,
    connection: MySqlConnection,
    /// The newest row that was seen: rows of one writer appear in the order of their numbers.
    last_id: i64,
}

impl Watching {
    /// Has seen all that is there.
    pub(super) fn start(setting: &Setting) -> Result<Self, Error> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(Error::failed)?;
        let options: MySqlConnectOptions =
            setting.stack.mariadb.url(User::Reader).parse().map_err(Error::failed)?;
        let mut connection = runtime.block_on(options.connect()).map_err(Error::failed)?;
        let newest = format!("SELECT COALESCE(MAX(id), 0) FROM {TABLE}");
        let newest = sqlx::query_scalar(AssertSqlSafe(newest)).fetch_one(&mut connection);
        let last_id = runtime.block_on(newest).map_err(Error::failed)?;
        Ok(Self { runtime, connection, last_id })
    }

    /// How old each row is that appears from now until `is_over`; those that appear before `counts` are seen and not counted.
    pub(super) fn watch(&mut self, counts: &AtomicBool, is_over: &AtomicBool) -> Result<Ages, Error> {
        let query = format!(
            "SELECT id, CAST(1000 * UNIX_TIMESTAMP(occurred_at) AS SIGNED) FROM {TABLE} WHERE id > ? ORDER BY id"
        );
        let mut ages = Vec::new();
        while !is_over.load(Ordering::Relaxed) {
            let began = clock::instant();
            // Read before the rows are: what appears during the first look is not counted.
            let is_counted = counts.load(Ordering::Relaxed);
            let look = sqlx::query_as::<_, (i64, i64)>(AssertSqlSafe(&*query)).bind(self.last_id);
            let rows = self.runtime.block_on(look.fetch_all(&mut self.connection)).map_err(Error::failed)?;
            let now = clock::system().duration_since(UNIX_EPOCH).unwrap_or_default();
            if let Some((id, _)) = rows.last() {
                self.last_id = *id;
            }
            if is_counted {
                let made = rows.iter().map(|(_, made_ms)| Duration::from_millis(*made_ms as u64));
                ages.extend(made.map(|made| now.saturating_sub(made)));
            }
            thread::sleep(LOOK.saturating_sub(began.elapsed()));
        }
        Ok(Ages::new(ages))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A quantile is one of the ages: of a hundred, the 99th is not exceeded by 99 of them.
    #[test]
    fn quantiles_are_ages() {
        let ages = Ages::new((1..=100).rev().map(Duration::from_millis).collect());
        let of = |quantile| ages.quantile_ms(quantile).round() as u64;
        assert_eq!([of(0.5), of(0.99), of(0.999), of(0.0)], [50, 99, 100, 1]);
        assert_eq!(ages.mean_ms().round() as u64, 51);
        assert!(Ages::default().quantile_ms(0.5).is_infinite());
    }
}
