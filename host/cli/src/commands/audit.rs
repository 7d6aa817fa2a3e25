//! `cofferdam audit`: who did what on the instance whose state is here.

use cofferdam_server::{Entry, audit_entries};
use serde_json::json;

use crate::commands::token::unaudited;
use crate::error::Result;
use crate::output::{DIM, Output, RED, printable};
use crate::project::StateDir;

/// Prints line by line, so that what was read before a damaged line is there to be seen.
pub(crate) fn run(state: &StateDir, output: Output) -> Result<()> {
    let mut shown = vec![];
    let mut damaged = None;
    for entry in audit_entries(state.folder()).map_err(unaudited)? {
        match entry {
            Ok(entry) => shown.push(entry),
            Err(error) => {
                damaged = Some(unaudited(error));
                break;
            }
        }
    }
    if output.json {
        output.document("cofferdam.audit/v1", json!({ "entries": shown, "whole": damaged.is_none() }))?;
    } else {
        for entry in &shown {
            output.answer(&line(entry))?;
        }
    }
    match damaged {
        Some(failed) => Err(failed),
        None => Ok(()),
    }
}

fn line(entry: &Entry) -> String {
    let from = entry.from.map(|from| format!(" from {from}")).unwrap_or_default();
    let about: Vec<String> = entry.about.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let about = printable(&about.join(" "));
    let refused = entry.refused.as_ref().map(|why| format!(" {RED}refused{RED:#}: {}", printable(why)));
    let left_out = match entry.left_out {
        0 => String::new(),
        n => format!(" {DIM}({n} refusals before it were not written down){DIM:#}"),
    };
    let Entry { at, who, did, .. } = entry;
    let gap = if about.is_empty() { "" } else { " " };
    format!(
        "{DIM}{at}{DIM:#} {}{from}: {did}{gap}{about}{}{left_out}",
        printable(who),
        refused.unwrap_or_default()
    )
}
