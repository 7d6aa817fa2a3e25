//! A project on disk: its definitions with their texts, and the folder of its instance's state.

use std::path::{Path, PathBuf};

use cofferdam_config::Texts;
use cofferdam_model::{Definitions, Diagnostic, Name, Severity, ValueDigest};
use cofferdam_wire::private;

use crate::args::{At, Global};
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::output::Output;
use crate::site::Site;

/// Name of the definitions file; the folder that holds it is the project.
pub(crate) const DEFINITIONS_FILE: &str = "cofferdam.toml";
/// Folder of the state, beside the definitions.
const STATE_FOLDER: &str = ".cofferdam";

/// Of the permissions of a folder.
#[cfg(unix)]
const WRITABLE_BY_ALL: u32 = 0o002;

/// Of the digest of a project's folder, where it is a part of a path.
const PROJECT_DIGITS: usize = 16;

/// Where an instance keeps what: one folder, nothing to set up.
#[derive(Debug, Clone)]
pub(crate) struct StateDir {
    folder: PathBuf,
    project: PathBuf,
    /// The file with its settings, if it was named.
    settings: Option<PathBuf>,
    /// Where runs and what they make are, if not in the folder.
    runs: Option<PathBuf>,
    /// Where resources keep what no setting names, if not beside the runs.
    resources: Option<PathBuf>,
}

impl StateDir {
    /// The folder that was asked for, or the one beside the definitions.
    pub(crate) fn find(global: &Global) -> Result<StateDir> {
        let project = project_root(global);
        let settings = global.instance.clone();
        match (&global.state_dir, project) {
            (Some(folder), Ok(project)) => {
                Ok(StateDir { folder: folder.clone(), project, settings, runs: None, resources: None })
            }
            // Looking at runs takes no project.
            (Some(folder), Err(_)) => Ok(StateDir { settings, ..StateDir::at(folder) }),
            (None, project) => {
                let project = project?;
                Ok(StateDir {
                    folder: project.join(STATE_FOLDER),
                    project,
                    settings,
                    runs: None,
                    resources: None,
                })
            }
        }
    }

    /// A folder of the caller's choice, with no other project than what is around it.
    pub(crate) fn at(folder: &Path) -> StateDir {
        let project = folder.parent().map(Path::to_path_buf).unwrap_or_default();
        StateDir { folder: folder.to_path_buf(), project, settings: None, runs: None, resources: None }
    }

    /// The same libraries, with runs, values and settings in another folder: for runs that nobody wants to keep.
    pub(crate) fn with_runs_in(&self, folder: &Path) -> StateDir {
        StateDir { settings: None, runs: Some(folder.to_path_buf()), resources: None, ..self.clone() }
    }

    /// The same, but resources keep what they keep.
    pub(crate) fn with_only_runs_in(&self, folder: &Path) -> StateDir {
        StateDir { resources: Some(self.resources()), ..self.with_runs_in(folder) }
    }

    fn runs(&self) -> &Path {
        self.runs.as_deref().unwrap_or(&self.folder)
    }

    /// The folder of the project whose runs are in it: where relative paths of resources start.
    pub(crate) fn project(&self) -> &Path {
        &self.project
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Files of resources that no setting names.
    pub(crate) fn resources(&self) -> PathBuf {
        self.resources.clone().unwrap_or_else(|| self.runs().join("resources"))
    }

    pub(crate) fn run_log(&self) -> PathBuf {
        self.runs().join("runlog.sqlite")
    }

    /// The file with the settings of the instance.
    pub(crate) fn settings(&self) -> PathBuf {
        self.settings.clone().unwrap_or_else(|| self.runs().join(cofferdam_config::INSTANCE_FILE))
    }

    /// Whether somebody has named that file, so that it must be there.
    pub(crate) fn names_settings(&self) -> bool {
        self.settings.is_some()
    }

    pub(crate) fn values(&self) -> PathBuf {
        self.runs().join("values")
    }

    /// Values that the worker of this process keeps until their run has ended.
    pub(crate) fn transient(&self) -> PathBuf {
        self.runs().join("transient")
    }

    pub(crate) fn libraries(&self) -> PathBuf {
        self.folder.join("libraries")
    }

    /// Compiled libraries.
    pub(crate) fn artefacts(&self) -> PathBuf {
        self.folder.join("artefacts")
    }

    /// The secret that those must know who call the instance.
    pub(crate) fn token(&self) -> PathBuf {
        self.folder.join("token")
    }

    /// Where who serves pages says what is where.
    pub(crate) fn sign(&self) -> PathBuf {
        self.folder.join("dev.json")
    }

    /// Names the `workspace.toml` whose code locations the instance has, if it has several.
    pub(crate) fn workspace(&self) -> PathBuf {
        self.folder.join("workspace")
    }

    /// What the last build of each library of the project gave. Several projects of one instance may have libraries of one
    /// name.
    pub(crate) fn builds(&self) -> PathBuf {
        let builds = self.folder.join("builds");
        if self.folder.starts_with(&self.project) {
            return builds;
        }
        let project = ValueDigest::of(self.project.as_os_str().as_encoded_bytes()).hex();
        builds.join(&project[..PROJECT_DIGITS])
    }

    /// Descriptions of libraries by digest.
    pub(crate) fn descriptions(&self) -> PathBuf {
        self.folder.join("descriptions")
    }

    /// Makes the folder, readable by its owner only: values and logs are nobody else's business.
    pub(crate) fn create(&self) -> Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&self.folder)
            .doing(Exit::Unreachable, format!("make the state folder {}", self.folder.display()))?;
        self.refuse_open_to_all()
    }

    /// Who can write into it can put keys, tokens and runs of their own there.
    #[cfg(unix)]
    fn refuse_open_to_all(&self) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = self.folder.display();
        let about = std::fs::metadata(&self.folder).doing(Exit::Unreachable, format!("look at {folder}"))?;
        let mode = about.permissions().mode() & 0o777;
        if mode & WRITABLE_BY_ALL == 0 {
            return Ok(());
        }
        Err(Failed::invalid(format!("everybody can write into the state folder {folder} (mode {mode:03o})"))
            .hint(format!("see that nobody has changed what is in it; then `chmod 700 {folder}`")))
    }

    #[cfg(not(unix))]
    fn refuse_open_to_all(&self) -> Result<()> {
        Ok(())
    }
}

/// The definitions of the project around a folder.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) root: PathBuf,
    pub(crate) state: StateDir,
    /// Where its runs are.
    pub(crate) site: Site,
    pub(crate) texts: Texts,
    pub(crate) definitions: Definitions,
}

impl Project {
    /// Reads the definitions; refuses with all that is wrong in them.
    pub(crate) fn open(global: &Global, output: Output) -> Result<Project> {
        let root = project_root(global)?;
        let path = root.join(DEFINITIONS_FILE);
        let content = read_text(&path)?;
        let mut texts = Texts::default();
        let (definitions, diagnostics) =
            cofferdam_config::read_definitions(&mut texts, &shown(&path), &content);
        let texts = sort_out(texts, diagnostics, output)?;
        let state = StateDir::find(global)?;
        Ok(Project { root, site: Site::Here(state.clone()), state, texts, definitions })
    }

    /// The same, with its runs where they are asked for.
    pub(crate) fn open_at(at: &At, global: &Global, output: Output) -> Result<Project> {
        let project = Project::open(global, output)?;
        Ok(Project { site: Site::of(at, &project.state)?, ..project })
    }

    /// The job of that name, or the only one.
    pub(crate) fn job(&self, asked: Option<&str>) -> Result<Name> {
        let all = || self.definitions.jobs.keys().chain(self.definitions.asset_jobs.keys());
        let names: Vec<&str> = all().map(Name::as_str).collect();
        let Some(asked) = asked else {
            return match all().next() {
                Some(only) if names.len() == 1 => Ok(only.clone()),
                None => Err(Failed::invalid("the project defines no job")
                    .hint(format!("add a table [jobs.NAME.steps.STEP] to {DEFINITIONS_FILE}"))),
                Some(_) => Err(Failed::usage("which job? The project defines several")
                    .hint(format!("name one of: {}", names.join(", ")))),
            };
        };
        let found = all().find(|name| name.as_str() == asked.replace('-', "_"));
        found.cloned().ok_or_else(|| {
            let known = if names.is_empty() {
                "none is defined".to_owned()
            } else {
                format!("known: {}", names.join(", "))
            };
            Failed::usage(format!("there is no job `{asked}`")).hint(known)
        })
    }
}

/// Prints warnings, refuses errors.
pub(crate) fn sort_out(texts: Texts, diagnostics: Vec<Diagnostic>, output: Output) -> Result<Texts> {
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(Failed::diagnosed(texts, diagnostics));
    }
    if !diagnostics.is_empty() {
        let width = crate::output::terminal_width();
        output.say(cofferdam_config::render(&texts, &diagnostics, true, width).trim_end());
    }
    Ok(texts)
}

/// Says so if others may know, or choose, the secret in a file that a person brings.
pub(crate) fn warn_of(path: &Path) {
    if let Some(weakness) = private::weakness(path) {
        tracing::warn!("{weakness}; a secret is its owner's alone: `chmod 600 {}`", path.display());
    }
}

/// Reads a text file that a person wrote.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let metadata = std::fs::metadata(path).doing(Exit::Invalid, format!("read {}", path.display()))?;
    if !metadata.is_file() {
        return Err(Failed::invalid(format!("failed to read {}: it is not a file", path.display())));
    }
    let bytes = std::fs::read(path).doing(Exit::Invalid, format!("read {}", path.display()))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failed::invalid(format!("failed to read {}: byte {at} is not valid UTF-8", path.display()))
            .hint("save the file as UTF-8")
    })
}

/// A path as messages show it: relative to where the person is, if it is below.
pub(crate) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

pub(crate) fn project_root(global: &Global) -> Result<PathBuf> {
    let start = global.project.clone().unwrap_or_else(|| PathBuf::from("."));
    let start = start.canonicalize().doing(Exit::Usage, format!("open the folder {}", start.display()))?;
    let found = cofferdam_config::find_definitions(&start);
    let found = found.and_then(|path| path.parent().map(Path::to_path_buf));
    found.ok_or_else(|| {
        Failed::usage(format!("there is no {DEFINITIONS_FILE} in {} or above it", start.display()))
            .hint("`cofferdam new NAME` starts a project; `-C DIR` names the folder of another one")
    })
}
