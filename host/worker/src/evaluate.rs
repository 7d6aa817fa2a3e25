//! Runs one op without a run: a function of its config and inputs, such as a config mapping that a plan needs while
//! it is compiled.

use std::time::Duration;

use cofferdam_cell::{
    Artefacts, CellAttempt, CellCommand, CellContent, CellDeclared, CellInput, CellInputValue, CellOutput,
    CellOutputContent, CellValue, FromCell, IoFault, Origin, Target, ToCell,
};
use cofferdam_depot::Depot;
use cofferdam_model::{
    AttemptId, CBOR, Failure, FailureKind, Fence, INLINE_BYTES_MAX, LibraryDigest, Limits, Name, Output,
    PlanOutput, RunId, StepKey, ValueRef,
};

use crate::prepare::library;
use crate::talk::Talk;

/// Instructions that a function may execute, in fuel: about 50 ms. Time itself would make it depend on the machine
/// and its load whether a definition compiles, and the same definitions are to give the same plan.
const FUEL_MAX: u64 = 100_000_000;
/// Memory of a function.
const MEMORY_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// For a function that the fuel does not end, because it waits: it has nothing to wait for.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A call of an op as a function. It has no resources, and what it logs is dropped.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    pub op: Name,
    /// CBOR.
    pub config: Vec<u8>,
    /// CBOR of each.
    pub inputs: Vec<(Name, Vec<u8>)>,
    /// What the op may emit.
    pub outputs: Vec<PlanOutput>,
}

/// Runs the op in a cell of its own and gives its outputs, each at most 64 KiB. The same call gives the same answer on
/// every machine, also the failure of a function that takes too long. Compiles the library if need be.
pub async fn evaluate(
    command: &CellCommand,
    artefacts: &Artefacts,
    depot: &Depot,
    digest: &LibraryDigest,
    evaluation: Evaluation,
) -> Result<Vec<Output>, Failure> {
    let (mut talk, fingerprint, _) = Talk::start(command).await?;
    let target = Target { fingerprint, fuel: true };
    'load: loop {
        let (artefact, _) = library(depot, artefacts, digest, &target, None).await?;
        talk.load(&artefact, &target);
        talk.tell(&[ToCell::Run(Box::new(attempt(evaluation.clone())))]);
        loop {
            match talk.next().await? {
                FromCell::Ended { result, .. } => return outputs(result?.0),
                // The attempt is given back then.
                FromCell::Refused { .. } if artefact.origin() == Origin::Cache => {
                    artefacts.forget(digest, &target)
                }
                FromCell::Returned { .. } => continue 'load,
                FromCell::Refused { failure, .. } => return Err(failure),
                FromCell::Write { .. } | FromCell::Finish { .. } => {
                    let message = format!("an output of a function has at most {INLINE_BYTES_MAX} bytes");
                    talk.tell(&[ToCell::Done(Err(IoFault::Store(message)))]);
                }
                _ => {}
            }
        }
    }
}

fn attempt(evaluation: Evaluation) -> CellAttempt {
    let input = |(name, bytes)| CellInput {
        name,
        value: CellInputValue::One(CellValue {
            media_type: CBOR.to_owned(),
            content: CellContent::Bytes(bytes),
        }),
    };
    CellAttempt {
        ticket: 1,
        library: 0,
        id: AttemptId {
            run: RunId(uuid::Uuid::nil()),
            step: StepKey::new(evaluation.op.as_str()),
            attempt: 1,
            fence: Fence::default(),
        },
        op: evaluation.op,
        config: evaluation.config,
        inputs: evaluation.inputs.into_iter().map(input).collect(),
        outputs: evaluation.outputs.iter().map(CellDeclared::from).collect(),
        limits: Limits {
            memory_bytes_max: MEMORY_BYTES_MAX,
            timeout: Some(TIMEOUT),
            fuel: Some(FUEL_MAX),
            log_lines_max: 0,
            ..Limits::default()
        },
        tags: Default::default(),
        resources: Default::default(),
        partition: None,
        seed: 0,
    }
}

fn outputs(outputs: Vec<CellOutput>) -> Result<Vec<Output>, Failure> {
    let output = |output: CellOutput| {
        let CellOutputContent::Bytes(bytes) = output.content else {
            let message = format!("output `{}` was not stored", output.name);
            return Err(Failure::new(FailureKind::Store, message));
        };
        let value = ValueRef::inline(&output.media_type, bytes);
        Ok(Output { name: output.name, key: output.key, value, metadata: output.metadata })
    };
    outputs.into_iter().map(output).collect()
}
