//! Definitions for tests, in few words.

use std::collections::BTreeMap;

use cofferdam_assets::{AssetGraph, AssetIdx, Extents, Subset, Targets};
use cofferdam_model::{
    AssetDef, AssetDependencyDef, AssetKey, AssetOutputDef, Cadence, DataVersionRule, Definitions,
    Diagnostic, Name, NodeDef, OpPath, PartitionMappingDef, PartitionsDef, PartitionsKind, Span, Spanned,
    StepDef, TextId, TimeWindowsDef, Timestamp,
};

/// 2026-11-21 12:00 UTC.
pub(crate) const NOW: Timestamp = Timestamp(1_795_262_400_000);

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn key(text: &str) -> AssetKey {
    AssetKey::parse(text).unwrap()
}

pub(crate) fn bare<T>(value: T) -> Spanned<T> {
    Spanned::new(value, None)
}

/// Partitions by day (UTC), from a date on.
pub(crate) fn windows(cadence: Cadence, start: &str) -> PartitionsKind {
    PartitionsKind::Time(TimeWindowsDef {
        cadence,
        start: bare(start.to_owned()),
        end: None,
        timezone: None,
        end_offset: 0,
        minute_offset: 0,
        hour_offset: 0,
        day_offset: None,
    })
}

pub(crate) fn fixed(keys: &[&str]) -> PartitionsKind {
    PartitionsKind::Static { keys: keys.iter().map(|key| bare((*key).to_owned())).collect() }
}

pub(crate) fn multi(dimensions: &[(&str, &str)]) -> PartitionsKind {
    let of = |(dimension, table): &(&str, &str)| (name(dimension), bare(name(table)));
    PartitionsKind::Multi { dimensions: dimensions.iter().map(of).collect() }
}

pub(crate) fn offset(start_offset: i64, end_offset: i64) -> Option<PartitionMappingDef> {
    Some(PartitionMappingDef::TimeWindow { start_offset, end_offset })
}

/// Definitions that are being put together. Every key, name and start that can be wrong has a place of its
/// own: the text is what was written, so that a message can be shown with the place it marks.
#[derive(Default)]
pub(crate) struct Kit {
    pub(crate) definitions: Definitions,
    pub(crate) text: String,
    pub(crate) dynamic: BTreeMap<Name, Vec<String>>,
}

impl Kit {
    pub(crate) fn place(&mut self, written: &str) -> Option<Span> {
        let start = self.text.len();
        self.text.push_str(written);
        self.text.push('\n');
        Some(Span { text: TextId(0), range: start..start + written.len() })
    }

    pub(crate) fn partitions(&mut self, table: &str, kind: PartitionsKind) -> &mut Kit {
        let span = self.place(&format!("[partitions.{table}]"));
        let def = PartitionsDef { kind: Spanned::new(kind, span.clone()), span };
        self.definitions.partitions.insert(name(table), def);
        self
    }

    /// An asset whose table and key are the same.
    pub(crate) fn asset(
        &mut self,
        key: &str,
        partitions: Option<&str>,
        deps: &[(&str, Option<PartitionMappingDef>)],
    ) -> &mut Kit {
        let table = key.replace('/', "_");
        self.table(&table, &[("result", key)], partitions, deps)
    }

    pub(crate) fn external(&mut self, key: &str, partitions: Option<&str>) -> &mut Kit {
        self.asset(key, partitions, &[]);
        self.definitions.assets.get_mut(&name(&key.replace('/', "_"))).unwrap().step = None;
        self
    }

    pub(crate) fn table(
        &mut self,
        table: &str,
        outputs: &[(&str, &str)],
        partitions: Option<&str>,
        deps: &[(&str, Option<PartitionMappingDef>)],
    ) -> &mut Kit {
        let span = self.place(&format!("[assets.{table}]"));
        let outputs = outputs
            .iter()
            .map(|(output, asset)| AssetOutputDef {
                output: name(output),
                key: Spanned::new(key(asset), self.place(&format!("key = \"{asset}\""))),
                description: String::new(),
                group: name("default"),
                owners: vec![],
                kinds: vec![],
                tags: BTreeMap::new(),
                code_version: None,
                data_version: DataVersionRule::Content,
                io_manager: None,
            })
            .collect();
        let deps = deps
            .iter()
            .map(|(asset, mapping)| AssetDependencyDef {
                key: Spanned::new(key(asset), self.place(&format!("deps = [\"{asset}\"]"))),
                mapping: mapping.clone(),
            })
            .collect();
        let partitions =
            partitions.map(|set| Spanned::new(name(set), self.place(&format!("partitions = \"{set}\""))));
        let op = OpPath { library: name("lib"), op: name("make") };
        let def = AssetDef {
            step: Some(StepDef::new(name(table), NodeDef::Op(op))),
            name: bare(name(table)),
            outputs,
            deps,
            partitions,
            can_subset: false,
            span,
        };
        self.definitions.assets.insert(name(table), def);
        self
    }

    pub(crate) fn graph(&self) -> Assets {
        let (graph, mistakes) = AssetGraph::new(&self.definitions);
        assert_eq!(mistakes, []);
        let extents = graph.extents(NOW, &self.dynamic).unwrap();
        Assets { graph, extents }
    }

    /// All mistakes as text: the line that is marked, the message, the hint.
    pub(crate) fn mistakes(&self) -> String {
        self.show(&AssetGraph::new(&self.definitions).1)
    }

    pub(crate) fn show(&self, diagnostics: &[Diagnostic]) -> String {
        let mut shown = String::new();
        for diagnostic in diagnostics {
            shown.push_str(&format!("[{}] {}\n", diagnostic.code, diagnostic.message));
            for label in &diagnostic.labels {
                let line = &self.text[label.span.range.clone()];
                shown.push_str(format!("  > {line}  {}", label.text).trim_end());
                shown.push('\n');
            }
            if let Some(hint) = &diagnostic.hint {
                shown.push_str(&format!("  hint: {hint}\n"));
            }
        }
        shown
    }
}

/// A graph and its partitions now.
pub(crate) struct Assets {
    pub(crate) graph: AssetGraph,
    pub(crate) extents: Extents,
}

impl Assets {
    pub(crate) fn idx(&self, asset: &str) -> AssetIdx {
        self.graph.find(&key(asset)).unwrap()
    }

    /// `("a", "2026-11-01...2026-11-03")`; an empty text is all of it.
    pub(crate) fn targets(&self, targets: &[(&str, &str)]) -> Targets {
        let mut all = Targets::default();
        for (asset, partitions) in targets {
            let idx = self.idx(asset);
            let extent = self.extents.of_asset(&self.graph, idx);
            let subset: Subset =
                if partitions.is_empty() { extent.all() } else { extent.resolve(partitions).unwrap() };
            all.add(idx, &subset);
        }
        all
    }
}
