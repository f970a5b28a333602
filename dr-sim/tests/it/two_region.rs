//! The two-region site on the simulated account, from nothing to nothing.

use dr_aws::constructs::{Edge, FailoverPair, Notifier, SecureApi, Site, ValidatedCertificate};
use dr_aws::regions::{UsEast1, UsWest2};
use dr_aws::route53::HostedZone;
use dr_core::driver::Applied;
use dr_core::engine::Outcome;
use dr_core::{BuildErrors, Global, Stack, cidr, stack};
use dr_sim::Aws;

fn shop() -> Result<Stack, BuildErrors> {
    stack!("shop", |east: UsEast1, west: UsWest2, global: Global| {
        let zone = global(HostedZone::new("example.com"));
        let name = "origin.example.com";
        let certificate = ValidatedCertificate::new(name, zone.id).request("certificate", &global, &east);
        let primary = east(Site::new(SecureApi::new(cidr!("10.0.0.0/16")).zones(3), name, certificate.arn));
        let standby = west(Site::new(SecureApi::new(cidr!("10.1.0.0/16")).zones(3), name, certificate.also_in(&west)));
        let origin = global(FailoverPair::new(name, zone.id, &primary, &standby));
        let _edge = global(Edge::new("mysecureapi.example.com", zone.id, &origin));
        let _notifier = global(Notifier::new(&primary, &standby).email("oncall@example.com"));
    })
}

/// Goal: the printed policy is enough. Method: every call of a whole life on the simulator is in it.
#[tokio::test]
async fn the_policy_of_a_program_allows_every_call_of_its_life() {
    let (aws, shop) = (Aws::new(1), shop().unwrap());
    let (applied, store) = aws.deploy(&shop).await.unwrap();
    assert!(applied.is_complete());
    // What is known is read by its types; the first deploy and a residue check read all types there are.
    let before = aws.clients().calls();
    assert!(matches!(aws.deploy_to(&shop, &store).await.unwrap(), Applied::Unchanged(_)));
    assert!(aws.destroy(&shop, &store).await.unwrap().is_complete());
    let allowed = dr_aws::permissions::actions(&shop);
    let read_only =
        |operation: &str| ["Describe", "Get", "List"].iter().any(|verb| operation.contains(&format!(":{verb}")));
    for (operation, calls) in aws.clients().calls() {
        // Reads of the first, everything-reading refresh alone are not the program's own.
        if read_only(&operation) && before.get(&operation) == Some(&calls) {
            continue;
        }
        for action in dr_aws::permissions::actions_of(&operation) {
            assert!(allowed.contains(&action), "{operation} needs {action}");
        }
    }
}

#[tokio::test]
async fn the_site_is_deployed_unchanged_the_second_time_and_gone_after_a_teardown() {
    let (aws, shop) = (Aws::new(1), shop().unwrap());
    let (applied, store) = aws.deploy(&shop).await.unwrap();
    let Applied::Ran { report, .. } = &applied else { panic!("something to do") };
    assert_eq!((report.outcome.clone(), &report.failed), (Outcome::Deployed, &Vec::new()));
    let again = aws.deploy_to(&shop, &store).await.unwrap();
    assert!(matches!(again, Applied::Unchanged(_)), "{}", again.plan());
    let gone = aws.destroy(&shop, &store).await.unwrap();
    let Applied::Ran { report, .. } = &gone else { panic!("something to do") };
    assert_eq!(report.failed, []);
    assert!(gone.is_complete());
}
