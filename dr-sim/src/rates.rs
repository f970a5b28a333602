//! The request rates of the AWS control planes, as data, and the token buckets that enforce them.
//!
//! Sources: EC2 "Request throttling for the Amazon EC2 API" (a bucket per action, account and region); Route 53 "Quotas"
//! (five requests a second per account); API Gateway "Amazon API Gateway quotas" (API Gateway control plane, per account and
//! region); CloudWatch, SNS and Systems Manager as Service Quotas lists them. IAM, Elastic Load Balancing, ACM, CloudFront
//! and STS publish no rate and have no bucket here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::control::Refusal;

/// Levels are millionths of a token: milliseconds times thousandths per second, without rounding.
const TOKEN: u64 = 1_000_000;

/// One bucket that a call has to take a token from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limit {
    /// Which calls share it: an operation, or `*` for the whole service.
    shared_by: &'static str,
    /// Calls that can be made at once.
    burst: u64,
    /// Thousandths of a call that come back per second.
    refill_milli_per_s: u64,
    /// Regional services count per region, Route 53 per account.
    per_region: bool,
}

const fn per_region(shared_by: &'static str, burst: u64, refill_milli_per_s: u64) -> Limit {
    Limit { shared_by, burst, refill_milli_per_s, per_region: true }
}

/// One call per `seconds`, without a burst.
const fn one_per(shared_by: &'static str, seconds: u64) -> Limit {
    per_region(shared_by, 1, 1000 / seconds + if 1000 % seconds > 0 { 1 } else { 0 })
}

/// The actions that differ from the default of 50 calls and 5 more each second.
const EC2: &[Limit] = &[
    per_region("RunInstances", 5, 2000),
    per_region("StartInstances", 5, 2000),
    per_region("TerminateInstances", 100, 5000),
    per_region("CreateNatGateway", 10, 1000),
    per_region("DeleteNatGateway", 10, 1000),
    per_region("CreateVpcEndpoint", 4, 300),
    per_region("ModifyVpcEndpoint", 4, 300),
    per_region("DeleteVpcEndpoints", 4, 300),
    per_region("CreateTags", 100, 10_000),
    per_region("DeleteTags", 100, 10_000),
    per_region("AssociateIamInstanceProfile", 100, 5000),
    per_region("ModifyInstanceMetadataOptions", 100, 5000),
];

const API_GATEWAY: &[Limit] = &[
    one_per("CreateDomainName", 30),
    one_per("UpdateDomainName", 30),
    one_per("DeleteDomainName", 30),
    one_per("CreateVpcLink", 15),
    one_per("DeleteVpcLink", 30),
    one_per("CreateDeployment", 5),
];

const OTHERS: &[(&str, Limit)] = &[
    ("CloudWatch", per_region("PutMetricAlarm", 3, 3000)),
    ("CloudWatch", per_region("DescribeAlarms", 9, 9000)),
    ("SNS", per_region("ListTopics", 30, 30_000)),
    ("SNS", per_region("ListSubscriptionsByTopic", 30, 30_000)),
    ("SNS", per_region("Subscribe", 100, 100_000)),
    ("SNS", per_region("Unsubscribe", 100, 100_000)),
    ("SNS", per_region("TagResource", 10, 10_000)),
    ("SNS", per_region("UntagResource", 10, 10_000)),
    ("SNS", per_region("ListTagsForResource", 10, 10_000)),
    ("SSM", per_region("GetParameter", 40, 40_000)),
];

/// The buckets of a call, the narrowest first.
fn limits(service: &str, operation: &str) -> Vec<(Limit, bool)> {
    let named = |table: &[Limit]| table.iter().find(|limit| limit.shared_by == operation).copied();
    match service {
        "EC2" => {
            // Describe actions with a filter or paging; without either, the bucket of instances, groups and interfaces
            // is half as large, which the input would have to tell.
            let default = if operation.starts_with("Describe") { (100, 20_000) } else { (50, 5000) };
            let limit = named(EC2).unwrap_or(per_region("", default.0, default.1));
            vec![(limit, true)]
        }
        "Route 53" => vec![(Limit { shared_by: "*", burst: 5, refill_milli_per_s: 5000, per_region: false }, false)],
        "ApiGatewayV2" => {
            let all = (per_region("*", 40, 10_000), false);
            named(API_GATEWAY).map(|limit| (limit, true)).into_iter().chain([all]).collect()
        }
        _ => {
            let found = OTHERS.iter().find(|(of, limit)| *of == service && limit.shared_by == operation);
            found.map(|(_, limit)| (*limit, true)).into_iter().collect()
        }
    }
}

/// What a service answers to one call too many.
pub(crate) fn throttled(service: &str) -> Refusal {
    let (code, status, message) = match service {
        "EC2" => ("RequestLimitExceeded", 503, "Request limit exceeded."),
        "ApiGatewayV2" => ("TooManyRequestsException", 429, "Too Many Requests"),
        "ACM" | "SSM" => ("ThrottlingException", 400, "Rate exceeded"),
        _ => ("Throttling", 400, "Rate exceeded"),
    };
    Refusal::new(code, message).status(status)
}

/// The token buckets of an account, filled on first use.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Buckets {
    /// Nothing is limited.
    pub(crate) off: bool,
    levels: BTreeMap<String, Level>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Level {
    micro_tokens: u64,
    at_ms: u64,
}

impl Buckets {
    /// Takes one token from every bucket of the call; a refused call takes none.
    pub(crate) fn take(&mut self, service: &str, operation: &str, region: &str, now_ms: u64) -> Result<(), Refusal> {
        if self.off {
            return Ok(());
        }
        let limits = limits(service, operation);
        let keys: Vec<String> = limits
            .iter()
            .map(|(limit, own)| {
                let region = if limit.per_region { region } else { "*" };
                format!("{region}/{service}/{}", if *own { operation } else { "*" })
            })
            .collect();
        for (key, (limit, _)) in keys.iter().zip(&limits) {
            let full = limit.burst * TOKEN;
            let level = self.levels.entry(key.clone()).or_insert(Level { micro_tokens: full, at_ms: now_ms });
            let refilled = now_ms.saturating_sub(level.at_ms).saturating_mul(limit.refill_milli_per_s);
            level.micro_tokens = level.micro_tokens.saturating_add(refilled).min(full);
            level.at_ms = now_ms.max(level.at_ms);
            if level.micro_tokens < TOKEN {
                return Err(throttled(service));
            }
        }
        for key in keys {
            self.levels.entry(key).and_modify(|level| level.micro_tokens -= TOKEN);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `calls`, one each `every_ms`, are let through.
    fn passed(service: &str, operation: &str, calls: u64, every_ms: u64) -> usize {
        let mut buckets = Buckets::default();
        (0..calls).filter(|i| buckets.take(service, operation, "us-east-1", i * every_ms).is_ok()).count()
    }

    #[test]
    fn a_burst_passes_up_to_the_size_of_the_bucket() {
        assert_eq!(passed("EC2", "CreateVpc", 60, 0), 50);
        assert_eq!(passed("EC2", "DescribeVpcs", 120, 0), 100);
        assert_eq!(passed("EC2", "CreateNatGateway", 12, 0), 10);
        assert_eq!(passed("EC2", "CreateVpcEndpoint", 12, 0), 4);
        assert_eq!(passed("Route 53", "GetHostedZone", 12, 0), 5);
        assert_eq!(passed("ApiGatewayV2", "GetApis", 50, 0), 40);
        assert_eq!(passed("IAM", "CreateRole", 500, 0), 500);
    }

    #[test]
    fn buckets_refill_at_their_rate() {
        assert_eq!(passed("ApiGatewayV2", "CreateDomainName", 4, 30_000), 4);
        assert_eq!(passed("ApiGatewayV2", "CreateDomainName", 4, 15_000), 2);
        assert_eq!(passed("ApiGatewayV2", "CreateVpcLink", 4, 15_000), 4);
        assert_eq!(passed("ApiGatewayV2", "CreateVpcLink", 4, 14_000), 2);
        assert_eq!(passed("Route 53", "GetHostedZone", 50, 200), 50);
        assert_eq!(passed("Route 53", "GetHostedZone", 50, 100), 29);
        assert_eq!(passed("EC2", "CreateVpcEndpoint", 100, 1), 4, "0.03 of a token in 100 ms");
    }

    #[test]
    fn ec2_counts_per_action_and_region_and_route_53_per_account() {
        let mut buckets = Buckets::default();
        let mut all = |service: &str, operation: &str, region: &str| {
            (0..200).filter(|_| buckets.take(service, operation, region, 0).is_ok()).count()
        };
        assert_eq!(all("EC2", "CreateVpc", "us-east-1"), 50);
        assert_eq!(all("EC2", "CreateVpc", "us-west-2"), 50);
        assert_eq!(all("EC2", "CreateSubnet", "us-east-1"), 50);
        assert_eq!(all("Route 53", "GetHostedZone", "us-east-1"), 5);
        assert_eq!(all("Route 53", "GetHealthCheck", "us-east-1"), 0);
    }

    #[test]
    fn each_service_has_its_own_words_for_it() {
        assert_eq!((throttled("EC2").code.as_str(), throttled("EC2").status), ("RequestLimitExceeded", 503));
        assert_eq!((throttled("Route 53").code.as_str(), throttled("Route 53").status), ("Throttling", 400));
        assert_eq!(throttled("ApiGatewayV2").status, 429);
    }
}
