//! What Calico treats in its own way since API v3.

use std::net::IpAddr;

use super::party::{Party, pick_of};
use super::{Traffic, of_protocol};
use crate::generate::bits::Bits;
use crate::generate::draft::Draft;
use crate::generate::ground::{Way, around};
use crate::generate::question::{Question, conditions};
use crate::generate::standing::{Shot, Standing};
use crate::packet::{Connection, Family, Origin, Packet, Ports, Progress, Protocol, Transport};
use crate::xtables::{TableName, Target};

/// How often an address is looked for.
const TRIES: usize = 8;

impl Traffic<'_> {
    pub(super) fn special_of_v3(&self, bits: &mut impl Bits, family: Family) -> Option<Draft> {
        match bits.below(12) {
            0..=2 => self.tunnelled(bits, family),
            3..=5 => self.to_service(bits, family),
            6 => self.to_node_port(bits, family),
            7 | 8 => self.spoofed_as_allowed(bits, family),
            9 => self.forwarded_with_mark(bits, family),
            _ => self.leaving(bits, family),
        }
    }

    /// To a failsafe port or from one, or to its neighbour, from whom it is open for or not.
    pub(super) fn failsafe_of_v3(&self, bits: &mut impl Bits, family: Family) -> Option<Draft> {
        let told = &self.world.configuration.modern;
        let inbound = bits.chance(1, 2);
        let open = match inbound != bits.chance(1, 8) {
            true => told.failsafe_inbound(),
            false => told.failsafe_outbound(),
        };
        let open = *bits.pick(&open)?;
        // Who is of another family is not told from anybody by a prefix.
        let by_net = open.net.map(|net| Family::of(net.addr()));
        let family = by_net
            .filter(|one| self.families.contains(one))
            .unwrap_or(family);
        let port = open.port.wrapping_add(bits.one([0, 0, 0, 1, u16::MAX]));
        let elsewhere = self.party(bits)?;
        let (from, to) = match inbound {
            true => (elsewhere, bits.one([Party::Node, Party::Node, elsewhere])),
            false => (Party::Node, elsewhere),
        };
        let (origin, mut source) = self.sender(bits, from, family)?;
        let mut destination = self.address_of(bits, to, family)?;
        let net = open.net.filter(|net| Family::of(net.addr()) == family);
        if let Some(net) = net
            && bits.chance(3, 4)
        {
            let near = around(net.network(), net.broadcast());
            let far = if inbound {
                &mut source
            } else {
                &mut destination
            };
            *far = match bits.chance(1, 2) {
                true => self.inside(bits, net),
                false => *bits.pick(&near)?,
            };
        }
        let other = self.port(bits, family);
        let answers = bits.chance(1, 3);
        let ports = Ports {
            source: if answers { port } else { other },
            destination: if answers { other } else { port },
        };
        let own = open.protocol.protocol();
        let protocol = bits.one([own, own, own, Protocol::TCP, Protocol::UDP]);
        let transport = of_protocol(bits, family, protocol, ports);
        let packet = Packet::new(origin, source, destination, transport);
        let standing = match answers {
            true => bits.one([Standing::New, Standing::Untracked, Standing::Reply]),
            false => bits.one([Standing::New, Standing::New, Standing::Untracked]),
        };
        let draft = self.finish_as(bits, packet, standing)?;
        match !inbound && bits.chance(1, 2) {
            true => Some(self.as_translated(bits, draft)),
            false => Some(draft),
        }
    }

    /// A packet that would begin a connection, as the first of one whose destination somebody has translated
    /// to where it goes: connection tracking alone remembers that, and no rule of nat is asked. What leaves by a
    /// host endpoint's interface so is asked about in mangle, by its real destination.
    pub(super) fn as_translated(&self, bits: &mut impl Bits, draft: Draft) -> Draft {
        let plain = draft.shot.packet.fragment.is_none() && draft.shot.packet.defect.is_none();
        if draft.standing != Standing::New || !plain {
            return draft;
        }
        let packet = &draft.shot.packet;
        let seen = self.another_address(bits, packet.family(), packet.destination);
        let (Some(seen), Some(reply)) = (seen, packet.tuple().inverse()) else {
            return draft;
        };
        let packet = Packet {
            destination: seen,
            ..packet.clone()
        };
        let connection = Connection {
            original: packet.tuple(),
            reply,
            progress: Progress::Unreplied,
            settled: false,
        };
        Draft {
            base: packet.clone(),
            standing: Standing::Unreplied,
            shot: Shot {
                packet,
                connections: vec![connection],
            },
        }
    }

    /// Somebody's address to which there is a way, and not this one.
    fn another_address(
        &self,
        bits: &mut impl Bits,
        family: Family,
        taken: IpAddr,
    ) -> Option<IpAddr> {
        let mut tries = (0..TRIES).filter_map(|_| self.stranger(bits, family));
        tries.find(|one| {
            let somebodys = !one.is_multicast() && !one.is_loopback() && !one.is_unspecified();
            somebodys && *one != taken && self.ground.way(*one) != Way::Nowhere
        })
    }

    /// VXLAN, `WireGuard`, IP in IP, and their neighbours: of other nodes, of strangers, of workloads, of the node.
    fn tunnelled(&self, bits: &mut impl Bits, family: Family) -> Option<Draft> {
        let told = &self.world.configuration.modern;
        let wireguard = match family {
            Family::V4 => told.wireguard.port,
            Family::V6 => told.wireguard.port_v6,
        };
        let port = bits.one([told.vxlan_port, told.vxlan_port, wireguard]);
        let port = port.wrapping_add(bits.one([0, 0, 0, 0, 1, u16::MAX]));
        let outward = bits.chance(1, 3);
        let elsewhere = self.party(bits)?;
        let from = if outward { Party::Node } else { elsewhere };
        let (origin, mut source) = self.sender(bits, from, family)?;
        let to = match outward {
            true => elsewhere,
            false => bits.one([Party::Node, Party::Node, elsewhere]),
        };
        let mut destination = self.address_of(bits, to, family)?;
        // Who else is a node, or nearly.
        if bits.chance(1, 2) && matches!(elsewhere, Party::Behind(_)) {
            let far = if outward {
                &mut destination
            } else {
                &mut source
            };
            let node = pick_of(bits, family, self.world.nodes.iter().copied());
            if let Some(node) = node {
                *far = match bits.chance(1, 4) {
                    true => *bits.pick(&around(node, node))?,
                    false => node,
                };
            }
        }
        let ports = Ports {
            source: self.port(bits, family),
            destination: port,
        };
        let udp = Protocol::UDP;
        let protocol = bits.one([udp, udp, udp, Protocol::TCP, Protocol::IPIP]);
        let transport = of_protocol(bits, family, protocol, ports);
        self.finish(bits, Packet::new(origin, source, destination, transport))
    }

    /// To a service's address, its ports and beside them: those that rules translate, and those that BGP
    /// tells others of.
    fn to_service(&self, bits: &mut impl Bits, family: Family) -> Option<Draft> {
        let nets = &self.world.configuration.modern.service_nets;
        let told = nets.iter().filter(|net| Family::of(net.addr()) == family);
        let told = told.flat_map(|net| around(net.network(), net.broadcast()));
        let translated = self.translated(family);
        let mut known: Vec<(IpAddr, Option<Transport>)> = translated.collect();
        known.extend(told.map(|address| (address, None)));
        let (address, transport) = *bits.pick(&known)?;
        let from = self.party(bits)?;
        let (origin, source) = self.sender(bits, from, family)?;
        let transport = match transport {
            Some(transport) if bits.chance(3, 4) => transport,
            _ => self.transport(bits, family),
        };
        self.finish(bits, Packet::new(origin, source, address, transport))
    }

    /// What others' rules translate by destination and port, as packets that meet them.
    fn translated(&self, family: Family) -> impl Iterator<Item = (IpAddr, Option<Transport>)> + '_ {
        let ruleset = self.ground.firewall.ruleset(family);
        let nat = ruleset.table(TableName::Nat).into_iter();
        let chains = nat.flat_map(|table| &table.chains);
        let rules = chains.flat_map(|chain| &chain.rules);
        let leading =
            rules.filter(|rule| matches!(rule.target, Target::Jump(_) | Target::Redirect(_)));
        leading.filter_map(|rule| {
            let to = rule.destination.as_ref().filter(|to| !to.negated)?;
            let mut port = None;
            for condition in conditions(rule) {
                if let Question::Ports(_, ranges) = condition.question {
                    port = ranges.first().map(|range| range.first);
                }
            }
            let ports = Ports {
                source: 40_000,
                destination: port.unwrap_or(80),
            };
            let transport = match rule.protocol.as_ref().map(|protocol| protocol.value) {
                Some(Protocol::UDP) => Transport::Udp(ports),
                Some(Protocol::TCP) => Transport::Tcp(crate::packet::Tcp {
                    ports,
                    flags: crate::packet::TcpFlags::SYN,
                    option: None,
                }),
                _ => return Some((to.value.address, None)),
            };
            Some((to.value.address, Some(transport)))
        })
    }

    /// To the node by a port that stands for a service, or beside it.
    fn to_node_port(&self, bits: &mut impl Bits, family: Family) -> Option<Draft> {
        let ranges = &self.world.configuration.modern.node_ports;
        let range = *bits.pick(ranges)?;
        let from = self.party(bits)?;
        let (origin, source) = self.sender(bits, from, family)?;
        let destination = self.address_of(bits, Party::Node, family)?;
        let (first, last) = (range.first(), range.last());
        let edges = [first, last, first.wrapping_sub(1), last.wrapping_add(1)];
        let ports = Ports {
            source: self.port(bits, family),
            destination: match bits.chance(1, 2) {
                true => bits.one(edges),
                false => bits.one([30_000, 30_080, 32_767]),
            },
        };
        let protocol = bits.one([Protocol::TCP, Protocol::TCP, Protocol::UDP]);
        let transport = of_protocol(bits, family, protocol, ports);
        self.finish(bits, Packet::new(origin, source, destination, transport))
    }

    /// From a workload by an address from which it may send besides its own, or from one beside that.
    fn spoofed_as_allowed(&self, bits: &mut impl Bits, family: Family) -> Option<Draft> {
        let workloads = self.world.workloads.iter();
        let allowed = workloads.flat_map(|one| {
            let nets = one.allowed_sources.iter();
            nets.map(move |net| (one.interface, *net))
        });
        let own = allowed.filter(|(_, net)| Family::of(net.addr()) == family);
        let own: Vec<_> = own.collect();
        let (interface, net) = *bits.pick(&own)?;
        let source = *bits.pick(&around(net.network(), net.broadcast()))?;
        let to = self.party(bits)?;
        let destination = self.address_of(bits, to, family)?;
        let transport = self.transport(bits, family);
        let origin = Origin::Arrives(interface);
        self.finish(bits, Packet::new(origin, source, destination, transport))
    }

    /// Through the node, with some of Felix's bits on it as somebody left them.
    fn forwarded_with_mark(&self, bits: &mut impl Bits, family: Family) -> Option<Draft> {
        let mut draft = self.plain(bits, family)?;
        let mark = crate::mark::Mark(self.mark(bits, family));
        draft.base.mark = mark;
        draft.shot.packet.mark = mark;
        Some(draft)
    }

    /// From a workload out of the cluster, or to where it just ends: that is where addresses are translated
    /// and where traffic is marked for others.
    fn leaving(&self, bits: &mut impl Bits, family: Family) -> Option<Draft> {
        let workloads = self.world.workloads.len();
        let from = match workloads {
            0 => self.party(bits)?,
            _ => Party::Workload(bits.below(workloads)),
        };
        let (origin, source) = self.sender(bits, from, family)?;
        let pools = self.world.pools.iter().map(|pool| pool.net);
        let pools = pools.filter(|net| Family::of(net.addr()) == family);
        let pools: Vec<_> = pools.collect();
        let destination = match bits.pick(&pools) {
            Some(net) if bits.chance(1, 3) => {
                *bits.pick(&around(net.network(), net.broadcast()))?
            }
            _ => self.stranger(bits, family)?,
        };
        let transport = self.transport(bits, family);
        self.finish(bits, Packet::new(origin, source, destination, transport))
    }

    /// A DSCP that rules ask for or write, with any of the two bits behind it, or any at all.
    pub(super) fn traffic_class(&self, bits: &mut impl Bits, family: Family) -> u8 {
        let known = &self.ground.constants(family).traffic_classes;
        match bits.pick(known) {
            Some(class) if bits.chance(1, 2) => class | bits.one([0, 1, 2, 3]),
            _ => u8::try_from(bits.below(256)).unwrap_or(0),
        }
    }
}
