//! What rules ask a graph: which API a host leads to, which route a path takes, which answers a name has.
//!
//! Everything is read from the inputs as data, so a rule works whatever features the crate was built with.

use std::collections::BTreeMap;

use dr_core::value::{Reference, references};
use dr_core::{Graph, Node, Value};

pub(crate) use crate::model::canonical;

/// A frozen program, as rules look at it.
#[derive(Clone, Copy)]
pub struct View<'g> {
    /// The program.
    pub graph: &'g Graph,
}

/// What a probe or an origin names.
#[derive(Clone)]
pub enum Host<'g> {
    /// An API's own host, `{id}.execute-api.{region}.amazonaws.com`.
    Api(&'g Node),
    /// The target that DNS points to for an API domain, `d-….execute-api.{region}.amazonaws.com`.
    Target(&'g Node),
    /// A name.
    Name(String),
    /// Not known before a deploy.
    Unknown,
}

/// What a request to an API meets.
pub(crate) struct Way<'g> {
    pub(crate) domain: Option<&'g Node>,
    pub(crate) api: &'g Node,
    /// The path behind the mapping.
    pub(crate) path: String,
    pub(crate) stage: Stage,
    pub(crate) route: Route<'g>,
}

/// The stage that a request meets.
#[derive(Clone, Copy)]
pub(crate) enum Stage {
    Met,
    /// The API has stages, and none of them is for this path.
    Missed,
    /// The program has no stage of this API.
    Unknown,
}

/// The route that a request meets.
#[derive(Clone, Copy)]
pub(crate) enum Route<'g> {
    One(&'g Node),
    /// Not found.
    Missed,
    /// Whether a greedy variable takes the empty rest of a path is not documented.
    Unsure,
}

/// The answers of one name and type in a zone.
pub struct Answers<'g> {
    /// The name, when it is known.
    pub name: Option<String>,
    /// The type of the records.
    pub kind: &'g str,
    /// The answers, in the order of the program.
    pub records: Vec<&'g Node>,
}

/// Two regions between which Route 53 chooses.
#[derive(Clone, Copy)]
pub(crate) struct Choice<'g> {
    /// What the two answers lead to: primary and standby, or in the order of the program where both serve.
    pub(crate) sites: [&'g Node; 2],
    /// Both serve at once, so neither is the standby.
    pub(crate) both_serve: bool,
}

/// A failover pair whose records are both there.
pub(crate) struct Pair<'g> {
    pub(crate) primary: &'g Node,
    pub(crate) secondary: &'g Node,
}

impl<'g> View<'g> {
    /// The nodes of a type.
    pub fn of(self, type_name: &'static str) -> impl Iterator<Item = &'g Node> {
        self.graph.nodes_of(type_name)
    }

    /// The first reference in a value, with the node that it names.
    pub(crate) fn target(self, value: &'g Value) -> Option<(&'g Node, &'g str)> {
        first(value).and_then(|reference| Some((self.graph.get(reference.address)?, reference.field)))
    }

    /// The node that a value refers to.
    pub fn node(self, value: &'g Value) -> Option<&'g Node> {
        self.target(value).map(|(node, _)| node)
    }

    /// The nodes that a list refers to, each element by itself; `None` for what is written out.
    pub(crate) fn list(self, value: &'g Value) -> Vec<Option<&'g Node>> {
        value.as_array().map(|items| items.iter().map(|item| self.node(item)).collect()).unwrap_or_default()
    }

    /// The nodes of a type whose input refers to a node.
    pub fn users(self, type_name: &'static str, field: &'static str, of: &'g Node) -> Vec<&'g Node> {
        let uses = |node: &&Node| {
            let mut uses = false;
            references(&node.inputs[field], &mut |reference| uses |= reference.address == of.address.as_str());
            uses
        };
        // Who refers to a node depends on it, so the edges say where to look.
        self.graph
            .dependents(of.address.as_str())
            .map(|(node, _)| node)
            .filter(|node| node.schema.type_name == type_name)
            .filter(uses)
            .collect()
    }

    /// A text that is known before a deploy, references to names that the program gives included.
    pub fn text(self, value: &'g Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Object(object) => {
                if let Some(Value::Array(pieces)) = object.get("$text") {
                    return pieces.iter().map(|piece| self.text(piece)).collect();
                }
                let (node, field) = self.target(value).filter(|_| object.contains_key("$ref"))?;
                let same = matches!(
                    (node.schema.type_name, field),
                    (
                        "aws.apigatewayv2.domain"
                            | "aws.apigatewayv2.stage"
                            | "aws.route53.record_set"
                            | "aws.route53.hosted_zone"
                            | "aws.route53.zone_lookup",
                        "name"
                    )
                );
                if same { self.text(&node.inputs["name"]) } else { None }
            }
            _ => None,
        }
    }

    /// What a host names.
    pub fn host(self, value: &'g Value) -> Host<'g> {
        if let Some((node, field)) = self.target(value) {
            match (node.schema.type_name, field) {
                ("aws.apigatewayv2.http_api", "host" | "endpoint") => return Host::Api(node),
                ("aws.apigatewayv2.domain", "target_domain") => return Host::Target(node),
                _ => {}
            }
        }
        self.text(value).map_or(Host::Unknown, |name| Host::Name(canonical(&name)))
    }

    /// The API domains of a name: one in each region that serves it.
    pub(crate) fn domains(self, name: &str) -> Vec<&'g Node> {
        self.of("aws.apigatewayv2.domain").filter(|node| covers(text(node, "name"), name)).collect()
    }

    /// Where a GET of a path at a host leads; `None` when the host leads to no single API of the program.
    pub(crate) fn way(self, host: &Host<'g>, path: &str) -> Option<Way<'g>> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        match host {
            Host::Api(api) => {
                let stages = self.users("aws.apigatewayv2.stage", "api", api);
                let (head, rest) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_matches('/'), ""));
                let named = |name: &str| stages.iter().find(|stage| text(stage, "name") == name).copied();
                let (stage, path) = match (named(head), named("$default")) {
                    (Some(_), _) => (Stage::Met, format!("/{rest}")),
                    (None, Some(_)) => (Stage::Met, path.to_owned()),
                    (None, None) if stages.is_empty() => (Stage::Unknown, path.to_owned()),
                    (None, None) => (Stage::Missed, path.to_owned()),
                };
                let route = self.route(api, &path);
                Some(Way { domain: None, api, path, stage, route })
            }
            Host::Name(name) => {
                let domains = self.domains(name);
                let [domain] = domains.as_slice() else { return None };
                self.mapped(domain, path)
            }
            _ => None,
        }
    }

    /// Where a GET of a path at a domain leads.
    pub(crate) fn mapped(self, domain: &'g Node, path: &str) -> Option<Way<'g>> {
        let inside = |key: &str| match path.trim_start_matches('/').strip_prefix(key) {
            Some(rest) if key.is_empty() || rest.is_empty() || rest.starts_with('/') => {
                Some(format!("/{}", rest.trim_start_matches('/')))
            }
            _ => None,
        };
        let mappings = self.users("aws.apigatewayv2.mapping", "domain", domain);
        let fitting = mappings.into_iter().filter_map(|mapping| Some((mapping, inside(text(mapping, "key"))?)));
        let (mapping, rest) = fitting.max_by_key(|(mapping, _)| text(mapping, "key").len())?;
        let api = self.node(&mapping.inputs["api"])?;
        let stage = self.node(&mapping.inputs["stage"]).map_or(Stage::Unknown, |_| Stage::Met);
        let route = self.route(api, &rest);
        Some(Way { domain: Some(domain), api, path: rest, stage, route })
    }

    /// The route that a GET takes: the most specific one that fits.
    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html>
    fn route(self, api: &'g Node, path: &str) -> Route<'g> {
        let mut best: Option<(Rank, &Node)> = None;
        let mut unsure = false;
        for route in self.users("aws.apigatewayv2.route", "api", api) {
            let (method, pattern) = text(route, "key").split_once(' ').unwrap_or(("ANY", "$default"));
            if !matches!(method, "GET" | "ANY") {
                continue;
            }
            match fits(pattern, path) {
                Fit::Yes(rank) => {
                    let rank = (rank, method == "GET");
                    if best.as_ref().is_none_or(|(most, _)| rank > *most) {
                        best = Some((rank, route));
                    }
                }
                Fit::EmptyRest => unsure = true,
                Fit::No => {}
            }
        }
        match best {
            Some((_, route)) => Route::One(route),
            None if unsure => Route::Unsure,
            None => Route::Missed,
        }
    }

    /// The integrations behind the routes of an API.
    pub(crate) fn integrations(self, api: &'g Node) -> Vec<&'g Node> {
        self.users("aws.apigatewayv2.integration", "api", api)
    }

    /// The load balancer of a listener.
    pub(crate) fn balancer(self, listener: &'g Node) -> Option<&'g Node> {
        self.node(&listener.inputs["load_balancer"])
    }

    /// The rules of a listener, the first to be asked first.
    pub(crate) fn rules(self, listener: &'g Node) -> Vec<&'g Node> {
        let mut rules = self.users("aws.elbv2.listener_rule", "listener", listener);
        rules.sort_by_key(|rule| rule.inputs["priority"].as_u64());
        rules
    }

    /// The target groups to which a listener forwards, by its rules and by default.
    pub(crate) fn groups(self, listener: &'g Node) -> Vec<&'g Node> {
        let rules = self.rules(listener);
        let all = rules.iter().copied().chain([listener]).filter_map(|node| self.node(&node.inputs["forward"]));
        let mut groups: Vec<&Node> = Vec::new();
        for group in all {
            if groups.iter().all(|known| known.address != group.address) {
                groups.push(group);
            }
        }
        groups
    }

    /// The registrations of a target group.
    pub(crate) fn registrations(self, group: &'g Node) -> Vec<&'g Node> {
        self.users("aws.elbv2.target_registration", "group", group)
    }

    /// The names on a certificate, when the program requests it.
    pub(crate) fn certificate_names(self, value: &'g Value) -> Option<Vec<&'g str>> {
        let request = self.certificate_request(value)?;
        let further = request.inputs["alternatives"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Some(std::iter::once(text(request, "domain")).chain(further).collect())
    }

    /// The request of a certificate, from the ARN of the issued one or its own.
    pub(crate) fn certificate_request(self, value: &'g Value) -> Option<&'g Node> {
        let node = self.node(value)?;
        match node.schema.type_name {
            "aws.acm.issued_certificate" => self.node(&node.inputs["certificate"]),
            "aws.acm.certificate" => Some(node),
            _ => None,
        }
    }

    /// All answers of the program's zones, by zone, name and type.
    pub fn answers(self) -> Vec<Answers<'g>> {
        let mut answers: BTreeMap<[String; 3], Answers<'g>> = BTreeMap::new();
        for record in self.of("aws.route53.record_set") {
            let name = self.text(&record.inputs["name"]).map(|name| canonical(&name));
            let kind = text(record, "record_type");
            let key = name.clone().unwrap_or_else(|| record.inputs["name"].to_string());
            let key = [record.inputs["zone"].to_string(), key, kind.to_owned()];
            answers.entry(key).or_insert_with(|| Answers { name, kind, records: Vec::new() }).records.push(record);
        }
        answers.into_values().collect()
    }

    /// The complete failover pairs.
    pub(crate) fn pairs(self) -> Vec<Pair<'g>> {
        let pair = |answers: Answers<'g>| {
            let of = |wanted: &str| answers.records.iter().copied().find(|record| role(record) == Some(wanted));
            Some(Pair { primary: of("primary")?, secondary: of("secondary")? })
        };
        self.answers().into_iter().filter_map(pair).collect()
    }

    /// The answers among which Route 53 chooses.
    pub(crate) fn chosen(self) -> impl Iterator<Item = Answers<'g>> {
        self.answers().into_iter().filter(|answers| answers.records.iter().any(|record| policy(record) != "simple"))
    }

    /// Whether Route 53 chooses among several answers of a name.
    pub(crate) fn is_chosen(self, name: &str) -> bool {
        self.chosen().any(|answers| answers.name.as_deref() == Some(name))
    }

    /// The names whose two answers, by failover, latency or weight, lead to resources of the program in two regions.
    pub(crate) fn choices(self) -> impl Iterator<Item = Choice<'g>> {
        self.chosen().filter_map(move |answers| {
            let of = |wanted: &str| answers.records.iter().copied().find(|record| role(record) == Some(wanted));
            let (records, both_serve) = match (of("primary"), of("secondary"), answers.records.as_slice()) {
                (Some(primary), Some(secondary), _) => ([primary, secondary], false),
                (None, None, [one, two]) => ([*one, *two], true),
                _ => return None,
            };
            let regional = |record| self.answered_by(record).filter(|node| node.address.region() != "global");
            let sites = [regional(records[0])?, regional(records[1])?];
            (sites[0].address.region() != sites[1].address.region()).then_some(Choice { sites, both_serve })
        })
    }

    /// What a record answers with: the API domain, load balancer or distribution that its alias or its value names.
    pub fn answered_by(self, record: &'g Node) -> Option<&'g Node> {
        let alias = &record.inputs["alias"];
        let value = if alias.is_null() { &record.inputs["values"] } else { &alias["name"] };
        self.node(value)
    }

    /// The API domains that a name leads to: by its records, or because they have the name themselves.
    pub(crate) fn domains_behind(self, name: &str) -> Vec<&'g Node> {
        let mut found: Vec<&Node> = Vec::new();
        let records = self.of("aws.route53.record_set").filter(|record| self.name(record).as_deref() == Some(name));
        let answers = records.filter_map(|record| self.answered_by(record));
        let answers = answers.filter(|node| node.schema.type_name == "aws.apigatewayv2.domain");
        for domain in answers.chain(self.domains(name)) {
            if found.iter().all(|known| known.address != domain.address) {
                found.push(domain);
            }
        }
        found
    }

    /// The name of a record, when it is known.
    pub(crate) fn name(self, record: &'g Node) -> Option<String> {
        self.text(&record.inputs["name"]).map(|name| canonical(&name))
    }

    /// The APIs that a domain is mapped to.
    pub(crate) fn apis(self, domain: &'g Node) -> Vec<&'g Node> {
        let mappings = self.users("aws.apigatewayv2.mapping", "domain", domain);
        mappings.into_iter().filter_map(|mapping| self.node(&mapping.inputs["api"])).collect()
    }
}

/// How specific a route is for a path, and whether it is for the method alone.
type Rank = (Vec<u8>, bool);

/// How a pattern of a route takes a path.
enum Fit {
    /// With what is compared: the higher, the more specific.
    Yes(Vec<u8>),
    /// A greedy variable would have to take nothing.
    EmptyRest,
    No,
}

fn fits(pattern: &str, path: &str) -> Fit {
    if pattern == "$default" {
        return Fit::Yes(vec![0]);
    }
    let split = |text: &str| text.trim_matches('/').split('/').map(str::to_owned).collect::<Vec<_>>();
    let (wanted, given) = (split(pattern), split(path));
    // A full match comes before one by a greedy variable, whatever stands in front.
    let mut rank = vec![2];
    for (at, segment) in wanted.iter().enumerate() {
        if segment.ends_with("+}") {
            rank[0] = 1;
            let rest = given.get(at).is_some_and(|rest| !rest.is_empty());
            return if rest { Fit::Yes(rank) } else { Fit::EmptyRest };
        }
        match given.get(at) {
            Some(text) if text == segment => rank.push(2),
            Some(text) if segment.starts_with('{') && !text.is_empty() => rank.push(1),
            _ => return Fit::No,
        }
    }
    if wanted.len() == given.len() { Fit::Yes(rank) } else { Fit::No }
}

/// The first reference in a value.
pub(crate) fn first(value: &Value) -> Option<Reference<'_>> {
    let mut found = None;
    references(value, &mut |reference| {
        if found.is_none() {
            found = Some(reference);
        }
    });
    found
}

/// A text of the inputs; empty when it is none.
pub fn text<'g>(node: &'g Node, field: &str) -> &'g str {
    node.inputs[field].as_str().unwrap_or_default()
}

/// `failover`, `latency`, `weighted`, `simple`, `other`.
pub fn policy(record: &Node) -> &str {
    let routing = &record.inputs["routing"];
    routing.as_str().or_else(|| routing.as_object()?.keys().next().map(String::as_str)).unwrap_or("simple")
}

/// `primary` or `secondary`.
pub(crate) fn role(record: &Node) -> Option<&str> {
    record.inputs["routing"]["failover"].as_str()
}

/// Whether a name on a certificate or a domain is this name; `*` is exactly one label.
pub(crate) fn covers(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (canonical(pattern), canonical(name));
    match (pattern.strip_prefix("*."), name.split_once('.')) {
        (Some(parent), Some((label, rest))) => !label.is_empty() && parent == rest,
        _ => pattern == name,
    }
}

/// The region in an ARN that is written out: `arn:aws:acm:eu-west-1:…`.
pub(crate) fn arn_region(value: &Value) -> Option<&str> {
    let arn = value.as_str().filter(|text| text.starts_with("arn:"))?;
    arn.split(':').nth(3).filter(|region| !region.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(pattern: &str, path: &str) -> Option<Vec<u8>> {
        match fits(pattern, path) {
            Fit::Yes(rank) => Some(rank),
            _ => None,
        }
    }

    #[test]
    fn the_most_specific_route_wins() {
        let routes = ["/pets/dog/1", "/pets/dog/{id}", "/pets/{proxy+}", "/{proxy+}", "$default"];
        let chosen = |path: &str| {
            let fitting = routes.iter().filter_map(|route| Some((rank(route, path)?, *route)));
            fitting.max().map(|(_, route)| route)
        };
        assert_eq!(chosen("/pets/dog/1"), Some("/pets/dog/1"));
        assert_eq!(chosen("/pets/dog/2"), Some("/pets/dog/{id}"));
        assert_eq!(chosen("/test/5"), Some("/{proxy+}"));
        assert_eq!(chosen("/"), Some("$default"));
        assert!(rank("/", "/health").is_none() && rank("/", "/").is_some());
        assert!(matches!(fits("/{proxy+}", "/"), Fit::EmptyRest));
    }

    #[test]
    fn a_star_is_one_label() {
        assert!(covers("*.example.com", "a.Example.com.") && covers("a.example.com", "a.example.com"));
        assert!(!covers("*.example.com", "a.b.example.com") && !covers("*.example.com", "example.com"));
    }
}
