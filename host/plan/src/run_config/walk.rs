//! One walk along a config and its schema: completes it (defaults, kinds of numbers), takes variables and secrets out
//! and finds what only people's kinds know (selectors, null).

use std::collections::HashMap;
use std::rc::Rc;

use cofferdam_model::{Diagnostic, EnvKind, EnvSource, Node, NodeKind};
use serde_json::{Map, Value, json};

use super::form::{Form, Kind, default_of, is_all_optional, is_secret, variable_name};
use super::leaf::At;
use super::merge::{bare, env_name, field, has};
use super::numbers::{Problem, number};
use super::{Problems, SECRET_IN_CLEAR, Variables};
use crate::schema::Schema;

/// How deep defaults are filled in: a recursive schema with recursive data ends somewhere.
const DEPTH_MAX: usize = 64;

/// What the schema says about a place, looked at once: a list may have thousands of items.
struct Known<'s> {
    form: Form<'s>,
    secret: bool,
    env: Option<EnvKind>,
    required: Vec<&'s str>,
}

pub(super) struct Walk<'a, 'p, 's> {
    at: At<'a>,
    /// By the address of the place.
    known: HashMap<usize, Rc<Known<'s>>>,
    path: Vec<String>,
    pub(super) env: Vec<EnvSource>,
    pub(super) secrets: Vec<Vec<String>>,
    /// Where something is wrong that the validator need not say again.
    pub(super) reported: Vec<Vec<String>>,
    /// Below a secret field.
    in_secret: bool,
    /// In a default of the schema.
    in_default: bool,
    problems: &'p mut Problems,
}

impl<'a, 'p, 's> Walk<'a, 'p, 's> {
    pub(super) fn new(at: At<'a>, problems: &'p mut Problems) -> Walk<'a, 'p, 's> {
        let inside = at.secrets.iter().filter_map(|place| place.strip_prefix(at.places.0));
        let secrets = inside.map(<[String]>::to_vec).collect();
        Walk {
            at,
            known: HashMap::new(),
            path: vec![],
            env: vec![],
            secrets,
            reported: vec![],
            in_secret: false,
            in_default: false,
            problems,
        }
    }

    fn known(&mut self, place: Schema<'s>) -> Rc<Known<'s>> {
        let open = self.problems.mapped;
        let known = self.known.entry(std::ptr::from_ref(place.at).addr()).or_insert_with(|| {
            let form = Form::of(place);
            // What a mapping hands on is a variable also where anything may stand: it was one outside.
            let open = open && matches!(form.kind, Kind::Any);
            let env = form.env_kind().or(open.then_some(EnvKind::Text));
            let required = form.schema.required().collect();
            Rc::new(Known { secret: is_secret(place), env, required, form })
        });
        known.clone()
    }

    /// The value of a node at a place of the schema, completed.
    pub(super) fn build(&mut self, node: &Node, place: Schema<'s>, depth: usize) -> Value {
        if depth >= DEPTH_MAX {
            return node.to_json();
        }
        let known = self.known(place);
        let outermost = known.secret && !self.in_secret && node.kind != NodeKind::Null;
        if outermost {
            self.secrets.push(self.path.clone());
            self.refuse_clear(node, &known.form);
        }
        self.in_secret |= outermost;
        let value = self.build_known(node, place, &known, depth);
        self.in_secret &= !outermost;
        value
    }

    fn build_known(&mut self, node: &Node, place: Schema<'s>, known: &Known<'s>, depth: usize) -> Value {
        let form = &known.form;
        if let Some(name) = env_name(node)
            && let Some(kind) = known.env
        {
            return self.variable(name, kind, form);
        }
        match &node.kind {
            NodeKind::Map(entries) => self.table(node, entries, known, depth),
            NodeKind::List(items) => match form.list() {
                Some(list) => self.list(items, list, depth),
                None => node.to_json(),
            },
            NodeKind::Null => {
                if !form.nullable && !matches!(form.kind, Kind::Any | Kind::Null) {
                    self.report_null(node, place, form);
                }
                Value::Null
            }
            NodeKind::Int(_) | NodeKind::Float(_) => match number(node.to_json(), form) {
                Ok(value) => value,
                Err(problem) => self.report_number(node, problem),
            },
            NodeKind::Bool(_) | NodeKind::Text(_) => node.to_json(),
        }
    }

    fn within<T>(&mut self, key: &str, inner: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(key.to_owned());
        let found = inner(self);
        self.path.pop();
        found
    }

    fn table(&mut self, node: &Node, entries: &[Entry], known: &Known<'s>, depth: usize) -> Value {
        let Some(form) = known.form.meant(|name, word| has(node, name, word)) else { return node.to_json() };
        let alternative;
        let required = if std::ptr::eq(form, &known.form) {
            &known.required
        } else {
            alternative = form.schema.required().collect();
            &alternative
        };
        if let Kind::Selector(fields) = &form.kind {
            return self.selector(node, entries, form, fields, depth);
        }
        if !matches!(form.kind, Kind::Table) {
            return node.to_json();
        }
        let mut value = Map::with_capacity(entries.len());
        for (key, inner) in entries {
            let built = match field(form, &key.value) {
                Some(place) => self.within(&key.value, |walk| walk.build(inner, place, depth + 1)),
                None => inner.to_json(),
            };
            value.insert(key.value.clone(), built);
        }
        for (name, at) in form.schema.properties().into_iter().flatten() {
            if value.contains_key(name) {
                continue;
            }
            let place = form.schema.with(at);
            let needed = required.contains(&name.as_str());
            if let Some(default) = self.within(name, |walk| walk.default(place, needed, depth + 1)) {
                value.insert(name.clone(), default);
            }
        }
        Value::Object(value)
    }

    /// What a field is that is not given: its default, null, or a table whose defaults are filled in.
    fn default(&mut self, place: Schema<'s>, needed: bool, depth: usize) -> Option<Value> {
        if let Some(default) = default_of(place) {
            let was = std::mem::replace(&mut self.in_default, true);
            let built = bare(default).map(|node| self.build(&node, place, depth));
            self.in_default = was;
            return Some(built.unwrap_or_else(|| default.clone()));
        }
        if Form::of(place).defaults_to_null() {
            return Some(Value::Null);
        }
        if depth >= DEPTH_MAX || !is_all_optional(place) {
            return None;
        }
        let empty = Node::bare(NodeKind::Map(vec![]));
        let built = self.build(&empty, place, depth);
        let says_something = built.as_object().is_some_and(|fields| !fields.is_empty());
        (needed || says_something).then_some(built)
    }

    fn selector(
        &mut self,
        node: &Node,
        entries: &[Entry],
        form: &Form<'s>,
        fields: &[(&'s str, Schema<'s>)],
        depth: usize,
    ) -> Value {
        // `{}` stands for the only choice there is, if that may be left empty.
        if let ([], [(name, place)]) = (entries, fields)
            && let Some(default) = self.within(name, |walk| walk.default(*place, true, depth + 1))
        {
            return json!({ *name: default });
        }
        let [(key, inner)] = entries else {
            self.report_choice(node, entries, form, fields);
            return node.to_json();
        };
        let Some((name, place)) = fields.iter().find(|(name, _)| *name == key.value) else {
            self.report_choice(node, entries, form, fields);
            return node.to_json();
        };
        let empty;
        let mut inner = inner;
        let chosen = Form::of(*place);
        if inner.kind == NodeKind::Null && matches!(chosen.kind, Kind::Table) && !chosen.nullable {
            empty = Node { span: inner.span.clone(), kind: NodeKind::Map(vec![]) };
            inner = &empty;
        }
        let built = self.within(name, |walk| walk.build(inner, *place, depth + 1));
        json!({ *name: built })
    }

    fn list(&mut self, items: &[Node], form: &Form<'s>, depth: usize) -> Value {
        let prefix = form.schema.list("prefixItems").unwrap_or_default();
        let rest = form.schema.sub("items");
        let built = items.iter().enumerate().map(|(at, item)| match prefix.get(at).copied().or(rest) {
            Some(place) => self.within(&at.to_string(), |walk| walk.build(item, place, depth + 1)),
            None => item.to_json(),
        });
        built.collect()
    }

    /// `{env: NAME}`: noted, with something in its place that the validator takes.
    fn variable(&mut self, name: &Node, kind: EnvKind, form: &Form<'_>) -> Value {
        match &name.kind {
            _ if self.at.variables == Variables::Refused => {
                self.reported.push(self.path.clone());
                let what = self.at.places.dotted(&self.path);
                self.problems.list.push(
                    Diagnostic::error(
                        "plan::variable-in-literal",
                        format!("`{what}`: the value of an input is not read from the environment"),
                    )
                    .at(name.span.as_ref(), "a variable")
                    .hint("only config is: write the value itself, or let the op take it as config"),
                );
            }
            NodeKind::Text(text) if !text.is_empty() && !text.contains(['=', '\0']) => {
                self.env.push(EnvSource { path: self.path.clone(), name: text.clone(), kind });
            }
            _ => {
                self.reported.push(self.path.clone());
                let what = self.at.places.dotted(&self.path);
                self.problems.list.push(
                    Diagnostic::error(
                        "plan::bad-config",
                        format!("`{what}`: `env` does not name a variable"),
                    )
                    .at(name.span.as_ref(), "expected the name of an environment variable")
                    .hint("write for example `{env: API_TOKEN}`"),
                );
            }
        }
        form.schema.example(0)
    }

    /// A secret comes from the environment of the worker: written down, it would be in every plan and every log of
    /// plans.
    fn refuse_clear(&mut self, node: &Node, form: &Form<'_>) {
        let mut clear = vec![];
        in_clear(node, &mut clear);
        let Some(first) = clear.first() else { return };
        self.reported.push(self.path.clone());
        let what = self.at.places.dotted(&self.path);
        let message = if self.in_default {
            format!("`{what}` takes its default, a secret that everybody who has the library can read")
        } else {
            format!("`{what}` is a secret, which stands here in clear")
        };
        let inside = matches!(form.kind, Kind::Table | Kind::List);
        let variable = match self.path.last() {
            Some(field) if !inside => variable_name(field),
            _ => "NAME".to_owned(),
        };
        let hint = match self.at.variables {
            Variables::Refused => "let the op take it as config, which can come from the environment".to_owned(),
            Variables::Listed if form.env_kind().is_none() && !inside => {
                "this is a mistake of the library: only text, numbers, true and false can be secret, since they can \
                 come from the environment"
                    .to_owned()
            }
            Variables::Listed | Variables::Kept => {
                format!("write for example `{{env: {variable}}}`, a variable of the worker")
            }
        };
        let mut problem = Diagnostic::error(SECRET_IN_CLEAR, message);
        for node in &clear {
            problem = problem.at_secret(node.span.as_ref(), "a secret");
        }
        if first.span.is_none() {
            problem = problem.at(self.at.span, "configured here");
        }
        self.problems.list.push(problem.hint(hint));
    }

    fn report_null(&mut self, node: &Node, place: Schema<'_>, form: &Form<'_>) {
        let what = self.at.places.dotted(&self.path);
        let words = form.words();
        let hint = if default_of(place).is_some() {
            "leave the key out to take its default".to_owned()
        } else {
            format!("write for example `{}`", form.schema.example(2))
        };
        self.problems.list.push(
            Diagnostic::error("plan::null-config", format!("`{what}` is null, which is not allowed here"))
                .at(node.span.as_ref(), format!("expected {words}"))
                .hint(hint),
        );
        self.reported.push(self.path.clone());
    }

    fn report_number(&mut self, node: &Node, problem: Problem) -> Value {
        let what = self.at.places.dotted(&self.path);
        let value = node.to_json();
        // A secret in clear was told already, and is not shown.
        if !self.in_secret {
            self.problems.list.push(
                Diagnostic::error("plan::bad-config", format!("`{what}` is {value}, expected {problem}"))
                    .at(node.span.as_ref(), "out of range"),
            );
        }
        self.reported.push(self.path.clone());
        value
    }

    fn report_choice(
        &mut self,
        node: &Node,
        entries: &[Entry],
        form: &Form<'_>,
        fields: &[(&str, Schema<'_>)],
    ) {
        let what = self.at.places.dotted(&self.path);
        let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        let list = format!("`{}`", names.join("`, `"));
        let found: Vec<String> = entries.iter().map(|(key, _)| format!("`{}`", key.value)).collect();
        let message = match entries {
            [] => format!("`{what}` chooses none of {list}"),
            [_] => format!("`{what}` has no choice {}", found.concat()),
            _ => format!("`{what}` makes {} choices: {}", entries.len(), found.join(", ")),
        };
        let mut one = Diagnostic::error("plan::selector", message);
        one = match entries {
            [(key, _)] => one.at(key.span.as_ref(), format!("expected one of {list}")),
            _ => one.at(node.span.as_ref(), format!("expected exactly one of {list}")),
        };
        let near = match entries {
            [(key, _)] => cofferdam_model::nearest(&key.value, names.iter().copied()),
            _ => None,
        };
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write for example `{}`", form.schema.example(2)),
        };
        self.problems.list.push(one.hint(hint));
        self.reported.push(self.path.clone());
    }
}

/// Scalars that are no names of variables. An empty text hides nothing.
fn in_clear<'n>(node: &'n Node, found: &mut Vec<&'n Node>) {
    match &node.kind {
        _ if env_name(node).is_some() => {}
        NodeKind::Map(entries) => entries.iter().for_each(|(_, inner)| in_clear(inner, found)),
        NodeKind::List(items) => items.iter().for_each(|item| in_clear(item, found)),
        NodeKind::Null => {}
        NodeKind::Text(text) if text.is_empty() => {}
        NodeKind::Text(_) | NodeKind::Bool(_) | NodeKind::Int(_) | NodeKind::Float(_) => found.push(node),
    }
}

type Entry = (cofferdam_model::Spanned<String>, Node);
