//! The simulated cloud itself: objects, and what the calls do to them. Knows nothing of the engine.

use std::collections::BTreeMap;

use super::faults::{Faults, Operation, refusal};
use super::random::Random;
use crate::address::Address;
use crate::error::{Class, CloudError};
use crate::provider::{FoundData, Health, Owner, PriorData, Settled, WantedData};
use crate::resource::{Kind, Schema};
use crate::state::State;
use crate::value::{Value, texts};

/// What an output is made of: the arguments of the resource and its id.
pub type MakeOutput = fn(&Value, &str) -> Value;

/// How the resources of one type behave at the provider.
///
/// By default they carry ownership tags, honour the token, have no unique name, take as long as their schema says when that
/// is more than a second, and cannot be deleted while another resource has one of their outputs among its arguments.
#[derive(Debug, Clone)]
pub struct Behaviour {
    pub(super) tagged: bool,
    pub(super) tokens: bool,
    pub(super) key: &'static [&'static str],
    pub(super) held: bool,
    pub(super) create_ms: Option<u64>,
    pub(super) delete_ms: Option<u64>,
    pub(super) outputs: BTreeMap<&'static str, MakeOutput>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Behaviour {
            tagged: true,
            tokens: true,
            key: &[],
            held: true,
            create_ms: None,
            delete_ms: None,
            outputs: BTreeMap::new(),
        }
    }
}

impl Behaviour {
    /// The default behaviour.
    #[must_use]
    pub fn new() -> Self {
        Behaviour::default()
    }

    /// It has neither tags nor token: it is found by these inputs, which no two may have alike (a route, a record set).
    #[must_use]
    pub fn natural_key(mut self, inputs: &'static [&'static str]) -> Self {
        (self.tagged, self.tokens, self.key) = (false, false, inputs);
        self
    }

    /// No two may have these inputs alike in one region (a name); it has tags nevertheless.
    #[must_use]
    pub fn unique(mut self, inputs: &'static [&'static str]) -> Self {
        self.key = inputs;
        self
    }

    /// A create call made twice makes two.
    #[must_use]
    pub fn without_tokens(mut self) -> Self {
        self.tokens = false;
        self
    }

    /// It can be deleted while others still refer to it.
    #[must_use]
    pub fn not_held(mut self) -> Self {
        self.held = false;
        self
    }

    /// Milliseconds from the call until it works, and until it is gone.
    #[must_use]
    pub fn takes_ms(mut self, create: u64, delete: u64) -> Self {
        (self.create_ms, self.delete_ms) = (Some(create), Some(delete));
        self
    }

    /// How one of its outputs is made; by default `id` is the id and any other output a text that contains it.
    #[must_use]
    pub fn output(mut self, name: &'static str, make: MakeOutput) -> Self {
        self.outputs.insert(name, make);
        self
    }
}

/// How an object is configured, and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Config {
    pub(super) stack: String,
    pub(super) address: Address,
    pub(super) generation: u32,
    pub(super) args: Value,
    pub(super) tags: BTreeMap<String, String>,
}

/// One physical resource.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) id: String,
    pub(super) schema: &'static Schema,
    pub(super) region: String,
    pub(super) outputs: Value,
    token: String,
    created: u64,
    ready: u64,
    visible: u64,
    listed: u64,
    leaving: Option<u64>,
    gone: Option<u64>,
    broken: bool,
    /// Each configuration it has had with the time since when; the last is the present one.
    history: Vec<(u64, Config)>,
}

impl Object {
    pub(super) fn config(&self) -> &Config {
        // An object is made with its first configuration, and configurations are only added.
        &self.history[self.history.len() - 1].1
    }

    pub(super) fn config_mut(&mut self) -> &mut Config {
        let last = self.history.len() - 1;
        &mut self.history[last].1
    }

    pub(super) fn is_gone(&self, now: u64) -> bool {
        self.gone.is_some_and(|gone| gone <= now)
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    pub(super) fn set_broken(&mut self) {
        self.broken = true;
    }

    pub(super) fn remove(&mut self, now: u64) {
        (self.leaving, self.gone) = (Some(now), Some(now));
    }

    fn health(&self, at: u64) -> Health {
        if self.leaving.is_some_and(|leaving| leaving <= at) {
            Health::Leaving
        } else if at < self.ready {
            Health::Pending
        } else if self.broken {
            Health::Failed
        } else {
            Health::Ready
        }
    }

    /// How a list showed it at this time, when it did.
    fn seen(&self, at: u64) -> Option<(&Config, Health)> {
        if self.created.max(self.listed) > at || self.is_gone(at) {
            return None;
        }
        let config = self.history.iter().rev().find(|(since, _)| *since <= at)?;
        Some((&config.1, self.health(at)))
    }
}

/// A call that changes something, as it travels.
#[derive(Debug, Clone)]
pub(super) enum Request {
    Create { owner: Owner, args: Value },
    Update { owner: Owner, prior: PriorData, args: Value },
    Delete { owner: Owner, prior: PriorData },
    Adopt { owner: Owner, current: PriorData },
}

impl Request {
    pub(super) fn owner(&self) -> &Owner {
        match self {
            Request::Create { owner, .. }
            | Request::Update { owner, .. }
            | Request::Delete { owner, .. }
            | Request::Adopt { owner, .. } => owner,
        }
    }

    pub(super) fn operation(&self) -> Operation {
        match self {
            Request::Create { .. } => Operation::Create,
            Request::Update { .. } => Operation::Update,
            Request::Delete { .. } => Operation::Delete,
            Request::Adopt { .. } => Operation::Adopt,
        }
    }
}

/// Something that exists and can be looked up.
#[derive(Debug, Clone)]
struct Published {
    type_name: String,
    region: String,
    args: Value,
    outputs: Value,
}

/// All objects, the gone ones included.
#[derive(Debug)]
pub(super) struct Cloud {
    pub(super) behaviours: BTreeMap<&'static str, Behaviour>,
    pub(super) objects: Vec<Object>,
    published: Vec<Published>,
    /// Output texts by which objects refer to each other.
    handles: BTreeMap<String, usize>,
    random: Random,
    /// Deletes that were asked for while something still used the object.
    pub(super) in_use: u64,
    /// How long new objects are left out of lists.
    pub(super) hidden_ms: u64,
    /// What must never be asked of a cloud by a correct engine.
    pub(super) misuse: Vec<String>,
}

impl Cloud {
    pub(super) fn new(seed: u64) -> Self {
        Cloud {
            behaviours: BTreeMap::new(),
            objects: Vec::new(),
            published: Vec::new(),
            handles: BTreeMap::new(),
            random: Random::new(seed, "cloud"),
            in_use: 0,
            hidden_ms: 0,
            misuse: Vec::new(),
        }
    }

    fn behaviour(&self, schema: &Schema) -> Behaviour {
        self.behaviours.get(schema.type_name).cloned().unwrap_or_default()
    }

    pub(super) fn publish(&mut self, type_name: &str, region: &str, args: Value, outputs: Value) {
        self.published.retain(|p| (p.type_name.as_str(), p.region.as_str(), &p.args) != (type_name, region, &args));
        self.published.push(Published { type_name: type_name.to_owned(), region: region.to_owned(), args, outputs });
    }

    /// The objects that exist, leaving ones included.
    pub(super) fn live(&self, now: u64) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(move |object| !object.is_gone(now))
    }

    /// Does what a call asks for.
    pub(super) fn apply(
        &mut self,
        schema: &'static Schema,
        request: &Request,
        faults: &Faults,
        now: u64,
    ) -> Result<Value, CloudError> {
        match request {
            Request::Create { owner, args } => self.create(schema, owner, unrevealed(args), faults, now),
            Request::Update { owner, prior, args } => self.update(schema, owner, prior, unrevealed(args), now),
            Request::Delete { owner, prior } => self.delete(schema, owner, prior, now),
            Request::Adopt { owner, current } => self.adopt(schema, owner, current, now),
        }
    }

    fn create(
        &mut self,
        schema: &'static Schema,
        owner: &Owner,
        args: Value,
        faults: &Faults,
        now: u64,
    ) -> Result<Value, CloudError> {
        let refuse =
            |code: &str, message: String, class| refusal(Operation::Create, schema.type_name, code, message, class);
        let behaviour = self.behaviour(schema);
        let twins = |object: &&Object| object.schema.type_name == schema.type_name && object.region == owner.region;
        if behaviour.tokens {
            let before = self.objects.iter().filter(twins).find(|object| object.token == owner.token);
            if let Some(before) = before {
                return match before.is_gone(now) || before.is_leaving() {
                    // Health checks and instances: the provider remembers the token for days.
                    true => Err(refuse("TokenUsed", format!("{} had this token", before.id), Class::Permanent)),
                    false if before.history[0].1.args != args => {
                        Err(refuse("TokenMismatch", format!("{} has other arguments", before.id), Class::Permanent))
                    }
                    false => Ok(before.outputs.clone()),
                };
            }
        }
        self.check_references(schema, &args, now, Operation::Create)?;
        if let Some(key) = key(&behaviour, &args) {
            let taken =
                self.live(now).filter(twins).find(|object| natural_key(&behaviour, object).as_ref() == Some(&key));
            if let Some(taken) = taken {
                return Err(refuse("AlreadyExists", format!("{} has {key}", taken.id), Class::Exists));
            }
        }
        let short = schema.type_name.rsplit('.').next().unwrap_or(schema.type_name);
        let id = format!("{short}-{:05}", self.objects.len() + 1);
        let outputs = match schema.outputs {
            [] => Value::Null,
            names => Value::Object(
                names
                    .iter()
                    .map(|name| {
                        let value = match behaviour.outputs.get(name) {
                            Some(make) => make(&args, &id),
                            None if *name == "id" => Value::from(id.clone()),
                            None => Value::from(format!("{name}.{id}")),
                        };
                        ((*name).to_owned(), value)
                    })
                    .collect(),
            ),
        };
        if let Value::Object(entries) = &outputs {
            for text in entries.values().filter_map(Value::as_str).filter(|text| text.contains(&id)) {
                self.handles.insert(text.to_owned(), self.objects.len());
            }
        }
        let takes = behaviour.create_ms.unwrap_or_else(|| seconds(schema.create_s));
        let unseen = u64::try_from(faults.unseen.as_millis()).unwrap_or(u64::MAX);
        let config = Config {
            stack: owner.stack.clone(),
            address: owner.address.clone(),
            generation: owner.generation,
            args,
            tags: owner.tags.clone(),
        };
        self.objects.push(Object {
            id,
            schema,
            region: owner.region.clone(),
            outputs: outputs.clone(),
            token: owner.token.clone(),
            created: now,
            ready: now + takes,
            visible: now + self.random.below(unseen.saturating_add(1)),
            listed: now + self.hidden_ms,
            leaving: None,
            gone: None,
            broken: faults.broken.contains(owner.address.as_str()),
            history: vec![(now, config)],
        });
        Ok(outputs)
    }

    fn update(
        &mut self,
        schema: &'static Schema,
        owner: &Owner,
        prior: &PriorData,
        args: Value,
        now: u64,
    ) -> Result<Value, CloudError> {
        let at = self.locate(schema, owner, prior, now, Operation::Update)?;
        self.check_references(schema, &args, now, Operation::Update)?;
        let takes = self.behaviour(schema).create_ms.unwrap_or_else(|| seconds(schema.create_s));
        let object = &mut self.objects[at];
        let fixed = schema.fields.iter().filter(|field| field.replace);
        for field in fixed {
            if args.get(field.name) != object.config().args.get(field.name) {
                self.misuse.push(format!("{} of {} was to change in place", field.name, owner.address));
            }
        }
        let config = Config { args, tags: owner.tags.clone(), ..object.config().clone() };
        object.history.push((now, config));
        // What takes long to make takes a while to change.
        object.ready = object.ready.max(now + takes / 4);
        Ok(object.outputs.clone())
    }

    fn delete(
        &mut self,
        schema: &'static Schema,
        owner: &Owner,
        prior: &PriorData,
        now: u64,
    ) -> Result<Value, CloudError> {
        let behaviour = self.behaviour(schema);
        let at = match self.locate(schema, owner, prior, now, Operation::Delete) {
            Ok(at) => at,
            // A provider may answer either way that it is not there.
            Err(error) if error.class == Class::Gone && self.random.chance(0.5) => return Ok(Value::Null),
            Err(error) => return Err(error),
        };
        let id = self.objects[at].id.clone();
        let user = self.live(now).find(|user| user.id != id && self.refers(&user.config().args, at));
        let user = user.map(|user| user.id.clone());
        self.in_use += u64::from(user.is_some());
        if let (Some(user), true) = (user, behaviour.held) {
            let message = format!("{user} still uses {id}");
            return Err(refusal(
                Operation::Delete,
                schema.type_name,
                "DependencyViolation",
                message,
                Class::Dependency,
            ));
        }
        let takes = behaviour.delete_ms.unwrap_or_else(|| seconds(schema.delete_s));
        let object = &mut self.objects[at];
        if object.leaving.is_none() {
            (object.leaving, object.gone) = (Some(now), Some(now + takes));
        }
        Ok(Value::Null)
    }

    fn adopt(
        &mut self,
        schema: &'static Schema,
        owner: &Owner,
        current: &PriorData,
        now: u64,
    ) -> Result<Value, CloudError> {
        let at = self.locate(schema, owner, current, now, Operation::Adopt)?;
        let object = &mut self.objects[at];
        let mut config = object.config().clone();
        (config.stack, config.address, config.generation) =
            (owner.stack.clone(), owner.address.clone(), owner.generation);
        object.history.push((now, config));
        Ok(Value::Null)
    }

    pub(super) fn ready(
        &mut self,
        schema: &'static Schema,
        owner: &Owner,
        current: &PriorData,
        now: u64,
    ) -> Result<Settled<Value>, CloudError> {
        let at = self.locate(schema, owner, current, now, Operation::Ready)?;
        let object = &self.objects[at];
        Ok(match object.health(now) {
            Health::Ready => Settled::Yes(object.outputs.clone()),
            Health::Pending => Settled::AskAgainIn(std::time::Duration::from_secs(5)),
            Health::Leaving => Settled::Failed(refusal(
                Operation::Ready,
                schema.type_name,
                "Leaving",
                format!("{} is being deleted", object.id),
                Class::Permanent,
            )),
            Health::Failed => Settled::Failed(refusal(
                Operation::Ready,
                schema.type_name,
                "Failed",
                format!("{} will never work", object.id),
                Class::Permanent,
            )),
        })
    }

    pub(super) fn is_gone(
        &mut self,
        schema: &'static Schema,
        owner: &Owner,
        prior: &PriorData,
        now: u64,
    ) -> Result<Settled<()>, CloudError> {
        match self.locate(schema, owner, prior, now, Operation::Gone) {
            Ok(_) => Ok(Settled::AskAgainIn(std::time::Duration::from_secs(5))),
            Err(error) if error.class == Class::Gone && self.random.chance(0.5) => Err(error),
            Err(_) => Ok(Settled::Yes(())),
        }
    }

    /// What a list shows of the type in the region, as it was at the time `at`.
    pub(super) fn list(
        &self,
        schema: &'static Schema,
        stack: &str,
        region: &str,
        wanted: &[WantedData],
        at: u64,
    ) -> Vec<FoundData> {
        if schema.kind == Kind::Lookup {
            return wanted.iter().filter_map(|want| self.look_up(schema, region, want)).collect();
        }
        let behaviour = self.behaviour(schema);
        let listed = self.objects.iter().filter(|o| o.schema.type_name == schema.type_name && o.region == region);
        let listed = listed.filter_map(|object| object.seen(at).map(|(config, health)| (object, config, health)));
        let found = |object: &Object, config: &Config, health, address: &Address, generation| FoundData {
            address: address.clone(),
            generation,
            args: Some(config.args.clone()),
            outputs: object.outputs.clone(),
            health,
            tags: behaviour.tagged.then(|| config.tags.clone()),
        };
        if behaviour.tagged {
            let owned = listed.filter(|(_, config, _)| config.stack == stack);
            return owned
                .map(|(o, config, health)| found(o, config, health, &config.address, config.generation))
                .collect();
        }
        let listed: Vec<_> = listed.collect();
        let mut all = Vec::new();
        for want in wanted {
            let wanted_key = key(&behaviour, &want.args);
            for (object, config, health) in &listed {
                if wanted_key.is_some() && natural_key(&behaviour, object) == wanted_key {
                    all.push(found(object, config, *health, &want.address, want.generation));
                }
            }
        }
        all
    }

    fn look_up(&self, schema: &Schema, region: &str, want: &WantedData) -> Option<FoundData> {
        let plain = |value: &Value| match value {
            Value::Object(entries) => {
                let given = entries.iter().filter(|(_, value)| !value.is_null());
                Value::Object(given.map(|(k, v)| (k.clone(), v.clone())).collect())
            }
            other => other.clone(),
        };
        let found = self
            .published
            .iter()
            .find(|p| p.type_name == schema.type_name && p.region == region && plain(&p.args) == plain(&want.args))?;
        Some(FoundData {
            address: want.address.clone(),
            generation: want.generation,
            args: Some(want.args.clone()),
            outputs: found.outputs.clone(),
            health: Health::Ready,
            tags: None,
        })
    }

    /// The object that a call is about: by its id, else by its natural key, else by its tags.
    fn locate(
        &self,
        schema: &Schema,
        owner: &Owner,
        prior: &PriorData,
        now: u64,
        operation: Operation,
    ) -> Result<usize, CloudError> {
        let behaviour = self.behaviour(schema);
        let id = prior.outputs.get("id").and_then(Value::as_str);
        let wanted_key = key(&behaviour, &prior.args);
        let is_it = |object: &Object| match (id, &wanted_key) {
            (Some(id), _) => object.id == id,
            (None, Some(_)) => natural_key(&behaviour, object) == wanted_key,
            (None, None) => {
                let config = object.config();
                config.address == owner.address && config.generation == owner.generation
            }
        };
        let mut alike = self.objects.iter().enumerate().filter(|(_, object)| {
            object.schema.type_name == schema.type_name && object.region == owner.region && is_it(object)
        });
        let gone = || {
            let message = format!("{} of {} does not exist", id.unwrap_or("the resource"), owner.address);
            refusal(operation, schema.type_name, "NotFound", message, Class::Gone)
        };
        alike.find(|(_, object)| !object.is_gone(now)).map(|(at, _)| at).ok_or_else(gone)
    }

    /// Everything that the arguments name has to exist, and to be known everywhere.
    fn check_references(
        &self,
        schema: &Schema,
        args: &Value,
        now: u64,
        operation: Operation,
    ) -> Result<(), CloudError> {
        let mut problem = None;
        texts(args, &mut |text| {
            let Some(object) = self.handles.get(text).map(|&at| &self.objects[at]) else { return };
            if object.is_gone(now) {
                let message = format!("{text} does not exist");
                problem.get_or_insert(refusal(operation, schema.type_name, "NotFound", message, Class::Gone));
            } else if now < object.visible {
                let class = if object.id.len() % 2 == 0 { Class::Gone } else { Class::Eventual };
                let message = format!("{text} is not known here yet");
                problem.get_or_insert(refusal(operation, schema.type_name, "NotFoundYet", message, class));
            }
        });
        problem.map_or(Ok(()), Err)
    }

    fn refers(&self, args: &Value, to: usize) -> bool {
        let mut refers = false;
        texts(args, &mut |text| refers |= self.handles.get(text) == Some(&to));
        refers
    }

    /// The objects of a stack that do not work (yet).
    pub(super) fn unready(&self, stack: &str, now: u64) -> Vec<String> {
        let own = self.live(now).filter(|object| object.config().stack == stack);
        own.filter(|object| object.health(now) != Health::Ready).map(|object| object.id.clone()).collect()
    }

    /// Whether one of the copies that a state knows is this object.
    pub(super) fn is_known(&self, object: &Object, state: &State) -> bool {
        let config = object.config();
        if self.behaviour(object.schema).tagged {
            let copy = state.instance(config.address.as_str(), config.generation);
            // Without outputs the answer to its create call is still open.
            return copy.is_some_and(|copy| copy.outputs.as_ref().is_none_or(|outputs| *outputs == object.outputs));
        }
        let behaviour = self.behaviour(object.schema);
        let mut copies =
            state.resources.values().flat_map(|record| record.copies().map(move |copy| (record.home(copy), copy)));
        copies.any(|(home, copy)| {
            home == (object.schema.type_name, object.region.as_str())
                && key(&behaviour, &copy.args) == natural_key(&behaviour, object)
        })
    }

    /// What is in the cloud, in a form that does not depend on ids, generations and times: for comparing two worlds.
    pub(super) fn normalised(&self, now: u64) -> Vec<String> {
        let mut lines: Vec<String> = self
            .live(now)
            .map(|object| {
                let config = object.config();
                let leaving = if object.is_leaving() { " leaving" } else { "" };
                let health = object.health(u64::MAX - 1);
                let broken = if health == Health::Failed { " broken" } else { "" };
                // Without tags nothing at the object says whose it is.
                let address = if self.behaviour(object.schema).tagged { config.address.as_str() } else { "(untagged)" };
                format!(
                    "{address} {} of {} in {} {} {:?}{leaving}{broken}",
                    object.schema.type_name, config.stack, object.region, config.args, config.tags,
                )
            })
            .collect();
        for line in &mut lines {
            for object in &self.objects {
                if line.contains(&object.id) {
                    *line = line.replace(&object.id, &format!("<{}>", object.config().address));
                }
            }
        }
        lines.sort();
        lines
    }
}

fn seconds(seconds: f64) -> u64 {
    // A second or less is what a call takes anyway.
    if seconds > 1.0 { (seconds * 1000.0) as u64 } else { 0 }
}

/// The values of the natural key, when the type has one.
fn key(behaviour: &Behaviour, args: &Value) -> Option<String> {
    (!behaviour.key.is_empty()).then(|| {
        let values = behaviour.key.iter().map(|field| args.get(field).cloned().unwrap_or_default());
        Value::Array(values.collect()).to_string()
    })
}

fn natural_key(behaviour: &Behaviour, object: &Object) -> Option<String> {
    key(behaviour, &object.config().args)
}

/// The arguments as a provider would read them back: secrets as digests.
fn unrevealed(args: &Value) -> Value {
    match args {
        Value::Array(items) => items.iter().map(unrevealed).collect(),
        Value::Object(entries) => {
            let is_secret = entries.contains_key(crate::value::SECRET);
            let kept = entries.iter().filter(|(key, _)| !is_secret || key.as_str() != "value");
            Value::Object(kept.map(|(key, item)| (key.clone(), unrevealed(item))).collect())
        }
        plain => plain.clone(),
    }
}
