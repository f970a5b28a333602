//! What every command works with: the program, the options, the outputs, the cloud.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dr_core::driver::{Cancel, Clock, Session, SessionError};
use dr_core::engine::{Limits, Time};
use dr_core::store::{FileStore, LockedStore};
use dr_core::{Graph, Kind, Observed, Registry, State};
use serde_json::{Value, json};

use crate::args::Options;
use crate::cloud::{Cloud, Detail, drive};
use crate::error::Error;
use crate::out::Out;
use crate::program::{Built, Program};

/// A command under way.
pub(crate) struct Context<'c, 'w> {
    pub(crate) program: &'c Program,
    pub(crate) built: &'c dyn Built,
    pub(crate) options: &'c Options,
    pub(crate) command: &'static str,
    pub(crate) out: &'c mut Out<'w>,
    pub(crate) started: Instant,
    /// The fields of the last event.
    pub(crate) done: serde_json::Map<String, Value>,
}

/// A cloud that was opened: with the program's types, its account known.
pub(crate) struct Opened {
    pub(crate) name: String,
    pub(crate) cloud: Arc<dyn Cloud>,
    pub(crate) registry: Registry,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) account: Option<String>,
    pub(crate) began: Time,
}

impl Opened {
    /// Seconds on the cloud's clock since it was opened.
    pub(crate) fn elapsed_s(&self) -> f64 {
        self.clock.now().since(self.began).as_secs_f64()
    }
}

impl<'c> Context<'c, '_> {
    pub(crate) fn graph(&self) -> &'c Graph {
        self.built.graph()
    }

    /// What is said of a state without resources.
    pub(crate) fn nothing_words(&self) -> String {
        format!("nothing is deployed: no resources in {}", self.state_dir().display())
    }

    /// The same where a command needs some.
    pub(crate) fn nothing_deployed(&self) -> Error {
        Error::NothingDeployed { dir: self.state_dir() }
    }

    /// How many resources the program has, without what it only looks up.
    pub(crate) fn managed(&self) -> usize {
        self.graph().nodes().filter(|node| node.schema.kind == Kind::Managed).count()
    }

    pub(crate) fn cancel(&self) -> &'c Cancel {
        &self.program.cancel
    }

    /// Adds a field to the last event.
    pub(crate) fn tell(&mut self, key: &str, value: impl Into<Value>) {
        self.done.insert(key.to_owned(), value.into());
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        // A variable that is empty is none.
        let given = self.options.state.clone().filter(|dir| !dir.as_os_str().is_empty());
        given.unwrap_or_else(|| PathBuf::from(".dr").join(self.graph().name()))
    }

    /// Whether there can be a state.
    ///
    /// # Errors
    /// [`Error::Usage`]: something else has the name of the directory.
    pub(crate) fn check_state_dir(&self) -> Result<(), Error> {
        let dir = self.state_dir();
        match dir.exists() && !dir.is_dir() {
            true => Err(Error::usage(format!("{} is no directory", dir.display()), "give another one: `--state DIR`")),
            false => Ok(()),
        }
    }

    pub(crate) fn store(&self) -> FileStore {
        FileStore::new(self.state_dir(), self.graph().name())
    }

    /// Takes the lock.
    pub(crate) fn lock(&self) -> Result<LockedStore, Error> {
        Ok(self.store().lock(self.command)?)
    }

    /// Takes the lock and opens the cloud.
    pub(crate) async fn lock_and_open(&mut self) -> Result<(LockedStore, Opened), Error> {
        // The lock makes the directory, and a cloud that cannot be opened is no reason to.
        if !self.state_dir().exists() {
            self.open().await?;
        }
        // Then first the lock: the saved world of a simulator is read under it as well.
        let store = self.lock()?;
        Ok((store, self.open().await?))
    }

    /// Opens the cloud and finds out whose credentials they are.
    pub(crate) async fn open(&mut self) -> Result<Opened, Error> {
        let mut opened = self.open_unidentified().await?;
        let account = self.or_cancelled(drive(opened.cloud.as_ref(), opened.cloud.identify())).await?;
        let doing = || format!("use the cloud `{}`", opened.name);
        opened.account = account.map_err(|source| Error::Cloud { doing: doing(), source })?;
        Ok(opened)
    }

    /// Opens the cloud, whosever the credentials are.
    pub(crate) async fn open_unidentified(&mut self) -> Result<Opened, Error> {
        let names = self.program.cloud_names();
        let Some(name) = self.options.cloud.clone().or_else(|| names.first().cloned()) else {
            return Err(Error::usage(
                "the program has no cloud",
                "build it with the feature `sim` or `aws`, or add one",
            ));
        };
        let dir = self.state_dir();
        let own = self.program.clouds.iter().find(|(own, _)| *own == name);
        let cloud: Arc<dyn Cloud> = match (own, name.as_str()) {
            (Some((_, open)), _) => {
                open(&dir).map_err(|source| Error::Cloud { doing: format!("open the cloud `{name}`"), source })?
            }
            #[cfg(feature = "sim")]
            (None, "sim") => Arc::new(crate::cloud::sim::Sim::open(&dir)?.with_zones_of(self.graph())),
            #[cfg(feature = "aws")]
            (None, "aws") => Arc::new(crate::cloud::aws::Real::from_env().await?),
            (None, _) => {
                let message = format!("there is no cloud `{name}`");
                return Err(Error::usage(message, format!("give one of: {}", names.join(", "))));
            }
        };
        let types = &self.program.types;
        let registry = types.iter().fold(cloud.registry(), |registry, types| types(registry));
        let clock = cloud.clock();
        let began = clock.now();
        Ok(Opened { name, cloud, registry, clock, account: None, began })
    }

    /// The session of the program on a cloud.
    pub(crate) fn session(&self, opened: &Opened) -> Session<'c> {
        let mut limits = Limits::default();
        if let Some(concurrency) = self.options.concurrency {
            limits.calls = concurrency as usize;
            limits.calls_per_service = limits.calls_per_service.min(limits.calls);
        }
        limits.scale = self.options.wait_scale;
        Session {
            graph: self.graph(),
            registry: opened.registry.clone(),
            clock: Arc::clone(&opened.clock),
            limits,
            account: opened.account.clone(),
        }
    }

    /// Reads what the stack owns.
    pub(crate) async fn observe(
        &self,
        opened: &Opened,
        session: &Session<'_>,
        state: &State,
        detail: Detail,
    ) -> Result<Observed, Error> {
        // After a run that was interrupted the record does not know what it would be trusted for.
        opened.cloud.refresh_begins(if state.is_settled() { detail } else { Detail::Full });
        self.or_cancelled(drive(opened.cloud.as_ref(), session.observe(state))).await
    }

    /// Waits for something that changes nothing, unless the user has had enough of it.
    pub(crate) async fn or_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        let cancel = self.cancel();
        let pressed = async {
            // The switch wakes a run only, and this is none; nobody notices a twentieth of a second.
            while cancel.count() == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = pressed => Err(Error::Interrupted),
        }
    }

    /// Adds what every command on a cloud reports: calls by service and operation, seconds.
    pub(crate) fn tell_cloud(&mut self, opened: &Opened) {
        let (calls, total) = by_service(opened);
        self.tell("cloud", opened.name.clone());
        self.tell("api_calls", calls);
        self.tell("api_calls_total", total);
        if opened.cloud.is_simulated() {
            self.tell("simulated_s", rounded(opened.elapsed_s()));
        }
    }
}

/// Refuses a state of another account than the one that was opened.
///
/// # Errors
/// [`SessionError::Account`].
pub(crate) fn check_account(state: &State, account: Option<&str>) -> Result<(), Error> {
    match (&state.account, account) {
        (Some(recorded), Some(found)) if recorded != found => {
            let (recorded, found) = (recorded.clone(), found.to_owned());
            Err(SessionError::Account { recorded, found }.into())
        }
        _ => Ok(()),
    }
}

/// Calls by service and operation, and how many there are in all.
fn by_service(opened: &Opened) -> (Value, u64) {
    let (mut services, mut total) = (json!({}), 0);
    for (operation, n) in opened.cloud.calls() {
        let (service, operation) = operation.split_once(':').unwrap_or(("other", &operation));
        services[service][operation] = n.into();
        total += n;
    }
    (services, total)
}

/// Seconds to the millisecond: more is noise.
pub(crate) fn rounded(s: f64) -> f64 {
    (s * 1000.0).round() / 1000.0
}
