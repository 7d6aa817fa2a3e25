//! `[jobs.NAME]`: a job, and what jobs and steps have in common (tags, retry policies).

use std::collections::BTreeMap;

use cofferdam_model::{
    Backoff, Diagnostic, Jitter, JobDef, Name, Node, NodeKind, RETRIES_MAX, RETRY_DELAY_MAX, RetryPolicy,
    Spanned,
};

use crate::reader::{Problems, Table, check_data, wrong_type};
use crate::steps::read_step;
use crate::units::parse_duration;

pub(crate) fn read_job(name: &Spanned<Name>, node: &Node, problems: &mut Problems) -> Option<JobDef> {
    let what = format!("job `{}`", name.value);
    let mut table = Table::new(node, what.clone(), problems)?;
    let description = table.text("description", problems).map_or(String::new(), |text| text.value);
    let max_concurrent = table
        .int("max_concurrent", 1..=i64::from(u32::MAX), problems)
        .and_then(|value| u32::try_from(value).ok());
    let tags = table.get("tags").map(|node| read_tags(node, &what, problems)).unwrap_or_default();
    let retry = table.get("retry").and_then(|node| read_retry(node, &what, problems));
    let config = table.get("config").and_then(|node| config_table(node, &what, problems));
    let steps = match table.get("steps") {
        Some(node) => Table::new(node, format!("`steps` of {what}"), problems)
            .map(|steps| steps.named("step", problems))
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(step, node)| read_step(step, node, problems))
            .collect(),
        None => {
            let example = format!("[jobs.{}.steps.first]", name.value);
            problems.push(table.missing("steps", &example));
            vec![]
        }
    };
    let span = table.span.cloned();
    table.finish(problems);
    Some(JobDef { description, steps, tags, retry, max_concurrent, config, span, ..JobDef::default() })
}

/// Config as it was written; a table, since that is what it is merged with.
pub(crate) fn config_table(node: &Node, what: &str, problems: &mut Problems) -> Option<Node> {
    if matches!(node.kind, NodeKind::Map(_)) {
        check_data(node, problems);
        return Some(node.clone());
    }
    problems.push(wrong_type(&format!("`config` of {what}"), "a table", node));
    None
}

/// Tags are text; anything else is kept as JSON, as Dagster does.
pub(crate) fn read_tags(node: &Node, what: &str, problems: &mut Problems) -> BTreeMap<String, String> {
    let NodeKind::Map(entries) = &node.kind else {
        problems.push(wrong_type(&format!("`tags` of {what}"), "a table", node));
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

pub(crate) fn read_retry(node: &Node, what: &str, problems: &mut Problems) -> Option<RetryPolicy> {
    let what = format!("`retry` of {what}");
    let mut table = Table::new(node, what, problems)?;
    let max_retries = table.int("max_retries", 0..=i64::from(RETRIES_MAX), problems);
    if node.get("max_retries").is_none() {
        problems.push(table.missing("max_retries", "max_retries = 2"));
    }
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
    if (node.get("backoff").is_some() || node.get("jitter").is_some()) && node.get("delay").is_none() {
        problems.push(
            Diagnostic::error("config::contradiction", "`backoff` and `jitter` need a `delay` to work on")
                .at(table.span, "no `delay`")
                .hint("add for example `delay = \"1s\"`"),
        );
    }
    table.finish(problems);
    Some(RetryPolicy { max_retries: u32::try_from(max_retries?).ok()?, delay, backoff, jitter })
}

fn retry_delay(text: &str) -> Result<f64, String> {
    let delay = parse_duration(text)?;
    if delay > RETRY_DELAY_MAX {
        return Err(format!("`{text}` is too long; a retry waits at most 24h"));
    }
    Ok(delay.as_secs_f64())
}
