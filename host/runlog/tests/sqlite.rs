//! What only a file can get wrong: locks, versions, missing folders, abrupt ends.

use std::collections::BTreeMap;
use std::path::Path;

use cofferdam_model::*;
use cofferdam_runlog::*;

fn new_run(n: u128) -> NewRun {
    NewRun {
        run: RunId(uuid::Uuid::from_u128(n)),
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

fn words(error: &dyn std::error::Error, folder: &Path) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.replace(folder.to_str().unwrap(), "FOLDER")
}

#[tokio::test]
async fn a_second_writer_is_refused_and_a_reader_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let first = Sqlite::open(&path).unwrap();
    let run = first.create_run(new_run(1)).await.unwrap();
    let refused = Sqlite::open(&path).err().unwrap();
    insta::assert_snapshot!(words(&refused, folder.path()), @"the store `FOLDER/runs.db` is in use by another cofferdam process; end it, or use another store");
    let reader = Sqlite::open_read_only(&path).unwrap();
    assert_eq!(reader.find("0").await.unwrap(), run);
    let refused = reader.take_term(Term(0)).await.unwrap_err();
    insta::assert_snapshot!(words(&refused, folder.path()), @"the store was opened for reading only");
    drop(first);
    // The lock file is still there, the lock is not.
    Sqlite::open(&path).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn f_45_another_program_that_writes_to_the_file_for_a_while_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let log = Sqlite::open(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let creating = log.create_run(new_run(1));
    tokio::pin!(creating);
    let early = tokio::time::timeout(std::time::Duration::from_secs(1), &mut creating).await;
    assert!(early.is_err(), "it is not written while it cannot be: {early:?}");
    other.execute_batch("COMMIT").unwrap();
    let run = creating.await.unwrap();
    assert_eq!(log.find("0").await.unwrap(), run);
}

#[test]
fn f_46_a_missing_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Sqlite::open(&folder.path().join("nowhere/runs.db")).err().unwrap();
    insta::assert_snapshot!(words(&refused, folder.path()), @"the folder of the store `FOLDER/nowhere/runs.db` does not exist; make it, or name another place");
    let refused = Sqlite::open_read_only(&folder.path().join("runs.db")).err().unwrap();
    insta::assert_snapshot!(words(&refused, folder.path()), @"there is no store at `FOLDER/runs.db`; the first `cofferdam run` or `cofferdam serve` makes one");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn f_46_a_newer_schema_is_refused_and_the_file_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    drop(Sqlite::open(&path).unwrap());
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let before = std::fs::read(&path).unwrap();
    for refused in [Sqlite::open(&path).err().unwrap(), Sqlite::open_read_only(&path).err().unwrap()] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(words(&refused, folder.path()), @"the store `FOLDER/runs.db` has schema version 99, this program knows up to 5; use a newer cofferdam");
        }
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn f_46_a_file_that_is_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    std::fs::write(&path, "these are not the bytes of a database, but there are enough of them".repeat(99))
        .unwrap();
    let refused = Sqlite::open(&path).err().unwrap();
    insta::assert_snapshot!(words(&refused, folder.path()), @"`FOLDER/runs.db` is not a store of cofferdam; name another file");
}

#[test]
fn f_46_a_database_of_another_program_is_refused_and_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.db");
    for version in [0, 1, 99] {
        let db = rusqlite::Connection::open(&path).unwrap();
        db.execute_batch("CREATE TABLE IF NOT EXISTS notes (note TEXT)").unwrap();
        db.pragma_update(None, "user_version", version).unwrap();
        drop(db);
        let before = std::fs::read(&path).unwrap();
        for refused in [Sqlite::open(&path).err().unwrap(), Sqlite::open_read_only(&path).err().unwrap()] {
            insta::allow_duplicates! {
                insta::assert_snapshot!(words(&refused, folder.path()), @"`FOLDER/notes.db` is not a store of cofferdam; name another file");
            }
        }
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

#[test]
fn f_46_a_file_in_the_place_of_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let refused = Sqlite::open(&folder.path().join("file/runs.db")).err().unwrap();
    insta::assert_snapshot!(words(&refused, folder.path()), @"the store `FOLDER/file/runs.db` is not in a folder: a part of its path is a file; name another place");
}

#[test]
fn f_46_a_folder_that_may_not_be_written_to_is_refused() {
    // The kernel lets nobody make a file here, whereas permissions of a folder do not bind the superuser.
    let refused = Sqlite::open(Path::new("/sys/runs.db")).err().unwrap();
    assert!(std::error::Error::source(&refused).is_some(), "the kernel's reason is kept");
    insta::assert_snapshot!(refused, @"the store `/sys/runs.db` may not be written to; give this user the right to write to its folder and files, or name another place");
}

#[tokio::test]
async fn what_was_answered_is_there_after_the_files_were_copied_away_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let log = Sqlite::open(&path).unwrap();
    let term = log.take_term(Term(0)).await.unwrap();
    log.create_run(new_run(1)).await.unwrap();
    let run = new_run(1).run;
    for n in 0..20_u64 {
        let event = Event::StepDispatched {
            step: StepKey::new("a"),
            attempt: 1,
            fence: Fence(n),
            worker: WorkerId(1),
        };
        let event = Recorded { seq: n + 1, at: Timestamp(n), event };
        let batch = Batch { run, expected_seq: n, term, events: vec![event] };
        log.append(vec![batch]).await.unwrap();
        // What a process that starts after a kill finds: the file and its WAL, without a clean close.
        let copy = folder.path().join(format!("copy{n}.db"));
        std::fs::copy(&path, &copy).unwrap();
        std::fs::copy(folder.path().join("runs.db-wal"), folder.path().join(format!("copy{n}.db-wal")))
            .unwrap();
        let recovered = Sqlite::open(&copy).unwrap();
        assert_eq!(recovered.history(run, 1).await.unwrap().len() as u64, n + 1);
        drop(recovered);
        let db = rusqlite::Connection::open(&copy).unwrap();
        let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
    }
}

/// Takes away what version 2 has added.
fn back_to_version_1(path: &Path) {
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch(
        "DROP TABLE memos; DROP TABLE materializations; DROP TABLE latest_materializations; DROP TABLE checks;
        DROP TABLE partitions; DROP TABLE pins; DROP TABLE promotions;
        DROP TABLE instigators; DROP TABLE ticks; DROP TABLE run_keys; DROP TABLE reservations; DROP TABLE news; DROP TABLE deliveries;
        DROP INDEX runs_by_parent; DROP INDEX runs_by_root;
        ALTER TABLE runs DROP COLUMN parent; ALTER TABLE runs DROP COLUMN root; ALTER TABLE runs DROP COLUMN known;",
    )
    .unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
}

#[tokio::test]
async fn a_store_of_version_1_is_brought_up_to_date_and_refused_by_readers_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let log = Sqlite::open(&path).unwrap();
    let run = log.create_run(new_run(1)).await.unwrap();
    drop(log);
    back_to_version_1(&path);
    let refused = Sqlite::open_read_only(&path).err().unwrap();
    insta::assert_snapshot!(words(&refused, folder.path()), @"the store `FOLDER/runs.db` is of an earlier version; the next `cofferdam run` or `cofferdam serve` brings it up to date");
    let log = Sqlite::open(&path).unwrap();
    assert_eq!(log.summary(run).await.unwrap().run, run);
    assert_eq!(log.known(run).await.unwrap(), Known::default());
    assert_eq!(log.instigators().await.unwrap(), []);
    assert!(log.pin(run).await.unwrap());
}

/// Bytes of the head of a WAL, and of a frame in it: its own head and a page.
const WAL_HEAD_BYTES: usize = 32;
const WAL_FRAME_BYTES: usize = 24 + 4096;

#[tokio::test]
async fn f_48_a_store_that_was_killed_while_it_was_brought_up_to_date_is_of_either_version_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let log = Sqlite::open(&path).unwrap();
    let run = log.create_run(new_run(1)).await.unwrap();
    drop(log);
    back_to_version_1(&path);
    let before = std::fs::read(&path).unwrap();
    let log = Sqlite::open(&path).unwrap();
    // All that a kill can leave is the file as it was, and as much of the WAL as was written.
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let wal = std::fs::read(folder.path().join("runs.db-wal")).unwrap();
    drop(log);
    let mut versions = [0, 0];
    let cuts = (0..wal.len()).step_by(WAL_FRAME_BYTES / 2).map(|cut| cut + WAL_HEAD_BYTES);
    for cut in cuts.chain([wal.len()]) {
        let copy = folder.path().join(format!("cut{cut}.db"));
        std::fs::write(&copy, &before).unwrap();
        std::fs::write(folder.path().join(format!("cut{cut}.db-wal")), &wal[..cut.min(wal.len())]).unwrap();
        match Sqlite::open_read_only(&copy) {
            Err(Error::OlderSchema { .. }) => versions[0] += 1,
            Ok(_) => versions[1] += 1,
            Err(error) => panic!("{error}"),
        }
        let log = Sqlite::open(&copy).unwrap();
        assert_eq!(log.summary(run).await.unwrap().run, run);
        assert!(log.pin(run).await.unwrap());
        drop(log);
        let db = rusqlite::Connection::open(&copy).unwrap();
        let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
    }
    assert!(versions[0] > 10 && versions[1] >= 1, "{versions:?}");
}
