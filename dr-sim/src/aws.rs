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
use crate::control::route53;
use crate::data::{Caches, DataFault, DataFaults, Health, HealthEvent, Internet, Message, Request, Response};
use crate::world::Rng;

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

    /// The public hosted zones that a program looks up by name and that the account does not have, as its owner would have made
    /// them before, delegated by the registrar of the domain. They belong to no stack: no teardown takes them away.
    ///
    /// Called by everything that deploys here; only who makes a [`Session`] by hand has to. Zones that a program names by id
    /// are not made.
    pub fn add_looked_up_zones(&self, graph: &Graph) {
        self.cloud.with_world(|world| {
            for node in graph.nodes_of("aws.route53.zone_lookup") {
                if let Some(name) = node.inputs["name"].as_str() {
                    route53::add_owned(world, name);
                }
            }
        });
    }

    /// A session that deploys a program to this account, which gets the
    /// [zones that the program looks up](Aws::add_looked_up_zones).
    #[must_use]
    pub fn session<'g>(&self, graph: &'g Graph) -> Session<'g> {
        self.add_looked_up_zones(graph);
        Session { graph, registry: self.registry(), clock: self.clock(), limits: Limits::default(), account: None }
    }

    /// Deploys a program with a new state in memory. See [`deploy_to`](Aws::deploy_to) to go on with the state that this
    /// answers, or to keep one.
    ///
    /// # Errors
    /// There is no plan; a step that fails is part of the answer.
    pub async fn deploy(&self, graph: &Graph) -> Result<(Applied, MemoryStore), SessionError> {
        let store = MemoryStore::new(graph.name(), &self.lineage(graph.name()));
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
    ///
    /// CloudFront keeps its connection to an origin for 5 seconds after an answer, unless the distribution says otherwise.
    /// Who asks more often keeps it open for ever: as long as the old region still answers, the answer never moves to
    /// another one, whatever DNS says by then.
    pub async fn get(&self, url: &str) -> Response {
        self.request(&Request::get(url)).await
    }

    /// Requests a URL every so often until the answer is as wanted, for at most `limit` of virtual time.
    ///
    /// Give 5 seconds or more for `every`, or see at [`get`](Aws::get) why the answer may not move.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use dr_sim::Aws;
    /// # async fn fails_over(aws: &Aws) -> Result<(), dr_sim::GaveUp> {
    /// let (every, limit) = (Duration::from_secs(7), Duration::from_secs(600));
    /// let url = "https://shop.example.com/orders";
    /// let answer = aws.until(url, every, limit, |answer| answer.region.as_deref() == Some("us-west-2")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`GaveUp`], with the last answer, when the next request would come after the limit.
    pub async fn until(
        &self,
        url: &str,
        every: Duration,
        limit: Duration,
        wanted: impl Fn(&Response) -> bool,
    ) -> Result<Response, GaveUp> {
        // Without a pause, an answer that takes no time would be asked for for ever.
        let every = every.max(Duration::from_millis(1));
        let began_ms = self.cloud.clock().now_ms();
        let spent = || Duration::from_millis(self.cloud.clock().now_ms() - began_ms);
        loop {
            let last = self.get(url).await;
            if wanted(&last) {
                return Ok(last);
            }
            if spent() + every > limit {
                return Err(GaveUp { url: url.to_owned(), after: spent(), last: Box::new(last) });
            }
            self.advance(every).await;
        }
    }

    /// Sends a request. Time passes as it would.
    pub async fn request(&self, request: &Request) -> Response {
        self.catch_up();
        let now_ms = self.cloud.clock().now_ms();
        let response = self.cloud.with_world(|world| {
            let mut plane = self.plane();
            let Plane { caches, faults, health } = &mut *plane;
            let response = Internet::new(world, faults).request(caches, request, now_ms);
            world.note_traffic(&response, now_ms);
            health.note_traffic(&response, now_ms);
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
    ///
    /// # Panics
    /// The fault names a region, a zone, an instance or a certificate that does not exist: it would hit nothing.
    #[track_caller]
    pub fn fail(&self, fault: DataFault) {
        self.check(&fault);
        self.change_faults(|faults, now_ms| {
            faults.break_from(now_ms, fault);
        });
    }

    /// Something will be broken for a while; `from` (included) and `until` (excluded) are counted from now, in virtual time.
    ///
    /// # Panics
    /// As [`fail`](Aws::fail), now: what the fault names has to exist already.
    #[track_caller]
    pub fn fail_between(&self, from: Duration, until: Duration, fault: DataFault) {
        self.check(&fault);
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.change_faults(|faults, now_ms| {
            faults.break_between(now_ms.saturating_add(ms(from)), now_ms.saturating_add(ms(until)), fault);
        });
    }

    /// From now on nothing in the region can be reached from outside.
    ///
    /// # Panics
    /// There is no such region.
    #[track_caller]
    pub fn fail_region(&self, region: &str) {
        self.fail(DataFault::RegionAway { region: region.to_owned() });
    }

    /// From now on everything works again; what was to be broken later will not be.
    pub fn heal(&self) {
        self.change_faults(|faults, now_ms| {
            faults.heal_all(now_ms);
        });
    }

    /// From now on this works again, and the other faults stay.
    ///
    /// # Panics
    /// It was never broken.
    #[track_caller]
    pub fn heal_fault(&self, fault: &DataFault) {
        let known = self.plane().faults.windows().iter().any(|window| window.fault == *fault);
        assert!(known, "{fault:?} was never broken, so it cannot be healed: give the fault that `fail` was given");
        self.change_faults(|faults, now_ms| {
            faults.heal(now_ms, fault);
        });
    }

    /// Forgets what the client's resolver and the CloudFront locations have cached, open connections included: as if the next
    /// request came from somebody else.
    pub fn clear_caches(&self) {
        let mut plane = self.plane();
        plane.caches.resolver.flush();
        plane.caches.edge.flush();
    }

    /// From now on the client's resolver keeps every new answer for at least so long, in whole seconds, as some do whatever
    /// the TTL says. Default: zero.
    pub fn set_resolver_floor(&self, floor: Duration) {
        self.plane().caches.resolver.set_floor_s(u32::try_from(floor.as_secs()).unwrap_or(u32::MAX));
    }

    /// From now on DNS hears of the verdict of a health checker so much later. AWS publishes no number. Default: 5 seconds.
    pub fn set_publish_delay(&self, delay: Duration) {
        self.catch_up();
        self.plane().health.set_publish_delay_ms(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
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

    /// Plays the owner of an e-mail address or another endpoint, who confirms every subscription that waits for it: until
    /// then a topic sends nothing there. Answers how many waited.
    pub fn confirm_subscriptions(&self, endpoint: &str) -> usize {
        self.cloud.with_world(|world| world.confirm_subscriptions(endpoint))
    }

    /// The messages that topics have sent to their subscribers; none to one that has not
    /// [confirmed](Aws::confirm_subscriptions).
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.catch_up();
        self.plane().health.messages().to_vec()
    }

    /// A fault with a wrong name is none, and a test with it would prove nothing.
    #[track_caller]
    fn check(&self, fault: &DataFault) {
        if let Some(why) = self.cloud.with_world(|world| fault.names_nothing(world)) {
            panic!("this fault would hit nothing: {why}");
        }
    }

    fn change_faults(&self, change: impl FnOnce(&mut DataFaults, u64)) {
        self.catch_up();
        let now_ms = self.cloud.clock().now_ms();
        change(&mut self.plane().faults, now_ms);
        self.catch_up();
    }

    /// The lineage of a new state. Client tokens come from it, and AWS remembers them: another one for each stack and each
    /// life of a stack, and the same in every run.
    fn lineage(&self, stack: &str) -> String {
        let seed = self.cloud.with_world(|world| world.seed);
        let mut rng = Rng::named(seed ^ self.cloud.clock().now_ms().rotate_left(32), stack);
        format!("{:016x}{:016x}", rng.next(), rng.next())
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

/// The answer that was waited for did not come; see [`Aws::until`].
#[derive(Debug, Clone, thiserror::Error)]
#[error("{url} was not answered as wanted within {after:?} of virtual time; the last answer: {last}")]
#[non_exhaustive]
pub struct GaveUp {
    /// What was requested.
    pub url: String,
    /// For how long, in virtual time.
    pub after: Duration,
    /// The last answer.
    pub last: Box<Response>,
}

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
