//! Typed reading of a tree: every key is asked for, what nobody asked for is an error with a near name, and
//! all problems are collected while reading goes on.

use cofferdam_model::{Diagnostic, Name, Node, NodeKind, Span, Spanned, nearest};

/// What the outermost table is called.
pub(crate) const FILE: &str = "the file";

/// Collects what is wrong.
pub(crate) type Problems = Vec<Diagnostic>;

/// A table that is being read.
pub(crate) struct Table<'a> {
    /// What the table is, in messages: `job delays`.
    what: String,
    pub(crate) span: Option<&'a Span>,
    entries: &'a [(Spanned<String>, Node)],
    known: Vec<&'static str>,
}

impl<'a> Table<'a> {
    /// Takes a node as a table, or says what it is instead. `place` is what a message calls it.
    pub(crate) fn new(node: &'a Node, what: impl Into<String>, problems: &mut Problems) -> Option<Table<'a>> {
        let what = what.into();
        let NodeKind::Map(entries) = &node.kind else {
            problems.push(wrong_type(&what, "a table", node));
            return None;
        };
        Some(Table { what, span: node.span.as_ref(), entries, known: vec![] })
    }

    /// The value of a key, if it is there.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<&'a Node> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.entries.iter().find(|(name, _)| name.value == key).map(|(_, node)| node)
    }

    /// Text under a key.
    pub(crate) fn text(&mut self, key: &'static str, problems: &mut Problems) -> Option<Spanned<String>> {
        let node = self.get(key)?;
        text(node, &format!("`{key}` of {}", self.what), problems)
    }

    /// A whole number within bounds.
    pub(crate) fn int(
        &mut self,
        key: &'static str,
        bounds: std::ops::RangeInclusive<i64>,
        problems: &mut Problems,
    ) -> Option<i64> {
        let node = self.get(key)?;
        let what = format!("`{key}` of {}", self.what);
        match node.kind {
            NodeKind::Int(value) if bounds.contains(&value) => Some(value),
            NodeKind::Int(value) => {
                problems.push(
                    Diagnostic::error(
                        "config::out-of-range",
                        format!("{what} is {value}, expected {} to {}", bounds.start(), bounds.end()),
                    )
                    .at(node.span.as_ref(), "")
                    .hint(format!("write for example `{key} = {}`", (*bounds.start()).max(1))),
                );
                None
            }
            _ => {
                problems.push(wrong_type(&what, "an integer", node));
                None
            }
        }
    }

    /// Text under a key, read by `parse`, whose error reads on from the key.
    pub(crate) fn parsed<T>(
        &mut self,
        key: &'static str,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
        problems: &mut Problems,
    ) -> Option<T> {
        let node = self.get(key)?;
        let what = format!("`{key}` of {}", self.what);
        let NodeKind::Text(text) = &node.kind else {
            problems.push(
                wrong_type(&what, "text with a unit", node)
                    .hint(format!("write for example `{key} = \"{example}\"`")),
            );
            return None;
        };
        match parse(text) {
            Ok(value) => Some(value),
            Err(reason) => {
                let (message, hint) = reason.rsplit_once("; ").unwrap_or((&reason, ""));
                let mut problem = Diagnostic::error("config::bad-value", format!("{what}: {message}"))
                    .at(node.span.as_ref(), "");
                if !hint.is_empty() {
                    problem = problem.hint(hint);
                }
                problems.push(problem);
                None
            }
        }
    }

    /// A boolean under a key.
    pub(crate) fn truth(&mut self, key: &'static str, problems: &mut Problems) -> Option<bool> {
        let node = self.get(key)?;
        if let NodeKind::Bool(value) = node.kind {
            return Some(value);
        }
        problems.push(wrong_type(&format!("`{key}` of {}", self.what), "a boolean", node));
        None
    }

    /// The name of another definition under a key; `kind` is what it names.
    pub(crate) fn name(
        &mut self,
        key: &'static str,
        kind: &str,
        problems: &mut Problems,
    ) -> Option<Spanned<Name>> {
        let text = self.text(key, problems)?;
        name(&text, kind, problems)
    }

    /// A list of texts under a key; empty if there is none.
    pub(crate) fn texts(&mut self, key: &'static str, problems: &mut Problems) -> Vec<Spanned<String>> {
        let Some(node) = self.get(key) else { return vec![] };
        texts(node, &format!("`{key}` of {}", self.what), problems)
    }

    /// A table under a key, read as a list of definitions that the user named; empty if there is none.
    pub(crate) fn children(
        &mut self,
        key: &'static str,
        kind: &str,
        problems: &mut Problems,
    ) -> Vec<(Spanned<Name>, &'a Node)> {
        let Some(node) = self.get(key) else { return vec![] };
        let what = if self.what == FILE { format!("`{key}`") } else { format!("`{key}` of {}", self.what) };
        Table::new(node, what, problems).map(|table| table.named(kind, problems)).unwrap_or_default()
    }

    /// Whether a key is there, wrong or not.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, _)| name.value == key)
    }

    /// What the table is, in messages.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// The span of a key that is there.
    pub(crate) fn key_span(&self, key: &str) -> Option<&'a Span> {
        self.entries.iter().find(|(name, _)| name.value == key).and_then(|(name, _)| name.span.as_ref())
    }

    /// Every entry that nobody asked for, as a table of its own: settings that somebody else reads.
    pub(crate) fn rest(self, problems: &mut Problems) -> Node {
        let entries: Vec<_> = self
            .entries
            .iter()
            .filter(|(key, _)| !self.known.contains(&key.value.as_str()))
            .cloned()
            .collect();
        let rest = Node { span: self.span.cloned(), kind: NodeKind::Map(entries) };
        check_data(&rest, problems);
        rest
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
        problems: &mut Problems,
    ) -> Option<T> {
        let text = self.text(key, problems)?;
        let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, value)| *value);
        if found.is_none() {
            let list = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            let problem = Diagnostic::error(
                "config::bad-value",
                format!("`{key}` of {} is `{}`", self.what, text.value),
            )
            .at(text.span.as_ref(), format!("expected one of {list}"));
            problems.push(did_you_mean(problem, &text.value, words.iter().map(|(word, _)| *word)));
        }
        found
    }

    /// All entries of a table whose keys are names that the user chose. A bad name, and a name that differs
    /// from an earlier one only in case or between `-` and `_`, is reported and left out.
    pub(crate) fn named(&self, kind: &str, problems: &mut Problems) -> Vec<(Spanned<Name>, &'a Node)> {
        let mut seen = std::collections::HashMap::<String, &Spanned<String>>::new();
        let mut out = vec![];
        for (key, node) in self.entries {
            let Some(name) = name(key, kind, problems) else {
                continue;
            };
            if let Some(first) = seen.insert(name.value.as_str().to_lowercase(), key) {
                problems.push(
                    Diagnostic::error(
                        "config::duplicate-name",
                        format!("{kind} `{}` and {kind} `{}` are too alike", first.value, key.value),
                    )
                    .at(key.span.as_ref(), "differs only in case or in `-` and `_`")
                    .at(first.span.as_ref(), "first one")
                    .hint("names differ in more than case, `-` and `_`; rename one of them"),
                );
                continue;
            }
            out.push((name, node));
        }
        out
    }

    /// Reports the keys that nobody asked for. To be called when all known keys have been asked for.
    pub(crate) fn finish(self, problems: &mut Problems) {
        for (key, _) in self.entries {
            if self.known.contains(&key.value.as_str()) {
                continue;
            }
            let problem =
                Diagnostic::error("config::unknown-key", format!("{} has no key `{}`", self.what, key.value))
                    .at(key.span.as_ref(), "unknown key");
            problems.push(did_you_mean(problem, &key.value, self.known.iter().copied()));
        }
    }

    /// Reports a key that has to be there.
    pub(crate) fn missing(&self, key: &str, example: &str) -> Diagnostic {
        Diagnostic::error("config::missing-key", format!("{} has no `{key}`", self.what))
            .at(self.span, format!("`{key}` is needed"))
            .hint(format!("add for example `{example}`"))
    }
}

/// Adds a hint with the near word, or else with all of them.
pub(crate) fn did_you_mean<'a>(
    problem: Diagnostic,
    found: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    if let Some(near) = nearest(found, known.clone()) {
        return problem.hint(format!("did you mean `{near}`?"));
    }
    let list = known.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    if list.is_empty() {
        return problem;
    }
    problem.hint(format!("known: {list}"))
}

pub(crate) fn wrong_type(what: &str, expected: &str, node: &Node) -> Diagnostic {
    Diagnostic::error(
        "config::wrong-type",
        format!("{what}: expected {expected}, found {}", node.kind_word()),
    )
    .at(node.span.as_ref(), format!("expected {expected}"))
    .hint(match expected {
        "a table" => "write it as `{ key = … }`, or as lines below a `[heading]` of its own",
        "a list of names" | "a list of texts" => "write for example `[\"first\", \"second\"]`",
        "a boolean" => "write `true` or `false`, without quotes",
        "an integer" => "write digits without quotes and without a point",
        _ => "put it in quotes",
    })
}

pub(crate) fn text(node: &Node, what: &str, problems: &mut Problems) -> Option<Spanned<String>> {
    if let NodeKind::Text(text) = &node.kind {
        return Some(Spanned::new(text.clone(), node.span.clone()));
    }
    problems.push(wrong_type(what, "text", node));
    None
}

pub(crate) fn name(text: &Spanned<String>, kind: &str, problems: &mut Problems) -> Option<Spanned<Name>> {
    match Name::new(&text.value) {
        Ok(name) => Some(Spanned::new(name, text.span.clone())),
        Err(error) => {
            let article = if kind.starts_with(['a', 'e', 'i', 'o', 'I']) { "an" } else { "a" };
            problems.push(
                Diagnostic::error(
                    "config::bad-name",
                    format!("`{}` cannot name {article} {kind}", text.value),
                )
                .at(text.span.as_ref(), error.to_string())
                .hint("write for example `clean_flights`"),
            );
            None
        }
    }
}

/// Data for ops and tags, which travels as JSON or CBOR: `inf` and `nan` have no place in JSON.
pub(crate) fn check_data(node: &Node, problems: &mut Problems) {
    match &node.kind {
        NodeKind::Float(number) if !number.is_finite() => problems.push(
            Diagnostic::error("config::out-of-range", format!("`{number}` is not a finite number"))
                .at(node.span.as_ref(), "")
                .hint("leave the key out, or quote it if it is meant as text"),
        ),
        NodeKind::List(items) => items.iter().for_each(|item| check_data(item, problems)),
        NodeKind::Map(entries) => entries.iter().for_each(|(_, item)| check_data(item, problems)),
        _ => {}
    }
}

/// A list of texts, as in `owners = ["team:data"]`.
pub(crate) fn texts(node: &Node, what: &str, problems: &mut Problems) -> Vec<Spanned<String>> {
    let NodeKind::List(items) = &node.kind else {
        problems.push(wrong_type(what, "a list of texts", node));
        return vec![];
    };
    items.iter().filter_map(|item| text(item, what, problems)).collect()
}

/// A list in which nothing is there twice; the second one is reported and left out. `what` is what the list is.
pub(crate) fn distinct<T: Eq + std::fmt::Display>(
    items: Vec<Spanned<T>>,
    what: &str,
    problems: &mut Problems,
) -> Vec<Spanned<T>> {
    let mut out: Vec<Spanned<T>> = vec![];
    for item in items {
        match out.iter().find(|first| first.value == item.value) {
            Some(first) => problems.push(
                Diagnostic::error(
                    "config::duplicate-name",
                    format!("{what}: `{}` is there twice", item.value),
                )
                .at(item.span.as_ref(), "again")
                .at(first.span.as_ref(), "first one")
                .hint("remove one of them"),
            ),
            None => out.push(item),
        }
    }
    out
}

/// A list of names, as in `after = ["a", "b"]`.
pub(crate) fn names(node: &Node, what: &str, kind: &str, problems: &mut Problems) -> Vec<Spanned<Name>> {
    let NodeKind::List(items) = &node.kind else {
        problems.push(wrong_type(what, "a list of names", node));
        return vec![];
    };
    items
        .iter()
        .filter_map(|item| {
            let text = text(item, what, problems)?;
            name(&text, kind, problems)
        })
        .collect()
}
