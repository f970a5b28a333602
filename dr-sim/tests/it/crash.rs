//! The crash sweep: a process that deploys, changes or destroys the two-region site dies before and after each of its API calls,
//! and another one goes on with what it finds: the account and the store. At the end the account holds what it would hold had
//! nothing happened: no orphan, no duplicate, no lost answer.
//!
//! The sweeps without other trouble are complete. Under a lost state, throttling, stale reads or the loss of a region a sample of
//! the points is gone on from, evenly spread over what the run writes and changes; the number at each sweep says how dense.
#![expect(clippy::print_stdout, reason = "what is measured is printed, and never asserted")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dr_aws::Depth;
use dr_core::Stack;
use dr_core::driver::Applied;
use dr_core::store::{FileStore, ReadStore as _, WriteStore};
use dr_sim::{Aws, Cloud, CrashPoint};

use crate::common::picture::{Picture, Vocabulary};
use crate::common::sweep::{Change, Start, Sweep, Trouble};
use crate::common::{
    Disk, Goal, block_on, complete, not_working, restarted, run, run_reading, run_until, settle, shop,
};

#[test]
fn a_deploy_that_dies_anywhere_is_finished_by_the_next_process() {
    Sweep::of(Change::Deploy).under(Trouble::Nothing, 1);
}

#[test]
fn an_update_that_dies_anywhere_is_finished_by_the_next_process() {
    Sweep::of(Change::Update).under(Trouble::Nothing, 1);
}

#[test]
fn a_destroy_that_dies_anywhere_is_finished_by_the_next_process() {
    Sweep::of(Change::Destroy).under(Trouble::Nothing, 1);
}

#[test]
fn a_deploy_that_dies_in_other_trouble_is_finished_by_the_next_process() {
    let sweep = Sweep::of(Change::Deploy);
    sweep.under(Trouble::StateLost, 12);
    sweep.under(Trouble::Throttled, 20);
    sweep.under(Trouble::StaleReads, 12);
    // The other region is completed meanwhile.
    sweep.under(Trouble::RegionAway, 8);
}

#[test]
fn an_update_that_dies_in_other_trouble_is_finished_by_the_next_process() {
    let sweep = Sweep::of(Change::Update);
    sweep.under(Trouble::StateLost, 4);
    sweep.under(Trouble::Throttled, 8);
    sweep.under(Trouble::StaleReads, 6);
}

#[test]
fn a_destroy_that_dies_in_other_trouble_is_finished_by_the_next_process() {
    let sweep = Sweep::of(Change::Destroy);
    sweep.under(Trouble::StateLost, 12);
    sweep.under(Trouble::Throttled, 18);
    sweep.under(Trouble::StaleReads, 12);
}

/// The words of the site, from two accounts that share no ids.
async fn vocabulary(one: &Start) -> Vocabulary {
    let twin = Start::twin();
    twin.run(Goal::Deploy, &shop()).await;
    Vocabulary::of(&[&one.cloud, &twin.cloud])
}

/// Lets a process die at a point of a deploy.
async fn die(cloud: &Cloud, store: &dyn WriteStore, program: &Stack, point: CrashPoint) {
    match run_until(point, &restarted(cloud), program, store).await {
        Err(crashed) => assert_eq!(crashed.0, point),
        Ok(lives) => panic!("it lives on past {point:?}: {:?}", complete(lives)),
    }
}

/// The sweeps look at a run that lives on. Here some processes really die.
#[test]
fn what_is_kept_at_a_point_is_what_a_death_there_leaves() {
    block_on(async {
        let (program, start) = (shop(), Start::empty());
        let kept: Arc<Mutex<Vec<_>>> = Arc::default();
        {
            let (kept, disk) = (kept.clone(), start.disk.clone());
            start.cloud.watch_points(move |passing| {
                let left = (passing.remains().fingerprint().unwrap(), disk.position(), disk.state());
                kept.lock().unwrap().push((passing.point, left));
            });
        }
        complete(run(&restarted(&start.cloud), Goal::Deploy, &program, &start.disk).await).unwrap();
        start.cloud.unwatch();
        let kept = std::mem::take(&mut *kept.lock().unwrap());
        assert!(kept.len() > 500, "a deploy has many points: {}", kept.len());
        // A prime, so that all kinds of calls are met, before and after.
        for (point, left) in kept.iter().step_by(53) {
            let Start { cloud, disk } = Start::empty();
            die(&cloud, &disk, &program, *point).await;
            assert_eq!((cloud.fingerprint().unwrap(), disk.position(), disk.state()), *left, "{point:?}");
        }
        println!("{} deaths of {} leave what was kept there", kept.iter().step_by(53).count(), kept.len());
    });
}

/// The same in earnest, with a store on disk whose lock ends with the process.
#[test]
fn a_process_that_really_dies_leaves_its_store_and_its_calls_to_the_next() {
    block_on(async {
        let (program, start) = (shop(), Start::empty());
        start.run(Goal::Deploy, &program).await;
        let calls = start.cloud.calls().len() as u64;
        let words = vocabulary(&start).await;
        let expected = Picture::of(&start.cloud, &words);
        for n in (1..=3).map(|n| n * calls / 4) {
            for point in [CrashPoint::Before(n), CrashPoint::After(n)] {
                let cloud = Start::empty().cloud;
                let dir = tempfile::tempdir().unwrap();
                let store = FileStore::new(dir.path(), "shop");
                die(&cloud, &store.lock("deploy").unwrap(), &program, point).await;
                let locked = store.lock("deploy").expect("a dead owner's lock is free");
                complete(run(&restarted(&cloud), Goal::Deploy, &program, &locked).await)
                    .unwrap_or_else(|why| panic!("{point:?}: {why}"));
                settle(&cloud);
                Picture::of(&cloud, &words).compare(&expected).unwrap_or_else(|why| panic!("{point:?}: {why}"));
                let state = locked.load().await.unwrap().state;
                assert_eq!(not_working(&state, &program, ""), [""; 0]);
            }
        }
    });
}

/// The measure of it all: a picture sees one object too many, and one wired to another.
#[test]
fn a_picture_shows_an_orphan_and_a_wrong_wire_and_not_another_id() {
    block_on(async {
        let start = Start::deployed().await;
        let words = vocabulary(&start).await;
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
            // Route 53 lets five calls through at once, for all processes together: the last one's must be over.
            aws.advance(Duration::from_secs(10)).await;
            let before = (aws.now_s(), aws.cloud().calls().len());
            let again = run_reading(depth, &other, Goal::Deploy, &shop(), &disk).await.unwrap();
            assert!(matches!(again, Applied::Unchanged(_)), "{}", again.plan());
            let (took, calls) = (aws.now_s() - before.0, aws.cloud().calls().len() - before.1);
            println!("{what} refresh: {calls} calls, {took:.2} s simulated");
            assert!(took <= 2.0, "{took} s");
            assert!(depth == Depth::Full || calls <= 45, "{calls} calls");
        }
    });
}
