//! What viewers see: a CloudFront distribution with a name of its own in front of the failover name.

use dr_core::{Construct, Global, Handle, Input, IntoInput, Output, Scope};

use crate::cloudfront::{Distribution, Origin};
use crate::constructs::{PairHandle, ValidatedCertificate};
use crate::ids::HostedZoneId;
use crate::regions::UsEast1;
use crate::route53::{Alias, RecordSet, RecordType};

/// A CloudFront distribution under a name of one's own, whose origin is a failover name: certificate (in `us-east-1`),
/// distribution and the final alias records.
///
/// The distribution is built while the regions are: it needs the name of its origin and not its answer. Host is not forwarded,
/// since API Gateway knows the origin's name and not the viewer's; errors are not cached, since a cached error outlives the
/// failover.
#[derive(Debug, Clone)]
pub struct Edge {
    name: String,
    zone: Input<HostedZoneId>,
    origin: String,
    tune: fn(Distribution) -> Distribution,
}

/// What [`Edge`] made.
#[derive(Debug, Clone)]
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
            tune: |distribution| distribution,
        }
    }

    /// Changes the settings of the distribution.
    #[must_use]
    pub fn tune(mut self, tune: fn(Distribution) -> Distribution) -> Self {
        self.tune = tune;
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
        let distribution = scope.add("distribution", (self.tune)(distribution));
        for (name, kind) in [("a", RecordType::A), ("aaaa", RecordType::Aaaa)] {
            let alias = Alias::new(distribution.domain_name, distribution.hosted_zone);
            scope.add(name, RecordSet::alias(self.zone.clone(), self.name.as_str(), kind, alias));
        }
        let url = format!("https://{}/", self.name);
        EdgeHandle { domain_name: distribution.domain_name, distribution, url }
    }
}
