//! `aws.ec2.network_acl`: a stateless filter around subnets, with its entries and the subnets that it holds for.
//!
//! API: CreateNetworkAcl, CreateNetworkAclEntry, ReplaceNetworkAclEntry, DeleteNetworkAclEntry, ReplaceNetworkAclAssociation,
//! DescribeNetworkAcls, DeleteNetworkAcl (EC2 2016-11-15). Find: tags. Change: `vpc` replaces, the rest in place.
//! Delete: gives its subnets back to the default ACL of the VPC first.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{
    NetworkAcl as Described, NetworkAclEntry as DescribedEntry, PortRange, ResourceType, RuleAction,
};
use dr_core::{
    Anywhere, Cidr, Class, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems,
    Region, Resource, Scan, Settled, Wanted,
};
use serde::{Deserialize, Serialize};

use super::port::{Direction, Port};
use super::{adopt, filter, owned, owned_by, specification, sync_tags};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _, as_class};
use crate::ids::{NetworkAclId, SubnetId, VpcId};
use crate::read::{Promised as _, Unread, as_wanted, found, unread, wanted_as};

/// A stateless filter around subnets: answers have to be let through as well. Security groups are nearly always the better
/// place; an ACL cuts a whole subnet off, for a drill for example.
///
/// What no entry names is denied. A subnet has one ACL at a time; when this one goes, the default of the VPC takes over.
///
/// - Inputs: the VPC (replaces); the entries and the subnets, in place (none by default).
/// - Ready: when entries and subnets are in place, none of which CreateNetworkAcl takes.
/// - Calls: CreateNetworkAcl, CreateNetworkAclEntry, ReplaceNetworkAclEntry, DeleteNetworkAclEntry,
///   ReplaceNetworkAclAssociation, DescribeNetworkAcls, DeleteNetworkAcl.
/// - AWS: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkAcl.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.ec2.network_acl", outputs = NetworkAclOutputs, create_s = 2, delete_s = 1, check = check)]
pub struct NetworkAcl<R: Region = Anywhere> {
    /// The network that it is a part of.
    #[input(replace)]
    vpc: Input<VpcId<R>>,
    /// What is let through and what is not, by number: the first entry that fits decides.
    entries: Vec<AclEntry>,
    /// The subnets that it holds for.
    subnets: Vec<Input<SubnetId<R>>>,
}

/// One entry of a network ACL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AclEntry {
    /// The place in the order, 1 to 32766; unique for each direction.
    pub number: u16,
    /// Into the subnets, or out of them.
    pub direction: Direction,
    /// Let through, or not.
    pub allow: bool,
    /// Which ports.
    pub ports: Port,
    /// From where, or to where.
    pub cidr: Cidr,
}

impl AclEntry {
    /// Lets it through.
    #[must_use]
    pub const fn allow(number: u16, direction: Direction, ports: Port, cidr: Cidr) -> Self {
        AclEntry { number, direction, allow: true, ports, cidr }
    }

    /// Stops it.
    #[must_use]
    pub const fn deny(number: u16, direction: Direction, ports: Port, cidr: Cidr) -> Self {
        AclEntry { number, direction, allow: false, ports, cidr }
    }
}

/// What is known of a network ACL once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct NetworkAclOutputs<R: Region = Anywhere> {
    /// `acl-…`
    pub id: NetworkAclId<R>,
}

impl<R: Region> NetworkAcl<R> {
    /// An ACL that lets nothing through and holds for no subnet.
    pub fn new(vpc: impl IntoInput<VpcId<R>>) -> Self {
        NetworkAcl { vpc: vpc.into_input(), entries: Vec::new(), subnets: Vec::new() }
    }

    /// With one entry more.
    #[must_use]
    pub fn entry(mut self, entry: AclEntry) -> Self {
        self.entries.push(entry);
        self
    }

    /// It holds for this subnet too.
    #[must_use]
    pub fn subnet(mut self, subnet: impl IntoInput<SubnetId<R>>) -> Self {
        self.subnets.push(subnet.into_input());
        self
    }
}

fn check<R: Region>(acl: &NetworkAcl<R>, problems: &mut Problems) {
    let mut seen = std::collections::BTreeSet::new();
    for entry in &acl.entries {
        entry.ports.check(problems);
        if !(1..=32766).contains(&entry.number) {
            problems.report("entries", format_args!("the number {} is none: 1 to 32766", entry.number));
        }
        if !seen.insert((entry.direction, entry.number)) {
            problems.report("entries", format_args!("the number {} is taken twice in one direction", entry.number));
        }
    }
}

/// The number of the entry that denies what no other entry names; it cannot be changed.
const LAST: i32 = 32767;

impl Lifecycle for NetworkAcl {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let client = scan.cloud.ec2(&scan.region);
        let acls = client.describe_network_acls().filters(owned_by(&scan.stack)).into_paginator().items().send();
        let acls = acls.collect::<Result<Vec<_>, _>>().await.call(CALL_DESCRIBE)?;
        let describe = |acl: &Described| {
            let owned = owned(&scan.stack, acl.tags())?;
            let want = wanted_as(wanted, &owned);
            let args = match unread(want, &owned) {
                Unread::OnTheWay(args) => args.clone(),
                _ => NetworkAclArgs {
                    vpc: VpcId::literal(acl.vpc_id()?),
                    entries: as_wanted(entries(acl), want.map(|want| &want.args.entries)),
                    subnets: as_wanted(subnets(acl), want.map(|want| &want.args.subnets)),
                },
            };
            let outputs = NetworkAclOutputs { id: NetworkAclId::literal(acl.network_acl_id()?) };
            Some(found(owned, args, outputs, Health::Ready))
        };
        Ok(acls.iter().filter_map(describe).collect())
    }

    async fn create(cx: &Cx<Aws>, args: &NetworkAclArgs) -> Result<NetworkAclOutputs, CloudError> {
        const CALL: &str = "ec2:CreateNetworkAcl";
        let request = cx.cloud.ec2(&cx.owner.region).create_network_acl().client_token(&cx.owner.token);
        let request = request.vpc_id(args.vpc.as_str());
        let request = request.tag_specifications(specification(&cx.owner, ResourceType::NetworkAcl));
        let id = request
            .send()
            .await
            .call(CALL)?
            .network_acl
            .and_then(|acl| acl.network_acl_id)
            .promised(CALL, "the ACL")?;
        Ok(NetworkAclOutputs { id: NetworkAclId::literal(id) })
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, _: &NetworkAclArgs) -> Result<NetworkAclOutputs, CloudError> {
        sync_tags(cx, prior.outputs.id.as_str()).await?;
        // Entries and subnets follow in `ready`, after a create as after an update.
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let id = prior.outputs.id.as_str();
        let acls = of_vpc(cx, &prior.args.vpc).await?;
        if let Some(acl) = acls.iter().find(|acl| acl.network_acl_id() == Some(id)) {
            for association in acl.associations() {
                move_subnet(cx, association.network_acl_association_id(), default_acl(&acls)?).await?;
            }
        }
        let request = cx.cloud.ec2(&cx.owner.region).delete_network_acl().network_acl_id(id);
        request.send().await.call("ec2:DeleteNetworkAcl").gone_ok().map(drop)
    }

    /// Brings entries and subnets to what is wanted; none of them can be given to the create call.
    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<NetworkAclOutputs>, CloudError> {
        let (id, args) = (current.outputs.id.as_str(), &current.args);
        let acls = of_vpc(cx, &args.vpc).await?;
        let acl = acls.iter().find(|acl| acl.network_acl_id() == Some(id));
        let acl =
            acl.ok_or_else(|| CloudError::new(CALL_DESCRIBE, "NotVisible", "it is not listed yet", Class::Eventual))?;
        let key = |entry: &AclEntry| (entry.direction, entry.number);
        let present: BTreeMap<_, _> = entries(acl).into_iter().map(|entry| (key(&entry), entry)).collect();
        for entry in &args.entries {
            match present.get(&key(entry)) {
                Some(same) if same == entry => {}
                // One that is there and was not in the list: the list is behind.
                known => put_entry(cx, id, entry, known.is_some()).await.map_err(|error| match error.class {
                    Class::Exists => as_class(error, Class::Eventual),
                    _ => error,
                })?,
            }
        }
        for entry in present.values().filter(|entry| args.entries.iter().all(|wanted| key(wanted) != key(entry))) {
            let request = cx.cloud.ec2(&cx.owner.region).delete_network_acl_entry().network_acl_id(id);
            let request = request.rule_number(entry.number.into()).egress(entry.direction == Direction::Egress);
            request.send().await.call("ec2:DeleteNetworkAclEntry").gone_ok()?;
        }
        for acl in &acls {
            let own = acl.network_acl_id() == Some(id);
            for association in acl.associations() {
                let wanted = args.subnets.iter().any(|subnet| association.subnet_id() == Some(subnet.as_str()));
                match (own, wanted) {
                    (false, true) => move_subnet(cx, association.network_acl_association_id(), id).await?,
                    (true, false) => {
                        move_subnet(cx, association.network_acl_association_id(), default_acl(&acls)?).await?;
                    }
                    _ => {}
                }
            }
        }
        Ok(Settled::Yes(current.outputs.clone()))
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        adopt(cx, current.outputs.id.as_str()).await
    }
}

const CALL_DESCRIBE: &str = "ec2:DescribeNetworkAcls";

/// All ACLs of the VPC, whoever made them.
async fn of_vpc(cx: &Cx<Aws>, vpc: &VpcId) -> Result<Vec<Described>, CloudError> {
    let client = cx.cloud.ec2(&cx.owner.region);
    let acls = client.describe_network_acls().filters(filter("vpc-id", vpc.as_str())).into_paginator().items().send();
    acls.collect::<Result<Vec<_>, _>>().await.call(CALL_DESCRIBE)
}

fn default_acl(acls: &[Described]) -> Result<&str, CloudError> {
    let default = acls.iter().find(|acl| acl.is_default() == Some(true)).and_then(|acl| acl.network_acl_id());
    default.promised(CALL_DESCRIBE, "the default ACL of the VPC")
}

async fn move_subnet(cx: &Cx<Aws>, association: Option<&str>, to: &str) -> Result<(), CloudError> {
    let association = association.promised(CALL_DESCRIBE, "the id of an association")?;
    let request = cx.cloud.ec2(&cx.owner.region).replace_network_acl_association();
    let request = request.association_id(association).network_acl_id(to);
    request.send().await.call("ec2:ReplaceNetworkAclAssociation").map(drop)
}

async fn put_entry(cx: &Cx<Aws>, id: &str, entry: &AclEntry, replace: bool) -> Result<(), CloudError> {
    let client = cx.cloud.ec2(&cx.owner.region);
    let (_, from, to) = entry.ports.wire();
    let ports = from.zip(to).map(|(from, to)| PortRange::builder().from(from).to(to).build());
    let action = if entry.allow { RuleAction::Allow } else { RuleAction::Deny };
    let (number, egress) = (i32::from(entry.number), entry.direction == Direction::Egress);
    if replace {
        let request = client.replace_network_acl_entry().network_acl_id(id).rule_number(number).egress(egress);
        let request = request.protocol(entry.ports.number()).rule_action(action).cidr_block(entry.cidr.to_string());
        request.set_port_range(ports).send().await.call("ec2:ReplaceNetworkAclEntry").map(drop)
    } else {
        let request = client.create_network_acl_entry().network_acl_id(id).rule_number(number).egress(egress);
        let request = request.protocol(entry.ports.number()).rule_action(action).cidr_block(entry.cidr.to_string());
        request.set_port_range(ports).send().await.call("ec2:CreateNetworkAclEntry").map(drop)
    }
}

fn entries(acl: &Described) -> Vec<AclEntry> {
    let read = |entry: &DescribedEntry| {
        let number = entry.rule_number().filter(|number| *number != LAST)?;
        let (from, to) = entry.port_range().map_or((None, None), |range| (range.from(), range.to()));
        Some(AclEntry {
            number: number.try_into().ok()?,
            direction: if entry.egress()? { Direction::Egress } else { Direction::Ingress },
            allow: entry.rule_action() == Some(&RuleAction::Allow),
            ports: Port::from_wire(entry.protocol()?, from, to),
            // Entries for IPv6 are none that this crate writes.
            cidr: entry.cidr_block()?.parse().ok()?,
        })
    };
    acl.entries().iter().filter_map(read).collect()
}

fn subnets(acl: &Described) -> Vec<SubnetId> {
    let subnets = acl.associations().iter().filter_map(|association| association.subnet_id());
    subnets.map(SubnetId::literal).collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::Client;
    use aws_sdk_ec2::operation::describe_network_acls::DescribeNetworkAclsOutput;
    use aws_smithy_mocks::{Rule, mock};

    use super::*;
    use crate::testing::{cx, outcome, refused};

    fn prior() -> Prior<NetworkAcl> {
        let entry = AclEntry::deny(100, Direction::Ingress, Port::All, dr_core::cidr!("0.0.0.0/0"));
        let args = NetworkAclArgs { vpc: VpcId::literal("vpc-1"), entries: vec![entry], subnets: Vec::new() };
        Prior { args, outputs: NetworkAclOutputs { id: NetworkAclId::literal("acl-1") } }
    }

    /// The ACL, without entries.
    fn listed() -> Rule {
        mock!(Client::describe_network_acls).then_output(|| {
            let acl = Described::builder().network_acl_id("acl-1").vpc_id("vpc-1").build();
            DescribeNetworkAclsOutput::builder().network_acls(acl).build()
        })
    }

    #[tokio::test]
    async fn an_entry_that_is_there_and_was_not_listed_is_read_again() {
        for (code, class) in [
            ("NetworkAclEntryAlreadyExists", Class::Eventual),
            ("InvalidNetworkAclID.NotFound", Class::Eventual),
            ("NetworkAclEntryLimitExceeded", Class::Permanent),
        ] {
            let refused = refused(mock!(Client::create_network_acl_entry), code, "");
            assert_eq!(outcome(NetworkAcl::ready(&cx(&[&refused, &listed()]), &prior()).await), Err(class), "{code}");
        }
        let unlisted =
            mock!(Client::describe_network_acls).then_output(|| DescribeNetworkAclsOutput::builder().build());
        assert_eq!(outcome(NetworkAcl::ready(&cx(&[&unlisted]), &prior()).await), Err(Class::Eventual));
    }

    #[tokio::test]
    async fn an_acl_that_is_gone_is_deleted_and_one_that_a_subnet_has_waits() {
        for (code, expected) in
            [("InvalidNetworkAclID.NotFound", Ok(())), ("DependencyViolation", Err(Class::Dependency))]
        {
            let refused = refused(mock!(Client::delete_network_acl), code, "");
            assert_eq!(outcome(NetworkAcl::delete(&cx(&[&refused, &listed()]), &prior()).await), expected, "{code}");
        }
        let full = refused(mock!(Client::create_network_acl), "NetworkAclLimitExceeded", "");
        assert_eq!(outcome(NetworkAcl::create(&cx(&[&full]), &prior().args).await), Err(Class::Permanent));
    }
}
