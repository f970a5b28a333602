//! `aws.ec2.security_group_rule`: something that a security group lets through.
//!
//! API: AuthorizeSecurityGroupIngress, AuthorizeSecurityGroupEgress, ModifySecurityGroupRules, DescribeSecurityGroupRules,
//! RevokeSecurityGroupIngress, RevokeSecurityGroupEgress (EC2 2016-11-15). Find: tags, else group, direction, ports and peer;
//! what the stack's groups have beside is found too, so that it can go. Change: group, direction and peer replace, the rest in
//! place. Delete: before the group that it names.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{
    IpPermission, IpRange, ResourceType, SecurityGroup as DescribedGroup, SecurityGroupRule as Described,
    SecurityGroupRuleRequest, SecurityGroupRuleUpdate, UserIdGroupPair,
};
use dr_core::{
    Address, Anywhere, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems, Region,
    Resource, Scan, Wanted,
};

use super::port::{Direction, Peer, PeerArgs, Port};
use super::security_group::{check_description, groups, groups_of_others, rules, rules_of_others};
use super::{adopt, foreign, owned, pairs, specification, sync_tags};
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{SecurityGroupId, SecurityGroupRuleId};
use crate::read::{Promised as _, found, found_by_key};
use crate::{Aws, tags};

/// Something that a security group lets through; answers are let through by themselves.
///
/// The group may be one that the stack does not own. In a group of the stack, what no rule of the program lets through is not let
/// through: a rule that somebody added by hand is shown by `drift` as `<group>.by_hand[sgr-…]`, and a deploy takes it away. Rules
/// that another stack of this crate has made there are left alone.
///
/// - Inputs: the group, the direction and the peer (a range or another group), which replace, the new rule first; the ports and
///   a description of up to 255 characters (none by default), in place.
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
    /// From where, or to where. EC2 makes no range of a group, nor the other way round.
    #[input(nested, replace)]
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
    let own = groups(scan).await?;
    let others = groups_of_others(scan, &not_own(&own, wanted)).await?;
    let own: Vec<_> = own.iter().flat_map(of_group).collect();
    let others: Vec<_> = others.iter().flat_map(of_group).collect();
    let mut found = Vec::with_capacity(wanted.len());
    for want in wanted {
        let Some(outputs) = want.outputs.as_ref().filter(|_| own.contains(&want.args) || others.contains(&want.args))
        else {
            return Ok(None);
        };
        found.push(found_by_key(want, want.args.clone(), outputs.clone(), Health::Ready));
    }
    // A rule that the program does not have is looked at.
    let is_wanted = |rule: &SecurityGroupRuleArgs| is_way_out(rule) || wanted.iter().any(|want| want.args == *rule);
    Ok(own.iter().all(is_wanted).then_some(found))
}

/// The groups that rules are wanted in and that the stack does not own.
fn not_own(own: &[DescribedGroup], wanted: &[Wanted<SecurityGroupRule>]) -> Vec<String> {
    foreign(wanted.iter().map(|want| want.args.group.as_str()), own.iter().map(DescribedGroup::group_id))
}

/// What AWS gives a new group, once more for IPv6 in a network that has it: the group's own read tells of it.
fn is_way_out(rule: &SecurityGroupRuleArgs) -> bool {
    let everywhere = match &rule.peer {
        PeerArgs::Cidr(cidr) => cidr.to_string() == "0.0.0.0/0",
        PeerArgs::Other(range) => range == "::/0",
        PeerArgs::Group(_) => false,
    };
    everywhere && (rule.direction, &rule.ports) == (Direction::Egress, &Port::All)
}

/// The address at which a rule of nobody is shown: below its group's.
fn by_hand(scan: &Scan<Aws>, group: &Address, id: &str) -> Option<Address> {
    let below = format!("{group}.by_hand[{id}]").parse();
    below.or_else(|_| format!("{}/by_hand[{id}]", scan.region).parse()).ok()
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
            let v6 = permission
                .ipv6_ranges()
                .iter()
                .filter_map(|range| Some((PeerArgs::Other(range.cidr_ipv6()?.to_owned()), range.description())));
            let lists = permission
                .prefix_list_ids()
                .iter()
                .filter_map(|list| Some((PeerArgs::Other(list.prefix_list_id()?.to_owned()), list.description())));
            let peers = ranges.chain(peers).chain(v6).chain(lists);
            rules.extend(peers.map(|(peer, description)| SecurityGroupRuleArgs {
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
        let own = groups(scan).await?;
        let (of_own, of_others) = (rules(scan).await?, rules_of_others(scan, &not_own(&own, wanted)).await?);
        let (mut tagged, mut untagged) = (Vec::new(), Vec::new());
        for (rule, in_own) in of_own.iter().map(|rule| (rule, true)).chain(of_others.iter().map(|rule| (rule, false))) {
            let (Some(args), Some(id)) = (args(rule), rule.security_group_rule_id()) else { continue };
            let outputs = SecurityGroupRuleOutputs { id: SecurityGroupRuleId::literal(id) };
            match owned(&scan.stack, rule.tags()) {
                Some(owned) => tagged.push(found::<Self>(owned, args, outputs, Health::Ready)),
                // Another stack's.
                None if pairs(rule.tags()).any(|(key, _)| key == tags::STACK) => {}
                None => untagged.push((args, outputs, in_own)),
            }
        }
        let known = |want: &Wanted<Self>| {
            tagged.iter().any(|found| found.address == want.address && found.generation == want.generation)
        };
        let (mut adopted, mut taken) = (Vec::new(), BTreeSet::new());
        for want in wanted.iter().filter(|want| !known(want)) {
            // The one on record, whose tags somebody took away; else an equal one in the stack's own group.
            let recorded = || untagged.iter().position(|(_, outputs, _)| want.outputs.as_ref() == Some(outputs));
            let equal = || untagged.iter().position(|(args, _, in_own)| *in_own && same_rule(args, &want.args));
            let Some(at) = recorded().or_else(equal) else { continue };
            let (args, outputs, _) = &untagged[at];
            adopted.push(found_by_key(want, args.clone(), outputs.clone(), Health::Ready));
            taken.insert(at);
        }
        tagged.extend(adopted);
        // What the program lets through is all that is let through: the rest goes as a resource that the program dropped.
        for (at, (args, outputs, in_own)) in untagged.into_iter().enumerate() {
            if taken.contains(&at) || !in_own || is_way_out(&args) {
                continue;
            }
            let group = own.iter().find(|group| group.group_id() == Some(args.group.as_str()));
            let Some(group) = group.and_then(|group| owned(&scan.stack, group.tags())) else { continue };
            let Some(address) = by_hand(scan, &group.address, outputs.id.as_str()) else { continue };
            let nobodys = tags::Owned { address, generation: group.generation, tags: BTreeMap::new() };
            tagged.push(found::<Self>(nobodys, args, outputs, Health::Ready));
        }
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
    use aws_sdk_ec2::operation::describe_security_group_rules::DescribeSecurityGroupRulesOutput;
    use aws_sdk_ec2::operation::describe_security_groups::DescribeSecurityGroupsOutput;
    use aws_sdk_ec2::types::{Filter, Tag};
    use aws_smithy_mocks::{Rule, mock};
    use dr_core::Class;

    use super::super::tag;
    use super::super::tests::owned_tags;
    use super::*;
    use crate::testing::{cx, outcome, refused, scan_of};

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

    /// EC2 answers "You may not specify a referenced group id for an existing IPv4 CIDR rule."
    #[test]
    fn another_peer_is_another_rule() {
        let schema = <SecurityGroupRule as Resource>::SCHEMA;
        assert!(schema.field("peer").unwrap().replace && !schema.field("ports").unwrap().replace);
        assert_eq!(schema.replacement, dr_core::Replacement::CreateFirst);
    }

    /// TCP 80 from a range: a rule of the group, with these tags.
    fn from_range(id: &str, group: &str, cidr: &str, tags: &[Tag]) -> Described {
        let rule = Described::builder().security_group_rule_id(id).group_id(group).is_egress(false).ip_protocol("tcp");
        rule.from_port(80).to_port(80).cidr_ipv4(cidr).set_tags(Some(tags.to_vec())).build()
    }

    /// The account: one group of the stack, `sg-own`, and one of somebody else, `sg-other`, which only its id finds; with rules.
    fn account(own: Vec<Described>, other: Vec<Described>) -> [Rule; 3] {
        let permissions = |rules: &[Described]| -> Vec<_> {
            let range = |rule: &Described| IpRange::builder().cidr_ip(rule.cidr_ipv4().unwrap()).build();
            let tcp = IpPermission::builder().ip_protocol("tcp").from_port(80).to_port(80);
            vec![tcp.set_ip_ranges(Some(rules.iter().map(range).collect())).build()]
        };
        let group = |id: &str, tags, rules: &[Described]| {
            let group = DescribedGroup::builder().group_id(id).set_tags(Some(tags));
            group.set_ip_permissions(Some(permissions(rules))).build()
        };
        let groups = [group("sg-own", owned_tags(), &own), group("sg-other", Vec::new(), &other)];
        let named = |filters: &[Filter], id: &str| filters.iter().any(|filter| filter.values().iter().any(|v| v == id));
        let [first, second] = groups;
        [
            mock!(Client::describe_security_groups)
                .match_requests(move |input| !named(input.filters(), "sg-other"))
                .then_output(move || DescribeSecurityGroupsOutput::builder().security_groups(first.clone()).build()),
            mock!(Client::describe_security_groups)
                .match_requests(move |input| named(input.filters(), "sg-other"))
                .then_output(move || DescribeSecurityGroupsOutput::builder().security_groups(second.clone()).build()),
            mock!(Client::describe_security_group_rules).then_compute_output(move |input| {
                let rules = if named(input.filters(), "sg-other") { &other } else { &own };
                DescribeSecurityGroupRulesOutput::builder().set_security_group_rules(Some(rules.clone())).build()
            }),
        ]
    }

    /// A rule of the program, TCP 80 from `10.0.0.0/16`, as it is on record or as it would be made.
    fn want(group: &str, id: Option<&str>) -> Wanted<SecurityGroupRule> {
        let peer = PeerArgs::Cidr(dr_core::cidr!("10.0.0.0/16"));
        let Cx { owner, .. } = cx(&[]);
        Wanted {
            address: owner.address,
            generation: owner.generation,
            token: owner.token,
            args: SecurityGroupRuleArgs { group: SecurityGroupId::literal(group), peer, ..prior().args },
            outputs: id.map(|id| SecurityGroupRuleOutputs { id: SecurityGroupRuleId::literal(id) }),
        }
    }

    /// What is found: address and id.
    async fn read(rules: &[Rule; 3], wanted: &[Wanted<SecurityGroupRule>], lean: bool) -> Vec<(String, String)> {
        let cx = cx(&rules.iter().collect::<Vec<_>>());
        if lean {
            cx.cloud.set_depth(crate::Depth::Lean);
        }
        let found = SecurityGroupRule::read(&scan_of(cx), wanted).await.unwrap();
        found.into_iter().map(|found| (found.address.to_string(), found.outputs.id.to_string())).collect()
    }

    fn is(address: &str, id: &str) -> (String, String) {
        (address.to_owned(), id.to_owned())
    }

    #[tokio::test]
    async fn a_rule_in_a_group_of_somebody_else_is_found_by_its_tags_with_one_call_more() {
        let other = || vec![from_range("sgr-1", "sg-other", "10.0.0.0/16", &owned_tags())];
        for lean in [false, true] {
            let rules = account(Vec::new(), other());
            let found = read(&rules, &[want("sg-other", Some("sgr-1"))], lean).await;
            assert_eq!(found, [is("us-east-1/net.thing", "sgr-1")], "{lean}");
            assert_eq!((rules[1].num_calls(), rules[2].num_calls()), if lean { (1, 0) } else { (0, 2) });
        }
        // Not on record, as after a lost answer.
        let rules = account(Vec::new(), other());
        assert_eq!(read(&rules, &[want("sg-other", None)], true).await, [is("us-east-1/net.thing", "sgr-1")]);
    }

    #[tokio::test]
    async fn what_others_have_in_their_group_is_not_taken_for_a_rule_of_the_program() {
        let rules = || account(Vec::new(), vec![from_range("sgr-9", "sg-other", "10.0.0.0/16", &[])]);
        assert_eq!(read(&rules(), &[want("sg-other", None)], false).await, []);
        // It is the one on record, whose tags somebody took away.
        let found = read(&rules(), &[want("sg-other", Some("sgr-9"))], false).await;
        assert_eq!(found, [is("us-east-1/net.thing", "sgr-9")]);
    }

    #[tokio::test]
    async fn a_rule_that_somebody_added_is_found_below_its_group() {
        let wanted = [want("sg-own", Some("sgr-1"))];
        let own = |more: Option<Described>| {
            let ours = from_range("sgr-1", "sg-own", "10.0.0.0/16", &owned_tags());
            std::iter::once(ours).chain(more).collect()
        };
        for lean in [false, true] {
            let rules = account(own(Some(from_range("sgr-9", "sg-own", "0.0.0.0/0", &[]))), Vec::new());
            let found = read(&rules, &wanted, lean).await;
            let by_hand = is("us-east-1/net.thing.by_hand[sgr-9]", "sgr-9");
            assert_eq!(found, [is("us-east-1/net.thing", "sgr-1"), by_hand], "{lean}");
        }
        // Nothing is asked for when all is as the program has it.
        let rules = account(own(None), Vec::new());
        assert_eq!(read(&rules, &wanted, true).await, [is("us-east-1/net.thing", "sgr-1")]);
        assert_eq!((rules[1].num_calls(), rules[2].num_calls()), (0, 0));
        // Another stack's, which is its own to take away.
        let others = [tag(tags::STACK, "other"), tag(tags::ADDRESS, "us-east-1/x"), tag(tags::GENERATION, "1")];
        let rules = account(own(Some(from_range("sgr-9", "sg-own", "0.0.0.0/0", &others))), Vec::new());
        assert_eq!(read(&rules, &wanted, false).await, [is("us-east-1/net.thing", "sgr-1")]);
    }

    #[test]
    fn what_aws_gives_a_new_group_is_the_groups_own() {
        let way_out = |direction, ports, peer| {
            is_way_out(&SecurityGroupRuleArgs { direction, ports, peer, ..want("sg-own", None).args })
        };
        let (everywhere, v6) = (|| PeerArgs::Cidr(dr_core::cidr!("0.0.0.0/0")), || PeerArgs::Other("::/0".to_owned()));
        assert!(way_out(Direction::Egress, Port::All, everywhere()));
        assert!(way_out(Direction::Egress, Port::All, v6()));
        assert!(!way_out(Direction::Ingress, Port::All, everywhere()));
        assert!(!way_out(Direction::Egress, Port::tcp(80), everywhere()));
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
