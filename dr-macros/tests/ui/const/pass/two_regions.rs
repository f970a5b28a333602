#[path = "../../../net/mod.rs"]
mod net;

use dr_core::{Global, cidr, stack};
use net::*;

fn main() {
    let stack = stack!("shop", |east: UsEast1, west: UsWest2, global: Global| {
        let primary = east(Site { cidr: cidr!("10.0.0.0/16"), zones: 3 });
        let standby = west(Site { cidr: cidr!("10.1.0.0/16"), zones: 2 });
        let origin = global(FailoverPair::new(primary.alb, standby.alb));
    });
    assert_eq!(stack.unwrap().len(), 10);
}
