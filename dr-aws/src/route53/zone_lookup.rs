//! `aws.route53.zone_lookup`: a public zone that exists already, by its name.
//!
//! API: ListHostedZonesByName (Route 53 2013-04-01).

use dr_core::{Class, CloudError, Cx, Found, Global, Health, Lifecycle, Outputs, Prior, Resource, Scan, Wanted};

use super::bare;
use super::name::same;
use crate::Aws;
use crate::call::Call as _;
use crate::ids::HostedZoneId;
use crate::read::found_by_key;

/// A public hosted zone of the account that exists already, looked up by its name; never changed or deleted.
///
/// Several public zones may have one name, and only one of them is the delegated one: then the program has to say which,
/// as [`HostedZoneId::literal`].
///
/// - Inputs: the name.
/// - Ready: at once: it is looked up before anything is made.
/// - Calls: ListHostedZonesByName.
/// - AWS: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListHostedZonesByName.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.route53.zone_lookup", outputs = ZoneLookupOutputs, region = Global, lookup)]
pub struct ZoneLookup {
    /// The domain.
    name: String,
}

/// What is known of the zone.
#[derive(Debug, Clone, PartialEq, Outputs)]
#[non_exhaustive]
pub struct ZoneLookupOutputs {
    /// Its id, `Z…`.
    pub id: HostedZoneId,
    /// The domain.
    pub name: String,
}

impl ZoneLookup {
    /// The public zone of a domain.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        ZoneLookup { name: name.into() }
    }
}

const CALL: &str = "route53:ListHostedZonesByName";

/// The zone of that name, when there is exactly one. Zones of one name stand together in the list.
async fn find(aws: &Aws, args: &ZoneLookupArgs) -> Result<Option<ZoneLookupOutputs>, CloudError> {
    let answer = aws.route53().list_hosted_zones_by_name().dns_name(&args.name).send().await.call(CALL)?;
    let public = |zone: &&aws_sdk_route53::types::HostedZone| {
        same(zone.name(), &args.name) && zone.config().is_none_or(|config| !config.private_zone())
    };
    let ids: Vec<&str> = answer.hosted_zones().iter().filter(public).map(|zone| bare(zone.id())).collect();
    match ids.as_slice() {
        [] => Ok(None),
        [id] => Ok(Some(ZoneLookupOutputs { id: HostedZoneId::literal(*id), name: args.name.clone() })),
        several => {
            let text = format!("{} public zones are called {}: {}", several.len(), args.name, several.join(", "));
            let error = CloudError::new(CALL, "AmbiguousZone", text, Class::Permanent);
            Err(error.hint("name the delegated one in the program: `HostedZoneId::literal(\"Z…\")`"))
        }
    }
}

fn never() -> CloudError {
    CloudError::new(CALL, "LookedUp", "a zone that is looked up is never changed", Class::Permanent)
}

impl Lifecycle for ZoneLookup {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let mut found = Vec::new();
        for want in wanted {
            if let Some(outputs) = find(&scan.cloud, &want.args).await? {
                found.push(found_by_key(want, want.args.clone(), outputs, Health::Ready));
            }
        }
        Ok(found)
    }

    async fn create(_: &Cx<Aws>, _: &ZoneLookupArgs) -> Result<ZoneLookupOutputs, CloudError> {
        Err(never())
    }

    async fn update(_: &Cx<Aws>, _: &Prior<Self>, _: &ZoneLookupArgs) -> Result<ZoneLookupOutputs, CloudError> {
        Err(never())
    }

    async fn delete(_: &Cx<Aws>, _: &Prior<Self>) -> Result<(), CloudError> {
        Err(never())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_route53::Client;
    use aws_sdk_route53::operation::list_hosted_zones_by_name::ListHostedZonesByNameOutput;
    use aws_sdk_route53::types::{HostedZone, HostedZoneConfig};
    use aws_smithy_mocks::mock;

    use super::*;

    /// What the lookup of `example.com` finds among these zones: id, name, whether it is private.
    async fn lookup(zones: &'static [(&str, &str, bool)]) -> Result<Option<ZoneLookupOutputs>, CloudError> {
        let rule = mock!(Client::list_hosted_zones_by_name).then_output(|| {
            let zones = zones.iter().map(|(id, name, private)| {
                let config = HostedZoneConfig::builder().private_zone(*private).build();
                let zone = HostedZone::builder().id(format!("/hostedzone/{id}")).name(*name).caller_reference("r");
                zone.config(config).build().unwrap()
            });
            let answer = ListHostedZonesByNameOutput::builder().set_hosted_zones(Some(zones.collect()));
            answer.is_truncated(false).max_items(100).build().unwrap()
        });
        find(&Aws::mocked(&[&rule]), &ZoneLookupArgs { name: "Example.com".into() }).await
    }

    #[tokio::test]
    async fn the_only_public_zone_of_the_name_is_it() {
        let found =
            lookup(&[("Z1", "example.com.", true), ("Z2", "example.com.", false), ("Z3", "example.net.", false)]);
        assert_eq!(found.await.unwrap().unwrap().id.as_str(), "Z2");
        assert_eq!(lookup(&[("Z3", "example.net.", false)]).await.unwrap(), None);
        let error = lookup(&[("Z1", "example.com.", false), ("Z2", "example.com.", false)]).await.unwrap_err();
        assert!(error.message.contains("Z1, Z2"), "{error}");
    }
}
