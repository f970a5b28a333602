//! Which record Route 53 answers with, given the health of everything.
//!
//! Route 53 drops the unhealthy records of a name, applies the routing policy to the rest, and, **if none is left, treats all of
//! them as healthy**: the last resort. A record without a signal (no health check, no evaluated target) always counts as
//! healthy. For a failover pair that means:
//!
//! | primary | secondary | answer |
//! |---|---|---|
//! | healthy | any | primary |
//! | unhealthy | healthy | secondary |
//! | unhealthy | unhealthy | primary, as the last resort |
//! | unhealthy | no signal | secondary, even if it is down |
//! | no signal | any | primary, for ever |
//! | any | no such record | primary |
//!
//! Health is never checked while a query is answered; the last known status counts, and different locations of Route 53 may
//! know different ones for a while. This model has one.
//!
//! Sources: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html>,
//! <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-complex-configs.html>,
//! <https://docs.aws.amazon.com/Route53/latest/APIReference/API_AliasTarget.html>.
//!
//! # Example
//!
//! ```
//! use dr_aws::model::dns::{Group, Record, Signals, Zone};
//! use dr_aws::model::health::Health::{Healthy, Unhealthy};
//!
//! let pair = Group::new([
//!     Record::primary("east", ["203.0.113.1"]).checked_by("hc-east"),
//!     Record::secondary("west", ["203.0.113.2"]).checked_by("hc-west"),
//! ])?;
//! let zone = Zone::new().with("origin.example.com", pair);
//!
//! let answer = |east, west| {
//!     let answer = zone.answer("origin.example.com", &Signals::new().check("hc-east", east).check("hc-west", west))?;
//!     Ok::<_, Box<dyn std::error::Error>>((answer.only().unwrap().set_ids[0].clone(), answer.is_last_resort()))
//! };
//! assert_eq!(answer(Healthy, Healthy)?, ("east".into(), false));
//! assert_eq!(answer(Unhealthy, Healthy)?, ("west".into(), false));
//! assert_eq!(answer(Unhealthy, Unhealthy)?, ("east".into(), true));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::canonical;
use super::health::Health;

/// A multivalue answer holds at most this many records. Source:
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/routing-policy-multivalue.html>.
pub const MULTIVALUE_MAX: usize = 8;

/// Which half of a failover pair a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Role {
    /// Answered while healthy.
    Primary,
    /// Answered while the primary is not healthy and this one is.
    Secondary,
}

/// Where a geolocation record applies, from the narrowest to the widest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// A subdivision of a country, such as `US` and `CA`.
    Subdivision(String, String),
    /// A country code, such as `DE`.
    Country(String),
    /// A continent code, such as `EU`.
    Continent(String),
    /// `*`: everybody whom no other record matches.
    Default,
}

impl Location {
    fn contains(&self, place: &Place) -> bool {
        match self {
            Self::Subdivision(country, part) => {
                place.country.as_ref() == Some(country) && place.subdivision.as_ref() == Some(part)
            }
            Self::Country(country) => place.country.as_ref() == Some(country),
            Self::Continent(continent) => place.continent.as_ref() == Some(continent),
            Self::Default => true,
        }
    }
}

/// Routing policy of a record, with the value that the policy needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Routing {
    /// The only record of its name and type.
    Simple,
    /// One half of a failover pair.
    Failover(Role),
    /// Weight, 0 to 255: share of the queries relative to the sum of the weights.
    Weighted(u8),
    /// AWS region to which the viewer's latency is compared.
    Latency(String),
    /// Where the viewer must be.
    Geolocation(Location),
    /// Up to [`MULTIVALUE_MAX`] healthy records at once.
    Multivalue,
}

/// What an alias record can point at outside its own zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// A CloudFront distribution.
    CloudFront,
    /// An API Gateway custom domain, regional or edge-optimised.
    ApiGateway,
    /// An Application or Network Load Balancer, internal ones too.
    LoadBalancer,
    /// An S3 bucket that serves a website.
    S3Website,
    /// An interface endpoint of a VPC.
    VpcEndpoint,
}

/// What `EvaluateTargetHealth` says about a kind of target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evaluation {
    /// Route 53 refuses `EvaluateTargetHealth` for this kind.
    Refused,
    /// Unhealthy only when the *service* is unavailable in the region. AWS states no operational benefit: a broken
    /// application stays healthy, so this is no trigger for a failover.
    ServiceOnly,
    /// Follows the registered targets, see [`load_balancer`].
    Targets,
}

impl Service {
    /// What evaluating a target of this kind tells.
    pub fn evaluation(self) -> Evaluation {
        match self {
            Self::CloudFront => Evaluation::Refused,
            Self::ApiGateway | Self::S3Website | Self::VpcEndpoint => Evaluation::ServiceOnly,
            Self::LoadBalancer => Evaluation::Targets,
        }
    }
}

/// A target group of a load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroup {
    /// Registered targets.
    pub registered: u32,
    /// Those of them that pass the group's health check.
    pub healthy: u32,
}

/// Health of a load balancer as an evaluated alias target.
///
/// No group with targets may have only unhealthy ones, and at least one group must have a healthy target: a group without
/// targets is unhealthy. Source: `EvaluateTargetHealth` in
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_AliasTarget.html>.
pub fn load_balancer(groups: &[TargetGroup]) -> Health {
    let all_dead = |group: &TargetGroup| group.registered > 0 && group.healthy == 0;
    Health::from(!groups.iter().any(all_dead) && groups.iter().any(|group| group.healthy > 0))
}

/// What a record answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Values, such as addresses or the name of a CNAME.
    Values(Vec<String>),
    /// Alias to an AWS resource.
    Resource {
        /// Kind of resource.
        service: Service,
        /// DNS name of the resource.
        name: String,
        /// `EvaluateTargetHealth`.
        evaluate: bool,
    },
    /// Alias to the records of another name in the same zone.
    Records {
        /// Name of those records.
        name: String,
        /// `EvaluateTargetHealth`: healthy while one of those records is. Without it traffic stays in this branch even when all
        /// of them are unhealthy.
        evaluate: bool,
    },
}

impl Target {
    /// Alias to an AWS resource.
    pub fn resource(service: Service, name: impl Into<String>, evaluate: bool) -> Self {
        Self::Resource { service, name: name.into(), evaluate }
    }

    /// Alias to the records of another name in the zone.
    pub fn records(name: impl Into<String>, evaluate: bool) -> Self {
        Self::Records { name: name.into(), evaluate }
    }
}

impl<const N: usize> From<[&str; N]> for Target {
    fn from(values: [&str; N]) -> Self {
        Self::Values(values.map(str::to_owned).into())
    }
}

/// A resource record set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `SetIdentifier`, unique among the records of one name and type; empty for a simple record.
    pub set_id: String,
    /// Routing policy.
    pub routing: Routing,
    /// `HealthCheckId`.
    pub health_check: Option<String>,
    /// What it answers.
    pub target: Target,
}

impl Record {
    /// A record with this policy.
    pub fn new(set_id: impl Into<String>, routing: Routing, target: impl Into<Target>) -> Self {
        Self { set_id: set_id.into(), routing, health_check: None, target: target.into() }
    }

    /// The only record of its name.
    pub fn simple(target: impl Into<Target>) -> Self {
        Self::new("", Routing::Simple, target)
    }

    /// The primary of a failover pair.
    pub fn primary(set_id: impl Into<String>, target: impl Into<Target>) -> Self {
        Self::new(set_id, Routing::Failover(Role::Primary), target)
    }

    /// The secondary of a failover pair.
    pub fn secondary(set_id: impl Into<String>, target: impl Into<Target>) -> Self {
        Self::new(set_id, Routing::Failover(Role::Secondary), target)
    }

    /// Sets `HealthCheckId`.
    pub fn checked_by(mut self, health_check: impl Into<String>) -> Self {
        self.health_check = Some(health_check.into());
        self
    }

    /// Whether anything can make this record unhealthy. Without a signal it is healthy for ever.
    pub fn has_signal(&self) -> bool {
        let evaluates = match &self.target {
            Target::Values(_) => false,
            Target::Resource { evaluate, .. } | Target::Records { evaluate, .. } => *evaluate,
        };
        self.health_check.is_some() || evaluates
    }
}

/// The records of one name and type: valid together, in their order of definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Record>", into = "Vec<Record>")]
pub struct Group {
    records: Vec<Record>,
}

impl Group {
    /// Checks what Route 53 checks about records that share a name and a type.
    ///
    /// # Errors
    /// [`GroupError`], the first that is found.
    pub fn new(records: impl IntoIterator<Item = Record>) -> Result<Self, GroupError> {
        let records: Vec<Record> = records.into_iter().collect();
        let first = records.first().ok_or(GroupError::Empty)?;
        let is_distribution = |r: &Record| matches!(r.target, Target::Resource { service: Service::CloudFront, .. });
        for (i, record) in records.iter().enumerate() {
            let (set_id, earlier) = (record.set_id.clone(), &records[..i]);
            if std::mem::discriminant(&record.routing) != std::mem::discriminant(&first.routing) {
                return Err(GroupError::MixedRouting { set_id });
            }
            if earlier.iter().any(|e| e.set_id == record.set_id) {
                return Err(GroupError::SameSetId { set_id });
            }
            // Two weights or two multivalue records are alike on purpose; two primaries, regions or locations are not.
            let may_repeat = matches!(record.routing, Routing::Weighted(_) | Routing::Multivalue);
            if !may_repeat && earlier.iter().any(|e| e.routing == record.routing) {
                return Err(GroupError::SameRouting { set_id });
            }
            match &record.target {
                Target::Resource { service, evaluate: true, .. } if service.evaluation() == Evaluation::Refused => {
                    return Err(GroupError::CannotEvaluate { set_id });
                }
                Target::Resource { .. } | Target::Records { .. } if record.routing == Routing::Multivalue => {
                    return Err(GroupError::MultivalueAlias { set_id });
                }
                _ => {}
            }
            let failover = matches!(record.routing, Routing::Failover(_));
            if failover && is_distribution(record) && earlier.iter().any(is_distribution) {
                return Err(GroupError::DistributionPair);
            }
        }
        Ok(Self { records })
    }

    /// The records in their order of definition.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

impl TryFrom<Vec<Record>> for Group {
    type Error = GroupError;

    fn try_from(records: Vec<Record>) -> Result<Self, GroupError> {
        Self::new(records)
    }
}

impl From<Group> for Vec<Record> {
    fn from(group: Group) -> Self {
        group.records
    }
}

/// Why records cannot share a name and a type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// There is none.
    #[error("a name without records has no answer")]
    Empty,
    /// One name and type has one routing policy.
    #[error("record {set_id:?} has another routing policy than the first of its name")]
    MixedRouting {
        /// The later record.
        set_id: String,
    },
    /// Set identifiers are unique.
    #[error("two records have the set identifier {set_id:?}")]
    SameSetId {
        /// The identifier.
        set_id: String,
    },
    /// Two primaries, two secondaries, one region twice, one location twice, or two simple records.
    #[error("record {set_id:?} repeats the role, region or location of an earlier one")]
    SameRouting {
        /// The later record.
        set_id: String,
    },
    /// `EvaluateTargetHealth` must be false for a CloudFront distribution.
    #[error("record {set_id:?} evaluates the health of a CloudFront distribution, which has none")]
    CannotEvaluate {
        /// The record.
        set_id: String,
    },
    /// Multivalue records have values.
    #[error("record {set_id:?} is multivalue and an alias")]
    MultivalueAlias {
        /// The record.
        set_id: String,
    },
    /// The alternate domain name of the records can belong to one distribution only.
    #[error("the primary and the secondary are both CloudFront distributions")]
    DistributionPair,
}

/// Everything whose health an answer may depend on. What is not given is an error, not a guess.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signals {
    checks: BTreeMap<String, Health>,
    resources: BTreeMap<String, Health>,
}

impl Signals {
    /// No signals.
    pub fn new() -> Self {
        Self::default()
    }

    /// The status of a health check, see [`Check::status`](super::health::Check::status).
    pub fn check(mut self, id: impl Into<String>, health: Health) -> Self {
        self.checks.insert(id.into(), health);
        self
    }

    /// The health of an evaluated alias target outside the zone, by its DNS name.
    pub fn resource(mut self, name: &str, health: Health) -> Self {
        self.resources.insert(canonical(name), health);
        self
    }
}

/// Where the query comes from, as far as latency and geolocation records ask for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    /// AWS regions, the one with the lowest latency first.
    pub nearest: Vec<String>,
    /// Where the viewer is.
    pub place: Place,
}

/// A place on the map; what is unknown is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Continent code.
    pub continent: Option<String>,
    /// Country code.
    pub country: Option<String>,
    /// Code of the country's subdivision.
    pub subdivision: Option<String>,
}

/// What queries for one name are answered with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// In the order of definition. Empty: no record matches the viewer's location, and the answer holds no data.
    pub shares: Vec<Share>,
}

/// A record at the end of the chain of aliases, and how often it is answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    /// Set identifiers from the queried name to the record.
    pub set_ids: Vec<String>,
    /// The record's values, or the name of the aliased resource.
    pub values: Vec<String>,
    /// Share of the queries whose answer contains this record, 0 to 1. The shares sum up to 1, except for multivalue records,
    /// which are answered together.
    pub share: f64,
    /// Somewhere on the way no record was healthy, and all were treated as healthy.
    pub last_resort: bool,
}

impl Answer {
    /// The record that answers every query, if there is exactly one.
    pub fn only(&self) -> Option<&Share> {
        match &self.shares[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Whether any part of the answer is a last resort.
    pub fn is_last_resort(&self) -> bool {
        self.shares.iter().any(|share| share.last_resort)
    }
}

/// Why there is no prediction of an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The zone has no such name.
    #[error("no record is named {name}")]
    NoSuchName {
        /// The name.
        name: String,
    },
    /// A record depends on a health check whose status was not given.
    #[error("the status of health check {id} is unknown")]
    UnknownCheck {
        /// Its id.
        id: String,
    },
    /// A record depends on a resource whose health was not given.
    #[error("the health of {name} is unknown")]
    UnknownResource {
        /// Its DNS name.
        name: String,
    },
    /// An alias leads back to itself.
    #[error("the alias records of {name} lead back to it")]
    AliasLoop {
        /// A name on the loop.
        name: String,
    },
    /// Latency records, and a viewer whose latency to none of their regions is known.
    #[error("the viewer's latency to the regions of {name} is unknown")]
    UnknownLatency {
        /// The name of the records.
        name: String,
    },
}

/// The records of a hosted zone that have one type, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    groups: BTreeMap<String, Group>,
}

impl Zone {
    /// An empty zone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces the records of a name.
    pub fn with(mut self, name: &str, group: Group) -> Self {
        self.groups.insert(canonical(name), group);
        self
    }

    /// What a query is answered with, wherever it comes from.
    ///
    /// # Errors
    /// See [`Zone::answer_to`]; latency records are an error, and of geolocation records only the default one matches.
    pub fn answer(&self, name: &str, signals: &Signals) -> Result<Answer, AnswerError> {
        self.answer_to(&Viewer::default(), name, signals)
    }

    /// What a query of this viewer is answered with.
    ///
    /// # Errors
    /// [`AnswerError`] if the answer depends on something that is not known, or if aliases form a loop.
    pub fn answer_to(&self, viewer: &Viewer, name: &str, signals: &Signals) -> Result<Answer, AnswerError> {
        let mut walk = Walk { zone: self, viewer, signals, trail: Vec::new(), shares: Vec::new() };
        walk.answer(&canonical(name), &[], 1.0, false)?;
        Ok(Answer { shares: walk.shares })
    }
}

/// One evaluation: where it stands, and what it has found.
struct Walk<'a> {
    zone: &'a Zone,
    viewer: &'a Viewer,
    signals: &'a Signals,
    /// Names being evaluated, outermost first.
    trail: Vec<String>,
    shares: Vec<Share>,
}

impl<'a> Walk<'a> {
    fn enter(&mut self, name: &str) -> Result<&'a [Record], AnswerError> {
        if self.trail.iter().any(|open| open == name) {
            return Err(AnswerError::AliasLoop { name: name.into() });
        }
        let group = self.zone.groups.get(name).ok_or_else(|| AnswerError::NoSuchName { name: name.into() })?;
        self.trail.push(name.into());
        Ok(&group.records)
    }

    fn answer(&mut self, name: &str, above: &[String], share: f64, last_resort: bool) -> Result<(), AnswerError> {
        let records = self.enter(name)?;
        let mut candidates = Vec::new();
        for record in records {
            if self.health(record)?.is_healthy() {
                candidates.push(record);
            }
        }
        let last_resort = last_resort || candidates.is_empty();
        if candidates.is_empty() {
            candidates = records.iter().collect();
        }
        for (record, part) in self.choose(name, &candidates)? {
            let (set_ids, share) = ([above, std::slice::from_ref(&record.set_id)].concat(), share * part);
            let values = match &record.target {
                Target::Values(values) => values.clone(),
                Target::Resource { name, .. } => vec![name.clone()],
                Target::Records { name, .. } => {
                    self.answer(&canonical(name), &set_ids, share, last_resort)?;
                    continue;
                }
            };
            self.shares.push(Share { set_ids, values, share, last_resort });
        }
        self.trail.pop();
        Ok(())
    }

    fn health(&mut self, record: &Record) -> Result<Health, AnswerError> {
        let checked = match &record.health_check {
            Some(id) => *self.signals.checks.get(id).ok_or_else(|| AnswerError::UnknownCheck { id: id.clone() })?,
            None => Health::Healthy,
        };
        let target = match &record.target {
            Target::Resource { name, evaluate: true, .. } => *self
                .signals
                .resources
                .get(&canonical(name))
                .ok_or_else(|| AnswerError::UnknownResource { name: name.clone() })?,
            Target::Records { name, evaluate: true } => {
                let mut any = false;
                for child in self.enter(&canonical(name))? {
                    any |= self.health(child)?.is_healthy();
                }
                self.trail.pop();
                Health::from(any)
            }
            _ => Health::Healthy,
        };
        // A health check and an evaluated target must both be healthy.
        Ok(Health::from(checked.is_healthy() && target.is_healthy()))
    }

    /// The candidates that are answered, with their share of the queries.
    fn choose(&self, name: &str, candidates: &[&'a Record]) -> Result<Vec<(&'a Record, f64)>, AnswerError> {
        let one = |record: Option<&&'a Record>| record.map(|record| (*record, 1.0)).into_iter().collect();
        let first_by = |rank: &dyn Fn(&Routing) -> Option<usize>| {
            let ranked = candidates.iter().filter_map(|record| Some((rank(&record.routing)?, record)));
            ranked.min_by_key(|(rank, _)| *rank).map(|(_, record)| record)
        };
        // `Group::new` accepts one policy per group, so the first record speaks for all.
        Ok(match candidates.first().map(|record| &record.routing) {
            None | Some(Routing::Simple) => one(candidates.first()),
            Some(Routing::Failover(_)) => one(first_by(&|routing| match routing {
                Routing::Failover(role) => Some(*role as usize),
                _ => None,
            })),
            Some(Routing::Latency(_)) => {
                let nearest = first_by(&|routing| match routing {
                    Routing::Latency(region) => self.viewer.nearest.iter().position(|near| near == region),
                    _ => None,
                });
                one(Some(nearest.ok_or_else(|| AnswerError::UnknownLatency { name: name.into() })?))
            }
            Some(Routing::Geolocation(_)) => {
                let matching = candidates.iter().filter_map(|record| match &record.routing {
                    Routing::Geolocation(location) if location.contains(&self.viewer.place) => Some((location, record)),
                    _ => None,
                });
                // The variants of `Location` are ordered from narrow to wide.
                one(matching.min_by_key(|(location, _)| *location).map(|(_, record)| record))
            }
            Some(Routing::Weighted(_)) => weighted(candidates),
            Some(Routing::Multivalue) => {
                let share = (MULTIVALUE_MAX as f64 / candidates.len() as f64).min(1.0);
                candidates.iter().map(|record| (*record, share)).collect()
            }
        })
    }
}

/// Positive weights share the queries; records of weight 0 share them equally when nothing else is left.
fn weighted<'a>(candidates: &[&'a Record]) -> Vec<(&'a Record, f64)> {
    let weight = |record: &Record| if let Routing::Weighted(weight) = record.routing { f64::from(weight) } else { 0.0 };
    let total: f64 = candidates.iter().map(|record| weight(record)).sum();
    if total == 0.0 {
        return candidates.iter().map(|record| (*record, 1.0 / candidates.len() as f64)).collect();
    }
    candidates.iter().filter(|r| weight(r) > 0.0).map(|record| (*record, weight(record) / total)).collect()
}

#[cfg(test)]
mod tests;
