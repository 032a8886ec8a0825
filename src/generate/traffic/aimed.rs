//! Packets that meet a rule of a policy that an endpoint of the node is asked, or just not.

use std::net::IpAddr;

use ipnet::IpNet;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::party::{Party, pick_of};
use super::{Traffic, of_protocol};
use crate::calico::resources::Api;
use crate::calico::rule::{IcmpMessage, PortNumbers, Ports as RulePorts};
use crate::calico::world::{HostInterface, ServiceEndpoint};
use crate::calico::{Rule, Side, World};
use crate::generate::bits::Bits;
use crate::generate::draft::Draft;
use crate::generate::edges::{change_ports, transport_of};
use crate::generate::ground::{Way, address, around, number};
use crate::generate::standing::Standing;
use crate::node::Node;
use crate::packet::{
    Defect, Family, Icmp, InterfaceName, Origin, Packet, Ports, Protocol, Transport,
};

/// How often a value that meets several conditions is looked for before the last try is taken.
const TRIES: usize = 8;

/// Of packets aimed at rules about ports, one of so many has a header that is cut short.
const CUT_SHORT: usize = 10;

/// A rule, and where it is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aim<'a> {
    rule: &'a Rule,
    at: At,
    ingress: bool,
}

/// Where a rule is asked.
#[derive(Clone, Copy, Debug)]
enum At {
    /// At a workload, by its place in the world.
    Workload(usize),
    /// At a host endpoint's interface.
    Interface(InterfaceName),
    /// At every interface that leads elsewhere and is no other endpoint's.
    Anywhere,
}

/// Something that a rule asks for, at whose edges packets are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    SourcePorts,
    DestinationPorts,
    Protocol,
    Message,
    /// The address of who is not at the endpoint.
    OtherEnd,
}

impl Edge {
    const ALL: [Self; 5] = [
        Self::SourcePorts,
        Self::DestinationPorts,
        Self::Protocol,
        Self::Message,
        Self::OtherEnd,
    ];

    /// Whether a rule asks for ports.
    fn has_ports(aim: Aim<'_>) -> bool {
        Self::SourcePorts.is_of(aim) || Self::DestinationPorts.is_of(aim)
    }

    /// Whether a rule asks for it.
    fn is_of(self, aim: Aim<'_>) -> bool {
        let rule = aim.rule;
        let ports = |side: &Side| !side.ports.is_empty() || !side.not_ports.is_empty();
        match self {
            Self::SourcePorts => ports(&rule.source),
            Self::DestinationPorts => ports(&rule.destination),
            Self::Protocol => rule.protocol.is_some() || rule.not_protocol.is_some(),
            Self::Message => rule.icmp.is_some() || rule.not_icmp.is_some(),
            Self::OtherEnd => {
                let side = aim.other_side();
                let nets = !side.nets.is_empty() || !side.not_nets.is_empty();
                nets || !side.peers.is_empty() || !side.not_peers.is_empty()
            }
        }
    }
}

impl<'a> Aim<'a> {
    /// What it asks of who is not at the endpoint.
    fn other_side(self) -> &'a Side {
        match self.ingress {
            true => &self.rule.source,
            false => &self.rule.destination,
        }
    }

    /// Whether it is asked about what leaves by a host endpoint.
    fn is_of_who_leaves(self) -> bool {
        !self.ingress && matches!(self.at, At::Interface(_))
    }
}

/// Every rule of every policy and profile that an endpoint of the node has, and of each every place where
/// it is asked: what stands at one place alone comes as often as what stands everywhere.
pub(super) fn aims<'a>(world: &'a World, node: &Node) -> Vec<Vec<Aim<'a>>> {
    let mut aims: Vec<Vec<Aim<'a>>> = Vec::new();
    let mut places: FxHashMap<*const Rule, usize> = FxHashMap::default();
    let mut add = |at: At, rules: [&'a [Rule]; 2]| {
        for (rules, ingress) in rules.into_iter().zip([true, false]) {
            for rule in rules {
                let place = *places.entry(std::ptr::from_ref(rule)).or_insert(aims.len());
                if place == aims.len() {
                    aims.push(Vec::new());
                }
                aims[place].push(Aim { rule, at, ingress });
            }
        }
    };
    let of_workloads = world.workloads.iter().enumerate().map(|(index, one)| {
        let at = At::Workload(index);
        (Some(at), &one.policies, &one.profiles)
    });
    let of_hosts = world.hosts.iter().map(|one| {
        let at = match one.of {
            HostInterface::All => Some(At::Anywhere),
            of => interface_of(of, &one.expected_addresses, node).map(At::Interface),
        };
        (at, &one.policies, &one.profiles)
    });
    for (at, policies, profiles) in of_workloads.chain(of_hosts) {
        let Some(at) = at else { continue };
        for applied in policies {
            let policy = &world.tiers[applied.tier].policies[applied.policy];
            add(at, [&policy.ingress, &policy.egress]);
        }
        for profile in profiles.iter().filter_map(|name| world.profiles.get(name)) {
            add(at, [&profile.ingress, &profile.egress]);
        }
    }
    aims
}

/// An interface that a host endpoint may be about.
fn interface_of(of: HostInterface, expected: &[IpAddr], node: &Node) -> Option<InterfaceName> {
    match of {
        HostInterface::Named(name) => Some(name),
        HostInterface::ByAddress => {
            let mut own = node.addresses();
            let found = own.find(|(_, net)| expected.contains(&net.addr()));
            found.map(|(name, _)| name)
        }
        HostInterface::All => None,
    }
}

impl Traffic<'_> {
    pub(super) fn aimed(&self, bits: &mut impl Bits) -> Option<Draft> {
        let places = bits.pick(&self.aims)?;
        let mut aim = *bits.pick(places)?;
        if let At::Anywhere = aim.at {
            let elsewhere = self.parties.iter().filter_map(|(_, party)| match party {
                Party::Behind(name) => Some(*name),
                _ => None,
            });
            let elsewhere: SmallVec<[InterfaceName; 8]> = elsewhere.collect();
            aim.at = At::Interface(*bits.pick(&elsewhere)?);
        }
        let family = self.family_of(bits, aim.rule);
        let (origin, source, destination) = self.flow(bits, aim, family)?;
        let transport = self.transport_for(bits, aim.rule, family, [source, destination]);
        let mut packet = Packet::new(origin, source, destination, transport);
        // Messages have more neighbours than anything else: of other types, and of other codes.
        let misses = if Edge::Message.is_of(aim) { 2 } else { 1 };
        if bits.chance(misses, 3) {
            self.miss(bits, aim, &mut packet);
        }
        if Edge::has_ports(aim) && bits.chance(1, CUT_SHORT) {
            packet.defect = Some(Defect::Truncated(bits.one([0, 3])));
            // What is tracked would be INVALID, and that is dropped before any policy is asked.
            return self.finish_as(bits, packet, Standing::Untracked);
        }
        let draft = self.finish(bits, packet)?;
        match self.api == Api::V3 && aim.is_of_who_leaves() && bits.chance(1, 3) {
            true => Some(self.as_translated(bits, draft)),
            false => Some(draft),
        }
    }

    fn family_of(&self, bits: &mut impl Bits, rule: &Rule) -> Family {
        let mut nets = [&rule.source, &rule.destination]
            .into_iter()
            .flat_map(|side| side.nets.iter().chain(&side.not_nets));
        let by_nets = nets.next().map(|net| Family::of(net.addr()));
        let by_protocol = rule
            .protocol
            .and_then(|protocol| match protocol.protocol() {
                Protocol::ICMP => Some(Family::V4),
                Protocol::ICMP6 => Some(Family::V6),
                _ => None,
            });
        let by_service = self.behind(&rule.destination).next();
        let by_service = by_service.map(|one| Family::of(one.address));
        let said = rule.family.or(by_nets).or(by_protocol).or(by_service);
        said.or_else(|| bits.pick(&self.families).copied())
            .unwrap_or(Family::V4)
    }

    /// Who to whom, so that the rule is asked, and meets its addresses as far as they are found.
    fn flow(
        &self,
        bits: &mut impl Bits,
        aim: Aim<'_>,
        family: Family,
    ) -> Option<(Origin, IpAddr, IpAddr)> {
        let Aim { rule, at, ingress } = aim;
        let (own_side, other_side) = match ingress {
            true => (&rule.destination, &rule.source),
            false => (&rule.source, &rule.destination),
        };
        match at {
            At::Workload(index) => {
                let workload = &self.world.workloads[index];
                let own = workload.addresses.iter().copied();
                let fitting = own.clone().filter(|one| self.is_of(own_side, *one));
                let here = pick_of(bits, family, fitting).or_else(|| pick_of(bits, family, own))?;
                let there = self.address_for(bits, other_side, family, |way| {
                    // The node's own packets to a workload are nobody's to judge.
                    !ingress || way != Way::Local
                })?;
                match ingress {
                    true => Some((self.origin_of(there)?, there, here)),
                    false => Some((Origin::Arrives(workload.interface), here, there)),
                }
            }
            At::Anywhere => None,
            At::Interface(name) => {
                let leads_there = |way| way == Way::Out(name);
                // To the node or from it, or through it.
                let through = bits.chance(1, 3);
                let there = self.address_for(bits, other_side, family, leads_there)?;
                let here = self.address_for(bits, own_side, family, |way| match through {
                    true => matches!(way, Way::Out(other) if other != name),
                    false => way == Way::Local,
                })?;
                match ingress {
                    true => Some((Origin::Arrives(name), there, here)),
                    false => Some((self.origin_of(here)?, here, there)),
                }
            }
        }
    }

    /// An address that one end of a rule asks for, to which packets go a way; as good as it gets.
    fn address_for(
        &self,
        bits: &mut impl Bits,
        side: &Side,
        family: Family,
        fits: impl Fn(Way) -> bool,
    ) -> Option<IpAddr> {
        let mut best = None;
        for _ in 0..TRIES {
            let Some(candidate) = self.candidate(bits, side, family) else {
                continue;
            };
            let goes = fits(self.ground.way(candidate));
            if goes && self.is_of(side, candidate) {
                return Some(candidate);
            }
            if goes || best.is_none() {
                best = Some(candidate);
            }
        }
        best
    }

    fn candidate(&self, bits: &mut impl Bits, side: &Side, family: Family) -> Option<IpAddr> {
        let peers = side.peers.first().map(|index| self.world.peers(*index));
        let members = peers.map_or(&[][..], |peers| &peers.members[..]);
        let members = members.iter().map(IpNet::addr);
        let named = self.with_named_ports(side);
        if !named.is_empty()
            && bits.chance(3, 4)
            && let Some(address) = pick_of(bits, family, named.into_iter())
        {
            return Some(address);
        }
        if let Some(member) = pick_of(bits, family, members) {
            return Some(member);
        }
        let behind = self.behind(side).map(|one| one.address);
        if side.service.is_some()
            && let Some(address) = pick_of(bits, family, behind)
        {
            return Some(address);
        }
        // Of one there is nothing to choose.
        let net = match side.nets.as_slice() {
            [] => None,
            [one] => Some(one),
            several => bits.pick(several),
        };
        match net {
            Some(net) if bits.chance(1, 2) => Some(self.inside(bits, *net)),
            _ => {
                let party = self.party(bits)?;
                self.address_of(bits, party, family)
            }
        }
    }

    /// Those behind the service that one end of a rule names.
    fn behind(&self, side: &Side) -> impl Iterator<Item = &ServiceEndpoint> {
        let service = side.service.as_ref();
        let behind = service.and_then(|one| self.world.services.get(one));
        behind.into_iter().flatten()
    }

    /// The addresses of those who call a port of theirs as one end of a rule names one.
    fn with_named_ports(&self, side: &Side) -> SmallVec<[IpAddr; 8]> {
        let names = side.ports.iter().filter_map(|ports| match ports {
            RulePorts::Named(name) => Some(name),
            RulePorts::Numbers(_) => None,
        });
        let who = names.flat_map(|name| {
            let selectable = self.world.selectable.iter();
            selectable.filter(move |one| one.ports.iter().any(|port| port.name == *name))
        });
        who.flat_map(|one| one.nets.iter().map(IpNet::addr))
            .collect()
    }

    /// An address in a prefix: an end, the middle, or one that is known.
    pub(super) fn inside(&self, bits: &mut impl Bits, net: IpNet) -> IpAddr {
        let family = Family::of(net.addr());
        let (first, last) = (number(net.network()), number(net.broadcast()));
        match bits.below(4) {
            0 => net.network(),
            1 => net.broadcast(),
            2 => address(family, first.midpoint(last)),
            _ => {
                let known = self.ground.constants(family).addresses.iter().copied();
                let known = known.filter(|address| net.contains(address));
                pick_of(bits, family, known).unwrap_or(net.network())
            }
        }
    }

    fn is_of(&self, side: &Side, address: IpAddr) -> bool {
        let within = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&address));
        let is_peer = |index| self.world.peers(index).contains(address);
        (side.nets.is_empty() || within(&side.nets))
            && !within(&side.not_nets)
            && side.peers.iter().all(|index| is_peer(*index))
            && !side.not_peers.iter().any(|index| is_peer(*index))
    }

    fn transport_for(
        &self,
        bits: &mut impl Bits,
        rule: &Rule,
        family: Family,
        [source, destination]: [IpAddr; 2],
    ) -> Transport {
        let ports = Ports {
            source: self.port_for(bits, &rule.source, source),
            destination: self.port_for(bits, &rule.destination, destination),
        };
        let mut behind = self.behind(&rule.destination);
        let served = behind.find(|one| one.address == destination);
        let ports = Ports {
            destination: served.map_or(ports.destination, |one| one.port),
            ..ports
        };
        let protocol = match (rule.protocol, served) {
            (Some(protocol), _) => protocol.protocol(),
            (None, Some(served)) => served.protocol,
            (None, None) => {
                let excluded = rule.not_protocol.map(|protocol| protocol.protocol());
                let usual = [Protocol::TCP, Protocol::UDP, Protocol::TCP, Protocol::GRE];
                let mut open = usual.into_iter().cycle().skip(bits.below(usual.len()));
                let other = open.find(|protocol| Some(*protocol) != excluded);
                other.unwrap_or(Protocol::UDP)
            }
        };
        let mut transport = of_protocol(bits, family, protocol, ports);
        if let Transport::Icmp(icmp) = &mut transport {
            meet_message(bits, icmp, rule);
        }
        transport
    }

    /// A port that one end of a rule asks for, of an address.
    fn port_for(&self, bits: &mut impl Bits, side: &Side, address: IpAddr) -> u16 {
        let mut port = 80;
        for _ in 0..TRIES {
            port = match bits.pick(&side.ports) {
                Some(RulePorts::Numbers(numbers)) => one_of(bits, *numbers),
                Some(RulePorts::Named(name)) => self.named_port(bits, name, address),
                None => self.port(bits, Family::of(address)),
            };
            if !side.not_ports.iter().any(|ports| has(ports, port)) {
                break;
            }
        }
        port
    }

    /// A port that somebody calls so: whose address it is, if that one does; seldom another.
    fn named_port(&self, bits: &mut impl Bits, name: &str, address: IpAddr) -> u16 {
        let named = self.world.selectable.iter().flat_map(|one| {
            let has = one.nets.iter().any(|net| net.contains(&address));
            let ports = one.ports.iter().filter(|port| port.name == name);
            ports.map(move |port| (has, port.port))
        });
        let named: SmallVec<[(bool, u16); 8]> = named.collect();
        let own = named.iter().copied().filter(|(has, _)| *has);
        let own: SmallVec<[(bool, u16); 8]> = own.collect();
        let among = match own.is_empty() || bits.chance(1, 8) {
            true => &named,
            false => &own,
        };
        let picked = bits.pick(among).copied();
        picked.map_or_else(|| self.port(bits, Family::of(address)), |(_, port)| port)
    }

    /// Changes one thing that the rule asks for, to a value at one of its edges; where it asks for nothing
    /// of the kind, any.
    fn miss(&self, bits: &mut impl Bits, aim: Aim<'_>, packet: &mut Packet) {
        let rule = aim.rule;
        let asked = Edge::ALL.into_iter().filter(|edge| edge.is_of(aim));
        let asked: SmallVec<[Edge; 5]> = asked.collect();
        let edge = match bits.chance(1, 6) {
            true => Some(bits.one(Edge::ALL)),
            false if Edge::Message.is_of(aim) && bits.chance(1, 2) => Some(Edge::Message),
            false => bits.pick(&asked).copied(),
        };
        match edge {
            None => {}
            Some(Edge::SourcePorts) => {
                let near = self.port_beside(bits, &rule.source, packet.family());
                change_ports(packet, |ports| ports.source = near);
            }
            Some(Edge::DestinationPorts) => {
                let near = self.port_beside(bits, &rule.destination, packet.family());
                change_ports(packet, |ports| ports.destination = near);
            }
            Some(Edge::Protocol) => {
                let protocol = protocol_beside(bits, rule);
                packet.transport = transport_of(packet, protocol);
            }
            Some(Edge::Message) => match &mut packet.transport {
                Transport::Icmp(icmp) => message_beside(bits, icmp, rule),
                _ => packet.transport = self.transport(bits, packet.family()),
            },
            Some(Edge::OtherEnd) => self.miss_address(bits, aim, packet),
        }
    }

    fn miss_address(&self, bits: &mut impl Bits, aim: Aim<'_>, packet: &mut Packet) {
        let near = self.address_beside(bits, aim.other_side(), packet.family());
        let Some(near) = near else { return };
        match (aim.ingress, aim.at) {
            (false, _) => packet.destination = near,
            (true, At::Interface(_) | At::Anywhere) => packet.source = near,
            (true, At::Workload(_)) => {
                packet.origin = self.origin_of(near).unwrap_or(packet.origin);
                packet.source = near;
            }
        }
    }

    fn port_beside(&self, bits: &mut impl Bits, side: &Side, family: Family) -> u16 {
        let lists = [&side.ports, &side.not_ports];
        let mut asked = lists.into_iter().flatten();
        let place = bits.below(side.ports.len() + side.not_ports.len());
        match asked.nth(place) {
            Some(RulePorts::Numbers(numbers)) => {
                let (first, last) = (numbers.first(), numbers.last());
                bits.one([first.wrapping_sub(1), last.wrapping_add(1), first, last])
            }
            _ => self.port(bits, family),
        }
    }

    /// An address just before or behind what one end of a rule speaks of.
    fn address_beside(&self, bits: &mut impl Bits, side: &Side, family: Family) -> Option<IpAddr> {
        let groups = side.peers.iter().chain(&side.not_peers);
        let members = groups.flat_map(|index| &self.world.peers(*index).members);
        let nets = side.nets.iter().chain(&side.not_nets).chain(members);
        let own: Vec<&IpNet> = nets
            .filter(|net| Family::of(net.addr()) == family)
            .collect();
        match bits.pick(&own) {
            Some(net) => bits.pick(&around(net.network(), net.broadcast())).copied(),
            None => self.stranger(bits, family),
        }
    }
}

/// Gives a message the type and code that a rule asks for, or others than it excludes.
fn meet_message(bits: &mut impl Bits, icmp: &mut Icmp, rule: &Rule) {
    if let Some(IcmpMessage { kind, code }) = rule.icmp {
        icmp.kind = kind;
        icmp.code = code.unwrap_or_else(|| bits.one([0, 1, u8::MAX]));
    }
    if let Some(IcmpMessage { kind, code }) = rule.not_icmp
        && kind == icmp.kind
    {
        match code {
            Some(code) if code == icmp.code => icmp.code = code.wrapping_add(1),
            Some(_) => {}
            None => icmp.kind = kind.wrapping_add(1),
        }
    }
}

/// A protocol next to one that a rule names, or that one; and those that have ports like it.
fn protocol_beside(bits: &mut impl Bits, rule: &Rule) -> Protocol {
    let named = rule.protocol.into_iter().chain(rule.not_protocol);
    let named: SmallVec<[u8; 2]> = named.map(|protocol| protocol.protocol().0).collect();
    match bits.pick(&named) {
        Some(number) if bits.chance(2, 3) => {
            let numbers = [number.wrapping_sub(1), *number, number.wrapping_add(1)];
            Protocol(bits.one(numbers))
        }
        _ => bits.one([
            Protocol::TCP,
            Protocol::UDP,
            Protocol::SCTP,
            Protocol::UDP_LITE,
        ]),
    }
}

/// Gives a message a type or code next to one that a rule names, or those.
fn message_beside(bits: &mut impl Bits, icmp: &mut Icmp, rule: &Rule) {
    let named = rule.icmp.into_iter().chain(rule.not_icmp);
    let named: SmallVec<[IcmpMessage; 2]> = named.collect();
    let Some(message) = bits.pick(&named) else {
        icmp.code ^= 1;
        return;
    };
    icmp.kind = message.kind;
    icmp.code = message.code.unwrap_or(icmp.code);
    match bits.below(5) {
        0 => icmp.kind = message.kind.wrapping_add(1),
        1 => icmp.kind = message.kind.wrapping_sub(1),
        2 => icmp.code = icmp.code.wrapping_add(1),
        3 => icmp.code = icmp.code.wrapping_sub(1),
        _ => {}
    }
}

fn one_of(bits: &mut impl Bits, numbers: PortNumbers) -> u16 {
    let middle = numbers.first().midpoint(numbers.last());
    bits.one([numbers.first(), numbers.last(), middle])
}

fn has(ports: &RulePorts, port: u16) -> bool {
    match ports {
        RulePorts::Numbers(numbers) => numbers.contains(port),
        RulePorts::Named(_) => false,
    }
}
