//! The kind `sql` over a real PostgreSQL, which each test process starts for itself and stops.

use crate::support::World;
use cofferdam_kit::postgres::Server;
use cofferdam_model::{ResourceAnswer, ResourceCall, ResourceKind, SqlValue};
use serde_json::{Value, json};

/// Resources over a server, and the settings of its database.
pub(crate) fn world(server: &Server) -> (World, Value) {
    (World::new(&[("DATABASE", &server.url("postgres"))]), json!({ "url": { "env": "DATABASE" } }))
}

pub(crate) fn query(statement: &str, parameters: &[SqlValue]) -> ResourceCall {
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

pub(crate) async fn rows(world: &World, settings: &Value, call: ResourceCall) -> Vec<Vec<SqlValue>> {
    match world.call(ResourceKind::Sql, settings, call).await.unwrap() {
        ResourceAnswer::Rows { rows, .. } => rows,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn values_of_every_lent_type_go_there_and_come_back() {
    let server = Server::start();
    let (world, settings) = world(&server);
    let made = "CREATE TABLE t (b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, s text, v varchar,
                c char(3), raw bytea, j json, jb jsonb, u uuid, d date, ts timestamp, tz timestamptz)";
    world.call(ResourceKind::Sql, &settings, execute(made, &[])).await.unwrap();
    let given = [
        SqlValue::Truth(true),
        SqlValue::Integer(-7),
        SqlValue::Integer(8),
        SqlValue::Integer(1 << 40),
        SqlValue::Number(0.5),
        SqlValue::Number(f64::NEG_INFINITY),
        text("-12345.6700"),
        text("'; DROP TABLE t; --"),
        text("é"),
        text("ab"),
        SqlValue::Bytes(vec![0, 255]),
        text(r#"{"a":1}"#),
        text(r#"{"a": 1}"#),
        text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        text("2024-02-29"),
        text("2024-02-29 12:00:00.5"),
        text("2024-02-29 12:00:00+02"),
    ];
    let places: Vec<String> = (1..=given.len()).map(|place| format!("${place}")).collect();
    let insert = execute(&format!("INSERT INTO t VALUES ({})", places.join(", ")), &given);
    assert_eq!(world.call(ResourceKind::Sql, &settings, insert).await.unwrap(), ResourceAnswer::Affected(1));
    let mut expected = given.to_vec();
    expected[9] = text("ab ");
    expected[15] = text("2024-02-29T12:00:00.500000");
    expected[16] = text("2024-02-29T10:00:00Z");
    assert_eq!(rows(&world, &settings, query("SELECT * FROM t", &[])).await, [expected]);
    let numbers = "SELECT 0::numeric, 1e20::numeric, 0.00001::numeric, 'NaN'::numeric, 10000.0001::numeric, 3::numeric(5,2), NULL::int";
    let found = rows(&world, &settings, query(numbers, &[])).await.remove(0);
    let expected = ["0", "100000000000000000000", "0.00001", "NaN", "10000.0001", "3.00"];
    assert_eq!(found[..6], expected.map(text));
    assert_eq!(found[6], SqlValue::Null);
    let fault = world.fault(ResourceKind::Sql, &settings, query("SELECT '10.0.0.1'::inet AS at", &[])).await;
    insta::assert_snapshot!(fault, @"Invalid: resource `it` of kind `sql`: `at`: a column has the type `inet`, which is not lent to ops; cast it in the statement, `x::text` for example");
}

#[tokio::test]
async fn a_batch_happens_whole_or_not_at_all_and_leaves_nothing_to_the_next_call() {
    let server = Server::start();
    let (world, settings) = world(&server);
    let made = batch(&["CREATE TABLE t (x int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)"]);
    assert_eq!(world.call(ResourceKind::Sql, &settings, made).await.unwrap(), ResourceAnswer::Affected(2));
    let count = || query("SELECT count(*) FROM t", &[]);
    let half = batch(&["DELETE FROM t", "INSERT INTO nowhere VALUES (1)"]);
    let fault = world.fault(ResourceKind::Sql, &settings, half).await;
    insta::assert_snapshot!(fault, @r#"Invalid: resource `it` of kind `sql`: statement 2 of 2: the statement is wrong: relation "nowhere" does not exist"#);
    assert_eq!(rows(&world, &settings, count()).await, [[SqlValue::Integer(2)]]);
    let set = "SELECT set_config('search_path', 'elsewhere', false), pg_advisory_lock(7)";
    world.call(ResourceKind::Sql, &settings, query(set, &[])).await.unwrap();
    world.call(ResourceKind::Sql, &settings, execute("CREATE TEMP TABLE mine (x int)", &[])).await.unwrap();
    assert_eq!(rows(&world, &settings, count()).await, [[SqlValue::Integer(2)]]);
    let left =
        "SELECT to_regclass('mine')::text, (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')";
    assert_eq!(rows(&world, &settings, query(left, &[])).await, [[SqlValue::Null, SqlValue::Integer(0)]]);
}

#[tokio::test]
async fn a_read_only_database_refuses_every_change_by_every_way() {
    let server = Server::start();
    let (world, settings) = world(&server);
    world
        .call(ResourceKind::Sql, &settings, batch(&["CREATE TABLE t (x int)", "INSERT INTO t VALUES (1)"]))
        .await
        .unwrap();
    let guarded = json!({ "url": { "env": "DATABASE" }, "read_only": true });
    assert_eq!(rows(&world, &guarded, query("SELECT x FROM t", &[])).await, [[SqlValue::Integer(1)]]);
    insta::assert_snapshot!(world.fault(ResourceKind::Sql, &guarded, execute("DELETE FROM t", &[])).await, @"Denied: resource `it` of kind `sql`: the resource is read-only: cannot execute DELETE in a read-only transaction");
    insta::assert_snapshot!(world.fault(ResourceKind::Sql, &guarded, execute("SET TRANSACTION READ WRITE", &[])).await, @"Denied: resource `it` of kind `sql`: the statement is not allowed: `SET` begins or ends a transaction, or changes the session for others");
    for ways in [
        &["SET default_transaction_read_only = off", "DELETE FROM t"][..],
        &["SELECT set_config('transaction_read_only', 'off', true)", "DELETE FROM t"],
        &["SELECT set_config('default_transaction_read_only', 'off', false)", "DELETE FROM t"],
        &["COMMIT", "DELETE FROM t"],
        &["; /* x */ commit", "DELETE FROM t"],
        &["DO $$ BEGIN COMMIT; DELETE FROM t; END $$"],
        &["WITH gone AS (DELETE FROM t RETURNING x) SELECT * FROM gone"],
        &["SELECT 1; DELETE FROM t"],
    ] {
        let fault = world.fault(ResourceKind::Sql, &guarded, batch(ways)).await;
        assert!(!fault.starts_with("Unavailable"), "{ways:?}: {fault}");
    }
    assert_eq!(rows(&world, &settings, query("SELECT count(*) FROM t", &[])).await, [[SqlValue::Integer(1)]]);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_or_is_dropped_ends_on_the_server() {
    let server = Server::start();
    let (world, settings) = world(&server);
    let hasty = json!({ "url": { "env": "DATABASE" }, "timeout": "300ms" });
    let fault = world.fault(ResourceKind::Sql, &hasty, query("SELECT pg_sleep(600)", &[])).await;
    assert!(fault.starts_with("Unavailable: "), "{fault}");
    let sleeping = || {
        query(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'",
            &[],
        )
    };
    let none = [[SqlValue::Integer(0)]];
    tokio::select! {
        answer = world.call(ResourceKind::Sql, &settings, query("SELECT pg_sleep(600)", &[])) => panic!("{answer:?}"),
        () = async { while rows(&world, &settings, sleeping()).await == none {} } => {}
    }
    let until = tokio::time::Instant::now() + crate::support::LONG;
    while rows(&world, &settings, sleeping()).await != none {
        assert!(tokio::time::Instant::now() < until, "the statement of a dropped call still runs");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn wrong_statements_and_servers_are_told_in_words() {
    let server = Server::start();
    let (world, settings) = world(&server);
    let fault = async |call| world.fault(ResourceKind::Sql, &settings, call).await;
    insta::assert_snapshot!(fault(query("SELEC 1", &[])).await, @r#"Invalid: resource `it` of kind `sql`: the statement is wrong: syntax error at or near "SELEC""#);
    insta::assert_snapshot!(fault(query("SELECT $1::int", &[text("seven")])).await, @r#"Invalid: resource `it` of kind `sql`: the statement is wrong: invalid input syntax for type integer: "seven""#);
    insta::assert_snapshot!(fault(query("SELECT $1::int", &[])).await, @"Invalid: resource `it` of kind `sql`: the statement takes 1 parameters and got 0");
    insta::assert_snapshot!(fault(query("SELECT 1; SELECT 2", &[])).await, @"Invalid: resource `it` of kind `sql`: the statement is wrong: cannot insert multiple commands into a prepared statement");
    insta::assert_snapshot!(fault(query("SELECT generate_series(1, 100001)", &[])).await, @"TooLarge: resource `it` of kind `sql`: the answer has more than 100000 rows or 33554432 bytes; ask for less at a time, with LIMIT");
    let wide = "SELECT repeat('x', 1000000) FROM generate_series(1, 40)";
    assert!(fault(query(wide, &[])).await.starts_with("TooLarge: "));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let world = World::new(&[
        ("NOBODY", &format!("postgres://me:hunter2@127.0.0.1:{nobody}/x?sslmode=disable")),
        ("SECURE", &format!("postgres://me@127.0.0.1:{}/postgres?sslmode=require", server.port)),
        ("MISSING", &server.url("missing")),
        ("WRONG", "postgres://me:hunter2@127.0.0.1/x?colour=hunter2"),
    ]);
    let mut faults = Vec::new();
    for variable in ["NOBODY", "SECURE", "MISSING", "WRONG"] {
        faults.push(
            world
                .fault(ResourceKind::Sql, &json!({ "url": { "env": variable } }), query("SELECT 1", &[]))
                .await,
        );
    }
    assert!(!faults.join("\n").contains("hunter2"), "{faults:?}");
    insta::assert_snapshot!(faults.join("\n"), @r#"
Unavailable: resource `it` of kind `sql`: failed to connect to PostgreSQL: error connecting to server: Connection refused (os error 111)
Unavailable: resource `it` of kind `sql`: failed to connect to PostgreSQL: error performing TLS handshake: server does not support TLS
Failed: resource `it` of kind `sql`: failed to connect to PostgreSQL: the database refused: database "missing" does not exist
Invalid: resource `it` of kind `sql`: `url` is not an address of PostgreSQL: invalid connection string: unknown option `colour`
"#);
}
