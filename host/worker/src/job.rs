//! An assignment on its way through the worker.

use std::collections::BTreeMap;

use cofferdam_cell::{CellAttempt, CellContent, CellDeclared, CellInput, CellInputValue, CellValue, Ticket};
use cofferdam_model::{
    AssignedValue, Assignment, Isolation, LentResource, LibraryDigest, Name, Place, SpanOf, TRACEPARENT_TAG,
    TraceContext, ValueRef,
};

use crate::spent::Spent;

pub(crate) struct Job {
    pub(crate) ticket: Ticket,
    pub(crate) assignment: Box<Assignment>,
    /// Its stored inputs where they can be read: verified, in the order of their numbers. Empty before.
    pub(crate) readable: Vec<(Name, ValueRef)>,
    pub(crate) spent: Spent,
    /// Its start has been reported.
    pub(crate) started: bool,
    /// Log lines that it has written.
    pub(crate) n_lines: u64,
    /// How often a cell died while it held this attempt and nobody was to blame.
    pub(crate) resent: u32,
    /// Ends it as soon as that harms no other attempt.
    pub(crate) cancelled: bool,
}

/// Whose attempts a cell runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Those that trust each other.
    Everybody,
    Namespace(String),
    /// One and no other.
    Attempt,
}

/// A library as compiled for one of the two engines.
pub(crate) type LibraryKey = (LibraryDigest, Fuel);
/// The engine that counts fuel.
pub(crate) type Fuel = bool;

impl Job {
    /// What it needs: code that counts fuel only if there is a budget.
    pub(crate) fn library(&self) -> LibraryKey {
        (self.assignment.library, self.assignment.limits.fuel.is_some())
    }

    /// Whose cells may run it, on a worker that keeps attempts apart as `least` says.
    pub(crate) fn owner(&self, least: Isolation) -> Owner {
        match least.max(self.assignment.isolation) {
            Isolation::Own => Owner::Everybody,
            Isolation::Tenant => Owner::Namespace(self.assignment.namespace.clone()),
            Isolation::Attempt => Owner::Attempt,
        }
    }

    /// Its stored inputs, in the order of their numbers.
    pub(crate) fn stored(&self) -> Vec<(Name, ValueRef)> {
        let mut stored = vec![];
        for input in &self.assignment.inputs {
            let mut add = |value: &ValueRef| {
                if value.place.key().is_some() {
                    stored.push((input.name.clone(), value.clone()));
                }
            };
            match &input.value {
                AssignedValue::One(value) => add(value),
                AssignedValue::Many(values) => values.iter().for_each(|keyed| add(&keyed.value)),
            }
        }
        stored
    }

    /// The span of the guest, if the attempt is part of a trace.
    pub(crate) fn guest_span(&self) -> Option<TraceContext> {
        let id = &self.assignment.id;
        let trace = TraceContext::of(&self.assignment.tags)?;
        Some(trace.with(SpanOf::Guest(id.fence).id(id.run)))
    }

    /// What the guest reads: its own span in the place of the attempt's.
    fn guest_tags(&self) -> BTreeMap<String, String> {
        let mut tags = self.assignment.tags.clone();
        if let Some(span) = self.guest_span() {
            tags.insert(TRACEPARENT_TAG.to_owned(), span.to_string());
        }
        tags
    }

    /// What the cell is told.
    pub(crate) fn to_cell(&self, library: u32) -> Box<CellAttempt> {
        let assignment = &*self.assignment;
        let mut number = 0;
        let kind = |(own, lent): (&Name, &LentResource)| (own.clone(), lent.resource.kind);
        let mut to_value = |value: &ValueRef| CellValue {
            media_type: value.media_type.clone(),
            content: match &value.place {
                Place::Inline(bytes) => CellContent::Bytes(bytes.clone()),
                Place::Stored(_) | Place::Managed(_) => {
                    number += 1;
                    CellContent::Stored { number: number - 1, size: value.size }
                }
            },
        };
        let inputs = assignment.inputs.iter().map(|input| CellInput {
            name: input.name.clone(),
            value: match &input.value {
                AssignedValue::One(value) => CellInputValue::One(to_value(value)),
                AssignedValue::Many(values) => CellInputValue::Many(
                    values.iter().map(|keyed| (keyed.key.clone(), to_value(&keyed.value))).collect(),
                ),
            },
        });
        Box::new(CellAttempt {
            ticket: self.ticket,
            library,
            inputs: inputs.collect(),
            id: assignment.id.clone(),
            op: assignment.op.clone(),
            config: assignment.config.clone(),
            outputs: assignment.outputs.iter().map(CellDeclared::from).collect(),
            limits: assignment.limits.clone(),
            tags: self.guest_tags(),
            resources: assignment.resources.iter().map(kind).collect(),
            partition: assignment.partition.clone(),
            seed: seed(assignment),
        })
    }
}

/// The same library, op, config and inputs draw the same numbers, so a hermetic op gives the same outputs.
fn seed(assignment: &Assignment) -> u64 {
    let mut hasher = blake3::Hasher::new();
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    add(&assignment.library.0);
    add(assignment.op.as_str().as_bytes());
    add(&assignment.config);
    for input in &assignment.inputs {
        add(input.name.as_str().as_bytes());
        match &input.value {
            AssignedValue::One(value) => add(&value.digest.0),
            AssignedValue::Many(values) => values.iter().for_each(|keyed| add(&keyed.value.digest.0)),
        }
    }
    let hash = hasher.finalize();
    let (head, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
    u64::from_le_bytes(*head)
}
