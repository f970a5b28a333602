//! One run in a whole process, as one JSON line: `scale plan|noop|apply|destroy|replay --shape chain|star|groups --n 10000`.
//!
//! For `replay` the number is that of the journal's entries, else that of the resources. `apply`, `destroy` and `noop` write the real journal with fsync to a directory (`--dir`, default a new one in the
//! temporary directory), so the figures are those of a deploy whose provider costs nothing.
#![expect(clippy::print_stdout, reason = "the result line is the program's output")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use dr_benches::{Blocks, Shape, program, registry};
use dr_core::driver::{Applied, Cancel, Session, SystemClock};
use dr_core::engine::Limits;
use dr_core::store::{FileStore, MemoryStore, ReadStore as _, WriteStore};
use dr_core::{Observed, Plan, State, journal};

/// Entries of the journal for a resource that is created.
const ENTRIES: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let what = args.next().ok_or("usage: scale plan|noop|apply|destroy|replay --shape chain|star|groups --n 10000")?;
    let (mut shape, mut n, mut dir) = (Shape::Groups, 10_000, None);
    while let Some(option) = args.next() {
        let value = args.next().ok_or_else(|| format!("`{option}` needs a value"))?;
        match option.as_str() {
            "--shape" => shape = value.parse()?,
            "--n" => n = value.parse()?,
            "--dir" => dir = Some(PathBuf::from(value)),
            other => return Err(format!("unknown option `{other}`").into()),
        }
    }
    let dir = dir.unwrap_or_else(|| std::env::temp_dir().join(format!("dr-scale-{}", std::process::id())));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ms = runtime.block_on(measure(&what, shape, n, &dir))?;
    let _ = std::fs::remove_dir_all(&dir);
    let line = serde_json::json!({
        "what": what, "shape": format!("{shape:?}").to_lowercase(), "n": n, "ms": ms, "peak_rss_mb": peak_rss_mb()?,
    });
    println!("{line}");
    Ok(())
}

async fn measure(what: &str, shape: Shape, n: usize, dir: &std::path::Path) -> Result<f64, Box<dyn Error>> {
    // What is replayed is counted in entries of the journal, of which each resource takes three: begun, accepted, done.
    let n = if what == "replay" { n.div_ceil(ENTRIES) } else { n };
    let started = Instant::now();
    let stack = program(shape, n)?;
    let blocks = Arc::new(Blocks::default());
    let session = Session {
        graph: &stack,
        registry: registry(&blocks),
        clock: Arc::new(SystemClock::new()),
        limits: Limits::default(),
        account: None,
    };
    let ms = |since: Instant| since.elapsed().as_secs_f64() * 1000.0;
    if what == "plan" {
        let plan = Plan::between(&stack, &State::new("bench", "0"), &Observed::unchanged())?;
        assert_eq!(plan.steps.len(), n);
        return Ok(ms(started));
    }
    if what == "replay" {
        let store = MemoryStore::new("bench", "0");
        deploy(&session, &store).await?;
        // The journal of the deploy, before it was compacted away, is what a crash at the end would leave.
        let (state, log) = store.last_journal();
        let entries = log.iter().filter(|&&byte| byte == b'\n').count() - 1;
        let started = Instant::now();
        let replayed = journal::replay(state, &log)?;
        assert_eq!((replayed.entries, entries), (n * ENTRIES, n * ENTRIES));
        return Ok(ms(started));
    }
    let store = FileStore::new(dir, "bench").lock("scale")?;
    if what != "apply" {
        deploy(&session, &store).await?;
    }
    let started = Instant::now();
    match what {
        "apply" => deploy(&session, &store).await?,
        "noop" => match session.deploy(&store, |_| true, &Cancel::new(), &mut |_, _, _| {}).await? {
            Applied::Unchanged(plan) => assert_eq!(plan.kept as usize, n),
            other => return Err(format!("expected nothing to do, got {:?}", other.plan().counts()).into()),
        },
        "destroy" => {
            let applied = session.destroy(&store, |_| true, &Cancel::new(), &mut |_, _, _| {}).await?;
            assert!(applied.is_complete() && blocks.is_empty(), "not everything is gone");
        }
        other => return Err(format!("unknown measurement `{other}`").into()),
    }
    assert!(store.load().await?.state.check().is_ok());
    Ok(ms(started))
}

async fn deploy(session: &Session<'_>, store: &dyn WriteStore) -> Result<(), Box<dyn Error>> {
    let applied = session.deploy(store, |_| true, &Cancel::new(), &mut |_, _, _| {}).await?;
    if applied.is_complete() { Ok(()) } else { Err(format!("the deploy is not complete: {applied:?}").into()) }
}

/// The most memory that the process ever had, from the kernel.
fn peak_rss_mb() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).ok_or("the kernel does not tell the peak")?;
    let kb: f64 = line.split_whitespace().nth(1).ok_or("the kernel's line has no number")?.parse()?;
    Ok((kb / 102.4).round() / 10.0)
}
