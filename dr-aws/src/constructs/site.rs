//! One region of the site: the API of the reference article's stage 1, and with domain and health check the whole of a region.

use std::fmt;
use std::rc::Rc;

use dr_core::{Cidr, Construct, Global, Handle, Input, IntoInput, Output, Region, Scope};

use crate::apigatewayv2::{
    ApiDomain, ApiMapping, ApiRoute, Authorization, HttpApi, Integration, RouteKey, Stage, VpcLink,
};
use crate::constructs::{
    Connect as _, Network, NetworkHandle, Order, PrivateAlb, PrivateAlbHandle, Server, ServerHandle, ServerRole,
    ServerRoleHandle,
};
use crate::ec2::{Port, SecurityGroup};
use crate::ids::CertificateArn;
use crate::route_key;
use crate::route53::HealthCheck;

/// The path that health checks probe by default: it is served by the instance, and is open although the rest may need
/// credentials.
pub const HEALTH_PATH: &str = "/health";

/// Why a site's health check may be blind to its domain.
const PROBED: &str = "the shared name would be answered by either region, so the API's own host is probed";

/// A private service behind a managed API in one region: network, servers, an internal load balancer, a VPC link and an HTTP API
/// that forwards everything (stage 1 of the article "Building DR site with managed API Gateway").
///
/// ```
/// use dr_aws::constructs::SecureApi;
/// use dr_aws::regions::EuWest1;
/// use dr_core::{Stack, cidr};
///
/// let stack = Stack::build("shop", |stack| {
///     let region = stack.region(EuWest1);
///     let api = region.add("api", SecureApi::new(cidr!("10.0.0.0/16")).zones(3));
///     api.endpoint // Output<String>: https://….execute-api.eu-west-1.amazonaws.com
/// })?;
/// assert_eq!(stack.nodes_of("aws.ec2.nat_gateway").count(), 3); // one in each zone
/// assert_eq!(stack.nodes_of("aws.ec2.instance").count(), 2); // in two zones, so that losing one is no disaster
/// # Ok::<(), dr_core::BuildErrors>(())
/// ```
#[derive(Clone)]
pub struct SecureApi<R: Region> {
    network: Network,
    role: Option<ServerRoleHandle>,
    servers: usize,
    server: Rc<Tune<Server<R>>>,
    alb: Rc<Tune<PrivateAlb<R>>>,
    /// The certificate of the load balancers, and the name on it that is expected.
    tls: Option<(Input<CertificateArn<R>>, String)>,
    authorization: Authorization<R>,
    health_path: String,
    timeout_ms: u16,
    link_zones: usize,
    second: Option<(String, Rc<Tune<Server<R>>>)>,
}

/// Changes the settings of a part.
type Tune<T> = dyn Fn(T) -> T;

impl<R: Region> fmt::Debug for SecureApi<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureApi")
            .field("network", &self.network)
            .field("servers", &self.servers)
            .finish_non_exhaustive()
    }
}

/// What [`SecureApi`] made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SecureApiHandle<R: Region> {
    /// The network.
    pub network: NetworkHandle<R>,
    /// The role of the servers, for grants: that of [`role`](SecureApi::role), or one of this service alone. A server that
    /// [`server`](SecureApi::server) gave another profile has the role of that one.
    ///
    /// ```
    /// use dr_aws::constructs::{GrantPublish as _, SecureApi};
    /// use dr_aws::{regions::EuWest1, sns::Topic};
    /// use dr_core::{Global, Stack, cidr};
    ///
    /// let stack = Stack::build("shop", |stack| {
    ///     let (region, global) = (stack.region(EuWest1), stack.region(Global));
    ///     let orders = region.add("orders", Topic::new());
    ///     let service = region.add("api", SecureApi::new(cidr!("10.0.0.0/16")));
    ///     global.add("publish", orders.grant_publish(service.role.role, "publish_orders"));
    /// })?;
    /// # Ok::<(), dr_core::BuildErrors>(())
    /// ```
    pub role: ServerRoleHandle,
    /// The servers.
    pub servers: Vec<ServerHandle<R>>,
    /// The internal load balancer.
    pub alb: PrivateAlbHandle<R>,
    /// The load balancer of [`second_alb`](SecureApi::second_alb).
    pub second: Option<PrivateAlbHandle<R>>,
    /// The API.
    pub api: Handle<HttpApi<R>>,
    /// What forwards to the load balancer, for more routes. A route is open unless it says otherwise:
    ///
    /// ```
    /// use dr_aws::apigatewayv2::{ApiRoute, Authorization};
    /// use dr_aws::{constructs::SecureApi, regions::EuWest1, route_key};
    /// use dr_core::{Stack, cidr};
    ///
    /// let stack = Stack::build("shop", |stack| {
    ///     let region = stack.region(EuWest1);
    ///     let service = SecureApi::new(cidr!("10.0.0.0/16")).authorization(Authorization::Iam);
    ///     let service = region.add("api", service);
    ///     region.add("status", ApiRoute::new(service.api.id, route_key!("GET /status"), service.integration.id));
    /// })?;
    /// # Ok::<(), dr_core::BuildErrors>(())
    /// ```
    pub integration: Handle<Integration<R>>,
    /// What forwards to the load balancer of [`second_alb`](SecureApi::second_alb).
    pub second_integration: Option<Handle<Integration<R>>>,
    /// The stage that serves it.
    pub stage: Handle<Stage<R>>,
    /// The way into the network.
    pub link: Handle<VpcLink<R>>,
    /// `https://….execute-api.….amazonaws.com`
    pub endpoint: Output<String>,
    /// The host of the endpoint: this region's own name, which health checks probe.
    pub host: Output<String>,
    /// What has to work before requests are answered.
    pub serving: Order,
}

impl<R: Region> SecureApi<R> {
    /// Two nginx servers in two zones of a network with this range, a `/16` for example.
    #[must_use]
    pub fn new(cidr: Cidr) -> Self {
        SecureApi {
            network: Network::new(cidr),
            role: None,
            servers: 2,
            server: Rc::new(|server| server),
            alb: Rc::new(|alb| alb),
            tls: None,
            authorization: Authorization::None,
            health_path: HEALTH_PATH.to_owned(),
            timeout_ms: 29_000,
            link_zones: usize::MAX,
            second: None,
        }
    }

    /// Over this many availability zones; 2 by default, and at least.
    #[must_use]
    pub fn zones(mut self, zones: u32) -> Self {
        self.network = self.network.zones(zones);
        self
    }

    /// This network instead.
    #[must_use]
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// Servers of this role, instead of one for this service alone. IAM is global: one role can serve both regions.
    ///
    /// ```
    /// use dr_aws::constructs::{SecureApi, ServerRole};
    /// use dr_aws::regions::{EuCentral1, EuWest1};
    /// use dr_core::{Global, Stack, cidr};
    ///
    /// let stack = Stack::build("shop", |stack| {
    ///     let (ireland, frankfurt) = (stack.region(EuWest1), stack.region(EuCentral1));
    ///     let role = stack.region(Global).add("server_role", ServerRole::new());
    ///     ireland.add("primary", SecureApi::new(cidr!("10.0.0.0/16")).role(&role));
    ///     frankfurt.add("standby", SecureApi::new(cidr!("10.1.0.0/16")).role(&role));
    /// })?;
    /// assert_eq!(stack.nodes_of("aws.iam.role").count(), 1);
    /// # Ok::<(), dr_core::BuildErrors>(())
    /// ```
    #[must_use]
    pub fn role(mut self, role: &ServerRoleHandle) -> Self {
        self.role = Some(role.clone());
        self
    }

    /// This many servers, one zone after the other; 2 by default.
    #[must_use]
    pub fn servers(mut self, servers: usize) -> Self {
        self.servers = servers;
        self
    }

    /// Changes the settings of every server: what it runs, its size, its image.
    #[must_use]
    pub fn server(mut self, tune: impl Fn(Server<R>) -> Server<R> + 'static) -> Self {
        self.server = Rc::new(tune);
        self
    }

    /// Changes the settings of the load balancer: how it finds out whether a server works, its port. That of
    /// [`second_alb`](SecureApi::second_alb) is changed in the same way. A certificate is given by [`tls`](SecureApi::tls), so that
    /// the API speaks TLS too.
    ///
    /// ```
    /// # use dr_aws::constructs::SecureApi;
    /// # use dr_aws::elbv2::HealthCheck;
    /// # use dr_aws::regions::EuWest1;
    /// # use dr_core::{Stack, cidr};
    /// # Stack::build("shop", |stack| {
    /// # let region = stack.region(EuWest1);
    /// let api = SecureApi::new(cidr!("10.0.0.0/16")).alb(|alb| alb.health(HealthCheck::path("/ready").every_s(5, 2)));
    /// # region.add("api", api);
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn alb(mut self, tune: impl Fn(PrivateAlb<R>) -> PrivateAlb<R> + 'static) -> Self {
        self.alb = Rc::new(tune);
        self
    }

    /// Speaks TLS to the load balancer, and to the one of [`second_alb`](SecureApi::second_alb), on port 443; HTTP on port 80 by
    /// default. Between load balancer and servers it stays HTTP.
    ///
    /// The certificate is an issued one of this region, by a public authority, and `server_name` a name on it, of 1 to 512
    /// characters: API Gateway sends it in the TLS handshake and expects it on the certificate. DNS need not know it.
    /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-apigatewayv2-integration-tlsconfig.html>
    ///
    /// ```
    /// use dr_aws::constructs::{SecureApi, ValidatedCertificate};
    /// use dr_aws::{ids::HostedZoneId, regions::EuWest1};
    /// use dr_core::{Global, Stack, cidr};
    ///
    /// let stack = Stack::build("shop", |stack| {
    ///     let (region, global) = (stack.region(EuWest1), stack.region(Global));
    ///     let (name, zone) = ("inside.example.com", HostedZoneId::literal("Z0123456789"));
    ///     let inside = ValidatedCertificate::new(name, zone).request("inside", &global, &region);
    ///     region.add("api", SecureApi::new(cidr!("10.0.0.0/16")).tls(inside.arn, name));
    /// })?;
    /// assert_eq!(stack.get("eu-west-1/api.alb.listener").unwrap().inputs["port"], 443);
    /// # Ok::<(), dr_core::BuildErrors>(())
    /// ```
    #[must_use]
    pub fn tls(mut self, certificate: impl IntoInput<CertificateArn<R>>, server_name: impl Into<String>) -> Self {
        self.tls = Some((certificate.into_input(), server_name.into()));
        self
    }

    /// In how many of the network's zones the VPC link stands; in all by default. Another number replaces the link.
    ///
    /// In some zones API Gateway makes no links, one of three in Paris (`eu-west-3`) or Montreal (`ca-central-1`) for example; they
    /// come last among the zones of a network, so 2 leaves them out. The load balancer is reached in all its zones all the same.
    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-vpc-links-v2.html>
    #[must_use]
    pub fn link_zones(mut self, zones: usize) -> Self {
        self.link_zones = zones;
        self
    }

    /// Who may call the API; everybody by default. The [health path](SecureApi::health_path) stays open.
    #[must_use]
    pub fn authorization(mut self, authorization: Authorization<R>) -> Self {
        self.authorization = authorization;
        self
    }

    /// The path to probe, `/health` by default. `GET` of it is open to everybody, since probes carry no credentials, and goes
    /// to the servers that have the path; a query does not count.
    ///
    /// A path that is none, or has variables, is an error of the program.
    #[must_use]
    pub fn health_path(mut self, path: impl Into<String>) -> Self {
        self.health_path = path.into();
        self
    }

    /// A second internal load balancer in the region, with as many servers of its own, which answers this path and everything
    /// below it through the same VPC link; none by default.
    ///
    /// ```
    /// # use dr_aws::constructs::SecureApi;
    /// # use dr_aws::regions::EuWest1;
    /// # use dr_core::{Stack, cidr};
    /// # Stack::build("shop", |stack| {
    /// # let region = stack.region(EuWest1);
    /// let api = SecureApi::new(cidr!("10.0.0.0/16")).second_alb("/reports", |server| server.page("the reports"));
    /// # region.add("api", api);
    /// # }).unwrap();
    /// ```
    ///
    /// A path that is none, or `/` alone, is an error of the program.
    #[must_use]
    pub fn second_alb(mut self, path: impl Into<String>, tune: impl Fn(Server<R>) -> Server<R> + 'static) -> Self {
        self.second = Some((path.into(), Rc::new(tune)));
        self
    }

    /// How long the service may take to answer, 50 to 30,000 milliseconds; 29,000 by default, just below the 30 seconds after
    /// which CloudFront gives up, so that the answer says who was slow.
    #[must_use]
    pub fn timeout_ms(mut self, timeout_ms: u16) -> Self {
        self.timeout_ms = timeout_ms;
        self
    }
}

impl<R: Region> Construct<R> for SecureApi<R> {
    type Handle = SecureApiHandle<R>;

    fn build(self, scope: Scope<'_, R>) -> SecureApiHandle<R> {
        // IAM has no regions, so its resources stand beside those of the region, under the same name.
        let own_role = || scope.in_region::<Global>().add("role", ServerRole::new());
        let role = self.role.unwrap_or_else(own_role);
        let network = scope.add("net", self.network);
        let zones = network.private.len().max(1);
        let balanced = |scope: &Scope<'_, R>, tune: &Tune<Server<R>>| {
            let server = |at| tune(Server::nginx(&network, role.profile).zone(at % zones));
            let servers: Vec<ServerHandle<R>> =
                (0..self.servers).map(|at| scope.add(("server", at), server(at))).collect();
            let mut alb = servers.iter().fold(PrivateAlb::new(&network), PrivateAlb::target);
            if let Some((certificate, _)) = &self.tls {
                alb = alb.certificate(certificate.clone());
            }
            (servers, scope.add("alb", (self.alb)(alb)))
        };
        let (mut servers, alb) = balanced(&scope, &*self.server);

        let gate = scope.add("link_group", SecurityGroup::new(network.vpc));
        let admitted = scope.add("link_to_alb", alb.allow_from(&gate, Port::tcp(alb.port)));
        let link = scope.add("link", VpcLink::new(network.private.iter().copied().take(self.link_zones), [gate.id]));

        let api = scope.add("api", HttpApi::new());
        let forward = |alb: &PrivateAlbHandle<R>| {
            let integration = Integration::private(api.id, alb.listener, link.id).timeout_ms(self.timeout_ms);
            match &self.tls {
                Some((_, server_name)) => integration.tls(server_name.as_str()),
                None => integration,
            }
        };
        let integration = scope.add("integration", forward(&alb));
        let health_path = self.health_path.split('?').next().unwrap_or_default();
        let mut probed = integration;
        let mut admitted = vec![admitted];
        let mut second_routes = Vec::new();
        let (mut second, mut second_integration) = (None, None);
        if let Some((given, tune)) = &self.second {
            let path = given.trim_end_matches('/');
            let keys = (RouteKey::parse(format!("ANY {path}")), RouteKey::parse(format!("ANY {path}/{{proxy+}}")));
            if let (Ok(exact), Ok(below)) = keys {
                let part = scope.scope("second");
                let (more, other) = balanced(&part, &**tune);
                servers.extend(more);
                admitted.push(part.add("link_to_alb", other.allow_from(&gate, Port::tcp(other.port))));
                let to_other = part.add("integration", forward(&other));
                // The open route takes no path away from the load balancer that answers it.
                if health_path == path || health_path.starts_with(&format!("{path}/")) {
                    probed = to_other;
                }
                for (name, key) in [("root", exact), ("proxy", below)] {
                    let route = ApiRoute::new(api.id, key, to_other.id).authorization(self.authorization.clone());
                    second_routes.push(part.add(name, route));
                }
                (second, second_integration) = (Some(other), Some(to_other));
            } else {
                scope.error(format_args!("`{given}` cannot be the path of the second ALB; `/reports` could"));
            }
        }
        // `ANY /` alone would answer 404 for every other path; the health path is a route of its own, so that it stays open.
        let route = |key: RouteKey| ApiRoute::new(api.id, key, integration.id);
        let root = scope.add("root", route(route_key!("ANY /")).authorization(self.authorization.clone()));
        let proxy = scope.add("proxy", route(route_key!("ANY /{proxy+}")).authorization(self.authorization));
        let open = match RouteKey::parse(format!("GET {health_path}")) {
            // A variable would open whatever fits it.
            Ok(key) if !health_path.contains(['{', '}']) => key,
            _ => {
                let given = &self.health_path;
                scope.error(format_args!("`{given}` cannot be the path to probe; `{HEALTH_PATH}` could"));
                route_key!("GET /health")
            }
        };
        let health = scope.add("health", ApiRoute::new(api.id, open, probed.id));
        // A stage that deploys by itself deploys what is there: it comes after the routes.
        let routes = second_routes.iter().fold(Order::new().and(&root).and(&proxy).and(&health), Order::and);
        let stage = routes.before(&scope).add("stage", Stage::default(api.id));
        let mut serving = alb.serving.clone().and(&link).and(&stage);
        if let Some(second) = &second {
            serving = serving.and_all(&second.serving);
        }
        for rule in admitted.iter().flat_map(|rules| [&rules.egress, &rules.ingress]).flatten() {
            serving = serving.and(rule);
        }
        SecureApiHandle {
            endpoint: api.endpoint,
            host: api.host,
            network,
            role,
            servers,
            alb,
            second,
            api,
            integration,
            second_integration,
            stage,
            link,
            serving,
        }
    }
}

/// A whole region of a two-region site: a [`SecureApi`] with the domain name that both regions share, and a health check of
/// its own name.
#[derive(Debug, Clone)]
pub struct Site<R: Region> {
    api: SecureApi<R>,
    domain: String,
    certificate: Input<CertificateArn<R>>,
    interval_s: u32,
    threshold: u32,
}

/// What [`Site`] made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SiteHandle<R: Region> {
    /// The API and everything behind it.
    pub service: SecureApiHandle<R>,
    /// The shared domain name in this region.
    pub domain: Handle<ApiDomain<R>>,
    /// The API under that domain.
    pub mapping: Handle<ApiMapping<R>>,
    /// The health check of this region.
    pub health_check: Handle<HealthCheck>,
}

impl<R: Region> Site<R> {
    /// A region that serves `domain` with a certificate of its own.
    pub fn new(api: SecureApi<R>, domain: impl Into<String>, certificate: impl IntoInput<CertificateArn<R>>) -> Self {
        let (domain, certificate) = (domain.into(), certificate.into_input());
        Site { api, domain, certificate, interval_s: 10, threshold: 3 }
    }

    /// How often each of Route 53's checkers probes, 10 or 30 seconds, and how many probes in a row change its mind, 1 to 10.
    /// Default 10 and 3: a dead region is noticed after half a minute.
    #[must_use]
    pub fn probes(mut self, interval_s: u32, threshold: u32) -> Self {
        (self.interval_s, self.threshold) = (interval_s, threshold);
        self
    }

    /// The path that is probed, [`SecureApi::health_path`]: `/health` by default, open to everybody, and answered by a server.
    #[must_use]
    pub fn health_path(mut self, path: impl Into<String>) -> Self {
        self.api = self.api.health_path(path);
        self
    }
}

impl<R: Region> Construct<R> for Site<R> {
    type Handle = SiteHandle<R>;

    fn build(self, scope: Scope<'_, R>) -> SiteHandle<R> {
        let path = self.api.health_path.clone();
        let service = self.api.build(scope.clone());
        let domain = scope.add("domain", ApiDomain::new(self.domain, self.certificate));
        let mapping = scope.add("mapping", ApiMapping::new(domain.name, service.api.id, service.stage.name));
        // The region's own host: the shared name would be answered by whichever region DNS prefers at the moment.
        let check = HealthCheck::https(service.host).path(path).interval_s(self.interval_s).threshold(self.threshold);
        // It comes after what it probes, so that a region that is still being built is not taken for a dead one.
        let global = scope.in_region::<Global>();
        // The reason says nothing about further integrations of the API, which no probe reaches.
        let global = global.waive("hc-bypasses-domain", PROBED);
        let health_check = service.serving.before(&global).add("health_check", check);
        SiteHandle { service, domain, mapping, health_check }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use dr_core::{BuildErrors, Stack, cidr};
    use serde_json::{Value, json};

    use super::*;
    use crate::elbv2;
    use crate::iam::RolePolicy;
    use crate::regions::{EuCentral1, EuWest1};

    /// A stack of this service alone.
    fn service(change: impl FnOnce(SecureApi<EuWest1>) -> SecureApi<EuWest1>) -> Result<Stack, BuildErrors> {
        Stack::build("shop", |stack| {
            stack.region(EuWest1).add("api", change(SecureApi::new(cidr!("10.0.0.0/16"))));
        })
    }

    fn with_second(path: &str) -> Result<Stack, BuildErrors> {
        service(|api| api.second_alb(path, |server| server.page("reports")))
    }

    fn input<'s>(stack: &'s Stack, address: &str, name: &str) -> &'s Value {
        &stack.get(address).unwrap_or_else(|| panic!("{address} is missing")).inputs[name]
    }

    /// `GET /health: none to eu-west-1/api.integration` for each route, in order.
    fn routes(stack: &Stack) -> Vec<String> {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let route = |route: &Value| {
            let to = text(&route["integration"]["$ref"]).replace("#id", "");
            format!("{}: {} to {to}", text(&route["key"]), text(&route["authorization"]))
        };
        let mut routes: Vec<_> = stack.nodes_of("aws.apigatewayv2.route").map(|node| route(&node.inputs)).collect();
        routes.sort();
        routes
    }

    #[test]
    fn a_vpc_link_can_stand_in_the_first_zones_only() {
        let links = |stack: &Stack| input(stack, "eu-west-1/api.link", "subnets").as_array().map(Vec::len);
        assert_eq!(links(&service(|api| api.zones(3)).unwrap()), Some(3));
        assert_eq!(links(&service(|api| api.zones(3).link_zones(2)).unwrap()), Some(2));
    }

    #[test]
    fn a_second_alb_has_servers_and_routes_of_its_own_behind_the_same_link() {
        let stack = with_second("/reports/").unwrap();
        let count = |kind: &str| stack.nodes_of(kind).count();
        assert_eq!((count("aws.elbv2.load_balancer"), count("aws.ec2.instance")), (2, 4));
        assert_eq!((count("aws.apigatewayv2.vpc_link"), count("aws.apigatewayv2.http_api")), (1, 1));
        assert_eq!(
            routes(&stack),
            [
                "ANY /: none to eu-west-1/api.integration",
                "ANY /reports/{proxy+}: none to eu-west-1/api.second.integration",
                "ANY /reports: none to eu-west-1/api.second.integration",
                "ANY /{proxy+}: none to eu-west-1/api.integration",
                "GET /health: none to eu-west-1/api.integration",
            ]
        );
    }

    #[test]
    fn the_path_of_a_second_alb_is_checked() {
        for path in ["/", "reports", "/a b", ""] {
            let error = with_second(path).expect_err(path).to_string();
            let why = format!("eu-west-1/api: `{path}` cannot be the path of the second ALB; `/reports` could");
            assert!(error.contains(&why), "{path}: {error}");
        }
    }

    #[test]
    fn the_probed_path_is_open_and_nothing_else_is() {
        let stack: Stack = Stack::build("shop", |stack| {
            let api = SecureApi::new(cidr!("10.0.0.0/16")).authorization(Authorization::Iam);
            let site =
                Site::new(api, "origin.example.com", CertificateArn::literal("arn:c")).health_path("/live?deep=1");
            stack.region(EuWest1).add("site", site);
        })
        .unwrap();
        assert_eq!(
            routes(&stack),
            [
                "ANY /: iam to eu-west-1/site.integration",
                "ANY /{proxy+}: iam to eu-west-1/site.integration",
                "GET /live: none to eu-west-1/site.integration",
            ]
        );
        assert_eq!(input(&stack, "global/site.health_check", "path"), "/live?deep=1");
    }

    #[test]
    fn a_probed_path_of_the_second_alb_goes_to_its_servers() {
        for (path, to_second) in [("/reports", true), ("/reports/live", true), ("/reportsandmore", false)] {
            let stack = service(|api| api.second_alb("/reports", |server| server).health_path(path)).expect(path);
            let to = if to_second { "eu-west-1/api.second.integration" } else { "eu-west-1/api.integration" };
            assert!(routes(&stack).contains(&format!("GET {path}: none to {to}")), "{path}");
        }
    }

    #[test]
    fn the_probed_path_is_checked() {
        for path in ["live", "", "/a b", "/{proxy+}", "/{id}"] {
            let error = service(|api| api.health_path(path)).expect_err(path).to_string();
            let why = format!("eu-west-1/api: `{path}` cannot be the path to probe; `/health` could");
            assert!(error.contains(&why), "{path}: {error}");
        }
    }

    #[test]
    fn rights_and_routes_can_be_added() {
        let stack: Stack = Stack::build("shop", |stack| {
            let (west, global) = (stack.region(EuWest1), stack.region(Global));
            let api = west.add("api", SecureApi::new(cidr!("10.0.0.0/16")));
            global.add("rights", RolePolicy::new(api.role.role, "queues", "{}"));
            west.add("open", ApiRoute::new(api.api.id, route_key!("GET /open"), api.integration.id));
        })
        .unwrap();
        assert_eq!(input(&stack, "global/rights", "role"), &json!({"$ref": "global/api.role.role#name"}));
        assert!(routes(&stack).contains(&"GET /open: none to eu-west-1/api.integration".to_owned()));
    }

    #[test]
    fn two_regions_can_have_one_role() {
        let stack: Stack = Stack::build("shop", |stack| {
            let role = stack.region(Global).add("servers", ServerRole::new());
            let one = SecureApi::new(cidr!("10.0.0.0/16")).role(&role);
            stack.region(EuWest1).add("one", one.second_alb("/reports", |server| server));
            let other = stack.region(EuCentral1).add("other", SecureApi::new(cidr!("10.1.0.0/16")).role(&role));
            stack.region(Global).add("rights", RolePolicy::new(other.role.role, "queues", "{}"));
        })
        .unwrap();
        assert_eq!(stack.nodes_of("aws.iam.role").count(), 1);
        assert_eq!(input(&stack, "global/rights", "role"), &json!({"$ref": "global/servers.role#name"}));
        let profiles: BTreeSet<String> =
            stack.nodes_of("aws.ec2.instance").map(|server| server.inputs["profile"].to_string()).collect();
        assert_eq!(profiles, [r#"{"$ref":"global/servers.profile#name"}"#.to_owned()].into());
    }

    #[test]
    fn tls_goes_to_both_load_balancers_and_the_rules_follow() {
        let stack = service(|api| {
            let api = api.tls(CertificateArn::literal("arn:c"), "inside.example.com");
            api.second_alb("/reports", |server| server)
        })
        .unwrap();
        for part in ["eu-west-1/api", "eu-west-1/api.second"] {
            let at = |name: &str| format!("{part}.{name}");
            assert_eq!(input(&stack, &at("alb.listener"), "port"), 443);
            assert_eq!(input(&stack, &at("alb.listener"), "protocol")["https"]["certificate"], "arn:c");
            assert_eq!(input(&stack, &at("integration"), "tls_server_name"), "inside.example.com");
            for side in ["egress", "ingress"] {
                let rule = at(&format!("link_to_alb.{side}"));
                assert_eq!(input(&stack, &rule, "ports"), &json!({"tcp": {"from": 443, "to": 443}}), "{rule}");
            }
            // Behind the load balancer it stays HTTP.
            assert_eq!(input(&stack, &at("alb.targets"), "port"), 80);
        }
    }

    #[test]
    fn the_load_balancer_can_be_changed_and_the_rules_follow() {
        let path = "/ready".to_owned();
        let stack = service(|api| {
            api.alb(move |alb| alb.health(elbv2::HealthCheck::path(path.as_str()).every_s(5, 2)).port(8080))
        })
        .unwrap();
        assert_eq!(input(&stack, "eu-west-1/api.alb.targets", "health")["path"], "/ready");
        assert_eq!(input(&stack, "eu-west-1/api.alb.listener", "port"), 8080);
        let ports = input(&stack, "eu-west-1/api.link_to_alb.ingress", "ports");
        assert_eq!(ports, &json!({"tcp": {"from": 8080, "to": 8080}}));
        assert_eq!(input(&stack, "eu-west-1/api.integration", "tls_server_name"), &Value::Null);
    }
}
