//! Answers that are lost, refused or late, and a region that is away: the end is the same as without.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use dr_aws::{Aws, Rates};
use dr_core::driver::Applied;
use dr_core::store::{MemoryStore, ReadStore as _};
use serde_json::json;

use crate::wire::{Emulator, is_read};
use crate::wire_site::account::everything;
use crate::wire_site::drift::kinds;
use crate::wire_site::program::{FIRST, Program, failures, site, small};

/// The codes with which a service says "later", with their HTTP status.
/// Sources: "Common errors" of each API reference; "Retry behavior" of the SDK reference guide.
const RETRYABLE: &[(&str, &[(&str, u16)])] = &[
    ("acm", &[("ThrottlingException", 400), ("InternalFailure", 500), ("ServiceUnavailable", 503)]),
    (
        "apigatewayv2",
        &[("TooManyRequestsException", 429), ("InternalServerError", 500), ("ServiceUnavailableException", 503)],
    ),
    ("cloudfront", &[("Throttling", 400), ("InternalError", 500), ("ServiceUnavailable", 503)]),
    ("cloudwatch", &[("ThrottlingException", 400), ("InternalServiceFault", 500), ("RequestLimitExceeded", 503)]),
    ("ec2", &[("RequestLimitExceeded", 503), ("InternalError", 500), ("Unavailable", 503)]),
    ("elbv2", &[("Throttling", 400), ("InternalFailure", 500), ("ServiceUnavailable", 503)]),
    ("iam", &[("Throttling", 400), ("ServiceFailure", 500), ("ConcurrentModification", 409)]),
    ("route53", &[("Throttling", 400), ("PriorRequestNotComplete", 400), ("ServiceUnavailable", 503)]),
    ("sns", &[("ThrottledException", 429), ("InternalError", 500), ("ServiceUnavailable", 503)]),
];

/// What single calls answer while something else has not arrived everywhere, or has not left yet: operation, code, status, and
/// the part of the message by which it is told from a refusal for good.
const NOT_YET: &[(&str, &str, u16, &str)] = &[
    (
        "ec2:RunInstances",
        "InvalidParameterValue",
        400,
        "Value (x) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name",
    ),
    ("ec2:CreateSubnet", "InvalidVpcID.NotFound", 400, "The vpc ID 'vpc-1' does not exist"),
    ("ec2:CreateSecurityGroup", "InvalidVpcID.NotFound", 400, "The vpc ID 'vpc-1' does not exist"),
    ("ec2:CreateRouteTable", "InvalidVpcID.NotFound", 400, "The vpc ID 'vpc-1' does not exist"),
    ("ec2:CreateRoute", "InvalidRouteTableID.NotFound", 400, "The routeTable ID 'rtb-1' does not exist"),
    ("ec2:AssociateRouteTable", "InvalidSubnetID.NotFound", 400, "The subnet ID 'subnet-1' does not exist"),
    (
        "ec2:AttachInternetGateway",
        "InvalidInternetGatewayID.NotFound",
        400,
        "The internetGateway ID 'igw-1' does not exist",
    ),
    ("ec2:AuthorizeSecurityGroupIngress", "InvalidGroup.NotFound", 400, "The security group 'sg-1' does not exist"),
    ("ec2:CreateNatGateway", "InvalidAllocationID.NotFound", 400, "The allocation ID 'eipalloc-1' does not exist"),
    ("elbv2:CreateListener", "TargetGroupNotFound", 400, "One or more target groups not found"),
    (
        "elbv2:RegisterTargets",
        "InvalidTarget",
        400,
        "The following targets are not in a running state and cannot be registered",
    ),
    ("iam:AddRoleToInstanceProfile", "NoSuchEntity", 404, "The role with name x cannot be found."),
    ("iam:AttachRolePolicy", "NoSuchEntity", 404, "The role with name x cannot be found."),
    (
        "cloudfront:CreateDistributionWithTags",
        "InvalidViewerCertificate",
        400,
        "The specified SSL certificate doesn't exist",
    ),
    ("route53:CreateHealthCheck", "ThrottlingException", 400, "Rate exceeded"),
    ("ec2:DeleteSubnet", "DependencyViolation", 400, "The subnet 'subnet-1' has dependencies and cannot be deleted."),
    ("ec2:DeleteSecurityGroup", "DependencyViolation", 400, "resource sg-1 has a dependent object"),
    ("ec2:DeleteVpc", "DependencyViolation", 400, "The vpc 'vpc-1' has dependencies and cannot be deleted."),
    ("ec2:DetachInternetGateway", "DependencyViolation", 400, "Network vpc-1 has some mapped public address(es)."),
    ("ec2:ReleaseAddress", "InvalidIPAddress.InUse", 400, "Address is in use."),
    ("elbv2:DeleteTargetGroup", "ResourceInUse", 400, "Target group is currently in use by a listener or a rule"),
    ("acm:DeleteCertificate", "ResourceInUseException", 400, "Certificate is in use."),
    ("iam:DeleteRole", "DeleteConflict", 409, "Cannot delete entity, must remove roles from instance profile first."),
    (
        "cloudfront:DeleteDistribution",
        "PreconditionFailed",
        412,
        "The request failed because it didn't meet the preconditions",
    ),
    ("route53:DeleteHostedZone", "HostedZoneNotEmpty", 400, "The hosted zone contains resource record sets"),
];

/// The calls of an undisturbed deploy and teardown that change something, and what it makes.
struct Undisturbed {
    deploy: Vec<(String, String)>,
    destroy: Vec<(String, String)>,
    kinds: BTreeMap<String, usize>,
}

async fn undisturbed(emulator: &Emulator, program: &Program) -> Undisturbed {
    let changing = |emulator: &Emulator| {
        let calls = emulator.stats().into_keys().filter(|call| !is_read(call));
        calls
            .map(|call| call.split_once(':').map(|(s, o)| (s.to_owned(), o.to_owned())).expect("service:Operation"))
            .collect()
    };
    let store = MemoryStore::new(program.stack.name(), "undisturbed");
    emulator.clear_log();
    let _ = program.deploy(&store).await;
    let deploy = changing(emulator);
    let kinds = kinds(&everything(&program.aws).await);
    emulator.clear_log();
    let _ = program.destroy(&store).await;
    Undisturbed { deploy, destroy: changing(emulator), kinds }
}

/// One life of the site with the faults that `inject` sets for each changing call.
async fn disturbed(
    emulator: &Emulator,
    program: &Program,
    usual: &Undisturbed,
    lineage: &str,
    inject: impl Fn(&str, &str) -> Option<serde_json::Value>,
) {
    let store = MemoryStore::new(program.stack.name(), lineage);
    let before = everything(&program.aws).await;
    let set = |calls: &[(String, String)]| {
        let faults: Vec<_> = calls.iter().filter_map(|(service, op)| inject(service, op)).collect();
        let count = faults.len();
        faults.into_iter().for_each(|fault| emulator.fault(fault));
        count
    };
    let count = set(&usual.deploy);
    let applied = program.try_deploy(&store).await;
    assert!(applied.is_complete(), "{lineage}: {:#?}", failures(&applied));
    let hits = emulator.clear_faults();
    assert_eq!((hits.len(), hits.iter().sum::<u64>()), (count, count as u64), "{lineage}: every fault was met once");
    program.assert_settled(&store, lineage).await;
    assert_eq!(kinds(&everything(&program.aws).await), usual.kinds, "{lineage}: no orphan and no second object");
    let count = set(&usual.destroy);
    let applied = program.try_destroy(&store).await;
    assert!(applied.is_complete(), "{lineage}: {:#?}", failures(&applied));
    let hits = emulator.clear_faults();
    assert_eq!((hits.len(), hits.iter().sum::<u64>()), (count, count as u64), "{lineage}: every fault was met once");
    assert_eq!(everything(&program.aws).await, before, "{lineage}: nothing is left");
}

/// Goal: a call that was made although its answer was lost is neither repeated nor forgotten.
/// Method: every changing call of the site's life loses its first answer.
#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn every_call_loses_its_answer_once() {
    let emulator = Emulator::start(0.002, 0.0);
    let program = Program::at(&emulator.url(), site(FIRST), 0.002, Rates::unlimited());
    let usual = undisturbed(&emulator, &program).await;
    println!("{} kinds of calls to deploy, {} to destroy", usual.deploy.len(), usual.destroy.len());
    disturbed(&emulator, &program, &usual, "every answer lost", |service, op| Some(lose(service, op))).await;
}

/// The same one at a time: a loss must not hide behind another. In two halves that run side by side.
#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn each_call_alone_loses_its_answer_once() {
    each_alone(0).await;
}

#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn each_other_call_alone_loses_its_answer_once() {
    each_alone(1).await;
}

async fn each_alone(half: usize) {
    let emulator = Emulator::start(0.002, 0.0);
    let program = Program::at(&emulator.url(), site(FIRST), 0.002, Rates::unlimited());
    let usual = undisturbed(&emulator, &program).await;
    let creating: BTreeSet<_> = usual.deploy.iter().filter(|(_, op)| creates(op)).collect();
    assert!(creating.len() > 30, "{creating:?}");
    for (service, op) in creating.into_iter().skip(half).step_by(2) {
        emulator.reset();
        let only = |s: &str, o: &str| (s == service && o == op).then(|| lose(s, o));
        disturbed(&emulator, &program, &usual, &format!("{service}:{op} lost"), only).await;
    }
}

fn lose(service: &str, op: &str) -> serde_json::Value {
    json!({ "service": service, "op": op, "mode": "lost" })
}

/// Whether an operation makes something, by its name.
fn creates(op: &str) -> bool {
    let verbs = [
        "Create",
        "Run",
        "Allocate",
        "Request",
        "Register",
        "Subscribe",
        "Put",
        "Add",
        "Attach",
        "Associate",
        "Authorize",
    ];
    verbs.iter().chain(&["ChangeResourceRecordSets"]).any(|verb| op.starts_with(verb))
}

/// Goal: what a service asks to be tried later is tried later.
/// Method: each changing call is refused once with each retryable code of its service.
#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn each_call_is_refused_once_with_each_retryable_code() {
    let emulator = Emulator::start(0.002, 0.0);
    let program = Program::at(&emulator.url(), site(FIRST), 0.002, Rates::unlimited());
    let usual = undisturbed(&emulator, &program).await;
    let rounds = RETRYABLE.iter().map(|(_, codes)| codes.len()).max().unwrap_or_default();
    for round in 0..rounds {
        let refuse = |service: &str, op: &str| {
            let codes = RETRYABLE.iter().find(|(of, _)| *of == service).map(|(_, codes)| *codes);
            let codes = codes.unwrap_or_else(|| panic!("no codes are known of {service}"));
            let (code, status) = codes[round % codes.len()];
            Some(json!({ "service": service, "op": op, "code": code, "status": status }))
        };
        disturbed(&emulator, &program, &usual, &format!("refused, round {round}"), refuse).await;
        emulator.reset();
    }
}

/// Goal: a reference that is not known everywhere yet, or a user that has not left yet, is waited for.
/// Method: each call that AWS refuses for such a reason is refused once, in one life of the site.
#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn what_has_not_arrived_or_left_yet_is_waited_for() {
    let emulator = Emulator::start(0.002, 0.0);
    let program = Program::at(&emulator.url(), site(FIRST), 0.002, Rates::unlimited());
    let usual = undisturbed(&emulator, &program).await;
    let known = |(service, op): &(String, String)| NOT_YET.iter().any(|(call, ..)| *call == format!("{service}:{op}"));
    let met = usual.deploy.iter().chain(&usual.destroy).filter(|call| known(call)).count();
    assert_eq!(met, NOT_YET.len(), "every call of the table is part of the site's life");
    let refuse = |service: &str, op: &str| {
        let (_, code, status, message) = NOT_YET.iter().find(|(call, ..)| *call == format!("{service}:{op}"))?;
        Some(json!({ "service": service, "op": op, "code": code, "status": status, "message": message }))
    };
    disturbed(&emulator, &program, &usual, "not yet", refuse).await;
}

/// Goal: a call without an answer is not waited for for ever, and not made twice.
/// Method: each changing call is done and answered after the caller has given up.
#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn each_call_hangs_once() {
    let emulator = Emulator::start(0.002, 0.0);
    let mut program = Program::at(&emulator.url(), site(FIRST), 0.002, Rates::unlimited());
    let usual = undisturbed(&emulator, &program).await;
    let credentials = SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "wire test"));
    let aws = Aws::builder().credentials(credentials).endpoint_url(emulator.url()).rates(Rates::unlimited());
    program.aws = Arc::new(aws.attempt_timeout(Duration::from_secs(2)).build());
    let hang = |service: &str, op: &str| Some(json!({ "service": service, "op": op, "mode": "hang", "seconds": 4 }));
    disturbed(&emulator, &program, &usual, "every call hangs once", hang).await;
}

/// Goal: a region that is away holds up nothing but itself.
/// Method: one region refuses everything; the other is deployed; then it is back, and the rest follows.
#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn one_region_is_away_while_the_other_is_deployed() {
    let emulator = Emulator::start(0.002, 0.0);
    let program = Program::at(&emulator.url(), site(FIRST), 0.002, Rates::unlimited());
    let before = everything(&program.aws).await;
    emulator.fault(json!({ "region": "us-west-2", "code": "ServiceUnavailable", "status": 503, "times": 1_000_000 }));
    let store = MemoryStore::new("shop", "lineage");
    let applied = program.try_deploy(&store).await;
    assert!(!applied.is_complete());
    println!("{} failures: {:#?}", failures(&applied).len(), failures(&applied).first());
    let state = store.load().await.expect("a memory is readable").state;
    // Whatever needs nothing of the region is there.
    let needs_west = |address: &str| {
        let mut open = vec![address.to_owned()];
        let mut met = BTreeSet::new();
        while let Some(next) = open.pop() {
            if next.starts_with("us-west-2/") {
                return true;
            }
            if met.insert(next.clone()) {
                open.extend(program.stack.needs(&next).map(|(node, _)| node.address.to_string()));
            }
        }
        false
    };
    let independent: Vec<_> = program.stack.nodes().filter(|node| !needs_west(node.address.as_str())).collect();
    println!("{} of {} resources need nothing of the region", independent.len(), program.stack.len());
    assert!(independent.len() > 70);
    for node in independent.iter().filter(|node| node.schema.kind == dr_core::Kind::Managed) {
        let record = state.resources.get(&node.address).and_then(|record| record.current.as_ref());
        assert_eq!(record.map(|current| current.status), Some(dr_core::Status::Ready), "{}", node.address);
    }
    emulator.clear_faults();
    let rest = program.try_deploy(&store).await;
    assert!(rest.is_complete(), "{:#?}", failures(&rest));
    let Applied::Ran { plan, .. } = &rest else { panic!("the rest was to do") };
    let touched: Vec<_> =
        plan.steps.iter().filter(|step| independent.iter().any(|node| node.address == step.address)).collect();
    assert!(touched.is_empty(), "what was deployed is not touched: {touched:#?}");
    program.assert_settled(&store, "both regions").await;

    // The same on the way down.
    emulator.fault(json!({ "region": "us-west-2", "code": "ServiceUnavailable", "status": 503, "times": 1_000_000 }));
    assert!(!program.try_destroy(&store).await.is_complete());
    emulator.clear_faults();
    let applied = program.try_destroy(&store).await;
    assert!(applied.is_complete(), "{:#?}", failures(&applied));
    assert_eq!(everything(&program.aws).await, before);
}

/// The small program is used by the sweep of crashes; it has to be right by itself.
#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn the_small_program_loses_answers_too() {
    let emulator = Emulator::start(0.002, 0.0);
    let program = Program::at(&emulator.url(), small(FIRST), 0.002, Rates::unlimited());
    let usual = undisturbed(&emulator, &program).await;
    disturbed(&emulator, &program, &usual, "every answer lost", |service, op| Some(lose(service, op))).await;
}
