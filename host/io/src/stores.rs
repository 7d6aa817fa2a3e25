//! All stores that a worker uses: the instance's own and those of IO managers, opened when they are first needed.
//! A value is found by its place, which says which store it is in.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cofferdam_model::{IoManagerKind, Moved, Name, Place, PlanIoManager, Publication, RunId, ValueRef};
use futures::stream::BoxStream;
use object_store::ObjectStore;

use crate::settings::Environment;
use crate::{Error, Item, ValueStore, open, publish};

/// Tells the stores of IO managers apart: by kind and settings, whatever they are called.
pub fn store_id(manager: &PlanIoManager) -> String {
    format!("{} {}", manager.kind, manager.settings)
}

/// Where the values are that workers keep.
#[derive(Debug, Clone, Default)]
pub enum Transient {
    /// There is no worker here.
    #[default]
    Nowhere,
    /// In a folder of the one worker that there is.
    Folder(PathBuf),
    /// With the workers of a cluster: what is written stays here, and what is read comes from the worker that has it.
    /// Keys begin with [`TRANSIENT_PREFIX`](cofferdam_model::TRANSIENT_PREFIX).
    Cluster(Arc<dyn ObjectStore>),
}

/// Clones share the opened stores.
#[derive(Clone)]
pub struct Stores {
    shared: Arc<Shared>,
}

struct Shared {
    main: ValueStore,
    transient: Transient,
    folder: PathBuf,
    environment: Environment,
    /// By kind and settings, as text: a manager may be defined anew under the same name.
    opened: Mutex<HashMap<String, ValueStore>>,
}

impl Stores {
    /// `main` keeps what no IO manager keeps. Relative folders in settings are below `folder`; variables are read
    /// from `environment` when a manager is opened.
    pub fn new(main: ValueStore, folder: PathBuf, environment: Environment) -> Stores {
        Stores::with_transient(main, Transient::Nowhere, folder, environment)
    }

    /// The same where there is a worker: `transient` is where workers keep values.
    pub fn with_transient(
        main: ValueStore,
        transient: Transient,
        folder: PathBuf,
        environment: Environment,
    ) -> Stores {
        Stores { shared: Arc::new(Shared { main, transient, folder, environment, opened: Mutex::default() }) }
    }

    /// The instance's own store.
    pub fn main(&self) -> &ValueStore {
        &self.shared.main
    }

    /// The store of an IO manager. Opens it if this is its first use; fails if a setting or a variable is missing.
    /// No server is asked yet.
    pub fn of_manager(&self, name: &Name, manager: &PlanIoManager) -> Result<ValueStore, Error> {
        // Settings without their variables resolved: who sets a variable anew starts the worker anew.
        let id = store_id(manager);
        let mut opened = self.shared.opened.lock().expect("nobody panics while holding it");
        if let Some(store) = opened.get(&id) {
            return Ok(store.clone());
        }
        let shared = &*self.shared;
        let store =
            open::open(name, manager, &shared.main, &shared.transient, &shared.folder, &shared.environment)?;
        opened.insert(id, store.clone());
        Ok(store)
    }

    /// The store that a value is in; for an inline one the instance's own.
    pub fn of_place(&self, place: &Place) -> Result<ValueStore, Error> {
        match place {
            Place::Inline(_) | Place::Stored(_) => Ok(self.main().clone()),
            Place::Managed(managed) => self.of_manager(&managed.name, &managed.manager),
        }
    }

    /// The bytes of a value, as [`ValueStore::get`] gives them.
    pub async fn get(&self, value: &ValueRef) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        self.of_place(&value.place)?.get(value).await
    }

    /// Verifies a value and makes it ready to be read by ranges: what comes back names the same bytes, here. A value
    /// behind a network is copied into the instance's own store, under its digest, so that the bytes which were
    /// verified are the bytes that are read, and are fetched once for all steps that read them.
    pub async fn ready(&self, value: &ValueRef) -> Result<ValueRef, Error> {
        self.ready_counted(value, &Moved::default()).await
    }

    /// The same, counting what comes over a network for it.
    pub async fn ready_counted(&self, value: &ValueRef, moved: &Moved) -> Result<ValueRef, Error> {
        let store = self.of_place(&value.place)?;
        // The instance's own store is the place to import into; over a network it keeps a copy itself.
        if store.is_remote() && !store.keeps_what_is_read() {
            return self.main().import_value(&store, value, moved).await;
        }
        store.verify_counted(value, moved).await.map(|()| value.clone())
    }

    /// Removes what a run has left here of values that workers keep.
    pub async fn forget(&self, run: RunId) -> Result<(), Error> {
        let opened: Vec<ValueStore> =
            self.shared.opened.lock().expect("nobody panics while holding it").values().cloned().collect();
        let transient = opened.into_iter().filter(|store| {
            store.manager().is_some_and(|managed| managed.manager.kind == IoManagerKind::Transient)
        });
        for store in transient {
            for stored in store.list("").await? {
                if let Item::Value { key, .. } = &stored.item
                    && stored.run == Some(run)
                {
                    store.remove(key).await?;
                }
            }
        }
        Ok(())
    }

    /// Where people find a value once it is published; none if its manager has no readable paths.
    pub fn readable(&self, publication: &Publication) -> Result<Option<String>, Error> {
        let store = self.of_manager(&publication.manager_name, &publication.manager)?;
        Ok(publish::readable(&store, publication))
    }

    /// Puts a committed value where people look for it, in place of what was there, and says where that is. It
    /// appears whole or not at all; doing it again changes nothing. None if the manager has no readable paths.
    pub async fn publish(&self, publication: &Publication) -> Result<Option<String>, Error> {
        let to = self.of_manager(&publication.manager_name, &publication.manager)?;
        let from = self.of_place(&publication.value.place)?;
        publish::publish(&from, &to, publication).await
    }
}

/// Stores without IO managers that read the environment: relative folders are below the current one.
impl From<ValueStore> for Stores {
    fn from(main: ValueStore) -> Stores {
        Stores::new(main, PathBuf::new(), Arc::new(|_| None))
    }
}
