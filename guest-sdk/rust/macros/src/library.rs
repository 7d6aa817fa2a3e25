//! `library!`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Path;
use syn::parse::Parser;
use syn::punctuated::Punctuated;

pub(crate) fn expand(ops: TokenStream) -> syn::Result<TokenStream> {
    let ops = Punctuated::<Path, syn::Token![,]>::parse_terminated.parse2(ops)?;
    if ops.is_empty() {
        let message = "a library has at least one op: `library!(first, second)`";
        return Err(syn::Error::new(proc_macro2::Span::call_site(), message));
    }
    let ops = ops.iter();
    Ok(quote! {
        const _: () = {
            static OPS: &[::cofferdam_op::__private::Entry] =
                &[#(::cofferdam_op::__private::Entry::new(
                    <#ops as ::cofferdam_op::__private::Op>::NAME,
                    <#ops as ::cofferdam_op::__private::Op>::spec,
                    <#ops as ::cofferdam_op::__private::Op>::run,
                )),*];

            #[cfg(target_family = "wasm")]
            const _: () = {
                use ::cofferdam_op::__private::guest;

                struct Library;

                impl guest::Guest for Library {
                    fn describe() -> guest::LibrarySpec {
                        let (name, version) = (::core::env!("CARGO_PKG_NAME"), ::core::env!("CARGO_PKG_VERSION"));
                        guest::describe(::cofferdam_op::__private::spec(name, version, OPS))
                    }

                    fn run(
                        op: ::std::string::String,
                        invocation: guest::Invocation,
                    ) -> ::core::result::Result<guest::Completion, guest::Failure> {
                        guest::run(OPS, &op, invocation)
                    }
                }

                guest::export_library!(Library with_types_in ::cofferdam_op::__private::guest::bindings);
            };

            // Natively nothing calls the ops by name, but the compiler checks the list all the same.
            #[cfg(not(target_family = "wasm"))]
            const _: &[::cofferdam_op::__private::Entry] = OPS;
        };
    })
}
