//! What is let in: bytes that are no library are refused by name, before anything is compiled.

mod kit;

use std::fmt::Write;

use cofferdam_sandbox::{Refusal, admit};
use insta::assert_snapshot;
use kit::{LIBRARY, guest};

/// The words with which a component in text form is refused.
fn refused(text: &str) -> String {
    admit(&wat::parse_str(text).unwrap()).unwrap_err().to_string()
}

/// A component with that core module in it.
fn with_module(module: &str) -> String {
    refused(&format!("(component (core module {module}))"))
}

#[test]
fn a_library_is_admitted_with_what_it_imports_and_exports() {
    let admitted = admit(&guest("behaviours")).unwrap();
    assert_eq!(admitted.exports, ["cofferdam:op/ops@0.1.0"]);
    assert!(admitted.imports.contains(&"cofferdam:op/context@0.1.0".to_owned()));
    assert!(admit(&wat::parse_str(format!("(component {LIBRARY})")).unwrap()).is_ok());
}

#[test]
fn h_079_bytes_that_are_no_component_are_refused_by_name() {
    let words = |bytes: &[u8]| {
        let refusal = admit(bytes).unwrap_err();
        assert!(matches!(refusal, Refusal::NotAComponent { .. }), "{refusal}");
        refusal.to_string()
    };
    let all = [
        words(b""),
        words(b"\0asm\x01\0\0\0"),
        words(b"\0asm"),
        words(b"\x7fELF\x02\x01\x01"),
        words(b"PK\x03\x04 and so on"),
        words(&[0x1f, 0x8b, 8]),
        words(&[0x28, 0xb5, 0x2f, 0xfd]),
        words(b"(component)"),
        words(b"hello"),
        words(&vec![0; 1024 * 1024]),
    ];
    assert_snapshot!(all.join("\n"), @"
    not a component: an empty file; expected a WebAssembly component in the binary format
    not a component: a core WebAssembly module, not yet made into a component (build for the target `wasm32-wasip2`); expected a WebAssembly component in the binary format
    not a component: WebAssembly of an unknown version, or cut off after the magic number; expected a WebAssembly component in the binary format
    not a component: an ELF file (native or precompiled code); expected a WebAssembly component in the binary format
    not a component: a zip archive; expected a WebAssembly component in the binary format
    not a component: a gzip file; expected a WebAssembly component in the binary format
    not a component: a zstd file; expected a WebAssembly component in the binary format
    not a component: WebAssembly text; expected a WebAssembly component in the binary format
    not a component: unknown bytes; expected a WebAssembly component in the binary format
    not a component: unknown bytes; expected a WebAssembly component in the binary format
    ");
    let zeros = vec![0; 65 * 1024 * 1024];
    assert_snapshot!(admit(&zeros).unwrap_err(), @"too large: 68157440 bytes, at most 67108864 are allowed");
}

#[test]
fn h_079_compiled_code_is_refused_before_the_engine_sees_it() {
    let artefact = kit::sandbox().compile(&guest("looping_describe")).unwrap();
    let refusal = kit::sandbox().compile(&artefact).unwrap_err();
    assert_snapshot!(refusal, @"not a component: an ELF file (native or precompiled code); expected a WebAssembly component in the binary format");
}

#[test]
fn h_037_another_world_is_refused_with_what_is_missing() {
    assert_snapshot!(admit(&guest("other_world")).unwrap_err(), @"does not export the world `cofferdam:op/library`: missing the export `cofferdam:op/ops@0.1.0`");
    let newer = LIBRARY.replace("ops@0.1.0", "ops@0.2.0");
    assert_snapshot!(refused(&format!("(component {newer})")), @"does not export the world `cofferdam:op/library`: missing the export `cofferdam:op/ops@0.1.0`");
    let partial = LIBRARY.replace(r#"(export "run" (func $f))"#, "");
    assert_snapshot!(refused(&format!("(component {partial})")), @"does not export the world `cofferdam:op/library`: missing the function `run` of `cofferdam:op/ops@0.1.0`");
}

#[test]
fn h_037_functions_of_other_types_are_refused_when_they_are_asked() {
    let library = kit::load(kit::sandbox(), &wat::parse_str(format!("(component {LIBRARY})")).unwrap());
    let failure = library.describe().unwrap_err();
    assert_eq!(failure.kind, cofferdam_model::FailureKind::Library);
    assert!(failure.message.contains("does not fit the world `cofferdam:op/library`"), "{failure}");
}

#[test]
fn h_037_imports_that_are_not_offered_are_refused_by_name() {
    let import = |name: &str| format!(r#"(import "{name}" (instance))"#);
    let component = |imports: &str| format!("(component {imports} {LIBRARY})");
    let both = import("wasi:sockets/tcp@0.2.0") + &import("acme:gpu/kernels@1.0.0");
    assert_snapshot!(refused(&component(&both)), @"imports what is not offered: `wasi:sockets/tcp@0.2.0`, `acme:gpu/kernels@1.0.0`");
    assert_snapshot!(refused(&component(&import("cofferdam:op/context@0.2.0"))), @"imports what is not offered: `cofferdam:op/context@0.2.0`");
    let offered = wat::parse_str(component(&import("wasi:cli/environment@0.2.9"))).unwrap();
    assert!(admit(&offered).is_ok());
}

#[test]
fn f2_every_wasi_interface_that_is_not_linked_is_refused() {
    let ungranted = [
        "wasi:cli/command@0.2.0",
        "wasi:clocks/timezone@0.2.0",
        "wasi:config/store@0.2.0",
        "wasi:http/incoming-handler@0.2.0",
        "wasi:http/outgoing-handler@0.2.0",
        "wasi:http/types@0.2.0",
        "wasi:keyvalue/store@0.2.0",
        "wasi:nn/graph@0.2.0",
        "wasi:sockets/instance-network@0.2.0",
        "wasi:sockets/ip-name-lookup@0.2.0",
        "wasi:sockets/network@0.2.0",
        "wasi:sockets/tcp@0.2.0",
        "wasi:sockets/tcp-create-socket@0.2.0",
        "wasi:sockets/udp@0.2.0",
        "wasi:sockets/udp-create-socket@0.2.0",
        "wasi:cli/environment@0.3.0",
        "wasi:clocks/monotonic-clock@0.3.0",
        "wasi:filesystem/types@0.3.0",
        "wasi:http/client@0.3.0",
        "wasi:random/random@0.3.0",
        "wasi:sockets/types@0.3.0",
    ];
    for name in ungranted {
        let text = refused(&format!(r#"(component (import "{name}" (instance)) {LIBRARY})"#));
        assert_eq!(text, format!("imports what is not offered: `{name}`"));
    }
}

#[test]
fn h_019_features_that_we_do_not_run_are_refused_by_name() {
    let cases = [
        "(memory i64 1)",
        "(memory 1 2 shared)",
        "(type (struct))",
        "(tag)",
        "(memory 1) (memory 1)",
        "(memory 1 (pagesize 1))",
        "(func (param (ref func)))",
        "(type $f (func)) (type (cont $f))",
        "(func (param i64 i64) (result i64 i64) local.get 0 local.get 1 i64.mul_wide_s)",
    ];
    let mut words = String::new();
    for case in cases {
        let text = with_module(case);
        writeln!(words, "{}", text.split(", which").next().unwrap()).unwrap();
    }
    assert_snapshot!(words, @"
    uses memory64
    uses threads
    uses garbage collection
    uses exceptions
    uses multiple memories in one module
    uses custom page sizes
    uses function references
    uses stack switching
    uses wide arithmetic
    ");
}

#[test]
fn h_076_a_module_of_a_million_functions_is_refused_in_no_time() {
    let module = format!("(component (core module {}))", "(func)".repeat(1_000_000));
    let component = wat::parse_str(module).unwrap();
    let started = std::time::Instant::now();
    assert_snapshot!(admit(&component).unwrap_err(), @"too large: 1000000 functions, at most 100000 are allowed");
    assert!(started.elapsed().as_secs() < 1);
}

#[test]
fn h_077_a_function_of_very_many_locals_is_refused() {
    let locals = "(local i32 i64)".repeat(24_999);
    assert_snapshot!(with_module(&format!("(func {locals})")), @"too large: 49998 locals in one function, at most 10000 are allowed");
}

#[test]
fn h_078_other_bombs_are_refused() {
    let body = "i32.const 1 drop ".repeat(400_000);
    let segments = "(data \"\")".repeat(10_001);
    let types = "(type (func))".repeat(100_001);
    let all = [
        with_module(&format!("(func {body})")),
        with_module(&segments),
        with_module(&types),
        refused(&format!("(component {})", "(component)".repeat(65))),
        refused(&format!("(component {}{})", "(component ".repeat(70), ")".repeat(70))),
        refused(&format!(
            "(component {})",
            (0..10_001).fold(String::new(), |text, n| text + &format!(r#"(import "a{n}" (func))"#))
        )),
    ];
    assert_snapshot!(all.join("\n"), @"
    too large: 1200002 bytes in one function, at most 1048576 are allowed
    too large: 10001 data segments, at most 10000 are allowed
    too large: 100001 types, at most 100000 are allowed
    too large: 65 nested components, at most 64 are allowed
    too large: 65 nested components, at most 64 are allowed
    too large: 10001 imports and exports, at most 10000 are allowed
    ");
}

#[test]
fn h_080_a_library_cut_anywhere_is_refused_and_never_panics() {
    let bytes = guest("looping_describe");
    let whole = admit(&bytes).unwrap();
    // Every length near both ends, and every 97th between.
    let lengths = (0..bytes.len()).filter(|n| *n < 2000 || n % 97 == 0 || n + 500 > bytes.len());
    let (mut refusals, mut spared) = (0, 0);
    for length in lengths {
        match admit(&bytes[..length]) {
            Err(_) => refusals += 1,
            // The cut fell between the custom sections at the end, which say nothing about what runs.
            Ok(admitted) => {
                assert_eq!(admitted, whole, "cut to {length} bytes");
                spared += 1;
            }
        }
    }
    assert!(refusals > 4000 && spared < 10, "{refusals} refused, {spared} admitted");
}

#[test]
fn h_080_flipped_bytes_are_refused_or_admitted_and_never_panic() {
    let bytes = guest("looping_describe");
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut refusals = 0;
    for _ in 0..300 {
        let mut flipped = bytes.clone();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let at = usize::try_from(random % bytes.len() as u64).unwrap();
        flipped[at] ^= 1 << (random >> 61);
        refusals += usize::from(admit(&flipped).is_err());
    }
    assert!(refusals > 30, "{refusals}");
}

#[test]
fn h_007_no_function_of_the_host_could_call_back_into_a_guest() {
    // What a host could call is a function that a guest exports: describe and run, and no resource's.
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "wit")).collect();
    assert_eq!(files.len(), 10);
    let text = |path: &std::path::PathBuf| -> String {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.map(|line| format!("{line}\n")).collect()
    };
    let texts: Vec<String> = files.iter().map(text).collect();
    let exports: Vec<&str> = texts
        .iter()
        .flat_map(|text| text.lines())
        .map(str::trim)
        .filter(|line| line.starts_with("export "))
        .collect();
    assert_eq!(exports, ["export ops;"]);
    let ops = texts.iter().find(|text| text.contains("interface ops {")).unwrap();
    let ops = ops.split("interface ops {").nth(1).unwrap().split("\n}").next().unwrap();
    assert!(!ops.contains("resource ") && ops.matches(": func(").count() == 2, "{ops}");
    let types = texts.iter().find(|text| text.contains("interface types {")).unwrap();
    assert!(!types.contains("resource ") && !types.contains("func("));
}

#[test]
fn h_038_a_component_that_wants_a_core_module_or_its_own_exports_is_refused_or_harmless() {
    let module = refused(&format!(r#"(component (import "m" (core module)) {LIBRARY})"#));
    assert_snapshot!(module);
    let component = refused(&format!(r#"(component (import "c" (component)) {LIBRARY})"#));
    assert_snapshot!(component);
    let itself = format!(
        r#"(component (component $inner (import "run" (func)) (export "again" (func 0))) {LIBRARY} (instance (instantiate $inner (with "run" (func $f)))))"#
    );
    assert!(admit(&wat::parse_str(itself).unwrap()).is_ok());
}

#[test]
fn h_056_sockets_and_names_cannot_be_asked_for() {
    for name in ["tcp", "udp", "tcp-create-socket", "udp-create-socket", "instance-network", "ip-name-lookup"]
    {
        let name = format!("wasi:sockets/{name}@0.2.6");
        let text = refused(&format!(r#"(component (import "{name}" (instance)) {LIBRARY})"#));
        assert_eq!(text, format!("imports what is not offered: `{name}`"));
    }
}
