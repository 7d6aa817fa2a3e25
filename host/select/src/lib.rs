//! What part is meant: one language for ops of a job, steps of a run and assets. Pure.
//!
//! A text is an old clause (`*clean+`: stars and pluses around one name) or an expression with attributes
//! (`2+name:"clean" and not tag:"slow"`); both become one [`Expr`], whose `Display` is the normal form. Several
//! texts are the union. A [`Vocabulary`] says which attributes there are, a [`Graph`] what bears them.
//! Who asks, what the nodes stand for and what is done with them is left to others.

mod bits;
mod clause;
mod cursor;
mod evaluate;
mod expr;
mod graph;
mod names;
mod parse;
mod problem;
mod vocabulary;

pub use expr::{Depth, End, Expr, Term, Value};
pub use graph::{Graph, GraphBuilder, Shape};
pub use parse::{EXPRESSION_BYTES_MAX, NESTING_MAX, WALKS_MAX, parse};
pub use problem::{Place, Problem, ProblemKind};
pub use vocabulary::{ASSETS, Attribute, OPS, STEPS, Vocabulary};
