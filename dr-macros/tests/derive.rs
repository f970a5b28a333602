//! What the derives write: arguments, references, schema, and what both look like as data.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use dr_core::{
    Anywhere, Cidr, Field, Global, Input, Inputs, IntoInput, Kind, Need, Output, Outputs, Problems, Region,
    Replacement, Resource, Secret, Stack, cidr, region, text,
};
use serde_json::json;

region!(
    /// Where most of it lives.
    East = "us-east-1"
);
dr_core::id!(
    /// Of a VPC.
    VpcId,
    /// Of a subnet.
    SubnetId,
    /// Of a gateway.
    GatewayId
);

/// A range of addresses.
#[derive(Resource)]
#[resource(type = "test.net.subnet", outputs = SubnetOutputs, create_s = 2, delete_s = 0.5, settle_s = 60, replacement = "delete-first")]
#[resource(check = checks::subnet)]
pub struct Subnet<R: Region = Anywhere> {
    /// The VPC it is a part of.
    #[input(replace)]
    vpc: Input<VpcId<R>>,
    #[input(replace)]
    cidr: Cidr,
    #[input(accepted)]
    gateway: Option<Input<GatewayId<R>>>,
    #[input(nested)]
    rules: Vec<Rule<R>>,
    #[input(nested, accepted, replace)]
    by_name: BTreeMap<String, Rule<R>>,
    zones: Input<Vec<String>>,
    peers: Vec<Input<VpcId<R>>>,
    routes: BTreeMap<String, (Input<GatewayId<R>>, u8)>,
    password: Secret<String>,
    r#type: String,
    public: bool,
    _region: PhantomData<fn() -> R>,
}

/// What is known of a subnet.
#[derive(Clone, Debug, PartialEq, Outputs)]
pub struct SubnetOutputs<R: Region = Anywhere> {
    /// Its id.
    pub id: SubnetId<R>,
    /// Addresses that are free.
    pub free_addresses: u32,
    /// Zones, if it has several.
    pub zones: Vec<String>,
}

/// A rule of a subnet.
#[derive(Clone, Debug, Inputs)]
pub struct Rule<R>
where
    R: Region,
{
    port: u16,
    target: Option<Input<GatewayId<R>>>,
    #[input(nested)]
    source: Source<R>,
}

/// Where traffic comes from.
#[derive(Clone, Debug, Inputs)]
pub enum Source<R: Region> {
    /// From anywhere.
    Any,
    /// From a VPC.
    PeerVpc(Input<VpcId<R>>),
    /// From a range.
    Range {
        /// The range.
        from: Cidr,
        /// The way in.
        through: Input<GatewayId<R>>,
    },
}

mod checks {
    use super::*;

    pub(crate) fn subnet<R: Region>(subnet: &Subnet<R>, problems: &mut Problems) {
        if subnet.cidr.prefix() > 28 {
            problems.report("cidr", "too small, AWS allows a /28 at least");
        }
    }
}

fn subnet<R: Region>(vpc: impl IntoInput<VpcId<R>>, cidr: Cidr) -> Subnet<R> {
    Subnet {
        vpc: vpc.into_input(),
        cidr,
        gateway: None,
        rules: Vec::new(),
        by_name: BTreeMap::new(),
        zones: Input::known(vec!["a".to_owned()]),
        peers: Vec::new(),
        routes: BTreeMap::new(),
        password: Secret::new("db", "hunter2".to_owned()),
        r#type: "x".to_owned(),
        public: true,
        _region: PhantomData,
    }
}

#[test]
fn the_schema_is_what_the_attributes_say() {
    let schema = Subnet::<East>::SCHEMA;
    assert_eq!(schema, Subnet::<Anywhere>::SCHEMA);
    assert_eq!((schema.type_name, schema.kind), ("test.net.subnet", Kind::Managed));
    assert_eq!((schema.create_s, schema.delete_s, schema.replacement), (2.0, 0.5, Replacement::DeleteFirst));
    assert_eq!(schema.settle_s, 60.0);
    assert_eq!(schema.outputs, ["id", "free_addresses", "zones"]);
    let field = |name, replace, need| Field { name, replace, holds: false, need };
    assert_eq!(
        schema.fields[..4],
        [
            field("vpc", true, Need::Ready),
            field("cidr", true, Need::Ready),
            field("gateway", false, Need::Accepted),
            field("rules", false, Need::Ready),
        ]
    );
    assert_eq!(schema.field("by_name"), Some(&field("by_name", true, Need::Accepted)));
    let names: Vec<_> = schema.fields.iter().map(|field| field.name).collect();
    assert_eq!(
        names[8..],
        ["password", "type", "public"],
        "raw names lose their prefix, what holds nothing is left out"
    );
}

#[test]
fn args_are_read_from_resolved_inputs_and_write_back_the_same() {
    let stack = Stack::build("shop", |stack| {
        let east = stack.region(East);
        let mut web = subnet(VpcId::literal("vpc-1"), cidr!("10.0.0.0/24"));
        let through = Input::known(GatewayId::literal("gw-1"));
        web.gateway = Some(through.clone());
        web.rules = vec![
            Rule { port: 1, target: None, source: Source::Any },
            Rule {
                port: 2,
                target: Some(through.clone()),
                source: Source::PeerVpc(VpcId::literal("vpc-2").into_input()),
            },
        ];
        let source = Source::Range { from: cidr!("10.0.0.0/8"), through: through.clone() };
        web.by_name.insert("b".to_owned(), Rule { port: 3, target: None, source });
        web.routes.insert("r".to_owned(), (through, 7));
        east.add("web", web);
    })
    .unwrap();
    let inputs = &stack.get("us-east-1/web").unwrap().inputs;
    assert_eq!(
        inputs["rules"],
        json!([
            {"port": 1, "target": null, "source": "any"},
            {"port": 2, "target": "gw-1", "source": {"peer_vpc": "vpc-2"}},
        ])
    );
    assert_eq!(inputs["by_name"]["b"]["source"], json!({"range": {"from": "10.0.0.0/8", "through": "gw-1"}}));

    let args: SubnetArgs = serde_json::from_value(inputs.clone()).unwrap();
    let gateway: GatewayId = GatewayId::literal("gw-1");
    assert_eq!(args.gateway, Some(gateway.clone()));
    assert_eq!(args.rules[0], RuleArgs { port: 1, target: None, source: SourceArgs::Any });
    assert_eq!(args.rules[1].source, SourceArgs::PeerVpc(VpcId::literal("vpc-2")));
    let from = cidr!("10.0.0.0/8");
    assert_eq!(args.by_name["b"].source, SourceArgs::Range { from, through: gateway.clone() });
    assert_eq!(args.routes["r"], (gateway, 7));
    assert_eq!((args.zones.as_slice(), args.r#type.as_str()), (["a".to_owned()].as_slice(), "x"));
    assert_eq!(serde_json::to_value(&args).unwrap(), *inputs);
}

#[test]
fn a_secret_is_masked_in_inputs_and_in_args() {
    let stack = Stack::build("shop", |stack| {
        stack.region(East).add("web", subnet(VpcId::literal("vpc-1"), cidr!("10.0.0.0/24")));
    })
    .unwrap();
    let inputs = &stack.get("us-east-1/web").unwrap().inputs;
    assert_eq!(inputs["password"]["$secret"], "db");
    assert!(!inputs.to_string().contains("hunter2"));
    let args: SubnetArgs = serde_json::from_value(inputs.clone()).unwrap();
    assert_eq!(format!("{:?}", args.password), "(secret db)");
    assert_eq!(args.password.expose(), None, "only the running program has the value");
}

#[test]
fn stored_args_may_lack_what_can_be_empty_and_nothing_else() {
    let stored = json!({
        "vpc": "vpc-1", "cidr": "10.0.0.0/24", "zones": [], "type": "x", "public": false,
        "password": {"$secret": "db", "sha256": ""},
    });
    let args: SubnetArgs = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!((args.gateway, args.rules.len(), args.by_name.len()), (None, 0, 0));
    let mut without = stored;
    without.as_object_mut().unwrap().remove("public");
    let error = serde_json::from_value::<SubnetArgs>(without).unwrap_err();
    assert!(error.to_string().contains("missing field `public`"), "{error}");
}

#[test]
fn the_check_runs_when_the_resource_is_added() {
    let error = Stack::build("shop", |stack| {
        stack.region(East).add("web", subnet(VpcId::literal("vpc-1"), cidr!("10.0.0.0/29")));
    })
    .unwrap_err();
    assert!(error.to_string().contains("us-east-1/web: `cidr`: too small"), "{error}");
}

#[test]
fn outputs_are_data_and_their_references_are_typed() {
    let outputs: SubnetOutputs =
        SubnetOutputs { id: SubnetId::literal("subnet-1"), free_addresses: 251, zones: vec!["a".to_owned()] };
    let value = serde_json::to_value(&outputs).unwrap();
    assert_eq!(value, json!({"id": "subnet-1", "free_addresses": 251, "zones": ["a"]}));
    assert_eq!(serde_json::from_value::<SubnetOutputs>(value).unwrap(), outputs);
    let older = json!({"id": "subnet-1", "free_addresses": 251, "removed_since": true});
    assert_eq!(serde_json::from_value::<SubnetOutputs>(older).unwrap().zones, [""; 0]);
    let error = serde_json::from_value::<SubnetOutputs>(json!([])).unwrap_err().to_string();
    assert!(error.contains("struct SubnetOutputs"), "{error}");

    let stack = Stack::build("shop", |stack| {
        let east = stack.region(East);
        let web = east.add("web", subnet(VpcId::literal("vpc-1"), cidr!("10.0.0.0/24")));
        let refs: SubnetRefs<East> = *web;
        let id: Output<SubnetId<East>> = refs.id;
        assert_eq!(
            format!("{refs:?}"),
            format!("SubnetRefs {{ id: {id:?}, free_addresses: {:?}, zones: {:?} }}", web.free_addresses, web.zones)
        );
    });
    assert!(stack.is_ok());
}

/// Joins two regions and lives in neither.
#[derive(Resource)]
#[resource(type = "test.dns.pair", region = Global, outputs = PairOutputs, lookup)]
struct Pair<P: Region = Anywhere, S: Region = Anywhere> {
    primary: Input<VpcId<P>>,
    standby: Input<VpcId<S>>,
}

#[derive(Clone, Debug, Outputs)]
struct PairOutputs {
    name: String,
}

/// No parameter, no outputs, no inputs.
#[derive(Resource)]
#[resource(type = "test.marker", region = East)]
struct Marker {}

/// What the program promises.
#[derive(Inputs)]
struct ShopOutputs {
    url: Input<String>,
    pair: Output<String>,
    subnets: Vec<Output<SubnetId<East>>>,
}

region!(
    /// Where the standby lives.
    West = "us-west-2"
);

#[test]
fn a_resource_may_join_regions_and_a_program_has_typed_outputs() {
    let stack = Stack::build("shop", |stack| {
        let (east, global) = (stack.region(East), stack.region(Global));
        let marker = east.add("marker", Marker {});
        assert_eq!(*marker, ());
        let web = east.add("web", subnet(VpcId::literal("vpc-1"), cidr!("10.0.0.0/24")));
        let primary = VpcId::<East>::literal("vpc-1").into_input();
        let standby = VpcId::<West>::literal("vpc-2").into_input();
        let pair = global.add("pair", Pair { primary, standby });
        ShopOutputs { url: text!("https://{}/", pair.name).into_input(), pair: pair.name, subnets: vec![web.id] }
    })
    .unwrap();
    assert_eq!(stack.get("global/pair").unwrap().schema.kind, Kind::Lookup);
    let web = json!({"id": "subnet-1"});
    let pair = json!({"name": "example.com"});
    let outputs = stack.outputs(|address| Some(if address == "global/pair" { &pair } else { &web })).unwrap();
    let subnets = vec![SubnetId::literal("subnet-1")];
    let promised = ShopOutputsArgs { url: "https://example.com/".to_owned(), pair: "example.com".to_owned(), subnets };
    assert_eq!(outputs, promised);
}
