//! The frozen program: a petgraph DAG of erased nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::address::Address;
use crate::check::Finding;
use crate::resource::{Need, OnRemove, Schema};
use crate::value::{Secrets, Value};

/// One resource of the program, erased.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Node {
    /// Its place in the program.
    pub address: Address,
    /// Its type.
    pub schema: &'static Schema,
    /// The region at the provider, `global` for none.
    pub region: Arc<str>,
    /// The inputs, with references where they are not known yet.
    pub inputs: Value,
    /// The tags of its scopes, where the provider has tags; ownership tags come on top.
    pub tags: Arc<BTreeMap<String, String>>,
    /// What happens when it is no longer in the program.
    pub on_remove: OnRemove,
    /// The accepted checks with their reasons.
    pub waivers: Vec<(String, String)>,
    /// `src/main.rs:14:9`: the line of the program.
    pub declared_at: String,
    /// The line inside the construct that added it, when that is another.
    pub declared_in: Option<String>,
}

/// The program as data: immutable, acyclic by construction, in order of insertion.
///
/// A reference exists only after its resource was added, so every edge points to an earlier node and the order of
/// insertion is a topological order.
#[derive(Debug, Clone)]
pub struct Graph {
    pub(crate) name: String,
    /// Edges run from the resource that needs to the one that is needed.
    pub(crate) dag: DiGraph<Node, Need>,
    pub(crate) by_address: BTreeMap<Address, NodeIndex>,
    /// Old and new address or scope path.
    pub(crate) moves: Vec<(String, String)>,
    pub(crate) not_moved: Vec<(String, String)>,
    /// Digest → value of each secret. Never serialised.
    pub(crate) secrets: Secrets,
    pub(crate) findings: Vec<Finding>,
    pub(crate) outputs: Value,
    /// The types of another program, for a plan that takes it away.
    pub(crate) schemas: BTreeMap<&'static str, &'static Schema>,
}

impl Graph {
    /// A program without resources.
    pub(crate) fn empty(name: &str) -> Self {
        Graph {
            name: name.to_owned(),
            dag: DiGraph::new(),
            by_address: BTreeMap::new(),
            moves: Vec::new(),
            not_moved: Vec::new(),
            secrets: Secrets::default(),
            findings: Vec::new(),
            outputs: Value::Null,
            schemas: BTreeMap::new(),
        }
    }

    /// The declarations of all types of the program.
    pub(crate) fn schemas(&self) -> BTreeMap<&'static str, &'static Schema> {
        let own = self.nodes().map(|node| (node.schema.type_name, node.schema));
        self.schemas.iter().map(|(name, schema)| (*name, *schema)).chain(own).collect()
    }

    /// The declaration of a type that the program has, or had.
    pub(crate) fn schema(&self, type_name: &str) -> Option<&'static Schema> {
        self.schemas.get(type_name).copied()
    }

    /// The name of the stack.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many resources it has, looked-up ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.dag.node_count()
    }

    /// Whether it has no resource.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dag.node_count() == 0
    }

    /// The resources in topological order: what is needed comes first.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = &Node> + ExactSizeIterator {
        self.dag.raw_nodes().iter().map(|node| &node.weight)
    }

    /// The resources of one type.
    pub fn nodes_of(&self, type_name: &str) -> impl Iterator<Item = &Node> {
        self.nodes().filter(move |node| node.schema.type_name == type_name)
    }

    /// The resource at an address.
    #[must_use]
    pub fn get(&self, address: &str) -> Option<&Node> {
        self.by_address.get(address).map(|&index| &self.dag[index])
    }

    /// What a resource needs, and how far it must be.
    pub fn needs(&self, address: &str) -> impl Iterator<Item = (&Node, Need)> {
        self.edges(address, Direction::Outgoing)
    }

    /// What needs a resource.
    pub fn dependents(&self, address: &str) -> impl Iterator<Item = (&Node, Need)> {
        self.edges(address, Direction::Incoming)
    }

    fn edges(&self, address: &str, direction: Direction) -> impl Iterator<Item = (&Node, Need)> {
        let edges = self.by_address.get(address).map(|&index| self.dag.edges_directed(index, direction));
        edges.into_iter().flatten().map(move |edge| {
            let other = if direction == Direction::Outgoing { edge.target() } else { edge.source() };
            (&self.dag[other], *edge.weight())
        })
    }

    /// What the program promises, with references in the places of what only its resources know. See [`value`](crate::value).
    #[must_use]
    pub fn outputs(&self) -> &Value {
        &self.outputs
    }

    /// What the rules found, waived findings included.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The petgraph DAG itself, for algorithms of one's own; edges run from the resource that needs to the one needed.
    #[must_use]
    pub fn dag(&self) -> &DiGraph<Node, Need> {
        &self.dag
    }

    /// The graph in Graphviz's language, one cluster for each region.
    #[must_use]
    pub fn dot(&self) -> String {
        use std::fmt::Write as _;
        let mut out = format!("digraph {:?} {{\n  rankdir = LR;\n  node [shape = box, style = rounded];\n", self.name);
        let mut regions: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
        for node in self.nodes() {
            regions.entry(node.address.region()).or_default().push(node);
        }
        // Writing to a String cannot fail.
        for (region, nodes) in regions {
            let _ = writeln!(out, "  subgraph \"cluster_{region}\" {{\n    label = {region:?};");
            for node in nodes {
                let label = format!("{}\\n{}", node.address.path(), node.schema.type_name);
                let _ = writeln!(out, "    {:?} [label = \"{label}\"];", node.address.as_str());
            }
            let _ = writeln!(out, "  }}");
        }
        for edge in self.dag.edge_references() {
            let style = if *edge.weight() == Need::Accepted { " [style = dashed]" } else { "" };
            let (from, to) = (&self.dag[edge.source()].address, &self.dag[edge.target()].address);
            let _ = writeln!(out, "  {:?} -> {:?}{style};", from.as_str(), to.as_str());
        }
        out.push_str("}\n");
        out
    }
}
