//! Values that only workers keep, for those who cannot reach the worker that has one: it is asked to send the value here,
//! where it lies in the store from then on like any other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cofferdam_io::{ValueKey, ValueStore};
use cofferdam_model::WorkerId;
use tokio::sync::watch;

use crate::holders::Holders;

/// How long a worker may take to begin to send what it has. Once it has begun, the end of its stream tells.
const BEGIN_MAX: Duration = Duration::from_secs(10);

/// Clones share it.
#[derive(Clone)]
pub(crate) struct Relay {
    holders: Holders,
    wanted: Arc<Mutex<HashMap<ValueKey, Arc<Wanted>>>>,
}

/// A value that somebody waits for.
struct Wanted {
    /// Held by who asks for it; the others wait for what comes of that.
    asking: tokio::sync::Mutex<()>,
    /// How many are sending it now.
    coming: watch::Sender<usize>,
}

/// Says that a value is on its way here, until it is dropped.
pub(crate) struct Coming(Option<Arc<Wanted>>);

impl Drop for Coming {
    fn drop(&mut self) {
        if let Some(wanted) = &self.0 {
            wanted.coming.send_modify(|n| *n -= 1);
        }
    }
}

impl Relay {
    pub(crate) fn new(holders: Holders) -> Relay {
        Relay { holders, wanted: Arc::default() }
    }

    /// Notes that a value is being written here.
    pub(crate) fn coming(&self, key: &ValueKey) -> Coming {
        let wanted = self.wanted.lock().expect("nobody panics while holding it").get(key).cloned();
        if let Some(wanted) = &wanted {
            wanted.coming.send_modify(|n| *n += 1);
        }
        Coming(wanted)
    }

    /// Has a value sent here that is not in the store, by one of the workers that have it. `name` is what they call it.
    /// If none sends it, it is not in the store afterwards.
    pub(crate) async fn bring(&self, key: &ValueKey, name: &str, store: &ValueStore) {
        let wanted = {
            let mut all = self.wanted.lock().expect("nobody panics while holding it");
            let new =
                || Arc::new(Wanted { asking: tokio::sync::Mutex::default(), coming: watch::Sender::new(0) });
            all.entry(key.clone()).or_insert_with(new).clone()
        };
        {
            let _alone = wanted.asking.lock().await;
            // Whoever asked before may have got it.
            if store.size(key).await.is_err() {
                self.ask(key, name, &wanted, store).await;
            }
        }
        let mut all = self.wanted.lock().expect("nobody panics while holding it");
        // The map's and this one: nobody else waits.
        if Arc::strong_count(&wanted) <= 2 {
            all.remove(key);
        }
    }

    async fn ask(&self, key: &ValueKey, name: &str, wanted: &Wanted, store: &ValueStore) {
        for worker in self.holders.of(name) {
            if self.holders.ask(worker, name) {
                self.sent(worker, name, wanted).await;
            }
            if store.size(key).await.is_ok() {
                return;
            }
        }
    }

    /// Waits until a worker that was asked has sent a value, or will not.
    async fn sent(&self, worker: WorkerId, name: &str, wanted: &Wanted) {
        let mut coming = wanted.coming.subscribe();
        let begun = tokio::select! {
            begun = tokio::time::timeout(BEGIN_MAX, coming.wait_for(|n| *n > 0)) => begun.is_ok(),
            () = self.holders.lost(worker, name) => false,
        };
        if begun {
            let _ = coming.wait_for(|n| *n == 0).await;
        }
    }
}
