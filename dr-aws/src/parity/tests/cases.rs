//! One change of the two-region site in `super`, and the difference that it makes.

use std::collections::BTreeMap;

use dr_core::value::{references, resolve};
use dr_core::{Graph, Instance, Node, Record, Schema, Severity, State, Status, Value};
use serde_json::json;

use super::super::{Class, Difference, Twin, of_program, of_state};
use super::program;

/// The differences of the site with one input changed.
fn changed(address: &'static str, at: &'static str, value: Value) -> Vec<Difference> {
    differences(&program(move |node| {
        if node.address.as_str() == address {
            *node.inputs.pointer_mut(at).expect("the input is there") = value.clone();
        }
    }))
}

fn differences(graph: &Graph) -> Vec<Difference> {
    of_program(graph).expect("there are two regions").differences
}

#[test]
fn the_rule_of_a_difference_is_the_one_whose_waiver_accepts_it() {
    let rule = |address, at, value| one(changed(address, at, value)).rule();
    let server = "us-west-2/standby.server[0].instance";
    assert_eq!(rule("us-west-2/standby.alb.listener", "/port", json!(8080)), "parity-must-match");
    assert_eq!(rule("us-west-2/standby.net.vpc", "/cidr", json!("10.1.0.0/18")), "parity-must-match");
    assert_eq!(rule(server, "/instance_type", json!("t4g.micro")), "standby-capacity");
    assert_eq!(rule(server, "/user_data", json!("echo us-east-1")), "region-literal-leak");
    assert_eq!(rule("us-west-2/standby.integration", "/timeout_ms", json!(1000)), "apigw-route-parity");
    assert_eq!(rule("us-west-2/standby.domain", "/name", json!("other.example.com")), "apigw-domain-name-twin");
    let without = |address: &'static str| {
        let found = differences(&program(move |node| {
            if node.address.as_str() == address {
                gone(node);
            }
        }));
        let missing = |it: &&Difference| it.class == Class::Missing && it.standby.is_none();
        found.iter().filter(missing).map(|it| (it.rule(), it.type_name.clone())).collect::<Vec<_>>()
    };
    let [lost] = &without("us-west-2/standby.link")[..] else { panic!("one is missing") };
    assert_eq!((lost.0, lost.1.as_str()), ("standby-created-on-demand", "aws.apigatewayv2.vpc_link"));
    let [lost] = &without("us-west-2/standby.proxy")[..] else { panic!("one is missing") };
    assert_eq!((lost.0, lost.1.as_str()), ("apigw-route-parity", "aws.apigatewayv2.route"));
}

/// A resource becomes another thing under its name, so that it is nobody's twin.
fn gone(node: &mut Node) {
    node.schema = Box::leak(Box::new(Schema { type_name: "test.gone", ..*node.schema }));
    node.inputs = Value::Null;
}

/// Class, severity, attribute: what there is to say about one difference.
fn told(differences: &[Difference]) -> Vec<(Class, Severity, String, String)> {
    let tell = |it: &Difference| {
        let address = it.address().expect("one of the twins").to_string();
        (it.class, it.severity, address, it.attribute.clone().unwrap_or_default())
    };
    differences.iter().map(tell).collect()
}

fn one(found: Vec<Difference>) -> Difference {
    let [only] = <[Difference; 1]>::try_from(found).expect("exactly one difference");
    only
}

#[test]
fn two_equal_regions_do_not_differ() {
    let stack = program(|_| {});
    let parity = of_program(&stack).unwrap();
    assert_eq!(parity.differences, []);
    assert!(parity.pairs > 60, "{} pairs", parity.pairs);
    assert_eq!((parity.primary.label.as_str(), parity.standby.region.as_str()), ("us-east-1", "us-west-2"));
    // The records and the health checks are twins too.
    let twins = super::super::pairing::Twins::of(&stack).unwrap();
    for address in ["global/origin.standby", "global/standby.health_check", "global/standby.role.profile"] {
        assert!(twins.place(address).pair.is_some(), "{address}");
    }
}

#[test]
fn another_port_of_a_listener_is_an_error() {
    let found = one(changed("us-west-2/standby.alb.listener", "/port", json!(8080)));
    assert_eq!(
        (found.class, found.severity, found.attribute.as_deref()),
        (Class::MustMatch, Severity::Error, Some("port"))
    );
    assert_eq!((found.primary_value, found.standby_value), (Some(json!(80)), Some(json!(8080))));
    assert_eq!(found.primary.unwrap().as_str(), "us-east-1/primary.alb.listener");
}

#[test]
fn a_smaller_server_is_a_warning_and_a_larger_one_is_not() {
    let size = |size: &str| one(changed("us-west-2/standby.server[0].instance", "/instance_type", json!(size)));
    let small = size("t4g.micro");
    assert_eq!((small.class, small.severity), (Class::Scaled, Severity::Warning));
    assert_eq!(size("t4g.2xlarge").severity, Severity::Info);
    assert_eq!(size("m7g.small").severity, Severity::Warning, "another family cannot be compared");
}

#[test]
fn ranges_differ_and_their_prefixes_do_not() {
    assert_eq!(changed("us-west-2/standby.net.vpc", "/cidr", json!("10.9.0.0/16")), []);
    let found = one(changed("us-west-2/standby.net.vpc", "/cidr", json!("10.1.0.0/18")));
    assert_eq!((found.class, found.severity), (Class::Mapped, Severity::Warning));
}

#[test]
fn what_the_standby_lacks_is_an_error_and_what_it_has_alone_a_warning() {
    let without = |address: &'static str| {
        differences(&program(move |node| {
            if node.address.as_str() == address {
                gone(node);
            }
        }))
    };
    let missing = |found: Vec<Difference>| {
        found.into_iter().find(|it| it.class == Class::Missing && it.type_name == "aws.apigatewayv2.route").unwrap()
    };
    let lost = missing(without("us-west-2/standby.proxy"));
    assert_eq!((lost.severity, lost.standby), (Severity::Error, None));
    assert_eq!(lost.primary.unwrap().as_str(), "us-east-1/primary.proxy");
    let extra = missing(without("us-east-1/primary.proxy"));
    assert_eq!((extra.severity, extra.primary), (Severity::Warning, None));
}

#[test]
fn roles_may_be_swapped_and_not_be_the_same() {
    let roles = |one: &'static str, two: &'static str| {
        differences(&program(move |node| match node.address.as_str() {
            "global/origin.primary" => node.inputs["routing"] = json!({ "failover": one }),
            "global/origin.standby" => node.inputs["routing"] = json!({ "failover": two }),
            _ => {}
        }))
    };
    // What is left to say is that the alarms of the former standby have no twin.
    let swapped = roles("secondary", "primary");
    assert!(swapped.iter().all(|it| it.severity == Severity::Warning && it.class == Class::Missing), "{swapped:#?}");
    let told = told(&roles("primary", "primary"));
    let expected = (Class::RoleDependent, Severity::Error, "global/origin.standby".to_owned(), "routing".to_owned());
    assert!(told.contains(&expected), "{told:?}");
}

#[test]
fn a_health_check_of_the_other_region_is_an_error() {
    let host = json!({"$ref": "us-east-1/primary.api#host"});
    let found = one(changed("global/standby.health_check", "/host", host));
    assert_eq!((found.class, found.severity), (Class::RoleDependent, Severity::Error));
}

/// Each would take its answer out when the other region is down.
#[test]
fn health_checks_of_each_others_region_are_an_error() {
    let stack = program(|node| match node.address.as_str() {
        "global/primary.health_check" => node.inputs["host"] = json!({"$ref": "us-west-2/standby.api#host"}),
        "global/standby.health_check" => node.inputs["host"] = json!({"$ref": "us-east-1/primary.api#host"}),
        _ => {}
    });
    let found = one(differences(&stack));
    assert_eq!((found.class, found.severity), (Class::RoleDependent, Severity::Error));
    assert_eq!(found.attribute.as_deref(), Some("host"));
}

/// A state in which everything is as the program has it; outputs are named by what they are of.
fn deployed(graph: &Graph) -> State {
    let mut outputs: BTreeMap<String, Value> = BTreeMap::new();
    for node in graph.nodes() {
        references(&node.inputs, &mut |it| {
            let of = outputs.entry(it.address.to_owned()).or_insert_with(|| json!({}));
            let id = |at: usize| json!(format!("{}#{}[{at}]", it.address, it.field));
            of[it.field] = match it.index {
                Some(at) => {
                    let known = of[it.field].as_array().map_or(0, Vec::len);
                    (0..known.max(at as usize + 1)).map(id).collect()
                }
                None => id(0),
            };
        });
    }
    let mut state = State::new("shop", "0123456789abcdef0123456789abcdef");
    for node in graph.nodes() {
        let (args, complete) = resolve(&node.inputs, &|it| it.select(&outputs[it.address]));
        assert!(complete, "{}", node.address);
        let current = Instance {
            generation: 1,
            token: node.address.to_string(),
            args,
            outputs: Some(outputs.get(node.address.as_str()).cloned().unwrap_or_else(|| json!({}))),
            tags: node.tags.as_ref().clone(),
            status: Status::Ready,
            former: None,
        };
        let record = Record {
            type_name: node.schema.type_name.to_owned(),
            region: node.region.to_string(),
            on_remove: node.on_remove,
            needs: Vec::new(),
            current: Some(current),
            deposed: Vec::new(),
        };
        state.resources.insert(node.address.clone(), record);
    }
    state
}

/// A script that names the range of its own network, as nginx wants it for `set_real_ip_from`, says the same in both regions.
#[test]
fn a_boot_script_may_name_its_own_range_and_no_other() {
    let scripts = |one: &'static str, two: &'static str| {
        differences(&program(move |node| {
            let script = match node.address.as_str() {
                "us-east-1/primary.server[0].instance" => one,
                "us-west-2/standby.server[0].instance" => two,
                _ => return,
            };
            node.inputs["user_data"] = json!(script);
        }))
    };
    let own = "real_ip 10.0.0.0/16; private 10.0.0.0/19,10.0.32.0/19.";
    assert_eq!(scripts(own, "real_ip 10.1.0.0/16; private 10.1.0.0/19,10.1.32.0/19."), []);
    for other in ["real_ip 10.0.0.0/16;", "real_ip 10.1.0.0/1;", "real_ip 110.1.0.0/16;", "real_ip 10.1.0.0/166;"] {
        let found = one(scripts("real_ip 10.0.0.0/16;", other));
        assert_eq!((found.class, found.severity), (Class::MustMatch, Severity::Error), "{other}");
    }
}

/// The program has two certificates for the same names, and somebody gave a domain another one.
#[test]
fn a_foreign_certificate_in_the_cloud_is_seen() {
    let stack = program(|_| {});
    let of = |state: &State| of_state(&stack, state).expect("there are two regions").differences;
    let mut state = deployed(&stack);
    assert_eq!(of(&state), []);
    let mut put = |address: &str, region: &str| {
        let record = state.resources.get_mut(address).expect("it is deployed");
        let instance = record.current.as_mut().expect("it is deployed");
        instance.args["certificate"] = json!(format!("arn:aws:acm:{region}:111122223333:certificate/foreign"));
        of(&state)
    };
    let found = one(put("us-west-2/standby.domain", "us-west-2"));
    assert_eq!((found.class, found.severity), (Class::Mapped, Severity::Error));
    assert_eq!(found.attribute.as_deref(), Some("certificate"));
    // What is on two of them nobody can tell.
    assert_eq!(put("us-east-1/primary.domain", "us-east-1"), []);
}

#[test]
fn a_narrower_firewall_is_an_outage_and_a_wider_one_is_exposed() {
    let rule = "us-west-2/standby.link_to_alb.ingress";
    let wide = one(changed(rule, "/ports", json!({"tcp": {"from": 1, "to": 1000}})));
    assert_eq!((wide.severity, wide.wider), (Severity::Warning, Some(Twin::Standby)));
    assert_eq!(wide.standby.unwrap().as_str(), rule);
    let found = changed(rule, "/ports", json!({"tcp": {"from": 81, "to": 81}}));
    assert_eq!(told(&found).iter().map(|it| it.1).collect::<Vec<_>>(), [Severity::Error, Severity::Warning]);
    assert_eq!(
        (found[0].wider, found[0].primary_value.clone().unwrap().as_str().unwrap().contains("tcp 80")),
        (Some(Twin::Primary), true)
    );
    let open = one(changed(rule, "/peer", json!({"cidr": "0.0.0.0/0"})));
    assert_eq!(open.wider, Some(Twin::Standby));
}

/// F19: the ACL of the standby does not let answers back out.
#[test]
fn a_missing_entry_of_a_network_acl_is_named() {
    let found = one(changed("us-west-2/acl", "/entries", {
        let entry = |number: u16, direction: &str, ports: Value| json!({"number": number, "direction": direction, "allow": true, "ports": ports, "cidr": "0.0.0.0/0"});
        json!([entry(100, "ingress", json!("all")), entry(100, "egress", json!({"tcp": {"from": 80, "to": 80}}))])
    }));
    assert_eq!((found.class, found.severity, found.wider), (Class::MustMatch, Severity::Error, Some(Twin::Primary)));
    assert_eq!(found.attribute.as_deref(), Some("egress entry 120"));
    assert_eq!(found.primary_value, Some(json!("allow tcp 1024-65535 to 0.0.0.0/0")));
    assert_eq!((found.standby_value, found.standby.unwrap().as_str()), (None, "us-west-2/acl"));
}

#[test]
fn a_boot_script_names_no_other_region() {
    let own = "echo us-west-2";
    let found = changed("us-west-2/standby.server[0].instance", "/user_data", json!(own));
    assert_eq!(one(found).class, Class::MustMatch);
    let other = json!("echo us-east-1");
    let found = one(changed("us-west-2/standby.server[0].instance", "/user_data", other));
    assert_eq!((found.class, found.severity), (Class::Forbidden, Severity::Error));
}

#[test]
fn thresholds_are_warnings_and_what_is_in_no_table_has_to_match() {
    let slow = one(changed("us-west-2/standby.alb.targets", "/health/interval_s", json!(30)));
    assert_eq!((slow.severity, slow.attribute.as_deref()), (Severity::Warning, Some("health.interval_s")));
    let stack = program(|node| {
        if node.schema.type_name == "aws.ec2.elastic_ip" && node.address.name() == "nat_ip[0]" {
            node.schema = Box::leak(Box::new(Schema { type_name: "shop.queue", ..*node.schema }));
            node.inputs = json!({"name": "orders", "limit": if &*node.region == "us-east-1" { 10 } else { 5 }});
        }
    });
    let queue = |it: &&Difference| it.type_name == "shop.queue";
    let found = differences(&stack);
    let found: Vec<_> = found.iter().filter(queue).cloned().collect();
    assert_eq!(told(&found)[0].1, Severity::Error);
    assert_eq!(one(found).attribute.as_deref(), Some("limit"));
}
