//! Who has which object and gives it to others: what workers say of themselves. Only a hint, and nothing is kept of it:
//! a worker that comes back says all of it again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use cofferdam_model::WorkerId;
use cofferdam_wire::tls::Member;
use cofferdam_wire::v1::{Gives, Holder, Holds};
use cofferdam_wire::{OBJECT_ID_BYTES, ObjectId, Secret, object_id};
use tokio::sync::{Notify, mpsc};
use tonic::Status;

/// Objects that are remembered per worker, at some 60 bytes each; what it has beyond is not asked of it.
const OBJECTS_MAX: usize = 100_000;
/// Workers that are named for one object: one of them answers, or the scheduler's own store does.
const NAMED_MAX: usize = 3;

/// Values that one worker is asked to send and has not been told of yet; of more it is not asked.
const WANTED_MAX: usize = 256;

/// Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Holders(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Somebody has lost something.
    lost: Notify,
}

#[derive(Debug, Default)]
struct State {
    n_entered: u64,
    /// Questions so far: holders of one object take turns.
    n_asked: usize,
    workers: BTreeMap<WorkerId, Giver>,
    held: HashMap<ObjectId, Vec<WorkerId>>,
}

#[derive(Debug)]
struct Giver {
    /// Which stream of the worker it is of.
    entered: u64,
    /// None if others cannot connect to it.
    at: Option<Reached>,
    /// Takes the keys of values that it is to send here.
    wanted: mpsc::Sender<String>,
    held: HashSet<ObjectId>,
}

/// Where a worker gives objects to others, and what lets them in.
#[derive(Debug, Clone)]
pub(crate) struct Reached {
    address: SocketAddr,
    secret: Secret,
    /// Who answers there; none if nothing is encrypted.
    member: Option<Member>,
}

impl Reached {
    /// `from` is where the worker connects from, `member` what its certificate names.
    pub(crate) fn new(
        gives: &Gives,
        from: Option<IpAddr>,
        member: Option<Member>,
    ) -> Result<Reached, Status> {
        let refuse = || {
            Status::invalid_argument(
                "a worker that gives objects to others says where, as ADDRESS:PORT, and has a secret of 32 bytes",
            )
        };
        let mut address: SocketAddr = gives.address.parse().map_err(|_| refuse())?;
        if address.ip().is_unspecified() {
            address.set_ip(from.ok_or_else(refuse)?);
        }
        let secret = Secret::try_from(gives.secret.as_ref()).map_err(|_| refuse())?;
        Ok(Reached { address, secret, member })
    }
}

/// Keeps a worker among the holders until it is dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    holders: Holders,
    worker: WorkerId,
    entered: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut state = self.holders.lock();
        // It may have come back over another stream meanwhile.
        if state.workers.get(&self.worker).is_some_and(|giver| giver.entered == self.entered) {
            state.leave(self.worker);
            self.holders.0.lost.notify_waiters();
        }
    }
}

impl Entry {
    /// Notes what the worker says that it has.
    pub(crate) fn note(&self, holds: &Holds) {
        let mut state = self.holders.lock();
        let State { workers, held, .. } = &mut *state;
        let Some(giver) = workers.get_mut(&self.worker).filter(|giver| giver.entered == self.entered) else {
            return;
        };
        for id in ids(&holds.gone).filter(|id| giver.held.remove(id)) {
            forget(held, &id, self.worker);
        }
        if !holds.gone.is_empty() {
            self.holders.0.lost.notify_waiters();
        }
        for id in ids(&holds.kept) {
            if giver.held.len() < OBJECTS_MAX && giver.held.insert(id) {
                held.entry(id).or_default().push(self.worker);
            }
        }
    }
}

impl Holders {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("nobody panics while holding it")
    }

    /// A worker is there, or there again. Gives also the keys of values that it is to send here.
    pub(crate) fn enter(&self, worker: WorkerId, at: Option<Reached>) -> (Entry, mpsc::Receiver<String>) {
        let (wanted, asked) = mpsc::channel(WANTED_MAX);
        let mut state = self.lock();
        state.leave(worker);
        state.n_entered += 1;
        let entered = state.n_entered;
        state.workers.insert(worker, Giver { entered, at, wanted, held: HashSet::new() });
        (Entry { holders: self.clone(), worker, entered }, asked)
    }

    /// The workers that say to have an object, whether others reach them or not.
    pub(crate) fn of(&self, key: &str) -> Vec<WorkerId> {
        self.lock().held.get(&object_id(key)).cloned().unwrap_or_default()
    }

    /// Asks a worker for an object that it says to have; false if it does not, or is asked for too much.
    pub(crate) fn ask(&self, worker: WorkerId, key: &str) -> bool {
        let state = self.lock();
        let giver = state.workers.get(&worker).filter(|giver| giver.held.contains(&object_id(key)));
        giver.is_some_and(|giver| giver.wanted.try_send(key.to_owned()).is_ok())
    }

    /// Waits until a worker does not have an object.
    pub(crate) async fn lost(&self, worker: WorkerId, key: &str) {
        let id = object_id(key);
        loop {
            let lost = self.0.lost.notified();
            tokio::pin!(lost);
            lost.as_mut().enable();
            let has = self.lock().workers.get(&worker).is_some_and(|giver| giver.held.contains(&id));
            if !has {
                return;
            }
            lost.await;
        }
    }

    /// Some of those who have an object, each with a ticket for it.
    pub(crate) fn locate(&self, key: &str) -> Vec<Holder> {
        let mut state = self.lock();
        state.n_asked += 1;
        let Some(found) = state.held.get(&object_id(key)) else { return vec![] };
        let in_turn = found.iter().cycle().skip(state.n_asked % found.len());
        let reached = in_turn.take(found.len()).filter_map(|worker| state.workers[worker].at.as_ref());
        let named = reached.take(NAMED_MAX);
        let holder = |at: &Reached| Holder {
            address: at.address.to_string(),
            ticket: at.secret.ticket(key).to_vec().into(),
            member: at.member.map_or_else(String::new, |member| member.to_string()),
        };
        named.map(holder).collect()
    }
}

impl State {
    fn leave(&mut self, worker: WorkerId) {
        let Some(giver) = self.workers.remove(&worker) else { return };
        for id in giver.held {
            forget(&mut self.held, &id, worker);
        }
    }
}

fn forget(held: &mut HashMap<ObjectId, Vec<WorkerId>>, id: &ObjectId, worker: WorkerId) {
    if let Some(holders) = held.get_mut(id) {
        holders.retain(|other| *other != worker);
        if holders.is_empty() {
            held.remove(id);
        }
    }
}

fn ids(bytes: &[u8]) -> impl Iterator<Item = ObjectId> {
    bytes.chunks_exact(OBJECT_ID_BYTES).map(|id| id.try_into().expect("a piece has that length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(holders: &Holders, worker: WorkerId, at: Reached) -> Entry {
        holders.enter(worker, Some(at)).0
    }

    fn reached(port: u16) -> Reached {
        let gives = Gives { address: format!("0.0.0.0:{port}"), secret: vec![7; 32].into() };
        Reached::new(&gives, Some([10, 0, 0, 9].into()), None).unwrap()
    }

    fn holds(kept: &[&str], gone: &[&str]) -> Holds {
        let ids = |keys: &[&str]| keys.iter().flat_map(|key| object_id(key)).collect::<Vec<u8>>().into();
        Holds { kept: ids(kept), gone: ids(gone) }
    }

    fn found(holders: &Holders, key: &str) -> Vec<String> {
        let mut found: Vec<String> = holders.locate(key).into_iter().map(|holder| holder.address).collect();
        found.sort();
        found
    }

    #[test]
    fn who_has_an_object_is_named_until_it_says_otherwise_or_goes() {
        let holders = Holders::default();
        let one = enter(&holders, WorkerId(1), reached(1));
        let two = enter(&holders, WorkerId(2), reached(2));
        one.note(&holds(&["a", "b"], &[]));
        two.note(&holds(&["a"], &[]));
        assert_eq!(found(&holders, "a"), ["10.0.0.9:1", "10.0.0.9:2"]);
        assert_eq!(found(&holders, "c"), [""; 0]);
        one.note(&holds(&[], &["a", "c"]));
        assert_eq!(found(&holders, "a"), ["10.0.0.9:2"]);
        drop(two);
        assert_eq!(found(&holders, "a"), [""; 0]);
        assert_eq!(holders.locate("b")[0].ticket, reached(1).secret.ticket("b").to_vec());
    }

    #[test]
    fn the_end_of_an_old_stream_takes_nothing_from_a_newer_one() {
        let holders = Holders::default();
        let old = enter(&holders, WorkerId(1), reached(1));
        let new = enter(&holders, WorkerId(1), reached(3));
        new.note(&holds(&["a"], &[]));
        old.note(&holds(&["b"], &["a"]));
        drop(old);
        assert_eq!(found(&holders, "a"), ["10.0.0.9:3"]);
        assert_eq!(found(&holders, "b"), [""; 0]);
    }

    #[test]
    fn many_holders_take_turns_and_what_is_remembered_of_one_has_a_bound() {
        let holders = Holders::default();
        let entries: Vec<Entry> = (0..10).map(|n| enter(&holders, WorkerId(n), reached(n as u16))).collect();
        entries.iter().for_each(|entry| entry.note(&holds(&["a"], &[])));
        let first: HashSet<String> = (0..10).map(|_| holders.locate("a")[0].address.clone()).collect();
        assert_eq!((first.len(), holders.locate("a").len()), (10, NAMED_MAX));
        let many: Vec<u8> = (0..OBJECTS_MAX as u128 + 5).flat_map(u128::to_le_bytes).collect();
        entries[0].note(&Holds { kept: many.into(), gone: Default::default() });
        assert_eq!(holders.lock().workers[&WorkerId(0)].held.len(), OBJECTS_MAX);
    }

    #[test]
    fn a_worker_that_says_nonsense_of_where_it_is_is_refused() {
        for (address, secret) in [("", 32), ("host:1", 32), ("10.0.0.1", 32), ("10.0.0.1:5", 31)] {
            let gives = Gives { address: address.to_owned(), secret: vec![0; secret].into() };
            assert!(Reached::new(&gives, None, None).is_err(), "{address}");
        }
        let gives = Gives { address: "[::]:5".to_owned(), secret: vec![0; 32].into() };
        assert!(Reached::new(&gives, None, None).is_err(), "nobody knows where it is");
    }

    #[tokio::test]
    async fn who_cannot_be_reached_is_asked_to_send_until_it_has_nothing() {
        let holders = Holders::default();
        let (entry, mut wanted) = holders.enter(WorkerId(1), None);
        entry.note(&holds(&["a"], &[]));
        assert_eq!((holders.of("a"), found(&holders, "a")), (vec![WorkerId(1)], vec![]));
        assert!(holders.ask(WorkerId(1), "a") && !holders.ask(WorkerId(1), "b"));
        assert_eq!(wanted.recv().await.as_deref(), Some("a"));
        let lost = holders.lost(WorkerId(1), "a");
        tokio::join!(lost, async { entry.note(&holds(&[], &["a"])) });
        entry.note(&holds(&["a"], &[]));
        tokio::join!(holders.lost(WorkerId(1), "a"), async { drop(entry) });
        assert_eq!(holders.of("a"), []);
    }
}
