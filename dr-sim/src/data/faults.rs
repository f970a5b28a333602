//! What is broken in the data plane: windows of virtual time in which a region, a zone, a service, an instance, a
//! network path or a certificate does not do its work. The control plane does not see them.

use serde::{Deserialize, Serialize};

use super::moment::Moment;
use crate::control::ec2;
use crate::world::World;

/// The faults of a simulation, each with the window in which it holds. An empty set is a healthy cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFaults {
    windows: Vec<Window>,
}

/// A fault from an instant on, until another or for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// What is broken.
    pub fault: DataFault,
    /// First millisecond of virtual time (since the Unix epoch) in which it is broken.
    pub from_ms: u64,
    /// First millisecond in which it works again; `None`: it stays broken.
    pub until_ms: Option<u64>,
}

/// One thing that does not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DataFault {
    /// Nothing in the region can be reached from outside: packets are dropped, connections time out.
    RegionAway {
        /// `us-east-1`
        region: String,
    },
    /// The data plane of one service of a region answers nothing but errors.
    ServiceAway {
        /// `us-east-1`
        region: String,
        /// Which service.
        service: Service,
    },
    /// An availability zone has lost power: its instances, load balancer nodes, VPC link interfaces and NAT gateways.
    ZoneAway {
        /// The name of the zone, `us-east-1a`.
        zone: String,
    },
    /// The instance is off without the control plane knowing it.
    InstanceDown {
        /// `i-…`
        instance: String,
    },
    /// The instance accepts connections and never answers.
    InstanceHung {
        /// `i-…`
        instance: String,
    },
    /// The instance answers every request with this status: a bad build.
    InstanceAnswers {
        /// `i-…`
        instance: String,
        /// An HTTP status.
        status: u16,
    },
    /// The instance answers this much later than usual.
    InstanceSlow {
        /// `i-…`
        instance: String,
        /// Milliseconds.
        by_ms: u64,
    },
    /// A gray failure: the region is lost for some and works for the others.
    PathLost {
        /// `us-east-1`
        region: String,
        /// How many of the [health checkers](super::Health) lose it, the first ones in their order.
        checkers: usize,
        /// The places ([`Request::from`](super::Request::from)) from which it is lost, for direct clients and for the
        /// CloudFront locations near them.
        places: Vec<String>,
    },
    /// The certificate is served although it has expired.
    CertificateExpired {
        /// The ARN in ACM.
        certificate: String,
    },
}

/// A service whose data plane can fail as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Service {
    /// HTTP APIs answer 500.
    ApiGateway,
    /// Load balancers cannot be reached.
    LoadBalancing,
    /// Instances cannot be reached.
    Ec2,
}

impl DataFault {
    /// What it names and what does not exist in the world, with what does; `None` when it can hit something.
    pub(crate) fn names_nothing(&self, world: &World) -> Option<String> {
        let region = |name: &str| {
            let known: Vec<&str> = ec2::region_names().collect();
            (!known.contains(&name)).then(|| format!("there is no region `{name}`: there are {}", known.join(", ")))
        };
        let instance = |id: &str| {
            let all = || world.ec2.regions.values().flat_map(|region| region.instances.keys());
            (!all().any(|known| known == id)).then(|| format!("there is no instance `{id}`: {}", listed(all())))
        };
        match self {
            DataFault::RegionAway { region: name } | DataFault::ServiceAway { region: name, .. } => region(name),
            DataFault::PathLost { region: name, places, .. } => {
                region(name).or_else(|| places.iter().find_map(|place| region(place)))
            }
            DataFault::ZoneAway { zone } => {
                let all: Vec<String> = ec2::region_names().flat_map(|name| ec2::zone_names(world, name)).collect();
                // A zone is called after its region, so the one that is meant is among those with the same beginning.
                let alike = all.iter().filter(|known| known.get(..7) == zone.get(..7));
                (!all.contains(zone)).then(|| format!("there is no zone `{zone}`: {}", listed(alike)))
            }
            DataFault::InstanceDown { instance: id }
            | DataFault::InstanceHung { instance: id }
            | DataFault::InstanceAnswers { instance: id, .. }
            | DataFault::InstanceSlow { instance: id, .. } => instance(id),
            DataFault::CertificateExpired { certificate } => {
                let all = &world.acm.certificates;
                let missing = !all.contains_key(certificate);
                missing.then(|| format!("there is no certificate `{certificate}`: {}", listed(all.keys())))
            }
        }
    }
}

/// What there is instead, for messages.
fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() { "there is none".to_owned() } else { format!("there are {}", names.join(", ")) }
}

impl DataFaults {
    /// No faults.
    #[must_use]
    pub fn none() -> Self {
        DataFaults::default()
    }

    /// Breaks something from `from_ms` on (virtual milliseconds since the Unix epoch) until it is
    /// [healed](DataFaults::heal).
    pub fn break_from(&mut self, from_ms: u64, fault: DataFault) -> &mut Self {
        self.windows.push(Window { fault, from_ms, until_ms: None });
        self
    }

    /// Breaks something for a while: `from_ms` is the first millisecond, `until_ms` the first one that works again.
    pub fn break_between(&mut self, from_ms: u64, until_ms: u64, fault: DataFault) -> &mut Self {
        self.windows.push(Window { fault, from_ms, until_ms: Some(until_ms) });
        self
    }

    /// Ends this fault at `at_ms`, in every window that would last longer. The past stays as it was.
    pub fn heal(&mut self, at_ms: u64, fault: &DataFault) -> &mut Self {
        for window in self.windows.iter_mut().filter(|window| window.fault == *fault) {
            window.end(at_ms);
        }
        self
    }

    /// Ends every fault at `at_ms`.
    pub fn heal_all(&mut self, at_ms: u64) -> &mut Self {
        self.windows.iter_mut().for_each(|window| window.end(at_ms));
        self
    }

    /// All windows, past ones included.
    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// The first fault that holds now and for which `find` answers something.
    pub(super) fn find<T>(&self, at: &Moment, find: impl Fn(&DataFault) -> Option<T>) -> Option<T> {
        // All windows are looked at, so that the answer is known to hold until the next edge of any of them.
        let mut found = None;
        for window in &self.windows {
            let Some(answer) = find(&window.fault) else { continue };
            if at.within(window.from_ms, window.until_ms) && found.is_none() {
                found = Some(answer);
            }
        }
        found
    }

    pub(super) fn region_away(&self, at: &Moment, region: &str) -> bool {
        self.find(at, |fault| matches!(fault, DataFault::RegionAway { region: away } if away == region).then_some(()))
            .is_some()
    }

    pub(super) fn service_away(&self, at: &Moment, region: &str, service: Service) -> bool {
        let away = |fault: &DataFault| match fault {
            DataFault::ServiceAway { region: r, service: s } if r == region && *s == service => Some(()),
            _ => None,
        };
        self.find(at, away).is_some()
    }

    pub(super) fn zone_away(&self, at: &Moment, zone: &str) -> bool {
        self.find(at, |fault| matches!(fault, DataFault::ZoneAway { zone: away } if away == zone).then_some(()))
            .is_some()
    }

    pub(super) fn certificate_expired(&self, at: &Moment, arn: &str) -> bool {
        let expired = |fault: &DataFault| {
            matches!(fault, DataFault::CertificateExpired { certificate } if certificate == arn).then_some(())
        };
        self.find(at, expired).is_some()
    }
}

impl Window {
    fn end(&mut self, at_ms: u64) {
        if self.until_ms.is_none_or(|until| until > at_ms) {
            // A window that has not begun yet becomes empty.
            self.until_ms = Some(at_ms.max(self.from_ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> DataFault {
        DataFault::RegionAway { region: "us-east-1".into() }
    }

    #[test]
    fn a_fault_holds_from_its_first_millisecond_until_it_is_healed() {
        let mut faults = DataFaults::none();
        faults.break_from(100, away()).heal(250, &away());
        let is_away = |now| faults.region_away(&Moment::at(now), "us-east-1");
        assert_eq!([99, 100, 249, 250].map(is_away), [false, true, true, false]);
        assert!(!faults.region_away(&Moment::at(100), "eu-west-1"));
    }

    #[test]
    fn an_answer_is_known_to_hold_until_the_next_edge() {
        let mut faults = DataFaults::none();
        faults.break_between(100, 200, away()).break_between(150, 300, away());
        let until = |now| {
            let moment = Moment::at(now);
            faults.region_away(&moment, "us-east-1");
            moment.holds_until()
        };
        assert_eq!([50, 120, 160, 250, 300].map(until), [100, 150, 200, 300, u64::MAX]);
    }

    #[test]
    fn healing_everything_leaves_the_past_as_it_was() {
        let mut faults = DataFaults::none();
        faults.break_from(100, away()).break_between(500, 600, away()).heal_all(300);
        let is_away = |now| faults.region_away(&Moment::at(now), "us-east-1");
        assert_eq!([100, 299, 300, 550].map(is_away), [true, true, false, false]);
    }
}
