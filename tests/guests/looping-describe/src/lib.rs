//! A library that never says what it offers.

wit_bindgen::generate!({ path: "../../../wit", world: "library" });

use cofferdam::op::types::{Completion, Failure, Invocation, LibrarySpec};
use exports::cofferdam::op::ops::Guest;

struct Looping;
export!(Looping);

impl Guest for Looping {
    fn describe() -> LibrarySpec {
        loop {
            std::hint::black_box(0);
        }
    }

    fn run(_: String, _: Invocation) -> Result<Completion, Failure> {
        Ok(Completion { outputs: vec![] })
    }
}
