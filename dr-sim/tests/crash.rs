//! scratch
mod common;
use common::*;
use common::picture::*;
use dr_sim::Aws;
use std::time::{Duration, Instant};

#[tokio::test]
async fn scratch() {
    let (shop, changed) = (shop(), changed());
    let mut all = vec![];
    for seed in [1, 2, 3] {
    let (aws, disk) = (Aws::new(seed), Disk::new());
    let t = Instant::now();
    eprintln!("{:?}", complete(run(&aws, Goal::Deploy, &shop, &disk).await));
    eprintln!("deploy {:?} {} calls", t.elapsed(), aws.cloud().calls().len());
    disk.check().unwrap();
    aws.cloud().clock().advance(Duration::from_secs(7200));
    let one = dr_sim::Cloud::load(&aws.cloud().save().unwrap()).unwrap();
    aws.cloud().clear_calls();
    let t = Instant::now();
    let applied = run(&aws, Goal::Deploy, &changed, &disk).await;
    if let Ok(a) = &applied { if seed == 1 { eprintln!("{}", a.plan()); } }
    eprintln!("{:?}", complete(applied));
    eprintln!("update {:?} {} calls", t.elapsed(), aws.cloud().calls().len());
    eprintln!("{:?}", disk.check());
    aws.cloud().clock().advance(Duration::from_secs(7200));
    let two = dr_sim::Cloud::load(&aws.cloud().save().unwrap()).unwrap();
    eprintln!("{:?}", complete(run(&aws, Goal::Destroy, &shop, &disk).await));
    aws.cloud().clock().advance(Duration::from_secs(7200));
    let three = dr_sim::Cloud::load(&aws.cloud().save().unwrap()).unwrap();
    all.push([one, two, three]);
    }
    for at in 0..3 {
        let words = Vocabulary::of(&[&all[0][at], &all[1][at]]);
        let t = Instant::now();
        let pictures = [0, 1, 2].map(|seed| Picture::of(&all[seed][at], &words));
        eprintln!("{:?} for {} objects", t.elapsed() / 3, pictures[0].len());
        for p in &pictures[1..] { if let Err(e) = p.compare(&pictures[0]) { eprintln!("{e}"); } }
    }
}
