//! Deploys from beginning to end: what is asked, what is written, what is refused before anything is changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dr_core::driver::{Applied, Cancel, Clock, Session, SessionError, SystemClock};
use dr_core::engine::{Limits, Notice, Outcome, Run, Time};
use dr_core::sim::{Fault, Operation};
use dr_core::store::{FileStore, MemoryStore, ReadStore as _, StoreError};
use dr_core::{
    BoxFuture, Class, CloudError, FoundData, Graph, Health, Owner, PriorData, Provider, Registry, Resource, Schema,
    Settled, Stack, State, Value, WantedData,
};
use serde_json::json;

use crate::common::{Subnet, Vpc, deploy, east, nothing, settled, world};

/// A provider that does everything at once and counts.
struct Instant {
    schema: &'static Schema,
    calls: Arc<AtomicUsize>,
}

impl Instant {
    fn call(&self) -> usize {
        self.calls.fetch_add(1, Ordering::SeqCst)
    }
}

impl Provider for Instant {
    fn schema(&self) -> &'static Schema {
        self.schema
    }

    fn read<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: Vec<WantedData>,
    ) -> BoxFuture<'a, Result<Vec<FoundData>, CloudError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn create(&self, _: Owner, _: Value) -> BoxFuture<'_, Result<Value, CloudError>> {
        Box::pin(async { Ok(json!({"id": format!("it-{}", self.call())})) })
    }

    fn update(&self, _: Owner, prior: PriorData, _: Value) -> BoxFuture<'_, Result<Value, CloudError>> {
        Box::pin(async { Ok(prior.outputs) })
    }

    fn delete(&self, _: Owner, _: PriorData) -> BoxFuture<'_, Result<(), CloudError>> {
        Box::pin(async { Ok(()) })
    }

    fn ready(&self, _: Owner, current: PriorData) -> BoxFuture<'_, Result<Settled<Value>, CloudError>> {
        Box::pin(async { Ok(Settled::Yes(current.outputs)) })
    }

    fn gone(&self, _: Owner, _: PriorData) -> BoxFuture<'_, Result<Settled<()>, CloudError>> {
        Box::pin(async { Ok(Settled::Yes(())) })
    }

    fn adopt(&self, _: Owner, _: PriorData) -> BoxFuture<'_, Result<(), CloudError>> {
        Box::pin(async { Ok(()) })
    }
}

fn program() -> Stack {
    east(|east| {
        let vpc = east.add("main", Vpc::new("10.0.0.0/16"));
        east.add("web", Subnet::new(vpc.id, "10.0.1.0/24"));
    })
}

fn registry(calls: &Arc<AtomicUsize>) -> Registry {
    [Vpc::<crate::common::East>::SCHEMA, Subnet::<crate::common::East>::SCHEMA]
        .into_iter()
        .fold(Registry::new(), |registry, schema| {
            registry.with_provider(Arc::new(Instant { schema, calls: Arc::clone(calls) }))
        })
}

fn session<'g>(graph: &'g Graph, registry: Registry) -> Session<'g> {
    Session { graph, registry, clock: Arc::new(SystemClock::new()), limits: Limits::default(), account: None }
}

fn quiet(_: &Run, _: Time, _: &Notice) {}

#[tokio::test]
async fn a_deploy_is_written_to_the_directory_and_a_second_store_reads_it() {
    let (program, calls, dir) = (program(), Arc::default(), tempfile::tempdir().unwrap());
    let session = session(&program, registry(&calls));
    let store = FileStore::new(dir.path(), "demo");
    let applied = {
        let locked = store.lock("deploy").unwrap();
        session.deploy(&locked, |_| true, &Cancel::new(), &mut quiet).await.unwrap()
    };
    let Applied::Ran { report, state, .. } = &applied else { panic!("{applied:?}") };
    assert_eq!((&report.outcome, state.len()), (&Outcome::Deployed, 2));
    assert_eq!(&store.load().await.unwrap().state, state);
}

#[tokio::test]
async fn a_plan_that_is_not_approved_changes_nothing() {
    let (program, calls) = (program(), Arc::default());
    let session = session(&program, registry(&calls));
    let store = MemoryStore::new("demo", "0");
    let before = store.load().await.unwrap();
    let applied = session.deploy(&store, |plan| plan.steps.len() != 2, &Cancel::new(), &mut quiet).await.unwrap();
    assert!(matches!(&applied, Applied::Refused(plan) if plan.steps.len() == 2), "{applied:?}");
    assert!(!applied.is_complete());
    assert_eq!((store.load().await.unwrap(), calls.load(Ordering::SeqCst)), (before, 0));
}

/// A plan is for the state that it was made from: carried out on another one it would forget what happened in between.
#[tokio::test]
async fn a_plan_that_somebody_else_has_overtaken_is_refused() {
    let (program, calls) = (program(), Arc::default());
    let session = session(&program, registry(&calls));
    let store = MemoryStore::new("demo", "0");
    let (overtaken, _) = session.plan(&store, true).await.unwrap();
    assert!(session.deploy(&store, |_| true, &Cancel::new(), &mut quiet).await.unwrap().is_complete());
    let before = store.load().await.unwrap();
    let refused = session.apply(overtaken, &store, |_| true, &Cancel::new(), &mut quiet).await;
    assert!(matches!(refused, Err(SessionError::Stale)), "{refused:?}");
    assert_eq!(store.load().await.unwrap(), before);
}

#[tokio::test]
async fn planning_writes_nothing() {
    let (program, calls, dir) = (program(), Arc::default(), tempfile::tempdir().unwrap());
    let missing = dir.path().join("none");
    let session = session(&program, registry(&calls));
    let (plan, state) = session.plan(&FileStore::new(&missing, "demo"), true).await.unwrap();
    assert_eq!((plan.steps.len(), state.len()), (2, 0));
    assert!(!missing.exists());
}

#[tokio::test]
async fn a_state_of_another_account_is_refused() {
    let (program, calls) = (program(), Arc::default());
    let mut session = session(&program, registry(&calls));
    session.account = Some("111111111111".to_owned());
    let store = MemoryStore::new("demo", "0");
    let _ = session.deploy(&store, |_| true, &Cancel::new(), &mut quiet).await.unwrap();
    session.account = Some("222222222222".to_owned());
    let error = session.deploy(&store, |_| true, &Cancel::new(), &mut quiet).await.unwrap_err();
    insta::assert_snapshot!(error, @"the state belongs to account 111111111111, and the cloud that is asked is account 222222222222");
    session.account = None;
    assert!(session.plan(&store, false).await.is_ok(), "an account that is not known is not compared");
}

#[tokio::test]
async fn a_type_without_a_provider_is_named_before_anything_is_changed() {
    let (program, calls) = (program(), Arc::default());
    let only = Registry::new()
        .with_provider(Arc::new(Instant { schema: Vpc::<crate::common::East>::SCHEMA, calls: Arc::clone(&calls) }));
    let error = session(&program, only).plan(&MemoryStore::new("demo", "0"), true).await.unwrap_err();
    assert!(matches!(&error, SessionError::NoProvider(missing) if *missing == ["test.net.subnet"]), "{error}");
}

#[tokio::test]
async fn a_watcher_sees_each_step_begin_and_end() {
    let (program, calls) = (program(), Arc::default());
    let session = session(&program, registry(&calls));
    let mut seen = Vec::new();
    let mut watch = |run: &Run, _: Time, notice: &Notice| {
        let (what, id) = match notice {
            Notice::Began(id) => ("began", *id),
            Notice::Accepted(id) => ("accepted", *id),
            Notice::Done(id) => ("done", *id),
            other => panic!("{other:?}"),
        };
        seen.push(format!("{what} {}", run.plan().steps[id as usize].address.name()));
    };
    let _ = session.deploy(&MemoryStore::new("demo", "0"), |_| true, &Cancel::new(), &mut watch).await.unwrap();
    assert_eq!(seen, ["began main", "accepted main", "began web", "done main", "accepted web", "done web"]);
}

#[tokio::test]
async fn a_switch_that_was_pressed_before_stops_the_run_before_its_first_call() {
    let (program, calls) = (program(), Arc::default());
    let session = session(&program, registry(&calls));
    let (store, cancel) = (MemoryStore::new("demo", "0"), Cancel::new());
    cancel.cancel();
    let applied = session.deploy(&store, |_| true, &cancel, &mut quiet).await.unwrap();
    let Applied::Ran { report, .. } = &applied else { panic!("{applied:?}") };
    assert_eq!((&report.outcome, calls.load(Ordering::SeqCst)), (&Outcome::Cancelled, 0));
    assert!(session.deploy(&store, |_| true, &Cancel::new(), &mut quiet).await.unwrap().is_complete());
}

/// The press comes from another thread while the run waits for an answer that never comes.
#[tokio::test]
async fn a_press_from_another_thread_wakes_a_waiting_run() {
    struct Never(&'static Schema, Cancel);
    impl Provider for Never {
        fn schema(&self) -> &'static Schema {
            self.0
        }
        fn read<'a>(
            &'a self,
            _: &'a str,
            _: &'a str,
            _: Vec<WantedData>,
        ) -> BoxFuture<'a, Result<Vec<FoundData>, CloudError>> {
            Box::pin(async { Ok(Vec::new()) })
        }
        fn create(&self, _: Owner, _: Value) -> BoxFuture<'_, Result<Value, CloudError>> {
            let cancel = self.1.clone();
            std::thread::spawn(move || [(), ()].map(|()| cancel.cancel()));
            Box::pin(std::future::pending())
        }
        fn update(&self, _: Owner, _: PriorData, _: Value) -> BoxFuture<'_, Result<Value, CloudError>> {
            Box::pin(std::future::pending())
        }
        fn delete(&self, _: Owner, _: PriorData) -> BoxFuture<'_, Result<(), CloudError>> {
            Box::pin(std::future::pending())
        }
        fn ready(&self, _: Owner, _: PriorData) -> BoxFuture<'_, Result<Settled<Value>, CloudError>> {
            Box::pin(std::future::pending())
        }
        fn gone(&self, _: Owner, _: PriorData) -> BoxFuture<'_, Result<Settled<()>, CloudError>> {
            Box::pin(std::future::pending())
        }
        fn adopt(&self, _: Owner, _: PriorData) -> BoxFuture<'_, Result<(), CloudError>> {
            Box::pin(std::future::pending())
        }
    }
    let program = program();
    for _ in 0..50 {
        let cancel = Cancel::new();
        let registry = [Vpc::<crate::common::East>::SCHEMA, Subnet::<crate::common::East>::SCHEMA]
            .into_iter()
            .fold(Registry::new(), |all, schema| all.with_provider(Arc::new(Never(schema, cancel.clone()))));
        let store = MemoryStore::new("demo", "0");
        let applied = session(&program, registry).deploy(&store, |_| true, &cancel, &mut quiet).await.unwrap();
        let Applied::Ran { report, .. } = &applied else { panic!("{applied:?}") };
        assert_eq!(report.outcome, Outcome::Cancelled);
        assert_eq!(report.unknown.len(), 1, "the call that was given up is asked about by the next run");
        assert_eq!(store.load().await.unwrap().unknown, report.unknown);
    }
}

#[test]
fn the_clock_of_the_system_goes_forward() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let clock = SystemClock::new();
        let then = clock.now().after(std::time::Duration::from_millis(2));
        clock.sleep_until(then).await;
        assert!(clock.now() >= then);
    });
}

#[test]
fn what_a_teardown_left_behind_is_found() {
    let program = program();
    let mut world = world(0);
    deploy(&mut world, &program);
    world.script(|called| (called.operation == Operation::Delete).then(|| Fault::refused(Class::Denied)));
    assert!(!world.destroy(&program).is_complete());
    let found = world.observe(&program);
    let session = session(&program, world.registry(&[]));
    assert_eq!(session.unknown(&found, &world.state()).len(), 0, "the state still knows them");
    let left: Vec<_> =
        session.unknown(&found, &State::new("demo", "0")).iter().map(|data| data.address.name().to_owned()).collect();
    assert_eq!(left, ["web", "main"]);
    world.script(|_| None);
    assert!(world.destroy(&program).is_complete());
    let nothing_left = world.observe(&program);
    assert_eq!(session.unknown(&nothing_left, &world.state()).len(), 0);
    assert!(world.state().is_empty());
}

#[test]
fn an_empty_program_deploys_and_takes_down_nothing() {
    let mut world = world(0);
    deploy(&mut world, &nothing("demo"));
    settled(&mut world, &nothing("demo"), "empty");
    assert!(world.destroy(&nothing("demo")).is_complete());
    assert_eq!(world.count(Operation::Create), 0);
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_an_error_of_the_session() {
    let (program, calls, dir) = (program(), Arc::default(), tempfile::tempdir().unwrap());
    std::fs::write(dir.path().join("state"), "garbage").unwrap();
    let error = session(&program, registry(&calls)).plan(&FileStore::new(dir.path(), "demo"), true).await.unwrap_err();
    assert!(matches!(error, SessionError::Store(StoreError::Damaged { .. })), "{error:?}");
}

#[test]
fn health_is_written_as_people_say_it() {
    assert_eq!(serde_json::to_value(Health::Leaving).unwrap(), json!("leaving"));
}
