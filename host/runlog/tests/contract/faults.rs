//! The database goes away, answers nothing, refuses, and comes back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cofferdam_kit::postgres::Server;
use cofferdam_runlog::*;

use crate::PATIENCE;
use crate::proxy::Proxy;
use crate::writes::{Writing, words};

/// Waits until a query answers with `yes`.
async fn wait_for(server: &Server, query: &str) {
    let until = tokio::time::Instant::now() + PATIENCE;
    while server.sql("runs", query) != "yes" {
        assert!(tokio::time::Instant::now() < until, "never: {query}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn f_40_a_database_that_is_killed_again_and_again_loses_and_doubles_nothing() {
    let mut server = Server::start();
    let log = Postgres::open(&server.database("runs"), PATIENCE).await.unwrap();
    let writing = Writing::begin(&log).await;
    let mut seq = 0;
    for kill in 1..=4_u64 {
        for _ in 0..20 * kill {
            seq += 1;
            writing.append(&log, seq).await.unwrap();
        }
        // The kill comes while an append is under way, and the next ones find nobody.
        let appending = async {
            for _ in 0..20 {
                seq += 1;
                writing.append(&log, seq).await.unwrap();
            }
        };
        let killing = tokio::task::spawn_blocking(move || {
            server.end_at_once();
            server.start_again();
            server
        });
        let ((), killed) = tokio::join!(appending, killing);
        server = killed.unwrap();
    }
    writing.check(&log, seq).await;
}

#[tokio::test]
async fn f_41_a_commit_that_nobody_has_answered_is_looked_up_and_never_repeated_blindly() {
    let server = Server::start();
    let direct = server.database("runs");
    let proxy = Proxy::start(server.port).await;
    let url = direct.replace(&server.port.to_string(), &proxy.port.to_string());
    let log = Postgres::open(&url, PATIENCE).await.unwrap();
    let writing = Writing::begin(&log).await;
    for seq in 1..=40 {
        writing.append(&log, seq).await.unwrap();
        if seq % 13 == 0 {
            // The same by the server's own hand: whoever holds the lock is ended.
            let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory'";
            assert_eq!(server.sql("runs", end), "1");
        }
    }
    let [before, after] = [&proxy.counts.before, &proxy.counts.after].map(|n| n.load(Ordering::Relaxed));
    assert!(before >= 3 && after >= 3, "{before} cut before the server read it, {after} after it answered");
    writing.check(&Postgres::open_read_only(&direct).await.unwrap(), 40).await;
}

#[tokio::test]
async fn f_42_the_victim_of_a_deadlock_tries_its_transaction_again() {
    let server = Server::start();
    let log = Postgres::open(&server.database("runs"), PATIENCE).await.unwrap();
    let writing = Writing::begin(&log).await;
    writing.append(&log, 1).await.unwrap();
    // It takes what we need last, waits until we wait for it, then asks for what we have; and it is not the one that
    // finds the deadlock.
    let other = "SET deadlock_timeout = '1h'; DO $$ BEGIN LOCK TABLE cofferdam.events;
        WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted) LOOP PERFORM pg_sleep(0.01); END LOOP;
        PERFORM * FROM cofferdam.office FOR UPDATE; END $$";
    let mut other = server.psql("runs", other).spawn().unwrap();
    let locked = "SELECT 'yes' FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'cofferdam.events'::regclass";
    wait_for(&server, locked).await;
    writing.append(&log, 2).await.unwrap();
    assert!(other.wait().unwrap().success());
    assert!(server.log().contains("deadlock detected"), "{}", server.log());
    writing.check(&log, 2).await;
}

#[tokio::test]
async fn a_database_that_is_read_only_for_a_while_is_waited_for_and_can_be_read_meanwhile() {
    let server = Server::start();
    let url = server.database("runs");
    let log = Postgres::open(&url, PATIENCE).await.unwrap();
    let writing = Writing::begin(&log).await;
    let set = |to: &str| {
        server.sql("runs", &format!("ALTER SYSTEM SET default_transaction_read_only = {to}"));
        server.sql("runs", "SELECT pg_reload_conf()");
    };
    set("on");
    wait_for(&server, "SELECT 'yes' WHERE current_setting('default_transaction_read_only') = 'on'").await;
    let appending = writing.append(&log, 1);
    tokio::pin!(appending);
    let until = tokio::time::Instant::now() + PATIENCE;
    while !server.log().contains("cannot execute UPDATE in a read-only transaction") {
        let done = tokio::time::timeout(Duration::from_millis(50), &mut appending).await;
        assert!(done.is_err(), "it is not written while it cannot be: {done:?}");
        assert!(tokio::time::Instant::now() < until);
    }
    assert_eq!(log.summary(writing.run).await.unwrap().last_seq, 0);
    set("off");
    appending.await.unwrap();
    writing.check(&log, 1).await;
}

#[tokio::test]
async fn a_table_that_is_locked_for_longer_than_a_try_is_waited_for() {
    let server = Server::start();
    let log = Postgres::open(&server.database("runs"), PATIENCE).await.unwrap();
    let writing = Writing::begin(&log).await;
    let lock = "BEGIN; LOCK TABLE cofferdam.events; SELECT pg_sleep(600)";
    let mut other = server.psql("runs", lock).spawn().unwrap();
    let locked = "SELECT 'yes' FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'cofferdam.events'::regclass";
    wait_for(&server, locked).await;
    let appending = writing.append(&log, 1);
    tokio::pin!(appending);
    let until = tokio::time::Instant::now() + PATIENCE;
    while !server.log().contains("canceling statement due to lock timeout") {
        let done = tokio::time::timeout(Duration::from_millis(50), &mut appending).await;
        assert!(done.is_err(), "it is not written while it cannot be: {done:?}");
        assert!(tokio::time::Instant::now() < until);
    }
    server.sql("runs", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' AND pid <> pg_backend_pid()");
    appending.await.unwrap();
    assert!(!other.wait().unwrap().success());
    writing.check(&log, 1).await;
}

#[tokio::test]
async fn a_database_that_stays_away_is_told_in_words_and_reads_fail_at_once() {
    let mut server = Server::start();
    let url = server.database("runs");
    let log = Postgres::open(&url, Duration::from_millis(200)).await.unwrap();
    let writing = Writing::begin(&log).await;
    writing.append(&log, 1).await.unwrap();
    server.end_at_once();
    let begin = tokio::time::Instant::now();
    let read = log.summary(writing.run).await.unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    insta::assert_snapshot!(words(&read, server.port), @"the run log at `postgres://127.0.0.1:PORT/runs` cannot be reached: failed to connect to PostgreSQL: error connecting to server: Connection refused (os error 111)");
    let refused = writing.append(&log, 2).await.unwrap_err();
    insta::assert_snapshot!(words(&refused, server.port), @"the run log could not be written to for 0 s: the run log at `postgres://127.0.0.1:PORT/runs` cannot be reached: failed to connect to PostgreSQL: error connecting to server: Connection refused (os error 111)");
    let opened = Postgres::open(&url, PATIENCE).await.err().unwrap();
    insta::assert_snapshot!(words(&opened, server.port), @"the run log at `postgres://127.0.0.1:PORT/runs` cannot be reached: failed to connect to PostgreSQL: error connecting to server: Connection refused (os error 111)");
    // It had only to be asked again.
    server.start_again();
    writing.append(&log, 2).await.unwrap();
    writing.check(&log, 2).await;
}

#[tokio::test]
async fn calls_that_share_a_transaction_are_refused_and_answered_each_for_itself() {
    let server = Server::start();
    let log = Postgres::open(&server.database("runs"), PATIENCE).await.unwrap();
    let writing = Writing::begin(&log).await;
    let log = &log;
    // All are asked before the writer comes to any but the first.
    let calls = (1..=50_u64).map(|seq| async move {
        // Every third one comes too late.
        let seq = if seq % 3 == 0 { 1 } else { seq - seq / 3 };
        writing.append(log, seq).await
    });
    let answers = futures::future::join_all(calls).await;
    let n_kept = answers.iter().filter(|answer| answer.is_ok()).count();
    let late =
        answers.iter().filter(|answer| matches!(answer, Err(AppendError::Conflict { expected: 0, .. })));
    assert_eq!((n_kept, late.count()), (34, 16));
    writing.check(log, 34).await;
}
