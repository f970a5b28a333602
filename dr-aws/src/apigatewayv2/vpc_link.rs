//! `aws.apigatewayv2.vpc_link`: the way of HTTP APIs into a VPC.
//!
//! API: CreateVpcLink (one per 15 s), GetVpcLinks, GetVpcLink, DeleteVpcLink (one per 30 s), TagResource, UntagResource (API
//! Gateway v2). Find: tags. Change: subnets and security groups replace, the new one first. Delete: after the integrations
//! that use it, before its subnets and groups.

use std::time::Duration;

use aws_sdk_apigatewayv2::types::{self, VpcLinkStatus};
use dr_core::{
    Anywhere, Class, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems, Region,
    Resource, Scan, Settled, Wanted,
};

use super::{lists, ownership, write_tags};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{SecurityGroupId, SubnetId, VpcLinkId};
use crate::read::{Promised as _, as_wanted, found, wanted_as};
use crate::{names, tags};

/// A VPC link for HTTP APIs: network interfaces in subnets, through which integrations reach an internal load balancer.
///
/// A link without traffic for 60 days becomes inactive and takes minutes to come back, so a standby needs some traffic; a
/// health check that goes through the link is enough.
///
/// - Inputs: subnets (1 to 10) and security groups, whose rules have to let it reach the load balancer. Both replace, the new
///   link first: integrations are pointed to it before the old one goes.
/// - Ready: when it is `AVAILABLE`, in about 150 seconds; gone when it is not listed, in about 120.
/// - Calls: CreateVpcLink (one in 15 seconds), GetVpcLinks, GetVpcLink, DeleteVpcLink (one in 30 seconds).
/// - AWS: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-vpc-links.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.apigatewayv2.vpc_link", outputs = VpcLinkOutputs, create_s = 150, delete_s = 120, check = VpcLink::check_inputs)]
pub struct VpcLink<R: Region = Anywhere> {
    /// Where its interfaces are.
    #[input(replace)]
    subnets: Vec<Input<SubnetId<R>>>,
    /// The groups of its interfaces.
    #[input(replace)]
    security_groups: Vec<Input<SecurityGroupId<R>>>,
}

/// What is known of a VPC link.
#[derive(Debug, Clone, PartialEq, Outputs)]
#[non_exhaustive]
pub struct VpcLinkOutputs<R: Region = Anywhere> {
    /// Its id.
    pub id: VpcLinkId<R>,
}

impl<R: Region> VpcLink<R> {
    /// A link in these subnets, with interfaces in these security groups.
    pub fn new<S: IntoInput<SubnetId<R>>, G: IntoInput<SecurityGroupId<R>>>(
        subnets: impl IntoIterator<Item = S>,
        security_groups: impl IntoIterator<Item = G>,
    ) -> Self {
        VpcLink {
            subnets: subnets.into_iter().map(IntoInput::into_input).collect(),
            security_groups: security_groups.into_iter().map(IntoInput::into_input).collect(),
        }
    }

    fn check_inputs(&self, problems: &mut Problems) {
        if !(1..=10).contains(&self.subnets.len()) {
            problems.report("subnets", format_args!("a VPC link has 1 to 10 subnets, not {}", self.subnets.len()));
        }
    }
}

fn path(id: &VpcLinkId) -> String {
    format!("/vpclinks/{id}")
}

fn outputs(id: Option<&str>) -> Result<VpcLinkOutputs, CloudError> {
    let id = id.promised("apigateway:GetVpcLinks", "the id of the VPC link")?;
    Ok(VpcLinkOutputs { id: VpcLinkId::literal(id) })
}

/// An inactive link exists: its integrations work again some minutes after the first request.
fn health(status: Option<&VpcLinkStatus>) -> Health {
    match status {
        Some(VpcLinkStatus::Pending) => Health::Pending,
        Some(VpcLinkStatus::Failed) => Health::Failed,
        Some(VpcLinkStatus::Deleting) => Health::Leaving,
        _ => Health::Ready,
    }
}

fn observed(wanted: Option<&VpcLinkArgs>, seen: &types::VpcLink) -> VpcLinkArgs {
    let subnets = seen.subnet_ids().iter().map(SubnetId::literal).collect();
    let groups = seen.security_group_ids().iter().map(SecurityGroupId::literal).collect();
    VpcLinkArgs {
        subnets: as_wanted(subnets, wanted.map(|args| &args.subnets)),
        security_groups: as_wanted(groups, wanted.map(|args| &args.security_groups)),
    }
}

impl Lifecycle for VpcLink {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let mut all = Vec::new();
        for link in lists::vpc_links(scan).await?.iter() {
            let Some(owned) = tags::owned(&scan.stack, link.tags().into_iter().flatten()) else { continue };
            let want = wanted_as(wanted, &owned);
            let args = observed(want.map(|want| &want.args), link);
            all.push(found(owned, args, outputs(link.vpc_link_id())?, health(link.vpc_link_status())));
        }
        Ok(all)
    }

    async fn create(cx: &Cx<Aws>, args: &VpcLinkArgs) -> Result<VpcLinkOutputs, CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client
            .create_vpc_link()
            .name(names::physical(&cx.owner, 128))
            .set_subnet_ids(Some(args.subnets.iter().map(|id| id.as_str().to_owned()).collect()))
            .set_security_group_ids(Some(args.security_groups.iter().map(|id| id.as_str().to_owned()).collect()))
            .set_tags(ownership(cx));
        let link = call.send().await.call("apigateway:CreateVpcLink")?;
        outputs(link.vpc_link_id())
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, _: &VpcLinkArgs) -> Result<VpcLinkOutputs, CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client.get_vpc_link().vpc_link_id(prior.outputs.id.as_str());
        let link = call.send().await.call("apigateway:GetVpcLink")?;
        write_tags(cx, &path(&prior.outputs.id), link.tags()).await?;
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client.delete_vpc_link().vpc_link_id(prior.outputs.id.as_str());
        call.send().await.call("apigateway:DeleteVpcLink").gone_ok().map(drop)
    }

    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<VpcLinkOutputs>, CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client.get_vpc_link().vpc_link_id(current.outputs.id.as_str());
        let link = call.send().await.call("apigateway:GetVpcLink")?;
        Ok(match health(link.vpc_link_status()) {
            Health::Ready => Settled::Yes(current.outputs.clone()),
            Health::Pending => Settled::AskAgainIn(Duration::from_secs(3)),
            Health::Failed | Health::Leaving => {
                let status = link.vpc_link_status().map_or("UNKNOWN", |status| status.as_str());
                let text = link.vpc_link_status_message().unwrap_or("the VPC link is not coming up");
                let error = CloudError::new("apigateway:GetVpcLink", status, text, Class::Permanent);
                Settled::Failed(
                    error
                        .hint("does the role AWSServiceRoleForAPIGateway exist, and do these zones support VPC links?"),
                )
            }
        })
    }

    async fn gone(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<Settled<()>, CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client.get_vpc_link().vpc_link_id(prior.outputs.id.as_str());
        Ok(match call.send().await.call("apigateway:GetVpcLink").gone_ok()? {
            None => Settled::Yes(()),
            // A failed deletion says why; deleting it again is the way on.
            Some(link) if link.vpc_link_status() == Some(&VpcLinkStatus::Failed) => {
                let text = link.vpc_link_status_message().unwrap_or("the VPC link could not be deleted");
                Settled::Failed(CloudError::new("apigateway:DeleteVpcLink", "FAILED", text, Class::Permanent))
            }
            Some(_) => Settled::AskAgainIn(Duration::from_secs(3)),
        })
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        write_tags(cx, &path(&current.outputs.id), None).await
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_apigatewayv2::Client;
    use aws_sdk_apigatewayv2::operation::get_vpc_link::GetVpcLinkOutput;
    use aws_smithy_mocks::{Rule, mock};

    use super::*;
    use crate::testing::{cx, outcome, refused};

    fn prior() -> Prior<VpcLink> {
        let args = VpcLinkArgs {
            subnets: vec![SubnetId::literal("subnet-1")],
            security_groups: vec![SecurityGroupId::literal("sg-1")],
        };
        Prior { args, outputs: VpcLinkOutputs { id: VpcLinkId::literal("v1") } }
    }

    fn shown(status: VpcLinkStatus) -> Rule {
        mock!(Client::get_vpc_link).then_output(move || {
            let answer = GetVpcLinkOutput::builder().vpc_link_id("v1").vpc_link_status(status.clone());
            answer.vpc_link_status_message("why").build()
        })
    }

    #[tokio::test]
    async fn a_link_too_many_is_a_quota_and_a_new_subnet_is_waited_for() {
        for (text, class) in [
            ("There are too many Vpc Links defined for this account. Limit is 10.", Class::Permanent),
            ("Subnet subnet-1 does not exist", Class::Eventual),
            ("Invalid value", Class::Permanent),
        ] {
            let refused = refused(mock!(Client::create_vpc_link), "BadRequestException", text);
            let error = VpcLink::create(&cx(&[&refused]), &prior().args).await.unwrap_err();
            assert_eq!(error.class, class, "{text}");
            assert_eq!(error.hint.is_some(), text.contains("Limit is"), "{text}: {:?}", error.hint);
        }
    }

    #[tokio::test]
    async fn a_link_that_does_not_come_up_says_why_and_an_inactive_one_exists() {
        let ready = async |status| VpcLink::ready(&cx(&[&shown(status)]), &prior()).await.unwrap();
        assert!(matches!(ready(VpcLinkStatus::Pending).await, Settled::AskAgainIn(_)));
        for status in [VpcLinkStatus::Available, VpcLinkStatus::Inactive] {
            assert!(matches!(ready(status).await, Settled::Yes(_)));
        }
        let Settled::Failed(error) = ready(VpcLinkStatus::Failed).await else { panic!("it failed") };
        assert_eq!((error.code.as_str(), error.message.as_str()), ("FAILED", "why"));
        assert!(error.hint.unwrap().contains("AWSServiceRoleForAPIGateway"));
    }

    #[tokio::test]
    async fn a_link_is_gone_when_nobody_knows_it() {
        let gone = refused(mock!(Client::delete_vpc_link), "NotFoundException", "");
        assert_eq!(outcome(VpcLink::delete(&cx(&[&gone]), &prior()).await), Ok(()));
        let unknown = refused(mock!(Client::get_vpc_link), "NotFoundException", "");
        assert_eq!(VpcLink::gone(&cx(&[&unknown]), &prior()).await, Ok(Settled::Yes(())));
        let leaving = VpcLink::gone(&cx(&[&shown(VpcLinkStatus::Deleting)]), &prior()).await.unwrap();
        assert!(matches!(leaving, Settled::AskAgainIn(_)));
        let failed = VpcLink::gone(&cx(&[&shown(VpcLinkStatus::Failed)]), &prior()).await.unwrap();
        assert!(matches!(failed, Settled::Failed(_)));
    }
}
