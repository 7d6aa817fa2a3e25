//! The kinds `config` and `keyvalue`, and what holds for resources of every kind.

use crate::support::World;
use cofferdam_model::{Name, PlanResource, ResourceAnswer, ResourceCall, ResourceKind};
use serde_json::{Value, json};

fn get(key: &str) -> ResourceCall {
    ResourceCall::ConfigGet { key: key.to_owned() }
}

fn set(key: &str, value: &[u8]) -> ResourceCall {
    ResourceCall::KeySet { key: key.to_owned(), value: value.to_owned() }
}

fn value(key: &str) -> ResourceCall {
    ResourceCall::KeyGet { key: key.to_owned() }
}

fn bytes(bytes: &[u8]) -> ResourceAnswer {
    ResourceAnswer::Bytes(Some(bytes.to_vec().into()))
}

async fn keys(world: &World, settings: &Value, prefix: &str, after: Option<&str>) -> (Vec<String>, bool) {
    let call = ResourceCall::KeyList { prefix: prefix.to_owned(), after: after.map(str::to_owned) };
    match world.call(ResourceKind::Keyvalue, settings, call).await.unwrap() {
        ResourceAnswer::Keys { keys, more } => (keys, more),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_text_comes_from_the_settings_or_from_the_environment() {
    let world = World::new(&[("TOKEN", "hunter2-and-more")]);
    let settings = json!({ "entries": { "region": "eu", "token": { "env": "TOKEN" } } });
    let answer = |key: &str| world.call(ResourceKind::Config, &settings, get(key));
    assert_eq!(answer("region").await.unwrap(), ResourceAnswer::Text(Some("eu".into())));
    assert_eq!(answer("token").await.unwrap(), ResourceAnswer::Text(Some("hunter2-and-more".into())));
    assert_eq!(answer("TOKEN").await.unwrap(), ResourceAnswer::Text(None));
}

#[tokio::test]
async fn h_113_a_secret_that_was_not_lent_is_answered_as_one_that_never_was() {
    let world = World::new(&[("TOKEN", "hunter2-and-more"), ("OTHER", "of somebody else")]);
    let settings = json!({ "entries": { "token": { "env": "TOKEN" } } });
    for key in ["OTHER", "TOKEN", "other", "entries", "token.env", "", "never-was", "../OTHER", "token\0"] {
        let answer = world.call(ResourceKind::Config, &settings, get(key)).await.unwrap();
        assert_eq!(answer, ResourceAnswer::Text(None), "{key}");
    }
}

#[tokio::test]
async fn a_variable_that_is_not_set_is_named_and_the_others_are_not_told() {
    let world = World::new(&[("TOKEN", "hunter2-and-more")]);
    let settings = json!({ "entries": { "a": { "env": "TOKEN" }, "b": { "env": "MISSING" } } });
    let fault = world.fault(ResourceKind::Config, &settings, get("a")).await;
    insta::assert_snapshot!(fault, @"Invalid: resource `it` of kind `config`: the environment variable `MISSING`, which `entries.b` names, is not set where the step runs");
}

#[tokio::test]
async fn a_call_for_another_kind_is_denied() {
    let world = World::new(&[]);
    let fault = world.fault(ResourceKind::Config, &json!({ "entries": {} }), value("a")).await;
    insta::assert_snapshot!(fault, @"Denied: resource `it` of kind `config`: it is not of the kind `keyvalue`, which this call is for");
    let fault = world.fault(ResourceKind::Op, &json!({}), value("a")).await;
    insta::assert_snapshot!(fault, @"Denied: resource `it` of kind `op`: it is made by an op: take its value as an input instead of opening it");
}

#[tokio::test]
async fn settings_that_no_plan_would_have_are_refused_in_words() {
    let world = World::new(&[("HIDDEN", "hunter2-and-more")]);
    let fault = world.fault(ResourceKind::Config, &json!({ "entry": {} }), get("a")).await;
    insta::assert_snapshot!(fault, @"Invalid: resource `it` of kind `config`: its settings are wrong: unknown field `entry`, expected `entries`");
    let settings = json!({ "entries": { "a": { "env": "HIDDEN", "or": "else" } } });
    let fault = world.fault(ResourceKind::Config, &settings, get("a")).await;
    insta::assert_snapshot!(fault, @"Invalid: resource `it` of kind `config`: its settings are wrong: expected `{ env = \"NAME\" }` and nothing besides");
    let settings = json!({ "backend": "memory", "path": "x.db" });
    let fault = world.fault(ResourceKind::Keyvalue, &settings, value("a")).await;
    insta::assert_snapshot!(fault, @"Invalid: resource `it` of kind `keyvalue`: `path` has no meaning for `backend = \"memory\"`");
    let settings = json!({ "backend": "memory", "timeout": "5" });
    let fault = world.fault(ResourceKind::Keyvalue, &settings, value("a")).await;
    insta::assert_snapshot!(fault, @"Invalid: resource `it` of kind `keyvalue`: its settings are wrong: `5` is not a duration such as `30s` or `5m`");
}

#[tokio::test]
async fn memory_and_file_keep_the_same_entries() {
    for settings in [json!({ "backend": "memory" }), json!({ "backend": "file", "path": "deep/kv.db" })] {
        let world = World::new(&[]);
        let call = |call| world.call(ResourceKind::Keyvalue, &settings, call);
        assert_eq!(call(value("a")).await.unwrap(), ResourceAnswer::Bytes(None));
        for (key, bytes) in [("b/2", "two"), ("b/1", "one"), ("a", ""), ("c", "three"), ("b/1", "uno")] {
            assert_eq!(call(set(key, bytes.as_bytes())).await.unwrap(), ResourceAnswer::Done);
        }
        assert_eq!(call(value("b/1")).await.unwrap(), bytes(b"uno"));
        assert_eq!(call(value("a")).await.unwrap(), bytes(b""));
        assert_eq!(
            keys(&world, &settings, "", None).await,
            (vec!["a", "b/1", "b/2", "c"].into_iter().map(str::to_owned).collect(), false)
        );
        assert_eq!(keys(&world, &settings, "b/", Some("b/1")).await, (vec!["b/2".to_owned()], false));
        assert_eq!(keys(&world, &settings, "b/", Some("a")).await.0.len(), 2);
        assert_eq!(keys(&world, &settings, "b/", Some("zzz")).await, (vec![], false));
        for _ in 0..2 {
            assert_eq!(
                call(ResourceCall::KeyDelete { key: "b/1".into() }).await.unwrap(),
                ResourceAnswer::Done
            );
        }
        assert_eq!(call(value("b/1")).await.unwrap(), ResourceAnswer::Bytes(None));
    }
}

#[tokio::test]
async fn a_listing_comes_in_pages_of_a_thousand() {
    for settings in [json!({ "backend": "memory" }), json!({ "backend": "file" })] {
        let world = World::new(&[]);
        for number in 0..1001 {
            world.call(ResourceKind::Keyvalue, &settings, set(&format!("k{number:04}"), b"")).await.unwrap();
        }
        let (first, more) = keys(&world, &settings, "k", None).await;
        assert_eq!((first.len(), more), (1000, true));
        let (rest, more) = keys(&world, &settings, "k", first.last().map(String::as_str)).await;
        assert_eq!((rest, more), (vec!["k1000".to_owned()], false));
    }
}

#[tokio::test]
async fn a_file_outlives_the_worker_and_memory_does_not() {
    let world = World::new(&[]);
    for (settings, expected) in [
        (json!({ "backend": "file" }), bytes(b"kept")),
        (json!({ "backend": "memory" }), ResourceAnswer::Bytes(None)),
    ] {
        world.call(ResourceKind::Keyvalue, &settings, set("a", b"kept")).await.unwrap();
        let folder = world.folder.path();
        let again = cofferdam_resources::Resources::new(folder, folder.join("state"), |_| None);
        let resource = PlanResource { kind: ResourceKind::Keyvalue, settings };
        let found = again.call(&Name::new("it").unwrap(), &resource, value("a"), None).await.unwrap();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn resources_of_two_names_are_two_even_with_the_same_settings() {
    let world = World::new(&[]);
    let resource = PlanResource { kind: ResourceKind::Keyvalue, settings: json!({ "backend": "file" }) };
    let call = |name: &str, call| {
        let (name, resource) = (Name::new(name).unwrap(), resource.clone());
        let resources = &world.resources;
        async move { resources.call(&name, &resource, call, None).await.unwrap() }
    };
    call("one", set("a", b"1")).await;
    assert_eq!(call("two", value("a")).await, ResourceAnswer::Bytes(None));
    assert_eq!(call("one", value("a")).await, bytes(b"1"));
}

#[tokio::test]
async fn keys_and_values_have_bounds() {
    let world = World::new(&[]);
    let settings = json!({ "backend": "memory" });
    let fault = world.fault(ResourceKind::Keyvalue, &settings, set("", b"")).await;
    insta::assert_snapshot!(fault, @"Invalid: resource `it` of kind `keyvalue`: a key has 1 to 1024 bytes, this one has 0");
    let fault =
        world.fault(ResourceKind::Keyvalue, &settings, set("big", &vec![0; 16 * 1024 * 1024 + 1])).await;
    insta::assert_snapshot!(fault, @"TooLarge: resource `it` of kind `keyvalue`: a value has at most 16777216 bytes, the one for `big` has 16777217; keep large data in a blob");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told_and_left_alone() {
    let world = World::new(&[]);
    std::fs::write(world.folder.path().join("notes.txt"), "x".repeat(4096)).unwrap();
    let settings = json!({ "backend": "file", "path": "notes.txt" });
    let fault = world.fault(ResourceKind::Keyvalue, &settings, value("a")).await;
    insta::assert_snapshot!(fault, @"Failed: resource `it` of kind `keyvalue`: failed to open the key-value file `FOLDER/notes.txt`: file is not a database");
    assert_eq!(std::fs::read(world.folder.path().join("notes.txt")).unwrap(), "x".repeat(4096).as_bytes());
}
