//! What a program cannot say; each arm has a file in `tests/ui/stack`.

use syn::{ExprCall, Ident};

use super::expand::name_of;
use super::parse::Program;
use super::walk::{Found, Repeat, as_call, walk};
use crate::errors::Errors;

pub(crate) fn program(program: &mut Program, errors: &mut Errors) {
    if program.scopes.is_empty() {
        errors.at(program.bar, "a stack needs a scope to add to: `|east: UsEast1| { .. }`");
    }
    for (at, scope) in program.scopes.iter().enumerate() {
        let ident = &scope.ident;
        if program.scopes[..at].iter().any(|earlier| earlier.ident == *ident) {
            errors.at(ident, format!("there is a scope `{ident}` already: give this one another name"));
        }
    }
    walk(&mut program.body, &program.scopes, &mut |found| match found {
        Found::Named { binding, repeat, call, .. } => {
            if let Some((scope, call)) = as_call(call) {
                name(&binding, scope, repeat, errors);
                arguments(scope, call, errors);
            }
        }
        Found::Unnamed(call) => {
            if let Some((scope, call)) = as_call(call) {
                unnamed(scope, errors);
                arguments(scope, call, errors);
            }
        }
        Found::Tokens { binding: Some(binding), scope, .. } => name(&binding, &scope, None, errors),
        Found::Tokens { binding: None, scope, .. } => unnamed(&scope, errors),
    });
}

fn unnamed(scope: &Ident, errors: &mut Errors) {
    let fix = format!("write `let name = {scope}(..);`, or `{scope}.add(\"name\", ..)`");
    errors.at(scope, format!("a resource needs a name: {fix}"));
}

fn name(binding: &Ident, scope: &Ident, repeat: Option<Repeat>, errors: &mut Errors) {
    let name = name_of(binding);
    if name.is_empty() {
        errors.at(binding, "a resource needs a name: this one is made of `_` only");
    } else if let Some(found) = name.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '_') {
        let fix = format!("write `{scope}.add(\"name\", ..)`");
        errors.at(
            binding,
            format!("{found:?} cannot be in the name of a resource, which becomes a tag at the provider: {fix}"),
        );
    } else if let Some(repeat) = repeat {
        let every = match repeat {
            Repeat::Loop => "turn of the loop",
            Repeat::Closure => "call of the closure",
        };
        let fix = format!("write `{scope}.add((\"{name}\", key), ..)`");
        errors.at(binding, format!("every {every} would use the name `{name}`: {fix}"));
    }
}

fn arguments(scope: &Ident, call: &ExprCall, errors: &mut Errors) {
    if call.args.len() != 1 {
        errors.at(call, format!("`{scope}(..)` takes one part, a resource or a construct"));
    }
}
