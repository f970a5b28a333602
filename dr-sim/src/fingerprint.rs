//! What an account holds, as one number: two accounts with equal numbers answer every request in the same way, now and as time
//! goes on from here, but for the time of day in the answers and for the rate limits.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;

use serde::Serialize as _;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use crate::clock::EPOCH_MS;
use crate::world::World;

/// Numbers as JSON has them; an instant with whether it is over, since that is what a state that takes time looks at.
struct Instants {
    now_ms: u64,
}

impl Formatter for Instants {
    fn write_u64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        let mark = match value {
            ..EPOCH_MS => "",
            _ if value <= self.now_ms => "-",
            _ => "+",
        };
        write!(writer, "{mark}{value}")
    }
}

/// The number of a world at an instant, milliseconds since the Unix epoch.
pub(crate) fn of(world: &mut World, now_ms: u64) -> Result<u64, serde_json::Error> {
    // When it was asked last and how much of its rates is left: a later call finds them otherwise in any case.
    let (last_ms, buckets) = (std::mem::take(&mut world.now_ms), std::mem::take(&mut world.buckets));
    let mut text = Vec::with_capacity(256 << 10);
    let written = world.serialize(&mut Serializer::with_formatter(&mut text, Instants { now_ms }));
    (world.now_ms, world.buckets) = (last_ms, buckets);
    written?;
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{Aws, Cloud};

    #[tokio::test]
    async fn it_changes_with_an_object_and_with_an_instant_that_passes_and_not_with_a_read() {
        let aws = Aws::on(Cloud::new(1));
        let (cloud, ec2) = (aws.cloud(), aws.clients().ec2("us-east-1"));
        let number = || cloud.fingerprint().unwrap();
        let read = async || drop(aws.drive(ec2.describe_vpcs().send()).await.unwrap());
        // The first call to a region makes what AWS has there by default.
        read().await;
        let empty = number();
        aws.advance(Duration::from_secs(5)).await;
        read().await;
        assert_eq!(number(), empty, "time has passed, and a bucket has a token less");
        aws.drive(ec2.create_vpc().cidr_block("10.0.0.0/16").send()).await.unwrap();
        let pending = number();
        assert_ne!(pending, empty);
        aws.advance(Duration::from_secs(60)).await;
        let available = number();
        assert_ne!(available, pending, "nothing was asked for, but it is ready now");
        read().await;
        assert_eq!(number(), available);
        assert_eq!(Cloud::load(&cloud.save().unwrap()).unwrap().fingerprint().unwrap(), available);
    }
}
