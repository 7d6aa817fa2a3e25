//! The disk under a store is full for a while.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use cofferdam_model::*;
use cofferdam_runlog::*;

/// Set in the process that has a small disk of its own: where that is.
const DISK: &str = "COFFERDAM_TEST_DISK";
/// This test, which is also the program that it starts.
const TEST: &str = "f_45_a_full_disk_refuses_what_does_not_fit_and_harms_nothing";

/// Runs the test again, in a process with a disk that nobody else sees.
fn on_a_small_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=4m none \"$COFFERDAM_TEST_DISK\" && exec \"$@\"";
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "sh", "-c", mount, "sh"]).arg(std::env::current_exe().unwrap());
    let output = command.args(["--exact", TEST, "--nocapture"]).env(DISK, folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

fn recorded(seq: u64) -> Recorded {
    let step = StepKey::new(&format!("a[{}]", "x".repeat(1000)));
    Recorded { seq, at: Timestamp(seq), event: Event::StepSkipped { step, input: Name::result() } }
}

async fn append(log: &Sqlite, run: RunId, term: Term, seq: u64) -> Result<(), AppendError> {
    log.append(vec![Batch { run, expected_seq: seq - 1, term, events: vec![recorded(seq)] }]).await
}

fn fill(folder: &Path) -> PathBuf {
    let filler = folder.join("filler");
    let full = std::io::copy(&mut std::io::repeat(0), &mut File::create(&filler).unwrap());
    assert_eq!(full.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    filler
}

#[tokio::test]
async fn f_45_a_full_disk_refuses_what_does_not_fit_and_harms_nothing() {
    let Some(folder) = std::env::var_os(DISK).map(PathBuf::from) else { return on_a_small_disk() };
    let store = folder.join("runs.db");
    let log = Sqlite::open(&store).unwrap();
    let term = log.take_term(Term(0)).await.unwrap();
    let new = NewRun {
        run: RunId(uuid::Uuid::from_u128(1)),
        job: Name::key("job").unwrap(),
        plan: vec![],
        digest: ValueDigest::of(b""),
        tags: BTreeMap::new(),
        created_at: Timestamp(0),
        idempotency_key: None,
        origin: None,
        known: Known::default(),
    };
    let run = log.create_run(new).await.unwrap();
    let mut answered = 0;
    for _ in 0..3 {
        for _ in 0..20 {
            append(&log, run, term, answered + 1).await.unwrap();
            answered += 1;
        }
        let filler = fill(&folder);
        // What the file has room for still fits.
        let refused = loop {
            match append(&log, run, term, answered + 1).await {
                Ok(()) => answered += 1,
                Err(refused) => break refused,
            }
        };
        let cause = std::error::Error::source(&refused).map(ToString::to_string);
        assert!(cause.is_some_and(|cause| cause.contains("full")), "{refused:?}");
        assert_eq!(
            log.history(run, 1).await.unwrap().len() as u64,
            answered,
            "what was answered can be read"
        );
        std::fs::remove_file(filler).unwrap();
    }
    drop(log);
    let db = rusqlite::Connection::open(&store).unwrap();
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let log = Sqlite::open(&store).unwrap();
    assert!(log.history(run, 1).await.unwrap().into_iter().eq((1..=answered).map(recorded)));
}
