//! Calls of scopes among tokens: in other macros, and in a body with a syntax error, for which rustc has the better words
//! and an editor the better eyes when it finds the builder's calls there.

use proc_macro2::{Delimiter, Group, Ident, Spacing, TokenStream, TokenTree};

use super::walk::Found;

/// The tokens with each call as `found` left it, inner calls first.
pub(crate) fn walk(
    tokens: TokenStream,
    is_scope: &dyn Fn(&Ident) -> bool,
    found: &mut dyn FnMut(Found<'_>),
) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut out = TokenStream::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match (token, tokens.get(at + 1)) {
            (TokenTree::Ident(scope), Some(TokenTree::Group(group)))
                if group.delimiter() == Delimiter::Parenthesis && is_scope(scope) && !names_other(&tokens[..at]) =>
            {
                let part = walk(group.stream(), is_scope, found);
                let mut call: TokenStream = [token.clone(), with_stream(group, part.clone())].into_iter().collect();
                let ends = tokens.get(at + 2).is_some_and(|next| is_punct(next, ';'));
                let binding = binding_before(&tokens[..at]).filter(|_| ends);
                found(Found::Tokens { scope: scope.clone(), binding, part, call: &mut call });
                out.extend(call);
                at += 2;
            }
            (TokenTree::Group(group), _) => {
                let inner = walk(group.stream(), is_scope, found);
                out.extend([with_stream(group, inner)]);
                at += 1;
            }
            _ => {
                out.extend([token.clone()]);
                at += 1;
            }
        }
    }
    out
}

fn with_stream(group: &Group, stream: TokenStream) -> TokenTree {
    let mut changed = Group::new(group.delimiter(), stream);
    changed.set_span(group.span());
    changed.into()
}

fn is_punct(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == c)
}

/// Whether a name after these tokens is that of a method, of a path or of a function: `x.east(..)`, `x::east(..)`,
/// `fn east(..)`; but not after a range, `..east(..)`, or the name of a field, `x: east(..)`.
fn names_other(before: &[TokenTree]) -> bool {
    let twice = |c| matches!(before, [.., TokenTree::Punct(punct), _] if punct.as_char() == c && punct.spacing() == Spacing::Joint);
    match before.last() {
        Some(TokenTree::Ident(ident)) => ident == "fn",
        Some(token) if is_punct(token, '.') => !twice('.'),
        Some(token) if is_punct(token, ':') => twice(':'),
        _ => false,
    }
}

/// The name when these tokens end with `let name =` or `let name: Type =`.
fn binding_before(before: &[TokenTree]) -> Option<Ident> {
    let (equals, before) = before.split_last()?;
    let from = before.iter().rposition(|token| matches!(token, TokenTree::Ident(ident) if ident == "let"))?;
    let pattern = match &before[from + 1..] {
        [TokenTree::Ident(keyword), pattern @ ..] if keyword == "mut" => pattern,
        pattern => pattern,
    };
    let typed = |rest: &[TokenTree]| match rest {
        [] => true,
        [colon, ty @ ..] => {
            is_punct(colon, ':') && !ty.iter().any(|token| is_punct(token, '=') || is_punct(token, ';'))
        }
    };
    match pattern {
        [TokenTree::Ident(name), rest @ ..] if name != "_" && is_punct(equals, '=') && typed(rest) => {
            Some(name.clone())
        }
        _ => None,
    }
}
