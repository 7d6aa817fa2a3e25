//! Objects from other workers where connections are encrypted: who is let in, and until when.

use std::time::Duration;

use cofferdam_client::Whom;
use cofferdam_wire::tls::{Authority, Credentials, Member, PublicKey, Seen, Tls};
use cofferdam_wire::v1::peers_client::PeersClient;
use cofferdam_wire::v1::{Holder, Part, PeerRequest};
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use crate::far::{Far, Proxy, ROOM, key, noise, store};
use crate::members::{DAY, encrypted, enrol, with_token};
use crate::peers::{MIB, are_known, join, put, read};

/// How long a worker may go on that was cut off.
const CUT_OFF_WITHIN: Duration = Duration::from_secs(5);

fn connect(address: &str, tls: Option<Tls>) -> Channel {
    cofferdam_wire::connect(address, tls).unwrap()
}

fn member_of(own: &Credentials) -> Member {
    Seen::read(&own.certified().cert[0]).unwrap().member
}

/// The value that the ticket is for.
async fn open(channel: &Channel, holder: &Holder) -> Result<Streaming<Part>, Status> {
    let request = PeerRequest { key: key(1).to_string(), start: 0, ticket: holder.ticket.clone() };
    PeersClient::new(channel.clone()).fetch(request).await.map(|parts| parts.into_inner())
}

async fn fetch(channel: &Channel, holder: &Holder) -> Result<(), Status> {
    let mut parts = open(channel, holder).await?;
    while parts.message().await?.is_some() {}
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_workers_give_each_other_nobody_on_the_way_reads_and_only_members_get() {
    let far = encrypted(DAY).await;
    let maker = join(&far).await;
    let bytes = noise(1, 4 * MIB);
    let value = put(&maker.objects, 1, &bytes).await;
    let holder = are_known(&far, 1, 1).await.remove(0);
    let maker_is: Member = holder.member.parse().unwrap();
    // Somebody who reads stands between the two.
    let between = Proxy::start(maker.address).await;
    let address = between.address.to_string();
    let own = enrol(with_token(&far)).await.unwrap();
    fetch(&connect(&address, Some(Tls::to_member(maker_is, &own))), &holder).await.unwrap();
    assert!(between.down() > 4 * MIB as u64 && !between.has_read(&bytes[100..200]));
    // A ticket alone opens nothing, nor does the certificate of another cluster.
    let said = fetch(&connect(&address, None), &holder).await.unwrap_err();
    assert!(format!("{said:?}").contains("takes encrypted connections from members"), "{said:?}");
    let no_certificate = Tls::to_scheduler(own.authority(), None);
    fetch(&connect(&address, Some(no_certificate)), &holder).await.unwrap_err();
    let (stranger, public) = (Authority::generate().unwrap(), PublicKey::generate().unwrap());
    let seen = Seen::read(&own.certified().cert[0]).unwrap();
    let chain = stranger.sign(seen.member, public.public(), seen.valid).unwrap();
    let forged = public.signed(chain).unwrap();
    fetch(&connect(&address, Some(Tls::to_member(maker_is, &forged))), &holder).await.unwrap_err();
    // Who answers must be the one that was named.
    fetch(&connect(&address, Some(Tls::to_member(seen.member, &own))), &holder).await.unwrap_err();
    // Who has the token and no certificate goes to the scheduler.
    let local = tempfile::tempdir().unwrap();
    let reader = far.objects(local.path(), ROOM);
    assert!(read(&store(&reader), &value).await == bytes);
    assert_eq!((reader.traffic().from_peers, reader.traffic().from_scheduler), (0, 4 * MIB as u64));
    // A worker comes to the maker itself.
    let reader = join(&far).await;
    assert!(read(&store(&reader.objects), &value).await == bytes);
    assert_eq!(reader.objects.traffic().from_peers, 4 * MIB as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_revoked_gets_nothing_more_from_workers_whatever_it_has_opened() {
    let far = encrypted(DAY).await;
    let maker = join(&far).await;
    put(&maker.objects, 1, &noise(1, 40 * MIB)).await;
    let holder = are_known(&far, 1, 1).await.remove(0);
    let own = enrol(with_token(&far)).await.unwrap();
    let address = maker.address.to_string();
    let dial = || connect(&address, Some(Tls::to_member(holder.member.parse().unwrap(), &own)));
    let channel = dial();
    let mut under_way = open(&channel, &holder).await.unwrap();
    under_way.message().await.unwrap().unwrap();
    far.cluster().revoke(Whom::Member(member_of(&own).to_string())).await.unwrap();
    let cut = async {
        while fetch(&channel, &holder).await.is_ok() {}
        // What was under way ends too: more of it is missing than the network holds.
        while under_way.message().await?.is_some() {}
        Ok::<(), Status>(())
    };
    tokio::time::timeout(CUT_OFF_WITHIN, cut).await.expect("it is cut off").unwrap_err();
    let refused = fetch(&dial(), &holder).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().contains("was cut off by `cofferdam revoke`"), "{refused}");
    // Also by a worker that joins afterwards.
    let second = join(&far).await;
    put(&second.objects, 2, &noise(2, MIB)).await;
    let holder = are_known(&far, 2, 1).await.remove(0);
    let channel =
        connect(&second.address.to_string(), Some(Tls::to_member(holder.member.parse().unwrap(), &own)));
    assert_eq!(fetch(&channel, &holder).await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_were_renewed_are_shown_and_taken_between_workers() {
    const LIFE: Duration = Duration::from_secs(4);
    let far: Far = encrypted(LIFE).await;
    let (maker, reader) = (join(&far).await, join(&far).await);
    for fence in [1, 2] {
        let bytes = noise(fence, MIB);
        let value = put(&maker.objects, fence, &bytes).await;
        are_known(&far, fence, 1).await;
        assert!(read(&store(&reader.objects), &value).await == bytes);
        assert_eq!(reader.objects.traffic().from_peers, fence * MIB as u64);
        // The certificates of before hold no more then.
        tokio::time::sleep(LIFE + Duration::from_secs(1)).await;
    }
}
