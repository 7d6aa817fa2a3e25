//! Who did what to an instance: a file that only grows, with a line for each thing that was changed, by whom and from
//! where, and for what was refused. Each line carries the hash of the one before, so that a line which was changed or
//! taken out later shows.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cofferdam_model::Timestamp;
use cofferdam_scheduler::Clock;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// In the state folder.
const FILE: &str = "audit.jsonl";
/// Refusals that are written down in one [`REFUSALS_PERIOD`]: who is refused must not fill the disk.
const REFUSALS_MAX: u64 = 60;
const REFUSALS_PERIOD: Duration = Duration::from_secs(60);
/// Bytes of one line that are written at most; what a deed is about is left out of a longer one.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// RFC 3339.
    pub at: String,
    pub who: String,
    /// None for what was done on the host itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
    pub did: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub about: Map<String, Value>,
    /// Why it was not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Refusals before this one that were not written down.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
    /// Hash of the line before: 64 hexadecimal digits, or nothing in the first line.
    pub previous: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("failed to write the audit log {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to read the audit log {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("line {line} of {} is none of an audit log", path.display())]
    Damaged { path: PathBuf, line: usize },
    #[error("line {line} of {} does not follow from the line before it: one of them was changed, or some were taken out", path.display())]
    Broken { path: PathBuf, line: usize },
}

/// Writes the lines of one instance. Several processes may write one file.
pub struct Audit {
    path: PathBuf,
    clock: Clock,
    written: Arc<Mutex<Written>>,
}

#[derive(Default)]
struct Written {
    /// Length of the file, and hash of its last line, as this process left it.
    tail: Option<(u64, String)>,
    /// Since when refusals are counted, how many, and how many of those were left out.
    period: Timestamp,
    n_refused: u64,
    left_out: u64,
}

impl Audit {
    pub fn new(folder: &Path, clock: Clock) -> Audit {
        Audit { path: folder.join(FILE), clock, written: Arc::default() }
    }

    /// The time by the clock that the log is written by.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Writes down what is done; it is on disk when this answers.
    pub async fn did(
        &self,
        who: &str,
        from: Option<IpAddr>,
        did: &str,
        about: Value,
    ) -> Result<(), AuditError> {
        let about = match about {
            Value::Object(about) => about,
            _ => Map::new(),
        };
        let entry = self.entry(who, from, did, about, None);
        let (path, written) = (self.path.clone(), self.written.clone());
        let done = tokio::task::spawn_blocking(move || {
            let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
            append(&path, &mut written, entry, true)
        });
        let done = done.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        done.map_err(|source| AuditError::Write { path: self.path.clone(), source })
    }

    /// Writes down what was refused, unless there are too many of them. If that fails, nothing else can be done.
    pub fn refused(&self, who: &str, from: IpAddr, did: &str, why: &str) {
        let now = (self.clock)();
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(written.period) >= REFUSALS_PERIOD {
            (written.period, written.n_refused) = (now, 0);
        }
        written.n_refused += 1;
        if written.n_refused > REFUSALS_MAX {
            written.left_out += 1;
            return;
        }
        let entry = self.entry(who, Some(from), did, Map::new(), Some(why.to_owned()));
        if let Err(error) = append(&self.path, &mut written, entry, false) {
            tracing::warn!(%error, "a refusal could not be written to the audit log");
        }
    }

    fn entry(
        &self,
        who: &str,
        from: Option<IpAddr>,
        did: &str,
        about: Map<String, Value>,
        refused: Option<String>,
    ) -> Entry {
        let (at, who, did) = ((self.clock)().to_string(), who.to_owned(), did.to_owned());
        Entry { at, who, from, did, about, refused, left_out: 0, previous: String::new() }
    }
}

/// The lines of the instance in this folder, the oldest first, up to the first that does not follow from the one before.
pub fn entries(folder: &Path) -> Result<impl Iterator<Item = Result<Entry, AuditError>> + use<>, AuditError> {
    let path = folder.join(FILE);
    let file: Box<dyn io::Read> = match File::open(&path) {
        Ok(file) => Box::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Box::new(io::empty()),
        Err(source) => return Err(AuditError::Read { path, source }),
    };
    let mut previous = String::new();
    let lines = BufReader::new(file).split(b'\n').enumerate();
    Ok(lines.map(move |(at, line)| {
        let (path, line_number) = (path.clone(), at + 1);
        let line = line.map_err(|source| AuditError::Read { path: path.clone(), source })?;
        let damaged = |_| AuditError::Damaged { path: path.clone(), line: line_number };
        let entry: Entry = serde_json::from_slice(&line).map_err(damaged)?;
        if entry.previous != previous {
            return Err(AuditError::Broken { path, line: line_number });
        }
        previous = hash(&line);
        Ok(entry)
    }))
}

fn hash(line: &[u8]) -> String {
    blake3::hash(line).to_hex().to_string()
}

fn append(path: &Path, written: &mut Written, mut entry: Entry, durably: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).read(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    // Until the file is closed.
    file.lock()?;
    let length = file.metadata()?.len();
    entry.previous = match &written.tail {
        Some((known, last)) if *known == length => last.clone(),
        _ => last_line(&mut file, length)?,
    };
    entry.left_out = written.left_out;
    let mut line = serde_json::to_string(&entry).expect("an entry can be written as JSON");
    if line.len() > LINE_BYTES_MAX {
        entry.about = [("left_out".to_owned(), Value::Bool(true))].into_iter().collect();
        entry.refused = entry.refused.map(|_| "for a reason too long to be kept".to_owned());
        line = serde_json::to_string(&entry).expect("an entry can be written as JSON");
    }
    let last = hash(line.as_bytes());
    line.push('\n');
    file.write_all(line.as_bytes())?;
    if durably {
        file.sync_data()?;
    }
    written.left_out = 0;
    written.tail = Some((length + line.len() as u64, last));
    Ok(())
}

/// Hash of the last whole line. What a process that died has left of a line is ended first, and shows as damage.
fn last_line(file: &mut File, length: u64) -> io::Result<String> {
    let start = length.saturating_sub(2 * LINE_BYTES_MAX as u64);
    file.seek(SeekFrom::Start(start))?;
    let mut end = vec![];
    file.read_to_end(&mut end)?;
    let Some(text) = end.strip_suffix(b"\n") else {
        if end.is_empty() {
            return Ok(String::new());
        }
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "its last line is not whole: mend it, or move the file away and start a new one",
        ));
    };
    let line = text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(hash(line))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn clock(at: u64) -> Clock {
        Arc::new(move || Timestamp(at))
    }

    fn all(folder: &Path) -> Vec<Entry> {
        entries(folder).unwrap().map(Result::unwrap).collect()
    }

    #[tokio::test]
    async fn f16_each_line_follows_from_the_one_before_whoever_wrote_it_and_a_changed_one_shows() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (Audit::new(folder.path(), clock(0)), Audit::new(folder.path(), clock(1)));
        for n in 0..3 {
            one.did("token `ci`", Some(HERE), "run.submit", json!({ "run": n })).await.unwrap();
            other.did("the host", None, "token.create", json!({})).await.unwrap();
            one.refused("token `ci`", HERE, "worker.drain", "that takes the role operator");
        }
        let found = all(folder.path());
        assert_eq!(found.len(), 9);
        assert_eq!((found[0].previous.as_str(), found[3].about["run"].clone()), ("", json!(1)));
        assert_eq!(found[2].refused.as_deref(), Some("that takes the role operator"));
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let broken = |changed: Vec<&str>| {
            std::fs::write(&path, changed.join("\n") + "\n").unwrap();
            entries(folder.path()).unwrap().find_map(Result::err).unwrap().to_string()
        };
        let without = [&lines[..4], &lines[5..]].concat();
        assert!(broken(without).starts_with("line 5 of "));
        let other = lines[4].replace("token.create", "run.cancel");
        let changed = [&lines[..4], &[other.as_str()], &lines[5..]].concat();
        assert!(broken(changed).starts_with("line 6 of "));
        let torn = format!("{}\n{{\"at\":", lines[..2].join("\n"));
        std::fs::write(&path, torn).unwrap();
        assert!(entries(folder.path()).unwrap().nth(2).unwrap().is_err());
        let refused = one.did("x", None, "y", json!({})).await.unwrap_err();
        assert!(refuse_text(&refused).contains("its last line is not whole"), "{refused}");
    }

    fn refuse_text(error: &AuditError) -> String {
        crate::refuse::chain(error)
    }

    #[test]
    fn who_is_refused_again_and_again_does_not_fill_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let now = Arc::new(Mutex::new(Timestamp(0)));
        let told = now.clone();
        let audit = Audit::new(folder.path(), Arc::new(move || *told.lock().unwrap()));
        for _ in 0..1000 {
            audit.refused("nobody", HERE, "call", "no token");
        }
        assert_eq!(all(folder.path()).len() as u64, REFUSALS_MAX);
        *now.lock().unwrap() = Timestamp(0) + REFUSALS_PERIOD;
        audit.refused("nobody", HERE, "call", &"x".repeat(LINE_BYTES_MAX));
        let found = all(folder.path());
        assert_eq!(found.last().unwrap().left_out, 1000 - REFUSALS_MAX);
        assert_eq!(found.last().unwrap().refused.as_deref(), Some("for a reason too long to be kept"));
    }
}
