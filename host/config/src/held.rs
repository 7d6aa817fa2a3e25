//! Settings that may hold a secret: said by where they are, or as they stand if they hold none.

use std::path::PathBuf;

use cofferdam_model::{Diagnostic, Node, NodeKind, Span, Spanned};

use crate::reader::{Problems, did_you_mean, text, wrong_type};

/// Where a setting comes from. It may be a secret or hold one, which must not stand in a file of settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// From a variable of the process's environment.
    Env(String),
    /// From a file; a relative path starts at the folder of the settings.
    File(PathBuf),
    /// As it stands, without a secret.
    Literal(String),
}

/// What is asked for, in messages.
pub(crate) struct Form<'a> {
    /// The key and its table.
    pub(crate) what: &'a str,
    /// What it is: `a URL`.
    pub(crate) is: &'a str,
    /// How it is written with a variable, and with a file.
    pub(crate) examples: [&'a str; 2],
    /// Takes it as it stands, or says why not.
    pub(crate) literal: fn(&Form<'_>, &str, Option<&Span>) -> Result<Held, Diagnostic>,
}

impl Form<'_> {
    pub(crate) fn read(&self, node: &Node, problems: &mut Problems) -> Option<Held> {
        match &node.kind {
            NodeKind::Text(found) => match (self.literal)(self, found, node.span.as_ref()) {
                Ok(held) => return Some(held),
                Err(problem) => problems.push(problem),
            },
            NodeKind::Map(entries) => return self.reference(node, entries, problems),
            _ => {
                let problem = wrong_type(self.what, &format!("{} or where it is", self.is), node);
                problems.push(problem.hint(format!("write for example `{}`", self.examples[0])));
            }
        }
        None
    }

    /// `{ env = "NAME" }` or `{ file = "path" }`.
    fn reference(
        &self,
        node: &Node,
        entries: &[(Spanned<String>, Node)],
        problems: &mut Problems,
    ) -> Option<Held> {
        let what = self.what;
        let [(key, value)] = entries else {
            problems.push(
                Diagnostic::error(
                    "config::bad-value",
                    format!("{what}: expected one key, found {}", entries.len()),
                )
                .at(node.span.as_ref(), format!("{} is in one place", self.is))
                .hint(format!("write `{}` or `{}`", self.examples[0], self.examples[1])),
            );
            return None;
        };
        let make: fn(String) -> Held = match key.value.as_str() {
            "env" => Held::Env,
            "file" => |path| Held::File(path.into()),
            _ => {
                let problem =
                    Diagnostic::error("config::unknown-key", format!("{what} has no key `{}`", key.value))
                        .at(key.span.as_ref(), "unknown key");
                problems.push(did_you_mean(problem, &key.value, ["env", "file"].into_iter()));
                return None;
            }
        };
        let found = text(value, &format!("`{}` of {what}", key.value), problems)?;
        if found.value.is_empty() || found.value.contains('\0') {
            problems.push(
                Diagnostic::error("config::bad-value", format!("`{}` of {what} names nothing", key.value))
                    .at(found.span.as_ref(), "expected a name")
                    .hint(format!("write for example `{}`", self.examples[0])),
            );
            return None;
        }
        Some(make(found.value))
    }

    /// What is refused because it is, or holds, a secret.
    pub(crate) fn in_clear(&self, why: &str, span: Option<&Span>) -> Diagnostic {
        Diagnostic::error(
            "config::secret-in-clear",
            format!("{} {why}, which stands here in clear", self.what),
        )
        .at_secret(span, "a secret")
        .hint(format!(
            "write `{}`, a variable of `cofferdam serve`, or `{{ file = \"…\" }}`",
            self.examples[0]
        ))
    }
}
