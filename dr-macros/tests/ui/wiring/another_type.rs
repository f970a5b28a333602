#[path = "../../net/mod.rs"]
mod net;

use dr_core::*;
use net::*;

fn main() {
    let _ = stack!("shop", |east: UsEast1, west: UsWest2| {
        let vpc = east(Vpc::new(cidr!("10.0.0.0/16")));
        let subnet = east(Subnet::new(vpc.id, cidr!("10.0.0.0/24")));
        let inner = east(Subnet::new(subnet.id, cidr!("10.0.0.0/28")));
        let far = west(Subnet::<UsWest2>::new(vpc.id, cidr!("10.0.0.0/28")));
    });
}
