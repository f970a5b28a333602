use std::marker::PhantomData;

use dr_core::{Anywhere, Output, Outputs, Region, Secret};

#[derive(Outputs)]
struct TwoOutputs<P: Region = Anywhere, S: Region = Anywhere> {
    primary: PhantomData<P>,
    standby: PhantomData<S>,
}

#[derive(Outputs)]
struct Deferred {
    id: Output<String>,
    key: Option<Secret<String>>,
}

#[derive(Outputs)]
struct NothingOutputs;

#[derive(Outputs)]
struct Parameters<T> {
    value: T,
}

fn main() {
    let _: Option<(TwoRefs, DeferredRefs, NothingRefs)> = None;
}
