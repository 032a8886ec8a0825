//! What a rule does with a packet that it matches.

use std::net::IpAddr;

use super::matches::PortRange;

/// What `-j MARK` writes: clear the bits of `mask`, then flip the bits of `value`. All of the
/// target's spellings (`--set-mark`, `--and-mark`, `--or-mark`, `--xor-mark`, `--set-xmark`) are this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Xmark {
    /// The bits flipped.
    pub value: u32,
    /// The bits cleared first.
    pub mask: u32,
}

/// `-j CONNMARK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Connmark {
    /// `--set-xmark` and its spellings: the connection's mark is changed.
    Set(Xmark),
    /// `--save-mark`: connection = connection & ~ctmask ^ (packet & nfmask).
    Save {
        /// Bits of the packet's mark that count.
        packet_mask: u32,
        /// Bits of the connection's mark that are cleared.
        connection_mask: u32,
    },
    /// `--restore-mark`: packet = packet & ~nfmask ^ (connection & ctmask).
    Restore {
        /// Bits of the packet's mark that are cleared.
        packet_mask: u32,
        /// Bits of the connection's mark that count.
        connection_mask: u32,
    },
}

/// What a rejected packet's sender is told, over IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// `icmp-net-unreachable`: 3/0.
    NetUnreachable,
    /// `icmp-host-unreachable`: 3/1.
    HostUnreachable,
    /// `icmp-proto-unreachable`: 3/2.
    ProtoUnreachable,
    /// `icmp-port-unreachable`: 3/3, the default.
    PortUnreachable,
    /// `icmp-net-prohibited`: 3/9.
    NetProhibited,
    /// `icmp-host-prohibited`: 3/10.
    HostProhibited,
    /// `icmp-admin-prohibited`: 3/13.
    AdminProhibited,
    /// `tcp-reset`, in both families.
    TcpReset,
    /// `icmp6-no-route`: 1/0.
    NoRoute6,
    /// `icmp6-adm-prohibited`: 1/1.
    AdminProhibited6,
    /// `icmp6-addr-unreachable`: 1/3.
    AddressUnreachable6,
    /// `icmp6-port-unreachable`: 1/4, the default.
    PortUnreachable6,
    /// `icmp6-policy-fail`: 1/5.
    PolicyFail6,
    /// `icmp6-reject-route`: 1/6.
    RejectRoute6,
}

/// What a translation puts in the place of an address and a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NatRange {
    /// The addresses to choose from, both ends included; absent: the address stays (DNAT, SNAT with
    /// ports only).
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// The ports to choose from.
    pub ports: Option<PortRange>,
    /// `--random`.
    pub random: bool,
    /// `--random-fully`.
    pub random_fully: bool,
    /// `--persistent`.
    pub persistent: bool,
    /// `/PORT` behind a DNAT port range: the range is shifted by destination port minus this.
    pub base_port: Option<u16>,
}

/// What `-j LOG` writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// `--log-prefix`.
    pub prefix: Option<String>,
    /// `--log-level` as a number, absent for the default (4).
    pub level: Option<u8>,
    /// `--log-tcp-sequence`.
    pub tcp_sequence: bool,
    /// `--log-tcp-options`.
    pub tcp_options: bool,
    /// `--log-ip-options`.
    pub ip_options: bool,
    /// `--log-uid`.
    pub uid: bool,
    /// `--log-macdecode`.
    pub mac_decode: bool,
}

/// Where `-j NFLOG` sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nflog {
    /// `--nflog-group`.
    pub group: u16,
    /// `--nflog-prefix`.
    pub prefix: Option<String>,
    /// `--nflog-range`.
    pub range: Option<u32>,
    /// `--nflog-size`.
    pub size: Option<u32>,
    /// `--nflog-threshold`.
    pub threshold: Option<u16>,
}

/// What `-j CT` attaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ct {
    /// `--notrack`.
    pub notrack: bool,
    /// The other options to the letter, one word an element.
    pub words: Vec<String>,
}

/// `-j DSCP` and `-j TOS`: how the traffic class changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrafficClass {
    /// `-j DSCP --set-dscp`: the upper six bits become this number.
    Dscp(u8),
    /// `-j TOS --set-tos`: clear `mask`, then flip `value`.
    Tos {
        /// The bits flipped.
        value: u8,
        /// The bits cleared first.
        mask: u8,
    },
}

/// `-j TTL` and `-j HL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HopsChange {
    /// Set to this.
    Set(u8),
    /// Add this, not above 255.
    Increase(u8),
    /// Subtract this, not below 0.
    Decrease(u8),
}

/// `-j TCPMSS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TcpMss {
    /// `--set-mss`.
    Set(u16),
    /// `--clamp-mss-to-pmtu`.
    Clamp,
}

/// What a rule does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// No target: the rule only counts.
    #[default]
    None,
    /// Ends the table: the packet goes on.
    Accept,
    /// Ends the packet.
    Drop,
    /// Back to the calling chain, or to the policy.
    Return,
    /// `-j CHAIN`.
    Jump(String),
    /// `-g CHAIN`.
    Goto(String),
    /// `-j MARK`.
    Mark(Xmark),
    /// `-j CONNMARK`.
    Connmark(Connmark),
    /// `-j LOG`.
    Log(Log),
    /// `-j NFLOG`.
    Nflog(Nflog),
    /// `-j REJECT`.
    Reject(Reject),
    /// `-j DNAT`.
    Dnat(NatRange),
    /// `-j SNAT`.
    Snat(NatRange),
    /// `-j MASQUERADE`: ports and randomness only.
    Masquerade(NatRange),
    /// `-j REDIRECT`: ports and randomness only.
    Redirect(NatRange),
    /// `-j NETMAP --to`: the address and its mask.
    Netmap {
        /// The new network part.
        address: IpAddr,
        /// Which bits are replaced.
        mask: IpAddr,
    },
    /// `-j NOTRACK`.
    Notrack,
    /// `-j CT`.
    Ct(Ct),
    /// `-j DSCP`, `-j TOS`.
    TrafficClass(TrafficClass),
    /// `-j TTL`, `-j HL`.
    Hops(HopsChange),
    /// `-j TCPMSS`.
    TcpMss(TcpMss),
    /// `-j TRACE`.
    Trace,
    /// `-j CHECKSUM --checksum-fill`.
    Checksum,
    /// A target that this room does not know: its name and its words to the letter.
    Opaque {
        /// The word behind `-j`.
        name: String,
        /// What follows, one word an element, quotes removed.
        words: Vec<String>,
    },
}
