//! What can go wrong with a request, by script or by seed.
//!
//! Real control planes refuse, throttle, lose answers, hang and go away. Each of these is a [`Fault`], put on the calls that a
//! [`Target`] names: the next one, the nth one, a seeded share of them. A [`CrashPoint`] ends the whole program at a call.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_async::rt::sleep::AsyncSleep;
use aws_smithy_runtime_api::client::http::HttpConnectorSettings;
use aws_smithy_runtime_api::client::result::ConnectorError;
use futures_util::future::{Either, select};

use crate::control::Refusal;
use crate::rates;
use crate::world::Rng;

/// The SDK's default connect time-out: how long a caller waits for a region that is away, unless it is told otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3100);

/// Which calls a fault is for. An absent part matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    service: Option<String>,
    operation: Option<String>,
    region: Option<String>,
}

impl Target {
    /// Every call.
    #[must_use]
    pub fn any() -> Self {
        Target::default()
    }

    /// Every call of a service, named as the SDK does: `EC2`, `Route 53`, `ApiGatewayV2`, `Elastic Load Balancing v2`.
    #[must_use]
    pub fn service(service: &str) -> Self {
        Target { service: Some(service.to_owned()), ..Target::default() }
    }

    /// One operation of a service: `("EC2", "CreateVpc")`.
    #[must_use]
    pub fn operation(service: &str, operation: &str) -> Self {
        Target { operation: Some(operation.to_owned()), ..Target::service(service) }
    }

    /// Only in this region. Global services are in `us-east-1`.
    #[must_use]
    pub fn in_region(mut self, region: &str) -> Self {
        self.region = Some(region.to_owned());
        self
    }

    fn matches(&self, service: &str, operation: &str, region: &str) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        same(&self.service, service) && same(&self.operation, operation) && same(&self.region, region)
    }
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It is not done, and answered with this error.
    Refuse {
        /// The wire code, `InsufficientInstanceCapacity` for example.
        code: String,
        /// A sentence.
        message: String,
        /// HTTP status; 500, 502, 503 and 504 make the SDK retry.
        status: u16,
    },
    /// It is not done, and answered with the service's throttling error.
    Throttle,
    /// It is done, but the answer is an internal error with status 500.
    Lost,
    /// It is done, but the connection breaks before the answer.
    Reset,
    /// It is done, but never answered: the caller's time-out decides.
    Hang,
    /// It is neither done nor answered: the caller's time-out decides.
    Vanish,
    /// No connection: the caller's connect time-out passes (3.1 seconds unless set), and nothing is done.
    Unreachable,
}

impl Fault {
    /// A refusal with a code and an HTTP status.
    #[must_use]
    pub fn refuse(code: &str, status: u16) -> Self {
        Fault::Refuse { code: code.to_owned(), message: format!("injected: {code}"), status }
    }
}

/// The call at which the program dies: its future is dropped there and never runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CrashPoint {
    /// Before the nth call is sent, counted from 1 and from the moment the point is set.
    Before(u64),
    /// After the nth call was done in the cloud, before its answer arrives.
    After(u64),
}

/// The faults of a [`Cloud`](crate::Cloud) or a [`FaultConnector`](crate::FaultConnector). Clones are the same script.
#[derive(Debug, Clone)]
pub struct Faults {
    script: Arc<Mutex<Script>>,
}

#[derive(Debug)]
struct Script {
    rng: Rng,
    rules: Vec<Rule>,
    crash: Option<CrashPoint>,
    calls_since_set: u64,
    /// The point that was reached, until another one is set.
    crashed: Option<CrashPoint>,
    /// Reached, and the program is not dead yet.
    dying: bool,
}

#[derive(Debug)]
struct Rule {
    target: Target,
    when: When,
    fault: Fault,
    /// Whether it has ever been the fault of a call.
    met: bool,
}

#[derive(Debug)]
enum When {
    /// The one after so many more matching calls.
    After(u64),
    /// Each one with this probability.
    Share(f64),
    /// All between two instants, in milliseconds since the Unix epoch.
    Between(u64, u64),
}

impl Faults {
    pub(crate) fn seeded(seed: u64) -> Self {
        // A stream of its own: a fault that is added must not change latencies or ids.
        let rng = Rng::seeded(seed ^ 0x0066_6175_6c74);
        let script = Script { rng, rules: Vec::new(), crash: None, calls_since_set: 0, crashed: None, dying: false };
        Faults { script: Arc::new(Mutex::new(script)) }
    }

    /// The next call of `target` fails so; once.
    pub fn next(&self, target: Target, fault: Fault) {
        self.nth(target, 1, fault);
    }

    /// The `n`th call of `target` from now on, counted from 1, fails so; once. Retries of the SDK are calls.
    pub fn nth(&self, target: Target, n: u64, fault: Fault) {
        self.add(target, When::After(n.saturating_sub(1)), fault);
    }

    /// Each call of `target` fails so with this probability, 0 to 1, by the seed of the cloud.
    pub fn share(&self, target: Target, probability: f64, fault: Fault) {
        self.add(target, When::Share(probability), fault);
    }

    /// Every call of `target` from `from_ms` (included) to `to_ms` (excluded) fails so; milliseconds since the Unix epoch.
    pub fn between(&self, target: Target, from_ms: u64, to_ms: u64, fault: Fault) {
        self.add(target, When::Between(from_ms, to_ms), fault);
    }

    /// The control plane of a region cannot be reached between two instants. In `us-east-1` that takes the changes of IAM,
    /// Route 53 and CloudFront with it, as it does on AWS.
    pub fn region_away(&self, region: &str, from_ms: u64, to_ms: u64) {
        self.between(Target::any().in_region(region), from_ms, to_ms, Fault::Unreachable);
    }

    /// Lets the program die at a call; see [`Cloud::run`](crate::Cloud::run) and
    /// [`FaultConnector::run`](crate::FaultConnector::run). Replaces an earlier point.
    pub fn crash_at(&self, point: CrashPoint) {
        let mut script = self.lock();
        script.crash = Some(point);
        script.calls_since_set = 0;
        script.crashed = None;
        script.dying = false;
    }

    /// How many of the faults have never happened: a test that means to survive them wants none left. A share or a window
    /// counts until it has hit its first call, also when its time is over; a misspelled service or region never hits any.
    #[must_use]
    pub fn unmet(&self) -> usize {
        self.lock().rules.iter().filter(|rule| !rule.met).count()
    }

    /// The crash point that was reached, if one was.
    #[must_use]
    pub fn crashed(&self) -> Option<CrashPoint> {
        self.lock().crashed
    }

    /// Nothing fails any more; also forgets a crash.
    pub fn clear(&self) {
        let mut script = self.lock();
        script.rules.clear();
        script.crash = None;
        script.crashed = None;
        script.dying = false;
    }

    /// Whether a crash point was reached and the program still runs.
    pub(crate) fn is_dying(&self) -> bool {
        self.lock().dying
    }

    /// The program is dead: the point at which it died.
    pub(crate) fn buried(&self) -> Option<CrashPoint> {
        let mut script = self.lock();
        script.dying = false;
        script.crashed
    }

    /// Counts a call that is about to be sent; the number is its place since the crash point was set. True: die now.
    pub(crate) fn crashes_before_sending(&self) -> (u64, bool) {
        let mut script = self.lock();
        script.calls_since_set += 1;
        let number = script.calls_since_set;
        let dies = script.dying || script.reaches(CrashPoint::Before(number));
        (number, dies)
    }

    pub(crate) fn crashes_after_doing(&self, number: u64) -> bool {
        self.lock().reaches(CrashPoint::After(number))
    }

    /// The fault of a call that arrives now; every rule that matches counts it.
    pub(crate) fn of(&self, service: &str, operation: &str, region: &str, now_ms: u64) -> Option<Fault> {
        let mut script = self.lock();
        let Script { rules, rng, .. } = &mut *script;
        let mut found = None;
        rules.retain_mut(|rule| {
            if !rule.target.matches(service, operation, region) {
                return true;
            }
            let (fires, stays) = match &mut rule.when {
                When::After(0) => (found.is_none(), found.is_some()),
                When::After(more) => {
                    *more -= 1;
                    (false, true)
                }
                When::Share(probability) => (rng.unit() < *probability, true),
                When::Between(from, to) => ((*from..*to).contains(&now_ms), now_ms < *to || !rule.met),
            };
            if fires && found.is_none() {
                found = Some(rule.fault.clone());
                rule.met = true;
            }
            stays
        });
        found
    }

    fn add(&self, target: Target, when: When, fault: Fault) {
        self.lock().rules.push(Rule { target, when, fault, met: false });
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Script {
    fn reaches(&mut self, point: CrashPoint) -> bool {
        let reached = self.crash == Some(point);
        if reached {
            self.crashed = self.crash.take();
            self.dying = true;
        }
        reached
    }
}

impl Fault {
    /// What the caller is answered, when it is answered with an error of the service.
    pub(crate) fn refusal(&self, service: &str) -> Option<Refusal> {
        match self {
            Fault::Refuse { code, message, status } => Some(Refusal::new(code, message.as_str()).status(*status)),
            Fault::Throttle => Some(rates::throttled(service)),
            Fault::Lost => {
                let code = if service == "EC2" { "InternalError" } else { "InternalFailure" };
                Some(Refusal::new(code, "An internal error has occurred").status(500))
            }
            Fault::Reset | Fault::Hang | Fault::Vanish | Fault::Unreachable => None,
        }
    }

    /// Lets the caller feel it: the error that the service answers with, at once, or the way in which the connection fails, after
    /// its time. The way there is over, the way back is not.
    pub(crate) async fn befall(
        self,
        service: &str,
        sleep: &dyn AsyncSleep,
        (there, back): (Duration, Duration),
        patience: Patience,
    ) -> Result<Refusal, ConnectorError> {
        if let Some(refusal) = self.refusal(service) {
            return Ok(refusal);
        }
        match self {
            Fault::Reset => {
                sleep.sleep(back).await;
                Err(ConnectorError::io("the connection was reset".into()))
            }
            Fault::Unreachable => {
                sleep.sleep(patience.connect.saturating_sub(there)).await;
                Err(ConnectorError::timeout("the region does not accept connections".into()))
            }
            // Hanging and vanished; the others are refusals.
            _ => std::future::pending().await,
        }
    }

    /// Whether the operation happens all the same.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Fault::Lost | Fault::Reset | Fault::Hang)
    }
}

/// How long a client waits for a connection, and for an answer. In the SDK both are the connector's work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    connect: Duration,
    /// From sending to the answer; without one, the connector waits for ever.
    read: Option<Duration>,
}

impl Patience {
    /// What the client of a connector was configured with.
    pub(crate) fn of(settings: &HttpConnectorSettings) -> Self {
        let connect = settings.connect_timeout().unwrap_or(CONNECT_TIMEOUT);
        Patience { connect, read: settings.read_timeout() }
    }

    /// Waits for an exchange no longer than the client does; what is not over by then is dropped.
    pub(crate) async fn wait_for<T>(
        self,
        sleep: &dyn AsyncSleep,
        exchange: impl Future<Output = Result<T, ConnectorError>>,
    ) -> Result<T, ConnectorError> {
        let Some(read) = self.read else { return exchange.await };
        match select(pin!(exchange), sleep.sleep(read)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => {
                let text = format!("no answer within the read time-out of {} s", read.as_secs_f64());
                Err(ConnectorError::timeout(text.into()))
            }
        }
    }
}

/// How long a request travels, there and back.
#[derive(Debug, Clone)]
pub(crate) struct Travel {
    round_trip_ms: u64,
    jitter_ms: u64,
    rng: Rng,
}

impl Travel {
    /// No time, until it is [`set`](Travel::set).
    pub(crate) fn seeded(seed: u64) -> Self {
        Travel { round_trip_ms: 0, jitter_ms: 0, rng: Rng::seeded(seed ^ 0x7472_6176_656c) }
    }

    pub(crate) fn set(&mut self, round_trip: Duration, jitter: Duration) {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.round_trip_ms = ms(round_trip);
        self.jitter_ms = ms(jitter);
    }

    /// The way there and the way back.
    pub(crate) fn next(&mut self) -> (Duration, Duration) {
        // The stream is only used when somebody asked for jitter, so that switching it on is the only difference.
        let extra = if self.jitter_ms == 0 { 0 } else { self.rng.next() % (self.jitter_ms + 1) };
        let total = self.round_trip_ms.saturating_add(extra);
        (Duration::from_millis(total / 2), Duration::from_millis(total - total / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(faults: &Faults, calls: usize) -> Vec<usize> {
        (1..=calls).filter(|_| faults.of("EC2", "CreateVpc", "us-east-1", 0).is_some()).collect()
    }

    #[test]
    fn the_nth_call_fails_and_only_that_one() {
        let faults = Faults::seeded(1);
        faults.nth(Target::operation("EC2", "CreateVpc").in_region("us-east-1"), 3, Fault::Lost);
        assert!(faults.of("EC2", "CreateVpc", "us-west-2", 0).is_none());
        assert!(faults.of("EC2", "CreateSubnet", "us-east-1", 0).is_none());
        assert_eq!(hits(&faults, 10), [3]);
    }

    #[test]
    fn two_rules_for_the_next_call_fail_two_calls() {
        let faults = Faults::seeded(1);
        faults.next(Target::service("EC2"), Fault::Throttle);
        faults.next(Target::any(), Fault::Lost);
        assert_eq!(faults.unmet(), 2);
        assert_eq!(faults.of("EC2", "CreateVpc", "us-east-1", 0), Some(Fault::Throttle));
        assert_eq!(faults.of("EC2", "CreateVpc", "us-east-1", 0), Some(Fault::Lost));
        assert_eq!(faults.unmet(), 0);
        assert!(hits(&faults, 10).is_empty());
    }

    #[test]
    fn a_share_is_seeded() {
        let run = |seed| {
            let faults = Faults::seeded(seed);
            faults.share(Target::any(), 0.25, Fault::Throttle);
            hits(&faults, 1000)
        };
        assert!((200..300).contains(&run(1).len()), "{}", run(1).len());
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn a_window_ends() {
        let faults = Faults::seeded(1);
        faults.region_away("us-east-1", 100, 200);
        let away = |at| faults.of("SNS", "CreateTopic", "us-east-1", at);
        assert_eq!([away(99), away(100), away(199)].map(|fault| fault.is_some()), [false, true, true]);
        assert!(faults.of("SNS", "CreateTopic", "us-west-2", 150).is_none());
        assert!(away(200).is_none());
    }

    #[test]
    fn shares_and_windows_are_unmet_until_they_hit_a_call() {
        let faults = Faults::seeded(1);
        // The SDK calls the service `Elastic Load Balancing v2`, so this one never hits anything.
        faults.share(Target::service("ELBv2"), 1.0, Fault::Throttle);
        faults.share(Target::service("EC2"), 1.0, Fault::Throttle);
        faults.between(Target::service("SNS"), 100, 200, Fault::Lost);
        faults.between(Target::service("SSM"), 100, 200, Fault::Lost);
        assert_eq!(faults.unmet(), 4);
        for (service, at_ms) in [("EC2", 0), ("Elastic Load Balancing v2", 0), ("SNS", 150), ("SNS", 250), ("SSM", 250)]
        {
            faults.of(service, "Any", "us-east-1", at_ms);
        }
        assert_eq!(faults.unmet(), 2, "the misspelled service, and the window that nobody called in");
    }
}
