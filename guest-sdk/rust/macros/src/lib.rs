//! The attribute `#[op]`, the derive `Outputs` and the macro `library!` of cofferdam-op. They only wire: what
//! an op does is in cofferdam-op.

mod docs;
mod library;
mod op;
mod outputs;
mod types;

use proc_macro::TokenStream;

/// Makes an op of a function: parameters become inputs by name, what it returns becomes outputs, doc
/// comments (of parameters too) become docs. The function itself stays as it is.
#[proc_macro_attribute]
pub fn op(arguments: TokenStream, item: TokenStream) -> TokenStream {
    op::expand(arguments.into(), item.into()).into()
}

/// Makes each field of a struct an output: `Option` an optional one, `Dynamic` a dynamic one.
/// `#[output(media_type = "text/csv")]` says what the bytes of a `Bytes` or `Stored` field are.
#[proc_macro_derive(Outputs, attributes(output))]
pub fn outputs(item: TokenStream) -> TokenStream {
    let item = syn::parse_macro_input!(item as syn::DeriveInput);
    outputs::expand(&item).unwrap_or_else(|error| error.into_compile_error()).into()
}

/// Exports the ops of this crate as a component: `library!(tokenize, stats::mean)`. Once per crate.
#[proc_macro]
pub fn library(ops: TokenStream) -> TokenStream {
    library::expand(ops.into()).unwrap_or_else(|error| error.into_compile_error()).into()
}
