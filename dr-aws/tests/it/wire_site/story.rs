//! The life of the site: deployed, the same the second time, read back property by property, found again without its state, and
//! gone.

use std::collections::BTreeSet;

use dr_core::driver::{Applied, Deepness, refresh};
use dr_core::store::{MemoryStore, ReadStore as _};
use dr_core::{Address, Kind, Record};

use crate::wire::{Emulator, is_read};
use crate::wire_site::account::{REGIONS, everything};
use crate::wire_site::program::{FIRST, Program, site};

#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn the_site_is_deployed_stays_is_found_without_its_state_and_goes() {
    let emulator = Emulator::start(0.01, 0.0);
    let program = Program::new(&emulator, site(FIRST));
    let before = everything(&program.aws).await;
    let store = MemoryStore::new("shop", "lineage-one");
    let applied = program.deploy(&store).await;
    let Applied::Ran { report, .. } = &applied else { panic!("there was something to do") };
    println!("{} resources, deployed with {report:?}", program.stack.len());
    let made = everything(&program.aws).await;
    assert!(made.len() > before.len() + 100, "{} objects", made.len() - before.len());

    program.assert_settled(&store, "the second deploy").await;
    read_back(&program, &store).await;
    raw(&program).await;

    // The state is a cache: without it nothing is made, and nothing is there twice.
    let lost = MemoryStore::new("shop", "lineage-two");
    emulator.clear_log();
    let found = program.try_deploy(&lost).await;
    assert!(
        matches!(found, Applied::Unchanged(_)),
        "{}\n{:#?}",
        found.plan(),
        crate::wire_site::program::failures(&found)
    );
    let changing: BTreeSet<String> = emulator.stats().into_keys().filter(|call| !is_read(call)).collect();
    assert_eq!(changing, BTreeSet::new(), "only reads");
    assert_eq!(everything(&program.aws).await, made);
    let recorded = |store: &MemoryStore| {
        let store = store.clone();
        async move { store.load().await.expect("a memory is readable").state.resources }
    };
    let (old, new) = (recorded(&store).await, recorded(&lost).await);
    assert_eq!(old.keys().collect::<Vec<_>>(), new.keys().collect::<Vec<_>>());
    // The ARN of a subscription that nobody has confirmed is answered to its creator only: lists say "PendingConfirmation".
    for (address, record) in old.iter().filter(|(_, record)| record.type_name != "aws.sns.subscription") {
        let outputs = |record: &Record| record.current.as_ref().and_then(|current| current.outputs.clone());
        assert_eq!(outputs(record), outputs(&new[address]), "{address}");
    }
    program.assert_settled(&lost, "after the state was lost").await;

    let _ = program.destroy(&lost).await;
    let left: Vec<_> = everything(&program.aws).await.difference(&before).cloned().collect();
    assert_eq!(left, Vec::<String>::new());
}

/// Every property of every resource is read, and is what the program says.
async fn read_back(program: &Program, store: &MemoryStore) {
    let (session, state) = (program.session(), store.load().await.expect("a memory is readable").state);
    program.aws.begin_refresh();
    let observed = refresh(&program.stack, &state, &session.registry, session.clock.as_ref(), Deepness::Known).await;
    assert_eq!(observed.failed, Default::default());
    let (mut resources, mut properties) = (0, 0);
    for node in program.stack.nodes().filter(|node| node.schema.kind == Kind::Managed) {
        let mut here = observed.found.iter().filter(|(_, _, data)| data.address == node.address);
        let (_, region, data) = here.next().unwrap_or_else(|| panic!("{} is not found", node.address));
        assert!(here.next().is_none(), "{} is found twice", node.address);
        assert_eq!(**region, *node.region);
        let current = state.resources[&node.address].current.as_ref().expect("it is deployed");
        let (wanted, _) = dr_core::value::resolve(&node.inputs, &|reference| {
            let address: Address = reference.address.parse().ok()?;
            reference.select(state.resources.get(&address)?.current.as_ref()?.outputs.as_ref()?)
        });
        let read = data.args.as_ref().unwrap_or_else(|| panic!("{} is found without its arguments", node.address));
        let (read, wanted) = (read.as_object().expect("arguments"), wanted.as_object().expect("arguments").clone());
        assert_eq!(read.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{}", node.address);
        for (property, value) in &wanted {
            assert_eq!(read.get(property), Some(value), "{} {property}", node.address);
            properties += 1;
        }
        assert_eq!(data.outputs, *current.outputs.as_ref().expect("it is deployed"), "{}", node.address);
        resources += 1;
    }
    println!("{properties} properties of {resources} resources compared");
}

/// Some of it without any code of ours in between: what the article's checklist asks of the site.
async fn raw(program: &Program) {
    let aws = &program.aws;
    for region in REGIONS {
        let ec2 = aws.ec2(region);
        let instances = ec2.describe_instances().send().await.expect("instances");
        let instances: Vec<_> =
            instances.reservations().iter().flat_map(|reservation| reservation.instances()).collect();
        assert_eq!(instances.len(), 2, "{region}");
        for instance in &instances {
            assert_eq!(instance.public_ip_address(), None, "{region}: no way in from outside");
            let tokens = instance.metadata_options().and_then(|options| options.http_tokens());
            assert_eq!(tokens.map(|tokens| tokens.as_str()), Some("required"), "{region}");
        }
        let nat = ec2.describe_nat_gateways().send().await.expect("NAT gateways");
        assert!(nat.nat_gateways().iter().all(|nat| nat.state().is_some_and(|state| state.as_str() == "available")));
        let elb = aws.elbv2(region);
        let albs = elb.describe_load_balancers().send().await.expect("load balancers");
        let [alb] = albs.load_balancers() else { panic!("{region}: one load balancer") };
        assert_eq!(alb.scheme().map(|scheme| scheme.as_str()), Some("internal"));
        assert_eq!(alb.availability_zones().len(), 3, "{region}");
        let gateway = aws.apigatewayv2(region);
        let apis = gateway.get_apis().send().await.expect("APIs");
        let [api] = apis.items() else { panic!("{region}: one API") };
        let id = api.api_id().expect("an id");
        let integrations = gateway.get_integrations().api_id(id).send().await.expect("integrations");
        let [integration] = integrations.items() else { panic!("{region}: one integration") };
        let links = gateway.get_vpc_links().send().await.expect("links");
        let [link] = links.items() else { panic!("{region}: one link") };
        assert_eq!(integration.connection_id(), link.vpc_link_id());
        assert_eq!(integration.timeout_in_millis(), Some(29_000));
        let routes = gateway.get_routes().api_id(id).send().await.expect("routes");
        let keys: BTreeSet<_> = routes.items().iter().filter_map(|route| route.route_key()).collect();
        assert_eq!(keys, ["ANY /", "ANY /{proxy+}", "GET /health"].into(), "{region}");
    }
    let route53 = aws.route53();
    let checks = route53.list_health_checks().send().await.expect("health checks");
    assert_eq!(checks.health_checks().len(), 2);
    for check in checks.health_checks() {
        let config = check.health_check_config().expect("a configuration");
        assert_eq!((config.request_interval(), config.failure_threshold()), (Some(10), Some(3)));
        assert_eq!(config.resource_path(), Some("/health"));
    }
    let zones = route53.list_hosted_zones().send().await.expect("zones");
    let [zone] = zones.hosted_zones() else { panic!("one zone") };
    let records = route53.list_resource_record_sets().hosted_zone_id(zone.id()).send().await.expect("records");
    let pair: Vec<_> = records.resource_record_sets().iter().filter(|set| set.failover().is_some()).collect();
    assert_eq!(pair.len(), 2);
    for record in pair {
        let check = record.health_check_id().expect("both sides have a signal");
        assert!(checks.health_checks().iter().any(|known| known.id() == check));
        assert!(record.alias_target().is_some_and(|alias| alias.evaluate_target_health()));
    }
    let listed = aws.cloudfront().list_distributions().send().await.expect("distributions");
    let [edge] = listed.distribution_list().map(|list| list.items()).unwrap_or_default() else {
        panic!("one distribution")
    };
    assert!(edge.enabled());
    assert_eq!(edge.status(), "Deployed");
}
