use dr_core::{Global, Resource};

#[derive(Resource)]
#[resource(type = "test.outputs", region = Global, outputs = String)]
struct WithoutDerive {}

#[derive(Resource)]
#[resource(type = "test.check", region = Global, check = check)]
struct Checked {}

fn check(_: &Checked, _: u8) {}

fn main() {}
