//! The seam under the SDK clients: an interceptor that carries typed inputs and outputs past the wire formats, and an HTTP
//! connector in which a request takes its time, meets its faults and reaches the control plane.
//!
//! ```text
//! read_before_serialization         clones the typed input                      (once per call)
//! modify_before_transmit            hangs it on the request                     (each attempt, as the SDK retries)
//! connector                         travel · fault · rate limit · handler · travel
//! modify_before_attempt_completion  puts the typed output or error in place     (before the SDK decides about a retry)
//! ```
//!
//! Serialising, endpoint rules, signing, retries and time-outs of the SDK run as they do in front of AWS. The wire formats
//! are not proved here: the deserialiser sees an empty body, and its verdict is overwritten.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut, Error,
    FinalizerInterceptorContextMut, Output,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata, OrchestratorError};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::retry::RetryConfig;
use aws_types::region::Region;

use crate::cloud::{Outcome, Shared};
use crate::control::{Answer, Call, Operation, Refusal, ec2};
use crate::faults::{CrashPoint, Fault, Patience};
use crate::wire_form::{WireForm, request_id, response};

type Input = Arc<dyn Any + Send + Sync>;

/// A call of a client, kept in its config bag: attempts come and go, the input stays.
#[derive(Clone)]
struct Ticket {
    service: Cow<'static, str>,
    operation: Cow<'static, str>,
    /// None when the operation is not simulated.
    input: Option<Input>,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({}.{})", self.service, self.operation)
    }
}

impl Storable for Ticket {
    type Storer = StoreReplace<Self>;
}

/// Where the connector leaves the typed answer of one attempt.
#[derive(Debug, Clone, Default)]
struct Slot(Arc<Mutex<Option<Result<Output, Error>>>>);

impl Slot {
    fn put(&self, answer: Result<Output, Error>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }

    fn take(&self) -> Option<Result<Output, Error>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Storable for Slot {
    type Storer = StoreReplace<Self>;
}

/// What hangs on the request of one attempt.
#[derive(Debug, Clone)]
struct Parcel {
    ticket: Ticket,
    region: String,
    slot: Slot,
}

/// Carries typed inputs and outputs of the clients that have it.
pub(crate) struct Carrier(pub(crate) Arc<Shared>);

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Carrier")
    }
}

impl Carrier {
    /// Takes the chance out of the SDK's retries: backoff without the random factor, and a retry quota per cloud, service and
    /// region instead of one that all clients of the process share.
    fn be_reproducible(&self, config: &mut ConfigBag) {
        let retries =
            config.load::<RetryConfig>().map(|retries| retries.clone().with_use_static_exponential_base(true));
        let service = config.load::<Metadata>().map(|metadata| metadata.service().to_owned()).unwrap_or_default();
        let region = config.load::<Region>().map(ToString::to_string).unwrap_or_default();
        let state = config.interceptor_state();
        if let Some(retries) = retries {
            state.store_put(retries);
        }
        state.store_put(self.0.retry_partition(&service, &region));
    }
}

impl Intercept for Carrier {
    fn name(&self) -> &'static str {
        "SimulatedCloud"
    }

    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.be_reproducible(config);
        let metadata = config.load::<Metadata>().ok_or("the SDK names the operation in the config bag")?;
        let (service, operation) = (metadata.service().to_owned(), metadata.name().to_owned());
        let input = match self.0.table.get(&service, &operation) {
            None => None,
            Some(entry) => Some((entry.keep)(context.input()).ok_or("the input is of another operation")?),
        };
        config.interceptor_state().store_put(Ticket { service: service.into(), operation: operation.into(), input });
        Ok(())
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let ticket = config.load::<Ticket>().ok_or("the call was read before it was serialised")?.clone();
        let region = region_of(context.request(), config)?;
        let slot = Slot::default();
        config.interceptor_state().store_put(slot.clone());
        context.request_mut().add_extension(Parcel { ticket, region, slot });
        Ok(())
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Empty after a time-out or a broken connection: then the SDK's own error stands.
        if let Some(answer) = config.load::<Slot>().and_then(Slot::take) {
            context.inner_mut().set_output_or_error(answer.map_err(OrchestratorError::operation));
        }
        Ok(())
    }
}

/// The region that a request is for: the one it is signed for, which of a global service is not the client's.
pub(crate) fn region_of(request: &HttpRequest, config: &ConfigBag) -> Result<String, BoxError> {
    let signed = request.headers().get("authorization").and_then(signing_region);
    let region = signed.map(str::to_owned).or_else(|| config.load::<Region>().map(ToString::to_string));
    region.ok_or_else(|| "the request is neither signed nor configured for a region".into())
}

/// The region in the credential scope: `Credential=KEY/20260101/us-east-1/ec2/aws4_request`.
fn signing_region(authorization: &str) -> Option<&str> {
    authorization.split_once("Credential=")?.1.split('/').nth(2)
}

/// The HTTP client of the simulated cloud.
pub(crate) struct Wire(pub(crate) Arc<Shared>);

/// The same with the patience of one of the SDK's clients.
struct Connector {
    shared: Arc<Shared>,
    patience: Patience,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector { shared: self.0.clone(), patience: Patience::of(settings) })
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Some(parcel) = request.extension::<Parcel>().cloned() else {
            let message = "a request without a parcel: give the client `Cloud::interceptor` as well";
            return HttpConnectorFuture::ready(Err(ConnectorError::user(message.into())));
        };
        let (shared, patience) = (self.shared.clone(), self.patience);
        HttpConnectorFuture::new(async move {
            match parcel.ticket.input.clone() {
                None => Ok(not_simulated(&shared, &request, &parcel)),
                Some(input) => {
                    let clock = shared.clock.clone();
                    patience.wait_for(&clock, exchange(shared, parcel, input, patience)).await
                }
            }
        })
    }
}

/// A request on its way to the cloud. What was sent arrives, even when the sender has died or given up by then.
#[derive(Clone)]
pub(crate) struct Flight {
    pub(crate) number: u64,
    service: Cow<'static, str>,
    operation: Cow<'static, str>,
    region: String,
    input: Input,
    pub(crate) arrives_ms: u64,
}

impl Flight {
    /// Arrivals are done in this order.
    pub(crate) fn order(&self) -> (u64, u64) {
        (self.arrives_ms, self.number)
    }
}

/// A flight whose sender waits; an orphan when the sender is dropped before the arrival.
struct Sending {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.shared.orphan(self.number);
    }
}

/// What the cloud did with a request.
struct Landed {
    answer: Result<Answer<Output>, Fault>,
    outcome: Outcome,
}

async fn exchange(
    shared: Arc<Shared>,
    parcel: Parcel,
    input: Input,
    patience: Patience,
) -> Result<HttpResponse, ConnectorError> {
    let Parcel { ticket: Ticket { service, operation, .. }, region, slot } = parcel;
    let (point, dies) = shared.faults.crashes_before_sending();
    shared.pass(CrashPoint::Before(point), &service, &operation);
    if dies {
        return std::future::pending().await;
    }
    let (there, back) = shared.travel();
    let number = shared.next_number();
    let arrives_ms = shared.clock.now_ms() + u64::try_from(there.as_millis()).unwrap_or(u64::MAX);
    let flight = Flight { number, service: service.clone(), operation: operation.clone(), region, input, arrives_ms };
    shared.send(flight);
    let sending = Sending { shared: shared.clone(), number };
    shared.clock.sleep(there).await;
    let flight = shared.arrive(number).expect("only the sender takes it");
    drop(sending);
    let landed = land(&shared, flight);
    shared.pass(CrashPoint::After(point), &service, &operation);
    if shared.faults.crashes_after_doing(point) {
        return std::future::pending().await;
    }
    let entry = shared.table.get(&service, &operation).expect("the input came from this entry");
    let answer = match landed.answer {
        Ok(answer) => answer,
        Err(fault) => Err(fault.befall(&service, &shared.clock, (there, back), patience).await?),
    };
    shared.clock.sleep(back).await;
    let request_id = request_id(number);
    let (status, answer) = match answer {
        Ok(output) => (200, Ok(output)),
        Err(refusal) => (refusal.status, Err((entry.refuse)(&refusal, &request_id))),
    };
    slot.put(answer);
    Ok(response(status, &request_id, SdkBody::empty()))
}

/// The arrival: faults, rates, and the handler under the world's lock.
fn land(shared: &Shared, flight: Flight) -> Landed {
    shared.land_orphans_until(shared.clock.now_ms());
    let Flight { number, service, operation, region, input, arrives_ms } = flight;
    let now_ms = shared.clock.now_ms().max(arrives_ms);
    let fault = shared.faults.of(&service, &operation, &region, now_ms);
    let landed = match fault {
        Some(fault) if !fault.is_done() => {
            let outcome = match fault.refusal(&service) {
                Some(refusal) => Outcome::Refused(refusal.code),
                None => Outcome::NotDone,
            };
            Landed { answer: Err(fault), outcome }
        }
        fault => {
            let mut world = shared.world();
            world.settle(now_ms);
            let admitted =
                enabled(&service, &region).and_then(|()| world.buckets.take(&service, &operation, &region, now_ms));
            let answer = match admitted {
                Err(refusal) => Err(refusal),
                Ok(()) => {
                    let entry: &Operation =
                        shared.table.get(&service, &operation).expect("the input came from this entry");
                    (entry.answer)(&mut world, &Call { region: region.clone(), now_ms }, &*input)
                }
            };
            match (answer, fault) {
                (Err(refusal), None) => {
                    Landed { outcome: Outcome::Refused(refusal.code.clone()), answer: Ok(Err(refusal)) }
                }
                (Ok(output), None) => Landed { outcome: Outcome::Done, answer: Ok(Ok(output)) },
                (Err(refusal), Some(fault)) => Landed { outcome: Outcome::Refused(refusal.code), answer: Err(fault) },
                (Ok(_), Some(fault)) => Landed { outcome: Outcome::DoneUnanswered, answer: Err(fault) },
            }
        }
    };
    shared.record(number, now_ms, region, service, operation, landed.outcome.clone());
    landed
}

/// A region that is not there, or that the account has not switched on, does not know its credentials.
fn enabled(service: &str, region: &str) -> Answer<()> {
    if ec2::is_enabled(region) {
        return Ok(());
    }
    Err(match service {
        "EC2" => {
            let message = "AWS was not able to validate the provided access credentials";
            Refusal::new("AuthFailure", message).status(401)
        }
        "ACM" | "SSM" | "ApiGatewayV2" => {
            let message = "The security token included in the request is invalid.";
            Refusal::new("UnrecognizedClientException", message).status(403)
        }
        _ => {
            let message = "The security token included in the request is invalid.";
            Refusal::new("InvalidClientTokenId", message).status(403)
        }
    })
}

/// Lets a request land whose sender is gone.
pub(crate) fn land_orphan(shared: &Shared, flight: Flight) {
    // Nobody waits for the answer.
    let _ = land(shared, flight);
}

/// "This operation is not simulated", read by the SDK's own deserialiser: there is no typed error to build.
fn not_simulated(shared: &Shared, request: &HttpRequest, parcel: &Parcel) -> HttpResponse {
    let Ticket { service, operation, .. } = &parcel.ticket;
    let number = shared.next_number();
    let refusal = Refusal::new("NotSimulated", format!("not simulated: {service}.{operation}")).status(501);
    let response = WireForm::of(service, request).response(&refusal, &request_id(number));
    let (now_ms, outcome) = (shared.clock.now_ms(), Outcome::Refused(refusal.code));
    shared.record(number, now_ms, parcel.region.clone(), service.clone(), operation.clone(), outcome);
    response
}
