//! One program for all targets: `COFFERDAM_FUZZ_TARGET` names the one that libFuzzer drives.

#![no_main]

#[cfg(feature = "engine")]
mod smith;

use std::sync::LazyLock;

use cofferdam_hostile::{Target, targets};
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("COFFERDAM_FUZZ_TARGET").expect("COFFERDAM_FUZZ_TARGET names a target");
    targets().into_iter().find(|target| target.name == name).expect("COFFERDAM_FUZZ_TARGET names a target")
});

fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));

// Changed bytes are hardly ever a component that can be compiled: every other input for libraries is a generated one, made
// of more choices than it has bytes.
#[cfg(feature = "engine")]
libfuzzer_sys::fuzz_mutator!(|bytes: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if TARGET.name == "library" && seed % 2 == 0 {
        let mut state = u64::from(seed) + 1;
        let choices: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .take(8192)
        .collect();
        if let Some(made) = smith::component(&choices).filter(|made| made.len() <= max_size) {
            bytes[..made.len()].copy_from_slice(&made);
            return made.len();
        }
    }
    libfuzzer_sys::fuzzer_mutate(bytes, size, max_size)
});
