//! Config that takes values from environment variables of the worker: read when an attempt is taken, put where the
//! plan has null, and seen by the op alone. No value is ever printed: messages name variables.

use cofferdam_model::{Assignment, EnvKind, EnvSource, Failure, FailureKind, cbor};
use serde_json::Value;

/// Completes the config of an attempt. Fails, and names every variable that is not set or is not what it must be.
pub(crate) fn fill(
    assignment: &mut Assignment,
    read: impl Fn(&str) -> Option<String>,
) -> Result<(), Failure> {
    if assignment.env.is_empty() {
        return Ok(());
    }
    let failed = |message: String| Failure::new(FailureKind::Config, message);
    let mut config: Value = ciborium::from_reader(&assignment.config[..])
        .map_err(|error| failed(format!("the config cannot be read: {error}")))?;
    let mut problems = vec![];
    for source in &assignment.env {
        let value = value(source, &read);
        if let Err(problem) = value.and_then(|value| put(&mut config, source, value)) {
            problems.push(problem);
        }
    }
    let mut problems = problems.into_iter();
    match problems.next() {
        None => {
            assignment.config = cbor::encode(&config);
            Ok(())
        }
        Some(first) => {
            let mut failure = failed(first);
            failure.causes = problems.collect();
            Err(failure)
        }
    }
}

fn value(source: &EnvSource, read: impl Fn(&str) -> Option<String>) -> Result<Value, String> {
    let (name, path) = (&source.name, source.path.join("."));
    let text = read(name).ok_or_else(|| {
        format!(
            "the environment variable `{name}` is not set where the worker runs; config `{path}` takes its value from it"
        )
    })?;
    let (value, expected) = match source.kind {
        EnvKind::Text => (Some(Value::from(text)), "a text"),
        EnvKind::Integer => (integer(text.trim()), "a whole number"),
        EnvKind::Number => (text.trim().parse::<f64>().ok().and_then(number), "a number"),
        EnvKind::Truth => (text.trim().parse::<bool>().ok().map(Value::from), "`true` or `false`"),
    };
    value.ok_or_else(|| {
        format!("the environment variable `{name}` is not {expected}, which config `{path}` takes from it")
    })
}

fn integer(text: &str) -> Option<Value> {
    text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from)).ok()
}

fn number(number: f64) -> Option<Value> {
    serde_json::Number::from_f64(number).map(Value::Number)
}

fn put(config: &mut Value, source: &EnvSource, value: Value) -> Result<(), String> {
    let place = source.path.iter().try_fold(config, |at, part| match at {
        Value::Object(fields) => fields.get_mut(part),
        Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?),
        _ => None,
    });
    let missing = || format!("the plan's config has no place `{}`", source.path.join("."));
    *place.ok_or_else(missing)? = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use cofferdam_model::{AttemptId, Fence, LibraryDigest, Name, RunId, StepKey};
    use serde_json::json;

    use super::*;

    fn assignment(config: &Value, env: Vec<EnvSource>) -> Assignment {
        let step = StepKey::new("step");
        let id = AttemptId { run: RunId(uuid::Uuid::nil()), step, attempt: 1, fence: Fence(1) };
        Assignment {
            config: cbor::encode(config),
            env,
            ..Assignment::new(id, LibraryDigest([0; 32]), Name::new("op").unwrap())
        }
    }

    fn source(path: &[&str], name: &str, kind: EnvKind) -> EnvSource {
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        EnvSource { path, name: name.to_owned(), kind }
    }

    fn environment(name: &str) -> Option<String> {
        let known =
            [("USER", "ada"), ("PORT", "5432"), ("RATE", "0.5"), ("TLS", "true"), ("PASSWORD", "hush")];
        known.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn variables_take_the_places_that_the_plan_left_null() {
        let config = json!({"user": null, "ports": [1, null], "deep": {"rate": null, "tls": null}, "n": 1});
        let mut assignment = assignment(
            &config,
            vec![
                source(&["user"], "USER", EnvKind::Text),
                source(&["ports", "1"], "PORT", EnvKind::Integer),
                source(&["deep", "rate"], "RATE", EnvKind::Number),
                source(&["deep", "tls"], "TLS", EnvKind::Truth),
            ],
        );
        fill(&mut assignment, environment).unwrap();
        let filled: Value = ciborium::from_reader(&assignment.config[..]).unwrap();
        assert_eq!(
            filled,
            json!({"user": "ada", "ports": [1, 5432], "deep": {"rate": 0.5, "tls": true}, "n": 1})
        );
    }

    #[test]
    fn every_variable_that_will_not_do_is_named_and_no_value_is_printed() {
        let config = json!({"user": null, "port": null, "rate": null, "tls": null});
        let mut assignment = assignment(
            &config,
            vec![
                source(&["user"], "NOBODY", EnvKind::Text),
                source(&["port"], "PASSWORD", EnvKind::Integer),
                source(&["rate"], "PASSWORD", EnvKind::Number),
                source(&["tls"], "PASSWORD", EnvKind::Truth),
                source(&["gone", "x"], "USER", EnvKind::Text),
            ],
        );
        let failure = fill(&mut assignment, environment).unwrap_err();
        let said = format!("{}\n{}", failure.message, failure.causes.join("\n"));
        assert!(!said.contains("hush") && !said.contains("ada"), "{said}");
        assert_eq!(failure.kind, FailureKind::Config);
        insta::assert_snapshot!(said, @r"
        the environment variable `NOBODY` is not set where the worker runs; config `user` takes its value from it
        the environment variable `PASSWORD` is not a whole number, which config `port` takes from it
        the environment variable `PASSWORD` is not a number, which config `rate` takes from it
        the environment variable `PASSWORD` is not `true` or `false`, which config `tls` takes from it
        the plan's config has no place `gone.x`
        ");
    }
}
