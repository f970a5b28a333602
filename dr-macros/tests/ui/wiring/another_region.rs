#[path = "../../net/mod.rs"]
mod net;

use dr_core::*;
use net::*;

fn main() {
    let _ = stack!("shop", |east: UsEast1, west: UsWest2| {
        let primary = east(Site { cidr: cidr!("10.0.0.0/16"), zones: 3 });
        let canary = west(Alb::internal(primary.subnets));
    });

    let _ = Stack::build("shop", |stack| {
        let (east, west) = (stack.region(UsEast1), stack.region(UsWest2));
        let primary = east.add("primary", Site { cidr: cidr!("10.0.0.0/16"), zones: 3 });
        west.add("canary", Alb::internal(primary.subnets));
    });
}
