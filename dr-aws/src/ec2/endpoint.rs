//! `aws.ec2.vpc_endpoint`: an AWS service at a private address inside a VPC.
//!
//! API: CreateVpcEndpoint, DescribeVpcEndpoints, ModifyVpcEndpoint, DeleteVpcEndpoints (EC2 2016-11-15). Find: tags.
//! Change: `vpc` and `service` replace, the rest in place. Delete: asynchronous; before its subnets and groups.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_ec2::types::{ResourceType, VpcEndpoint as Described, VpcEndpointType};
use dr_core::{
    Anywhere, Class, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems, Region,
    Resource, Scan, Settled, Wanted,
};

use super::{adopt, owned, owned_by, specification, sync_tags};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _, classify};
use crate::ids::{SecurityGroupId, SubnetId, VpcEndpointId, VpcId};
use crate::read::{Promised as _, as_wanted, found, wanted_as};

/// An AWS service at a private address inside a VPC (an interface endpoint), so that it is reached without a way to the
/// Internet: Session Manager needs `ssm` and `ssmmessages`.
///
/// With private DNS, the VPC has one endpoint for a service at most, so a replacement deletes first; the VPC needs both of its
/// DNS attributes. Its groups have to let port 443 in.
///
/// - Inputs: the VPC and the service, which replace, the old one first; the subnets (one or more, one in each zone), the
///   groups (one or more) and private DNS (on by default), in place.
/// - Ready: when it is `available`, in about 90 seconds; gone when `deleted`, in about 60.
/// - Calls: CreateVpcEndpoint (four at once and one more in 3 seconds), ModifyVpcEndpoint, DescribeVpcEndpoints,
///   DeleteVpcEndpoints.
/// - AWS: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.ec2.vpc_endpoint", outputs = VpcEndpointOutputs, create_s = 90, delete_s = 60, replacement = "delete-first",
    check = check
)]
pub struct VpcEndpoint<R: Region = Anywhere> {
    /// The network that it is a part of.
    #[input(replace)]
    vpc: Input<VpcId<R>>,
    /// The service, `ssm` or `ecr.dkr`: what follows `com.amazonaws.<region>.`
    #[input(replace)]
    service: String,
    /// Where its interfaces stand, one subnet in each zone.
    #[input(holds)]
    subnets: Vec<Input<SubnetId<R>>>,
    /// The firewalls around it.
    groups: Vec<Input<SecurityGroupId<R>>>,
    /// Whether the service's own name leads to it inside the VPC. Default: yes.
    private_dns: bool,
}

/// What is known of an endpoint once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct VpcEndpointOutputs<R: Region = Anywhere> {
    /// `vpce-…`
    pub id: VpcEndpointId<R>,
}

impl<R: Region> VpcEndpoint<R> {
    /// The service in these subnets.
    pub fn interface<S: IntoInput<SubnetId<R>>>(
        vpc: impl IntoInput<VpcId<R>>,
        service: impl Into<String>,
        subnets: impl IntoIterator<Item = S>,
    ) -> Self {
        VpcEndpoint {
            vpc: vpc.into_input(),
            service: service.into(),
            subnets: subnets.into_iter().map(IntoInput::into_input).collect(),
            groups: Vec::new(),
            private_dns: true,
        }
    }

    /// With one firewall more around it.
    #[must_use]
    pub fn group(mut self, group: impl IntoInput<SecurityGroupId<R>>) -> Self {
        self.groups.push(group.into_input());
        self
    }

    /// The service's own name leads to its public addresses.
    #[must_use]
    pub fn without_private_dns(mut self) -> Self {
        self.private_dns = false;
        self
    }
}

fn check<R: Region>(endpoint: &VpcEndpoint<R>, problems: &mut Problems) {
    if endpoint.subnets.is_empty() {
        problems.report("subnets", "an interface endpoint stands in one subnet at least");
    }
    // AWS puts its default group where there is none, and refuses to take the last one away.
    if endpoint.groups.is_empty() {
        problems.report("groups", "an interface endpoint needs a security group: add `.group(…)`");
    }
    if endpoint.service.starts_with("com.") {
        problems.report("service", "give what follows the region only, `ssm`: the region comes with the scope");
    }
}

const CALL_DESCRIBE: &str = "ec2:DescribeVpcEndpoints";
const ASK_AGAIN: Duration = Duration::from_secs(4);

/// What the names of AWS's services begin with in a region.
fn service_prefix(region: &str) -> String {
    format!("com.amazonaws.{region}.")
}

/// The service behind its whole name; `ecr.dkr` has a dot.
fn service(region: &str, name: &str) -> String {
    name.strip_prefix(&service_prefix(region)).unwrap_or(name).to_owned()
}

/// The states are modelled with capitals and come without.
fn state(endpoint: &Described) -> String {
    endpoint.state().map_or_else(|| "available".to_owned(), |state| state.as_str().to_ascii_lowercase())
}

async fn describe(cx: &Cx<Aws>, id: &VpcEndpointId) -> Result<Option<Described>, CloudError> {
    let request = cx.cloud.ec2(&cx.owner.region).describe_vpc_endpoints().vpc_endpoint_ids(id.as_str());
    let answer = request.send().await.call(CALL_DESCRIBE).gone_ok()?;
    Ok(answer.and_then(|answer| answer.vpc_endpoints).and_then(|endpoints| endpoints.into_iter().next()))
}

impl Lifecycle for VpcEndpoint {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let client = scan.cloud.ec2(&scan.region);
        let items = client.describe_vpc_endpoints().filters(owned_by(&scan.stack)).into_paginator().items().send();
        let items = items.collect::<Result<Vec<_>, _>>().await.call(CALL_DESCRIBE)?;
        let describe = |endpoint: &Described| {
            let owned = owned(&scan.stack, endpoint.tags())?;
            let health = match state(endpoint).as_str() {
                "deleted" => return None,
                "deleting" => Health::Leaving,
                "pending" | "pendingacceptance" | "partial" => Health::Pending,
                "rejected" | "failed" | "expired" => Health::Failed,
                _ => Health::Ready,
            };
            let want = wanted_as(wanted, &owned);
            let subnets = endpoint.subnet_ids().iter().map(SubnetId::literal).collect();
            let groups = endpoint.groups().iter().filter_map(|group| group.group_id()).map(SecurityGroupId::literal);
            let args = VpcEndpointArgs {
                vpc: VpcId::literal(endpoint.vpc_id()?),
                service: service(&scan.region, endpoint.service_name()?),
                subnets: as_wanted(subnets, want.map(|want| &want.args.subnets)),
                groups: as_wanted(groups.collect(), want.map(|want| &want.args.groups)),
                private_dns: endpoint.private_dns_enabled().unwrap_or_default(),
            };
            let outputs = VpcEndpointOutputs { id: VpcEndpointId::literal(endpoint.vpc_endpoint_id()?) };
            Some(found(owned, args, outputs, health))
        };
        Ok(items.iter().filter_map(describe).collect())
    }

    async fn create(cx: &Cx<Aws>, args: &VpcEndpointArgs) -> Result<VpcEndpointOutputs, CloudError> {
        const CALL: &str = "ec2:CreateVpcEndpoint";
        let request = cx.cloud.ec2(&cx.owner.region).create_vpc_endpoint().client_token(&cx.owner.token);
        let request = request
            .vpc_endpoint_type(VpcEndpointType::Interface)
            .vpc_id(args.vpc.as_str())
            .service_name(format!("{}{}", service_prefix(&cx.owner.region), args.service))
            .set_subnet_ids(Some(texts(&args.subnets)))
            .set_security_group_ids(Some(texts(&args.groups)))
            .private_dns_enabled(args.private_dns)
            .tag_specifications(specification(&cx.owner, ResourceType::VpcEndpoint));
        let endpoint = request.send().await.call(CALL)?.vpc_endpoint;
        let id = endpoint.and_then(|endpoint| endpoint.vpc_endpoint_id).promised(CALL, "the endpoint")?;
        Ok(VpcEndpointOutputs { id: VpcEndpointId::literal(id) })
    }

    async fn update(
        cx: &Cx<Aws>,
        prior: &Prior<Self>,
        args: &VpcEndpointArgs,
    ) -> Result<VpcEndpointOutputs, CloudError> {
        let id = prior.outputs.id.as_str();
        sync_tags(cx, id).await?;
        if *args != prior.args {
            let (add_subnets, remove_subnets) = difference(&prior.args.subnets, &args.subnets);
            let (add_groups, remove_groups) = difference(&prior.args.groups, &args.groups);
            let request = cx.cloud.ec2(&cx.owner.region).modify_vpc_endpoint().vpc_endpoint_id(id);
            let request = request
                .set_add_subnet_ids(add_subnets)
                .set_remove_subnet_ids(remove_subnets)
                .set_add_security_group_ids(add_groups)
                .set_remove_security_group_ids(remove_groups)
                .private_dns_enabled(args.private_dns);
            request.send().await.call("ec2:ModifyVpcEndpoint")?;
        }
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        const CALL: &str = "ec2:DeleteVpcEndpoints";
        let request = cx.cloud.ec2(&cx.owner.region).delete_vpc_endpoints().vpc_endpoint_ids(prior.outputs.id.as_str());
        let answer = request.send().await.call(CALL).gone_ok()?;
        // What could not be deleted is listed in an answer that is otherwise a success.
        let refused = answer.and_then(|answer| answer.unsuccessful?.into_iter().next()).and_then(|item| item.error);
        let Some(error) = refused else { return Ok(()) };
        let (code, message) = (error.code.unwrap_or_default(), error.message.unwrap_or_default());
        let class = classify(CALL, &code, &message, 400);
        Err(CloudError::new(CALL, code, message, class)).gone_ok().map(drop::<Option<()>>)
    }

    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<VpcEndpointOutputs>, CloudError> {
        let Some(endpoint) = describe(cx, &current.outputs.id).await? else {
            return Ok(Settled::AskAgainIn(ASK_AGAIN));
        };
        Ok(match state(&endpoint).as_str() {
            "available" => Settled::Yes(current.outputs.clone()),
            state @ ("rejected" | "failed" | "expired" | "deleting" | "deleted") => {
                let error = endpoint.last_error();
                let code = error.and_then(|error| error.code()).unwrap_or(state);
                let message =
                    error.and_then(|error| error.message()).unwrap_or("the endpoint does not become available");
                Settled::Failed(CloudError::new("ec2:CreateVpcEndpoint", code, message, Class::Permanent))
            }
            _ => Settled::AskAgainIn(ASK_AGAIN),
        })
    }

    async fn gone(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<Settled<()>, CloudError> {
        let endpoint = describe(cx, &prior.outputs.id).await?;
        let gone = endpoint.is_none_or(|endpoint| state(&endpoint) == "deleted");
        Ok(if gone { Settled::Yes(()) } else { Settled::AskAgainIn(ASK_AGAIN) })
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        adopt(cx, current.outputs.id.as_str()).await
    }
}

fn texts<T: ToString>(ids: &[T]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// What is to be added and what to be taken away; `None` for nothing.
fn difference<T: ToString + Ord>(old: &[T], new: &[T]) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = (old.iter().collect(), new.iter().collect());
    let list = |ids: Vec<&&T>| (!ids.is_empty()).then(|| ids.into_iter().map(|id| (**id).to_string()).collect());
    (list(new.difference(&old).collect()), list(old.difference(&new).collect()))
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::operation::delete_vpc_endpoints::DeleteVpcEndpointsOutput;
    use aws_sdk_ec2::operation::describe_vpc_endpoints::DescribeVpcEndpointsOutput;
    use aws_sdk_ec2::types::{UnsuccessfulItem, UnsuccessfulItemError};
    use aws_smithy_mocks::mock;

    use super::super::tests::owned_tags;
    use super::*;
    use crate::testing::{cx, outcome, refused, scan_of};

    fn prior() -> Prior<VpcEndpoint> {
        let args = VpcEndpointArgs {
            vpc: VpcId::literal("vpc-1"),
            service: "ssm".into(),
            subnets: Vec::new(),
            groups: Vec::new(),
            private_dns: true,
        };
        Prior { args, outputs: VpcEndpointOutputs { id: VpcEndpointId::literal("vpce-1") } }
    }

    async fn delete(code: &'static str) -> Result<(), CloudError> {
        let rule = mock!(aws_sdk_ec2::Client::delete_vpc_endpoints).then_output(move || {
            let error = UnsuccessfulItemError::builder().code(code).message("no").build();
            DeleteVpcEndpointsOutput::builder().unsuccessful(UnsuccessfulItem::builder().error(error).build()).build()
        });
        VpcEndpoint::delete(&cx(&[&rule]), &prior()).await
    }

    #[tokio::test]
    async fn a_refusal_hidden_in_a_success_is_an_error() {
        assert_eq!(delete("InvalidVpcEndpoint.NotFound").await, Ok(()));
        let error = delete("UnauthorizedOperation").await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (Class::Denied, "UnauthorizedOperation"));
    }

    #[tokio::test]
    async fn a_service_with_a_dot_is_read_as_it_was_given() {
        let endpoint = Described::builder().vpc_endpoint_id("vpce-1").vpc_id("vpc-1").set_tags(Some(owned_tags()));
        let endpoint = endpoint.service_name("com.amazonaws.us-east-1.ecr.dkr").build();
        let listed = mock!(aws_sdk_ec2::Client::describe_vpc_endpoints)
            .then_output(move || DescribeVpcEndpointsOutput::builder().vpc_endpoints(endpoint.clone()).build());
        let found = VpcEndpoint::read(&scan_of(cx(&[&listed])), &[]).await.unwrap();
        assert_eq!(found[0].args.as_ref().unwrap().service, "ecr.dkr");
        assert_eq!(service("us-east-1", "com.amazonaws.us-east-1.ssm"), "ssm");
    }

    #[test]
    fn only_what_differs_is_added_and_removed() {
        assert_eq!(difference(&["a", "b"], &["b", "c"]), (Some(vec!["c".to_owned()]), Some(vec!["a".to_owned()])));
        assert_eq!(difference(&["a"], &["a"]), (None, None));
    }

    #[tokio::test]
    async fn an_endpoint_for_the_same_name_is_looked_at_and_a_quota_is_final() {
        let conflict = "private-dns-enabled cannot be set because there is already a conflicting DNS domain for ssm.us-east-1.amazonaws.com in the VPC vpc-1";
        for (code, text, class) in [
            ("InvalidParameter", conflict, Class::Exists),
            ("InvalidParameter", "Endpoint type (Interface) does not match available service types", Class::Permanent),
            ("VpcEndpointLimitExceeded", "", Class::Permanent),
            ("InvalidSubnetId.NotFound", "", Class::Eventual),
            ("DuplicateSubnetsInSameZone", "", Class::Permanent),
        ] {
            let refused = refused(mock!(aws_sdk_ec2::Client::create_vpc_endpoint), code, text);
            assert_eq!(
                outcome(VpcEndpoint::create(&cx(&[&refused]), &prior().args).await),
                Err(class),
                "{code} {text}"
            );
        }
    }

    #[tokio::test]
    async fn an_endpoint_is_gone_when_nobody_knows_it_and_awaited_when_it_is_new() {
        let prior = prior();
        let unknown = refused(mock!(aws_sdk_ec2::Client::describe_vpc_endpoints), "InvalidVpcEndpointId.NotFound", "");
        assert_eq!(VpcEndpoint::gone(&cx(&[&unknown]), &prior).await, Ok(Settled::Yes(())));
        let ready = VpcEndpoint::ready(&cx(&[&unknown]), &prior).await;
        assert_eq!(ready, Ok(Settled::AskAgainIn(ASK_AGAIN)));
    }
}
