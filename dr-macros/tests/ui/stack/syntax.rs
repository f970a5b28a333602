#[path = "../../net/mod.rs"]
mod net;

use dr_core::*;
use net::*;

fn main() {
    // Reported by rustc, at its place, and nothing else: the calls beside it are those of the builder all the same.
    let _ = stack!("shop", |east: UsEast1| {
        let vpc: Handle<Vpc<UsEast1>> = east(Vpc::new(cidr!("10.0.0.0/16")));
        let _id = vpc.;
        let subnet = east(Subnet::new(vpc.id, cidr!("10.0.0.0/24")));
        let _alb = east(Alb::internal([subnet.id]));
        let _id: Output<SubnetId<UsEast1>> = subnet.id;
    });
}
