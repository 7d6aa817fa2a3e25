//! The engine: one fixed configuration, its pool, and the way from bytes to a [`Library`].
//!
//! Settings follow what was measured (a fresh instance in under 10 µs) and what is safe; each has its
//! reason beside it.

use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use wasmtime::component::{Component, Linker};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy,
};

use crate::admit::admit;
use crate::library::Library;
use crate::link::link;
use crate::state::State;
use crate::ticker::Ticker;
use crate::{Error, Refusal};

/// Bytes of native stack that a guest's calls may take. The Rust default for shadow stacks is 1 MiB, and
/// recursion that deep is a mistake.
const WASM_STACK_BYTES_MAX: usize = 512 * 1024;
/// Bytes of a freed memory that stay resident: what a small op dirties. Only dirty pages are wiped.
const MEMORY_KEEP_BYTES: usize = 1024 * 1024;
/// Bytes of a freed table that stay resident.
const TABLE_KEEP_BYTES: usize = 64 * 1024;
/// Memories kept with the image of the library that used them last, so that a cell which alternates between
/// libraries finds each one warm. Costs address space only.
const WARM_MEMORIES: u32 = 64;
/// Per live component: core instances, memories and tables. Interpreters link about ten modules.
const CORE_INSTANCES_MAX: u32 = 64;
const MEMORIES_MAX: u32 = 8;
const TABLES_MAX: u32 = 64;
/// Elements of one table; the sum is bounded by `Limits::table_elements_max`.
const TABLE_ELEMENTS_MAX: usize = 100_000;
/// Bytes of wasmtime's own structures for one instance.
const INSTANCE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of one artefact. Machine code is 3 to 8 times the size of a component.
const ARTEFACT_BYTES_MAX: usize = 512 * 1024 * 1024;

/// What differs between sandboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Instances that may live at the same time.
    pub slots: u32,
    /// Bytes of the largest single linear memory; attempts may be given less.
    pub memory_bytes_max: u64,
    /// Count fuel. Counted code runs up to twice as long, so attempts that have no fuel limit run in a
    /// sandbox without it; the two compile to different artefacts with different fingerprints.
    pub fuel: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { slots: 1, memory_bytes_max: 4 * 1024 * 1024 * 1024, fuel: false }
    }
}

/// An engine with its pool and its ticker. Cheap to clone; the ticker ends with the last clone and the last
/// library.
#[derive(Clone)]
pub struct Sandbox {
    pub(crate) engine: Engine,
    pub(crate) linker: Arc<Linker<State>>,
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) settings: Settings,
}

impl Sandbox {
    /// Reserves the pool and starts the ticker's thread (call it before a filter forbids threads). Fails
    /// where the machine lacks address space or the CPU is not supported.
    pub fn new(settings: &Settings) -> Result<Sandbox, Error> {
        let engine = Engine::new(&config(settings)).map_err(engine_error)?;
        let linker = link(&engine).map_err(engine_error)?;
        let ticker = Ticker::start(&engine).map_err(|error| Error::Engine(error.to_string()))?;
        Ok(Sandbox { engine, linker: Arc::new(linker), ticker: Arc::new(ticker), settings: settings.clone() })
    }

    /// Names what an artefact depends on: engine version, settings and CPU features. An artefact that was
    /// compiled under another fingerprint must be compiled again.
    pub fn fingerprint(&self) -> String {
        let mut hasher = Fingerprint(blake3::Hasher::new());
        self.engine.precompile_compatibility_hash().hash(&mut hasher);
        let hex = hasher.0.finalize().to_hex();
        format!("wasmtime-48-{}", &hex.as_str()[..32])
    }

    /// Checks and compiles a component. Can take seconds and gigabytes within what `admit` lets through:
    /// call it in a process with limits of its own.
    pub fn compile(&self, component: &[u8]) -> Result<Vec<u8>, Refusal> {
        admit(component)?;
        let artefact = self
            .engine
            .precompile_component(component)
            .map_err(|error| Refusal::Compile(format!("{error:#}")))?;
        if artefact.len() > ARTEFACT_BYTES_MAX {
            return Err(Refusal::TooLarge {
                what: "bytes of machine code",
                found: artefact.len() as u64,
                max: ARTEFACT_BYTES_MAX as u64,
            });
        }
        Ok(artefact)
    }

    /// Maps an artefact into memory.
    ///
    /// The caller vouches that the file is what [`Sandbox::compile`] returned under this fingerprint, byte
    /// for byte, and that nobody can change it while the library lives: machine code has no integrity of
    /// its own, and a flipped bit is arbitrary code. Fails if wasmtime finds that it was made by another
    /// engine, or if the library does not fit the world.
    pub fn load(&self, artefact: &Path) -> Result<Library, Error> {
        let refused =
            |error: wasmtime::Error| Error::Load { path: artefact.to_owned(), reason: format!("{error:#}") };
        #[expect(unsafe_code, reason = "the one way to map precompiled code; see the contract above")]
        // SAFETY: the file is the unchanged result of `compile` under this fingerprint, which the caller of
        // `load` vouches for.
        let component = unsafe { Component::deserialize_file(&self.engine, artefact) }.map_err(refused)?;
        Library::new(self, &component).map_err(refused)
    }
}

fn engine_error(error: wasmtime::Error) -> Error {
    Error::Engine(format!("{error:#}"))
}

/// The whole configuration, in one place.
pub(crate) fn config(settings: &Settings) -> Config {
    let mut config = Config::new();
    features(&mut config);
    config
        // Never Winch or Pulley: most of their advisories are in code generation.
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        // Same bits on every machine, so that results can be compared and reused. One thing is left open: the sign and
        // payload of a NaN that an instruction makes, which is the processor family's. Making those equal takes four
        // instructions after each of arithmetic, with which array code took more than twice as long.
        .relaxed_simd_deterministic(true)
        .max_wasm_stack(WASM_STACK_BYTES_MAX)
        .epoch_interruption(true)
        .consume_fuel(settings.fuel)
        .memory_init_cow(true)
        // Calls are synchronous: a cell runs one attempt at a time, and its host functions may block.
        .concurrency_support(false)
        // Tables of lines that a component carries go into its artefact, and are read in the cell, when it has failed.
        .wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Enable)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings)));
    config
}

/// The engine's form of [`crate::admit::FEATURES`], by the names of wasmtime's own copy of the list.
/// Everything that is not allowed is switched off, so that a new default of wasmtime changes nothing here.
fn features(config: &mut Config) {
    use wasmtime::WasmFeatures as Engines;
    let allowed = crate::admit::FEATURES
        .iter_names()
        .filter_map(|(name, _)| Engines::from_name(name))
        .fold(Engines::empty(), Engines::union);
    config.wasm_features(Engines::all().difference(allowed), false);
    // No module of a guest's has several memories: the static check refuses it before the engine sees it. What the engine
    // makes to pass values between two components within one does have both of theirs.
    config.wasm_multi_memory(true);
}

/// Slots and their sizes. Wiping dirty pages in place, found by the kernel's PAGEMAP_SCAN, makes a fresh
/// instance cost 9 µs instead of 24 µs; where the kernel has none (before Linux 6.7, other systems), keeping
/// pages resident would cost more than it saves.
///
/// No setting here keeps what a guest has grown accessible: guard pages stand where bounds are checked, so
/// each growth is an `mprotect` and the reset one more, 8 µs in all for an op that grows twice. Guests are
/// therefore built with a heap that suffices from the start (cofferdam-toolchain's `RUSTFLAGS`). A quarter of
/// the 14 to 17 µs that remain is wasmtime linking core functions, most of them the preview1 adapter's.
fn pool(settings: &Settings) -> PoolingAllocationConfig {
    let slots = settings.slots.max(1);
    let bytes_max = usize::try_from(settings.memory_bytes_max).unwrap_or(usize::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(CORE_INSTANCES_MAX))
        .total_memories(slots.saturating_mul(MEMORIES_MAX).max(WARM_MEMORIES))
        .total_tables(slots.saturating_mul(TABLES_MAX))
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .max_memory_size(bytes_max)
        .max_unused_warm_slots(WARM_MEMORIES);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(MEMORY_KEEP_BYTES)
            .table_keep_resident(TABLE_KEEP_BYTES);
    }
    pool
}

/// wasmtime hands out a `Hash`; std's hashers are not stable between programs, this one is.
struct Fingerprint(blake3::Hasher);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.finalize();
        u64::from_le_bytes(digest.as_bytes()[..8].try_into().expect("eight bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f12_the_configuration_is_what_was_decided() {
        let text = format!("{:#?}", config(&Settings::default()));
        let (before, rest) = text.split_once("settings: {").expect("the settings are printed");
        let (settings, after) = rest.split_once("flags: {").expect("flags follow");
        let settings: String = settings.split_whitespace().collect();
        assert!(settings.starts_with("\"opt_level\":(\"speed\",No,)"), "{settings}");
        assert_eq!(settings.matches("No,").count(), 1, "{settings}");
        insta::assert_snapshot!(format!("{before}flags: {{{after}"), @r#"
        Config {
            wasm_mutable_global: true,
            wasm_saturating_float_to_int: true,
            wasm_sign_extension: true,
            wasm_reference_types: true,
            wasm_multi_value: true,
            wasm_bulk_memory: true,
            wasm_simd: true,
            wasm_relaxed_simd: true,
            wasm_threads: false,
            wasm_shared_everything_threads: false,
            wasm_tail_call: true,
            wasm_floats: true,
            wasm_multi_memory: true,
            wasm_exceptions: false,
            wasm_memory64: false,
            wasm_extended_const: true,
            wasm_component_model: true,
            wasm_function_references: false,
            wasm_memory_control: false,
            wasm_gc: false,
            wasm_custom_page_sizes: false,
            wasm_legacy_exceptions: false,
            wasm_gc_types: false,
            wasm_stack_switching: false,
            wasm_wide_arithmetic: false,
            wasm_cm_values: false,
            wasm_cm_nested_names: false,
            wasm_cm_async: false,
            wasm_cm_async_stackful: false,
            wasm_cm_more_async_builtins: false,
            wasm_cm_threading: false,
            wasm_cm_error_context: false,
            wasm_cm_fixed_length_lists: false,
            wasm_cm_gc: false,
            wasm_call_indirect_overlong: true,
            wasm_bulk_memory_opt: true,
            wasm_custom_descriptors: false,
            wasm_compact_imports: false,
            wasm_cm_map: false,
            wasm_cm64: false,
            wasm_cm_implements: false,
            wasm_cm_canon_names: false,
            parallel_compilation: true,
            compiler_config: Some(
                CompilerConfig {
                    strategy: Some(
                        Cranelift,
                    ),
                    flags: {},
                    clif_dir: None,
                    wmemcheck: false,
                },
            ),
            parse_wasm_debuginfo: true,
            consume_fuel: false,
            epoch_interruption: true,
            relaxed_simd_deterministic: true,
            memory_init_cow: true,
            concurrency_support: false,
        }
        "#);
    }
}
