//! What a run asks for beside its own values, and what an operator grants: two keys, and neither widens the other.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::{
    IoManagerKind, Known, KnownStep, LibraryDigest, Place, Plan, PlanIoManager, ResourceKind, Source,
    ValueRef,
};

/// Settings that say where a resource or an IO manager leads, in the order in which a demand names them. The others
/// say how: credentials, which are variables, headers, times.
const LEADS: [&str; 10] =
    ["base_url", "url", "bucket", "container", "account", "prefix", "base_dir", "path", "backend", "program"];
/// Settings with a list each that belong to what a program is told.
const LISTS: [&str; 2] = ["arguments", "allow_arguments"];

/// One thing that a run asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Demand {
    /// Who asks, such as ``resource `db` ``.
    pub by: String,
    pub asks: Asks,
    /// The libraries that could use it.
    pub libraries: BTreeSet<LibraryDigest>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asks {
    /// What is reached: a kind and where it leads, as `sql postgres://db/runs`.
    Reach(String),
    /// A variable of the environment of workers.
    Variable(String),
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.asks {
            Asks::Reach(reach) => write!(f, "{} asks for `{reach}`", self.by),
            Asks::Variable(name) => write!(f, "{} asks for the variable `{name}` of workers", self.by),
        }
    }
}

/// What an operator lets some runs have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// Of runs in these namespaces; none names all.
    pub namespaces: Option<BTreeSet<String>>,
    /// To these libraries only; none names all.
    pub libraries: Option<BTreeSet<LibraryDigest>>,
    /// Patterns for [`Asks::Reach`], in which `*` stands for any text.
    pub reach: Vec<String>,
    /// Patterns for [`Asks::Variable`].
    pub variables: Vec<String>,
}

impl Grant {
    fn covers(&self, namespace: &str, demand: &Demand) -> bool {
        let patterns = match &demand.asks {
            Asks::Reach(_) => &self.reach,
            Asks::Variable(_) => &self.variables,
        };
        let (Asks::Reach(text) | Asks::Variable(text)) = &demand.asks;
        self.namespaces.as_ref().is_none_or(|names| names.contains(namespace))
            && self.libraries.as_ref().is_none_or(|allowed| demand.libraries.is_subset(allowed))
            && patterns.iter().any(|pattern| matches(pattern, text))
    }
}

/// What nothing grants of what a run in that namespace asks for.
pub fn not_granted(grants: &[Grant], namespace: &str, plan: &Plan, known: &Known) -> Vec<Demand> {
    let is_covered = |demand: &Demand| grants.iter().any(|grant| grant.covers(namespace, demand));
    demands(plan, known).into_iter().filter(|demand| !is_covered(demand)).collect()
}

/// All that a run of this plan, with these results of earlier ones, asks for beside its own values, in the order of names.
pub fn demands(plan: &Plan, known: &Known) -> Vec<Demand> {
    let mut found = BTreeSet::new();
    for (name, resource) in &plan.resources {
        let users = plan.steps.iter().filter(|step| step.bind.values().any(|bound| bound == name));
        let asking =
            Asking { by: format!("resource `{name}`"), libraries: users.map(|step| step.library).collect() };
        match resource.kind {
            // What ops make and end is asked for by those ops; texts lead nowhere.
            ResourceKind::Op => continue,
            ResourceKind::Config => {}
            kind => found.extend(asking.leads(kind.word(), &resource.settings)),
        }
        found.extend(asking.variables(&resource.settings));
    }
    for (name, manager) in &plan.io_managers {
        let asking = Asking {
            by: format!("IO manager `{name}`"),
            libraries: plan.libraries.values().copied().collect(),
        };
        found.extend(asking.manager(manager));
    }
    // A value says itself what it is read with.
    for value in given(plan).chain(reused(known)) {
        let Place::Managed(managed) = &value.place else { continue };
        let asking = Asking {
            by: format!("a value in `{}`", managed.name),
            libraries: plan.libraries.values().copied().collect(),
        };
        found.extend(asking.manager(&managed.manager));
    }
    for step in &plan.steps {
        let asking =
            Asking { by: format!("the config of step `{}`", step.key), libraries: [step.library].into() };
        found.extend(step.env.iter().map(|source| asking.asks(Asks::Variable(source.name.clone()))));
    }
    found.into_iter().collect()
}

/// The values that a plan gives to steps.
pub fn given(plan: &Plan) -> impl Iterator<Item = &ValueRef> {
    let inputs = plan.steps.iter().flat_map(|step| &step.inputs);
    inputs.flat_map(|input| match &input.source {
        Source::Value(value) => std::slice::from_ref(value).iter().collect::<Vec<&ValueRef>>(),
        Source::Values(values) => values.iter().map(|keyed| &keyed.value).collect(),
        Source::Output(_) | Source::Collect(_) | Source::FanIn(_) => vec![],
    })
}

/// The values of steps that are not run again.
pub fn reused(known: &Known) -> impl Iterator<Item = &ValueRef> {
    known.0.values().flat_map(|step| match step {
        KnownStep::Reused { outputs, .. } => outputs.iter().map(|output| &output.value).collect(),
        KnownStep::Skipped => vec![],
    })
}

struct Asking {
    by: String,
    libraries: BTreeSet<LibraryDigest>,
}

impl Asking {
    fn asks(&self, asks: Asks) -> Demand {
        Demand { by: self.by.clone(), asks, libraries: self.libraries.clone() }
    }

    fn manager(&self, manager: &PlanIoManager) -> Vec<Demand> {
        match manager.kind {
            IoManagerKind::Store | IoManagerKind::Memory | IoManagerKind::Transient | IoManagerKind::Op => {
                vec![]
            }
            kind => [self.leads(kind.word(), &manager.settings), self.variables(&manager.settings)].concat(),
        }
    }

    /// Where settings lead; for a program also with what variables and in which folder it runs, since both can make
    /// another program of it.
    fn leads(&self, kind: &str, settings: &Value) -> Vec<Demand> {
        let mut words = vec![kind.to_owned()];
        words.extend(LEADS.iter().filter_map(|key| settings.get(key)).map(text));
        for key in LISTS {
            let listed = settings.get(key).and_then(Value::as_array).into_iter().flatten().map(text);
            let listed: Vec<String> = listed.collect();
            match key {
                "allow_arguments" if !listed.is_empty() => words.push(format!("[{}]", listed.join("|"))),
                _ => words.extend(listed),
            }
        }
        if settings.get("allow_private") == Some(&Value::Bool(true)) {
            words.push("(private)".to_owned());
        }
        let mut demands = vec![self.asks(Asks::Reach(words.join(" ")))];
        let also = |what: &str, told: String| self.asks(Asks::Reach(format!("{what} {told}")));
        demands.extend(settings.get("endpoint").map(|endpoint| also("endpoint", text(endpoint))));
        demands.extend(settings.get("folder").map(|folder| also("folder", text(folder))));
        let variables = settings.get("env").and_then(Value::as_object).into_iter().flatten();
        let told = variables.map(|(name, value)| also("environment", format!("{name}={}", text(value))));
        demands.extend(told);
        demands
    }

    /// The variables that settings name, however deep.
    fn variables(&self, settings: &Value) -> Vec<Demand> {
        match (variable(settings), settings) {
            (Some(name), _) => vec![self.asks(Asks::Variable(name.to_owned()))],
            (None, Value::Array(items)) => items.iter().flat_map(|item| self.variables(item)).collect(),
            (None, Value::Object(entries)) => {
                entries.values().flat_map(|value| self.variables(value)).collect()
            }
            _ => vec![],
        }
    }
}

/// `{"env": "NAME"}`
fn variable(value: &Value) -> Option<&str> {
    let entries = value.as_object().filter(|entries| entries.len() == 1)?;
    entries.get("env")?.as_str()
}

/// A setting as a demand names it; a variable as `$NAME`.
fn text(value: &Value) -> String {
    match (variable(value), value) {
        (Some(name), _) => format!("${name}"),
        (None, Value::String(text)) => text.clone(),
        _ => value.to_string(),
    }
}

/// Whether a text is as the pattern says; `*` stands for any text, none included.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Name, PlanResource};

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn plan() -> Plan {
        let resource = |kind, settings| PlanResource { kind, settings };
        let resources = [
            (
                "api",
                resource(
                    ResourceKind::Http,
                    json!({ "base_url": "https://api.example/v1/", "headers": { "authorization": { "env": "API_KEY" } } }),
                ),
            ),
            ("db", resource(ResourceKind::Sql, json!({ "url": { "env": "DB" } }))),
            (
                "tool",
                resource(
                    ResourceKind::Command,
                    json!({ "program": "dbt", "arguments": ["run", { "env": "T" }], "allow_arguments": ["a", "b*"], "env": { "LD_PRELOAD": "/tmp/x.so" }, "folder": "/srv" }),
                ),
            ),
            ("words", resource(ResourceKind::Config, json!({ "entries": { "plain": "text" } }))),
        ];
        let lake = PlanIoManager {
            kind: IoManagerKind::S3,
            settings: json!({ "bucket": "lake", "endpoint": "http://minio" }),
        };
        let kept = PlanIoManager { kind: IoManagerKind::Transient, settings: json!({}) };
        let mut plan: Plan = serde_json::from_value(
            json!({ "version": crate::PLAN_VERSION, "job": "j", "tags": {}, "libraries": {}, "steps": [], "max_concurrent": null }),
        )
        .unwrap();
        plan.resources = resources.map(|(key, resource)| (name(key), resource)).into();
        plan.io_managers = [(name("lake"), lake), (name("kept"), kept)].into();
        plan
    }

    #[test]
    fn f3_a_plan_asks_for_what_it_reaches_and_for_the_variables_that_it_names() {
        let shown: Vec<String> =
            demands(&plan(), &Known::default()).iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "IO manager `lake` asks for `endpoint http://minio`",
                "IO manager `lake` asks for `s3 lake`",
                "resource `api` asks for `http https://api.example/v1/`",
                "resource `api` asks for the variable `API_KEY` of workers",
                "resource `db` asks for `sql $DB`",
                "resource `db` asks for the variable `DB` of workers",
                "resource `tool` asks for `command dbt run $T [a|b*]`",
                "resource `tool` asks for `environment LD_PRELOAD=/tmp/x.so`",
                "resource `tool` asks for `folder /srv`",
                "resource `tool` asks for the variable `T` of workers",
            ]
        );
    }

    #[test]
    fn f3_only_what_is_granted_to_the_namespace_and_the_library_may_be_had() {
        let asked = demands(&plan(), &Known::default()).len();
        let left = |grants: &[Grant], namespace: &str| {
            not_granted(grants, namespace, &plan(), &Known::default()).len()
        };
        assert_eq!(left(&[], "a"), asked);
        let all = Grant { reach: vec!["*".into()], variables: vec!["*".into()], ..Grant::default() };
        assert_eq!(left(std::slice::from_ref(&all), "a"), 0);
        let of_b = Grant { namespaces: Some(["b".to_owned()].into()), ..all.clone() };
        assert_eq!((left(std::slice::from_ref(&of_b), "a"), left(&[of_b], "b")), (asked, 0));
        let http = Grant { reach: vec!["http https://api.example/*".into()], ..Grant::default() };
        assert_eq!(left(&[http], "a"), asked - 1);
        let key = Grant { variables: vec!["API_*".into()], ..Grant::default() };
        assert_eq!(left(&[key], "a"), asked - 1);
    }

    #[test]
    fn a_star_stands_for_any_text_and_everything_else_for_itself() {
        for (pattern, text, is_it) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("*b", "ab", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("ab*b", "ab", false),
            ("*", "", true),
            ("", "", true),
            ("https://api/*", "https://api.evil/", false),
            ("a*bc*c", "abc", false),
        ] {
            assert_eq!(matches(pattern, text), is_it, "{pattern} {text}");
        }
    }
}
