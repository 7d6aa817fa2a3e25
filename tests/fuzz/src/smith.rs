//! Components that nobody wrote: a core module of wasm-smith, which makes valid ones of any bytes, as a library with one
//! op.

use std::sync::LazyLock;

use libfuzzer_sys::arbitrary::Unstructured;
use wasm_encoder::{
    ComponentBuilder, ComponentExportKind, ComponentValType, ExportKind, ModuleArg, PrimitiveValType,
};
use wasm_smith::{Config, Module};

/// What the module must export.
static EXPORTS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    wat::parse_str(r#"(module (func (export "run") (result i32) i32.const 0))"#).expect("it is a module")
});

/// One in so many modules may use what is switched off.
const STRANGE: u8 = 8;

/// None if the bytes do not suffice.
pub(crate) fn component(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut choices = Unstructured::new(bytes);
    let config = config(choices.arbitrary::<u8>().ok()? % STRANGE == 0);
    let module = Module::new(config, &mut choices).ok()?;
    Some(wrap(&module.to_bytes()))
}

fn config(strange: bool) -> Config {
    Config {
        exports: Some(EXPORTS.clone()),
        max_imports: 0,
        max_funcs: 8,
        max_globals: 8,
        max_types: 16,
        max_data_segments: 4,
        max_element_segments: 4,
        exceptions_enabled: strange,
        gc_enabled: strange,
        memory64_enabled: strange,
        threads_enabled: strange,
        wide_arithmetic_enabled: strange,
        compact_imports_enabled: strange,
        ..Config::default()
    }
}

fn wrap(module: &[u8]) -> Vec<u8> {
    let mut component = ComponentBuilder::default();
    let module = component.core_module_raw(None, module);
    let instance = component.core_instantiate(None, module, Vec::<(&str, ModuleArg)>::new());
    let function = component.core_alias_export(None, instance, "run", ExportKind::Func);
    let (ty, mut encoder) = component.type_function(None);
    encoder
        .params(Vec::<(&str, ComponentValType)>::new())
        .result(Some(ComponentValType::Primitive(PrimitiveValType::U32)));
    let lifted = component.lift_func(None, function, ty, []);
    component.export("run", ComponentExportKind::Func, lifted, None);
    component.finish()
}
