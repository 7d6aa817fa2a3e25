//! A process that appends is killed, again and again; what it was answered must be there.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cofferdam_model::*;
use cofferdam_runlog::*;

/// Set in the process that appends: the store, and the number of the run.
const STORE: &str = "COFFERDAM_TEST_STORE";
const RUN: &str = "COFFERDAM_TEST_RUN";
/// This test, which is also the program that it starts.
const TEST: &str = "f_45_a_store_survives_kills_and_keeps_all_that_it_has_answered";

const KILLS: u64 = 20;
/// Signal of `kill -9`.
const SIGKILL: i32 = 9;

fn new_run(n: u64) -> NewRun {
    NewRun {
        run: RunId(uuid::Uuid::from_u128(u128::from(n))),
        job: Name::key("job").unwrap(),
        plan: b"plan".to_vec(),
        digest: ValueDigest::of(b"plan"),
        tags: BTreeMap::new(),
        created_at: Timestamp(0),
        idempotency_key: None,
        origin: None,
        known: Known::default(),
    }
}

/// Large enough that the log is moved to the file while a process lives.
fn recorded(seq: u64) -> Recorded {
    let value = ValueRef::inline(CBOR, seq.to_le_bytes().repeat(128));
    let event = Event::StepSucceeded {
        step: StepKey::new(&format!("a[{seq}]")),
        attempt: 1,
        fence: Fence(seq),
        outputs: vec![Output { name: Name::result(), key: None, value, metadata: vec![] }],
        metadata: vec![],
        usage: Usage::default(),
        memo: None,
    };
    Recorded { seq, at: Timestamp(seq), event }
}

/// Appends until it is killed; says each sequence number that was answered, one a line.
async fn append_for_ever(store: &Path, number: u64) {
    let log = Sqlite::open(store).unwrap();
    let term = log.take_term(Term(0)).await.unwrap();
    let run = log.create_run(new_run(number)).await.unwrap();
    let mut seq = 0;
    loop {
        let events: Vec<Recorded> = (seq + 1..=seq + 1 + seq % 3).map(recorded).collect();
        let last = events.last().unwrap().seq;
        log.append(vec![Batch { run, expected_seq: seq, term, events }]).await.unwrap();
        seq = last;
        // In one write, so that no kill cuts a number.
        std::io::stderr().write_all(format!("{seq}\n").as_bytes()).unwrap();
    }
}

fn start(store: &Path, number: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(STORE, store)
        .env(RUN, number.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills it after so many answers; what the last answer was.
fn kill_after(mut child: Child, n_answers: usize) -> u64 {
    let mut answers = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut last = 0;
    for n in 0.. {
        let Some(line) = answers.next() else {
            break;
        };
        let line = line.unwrap();
        last = line.parse().unwrap_or_else(|_| panic!("the process says: {line}"));
        if n == n_answers {
            child.kill().unwrap();
        }
    }
    assert_eq!(child.wait().unwrap().signal(), Some(SIGKILL), "it was killed");
    last
}

#[tokio::test]
async fn f_45_a_store_survives_kills_and_keeps_all_that_it_has_answered() {
    if let Some(store) = std::env::var_os(STORE) {
        let number = std::env::var(RUN).unwrap().parse().unwrap();
        return append_for_ever(Path::new(&store), number).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("runs.db");
    let mut kept = vec![];
    for number in 1..=KILLS {
        let answered = kill_after(start(&store, number), usize::try_from(number * 8).unwrap());
        // By readers, which leave the WAL as the kill left it: the next process has to recover.
        check_integrity(&store);
        let log = Sqlite::open_read_only(&store).unwrap();
        let run = new_run(number).run;
        let events = log.history(run, 1).await.unwrap();
        let last = events.len() as u64;
        assert!(last >= answered, "kill {number}: {answered} were answered, {last} are there");
        assert!(events.into_iter().eq((1..=last).map(recorded)), "kill {number}: all in order, none torn");
        kept.push((run, last));
    }
    let moved = std::fs::metadata(&store).unwrap().len();
    assert!(moved > 1 << 20, "the WAL was moved to the file while processes lived and died");
    let log = Sqlite::open(&store).unwrap();
    for (run, last) in kept {
        assert_eq!(log.summary(run).await.unwrap().last_seq, last, "the projection agrees");
        let seqs = log.history(run, 1).await.unwrap().into_iter().map(|recorded| recorded.seq);
        assert!(seqs.eq(1..=last), "what was there stays there");
    }
    drop(log);
    check_integrity(&store);
}

fn check_integrity(store: &Path) {
    let db =
        rusqlite::Connection::open_with_flags(store, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}
