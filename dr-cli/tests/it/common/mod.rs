//! A shop in two regions of a cloud in a file: what the tests of the commands deploy.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dr_cli::{Answer, Cloud, Detail, Program};
use dr_core::driver::{Cancel, Clock, SystemClock};
use dr_core::{
    Address, Anywhere, BoxFuture, BuildErrors, Class, CloudError, ConstructExt as _, Cx, Finding, Found, Global, Graph,
    Health, Input, Inputs, IntoInput, Lifecycle, Outputs, Prior, Region, Registry, Resource, Scan, Settled, Severity,
    Stack, Wanted, id, region, text,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

region!(
    /// Where most of it lives.
    East = "east-1"
);
region!(
    /// Where the copy lives.
    West = "west-1"
);
id!(
    /// Of a thing.
    ThingId
);

/// A thing in a region.
#[derive(Debug, Clone, Resource)]
#[resource(type = "toy.store.thing", outputs = ThingOutputs, create_s = 20)]
pub struct Thing<R: Region = Anywhere> {
    /// Changes in place.
    size: u32,
    /// Another colour is another thing.
    #[input(replace)]
    color: String,
    /// What it stands on.
    on: Option<Input<ThingId<R>>>,
    of: PhantomData<fn() -> R>,
}

/// What is known of a thing.
#[derive(Debug, Clone, Outputs)]
pub struct ThingOutputs<R: Region = Anywhere> {
    /// Its id.
    pub id: ThingId<R>,
    /// Where it answers.
    pub url: String,
}

impl<R: Region> Thing<R> {
    fn new(size: u32, color: &str) -> Self {
        Thing { size, color: color.to_owned(), on: None, of: PhantomData }
    }

    fn on(mut self, other: impl IntoInput<ThingId<R>>) -> Self {
        self.on = Some(other.into_input());
        self
    }
}

/// A sign that points to things of both regions.
#[derive(Debug, Clone, Resource)]
#[resource(type = "toy.store.sign", outputs = SignOutputs, region = Global, create_s = 2)]
pub struct Sign {
    text: Input<String>,
}

/// What is known of a sign.
#[derive(Debug, Clone, Outputs)]
pub struct SignOutputs {
    /// Where it answers.
    pub url: String,
}

/// What the program promises.
#[derive(Inputs)]
pub struct Promised {
    url: Input<String>,
    things: Input<String>,
}

/// How the program is at the moment.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// The size of the things that can change.
    pub size: u32,
    /// The colour of the base in the east, if it is not red.
    pub color: Option<&'static str>,
    /// How many shelves there are in each region.
    pub shelves: u32,
    /// The base cannot be taken away.
    pub protect: bool,
    /// A name that is not valid.
    pub invalid: bool,
    /// A rule finds this much.
    pub finding: Option<Severity>,
    /// The stack has another name.
    pub name: Option<&'static str>,
    /// A part of the cloud that does not work: an address that is refused, or `read`.
    pub broken: Option<&'static str>,
    /// Things in the west wait for this file.
    pub gate: Option<PathBuf>,
    /// The first create presses this.
    pub cancel: Option<Cancel>,
    /// The cloud cannot be opened.
    pub locked_out: bool,
    /// The account, if it is not the usual one.
    pub account: Option<&'static str>,
    /// A refresh that reads everything counts as a call.
    pub tells_detail: bool,
    /// Rights that the credentials lack.
    pub lacks: &'static [&'static str],
}

impl Shape {
    /// Two shelves in each region.
    pub fn new() -> Self {
        Shape { size: 1, shelves: 2, ..Shape::default() }
    }

    fn stack(&self) -> Result<Stack<Promised>, BuildErrors> {
        let shape = self.clone();
        Stack::build(self.name.unwrap_or("shop"), move |stack| {
            let (east, west, global) = (stack.region(East), stack.region(West), stack.region(Global));
            if let Some(severity) = shape.finding {
                let at: Address = "east-1/main.base".parse().expect("an address");
                let finding = Finding::new(severity, "toy-too-small", &at, "the base is small").fix("make it larger");
                stack.rule(move |_| vec![finding.clone()]);
            }
            let main = east.scope("main");
            let base = Thing::new(1, shape.color.unwrap_or("red"));
            let base = if shape.protect { main.add("base", base.protect()) } else { main.add("base", base) };
            for shelf in 0..shape.shelves {
                main.add(("shelf", shelf), Thing::new(shape.size, "blue").on(base.id));
            }
            if shape.invalid {
                main.add("not valid", Thing::new(1, "red"));
            }
            let copy = west.scope("copy");
            let other = copy.add("base", Thing::new(1, "red"));
            for shelf in 0..shape.shelves {
                copy.add(("shelf", shelf), Thing::new(shape.size, "blue").on(other.id));
            }
            let sign = global.add("sign", Sign { text: text!("{} or {}", base.url, other.url).into_input() });
            Promised { url: sign.url.into_input(), things: text!("{} {}", base.id, other.id).into_input() }
        })
    }

    /// The program as a command.
    pub fn program(&self) -> Program {
        let (shape, cloud) = (self.clone(), self.clone());
        let program = Program::new(move || shape.stack()).about("A shop in two regions");
        let program = match &self.cancel {
            Some(cancel) => program.cancel(cancel.clone()),
            None => program,
        };
        program.cloud("toy", move |dir| {
            if cloud.locked_out {
                let error = CloudError::new("toy:Open", "NoCredentials", "nobody said who we are", Class::Denied);
                return Err(error.hint("set TOY_KEY").request_id(Some("r-1")));
            }
            Ok(Arc::new(Toy::open(dir, &cloud)) as Arc<dyn Cloud>)
        })
    }

    /// Runs a command: exit code, output, error output.
    pub fn run(&self, dir: &Path, args: &[&str]) -> Ran {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let state = dir.display().to_string();
        let args = args.iter().map(|arg| (*arg).to_owned()).chain([
            "--state".to_owned(),
            state,
            "--wait-scale".to_owned(),
            "0.01".to_owned(),
        ]);
        let code = self.program().run_with(args, &mut out, &mut err);
        let text = |bytes: Vec<u8>| scrubbed(&String::from_utf8(bytes).expect("UTF-8"), dir);
        Ran { code, out: text(out), err: text(err) }
    }
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    /// The exit code.
    pub code: u8,
    /// The output.
    pub out: String,
    /// The error output.
    pub err: String,
}

impl Ran {
    /// All that was written, with the exit code.
    pub fn text(&self) -> String {
        let err = if self.err.is_empty() { String::new() } else { format!("--- err\n{}", self.err) };
        format!("{}{err}--- exit {}", self.out, self.code)
    }

    /// The events, if every line is one.
    pub fn events(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect("every line is JSON")).collect()
    }

    /// The last event, without the seconds of this machine.
    pub fn done(&self) -> Value {
        let mut done = self.events().pop().expect("there is a last event");
        assert_eq!(done["event"], "done");
        let wall = done.as_object_mut().expect("an object").remove("wall_s");
        assert!(wall.is_some_and(|wall| wall.is_number()));
        done.as_object_mut().expect("an object").remove("elapsed_s");
        done
    }
}

/// Takes out what differs from run to run: directories, seconds, lines of this file.
fn scrubbed(text: &str, dir: &Path) -> String {
    let text = text.replace(&dir.display().to_string(), "DIR");
    let mut out = String::new();
    for line in text.lines() {
        let mut line = line.to_owned();
        for (before, after) in
            [(" in ", " s"), ("(", " s)"), ("process ", ","), ("for ", " s)"), ("tests/it/common/mod.rs:", " ")]
        {
            line = without_number(&line, before, after);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn without_number(line: &str, before: &str, after: &str) -> String {
    for (at, _) in line.match_indices(before) {
        let rest = &line[at + before.len()..];
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':').unwrap_or(rest.len());
        let tail = &rest[end..];
        if end > 0 && (tail.starts_with(after) || (after == " " && tail.is_empty())) {
            return format!("{}{before}N{tail}", &line[..at]);
        }
    }
    line.to_owned()
}

/// One thing of the toy cloud.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Item {
    kind: String,
    region: String,
    stack: String,
    address: Address,
    generation: u32,
    args: Value,
    /// Somebody changed or broke it.
    health: Health,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct World {
    items: BTreeMap<String, Item>,
    next: u32,
}

/// A cloud in a file of the state directory.
pub struct Toy {
    world: Arc<Shared>,
    path: PathBuf,
}

/// What the types share.
pub struct Shared {
    world: Mutex<World>,
    calls: Mutex<BTreeMap<String, u64>>,
    shape: Shape,
}

/// This test binary itself, which runs only the ignored test that plays a program.
pub fn started_again(program: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", program, "--nocapture", "--test-threads", "1"]);
    command
}

/// The file of the toy cloud.
pub fn world_path(dir: &Path) -> PathBuf {
    dir.join("toy.json")
}

/// Changes the toy cloud behind the program's back.
pub fn meddle(dir: &Path, change: impl Fn(&mut BTreeMap<String, Value>)) {
    let text = std::fs::read_to_string(world_path(dir)).expect("the cloud was saved");
    let mut world: Value = serde_json::from_str(&text).expect("JSON");
    let mut items = serde_json::from_value(world["items"].take()).expect("items");
    change(&mut items);
    world["items"] = json!(items);
    std::fs::write(world_path(dir), world.to_string()).expect("the cloud can be written");
}

impl Toy {
    fn open(dir: &Path, shape: &Shape) -> Self {
        let path = world_path(dir);
        let world = match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).expect("a saved world"),
            Err(_) => World::default(),
        };
        let shared = Shared { world: Mutex::new(world), calls: Mutex::default(), shape: shape.clone() };
        Toy { world: Arc::new(shared), path }
    }
}

impl Cloud for Toy {
    fn registry(&self) -> Registry {
        Registry::new().with::<Thing>(&self.world).with::<Sign>(&self.world)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock::new())
    }

    fn identify(&self) -> BoxFuture<'_, Result<Option<String>, CloudError>> {
        let account = self.world.shape.account.unwrap_or("42");
        Box::pin(async move { Ok(Some(account.to_owned())) })
    }

    fn missing_rights<'a>(&'a self, _: &'a Graph) -> BoxFuture<'a, Result<Option<Vec<String>>, CloudError>> {
        let lacks = self.world.shape.lacks;
        Box::pin(async move { Ok(Some(lacks.iter().map(ToString::to_string).collect())) })
    }

    fn refresh_begins(&self, detail: Detail) {
        if self.world.shape.tells_detail && detail == Detail::Full {
            self.world.count("ReadFull");
        }
    }

    fn calls(&self) -> BTreeMap<String, u64> {
        self.world.calls.lock().expect("no panic").clone()
    }

    fn request<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Answer, CloudError>> {
        let known = self.world.world.lock().expect("no panic").items.keys().any(|id| url.contains(id.as_str()));
        let took = Duration::from_millis(7);
        let answer = match known {
            true => Answer::status(200, took).hops(["name".to_owned(), "server".to_owned()]).region("east-1"),
            false => Answer::failure("server: nobody there", took).hops(["name".to_owned()]),
        };
        Box::pin(async { Ok(answer) })
    }

    fn save(&self) -> Result<(), CloudError> {
        let text = serde_json::to_string(&*self.world.world.lock().expect("no panic")).expect("JSON");
        // The process may be killed at any byte of it.
        let next = self.path.with_extension("next");
        std::fs::write(&next, text)
            .and_then(|()| std::fs::rename(&next, &self.path))
            .map_err(|error| CloudError::new("toy:Save", "Io", error.to_string(), Class::Permanent))
    }
}

impl Shared {
    fn count(&self, operation: &str) {
        *self.calls.lock().expect("no panic").entry(format!("store:{operation}")).or_default() += 1;
    }

    fn read(&self, kind: &str, scan: &Scan<Shared>) -> Result<Vec<(String, Item)>, CloudError> {
        self.count("List");
        if self.shape.broken == Some("read") && kind == "sign" {
            return Err(CloudError::new("store:List", "AccessDenied", "you may not look", Class::Denied));
        }
        let world = self.world.lock().expect("no panic");
        let ours = world
            .items
            .iter()
            .filter(|(_, item)| item.kind == kind && item.region == scan.region && item.stack == scan.stack);
        Ok(ours.map(|(id, item)| (id.clone(), item.clone())).collect())
    }

    fn create(&self, kind: &str, cx: &Cx<Shared>, args: Value) -> Result<String, CloudError> {
        self.count("Create");
        if let Some(cancel) = &self.shape.cancel {
            cancel.cancel();
        }
        if self.shape.broken == Some(cx.owner.address.as_str()) {
            let error = CloudError::new("store:Create", "OutOfStock", "there is none left", Class::Permanent);
            return Err(error.request_id(Some("r-7")).hint("order some"));
        }
        let mut world = self.world.lock().expect("no panic");
        world.next += 1;
        let id = format!("{kind}-{}", world.next);
        let owner = &cx.owner;
        let item = Item {
            kind: kind.to_owned(),
            region: owner.region.clone(),
            stack: owner.stack.clone(),
            address: owner.address.clone(),
            generation: owner.generation,
            args,
            health: Health::Ready,
        };
        world.items.insert(id.clone(), item);
        Ok(id)
    }

    fn update(&self, id: &str, args: Value) {
        self.count("Update");
        if let Some(item) = self.world.lock().expect("no panic").items.get_mut(id) {
            item.args = args;
        }
    }

    fn delete(&self, id: &str) {
        self.count("Delete");
        self.world.lock().expect("no panic").items.remove(id);
    }
}

fn thing(id: &str) -> ThingOutputs {
    ThingOutputs { id: ThingId::literal(id), url: format!("https://{id}.example.com/") }
}

impl Lifecycle for Thing {
    type Cloud = Shared;

    async fn read(scan: &Scan<Shared>, _: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let found = scan.cloud.read("thing", scan)?.into_iter().map(|(id, item)| Found {
            address: item.address,
            generation: item.generation,
            args: serde_json::from_value(item.args).ok(),
            outputs: thing(&id),
            health: item.health,
            tags: None,
        });
        Ok(found.collect())
    }

    async fn create(cx: &Cx<Shared>, args: &ThingArgs) -> Result<ThingOutputs, CloudError> {
        Ok(thing(&cx.cloud.create("thing", cx, json!(args))?))
    }

    async fn update(cx: &Cx<Shared>, prior: &Prior<Self>, args: &ThingArgs) -> Result<ThingOutputs, CloudError> {
        cx.cloud.update(prior.outputs.id.as_str(), json!(args));
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Shared>, prior: &Prior<Self>) -> Result<(), CloudError> {
        cx.cloud.delete(prior.outputs.id.as_str());
        Ok(())
    }

    async fn ready(cx: &Cx<Shared>, current: &Prior<Self>) -> Result<Settled<ThingOutputs>, CloudError> {
        match &cx.cloud.shape.gate {
            Some(gate) if cx.owner.region == "west-1" && !gate.exists() => {
                Ok(Settled::AskAgainIn(Duration::from_millis(20)))
            }
            _ => Ok(Settled::Yes(current.outputs.clone())),
        }
    }

    async fn adopt(cx: &Cx<Shared>, current: &Prior<Self>) -> Result<(), CloudError> {
        cx.cloud.count("Tag");
        let mut world = cx.cloud.world.lock().expect("no panic");
        if let Some(item) = world.items.get_mut(current.outputs.id.as_str()) {
            item.address = cx.owner.address.clone();
        }
        Ok(())
    }
}

impl Lifecycle for Sign {
    type Cloud = Shared;

    async fn read(scan: &Scan<Shared>, _: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let found = scan.cloud.read("sign", scan)?.into_iter().map(|(id, item)| Found {
            address: item.address,
            generation: item.generation,
            args: serde_json::from_value(item.args).ok(),
            outputs: SignOutputs { url: format!("https://{id}.example.com/") },
            health: item.health,
            tags: None,
        });
        Ok(found.collect())
    }

    async fn create(cx: &Cx<Shared>, args: &SignArgs) -> Result<SignOutputs, CloudError> {
        let id = cx.cloud.create("sign", cx, json!(args))?;
        Ok(SignOutputs { url: format!("https://{id}.example.com/") })
    }

    async fn update(cx: &Cx<Shared>, prior: &Prior<Self>, args: &SignArgs) -> Result<SignOutputs, CloudError> {
        let id = prior.outputs.url.trim_start_matches("https://").split('.').next().unwrap_or_default();
        cx.cloud.update(id, json!(args));
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Shared>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let id = prior.outputs.url.trim_start_matches("https://").split('.').next().unwrap_or_default();
        cx.cloud.delete(id);
        Ok(())
    }
}

/// An output whose reader goes after the first bytes.
#[derive(Debug, Default)]
pub struct Closing(pub usize);

impl Write for Closing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += 1;
        if self.0 > 1 { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
