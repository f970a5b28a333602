//! Which steps come first, and what gives way where they wait for each other.

use std::collections::BTreeMap;

use super::build::Planner;
use super::{PlanError, Step, StepId, timing};
use crate::address::Address;
use crate::error::Action;
use crate::resource::Need;
use crate::value;

impl Planner<'_> {
    /// The order of the steps. Where they wait for each other, an order that nothing but the program's word asks for gives way;
    /// and when there is none, an old copy goes before its successor is there.
    pub(super) fn order(&mut self) -> Result<Vec<StepId>, PlanError> {
        loop {
            self.edges();
            let cycle = match timing::order(&self.steps) {
                Ok(order) => return Ok(order),
                Err(cycle) => cycle,
            };
            let pairs: Vec<(&Step, &Step)> =
                cycle.windows(2).map(|pair| (&self.steps[pair[0] as usize], &self.steps[pair[1] as usize])).collect();
            let goes = |step: &Step| matches!(step.action, Action::Delete | Action::Forget);
            // The old copy waits for its successor.
            let stays = |&(old, new): &(&Step, &Step)| {
                old.address == new.address && goes(old) && !goes(new) && !self.delete_first.contains(&old.address)
            };
            let own = pairs.iter().copied().find(stays);
            let mere = |&(needed, user): &(&Step, &Step)| {
                goes(needed) && needed.address != user.address && !self.mentions(&user.address, &needed.address)
            };
            // What such an old copy came after cannot wait for it; what the program drops can still go in its order.
            let next = pairs.iter().cycle().skip(1);
            let before_its_successor = pairs.iter().zip(next).find(|(pair, next)| mere(pair) && stays(next));
            let mere = before_its_successor
                .map(|(pair, _)| *pair)
                .or_else(|| pairs.iter().copied().find(|pair| mere(pair) && goes(pair.1)))
                .or_else(|| pairs.iter().copied().find(mere));
            match (mere, own) {
                (Some((needed, user)), _) => {
                    let pair = (user.address.clone(), needed.address.clone());
                    self.loose.insert(pair);
                }
                (None, Some((old, _))) => {
                    let address = old.address.clone();
                    self.delete_first.insert(address);
                }
                (None, None) => {
                    return Err(PlanError::Cycle(
                        pairs.iter().map(|(step, _)| (step.action, step.address.clone())).collect(),
                    ));
                }
            }
        }
    }

    /// Whether an argument of a resource in the state contains an output of another one: if not, it only comes after it.
    fn mentions(&self, user: &Address, needed: &Address) -> bool {
        let (Some(user), Some(needed)) = (self.state.resources.get(user), self.state.resources.get(needed)) else {
            return false;
        };
        let mut outputs = Vec::new();
        needed
            .copies()
            .filter_map(|copy| copy.outputs.as_ref())
            .for_each(|value| value::texts(value, &mut |text| outputs.push(text)));
        let mut mentions = false;
        for copy in user.copies() {
            value::texts(&copy.args, &mut |text| mentions |= outputs.iter().any(|output| text.contains(output)));
        }
        mentions
    }

    /// Which steps come first.
    fn edges(&mut self) {
        let mut edges: Vec<(StepId, StepId, Need)> = Vec::new();
        // A resource is made or changed after what it needs.
        for (address, &id) in &self.forward {
            if self.steps[id as usize].action == Action::Adopt {
                continue;
            }
            if let Some(&adopt) = self.adopts.get(address) {
                // A moved resource that is changed as well gets its new ownership first.
                edges.push((id, adopt, Need::Ready));
            }
            // What exists already works: it is not pointed to something that does not work yet, which a new one may be.
            let step = &self.steps[id as usize];
            let exists = step.action == Action::Update || step.replacement;
            for (needed, need) in self.graph.needs(address.as_str()) {
                if let Some(&before) = self.forward.get(&needed.address) {
                    edges.push((id, before, if exists { need.max(Need::Ready) } else { need }));
                }
            }
            if self.delete_first.contains(address) {
                for &old in self.deletes.get(address).into_iter().flatten() {
                    edges.push((id, old, Need::Ready));
                }
            }
        }
        for (new, old) in &self.places {
            edges.push((*new, *old, Need::Ready));
        }
        // A copy is deleted after everything that used it is gone, or points elsewhere.
        let mut users: BTreeMap<&Address, Vec<&Address>> = BTreeMap::new();
        for (user, needs) in &self.old_needs {
            needs.iter().for_each(|need| users.entry(need).or_default().push(user));
        }
        for (address, deletes) in &self.deletes {
            for &id in deletes {
                if let Some(&adopt) = self.adopts.get(address) {
                    edges.push((id, adopt, Need::Ready));
                }
                for user in users.get(address).into_iter().flatten() {
                    if !self.loose.is_empty() && self.loose.contains(&((*user).clone(), address.clone())) {
                        continue;
                    }
                    for &gone in self.deletes.get(*user).into_iter().flatten() {
                        edges.push((id, gone, Need::Ready));
                    }
                    match self.forward.get(*user) {
                        // When the old copy has to go first, nothing can be pointed to the new one before. Of a user that is
                        // made anew only the old copy counts, and that is among the deletes.
                        Some(&moved)
                            if !self.delete_first.contains(address)
                                && self.steps[moved as usize].action != Action::Create =>
                        {
                            edges.push((id, moved, Need::Ready));
                        }
                        _ => {}
                    }
                }
                // The new one works before the old one goes, also when an earlier run made it.
                if !self.delete_first.contains(address)
                    && let Some(&new) = self.forward.get(address)
                {
                    edges.push((id, new, Need::Ready));
                }
            }
        }
        for step in &mut self.steps {
            step.after.clear();
        }
        for (id, before, need) in edges {
            self.steps[id as usize].after.push((before, need));
        }
        for step in &mut self.steps {
            step.after.sort_unstable();
            // The stronger need of two between the same steps stays.
            step.after.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    kept.1 = kept.1.max(later.1);
                }
                same
            });
        }
    }
}
