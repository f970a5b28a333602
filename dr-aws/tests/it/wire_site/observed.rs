//! What a read returns is what AWS has, and not what was asked for.
//!
//! A read starts from what is wanted, to keep its spelling, so an empty plan alone would not show a property that is copied from
//! there. Each property is therefore asked for with another value than it has.

use std::collections::{BTreeMap, BTreeSet};

use dr_core::store::{MemoryStore, ReadStore as _};
use dr_core::{Kind, State, Value, WantedData};

use crate::wire::Emulator;
use crate::wire_site::program::{FIRST, Program, site};

/// What is repeated, and why that is right.
const REPEATED: &[(&str, &str)] = &[
    // Immutable at AWS; a certificate that was asked for with other names is replaced by the difference in the program.
    ("aws.acm.certificate", "alternatives"),
    // No property of AWS: the records that it waits for.
    ("aws.acm.issued_certificate", "records"),
    // No property of AWS: the internet gateway that it holds, for the order of what goes.
    ("aws.ec2.nat_gateway", "internet_gateway"),
];

/// What became of a property that was asked for with a wrong value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    /// The right value was found.
    Observed,
    /// The resource was not found under the wrong value: it is a part of its key.
    Key,
    /// The wrong value came back.
    Repeated,
}

#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn a_property_is_read_and_not_repeated() {
    let emulator = Emulator::start(0.002, 0.0);
    let program = Program::new(&emulator, site(FIRST));
    let store = MemoryStore::new("shop", "lineage");
    let _ = program.deploy(&store).await;
    let state = store.load().await.expect("a memory is readable").state;
    let mut answers: BTreeMap<Answer, BTreeSet<(String, String)>> = BTreeMap::new();
    let mut unprobed = BTreeSet::new();
    for schema in program.stack.nodes().map(|node| node.schema).filter(|schema| schema.kind == Kind::Managed) {
        let name = schema.type_name.to_owned();
        for (region, property) in properties(&state, &name) {
            match probe(&program, &state, &name, &region, &property).await {
                Some(answer) => {
                    answers.entry(answer).or_default().insert((name.clone(), property));
                }
                None => {
                    unprobed.insert((name.clone(), property));
                }
            }
        }
    }
    for (answer, properties) in &answers {
        let properties: Vec<_> = properties.iter().map(|(name, property)| format!("{name}.{property}")).collect();
        println!("{answer:?} {}: {}", properties.len(), properties.join(" "));
    }
    println!("not probed: {unprobed:?}");
    let repeated = REPEATED.iter().map(|(name, property)| ((*name).to_owned(), (*property).to_owned())).collect();
    assert_eq!(answers.remove(&Answer::Repeated).unwrap_or_default(), repeated);
    assert!(answers[&Answer::Observed].len() > 80, "{answers:#?}");
}

/// The properties of a type in each region that has it.
fn properties(state: &State, name: &str) -> BTreeSet<(String, String)> {
    let records = state.resources.values().filter(|record| record.type_name == name);
    let of = |record: &dr_core::Record| {
        let args = record.current.as_ref().and_then(|current| current.args.as_object()).cloned().unwrap_or_default();
        args.keys().map(|property| (record.region.clone(), property.clone())).collect::<Vec<_>>()
    };
    records.flat_map(of).collect()
}

/// Other values of the same form, or of one that an absent value may have; some do not decode as the type wants it.
fn wrong(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => vec![Value::from("x"), Value::from(1), Value::from(true), Value::from(vec!["x"])],
        Value::Bool(flag) => vec![Value::from(!flag)],
        Value::Number(number) => match number.as_u64() {
            Some(number) => vec![Value::from(number + 1)],
            None => number.as_f64().map(|number| Value::from(number + 1.0)).into_iter().collect(),
        },
        // A range of addresses, then what takes any text. Choices take neither.
        Value::String(text) => {
            let moved = text.replacen("10.", "11.", 1);
            (moved != *text).then_some(moved).into_iter().chain([format!("{text}0")]).map(Value::from).collect()
        }
        Value::Array(items) if items.is_empty() => vec![Value::from(vec!["x"])],
        Value::Array(items) => vec![Value::from(items[1..].to_vec())],
        Value::Object(fields) => {
            let change = |(name, field): (&String, &Value)| {
                let mut changed = Vec::new();
                for wrong in wrong(field) {
                    let mut fields = fields.clone();
                    fields.insert(name.clone(), wrong);
                    changed.push(Value::from(fields));
                }
                changed
            };
            fields.iter().flat_map(change).collect()
        }
    }
}

/// Asks for a property with each wrong value until one decodes.
async fn probe(program: &Program, state: &State, name: &str, region: &str, property: &str) -> Option<Answer> {
    for attempt in 0..16 {
        if let Some(answer) = ask(program, state, name, region, property, attempt).await {
            return Some(answer);
        }
    }
    None
}

async fn ask(
    program: &Program,
    state: &State,
    name: &str,
    region: &str,
    property: &str,
    attempt: usize,
) -> Option<Answer> {
    let session = program.session();
    let provider = session.registry.get(name).expect("a type of the program");
    let mut wanted = Vec::new();
    let mut right = BTreeMap::new();
    for (address, record) in
        state.resources.iter().filter(|(_, record)| record.type_name == name && record.region == region)
    {
        let current = record.current.as_ref().expect("it is deployed");
        let mut args = current.args.clone();
        let value = args.get(property)?.clone();
        args[property] = wrong(&value).into_iter().nth(attempt)?;
        right.insert(address.clone(), (value, args[property].clone()));
        wanted.push(WantedData {
            stack: state.stack.clone(),
            address: address.clone(),
            generation: current.generation,
            token: current.token.clone(),
            args,
            outputs: current.outputs.clone(),
        });
    }
    program.aws.begin_refresh();
    let found = provider.read(&state.stack, region, wanted).await.ok()?;
    let read: Vec<_> =
        found.iter().filter_map(|data| Some((right.get(&data.address)?, data.args.as_ref()?.get(property)?))).collect();
    if read.is_empty() {
        return Some(Answer::Key);
    }
    let repeated = read.iter().any(|((right, wrong), read)| *read == wrong && *read != right);
    Some(if repeated { Answer::Repeated } else { Answer::Observed })
}
