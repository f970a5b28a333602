//! A provider of any type: every call travels, meets its fault, and is done by the simulated cloud.

use std::future::pending;

use super::cloud::Request;
use super::faults::{Called, Fault, Operation, no_answer};
use super::time::Sleep;
use super::{Shared, alive, tick};
use crate::error::{Action, Class, CloudError};
use crate::provider::{BoxFuture, FoundData, Owner, PriorData, Provider, Settled, WantedData};
use crate::resource::Schema;
use crate::value::Value;

/// The provider of one type in a simulated world.
pub(super) struct SimProvider {
    pub(super) shared: Shared,
    pub(super) schema: &'static Schema,
}

/// A call on its way to the cloud.
#[derive(Debug)]
pub(super) struct Travelling {
    pub(super) schema: &'static Schema,
    pub(super) request: Request,
    pub(super) arrives: u64,
    pub(super) result: Option<Result<Value, CloudError>>,
    /// Whoever sent it is dead: nobody takes the answer.
    pub(super) abandoned: bool,
}

/// A place among the calls in flight, given back however the call ends.
struct Place {
    shared: Shared,
    service: (String, String),
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(n) = self.shared.lock().in_flight.get_mut(&self.service) {
            *n -= 1;
        }
    }
}

impl SimProvider {
    fn place(&self, region: &str) -> Place {
        let service = (self.schema.service().to_owned(), region.to_owned());
        let mut inner = self.shared.lock();
        *inner.in_flight.entry(service.clone()).or_default() += 1;
        let (all, here) = (inner.in_flight.values().sum::<usize>(), inner.in_flight[&service]);
        if all > inner.limits.calls || here > inner.limits.calls_per_service {
            inner.violations.push(format!("{all} calls in flight, {here} of them to {service:?}"));
        }
        inner.most_in_flight = inner.most_in_flight.max(all);
        drop(inner);
        Place { shared: self.shared.clone(), service }
    }

    /// Notes the call and decides what happens to it.
    fn called(&self, operation: Operation, region: &str, owner: Option<&Owner>) -> Fated {
        let mut inner = self.shared.lock();
        let place = owner.map_or_else(|| format!("{region}/{}", self.schema.type_name), |o| o.address.to_string());
        let nth = inner.counts.entry((operation, place)).or_default();
        *nth += 1;
        let nth = *nth;
        let called = Called {
            at: inner.now,
            operation,
            type_name: self.schema.type_name,
            region: region.to_owned(),
            address: owner.map(|owner| owner.address.clone()),
            generation: owner.map_or(0, |owner| owner.generation),
            nth,
        };
        inner.calls.push(called.clone());
        let away = inner.faults.away.contains(region);
        let shares = (inner.faults.throttled, inner.faults.unanswered, inner.faults.lost);
        let mut fault = away.then_some(Fault::Unanswered);
        if let (None, Some(script)) = (&fault, &mut inner.script) {
            fault = script(&called);
        }
        let random = &mut inner.fault_random;
        let (throttled, unanswered, lost) =
            (random.chance(shares.0), random.chance(shares.1), operation.changes() && random.chance(shares.2));
        let fault = fault.or_else(|| {
            if throttled {
                Some(Fault::refused(Class::Throttled))
            } else if unanswered {
                Some(Fault::Unanswered)
            } else {
                lost.then_some(Fault::AnswerLost)
            }
        });
        let random = &mut inner.time_random;
        let mut there = 5 + random.below(60);
        let back = 5 + random.below(60);
        if let Some(Fault::Slow(longer)) = &fault {
            there += u64::try_from(longer.as_millis()).unwrap_or(u64::MAX);
        }
        Fated { fault, there, back, operation }
    }

    /// A call that changes something.
    async fn change(&self, request: Request, intended: &[Action]) -> Result<Value, CloudError> {
        alive(&self.shared).await;
        let owner = request.owner().clone();
        let _place = self.place(&owner.region);
        let fated = self.called(request.operation(), &owner.region, Some(&owner));
        {
            let mut inner = self.shared.lock();
            if !inner.disk.has_intent(&owner.address, owner.generation, intended) {
                let (operation, address, generation) = (request.operation(), &owner.address, owner.generation);
                let line = format!("{operation:?} {address} #{generation} without a durable intent");
                inner.violations.push(line);
            }
        }
        tick(&self.shared).await;
        let number = {
            let mut inner = self.shared.lock();
            inner.travelled += 1;
            let (number, arrives) = (inner.travelled, inner.now + fated.there);
            let done = matches!(fated.fault, None | Some(Fault::AnswerLost | Fault::DoneAndHangs | Fault::Slow(_)));
            if done {
                let travelling = Travelling { schema: self.schema, request, arrives, result: None, abandoned: false };
                inner.travelling.insert(number, travelling);
            }
            number
        };
        Sleep::for_ms(&self.shared, fated.there).await;
        alive(&self.shared).await;
        let result = {
            let mut inner = self.shared.lock();
            inner.arrive();
            inner.travelling.remove(&number).and_then(|travelling| travelling.result)
        };
        tick(&self.shared).await;
        Sleep::for_ms(&self.shared, fated.back).await;
        alive(&self.shared).await;
        fated.answer(self.schema, result).await
    }

    /// A call that changes nothing.
    async fn ask<T>(
        &self,
        operation: Operation,
        region: &str,
        owner: Option<&Owner>,
        answer: impl FnOnce(&mut super::Inner) -> Result<T, CloudError> + Send,
    ) -> Result<T, CloudError> {
        alive(&self.shared).await;
        let _place = owner.map(|owner| self.place(&owner.region));
        let fated = self.called(operation, region, owner);
        tick(&self.shared).await;
        Sleep::for_ms(&self.shared, fated.there).await;
        alive(&self.shared).await;
        let result = {
            let mut inner = self.shared.lock();
            inner.arrive();
            answer(&mut inner)
        };
        Sleep::for_ms(&self.shared, fated.back).await;
        alive(&self.shared).await;
        fated.answer(self.schema, Some(result)).await
    }
}

/// A call and what becomes of it.
struct Fated {
    fault: Option<Fault>,
    /// Milliseconds to the cloud, and back.
    there: u64,
    back: u64,
    operation: Operation,
}

impl Fated {
    async fn answer<T>(self, schema: &Schema, result: Option<Result<T, CloudError>>) -> Result<T, CloudError> {
        match (self.fault, result) {
            (Some(Fault::Hangs | Fault::DoneAndHangs), _) => pending().await,
            (Some(Fault::Refused(error)), _) => Err(error),
            // What the cloud refused for certain is refused, whether or not the answer arrives: the caller cannot know.
            (Some(Fault::AnswerLost | Fault::Unanswered), _) | (_, None) => {
                Err(no_answer(self.operation, schema.type_name))
            }
            (None | Some(Fault::Slow(_)), Some(result)) => result,
        }
    }
}

impl Provider for SimProvider {
    fn schema(&self) -> &'static Schema {
        self.schema
    }

    fn read<'a>(
        &'a self,
        stack: &'a str,
        region: &'a str,
        wanted: Vec<WantedData>,
    ) -> BoxFuture<'a, Result<Vec<FoundData>, CloudError>> {
        Box::pin(self.ask(Operation::Read, region, None, move |inner| {
            let stale = u64::try_from(inner.faults.stale.as_millis()).unwrap_or(u64::MAX);
            let lag = inner.fault_random.below(stale.saturating_add(1));
            Ok(inner.cloud.list(self.schema, stack, region, &wanted, inner.now.saturating_sub(lag)))
        }))
    }

    fn create(&self, owner: Owner, args: Value) -> BoxFuture<'_, Result<Value, CloudError>> {
        Box::pin(self.change(Request::Create { owner, args }, &[Action::Create]))
    }

    fn update(&self, owner: Owner, prior: PriorData, args: Value) -> BoxFuture<'_, Result<Value, CloudError>> {
        Box::pin(self.change(Request::Update { owner, prior, args }, &[Action::Update]))
    }

    fn delete(&self, owner: Owner, prior: PriorData) -> BoxFuture<'_, Result<(), CloudError>> {
        Box::pin(async move { self.change(Request::Delete { owner, prior }, &[Action::Delete]).await.map(|_| ()) })
    }

    fn ready(&self, owner: Owner, current: PriorData) -> BoxFuture<'_, Result<Settled<Value>, CloudError>> {
        Box::pin(async move {
            let region = owner.region.clone();
            self.ask(Operation::Ready, &region, Some(&owner), |inner| {
                let now = inner.now;
                inner.cloud.ready(self.schema, &owner, &current, now)
            })
            .await
        })
    }

    fn gone(&self, owner: Owner, prior: PriorData) -> BoxFuture<'_, Result<Settled<()>, CloudError>> {
        Box::pin(async move {
            let region = owner.region.clone();
            self.ask(Operation::Gone, &region, Some(&owner), |inner| {
                let now = inner.now;
                inner.cloud.is_gone(self.schema, &owner, &prior, now)
            })
            .await
        })
    }

    fn adopt(&self, owner: Owner, current: PriorData) -> BoxFuture<'_, Result<(), CloudError>> {
        let intended = &[Action::Adopt, Action::Forget];
        Box::pin(async move { self.change(Request::Adopt { owner, current }, intended).await.map(|_| ()) })
    }
}
