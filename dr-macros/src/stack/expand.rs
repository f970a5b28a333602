//! From the program to the builder's calls, line for line.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Expr, ExprMethodCall, LitStr, parse_quote, parse_quote_spanned};

use super::parse::{Body, Program, ScopeParam};
use super::walk::{Found, walk};
use crate::errors::Errors;

pub(crate) fn program(program: Program, errors: Errors) -> TokenStream {
    let Program { name, capture, scopes, output, mut body, .. } = program;
    // A name that the body cannot use by accident.
    let builder = Ident::new("__stack", Span::mixed_site());
    let bindings = scopes.iter().map(|scope| bind(scope, &builder));
    walk(&mut body, &scopes, &mut rewrite);
    let body = match body {
        Body::Parsed(body) => statements(body),
        Body::Raw(tokens) => tokens,
    };
    let errors = errors.into_tokens();
    let stack = quote! {
        ::dr_core::Stack::build(#name, #capture |#builder: &::dr_core::Builder| #output {
            #(#bindings)*
            #body
        })
    };
    if errors.is_empty() { stack } else { quote!({ #errors #stack }) }
}

/// When not even the scopes are known: a value of the usual type.
pub(crate) fn nothing(errors: Errors) -> TokenStream {
    let errors = errors.into_tokens();
    quote!({ #errors ::dr_core::Stack::build("", |_: &::dr_core::Builder| {}) })
}

/// The name that a binding gives: without the underscore that silences warnings, and without `r#`.
pub(crate) fn name_of(binding: &Ident) -> String {
    binding.unraw().to_string().trim_start_matches('_').to_owned()
}

fn bind(scope: &ScopeParam, builder: &Ident) -> TokenStream {
    let ScopeParam { ident, region, bound_to } = scope;
    // At the region, where a role without a binding has to be reported.
    let marker = quote_spanned!(region.span()=> <#region as ::core::default::Default>::default());
    let call = match bound_to {
        None => quote_spanned!(region.span()=> .region(#marker)),
        Some(bound_to) => quote_spanned!(region.span()=> .region_as(#marker, #bound_to)),
    };
    quote!(#[allow(unused_variables)] let #ident = #builder #call;)
}

/// The statements of the body beside those that bind the scopes.
fn statements(body: Expr) -> TokenStream {
    match body {
        Expr::Block(block) if block.label.is_none() && block.attrs.is_empty() => {
            let statements = block.block.stmts;
            quote!(#(#statements)*)
        }
        body => quote!(#body),
    }
}

fn rewrite(found: Found<'_>) {
    match found {
        Found::Named { binding, attrs, call, .. } => {
            // The binding names the resource, which is use enough.
            attrs.push(parse_quote!(#[allow(unused_variables)]));
            add(call, &name_of(&binding), binding.span());
        }
        // Reported; it has a type all the same, so that nothing follows from it.
        Found::Unnamed(call) => add(call, "unnamed", call.span()),
        Found::Tokens { scope, binding, part, call } => {
            let name = binding.as_ref().map_or_else(|| "unnamed".to_owned(), name_of);
            let name = LitStr::new(&name, binding.map_or(scope.span(), |binding| binding.span()));
            *call = quote_spanned!(scope.span()=> #scope.add(#name, #part));
        }
    }
}

/// `east(part)` → `east.add("name", part)`. Everything new has the place of `east`: errors of rustc and the line that the
/// builder notes point there.
fn add(expr: &mut Expr, name: &str, name_span: Span) {
    let Expr::Call(call) = expr else { return };
    let scope = &call.func;
    let name = LitStr::new(name, name_span);
    let mut added: ExprMethodCall = match call.args.first() {
        Some(part) => parse_quote_spanned!(scope.span()=> #scope.add(#name, #part)),
        // Reported; a scope is at hand, has a type, and lets the program go on.
        None => parse_quote_spanned!(scope.span()=> #scope.scope(#name)),
    };
    added.paren_token = call.paren_token;
    added.attrs = std::mem::take(&mut call.attrs);
    *expr = Expr::MethodCall(added);
}
