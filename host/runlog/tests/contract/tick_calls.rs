//! Any calls about ticks, to all stores.

use std::sync::atomic::{AtomicU32, Ordering};

use cofferdam_kit::postgres::Server;
use cofferdam_model::*;
use cofferdam_runlog::*;
use proptest::prelude::*;

use crate::PATIENCE;

#[derive(Debug, Clone)]
enum Call {
    Term,
    Watch(usize, bool),
    Status(usize, Option<InstigatorStatus>),
    Cursor(usize, Option<u8>),
    /// Of which, at what time, and whether under the present term.
    Open(usize, u8, bool),
    /// Which tick, how, whether that counts, the cursor, and the keys of the runs.
    Close(u8, TickStatus, bool, Option<u8>, Vec<Option<u8>>),
    /// Which run, and whether it is refused.
    Settle(u8, bool),
    Forget(u8),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let which = || 0..3_usize;
    let set = prop_oneof![
        Just(None),
        Just(Some(InstigatorStatus::Running)),
        Just(Some(InstigatorStatus::Stopped)),
    ];
    let end = prop_oneof![Just(TickStatus::Succeeded), Just(TickStatus::Skipped), Just(TickStatus::Failed)];
    let cursor = || proptest::option::of(0..9_u8);
    let keys = proptest::collection::vec(proptest::option::of(0..4_u8), 0..3);
    let call = prop_oneof![
        1 => Just(Call::Term),
        3 => (which(), any::<bool>()).prop_map(|(one, times)| Call::Watch(one, times)),
        1 => (which(), set).prop_map(|(one, status)| Call::Status(one, status)),
        1 => (which(), cursor()).prop_map(|(one, cursor)| Call::Cursor(one, cursor)),
        6 => (which(), 0..5_u8, prop::bool::weighted(0.9)).prop_map(|(one, at, now)| Call::Open(one, at, now)),
        6 => (0..8_u8, end, any::<bool>(), cursor(), keys)
            .prop_map(|(tick, end, counts, cursor, keys)| Call::Close(tick, end, counts, cursor, keys)),
        2 => (0..8_u8, any::<bool>()).prop_map(|(run, refused)| Call::Settle(run, refused)),
        1 => (0..30_u8).prop_map(Call::Forget),
    ];
    proptest::collection::vec(call, 1..40)
}

fn instigator(which: usize) -> Instigator {
    ["schedule/main/a", "sensor/main/a", "sensor/main/b"][which].parse().unwrap()
}

fn reserved(n: u128, key: Option<u8>) -> ReservedRun {
    let request = RunRequest { run_key: key.map(|key| key.to_string()), ..RunRequest::default() };
    ReservedRun { run: RunId(uuid::Uuid::from_u128(n)), request }
}

/// Carries out the calls and tells everything that can be seen from outside.
async fn transcript(log: &dyn RunLog, calls: &[Call]) -> Vec<String> {
    let (mut seen, mut n_runs) = (vec![], 0);
    let mut term = log.take_term(Term(0)).await.unwrap();
    let ticks = log.automation();
    for (now, call) in (0..).map(Timestamp).zip(calls) {
        seen.push(match call.clone() {
            Call::Term => {
                term = log.take_term(Term(0)).await.unwrap();
                format!("{term:?}")
            }
            Call::Watch(one, times) => {
                format!("{:?}", ticks.watch(vec![(instigator(one), times.to_string())], now).await)
            }
            Call::Status(one, status) => {
                format!("{:?}", ticks.set_status(instigator(one), status, now).await)
            }
            Call::Cursor(one, cursor) => {
                let cursor = cursor.map(|cursor| cursor.to_string());
                format!("{:?}", ticks.set_cursor(instigator(one), cursor).await)
            }
            Call::Open(one, at, current) => {
                let term = if current { term } else { Term(term.0 + 1) };
                let at = Timestamp(at.into());
                format!("{:?}", ticks.open_tick(NewTick { term, instigator: instigator(one), at, now }).await)
            }
            Call::Close(number, status, counts, cursor, keys) => {
                let runs = keys.into_iter().map(|key| {
                    n_runs += 1;
                    reserved(n_runs, key)
                });
                let (number, runs) = (number.into(), runs.collect());
                let cursor = cursor.map(|cursor| cursor.to_string());
                let end =
                    TickEnd { term, number, now, status, reason: None, counts, cursor, runs, logs: vec![] };
                format!("{:?}", ticks.close_tick(end).await)
            }
            Call::Settle(run, refused) => {
                let run = RunId(uuid::Uuid::from_u128(run.into()));
                let why = refused.then(|| "why".to_owned());
                format!("{:?}", ticks.settle(term, run, why).await)
            }
            Call::Forget(before) => {
                format!("{:?}", ticks.forget_skipped(Timestamp(before.into())).await)
            }
        });
        seen.push(format!("{:?}", ticks.reservations(9).await));
    }
    for one in 0..3 {
        seen.push(format!("{:?}", ticks.ticks(instigator(one), None, 100).await));
        let keys = (0..4).map(|key| key.to_string()).collect();
        seen.push(format!("{:?}", ticks.used_run_keys(instigator(one), keys).await));
    }
    seen.push(format!("{:?}", ticks.open_ticks().await));
    seen.push(format!("{:?}", ticks.instigators().await));
    seen
}

#[test]
fn i2_all_stores_answer_the_same_to_the_same_calls_about_ticks() {
    let server = Server::start();
    let databases = AtomicU32::new(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    proptest!(ProptestConfig::with_cases(24), |(calls in calls())| {
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let sqlite = Sqlite::open(&folder.path().join("runs.db")).unwrap();
            let database = server.database(&format!("case_{}", databases.fetch_add(1, Ordering::Relaxed)));
            let postgres = Postgres::open(&database, PATIENCE).await.unwrap();
            let expected = transcript(&Memory::new(), &calls).await;
            prop_assert_eq!(&expected, &transcript(&sqlite, &calls).await);
            prop_assert_eq!(&expected, &transcript(&postgres, &calls).await);
            Ok(())
        })?;
    });
}
