//! Constructs and scopes: typed calls go in, erased nodes come out.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::rc::Rc;

use crate::address::{Address, LogicalName, NameError};
use crate::check::Finding;
use crate::graph::{Graph, Node};
use crate::region::{FixedRegion, Hosts, Region};
use crate::resource::{Handle, Need, OnRemove, Precedes, Problems, Resource};
use crate::stack::{BuildError, Draft};
use crate::value::{Encoder, Origin};

/// A part of a program: a resource, or a composition of parts that is a plain struct and one function.
///
/// A construct is generic over the region, so that primary and standby are the same code.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be added to a scope of region `{R}`",
    label = "neither a resource nor a construct of region `{R}`"
)]
pub trait Construct<R: Region> {
    /// What the program can wire further: the handles and outputs of the parts.
    type Handle;

    /// Adds the parts to the scope, which is named already.
    fn build(self, scope: Scope<'_, R>) -> Self::Handle;
}

impl<T: Resource, R: Hosts<T::Region>> Construct<R> for T {
    type Handle = Handle<T>;

    fn build(self, scope: Scope<'_, R>) -> Handle<T> {
        Handle::new(scope.push(self))
    }
}

/// A place in the program to add parts to: a region, and inside it a path of names.
///
/// Cheap to clone. What is set on a scope (tags, [`protect`](Scope::protect)) holds for everything added through it.
pub struct Scope<'b, R> {
    shared: &'b Shared,
    /// The first segment of addresses.
    role: Rc<str>,
    /// The region at the provider.
    region: Rc<str>,
    path: Rc<str>,
    options: Rc<Options>,
    /// Where the program called `add`: the outermost call, and this one.
    at: Option<Place>,
    of: PhantomData<fn() -> R>,
}

/// What a scope hands down.
#[derive(Debug, Clone, Default)]
struct Options {
    tags: Rc<BTreeMap<String, String>>,
    on_remove: OnRemove,
    after: Vec<Origin>,
    waivers: Vec<(String, String)>,
}

/// Where a part was added: the line in the user's program, and the line inside the construct when that is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) program: &'static Location<'static>,
    pub(crate) construct: &'static Location<'static>,
}

impl<R> Clone for Scope<'_, R> {
    fn clone(&self) -> Self {
        Scope {
            shared: self.shared,
            role: Rc::clone(&self.role),
            region: Rc::clone(&self.region),
            path: Rc::clone(&self.path),
            options: Rc::clone(&self.options),
            at: self.at,
            of: PhantomData,
        }
    }
}

impl<'b, R: Region> Scope<'b, R> {
    /// Adds a resource or a construct under a name: `"vpc"`, or `("subnet", key)` in a loop.
    ///
    /// The name is an address that lasts: the same program always means the same resource by it. A name that is taken or
    /// not valid is reported by [`Stack::build`](crate::Stack::build) together with all other errors.
    #[track_caller]
    pub fn add<C: Construct<R>>(&self, name: impl Into<LogicalName>, part: C) -> C::Handle {
        part.build(self.child(&name.into(), Location::caller()))
    }

    /// A scope inside this one, to group parts without writing a construct.
    #[track_caller]
    #[must_use]
    pub fn scope(&self, name: impl Into<LogicalName>) -> Scope<'b, R> {
        self.child(&name.into(), Location::caller())
    }

    /// The name of the region at the provider, `eu-west-1`: for names and texts that contain it.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The name of the stack.
    #[must_use]
    pub fn stack(&self) -> &str {
        &self.shared.name
    }

    /// The path of this scope, `net.public`, for names derived from it; empty at the top of a region.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The region at the provider of another marker, or `None` when the program does not use it.
    #[must_use]
    pub fn region_of<Q: Region>(&self) -> Option<String> {
        match Q::FIXED {
            Some(region) => Some(region.to_owned()),
            None => self.shared.draft.borrow().bound.get(Q::NAME).map(ToString::to_string),
        }
    }

    /// The scope of the same path in another region, for constructs with parts in several: a certificate of us-east-1 beside
    /// a distribution, the two ends of a failover pair. A role that the program did not bind is an error of the program.
    #[must_use]
    pub fn in_region<Q: Region>(&self) -> Scope<'b, Q> {
        let region = self.region_of::<Q>().unwrap_or_else(|| {
            let problem = format!("it needs the role `{}`, which the program does not bind to a region", Q::NAME);
            self.error(problem);
            "unbound".to_owned()
        });
        Scope {
            shared: self.shared,
            role: Q::NAME.into(),
            region: region.into(),
            path: Rc::clone(&self.path),
            options: Rc::clone(&self.options),
            at: self.at,
            of: PhantomData,
        }
    }

    /// The same scope with a tag for everything added through it; an inner scope's tag of the same key wins.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let options = Rc::make_mut(&mut self.options);
        Rc::make_mut(&mut options.tags).insert(key.into(), value.into());
        self
    }

    /// The same scope; what is added through it makes a plan fail that would delete or replace it.
    #[must_use]
    pub fn protect(mut self) -> Self {
        Rc::make_mut(&mut self.options).on_remove = OnRemove::Protect;
        self
    }

    /// The same scope; what is added through it stays at the provider when the program no longer has it.
    #[must_use]
    pub fn retain(mut self) -> Self {
        Rc::make_mut(&mut self.options).on_remove = OnRemove::Retain;
        self
    }

    /// The same scope; what is added through it comes after `other` although it takes nothing from it.
    #[must_use]
    pub fn after(mut self, other: &impl Precedes) -> Self {
        Rc::make_mut(&mut self.options).after.push(other.node());
        self
    }

    /// The same scope; findings of the check `id` about what is added through it are accepted, for the reason given, which
    /// is printed with the plan.
    #[must_use]
    pub fn waive(mut self, id: impl Into<String>, reason: impl Into<String>) -> Self {
        Rc::make_mut(&mut self.options).waivers.push((id.into(), reason.into()));
        self
    }

    /// Says that the part `old` of this scope is now called `new`: it keeps its resources.
    pub fn moved(&self, old: impl Into<LogicalName>, new: impl Into<LogicalName>) {
        let mut draft = self.shared.draft.borrow_mut();
        match (old.into().extend(&self.path), new.into().extend(&self.path)) {
            (Ok(old), Ok(new)) => {
                draft.moves.push((format!("{}/{old}", self.role), format!("{}/{new}", self.role)));
            }
            (Err(problem), _) | (_, Err(problem)) => draft.errors.push(BuildError::Move { problem }),
        }
    }

    /// Reports that the construct cannot be built as it was asked for; collected with all other errors of the program.
    pub fn error(&self, problem: impl fmt::Display) {
        self.shared.draft.borrow_mut().errors.push(BuildError::Construct {
            path: format!("{}/{}", self.role, self.path),
            at: self.at.map(|place| place.program.to_string()).unwrap_or_default(),
            problem: problem.to_string(),
        });
    }

    fn child(&self, name: &LogicalName, at: &'static Location<'static>) -> Scope<'b, R> {
        let mut child = self.clone();
        child.at = Some(Place { program: self.at.map_or(at, |outer| outer.program), construct: at });
        let mut draft = self.shared.draft.borrow_mut();
        match name.extend(&self.path) {
            Ok(path) => {
                let full = format!("{}/{path}", self.role);
                if let Some(first) = draft.names.get(&full) {
                    let first = first.to_string();
                    draft.errors.push(BuildError::Duplicate { address: full, first, second: at.to_string() });
                    // Whatever is inside would be reported again under the same name; the marker keeps it apart.
                    child.path = format!("{path}\u{0}{}", draft.errors.len()).into();
                } else {
                    draft.names.insert(full, at);
                    child.path = path.into();
                }
            }
            Err(problem) => {
                let place = format!("{}/{}", self.role, self.path);
                draft.errors.push(BuildError::Name { scope: place, at: at.to_string(), problem });
                child.path = format!("{}\u{0}{}", self.path, draft.errors.len()).into();
            }
        }
        child
    }

    /// Erases a resource into a node; the one place where types become data.
    fn push<T: Resource>(&self, resource: T) -> Origin {
        let mut draft = self.shared.draft.borrow_mut();
        let origin = Origin { build: self.shared.build, node: draft.nodes.len() as u32 };
        let place = self.at.expect("a resource is built through `add`, which sets the place");
        // A path that was refused is already reported; it still needs an address so that the build can go on.
        let valid = !self.path.contains('\u{0}');
        let address = match format!("{}/{}", self.role, self.path).parse::<Address>() {
            Ok(address) => address,
            Err(problem) => {
                if valid {
                    let scope = format!("{}/{}", self.role, self.path);
                    draft.errors.push(BuildError::Name { scope, at: place.construct.to_string(), problem });
                }
                format!("invalid/n{}", origin.node).parse().expect("letters, a slash and digits are an address")
            }
        };
        let mut encoder = Encoder::default();
        let encoded = resource.encode(&mut encoder);
        let mut problems = Problems::default();
        resource.check(&mut problems);
        let at = place.program.to_string();
        if let Err(problem) = encoded {
            let problem = match std::error::Error::source(&problem) {
                Some(source) => format!("{problem}: {source}"),
                None => problem.to_string(),
            };
            draft.errors.push(BuildError::Input { address: address.clone(), at: at.clone(), problem });
        }
        for problem in problems.0 {
            draft.errors.push(BuildError::Input { address: address.clone(), at: at.clone(), problem });
        }
        let (inputs, secrets) = encoder.finish();
        draft.secrets.0.extend(secrets.0);
        let (region, tags) = (draft.intern(&self.region), draft.tags(&self.options.tags));
        draft.nodes.push(Draft {
            node: Node {
                address,
                schema: T::SCHEMA,
                region,
                inputs,
                tags,
                on_remove: self.options.on_remove,
                waivers: self.options.waivers.clone(),
                declared_at: at,
                declared_in: (place.construct != place.program).then(|| place.construct.to_string()),
            },
            after: self.options.after.clone(),
        });
        origin
    }
}

/// What every scope of one program writes to.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) build: u32,
    pub(crate) draft: RefCell<crate::stack::Program>,
}

/// The program while it runs: gives scopes, takes rules and transforms.
pub struct Builder {
    pub(crate) shared: Shared,
}

impl Builder {
    /// The scope of a fixed region.
    #[must_use]
    pub fn region<R: FixedRegion>(&self, _region: R) -> Scope<'_, R> {
        self.bind::<R>(R::FIXED.unwrap_or(R::NAME))
    }

    /// The scope of a role, bound to a region of the provider: `stack.region_as(Primary, "eu-west-1")`.
    #[must_use]
    pub fn region_as<R: Region>(&self, _role: R, region: &str) -> Scope<'_, R> {
        self.bind::<R>(region)
    }

    fn bind<R: Region>(&self, region: &str) -> Scope<'_, R> {
        let mut draft = self.shared.draft.borrow_mut();
        let problem = match (R::FIXED, draft.bound.get(R::NAME)) {
            (Some(fixed), _) if fixed != region => {
                Some(format!("`{}` is the region {fixed} and cannot be bound to {region}", R::NAME))
            }
            (_, Some(bound)) if bound.as_ref() != region => {
                Some(format!("`{}` is bound to {bound} already and cannot be bound to {region} too", R::NAME))
            }
            _ => crate::address::check_name(region).err().map(|problem: NameError| problem.to_string()),
        };
        if let Some(problem) = problem {
            draft.errors.push(BuildError::Region { problem });
        }
        draft.bound.insert(R::NAME, region.into());
        Scope {
            shared: &self.shared,
            role: R::NAME.into(),
            region: region.into(),
            path: "".into(),
            options: Rc::default(),
            at: None,
            of: PhantomData,
        }
    }

    /// Says that the resource or scope at the address `old`, `us-east-1/net`, is now at `new`, across regions of the program if
    /// need be.
    pub fn moved(&self, old: impl Into<String>, new: impl Into<String>) {
        if let Some(pair) = self.addresses(old.into(), new.into()) {
            self.shared.draft.borrow_mut().moves.push(pair);
        }
    }

    /// Accepts that the resource at `old` is deleted and an equal one created at `new`, which a plan refuses otherwise.
    pub fn not_moved(&self, old: impl Into<String>, new: impl Into<String>) {
        if let Some(pair) = self.addresses(old.into(), new.into()) {
            self.shared.draft.borrow_mut().not_moved.push(pair);
        }
    }

    /// Both addresses, unless one of them is none: then the program has an error.
    fn addresses(&self, old: String, new: String) -> Option<(String, String)> {
        for text in [&old, &new] {
            if let Err(problem) = text.parse::<Address>() {
                self.shared.draft.borrow_mut().errors.push(BuildError::Move { problem });
                return None;
            }
        }
        Some((old, new))
    }

    /// Changes every node once, after the program ran and before the stack is frozen: tags for all, a naming rule.
    ///
    /// Transforms run in the order in which they were given.
    pub fn transform(&self, transform: impl Fn(&mut Node) + 'static) {
        self.shared.draft.borrow_mut().transforms.push(Box::new(transform));
    }

    /// Adds a rule that reads the frozen stack: its findings are part of the build.
    pub fn rule(&self, rule: impl Fn(&Graph) -> Vec<Finding> + 'static) {
        self.shared.draft.borrow_mut().rules.push(Box::new(rule));
    }
}

/// Options that are given with a resource; those of a construct are given to the scope that it is added to.
pub trait ConstructExt: Sized {
    /// A plan that would delete or replace it is refused.
    fn protect(self) -> With<Self> {
        With { part: self, apply: vec![Apply::OnRemove(OnRemove::Protect)] }
    }

    /// It stays at the provider when the program no longer has it.
    fn retain(self) -> With<Self> {
        With { part: self, apply: vec![Apply::OnRemove(OnRemove::Retain)] }
    }

    /// It comes after `other`, although it takes nothing from it.
    fn after(self, other: &impl Precedes) -> With<Self> {
        With { part: self, apply: vec![Apply::After(other.node())] }
    }

    /// It carries this tag, where the provider has tags.
    fn tag(self, key: impl Into<String>, value: impl Into<String>) -> With<Self> {
        With { part: self, apply: vec![Apply::Tag(key.into(), value.into())] }
    }

    /// Findings of the check `id` about it are accepted for this reason.
    fn waive(self, id: impl Into<String>, reason: impl Into<String>) -> With<Self> {
        With { part: self, apply: vec![Apply::Waive(id.into(), reason.into())] }
    }
}

impl<T: Resource> ConstructExt for T {}

/// A part together with options; made by [`ConstructExt`].
#[derive(Debug)]
pub struct With<C> {
    part: C,
    apply: Vec<Apply>,
}

#[derive(Debug)]
enum Apply {
    OnRemove(OnRemove),
    After(Origin),
    Tag(String, String),
    Waive(String, String),
}

impl<C> With<C> {
    fn and(mut self, option: Apply) -> Self {
        self.apply.push(option);
        self
    }

    /// A plan that would delete or replace it is refused.
    #[must_use]
    pub fn protect(self) -> Self {
        self.and(Apply::OnRemove(OnRemove::Protect))
    }

    /// It stays at the provider when the program no longer has it.
    #[must_use]
    pub fn retain(self) -> Self {
        self.and(Apply::OnRemove(OnRemove::Retain))
    }

    /// It comes after `other`, although it takes nothing from it.
    #[must_use]
    pub fn after(self, other: &impl Precedes) -> Self {
        self.and(Apply::After(other.node()))
    }

    /// It carries this tag, where the provider has tags.
    #[must_use]
    pub fn tag(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.and(Apply::Tag(key.into(), value.into()))
    }

    /// Findings of the check `id` about it are accepted for this reason.
    #[must_use]
    pub fn waive(self, id: impl Into<String>, reason: impl Into<String>) -> Self {
        self.and(Apply::Waive(id.into(), reason.into()))
    }
}

impl<R: Region, C: Construct<R>> Construct<R> for With<C> {
    type Handle = C::Handle;

    fn build(self, mut scope: Scope<'_, R>) -> C::Handle {
        for option in self.apply {
            match option {
                Apply::OnRemove(on_remove) => Rc::make_mut(&mut scope.options).on_remove = on_remove,
                Apply::After(origin) => Rc::make_mut(&mut scope.options).after.push(origin),
                Apply::Tag(key, value) => scope = scope.tag(key, value),
                Apply::Waive(id, reason) => scope = scope.waive(id, reason),
            }
        }
        self.part.build(scope)
    }
}

/// Makes the choice of an edge explicit for checks and tests: what the field of a schema needs.
pub(crate) fn need_of(node: &Node, field: &str) -> Need {
    node.schema.field(field).map_or(Need::Ready, |field| field.need)
}
