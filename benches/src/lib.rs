//! What the benchmarks share: programs of a given shape and size, and a provider whose resources are there at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use dr_core::{
    BuildErrors, CloudError, Cx, Found, Global, Health, Input, Lifecycle, Output, Outputs, Prior, Resource, Scan,
    Stack, Wanted,
};

/// A resource that exists as soon as it is asked for.
#[derive(Debug, Clone, Resource)]
#[resource(type = "bench.main.block", outputs = BlockOutputs, region = Global, create_s = 1, delete_s = 1)]
pub struct Block {
    /// A text of the size that names and ranges have.
    #[input(replace)]
    name: String,
    /// A number that changes in place.
    size: u32,
    /// What it is built on.
    on: Vec<Input<String>>,
}

/// The outputs of a [`Block`].
#[derive(Debug, Clone, Outputs)]
pub struct BlockOutputs {
    /// Its id.
    pub id: String,
}

/// The cloud of blocks: counts them.
#[derive(Debug, Default)]
pub struct Blocks(Mutex<BTreeMap<String, BlockArgs>>);

impl Blocks {
    fn blocks(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, BlockArgs>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Lifecycle for Block {
    type Cloud = Blocks;

    async fn read(scan: &Scan<Blocks>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let blocks = scan.cloud.blocks();
        Ok(wanted
            .iter()
            .filter_map(|want| {
                let id = format!("block-{}", want.token);
                let args = blocks.get(&id)?.clone();
                let (address, generation, outputs) = (want.address.clone(), want.generation, BlockOutputs { id });
                Some(Found { address, generation, args: Some(args), outputs, health: Health::Ready, tags: None })
            })
            .collect())
    }

    async fn create(cx: &Cx<Blocks>, args: &BlockArgs) -> Result<BlockOutputs, CloudError> {
        let id = format!("block-{}", cx.owner.token);
        cx.cloud.blocks().insert(id.clone(), args.clone());
        Ok(BlockOutputs { id })
    }

    async fn update(cx: &Cx<Blocks>, prior: &Prior<Self>, args: &BlockArgs) -> Result<BlockOutputs, CloudError> {
        cx.cloud.blocks().insert(prior.outputs.id.clone(), args.clone());
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Blocks>, prior: &Prior<Self>) -> Result<(), CloudError> {
        cx.cloud.blocks().remove(&prior.outputs.id);
        Ok(())
    }
}

/// The shape of a program's graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Each block on the one before.
    Chain,
    /// All blocks on the first.
    Star,
    /// Groups of 50: one root, 7 on it, 42 on those.
    Groups,
}

impl std::str::FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "chain" => Ok(Shape::Chain),
            "star" => Ok(Shape::Star),
            "groups" => Ok(Shape::Groups),
            other => Err(format!("unknown shape `{other}`: chain, star or groups")),
        }
    }
}

/// A program of `n` blocks.
///
/// # Errors
/// Never for these shapes; a change of the builder that breaks them shows here.
pub fn program(shape: Shape, n: usize) -> Result<Stack, BuildErrors> {
    Stack::build("bench", |stack| {
        let global = stack.region(Global);
        let mut ids: Vec<Output<String>> = Vec::with_capacity(n);
        for at in 0..n {
            let on = match shape {
                Shape::Chain => at.checked_sub(1),
                Shape::Star => (at > 0).then_some(0),
                Shape::Groups => match at % 50 {
                    0 => None,
                    child @ 1..=7 => Some(at - child),
                    leaf => Some(at - leaf + 1 + (leaf - 8) % 7),
                },
            };
            let on = on.map(|needed| dr_core::IntoInput::into_input(ids[needed])).into_iter().collect();
            let block = Block { name: format!("block number {at} of the benchmark"), size: 1, on };
            ids.push(global.add(("block", at), block).id);
        }
    })
}

/// The registry with blocks in it.
#[must_use]
pub fn registry(blocks: &Arc<Blocks>) -> dr_core::Registry {
    dr_core::Registry::new().with::<Block>(blocks)
}
