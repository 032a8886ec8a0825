//! ipset's sets, asked as the kernel asks them (net/netfilter/ipset/ip_set_hash_gen.h,
//! `mtype_test_cidrs`): for each combination of prefix lengths that occurs, the most specific first,
//! one look into a hash.

use rustc_hash::{FxHashMap, FxHashSet};

use super::bits;
use super::program::SetQuestion;
use super::traveller::Traveller;
use crate::packet::{Family, Protocol};
use crate::verdict::NotProgrammed;
use crate::xtables::set::{Dimension, Element, Method, Part, Set};

/// How many dimensions the kernel's types have at most (`IPSET_DIM_MAX` is 3).
const DIMENSIONS: usize = 3;

/// A set's place in [`Sets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SetIndex(pub(super) u16);

/// The parts of an element or of a packet, each as a number.
type Parts = [u128; DIMENSIONS];

/// Whether an element is an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Nomatch(bool);

/// One combination of prefix lengths, with the elements that have it.
#[derive(Clone, Debug)]
struct Shape {
    masks: Parts,
    elements: FxHashMap<Parts, Nomatch>,
    /// Of `hash:net,iface`: the networks of the elements, whatever their interface.
    networks: FxHashSet<u128>,
}

/// One set.
#[derive(Clone, Debug)]
struct Compiled {
    name: String,
    /// The family of its addresses; `None` where it has none (`bitmap:port`, `hash:mac`, `list:set`).
    family: Option<Family>,
    dimensions: Vec<Dimension>,
    method: Method,
    markmask: u32,
    netmask: u128,
    /// Whether its elements can be exceptions, which only networks can.
    has_nomatch: bool,
    /// The most specific first.
    shapes: Vec<Shape>,
    /// Of `hash:net,iface`: elements whose interface is the beginning of a name.
    wildcards: Vec<Wildcard>,
    /// Of `list:set`: its members.
    members: Vec<SetIndex>,
}

#[derive(Clone, Debug)]
struct Wildcard {
    masks: Parts,
    parts: Parts,
    nomatch: Nomatch,
}

/// Every set of a firewall.
#[derive(Clone, Debug, Default)]
pub(super) struct Sets {
    sets: Vec<Compiled>,
}

impl Sets {
    /// Compiles them.
    ///
    /// # Errors
    ///
    /// A list that names a set which is not there before it, and a prefix of no bits, as `ipset restore`
    /// refuses them.
    pub(super) fn new(sets: &[Set]) -> Result<Self, NotProgrammed> {
        let mut compiled = Self::default();
        for set in sets {
            let one = compiled.compile(set)?;
            compiled.sets.push(one);
        }
        Ok(compiled)
    }

    /// The set of a name.
    pub(super) fn index(&self, name: &str) -> Option<SetIndex> {
        let index = self.sets.iter().position(|set| set.name == name)?;
        u16::try_from(index).ok().map(SetIndex)
    }

    /// The family of a set's addresses, if it has any.
    pub(super) fn family(&self, index: SetIndex) -> Option<Family> {
        self.sets.get(usize::from(index.0))?.family
    }

    fn compile(&self, set: &Set) -> Result<Compiled, NotProgrammed> {
        let has_addresses = set
            .dimensions
            .iter()
            .any(|one| matches!(one, Dimension::Ip | Dimension::Net));
        let netmask = set
            .netmask
            .map_or(u128::MAX, |length| bits::mask(set.family, length));
        let mut compiled = Compiled {
            name: set.name.clone(),
            family: has_addresses.then_some(set.family),
            dimensions: set.dimensions.clone(),
            method: set.method,
            markmask: set.markmask.unwrap_or(u32::MAX),
            netmask,
            has_nomatch: set.dimensions.contains(&Dimension::Net),
            shapes: Vec::new(),
            wildcards: Vec::new(),
            members: Vec::new(),
        };
        for element in &set.elements {
            if let [Part::Set(member)] = element.parts.as_slice() {
                let index = self.index(member).ok_or_else(|| NotProgrammed {
                    tool: "ipset".to_owned(),
                    message: format!("set `{member}` in `{}` does not exist", set.name),
                })?;
                compiled.members.push(index);
            } else {
                check_prefixes(set, element)?;
                compiled.add(set.family, element);
            }
        }
        // The outer dimension's prefixes go first, then the inner's (`mtype_test_cidrs`).
        compiled
            .shapes
            .sort_by_key(|shape| std::cmp::Reverse(shape.masks.map(u128::count_ones)));
        Ok(compiled)
    }

    /// Whether a packet is in a set, as a rule asks it.
    pub(super) fn admit(&self, question: &SetQuestion, packet: &Traveller<'_>) -> bool {
        let found = self.holds(question.set, question, packet);
        found != question.negated
    }

    /// `ip_set_test`: errors count as "no".
    fn holds(&self, index: SetIndex, question: &SetQuestion, packet: &Traveller<'_>) -> bool {
        let Some(set) = self.sets.get(usize::from(index.0)) else {
            return false;
        };
        if set.method == Method::List {
            return set
                .members
                .iter()
                .any(|member| self.holds(*member, question, packet));
        }
        let too_few = usize::from(question.dimensions) < set.dimensions.len();
        if too_few || set.family.is_some_and(|family| family != packet.family) {
            return false;
        }
        let Some(parts) = set.parts(question.sources, packet) else {
            return false;
        };
        match set.find(&parts) {
            None => false,
            // `--return-nomatch` turns round what was found, where exceptions exist at all.
            Some(Nomatch(nomatch)) => nomatch == (question.return_nomatch && set.has_nomatch),
        }
    }
}

/// Refuses a prefix of no bits, as the kernel's sets do (net/netfilter/ipset/ip_set_hash_net.c and those
/// beside it, `IPSET_ERR_INVALID_CIDR`). Two kinds take it: ip_set_hash_netiface.c and
/// ip_set_hash_netportnet.c.
fn check_prefixes(set: &Set, element: &Element) -> Result<(), NotProgrammed> {
    let takes_all = matches!(
        set.dimensions.as_slice(),
        [Dimension::Net, Dimension::Interface] | [Dimension::Net, Dimension::Port, Dimension::Net]
    );
    let is_all = |part: &Part| matches!(part, Part::Net(net) if net.prefix_len() == 0);
    if takes_all || !element.parts.iter().any(is_all) {
        return Ok(());
    }
    Err(NotProgrammed {
        tool: "ipset".to_owned(),
        message: format!(
            "set `{}`: The value of the CIDR parameter of the IP address is invalid",
            set.name
        ),
    })
}

/// One part of an element: values under a mask.
type Values = Vec<(u128, u128)>;

impl Compiled {
    fn add(&mut self, family: Family, element: &Element) {
        let nomatch = Nomatch(element.nomatch);
        let wildcard = element.extensions.iter().any(|word| word == "wildcard");
        let mut combinations: Vec<(Parts, Parts)> = vec![([0; DIMENSIONS], [0; DIMENSIONS])];
        for (place, part) in element.parts.iter().enumerate().take(DIMENSIONS) {
            let values = self.values(family, part, wildcard);
            combinations = combinations
                .iter()
                .flat_map(|(parts, masks)| {
                    values.iter().map(move |(value, mask)| {
                        let (mut parts, mut masks) = (*parts, *masks);
                        parts[place] = *value;
                        masks[place] = *mask;
                        (parts, masks)
                    })
                })
                .collect();
        }
        for (parts, masks) in combinations {
            if wildcard {
                self.wildcards.push(Wildcard {
                    masks,
                    parts,
                    nomatch,
                });
            }
            let shape = self.shape(masks);
            shape.networks.insert(parts[0]);
            if !wildcard {
                shape.elements.insert(parts, nomatch);
            }
        }
    }

    fn shape(&mut self, masks: Parts) -> &mut Shape {
        let place = self
            .shapes
            .iter()
            .position(|shape| shape.masks == masks)
            .unwrap_or_else(|| {
                self.shapes.push(Shape {
                    masks,
                    elements: FxHashMap::default(),
                    networks: FxHashSet::default(),
                });
                self.shapes.len() - 1
            });
        &mut self.shapes[place]
    }

    /// What a part of an element stands for: values, each with the mask of the bits that count.
    fn values(&self, family: Family, part: &Part, wildcard: bool) -> Values {
        match part {
            Part::Net(net) => {
                let mask = bits::mask(family, net.prefix_len()) & self.netmask;
                vec![(bits::number(net.addr()) & mask, mask)]
            }
            Part::Addresses(first, last) => {
                cover(family, bits::number(*first), bits::number(*last))
                    .into_iter()
                    .map(|(network, mask)| (network & self.netmask, mask & self.netmask))
                    .collect()
            }
            Part::Port(protocol, ports) => (ports.first..=ports.last)
                .map(|port| (service(*protocol, port), u128::MAX))
                .collect(),
            Part::Icmp(protocol, kind, code) => {
                let port = u16::from_be_bytes([*kind, *code]);
                vec![(service(Some(*protocol), port), u128::MAX)]
            }
            // No packet of a TUN device or of `lo` has link-layer addresses that count.
            Part::Mac(_) => Vec::new(),
            Part::Interface { physdev: true, .. } => Vec::new(),
            Part::Interface { name, .. } if wildcard => {
                let letters = name.as_str().len() as u32;
                let mask = u128::MAX.checked_shl(128 - 8 * letters).unwrap_or(0);
                vec![(name.number() & mask, mask)]
            }
            Part::Interface { name, .. } => vec![(name.number(), u128::MAX)],
            Part::Mark(mark) => vec![(u128::from(mark & self.markmask), u128::MAX)],
            Part::Set(_) => Vec::new(),
        }
    }

    /// What of a packet the set's dimensions look at; `None` where it has no such thing.
    fn parts(&self, sources: u8, packet: &Traveller<'_>) -> Option<Parts> {
        let mut parts = [0; DIMENSIONS];
        for (place, dimension) in self.dimensions.iter().enumerate().take(DIMENSIONS) {
            let of_source = sources & (1 << place) != 0;
            parts[place] = match dimension {
                Dimension::Ip | Dimension::Net if of_source => packet.source,
                Dimension::Ip | Dimension::Net => packet.destination,
                Dimension::Port => self.service_of(of_source, packet)?,
                Dimension::Mark => u128::from(packet.mark.0 & self.markmask),
                Dimension::Interface if of_source => packet.in_interface?.number(),
                Dimension::Interface => packet.out_interface?.number(),
                Dimension::Mac | Dimension::Set => return None,
            };
        }
        // `hash_ip4_kadt` gives up on the address zero.
        let zero = parts[0] & self.netmask == 0;
        if zero && self.dimensions == [Dimension::Ip] && self.method == Method::Hash {
            return None;
        }
        Some(parts)
    }

    /// Protocol and port of a packet (net/netfilter/ipset/ip_set_getport.c).
    fn service_of(&self, of_source: bool, packet: &Traveller<'_>) -> Option<u128> {
        let protocol = packet.protocol;
        let fixed = match protocol {
            Protocol::TCP => 20,
            Protocol::SCTP => 12,
            Protocol::UDP | Protocol::UDP_LITE | Protocol::ICMP | Protocol::ICMP6 => 8,
            _ => 0,
        };
        let is_later = packet.body.later && (fixed > 0 || packet.family == Family::V6);
        if protocol.0 == 0 || is_later || !packet.body.holds(fixed) {
            return None;
        }
        let port = match protocol {
            // The type and the code, whichever side is asked for.
            Protocol::ICMP | Protocol::ICMP6 => packet.ports.source,
            _ if fixed == 0 => 0,
            _ if of_source => packet.ports.source,
            _ => packet.ports.destination,
        };
        if self.method == Method::Bitmap {
            // `bitmap:port` knows TCP and UDP only, and forgets which.
            let known = matches!(protocol, Protocol::TCP | Protocol::UDP);
            return known.then(|| service(None, port));
        }
        Some(service(Some(protocol), port))
    }

    fn find(&self, parts: &Parts) -> Option<Nomatch> {
        let by_interface = self.dimensions == [Dimension::Net, Dimension::Interface];
        for shape in &self.shapes {
            let masked: Parts = std::array::from_fn(|place| parts[place] & shape.masks[place]);
            if let Some(nomatch) = shape.elements.get(&masked) {
                return Some(*nomatch);
            }
            // `hash_netiface4_data_equal` counts an element with the right network and the wrong
            // interface as "multi", and that ends the search: less specific ones are not tried.
            if by_interface && shape.networks.contains(&masked[0]) {
                return self.find_wildcard(parts, shape.masks[0]);
            }
        }
        None
    }

    fn find_wildcard(&self, parts: &Parts, network: u128) -> Option<Nomatch> {
        self.wildcards
            .iter()
            .filter(|one| one.masks[0] == network)
            .find(|one| (0..DIMENSIONS).all(|at| parts[at] & one.masks[at] == one.parts[at]))
            .map(|one| one.nomatch)
    }
}

/// Protocol and port as one number.
fn service(protocol: Option<Protocol>, port: u16) -> u128 {
    let protocol = protocol.map_or(0, |protocol| protocol.0);
    u128::from(protocol) << 16 | u128::from(port)
}

/// The fewest networks that cover a range of addresses, both ends included.
fn cover(family: Family, first: u128, last: u128) -> Values {
    let bits = u32::from(family.bits());
    let mut networks = Vec::new();
    let mut next = first;
    while next <= last {
        let aligned = next.trailing_zeros().min(bits);
        let room = (last - next).checked_add(1).map_or(bits, u128::ilog2);
        let host = aligned.min(room);
        networks.push((next, bits::mask(family, (bits - host) as u8)));
        match 1u128
            .checked_shl(host)
            .and_then(|size| next.checked_add(size))
        {
            Some(behind) => next = behind,
            None => break,
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_range_is_covered_and_nothing_else(one: u32, other: u32, probe: u32) {
            let (first, last) = (u128::from(one.min(other)), u128::from(one.max(other)));
            let networks = cover(Family::V4, first, last);
            let inside = |address: u128| networks.iter().any(|(net, mask)| address & mask == *net);
            prop_assert!(networks.len() <= 62);
            for address in [first, last, u128::from(probe), first.wrapping_sub(1) & 0xffff_ffff] {
                prop_assert_eq!(inside(address), (first..=last).contains(&address));
            }
        }
    }
}
