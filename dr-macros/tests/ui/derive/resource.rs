use dr_core::{Anywhere, Global, Input, Region, Resource};

#[derive(Resource)]
struct NoType<R: Region = Anywhere> {
    name: Input<String>,
    region: std::marker::PhantomData<R>,
}

#[derive(Resource)]
#[resource(type = "Subnet", outputs, create_s = "2", delete_s = 1 2, replacement = "later", colour = 3, lookup, lookup)]
#[resource(region = Global)]
struct BadKeys {
    #[input(replace, fast, replace)]
    name: Input<String>,
    #[input(nested = 5)]
    other: u8,
}

#[derive(Resource)]
#[resource(type = "test.nowhere")]
struct Nowhere {
    name: String,
}

#[derive(Resource)]
#[resource(type = "test.parameters", region = Global)]
struct Parameters<'a, T, const N: usize> {
    name: &'a [T; N],
}

#[derive(Resource)]
#[resource(type = "test.tuple", region = Global)]
struct Tuple(String);

#[derive(Resource)]
#[resource(type = "test.choice", region = Global)]
enum Choice {
    One,
}

fn main() {
    // No second wave: whatever was wrong, each is a resource with arguments.
    fn is_resource<T: Resource>(_: Option<T>) {}
    is_resource(None::<NoType>);
    is_resource(None::<BadKeys>);
    is_resource(None::<Nowhere>);
    is_resource(None::<Parameters<'_, u8, 1>>);
    is_resource(None::<Tuple>);
    is_resource(None::<Choice>);
    let _: Option<(NoTypeArgs, BadKeysArgs, NowhereArgs, ParametersArgs, TupleArgs, ChoiceArgs)> = None;
}
