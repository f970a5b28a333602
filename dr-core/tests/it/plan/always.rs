//! What holds for every program.

use dr_core::sim::Random;
use dr_core::{Observed, Plan, State};
use proptest::prelude::*;

use crate::common::random::{Program, random_world};

fn shape(seed: u64, parts: usize) -> Program {
    Program::random(&mut Random::new(seed, "plans"), parts)
}

/// Every step comes after those it waits for, and every value that a step needs is there by then.
fn is_ordered(plan: &Plan) -> bool {
    plan.steps
        .iter()
        .enumerate()
        .all(|(at, step)| step.id as usize == at && step.after.iter().all(|(before, _)| (*before as usize) < at))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equal_stacks_give_byte_equal_plans_that_are_ordered(seed in any::<u64>(), parts in 0_usize..24) {
        let (one, other) = (shape(seed, parts).stack(), shape(seed, parts).stack());
        let state = State::new("random", "0");
        let plans = [&one, &other].map(|stack| Plan::between(stack, &state, &Observed::unchanged()).unwrap());
        prop_assert_eq!(plans[0].save(), plans[1].save());
        prop_assert_eq!(plans[0].to_string(), plans[1].to_string());
        prop_assert!(is_ordered(&plans[0]));
        prop_assert_eq!(plans[0].steps.len(), one.len());
    }

    #[test]
    fn a_plan_after_a_deploy_is_empty(seed in any::<u64>(), parts in 0_usize..16) {
        let stack = shape(seed, parts).stack();
        let mut world = random_world(seed);
        prop_assert!(world.deploy(&stack).is_complete());
        let plan = world.plan(&stack).unwrap();
        prop_assert!(plan.is_empty() && plan.drift.is_empty(), "{}", plan);
        let unread = Plan::between(&stack, &world.state(), &Observed::unchanged()).unwrap();
        prop_assert!(unread.is_empty(), "{}", unread);
    }

    #[test]
    fn a_teardown_runs_against_every_edge(seed in any::<u64>(), parts in 0_usize..20) {
        let stack = shape(seed, parts).stack();
        let mut world = random_world(seed);
        prop_assert!(world.deploy(&stack).is_complete());
        let plan = Plan::teardown(&stack, &world.state(), &Observed::unchanged()).unwrap();
        prop_assert_eq!(plan.steps.len(), stack.len());
        prop_assert!(is_ordered(&plan));
        let place = |address: &str| plan.steps.iter().position(|step| step.address.as_str() == address).unwrap();
        for node in stack.nodes() {
            for (needed, _) in stack.needs(node.address.as_str()) {
                prop_assert!(place(node.address.as_str()) < place(needed.address.as_str()), "{} before {}", node.address, needed.address);
            }
        }
    }

    #[test]
    fn a_change_of_the_program_gives_an_ordered_plan(seed in any::<u64>(), parts in 0_usize..20) {
        let before = shape(seed, parts);
        let after = before.changed(&mut Random::new(seed, "changes")).stack();
        let mut world = random_world(seed);
        prop_assert!(world.deploy(&before.stack()).is_complete());
        let plan = world.plan(&after).unwrap();
        prop_assert!(is_ordered(&plan));
        let again = Plan::load(&plan.save(), &after, &world.state()).unwrap();
        prop_assert_eq!(&again, &plan);
    }
}
