//! The two-region site of the tests, made by calling the control plane as a program would: networks, instances with
//! nginx, load balancers, APIs, certificates, health checks, a failover pair, a distribution, an alarm.

mod parts;

use std::any::Any;

use aws_sdk_route53 as r53;
use aws_smithy_types::error::operation::BuildError;

use super::{Caches, DataFaults, Health, Internet, Request, Response};
use crate::clock::EPOCH_MS;
use crate::control::{Answer, Call, Table};
use crate::world::World;

pub(crate) use parts::{cname, failover, failover_alias, forward_to};

pub(crate) const ALL_BUT_HOST: &str = "b689b0a8-53d0-40ab-baf2-68738e2966ac";
pub(crate) const ALL_VIEWER: &str = "216adef6-5c7f-47e4-b989-5492eafa07d3";
const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
const CLOUDFRONT_ZONE: &str = "Z2FDTNDATAQYW2";

/// A world with the table of its operations and a clock that tests turn.
pub(crate) struct Kit {
    pub(crate) world: World,
    pub(crate) now_ms: u64,
    table: Table,
    references: u32,
}

impl Kit {
    pub(crate) fn new() -> Self {
        Kit { world: World::new(1), now_ms: EPOCH_MS, table: Table::aws(), references: 0 }
    }

    pub(crate) fn wait_s(&mut self, seconds: u64) {
        self.now_ms += seconds * 1000;
    }

    /// Calls an operation and answers what the service answers.
    pub(crate) fn call<I, O>(&mut self, region: &str, operation: &str, input: Result<I, BuildError>) -> Answer<O>
    where
        I: Send + Sync + 'static,
        O: std::fmt::Debug + Send + Sync + 'static,
    {
        let (service, operation) = operation.split_once('.').expect("service and operation");
        let service = match service {
            "elb" => "Elastic Load Balancing v2",
            "api" => "ApiGatewayV2",
            "r53" => "Route 53",
            other => other,
        };
        let input: Box<dyn Any + Send + Sync> = Box::new(input.expect("a complete input"));
        let call = Call { region: region.to_owned(), now_ms: self.now_ms };
        self.world.now_ms = self.now_ms;
        self.world.ec2.settle(self.now_ms);
        let operation =
            self.table.get(service, operation).unwrap_or_else(|| panic!("{service}.{operation} is registered"));
        let output = (operation.answer)(&mut self.world, &call, &*input)?;
        Ok(output.downcast().unwrap_or_else(|output| panic!("another output: {output:?}")))
    }

    /// Calls an operation that must succeed.
    pub(crate) fn must<I, O>(&mut self, region: &str, operation: &str, input: Result<I, BuildError>) -> O
    where
        I: Send + Sync + 'static,
        O: std::fmt::Debug + Send + Sync + 'static,
    {
        self.call(region, operation, input).unwrap_or_else(|refusal| panic!("{operation} in {region}: {refusal:?}"))
    }

    /// The wire code of a refusal, `accepted` when there is none.
    pub(crate) fn code<I, O>(&mut self, region: &str, operation: &str, input: Result<I, BuildError>) -> String
    where
        I: Send + Sync + 'static,
        O: std::fmt::Debug + Send + Sync + 'static,
    {
        self.call::<I, O>(region, operation, input).map_or_else(|refusal| refusal.code, |_| "accepted".to_owned())
    }

    fn reference(&mut self) -> String {
        self.references += 1;
        format!("ref-{}", self.references)
    }
}

/// What a region of the site has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Half {
    pub(crate) region: String,
    pub(crate) vpc: String,
    /// `(subnet, zone)`, two of each.
    pub(crate) public: Vec<(String, String)>,
    /// For the VPC link and the load balancer.
    pub(crate) private: Vec<(String, String)>,
    /// For the instances.
    pub(crate) app: Vec<(String, String)>,
    pub(crate) private_tables: Vec<String>,
    pub(crate) nats: Vec<String>,
    pub(crate) link_group: String,
    pub(crate) alb_group: String,
    pub(crate) app_group: String,
    pub(crate) instances: Vec<String>,
    pub(crate) balancer: String,
    pub(crate) group: String,
    pub(crate) listener: String,
    pub(crate) link: String,
    pub(crate) api: String,
    pub(crate) integration: String,
    /// For the origin name and the probe name.
    pub(crate) certificate: String,
    pub(crate) probe_name: String,
    /// Regional targets of the two domain names.
    pub(crate) origin_target: String,
    pub(crate) probe_target: String,
    pub(crate) check: String,
}

/// The whole site. It is ready: every record is in DNS, the distribution is deployed, all targets are healthy.
pub(crate) struct Site {
    pub(crate) kit: Kit,
    pub(crate) zone: String,
    pub(crate) primary: Half,
    pub(crate) standby: Half,
    pub(crate) distribution: String,
    pub(crate) topic: String,
    pub(crate) health: Health,
    pub(crate) faults: DataFaults,
    pub(crate) caches: Caches,
}

pub(crate) const ORIGIN: &str = "origin.example.com";
pub(crate) const ALIAS: &str = "mysecureapi.example.com";

impl Site {
    pub(crate) fn new() -> Site {
        let mut kit = Kit::new();
        let zone = kit.hosted_zone("example.com");
        let mut primary = kit.network("us-east-1", 0);
        let mut standby = kit.network("us-west-2", 1);
        kit.wait_s(200);
        for half in [&mut primary, &mut standby] {
            kit.servers(half);
        }
        kit.wait_s(400);
        for half in [&mut primary, &mut standby] {
            kit.register(half);
            kit.api(half);
            half.certificate = kit.certificate(&zone, &half.region, &[ORIGIN, &half.probe_name]);
        }
        let viewer = kit.certificate(&zone, "us-east-1", &[ALIAS]);
        kit.wait_s(300);
        for half in [&mut primary, &mut standby] {
            kit.domains(half);
        }
        let distribution = kit.distribution(&viewer, ALL_BUT_HOST);
        let mut site = Site {
            zone,
            primary,
            standby,
            distribution: distribution.0,
            topic: String::new(),
            health: Health::new(7, kit.now_ms),
            faults: DataFaults::none(),
            caches: Caches::new(),
            kit,
        };
        for half in [&mut site.primary, &mut site.standby] {
            half.check = site.kit.health_check(&half.probe_name);
            let record = cname(&half.probe_name, &half.probe_target).build();
            site.kit.change(&site.zone, "CREATE", record);
        }
        for (half, role) in [(site.primary.clone(), "PRIMARY"), (site.standby.clone(), "SECONDARY")] {
            let record = failover(ORIGIN, &half.origin_target, role).health_check_id(&half.check).build();
            site.kit.change(&site.zone, "CREATE", record);
        }
        let alias = r53::types::AliasTarget::builder()
            .hosted_zone_id(CLOUDFRONT_ZONE)
            .dns_name(&distribution.1)
            .evaluate_target_health(false)
            .build()
            .expect("complete");
        let record =
            r53::types::ResourceRecordSet::builder().name(ALIAS).r#type(r53::types::RrType::A).alias_target(alias);
        site.kit.change(&site.zone, "CREATE", record.build());
        site.topic = site.kit.alarm(&site.primary.check);
        site.run_s(900);
        site
    }

    /// Lets time pass for everybody.
    pub(crate) fn run_s(&mut self, seconds: u64) {
        self.kit.wait_s(seconds);
        self.health.advance(&mut self.kit.world, &self.faults, self.kit.now_ms);
    }

    pub(crate) fn run_until_ms(&mut self, at_ms: u64) {
        self.kit.now_ms = self.kit.now_ms.max(at_ms);
        self.health.advance(&mut self.kit.world, &self.faults, self.kit.now_ms);
    }

    pub(crate) fn send(&mut self, request: &Request) -> Response {
        let response = Internet::new(&self.kit.world, &self.faults).request(&mut self.caches, request, self.kit.now_ms);
        self.kit.world.note_traffic(&response, self.kit.now_ms);
        self.health.note_traffic(&response, self.kit.now_ms);
        response
    }

    /// A user asks for the site through CloudFront.
    pub(crate) fn user(&mut self) -> Response {
        self.send(&Request::get(&format!("https://{ALIAS}/")))
    }

    /// Whether the health check of a half is green.
    pub(crate) fn green(&self, half: &Half) -> bool {
        crate::control::route53::is_healthy(&self.kit.world, &half.check)
    }

    /// Milliseconds from an instant until the health check of the half has another status, in at most so many seconds.
    pub(crate) fn until_red_ms(&mut self, check: &str, from_ms: u64, seconds: u64) -> Option<u64> {
        self.run_until_ms(from_ms + seconds * 1000);
        self.health.events().iter().find_map(|event| match event {
            super::HealthEvent::StatusChanged { at_ms, check: id, .. } if id == check && *at_ms >= from_ms => {
                Some(at_ms - from_ms)
            }
            _ => None,
        })
    }
}
