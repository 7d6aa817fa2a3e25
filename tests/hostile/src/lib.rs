//! What reads the bytes of strangers, each as a function that takes any bytes and panics only if something of ours is
//! wrong. The tests here replay the inputs of `tests/fuzz/corpus` and changed ones; `tests/fuzz` lets libFuzzer search
//! for others. What must hold besides is said where each stands.

mod calls;
#[cfg(feature = "engine")]
mod engine;
mod files;
mod forms;
mod messages;
#[cfg(feature = "engine")]
mod running;
mod texts;

type Run = fn(&[u8]);

/// Something that reads bytes of strangers.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Also the folder of its inputs.
    pub name: &'static str,
    pub run: Run,
}

/// All that are compiled in.
pub fn targets() -> Vec<Target> {
    let all: &[(&'static str, Run)] = &[
        ("definitions", texts::definitions),
        ("run-config", texts::run_config),
        ("instance", texts::instance),
        ("selection", texts::selection),
        ("messages", messages::messages),
        ("calls", calls::calls),
        ("forms", forms::forms),
        ("signature", files::signature),
        ("keys", files::keys),
        ("chunks", files::chunks),
        #[cfg(feature = "engine")]
        ("component", engine::component),
        #[cfg(feature = "engine")]
        ("values", running::values),
        #[cfg(feature = "engine")]
        ("library", running::library),
        #[cfg(feature = "engine")]
        ("artefact", engine::artefact),
        #[cfg(feature = "engine")]
        ("frames", engine::frames),
    ];
    all.iter().map(|&(name, run)| Target { name, run }).collect()
}

/// The first byte of an input chooses, the rest is for the chosen one.
fn choose<'t, 'b, T>(among: &'t [T], bytes: &'b [u8]) -> Option<(&'t T, &'b [u8])> {
    let (first, rest) = bytes.split_first()?;
    Some((&among[usize::from(*first) % among.len()], rest))
}
