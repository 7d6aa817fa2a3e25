//! What an op that is an asset check returns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::contract::{CBOR, Content};
use crate::metadata::MetadataValue;
use crate::output::{EncodeFailure, OutputType};
use crate::{Result, cbor, schema};

/// The verdict of an asset check.
///
/// ```
/// use cofferdam_op::{Check, Severity, op};
///
/// /// There are rows, and not too many.
/// #[op]
/// fn row_count(rows: Vec<u32>) -> Check {
///     match rows.len() {
///         0 => Check::failed("there are no rows"),
///         n @ 1000.. => Check::failed("there are many rows").severity(Severity::Warn).with("rows", n),
///         n => Check::passed().with("rows", n),
///     }
/// }
/// assert!(row_count(vec![1]).is_passed());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    verdict: Verdict,
    metadata: Vec<(String, MetadataValue)>,
}

/// What the output `result` holds.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Verdict {
    passed: bool,
    severity: Severity,
    description: Option<String>,
}

/// How bad it is if a check does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a look.
    Warn,
    /// What a blocking check stops for.
    #[default]
    Error,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Severity::Warn => "warn",
            Severity::Error => "error",
        }
    }
}

impl Check {
    /// All is well.
    pub fn passed() -> Check {
        Check::new(true, None)
    }

    /// Something is wrong: what, in one line. Its severity is [`Severity::Error`] unless said otherwise.
    pub fn failed(why: impl Into<String>) -> Check {
        Check::new(false, Some(why.into()))
    }

    fn new(passed: bool, description: Option<String>) -> Check {
        Check { verdict: Verdict { passed, severity: Severity::Error, description }, metadata: vec![] }
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Check {
        self.verdict.severity = severity;
        self
    }

    /// Says in words what was looked at or found.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Check {
        self.verdict.description = Some(text.into());
        self
    }

    /// Adds a fact that is shown with the verdict.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, fact: impl Into<MetadataValue>) -> Check {
        self.metadata.push((name.into(), fact.into()));
        self
    }

    /// Did it pass?
    pub fn is_passed(&self) -> bool {
        self.verdict.passed
    }
}

impl OutputType for Check {
    const MEDIA_TYPE: &'static str = CBOR;

    fn schema() -> String {
        schema::of_output::<Verdict>()
    }

    /// The host reads the verdict from the step's metadata, so that it need not open values.
    fn write(self, ctx: &Context) -> Result<Content, EncodeFailure> {
        ctx.metadata("passed", self.verdict.passed);
        ctx.metadata("severity", self.verdict.severity.word());
        if let Some(description) = &self.verdict.description {
            ctx.metadata("description", description.as_str());
        }
        for (name, fact) in self.metadata {
            ctx.metadata(name, fact);
        }
        Ok(Content::Bytes(cbor::to_vec(&self.verdict)?))
    }
}
