//! From inputs to arguments: the types in which every `Input<T>` is a `T` and every region is data.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Data, DeriveInput, Fields, GenericArgument, GenericParam, Generics, Ident, PathArguments, PathSegment, Type,
    TypeParam, TypeParamBound, Visibility, WherePredicate, parse_quote_spanned,
};

use crate::attr::{self, InputAttr};
use crate::errors::Errors;

/// A field of inputs, and what it becomes.
pub(crate) struct InputField {
    pub(crate) ident: Ident,
    /// The key in encoded form.
    pub(crate) name: String,
    /// The type as declared.
    pub(crate) declared: Type,
    pub(crate) attr: InputAttr,
    docs: TokenStream,
    resolved: Type,
    pub(crate) secret: bool,
}

impl InputField {
    /// The fields; `PhantomData` is left out, because it holds nothing.
    pub(crate) fn parse_all(fields: &Fields, regions: &[Ident], errors: &mut Errors) -> Vec<Self> {
        let held = fields.iter().filter(|field| !is_named(&field.ty, "PhantomData"));
        held.filter_map(|field| {
            let ident = field.ident.clone().expect("the caller has looked: the fields are named");
            let name = ident.unraw().to_string();
            let attr = InputAttr::parse(&field.attrs, errors);
            let secret = is_named(&field.ty, "Secret");
            if !secret && mentions(&field.ty, "Secret") {
                errors.at(&field.ty, "a secret has to be the whole type of a field: `Secret<T>`");
                return None;
            }
            Some(InputField {
                docs: attr::docs(&field.attrs, &format!("The input `{name}`, resolved.")),
                resolved: resolve(&field.ty, regions, attr.nested),
                declared: field.ty.clone(),
                ident,
                name,
                attr,
                secret,
            })
        })
        .collect()
    }

    /// The field in the arguments.
    fn argument(&self, vis: &Visibility) -> TokenStream {
        let InputField { ident, docs, resolved, secret, .. } = self;
        let mut serde = TokenStream::new();
        if *secret {
            serde.extend(quote!(#[serde(serialize_with = "::dr_core::value::mask")]));
        }
        if has_empty(resolved) {
            serde.extend(quote!(#[serde(default)]));
        }
        quote!(#docs #serde #vis #ident: #resolved)
    }
}

/// The fields of arguments, in braces.
pub(crate) fn arguments(vis: &Visibility, fields: &[InputField]) -> TokenStream {
    let fields = fields.iter().map(|field| field.argument(vis));
    quote!({ #(#fields),* })
}

/// What stands before a type of arguments: documentation and derives.
pub(crate) fn header(input: &DeriveInput, docs: &str) -> TokenStream {
    let allow = allow_unread(&input.vis);
    quote! {
        #[doc = #docs]
        #[derive(
            ::core::fmt::Debug,
            ::core::clone::Clone,
            ::core::cmp::PartialEq,
            ::dr_core::serde::Serialize,
            ::dr_core::serde::Deserialize,
        )]
        #[serde(crate = "::dr_core::serde")]
        #allow
    }
}

/// Generated fields that a crate keeps to itself and does not read are no mistake of its author.
pub(crate) fn allow_unread(vis: &Visibility) -> TokenStream {
    match vis {
        Visibility::Public(_) => TokenStream::new(),
        _ => quote!(#[allow(dead_code)]),
    }
}

/// The name of the arguments of a type.
pub(crate) fn args_ident(ident: &Ident) -> Ident {
    format_ident!("{}Args", ident, span = ident.span())
}

/// The body of a struct with named fields; other types are an error and count as having none.
pub(crate) fn named_fields<'d>(input: &'d DeriveInput, derive: &str, errors: &mut Errors) -> Option<&'d Fields> {
    match &input.data {
        Data::Struct(data) if matches!(data.fields, Fields::Named(_)) => Some(&data.fields),
        _ => {
            errors.at(
                &input.ident,
                format!("`{derive}` is for structs with named fields: `struct {} {{ .. }}`", input.ident),
            );
            None
        }
    }
}

/// The parameters of a type, all of which have to be regions; `None` after an error.
pub(crate) fn region_params(generics: &Generics, errors: &mut Errors) -> Option<Vec<Ident>> {
    let mut regions = Vec::new();
    for param in &generics.params {
        match param {
            GenericParam::Type(param) if is_region(param, generics) => regions.push(param.ident.clone()),
            GenericParam::Type(TypeParam { ident, .. }) => {
                errors.at(ident, format!("every parameter has to be a region: write `{ident}: Region = Anywhere`"));
            }
            GenericParam::Lifetime(param) => errors.at(param, "the state outlives the program: own the value instead"),
            GenericParam::Const(param) => {
                errors.at(&param.ident, "every parameter has to be a region: make this a field")
            }
        }
    }
    (regions.len() == generics.params.len()).then_some(regions)
}

fn is_region(param: &TypeParam, generics: &Generics) -> bool {
    let named = |bound: &TypeParamBound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|last| last.ident == "Region"),
        _ => false,
    };
    let elsewhere =
        generics.where_clause.iter().flat_map(|clause| &clause.predicates).any(|predicate| match predicate {
            WherePredicate::Type(predicate) => {
                is_named(&predicate.bounded_ty, &param.ident.to_string()) && predicate.bounds.iter().any(named)
            }
            _ => false,
        });
    elsewhere || param.bounds.iter().any(named)
}

/// The type in which every `Input<T>` and `Output<T>` is a `T`, every region parameter `Anywhere`, and, when it is marked
/// as nested, every type of inputs its arguments.
pub(crate) fn resolve(ty: &Type, regions: &[Ident], nested: bool) -> Type {
    let mut ty = ty.clone();
    resolve_in_place(&mut ty, regions, nested);
    ty
}

fn resolve_in_place(ty: &mut Type, regions: &[Ident], nested: bool) {
    match ty {
        Type::Path(path) => {
            let whole = path.path.get_ident().is_some_and(|ident| regions.contains(ident));
            if whole {
                *ty = parse_quote_spanned!(path.span()=> ::dr_core::Anywhere);
                return;
            }
            let Some(last) = path.path.segments.last_mut() else { return };
            let wraps = ["Input", "Output"].iter().any(|name| last.ident == name);
            if let Some(inner) = only_argument(last).filter(|_| wraps) {
                let mut inner = inner.clone();
                resolve_in_place(&mut inner, regions, nested);
                *ty = inner;
                return;
            }
            if nested && !is_container(last) {
                last.ident = args_ident(&last.ident);
                last.arguments = PathArguments::None;
                return;
            }
            // The key of a map is no type of inputs, its value may be one.
            let is_map = last.ident == "BTreeMap";
            if let PathArguments::AngleBracketed(arguments) = &mut last.arguments {
                for (at, argument) in arguments.args.iter_mut().enumerate() {
                    if let GenericArgument::Type(inner) = argument {
                        resolve_in_place(inner, regions, nested && !(is_map && at == 0));
                    }
                }
            }
        }
        Type::Array(array) => resolve_in_place(&mut array.elem, regions, nested),
        Type::Group(group) => resolve_in_place(&mut group.elem, regions, nested),
        Type::Paren(paren) => resolve_in_place(&mut paren.elem, regions, nested),
        Type::Tuple(tuple) => tuple.elems.iter_mut().for_each(|elem| resolve_in_place(elem, regions, nested)),
        _ => {}
    }
}

fn only_argument(segment: &PathSegment) -> Option<&Type> {
    match &segment.arguments {
        PathArguments::AngleBracketed(arguments) if arguments.args.len() == 1 => match arguments.args.first() {
            Some(GenericArgument::Type(inner)) => Some(inner),
            _ => None,
        },
        _ => None,
    }
}

fn is_container(segment: &PathSegment) -> bool {
    ["Vec", "Option", "Box", "BTreeMap"].iter().any(|name| segment.ident == name)
}

/// Whether stored arguments may lack the field, because its type has an empty value.
pub(crate) fn has_empty(ty: &Type) -> bool {
    ["Vec", "Option", "BTreeMap", "BTreeSet"].iter().any(|name| is_named(ty, name))
}

/// Whether the type is a path that ends in `name`.
pub(crate) fn is_named(ty: &Type, name: &str) -> bool {
    match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == name),
        Type::Group(group) => is_named(&group.elem, name),
        Type::Paren(paren) => is_named(&paren.elem, name),
        _ => false,
    }
}

/// Whether `name` occurs as an argument somewhere inside the type.
pub(crate) fn mentions(ty: &Type, name: &str) -> bool {
    match ty {
        Type::Path(path) => path.path.segments.iter().any(|segment| match &segment.arguments {
            PathArguments::AngleBracketed(arguments) => arguments.args.iter().any(|argument| match argument {
                GenericArgument::Type(inner) => is_named(inner, name) || mentions(inner, name),
                _ => false,
            }),
            _ => false,
        }),
        Type::Array(array) => is_named(&array.elem, name) || mentions(&array.elem, name),
        Type::Group(group) => mentions(&group.elem, name),
        Type::Paren(paren) => mentions(&paren.elem, name),
        Type::Tuple(tuple) => tuple.elems.iter().any(|elem| is_named(elem, name) || mentions(elem, name)),
        _ => false,
    }
}

/// `Serialize` for a struct, without a dependency of the user on serde; regions have no part in it.
pub(crate) fn serialize_struct<'f>(
    input: &DeriveInput,
    fields: impl Iterator<Item = (&'f Ident, &'f Type)>,
) -> TokenStream {
    let (ident, name) = (&input.ident, input.ident.unraw().to_string());
    let (impl_generics, ty_generics, where_clause) = input.generics.split_for_impl();
    let fields: Vec<_> = fields
        .map(|(field, ty)| {
            let name = field.unraw().to_string();
            // At the type of the field, where a type that cannot be serialised has to be reported.
            quote_spanned! {ty.span()=>
                ::dr_core::serde::ser::SerializeStruct::serialize_field(&mut state, #name, &self.#field)?;
            }
        })
        .collect();
    let len = fields.len();
    quote! {
        #[automatically_derived]
        impl #impl_generics ::dr_core::serde::Serialize for #ident #ty_generics #where_clause {
            fn serialize<__S: ::dr_core::serde::Serializer>(
                &self,
                serializer: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                #[allow(unused_mut)]
                let mut state = ::dr_core::serde::Serializer::serialize_struct(serializer, #name, #len)?;
                #(#fields)*
                ::dr_core::serde::ser::SerializeStruct::end(state)
            }
        }
    }
}
