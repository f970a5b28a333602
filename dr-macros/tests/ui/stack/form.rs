#[path = "../../net/mod.rs"]
mod net;

use dr_core::*;
use net::*;

fn main() {
    let _ = stack!();
    let _ = stack!(|east: UsEast1| {});
    let _ = stack!("shop");
    let _ = stack!("shop", east);
    let _ = stack!("shop" |east: UsEast1| {});
    let _ = stack!("shop", |east: UsEast1|);
    let _ = stack!("shop", |east: UsEast1| {}, 5);
    let _ = stack!(5, |east: UsEast1| {});
}
