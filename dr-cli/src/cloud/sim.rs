//! `--cloud sim`: an AWS account in the state directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dr_core::driver::Clock;
use dr_core::{BoxFuture, Class, CloudError, Graph, Registry};

use super::{Answer, Cloud, Detail, LocalFuture};
use crate::error::Error;

/// The file of the account inside the state directory.
pub(crate) const WORLD: &str = "sim-world.json";
/// Every account is the same one: a deploy gives the same ids on every machine.
pub(crate) const SEED: u64 = 1;

/// A simulated account, and where it is kept.
pub(crate) struct Sim {
    aws: dr_sim::Aws,
    path: PathBuf,
}

impl Sim {
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(WORLD);
        let aws = dr_sim::Aws::open(&path, SEED)
            .map_err(|source| Error::World { path: path.clone(), source: Box::new(source) })?;
        Ok(Sim { aws, path })
    }

    /// The same with the public zones that a program looks up, as the owner of a domain has them.
    pub(crate) fn with_zones_of(self, graph: &Graph) -> Self {
        self.aws.add_looked_up_zones(graph);
        self
    }

    /// The account.
    pub(crate) fn aws(&self) -> &dr_sim::Aws {
        &self.aws
    }
}

impl Cloud for Sim {
    fn registry(&self) -> Registry {
        self.aws.registry()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.aws.clock()
    }

    fn drive<'a>(&'a self, work: LocalFuture<'a, ()>) -> LocalFuture<'a, ()> {
        Box::pin(self.aws.drive(work))
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn identify(&self) -> BoxFuture<'_, Result<Option<String>, CloudError>> {
        let account = self.aws.cloud().with_world(|world| world.account().to_owned());
        Box::pin(async { Ok(Some(account)) })
    }

    fn refresh_begins(&self, detail: Detail) {
        super::aws::begin(self.aws.clients(), detail);
    }

    fn calls(&self) -> BTreeMap<String, u64> {
        self.aws.clients().calls()
    }

    fn request<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Answer, CloudError>> {
        Box::pin(async move {
            let response = self.aws.get(url).await;
            let hops = response.path.iter().map(ToString::to_string);
            let took = Duration::from_millis(response.took_ms);
            let mut answer = match response.status {
                0 => Answer::failure("no answer", took),
                status => Answer::status(status, took),
            };
            answer = answer.hops(hops);
            answer.failed = response.failed.as_ref().map(ToString::to_string).or(answer.failed);
            answer.region = response.region.clone();
            Ok(answer)
        })
    }

    fn save(&self) -> Result<(), CloudError> {
        self.aws.save(&self.path).map_err(|error| {
            let message = format!("{}: {error}", self.path.display());
            CloudError::new("dr:SaveWorld", "Io", message, Class::Permanent)
        })
    }
}
