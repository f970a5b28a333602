//! The simulated account as a user of dr has it: deploy a program, request its URLs, break things, let time pass.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dr_core::driver::{Applied, Cancel, Clock, Session, SessionError};
use dr_core::engine::{Limits, Notice, Run, Time};
use dr_core::store::{MemoryStore, WriteStore};
use dr_core::{BoxFuture, Graph, Registry};
use serde::{Deserialize, Serialize};

use crate::clock::SimClock;
use crate::cloud::{Cloud, LoadError};
use crate::data::{Caches, DataFault, DataFaults, Health, HealthEvent, Internet, Message, Request, Response};

/// A simulated AWS account with everything that dr needs to deploy to it. Clones are the same account.
///
/// All of its async functions run in virtual time: a deploy of ten minutes takes a moment, on any executor.
#[derive(Clone)]
pub struct Aws {
    cloud: Cloud,
    clients: Arc<dr_aws::Aws>,
    plane: Arc<Mutex<Plane>>,
}

/// What lives beside the configuration: who probes, what is cached, what is broken.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Plane {
    health: Health,
    caches: Caches,
    faults: DataFaults,
}

/// A saved account.
#[derive(Serialize, Deserialize)]
struct Saved {
    cloud: String,
    plane: Plane,
}

impl std::fmt::Debug for Aws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aws").field("cloud", &self.cloud).finish_non_exhaustive()
    }
}

impl Aws {
    /// An empty account. Equal seeds and equal calls give equal accounts, ids and times.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Aws::on(Cloud::new(seed))
    }

    /// An account in a cloud that was set up by hand, with faults or jitter for example.
    #[must_use]
    pub fn on(cloud: Cloud) -> Self {
        let clients = dr_aws::Aws::builder()
            .sdk_config(cloud.sdk_config("us-east-1"))
            .interceptor(cloud.interceptor())
            .credentials(cloud.credentials())
            .http_client(cloud.http_client())
            .sleep(cloud.sleep())
            .time_source(cloud.time_source())
            .build();
        let health = Health::new(cloud.with_world(|world| world.seed), cloud.clock().now_ms());
        let plane = Plane { health, caches: Caches::new(), faults: DataFaults::none() };
        Aws { cloud, clients: Arc::new(clients), plane: Arc::new(Mutex::new(plane)) }
    }

    /// The account saved in a file, or a new one when there is no such file.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or was written by a later version.
    pub fn open(path: &Path, seed: u64) -> Result<Self, OpenError> {
        match std::fs::read_to_string(path) {
            Ok(saved) => {
                let Saved { cloud, plane } = serde_json::from_str(&saved).map_err(LoadError::from)?;
                let aws = Aws::on(Cloud::load(&cloud)?);
                *aws.plane() = plane;
                Ok(aws)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Aws::new(seed)),
            Err(error) => Err(error.into()),
        }
    }

    /// Saves the account to a file, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        let saved = Saved { cloud: self.cloud.save().map_err(std::io::Error::from)?, plane: self.plane().clone() };
        let saved = serde_json::to_string(&saved).map_err(std::io::Error::from)?;
        let next = path.with_extension("next");
        std::fs::write(&next, saved)?;
        std::fs::rename(&next, path)
    }

    /// The cloud behind it: its world, faults and log of calls.
    #[must_use]
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The clients of the account, as [`dr_aws`] uses them.
    #[must_use]
    pub fn clients(&self) -> &Arc<dr_aws::Aws> {
        &self.clients
    }

    /// All resource types of [`dr_aws`], on this account.
    #[must_use]
    pub fn registry(&self) -> Registry {
        dr_aws::registry(&self.clients)
    }

    /// The virtual clock, for a [`Session`].
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(VirtualClock(self.cloud.clock().clone()))
    }

    /// Seconds of virtual time since the Unix epoch.
    #[must_use]
    pub fn now_s(&self) -> f64 {
        self.cloud.clock().now_ms() as f64 / 1000.0
    }

    /// Runs a future in virtual time: whenever all of it waits, the clock jumps.
    pub async fn drive<F: Future>(&self, future: F) -> F::Output {
        self.cloud.clock().drive(future).await
    }

    /// A session that deploys a program to this account.
    #[must_use]
    pub fn session<'g>(&self, graph: &'g Graph) -> Session<'g> {
        Session { graph, registry: self.registry(), clock: self.clock(), limits: Limits::default(), account: None }
    }

    /// Deploys a program with a state in memory. See [`deploy_to`](Aws::deploy_to) to keep the state.
    ///
    /// # Errors
    /// There is no plan; a step that fails is part of the answer.
    pub async fn deploy(&self, graph: &Graph) -> Result<(Applied, MemoryStore), SessionError> {
        let store = MemoryStore::new(graph.name(), &format!("{:032x}", 0));
        let applied = self.deploy_to(graph, &store).await?;
        Ok((applied, store))
    }

    /// Deploys a program with the state in a store.
    ///
    /// # Errors
    /// There is no plan; a step that fails is part of the answer.
    pub async fn deploy_to(&self, graph: &Graph, store: &dyn WriteStore) -> Result<Applied, SessionError> {
        let session = self.session(graph);
        let applied = self.drive(session.deploy(store, |_| true, &Cancel::new(), &mut ignore)).await;
        self.catch_up();
        applied
    }

    /// Takes away what a program deployed.
    ///
    /// # Errors
    /// A resource is protected.
    pub async fn destroy(&self, graph: &Graph, store: &dyn WriteStore) -> Result<Applied, SessionError> {
        let session = self.session(graph);
        self.drive(session.destroy(store, |_| true, &Cancel::new(), &mut ignore)).await
    }

    /// Lets time pass: states settle, health checkers probe, alarms evaluate.
    pub async fn advance(&self, duration: Duration) {
        self.drive(self.cloud.clock().sleep(duration)).await;
        self.catch_up();
    }

    /// Requests a URL from near `us-east-1` and follows the request to the instance, or to the first hop that fails. Time
    /// passes as it would.
    pub async fn get(&self, url: &str) -> Response {
        self.request(&Request::get(url)).await
    }

    /// Sends a request. Time passes as it would.
    pub async fn request(&self, request: &Request) -> Response {
        self.catch_up();
        let now_ms = self.cloud.clock().now_ms();
        let response = self.cloud.with_world(|world| {
            let mut plane = self.plane();
            let Plane { caches, faults, .. } = &mut *plane;
            let response = Internet::new(world, faults).request(caches, request, now_ms);
            world.note_traffic(&response, now_ms);
            response
        });
        self.advance(Duration::from_millis(response.took_ms)).await;
        response
    }

    /// What a resolver near a place gets for a name, with the region of the endpoint behind it: how to see a failover in DNS.
    /// The resolver caches nothing.
    ///
    /// # Errors
    /// In words, why there is no answer.
    pub fn resolve(&self, name: &str, near: &str) -> Result<(String, Option<String>), String> {
        self.catch_up();
        let now_ms = self.cloud.clock().now_ms();
        let faults = self.plane().faults.clone();
        self.cloud.with_world(|world| {
            Internet::new(world, &faults).resolve(&mut crate::data::Resolver::new(), name, near, now_ms)
        })
    }

    /// From now on something is broken in the data plane.
    pub fn fail(&self, fault: DataFault) {
        self.catch_up();
        let now_ms = self.cloud.clock().now_ms();
        self.plane().faults.break_from(now_ms, fault);
        self.catch_up();
    }

    /// From now on nothing in the region can be reached from outside.
    pub fn fail_region(&self, region: &str) {
        self.fail(DataFault::RegionAway { region: region.to_owned() });
    }

    /// From now on everything works again.
    pub fn heal(&self) {
        self.catch_up();
        let now_ms = self.cloud.clock().now_ms();
        self.plane().faults.heal_all(now_ms);
        self.catch_up();
    }

    /// Writes a value of a metric now, as PutMetricData does for a canary or for an operator's switch: alarms on it, and health
    /// checks on those alarms, follow.
    pub fn put_metric(&self, region: &str, namespace: &str, name: &str, dimensions: &[(&str, &str)], value: f64) {
        self.catch_up();
        let now_ms = self.cloud.clock().now_ms();
        self.plane().health.put_metric(region, namespace, name, dimensions, value, now_ms);
    }

    /// What the health checkers and alarms noticed so far, in order.
    #[must_use]
    pub fn events(&self) -> Vec<HealthEvent> {
        self.catch_up();
        self.plane().health.events().to_vec()
    }

    /// The messages that topics have sent to their subscribers.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.catch_up();
        self.plane().health.messages().to_vec()
    }

    fn plane(&self) -> MutexGuard<'_, Plane> {
        // Everything behind the lock is replaced whole, so it is good even after a panic of somebody else.
        self.plane.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the health checkers to the present.
    fn catch_up(&self) {
        let now_ms = self.cloud.clock().now_ms();
        // First what happened meanwhile: probes of two months keep VPC links awake, which would have lost their interfaces.
        self.cloud.with_unsettled_world(|world| {
            let mut plane = self.plane();
            let Plane { health, faults, .. } = &mut *plane;
            health.advance(world, faults, now_ms);
            world.settle(now_ms);
        });
    }
}

fn ignore(_: &Run, _: Time, _: &Notice) {}

/// A saved account could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file could not be read.
    #[error("the saved account cannot be read")]
    Io(#[from] std::io::Error),
    /// The file is not a saved account.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Virtual time for the driver, in milliseconds since the Unix epoch.
struct VirtualClock(SimClock);

impl Clock for VirtualClock {
    fn now(&self) -> Time {
        Time(self.0.now_ms())
    }

    fn sleep_until(&self, time: Time) -> BoxFuture<'static, ()> {
        Box::pin(self.0.sleep(time.since(Time(self.0.now_ms()))))
    }
}
