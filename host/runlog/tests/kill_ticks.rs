//! A process that opens and ends ticks is killed, again and again: the cursor, the run keys and the runs that were asked
//! for always belong to the same last tick.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cofferdam_model::*;
use cofferdam_runlog::*;

/// Set in the process that ticks: the store.
const STORE: &str = "COFFERDAM_TEST_STORE";
/// This test, which is also the program that it starts.
const TEST: &str = "i2_i_13_after_any_kill_a_tick_has_ended_with_all_that_belongs_to_it_or_is_to_be_resumed";

const KILLS: usize = 15;
/// Signal of `kill -9`.
const SIGKILL: i32 = 9;

fn sensor() -> Instigator {
    "sensor/main/counter".parse().unwrap()
}

/// Where the cursor is: so many ticks have ended.
async fn cursor(log: &Sqlite) -> u64 {
    let states = log.instigators().await.unwrap();
    states.first().and_then(|state| state.cursor.as_ref()).map_or(0, |cursor| cursor.parse().unwrap())
}

/// Ticks until it is killed: each tick asks for two runs, under the next two keys. Says each tick that has ended.
async fn tick_for_ever(store: &Path) {
    let log = Sqlite::open(store).unwrap();
    let term = log.take_term(Term(0)).await.unwrap();
    log.watch(vec![(sensor(), String::new())], Timestamp(0)).await.unwrap();
    loop {
        let next = cursor(&log).await + 1;
        let at = Timestamp(next);
        let tick = log.open_tick(NewTick { term, instigator: sensor(), at, now: at }).await.unwrap();
        let run = |n: u64| {
            let key = (2 * next + n).to_string();
            let request = RunRequest { run_key: Some(key), ..RunRequest::default() };
            ReservedRun { run: RunId(uuid::Uuid::from_u128((2 * next + n).into())), request }
        };
        let end = TickEnd {
            term,
            number: tick.number,
            now: at,
            status: TickStatus::Succeeded,
            reason: None,
            counts: false,
            cursor: Some(next.to_string()),
            runs: vec![run(0), run(1)],
            logs: vec![],
        };
        log.close_tick(end).await.unwrap();
        // In one write, so that no kill cuts a number.
        std::io::stderr().write_all(format!("{next}\n").as_bytes()).unwrap();
    }
}

fn start(store: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(STORE, store)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills it after so many answers; what the last answer was.
fn kill_after(mut child: Child, n_answers: usize) -> u64 {
    let mut last = 0;
    for (n, line) in BufReader::new(child.stderr.take().unwrap()).lines().enumerate() {
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
async fn i2_i_13_after_any_kill_a_tick_has_ended_with_all_that_belongs_to_it_or_is_to_be_resumed() {
    if let Some(store) = std::env::var_os(STORE) {
        return tick_for_ever(Path::new(&store)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("runs.db");
    for kill in 0..KILLS {
        let answered = kill_after(start(&store), kill * 7);
        let log = Sqlite::open_read_only(&store).unwrap();
        let ended = cursor(&log).await;
        assert!(ended >= answered, "kill {kill}: {answered} were answered, the cursor is at {ended}");
        let reserved = log.reservations(PAGE_ROWS_MAX).await.unwrap();
        let runs: Vec<u128> = reserved.iter().map(|reserved| reserved.run.0.as_u128()).collect();
        let expected: Vec<u128> = (2..2 * u128::from(ended) + 2).collect();
        assert_eq!(runs, expected, "kill {kill}: each run once, and none beyond the cursor");
        let keys: Vec<String> = (2..2 * ended + 6).map(|key| key.to_string()).collect();
        let used = log.used_run_keys(sensor(), keys.clone()).await.unwrap();
        assert_eq!(used, keys[..runs.len()], "kill {kill}: the keys of those runs and no others");
        let open = log.open_ticks().await.unwrap();
        assert!(open.len() <= 1 && open.iter().all(|tick| tick.at.0 == ended + 1), "kill {kill}: {open:?}");
    }
}
