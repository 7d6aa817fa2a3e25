//! The op of the dbt example: runs a dbt project, which is a program of the host, and reads what came of it.

use cofferdam_op::{Command, Context, Error, Level, Result, ResultExt, library, op};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

library!(build, query);

/// One line of dbt's log, written with `--log-format json`.
#[derive(Debug, Deserialize)]
struct Line {
    info: Info,
    #[serde(default)]
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Info {
    name: String,
    level: String,
    msg: String,
}

#[derive(Debug, Default, Deserialize)]
struct Data {
    node_info: Option<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    node_name: String,
    node_status: String,
    resource_type: String,
}

/// What dbt made or checked.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Built {
    /// The name of a seed, model or test.
    node: String,
    /// `seed`, `model`, `test` and so on.
    kind: String,
    /// `success`, `pass`, `fail` and so on.
    status: String,
}

/// Runs `dbt build`: loads seeds, makes models, runs tests. dbt's log lines become lines of the step.
#[op]
pub fn build(
    ctx: &Context,
    /// The program dbt.
    dbt: Command,
) -> Result<Vec<Built>> {
    let outcome = dbt.run(&["--log-format", "json", "build"])?;
    let lines = read(&outcome.text()?);
    for line in &lines {
        ctx.log(level(&line.info.level), &line.info.msg, &[("dbt", &line.info.name)]);
    }
    let built: Vec<Built> = lines.into_iter().filter_map(finished).collect();
    ctx.metadata("nodes", built.len());
    let bad: Vec<&str> = built
        .iter()
        .filter(|built| !matches!(built.status.as_str(), "success" | "pass"))
        .map(|built| built.node.as_str())
        .collect();
    if !bad.is_empty() {
        return Err(Error::permanent(format!("dbt could not build {}", bad.join(", "))));
    }
    outcome.ok()?;
    Ok(built)
}

fn read(text: &str) -> Vec<Line> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn level(word: &str) -> Level {
    match word {
        "error" => Level::Error,
        "warn" => Level::Warn,
        "debug" => Level::Debug,
        _ => Level::Info,
    }
}

fn finished(line: Line) -> Option<Built> {
    let is_result = line.info.name.starts_with("Log") && line.info.name.ends_with("Result");
    let node = line.data.node_info.filter(|_| is_result)?;
    Some(Built { node: node.node_name, kind: node.resource_type, status: node.node_status })
}

/// What to ask.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// A model.
    model: String,
}

/// What `dbt show --output json` prints.
#[derive(Debug, Deserialize)]
struct Shown {
    show: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// Reads the rows of a model, by `dbt show`.
#[op]
pub fn query(dbt: Command, config: Question) -> Result<Vec<serde_json::Map<String, serde_json::Value>>> {
    let arguments = ["--quiet", "show", "--output", "json", "--select", &config.model];
    let text = dbt.run(&arguments)?.ok()?.text()?;
    let shown: Shown = serde_json::from_str(&text).context("reading what dbt shows")?;
    Ok(shown.show)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_op::command::Outcome;

    const LOG: &str = r#"{"info": {"name": "MainReportVersion", "level": "info", "msg": "Running with dbt"}, "data": {}}
{"info": {"name": "LogModelResult", "level": "info", "msg": "1 of 1 OK"}, "data": {"node_info": {"node_name": "sums", "node_status": "success", "resource_type": "model"}}}
"#;

    #[test]
    fn what_dbt_finished_is_read_from_its_log() {
        let dbt = Command::test(|arguments, _| {
            assert_eq!(arguments.last().map(String::as_str), Some("build"));
            Ok(Outcome::exited(0, LOG, ""))
        });
        let ctx = Context::test();
        let built = build(&ctx, dbt).unwrap();
        let expected =
            Built { node: "sums".to_owned(), kind: "model".to_owned(), status: "success".to_owned() };
        assert_eq!(built, [expected]);
        assert_eq!(ctx.recorded().logs[0].message, "Running with dbt");
    }

    #[test]
    fn a_failing_test_of_dbt_fails_the_step_by_its_name() {
        let log = LOG.replace("\"success\"", "\"fail\"");
        let dbt = Command::test(move |_, _| Ok(Outcome::exited(1, log.clone(), "")));
        let error = build(&Context::test(), dbt).unwrap_err();
        assert_eq!(error.to_string(), "dbt could not build sums");
    }
}
