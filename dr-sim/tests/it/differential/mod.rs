//! The same calls, sent by the same SDK clients to the simulator and to the wire-level emulator (`wire/`), which nobody of this
//! project wrote at its core: what one accepts and the other refuses, or answers differently, is in a table with the AWS page
//! that decides it ([`differences::TABLE`]). A difference that is not in the table fails the test, and so does an entry that no
//! longer differs.
//!
//! It needs Python (`wire/setup`), so a stock toolchain passes `cargo test` without it:
//!
//! ```text
//! wire/setup && cargo test -p dr-sim --tests -- --ignored
//! ```
#![expect(clippy::print_stdout, reason = "the comparison is for whoever runs the test")]

mod differences;
mod front;
mod global;
mod network;
mod script;
mod servers;

use std::collections::BTreeSet;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use dr_aws::Rates;
use script::{Script, Side, Step};

use crate::wire::Emulator;

/// Everything, in the order in which a site is made; what a part made is there for the next.
async fn run(side: Side) -> Vec<Step> {
    let mut script = Script::new(side);
    let network = network::run(&mut script).await;
    let servers = servers::run(&mut script, &network).await;
    let zone = global::names(&mut script).await;
    let front = front::run(&mut script, &network, &servers, &zone).await;
    global::edge(&mut script, &front, &zone).await;
    global::alarms(&mut script).await;
    front::in_use(&mut script, &network, &front).await;
    script.steps
}

#[test]
#[ignore = "needs Python: wire/setup"]
fn simulator_and_emulator_differ_where_the_table_says_so() {
    // Unoptimised, the futures of a hundred calls need more than the two megabytes of a test's thread.
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(compare).expect("a thread can be started");
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

fn compare() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let emulator = Emulator::start(0.01, 0.0);
    let (simulated, emulated) = runtime.block_on(async {
        let simulated = run(Side::Simulator(dr_sim::Aws::new(1))).await;
        let credentials = SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "wire test"));
        let aws = dr_aws::Aws::builder().credentials(credentials).endpoint_url(emulator.url());
        (simulated, run(Side::Emulator(Box::new(aws.rates(Rates::unlimited()).build()))).await)
    });
    let names = |steps: &[Step]| steps.iter().map(|step| step.name).collect::<Vec<_>>();
    assert_eq!(names(&simulated), names(&emulated), "the script does not depend on the answers");

    let mut wrong = Vec::new();
    let mut differing = BTreeSet::new();
    for (ours, theirs) in simulated.iter().zip(&emulated) {
        let (step, ours, theirs) = (ours.name, ours.outcome.to_string(), theirs.outcome.to_string());
        if ours == theirs {
            println!("same     {step}: {ours}");
            continue;
        }
        differing.insert(step);
        println!("differs  {step}\n    simulator: {ours}\n    emulator:  {theirs}");
        match differences::TABLE.iter().find(|known| known.step == step) {
            None => wrong.push(format!("{step}: differs, and the table does not have it\n    {ours}\n    {theirs}")),
            Some(known) => {
                println!("    AWS:       {} ({})", known.aws, known.page);
                if (known.simulator, known.emulator) != (&ours, &theirs) {
                    wrong.push(format!("{step}: differs, and not as the table has it\n    {ours}\n    {theirs}"));
                }
            }
        }
    }
    let gone = differences::TABLE.iter().filter(|known| !differing.contains(known.step));
    wrong.extend(gone.map(|known| format!("{}: is in the table, and does not differ", known.step)));
    println!("{} calls, {} of them answered differently", simulated.len(), differing.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
