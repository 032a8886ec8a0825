//! The chains by which packets that IPVS forwards are told from each other (felix, rules/static.go,
//! rules/dispatch.go and rules/endpoint_mark_mapper.go).
//!
//! IPVS takes packets out of INPUT and sends them on by OUTPUT, where the interface that they came by is
//! forgotten. So INPUT notes on the mark who sent a packet that IPVS will forward, as a number, and OUTPUT
//! leads it to that endpoint's policies by the number.
//!
//! An endpoint's number is FNV-1 (32 bits) of its interface's name, modulo what the bits can tell; where
//! that is taken, the next that is not. Zero says that nothing is noted, and one, the lowest bit, that it
//! was none of Calico's endpoints. The number's bits fill the mark's from the lowest up.

use std::collections::BTreeMap;

use super::ground::Ground;
use super::names;
use crate::calico::World;
use crate::hash;
use crate::mark::{Mark, MarkMask, ModernMarkBits, TooFewBits};
use crate::node::Node;
use crate::packet::InterfaceName;
use crate::render::dispatch::{By, Dispatch, unknown};
use crate::render::fragment::{Action, End, Fragment};
use crate::render::pieces::{TCP, UDP, jump, protocol};
use crate::render::ports;
use crate::render::table::{FelixChain, FelixRule};
use crate::xtables::Not;
use crate::xtables::matches::States;

/// The number of whatever is no endpoint of Calico's.
const OTHERS: u32 = 1;

/// Which number on the mark says which endpoint.
pub(super) struct EndpointMarks {
    /// The bits.
    pub mask: MarkMask,
    /// The number of whatever is no endpoint of Calico's, in the place of the bits.
    pub others: u32,
    /// Each endpoint's number, in the place of the bits; none for those that find no room.
    pub numbers: BTreeMap<InterfaceName, u32>,
}

impl EndpointMarks {
    /// Numbers for endpoints, in the order of their interfaces' names.
    ///
    /// # Errors
    ///
    /// [`TooFewBits`] where the mark has no bit left for them.
    pub fn of(
        bits: ModernMarkBits,
        mark_mask: u32,
        interfaces: impl Iterator<Item = InterfaceName>,
    ) -> Result<Self, TooFewBits> {
        let mask = bits.endpoint.ok_or(TooFewBits {
            mask: mark_mask,
            needed: 6 + u32::from(bits.wireguard.is_some()),
        })?;
        let width = mask.bits().count_ones();
        let most = 1_u64 << width;
        let mut taken: BTreeMap<u64, InterfaceName> = BTreeMap::new();
        let mut sorted: Vec<InterfaceName> = interfaces.collect();
        sorted.sort_unstable();
        sorted.dedup();
        for interface in sorted {
            let first = u64::from(fnv1(interface.as_str())) % most;
            let numbers = (first..most).chain(0..first);
            let mut free =
                numbers.filter(|number| *number > u64::from(OTHERS) && !taken.contains_key(number));
            if let Some(number) = free.next() {
                taken.insert(number, interface);
            }
        }
        let numbers = taken.into_iter();
        let numbers = numbers.map(|(number, interface)| (interface, spread(number, mask)));
        Ok(Self {
            mask,
            others: spread(u64::from(OTHERS), mask),
            numbers: numbers.collect(),
        })
    }
}

/// What a mark says of who sent a packet that IPVS sends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// Nothing.
    Nothing,
    /// That it was none of Calico's endpoints.
    Others,
    /// The endpoint of this interface.
    Endpoint(InterfaceName),
    /// A number that nobody has.
    Unknown,
}

/// What a mark says where IPVS is in use; `None` where it is not, or the mark's mask has no bits for it.
#[must_use]
pub fn noted(world: &World, node: &Node, mark: Mark) -> Option<Noted> {
    let marks = Ground::of(world, node).ok()?.marks?;
    let number = mark.0 & marks.mask.bits();
    let mut numbers = marks.numbers.iter();
    let endpoint = numbers.find(|(_, own)| **own == number);
    Some(match endpoint {
        Some((interface, _)) => Noted::Endpoint(*interface),
        None if number == 0 => Noted::Nothing,
        None if number == marks.others => Noted::Others,
        None => Noted::Unknown,
    })
}

/// FNV-1, 32 bits (draft-eastlake-fnv).
fn fnv1(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash: u32, byte| {
        hash.wrapping_mul(0x0100_0193) ^ u32::from(byte)
    })
}

/// A number's bits in the place of a mask's, from the lowest up.
fn spread(number: u64, mask: MarkMask) -> u32 {
    let places = (0..u32::BITS).filter(|place| mask.bits() >> place & 1 == 1);
    let set = places.enumerate().filter(|(bit, _)| number >> bit & 1 == 1);
    set.fold(0, |mark, (_, place)| mark | 1 << place)
}

/// The packets that bear a number, or any but that.
fn numbered(marks: &EndpointMarks, not: Not<u32>) -> Fragment {
    Fragment::Mark(not, marks.mask)
}

/// The rules of INPUT: whoever is noted goes on to IPVS.
pub(super) fn input(ground: &Ground<'_>) -> Vec<FelixRule> {
    let Some(marks) = &ground.marks else {
        return Vec::new();
    };
    let noted = numbered(marks, Not::negated(0));
    vec![
        FelixRule::always(Action::ClearMark(marks.mask)),
        jump(names::FORWARD_CHECK),
        FelixRule::when([noted], Action::Return),
    ]
}

/// The chains, for filter.
pub(super) fn chains(ground: &Ground<'_>, this_host: &str) -> Vec<FelixChain> {
    let Some(marks) = &ground.marks else {
        return Vec::new();
    };
    let mut chains = vec![
        FelixChain::new(names::FORWARD_CHECK, forward_check(ground, this_host)),
        FelixChain::new(
            names::FORWARD_ENDPOINT_MARK,
            forward_endpoint_mark(ground, marks),
        ),
        FelixChain::new(names::FROM_ENDPOINT_MARK, from_endpoint_mark(ground, marks)),
    ];
    chains.extend(set_endpoint_mark(ground, marks));
    let endpoints = marks.numbers.iter().map(|(interface, number)| {
        let name = hash::chain_name(names::SET_MARK, interface.as_str());
        let (value, mask) = (*number, marks.mask);
        let note = FelixRule::always(Action::Number { value, mask });
        FelixChain::new(name, vec![note])
    });
    chains.extend(endpoints);
    chains
}

fn forward_check(ground: &Ground<'_>, this_host: &str) -> Vec<FelixRule> {
    let known = Fragment::States(States::RELATED.union(States::ESTABLISHED));
    let mut rules = vec![FelixRule::when([known], Action::Return)];
    let of_host = |not| Fragment::Set(End::Destination, not);
    for ports in ports::split(&ground.told.node_ports) {
        for transport in [TCP, UDP] {
            let asks = [
                protocol(transport),
                Fragment::Ports(End::Destination, Not::is(ports.clone())),
                of_host(Not::is(this_host.to_owned())),
            ];
            let note = Action::Goto(names::SET_ENDPOINT_MARK.to_owned());
            let rule = FelixRule::when(asks, note);
            rules.push(rule.saying("To kubernetes NodePort service"));
        }
    }
    let elsewhere = of_host(Not::negated(this_host.to_owned()));
    let note = Action::Jump(names::SET_ENDPOINT_MARK.to_owned());
    let rule = FelixRule::when([elsewhere], note);
    rules.push(rule.saying("To kubernetes service"));
    rules
}

fn set_endpoint_mark(ground: &Ground<'_>, marks: &EndpointMarks) -> Vec<FelixChain> {
    let tree = |root| Dispatch {
        root,
        endpoints: names::SET_MARK,
        by: By::In,
        end: Vec::new(),
    };
    let noted = |interface: &&InterfaceName| marks.numbers.contains_key(interface);
    let workloads: Vec<InterfaceName> = ground.workloads.keys().filter(noted).copied().collect();
    let hosts: Vec<InterfaceName> = ground.hosts.keys().filter(noted).copied().collect();
    let (mut rules, mut chains) = tree("cali-set-endpoint-mark-wep").branches(&workloads);
    let (of_hosts, children) = tree("cali-set-endpoint-mark-hep").branches(&hosts);
    rules.extend(of_hosts);
    chains.extend(children);
    rules.extend(ground.workload_patterns().map(|pattern| {
        let rule = FelixRule::when([Fragment::InInterface(pattern)], ground.deny());
        rule.saying("Unknown endpoint")
    }));
    let (value, mask) = (marks.others, marks.mask);
    let others = FelixRule::always(Action::Number { value, mask });
    rules.push(others.saying("Non-Cali endpoint mark"));
    chains.push(FelixChain::new(names::SET_ENDPOINT_MARK, rules));
    chains
}

fn forward_endpoint_mark(ground: &Ground<'_>, marks: &EndpointMarks) -> Vec<FelixRule> {
    let ours = numbered(marks, Not::negated(marks.others));
    let from = Action::Jump(names::FROM_ENDPOINT_MARK.to_owned());
    let mut rules = vec![FelixRule::when([ours], from)];
    rules.extend(ground.workload_patterns().map(|pattern| {
        let to = Action::Jump(names::TO_WORKLOAD_DISPATCH.to_owned());
        FelixRule::when([Fragment::OutInterface(pattern)], to)
    }));
    rules.push(jump(names::TO_HOST_FORWARD));
    rules.push(FelixRule::always(Action::ClearMark(marks.mask)));
    let accepted = [Fragment::Marked(ground.bits.accept)];
    let accepted = FelixRule::when(accepted, ground.filter_allow());
    rules.push(accepted.saying("Policy explicitly accepted packet."));
    rules
}

fn from_endpoint_mark(ground: &Ground<'_>, marks: &EndpointMarks) -> Vec<FelixRule> {
    let workloads = ground.workloads.keys();
    let workloads = workloads.map(|interface| (interface, names::FROM_WORKLOAD));
    let hosts = ground.hosts.keys();
    let hosts = hosts.map(|interface| (interface, names::FROM_HOST_FORWARD_ENDPOINT));
    let mut rules: Vec<FelixRule> = workloads
        .chain(hosts)
        .filter_map(|(interface, prefix)| {
            let number = marks.numbers.get(interface)?;
            let chain = hash::chain_name(prefix, interface.as_str());
            let asks = [numbered(marks, Not::is(*number))];
            Some(FelixRule::when(asks, Action::Goto(chain)))
        })
        .collect();
    rules.extend(unknown(ground.deny()));
    rules
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The test vectors of draft-eastlake-fnv-17, appendix C.
    #[test]
    fn names_are_hashed_by_fnv_1() {
        assert_eq!(fnv1(""), 0x811c_9dc5);
        assert_eq!(fnv1("a"), 0x050c_5d7e);
        assert_eq!(fnv1("foobar"), 0x31f0_b262);
    }

    fn marks(mask: u32, names: &[&str]) -> Option<EndpointMarks> {
        let bits = ModernMarkBits::within(mask, false).ok()?;
        let names = names.iter().filter_map(|name| name.parse().ok());
        EndpointMarks::of(bits, mask, names).ok()
    }

    #[test]
    fn the_lowest_bit_is_for_others() {
        let none = marks(0xffff_0000, &[]).map(|marks| (marks.others, marks.mask.bits()));
        assert_eq!(none, Some((0x20_0000, 0xffe0_0000)));
        assert!(marks(0x1f, &["cali1"]).is_none());
    }

    proptest! {
        #[test]
        fn endpoints_have_numbers_of_their_own(
            mask in any::<u32>(), names in prop::collection::btree_set("[a-z]{1,6}", 0..9)
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            if let Some(marks) = marks(mask, &names) {
                let mask = marks.mask.bits();
                let room = (1_u64 << mask.count_ones()) - 2;
                let wanted = usize::try_from(room).unwrap_or(usize::MAX).min(names.len());
                prop_assert_eq!(marks.numbers.len(), wanted);
                let mut values: Vec<u32> = marks.numbers.values().copied().collect();
                values.extend([0, marks.others]);
                prop_assert!(values.iter().all(|value| value & !mask == 0));
                values.sort_unstable();
                values.dedup();
                prop_assert_eq!(values.len(), wanted + 2);
            }
        }
    }
}
