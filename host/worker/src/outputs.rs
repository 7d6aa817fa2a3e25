//! The outputs of an attempt that has succeeded: from what the guest gave to values that a commit may name. Size and
//! digest are what this process saw, never what the guest says.

use std::collections::BTreeMap;

use cofferdam_cell::{CellOutput, CellOutputContent};
use cofferdam_io::{Error, Stores, ValueKey, ValueStore};
use cofferdam_model::{
    Assignment, AttemptId, Failure, FailureKind, IoManagerKind, MetadataEntry, MetadataValue, Name, Output,
    PlanIoManager, ValueRef,
};

use crate::prepare::because;
use crate::values::Kept;

/// What keeps an output: the name of an IO manager, and the manager.
type Manager = (Name, PlanIoManager);

/// Where the outputs of one attempt go.
pub(crate) struct Destination {
    stores: Stores,
    attempt: AttemptId,
    /// Of outputs that the instance's own store does not keep.
    managers: BTreeMap<Name, Manager>,
    /// Where what the guest streams is until it is known for which output it is: where workers keep values, if an output
    /// may stay there; else the instance's own store.
    staging: ValueStore,
}

impl Destination {
    pub(crate) fn new(stores: Stores, assignment: &Assignment) -> Destination {
        let manager = |output: &cofferdam_model::PlanOutput| {
            let name = output.io_manager.as_ref()?;
            let manager = assignment.io_managers.get(name)?;
            let own = manager.kind == IoManagerKind::Store;
            (!own).then(|| (output.name.clone(), (name.clone(), manager.clone())))
        };
        let managers: BTreeMap<Name, Manager> = assignment.outputs.iter().filter_map(manager).collect();
        // One that cannot be opened is an error when an output is put there.
        let transient = managers.values().find(|manager| is_transient(manager));
        let staging = transient.and_then(|(name, manager)| stores.of_manager(name, manager).ok());
        let staging = staging.unwrap_or_else(|| stores.main().clone());
        Destination { stores, attempt: assignment.id.clone(), managers, staging }
    }

    /// Where what the guest streams begins.
    pub(crate) fn staging(&self) -> &ValueStore {
        &self.staging
    }

    /// Whether it is where that output is to stay.
    fn stays(&self, manager: Option<&Manager>) -> bool {
        match manager {
            None => !self.staging.is_of_manager(),
            Some(manager) => is_transient(manager) && self.staging.is_of_manager(),
        }
    }

    /// Every output has a place already: no store has to be asked.
    pub(crate) fn is_plain(&self, outputs: &[CellOutput]) -> bool {
        let stays = |output: &CellOutput| {
            matches!(output.content, CellOutputContent::Bytes(_))
                && self.managers.get(&output.name).is_none_or(is_transient)
        };
        outputs.iter().all(stays)
    }

    /// Puts each output where it belongs. `kept` is what the guest streamed; what of it
    /// is not named afterwards is the caller's to remove. If it fails nothing is left in the stores of managers.
    pub(crate) async fn keep(&self, outputs: Vec<CellOutput>, kept: &Kept) -> Result<Vec<Output>, Failure> {
        let (mut all, mut put) = (vec![], vec![]);
        for output in outputs {
            match self.keep_one(output, kept, &mut put).await {
                Ok(output) => all.push(output),
                Err(failure) => {
                    for (store, key) in put {
                        remove(&store, &key).await;
                    }
                    return Err(failure);
                }
            }
        }
        Ok(all)
    }

    async fn keep_one(
        &self,
        output: CellOutput,
        kept: &Kept,
        put: &mut Vec<(ValueStore, ValueKey)>,
    ) -> Result<Output, Failure> {
        let CellOutput { name, key, media_type, content, metadata } = output;
        let manager = self.managers.get(&name);
        let value = match content {
            // What is small lies in the commit: that is where nothing can be lost.
            CellOutputContent::Bytes(bytes) if manager.is_none_or(is_transient) => {
                ValueRef::inline(&media_type, bytes)
            }
            CellOutputContent::Stored { writer } if self.stays(manager) => {
                self.streamed(&name, media_type, writer, kept)?
            }
            content => {
                let failed = |error: Error| {
                    let message = match manager {
                        Some((manager, _)) => {
                            format!("output `{name}` cannot be stored by the IO manager `{manager}`")
                        }
                        None => format!("output `{name}` cannot be stored"),
                    };
                    because(FailureKind::Store, message, &error)
                };
                let store = match manager {
                    Some((name, manager)) => self.stores.of_manager(name, manager).map_err(failed)?,
                    None => self.stores.main().clone(),
                };
                let place = store.output_key(&self.attempt, &name, key.as_ref());
                let value = match content {
                    CellOutputContent::Bytes(bytes) => {
                        store.put(place.clone(), &media_type, bytes.into()).await.map_err(failed)?
                    }
                    CellOutputContent::Stored { writer } => {
                        let value = self.streamed(&name, media_type, writer, kept)?;
                        store.transfer(place.clone(), &self.staging, &value).await.map_err(failed)?
                    }
                };
                put.push((store, place));
                value
            }
        };
        Ok(Output { name, key, value, metadata })
    }

    /// A value that the guest wrote piece by piece.
    fn streamed(
        &self,
        name: &Name,
        media_type: String,
        writer: u32,
        kept: &Kept,
    ) -> Result<ValueRef, Failure> {
        let missing = || Failure::new(FailureKind::Store, format!("output `{name}` was not stored"));
        let (key, size, digest) = kept.get(&writer).ok_or_else(missing)?;
        Ok(ValueRef { media_type, size: *size, digest: *digest, place: self.staging.place(key) })
    }
}

fn is_transient(manager: &Manager) -> bool {
    manager.1.kind == IoManagerKind::Transient
}

/// Adds to each output the facts that the definitions give for it. What its op said under the same name stays.
pub(crate) fn add_declared(outputs: &mut [CellOutput], assignment: &Assignment) {
    for declared in assignment.outputs.iter().filter(|declared| !declared.metadata.is_empty()) {
        for output in outputs.iter_mut().filter(|output| output.name == declared.name) {
            for (name, text) in &declared.metadata {
                if output.metadata.iter().all(|entry| entry.name != *name) {
                    let value = MetadataValue::Text(text.clone());
                    output.metadata.push(MetadataEntry { name: name.clone(), value });
                }
            }
        }
    }
}

/// Outputs of which every one is inline and stays so.
pub(crate) fn plain(outputs: Vec<CellOutput>) -> Result<Vec<Output>, Failure> {
    let output = |output: CellOutput| match output.content {
        CellOutputContent::Bytes(bytes) => {
            let value = ValueRef::inline(&output.media_type, bytes);
            Ok(Output { name: output.name, key: output.key, value, metadata: output.metadata })
        }
        CellOutputContent::Stored { .. } => {
            Err(Failure::new(FailureKind::Store, format!("output `{}` was not stored", output.name)))
        }
    };
    outputs.into_iter().map(output).collect()
}

/// Removes what no commit will name. What cannot be removed is left to the garbage collector.
pub(crate) async fn remove(store: &ValueStore, key: &ValueKey) {
    if let Err(error) = store.delete(key).await {
        tracing::warn!(%key, %error, "a value of an attempt that does not need it was left behind");
    }
}
