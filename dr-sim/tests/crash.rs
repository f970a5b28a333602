//! The crash sweep: a process that deploys, changes or destroys the two-region site dies before and after each of its API calls,
//! and another one goes on with what it finds: the account and the store.
//!
//! A run is watched once, and at each point the account (with what was under way to it) and the store are kept as the death of
//! the process would leave them. Points between which neither a changing call was sent nor anything was written leave the same
//! behind but for the time of day; they are continued once. A sample really dies, with a store on disk.
#![expect(clippy::print_stdout, reason = "what is measured is printed, and never asserted")]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::picture::{Picture, Vocabulary};
use common::{Disk, Goal, block_on, changed, complete, copy, restarted, run, settle, shop};
use dr_aws::Depth;
use dr_core::driver::{Applied, Cancel};
use dr_core::store::{FileStore, ReadStore as _};
use dr_core::{Stack, Status};
use dr_sim::{Aws, Cloud, CrashPoint};

/// An account and a store from which something begins.
struct Start {
    cloud: Cloud,
    disk: Disk,
}

impl Start {
    fn empty() -> Self {
        Start { cloud: Aws::new(1).cloud().clone(), disk: Disk::new() }
    }

    async fn deployed() -> Self {
        let start = Start::empty();
        let aws = restarted(&start.cloud);
        complete(run(&aws, Goal::Deploy, &shop(), &start.disk).await).unwrap();
        settle(&start.cloud);
        start
    }

    fn copy(&self) -> Start {
        Start { cloud: copy(&self.cloud), disk: self.disk.copy() }
    }
}

/// The words of the site and of the changed site, from two accounts that share no ids.
async fn vocabulary() -> Vocabulary {
    let mut words: Vec<Vocabulary> = Vec::new();
    let sides = [(11, "1"), (12, "2")].map(|(seed, digit)| (Aws::new(seed), Disk::of_lineage(&digit.repeat(32))));
    for program in [shop(), changed()] {
        for (aws, disk) in &sides {
            complete(run(aws, Goal::Deploy, &program, disk).await).unwrap();
            settle(aws.cloud());
        }
        words.push(Vocabulary::of(&[sides[0].0.cloud(), sides[1].0.cloud()]));
    }
    words.into_iter().reduce(Vocabulary::and).unwrap()
}

/// What a process left that died at a point.
struct Remains {
    point: CrashPoint,
    call: String,
    cloud: Cloud,
    disk: Disk,
}

/// Runs to the end and keeps what each point would leave, one of those that leave the same; also how many points there are, and
/// the world at the end.
async fn watch(start: Start, goal: Goal, program: &Stack) -> (Vec<Remains>, u64, Cloud) {
    let Start { cloud, disk } = start;
    let aws = restarted(&cloud);
    let kept: Arc<Mutex<(Vec<Remains>, u64)>> = Arc::default();
    {
        let (kept, disk) = (kept.clone(), disk.clone());
        let (mut changes_sent, mut last) = (0_u64, None);
        cloud.watch_points(move |passing| {
            let mut kept = kept.lock().unwrap();
            kept.1 += 1;
            let key = (changes_sent, disk.position());
            let is_read = ["Describe", "Get", "List"].iter().any(|verb| passing.operation.starts_with(verb));
            if matches!(passing.point, CrashPoint::Before(_)) && !is_read {
                changes_sent += 1;
            }
            if last.replace(key) != Some(key) {
                let call = format!("{}.{}", passing.service, passing.operation);
                kept.0.push(Remains { point: passing.point, call, cloud: passing.remains(), disk: disk.copy() });
            }
        });
    }
    complete(run(&aws, goal, program, &disk).await).unwrap();
    cloud.unwatch();
    disk.check().unwrap();
    settle(&cloud);
    let (remains, points) = std::mem::take(&mut *kept.lock().unwrap());
    (remains, points, cloud)
}

/// Goes on from what was left and says what is not as if nothing had happened.
async fn go_on(
    at: &Remains,
    goal: Goal,
    program: &Stack,
    expected: &Picture,
    words: &Vocabulary,
    again: bool,
) -> Result<(), String> {
    let aws = restarted(&at.cloud);
    complete(run(&aws, goal, program, &at.disk).await)?;
    at.disk.check()?;
    settle(&at.cloud);
    Picture::of(&at.cloud, words).compare(expected)?;
    if again {
        match run(&aws, goal, program, &at.disk).await.map_err(|error| error.to_string())? {
            Applied::Unchanged(_) => {}
            other => return Err(format!("the next run finds something to do: {}", other.plan())),
        }
    }
    Ok(())
}

/// Sweeps over a share of the points of a run.
fn sweep(what: &str, start: Start, goal: Goal, program: &Stack, share: usize, shares: usize) {
    block_on(async {
        let began = Instant::now();
        let words = vocabulary().await;
        let (remains, points, cloud) = watch(start, goal, program).await;
        let expected = Picture::of(&cloud, &words);
        if goal == Goal::Destroy {
            Picture::of(Aws::new(1).cloud(), &words).compare(&expected).expect("an uninterrupted run leaves nothing");
        }
        let mine: Vec<&Remains> = remains.iter().skip(share).step_by(shares).collect();
        let (mut failures, mut by_call): (Vec<String>, BTreeMap<&str, u32>) = Default::default();
        for (number, at) in mine.iter().enumerate() {
            if let Err(why) = go_on(at, goal, program, &expected, &words, number % 16 == 0).await {
                *by_call.entry(&at.call).or_default() += 1;
                failures.push(format!("{:?} {}: {why}", at.point, at.call));
            }
        }
        println!(
            "{what}, share {share} of {shares}: {points} points, {} of them differ, {} continued, {} objects at the end, {:.1} s",
            remains.len(),
            mine.len(),
            expected.len(),
            began.elapsed().as_secs_f64()
        );
        let shown = failures.iter().take(8).map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(failures.is_empty(), "{} of {} failed: {by_call:?}\n{shown}", failures.len(), mine.len());
    });
}

#[test]
fn a_deploy_that_dies_anywhere_is_finished_by_the_next_process_1() {
    sweep("deploy", Start::empty(), Goal::Deploy, &shop(), 0, 2);
}

#[test]
fn a_deploy_that_dies_anywhere_is_finished_by_the_next_process_2() {
    sweep("deploy", Start::empty(), Goal::Deploy, &shop(), 1, 2);
}

#[test]
fn an_update_that_dies_anywhere_is_finished_by_the_next_process() {
    sweep("update", block_on(Start::deployed()), Goal::Deploy, &changed(), 0, 1);
}

#[test]
fn a_destroy_that_dies_anywhere_is_finished_by_the_next_process() {
    sweep("destroy", block_on(Start::deployed()), Goal::Destroy, &shop(), 0, 1);
}

/// The same in earnest, with a store on disk whose lock ends with the process: that what is kept at a point is what a death
/// there leaves.
#[test]
fn a_process_that_really_dies_leaves_its_store_and_its_calls_to_the_next() {
    block_on(async {
        let words = vocabulary().await;
        let program = shop();
        let start = Start::empty();
        let aws = restarted(&start.cloud);
        complete(run(&aws, Goal::Deploy, &program, &start.disk).await).unwrap();
        let calls = start.cloud.calls().len() as u64;
        settle(&start.cloud);
        let expected = Picture::of(&start.cloud, &words);
        for n in (1..=8).map(|n| n * calls / 9) {
            for point in [CrashPoint::Before(n), CrashPoint::After(n)] {
                let cloud = Start::empty().cloud;
                let dir = tempfile::tempdir().unwrap();
                let store = FileStore::new(dir.path(), "shop");
                cloud.faults().crash_at(point);
                {
                    let (aws, locked) = (restarted(&cloud), store.lock("deploy").unwrap());
                    let session = aws.session(&program);
                    let (cancel, mut ignore) = (Cancel::new(), |_: &_, _, _: &_| {});
                    let died = cloud.run(session.deploy(&locked, |_| true, &cancel, &mut ignore)).await;
                    assert_eq!(died.err().map(|crashed| crashed.0), Some(point), "it dies there");
                }
                let locked = store.lock("deploy").expect("a dead owner's lock is free");
                complete(run(&restarted(&cloud), Goal::Deploy, &program, &locked).await)
                    .unwrap_or_else(|why| panic!("{point:?}: {why}"));
                settle(&cloud);
                Picture::of(&cloud, &words).compare(&expected).unwrap_or_else(|why| panic!("{point:?}: {why}"));
                let state = locked.load().await.unwrap().state;
                assert!(
                    state
                        .resources
                        .values()
                        .all(|record| record.current.as_ref().map(|i| i.status) == Some(Status::Ready))
                );
            }
        }
    });
}

/// The measure of it all: a picture sees one object too many, and one wired to another.
#[test]
fn a_picture_shows_an_orphan_and_a_wrong_wire_and_not_another_id() {
    block_on(async {
        let words = vocabulary().await;
        let start = Start::deployed().await;
        let expected = Picture::of(&start.cloud, &words);
        // The same site made a second time in the same account has other ids, names and addresses.
        let second = start.copy();
        let aws = restarted(&second.cloud);
        complete(run(&aws, Goal::Destroy, &shop(), &second.disk).await).unwrap();
        complete(run(&aws, Goal::Deploy, &shop(), &second.disk).await).unwrap();
        settle(&second.cloud);
        Picture::of(&second.cloud, &words).compare(&expected).unwrap();

        let orphan = start.copy();
        let ec2 = restarted(&orphan.cloud).clients().ec2("us-east-1");
        orphan.cloud.clock().drive(ec2.allocate_address().send()).await.unwrap();
        let why = Picture::of(&orphan.cloud, &words).compare(&expected).unwrap_err();
        assert!(why.contains("/ec2/regions/us-east-1/addresses eipalloc-"), "{why}");

        let wire = start.copy();
        let ec2 = restarted(&wire.cloud).clients().ec2("us-east-1");
        let change = async {
            let gateways = ec2.describe_nat_gateways().send().await.unwrap();
            let nat = gateways.nat_gateways()[0].nat_gateway_id().unwrap().to_owned();
            let tables = ec2.describe_route_tables().send().await.unwrap();
            let through = |table: &&aws_sdk_ec2::types::RouteTable| {
                table.routes().iter().any(|route| route.nat_gateway_id().is_some_and(|id| id != nat))
            };
            let table = tables.route_tables().iter().find(through).unwrap().route_table_id().unwrap().to_owned();
            let change =
                ec2.replace_route().route_table_id(table).destination_cidr_block("0.0.0.0/0").nat_gateway_id(nat);
            change.send().await.unwrap();
        };
        wire.cloud.clock().drive(change).await;
        assert!(Picture::of(&wire.cloud, &words).compare(&expected).is_err(), "two private subnets share a gateway");
    });
}

/// Virtual time is not real time: the sweep would take years.
#[test]
fn a_deploy_takes_minutes_of_virtual_time_and_less_than_a_second_of_real_time() {
    block_on(async {
        let (aws, disk) = (Aws::new(1), Disk::new());
        let (began, real) = (aws.now_s(), Instant::now());
        let applied = run(&aws, Goal::Deploy, &shop(), &disk).await.unwrap();
        let (took, real) = (aws.now_s() - began, real.elapsed());
        let path = applied.plan().critical_path().0;
        println!(
            "deploy: {took:.2} s simulated, critical path {path:.2} s, ratio {:.4}, {real:?} of real time",
            took / path
        );
        assert!(took <= path * 1.02, "{took} s instead of {path} s");
        for (depth, what) in [(Depth::Full, "full"), (Depth::Lean, "lean")] {
            let other = restarted(aws.cloud());
            other.clients().set_depth(depth);
            // Route 53 lets five calls through at once, for all processes together: the last one's must be over.
            aws.advance(Duration::from_secs(10)).await;
            let before = (aws.now_s(), aws.cloud().calls().len());
            let again = run(&other, Goal::Deploy, &shop(), &disk).await.unwrap();
            assert!(matches!(again, Applied::Unchanged(_)), "{}", again.plan());
            let (took, calls) = (aws.now_s() - before.0, aws.cloud().calls().len() - before.1);
            println!("{what} refresh: {calls} calls, {took:.2} s simulated");
            assert!(took <= 2.0, "{took} s");
            assert!(depth == Depth::Full || calls <= 45, "{calls} calls");
        }
    });
}
