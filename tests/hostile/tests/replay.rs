//! The kept inputs of each target and thousands of changed ones, on every run of the tests. What libFuzzer has found is
//! among the kept ones, so that it cannot come back.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use cofferdam_hostile::{Target, targets};

/// Changed inputs per target.
const CHANGED: usize = 3000;
/// Longest input.
const INPUT_BYTES_MAX: usize = 4096;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

fn kept(target: Target) -> Vec<Vec<u8>> {
    let folder = corpus().join(target.name);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// xorshift: the same inputs each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        const TELLING: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'\n', b'['];
        match self.below(3) {
            0 => TELLING[self.below(TELLING.len())],
            _ => u8::try_from(self.below(256)).unwrap(),
        }
    }

    fn span(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        start..start + self.below((length - start).min(64) + 1)
    }

    /// One small change, or the end of another input after the start of this one.
    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(bytes.len() + 1);
        match self.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.byte(),
            2 => bytes.insert(at, self.byte()),
            3 => drop(bytes.drain(self.span(bytes.len()))),
            4 => {
                let again = bytes[self.span(bytes.len())].to_vec();
                drop(bytes.splice(at..at, again));
            }
            _ => {
                bytes.truncate(at);
                bytes.extend_from_slice(&other[self.below(other.len() + 1)..]);
            }
        }
        bytes.truncate(INPUT_BYTES_MAX);
    }
}

/// Says which input it was, if it ends by a panic; also one on another thread.
fn run(target: Target, input: &[u8]) {
    static PANICKED: AtomicBool = AtomicBool::new(false);
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICKED.store(true, Ordering::SeqCst);
            shown(panic);
        }));
    });
    let ended = std::panic::catch_unwind(|| (target.run)(input));
    assert!(
        ended.is_ok() && !PANICKED.load(Ordering::SeqCst),
        "the target `{}` broke on {:?}",
        target.name,
        input.escape_ascii().to_string()
    );
}

fn replay(name: &str) {
    let target = targets().into_iter().find(|target| target.name == name).unwrap();
    let kept = kept(target);
    assert!(!kept.is_empty(), "there is nothing to start from");
    kept.iter().for_each(|input| run(target, input));
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for _ in 0..CHANGED {
        let mut input = kept[random.below(kept.len())].clone();
        let other = &kept[random.below(kept.len())];
        for _ in 0..=random.below(4) {
            random.change(&mut input, other);
        }
        run(target, &input);
    }
}

macro_rules! replayed {
    ($($test:ident $name:literal)*) => {
        $(#[test]
        fn $test() {
            replay($name);
        })*

        #[test]
        fn every_target_is_replayed_and_has_its_folder() {
            let mut replayed = vec![$($name),*];
            replayed.sort_unstable();
            let mut targets: Vec<&str> = targets().iter().map(|target| target.name).collect();
            targets.sort_unstable();
            let mut folders: Vec<String> = std::fs::read_dir(corpus())
                .unwrap()
                .map(|folder| folder.unwrap().file_name().into_string().unwrap())
                .collect();
            folders.sort_unstable();
            assert_eq!(replayed, targets);
            assert_eq!(folders, targets);
        }
    };
}

replayed! {
    strange_definitions_are_told_what_is_wrong "definitions"
    strange_run_config_is_told_what_is_wrong "run-config"
    strange_settings_are_told_what_is_wrong "instance"
    strange_selections_are_told_what_is_wrong_or_mean_what_they_show "selection"
    h_107_strange_messages_are_refused_or_read_as_they_are "messages"
    h_107_strange_calls_are_answered "calls"
    h_107_strange_forms_are_refused_or_read_as_they_are "forms"
    h_088_no_changed_signature_holds "signature"
    strange_keys_are_refused "keys"
    h_083_no_list_of_chunks_makes_another_library "chunks"
    h_080_strange_components_are_refused_or_admitted "component"
    strange_values_are_refused_or_come_back_as_they_went_in "values"
    h_080_generated_libraries_are_refused_or_run_within_their_limits "library"
    h_084_no_changed_artefact_is_loaded "artefact"
    h_094_strange_frames_are_refused_or_read_as_they_are "frames"
}
