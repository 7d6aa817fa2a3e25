//! Doc comments as one text.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// An expression of type `&'static str`: the doc of an item, lines joined, the usual indent of one space
/// taken off.
pub(crate) fn of(attributes: &[Attribute]) -> TokenStream {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => Some(match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                let text = text.value();
                let text = text.strip_prefix(' ').unwrap_or(&text);
                quote!(#text)
            }
            other => quote!(#other),
        }),
        _ => None,
    });
    let lines: Vec<TokenStream> = lines.collect();
    match lines.as_slice() {
        [] => quote!(""),
        [first, rest @ ..] => quote!(::core::concat!(#first #(, "\n", #rest)*)),
    }
}
