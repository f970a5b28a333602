//! The rate governor: an HTTP connector in which a call waits for its turn before it is sent.
//!
//! AWS counts calls in token buckets per account, region and service or action, and answers one call too many with an error
//! that costs a round trip and a back-off. So each call takes a token here first. Waiting is in order of arrival, on the
//! given clock, hence virtual under a simulator. A call that AWS throttles nevertheless (somebody else uses the account too)
//! halves the rate of its bucket, which then grows back by a twentieth with each call.
//!
//! ```text
//! SDK client ──► label (interceptor) ──► wait for a token ──► send, at most 30 s ──► answer
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::config_bag::ConfigBag;
use futures_util::future::{Either, select};

use crate::rates::{Rate, Rates};
use crate::shared::Reads;

/// How long one attempt may take once it is sent; the SDK sets no limit of its own.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// Names the call on its request: the connector sees bytes only.
#[derive(Debug)]
pub(crate) struct Labels {
    pub(crate) region: Arc<str>,
}

/// Which call a request is.
#[derive(Debug, Clone)]
struct Label {
    service: &'static str,
    operation: String,
    region: Arc<str>,
}

#[dyn_dispatch_hint]
impl Intercept for Labels {
    fn name(&self) -> &'static str {
        "DrLabels"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let metadata = config.load::<Metadata>().ok_or("the SDK names the operation in the config bag")?;
        let label = Label {
            service: prefix(metadata.service()),
            operation: metadata.name().to_owned(),
            region: Arc::clone(&self.region),
        };
        context.request_mut().add_extension(label);
        Ok(())
    }
}

/// The prefix of a service in IAM actions, by the service id of its model; what calls are named by everywhere in this crate.
fn prefix(service_id: &str) -> &'static str {
    match service_id {
        "ACM" => "acm",
        "ApiGatewayV2" => "apigateway",
        "CloudFront" => "cloudfront",
        "CloudWatch" => "cloudwatch",
        "EC2" => "ec2",
        "Elastic Load Balancing v2" => "elasticloadbalancing",
        "IAM" => "iam",
        "Route 53" => "route53",
        "SNS" => "sns",
        "SSM" => "ssm",
        "STS" => "sts",
        _ => "aws",
    }
}

/// Whether an operation only reads.
pub(crate) fn is_read(operation: &str) -> bool {
    ["Describe", "Get", "List", "Simulate", "Test"].iter().any(|verb| operation.starts_with(verb))
}

/// What was called so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallTime {
    /// How often, attempts counted.
    pub calls: u64,
    /// Time between sending and answer, summed.
    pub in_flight: Duration,
    /// Time spent waiting for a token, summed.
    pub waiting: Duration,
}

pub(crate) struct Governor {
    rates: Rates,
    sleep: SharedAsyncSleep,
    time: SharedTimeSource,
    timeout: Duration,
    buckets: Mutex<BTreeMap<Key, Arc<Bucket>>>,
    calls: Mutex<BTreeMap<String, CallTime>>,
    reads: Arc<Reads>,
}

/// Region (empty: the whole account), service, and the operation or `*`.
type Key = (String, &'static str, String);

impl fmt::Debug for Governor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Governor").field("rates", &self.rates).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing between lock and unlock can leave the value half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Governor {
    pub(crate) fn new(
        rates: Rates,
        sleep: SharedAsyncSleep,
        time: SharedTimeSource,
        timeout: Duration,
        reads: Arc<Reads>,
    ) -> Self {
        let (buckets, calls) = Default::default();
        Governor { rates, sleep, time, timeout, buckets, calls, reads }
    }

    /// Calls and times by operation, `ec2:CreateVpc`.
    pub(crate) fn calls(&self) -> BTreeMap<String, CallTime> {
        lock(&self.calls).clone()
    }

    fn now(&self) -> Duration {
        self.time.now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// The buckets that a call takes a token from, the narrowest first.
    fn buckets(&self, label: &Label) -> Vec<Arc<Bucket>> {
        let limits = self.rates.of(label.service, &label.operation);
        let mut buckets = lock(&self.buckets);
        let of = |limit: crate::rates::Limit| {
            let region = if limit.per_region { label.region.to_string() } else { String::new() };
            let key = (region, label.service, limit.shared_by);
            Arc::clone(buckets.entry(key).or_insert_with(|| Arc::new(Bucket::new(limit.rate))))
        };
        limits.into_iter().map(of).collect()
    }

    /// Waits for a token of each bucket; the answer is the one of the narrowest.
    async fn admit(self: &Arc<Self>, label: &Label) -> Option<Ticket> {
        let mut ticket = None;
        for bucket in self.buckets(label) {
            let (number, wait) = bucket.reserve(self.now());
            if !wait.is_zero() {
                self.sleep.sleep(wait).await;
            }
            let governor = Arc::clone(self);
            ticket.get_or_insert(Ticket { governor, bucket, number, operation: label.name() });
        }
        ticket
    }

    async fn call(
        self: Arc<Self>,
        label: Label,
        connector: SharedHttpConnector,
        request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let arrived = self.now();
        let ticket = self.admit(&label).await;
        let sent = self.now();
        // What was read before a change, or beside it, is old once the change is answered, lost or abandoned.
        let _outdated = (!is_read(&label.operation)).then(|| Outdate(&self.reads));
        let answer = {
            let (answer, limit) = (pin!(connector.call(request)), pin!(self.sleep.sleep(self.timeout)));
            match select(answer, limit).await {
                Either::Left((answer, _)) => answer,
                Either::Right(_) => {
                    let text = format!("no answer within {} s", self.timeout.as_secs_f64());
                    Err(ConnectorError::timeout(text.into()))
                }
            }
        };
        let answered = self.now();
        {
            let mut calls = lock(&self.calls);
            let time = calls.entry(label.name()).or_default();
            time.calls += 1;
            time.in_flight += answered.saturating_sub(sent);
            time.waiting += sent.saturating_sub(arrived);
        }
        answer.map(|mut response| {
            if let Some(ticket) = ticket {
                response.add_extension(ticket);
            }
            response
        })
    }
}

impl Label {
    fn name(&self) -> String {
        format!("{}:{}", self.service, self.operation)
    }
}

/// Ends the life of shared reads when a change is over, however it ends.
struct Outdate<'r>(&'r Reads);

impl Drop for Outdate<'_> {
    fn drop(&mut self) {
        self.0.outdate();
    }
}

/// Hangs on every response, so that whoever finds out that it says "too many" can tell the bucket.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    governor: Arc<Governor>,
    bucket: Arc<Bucket>,
    number: u64,
    operation: String,
}

impl Ticket {
    /// AWS throttled this call.
    pub(crate) fn throttled(&self) {
        self.bucket.throttled(self.number, self.governor.now());
    }

    /// The call as the SDK names it, `ec2:CreateVpc`.
    pub(crate) fn operation(&self) -> &str {
        &self.operation
    }
}

/// A token bucket, kept as the time at which it would be full again (the generic cell rate algorithm): no timer, no queue,
/// and who reserves first goes first.
#[derive(Debug)]
struct Bucket {
    nominal: Rate,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Calls per second, at most the nominal ones.
    per_s: f64,
    /// When all reserved calls are paid for.
    paid: Duration,
    /// The latest time seen: a wall clock may be set back.
    seen: Duration,
    /// Calls admitted so far.
    admitted: u64,
    /// Calls with a smaller number were admitted at the rate before the last halving.
    halved_at: u64,
}

impl Bucket {
    fn new(nominal: Rate) -> Self {
        let (paid, seen) = Default::default();
        let state = State { per_s: nominal.per_s, paid, seen, admitted: 0, halved_at: 0 };
        Bucket { nominal, state: Mutex::new(state) }
    }

    /// Takes the next place: its number, and how long until it may be used.
    fn reserve(&self, now: Duration) -> (u64, Duration) {
        let state = &mut *lock(&self.state);
        if now < state.seen {
            state.paid = state.paid.saturating_sub(state.seen - now);
        }
        state.seen = now;
        let interval = Duration::from_secs_f64(1.0 / state.per_s);
        let credit = interval.mul_f64((self.nominal.burst - 1.0).max(0.0));
        let paid = state.paid.max(now);
        state.paid = paid + interval;
        state.per_s = (state.per_s + self.nominal.per_s / 20.0).min(self.nominal.per_s);
        state.admitted += 1;
        (state.admitted, paid.saturating_sub(credit).saturating_sub(now))
    }

    fn throttled(&self, number: u64, now: Duration) {
        let state = &mut *lock(&self.state);
        // Of the calls that were under way together only the first one counts: they all met the same full bucket.
        if number <= state.halved_at {
            return;
        }
        state.halved_at = state.admitted;
        state.per_s = (state.per_s / 2.0).max(self.nominal.per_s / 64.0);
        // The bucket at AWS is empty, so ours is: no burst until it has filled again.
        let burst = Duration::from_secs_f64(self.nominal.burst / state.per_s);
        state.paid = state.paid.max(now + burst);
    }
}

/// The HTTP client of all SDK clients: the given one behind the governor.
#[derive(Debug)]
pub(crate) struct Governed {
    pub(crate) inner: SharedHttpClient,
    pub(crate) governor: Arc<Governor>,
}

impl HttpClient for Governed {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(GovernedConnector { inner, governor: Arc::clone(&self.governor) })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.inner.validate_base_client_config(components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        self.inner.validate_final_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

#[derive(Debug)]
struct GovernedConnector {
    inner: SharedHttpConnector,
    governor: Arc<Governor>,
}

impl HttpConnector for GovernedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        // Only our own clients label their requests; nothing else is counted by these buckets.
        match request.extension::<Label>().cloned() {
            None => self.inner.call(request),
            Some(label) => {
                let governor = Arc::clone(&self.governor);
                HttpConnectorFuture::new(governor.call(label, self.inner.clone(), request))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The waits of calls that all arrive at `now`, in milliseconds.
    fn waits(bucket: &Bucket, now: Duration, calls: usize) -> Vec<u128> {
        (0..calls).map(|_| bucket.reserve(now).1.as_millis()).collect()
    }

    #[test]
    fn a_burst_passes_and_then_one_call_per_interval_in_order() {
        let bucket = Bucket::new(Rate { burst: 3.0, per_s: 10.0 });
        assert_eq!(waits(&bucket, SECOND, 6), [0, 0, 0, 100, 200, 300]);
        assert_eq!(waits(&bucket, SECOND * 2, 4), [0, 0, 0, 100], "a second refills it, and not more than it holds");
    }

    #[test]
    fn one_call_per_interval_without_a_burst() {
        let bucket = Bucket::new(Rate { burst: 1.0, per_s: 1.0 / 15.0 });
        assert_eq!(waits(&bucket, SECOND, 3), [0, 15_000, 30_000]);
    }

    #[test]
    fn a_throttled_call_halves_the_rate_once_and_empties_the_bucket() {
        let bucket = Bucket::new(Rate { burst: 2.0, per_s: 10.0 });
        let (first, _) = bucket.reserve(SECOND);
        let (second, _) = bucket.reserve(SECOND);
        bucket.throttled(first, SECOND);
        bucket.throttled(second, SECOND);
        assert_eq!(bucket.reserve(SECOND).1.as_millis(), 200, "five calls a second, none at once");
        for _ in 0..40 {
            bucket.reserve(SECOND);
        }
        let later = SECOND * 1000;
        assert_eq!(waits(&bucket, later, 4), [0, 0, 100, 200], "back at the nominal rate");
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_stop_the_calls() {
        let bucket = Bucket::new(Rate { burst: 1.0, per_s: 1.0 });
        bucket.reserve(SECOND * 3600);
        assert_eq!(bucket.reserve(SECOND).1, SECOND);
    }
}
