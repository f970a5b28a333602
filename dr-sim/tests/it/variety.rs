//! One site after another on one account, drawn at random from what the constructs can say: whatever a site was before, a deploy
//! makes of it what a first deploy would have made, finds nothing to do afterwards, and a destroy leaves nothing.

use std::ops::Range;
use std::time::Duration;

use dr_aws::Depth;
use dr_aws::apigatewayv2::Authorization;
use dr_aws::constructs::{
    Edge, FailoverPair, LatencyGroup, Network, Notifier, PairHandle, SecureApi, Site, SiteHandle, ValidatedCertificate,
    WeightedGroup,
};
use dr_aws::ids::CertificateArn;
use dr_aws::regions::{UsEast1, UsWest2};
use dr_aws::route53::HostedZone;
use dr_core::driver::{Applied, SessionError};
use dr_core::{Cidr, Global, Output, PlanError, PlanErrors, Region, Scope, Stack, cidr};
use dr_sim::{Aws, CrashPoint, Fault, Target};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::common::picture::{Picture, Vocabulary};
use crate::common::{Disk, Goal, block_on, complete, restarted, run, run_until, settle};

const NAME: &str = "origin.example.com";
const OWNER: &str = "oncall@example.com";

/// What one region can be.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Half {
    range: Cidr,
    zones: u32,
    nat_gateways: Option<u32>,
    servers: usize,
    page: &'static str,
    port: u16,
    closed: bool,
    second: Option<&'static str>,
    tls: bool,
    health_path: &'static str,
    link_zones: usize,
    deregistration_s: u16,
    probes: (u32, u32),
}

/// How the regions share their name.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sharing {
    Failover,
    Latency,
    Weighted(u8, u8),
}

/// What a site can be.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Shop {
    primary: Half,
    standby: Half,
    sharing: Sharing,
    cname: Option<u32>,
    edge: bool,
    notifier: bool,
    email: bool,
}

fn half(ranges: [Cidr; 2]) -> impl Strategy<Value = Half> {
    let network = (select(ranges.to_vec()), 2..=3_u32, select(&[None, Some(1)][..]));
    let server = (1..=3_usize, select(&["one", "two"][..]), select(&[80, 8080][..]));
    let service = (any::<bool>(), select(&[None, Some("/reports"), Some("/audit")][..]), any::<bool>());
    let health = (select(&["/health", "/live"][..]), select(&[(10, 3), (30, 2)][..]));
    let rest = (select(&[usize::MAX, 2][..]), select(&[0, 60][..]));
    (network, server, service, health, rest).prop_map(|(network, server, service, health, rest)| Half {
        range: network.0,
        zones: network.1,
        nat_gateways: network.2,
        servers: server.0,
        page: server.1,
        port: server.2,
        closed: service.0,
        second: service.1,
        tls: service.2,
        health_path: health.0,
        probes: health.1,
        link_zones: rest.0,
        deregistration_s: rest.1,
    })
}

fn any_shop() -> impl Strategy<Value = Shop> {
    let halves =
        (half([cidr!("10.0.0.0/16"), cidr!("10.8.0.0/16")]), half([cidr!("10.1.0.0/16"), cidr!("10.9.0.0/16")]));
    let sharing = select(&[Sharing::Failover, Sharing::Latency, Sharing::Weighted(9, 1), Sharing::Weighted(1, 0)][..]);
    (halves, sharing, select(&[None, Some(20), Some(60)][..]), any::<[bool; 3]>()).prop_map(
        |((primary, standby), sharing, cname, [edge, notifier, email])| Shop {
            primary,
            standby,
            sharing,
            cname,
            edge,
            notifier,
            email,
        },
    )
}

impl Half {
    fn build<R: Region>(
        self,
        region: &Scope<'_, R>,
        name: &str,
        certificate: Output<CertificateArn<R>>,
    ) -> SiteHandle<R> {
        let network = Network::new(self.range).zones(self.zones);
        let network = self.nat_gateways.map_or(network.clone(), |count| network.nat_gateways(count));
        let api = SecureApi::new(self.range).network(network).servers(self.servers).link_zones(self.link_zones);
        let api = api.server(move |server| server.page(self.page).port(self.port));
        let api = api.alb(move |alb| alb.deregistration_delay_s(self.deregistration_s));
        let api = if self.closed { api.authorization(Authorization::Iam) } else { api };
        let api = match self.second {
            Some(path) => api.second_alb(path, |server| server.page("the other")),
            None => api,
        };
        let api = if self.tls { api.tls(certificate, NAME) } else { api };
        let (interval_s, threshold) = self.probes;
        region.add(name, Site::new(api, NAME, certificate).health_path(self.health_path).probes(interval_s, threshold))
    }
}

impl Shop {
    fn stack(self) -> Stack {
        self.accepting(&[])
    }

    /// The program, in which these resources are other ones, however equal.
    fn accepting(self, not_moved: &[(String, String)]) -> Stack {
        let built = Stack::build("shop", |stack| {
            not_moved.iter().for_each(|(old, new)| stack.not_moved(old, new));
            let (east, west, global) = (stack.region(UsEast1), stack.region(UsWest2), stack.region(Global));
            let zone = global.add("zone", HostedZone::new("example.com"));
            let certificate = ValidatedCertificate::new(NAME, zone.id).request("certificate", &global, &east);
            let primary = self.primary.build(&east, "primary", certificate.arn);
            let standby = self.standby.build(&west, "standby", certificate.also_in(&west));
            let origin: PairHandle = match (self.sharing, self.cname) {
                (Sharing::Failover, ttl) => {
                    let pair = FailoverPair::new(NAME, zone.id, &primary, &standby);
                    global.add("origin", ttl.map_or(pair.clone(), |ttl| pair.cname(ttl)))
                }
                (Sharing::Latency, ttl) => {
                    let group = LatencyGroup::new(NAME, zone.id, &primary, &standby);
                    global.add("origin", ttl.map_or(group.clone(), |ttl| group.cname(ttl)))
                }
                (Sharing::Weighted(one, other), ttl) => {
                    let group = WeightedGroup::new(NAME, zone.id, (&primary, one), (&standby, other));
                    global.add("origin", ttl.map_or(group.clone(), |ttl| group.cname(ttl)))
                }
            };
            if self.edge {
                global.add("edge", Edge::new("www.example.com", zone.id, &origin));
            }
            if self.notifier {
                let notifier = Notifier::new(&primary, &standby);
                global.add("notifier", if self.email { notifier.email(OWNER) } else { notifier });
            }
        });
        built.unwrap_or_else(|errors| panic!("{self:#?}: {errors}"))
    }

    /// What a first deploy of it gives.
    async fn fresh(self) -> Result<(Vocabulary, Picture), String> {
        // Both call the zones by the same names.
        let sides = [(1, "4"), (12, "5")].map(|(seed, digit)| (Aws::new(seed), Disk::of_lineage(&digit.repeat(32))));
        for (aws, disk) in &sides {
            complete(run(aws, Goal::Deploy, &self.stack(), disk).await).map_err(|why| format!("at first: {why}"))?;
            settle(aws.cloud());
        }
        let words = Vocabulary::of(&[sides[0].0.cloud(), sides[1].0.cloud()]);
        let picture = Picture::of(sides[0].0.cloud(), &words);
        Ok((words, picture))
    }
}

/// What happens to the calls of a deploy.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Weather {
    Good,
    /// Calls are throttled, answers are lost, and what is new is not in the lists yet.
    Bad,
    /// Processes die, and the program goes on to the next site before one is done.
    Deadly,
}

impl Weather {
    fn begin(self, aws: &Aws) {
        if self == Weather::Bad {
            aws.cloud().set_stale_reads(Duration::from_secs(2));
            aws.cloud().faults().share(Target::any(), 0.03, Fault::Lost);
            aws.cloud().faults().share(Target::any(), 0.1, Fault::Throttle);
        }
    }

    fn end(aws: &Aws) {
        aws.cloud().faults().clear();
        aws.cloud().set_stale_reads(Duration::ZERO);
    }
}

/// A site, and where its first process would die.
type Chapter = (Shop, CrashPoint);

fn any_chapter() -> impl Strategy<Value = Chapter> {
    let point = (1..600_u64, any::<bool>());
    (any_shop(), point)
        .prop_map(|(shop, (at, after))| (shop, if after { CrashPoint::After(at) } else { CrashPoint::Before(at) }))
}

/// Deploys a site, and says of what looks like a rename that it is none, as the plan asks for.
async fn deploy(aws: &Aws, shop: Shop, disk: &Disk) -> (Stack, Result<Applied, SessionError>) {
    let program = shop.stack();
    match run(aws, Goal::Deploy, &program, disk).await {
        Err(SessionError::Plan(errors)) => {
            let program = shop.accepting(&renamed(&errors));
            let applied = run(aws, Goal::Deploy, &program, disk).await;
            (program, applied)
        }
        applied => (program, applied),
    }
}

fn renamed(errors: &PlanErrors) -> Vec<(String, String)> {
    let renamed = errors.0.iter().filter_map(|error| match error {
        PlanError::Renamed { old, new } => Some((old.to_string(), new.to_string())),
        _ => None,
    });
    renamed.collect()
}

/// A process that deploys a site and dies at a call, if it makes so many.
async fn die(aws: &Aws, shop: Shop, disk: &Disk, point: CrashPoint) -> Result<(), String> {
    let mut program = shop.stack();
    loop {
        let process = restarted(aws.cloud());
        process.clients().set_depth(if disk.state().is_settled() { Depth::Lean } else { Depth::Full });
        match run_until(point, &process, &program, disk).await {
            Ok(Err(SessionError::Plan(errors))) if !renamed(&errors).is_empty() => {
                program = shop.accepting(&renamed(&errors));
            }
            Ok(Err(error)) => return Err(error.to_string()),
            Ok(Ok(_)) | Err(_) => break,
        }
    }
    aws.cloud().faults().clear();
    Ok(())
}

/// Deploys the sites one after the other; what is wrong.
async fn life(chapters: &[Chapter], weather: Weather) -> Result<(), String> {
    let (aws, disk) = (Aws::new(1), Disk::new());
    let last = chapters.len() - 1;
    let mut program = None;
    for (at, &(shop, point)) in chapters.iter().enumerate() {
        let place = format!("site {at}");
        if weather == Weather::Deadly {
            die(&aws, shop, &disk, point).await.map_err(|why| format!("{place}, dying: {why}"))?;
            aws.confirm_subscriptions(OWNER);
            if at < last {
                continue;
            }
        }
        let aws = restarted(aws.cloud());
        weather.begin(&aws);
        let (deployed, applied) = deploy(&aws, shop, &disk).await;
        Weather::end(&aws);
        complete(applied).map_err(|why| format!("{place}: {why}"))?;
        // What nobody has confirmed cannot be taken away: it goes by itself, days later.
        aws.confirm_subscriptions(OWNER);
        disk.check().map_err(|why| format!("{place}: {why}"))?;
        let again = run(&aws, Goal::Deploy, &deployed, &disk).await.map_err(|error| format!("{place}: {error}"))?;
        if !matches!(again, Applied::Unchanged(_)) {
            return Err(format!("{place}: it is not done after a deploy: {}", again.plan()));
        }
        let (words, picture) = shop.fresh().await?;
        settle(aws.cloud());
        Picture::of(aws.cloud(), &words).compare(&picture).map_err(|why| format!("{place}: {why}"))?;
        program = Some(deployed);
    }
    let program = program.expect("the last one was deployed");
    complete(run(&aws, Goal::Destroy, &program, &disk).await).map_err(|why| format!("at last: {why}"))?;
    settle(aws.cloud());
    // Without its state, whatever is left would be found by its ownership.
    let left = run(&aws, Goal::Destroy, &program, &Disk::new()).await.map_err(|error| format!("at last: {error}"))?;
    if matches!(left, Applied::Unchanged(_)) { Ok(()) } else { Err(format!("left at last: {}", left.plan())) }
}

/// These lives of always the same ones; one that fails is told in full.
fn lives(numbers: Range<usize>, weather: Weather) {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = proptest::collection::vec(any_chapter(), 3);
    for at in 0..numbers.end {
        let chapters = strategy.new_tree(&mut runner).expect("a life").current();
        if at >= numbers.start {
            let end = block_on(life(&chapters, weather));
            end.unwrap_or_else(|why| panic!("life {at}: {why}\n{chapters:#?}"));
        }
    }
}

#[test]
fn whatever_a_site_was_before_it_becomes_what_the_program_says() {
    lives(0..6, Weather::Good);
}

#[test]
fn and_so_it_does_in_bad_weather() {
    lives(6..9, Weather::Bad);
}

#[test]
fn and_so_it_does_when_processes_die_on_the_way() {
    lives(9..17, Weather::Deadly);
}

/// More of them, when they are asked for: `LIVES=100..200 WEATHER=deadly cargo test -p dr-sim --test it lives_that_are_asked_for`.
#[test]
fn lives_that_are_asked_for() {
    let Ok(asked) = std::env::var("LIVES") else { return };
    let (from, to) = asked.split_once("..").expect("LIVES=100..200");
    let weather = match std::env::var("WEATHER").as_deref() {
        Ok("bad") => Weather::Bad,
        Ok("deadly") => Weather::Deadly,
        _ => Weather::Good,
    };
    lives(from.parse().expect("a number")..to.parse().expect("a number"), weather);
}
