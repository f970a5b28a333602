//! The programs of these tests, and what is needed to run them against an emulator.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use dr_aws::apigatewayv2::{ApiRoute, HttpApi, Integration, Stage, VpcLink};
use dr_aws::constructs::{
    Connect as _, Edge, FailoverPair, Network, Notifier, PrivateAlb, SecureApi, Server, ServerRole, Site,
    ValidatedCertificate,
};
use dr_aws::ec2::{Port, SecurityGroup};
use dr_aws::regions::{UsEast1, UsWest2};
use dr_aws::route53::{HealthCheck, HostedZone, RecordSet, RecordType};
use dr_aws::{Aws, Rates, route_key};
use dr_core::driver::{Applied, Cancel, Session, SystemClock};
use dr_core::engine::Limits;
use dr_core::store::WriteStore;
use dr_core::{BuildErrors, ConstructExt as _, Global, IntoInput as _, Stack, cidr, stack};

use crate::wire::Emulator;

/// What may differ between two deploys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Another number of zones has other subnets, and so another VPC link.
    pub(crate) zones: u32,
    /// Another interval is another health check.
    pub(crate) interval_s: u32,
    /// Changes in place.
    pub(crate) threshold: u32,
    /// Changes in place.
    pub(crate) timeout_ms: u16,
    /// Another page is another instance.
    pub(crate) page: &'static str,
}

pub(crate) const FIRST: Settings = Settings { zones: 3, interval_s: 10, threshold: 3, timeout_ms: 29_000, page: "one" };

/// The site of the reference article, as `examples/two_region.rs` has it.
pub(crate) fn site(settings: Settings) -> Stack {
    let Settings { zones, interval_s, threshold, timeout_ms, page } = settings;
    let built: Result<Stack, BuildErrors> = stack!("shop", |east: UsEast1, west: UsWest2, global: Global| {
        let zone = global(HostedZone::new("example.com"));
        let name = "origin.example.com";
        let certificate = ValidatedCertificate::new(name, zone.id).request("certificate", &global, &east);
        let api = SecureApi::new(cidr!("10.0.0.0/16")).zones(zones).timeout_ms(timeout_ms);
        let api = api.server(move |server| server.page(page));
        let primary = east(Site::new(api, name, certificate.arn).probes(interval_s, threshold));
        let api = SecureApi::new(cidr!("10.1.0.0/16")).zones(zones).timeout_ms(timeout_ms);
        let api = api.server(move |server| server.page(page));
        let standby = west(Site::new(api, name, certificate.also_in(&west)).probes(interval_s, threshold));
        let origin = global(FailoverPair::new(name, zone.id, &primary, &standby));
        let _edge = global(Edge::new("mysecureapi.example.com", zone.id, &origin));
        let _notifier = global(Notifier::new(&primary, &standby).email("oncall@example.com"));
    });
    built.expect("the program is right")
}

/// One region with a bit of everything that is made, changed, replaced and deleted, in about 40 calls.
pub(crate) fn small(settings: Settings) -> Stack {
    let built = Stack::build("small", |stack| {
        let (east, global) = (stack.region(UsEast1), stack.region(Global));
        let role = global.add("role", ServerRole::new());
        let network = east.add("network", Network::new(cidr!("10.0.0.0/16")).zones(settings.zones).nat_gateways(0));
        let server = east.add("server", Server::nginx(&network, role.profile).page(settings.page));
        let alb = east.add("alb", PrivateAlb::new(&network).target(&server));
        let gate = east.add("gate", SecurityGroup::new(network.vpc));
        east.add("gate_to_alb", alb.allow_from(&gate, Port::tcp(80)));
        let link = east.add("link", VpcLink::new(network.private.iter().copied(), [gate.id]));
        let api = east.add("api", HttpApi::new());
        let backend = Integration::private(api.id, alb.listener, link.id).timeout_ms(settings.timeout_ms);
        let backend = east.add("backend", backend);
        let proxy = east.add("proxy", ApiRoute::new(api.id, route_key!("ANY /{proxy+}"), backend.id));
        east.add("stage", Stage::default(api.id).after(&proxy));
        let zone = global.add("zone", HostedZone::new("example.com"));
        let check = HealthCheck::https(api.host).interval_s(settings.interval_s).threshold(settings.threshold);
        let check = global.add("check", check);
        let record = RecordSet::new(zone.id, "api.example.com", RecordType::Cname, 60, [api.host.into_input()]);
        global.add("record", record.weighted(1, "east").health_check(check.id));
    });
    built.expect("the program is right")
}

/// A program and the clients of an emulator.
pub(crate) struct Program {
    pub(crate) stack: Stack,
    pub(crate) aws: Arc<Aws>,
    pub(crate) limits: Limits,
}

/// Clients of an emulator with the SDK's HTTP stack.
pub(crate) fn clients(url: &str, rates: Rates) -> Arc<Aws> {
    let credentials = SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "wire test"));
    Arc::new(Aws::builder().credentials(credentials).endpoint_url(url).rates(rates).build())
}

impl Program {
    pub(crate) fn new(emulator: &Emulator, stack: Stack) -> Self {
        Program::at(&emulator.url(), stack, 0.01, Rates::unlimited())
    }

    /// `scale` is the emulator's: waits between calls shrink as its states do.
    pub(crate) fn at(url: &str, stack: Stack, scale: f64, rates: Rates) -> Self {
        let mut limits = Limits::default();
        limits.scale = scale;
        // Patience is scaled too, and a call takes its time whatever the scale is: half a minute of this machine at least.
        let patience = Duration::from_secs_f64(30.0 / scale);
        limits.settle = limits.settle.max(patience);
        limits.eventual = limits.eventual.max(patience);
        limits.dependency = limits.dependency.max(patience);
        Program { stack, aws: clients(url, rates), limits }
    }

    pub(crate) fn session(&self) -> Session<'_> {
        let (registry, clock) = (dr_aws::registry(&self.aws), Arc::new(SystemClock::new()));
        Session { graph: &self.stack, registry, clock, limits: self.limits.clone(), account: None }
    }

    /// Deploys; the result may be a failure.
    pub(crate) async fn try_deploy(&self, store: &dyn WriteStore) -> Applied {
        self.aws.begin_refresh();
        let applied = self.session().deploy(store, |_| true, &Cancel::new(), &mut |_, _, _| {}).await;
        applied.unwrap_or_else(|error| panic!("no plan: {error}"))
    }

    pub(crate) async fn deploy(&self, store: &dyn WriteStore) -> Applied {
        complete(self.try_deploy(store).await)
    }

    pub(crate) async fn try_destroy(&self, store: &dyn WriteStore) -> Applied {
        self.aws.begin_refresh();
        let applied = self.session().destroy(store, |_| true, &Cancel::new(), &mut |_, _, _| {}).await;
        applied.unwrap_or_else(|error| panic!("no plan: {error}"))
    }

    pub(crate) async fn destroy(&self, store: &dyn WriteStore) -> Applied {
        complete(self.try_destroy(store).await)
    }

    /// A second deploy has nothing to do and sees no difference.
    pub(crate) async fn assert_settled(&self, store: &dyn WriteStore, context: &str) {
        let again = self.try_deploy(store).await;
        assert!(matches!(again, Applied::Unchanged(_)), "{context}: {}\n{:#?}", again.plan(), again.plan().drift);
        assert_eq!(again.plan().drift, [], "{context}");
    }
}

/// The failures of a run in a readable form.
pub(crate) fn failures(applied: &Applied) -> Vec<String> {
    let Applied::Ran { report, .. } = applied else { return Vec::new() };
    report.failed.iter().map(|failed| format!("{failed}: {}", failed.source)).collect()
}

fn complete(applied: Applied) -> Applied {
    assert!(applied.is_complete(), "{:#?}\n{}", failures(&applied), applied.plan());
    applied
}

/// The number of steps of a plan by action.
pub(crate) fn actions(applied: &Applied) -> BTreeMap<String, usize> {
    let mut actions = BTreeMap::new();
    for step in &applied.plan().steps {
        *actions.entry(step.action.to_string()).or_default() += 1;
    }
    actions
}
