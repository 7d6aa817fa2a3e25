//! Queries, over sessions that are kept for the next one. A session that has died meanwhile is replaced once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cofferdam_model::{Known, Recorded, RunId, StepKey};
use cofferdam_postgres::Session;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::place::Place;
use super::schema;
use crate::stored::{level_number, parse, recorded};
use crate::{Error, FindError, LogFilter, PAGE_ROWS_MAX, RunFilter, RunSummary, StoredLog};

/// Sessions that are kept for reading; more readers than this open one for their call.
const READERS_KEPT_MAX: usize = 4;

/// Parameters of a query.
pub(super) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

pub(super) struct Readers {
    place: Arc<Place>,
    idle: Mutex<Vec<Session>>,
}

impl Readers {
    pub(super) fn new(place: Arc<Place>) -> Readers {
        Readers { place, idle: Mutex::default() }
    }

    /// Refuses a database that cannot be read.
    pub(super) async fn check(&self) -> Result<(), Error> {
        let session = self.place.reader().await?;
        schema::check(&session.client, &self.place).await?;
        self.idle().push(session);
        Ok(())
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        // Pushing and popping leave the list whole.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows of a query. A dropped call closes its session.
    pub(super) async fn rows(&self, query: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Error> {
        loop {
            // Not a `while let`: the lock must not live across the await.
            let Some(session) = self.idle().pop() else { break };
            if let Ok(rows) = session.client.query(query, parameters).await {
                self.give_back(session);
                return Ok(rows);
            }
            // It may be the session that has died; whatever else is wrong will be so on a new one.
        }
        let session = self.place.reader().await?;
        let rows = session.client.query(query, parameters).await.map_err(self.place.failed("be read"))?;
        self.give_back(session);
        Ok(rows)
    }

    fn give_back(&self, session: Session) {
        let mut idle = self.idle();
        if idle.len() < READERS_KEPT_MAX {
            idle.push(session);
        }
    }

    /// A column of a run's row.
    async fn of_run(&self, run: RunId, query: &str) -> Result<Row, Error> {
        self.rows(query, &[&run.0]).await?.pop().ok_or(Error::UnknownRun(run))
    }

    pub(super) async fn summary(&self, run: RunId) -> Result<RunSummary, Error> {
        let row = self.of_run(run, "SELECT summary FROM runs WHERE run = $1").await?;
        parse(row.get(0), format_args!("the summary of run `{run}`"))
    }

    pub(super) async fn plan(&self, run: RunId) -> Result<Vec<u8>, Error> {
        let query = "SELECT plans.plan FROM runs JOIN plans ON digest = runs.plan WHERE run = $1";
        Ok(self.of_run(run, query).await?.get(0))
    }

    pub(super) async fn known(&self, run: RunId) -> Result<Known, Error> {
        let row = self.of_run(run, "SELECT known FROM runs WHERE run = $1").await?;
        let text: Option<&str> = row.get(0);
        text.map_or(Ok(Known::default()), |text| parse(text, format_args!("what run `{run}` takes over")))
    }

    pub(super) async fn events(
        &self,
        run: RunId,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<Recorded>, Error> {
        let query =
            "SELECT seq, at, version, event FROM events WHERE run = $1 AND seq >= $2 ORDER BY seq LIMIT $3";
        let rows = self.rows(query, &[&run.0, &int(from_seq), &page(limit)]).await?;
        if rows.is_empty() {
            self.of_run(run, "SELECT 1 FROM runs WHERE run = $1").await?;
        }
        rows.iter().map(|row| event(run, row, 0)).collect()
    }

    pub(super) async fn logs(
        &self,
        run: RunId,
        filter: &LogFilter,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredLog>, Error> {
        let step = filter.step.as_ref().map(StepKey::as_str);
        let level = i16::from(filter.level.map_or(0, level_number));
        let attempt = filter.attempt.map(i64::from);
        let query = "SELECT number, step, attempt, line FROM logs
            WHERE run = $1 AND number >= $2 AND level >= $3
            AND ($4::text IS NULL OR step = $4 OR starts_with(step, $4 || '['))
            AND ($5::bigint IS NULL OR attempt = $5)
            ORDER BY number LIMIT $6";
        let parameters: Parameters<'_> = &[&run.0, &int(from), &level, &step, &attempt, &page(limit)];
        let rows = self.rows(query, parameters).await?;
        if rows.is_empty() {
            self.of_run(run, "SELECT 1 FROM runs WHERE run = $1").await?;
        }
        let read = |row: &Row| {
            let number = natural(row.get(0));
            let attempt = u32::try_from(row.get::<_, i64>(2)).unwrap_or(u32::MAX);
            let line = parse(row.get(3), format_args!("log line {number}"))?;
            Ok(StoredLog { number, step: StepKey::new(row.get(1)), attempt, line })
        };
        rows.iter().map(read).collect()
    }

    pub(super) async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>, Error> {
        let job = filter.job.as_ref().map(|job| job.as_str());
        let status = filter.status.map(|status| status.word());
        let [before, parent, root] =
            [filter.before, filter.parent, filter.root].map(|run| run.map(|run| run.0));
        let query = "SELECT summary FROM runs WHERE ($1::text IS NULL OR job = $1)
            AND ($2::text IS NULL OR status = $2) AND ($3::uuid IS NULL OR run < $3)
            AND ($5::uuid IS NULL OR parent = $5) AND ($6::uuid IS NULL OR root = $6 OR run = $6)
            ORDER BY run DESC LIMIT $4";
        let limit = page(filter.limit.unwrap_or(PAGE_ROWS_MAX));
        let rows = self.rows(query, &[&job, &status, &before, &limit, &parent, &root]).await?;
        rows.iter().map(|row| parse(row.get(0), "the summary of a run")).collect()
    }

    pub(super) async fn unfinished(&self) -> Result<Vec<RunId>, Error> {
        let query = "SELECT run FROM runs WHERE status IN ('queued', 'running', 'cancelling') ORDER BY run";
        Ok(ids(&self.rows(query, &[]).await?))
    }

    /// Runs whose id starts with `prefix`: as many as are needed to say whether it is ambiguous.
    pub(super) async fn starting_with(&self, prefix: &str) -> Result<Vec<RunId>, Error> {
        let Some((first, last)) = range(prefix) else { return Ok(vec![]) };
        let query = "SELECT run FROM runs WHERE run BETWEEN $1 AND $2 ORDER BY run LIMIT $3";
        Ok(ids(&self.rows(query, &[&first, &last, &page(FindError::SHOWN_MAX + 1)]).await?))
    }
}

/// The first and the last id that start with a text.
fn range(prefix: &str) -> Option<(Uuid, Uuid)> {
    let fill = |with: Uuid| -> Option<Uuid> {
        let rest = with.to_string();
        Uuid::try_parse(&format!("{prefix}{}", rest.get(prefix.len()..)?)).ok()
    };
    Some((fill(Uuid::nil())?, fill(Uuid::max())?))
}

/// The event whose number, time, version and text start at a column.
pub(super) fn event(run: RunId, row: &Row, at: usize) -> Result<Recorded, Error> {
    let version = row.get::<_, i32>(at + 2).unsigned_abs();
    recorded(run, natural(row.get(at)), natural(row.get(at + 1)), version, row.get(at + 3))
}

pub(super) fn ids(rows: &[Row]) -> Vec<RunId> {
    rows.iter().map(|row| RunId(row.get(0))).collect()
}

/// A number as the database keeps it. None comes near the end of the range: rows and events are counted from 1.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Rows of one answer.
pub(super) fn page(limit: usize) -> i64 {
    int(limit.min(PAGE_ROWS_MAX) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_range_of_ids_or_names_none() {
        let (first, last) = range("ab").unwrap();
        assert_eq!(first.to_string(), "ab000000-0000-0000-0000-000000000000");
        assert_eq!(last.to_string(), "abffffff-ffff-ffff-ffff-ffffffffffff");
        assert_eq!(range(&first.to_string()), Some((first, first)));
        assert_eq!(range(""), Some((Uuid::nil(), Uuid::max())));
        assert_eq!(range("00000000-0").map(|(first, _)| first), Some(Uuid::nil()));
        for none in ["%", "x", "0000000000", "{", "é", &format!("{first}0")] {
            assert_eq!(range(none), None, "{none}");
        }
    }
}
