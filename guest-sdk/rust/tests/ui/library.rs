//! Mistakes in `library!`.

use cofferdam_op::library;

fn plain() {}

library!(plain, absent);

fn main() {}
