//! What the macros see of types: only how they are written.

use syn::{GenericArgument, Ident, PathArguments, PathSegment, Type};

/// Longest name of an op, input or output, in bytes: the host's rule.
const NAME_BYTES_MAX: usize = 128;

/// The name that the host sees; fails where its rule is narrower than Rust's.
pub(crate) fn name(ident: &Ident) -> syn::Result<String> {
    let text = ident.to_string();
    let text = text.trim_start_matches("r#").to_owned();
    if text.len() > NAME_BYTES_MAX {
        let message = format!("a name has at most {NAME_BYTES_MAX} bytes, this one has {}", text.len());
        return Err(syn::Error::new(ident.span(), message));
    }
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '_')) {
        Some(found) => {
            let message = format!("`{found}` is not allowed in a name; use letters, digits and `_`");
            Err(syn::Error::new(ident.span(), message))
        }
        None => Ok(text),
    }
}

/// The last segment of a type that is a path.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        Type::Paren(inner) => last_segment(&inner.elem),
        Type::Group(inner) => last_segment(&inner.elem),
        _ => None,
    }
}

/// `T` of `Wrapper<T, ..>`.
pub(crate) fn argument_of<'t>(ty: &'t Type, wrapper: &str) -> Option<&'t Type> {
    let segment = last_segment(ty).filter(|segment| segment.ident == wrapper)?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}
