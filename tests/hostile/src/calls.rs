//! Every call on a scheduler's port, with any bytes for its messages: it is answered, by words at worst, and nothing of
//! the server breaks. A whole instance in memory stands behind it.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes};
use cofferdam_depot::Depot;
use cofferdam_io::ValueStore;
use cofferdam_model::Name;
use cofferdam_runlog::{Memory, RunLog};
use cofferdam_scheduler::{Scheduler, system_clock};
use cofferdam_server::{Admission, Audit, Parts, Security, Server};
use cofferdam_wire::{Introduce, Token};
use futures::{StreamExt as _, stream};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::choose;

/// In the order of the first byte of an input; new ones go to the end, so that kept inputs stay what they are.
const CALLS: [&str; 24] = [
    "Runs/Submit",
    "Runs/Watch",
    "Runs/Cancel",
    "Runs/Why",
    "History/Ask",
    "Libraries/Missing",
    "Libraries/Upload",
    "Libraries/Fetch",
    "Libraries/MissingChunks",
    "Libraries/Chunks",
    "Libraries/FetchChunks",
    "Libraries/Compiled",
    "Values/Size",
    "Values/Read",
    "Values/Write",
    "Values/Discard",
    "Workers/Join",
    "Workers/Enrol",
    "Workers/List",
    "Workers/Drain",
    "Workers/Revoke",
    "Workers/Locate",
    "Runs/Review",
    "Runs/Queues",
];
/// How long an answer may take on a machine that does much else.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// After the byte for the call come its messages, each after two bytes of length.
pub(crate) fn calls(bytes: &[u8]) {
    let Some((call, mut rest)) = choose(&CALLS, bytes) else { return };
    let mut messages = vec![];
    while rest.len() >= 2 {
        let length = usize::from(rest.get_u16_le()).min(rest.len());
        messages.push(Bytes::copy_from_slice(&rest[..length]));
        rest.advance(length);
    }
    let far = &*FAR;
    let asked = async { tokio::time::timeout(ANSWER_WITHIN, far.ask(call, messages)).await };
    match far.running.block_on(asked).unwrap_or_else(|_| panic!("{call} was not answered")) {
        Ok(()) => {}
        // What a connection says that was cut off, as by a panic at its other end.
        Err(status) => assert!(
            !matches!(status.code(), Code::Unknown | Code::Unavailable | Code::Cancelled),
            "{call}: {status:?}"
        ),
    }
}

/// An instance, and a client of it that says what it is told.
struct Far {
    client: InterceptedService<Channel, Introduce>,
    running: Runtime,
    _folder: TempDir,
}

static FAR: LazyLock<Far> = LazyLock::new(|| Far::start().expect("an instance starts"));

impl Far {
    fn start() -> Result<Far, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let running = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let client = running.block_on(async {
            let server = server(folder.path()).await?;
            let address = server.address()?;
            #[expect(clippy::disallowed_methods, reason = "it ends with the runtime")]
            tokio::spawn(server.serve(std::future::pending()));
            let token: Token = std::fs::read_to_string(folder.path().join("token"))?.parse()?;
            let channel = cofferdam_wire::connect(&address.to_string(), None)?;
            Ok::<_, Box<dyn std::error::Error>>(InterceptedService::new(
                channel,
                Introduce::new(Some(&token.secret)),
            ))
        })?;
        Ok(Far { client, running, _folder: folder })
    }

    /// Makes the call and reads its first answers. A stream that is open then is left: that of a run would go on.
    async fn ask(&self, call: &str, messages: Vec<Bytes>) -> Result<(), Status> {
        let mut client = Grpc::new(self.client.clone());
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path: PathAndQuery = format!("/cofferdam.v1.{call}").parse().expect("it is a path");
        let request = Request::new(stream::iter(messages));
        let mut answers = client.streaming(request, path, Raw).await?.into_inner();
        match answers.next().await {
            Some(Err(status)) => Err(status),
            Some(Ok(_)) | None => Ok(()),
        }
    }
}

async fn server(folder: &std::path::Path) -> Result<Server, Box<dyn std::error::Error>> {
    let log: Arc<dyn RunLog> = Arc::new(Memory::new());
    let namespace = Name::new("default").expect("it is a name");
    let parts = Parts {
        scheduler: Arc::new(Scheduler::start(log.clone(), system_clock()).await?),
        log,
        depot: Depot::memory(),
        values: ValueStore::local(&folder.join("values"), namespace)?,
        audit: Arc::new(Audit::new(folder, system_clock())),
        grants: [].into(),
        signers: [].into(),
    };
    let admission = Admission::open(folder, Security::Plaintext, system_clock())?;
    Ok(Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), parts, Arc::new(admission)).await?)
}

/// Messages that are bytes already.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
