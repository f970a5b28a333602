//! The two stages of the article "Building DR site with managed API Gateway", as one program: the same service in two regions,
//! a failover name, and CloudFront in front of it.
//!
//! ```text
//! cargo run --example two_region              # the whole story on the simulator
//! cargo run --example two_region -- plan      # and the commands: plan, deploy, status, graph, verify, destroy, …
//! ```

use std::process::ExitCode;

use dr_aws::constructs::{Edge, FailoverPair, Notifier, SecureApi, Site, ValidatedCertificate};
use dr_aws::regions::{UsEast1, UsWest2};
use dr_aws::route53::HostedZone;
use dr_core::{BuildErrors, Global, Input, Inputs, IntoInput as _, Stack, cidr, stack};

/// What the program promises: known after a deploy, with their types.
#[derive(Inputs)]
struct Outputs {
    /// What users see.
    url: String,
    /// The regions' own endpoints.
    primary: Input<String>,
    standby: Input<String>,
}

fn shop() -> Result<Stack<Outputs>, BuildErrors> {
    stack!("shop", |east: UsEast1, west: UsWest2, global: Global| {
        let zone = global(HostedZone::new("example.com"));
        let name = "origin.example.com";
        let certificate = ValidatedCertificate::new(name, zone.id).request("certificate", &global, &east);

        let primary = east(Site::new(SecureApi::new(cidr!("10.0.0.0/16")).zones(3), name, certificate.arn));
        let standby = west(Site::new(SecureApi::new(cidr!("10.1.0.0/16")).zones(3), name, certificate.also_in(&west)));

        let origin = global(FailoverPair::new(name, zone.id, &primary, &standby));
        let edge = global(Edge::new("mysecureapi.example.com", zone.id, &origin));
        let _notifier = global(Notifier::new(&primary, &standby).email("oncall@example.com"));

        Outputs {
            url: edge.url,
            primary: primary.service.endpoint.into_input(),
            standby: standby.service.endpoint.into_input(),
        }
    })
}

fn main() -> ExitCode {
    dr_cli::main(shop)
}
