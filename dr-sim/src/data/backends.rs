//! What answers on an instance: nginx when the user data installs it, or a function of the user.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::faults::{DataFault, DataFaults, Service};
use super::http::{Got, Hop, Part, Reply, Request, Response, Trace};
use super::moment::Moment;
use super::vpc;
use crate::control::ec2::{self, Instance, InstanceState};
use crate::world::World;

/// What load balancers meet besides the configuration: the part of the data plane that a world carries with it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Backends {
    /// The faults as they were last told, so that DescribeTargetHealth reports what requests run into.
    pub(crate) faults: DataFaults,
    /// Instances that have been seen serving: what is installed stays installed when the way to the internet goes.
    pub(crate) installed: BTreeSet<String>,
    /// Functions are not data: a loaded world has none.
    #[serde(skip)]
    pub(crate) handlers: Handlers,
}

type Handler = Arc<dyn Fn(&Request) -> Response + Send + Sync>;

/// The functions that answer in place of nginx, by instance or by tag.
///
/// A handler is called for requests of users, of health checkers and of load balancers alike; it must answer the same
/// request the same way, since a day of checking does not call it 8,640 times.
#[derive(Clone, Default)]
pub struct Handlers {
    by_instance: BTreeMap<String, Handler>,
    by_tag: BTreeMap<(String, String), Handler>,
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_instance.keys()).entries(self.by_tag.keys()).finish()
    }
}

impl World {
    /// Lets a function answer what reaches an instance, on every port and from the end of its boot on. It is asked over plain
    /// HTTP and over TLS alike, as the protocol of the target group says.
    pub fn serve_instance(&mut self, id: &str, handler: impl Fn(&Request) -> Response + Send + Sync + 'static) {
        self.elbv2.backends.handlers.by_instance.insert(id.to_owned(), Arc::new(handler));
    }

    /// Lets a function answer what reaches any instance with this tag, over HTTP and TLS; a function for the instance itself
    /// goes first.
    pub fn serve_tag(
        &mut self,
        key: &str,
        value: &str,
        handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) {
        self.elbv2.backends.handlers.by_tag.insert((key.to_owned(), value.to_owned()), Arc::new(handler));
    }

    /// The text that every instance with this tag answers with status 200, to any request over HTTP or TLS.
    pub fn serve_text(&mut self, key: &str, value: &str, text: &str) {
        let text = text.to_owned();
        self.serve_tag(key, value, move |_| Response::new(200, text.clone()));
    }
}

impl Handlers {
    fn of(&self, world: &World, region: &str, instance: &str) -> Option<&Handler> {
        let tags = || ec2::region(world, region)?.tags.get(instance);
        let tagged = || tags()?.iter().find_map(|(key, value)| self.by_tag.get(&(key.clone(), value.clone())));
        self.by_instance.get(instance).or_else(tagged)
    }
}

/// How long a process on an instance takes to answer **(assumption)**, in milliseconds.
const SERVE_MS: u64 = 5;

/// What an instance does with a connection, before anything is sent over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// With the user data of the nginx that listens there, unless a function of the user answers.
    Serves(Option<String>),
    Hangs,
    /// Answers everything with a status.
    Broken(u16),
    Refuses(String),
    Unreachable(String),
}

/// The condition of a port of an instance.
pub(super) fn condition(
    world: &World,
    faults: &DataFaults,
    at: &Moment,
    region: &str,
    id: &str,
    port: u16,
) -> Condition {
    let Some(instance) = ec2::instance(world, region, id) else {
        return Condition::Unreachable("it does not exist any more".to_owned());
    };
    let zone = ec2::subnet(world, region, &instance.subnet_id).map(|subnet| subnet.zone.as_str()).unwrap_or_default();
    if faults.service_away(at, region, Service::Ec2) {
        return Condition::Unreachable(format!("EC2 of {region} is away"));
    }
    if faults.zone_away(at, zone) {
        return Condition::Unreachable(format!("its zone {zone} is away"));
    }
    match state(instance, at) {
        InstanceState::Running => {}
        other => return Condition::Unreachable(format!("it is {}", other.name())),
    }
    enum Ill {
        Down,
        Hung,
        Broken(u16),
    }
    let ill = faults.find(at, |fault| match fault {
        DataFault::InstanceDown { instance } if instance == id => Some(Ill::Down),
        DataFault::InstanceHung { instance } if instance == id => Some(Ill::Hung),
        DataFault::InstanceAnswers { instance, status } if instance == id => Some(Ill::Broken(*status)),
        _ => None,
    });
    match ill {
        Some(Ill::Down) => return Condition::Unreachable("it is down".to_owned()),
        Some(Ill::Hung) => return Condition::Hangs,
        Some(Ill::Broken(status)) => return Condition::Broken(status),
        None => {}
    }
    if !at.reached(instance.since_ms(at.now_ms()) + instance.boot_takes_ms) {
        return Condition::Refuses("it is still booting".to_owned());
    }
    if world.elbv2.backends.handlers.of(world, region, id).is_some() {
        return Condition::Serves(None);
    }
    match nginx(world, faults, region, instance) {
        Err(why) => Condition::Refuses(why),
        Ok((from_ms, _)) if !at.reached(from_ms) => Condition::Refuses("nginx is still being installed".to_owned()),
        Ok((_, script)) if !listens(&script).iter().any(|(open, _)| *open == port) => {
            Condition::Refuses(format!("nothing listens on port {port}"))
        }
        Ok((_, script)) => Condition::Serves(Some(script)),
    }
}

/// Sends a request to a port of an instance that can be reached, in the clear or after a TLS handshake, as its scheme says.
/// Load balancers do not look at the certificate of a target.
pub(super) fn send(
    world: &World,
    faults: &DataFaults,
    at: &Moment,
    trace: &mut Trace,
    (region, id, port): (&str, &str, u16),
    request: &Request,
) -> Got {
    let hop = || Hop::new(Part::Instance, id, Some(region));
    trace.reach(hop());
    let late_ms = faults.find(at, |fault| match fault {
        DataFault::InstanceSlow { instance, by_ms } if instance == id => Some(*by_ms),
        _ => None,
    });
    let ms = SERVE_MS + late_ms.unwrap_or(0);
    let condition = condition(world, faults, at, region, id, port);
    // A function of the user speaks both.
    let tls = match &condition {
        Condition::Serves(Some(script)) => listens(script).into_iter().find(|(open, _)| *open == port),
        _ => None,
    };
    match (tls, request.scheme.as_str()) {
        (Some((_, false)), "https") => {
            trace.fail(hop(), format!("it speaks plain HTTP on port {port} and is sent a TLS handshake"));
            return Got::Refused;
        }
        (Some((_, true)), "http") => {
            trace.fail(hop(), format!("it expects TLS on port {port} and is sent plain HTTP"));
            return Reply::html(400, "The plain HTTP request was sent to HTTPS port").after(ms);
        }
        _ => {}
    }
    let reply = match condition {
        Condition::Unreachable(why) => {
            trace.fail(hop(), why);
            return Got::NoConnection;
        }
        Condition::Hangs => {
            trace.fail(hop(), "it accepts connections and does not answer");
            return Got::Silence;
        }
        Condition::Refuses(why) => {
            trace.fail(hop(), why);
            return Got::Refused;
        }
        Condition::Broken(status) => Reply::html(status, "bad build"),
        Condition::Serves(script) => serve(world, region, id, &script.unwrap_or_default(), request),
    };
    if reply.status >= 500 {
        trace.fail(hop(), format!("it answers {}", reply.status));
    }
    reply.after(ms)
}

fn serve(world: &World, region: &str, id: &str, script: &str, request: &Request) -> Reply {
    if let Some(handler) = world.elbv2.backends.handlers.of(world, region, id) {
        let Response { status, headers, body, .. } = handler(request);
        return Reply { status, headers, body };
    }
    let mut reply = match page(script, &request.path) {
        Some(body) => Reply { status: 200, body, ..Reply::html(200, "") },
        None => Reply::html(404, "Not Found"),
    };
    reply.headers.insert("server".to_owned(), "nginx".to_owned());
    if request.method == "HEAD" {
        reply.body.clear();
    }
    reply
}

/// The state of an instance, with the instants of its changes noted.
pub(super) fn state(instance: &Instance, at: &Moment) -> InstanceState {
    for (begins_ms, _) in &instance.states {
        at.reached(*begins_ms);
    }
    instance.state_at(at.now_ms())
}

/// The user data as text.
fn user_data(instance: &Instance) -> Option<String> {
    let bytes = aws_smithy_types::base64::decode(instance.user_data.as_deref()?).ok()?;
    String::from_utf8(bytes).ok()
}

/// From when on nginx runs on an instance, with its user data; or why it never does. Of the faults, only those that lay in the
/// way out when it booted count.
fn nginx(world: &World, faults: &DataFaults, region: &str, instance: &Instance) -> Result<(u64, String), String> {
    let script = user_data(instance).unwrap_or_default();
    if !script.contains("nginx") {
        return Err("no web server is installed: its user data does not mention nginx".to_owned());
    }
    if !script.contains("install") || world.elbv2.backends.installed.contains(&instance.id) {
        return Ok((0, script));
    }
    // cloud-init runs once, at the end of the first boot; what it could not fetch then is not there, unless the script
    // tries until it can.
    let first_run = instance.states.iter().find(|(_, state)| *state == InstanceState::Running);
    let booted_ms = first_run.map_or(instance.launched_ms, |(at, _)| *at) + instance.boot_takes_ms;
    let failed = |why: String| format!("nginx could not be installed when it booted: {why}");
    let way = vpc::egress_from(world, region, instance).map_err(failed)?;
    let tries = script.contains("until ");
    if way.from_ms > booted_ms && !tries {
        return Err(failed("its NAT gateway was not available yet".to_owned()));
    }
    let mut from_ms = way.from_ms.max(booted_ms);
    if let Some(zone) = &way.zone {
        // A window after the other, until none is left.
        loop {
            let moment = Moment::at(from_ms);
            if !faults.zone_away(&moment, zone) {
                break;
            }
            if !tries {
                return Err(failed(format!("the zone {zone} of its NAT gateway was away")));
            }
            from_ms = moment.holds_until();
            if from_ms == u64::MAX {
                break;
            }
        }
    }
    Ok((from_ms, script))
}

/// Remembers the instances that serve now: losing the way to the internet later does not uninstall anything.
pub(crate) fn remember(world: &mut World, now_ms: u64) {
    let at = Moment::at(now_ms);
    let mut serving = Vec::new();
    let is_installed = |instance: &Instance, region: &str| {
        let nginx = nginx(world, &world.elbv2.backends.faults, region, instance);
        nginx.is_ok_and(|(from_ms, _)| at.reached(from_ms))
    };
    for group in world.elbv2.groups.values().filter(|group| group.target_type == "instance") {
        for target in group.registered(now_ms).filter(|target| !world.elbv2.backends.installed.contains(&target.id)) {
            let running = ec2::instance(world, &group.region, &target.id)
                .filter(|instance| instance.booted_at(now_ms) && is_installed(instance, &group.region));
            let condition = condition(world, &DataFaults::none(), &at, &group.region, &target.id, target.port);
            if running.is_some() && matches!(condition, Condition::Serves(_)) {
                serving.push(target.id.clone());
            }
        }
    }
    world.elbv2.backends.installed.extend(serving);
}

/// The ports on which the configuration in the script lets nginx listen, with whether it speaks TLS there; and the usual one,
/// in the clear, unless that is replaced.
fn listens(script: &str) -> Vec<(u16, bool)> {
    let after_listen = script.split("listen").skip(1).filter_map(|rest| {
        let directive = rest.split([';', '\n']).next().unwrap_or_default();
        let digits: String = directive.trim_start().chars().take_while(char::is_ascii_digit).collect();
        Some((digits.parse().ok()?, directive.split_whitespace().any(|word| word == "ssl")))
    });
    let ports: Vec<(u16, bool)> = after_listen.collect();
    if script.contains("/nginx/nginx.conf") && !ports.is_empty() { ports } else { [vec![(80, false)], ports].concat() }
}

/// What nginx answers for a path, as far as it can be read from the script: files that are written below the document
/// root by `echo`, `printf` or `tee`, locations that `return` or `try_files` something, and the welcome page.
fn page(script: &str, path: &str) -> Option<String> {
    let name = if path.ends_with('/') { format!("{path}index.html") } else { path.to_owned() };
    if let Some(text) = script.lines().find_map(|line| written(line, &format!("html{name}"))) {
        return Some(text);
    }
    for head in [format!("location = {path} "), format!("location {path} "), "location / ".to_owned()] {
        let Some((_, block)) = script.split_once(&head) else { continue };
        let block = block.split('}').next().unwrap_or_default();
        if let Some((_, given)) = block.split_once("return 200") {
            return Some(words(given).into_iter().next().unwrap_or_default().trim_end_matches(';').to_owned());
        }
        if path != "/" && block.contains("try_files") && block.contains("/index.html") {
            return page(script, "/");
        }
    }
    (name == "/index.html").then(|| WELCOME.to_owned())
}

const WELCOME: &str = "Welcome to nginx!";

/// What a line of a shell script writes into a file whose name ends like this.
fn written(line: &str, file: &str) -> Option<String> {
    let words = words(line);
    let end = words.iter().position(|word| matches!(word.as_str(), ">" | "|"))?;
    if !words[end..].iter().any(|word| word.ends_with(file)) {
        return None;
    }
    let (command, arguments) = words[..end].split_first()?;
    match (command.as_str(), arguments) {
        ("echo", arguments) => {
            let text: Vec<&str> =
                arguments.iter().map(String::as_str).filter(|word| !matches!(*word, "-e" | "-n")).collect();
            Some(text.join(" "))
        }
        ("printf", [format, arguments @ ..]) => {
            let text =
                arguments.iter().fold(format.replace("\\n", "\n"), |text, argument| text.replacen("%s", argument, 1));
            Some(text.trim_end_matches('\n').to_owned())
        }
        _ => Some(WELCOME.to_owned()),
    }
}

/// The words of a line of shell script, with quotes and backslashes taken away.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some('"') | None, '\\') => word.get_or_insert_default().extend(rest.next()),
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "#!/bin/bash\n\
        dnf install -y nginx\n\
        echo \"hello from us-east-1\" > /usr/share/nginx/html/index.html\n\
        echo ok | tee /usr/share/nginx/html/health\n\
        cat > /etc/nginx/conf.d/x.conf <<'X'\n\
        server { listen 8080; location = /ping { return 200 'pong'; } }\n\
        X\n\
        systemctl enable --now nginx";

    #[test]
    fn nginx_serves_what_the_user_data_wrote() {
        assert_eq!(page(SCRIPT, "/").as_deref(), Some("hello from us-east-1"));
        assert_eq!(page(SCRIPT, "/ping").as_deref(), Some("pong"));
        assert_eq!(page(SCRIPT, "/health").as_deref(), Some("ok"));
        assert_eq!(page(SCRIPT, "/nothing"), None);
        assert_eq!(page("dnf install -y nginx", "/").as_deref(), Some(WELCOME));
    }

    #[test]
    fn one_page_under_every_path() {
        let script = r"until dnf install -y nginx; do sleep 5; done
            printf '%s\n' 'it'\''s the shop in us-east-1' > /usr/share/nginx/html/index.html
            cat > /etc/nginx/nginx.conf <<'CONF'
            server { listen 8080 default_server; location / { try_files /index.html =404; } }
            CONF";
        for path in ["/", "/health", "/a/b"] {
            assert_eq!(page(script, path).as_deref(), Some("it's the shop in us-east-1"), "{path}");
        }
        assert_eq!(listens(script), [(8080, false)], "the usual port is replaced");
    }

    #[test]
    fn nginx_listens_where_the_user_data_says() {
        assert_eq!(listens(SCRIPT), [(80, false), (8080, false)]);
        assert_eq!(listens("dnf install -y nginx"), [(80, false)]);
        assert_eq!(listens("server { listen 8443 ssl default_server; }"), [(80, false), (8443, true)]);
    }
}
