//! `instance.toml` into [`InstanceSettings`]: what an operator decides about one deployment. Everything has a default,
//! so that there need be no such file. Reads no environment and no other file: that is for whoever uses a setting.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cofferdam_model::{Diagnostic, Node, NodeKind, Span, Spanned};

use crate::reader::{FILE, Problems, Table, did_you_mean, text, wrong_type};
use crate::{Texts, toml};

/// Name of the file with the settings of an instance, in the folder of its state.
pub const INSTANCE_FILE: &str = "instance.toml";

/// Limits and weights.
const COUNTS: std::ops::RangeInclusive<i64> = 1..=1_000_000;
/// Said where a run log is missing.
const EXAMPLE: &str = "postgres = { env = \"COFFERDAM_DATABASE_URL\" }";

/// The settings of one deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceSettings {
    pub run_log: RunLogSettings,
    pub pools: PoolSettings,
    /// Weights of namespaces.
    pub namespaces: BTreeMap<String, u32>,
}

/// How many steps of a pool run at once, over all runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolSettings {
    /// Of pools without a limit of their own; none is no limit.
    pub default_limit: Option<u32>,
    pub limits: BTreeMap<String, u32>,
}

/// Where the run log is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RunLogSettings {
    /// In a file in the folder of the state.
    #[default]
    Sqlite,
    /// In a database of PostgreSQL.
    Postgres(DatabaseUrl),
}

/// Where the URL of a database comes from. It may hold a password, which must not stand in a file of settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// From a variable of the process's environment.
    Env(String),
    /// From a file; a relative path starts at the folder of the settings.
    File(PathBuf),
    /// As it stands, without a password.
    Literal(String),
}

/// Reads the settings of an instance. The text is kept in `texts`, so that the diagnostics can be shown. What is wrong
/// is reported and left out: with an error among the diagnostics the settings are not what the operator meant.
pub fn read_instance(
    texts: &mut Texts,
    path: &str,
    content: impl AsRef<[u8]>,
) -> (InstanceSettings, Vec<Diagnostic>) {
    let root = texts.decode(path, content.as_ref()).and_then(|text| toml::parse(texts, text));
    match root {
        Ok(root) => {
            let mut problems = vec![];
            let settings = read_root(&root, &mut problems);
            (settings, problems)
        }
        Err(problem) => (InstanceSettings::default(), vec![problem]),
    }
}

/// A section per line.
fn read_root(root: &Node, problems: &mut Problems) -> InstanceSettings {
    let Some(mut table) = Table::new(root, FILE, problems) else {
        return InstanceSettings::default();
    };
    let settings = InstanceSettings {
        run_log: read_run_log(&mut table, problems).unwrap_or_default(),
        pools: read_pools(&mut table, problems).unwrap_or_default(),
        namespaces: read_namespaces(&mut table, problems),
    };
    table.finish(problems);
    settings
}

fn read_pools(table: &mut Table<'_>, problems: &mut Problems) -> Option<PoolSettings> {
    let node = table.get("pools")?;
    let mut table = Table::new(node, "`pools`", problems)?;
    let default_limit =
        table.int("default_limit", COUNTS, problems).and_then(|limit| u32::try_from(limit).ok());
    let limits = table.get("limits").map(|node| read_counts(node, "`limits` of `pools`", problems));
    table.finish(problems);
    Some(PoolSettings { default_limit, limits: limits.unwrap_or_default() })
}

fn read_namespaces(table: &mut Table<'_>, problems: &mut Problems) -> BTreeMap<String, u32> {
    let Some(node) = table.get("namespaces") else { return BTreeMap::new() };
    let Some(mut table) = Table::new(node, "`namespaces`", problems) else { return BTreeMap::new() };
    let weights = table.get("weights").map(|node| read_counts(node, "`weights` of `namespaces`", problems));
    table.finish(problems);
    weights.unwrap_or_default()
}

/// Names with a number each.
fn read_counts(node: &Node, what: &str, problems: &mut Problems) -> BTreeMap<String, u32> {
    let NodeKind::Map(entries) = &node.kind else {
        problems.push(wrong_type(what, "a table of numbers", node));
        return BTreeMap::new();
    };
    let mut counts = BTreeMap::new();
    for (name, node) in entries {
        let of = format!("`{}` of {what}", name.value);
        match node.kind {
            NodeKind::Int(count) if COUNTS.contains(&count) => {
                counts.extend(u32::try_from(count).ok().map(|count| (name.value.clone(), count)));
            }
            NodeKind::Int(count) => problems.push(
                Diagnostic::error(
                    "config::out-of-range",
                    format!("{of} is {count}, expected {} to {}", COUNTS.start(), COUNTS.end()),
                )
                .at(node.span.as_ref(), "out of range"),
            ),
            _ => problems.push(wrong_type(&of, "a whole number", node)),
        }
    }
    counts
}

fn read_run_log(table: &mut Table<'_>, problems: &mut Problems) -> Option<RunLogSettings> {
    let node = table.get("run_log")?;
    let mut table = Table::new(node, "`run_log`", problems)?;
    let postgres = table.get("postgres").and_then(|node| read_url(node, problems));
    table.finish(problems);
    postgres.map(RunLogSettings::Postgres)
}

fn read_url(node: &Node, problems: &mut Problems) -> Option<DatabaseUrl> {
    match &node.kind {
        NodeKind::Text(url) => literal(url, node.span.as_ref(), problems),
        NodeKind::Map(entries) => read_reference(node, entries, problems),
        _ => {
            let problem = wrong_type("`postgres` of `run_log`", "a URL or where it is", node);
            problems.push(problem.hint(format!("write for example `{EXAMPLE}`")));
            None
        }
    }
}

/// `{ env = "NAME" }` or `{ file = "path" }`.
fn read_reference(
    node: &Node,
    entries: &[(Spanned<String>, Node)],
    problems: &mut Problems,
) -> Option<DatabaseUrl> {
    const WHAT: &str = "`postgres` of `run_log`";
    let [(key, value)] = entries else {
        problems.push(
            Diagnostic::error(
                "config::bad-value",
                format!("{WHAT}: expected one key, found {}", entries.len()),
            )
            .at(node.span.as_ref(), "a URL is in one place")
            .hint(format!("write `{EXAMPLE}` or `postgres = {{ file = \"database-url\" }}`")),
        );
        return None;
    };
    let make: fn(String) -> DatabaseUrl = match key.value.as_str() {
        "env" => DatabaseUrl::Env,
        "file" => |path| DatabaseUrl::File(path.into()),
        _ => {
            let problem =
                Diagnostic::error("config::unknown-key", format!("{WHAT} has no key `{}`", key.value))
                    .at(key.span.as_ref(), "unknown key");
            problems.push(did_you_mean(problem, &key.value, ["env", "file"].into_iter()));
            return None;
        }
    };
    let found = text(value, &format!("`{}` of {WHAT}", key.value), problems)?;
    if found.value.is_empty() || found.value.contains('\0') {
        problems.push(
            Diagnostic::error("config::bad-value", format!("`{}` of {WHAT} names nothing", key.value))
                .at(found.span.as_ref(), "expected a name")
                .hint(format!("write for example `{EXAMPLE}`")),
        );
        return None;
    }
    Some(make(found.value))
}

fn literal(url: &str, span: Option<&Span>, problems: &mut Problems) -> Option<DatabaseUrl> {
    let Some(rest) = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")) else {
        // What stands there may be meant as a password or hold one.
        problems.push(
            Diagnostic::error("config::bad-value", "`postgres` of `run_log` is not a URL of PostgreSQL")
                .at_secret(span, "expected `postgres://…`")
                .hint(format!(
                    "write for example `postgres = \"postgres://db.example/cofferdam\"`, or `{EXAMPLE}`"
                )),
        );
        return None;
    };
    if has_password(rest) {
        problems.push(
            Diagnostic::error(
                "config::secret-in-clear",
                "`postgres` of `run_log` holds a password, which stands here in clear",
            )
            .at_secret(span, "a secret")
            .hint(format!("write `{EXAMPLE}`, a variable of `cofferdam serve`, or `{{ file = \"…\" }}`")),
        );
        return None;
    }
    Some(DatabaseUrl::Literal(url.to_owned()))
}

/// Whether a URL, from behind its scheme, holds a password: `user:password@host`, or as a parameter.
fn has_password(rest: &str) -> bool {
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let in_place = place.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    // Of a question mark that is part of a password, everything behind it looks like parameters.
    in_place || parameters.contains('@') || parameters.to_ascii_lowercase().contains("pass")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render;

    fn read(content: &str) -> InstanceSettings {
        let mut texts = Texts::default();
        let (settings, found) = read_instance(&mut texts, INSTANCE_FILE, content);
        assert!(found.is_empty(), "{}", render(&texts, &found, false, 100));
        settings
    }

    fn shown(snippets: &[&str]) -> String {
        let show = |snippet: &&str| {
            let mut texts = Texts::default();
            let (_, found) = read_instance(&mut texts, INSTANCE_FILE, snippet);
            assert!(!found.is_empty(), "{snippet}");
            render(&texts, &found, false, 100)
        };
        snippets.iter().map(show).collect()
    }

    #[test]
    fn an_instance_without_settings_keeps_its_run_log_in_a_file() {
        for empty in ["", "# nothing yet\n", "[run_log]"] {
            assert_eq!(read(empty), InstanceSettings::default());
        }
    }

    #[test]
    fn the_url_of_a_database_comes_from_the_environment_a_file_or_stands_there_without_a_password() {
        let url = |text: &str| match read(&format!("[run_log]\npostgres = {text}")).run_log {
            RunLogSettings::Postgres(url) => url,
            RunLogSettings::Sqlite => panic!("{text}"),
        };
        assert_eq!(url("{ env = \"DATABASE\" }"), DatabaseUrl::Env("DATABASE".into()));
        assert_eq!(url("{ file = \"secrets/db\" }"), DatabaseUrl::File("secrets/db".into()));
        for literal in
            ["postgres://db", "postgresql://me@db:5432/runs?sslmode=require", "postgres:///runs?host=/run/pg"]
        {
            assert_eq!(url(&format!("{literal:?}")), DatabaseUrl::Literal(literal.into()));
        }
    }

    #[test]
    fn pools_have_limits_and_namespaces_weights() {
        let settings = read(
            "[pools]\ndefault_limit = 8\n[pools.limits]\napi = 2\n\"big db\" = 1\n[namespaces.weights]\nlab = 3\n",
        );
        let limits = [("api".to_owned(), 2), ("big db".to_owned(), 1)].into();
        assert_eq!(settings.pools, PoolSettings { default_limit: Some(8), limits });
        assert_eq!(settings.namespaces, [("lab".to_owned(), 3)].into());
        let found = shown(&["[pools]\ndefault_limit = 0\nlimit = 1\n[pools.limits]\na = 0\nb = \"x\"\n"]);
        for said in
            ["expected 1 to 1000000", "has no key `limit`", "`a` of `limits` of `pools` is 0", "`b` of"]
        {
            assert!(found.contains(said), "{said}: {found}");
        }
    }

    #[test]
    fn a_password_in_clear_is_refused_and_not_shown() {
        let found = shown(&[
            "[run_log]\npostgres = \"postgres://me:hunter2@db/runs\"",
            "run_log = { postgres = \"postgresql://db/runs?sslmode=disable&password=hunter2\" }",
            "[run_log]\npostgres = \"postgres://me:hunter2?@db/runs\"",
            "[run_log]\npostgres = \"host=db password=hunter2\"",
        ]);
        assert!(!found.contains("hunter2"), "{found}");
        insta::assert_snapshot!(found);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once_with_a_way_out() {
        insta::assert_snapshot!(shown(&[
            "[runlog]\npostgres = 3",
            "[run_log]\npostgres = 3\nsqlite = \"runs.db\"",
            "[run_log]\npostgres = {}",
            "[run_log]\npostgres = { env = \"A\", file = \"b\" }",
            "[run_log]\npostgres = { evn = \"A\" }",
            "[run_log]\npostgres = { env = 3 }",
            "[run_log]\npostgres = { file = \"\" }",
            "run_log = \"postgres\"",
        ]));
    }
}
