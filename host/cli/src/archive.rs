//! A run in one file: what it was, its plan, its history and its log lines, as `cofferdam runs export` writes them and
//! `cofferdam show --file` reads them. A tar file of four entries, so that other programs can look into it as well.
//!
//! Values and libraries are not in it, other than the small values that lie in the events themselves.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use cofferdam_model::{Known, Name, Origin, Plan, Recorded, RunId, Term, Timestamp, ValueDigest};
use cofferdam_runlog::{Batch, LogFilter, LogRecord, Memory, NewRun, PAGE_ROWS_MAX, RunLog, StoredLog};
use cofferdam_scheduler::again;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::draft::Draft;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;

/// Of the form below; a reader refuses others.
const FORMAT: &str = "cofferdam.run-archive/v1";
/// Bytes of an entry that are read; a run of a million events has some 500 MB.
const ENTRY_BYTES_MAX: u64 = 2 << 30;
/// Permissions of an entry: what ops write may be nobody else's business.
const ENTRY_MODE: u32 = 0o600;

const ABOUT: &str = "run.json";
const PLAN: &str = "plan.cbor";
const EVENTS: &str = "events.jsonl";
const LOGS: &str = "logs.jsonl";

/// The first entry.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    format: String,
    /// Version of the program that wrote it, and what it ran on.
    written_by: String,
    run: RunId,
    job: Name,
    plan: ValueDigest,
    tags: BTreeMap<String, String>,
    created_at: Timestamp,
    origin: Option<Origin>,
    known: Known,
}

/// Writes a run as it is now.
pub(crate) async fn write(log: &dyn RunLog, run: RunId, mut draft: Draft) -> Result<()> {
    let read = "read the run log";
    let summary = log.summary(run).await.doing(Exit::Unreachable, read)?;
    let about = About {
        format: FORMAT.to_owned(),
        written_by: format!(
            "cofferdam {} {} {}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH
        ),
        run,
        job: summary.job,
        plan: summary.plan,
        tags: summary.tags,
        created_at: summary.created_at,
        origin: summary.origin,
        known: log.known(run).await.doing(Exit::Unreachable, read)?,
    };
    let plan = log.plan(run).await.doing(Exit::Unreachable, read)?;
    let events = log.history(run, 1).await.doing(Exit::Unreachable, read)?;
    let lines = all_lines(log, run).await?;
    let entries = [
        (ABOUT, serde_json::to_vec_pretty(&about).expect("it can be written as JSON")),
        (PLAN, plan),
        (EVENTS, json_lines(&events)),
        (LOGS, json_lines(&lines)),
    ];
    draft.write(|file| pack(file, &entries))?;
    draft.finish()
}

async fn all_lines(log: &dyn RunLog, run: RunId) -> Result<Vec<StoredLog>> {
    let mut lines: Vec<StoredLog> = vec![];
    loop {
        let from = lines.last().map_or(0, |last| last.number + 1);
        let page = log.logs(run, LogFilter::default(), from, PAGE_ROWS_MAX).await;
        let page = page.doing(Exit::Unreachable, "read the log lines")?;
        if page.is_empty() {
            return Ok(lines);
        }
        lines.extend(page);
    }
}

fn json_lines<T: Serialize>(items: &[T]) -> Vec<u8> {
    let mut text = vec![];
    for item in items {
        serde_json::to_writer(&mut text, item).expect("it can be written as JSON");
        text.push(b'\n');
    }
    text
}

fn pack(file: &mut File, entries: &[(&str, Vec<u8>)]) -> std::io::Result<()> {
    let mut archive = tar::Builder::new(file);
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(ENTRY_MODE);
        archive.append_data(&mut header, name, bytes.as_slice())?;
    }
    archive.finish()
}

/// A run log with nothing but the run of a file in it, for reading.
pub(crate) async fn open(path: &Path) -> Result<Arc<dyn RunLog>> {
    let entries = Entries::read(path)?;
    let about: About = entries.json(ABOUT)?;
    if about.format != FORMAT {
        return Err(entries
            .foreign(&format!("it has the form `{}`, and this program reads `{FORMAT}`", about.format)));
    }
    let plan = entries.bytes(PLAN)?.to_vec();
    let decoded = Plan::decode(&plan).map_err(|error| entries.foreign(&format!("{PLAN}: {error}")))?;
    if decoded.job != about.job || ValueDigest::of(&plan) != about.plan {
        return Err(entries.foreign("its plan is that of another run"));
    }
    let events: Vec<Recorded> = entries.lines(EVENTS)?;
    let lines: Vec<StoredLog> = entries.lines(LOGS)?;
    let run = about.run;
    let new = NewRun {
        run,
        job: about.job,
        plan,
        digest: about.plan,
        tags: about.tags,
        created_at: about.created_at,
        idempotency_key: None,
        origin: about.origin,
        known: about.known,
    };
    let log = Memory::new();
    let unreadable = |error: &dyn std::error::Error| entries.foreign(&error.to_string());
    let term = log.take_term(Term(0)).await.map_err(|error| unreadable(&error))?;
    log.create_run(new).await.map_err(|error| unreadable(&error))?;
    if !events.is_empty() {
        let batch = Batch { run, expected_seq: 0, term, events };
        log.append(vec![batch]).await.map_err(|error| unreadable(&error))?;
    }
    let lines = lines.into_iter();
    let records = lines.map(|StoredLog { step, attempt, line, .. }| LogRecord { run, step, attempt, line });
    log.append_logs(records.collect()).await.map_err(|error| unreadable(&error))?;
    // Events that cannot have happened are the file's fault, not that of who reads them later.
    let history = again::load(&log, run).await;
    history.map_err(|error| entries.foreign("its events fit no run").because(&error))?;
    Ok(Arc::new(log))
}

/// What is in a file.
struct Entries<'a> {
    path: &'a Path,
    all: Vec<(String, Vec<u8>)>,
}

impl Entries<'_> {
    fn read(path: &Path) -> Result<Entries<'_>> {
        let mut entries = Entries { path, all: vec![] };
        let doing = || format!("read {}", path.display());
        let file = File::open(path).doing(Exit::Usage, doing())?;
        let length = match file.metadata() {
            Ok(about) if about.is_file() => about.len(),
            _ => return Err(entries.foreign("it is no file")),
        };
        let mut archive = tar::Archive::new(BufReader::new(file));
        let unreadable = |error: std::io::Error| Entries { path, all: vec![] }.foreign(&error.to_string());
        for entry in archive.entries().map_err(unreadable)? {
            let mut entry = entry.map_err(unreadable)?;
            let name = entry.path().map_err(unreadable)?.display().to_string();
            if ![ABOUT, PLAN, EVENTS, LOGS].contains(&name.as_str()) {
                continue;
            }
            // Nothing is packed: an entry that is longer than the file says so to have room made for it.
            if entry.size() > ENTRY_BYTES_MAX.min(length) {
                return Err(entries.foreign(&format!("{name} has more bytes than there may be")));
            }
            if entries.all.iter().any(|(known, _)| *known == name) {
                return Err(entries.foreign(&format!("it has {name} twice")));
            }
            let mut bytes = vec![];
            entry.read_to_end(&mut bytes).map_err(unreadable)?;
            entries.all.push((name, bytes));
        }
        Ok(entries)
    }

    fn foreign(&self, why: &str) -> Failed {
        Failed::invalid(format!("{} is no run that can be read: {why}", self.path.display()))
            .hint("`cofferdam runs export RUN FILE` writes one")
    }

    fn bytes(&self, name: &str) -> Result<&[u8]> {
        let found = self.all.iter().find(|(known, _)| known == name);
        found.map(|(_, bytes)| bytes.as_slice()).ok_or_else(|| self.foreign(&format!("it lacks {name}")))
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        serde_json::from_slice(self.bytes(name)?).map_err(|error| self.foreign(&format!("{name}: {error}")))
    }

    fn lines<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<T>> {
        let lines = self.bytes(name)?.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).zip(1..);
        lines
            .map(|(line, number)| {
                serde_json::from_slice(line)
                    .map_err(|error| self.foreign(&format!("{name}, line {number}: {error}")))
            })
            .collect()
    }
}
