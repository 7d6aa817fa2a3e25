//! `cofferdam library push` and `pull`: libraries with their signatures, to and from OCI registries. Definitions may name
//! one there as well.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::{Args, Parser};
use cofferdam_model::LibraryDigest;
use cofferdam_oci::{Artifact, Error, Interface, Login, Reference, Registry, Version};
use cofferdam_wire::private;
use serde_json::json;

use crate::args::Global;
use crate::commands::library::{self, Component};
use crate::commands::signature;
use crate::draft::{self, Draft, FOR_ALL, Force};
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::output::Output;
use crate::project::project_root;
use crate::text::count;

/// Whoever reads the command line of others must not find it there.
const LOGIN: &str = "COFFERDAM_REGISTRY_LOGIN";

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cofferdam library push stats registry.example/team/stats:1.2

The signatures of the project for it go with it. Printed is what names these bytes for good.")]
pub(crate) struct Push {
    /// A component file, or the name of a library of the project.
    library: String,
    /// Where to: HOST/NAME:TAG.
    reference: String,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cofferdam library pull registry.example/team/stats:1.2 lib/stats.wasm

Its signatures come into the project's folder `signatures`.")]
pub(crate) struct Pull {
    /// Which: HOST/NAME:TAG, or HOST/NAME@sha256:… for these bytes and no other.
    reference: String,
    /// File that is written.
    file: PathBuf,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    access: Access,
}

/// A command line of nothing else.
#[derive(Parser)]
struct Alone {
    #[command(flatten)]
    access: Access,
}

/// Who logs in to a registry, and whether others may listen.
#[derive(Args)]
pub(crate) struct Access {
    /// File with USER:PASSWORD or with a token, for its owner only. [default: the same in COFFERDAM_REGISTRY_LOGIN, else
    /// nobody logs in]
    #[arg(long, value_name = "FILE", env = "COFFERDAM_REGISTRY_LOGIN_FILE")]
    login_file: Option<PathBuf>,
    #[arg(skip = std::env::var(LOGIN).ok())]
    login: Option<String>,
    /// Encrypt nothing, also to a registry that is not on this host.
    #[arg(long, env = "COFFERDAM_REGISTRY_PLAIN_HTTP")]
    plain_http: bool,
}

impl std::fmt::Debug for Access {
    /// The login is for the registry alone.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

impl Access {
    /// For what no command line asks for.
    pub(crate) fn of_environment() -> Result<Access> {
        let read = Alone::try_parse_from([""]);
        read.map(|alone| alone.access)
            .doing(Exit::Usage, "read how to log in to registries from the environment")
    }

    fn login(&self) -> Result<Option<Login>> {
        let text = match (&self.login_file, &self.login) {
            (Some(path), _) => {
                let what = format!("read the login in {}", path.display());
                let text = private::read(path).doing(Exit::Usage, &what)?;
                let text =
                    text.ok_or_else(|| Failed::usage(format!("there is no file {}", path.display())))?;
                return text.parse().map(Some).doing(Exit::Usage, &what);
            }
            (None, text) => text,
        };
        text.as_ref()
            .map(|text| text.parse().doing(Exit::Usage, format!("read the login in {LOGIN}")))
            .transpose()
    }

    fn open(&self, reference: &Reference) -> Result<Registry> {
        Registry::open(reference, self.login()?, self.plain_http).map_err(failed)
    }
}

/// A library that was pulled.
pub(crate) struct Pulled {
    /// What names it for good.
    pub(crate) pinned: Reference,
    pub(crate) digest: LibraryDigest,
    pub(crate) bytes: Bytes,
    pub(crate) n_signatures: usize,
}

pub(crate) async fn push(args: &Push, global: &Global, output: Output) -> Result<()> {
    let reference = read(&args.reference)?;
    if matches!(reference.version, Version::Digest(_)) {
        return Err(Failed::usage("the registry finds the digest of what is pushed by itself")
            .hint("give a tag instead: HOST/NAME:TAG"));
    }
    let component = library::component(&args.library, global, output).await?;
    let digest = component.digest;
    let artifact = artifact(component, global, output)?;
    let n_signatures = artifact.signatures.len();
    let manifest = args.access.open(&reference)?.push(&artifact).await.map_err(failed)?;
    let pinned = Reference { version: Version::Digest(manifest), ..reference };
    tell("cofferdam.pushed/v1", &pinned, digest, n_signatures, output)
}

pub(crate) async fn pull(args: &Pull, global: &Global, output: Output) -> Result<()> {
    if let Some(folder) = args.file.parent() {
        make(folder)?;
    }
    draft::check(&args.file, args.force)?;
    let project = project_root(global).ok();
    let pulled = fetch(&read(&args.reference)?, &args.access, project.as_deref(), output).await?;
    write(&args.file, &pulled.bytes, args.force)?;
    output.say(&format!("the component is in {}", args.file.display()));
    tell("cofferdam.pulled/v1", &pulled.pinned, pulled.digest, pulled.n_signatures, output)
}

fn tell(
    document: &str,
    pinned: &Reference,
    library: LibraryDigest,
    n_signatures: usize,
    output: Output,
) -> Result<()> {
    let pinned = pinned.to_string();
    if output.json {
        let about = json!({ "oci": pinned, "library": library, "n_signatures": n_signatures });
        return output.document(document, about);
    }
    output.say(&format!("library {library}, {}", count(n_signatures, "signature")));
    output.answer(&pinned)
}

/// What a person typed or wrote.
pub(crate) fn read(text: &str) -> Result<Reference> {
    // The text is not repeated: it may hold a password.
    text.parse::<Reference>().doing(Exit::Usage, "read the reference of a library in a registry")
}

/// Brings a library here; its signatures into the project, if there is one.
pub(crate) async fn fetch(
    reference: &Reference,
    access: &Access,
    project: Option<&Path>,
    output: Output,
) -> Result<Pulled> {
    let held = access.open(reference)?.pull().await.map_err(failed)?;
    let digest = admit(&held.component, &reference.to_string())?;
    let n_signatures = signature::keep(project, digest, &held.signatures, output)?;
    let pinned = Reference { version: Version::Digest(held.digest), ..reference.clone() };
    Ok(Pulled { pinned, digest, bytes: held.component, n_signatures })
}

/// The digest of a component that came from elsewhere, if it is a library.
pub(crate) fn admit(component: &Bytes, from: &str) -> Result<LibraryDigest> {
    let refused = |refusal| Failed::invalid(format!("{from} is not a library")).because(&refusal);
    cofferdam_sandbox::admit(component).map_err(refused)?;
    Ok(cofferdam_depot::digest(component))
}

/// A library as it travels, with the signatures that the project has for it.
pub(crate) fn artifact(component: Component, global: &Global, output: Output) -> Result<Artifact> {
    let Component { bytes, digest, admitted } = component;
    let signatures = match project_root(global) {
        Ok(project) => signature::of_libraries(&project, [digest].into_iter(), output)?,
        Err(_) => vec![],
    };
    let interface = Interface { exports: admitted.exports, imports: admitted.imports };
    Ok(Artifact { component: bytes.into(), interface, signatures })
}

/// A folder for components.
pub(crate) fn make(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).doing(Exit::Usage, format!("make the folder {}", folder.display()))
}

/// Writes a component.
pub(crate) fn write(path: &Path, bytes: &[u8], force: Force) -> Result<()> {
    let mut draft = Draft::of(path, FOR_ALL, force)?;
    draft.write(|file| file.write_all(bytes))?;
    draft.finish()
}

/// An error of registries and bundles as this program ends with it.
pub(crate) fn failed(error: Error) -> Failed {
    let exit = match &error {
        Error::Unreachable { .. } | Error::Refused { .. } | Error::File { .. } => Exit::Unreachable,
        Error::Denied { .. } | Error::Plain { .. } => Exit::Usage,
        Error::NotFound(_)
        | Error::Damaged { .. }
        | Error::TooLarge { .. }
        | Error::Length { .. }
        | Error::NotALibrary { .. }
        | Error::NotABundle { .. } => Exit::Invalid,
        Error::Client(_) => Exit::Internal,
    };
    let hint = match &error {
        Error::Denied { .. } => {
            Some(format!("`--login-file FILE` or {LOGIN} says who logs in: USER:PASSWORD, or a token"))
        }
        Error::Plain { .. } => {
            Some("`--plain-http` does without encryption; who listens reads the login".to_owned())
        }
        _ => None,
    };
    let mut failed = Failed::new(exit, format!("failed to {error}"));
    if let Some(cause) = std::error::Error::source(&error) {
        failed = failed.because(cause);
    }
    Failed { hint, ..failed }
}
