//! The static check of a component: what it is, how large, which features it uses, what it imports and
//! exports. Reads the bytes with wasmparser only; no wasmtime call is made before it has passed, so that an
//! ELF file or a compile bomb never gets near the compiler.

use std::panic::catch_unwind;

use cofferdam_model::LIBRARY_BYTES_MAX;
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType};
use wasmparser::types::TypesRef;
use wasmparser::{FunctionBody, Parser, Payload, Validator, WasmFeatures};

use crate::Refusal;
use crate::link::OFFERED;

/// Core functions in all modules: 100,000 take the compiler 2.7 s and 0.5 GiB.
const FUNCTIONS_MAX: u64 = 100_000;
/// Locals of one function: compile time grows faster than their number.
const LOCALS_MAX: u64 = 10_000;
/// Bytes of one function body.
const BODY_BYTES_MAX: u64 = 1024 * 1024;
/// Types, core and component, in all.
const TYPES_MAX: u64 = 100_000;
/// Imports and exports of modules and components, in all.
const IMPORTS_EXPORTS_MAX: u64 = 10_000;
/// Data segments in all modules.
const DATA_SEGMENTS_MAX: u64 = 10_000;
/// Components within the component.
const COMPONENTS_MAX: u64 = 64;
/// Core modules within the component: 64 core instances may live, several may share a module.
const MODULES_MAX: u64 = 256;
/// Aliases and instantiations, in all: what makes types expand.
const ALIASES_MAX: u64 = 100_000;

/// Our package.
const PACKAGE: &str = "cofferdam:op/";
/// The interface that makes a component a library, without its patch version.
const OPS: &str = "cofferdam:op/ops";
const OPS_VERSION: &str = "0.1.";
/// Its functions.
const OPS_FUNCTIONS: [&str; 2] = ["describe", "run"];

/// What guests may use. Everything else is off: threads, shared memory, memory64, gc, function references,
/// exceptions, stack switching, custom page sizes, multi-memory and the component model's async.
/// `sandbox::features` gives the engine the same list, but for several memories in what it makes itself, and takes from
/// relaxed SIMD its freedom: results do not differ between machines.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

/// Features that are refused by name; the last one for what needs two that have nothing to do with each other.
const REFUSED: [(WasmFeatures, &str); 14] = [
    (WasmFeatures::THREADS, "threads"),
    (WasmFeatures::MEMORY64, "memory64"),
    (WasmFeatures::EXCEPTIONS, "exceptions"),
    (WasmFeatures::LEGACY_EXCEPTIONS.union(WasmFeatures::EXCEPTIONS), "legacy exceptions"),
    (WasmFeatures::FUNCTION_REFERENCES, "function references"),
    (
        WasmFeatures::FUNCTION_REFERENCES.union(WasmFeatures::GC).union(WasmFeatures::GC_TYPES),
        "garbage collection",
    ),
    (WasmFeatures::MULTI_MEMORY, "multiple memories in one module"),
    (
        WasmFeatures::STACK_SWITCHING
            .union(WasmFeatures::FUNCTION_REFERENCES)
            .union(WasmFeatures::GC_TYPES)
            .union(WasmFeatures::EXCEPTIONS),
        "stack switching",
    ),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom page sizes"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide arithmetic"),
    (WasmFeatures::SHARED_EVERYTHING_THREADS.union(WasmFeatures::THREADS), "shared everything"),
    (WasmFeatures::MEMORY_CONTROL, "memory control"),
    (WasmFeatures::CM_ASYNC.union(WasmFeatures::CM_MORE_ASYNC_BUILTINS), "component-model async"),
    (WasmFeatures::all(), "several features"),
];

/// A component that may be compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// Interfaces that it imports, as written.
    pub imports: Vec<String>,
    /// What it exports at the top, as written.
    pub exports: Vec<String>,
}

/// Checks a component without compiling it. Takes time and memory in proportion to its size, and fails with
/// a text for its author.
pub fn admit(component: &[u8]) -> Result<Admitted, Refusal> {
    check_kind(component)?;
    let census = Census::take(component)?;
    census.check()?;
    let types = validate(component)?;
    check_world(&census, types.as_ref())?;
    check_imports(&census, types.as_ref())?;
    Ok(Admitted { imports: census.root_imports, exports: census.root_exports })
}

/// Looks at the first bytes only.
fn check_kind(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.len() as u64 > LIBRARY_BYTES_MAX {
        return Err(Refusal::TooLarge { what: "bytes", found: bytes.len() as u64, max: LIBRARY_BYTES_MAX });
    }
    let found = if Parser::is_component(bytes) {
        return Ok(());
    } else if bytes.is_empty() {
        "an empty file"
    } else if Parser::is_core_wasm(bytes) {
        "a core WebAssembly module, not yet made into a component (build for the target `wasm32-wasip2`)"
    } else if bytes.starts_with(b"\0asm") {
        "WebAssembly of an unknown version, or cut off after the magic number"
    } else if bytes.starts_with(b"\x7fELF") {
        "an ELF file (native or precompiled code)"
    } else if bytes.starts_with(b"PK\x03\x04") {
        "a zip archive"
    } else if bytes.starts_with(&[0x1f, 0x8b]) {
        "a gzip file"
    } else if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        "a zstd file"
    } else if bytes.trim_ascii_start().starts_with(b"(") {
        "WebAssembly text"
    } else {
        "unknown bytes"
    };
    Err(Refusal::NotAComponent { found: found.to_owned() })
}

/// What is counted on one pass over the sections.
#[derive(Default)]
struct Census {
    functions: u64,
    types: u64,
    imports_exports: u64,
    data_segments: u64,
    components: u64,
    modules: u64,
    aliases: u64,
    root_imports: Vec<String>,
    root_exports: Vec<String>,
}

impl Census {
    /// Counts, and stops at the first cap that is passed, so that a bomb costs no more than its header.
    fn take(component: &[u8]) -> Result<Census, Refusal> {
        let mut census = Census::default();
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(component) {
            let payload = payload.map_err(malformed)?;
            match &payload {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section.clone() {
                        census.root_imports.push(import.map_err(malformed)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section.clone() {
                        census.root_exports.push(export.map_err(malformed)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
            census.count(&payload)?;
            census.check()?;
        }
        Ok(census)
    }

    fn count(&mut self, payload: &Payload<'_>) -> Result<(), Refusal> {
        match payload {
            Payload::FunctionSection(section) => self.functions += u64::from(section.count()),
            Payload::TypeSection(section) => self.types += u64::from(section.count()),
            Payload::CoreTypeSection(section) => self.types += u64::from(section.count()),
            Payload::ComponentTypeSection(section) => self.types += u64::from(section.count()),
            Payload::ImportSection(section) => self.imports_exports += u64::from(section.count()),
            Payload::ExportSection(section) => self.imports_exports += u64::from(section.count()),
            Payload::ComponentImportSection(section) => self.imports_exports += u64::from(section.count()),
            Payload::ComponentExportSection(section) => self.imports_exports += u64::from(section.count()),
            Payload::DataSection(section) => self.data_segments += u64::from(section.count()),
            Payload::DataCountSection { .. } => {}
            Payload::ComponentAliasSection(section) => self.aliases += u64::from(section.count()),
            Payload::InstanceSection(section) => self.aliases += u64::from(section.count()),
            Payload::ComponentInstanceSection(section) => self.aliases += u64::from(section.count()),
            Payload::ModuleSection { .. } => self.modules += 1,
            Payload::ComponentSection { .. } => self.components += 1,
            Payload::CodeSectionEntry(body) => check_body(body)?,
            _ => {}
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Refusal> {
        let caps = [
            ("functions", self.functions, FUNCTIONS_MAX),
            ("types", self.types, TYPES_MAX),
            ("imports and exports", self.imports_exports, IMPORTS_EXPORTS_MAX),
            ("data segments", self.data_segments, DATA_SEGMENTS_MAX),
            ("nested components", self.components, COMPONENTS_MAX),
            ("core modules", self.modules, MODULES_MAX),
            ("aliases and instances", self.aliases, ALIASES_MAX),
        ];
        match caps.into_iter().find(|(_, found, max)| found > max) {
            Some((what, found, max)) => Err(Refusal::TooLarge { what, found, max }),
            None => Ok(()),
        }
    }
}

fn check_body(body: &FunctionBody<'_>) -> Result<(), Refusal> {
    let found = body.range().len() as u64;
    if found > BODY_BYTES_MAX {
        return Err(Refusal::TooLarge { what: "bytes in one function", found, max: BODY_BYTES_MAX });
    }
    let mut locals = 0_u64;
    for entry in body.get_locals_reader().map_err(malformed)? {
        locals += u64::from(entry.map_err(malformed)?.0);
    }
    if locals > LOCALS_MAX {
        return Err(Refusal::TooLarge { what: "locals in one function", found: locals, max: LOCALS_MAX });
    }
    Ok(())
}

/// Full validation. If it fails, the features that we refuse are tried one by one, to name the one at fault.
fn validate(component: &[u8]) -> Result<wasmparser::types::Types, Refusal> {
    let error = match validate_with(FEATURES, component)? {
        Ok(types) => return Ok(types),
        Err(error) => error,
    };
    let culprit = REFUSED
        .iter()
        .find(|(feature, _)| matches!(validate_with(FEATURES.union(*feature), component), Ok(Ok(_))));
    Err(match culprit {
        Some((_, feature)) => Refusal::Feature { feature, message: error.message().to_owned() },
        None => malformed(error),
    })
}

/// Components that break an assertion of the validator (the tests in `spec` have some) are refused too.
fn validate_with(
    features: WasmFeatures,
    component: &[u8],
) -> Result<wasmparser::Result<wasmparser::types::Types>, Refusal> {
    catch_unwind(|| Validator::new_with_features(features).validate_all(component))
        .map_err(|_| Refusal::Unchecked)
}

fn malformed(error: wasmparser::BinaryReaderError) -> Refusal {
    let offset = error.offset();
    Refusal::Malformed { offset, message: error.message().to_owned() }
}

/// Whether an export is of our package, in any version: such a component wants to be a library of our world.
pub(crate) fn is_contract(export: &str) -> bool {
    export.starts_with(PACKAGE)
}

/// Is it one of our libraries, or does it have functions of its own?
fn check_world(census: &Census, types: TypesRef<'_>) -> Result<(), Refusal> {
    let is_ops = |name: &&String| {
        name.strip_prefix(OPS)
            .and_then(|rest| rest.strip_prefix('@'))
            .is_some_and(|version| version.starts_with(OPS_VERSION))
    };
    let interface = format!("{OPS}@{OPS_VERSION}0");
    let Some(export) = census.root_exports.iter().find(is_ops) else {
        let is_plain = !census.root_exports.iter().any(|export| is_contract(export));
        if is_plain && census.root_exports.iter().any(|export| has_function(types, export)) {
            return Ok(());
        }
        return Err(Refusal::World { missing: vec![format!("the export `{interface}`")] });
    };
    let exported = match types.component_item_for_export(export).map(|item| item.ty) {
        Some(ComponentEntityType::Instance(id)) => &types[id].exports,
        _ => {
            return Err(Refusal::World { missing: vec![format!("the interface `{interface}`")] });
        }
    };
    let missing: Vec<String> = OPS_FUNCTIONS
        .iter()
        .filter(|function| {
            !matches!(exported.get(**function).map(|item| item.ty), Some(ComponentEntityType::Func(_)))
        })
        .map(|function| format!("the function `{function}` of `{export}`"))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Refusal::World { missing }) }
}

/// Whether an export is a function, or an interface with one.
fn has_function(types: TypesRef<'_>, export: &str) -> bool {
    let is_function = |entity: &ComponentEntityType| matches!(entity, ComponentEntityType::Func(_));
    match types.component_item_for_export(export).map(|item| item.ty) {
        Some(ComponentEntityType::Instance(id)) => {
            types[id].exports.values().any(|item| is_function(&item.ty))
        }
        Some(entity) => is_function(&entity),
        None => false,
    }
}

fn check_imports(census: &Census, types: TypesRef<'_>) -> Result<(), Refusal> {
    let unknown: Vec<String> = census
        .root_imports
        .iter()
        .filter(|name| !is_offered(name) && !is_types(types, name))
        .map(|name| format!("`{name}`"))
        .collect();
    if unknown.is_empty() { Ok(()) } else { Err(Refusal::Imports { unknown }) }
}

/// Whether an import only gives names to types of values: there is nothing to offer.
fn is_types(types: TypesRef<'_>, import: &str) -> bool {
    let is_type = |entity: &ComponentEntityType| {
        matches!(entity, ComponentEntityType::Type { created: ComponentAnyTypeId::Defined(_), .. })
    };
    match types.component_item_for_import(import).map(|item| item.ty) {
        Some(ComponentEntityType::Instance(id)) => {
            let exports = &types[id].exports;
            !exports.is_empty() && exports.values().all(|item| is_type(&item.ty))
        }
        Some(entity) => is_type(&entity),
        None => false,
    }
}

/// Versions are compatible as semver says: the same `0.x`.
fn is_offered(import: &str) -> bool {
    let Some((interface, version)) = import.split_once('@') else {
        return false;
    };
    OFFERED.iter().any(|(name, track)| *name == interface && version.starts_with(track))
}
