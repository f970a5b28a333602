//! Building a stack: runs the program, collects every error, freezes the result.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use petgraph::graph::{DiGraph, NodeIndex};

use crate::address::{Address, NameError, check_name};
use crate::check::{Finding, Severity};
use crate::construct::{Builder, Shared, need_of};
use crate::graph::{Graph, Node};
use crate::resource::{Inputs, Need};
use crate::value::{self, Origin, Value};

/// A program that was run and checked: the graph, and the typed outputs that it promises.
#[derive(Debug)]
pub struct Stack<O = ()> {
    graph: Graph,
    outputs: std::marker::PhantomData<fn() -> O>,
}

impl<O> Deref for Stack<O> {
    type Target = Graph;

    fn deref(&self) -> &Graph {
        &self.graph
    }
}

/// A transform of nodes, kept until the program has run.
type Transform = Box<dyn Fn(&mut Node)>;
/// A rule over the frozen graph.
type Rule = Box<dyn Fn(&Graph) -> Vec<Finding>>;

/// What the scopes of a running program write to.
#[derive(Default)]
pub(crate) struct Program {
    pub(crate) nodes: Vec<Draft>,
    pub(crate) names: BTreeMap<String, &'static Location<'static>>,
    pub(crate) bound: BTreeMap<&'static str, Rc<str>>,
    pub(crate) moves: Vec<(String, String)>,
    pub(crate) not_moved: Vec<(String, String)>,
    pub(crate) secrets: value::Secrets,
    pub(crate) transforms: Vec<Transform>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) errors: Vec<BuildError>,
    regions: BTreeMap<String, Arc<str>>,
    tags: Vec<(Rc<Tags>, Arc<Tags>)>,
}

/// Tags by key.
type Tags = BTreeMap<String, String>;

/// A node with the order-only edges that its scope asked for.
pub(crate) struct Draft {
    pub(crate) node: Node,
    pub(crate) after: Vec<Origin>,
}

impl Program {
    /// One shared text for each region.
    pub(crate) fn intern(&mut self, region: &str) -> Arc<str> {
        if let Some(known) = self.regions.get(region) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = region.into();
        self.regions.insert(region.to_owned(), Arc::clone(&shared));
        shared
    }

    /// One shared map for all nodes of a scope: they come one after another, so the last one is nearly always the one.
    pub(crate) fn tags(&mut self, tags: &Rc<BTreeMap<String, String>>) -> Arc<BTreeMap<String, String>> {
        if let Some((last, shared)) = self.tags.last()
            && Rc::ptr_eq(last, tags)
        {
            return Arc::clone(shared);
        }
        let shared = Arc::new(tags.as_ref().clone());
        self.tags.push((Rc::clone(tags), Arc::clone(&shared)));
        shared
    }
}

impl<O: Inputs> Stack<O> {
    /// Runs the program and freezes what it added.
    ///
    /// ```
    /// # use dr_core::{Stack, Global};
    /// let stack = Stack::build("shop", |stack| {
    ///     let _global = stack.region(Global);
    /// })?;
    /// assert_eq!(stack.name(), "shop");
    /// # Ok::<(), dr_core::BuildErrors>(())
    /// ```
    ///
    /// # Errors
    /// All errors of the program together: names that are taken or not valid, inputs that cannot be right, regions bound
    /// twice, findings of severity error that are not waived. Nothing is frozen then.
    pub fn build(name: &str, program: impl FnOnce(&Builder) -> O) -> Result<Self, BuildErrors> {
        // Outputs carry the number of their build, so that one that leaks into another program is noticed.
        static BUILDS: AtomicU32 = AtomicU32::new(0);
        let build = BUILDS.fetch_add(1, Ordering::Relaxed);
        let shared = Shared { name: name.to_owned(), build, draft: Default::default() };
        let builder = Builder { shared };
        let outputs = program(&builder);
        let mut program = builder.shared.draft.into_inner();
        let mut errors = std::mem::take(&mut program.errors);
        if let Err(problem) = check_name(name) {
            errors.insert(0, BuildError::Stack { problem });
        }

        let addresses: Vec<Address> = program.nodes.iter().map(|draft| draft.node.address.clone()).collect();
        let find = |origin: Origin| (origin.build == build).then(|| addresses[origin.node as usize].clone());
        let mut dag = DiGraph::with_capacity(program.nodes.len(), program.nodes.len() * 2);
        let mut by_address = BTreeMap::new();
        for mut draft in program.nodes {
            let node = &mut draft.node;
            if let Err(problem) = value::link(&mut node.inputs, &mut |origin| find(origin)) {
                let (address, at) = (node.address.clone(), node.declared_at.clone());
                errors.push(BuildError::Input { address, at, problem });
            }
            let address = node.address.clone();
            for transform in &program.transforms {
                transform(node);
            }
            if node.address != address {
                // What refers to it does so by the address that it was added under.
                let problem = format!("a transform changes its address to {}: say `moved` instead", node.address);
                errors.push(BuildError::Input { address: address.clone(), at: node.declared_at.clone(), problem });
                node.address = address;
            }
            let mut edges: BTreeMap<NodeIndex, Need> = BTreeMap::new();
            let mut edge = |index: NodeIndex, need: Need| {
                edges.entry(index).and_modify(|known| *known = (*known).max(need)).or_insert(need);
            };
            if let Value::Object(fields) = &node.inputs {
                for (field, input) in fields {
                    let need = need_of(node, field);
                    value::references(input, &mut |reference| {
                        if let Some(&index) = by_address.get(reference.address) {
                            edge(index, need);
                        }
                    });
                }
            }
            for origin in draft.after {
                match find(origin).and_then(|address| by_address.get(&address).copied()) {
                    Some(index) => edge(index, Need::Ready),
                    None => errors.push(BuildError::Input {
                        address: draft.node.address.clone(),
                        at: draft.node.declared_at.clone(),
                        problem: "it is to come after a resource of another program".to_owned(),
                    }),
                }
            }
            let index = by_address_insert(&mut dag, &mut by_address, draft.node);
            for (needed, need) in edges {
                debug_assert!(needed < index, "edges point to earlier nodes");
                dag.add_edge(index, needed, need);
            }
        }

        let mut encoded = serde_json::to_value(&outputs).map_err(|error| error.to_string());
        if let Ok(outputs) = &mut encoded
            && let Err(problem) = value::link(outputs, &mut |origin| find(origin))
        {
            errors.push(BuildError::Outputs { problem });
        }
        let outputs = encoded.unwrap_or_else(|problem| {
            errors.push(BuildError::Outputs { problem });
            Value::Null
        });
        let secrets = program.secrets;
        let (moves, not_moved) = (program.moves, program.not_moved);
        let name = name.to_owned();
        let (findings, schemas) = (Vec::new(), BTreeMap::new());
        let mut graph = Graph { name, dag, by_address, moves, not_moved, secrets, findings, outputs, schemas };
        graph.schemas = graph.schemas();
        if errors.is_empty() {
            graph.findings = run_rules(&graph, &program.rules);
            let unwaived = |f: &&Finding| f.severity == Severity::Error && f.waived.is_none();
            errors.extend(graph.findings.iter().filter(unwaived).cloned().map(BuildError::Finding));
        }
        if errors.is_empty() {
            Ok(Stack { graph, outputs: std::marker::PhantomData })
        } else {
            Err(BuildErrors { stack: graph.name, errors })
        }
    }
}

impl<O: Inputs> Stack<O> {
    /// The typed outputs of the program, resolved from the outputs of its resources.
    ///
    /// # Errors
    /// A resource that an output comes from does not exist yet.
    pub fn outputs<'s>(&self, outputs_of: impl Fn(&str) -> Option<&'s Value>) -> Result<O::Args, OutputsError> {
        let missing = std::cell::RefCell::new(None);
        let (resolved, complete) = value::resolve(&self.graph.outputs, &|reference| {
            let found = outputs_of(reference.address).and_then(|outputs| reference.select(outputs));
            if found.is_none() {
                *missing.borrow_mut() = Some(format!("{}.{}", reference.address, reference.field));
            }
            found
        });
        if !complete {
            return Err(OutputsError::Unknown { what: missing.into_inner().unwrap_or_default() });
        }
        value::decode(resolved, "the outputs of the stack").map_err(OutputsError::Decode)
    }
}

/// Why the outputs of a program cannot be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputsError {
    /// A resource is not there yet.
    #[error("`{what}` is not known yet: deploy first")]
    Unknown {
        /// Address and output.
        what: String,
    },
    /// The recorded outputs do not have the type that the program expects.
    #[error("the recorded outputs do not fit the program")]
    Decode(#[source] serde_json::Error),
}

fn by_address_insert(
    dag: &mut DiGraph<Node, Need>,
    by_address: &mut BTreeMap<Address, NodeIndex>,
    node: Node,
) -> NodeIndex {
    let address = node.address.clone();
    let index = dag.add_node(node);
    by_address.insert(address, index);
    index
}

fn run_rules(graph: &Graph, rules: &[Rule]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = rules.iter().flat_map(|rule| rule(graph)).collect();
    for finding in &mut findings {
        let waivers = graph.get(finding.address.as_str()).map_or(&[][..], |node| &node.waivers);
        finding.waived = waivers.iter().find(|(id, _)| *id == finding.id).map(|(_, reason)| reason.clone());
    }
    findings.sort_by(|a, b| (&b.severity, &a.address, &a.id).cmp(&(&a.severity, &b.address, &b.id)));
    findings
}

/// Everything that is wrong with a program, at once.
#[derive(Debug)]
pub struct BuildErrors {
    /// The stack's name.
    pub stack: String,
    /// The errors in the order in which they were met; at least one.
    pub errors: Vec<BuildError>,
}

impl fmt::Display for BuildErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.errors.len();
        write!(f, "the program of stack `{}` has {n} error{}", self.stack, if n == 1 { "" } else { "s" })?;
        for error in &self.errors {
            write!(f, "\n  {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildErrors {}

/// One error of a program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The stack's own name.
    #[error("the stack's name: {problem}")]
    Stack {
        /// What is wrong with it.
        problem: NameError,
    },
    /// The name of a part.
    #[error("{at}: a name in `{scope}`: {problem}")]
    Name {
        /// The scope in which it was to be added.
        scope: String,
        /// The line of the program.
        at: String,
        /// What is wrong with it.
        problem: NameError,
    },
    /// Two parts with one name.
    #[error("{second}: the name `{address}` is taken: it was given at {first}")]
    Duplicate {
        /// The name.
        address: String,
        /// Where it was given first.
        first: String,
        /// Where it was given again.
        second: String,
    },
    /// An input of a resource.
    #[error("{at}: {address}: {problem}")]
    Input {
        /// The resource.
        address: Address,
        /// The line of the program.
        at: String,
        /// The input and what is wrong with it.
        problem: String,
    },
    /// A construct cannot be built as asked for.
    #[error("{at}: {path}: {problem}")]
    Construct {
        /// Its path.
        path: String,
        /// The line of the program.
        at: String,
        /// What is wrong.
        problem: String,
    },
    /// A region is bound twice, or not valid.
    #[error("{problem}")]
    Region {
        /// What is wrong.
        problem: String,
    },
    /// A move names no address.
    #[error("a move: {problem}")]
    Move {
        /// What is wrong with the name.
        problem: NameError,
    },
    /// The outputs of the program.
    #[error("the outputs of the program: {problem}")]
    Outputs {
        /// What is wrong.
        problem: String,
    },
    /// A rule found an error that is not waived.
    #[error("{0}")]
    Finding(Finding),
}
