//! Stage 1 of the article "Building DR site with managed API Gateway" alone: a private service behind a managed API, in one region.
//!
//! ```text
//! cargo run --example secure_api -- plan
//! cargo run --example secure_api -- deploy && cargo run --example secure_api -- verify
//! ```

use std::process::ExitCode;

use dr_aws::constructs::SecureApi;
use dr_aws::regions::EuWest1;
use dr_core::{BuildErrors, Inputs, Output, Stack, cidr, stack};

/// What the program promises.
#[derive(Inputs)]
struct Outputs {
    /// Where the API is reached.
    endpoint: Output<String>,
}

fn secure_api() -> Result<Stack<Outputs>, BuildErrors> {
    stack!("secure-api", |region: EuWest1| {
        let service = region(SecureApi::new(cidr!("10.0.0.0/16")).zones(3));
        Outputs { endpoint: service.endpoint }
    })
}

fn main() -> ExitCode {
    dr_cli::main(secure_api)
}
