//! What a person saves, as it is saved.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_model::LibrarySource;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::args::Global;
use crate::error::{Doing, Result};
use crate::exit::Exit;
use crate::output::Output;
use crate::project::Project;

/// Editors and formatters write several files for one save: those that follow within this time belong to it.
const SAVE: Duration = Duration::from_millis(50);
/// Folders that builds write and nobody edits.
const BUILT: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// Folders and files of libraries, which may lie outside of the project's folder. None while the definitions are wrong.
pub(crate) fn sources(global: &Global, output: Output) -> Vec<PathBuf> {
    let Ok(project) = Project::open(global, output) else { return vec![] };
    let sources = project.definitions.libraries.values().filter_map(|library| match &library.source.value {
        LibrarySource::Source { folder: path, .. } | LibrarySource::Wasm(path) => {
            Some(project.root.join(path))
        }
        LibrarySource::Registry(_) | LibrarySource::Channel(_) => None,
    });
    sources.filter_map(|path| path.canonicalize().ok()).collect()
}

/// Files as they are saved.
pub(crate) struct Saves {
    watcher: RecommendedWatcher,
    saved: mpsc::UnboundedReceiver<PathBuf>,
    watched: Vec<PathBuf>,
    /// Folders that runs write: what is in them is nobody's save.
    written: Vec<PathBuf>,
}

impl Saves {
    pub(crate) fn new(written: Vec<PathBuf>) -> Result<Saves> {
        let (sender, saved) = mpsc::unbounded_channel();
        let heard = move |event: notify::Result<Event>| {
            let Ok(event) = event else { return };
            if !matches!(event.kind, EventKind::Access(_)) {
                // Nobody listens any more when the command ends.
                event.paths.into_iter().for_each(|path| drop(sender.send(path)));
            }
        };
        let watcher = notify::recommended_watcher(heard).doing(Exit::Internal, "watch files")?;
        Ok(Saves { watcher, saved, watched: vec![], written })
    }

    /// Watches a file or folder from now on, unless it is within one that is watched.
    pub(crate) fn watch(&mut self, path: &Path) -> Result<()> {
        if self.watched.iter().any(|watched| path.starts_with(watched)) {
            return Ok(());
        }
        self.watcher
            .watch(path, RecursiveMode::Recursive)
            .doing(Exit::Internal, format!("watch {}", path.display()))?;
        self.watched.push(path.to_path_buf());
        Ok(())
    }

    /// Waits until something was saved, and until all of that save is there.
    pub(crate) async fn next(&mut self) {
        while let Some(path) = self.saved.recv().await {
            if is_save(&path, &self.watched, &self.written) {
                break;
            }
        }
        while let Ok(Some(_)) = tokio::time::timeout(SAVE, self.saved.recv()).await {}
    }
}

/// Whether a path is something that a person edits.
fn is_save(path: &Path, watched: &[PathBuf], written: &[PathBuf]) -> bool {
    let within = |folders: &[PathBuf]| folders.iter().find(|folder| path.starts_with(folder)).cloned();
    let Some(root) = within(watched) else { return false };
    let below = path.strip_prefix(&root).unwrap_or(path);
    let is_made = below.components().any(|part| {
        let part = part.as_os_str().to_string_lossy();
        part.starts_with('.') || part.ends_with('~') || BUILT.contains(&&*part)
    });
    !is_made && within(written).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builds_and_runs_write_is_no_save() {
        let (watched, written) = ([PathBuf::from("/p")], [PathBuf::from("/p/out")]);
        let is_save = |path: &str| is_save(Path::new(path), &watched, &written);
        assert!(is_save("/p/cofferdam.toml") && is_save("/p/ops/src/lib.rs") && is_save("/p/data/a.csv"));
        for path in ["/p/ops/target/release/ops.wasm", "/p/.cofferdam/runlog.sqlite", "/p/out/page.html"] {
            assert!(!is_save(path), "{path}");
        }
        assert!(!is_save("/p/ops/.ops.py.swp") && !is_save("/p/ops/ops.py~") && !is_save("/elsewhere/a"));
    }
}
