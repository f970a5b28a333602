//! The control plane: one file per service, one function per API operation, strict as AWS is.
//!
//! A handler takes the typed input of the SDK and answers the typed output, or a [`Refusal`] with AWS's wire code. It has no
//! clock and no randomness of its own: both come with the [`Call`] and the world, so the same seed gives the same world.

pub(crate) mod acm;
pub(crate) mod apigatewayv2;
pub(crate) mod cloudfront;
pub(crate) mod cloudwatch;
pub(crate) mod ec2;
pub(crate) mod elbv2;
pub(crate) mod iam;
pub(crate) mod route53;
pub(crate) mod sns;
mod ssm;
mod sts;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use aws_smithy_runtime_api::client::interceptors::context::{Error, Input, Output};
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};

use crate::world::World;

/// One request as it reaches the control plane.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The region that the request was signed for; `us-east-1` for the global services.
    pub(crate) region: String,
    /// Milliseconds of virtual time since the Unix epoch at which the request arrives.
    pub(crate) now_ms: u64,
}

/// What AWS answers instead of an output: the wire code, a sentence and the HTTP status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) status: u16,
}

impl Refusal {
    /// A refusal with status 400, the usual one.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Refusal { code: code.to_owned(), message: message.into(), status: 400 }
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}

pub(crate) type Answer<T> = Result<T, Refusal>;

type Refuse = dyn Fn(&Refusal, &str) -> Error + Send + Sync;
type Handler = dyn Fn(&mut World, &Call, &(dyn Any + Send + Sync)) -> Answer<Output> + Send + Sync;

/// An operation of the simulated cloud: how its input is kept for the attempts, and what answers it.
pub(crate) struct Operation {
    /// Clones the input out of the SDK's type-erased box; `None` when it is not the input of this operation.
    pub(crate) keep: fn(&Input) -> Option<Arc<dyn Any + Send + Sync>>,
    /// Does the operation.
    pub(crate) answer: Box<Handler>,
    /// The typed error for a refusal, of the handler or of an injected fault, under a request id.
    pub(crate) refuse: Box<Refuse>,
}

/// Every operation that is simulated, by service name and operation name as the SDK's metadata spells them
/// (`("EC2", "CreateVpc")`); what is not in it answers "not simulated".
#[derive(Default)]
pub(crate) struct Table {
    operations: BTreeMap<&'static str, BTreeMap<&'static str, Operation>>,
}

impl Table {
    /// The whole simulated cloud.
    pub(crate) fn aws() -> Self {
        let mut table = Table::default();
        acm::register(&mut table);
        apigatewayv2::register(&mut table);
        cloudfront::register(&mut table);
        cloudwatch::register(&mut table);
        ec2::register(&mut table);
        elbv2::register(&mut table);
        iam::register(&mut table);
        route53::register(&mut table);
        sns::register(&mut table);
        ssm::register(&mut table);
        sts::register(&mut table);
        table
    }

    pub(crate) fn get(&self, service: &str, operation: &str) -> Option<&Operation> {
        self.operations.get(service)?.get(operation)
    }

    /// Registers a handler. `error` is the operation's `generic` constructor, which carries the code and the message.
    pub(crate) fn on<I, O, E>(
        &mut self,
        service: &'static str,
        operation: &'static str,
        error: fn(ErrorMetadata) -> E,
        handler: fn(&mut World, &Call, &I) -> Answer<O>,
    ) where
        I: Clone + Debug + Send + Sync + 'static,
        O: Debug + Send + Sync + 'static,
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let entry = Operation {
            keep: |input| Some(Arc::new(input.downcast_ref::<I>()?.clone())),
            answer: Box::new(move |world, call, input| {
                let input = input.downcast_ref::<I>().expect("`keep` of the same operation made this box");
                handler(world, call, input).map(Output::erase)
            }),
            refuse: Box::new(move |refusal, request_id| {
                let metadata = ErrorMetadata::builder()
                    .code(&refusal.code)
                    .message(&refusal.message)
                    // The key under which `aws_types::request_id` finds it again.
                    .custom("aws_request_id", request_id)
                    .build();
                Error::erase(error(metadata))
            }),
        };
        let twice = self.operations.entry(service).or_default().insert(operation, entry);
        assert!(twice.is_none(), "{service}.{operation} is registered twice");
    }
}
