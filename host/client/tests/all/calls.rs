//! Every call that a scheduler takes, made by everybody who may try; and calls that are none.

use bytes::{Buf as _, BufMut as _, Bytes};
use cofferdam_runlog::Question;
use cofferdam_scheduler::system_time;
use cofferdam_server::{Role, Scope, create_api_token};
use cofferdam_wire::tls::Tls;
use cofferdam_wire::{Introduce, TokenSecret};
use futures::{StreamExt as _, stream};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::service::interceptor::InterceptedService;
use tonic::{Code, Request, Status};

use crate::far::{Far, key};
use crate::members::{DAY, Link, address, encrypted, enrol, with_certificate, with_token};

const PROTO: &str = include_str!("../../../wire/proto/cofferdam/v1/cluster.proto");
/// A run that nobody has heard of.
const RUN: &str = "01890000-0000-7000-8000-000000000009";

/// Whom a call is for.
struct Whom {
    /// Of tokens that were made for somebody, those with this role and above.
    role: Option<Role>,
    /// Who has the cluster's token.
    holder: bool,
    /// Who shows a worker's certificate.
    worker: bool,
}

const fn tokens(role: Role) -> Whom {
    Whom { role: Some(role), holder: true, worker: false }
}

const fn tokens_and_workers(role: Role) -> Whom {
    Whom { worker: true, ..tokens(role) }
}

const HOLDERS_AND_WORKERS: Whom = Whom { role: None, holder: true, worker: true };
const WORKERS: Whom = Whom { role: None, holder: false, worker: true };

/// Each call with whom it is for and a first message that says enough to be told apart from nonsense.
fn calls() -> Vec<(&'static str, Whom, Bytes)> {
    use Role::{Admin, Launcher, Operator, Viewer};
    let nothing = Bytes::new;
    let run = || first_field(RUN.as_bytes());
    let value = || first_field(key(1).to_string().as_bytes());
    let question = Question::Unfinished.encode();
    vec![
        ("Runs/Submit", tokens(Launcher), nothing()),
        ("Runs/Watch", tokens(Viewer), run()),
        ("Runs/Cancel", tokens(Launcher), run()),
        ("Runs/Review", tokens(Operator), run()),
        ("Runs/Why", tokens(Viewer), run()),
        ("Runs/Queues", tokens(Viewer), nothing()),
        ("History/Ask", tokens(Viewer), first_field(&question)),
        ("Libraries/Missing", tokens_and_workers(Viewer), nothing()),
        ("Libraries/Upload", tokens(Launcher), nothing()),
        ("Libraries/Fetch", tokens_and_workers(Viewer), nothing()),
        ("Libraries/MissingChunks", tokens(Launcher), nothing()),
        ("Libraries/Chunks", tokens_and_workers(Viewer), nothing()),
        ("Libraries/FetchChunks", tokens_and_workers(Viewer), nothing()),
        ("Libraries/Compiled", tokens_and_workers(Viewer), nothing()),
        ("Values/Size", tokens_and_workers(Viewer), value()),
        ("Values/Read", tokens_and_workers(Viewer), value()),
        ("Values/Write", tokens_and_workers(Launcher), first_field(&value())),
        ("Values/Discard", WORKERS, nothing()),
        ("Workers/Join", WORKERS, nothing()),
        ("Workers/Enrol", HOLDERS_AND_WORKERS, nothing()),
        ("Workers/List", tokens(Viewer), nothing()),
        ("Workers/Drain", tokens(Operator), nothing()),
        ("Workers/Revoke", tokens(Admin), nothing()),
        ("Workers/Locate", HOLDERS_AND_WORKERS, nothing()),
    ]
}

/// A message whose first field is these bytes.
fn first_field(bytes: &[u8]) -> Bytes {
    let length = u8::try_from(bytes.len()).unwrap();
    assert!(length < 0x80, "its length is one byte");
    [&[0x0a, length], bytes].concat().into()
}

/// The calls that the interface describes, but for what workers give each other.
fn described() -> Vec<String> {
    let mut service = "";
    let mut calls = vec![];
    for line in PROTO.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("service ") {
            service = name.trim_end_matches(" {");
        } else if let Some((name, _)) = line.strip_prefix("rpc ").and_then(|call| call.split_once('(')) {
            calls.push(format!("{service}/{name}"));
        }
    }
    calls.retain(|call| call != "Peers/Fetch");
    calls
}

/// Makes a call; how its first answer is.
async fn call(link: &Link, path: &str, request: Request<Bytes>) -> Code {
    let (metadata, extensions, message) = request.into_parts();
    let request = Request::from_parts(metadata, extensions, stream::iter([message]));
    let mut client = Grpc::new(link.clone());
    client.ready().await.unwrap();
    let path: PathAndQuery = path.parse().unwrap();
    let answered = match client.streaming(request, path, Raw).await {
        Ok(answers) => answers.into_inner().next().await.unwrap_or(Ok(Bytes::new())),
        Err(status) => Err(status),
    };
    answered.map_or_else(|status| status.code(), |_| Code::Ok)
}

fn with(far: &Far, secret: Option<&TokenSecret>) -> Link {
    let tls = Tls::to_scheduler(far.token.authority.unwrap(), None);
    let channel = cofferdam_wire::connect(&address(far), Some(tls)).unwrap();
    InterceptedService::new(channel, Introduce::new(secret))
}

#[tokio::test(flavor = "multi_thread")]
async fn c_70_each_call_is_for_those_whom_its_row_names_and_for_nobody_else() {
    let calls = calls();
    assert_eq!(calls.iter().map(|(name, ..)| *name).collect::<Vec<_>>(), described(), "none is left out");
    let far = encrypted(DAY).await;
    let times = (system_time(), system_time() + DAY);
    let token =
        |role: Role| create_api_token(&far.state(), role.name(), role, Scope::default(), times).unwrap();
    let links: Vec<(Role, Link)> = Role::ALL.map(|role| (role, with(&far, Some(&token(role))))).into();
    let holder = with_token(&far);
    let worker = with_certificate(&far, &enrol(holder.clone()).await.unwrap());
    let (nobody, stranger) = (with(&far, None), with(&far, Some(&TokenSecret::generate().unwrap())));
    for (name, whom, message) in &calls {
        let path = format!("/cofferdam.v1.{name}");
        let asked = |link: &Link| {
            let (link, path, message) = (link.clone(), path.clone(), message.clone());
            async move { call(&link, &path, Request::new(message)).await }
        };
        let is_let_in =
            |code| !matches!(code, Code::PermissionDenied | Code::Unauthenticated | Code::Unimplemented);
        for (role, link) in &links {
            let code = asked(link).await;
            assert_eq!(
                is_let_in(code),
                whom.role.is_some_and(|least| *role >= least),
                "{name} {role} {code}"
            );
            assert!(is_let_in(code) || code == Code::PermissionDenied, "{name} {role} {code}");
        }
        let code = asked(&worker).await;
        assert_eq!(is_let_in(code), whom.worker, "{name} worker {code}");
        let code = asked(&holder).await;
        // The one call for which this token is to be changed for a certificate first.
        let is_let_in = is_let_in(code) && (*name, code) != ("Workers/Join", Code::FailedPrecondition);
        assert_eq!(is_let_in, whom.holder, "{name} holder {code}");
        for link in [&nobody, &stranger] {
            assert_eq!(asked(link).await, Code::Unauthenticated, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c_70_what_is_no_call_is_not_there_and_headers_are_bounded() {
    let far = encrypted(DAY).await;
    let link = with_token(&far);
    for path in [
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/grpc.health.v1.Health/Check",
        "/grpc.channelz.v1.Channelz/GetServers",
        "/cofferdam.v1.Runs/Delete",
        "/cofferdam.v1.Peers/Fetch",
        "/cofferdam.v1.Runs/../Workers/List",
    ] {
        for link in [&link, &with(&far, None)] {
            let code = call(link, path, Request::new(Bytes::new())).await;
            let is_none = matches!(code, Code::Unimplemented) || path.starts_with("/cofferdam.v1.Runs/");
            assert!(is_none && code != Code::Ok, "{path} {code}");
        }
    }
    let list = |name: &'static str, text: String| {
        let mut request = Request::new(Bytes::new());
        request.metadata_mut().insert(name, text.parse().unwrap());
        let link = with_token(&far);
        async move { call(&link, "/cofferdam.v1.Workers/List", request).await }
    };
    assert_eq!(list("x-small", "x".repeat(8 * 1024)).await, Code::Ok);
    assert_ne!(list("x-large", "x".repeat(1024 * 1024)).await, Code::Ok);
    // A time that is over may be noticed before the answer is there; what is no time, or one beyond all times, is none.
    let over = list("grpc-timeout", "0n".to_owned()).await;
    assert!(matches!(over, Code::Ok | Code::Cancelled | Code::DeadlineExceeded), "{over}");
    for time in ["-1S", "1000000000S", "99999999H", "1e9S", "S", "1 S", "NaN"] {
        assert_eq!(list("grpc-timeout", time.to_owned()).await, Code::Ok, "{time}");
    }
    assert_eq!(call(&link, "/cofferdam.v1.Workers/List", Request::new(Bytes::new())).await, Code::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn c_69_who_shows_too_many_wrong_tokens_is_not_looked_at_and_who_was_let_in_goes_on() {
    let far = encrypted(DAY).await;
    let ask = async |link: &Link| call(link, "/cofferdam.v1.Workers/List", Request::new(Bytes::new())).await;
    let known = with_token(&far);
    assert_eq!(ask(&known).await, Code::Ok);
    let worker = with_certificate(&far, &enrol(known.clone()).await.unwrap());
    let mut codes = vec![];
    for _ in 0..100 {
        codes.push(ask(&with(&far, Some(&TokenSecret::generate().unwrap()))).await);
    }
    let n_looked_at = codes.iter().filter(|code| **code == Code::Unauthenticated).count();
    let n_waiting = codes.iter().filter(|code| **code == Code::ResourceExhausted).count();
    // Some are forgotten meanwhile.
    assert!((30..60).contains(&n_looked_at) && n_looked_at + n_waiting == 100, "{n_looked_at} {n_waiting}");
    let times = (system_time(), system_time() + DAY);
    let new = create_api_token(&far.state(), "new", Role::Viewer, Scope::default(), times).unwrap();
    assert_eq!(ask(&with(&far, Some(&new))).await, Code::ResourceExhausted, "a guess, for all one knows");
    assert_eq!(ask(&known).await, Code::Ok);
    assert_eq!(ask(&worker).await, Code::PermissionDenied, "it is known by its certificate");
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
