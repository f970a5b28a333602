//! Random programs and random changes of them.

use std::collections::BTreeSet;
use std::marker::PhantomData;

use dr_core::sim::{Behaviour, Random, World};
use dr_core::{
    Anywhere, ConstructExt, FixedRegion, Global, Handle, Input, IntoInput, Output, Outputs, Precedes, Region, Resource,
    Scope, Stack,
};

use super::{East, West};

#[derive(Clone, Outputs)]
pub struct PartOutputs {
    pub id: String,
}

#[derive(Resource)]
#[resource(type = "rand.a.plain", outputs = PartOutputs)]
pub struct Plain<R: Region = Anywhere> {
    size: u32,
    #[input(replace)]
    kind: u32,
    #[input(replace)]
    on: Vec<Input<String>>,
    uses: Vec<Input<String>>,
    #[input(accepted)]
    near: Vec<Input<String>>,
    of: PhantomData<R>,
}

#[derive(Resource)]
#[resource(type = "rand.b.slow", outputs = PartOutputs, create_s = 30, delete_s = 20)]
pub struct Slow<R: Region = Anywhere> {
    size: u32,
    #[input(replace)]
    kind: u32,
    #[input(replace, accepted)]
    on: Vec<Input<String>>,
    uses: Vec<Input<String>>,
    near: Vec<Input<String>>,
    of: PhantomData<R>,
}

/// A name that only one can have: the old one goes first.
#[derive(Resource)]
#[resource(type = "rand.b.named", outputs = PartOutputs, replacement = "delete-first", delete_s = 3)]
pub struct Named<R: Region = Anywhere> {
    size: u32,
    #[input(replace)]
    kind: u32,
    name: String,
    #[input(replace)]
    on: Vec<Input<String>>,
    uses: Vec<Input<String>>,
    of: PhantomData<R>,
}

/// Without tags and outputs, found by its parent and its key.
#[derive(Resource)]
#[resource(type = "rand.c.child", replacement = "delete-first")]
pub struct Child<R: Region = Anywhere> {
    size: u32,
    #[input(replace)]
    parent: Option<Input<String>>,
    #[input(replace)]
    key: String,
    uses: Vec<Input<String>>,
    of: PhantomData<R>,
}

#[derive(Resource)]
#[resource(type = "rand.g.point", outputs = PartOutputs, region = Global)]
pub struct Point {
    size: u32,
    #[input(replace)]
    kind: u32,
    #[input(replace)]
    on: Vec<Input<String>>,
    uses: Vec<Input<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Plain,
    Slow,
    Named,
    Child,
    Point,
}

#[derive(Debug, Clone)]
pub struct Part {
    pub name: String,
    /// Former names.
    pub was: Vec<String>,
    pub of: Type,
    pub west: bool,
    pub size: u32,
    pub kind: u32,
    /// Indices of earlier parts: what forces a replacement, what does not, what need only be accepted, and order only.
    pub on: Vec<usize>,
    pub uses: Vec<usize>,
    pub near: Vec<usize>,
    pub after: Vec<usize>,
}

/// A program as data.
#[derive(Debug, Clone, Default)]
pub struct Program {
    pub parts: Vec<Part>,
    made: usize,
}

/// How the types above behave.
pub fn random_world(seed: u64) -> World {
    World::new(seed)
        .with(Slow::<East>::SCHEMA, Behaviour::new().without_tokens())
        .with(Named::<East>::SCHEMA, Behaviour::new().unique(&["name"]).without_tokens())
        .with(Child::<East>::SCHEMA, Behaviour::new().natural_key(&["parent", "key"]))
        .with(Point::SCHEMA, Behaviour::new())
}

impl Program {
    /// A program of so many parts.
    pub fn random(random: &mut Random, parts: usize) -> Self {
        let mut program = Program::default();
        // Something stays in each region, so that a lost state does not take the knowledge of the region with it.
        for west in [false, true] {
            program.made += 1;
            let name = format!("anchor{}", program.made);
            let (on, uses, near, after) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            program.parts.push(Part {
                name,
                was: Vec::new(),
                of: Type::Plain,
                west,
                size: 1,
                kind: 1,
                on,
                uses,
                near,
                after,
            });
        }
        for _ in 0..parts {
            program.grow(random);
        }
        program
    }

    /// What must not be used in place: the old copy goes before the new one is there, so nothing can be repointed.
    fn hard(&self) -> BTreeSet<usize> {
        let mut hard = BTreeSet::new();
        for (at, part) in self.parts.iter().enumerate() {
            if part.of == Type::Named || part.on.iter().any(|on| hard.contains(on)) {
                hard.insert(at);
            }
        }
        hard
    }

    fn some(random: &mut Random, from: &[usize], most: u64) -> Vec<usize> {
        let n = random.below(most + 1);
        let picked: BTreeSet<usize> = (0..n).filter_map(|_| random.pick(from).copied()).collect();
        picked.into_iter().collect()
    }

    fn grow(&mut self, random: &mut Random) {
        let of = *random.pick(&[Type::Plain, Type::Plain, Type::Slow, Type::Named, Type::Child, Type::Point]).unwrap();
        let hard = self.hard();
        let with_id: Vec<usize> = (0..self.parts.len()).filter(|&at| self.parts[at].of != Type::Child).collect();
        let soft: Vec<usize> = with_id.iter().copied().filter(|at| !hard.contains(at)).collect();
        let all: Vec<usize> = (0..self.parts.len()).collect();
        self.made += 1;
        self.parts.push(Part {
            name: format!("n{}", self.made),
            was: Vec::new(),
            of,
            west: random.chance(0.4),
            // No two parts are alike, or leaving one out and adding another would look like a rename.
            size: 10 * self.made as u32,
            kind: 1,
            on: if of == Type::Child {
                random.pick(&with_id).copied().into_iter().collect()
            } else {
                Self::some(random, &with_id, 2)
            },
            uses: Self::some(random, &soft, 2),
            near: Self::some(random, &soft, 1),
            after: if random.chance(0.2) { Self::some(random, &all, 1) } else { Vec::new() },
        });
    }

    /// Another version of the program: parts changed, replaced, removed, renamed, added.
    pub fn changed(&self, random: &mut Random) -> Self {
        let mut next = self.clone();
        for part in &mut next.parts {
            if random.chance(0.25) {
                part.size += 1;
            }
            if random.chance(0.15) {
                part.kind += 1;
            }
            if random.chance(0.08) {
                part.was.push(part.name.clone());
                part.name = format!("{}x", part.name);
            }
            if random.chance(0.1) {
                part.uses.pop();
            }
        }
        let mut at = 2;
        while at < next.parts.len() {
            if random.chance(0.12) {
                next.remove(at);
            } else {
                at += 1;
            }
        }
        for _ in 0..random.below(3) {
            next.grow(random);
        }
        next
    }

    fn remove(&mut self, gone: usize) {
        self.parts.remove(gone);
        for part in &mut self.parts {
            for list in [&mut part.on, &mut part.uses, &mut part.near, &mut part.after] {
                list.retain(|&at| at != gone);
                list.iter_mut().filter(|at| **at > gone).for_each(|at| *at -= 1);
            }
        }
    }

    /// The program itself.
    pub fn stack(&self) -> Stack {
        Stack::build("random", |stack| {
            let (east, west, global) = (stack.region(East), stack.region(West), stack.region(Global));
            let mut built: Vec<Built> = Vec::new();
            for part in &self.parts {
                let next = match (part.of, part.west) {
                    (Type::Point, _) => {
                        for was in &part.was {
                            global.moved(was.as_str(), part.name.as_str());
                        }
                        let (on, uses) = (inputs(&part.on, &built), inputs(&part.uses, &built));
                        add(&global, part, Point { size: part.size, kind: part.kind, on, uses }, &built, |h| h.id)
                    }
                    (_, false) => regional(&east, part, &built),
                    (_, true) => regional(&west, part, &built),
                };
                built.push(next);
            }
        })
        .expect("random programs are valid")
    }
}

struct Built {
    id: Option<Output<String>>,
    node: Node,
}

#[derive(Clone, Copy)]
struct Node(dr_core::value::Origin);

impl Precedes for Node {
    fn node(&self) -> dr_core::value::Origin {
        self.0
    }
}

fn inputs(at: &[usize], built: &[Built]) -> Vec<Input<String>> {
    at.iter().filter_map(|&at| built[at].id).map(IntoInput::into_input).collect()
}

fn add<R, T: Resource>(
    scope: &Scope<'_, R>,
    part: &Part,
    resource: T,
    built: &[Built],
    id: impl Fn(Handle<T>) -> Output<String>,
) -> Built
where
    R: Region + dr_core::Hosts<T::Region>,
{
    let handle = with_order(scope, part, resource, built);
    Built { id: Some(id(handle)), node: Node(handle.node()) }
}

fn with_order<R, T: Resource>(scope: &Scope<'_, R>, part: &Part, resource: T, built: &[Built]) -> Handle<T>
where
    R: Region + dr_core::Hosts<T::Region>,
{
    match part.after.first() {
        Some(&first) => scope.add(part.name.as_str(), resource.after(&built[first].node)),
        None => scope.add(part.name.as_str(), resource),
    }
}

fn regional<R: FixedRegion>(scope: &Scope<'_, R>, part: &Part, built: &[Built]) -> Built {
    for was in &part.was {
        scope.moved(was.as_str(), part.name.as_str());
    }
    let (size, kind, of) = (part.size, part.kind, PhantomData);
    let (on, uses, near) = (inputs(&part.on, built), inputs(&part.uses, built), inputs(&part.near, built));
    match part.of {
        Type::Plain => add(scope, part, Plain { size, kind, on, uses, near, of }, built, |h| h.id),
        Type::Slow => add(scope, part, Slow { size, kind, on, uses, near, of }, built, |h| h.id),
        Type::Named => {
            let name = part.was.first().unwrap_or(&part.name).clone();
            add(scope, part, Named { size, kind, name, on, uses, of }, built, |h| h.id)
        }
        Type::Child => {
            let key = part.was.first().unwrap_or(&part.name).clone();
            let parent = on.into_iter().next();
            let handle = with_order(scope, part, Child { size, parent, key, uses, of }, built);
            Built { id: None, node: Node(handle.node()) }
        }
        Type::Point => unreachable!("points are global"),
    }
}
