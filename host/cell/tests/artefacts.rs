//! The cache of compiled libraries with the real compiler behind it.

use std::fs;
use std::future::{Ready, ready};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cofferdam_cell::{Artefacts, Cell, CellCommand, CellEvent, FromCell, Origin, Source, Target};
use cofferdam_model::{Failure, FailureKind, LibraryDigest};
use tokio::sync::mpsc;

const DIGEST: LibraryDigest = LibraryDigest([7; 32]);

fn command() -> CellCommand {
    let program = env!("CARGO_BIN_EXE_cofferdam-cell").into();
    CellCommand { program, run: vec!["run".into()], compile: vec!["compile".into()] }
}

fn guest() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guests/looping_describe.wasm");
    fs::read(path).expect("run `cargo xtask test`, which builds the guests")
}

fn component() -> Ready<Result<Source<Vec<u8>>, Failure>> {
    ready(Ok(Source::Component(guest())))
}

async fn target() -> Target {
    let (sender, mut events) = mpsc::channel(4);
    let _cell = Cell::spawn(&command(), 0, sender).unwrap();
    match events.recv().await {
        Some((_, CellEvent::Frames(frames))) => match frames.into_iter().next() {
            Some(FromCell::Hello { fingerprint, .. }) => Target { fingerprint, fuel: false },
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "cwasm")).collect()
}

#[tokio::test]
async fn d3_a_library_is_compiled_once_per_engine_and_a_stale_or_damaged_entry_again() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("artefacts");
    let cache = Artefacts::open(&folder, command()).unwrap();
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let target = target().await;
    let first = cache.get(&DIGEST, component(), &target).await.unwrap();
    assert_eq!(first.origin(), Origin::Compiler);
    let code = fs::read(first.path()).unwrap();
    let [entry] = &entries(&folder)[..] else { panic!("one entry") };
    assert_eq!(fs::metadata(entry).unwrap().permissions().mode() & 0o777, 0o600);
    // A process that starts later finds it.
    let again =
        Artefacts::open(&folder, command()).unwrap().get(&DIGEST, component(), &target).await.unwrap();
    assert!(again.origin() == Origin::Cache && fs::read(again.path()).unwrap() == code);
    // What is left of another wasmtime is not looked at: that engine's code has another name.
    let later = Target { fingerprint: format!("{}-later", target.fingerprint), fuel: false };
    let failure = cache.get(&DIGEST, component(), &later).await.unwrap_err();
    assert!(failure.causes[0].contains("another version"), "{failure:?}");
    let counting = Target { fuel: true, ..target.clone() };
    let counted = cache.get(&DIGEST, component(), &counting).await.unwrap();
    assert!(counted.origin() == Origin::Compiler && fs::read(counted.path()).unwrap() != code);
    assert_eq!(entries(&folder).len(), 2);
    // Header, checksum and code: whatever is damaged, the library is compiled again.
    let good = fs::read(entry).unwrap();
    for at in [0, 31, 32, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(entry, &bad).unwrap();
        let mended = cache.get(&DIGEST, component(), &target).await.unwrap();
        assert_eq!(mended.origin(), Origin::Compiler, "byte {at} was flipped");
        assert_eq!(fs::read(mended.path()).unwrap(), code);
        assert_eq!(cache.get(&DIGEST, component(), &target).await.unwrap().origin(), Origin::Cache);
    }
}

/// The longest that a library may keep a compiler (FEATURES.md, F11); it is ended by its own limits if it takes longer.
const COMPILE_MAX: Duration = Duration::from_secs(30);

/// A library that is let in, with that core module beside what makes it one.
fn with_module(fields: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (core module $bomb {fields})
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $ops (export "describe" (func $f)) (export "run" (func $f)))
            (export "cofferdam:op/ops@0.1.0" (instance $ops)))"#
    );
    wat::parse_str(text).unwrap()
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "the figures are worth seeing")]
async fn f11_the_worst_that_is_let_in_is_compiled_within_its_time_and_memory_or_refused() {
    let place = tempfile::tempdir().unwrap();
    let cache = Artefacts::open(&place.path().join("artefacts"), command()).unwrap();
    let target = target().await;
    let locals = "(local i64)".repeat(9_990);
    let used = (0..100_000).map(|n| format!("local.get {} drop ", n % 9_990)).collect::<String>();
    let nested = "block ".repeat(40_000) + &"end ".repeat(40_000);
    let jumps = format!("i32.const 0 br_table {}", "0 ".repeat(400_000));
    let worst = [
        ("99,000 functions", "(func)".repeat(99_000)),
        ("10,000 locals, each used ten times", format!("(func {locals} {used})")),
        ("40,000 blocks within each other", format!("(func {nested})")),
        ("a jump with 400,000 targets", format!("(func {jumps})")),
    ];
    for (n, (what, fields)) in (1..).zip(worst) {
        let bytes = with_module(&fields);
        let since = Instant::now();
        let got = cache.get(&LibraryDigest([n; 32]), ready(Ok(Source::Component(bytes))), &target).await;
        let took = since.elapsed();
        eprintln!("{what}: {took:?}, {}", if got.is_ok() { "compiled" } else { "refused" });
        if let Err(failure) = &got {
            assert_eq!(failure.kind, FailureKind::Library, "{what}: {failure:?}");
        }
        assert!(took < COMPILE_MAX, "{what}: {took:?}");
    }
}
