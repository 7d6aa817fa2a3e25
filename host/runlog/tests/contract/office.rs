//! Who may write to a database, and which databases are refused.

use std::time::Duration;

use cofferdam_kit::postgres::Server;
use cofferdam_model::Term;
use cofferdam_runlog::*;

use crate::PATIENCE;
use crate::writes::{Writing, new_run, words};

#[tokio::test]
async fn a_second_writer_is_refused_while_the_first_one_lives_and_a_reader_is_not() {
    let server = Server::start();
    let url = server.database("runs");
    let missing = Postgres::open_read_only(&url).await.err().unwrap();
    insta::assert_snapshot!(words(&missing, server.port), @"there is no store at `postgres://127.0.0.1:PORT/runs`; the first `cofferdam run` or `cofferdam serve` makes one");
    let first = Postgres::open(&url, PATIENCE).await.unwrap();
    let writing = Writing::begin(&first).await;
    let refused = Postgres::open(&url, PATIENCE).await.err().unwrap();
    insta::assert_snapshot!(words(&refused, server.port), @"the store `postgres://127.0.0.1:PORT/runs` is in use by another cofferdam process; end it, or use another store");
    let reader = Postgres::open_read_only(&url).await.unwrap();
    assert_eq!(reader.find("0").await.unwrap(), writing.run);
    assert!(matches!(reader.take_term(Term(0)).await, Err(Error::ReadOnly)));
    drop(first);
    Postgres::open(&url, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn i_21_a_scheduler_that_wakes_up_after_another_has_taken_over_changes_no_row() {
    let server = Server::start();
    let url = server.database("runs");
    let old = Postgres::open(&url, PATIENCE).await.unwrap();
    let writing = Writing::begin(&old).await;
    writing.append(&old, 1).await.unwrap();
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory'";
    assert_eq!(server.sql("runs", end), "1");
    let new = Postgres::open(&url, PATIENCE).await.unwrap();
    let term = new.take_term(Term(0)).await.unwrap();
    assert_eq!(term, Term(writing.term.0 + 1));
    let rows =
        "SELECT (SELECT count(*) FROM cofferdam.runs), (SELECT count(*) FROM cofferdam.events), term, turn
        FROM cofferdam.office";
    let before = server.sql("runs", rows);
    // It is told at once, whether the other one is still there or not.
    for _ in 0..2 {
        let refused = writing.append(&old, 2).await.unwrap_err();
        insta::allow_duplicates! {
            insta::assert_snapshot!(words(&refused, server.port), @"another process has written to the run log at `postgres://127.0.0.1:PORT/runs`: it has taken over");
        }
        assert!(old.create_run(new_run(2)).await.is_err());
        assert!(old.take_term(Term(0)).await.is_err());
    }
    assert_eq!(server.sql("runs", rows), before);
    // Under the new term nobody writes for the old one either.
    let refused = writing.append(&new, 2).await.unwrap_err();
    assert!(matches!(refused, AppendError::StaleTerm { .. }), "{refused}");
    Writing { term, ..writing }.append(&new, 2).await.unwrap();
    writing.check(&new, 2).await;
}

#[tokio::test]
async fn f_46_a_database_of_a_newer_program_or_of_another_one_is_refused_and_stays_as_it_was() {
    let server = Server::start();
    let newer = server.database("newer");
    drop(Postgres::open(&newer, PATIENCE).await.unwrap());
    server.sql("newer", "UPDATE cofferdam.office SET version = 99");
    let foreign = server.database("other");
    server.sql("other", "CREATE SCHEMA cofferdam; CREATE TABLE cofferdam.boats (boat text)");
    let tables = "SELECT string_agg(table_name, ' ' ORDER BY table_name) FROM information_schema.tables
        WHERE table_schema = 'cofferdam'";
    let before = ["newer", "other"].map(|name| server.sql(name, tables));
    let mut told = vec![];
    for url in [&newer, &foreign, "postgres://me:hunter2@127.0.0.1/x?colour=hunter2"] {
        told.push(words(&Postgres::open(url, PATIENCE).await.err().unwrap(), server.port));
        let read = words(&Postgres::open_read_only(url).await.err().unwrap(), server.port);
        assert_eq!(told.last(), Some(&read));
    }
    assert!(!told.concat().contains("hunter2"), "{told:?}");
    insta::assert_snapshot!(told.join("\n"), @r"
        the store `postgres://127.0.0.1:PORT/newer` has schema version 99, this program knows up to 4; use a newer cofferdam
        the database of `postgres://127.0.0.1:PORT/other` has a schema `cofferdam` with tables of another program; use another database
        what was given is not the URL of a database of PostgreSQL; write for example `postgres://db.example/runs`: invalid connection string: unknown option `colour`
        ");
    assert_eq!(["newer", "other"].map(|name| server.sql(name, tables)), before);
}

#[tokio::test]
async fn a_database_of_version_1_is_brought_up_to_date_and_refused_by_readers_before() {
    let server = Server::start();
    let url = server.database("runs");
    let log = Postgres::open(&url, PATIENCE).await.unwrap();
    let run = log.create_run(new_run(1)).await.unwrap();
    drop(log);
    let back = "DROP TABLE cofferdam.promotions, cofferdam.instigators, cofferdam.ticks, cofferdam.run_keys,
        cofferdam.reservations, cofferdam.news, cofferdam.deliveries; UPDATE cofferdam.office SET version = 1";
    server.sql("runs", back);
    let refused = Postgres::open_read_only(&url).await.err().unwrap();
    assert!(matches!(&refused, Error::OlderSchema { .. }), "{refused}");
    let log = Postgres::open(&url, PATIENCE).await.unwrap();
    assert_eq!(log.summary(run).await.unwrap().run, run);
    assert!(log.catalog().channels().await.unwrap().is_empty());
    assert!(log.automation().instigators().await.unwrap().is_empty());
}

#[tokio::test]
async fn f_48_making_the_tables_is_done_whole_or_not_at_all_when_the_database_is_killed_in_it() {
    let mut server = Server::start();
    let url = server.database("runs");
    // Somebody is making one of the tables and has not committed, so that ours waits in the middle.
    let block = "BEGIN; CREATE SCHEMA cofferdam; CREATE TABLE cofferdam.checks (); SELECT pg_sleep(600)";
    let mut other = server.psql("runs", block).spawn().unwrap();
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    while server.sql("runs", asleep) != "1" {}
    let opening = Postgres::open(&url, PATIENCE);
    tokio::pin!(opening);
    let blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    while server.sql("runs", blocked) == "0" {
        let done = tokio::time::timeout(Duration::from_millis(20), &mut opening).await;
        assert!(done.is_err(), "it cannot be done before the other one ends");
    }
    server.end_at_once();
    assert!(opening.await.is_err());
    assert!(!other.wait().unwrap().success());
    server.start_again();
    assert_eq!(server.sql("runs", "SELECT count(*) FROM pg_namespace WHERE nspname = 'cofferdam'"), "0");
    let log = Postgres::open(&url, PATIENCE).await.unwrap();
    let writing = Writing::begin(&log).await;
    writing.append(&log, 1).await.unwrap();
    writing.check(&log, 1).await;
}
