//! What an evaluation becomes: a status with its reason, runs with ids, a cursor that moves or stays.

use std::collections::BTreeSet;

use cofferdam_model::{InstigatorKind, Name, ReservedRun, RunId, RunRequest, TickStatus};

/// Runs that one tick may ask for.
pub const REQUESTS_MAX: usize = 10_000;
/// Bytes of a cursor: it is read and written with every tick.
pub const CURSOR_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a run key: each one is kept for ever.
pub const RUN_KEY_BYTES_MAX: usize = 1024;
/// Bytes of a skip reason or an error that are kept.
pub const REASON_BYTES_MAX: usize = 16 * 1024;
/// Keys that a reason names.
const KEYS_SHOWN_MAX: usize = 5;

/// What came of asking a schedule or a sensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Evaluation {
    /// It answered.
    Answered {
        requests: Vec<RunRequest>,
        /// Why it asks for nothing, in its own words.
        skip_reason: Option<String>,
        /// None leaves the cursor where it is.
        cursor: Option<String>,
    },
    /// It failed.
    Failed {
        error: String,
        /// Where a sensor that reacts to what has happened has come to all the same: what its reaction did before it
        /// failed would be done again otherwise. None for every other one.
        passed: Option<String>,
    },
    /// It could not be asked: its library cannot be had, or no worker takes it. Is tried again without being counted.
    Unreachable { error: String },
}

/// How a tick ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Conclusion {
    pub status: TickStatus,
    pub reason: Option<String>,
    /// Whether a failure counts against the retries of the tick.
    pub counts: bool,
    /// Where the cursor moves to; none leaves it where it is.
    pub cursor: Option<String>,
    pub runs: Vec<ReservedRun>,
}

/// Ends a tick. `jobs` are those that may be asked for: of a schedule, the one that it is for. `used` says which
/// of the keys asked for an earlier run of this sensor has had ([`keys`] are to be looked up); `new_id` gives ids.
pub fn conclude(
    evaluation: Evaluation,
    kind: InstigatorKind,
    jobs: &[Name],
    used: &BTreeSet<String>,
    new_id: impl FnMut() -> RunId,
) -> Conclusion {
    match evaluation {
        Evaluation::Answered { requests, skip_reason, cursor } => {
            match check_answer(&requests, cursor.as_deref(), jobs) {
                Ok(()) => answered(requests, skip_reason, cursor, kind, used, new_id),
                Err(error) => failed(error, None, true),
            }
        }
        Evaluation::Failed { error, passed } => failed(error, passed, true),
        Evaluation::Unreachable { error } => failed(error, None, false),
    }
}

/// The run keys of some requests.
pub fn keys(requests: &[RunRequest]) -> BTreeSet<String> {
    requests.iter().filter_map(|request| request.run_key.clone()).collect()
}

fn answered(
    requests: Vec<RunRequest>,
    skip_reason: Option<String>,
    cursor: Option<String>,
    kind: InstigatorKind,
    used: &BTreeSet<String>,
    mut new_id: impl FnMut() -> RunId,
) -> Conclusion {
    let (mut runs, mut taken, mut repeated) = (vec![], BTreeSet::new(), vec![]);
    for request in requests {
        let is_new = match &request.run_key {
            Some(key) if used.contains(key) || !taken.insert(key.clone()) => {
                repeated.push(key.clone());
                false
            }
            _ => true,
        };
        if is_new {
            runs.push(ReservedRun { run: new_id(), request });
        }
    }
    let status = if runs.is_empty() { TickStatus::Skipped } else { TickStatus::Succeeded };
    let reason = match (repeated.is_empty(), status) {
        (false, _) => Some(told(&repeated)),
        (true, TickStatus::Skipped) => {
            Some(skip_reason.unwrap_or_else(|| format!("the {} asked for no run", kind.word())))
        }
        (true, _) => None,
    };
    Conclusion { status, reason: reason.map(cut), counts: false, cursor, runs }
}

fn failed(error: String, cursor: Option<String>, counts: bool) -> Conclusion {
    Conclusion { status: TickStatus::Failed, reason: Some(cut(error)), counts, cursor, runs: vec![] }
}

/// Refuses an answer that is too large or asks for what it may not: all of it, so that nothing is lost unseen.
pub fn check_answer(requests: &[RunRequest], cursor: Option<&str>, jobs: &[Name]) -> Result<(), String> {
    if requests.len() > REQUESTS_MAX {
        return Err(format!(
            "asked for {} runs at once, at most {REQUESTS_MAX} are allowed; ask for the rest in the next tick",
            requests.len()
        ));
    }
    if let Some(cursor) = cursor.filter(|cursor| cursor.len() > CURSOR_BYTES_MAX) {
        return Err(format!(
            "gave a cursor of {} bytes, at most {CURSOR_BYTES_MAX} are kept; keep a place in it, not what lies there",
            cursor.len()
        ));
    }
    if cursor.is_some_and(|cursor| cursor.contains('\0')) {
        return Err("gave a cursor with a character NUL, which no database keeps".to_owned());
    }
    for (number, request) in (1..).zip(requests) {
        check_request(request, jobs).map_err(|why| format!("run request {number}: {why}"))?;
    }
    Ok(())
}

fn check_request(request: &RunRequest, jobs: &[Name]) -> Result<(), String> {
    if let Some(key) = request.run_key.as_ref().filter(|key| key.len() > RUN_KEY_BYTES_MAX) {
        return Err(format!("its run key has {} bytes, at most {RUN_KEY_BYTES_MAX} are kept", key.len()));
    }
    if request.run_key.as_ref().is_some_and(|key| key.contains('\0')) {
        return Err("its run key has a character NUL, which no database keeps".to_owned());
    }
    let names = || jobs.iter().map(|job| format!("`{job}`")).collect::<Vec<_>>().join(", ");
    match &request.job {
        Some(job) if !jobs.contains(job) => {
            Err(format!("it is for job `{job}`, expected one of {}", names()))
        }
        None if jobs.len() > 1 => Err(format!("it names no job, expected one of {}", names())),
        _ => Ok(()),
    }
}

fn told(keys: &[String]) -> String {
    let shown: Vec<String> =
        keys.iter().take(KEYS_SHOWN_MAX).map(|key| format!("`{}`", key.escape_debug())).collect();
    let rest = match keys.len().saturating_sub(KEYS_SHOWN_MAX) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!("no new run for run keys that had one before: {}{rest}", shown.join(", "))
}

/// Cut to what is kept, between two characters.
fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(REASON_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(key: Option<&str>) -> RunRequest {
        RunRequest { run_key: key.map(str::to_owned), ..RunRequest::default() }
    }

    fn answer(keys: &[Option<&str>]) -> Evaluation {
        Evaluation::Answered {
            requests: keys.iter().map(|key| request(*key)).collect(),
            skip_reason: None,
            cursor: Some("next".to_owned()),
        }
    }

    fn ends(evaluation: Evaluation, jobs: &[&str], used: &[&str]) -> Conclusion {
        let jobs: Vec<Name> = jobs.iter().map(|job| Name::new(job).unwrap()).collect();
        let used = used.iter().map(|key| (*key).to_owned()).collect();
        let mut n = 0;
        let id = || {
            n += 1;
            RunId(uuid::Uuid::from_u128(n))
        };
        conclude(evaluation, InstigatorKind::Sensor, &jobs, &used, id)
    }

    fn keys_of(conclusion: &Conclusion) -> Vec<Option<&str>> {
        conclusion.runs.iter().map(|run| run.request.run_key.as_deref()).collect()
    }

    #[test]
    fn i4_several_requests_of_one_tick_give_as_many_runs_but_one_for_a_key() {
        let end = ends(answer(&[Some("a"), None, Some("b"), Some("a"), None]), &["j"], &["b"]);
        assert_eq!(keys_of(&end), [Some("a"), None, None]);
        assert_eq!(end.status, TickStatus::Succeeded);
        assert_eq!(end.cursor.as_deref(), Some("next"));
        insta::assert_snapshot!(end.reason.unwrap(), @"no new run for run keys that had one before: `b`, `a`");
        let ids: BTreeSet<RunId> = end.runs.iter().map(|run| run.run).collect();
        assert_eq!(ids.len(), 3);
    }

    #[test]
    fn i4_a_tick_without_a_new_run_is_skipped_with_its_reason_and_moves_the_cursor() {
        let end = ends(answer(&[Some("a")]), &["j"], &["a"]);
        assert_eq!((end.status, end.cursor.as_deref()), (TickStatus::Skipped, Some("next")));
        let silent = ends(answer(&[]), &["j"], &[]);
        insta::assert_snapshot!(silent.reason.unwrap(), @"the sensor asked for no run");
        let skip_reason = Some("no file yet".to_owned());
        let told = Evaluation::Answered { requests: vec![], skip_reason, cursor: None };
        let told = ends(told, &["j"], &[]);
        assert_eq!((told.reason.as_deref(), told.cursor), (Some("no file yet"), None));
    }

    #[test]
    fn i4_i5_a_failure_leaves_the_cursor_unless_the_sensor_reacts_to_what_has_happened() {
        let error = || "boom".to_owned();
        let plain = ends(Evaluation::Failed { error: error(), passed: None }, &["j"], &[]);
        assert_eq!((plain.status, plain.counts, plain.cursor), (TickStatus::Failed, true, None));
        let passed = Some("event 7".to_owned());
        let reacting = ends(Evaluation::Failed { error: error(), passed: passed.clone() }, &["j"], &[]);
        assert_eq!((reacting.status, reacting.cursor), (TickStatus::Failed, passed));
        let away = ends(Evaluation::Unreachable { error: error() }, &["j"], &[]);
        assert_eq!((away.status, away.counts), (TickStatus::Failed, false));
    }

    #[test]
    fn c_32_an_answer_beyond_its_bounds_fails_the_tick_and_says_which_bound() {
        let long = |n| "x".repeat(n);
        let many = vec![request(None); REQUESTS_MAX + 1];
        let cursor = Some(long(CURSOR_BYTES_MAX + 1));
        let key = request(Some(&long(RUN_KEY_BYTES_MAX + 1)));
        let other = RunRequest { job: Some(Name::new("other").unwrap()), ..RunRequest::default() };
        let one = |requests| Evaluation::Answered { requests, skip_reason: None, cursor: None };
        let answers = [
            (one(many), vec!["j"]),
            (Evaluation::Answered { requests: vec![], skip_reason: None, cursor }, vec!["j"]),
            (one(vec![request(None), key]), vec!["j"]),
            (one(vec![request(Some("a\0b"))]), vec!["j"]),
            (one(vec![other]), vec!["j", "k"]),
            (one(vec![request(None)]), vec!["j", "k"]),
        ];
        let ends: Vec<Conclusion> =
            answers.into_iter().map(|(answer, jobs)| ends(answer, &jobs, &[])).collect();
        assert!(ends.iter().all(|end| end.status == TickStatus::Failed && end.runs.is_empty()));
        let reasons: Vec<String> = ends.into_iter().filter_map(|end| end.reason).collect();
        insta::assert_snapshot!(reasons.join("\n"));
    }

    #[test]
    fn a_long_error_is_cut_between_two_characters() {
        let end = ends(Evaluation::Failed { error: "é".repeat(REASON_BYTES_MAX), passed: None }, &["j"], &[]);
        assert_eq!(end.reason.unwrap().len(), REASON_BYTES_MAX);
    }
}
