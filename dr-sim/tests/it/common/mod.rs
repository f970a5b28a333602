//! The two-region site, a store that can be copied, and a picture of a world that does not depend on its ids.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::print_stdout,
    reason = "each test uses a part of it, and prints what it measures"
)]

pub mod picture;
pub mod sweep;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dr_aws::Depth;
use dr_aws::constructs::{Edge, FailoverPair, Notifier, SecureApi, Site, ValidatedCertificate};
use dr_aws::regions::{UsEast1, UsWest2};
use dr_aws::route53::HostedZone;
use dr_core::driver::{Applied, Cancel, SessionError};
use dr_core::engine::Outcome;
use dr_core::journal::{self, Header, Replayed};
use dr_core::store::{ReadStore, StoreError, WriteStore};
use dr_core::{BoxFuture, FORMAT, Global, Stack, State, Status, cidr, stack};
use dr_sim::{Aws, Cloud, CrashPoint, Crashed};

/// The site of the reference article in two regions.
pub fn shop() -> Stack {
    let built = stack!("shop", |east: UsEast1, west: UsWest2, global: Global| {
        let zone = global(HostedZone::new("example.com"));
        let name = "origin.example.com";
        let certificate = ValidatedCertificate::new(name, zone.id).request("certificate", &global, &east);
        let primary = east(Site::new(SecureApi::new(cidr!("10.0.0.0/16")).zones(3), name, certificate.arn));
        let standby = west(Site::new(SecureApi::new(cidr!("10.1.0.0/16")).zones(3), name, certificate.also_in(&west)));
        let origin = global(FailoverPair::new(name, zone.id, &primary, &standby));
        let _edge = global(Edge::new("mysecureapi.example.com", zone.id, &origin));
        let _notifier = global(Notifier::new(&primary, &standby).email("oncall@example.com"));
    });
    built.unwrap_or_else(|errors: dr_core::BuildErrors| panic!("{errors}"))
}

/// The same site, changed: a zone less (VPC links are replaced, load balancers lose a subnet, a NAT gateway and its address
/// go), health checks of another interval (replaced under live records), another page (instances), another timeout in place.
pub fn changed() -> Stack {
    let built = stack!("shop", |east: UsEast1, west: UsWest2, global: Global| {
        let zone = global(HostedZone::new("example.com"));
        let name = "origin.example.com";
        let certificate = ValidatedCertificate::new(name, zone.id).request("certificate", &global, &east);
        let primary = SecureApi::new(cidr!("10.0.0.0/16")).zones(2).timeout_ms(20_000);
        let primary = primary.server(|server| server.page("second edition"));
        let standby = SecureApi::new(cidr!("10.1.0.0/16")).zones(2).timeout_ms(20_000);
        let standby = standby.server(|server| server.page("second edition"));
        let primary = east(Site::new(primary, name, certificate.arn).probes(30, 2));
        let standby = west(Site::new(standby, name, certificate.also_in(&west)).probes(30, 2));
        let origin = global(FailoverPair::new(name, zone.id, &primary, &standby));
        let _edge = global(Edge::new("mysecureapi.example.com", zone.id, &origin));
        let _notifier = global(Notifier::new(&primary, &standby).email("oncall@example.com"));
    });
    built.unwrap_or_else(|errors: dr_core::BuildErrors| panic!("{errors}"))
}

/// What a program is run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    Deploy,
    Destroy,
}

/// One process: runs the program to its end against an account and a store. It reads as the command does: in full after a run
/// that was interrupted, else what a plan needs.
pub async fn run(aws: &Aws, goal: Goal, graph: &Stack, store: &dyn WriteStore) -> Result<Applied, SessionError> {
    let settled = store.load().await?.state.is_settled();
    run_reading(if settled { Depth::Lean } else { Depth::Full }, aws, goal, graph, store).await
}

/// The same with a say in how much is read.
pub async fn run_reading(
    depth: Depth,
    aws: &Aws,
    goal: Goal,
    graph: &Stack,
    store: &dyn WriteStore,
) -> Result<Applied, SessionError> {
    aws.clients().set_depth(depth);
    let session = aws.session(graph);
    let (cancel, mut ignore) = (Cancel::new(), |_: &_, _, _: &_| {});
    match goal {
        Goal::Deploy => aws.drive(session.deploy(store, |_| true, &cancel, &mut ignore)).await,
        Goal::Destroy => aws.drive(session.destroy(store, |_| true, &cancel, &mut ignore)).await,
    }
}

/// A process that deploys and dies at a call, if it makes so many.
pub async fn run_until(
    point: CrashPoint,
    aws: &Aws,
    graph: &Stack,
    store: &dyn WriteStore,
) -> Result<Result<Applied, SessionError>, Crashed> {
    aws.cloud().faults().crash_at(point);
    let session = aws.session(graph);
    let (cancel, mut ignore) = (Cancel::new(), |_: &_, _, _: &_| {});
    aws.cloud().run(session.deploy(store, |_| true, &cancel, &mut ignore)).await
}

/// The resources of a program whose addresses begin so and that the state does not know to work.
pub fn not_working(state: &State, program: &Stack, prefix: &str) -> Vec<String> {
    let works = |address: &str| {
        let current = state.resources.get(address).and_then(|record| record.current.as_ref());
        current.is_some_and(|current| current.status == Status::Ready)
    };
    let addresses = program.nodes().map(|node| node.address.as_str());
    addresses.filter(|address| address.starts_with(prefix) && !works(address)).map(str::to_owned).collect()
}

/// Hours later: what was leaving has left, and EC2 has forgotten what was terminated.
pub fn settle(cloud: &Cloud) {
    cloud.clock().advance(Duration::from_secs(3 * 3600));
    cloud.with_world(|_| ());
}

/// Another process at the same account: clients of its own.
pub fn restarted(cloud: &Cloud) -> Aws {
    Aws::on(cloud.clone())
}

/// A copy of the account.
pub fn copy(cloud: &Cloud) -> Cloud {
    Cloud::load(&cloud.save().unwrap()).unwrap()
}

/// Runs an async test body on a runtime of this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Why a run is not what it should be, with all failed steps.
pub fn complete(applied: Result<Applied, SessionError>) -> Result<(), String> {
    match applied {
        Err(error) => Err(error.to_string()),
        Ok(Applied::Ran { report, .. }) if report.outcome != Outcome::Deployed => {
            let failed: Vec<String> = report.failed.iter().map(|f| format!("{f}: {}", f.source)).collect();
            Err(format!("{:?}: {} skipped, {}", report.outcome, report.skipped.len(), failed.join("\n    ")))
        }
        Ok(_) => Ok(()),
    }
}

/// A store in memory that can be copied as it is, as a disk can.
#[derive(Debug, Clone)]
pub struct Disk(Arc<Mutex<Content>>);

#[derive(Debug, Clone)]
struct Content {
    state: State,
    journal: Vec<u8>,
}

impl Disk {
    pub fn new() -> Self {
        Disk::of_lineage(&"0".repeat(32))
    }

    /// An empty one; names and tokens of resources come from the lineage.
    pub fn of_lineage(lineage: &str) -> Self {
        let (state, journal) = (State::new("shop", lineage), Vec::new());
        Disk(Arc::new(Mutex::new(Content { state, journal })))
    }

    /// What is written so far, on a disk of its own.
    pub fn copy(&self) -> Disk {
        Disk(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }

    /// Tells two contents of one history apart.
    pub fn position(&self) -> (u64, usize) {
        let content = self.0.lock().unwrap();
        (content.state.serial, content.journal.len())
    }

    pub fn state(&self) -> State {
        let content = self.0.lock().unwrap();
        journal::replay(content.state.clone(), &content.journal).unwrap().state
    }

    /// Everything that is recorded works, and nothing is left over from a replacement.
    pub fn check(&self) -> Result<(), String> {
        let state = self.state();
        state.check().map_err(|problem| problem.to_string())?;
        for (address, record) in &state.resources {
            if !record.deposed.is_empty() {
                return Err(format!("{address} has {} old copies", record.deposed.len()));
            }
            if record.current.as_ref().map(|current| current.status) != Some(Status::Ready) {
                return Err(format!("{address} is not ready: {:?}", record.current));
            }
        }
        Ok(())
    }
}

impl ReadStore for Disk {
    fn load(&self) -> BoxFuture<'_, Result<Replayed, StoreError>> {
        Box::pin(async {
            let content = self.0.lock().unwrap();
            journal::replay(content.state.clone(), &content.journal)
                .map_err(|source| StoreError::Journal { path: PathBuf::from("memory"), source })
        })
    }
}

impl WriteStore for Disk {
    fn append(&self, entries: Vec<u8>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.0.lock().unwrap().journal.extend_from_slice(&entries);
            Ok(())
        })
    }

    fn compact<'a>(&'a self, state: &'a State) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let header = Header {
                format: FORMAT,
                stack: state.stack.clone(),
                lineage: state.lineage.clone(),
                base: state.serial,
            };
            let journal = journal::encode_header(&header);
            *self.0.lock().unwrap() = Content { state: state.clone(), journal };
            Ok(())
        })
    }
}
