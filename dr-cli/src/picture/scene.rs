//! What is in the picture: the stations of a request, the resources around them, and the ways between.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dr_core::{Graph, Kind as DrKind, Node, Value};

use crate::render::split_key;
use crate::text::{noun, seconds, type_words};

/// A picture before anything has a place.
#[derive(Debug, Default)]
pub(super) struct Scene {
    /// The stack.
    pub(super) title: String,
    /// Counts in words.
    pub(super) subtitle: String,
    /// The regions, the one that serves first.
    pub(super) panels: Vec<Panel>,
    /// What belongs to no region.
    pub(super) around: Vec<Cluster>,
    /// The stations, in order of their stage.
    pub(super) cards: Vec<Card>,
    pub(super) flows: Vec<Flow>,
    /// Whether the stations are those of a request, or just parts of the program.
    pub(super) requests: bool,
}

/// A region.
#[derive(Debug, Default)]
pub(super) struct Panel {
    /// Its name at the provider.
    pub(super) region: String,
    /// Its name in addresses.
    pub(super) key: String,
    /// What the program calls it, where that is another name.
    pub(super) role: Option<String>,
    /// How DNS uses it.
    pub(super) duty: Option<Duty>,
    /// What carries the stations.
    pub(super) clusters: Vec<Cluster>,
    /// `VPC 10.0.0.0/16`.
    pub(super) network: Option<String>,
}

/// How DNS uses a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    Primary,
    Standby,
    Shared,
}

/// Resources that are only counted.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub(super) title: String,
    /// Words, and the addresses behind them.
    pub(super) chips: Vec<(String, Vec<String>)>,
}

/// Where a card stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Around,
    Panel(usize),
}

/// What a card is, for its sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Users,
    Name,
    Edge,
    Choice,
    Domain,
    Api,
    Link,
    Balancer,
    Server,
    Other,
}

/// A station, or a part of the program.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) kind: Kind,
    pub(super) place: Place,
    pub(super) title: String,
    pub(super) subtitle: String,
    /// All addresses behind it.
    pub(super) addresses: Vec<String>,
    /// The row in its place, when it is not a station.
    pub(super) level: usize,
}

/// A way from one card to another.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) style: Style,
    /// On the way, and below it.
    pub(super) label: Option<(String, Option<String>)>,
}

/// How a way is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Where requests go while all is well.
    Main,
    /// Where they go after a failover.
    Standby,
    /// A dependency.
    Plain,
}

/// A type without the difference between `-` and `_`.
fn kind_of(node: &Node) -> String {
    node.schema.type_name.replace('-', "_")
}

/// The station that a node is, if it is one.
fn station(graph: &Graph, node: &Node) -> Option<Kind> {
    Some(match kind_of(node).as_str() {
        "aws.cloudfront.distribution" => Kind::Edge,
        "aws.route53.record_set" if routing(node).is_some() => Kind::Choice,
        "aws.route53.record_set" => {
            let entry = graph.needs(node.address.as_str()).any(|(n, _)| kind_of(n) == "aws.cloudfront.distribution");
            return entry.then_some(Kind::Name);
        }
        "aws.apigatewayv2.domain" => Kind::Domain,
        "aws.apigatewayv2.http_api" => Kind::Api,
        "aws.apigatewayv2.vpc_link" => Kind::Link,
        "aws.elbv2.load_balancer" => Kind::Balancer,
        "aws.ec2.instance" => Kind::Server,
        _ => return None,
    })
}

/// What lies between two stations without being one.
fn connects(node: &Node) -> bool {
    matches!(
        kind_of(node).as_str(),
        "aws.apigatewayv2.mapping"
            | "aws.apigatewayv2.stage"
            | "aws.apigatewayv2.route"
            | "aws.apigatewayv2.integration"
            | "aws.elbv2.listener"
            | "aws.elbv2.listener_rule"
            | "aws.elbv2.target_group"
            | "aws.elbv2.target_registration"
    )
}

/// Policy and parameter of a record with several answers.
fn routing(node: &Node) -> Option<(&str, &Value)> {
    let (policy, parameter) = node.inputs.get("routing")?.as_object()?.iter().next()?;
    Some((policy, parameter))
}

fn text<'v>(value: &'v Value, field: &str) -> Option<&'v str> {
    value.get(field).and_then(Value::as_str)
}

/// The picture of a program.
pub(super) fn of(graph: &Graph) -> Scene {
    let stations: BTreeSet<Kind> = graph.nodes().filter_map(|node| station(graph, node)).collect();
    let mut scene = Scene { title: graph.name().to_owned(), requests: stations.len() >= 2, ..Scene::default() };
    panels(graph, &mut scene);
    if scene.requests {
        requests(graph, &mut scene);
    } else {
        parts(graph, &mut scene);
    }
    let managed = graph.nodes().filter(|node| node.schema.kind == DrKind::Managed);
    let (global, regional): (Vec<_>, Vec<_>) = managed.partition(|node| node.address.region() == "global");
    let all = noun(global.len() + regional.len(), "resource");
    let regions = noun(scene.panels.len(), "region");
    scene.subtitle = match (scene.panels.len(), global.len()) {
        (0, _) => all,
        (_, 0) => format!("{all} in {regions}"),
        (_, n) => format!("{all}: {} in {regions}, {n} global", regional.len()),
    };
    scene
}

fn panels(graph: &Graph, scene: &mut Scene) {
    for node in graph.nodes() {
        let key = node.address.region();
        if key != "global" && !scene.panels.iter().any(|panel| panel.key == key) {
            let region = node.region.to_string();
            let role = (region != key).then(|| key.to_owned());
            scene.panels.push(Panel { region, key: key.to_owned(), role, ..Panel::default() });
        }
    }
}

fn place(scene: &Scene, node: &Node) -> Place {
    match scene.panels.iter().position(|panel| panel.key == node.address.region()) {
        Some(at) => Place::Panel(at),
        None => Place::Around,
    }
}

/// The first part of a path, without its key.
fn top(path: &str) -> &str {
    let end = path.find(['.', '[']).unwrap_or(path.len());
    &path[..end]
}

/// A picture of requests: stations with the ways between them, everything else counted.
fn requests(graph: &Graph, scene: &mut Scene) {
    order_panels(graph, scene);
    let mut members: BTreeMap<String, usize> = BTreeMap::new();
    let mut card_of: BTreeMap<&str, usize> = BTreeMap::new();
    if graph.nodes().any(|node| station(graph, node).is_some()) {
        scene.cards.push(card(Kind::Users, Place::Around, "Users".to_owned(), String::new()));
    }
    let mut found: Vec<(Kind, &Node)> = graph.nodes().filter_map(|node| Some((station(graph, node)?, node))).collect();
    found.sort_by_key(|(kind, _)| *kind);
    for (kind, node) in found {
        let place = place(scene, node);
        let key = match kind {
            // The answers of one name, and its types, are one station.
            Kind::Name | Kind::Choice => {
                format!("{kind:?} {}", text(&node.inputs, "name").unwrap_or(node.address.as_str()))
            }
            Kind::Server => format!("{kind:?} {place:?} {}", top(node.address.path())),
            _ => format!("{kind:?} {}", node.address),
        };
        let at = *members.entry(key).or_insert_with(|| {
            let (title, subtitle) = words(kind, node);
            scene.cards.push(card(kind, place, title, subtitle));
            scene.cards.len() - 1
        });
        scene.cards[at].addresses.push(node.address.to_string());
        card_of.insert(node.address.as_str(), at);
    }
    for card in &mut scene.cards {
        if card.kind == Kind::Server && card.addresses.len() > 1 {
            card.title = noun(card.addresses.len(), "instance");
            card.subtitle = card.subtitle.split(", ").next().unwrap_or_default().to_owned();
        }
    }
    clusters(graph, scene, &card_of);
    ways(graph, scene, &card_of);
    colour(scene);
}

fn card(kind: Kind, place: Place, title: String, subtitle: String) -> Card {
    Card { kind, place, title, subtitle, addresses: Vec::new(), level: 0 }
}

/// The region that DNS prefers comes first.
fn order_panels(graph: &Graph, scene: &mut Scene) {
    for node in graph.nodes_of("aws.route53.record_set") {
        let duty = match routing(node) {
            Some(("failover", role)) if role == "primary" => Duty::Primary,
            Some(("failover", _)) => Duty::Standby,
            Some(_) => Duty::Shared,
            None => continue,
        };
        let targets = graph.needs(node.address.as_str()).map(|(needed, _)| needed);
        for target in targets.filter(|target| station(graph, target).is_some()) {
            if let Some(panel) = scene.panels.iter_mut().find(|panel| panel.key == target.address.region()) {
                panel.duty = Some(duty);
            }
        }
    }
    scene.panels.sort_by_key(|panel| match panel.duty {
        Some(Duty::Primary) => 0,
        Some(Duty::Shared) => 1,
        Some(Duty::Standby) => 2,
        None => 3,
    });
    for panel in &mut scene.panels {
        let vpcs: Vec<_> = graph.nodes_of("aws.ec2.vpc").filter(|vpc| vpc.address.region() == panel.key).collect();
        panel.network = match vpcs.as_slice() {
            [] => None,
            [one] => Some(text(&one.inputs, "cidr").map_or_else(|| "VPC".to_owned(), |cidr| format!("VPC {cidr}"))),
            many => Some(noun(many.len(), "VPC")),
        };
    }
}

/// Title and subtitle of a station.
fn words(kind: Kind, node: &Node) -> (String, String) {
    let (inputs, name) = (&node.inputs, node.address.path().to_owned());
    let own = |title: &str| (title.to_owned(), name.clone());
    match kind {
        Kind::Name => {
            let (title, _) = own(text(inputs, "name").unwrap_or(&name));
            (title, "Route 53 alias".to_owned())
        }
        Kind::Choice => {
            let policy = routing(node).map_or("", |(policy, _)| policy);
            let (title, _) = own(text(inputs, "name").unwrap_or(&name));
            (title, format!("Route 53 {policy} record"))
        }
        Kind::Edge => ("CloudFront".to_owned(), name),
        Kind::Domain => match text(inputs, "name") {
            Some(domain) => (domain.to_owned(), "API Gateway domain".to_owned()),
            None => own("API Gateway domain"),
        },
        Kind::Api => own("HTTP API"),
        Kind::Link => own("VPC link"),
        Kind::Balancer => own("Load balancer"),
        Kind::Server => match text(inputs, "instance_type") {
            Some(size) => ("Instance".to_owned(), format!("{size}, {name}")),
            None => own("Instance"),
        },
        Kind::Users | Kind::Other => (name, type_words(node.schema.type_name)),
    }
}

/// Everything that is no station, counted by construct and type.
fn clusters(graph: &Graph, scene: &mut Scene, card_of: &BTreeMap<&str, usize>) {
    type Chips = Vec<(String, Vec<String>)>;
    let mut groups: Vec<(Place, String, Chips)> = Vec::new();
    let counted = |node: &&Node| node.schema.kind == DrKind::Managed && !card_of.contains_key(node.address.as_str());
    for node in graph.nodes().filter(counted) {
        let place = place(scene, node);
        // The second part of a path tells more than the first where a whole region is one construct.
        let scope = node.address.scope();
        let mut parts = scope.split('.').map(|part| split_key(part).0);
        let title = match (parts.next().unwrap_or_default(), parts.next()) {
            _ if place == Place::Around => "global".to_owned(),
            ("", _) => String::new(),
            (first, None) => first.to_owned(),
            (first, Some(second)) => format!("{first} · {second}"),
        };
        let at = groups.iter().position(|(p, t, _)| *p == place && *t == title).unwrap_or_else(|| {
            groups.push((place, title, Vec::new()));
            groups.len() - 1
        });
        let words = type_words(node.schema.type_name);
        let chips = &mut groups[at].2;
        match chips.iter_mut().find(|(known, _)| *known == words) {
            Some((_, addresses)) => addresses.push(node.address.to_string()),
            None => chips.push((words, vec![node.address.to_string()])),
        }
    }
    for (place, title, chips) in groups {
        // The construct that the stations of a region are in goes without saying.
        let stations = scene.cards.iter().find(|card| card.place == place && card.kind != Kind::Users);
        let main = stations.and_then(|card| card.addresses.first()?.split_once('/')).map_or("", |(_, path)| top(path));
        let title = match title.split_once(" · ") {
            Some((first, second)) if first == main && place != Place::Around => second.to_owned(),
            _ => title,
        };
        let chips = chips.into_iter().map(|(words, addresses)| (noun(addresses.len(), &words), addresses)).collect();
        let cluster = Cluster { title, chips };
        match place {
            Place::Around => scene.around.push(cluster),
            Place::Panel(at) => scene.panels[at].clusters.push(cluster),
        }
    }
}

/// The ways between stations: through what connects them, never through what only carries them.
fn ways(graph: &Graph, scene: &mut Scene, card_of: &BTreeMap<&str, usize>) {
    let mut ways: BTreeSet<(usize, usize)> = BTreeSet::new();
    for (&address, &from) in card_of {
        let kind = scene.cards[from].kind;
        let next: Vec<usize> = reachable(graph, address, card_of)
            .into_iter()
            .filter(|&to| {
                scene.cards[to].kind > kind && (kind < Kind::Domain || scene.cards[to].place == scene.cards[from].place)
            })
            .collect();
        // An API reaches its link and, behind that, the load balancer: only the next station is a way.
        let nearest = next.iter().map(|&to| scene.cards[to].kind).min();
        ways.extend(next.into_iter().filter(|&to| Some(scene.cards[to].kind) == nearest).map(|to| (from, to)));
        if kind == Kind::Edge {
            let origin =
                graph.get(address).and_then(|node| text(node.inputs.get("origin")?, "domain")).unwrap_or_default();
            let names =
                scene.cards.iter().enumerate().filter(|(_, card)| card.kind == Kind::Choice && card.title == origin);
            ways.extend(names.map(|(to, _)| (from, to)));
        }
    }
    if let Some(users) = scene.cards.iter().position(|card| card.kind == Kind::Users) {
        let first = (0..scene.cards.len()).filter(|&to| to != users && !ways.iter().any(|&(_, known)| known == to));
        let first: Vec<usize> = first.collect();
        // What stands at the outside is where users come in; a second instance that nothing leads to is not.
        let outermost = first.iter().map(|&to| scene.cards[to].kind).min();
        ways.extend(first.into_iter().filter(|&to| Some(scene.cards[to].kind) == outermost).map(|to| (users, to)));
    }
    for (from, to) in ways {
        let label = label(graph, scene, from, to);
        scene.flows.push(Flow { from, to, style: Style::Main, label });
    }
}

/// The stations that can be reached from a node without passing another station.
fn reachable(graph: &Graph, address: &str, card_of: &BTreeMap<&str, usize>) -> BTreeSet<usize> {
    let (mut seen, mut found) = (BTreeSet::from([address.to_owned()]), BTreeSet::new());
    let mut queue = VecDeque::from([address.to_owned()]);
    while let Some(at) = queue.pop_front() {
        let around = graph.needs(&at).chain(graph.dependents(&at)).map(|(node, _)| node);
        for node in around {
            if !seen.insert(node.address.to_string()) {
                continue;
            }
            if let Some(&card) = card_of.get(node.address.as_str()) {
                found.insert(card);
            } else if connects(node) {
                queue.push_back(node.address.to_string());
            }
        }
    }
    found
}

/// What is said on the way from a name with several answers: which answer it is, and what decides about it.
fn label(graph: &Graph, scene: &Scene, from: usize, to: usize) -> Option<(String, Option<String>)> {
    if scene.cards[from].kind != Kind::Choice {
        return None;
    }
    let targets = &scene.cards[to].addresses;
    let records = scene.cards[from].addresses.iter().filter_map(|address| graph.get(address));
    let record = records.into_iter().find(|record| {
        graph.needs(record.address.as_str()).any(|(n, _)| targets.iter().any(|t| *t == n.address.as_str()))
    })?;
    let (policy, parameter) = routing(record)?;
    let words = match (policy, parameter.as_str()) {
        ("failover", Some("primary")) => "primary".to_owned(),
        ("failover", _) => "standby".to_owned(),
        ("latency", Some(region)) => format!("nearest to {region}"),
        ("weighted", _) => format!("weight {parameter}"),
        (other, _) => other.to_owned(),
    };
    Some((words, health(graph, record)))
}

/// `HTTPS /health, 3 × 10 s`.
fn health(graph: &Graph, record: &Node) -> Option<String> {
    let mut check = None;
    dr_core::value::references(record.inputs.get("health_check")?, &mut |r| {
        check = check.or_else(|| graph.get(r.address))
    });
    let inputs = &check?.inputs;
    let kind = text(inputs, "kind").unwrap_or("health check").replace('_', " ").to_uppercase();
    let path = text(inputs, "path").unwrap_or_default();
    let mut words = format!("{kind} {path}").trim().to_owned();
    let number = |field: &str| inputs.get(field).and_then(Value::as_f64);
    if let (Some(interval), Some(threshold)) = (number("interval_s"), number("threshold")) {
        words.push_str(&format!(", {threshold} × {}", seconds(interval)));
    }
    Some(words)
}

/// Ways into a standby, and inside it, are drawn as such.
fn colour(scene: &mut Scene) {
    let standby: Vec<bool> = scene.panels.iter().map(|panel| panel.duty == Some(Duty::Standby)).collect();
    for flow in &mut scene.flows {
        if let Place::Panel(at) = scene.cards[flow.to].place
            && standby[at]
        {
            flow.style = Style::Standby;
        }
    }
}

/// As many cards as a place can have before they are put together.
const CARDS_MAX: usize = 40;

/// A picture of any program: its parts by depth, with the slowest chain marked.
fn parts(graph: &Graph, scene: &mut Scene) {
    let by_name = |node: &Node| {
        format!("{} {} {}", node.address.scope(), split_key(node.address.name()).0, node.schema.type_name)
    };
    let by_scope = |node: &Node| node.address.scope().to_owned();
    let by_top = |node: &Node| top(node.address.path()).to_owned();
    let keys: [&dyn Fn(&Node) -> String; 3] = [&by_name, &by_scope, &by_top];
    let fits = |key: &dyn Fn(&Node) -> String| {
        let mut regions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        graph.nodes().for_each(|node| {
            regions.entry(node.address.region()).or_default().insert(key(node));
        });
        regions.values().all(|keys| keys.len() <= CARDS_MAX)
    };
    let at = keys.iter().position(|key| fits(*key)).unwrap_or(keys.len() - 1);
    let mut card_of: BTreeMap<&str, usize> = BTreeMap::new();
    let mut known: BTreeMap<(String, String), usize> = BTreeMap::new();
    for node in graph.nodes() {
        let key = (node.address.region().to_owned(), keys[at](node));
        let index = *known.entry(key).or_insert_with(|| {
            let title = match at {
                0 => split_key(node.address.name()).0.to_owned(),
                1 => node.address.scope().to_owned(),
                _ => top(node.address.path()).to_owned(),
            };
            let title = if title.is_empty() { "(top)".to_owned() } else { title };
            scene.cards.push(card(Kind::Other, place(scene, node), title, type_words(node.schema.type_name)));
            scene.cards.len() - 1
        });
        scene.cards[index].addresses.push(node.address.to_string());
        card_of.insert(node.address.as_str(), index);
    }
    for card in &mut scene.cards {
        let n = card.addresses.len();
        card.subtitle = match at {
            0 if n == 1 => card.subtitle.clone(),
            0 => noun(n, &card.subtitle),
            _ => noun(n, "resource"),
        };
    }
    let mut edges: BTreeSet<(usize, usize)> = BTreeSet::new();
    for node in graph.nodes() {
        for (needed, _) in graph.needs(node.address.as_str()) {
            let (from, to) = (card_of[node.address.as_str()], card_of[needed.address.as_str()]);
            if from != to {
                edges.insert((from, to));
            }
        }
    }
    levels(scene, &edges);
    let slow = slowest(graph, &card_of);
    for (from, to) in reduced(&edges, &slow) {
        let style = if slow.contains(&(from, to)) { Style::Main } else { Style::Plain };
        scene.flows.push(Flow { from, to, style, label: None });
    }
}

/// A card stands below everything that needs it, in its own place.
fn levels(scene: &mut Scene, edges: &BTreeSet<(usize, usize)>) {
    // Cards that were put together may need each other; the bound ends that.
    for _ in 0..scene.cards.len() {
        let mut changed = false;
        for &(from, to) in edges {
            if scene.cards[from].place == scene.cards[to].place && scene.cards[to].level <= scene.cards[from].level {
                let level = scene.cards[from].level + 1;
                if level < scene.cards.len() {
                    scene.cards[to].level = level;
                    changed = true;
                }
            }
        }
        if !changed {
            break;
        }
    }
}

/// The edges without those that say only what a longer way says already.
fn reduced(edges: &BTreeSet<(usize, usize)>, keep: &BTreeSet<(usize, usize)>) -> Vec<(usize, usize)> {
    let mut next: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    edges.iter().for_each(|&(from, to)| next.entry(from).or_default().push(to));
    let implied = |from: usize, to: usize| {
        let (mut seen, mut stack) = (BTreeSet::from([from]), Vec::new());
        stack.extend(next[&from].iter().copied().filter(|&other| other != to));
        while let Some(at) = stack.pop() {
            if at == to {
                return true;
            }
            if seen.insert(at) {
                stack.extend(next.get(&at).into_iter().flatten().copied());
            }
        }
        false
    };
    // Cards that stand for several parts may need each other: neither of two such edges follows from the other.
    let mutual = |from: usize, to: usize| edges.contains(&(to, from));
    edges
        .iter()
        .copied()
        .filter(|&(from, to)| keep.contains(&(from, to)) || mutual(from, to) || !implied(from, to))
        .collect()
}

/// The steps of the chain that takes the longest to create, as pairs of cards.
fn slowest(graph: &Graph, card_of: &BTreeMap<&str, usize>) -> BTreeSet<(usize, usize)> {
    let mut ends: BTreeMap<&str, (f64, Option<&str>)> = BTreeMap::new();
    for node in graph.nodes() {
        let before = graph.needs(node.address.as_str()).map(|(n, _)| n.address.as_str());
        let before = before.max_by(|a, b| ends[a].0.total_cmp(&ends[b].0));
        let start = before.map_or(0.0, |before| ends[before].0);
        ends.insert(node.address.as_str(), (start + node.schema.create_s, before));
    }
    let last = ends.iter().max_by(|a, b| a.1.0.total_cmp(&b.1.0)).map(|(address, _)| *address);
    let (mut pairs, mut at) = (BTreeSet::new(), last);
    while let Some(address) = at {
        let before = ends[address].1;
        if let Some(before) = before {
            pairs.insert((card_of[address], card_of[before]));
        }
        at = before;
    }
    pairs
}
