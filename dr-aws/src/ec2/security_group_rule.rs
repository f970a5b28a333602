//! `aws.ec2.security_group_rule`: something that a security group lets through.
//!
//! API: AuthorizeSecurityGroupIngress, AuthorizeSecurityGroupEgress, ModifySecurityGroupRules, DescribeSecurityGroupRules,
//! RevokeSecurityGroupIngress, RevokeSecurityGroupEgress (EC2 2016-11-15). Find: tags, else group, direction, ports and peer.
//! Change: group and direction replace, the rest in place. Delete: before the group that it names.

use aws_sdk_ec2::types::{
    IpPermission, IpRange, ResourceType, SecurityGroup as DescribedGroup, SecurityGroupRule as Described,
    SecurityGroupRuleRequest, SecurityGroupRuleUpdate, UserIdGroupPair,
};
use dr_core::{
    Anywhere, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems, Region, Resource,
    Scan, Wanted,
};

use super::port::{Direction, Peer, PeerArgs, Port};
use super::security_group::{check_description, groups, rules};
use super::{adopt, owned, specification, sync_tags};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{SecurityGroupId, SecurityGroupRuleId};
use crate::read::{Promised as _, found, found_by_key};

/// Something that a security group lets through; answers are let through by themselves.
///
/// - Inputs: the group and the direction, which replace; the ports, the peer (a range or another group) and a description of
///   up to 255 characters (none by default), in place.
/// - Ready: at once.
/// - Calls: AuthorizeSecurityGroupIngress, AuthorizeSecurityGroupEgress, ModifySecurityGroupRules,
///   DescribeSecurityGroupRules, RevokeSecurityGroupIngress, RevokeSecurityGroupEgress.
/// - AWS: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AuthorizeSecurityGroupIngress.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.ec2.security_group_rule", outputs = SecurityGroupRuleOutputs, create_s = 1, delete_s = 1, check = check
)]
pub struct SecurityGroupRule<R: Region = Anywhere> {
    /// The group that lets it through.
    #[input(replace)]
    group: Input<SecurityGroupId<R>>,
    /// To what has the group, or from it.
    #[input(replace)]
    direction: Direction,
    /// Which ports.
    ports: Port,
    /// From where, or to where.
    #[input(nested)]
    peer: Peer<R>,
    /// What it is for, up to 255 characters. Default: none.
    description: Option<String>,
}

/// What is known of a rule once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct SecurityGroupRuleOutputs<R: Region = Anywhere> {
    /// `sgr-…`
    pub id: SecurityGroupRuleId<R>,
}

impl<R: Region> SecurityGroupRule<R> {
    /// Lets the peer reach these ports of what has the group.
    pub fn ingress(group: impl IntoInput<SecurityGroupId<R>>, ports: Port, peer: impl Into<Peer<R>>) -> Self {
        SecurityGroupRule {
            group: group.into_input(),
            direction: Direction::Ingress,
            ports,
            peer: peer.into(),
            description: None,
        }
    }

    /// Lets what has the group reach these ports of the peer.
    pub fn egress(group: impl IntoInput<SecurityGroupId<R>>, ports: Port, peer: impl Into<Peer<R>>) -> Self {
        SecurityGroupRule { direction: Direction::Egress, ..SecurityGroupRule::ingress(group, ports, peer) }
    }

    /// What it is for; consoles show it.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

fn check<R: Region>(rule: &SecurityGroupRule<R>, problems: &mut Problems) {
    rule.ports.check(problems);
    if let Some(description) = &rule.description {
        check_description(description, problems);
    }
}

/// The rule in the form of the calls that make and take away.
fn permission(args: &SecurityGroupRuleArgs) -> IpPermission {
    let (protocol, from, to) = args.ports.wire();
    let permission = IpPermission::builder().ip_protocol(protocol).set_from_port(from).set_to_port(to);
    let description = args.description.clone();
    match &args.peer {
        PeerArgs::Cidr(cidr) => {
            permission.ip_ranges(IpRange::builder().cidr_ip(cidr.to_string()).set_description(description).build())
        }
        PeerArgs::Group(group) => permission.user_id_group_pairs(
            UserIdGroupPair::builder().group_id(group.as_str()).set_description(description).build(),
        ),
        PeerArgs::Other(range) => {
            let range = aws_sdk_ec2::types::Ipv6Range::builder().cidr_ipv6(range).set_description(description).build();
            permission.ipv6_ranges(range)
        }
    }
    .build()
}

/// The rule as it is; the peer is what the rule names.
fn args(rule: &Described) -> Option<SecurityGroupRuleArgs> {
    let peer = if let Some(cidr) = rule.cidr_ipv4() {
        PeerArgs::Cidr(cidr.parse().ok()?)
    } else if let Some(group) = rule.referenced_group_info().and_then(|info| info.group_id()) {
        PeerArgs::Group(SecurityGroupId::literal(group))
    } else {
        PeerArgs::Other(rule.cidr_ipv6().or_else(|| rule.prefix_list_id()).unwrap_or_default().to_owned())
    };
    Some(SecurityGroupRuleArgs {
        group: SecurityGroupId::literal(rule.group_id()?),
        direction: if rule.is_egress()? { Direction::Egress } else { Direction::Ingress },
        ports: Port::from_wire(rule.ip_protocol()?, rule.from_port(), rule.to_port()),
        peer,
        description: rule.description().filter(|text| !text.is_empty()).map(str::to_owned),
    })
}

/// The wanted rules when all of them are on record and their groups show them unchanged, which saves a call.
async fn on_record(
    scan: &Scan<Aws>,
    wanted: &[Wanted<SecurityGroupRule>],
) -> Result<Option<Vec<Found<SecurityGroupRule>>>, CloudError> {
    let groups = groups(scan).await?;
    let mut found = Vec::with_capacity(wanted.len());
    for want in wanted {
        let group = groups.iter().find(|group| group.group_id() == Some(want.args.group.as_str()));
        let (Some(outputs), Some(group)) = (&want.outputs, group) else { return Ok(None) };
        if !of_group(group).contains(&want.args) {
            return Ok(None);
        }
        found.push(found_by_key(want, want.args.clone(), outputs.clone(), Health::Ready));
    }
    Ok(Some(found))
}

/// The rules that a group's own answer shows: without their ids and tags.
fn of_group(group: &DescribedGroup) -> Vec<SecurityGroupRuleArgs> {
    let mut rules = Vec::new();
    let directions = [(Direction::Ingress, group.ip_permissions()), (Direction::Egress, group.ip_permissions_egress())];
    for (direction, permissions) in directions {
        for permission in permissions {
            let ports = Port::from_wire(
                permission.ip_protocol().unwrap_or_default(),
                permission.from_port(),
                permission.to_port(),
            );
            let ranges = permission
                .ip_ranges()
                .iter()
                .filter_map(|range| Some((PeerArgs::Cidr(range.cidr_ip()?.parse().ok()?), range.description())));
            let peers = permission.user_id_group_pairs().iter().filter_map(|pair| {
                Some((PeerArgs::Group(SecurityGroupId::literal(pair.group_id()?)), pair.description()))
            });
            rules.extend(ranges.chain(peers).map(|(peer, description)| SecurityGroupRuleArgs {
                group: SecurityGroupId::literal(group.group_id().unwrap_or_default()),
                direction,
                ports: ports.clone(),
                peer,
                description: description.filter(|text| !text.is_empty()).map(str::to_owned),
            }));
        }
    }
    rules
}

fn same_rule(a: &SecurityGroupRuleArgs, b: &SecurityGroupRuleArgs) -> bool {
    (&a.group, a.direction, &a.ports, &a.peer) == (&b.group, b.direction, &b.ports, &b.peer)
}

impl Lifecycle for SecurityGroupRule {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        if !scan.cloud.reads_all()
            && let Some(found) = on_record(scan, wanted).await?
        {
            return Ok(found);
        }
        let (mut tagged, mut untagged) = (Vec::new(), Vec::new());
        for rule in rules(scan).await?.iter() {
            let (Some(args), Some(id)) = (args(rule), rule.security_group_rule_id()) else { continue };
            let outputs = SecurityGroupRuleOutputs { id: SecurityGroupRuleId::literal(id) };
            match owned(&scan.stack, rule.tags()) {
                Some(owned) => tagged.push(found::<Self>(owned, args, outputs, Health::Ready)),
                None => untagged.push((args, outputs)),
            }
        }
        // An equal rule in the stack's own group, whose tags somebody took away or that somebody made by hand.
        let known = |want: &Wanted<Self>| {
            tagged.iter().any(|found| found.address == want.address && found.generation == want.generation)
        };
        let adopted: Vec<_> = wanted
            .iter()
            .filter(|want| !known(want))
            .filter_map(|want| {
                let (args, outputs) = untagged.iter().find(|(args, _)| same_rule(args, &want.args))?;
                Some(found_by_key(want, args.clone(), outputs.clone(), Health::Ready))
            })
            .collect();
        tagged.extend(adopted);
        Ok(tagged)
    }

    async fn create(cx: &Cx<Aws>, args: &SecurityGroupRuleArgs) -> Result<SecurityGroupRuleOutputs, CloudError> {
        let client = cx.cloud.ec2(&cx.owner.region);
        let tags = specification(&cx.owner, ResourceType::SecurityGroupRule);
        let (rules, call) = match args.direction {
            Direction::Ingress => {
                const CALL: &str = "ec2:AuthorizeSecurityGroupIngress";
                let request = client.authorize_security_group_ingress().group_id(args.group.as_str());
                let request = request.ip_permissions(permission(args)).tag_specifications(tags);
                (request.send().await.call(CALL)?.security_group_rules, CALL)
            }
            Direction::Egress => {
                const CALL: &str = "ec2:AuthorizeSecurityGroupEgress";
                let request = client.authorize_security_group_egress().group_id(args.group.as_str());
                let request = request.ip_permissions(permission(args)).tag_specifications(tags);
                (request.send().await.call(CALL)?.security_group_rules, CALL)
            }
        };
        let rule = rules.and_then(|rules| rules.into_iter().next());
        let id = rule.and_then(|rule| rule.security_group_rule_id).promised(call, "the rule")?;
        Ok(SecurityGroupRuleOutputs { id: SecurityGroupRuleId::literal(id) })
    }

    async fn update(
        cx: &Cx<Aws>,
        prior: &Prior<Self>,
        args: &SecurityGroupRuleArgs,
    ) -> Result<SecurityGroupRuleOutputs, CloudError> {
        let id = prior.outputs.id.as_str();
        sync_tags(cx, id).await?;
        if *args == prior.args {
            return Ok(prior.outputs.clone());
        }
        let (protocol, from, to) = args.ports.wire();
        // All ports are -1 here, where the other calls leave them out.
        let rule = SecurityGroupRuleRequest::builder().ip_protocol(protocol);
        let rule =
            rule.from_port(from.unwrap_or(-1)).to_port(to.unwrap_or(-1)).set_description(args.description.clone());
        let rule = match &args.peer {
            PeerArgs::Cidr(cidr) => rule.cidr_ipv4(cidr.to_string()),
            PeerArgs::Group(group) => rule.referenced_group_id(group.as_str()),
            PeerArgs::Other(range) => rule.cidr_ipv6(range),
        };
        let change =
            SecurityGroupRuleUpdate::builder().security_group_rule_id(id).security_group_rule(rule.build()).build();
        let request = cx.cloud.ec2(&cx.owner.region).modify_security_group_rules().group_id(args.group.as_str());
        request.security_group_rules(change).send().await.call("ec2:ModifySecurityGroupRules")?;
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let (client, group) = (cx.cloud.ec2(&cx.owner.region), prior.args.group.as_str());
        let id = prior.outputs.id.as_str();
        match prior.args.direction {
            Direction::Ingress => {
                let request = client.revoke_security_group_ingress().group_id(group).security_group_rule_ids(id);
                request.send().await.call("ec2:RevokeSecurityGroupIngress").gone_ok().map(drop)
            }
            Direction::Egress => {
                let request = client.revoke_security_group_egress().group_id(group).security_group_rule_ids(id);
                request.send().await.call("ec2:RevokeSecurityGroupEgress").gone_ok().map(drop)
            }
        }
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        adopt(cx, current.outputs.id.as_str()).await
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::Client;
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    #[test]
    fn a_rule_comes_back_as_it_was_made() {
        let rule = Described::builder().security_group_rule_id("sgr-1").group_id("sg-1").is_egress(false);
        let rule = rule.ip_protocol("tcp").from_port(80).to_port(80).cidr_ipv4("10.0.0.0/16").description("").build();
        let expect = SecurityGroupRuleArgs {
            group: SecurityGroupId::literal("sg-1"),
            direction: Direction::Ingress,
            ports: Port::tcp(80),
            peer: PeerArgs::Cidr(dr_core::cidr!("10.0.0.0/16")),
            description: None,
        };
        assert_eq!(args(&rule), Some(expect));
    }

    fn prior() -> Prior<SecurityGroupRule> {
        let args = SecurityGroupRuleArgs {
            group: SecurityGroupId::literal("sg-1"),
            direction: Direction::Ingress,
            ports: Port::tcp(80),
            peer: PeerArgs::Group(SecurityGroupId::literal("sg-2")),
            description: None,
        };
        Prior { args, outputs: SecurityGroupRuleOutputs { id: SecurityGroupRuleId::literal("sgr-1") } }
    }

    #[tokio::test]
    async fn a_rule_that_is_there_is_looked_at_and_a_new_group_waited_for() {
        for (code, class) in [
            ("InvalidPermission.Duplicate", Class::Exists),
            ("InvalidGroup.NotFound", Class::Eventual),
            ("RulesPerSecurityGroupLimitExceeded", Class::Permanent),
        ] {
            let ingress = refused(mock!(Client::authorize_security_group_ingress), code, "");
            let answer = SecurityGroupRule::create(&cx(&[&ingress]), &prior().args).await;
            assert_eq!(outcome(answer), Err(class), "{code}");
            let egress = refused(mock!(Client::authorize_security_group_egress), code, "");
            let args = SecurityGroupRuleArgs { direction: Direction::Egress, ..prior().args };
            assert_eq!(outcome(SecurityGroupRule::create(&cx(&[&egress]), &args).await), Err(class), "{code}");
        }
    }

    #[tokio::test]
    async fn a_rule_that_is_gone_is_deleted_with_or_without_its_group() {
        for code in ["InvalidPermission.NotFound", "InvalidSecurityGroupRuleId.NotFound", "InvalidGroup.NotFound"] {
            let gone = refused(mock!(Client::revoke_security_group_ingress), code, "");
            assert_eq!(outcome(SecurityGroupRule::delete(&cx(&[&gone]), &prior()).await), Ok(()), "{code}");
        }
    }
}
