//! What is inside of a region, against the wire-level emulator: networks, servers, load balancers and their roles are deployed,
//! found again without a state, changed in place, replaced, mended after drift, and taken away; with lost answers as well.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use dr_aws::constructs::{Connect, Network, PrivateAlb, Server, ServerRole};
use dr_aws::ec2::{AclEntry, Architecture, Direction, Instance, NetworkAcl, Port, SecurityGroup, VpcEndpoint};
use dr_aws::elbv2::{HealthCheck, ListenerRule, TargetGroup};
use dr_aws::iam::{Role, RolePolicy};
use dr_aws::regions::UsEast1;
use dr_aws::{Aws, Depth, Rates};
use dr_core::driver::{Applied, Cancel, Session, SystemClock};
use dr_core::engine::Limits;
use dr_core::store::MemoryStore;
use dr_core::{Builder, Global, Stack, cidr};
use serde_json::json;

use crate::wire::Emulator;

/// What may differ between two deploys of the program.
#[derive(Debug, Clone, Copy)]
struct Settings {
    /// Everything that changes in place.
    in_place: bool,
    /// The page of the server, which is another server.
    page: &'static str,
    /// The tag of everything.
    team: Option<&'static str>,
}

const FIRST: Settings = Settings { in_place: false, page: "one", team: None };

fn program(stack: &Builder, settings: Settings) {
    let (mut east, mut global) = (stack.region(UsEast1), stack.region(Global));
    if let Some(team) = settings.team {
        (east, global) = (east.tag("team", team), global.tag("team", team));
    }
    let changed = settings.in_place;

    let role = global.add("server-role", ServerRole::new());
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": if changed { "s3:GetObject" } else { "s3:ListBucket" }, "Resource": "*" }],
    });
    global.add("inline", RolePolicy::new(role.role, "extra", document.to_string()));
    global.add("other", Role::for_service("ec2.amazonaws.com").description(if changed { "b" } else { "a" }));

    let network = east.add("network", Network::new(cidr!("10.0.0.0/16")).zones(3));
    let server = Server::nginx(&network, role.profile).page(settings.page);
    let server = east.add("server", server.instance_type("t3.micro", Architecture::X86_64));
    let health = HealthCheck::path("/health").every_s(if changed { 15 } else { 10 }, 5);
    let delay_s = if changed { 20 } else { 5 };
    let alb = PrivateAlb::new(&network).target(&server).health(health).deregistration_delay_s(delay_s);
    let alb = east.add("alb", alb.port(if changed { 8080 } else { 80 }));
    let port = Port::tcp(if changed { 8080 } else { 80 });
    east.add("office", alb.allow_from_range(cidr!("10.0.0.0/8"), port));

    let other = east.add("other-targets", TargetGroup::new(network.vpc, 8081));
    let rule = ListenerRule::new(alb.listener, if changed { 20 } else { 10 }, other.arn);
    east.add("rule", rule.path(if changed { "/b/*" } else { "/a/*" }).path("/c/*"));

    let group = east.add("endpoint-group", SecurityGroup::new(network.vpc).description("interfaces of endpoints"));
    let second = east.add("second-group", SecurityGroup::new(network.vpc).keep_default_egress());
    east.add("server-to-endpoint", group.allow_from(&server, Port::tcp(443)));
    let subnets = network.private[..if changed { 1 } else { 2 }].to_vec();
    let endpoint = VpcEndpoint::interface(network.vpc, "ssm", subnets).group(group.id);
    east.add("endpoint", if changed { endpoint.group(second.id) } else { endpoint });

    let everything = cidr!("0.0.0.0/0");
    let acl = NetworkAcl::new(network.vpc)
        .entry(AclEntry::allow(100, Direction::Egress, Port::all(), everything))
        .entry(AclEntry::allow(100, Direction::Ingress, Port::all(), everything))
        .subnet(network.private[if changed { 2 } else { 1 }]);
    let blocked = AclEntry::deny(90, Direction::Ingress, Port::tcp_range(22, 23), everything);
    east.add("acl", if changed { acl.entry(blocked) } else { acl });

    let image = dr_aws::ids::ImageId::literal("ami-12c6146b");
    let extra = Instance::new(image, "t3.micro", network.private[2]).group(second.id);
    east.add("extra", if changed { extra.group(group.id).profile(role.profile) } else { extra });
}

/// How much faster than AWS the emulator is; the engine waits that much less.
const SCALE: f64 = 0.005;

struct Site {
    stack: Stack,
    aws: Arc<Aws>,
}

impl Site {
    fn new(emulator: &Emulator, settings: Settings) -> Self {
        let stack = Stack::build("shop", |stack| program(stack, settings)).expect("the program is right");
        let credentials = SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "wire test"));
        let aws = Aws::builder().credentials(credentials).endpoint_url(emulator.url()).rates(Rates::unlimited());
        Site { stack, aws: Arc::new(aws.build()) }
    }

    fn session(&self) -> Session<'_> {
        let mut limits = Limits::default();
        limits.scale = SCALE;
        let clock = Arc::new(SystemClock::new());
        Session { graph: &self.stack, registry: dr_aws::registry(&self.aws), clock, limits, account: None }
    }

    async fn deploy(&self, store: &MemoryStore) -> Applied {
        self.aws.begin_refresh();
        let applied = self.session().deploy(store, |_| true, &Cancel::new(), &mut |_, _, _| {}).await;
        complete(applied.expect("a plan"))
    }

    async fn destroy(&self, store: &MemoryStore) {
        let destroyed = self.session().destroy(store, |_| true, &Cancel::new(), &mut |_, _, _| {}).await;
        let Applied::Ran { state, .. } = complete(destroyed.expect("a plan")) else {
            panic!("there was nothing to destroy")
        };
        let session = self.session();
        let residue = session.residue(&state).await;
        assert_eq!(residue.failed, BTreeMap::new());
        assert!(session.unknown(&residue, &state).is_empty(), "{:#?}", residue.found);
    }
}

fn complete(applied: Applied) -> Applied {
    if let Applied::Ran { report, .. } = &applied {
        assert!(applied.is_complete(), "{report:#?}");
    }
    applied
}

fn assert_unchanged(applied: &Applied) {
    assert!(matches!(applied, Applied::Unchanged(_)), "{}\n{:#?}", applied.plan(), applied.plan().drift);
    assert_eq!(applied.plan().drift, []);
}

/// Steps of a plan by action.
fn actions(applied: &Applied) -> BTreeMap<String, usize> {
    let mut actions = BTreeMap::new();
    for step in &applied.plan().steps {
        *actions.entry(step.action.to_string()).or_default() += 1;
    }
    actions
}

#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn a_region_is_deployed_found_again_changed_and_taken_away() {
    let emulator = Emulator::start(SCALE, 0.0);
    let store = MemoryStore::new("shop", "lineage-one");
    let _ = Site::new(&emulator, FIRST).deploy(&store).await;

    // Nothing has drifted, whether everything is read or only what a plan needs.
    let again = Site::new(&emulator, FIRST);
    assert_unchanged(&again.deploy(&store).await);
    let full = again.aws.calls();
    let lean = Site::new(&emulator, FIRST);
    lean.aws.set_depth(Depth::Lean);
    assert_unchanged(&lean.deploy(&store).await);
    let lean = lean.aws.calls();
    // One call for a type or less: nothing is read once for each object.
    let total = |calls: &BTreeMap<String, u64>| calls.values().sum::<u64>();
    assert!(total(&full) <= 33 && total(&lean) <= 18, "{full:?} {lean:?}");

    // The state is a cache.
    let lost = MemoryStore::new("shop", "lineage-two");
    let found = again.deploy(&lost).await;
    assert!(matches!(found, Applied::Unchanged(_)), "{}", found.plan());

    // What changes in place changes in place, and is what is read afterwards.
    let changed = Site::new(&emulator, Settings { in_place: true, ..FIRST });
    let applied = changed.deploy(&lost).await;
    assert_eq!(actions(&applied).keys().collect::<Vec<_>>(), ["update"], "{}", applied.plan());
    assert_unchanged(&changed.deploy(&lost).await);
    // And back: what was added is taken away.
    let back = Site::new(&emulator, FIRST);
    let applied = back.deploy(&lost).await;
    assert_eq!(actions(&applied).keys().collect::<Vec<_>>(), ["update"], "{}", applied.plan());
    assert_unchanged(&back.deploy(&lost).await);

    // Tags come, change and go.
    for team in [Some("shop"), Some("web"), None] {
        let tagged = Site::new(&emulator, Settings { team, ..FIRST });
        let applied = tagged.deploy(&lost).await;
        assert_eq!(actions(&applied).keys().collect::<Vec<_>>(), ["update"], "{}", applied.plan());
        assert_unchanged(&tagged.deploy(&lost).await);
    }

    // Another page is another server, and its registration follows.
    let replaced = Site::new(&emulator, Settings { page: "two", ..FIRST });
    let applied = replaced.deploy(&lost).await;
    assert_eq!(actions(&applied), [("create".to_owned(), 2), ("delete".to_owned(), 2)].into(), "{}", applied.plan());
    assert_unchanged(&replaced.deploy(&lost).await);

    replaced.destroy(&lost).await;
}

/// The operations that changed something since the log was cleared.
fn changes(emulator: &Emulator) -> BTreeSet<(String, String)> {
    let calls = emulator.log().into_iter().map(|call| (call.service, call.op));
    calls.filter(|(_, op)| !["Describe", "Get", "List"].iter().any(|verb| op.starts_with(verb))).collect()
}

/// The next answer of each operation is lost; the call itself is done.
fn lose(emulator: &Emulator, operations: &BTreeSet<(String, String)>) {
    for (service, op) in operations {
        emulator.fault(json!({ "service": service, "op": op, "mode": "lost" }));
    }
    emulator.clear_log();
}

fn assert_lost(emulator: &Emulator, operations: &BTreeSet<(String, String)>) {
    let log = emulator.log().into_iter().filter(|call| call.status == 500);
    let lost: Vec<_> = log.map(|call| (call.service, call.op)).collect();
    assert_eq!(lost.len(), operations.len(), "each once");
    assert_eq!(&lost.into_iter().collect::<BTreeSet<_>>(), operations);
}

/// Goal: whatever answers are lost, deploy and teardown end where they end without a loss, and nothing is there twice.
/// Method: the first answer of every changing operation is lost, although the call was done. Afterwards a refresh finds nothing
/// to do, and a teardown with losses of its own leaves nothing, as it would if there were a second object.
#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn lost_answers_leave_neither_a_second_object_nor_a_gap() {
    let emulator = Emulator::start(SCALE, 0.0);
    let (site, store) = (Site::new(&emulator, FIRST), MemoryStore::new("shop", "lineage"));
    let _ = site.deploy(&store).await;
    let deploying = changes(&emulator);
    emulator.clear_log();
    site.destroy(&store).await;
    let destroying = changes(&emulator);
    assert!(deploying.len() > 25 && destroying.len() > 15, "{deploying:?} {destroying:?}");

    emulator.reset();
    let (site, store) = (Site::new(&emulator, FIRST), MemoryStore::new("shop", "lineage"));
    lose(&emulator, &deploying);
    let _ = site.deploy(&store).await;
    assert_lost(&emulator, &deploying);
    let again = site.deploy(&store).await;
    assert!(matches!(again, Applied::Unchanged(_)), "{}", again.plan());
    lose(&emulator, &destroying);
    site.destroy(&store).await;
    assert_lost(&emulator, &destroying);
}
