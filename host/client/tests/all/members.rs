//! Who may call, spoken in the protocol itself: what an honest worker would not do.

use std::time::Duration;

use cofferdam_client::{Cluster, Error, Membership, Whom};
use cofferdam_wire::tls::{Authority, Credentials, PublicKey, Tls, Unsafe};
use cofferdam_wire::v1::runs_client::RunsClient;
use cofferdam_wire::v1::workers_client::WorkersClient;
use cofferdam_wire::v1::{
    CancelRequest, DrainRequest, EnrolRequest, FromWorker, Hello, ListRequest, RevokeRequest, SizeRequest,
    ToWorker, Welcome, from_worker, revoke_request, to_worker, values_client::ValuesClient,
};
use cofferdam_wire::{Introduce, PROTOCOL, Token, WORLD};
use futures::stream;
use tokio::sync::mpsc;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use crate::far::{Far, ROOM, key, noise, store};
use crate::objects::{put, read};

pub(crate) type Link = InterceptedService<Channel, Introduce>;

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) async fn encrypted(certificate_life: Duration) -> Far {
    Far::start_with(cofferdam_server::Security::Tls { certificate_life }).await
}

pub(crate) fn address(far: &Far) -> String {
    far.proxy.address.to_string()
}

pub(crate) fn with_token(far: &Far) -> Link {
    let tls = Tls::to_scheduler(far.token.authority.unwrap(), None);
    let channel = cofferdam_wire::connect(&address(far), Some(tls)).unwrap();
    InterceptedService::new(channel, Introduce::new(Some(&far.token.secret)))
}

pub(crate) fn with_certificate(far: &Far, own: &Credentials) -> Link {
    let tls = Tls::to_scheduler(far.token.authority.unwrap(), Some(own));
    let channel = cofferdam_wire::connect(&address(far), Some(tls)).unwrap();
    InterceptedService::new(channel, Introduce::new(None))
}

pub(crate) async fn enrol(link: Link) -> Result<Credentials, Status> {
    let key = PublicKey::generate().unwrap();
    let request = EnrolRequest { public_key: key.public().to_vec().into() };
    let reply = WorkersClient::new(link).enrol(request).await?.into_inner();
    let chain = reply.chain.iter().map(|certificate| certificate.to_vec().into()).collect();
    Ok(key.signed(chain).unwrap())
}

fn hello(instance: u8, before: Option<&Welcome>) -> Hello {
    Hello {
        protocol: PROTOCOL,
        world: WORLD.to_owned(),
        slots: 1,
        instance: vec![instance; 16].into(),
        previous: before.map(|welcome| welcome.worker),
        proof: before.map(|welcome| welcome.proof.clone()).unwrap_or_default(),
        ..Hello::default()
    }
}

/// A stream of a worker, which ends when it is dropped.
struct Joined {
    welcome: Welcome,
    orders: Streaming<ToWorker>,
    _reports: mpsc::Sender<FromWorker>,
}

async fn join(link: Link, hello: Hello) -> Result<Joined, Status> {
    let (reports, mut messages) = mpsc::channel(1);
    reports.try_send(FromWorker { message: Some(from_worker::Message::Hello(hello)) }).unwrap();
    let messages = stream::poll_fn(move |context| messages.poll_recv(context));
    let mut orders = WorkersClient::new(link).join(messages).await?.into_inner();
    match orders.message().await?.and_then(|first| first.message) {
        Some(to_worker::Message::Welcome(welcome)) => Ok(Joined { welcome, orders, _reports: reports }),
        _ => panic!("the first message is a welcome"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_encrypted_nobody_on_the_way_reads() {
    let bytes = noise(1, 64 * 1024);
    for (far, is_read) in [(Far::start().await, true), (encrypted(DAY).await, false)] {
        let local = tempfile::tempdir().unwrap();
        let value = put(&store(&far.objects(local.path(), ROOM)), 1, &bytes).await.unwrap();
        assert!(read(&far.values(), &value).await.unwrap() == bytes);
        assert_eq!(far.proxy.has_read(&bytes[100..200]), is_read);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_on_the_way_comes_whole_all_the_same() {
    let (far, local) = (encrypted(DAY).await, tempfile::tempdir().unwrap());
    let bytes = noise(1, 4 * 1024 * 1024);
    let value = put(&far.values(), 1, &bytes).await.unwrap();
    far.proxy.damage_down(true);
    assert!(read(&store(&far.objects(local.path(), ROOM)), &value).await.unwrap() == bytes);
    assert_eq!(far.proxy.damaged(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn h_100_a_secret_is_told_to_nobody_but_the_scheduler_that_it_is_for() {
    let far = encrypted(DAY).await;
    let other = Authority::generate().unwrap().fingerprint();
    let token = Token { authority: Some(other), ..far.token.clone() };
    let refused = Cluster::at(&address(&far), &token).unwrap().reach().await.unwrap_err();
    assert!(matches!(&refused, Error::Unsafe { why: Unsafe::OtherAuthority { .. }, .. }), "{refused}");
    assert!(!refused.may_pass());
    assert_eq!(
        refused.to_string(),
        format!(
            "ask the scheduler: {} is not safe to talk to: another cluster's scheduler answers there, or somebody in between: the token is for the authority {other}, who answers shows {}",
            address(&far),
            far.token.authority.unwrap()
        )
    );
    assert!(far.proxy.up() < 2048, "{} bytes are no more than a handshake", far.proxy.up());
    Cluster::at(&address(&far), &far.token).unwrap().reach().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_cannot_come_back_as_another_one() {
    let far = encrypted(DAY).await;
    let (one, other) = (enrol(with_token(&far)).await.unwrap(), enrol(with_token(&far)).await.unwrap());
    let first = join(with_certificate(&far, &one), hello(1, None)).await.unwrap();
    // All that the first one says of itself, said by another.
    let forged = join(with_certificate(&far, &other), hello(1, Some(&first.welcome))).await.unwrap();
    assert_ne!(forged.welcome.worker, first.welcome.worker);
    let forged = join(with_certificate(&far, &other), hello(1, None)).await.unwrap();
    assert_ne!(forged.welcome.worker, first.welcome.worker);
    let back = join(with_certificate(&far, &one), hello(1, Some(&first.welcome))).await.unwrap();
    assert_eq!(back.welcome.worker, first.welcome.worker);
    // A renewed certificate is that of the same worker.
    let renewed = enrol(with_certificate(&far, &one)).await.unwrap();
    let back = join(with_certificate(&far, &renewed), hello(1, Some(&first.welcome))).await.unwrap();
    assert_eq!(back.welcome.worker, first.welcome.worker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_may_work_and_nothing_else_and_a_token_does_not_make_a_worker() {
    let far = encrypted(DAY).await;
    let own = enrol(with_token(&far)).await.unwrap();
    let workers = || WorkersClient::new(with_certificate(&far, &own));
    let run = "01890000-0000-7000-8000-000000000001".to_owned();
    let mut refused = vec![
        workers().list(ListRequest {}).await.map(drop),
        workers().drain(DrainRequest { worker: 1 }).await.map(drop),
        workers().revoke(RevokeRequest { whom: Some(revoke_request::Whom::Worker(1)) }).await.map(drop),
    ];
    refused.push(RunsClient::new(with_certificate(&far, &own)).cancel(CancelRequest { run }).await.map(drop));
    for refused in refused {
        let status = refused.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied);
        assert_eq!(status.message(), "the certificate of a worker does not open this: it takes a token");
    }
    let mut values = ValuesClient::new(with_certificate(&far, &own));
    let size = values.size(SizeRequest { key: key(1).to_string() });
    assert_eq!(size.await.unwrap_err().code(), Code::NotFound, "it may look");
    let status = join(with_token(&far), hello(1, None)).await.err().unwrap();
    assert_eq!(
        status.message(),
        "a worker joins with a certificate; it is given one for the cluster's token"
    );
    let nothing = InterceptedService::new(
        cofferdam_wire::connect(&address(&far), Some(Tls::to_scheduler(far.token.authority.unwrap(), None)))
            .unwrap(),
        Introduce::new(None),
    );
    assert_eq!(enrol(nothing).await.unwrap_err().message(), "the call carries no token");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_cut_off_is_so_at_once_and_after_a_restart() {
    let mut far = encrypted(DAY).await;
    let (own, other) = (enrol(with_token(&far)).await.unwrap(), enrol(with_token(&far)).await.unwrap());
    let link = with_certificate(&far, &own);
    let mut joined = join(link.clone(), hello(1, None)).await.unwrap();
    let stays = join(with_certificate(&far, &other), hello(2, None)).await.unwrap();
    let client = Cluster::at(&address(&far), &far.token).unwrap();
    let member = client.revoke(Whom::Worker(joined.welcome.worker)).await.unwrap();
    // It may hear first that somebody was cut off.
    let ended = async {
        while joined.orders.message().await?.is_some() {}
        Ok::<(), Status>(())
    };
    let ended = tokio::time::timeout(Duration::from_secs(5), ended).await;
    ended.expect("it is cut within 5 s").unwrap_err();
    let left: Vec<u64> = client.workers().await.unwrap().iter().map(|worker| worker.worker).collect();
    assert_eq!(left, [stays.welcome.worker]);
    let said = format!("worker {member} was cut off by `cofferdam revoke`");
    let size = || SizeRequest { key: key(1).to_string() };
    let refused = ValuesClient::new(link.clone()).size(size()).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::PermissionDenied, &*said));
    assert_eq!(enrol(link.clone()).await.unwrap_err().message(), said);
    far.stop();
    far.start_again().await;
    let refused = join(with_certificate(&far, &own), hello(1, None)).await.err().unwrap();
    assert_eq!(refused.message(), said);
    join(with_certificate(&far, &other), hello(2, None)).await.unwrap();
    // One that is not there can be cut off by what its certificates name.
    assert!(client.revoke(Whom::Worker(1)).await.unwrap_err().to_string().contains("no such worker"));
    client.revoke(Whom::Member(member.replace(&member[..1], "0"))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_has_ended_is_cut_and_refused_with_both_times() {
    let far = encrypted(Duration::from_secs(4)).await;
    let own = enrol(with_token(&far)).await.unwrap();
    let mut joined = join(with_certificate(&far, &own), hello(1, None)).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), joined.orders.message()).await;
    ended.expect("it is cut when the certificate ends").unwrap_err();
    let refused = enrol(with_certificate(&far, &own)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let said = refused.message();
    assert!(said.starts_with("the certificate of worker ") && said.contains(" holds from 2"), "{said}");
    assert!(said.contains(" until 2") && said.contains(", and by the other host's clock it is 2"), "{said}");
    // The scheduler's own was renewed meanwhile, by itself.
    enrol(with_token(&far)).await.unwrap();
}

#[test]
fn a_key_in_the_folder_is_used_only_if_nobody_else_can_have_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let authority = Authority::generate().unwrap();
    let public = PublicKey::generate().unwrap();
    let valid = cofferdam_model::Timestamp(0)..=cofferdam_model::Timestamp(10_000);
    let member = cofferdam_wire::tls::Member::draw().unwrap();
    let chain = authority.sign(member, public.public(), valid).unwrap();
    let pem = public.signed(chain).unwrap().to_pem();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity.pem");
    let open = |token: Option<Token>| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _inside = runtime.enter();
        let opened = Membership::open("127.0.0.1:1", token, folder.path());
        opened.map(|(_, said)| said).map_err(|error| error.to_string())
    };
    let none = open(None).unwrap_err();
    assert_eq!(none, format!("{} holds no certificate of an earlier worker", folder.path().display()));
    cofferdam_wire::private::write(&path, &pem).unwrap();
    assert_eq!(open(None), Ok(None), "it needs no token");
    let token: Token = format!("{}.{}", "s".repeat(32), authority.fingerprint()).parse().unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let why = format!(
        "the worker's key is not used: {} can be read by others than its owner (mode 644)",
        path.display()
    );
    assert_eq!(open(None), Err(why.clone()));
    assert_eq!(open(Some(token.clone())), Ok(Some(format!("{why}; this worker joins as a new one"))));
    cofferdam_wire::private::write(&path, &pem[..300]).unwrap();
    let why = format!("the worker's key in {} is not used: it is not ", path.display());
    assert!(open(None).unwrap_err().starts_with(&why));
    assert!(open(Some(token)).unwrap().unwrap().starts_with(&why));
}
