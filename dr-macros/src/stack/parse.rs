//! From tokens to the program: its name, the scopes it adds to, its body.

use std::fmt::Display;

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser};
use syn::{Expr, Ident, ReturnType, Token, Type, parse_quote};

use crate::errors::Errors;

/// `stack!(name, |scope: Region, ..| body)`.
pub(crate) struct Program {
    pub(crate) name: Expr,
    /// `move`, as a closure may have it.
    pub(crate) capture: Option<Token![move]>,
    /// Where the list of scopes begins, for an error about all of it.
    pub(crate) bar: Token![|],
    pub(crate) scopes: Vec<ScopeParam>,
    pub(crate) output: ReturnType,
    pub(crate) body: Body,
}

/// `east: UsEast1`, or `primary: Primary = "eu-west-1"`.
pub(crate) struct ScopeParam {
    pub(crate) ident: Ident,
    pub(crate) region: Type,
    /// The region at the provider that a role is bound to.
    pub(crate) bound_to: Option<Expr>,
}

/// What the program does.
pub(crate) enum Body {
    Parsed(Expr),
    /// Tokens with a syntax error: it is left to rustc, which will find it too and has the better words for it.
    Raw(TokenStream),
}

const FORM: &str = "`stack!(\"shop\", |east: UsEast1| { .. })`";

impl Program {
    /// Goes on behind an error wherever the rest can still be understood.
    pub(crate) fn parse(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        let begins_closure = |input: ParseStream<'_>| input.peek(Token![|]) || input.peek(Token![move]);
        if input.is_empty() {
            return Err(error(input, format!("expected {FORM}")));
        }
        let name = if begins_closure(input) {
            errors.push(error(input, format!("a stack needs a name: {FORM}")));
            parse_quote!("unnamed")
        } else {
            let name = input.parse()?;
            if input.is_empty() {
                return Err(error(input, format!("a stack needs a program: {FORM}")));
            }
            input.parse::<Token![,]>()?;
            name
        };
        if !begins_closure(input) {
            return Err(error(input, format!("expected the scopes that the program adds to: {FORM}")));
        }
        let capture = input.parse()?;
        let bar: Token![|] = input.parse()?;
        let scopes = parse_scopes(input, errors)?;
        let output = input.parse()?;
        let body = parse_body(input, errors)?;
        Ok(Program { name, capture, bar, scopes, output, body })
    }
}

/// The scopes up to the closing bar, which is consumed.
///
/// The tokens are set apart first: an expression would take the closing bar for an operator.
fn parse_scopes(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Vec<ScopeParam>> {
    let mut list = TokenStream::new();
    while !input.peek(Token![|]) {
        list.extend([input.parse::<TokenTree>()?]);
    }
    input.parse::<Token![|]>()?;
    let mut scopes = Vec::new();
    let each = |input: ParseStream<'_>| {
        while !input.is_empty() {
            let scope = parse_scope(input, errors);
            scopes.extend(errors.ok(scope));
            while !input.is_empty() && !input.peek(Token![,]) {
                input.parse::<TokenTree>()?;
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    };
    each.parse2(list)?;
    Ok(scopes)
}

fn parse_scope(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<ScopeParam> {
    let ident = match input.parse::<Ident>() {
        Ok(ident) => ident,
        Err(_) => return Err(error(input, "a scope is a name and a region: `east: UsEast1`")),
    };
    let colon = input.parse::<Option<Token![:]>>()?;
    let region = if colon.is_none() || input.is_empty() || input.peek(Token![,]) {
        errors.at(&ident, format!("the scope `{ident}` needs a region: `{ident}: UsEast1`"));
        parse_quote!(::dr_core::Global)
    } else {
        input.parse()?
    };
    let bound_to = if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        Some(input.parse()?)
    } else {
        None
    };
    if !input.is_empty() && !input.peek(Token![,]) {
        errors.push(error(input, "expected `,` or `|`"));
    }
    Ok(ScopeParam { ident, region, bound_to })
}

fn parse_body(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Body> {
    if input.is_empty() {
        return Err(error(input, format!("a stack needs a program: {FORM}")));
    }
    // On its own, because what a failed parser has left would be an error of the whole.
    let tokens: TokenStream = input.parse()?;
    let mut unexpected = None;
    let body = |input: ParseStream<'_>| {
        let body = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        if !input.is_empty() {
            unexpected = Some(error(input, format!("unexpected after the program: {FORM}")));
            input.parse::<TokenStream>()?;
        }
        Ok(body)
    };
    let body = body.parse2(tokens.clone()).map_or(Body::Raw(tokens), Body::Parsed);
    unexpected.into_iter().for_each(|error| errors.push(error));
    Ok(body)
}

/// Without the words that syn puts before a message at the end of its input.
fn error(input: ParseStream<'_>, message: impl Display) -> syn::Error {
    syn::Error::new(input.span(), message)
}
