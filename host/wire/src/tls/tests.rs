//! Handshakes of all kinds of ends, over a loopback connection.

use std::sync::Arc;
use std::time::SystemTime;

use cofferdam_model::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::sign::SingleCertAndKey;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tonic::codegen::Service as _;

use super::*;

#[expect(clippy::disallowed_methods, reason = "handshakes read the clock too")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp(u64::try_from(since.as_millis()).unwrap())
}

/// An hour before and after now, moved by so many hours.
fn hours(shift: i64) -> std::ops::RangeInclusive<Timestamp> {
    let at = |hours: i64| Timestamp((i64::try_from(now().0).unwrap() + hours * 3_600_000).unsigned_abs());
    at(shift - 1)..=at(shift + 1)
}

fn member(authority: &Authority, valid: std::ops::RangeInclusive<Timestamp>) -> (Member, Credentials) {
    let (member, key) = (Member::draw().unwrap(), PublicKey::generate().unwrap());
    let chain = authority.sign(member, key.public(), valid).unwrap();
    (member, key.signed(chain).unwrap())
}

/// What the far end sees of who connected, or why this end did not connect.
async fn meet(authority: &Authority, shown: &Credentials, tls: Tls) -> Result<Option<Seen>, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor =
        acceptor(authority.certificate(), Arc::new(SingleCertAndKey::from(shown.certified()))).unwrap();
    let far = async {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(tcp).await.map_err(|error| error.to_string())?;
        let seen = stream.get_ref().1.peer_certificates().map(|chain| Seen::read(&chain[0]).unwrap());
        let _ = stream.read(&mut [0]).await;
        Ok(seen)
    };
    let near = async {
        let uri = "http://here".parse().unwrap();
        let made = Dial { tls, host: "127.0.0.1".to_owned(), port }.call(uri).await;
        made.map(drop).map_err(|error| error.to_string())
    };
    let (seen, made) = tokio::join!(far, near);
    made.and(seen)
}

#[tokio::test]
async fn a_scheduler_is_known_by_its_authority_and_a_worker_by_its_certificate() {
    let authority = Authority::generate().unwrap();
    let scheduler = authority.scheduler(hours(0)).unwrap();
    let to = |own| Tls::to_scheduler(authority.fingerprint(), own);
    assert_eq!(meet(&authority, &scheduler, to(None)).await, Ok(None));
    let (member, own) = member(&authority, hours(0));
    let seen = meet(&authority, &scheduler, to(Some(&own))).await.unwrap().unwrap();
    assert_eq!(seen.member, member);
    assert!(seen.valid.contains(&now()));
}

#[tokio::test]
async fn the_authority_and_credentials_are_the_same_when_they_are_read_again() {
    let authority = Authority::generate().unwrap();
    let again = Authority::from_pem(&authority.to_pem()).unwrap();
    assert_eq!(again.fingerprint(), authority.fingerprint());
    assert_eq!(again.secret("a"), authority.secret("a"));
    assert_ne!(again.secret("a"), again.secret("b"));
    let (member, own) = member(&authority, hours(0));
    let own = Credentials::from_pem(&own.to_pem()).unwrap();
    let scheduler = again.scheduler(hours(0)).unwrap();
    let seen = meet(&authority, &scheduler, Tls::to_scheduler(own.authority(), Some(&own))).await.unwrap();
    assert_eq!(seen.unwrap().member, member);
}

#[tokio::test]
async fn who_answers_with_another_authority_is_not_trusted() {
    let (authority, other) = (Authority::generate().unwrap(), Authority::generate().unwrap());
    let scheduler = other.scheduler(hours(0)).unwrap();
    let said = meet(&other, &scheduler, Tls::to_scheduler(authority.fingerprint(), None)).await.unwrap_err();
    assert_eq!(
        said,
        format!(
            "another cluster's scheduler answers there, or somebody in between: the token is for the authority {}, who answers shows {}",
            authority.fingerprint(),
            other.fingerprint()
        )
    );
    // Someone in between who shows the right authority and has no key of it.
    let forged = vec![scheduler.certified().cert[0].clone(), authority.certificate().clone()];
    let forged = Forged(Arc::new(rustls::sign::CertifiedKey::new(forged, scheduler.certified().key.clone())));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = acceptor(authority.certificate(), Arc::new(forged)).unwrap();
    let far = async { acceptor.accept(listener.accept().await.unwrap().0).await.is_err() };
    let tls = Tls::to_scheduler(authority.fingerprint(), None);
    let near = async {
        let made =
            Dial { tls, host: "127.0.0.1".to_owned(), port }.call("http://here".parse().unwrap()).await;
        made.map(drop).unwrap_err().to_string()
    };
    let (refused, said) = tokio::join!(far, near);
    assert!(refused && said.contains("refused: invalid peer certificate"), "{said}");
}

#[derive(Debug)]
struct Forged(Arc<rustls::sign::CertifiedKey>);

impl rustls::server::ResolvesServerCert for Forged {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(self.0.clone())
    }
}

#[tokio::test]
async fn h_098_a_worker_cannot_stand_for_the_scheduler_nor_for_another_worker() {
    let authority = Authority::generate().unwrap();
    let ((one, first), (other, second)) = (member(&authority, hours(0)), member(&authority, hours(0)));
    let said = meet(&authority, &first, Tls::to_scheduler(authority.fingerprint(), None)).await.unwrap_err();
    assert!(said.contains("not valid for name"), "{said}");
    let seen = meet(&authority, &first, Tls::to_member(one, &second)).await.unwrap();
    assert_eq!(seen.unwrap().member, other, "workers may call each other");
    assert!(meet(&authority, &second, Tls::to_member(one, &second)).await.is_err());
}

#[tokio::test]
async fn who_shows_a_certificate_of_another_authority_does_not_get_in() {
    let (authority, other) = (Authority::generate().unwrap(), Authority::generate().unwrap());
    let scheduler = authority.scheduler(hours(0)).unwrap();
    let (_, stranger) = member(&other, hours(0));
    let tls = Tls::to_scheduler(authority.fingerprint(), Some(&stranger));
    assert!(meet(&authority, &scheduler, tls).await.is_err());
    // The scheduler's own certificate is nobody's to call with.
    let tls = Tls::to_scheduler(authority.fingerprint(), Some(&scheduler));
    assert!(meet(&authority, &scheduler, tls).await.is_err());
}

#[tokio::test]
async fn clocks_that_differ_too_much_are_said_and_a_worker_hears_it_from_the_scheduler() {
    let authority = Authority::generate().unwrap();
    let fingerprint = authority.fingerprint();
    for shift in [-3, 3] {
        let scheduler = authority.scheduler(hours(shift)).unwrap();
        let said = meet(&authority, &scheduler, Tls::to_scheduler(fingerprint, None)).await.unwrap_err();
        let start = "the clocks of the two hosts differ too much: the certificate shown there is valid from ";
        assert!(said.starts_with(start) && said.contains(", and here it is 2"), "{said}");
    }
    let scheduler = authority.scheduler(hours(0)).unwrap();
    for shift in [-3, 3] {
        let (_, own) = member(&authority, hours(shift));
        let tls = Tls::to_scheduler(fingerprint, Some(&own));
        let seen = meet(&authority, &scheduler, tls).await.unwrap().unwrap();
        assert!(!seen.valid.contains(&now()), "it is let in as far as where words can be said");
    }
}

#[tokio::test]
async fn who_does_not_encrypt_is_told_from_who_is_not_there() {
    let authority = Authority::generate().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let far = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut tcp, b"\0\0\x12\x04\0\0\0\0\0").await.unwrap();
        let _ = tcp.read(&mut [0; 64]).await;
    };
    let tls = Tls::to_scheduler(authority.fingerprint(), None);
    let near = Dial { tls, host: "127.0.0.1".to_owned(), port }.call("http://here".parse().unwrap());
    let ((), made) = tokio::join!(far, near);
    let error = made.map(drop).unwrap_err();
    let why = error.get_ref().and_then(|why| why.downcast_ref::<Unsafe>());
    assert!(matches!(why, Some(Unsafe::NotEncrypted)), "{error}");
}

#[test]
fn what_is_damaged_is_refused_and_not_shown() {
    let authority = Authority::generate().unwrap();
    let (_, own) = member(&authority, hours(0));
    let other = Authority::generate().unwrap().to_pem();
    let swapped = |pem: &str, with: &str| {
        let (key, _) = pem.split_at(pem.find("-----BEGIN CERTIFICATE").unwrap());
        key.to_owned() + with.split_at(with.find("-----BEGIN CERTIFICATE").unwrap()).1
    };
    for text in ["", "no PEM", &authority.to_pem()[..200], &swapped(&authority.to_pem(), &other)] {
        let said = Authority::from_pem(text).unwrap_err().to_string();
        assert!(said.starts_with("it is not a "), "{said}");
        let said = Credentials::from_pem(text).unwrap_err().to_string();
        assert!(said.starts_with("it is not a "), "{said}");
    }
    assert!(Credentials::from_pem(&swapped(&other, &own.to_pem())).is_err());
    for key in [&b""[..], b"no key", &[5; 65], &[4; 64]] {
        let said = authority.sign(Member::draw().unwrap(), key, hours(0)).unwrap_err().to_string();
        assert_eq!(said, "it is not a public key of P-256");
    }
    assert!(Seen::read(&CertificateDer::from(vec![1, 2, 3])).is_err());
    assert!(Seen::read(authority.certificate()).is_err(), "it is no worker's");
}

#[test]
fn an_authority_vouches_for_a_compiled_library_and_for_no_other() {
    let (authority, other) = (Authority::generate().unwrap(), Authority::generate().unwrap());
    let (_, own) = member(&authority, hours(0));
    let signature = authority.vouch_for_artefact(b"this one").unwrap();
    assert!(own.is_vouched_artefact(b"this one", &signature));
    assert!(!own.is_vouched_artefact(b"another one", &signature));
    assert!(!own.is_vouched_artefact(b"this one", &other.vouch_for_artefact(b"this one").unwrap()));
    assert!(!own.is_vouched_artefact(b"this one", &[]));
    for at in 0..signature.len() {
        let mut flipped = signature.clone();
        flipped[at] ^= 1;
        assert!(!own.is_vouched_artefact(b"this one", &flipped), "byte {at}");
    }
}
