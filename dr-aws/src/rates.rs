//! The published call rates of AWS as data.
//!
//! Sources: EC2 "Request throttling for the Amazon EC2 API"
//! (<https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>: a bucket per action, account and region);
//! Route 53 "Quotas" (five requests a second per account); API Gateway "Quotas" (control plane, per account and region);
//! CloudWatch, SNS and Systems Manager as Service Quotas lists them. IAM, Elastic Load Balancing, ACM, CloudFront and STS
//! publish no rate: five a second with bursts of ten is a guess on the safe side, which the governor corrects.

use std::collections::BTreeMap;

/// A token bucket: calls that may be made at once, and calls that come back per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Calls at once.
    pub burst: f64,
    /// Calls per second.
    pub per_s: f64,
}

/// The call rates that are kept; AWS's by default.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    /// Infinite: no limits.
    factor: f64,
    set: BTreeMap<(String, String), Rate>,
}

/// A bucket of a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Limit {
    /// The operation, or `*` for a bucket of the whole service.
    pub(crate) shared_by: String,
    pub(crate) rate: Rate,
    /// Regional services count per region, global ones per account.
    pub(crate) per_region: bool,
}

const fn rate(burst: f64, per_s: f64) -> Rate {
    Rate { burst, per_s }
}

/// One call per `seconds`.
const fn one_per(seconds: f64) -> Rate {
    Rate { burst: 1.0, per_s: 1.0 / seconds }
}

/// Actions with a bucket of their own; those of EC2 that are not here have 50 and 5, reads 100 and 20.
const OPERATIONS: &[(&str, &str, Rate)] = &[
    ("apigateway", "CreateDeployment", one_per(5.0)),
    ("apigateway", "CreateDomainName", one_per(30.0)),
    ("apigateway", "CreateVpcLink", one_per(15.0)),
    ("apigateway", "DeleteDomainName", one_per(30.0)),
    ("apigateway", "DeleteVpcLink", one_per(30.0)),
    ("apigateway", "UpdateDomainName", one_per(30.0)),
    ("cloudwatch", "DescribeAlarms", rate(9.0, 9.0)),
    ("cloudwatch", "PutMetricAlarm", rate(3.0, 3.0)),
    ("ec2", "AssociateIamInstanceProfile", rate(100.0, 5.0)),
    ("ec2", "CreateNatGateway", rate(10.0, 1.0)),
    ("ec2", "CreateTags", rate(100.0, 10.0)),
    ("ec2", "CreateVpcEndpoint", rate(4.0, 0.3)),
    ("ec2", "DeleteNatGateway", rate(10.0, 1.0)),
    ("ec2", "DeleteTags", rate(100.0, 10.0)),
    ("ec2", "DeleteVpcEndpoints", rate(4.0, 0.3)),
    ("ec2", "ModifyInstanceMetadataOptions", rate(100.0, 5.0)),
    ("ec2", "ModifyVpcEndpoint", rate(4.0, 0.3)),
    ("ec2", "RunInstances", rate(5.0, 2.0)),
    ("ec2", "StartInstances", rate(5.0, 2.0)),
    ("ec2", "TerminateInstances", rate(100.0, 5.0)),
    ("sns", "ListSubscriptionsByTopic", rate(30.0, 30.0)),
    ("sns", "ListTagsForResource", rate(10.0, 10.0)),
    ("sns", "ListTopics", rate(30.0, 30.0)),
    ("sns", "Subscribe", rate(100.0, 100.0)),
    ("sns", "TagResource", rate(10.0, 10.0)),
    ("sns", "Unsubscribe", rate(100.0, 100.0)),
    ("sns", "UntagResource", rate(10.0, 10.0)),
    ("ssm", "GetParameter", rate(40.0, 40.0)),
];

/// Buckets that all calls of a service share.
const SERVICES: &[(&str, Rate)] = &[
    ("acm", rate(10.0, 5.0)),
    ("apigateway", rate(40.0, 10.0)),
    ("cloudfront", rate(10.0, 5.0)),
    ("elasticloadbalancing", rate(10.0, 5.0)),
    ("iam", rate(10.0, 5.0)),
    ("route53", rate(5.0, 5.0)),
    ("sts", rate(10.0, 5.0)),
];

/// Two calls that leave an interval apart can arrive closer together, by the jitter of the network. A bucket without a burst
/// has nothing to absorb that.
const JITTER_S: f64 = 0.3;

impl Default for Rates {
    fn default() -> Self {
        Rates::aws()
    }
}

impl Rates {
    /// What AWS publishes for an account without raised quotas.
    #[must_use]
    pub fn aws() -> Self {
        Rates { factor: 1.0, set: BTreeMap::new() }
    }

    /// No limits.
    #[must_use]
    pub fn unlimited() -> Self {
        Rates { factor: f64::INFINITY, set: BTreeMap::new() }
    }

    /// All rates times `factor`, bursts as they are: 20 for an emulator whose objects become ready 20 times as fast.
    ///
    /// # Panics
    /// When the factor is not greater than zero.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        assert!(factor > 0.0, "a rate is greater than zero");
        self.factor *= factor;
        self
    }

    /// Another rate for an operation, `set("route53", "*", …)` for a whole service: after a raised quota, or for an account
    /// that others use too.
    ///
    /// # Panics
    /// When the rate or the burst is not greater than zero.
    #[must_use]
    pub fn set(mut self, service: &str, operation: &str, rate: Rate) -> Self {
        assert!(rate.per_s > 0.0 && rate.burst >= 1.0, "a bucket lets one call through at least");
        self.set.insert((service.to_owned(), operation.to_owned()), rate);
        self
    }

    /// The buckets of a call, the narrowest first.
    pub(crate) fn of(&self, service: &str, operation: &str) -> Vec<Limit> {
        if self.factor.is_infinite() {
            return Vec::new();
        }
        let own = self.named(service, operation).or_else(|| {
            let named = OPERATIONS.iter().find(|(of, name, _)| (*of, *name) == (service, operation));
            named.map(|(_, _, rate)| *rate).or_else(|| match service {
                "ec2" if operation.starts_with("Describe") => Some(rate(100.0, 20.0)),
                "ec2" => Some(rate(50.0, 5.0)),
                _ => None,
            })
        });
        let whole =
            self.named(service, "*").or_else(|| SERVICES.iter().find(|(of, _)| *of == service).map(|(_, rate)| *rate));
        let global = matches!(service, "iam" | "route53" | "cloudfront");
        let limit = |shared_by: &str, rate: Rate| Limit {
            shared_by: shared_by.to_owned(),
            rate: self.kept(rate),
            per_region: !global,
        };
        let own = own.map(|rate| limit(operation, rate));
        own.into_iter().chain(whole.map(|rate| limit("*", rate))).collect()
    }

    fn named(&self, service: &str, operation: &str) -> Option<Rate> {
        self.set.get(&(service.to_owned(), operation.to_owned())).copied()
    }

    /// The rate that is kept so that AWS sees at most `published`: a little less, for the jitter on the way.
    fn kept(&self, published: Rate) -> Rate {
        let (burst, per_s) = (published.burst, published.per_s * self.factor);
        if burst < 2.0 {
            Rate { burst, per_s: 1.0 / (1.0 / per_s + JITTER_S / self.factor) }
        } else {
            // One call less at once is one interval of slack.
            Rate { burst: burst - 1.0, per_s }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rates: &Rates, service: &str, operation: &str) -> Vec<(String, f64, f64)> {
        let limits = rates.of(service, operation).into_iter();
        limits.map(|limit| (limit.shared_by, limit.rate.burst, (limit.rate.per_s * 1000.0).round() / 1000.0)).collect()
    }

    #[test]
    fn each_call_has_the_buckets_that_aws_publishes_less_the_jitter() {
        let rates = Rates::aws();
        assert_eq!(of(&rates, "ec2", "DescribeVpcs"), [("DescribeVpcs".into(), 99.0, 20.0)]);
        assert_eq!(of(&rates, "ec2", "CreateVpc"), [("CreateVpc".into(), 49.0, 5.0)]);
        assert_eq!(of(&rates, "ec2", "CreateVpcEndpoint"), [("CreateVpcEndpoint".into(), 3.0, 0.3)]);
        assert_eq!(of(&rates, "route53", "GetHostedZone"), [("*".into(), 4.0, 5.0)]);
        let link = [("CreateVpcLink".into(), 1.0, 0.065), ("*".into(), 39.0, 10.0)];
        assert_eq!(of(&rates, "apigateway", "CreateVpcLink"), link);
        assert!(rates.of("iam", "GetRole").iter().all(|limit| !limit.per_region));
        assert!(rates.of("ec2", "CreateVpc").iter().all(|limit| limit.per_region));
    }

    #[test]
    fn rates_scale_are_set_and_are_switched_off() {
        assert_eq!(of(&Rates::aws().scaled(20.0), "route53", "GetHostedZone"), [("*".into(), 4.0, 100.0)]);
        let raised = Rates::aws().set("route53", "*", rate(11.0, 10.0));
        assert_eq!(of(&raised, "route53", "GetHostedZone"), [("*".into(), 10.0, 10.0)]);
        assert_eq!(Rates::unlimited().of("ec2", "CreateVpc"), []);
    }
}
