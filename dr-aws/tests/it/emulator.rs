//! The wire-level emulator itself: it starts, answers the SDK over plain HTTP, counts, fails on demand, and goes away.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ec2::error::ProvideErrorMetadata as _;
use aws_smithy_http_client::{Builder, tls};
use serde_json::json;

use crate::wire::Emulator;

/// An EC2 client for the emulator.
///
/// The HTTP client is the one for AWS: with a TLS provider set it serves `https://` and `http://` addresses alike.
/// (`Builder::build_http` would do for the emulator only, and is hidden in the crate's documentation.)
fn ec2(emulator: &Emulator) -> Client {
    let http = Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https();
    let config = aws_sdk_ec2::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "wire test"))
        .endpoint_url(emulator.url())
        .http_client(http)
        .build();
    Client::from_conf(config)
}

#[tokio::test(flavor = "current_thread")]
#[ignore = "needs Python: run with --run-ignored"]
async fn the_sdk_reaches_it_over_plain_http_and_its_calls_are_counted() {
    let emulator = Emulator::start(0.0, 0.0);
    let client = ec2(&emulator);
    assert!(emulator.stats().is_empty(), "nothing was called yet");

    let created = client.create_vpc().cidr_block("10.0.0.0/16").send().await.expect("a VPC");
    let id = created.vpc().and_then(|vpc| vpc.vpc_id()).expect("an id").to_owned();
    let described = client.describe_vpcs().vpc_ids(&id).send().await.expect("the VPC");
    assert_eq!(described.vpcs()[0].cidr_block(), Some("10.0.0.0/16"));

    assert_eq!(emulator.stats(), [("ec2:CreateVpc".to_owned(), 1), ("ec2:DescribeVpcs".to_owned(), 1)].into());
    let log = emulator.log();
    let seen: Vec<_> = log.iter().map(|call| (&*call.op, &*call.region, call.status)).collect();
    assert_eq!(seen, [("CreateVpc", "us-east-1", 200), ("DescribeVpcs", "us-east-1", 200)]);
    assert!(log[0].t0 <= log[0].t1);

    emulator.reset();
    assert!(emulator.stats().is_empty());
    let gone = client.describe_vpcs().vpc_ids(&id).send().await.expect_err("a reset forgets every object");
    assert_eq!(gone.code(), Some("InvalidVpcID.NotFound"));
}

#[tokio::test(flavor = "current_thread")]
#[ignore = "needs Python: run with --run-ignored"]
async fn an_injected_error_is_what_the_caller_sees_and_a_lost_answer_is_a_created_object() {
    let emulator = Emulator::start(0.0, 0.0);
    let client = ec2(&emulator);
    let vpcs = async || client.describe_vpcs().send().await.expect("VPCs").vpcs().len();
    let before = vpcs().await;

    // 403 is not retried by the SDK, so the first answer is the result.
    emulator.fault(json!({ "service": "ec2", "op": "CreateVpc", "code": "UnauthorizedOperation", "status": 403 }));
    let refused = client.create_vpc().cidr_block("10.0.0.0/16").send().await.expect_err("the injected fault");
    assert_eq!(refused.code(), Some("UnauthorizedOperation"));
    assert_eq!(refused.message(), Some("injected fault"));
    assert_eq!(vpcs().await, before, "refused before anything happened");

    // Done, answered with a 500, retried by the SDK: two VPCs where one was asked for. An engine must look before it repeats.
    emulator.fault(json!({ "service": "ec2", "op": "CreateVpc", "mode": "lost" }));
    client.create_vpc().cidr_block("10.0.0.0/16").send().await.expect("the retry succeeds");
    assert_eq!(vpcs().await, before + 2);
    assert_eq!(emulator.stats()["ec2:CreateVpc"], 3);
}

#[test]
#[ignore = "needs Python: run with --run-ignored"]
fn it_is_gone_after_the_drop() {
    let emulator = Emulator::start(0.0, 0.0);
    let address = emulator.url().trim_start_matches("http://").to_owned();
    drop(emulator);
    std::net::TcpStream::connect(address).expect_err("nobody listens any more");
}
