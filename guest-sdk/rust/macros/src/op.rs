//! `#[op]`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, Ident, ItemFn, Pat, PatType, ReturnType, Signature, Type};

use crate::{docs, types};

/// Expands the attribute. Where it cannot, the function stays and the errors stand beside it, so that the
/// compiler does not go on to report what follows from them.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            let error = syn::Error::new_spanned(&item, "`#[op]` goes on a function with a body");
            let error = error.into_compile_error();
            return quote!(#error #item);
        }
    };
    let mut problems = Problems::default();
    let pure = pure(arguments, &mut problems);
    let parameters = parameters(&function.sig, &mut problems);
    check(&function.sig, &mut problems);
    let op = implement(&function, &parameters, pure, &mut problems);
    strip_parameter_docs(&mut function);
    match problems.0 {
        None => quote!(#function #op),
        Some(error) => {
            let error = error.into_compile_error();
            // Inside an impl there is no place for one.
            if function.sig.receiver().is_some() {
                return quote!(#function #error);
            }
            let placeholder = placeholder(&function);
            quote!(#function #error #placeholder)
        }
    }
}

/// What stands in `#[op(..)]`: nothing, or `pure`.
fn pure(arguments: TokenStream, problems: &mut Problems) -> bool {
    if arguments.is_empty() {
        return false;
    }
    let span = arguments.span();
    match syn::parse2::<Ident>(arguments) {
        Ok(word) if word == "pure" => true,
        _ => {
            problems.at(span, "`#[op]` takes no argument but `pure`; the op is named as the function");
            false
        }
    }
}

/// All that is wrong, reported together.
#[derive(Default)]
struct Problems(Option<syn::Error>);

impl Problems {
    fn at(&mut self, span: Span, message: &str) {
        self.add(syn::Error::new(span, message));
    }

    fn add(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            none => *none = Some(error),
        }
    }
}

/// What one parameter is for.
enum Parameter {
    Context,
    Config(Type),
    Input {
        name: String,
        doc: TokenStream,
        /// What one takes; `T` of `Option<T>`.
        ty: Type,
        required: bool,
    },
}

fn check(sig: &Signature, problems: &mut Problems) {
    if let Some(token) = &sig.asyncness {
        problems.at(token.span(), "an op is not async: it runs alone in its instance and may simply wait");
    }
    if let Some(abi) = &sig.abi {
        problems.at(abi.span(), "an op is a plain Rust function");
    }
    if !sig.generics.params.is_empty() {
        let message = "an op is not generic: its description names its types";
        problems.at(sig.generics.params.span(), message);
    }
    if let Some(variadic) = &sig.variadic {
        problems.at(variadic.span(), "an op has a fixed number of inputs");
    }
}

fn parameters(sig: &Signature, problems: &mut Problems) -> Vec<Parameter> {
    let mut parameters = vec![];
    for argument in &sig.inputs {
        match parameter(argument) {
            Ok(parameter) => parameters.push(parameter),
            Err(error) => problems.add(error),
        }
    }
    let mut contexts = 0;
    for (parameter, argument) in parameters.iter().zip(&sig.inputs) {
        contexts += usize::from(matches!(parameter, Parameter::Context));
        if contexts == 2 {
            problems.at(argument.span(), "an op takes its context once");
            break;
        }
    }
    parameters
}

fn parameter(argument: &FnArg) -> syn::Result<Parameter> {
    let PatType { attrs, pat, ty, .. } = match argument {
        FnArg::Typed(typed) => typed,
        FnArg::Receiver(receiver) => {
            let message = "an op is a free function: it has no `self`, each attempt starts afresh";
            return Err(syn::Error::new_spanned(receiver, message));
        }
    };
    if let Type::Reference(reference) = &**ty {
        let is_context =
            types::last_segment(&reference.elem).is_some_and(|segment| segment.ident == "Context");
        if is_context && reference.mutability.is_none() {
            return Ok(Parameter::Context);
        }
        return Err(syn::Error::new_spanned(ty, by_value(reference)));
    }
    if let Type::ImplTrait(ty) = &**ty {
        let message = "an op is not generic: name the type of this input";
        return Err(syn::Error::new_spanned(ty, message));
    }
    let ident = match &**pat {
        Pat::Ident(ident) if ident.by_ref.is_none() && ident.subpat.is_none() => &ident.ident,
        _ => {
            let message =
                "the name of a parameter is the name of its input: write one name, take it apart inside";
            return Err(syn::Error::new_spanned(pat, message));
        }
    };
    let name = types::name(ident)?;
    if name == "config" {
        return Ok(Parameter::Config((**ty).clone()));
    }
    let (ty, required) = match types::argument_of(ty, "Option") {
        Some(inner) => (inner.clone(), false),
        None => ((**ty).clone(), true),
    };
    let doc = docs::of(attrs);
    Ok(Parameter::Input { name, doc, ty, required })
}

/// How to take by value what was asked for by reference.
fn by_value(reference: &syn::TypeReference) -> String {
    let owned = match &*reference.elem {
        Type::Slice(slice) => {
            let element = &slice.elem;
            format!("Vec<{}>", quote!(#element))
        }
        other if types::last_segment(other).is_some_and(|segment| segment.ident == "str") => {
            "String".to_owned()
        }
        other if types::last_segment(other).is_some_and(|segment| segment.ident == "Context") => {
            return "the context is lent: write `&Context`".to_owned();
        }
        other => quote!(#other).to_string(),
    };
    format!("an op owns its inputs: write `{owned}`")
}

/// What the function returns, as written.
struct Returned<'t> {
    /// The `T` of `Result<T, E>`, or the whole.
    value: Option<&'t Type>,
    fallible: bool,
}

fn returned<'t>(sig: &'t Signature, problems: &mut Problems) -> Returned<'t> {
    let ty = match &sig.output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => Some(&**ty),
    };
    if let Some(Type::ImplTrait(ty)) = ty {
        problems.at(ty.span(), "an op names the type that it returns");
    }
    if let Some(Type::Reference(ty)) = ty {
        problems.at(ty.span(), "an op gives its outputs away: return an owned value");
    }
    let (value, fallible) = match ty.and_then(|ty| types::argument_of(ty, "Result")) {
        Some(value) => (Some(value), true),
        None => (ty, false),
    };
    Returned { value: value.filter(|ty| !types::is_unit(ty)), fallible }
}

fn implement(
    function: &ItemFn,
    parameters: &[Parameter],
    pure: bool,
    problems: &mut Problems,
) -> TokenStream {
    let ident = &function.sig.ident;
    let vis = &function.vis;
    let name = types::name(ident).unwrap_or_else(|error| {
        problems.add(error);
        String::new()
    });
    let doc = docs::of(&function.attrs);
    let returned = returned(&function.sig, problems);
    let describe = parameters.iter().filter_map(describe);
    let config_schema = parameters.iter().find_map(config_schema);
    let config_schema = config_schema.unwrap_or_else(|| quote!(::core::option::Option::None));
    let (arguments, takes): (Vec<Ident>, Vec<TokenStream>) =
        parameters.iter().enumerate().filter_map(|(at, parameter)| take(at, parameter)).unzip();
    let call_arguments = parameters.iter().enumerate().map(|(at, parameter)| match parameter {
        Parameter::Context => quote!(ctx),
        Parameter::Config(_) | Parameter::Input { .. } => {
            let argument = argument(at);
            quote!(#argument)
        }
    });
    let call = quote!(#ident(#(#call_arguments),*));
    let (output_specs, emit) = outputs(&returned, &function.sig, call);
    let inputs = match arguments.is_empty() {
        true => quote!(let _ = invocation;),
        false => {
            quote!(let mut inputs = ::cofferdam_op::__private::Inputs::new(Self::NAME, ctx, invocation);)
        }
    };
    quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #vis struct #ident {}

        #[allow(clippy::all)]
        impl ::cofferdam_op::__private::Op for #ident {
            const NAME: &'static str = #name;

            fn spec() -> ::cofferdam_op::__private::OpSpec {
                #[allow(unused_mut)]
                let mut op = ::cofferdam_op::__private::OpSpec {
                    name: ::std::borrow::ToOwned::to_owned(#name),
                    doc: ::std::borrow::ToOwned::to_owned(#doc),
                    inputs: ::std::vec::Vec::new(),
                    outputs: #output_specs,
                    config_schema: #config_schema,
                    resources: ::std::vec::Vec::new(),
                    pure: #pure,
                };
                #(#describe)*
                op
            }

            fn run(
                ctx: &::cofferdam_op::Context,
                invocation: ::cofferdam_op::__private::Invocation,
            ) -> ::cofferdam_op::Result<::std::vec::Vec<::cofferdam_op::__private::Output>> {
                #inputs
                #(let #arguments = #takes;)*
                #emit
            }
        }
    }
}

fn argument(at: usize) -> Ident {
    format_ident!("argument_{at}", span = Span::mixed_site())
}

fn describe(parameter: &Parameter) -> Option<TokenStream> {
    match parameter {
        Parameter::Input { name, doc, ty, required } => {
            let check = match required {
                true => quote!(),
                false => {
                    quote_spanned!(ty.span()=> const _: () = ::cofferdam_op::__private::may_lack::<#ty>();)
                }
            };
            Some(quote_spanned! {ty.span()=>
                #check
                <#ty as ::cofferdam_op::Input>::describe(#name, #doc, #required, &mut op);
            })
        }
        Parameter::Context | Parameter::Config(_) => None,
    }
}

fn config_schema(parameter: &Parameter) -> Option<TokenStream> {
    match parameter {
        Parameter::Config(ty) => {
            Some(quote_spanned!(ty.span()=> ::cofferdam_op::__private::config_schema::<#ty>()))
        }
        Parameter::Context | Parameter::Input { .. } => None,
    }
}

/// How the value of a parameter is taken.
fn take(at: usize, parameter: &Parameter) -> Option<(Ident, TokenStream)> {
    let take = match parameter {
        Parameter::Context => return None,
        Parameter::Config(ty) => quote_spanned!(ty.span()=> inputs.config::<#ty>()?),
        Parameter::Input { name, ty, required: true, .. } => {
            quote_spanned!(ty.span()=> inputs.required::<#ty>(#name)?)
        }
        Parameter::Input { name, ty, .. } => quote_spanned!(ty.span()=> inputs.optional::<#ty>(#name)?),
    };
    Some((argument(at), take))
}

/// The description of the outputs, and the call with what becomes of its value.
fn outputs(returned: &Returned<'_>, sig: &Signature, call: TokenStream) -> (TokenStream, TokenStream) {
    let value = match returned.fallible {
        true => {
            let span = sig.output.span();
            quote_spanned! {span=>
                match #call {
                    ::core::result::Result::Ok(value) => value,
                    ::core::result::Result::Err(error) => {
                        return ::core::result::Result::Err(::cofferdam_op::IntoError::into_error(error));
                    }
                }
            }
        }
        false => call,
    };
    let Some(ty) = returned.value else {
        let run = quote!(let () = #value; ::core::result::Result::Ok(::std::vec::Vec::new()));
        return (quote!(::std::vec::Vec::new()), run);
    };
    let result = quote!(::cofferdam_op::__private::RESULT);
    let none = quote!(::core::option::Option::None);
    let (specs, emit) = match types::argument_of(ty, "Option") {
        Some(inner) => (
            quote_spanned!(inner.span()=>
                ::std::vec![<#inner as ::cofferdam_op::Output>::spec(#result, "", #none, false)]),
            quote_spanned! {inner.span()=>
                if let ::core::option::Option::Some(value) = value {
                    <#inner as ::cofferdam_op::Output>::emit(value, #result, #none, &mut emitter)?;
                }
            },
        ),
        None => (
            quote_spanned!(ty.span()=> <#ty as ::cofferdam_op::Outputs>::specs()),
            quote_spanned!(ty.span()=> <#ty as ::cofferdam_op::Outputs>::emit_all(value, &mut emitter)?;),
        ),
    };
    let run = quote! {
        let value = #value;
        let mut emitter = ::cofferdam_op::__private::Emitter::new(Self::NAME, ctx);
        #emit
        ::core::result::Result::Ok(emitter.into_outputs())
    };
    (specs, run)
}

/// Doc comments of parameters are ours; the compiler would refuse them.
fn strip_parameter_docs(function: &mut ItemFn) {
    for argument in &mut function.sig.inputs {
        if let FnArg::Typed(typed) = argument {
            typed.attrs.retain(|attribute| !attribute.path().is_ident("doc"));
        }
    }
}

/// An op that stands for one with errors, so that `library!` finds its name.
fn placeholder(function: &ItemFn) -> TokenStream {
    let (vis, ident) = (&function.vis, &function.sig.ident);
    quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #vis struct #ident {}

        impl ::cofferdam_op::__private::Op for #ident {
            const NAME: &'static str = "";
            fn spec() -> ::cofferdam_op::__private::OpSpec {
                ::core::unreachable!()
            }
            fn run(
                _: &::cofferdam_op::Context,
                _: ::cofferdam_op::__private::Invocation,
            ) -> ::cofferdam_op::Result<::std::vec::Vec<::cofferdam_op::__private::Output>> {
                ::core::unreachable!()
            }
        }
    }
}
