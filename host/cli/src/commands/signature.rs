//! `cofferdam library keygen`, `sign` and `verify`: who vouches for a library. Signatures lie in the project's folder
//! `signatures`, a file for each, and go with its runs.

use std::path::{Path, PathBuf};

use cofferdam_depot::{Signature, SigningKey};
use cofferdam_model::{LibraryDigest, SignerKey};
use cofferdam_wire::{WORLD, private};
use serde_json::json;

use crate::args::Global;
use crate::commands::library;
use crate::error::{Doing, Failed, Result};
use crate::exit::Exit;
use crate::output::{GREEN, Output, YELLOW};
use crate::project::{project_root, read_text};

/// Of the project.
const FOLDER: &str = "signatures";
const ENDING: &str = "sig";
/// Characters of a digest and of a key that name a file.
const NAME_CHARS: usize = 16;

pub(crate) fn keygen(file: &Path, output: Output) -> Result<()> {
    if file.exists() {
        return Err(Failed::usage(format!("{} is there already", file.display())).hint(
            "a key that has signed is needed for as long as what it has signed runs; name another file",
        ));
    }
    let (key, text) = SigningKey::generate().doing(Exit::Internal, "make a key")?;
    private::write(file, &text).doing(Exit::Unreachable, "keep the key")?;
    if output.json {
        return output.document("cofferdam.signer/v1", json!({ "key": key.public(), "file": file }));
    }
    output.say(&format!("the private key is in {}; who has it can sign as you", file.display()));
    output.answer(&key.public().to_string())
}

pub(crate) async fn sign(library: &str, key: &Path, global: &Global, output: Output) -> Result<()> {
    let digest = library::component(library, global, output).await?.digest;
    let folder = project_root(global)?.join(FOLDER);
    let text = private::read(key).doing(Exit::Invalid, "read the key")?;
    let text = text.ok_or_else(|| {
        Failed::usage(format!("there is no key {}", key.display()))
            .hint(format!("`cofferdam library keygen {}` makes one", key.display()))
    })?;
    let key: SigningKey =
        text.parse().doing(Exit::Invalid, format!("read the private key in {}", key.display()))?;
    let signed = key.sign(digest, WORLD);
    let path = write(&folder, &signed)?;
    if output.json {
        return output.document("cofferdam.signature/v1", json!({ "signature": signed, "file": path }));
    }
    output.answer(&format!("{digest} is signed by {}: {}", signed.key, path.display()))
}

pub(crate) async fn verify(library: &str, keys: &[SignerKey], global: &Global, output: Output) -> Result<()> {
    let digest = library::component(library, global, output).await?.digest;
    let held = held(&project_root(global)?, output)?.into_iter().filter(|one| one.library == digest);
    let (old, held): (Vec<Signature>, Vec<Signature>) = held.partition(|one| one.world != WORLD);
    for one in old {
        output.say(&format!(
            "{YELLOW}warning{YELLOW:#} {} signed it for {}, this is {WORLD}",
            one.key, one.world
        ));
    }
    let wanted = |one: &&Signature| keys.is_empty() || keys.contains(&one.key);
    let signers: Vec<SignerKey> = held.iter().filter(wanted).map(|one| one.key).collect();
    if signers.is_empty() {
        let why = Signature::said(&held.iter().collect::<Vec<_>>());
        return Err(Failed::invalid(format!("no signature of `{library}` ({digest}) that counts: {why}"))
            .hint(format!("`cofferdam library sign {library} --key FILE` signs it")));
    }
    if output.json {
        return output.document("cofferdam.signers/v1", json!({ "library": digest, "signers": signers }));
    }
    for signer in signers {
        output.answer(&format!("{GREEN}signed{GREEN:#} by {signer}"))?;
    }
    Ok(())
}

/// The signatures of a project for these libraries, to go with a run.
pub(crate) fn of_libraries(
    project: &Path,
    libraries: impl Iterator<Item = LibraryDigest>,
    output: Output,
) -> Result<Vec<String>> {
    let wanted: Vec<LibraryDigest> = libraries.collect();
    let held = held(project, output)?.into_iter().filter(|one| wanted.contains(&one.library));
    Ok(held.map(|one| one.text()).collect())
}

/// Keeps what came with a library in the project: what is no signature of it is told and left. How many were kept.
pub(crate) fn keep(
    project: Option<&Path>,
    library: LibraryDigest,
    texts: &[String],
    output: Output,
) -> Result<usize> {
    let warn = |why: String| output.say(&format!("{YELLOW}warning{YELLOW:#} {why}"));
    let mut kept = 0;
    for text in texts {
        match (Signature::read(text), project) {
            (Err(error), _) => warn(format!("one of the signatures of {library} is left: {error}")),
            (Ok(signature), _) if signature.library != library => {
                warn(format!("a signature came with {library} that is of {}; it is left", signature.library));
            }
            (Ok(signature), None) => warn(format!(
                "the signature by {} is left: there is no project around to keep it",
                signature.key
            )),
            (Ok(signature), Some(project)) => {
                write(&project.join(FOLDER), &signature)?;
                kept += 1;
            }
        }
    }
    Ok(kept)
}

fn write(folder: &Path, signature: &Signature) -> Result<PathBuf> {
    let path = folder.join(file_name(signature));
    std::fs::create_dir_all(folder).doing(Exit::Unreachable, format!("make {}", folder.display()))?;
    std::fs::write(&path, signature.text()).doing(Exit::Unreachable, format!("write {}", path.display()))?;
    Ok(path)
}

/// Those that hold; what is no signature is told.
fn held(project: &Path, output: Output) -> Result<Vec<Signature>> {
    let folder = project.join(FOLDER);
    let Ok(entries) = folder.read_dir() else { return Ok(vec![]) };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == ENDING)).collect();
    paths.sort();
    let mut found = vec![];
    for path in paths {
        match Signature::read(&read_text(&path)?) {
            Ok(signature) => found.push(signature),
            Err(error) => output.say(&format!("{YELLOW}warning{YELLOW:#} {}: {error}", path.display())),
        }
    }
    Ok(found)
}

fn file_name(signature: &Signature) -> String {
    let start = |hex: String| hex.chars().take(NAME_CHARS).collect::<String>();
    format!("{}-{}.{ENDING}", start(signature.library.hex()), start(signature.key.hex()))
}
