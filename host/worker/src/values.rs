//! What one attempt asks for while it runs, one thing at a time: reads and writes of large values, and calls on
//! resources. What is written
//! is hashed here, never by the guest, and what the commit will not name is removed.

use std::collections::{HashMap, HashSet};

use cofferdam_cell::{CellOutput, FromCell, IoFault, Replies, ToCell};
use cofferdam_io::{Error, Stores, ValueKey, ValueWriter};
use cofferdam_model::{AttemptId, CHUNK_BYTES, Failure, Limits, Name, Output, Place, ValueDigest, ValueRef};
use tokio::sync::mpsc;

use crate::lent::Lent;
use crate::outputs::{Destination, remove};
use crate::prepare::lacking;

/// What the supervisor tells the task that serves an attempt.
pub(crate) enum Ask {
    Frame(FromCell),
    /// The attempt has succeeded with these outputs.
    Keep(Vec<CellOutput>),
}

/// What was written and is kept, by number of the writer.
pub(crate) type Kept = HashMap<u32, (ValueKey, u64, ValueDigest)>;

/// What became of the values of an attempt.
pub(crate) struct Settled {
    /// Its outputs, each with the place where it is kept.
    pub(crate) outputs: Result<Vec<Output>, Failure>,
    /// Keys of inputs that nobody has any more: whatever its guest made of that does not count.
    pub(crate) lacks: Vec<String>,
}

/// What one attempt may ask for.
pub(crate) struct Served {
    pub(crate) stores: Stores,
    pub(crate) attempt: AttemptId,
    /// Its stored inputs, verified, in the order of their numbers.
    pub(crate) inputs: Vec<(Name, ValueRef)>,
    pub(crate) lent: Lent,
    pub(crate) destination: Destination,
    /// The sandbox keeps to them; they are kept here as well, because a cell that was taken over does not.
    pub(crate) limits: Limits,
}

/// Serves one attempt until it is told what to keep, or until `asks` closes, which keeps nothing.
pub(crate) async fn serve(
    served: Served,
    replies: Replies,
    mut asks: mpsc::UnboundedReceiver<Ask>,
) -> Settled {
    let mut values =
        Values { served, writers: HashMap::new(), finished: Kept::new(), written: 0, lacks: vec![] };
    let mut keep = vec![];
    while let Some(ask) = asks.recv().await {
        match ask {
            Ask::Frame(frame) => tokio::select! {
                biased;
                () = values.answer(frame, &replies) => {}
                // The guest waits for the answer, so this can only be the end of its cell: a store that hangs, or a
                // call on a resource, must not outlive it.
                _ = asks.recv() => break,
            },
            Ask::Keep(outputs) => {
                keep = outputs;
                break;
            }
        }
    }
    values.settle(keep).await
}

struct Values {
    served: Served,
    writers: HashMap<u32, ValueWriter>,
    finished: Kept,
    /// Bytes, of all writers.
    written: u64,
    lacks: Vec<String>,
}

impl Values {
    async fn answer(&mut self, frame: FromCell, replies: &Replies) {
        match frame {
            FromCell::Read { number, offset, length, .. } => {
                replies.send(&ToCell::Chunk(self.read(number, offset, length).await));
            }
            FromCell::Create { writer, .. } => {
                // For which output it is, is known at the end only.
                let n_open = self.writers.len() + self.finished.len();
                if n_open < self.served.limits.outputs_max as usize {
                    let store = self.served.destination.staging();
                    let key = store.streamed_key(&self.served.attempt, writer);
                    self.writers.insert(writer, store.writer(key));
                }
            }
            FromCell::Write { writer, bytes, .. } => {
                self.written = self.written.saturating_add(bytes.len() as u64);
                let fits = self.written <= self.served.limits.output_bytes_max;
                let done = match self.writers.get_mut(&writer).filter(|_| fits) {
                    Some(writer) => writer.write(bytes.into()).await.map_err(|error| store_fault(&error)),
                    None if !fits => Err(IoFault::Store("the attempt writes more than it may".to_owned())),
                    None => Err(IoFault::Store(format!("there is no open writer {writer}"))),
                };
                replies.send(&ToCell::Done(done));
            }
            FromCell::Finish { writer, .. } => {
                let done = match self.writers.remove(&writer) {
                    Some(open) => self.finish(writer, open).await.map_err(|error| store_fault(&error)),
                    None => Err(IoFault::Store(format!("there is no open writer {writer}"))),
                };
                replies.send(&ToCell::Done(done));
            }
            FromCell::Call { resource, call, within, .. } => {
                replies.send(&ToCell::Answer(self.served.lent.call(&resource, call, within).await));
            }
            // The supervisor passes nothing else on.
            _ => {}
        }
    }

    async fn read(&mut self, number: u32, offset: u64, length: u32) -> Result<Vec<u8>, IoFault> {
        let unknown = || IoFault::Input(format!("there is no stored input {number}"));
        let (name, value) = self.served.inputs.get(number as usize).ok_or_else(unknown)?;
        let failed = |error: Error| IoFault::Input(format!("input `{name}`: {}", chain(&error)));
        if let Place::Inline(_) = &value.place {
            return Err(unknown());
        }
        let store = self.served.stores.of_place(&value.place).map_err(failed)?;
        let key = store.key(&value.place).map_err(failed)?;
        let length = u64::from(length).min(CHUNK_BYTES as u64);
        let end = offset.saturating_add(length).min(value.size);
        match store.read(&key, offset.min(end)..end).await {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) => {
                self.lacks.extend(lacking(value, &error));
                Err(failed(error))
            }
        }
    }

    async fn finish(&mut self, writer: u32, open: ValueWriter) -> Result<(), Error> {
        let key = open.key().clone();
        let (size, digest) = open.finish().await?;
        self.finished.insert(writer, (key, size, digest));
        Ok(())
    }

    async fn settle(mut self, mut keep: Vec<CellOutput>) -> Settled {
        for (_, writer) in self.writers.drain() {
            writer.abort().await;
        }
        if !self.lacks.is_empty() {
            keep.clear();
        }
        let outputs = self.served.destination.keep(keep, &self.finished).await;
        let kept = outputs.as_deref().unwrap_or_default();
        // No two stores give the same key to what one attempt writes.
        let named: HashSet<&str> = kept.iter().filter_map(|output| output.value.place.key()).collect();
        for (key, ..) in self.finished.values() {
            if !named.contains(key.as_str()) {
                remove(self.served.destination.staging(), key).await;
            }
        }
        Settled { outputs, lacks: self.lacks }
    }
}

fn store_fault(error: &Error) -> IoFault {
    IoFault::Store(chain(error))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cofferdam_io::ValueStore;
    use cofferdam_model::{Assignment, FaultKind, Fence, LibraryDigest, ResourceCall, RunId, StepKey};
    use cofferdam_resources::Resources;

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn id(fence: u64) -> AttemptId {
        let run = RunId(uuid::Uuid::from_u128(7));
        AttemptId { run, step: StepKey::new("step"), attempt: 1, fence: Fence(fence) }
    }

    /// What is served to an attempt that was lent nothing and reads that.
    fn values(store: &ValueStore, inputs: Vec<(Name, ValueRef)>, limits: Limits) -> Values {
        let stores = Stores::from(store.clone());
        let attempt = id(2);
        let assignment = Assignment::new(attempt.clone(), LibraryDigest([0; 32]), name("op"));
        let resources = Arc::new(Resources::new("/nowhere", "/nowhere", |_| Some("hush hush".to_owned())));
        let served = Served {
            destination: Destination::new(stores.clone(), &assignment),
            stores,
            attempt,
            inputs,
            lent: Lent::new(resources, std::collections::BTreeMap::new(), None),
            limits,
        };
        Values { served, writers: HashMap::new(), finished: Kept::new(), written: 0, lacks: vec![] }
    }

    #[tokio::test]
    async fn h_095_a_cell_that_was_taken_over_gets_what_its_attempt_was_given_and_nothing_else() {
        let store = ValueStore::memory(name("default"));
        let own = store.put(store.streamed_key(&id(1), 0), "text/plain", b"own"[..].into()).await.unwrap();
        store.put(store.streamed_key(&id(1), 1), "text/plain", b"theirs"[..].into()).await.unwrap();
        let mut values = values(&store, vec![(name("input"), own)], Limits::default());
        // There is no name or key that it could say: a number, of its own inputs.
        assert_eq!(values.read(0, 0, 10).await, Ok(b"own".to_vec()));
        for number in [1, 2, 255, u32::MAX] {
            let refused = values.read(number, 0, 10).await;
            assert_eq!(refused, Err(IoFault::Input(format!("there is no stored input {number}"))));
        }
        assert_eq!(values.read(0, u64::MAX, u32::MAX).await, Ok(vec![]), "nor past its end");
        for resource in ["weather", "default", "secrets"] {
            let call = ResourceCall::ConfigGet { key: "BENCH_SECRET".to_owned() };
            let fault = values.served.lent.call(&name(resource), call, None).await.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Denied);
        }
    }
}
