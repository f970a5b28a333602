//! `aws.ec2.security_group`: a firewall around network interfaces, empty: its rules are resources of their own.
//!
//! API: CreateSecurityGroup, RevokeSecurityGroupEgress, DescribeSecurityGroups, DescribeSecurityGroupRules,
//! DeleteSecurityGroup (EC2 2016-11-15). Find: tags. Change: vpc and description replace. Delete: after every network
//! interface that has it and every rule of another group that names it.

use std::sync::Arc;

use aws_sdk_ec2::types::{
    Filter, IpPermission, IpRange, ResourceType, SecurityGroup as DescribedGroup, SecurityGroupRule as DescribedRule,
};
use dr_core::{
    Anywhere, Class, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems, Region,
    Resource, Scan, Settled, Wanted,
};

use super::{adopt, by_ids, holders, of_others, owned, owned_by, pairs, specification, sync_tags};
use crate::call::{Call as _, GoneOk as _, as_class};
use crate::ids::{SecurityGroupId, VpcId};
use crate::read::{Promised as _, Unread, found, unread, wanted_as};
use crate::{Aws, names, tags};

/// A firewall around network interfaces. It lets nothing through: what it lets through are
/// [`SecurityGroupRule`](super::SecurityGroupRule)s, so that two groups can name each other.
///
/// AWS gives a new group a rule that lets everything out, which is taken away unless
/// [`keep_default_egress`](SecurityGroup::keep_default_egress) is set. The name at AWS is made of stack and address.
///
/// - Inputs: the VPC and a description of 1 to 255 characters (`managed by dr` by default), which replace; whether AWS's rule
///   stays (no by default; in place).
/// - Ready: when AWS's rule is taken away.
/// - Calls: CreateSecurityGroup, RevokeSecurityGroupEgress, AuthorizeSecurityGroupEgress, DescribeSecurityGroups,
///   DescribeSecurityGroupRules, DeleteSecurityGroup.
/// - AWS: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.ec2.security_group", outputs = SecurityGroupOutputs, create_s = 3, delete_s = 1, check = check)]
pub struct SecurityGroup<R: Region = Anywhere> {
    /// The network that it is a part of.
    #[input(replace)]
    vpc: Input<VpcId<R>>,
    /// What it is for, up to 255 characters. Default: `managed by dr`.
    #[input(replace)]
    description: Option<String>,
    /// Whether AWS's rule that lets everything out stays. Default: no.
    default_egress: bool,
}

/// What is known of a security group once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct SecurityGroupOutputs<R: Region = Anywhere> {
    /// `sg-…`
    pub id: SecurityGroupId<R>,
    /// Whether AWS's rule that lets everything out is there.
    pub default_egress: bool,
}

impl<R: Region> SecurityGroup<R> {
    /// A group that lets nothing through.
    pub fn new(vpc: impl IntoInput<VpcId<R>>) -> Self {
        SecurityGroup { vpc: vpc.into_input(), description: None, default_egress: false }
    }

    /// What it is for; consoles show it.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Everything may leave.
    #[must_use]
    pub fn keep_default_egress(mut self) -> Self {
        self.default_egress = true;
        self
    }
}

fn check<R: Region>(group: &SecurityGroup<R>, problems: &mut Problems) {
    if let Some(description) = &group.description {
        check_description(description, problems);
    }
}

/// The alphabet of descriptions of groups and rules.
pub(super) fn check_description(description: &str, problems: &mut Problems) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if description.is_empty() || description.len() > 255 {
        problems.report("description", "1 to 255 characters are allowed");
    } else if let Some(c) = description.chars().find(|&c| !allowed(c)) {
        problems.report("description", format_args!("the character {c:?} is not allowed"));
    }
}

const DESCRIPTION: &str = "managed by dr";
const NAME_LEN_MAX: usize = 255;

const DESCRIBE: &str = "ec2:DescribeSecurityGroups";
const DESCRIBE_RULES: &str = "ec2:DescribeSecurityGroupRules";

async fn described(scan: &Scan<Aws>, filter: Filter) -> Result<Vec<DescribedGroup>, CloudError> {
    let request = scan.cloud.ec2(&scan.region).describe_security_groups().filters(filter);
    request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.call(DESCRIBE)
}

async fn described_rules(scan: &Scan<Aws>, filter: Filter) -> Result<Vec<DescribedRule>, CloudError> {
    let request = scan.cloud.ec2(&scan.region).describe_security_group_rules().filters(filter);
    request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.call(DESCRIBE_RULES)
}

/// The stack's groups: one call for groups and rules.
pub(super) async fn groups(scan: &Scan<Aws>) -> Result<Arc<Vec<DescribedGroup>>, CloudError> {
    scan.cloud.shared(scan, DESCRIBE, "", || described(scan, owned_by(&scan.stack))).await
}

/// Groups by their ids, which the stack does not own; nothing is asked when there are none.
pub(super) async fn groups_of_others(scan: &Scan<Aws>, ids: &[String]) -> Result<Arc<Vec<DescribedGroup>>, CloudError> {
    of_others(scan, DESCRIBE, "group-id", ids, |filter| described(scan, filter)).await
}

/// All rules in the stack's groups, whoever made them: with their ids and tags, which a group's own answer leaves out.
pub(super) async fn rules(scan: &Scan<Aws>) -> Result<Arc<Vec<DescribedRule>>, CloudError> {
    let groups = groups(scan).await?;
    let ids: Vec<_> = groups.iter().filter_map(|group| group.group_id().map(str::to_owned)).collect();
    let describe = |filter| described_rules(scan, filter);
    scan.cloud.shared(scan, DESCRIBE_RULES, "", || by_ids("group-id", &ids, describe)).await
}

/// All rules in these groups, which the stack does not own; nothing is asked when there are none.
pub(super) async fn rules_of_others(scan: &Scan<Aws>, ids: &[String]) -> Result<Arc<Vec<DescribedRule>>, CloudError> {
    of_others(scan, DESCRIBE_RULES, "group-id", ids, |filter| described_rules(scan, filter)).await
}

/// AWS's own rule: everything may leave, and nobody's tags.
fn is_default_egress(rule: &DescribedRule) -> bool {
    rule.is_egress() == Some(true)
        && rule.ip_protocol() == Some("-1")
        && rule.cidr_ipv4() == Some("0.0.0.0/0")
        && !pairs(rule.tags()).any(|(key, _)| key == tags::STACK)
}

fn everything() -> IpPermission {
    IpPermission::builder().ip_protocol("-1").ip_ranges(IpRange::builder().cidr_ip("0.0.0.0/0").build()).build()
}

impl Lifecycle for SecurityGroup {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let groups = groups(scan).await?;
        let on_record = |group: &DescribedGroup| {
            let owned = owned(&scan.stack, group.tags())?;
            match unread(wanted_as(wanted, &owned), &owned) {
                Unread::OnRecord(_) => Some(()),
                _ => None,
            }
        };
        // Only the tags of a rule tell AWS's own from one of the program.
        let lean = !scan.cloud.reads_all() && groups.iter().all(|group| on_record(group).is_some());
        let rules = if lean { Arc::default() } else { rules(scan).await? };
        let describe = |group: &DescribedGroup| {
            let owned = owned(&scan.stack, group.tags())?;
            let want = wanted_as(wanted, &owned);
            let id = group.group_id()?;
            let recorded =
                want.filter(|want| want.generation == owned.generation).and_then(|want| want.outputs.as_ref());
            let present = match recorded.filter(|_| lean) {
                Some(recorded) => recorded.default_egress,
                None => rules.iter().any(|rule| rule.group_id() == Some(id) && is_default_egress(rule)),
            };
            // AWS's rule that `ready` has not taken away yet is nobody's doing.
            let leaving = present
                && match unread(want, &owned) {
                    Unread::OnTheWay(args) => !args.default_egress,
                    Unread::OnRecord(args) => {
                        !args.default_egress && recorded.is_some_and(|known| known.default_egress)
                    }
                    Unread::Unknown => false,
                };
            let description = match group.description() {
                // The default may have been written out.
                Some(DESCRIPTION) => {
                    want.and_then(|want| want.args.description.clone()).filter(|text| text == DESCRIPTION)
                }
                text => text.map(str::to_owned),
            };
            let vpc = VpcId::literal(group.vpc_id()?);
            let args = SecurityGroupArgs { vpc, description, default_egress: present && !leaving };
            let outputs = SecurityGroupOutputs { id: SecurityGroupId::literal(id), default_egress: present };
            Some(found(owned, args, outputs, if leaving { Health::Pending } else { Health::Ready }))
        };
        Ok(groups.iter().filter_map(describe).collect())
    }

    async fn create(cx: &Cx<Aws>, args: &SecurityGroupArgs) -> Result<SecurityGroupOutputs, CloudError> {
        const CALL: &str = "ec2:CreateSecurityGroup";
        let request = cx.cloud.ec2(&cx.owner.region).create_security_group().vpc_id(args.vpc.as_str());
        let request = request.group_name(names::physical(&cx.owner, NAME_LEN_MAX));
        let request = request.description(args.description.as_deref().unwrap_or(DESCRIPTION));
        let request = request.tag_specifications(specification(&cx.owner, ResourceType::SecurityGroup));
        let id = request.send().await.call(CALL)?.group_id.promised(CALL, "the group")?;
        Ok(SecurityGroupOutputs { id: SecurityGroupId::literal(id), default_egress: true })
    }

    async fn update(
        cx: &Cx<Aws>,
        prior: &Prior<Self>,
        args: &SecurityGroupArgs,
    ) -> Result<SecurityGroupOutputs, CloudError> {
        let SecurityGroupOutputs { id, default_egress } = prior.outputs.clone();
        sync_tags(cx, id.as_str()).await?;
        if args.default_egress && !default_egress {
            let request = cx.cloud.ec2(&cx.owner.region).authorize_security_group_egress().group_id(id.as_str());
            request.ip_permissions(everything()).send().await.call("ec2:AuthorizeSecurityGroupEgress")?;
            return Ok(SecurityGroupOutputs { id, default_egress: true });
        }
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        const LEFT: &str = "a rule of another security group names it: take that rule away";
        let id = prior.outputs.id.as_str();
        let request = cx.cloud.ec2(&cx.owner.region).delete_security_group().group_id(id);
        match request.send().await.call("ec2:DeleteSecurityGroup").gone_ok() {
            Err(error) => Err(holders::named(cx, error, "group-id", id, LEFT).await),
            answer => answer.map(drop),
        }
    }

    /// Takes AWS's rule away. Rules of the program come after this, so none of them can be meant.
    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<SecurityGroupOutputs>, CloudError> {
        let SecurityGroupOutputs { id, default_egress } = current.outputs.clone();
        if current.args.default_egress || !default_egress {
            return Ok(Settled::Yes(current.outputs.clone()));
        }
        let request = cx.cloud.ec2(&cx.owner.region).revoke_security_group_egress().group_id(id.as_str());
        match request.ip_permissions(everything()).send().await.call("ec2:RevokeSecurityGroupEgress") {
            // It is the group that is not known everywhere yet, and its rule is there.
            Err(error) if error.class == Class::Gone && error.code != "InvalidPermission.NotFound" => {
                Err(as_class(error, Class::Eventual))
            }
            answer => answer.gone_ok().map(|_| Settled::Yes(SecurityGroupOutputs { id, default_egress: false })),
        }
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        adopt(cx, current.outputs.id.as_str()).await
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::Client;
    use aws_sdk_ec2::operation::describe_network_interfaces::DescribeNetworkInterfacesOutput;
    use aws_sdk_ec2::operation::describe_security_group_rules::DescribeSecurityGroupRulesOutput;
    use aws_sdk_ec2::operation::describe_security_groups::DescribeSecurityGroupsOutput;
    use aws_smithy_mocks::{Rule, mock};

    use super::super::tests::owned_tags;
    use super::*;
    use crate::testing::{cx, outcome, refused};

    fn rule() -> aws_sdk_ec2::types::builders::SecurityGroupRuleBuilder {
        DescribedRule::builder().group_id("sg-1").is_egress(true).ip_protocol("-1").cidr_ipv4("0.0.0.0/0")
    }

    fn answers(rule: DescribedRule) -> [Rule; 2] {
        let group = DescribedGroup::builder().group_id("sg-1").vpc_id("vpc-1").description(DESCRIPTION);
        let group = group.set_tags(Some(owned_tags())).build();
        [
            mock!(aws_sdk_ec2::Client::describe_security_groups)
                .then_output(move || DescribeSecurityGroupsOutput::builder().security_groups(group.clone()).build()),
            mock!(aws_sdk_ec2::Client::describe_security_group_rules).then_output(move || {
                DescribeSecurityGroupRulesOutput::builder().security_group_rules(rule.clone()).build()
            }),
        ]
    }

    async fn default_egress(rule: DescribedRule) -> bool {
        let [groups, rules] = answers(rule);
        let cx = cx(&[&groups, &rules]);
        let scan = Scan { cloud: cx.cloud, stack: "shop".into(), region: "us-east-1".into() };
        let found = SecurityGroup::read(&scan, &[]).await.unwrap();
        assert_eq!(found.len(), 1);
        found[0].args.as_ref().unwrap().default_egress
    }

    /// How a group is read that was made without AWS's rule, by whether `ready` has taken the rule away.
    async fn of_the_program(outputs: Option<bool>) -> (bool, bool, Health) {
        let [groups, rules] = answers(rule().build());
        let Cx { cloud, owner } = cx(&[&groups, &rules]);
        let args = SecurityGroupArgs { vpc: VpcId::literal("vpc-1"), description: None, default_egress: false };
        let id = SecurityGroupId::literal("sg-1");
        let outputs = outputs.map(|default_egress| SecurityGroupOutputs { id, default_egress });
        let (address, generation, token) = (owner.address, owner.generation, owner.token);
        let want = Wanted { address, generation, token, args, outputs };
        let scan = Scan { cloud, stack: "shop".into(), region: "us-east-1".into() };
        let found = SecurityGroup::read(&scan, &[want]).await.unwrap().remove(0);
        (found.args.unwrap().default_egress, found.outputs.default_egress, found.health)
    }

    #[tokio::test]
    async fn the_rule_that_a_run_did_not_get_to_take_away_is_no_drift_and_is_taken_away_later() {
        // Nobody knows the answer of the create, or the run ended after it.
        assert_eq!(of_the_program(None).await, (false, true, Health::Pending));
        assert_eq!(of_the_program(Some(true)).await, (false, true, Health::Pending));
        // It was taken away, and somebody has put it back.
        assert_eq!(of_the_program(Some(false)).await, (true, true, Health::Ready));
    }

    #[tokio::test]
    async fn the_rule_of_aws_is_told_from_an_equal_one_of_the_program() {
        assert!(default_egress(rule().build()).await);
        assert!(!default_egress(rule().set_tags(Some(owned_tags())).build()).await);
        assert!(!default_egress(rule().cidr_ipv4("10.0.0.0/8").build()).await);
    }

    fn prior() -> Prior<SecurityGroup> {
        let args = SecurityGroupArgs { vpc: VpcId::literal("vpc-1"), description: None, default_egress: false };
        Prior { args, outputs: SecurityGroupOutputs { id: SecurityGroupId::literal("sg-1"), default_egress: true } }
    }

    /// The whole group lets everything out until the rule is really taken away.
    #[tokio::test]
    async fn a_group_that_is_not_known_yet_is_not_taken_for_one_without_the_rule() {
        let revoked = async |code| {
            let refused = refused(mock!(Client::revoke_security_group_egress), code, "");
            SecurityGroup::ready(&cx(&[&refused]), &prior()).await
        };
        for code in ["InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound"] {
            assert_eq!(outcome(revoked(code).await), Err(Class::Eventual), "{code}");
        }
        let Settled::Yes(outputs) = revoked("InvalidPermission.NotFound").await.unwrap() else { panic!("it is gone") };
        assert!(!outputs.default_egress);
    }

    #[tokio::test]
    async fn a_name_that_is_taken_is_looked_at_and_a_quota_is_final() {
        for (code, class) in [
            ("InvalidGroup.Duplicate", Class::Exists),
            ("InvalidVpcID.NotFound", Class::Eventual),
            ("SecurityGroupLimitExceeded", Class::Permanent),
        ] {
            let refused = refused(mock!(Client::create_security_group), code, "");
            assert_eq!(outcome(SecurityGroup::create(&cx(&[&refused]), &prior().args).await), Err(class), "{code}");
        }
    }

    #[tokio::test]
    async fn a_group_that_is_gone_is_deleted_and_one_in_use_waits() {
        let nobody = mock!(Client::describe_network_interfaces)
            .then_output(|| DescribeNetworkInterfacesOutput::builder().build());
        for (code, expected) in [
            ("InvalidGroup.NotFound", Ok(())),
            ("DependencyViolation", Err(Class::Dependency)),
            ("InvalidGroup.InUse", Err(Class::Dependency)),
        ] {
            let refused = refused(mock!(Client::delete_security_group), code, "resource sg-1 has a dependent object");
            let answer = SecurityGroup::delete(&cx(&[&refused, &nobody]), &prior()).await;
            if let Err(error) = &answer {
                assert!(error.hint.as_ref().is_some_and(|hint| hint.contains("rule of another")), "{:?}", error.hint);
            }
            assert_eq!(outcome(answer), expected, "{code}");
        }
    }
}
