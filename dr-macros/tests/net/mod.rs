//! A small network to write programs about.

use dr_core::{
    Anywhere, Cidr, Construct, Global, Input, Inputs, IntoInput, Output, Outputs, Region, Resource, Scope, Text, id,
    region, same_region, text,
};

region!(
    /// Where most of it lives.
    UsEast1 = "us-east-1"
);
region!(
    /// Where the copy lives.
    UsWest2 = "us-west-2"
);
region!(
    /// Where traffic goes while all is well.
    role Primary = "primary"
);
id!(
    /// Of a VPC.
    VpcId,
    /// Of a subnet.
    SubnetId,
    /// Of a load balancer.
    AlbArn
);

/// A network of one's own.
#[derive(Resource)]
#[resource(type = "net.vpc", outputs = VpcOutputs)]
pub struct Vpc<R: Region = Anywhere> {
    #[input(replace)]
    cidr: Cidr,
    region: std::marker::PhantomData<fn() -> R>,
}

/// What is known of a VPC.
#[derive(Clone, Debug, Outputs)]
pub struct VpcOutputs<R: Region = Anywhere> {
    /// Its id.
    pub id: VpcId<R>,
}

impl<R: Region> Vpc<R> {
    /// Inputs that must be given.
    pub fn new(cidr: Cidr) -> Self {
        Vpc { cidr, region: std::marker::PhantomData }
    }
}

/// A part of a VPC.
#[derive(Resource)]
#[resource(type = "net.subnet", outputs = SubnetOutputs)]
pub struct Subnet<R: Region = Anywhere> {
    #[input(replace, accepted)]
    vpc: Input<VpcId<R>>,
    #[input(replace)]
    cidr: Cidr,
}

/// What is known of a subnet.
#[derive(Clone, Debug, Outputs)]
pub struct SubnetOutputs<R: Region = Anywhere> {
    /// Its id.
    pub id: SubnetId<R>,
}

impl<R: Region> Subnet<R> {
    /// Inputs that must be given.
    pub fn new(vpc: impl IntoInput<VpcId<R>>, cidr: Cidr) -> Self {
        Subnet { vpc: vpc.into_input(), cidr }
    }
}

/// A load balancer.
#[derive(Resource)]
#[resource(type = "net.alb", outputs = AlbOutputs, create_s = 150)]
pub struct Alb<R: Region = Anywhere> {
    subnets: Vec<Input<SubnetId<R>>>,
}

/// What is known of a load balancer.
#[derive(Clone, Debug, Outputs)]
pub struct AlbOutputs<R: Region = Anywhere> {
    /// Its ARN.
    pub arn: AlbArn<R>,
    /// The name it answers to.
    pub dns_name: String,
}

impl<R: Region> Alb<R> {
    /// Inputs that must be given.
    pub fn internal<S: IntoInput<SubnetId<R>>>(subnets: impl IntoIterator<Item = S>) -> Self {
        Alb { subnets: subnets.into_iter().map(IntoInput::into_input).collect() }
    }
}

/// A name that answers with the standby when the primary does not.
#[derive(Resource)]
#[resource(type = "net.pair", region = Global, outputs = PairOutputs)]
pub struct FailoverPair<P: Region = Anywhere, S: Region = Anywhere> {
    primary: Input<AlbArn<P>>,
    standby: Input<AlbArn<S>>,
}

/// What is known of a pair.
#[derive(Clone, Debug, Outputs)]
pub struct PairOutputs {
    /// The name.
    pub name: String,
}

impl<P: Region, S: Region> FailoverPair<P, S> {
    /// Inputs that must be given.
    pub fn new(primary: impl IntoInput<AlbArn<P>>, standby: impl IntoInput<AlbArn<S>>) -> Self {
        const { assert!(!same_region::<P, S>(), "a failover pair needs two different regions") };
        FailoverPair { primary: primary.into_input(), standby: standby.into_input() }
    }
}

/// A VPC with subnets and a load balancer.
pub struct Site {
    /// Of the VPC.
    pub cidr: Cidr,
    /// How many subnets.
    pub zones: u32,
}

/// What can be wired to a site.
pub struct SiteHandle<R: Region> {
    /// Its VPC.
    pub vpc: Output<VpcId<R>>,
    /// Its subnets.
    pub subnets: Vec<Output<SubnetId<R>>>,
    /// Its load balancer.
    pub alb: Output<AlbArn<R>>,
    /// Where it answers.
    pub url: Text,
}

impl<R: Region> Construct<R> for Site {
    type Handle = SiteHandle<R>;

    fn build(self, scope: Scope<'_, R>) -> SiteHandle<R> {
        let vpc = scope.add("vpc", Vpc::new(self.cidr));
        let subnet = |(zone, cidr)| scope.add(("private", zone), Subnet::new(vpc.id, cidr)).id;
        let subnets: Vec<_> =
            (0..).zip(self.cidr.split(self.zones)).map(|(zone, cidr): (u32, Cidr)| subnet((zone, cidr))).collect();
        let alb = scope.add("alb", Alb::internal(subnets.clone()));
        SiteHandle { vpc: vpc.id, subnets, alb: alb.arn, url: text!("https://{}/", alb.dns_name) }
    }
}

/// What the program promises.
#[derive(Inputs)]
pub struct ShopOutputs {
    /// Where it answers.
    pub url: Input<String>,
    /// The VPC of the primary.
    pub vpc: Output<VpcId<UsEast1>>,
}
