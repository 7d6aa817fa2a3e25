//! What several kinds of definitions carry: tags, config, retry policies, hooks.

use std::collections::BTreeMap;

use cofferdam_model::{
    Backoff, Diagnostic, HookDef, HookOn, Jitter, LABELS_MAX, Node, NodeKind, RETRIES_MAX, RETRY_DELAY_MAX,
    Reexecution, RetryPolicy, RunRetryDef, TagLimit, check_label, read_tag_limits,
};

use crate::reader::{Problems, Table, check_data, wrong_type};
use crate::steps::op_path;
use crate::units::parse_duration;

/// `config`, as it was written; a table, since that is what it is merged with.
pub(crate) fn read_config(table: &mut Table<'_>, problems: &mut Problems) -> Option<Node> {
    let node = table.get("config")?;
    if matches!(node.kind, NodeKind::Map(_)) {
        check_data(node, problems);
        return Some(node.clone());
    }
    problems.push(wrong_type(&format!("`config` of {}", table.what()), "a table", node));
    None
}

/// Tags are text; anything else is kept as JSON, as Dagster does.
pub(crate) fn read_tags(
    table: &mut Table<'_>,
    key: &'static str,
    problems: &mut Problems,
) -> BTreeMap<String, String> {
    let Some(node) = table.get(key) else {
        return BTreeMap::new();
    };
    let NodeKind::Map(entries) = &node.kind else {
        problems.push(wrong_type(&format!("`{key}` of {}", table.what()), "a table", node));
        return BTreeMap::new();
    };
    check_data(node, problems);
    entries
        .iter()
        .map(|(key, node)| {
            let value = match &node.kind {
                NodeKind::Text(text) => text.clone(),
                _ => node.to_json().to_string(),
            };
            (key.value.clone(), value)
        })
        .collect()
}

pub(crate) fn read_max_concurrent(table: &mut Table<'_>, problems: &mut Problems) -> Option<u32> {
    table.int("max_concurrent", 1..=i64::from(u32::MAX), problems).and_then(|value| u32::try_from(value).ok())
}

/// `tag_concurrency_limits`, as in a run config.
pub(crate) fn read_limits_by_tag(table: &mut Table<'_>, problems: &mut Problems) -> Vec<TagLimit> {
    let node = table.get("tag_concurrency_limits");
    node.map(|node| read_tag_limits(node, "config::bad-value", problems)).unwrap_or_default()
}

/// `labels = { zone = "eu" }`
pub(crate) fn read_labels(table: &mut Table<'_>, problems: &mut Problems) -> BTreeMap<String, String> {
    let what = format!("`labels` of {}", table.what());
    let Some(node) = table.get("labels") else { return BTreeMap::new() };
    let NodeKind::Map(entries) = &node.kind else {
        let problem = wrong_type(&what, "a table", node);
        problems.push(problem.hint("write for example `labels = { zone = \"eu\" }`"));
        return BTreeMap::new();
    };
    let mut labels = BTreeMap::new();
    if entries.len() > LABELS_MAX {
        let message = format!("{what}: {} labels, expected at most {LABELS_MAX}", entries.len());
        problems.push(Diagnostic::error("config::bad-value", message).at(node.span.as_ref(), "too many"));
    }
    for (name, inner) in entries {
        let NodeKind::Text(value) = &inner.kind else {
            problems.push(wrong_type(&format!("`{}` in {what}", name.value), "text", inner));
            continue;
        };
        for (text, span) in [(&name.value, name.span.as_ref()), (value, inner.span.as_ref())] {
            if let Err(why) = check_label(text) {
                let message = format!("{what}: `{text}` {why}");
                let problem = Diagnostic::error("config::bad-value", message).at(span, "not a label");
                problems.push(problem.hint("a label is short and plain, as in `labels = { zone = \"eu\" }`"));
            }
        }
        labels.insert(name.value.clone(), value.clone());
    }
    labels
}

pub(crate) fn read_retry(table: &mut Table<'_>, problems: &mut Problems) -> Option<RetryPolicy> {
    let node = table.get("retry")?;
    let mut table = Table::new(node, format!("`retry` of {}", table.what()), problems)?;
    let max_retries = read_max_retries(&mut table, problems);
    let delay = table.parsed("delay", "1s", retry_delay, problems).unwrap_or_default();
    let backoff = table
        .word(
            "backoff",
            &[("none", Backoff::None), ("linear", Backoff::Linear), ("exponential", Backoff::Exponential)],
            problems,
        )
        .unwrap_or_default();
    let jitter = table
        .word(
            "jitter",
            &[("none", Jitter::None), ("full", Jitter::Full), ("plus_minus", Jitter::PlusMinus)],
            problems,
        )
        .unwrap_or_default();
    if (table.has("backoff") || table.has("jitter")) && !table.has("delay") {
        problems.push(
            Diagnostic::error("config::contradiction", "`backoff` and `jitter` need a `delay` to work on")
                .at(table.span, "no `delay`")
                .hint("add for example `delay = \"1s\"`"),
        );
    }
    table.finish(problems);
    Some(RetryPolicy { max_retries: max_retries?, delay, backoff, jitter })
}

fn read_max_retries(table: &mut Table<'_>, problems: &mut Problems) -> Option<u32> {
    if !table.has("max_retries") {
        problems.push(table.missing("max_retries", "max_retries = 2"));
    }
    table.int("max_retries", 0..=i64::from(RETRIES_MAX), problems).and_then(|n| u32::try_from(n).ok())
}

fn retry_delay(text: &str) -> Result<f64, String> {
    let delay = parse_duration(text)?;
    if delay > RETRY_DELAY_MAX {
        return Err(format!("`{text}` is too long; a retry waits at most 24h"));
    }
    Ok(delay.as_secs_f64())
}

/// `run_retry`: from the failure and after a step's failure as well, unless it says otherwise, as Dagster does.
pub(crate) fn read_run_retry(table: &mut Table<'_>, problems: &mut Problems) -> Option<RunRetryDef> {
    let node = table.get("run_retry")?;
    let mut table = Table::new(node, format!("`run_retry` of {}", table.what()), problems)?;
    let max_retries = read_max_retries(&mut table, problems);
    let strategies = [Reexecution::FromFailure, Reexecution::AllSteps].map(|how| (how.word(), how));
    let strategy = table.word("strategy", &strategies, problems).unwrap_or(Reexecution::FromFailure);
    let on_step_failure = table.truth("on_step_failure", problems).unwrap_or(true);
    table.finish(problems);
    Some(RunRetryDef { max_retries: max_retries?, strategy, on_step_failure })
}

/// `hooks = [{ on = "failure", op = "alerts.notify" }]`, or as `[[….hooks]]`.
pub(crate) fn read_hooks(table: &mut Table<'_>, problems: &mut Problems) -> Vec<HookDef> {
    let Some(node) = table.get("hooks") else { return vec![] };
    let what = format!("`hooks` of {}", table.what());
    let NodeKind::List(items) = &node.kind else {
        problems.push(
            wrong_type(&what, "a list of hooks", node)
                .hint("write for example `hooks = [{ on = \"failure\", op = \"alerts.notify\" }]`"),
        );
        return vec![];
    };
    items.iter().filter_map(|item| read_hook(item, &format!("a hook in {what}"), problems)).collect()
}

fn read_hook(node: &Node, what: &str, problems: &mut Problems) -> Option<HookDef> {
    let mut table = Table::new(node, what, problems)?;
    if !table.has("on") {
        problems.push(table.missing("on", "on = \"failure\""));
    }
    let on = table.word("on", &[("success", HookOn::Success), ("failure", HookOn::Failure)], problems);
    if !table.has("op") {
        problems.push(table.missing("op", "op = \"alerts.notify\""));
    }
    let op = table.text("op", problems).and_then(|text| op_path(&text, problems));
    let config = read_config(&mut table, problems);
    let span = table.span.cloned();
    table.finish(problems);
    Some(HookDef { on: on?, op: op?, config, span })
}
