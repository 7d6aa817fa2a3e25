//! Assets: named pieces of data, how they are partitioned, and what depends on what.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Name, Node, RetryPolicy, Span, Spanned, StepDef};

/// Parts of an asset key at most.
pub const ASSET_KEY_PARTS_MAX: usize = 32;
/// Bytes of an asset key at most.
pub const ASSET_KEY_BYTES_MAX: usize = 1024;

/// Names an asset: one or more parts. Written `a/b/c`; `\/` and `\\` stand for those characters in a part.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AssetKey(Vec<String>);

/// Why a text is not an [`AssetKey`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAssetKey {
    #[error("an asset key has no empty part")]
    EmptyPart,
    #[error("an asset key has at most {ASSET_KEY_PARTS_MAX} parts and {ASSET_KEY_BYTES_MAX} bytes")]
    TooLong,
    #[error("`\\` stands before `/` or `\\` only")]
    Escape,
    #[error("an asset key has no control characters")]
    Character,
}

impl AssetKey {
    /// From parts that are already separate.
    pub fn from_parts(parts: Vec<String>) -> Result<AssetKey, InvalidAssetKey> {
        if parts.is_empty() || parts.iter().any(String::is_empty) {
            return Err(InvalidAssetKey::EmptyPart);
        }
        if parts.len() > ASSET_KEY_PARTS_MAX
            || parts.iter().map(|part| part.len() + 1).sum::<usize>() > ASSET_KEY_BYTES_MAX
        {
            return Err(InvalidAssetKey::TooLong);
        }
        if parts.iter().any(|part| part.contains(char::is_control)) {
            return Err(InvalidAssetKey::Character);
        }
        Ok(AssetKey(parts))
    }

    /// From the form that people write.
    pub fn parse(text: &str) -> Result<AssetKey, InvalidAssetKey> {
        let mut parts = vec![String::new()];
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let part = parts.last_mut().expect("there is always a part");
            match c {
                '/' => parts.push(String::new()),
                '\\' => match chars.next() {
                    Some(escaped @ ('/' | '\\')) => part.push(escaped),
                    _ => return Err(InvalidAssetKey::Escape),
                },
                c => part.push(c),
            }
        }
        AssetKey::from_parts(parts)
    }

    pub fn parts(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for AssetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("/")?;
            }
            f.write_str(&part.replace('\\', "\\\\").replace('/', "\\/"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for AssetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl TryFrom<String> for AssetKey {
    type Error = InvalidAssetKey;
    fn try_from(text: String) -> Result<AssetKey, InvalidAssetKey> {
        AssetKey::parse(&text)
    }
}

impl From<AssetKey> for String {
    fn from(key: AssetKey) -> String {
        key.to_string()
    }
}

/// `[assets.NAME]`: an op placed once, whose outputs are assets; or data that somebody else makes.
#[derive(Debug, Clone, PartialEq)]
pub struct AssetDef {
    /// How the op is placed. Its name is the table's; its inputs may name assets ([`crate::SourceDef::Asset`]).
    /// None for an external asset.
    pub step: Option<StepDef>,
    pub name: Spanned<Name>,
    /// One per asset, in the order of writing. An external asset has one.
    pub outputs: Vec<AssetOutputDef>,
    /// Assets that come first without giving data.
    pub deps: Vec<AssetDependencyDef>,
    /// Name of a table in `[partitions]`.
    pub partitions: Option<Spanned<Name>>,
    /// One of its outputs may be made without the others.
    pub can_subset: bool,
    pub span: Option<Span>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AssetOutputDef {
    /// Of the op.
    pub output: Name,
    pub key: Spanned<AssetKey>,
    pub description: String,
    pub group: Name,
    pub owners: Vec<String>,
    pub kinds: Vec<String>,
    pub tags: BTreeMap<String, String>,
    /// Text in place of the automatic code version (digest of library, op and config).
    pub code_version: Option<String>,
    pub data_version: DataVersionRule,
    pub io_manager: Option<Spanned<Name>>,
}

/// Where an asset's data version comes from when the op gives none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataVersionRule {
    /// The digest of its bytes: equal bytes are the same version, so what is downstream stays fresh.
    #[default]
    Content,
    /// Code version and the versions of its inputs.
    Provenance,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AssetDependencyDef {
    pub key: Spanned<AssetKey>,
    pub mapping: Option<PartitionMappingDef>,
}

/// Which upstream partitions a downstream partition needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionMappingDef {
    Identity,
    All,
    Last,
    /// Each downstream partition needs these.
    Specific(Vec<String>),
    /// Downstream key → upstream keys.
    Static(BTreeMap<String, Vec<String>>),
    /// Windows from `start_offset` to `end_offset` windows away (0, 0: the same one).
    TimeWindow {
        start_offset: i64,
        end_offset: i64,
    },
    /// By dimension of the downstream: dimension of the upstream and mapping.
    Multi(BTreeMap<String, (String, PartitionMappingDef)>),
    /// The upstream's dimension whose key is the downstream's.
    Dimension(String),
}

/// `[partitions.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionsDef {
    pub kind: Spanned<PartitionsKind>,
    pub span: Option<Span>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one per table of a file, and it is read once")]
pub enum PartitionsKind {
    Static {
        keys: Vec<Spanned<String>>,
    },
    Time(TimeWindowsDef),
    /// Names are added while the instance lives.
    Dynamic,
    /// Dimension → name of a table in `[partitions]`, in the order of their names.
    Multi {
        dimensions: BTreeMap<Name, Spanned<Name>>,
    },
}

/// Time windows, one after the other. Times are text as people wrote them; the crate `assets` reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeWindowsDef {
    pub cadence: Cadence,
    /// `2013-01-01`, `2013-01-01T05:00` or `2013-01-01-05:00`.
    pub start: Spanned<String>,
    pub end: Option<Spanned<String>>,
    /// IANA name; UTC if none.
    pub timezone: Option<Spanned<String>>,
    /// Windows past the present (positive) or kept back (negative).
    pub end_offset: i64,
    pub minute_offset: u32,
    pub hour_offset: u32,
    /// Weekly: 0 is Sunday. Monthly: 1 is the first.
    pub day_offset: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cadence {
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Cron(Spanned<String>),
}

/// `[asset_checks.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct AssetCheckDef {
    pub asset: Spanned<AssetKey>,
    /// The op placed; its one required input that no source feeds takes the asset.
    pub step: StepDef,
    /// A check that does not pass, with severity `error`, stops what depends on the asset.
    pub blocking: bool,
    pub description: String,
    pub span: Option<Span>,
}

/// `[asset_jobs.NAME]`: a selection of assets that is made together.
#[derive(Debug, Clone, PartialEq)]
pub struct AssetJobDef {
    pub description: String,
    /// A selection over the asset graph.
    pub select: Spanned<String>,
    pub tags: BTreeMap<String, String>,
    pub retry: Option<RetryPolicy>,
    pub max_concurrent: Option<u32>,
    pub tag_limits: Vec<crate::TagLimit>,
    /// What the worker of each of its steps must be, unless the step says otherwise.
    pub labels: BTreeMap<String, String>,
    pub config: Option<Node>,
    pub hooks: Vec<crate::HookDef>,
    pub span: Option<Span>,
}

/// What an output of a plan makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanAsset {
    pub key: AssetKey,
    /// The partition that it is made for, or `first...last` of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// If it is made for several partitions at once: each of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<PlanAssetPartition>,
    /// What code makes it: the user's text, or a digest of library, op and config.
    pub code_version: String,
    #[serde(default)]
    pub data_version: DataVersionRule,
    /// Assets that its step reads, with the data version where that is known before the run; those that the run
    /// makes itself are filled in when it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<PlanAssetInput>,
}

/// One of several partitions that a step makes at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanAssetPartition {
    pub key: String,
    /// What it is made from, by position in [`PlanAsset::inputs`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanAssetInput {
    pub key: AssetKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_version: Option<String>,
}

/// A recorded materialisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Materialization {
    pub key: AssetKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    pub code_version: String,
    pub data_version: String,
    /// Versions of the inputs that were really read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<PlanAssetInput>,
    /// None for an asset that has no stored value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<crate::ValueRef>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<crate::MetadataEntry>,
}

/// A recorded evaluation of an asset check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckEvaluation {
    pub check: Name,
    pub asset: AssetKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    pub passed: bool,
    pub severity: CheckSeverity,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<crate::MetadataEntry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckSeverity {
    Warn,
    #[default]
    Error,
}

/// Metadata of a check op that says whether it passed (truth).
pub const CHECK_PASSED: &str = "passed";
/// Metadata of a check op that says how bad it is if not (text: `warn` or `error`).
pub const CHECK_SEVERITY: &str = "severity";
/// Metadata of an output by which its op gives the data version itself (text).
pub const DATA_VERSION: &str = "data_version";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asset_keys_survive_their_text() {
        let key = AssetKey::parse(r"raw/a\/b/c\\d").unwrap();
        assert_eq!(key.parts(), ["raw", "a/b", r"c\d"]);
        assert_eq!(AssetKey::parse(&key.to_string()).unwrap(), key);
        assert_eq!(AssetKey::parse("a//b").unwrap_err(), InvalidAssetKey::EmptyPart);
        assert_eq!(AssetKey::parse(r"a\b").unwrap_err(), InvalidAssetKey::Escape);
    }
}
