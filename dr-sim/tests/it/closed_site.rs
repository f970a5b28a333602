//! A site that is closed but for the path that is probed, with TLS down to its load balancers, one role for all servers, and two
//! regions that share a name by weight.

use std::time::Duration;

use dr_aws::apigatewayv2::Authorization;
use dr_aws::checks::catalogue;
use dr_aws::constructs::{
    GrantPublish as _, Notifier, SecureApi, ServerRole, Site, ValidatedCertificate, WeightedGroup,
};
use dr_aws::regions::{UsEast1, UsWest2};
use dr_aws::route53::HostedZone;
use dr_aws::sns::Topic;
use dr_core::driver::Applied;
use dr_core::{BuildErrors, Global, Input, Inputs, IntoInput as _, Stack, cidr, stack};
use dr_sim::Aws;

const NAME: &str = "origin.example.com";

/// The regions' own endpoints.
#[derive(Inputs)]
struct Endpoints {
    primary: Input<String>,
    standby: Input<String>,
}

fn shop() -> Result<Stack<Endpoints>, BuildErrors> {
    stack!("shop", |east: UsEast1, west: UsWest2, global: Global| {
        let zone = global(HostedZone::new("example.com"));
        let certificate = ValidatedCertificate::new(NAME, zone.id).request("certificate", &global, &east);
        let (east_arn, west_arn) = (certificate.arn, certificate.also_in(&west));
        let role = global(ServerRole::new());
        let orders = east(Topic::new());
        let _rights = global(orders.grant_publish(role.role, "publish_orders"));

        let api = SecureApi::new(cidr!("10.0.0.0/16")).authorization(Authorization::Iam);
        let primary = east(Site::new(api.role(&role).tls(east_arn, NAME), NAME, east_arn).health_path("/live"));
        let api = SecureApi::new(cidr!("10.1.0.0/16")).authorization(Authorization::Iam);
        let standby = west(Site::new(api.role(&role).tls(west_arn, NAME), NAME, west_arn).health_path("/live"));
        let _origin = global(WeightedGroup::new(NAME, zone.id, (&primary, 1), (&standby, 0)).cname(20));
        let _notifier = global(Notifier::new(&primary, &standby));
        Endpoints { primary: primary.service.endpoint.into_input(), standby: standby.service.endpoint.into_input() }
    })
}

#[tokio::test]
async fn probes_find_an_open_path_and_the_answers_move_when_they_turn_red() {
    let (aws, shop) = (Aws::new(1), shop().unwrap());
    let open: Vec<_> = catalogue(&shop).into_iter().filter(|finding| finding.waived.is_none()).collect();
    assert_eq!(open, []);
    let (applied, store) = aws.deploy(&shop).await.unwrap();
    let Applied::Ran { state, report, .. } = &applied else { panic!("something to do") };
    assert!(applied.is_complete(), "{report:#?}");
    let endpoints: EndpointsArgs = shop.outputs(|address| state.outputs(address)).unwrap();
    let again = aws.deploy_to(&shop, &store).await.unwrap();
    assert!(matches!(again, Applied::Unchanged(_)), "{}", again.plan());

    for endpoint in [endpoints.primary, endpoints.standby] {
        for (path, status) in [("/live", 200), ("/", 403), ("/health", 403)] {
            let answer = aws.get(&format!("{endpoint}{path}")).await;
            assert_eq!(answer.status, status, "{path}: {answer}");
        }
    }
    // Weight 0 waits until the other is unhealthy.
    let region = || aws.resolve(NAME, "eu-west-1").map(|(_, region)| region.unwrap_or_default());
    assert_eq!(region().as_deref(), Ok("us-east-1"));
    aws.fail_region("us-east-1");
    aws.advance(Duration::from_secs(120)).await;
    assert_eq!(region().as_deref(), Ok("us-west-2"));
}
