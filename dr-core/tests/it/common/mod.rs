//! Types and programs that the tests share. None of the types has a lifecycle: the simulated world needs only schemas.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part of it")]

pub mod random;

use std::marker::PhantomData;

use dr_core::sim::{Behaviour, World};
use dr_core::{
    Anywhere, Builder, ConstructExt, FixedRegion, Global, Graph, Input, IntoInput, Output, Outputs, Region, Resource,
    Scope, Secret, Stack, id, region,
};
use serde_json::{Value, json};

region!(East = "us-east-1");
region!(West = "us-west-2");
region!(role Primary = "primary");

id!(VpcId, SubnetId, TableId, GatewayId, BalancerId, ServerId, ListenerId, PlotId);
id!(plain ZoneId, ImageId);

#[derive(Resource)]
#[resource(type = "test.net.vpc", outputs = VpcOutputs)]
pub struct Vpc<R: Region = Anywhere> {
    #[input(replace)]
    cidr: String,
    dns: bool,
    of: PhantomData<R>,
}

#[derive(Clone, Outputs)]
pub struct VpcOutputs<R: Region = Anywhere> {
    pub id: VpcId<R>,
}

#[derive(Resource)]
#[resource(type = "test.net.subnet", outputs = SubnetOutputs)]
pub struct Subnet<R: Region = Anywhere> {
    #[input(replace, accepted)]
    vpc: Input<VpcId<R>>,
    #[input(replace)]
    cidr: String,
}

#[derive(Clone, Outputs)]
pub struct SubnetOutputs<R: Region = Anywhere> {
    pub id: SubnetId<R>,
}

/// Slow, and created twice when asked twice.
#[derive(Resource)]
#[resource(type = "test.net.gateway", outputs = GatewayOutputs, create_s = 90, delete_s = 45)]
pub struct Gateway<R: Region = Anywhere> {
    #[input(replace, accepted)]
    subnet: Input<SubnetId<R>>,
}

#[derive(Clone, Outputs)]
pub struct GatewayOutputs<R: Region = Anywhere> {
    pub id: GatewayId<R>,
}

#[derive(Resource)]
#[resource(type = "test.net.table", outputs = TableOutputs)]
pub struct Table<R: Region = Anywhere> {
    #[input(replace, accepted)]
    vpc: Input<VpcId<R>>,
}

#[derive(Clone, Outputs)]
pub struct TableOutputs<R: Region = Anywhere> {
    pub id: TableId<R>,
}

/// Without tags, without outputs: found by its table and destination.
#[derive(Resource)]
#[resource(type = "test.net.route", replacement = "delete-first")]
pub struct Route<R: Region = Anywhere> {
    #[input(replace, accepted)]
    table: Input<TableId<R>>,
    #[input(replace)]
    to: String,
    via: Input<GatewayId<R>>,
}

/// Slow, with a name that only one can have.
#[derive(Resource)]
#[resource(type = "test.lb.balancer", outputs = BalancerOutputs, create_s = 120, delete_s = 20, replacement = "delete-first")]
pub struct Balancer<R: Region = Anywhere> {
    #[input(replace)]
    name: String,
    #[input(replace)]
    internal: bool,
    #[input(accepted)]
    subnets: Vec<Input<SubnetId<R>>>,
    size: u32,
}

#[derive(Clone, Outputs)]
pub struct BalancerOutputs<R: Region = Anywhere> {
    pub id: BalancerId<R>,
    pub endpoint: String,
}

#[derive(Resource)]
#[resource(type = "test.lb.listener", outputs = ListenerOutputs)]
pub struct Listener<R: Region = Anywhere> {
    #[input(replace, accepted)]
    balancer: Input<BalancerId<R>>,
    #[input(replace)]
    port: u32,
    server: Input<ServerId<R>>,
}

#[derive(Clone, Outputs)]
pub struct ListenerOutputs<R: Region = Anywhere> {
    pub id: ListenerId<R>,
}

#[derive(Resource)]
#[resource(type = "test.app.server", outputs = ServerOutputs, create_s = 30, delete_s = 25)]
pub struct Server<R: Region = Anywhere> {
    #[input(replace)]
    subnet: Input<SubnetId<R>>,
    #[input(replace)]
    image: Input<String>,
    size: u32,
    password: Secret<String>,
}

#[derive(Clone, Outputs)]
pub struct ServerOutputs<R: Region = Anywhere> {
    pub id: ServerId<R>,
}

#[derive(Resource)]
#[resource(type = "test.app.image", outputs = ImageOutputs, lookup)]
pub struct Image<R: Region = Anywhere> {
    name: Input<String>,
    of: PhantomData<R>,
}

#[derive(Clone, Outputs)]
pub struct ImageOutputs {
    pub image: String,
}

#[derive(Resource)]
#[resource(type = "test.dns.zone", outputs = ZoneOutputs, region = Global)]
pub struct Zone {
    #[input(replace)]
    name: String,
}

#[derive(Clone, Outputs)]
pub struct ZoneOutputs {
    pub id: ZoneId,
}

/// Without tags: found by zone, name and set.
#[derive(Resource)]
#[resource(type = "test.dns.record", outputs = RecordOutputs, region = Global, replacement = "delete-first", create_s = 15, delete_s = 15)]
pub struct Record {
    #[input(replace)]
    zone: Input<ZoneId>,
    #[input(replace)]
    name: String,
    #[input(replace)]
    set: String,
    target: Input<String>,
    ttl: u32,
}

#[derive(Clone, Outputs)]
pub struct RecordOutputs {
    pub name: String,
}

impl<R: Region> Vpc<R> {
    pub fn new(cidr: &str) -> Self {
        Vpc { cidr: cidr.to_owned(), dns: true, of: PhantomData }
    }

    pub fn dns(mut self, dns: bool) -> Self {
        self.dns = dns;
        self
    }
}

impl<R: Region> Subnet<R> {
    pub fn new(vpc: impl IntoInput<VpcId<R>>, cidr: &str) -> Self {
        Subnet { vpc: vpc.into_input(), cidr: cidr.to_owned() }
    }
}

impl<R: Region> Server<R> {
    pub fn new(subnet: impl IntoInput<SubnetId<R>>, image: impl IntoInput<String>) -> Self {
        let password = Secret::new("server password", "hunter2".to_owned());
        Server { subnet: subnet.into_input(), image: image.into_input(), size: 1, password }
    }

    pub fn size(mut self, size: u32) -> Self {
        self.size = size;
        self
    }

    pub fn password(mut self, password: &str) -> Self {
        self.password = Secret::new("server password", password.to_owned());
        self
    }
}

impl<R: Region> Balancer<R> {
    pub fn new(name: &str, subnet: Output<SubnetId<R>>) -> Self {
        Balancer { name: name.to_owned(), internal: true, subnets: vec![subnet.into_input()], size: 1 }
    }
}

impl<R: Region> Image<R> {
    pub fn named(name: impl IntoInput<String>) -> Self {
        Image { name: name.into_input(), of: PhantomData }
    }
}

impl Zone {
    pub fn new(name: &str) -> Self {
        Zone { name: name.to_owned() }
    }
}

impl Record {
    pub fn new(zone: impl IntoInput<ZoneId>, set: &str, target: impl IntoInput<String>) -> Self {
        let (zone, target) = (zone.into_input(), target.into_input());
        Record { zone, name: "www".to_owned(), set: set.to_owned(), target, ttl: 60 }
    }

    pub fn ttl(mut self, ttl: u32) -> Self {
        self.ttl = ttl;
        self
    }
}

/// A world in which the types above behave as their comments say.
pub fn world(seed: u64) -> World {
    let mut world = World::new(seed)
        .with(Gateway::<East>::SCHEMA, Behaviour::new().without_tokens())
        .with(Route::<East>::SCHEMA, Behaviour::new().natural_key(&["table", "to"]))
        .with(
            Balancer::<East>::SCHEMA,
            Behaviour::new().unique(&["name"]).without_tokens().output("endpoint", endpoint),
        )
        .with(Vpc::<East>::SCHEMA, Behaviour::new().without_tokens())
        .with(Record::SCHEMA, Behaviour::new().natural_key(&["zone", "name", "set"]).output("name", record_name));
    for region in ["us-east-1", "us-west-2", "eu-west-1"] {
        world.publish("test.app.image", region, json!({"name": "linux"}), json!({"image": "linux-1"}));
    }
    world
}

fn endpoint(args: &Value, _: &str) -> Value {
    format!("{}.elb.example.com", args["name"].as_str().unwrap_or_default()).into()
}

fn record_name(args: &Value, _: &str) -> Value {
    format!("{}.example.com", args["name"].as_str().unwrap_or_default()).into()
}

/// A site in two regions, with what can be changed about it.
#[derive(Debug, Clone)]
pub struct Shop {
    pub cidr: &'static str,
    pub size: u32,
    pub balancer: &'static str,
    pub port: u32,
    pub internal: bool,
    pub standby: bool,
    pub ttl: u32,
    pub retain_vpc: bool,
    /// The scope of the network; the program says that it was `net` when it is another.
    pub net: &'static str,
}

impl Default for Shop {
    fn default() -> Self {
        let (cidr, balancer, net) = ("10.0.0.0/16", "shop", "net");
        Shop { cidr, size: 1, balancer, port: 80, internal: true, standby: true, ttl: 60, retain_vpc: false, net }
    }
}

impl Shop {
    /// 19 resources in two regions and globally, and two looked up.
    pub fn stack(&self) -> Stack {
        Stack::build("shop", |stack: &Builder| {
            let global = stack.region(Global);
            let zone = global.add("zone", Zone::new("example.com"));
            let east = self.site(&stack.region(East));
            global.add("first", Record::new(zone.id, "east", east).ttl(self.ttl));
            if self.standby {
                let west = self.site(&stack.region(West));
                global.add("second", Record::new(zone.id, "west", west).ttl(self.ttl));
            }
        })
        .expect("the shop is a valid program")
    }

    fn site<R: FixedRegion>(&self, scope: &Scope<'_, R>) -> Output<String> {
        if self.net != "net" {
            scope.moved("net", self.net);
        }
        let image = scope.add("image", Image::named("linux"));
        let net = scope.scope(self.net);
        let vpc = if self.retain_vpc {
            net.add("vpc", Vpc::new(self.cidr).retain())
        } else {
            net.add("vpc", Vpc::new(self.cidr))
        };
        let subnet = net.add("public", Subnet::new(vpc.id, &self.cidr.replace("/16", "/24")));
        let gateway = net.add("gateway", Gateway { subnet: subnet.id.into_input() });
        let table = net.add("table", Table { vpc: vpc.id.into_input() });
        let via = gateway.id.into_input();
        let route = net.add("route", Route { table: table.id.into_input(), to: "0.0.0.0/0".to_owned(), via });
        let server = Server::new(subnet.id, image.image).size(self.size).after(&route);
        let server = scope.add("server", server);
        let balancer = Balancer { size: self.size, internal: self.internal, ..Balancer::new(self.balancer, subnet.id) };
        let balancer = scope.add("balancer", balancer);
        let (port, server) = (self.port, server.id.into_input());
        scope.add("listener", Listener { balancer: balancer.id.into_input(), port, server });
        balancer.endpoint
    }
}

/// A program with resources in one region.
pub fn east(program: impl FnOnce(&Scope<'_, East>)) -> Stack {
    Stack::build("demo", |stack| program(&stack.region(East))).expect("a valid program")
}

/// A program without resources.
pub fn nothing(name: &str) -> Stack {
    Stack::build(name, |_| {}).expect("a valid program")
}

/// Deploys and says where it stands when that did not work.
#[track_caller]
pub fn deploy(world: &mut World, program: &Graph) {
    let ended = world.deploy(program);
    assert!(ended.is_complete(), "{ended:?}");
}

/// Nothing that must never happen has happened, and nothing is left that nobody knows of.
#[track_caller]
pub fn sound(world: &World, what: &str) {
    let violations = world.violations();
    assert!(violations.is_empty(), "{what}: {violations:#?}");
    let orphans = world.orphans();
    assert!(orphans.is_empty(), "{what}: {orphans:#?}");
}

/// Nothing is left to do.
#[track_caller]
pub fn settled(world: &mut World, program: &Graph, what: &str) {
    let plan = world.plan(program).expect("there is a plan");
    assert!(plan.is_empty() && plan.drift.is_empty(), "{what}: a second plan is not empty:\n{plan}");
}
