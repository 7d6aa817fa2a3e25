//! `#[derive(Outputs)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Field, Fields, LitStr};

use crate::{docs, types};

pub(crate) fn expand(item: &DeriveInput) -> syn::Result<TokenStream> {
    let Data::Struct(syn::DataStruct { fields: Fields::Named(fields), .. }) = &item.data else {
        let message = "`Outputs` is for a struct with named fields: each field is an output";
        return Err(syn::Error::new(item.ident.span(), message));
    };
    if !item.generics.params.is_empty() {
        let message = "outputs have types of their own: a generic struct has no description";
        return Err(syn::Error::new(item.generics.span(), message));
    }
    let mut specs = vec![];
    let mut emits = vec![];
    for field in &fields.named {
        let (spec, emit) = expand_field(field)?;
        specs.push(spec);
        emits.push(emit);
    }
    let ident = &item.ident;
    Ok(quote! {
        impl ::cofferdam_op::Outputs for #ident {
            fn specs() -> ::std::vec::Vec<::cofferdam_op::__private::OutputSpec> {
                ::std::vec![#(#specs),*]
            }

            fn emit_all(
                self,
                emitter: &mut ::cofferdam_op::__private::Emitter<'_>,
            ) -> ::cofferdam_op::Result<()> {
                #(#emits)*
                ::core::result::Result::Ok(())
            }
        }
    })
}

fn expand_field(field: &Field) -> syn::Result<(TokenStream, TokenStream)> {
    let ident = field.ident.as_ref().expect("the fields are named");
    let name = types::name(ident)?;
    let doc = docs::of(&field.attrs);
    let ty = &field.ty;
    let media_type = match media_type(field)? {
        Some(text) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    };
    let check = match self::media_type(field)? {
        Some(_) => quote_spanned!(ty.span()=> ::cofferdam_op::__private::takes_media_type::<#ty>();),
        None => quote!(),
    };
    let (value, required) = match types::argument_of(ty, "Option") {
        Some(inner) => (inner, false),
        None => (ty, true),
    };
    let spec = quote_spanned! {value.span()=> {
        #check
        <#value as ::cofferdam_op::Output>::spec(#name, #doc, #media_type, #required)
    }};
    let emit = quote_spanned! {value.span()=>
        <#value as ::cofferdam_op::Output>::emit(value, #name, #media_type, emitter)?;
    };
    let emit = match required {
        true => quote!({ let value = self.#ident; #emit }),
        false => quote!(if let ::core::option::Option::Some(value) = self.#ident { #emit }),
    };
    Ok((spec, emit))
}

/// What `#[output(media_type = "..")]` says.
fn media_type(field: &Field) -> syn::Result<Option<String>> {
    let mut found = None;
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("output")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("media_type") {
                return Err(meta.error("unknown key, expected `media_type`"));
            }
            let text: LitStr = meta.value()?.parse()?;
            let value = text.value();
            if !is_media_type(&value) {
                let message = "expected a media type without parameters, in lower case, such as \"text/csv\"";
                return Err(syn::Error::new(text.span(), message));
            }
            found = Some(value);
            Ok(())
        })?;
    }
    Ok(found)
}

fn is_media_type(text: &str) -> bool {
    let word = |word: &str| {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "!#$&-^_.+".contains(c);
        !word.is_empty() && word.chars().all(legal)
    };
    text.split_once('/').is_some_and(|(kind, subtype)| word(kind) && word(subtype))
}
