#[path = "../../net/mod.rs"]
mod net;

use dr_core::*;
use net::*;

fn main() {
    let _ = stack!("shop", |east: UsEast1| {
        let vpc = east(Vpc::new(cidr!("10.0.0.0/16")));
        let subnet = east(Subnet::new(vpc.id));
    });
}
