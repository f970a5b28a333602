//! The whole simulated account as data: serialisable, seeded, without a clock of its own.

use serde::{Deserialize, Serialize};

use crate::control::{acm, apigatewayv2, cloudfront, cloudwatch, ec2, elbv2, iam, route53, sns};
use crate::rates::Buckets;

/// One AWS account: the state of every service in every region, the random stream and the latency model.
///
/// States that take time are instants: a NAT gateway is `available` from `ready_at_ms` on, so nothing has to be scheduled
/// and a world can be saved and loaded at any moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct World {
    /// Twelve digits.
    pub(crate) account: String,
    pub(crate) seed: u64,
    /// Virtual time of the last call, milliseconds since the Unix epoch.
    pub(crate) now_ms: u64,
    pub(crate) rng: Rng,
    /// The stream for latencies; without one, everything takes its median.
    pub(crate) jitter: Option<Rng>,
    /// How long a new EC2 object stays invisible to reads, in milliseconds; 0 unless a fault sets it.
    pub(crate) stale_reads_ms: u64,
    pub(crate) buckets: Buckets,
    pub(crate) acm: acm::State,
    pub(crate) apigatewayv2: apigatewayv2::State,
    pub(crate) cloudfront: cloudfront::State,
    pub(crate) cloudwatch: cloudwatch::State,
    pub(crate) ec2: ec2::State,
    pub(crate) elbv2: elbv2::State,
    pub(crate) iam: iam::State,
    pub(crate) route53: route53::State,
    pub(crate) sns: sns::State,
}

/// The seeded random stream of a world (splitmix64), part of what is saved with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Rng(u64);

impl World {
    /// An empty account. Equal seeds and equal calls give equal worlds.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        World {
            account: "123456789012".to_owned(),
            seed,
            now_ms: crate::clock::EPOCH_MS,
            rng: Rng(seed),
            jitter: None,
            stale_reads_ms: 0,
            buckets: Buckets::default(),
            acm: Default::default(),
            apigatewayv2: Default::default(),
            cloudfront: Default::default(),
            cloudwatch: Default::default(),
            ec2: Default::default(),
            elbv2: Default::default(),
            iam: Default::default(),
            route53: Default::default(),
            sns: Default::default(),
        }
    }

    /// The same world with seeded latencies instead of medians. They come from a stream of their own, so ids do not change.
    #[must_use]
    pub fn with_jitter(mut self) -> Self {
        self.jitter = Some(Rng(self.rng.0 ^ 0x6a69_7474_6572));
        self
    }

    /// The same world without rate limits: every call is let through.
    #[must_use]
    pub fn without_rate_limits(mut self) -> Self {
        self.buckets.off = true;
        self
    }

    /// The same world without the EC2 quotas of a new account (five VPCs and five addresses per region, and so on).
    #[must_use]
    pub fn without_quotas(mut self) -> Self {
        self.ec2.quotas = ec2::Quotas::unlimited();
        self
    }

    /// The account number, twelve digits.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Brings the world to `now_ms`: what is only remembered until an instant that is over is forgotten. Called before every
    /// request; time does not go back.
    pub(crate) fn settle(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        self.ec2.settle(self.now_ms);
        self.apigatewayv2.settle(self.now_ms);
        let World { ec2, elbv2, .. } = self;
        elbv2.settle(self.now_ms, |region, id| {
            ec2.regions.get(region).is_some_and(|region| region.instances.contains_key(id))
        });
    }

    /// `n` characters of `alphabet` from the seeded stream: the variable part of an id.
    pub(crate) fn token(&mut self, alphabet: &[u8], n: usize) -> String {
        (0..n).map(|_| char::from(alphabet[(self.rng.next() % alphabet.len() as u64) as usize])).collect()
    }

    /// An EC2-style id: `vpc-` and 17 hexadecimal digits.
    pub(crate) fn ec2_id(&mut self, prefix: &str) -> String {
        format!("{prefix}-{}", self.token(b"0123456789abcdef", 17))
    }
}

impl Rng {
    pub(crate) fn seeded(seed: u64) -> Self {
        Rng(seed)
    }

    /// A stream of its own for something with a name, so that another name does not shift it (FNV-1a).
    pub(crate) fn named(seed: u64, name: &str) -> Self {
        Rng(name
            .bytes()
            .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in 0 (included) to 1 (excluded), with 53 bits.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
