//! Build, plan and replay at 10, 1,000 and 10,000 resources, for each shape: `cargo bench -p dr-benches`.

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dr_benches::{Blocks, Shape, program, registry};
use dr_core::driver::{Cancel, Session, SystemClock};
use dr_core::engine::Limits;
use dr_core::store::MemoryStore;
use dr_core::{Observed, Plan, Stack, State, journal};

const SIZES: [usize; 3] = [10, 1_000, 10_000];
const SHAPES: [(&str, Shape); 3] = [("chain", Shape::Chain), ("star", Shape::Star), ("groups", Shape::Groups)];

fn stack(shape: Shape, n: usize) -> Stack {
    program(shape, n).expect("the program of a benchmark builds")
}

fn each(c: &mut Criterion, name: &str, mut run: impl FnMut(&mut criterion::Bencher<'_>, Shape, usize)) {
    let mut group = c.benchmark_group(name);
    group.sample_size(10);
    for (shape_name, shape) in SHAPES {
        for n in SIZES {
            group.throughput(Throughput::Elements(n as u64));
            group.bench_function(BenchmarkId::new(shape_name, n), |bencher| run(bencher, shape, n));
        }
    }
    group.finish();
}

fn build(c: &mut Criterion) {
    each(c, "build", |bencher, shape, n| bencher.iter(|| stack(shape, n)));
}

fn plan(c: &mut Criterion) {
    each(c, "plan", |bencher, shape, n| {
        let (stack, state) = (stack(shape, n), State::new("bench", "0"));
        bencher.iter(|| Plan::between(&stack, &state, &Observed::unchanged()).expect("there is a plan"));
    });
}

fn replay(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    each(c, "replay", |bencher, shape, n| {
        let stack = stack(shape, n);
        let session = Session {
            graph: &stack,
            registry: registry(&Arc::new(Blocks::default())),
            clock: Arc::new(runtime.block_on(async { SystemClock::new() })),
            limits: Limits::default(),
            account: None,
        };
        let store = MemoryStore::new("bench", "0");
        let (cancel, mut watch) = (Cancel::new(), |_: &_, _, _: &_| {});
        let deploy = session.deploy(&store, |_| true, &cancel, &mut watch);
        assert!(runtime.block_on(deploy).expect("the deploy starts").is_complete());
        let (state, log) = store.last_journal();
        bencher.iter(|| journal::replay(state.clone(), &log).expect("the journal replays"));
    });
}

criterion_group!(benches, build, plan, replay);
criterion_main!(benches);
