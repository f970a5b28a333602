//! Amazon CloudWatch: alarms.

mod alarm;

use std::sync::Arc;

use dr_core::Registry;

use crate::Aws;

pub use alarm::{
    Alarm, AlarmArgs, AlarmOutputs, AlarmRefs, Comparison, Dimension, DimensionArgs, MissingData, Statistic,
};

/// Adds the resource types of this service.
pub(crate) fn register(registry: Registry, aws: &Arc<Aws>) -> Registry {
    registry.with::<Alarm>(aws)
}
