//! Objects from other workers: who of them is asked, and for how long.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

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
    channels: HashMap<String, Channel>,
    shunned: HashMap<String, Instant>,
}

impl Peers {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics while holding it")
    }

    /// Fills an empty draft with an object of at most so many bytes. They are not verified here.
    pub(crate) async fn fetch(
        &self,
        holder: &Holder,
        location: &Path,
        bytes_max: u64,
        draft: &mut Draft,
    ) -> Result<(), Fault> {
        let channel = self.channel(&holder.address).map_err(Fault::Far)?;
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
        state.channels.remove(address);
    }

    fn channel(&self, address: &str) -> Result<Channel, Status> {
        let mut state = self.state();
        if state.shunned.get(address).is_some_and(|until| *until > Instant::now()) {
            return Err(Status::unavailable("it could not be reached or believed a moment ago"));
        }
        if let Some(channel) = state.channels.get(address) {
            return Ok(channel.clone());
        }
        let made = cofferdam_wire::connect(address, None);
        let channel = made.map_err(|error| Status::invalid_argument(error.to_string()))?;
        if state.channels.len() >= CHANNELS_MAX {
            state.channels.clear();
        }
        state.channels.insert(address.to_owned(), channel.clone());
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
