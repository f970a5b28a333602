//! `#[derive(Inputs)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields, Ident, Type, Variant, Visibility};

use crate::args::{self, InputField};
use crate::attr::{self, InputAttr};
use crate::errors::Errors;

pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let regions = args::region_params(&input.generics, &mut errors);
    let (body, serialize) = match &input.data {
        Data::Enum(data) => of_enum(input, data.variants.iter(), &regions, &mut errors),
        _ => of_struct(input, &regions, &mut errors),
    };
    let (vis, ident, args) = (&input.vis, &input.ident, args::args_ident(&input.ident));
    let (impl_generics, ty_generics, where_clause) = input.generics.split_for_impl();
    let header = args::header(input, &format!("[`{ident}`] with every input resolved."));
    let keyword = if matches!(input.data, Data::Enum(_)) { quote!(enum) } else { quote!(struct) };
    let errors = errors.into_tokens();
    quote! {
        #errors

        #header
        #vis #keyword #args #body

        #[automatically_derived]
        impl #impl_generics ::dr_core::Inputs for #ident #ty_generics #where_clause {
            type Args = #args;
        }

        #serialize
    }
}

/// Body of the arguments, and `Serialize`.
fn of_struct(input: &DeriveInput, regions: &[Ident], errors: &mut Errors) -> (TokenStream, TokenStream) {
    let fields = args::named_fields(input, "Inputs", errors);
    let fields = fields.map(|fields| InputField::parse_all(fields, regions, errors)).unwrap_or_default();
    fields.iter().for_each(|field| refuse(&field.attr, &field.declared, errors));
    let encoded = fields.iter().map(|field| (&field.ident, field.name.clone(), &field.declared));
    (args::arguments(&input.vis, &fields), args::serialize_struct(input, encoded))
}

/// A variant is the key of its value, as serde writes enums: `"any"`, `{"port": 443}`, `{"range": {"from": 1, "to": 9}}`.
fn of_enum<'v>(
    input: &DeriveInput,
    variants: impl Iterator<Item = &'v Variant>,
    regions: &[Ident],
    errors: &mut Errors,
) -> (TokenStream, TokenStream) {
    let (mut body, mut arms) = (TokenStream::new(), TokenStream::new());
    let enum_name = input.ident.unraw().to_string();
    for (index, variant) in variants.enumerate() {
        let (ident, index) = (&variant.ident, index as u32);
        let name = snake_case(&ident.unraw().to_string());
        let docs = attr::docs(&variant.attrs, &format!("The choice `{name}`."));
        let start = quote!(serializer, #enum_name, #index, #name);
        match &variant.fields {
            Fields::Unit => {
                body.extend(quote!(#docs #[serde(rename = #name)] #ident,));
                arms.extend(quote!(Self::#ident => ::dr_core::serde::Serializer::serialize_unit_variant(#start),));
            }
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                let field = &fields.unnamed[0];
                let attr = InputAttr::parse(&field.attrs, errors);
                refuse(&attr, &field.ty, errors);
                let resolved = args::resolve(&field.ty, regions, attr.nested);
                body.extend(quote!(#docs #[serde(rename = #name)] #ident(#resolved),));
                arms.extend(quote! {
                    Self::#ident(value) => ::dr_core::serde::Serializer::serialize_newtype_variant(#start, value),
                });
            }
            Fields::Named(named) => {
                let fields = InputField::parse_all(&variant.fields, regions, errors);
                fields.iter().for_each(|field| refuse(&field.attr, &field.declared, errors));
                let arguments = args::arguments(&Visibility::Inherited, &fields);
                let (idents, names): (Vec<_>, Vec<_>) = fields.iter().map(|field| (&field.ident, &field.name)).unzip();
                let (locals, len) = ((0..fields.len()).map(|at| format_ident!("field{at}")).collect::<Vec<_>>(), fields.len());
                // A field that holds nothing is not among `fields`.
                let rest = (named.named.len() > len).then(|| quote!(..));
                body.extend(quote!(#docs #[serde(rename = #name)] #ident #arguments,));
                arms.extend(quote! {
                    Self::#ident { #(#idents: #locals,)* #rest } => {
                        #[allow(unused_mut)]
                        let mut state = ::dr_core::serde::Serializer::serialize_struct_variant(#start, #len)?;
                        #(::dr_core::serde::ser::SerializeStructVariant::serialize_field(&mut state, #names, #locals)?;)*
                        ::dr_core::serde::ser::SerializeStructVariant::end(state)
                    }
                });
            }
            Fields::Unnamed(fields) => {
                errors.at(fields, "give the values names: `{ .. }`; they are the keys in state and plan");
                body.extend(quote!(#docs #[serde(rename = #name)] #ident,));
                arms.extend(quote!(Self::#ident(..) => ::dr_core::serde::Serializer::serialize_unit_variant(#start),));
            }
        }
    }
    let ident = &input.ident;
    let (impl_generics, ty_generics, where_clause) = input.generics.split_for_impl();
    let serialize = quote! {
        #[automatically_derived]
        impl #impl_generics ::dr_core::serde::Serialize for #ident #ty_generics #where_clause {
            fn serialize<__S: ::dr_core::serde::Serializer>(
                &self,
                serializer: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                match self { #arms }
            }
        }
    };
    (quote!({ #body }), serialize)
}

/// What is for the fields of a resource itself.
fn refuse(attr: &InputAttr, ty: &Type, errors: &mut Errors) {
    for key in [&attr.replace, &attr.accepted].into_iter().flatten() {
        errors.at(
            key,
            format!("`{key}` is for the field of a resource: write it there, beside `nested`; it holds for the whole value"),
        );
    }
    if args::is_named(ty, "Secret") {
        errors.push(syn::Error::new(ty.span(), "a secret has to be a field of the resource itself: nested inputs are written as they are"));
    }
}

/// `HttpStatus` → `http_status`, the same as serde's `rename_all = "snake_case"`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for (at, c) in name.char_indices() {
        if at > 0 && c.is_uppercase() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}
