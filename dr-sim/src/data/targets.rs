//! The health of targets as a load balancer sees it, replayed from the configuration and the faults.
//!
//! Nothing is stored: the checks since the registration are replayed piece by piece, a piece being a stretch of time
//! in which every check ends the same way. A new target needs one passed check, a failed one the healthy threshold, a
//! healthy one turns unhealthy after the unhealthy threshold (AWS page "Health checks for Application Load Balancer
//! target groups").

use super::backends::{self, Condition};
use super::faults::{DataFaults, Service};
use super::http::{Got, Request, Trace};
use super::moment::Moment;
use super::vpc::{self, End};
use crate::control::ec2::{self, InstanceState};
use crate::control::elbv2::{Balancer, Target, TargetGroup};
use crate::world::World;

/// From the registration until the first check **(assumption)**.
const REGISTRATION_MS: u64 = 5_000;

/// Where a target stands, as DescribeTargetHealth tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    Healthy,
    /// Registered, not checked yet.
    Registering,
    /// Checked, not often enough to say.
    Checking,
    /// No requests and no checks: why.
    NotInUse(String),
    /// The instance is in this state.
    NotRunning(&'static str),
    Draining,
    /// Unhealthy: the checks time out.
    TimedOut,
    /// Unhealthy: the checks are answered with this status.
    WrongStatus(u16),
    /// Unhealthy: the checks are refused.
    Refused,
}

impl Standing {
    /// Whether the load balancer would send it a request when no target is healthy.
    pub(super) fn may_get_requests(&self) -> bool {
        !matches!(self, Standing::NotInUse(_) | Standing::NotRunning(_) | Standing::Draining)
    }
}

/// How one check ends.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Check {
    Passed,
    TimedOut,
    WrongStatus(u16),
    Refused,
}

/// A target's end of the connection, and the instance behind it. `None` when nothing has the address.
pub(super) fn end_of(world: &World, group: &TargetGroup, target: &Target) -> Option<(End, String)> {
    let network = ec2::region(world, &group.region)?;
    let id = if group.target_type == "instance" {
        target.id.clone()
    } else {
        let here = network.instances.values().filter(|instance| instance.vpc_id == group.vpc_id);
        here.into_iter().find(|instance| instance.private_ip.to_string() == target.id)?.id.clone()
    };
    let interface = &network.instances.get(&id)?.interface_id;
    Some((End::of_interface(world, &group.region, interface, &format!("instance {id}"))?, id))
}

/// The zone of a target.
fn zone_of<'a>(world: &'a World, group: &TargetGroup, target: &Target) -> Option<&'a str> {
    let network = ec2::region(world, &group.region)?;
    let instance = if group.target_type == "instance" {
        network.instances.get(&target.id)?
    } else {
        network.instances.values().find(|i| i.vpc_id == group.vpc_id && i.private_ip.to_string() == target.id)?
    };
    Some(network.subnets.get(&instance.subnet_id)?.zone.as_str())
}

/// Where a target stands; `None` when it has gone with its instance.
pub(crate) fn target_standing(
    world: &World,
    faults: &DataFaults,
    group: &TargetGroup,
    target: &Target,
    at: &Moment,
) -> Option<Standing> {
    if let Some(until_ms) = target.drains_until_ms {
        return (!at.reached(until_ms)).then_some(Standing::Draining);
    }
    let not_in_use = |why: &str| Some(Standing::NotInUse(why.to_owned()));
    let Some(balancer) = world.elbv2.balancer_of_group(&group.arn) else {
        return not_in_use("Target group is not configured to receive traffic from the load balancer");
    };
    if group.target_type == "instance" {
        let instance = ec2::instance(world, &group.region, &target.id)?;
        match backends::state(instance, at) {
            InstanceState::Running => {}
            // Terminating an instance deregisters it.
            InstanceState::Terminated | InstanceState::ShuttingDown => return None,
            other => return Some(Standing::NotRunning(other.name())),
        }
    }
    let zone = zone_of(world, group, target).unwrap_or_default();
    if !balancer.zones.iter().any(|enabled| enabled.name == zone) {
        return not_in_use("Target is in an Availability Zone that is not enabled for the load balancer");
    }
    let first_ms = target.registered_ms.max(balancer.ready_ms) + REGISTRATION_MS;
    if !at.reached(first_ms) {
        return Some(Standing::Registering);
    }
    Some(replay(group, first_ms, at, |moment| check(world, faults, balancer, group, target, moment)))
}

/// Replays the checks since `first_ms`. `check` says how one would end at a moment.
fn replay(group: &TargetGroup, first_ms: u64, at: &Moment, check: impl Fn(&Moment) -> Check) -> Standing {
    let interval_ms = group.check.interval_s as u64 * 1000;
    let timeout_ms = group.check.timeout_s as u64 * 1000;
    let mut standing = Standing::Checking;
    // Equal results in a row, failures of different kinds counted together.
    let mut row = (true, 0_u64);
    let mut from_ms = first_ms;
    loop {
        let moment = Moment::at(from_ms);
        let result = check(&moment);
        let until_ms = moment.holds_until();
        let passed = result == Check::Passed;
        if row.0 != passed {
            row = (passed, 0);
        }
        let wanted = match result {
            Check::Passed => Standing::Healthy,
            Check::TimedOut => Standing::TimedOut,
            Check::WrongStatus(status) => Standing::WrongStatus(status),
            Check::Refused => Standing::Refused,
        };
        // Checks are made at `first_ms + n * interval`; these are the numbers of the first one of the piece and of the
        // first after.
        let first = (from_ms - first_ms).div_ceil(interval_ms);
        let end = if until_ms == u64::MAX { u64::MAX } else { (until_ms - first_ms).div_ceil(interval_ms) };
        let needed = match (&standing, passed) {
            (Standing::Checking, true) => 1,
            (_, true) => group.check.healthy_threshold as u64,
            (_, false) => group.check.unhealthy_threshold as u64,
        };
        let healthy = standing == Standing::Healthy;
        let settled = healthy == passed && standing != Standing::Checking;
        if settled {
            // Still failing, perhaps in another way than before.
            if first_ms + first * interval_ms <= at.now_ms() && first < end {
                standing = wanted;
            }
        } else {
            let deciding = first + needed.saturating_sub(row.1 + 1);
            let known_ms = first_ms + deciding * interval_ms + if result == Check::TimedOut { timeout_ms } else { 0 };
            if deciding < end && at.reached(known_ms) {
                standing = wanted;
            }
        }
        row.1 = row.1.saturating_add(end.saturating_sub(first));
        if until_ms > at.now_ms() {
            at.expires_at(until_ms);
            return standing;
        }
        from_ms = until_ms;
    }
}

/// One check, made by the node in the zone of the target, or by another one when that zone is not there.
fn check(
    world: &World,
    faults: &DataFaults,
    balancer: &Balancer,
    group: &TargetGroup,
    target: &Target,
    at: &Moment,
) -> Check {
    let Some((end, instance)) = end_of(world, group, target) else { return Check::TimedOut };
    let region = &group.region;
    let zone = zone_of(world, group, target).unwrap_or_default();
    if faults.service_away(at, region, Service::LoadBalancing) {
        return Check::TimedOut;
    }
    let alive = || balancer.zones.iter().filter(|node| !faults.zone_away(at, &node.name));
    let Some(node) = alive().find(|node| node.name == zone).or_else(|| alive().next()) else { return Check::TimedOut };
    let Some(node) = End::of_interface(world, region, &node.eni, &format!("load balancer {}", balancer.name)) else {
        return Check::TimedOut;
    };
    let port = group.check_port(target);
    if vpc::passes(world, region, &node, &end, port).is_err() {
        return Check::TimedOut;
    }
    match backends::condition(world, faults, at, region, &instance, port) {
        Condition::Unreachable(_) | Condition::Hangs => return Check::TimedOut,
        Condition::Refuses(_) => return Check::Refused,
        Condition::Broken(_) | Condition::Serves(_) => {}
    }
    let host = format!("{}:{port}", end.address);
    let request = Request::get(&format!("{}://{host}{}", group.check.protocol.to_lowercase(), group.check.path))
        .header("user-agent", "ELB-HealthChecker/2.0");
    match backends::send(world, faults, at, &mut Trace::default(), (region, &instance, port), &request) {
        Got::Reply { ms, .. } if ms > group.check.timeout_s as u64 * 1000 => Check::TimedOut,
        Got::Reply { reply, .. } if group.check.accepts(reply.status) => Check::Passed,
        Got::Reply { reply, .. } => Check::WrongStatus(reply.status),
        Got::Refused => Check::Refused,
        Got::NoConnection | Got::Silence => Check::TimedOut,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::control::elbv2::HealthCheck;

    fn group() -> TargetGroup {
        TargetGroup {
            arn: "tg".into(),
            name: "tg".into(),
            region: "us-east-1".into(),
            protocol: "HTTP".into(),
            protocol_version: "HTTP1".into(),
            port: 80,
            vpc_id: "vpc-1".into(),
            target_type: "instance".into(),
            check: HealthCheck {
                enabled: true,
                protocol: "HTTP".into(),
                port: "traffic-port".into(),
                path: "/".into(),
                interval_s: 10,
                timeout_s: 5,
                healthy_threshold: 3,
                unhealthy_threshold: 2,
                matcher: "200".into(),
            },
            attributes: BTreeMap::new(),
            targets: Vec::new(),
            tags: BTreeMap::new(),
        }
    }

    /// Checks time out between the two seconds. Where does the target stand, and until which second is that known?
    fn standing(bad: (u64, u64), now_s: u64) -> (Standing, u64) {
        let mut faults = DataFaults::none();
        let away = crate::data::DataFault::ZoneAway { zone: "z".into() };
        faults.break_between(bad.0 * 1000, bad.1 * 1000, away);
        let at = Moment::at(now_s * 1000);
        let check = |moment: &Moment| if faults.zone_away(moment, "z") { Check::TimedOut } else { Check::Passed };
        let standing = replay(&group(), 0, &at, check);
        (standing, at.holds_until() / 1000)
    }

    #[test]
    fn a_new_target_needs_one_check_and_a_failed_one_the_threshold() {
        // Checks at 0, 10, 20, …: bad from 15 to 45, so 20, 30 and 40 fail and the second of them is known at 35.
        assert_eq!(standing((15, 45), 0), (Standing::Healthy, 15));
        assert_eq!(standing((15, 45), 34), (Standing::Healthy, 35));
        assert_eq!(standing((15, 45), 35), (Standing::TimedOut, 45));
        // Good again at 50, 60 and 70.
        assert_eq!(standing((15, 45), 69), (Standing::TimedOut, 70));
        assert_eq!(standing((15, 45), 70).0, Standing::Healthy);
    }

    #[test]
    fn one_failed_check_changes_nothing() {
        for now_s in [19, 20, 29, 30, 60] {
            assert_eq!(standing((15, 25), now_s).0, Standing::Healthy, "at {now_s}");
        }
    }

    #[test]
    fn a_target_that_never_passes_is_initial_and_then_unhealthy() {
        assert_eq!(standing((0, 1000), 14), (Standing::Checking, 15));
        assert_eq!(standing((0, 1000), 15).0, Standing::TimedOut);
    }
}
