//! A name that is always answered: it begins as the name of one region and becomes that of a pair, whose records become others.

use std::sync::{Arc, Mutex};

use dr_aws::constructs::{FailoverPair, LatencyGroup, SecureApi, Site, ValidatedCertificate, WeightedGroup};
use dr_aws::regions::{EuCentral1, EuWest1};
use dr_aws::route53::{Alias, HostedZone, RecordSet, RecordType};
use dr_core::driver::Applied;
use dr_core::{Global, Stack, cidr};
use dr_sim::{Aws, CrashPoint};

use crate::common::{Disk, Goal, block_on, complete, run};

const NAME: &str = "api.example.com";

/// How two regions answer.
#[derive(Debug, Clone, Copy)]
enum Answers {
    Failover(Option<u32>),
    Latency,
    Weighted(u8),
}

/// One region that answers alone, or two.
fn shop(answers: Option<Answers>) -> Stack {
    let built = Stack::build("shop", |stack| {
        let (ireland, frankfurt, global) = (stack.region(EuWest1), stack.region(EuCentral1), stack.region(Global));
        let zone = global.add("zone", HostedZone::new("example.com"));
        let certificate = ValidatedCertificate::new(NAME, zone.id).request("certificate", &global, &ireland);
        let primary = SecureApi::new(cidr!("10.0.0.0/16"));
        let primary = ireland.add("primary", Site::new(primary, NAME, certificate.arn));
        let Some(answers) = answers else {
            let target = Alias::new(primary.domain.target_domain, primary.domain.hosted_zone);
            global.after(&primary.mapping).add("api", RecordSet::alias(zone.id, NAME, RecordType::A, target));
            return;
        };
        let standby = SecureApi::new(cidr!("10.1.0.0/16"));
        let standby = frankfurt.add("standby", Site::new(standby, NAME, certificate.also_in(&frankfurt)));
        match answers {
            Answers::Failover(None) => {
                global.add("origin", FailoverPair::new(NAME, zone.id, &primary, &standby));
            }
            Answers::Failover(Some(ttl_s)) => {
                global.add("origin", FailoverPair::new(NAME, zone.id, &primary, &standby).cname(ttl_s));
            }
            Answers::Latency => {
                global.add("origin", LatencyGroup::new(NAME, zone.id, &primary, &standby));
            }
            Answers::Weighted(weight) => {
                global.add("origin", WeightedGroup::new(NAME, zone.id, (&primary, weight), (&standby, 1)));
            }
        }
        stack.moved("global/api", "global/origin.primary");
    });
    built.unwrap_or_else(|errors| panic!("{errors}"))
}

/// Goal: no deploy leaves the name without an answer, since resolvers remember that for a quarter of an hour.
/// Method: asks the account as it is after each change of a record.
#[test]
fn a_name_is_answered_throughout() {
    block_on(async {
        let (aws, disk) = (Aws::new(1), Disk::new());
        complete(run(&aws, Goal::Deploy, &shop(None), &disk).await).unwrap();
        for answers in [
            Answers::Failover(None),
            Answers::Failover(Some(30)),
            Answers::Latency,
            Answers::Weighted(9),
            Answers::Weighted(1),
            Answers::Failover(Some(60)),
        ] {
            let program = shop(Some(answers));
            let asked: Arc<Mutex<Vec<Result<String, String>>>> = Arc::default();
            let seen = Arc::clone(&asked);
            aws.cloud().watch_points(move |passing| {
                if matches!(passing.point, CrashPoint::After(_)) && passing.operation == "ChangeResourceRecordSets" {
                    let answer = Aws::on(passing.remains()).resolve(NAME, "eu-west-1");
                    seen.lock().unwrap().push(answer.map(|(address, _)| address));
                }
            });
            let applied = run(&aws, Goal::Deploy, &program, &disk).await;
            aws.cloud().unwatch();
            complete(applied).unwrap_or_else(|why| panic!("{answers:?}: {why}"));
            let asked = std::mem::take(&mut *asked.lock().unwrap());
            assert!(!asked.is_empty() && asked.iter().all(Result::is_ok), "{answers:?}: {asked:?}");
            let again = run(&aws, Goal::Deploy, &program, &disk).await.unwrap();
            assert!(matches!(again, Applied::Unchanged(_)), "{answers:?}: {}", again.plan());
        }
    });
}
