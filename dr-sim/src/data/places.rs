//! Where the AWS regions are, and how long light takes between them: who is near whom, for latency records and round
//! trips.
//!
//! Coordinates are those of the city or county that AWS names for the region; a round trip is the great circle there
//! and back at two thirds of the speed of light, times 1.5 for the detours of cables **(assumption)**.

/// Region, latitude, longitude, country, continent.
type Place = (&'static str, f64, f64, &'static str, &'static str);

const PLACES: &[Place] = &[
    ("us-east-1", 38.9, -77.4, "US", "NA"),
    ("us-east-2", 40.0, -83.0, "US", "NA"),
    ("us-west-1", 37.4, -122.0, "US", "NA"),
    ("us-west-2", 45.8, -119.7, "US", "NA"),
    ("ca-central-1", 45.5, -73.6, "CA", "NA"),
    ("ca-west-1", 51.0, -114.1, "CA", "NA"),
    ("mx-central-1", 20.6, -100.4, "MX", "NA"),
    ("sa-east-1", -23.5, -46.6, "BR", "SA"),
    ("eu-west-1", 53.3, -6.3, "IE", "EU"),
    ("eu-west-2", 51.5, -0.1, "GB", "EU"),
    ("eu-west-3", 48.9, 2.4, "FR", "EU"),
    ("eu-central-1", 50.1, 8.7, "DE", "EU"),
    ("eu-central-2", 47.4, 8.5, "CH", "EU"),
    ("eu-north-1", 59.3, 18.1, "SE", "EU"),
    ("eu-south-1", 45.5, 9.2, "IT", "EU"),
    ("eu-south-2", 41.6, -0.9, "ES", "EU"),
    ("ap-southeast-1", 1.4, 103.8, "SG", "AS"),
    ("ap-southeast-2", -33.9, 151.2, "AU", "OC"),
    ("ap-southeast-3", -6.2, 106.8, "ID", "AS"),
    ("ap-southeast-4", -37.8, 145.0, "AU", "OC"),
    ("ap-northeast-1", 35.7, 139.7, "JP", "AS"),
    ("ap-northeast-2", 37.6, 127.0, "KR", "AS"),
    ("ap-northeast-3", 34.7, 135.5, "JP", "AS"),
    ("ap-south-1", 19.1, 72.9, "IN", "AS"),
    ("ap-south-2", 17.4, 78.5, "IN", "AS"),
    ("ap-east-1", 22.3, 114.2, "HK", "AS"),
    ("me-south-1", 26.1, 50.6, "BH", "AS"),
    ("me-central-1", 25.2, 55.3, "AE", "AS"),
    ("il-central-1", 32.1, 34.8, "IL", "AS"),
    ("af-south-1", -33.9, 18.4, "ZA", "AF"),
];

/// A round trip to somewhere that is not in the table, in milliseconds.
const UNKNOWN_MS: u64 = 100;

fn place(region: &str) -> Option<&'static Place> {
    PLACES.iter().find(|place| place.0 == region)
}

/// A round trip between two regions, in milliseconds.
pub(super) fn round_trip_ms(a: &str, b: &str) -> u64 {
    let (Some(a), Some(b)) = (place(a), place(b)) else { return if a == b { 2 } else { UNKNOWN_MS } };
    // Haversine.
    let (lat_a, lat_b) = (a.1.to_radians(), b.1.to_radians());
    let half = |angle: f64| (angle / 2.0).sin().powi(2);
    let h = half(lat_b - lat_a) + lat_a.cos() * lat_b.cos() * half((b.2 - a.2).to_radians());
    let km = 2.0 * 6371.0 * h.sqrt().asin();
    // 200 km per millisecond, there and back; at most 300 ms for half the globe.
    2 + (1.5 * km / 100.0).round() as u64
}

/// Country and continent, as geolocation records name them.
pub(super) fn country(region: &str) -> Option<(&'static str, &'static str)> {
    place(region).map(|place| (place.3, place.4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_near_and_far_is_far() {
        assert_eq!(round_trip_ms("us-east-1", "us-east-1"), 2);
        assert!(round_trip_ms("us-east-1", "us-east-2") < 15);
        let atlantic = round_trip_ms("us-east-1", "eu-west-1");
        assert!((60..110).contains(&atlantic), "{atlantic}");
        assert_eq!(atlantic, round_trip_ms("eu-west-1", "us-east-1"));
        assert!(round_trip_ms("us-east-1", "ap-southeast-2") > round_trip_ms("us-west-2", "ap-southeast-2"));
        assert_eq!(round_trip_ms("nowhere", "us-east-1"), UNKNOWN_MS);
    }
}
