//! I6 to I8: what a workload may send and receive.

use super::addresses::{Addresses, number};
use super::clause::{Clause, Clauses};
use super::era::Era;
use super::evaluation::{Governing, Rulebook};
use super::matching::Seen;
use super::opinion::{By, Decision, Endpoint, Heading, Said, Verdict};
use crate::calico::Configuration;
use crate::calico::configuration::EndpointToHost;
use crate::calico::world::{PacketRate, Qos, Stage, WorkloadEndpoint};
use crate::packet::{Family, Packet, Protocol};

/// A workload, ready to be asked.
pub(super) struct Workload {
    pub(super) endpoint: Endpoint,
    pub(super) up: bool,
    own: Addresses,
    granted: Addresses,
    egress: Governing,
    pub(super) ingress: Governing,
    qos: Qos,
}

impl Workload {
    pub(super) fn new(index: usize, workload: &WorkloadEndpoint, rulebook: &Rulebook<'_>) -> Self {
        let endpoint = Endpoint::Workload(index);
        let own: Vec<_> = workload.addresses.iter().map(|one| (*one).into()).collect();
        // > I12 […] Not for workloads […]
        // I11 is about what enters by a host endpoint, and I10 about what one forwards.
        let governing = |heading| rulebook.governing(endpoint, heading, Stage::is_of_connections);
        Self {
            endpoint,
            up: workload.up,
            own: Addresses::of(&own),
            granted: Addresses::of(&workload.allowed_sources),
            egress: governing(Heading::Egress),
            ingress: governing(Heading::Ingress),
            qos: workload.qos,
        }
    }

    /// Whether what it sends or receives may come too fast for it: `qosControls` of the API bounds the packets of
    /// either direction, `ingressPacketRate` and `egressPacketRate` a second and as many at once as
    /// `ingressPacketBurst` and `egressPacketBurst` say.
    pub(super) fn paces(&self, heading: Heading) -> bool {
        let limits = match heading {
            Heading::Ingress => self.qos.ingress,
            Heading::Egress => self.qos.egress,
        };
        limits.packets.is_some_and(PacketRate::holds_back)
    }

    /// > I6 A packet from a workload is judged by the workload's egress […]. Encapsulated packets that a
    /// > workload itself makes (IP in IP, UDP to the VXLAN port) are denied unless allowed by
    /// > configuration.
    ///
    /// In the seed's era nothing allows them, and there is no VXLAN, so no port is its port.
    pub(super) fn egress(&self, seen: &Seen, wraps: &Wraps, clauses: &mut Clauses) -> Said {
        match wraps.may(seen) {
            Some(false) => return (Verdict::Deny, self.decision(Clause::I6Encapsulated)),
            Some(true) => clauses.add(Clause::I6MayEncapsulate),
            None => {}
        }
        self.egress.judge(seen, clauses)
    }

    /// > I6 […] A source address that is not the workload's own is denied (except prefixes granted to
    /// > it).
    ///
    /// Own are the addresses that Calico gave it. A link-local address is not one of them, nor is a floating
    /// one, which stands for it outside.
    pub(super) fn is_spoofed(&self, packet: &Packet, clauses: &mut Clauses) -> bool {
        let (family, source) = (packet.family(), number(packet.source));
        if self.own.contains(family, source) {
            return false;
        }
        let granted = self.granted.contains(family, source);
        if granted {
            clauses.add(Clause::I6Granted);
        }
        !granted
    }

    /// > I8 A node to its own workload: Calico has no opinion (defer); the workload's ingress does not apply.
    pub(super) fn of_its_node(&self) -> Said {
        (Verdict::Defer, self.decision(Clause::I8Defer))
    }

    pub(super) fn decision(&self, clause: Clause) -> Decision {
        let by = By::Endpoint(self.endpoint);
        Decision { clause, by }
    }
}

/// Which packets workloads may not wrap themselves.
pub(super) struct Wraps {
    may_ip_in_ip: bool,
    may_vxlan: bool,
    /// The port of VXLAN, where the era has it.
    vxlan_port: Option<u16>,
}

impl Wraps {
    pub(super) fn new(era: Era, configuration: &Configuration) -> Self {
        let modern = &configuration.modern;
        match era {
            Era::Seed => Self {
                may_ip_in_ip: false,
                may_vxlan: false,
                vxlan_port: None,
            },
            Era::Modern => Self {
                may_ip_in_ip: modern.allow_ip_in_ip_from_workloads,
                may_vxlan: modern.allow_vxlan_from_workloads,
                vxlan_port: Some(modern.vxlan_port),
            },
        }
    }

    /// Whether a packet that a workload has wrapped may leave it; `None` where it has wrapped none.
    fn may(&self, seen: &Seen) -> Option<bool> {
        if seen.protocol == Protocol::IPIP {
            return Some(self.may_ip_in_ip);
        }
        let is_vxlan = seen.protocol == Protocol::UDP
            && self.vxlan_port.is_some()
            && seen.destination_port() == self.vxlan_port;
        is_vxlan.then_some(self.may_vxlan)
    }
}

/// What the node takes of its workloads.
pub(super) struct ToNode {
    action: EndpointToHost,
    openstack: bool,
}

impl ToNode {
    pub(super) fn new(configuration: &Configuration) -> Self {
        let mut words = configuration.cluster_type.split(',').map(str::trim);
        Self {
            action: configuration.endpoint_to_host,
            openstack: words.any(|word| word == "openstack"),
        }
    }

    /// Whether a packet to the node is allowed whatever the policy.
    ///
    /// > I7 […] Neighbour discovery and multicast listener messages (ICMPv6 130-133, 135, 136) are always
    /// > allowed. With OpenStack's special cases: DHCP (68 to 67; v6 546 to 547) and DNS (UDP 53) to the
    /// > node are allowed whatever the policy.
    pub(super) fn always(&self, seen: &Seen) -> Option<Clause> {
        let v6 = seen.family == Family::V6;
        if v6 && matches!(seen.icmp, Some((130..=133 | 135 | 136, _))) {
            return Some(Clause::I7Neighbours);
        }
        if !self.openstack || seen.protocol != Protocol::UDP {
            return None;
        }
        let (ports, destination) = (seen.ports?, seen.destination_port()?);
        let dhcp = if v6 { (546, 547) } else { (68, 67) };
        if (ports.source, destination) == dhcp {
            return Some(Clause::I7Dhcp);
        }
        (destination == 53).then_some(Clause::I7Dns)
    }

    /// > I7 A workload to its own node: its egress policy, then `defaultEndpointToHostAction`: drop, accept,
    /// > or defer. Host endpoint ingress policy does not apply to it.
    pub(super) fn after_policy(&self) -> Said {
        let (verdict, clause) = match self.action {
            EndpointToHost::Drop => (Verdict::Deny, Clause::I7Drop),
            EndpointToHost::Accept => (Verdict::Allow, Clause::I7Accept),
            EndpointToHost::Return => (Verdict::Defer, Clause::I7Defer),
        };
        let by = By::Configuration;
        (verdict, Decision { clause, by })
    }
}

/// Whether what is always allowed may have a source address that is not the workload's own.
///
/// Neighbour discovery is allowed *always*, and its messages come from link-local addresses or none (RFC
/// 4861, RFC 3810). DHCP is allowed whatever the *policy*, which a source address is not about; but
/// who has no address yet asks for one from none, or from a link-local one (RFC 2131, RFC 8415).
pub(super) fn needs_no_address(clause: Clause, packet: &Packet) -> bool {
    match clause {
        Clause::I7Neighbours => true,
        Clause::I7Dhcp => match packet.source {
            std::net::IpAddr::V4(source) => source.is_unspecified(),
            std::net::IpAddr::V6(source) => source.is_unicast_link_local(),
        },
        _ => false,
    }
}
