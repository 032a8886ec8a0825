//! The trees that lead from an interface to its endpoint's chain (felix, rules/dispatch.go).
//!
//! Many interfaces would make one long chain. So the names are parted by the first character behind
//! what they all begin with, and a part of two or more gets a chain of its own. There are no more
//! than these two levels.

use crate::hash;
use crate::packet::InterfaceName;
use crate::render::fragment::{Action, Fragment};
use crate::render::table::{FelixChain, FelixRule};
use crate::xtables::ruleset::InterfacePattern;

/// By which of a packet's interfaces it is led.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// The one that it came in by.
    In,
    /// The one that it leaves by.
    Out,
}

/// A tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// The name of the chain at its root, and how its children's names begin.
    pub root: &'static str,
    /// How the endpoints' chains' names begin.
    pub endpoints: &'static str,
    /// Which interface counts.
    pub by: By,
    /// What becomes of packets of other interfaces, at the root and in each child; if nothing, they
    /// return.
    pub end: Vec<FelixRule>,
}

/// What stands at the end where packets of unknown interfaces are denied.
#[must_use]
pub fn unknown(deny: Action) -> Vec<FelixRule> {
    vec![FelixRule::always(deny).saying("Unknown interface")]
}

impl Dispatch {
    /// The tree's chains for these interfaces, which are sorted and none twice.
    #[must_use]
    pub fn render(&self, interfaces: &[InterfaceName]) -> Vec<FelixChain> {
        let (mut root, mut chains) = self.branches(interfaces);
        root.extend(self.end.iter().cloned());
        chains.push(FelixChain::new(self.root, root));
        chains
    }

    /// The rules at the root, without its end, and its children.
    #[must_use]
    pub fn branches(&self, interfaces: &[InterfaceName]) -> (Vec<FelixRule>, Vec<FelixChain>) {
        let shared = shared_beginning(interfaces);
        let key = |interface: &InterfaceName| {
            let name = interface.as_str();
            let next = name[shared..].chars().next();
            shared + next.map_or(0, char::len_utf8)
        };
        let mut root = Vec::new();
        let mut children = Vec::new();
        let bins = interfaces
            .chunk_by(|one, other| one.as_str()[..key(one)] == other.as_str()[..key(other)]);
        for bin in bins {
            let [first, _, ..] = bin else {
                root.extend(bin.iter().map(|interface| self.to_endpoint(*interface)));
                continue;
            };
            let key = &first.as_str()[..key(first)];
            let child = format!("{}-{}", self.root, &key[shared..]);
            let pattern = InterfacePattern::Prefix(key.to_owned());
            let goto = Action::Goto(child.clone());
            root.push(FelixRule::when([self.asks(pattern)], goto));
            let rules = bin.iter().map(|interface| self.to_endpoint(*interface));
            let rules = rules.chain(self.end.iter().cloned()).collect();
            children.push(FelixChain::new(child, rules));
        }
        (root, children)
    }

    fn asks(&self, pattern: InterfacePattern) -> Fragment {
        match self.by {
            By::In => Fragment::InInterface(pattern),
            By::Out => Fragment::OutInterface(pattern),
        }
    }

    fn to_endpoint(&self, interface: InterfaceName) -> FelixRule {
        let asks = self.asks(InterfacePattern::Exactly(interface));
        let chain = hash::chain_name(self.endpoints, interface.as_str());
        FelixRule::when([asks], Action::Goto(chain))
    }
}

/// How many bytes all names begin with alike.
fn shared_beginning(interfaces: &[InterfaceName]) -> usize {
    let (Some(first), Some(last)) = (interfaces.first(), interfaces.last()) else {
        return 0;
    };
    // What the first and the last of sorted names share, all share.
    let pairs = first.as_str().char_indices().zip(last.as_str().chars());
    let mut pairs = pairs.skip_while(|((_, one), other)| one == other);
    let shorter = first.as_str().len().min(last.as_str().len());
    pairs.next().map_or(shorter, |((at, _), _)| at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn from() -> Dispatch {
        Dispatch {
            root: "cali-from-wl-dispatch",
            endpoints: "cali-fw-",
            by: By::In,
            end: unknown(Action::Drop),
        }
    }

    fn tree(names: &[&str]) -> Vec<String> {
        let names: Vec<InterfaceName> = names.iter().filter_map(|name| name.parse().ok()).collect();
        let chains = from().render(&names);
        let lines = chains.iter().flat_map(|chain| {
            chain.rules.iter().map(|rule| {
                let asks = rule.asks.first().map(ToString::to_string);
                let asks = asks.unwrap_or_default();
                format!("{} {} {}", chain.name, asks, rule.action)
            })
        });
        lines
            .map(|line| line.replace("--in-interface ", ""))
            .collect()
    }

    #[test]
    fn a_single_interface_is_told_by_its_whole_name() {
        assert_eq!(
            tree(&["cali1"]),
            [
                "cali-from-wl-dispatch cali1 --goto cali-fw-cali1",
                "cali-from-wl-dispatch  --jump DROP",
            ]
        );
        assert_eq!(tree(&[]), ["cali-from-wl-dispatch  --jump DROP"]);
    }

    #[test]
    fn names_are_parted_behind_what_they_share() {
        assert_eq!(
            tree(&["cali", "cali1", "cali12", "cali2"]),
            [
                "cali-from-wl-dispatch-1 cali1 --goto cali-fw-cali1",
                "cali-from-wl-dispatch-1 cali12 --goto cali-fw-cali12",
                "cali-from-wl-dispatch-1  --jump DROP",
                "cali-from-wl-dispatch cali --goto cali-fw-cali",
                "cali-from-wl-dispatch cali1+ --goto cali-from-wl-dispatch-1",
                "cali-from-wl-dispatch cali2 --goto cali-fw-cali2",
                "cali-from-wl-dispatch  --jump DROP",
            ]
        );
    }

    proptest! {
        #[test]
        fn every_interface_is_led_to_its_chain_and_no_other(
            names in prop::collection::btree_set("[ab]{1,5}", 0..12), asked in "[ab]{1,5}"
        ) {
            let mut interfaces: Vec<InterfaceName> =
                names.iter().filter_map(|name| name.parse().ok()).collect();
            interfaces.sort_unstable();
            let chains = from().render(&interfaces);
            let mut chain = from().root.to_owned();
            let reached = loop {
                let Some(rules) = chains.iter().find(|one| one.name == chain) else {
                    break chain;
                };
                let matching = rules.rules.iter().find(|rule| match rule.asks.first() {
                    Some(Fragment::InInterface(InterfacePattern::Exactly(name))) => {
                        name.as_str() == asked
                    }
                    Some(Fragment::InInterface(InterfacePattern::Prefix(prefix))) => {
                        asked.starts_with(prefix.as_str())
                    }
                    _ => true,
                });
                match matching.map(|rule| rule.action.clone()) {
                    Some(Action::Goto(next)) => chain = next,
                    _ => break "dropped".to_owned(),
                }
            };
            let expected = match names.contains(&asked) {
                true => format!("cali-fw-{asked}"),
                false => "dropped".to_owned(),
            };
            prop_assert_eq!(reached, expected);
        }
    }
}
