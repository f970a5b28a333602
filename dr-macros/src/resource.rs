//! `#[derive(Resource)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Type, parse_quote};

use crate::args::{self, InputField};
use crate::attr::ResourceAttr;
use crate::errors::Errors;

pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let attr = ResourceAttr::parse(input, &mut errors);
    let regions = args::region_params(&input.generics, &mut errors);
    let fields = args::named_fields(input, "Resource", &mut errors);
    // Without the fields when they cannot be understood: what is left still has a name and a type.
    let fields = match (&regions, fields) {
        (Some(regions), Some(fields)) => InputField::parse_all(fields, regions, &mut errors),
        _ => Vec::new(),
    };
    let region: Type = match (&attr.region, regions.as_deref()) {
        (Some(region), _) => region.clone(),
        (None, Some([first, ..])) => parse_quote!(#first),
        (None, None) => parse_quote!(::dr_core::Global),
        (None, Some([])) => {
            let ident = &input.ident;
            let message = format!(
                "a resource says where it lives: write `struct {ident}<R: Region = Anywhere>`, or `#[resource(region = Global)]`"
            );
            errors.at(ident, message);
            parse_quote!(::dr_core::Global)
        }
    };

    let args = args_struct(input, &fields);
    let resource = resource_impl(input, &attr, &region, &fields);
    let errors = errors.into_tokens();
    quote!(#errors #args #resource)
}

fn args_struct(input: &DeriveInput, fields: &[InputField]) -> TokenStream {
    let (vis, ident) = (&input.vis, args::args_ident(&input.ident));
    let header = args::header(input, &format!("The arguments of [`{}`]: its inputs, resolved.", input.ident));
    let body = args::arguments(vis, fields);
    quote!(#header #vis struct #ident #body)
}

fn resource_impl(input: &DeriveInput, attr: &ResourceAttr, region: &Type, fields: &[InputField]) -> TokenStream {
    let (ident, args) = (&input.ident, args::args_ident(&input.ident));
    let (impl_generics, ty_generics, where_clause) = input.generics.split_for_impl();
    let outputs = attr.outputs.as_ref().map_or_else(|| quote!(()), |path| quote!(#path));
    // At the path, where a type without `#[derive(Outputs)]` has to be reported.
    let trait_of_outputs = quote_spanned!(outputs.span()=> <#outputs as ::dr_core::Outputs<#region>>);
    let refs = quote_spanned!(outputs.span()=> #trait_of_outputs::Refs);
    let schema = schema(attr, fields, &trait_of_outputs);
    let encoder = if fields.is_empty() { quote!(_) } else { quote!(encoder) };
    let encode = fields.iter().map(|InputField { ident, name, declared, .. }| {
        // At the type, where a type that cannot be serialised has to be reported.
        quote_spanned!(declared.span()=> ::dr_core::Encoder::field(encoder, #name, &self.#ident)?;)
    });
    let check = attr.check.as_ref().map(|check| {
        let call = quote_spanned!(check.span()=> #check(self, problems));
        quote! {
            fn check(&self, problems: &mut ::dr_core::Problems) {
                #call
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl #impl_generics ::dr_core::Resource for #ident #ty_generics #where_clause {
            type Region = #region;
            type Args = #args;
            type Outputs = #outputs;
            type Refs = #refs;
            const SCHEMA: &'static ::dr_core::Schema = &#schema;

            fn encode(
                &self,
                #encoder: &mut ::dr_core::Encoder,
            ) -> ::core::result::Result<(), ::dr_core::EncodeError> {
                #(#encode)*
                ::core::result::Result::Ok(())
            }

            fn refs(origin: ::dr_core::value::Origin) -> Self::Refs {
                #trait_of_outputs::refs(origin)
            }

            #check
        }
    }
}

fn schema(attr: &ResourceAttr, fields: &[InputField], trait_of_outputs: &TokenStream) -> TokenStream {
    let ResourceAttr { type_name, create_s, delete_s, settle_s, .. } = attr;
    let kind = if attr.lookup { quote!(Lookup) } else { quote!(Managed) };
    let replacement = if attr.delete_first { quote!(DeleteFirst) } else { quote!(CreateFirst) };
    let fields = fields.iter().map(|InputField { name, attr, .. }| {
        let replace = attr.replace.is_some();
        let holds = attr.holds.is_some();
        let need = if attr.accepted.is_some() { quote!(Accepted) } else { quote!(Ready) };
        quote!(::dr_core::Field { name: #name, replace: #replace, holds: #holds, need: ::dr_core::Need::#need })
    });
    quote! {
        ::dr_core::Schema {
            type_name: #type_name,
            kind: ::dr_core::Kind::#kind,
            fields: &[#(#fields),*],
            outputs: #trait_of_outputs::NAMES,
            global: ::dr_core::same_region::<<Self as ::dr_core::Resource>::Region, ::dr_core::Global>(),
            replacement: ::dr_core::Replacement::#replacement,
            create_s: #create_s,
            delete_s: #delete_s,
            settle_s: #settle_s,
        }
    }
}
