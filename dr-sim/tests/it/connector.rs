//! Faults and latencies in front of an endpoint: in virtual time before one that only counts, and in real time before the
//! wire-level emulator, where the two-region site has to survive them.
//!
//! The tests of the second kind need Python (`wire/setup`):
//!
//! ```text
//! wire/setup && cargo test -p dr-sim --tests -- --ignored
//! ```

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use dr_aws::{Aws, AwsBuilder, Rates};
use dr_core::driver::{Applied, Cancel, Session, SystemClock};
use dr_core::engine::Limits;
use dr_core::store::{MemoryStore, ReadStore as _, WriteStore};
use dr_core::{Stack, Status};
use dr_sim::{CrashPoint, Crashed, EPOCH_MS, Fault, FaultConnector, SimClock, Target};

use crate::wire::Emulator;

/// An endpoint that answers every call with an empty page of VPCs.
#[derive(Debug, Clone, Default)]
struct Far(Arc<AtomicU64>);

impl HttpClient for Far {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Far {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        self.0.fetch_add(1, Ordering::SeqCst);
        let body = "<DescribeVpcsResponse><vpcSet/></DescribeVpcsResponse>";
        let status = 200.try_into().expect("200 is a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body))))
    }
}

/// Clients in virtual time behind a connector, and how often the endpoint was reached.
struct Virtual {
    clock: SimClock,
    front: FaultConnector,
    aws: Aws,
    far: Far,
}

fn credentials() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "connector test"))
}

fn clients(clock: &SimClock, front: &FaultConnector) -> AwsBuilder {
    Aws::builder()
        .credentials(credentials())
        .http_client(front.http_client())
        .interceptor(front.interceptor())
        .sleep(SharedAsyncSleep::new(clock.clone()))
        .time_source(SharedTimeSource::new(clock.clone()))
        .rates(Rates::unlimited())
}

impl Virtual {
    fn new() -> Self {
        let (clock, far) = (SimClock::default(), Far::default());
        let front = FaultConnector::new(SharedHttpClient::new(far.clone()), 1);
        let aws = clients(&clock, &front).build();
        Virtual { clock, front, aws, far }
    }

    /// Calls once: what comes of it, after how many milliseconds, and how often the endpoint was reached by then.
    fn call(&self) -> (String, u64, u64) {
        let began_ms = self.clock.now_ms();
        let answer = crate::common::block_on(self.clock.drive(self.aws.ec2("eu-west-1").describe_vpcs().send()));
        let outcome = match answer {
            Ok(page) => format!("{} VPCs", page.vpcs().len()),
            Err(SdkError::DispatchFailure(failure)) if failure.is_timeout() => "no connection".into(),
            Err(SdkError::DispatchFailure(failure)) if failure.is_io() => "reset".into(),
            Err(error) => error.code().map_or_else(|| format!("{error:?}"), str::to_owned),
        };
        (outcome, self.clock.now_ms() - began_ms, self.far.0.load(Ordering::SeqCst))
    }
}

#[test]
fn a_request_takes_its_time_there_and_back() {
    let world = Virtual::new();
    assert_eq!(world.call(), ("0 VPCs".into(), 0, 1));
    world.front.set_round_trip(Duration::from_millis(90), Duration::ZERO);
    assert_eq!(world.call(), ("0 VPCs".into(), 90, 2));
    world.front.set_round_trip(Duration::from_millis(90), Duration::from_millis(20));
    let times: Vec<u64> = (0..50).map(|_| world.call().1).collect();
    assert!(times.iter().all(|ms| (90..=110).contains(ms)), "{times:?}");
    assert!(times.iter().min() < times.iter().max());
}

/// Goal: every fault is felt as on the simulated cloud: done or not, the error, and the time it takes.
#[test]
fn each_fault_is_felt_and_does_what_it_says() {
    for (fault, outcome, ms, reached) in [
        (Fault::refuse("UnauthorizedOperation", 403), "UnauthorizedOperation", 100, 0),
        (Fault::Throttle, "RequestLimitExceeded", 100, 0),
        (Fault::Lost, "InternalError", 100, 1),
        (Fault::Reset, "reset", 100, 1),
        // The time-outs of an attempt and of a connection.
        (Fault::Hang, "no connection", 30_000, 1),
        (Fault::Vanish, "no connection", 30_000, 0),
        (Fault::Unreachable, "no connection", 3_100, 0),
    ] {
        let world = Virtual::new();
        world.front.set_round_trip(Duration::from_millis(100), Duration::ZERO);
        world.front.faults().next(Target::operation("EC2", "DescribeVpcs").in_region("eu-west-1"), fault.clone());
        assert_eq!(world.call(), (outcome.into(), ms, reached), "{fault:?}");
        assert_eq!(world.call(), ("0 VPCs".into(), 100, reached + 1), "only one call was to fail");
    }
}

#[test]
fn a_region_is_away_for_a_while() {
    let world = Virtual::new();
    world.front.faults().region_away("eu-west-1", EPOCH_MS, EPOCH_MS + 4_000);
    assert_eq!(world.call(), ("no connection".into(), 3_100, 0));
    assert_eq!(world.call(), ("no connection".into(), 3_100, 0));
    assert_eq!(world.call(), ("0 VPCs".into(), 0, 1));
}

#[test]
fn a_program_dies_before_or_after_a_call() {
    for (point, reached) in [(CrashPoint::Before(2), 1), (CrashPoint::After(2), 2)] {
        let world = Virtual::new();
        world.front.faults().crash_at(point);
        let client = world.aws.ec2("eu-west-1");
        let program = async {
            for _ in 0..3 {
                client.describe_vpcs().send().await.expect("nothing fails");
            }
        };
        let died = crate::common::block_on(world.clock.drive(world.front.run(program)));
        assert_eq!(died, Err(Crashed(point)));
        assert_eq!(world.far.0.load(Ordering::SeqCst), reached);
        assert_eq!(world.call().2, reached + 1, "the next program lives");
    }
}

/// An endpoint that breaks every connection.
#[derive(Debug, Clone)]
struct Broken;

impl HttpClient for Broken {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Broken)
    }
}

impl HttpConnector for Broken {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(Err(ConnectorError::io("the connection was reset".into())))
    }
}

/// Goal: a call is done also when its connection fails, so the point after it is met.
#[test]
fn a_program_dies_after_a_call_whose_connection_failed() {
    let front = FaultConnector::new(SharedHttpClient::new(Broken), 1);
    let world = Virtual { aws: clients(&SimClock::default(), &front).build(), front, ..Virtual::new() };
    world.front.faults().crash_at(CrashPoint::After(1));
    let died = crate::common::block_on(world.front.run(world.aws.ec2("eu-west-1").describe_vpcs().send()));
    assert_eq!(died.err(), Some(Crashed(CrashPoint::After(1))));
}

/// Goal: the time-outs of a client are its connector's work here as well.
#[test]
fn a_client_waits_for_a_connection_and_for_an_answer_as_long_as_it_is_told() {
    for (fault, ms) in [(Fault::Hang, 5_000), (Fault::Vanish, 5_000), (Fault::Unreachable, 1_000)] {
        let world = Virtual::new();
        let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(1));
        let config = aws_sdk_ec2::Config::builder()
            .behavior_version_latest()
            .region(aws_sdk_ec2::config::Region::new("eu-west-1"))
            .credentials_provider(credentials())
            .http_client(world.front.http_client())
            .interceptor(world.front.interceptor())
            .sleep_impl(SharedAsyncSleep::new(world.clock.clone()))
            .time_source(SharedTimeSource::new(world.clock.clone()))
            .timeout_config(timeouts.read_timeout(Duration::from_secs(5)).build())
            .retry_config(RetryConfig::disabled())
            .build();
        world.front.set_round_trip(Duration::from_millis(100), Duration::ZERO);
        world.front.faults().next(Target::any(), fault.clone());
        let client = aws_sdk_ec2::Client::from_conf(config);
        let error = crate::common::block_on(world.clock.drive(client.describe_vpcs().send())).expect_err("no answer");
        assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_timeout()), "{fault:?}: {error:?}");
        assert_eq!(world.clock.now_ms(), EPOCH_MS + ms, "{fault:?}");
    }
}

/// Goal: an error that a fault makes up is one that the deserialiser of each protocol reads.
#[test]
fn a_refusal_speaks_the_protocol_of_its_service() {
    let world = Virtual::new();
    let refusal = Fault::Refuse { code: "TestCode".into(), message: "one & <two>".into(), status: 400 };
    world.front.faults().share(Target::any(), 1.0, refusal);
    let mut read = Vec::new();
    macro_rules! refused {
        ($name:literal, $call:expr) => {{
            let error = crate::common::block_on(world.clock.drive($call.send())).expect_err("it is refused");
            read.push(($name, error.code().map(str::to_owned), error.message().map(str::to_owned)));
        }};
    }
    let aws = &world.aws;
    refused!("ACM", aws.acm("us-east-1").list_certificates());
    refused!("API Gateway", aws.apigatewayv2("us-east-1").get_apis());
    refused!("API Gateway, with a body", aws.apigatewayv2("us-east-1").create_vpc_link().name("a").subnet_ids("b"));
    refused!("CloudFront", aws.cloudfront().list_distributions());
    refused!("CloudWatch", aws.cloudwatch("us-east-1").describe_alarms());
    refused!("EC2", aws.ec2("us-east-1").describe_vpcs());
    refused!("Elastic Load Balancing", aws.elbv2("us-east-1").describe_load_balancers());
    refused!("IAM", aws.iam().list_roles());
    refused!("Route 53", aws.route53().list_hosted_zones());
    refused!("SNS", aws.sns("us-east-1").list_topics());
    refused!("SSM", aws.ssm("us-east-1").get_parameter().name("a"));
    refused!("STS", aws.sts("us-east-1").get_caller_identity());
    for (name, code, message) in read {
        assert_eq!((code.as_deref(), message.as_deref()), (Some("TestCode"), Some("one & <two>")), "{name}");
    }
    assert_eq!(world.far.0.load(Ordering::SeqCst), 0, "nothing was sent");
}

/// Clients without the interceptor are told what they lack, and their requests do not slip past the faults.
#[test]
fn a_client_without_labels_is_refused() {
    let front = FaultConnector::new(SharedHttpClient::new(Far::default()), 1);
    let (clock, aws) =
        (SimClock::default(), Aws::builder().credentials(credentials()).http_client(front.http_client()));
    let aws = aws.sleep(SharedAsyncSleep::new(clock.clone())).time_source(SharedTimeSource::new(clock)).build();
    let error = crate::common::block_on(aws.sts("us-east-1").get_caller_identity().send()).expect_err("it is refused");
    let text = format!("{error:?}");
    assert!(text.contains("FaultConnector::interceptor"), "{text}");
}

/// The scale of the emulator's states in time; waits and patience of the engine are scaled alike.
const SCALE: f64 = 0.01;

/// The two-region site in front of an emulator, through a connector.
struct Wired {
    stack: Stack,
    front: FaultConnector,
    aws: Arc<Aws>,
}

impl Wired {
    fn new(emulator: &Emulator) -> Self {
        let front = FaultConnector::new(dr_aws::https_client(), 7);
        front.set_round_trip(Duration::from_millis(5), Duration::from_millis(5));
        let aws = Aws::builder()
            .credentials(credentials())
            .endpoint_url(emulator.url())
            .http_client(front.http_client())
            .interceptor(front.interceptor())
            .rates(Rates::unlimited())
            .attempt_timeout(Duration::from_secs(2))
            .build();
        Wired { stack: crate::common::shop(), front, aws: Arc::new(aws) }
    }

    fn session(&self) -> Session<'_> {
        let mut limits = Limits::default();
        limits.scale = SCALE;
        let patience = Duration::from_secs_f64(60.0 / SCALE);
        (limits.settle, limits.eventual, limits.dependency) = (patience, patience, patience);
        let (registry, clock) = (dr_aws::registry(&self.aws), Arc::new(SystemClock::new()));
        Session { graph: &self.stack, registry, clock, limits, account: None }
    }

    async fn deploy(&self, store: &dyn WriteStore) -> Result<Applied, Crashed> {
        let (session, cancel, mut ignore) = (self.session(), Cancel::new(), |_: &_, _, _: &_| {});
        self.front.run(session.deploy(store, |_| true, &cancel, &mut ignore)).await.map(|applied| applied.unwrap())
    }

    async fn destroy(&self, store: &dyn WriteStore) -> Result<Applied, Crashed> {
        let (session, cancel, mut ignore) = (self.session(), Cancel::new(), |_: &_, _, _: &_| {});
        self.front.run(session.destroy(store, |_| true, &cancel, &mut ignore)).await.map(|applied| applied.unwrap())
    }

    /// The site is there, once, and the next deploy finds nothing to do.
    async fn assert_settled(&self, store: &MemoryStore) {
        assert!(matches!(self.deploy(store).await, Ok(Applied::Unchanged { .. })));
        let state = store.load().await.unwrap().state;
        let ready = |address: &str| {
            let current = state.resources.get(address).and_then(|record| record.current.as_ref());
            current.is_some_and(|current| current.status == Status::Ready)
        };
        let missing: Vec<_> = self.stack.nodes().filter(|node| !ready(node.address.as_str())).collect();
        assert!(missing.is_empty(), "{missing:?}");
        for (region, vpcs) in [("us-east-1", 1), ("us-west-2", 1)] {
            let filter = aws_sdk_ec2::types::Filter::builder().name("tag-key").values("dr:stack").build();
            let page = self.aws.ec2(region).describe_vpcs().filters(filter).send().await.unwrap();
            assert_eq!(page.vpcs().len(), vpcs, "{region}");
        }
    }
}

/// Runs a test's future on a thread with a large stack: unoptimised, the futures of a deploy need more than two megabytes.
fn on_a_large_stack<F: Future<Output = ()> + 'static>(test: impl FnOnce() -> F + Send + 'static) {
    let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test());
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(run).expect("a thread can be started");
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

#[test]
#[ignore = "needs Python: wire/setup"]
fn the_site_survives_throttling_lost_answers_and_a_region_that_is_away() {
    on_a_large_stack(async || {
        let emulator = Emulator::start(SCALE, 0.0);
        let (site, store) = (Wired::new(&emulator), MemoryStore::new("shop", "connector"));
        let faults = site.front.faults();
        faults.share(Target::any(), 0.1, Fault::Throttle);
        for (service, operation) in [
            ("EC2", "CreateVpc"),
            ("EC2", "RunInstances"),
            ("EC2", "CreateNatGateway"),
            ("Elastic Load Balancing v2", "CreateLoadBalancer"),
            ("ApiGatewayV2", "CreateVpcLink"),
            ("ACM", "RequestCertificate"),
            ("Route 53", "CreateHealthCheck"),
        ] {
            faults.next(Target::operation(service, operation), Fault::Reset);
            faults.nth(Target::operation(service, operation), 2, Fault::Hang);
        }
        faults.next(Target::operation("CloudFront", "CreateDistributionWithTags"), Fault::Hang);
        let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        let now_ms = u64::try_from(now_ms).unwrap();
        faults.region_away("us-west-2", now_ms, now_ms + 3_000);
        let applied = site.deploy(&store).await.expect("no crash point is set");
        assert!(applied.is_complete(), "{applied:#?}");
        assert_eq!(faults.unmet(), 0, "each lost answer was met");
        faults.clear();
        site.assert_settled(&store).await;
        let applied = site.destroy(&store).await.expect("no crash point is set");
        assert!(applied.is_complete(), "{applied:#?}");
    });
}

#[test]
#[ignore = "needs Python: wire/setup"]
fn the_site_is_finished_after_it_was_killed_at_calls_of_the_deploy() {
    on_a_large_stack(async || {
        let emulator = Emulator::start(SCALE, 0.0);
        let store = MemoryStore::new("shop", "killed");
        for point in [CrashPoint::After(60), CrashPoint::Before(90), CrashPoint::After(90), CrashPoint::After(150)] {
            // Another process: clients that remember nothing.
            let site = Wired::new(&emulator);
            site.front.faults().crash_at(point);
            assert_eq!(site.deploy(&store).await.err(), Some(Crashed(point)));
        }
        let site = Wired::new(&emulator);
        let applied = site.deploy(&store).await.expect("no crash point is set");
        assert!(applied.is_complete(), "{applied:#?}");
        site.assert_settled(&store).await;
        let applied = site.destroy(&store).await.expect("no crash point is set");
        assert!(applied.is_complete(), "{applied:#?}");
    });
}
