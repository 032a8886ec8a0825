//! What rules let one guess about the node that they were written for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::packet::{Family, InterfaceName};
use crate::xtables::matches::SetSide;
use crate::xtables::ruleset::{AddressMask, InterfacePattern};
use crate::xtables::set::{Element, Part};
use crate::xtables::{Firewall, Match, Not, Rule, RuleId, Target};

/// How rules ask for a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SetUse {
    pub family: Family,
    pub sides: Vec<SetSide>,
}

/// Everything that rules and sets say about the ground below them. All lists are free of doubles and
/// in the order of the rules.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// Interfaces named in full.
    pub names: Vec<InterfaceName>,
    /// Beginnings of interface names.
    pub prefixes: Vec<String>,
    /// Networks and hosts that lie behind an interface.
    pub behind: Vec<(InterfaceName, IpNet)>,
    /// Addresses that the node itself seems to have, on an interface where the rule says which.
    pub local: Vec<(Option<InterfaceName>, IpAddr)>,
    /// Single addresses that rules and sets speak of.
    pub hosts: Vec<IpAddr>,
    /// Networks that rules and sets speak of.
    pub networks: Vec<IpNet>,
    /// The sets that rules ask, by name.
    pub sets: BTreeMap<String, SetUse>,
    /// The families that have rules.
    pub families: BTreeSet<Family>,
}

impl Hints {
    pub fn of(firewall: &Firewall) -> Self {
        let mut hints = Self::default();
        for family in Family::BOTH {
            for (id, rule) in firewall.ruleset(family).rules() {
                hints.families.insert(family);
                hints.rule(&id, rule);
            }
        }
        for set in &firewall.sets {
            set.elements
                .iter()
                .for_each(|element| hints.element(element));
        }
        hints
    }

    fn rule(&mut self, id: &RuleId, rule: &Rule) {
        let patterns = [&rule.in_interface, &rule.out_interface];
        patterns
            .into_iter()
            .flatten()
            .for_each(|pattern| self.pattern(&pattern.value));
        let masks = [&rule.source, &rule.destination].into_iter().flatten();
        masks
            .filter_map(|mask| prefix(mask.value))
            .for_each(|net| self.net(net));
        for one in &rule.matches {
            if let Match::Set(test) = one {
                self.set(&test.name, id.family, &test.sides);
            }
        }
        self.target(id.family, &rule.target);
        self.places(id, rule);
    }

    fn pattern(&mut self, pattern: &InterfacePattern) {
        match pattern {
            InterfacePattern::Exactly(InterfaceName::LOOPBACK) => {}
            InterfacePattern::Exactly(name) => once(&mut self.names, *name),
            InterfacePattern::Unnameable(_) => {}
            InterfacePattern::Prefix(prefix) if prefix.is_empty() => {}
            InterfacePattern::Prefix(prefix) => once(&mut self.prefixes, prefix.clone()),
        }
    }

    fn net(&mut self, net: IpNet) {
        if special(net.addr()) || net.prefix_len() == 0 {
        } else if net.prefix_len() == net.max_prefix_len() {
            once(&mut self.hosts, net.addr());
        } else {
            once(&mut self.networks, net.trunc());
        }
    }

    fn set(&mut self, name: &str, family: Family, sides: &[SetSide]) {
        self.sets.entry(name.to_owned()).or_insert_with(|| SetUse {
            family,
            sides: sides.to_vec(),
        });
    }

    fn target(&mut self, family: Family, target: &Target) {
        match target {
            Target::Dnat(range) => {
                if let Some((first, _)) = range.addresses {
                    self.net(first.into());
                }
            }
            Target::Snat(range) => {
                if let Some((first, _)) = range.addresses {
                    once(&mut self.local, (None, first));
                }
            }
            Target::Opaque { name, words } if name == "SET" => {
                let adds = words.windows(3).filter(|words| words[0].ends_with("-set"));
                for words in adds {
                    self.set(&words[1], family, &sides(&words[2]));
                }
            }
            _ => {}
        }
    }

    /// Which networks lie where, and which addresses are the node's own.
    fn places(&mut self, id: &RuleId, rule: &Rule) {
        let source = plain(&rule.source).copied().and_then(prefix).filter(usable);
        let destination = plain(&rule.destination)
            .copied()
            .and_then(prefix)
            .filter(usable);
        let arrives = plain(&rule.in_interface).and_then(exact);
        let leaves = plain(&rule.out_interface).and_then(exact);
        // A rule that ends packets names what must *not* come this way.
        if !matches!(rule.target, Target::Drop | Target::Reject(_)) {
            let pairs = [(arrives, source), (leaves, destination)];
            for (name, net) in pairs.into_iter().filter_map(|(name, net)| name.zip(net)) {
                once(&mut self.behind, (name, net));
            }
        }
        // Docker's `-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE`: what leaves the bridge's network
        // otherwise than by the bridge.
        let others = rule
            .out_interface
            .as_ref()
            .filter(|pattern| pattern.negated);
        let bridge = others.and_then(|pattern| exact(&pattern.value));
        if let (Some(bridge), Some(net)) = (bridge, source) {
            once(&mut self.behind, (bridge, net));
        }
        let own = match id.chain.as_str() {
            "INPUT" => destination.map(|net| (arrives, net)),
            "OUTPUT" => source.map(|net| (leaves, net)),
            _ => None,
        };
        match own {
            Some((name, net)) if net.prefix_len() == net.max_prefix_len() => {
                once(&mut self.local, (name, net.addr()));
            }
            Some((Some(name), net)) => once(&mut self.behind, (name, net)),
            _ => {}
        }
    }

    fn element(&mut self, element: &Element) {
        for part in &element.parts {
            match part {
                Part::Net(net) => self.net(*net),
                Part::Addresses(first, last) => {
                    self.net((*first).into());
                    self.net((*last).into());
                }
                Part::Interface {
                    name,
                    physdev: false,
                } if *name != InterfaceName::LOOPBACK => once(&mut self.names, *name),
                _ => {}
            }
        }
    }
}

fn sides(text: &str) -> Vec<SetSide> {
    let side = |word: &str| match word {
        "src" => SetSide::Source,
        _ => SetSide::Destination,
    };
    text.split(',').map(side).collect()
}

fn once<T: PartialEq>(list: &mut Vec<T>, one: T) {
    if !list.contains(&one) {
        list.push(one);
    }
}

fn plain<T>(question: &Option<Not<T>>) -> Option<&T> {
    question
        .as_ref()
        .filter(|question| !question.negated)
        .map(|question| &question.value)
}

fn exact(pattern: &InterfacePattern) -> Option<InterfaceName> {
    match pattern {
        InterfacePattern::Exactly(name) if *name != InterfaceName::LOOPBACK => Some(*name),
        _ => None,
    }
}

/// The prefix that a mask describes, where its bits lie together.
pub(super) fn prefix(mask: AddressMask) -> Option<IpNet> {
    IpNet::with_netmask(mask.address, mask.mask).ok()
}

fn usable(net: &IpNet) -> bool {
    net.prefix_len() >= 8 && !special(net.addr())
}

/// Addresses that no ordinary interface has: loopback, multicast, broadcast, link-local, none.
pub(super) fn special(address: IpAddr) -> bool {
    let link = match address {
        IpAddr::V4(address) => {
            address.is_broadcast() || address.octets()[0] == 0 || address.octets()[0] >= 240
        }
        IpAddr::V6(address) => address.segments()[0] & 0xffc0 == 0xfe80,
    };
    link || address.is_loopback() || address.is_multicast() || address.is_unspecified()
}
