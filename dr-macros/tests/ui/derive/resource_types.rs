use std::rc::Rc;

use dr_core::{Global, Input, Outputs, Problems, Resource};

struct Opaque;

#[derive(Resource)]
#[resource(type = "test.field", region = Global)]
struct Field {
    name: Opaque,
    shared: Input<Rc<str>>,
}

#[derive(Resource)]
#[resource(type = "test.outputs", region = Global, outputs = Opaque)]
struct WithoutDerive {}

#[derive(Resource)]
#[resource(type = "test.check", region = Global, check = check)]
struct Checked {}

fn check(_: &Checked, _: u8) {}

fn main() {}
