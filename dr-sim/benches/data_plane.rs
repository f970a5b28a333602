//! How fast the simulated account is, in seconds of the machine: one JSON line for each measurement.
//!
//! ```sh
//! cargo bench -p dr-sim --bench data_plane                 # optimised; the first build takes ten minutes on two cores
//! cargo bench -p dr-sim --bench data_plane --profile dev   # as tests have it
//! ```
//!
//! `deploy` is the two-region site into an empty account; `requests` are users of it, through CloudFront to an instance, with
//! the health checking of the time that passes; `health` is a day of checkers and alarms, quiet or with a region lost for ten
//! minutes of every hour.
#![expect(clippy::print_stdout, reason = "the result lines are the program's output")]

#[path = "../tests/it/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::{Disk, Goal, block_on, complete, run, shop};
use dr_sim::Aws;

/// Each measurement is repeated on a machine that may be busy; the fastest says most about the program.
const RUNS: usize = 5;
const USERS: u32 = 20_000;
const HOUR: Duration = Duration::from_secs(3600);
const USER: &str = "https://mysecureapi.example.com/orders";

fn main() {
    block_on(async {
        measure("deploy", "sites", 1.0, async || (), async |()| drop(deployed().await)).await;
        measure("destroy", "sites", 1.0, deployed, async |(aws, disk)| {
            complete(run(&aws, Goal::Destroy, &shop(), &disk).await).expect("a whole teardown");
        })
        .await;
        measure("requests", "requests", f64::from(USERS), warm, async |aws| {
            for _ in 0..USERS {
                let response = aws.get(USER).await;
                assert!(response.is_ok(), "{response}");
            }
        })
        .await;
        measure("requests_after_failover", "requests", f64::from(USERS), failed_over, async |aws| {
            for _ in 0..USERS {
                let response = aws.get(USER).await;
                assert!(response.is_ok(), "{response}");
            }
        })
        .await;
        measure("health_quiet", "days", 1.0, warm, async |aws| aws.advance(24 * HOUR).await).await;
        measure("health_with_outages", "days", 1.0, warm, async |aws| {
            for _ in 0..24 {
                aws.fail_region("us-east-1");
                aws.advance(HOUR / 6).await;
                aws.heal();
                aws.advance(HOUR - HOUR / 6).await;
            }
            let changes = aws.events().len();
            assert!(changes >= 48, "{changes} events in a day of outages");
        })
        .await;
    });
}

/// The site, as it is when its deploy ends.
async fn deployed() -> (Aws, Disk) {
    let (aws, disk) = (Aws::new(1), Disk::new());
    complete(run(&aws, Goal::Deploy, &shop(), &disk).await).expect("a whole site");
    (aws, disk)
}

/// The site when its instances have booted and its alarms have data.
async fn warm() -> Aws {
    let (aws, _) = deployed().await;
    aws.advance(HOUR / 6).await;
    aws
}

/// The site while the standby serves.
async fn failed_over() -> Aws {
    let aws = warm().await;
    aws.fail_region("us-east-1");
    aws.advance(HOUR / 6).await;
    aws
}

async fn measure<S>(what: &str, unit: &str, n: f64, mut prepare: impl AsyncFnMut() -> S, mut body: impl AsyncFnMut(S)) {
    let mut seconds = Vec::new();
    for _ in 0..RUNS {
        let prepared = prepare().await;
        let started = Instant::now();
        body(prepared).await;
        seconds.push(started.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let per_second = |seconds: f64| (n / seconds * 10.0).round() / 10.0;
    let line = serde_json::json!({
        "what": what,
        "optimised": !cfg!(debug_assertions),
        "n": n,
        "unit": unit,
        "runs": RUNS,
        "fastest_ms": (seconds[0] * 1e4).round() / 10.0,
        "median_ms": (seconds[RUNS / 2] * 1e4).round() / 10.0,
        "slowest_ms": (seconds[RUNS - 1] * 1e4).round() / 10.0,
        "fastest_per_s": per_second(seconds[0]),
        "median_per_s": per_second(seconds[RUNS / 2]),
    });
    println!("{line}");
}
