//! What a resource type declares: its inputs and outputs, what forces a replacement, and how long it takes.

use std::fmt;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::region::Region;
use crate::value::{EncodeError, Encoder, Input, Origin, Output};

/// A type of resource; written by `#[derive(Resource)]`, which shows what each item becomes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be added: it is neither a resource nor a construct of this region",
    label = "neither a type with `#[derive(Resource)]` nor a `Construct` of the scope's region"
)]
pub trait Resource: Sized {
    /// The region in which it lives: the type parameter of the resource.
    type Region: Region;
    /// The inputs with every [`Input<T>`] resolved to `T`: what a lifecycle function gets.
    type Args: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;
    /// What is known of the resource once it exists.
    type Outputs: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;
    /// One [`Output`](crate::Output) for each output: what the handle dereferences to.
    type Refs: Copy;
    /// The declaration as data.
    const SCHEMA: &'static Schema;

    /// Hands every field to the encoder.
    ///
    /// # Errors
    /// A field cannot be serialised.
    fn encode(&self, encoder: &mut Encoder) -> Result<(), EncodeError>;

    /// The outputs of the node as references.
    fn refs(origin: Origin) -> Self::Refs;

    /// Checks that need no call to the cloud; named with `#[resource(check = path::to::function)]`.
    fn check(&self, _problems: &mut Problems) {}
}

/// The outputs of a resource and how they are referenced from region `R`; written by `#[derive(Outputs)]`.
///
/// Implemented for the type without region, `SubnetOutputs<Anywhere>`: outputs are data, references are typed by region.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the outputs of a resource of region `{R}`",
    label = "not a type with `#[derive(Outputs)]`"
)]
pub trait Outputs<R: Region> {
    /// One [`Output`](crate::Output) for each output.
    type Refs: Copy;
    /// The names of the outputs.
    const NAMES: &'static [&'static str];

    /// The outputs of the node.
    fn refs(origin: Origin) -> Self::Refs;
}

/// A resource without outputs: nothing refers to it.
impl<R: Region> Outputs<R> for () {
    type Refs = ();
    const NAMES: &'static [&'static str] = &[];

    fn refs(_: Origin) -> Self::Refs {}
}

/// A struct of inputs inside a resource, or of the outputs of a whole program; written by `#[derive(Inputs)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the outputs of a program",
    label = "neither an `Output`, nor an `Input`, nor a type with `#[derive(Inputs)]`",
    note = "a program without outputs ends with a semicolon"
)]
pub trait Inputs: Serialize {
    /// The same struct with every [`Input<T>`] and [`Output<T>`](crate::Output) resolved to `T`.
    type Args: DeserializeOwned;
}

impl Inputs for () {
    type Args = ();
}

impl<T: DeserializeOwned> Inputs for Output<T> {
    type Args = T;
}

impl<T: Serialize + DeserializeOwned> Inputs for Input<T> {
    type Args = T;
}

/// The declaration of a resource type as data: what plan, engine and checks know about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schema {
    /// `aws.ec2.subnet`: provider, service, type. It is written into the state, so it never changes.
    pub type_name: &'static str,
    /// Whether the stack owns it or only looks it up.
    pub kind: Kind,
    /// The inputs in order of declaration.
    pub fields: &'static [Field],
    /// The names of the outputs.
    pub outputs: &'static [&'static str],
    /// Whether the type lives in [`Global`](crate::Global) and in no region.
    pub global: bool,
    /// What comes first when it is replaced.
    pub replacement: Replacement,
    /// Seconds from the call until it is ready, typically.
    pub create_s: f64,
    /// Seconds from the call until it is gone, typically.
    pub delete_s: f64,
    /// Seconds after which it is not waited for any longer, where the engine's own bound is too short; 0 where it is not.
    pub settle_s: f64,
}

impl Schema {
    /// The declaration of the input `name`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The provider and service part of the type name, `aws.ec2`: what limits and statistics are counted by.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.type_name.rsplit_once('.').map_or(self.type_name, |(service, _)| service)
    }
}

/// One input of a resource type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The field's name in the inputs and in state.
    pub name: &'static str,
    /// Whether a changed value needs a new resource (`#[input(replace)]`).
    pub replace: bool,
    /// Whether what the value names cannot be deleted as long as this resource has it, however it is changed
    /// (`#[input(holds)]`). When that has to go before its successor can exist, this resource goes with it.
    pub holds: bool,
    /// What a referenced resource must be before this one is created (`#[input(accepted)]`, else ready).
    pub need: Need,
}

/// Whether the stack owns a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Created, changed and deleted with the stack.
    Managed,
    /// Read only: something that exists already, or a value that the provider publishes. Never created nor deleted.
    Lookup,
}

/// What an edge of the graph waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// The create call was answered: the id is known (a listener needs the load balancer's ARN, not an active one).
    Accepted,
    /// It works (a failover record needs a serving target).
    Ready,
}

/// What comes first when a resource is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replacement {
    /// The new one is created and used before the old one goes: nothing is interrupted.
    CreateFirst,
    /// The old one has to go first, because both cannot exist at once (a fixed name, an address range).
    DeleteFirst,
}

/// What happens to a resource when the program no longer has it, or is destroyed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnRemove {
    /// It is deleted.
    #[default]
    Destroy,
    /// It stays at the provider and is forgotten here.
    Retain,
    /// The plan is refused.
    Protect,
}

/// A resource in the program: it dereferences to its outputs, and is `Copy`, so it can be wired anywhere.
pub struct Handle<T: Resource> {
    pub(crate) origin: Origin,
    refs: T::Refs,
}

impl<T: Resource> Handle<T> {
    pub(crate) fn new(origin: Origin) -> Self {
        Handle { origin, refs: T::refs(origin) }
    }
}

impl<T: Resource> Clone for Handle<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Resource> Copy for Handle<T> {}

impl<T: Resource> Deref for Handle<T> {
    type Target = T::Refs;

    fn deref(&self) -> &T::Refs {
        &self.refs
    }
}

impl<T: Resource> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (node {})", T::SCHEMA.type_name, self.origin.node)
    }
}

/// Something that an order-only edge can point to: every handle.
pub trait Precedes {
    /// The node.
    fn node(&self) -> Origin;
}

impl<T: Resource> Precedes for Handle<T> {
    fn node(&self) -> Origin {
        self.origin
    }
}

/// What is wrong with the inputs of one resource, collected while it is added.
#[derive(Debug, Default)]
pub struct Problems(pub(crate) Vec<String>);

impl Problems {
    /// Reports one: the input, and a sentence that says what is wrong and what would be right.
    pub fn report(&mut self, input: &str, problem: impl fmt::Display) {
        self.0.push(format!("`{input}`: {problem}"));
    }
}
