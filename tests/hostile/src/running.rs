//! Libraries as they run: values of every type on their way into one and back, and whole components that were generated,
//! compiled and called.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use cofferdam_model::{
    AttemptId, CBOR, Fence, Limits, LogLine, Name, PlanOutput, Progress, ResourceAnswer, ResourceCall,
    ResourceFault, StepKey, Timestamp,
};
use cofferdam_sandbox::{
    Attempt, Content, EmittedContent, Ended, Input, InputValue, IoError, Library, Sandbox, Settings, StepIo,
    Value,
};

/// Gives back the list of everything that it is given.
const ECHO: &str = r#"(component
  (type $color (enum "red" "green"))
  (export $color' "color" (type $color))
  (type $marks (flags "a" "b" "c"))
  (export $marks' "marks" (type $marks))
  (type $shape (variant (case "none") (case "circle" float64) (case "named" string)))
  (export $shape' "shape" (type $shape))
  (type $thing (record
    (field "truth" bool) (field "small" s8) (field "wide" u64) (field "deep" s64) (field "narrow" float32)
    (field "letter" char) (field "text" string) (field "bytes" (list u8)) (field "pair" (tuple u16 s32))
    (field "maybe" (option string)) (field "ended" (result u32 (error string)))
    (field "color" $color') (field "marks" $marks') (field "shape" $shape')))
  (export $thing' "thing" (type $thing))
  (core module $m
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 16))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
        (then (drop (memory.grow (i32.const 16)))))
      (local.get $at))
    (func (export "echo") (param i32 i32) (result i32)
      (i32.store (i32.const 0) (local.get 0))
      (i32.store (i32.const 4) (local.get 1))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (func (export "echo") (param "things" (list $thing')) (result (list $thing'))
    (canon lift (core func $i "echo") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#;

static ECHOING: LazyLock<Library> = LazyLock::new(|| {
    let sandbox = Sandbox::new(&Settings::default()).expect("an engine starts");
    load(&sandbox, &wat::parse_str(ECHO).expect("it is a component")).expect("it is a library")
});

/// What the function gives back, given back once more, is the same bytes.
pub(crate) fn values(bytes: &[u8]) {
    if let Some(once) = echo(bytes) {
        assert_eq!(echo(&once).as_ref(), Some(&once), "{bytes:02x?}");
    }
}

fn echo(bytes: &[u8]) -> Option<Vec<u8>> {
    let value = Value { media_type: CBOR.into(), content: Content::Bytes(bytes.to_vec()) };
    let input = Input { name: name("things"), value: InputValue::One(value) };
    let attempt = attempt(name("echo"), vec![input], Limits::default());
    let completion = ECHOING.run(attempt, Box::new(Nowhere)).result.ok()?;
    let [output] = completion.outputs.as_slice() else { panic!("{:?}", completion.outputs) };
    match &output.content {
        EmittedContent::Bytes(bytes) => Some(bytes.clone()),
        EmittedContent::Stored { .. } => None,
    }
}

/// Bytes of memory and units of fuel that a generated library gets: enough for what it has at first, and for a loop
/// without end.
const MEMORY_BYTES_MAX: u64 = 16 * 1024 * 1024;
const FUEL: u64 = 1_000_000;

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| {
    Sandbox::new(&Settings { fuel: true, ..Settings::default() }).expect("an engine starts")
});

/// What is let through is compiled, described, and each of its ops called; however that ends, it stays within limits.
pub(crate) fn library(bytes: &[u8]) {
    let Some(library) = load(&SANDBOX, bytes) else { return };
    let Ok(spec) = library.describe() else { return };
    for op in spec.ops {
        let limits = Limits { memory_bytes_max: MEMORY_BYTES_MAX, fuel: Some(FUEL), ..Limits::default() };
        let Ended { usage, .. } = library.run(attempt(op.name, vec![], limits), Box::new(Nowhere));
        assert!(usage.memory_bytes_peak <= MEMORY_BYTES_MAX, "{usage:?}");
    }
}

/// The library, unless it is refused.
fn load(sandbox: &Sandbox, component: &[u8]) -> Option<Library> {
    let artefact = sandbox.compile(component).ok()?;
    let file = tempfile::NamedTempFile::new().expect("there is room");
    std::fs::write(file.path(), artefact).expect("there is room");
    sandbox.load(file.path()).ok()
}

fn name(text: &str) -> Name {
    Name::new(text).expect("it is a name")
}

fn attempt(op: Name, inputs: Vec<Input>, limits: Limits) -> Attempt {
    let run = "01890a5d-ac96-774b-bcce-b302099a8057".parse().expect("it is an id");
    Attempt {
        id: AttemptId { run, step: StepKey::new("step"), attempt: 1, fence: Fence(1) },
        op,
        config: vec![0xf6],
        inputs,
        outputs: vec![PlanOutput::new(name("result"), "*/*")],
        limits: Limits { timeout: Some(Duration::from_secs(20)), ..limits },
        tags: BTreeMap::new(),
        resources: BTreeMap::new(),
        partition: None,
        seed: 1,
    }
}

/// For guests that only give and take.
struct Nowhere;

impl StepIo for Nowhere {
    fn read(&mut self, _: u32, _: u64, _: u32) -> Result<Vec<u8>, IoError> {
        Err(IoError::Input("nothing is stored".into()))
    }

    fn create(&mut self) -> Result<u32, IoError> {
        Err(IoError::Store("nothing can be stored".into()))
    }

    fn write(&mut self, _: u32, _: &[u8]) -> Result<(), IoError> {
        Err(IoError::Store("nothing can be stored".into()))
    }

    fn finish(&mut self, _: u32) -> Result<(), IoError> {
        Err(IoError::Store("nothing can be stored".into()))
    }

    fn call(
        &mut self,
        _: &Name,
        _: ResourceCall,
        _: Option<Duration>,
    ) -> Result<ResourceAnswer, ResourceFault> {
        unreachable!("the function is bound to no resource")
    }

    fn log(&mut self, _: LogLine) {}

    fn progress(&mut self, _: Progress) {}

    fn now(&mut self) -> Timestamp {
        Timestamp(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_type_come_back_as_they_went_in() {
        let two = include_bytes!("../../fuzz/corpus/values/two");
        let read = |bytes: &[u8]| ciborium::from_reader::<serde_json::Value, _>(bytes).unwrap();
        assert_eq!(read(&echo(two).expect("it is a list of things")), read(two));
    }
}
