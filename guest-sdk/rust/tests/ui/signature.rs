//! Functions that cannot be ops.

use cofferdam_op::{Context, op};

#[op]
async fn waits(text: String) -> String {
    text
}

#[op]
fn generic<T>(value: T) -> T {
    value
}

#[op]
fn borrows(_text: &str, _rows: &[u32], _other: &String, _ctx: &mut Context) {}

#[op]
fn takes_apart((a, b): (u32, u32)) -> u32 {
    a + b
}

#[op]
fn anything(value: impl Into<String>) -> impl Into<String> {
    value
}

#[op]
fn größe(_text: String) {}

#[op(name = "x")]
fn named(_text: String) {}

#[op(pure, fast)]
fn hurried(_text: String) {}

#[op]
fn two(_a: &Context, _b: &Context) {}

#[op]
struct NoFunction;

struct Method;
impl Method {
    #[op]
    fn method(&self) {}
}

fn main() {}
