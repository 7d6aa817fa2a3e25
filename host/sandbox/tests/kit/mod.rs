//! What every test of the sandbox needs: built guests, a sandbox, an attempt, and a [`StepIo`] in memory
//! that remembers what came through it.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part of the kit")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use cofferdam_model::{
    AttemptId, CBOR, Failure, FaultKind, Fence, Limits, LogLine, Name, OCTET_STREAM, PlanOutput, Progress,
    ResourceAnswer, ResourceCall, ResourceFault, RunId, StepKey, Timestamp, Usage,
};
use cofferdam_sandbox::{
    Attempt, Completion, Content, EmittedContent, Input, InputValue, IoError, Library, Sandbox, Settings,
    StepIo, Value,
};

/// A component that looks like a library from outside.
pub const LIBRARY: &str = r#"
    (core module $m (func (export "f")))
    (core instance $i (instantiate $m))
    (func $f (canon lift (core func $i "f")))
    (instance $ops (export "describe" (func $f)) (export "run" (func $f)))
    (export "cofferdam:op/ops@0.1.0" (instance $ops))"#;

/// Bytes of a guest that `cargo xtask test` has built.
pub fn guest(package: &str) -> Vec<u8> {
    let folder = std::env::var_os("COFFERDAM_TEST_GUESTS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/guests"), PathBuf::from);
    let path = folder.join(package).with_extension("wasm");
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("cannot read {}: {error}; run `cargo xtask test`, which builds the guests", path.display())
    })
}

pub fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(&Settings { slots: 16, ..Settings::default() }).unwrap())
}

/// Compiles and loads; the artefact's file may go, because it stays mapped.
pub fn load(sandbox: &Sandbox, component: &[u8]) -> Library {
    let artefact = sandbox.compile(component).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), artefact).unwrap();
    sandbox.load(file.path()).unwrap()
}

pub fn behaviours() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| load(sandbox(), &guest("behaviours")))
}

/// The same with fuel counted.
pub fn counted() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let sandbox = Sandbox::new(&Settings { slots: 4, fuel: true, ..Settings::default() }).unwrap();
        load(&sandbox, &guest("behaviours"))
    })
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn declared(name: &str, required: bool, dynamic: bool) -> PlanOutput {
    PlanOutput { required, dynamic, ..PlanOutput::new(self::name(name), "*/*") }
}

/// An attempt of that op whose config is a number; outputs `result` and the dynamic `parts` are optional.
pub fn attempt(op: &str, config: u64) -> Attempt {
    Attempt {
        id: AttemptId {
            run: RunId("01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()),
            step: StepKey::new("clean[jan]"),
            attempt: 1,
            fence: Fence(1),
        },
        op: name(op),
        config: config.to_le_bytes().to_vec(),
        inputs: vec![],
        outputs: vec![declared("result", false, false), declared("parts", false, true)],
        limits: Limits { timeout: Some(Duration::from_secs(20)), ..Limits::default() },
        tags: BTreeMap::new(),
        resources: BTreeMap::new(),
        partition: None,
        seed: 1,
    }
}

pub fn bytes(bytes: &[u8]) -> Value {
    Value { media_type: OCTET_STREAM.into(), content: Content::Bytes(bytes.to_vec()) }
}

pub fn cbor<T: serde::Serialize>(value: T) -> Value {
    let mut bytes = vec![];
    ciborium::into_writer(&value, &mut bytes).unwrap();
    Value { media_type: CBOR.into(), content: Content::Bytes(bytes) }
}

pub fn stored(number: u32, size: u64) -> Value {
    Value { media_type: OCTET_STREAM.into(), content: Content::Stored { number, size } }
}

pub fn one(name: &str, value: Value) -> Input {
    Input { name: self::name(name), value: InputValue::One(value) }
}

/// What came through the way out.
#[derive(Default)]
pub struct Record {
    pub stored: BTreeMap<u32, Vec<u8>>,
    pub written: BTreeMap<u32, (u64, bool)>,
    pub lines: Vec<LogLine>,
    pub progress: Vec<Progress>,
    pub largest_chunk: usize,
    pub broken: bool,
    /// Calls on resources: the op's name, the call, and the time that it had.
    pub calls: Vec<(Name, ResourceCall, Option<Duration>)>,
    /// What they are answered.
    pub answer: Option<Answer>,
}

pub type Answer = Box<dyn FnMut(&ResourceCall) -> Result<ResourceAnswer, ResourceFault> + Send>;

pub struct MemoryIo(pub Arc<Mutex<Record>>);

impl StepIo for MemoryIo {
    fn read(&mut self, number: u32, offset: u64, length: u32) -> Result<Vec<u8>, IoError> {
        let mut record = self.0.lock().unwrap();
        if record.broken {
            return Err(IoError::Input("the digest does not match".into()));
        }
        let bytes = &record.stored[&number];
        let start = usize::try_from(offset).unwrap().min(bytes.len());
        let end = (start + length as usize).min(bytes.len());
        let chunk = bytes[start..end].to_vec();
        record.largest_chunk = record.largest_chunk.max(chunk.len());
        Ok(chunk)
    }

    fn create(&mut self) -> Result<u32, IoError> {
        let mut record = self.0.lock().unwrap();
        if record.broken {
            return Err(IoError::Store("no space left".into()));
        }
        let number = 100 + u32::try_from(record.written.len()).unwrap();
        record.written.insert(number, (0, false));
        Ok(number)
    }

    fn write(&mut self, writer: u32, bytes: &[u8]) -> Result<(), IoError> {
        let mut record = self.0.lock().unwrap();
        record.largest_chunk = record.largest_chunk.max(bytes.len());
        let entry = record.written.get_mut(&writer).unwrap();
        assert!(!entry.1, "written after its end");
        entry.0 += bytes.len() as u64;
        Ok(())
    }

    fn finish(&mut self, writer: u32) -> Result<(), IoError> {
        let mut record = self.0.lock().unwrap();
        let entry = record.written.get_mut(&writer).unwrap();
        assert!(!std::mem::replace(&mut entry.1, true), "finished twice");
        Ok(())
    }

    fn call(
        &mut self,
        resource: &Name,
        call: ResourceCall,
        within: Option<Duration>,
    ) -> Result<ResourceAnswer, ResourceFault> {
        let mut record = self.0.lock().unwrap();
        let answer = match &mut record.answer {
            Some(answer) => answer(&call),
            None => Err(ResourceFault { kind: FaultKind::Unavailable, message: "nobody is there".into() }),
        };
        record.calls.push((resource.clone(), call, within));
        answer
    }

    fn log(&mut self, line: LogLine) {
        self.0.lock().unwrap().lines.push(line);
    }

    fn progress(&mut self, progress: Progress) {
        self.0.lock().unwrap().progress.push(progress);
    }

    fn now(&mut self) -> Timestamp {
        Timestamp(1_795_262_400_000)
    }
}

/// How an attempt ended, and what came out on the way.
pub struct Ran {
    pub result: Result<Completion, Failure>,
    pub usage: Usage,
    pub record: Record,
}

pub fn run_with(library: &Library, attempt: Attempt, record: Record) -> Ran {
    let record = Arc::new(Mutex::new(record));
    let ended = library.run(attempt, Box::new(MemoryIo(Arc::clone(&record))));
    drop(ended.io);
    let record = Arc::into_inner(record).expect("the way out is given back").into_inner().unwrap();
    Ran { result: ended.result, usage: ended.usage, record }
}

pub fn run(attempt: Attempt) -> Ran {
    run_with(behaviours(), attempt, Record::default())
}

impl Ran {
    /// Bytes of the only output.
    pub fn bytes(&self) -> &[u8] {
        let completion = self.result.as_ref().unwrap();
        assert_eq!(completion.outputs.len(), 1);
        match &completion.outputs[0].content {
            EmittedContent::Bytes(bytes) => bytes,
            EmittedContent::Stored { .. } => panic!("the output is stored"),
        }
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap()
    }

    pub fn number(&self) -> u64 {
        u64::from_le_bytes(self.bytes().try_into().unwrap())
    }

    pub fn failure(&self) -> &Failure {
        self.result.as_ref().unwrap_err()
    }

    /// `kind: message`.
    pub fn words(&self) -> String {
        let failure = self.failure();
        format!("{}: {}", failure.kind, failure.message)
    }
}

/// Runs a good op: the sandbox still serves after whatever came before.
pub fn assert_serves() {
    assert_eq!(run(attempt("add_one", 41)).number(), 42);
}
