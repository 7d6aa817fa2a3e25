//! What a sensor's op is told, and how its answer is read.

use cofferdam_model::{InstigatorState, Name, RunRequest, Timestamp};
use serde_json::{Map, Value, json};

use crate::Evaluation;

/// What the op's input `tick` takes.
pub fn tick_input(state: &InstigatorState, at: Timestamp) -> Value {
    json!({
        "at": at.0,
        "cursor": state.cursor,
        "last_tick": state.last_tick.map(|last| last.0),
        "last_run_key": state.last_run_key,
    })
}

/// Reads what the op gave as its output `result`. One that cannot be read is a failed evaluation, which says where.
pub fn read_answer(answer: &Value) -> Evaluation {
    read(answer).unwrap_or_else(|why| Evaluation::Failed {
        error: format!("the answer of the sensor cannot be read: {why}"),
        passed: None,
    })
}

fn read(answer: &Value) -> Result<Evaluation, String> {
    let fields = fields(answer, "`result`", &["runs", "skip_reason", "cursor"])?;
    let requests = match fields.get("runs") {
        None | Some(Value::Null) => vec![],
        Some(Value::Array(runs)) => {
            let read = |(number, run)| request(run).map_err(|why| format!("run request {number}: {why}"));
            (1..).zip(runs).map(read).collect::<Result<_, String>>()?
        }
        Some(other) => return Err(expected("`runs`", "a list", other)),
    };
    Ok(Evaluation::Answered {
        requests,
        skip_reason: text(fields, "skip_reason")?,
        cursor: text(fields, "cursor")?,
    })
}

fn request(run: &Value) -> Result<RunRequest, String> {
    let fields = fields(run, "it", &["job", "run_key", "config", "tags", "partition"])?;
    let job = text(fields, "job")?.map(|job| Name::new(&job).map_err(|why| format!("`job`: {why}")));
    let config = match fields.get("config") {
        None | Some(Value::Null) => Value::Null,
        Some(config @ Value::Object(_)) => config.clone(),
        Some(other) => return Err(expected("`config`", "a map", other)),
    };
    let tags = match fields.get("tags") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(tags)) => tags.clone(),
        Some(other) => return Err(expected("`tags`", "a map", other)),
    };
    let tag = |(name, value): (String, Value)| match value {
        Value::String(text) => Ok((name, text)),
        other => Err(expected(&format!("tag `{}`", name.escape_debug()), "text", &other)),
    };
    Ok(RunRequest {
        run_key: text(fields, "run_key")?,
        job: job.transpose()?,
        config,
        tags: tags.into_iter().map(tag).collect::<Result<_, String>>()?,
        partition: text(fields, "partition")?,
    })
}

fn fields<'a>(value: &'a Value, what: &str, known: &[&str]) -> Result<&'a Map<String, Value>, String> {
    let Value::Object(fields) = value else { return Err(expected(what, "a map", value)) };
    match fields.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(fields),
        Some(unknown) => {
            let known: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
            Err(format!("{what} has a field `{}`, known are {}", unknown.escape_debug(), known.join(", ")))
        }
    }
}

fn text(fields: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(expected(&format!("`{key}`"), "text", other)),
    }
}

fn expected(what: &str, wanted: &str, found: &Value) -> String {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    };
    format!("{what} is {found}, expected {wanted}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i4_an_answer_asks_for_several_runs_and_moves_the_cursor() {
        let answer = json!({
            "runs": [{"run_key": "a", "job": "j", "config": {"ops": {}}, "tags": {"x": "y"}}, {"partition": "north"}],
            "cursor": "7",
        });
        let Evaluation::Answered { requests, skip_reason, cursor } = read_answer(&answer) else { panic!() };
        assert_eq!((requests.len(), skip_reason, cursor.as_deref()), (2, None, Some("7")));
        assert_eq!((requests[0].run_key.as_deref(), &requests[0].config), (Some("a"), &json!({"ops": {}})));
        assert_eq!(requests[0].tags["x"], "y");
        assert_eq!(requests[1].partition.as_deref(), Some("north"));
    }

    #[test]
    fn c_32_an_answer_that_is_none_fails_the_tick_and_says_where() {
        let answers = [
            json!(null),
            json!({"run": []}),
            json!({"runs": "a"}),
            json!({"runs": [{"key": "a"}]}),
            json!({"runs": [{}, {"run_key": 7}]}),
            json!({"runs": [{"job": "a b"}]}),
            json!({"runs": [{"config": []}]}),
            json!({"runs": [{"tags": {"a\u{1b}": 1}}]}),
            json!({"cursor": {"at": 1}}),
        ];
        let told = |answer: &Value| match read_answer(answer) {
            Evaluation::Failed { error, passed: None } => error,
            other => panic!("{other:?}"),
        };
        let lines: Vec<String> = answers.iter().map(told).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn an_op_is_told_what_is_known_at_the_tick() {
        let state = InstigatorState {
            instigator: "sensor/main/s".parse().unwrap(),
            status: None,
            since: Timestamp(0),
            cursor: Some("7".to_owned()),
            last_run_key: None,
            last_tick: Some(Timestamp(5)),
        };
        let expected = json!({"at": 9, "cursor": "7", "last_tick": 5, "last_run_key": null});
        assert_eq!(tick_input(&state, Timestamp(9)), expected);
    }
}
