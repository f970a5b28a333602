//! How long AWS takes for what takes long: medians and ranges in seconds, by kind of change.
//!
//! The numbers are the times that published Terraform runs printed (they include the first poll, so the truth can be some
//! seconds less) and, where no log was found, estimates; a row says which. A world answers the median unless it was made
//! with [`World::with_jitter`], which draws from a log-normal distribution around the median, cut to the range.

use crate::world::{Rng, World};

/// A change that is not done when the API answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slow {
    /// VPC: `pending` to `available`.
    Vpc,
    /// Subnet: `pending` to `available`.
    Subnet,
    NatCreate,
    NatDelete,
    /// Instance: `pending` to `running`.
    InstanceStart,
    InstanceStop,
    /// Instance: `shutting-down` to `terminated`.
    InstanceTerminate,
    /// From `running` until cloud-init has installed and started what the user data says.
    InstanceBoot,
    /// Interface endpoint: `pending` to `available`.
    EndpointCreate,
    EndpointDelete,
    /// ALB: `provisioning` to `active`.
    Alb,
    /// From the answer of DeleteLoadBalancer until its network interfaces are gone.
    AlbEnis,
    VpcLinkCreate,
    /// VPC link: `DELETING` to gone, network interfaces included.
    VpcLinkDelete,
    /// Regional domain name of API Gateway: until `AVAILABLE`.
    ApiDomain,
    /// A change of an auto-deploying stage until requests see it.
    AutoDeploy,
    /// From RequestCertificate until DescribeCertificate shows the validation record.
    CertificateRecord,
    /// From the validation record being visible in DNS until `ISSUED`.
    Certificate,
    /// From the last user of a certificate being gone until it may be deleted.
    CertificateRelease,
    /// Route 53 change: `PENDING` to `INSYNC`.
    Route53Insync,
    /// CloudFront: `InProgress` to `Deployed`, also after an update.
    CloudFrontDeploy,
    /// CloudFront: the same after an update that disables.
    CloudFrontDisable,
    /// CloudFront: from `Deployed` after a disable until DeleteDistribution is accepted.
    CloudFrontDelete,
    /// New role or instance profile until EC2 accepts it.
    IamPropagation,
    /// New alarm until it leaves `INSUFFICIENT_DATA`.
    AlarmData,
}

/// Seconds: median, shortest, longest.
struct Spread(f64, f64, f64);

impl Slow {
    fn spread(self) -> Spread {
        match self {
            // Estimates: terraform prints 3 s and 2 s, its own reads included.
            Slow::Vpc => Spread(1.0, 0.5, 3.0),
            Slow::Subnet => Spread(0.5, 0.3, 2.0),
            // 8 logs: 124, 105, 88, 107, 125, 94, 85, 114, and 61, 60, 72, 50, 56, 37, 52, 79.
            Slow::NatCreate => Spread(106.0, 85.0, 125.0),
            Slow::NatDelete => Spread(58.0, 37.0, 79.0),
            // 10 and 6 logs.
            Slow::InstanceStart => Spread(20.0, 10.0, 42.0),
            Slow::InstanceTerminate => Spread(30.0, 20.0, 31.0),
            // Estimates from here to the endpoints.
            Slow::InstanceStop => Spread(30.0, 15.0, 60.0),
            Slow::InstanceBoot => Spread(90.0, 60.0, 120.0),
            Slow::EndpointCreate => Spread(90.0, 45.0, 180.0),
            Slow::EndpointDelete => Spread(60.0, 20.0, 240.0),
            // 9 logs: 172, 142, 139, 148, 176, 135, 141, 156, 187; the interfaces 30 to 180 s after the call.
            Slow::Alb => Spread(148.0, 135.0, 187.0),
            Slow::AlbEnis => Spread(90.0, 30.0, 180.0),
            // Estimates; the guide says "a few minutes".
            Slow::VpcLinkCreate => Spread(150.0, 60.0, 300.0),
            Slow::VpcLinkDelete => Spread(120.0, 30.0, 300.0),
            Slow::ApiDomain => Spread(5.0, 1.0, 60.0),
            Slow::AutoDeploy => Spread(3.0, 1.0, 5.0),
            // "Several seconds" in the API reference; issuing from 6 logs: 532, 265, 89, 107, 61, 2.
            Slow::CertificateRecord => Spread(5.0, 2.0, 15.0),
            Slow::Certificate => Spread(100.0, 60.0, 532.0),
            // Estimate; Terraform retries up to 1200 s.
            Slow::CertificateRelease => Spread(30.0, 5.0, 1200.0),
            // "Usually within 60 seconds" in the API reference.
            Slow::Route53Insync => Spread(30.0, 10.0, 60.0),
            // 7 logs: 223, 473, 180, 216, 178, 187, 754.
            Slow::CloudFrontDeploy => Spread(215.0, 178.0, 473.0),
            // One log, 443 with the delete; the range of a deploy, which it is.
            Slow::CloudFrontDisable => Spread(420.0, 200.0, 473.0),
            // Estimate; Terraform retries the delete up to 120 s.
            Slow::CloudFrontDelete => Spread(10.0, 5.0, 30.0),
            Slow::IamPropagation => Spread(10.0, 5.0, 30.0),
            Slow::AlarmData => Spread(120.0, 60.0, 300.0),
        }
    }
}

impl World {
    /// How long this change takes in this world, in milliseconds of virtual time.
    pub(crate) fn latency(&mut self, slow: Slow) -> u64 {
        let Spread(median, shortest, longest) = slow.spread();
        let seconds = match &mut self.jitter {
            None => median,
            Some(rng) => log_normal(rng, median, longest).clamp(shortest, longest),
        };
        // Every entry of the table is far below 2^53 milliseconds.
        (seconds * 1000.0).round() as u64
    }
}

/// A log-normal draw whose median is `median` and whose 99th percentile is `p99`.
fn log_normal(rng: &mut Rng, median: f64, p99: f64) -> f64 {
    /// The 99th percentile of the standard normal distribution.
    const Z99: f64 = 2.326_347_9;
    let sigma = (p99 / median).ln().max(0.0) / Z99;
    // Box-Muller; the first draw must not be 0.
    let (u, v) = (1.0 - rng.unit(), rng.unit());
    let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
    median * (sigma * normal).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_jitter_every_answer_is_the_median() {
        let mut world = World::new(1);
        assert_eq!([world.latency(Slow::NatCreate), world.latency(Slow::NatCreate)], [106_000, 106_000]);
    }

    #[test]
    fn jitter_stays_in_the_range_around_the_median_and_is_seeded() {
        let draw = |seed| {
            let mut world = World::new(seed).with_jitter();
            let mut all: Vec<u64> = (0..1000).map(|_| world.latency(Slow::VpcLinkCreate)).collect();
            all.sort_unstable();
            all
        };
        let all = draw(7);
        assert!(all[0] >= 60_000 && all[999] <= 300_000);
        assert!((140_000..160_000).contains(&all[500]), "median {}", all[500]);
        assert_eq!(all, draw(7));
        assert_ne!(all, draw(8));
    }

    #[test]
    fn jitter_does_not_change_the_ids() {
        let id = |mut world: World| {
            world.latency(Slow::Alb);
            world.ec2_id("vpc")
        };
        assert_eq!(id(World::new(3)), id(World::new(3).with_jitter()));
    }
}
