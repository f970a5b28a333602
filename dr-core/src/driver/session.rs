//! A deploy from beginning to end: load, read, plan, approve, run.

use std::sync::Arc;

use super::{Cancel, Clock, Deepness, Watch, refresh};
use crate::engine::{Limits, Outcome, Report, Run};
use crate::graph::Graph;
use crate::journal::Replayed;
use crate::observed::Observed;
use crate::plan::{Plan, PlanErrors};
use crate::provider::{FoundData, Registry};
use crate::resource::Kind;
use crate::state::State;
use crate::store::{ReadStore, StoreError, WriteStore};

/// A program together with what is needed to deploy it.
#[derive(Clone)]
pub struct Session<'g> {
    /// The program.
    pub graph: &'g Graph,
    /// The types and their clients.
    pub registry: Registry,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The bounds of a run.
    pub limits: Limits,
    /// The account that the credentials belong to, when it is known: a state of another account is refused.
    pub account: Option<String>,
}

/// Why there was no run. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// State or journal.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The plan.
    #[error(transparent)]
    Plan(#[from] PlanErrors),
    /// The state belongs to another account.
    #[error("the state belongs to account {recorded}, and the cloud that is asked is account {found}")]
    Account {
        /// The account in the state.
        recorded: String,
        /// The account of the credentials.
        found: String,
    },
    /// The state is not the one that the plan was made from.
    #[error("the state has changed since the plan was made: plan again")]
    Stale,
    /// Types without a provider.
    #[error("no provider is registered for {}", .0.join(", "))]
    NoProvider(Vec<String>),
}

/// What a deploy or a teardown came to.
#[derive(Debug)]
#[must_use = "a run may have failed or been cancelled"]
#[expect(clippy::large_enum_variant, reason = "there is one of it, and it is looked at right away")]
pub enum Applied {
    /// There was nothing to do.
    Unchanged(Plan),
    /// The plan was not approved: nothing was changed.
    Refused(Plan),
    /// The plan was run.
    Ran {
        /// The plan.
        plan: Plan,
        /// How it ended.
        report: Report,
        /// The state afterwards.
        state: State,
    },
}

impl Applied {
    /// Whether the cloud is now as the program says.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        match self {
            Applied::Unchanged(_) => true,
            Applied::Refused(_) => false,
            Applied::Ran { report, .. } => report.outcome == Outcome::Deployed,
        }
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        match self {
            Applied::Unchanged(plan) | Applied::Refused(plan) | Applied::Ran { plan, .. } => plan,
        }
    }
}

impl Session<'_> {
    /// Plans without writing anything: reads the cloud unless `refresh` is false.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn plan(&self, store: &dyn ReadStore, read_cloud: bool) -> Result<(Plan, State), SessionError> {
        let state = self.load(store).await?;
        let observed = if read_cloud { self.observe(&state).await } else { Observed::unchanged() };
        Ok((Plan::between(self.graph, &state, &observed)?, state))
    }

    /// Makes the cloud what the program says. `approve` sees the plan before anything is changed.
    ///
    /// # Errors
    /// [`SessionError`]: nothing was changed. A run that fails is an [`Applied::Ran`] whose report says so.
    pub async fn deploy(
        &self,
        store: &dyn WriteStore,
        approve: impl FnOnce(&Plan) -> bool,
        cancel: &Cancel,
        watch: &mut Watch<'_>,
    ) -> Result<Applied, SessionError> {
        let state = self.load(store).await?;
        let observed = self.observe(&state).await;
        let plan = Plan::between(self.graph, &state, &observed)?;
        self.carry_out(plan, store, approve, cancel, watch).await
    }

    /// Takes everything away that the stack owns.
    ///
    /// # Errors
    /// [`SessionError`]: nothing was changed.
    pub async fn destroy(
        &self,
        store: &dyn WriteStore,
        approve: impl FnOnce(&Plan) -> bool,
        cancel: &Cancel,
        watch: &mut Watch<'_>,
    ) -> Result<Applied, SessionError> {
        let state = self.load(store).await?;
        let observed = self.observe(&state).await;
        let plan = Plan::teardown(self.graph, &state, &observed)?;
        self.carry_out(plan, store, approve, cancel, watch).await
    }

    /// Runs a plan that was made from the store's state.
    ///
    /// # Errors
    /// [`SessionError::Stale`]: somebody has deployed since. The plan's start cannot be recorded.
    pub async fn apply(
        &self,
        plan: Plan,
        store: &dyn WriteStore,
        approve: impl FnOnce(&Plan) -> bool,
        cancel: &Cancel,
        watch: &mut Watch<'_>,
    ) -> Result<Applied, SessionError> {
        let Replayed { state, .. } = store.load().await?;
        if state.serial != plan.serial || !plan.is_of_lineage(&state) {
            return Err(SessionError::Stale);
        }
        self.carry_out(plan, store, approve, cancel, watch).await
    }

    async fn carry_out(
        &self,
        plan: Plan,
        store: &dyn WriteStore,
        approve: impl FnOnce(&Plan) -> bool,
        cancel: &Cancel,
        watch: &mut Watch<'_>,
    ) -> Result<Applied, SessionError> {
        let mut start = plan.start.clone().unwrap_or_else(|| State::new(&plan.stack, &plan.lineage));
        if start.account.is_none() {
            start.account.clone_from(&self.account);
        }
        if plan.is_empty() {
            // What was read may still have corrected the state.
            store.compact(&start).await?;
            return Ok(Applied::Unchanged(plan));
        }
        if !approve(&plan) {
            return Ok(Applied::Refused(plan));
        }
        store.compact(&start).await?;
        let mut started = plan.clone();
        started.start = Some(start);
        let run = Run::new(started, self.graph, self.limits.clone(), self.clock.now());
        let (mut report, run) = super::run(run, &self.registry, store, self.clock.as_ref(), cancel, watch).await;
        let state = run.state().clone();
        // Tried after a failure as well: there may be room again, and a snapshot records everything. When it fails, the
        // journal still has what it had.
        if let Err(error) = store.compact(&state).await {
            report.store_failure.get_or_insert_with(|| super::chain(&error));
        }
        Ok(Applied::Ran { plan, report, state })
    }

    /// Everything that carries the stack's ownership and is not in the state: what a teardown left behind.
    pub async fn residue(&self, state: &State) -> Observed {
        refresh(self.graph, state, &self.registry, self.clock.as_ref(), Deepness::Everything).await
    }

    /// What the state does not know of what a bulk read found.
    #[must_use]
    pub fn unknown<'o>(&self, observed: &'o Observed, state: &State) -> Vec<&'o FoundData> {
        let looked_up = |type_name: &str| self.registry.get(type_name).is_some_and(|p| p.schema().kind == Kind::Lookup);
        let known = |data: &&FoundData| state.instance(data.address.as_str(), data.generation).is_none();
        let owned = observed.found.iter().filter(|(type_name, ..)| !looked_up(type_name));
        owned.map(|(_, _, data)| data).filter(known).collect()
    }

    /// Loads the state and checks that it can be used by this program and these credentials.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn load(&self, store: &dyn ReadStore) -> Result<State, SessionError> {
        let Replayed { state, .. } = store.load().await?;
        if let (Some(recorded), Some(found)) = (&state.account, &self.account)
            && recorded != found
        {
            let (recorded, found) = (recorded.clone(), found.clone());
            return Err(SessionError::Account { recorded, found });
        }
        let mut missing: Vec<String> = self
            .graph
            .nodes()
            .map(|node| node.schema.type_name.to_owned())
            .chain(
                state.resources.values().flat_map(|record| record.copies().map(|copy| record.home(copy).0.to_owned())),
            )
            .filter(|type_name| self.registry.get(type_name).is_none())
            .collect();
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() { Ok(state) } else { Err(SessionError::NoProvider(missing)) }
    }

    /// Reads what the stack owns. An empty state may be a lost one, so everything is read then.
    pub async fn observe(&self, state: &State) -> Observed {
        let deepness = if state.is_empty() { Deepness::Everything } else { Deepness::Known };
        refresh(self.graph, state, &self.registry, self.clock.as_ref(), deepness).await
    }
}
