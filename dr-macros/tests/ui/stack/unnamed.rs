#[path = "../../net/mod.rs"]
mod net;

use dr_core::*;
use net::*;

fn main() {
    let _ = stack!("shop", |east: UsEast1, west: UsWest2| {
        east(Vpc::new(cidr!("10.0.0.0/16")));
        let _ = east(Vpc::new(cidr!("10.1.0.0/16")));
        let __ = east(Vpc::new(cidr!("10.2.0.0/16")));
        let id = west(Vpc::new(cidr!("10.3.0.0/16"))).id;
        let (a, b) = (east(Vpc::new(cidr!("10.4.0.0/16"))), west(Vpc::new(cidr!("10.5.0.0/16"))));
        let subnet = west(Subnet::new(west(Vpc::new(cidr!("10.6.0.0/16"))).id, cidr!("10.6.0.0/24")));
        let late;
        late = east(Vpc::new(cidr!("10.7.0.0/16")));
        let SiteHandle { alb, .. } = east(Site { cidr: cidr!("10.0.0.0/16"), zones: 3 });
        let block = {
            west(Vpc::new(cidr!("10.8.0.0/16")))
        };
        // No second wave: the types are those that the calls with names would have.
        let _: [dr_core::Output<VpcId<UsEast1>>; 2] = [a.id, late.id];
        let _: [dr_core::Output<VpcId<UsWest2>>; 3] = [b.id, id, block.id];
        let _: (dr_core::Output<SubnetId<UsWest2>>, dr_core::Output<AlbArn<UsEast1>>) = (subnet.id, alb);
    });
}
