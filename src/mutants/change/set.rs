//! Faults in sets.

use ipnet::IpNet;

use super::next;
use crate::mutants::Fault;
use crate::xtables::set::Part;
use crate::xtables::{Firewall, Match, Rule};

/// The names of the sets that a rule asks for.
pub(in crate::mutants) fn asked(rule: &Rule) -> impl Iterator<Item = &str> {
    rule.matches.iter().filter_map(|one| match one {
        Match::Set(test) => Some(test.name.as_str()),
        _ => None,
    })
}

/// Changes a set of a name; `None` where the fault does not apply to it.
pub(in crate::mutants) fn change(fault: Fault, firewall: &mut Firewall, name: &str) -> Option<()> {
    let set = firewall.sets.iter_mut().find(|set| set.name == name)?;
    if fault == Fault::LoseMember {
        return set.elements.pop().map(drop);
    }
    let mut element = set.elements.last()?.clone();
    let Some(Part::Net(net)) = element.parts.first_mut() else {
        return None;
    };
    *net = IpNet::new(next(net.broadcast()), net.prefix_len()).ok()?;
    let is_new = !set.elements.contains(&element);
    is_new.then(|| set.elements.push(element))
}
