//! The simulated cloud as a whole: a world, its clock, its faults and a record of every call.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ec2::config::retry::{RetryPartition, TokenBucket};
use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde::{Deserialize, Serialize};

use crate::clock::SimClock;
use crate::control::Table;
use crate::faults::{CrashPoint, Faults, Travel};
use crate::fingerprint;
use crate::seam::{self, Carrier, Flight, Wire};
use crate::world::World;

/// The version of what [`Cloud::save`] writes.
const FORMAT: u32 = 1;

/// What a call to a region on the same continent takes with its handling.
const ROUND_TRIP: Duration = Duration::from_millis(80);

/// An AWS account in this process, for the real SDK clients. Clones are the same account.
///
/// ```
/// # use dr_sim::Cloud;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let cloud = Cloud::new(1);
/// let config = cloud.sdk_config("us-east-1");
/// let config = aws_sdk_ec2::config::Builder::from(&config).interceptor(cloud.interceptor()).build();
/// let ec2 = aws_sdk_ec2::Client::from_conf(config);
/// let vpc = cloud.run(ec2.create_vpc().cidr_block("10.0.0.0/16").send()).await.unwrap().unwrap();
/// assert_eq!(vpc.vpc().unwrap().state().unwrap().as_str(), "pending");
/// # });
/// ```
#[derive(Clone)]
pub struct Cloud {
    shared: Arc<Shared>,
}

/// What the clients, the connector and the owner of a cloud share.
pub(crate) struct Shared {
    pub(crate) table: Table,
    pub(crate) clock: SimClock,
    pub(crate) faults: Faults,
    world: Mutex<World>,
    travel: Mutex<Travel>,
    log: Mutex<Log>,
    /// Requests that were sent and have not arrived, by number.
    in_flight: Mutex<BTreeMap<u64, Flight>>,
    /// Of those, the ones whose senders are gone.
    orphans: Mutex<Vec<Flight>>,
    watcher: Mutex<Option<Box<Watcher>>>,
    partitions: Mutex<BTreeMap<(String, String), RetryPartition>>,
}

/// Who looks at every point at which a program could die.
type Watcher = dyn FnMut(&Passing<'_>) + Send;

/// A point at which a program could die, while it goes past it; see [`Cloud::watch_points`].
pub struct Passing<'a> {
    shared: &'a Shared,
    /// Which point; calls are counted from 1 and from the last [`Faults::crash_at`].
    pub point: CrashPoint,
    /// The SDK's name of the service.
    pub service: &'a str,
    /// `CreateVpc`, for example.
    pub operation: &'a str,
}

#[derive(Debug, Default)]
struct Log {
    sent: u64,
    calls: Vec<CallRecord>,
    counts: BTreeMap<(Cow<'static, str>, Cow<'static, str>), u64>,
}

/// One request that reached the cloud; retries of the SDK are requests of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallRecord {
    /// Its place among all requests that were sent, from 1.
    pub number: u64,
    /// When it arrived, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The region it was signed for.
    pub region: String,
    /// The SDK's name of the service: `EC2`, `Route 53`, `ApiGatewayV2`.
    pub service: Cow<'static, str>,
    /// `CreateVpc`, for example.
    pub operation: Cow<'static, str>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Outcome {
    /// Done and answered.
    Done,
    /// Answered with an error of this wire code.
    Refused(String),
    /// Done, but a fault kept the answer.
    DoneUnanswered,
    /// Neither done nor answered.
    NotDone,
}

/// The program stopped at a [`CrashPoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("crashed at {0:?}")]
pub struct Crashed(pub CrashPoint);

/// A saved cloud could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It is not what [`Cloud::save`] writes.
    #[error("a saved cloud is damaged")]
    Damaged(#[from] serde_json::Error),
    /// A later version of this crate wrote it.
    #[error("the saved cloud has format {found}, this version reads up to {FORMAT}")]
    Newer {
        /// Its format number.
        found: u32,
    },
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct Saved<W> {
    format: u32,
    seed: u64,
    now_ms: u64,
    sent: u64,
    world: W,
}

impl Cloud {
    /// An empty account. Equal seeds and equal calls give equal worlds, logs and ids; client tokens are part of a call, and
    /// the SDK makes up a random one where a caller sets none.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Cloud::of(World::new(seed))
    }

    /// A cloud around a world, [`World::with_jitter`] for example. Its clock starts where the world's last call was.
    #[must_use]
    pub fn of(world: World) -> Self {
        let clock = SimClock::starting_at(world.now_ms);
        Cloud::assemble(world, clock, 0)
    }

    fn assemble(world: World, clock: SimClock, sent: u64) -> Self {
        let seed = world.seed;
        let mut travel = Travel::seeded(seed);
        travel.set(ROUND_TRIP, Duration::ZERO);
        let shared = Shared {
            table: Table::aws(),
            clock,
            faults: Faults::seeded(seed),
            world: Mutex::new(world),
            travel: Mutex::new(travel),
            log: Mutex::new(Log { sent, ..Log::default() }),
            in_flight: Mutex::default(),
            orphans: Mutex::default(),
            watcher: Mutex::default(),
            partitions: Mutex::default(),
        };
        Cloud { shared: Arc::new(shared) }
    }

    /// The virtual clock that everything here waits on.
    #[must_use]
    pub fn clock(&self) -> &SimClock {
        &self.shared.clock
    }

    /// What goes wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Reads or changes the world, between calls.
    pub fn with_world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.shared.world();
        world.settle(self.shared.clock.now_ms());
        look(&mut world)
    }

    /// The same, as of the last call: what has ended since is not forgotten yet.
    pub(crate) fn with_unsettled_world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut self.shared.world())
    }

    /// Runs a future in virtual time, to its end or to the crash point that [`Faults::crash_at`] set.
    ///
    /// # Errors
    /// [`Crashed`] when the point was reached. The future has been dropped; requests that were under way have reached the
    /// cloud, as they would after the death of a process. Tasks that the future spawned elsewhere are not stopped.
    pub async fn run<F: Future>(&self, future: F) -> Result<F::Output, Crashed> {
        let faults = &self.shared.faults;
        match self.shared.clock.drive_until(future, || faults.is_dying()).await {
            Some(output) => Ok(output),
            None => {
                self.shared.land_all_orphans();
                Err(Crashed(faults.buried().expect("the drive was stopped because of a crash")))
            }
        }
    }

    /// Shows every point at which the program could die while it runs past it, which is cheaper than to let it die at each of
    /// them: what it would leave is [`Passing::remains`]. Replaces an earlier watcher.
    pub fn watch_points(&self, watch: impl FnMut(&Passing<'_>) + Send + 'static) {
        *lock(&self.shared.watcher) = Some(Box::new(watch));
    }

    /// Ends [`watch_points`](Cloud::watch_points), and drops what the watcher holds.
    pub fn unwatch(&self) {
        let watcher = lock(&self.shared.watcher).take();
        drop(watcher);
    }

    /// How long a request travels, there and back; 80 ms without jitter unless set. Jitter adds up to that much, seeded.
    pub fn set_round_trip(&self, round_trip: Duration, jitter: Duration) {
        lock(&self.shared.travel).set(round_trip, jitter);
    }

    /// From now on a new EC2 object is invisible to reads for this long, as AWS's eventual consistency allows.
    pub fn set_stale_reads(&self, invisible: Duration) {
        self.shared.world().stale_reads_ms = u64::try_from(invisible.as_millis()).unwrap_or(u64::MAX);
    }

    /// The HTTP client that every SDK client of this cloud needs; [`sdk_config`](Cloud::sdk_config) has it.
    #[must_use]
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(Wire(self.shared.clone()))
    }

    /// The interceptor that every SDK client of this cloud needs beside the HTTP client.
    ///
    /// It also takes the chance out of the client's retries: backoff has no random part, and each cloud has its own retry
    /// quota per service and region, whatever the client's configuration says.
    #[must_use]
    pub fn interceptor(&self) -> SharedInterceptor {
        SharedInterceptor::new(Carrier(self.shared.clone()))
    }

    /// Sleeping in virtual time, for the SDK's retries and time-outs.
    #[must_use]
    pub fn sleep(&self) -> SharedAsyncSleep {
        SharedAsyncSleep::new(self.shared.clock.clone())
    }

    /// The virtual time of day, for the SDK's signatures.
    #[must_use]
    pub fn time_source(&self) -> SharedTimeSource {
        SharedTimeSource::new(self.shared.clock.clone())
    }

    /// Credentials of this account; nobody checks them.
    #[must_use]
    pub fn credentials(&self) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Credentials::new("AKIASIMULATED0000000", "simulated", None, None, "dr-sim"))
    }

    /// The configuration of SDK clients of a region; a client also needs the [`interceptor`](Cloud::interceptor).
    #[must_use]
    pub fn sdk_config(&self, region: &str) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.to_owned()))
            .credentials_provider(self.credentials())
            .http_client(self.http_client())
            .sleep_impl(self.sleep())
            .time_source(self.time_source())
            .retry_config(RetryConfig::standard())
            // It would sleep beside every request to measure a throughput that there is not.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build()
    }

    /// Every request that reached the cloud since it was made, loaded or its log cleared, in order of arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<CallRecord> {
        lock(&self.shared.log).calls.clone()
    }

    /// How many requests reached the cloud, by `service.operation`.
    #[must_use]
    pub fn call_counts(&self) -> BTreeMap<String, u64> {
        let log = lock(&self.shared.log);
        log.counts.iter().map(|((service, operation), n)| (format!("{service}.{operation}"), *n)).collect()
    }

    /// Forgets the calls so far; numbers go on.
    pub fn clear_calls(&self) {
        let mut log = lock(&self.shared.log);
        log.calls.clear();
        log.counts.clear();
    }

    /// The world with its clock as JSON. Faults, latencies of requests and the log are not part of it.
    ///
    /// # Errors
    /// When the world cannot be written as JSON, which would be a bug of this crate.
    pub fn save(&self) -> Result<String, serde_json::Error> {
        self.shared.land_all_orphans();
        let world = self.shared.world();
        let (now_ms, sent) = (self.shared.clock.now_ms(), lock(&self.shared.log).sent);
        serde_json::to_string(&Saved { format: FORMAT, seed: world.seed, now_ms, sent, world: &*world })
    }

    /// What the account holds as one number, for comparisons within a process: clouds with equal numbers answer every request in
    /// the same way, but for the time of day and the rate limits. What is under way to it and has no sender any more lands first.
    ///
    /// # Errors
    /// When the world cannot be written as JSON, which would be a bug of this crate.
    pub fn fingerprint(&self) -> Result<u64, serde_json::Error> {
        self.shared.land_all_orphans();
        fingerprint::of(&mut self.shared.world(), self.shared.clock.now_ms())
    }

    /// A cloud that goes on where the saved one stopped.
    ///
    /// # Errors
    /// [`LoadError::Damaged`] when it cannot be read, [`LoadError::Newer`] when a later version wrote it.
    pub fn load(saved: &str) -> Result<Self, LoadError> {
        let header: Header = serde_json::from_str(saved)?;
        if header.format > FORMAT {
            return Err(LoadError::Newer { found: header.format });
        }
        let saved: Saved<World> = serde_json::from_str(saved)?;
        Ok(Cloud::assemble(saved.world, SimClock::starting_at(saved.now_ms), saved.sent))
    }
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud").field("clock", &self.shared.clock).finish_non_exhaustive()
    }
}

impl Passing<'_> {
    /// The account as it is after the program died here: what it had sent has arrived. A cloud of its own, which goes on from
    /// this instant without faults; the program, which lives on, has no part in it.
    #[must_use]
    pub fn remains(&self) -> Cloud {
        let world = self.shared.world().clone();
        let sent = lock(&self.shared.log).sent;
        let cloud = Cloud::assemble(world, SimClock::starting_at(self.shared.clock.now_ms()), sent);
        let flights: Vec<Flight> =
            lock(&self.shared.in_flight).values().chain(&*lock(&self.shared.orphans)).cloned().collect();
        lock(&cloud.shared.orphans).extend(flights);
        cloud.shared.land_all_orphans();
        cloud
    }
}

impl fmt::Debug for Passing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}.{}", self.point, self.service, self.operation)
    }
}

impl Shared {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        // A handler that panicked may have left the world half changed; going on would hide the first failure.
        self.world.lock().expect("an operation panicked in this world")
    }

    /// The way there and the way back of the next request.
    pub(crate) fn travel(&self) -> (Duration, Duration) {
        lock(&self.travel).next()
    }

    /// The number of a request that is being sent.
    pub(crate) fn next_number(&self) -> u64 {
        let mut log = lock(&self.log);
        log.sent += 1;
        log.sent
    }

    pub(crate) fn record(
        &self,
        number: u64,
        at_ms: u64,
        region: String,
        service: Cow<'static, str>,
        operation: Cow<'static, str>,
        outcome: Outcome,
    ) {
        let mut log = lock(&self.log);
        *log.counts.entry((service.clone(), operation.clone())).or_default() += 1;
        log.calls.push(CallRecord { number, at_ms, region, service, operation, outcome });
    }

    pub(crate) fn retry_partition(&self, service: &str, region: &str) -> RetryPartition {
        let mut partitions = lock(&self.partitions);
        let fresh =
            || RetryPartition::custom(format!("{service}-{region}")).token_bucket(TokenBucket::default()).build();
        partitions.entry((service.to_owned(), region.to_owned())).or_insert_with(fresh).clone()
    }

    pub(crate) fn send(&self, flight: Flight) {
        lock(&self.in_flight).insert(flight.number, flight);
    }

    /// The request at its destination, when its sender still waits for it.
    pub(crate) fn arrive(&self, number: u64) -> Option<Flight> {
        lock(&self.in_flight).remove(&number)
    }

    /// The sender of a request is gone; when it is still under way, it lands at its time.
    pub(crate) fn orphan(&self, number: u64) {
        let flight = lock(&self.in_flight).remove(&number);
        lock(&self.orphans).extend(flight);
    }

    /// The program goes past a point at which it could die.
    pub(crate) fn pass(&self, point: CrashPoint, service: &str, operation: &str) {
        // Taken out, so that the watcher may use the cloud.
        let watcher = lock(&self.watcher).take();
        if let Some(mut watch) = watcher {
            watch(&Passing { shared: self, point, service, operation });
            lock(&self.watcher).get_or_insert(watch);
        }
    }

    /// Lands the orphans that have arrived by `now_ms`.
    pub(crate) fn land_orphans_until(&self, now_ms: u64) {
        let mut orphans = lock(&self.orphans);
        if orphans.is_empty() {
            return;
        }
        let (mut due, later) =
            std::mem::take(&mut *orphans).into_iter().partition::<Vec<_>, _>(|f| f.arrives_ms <= now_ms);
        *orphans = later;
        drop(orphans);
        due.sort_by_key(Flight::order);
        due.into_iter().for_each(|flight| seam::land_orphan(self, flight));
    }

    /// Lets every orphan land, and the clock move to the last arrival.
    fn land_all_orphans(&self) {
        let last = lock(&self.orphans).iter().map(|flight| flight.arrives_ms).max();
        if let Some(last) = last {
            self.land_orphans_until(last);
            self.clock.advance(Duration::from_millis(last.saturating_sub(self.clock.now_ms())));
        }
    }
}

/// The critical sections here cannot panic half-way, so a poisoned lock still guards consistent data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
