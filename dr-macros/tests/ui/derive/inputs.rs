use dr_core::{Input, Inputs, Secret};

#[derive(Inputs)]
struct Rule {
    #[input(replace, accepted)]
    port: Input<u16>,
    #[input(nested)]
    source: Source,
}

#[derive(Inputs)]
enum Source {
    Two(Input<String>, u8),
    One(#[input(replace)] Input<String>),
    Hidden(Secret<String>),
    Named { name: Secret<String> },
}

#[derive(Inputs)]
struct Tuple(Input<String>);

#[derive(Inputs)]
struct Parameters<T> {
    value: Input<T>,
}

#[derive(Inputs)]
union Both {
    a: u8,
    b: u8,
}

fn main() {
    let _: Option<(RuleArgs, SourceArgs, TupleArgs, ParametersArgs, BothArgs)> = None;
}
