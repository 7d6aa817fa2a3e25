//! `limits` and `resources` of a step: what one attempt may use, and what a worker must have free.

use std::collections::BTreeMap;

use cofferdam_model::{Diagnostic, Limits, Node, NodeKind};

use crate::reader::{Problems, Table, wrong_type};
use crate::units::{parse_bytes, parse_duration};

pub(crate) fn read_limits(node: &Node, what: &str, problems: &mut Problems) -> Limits {
    let mut limits = Limits::default();
    let Some(mut table) = Table::new(node, format!("`limits` of {what}"), problems) else {
        return limits;
    };
    let size = |text: &str| match parse_bytes(text) {
        Ok(0) => Err("a limit of zero lets nothing run; write for example `256MiB`".to_owned()),
        other => other,
    };
    if let Some(bytes) = table.parsed("memory", "256MiB", size, problems) {
        limits.memory_bytes_max = bytes;
    }
    if let Some(bytes) = table.parsed("output", "1GiB", size, problems) {
        limits.output_bytes_max = bytes;
    }
    if let Some(bytes) = table.parsed("log", "8MiB", size, problems) {
        limits.log_bytes_max = bytes;
    }
    let timeout = |text: &str| match parse_duration(text) {
        Ok(time) if time.is_zero() => {
            Err("a timeout of zero lets nothing run; write for example `5m`".to_owned())
        }
        other => other,
    };
    if let Some(timeout) = table.parsed("timeout", "5m", timeout, problems) {
        limits.timeout = Some(timeout);
    }
    if let Some(fuel) = table.int("fuel", 1..=i64::MAX, problems) {
        limits.fuel = u64::try_from(fuel).ok();
    }
    table.finish(problems);
    limits
}

pub(crate) fn read_amounts(node: &Node, what: &str, problems: &mut Problems) -> BTreeMap<String, f64> {
    let NodeKind::Map(entries) = &node.kind else {
        problems.push(wrong_type(&format!("`resources` of {what}"), "a table", node));
        return BTreeMap::new();
    };
    let mut resources = BTreeMap::new();
    for (key, node) in entries {
        let amount = match node.kind {
            #[expect(clippy::cast_precision_loss, reason = "amounts are small or approximate")]
            NodeKind::Int(amount) => Some(amount as f64),
            NodeKind::Float(amount) => Some(amount),
            _ => None,
        };
        match amount {
            Some(amount) if amount.is_finite() && amount > 0.0 => {
                resources.insert(key.value.clone(), amount);
            }
            _ => problems.push(
                Diagnostic::error(
                    "config::bad-value",
                    format!("resource `{}` of {what} is not a number above zero", key.value),
                )
                .at(node.span.as_ref(), "expected a number above zero")
                .hint(format!("write for example `{} = 1`, or leave it out", key.value)),
            ),
        }
    }
    resources
}
