#[path = "../../net/mod.rs"]
mod net;

use dr_core::*;
use net::*;

fn main() {
    let _ = stack!("shop", |primary: Primary, global: Global| {
        let vpc = primary(Vpc::new(cidr!("10.0.0.0/16")));
    });

    let _ = Stack::build("shop", |stack| {
        let primary = stack.region(Primary);
        primary.add("vpc", Vpc::new(cidr!("10.0.0.0/16")));
    });
}
