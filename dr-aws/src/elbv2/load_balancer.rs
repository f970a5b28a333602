//! `aws.elbv2.load_balancer`: an internal application load balancer.
//!
//! API: CreateLoadBalancer, DescribeLoadBalancers, SetSubnets, SetSecurityGroups, DeleteLoadBalancer
//! (Elastic Load Balancing 2015-12-01). Find: name and tags. Change: everything in place.
//! Delete: before its subnets and groups; its network interfaces outlive it by a minute or so.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::{
    IpAddressType, LoadBalancer as Described, LoadBalancerSchemeEnum, LoadBalancerTypeEnum,
};
use dr_core::{
    Anywhere, Class, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems, Region,
    Resource, Scan, Settled, Wanted,
};

use super::{NAME_LEN_MAX, adopt, found, load_balancers, owners, ownership, sync_tags};
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{LoadBalancerArn, SecurityGroupId, SubnetId};
use crate::read::{Promised as _, as_wanted, wanted_as};
use crate::{Aws, names};

/// An internal application load balancer: HTTP inside of a VPC, spread over zones.
///
/// It stands in two zones at least, one subnet in each, of a `/27` or more with eight free addresses. Its listeners need its ARN
/// only, so they are made while it is still being provisioned.
///
/// - Inputs: the subnets (two or more, one in each zone) and the groups (one or more); all in place.
/// - Ready: when it is `active`, in about 148 seconds; gone when its network interfaces are gone too, about 45 seconds after
///   it.
/// - Calls: CreateLoadBalancer, SetSubnets, SetSecurityGroups, DescribeLoadBalancers, DeleteLoadBalancer, and
///   DescribeNetworkInterfaces of EC2.
/// - AWS: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.elbv2.load_balancer", outputs = LoadBalancerOutputs, create_s = 148, delete_s = 45, check = check
)]
pub struct LoadBalancer<R: Region = Anywhere> {
    /// Where it stands, one subnet in each zone.
    #[input(holds)]
    subnets: Vec<Input<SubnetId<R>>>,
    /// The firewalls around it.
    groups: Vec<Input<SecurityGroupId<R>>>,
}

/// What is known of a load balancer once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct LoadBalancerOutputs<R: Region = Anywhere> {
    /// `arn:aws:elasticloadbalancing:…:loadbalancer/app/…`
    pub arn: LoadBalancerArn<R>,
    /// Its name in DNS; an internal one has private addresses behind it.
    pub dns_name: String,
    /// The hosted zone of that name, for alias records.
    pub zone_id: String,
    /// Its name at AWS, made of stack and address; dimensions of its metrics begin with it.
    pub name: String,
}

impl<R: Region> LoadBalancer<R> {
    /// A load balancer that is reached from inside the VPC only.
    pub fn internal<S: IntoInput<SubnetId<R>>>(subnets: impl IntoIterator<Item = S>) -> Self {
        LoadBalancer { subnets: subnets.into_iter().map(IntoInput::into_input).collect(), groups: Vec::new() }
    }

    /// With one firewall more around it.
    #[must_use]
    pub fn group(mut self, group: impl IntoInput<SecurityGroupId<R>>) -> Self {
        self.groups.push(group.into_input());
        self
    }
}

fn check<R: Region>(balancer: &LoadBalancer<R>, problems: &mut Problems) {
    if balancer.subnets.len() < 2 {
        problems.report("subnets", "a load balancer stands in two zones at least: give it one subnet in each");
    }
    if balancer.groups.is_empty() {
        problems.report("groups", "without a security group it gets the default one of the VPC: add `.group(…)`");
    }
}

const CALL_DESCRIBE: &str = "elasticloadbalancing:DescribeLoadBalancers";
const ASK_AGAIN: Duration = Duration::from_secs(5);

impl Lifecycle for LoadBalancer {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let balancers = load_balancers(scan).await?;
        let arns = balancers.iter().filter_map(|balancer| balancer.load_balancer_arn().map(str::to_owned)).collect();
        let owners = owners(scan, wanted, |outputs: &LoadBalancerOutputs| outputs.arn.as_str(), arns).await?;
        let describe = |balancer: &Described| {
            let whose = owners.get(balancer.load_balancer_arn()?)?;
            let want = wanted_as(wanted, &whose.owned).map(|want| &want.args);
            let subnets = balancer.availability_zones().iter().filter_map(|zone| zone.subnet_id());
            let groups = balancer.security_groups().iter().map(SecurityGroupId::literal);
            let args = LoadBalancerArgs {
                subnets: as_wanted(subnets.map(SubnetId::literal).collect(), want.map(|args| &args.subnets)),
                groups: as_wanted(groups.collect(), want.map(|args| &args.groups)),
            };
            let health = match state(balancer) {
                "provisioning" => Health::Pending,
                "failed" => Health::Failed,
                _ => Health::Ready,
            };
            Some(found(whose, args, outputs(balancer)?, health))
        };
        Ok(balancers.iter().filter_map(describe).collect())
    }

    async fn create(cx: &Cx<Aws>, args: &LoadBalancerArgs) -> Result<LoadBalancerOutputs, CloudError> {
        const CALL: &str = "elasticloadbalancing:CreateLoadBalancer";
        let request = cx.cloud.elbv2(&cx.owner.region).create_load_balancer();
        let request = request
            .name(names::physical(&cx.owner, NAME_LEN_MAX))
            .r#type(LoadBalancerTypeEnum::Application)
            .scheme(LoadBalancerSchemeEnum::Internal)
            .ip_address_type(IpAddressType::Ipv4)
            .set_subnets(Some(args.subnets.iter().map(ToString::to_string).collect()))
            .set_security_groups(Some(args.groups.iter().map(ToString::to_string).collect()))
            .set_tags(Some(ownership(cx)));
        let answer = request.send().await.call(CALL)?;
        answer.load_balancers().first().and_then(outputs).promised(CALL, "the load balancer")
    }

    async fn update(
        cx: &Cx<Aws>,
        prior: &Prior<Self>,
        args: &LoadBalancerArgs,
    ) -> Result<LoadBalancerOutputs, CloudError> {
        let (client, arn) = (cx.cloud.elbv2(&cx.owner.region), prior.outputs.arn.as_str());
        sync_tags(cx, arn).await?;
        if args.subnets != prior.args.subnets {
            let subnets = args.subnets.iter().map(ToString::to_string).collect();
            let request = client.set_subnets().load_balancer_arn(arn).set_subnets(Some(subnets));
            request.send().await.call("elasticloadbalancing:SetSubnets")?;
        }
        if args.groups != prior.args.groups {
            let groups = args.groups.iter().map(ToString::to_string).collect();
            let request = client.set_security_groups().load_balancer_arn(arn).set_security_groups(Some(groups));
            request.send().await.call("elasticloadbalancing:SetSecurityGroups")?;
        }
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let request = cx.cloud.elbv2(&cx.owner.region).delete_load_balancer();
        let request = request.load_balancer_arn(prior.outputs.arn.as_str());
        request.send().await.call("elasticloadbalancing:DeleteLoadBalancer").gone_ok().map(drop)
    }

    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<LoadBalancerOutputs>, CloudError> {
        let Some(balancer) = describe(cx, &current.outputs.arn).await? else {
            return Ok(Settled::AskAgainIn(ASK_AGAIN));
        };
        Ok(match state(&balancer) {
            // An impaired one works, with fewer zones than it should.
            "active" | "active_impaired" => {
                Settled::Yes(outputs(&balancer).promised(CALL_DESCRIBE, "the load balancer")?)
            }
            "failed" => {
                let reason = balancer.state().and_then(|state| state.reason()).unwrap_or("it could not be set up");
                Settled::Failed(CloudError::new(
                    "elasticloadbalancing:CreateLoadBalancer",
                    "failed",
                    reason,
                    Class::Permanent,
                ))
            }
            _ => Settled::AskAgainIn(ASK_AGAIN),
        })
    }

    /// Gone is a load balancer whose network interfaces are gone: they keep its subnets and groups in use.
    async fn gone(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<Settled<()>, CloudError> {
        if describe(cx, &prior.outputs.arn).await?.is_some() {
            return Ok(Settled::AskAgainIn(ASK_AGAIN));
        }
        let Some((_, path)) = prior.outputs.arn.as_str().split_once("loadbalancer/") else {
            return Ok(Settled::Yes(()));
        };
        let filter = aws_sdk_ec2::types::Filter::builder().name("description").values(format!("ELB {path}")).build();
        let request = cx.cloud.ec2(&cx.owner.region).describe_network_interfaces().filters(filter);
        let answer = request.send().await.call("ec2:DescribeNetworkInterfaces")?;
        let gone = answer.network_interfaces().is_empty();
        Ok(if gone { Settled::Yes(()) } else { Settled::AskAgainIn(ASK_AGAIN) })
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        adopt(cx, current.outputs.arn.as_str()).await
    }
}

async fn describe(cx: &Cx<Aws>, arn: &LoadBalancerArn) -> Result<Option<Described>, CloudError> {
    let request = cx.cloud.elbv2(&cx.owner.region).describe_load_balancers().load_balancer_arns(arn.as_str());
    let answer = request.send().await.call(CALL_DESCRIBE).gone_ok()?;
    Ok(answer.and_then(|answer| answer.load_balancers).and_then(|balancers| balancers.into_iter().next()))
}

fn state(balancer: &Described) -> &str {
    balancer.state().and_then(|state| state.code()).map_or("active", |code| code.as_str())
}

fn outputs(balancer: &Described) -> Option<LoadBalancerOutputs> {
    Some(LoadBalancerOutputs {
        arn: LoadBalancerArn::literal(balancer.load_balancer_arn()?),
        dns_name: balancer.dns_name()?.to_owned(),
        zone_id: balancer.canonical_hosted_zone_id().unwrap_or_default().to_owned(),
        name: balancer.load_balancer_name()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::operation::describe_network_interfaces::DescribeNetworkInterfacesOutput;
    use aws_sdk_ec2::types::NetworkInterface;
    use aws_sdk_elasticloadbalancingv2::Client;
    use aws_sdk_elasticloadbalancingv2::operation::describe_load_balancers::DescribeLoadBalancersError;
    use aws_sdk_elasticloadbalancingv2::types::error::LoadBalancerNotFoundException;
    use aws_smithy_mocks::mock;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    #[tokio::test]
    async fn it_is_gone_with_its_last_network_interface() {
        let absent = mock!(aws_sdk_elasticloadbalancingv2::Client::describe_load_balancers).then_error(|| {
            let meta = ErrorMetadata::builder().code("LoadBalancerNotFound").build();
            let error = LoadBalancerNotFoundException::builder().meta(meta).build();
            DescribeLoadBalancersError::LoadBalancerNotFoundException(error)
        });
        let interfaces = |left: usize| {
            mock!(aws_sdk_ec2::Client::describe_network_interfaces)
                .match_requests(|input| input.filters()[0].values() == ["ELB app/shop-alb-01234567/0123"])
                .then_output(move || {
                    let left = vec![NetworkInterface::builder().build(); left];
                    DescribeNetworkInterfacesOutput::builder().set_network_interfaces(Some(left)).build()
                })
        };
        let outputs = LoadBalancerOutputs {
            arn: LoadBalancerArn::literal("arn:aws:elasticloadbalancing:r:1:loadbalancer/app/shop-alb-01234567/0123"),
            dns_name: String::new(),
            zone_id: String::new(),
            name: String::new(),
        };
        let prior = Prior { args: LoadBalancerArgs { subnets: Vec::new(), groups: Vec::new() }, outputs };
        let gone = async |left| LoadBalancer::gone(&cx(&[&absent, &interfaces(left)]), &prior).await.unwrap();
        assert_eq!(gone(2).await, Settled::AskAgainIn(ASK_AGAIN));
        assert_eq!(gone(0).await, Settled::Yes(()));
    }

    fn prior() -> Prior<LoadBalancer> {
        let subnets = ["subnet-1", "subnet-2"].map(SubnetId::literal).to_vec();
        let args = LoadBalancerArgs { subnets, groups: vec![SecurityGroupId::literal("sg-1")] };
        let arn = LoadBalancerArn::literal("arn:aws:elasticloadbalancing:r:1:loadbalancer/app/shop-alb-01234567/0123");
        let (dns_name, zone_id, name) = Default::default();
        Prior { args, outputs: LoadBalancerOutputs { arn, dns_name, zone_id, name } }
    }

    #[tokio::test]
    async fn a_name_that_is_taken_is_looked_at_a_quota_is_final_and_new_neighbours_are_waited_for() {
        for (code, class) in [
            ("DuplicateLoadBalancerName", Class::Exists),
            ("TooManyLoadBalancers", Class::Permanent),
            // No subnet there yet, or one without free addresses.
            ("SubnetNotFound", Class::Eventual),
            ("InvalidSubnet", Class::Permanent),
            ("InvalidSecurityGroup", Class::Eventual),
            ("AvailabilityZoneNotSupported", Class::Permanent),
        ] {
            let refused = refused(mock!(Client::create_load_balancer), code, "");
            let error = LoadBalancer::create(&cx(&[&refused]), &prior().args).await.unwrap_err();
            assert_eq!(error.class, class, "{code}");
            assert_eq!(error.hint.is_some(), code.starts_with("TooMany"), "{code}: {:?}", error.hint);
        }
    }

    #[tokio::test]
    async fn one_that_is_gone_is_deleted_and_a_protected_one_says_so() {
        for (code, expected) in [
            ("LoadBalancerNotFound", Ok(())),
            ("ResourceInUse", Err(Class::Dependency)),
            ("OperationNotPermitted", Err(Class::Permanent)),
            ("PriorRequestNotComplete", Err(Class::Throttled)),
        ] {
            let refused = refused(mock!(Client::delete_load_balancer), code, "");
            let answer = LoadBalancer::delete(&cx(&[&refused]), &prior()).await;
            let protected = answer.as_ref().is_err_and(|error| error.hint.is_some());
            assert_eq!(protected, code == "OperationNotPermitted");
            assert_eq!(outcome(answer), expected, "{code}");
        }
    }

    #[tokio::test]
    async fn one_that_is_not_listed_yet_is_asked_for_again() {
        let unknown = refused(mock!(Client::describe_load_balancers), "LoadBalancerNotFound", "");
        let settled = LoadBalancer::ready(&cx(&[&unknown]), &prior()).await.unwrap();
        assert_eq!(settled, Settled::AskAgainIn(ASK_AGAIN));
    }
}
