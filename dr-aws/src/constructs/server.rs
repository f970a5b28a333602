//! [`Server`]: an instance in a private subnet that is administered through Session Manager; [`ServerRole`]: its rights.

use dr_core::{Construct, Global, Input, IntoInput, Output, Region, Scope, cidr};

use super::connect::{Connect, Order};
use super::vpc::NetworkHandle;
use crate::ec2::{Ami, Architecture, Instance, Port, SecurityGroup};
use crate::iam::{InstanceProfile, Role, RolePolicyAttachment};
use crate::ids::{ImageId, InstanceId, InstanceProfileName, RoleName, SecurityGroupId, SubnetId, VpcId};

/// The role of servers: rights for Session Manager, so that there is neither a bastion nor an open SSH port.
///
/// IAM is global, and so is this: one role for the servers of both regions. It exists before the standby is needed, since IAM
/// cannot be changed while us-east-1 is impaired.
#[derive(Debug, Clone, Default)]
pub struct ServerRole {
    policies: Vec<String>,
}

/// The policy that Session Manager needs.
const SESSION_MANAGER: &str = "AmazonSSMManagedInstanceCore";

impl ServerRole {
    /// Session Manager and nothing else.
    #[must_use]
    pub fn new() -> Self {
        ServerRole::default()
    }

    /// And the rights of a managed policy, by the name of one of AWS's or by ARN.
    #[must_use]
    pub fn policy(mut self, policy: impl Into<String>) -> Self {
        self.policies.push(policy.into());
        self
    }
}

/// What a [`ServerRole`] offers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerRoleHandle {
    /// The role, for more policies and for grants.
    pub role: Output<RoleName>,
    /// Its ARN.
    pub role_arn: Output<String>,
    /// What instances are started with.
    pub profile: Output<InstanceProfileName>,
}

impl Construct<Global> for ServerRole {
    type Handle = ServerRoleHandle;

    fn build(self, scope: Scope<'_, Global>) -> ServerRoleHandle {
        let role = scope.add("role", Role::for_service("ec2.amazonaws.com"));
        let session = scope.add("session_manager", RolePolicyAttachment::new(role.name, SESSION_MANAGER));
        let mut rights = Order::new().and(&session);
        for (number, policy) in self.policies.into_iter().enumerate() {
            let attachment = scope.add(("policy", number), RolePolicyAttachment::new(role.name, policy));
            rights = rights.and(&attachment);
        }
        // A server that starts with the profile has all of its rights.
        let profile = rights.before(&scope).add("profile", InstanceProfile::new(role.name));
        ServerRoleHandle { role: role.name, role_arn: role.arn, profile: profile.name }
    }
}

/// An instance in a private subnet with a security group of its own: no public address, no key pair, no bastion.
///
/// It starts when its way out works, so that its first boot can install packages. Its group lets HTTPS out, for packages and
/// Session Manager, and nothing in: `server.allow_from(…)` does.
#[derive(Debug, Clone)]
pub struct Server<R: Region> {
    vpc: Output<VpcId<R>>,
    places: Vec<(Output<SubnetId<R>>, Order)>,
    zone: usize,
    profile: Input<InstanceProfileName>,
    image: Image<R>,
    instance_type: String,
    boot: Boot,
    port: u16,
}

#[derive(Debug, Clone)]
enum Image<R: Region> {
    AmazonLinux(Architecture),
    Given(Input<ImageId<R>>),
}

#[derive(Debug, Clone)]
enum Boot {
    Bare,
    Nginx { page: Option<String> },
    Script(Input<String>),
}

impl<R: Region> Server<R> {
    /// Amazon Linux 2023 on a `t4g.small` in the first zone, port 80, nothing installed.
    pub fn new(network: &NetworkHandle<R>, profile: impl IntoInput<InstanceProfileName>) -> Self {
        Server {
            vpc: network.vpc,
            places: network.private.iter().copied().zip(network.egress.iter().cloned()).collect(),
            zone: 0,
            profile: profile.into_input(),
            image: Image::AmazonLinux(Architecture::Arm64),
            instance_type: "t4g.small".to_owned(),
            boot: Boot::Bare,
            port: 80,
        }
    }

    /// With nginx, whose page names the stack and the region: what a failover is watched by.
    pub fn nginx(network: &NetworkHandle<R>, profile: impl IntoInput<InstanceProfileName>) -> Self {
        Server { boot: Boot::Nginx { page: None }, ..Server::new(network, profile) }
    }

    /// Started with this instance profile, whose role it has, instead of the one that it was made with.
    #[must_use]
    pub fn profile(mut self, profile: impl IntoInput<InstanceProfileName>) -> Self {
        self.profile = profile.into_input();
        self
    }

    /// In this zone of the network, counted from 0.
    #[must_use]
    pub fn zone(mut self, zone: usize) -> Self {
        self.zone = zone;
        self
    }

    /// Another type, and the architecture of its processor.
    #[must_use]
    pub fn instance_type(mut self, instance_type: impl Into<String>, architecture: Architecture) -> Self {
        self.instance_type = instance_type.into();
        if let Image::AmazonLinux(of) = &mut self.image {
            *of = architecture;
        }
        self
    }

    /// Another image, which has to fit the type.
    #[must_use]
    pub fn image(mut self, image: impl IntoInput<ImageId<R>>) -> Self {
        self.image = Image::Given(image.into_input());
        self
    }

    /// The page that nginx serves at `/`, and everywhere else.
    #[must_use]
    pub fn page(mut self, page: impl Into<String>) -> Self {
        self.boot = Boot::Nginx { page: Some(page.into()) };
        self
    }

    /// What runs at the first boot, instead of installing nginx.
    #[must_use]
    pub fn user_data(mut self, script: impl IntoInput<String>) -> Self {
        self.boot = Boot::Script(script.into_input());
        self
    }

    /// The port on which it serves. nginx is told to.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }
}

/// What a [`Server`] offers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerHandle<R: Region> {
    /// The instance.
    pub instance: Output<InstanceId<R>>,
    /// Its address in the VPC.
    pub private_ip: Output<String>,
    /// Its firewall.
    pub group: Output<SecurityGroupId<R>>,
    /// The port on which it serves.
    pub port: u16,
}

impl<R: Region> Connect<R> for ServerHandle<R> {
    fn group(&self) -> Output<SecurityGroupId<R>> {
        self.group
    }
}

impl<R: Region> Construct<R> for Server<R> {
    type Handle = ServerHandle<R>;

    fn build(self, scope: Scope<'_, R>) -> ServerHandle<R> {
        let group = scope.add("group", SecurityGroup::new(self.vpc));
        // Packages and Session Manager; DNS and time of the VPC are not filtered.
        let egress = scope.add("https", group.allow_to_range(cidr!("0.0.0.0/0"), Port::tcp(443)));
        if self.zone >= self.places.len() {
            scope.error(format_args!(
                "zone {} of a network with {} zones, counted from 0",
                self.zone,
                self.places.len()
            ));
        }
        let place = self.places.get(self.zone).or(self.places.first());
        let (subnet, way_out) = place.expect("a network has a subnet in each of its zones, two at least");
        let image = match self.image {
            Image::Given(image) => image,
            Image::AmazonLinux(of) => scope.add("image", Ami::amazon_linux_2023(of)).id.into_input(),
        };
        let mut instance = Instance::new(image, self.instance_type, *subnet).group(group.id).profile(self.profile);
        instance = match self.boot {
            Boot::Bare => instance,
            Boot::Script(script) => instance.user_data(script),
            Boot::Nginx { page } => {
                let page = page.unwrap_or_else(|| format!("{} in {}", scope.stack(), scope.region()));
                instance.user_data(nginx(&page, self.port))
            }
        };
        let mut ready = way_out.clone();
        if let Some(rule) = &egress.egress {
            ready = ready.and(rule);
        }
        let instance = ready.before(&scope).add("instance", instance);
        ServerHandle { instance: instance.id, private_ip: instance.private_ip, group: group.id, port: self.port }
    }
}

/// The first boot: installs nginx as soon as the way out works, and serves one page under every path.
fn nginx(page: &str, port: u16) -> String {
    // What ends a quoted text of the shell is written so that it does not.
    let page = page.replace('\'', r"'\''");
    format!(
        r"#!/bin/bash
set -u
until dnf install -y nginx; do sleep 5; done
printf '%s\n' '{page}' > /usr/share/nginx/html/index.html
cat > /etc/nginx/nginx.conf <<'CONF'
worker_processes auto;
events {{ worker_connections 1024; }}
http {{
  include mime.types;
  server {{
    listen {port} default_server;
    root /usr/share/nginx/html;
    location / {{ try_files /index.html =404; }}
  }}
}}
CONF
systemctl enable nginx
systemctl restart nginx
"
    )
}

#[cfg(test)]
mod tests {
    use dr_core::Stack;

    use super::super::vpc::Network;
    use super::*;
    use crate::regions::UsEast1;

    fn server(change: impl FnOnce(Server<UsEast1>) -> Server<UsEast1>) -> Result<Stack, dr_core::BuildErrors> {
        Stack::build("shop", |stack| {
            let (east, global) = (stack.region(UsEast1), stack.region(Global));
            let role = global.add("server_role", ServerRole::new());
            let network = east.add("net", Network::new(cidr!("10.0.0.0/16")));
            east.add("server", change(Server::nginx(&network, role.profile)));
        })
    }

    #[test]
    fn it_starts_when_its_way_out_works() {
        let stack = server(|server| server.zone(1)).unwrap();
        let needs: Vec<_> =
            stack.needs("us-east-1/server.instance").map(|(node, _)| node.address.to_string()).collect();
        for need in ["us-east-1/net.nat[1]", "us-east-1/net.private_route[1]", "us-east-1/server.https.egress"] {
            assert!(needs.iter().any(|address| address == need), "{need} is missing in {needs:?}");
        }
        assert!(!needs.iter().any(|address| address == "us-east-1/net.nat[0]"), "not the way of another zone");
        let script = stack.get("us-east-1/server.instance").unwrap().inputs["user_data"].as_str().unwrap();
        assert!(script.contains("printf '%s\\n' 'shop in us-east-1'"), "{script}");
    }

    #[test]
    fn it_starts_with_another_profile_when_it_is_given_one() {
        let other = InstanceProfileName::literal("audited");
        let stack = server(|server| server.profile(other)).unwrap();
        assert_eq!(stack.get("us-east-1/server.instance").unwrap().inputs["profile"], "audited");
    }

    #[test]
    fn a_page_cannot_leave_its_quotes() {
        assert!(nginx("it's", 80).contains(r"'it'\''s'"));
    }

    #[test]
    fn a_zone_that_the_network_does_not_have_is_an_error() {
        let error = server(|server| server.zone(2)).unwrap_err().to_string();
        assert!(error.contains("zone 2 of a network with 2 zones"), "{error}");
    }
}
