//! The engine inside an ordinary program: regions from a configuration file, progress handled here, cancellation by time, and
//! typed outputs at the end.
//!
//! ```text
//! cargo run --example embed
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;
use std::time::Duration;

use dr_aws::constructs::SecureApi;
use dr_aws::regions::{Primary, Standby};
use dr_core::driver::{Applied, Cancel};
use dr_core::engine::{Notice, Outcome, Run, Time};
use dr_core::store::FileStore;
use dr_core::{BuildErrors, Inputs, Output, Stack, cidr, stack};
use dr_sim::Aws;
use serde::Deserialize;

/// The tool's own configuration.
#[derive(Deserialize)]
struct Config {
    service: String,
    primary: String,
    standby: String,
}

/// What the tool wants to know afterwards.
#[derive(Inputs)]
struct Endpoints {
    primary: Output<String>,
    standby: Output<String>,
}

/// Roles instead of fixed regions: which regions they are is decided when the program runs, and they still cannot be mixed up.
fn program(config: &Config) -> Result<Stack<Endpoints>, BuildErrors> {
    stack!(&config.service, |primary: Primary = &config.primary, standby: Standby = &config.standby| {
        let first = primary(SecureApi::new(cidr!("10.0.0.0/16")));
        let second = standby(SecureApi::new(cidr!("10.1.0.0/16")));
        Endpoints { primary: first.endpoint, standby: second.endpoint }
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = r#"{ "service": "orders", "primary": "eu-west-1", "standby": "eu-central-1" }"#;
    let config: Config = serde_json::from_str(config)?;
    let stack = program(&config)?;

    // A simulated account; `dr_aws::Aws::from_env()` with `dr_aws::registry` and a `SystemClock` is the real one.
    let aws = Aws::new(7);
    let session = aws.session(&stack);
    let dir = std::env::temp_dir().join(format!("dr-embed-{}", std::process::id()));
    let store = FileStore::new(&dir, stack.name()).lock("embed")?;

    // Progress is whatever the tool makes of the notices: here it stops the deploy when the NAT gateways have been accepted.
    let (cancel, began) = (Cancel::new(), aws.now_s());
    let mut stop = |run: &Run, _: Time, notice: &Notice| {
        if let Notice::Accepted(step) = notice {
            let step = &run.plan().steps[*step as usize];
            if step.type_name == "aws.ec2.nat_gateway" && cancel.count() == 0 {
                println!("{} is on its way: that is enough for now", step.address);
                cancel.cancel();
            }
        }
    };
    let applied = aws.drive(session.deploy(&store, |_| true, &cancel, &mut stop)).await?;
    let Applied::Ran { report, .. } = &applied else { return Err("there was something to do".into()) };
    assert_eq!(report.outcome, Outcome::Cancelled);
    println!("cancelled after {:.0} s: {:?} done, {} left", aws.now_s() - began, report.done, report.skipped.len());

    // Nothing special is needed to go on: the next deploy continues from what is recorded and found.
    let mut done = 0;
    let mut count = |_: &Run, _: Time, notice: &Notice| done += u32::from(matches!(notice, Notice::Done(_)));
    let applied = aws.drive(session.deploy(&store, |_| true, &Cancel::new(), &mut count)).await?;
    let Applied::Ran { state, report, .. } = &applied else { return Err("there was something left to do".into()) };
    println!("then {done} more: {:?}", report.outcome);

    let endpoints = stack.outputs(|address| state.outputs(address))?;
    for url in [&endpoints.primary, &endpoints.standby] {
        aws.advance(Duration::from_secs(120)).await;
        println!("{url}: {}", aws.get(url).await);
    }

    let gone = aws.drive(session.destroy(&store, |_| true, &Cancel::new(), &mut |_, _, _| {})).await?;
    println!("destroyed: {}", gone.is_complete());
    drop(store);
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
