//! The guest compiler as its users see it: how to tell cargo to use it.

use std::path::PathBuf;
use std::process::Command;

/// The target of guests.
pub const TARGET: &str = "wasm32-wasip2";

/// Flags for guests. 128-bit SIMD makes array code three times as fast.
///
/// The heap begins with 256 KiB, beyond the crate's own data however large that is: memory that grows while an
/// attempt runs has to be protected again after it, three `mprotect` for the two growths of a small op, which
/// made a fresh attempt cost 25 µs instead of 17. A heap that begins with 1 MiB measured no better (its pages are
/// looked through for dirty ones after each attempt).
pub const RUSTFLAGS: &str = "-C target-feature=+simd128 -C link-arg=--initial-heap=262144";

/// Added to [`RUSTFLAGS`] for a crate that asks for it: results of such code differ in the last bits from those of its
/// native tests, so it is nobody's default.
pub(super) const RELAXED_SIMD: &str = " -C target-feature=+relaxed-simd";

/// What cargo would let override the settings made here. `RUSTC_WORKSPACE_WRAPPER` and the rest come from people's
/// own environments and mean their host builds.
const REMOVED: [&str; 8] = [
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
];

/// A compiler that has std for [`TARGET`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestToolchain {
    /// The compiler for cargo's `RUSTC`; `None` is the one that cargo takes by itself.
    pub rustc: Option<PathBuf>,
    /// Where it comes from, in words, for `doctor` and for logs.
    pub description: String,
}

impl GuestToolchain {
    /// Sets the environment of a cargo command that builds for [`TARGET`] (the caller adds `--target`).
    pub fn configure(&self, cargo: &mut Command) {
        for name in REMOVED {
            cargo.env_remove(name);
        }
        cargo.env("RUSTFLAGS", RUSTFLAGS);
        match &self.rustc {
            Some(rustc) => cargo.env("RUSTC", rustc),
            None => cargo.env_remove("RUSTC"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn cargo_gets_the_compiler_and_the_flags_and_nothing_that_overrides_them() {
        let toolchain = GuestToolchain { rustc: Some("/opt/rustc".into()), description: String::new() };
        let mut cargo = Command::new("cargo");
        cargo.env("RUSTC_WRAPPER", "sccache").env("CARGO_ENCODED_RUSTFLAGS", "-Copt-level=0");
        toolchain.configure(&mut cargo);
        let value = |name: &str| cargo.get_envs().find(|(key, _)| *key == name).and_then(|(_, value)| value);
        assert_eq!(value("RUSTC"), Some(OsStr::new("/opt/rustc")));
        assert_eq!(value("RUSTFLAGS"), Some(OsStr::new(RUSTFLAGS)));
        assert_eq!(value("RUSTC_WRAPPER"), None);
        assert_eq!(value("CARGO_ENCODED_RUSTFLAGS"), None);
    }
}
