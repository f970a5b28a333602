//! Systems Manager: GetParameter for the public parameters that name the current machine images of Amazon Linux.
//!
//! The image behind such a parameter differs per region and moves with every release; here it never moves.

use aws_sdk_ssm::operation::get_parameter::{GetParameterError, GetParameterInput, GetParameterOutput};
use aws_sdk_ssm::types::{Parameter, ParameterType};
use aws_smithy_types::DateTime;

use super::{Answer, Call, Refusal, Table};
use crate::clock::EPOCH_MS;
use crate::world::World;

const PREFIX: &str = "/aws/service/ami-amazon-linux-latest/";
/// Parameter names behind the prefix, with the architecture of the image.
const IMAGES: &[(&str, &str)] = &[
    ("al2023-ami-kernel-default-x86_64", "x86_64"),
    ("al2023-ami-kernel-default-arm64", "arm64"),
    ("al2023-ami-minimal-kernel-default-x86_64", "x86_64"),
    ("al2023-ami-minimal-kernel-default-arm64", "arm64"),
    ("al2023-ami-kernel-6.1-x86_64", "x86_64"),
    ("al2023-ami-kernel-6.1-arm64", "arm64"),
    ("amzn2-ami-hvm-x86_64-gp2", "x86_64"),
    ("amzn2-ami-hvm-arm64-gp2", "arm64"),
];

/// A machine image that exists in a region.
pub(crate) struct Image {
    /// `x86_64` or `arm64`.
    pub(crate) architecture: &'static str,
}

/// The image of this id, if the region has it.
pub(crate) fn image(region: &str, id: &str) -> Option<Image> {
    let found = IMAGES.iter().find(|(name, _)| image_id(region, name) == id);
    found.map(|(_, architecture)| Image { architecture })
}

/// `ami-` and 17 hexadecimal digits that depend on the region and the name alone.
fn image_id(region: &str, name: &str) -> String {
    let hash = region
        .bytes()
        .chain([0])
        .chain(name.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("ami-0{hash:016x}")
}

pub(crate) fn register(table: &mut Table) {
    table.on("SSM", "GetParameter", GetParameterError::generic, get_parameter);
}

fn get_parameter(_world: &mut World, call: &Call, input: &GetParameterInput) -> Answer<GetParameterOutput> {
    let name = input.name().unwrap_or_default();
    let known = name.strip_prefix(PREFIX).filter(|rest| IMAGES.iter().any(|(image, _)| image == rest));
    let image = known.ok_or_else(|| Refusal::new("ParameterNotFound", format!("Parameter {name} not found.")))?;
    let parameter = Parameter::builder()
        .name(name)
        .r#type(ParameterType::String)
        .value(image_id(&call.region, image))
        .version(1)
        .last_modified_date(DateTime::from_millis(i64::try_from(EPOCH_MS).expect("this century")))
        .arn(format!("arn:aws:ssm:{}::parameter{name}", call.region))
        .data_type("aws:ec2:image")
        .build();
    Ok(GetParameterOutput::builder().parameter(parameter).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(region: &str) -> Call {
        Call { region: region.to_owned(), now_ms: EPOCH_MS }
    }

    #[test]
    fn an_image_belongs_to_its_region() {
        let name = format!("{PREFIX}al2023-ami-kernel-default-arm64");
        let get = |region: &str| {
            let input = GetParameterInput::builder().name(&name).build().unwrap();
            let answer = get_parameter(&mut World::new(1), &call(region), &input).unwrap();
            answer.parameter().unwrap().value().unwrap().to_owned()
        };
        let (east, west) = (get("us-east-1"), get("us-west-2"));
        assert_ne!(east, west);
        assert_eq!(image("us-east-1", &east).unwrap().architecture, "arm64");
        assert!(image("us-west-2", &east).is_none());
    }

    #[test]
    fn other_parameters_are_not_there() {
        let input = GetParameterInput::builder().name("/my/secret").build().unwrap();
        let refusal = get_parameter(&mut World::new(1), &call("us-east-1"), &input).unwrap_err();
        assert_eq!(refusal.code, "ParameterNotFound");
    }
}
