#[path = "../../net/mod.rs"]
mod net;

use dr_core::*;
use net::*;

fn main() {
    let _ = stack!("shop", |east: UsEast1| {
        let none = east();
        let two = east(Vpc::new(cidr!("10.0.0.0/16")), Vpc::new(cidr!("10.1.0.0/16")));
        east();
        let _: dr_core::Output<VpcId<UsEast1>> = two.id;
    });
}
