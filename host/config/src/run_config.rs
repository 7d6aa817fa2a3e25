//! Run config: what a person gives for one run, as YAML (of which JSON is a part).

use cofferdam_model::{Diagnostic, NodeKind, RunConfig};

use crate::{Texts, yaml};

/// Reads a run config. The text is kept in `texts`, so that the diagnostics of this and of `plan` can be
/// shown. An empty text is an empty run config. What the keys mean is checked by `plan`, which knows the job.
pub fn read_run_config(
    texts: &mut Texts,
    path: &str,
    content: impl AsRef<[u8]>,
) -> (RunConfig, Vec<Diagnostic>) {
    let root = texts.decode(path, content.as_ref()).and_then(|text| yaml::parse(texts, text));
    match root {
        Err(problem) => (RunConfig::default(), vec![problem]),
        Ok(None) => (RunConfig::default(), vec![]),
        Ok(Some(root)) if matches!(root.kind, NodeKind::Null) => (RunConfig::default(), vec![]),
        Ok(Some(root)) if !matches!(root.kind, NodeKind::Map(_)) => {
            let problem = Diagnostic::error(
                "config::wrong-type",
                format!("a run config is a mapping, found {}", root.kind_word()),
            )
            .at(root.span.as_ref(), "expected `ops`, `execution` or `tags`")
            .hint("write for example `ops: {clean: {config: {strict: true}}}`");
            (RunConfig::default(), vec![problem])
        }
        Ok(Some(root)) => (RunConfig { root: Some(root) }, vec![]),
    }
}
