#[path = "../../net/mod.rs"]
mod net;

use dr_core::*;
use net::*;

fn main() {
    let _ = stack!("shop", |east: UsEast1, global: Global| {
        let site = east(Site { cidr: cidr!("10.0.0.0/16"), zones: 3 });
        let origin = global(FailoverPair::new(site.alb, site.alb));
    });
}
