//! Finds the calls of scopes in the body, `east(..)`, as Rust's own rules for names see them.
//!
//! Check and expansion walk the same way, so what one refuses and what the other rewrites cannot differ.

use proc_macro2::TokenStream;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Arm, Attribute, Block, Expr, ExprCall, ExprClosure, ExprForLoop, ExprIf, ExprLet, ExprLoop, ExprWhile, Ident,
};
use syn::{Item, Local, Macro, Pat};

use super::parse::{Body, ScopeParam};
use super::tokens;

/// A call of a scope.
pub(crate) enum Found<'b> {
    /// `let name = east(part);`
    Named {
        /// The name as bound.
        binding: Ident,
        /// The attributes of the `let`.
        attrs: &'b mut Vec<Attribute>,
        /// What is done several times with the one name.
        repeat: Option<Repeat>,
        /// An [`Expr::Call`].
        call: &'b mut Expr,
    },
    /// A call in any other place; an [`Expr::Call`].
    Unnamed(&'b mut Expr),
    /// A call among tokens that have no meaning here: in another macro, or beside a syntax error.
    Tokens {
        scope: Ident,
        /// The name as bound, when the tokens before and after are those of `let name = east(part);`.
        binding: Option<Ident>,
        /// What is between the parentheses.
        part: TokenStream,
        /// The whole call.
        call: &'b mut TokenStream,
    },
}

/// What runs its body several times.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    Loop,
    Closure,
}

/// Calls `found` for each call of a scope, inner calls first.
pub(crate) fn walk(body: &mut Body, scopes: &[ScopeParam], found: &mut dyn FnMut(Found<'_>)) {
    let scopes = scopes.iter().map(|scope| &scope.ident).collect();
    let mut walk = Walk { scopes, hidden: Vec::new(), repeat: None, found };
    match body {
        Body::Parsed(body) => walk.visit_expr_mut(body),
        Body::Raw(tokens) => walk.visit_tokens(tokens),
    }
}

/// The scope and the call when the expression is `east(..)`.
pub(crate) fn as_call(expr: &Expr) -> Option<(&Ident, &ExprCall)> {
    let Expr::Call(call) = expr else { return None };
    let Expr::Path(path) = call.func.as_ref() else { return None };
    path.path.get_ident().map(|ident| (ident, call))
}

struct Walk<'w> {
    scopes: Vec<&'w Ident>,
    /// Names bound by the body itself, innermost last: they hide a scope of the same name.
    hidden: Vec<Ident>,
    repeat: Option<Repeat>,
    found: &'w mut dyn FnMut(Found<'_>),
}

impl Walk<'_> {
    fn is_scope(&self, ident: &Ident) -> bool {
        self.scopes.contains(&ident) && !self.hidden.contains(ident)
    }

    fn is_call(&self, expr: &Expr) -> bool {
        as_call(expr).is_some_and(|(ident, _)| self.is_scope(ident))
    }

    /// Forgets the names that `visit` binds.
    fn inside(&mut self, visit: impl FnOnce(&mut Self)) {
        let outer = self.hidden.len();
        visit(self);
        self.hidden.truncate(outer);
    }

    fn repeated(&mut self, repeat: Repeat, visit: impl FnOnce(&mut Self)) {
        let outer = self.repeat.replace(repeat);
        visit(self);
        self.repeat = outer;
    }

    fn visit_arguments(&mut self, call: &mut Expr) {
        if let Expr::Call(call) = call {
            call.args.iter_mut().for_each(|argument| self.visit_expr_mut(argument));
        }
    }

    fn visit_tokens(&mut self, tokens: &mut TokenStream) {
        let Walk { scopes, hidden, found, .. } = self;
        let is_scope = |ident: &Ident| scopes.contains(&ident) && !hidden.contains(ident);
        *tokens = tokens::walk(std::mem::take(tokens), &is_scope, *found);
    }
}

impl VisitMut for Walk<'_> {
    fn visit_block_mut(&mut self, block: &mut Block) {
        self.inside(|walk| visit_mut::visit_block_mut(walk, block));
    }

    /// Items do not see the scopes: those are local variables.
    fn visit_item_mut(&mut self, _: &mut Item) {}

    fn visit_local_mut(&mut self, local: &mut Local) {
        if let Some(init) = &mut local.init {
            let binding = plain_binding(&local.pat).filter(|_| init.diverge.is_none() && self.is_call(&init.expr));
            if let Some(binding) = binding {
                self.visit_arguments(&mut init.expr);
                let (attrs, repeat, call) = (&mut local.attrs, self.repeat, init.expr.as_mut());
                (self.found)(Found::Named { binding, attrs, repeat, call });
            } else {
                self.visit_expr_mut(&mut init.expr);
                if let Some((_, diverge)) = &mut init.diverge {
                    self.visit_expr_mut(diverge);
                }
            }
        }
        self.visit_pat_mut(&mut local.pat);
    }

    /// Whatever a pattern binds hides a scope from here on.
    fn visit_pat_mut(&mut self, pat: &mut Pat) {
        if let Pat::Ident(pat) = pat {
            self.hidden.push(pat.ident.clone());
        }
        visit_mut::visit_pat_mut(self, pat);
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if self.is_call(expr) {
            self.visit_arguments(expr);
            (self.found)(Found::Unnamed(expr));
        } else {
            visit_mut::visit_expr_mut(self, expr);
        }
    }

    /// The value does not see the names that the pattern binds.
    fn visit_expr_let_mut(&mut self, expr: &mut ExprLet) {
        self.visit_expr_mut(&mut expr.expr);
        self.visit_pat_mut(&mut expr.pat);
    }

    fn visit_expr_if_mut(&mut self, expr: &mut ExprIf) {
        self.inside(|walk| {
            walk.visit_expr_mut(&mut expr.cond);
            walk.visit_block_mut(&mut expr.then_branch);
        });
        if let Some((_, otherwise)) = &mut expr.else_branch {
            self.visit_expr_mut(otherwise);
        }
    }

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        self.inside(|walk| visit_mut::visit_arm_mut(walk, arm));
    }

    fn visit_expr_for_loop_mut(&mut self, expr: &mut ExprForLoop) {
        self.visit_expr_mut(&mut expr.expr);
        self.inside(|walk| {
            walk.visit_pat_mut(&mut expr.pat);
            walk.repeated(Repeat::Loop, |walk| walk.visit_block_mut(&mut expr.body));
        });
    }

    fn visit_expr_while_mut(&mut self, expr: &mut ExprWhile) {
        self.inside(|walk| walk.repeated(Repeat::Loop, |walk| visit_mut::visit_expr_while_mut(walk, expr)));
    }

    fn visit_expr_loop_mut(&mut self, expr: &mut ExprLoop) {
        self.repeated(Repeat::Loop, |walk| visit_mut::visit_expr_loop_mut(walk, expr));
    }

    fn visit_expr_closure_mut(&mut self, expr: &mut ExprClosure) {
        self.inside(|walk| {
            expr.inputs.iter_mut().for_each(|input| walk.visit_pat_mut(input));
            walk.repeated(Repeat::Closure, |walk| walk.visit_expr_mut(&mut expr.body));
        });
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        // A program inside the program has scopes of its own.
        if mac.path.segments.last().is_none_or(|last| last.ident != "stack") {
            self.visit_tokens(&mut mac.tokens);
        }
    }
}

/// The name, when the pattern is a name and nothing else (a type may stand beside it).
fn plain_binding(pat: &Pat) -> Option<Ident> {
    match pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => Some(pat.ident.clone()),
        Pat::Type(typed) => plain_binding(&typed.pat),
        _ => None,
    }
}
