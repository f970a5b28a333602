//! Real SDK clients on the simulated cloud: virtual time, refusals, faults, crash points, saving and loading.

use std::future::Future;
use std::time::{Duration, Instant};

use aws_sdk_ec2::Client as Ec2;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::operation::RequestId;
use aws_sdk_ec2::types::{Filter, NatGatewayState, ResourceType, Tag, TagSpecification, VpcState};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use dr_sim::{Cloud, CrashPoint, Crashed, EPOCH_MS, Fault, LoadError, Outcome, Target, World};

/// A runtime without timers and without I/O: only virtual time can move anything.
fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn run<F: Future>(cloud: &Cloud, future: F) -> F::Output {
    block_on(cloud.run(future)).unwrap()
}

fn ec2_with(
    cloud: &Cloud,
    region: &str,
    change: impl FnOnce(aws_sdk_ec2::config::Builder) -> aws_sdk_ec2::config::Builder,
) -> Ec2 {
    let config = aws_sdk_ec2::config::Builder::from(&cloud.sdk_config(region)).interceptor(cloud.interceptor());
    Ec2::from_conf(change(config).build())
}

fn ec2(cloud: &Cloud, region: &str) -> Ec2 {
    ec2_with(cloud, region, |config| config)
}

async fn create_vpc(client: &Ec2) -> String {
    let vpc = client.create_vpc().cidr_block("10.0.0.0/16").send().await.unwrap();
    vpc.vpc().unwrap().vpc_id().unwrap().to_owned()
}

async fn vpcs(client: &Ec2) -> Vec<String> {
    let page = client.describe_vpcs().send().await.unwrap();
    page.vpcs().iter().map(|vpc| vpc.vpc_id().unwrap().to_owned()).collect()
}

fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> &str {
    error.code().unwrap_or("no code")
}

/// Subnet, attached internet gateway and address: what a NAT gateway needs.
async fn nat_gateway(client: &Ec2) -> String {
    let vpc = create_vpc(client).await;
    let subnet = client.create_subnet().vpc_id(&vpc).cidr_block("10.0.1.0/24").send().await.unwrap();
    let subnet = subnet.subnet().unwrap().subnet_id().unwrap();
    let gateway = client.create_internet_gateway().send().await.unwrap();
    let gateway = gateway.internet_gateway().unwrap().internet_gateway_id().unwrap();
    client.attach_internet_gateway().internet_gateway_id(gateway).vpc_id(&vpc).send().await.unwrap();
    let address = client.allocate_address().send().await.unwrap();
    let nat = client.create_nat_gateway().subnet_id(subnet).allocation_id(address.allocation_id().unwrap());
    // Without one the SDK makes up a random token, and two runs differ in it.
    let nat = nat.client_token("shop/nat/1").send().await.unwrap();
    nat.nat_gateway().unwrap().nat_gateway_id().unwrap().to_owned()
}

async fn nat_state(client: &Ec2, id: &str) -> NatGatewayState {
    let page = client.describe_nat_gateways().nat_gateway_ids(id).send().await.unwrap();
    page.nat_gateways()[0].state().unwrap().clone()
}

#[test]
fn a_real_client_creates_and_reads_a_vpc() {
    let cloud = Cloud::new(1);
    let client = ec2(&cloud, "us-east-1");
    run(&cloud, async {
        let tags = TagSpecification::builder()
            .resource_type(ResourceType::Vpc)
            .tags(Tag::builder().key("dr:stack").value("shop").build())
            .build();
        let id = client.create_vpc().cidr_block("10.0.0.0/16").tag_specifications(tags).send().await.unwrap();
        let id = id.vpc().unwrap().vpc_id().unwrap().to_owned();
        let filter = |value: &str| Filter::builder().name("tag:dr:stack").values(value).build();
        let found = client.describe_vpcs().filters(filter("sh*")).send().await.unwrap();
        assert_eq!(found.vpcs()[0].vpc_id(), Some(id.as_str()));
        assert_eq!(found.vpcs()[0].state(), Some(&VpcState::Pending));
        assert_eq!(client.describe_vpcs().filters(filter("other")).send().await.unwrap().vpcs().len(), 0);
        assert_eq!(vpcs(&ec2(&cloud, "us-west-2")).await.len(), 0, "regions are apart");
    });
    // Four calls of 80 ms.
    assert_eq!(cloud.clock().now_ms(), EPOCH_MS + 4 * 80);
    assert_eq!(cloud.call_counts()["EC2.DescribeVpcs"], 3);
    let log = cloud.calls();
    assert_eq!((log[0].at_ms, log[0].region.as_str(), &log[0].outcome), (EPOCH_MS + 40, "us-east-1", &Outcome::Done));
    assert_eq!(log[3].region, "us-west-2");
}

#[test]
fn a_nat_gateway_becomes_available_in_virtual_time() {
    let cloud = Cloud::new(1);
    let client = ec2(&cloud, "us-east-1");
    let started = Instant::now();
    run(&cloud, async {
        let nat = nat_gateway(&client).await;
        let mut states = Vec::new();
        loop {
            states.push(nat_state(&client, &nat).await);
            if states.last() == Some(&NatGatewayState::Available) {
                break;
            }
            cloud.clock().sleep(Duration::from_secs(10)).await;
        }
        assert_eq!(states[..11], vec![NatGatewayState::Pending; 11]);
    });
    let virtual_s = (cloud.clock().now_ms() - EPOCH_MS) / 1000;
    assert!((106..120).contains(&virtual_s), "{virtual_s}");
    assert!(started.elapsed() < Duration::from_secs(30), "the wall clock hardly moved");
}

#[test]
fn calls_in_parallel_travel_at_the_same_time() {
    let cloud = Cloud::of(World::new(1).without_quotas());
    let client = ec2(&cloud, "us-east-1");
    run(&cloud, futures_util::future::join_all((0..20).map(|_| create_vpc(&client))));
    assert_eq!(cloud.clock().now_ms(), EPOCH_MS + 80);
}

#[test]
fn a_refusal_has_its_code_message_status_and_request_id() {
    let cloud = Cloud::new(1);
    let client = ec2(&cloud, "us-east-1");
    let error = run(&cloud, client.delete_vpc().vpc_id("vpc-0").send()).unwrap_err();
    assert_eq!(code(&error), "InvalidVpcID.NotFound");
    assert_eq!(error.message(), Some("The vpc ID 'vpc-0' does not exist"));
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 400);
    assert_eq!(error.request_id(), Some("00000000-0000-4000-8000-000000000001"));
    assert_eq!(error.into_service_error().meta().request_id(), Some("00000000-0000-4000-8000-000000000001"));
    assert_eq!(cloud.calls().len(), 1, "a refusal is not retried");
}

#[test]
fn an_operation_that_is_not_simulated_says_so_and_is_not_retried() {
    let cloud = Cloud::new(1);
    let client = ec2(&cloud, "us-east-1");
    let error = run(&cloud, client.describe_volumes().send()).unwrap_err();
    assert_eq!((code(&error), error.message()), ("NotSimulated", Some("not simulated: EC2.DescribeVolumes")));
    assert_eq!(cloud.calls().len(), 1);

    let config = cloud.sdk_config("us-east-1");
    let config = aws_sdk_ssm::config::Builder::from(&config).interceptor(cloud.interceptor()).build();
    let error = run(&cloud, aws_sdk_ssm::Client::from_conf(config).describe_parameters().send()).unwrap_err();
    assert_eq!((code(&error), error.message()), ("NotSimulated", Some("not simulated: SSM.DescribeParameters")));

    let config = cloud.sdk_config("us-east-1");
    let config = aws_sdk_sts::config::Builder::from(&config).interceptor(cloud.interceptor()).build();
    let error = run(&cloud, aws_sdk_sts::Client::from_conf(config).get_session_token().send()).unwrap_err();
    assert_eq!((code(&error), error.message()), ("NotSimulated", Some("not simulated: STS.GetSessionToken")));

    let config = cloud.sdk_config("us-east-1");
    let config = aws_sdk_cloudwatch::config::Builder::from(&config).interceptor(cloud.interceptor()).build();
    let error = run(&cloud, aws_sdk_cloudwatch::Client::from_conf(config).list_dashboards().send()).unwrap_err();
    assert_eq!((code(&error), error.message()), ("NotSimulated", Some("not simulated: CloudWatch.ListDashboards")));

    let config = cloud.sdk_config("us-east-1");
    let config = aws_sdk_route53::config::Builder::from(&config).interceptor(cloud.interceptor()).build();
    let error = run(&cloud, aws_sdk_route53::Client::from_conf(config).list_geo_locations().send()).unwrap_err();
    assert_eq!((code(&error), error.message()), ("NotSimulated", Some("not simulated: Route 53.ListGeoLocations")));

    let config = cloud.sdk_config("us-east-1");
    let config = aws_sdk_apigatewayv2::config::Builder::from(&config).interceptor(cloud.interceptor()).build();
    let error = run(&cloud, aws_sdk_apigatewayv2::Client::from_conf(config).list_portals().send()).unwrap_err();
    assert_eq!((code(&error), error.message()), ("NotSimulated", Some("not simulated: ApiGatewayV2.ListPortals")));
}

#[test]
fn a_parameter_without_behaviour_is_refused_instead_of_ignored() {
    let cloud = Cloud::new(1);
    let client = ec2(&cloud, "us-east-1");
    let call = client.create_vpc().cidr_block("10.0.0.0/16").amazon_provided_ipv6_cidr_block(true);
    assert_eq!(code(&run(&cloud, call.send()).unwrap_err()), "NotSimulated");
}

#[test]
fn a_region_that_is_not_switched_on_knows_nobody() {
    let cloud = Cloud::new(1);
    for region in ["af-south-1", "us-moon-1"] {
        let error = run(&cloud, ec2(&cloud, region).describe_vpcs().send()).unwrap_err();
        assert_eq!((code(&error), error.raw_response().unwrap().status().as_u16()), ("AuthFailure", 401));
    }
}

#[test]
fn the_caller_is_the_account_of_the_world() {
    let cloud = Cloud::new(1);
    let config = cloud.sdk_config("eu-west-1");
    let config = aws_sdk_sts::config::Builder::from(&config).interceptor(cloud.interceptor()).build();
    let identity = run(&cloud, aws_sdk_sts::Client::from_conf(config).get_caller_identity().send()).unwrap();
    assert_eq!(identity.account(), Some("123456789012"));
}

#[test]
fn the_sdk_retries_what_the_nth_call_refused_with_503() {
    let cloud = Cloud::new(1);
    let client = ec2(&cloud, "us-east-1");
    cloud.faults().nth(Target::operation("EC2", "CreateVpc"), 2, Fault::refuse("Unavailable", 503));
    run(&cloud, async {
        create_vpc(&client).await;
        create_vpc(&client).await;
    });
    let outcomes: Vec<Outcome> = cloud.calls().into_iter().map(|call| call.outcome).collect();
    assert_eq!(outcomes, [Outcome::Done, Outcome::Refused("Unavailable".to_owned()), Outcome::Done]);
    // Two calls and a failed one, with one second of backoff that has no random part here.
    assert_eq!(cloud.clock().now_ms(), EPOCH_MS + 3 * 80 + 1000);
}

#[test]
fn a_permanent_refusal_by_a_fault_reaches_the_caller() {
    let cloud = Cloud::new(1);
    let client = ec2(&cloud, "us-east-1");
    cloud.faults().next(Target::service("EC2"), Fault::refuse("UnauthorizedOperation", 403));
    let error = run(&cloud, client.create_vpc().cidr_block("10.0.0.0/16").send()).unwrap_err();
    assert_eq!(code(&error), "UnauthorizedOperation");
    assert_eq!(run(&cloud, vpcs(&client)).len(), 0);
}

#[test]
fn a_lost_answer_makes_the_sdk_create_a_second_vpc() {
    let cloud = Cloud::new(1);
    let client = ec2(&cloud, "us-east-1");
    cloud.faults().next(Target::operation("EC2", "CreateVpc"), Fault::Lost);
    run(&cloud, create_vpc(&client));
    assert_eq!(run(&cloud, vpcs(&client)).len(), 2, "the first one is an orphan");
    assert_eq!(cloud.calls()[0].outcome, Outcome::DoneUnanswered);
}

#[test]
fn a_lost_answer_without_retries_is_an_internal_error_of_something_done() {
    let cloud = Cloud::new(1);
    let client = ec2_with(&cloud, "us-east-1", |config| config.retry_config(RetryConfig::disabled()));
    cloud.faults().next(Target::operation("EC2", "CreateVpc"), Fault::Lost);
    let error = run(&cloud, client.create_vpc().cidr_block("10.0.0.0/16").send()).unwrap_err();
    assert_eq!((code(&error), error.raw_response().unwrap().status().as_u16()), ("InternalError", 500));
    assert_eq!(run(&cloud, vpcs(&client)).len(), 1);
}

#[test]
fn a_client_token_makes_the_retry_of_a_lost_answer_harmless() {
    let cloud = Cloud::new(1);
    let client = ec2(&cloud, "us-east-1");
    cloud.faults().next(Target::operation("EC2", "CreateNatGateway"), Fault::Lost);
    run(&cloud, async {
        let nat = nat_gateway(&client).await;
        let all = client.describe_nat_gateways().send().await.unwrap();
        assert_eq!(all.nat_gateways().len(), 1);
        assert_eq!(all.nat_gateways()[0].nat_gateway_id(), Some(nat.as_str()));
    });
}

#[test]
fn a_hanging_call_ends_with_the_time_out_of_the_client() {
    let cloud = Cloud::new(1);
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(30)).build();
    let client =
        ec2_with(&cloud, "us-east-1", |config| config.timeout_config(timeouts).retry_config(RetryConfig::disabled()));
    cloud.faults().next(Target::operation("EC2", "CreateVpc"), Fault::Hang);
    let error = run(&cloud, client.create_vpc().cidr_block("10.0.0.0/16").send()).unwrap_err();
    assert!(matches!(error, SdkError::TimeoutError(_)), "{error:?}");
    assert_eq!(cloud.clock().now_ms(), EPOCH_MS + 30_000);
    assert_eq!(run(&cloud, vpcs(&client)).len(), 1, "it was done");

    cloud.faults().next(Target::operation("EC2", "CreateVpc"), Fault::Vanish);
    let error = run(&cloud, client.create_vpc().cidr_block("10.1.0.0/16").send()).unwrap_err();
    assert!(matches!(error, SdkError::TimeoutError(_)), "{error:?}");
    assert_eq!(run(&cloud, vpcs(&client)).len(), 1, "it was not done");
}

#[test]
fn a_call_ends_with_the_time_outs_of_its_connection() {
    for (fault, ms) in [(Fault::Hang, 5_000), (Fault::Vanish, 5_000), (Fault::Unreachable, 1_000)] {
        let cloud = Cloud::new(1);
        let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(1));
        let timeouts = timeouts.read_timeout(Duration::from_secs(5)).build();
        let client = ec2_with(&cloud, "us-east-1", |config| {
            config.timeout_config(timeouts).retry_config(RetryConfig::disabled())
        });
        cloud.faults().next(Target::operation("EC2", "CreateVpc"), fault.clone());
        let error = run(&cloud, client.create_vpc().cidr_block("10.0.0.0/16").send()).unwrap_err();
        assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_timeout()), "{fault:?}: {error:?}");
        assert_eq!(cloud.clock().now_ms(), EPOCH_MS + ms, "{fault:?}");
        assert_eq!(run(&cloud, vpcs(&client)).len(), usize::from(fault == Fault::Hang), "{fault:?}");
    }
}

#[test]
fn a_broken_connection_is_a_dispatch_failure_of_something_done() {
    let cloud = Cloud::new(1);
    let client = ec2_with(&cloud, "us-east-1", |config| config.retry_config(RetryConfig::disabled()));
    cloud.faults().next(Target::any(), Fault::Reset);
    let error = run(&cloud, client.create_vpc().cidr_block("10.0.0.0/16").send()).unwrap_err();
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_io()), "{error:?}");
    assert_eq!(run(&cloud, vpcs(&client)).len(), 1);
}

#[test]
fn a_region_that_is_away_does_not_connect_and_comes_back() {
    let cloud = Cloud::new(1);
    let (east, west) = (ec2(&cloud, "us-east-1"), ec2(&cloud, "us-west-2"));
    cloud.faults().region_away("us-east-1", EPOCH_MS, EPOCH_MS + 60_000);
    let error = run(&cloud, east.describe_vpcs().send()).unwrap_err();
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_timeout()), "{error:?}");
    // Three attempts with the connect time-out, one and two seconds between them.
    assert_eq!(cloud.clock().now_ms(), EPOCH_MS + 3 * 3100 + 1000 + 2000);
    assert_eq!(run(&cloud, vpcs(&west)).len(), 0, "the other region answers");
    cloud.clock().advance(Duration::from_secs(60));
    assert_eq!(run(&cloud, vpcs(&east)).len(), 0);
}

#[test]
fn a_throttled_share_is_survived_by_the_retries_of_the_sdk() {
    let cloud = Cloud::of(World::new(3).without_quotas());
    let client = ec2(&cloud, "us-east-1");
    cloud.faults().share(Target::any(), 0.2, Fault::Throttle);
    run(&cloud, async {
        for _ in 0..20 {
            create_vpc(&client).await;
        }
    });
    let throttled = Outcome::Refused("RequestLimitExceeded".to_owned());
    let times = cloud.calls().iter().filter(|call| call.outcome == throttled).count();
    assert_eq!(cloud.calls().len(), 20 + times);
    assert!(times > 0);
}

#[test]
fn a_burst_beyond_the_bucket_is_throttled() {
    let cloud = Cloud::of(World::new(1).without_quotas());
    let client = ec2_with(&cloud, "us-east-1", |config| config.retry_config(RetryConfig::disabled()));
    let calls = (0..60).map(|_| client.create_vpc().cidr_block("10.0.0.0/16").send());
    let answers = run(&cloud, futures_util::future::join_all(calls));
    let refused: Vec<&str> = answers.iter().filter_map(|answer| answer.as_ref().err()).map(code).collect();
    assert_eq!(refused, ["RequestLimitExceeded"; 10]);

    let cloud = Cloud::of(World::new(1).without_quotas().without_rate_limits());
    let client = ec2_with(&cloud, "us-east-1", |config| config.retry_config(RetryConfig::disabled()));
    let calls = (0..60).map(|_| client.create_vpc().cidr_block("10.0.0.0/16").send());
    assert!(run(&cloud, futures_util::future::join_all(calls)).iter().all(Result::is_ok));
}

#[test]
fn new_objects_are_invisible_for_a_while_under_stale_reads() {
    let cloud = Cloud::new(1);
    let client = ec2(&cloud, "us-east-1");
    cloud.set_stale_reads(Duration::from_secs(5));
    run(&cloud, async {
        let id = create_vpc(&client).await;
        assert_eq!(vpcs(&client).await.len(), 0);
        let error = client.describe_vpcs().vpc_ids(&id).send().await.unwrap_err();
        assert_eq!(code(&error), "InvalidVpcID.NotFound");
        cloud.clock().sleep(Duration::from_secs(5)).await;
        assert_eq!(vpcs(&client).await, [id]);
    });
}

#[test]
fn a_crash_before_a_call_leaves_it_undone_and_one_after_it_done() {
    for (point, left) in [(CrashPoint::Before(2), 1), (CrashPoint::After(2), 2), (CrashPoint::Before(1), 0)] {
        let cloud = Cloud::new(1);
        let client = ec2(&cloud, "us-east-1");
        cloud.faults().crash_at(point);
        let crashed = block_on(cloud.run(async {
            for _ in 0..3 {
                create_vpc(&client).await;
            }
        }));
        assert_eq!(crashed, Err(Crashed(point)));
        assert_eq!(cloud.faults().crashed(), Some(point));
        assert_eq!(run(&cloud, vpcs(&client)).len(), left, "{point:?}");
    }
}

#[test]
fn a_crash_point_that_is_not_reached_does_nothing() {
    let cloud = Cloud::new(1);
    let client = ec2(&cloud, "us-east-1");
    cloud.faults().crash_at(CrashPoint::After(9));
    run(&cloud, create_vpc(&client));
    assert_eq!(cloud.faults().crashed(), None);
}

#[test]
fn requests_under_way_arrive_although_their_sender_has_died() {
    let cloud = Cloud::new(1);
    let client = ec2(&cloud, "us-east-1");
    // Two calls start together; the third starts when they are half way there, and the program dies before it is sent.
    cloud.faults().crash_at(CrashPoint::Before(3));
    let crashed = block_on(cloud.run(async {
        let late = async {
            cloud.clock().sleep(Duration::from_millis(20)).await;
            create_vpc(&client).await
        };
        tokio::join!(create_vpc(&client), create_vpc(&client), late)
    }));
    assert_eq!(crashed, Err(Crashed(CrashPoint::Before(3))));
    assert_eq!(cloud.calls().len(), 2);
    assert_eq!(cloud.clock().now_ms(), EPOCH_MS + 40);
    assert_eq!(run(&cloud, vpcs(&client)).len(), 2);
}

#[test]
fn a_cancelled_call_arrives_before_the_next_one() {
    let cloud = Cloud::new(1);
    let client = ec2(&cloud, "us-east-1");
    run(&cloud, async {
        let cancelled = create_vpc(&client);
        let patience = cloud.clock().sleep(Duration::from_millis(10));
        futures_util::future::select(Box::pin(cancelled), Box::pin(patience)).await;
        assert_eq!(vpcs(&client).await.len(), 1);
    });
}

/// A run with everything that is drawn at random: ids, latencies, faults.
fn seeded_run(seed: u64) -> (Vec<dr_sim::CallRecord>, String) {
    let cloud = Cloud::of(World::new(seed).with_jitter());
    let client = ec2(&cloud, "us-east-1");
    cloud.set_round_trip(Duration::from_millis(60), Duration::from_millis(40));
    cloud.faults().share(Target::any(), 0.1, Fault::Throttle);
    cloud.faults().share(Target::operation("EC2", "CreateNatGateway"), 0.5, Fault::Lost);
    run(&cloud, async {
        let (nat, _) = tokio::join!(nat_gateway(&client), vpcs(&client));
        while nat_state(&client, &nat).await == NatGatewayState::Pending {
            cloud.clock().sleep(Duration::from_secs(5)).await;
        }
    });
    (cloud.calls(), cloud.save().unwrap())
}

#[test]
fn the_same_seed_gives_the_same_log_and_the_same_world() {
    for seed in 0..5 {
        assert_eq!(seeded_run(seed), seeded_run(seed), "seed {seed}");
    }
    assert_ne!(seeded_run(1).0, seeded_run(2).0);
}

#[test]
fn a_saved_cloud_goes_on_where_it_stopped() {
    let cloud = Cloud::new(1);
    let nat = run(&cloud, nat_gateway(&ec2(&cloud, "us-east-1")));
    let saved = cloud.save().unwrap();
    let loaded = Cloud::load(&saved).unwrap();
    assert_eq!(loaded.clock().now_ms(), cloud.clock().now_ms());
    assert_eq!(loaded.save().unwrap(), saved);
    let client = ec2(&loaded, "us-east-1");
    assert_eq!(run(&loaded, nat_state(&client, &nat)), NatGatewayState::Pending);
    loaded.clock().advance(Duration::from_secs(106));
    assert_eq!(run(&loaded, nat_state(&client, &nat)), NatGatewayState::Available);
    // The random stream goes on, too: no id comes twice.
    assert_eq!(run(&loaded, create_vpc(&client)), run(&cloud, create_vpc(&ec2(&cloud, "us-east-1"))));
}

#[test]
fn what_cannot_be_loaded_says_why() {
    assert!(matches!(Cloud::load("{"), Err(LoadError::Damaged(_))));
    let error = Cloud::load(r#"{"format": 99, "something": "new"}"#).unwrap_err();
    assert_eq!(error.to_string(), "the saved cloud has format 99, this version reads up to 1");
}

#[test]
fn a_client_without_the_interceptor_is_told_what_is_missing() {
    let cloud = Cloud::new(1);
    let client = Ec2::new(&cloud.sdk_config("us-east-1"));
    let error = run(&cloud, client.describe_vpcs().send()).unwrap_err();
    assert!(format!("{error:?}").contains("give the client `Cloud::interceptor` as well"), "{error:?}");
}

#[test]
fn two_clouds_of_a_process_do_not_share_the_retry_quota() {
    // The SDK has one quota of 500 per service and region and process: 5 for each retry, so 100 retries empty it.
    for seed in 0..4 {
        let cloud = Cloud::of(World::new(seed).without_rate_limits());
        let client = ec2(&cloud, "us-east-1");
        for n in 0..40 {
            cloud.faults().next(Target::any(), Fault::refuse("Unavailable", 503));
            assert!(run(&cloud, client.describe_vpcs().send()).is_ok(), "cloud {seed}, call {n}");
        }
    }
}
