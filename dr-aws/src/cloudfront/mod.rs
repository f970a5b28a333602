//! Amazon CloudFront: the one name that users see, answered near them and forwarded to whichever region DNS says.

mod config;
mod distribution;

use std::sync::Arc;

use dr_core::Registry;

use crate::Aws;

pub use distribution::{
    Distribution, DistributionArgs, DistributionOutputs, DistributionRefs, Fallback, FallbackArgs, Origin, OriginArgs,
    PriceClass, ViewerProtocol,
};

/// The managed cache policy CachingDisabled: nothing is kept, as an API wants it.
pub const CACHING_DISABLED: &str = crate::ids::CACHING_DISABLED;
/// The managed origin request policy AllViewerExceptHostHeader: everything is forwarded, and the origin is called by its own
/// name, which an API Gateway domain insists on.
pub const ALL_VIEWER_EXCEPT_HOST: &str = crate::ids::ALL_VIEWER_EXCEPT_HOST;
/// The hosted zone of all distributions, for alias records.
pub const HOSTED_ZONE: &str = "Z2FDTNDATAQYW2";

/// Adds the resource types of this service.
pub(crate) fn register(registry: Registry, aws: &Arc<Aws>) -> Registry {
    registry.with::<Distribution>(aws)
}
