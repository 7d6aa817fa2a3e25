//! Ops evaluated as functions, outside of runs: what config mappings are.

use cofferdam_cell::Artefacts;
use cofferdam_depot::Depot;
use cofferdam_model::{Failure, FailureKind, Name, Output, Place, PlanOutput, cbor};
use cofferdam_worker::{Evaluation, evaluate};
use serde_json::{Value, json};

use crate::bench::{command, guest};

async fn call(package: &str, op: &str, config: Vec<u8>) -> Result<Vec<Output>, Failure> {
    let folder = tempfile::tempdir().unwrap();
    let artefacts = Artefacts::open(folder.path(), command()).unwrap();
    let depot = Depot::memory();
    let library = depot.put(guest(package)).await.unwrap();
    let outputs = vec![PlanOutput::new(Name::result(), "*/*")];
    let evaluation = Evaluation { op: Name::new(op).unwrap(), config, inputs: vec![], outputs };
    evaluate(&command(), &artefacts, &depot, &library, evaluation).await
}

async fn map(config: Value) -> Result<Value, Failure> {
    let outputs = call("resources", "map_config", cbor::encode(&config)).await?;
    let Place::Inline(bytes) = &outputs[0].value.place else { panic!("it is small") };
    Ok(ciborium::from_reader(&bytes[..]).unwrap())
}

#[tokio::test]
async fn a_function_gives_what_its_config_says() {
    let mapped = map(json!({"word": "hello"})).await.unwrap();
    assert_eq!(mapped, json!({"greet": {"config": {"text": "hello!"}}}));
}

#[tokio::test]
async fn a_function_that_loops_ends_at_its_fuel_on_every_machine_alike() {
    let failure = map(json!({"word": "x", "forever": true})).await.unwrap_err();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Fuel, "used up its fuel of 100000000")
    );
}

#[tokio::test]
async fn a_function_that_fails_says_why() {
    let failure = map(json!({"forever": false})).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Op);
    assert!(failure.message.contains("missing field `word`"), "{}", failure.message);
}

#[tokio::test]
async fn a_function_has_no_resources_and_no_store() {
    let failure = call("resources", "complain", cbor::encode(&Value::Null)).await.unwrap();
    let Place::Inline(bytes) = &failure[0].value.place else { panic!("it is small") };
    let said: String = ciborium::from_reader(&bytes[..]).unwrap();
    assert!(said.starts_with("Denied: the step binds no resource `api`"), "{said}");
    let failure = call("behaviours", "write_large", 300_000_u64.to_le_bytes().to_vec()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Store, "{failure:?}");
    assert!(
        format!("{failure:?}").contains("an output of a function has at most 65536 bytes"),
        "{failure:?}"
    );
}
