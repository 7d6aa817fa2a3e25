//! Types that cannot cross between ops.

use cofferdam_op::{Many, Outputs, Sql, op};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Row {
    name: String,
}

#[op]
fn takes(_rows: Vec<Row>) {}

#[op]
fn takes_option(_row: Option<Row>, _many: Many<Row>) {}

#[op]
fn configured(config: Row) {
    drop(config)
}

#[op]
fn gives() -> Row {
    Row { name: String::new() }
}

struct Odd;

#[op]
fn fails() -> Result<u32, Odd> {
    Err(Odd)
}

#[op]
fn lacks(_db: Option<Sql>) {}

#[op]
fn borrows(_db: &Sql) {}

#[derive(Outputs)]
struct Several {
    row: Row,
    #[output(media_type = "text/csv")]
    text: String,
}

fn main() {}
