//! The tables, what each version adds, and how a database is brought up to date or refused.

use tokio_postgres::{Client, Error as SqlError};

use super::place::Place;
use crate::Error;

/// What each version adds to the one before; the version is kept in the table `office`.
const MIGRATIONS: [&str; 4] = [SCHEMA, SCHEMA_2, SCHEMA_3, SCHEMA_4];
#[expect(clippy::cast_possible_wrap, clippy::cast_possible_truncation, reason = "a list that people write")]
const SCHEMA_VERSION: i32 = MIGRATIONS.len() as i32;

/// Version 1. Names of partitions are compared byte by byte, as in the other stores.
const SCHEMA: &str = r#"
CREATE SCHEMA IF NOT EXISTS cofferdam;
-- One row. `turn` counts the transactions of writers: a writer that finds another number than it left has been
-- replaced, and one that lost its connection in a COMMIT sees whether it happened.
CREATE TABLE cofferdam.office (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    version integer NOT NULL,
    term bigint NOT NULL,
    turn bigint NOT NULL
);
INSERT INTO cofferdam.office (version, term, turn) VALUES (0, 0, 0);
CREATE TABLE cofferdam.plans (digest text PRIMARY KEY, plan bytea NOT NULL);
CREATE TABLE cofferdam.runs (
    run uuid PRIMARY KEY,
    idempotency_key text UNIQUE,
    plan text NOT NULL REFERENCES cofferdam.plans (digest),
    parent uuid,
    root uuid,
    known text,
    -- From here on a projection of the events.
    job text NOT NULL,
    status text NOT NULL,
    summary text NOT NULL
);
CREATE INDEX runs_by_job ON cofferdam.runs (job, run);
CREATE INDEX runs_by_status ON cofferdam.runs (status, run);
CREATE INDEX runs_by_parent ON cofferdam.runs (parent, run) WHERE parent IS NOT NULL;
CREATE INDEX runs_by_root ON cofferdam.runs (root, run) WHERE root IS NOT NULL;
CREATE TABLE cofferdam.events (
    run uuid NOT NULL REFERENCES cofferdam.runs (run),
    seq bigint NOT NULL,
    at bigint NOT NULL,
    version integer NOT NULL,
    event text NOT NULL,
    PRIMARY KEY (run, seq)
);
CREATE TABLE cofferdam.logs (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run uuid NOT NULL REFERENCES cofferdam.runs (run),
    step text NOT NULL,
    attempt bigint NOT NULL,
    level smallint NOT NULL,
    line text NOT NULL
);
CREATE INDEX logs_by_run ON cofferdam.logs (run, number);
-- Projections of events, found by run and number.
CREATE TABLE cofferdam.memos (
    memo text PRIMARY KEY,
    run uuid NOT NULL REFERENCES cofferdam.runs (run),
    seq bigint NOT NULL,
    step text NOT NULL
);
CREATE INDEX memos_by_run ON cofferdam.memos (run);
CREATE INDEX memos_by_step ON cofferdam.memos (step, run, seq);
CREATE TABLE cofferdam.materializations (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    asset text NOT NULL,
    partition text COLLATE "C" NOT NULL,
    run uuid NOT NULL REFERENCES cofferdam.runs (run),
    seq bigint NOT NULL
);
CREATE INDEX materializations_by_asset ON cofferdam.materializations (asset, number);
CREATE TABLE cofferdam.latest_materializations (
    asset text NOT NULL,
    partition text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (asset, partition)
);
CREATE TABLE cofferdam.checks (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    asset text NOT NULL,
    run uuid NOT NULL REFERENCES cofferdam.runs (run),
    seq bigint NOT NULL
);
CREATE INDEX checks_by_asset ON cofferdam.checks (asset, number);
-- Not made of events.
CREATE TABLE cofferdam.partitions (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    partition text COLLATE "C" NOT NULL,
    UNIQUE (name, partition)
);
CREATE TABLE cofferdam.pins (run uuid PRIMARY KEY);
"#;

/// What version 2 adds: which library is on a channel, and which were.
const SCHEMA_2: &str = r#"
CREATE TABLE cofferdam.promotions (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel text COLLATE "C" NOT NULL,
    library text NOT NULL,
    back bigint REFERENCES cofferdam.promotions (number),
    rolled_back boolean NOT NULL,
    who text NOT NULL,
    at bigint NOT NULL
);
CREATE INDEX promotions_by_channel ON cofferdam.promotions (channel, number);
"#;

/// What version 3 adds: schedules and sensors, their ticks, and the runs that these ask for.
const SCHEMA_3: &str = r#"
CREATE TABLE cofferdam.instigators (
    instigator text COLLATE "C" PRIMARY KEY,
    ticks_by text NOT NULL,
    status text,
    since bigint NOT NULL,
    cursor text,
    last_run_key text,
    last_tick bigint
);
CREATE TABLE cofferdam.ticks (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instigator text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    status text NOT NULL,
    ended_at bigint,
    tick text NOT NULL,
    UNIQUE (instigator, at)
);
CREATE INDEX ticks_by_instigator ON cofferdam.ticks (instigator, number);
CREATE INDEX ticks_open ON cofferdam.ticks (number) WHERE status = 'started';
CREATE INDEX ticks_skipped ON cofferdam.ticks (ended_at) WHERE status = 'skipped';
-- For ever: whoever asks with one of them a second time gets no run.
CREATE TABLE cofferdam.run_keys (
    instigator text COLLATE "C" NOT NULL,
    run_key text COLLATE "C" NOT NULL,
    run uuid NOT NULL,
    PRIMARY KEY (instigator, run_key)
);
-- Runs that were asked for and are still to be made.
CREATE TABLE cofferdam.reservations (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run uuid NOT NULL UNIQUE,
    tick bigint NOT NULL,
    instigator text NOT NULL,
    at bigint NOT NULL,
    request text NOT NULL
);
"#;

/// What version 4 adds: events that alerts may be about until somebody has looked at them, and alerts on their way.
const SCHEMA_4: &str = r#"
CREATE TABLE cofferdam.news (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run uuid NOT NULL,
    seq bigint NOT NULL
);
CREATE TABLE cofferdam.deliveries (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text COLLATE "C" NOT NULL UNIQUE,
    target text COLLATE "C" NOT NULL,
    -- One of them is there.
    next bigint,
    ended_at bigint,
    delivery text NOT NULL
);
CREATE INDEX deliveries_pending ON cofferdam.deliveries (target, next) WHERE next IS NOT NULL;
CREATE INDEX deliveries_ended ON cofferdam.deliveries (ended_at) WHERE ended_at IS NOT NULL;
"#;

/// Brings the tables up to date, in one transaction. To be called by the only writer.
pub(super) async fn migrate(client: &Client, place: &Place) -> Result<(), Error> {
    let version = version(client, place).await?;
    let Some(missing) = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version..)) else {
        return Err(newer(place, version));
    };
    if missing.is_empty() {
        return Ok(());
    }
    let set = format!("UPDATE cofferdam.office SET version = {SCHEMA_VERSION}");
    let work = format!("BEGIN; {} {set}; COMMIT", missing.concat());
    client.batch_execute(&work).await.map_err(place.failed("make its tables"))
}

/// Refuses a database that this program cannot read.
pub(super) async fn check(client: &Client, place: &Place) -> Result<(), Error> {
    let store = || place.to_string();
    match version(client, place).await? {
        0 => Err(Error::Missing { store: store() }),
        version if version > SCHEMA_VERSION => Err(newer(place, version)),
        version if version < SCHEMA_VERSION => Err(Error::OlderSchema { store: store() }),
        _ => Ok(()),
    }
}

fn newer(place: &Place, version: i32) -> Error {
    let (found, known) = (version.unsigned_abs(), SCHEMA_VERSION.unsigned_abs());
    Error::NewerSchema { store: place.to_string(), found, known }
}

/// The version of the tables; 0 if there are none. A schema of another program is refused.
async fn version(client: &Client, place: &Place) -> Result<i32, Error> {
    let read = async || -> Result<Option<i32>, SqlError> {
        let tables = "SELECT count(*), count(*) FILTER (WHERE tablename IN ('office', 'runs', 'events'))
            FROM pg_tables WHERE schemaname = 'cofferdam'";
        let row = client.query_one(tables, &[]).await?;
        match (row.get::<_, i64>(0), row.get::<_, i64>(1)) {
            (0, _) => Ok(Some(0)),
            (_, 3) => Ok(Some(client.query_one("SELECT version FROM cofferdam.office", &[]).await?.get(0))),
            _ => Ok(None),
        }
    };
    let found = read().await.map_err(place.failed("tell its version"))?;
    found.ok_or_else(|| Error::ForeignSchema { store: place.to_string() })
}
