#[path = "../../net/mod.rs"]
mod net;

use dr_core::*;
use net::*;

fn main() {
    let _ = stack!("shop", |east: UsEast1, west: UsWest2| {
        let primary = east(Site { cidr: cidr!("10.0.0.0/16"), zones: 3 });
        let standby = west(Site { cidr: cidr!("10.1.0.0/16"), zones: 2 });
        let mixed = east(Alb::internal([primary.subnets[0], standby.subnets[0]]));
    });
}
