//! `[partitions.NAME]`: from what is written to checked sets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cofferdam_model::{Diagnostic, Name, PartitionsDef, PartitionsKind, Span, Spanned, nearest};

use crate::{InvalidPartitions, Partitions, TimeWindows};

/// All sets by the name of their table; those with mistakes are left out.
pub fn resolve_partitions(
    defs: &BTreeMap<Name, PartitionsDef>,
) -> (BTreeMap<Name, Partitions>, Vec<Diagnostic>) {
    let mut resolver = Resolver { defs, known: BTreeMap::new(), open: BTreeSet::new(), mistakes: vec![] };
    for name in defs.keys() {
        resolver.resolve(name);
    }
    let known = resolver.known.into_iter().filter_map(|(name, set)| Some((name, set?))).collect();
    (known, resolver.mistakes)
}

struct Resolver<'a> {
    defs: &'a BTreeMap<Name, PartitionsDef>,
    /// `None` after a mistake that has been told.
    known: BTreeMap<Name, Option<Partitions>>,
    /// Sets of several dimensions whose dimensions are being resolved.
    open: BTreeSet<Name>,
    mistakes: Vec<Diagnostic>,
}

impl Resolver<'_> {
    fn resolve(&mut self, name: &Name) -> Option<Partitions> {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let def = self.defs.get(name)?;
        let resolved = match &def.kind.value {
            PartitionsKind::Static { keys } => self.fixed(keys, def.kind.span.as_ref()),
            PartitionsKind::Time(windows) => match TimeWindows::new(windows) {
                Ok(windows) => Some(Partitions::Windows(Arc::new(windows))),
                Err(mistakes) => {
                    self.mistakes.extend(mistakes);
                    None
                }
            },
            PartitionsKind::Dynamic => Some(Partitions::Dynamic(name.clone())),
            PartitionsKind::Multi { dimensions } => {
                self.open.insert(name.clone());
                let multi = self.multi(name, dimensions, def.kind.span.as_ref());
                self.open.remove(name);
                multi
            }
        };
        self.known.insert(name.clone(), resolved.clone());
        resolved
    }

    fn fixed(&mut self, keys: &[Spanned<String>], span: Option<&Span>) -> Option<Partitions> {
        let mistakes = match Partitions::fixed(keys.iter().map(|key| key.value.as_str())) {
            Ok(partitions) => return Some(partitions),
            Err(mistakes) => mistakes,
        };
        for mistake in mistakes {
            let mut places = keys.iter().filter(|key| mistake.key() == Some(&key.value));
            let diagnostic = Diagnostic::error("assets::partitions", mistake.to_string());
            self.mistakes.push(match mistake {
                InvalidPartitions::DoubleKey(_) => {
                    let (first, second) = (places.next(), places.next());
                    diagnostic
                        .at(second.and_then(|key| key.span.as_ref()), "")
                        .at(first.and_then(|key| key.span.as_ref()), "it is here already")
                }
                _ => diagnostic.at(places.next().map_or(span, |key| key.span.as_ref()), ""),
            });
        }
        None
    }

    fn multi(
        &mut self,
        name: &Name,
        dimensions: &BTreeMap<Name, Spanned<Name>>,
        span: Option<&Span>,
    ) -> Option<Partitions> {
        let mut resolved = vec![];
        for (dimension, of) in dimensions {
            let place = of.span.as_ref();
            if self.open.contains(&of.value) {
                let message = format!("the dimension `{dimension}` of `{name}` is the set itself");
                self.mistakes.push(Diagnostic::error("assets::partitions", message).at(place, ""));
            } else if !self.defs.contains_key(&of.value) {
                self.mistakes.push(unknown_partitions(self.defs, &of.value, place));
            } else if let Some(partitions) = self.resolve(&of.value) {
                resolved.push((dimension.clone(), partitions));
            }
        }
        if resolved.len() < dimensions.len() {
            return None;
        }
        match Partitions::multi(resolved) {
            Ok(partitions) => Some(partitions),
            Err(mistakes) => {
                for mistake in mistakes {
                    let place = match &mistake {
                        InvalidPartitions::Nested(name) => {
                            dimensions.get(name).map_or(span, |dimension| dimension.span.as_ref())
                        }
                        _ => span,
                    };
                    self.mistakes
                        .push(Diagnostic::error("assets::partitions", mistake.to_string()).at(place, ""));
                }
                None
            }
        }
    }
}

/// Nothing under `[partitions]` has that name.
pub(super) fn unknown_partitions(
    defs: &BTreeMap<Name, PartitionsDef>,
    name: &Name,
    place: Option<&Span>,
) -> Diagnostic {
    let diagnostic =
        Diagnostic::error("assets::unknown-partitions", format!("there is no table `[partitions.{name}]`"))
            .at(place, "");
    match nearest(name.as_str(), defs.keys().map(Name::as_str)) {
        Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}
