//! `instance.toml` into [`InstanceSettings`]: what an operator decides about one deployment. Everything has a default,
//! so that there need be no such file. Reads no environment and no other file: that is for whoever uses a setting.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_model::{Diagnostic, Grant, Node, NodeKind, RunQueue, Signers, Span, Spanned};

use crate::alerts::{AlertSettings, read_alerts};
use crate::held::{Form, Held};
use crate::namespaces::{NamespaceSettings, read_counts, read_namespaces};
use crate::policies::read_limits_by_tag;
use crate::reader::{FILE, Problems, Table, wrong_type};
use crate::{Texts, toml};

/// Name of the file with the settings of an instance, in the folder of its state.
pub const INSTANCE_FILE: &str = "instance.toml";

/// Limits and weights.
pub(crate) const COUNTS: std::ops::RangeInclusive<i64> = 1..=1_000_000;
/// Said where a run log is missing.
const EXAMPLE: &str = "postgres = { env = \"COFFERDAM_DATABASE_URL\" }";

/// The settings of one deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceSettings {
    pub run_log: RunLogSettings,
    pub run_queue: RunQueue,
    pub pools: PoolSettings,
    pub namespaces: NamespaceSettings,
    pub grants: Vec<Grant>,
    pub signers: Vec<Signers>,
    pub alerts: AlertSettings,
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
    /// In the database of PostgreSQL at this URL.
    Postgres(Held),
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
        run_queue: read_run_queue(&mut table, problems).unwrap_or_default(),
        pools: read_pools(&mut table, problems).unwrap_or_default(),
        namespaces: read_namespaces(&mut table, problems).unwrap_or_default(),
        grants: read_list(&mut table, "grants", read_grant, problems),
        signers: read_list(&mut table, "signers", read_signers, problems),
        alerts: read_alerts(&mut table, problems),
    };
    table.finish(problems);
    settings
}

fn read_run_queue(table: &mut Table<'_>, problems: &mut Problems) -> Option<RunQueue> {
    let node = table.get("run_queue")?;
    let mut table = Table::new(node, "`run_queue`", problems)?;
    let max_concurrent = table.int("max_concurrent_runs", 0..=*COUNTS.end(), problems);
    let max_concurrent = max_concurrent.and_then(|max| u32::try_from(max).ok());
    let tag_limits = read_limits_by_tag(&mut table, problems);
    table.finish(problems);
    Some(RunQueue { max_concurrent, tag_limits })
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

/// Tables with the same name, each begun by `[[name]]`.
fn read_list<T>(
    table: &mut Table<'_>,
    name: &'static str,
    read: fn(&Node, &mut Problems) -> Option<T>,
    problems: &mut Problems,
) -> Vec<T> {
    let Some(node) = table.get(name) else { return vec![] };
    let NodeKind::List(items) = &node.kind else {
        let expected = format!("a list of tables, each begun by `[[{name}]]`");
        problems.push(wrong_type(&format!("`{name}`"), &expected, node));
        return vec![];
    };
    items.iter().filter_map(|item| read(item, problems)).collect()
}

fn read_signers(node: &Node, problems: &mut Problems) -> Option<Signers> {
    let mut table = Table::new(node, "`signers`", problems)?;
    let in_some = table.has("namespaces");
    let namespaces = table.texts("namespaces", problems).into_iter().map(|text| text.value).collect();
    let keys = parsed(table.texts("keys", problems), "key of a signer", "ed25519:", problems);
    if !table.has("keys") {
        problems.push(table.missing("keys", "keys = [\"ed25519:…\"]"));
    }
    table.finish(problems);
    Some(Signers { namespaces: in_some.then_some(namespaces), keys })
}

/// Texts of one form each: a prefix and 64 hexadecimal digits.
fn parsed<T: std::str::FromStr + Ord>(
    texts: Vec<Spanned<String>>,
    what: &str,
    prefix: &str,
    problems: &mut Problems,
) -> BTreeSet<T> {
    let mut found = BTreeSet::new();
    for text in texts {
        match text.value.parse() {
            Ok(one) => drop(found.insert(one)),
            Err(_) => problems.push(
                Diagnostic::error("config::bad-digest", format!("`{}` is no {what}", text.value))
                    .at(text.span.as_ref(), format!("expected `{prefix}` and 64 hexadecimal digits")),
            ),
        }
    }
    found
}

fn read_grant(node: &Node, problems: &mut Problems) -> Option<Grant> {
    let mut table = Table::new(node, "`grants`", problems)?;
    let limited = |table: &Table<'_>, key| table.has(key);
    let (in_some, to_some) = (limited(&table, "namespaces"), limited(&table, "libraries"));
    let plain = |texts: Vec<Spanned<String>>| texts.into_iter().map(|text| text.value);
    let namespaces = plain(table.texts("namespaces", problems)).collect();
    let libraries = parsed(table.texts("libraries", problems), "digest of a library", "sha256:", problems);
    let reach = plain(table.texts("reach", problems)).collect();
    let variables = plain(table.texts("variables", problems)).collect();
    table.finish(problems);
    let namespaces = in_some.then_some(namespaces);
    Some(Grant { namespaces, libraries: to_some.then_some(libraries), reach, variables })
}

fn read_run_log(table: &mut Table<'_>, problems: &mut Problems) -> Option<RunLogSettings> {
    let node = table.get("run_log")?;
    let mut table = Table::new(node, "`run_log`", problems)?;
    let form = Form {
        what: "`postgres` of `run_log`",
        is: "a URL",
        examples: [EXAMPLE, "postgres = { file = \"database-url\" }"],
        literal,
    };
    let postgres = table.get("postgres").and_then(|node| form.read(node, problems));
    table.finish(problems);
    postgres.map(RunLogSettings::Postgres)
}

/// The URL of a database as it stands, without a password.
fn literal(form: &Form<'_>, url: &str, span: Option<&Span>) -> Result<Held, Diagnostic> {
    let Some(rest) = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")) else {
        // What stands there may be meant as a password or hold one.
        return Err(Diagnostic::error(
            "config::bad-value",
            format!("{} is not a URL of PostgreSQL", form.what),
        )
        .at_secret(span, "expected `postgres://…`")
        .hint(format!(
            "write for example `postgres = \"postgres://db.example/cofferdam\"`, or `{EXAMPLE}`"
        )));
    };
    if has_password(rest) {
        return Err(form.in_clear("holds a password", span));
    }
    Ok(Held::Literal(url.to_owned()))
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
    use cofferdam_model::{Isolation, OverQuota, Quota};

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
        assert_eq!(url("{ env = \"DATABASE\" }"), Held::Env("DATABASE".into()));
        assert_eq!(url("{ file = \"secrets/db\" }"), Held::File("secrets/db".into()));
        for literal in
            ["postgres://db", "postgresql://me@db:5432/runs?sslmode=require", "postgres:///runs?host=/run/pg"]
        {
            assert_eq!(url(&format!("{literal:?}")), Held::Literal(literal.into()));
        }
    }

    #[test]
    fn pools_have_limits_and_namespaces_weights() {
        let settings = read(
            "[pools]\ndefault_limit = 8\n[pools.limits]\napi = 2\n\"big db\" = 1\n[namespaces.weights]\nlab = 3\n[namespaces.limits]\nlab = 8\n[namespaces.isolation]\nlab = \"tenant\"\n",
        );
        let limits = [("api".to_owned(), 2), ("big db".to_owned(), 1)].into();
        assert_eq!(settings.pools, PoolSettings { default_limit: Some(8), limits });
        assert_eq!(settings.namespaces.weights, [("lab".to_owned(), 3)].into());
        assert_eq!(settings.namespaces.limits, [("lab".to_owned(), 8)].into());
        assert_eq!(settings.namespaces.isolation, [("lab".to_owned(), Isolation::Tenant)].into());
        let quotas = read(
            "[namespaces.cpu_per_hour]\nlab = \"90m\"\n[namespaces.stored_bytes]\nlab = \"1GiB\"\n\
             [namespaces.libraries]\nlab = 3\nteam = 4\n[namespaces.over_quota]\nlab = \"reject\"\n",
        );
        let [(lab, of_lab), (team, of_team)] = &quotas.namespaces.quotas.into_iter().collect::<Vec<_>>()[..]
        else {
            panic!("two namespaces have quotas")
        };
        assert_eq!((lab.as_str(), team.as_str()), ("lab", "team"));
        let hours = Some(std::time::Duration::from_secs(5400));
        let expected = Quota {
            cpu_per_hour: hours,
            stored_bytes: Some(1 << 30),
            libraries: Some(3),
            over: OverQuota::Reject,
        };
        assert_eq!(*of_lab, expected);
        assert_eq!(*of_team, Quota { libraries: Some(4), ..Quota::default() });
        let found =
            shown(&["[namespaces.cpu_per_hour]\na = \"long\"\n[namespaces.over_quota]\na = \"never\"\n"]);
        for said in ["`a` of `cpu_per_hour` of `namespaces`: ", "expected one of `throttle`, `reject`"] {
            assert!(found.contains(said), "{said}: {found}");
        }
        let found = shown(&["[namespaces.isolation]\na = \"tenants\"\nb = 1\n"]);
        for said in ["`a` of `isolation` of `namespaces` is `tenants`", "expected one of `own`", "`b` of"] {
            assert!(found.contains(said), "{said}: {found}");
        }
        let found = shown(&["[pools]\ndefault_limit = 0\nlimit = 1\n[pools.limits]\na = 0\nb = \"x\"\n"]);
        for said in
            ["expected 1 to 1000000", "has no key `limit`", "`a` of `limits` of `pools` is 0", "`b` of"]
        {
            assert!(found.contains(said), "{said}: {found}");
        }
    }

    #[test]
    fn grants_are_read_in_their_order_and_an_empty_list_grants_to_nobody() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let settings = read(&format!(
            "[[grants]]\nnamespaces = [\"lab\"]\nlibraries = [\"{digest}\"]\nreach = [\"sql *\"]\n[[grants]]\nvariables = [\"A\", \"B*\"]\nnamespaces = []\n"
        ));
        let [lab, nobody] = settings.grants.try_into().unwrap();
        let libraries = Some([digest.parse().unwrap()].into());
        let namespaces = Some(["lab".to_owned()].into());
        assert_eq!(lab, Grant { namespaces, libraries, reach: vec!["sql *".into()], variables: vec![] });
        assert_eq!((nobody.namespaces, nobody.libraries), (Some([].into()), None));
        assert_eq!(nobody.variables, ["A", "B*"]);
        let found = shown(&[
            "[grants]\nreach = []\n",
            "[[grants]]\nreach = \"sql\"\nlibraries = [\"a\"]\nlibrary = 1\n",
        ]);
        for said in ["begun by `[[grants]]`", "a list of texts", "`a` is no digest", "has no key `library`"] {
            assert!(found.contains(said), "{said}: {found}");
        }
    }

    #[test]
    fn signers_have_keys_for_namespaces_or_for_all() {
        let key = format!("ed25519:{}", "0a".repeat(32));
        let settings = read(&format!(
            "[[signers]]\nkeys = [\"{key}\"]\n[[signers]]\nnamespaces = [\"prod\"]\nkeys = []\n"
        ));
        let [all, prod] = settings.signers.try_into().unwrap();
        assert_eq!(all, Signers { namespaces: None, keys: [key.parse().unwrap()].into() });
        assert_eq!(prod, Signers { namespaces: Some(["prod".to_owned()].into()), keys: [].into() });
        let found = shown(&["[[signers]]\nkeys = [\"sha256:00\"]\n", "[[signers]]\nnamespaces = []\n"]);
        for said in ["`sha256:00` is no key of a signer", "expected `ed25519:` and 64", "`keys`"] {
            assert!(found.contains(said), "{said}: {found}");
        }
    }

    #[test]
    fn c_23_a_password_in_clear_is_refused_and_not_shown() {
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
    fn c_24_settings_that_mean_nothing_are_refused_with_their_place() {
        let cases = [
            ("timeout = \"30s\"", "1:1", "no key `timeout`"),
            ("[storag]", "1:2", "no key `storag`"),
            ("[namespaces.cpu_per_hour]\na = 30", "2:5", "expected text, found an integer"),
            ("[namespaces.cpu_per_hour]\na = \"30\"", "2:5", "`30` has no unit; write for example `30s`"),
            ("[namespaces.cpu_per_hour]\na = \"-3s\"", "2:5", "`-3s` is negative"),
            ("[namespaces.cpu_per_hour]\na = \"9999999999d\"", "2:5", "is too long; at most"),
            ("[namespaces.stored_bytes]\na = \"9999999999TiB\"", "2:5", "is too large; at most"),
            ("[namespaces.stored_bytes]\na = -1", "2:5", "expected text, found an integer"),
            ("[namespaces.weights]\na = 0", "2:5", "is 0, expected 1 to"),
            ("[run_queue]\nmax_concurrent_runs = -1", "2:23", "is -1, expected 0 to"),
            ("[run_queue]\nmax_concurrent_runs = 99999999999999999999", "2:23", "integer number overflowed"),
            ("[run_queue]\nmax_concurrent_runs = 1\nmax_concurrent_runs = 2", "3:1", "duplicate key"),
            ("[pools]\ndefault_limit = 1.5", "2:17", "expected an integer, found a number"),
            ("[run_log]\npostgres = { env = \"A\", file = \"b\" }", "2:12", "expected one key, found 2"),
            ("[run_log", "1:9", "unclosed table"),
        ];
        for (text, place, why) in cases {
            let found = shown(&[text]);
            assert!(found.contains(why) && found.contains(&format!("{INSTANCE_FILE}:{place}")), "{found}");
        }
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
