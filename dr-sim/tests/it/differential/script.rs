//! One side of the comparison: sends calls through the SDK, and writes down what was answered without what differs from
//! account to account.

use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::Value;

/// Where the calls go.
pub(crate) enum Side {
    Simulator(dr_sim::Aws),
    Emulator(Box<dr_aws::Aws>),
}

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// The fields that the step shows.
    Done(Value),
    /// The wire code.
    Refused(String),
}

/// A call with its outcome.
#[derive(Debug)]
pub(crate) struct Step {
    /// Service, operation, and what is special about the call. Unique.
    pub(crate) name: &'static str,
    pub(crate) outcome: Outcome,
}

/// A run of the script against one side.
pub(crate) struct Script {
    side: Side,
    symbols: Vec<(String, String)>,
    pub(crate) steps: Vec<Step>,
}

type Answer<O, E> = Result<O, SdkError<E, HttpResponse>>;

impl Script {
    pub(crate) fn new(side: Side) -> Self {
        Script { side, symbols: Vec::new(), steps: Vec::new() }
    }

    pub(crate) fn clients(&self) -> &dr_aws::Aws {
        match &self.side {
            Side::Simulator(aws) => aws.clients(),
            Side::Emulator(aws) => aws,
        }
    }

    /// A call that both sides must do, because the following ones build on it. Writes down what `show` picks from the answer.
    pub(crate) async fn must<O, E: Refuses>(
        &mut self,
        name: &'static str,
        call: impl Future<Output = Answer<O, E>>,
        show: impl FnOnce(&mut Symbols<'_>, &O) -> Value,
    ) -> O {
        let answer = self.done(name, call).await;
        let shown = show(&mut Symbols(&mut self.symbols), &answer);
        let shown = self.normal(shown);
        self.note(name, Outcome::Done(shown));
        answer
    }

    /// A call of the script's own, which is not compared.
    pub(crate) async fn done<O, E: Refuses>(&self, what: &str, call: impl Future<Output = Answer<O, E>>) -> O {
        self.drive(call).await.unwrap_or_else(|error| panic!("{what}: {}", code(&error)))
    }

    /// A call of which only the code counts, or that it is done.
    pub(crate) async fn ask<O, E: Refuses>(&mut self, name: &'static str, call: impl Future<Output = Answer<O, E>>) {
        self.look(name, call, |_| Value::Bool(true)).await;
    }

    /// A call on whose answer nothing is built.
    pub(crate) async fn look<O, E: Refuses>(
        &mut self,
        name: &'static str,
        call: impl Future<Output = Answer<O, E>>,
        show: impl FnOnce(&O) -> Value,
    ) {
        let outcome = match self.drive(call).await {
            Ok(answer) => Outcome::Done(self.normal(show(&answer))),
            Err(error) => Outcome::Refused(code(&error)),
        };
        self.note(name, outcome);
    }

    /// Asks until `ready` says so, as whoever waits for a state has to. Nothing is written down: how a state is reached is the
    /// emulator's own affair, and calls that need it follow.
    pub(crate) async fn until<O, E: Refuses>(
        &mut self,
        what: &str,
        call: impl AsyncFn() -> Answer<O, E>,
        ready: impl Fn(&O) -> bool,
    ) -> O {
        for _ in 0..600 {
            let answer = self.done(what, call()).await;
            if ready(&answer) {
                return answer;
            }
            match &self.side {
                Side::Simulator(aws) => aws.advance(Duration::from_secs(5)).await,
                Side::Emulator(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        panic!("{what}: still waiting");
    }

    /// Lets time pass that only the simulator takes, where no state tells that it is over.
    pub(crate) async fn pass(&self, duration: Duration) {
        if let Side::Simulator(aws) = &self.side {
            aws.advance(duration).await;
        }
    }

    async fn drive<F: Future>(&self, call: F) -> F::Output {
        match &self.side {
            Side::Simulator(aws) => aws.drive(call).await,
            Side::Emulator(_) => call.await,
        }
    }

    fn note(&mut self, name: &'static str, outcome: Outcome) {
        assert!(self.steps.iter().all(|step| step.name != name), "two steps are called {name:?}");
        self.steps.push(Step { name, outcome });
    }

    /// The value with symbols for ids.
    fn normal(&self, value: Value) -> Value {
        match value {
            Value::String(text) => {
                // Longest first: an id may be a part of an ARN that has its own symbol.
                let mut symbols: Vec<_> = self.symbols.iter().collect();
                symbols.sort_by_key(|(id, _)| std::cmp::Reverse(id.len()));
                Value::String(symbols.into_iter().fold(text, |text, (id, symbol)| text.replace(id, symbol)))
            }
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.normal(item)).collect()),
            Value::Object(fields) => {
                Value::Object(fields.into_iter().map(|(key, value)| (key, self.normal(value))).collect())
            }
            other => other,
        }
    }
}

/// Ids of this side with their symbols, `<vpc 1>`, `<vpc 2>`, in the order in which the script meets them.
pub(crate) struct Symbols<'a>(&'a mut Vec<(String, String)>);

impl Symbols<'_> {
    pub(crate) fn learn(&mut self, kind: &str, id: &str) {
        if self.0.iter().any(|(known, _)| known == id) {
            return;
        }
        let prefix = format!("<{kind} ");
        let number = self.0.iter().filter(|(_, symbol)| symbol.starts_with(&prefix)).count() + 1;
        self.0.push((id.to_owned(), format!("{prefix}{number}>")));
    }
}

/// What errors of operations have in common.
pub(crate) trait Refuses: ProvideErrorMetadata + fmt::Debug {}
impl<E: ProvideErrorMetadata + fmt::Debug> Refuses for E {}

fn code<E: Refuses>(error: &SdkError<E, HttpResponse>) -> String {
    match error {
        SdkError::ServiceError(service) => match service.err().code() {
            Some(code) => code.to_owned(),
            None => format!("no code, status {}", service.raw().status().as_u16()),
        },
        // The call was never sent: the script is wrong, and not a side.
        SdkError::ConstructionFailure(_) => panic!("the call cannot be built: {error:?}"),
        other => panic!("no answer: {other:?}"),
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Done(Value::Bool(true)) => f.write_str("done"),
            Outcome::Done(fields) => write!(f, "done {fields}"),
            Outcome::Refused(code) => f.write_str(code),
        }
    }
}
