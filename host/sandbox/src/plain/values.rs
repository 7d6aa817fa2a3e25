//! Values of WIT types from what an input holds, and back. Errors read on from "input `x`": they begin with the place
//! within the value.

use cofferdam_model::CBOR;
use serde_json::{Map, Number, Value as Json};
use wasmtime::component::{Type, Val};

use super::ports::{is_bytes, name};

/// An argument from the bytes of an input.
pub(super) fn argument(ty: &Type, media_type: &str, bytes: Vec<u8>) -> Result<Val, String> {
    if let Type::Option(option) = ty {
        return Ok(Val::Option(Some(Box::new(argument(&option.ty(), media_type, bytes)?))));
    }
    if is_bytes(ty) {
        return Ok(Val::List(bytes.into_iter().map(Val::U8).collect()));
    }
    if media_type != CBOR {
        return Err(format!(" is of the type `{media_type}`, expected `{CBOR}`"));
    }
    let json: Json =
        ciborium::from_reader(bytes.as_slice()).map_err(|error| format!(" is not CBOR: {error}"))?;
    value(ty, json)
}

/// A value of that type.
fn value(ty: &Type, json: Json) -> Result<Val, String> {
    let wrong = |expected: &str, found: &Json| Err(format!(": expected {expected}, found {}", kind(found)));
    Ok(match (ty, json) {
        (Type::Bool, Json::Bool(truth)) => Val::Bool(truth),
        (Type::S8, json) => Val::S8(integer(&json)?),
        (Type::U8, json) => Val::U8(integer(&json)?),
        (Type::S16, json) => Val::S16(integer(&json)?),
        (Type::U16, json) => Val::U16(integer(&json)?),
        (Type::S32, json) => Val::S32(integer(&json)?),
        (Type::U32, json) => Val::U32(integer(&json)?),
        (Type::S64, json) => Val::S64(integer(&json)?),
        (Type::U64, json) => Val::U64(integer(&json)?),
        #[expect(clippy::cast_possible_truncation, reason = "a narrower float is what the function takes")]
        (Type::Float32, Json::Number(number)) => Val::Float32(number.as_f64().unwrap_or(f64::NAN) as f32),
        (Type::Float64, Json::Number(number)) => Val::Float64(number.as_f64().unwrap_or(f64::NAN)),
        (Type::Char, Json::String(text)) => {
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(char), None) => Val::Char(char),
                _ => return wrong("one character", &Json::String(text)),
            }
        }
        (Type::String, Json::String(text)) => Val::String(text),
        (Type::List(list), Json::Array(items)) => {
            let ty = list.ty();
            let items = items.into_iter().enumerate().map(|(n, item)| within(n, value(&ty, item)));
            Val::List(items.collect::<Result<_, _>>()?)
        }
        (Type::Tuple(tuple), Json::Array(items)) if items.len() == tuple.types().len() => {
            let items =
                tuple.types().zip(items).enumerate().map(|(n, (ty, item))| within(n, value(&ty, item)));
            Val::Tuple(items.collect::<Result<_, _>>()?)
        }
        (Type::Tuple(tuple), Json::Array(items)) => {
            return Err(format!(": expected {} items, found {}", tuple.types().len(), items.len()));
        }
        (Type::Record(record), Json::Object(mut entries)) => {
            let fields = record.fields().map(|field| {
                let key = name(field.name).map(String::from).unwrap_or_default();
                let value = match entries.remove(&key) {
                    Some(json) => within(&key, value(&field.ty, json))?,
                    None if matches!(field.ty, Type::Option(_)) => Val::Option(None),
                    None => return Err(format!(": `{key}` is missing")),
                };
                Ok((field.name.to_owned(), value))
            });
            Val::Record(fields.collect::<Result<_, String>>()?)
        }
        (Type::Enum(names), Json::String(text)) => match names.names().any(|name| name == text) {
            true => Val::Enum(text),
            false => {
                return Err(format!(
                    ": `{text}` is none of {}",
                    names.names().collect::<Vec<_>>().join(", ")
                ));
            }
        },
        (Type::Flags(flags), Json::Array(items)) => {
            let item = |item: Json| match item {
                Json::String(text) if flags.names().any(|name| name == text) => Ok(text),
                other => {
                    Err(format!(": {other} is none of {}", flags.names().collect::<Vec<_>>().join(", ")))
                }
            };
            Val::Flags(items.into_iter().map(item).collect::<Result<_, _>>()?)
        }
        (Type::Variant(variant), json) => {
            let (found, payload) = match json {
                Json::String(text) => (text, None),
                Json::Object(entries) if entries.len() == 1 => {
                    let (key, payload) = entries.into_iter().next().expect("it has one entry");
                    (key, Some(payload))
                }
                other => return wrong("the name of a case, or an object of one", &other),
            };
            let case = variant.cases().find(|case| case.name == found);
            match (case.map(|case| case.ty), payload) {
                (Some(None), None) => Val::Variant(found, None),
                (Some(Some(ty)), Some(payload)) => {
                    let payload = within(&found, value(&ty, payload))?;
                    Val::Variant(found, Some(Box::new(payload)))
                }
                _ => return Err(format!(": there is no case `{found}` of that form")),
            }
        }
        (Type::Option(_), Json::Null) => Val::Option(None),
        (Type::Option(option), json) => Val::Option(Some(Box::new(value(&option.ty(), json)?))),
        (Type::Result(result), Json::Object(entries)) if entries.len() == 1 => {
            let (key, payload) = entries.into_iter().next().expect("it has one entry");
            let side = |ty: Option<Type>| match ty {
                Some(ty) => within(&key, value(&ty, payload)).map(|value| Some(Box::new(value))),
                None => Ok(None),
            };
            match key.as_str() {
                "ok" => Val::Result(Ok(side(result.ok())?)),
                "err" => Val::Result(Err(side(result.err())?)),
                _ => return Err(format!(": expected `ok` or `err`, found `{key}`")),
            }
        }
        (ty, json) => return wrong(expected(ty), &json),
    })
}

fn within<T>(place: impl std::fmt::Display, result: Result<T, String>) -> Result<T, String> {
    result.map_err(|message| format!(".{place}{message}"))
}

fn integer<T: TryFrom<i128>>(json: &Json) -> Result<T, String> {
    let whole = json.as_i64().map(i128::from).or_else(|| json.as_u64().map(i128::from));
    let Some(whole) = whole else { return Err(format!(": expected an integer, found {}", kind(json))) };
    T::try_from(whole).map_err(|_| format!(": {whole} is out of range"))
}

fn expected(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "true or false",
        Type::Float32 | Type::Float64 => "a number",
        Type::Char | Type::String | Type::Enum(_) => "text",
        Type::List(_) | Type::Tuple(_) | Type::Flags(_) => "an array",
        _ => "an object",
    }
}

fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a truth value",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}

/// The bytes of a `list<u8>`.
pub(super) fn bytes(value: Val) -> Vec<u8> {
    let Val::List(items) = value else { return vec![] };
    items.into_iter().filter_map(|item| if let Val::U8(byte) = item { Some(byte) } else { None }).collect()
}

/// A value as JSON, which is what its schema describes.
pub(super) fn json(value: Val) -> Result<Json, String> {
    Ok(match value {
        Val::Bool(truth) => Json::Bool(truth),
        Val::S8(n) => n.into(),
        Val::U8(n) => n.into(),
        Val::S16(n) => n.into(),
        Val::U16(n) => n.into(),
        Val::S32(n) => n.into(),
        Val::U32(n) => n.into(),
        Val::S64(n) => n.into(),
        Val::U64(n) => n.into(),
        Val::Float32(n) => number(n.into())?,
        Val::Float64(n) => number(n)?,
        Val::Char(char) => Json::String(char.to_string()),
        Val::String(text) | Val::Enum(text) => Json::String(text),
        Val::List(items) | Val::Tuple(items) => {
            let items = items.into_iter().enumerate().map(|(n, item)| within(n, json(item)));
            Json::Array(items.collect::<Result<_, _>>()?)
        }
        Val::Record(fields) => {
            let field = |(wit, value): (String, Val)| {
                let key = wit.replace('-', "_");
                let value = within(&key, json(value))?;
                Ok((key, value))
            };
            Json::Object(fields.into_iter().map(field).collect::<Result<_, String>>()?)
        }
        Val::Variant(name, None) => Json::String(name),
        Val::Variant(name, Some(value)) => one_key(name, json(*value)?),
        Val::Flags(names) => Json::Array(names.into_iter().map(Json::String).collect()),
        Val::Option(None) => Json::Null,
        Val::Option(Some(value)) => json(*value)?,
        Val::Result(Ok(value)) => one_key("ok".to_owned(), side(value)?),
        Val::Result(Err(value)) => one_key("err".to_owned(), side(value)?),
        _ => return Err(" is no value".to_owned()),
    })
}

fn side(value: Option<Box<Val>>) -> Result<Json, String> {
    value.map_or(Ok(Json::Null), |value| json(*value))
}

fn one_key(name: String, value: Json) -> Json {
    Json::Object(Map::from_iter([(name, value)]))
}

fn number(number: f64) -> Result<Json, String> {
    Number::from_f64(number).map(Json::Number).ok_or_else(|| format!(": {number} is no number that JSON has"))
}
