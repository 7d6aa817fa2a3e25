//! A repository of a registry, over the distribution API of OCI: what is lacking is sent, what is read is verified. The login
//! goes to the registry and to whom that names for tokens, over nothing that others can read.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use url::Url;

use crate::artifact::{SIGNATURES_MAX, component, signature};
use crate::login::{Challenge, bearer};
use crate::manifest::{
    Descriptor, INDEX, Index, MANIFEST, MANIFEST_BYTES_MAX, Manifest, SIGNATURE, read, write,
};
use crate::reference::is_local;
use crate::{Artifact, Digest, Error, Held, Login, Reference, Version, digest};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time in which something must come; a large component may take as long as it comes.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Redirects of one request: registries send readers on to where blobs are.
const REDIRECTS_MAX: usize = 5;
/// Bytes of an answer that is not a blob or a manifest: a token, or what went wrong.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// Of those the bytes that a message shows.
const SAID_BYTES_MAX: usize = 300;
/// A registry that has this header in its answer lists what is about an artifact by itself.
const LISTS_SUBJECTS: &str = "oci-subject";

/// One repository.
pub struct Registry {
    client: Client,
    reference: Reference,
    /// `https://HOST/v2/REPOSITORY/`
    base: Url,
    login: Option<Login>,
    /// What the registry was last content with.
    authorization: Mutex<Option<HeaderValue>>,
    plain_http: bool,
}

/// What is sent with a request.
#[derive(Clone, Default)]
struct Sent {
    body: Bytes,
    /// Media type of the body.
    content: Option<&'static str>,
    /// Media type of the answer.
    accept: Option<&'static str>,
}

#[derive(Deserialize)]
struct TokenReply {
    token: Option<String>,
    access_token: Option<String>,
}

impl Registry {
    /// The repository that a reference names; connects to nothing yet. Without encryption only on this host, or if
    /// `plain_http` is asked for.
    pub fn open(reference: &Reference, login: Option<Login>, plain_http: bool) -> Result<Registry, Error> {
        let is_plain = plain_http || reference.is_local();
        let scheme = if is_plain { "http" } else { "https" };
        let base = format!("{scheme}://{}/v2/{}/", reference.host, reference.repository);
        let base = Url::parse(&base).expect("the parts of a reference make a URL");
        let client = client(plain_http)?;
        let (reference, authorization) = (reference.clone(), Mutex::default());
        Ok(Registry { client, reference, base, login, authorization, plain_http })
    }

    /// Sends a library and puts the tag of the reference on it; the digest of its manifest.
    pub async fn push(&self, artifact: &Artifact) -> Result<Digest, Error> {
        let packed = artifact.pack();
        for (descriptor, bytes) in &packed.blobs {
            self.push_blob(descriptor, bytes).await?;
        }
        let [(library, bytes), signatures @ ..] = packed.manifests.as_slice() else {
            unreachable!("a library has a manifest")
        };
        self.put_manifest(&self.reference.version.to_string(), MANIFEST, bytes).await?;
        for (descriptor, bytes) in signatures {
            let listed = self.put_manifest(&descriptor.digest.to_string(), MANIFEST, bytes).await?;
            if !listed {
                self.list(descriptor, &library.digest).await?;
            }
        }
        Ok(library.digest)
    }

    /// The library of the reference, with the signatures that the registry has for it.
    pub async fn pull(&self) -> Result<Held, Error> {
        let what = format!("`{}`", self.reference);
        let bytes = self.manifest(&self.reference.version).await?;
        let bytes = bytes.ok_or_else(|| Error::NotFound(self.reference.clone()))?;
        let digest = digest(&bytes);
        let manifest: Manifest = read(&what, &bytes)?;
        let component = self.blob(component(&what, &manifest)?).await?;
        Ok(Held { digest, component, signatures: self.signatures(&digest).await? })
    }

    async fn signatures(&self, subject: &Digest) -> Result<Vec<String>, Error> {
        let listed = self.about(subject).await?.manifests.into_iter();
        let listed = listed.filter(|one| one.artifact_type.as_deref() == Some(SIGNATURE));
        let mut found = vec![];
        for descriptor in listed.take(SIGNATURES_MAX) {
            let what = format!("signature {}", descriptor.digest);
            // A list may name what was deleted.
            let Some(bytes) = self.manifest(&Version::Digest(descriptor.digest)).await? else { continue };
            let manifest: Manifest = read(&what, &bytes)?;
            if let Some(layer) = signature(&what, &manifest, subject)? {
                found.push(String::from_utf8_lossy(&self.blob(layer).await?).into_owned());
            }
        }
        Ok(found)
    }

    /// What is about an artifact: from a registry that lists it by itself, else from the tag that stands for that.
    async fn about(&self, subject: &Digest) -> Result<Index, Error> {
        let what = format!("the list of what is about {subject}");
        let sent = Sent { accept: Some(INDEX), ..Sent::default() };
        let answer =
            self.send("look at", Method::GET, self.at(&format!("referrers/{subject}")), &sent).await?;
        let bytes = match answer.status() {
            StatusCode::NOT_FOUND => self.manifest_as(&Version::Tag(listing_tag(subject)), INDEX).await?,
            _ => Some(self.whole(self.good("look at", answer).await?, &what, MANIFEST_BYTES_MAX).await?),
        };
        bytes.map_or_else(|| Ok(Index::new(vec![])), |bytes| read(&what, &bytes))
    }

    /// Lists an artifact about another where the registry does not.
    async fn list(&self, descriptor: &Descriptor, subject: &Digest) -> Result<(), Error> {
        let tag = listing_tag(subject);
        let mut index = self.about(subject).await?;
        if !index.manifests.iter().any(|listed| listed.digest == descriptor.digest) {
            index.manifests.push(descriptor.clone());
            self.put_manifest(&tag, INDEX, &write(&Index::new(index.manifests))).await?;
        }
        Ok(())
    }

    async fn push_blob(&self, descriptor: &Descriptor, bytes: &Bytes) -> Result<(), Error> {
        let blob = self.at(&format!("blobs/{}", descriptor.digest));
        let there = self.send("look at", Method::HEAD, blob, &Sent::default()).await?;
        if there.status().is_success() {
            return Ok(());
        }
        let uploads = self.at("blobs/uploads/");
        let begun = self.send("push to", Method::POST, uploads.clone(), &Sent::default()).await?;
        let begun = self.good("push to", begun).await?;
        let location = begun.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let to = location.and_then(|location| uploads.join(location).ok());
        let mut to = to.ok_or_else(|| self.refused("push to", &begun, "it does not say where to"))?;
        to.query_pairs_mut().append_pair("digest", &descriptor.digest.to_string());
        let sent = Sent { body: bytes.clone(), content: Some("application/octet-stream"), accept: None };
        let put = self.send("push to", Method::PUT, to, &sent).await?;
        self.good("push to", put).await.map(drop)
    }

    /// Whether the registry lists by itself what the manifest is about.
    async fn put_manifest(&self, name: &str, media_type: &'static str, bytes: &Bytes) -> Result<bool, Error> {
        let sent = Sent { body: bytes.clone(), content: Some(media_type), accept: None };
        let put = self.send("push to", Method::PUT, self.at(&format!("manifests/{name}")), &sent).await?;
        Ok(self.good("push to", put).await?.headers().contains_key(LISTS_SUBJECTS))
    }

    async fn manifest(&self, version: &Version) -> Result<Option<Bytes>, Error> {
        self.manifest_as(version, MANIFEST).await
    }

    /// A manifest of that kind, if there is one; of a digest these bytes.
    async fn manifest_as(&self, version: &Version, kind: &'static str) -> Result<Option<Bytes>, Error> {
        let what = format!("the manifest `{version}`");
        let sent = Sent { accept: Some(kind), ..Sent::default() };
        let got =
            self.send("pull from", Method::GET, self.at(&format!("manifests/{version}")), &sent).await?;
        if got.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let bytes = self.whole(self.good("pull from", got).await?, &what, MANIFEST_BYTES_MAX).await?;
        match version {
            Version::Digest(wanted) if digest(&bytes) != *wanted => {
                Err(Error::Damaged { what, found: digest(&bytes) })
            }
            _ => Ok(Some(bytes)),
        }
    }

    /// The bytes that a descriptor says; its size was looked at.
    async fn blob(&self, descriptor: &Descriptor) -> Result<Bytes, Error> {
        let what = format!("{} from `{}`", descriptor.digest, self.reference);
        let blob = self.at(&format!("blobs/{}", descriptor.digest));
        let got = self.send("pull from", Method::GET, blob, &Sent::default()).await?;
        let bytes = self.whole(self.good("pull from", got).await?, &what, descriptor.size).await?;
        descriptor.verify(&what, bytes)
    }

    /// The whole body of an answer, if it has at most so many bytes.
    async fn whole(&self, mut answer: Response, what: &str, max: u64) -> Result<Bytes, Error> {
        let mut bytes = BytesMut::new();
        while let Some(part) = answer.chunk().await.map_err(|error| self.unreachable("read from", error))? {
            bytes.extend_from_slice(&part);
            if bytes.len() as u64 > max {
                let (what, size) = (what.to_owned(), bytes.len() as u64);
                return Err(Error::TooLarge { what, size, max });
            }
        }
        Ok(bytes.freeze())
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        url
    }

    /// Asks, and once more with what the registry then asks for.
    async fn send(
        &self,
        doing: &'static str,
        method: Method,
        to: Url,
        sent: &Sent,
    ) -> Result<Response, Error> {
        let answer = self.ask(doing, method.clone(), to.clone(), sent).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let challenges = answer.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenge = challenges.filter_map(|value| value.to_str().ok()).find_map(Challenge::read);
        match self.answer_to(doing, challenge).await? {
            true => self.ask(doing, method, to, sent).await,
            false => Ok(answer),
        }
    }

    async fn ask(
        &self,
        doing: &'static str,
        method: Method,
        to: Url,
        sent: &Sent,
    ) -> Result<Response, Error> {
        self.check(&to)?;
        let is_own = to.origin() == self.base.origin();
        let mut request = self.client.request(method, to).body(sent.body.clone());
        if let Some(media_type) = sent.content {
            request = request.header(CONTENT_TYPE, media_type);
        }
        if let Some(media_type) = sent.accept {
            request = request.header(ACCEPT, media_type);
        }
        let known = self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|_| is_own) {
            request = request.header(AUTHORIZATION, known);
        }
        request.send().await.map_err(|error| self.unreachable(doing, error))
    }

    /// Does what the registry asks for before it answers; whether there was something to do.
    async fn answer_to(&self, doing: &'static str, challenge: Option<Challenge>) -> Result<bool, Error> {
        let value = match (challenge, &self.login) {
            (Some(_), Some(Login::Bearer(token))) => token.clone(),
            (Some(Challenge::Basic), Some(login @ Login::Basic { .. })) => {
                let request = login.basic(self.client.get(self.base.clone())).build();
                let request = request.map_err(|error| self.unreachable(doing, error))?;
                request.headers().get(AUTHORIZATION).cloned().expect("a login is put into that header")
            }
            (Some(Challenge::Bearer { realm, service, scope }), login) => {
                self.token(doing, &realm, service, scope, login.as_ref()).await?
            }
            (Some(Challenge::Basic), None) | (None, _) => return Ok(false),
        };
        let mut known = self.authorization.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = known.as_ref() != Some(&value);
        *known = Some(value);
        Ok(is_new)
    }

    /// A token from whom the registry names, for what it says.
    async fn token(
        &self,
        doing: &'static str,
        realm: &str,
        service: Option<String>,
        scope: Option<String>,
        login: Option<&Login>,
    ) -> Result<HeaderValue, Error> {
        let denied = |said: &str| self.denied(doing, said.to_owned());
        let mut realm = Url::parse(realm).map_err(|_| denied("it says no URL where tokens are to be had"))?;
        self.check(&realm)?;
        let scope = scope.unwrap_or_else(|| format!("repository:{}:pull,push", self.reference.repository));
        realm.query_pairs_mut().append_pair("scope", &scope);
        if let Some(service) = service {
            realm.query_pairs_mut().append_pair("service", &service);
        }
        let request = self.client.get(realm);
        let request = match login {
            Some(login) => login.basic(request),
            None => request,
        };
        let answer = request.send().await.map_err(|error| self.unreachable("get a token for", error))?;
        let answer = self.good("get a token for", answer).await?;
        let bytes = self.whole(answer, "a token", ANSWER_BYTES_MAX).await?;
        let reply: Option<TokenReply> = serde_json::from_slice(&bytes).ok();
        let token = reply.and_then(|reply| reply.token.or(reply.access_token));
        token.and_then(|token| bearer(&token)).ok_or_else(|| denied("it answers without a token"))
    }

    /// Refuses to send anything where others can read it.
    fn check(&self, to: &Url) -> Result<(), Error> {
        match may_send(to, self.plain_http) {
            true => Ok(()),
            false => Err(Error::Plain { place: to.host_str().unwrap_or_default().to_owned() }),
        }
    }

    /// An answer that says that it was done.
    async fn good(&self, doing: &'static str, answer: Response) -> Result<Response, Error> {
        match answer.status() {
            status if status.is_success() => Ok(answer),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(self.denied(doing, self.said(answer).await))
            }
            status => {
                let (status, place) = (status.as_u16(), self.place());
                Err(Error::Refused { doing, place, status, said: self.said(answer).await })
            }
        }
    }

    /// The start of what a registry says about what went wrong.
    async fn said(&self, answer: Response) -> String {
        let bytes = self.whole(answer, "an answer", ANSWER_BYTES_MAX).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let text: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        text[..text.floor_char_boundary(SAID_BYTES_MAX)].to_owned()
    }

    fn place(&self) -> String {
        format!("`{}/{}`", self.reference.host, self.reference.repository)
    }

    fn denied(&self, doing: &'static str, said: String) -> Error {
        Error::Denied { doing, place: self.place(), said }
    }

    fn refused(&self, doing: &'static str, answer: &Response, said: &str) -> Error {
        let status = answer.status().as_u16();
        Error::Refused { doing, place: self.place(), status, said: said.to_owned() }
    }

    /// Without the URL, which may hold what gives access.
    fn unreachable(&self, doing: &'static str, error: reqwest::Error) -> Error {
        Error::Unreachable { doing, place: self.place(), source: error.without_url() }
    }
}

/// The tag that stands for the list of what is about an artifact.
fn listing_tag(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}

fn may_send(to: &Url, plain_http: bool) -> bool {
    match to.scheme() {
        "https" => true,
        "http" => plain_http || to.host_str().is_some_and(is_local),
        _ => false,
    }
}

fn client(plain_http: bool) -> Result<Client, Error> {
    // It fails if another provider was installed before, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let follow = Policy::custom(move |attempt| match attempt.previous().len() > REDIRECTS_MAX {
        true => attempt.error("it sends on and on"),
        false if !may_send(attempt.url(), plain_http) => {
            attempt.error("it sends on to where nothing is encrypted")
        }
        false => attempt.follow(),
    });
    let client = Client::builder()
        .redirect(follow)
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(SILENCE_MAX)
        .user_agent(concat!("cofferdam/", env!("CARGO_PKG_VERSION")))
        .build();
    client.map_err(Error::Client)
}
