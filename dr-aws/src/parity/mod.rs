//! Typed parity: whether two regions of a program are the same service, in the program and as deployed.
//!
//! ```
//! use dr_aws::constructs::SecureApi;
//! use dr_aws::parity;
//! use dr_aws::regions::{EuCentral1, EuWest1};
//! use dr_core::{Stack, cidr};
//!
//! let stack = Stack::build("shop", |stack| {
//!     let (primary, standby) = (stack.region(EuWest1), stack.region(EuCentral1));
//!     primary.add("primary", SecureApi::new(cidr!("10.0.0.0/16")));
//!     standby.add("standby", SecureApi::new(cidr!("10.1.0.0/16")).timeout_ms(5_000));
//! })?;
//! let found = parity::of_program(&stack).unwrap();
//! assert_eq!(found.differences[0].attribute.as_deref(), Some("timeout_ms"));
//! # Ok::<(), dr_core::BuildErrors>(())
//! ```
//!
//! # Which resources are twins
//! Those of the same type and the same address below their construct: `us-east-1/primary.alb.listener` and
//! `us-west-2/standby.alb.listener`. Constructs are twins when they have the same name, or share at least half of their parts. The
//! global parts of twin constructs (`global/primary.health_check`) are twins too, and so are the two answers of a failover name.
//! The regions are those that the answers of a failover (or latency, or weighted) name lead to; without such a name the two with
//! the most resources, the one that the program used first being the primary.
//!
//! # How attributes are compared
//! A reference to something in the own region is the address of what it names below the region; the name of the own region in a
//! text is its place. Then each attribute is compared by its class, after
//! <https://docs.aws.amazon.com/wellarchitected/latest/reliability-pillar/rel_planning_for_recovery_config_drift.html>:
//!
//! | class | compared | examples |
//! |---|---|---|
//! | identity | not at all | ids, ARNs, generated names |
//! | mapped | the count, the prefix length, what it stands for | zones, ranges, images, certificates |
//! | scaled | less in the standby is a warning | number of servers, their size |
//! | cosmetic | not at all | descriptions, the tags `Name` and `Region` |
//! | role-dependent | exactly one swapped pair | failover role, host of a health check |
//! | must match | a difference is an error, or a warning where only timing changes | listeners, firewalls, routes, thresholds |
//! | forbidden | never there | the other region's name in a boot script |
//! | missing | what has no twin | an error where its construct has one |
//!
//! What is not in the table, a type of your own for example, has to match.
//!
//! A program accepts a difference by a waiver with the id of its rule ([`Difference::rule`]) on the resource at
//! [`Difference::address`], or on the scope around it: `standby-capacity` for what is scaled, `region-literal-leak` for what is
//! forbidden, `standby-created-on-demand` for an API or load balancer that is missing, `apigw-domain-name-twin` for the name of an
//! API domain, `apigw-route-parity` for anything else of API Gateway, `parity-must-match` for the rest.
//!
//! # What is not seen
//! Whether an idle VPC link is inactive (it is reported as existing), quotas, and the age of images: no resource of this crate
//! reads them. A rule that somebody added to a security group by hand is seen as a resource below the group,
//! `<group>.by_hand[sgr-…]`, and the entries of a network ACL each.

mod canonical;
mod compare;
mod filters;
mod pairing;
mod table;

#[cfg(all(
    test,
    feature = "acm",
    feature = "apigatewayv2",
    feature = "cloudfront",
    feature = "cloudwatch",
    feature = "ec2",
    feature = "elbv2",
    feature = "iam",
    feature = "route53",
    feature = "sns"
))]
mod tests;

use dr_core::{Address, Graph, Severity, State, Value};
use serde::Serialize;

use canonical::Facts;
use pairing::Twins;

/// The comparison of two regions.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Parity {
    /// The primary.
    pub primary: Side,
    /// The standby.
    pub standby: Side,
    /// How many pairs of twins were compared.
    pub pairs: usize,
    /// What differs, the worst first.
    pub differences: Vec<Difference>,
}

/// One of the two regions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Side {
    /// What addresses begin with: the region, or the role that is bound to it.
    pub label: String,
    /// The region at AWS.
    pub region: String,
}

/// The class of a difference: why two values may differ, or may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Class {
    /// One region has something that the other has not.
    Missing,
    /// It has to be the same.
    MustMatch,
    /// It must not be there.
    Forbidden,
    /// It is different by role, and the roles do not fit.
    RoleDependent,
    /// It stands for the same thing in each region, and does not here.
    Mapped,
    /// There may be less of it in the standby, and there is.
    Scaled,
}

/// One of two twins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Twin {
    /// The one in the primary region.
    Primary,
    /// The one in the standby region.
    Standby,
}

/// One difference between twins.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// Why it may not be.
    pub class: Class,
    /// How much it matters: an error breaks the failover, a warning weakens it.
    pub severity: Severity,
    /// The twin in the primary region; `None` when there is none.
    pub primary: Option<Address>,
    /// The twin in the standby region; `None` when there is none.
    pub standby: Option<Address>,
    /// The type of the resource.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The attribute, `health.path`; `None` when the whole resource is missing.
    pub attribute: Option<String>,
    /// The value in the primary region.
    pub primary_value: Option<Value>,
    /// The value in the standby region.
    pub standby_value: Option<Value>,
    /// Which twin lets more through, where firewalls differ.
    pub wider: Option<Twin>,
    /// Why it matters.
    pub why: String,
}

impl Difference {
    /// The resource to look at: the standby's, or the primary's where the standby has none.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.standby.as_ref().or(self.primary.as_ref())
    }

    /// The id of the [rule](crate::checks#rules) that speaks of it. A waiver with this id accepts it, and one with another id
    /// does not.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match (self.class, self.type_name.as_str(), self.attribute.as_deref()) {
            (Class::Missing, of, _) if table::BEFOREHAND.contains(&of) => "standby-created-on-demand",
            (Class::Forbidden, ..) => "region-literal-leak",
            (Class::Scaled, ..) => "standby-capacity",
            (_, "aws.apigatewayv2.domain", Some("name")) => "apigw-domain-name-twin",
            (_, of, _) if of.starts_with("aws.apigatewayv2.") => "apigw-route-parity",
            _ => "parity-must-match",
        }
    }

    /// Whether two differences are of the same twins and the same attribute, whatever the values.
    #[must_use]
    pub fn is_about(&self, other: &Difference) -> bool {
        (&self.primary, &self.standby, &self.attribute, self.class)
            == (&other.primary, &other.standby, &other.attribute, other.class)
    }
}

/// Compares the two regions as the program has them; `None` when it has one region only.
///
/// Pure: the same program, the same differences in the same order.
#[must_use]
pub fn of_program(graph: &Graph) -> Option<Parity> {
    let twins = Twins::of(graph)?;
    let facts = Facts::of_program(&twins);
    Some(compare::compare(&twins, &facts))
}

/// Compares the two regions as they are configured: `state` is what the last deploy recorded, corrected by what was read
/// ([`Observed::reconcile`](dr_core::Observed::reconcile)). `None` when the program has one region only.
///
/// What was never deployed in either region is left out.
#[must_use]
pub fn of_state(graph: &Graph, state: &State) -> Option<Parity> {
    let twins = Twins::of(graph)?;
    let facts = Facts::of_state(&twins, state);
    Some(compare::compare(&twins, &facts))
}
