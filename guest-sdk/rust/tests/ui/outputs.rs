//! Mistakes in `#[derive(Outputs)]`.

use cofferdam_op::{Bytes, Outputs};

#[derive(Outputs)]
struct Tuple(Bytes);

#[derive(Outputs)]
struct Generic<T> {
    value: T,
}

#[derive(Outputs)]
struct Typo {
    #[output(mediatype = "text/csv")]
    csv: Bytes,
}

#[derive(Outputs)]
struct Wrong {
    #[output(media_type = "Text")]
    csv: Bytes,
}



fn main() {}
