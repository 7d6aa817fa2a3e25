//! Objects from other workers: who of them is asked, and for how long.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use cofferdam_wire::tls::{Credentials, Tls, Undecipherable};
use cofferdam_wire::v1::peers_client::PeersClient;
use cofferdam_wire::v1::{Holder, PeerRequest};
use object_store::path::Path;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::draft::Draft;
use crate::objects::{Fault, take};

/// How long a worker may give nothing before the next one is asked, or the scheduler, who has everything.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// How long a worker that could not be reached is not asked again: it may be behind a firewall.
const UNREACHED: Duration = Duration::from_secs(30);
/// How long one is not asked again that gave other bytes than it should.
const LIED: Duration = Duration::from_secs(10 * 60);
/// Workers to which connections are kept.
const CHANNELS_MAX: usize = 256;

/// Connections to other workers.
#[derive(Default)]
pub(crate) struct Peers(Mutex<State>);

#[derive(Default)]
struct State {
    /// By address and who answers there.
    channels: HashMap<(String, String), Channel>,
    /// What was shown over them.
    shown: Option<Credentials>,
    shunned: HashMap<String, Instant>,
}

impl Peers {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics while holding it")
    }

    /// Fills an empty draft with an object of at most so many bytes. They are not verified here. `own` is shown, unless
    /// nothing is encrypted.
    pub(crate) async fn fetch(
        &self,
        holder: &Holder,
        own: Option<&Credentials>,
        location: &Path,
        bytes_max: u64,
        draft: &mut Draft,
    ) -> Result<(), Fault> {
        let channel = self.channel(holder, own).map_err(Fault::Far)?;
        let request = PeerRequest { key: location.to_string(), start: 0, ticket: holder.ticket.clone() };
        let mut client = PeersClient::new(channel);
        let opened = within(async { client.fetch(request).await.map_err(Fault::Far) }).await;
        let mut parts = match opened {
            Ok(parts) => parts.into_inner(),
            Err(fault) => {
                if matches!(&fault, Fault::Far(why) if is_unreached(why)) {
                    self.shun(&holder.address, UNREACHED);
                }
                return Err(fault);
            }
        };
        while !within(take(&mut parts, location, draft)).await? {
            if draft.size > bytes_max {
                return Err(Fault::Far(Status::data_loss("it gave more bytes than the object has")));
            }
        }
        Ok(())
    }

    pub(crate) fn shun_liar(&self, holder: &Holder) {
        self.shun(&holder.address, LIED);
    }

    fn shun(&self, address: &str, time: Duration) {
        let mut state = self.state();
        let now = Instant::now();
        state.shunned.retain(|_, until| *until > now);
        state.shunned.insert(address.to_owned(), now + time);
        state.channels.retain(|(known, _), _| known != address);
    }

    fn channel(&self, holder: &Holder, own: Option<&Credentials>) -> Result<Channel, Status> {
        let Holder { address, member, .. } = holder;
        let mut state = self.state();
        if state.shunned.get(address).is_some_and(|until| *until > Instant::now()) {
            return Err(Status::unavailable("it could not be reached or believed a moment ago"));
        }
        // A certificate that was renewed is shown from the next connection on: the old one ends.
        if state.shown.as_ref() != own {
            state.channels.clear();
            state.shown = own.cloned();
        }
        let who = (address.clone(), member.clone());
        if let Some(channel) = state.channels.get(&who) {
            return Ok(channel.clone());
        }
        let tls = own.map(|own| Ok(Tls::to_member(member.parse()?, own))).transpose();
        let invalid = |error: &dyn std::error::Error| Status::invalid_argument(error.to_string());
        let tls = tls.map_err(|error: Undecipherable| invalid(&error))?;
        let channel = cofferdam_wire::connect(address, tls).map_err(|error| invalid(&error))?;
        if state.channels.len() >= CHANNELS_MAX {
            state.channels.clear();
        }
        state.channels.insert(who, channel.clone());
        Ok(channel)
    }
}

async fn within<T>(step: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let late = |_| Err(Fault::Far(Status::deadline_exceeded("it gave nothing for a while")));
    tokio::time::timeout(SILENCE_MAX, step).await.unwrap_or_else(late)
}

fn is_unreached(why: &Status) -> bool {
    matches!(why.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Unknown)
}
