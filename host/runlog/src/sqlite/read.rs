//! Queries. Each one takes a connection and leaves nothing behind.

use cofferdam_model::{Known, Recorded, RunId, RunStatus};
use rusqlite::{Connection, OptionalExtension, Row, ToSql};

use crate::stored::{level_number, parse, recorded};
use crate::{Error, FindError, LogFilter, PAGE_ROWS_MAX, RunFilter, RunSummary, StoredLog};

/// Names what could not be done.
pub(super) fn sql(what: &'static str) -> impl FnOnce(rusqlite::Error) -> Error {
    move |source| Error::Sql { what, source }
}

/// Row number and summary of a run.
pub(super) fn summary(db: &Connection, run: RunId) -> Result<(i64, RunSummary), Error> {
    let mut statement =
        db.prepare_cached("SELECT id, summary FROM runs WHERE run = ?1").map_err(sql("find a run"))?;
    let row = statement
        .query_row([run.to_string()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
        .optional()
        .map_err(sql("find a run"))?;
    let (id, text) = row.ok_or(Error::UnknownRun(run))?;
    Ok((id, parse(&text, format_args!("the summary of run `{run}`"))?))
}

pub(super) fn events(
    db: &Connection,
    run: RunId,
    from_seq: u64,
    limit: usize,
) -> Result<Vec<Recorded>, Error> {
    let (id, _) = summary(db, run)?;
    let query =
        "SELECT seq, at, version, event FROM events WHERE run_id = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3";
    let limit = limit.min(PAGE_ROWS_MAX);
    let rows = rows(db, query, &[&id, &from_seq, &limit], |row| {
        Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?, row.get::<_, u32>(2)?, row.get::<_, String>(3)?))
    })?;
    let read = |(seq, at, version, text): (u64, u64, u32, String)| recorded(run, seq, at, version, &text);
    rows.into_iter().map(read).collect()
}

pub(super) fn logs(
    db: &Connection,
    run: RunId,
    filter: &LogFilter,
    from: u64,
    limit: usize,
) -> Result<Vec<StoredLog>, Error> {
    let (id, _) = summary(db, run)?;
    let step = filter.step.as_ref().map(|step| step.as_str().to_owned());
    let level = filter.level.map_or(0, level_number);
    let limit = limit.min(PAGE_ROWS_MAX);
    // `substr` rather than LIKE or GLOB: brackets and underscores are ordinary characters of step keys.
    let query = "SELECT number, step, attempt, line FROM logs
        WHERE run_id = ?1 AND number >= ?2 AND level >= ?3
        AND (?4 IS NULL OR step = ?4 OR substr(step, 1, length(?4) + 1) = ?4 || '[')
        AND (?5 IS NULL OR attempt = ?5)
        ORDER BY number LIMIT ?6";
    let parameters: [&dyn ToSql; 6] = [&id, &from, &level, &step, &filter.attempt, &limit];
    let rows = rows(db, query, &parameters, |row| {
        Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?, row.get::<_, u32>(2)?, row.get::<_, String>(3)?))
    })?;
    let read = |(number, step, attempt, line): (u64, String, u32, String)| {
        Ok(StoredLog {
            number,
            step: cofferdam_model::StepKey::new(&step),
            attempt,
            line: parse(&line, format_args!("log line {number}"))?,
        })
    };
    rows.into_iter().map(read).collect()
}

pub(super) fn plan(db: &Connection, run: RunId) -> Result<Vec<u8>, Error> {
    let query = "SELECT plans.plan FROM runs JOIN plans ON plans.digest = runs.plan WHERE runs.run = ?1";
    let plan =
        db.query_row(query, [run.to_string()], |row| row.get(0)).optional().map_err(sql("read a plan"))?;
    plan.ok_or(Error::UnknownRun(run))
}

pub(super) fn known(db: &Connection, run: RunId) -> Result<Known, Error> {
    let (id, _) = summary(db, run)?;
    let known = db.query_row("SELECT known FROM runs WHERE id = ?1", [id], |row| row.get(0));
    let known: Option<String> = known.map_err(sql("read what a run takes over"))?;
    known.map_or(Ok(Known::default()), |text| parse(&text, format_args!("what run `{run}` takes over")))
}

pub(super) fn runs(db: &Connection, filter: &RunFilter) -> Result<Vec<RunSummary>, Error> {
    let job = filter.job.as_ref().map(|job| job.as_str().to_owned());
    let status = filter.status.map(RunStatus::word);
    let before = filter.before.map(|run| run.to_string());
    let limit = filter.limit.unwrap_or(PAGE_ROWS_MAX).min(PAGE_ROWS_MAX);
    let parent = filter.parent.map(|run| run.to_string());
    let root = filter.root.map(|run| run.to_string());
    let query = "SELECT summary FROM runs WHERE (?1 IS NULL OR job = ?1) AND (?2 IS NULL OR status = ?2)
        AND (?3 IS NULL OR run < ?3) AND (?5 IS NULL OR parent = ?5) AND (?6 IS NULL OR root = ?6 OR run = ?6)
        ORDER BY run DESC LIMIT ?4";
    let parameters: [&dyn ToSql; 6] = [&job, &status, &before, &limit, &parent, &root];
    let texts = rows(db, query, &parameters, |row| row.get::<_, String>(0))?;
    texts.iter().map(|text| parse(text, "the summary of a run")).collect()
}

pub(super) fn unfinished(db: &Connection) -> Result<Vec<RunId>, Error> {
    let words = ["queued", "running", "cancelling"];
    let query = "SELECT run FROM runs WHERE status IN (?1, ?2, ?3) ORDER BY run";
    ids(rows(db, query, &[&words[0], &words[1], &words[2]], |row| row.get(0))?)
}

/// Runs whose id starts with `prefix`: as many as are needed to say whether it is ambiguous.
pub(super) fn starting_with(db: &Connection, prefix: &str) -> Result<Vec<RunId>, Error> {
    let query = "SELECT run FROM runs WHERE substr(run, 1, length(?1)) = ?1 ORDER BY run LIMIT ?2";
    ids(rows(db, query, &[&prefix, &(FindError::SHOWN_MAX + 1)], |row| row.get(0))?)
}

pub(super) fn ids(texts: Vec<String>) -> Result<Vec<RunId>, Error> {
    let read = |text: String| {
        text.parse().map_err(|source| Error::Damaged {
            what: format!("the run id `{text}`"),
            source: Box::new(source),
        })
    };
    texts.into_iter().map(read).collect()
}

pub(super) fn rows<T>(
    db: &Connection,
    query: &str,
    parameters: &[&dyn ToSql],
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, Error> {
    let run = || -> rusqlite::Result<Vec<T>> {
        let mut statement = db.prepare_cached(query)?;
        statement.query_map(parameters, read)?.collect()
    };
    run().map_err(sql("be read"))
}
