//! What one request may ask, looked at before anything of it is checked or executed. The library bounds depth and
//! complexity by walking through each fragment wherever it is named, which a short text can make as long as it likes: so
//! how much that would be is counted first, each fragment once.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::async_trait::async_trait;
use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextPrepareRequest, NextSubscribe,
};
use async_graphql::futures_util::stream::{BoxStream, StreamExt as _, once};
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Request, Response, ServerError, ServerResult};
use tokio::sync::Semaphore;

/// Bytes of the text of a question; values go beside it.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Brackets within brackets of it: the library's parser calls itself for each.
const NESTING_MAX: usize = 64;
/// Questions in one request, as fields of its operation.
const ROOTS_MAX: usize = 20;
/// Fields that are given another name.
const ALIASES_MAX: usize = 30;
/// Fields and fragments in all, those of a fragment counted wherever it is named.
const SELECTIONS_MAX: usize = 2000;

/// The questions that one caller may have under way at a time.
#[derive(Clone)]
pub(crate) struct Questions(Arc<Semaphore>);

impl Questions {
    pub(crate) fn of_a_socket(n_max: usize) -> Questions {
        Questions(Arc::new(Semaphore::new(n_max)))
    }
}

pub(crate) struct Limits;

impl ExtensionFactory for Limits {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Limits)
    }
}

#[async_trait]
impl Extension for Limits {
    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        mut request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        let refused = |why: String| ServerError::new(why, None);
        check_text(&request.query).map_err(refused)?;
        check(request.parsed_query()?).map_err(refused)?;
        next.run(ctx, request).await
    }

    fn subscribe<'s>(
        &self,
        ctx: &ExtensionContext<'_>,
        stream: BoxStream<'s, Response>,
        next: NextSubscribe<'_>,
    ) -> BoxStream<'s, Response> {
        let stream = next.run(ctx, stream);
        let Some(Questions(room)) = ctx.data_opt::<Questions>() else { return stream };
        match room.clone().try_acquire_owned() {
            Ok(place) => {
                let held = move |response| {
                    let _ = &place;
                    response
                };
                stream.map(held).boxed()
            }
            Err(_) => {
                let why = "this connection has as many questions under way as it may; end some first";
                once(async move { Response::from_errors(vec![ServerError::new(why, None)]) }).boxed()
            }
        }
    }
}

fn bounded(what: &str, found: usize, max: usize) -> Result<(), String> {
    if found <= max {
        Ok(())
    } else {
        Err(format!("a request has at most {max} {what}; this one has {found}"))
    }
}

/// Before it is parsed.
fn check_text(text: &str) -> Result<(), String> {
    bounded("bytes of query", text.len(), TEXT_BYTES_MAX)?;
    bounded("brackets within brackets", nesting(text), NESTING_MAX)
}

/// The most brackets that are open at once, other than in strings and comments.
fn nesting(text: &str) -> usize {
    let (mut rest, mut open, mut most) = (text, 0_usize, 0_usize);
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '#' => rest.split_once(['\n', '\r']).map_or("", |(_, rest)| rest),
            '"' => match rest.strip_prefix("\"\"\"") {
                Some(block) => after_block(block),
                None => after_string(&rest[1..]),
            },
            _ => &rest[first.len_utf8()..],
        };
        match first {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// What comes after `"""`, of which `\"""` is none.
fn after_block(mut rest: &str) -> &str {
    while let Some((before, after)) = rest.split_once("\"\"\"") {
        rest = after;
        if !before.ends_with('\\') {
            return rest;
        }
    }
    ""
}

/// What comes after `"`, or after the end of its line: no string goes on there.
fn after_string(text: &str) -> &str {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' | '\n' | '\r' => return &text[at + 1..],
            '\\' => drop(chars.next()),
            _ => {}
        }
    }
    ""
}

/// Of a selection set, with all that its fragments bring.
#[derive(Clone, Copy, Default)]
struct Size {
    /// Fields of the set itself.
    roots: usize,
    aliases: usize,
    selections: usize,
}

fn check(document: &ExecutableDocument) -> Result<(), String> {
    let mut sizes = Sizes { document, known: HashMap::new() };
    for (_, operation) in document.operations.iter() {
        let size = sizes.of(&operation.node.selection_set.node, 0)?;
        bounded("questions", size.roots, ROOTS_MAX)?;
        bounded("aliases", size.aliases, ALIASES_MAX)?;
        bounded("selections", size.selections, SELECTIONS_MAX)?;
    }
    Ok(())
}

struct Sizes<'a> {
    document: &'a ExecutableDocument,
    /// None while a fragment is being looked at.
    known: HashMap<&'a Name, Option<Size>>,
}

impl<'a> Sizes<'a> {
    fn of(&mut self, set: &'a SelectionSet, level: usize) -> Result<Size, String> {
        bounded("selections within selections", level, NESTING_MAX)?;
        let level = level + 1;
        let mut size = Size::default();
        for selection in &set.items {
            let (part, is_field) = match &selection.node {
                Selection::Field(field) => {
                    let mut part = self.of(&field.node.selection_set.node, level)?;
                    part.aliases = part.aliases.saturating_add(usize::from(field.node.alias.is_some()));
                    (part, true)
                }
                Selection::InlineFragment(inline) => {
                    (self.of(&inline.node.selection_set.node, level)?, false)
                }
                Selection::FragmentSpread(spread) => {
                    (self.of_fragment(&spread.node.fragment_name.node, level)?, false)
                }
            };
            size.roots = size.roots.saturating_add(if is_field { 1 } else { part.roots });
            size.aliases = size.aliases.saturating_add(part.aliases);
            size.selections = size.selections.saturating_add(part.selections).saturating_add(1);
        }
        Ok(size)
    }

    fn of_fragment(&mut self, name: &'a Name, level: usize) -> Result<Size, String> {
        match self.known.get(name) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(format!("the fragment `{name}` is within itself")),
            None => {}
        }
        // One that is not there is told of by who checks the rest.
        let Some(fragment) = self.document.fragments.get(name) else { return Ok(Size::default()) };
        self.known.insert(name, None);
        let size = self.of(&fragment.node.selection_set.node, level)?;
        self.known.insert(name, Some(size));
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn checked(query: &str) -> Result<(), String> {
        check_text(query)?;
        check(&parse_query(query).expect("it is GraphQL"))
    }

    #[test]
    fn brackets_are_counted_where_they_are_brackets() {
        assert_eq!(nesting("query($a: [Int!]) { a(b: {c: [1]}) { d } }"), 4);
        assert_eq!(nesting(r#"{ a(b: "[[[ \" [[", c: """ [[[ \""" [[ """) } # [[[["#), 2);
        assert_eq!(nesting(&"[\"]\"".repeat(1000)), 1000, "what is in a string closes nothing");
        assert_eq!(nesting(&"[#]\n".repeat(1000)), 1000, "nor what is in a comment");
        assert_eq!(nesting("\"[\n[["), 2, "a string ends with its line");
        assert_eq!(nesting("{ ü \" \\"), 1);
    }

    #[test]
    fn a_fragment_counts_wherever_it_is_named() {
        let many = |n: usize| (0..n).map(|at| format!(" a{at}: version")).collect::<String>();
        assert_eq!(checked(&format!("{{ {} }}", many(20))), Ok(()));
        assert!(checked(&format!("{{ {} }}", many(21))).unwrap_err().contains("20 questions"));
        assert!(checked(&format!("{{ a {{ {} }} }}", many(31))).unwrap_err().contains("30 aliases"));
        let roots = "{ ...f ...f ...f } fragment f on Query { a b c d e g h }";
        assert!(checked(roots).unwrap_err().contains("has 21"));
        // Twice two to the power of 28 selections, in 29 fragments.
        let mut bomb = "{ a { ...f0 } }".to_owned();
        for at in 0..28 {
            bomb.push_str(&format!(" fragment f{at} on Run {{ ...f{next} ...f{next} }}", next = at + 1));
        }
        bomb.push_str(" fragment f28 on Run { status }");
        assert!(checked(&bomb).unwrap_err().contains("2000 selections"));
        let circle = "{ ...a } fragment a on Query { b { ...c } } fragment c on Run { d { ...a } }";
        assert!(checked(circle).unwrap_err().contains("is within itself"));
        let mut chain = "{ ...f0 }".to_owned();
        for at in 0..1000 {
            chain.push_str(&format!(" fragment f{at} on Query {{ ...f{} }}", at + 1));
        }
        assert!(checked(&chain).unwrap_err().contains("64 selections within selections"));
        assert_eq!(checked("{ ...nobody }"), Ok(()), "others say that");
    }
}
