//! Equal seeds and equal calls give equal logs and worlds, byte for byte.
#![expect(clippy::print_stdout, reason = "what is measured is printed, and never asserted")]

use dr_sim::{Aws, Cloud, Fault, Target, World};

use crate::common::{Disk, Goal, block_on, changed, complete, run, shop};

/// A life of the site under trouble: the log of all calls and the account after each part of it.
fn life(seed: u64) -> Vec<String> {
    block_on(async {
        let aws = Aws::on(Cloud::of(World::new(seed).with_jitter()));
        let (disk, mut told) = (Disk::new(), Vec::new());
        let faults = aws.cloud().faults();
        faults.share(Target::any(), 0.05, Fault::Throttle);
        faults.share(Target::any(), 0.02, Fault::Lost);
        for (goal, program) in [(Goal::Deploy, shop()), (Goal::Deploy, changed()), (Goal::Destroy, changed())] {
            complete(run(&aws, goal, &program, &disk).await).unwrap();
            let calls = aws.cloud().calls();
            told.extend(calls.iter().map(|call| serde_json::to_string(call).unwrap()));
            told.push(aws.cloud().save().unwrap());
            told.push(serde_json::to_string(&disk.state()).unwrap());
            aws.cloud().clear_calls();
        }
        told
    })
}

#[test]
fn the_same_seed_gives_the_same_calls_and_worlds() {
    let (one, two) = (life(7), life(7));
    for (number, (one, two)) in one.iter().zip(&two).enumerate() {
        assert!(one == two, "entry {number} differs:\n{}\n{}", clip(one), clip(two));
    }
    assert_eq!(one.len(), two.len());
    println!("{} entries, {} bytes", one.len(), one.iter().map(String::len).sum::<usize>());
}

#[test]
fn another_seed_gives_another_life() {
    assert_ne!(life(7), life(8));
}

/// A world that is saved and loaded goes on as if it had not been.
#[test]
fn a_saved_world_goes_on_as_if_it_had_not_been() {
    block_on(async {
        let (aws, disk) = (Aws::new(3), Disk::new());
        complete(run(&aws, Goal::Deploy, &shop(), &disk).await).unwrap();
        // Looking at a world brings it to the present.
        aws.cloud().with_world(|_| ());
        let saved = aws.cloud().save().unwrap();
        let loaded = Aws::on(Cloud::load(&saved).unwrap());
        assert_eq!(loaded.cloud().save().unwrap(), saved);
        let mut ends = Vec::new();
        aws.cloud().clear_calls();
        for aws in [Aws::on(aws.cloud().clone()), loaded] {
            complete(run(&aws, Goal::Deploy, &changed(), &disk.copy()).await).unwrap();
            ends.push((aws.cloud().calls(), aws.cloud().save().unwrap()));
        }
        assert!(ends[0] == ends[1]);
    });
}

fn clip(text: &str) -> &str {
    text.char_indices().nth(2000).map_or(text, |(end, _)| &text[..end])
}
