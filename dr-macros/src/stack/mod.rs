//! `stack!`: parse, check, expand.

mod check;
mod expand;
mod parse;
mod tokens;
mod walk;

use proc_macro2::TokenStream;
use syn::parse::{ParseStream, Parser};

use crate::errors::Errors;
use parse::Program;

/// The builder's calls; with errors, these and the builder's calls all the same, so that no second wave follows.
pub(crate) fn expand(tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let program = (|input: ParseStream<'_>| Program::parse(input, &mut errors)).parse2(tokens);
    match errors.ok(program) {
        Some(mut program) => {
            check::program(&mut program, &mut errors);
            expand::program(program, errors)
        }
        None => expand::nothing(errors),
    }
}
