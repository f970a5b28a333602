//! A small site in two regions with a failover pair, and how its commands are run.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::path::Path;

use dr_aws::apigatewayv2::Authorization;
use dr_aws::constructs::{Edge, FailoverPair, Notifier, SecureApi, Site, ValidatedCertificate};
use dr_aws::regions::{UsEast1, UsWest2};
use dr_aws::route53::{HostedZone, ZoneLookup};
use dr_core::{BuildErrors, Builder, Global, Stack, cidr};
use serde_json::Value;

/// The name that both regions answer, kept for this many seconds, or as an alias.
fn with_ttl(ttl_s: Option<u32>) -> Result<Stack, BuildErrors> {
    site(ttl_s, false)
}

fn site(ttl_s: Option<u32>, guarded: bool) -> Result<Stack, BuildErrors> {
    build(ttl_s, guarded, |_| {})
}

fn build(ttl_s: Option<u32>, guarded: bool, more: impl FnOnce(&Builder)) -> Result<Stack, BuildErrors> {
    Stack::build("shop", |stack| {
        more(stack);
        let (east, west, global) = (stack.region(UsEast1), stack.region(UsWest2), stack.region(Global));
        let zone = global.add("zone", HostedZone::new("example.com"));
        let name = "origin.example.com";
        let certificate = ValidatedCertificate::new(name, zone.id).request("certificate", &global, &east);
        let (primary, standby) = (SecureApi::new(cidr!("10.0.0.0/16")), SecureApi::new(cidr!("10.1.0.0/16")));
        let (primary, standby) = match guarded {
            true => (primary.authorization(Authorization::Iam), standby.authorization(Authorization::Iam)),
            false => (primary, standby),
        };
        let primary = east.add("primary", Site::new(primary, name, certificate.arn));
        let standby = west.add("standby", Site::new(standby, name, certificate.also_in(&west)));
        let origin = FailoverPair::new(name, zone.id, &primary, &standby);
        let origin = global.add("origin", ttl_s.into_iter().fold(origin, FailoverPair::cname));
        global.add("edge", Edge::new("www.example.com", zone.id, &origin));
        global.add("notifier", Notifier::new(&primary, &standby).email("oncall@example.com"));
    })
}

/// The site.
pub fn pair() -> Result<Stack, BuildErrors> {
    with_ttl(Some(30))
}

/// The site, whose name's answer is kept for half an hour.
pub fn slow_pair() -> Result<Stack, BuildErrors> {
    with_ttl(Some(1800))
}

/// The site with alias records, which is what a pair has by default.
pub fn alias_pair() -> Result<Stack, BuildErrors> {
    with_ttl(None)
}

/// The site, whose callers have to sign their requests.
pub fn guarded_pair() -> Result<Stack, BuildErrors> {
    site(Some(30), true)
}

/// The site, in a program that looks up something that nobody has read yet.
pub fn pair_with_lookup() -> Result<Stack, BuildErrors> {
    let with_lookup = |stack: &Builder| {
        stack.region(Global).add("other", ZoneLookup::new("example.net"));
    };
    build(Some(30), false, with_lookup)
}

/// Runs a command: exit code, output, error output.
pub fn run<O>(
    program: impl Fn() -> Result<Stack<O>, BuildErrors> + 'static,
    dir: &Path,
    args: &[&str],
) -> (u8, String, String)
where
    O: dr_core::Inputs + 'static,
    O::Args: serde::Serialize,
{
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = [args, &["--state", dir.to_str().expect("a path of letters")]].concat();
    let code = dr_cli::run(program, args, &mut out, &mut err);
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (code, text(out), text(err))
}

/// The last event.
pub fn done(out: &str) -> Value {
    serde_json::from_str(out.lines().last().expect("there is a last line")).expect("it is JSON")
}
