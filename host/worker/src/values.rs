//! What one attempt asks for while it runs, one thing at a time: reads and writes of large values, and calls on
//! resources. What is written
//! is hashed here, never by the guest, and what the commit will not name is removed.

use std::collections::HashMap;

use cofferdam_cell::{FromCell, IoFault, Replies, ToCell};
use cofferdam_io::{Error, ValueKey, ValueStore, ValueWriter};
use cofferdam_model::{AttemptId, CHUNK_BYTES, Name, Place, ValueDigest, ValueRef};
use tokio::sync::mpsc;

use crate::lent::Lent;

/// What the supervisor tells the task that serves an attempt.
pub(crate) enum Ask {
    Frame(FromCell),
    /// The attempt has succeeded and its outputs name these writers.
    Keep(Vec<u32>),
}

/// What was written and is kept, by number of the writer.
pub(crate) type Kept = HashMap<u32, (ValueKey, u64, ValueDigest)>;

/// Serves one attempt until it is told what to keep, or until `asks` closes, which keeps nothing.
pub(crate) async fn serve(
    store: ValueStore,
    attempt: AttemptId,
    inputs: Vec<(Name, ValueRef)>,
    lent: Lent,
    replies: Replies,
    mut asks: mpsc::UnboundedReceiver<Ask>,
) -> Kept {
    let mut values = Values { store, attempt, inputs, lent, writers: HashMap::new(), finished: Kept::new() };
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
            Ask::Keep(writers) => {
                keep = writers;
                break;
            }
        }
    }
    values.settle(&keep).await
}

struct Values {
    store: ValueStore,
    attempt: AttemptId,
    inputs: Vec<(Name, ValueRef)>,
    lent: Lent,
    writers: HashMap<u32, ValueWriter>,
    finished: Kept,
}

impl Values {
    async fn answer(&mut self, frame: FromCell, replies: &Replies) {
        match frame {
            FromCell::Read { number, offset, length, .. } => {
                replies.send(&ToCell::Chunk(self.read(number, offset, length).await));
            }
            FromCell::Create { writer, .. } => {
                let key = self.store.streamed_key(&self.attempt, writer);
                self.writers.insert(writer, self.store.writer(key));
            }
            FromCell::Write { writer, bytes, .. } => {
                let done = match self.writers.get_mut(&writer) {
                    Some(writer) => writer.write(bytes.into()).await.map_err(|error| store_fault(&error)),
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
                replies.send(&ToCell::Answer(self.lent.call(&resource, call, within).await));
            }
            // The supervisor passes nothing else on.
            _ => {}
        }
    }

    async fn read(&mut self, number: u32, offset: u64, length: u32) -> Result<Vec<u8>, IoFault> {
        let unknown = || IoFault::Input(format!("there is no stored input {number}"));
        let (name, value) = self.inputs.get(number as usize).ok_or_else(unknown)?;
        let failed = |error: Error| IoFault::Input(format!("input `{name}`: {}", chain(&error)));
        let Place::Stored(key) = &value.place else {
            return Err(unknown());
        };
        let key = ValueKey::parse(key).map_err(failed)?;
        let length = u64::from(length).min(CHUNK_BYTES as u64);
        let end = offset.saturating_add(length).min(value.size);
        let bytes = self.store.read(&key, offset.min(end)..end).await.map_err(failed)?;
        Ok(bytes.into())
    }

    async fn finish(&mut self, writer: u32, open: ValueWriter) -> Result<(), Error> {
        let key = open.key().clone();
        let (size, digest) = open.finish().await?;
        self.finished.insert(writer, (key, size, digest));
        Ok(())
    }

    async fn settle(mut self, keep: &[u32]) -> Kept {
        for (_, writer) in self.writers.drain() {
            writer.abort().await;
        }
        let (kept, dropped): (Kept, Kept) =
            self.finished.into_iter().partition(|(writer, _)| keep.contains(writer));
        for (key, ..) in dropped.values() {
            if let Err(error) = self.store.delete(key).await {
                tracing::warn!(%key, %error, "a value of an attempt that does not need it was left behind");
            }
        }
        kept
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
