//! A user's own unit test of a failover: `cargo test --example failover_test`.

use dr_aws::constructs::{Edge, FailoverPair, SecureApi, Site, ValidatedCertificate};
use dr_aws::regions::{UsEast1, UsWest2};
use dr_aws::route53::HostedZone;
use dr_core::{BuildErrors, Global, Stack, cidr, stack};

/// The program under test.
fn shop() -> Result<Stack, BuildErrors> {
    stack!("shop", |east: UsEast1, west: UsWest2, global: Global| {
        let zone = global(HostedZone::new("example.com"));
        let name = "origin.example.com";
        let certificate = ValidatedCertificate::new(name, zone.id).request("certificate", &global, &east);
        let primary = east(Site::new(SecureApi::new(cidr!("10.0.0.0/16")), name, certificate.arn));
        let standby = west(Site::new(SecureApi::new(cidr!("10.1.0.0/16")), name, certificate.also_in(&west)));
        let origin = global(FailoverPair::new(name, zone.id, &primary, &standby));
        let _edge = global(Edge::new("shop.example.com", zone.id, &origin));
    })
}

fn main() -> Result<(), BuildErrors> {
    shop().map(drop)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dr_sim::Aws;

    use super::shop;

    #[tokio::test]
    async fn users_are_served_by_the_standby_after_more_than_the_worst_time_of_rto() {
        let (aws, shop) = (Aws::new(1), shop().unwrap());
        let (applied, _store) = aws.deploy(&shop).await.unwrap();
        assert!(applied.is_complete());
        aws.advance(Duration::from_secs(150)).await;
        let before = aws.get("https://shop.example.com/orders").await;
        assert_eq!((before.status, before.region.as_deref()), (200, Some("us-east-1")), "{before}");

        // More than the worst time that `rto` predicts for a lost region.
        aws.fail_region("us-east-1");
        aws.advance(Duration::from_secs(150)).await;
        let during = aws.get("https://shop.example.com/orders").await;
        assert_eq!((during.status, during.region.as_deref()), (200, Some("us-west-2")), "{during}");

        aws.heal();
        aws.advance(Duration::from_secs(150)).await;
        let after = aws.get("https://shop.example.com/orders").await;
        assert_eq!((after.status, after.region.as_deref()), (200, Some("us-east-1")), "{after}");
    }
}
