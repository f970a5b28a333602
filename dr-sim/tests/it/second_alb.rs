//! Two load balancers behind one API: each path is answered by the servers of its own.

use dr_aws::constructs::SecureApi;
use dr_aws::regions::EuWest1;
use dr_core::driver::Applied;
use dr_core::{BuildErrors, Output, Stack, cidr, stack};
use dr_sim::Aws;

fn shop() -> Result<Stack<Output<String>>, BuildErrors> {
    stack!("shop", |region: EuWest1| {
        let api = SecureApi::new(cidr!("10.0.0.0/16")).second_alb("/reports", |server| server.page("the reports"));
        let api = region(api);
        api.endpoint
    })
}

#[tokio::test]
async fn each_path_is_answered_by_its_own_load_balancer() {
    let (aws, shop) = (Aws::new(1), shop().unwrap());
    let (applied, _store) = aws.deploy(&shop).await.unwrap();
    let Applied::Ran { state, .. } = &applied else { panic!("{applied:?}") };
    let endpoint: String = shop.outputs(|address| state.outputs(address)).unwrap();
    for (path, page) in [
        ("/", "shop in eu-west-1"),
        ("/reports", "the reports"),
        ("/reports/2026/11", "the reports"),
        ("/reportsandmore", "shop in eu-west-1"),
    ] {
        let answer = aws.get(&format!("{endpoint}{path}")).await;
        assert_eq!((answer.status, answer.body.trim()), (200, page), "{path}: {answer}");
    }
}
