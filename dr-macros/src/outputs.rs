//! `#[derive(Outputs)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{DeriveInput, Field, Ident};

use crate::args;
use crate::attr;
use crate::errors::Errors;

pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let regions = args::region_params(&input.generics, &mut errors);
    if let Some([_, second, ..]) = regions.as_deref() {
        errors.at(second, "outputs have at most one region: that of their resource");
    }
    let fields = args::named_fields(input, "Outputs", &mut errors);
    let fields: Vec<&Field> = fields.into_iter().flatten().collect();
    fields.iter().for_each(|field| check(field, &mut errors));
    if regions.is_none() {
        return errors.into_tokens();
    }

    let complete = errors.is_empty();
    let refs = refs_struct(input, &fields);
    let outputs = outputs_impl(input, &fields);
    let stored = if complete { fields.as_slice() } else { &[] };
    let serialize =
        args::serialize_struct(input, stored.iter().flat_map(|field| Some((field.ident.as_ref()?, &field.ty))));
    let deserialize = deserialize_impl(input, &fields, complete);
    let errors = errors.into_tokens();
    quote!(#errors #refs #outputs #serialize #deserialize)
}

fn check(field: &Field, errors: &mut Errors) {
    let wrong = ["PhantomData", "Input", "Output", "Secret"]
        .into_iter()
        .find(|name| args::is_named(&field.ty, name) || args::mentions(&field.ty, name));
    let problem = match wrong {
        None => return,
        Some("PhantomData") => {
            "an output holds a value: without one that belongs to a region, drop the region parameter"
        }
        Some("Secret") => "an output is written into the state: it cannot be a secret",
        Some(_) => "an output is what the provider answered: write the type of the value itself",
    };
    errors.at(&field.ty, problem);
}

fn name_of(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// `SubnetOutputs` → `SubnetRefs`.
fn refs_ident(ident: &Ident) -> Ident {
    let name = ident.unraw().to_string();
    format_ident!("{}Refs", name.strip_suffix("Outputs").unwrap_or(&name), span = ident.span())
}

/// What a handle dereferences to.
fn refs_struct(input: &DeriveInput, fields: &[&Field]) -> TokenStream {
    let (vis, generics, ident) = (&input.vis, &input.generics, refs_ident(&input.ident));
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let docs = format!(
        "The outputs of a resource as references, which other resources take as inputs: see [`{}`].",
        input.ident
    );
    let allow = args::allow_unread(vis);
    let members = fields.iter().map(|field| {
        let (name, ty, vis) = (&field.ident, &field.ty, &field.vis);
        let docs = attr::docs(&field.attrs, "An output.");
        quote!(#docs #vis #name: ::dr_core::Output<#ty>)
    });
    let debug = fields.iter().flat_map(|field| &field.ident).map(|ident| {
        let name = name_of(ident);
        quote!(.field(#name, &self.#ident))
    });
    let name = ident.to_string();
    quote! {
        #[doc = #docs]
        #allow
        #vis struct #ident #generics #where_clause { #(#members),* }

        #[automatically_derived]
        impl #impl_generics ::core::clone::Clone for #ident #ty_generics #where_clause {
            fn clone(&self) -> Self {
                *self
            }
        }

        #[automatically_derived]
        impl #impl_generics ::core::marker::Copy for #ident #ty_generics #where_clause {}

        #[automatically_derived]
        impl #impl_generics ::core::fmt::Debug for #ident #ty_generics #where_clause {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(#name) #(#debug)* .finish()
            }
        }
    }
}

/// The references of region `R` belong to the outputs of region `Anywhere`: by then the region is data.
fn outputs_impl(input: &DeriveInput, fields: &[&Field]) -> TokenStream {
    let (ident, refs) = (&input.ident, refs_ident(&input.ident));
    let names = fields.iter().flat_map(|field| &field.ident).map(name_of);
    let members = fields.iter().flat_map(|field| &field.ident).map(|ident| {
        let name = name_of(ident);
        quote!(#ident: ::dr_core::Output::of(origin, #name))
    });
    let params = input.generics.type_params().count();
    let anywhere = (0..params).map(|_| quote!(::dr_core::Anywhere));
    // A second region is reported; it is nowhere in particular.
    let region = (0..params).map(|at| if at == 0 { quote!(__R) } else { quote!(::dr_core::Anywhere) });
    quote! {
        #[automatically_derived]
        impl<__R: ::dr_core::Region> ::dr_core::Outputs<__R> for #ident <#(#anywhere),*> {
            type Refs = #refs <#(#region),*>;
            const NAMES: &'static [&'static str] = &[#(#names),*];

            fn refs(origin: ::dr_core::value::Origin) -> Self::Refs {
                #refs { #(#members),* }
            }
        }
    }
}

/// By way of a struct of the same form that serde's own derive can read; the user's crate needs no serde.
fn deserialize_impl(input: &DeriveInput, fields: &[&Field], complete: bool) -> TokenStream {
    let (ident, generics, expecting) = (&input.ident, &input.generics, format!("struct {}", input.ident.unraw()));
    let (_, ty_generics, where_clause) = generics.split_for_impl();
    let params = &generics.params;
    let impl_generics = {
        let mut generics = generics.clone();
        generics.params.insert(0, syn::parse_quote!('de));
        let (impl_generics, ..) = generics.split_for_impl();
        quote!(#impl_generics)
    };
    let members = fields.iter().map(|field| {
        let (name, ty) = (&field.ident, &field.ty);
        let default = args::has_empty(ty).then(|| quote!(#[serde(default)]));
        quote!(#default #name: #ty)
    });
    let idents: Vec<_> = fields.iter().flat_map(|field| &field.ident).collect();
    let body = if complete {
        quote! {
            #[derive(::dr_core::serde::Deserialize)]
            #[serde(crate = "::dr_core::serde", bound = "", expecting = #expecting)]
            struct Stored<#params> #where_clause { #(#members),* }

            let Stored { #(#idents),* }: Stored #ty_generics =
                ::dr_core::serde::Deserialize::deserialize(deserializer)?;
            ::core::result::Result::Ok(#ident { #(#idents),* })
        }
    } else {
        // Never run: the errors are reported beside it.
        quote!(::core::unreachable!())
    };
    quote! {
        #[automatically_derived]
        impl #impl_generics ::dr_core::serde::Deserialize<'de> for #ident #ty_generics #where_clause {
            fn deserialize<__D: ::dr_core::serde::Deserializer<'de>>(
                deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                #body
            }
        }
    }
}
