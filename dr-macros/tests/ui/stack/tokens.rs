#[path = "../../net/mod.rs"]
mod net;

use dr_core::*;
use net::*;

macro_rules! same {
    ($($tokens:tt)*) => { $($tokens)* };
}

mod path {
    pub fn east(_: u8) -> u8 { 0 }
}

fn main() {
    let _ = stack!("shop", |east: UsEast1| {
        let list = vec![east(Vpc::new(cidr!("10.0.0.0/16"))).id];
        same! {
            let named: Handle<Vpc<UsEast1>> = east(Vpc::new(cidr!("10.1.0.0/16")));
            let _ = east(Vpc::new(cidr!("10.2.0.0/16")));
            let other = ("east(..)", path::east(1));
        }
        let inner = stack!("inner", |east: UsEast1| {
            let vpc = east(Vpc::new(cidr!("10.3.0.0/16")));
        });
        let _: [Output<VpcId<UsEast1>>; 2] = [list[0], named.id];
    });
}
