//! Constructs: several resources under one name, wired and with sensible defaults.
//!
//! A construct is generic over the region, so primary and standby are the same code. It adds resources to the scope that it is
//! given and hands back a handle with everything that can be wired further.
//!
//! | construct | adds |
//! |---|---|
//! | [`Network`] | a VPC with public and private subnets, and a way out by NAT gateways |
//! | [`ServerRole`] | the role of servers: Session Manager, no bastion (global) |
//! | [`Server`] | an instance in a private subnet with its firewall |
//! | [`PrivateAlb`] | an internal load balancer, its listener and its targets |
//! | [`Allow`] | lets one of them reach another |
//! | [`ValidatedCertificate`] | a certificate, and the record that proves the domain |
//! | [`SecureApi`] | the three above behind a VPC link and an HTTP API: one region of a service |
//! | [`Site`] | a [`SecureApi`] with the domain that two regions share, and a health check |
//! | [`FailoverPair`], [`LatencyGroup`], [`WeightedGroup`] | the name under which Route 53 answers with one of two sites |
//! | [`Edge`] | a CloudFront distribution with a name of its own in front of that name |
//! | [`Notifier`] | alarms and topics in `us-east-1` and in the standby region |
//!
//! # Example
//!
//! ```
//! use dr_aws::constructs::{Connect, Network, PrivateAlb, Server, ServerRole};
//! use dr_aws::ec2::Port;
//! use dr_aws::regions::UsEast1;
//! use dr_core::{Global, Stack, cidr};
//!
//! let stack = Stack::build("shop", |stack| {
//!     let (east, global) = (stack.region(UsEast1), stack.region(Global));
//!     let role = global.add("server_role", ServerRole::new());
//!     let network = east.add("network", Network::new(cidr!("10.0.0.0/16")).zones(3));
//!     let server = east.add("server", Server::nginx(&network, role.profile));
//!     let alb = east.add("alb", PrivateAlb::new(&network).target(&server));
//!     east.add("office", alb.allow_from_range(cidr!("10.0.0.0/8"), Port::tcp(80)));
//! })?;
//! assert!(stack.get("us-east-1/network.nat[2]").is_some(), "one NAT gateway in each zone");
//! # Ok::<(), dr_core::BuildErrors>(())
//! ```

#[cfg(all(feature = "acm", feature = "route53"))]
mod certificate;
#[cfg(feature = "ec2")]
mod connect;
#[cfg(feature = "ec2")]
mod vpc;

#[cfg(all(feature = "elbv2", feature = "iam"))]
mod alb;
#[cfg(all(feature = "iam", any(feature = "apigatewayv2", feature = "cloudfront", feature = "sns")))]
mod grant;
#[cfg(all(feature = "ec2", feature = "iam"))]
mod server;

#[cfg(all(
    feature = "acm",
    feature = "apigatewayv2",
    feature = "cloudfront",
    feature = "cloudwatch",
    feature = "elbv2",
    feature = "iam",
    feature = "route53",
    feature = "sns"
))]
mod edge;
#[cfg(all(
    feature = "acm",
    feature = "apigatewayv2",
    feature = "cloudwatch",
    feature = "elbv2",
    feature = "iam",
    feature = "route53",
    feature = "sns"
))]
mod failover;
#[cfg(all(feature = "apigatewayv2", feature = "elbv2", feature = "iam", feature = "route53"))]
mod site;

#[cfg(all(feature = "elbv2", feature = "iam"))]
pub use alb::{PrivateAlb, PrivateAlbHandle};
#[cfg(all(feature = "acm", feature = "route53"))]
pub use certificate::{Requested, ValidatedCertificate};
#[cfg(feature = "ec2")]
pub use connect::{Allow, AllowHandle, Connect, Order};
#[cfg(all(
    feature = "acm",
    feature = "apigatewayv2",
    feature = "cloudfront",
    feature = "cloudwatch",
    feature = "elbv2",
    feature = "iam",
    feature = "route53",
    feature = "sns"
))]
pub use edge::{Edge, EdgeHandle};
#[cfg(all(
    feature = "acm",
    feature = "apigatewayv2",
    feature = "cloudwatch",
    feature = "elbv2",
    feature = "iam",
    feature = "route53",
    feature = "sns"
))]
pub use failover::{FailoverPair, LatencyGroup, Notifier, NotifierHandle, PairHandle, WeightedGroup};
#[cfg(all(feature = "iam", feature = "cloudfront"))]
pub use grant::GrantCreateInvalidation;
#[cfg(all(feature = "iam", feature = "apigatewayv2"))]
pub use grant::GrantInvoke;
#[cfg(all(feature = "iam", feature = "sns"))]
pub use grant::GrantPublish;
#[cfg(all(feature = "ec2", feature = "iam"))]
pub use server::{Server, ServerHandle, ServerRole, ServerRoleHandle};
#[cfg(all(feature = "apigatewayv2", feature = "elbv2", feature = "iam", feature = "route53"))]
pub use site::{HEALTH_PATH, SecureApi, SecureApiHandle, Site, SiteHandle};
#[cfg(feature = "ec2")]
pub use vpc::{Network, NetworkHandle};
