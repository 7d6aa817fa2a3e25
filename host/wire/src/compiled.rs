//! What is signed of a compiled library, the same for who signs and for who checks.

use cofferdam_model::{LibraryDigest, ValueDigest};

/// That these bytes are this library, compiled for this engine.
pub fn compiled_statement(
    library: &LibraryDigest,
    engine: &str,
    fuel: bool,
    artefact: &ValueDigest,
) -> Vec<u8> {
    // All but the last part have a length of their own, so no two statements are the same bytes.
    [&library.0[..], &artefact.0[..], &[u8::from(fuel)], engine.as_bytes()].concat()
}
