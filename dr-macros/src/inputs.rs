//! `#[derive(Inputs)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Fields, Ident, Type, Variant, Visibility};

use crate::args::{self, InputField};
use crate::attr::{self, InputAttr};
use crate::errors::Errors;

pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let regions = args::region_params(&input.generics, &mut errors);
    let (body, serialize) = match &input.data {
        Data::Enum(data) => of_enum(input, data.variants.iter(), regions.as_deref(), &mut errors),
        _ => of_struct(input, regions.as_deref(), &mut errors),
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
fn of_struct(input: &DeriveInput, regions: Option<&[Ident]>, errors: &mut Errors) -> (TokenStream, TokenStream) {
    let fields = args::named_fields(input, "Inputs", errors).map(|fields| understood(fields, regions, errors));
    let fields = fields.unwrap_or_default();
    let encoded = fields.iter().map(|field| (&field.ident, &field.declared));
    (args::arguments(&input.vis, &fields), args::serialize_struct(input, encoded))
}

/// A variant is the key of its value, as serde writes enums: `"any"`, `{"port": 443}`, `{"range": {"from": 1, "to": 9}}`.
fn of_enum<'v>(
    input: &DeriveInput,
    variants: impl Iterator<Item = &'v Variant>,
    regions: Option<&[Ident]>,
    errors: &mut Errors,
) -> (TokenStream, TokenStream) {
    let (mut body, mut arms) = (TokenStream::new(), TokenStream::new());
    let enum_name = input.ident.unraw().to_string();
    for (index, variant) in variants.enumerate() {
        let (ident, index) = (&variant.ident, index as u32);
        let name = snake_case(&ident.unraw().to_string());
        let docs = attr::docs(&variant.attrs, &format!("The choice `{name}`."));
        let start = quote!(serializer, #enum_name, #index, #name);
        body.extend(quote!(#docs #[serde(rename = #name)] #ident));
        match &variant.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                let field = &fields.unnamed[0];
                let attr = InputAttr::parse(&field.attrs, errors);
                refuse_keys(&attr, errors);
                let secret = args::is_named(&field.ty, "Secret") || args::mentions(&field.ty, "Secret");
                match regions {
                    Some(regions) if !secret => {
                        let resolved = args::resolve(&field.ty, regions, attr.nested);
                        body.extend(quote!((#resolved)));
                        arms.extend(quote! {
                            Self::#ident(value) => {
                                ::dr_core::serde::Serializer::serialize_newtype_variant(#start, value)
                            }
                        });
                    }
                    _ => {
                        if secret {
                            refuse_secret(&field.ty, errors);
                        }
                        arms.extend(unit_arm(variant, &start));
                    }
                }
            }
            Fields::Unnamed(fields) => {
                errors.at(fields, "give the values names: `{ .. }`; they are the keys in state and plan");
                arms.extend(unit_arm(variant, &start));
            }
            Fields::Named(_) => {
                let fields = understood(&variant.fields, regions, errors);
                body.extend(args::arguments(&Visibility::Inherited, &fields));
                let (idents, names): (Vec<_>, Vec<_>) = fields.iter().map(|field| (&field.ident, &field.name)).unzip();
                let locals: Vec<_> = (0..fields.len()).map(|at| format_ident!("field{at}")).collect();
                let len = fields.len();
                arms.extend(quote! {
                    Self::#ident { #(#idents: #locals,)* .. } => {
                        #[allow(unused_mut)]
                        let mut state = ::dr_core::serde::Serializer::serialize_struct_variant(#start, #len)?;
                        #(::dr_core::serde::ser::SerializeStructVariant::serialize_field(&mut state, #names, #locals)?;)*
                        ::dr_core::serde::ser::SerializeStructVariant::end(state)
                    }
                });
            }
            Fields::Unit => arms.extend(unit_arm(variant, &start)),
        }
        body.extend(quote!(,));
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

fn unit_arm(variant: &Variant, start: &TokenStream) -> TokenStream {
    let ident = &variant.ident;
    quote!(Self::#ident { .. } => ::dr_core::serde::Serializer::serialize_unit_variant(#start),)
}

/// The fields that mean something inside another type; the others are reported and left out.
fn understood(fields: &Fields, regions: Option<&[Ident]>, errors: &mut Errors) -> Vec<InputField> {
    let Some(regions) = regions else { return Vec::new() };
    let mut fields = InputField::parse_all(fields, regions, errors);
    fields.retain(|field| {
        refuse_keys(&field.attr, errors);
        if field.secret {
            refuse_secret(&field.declared, errors);
        }
        !field.secret
    });
    fields
}

/// What is for the fields of a resource itself.
fn refuse_keys(attr: &InputAttr, errors: &mut Errors) {
    for key in [&attr.replace, &attr.holds, &attr.accepted].into_iter().flatten() {
        errors.at(
            key,
            format!(
                "`{key}` is for the field of a resource: write it there, beside `nested`; it holds for the whole value"
            ),
        );
    }
}

fn refuse_secret(ty: &Type, errors: &mut Errors) {
    errors.at(ty, "a secret has to be a field of the resource itself: nested inputs are written as they are");
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
