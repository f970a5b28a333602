use dr_core::{Anywhere, Global, Input, Outputs, Region, Resource};

#[derive(Resource)]
struct NoType<R: Region = Anywhere> {
    name: Input<R>,
}

#[derive(Resource)]
#[resource(type = "Subnet", outputs, create_s = "2", delete_s = 1 2, replacement = "later", colour = 3, lookup, lookup)]
struct BadKeys<R: Region = Anywhere> {
    #[input(replace, fast, replace)]
    name: Input<R>,
    #[input(nested = 5)]
    other: u8,
}

#[derive(Resource)]
#[resource(type = "test.nowhere")]
struct Nowhere {
    name: String,
}

#[derive(Resource)]
#[resource(type = "test.parameters", region = Global)]
struct Parameters<'a, T, const N: usize> {
    name: &'a [T; N],
}

#[derive(Resource)]
#[resource(type = "test.tuple", region = Global)]
struct Tuple(String);

#[derive(Resource)]
#[resource(type = "test.choice", region = Global)]
enum Choice {
    One,
}

fn main() {}
