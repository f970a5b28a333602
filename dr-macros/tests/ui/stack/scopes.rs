#[path = "../../net/mod.rs"]
mod net;

use dr_core::*;
use net::*;

fn main() {
    let _ = stack!("shop", || {});
    let _ = stack!("shop", |east: UsEast1, east: UsEast1| {
        let vpc = east(Vpc::new(cidr!("10.0.0.0/16")));
    });
    let _ = stack!("shop", |east, _: UsEast1, (a, b): UsWest2, west: UsWest2 : 5, here: | {
        let vpc = west(Vpc::new(cidr!("10.0.0.0/16")));
    });
    let _ = stack!("shop", |east: UsEast9, north: Primary = 5| {
        let vpc = north(Vpc::new(cidr!("10.0.0.0/16")));
    });
}
