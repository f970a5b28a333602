//! Another range of addresses for what a load balancer and a VPC link stand on: nothing of it can exist beside its successor, so
//! everything that holds on to it goes first.

use std::time::Duration;

use dr_aws::constructs::{Network, SecureApi};
use dr_aws::regions::UsEast1;
use dr_core::{Cidr, Stack, cidr};
use dr_sim::Aws;
use serde_json::json;

use crate::common::{Disk, Goal, complete, run};

/// One region of the site with these addresses; the second private subnet may have others than the split gives it.
fn site(range: Cidr, second: Option<&'static str>) -> Stack {
    Stack::build("shop", |stack| {
        if let Some(second) = second {
            stack.transform(move |node| {
                if node.address.as_str() == "us-east-1/api.net.private[1]" {
                    node.inputs["cidr"] = json!(second);
                }
            });
        }
        stack.region(UsEast1).add("api", SecureApi::new(range));
    })
    .unwrap_or_else(|errors| panic!("{errors}"))
}

/// Deploys both one after the other, and requests the API after each.
fn renumbered(before: &Stack, after: &Stack) {
    crate::common::block_on(async {
        let (aws, store) = (Aws::new(1), Disk::new());
        for program in [before, after] {
            complete(run(&aws, Goal::Deploy, program, &store).await).unwrap_or_else(|why| panic!("{why}"));
            // The instances boot.
            aws.advance(Duration::from_secs(300)).await;
            let endpoint = endpoint(&store).await;
            let response = aws.get(&endpoint).await;
            assert_eq!(response.status, 200, "{:?}", response.failed);
        }
        complete(run(&aws, Goal::Destroy, after, &store).await).unwrap_or_else(|why| panic!("{why}"));
    });
}

async fn endpoint(store: &Disk) -> String {
    use dr_core::store::ReadStore as _;
    let state = store.load().await.unwrap().state;
    state.outputs("us-east-1/api.api").unwrap()["endpoint"].as_str().unwrap().to_owned()
}

#[test]
fn a_vpc_gets_another_range() {
    renumbered(&site(cidr!("10.0.0.0/16"), None), &site(cidr!("10.7.0.0/16"), None));
}

#[test]
fn a_private_subnet_gets_another_range() {
    renumbered(&site(cidr!("10.0.0.0/16"), None), &site(cidr!("10.0.0.0/16"), Some("10.0.250.0/24")));
}

/// Goal: what the program drops is gone before what it stood on is replaced.
#[test]
fn a_network_gets_another_range_and_fewer_ways_out() {
    let site = |range: Cidr, zones: u32, nat_gateways: u32| {
        let network = Network::new(range).zones(zones).nat_gateways(nat_gateways);
        let api = SecureApi::new(range).network(network);
        Stack::build("shop", |stack| drop(stack.region(UsEast1).add("api", api)))
            .unwrap_or_else(|errors| panic!("{errors}"))
    };
    renumbered(&site(cidr!("10.0.0.0/16"), 3, 3), &site(cidr!("10.7.0.0/16"), 2, 1));
}
