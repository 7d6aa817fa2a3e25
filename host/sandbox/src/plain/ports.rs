//! From the types of exported functions to ops with typed inputs and outputs.
//!
//! | WIT | here |
//! |---|---|
//! | `bool`, integers, floats, `string`, `char` | what JSON Schema calls them, integers within their range |
//! | `list<u8>` as a parameter or result | bytes: `*/*` in, `application/octet-stream` out |
//! | `list<t>`, `tuple<…>` | array |
//! | `record` | object, with `-` in names of fields written `_` |
//! | `enum`, `flags` | one of its names, an array of them |
//! | `variant` | the name of the case, or an object of that one key with what the case holds |
//! | `option<t>` | an input or output that may be absent; within a value: null |
//! | `result<t, e>` as a result | the output, or the failure; within a value: an object with `ok` or `err` |

use cofferdam_model::{CBOR, InputSpec, LibrarySpec, Name, OCTET_STREAM, OpSpec, OutputSpec};
use serde_json::{Map, Value as Json, json};
use wasmtime::Engine;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, Type};

/// The output of a function.
pub(super) const RESULT: &str = "result";

/// Parts of the types of one function: a type may name another many times, and each time costs.
const TYPE_PARTS_MAX: u32 = 10_000;
/// Depth of a type.
const TYPE_DEPTH_MAX: u32 = 32;

/// An exported function that is an op.
pub(super) struct Found {
    pub(super) name: Name,
    pub(super) index: ComponentExportIndex,
    pub(super) ty: ComponentFunc,
    op: OpSpec,
    /// The interface that it is in, where it is in one: `docs:calc/stats@0.1.0`.
    interface: Option<String>,
}

/// The name of an op, input or field: WIT's with `_` for `-`. None for names with other characters in them.
pub(super) fn name(wit: &str) -> Option<Name> {
    Name::new(&wit.replace('-', "_")).ok()
}

/// Every exported function that is an op. One of an interface has the interface's own name in front.
pub(super) fn functions(engine: &Engine, component: &Component) -> Vec<Found> {
    let mut found = vec![];
    for (export, item) in component.component_type().exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(ty) => {
                let index = component.get_export_index(None, export).expect("it was just listed");
                found.extend(function(export, index, ty, None));
            }
            ComponentItem::ComponentInstance(instance) => {
                let outer = component.get_export_index(None, export).expect("it was just listed");
                for (inner, item) in instance.exports(engine) {
                    let ComponentItem::ComponentFunc(ty) = item.ty else { continue };
                    let index = component.get_export_index(Some(&outer), inner).expect("it was just listed");
                    let full = format!("{}-{inner}", short(export));
                    found.extend(function(&full, index, ty, Some(export.to_owned())));
                }
            }
            _ => {}
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found.dedup_by(|a, b| a.name == b.name);
    found
}

/// `stats` of `docs:calc/stats@0.1.0`.
fn short(interface: &str) -> &str {
    let name = interface.split_once('@').map_or(interface, |(name, _)| name);
    name.rsplit_once('/').map_or(name, |(_, name)| name)
}

/// What the library says of itself. A component that imports nothing computes from its arguments alone.
pub(super) fn spec(found: &[Found], hermetic: bool) -> LibrarySpec {
    let package = found.iter().find_map(|found| found.interface.as_deref());
    let (name, version) = package.map_or(("component", ""), |interface| {
        let (name, version) = interface.split_once('@').unwrap_or((interface, ""));
        (name.split_once('/').map_or(name, |(package, _)| package), version)
    });
    let ops = found.iter().map(|found| OpSpec { pure: hermetic, ..found.op.clone() }).collect();
    LibrarySpec { name: name.to_owned(), version: version.to_owned(), ops }
}

fn function(
    wit: &str,
    index: ComponentExportIndex,
    ty: ComponentFunc,
    interface: Option<String>,
) -> Option<Found> {
    let mut budget = TYPE_PARTS_MAX;
    let inputs = ty.params().map(|(name, ty)| input(name, ty, &mut budget)).collect::<Option<Vec<_>>>()?;
    let outputs = match ty.results().next() {
        Some(ty) => output(ty, &mut budget)?,
        None => vec![],
    };
    let name = name(wit)?;
    let op = OpSpec {
        name: name.clone(),
        doc: format!("`{}`", signature(&ty)),
        inputs,
        outputs,
        config_schema: None,
        resources: vec![],
        pure: false,
    };
    Some(Found { name, index, ty, op, interface })
}

fn input(wit: &str, ty: Type, budget: &mut u32) -> Option<InputSpec> {
    let (required, ty) = match ty {
        Type::Option(option) => (false, option.ty()),
        ty => (true, ty),
    };
    let (media_type, schema) = match is_bytes(&ty) {
        true => ("*/*", Json::Bool(true)),
        false => (CBOR, schema(&ty, TYPE_DEPTH_MAX, budget)?),
    };
    Some(InputSpec {
        name: name(wit)?,
        doc: String::new(),
        media_type: media_type.to_owned(),
        schema,
        required,
        many: false,
    })
}

/// The outputs of a function with that result: one, or none.
fn output(ty: Type, budget: &mut u32) -> Option<Vec<OutputSpec>> {
    let ty = match ty {
        Type::Result(result) => {
            if let Some(error) = result.err() {
                schema(&error, TYPE_DEPTH_MAX, budget)?;
            }
            match result.ok() {
                Some(ty) => ty,
                None => return Some(vec![]),
            }
        }
        ty => ty,
    };
    let (required, ty) = match ty {
        Type::Option(option) => (false, option.ty()),
        ty => (true, ty),
    };
    let (media_type, schema) = match is_bytes(&ty) {
        true => (OCTET_STREAM, Json::Bool(true)),
        false => (CBOR, schema(&ty, TYPE_DEPTH_MAX, budget)?),
    };
    Some(vec![OutputSpec {
        name: Name::new(RESULT).expect("a name"),
        doc: String::new(),
        media_type: media_type.to_owned(),
        schema,
        required,
        dynamic: false,
    }])
}

pub(super) fn is_bytes(ty: &Type) -> bool {
    matches!(ty, Type::List(list) if matches!(list.ty(), Type::U8))
}

/// The JSON Schema of a type; none if it has something else than values in it, or is too large.
fn schema(ty: &Type, depth: u32, budget: &mut u32) -> Option<Json> {
    *budget = budget.checked_sub(1)?;
    let depth = depth.checked_sub(1)?;
    let mut part = |ty: &Type| schema(ty, depth, budget);
    Some(match ty {
        Type::Bool => json!({ "type": "boolean" }),
        Type::S8 => integer(i8::MIN, i8::MAX),
        Type::U8 => integer(u8::MIN, u8::MAX),
        Type::S16 => integer(i16::MIN, i16::MAX),
        Type::U16 => integer(u16::MIN, u16::MAX),
        Type::S32 => integer(i32::MIN, i32::MAX),
        Type::U32 => integer(u32::MIN, u32::MAX),
        Type::S64 => integer(i64::MIN, i64::MAX),
        Type::U64 => integer(u64::MIN, u64::MAX),
        Type::Float32 | Type::Float64 => json!({ "type": "number" }),
        Type::Char => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
        Type::String => json!({ "type": "string" }),
        Type::List(list) => json!({ "type": "array", "items": part(&list.ty())? }),
        Type::Tuple(tuple) => {
            let items = tuple.types().map(|ty| part(&ty)).collect::<Option<Vec<_>>>()?;
            let n = items.len();
            json!({ "type": "array", "prefixItems": items, "items": false, "minItems": n, "maxItems": n })
        }
        Type::Record(record) => {
            let (mut properties, mut required) = (Map::new(), vec![]);
            for field in record.fields() {
                let name = name(field.name)?.to_string();
                properties.insert(name.clone(), part(&field.ty)?);
                if !matches!(field.ty, Type::Option(_)) {
                    required.push(name);
                }
            }
            json!({ "type": "object", "properties": properties, "required": required })
        }
        Type::Enum(names) => json!({ "enum": names.names().collect::<Vec<_>>() }),
        Type::Flags(flags) => {
            let names: Vec<_> = flags.names().collect();
            json!({ "type": "array", "items": { "enum": names }, "uniqueItems": true })
        }
        Type::Variant(variant) => {
            let case = |name: &str, ty: Option<Json>| match ty {
                None => json!({ "const": name }),
                Some(ty) => one_key(name, ty),
            };
            let mut cases = vec![];
            for found in variant.cases() {
                let payload = match &found.ty {
                    Some(ty) => Some(part(ty)?),
                    None => None,
                };
                cases.push(case(found.name, payload));
            }
            json!({ "oneOf": cases })
        }
        Type::Option(option) => json!({ "anyOf": [part(&option.ty())?, { "type": "null" }] }),
        Type::Result(result) => {
            let mut side = |ty: Option<Type>| match ty {
                Some(ty) => part(&ty),
                None => Some(json!({ "type": "null" })),
            };
            json!({ "oneOf": [one_key("ok", side(result.ok())?), one_key("err", side(result.err())?)] })
        }
        _ => return None,
    })
}

fn integer(min: impl Into<Json>, max: impl Into<Json>) -> Json {
    json!({ "type": "integer", "minimum": min.into(), "maximum": max.into() })
}

fn one_key(name: &str, ty: Json) -> Json {
    json!({ "type": "object", "properties": { name: ty }, "required": [name], "additionalProperties": false })
}

/// The function's type as WIT writes it: what there is of documentation.
fn signature(ty: &ComponentFunc) -> String {
    let params: Vec<String> = ty.params().map(|(name, ty)| format!("{name}: {}", wit(&ty))).collect();
    let result = ty.results().next().map(|ty| format!(" -> {}", wit(&ty))).unwrap_or_default();
    format!("func({}){result}", params.join(", "))
}

fn wit(ty: &Type) -> String {
    let or_blank = |ty: Option<Type>| ty.map_or_else(|| "_".to_owned(), |ty| wit(&ty));
    match ty {
        Type::Bool => "bool".to_owned(),
        Type::S8 => "s8".to_owned(),
        Type::U8 => "u8".to_owned(),
        Type::S16 => "s16".to_owned(),
        Type::U16 => "u16".to_owned(),
        Type::S32 => "s32".to_owned(),
        Type::U32 => "u32".to_owned(),
        Type::S64 => "s64".to_owned(),
        Type::U64 => "u64".to_owned(),
        Type::Float32 => "f32".to_owned(),
        Type::Float64 => "f64".to_owned(),
        Type::Char => "char".to_owned(),
        Type::String => "string".to_owned(),
        Type::List(list) => format!("list<{}>", wit(&list.ty())),
        Type::Option(option) => format!("option<{}>", wit(&option.ty())),
        Type::Tuple(tuple) => {
            format!("tuple<{}>", tuple.types().map(|ty| wit(&ty)).collect::<Vec<_>>().join(", "))
        }
        Type::Result(result) => format!("result<{}, {}>", or_blank(result.ok()), or_blank(result.err())),
        Type::Record(record) => {
            format!(
                "record {{ {} }}",
                record.fields().map(|field| field.name.to_owned()).collect::<Vec<_>>().join(", ")
            )
        }
        Type::Variant(_) => "variant".to_owned(),
        Type::Enum(_) => "enum".to_owned(),
        Type::Flags(_) => "flags".to_owned(),
        _ => "_".to_owned(),
    }
}
