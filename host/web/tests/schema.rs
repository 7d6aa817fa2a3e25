//! The schema is a contract with those who ask: a change of it is seen in `schema.graphql`.

#[test]
fn the_schema_is_the_one_that_is_committed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let text = cofferdam_web::schema_text();
    if std::env::var_os("COFFERDAM_WRITE_SCHEMA").is_some() {
        std::fs::write(path, &text).expect("the schema can be written");
    }
    let committed = std::fs::read_to_string(path).expect("the schema is beside the crate");
    assert!(committed == text, "it is another one; see what COFFERDAM_WRITE_SCHEMA=1 changes in {path}");
}
