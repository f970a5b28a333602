//! Typed infrastructure as code: region-typed resources, a plan, and a crash-proof engine. The core of `dr`; it knows no cloud.
//!
//! ```text
//!     program               Stack                Plan                 Run                   Effect
//!  stack! / builder ───► checked DAG ───► steps, plain data ───► state machine ───► Persist · Call · WaitUntil
//!  types: regions,       erased nodes                            Event in           driver, store, providers:
//!  handles, inputs                                                                  the only places with I/O
//! └── compile time ──┘└───────── pure: the same input gives the same bytes ───────┘└──────── effects ────────┘
//! ```
//!
//! # The tour
//!
//! 1. **A resource type** is a struct of inputs with `#[derive(Resource)]`, a struct of outputs with `#[derive(Outputs)]`, and an
//!    implementation of [`Lifecycle`]: read, create, update, delete. A lifecycle function makes its call and returns; waiting,
//!    retrying and recovering are the engine's, once for all types.
//! 2. **A program** adds resources to the [`Scope`]s of its regions, with [`stack!`] or with [`Stack::build`]. The region rides on
//!    the value: an id of one region does not fit an input of another. A name is an [`Address`] that lasts, `there/copy`.
//! 3. **A [`Plan`]** compares program, recorded [`State`] and what was just read, and is data: it can be printed, saved, compared.
//! 4. **A run** ([`engine::Run`]) executes it: each intent is durable before its call is made, so a run that was killed is
//!    continued by the next one, which asks before it makes anything again. Waits overlap.
//! 5. **A [`driver::Session`]** does all of that for a program: load, read, plan, approve, run.
//!
//! # A complete example
//!
//! A type of one's own in a "cloud" that is a map, a program in two regions, two deploys and a teardown:
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::{Arc, Mutex};
//!
//! use dr_core::driver::{Applied, Cancel, Session, SystemClock};
//! use dr_core::engine::Limits;
//! use dr_core::store::{MemoryStore, random_lineage};
//! use dr_core::{
//!     Anywhere, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Region, Registry, Resource, Scan,
//!     Wanted, id, region, stack, text,
//! };
//!
//! region!(Here = "here");
//! region!(There = "there");
//! id!(NoteId);
//!
//! /// A text on a shelf.
//! #[derive(Debug, Clone, Resource)]
//! #[resource(type = "demo.shelf.note", outputs = NoteOutputs, create_s = 1, delete_s = 1)]
//! struct Note<R: Region = Anywhere> {
//!     /// What it says; changed in place.
//!     text: Input<String>,
//!     /// The note it lies on, in the same region; another one needs another note.
//!     #[input(replace)]
//!     on: Option<Input<NoteId<R>>>,
//! }
//!
//! #[derive(Debug, Clone, Outputs)]
//! struct NoteOutputs<R: Region = Anywhere> {
//!     /// Its id.
//!     id: NoteId<R>,
//!     /// Its length in bytes.
//!     length: u64,
//! }
//!
//! impl<R: Region> Note<R> {
//!     fn new(text: impl IntoInput<String>) -> Self {
//!         Note { text: text.into_input(), on: None }
//!     }
//! }
//!
//! /// The cloud: notes by id.
//! #[derive(Default)]
//! struct Shelf(Mutex<BTreeMap<String, NoteArgs>>);
//!
//! impl Shelf {
//!     fn put(&self, id: &str, args: &NoteArgs) -> NoteOutputs {
//!         self.0.lock().unwrap().insert(id.to_owned(), args.clone());
//!         NoteOutputs { id: NoteId::literal(id), length: args.text.len() as u64 }
//!     }
//! }
//!
//! impl Lifecycle for Note {
//!     type Cloud = Shelf;
//!
//!     /// Refresh, drift, a lost state and the question after a lost answer are all this one function.
//!     async fn read(scan: &Scan<Shelf>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
//!         let notes = scan.cloud.0.lock().unwrap();
//!         let found = wanted.iter().filter_map(|want| {
//!             let args = notes.get(&want.token)?.clone();
//!             Some(Found {
//!                 address: want.address.clone(),
//!                 generation: want.generation,
//!                 outputs: NoteOutputs { id: NoteId::literal(&want.token), length: args.text.len() as u64 },
//!                 args: Some(args),
//!                 health: Health::Ready,
//!                 tags: None,
//!             })
//!         });
//!         Ok(found.collect())
//!     }
//!
//!     async fn create(cx: &Cx<Shelf>, args: &NoteArgs) -> Result<NoteOutputs, CloudError> {
//!         // The token is the same in every retry and after a crash, so this note is never made twice.
//!         Ok(cx.cloud.put(&cx.owner.token, args))
//!     }
//!
//!     async fn update(cx: &Cx<Shelf>, prior: &Prior<Self>, args: &NoteArgs) -> Result<NoteOutputs, CloudError> {
//!         Ok(cx.cloud.put(prior.outputs.id.as_str(), args))
//!     }
//!
//!     async fn delete(cx: &Cx<Shelf>, prior: &Prior<Self>) -> Result<(), CloudError> {
//!         cx.cloud.0.lock().unwrap().remove(prior.outputs.id.as_str());
//!         Ok(())
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let stack = stack!("letters", |here: Here, there: There| {
//!         let letter = here(Note::new("Dear reader"));
//!         let copy = there(Note::new(text!("{} bytes were sent", letter.length)));
//!         copy.id
//!     })?;
//!
//!     let shelf = Arc::new(Shelf::default());
//!     let session = Session {
//!         graph: &stack,
//!         registry: Registry::new().with::<Note>(&shelf),
//!         clock: Arc::new(SystemClock::new()),
//!         limits: Limits::default(),
//!         account: None,
//!     };
//!     let store = MemoryStore::new(stack.name(), &random_lineage());
//!     let deploy = async || session.deploy(&store, |_| true, &Cancel::new(), &mut |_, _, _| {}).await;
//!
//!     let applied = deploy().await?;
//!     assert_eq!(
//!         applied.plan().to_string(),
//!         "+ here/letter  demo.shelf.note\n\
//!          + there/copy  demo.shelf.note\n\
//!          2 to create"
//!     );
//!     let Applied::Ran { state, .. } = &applied else { panic!("there was something to do") };
//!     let copy: NoteId<There> = stack.outputs(|address| state.outputs(address))?;
//!     assert_eq!(shelf.0.lock().unwrap()[copy.as_str()].text, "11 bytes were sent");
//!
//!     // The cloud is as the program says, so there is nothing to do.
//!     assert!(matches!(deploy().await?, Applied::Unchanged(_)));
//!
//!     let gone = session.destroy(&store, |_| true, &Cancel::new(), &mut |_, _, _| {}).await?;
//!     assert!(gone.is_complete() && shelf.0.lock().unwrap().is_empty());
//!     Ok(())
//! }
//! ```
//!
//! In this program `there(Note { on: Some(letter.id.into_input()), .. })` would not compile: an id of `Here` is no id of `There`.
//!
//! # Where to go on
//!
//! | for | see |
//! |---|---|
//! | regions and roles | [`Region`], [`region!`], [`Builder::region_as`] |
//! | values that are known only later | [`Input`], [`Output`], [`text!`], [`Secret`] |
//! | several resources under one name | [`Construct`], [`Scope`] |
//! | keeping, protecting and renaming | [`Scope::retain`], [`Scope::protect`], [`Scope::moved`] |
//! | rules over a program | [`Builder::rule`], [`Finding`] |
//! | what the engine does with an error | [`CloudError`], [`Class`], [`Certainty`] |
//! | state and journal in a directory | [`store::FileStore`] |
//! | testing types before a call of theirs is written | `sim::World`, with the feature `sim` |
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `driver` | yes | the module `driver`, which performs effects with tokio; without it the crate waits for nothing |
//! | `sim` | no | the module `sim`: a cloud, a disk and a clock, all seeded, with faults, to test the engine and one's own types |

mod address;
mod check;
mod cidr;
mod construct;
mod diff;
#[cfg(feature = "driver")]
pub mod driver;
pub mod engine;
mod error;
mod graph;
mod id;
pub mod journal;
mod observed;
pub mod plan;
mod provider;
mod region;
mod resource;
#[cfg(feature = "sim")]
pub mod sim;
mod stack;
mod state;
pub mod store;
pub mod value;

pub use address::{ADDRESS_LEN_MAX, Address, LogicalName, NAME_LEN_MAX, NameError};
pub use check::{Finding, Severity};
pub use cidr::{Cidr, CidrError};
pub use construct::{Builder, Construct, ConstructExt, Scope, With};
pub use diff::Change;
pub use dr_macros::{Inputs, Outputs, Resource, stack};
pub use error::{Action, Certainty, Class, CloudError, StepError};
pub use graph::{Graph, Node};
pub use observed::{Drift, DriftKind, Observed};
pub use plan::{Plan, PlanError, PlanErrors, SavedPlanError, Step, StepId};
pub use provider::{
    BoxFuture, Cx, Found, FoundData, Health, Lifecycle, Owner, Prior, PriorData, Provider, Registry, Scan, Settled,
    Wanted, WantedData,
};
pub use region::{Anywhere, FixedRegion, Global, Hosts, Region, same_region};
pub use resource::{
    Field, Handle, Inputs, Kind, Need, OnRemove, Outputs, Precedes, Problems, Replacement, Resource, Schema,
};
pub use stack::{BuildError, BuildErrors, OutputsError, Stack};
pub use state::{FORMAT, IllegalEntry, Inconsistent, Instance, Record, State, Status};
pub use value::{Encode, EncodeError, Encoder, Input, IntoInput, IntoText, Output, Secret, Text, Value};

/// The serde that the macros' expansions use.
pub use serde;
