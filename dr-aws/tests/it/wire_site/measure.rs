//! What the site costs in calls, seconds and memory: one line of JSON, no assertion on time; the counts of calls have budgets.

use std::collections::BTreeMap;

use serde_json::json;

use crate::wire::{Emulator, is_read};
use crate::wire_site::crash::{Job, Outcome};

fn sum(calls: &BTreeMap<String, u64>) -> u64 {
    calls.values().sum()
}

/// Measures a life of the site in child processes: deploy, two deploys with nothing to do, teardown.
#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn the_site_is_measured() {
    let scale = 0.05;
    let emulator = Emulator::start(scale, 80.0);
    let dir = tempfile::tempdir().expect("a directory");
    let (url, dir) = (emulator.url(), dir.path().to_path_buf());
    let deploy = Job { url, dir, whole: true, changed: false, destroy: false, lean: false, scale, rates: true };
    let run = |job: &Job| {
        let outcome = job.complete();
        assert!(outcome.complete, "{:#?}", outcome.failures);
        outcome
    };
    let first = run(&deploy);
    let full = run(&deploy);
    let lean = run(&Job { lean: true, ..deploy.clone() });
    let gone = run(&Job { destroy: true, ..deploy.clone() });
    assert!(full.unchanged && lean.unchanged);
    assert!(sum(&lean.calls) <= 45, "{:#?}", lean.calls);
    let refresh = |outcome: &Outcome| json!({ "calls": sum(&outcome.calls), "seconds": outcome.seconds, "peak_kb": outcome.peak_kb, "anonymous_kb": outcome.anonymous_kb });
    // The reads of a first deploy are its refresh and its polling.
    let reads = first.calls.iter().filter(|(call, _)| is_read(call)).map(|(_, count)| count).sum::<u64>();
    assert!(sum(&first.calls) - reads <= 200, "{:#?}", first.calls);
    let line = json!({
        "scale": scale,
        "latency_ms": 80,
        "deploy": { "seconds": first.seconds, "calls": sum(&first.calls), "changing": sum(&first.calls) - reads, "peak_kb": first.peak_kb },
        "no_op_full": refresh(&full),
        "no_op_lean": refresh(&lean),
        "destroy": { "seconds": gone.seconds, "calls": sum(&gone.calls), "peak_kb": gone.peak_kb },
        "by_operation": { "deploy": first.calls, "no_op_full": full.calls, "no_op_lean": lean.calls, "destroy": gone.calls },
    });
    println!("{line}");
}
