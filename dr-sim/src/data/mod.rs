//! The data plane: a request walks the simulated configuration as it would walk the real one.
//!
//! Name resolution, the CloudFront location, the endpoint of API Gateway, the VPC link, the load balancer and the
//! instance are each a file. Nothing here changes a world: a request is answered from the world, the faults and an
//! instant. Only the caches (resolvers, CloudFront locations) have a memory of their own.

mod alarms;
mod alb;
mod api;
mod auth;
mod backends;
mod dns;
mod edge;
mod faults;
mod health;
mod http;
mod moment;
mod places;
mod probe;
mod route;
mod targets;
mod vpc;

use serde::{Deserialize, Serialize};

pub use self::alarms::Message;
pub use self::backends::Handlers;
pub(crate) use self::backends::{Backends, remember};
pub use self::dns::Resolver;
pub use self::edge::Edge;
pub use self::faults::{DataFault, DataFaults, Service, Window};
pub use self::health::{Health, HealthEvent};
pub use self::http::{Failure, Hop, Part, Request, Response};
pub(crate) use self::moment::Moment;
pub(crate) use self::targets::{Standing, target_standing};

use self::dns::{Address, Resolved};
use self::http::{Got, Reply, Trace};
use crate::control::{acm, apigatewayv2};
use crate::world::World;

/// What is known of a certificate is looked at again after this long: renewal depends on DNS and on use.
const CERTIFICATE_LOOK_MS: u64 = 24 * 3600 * 1000;
/// A client gives up when no connection is made for this long **(assumption)**: it sees a browser's patience, not a
/// tool's.
const CLIENT_CONNECT_MS: u64 = 30_000;
/// A client gives up when no answer comes for this long **(assumption)**.
const CLIENT_READ_MS: u64 = 60_000;
/// A DNS query that nobody had in the cache **(assumption)**.
const DNS_MS: u64 = 20;

/// What remembers something between requests: the resolver of the client, and the CloudFront locations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caches {
    /// Of the client.
    pub resolver: Resolver,
    /// Of CloudFront.
    pub edge: Edge,
    requests: u64,
}

impl Caches {
    /// Nothing cached.
    #[must_use]
    pub fn new() -> Self {
        Caches::default()
    }
}

/// A world seen from outside at some instants, with its faults.
#[derive(Debug, Clone, Copy)]
pub struct Internet<'a> {
    world: &'a World,
    faults: &'a DataFaults,
    /// Tells the random choices of requests of one instant apart.
    nonce: u64,
}

impl<'a> Internet<'a> {
    /// The world under these faults.
    #[must_use]
    pub fn new(world: &'a World, faults: &'a DataFaults) -> Self {
        Internet { world, faults, nonce: 0 }
    }

    /// Sends a request at an instant (virtual milliseconds since the Unix epoch) and follows it to its end.
    ///
    /// It changes the caches and nothing else: tell the world with [`World::note_traffic`], or its VPC links fall
    /// asleep, and the alarms with [`Health::note_traffic`].
    pub fn request(&self, caches: &mut Caches, request: &Request, now_ms: u64) -> Response {
        caches.requests += 1;
        let net = Internet { nonce: caches.requests, ..*self };
        let at = Moment::at(now_ms);
        let mut trace = Trace::default();
        let (reply, took_ms) = net.client(&at, &mut trace, caches, request);
        trace.finish(reply, took_ms)
    }

    /// The last name of the chain of names that a resolver at a place gets for a name, with the region of the endpoint
    /// behind it, if it has one: how to see a failover in DNS.
    ///
    /// # Errors
    /// In words, why there is no answer.
    pub fn resolve(
        &self,
        resolver: &mut Resolver,
        name: &str,
        place: &str,
        now_ms: u64,
    ) -> Result<(String, Option<String>), String> {
        let resolved = dns::resolve(self, &Moment::at(now_ms), resolver, name, place)?;
        Ok(match resolved.address {
            Address::ApiGateway { region, endpoint } => (endpoint, Some(region)),
            Address::LoadBalancer(arn) => match self.world.elbv2.balancers.get(&arn) {
                Some(balancer) => (balancer.dns_name.clone(), Some(balancer.region.clone())),
                None => (arn, None),
            },
            Address::CloudFront(id) => (edge::domain_of(self.world, &id), None),
            Address::Elsewhere(address) => (address, None),
        })
    }

    fn client(&self, at: &Moment, trace: &mut Trace, caches: &mut Caches, request: &Request) -> (Option<Reply>, u64) {
        let resolved = match dns::resolve(self, at, &mut caches.resolver, &request.host, &request.from) {
            Ok(resolved) => resolved,
            Err(why) => {
                trace.fail(Hop::new(Part::Dns, &request.host, None), why);
                return (None, DNS_MS);
            }
        };
        let dns_ms = if resolved.from_cache { 0 } else { DNS_MS };
        resolved.names.iter().for_each(|name| trace.reach(Hop::new(Part::Dns, name, None)));
        let (got, away_ms) = match &resolved.address {
            Address::CloudFront(_) => (edge::viewer(self, at, trace, &mut caches.edge, request), edge::NEAR_MS),
            _ => self.direct(at, trace, &resolved, request),
        };
        match got {
            // A connection, a handshake, the request: three round trips.
            Got::Reply { ms, .. } if ms > CLIENT_READ_MS => (None, dns_ms + CLIENT_READ_MS),
            Got::Reply { reply, ms } => (Some(reply), dns_ms + 3 * away_ms + ms),
            Got::Refused => (None, dns_ms + 2 * away_ms),
            Got::NoConnection => (None, dns_ms + CLIENT_CONNECT_MS),
            Got::Silence => (None, dns_ms + CLIENT_READ_MS),
        }
    }

    /// A client that talks to a regional endpoint without CloudFront, and verifies its certificate.
    fn direct(&self, at: &Moment, trace: &mut Trace, resolved: &Resolved, request: &Request) -> (Got, u64) {
        let https = request.scheme == "https";
        match &resolved.address {
            Address::ApiGateway { region, endpoint } => {
                let away_ms = places::round_trip_ms(&request.from, region);
                let hop = Hop::new(Part::Endpoint, endpoint, Some(region));
                trace.reach(hop.clone());
                if let Err(got) = self.connect(at, trace, region, hop.clone(), &Origin::Place(&request.from)) {
                    return (got, away_ms);
                }
                if !https {
                    trace.fail(hop, "API Gateway serves HTTPS only");
                    return (Got::Refused, away_ms);
                }
                let names = [request.host.as_str()];
                if let Err(why) = api::certificate_fits(self, at, region, endpoint, &request.host, &names) {
                    trace.fail(hop, why);
                    return (Got::Refused, away_ms);
                }
                (api::send(self, at, trace, region, request), away_ms)
            }
            Address::LoadBalancer(arn) => {
                let port = if https { 443 } else { 80 };
                self.public_balancer(at, trace, arn, request, (&Origin::Place(&request.from), true), port)
            }
            Address::Elsewhere(address) => {
                trace.fail(Hop::new(Part::Endpoint, address, None), "nothing in this account has the address");
                (Got::NoConnection, 0)
            }
            Address::CloudFront(id) => {
                trace.fail(Hop::new(Part::CloudFront, id, None), "a distribution is no regional endpoint");
                (Got::Refused, 0)
            }
        }
    }

    /// A load balancer that faces the internet.
    fn public_balancer(
        &self,
        at: &Moment,
        trace: &mut Trace,
        arn: &str,
        request: &Request,
        (origin, verifies): (&Origin<'_>, bool),
        port: u16,
    ) -> (Got, u64) {
        let Some(balancer) = self.world.elbv2.balancers.get(arn) else { return (Got::NoConnection, 0) };
        let away_ms = places::round_trip_ms(&request.from, &balancer.region);
        let hop = Hop::new(Part::Endpoint, &balancer.dns_name, Some(&balancer.region));
        trace.reach(hop.clone());
        if balancer.scheme == "internal" {
            trace.fail(hop, "the load balancer is internal: its addresses are private");
            return (Got::NoConnection, away_ms);
        }
        if let Err(got) = self.connect(at, trace, &balancer.region, hop.clone(), origin) {
            return (got, away_ms);
        }
        let listener = self.world.elbv2.listeners.values().find(|l| l.balancer == balancer.arn && l.port == port);
        let Some(listener) = listener else {
            trace.fail(hop, format!("no listener on port {port}"));
            return (Got::NoConnection, away_ms);
        };
        let tls = match request.scheme.as_str() {
            "https" if verifies => alb::Tls::Verified(&request.host),
            "https" => alb::Tls::Unverified,
            _ => alb::Tls::Plain,
        };
        (alb::send(self, at, trace, &alb::From::Internet, (listener, tls), request), away_ms)
    }

    /// Whether packets reach a region from somewhere.
    fn connect(&self, at: &Moment, trace: &mut Trace, region: &str, hop: Hop, origin: &Origin<'_>) -> Result<(), Got> {
        trace.region = Some(region.to_owned());
        if self.faults.region_away(at, region) {
            trace.fail(hop, format!("the region {region} cannot be reached"));
            return Err(Got::NoConnection);
        }
        let lost = self.faults.find(at, |fault| match fault {
            DataFault::PathLost { region: lost, checkers, places } if lost == region => {
                at.is_personal();
                match origin {
                    Origin::Checker(n) => (n < checkers).then_some(()),
                    Origin::Place(place) => places.iter().any(|one| one == place).then_some(()),
                }
            }
            _ => None,
        });
        if lost.is_some() {
            trace.fail(hop, format!("the path to {region} is lost from here"));
            return Err(Got::NoConnection);
        }
        Ok(())
    }

    /// Whether a certificate is good for one of the names; why not otherwise.
    fn certificate_fits(&self, at: &Moment, arn: &str, names: &[&str]) -> Result<(), String> {
        let id = arn.rsplit('/').next().unwrap_or(arn);
        let certificate =
            self.world.acm.certificates.get(arn).ok_or_else(|| format!("the certificate {id} does not exist"))?;
        at.expires_at(at.now_ms() + CERTIFICATE_LOOK_MS);
        if self.faults.certificate_expired(at, arn)
            || acm::status(self.world, certificate, at.now_ms()) == acm::Status::Expired
        {
            return Err(format!("the certificate {id} for {} has expired", certificate.names.join(", ")));
        }
        if certificate.issued_at_ms.is_none_or(|issued| !at.reached(issued)) {
            return Err(format!("the certificate {id} for {} is not issued", certificate.names.join(", ")));
        }
        if names.iter().any(|name| certificate.covers(name)) {
            return Ok(());
        }
        Err(format!("the certificate {id} is for {} and not for {}", certificate.names.join(", "), names.join(" or ")))
    }

    /// A number that is the same for the same request at the same instant.
    fn hash(&self, at: &Moment, salt: u64) -> u64 {
        let mut z = at.now_ms() ^ self.nonce.rotate_left(32) ^ salt.rotate_left(48) ^ 0x9e37_79b9_7f4a_7c15;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of several ways, by chance; when they do not all end the same way, the answer is good for this instant only.
    fn pick<T>(&self, at: &Moment, mut ways: Vec<T>, same: impl Fn(&T, &T) -> bool) -> T {
        if ways.iter().any(|way| !same(way, &ways[0])) {
            at.expires_now();
        }
        let index = (self.hash(at, ways.len() as u64) % ways.len() as u64) as usize;
        ways.swap_remove(index)
    }
}

/// Who sends packets, for faults that not everybody meets.
enum Origin<'a> {
    /// A client, or the CloudFront location near it.
    Place(&'a str),
    /// A health checker by its number.
    Checker(usize),
}

impl World {
    /// Tells the world that a request went by: VPC links that carried it stay awake, and one that had fallen asleep
    /// wakes up.
    pub fn note_traffic(&mut self, response: &Response, now_ms: u64) {
        for hop in response.path.iter().filter(|hop| hop.part == Part::VpcLink) {
            apigatewayv2::note_traffic(self, &hop.name, now_ms);
        }
        remember(self, now_ms);
    }

    /// Tells the load balancers of the world what is broken, so that DescribeTargetHealth shows it.
    /// [`Health::advance`] does so too.
    pub fn set_data_faults(&mut self, faults: &DataFaults) {
        self.elbv2.backends.faults = faults.clone();
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
