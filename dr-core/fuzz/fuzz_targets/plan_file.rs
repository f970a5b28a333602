//! Any bytes are the plan of this program or an error, never a panic.
#![no_main]

use dr_core::{Global, Plan, Stack, State};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let stack = Stack::build("fuzz", |stack| {
        let _ = stack.region(Global);
    });
    let stack = stack.expect("an empty program builds");
    if let Ok(plan) = Plan::load(data, &stack, &State::new("fuzz", "0")) {
        let _ = (plan.to_string(), plan.critical_path());
    }
});
