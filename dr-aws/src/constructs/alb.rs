//! [`PrivateAlb`]: an internal load balancer with its listener, its target group and its targets.

use dr_core::{Construct, Input, IntoInput, Output, Region, Scope};

use super::connect::{Connect, Order};
use super::server::ServerHandle;
use super::vpc::NetworkHandle;
use crate::ec2::{Port, SecurityGroup};
use crate::elbv2::{HealthCheck, Listener, LoadBalancer, TargetGroup, TargetRegistration};
use crate::ids::{CertificateArn, ListenerArn, LoadBalancerArn, SecurityGroupId, SubnetId, TargetGroupArn, VpcId};

/// An internal load balancer in the private subnets of a network, in front of servers: HTTP on port 80, HTTPS with a certificate.
///
/// It lets nobody in: `alb.allow_from(&link, Port::tcp(80))` does. It and its servers let each other through.
#[derive(Debug, Clone)]
pub struct PrivateAlb<R: Region> {
    vpc: Output<VpcId<R>>,
    subnets: Vec<Output<SubnetId<R>>>,
    targets: Vec<ServerHandle<R>>,
    port: Option<u16>,
    certificate: Option<Input<CertificateArn<R>>>,
    health: HealthCheck,
    deregistration_delay_s: u16,
}

impl<R: Region> PrivateAlb<R> {
    /// A load balancer in all zones of the network, without targets.
    #[must_use]
    pub fn new(network: &NetworkHandle<R>) -> Self {
        PrivateAlb {
            vpc: network.vpc,
            subnets: network.private.clone(),
            targets: Vec::new(),
            port: None,
            certificate: None,
            health: HealthCheck::default(),
            deregistration_delay_s: 5,
        }
    }

    /// In front of this server, on the port on which it serves.
    #[must_use]
    pub fn target(mut self, server: &ServerHandle<R>) -> Self {
        self.targets.push(server.clone());
        self
    }

    /// Listens on this port, instead of 80 or 443.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Speaks HTTPS with an issued certificate of the same region.
    #[must_use]
    pub fn certificate(mut self, certificate: impl IntoInput<CertificateArn<R>>) -> Self {
        self.certificate = Some(certificate.into_input());
        self
    }

    /// How it finds out whether a server works.
    #[must_use]
    pub fn health(mut self, health: HealthCheck) -> Self {
        self.health = health;
        self
    }

    /// Seconds that requests under way get when a server leaves. Default: 5.
    #[must_use]
    pub fn deregistration_delay_s(mut self, seconds: u16) -> Self {
        self.deregistration_delay_s = seconds;
        self
    }
}

/// What a [`PrivateAlb`] offers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PrivateAlbHandle<R: Region> {
    /// The load balancer.
    pub arn: Output<LoadBalancerArn<R>>,
    /// Its name in DNS, with private addresses behind it.
    pub dns_name: Output<String>,
    /// The hosted zone of that name, for alias records.
    pub zone_id: Output<String>,
    /// Its firewall.
    pub group: Output<SecurityGroupId<R>>,
    /// The listener: what an integration of API Gateway points to.
    pub listener: Output<ListenerArn<R>>,
    /// The port of the listener.
    pub port: u16,
    /// The target group, for listener rules and metrics.
    pub target_group: Output<TargetGroupArn<R>>,
    /// What has to work before requests are answered: the load balancer, and every target.
    pub serving: Order,
}

impl<R: Region> Connect<R> for PrivateAlbHandle<R> {
    fn group(&self) -> Output<SecurityGroupId<R>> {
        self.group
    }
}

impl<R: Region> Construct<R> for PrivateAlb<R> {
    type Handle = PrivateAlbHandle<R>;

    fn build(self, scope: Scope<'_, R>) -> PrivateAlbHandle<R> {
        let group = scope.add("group", SecurityGroup::new(self.vpc));
        let balancer = scope.add("balancer", LoadBalancer::internal(self.subnets).group(group.id));
        // Targets on other ports than the group's are registered with theirs.
        let target_port = self.targets.first().map_or(80, |server| server.port);
        let targets = TargetGroup::new(self.vpc, target_port).health(self.health);
        let targets = scope.add("targets", targets.deregistration_delay_s(self.deregistration_delay_s));
        let port = self.port.unwrap_or(if self.certificate.is_some() { 443 } else { 80 });
        let listener = match self.certificate {
            Some(certificate) => Listener::https(balancer.arn, port, certificate, targets.arn),
            None => Listener::http(balancer.arn, port, targets.arn),
        };
        let listener = scope.add("listener", listener);
        let mut serving = Order::new().and(&balancer);
        for (number, server) in self.targets.into_iter().enumerate() {
            let allowed = scope.add(("to_target", number), group.allow_to(&server, Port::tcp(server.port)));
            // Health is checked only once a listener forwards to the group, and passes only once the rules are there.
            let mut reachable = Order::new().and(&listener);
            for rule in [allowed.egress, allowed.ingress].iter().flatten() {
                reachable = reachable.and(rule);
            }
            let mut registration = TargetRegistration::new(targets.arn, server.instance);
            if server.port != target_port {
                registration = registration.port(server.port);
            }
            serving = serving.and(&reachable.before(&scope).add(("target", number), registration));
        }
        PrivateAlbHandle {
            arn: balancer.arn,
            dns_name: balancer.dns_name,
            zone_id: balancer.zone_id,
            group: group.id,
            listener: listener.arn,
            port,
            target_group: targets.arn,
            serving,
        }
    }
}

#[cfg(test)]
mod tests {
    use dr_core::{Global, Need, Stack, cidr};

    use super::super::{Network, Server, ServerRole};
    use super::*;
    use crate::regions::UsEast1;

    #[test]
    fn the_listener_does_not_wait_for_the_load_balancer_and_the_target_waits_for_the_listener() {
        let stack = Stack::build("shop", |stack| {
            let (east, global) = (stack.region(UsEast1), stack.region(Global));
            let role = global.add("server_role", ServerRole::new());
            let network = east.add("net", Network::new(cidr!("10.0.0.0/16")));
            let servers = [0, 1].map(|zone| {
                east.add(("server", zone), Server::nginx(&network, role.profile).zone(zone).port(8080 + zone as u16))
            });
            let alb = PrivateAlb::new(&network).target(&servers[0]).target(&servers[1]);
            let alb = east.add("alb", alb);
            east.add("from-net", alb.allow_from_range(network.cidr, Port::tcp(alb.port)));
        })
        .unwrap();
        let need =
            |of: &str, on: &str| stack.needs(of).find(|(node, _)| node.address.as_str() == on).map(|(_, need)| need);
        assert_eq!(need("us-east-1/alb.listener", "us-east-1/alb.balancer"), Some(Need::Accepted));
        assert_eq!(need("us-east-1/alb.target[0]", "us-east-1/alb.listener"), Some(Need::Ready));
        assert_eq!(need("us-east-1/alb.target[1]", "us-east-1/alb.to_target[1].ingress"), Some(Need::Ready));
        let port = |number: u32| stack.get(&format!("us-east-1/alb.target[{number}]")).unwrap().inputs["port"].clone();
        assert_eq!((port(0), port(1)), (serde_json::Value::Null, 8081.into()));
        assert_eq!(stack.get("us-east-1/alb.targets").unwrap().inputs["port"], 8080);
    }
}
