use dr_core::{Global, Inputs, Resource, Secret};

fn written<T: dr_core::serde::Serialize>(_: T) {}

#[derive(Resource)]
#[resource(type = "test.account", region = Global)]
struct Account {
    password: Secret<String>,
    former: Vec<Secret<String>>,
}

#[derive(Inputs)]
struct Login {
    password: Secret<String>,
}

fn main() {
    written(Secret::new("db password", "hunter2".to_owned()));
}
