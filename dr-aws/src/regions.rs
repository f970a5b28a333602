//! The regions of the commercial partition as types, and the two roles of a disaster-recovery pair.
//!
//! Names follow the region code: `us-east-1` is [`UsEast1`]. A region that is missing here, or that a program reads from its
//! configuration, is bound to a role: `stack.region_as(Primary, "eu-west-1")`.
//! Source: <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html>.

use dr_core::region;

macro_rules! regions {
    ($($(#[$meta:meta])* $name:ident = $region:literal;)*) => {
        $(region!($(#[$meta])* $name = $region);)*

        /// The codes of all regions that have a type here.
        pub const ALL: &[&str] = &[$($region),*];
    };
}

regions! {
    /// Northern Virginia; the control planes of IAM, Route 53 and CloudFront are here too.
    UsEast1 = "us-east-1";
    /// Ohio.
    UsEast2 = "us-east-2";
    /// Northern California.
    UsWest1 = "us-west-1";
    /// Oregon.
    UsWest2 = "us-west-2";
    /// Cape Town (off until enabled in the account).
    AfSouth1 = "af-south-1";
    /// Hong Kong (off until enabled in the account).
    ApEast1 = "ap-east-1";
    /// Taipei (off until enabled in the account).
    ApEast2 = "ap-east-2";
    /// Tokyo.
    ApNortheast1 = "ap-northeast-1";
    /// Seoul.
    ApNortheast2 = "ap-northeast-2";
    /// Osaka.
    ApNortheast3 = "ap-northeast-3";
    /// Mumbai.
    ApSouth1 = "ap-south-1";
    /// Hyderabad (off until enabled in the account).
    ApSouth2 = "ap-south-2";
    /// Singapore.
    ApSoutheast1 = "ap-southeast-1";
    /// Sydney.
    ApSoutheast2 = "ap-southeast-2";
    /// Jakarta (off until enabled in the account).
    ApSoutheast3 = "ap-southeast-3";
    /// Melbourne (off until enabled in the account).
    ApSoutheast4 = "ap-southeast-4";
    /// Malaysia (off until enabled in the account).
    ApSoutheast5 = "ap-southeast-5";
    /// New Zealand (off until enabled in the account).
    ApSoutheast6 = "ap-southeast-6";
    /// Thailand (off until enabled in the account).
    ApSoutheast7 = "ap-southeast-7";
    /// Montreal.
    CaCentral1 = "ca-central-1";
    /// Calgary (off until enabled in the account).
    CaWest1 = "ca-west-1";
    /// Frankfurt.
    EuCentral1 = "eu-central-1";
    /// Zurich (off until enabled in the account).
    EuCentral2 = "eu-central-2";
    /// Stockholm.
    EuNorth1 = "eu-north-1";
    /// Milan (off until enabled in the account).
    EuSouth1 = "eu-south-1";
    /// Spain (off until enabled in the account).
    EuSouth2 = "eu-south-2";
    /// Ireland.
    EuWest1 = "eu-west-1";
    /// London.
    EuWest2 = "eu-west-2";
    /// Paris.
    EuWest3 = "eu-west-3";
    /// Tel Aviv (off until enabled in the account).
    IlCentral1 = "il-central-1";
    /// United Arab Emirates (off until enabled in the account).
    MeCentral1 = "me-central-1";
    /// Bahrain (off until enabled in the account).
    MeSouth1 = "me-south-1";
    /// Mexico (off until enabled in the account).
    MxCentral1 = "mx-central-1";
    /// São Paulo.
    SaEast1 = "sa-east-1";
}

region!(
    /// Where the traffic goes while all is well; bound with `stack.region_as(Primary, …)`.
    role Primary = "primary"
);
region!(
    /// Where the traffic goes when the primary fails; bound with `stack.region_as(Standby, …)`.
    role Standby = "standby"
);

/// The partition of a region, the second part of every ARN there: `aws`, `aws-cn`, `aws-us-gov`, …
#[must_use]
pub fn partition(region: &str) -> &'static str {
    match region.split('-').next().unwrap_or_default() {
        "cn" => "aws-cn",
        "eusc" => "aws-eusc",
        "us" if region.starts_with("us-gov-") => "aws-us-gov",
        "us" if region.starts_with("us-iso-") => "aws-iso",
        "us" if region.starts_with("us-isob-") => "aws-iso-b",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_follows_from_the_region() {
        assert!(ALL.iter().all(|region| partition(region) == "aws"));
        assert_eq!(partition("cn-north-1"), "aws-cn");
        assert_eq!(partition("us-gov-west-1"), "aws-us-gov");
        assert_eq!(partition("global"), "aws");
    }
}
