//! JSON Schemas of Rust types, as the description of a library carries them.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

/// The schema of what the type reads.
pub(crate) fn of_input<T: JsonSchema>() -> String {
    text::<T>(SchemaSettings::draft2020_12().for_deserialize())
}

/// The schema of what the type writes.
pub(crate) fn of_output<T: JsonSchema>() -> String {
    text::<T>(SchemaSettings::draft2020_12().for_serialize())
}

fn text<T: JsonSchema>(settings: SchemaSettings) -> String {
    // Every schema here is of one draft; the contract says which.
    let generator = settings.with(|settings| settings.meta_schema = None).into_generator();
    generator.into_root_schema_for::<T>().as_value().to_string()
}
