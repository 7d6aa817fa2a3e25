//! Measures what a fresh instance per attempt costs: µs for one run of a guest's op `add_one`, store and
//! instance made and dropped each time. The guest `behaviours` is written on the bare bindings, `typed` on
//! the SDK; both take the number 41, one from its config, the other from its input.
//!
//! `cargo run --release -p cofferdam-sandbox --example cycle [GUEST.wasm]`

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cofferdam_model::{
    AttemptId, FaultKind, Fence, Limits, LogLine, Name, PlanOutput, Progress, ResourceAnswer, ResourceCall,
    ResourceFault, RunId, StepKey, Timestamp,
};
use cofferdam_sandbox::{
    Attempt, Content, Input, InputValue, IoError, Library, Sandbox, Settings, StepIo, Value,
};

/// Runs of one sample; the median over the samples is told.
const RUNS: u32 = 2_000;
const SAMPLES: usize = 15;

struct Quiet;

impl StepIo for Quiet {
    fn read(&mut self, _: u32, _: u64, _: u32) -> Result<Vec<u8>, IoError> {
        Err(IoError::Input("there is none".into()))
    }
    fn create(&mut self) -> Result<u32, IoError> {
        Err(IoError::Store("there is none".into()))
    }
    fn write(&mut self, _: u32, _: &[u8]) -> Result<(), IoError> {
        Err(IoError::Store("there is none".into()))
    }
    fn finish(&mut self, _: u32) -> Result<(), IoError> {
        Err(IoError::Store("there is none".into()))
    }
    fn call(
        &mut self,
        _: &Name,
        _: ResourceCall,
        _: Option<Duration>,
    ) -> Result<ResourceAnswer, ResourceFault> {
        Err(ResourceFault { kind: FaultKind::Denied, message: "there is none".into() })
    }
    fn log(&mut self, _: LogLine) {}
    fn progress(&mut self, _: Progress) {}
    fn now(&mut self) -> Timestamp {
        Timestamp(0)
    }
}

fn attempt() -> Attempt {
    // 41 in CBOR.
    let number = Value { media_type: "application/cbor".into(), content: Content::Bytes(vec![0x18, 41]) };
    Attempt {
        id: AttemptId {
            run: RunId(uuid::Uuid::nil()),
            step: StepKey::new("add_one"),
            attempt: 1,
            fence: Fence(1),
        },
        op: Name::new("add_one").expect("a legal name"),
        config: 41_u64.to_le_bytes().to_vec(),
        inputs: vec![Input {
            name: Name::new("numbers").expect("a legal name"),
            value: InputValue::Many(vec![(None, number)]),
        }],
        outputs: vec![PlanOutput::new(Name::result(), "*/*")],
        limits: Limits::default(),
        tags: Default::default(),
        resources: Default::default(),
        partition: None,
        seed: 1,
    }
}

fn sample(library: &Library) -> f64 {
    let started = Instant::now();
    for _ in 0..RUNS {
        let ended = library.run(attempt(), Box::new(Quiet));
        assert_eq!(ended.result.expect("it adds one").outputs.len(), 1);
    }
    started.elapsed().as_secs_f64() * 1e6 / f64::from(RUNS)
}

#[expect(clippy::print_stdout, reason = "this program prints its figures")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/guests/behaviours.wasm");
    let guest = std::env::args_os().nth(1).map_or(default, PathBuf::from);
    let component = std::fs::read(&guest)?;
    let started = Instant::now();
    let sandbox = Sandbox::new(&Settings::default())?;
    println!("engine: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);

    let started = Instant::now();
    let artefact = sandbox.compile(&component)?;
    println!("compile: {:.1} ms ({} bytes)", started.elapsed().as_secs_f64() * 1e3, artefact.len());
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), artefact)?;

    let started = Instant::now();
    let library = sandbox.load(file.path())?;
    println!("load: {:.0} µs", started.elapsed().as_secs_f64() * 1e6);

    sample(&library);
    let mut samples: Vec<f64> = (0..SAMPLES).map(|_| sample(&library)).collect();
    samples.sort_by(f64::total_cmp);
    println!(
        "fresh instance per attempt: {:.1} µs median, {:.1} to {:.1}",
        samples[SAMPLES / 2],
        samples[0],
        samples[SAMPLES - 1]
    );
    Ok(())
}
