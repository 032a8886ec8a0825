//! A scenario as a case that can be made smaller: what of it can be left out, and which of its values can
//! be simpler.
//!
//! One walk over a scenario ([`Walk`]) meets everything that can go and every value that can change, always
//! in the same order, and numbers them. To count them, to leave some out and to change one is the same
//! walk with another [`Task`], so the three can't come apart.
//!
//! * `ground`: the node, and what other programs have loaded; `resources` and `rule`: Calico's;
//! * `packet`: packets and connections; `names`: names that stand in several places.

mod ground;
mod names;
mod packet;
mod resources;
mod rule;

use super::shrink::Case;
use crate::node::RouteKind;
use crate::packet::{InterfaceName, Origin};
use crate::scenario::Scenario;

/// What a walk is for.
#[derive(Clone, Copy, Debug)]
enum Task<'a> {
    /// To count.
    Count,
    /// To leave out the parts of these numbers, which are sorted.
    LeaveOut(&'a [usize]),
    /// To put in the simpler value of this number.
    Simplify(usize),
}

/// A walk over a scenario.
#[derive(Debug)]
struct Walk<'a> {
    task: Task<'a>,
    /// How many parts have been met.
    parts: usize,
    /// How many simpler values have been met.
    values: usize,
}

impl<'a> Walk<'a> {
    fn new(task: Task<'a>) -> Self {
        Self {
            task,
            parts: 0,
            values: 0,
        }
    }

    /// Meets a part; whether it stays.
    fn stays(&mut self) -> bool {
        let number = self.parts;
        self.parts += 1;
        match self.task {
            Task::LeaveOut(numbers) => numbers.binary_search(&number).is_err(),
            Task::Count | Task::Simplify(_) => true,
        }
    }

    /// Meets the members of a list and what is in each. A member that goes is walked through as well:
    /// numbers don't hang on what is left out.
    fn each<T>(&mut self, list: &mut Vec<T>, mut inside: impl FnMut(&mut Self, &mut T)) {
        list.retain_mut(|one| {
            let stays = self.stays();
            inside(self, one);
            stays
        });
    }

    /// Meets the members of a list, which are whole.
    fn list<T>(&mut self, list: &mut Vec<T>) {
        self.each(list, |_, _| ());
    }

    /// Meets what may be missing.
    fn option<T>(&mut self, value: &mut Option<T>) {
        if value.is_some() && !self.stays() {
            *value = None;
        }
    }

    /// Meets a value that could be one of these, each simpler than itself.
    fn simpler<T>(&mut self, value: &mut T, simpler: impl IntoIterator<Item = T>) {
        for one in simpler {
            let number = self.values;
            self.values += 1;
            if matches!(self.task, Task::Simplify(wanted) if wanted == number) {
                *value = one;
            }
        }
    }

    /// Meets a value for which these are simple, the simplest first: it could be any that stands before it.
    fn ladder<T: Clone + PartialEq>(&mut self, value: &mut T, ladder: &[T]) {
        let own = ladder.iter().position(|one| one == value);
        let below = &ladder[..own.unwrap_or(ladder.len())];
        self.simpler(value, below.iter().cloned());
    }

    fn scenario(&mut self, scenario: &mut Scenario) {
        self.node(&mut scenario.node);
        if let Some(resources) = &mut scenario.resources {
            self.resources(resources);
        }
        self.ruleset(&mut scenario.firewall.v4);
        self.ruleset(&mut scenario.firewall.v6);
        self.sets(&mut scenario.firewall.sets);
        self.each(&mut scenario.batch.connections, Self::connection);
        self.each(&mut scenario.batch.packets, Self::packet);
    }
}

impl Case for Scenario {
    type Part = usize;

    fn parts(&self) -> Vec<usize> {
        let mut walk = Walk::new(Task::Count);
        walk.scenario(&mut self.clone());
        (0..walk.parts).collect()
    }

    /// What leans on what is left out goes with it. Without a packet nothing sensible remains.
    fn without(&self, parts: &[usize]) -> Option<Self> {
        let mut numbers = parts.to_vec();
        numbers.sort_unstable();
        let mut smaller = self.clone();
        Walk::new(Task::LeaveOut(&numbers)).scenario(&mut smaller);
        drop_what_hangs(&mut smaller);
        (!smaller.batch.packets.is_empty()).then_some(smaller)
    }

    fn simpler(&self) -> Vec<Self> {
        let mut walk = Walk::new(Task::Count);
        walk.scenario(&mut self.clone());
        let changed = (0..walk.values).map(|number| {
            let mut simpler = self.clone();
            Walk::new(Task::Simplify(number)).scenario(&mut simpler);
            simpler
        });
        let mut simpler: Vec<Self> = changed.collect();
        simpler.extend(names::simpler(self));
        simpler
    }
}

/// Routes out of interfaces that are gone, and packets that arrive by them.
pub(super) fn drop_what_hangs(scenario: &mut Scenario) {
    let interfaces = scenario.node.interfaces.iter();
    let here: Vec<InterfaceName> = interfaces.map(|interface| interface.name).collect();
    let is_here = |name: InterfaceName| name == InterfaceName::LOOPBACK || here.contains(&name);
    scenario.node.routes.retain(|route| match route.to {
        RouteKind::Unicast { interface, .. } => is_here(interface),
        RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit => true,
    });
    scenario.batch.packets.retain(|packet| match packet.origin {
        Origin::Arrives(interface) => is_here(interface),
        Origin::Node => true,
    });
}

#[cfg(test)]
mod tests;
