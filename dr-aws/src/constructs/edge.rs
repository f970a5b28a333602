//! What viewers see: a CloudFront distribution with a name of its own in front of the failover name.

use std::fmt;
use std::rc::Rc;

use dr_core::{Construct, Global, Handle, Input, IntoInput, Output, Scope};

use crate::cloudfront::{Distribution, Origin};
use crate::constructs::{PairHandle, ValidatedCertificate};
use crate::ids::HostedZoneId;
use crate::regions::UsEast1;
use crate::route53::{Alias, RecordSet, RecordType};

/// A CloudFront distribution under a name of one's own, whose origin is a failover name: certificate (in `us-east-1`),
/// distribution and the final alias records, A and AAAA.
///
/// The distribution is built while the regions are: it needs the name of its origin and not its answer. Host is not forwarded,
/// since API Gateway knows the origin's name and not the viewer's; errors are not cached, since a cached error outlives the
/// failover.
#[derive(Clone)]
pub struct Edge {
    name: String,
    zone: Input<HostedZoneId>,
    origin: String,
    tune: Rc<dyn Fn(Distribution) -> Distribution>,
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Edge { name, zone, origin, tune: _ } = self;
        let mut edge = f.debug_struct("Edge");
        edge.field("name", name).field("zone", zone).field("origin", origin).finish_non_exhaustive()
    }
}

/// What [`Edge`] made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EdgeHandle {
    /// The distribution.
    pub distribution: Handle<Distribution>,
    /// `https://mysecureapi.example.com/`
    pub url: String,
    /// `d….cloudfront.net`
    pub domain_name: Output<String>,
}

impl Edge {
    /// The name `name` in the zone, served by CloudFront from the origin.
    pub fn new(name: impl Into<String>, zone: impl IntoInput<HostedZoneId>, origin: &PairHandle) -> Self {
        Edge {
            name: name.into(),
            zone: zone.into_input(),
            origin: origin.name.clone(),
            tune: Rc::new(|distribution| distribution),
        }
    }

    /// Changes the settings of the distribution. One [without IPv6](Distribution::without_ipv6) gets no AAAA record.
    #[must_use]
    pub fn tune(mut self, tune: impl Fn(Distribution) -> Distribution + 'static) -> Self {
        self.tune = Rc::new(tune);
        self
    }
}

impl Construct<Global> for Edge {
    type Handle = EdgeHandle;

    fn build(self, scope: Scope<'_, Global>) -> EdgeHandle {
        let certificate = ValidatedCertificate::new(self.name.as_str(), self.zone.clone()).request(
            "certificate",
            &scope,
            &scope.in_region::<UsEast1>(),
        );
        // Three tries of ten seconds would hold a request for half a minute on a region that is gone.
        let origin = Origin::new(self.origin.as_str()).connection(2, 3);
        let distribution = Distribution::new(origin).aliases([self.name.as_str()], certificate.arn);
        let distribution = (self.tune)(distribution);
        let mut records = vec![("a", RecordType::A)];
        if distribution.has_ipv6() {
            records.push(("aaaa", RecordType::Aaaa));
        }
        let distribution = scope.add("distribution", distribution);
        for (name, kind) in records {
            let alias = Alias::new(distribution.domain_name, distribution.hosted_zone);
            scope.add(name, RecordSet::alias(self.zone.clone(), self.name.as_str(), kind, alias));
        }
        let url = format!("https://{}/", self.name);
        EdgeHandle { domain_name: distribution.domain_name, distribution, url }
    }
}

#[cfg(test)]
mod tests {
    use dr_core::Stack;

    use super::*;

    /// A distribution with these settings in front of two records.
    fn edge(tune: impl Fn(Distribution) -> Distribution + 'static) -> Stack {
        Stack::build("shop", |stack| {
            let (global, zone) = (stack.region(Global), HostedZoneId::literal("Z1"));
            let _ = stack.region(UsEast1);
            let name = "origin.example.com".to_owned();
            let records = ["one", "other"].map(|answer| {
                let target = format!("{answer}.example.net");
                global.add(answer, RecordSet::cname(zone.clone(), name.as_str(), target).weighted(1, answer))
            });
            let edge = Edge::new("www.example.com", zone, &PairHandle { name, records });
            global.add("edge", edge.tune(tune));
        })
        .unwrap()
    }

    #[test]
    fn the_settings_of_the_distribution_may_come_from_values() {
        let seconds = "7".to_owned();
        let stack = edge(move |it| it.error_caching_s(seconds.parse().unwrap()));
        assert_eq!(stack.get("global/edge.distribution").unwrap().inputs["error_caching_s"], 7);
    }

    #[test]
    fn a_distribution_without_ipv6_has_no_aaaa_record() {
        let types = |stack: &Stack| {
            let own = stack.nodes_of("aws.route53.record_set").filter(|node| node.inputs["name"] == "www.example.com");
            own.map(|node| node.inputs["record_type"].to_string()).collect::<Vec<_>>()
        };
        assert_eq!(types(&edge(|it| it)), ["\"A\"", "\"AAAA\""]);
        assert_eq!(types(&edge(Distribution::without_ipv6)), ["\"A\""]);
    }
}
