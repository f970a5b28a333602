//! What a resource type does at its provider: four functions, and how they are found by type name.
//!
//! A lifecycle function makes its calls and returns. It does not sleep, retry or recover: the engine does those once, for
//! all types.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::address::Address;
use crate::error::{Class, CloudError};
use crate::resource::{Resource, Schema};
use crate::value::{Value, decode};

/// The context of a call about one resource.
#[derive(Debug)]
pub struct Cx<C> {
    /// The clients: whatever the type's provider needs.
    pub cloud: Arc<C>,
    /// The resource that the call is about.
    pub owner: Owner,
}

/// Whose resource it is: what its ownership tags, its name and its tokens are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The stack's name.
    pub stack: String,
    /// The region at the provider, `global` for none.
    pub region: String,
    /// The address in the program.
    pub address: Address,
    /// Counts the resources that this address has had: a replacement is a new generation.
    pub generation: u32,
    /// Identifies this create, the same after a crash and in every retry: 32 characters `[0-9a-f]`, made of the state's
    /// lineage, address and generation. For client tokens, caller references and unique name suffixes.
    pub token: String,
    /// The tags that the program gives it, without the ownership tags.
    pub tags: BTreeMap<String, String>,
}

/// The context of a bulk read.
#[derive(Debug)]
pub struct Scan<C> {
    /// The clients.
    pub cloud: Arc<C>,
    /// The stack whose resources are wanted.
    pub stack: String,
    /// The region at the provider.
    pub region: String,
}

/// A resource that a bulk read is asked for.
#[derive(Debug, Clone)]
pub struct Wanted<T: Resource> {
    /// Its address.
    pub address: Address,
    /// Which of the resources that the address has had.
    pub generation: u32,
    /// The token under which it was created, or would be.
    pub token: String,
    /// Its arguments, as far as they are known: from the state, from the journal, or from the program.
    pub args: T::Args,
    /// What the state knows of it; `None` when it may not exist, or the state was lost.
    pub outputs: Option<T::Outputs>,
}

/// A resource that a bulk read found.
#[derive(Debug, Clone)]
pub struct Found<T: Resource> {
    /// The address in its ownership tag, or the address of the wanted resource with its natural key.
    pub address: Address,
    /// The generation in its ownership tag; that of the wanted resource where the provider has no tags.
    pub generation: u32,
    /// How it is *configured*: start from the wanted arguments and overwrite what was read, or drift cannot be seen.
    /// `None` for a resource that nobody wanted and whose configuration was not read.
    pub args: Option<T::Args>,
    /// Its outputs.
    pub outputs: T::Outputs,
    /// Whether it works already, is on its way, or is leaving.
    pub health: Health,
    /// The tags it has apart from ownership tags, where the provider has tags and they were read.
    pub tags: Option<BTreeMap<String, String>>,
}

/// Where a resource is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It exists and does not work yet.
    Pending,
    /// It works.
    Ready,
    /// It exists and never will work: it has to be replaced.
    Failed,
    /// It is being deleted.
    Leaving,
}

/// What is known about a resource before it is changed.
#[derive(Debug, Clone)]
pub struct Prior<T: Resource> {
    /// The arguments with which it was last created or updated.
    pub args: T::Args,
    /// Its outputs.
    pub outputs: T::Outputs,
}

/// The answer to "is it done?".
#[derive(Debug, Clone, PartialEq)]
pub enum Settled<O> {
    /// It works (with its outputs, which may be more than at the create call), or it is gone.
    Yes(O),
    /// Not yet; ask again after this time.
    AskAgainIn(Duration),
    /// It never will; the reason as the cloud gives it.
    Failed(CloudError),
}

/// How a resource type lives at its provider; implemented for the type without region, `Subnet<Anywhere>`.
///
/// Each function is one step of AWS's own: it makes its call (or the few that belong together) and returns. An error
/// tells by its [`Class`] what to do, and the engine does it.
pub trait Lifecycle: Resource + Send + Sync + 'static {
    /// The clients it needs.
    type Cloud: Send + Sync + 'static;

    /// Reads all resources of this type that the stack owns in the region, and at least the wanted ones that exist.
    ///
    /// One paginated call where the provider allows it, never one call for each resource. By ownership tags where the
    /// provider has tags, else by the natural key under the owned parent; never "the first that looks alike". What is not
    /// there is left out of the answer. This one function serves refresh, drift, rebuilt state and the question after a
    /// lost answer.
    fn read(
        scan: &Scan<Self::Cloud>,
        wanted: &[Wanted<Self>],
    ) -> impl Future<Output = Result<Vec<Found<Self>>, CloudError>> + Send;

    /// Creates it, tagged as owned in the same call where the provider can.
    fn create(
        cx: &Cx<Self::Cloud>,
        args: &Self::Args,
    ) -> impl Future<Output = Result<Self::Outputs, CloudError>> + Send;

    /// Changes it in place from `prior.args` to `args`; also called to bring drifted tags back.
    fn update(
        cx: &Cx<Self::Cloud>,
        prior: &Prior<Self>,
        args: &Self::Args,
    ) -> impl Future<Output = Result<Self::Outputs, CloudError>> + Send;

    /// Starts deleting it; absent already is success.
    fn delete(cx: &Cx<Self::Cloud>, prior: &Prior<Self>) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Whether a created or updated resource works; asked after the call was answered, until it says yes.
    ///
    /// Default: it works at once.
    fn ready(
        _cx: &Cx<Self::Cloud>,
        current: &Prior<Self>,
    ) -> impl Future<Output = Result<Settled<Self::Outputs>, CloudError>> + Send {
        let outputs = current.outputs.clone();
        async { Ok(Settled::Yes(outputs)) }
    }

    /// Whether a deleted resource is gone; may make the next call of a deletion that takes several.
    ///
    /// Default: it is gone at once.
    fn gone(
        _cx: &Cx<Self::Cloud>,
        _prior: &Prior<Self>,
    ) -> impl Future<Output = Result<Settled<()>, CloudError>> + Send {
        async { Ok(Settled::Yes(())) }
    }

    /// Gives an existing resource the ownership tags of `cx.owner`: after a move to another address, or an adoption.
    ///
    /// Default: nothing, for types that have no tags.
    fn adopt(_cx: &Cx<Self::Cloud>, _current: &Prior<Self>) -> impl Future<Output = Result<(), CloudError>> + Send {
        async { Ok(()) }
    }
}

/// A future that can be moved between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Wanted`] as data.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields of `Wanted`, erased")]
pub struct WantedData {
    pub stack: String,
    pub address: Address,
    pub generation: u32,
    pub token: String,
    pub args: Value,
    pub outputs: Option<Value>,
}

/// [`Found`] as data.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields of `Found`, erased")]
pub struct FoundData {
    pub address: Address,
    pub generation: u32,
    pub args: Option<Value>,
    pub outputs: Value,
    pub health: Health,
    pub tags: Option<BTreeMap<String, String>>,
}

/// [`Lifecycle`] behind a type name, with arguments and outputs as data.
pub trait Provider: Send + Sync {
    /// The declaration of the type.
    fn schema(&self) -> &'static Schema;
    /// [`Lifecycle::read`].
    fn read<'a>(
        &'a self,
        stack: &'a str,
        region: &'a str,
        wanted: Vec<WantedData>,
    ) -> BoxFuture<'a, Result<Vec<FoundData>, CloudError>>;
    /// [`Lifecycle::create`].
    fn create(&self, owner: Owner, args: Value) -> BoxFuture<'_, Result<Value, CloudError>>;
    /// [`Lifecycle::update`].
    fn update(&self, owner: Owner, prior: PriorData, args: Value) -> BoxFuture<'_, Result<Value, CloudError>>;
    /// [`Lifecycle::delete`].
    fn delete(&self, owner: Owner, prior: PriorData) -> BoxFuture<'_, Result<(), CloudError>>;
    /// [`Lifecycle::ready`].
    fn ready(&self, owner: Owner, current: PriorData) -> BoxFuture<'_, Result<Settled<Value>, CloudError>>;
    /// [`Lifecycle::gone`].
    fn gone(&self, owner: Owner, prior: PriorData) -> BoxFuture<'_, Result<Settled<()>, CloudError>>;
    /// [`Lifecycle::adopt`].
    fn adopt(&self, owner: Owner, current: PriorData) -> BoxFuture<'_, Result<(), CloudError>>;
}

/// [`Prior`] as data.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields of `Prior`, erased")]
pub struct PriorData {
    pub args: Value,
    pub outputs: Value,
}

/// The types that can be deployed, by name, each with its clients.
#[derive(Clone, Default)]
pub struct Registry {
    providers: BTreeMap<&'static str, Arc<dyn Provider>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.providers.keys()).finish()
    }
}

impl Registry {
    /// No types.
    #[must_use]
    pub fn new() -> Self {
        Registry::default()
    }

    /// Adds a type with the clients it needs; a type that is registered already is replaced.
    #[must_use]
    pub fn with<T: Lifecycle>(mut self, cloud: &Arc<T::Cloud>) -> Self {
        let provider = Typed::<T> { cloud: Arc::clone(cloud) };
        self.providers.insert(T::SCHEMA.type_name, Arc::new(provider));
        self
    }

    /// Adds a type whose provider works on data: one that is not a [`Lifecycle`], or wraps another.
    #[must_use]
    pub fn with_provider(mut self, provider: Arc<dyn Provider>) -> Self {
        self.providers.insert(provider.schema().type_name, provider);
        self
    }

    /// The provider of a type.
    #[must_use]
    pub fn get(&self, type_name: &str) -> Option<&Arc<dyn Provider>> {
        self.providers.get(type_name)
    }

    /// All types.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        self.providers.values()
    }

    /// This registry and all types of another.
    #[must_use]
    pub fn and(mut self, other: Registry) -> Self {
        self.providers.extend(other.providers);
        self
    }
}

/// The erased twin of a typed lifecycle.
struct Typed<T: Lifecycle> {
    cloud: Arc<T::Cloud>,
}

impl<T: Lifecycle> Typed<T> {
    fn cx(&self, owner: Owner) -> Cx<T::Cloud> {
        Cx { cloud: Arc::clone(&self.cloud), owner }
    }

    fn prior(prior: PriorData) -> Result<Prior<T>, CloudError> {
        Ok(Prior { args: typed::<T, _>(prior.args, "args")?, outputs: typed::<T, _>(prior.outputs, "outputs")? })
    }
}

/// A recorded value that no longer has the type that the program gives it: the program changed, or the state was edited.
fn typed<T: Resource, V: serde::de::DeserializeOwned>(value: Value, what: &str) -> Result<V, CloudError> {
    decode(value, what).map_err(|error| {
        CloudError::new(format!("{}:decode", T::SCHEMA.type_name), "TypeMismatch", error.to_string(), Class::Permanent)
            .hint("the recorded value does not fit this version of the program: `state show` prints it")
    })
}

fn data<T: Resource>(value: &impl serde::Serialize) -> Result<Value, CloudError> {
    serde_json::to_value(value).map_err(|error| {
        CloudError::new(
            format!("{}:encode", T::SCHEMA.type_name),
            "NotSerializable",
            error.to_string(),
            Class::Permanent,
        )
    })
}

impl<T: Lifecycle> Provider for Typed<T> {
    fn schema(&self) -> &'static Schema {
        T::SCHEMA
    }

    fn read<'a>(
        &'a self,
        stack: &'a str,
        region: &'a str,
        wanted: Vec<WantedData>,
    ) -> BoxFuture<'a, Result<Vec<FoundData>, CloudError>> {
        Box::pin(async move {
            let scan = Scan { cloud: Arc::clone(&self.cloud), stack: stack.to_owned(), region: region.to_owned() };
            let mut typed_wanted = Vec::with_capacity(wanted.len());
            for want in wanted {
                typed_wanted.push(Wanted::<T> {
                    address: want.address,
                    generation: want.generation,
                    token: want.token,
                    args: typed::<T, _>(want.args, "args")?,
                    outputs: want.outputs.map(|outputs| typed::<T, _>(outputs, "outputs")).transpose()?,
                });
            }
            let found = T::read(&scan, &typed_wanted).await?;
            found
                .into_iter()
                .map(|found| {
                    Ok(FoundData {
                        address: found.address,
                        generation: found.generation,
                        args: found.args.as_ref().map(data::<T>).transpose()?,
                        outputs: data::<T>(&found.outputs)?,
                        health: found.health,
                        tags: found.tags,
                    })
                })
                .collect()
        })
    }

    fn create(&self, owner: Owner, args: Value) -> BoxFuture<'_, Result<Value, CloudError>> {
        Box::pin(async move {
            let args = typed::<T, _>(args, "args")?;
            data::<T>(&T::create(&self.cx(owner), &args).await?)
        })
    }

    fn update(&self, owner: Owner, prior: PriorData, args: Value) -> BoxFuture<'_, Result<Value, CloudError>> {
        Box::pin(async move {
            let (prior, args) = (Self::prior(prior)?, typed::<T, _>(args, "args")?);
            data::<T>(&T::update(&self.cx(owner), &prior, &args).await?)
        })
    }

    fn delete(&self, owner: Owner, prior: PriorData) -> BoxFuture<'_, Result<(), CloudError>> {
        Box::pin(async move { T::delete(&self.cx(owner), &Self::prior(prior)?).await })
    }

    fn ready(&self, owner: Owner, current: PriorData) -> BoxFuture<'_, Result<Settled<Value>, CloudError>> {
        Box::pin(async move {
            Ok(match T::ready(&self.cx(owner), &Self::prior(current)?).await? {
                Settled::Yes(outputs) => Settled::Yes(data::<T>(&outputs)?),
                Settled::AskAgainIn(time) => Settled::AskAgainIn(time),
                Settled::Failed(error) => Settled::Failed(error),
            })
        })
    }

    fn gone(&self, owner: Owner, prior: PriorData) -> BoxFuture<'_, Result<Settled<()>, CloudError>> {
        Box::pin(async move { T::gone(&self.cx(owner), &Self::prior(prior)?).await })
    }

    fn adopt(&self, owner: Owner, current: PriorData) -> BoxFuture<'_, Result<(), CloudError>> {
        Box::pin(async move { T::adopt(&self.cx(owner), &Self::prior(current)?).await })
    }
}
