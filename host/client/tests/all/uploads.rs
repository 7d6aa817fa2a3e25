//! Uploads that lie, spoken in the protocol itself.

use bytes::Bytes;
use cofferdam_depot::{CHUNKED_BYTES_MIN, Depot};
use cofferdam_io::Error;
use cofferdam_model::{LIBRARY_BYTES_MAX, ValueDigest};
use cofferdam_wire::v1::libraries_client::LibrariesClient;
use cofferdam_wire::v1::values_client::ValuesClient;
use cofferdam_wire::v1::{Packed, UploadRequest, WriteRequest, upload_request, write_request};
use cofferdam_wire::{Introduce, Packer, chunks, join_digests};
use futures::stream;
use tonic::Code;
use tonic::service::interceptor::InterceptedService;

use crate::far::{Far, ROOM, key, noise};

type Link = InterceptedService<tonic::transport::Channel, Introduce>;

fn link(far: &Far) -> Link {
    let channel = cofferdam_wire::connect(&far.proxy.address.to_string(), None).unwrap();
    InterceptedService::new(channel, Introduce::new(Some(&far.token.secret)))
}

fn parts(bytes: &Bytes) -> Vec<Packed> {
    let mut packer = Packer::default();
    chunks(bytes.clone()).map(|chunk| packer.pack(chunk)).collect()
}

async fn write(far: &Far, size: u64, digest: ValueDigest, parts: Vec<Packed>) -> Result<(), tonic::Status> {
    let head = write_request::Head { key: key(1).to_string(), size, digest: digest.0.to_vec().into() };
    let first = WriteRequest { head: Some(head), packed: None };
    let rest = parts.into_iter().map(|packed| WriteRequest { head: None, packed: Some(packed) });
    let stream = stream::iter([first].into_iter().chain(rest).collect::<Vec<_>>());
    ValuesClient::new(link(far)).write(stream).await.map(|_| ())
}

async fn upload(far: &Far, size: u64, digest: &str, parts: Vec<Packed>) -> Result<(), tonic::Status> {
    let head = upload_request::Head { digest: digest.to_owned(), size, chunks: Default::default() };
    let first = UploadRequest { head: Some(head), packed: None };
    let rest = parts.into_iter().map(|packed| UploadRequest { head: None, packed: Some(packed) });
    let stream = stream::iter([first].into_iter().chain(rest).collect::<Vec<_>>());
    LibrariesClient::new(link(far)).upload(stream).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn h_082_an_upload_that_lies_is_refused_and_leaves_nothing() {
    let far = Far::start().await;
    let bytes = noise(1, 1_000_000);
    let size = bytes.len() as u64;
    let good = parts(&bytes);
    let value = ValueDigest::of(&bytes);
    let library = cofferdam_depot::digest(&bytes);
    let name = library.to_string();
    let repeated = [&good[..1], &good[..]].concat();
    let swapped = [&good[1..2], &good[..1], &good[2..]].concat();
    let endless = vec![good[0].clone(); 1000];
    let empty = vec![parts(&Bytes::new()).remove(0); 10];
    let mut damaged = good.clone();
    damaged[0].check ^= 1;
    let cases = [
        ("the size is less", size - 1, good.clone(), Code::InvalidArgument),
        ("the size is more", size + 1, good.clone(), Code::Aborted),
        ("a part comes twice", size, repeated, Code::InvalidArgument),
        ("parts are swapped", size, swapped, Code::DataLoss),
        ("it never ends", size, endless, Code::InvalidArgument),
        ("parts bring nothing", size, empty, Code::InvalidArgument),
        ("a part is damaged", size, damaged, Code::DataLoss),
        ("nothing follows", size, vec![], Code::Aborted),
    ];
    for (what, size, parts, code) in cases {
        assert_eq!(write(&far, size, value, parts.clone()).await.unwrap_err().code(), code, "value: {what}");
        assert_eq!(upload(&far, size, &name, parts).await.unwrap_err().code(), code, "library: {what}");
    }
    let other = write(&far, size, ValueDigest::of(b"other"), good.clone()).await.unwrap_err();
    assert_eq!(other.code(), Code::DataLoss, "{other}");
    let other =
        upload(&far, size, &cofferdam_depot::digest(b"other").to_string(), good.clone()).await.unwrap_err();
    assert_eq!(other.code(), Code::DataLoss, "{other}");
    let large = upload(&far, LIBRARY_BYTES_MAX + 1, &name, good.clone()).await.unwrap_err();
    assert_eq!(large.code(), Code::InvalidArgument, "{large}");

    assert!(matches!(far.values().size(&key(1)).await, Err(Error::NotFound { .. })));
    assert!(!far.depot().contains(&library).await.unwrap());
    assert_eq!(far.n_files(), 0, "nothing of it is left");
    write(&far, size, value, good.clone()).await.unwrap();
    upload(&far, size, &name, good).await.unwrap();
    assert!(far.depot().get(&library).await.unwrap() == bytes);
}

/// An upload in chunks, of which some come.
async fn upload_chunks(
    far: &Far,
    size: u64,
    library: &Bytes,
    named: &[ValueDigest],
    come: &[Bytes],
) -> Result<(), tonic::Status> {
    let digest = cofferdam_depot::digest(library).to_string();
    let head = upload_request::Head { digest, size, chunks: join_digests(named) };
    let mut packer = Packer::default();
    let parts =
        come.iter().map(|bytes| UploadRequest { head: None, packed: Some(packer.pack(bytes.clone())) });
    let first = UploadRequest { head: Some(head), packed: None };
    let messages: Vec<UploadRequest> = [first].into_iter().chain(parts).collect();
    LibrariesClient::new(link(far)).upload(stream::iter(messages)).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_in_chunks_that_lies_is_refused_and_leaves_nothing() {
    let far = Far::start().await;
    let library = noise(1, CHUNKED_BYTES_MIN);
    let size = library.len() as u64;
    let (named, come): (Vec<_>, Vec<_>) = cofferdam_depot::cut(&library).into_iter().unzip();
    let twice = [&come[..1], &come[..]].concat();
    let other = [&come[..1], &[noise(2, 5000)]].concat();
    let bomb = vec![named[0]; 30_000];
    let swapped = [&named[1..2], &named[..1], &named[2..]].concat();
    let cases = [
        ("one is lacking", size, named.clone(), come[1..].to_vec(), Code::FailedPrecondition),
        ("one comes twice", size, named.clone(), twice, Code::InvalidArgument),
        ("one was not named", size, named.clone(), other, Code::InvalidArgument),
        ("one is empty", size, named.clone(), vec![Bytes::new()], Code::InvalidArgument),
        ("the size is less", size - 1, named.clone(), come.clone(), Code::InvalidArgument),
        ("they stand elsewhere", size, swapped, come.clone(), Code::DataLoss),
        ("they make more than was announced", size, bomb, come[..1].to_vec(), Code::FailedPrecondition),
    ];
    for (what, size, named, come, code) in cases {
        let refused = upload_chunks(&far, size, &library, &named, &come).await.unwrap_err();
        assert_eq!(refused.code(), code, "{what}: {refused}");
    }
    assert_eq!(far.n_files(), 0, "nothing of it is left");
    upload_chunks(&far, size, &library, &named, &come).await.unwrap();
    assert!(far.depot().get(&cofferdam_depot::digest(&library)).await.unwrap() == library);
}

#[tokio::test(flavor = "multi_thread")]
async fn h_086_whoever_sends_bytes_under_the_name_of_anothers_library_changes_nothing_of_it() {
    let far = Far::start().await;
    let (theirs, evil) = (noise(1, CHUNKED_BYTES_MIN), noise(2, CHUNKED_BYTES_MIN));
    let digest = cofferdam_depot::digest(&theirs);
    let name = digest.to_string();
    let (named, come): (Vec<_>, Vec<_>) = cofferdam_depot::cut(&theirs).into_iter().unzip();
    let (other_named, other): (Vec<_>, Vec<_>) = cofferdam_depot::cut(&evil).into_iter().unzip();
    let size = theirs.len() as u64;
    // Before it is there, and when it is: what is there already need not be looked at.
    for is_there in [false, true] {
        if is_there {
            upload_chunks(&far, size, &theirs, &named, &come).await.unwrap();
        }
        for named in [&other_named, &named] {
            let sent = upload_chunks(&far, size, &theirs, named, &other).await;
            assert!(sent.is_err() || is_there);
        }
        let sent = upload(&far, size, &name, parts(&evil)).await;
        assert!(sent.is_err() || is_there);
        assert_eq!(far.depot().contains(&digest).await.unwrap(), is_there);
    }
    assert!(far.depot().get(&digest).await.unwrap() == theirs, "who asks for it gets these bytes");
    let local = tempfile::tempdir().unwrap();
    let worker = Depot::over(far.objects(local.path(), ROOM));
    assert!(worker.get(&digest).await.unwrap() == theirs, "and so does a worker");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_builds_of_a_large_library_cost_little_more_than_one_on_the_way_and_where_they_are_kept() {
    let far = Far::start().await;
    let first = noise(1, 3 * CHUNKED_BYTES_MIN);
    let mut second = first.to_vec();
    for at in [5000, 2_000_000, 7_000_000] {
        second.splice(at..at + 100, *b"another build");
    }
    let (own, local) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let here = Depot::local(own.path()).unwrap();
    let worker = far.objects(local.path(), ROOM);
    for (bytes, most) in [(first.clone(), 103), (second.into(), 20)] {
        let digest = here.put(bytes.clone()).await.unwrap();
        let (up, down) = (far.proxy.up(), far.proxy.down());
        far.cluster().upload(&here, &digest).await.unwrap();
        assert!(Depot::over(worker.clone()).get(&digest).await.unwrap() == bytes);
        let limit = first.len() as u64 * most / 100;
        let (up, down) = (far.proxy.up() - up, far.proxy.down() - down);
        assert!(up < limit && down < limit, "{up} bytes went up and {down} down, {limit} are allowed");
    }
    let kept = far.n_bytes();
    assert!(kept < first.len() as u64 * 12 / 10, "{kept} bytes are kept");
}
