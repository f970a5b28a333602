#[path = "../../net/mod.rs"]
mod net;

use dr_core::*;
use net::*;

fn main() {
    let _ = stack!("shop", |east: UsEast1| {
        let vpc = east(Vpc::new(cidr!("10.0.0.0/16")));
        for cidr in cidr!("10.0.0.0/16").split(4) {
            let subnet = east(Subnet::new(vpc.id, cidr));
            if true {
                let alb = east(Alb::internal([subnet.id]));
            }
        }
        while vpc.id.origin() != vpc.id.origin() {
            let _turn = east(Subnet::new(vpc.id, cidr!("10.0.0.0/24")));
        }
        loop {
            let first = east(Subnet::new(vpc.id, cidr!("10.0.0.0/24")));
            break;
        }
        let subnet = |cidr| {
            let private = east(Subnet::new(vpc.id, cidr));
            private.id
        };
        let unnamed = |cidr| east(Subnet::new(vpc.id, cidr)).id;
        let _ = (subnet(cidr!("10.0.0.0/24")), unnamed(cidr!("10.0.0.0/24")));
    });
}
