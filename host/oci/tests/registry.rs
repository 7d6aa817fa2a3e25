//! Against a real registry, and beside another program that speaks to one.

use bytes::Bytes;
use cofferdam_kit::registry::{self, oras};
use cofferdam_oci::{Artifact, Error, Interface, Login, Reference, Registry, Version};

fn artifact(component: &str, signatures: &[&str]) -> Artifact {
    Artifact {
        component: Bytes::copy_from_slice(component.as_bytes()),
        interface: Interface { exports: vec![], imports: vec!["wasi:io/streams@0.2.0".to_owned()] },
        signatures: signatures.iter().map(|&text| text.to_owned()).collect(),
    }
}

fn at(registry: &registry::Registry, rest: &str) -> Reference {
    format!("{}/{rest}", registry.address).parse().unwrap()
}

fn open(reference: &Reference) -> Registry {
    Registry::open(reference, None, false).unwrap()
}

#[tokio::test]
async fn d6_what_is_pushed_to_a_registry_comes_back_by_its_tag_and_by_its_digest_with_all_signatures() {
    let server = registry::Registry::start();
    let tag = at(&server, "team/clean:1.0");
    let first = artifact("a component", &["by me"]);
    let digest = open(&tag).push(&first).await.unwrap();
    let second = Artifact { signatures: vec!["by you".to_owned()], ..first.clone() };
    assert_eq!(open(&tag).push(&second).await.unwrap(), digest, "a signature leaves the digest as it is");
    open(&tag).push(&first).await.unwrap();
    for version in [tag.version.clone(), Version::Digest(digest)] {
        let held = open(&Reference { version, ..tag.clone() }).pull().await.unwrap();
        assert_eq!((held.digest, &held.component), (digest, &first.component));
        assert_eq!(held.signatures, ["by me", "by you"]);
    }
    let other = open(&tag).push(&artifact("another component", &[])).await.unwrap();
    let held = open(&tag).pull().await.unwrap();
    assert_eq!((held.digest, held.signatures.len()), (other, 0), "the tag has moved on");
    let absent = open(&at(&server, "team/absent:1.0")).pull().await.unwrap_err();
    assert!(matches!(&absent, Error::NotFound(_)), "{absent}");
}

#[tokio::test]
async fn d6_other_tools_pull_what_we_push_and_we_pull_what_they_push() {
    let server = registry::Registry::start();
    let folder = tempfile::tempdir().unwrap();
    let ours = at(&server, "team/ours:1");
    open(&ours).push(&artifact("our component", &["by me"])).await.unwrap();
    let pull = format!(
        "import oras.client\n\
         oras.client.OrasClient(insecure=True).pull(target='{ours}', outdir='pulled')\n"
    );
    oras(folder.path(), &pull);
    let pulled = std::fs::read(folder.path().join("pulled/library.wasm")).unwrap();
    assert_eq!(pulled, b"our component");

    let theirs = at(&server, "team/theirs:1");
    std::fs::write(folder.path().join("their.wasm"), "their component").unwrap();
    std::fs::write(folder.path().join("config.json"), "{}").unwrap();
    let push = format!(
        "import oras.client\n\
         oras.client.OrasClient(insecure=True).push(target='{theirs}', files=['their.wasm:application/wasm'], \
         manifest_config='config.json:application/vnd.wasm.config.v0+json')\n"
    );
    oras(folder.path(), &push);
    assert_eq!(open(&theirs).pull().await.unwrap().component, "their component");
}

#[tokio::test]
async fn d6_what_was_damaged_in_the_registry_is_refused() {
    use sha2::Digest as _;
    let server = registry::Registry::start();
    let tag = at(&server, "team/clean:1");
    let digest = open(&tag).push(&artifact("a component", &[])).await.unwrap();
    let component = cofferdam_model::LibraryDigest(sha2::Sha256::digest("a component").into()).to_string();
    let blob = server.blob(&component);
    std::fs::write(&blob, "A component").unwrap();
    let refused = open(&tag).pull().await.unwrap_err().to_string();
    assert!(refused.contains(&component) && refused.contains("it is damaged"), "{refused}");
    std::fs::write(&blob, "a component").unwrap();
    open(&tag).pull().await.unwrap();
    let manifest = server.blob(&digest.to_string());
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("library.wasm", "brary_li.wasm")).unwrap();
    let pinned = Reference { version: Version::Digest(digest), ..tag };
    let refused = open(&pinned).pull().await.unwrap_err().to_string();
    assert!(refused.contains(&digest.to_string()) || refused.contains("answers 500"), "{refused}");
}

#[tokio::test]
async fn a_login_opens_what_is_closed_and_another_is_refused_without_showing_it() {
    let server = registry::Registry::start_with_login();
    let tag = at(&server, "team/clean:1");
    let library = artifact("a component", &[]);
    let with = |login: &str| Registry::open(&tag, Some(login.parse().ok().unwrap()), false).unwrap();
    with("me:secret").push(&library).await.unwrap();
    assert_eq!(with("me:secret").pull().await.unwrap().component, library.component);
    for login in [None, Some("me:wr0ng"), Some("s0metoken")] {
        let login: Option<Login> = login.map(|text| text.parse().ok().unwrap());
        let closed = Registry::open(&tag, login, false).unwrap();
        for refused in [closed.pull().await.unwrap_err(), closed.push(&library).await.unwrap_err()] {
            assert!(matches!(&refused, Error::Denied { .. }), "{refused}");
            let said = format!("{refused} {refused:?}");
            assert!(!said.contains("wr0ng") && !said.contains("s0metoken"), "{said}");
        }
    }
}
