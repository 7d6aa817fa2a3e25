//! The kind `sql` over a SQLite file.

use crate::support::World;
use cofferdam_model::{ResourceAnswer, ResourceCall, ResourceKind, SqlValue};
use serde_json::{Value, json};

fn query(statement: &str, parameters: &[SqlValue]) -> ResourceCall {
    ResourceCall::SqlQuery { statement: statement.to_owned(), parameters: parameters.to_vec() }
}

fn execute(statement: &str, parameters: &[SqlValue]) -> ResourceCall {
    ResourceCall::SqlExecute { statement: statement.to_owned(), parameters: parameters.to_vec() }
}

fn batch(statements: &[&str]) -> ResourceCall {
    ResourceCall::SqlBatch { statements: statements.iter().map(|&text| (text.to_owned(), vec![])).collect() }
}

fn text(text: &str) -> SqlValue {
    SqlValue::Text(text.to_owned())
}

fn database() -> Value {
    json!({ "url": "sqlite:data.db" })
}

async fn world() -> World {
    let world = World::new(&[]);
    let made = batch(&[
        "CREATE TABLE words (word TEXT PRIMARY KEY, n INTEGER, share REAL, raw BLOB)",
        "INSERT INTO words VALUES ('a', 1, 0.5, x'00ff'), ('b', 2, NULL, NULL)",
    ]);
    assert_eq!(world.call(ResourceKind::Sql, &database(), made).await.unwrap(), ResourceAnswer::Affected(2));
    world
}

async fn rows(world: &World, settings: &Value, call: ResourceCall) -> Vec<Vec<SqlValue>> {
    match world.call(ResourceKind::Sql, settings, call).await.unwrap() {
        ResourceAnswer::Rows { rows, .. } => rows,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rows_come_with_their_types_and_columns() {
    let world = world().await;
    let answer =
        world.call(ResourceKind::Sql, &database(), query("SELECT * FROM words ORDER BY word", &[])).await;
    let expected = ResourceAnswer::Rows {
        columns: ["word", "n", "share", "raw"].map(str::to_owned).to_vec(),
        rows: vec![
            vec![text("a"), SqlValue::Integer(1), SqlValue::Number(0.5), SqlValue::Bytes(vec![0, 255])],
            vec![text("b"), SqlValue::Integer(2), SqlValue::Null, SqlValue::Null],
        ],
    };
    assert_eq!(answer.unwrap(), expected);
}

#[tokio::test]
async fn parameters_are_bound_by_place_or_by_number() {
    let world = world().await;
    let evil = text("'; DROP TABLE words; --");
    let found =
        rows(&world, &database(), query("SELECT ?1, typeof(?2)", &[evil.clone(), SqlValue::Truth(true)]))
            .await;
    assert_eq!(found, [[evil, text("integer")]]);
    let found = rows(&world, &database(), query("SELECT $2, $1", &[text("one"), text("two")])).await;
    assert_eq!(found, [[text("two"), text("one")]]);
    assert_eq!(
        rows(&world, &database(), query("SELECT count(*) FROM words", &[])).await,
        [[SqlValue::Integer(2)]]
    );
}

#[tokio::test]
async fn a_batch_happens_whole_or_not_at_all() {
    let world = world().await;
    let fault = world
        .fault(
            ResourceKind::Sql,
            &database(),
            batch(&["DELETE FROM words", "INSERT INTO nowhere VALUES (1)"]),
        )
        .await;
    insta::assert_snapshot!(fault, @"Invalid: resource `it` of kind `sql`: statement 2 of 2: the statement is wrong: no such table: nowhere");
    assert_eq!(
        rows(&world, &database(), query("SELECT count(*) FROM words", &[])).await,
        [[SqlValue::Integer(2)]]
    );
    let touched = batch(&["UPDATE words SET n = n + 1", "DELETE FROM words WHERE word = 'a'"]);
    assert_eq!(
        world.call(ResourceKind::Sql, &database(), touched).await.unwrap(),
        ResourceAnswer::Affected(3)
    );
}

#[tokio::test]
async fn a_read_only_database_refuses_every_change() {
    let world = world().await;
    let settings = json!({ "url": "sqlite:data.db", "read_only": true });
    let found = rows(&world, &settings, query("SELECT n FROM words WHERE word = ?", &[text("b")])).await;
    assert_eq!(found, [[SqlValue::Integer(2)]]);
    let fault = world.fault(ResourceKind::Sql, &settings, execute("DELETE FROM words", &[])).await;
    insta::assert_snapshot!(fault, @"Denied: resource `it` of kind `sql`: the resource is read-only: attempt to write a readonly database");
    for way in [
        "INSERT INTO words VALUES ('c', 3, NULL, NULL) RETURNING word",
        "PRAGMA query_only = off",
        "CREATE TABLE t (x)",
        "PRAGMA user_version = 7",
    ] {
        let fault = world.fault(ResourceKind::Sql, &settings, query(way, &[])).await;
        assert!(fault.starts_with("Denied: "), "{way}: {fault}");
    }
}

#[tokio::test]
async fn a_statement_cannot_leave_its_file_or_its_transaction() {
    let world = world().await;
    let other = world.folder.path().join("other.db");
    let attach = format!("ATTACH '{}' AS other", other.display());
    let vacuum = format!("VACUUM INTO '{}'", other.display());
    for way in [
        attach.as_str(),
        &vacuum,
        "VACUUM",
        "COMMIT",
        "BEGIN",
        "ROLLBACK",
        "SAVEPOINT s",
        "PRAGMA journal_mode = off",
        "PRAGMA writable_schema = on",
        "SELECT load_extension('libm.so.6')",
        "PRAGMA temp_store_directory = '/tmp'",
    ] {
        let fault = world.fault(ResourceKind::Sql, &database(), execute(way, &[])).await;
        // SQLite itself refuses to vacuum within a transaction, and calls a forbidden function a wrong statement.
        let wrong = way.starts_with("VACUUM") || way.contains("load_extension");
        assert!(fault.starts_with(if wrong { "Invalid: " } else { "Denied: " }), "{way}: {fault}");
    }
    assert!(!other.exists());
    let fault = world.fault(ResourceKind::Sql, &database(), execute("COMMIT", &[])).await;
    insta::assert_snapshot!(fault, @"Denied: resource `it` of kind `sql`: the statement is not allowed: an op's statements stay within the file and within their transaction: not authorized");
    let columns = rows(&world, &database(), query("SELECT name FROM pragma_table_info('words')", &[])).await;
    assert_eq!(columns.len(), 4);
}

#[tokio::test]
async fn wrong_statements_are_told_in_words() {
    let world = world().await;
    let fault = async |call| world.fault(ResourceKind::Sql, &database(), call).await;
    insta::assert_snapshot!(fault(query("SELEC 1", &[])).await, @r#"Invalid: resource `it` of kind `sql`: the statement is wrong: near "SELEC": syntax error at byte 0"#);
    insta::assert_snapshot!(fault(query("SELECT 1; SELECT 2", &[])).await, @"Invalid: resource `it` of kind `sql`: it is more than one statement; a batch takes several");
    insta::assert_snapshot!(fault(query("SELECT ?1, ?2", &[SqlValue::Null])).await, @"Invalid: resource `it` of kind `sql`: the statement takes 2 parameters and got 1");
    insta::assert_snapshot!(fault(query("SELECT 1", &[SqlValue::Null])).await, @"Invalid: resource `it` of kind `sql`: the statement takes 0 parameters and got 1");
    insta::assert_snapshot!(fault(execute("INSERT INTO words (word) VALUES ('a')", &[])).await, @"Failed: resource `it` of kind `sql`: the database refused: UNIQUE constraint failed: words.word");
}

#[tokio::test]
async fn an_answer_has_a_bound_in_rows_and_in_bytes() {
    let world = world().await;
    let count = |n: u32| {
        format!(
            "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {n}) SELECT i FROM c"
        )
    };
    assert_eq!(rows(&world, &database(), query(&count(100_000), &[])).await.len(), 100_000);
    let fault = world.fault(ResourceKind::Sql, &database(), query(&count(100_001), &[])).await;
    insta::assert_snapshot!(fault, @"TooLarge: resource `it` of kind `sql`: the answer has more than 100000 rows or 33554432 bytes; ask for less at a time, with LIMIT");
    let wide = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 40) SELECT zeroblob(1000000) FROM c";
    let fault = world.fault(ResourceKind::Sql, &database(), query(wide, &[])).await;
    assert!(fault.starts_with("TooLarge: "), "{fault}");
    let fault = world.fault(ResourceKind::Sql, &database(), query("SELECT zeroblob(2000000000)", &[])).await;
    assert!(fault.starts_with("TooLarge: "), "{fault}");
}

#[tokio::test]
async fn a_statement_without_end_is_interrupted() {
    let world = world().await;
    let settings = json!({ "url": "sqlite:data.db", "timeout": "200ms" });
    let endless = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT count(*) FROM c";
    let fault = world.fault(ResourceKind::Sql, &settings, query(endless, &[])).await;
    // Either the file's own clock or the call's fires first.
    assert!(fault.starts_with("Unavailable: "), "{fault}");
    // The thread is free again: the file is not held.
    world.call(ResourceKind::Sql, &database(), execute("DELETE FROM words", &[])).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_not_there_is_made_only_by_a_writer() {
    let world = World::new(&[]);
    let settings = json!({ "url": "sqlite:none.db", "read_only": true });
    let fault = world.fault(ResourceKind::Sql, &settings, query("SELECT 1", &[])).await;
    insta::assert_snapshot!(fault, @"Failed: resource `it` of kind `sql`: failed to open the SQLite file `FOLDER/none.db`: unable to open database file: FOLDER/none.db");
    let found = rows(&world, &json!({ "url": "sqlite:none.db" }), query("SELECT 1", &[])).await;
    assert_eq!(found, [[SqlValue::Integer(1)]]);
    let fault = world.fault(ResourceKind::Sql, &json!({ "url": "mysql://x" }), query("SELECT 1", &[])).await;
    insta::assert_snapshot!(fault, @"Invalid: resource `it` of kind `sql`: `url` is not of the form `sqlite:path/to/file.db` or `postgres://user@host/database`");
}
