//! What the causes of this layout ask of a packet.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::super::Unmeant;
use super::super::facts::{is_felixs, stands_behind};
use crate::calico::configuration::Modern;
use crate::calico::configuration::modern::AllowAction;
use crate::calico::rule::Ports;
use crate::calico::world::{HostInterface, Limits, PacketRate, PeersIndex, Qos, Stage};
use crate::calico::{Rule, Side};
use crate::diff::chains::is_of_policy;
use crate::diff::meaning::End;
use crate::diff::shape::{Shape, is_calicos};
use crate::intent::{self, Clause, Era, Judge, Source, Verdict};
use crate::journey::Step;
use crate::node::routing::Way;
use crate::packet::{Family, InterfaceName, Origin, Protocol};
use crate::render::modern::{Noted, noted};
use crate::xtables::{Hook, Match, TableName, Target};

/// What Felix notes of a packet that comes to INPUT, where IPVS is in use.
enum Number {
    /// An endpoint's number, or that of whatever is no workload's.
    Some,
    /// Its endpoint's, if the mark has one left for it.
    Perhaps,
    /// Its interface looks like a workload's, and is no endpoint's.
    None,
}

/// The interface of services' addresses where kube-proxy uses IPVS.
const SERVICES: &str = "kube-ipvs0";

pub(super) fn others_set_its_bits(found: &Unmeant<'_>) -> bool {
    let own = found.told().mark_mask;
    let mut set = 0;
    found.steps.iter().any(|step| {
        if !is_felixs(&step.chain) && !found.is_felixs_own(step) {
            set |= (step.before.0 ^ step.after.0) & own;
            return false;
        }
        let rule = found.rule_of(step);
        let mut asked = rule.into_iter().flat_map(|rule| &rule.matches);
        asked.any(|one| matches!(one, Match::Mark(test) if test.value.mask & set != 0))
    })
}

pub(super) fn is_name(ports: &Ports) -> bool {
    matches!(ports, Ports::Named(_))
}

pub(super) fn names_other_ports(rule: &Rule) -> bool {
    let sides = [&rule.source, &rule.destination];
    let mut ports = sides.into_iter().flat_map(|side| &side.not_ports);
    ports.any(is_name)
}

pub(super) fn is_of_connection(clause: Clause) -> bool {
    matches!(
        clause,
        Clause::I5Original | Clause::I5Reply | Clause::I5Related
    )
}

pub(super) fn translates(step: &Step) -> bool {
    let targets = ["DNAT", "SNAT", "MASQUERADE", "REDIRECT"];
    step.matched.is_ok() && targets.iter().any(|target| step.did.starts_with(target))
}

/// Whether no packet may bear an address as its source: that of a group, of all, and none.
pub(super) fn is_nobodys(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_broadcast() || address.is_multicast(),
        IpAddr::V6(address) => address.is_unspecified() || address.is_multicast(),
    }
}

fn drops(step: &Step) -> bool {
    let ends = ["DROP", "REJECT", "policy DROP"];
    ends.iter().any(|end| step.did.starts_with(end))
}

pub(super) fn came_with_the_drop_bit(found: &Unmeant<'_>) -> bool {
    let Some(bits) = found.modern_bits() else {
        return false;
    };
    // Between the two may stand what tells the log of flows.
    let tells = |step: &&Step| step.did != "goes on";
    let mut back = found.steps.iter().rev().filter(tells);
    let (Some(last), Some(before)) = (back.next(), back.next()) else {
        return false;
    };
    let behind = stands_behind(last, before);
    let ends = last.did.starts_with("DROP") || last.did.starts_with("REJECT");
    found.is_lost()
        && ends
        && behind
        && before.matched.is_err()
        && is_of_policy(&last.chain)
        && last.before.0 & bits.drop.bits() != 0
}

pub(super) fn left_by_an_earlier_block(found: &Unmeant<'_>) -> bool {
    let Some(bits) = found.modern_bits() else {
        return false;
    };
    let second = bits.scratch1.bits();
    let mut set_since = false;
    for step in found.steps.iter().filter(|step| is_of_policy(&step.chain)) {
        let Some(rule) = found.rule_of(step) else {
            continue;
        };
        let asks = rule.matches.iter().any(|one| {
            matches!(one, Match::Mark(test) if test.value.mask == second && test.value.value == 0)
        });
        if asks {
            if step.matched.is_err() && !set_since {
                return true;
            }
            set_since = false;
        }
        let sets = matches!(&rule.target, Target::Mark(mark) if mark.value == second);
        set_since |= sets && step.matched.is_ok();
    }
    false
}

impl Unmeant<'_> {
    pub(in crate::diff::cause) fn told(&self) -> &Modern {
        &self.world.configuration.modern
    }

    pub(in crate::diff::cause) fn arrives_by(&self) -> Option<InterfaceName> {
        match self.packet.origin {
            Origin::Arrives(by) => Some(by),
            Origin::Node => None,
        }
    }

    /// Whether Felix wrote a rule in a kernel's chain.
    pub(in crate::diff::cause) fn is_felixs_own(&self, step: &Step) -> bool {
        let rule = self.rule_of(step);
        rule.is_some_and(|rule| is_calicos(&step.chain, rule))
    }

    /// Whether another program's rule asks it for bits of the mark that are Felix's, and these answer otherwise
    /// than as it came.
    pub(in crate::diff::cause) fn others_ask_for_its_bits(&self) -> bool {
        let own = self.told().mark_mask;
        self.steps.iter().any(|step| {
            let other = (step.before.0 ^ self.packet.mark.0) & own;
            let rule = self.rule_of(step);
            rule.is_some_and(|rule| {
                let mut asked = rule.matches.iter();
                !is_calicos(&step.chain, rule)
                    && asked
                        .any(|one| matches!(one, Match::Mark(test) if test.value.mask & other != 0))
            })
        })
    }

    /// Whether one of Felix's rules about connections takes it for a later packet of one.
    pub(in crate::diff::cause) fn is_taken_for_established(&self) -> bool {
        self.matched_in(TableName::Filter, |step| {
            let rule = self.rule_of(step);
            let shape = rule.map(|rule| Shape::of(step.table, &step.chain, rule));
            is_felixs(&step.chain)
                && shape.is_some_and(|shape| shape.as_str().contains("RELATED+ESTABLISHED"))
        })
    }

    /// Whether an endpoint limits how many such come a second, and nothing holds it back.
    pub(in crate::diff::cause) fn goes_at_any_pace(&self) -> bool {
        self.opinion.paced && !self.is_lost()
    }

    /// Whether an endpoint's chain accepts it as a later packet of a connection, and that endpoint limits nothing of
    /// it.
    pub(in crate::diff::cause) fn is_accepted_as_established_by_who_counts_nothing(&self) -> bool {
        let paces = |by: Option<InterfaceName>, limits: fn(&Qos) -> Limits| {
            let mut workloads = self.world.workloads.iter();
            workloads.any(|one| {
                let rate = limits(&one.qos).packets;
                by == Some(one.interface) && rate.is_some_and(PacketRate::holds_back)
            })
        };
        self.matched_in(TableName::Filter, |step| {
            let rule = self.rule_of(step);
            let shape = rule.map(|rule| Shape::of(step.table, &step.chain, rule));
            let counts_nothing = match step.chain.get(..8) {
                Some("cali-fhf") => true,
                Some("cali-fw-") => !paces(self.arrives_by(), |qos| qos.egress),
                Some("cali-tw-") => !paces(self.leaves(), |qos| qos.ingress),
                _ => false,
            };
            step.did == "ACCEPT"
                && counts_nothing
                && shape.is_some_and(|shape| shape.as_str().contains("RELATED+ESTABLISHED"))
        })
    }

    /// Whether cali-wl-to-host takes it whatever policy says.
    pub(in crate::diff::cause) fn is_always_taken(&self) -> bool {
        self.matched_in(TableName::Filter, |step| {
            let rule = self.rule_of(step);
            step.chain == "cali-wl-to-host"
                && matches!(step.did.as_str(), "ACCEPT" | "RETURN")
                && rule.is_some_and(|rule| rule.protocol.is_some())
        })
    }

    /// Whether a rule of a policy or profile of the world is such.
    pub(in crate::diff::cause) fn has_rule(&self, is: impl Fn(&Rule) -> bool) -> bool {
        let policies = self.world.tiers.iter().flat_map(|tier| &tier.policies);
        let policies = policies.flat_map(|policy| policy.ingress.iter().chain(&policy.egress));
        let profiles = self.world.profiles.values();
        let profiles = profiles.flat_map(|profile| profile.ingress.iter().chain(&profile.egress));
        policies.chain(profiles).any(is)
    }

    /// Whether a side of such a rule is so, shown which groups have the packet's address on that side.
    pub(in crate::diff::cause) fn has_side(
        &self,
        is: impl Fn(&Side, &dyn Fn(&PeersIndex) -> bool) -> bool,
    ) -> bool {
        self.has_rule(|rule| {
            let ends = [
                (&rule.source, self.packet.source),
                (&rule.destination, self.real_destination()),
            ];
            let mut ends = ends.into_iter();
            ends.any(|(side, address)| {
                is(side, &|index| self.world.peers(*index).contains(address))
            })
        })
    }

    /// Where it goes in the end, as far as anybody says.
    pub(in crate::diff::cause) fn real_destination(&self) -> IpAddr {
        let meant = self.opinion.exit.as_ref().map(|exit| exit.destination);
        match self.end {
            End::Out { destination, .. } => destination,
            End::Lost => meant.unwrap_or(self.packet.destination),
        }
    }

    /// Whether a host endpoint names an interface, or expects an address of it.
    pub(in crate::diff::cause) fn has_its_own_endpoint(&self, interface: InterfaceName) -> bool {
        let addresses = self.node.addresses().filter(|(at, _)| *at == interface);
        let addresses: Vec<IpAddr> = addresses.map(|(_, net)| net.addr()).collect();
        let mut hosts = self.world.hosts.iter();
        hosts.any(|host| match host.of {
            HostInterface::Named(name) => name == interface,
            HostInterface::ByAddress => {
                let mut expected = host.expected_addresses.iter();
                expected.any(|one| addresses.contains(one))
            }
            HostInterface::All => false,
        })
    }

    /// Whether a host endpoint's dispatch comes to its last rule, which is the wildcard endpoint's.
    pub(in crate::diff::cause) fn comes_to_the_wildcard(
        &self,
        table: TableName,
        dispatch: &str,
    ) -> bool {
        self.matched_in(table, |step| {
            let rule = self.rule_of(step);
            step.chain.starts_with(dispatch)
                && rule.is_some_and(|rule| {
                    let any = rule.in_interface.is_none() && rule.out_interface.is_none();
                    any && matches!(rule.target, Target::Goto(_))
                })
        })
    }

    /// Whether it comes into a chain of a table.
    pub(in crate::diff::cause) fn visits(&self, table: TableName, chain: &str) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| step.table == table && step.chain == chain)
    }

    /// Whether a rule of a table matches of which this is true.
    pub(in crate::diff::cause) fn matched_in(
        &self,
        table: TableName,
        is: impl Fn(&Step) -> bool,
    ) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| {
            step.table == table && step.rule.is_some() && step.matched.is_ok() && is(step)
        })
    }

    /// Whether a rule of this chain has the last word in a table.
    pub(in crate::diff::cause) fn ended_in(&self, table: TableName, chain: &str) -> bool {
        self.deciding(table)
            .is_some_and(|step| step.chain == chain && step.rule.is_some())
    }

    /// Whether cali-INPUT or cali-OUTPUT accepts it before it asks whose it is, as what nodes send each
    /// other.
    pub(in crate::diff::cause) fn is_accepted_as_a_tunnels(&self) -> bool {
        self.tunnels_peers(self.accepts()).next().is_some()
    }

    /// The same, from a node of the cluster, or to one.
    pub(in crate::diff::cause) fn is_accepted_as_between_nodes(&self) -> bool {
        let mut peers = self.tunnels_peers(self.accepts());
        peers.any(|peer| peer.is_none_or(|peer| self.world.nodes.contains(&peer)))
    }

    /// Whether cali-INPUT drops it, from no node of the cluster, as what only nodes send each other.
    pub(in crate::diff::cause) fn is_dropped_as_a_strangers(&self) -> bool {
        let to_own = self.is_own(self.real_destination());
        let mut peers = self.tunnels_peers(drops);
        let between = |peer| to_own && self.world.nodes.contains(&peer);
        self.is_lost() && peers.any(|peer| peer.is_none_or(|peer| !between(peer)))
    }

    fn accepts(&self) -> fn(&Step) -> bool {
        match self.told().filter_allow {
            AllowAction::Accept => |step| step.did == "ACCEPT",
            AllowAction::Return => |step| step.did == "RETURN",
        }
    }

    /// From whom or to whom it goes where a rule of the tunnels' in cali-INPUT or cali-OUTPUT does such;
    /// `None` where somebody has translated that on the way. What is accepted in INPUT goes to an address of
    /// the node's.
    fn tunnels_peers(&self, does: fn(&Step) -> bool) -> impl Iterator<Item = Option<IpAddr>> {
        let translated = self.packet.origin == Origin::Node
            && (!self.connections.is_empty() || self.steps.iter().any(translates));
        let source = (!translated).then_some(self.packet.source);
        let steps = self.steps.iter().filter(move |step| {
            let rule = self.rule_of(step);
            step.table == TableName::Filter
                && rule.is_some_and(|rule| rule.protocol.is_some())
                && step.matched.is_ok()
                && does(step)
        });
        steps.filter_map(move |step| match step.chain.as_str() {
            "cali-INPUT" if drops(step) || self.is_own(self.real_destination()) => Some(source),
            "cali-OUTPUT" if self.may_be_a_tunnels() => Some(Some(self.real_destination())),
            _ => None,
        })
    }

    /// Whether it leaves by a tunnel as from that tunnel's own address, and bore another one of the node's.
    pub(in crate::diff::cause) fn leaves_as_the_tunnel(&self) -> bool {
        let told = &self.told().wireguard;
        let tunnels = ["tunl0", "vxlan.calico", "vxlan-v6.calico"].into_iter();
        let mut tunnels = tunnels.chain([told.interface.as_str(), told.interface_v6.as_str()]);
        let End::Out {
            way: Way::Out(out),
            source,
            ..
        } = self.end
        else {
            return self.is_lost();
        };
        let of_tunnel = |address| {
            let mut addresses = self.node.addresses();
            addresses.any(|(at, net)| at == out && net.addr() == address)
        };
        // Where the tunnel has no address yet, the kernel takes another one of the node's.
        let mut own = self.node.addresses().filter(|(at, _)| *at == out);
        let has_one = own.any(|(_, net)| Family::of(net.addr()) == self.packet.family());
        tunnels.any(|tunnel| tunnel == out.as_str())
            && (of_tunnel(source) || !has_one)
            && !of_tunnel(self.packet.source)
            && self.is_own(self.packet.source)
            && self.keeps_off_vxlans_port()
    }

    /// Whether its source port, if it is of UDP and that is translated where VXLAN is on, can't become
    /// VXLAN's own.
    fn keeps_off_vxlans_port(&self) -> bool {
        let asked = self.packet.protocol() == Protocol::UDP
            && self.world.wraps_in_vxlan(self.packet.family());
        let translated = self.steps.iter().filter(|step| translates(step));
        let mut targets = translated.filter_map(|step| Some(&self.rule_of(step)?.target));
        let keeps_off = |target: &Target| match target {
            Target::Masquerade(to) => to
                .ports
                .is_some_and(|ports| !(ports.first..=ports.last).contains(&self.told().vxlan_port)),
            _ => false,
        };
        !asked || targets.any(keeps_off)
    }

    /// Whether it comes from the node itself and leaves, untranslated, by no workload's interface: what does
    /// cali-OUTPUT returns first.
    fn may_be_a_tunnels(&self) -> bool {
        let to_workload = self
            .would_leave()
            .is_some_and(|out| self.is_like_a_workloads(out));
        self.is_own(self.packet.source) && !to_workload
    }

    /// Whether an address is the node's, or one of loopback but for all of them.
    fn is_own(&self, address: IpAddr) -> bool {
        let to_all = address == IpAddr::from([127, 255, 255, 255]);
        (address.is_loopback() && !to_all)
            || self.node.addresses().any(|(_, net)| net.addr() == address)
    }

    /// Whether it goes to the port of VXLAN where that is on, or may do so by a connection that says otherwise.
    pub(in crate::diff::cause) fn may_be_vxlan(&self) -> bool {
        let to_port = self.is_to_port(Protocol::UDP, self.told().vxlan_port);
        let of_connection = self.packet.protocol() == Protocol::UDP && !self.connections.is_empty();
        self.world.wraps_in_vxlan(self.packet.family()) && (to_port || of_connection)
    }

    /// Whether it matters to what is meant what connection tracking says of it.
    pub(in crate::diff::cause) fn hangs_on_tracking(&self) -> bool {
        let translated = self.opinion.exit.as_ref().is_some_and(|exit| {
            exit.destination != self.packet.destination
                || exit.source != Source::Exactly(self.packet.source)
        });
        let clause = self.clause();
        let of_tracking = is_of_connection(clause) || clause == Clause::I5Invalid;
        let floating = !self.inside_of(self.packet.destination).is_empty();
        let known = floating || !self.connections.is_empty();
        of_tracking || known || translated || self.opinion.verdict == Verdict::Defer
    }

    /// Whether Felix drops it by the node's policies though it goes from one node of the cluster to another,
    /// in VXLAN: that it accepts before it asks.
    pub(in crate::diff::cause) fn is_refused_between_nodes(&self) -> bool {
        let nodes = &self.world.nodes;
        let sent = self.is_own(self.packet.source)
            && nodes.contains(&self.packet.destination)
            && self.is_dropped_by_felix(TableName::Filter, Hook::Output);
        let received = nodes.contains(&self.packet.source)
            && self.is_own(self.packet.destination)
            && self.is_dropped_by_felix(TableName::Filter, Hook::Input);
        (sent || received) && self.is_to_port(Protocol::UDP, self.told().vxlan_port)
    }

    /// Whether it fares as what IPVS sends on for the endpoint that its mark stands for, as far as nobody
    /// translates it: Felix drops what that endpoint, or the one that it leaves by, denies, and accepts what they
    /// allow.
    pub(in crate::diff::cause) fn is_as_sent_on(&self) -> bool {
        let asked = |step: &&Step| step.chain == "cali-forward-endpoint-mark";
        let mark = self.steps.iter().find(asked).map(|step| step.before);
        let noted = mark.and_then(|mark| noted(self.world, self.node, mark));
        let endpoint = match noted {
            Some(Noted::Endpoint(interface)) => Some(interface),
            Some(Noted::Others) => None,
            Some(Noted::Unknown) => {
                return self.is_dropped_by_felix(TableName::Filter, Hook::Output);
            }
            Some(Noted::Nothing) => return false,
            None => return true,
        };
        let translated = self.real_destination() != self.packet.destination
            || self.steps.iter().any(translates)
            || !self.connections.is_empty();
        let Ok(judge) = Judge::new(self.world, self.node, Era::Modern) else {
            return true;
        };
        let connections = intent::Connections::new(self.connections);
        let meant = judge.sent_on(endpoint, self.packet, &connections);
        let as_meant = match meant.filter(|_| !translated) {
            None => true,
            Some(Verdict::Deny) => self.is_lost(),
            Some(_) => !self.is_dropped_by_felix(TableName::Filter, Hook::Output),
        };
        let accepted = self.told().filter_allow == AllowAction::Accept && self.left_accepted();
        as_meant && !(accepted && self.is_dropped_by_others(Hook::Output))
    }

    /// Whether Felix's chains of OUTPUT in filter left it with the accept bit.
    fn left_accepted(&self) -> bool {
        let last = self.steps.iter().rev().find(|step| {
            step.hook == Hook::Output && step.table == TableName::Filter && is_felixs(&step.chain)
        });
        let bits = self.modern_bits();
        let accept = bits.map_or(0, |bits| bits.accept.bits());
        last.is_some_and(|step| step.after.0 & accept != 0)
    }

    /// Whether somebody calls one of its ports, of its protocol, as a rule does.
    pub(in crate::diff::cause) fn is_named_by(&self, rule: &Rule) -> bool {
        let Some(ports) = self.packet.transport.ports() else {
            return false;
        };
        let to = self.real_destination();
        let source = (self.packet.source, Some(ports.source));
        // What is translated goes to a port that nobody here knows.
        let port = (to == self.packet.destination).then_some(ports.destination);
        let mut ends = [(&rule.source, source), (&rule.destination, (to, port))].into_iter();
        ends.any(|(side, (address, number))| {
            let asked = |name: &str| {
                let mut ports = side.ports.iter().chain(&side.not_ports);
                ports.any(|ports| matches!(ports, Ports::Named(one) if one == name))
            };
            let mut who = self.world.selectable.iter();
            who.any(|who| {
                let mut called = who.ports.iter();
                who.nets.iter().any(|net| net.contains(&address))
                    && called.any(|port| {
                        asked(&port.name)
                            && port.protocol.protocol() == self.packet.protocol()
                            && number.is_none_or(|number| number == port.port)
                    })
            })
        })
    }

    /// Whether it is what machines of OpenStack may ask the node for (felix, rules/static.go).
    pub(in crate::diff::cause) fn asks_for_a_lease_or_a_name(&self) -> bool {
        let (client, server) = match self.packet.family() {
            Family::V4 => (68, 67),
            Family::V6 => (546, 547),
        };
        let ports = self.packet.transport.ports();
        let from_client = ports.is_some_and(|ports| ports.source == client);
        // By what it is translated to, nobody here knows which port it goes to.
        let translated = self.real_destination() != self.packet.destination;
        (from_client && self.is_to_port(Protocol::UDP, server))
            || self.is_to_port(Protocol::UDP, 53)
            || (translated && self.packet.protocol() == Protocol::UDP)
    }

    /// Whether it is what a machine of OpenStack asks for before it has an address.
    pub(in crate::diff::cause) fn asks_for_its_first_lease(&self) -> bool {
        let of_none = self.packet.source == IpAddr::from([0, 0, 0, 0]);
        of_none && self.asks_for_a_lease_or_a_name() && self.is_to_port(Protocol::UDP, 67)
    }

    /// Whether Felix accepts it in raw before it asks for the way back to its source, and has no reason for that.
    pub(in crate::diff::cause) fn is_spared_the_way_back(&self) -> bool {
        let asked = self.steps.iter().any(|step| {
            let rule = self.rule_of(step);
            let mut asks = rule.into_iter().flat_map(|rule| &rule.matches);
            step.table == TableName::Raw && asks.any(|one| matches!(one, Match::Rpfilter(_)))
        });
        self.ended_in(TableName::Raw, "cali-PREROUTING")
            && !asked
            && !self.asks_for_its_first_lease()
    }

    /// Whether another program's rule accepts it in FORWARD, and no rule behind is asked.
    pub(in crate::diff::cause) fn others_accept_forwarded(&self) -> bool {
        self.matched_in(TableName::Filter, |step| {
            let own = is_felixs(&step.chain) || self.is_felixs_own(step);
            step.hook == Hook::Forward && step.did == "ACCEPT" && !own
        })
    }

    /// Whether another program's rule or a base policy drops it in filter at a hook.
    pub(in crate::diff::cause) fn is_dropped_by_others(&self, hook: Hook) -> bool {
        let decided = self.deciding(TableName::Filter);
        self.is_lost()
            && decided
                .is_some_and(|step| step.hook == hook && !is_felixs(&step.chain) && drops(step))
    }

    /// Whether one of Felix's rules drops it in a table at a hook.
    pub(in crate::diff::cause) fn is_dropped_by_felix(&self, table: TableName, hook: Hook) -> bool {
        let decided = self.deciding(table);
        self.is_lost()
            && decided
                .is_some_and(|step| step.hook == hook && is_felixs(&step.chain) && drops(step))
    }

    /// Whether it is new to the node and goes to none of the addresses that Felix sees of it.
    pub(in crate::diff::cause) fn is_to_no_address_of_the_host(&self) -> bool {
        !is_of_connection(self.clause()) && !self.is_to_an_address_of_the_host()
    }

    /// Whether it is new to the node and goes to one of the addresses that Felix sees of it, to a port of those
    /// that services have of every node.
    pub(in crate::diff::cause) fn is_to_a_node_port(&self) -> bool {
        let ports = self.packet.transport.ports();
        let translated = self.real_destination() != self.packet.destination;
        let has_ports = [Protocol::TCP, Protocol::UDP].contains(&self.packet.protocol());
        let node_ports = &self.told().node_ports;
        let is_service = |port| node_ports.iter().any(|ports| ports.contains(port));
        let to_service = translated || ports.is_some_and(|ports| is_service(ports.destination));
        !is_of_connection(self.clause())
            && self.is_to_an_address_of_the_host()
            && has_ports
            && to_service
    }

    fn is_to_an_address_of_the_host(&self) -> bool {
        let to = self.real_destination();
        let mut own = self.node.addresses().filter(|(interface, _)| {
            interface.as_str() != SERVICES && !self.is_like_a_workloads(*interface)
        });
        own.any(|(_, net)| net.addr() == to)
    }

    /// Whether cali-INPUT lets it go by as what IPVS will send on, or drops it as from no endpoint.
    pub(in crate::diff::cause) fn is_taken_for_a_services(&self) -> bool {
        let passed = (self.opinion.verdict != Verdict::Defer || self.goes_at_any_pace())
            && self.matched_in(TableName::Filter, |step| {
                step.chain == "cali-INPUT" && step.did == "RETURN"
            });
        let dropped = self.is_lost() && self.ended_in(TableName::Filter, "cali-set-endpoint-mark");
        !self.is_spared_the_way_back()
            && match self.number() {
                Number::Some => passed,
                Number::Perhaps => passed || dropped,
                Number::None => dropped,
            }
    }

    /// Which endpoint's number it may bear from INPUT on, by the interface that it comes by.
    fn number(&self) -> Number {
        let hosts = self.node.interfaces.iter().map(|one| one.name);
        let hosts = hosts.filter(|name| self.has_its_own_endpoint(*name));
        let workloads = self.world.workloads.iter().map(|one| one.interface);
        let endpoints: BTreeSet<InterfaceName> = workloads.chain(hosts).collect();
        let bits = self.modern_bits().and_then(|bits| bits.endpoint);
        let numbers = bits.map_or(0, |bits| 1_usize << bits.bits().count_ones());
        // Two of them stand for nothing and for others.
        let has_room = endpoints.len() + 2 <= numbers;
        match self.arrives_by() {
            Some(by) if self.is_like_a_workloads(by) => match endpoints.contains(&by) {
                true if has_room => Number::Some,
                true => Number::Perhaps,
                false => Number::None,
            },
            _ => Number::Some,
        }
    }

    /// Whether IPVS is in use, and it comes to POSTROUTING with an endpoint's number: then Felix asks nobody there.
    pub(in crate::diff::cause) fn leaves_as_ipvs_sends_it(&self) -> bool {
        let bits = self.modern_bits().and_then(|bits| bits.endpoint);
        let endpoint = bits.map_or(0, |bits| bits.bits());
        let mut interfaces = self.node.interfaces.iter();
        let in_use = interfaces.any(|one| one.name.as_str() == SERVICES);
        let mut steps = self.steps.iter();
        let asked = steps.find(|step| step.hook == Hook::Postrouting && is_felixs(&step.chain));
        in_use && asked.is_some_and(|step| step.before.0 & endpoint != 0)
    }

    /// Whether it left Felix's chain of FORWARD with the accept bit.
    pub(in crate::diff::cause) fn is_marked_accepted(&self) -> bool {
        let Some(bits) = self.modern_bits() else {
            return false;
        };
        let behind = self.steps.iter().rev().find(|step| {
            step.hook == Hook::Forward && step.table == TableName::Filter && is_felixs(&step.chain)
        });
        behind.is_some_and(|step| step.after.0 & bits.accept.bits() != 0)
    }

    /// Whether a host endpoint has policies of a stage.
    pub(in crate::diff::cause) fn has_policies_of(&self, stage: Stage) -> bool {
        let applied = self.world.hosts.iter().flat_map(|host| &host.policies);
        let mut policies = applied.filter_map(|place| {
            let tier = self.world.tiers.get(place.tier)?;
            tier.policies.get(place.policy)
        });
        policies.any(|policy| policy.stage == stage)
    }

    /// Whether Felix accepts it in mangle for its connection, so that others' rules behind are not asked, and
    /// others' rules or a base policy have the last word in filter.
    pub(in crate::diff::cause) fn is_spared_others_in_mangle(&self) -> bool {
        let accepted = self.matched_in(TableName::Mangle, |step| {
            let rule = self.rule_of(step);
            let mut asked = rule.into_iter().flat_map(|rule| &rule.matches);
            step.chain == "cali-PREROUTING"
                && step.did == "ACCEPT"
                && asked.any(|one| matches!(one, Match::Conntrack(_)))
        });
        let ruleset = self.firewall.ruleset(self.packet.family());
        let mangle = ruleset.table(TableName::Mangle);
        let chain = mangle.and_then(|table| table.chain(Hook::Prerouting.chain()));
        let last = chain.and_then(|chain| chain.rules.last());
        let decided = self.deciding(TableName::Filter);
        accepted
            && last.is_some_and(|rule| rule.target != Target::Jump("cali-PREROUTING".to_owned()))
            && decided.is_some_and(|step| !is_felixs(&step.chain))
    }

    /// Whether Felix says nothing about it at a hook, so that others' rules or the base policy decide.
    pub(in crate::diff::cause) fn is_left_to_others(&self, hook: Hook) -> bool {
        let decided = self.deciding(TableName::Filter);
        let others = decided.is_some_and(|step| {
            step.hook == hook && !is_felixs(&step.chain) && drops(step) == self.is_lost()
        });
        others && !(self.opinion.verdict == Verdict::Allow && self.is_marked_accepted())
    }
}
