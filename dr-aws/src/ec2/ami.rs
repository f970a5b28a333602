//! `aws.ec2.ami`: a machine image by the parameter under which AWS publishes it. A lookup, pinned in the state.
//!
//! API: GetParameter (SSM 2014-11-06).

use dr_core::{
    Anywhere, Class, CloudError, Cx, Found, Health, Lifecycle, Outputs, Prior, Region, Resource, Scan, Wanted,
};

use super::zones::only_read;
use crate::Aws;
use crate::call::Call as _;
use crate::ids::ImageId;
use crate::read::{Promised as _, found_by_key};

/// A machine image, by the public parameter under which AWS publishes the newest of its kind.
///
/// The parameter moves with every release, and an instance cannot change its image. So it is looked up once and kept in the
/// state: an instance is not replaced because a new image came out.
///
/// - Inputs: the name of the parameter; another one is looked up anew.
/// - Ready: at once: it is looked up before anything is made.
/// - Calls: GetParameter of Systems Manager.
/// - AWS: <https://docs.aws.amazon.com/linux/al2023/ug/ec2.html>,
///   <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.ec2.ami", outputs = AmiOutputs, lookup, create_s = 0, delete_s = 0)]
pub struct Ami<R: Region = Anywhere> {
    /// The name of the parameter.
    parameter: String,
    region: std::marker::PhantomData<fn() -> R>,
}

/// The image that was found.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct AmiOutputs<R: Region = Anywhere> {
    /// `ami-…`
    pub id: ImageId<R>,
    /// The parameter under which it was found.
    pub parameter: String,
}

/// The processor architecture of an image, which has to be that of the instance type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// Graviton: `t4g`, `m7g`, ….
    Arm64,
    /// Intel and AMD: `t3`, `m7i`, ….
    X86_64,
}

impl<R: Region> Ami<R> {
    /// The image behind a public parameter.
    pub fn of_parameter(parameter: impl Into<String>) -> Self {
        Ami { parameter: parameter.into(), region: std::marker::PhantomData }
    }

    /// The newest Amazon Linux 2023 with the default kernel.
    #[must_use]
    pub fn amazon_linux_2023(architecture: Architecture) -> Self {
        let architecture = match architecture {
            Architecture::Arm64 => "arm64",
            Architecture::X86_64 => "x86_64",
        };
        Ami::of_parameter(format!("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{architecture}"))
    }
}

impl Lifecycle for Ami {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let mut found = Vec::new();
        for want in wanted {
            let pinned = want.outputs.clone().filter(|outputs| outputs.parameter == want.args.parameter);
            let outputs = match pinned {
                Some(pinned) => pinned,
                None => look_up(scan, &want.args.parameter).await?,
            };
            found.push(found_by_key(want, want.args.clone(), outputs, Health::Ready));
        }
        Ok(found)
    }

    async fn create(_: &Cx<Aws>, _: &AmiArgs) -> Result<AmiOutputs, CloudError> {
        only_read("aws.ec2.ami")
    }

    async fn update(_: &Cx<Aws>, _: &Prior<Self>, _: &AmiArgs) -> Result<AmiOutputs, CloudError> {
        only_read("aws.ec2.ami")
    }

    async fn delete(_: &Cx<Aws>, _: &Prior<Self>) -> Result<(), CloudError> {
        only_read("aws.ec2.ami")
    }
}

async fn look_up(scan: &Scan<Aws>, parameter: &str) -> Result<AmiOutputs, CloudError> {
    const CALL: &str = "ssm:GetParameter";
    let id = scan
        .cloud
        .shared(scan, CALL, parameter, || async {
            let answer = scan.cloud.ssm(&scan.region).get_parameter().name(parameter).send().await.call(CALL);
            let answer = answer.map_err(|error| match error.class {
                Class::Gone => error.hint(format!("{} has no parameter {parameter}: check its name", scan.region)),
                _ => error,
            })?;
            answer.parameter.and_then(|parameter| parameter.value).promised(CALL, "the value")
        })
        .await?;
    Ok(AmiOutputs { id: ImageId::literal(id.as_str()), parameter: parameter.to_owned() })
}

#[cfg(test)]
mod tests {
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::testing::{cx, refused, scan_of};

    #[tokio::test]
    async fn a_parameter_that_there_is_not_is_named_with_its_region() {
        let missing = refused(mock!(aws_sdk_ssm::Client::get_parameter), "ParameterNotFound", "");
        let error = look_up(&scan_of(cx(&[&missing])), "/aws/service/none").await.unwrap_err();
        assert_eq!(error.class, Class::Gone);
        assert_eq!(error.hint.as_deref(), Some("us-east-1 has no parameter /aws/service/none: check its name"));
    }
}
