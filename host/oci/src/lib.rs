//! Libraries as OCI artifacts, as the WebAssembly community packs them: in a registry, or in a bundle, which is an OCI image
//! layout in one file. What is read from either has been compared with its digest, and held to a bound, before it is given
//! out. Knows nothing of projects, of the depot, or of what a signature says.

mod artifact;
mod bundle;
mod error;
mod login;
mod manifest;
mod reference;
mod registry;

pub use artifact::{Artifact, Held, Interface};
pub use bundle::{Bundle, write_bundle};
pub use error::Error;
pub use login::{InvalidLogin, Login};
pub use reference::{InvalidReference, Reference, Version};
pub use registry::Registry;

/// SHA-256 of anything: in OCI it has the form that the digests of libraries have.
pub type Digest = cofferdam_model::LibraryDigest;

fn digest(bytes: &[u8]) -> Digest {
    use sha2::Digest as _;
    cofferdam_model::LibraryDigest(sha2::Sha256::digest(bytes).into())
}
