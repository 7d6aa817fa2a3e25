//! What starts runs: a sensor that looks into a folder.

use std::collections::BTreeSet;

use cofferdam_op::{Blob, Context, Result, RunRequest, SensorAnswer, SensorTick, op};

/// Asks for a greeting for each new file of a folder; its text is the word. Its cursor is the last name that it has seen.
#[op]
pub fn inbox(ctx: &Context, tick: SensorTick, incoming: Blob) -> Result<SensorAnswer> {
    let names: BTreeSet<String> = incoming.list("")?.into_iter().collect();
    let is_new = |name: &&String| tick.cursor.as_ref().is_none_or(|seen| *name > seen);
    let mut runs = vec![];
    for name in names.iter().filter(is_new) {
        ctx.info(format!("{name} has come"));
        let text = incoming.read(name)?.unwrap_or_default();
        let word = String::from_utf8_lossy(&text).trim().to_owned();
        runs.push(RunRequest {
            // Whatever the cursor says, one run for one file.
            run_key: Some(name.clone()),
            config: serde_json::json!({ "ops": { "hello": { "config": { "word": word } } } }),
            ..RunRequest::default()
        });
    }
    let skip_reason = runs.is_empty().then(|| format!("{} files, none of them new", names.len()));
    Ok(SensorAnswer { runs, skip_reason, cursor: names.last().cloned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_greeted_once() {
        let (ctx, incoming) = (Context::test(), Blob::test());
        let look = |cursor: Option<&str>| {
            let tick = SensorTick { cursor: cursor.map(str::to_owned), ..SensorTick::default() };
            inbox(&ctx, tick, incoming.clone()).unwrap()
        };
        assert_eq!(look(None).skip_reason.as_deref(), Some("0 files, none of them new"));
        incoming.write("a.txt", "ahoy\n").unwrap();
        let asked = look(None);
        assert_eq!(
            (asked.runs[0].run_key.as_deref(), asked.cursor.as_deref()),
            (Some("a.txt"), Some("a.txt"))
        );
        assert_eq!(asked.runs[0].config["ops"]["hello"]["config"]["word"], "ahoy");
        assert!(look(Some("a.txt")).runs.is_empty());
    }
}
