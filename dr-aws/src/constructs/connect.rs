//! Who may reach whom: pairs of security group rules.

use dr_core::value::Origin;
use dr_core::{Cidr, Construct, Handle, Output, Precedes, Region, Scope};

use crate::ec2::{Peer, Port, SecurityGroup, SecurityGroupRule};
use crate::ids::SecurityGroupId;

/// Something with a security group of its own: what rules are made for.
pub trait Connect<R: Region> {
    /// Its security group.
    fn group(&self) -> Output<SecurityGroupId<R>>;

    /// Lets `peer` reach these ports of this; a construct to add.
    ///
    /// Both sides get a rule: groups let nothing out by default.
    ///
    /// ```
    /// # use dr_aws::{constructs::Connect, ec2::{Port, SecurityGroup, Vpc}, regions::UsEast1};
    /// # dr_core::Stack::build("shop", |stack| {
    /// # let east = stack.region(UsEast1);
    /// # let vpc = east.add("vpc", Vpc::new(dr_core::cidr!("10.0.0.0/16")));
    /// let (link, alb) = (east.add("link", SecurityGroup::new(vpc.id)), east.add("alb", SecurityGroup::new(vpc.id)));
    /// east.add("link-to-alb", alb.allow_from(&link, Port::tcp(80)));
    /// # }).unwrap();
    /// ```
    fn allow_from(&self, peer: &impl Connect<R>, ports: Port) -> Allow<R> {
        Allow { from: Side::Group(peer.group()), to: Side::Group(self.group()), ports }
    }

    /// Lets this reach these ports of `peer`; a construct to add.
    fn allow_to(&self, peer: &impl Connect<R>, ports: Port) -> Allow<R> {
        Allow { from: Side::Group(self.group()), to: Side::Group(peer.group()), ports }
    }

    /// Lets a range of addresses reach these ports of this; a construct to add.
    fn allow_from_range(&self, range: Cidr, ports: Port) -> Allow<R> {
        Allow { from: Side::Range(range), to: Side::Group(self.group()), ports }
    }

    /// Lets this reach these ports of a range of addresses; a construct to add.
    fn allow_to_range(&self, range: Cidr, ports: Port) -> Allow<R> {
        Allow { from: Side::Group(self.group()), to: Side::Range(range), ports }
    }
}

impl<R: Region> Connect<R> for Handle<SecurityGroup<R>> {
    fn group(&self) -> Output<SecurityGroupId<R>> {
        self.id
    }
}

impl<R: Region> Connect<R> for Output<SecurityGroupId<R>> {
    fn group(&self) -> Output<SecurityGroupId<R>> {
        *self
    }
}

#[derive(Debug, Clone, Copy)]
enum Side<R: Region> {
    Group(Output<SecurityGroupId<R>>),
    Range(Cidr),
}

impl<R: Region> Side<R> {
    fn peer(self) -> Peer<R> {
        match self {
            Side::Group(group) => Peer::group(group),
            Side::Range(range) => Peer::cidr(range),
        }
    }
}

/// Lets one reach the other: a rule in the group of each side. Made by [`Connect`].
///
/// The rules are resources of their own, so that two groups can name each other, and so that they go before the groups do.
#[derive(Debug, Clone)]
pub struct Allow<R: Region> {
    from: Side<R>,
    to: Side<R>,
    ports: Port,
}

/// The rules of an [`Allow`]; a side that is a range of addresses has none.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct AllowHandle<R: Region> {
    /// What lets it leave.
    pub egress: Option<Handle<SecurityGroupRule<R>>>,
    /// What lets it arrive.
    pub ingress: Option<Handle<SecurityGroupRule<R>>>,
}

impl<R: Region> Construct<R> for Allow<R> {
    type Handle = AllowHandle<R>;

    fn build(self, scope: Scope<'_, R>) -> AllowHandle<R> {
        let Allow { from, to, ports } = self;
        let egress = match from {
            Side::Group(group) => Some(scope.add("egress", SecurityGroupRule::egress(group, ports.clone(), to.peer()))),
            Side::Range(_) => None,
        };
        let ingress = match to {
            Side::Group(group) => Some(scope.add("ingress", SecurityGroupRule::ingress(group, ports, from.peer()))),
            Side::Range(_) => None,
        };
        AllowHandle { egress, ingress }
    }
}

/// Several resources that something else has to come after, although it takes nothing from them.
///
/// ```
/// # use dr_aws::{constructs::Network, ec2::SecurityGroup, regions::UsEast1};
/// # dr_core::Stack::build("shop", |stack| {
/// # let east = stack.region(UsEast1);
/// let network = east.add("network", Network::new(dr_core::cidr!("10.0.0.0/16")));
/// let later = network.egress[0].before(&east);
/// later.add("group", SecurityGroup::new(network.vpc));
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Default)]
pub struct Order {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Copy)]
struct Node(Origin);

impl Precedes for Node {
    fn node(&self) -> Origin {
        self.0
    }
}

impl Order {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Order::default()
    }

    /// And this.
    #[must_use]
    pub fn and(mut self, part: &impl Precedes) -> Self {
        self.nodes.push(Node(part.node()));
        self
    }

    /// And all of these.
    #[must_use]
    pub fn and_all(mut self, other: &Order) -> Self {
        self.nodes.extend(&other.nodes);
        self
    }

    /// The scope; what is added through it comes after all of them.
    #[must_use]
    pub fn before<'b, R: Region>(&self, scope: &Scope<'b, R>) -> Scope<'b, R> {
        self.nodes.iter().fold(scope.clone(), |scope, node| scope.after(node))
    }
}
