//! What a cell can say once it has been taken over, and what a supervisor makes of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_cell::{Artefacts, CellCommand};
use cofferdam_depot::Depot;
use cofferdam_io::{Stores, ValueStore};
use cofferdam_model::{
    AttemptId, Fence, Isolation, LibraryDigest, LogLevel, LogLine, LogSource, Name, Progress, RunId, StepKey,
    Timestamp,
};
use cofferdam_resources::Resources;

use super::*;
use crate::Settings;
use crate::job::Owner;
use crate::slot::Slot;
use crate::spent::Spent;

/// A process that says nothing: the test speaks for it.
fn command() -> CellCommand {
    CellCommand { program: PathBuf::from("/bin/sleep"), run: vec!["60".into()], compile: vec![] }
}

fn job(ticket: Ticket, namespace: &str) -> Job {
    let run = RunId(uuid::Uuid::from_u128(7));
    let id = AttemptId { run, step: StepKey::new(namespace), attempt: 1, fence: Fence(ticket) };
    let op = Name::new("op").expect("a name");
    let assignment =
        Assignment { namespace: namespace.to_owned(), ..Assignment::new(id, LibraryDigest([1; 32]), op) };
    Job {
        ticket,
        assignment: Box::new(assignment),
        readable: vec![],
        spent: Spent::new(Instant::now()),
        started: true,
        n_lines: 0,
        resent: 0,
        cancelled: false,
    }
}

/// A worker with two cells: the first one runs attempt 1 of one namespace, the second one attempt 2 of another.
fn supervisor(folder: &std::path::Path) -> Supervisor {
    let settings = Settings {
        slots: 2,
        cell: command(),
        isolation: Isolation::Tenant,
        artefacts: folder.to_owned(),
        clock: || Timestamp(1),
        environment: |_| None,
        compiled: None,
        observer: None,
    };
    let stores = Stores::from(ValueStore::memory(Name::new("default").expect("a name")));
    let resources = Arc::new(Resources::new(folder, folder, |_| None));
    let artefacts = Artefacts::open(folder, command()).expect("the folder can be used");
    let mut supervisor = Supervisor::new(settings, Depot::memory(), stores, resources, artefacts);
    let (events, _) = mpsc::channel(1);
    for (at, namespace) in [(0, "a"), (1, "b")] {
        let number = at as u64 + 1;
        supervisor.slots[at] = Slot {
            cell: Some(Cell::spawn(&command(), number, events.clone()).expect("it can be started")),
            number,
            ready: true,
            owner: Some(Owner::Namespace(namespace.to_owned())),
            loaded: vec![at as u32],
            given: [job(number, namespace)].into(),
            ..Slot::default()
        };
        supervisor.open += 1;
    }
    supervisor
}

const NOTHING: CellUsage = CellUsage {
    wall_us: 0,
    cpu_us: 0,
    instantiate_us: 0,
    memory_bytes_peak: 0,
    fuel: None,
    input_bytes: 0,
    output_bytes: 0,
    host_calls: 0,
    log_lines_dropped: 0,
};

fn line() -> LogLine {
    let message = "attempt succeeded".to_owned();
    LogLine { at: Timestamp(1), level: LogLevel::Info, source: LogSource::Host, message, fields: vec![] }
}

#[tokio::test]
async fn h_094_what_a_cell_says_of_attempts_that_it_does_not_run_changes_nothing_for_them() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut supervisor = supervisor(folder.path());
    let progress = Progress { done: 1, total: None, message: String::new() };
    let failure = Failure::new(FailureKind::Library, "it will not do");
    let forged = vec![
        FromCell::Log { ticket: 2, line: line() },
        FromCell::Progress { ticket: 2, progress },
        FromCell::Read { ticket: 2, number: 0, offset: 0, length: 1 },
        FromCell::Create { ticket: 2, writer: 0 },
        FromCell::Returned { tickets: vec![2, 3, u64::MAX] },
        // The library of the other cell.
        FromCell::Refused { library: 1, failure },
        FromCell::Refused { library: 77, failure: Failure::new(FailureKind::Library, "nor that") },
    ];
    supervisor.on_event(1, CellEvent::Frames(forged));
    assert_eq!(supervisor.reports, []);
    assert!(supervisor.slots[1].values.is_none(), "nothing is served to it");
    assert_eq!(supervisor.slots[1].loaded, [1]);
    let ended = FromCell::Ended { ticket: 2, result: Ok((vec![], vec![])), usage: NOTHING };
    supervisor.on_event(1, CellEvent::Frames(vec![ended]));
    assert_eq!(supervisor.reports, []);
    assert!(supervisor.slots[0].killed.is_some(), "it broke the protocol and is ended");
    assert!(supervisor.slots[1].killed.is_none() && supervisor.slots[1].given.len() == 1);
    // What a cell says that is there no more is heard by nobody.
    supervisor.on_event(99, CellEvent::Frames(vec![FromCell::Log { ticket: 2, line: line() }]));
    assert_eq!(supervisor.reports, []);
}

#[tokio::test]
async fn h_096_a_cell_that_never_answers_or_never_comes_to_an_end_is_killed_at_the_deadline() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut supervisor = supervisor(folder.path());
    let timeout = Duration::from_secs(1);
    let began = Instant::now();
    for slot in &mut supervisor.slots {
        slot.given[0].assignment.limits.timeout = Some(timeout);
        slot.since = Some(began);
    }
    // The first one talks all the time, of nothing; a second one has been taken over, too, and says nothing at all.
    let deadline = began + timeout + crate::slot::KILL_GRACE;
    for _ in 0..1000 {
        supervisor.on_event(1, CellEvent::Frames(vec![FromCell::Log { ticket: 1, line: line() }]));
        supervisor.slots[0].look(deadline);
    }
    assert!(supervisor.slots[0].killed.is_none(), "it had until then");
    supervisor.slots[0].look(deadline + Duration::from_millis(1));
    assert!(supervisor.slots[0].killed.is_some());
    // Without any timeout it has as long as it says something.
    supervisor.slots[1].given[0].assignment.limits.timeout = None;
    let mut looks = 0;
    while supervisor.slots[1].killed.is_none() {
        supervisor.slots[1].look(began);
        looks += 1;
    }
    assert!((10..1000).contains(&looks), "{looks} looks, ten a second");
}

#[tokio::test]
async fn h_040_a_cell_that_has_no_limit_any_more_is_cut_by_its_supervisor() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut supervisor = supervisor(folder.path());
    let max = supervisor.slots[0].given[0].assignment.limits.log_lines_max;
    for _ in 0..max + 1000 {
        supervisor.on_event(1, CellEvent::Frames(vec![FromCell::Log { ticket: 1, line: line() }]));
    }
    let lines: usize = supervisor
        .reports
        .iter()
        .map(|report| match report {
            Report::Logs { lines, .. } => lines.len(),
            other => panic!("{other:?}"),
        })
        .sum();
    assert_eq!(lines as u64, u64::from(max) + 1);
}
