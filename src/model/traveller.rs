//! A packet on its way: what tables, routing and translation may change of it.

use std::net::{IpAddr, Ipv4Addr};

use super::bits;
use super::conntrack::Tracking;
use crate::journey::{Headers, Point, Sight};
use crate::mark::Mark;
use crate::packet::wire::{self, Tag};
use crate::packet::{
    Defect, Family, Fragment, InterfaceName, Origin, Packet, Ports, Protocol, Transport,
};

/// Whose socket sent a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Socket {
    /// Nobody's here: it arrived, or it is a reset that REJECT made
    /// (net/ipv4/netfilter/nf_reject_ipv4.c sends it without one).
    Nobody,
    /// The kernel's own, which has no file and so no owner: ICMP errors (net/ipv4/icmp.c,
    /// `icmp_xmit_lock`).
    Kernel,
    /// A raw socket of the superuser: what the node sends.
    Root,
}

/// What of a packet's bytes the kernel can read behind the internet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Body {
    /// How many bytes there are.
    pub(super) bytes: usize,
    /// Whether it is a fragment but the first, so that what follows is no transport header.
    pub(super) later: bool,
    /// Whether it starts eight bytes into the transport header. IPv6's tables count the offset in bytes
    /// and never see a one (net/ipv6/exthdrs_core.c, `ipv6_find_hdr`).
    pub(super) overwrites: bool,
}

impl Body {
    /// What of a packet's bytes can be read.
    pub(super) fn of(packet: &Packet) -> Self {
        let offset = packet.fragment.map_or(0, |fragment| fragment.offset);
        Self {
            bytes: transport_bytes(packet),
            later: offset > 0,
            overwrites: offset == 1 && packet.family() == Family::V4,
        }
    }

    /// Whether a header of this many bytes is there to be read.
    pub(super) fn holds(self, bytes: usize) -> bool {
        self.bytes >= bytes
    }
}

/// How many bytes follow the internet header (of IPv6, with its fragment header), as
/// [`crate::packet::wire::build`] writes them.
fn transport_bytes(packet: &Packet) -> usize {
    let whole = whole_bytes(packet);
    match packet.defect {
        Some(Defect::Truncated(bytes)) => whole.min(usize::from(bytes)),
        _ => whole,
    }
}

fn whole_bytes(packet: &Packet) -> usize {
    let payload = packet.payload.len();
    match packet.fragment {
        Some(Fragment { offset: 1.., more }) => padded(payload.max(8), more),
        Some(Fragment { more, .. }) => padded(header_bytes(packet) + payload, more),
        None => header_bytes(packet) + payload,
    }
}

fn padded(bytes: usize, more: bool) -> usize {
    if more {
        bytes.next_multiple_of(8)
    } else {
        bytes
    }
}

fn header_bytes(packet: &Packet) -> usize {
    match packet.transport {
        Transport::Tcp(tcp) if tcp.option.is_some() => 24,
        Transport::Tcp(_) => 20,
        Transport::Udp(_) | Transport::UdpLite(_) => 8,
        Transport::Sctp { chunk: 1, .. } => 32,
        Transport::Sctp { .. } => 16,
        Transport::Icmp(icmp) => {
            8 + icmp.quoted.map_or(0, |quoted| match quoted.family() {
                Family::V4 => 28,
                Family::V6 => 48,
            })
        }
        Transport::Other(_) => 16,
    }
}

/// A packet on its way.
#[derive(Clone, Debug)]
pub(super) struct Traveller<'p> {
    /// What never changes: transport, payload, defects.
    pub(super) packet: &'p Packet,
    /// Its family.
    pub(super) family: Family,
    /// The protocol in its header.
    pub(super) protocol: Protocol,
    /// The source address as a number.
    pub(super) source: u128,
    /// The destination address as a number.
    pub(super) destination: u128,
    /// The ports as [`Headers`] shows them.
    pub(super) ports: Ports,
    /// Time to live, or hop limit.
    pub(super) hops: u8,
    /// Type of service, or traffic class.
    pub(super) traffic_class: u8,
    /// The mark.
    pub(super) mark: Mark,
    /// The in interface as the present hook knows it.
    pub(super) in_interface: Option<InterfaceName>,
    /// The out interface as the present hook knows it.
    pub(super) out_interface: Option<InterfaceName>,
    /// What connection tracking says of it.
    pub(super) tracking: Tracking,
    /// What can be read behind the internet header.
    pub(super) body: Body,
    /// Whose socket sent it.
    pub(super) socket: Socket,
    /// Whether routing found it to go to all or to a group: such a packet is not answered
    /// (`RTCF_BROADCAST`, `RTCF_MULTICAST`).
    pub(super) to_many: bool,
    /// Whether routing found it to be for this node (`RTCF_LOCAL`).
    pub(super) to_node: bool,
    /// Whether `-j CT --zone` has taken the default zone's connections out of its sight.
    pub(super) zoned: bool,
    /// The interface by which routing sends it; at the OUTPUT hook that may no longer be the one that
    /// the hook shows.
    pub(super) leaves_by: Option<InterfaceName>,
    /// The next hop, as a number; 0 for the destination itself.
    pub(super) gateway: u128,
    /// Whether a copy passes POSTROUTING before it does: what the node sends to many of which it is one.
    pub(super) copied: bool,
}

impl<'p> Traveller<'p> {
    /// A packet at its start.
    pub(super) fn new(packet: &'p Packet, socket: Socket) -> Self {
        let headers = packet.headers();
        Self {
            packet,
            family: packet.family(),
            protocol: headers.protocol,
            source: bits::number(headers.source),
            destination: bits::number(headers.destination),
            ports: headers.ports,
            hops: headers.hops,
            traffic_class: headers.traffic_class,
            mark: packet.mark,
            in_interface: None,
            out_interface: None,
            tracking: if packet.untracked {
                Tracking::Untracked
            } else {
                Tracking::None
            },
            body: Body::of(packet),
            socket,
            to_many: false,
            to_node: false,
            zoned: false,
            leaves_by: None,
            gateway: 0,
            copied: false,
        }
    }

    /// The packet as its headers are now.
    pub(super) fn as_packet(&self) -> Packet {
        let mut packet = Packet {
            source: bits::address(self.family, self.source),
            destination: bits::address(self.family, self.destination),
            hops: self.hops,
            traffic_class: self.traffic_class,
            ..self.packet.clone()
        };
        if self.packet.shows_ports() {
            match &mut packet.transport {
                Transport::Tcp(tcp) => tcp.ports = self.ports,
                Transport::Udp(ports)
                | Transport::UdpLite(ports)
                | Transport::Sctp { ports, .. } => *ports = self.ports,
                Transport::Icmp(icmp) => icmp.identifier = self.ports.destination,
                Transport::Other(_) => {}
            }
        }
        packet
    }

    /// A look at it.
    pub(super) fn sight(&self, point: Point) -> Sight {
        Sight {
            point,
            mark: self.mark,
            headers: Headers {
                source: bits::address(self.family, self.source),
                destination: bits::address(self.family, self.destination),
                protocol: self.protocol,
                ports: self.ports,
                hops: self.hops,
                traffic_class: self.traffic_class,
            },
            in_interface: self.in_interface,
            out_interface: self.out_interface,
        }
    }

    /// What the mangle table's OUTPUT chain must leave alone, else the packet is routed again
    /// (`ipt_mangle_out` in net/ipv4/netfilter/iptable_mangle.c; ip6table_mangle.c adds the hop limit).
    pub(super) fn routed_by(&self) -> (u128, u128, Mark, u8, u8) {
        let hops = match self.family {
            Family::V4 => 0,
            Family::V6 => self.hops,
        };
        (
            self.source,
            self.destination,
            self.mark,
            self.traffic_class,
            hops,
        )
    }

    /// Whether it is a piece of a larger packet. A fragment header that says "first and last" makes
    /// no fragment in IPv4; in IPv6 it is reassembled at once (RFC 6946).
    pub(super) fn is_fragment(&self) -> bool {
        matches!(self.packet.fragment, Some(Fragment { offset, more }) if offset > 0 || more)
    }

    /// Whether reassembly before connection tracking keeps it, as it keeps every fragment. IPv6's lets go
    /// on a first one without its whole transport header, which RFC 8200, section 4.5, would have it
    /// refuse (net/ipv6/netfilter/nf_conntrack_reasm.c, `nf_ct_frag6_gather`). One with more to follow that
    /// does not end at eight bytes goes on as well, but only where there is memory for fragments.
    pub(super) fn is_reassembled(&self) -> bool {
        let header = match self.packet.transport {
            Transport::Tcp(_) => 20,
            Transport::Udp(_) | Transport::Icmp(_) => 8,
            _ => 1,
        };
        let lacks_header = !self.body.later && !self.body.holds(header);
        self.is_fragment() && !(self.family == Family::V6 && lacks_header)
    }

    /// Whether its transport's checksum is wrong: made so, or because bytes that it counts were cut
    /// off. (ICMPv4 counts neither addresses nor length, so zeros cut off its end don't show.)
    pub(super) fn has_bad_checksum(&self) -> bool {
        match self.packet.defect {
            Some(Defect::TransportChecksum) => {
                !matches!(self.packet.transport, Transport::Other(_))
            }
            Some(Defect::Truncated(_)) if self.is_truncated() => {
                !matches!(self.packet.transport, Transport::Other(_)) && !self.sums_up()
            }
            _ => self.counts_length() && (self.is_padded() || self.has_been_given_a_source()),
        }
    }

    /// Whether a first fragment has zeros behind what its checksum was made for.
    fn is_padded(&self) -> bool {
        whole_bytes(self.packet) != header_bytes(self.packet) + self.packet.payload.len()
    }

    /// Whether the kernel has put a source into the node's own packet from 0.0.0.0, and left the transport's
    /// checksum as it was (net/ipv4/raw.c, `raw_send_hdrinc`).
    fn has_been_given_a_source(&self) -> bool {
        self.packet.origin == Origin::Node
            && self.packet.source == IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            && self.source != 0
    }

    /// Whether its checksum counts its length and its addresses, by a pseudo header.
    fn counts_length(&self) -> bool {
        match self.packet.transport {
            Transport::Icmp(_) => self.family == Family::V6,
            Transport::Other(_) | Transport::Sctp { .. } => false,
            _ => true,
        }
    }

    /// Whether what remains of an ICMPv4 message sums up to zero, as ones' complement arithmetic knows it
    /// (RFC 1071). The kernel sums up the internet header too, so even zeros alone are right
    /// (net/netfilter/utils.c, `nf_ip_checksum`).
    #[cold]
    fn sums_up(&self) -> bool {
        let mut bytes = Vec::new();
        let is_icmp = matches!(self.packet.transport, Transport::Icmp(_));
        // A quoted internet header sums up to zero whatever its tag is.
        if self.family == Family::V6
            || !is_icmp
            || wire::build(self.packet, Tag::new(1, 0), &mut bytes).is_err()
        {
            return false;
        }
        let words = bytes[20..].chunks(2);
        let sum: u64 = words
            .map(|word| u64::from(word[0]) << 8 | word.get(1).map_or(0, |low| u64::from(*low)))
            .sum();
        sum.is_multiple_of(0xffff)
    }

    /// Whether bytes were cut off its end.
    pub(super) fn is_truncated(&self) -> bool {
        matches!(self.packet.defect, Some(Defect::Truncated(_)))
            && self.body.bytes < whole_bytes(self.packet)
    }

    /// The ports as the first four bytes of the transport header have them, though it may be cut short
    /// behind them.
    pub(super) fn first_ports(&self) -> Ports {
        match self.packet.shows_ports() {
            true => self.ports,
            false => self.packet.transport.ports().unwrap_or_default(),
        }
    }

    /// How long it is from the internet header on.
    pub(super) fn length(&self) -> usize {
        let header = match self.family {
            Family::V4 => 20,
            Family::V6 if self.packet.fragment.is_some() => 48,
            Family::V6 => 40,
        };
        header + self.body.bytes
    }
}
