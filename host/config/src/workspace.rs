//! `workspace.toml` into [`WorkspaceSettings`]: the code locations of one deployment. Whether their folders hold
//! definitions is the business of whoever loads them: each is loaded, and fails, on its own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cofferdam_model::{Diagnostic, Name, Node, Spanned};

use crate::reader::{FILE, Problems, Table};
use crate::{Texts, toml};

/// What an operator usually calls the file.
pub const WORKSPACE_FILE: &str = "workspace.toml";

/// Said where there is no location.
const EXAMPLE: &str = "[locations.weather]\nfolder = \"weather\"";

/// The code locations of one deployment, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkspaceSettings {
    pub locations: BTreeMap<Name, LocationSettings>,
}

/// Where one set of definitions is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationSettings {
    /// The folder with its `cofferdam.toml`; a relative path starts at the folder of `workspace.toml`.
    pub folder: PathBuf,
    /// For runs that name no other.
    pub environment: Option<Name>,
}

/// Reads the code locations. The text is kept in `texts`, so that the diagnostics can be shown. What is wrong is reported
/// and left out: with an error among the diagnostics the locations are not what the operator meant.
pub fn read_workspace(
    texts: &mut Texts,
    path: &str,
    content: impl AsRef<[u8]>,
) -> (WorkspaceSettings, Vec<Diagnostic>) {
    let root = texts.decode(path, content.as_ref()).and_then(|text| toml::parse(texts, text));
    match root {
        Ok(root) => {
            let mut problems = vec![];
            let settings = read_root(&root, &mut problems).unwrap_or_default();
            (settings, problems)
        }
        Err(problem) => (WorkspaceSettings::default(), vec![problem]),
    }
}

fn read_root(root: &Node, problems: &mut Problems) -> Option<WorkspaceSettings> {
    let mut table = Table::new(root, FILE, problems)?;
    let named = table.children("locations", "code location", problems);
    if !table.has("locations") {
        problems.push(table.missing("locations", EXAMPLE));
    }
    table.finish(problems);
    let mut locations = BTreeMap::new();
    for (name, node) in named {
        if let Some(location) = read_location(&name, node, problems) {
            locations.insert(name.value, location);
        }
    }
    Some(WorkspaceSettings { locations })
}

fn read_location(name: &Spanned<Name>, node: &Node, problems: &mut Problems) -> Option<LocationSettings> {
    let mut table = Table::new(node, format!("code location `{}`", name.value), problems)?;
    let folder = table.text("folder", problems);
    if !table.has("folder") {
        problems.push(table.missing("folder", "folder = \"weather\""));
    }
    let environment = table.name("environment", "environment", problems).map(|name| name.value);
    table.finish(problems);
    let folder = folder?;
    if folder.value.is_empty() || folder.value.contains('\0') {
        problems.push(
            Diagnostic::error(
                "config::bad-value",
                format!("`folder` of code location `{}` names no folder", name.value),
            )
            .at(folder.span.as_ref(), "expected a path"),
        );
        return None;
    }
    Some(LocationSettings { folder: folder.value.into(), environment })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render;

    fn read(content: &str) -> (WorkspaceSettings, String) {
        let mut texts = Texts::default();
        let (settings, found) = read_workspace(&mut texts, WORKSPACE_FILE, content);
        let found = if found.is_empty() { String::new() } else { render(&texts, &found, false, 100) };
        (settings, found)
    }

    #[test]
    fn locations_have_a_name_a_folder_and_perhaps_an_environment() {
        let (settings, found) = read(
            "[locations.weather]\nfolder = \"../weather\"\nenvironment = \"prod\"\n[locations.sales]\nfolder = \"/srv/sales\"\n",
        );
        assert_eq!(found, "");
        let name = |text| Name::new(text).unwrap();
        let weather = LocationSettings { folder: "../weather".into(), environment: Some(name("prod")) };
        let sales = LocationSettings { folder: "/srv/sales".into(), environment: None };
        assert_eq!(settings.locations, [(name("sales"), sales), (name("weather"), weather)].into());
    }

    #[test]
    fn what_is_wrong_in_a_workspace_is_told_with_its_line() {
        for (content, said) in [
            ("", "has no `locations`"),
            ("[location.a]\nfolder = \"a\"\n", "no key `location`"),
            ("[locations.a]\n", "code location `a` has no `folder`"),
            ("[locations.a]\nfolder = 3\n", "`folder` of code location `a`: expected text"),
            ("[locations.a]\nfolder = \"\"\n", "names no folder"),
            ("[locations.\"a b\"]\nfolder = \"a\"\n", "a b"),
            ("[locations.a]\nfolder = \"a\"\nenvironment = \"x y\"\n", "x y"),
            ("[locations.a]\nfolder = \"a\"\npython = \"3\"\n", "has no key `python`"),
            ("[locations.a\n", "workspace.toml:1"),
        ] {
            let (_, found) = read(content);
            assert!(found.contains(said), "{said}: {found}");
        }
    }
}
