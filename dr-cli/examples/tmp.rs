use std::process::ExitCode;
use dr_aws::constructs::*;
use dr_aws::regions::*;
use dr_aws::route53::HostedZone;
use dr_core::*;
region!(role A = "alpha"); 
fn one() -> Result<Stack, BuildErrors> {
    Stack::build("api", |stack| { let r = stack.region_as(A, "eu-west-1"); r.add("api", SecureApi::new(cidr!("10.0.0.0/16")).zones(2)); })
}
fn three() -> Result<Stack, BuildErrors> {
    stack!("shop3", |east: UsEast1, west: UsWest2, eu: EuWest1, global: Global| {
        let zone = global(HostedZone::new("example.com"));
        let name = "origin.example.com";
        let certificate = ValidatedCertificate::new(name, zone.id).request("certificate", &global, &east);
        let primary = east(Site::new(SecureApi::new(cidr!("10.0.0.0/16")).zones(3), name, certificate.arn));
        let standby = west(Site::new(SecureApi::new(cidr!("10.1.0.0/16")).zones(3), name, certificate.also_in(&west)));
        let alone = eu(SecureApi::new(cidr!("10.2.0.0/16")));
        let origin = global(LatencyGroup::new(name, zone.id, &primary, &standby));
    })
}
fn net() -> Result<Stack, BuildErrors> {
    stack!("net", |east: UsEast1, west: UsWest2| {
        let net = east(Network::new(cidr!("10.0.0.0/16")).zones(3));
        let net = west(Network::new(cidr!("10.0.0.0/16")).zones(3));
    })
}
fn main() -> ExitCode {
    match std::env::var("P").as_deref() { Ok("3") => dr_cli::main(three), Ok("n") => dr_cli::main(net), _ => dr_cli::main(one) }
}
