//! The macros of dr: `stack!` and the derives of resources, their outputs, and nested inputs.
//!
//! Use them through dr-core, which re-exports them beside the traits of the same names. A macro expands to public API
//! only: whatever it writes could be written by hand, and its expansion is shown in its documentation.

mod args;
mod attr;
mod errors;
mod inputs;
mod outputs;
mod resource;
mod stack;

use proc_macro::TokenStream;
use syn::parse_macro_input;

/// A program: opens a scope for each region, names what is added to them, and builds the stack.
///
/// It can do nothing that the builder cannot, and its expansion is the builder, line for line:
///
/// ```
/// # use dr_core::{Anywhere, FixedRegion, Global, Handle, Input, IntoInput, Outputs, Region, Resource, Stack, region, stack};
/// # region!(UsEast1 = "us-east-1");
/// # region!(role Standby = "standby");
/// # dr_core::id!(VpcId);
/// # #[derive(Resource)]
/// # #[resource(type = "test.vpc", outputs = VpcOutputs)]
/// # struct Vpc<R: Region = Anywhere> { of: std::marker::PhantomData<R> }
/// # impl<R: Region> Vpc<R> { fn new() -> Self { Vpc { of: std::marker::PhantomData } } }
/// # #[derive(Clone, Outputs)]
/// # struct VpcOutputs<R: Region = Anywhere> { id: VpcId<R> }
/// # #[derive(Resource)]
/// # #[resource(type = "test.pair", region = Global)]
/// # struct Pair<P: Region, S: Region> { primary: Input<VpcId<P>>, standby: Input<VpcId<S>> }
/// # impl<P: Region, S: Region> Pair<P, S> {
/// #     fn new(primary: impl IntoInput<VpcId<P>>, standby: impl IntoInput<VpcId<S>>) -> Self {
/// #         Pair { primary: primary.into_input(), standby: standby.into_input() }
/// #     }
/// # }
/// # let config = "eu-west-1";
/// let stack = stack!("shop", |east: UsEast1, standby: Standby = config, global: Global| {
///     let primary = east(Vpc::new());
///     let copy = standby(Vpc::new());
///     let origin = global(Pair::new(primary.id, copy.id));
/// })?;
/// # let written = stack;
/// let stack = Stack::build("shop", |stack| {
///     let (east, standby, global) = (stack.region(UsEast1), stack.region_as(Standby, config), stack.region(Global));
///     let primary = east.add("primary", Vpc::new());
///     let copy = standby.add("copy", Vpc::new());
///     let origin = global.add("origin", Pair::new(primary.id, copy.id));
/// })?;
/// # assert_eq!(written.dot(), stack.dot());
/// # Ok::<(), dr_core::BuildErrors>(())
/// ```
///
/// - A region that names a place binds itself; a role is bound with `=` to any expression of type `&str`. The stack's name
///   may be any such expression too.
/// - `let name = east(part);` is `let name = east.add("name", part);`, wherever it stands: in blocks, in `if`. The address
///   of the resource is the name without leading underscores. In a loop or closure the name needs a key:
///   `east.add(("name", key), part)`.
/// - A name that the body binds itself hides a scope of that name, as everywhere in Rust.
/// - The last expression is the outputs of the program, a type with `#[derive(Inputs)]`.
///
/// # Errors
/// What [`Stack::build`](../dr_core/struct.Stack.html#method.build) returns: all errors of the program together.
#[proc_macro]
pub fn stack(input: TokenStream) -> TokenStream {
    stack::expand(input.into()).into()
}

/// Makes a struct of inputs a type of resource: writes its arguments, its schema and the implementation of `Resource`.
///
/// ```
/// use dr_core::{Anywhere, Cidr, Input, Outputs, Region, Resource};
/// dr_core::id!(
///     /// `vpc-…`
///     VpcId,
///     /// `subnet-…`
///     SubnetId
/// );
///
/// /// A range of addresses in one availability zone of a VPC.
/// #[derive(Resource)]
/// #[resource(type = "aws.ec2.subnet", outputs = SubnetOutputs, create_s = 2, delete_s = 1)]
/// pub struct Subnet<R: Region = Anywhere> {
///     /// The VPC that it is a part of.
///     #[input(replace, accepted)]
///     vpc: Input<VpcId<R>>,
///     #[input(replace)]
///     cidr: Cidr,
///     public: bool,
/// }
///
/// /// What is known of a subnet once it exists.
/// #[derive(Clone, Debug, Outputs)]
/// pub struct SubnetOutputs<R: Region = Anywhere> {
///     /// Its id.
///     pub id: SubnetId<R>,
/// }
///
/// // What a lifecycle function is given: every `Input<T>` is a `T`, and the region is data.
/// let args = SubnetArgs { vpc: VpcId::literal("vpc-1"), cidr: dr_core::cidr!("10.0.0.0/24"), public: false };
/// # let _ = args;
/// assert!(Subnet::<Anywhere>::SCHEMA.field("cidr").unwrap().replace);
/// ```
///
/// # On the struct: `#[resource(..)]`
///
/// | key | meaning | default |
/// |---|---|---|
/// | `type = "aws.ec2.subnet"` | the name in state and plans; it never changes | required |
/// | `outputs = SubnetOutputs` | a type with `#[derive(Outputs)]` | `()`: no outputs |
/// | `region = Global` | where it lives | the first parameter bounded by `Region` |
/// | `create_s = 2`, `delete_s = 1` | seconds that it typically takes | 1 each |
/// | `settle_s = 3600` | seconds after which it is not waited for any longer | 15 minutes, or ten times what it typically takes |
/// | `replacement = "delete-first"` | both cannot exist at once | `"create-first"` |
/// | `lookup` | it is only read, never created nor deleted | it is managed |
/// | `check = path::to::function` | `fn(&Self, &mut Problems)`, called when it is added | no check |
///
/// # On a field: `#[input(..)]`
///
/// `replace`: a changed value needs a new resource. `holds`: what the value names cannot be deleted as long as this resource
/// has it, so where that goes before its successor, this resource does too. `accepted`: the resource that the value comes from
/// need only have been accepted, it need not work yet. `nested`: the type has `#[derive(Inputs)]`, itself or inside `Vec`, `Option` and
/// the values of a `BTreeMap`.
///
/// A field of type `PhantomData` is no input. A `Secret<T>` is masked wherever the arguments are written. In stored
/// arguments, a missing `Option`, `Vec`, `BTreeMap` or `BTreeSet` is an empty one, so that such inputs can be added later.
#[proc_macro_derive(Resource, attributes(resource, input))]
pub fn derive_resource(input: TokenStream) -> TokenStream {
    resource::expand(&parse_macro_input!(input)).into()
}

/// Makes a struct the outputs of a resource: writes the references that a handle shows, `Serialize` and `Deserialize`.
///
/// `SubnetOutputs { id: SubnetId<R>, zone: String }` becomes
/// `SubnetRefs { id: Output<SubnetId<R>>, zone: Output<String> }` with the same documentation, which is `Copy`. The struct
/// has one region parameter (with the default `Anywhere`), or none when nothing in it belongs to a region.
#[proc_macro_derive(Outputs)]
pub fn derive_outputs(input: TokenStream) -> TokenStream {
    outputs::expand(&parse_macro_input!(input)).into()
}

/// Makes a struct or enum a part of a resource's inputs, or a struct the outputs of a program.
///
/// Writes `Serialize`, the implementation of `Inputs`, and the resolved form: for `Rule` a type `RuleArgs`, in which each
/// `Input<T>` and `Output<T>` is a `T` and each region parameter is `Anywhere`. Fields whose types have
/// `#[derive(Inputs)]` too are marked `#[input(nested)]`.
///
/// ```
/// use dr_core::{Input, Inputs};
///
/// /// What the program tells whoever deploys it.
/// #[derive(Inputs)]
/// pub struct ShopOutputs {
///     /// Where the API answers.
///     pub url: Input<String>,
/// }
///
/// let resolved = ShopOutputsArgs { url: "https://api.example.com/".to_owned() };
/// # let _ = resolved;
/// ```
#[proc_macro_derive(Inputs, attributes(input))]
pub fn derive_inputs(input: TokenStream) -> TokenStream {
    inputs::expand(&parse_macro_input!(input)).into()
}
