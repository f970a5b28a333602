//! The two-region site under the faults of control planes: what is deployed at last is what would have been without them.
#![expect(clippy::print_stdout, reason = "what is measured is printed, and never asserted")]

use std::time::{Duration, Instant};

use dr_core::driver::Applied;
use dr_core::engine::Outcome;
use dr_sim::{Aws, Cloud, Fault, Target};

use crate::common::picture::{Picture, Vocabulary};
use crate::common::{Disk, Goal, block_on, complete, copy, not_working, restarted, run, settle, shop};

/// What an uninterrupted deploy gives.
struct Expected {
    words: Vocabulary,
    picture: Picture,
    took_s: f64,
}

impl Expected {
    async fn new() -> Self {
        let sides = [(1, "0"), (12, "2")].map(|(seed, digit)| (Aws::new(seed), Disk::of_lineage(&digit.repeat(32))));
        let mut took_s = 0.0;
        for (aws, disk) in &sides {
            let began = aws.now_s();
            complete(run(aws, Goal::Deploy, &shop(), disk).await).unwrap();
            took_s = aws.now_s() - began;
            settle(aws.cloud());
        }
        let words = Vocabulary::of(&[sides[0].0.cloud(), sides[1].0.cloud()]);
        let picture = Picture::of(sides[0].0.cloud(), &words);
        Expected { words, picture, took_s }
    }

    /// The account has the site, once, and nothing else; the store knows it.
    fn check(&self, cloud: &Cloud, disk: &Disk) -> Result<(), String> {
        disk.check()?;
        settle(cloud);
        Picture::of(cloud, &self.words).compare(&self.picture)
    }
}

/// Deploys under faults, one process after the other until one is done, and compares.
async fn deploys_under(what: &str, expected: &Expected, processes: usize, prepare: impl Fn(&Cloud)) {
    let (cloud, disk) = (Aws::new(1).cloud().clone(), Disk::new());
    prepare(&cloud);
    let (began, real) = (restarted(&cloud).now_s(), Instant::now());
    let mut whys = Vec::new();
    for _ in 0..processes {
        match complete(run(&restarted(&cloud), Goal::Deploy, &shop(), &disk).await) {
            Ok(()) => break,
            Err(why) => whys.push(why),
        }
    }
    let took_s = restarted(&cloud).now_s() - began;
    println!(
        "{what}: {} processes, {} calls, {took_s:.0} s simulated instead of {:.0} s, {:.1} s real",
        whys.len() + 1,
        cloud.calls().len(),
        expected.took_s,
        real.elapsed().as_secs_f64()
    );
    assert!(whys.len() < processes, "{what}: not done by process {processes}: {whys:#?}");
    cloud.faults().clear();
    cloud.set_stale_reads(Duration::ZERO);
    expected.check(&cloud, &disk).unwrap_or_else(|why| panic!("{what}: {why}"));
}

#[test]
fn a_fifth_of_all_calls_throttled() {
    block_on(async {
        let expected = Expected::new().await;
        let prepare = |cloud: &Cloud| cloud.faults().share(Target::any(), 0.2, Fault::Throttle);
        deploys_under("20 % throttled", &expected, 1, prepare).await;
    });
}

#[test]
fn one_answer_in_twenty_lost() {
    block_on(async {
        let expected = Expected::new().await;
        for (what, fault) in [("5 % lost", Fault::Lost), ("5 % reset", Fault::Reset), ("5 % vanish", Fault::Vanish)] {
            deploys_under(what, &expected, 1, |cloud| cloud.faults().share(Target::any(), 0.05, fault.clone())).await;
        }
    });
}

#[test]
fn reads_that_lag_behind() {
    block_on(async {
        let expected = Expected::new().await;
        for seconds in [1, 5, 15] {
            let prepare = |cloud: &Cloud| cloud.set_stale_reads(Duration::from_secs(seconds));
            deploys_under(&format!("stale for {seconds} s"), &expected, 1, prepare).await;
        }
        let both = |cloud: &Cloud| {
            cloud.set_stale_reads(Duration::from_secs(2));
            cloud.faults().share(Target::any(), 0.05, Fault::Lost);
            cloud.faults().share(Target::any(), 0.1, Fault::Throttle);
        };
        deploys_under("stale for 2 s, 5 % lost, 10 % throttled", &expected, 1, both).await;
    });
}

#[test]
fn a_call_that_is_never_answered() {
    block_on(async {
        let expected = Expected::new().await;
        for (service, operation) in
            [("EC2", "CreateVpc"), ("EC2", "RunInstances"), ("CloudFront", "CreateDistributionWithTags")]
        {
            let prepare = |cloud: &Cloud| cloud.faults().next(Target::operation(service, operation), Fault::Hang);
            deploys_under(&format!("{operation} hangs"), &expected, 1, prepare).await;
        }
    });
}

/// The other region is completed; the rest follows when the lost one is back.
#[test]
fn a_region_that_is_away_during_the_deploy() {
    block_on(async {
        let expected = Expected::new().await;
        let (cloud, disk) = (Aws::new(1).cloud().clone(), Disk::new());
        let aws = restarted(&cloud);
        cloud.faults().region_away("us-west-2", 0, u64::MAX);
        let applied = run(&aws, Goal::Deploy, &shop(), &disk).await.unwrap();
        let Applied::Ran { report, .. } = &applied else { panic!("{}", applied.plan()) };
        assert_eq!(report.outcome, Outcome::Failed);
        let state = disk.state();
        // What the primary region is, without what hangs on the standby.
        let missing = not_working(&state, &shop(), "us-east-1/");
        println!("{} failed, {} skipped, not in the primary: {missing:?}", report.failed.len(), report.skipped.len());
        assert!(missing.iter().all(|address| address.starts_with("us-east-1/notifier")), "{missing:?}");
        let endpoint = state.outputs("us-east-1/primary.api").unwrap()["endpoint"].as_str().unwrap().to_owned();
        // Users of a copy: their requests leave traces.
        let visited = restarted(&copy(&cloud));
        visited.advance(Duration::from_secs(300)).await;
        let response = visited.get(&endpoint).await;
        assert_eq!((response.status, response.region.as_deref()), (200, Some("us-east-1")), "{response}");

        cloud.faults().clear();
        complete(run(&restarted(&cloud), Goal::Deploy, &shop(), &disk).await).unwrap();
        expected.check(&cloud, &disk).unwrap();
    });
}

/// The disk is lost when everything works: nothing is made again, and all of it can be taken away from here.
#[test]
fn a_state_lost_after_the_deploy() {
    block_on(async {
        let expected = Expected::new().await;
        let (cloud, disk) = (Aws::new(1).cloud().clone(), Disk::new());
        complete(run(&restarted(&cloud), Goal::Deploy, &shop(), &disk).await).unwrap();
        let before = cloud.calls().len();
        let fresh = Disk::of_lineage(&"e".repeat(32));
        let applied = run(&restarted(&cloud), Goal::Deploy, &shop(), &fresh).await.unwrap();
        assert!(matches!(applied, Applied::Unchanged(_)), "{}", applied.plan());
        println!("state rebuilt with {} calls", cloud.calls().len() - before);
        expected.check(&cloud, &fresh).unwrap();
        // It can be taken away without having been deployed from here.
        complete(run(&restarted(&cloud), Goal::Destroy, &shop(), &fresh).await).unwrap();
        settle(&cloud);
        let empty = Picture::of(Aws::new(1).cloud(), &expected.words);
        Picture::of(&cloud, &expected.words).compare(&empty).unwrap();
    });
}
