//! AWS resources and constructs for [`dr_core`]: what a two-region disaster-recovery site is made of, deployed through the AWS
//! SDK for Rust.
//!
//! | module | holds |
//! |---|---|
//! | [`ec2`], [`elbv2`], [`iam`], [`acm`], [`apigatewayv2`], [`route53`], [`cloudfront`], [`cloudwatch`], [`sns`] | one file per resource: inputs, outputs, lifecycle, tests; a Cargo feature each |
//! | [`constructs`] | what one means by a network, a server, a load balancer |
//! | [`ids`], [`regions`] | physical ids and regions as types |
//! | [`Aws`] | the clients of an account, with their governor |
//! | [`model`] | predictions: health, DNS answers, time to recover |
//! | [`checks`] | what is known to go wrong in a two-region site, found in the program |
//! | [`parity`] | whether two regions are the same service, in the program and as deployed |
//! | [`permissions`] | the IAM policy that a program needs |
//!
//! A lifecycle function is one step of AWS's own: it makes its call and returns. Retrying, waiting and recovering are the
//! engine's; call rates are the governor's ([`Rates`]).

#![cfg_attr(
    not(all(
        feature = "acm",
        feature = "apigatewayv2",
        feature = "cloudfront",
        feature = "cloudwatch",
        feature = "ec2",
        feature = "elbv2",
        feature = "iam",
        feature = "route53",
        feature = "sns"
    )),
    allow(
        dead_code,
        unused_variables,
        reason = "each helper is used by some service, and no service is there for sure"
    )
)]

mod call;
mod clients;
mod governor;
#[cfg(any(feature = "apigatewayv2", feature = "cloudfront", feature = "route53"))]
mod marks;
mod names;
mod rates;
mod read;
#[cfg(feature = "iam")]
mod rights;
mod shared;
#[cfg(test)]
mod testing;

pub mod checks;
pub mod ids;
pub mod model;
pub mod parity;
pub mod permissions;
pub mod regions;
pub mod tags;

#[cfg(feature = "acm")]
pub mod acm;
#[cfg(feature = "apigatewayv2")]
pub mod apigatewayv2;
#[cfg(feature = "cloudfront")]
pub mod cloudfront;
#[cfg(feature = "cloudwatch")]
pub mod cloudwatch;
#[cfg(feature = "ec2")]
pub mod ec2;
#[cfg(feature = "elbv2")]
pub mod elbv2;
#[cfg(feature = "iam")]
pub mod iam;
#[cfg(feature = "route53")]
pub mod route53;
#[cfg(feature = "sns")]
pub mod sns;

pub mod constructs;

use std::sync::Arc;

use dr_core::Registry;

pub use clients::{Aws, AwsBuilder, Depth, Identity, https_client};
pub use governor::CallTime;
pub use rates::{Rate, Rates};

/// All resource types of this crate, with the clients they use.
#[must_use]
pub fn registry(aws: &Arc<Aws>) -> Registry {
    let registry = Registry::new();
    #[cfg(feature = "acm")]
    let registry = acm::register(registry, aws);
    #[cfg(feature = "apigatewayv2")]
    let registry = apigatewayv2::register(registry, aws);
    #[cfg(feature = "cloudfront")]
    let registry = cloudfront::register(registry, aws);
    #[cfg(feature = "cloudwatch")]
    let registry = cloudwatch::register(registry, aws);
    #[cfg(feature = "ec2")]
    let registry = ec2::register(registry, aws);
    #[cfg(feature = "elbv2")]
    let registry = elbv2::register(registry, aws);
    #[cfg(feature = "iam")]
    let registry = iam::register(registry, aws);
    #[cfg(feature = "route53")]
    let registry = route53::register(registry, aws);
    #[cfg(feature = "sns")]
    let registry = sns::register(registry, aws);
    registry
}
