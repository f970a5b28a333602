//! Amazon VPC and EC2: networks and what runs in them.
//!
//! Everything here that has tags is found by them, with one paginated call for each type and region; routes, associations and
//! attachments are found under the table or gateway that they are a part of. One that the stack does not own (an id that the program
//! gives) is read by its id, in one call more.

mod ami;
mod elastic_ip;
mod endpoint;
mod holders;
mod instance;
mod internet_gateway;
mod nat_gateway;
mod network_acl;
mod port;
mod route;
mod route_table;
mod security_group;
mod security_group_rule;
mod subnet;
mod vpc;
mod zones;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};
use dr_core::{CloudError, Cx, Owner, Registry, Scan};

pub use ami::{Ami, AmiArgs, AmiOutputs, AmiRefs, Architecture};
pub use elastic_ip::{ElasticIp, ElasticIpArgs, ElasticIpOutputs, ElasticIpRefs};
pub use endpoint::{VpcEndpoint, VpcEndpointArgs, VpcEndpointOutputs, VpcEndpointRefs};
pub use instance::{Instance, InstanceArgs, InstanceOutputs, InstanceRefs};
pub use internet_gateway::{
    GatewayAttachment, GatewayAttachmentArgs, GatewayAttachmentOutputs, GatewayAttachmentRefs, InternetGateway,
    InternetGatewayArgs, InternetGatewayOutputs, InternetGatewayRefs,
};
pub use nat_gateway::{NatGateway, NatGatewayArgs, NatGatewayOutputs, NatGatewayRefs};
pub use network_acl::{AclEntry, NetworkAcl, NetworkAclArgs, NetworkAclOutputs, NetworkAclRefs};
pub use port::{Direction, Peer, PeerArgs, Port};
pub use route::{Route, RouteArgs, RouteTarget, RouteTargetArgs};
pub use route_table::{
    RouteTable, RouteTableArgs, RouteTableAssociation, RouteTableAssociationArgs, RouteTableAssociationOutputs,
    RouteTableAssociationRefs, RouteTableOutputs, RouteTableRefs,
};
pub use security_group::{SecurityGroup, SecurityGroupArgs, SecurityGroupOutputs, SecurityGroupRefs};
pub use security_group_rule::{
    SecurityGroupRule, SecurityGroupRuleArgs, SecurityGroupRuleOutputs, SecurityGroupRuleRefs,
};
pub use subnet::{Subnet, SubnetArgs, SubnetOutputs, SubnetRefs};
pub use vpc::{Vpc, VpcArgs, VpcOutputs, VpcRefs};
pub use zones::{Zones, ZonesArgs, ZonesOutputs, ZonesRefs};

use crate::call::Call as _;
use crate::{Aws, tags};

/// Adds the resource types of this service.
pub(crate) fn register(registry: Registry, aws: &Arc<Aws>) -> Registry {
    registry
        .with::<Ami>(aws)
        .with::<ElasticIp>(aws)
        .with::<GatewayAttachment>(aws)
        .with::<Instance>(aws)
        .with::<InternetGateway>(aws)
        .with::<NatGateway>(aws)
        .with::<NetworkAcl>(aws)
        .with::<Route>(aws)
        .with::<RouteTable>(aws)
        .with::<RouteTableAssociation>(aws)
        .with::<SecurityGroup>(aws)
        .with::<SecurityGroupRule>(aws)
        .with::<Subnet>(aws)
        .with::<Vpc>(aws)
        .with::<VpcEndpoint>(aws)
        .with::<Zones>(aws)
}

/// The filter for everything that the stack owns; each filtered read has a bucket of 100 calls of its own at AWS.
fn owned_by(stack: &str) -> Filter {
    filter(&format!("tag:{}", tags::STACK), stack)
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// How many values a filter takes.
const FILTER_VALUES_MAX: usize = 200;

/// What is described of the ids, as many in each call as a filter takes.
async fn by_ids<T, Fut>(name: &str, ids: &[String], describe: impl Fn(Filter) -> Fut) -> Result<Vec<T>, CloudError>
where
    Fut: Future<Output = Result<Vec<T>, CloudError>>,
{
    let mut described = Vec::new();
    for ids in ids.chunks(FILTER_VALUES_MAX) {
        let filter = Filter::builder().name(name).set_values(Some(ids.to_vec())).build();
        described.extend(describe(filter).await?);
    }
    Ok(described)
}

/// The same for what the stack does not own, shared by those who ask for it; nothing is asked when there are no ids.
async fn of_others<T, Fut>(
    scan: &Scan<Aws>,
    call: &'static str,
    name: &str,
    ids: &[String],
    describe: impl Fn(Filter) -> Fut,
) -> Result<Arc<Vec<T>>, CloudError>
where
    T: Send + Sync + 'static,
    Fut: Future<Output = Result<Vec<T>, CloudError>>,
{
    if ids.is_empty() {
        return Ok(Arc::default());
    }
    scan.cloud.shared(scan, call, &ids.join(","), || by_ids(name, ids, describe)).await
}

/// Those of the named parents that are not among the stack's own: a rule or a route of the program may be in anybody's.
fn foreign<'n, 'o>(named: impl Iterator<Item = &'n str>, own: impl Iterator<Item = Option<&'o str>>) -> Vec<String> {
    let own: BTreeSet<&str> = own.flatten().collect();
    let foreign: BTreeSet<&str> = named.filter(|id| !own.contains(*id)).collect();
    foreign.into_iter().map(str::to_owned).collect()
}

/// The owner that a described object's tags name, when it is this stack.
fn owned(stack: &str, tags: &[Tag]) -> Option<tags::Owned> {
    tags::owned(stack, pairs(tags))
}

fn pairs(tags: &[Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default()))
}

fn tag(key: impl Into<String>, value: impl Into<String>) -> Tag {
    Tag::builder().key(key).value(value).build()
}

/// The ownership tags for a create call.
fn specification(owner: &Owner, kind: ResourceType) -> TagSpecification {
    let tags = tags::ownership(owner).into_iter().map(|(key, value)| tag(key, value));
    TagSpecification::builder().resource_type(kind).set_tags(Some(tags.collect())).build()
}

/// Brings the tags of an object to those of its owner: reads them, and writes or takes away what differs.
async fn sync_tags(cx: &Cx<Aws>, id: &str) -> Result<(), CloudError> {
    let client = cx.cloud.ec2(&cx.owner.region);
    let request = client.describe_tags().filters(filter("resource-id", id)).into_paginator().items().send();
    let present = request.collect::<Result<Vec<_>, _>>().await.call("ec2:DescribeTags")?;
    let present: BTreeMap<String, String> =
        present.into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect();
    let (wanted, surplus) = tags::changes(&cx.owner, &present);
    write_tags(cx, id, wanted).await?;
    if !surplus.is_empty() {
        let surplus = surplus.into_iter().map(|key| Tag::builder().key(key).build()).collect();
        client.delete_tags().resources(id).set_tags(Some(surplus)).send().await.call("ec2:DeleteTags")?;
    }
    Ok(())
}

/// Gives an object the ownership tags of `cx.owner`.
async fn adopt(cx: &Cx<Aws>, id: &str) -> Result<(), CloudError> {
    write_tags(cx, id, tags::ownership(&cx.owner)).await
}

async fn write_tags(cx: &Cx<Aws>, id: &str, tags: BTreeMap<String, String>) -> Result<(), CloudError> {
    if tags.is_empty() {
        return Ok(());
    }
    let tags = tags.into_iter().map(|(key, value)| tag(key, value)).collect();
    let request = cx.cloud.ec2(&cx.owner.region).create_tags().resources(id).set_tags(Some(tags));
    request.send().await.call("ec2:CreateTags").map(drop)
}

#[cfg(test)]
mod tests {
    use dr_core::Stack;

    use super::*;
    use crate::ids::{ImageId, SubnetId, VpcId};
    use crate::regions::UsEast1;
    use crate::testing::cx;

    /// AWS refuses to take the last group away, so there is one from the beginning.
    #[test]
    fn what_has_a_network_interface_has_a_security_group() {
        let built = Stack::build("shop", |stack| {
            let (east, subnet) = (stack.region(UsEast1), || SubnetId::literal("subnet-1"));
            east.add("endpoint", VpcEndpoint::interface(VpcId::literal("vpc-1"), "ssm", [subnet()]));
            east.add("server", Instance::new(ImageId::literal("ami-1"), "t4g.small", subnet()));
        });
        let errors = built.unwrap_err().to_string();
        for problem in ["an interface endpoint needs a security group", "an instance needs a security group"] {
            assert!(errors.contains(problem), "{errors}");
        }
    }

    /// The tags with which [`cx`]'s owner creates.
    pub(super) fn owned_tags() -> Vec<Tag> {
        let cx = cx(&[]);
        tags::ownership(&cx.owner).into_iter().map(|(key, value)| tag(key, value)).collect()
    }
}
