//! Whether a worker's certificate that the authority has signed holds now.

use std::collections::BTreeSet;
use std::sync::Arc;

use cofferdam_model::Timestamp;
use tokio::sync::watch;
use tonic::Status;

use super::{Member, Seen};

/// The members that were cut off. It only grows; clones share it.
#[derive(Debug, Clone, Default)]
pub struct CutOff(Arc<watch::Sender<BTreeSet<Member>>>);

impl CutOff {
    pub fn contains(&self, member: Member) -> bool {
        self.0.borrow().contains(&member)
    }

    pub fn add(&self, members: impl IntoIterator<Item = Member>) {
        let members: Vec<Member> = members.into_iter().collect();
        self.0.send_modify(|cut_off| cut_off.extend(members));
    }

    /// All of them, now and whenever there are more.
    pub fn watch(&self) -> watch::Receiver<BTreeSet<Member>> {
        self.0.subscribe()
    }

    /// Ends when that member is cut off.
    pub fn wait_for(&self, member: Member) -> impl Future<Output = ()> + Send + use<> {
        let mut members = self.watch();
        async move {
            // Who cuts off has gone, and everybody's connection with it.
            let _ = members.wait_for(|members| members.contains(&member)).await;
        }
    }

    /// Whether a certificate holds now; if not, why, for who has shown it.
    pub fn check(&self, seen: &Seen, now: Timestamp) -> Result<(), Status> {
        let Seen { member, valid } = seen;
        if self.contains(*member) {
            return Err(Status::permission_denied(format!(
                "worker {member} was cut off by `cofferdam revoke`"
            )));
        }
        if !valid.contains(&now) {
            let (from, until) = (valid.start(), valid.end());
            return Err(Status::unauthenticated(format!(
                "the certificate of worker {member} holds from {from} until {until}, and by the other host's clock it is {now}"
            )));
        }
        Ok(())
    }

    /// Ends when a connection with a certificate that holds now is to be cut.
    pub fn end(&self, seen: &Seen, now: Timestamp) -> impl Future<Output = ()> + Send + use<> {
        let cut_off = self.wait_for(seen.member);
        let left = seen.valid.end().since(now);
        async move {
            tokio::select! {
                () = cut_off => {}
                () = tokio::time::sleep(left) => {}
            }
        }
    }
}
