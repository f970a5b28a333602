//! The faults and latencies of the simulator in front of another HTTP client: an emulator that speaks AWS's wire formats, or
//! AWS itself.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, UNIX_EPOCH};

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, SharedInterceptor, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::config_bag::ConfigBag;

use crate::cloud::Crashed;
use crate::faults::{Faults, Patience, Travel};
use crate::seam;
use crate::wire_form::{WireForm, request_id};

/// Latency and faults on the way to something that speaks AWS's wire formats: moto, LocalStack, or AWS.
///
/// The [`Faults`] mean what they mean on a [`Cloud`](crate::Cloud), in the time of the clients: real time, unless they were
/// given a clock. What is done although its answer is lost has been answered by the endpoint before the answer is dropped. An
/// error that a fault makes up is written in the service's own protocol and read by the SDK, as if the endpoint had answered it.
/// Which calls a share of faults hits depends on their order, which is the endpoint's and not the seed's.
///
/// ```no_run
/// use std::time::Duration;
///
/// use dr_sim::{Fault, FaultConnector, Target};
///
/// let front = FaultConnector::new(dr_aws::https_client(), 1);
/// front.set_round_trip(Duration::from_millis(80), Duration::ZERO);
/// front.faults().next(Target::operation("EC2", "CreateVpc"), Fault::Lost);
/// let aws = dr_aws::Aws::builder()
///     .endpoint_url("http://127.0.0.1:5000")
///     .http_client(front.http_client())
///     .interceptor(front.interceptor())
///     .build();
/// ```
#[derive(Debug, Clone)]
pub struct FaultConnector {
    inner: SharedHttpClient,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    faults: Faults,
    travel: Mutex<Travel>,
    /// Errors made up so far.
    refused: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing between lock and unlock can leave the value half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FaultConnector {
    /// In front of `inner`, without faults and without a latency of its own. The seed decides about shares and jitter.
    #[must_use]
    pub fn new(inner: SharedHttpClient, seed: u64) -> Self {
        let (faults, travel) = (Faults::seeded(seed), Mutex::new(Travel::seeded(seed)));
        FaultConnector { inner, shared: Arc::new(Shared { faults, travel, refused: AtomicU64::new(0) }) }
    }

    /// What goes wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// How long each request travels, there and back, beside the time that the endpoint takes. Jitter adds up to that much.
    pub fn set_round_trip(&self, round_trip: Duration, jitter: Duration) {
        lock(&self.shared.travel).set(round_trip, jitter);
    }

    /// The HTTP client for the SDK's clients, which need the [`interceptor`](FaultConnector::interceptor) as well.
    #[must_use]
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    /// Tells the connector which call a request is: it sees bytes only.
    #[must_use]
    pub fn interceptor(&self) -> SharedInterceptor {
        SharedInterceptor::new(Labels)
    }

    /// Runs a future to its end or to the crash point that [`Faults::crash_at`] set.
    ///
    /// # Errors
    /// [`Crashed`] when the point was reached. The future has been dropped, and with it the connections of its requests that were
    /// under way, as the death of a process would do. Tasks that the future spawned elsewhere are not stopped, and a point that
    /// one of them reaches is seen when the future is polled next.
    pub async fn run<F: Future>(&self, future: F) -> Result<F::Output, Crashed> {
        let faults = &self.shared.faults;
        let crashed = {
            let mut future = pin!(future);
            std::future::poll_fn(|context| match future.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if faults.is_dying() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            })
            .await
        };
        crashed.ok_or_else(|| Crashed(faults.buried().expect("it was stopped because of a crash")))
    }
}

impl HttpClient for FaultConnector {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            inner: self.inner.http_connector(settings, components),
            shared: Arc::clone(&self.shared),
            patience: Patience::of(settings),
            sleep: components.sleep_impl(),
            time: components.time_source().unwrap_or_default(),
        })
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

/// Which call a request is.
#[derive(Debug, Clone)]
struct Label {
    service: String,
    operation: String,
    region: String,
}

#[derive(Debug)]
struct Labels;

#[dyn_dispatch_hint]
impl Intercept for Labels {
    fn name(&self) -> &'static str {
        "FaultLabels"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let metadata = config.load::<Metadata>().ok_or("the SDK names the operation in the config bag")?;
        let (service, operation) = (metadata.service().to_owned(), metadata.name().to_owned());
        let region = seam::region_of(context.request(), config)?;
        context.request_mut().add_extension(Label { service, operation, region });
        Ok(())
    }
}

#[derive(Debug, Clone)]
struct Connector {
    inner: SharedHttpConnector,
    shared: Arc<Shared>,
    patience: Patience,
    sleep: Option<SharedAsyncSleep>,
    time: SharedTimeSource,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let user_error = |text: &str| HttpConnectorFuture::ready(Err(ConnectorError::user(text.into())));
        let Some(label) = request.extension::<Label>().cloned() else {
            return user_error("a request without a label: give the client `FaultConnector::interceptor` as well");
        };
        let Some(sleep) = self.sleep.clone() else {
            return user_error("a client without a `sleep_impl` cannot wait");
        };
        let connector = self.clone();
        HttpConnectorFuture::new(async move {
            connector.patience.wait_for(&sleep, connector.exchange(label, request, &sleep)).await
        })
    }
}

impl Connector {
    async fn exchange(
        &self,
        label: Label,
        request: HttpRequest,
        sleep: &SharedAsyncSleep,
    ) -> Result<HttpResponse, ConnectorError> {
        let Label { service, operation, region } = label;
        let faults = &self.shared.faults;
        let (point, dies) = faults.crashes_before_sending();
        if dies {
            return std::future::pending().await;
        }
        let (there, back) = lock(&self.shared.travel).next();
        sleep_some(sleep, there).await;
        let form = WireForm::of(&service, &request);
        let answer = match faults.of(&service, &operation, &region, self.now_ms()) {
            Some(fault) if !fault.is_done() => Err(fault),
            fault => match (self.inner.call(request).await, fault) {
                (Ok(_), Some(fault)) => Err(fault),
                // A call that fails by itself needs no fault.
                (answer, _) => Ok(answer),
            },
        };
        if faults.crashes_after_doing(point) {
            return std::future::pending().await;
        }
        let response = match answer {
            Ok(answer) => answer?,
            Err(fault) => {
                let refusal = fault.befall(&service, sleep, (there, back), self.patience).await?;
                let number = 1 + self.shared.refused.fetch_add(1, Ordering::Relaxed);
                form.response(&refusal, &request_id(number))
            }
        };
        sleep_some(sleep, back).await;
        Ok(response)
    }

    fn now_ms(&self) -> u64 {
        let since = self.time.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A timer of Tokio rounds up to its next tick, also for no time at all.
async fn sleep_some(sleep: &SharedAsyncSleep, duration: Duration) {
    if !duration.is_zero() {
        sleep.sleep(duration).await;
    }
}
