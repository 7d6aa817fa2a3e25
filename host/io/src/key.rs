//! The layout of keys (SAFETY.md, section 3d):
//!
//! ```text
//! v1/<namespace>/<run>/<blake3(step key)>/<fence>/<blake3(output name ‖ mapping key)>
//! v1/<namespace>/<run>/<blake3(step key)>/<fence>/w<number of the writer>[-<once>]
//! v1/<namespace>/imports/<blake3 of the bytes>
//! ```
//!
//! Hashes of names are shortened. The fence is in each key of an attempt, so no two attempts touch one object.

use std::fmt;

use cofferdam_model::{AttemptId, Name, RunId, ValueDigest};

use crate::Error;

/// The key of one stored value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueKey(String);

/// Version of the layout.
const VERSION: &str = "v1";
/// Hexadecimal digits that stand for a step's or an output's name: 128 bits tell the names of one run apart, and some
/// stores make one file name of a whole key.
const NAME_DIGITS: usize = 32;
/// Hexadecimal digits of a suffix for once.
const ONCE_DIGITS: usize = 16;

impl ValueKey {
    /// Key of an output whose bytes the op gave with its completion.
    pub fn output(namespace: &Name, attempt: &AttemptId, output: &Name, key: Option<&Name>) -> ValueKey {
        let mut hasher = blake3::Hasher::new();
        hasher.update(output.as_str().as_bytes());
        // Names hold no zero byte, so no other pair gives these bytes.
        hasher.update(&[0]);
        hasher.update(key.map_or("", Name::as_str).as_bytes());
        let hash = hasher.finalize().to_hex();
        ValueKey(format!("{}/{}", attempt_prefix(namespace, attempt), &hash[..NAME_DIGITS]))
    }

    /// Key of what an attempt streams through its writer of that number: which output it will be is not
    /// known before the op completes.
    pub fn streamed(namespace: &Name, attempt: &AttemptId, writer: u32) -> ValueKey {
        ValueKey(format!("{}/w{writer}", attempt_prefix(namespace, attempt)))
    }

    /// The same key with a suffix that no other call gives: two processes that serve one attempt, one after the
    /// other, do not touch one object.
    pub(crate) fn once(self) -> ValueKey {
        // Its last digits are random; the first ones are the time.
        let once = uuid::Uuid::now_v7().simple().to_string();
        ValueKey(format!("{self}-{}", &once[once.len() - ONCE_DIGITS..]))
    }

    /// The run whose attempt wrote the value; none for an import.
    pub fn run(&self) -> Option<RunId> {
        self.0.split('/').nth(2)?.parse().ok().map(RunId)
    }

    /// Key of an imported file.
    pub fn import(namespace: &Name, digest: &ValueDigest) -> ValueKey {
        ValueKey(format!("{VERSION}/{namespace}/imports/{}", digest.hex()))
    }

    /// The digest that an imported value has, by its key.
    pub fn imported(&self) -> Option<ValueDigest> {
        let (folder, digest) = self.0.rsplit_once('/')?;
        folder.ends_with("/imports").then(|| format!("blake3:{digest}").parse().ok())?
    }

    /// Whether the key was made for one writer: nobody else knows it before the value is committed.
    pub fn is_for_once(&self) -> bool {
        let last = self.0.rsplit('/').next().unwrap_or_default();
        last.strip_prefix('w')
            .and_then(|rest| rest.split_once('-'))
            .is_some_and(|(writer, once)| writer.parse::<u32>().is_ok() && once.len() == ONCE_DIGITS)
    }

    /// Takes a key from a [`cofferdam_model::Place::Stored`]. Fails unless it has the form of our keys, so
    /// that a forged one cannot lead out of the store.
    pub fn parse(text: &str) -> Result<ValueKey, Error> {
        let mut parts = text.split('/');
        let legal = |part: &str| {
            !part.is_empty()
                && part.len() <= 128
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '#'))
        };
        if parts.next() == Some(VERSION) && (4..=6).contains(&text.split('/').count()) && parts.all(legal) {
            return Ok(ValueKey(text.to_owned()));
        }
        Err(Error::InvalidKey { key: text.chars().take(200).collect() })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ValueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn attempt_prefix(namespace: &Name, attempt: &AttemptId) -> String {
    let step = blake3::hash(attempt.step.as_str().as_bytes()).to_hex();
    format!("{VERSION}/{namespace}/{}/{}/{}", attempt.run, &step[..NAME_DIGITS], attempt.fence)
}

#[cfg(test)]
mod tests {
    use cofferdam_model::{Fence, StepKey};

    use super::*;

    fn attempt(fence: u64) -> AttemptId {
        AttemptId {
            run: RunId("01890000-0000-7000-8000-000000000001".parse().unwrap()),
            step: StepKey::new("outer.clean[jan]"),
            attempt: 1,
            fence: Fence(fence),
        }
    }

    #[test]
    fn keys_of_two_attempts_never_meet() {
        let (space, name) = (Name::new("default").unwrap(), Name::result());
        let key = |fence, mapping: Option<&Name>| ValueKey::output(&space, &attempt(fence), &name, mapping);
        assert_ne!(key(1, None), key(2, None));
        assert_ne!(key(1, None), key(1, Some(&name)));
        assert_ne!(ValueKey::streamed(&space, &attempt(1), 0), ValueKey::streamed(&space, &attempt(2), 0));
        assert!(key(7, None).as_str().starts_with("v1/default/01890000-0000-7000-8000-000000000001/"));
        assert_eq!(key(7, None).as_str().split('/').nth(4), Some("7"));
    }

    #[test]
    fn a_key_tells_the_run_that_wrote_it_and_a_key_for_once_differs_each_time() {
        let (space, attempt) = (Name::new("default").unwrap(), attempt(1));
        let key = ValueKey::streamed(&space, &attempt, 0);
        let (one, other) = (key.clone().once(), key.once());
        assert_ne!(one, other);
        assert_eq!(ValueKey::parse(one.as_str()).unwrap().run(), Some(attempt.run));
        assert_eq!(ValueKey::import(&space, &ValueDigest([1; 32])).run(), None);
    }

    #[test]
    fn a_forged_key_is_refused() {
        let space = Name::new("default").unwrap();
        for good in
            [ValueKey::streamed(&space, &attempt(1), 3), ValueKey::import(&space, &ValueDigest([1; 32]))]
        {
            assert_eq!(ValueKey::parse(good.as_str()).unwrap(), good);
        }
        for bad in [
            "",
            "v1",
            "v2/a/b/c",
            "v1/a/../c",
            "/etc/passwd",
            "v1/a//c",
            "v1/a/imports/x.y",
            "v1/a/b/c/d/e/f",
        ] {
            assert!(ValueKey::parse(bad).is_err(), "{bad}");
        }
    }
}
