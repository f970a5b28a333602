//! One region of the site: the API of the reference article's stage 1, and with domain and health check the whole of a region.

use std::fmt;
use std::rc::Rc;

use dr_core::{Cidr, Construct, Global, Handle, Input, IntoInput, Output, Region, Scope};

use crate::apigatewayv2::{
    ApiDomain, ApiMapping, ApiRoute, Authorization, HttpApi, Integration, RouteKey, Stage, VpcLink,
};
use crate::constructs::{
    Connect as _, Network, NetworkHandle, Order, PrivateAlb, PrivateAlbHandle, Server, ServerHandle, ServerRole,
};
use crate::ec2::{Port, SecurityGroup};
use crate::ids::CertificateArn;
use crate::route_key;
use crate::route53::HealthCheck;

/// The path that health checks probe: it is served by the instance, and is open although the rest may need credentials.
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
    servers: usize,
    server: Rc<Tune<R>>,
    authorization: Authorization<R>,
    timeout_ms: u16,
    second: Option<(String, Rc<Tune<R>>)>,
}

/// Changes the settings of the servers.
type Tune<R> = dyn Fn(Server<R>) -> Server<R>;

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
    /// The servers.
    pub servers: Vec<ServerHandle<R>>,
    /// The internal load balancer.
    pub alb: PrivateAlbHandle<R>,
    /// The load balancer of [`second_alb`](SecureApi::second_alb).
    pub second: Option<PrivateAlbHandle<R>>,
    /// The API.
    pub api: Handle<HttpApi<R>>,
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
            servers: 2,
            server: Rc::new(|server| server),
            authorization: Authorization::None,
            timeout_ms: 29_000,
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

    /// Who may call the API; everybody by default. The health path stays open.
    #[must_use]
    pub fn authorization(mut self, authorization: Authorization<R>) -> Self {
        self.authorization = authorization;
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
        let role = scope.in_region::<Global>().add("role", ServerRole::new());
        let network = scope.add("net", self.network);
        let zones = network.private.len().max(1);
        let balanced = |scope: &Scope<'_, R>, tune: &Tune<R>| {
            let server = |at| tune(Server::nginx(&network, role.profile).zone(at % zones));
            let servers: Vec<ServerHandle<R>> =
                (0..self.servers).map(|at| scope.add(("server", at), server(at))).collect();
            let alb = servers.iter().fold(PrivateAlb::new(&network), PrivateAlb::target);
            (servers, scope.add("alb", alb))
        };
        let (mut servers, alb) = balanced(&scope, &*self.server);

        let gate = scope.add("link_group", SecurityGroup::new(network.vpc));
        let admitted = scope.add("link_to_alb", alb.allow_from(&gate, Port::tcp(alb.port)));
        let link = scope.add("link", VpcLink::new(network.private.iter().copied(), [gate.id]));

        let api = scope.add("api", HttpApi::new());
        let integration = Integration::private(api.id, alb.listener, link.id).timeout_ms(self.timeout_ms);
        let integration = scope.add("integration", integration);
        let mut admitted = vec![admitted];
        let mut second_routes = Vec::new();
        let mut second = None;
        if let Some((given, tune)) = &self.second {
            let path = given.trim_end_matches('/');
            let keys = (RouteKey::parse(format!("ANY {path}")), RouteKey::parse(format!("ANY {path}/{{proxy+}}")));
            if let (Ok(exact), Ok(below)) = keys {
                let part = scope.scope("second");
                let (more, other) = balanced(&part, &**tune);
                servers.extend(more);
                admitted.push(part.add("link_to_alb", other.allow_from(&gate, Port::tcp(other.port))));
                let to_other = Integration::private(api.id, other.listener, link.id).timeout_ms(self.timeout_ms);
                let to_other = part.add("integration", to_other);
                for (name, key) in [("root", exact), ("proxy", below)] {
                    let route = ApiRoute::new(api.id, key, to_other.id).authorization(self.authorization.clone());
                    second_routes.push(part.add(name, route));
                }
                second = Some(other);
            } else {
                scope.error(format_args!("`{given}` cannot be the path of the second ALB; `/reports` could"));
            }
        }
        // `ANY /` alone would answer 404 for every other path; the health path is a route of its own, so that it stays open.
        let route = |key: RouteKey| ApiRoute::new(api.id, key, integration.id);
        let root = scope.add("root", route(route_key!("ANY /")).authorization(self.authorization.clone()));
        let proxy = scope.add("proxy", route(route_key!("ANY /{proxy+}")).authorization(self.authorization));
        let health = scope.add("health", route(route_key!("GET /health")));
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
            servers,
            alb,
            second,
            api,
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
    path: String,
}

/// What [`Site`] made.
#[derive(Debug, Clone)]
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
        Site { api, domain, certificate, interval_s: 10, threshold: 3, path: HEALTH_PATH.to_owned() }
    }

    /// How often each of Route 53's checkers probes, 10 or 30 seconds, and how many probes in a row change its mind, 1 to 10.
    /// Default 10 and 3: a dead region is noticed after half a minute.
    #[must_use]
    pub fn probes(mut self, interval_s: u32, threshold: u32) -> Self {
        (self.interval_s, self.threshold) = (interval_s, threshold);
        self
    }

    /// The path that is probed, `/health` by default. It has to be open, and to go through to an instance.
    #[must_use]
    pub fn health_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }
}

impl<R: Region> Construct<R> for Site<R> {
    type Handle = SiteHandle<R>;

    fn build(self, scope: Scope<'_, R>) -> SiteHandle<R> {
        let service = self.api.build(scope.clone());
        let domain = scope.add("domain", ApiDomain::new(self.domain, self.certificate));
        let mapping = scope.add("mapping", ApiMapping::new(domain.name, service.api.id, service.stage.name));
        // The region's own host: the shared name would be answered by whichever region DNS prefers at the moment.
        let check =
            HealthCheck::https(service.host).path(self.path).interval_s(self.interval_s).threshold(self.threshold);
        // It comes after what it probes, so that a region that is still being built is not taken for a dead one.
        let global = scope.in_region::<Global>();
        // The reason says nothing about the servers of a second load balancer, which no probe reaches.
        let global = if service.second.is_none() { global.waive("probe-equivalence", PROBED) } else { global };
        let health_check = service.serving.before(&global).add("health_check", check);
        SiteHandle { service, domain, mapping, health_check }
    }
}

#[cfg(test)]
mod tests {
    use dr_core::{BuildErrors, Stack, cidr};

    use super::*;
    use crate::regions::EuWest1;

    fn with_second(path: &str) -> Result<Stack, BuildErrors> {
        Stack::build("shop", |stack| {
            let api = SecureApi::new(cidr!("10.0.0.0/16")).second_alb(path, |server| server.page("reports"));
            stack.region(EuWest1).add("api", api);
        })
    }

    #[test]
    fn a_second_alb_has_servers_and_routes_of_its_own_behind_the_same_link() {
        let stack = with_second("/reports/").unwrap();
        let count = |kind: &str| stack.nodes_of(kind).count();
        assert_eq!((count("aws.elbv2.load_balancer"), count("aws.ec2.instance")), (2, 4));
        assert_eq!((count("aws.apigatewayv2.vpc_link"), count("aws.apigatewayv2.http_api")), (1, 1));
        let routes = stack.nodes_of("aws.apigatewayv2.route").map(|node| node.inputs["key"].clone());
        let routes: std::collections::BTreeSet<String> =
            routes.map(|key| key.as_str().expect("a key is a text").to_owned()).collect();
        let expected = ["ANY /", "ANY /reports", "ANY /reports/{proxy+}", "ANY /{proxy+}", "GET /health"];
        assert_eq!(routes, expected.map(String::from).into());
    }

    #[test]
    fn the_path_of_a_second_alb_is_checked() {
        for path in ["/", "reports", "/a b", ""] {
            let error = with_second(path).expect_err(path).to_string();
            let why = format!("eu-west-1/api: `{path}` cannot be the path of the second ALB; `/reports` could");
            assert!(error.contains(&why), "{path}: {error}");
        }
    }
}
