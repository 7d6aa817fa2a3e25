//! Looks into what the program's JSON documents say: steps of a run, events of its history, lines of its log.

use serde_json::Value;

use crate::Project;

/// The steps of a run, in the order of its document.
pub fn steps(run: &Value) -> &Vec<Value> {
    run["steps"].as_array().unwrap_or_else(|| panic!("a run with steps, not {run:#}"))
}

/// One step of a run.
pub fn step<'a>(run: &'a Value, key: &str) -> &'a Value {
    steps(run).iter().find(|step| step["step"] == key).unwrap_or_else(|| panic!("{key} in {run:#}"))
}

/// Steps with their statuses.
pub fn statuses(run: &Value) -> Vec<(&str, &str)> {
    steps(run).iter().map(|step| (text(step, "step"), text(step, "status"))).collect()
}

/// How often a step was tried.
pub fn n_attempts(run: &Value, key: &str) -> usize {
    step(run, key)["attempts"].as_array().expect("attempts").len()
}

/// The id of a run.
pub fn id(run: &Value) -> &str {
    text(run, "run")
}

/// A field that holds text.
pub fn text<'a>(document: &'a Value, field: &str) -> &'a str {
    document[field].as_str().unwrap_or_else(|| panic!("`{field}` is text in {document:#}"))
}

/// The events of one type.
pub fn of_type<'a>(events: &'a [Value], name: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["event"]["type"] == name)
}

/// How many attempts were given out and not given back before they began.
pub fn n_given_out(events: &[Value]) -> usize {
    of_type(events, "step_dispatched").count() - of_type(events, "step_returned").count()
}

/// Steps of the events of one type, in the order of the log.
pub fn steps_of_type<'a>(events: &'a [Value], name: &'a str) -> Vec<&'a str> {
    of_type(events, name).map(|event| text(&event["event"], "step")).collect()
}

/// Looks that need the program.
impl Project {
    /// The history of the newest run; empty before there is one.
    pub fn events(&self) -> Vec<Value> {
        let ended = self.run(["show", "--events"]);
        ended.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is an event")).collect()
    }

    /// Runs a job with its results in `out`, in the place of earlier ones; the run as JSON.
    pub fn run_job(&self, args: &[&str], exit: i32) -> Value {
        let (ended, run) = self.json([&["run"], args, &["--export", "out", "--force"]].concat());
        assert_eq!(ended, exit, "{run:#}");
        run
    }

    /// A result, as [`Project::run_job`] exported it.
    pub fn result(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(&format!("out/{name}.json"))).expect("a result is JSON")
    }

    /// The lines that ops of the newest run logged, with their steps.
    pub fn logged(&self) -> Vec<(String, String)> {
        let (_, logs) = self.json(["logs"]);
        let lines = logs["lines"].as_array().expect("lines").iter().filter(|line| line["source"] == "op");
        lines.map(|line| (text(line, "step").to_owned(), text(line, "message").to_owned())).collect()
    }

    /// What a person reads when a command ends that way, without what differs from run to run: ids, times,
    /// folders, digests.
    pub fn message(&self, args: &[&str], exit: i32) -> String {
        let ended = self.run(args).expect(exit);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        let folder = self.path().canonicalize().expect("the project is there");
        let said = said.replace(&folder.display().to_string(), "<project>");
        let said = said.replace(&self.path().display().to_string(), "<project>");
        said.lines().map(normalise).collect::<Vec<_>>().join("\n")
    }
}

/// A line without ids, times and digests: a guest's digest is that of the machine that built it.
fn normalise(line: &str) -> String {
    let hex = |c: char| c.is_ascii_hexdigit() || c == '-';
    let is_digest = |word: &str| word.strip_prefix("sha256:").is_some_and(|hash| hash.len() == 64);
    let name = |word| match word {
        word if is_digest(word) => "<digest>",
        word if word.len() == 36 && word.chars().all(hex) => "<run>",
        word => word,
    };
    let words: Vec<&str> = line.split(' ').map(name).collect();
    let line = words.join(" ");
    match line.strip_prefix("failed in ").and_then(|rest| rest.split_once(": ")) {
        Some((_, rest)) => format!("failed in <time>: {rest}"),
        None => line,
    }
}
