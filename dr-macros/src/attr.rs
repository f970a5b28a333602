//! The attributes of the derives: `#[resource(..)]` on a type, `#[input(..)]` on a field.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, DeriveInput, Ident, LitFloat, LitInt, LitStr, Path, Token, Type};

use crate::errors::Errors;

/// `#[resource(..)]`, with a placeholder for what is missing or wrong, so that the expansion can go on.
pub(crate) struct ResourceAttr {
    pub(crate) type_name: LitStr,
    pub(crate) outputs: Option<Path>,
    pub(crate) region: Option<Type>,
    pub(crate) create_s: f64,
    pub(crate) delete_s: f64,
    pub(crate) settle_s: f64,
    pub(crate) delete_first: bool,
    pub(crate) lookup: bool,
    pub(crate) check: Option<Path>,
}

const RESOURCE_KEYS: &str =
    "`type`, `outputs`, `region`, `create_s`, `delete_s`, `settle_s`, `replacement`, `lookup` and `check`";

impl ResourceAttr {
    pub(crate) fn parse(input: &DeriveInput, errors: &mut Errors) -> Self {
        let mut type_name = None;
        let mut attr = ResourceAttr {
            type_name: LitStr::new("missing.type", Span::call_site()),
            outputs: None,
            region: None,
            create_s: 1.0,
            delete_s: 1.0,
            settle_s: 0.0,
            delete_first: false,
            lookup: false,
            check: None,
        };
        each_key(&input.attrs, "resource", errors, |key, stream, errors| {
            match key.to_string().as_str() {
                "type" => {
                    let name: LitStr = value(key, stream)?;
                    if !is_type_name(&name.value()) {
                        errors.at(
                            &name,
                            "a type name has the form `aws.ec2.subnet`: provider, service and type, in lower case",
                        );
                    }
                    type_name = Some(name);
                }
                "outputs" => attr.outputs = Some(value(key, stream)?),
                "region" => attr.region = Some(value(key, stream)?),
                "create_s" => attr.create_s = value::<Seconds>(key, stream)?.0,
                "delete_s" => attr.delete_s = value::<Seconds>(key, stream)?.0,
                "settle_s" => attr.settle_s = value::<Seconds>(key, stream)?.0,
                "replacement" => {
                    let order: LitStr = value(key, stream)?;
                    match order.value().as_str() {
                        "create-first" => attr.delete_first = false,
                        "delete-first" => attr.delete_first = true,
                        _ => errors.at(order, "a replacement is \"create-first\" or \"delete-first\""),
                    }
                }
                "lookup" => attr.lookup = true,
                "check" => attr.check = Some(value(key, stream)?),
                _ => {
                    return Err(syn::Error::new(key.span(), format!("unknown key `{key}`: there are {RESOURCE_KEYS}")));
                }
            }
            Ok(())
        });
        match type_name {
            Some(name) => attr.type_name = name,
            None => errors.at(
                &input.ident,
                "a resource needs a type name: add `#[resource(type = \"provider.service.type\", ..)]`",
            ),
        }
        attr
    }
}

/// `#[input(..)]`.
#[derive(Default)]
pub(crate) struct InputAttr {
    pub(crate) replace: Option<Ident>,
    pub(crate) holds: Option<Ident>,
    pub(crate) accepted: Option<Ident>,
    pub(crate) nested: bool,
}

impl InputAttr {
    pub(crate) fn parse(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut attr = InputAttr::default();
        each_key(attrs, "input", errors, |key, _, _| {
            match key.to_string().as_str() {
                "replace" => attr.replace = Some(key.clone()),
                "holds" => attr.holds = Some(key.clone()),
                "accepted" => attr.accepted = Some(key.clone()),
                "nested" => attr.nested = true,
                _ => {
                    let message = format!("unknown key `{key}`: there are `replace`, `holds`, `accepted` and `nested`");
                    return Err(syn::Error::new(key.span(), message));
                }
            }
            Ok(())
        });
        attr
    }
}

/// The documentation of an item, or a line in its place.
pub(crate) fn docs(attrs: &[Attribute], otherwise: &str) -> TokenStream {
    let docs: Vec<_> = attrs.iter().filter(|attr| attr.path().is_ident("doc")).collect();
    if docs.is_empty() { quote!(#[doc = #otherwise]) } else { quote!(#(#docs)*) }
}

/// Seconds, written as a whole number or with a decimal point.
struct Seconds(f64);

impl Parse for Seconds {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let look = input.lookahead1();
        if look.peek(LitInt) {
            input.parse::<LitInt>()?.base10_parse().map(Seconds)
        } else if look.peek(LitFloat) {
            input.parse::<LitFloat>()?.base10_parse().map(Seconds)
        } else {
            Err(input.error("expected seconds, `2` or `0.5`"))
        }
    }
}

/// The value of a key, after an equals sign.
fn value<T: Parse>(key: &Ident, input: ParseStream<'_>) -> syn::Result<T> {
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(key.span(), format!("`{key}` needs a value: `{key} = ..`")));
    }
    input.parse::<Token![=]>()?;
    input.parse()
}

/// Calls `handle` for each key of each attribute `name`; after an error it goes on behind the next comma.
fn each_key(
    attrs: &[Attribute],
    name: &str,
    errors: &mut Errors,
    mut handle: impl FnMut(&Ident, ParseStream<'_>, &mut Errors) -> syn::Result<()>,
) {
    let mut given: Vec<Ident> = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
        let keys = |stream: ParseStream<'_>| {
            while !stream.is_empty() {
                let key = stream.call(Ident::parse_any)?;
                if given.contains(&key) {
                    errors.at(&key, format!("`{key}` is given twice"));
                }
                let handled = handle(&key, stream, errors);
                let in_full = stream.is_empty() || stream.peek(Token![,]);
                match handled {
                    Ok(()) if !in_full => errors.push(stream.error("expected `,`")),
                    Ok(()) => {}
                    Err(error) => errors.push(error),
                }
                given.push(key);
                while !stream.is_empty() && !stream.peek(Token![,]) {
                    stream.parse::<TokenTree>()?;
                }
                stream.parse::<Option<Token![,]>>()?;
            }
            Ok(())
        };
        let parsed = attr.parse_args_with(keys);
        errors.ok(parsed);
    }
}

fn is_type_name(name: &str) -> bool {
    let segment = |segment: &str| {
        segment.starts_with(|c: char| c.is_ascii_lowercase())
            && segment.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-')
    };
    name.contains('.') && name.split('.').all(segment)
}
