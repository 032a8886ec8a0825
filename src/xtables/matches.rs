//! What a rule asks of a packet.
//!
//! * `transport`: ports, flags, chunks and types in transport headers;
//! * `conntrack`: what connection tracking says.

mod conntrack;
mod transport;

use std::net::{IpAddr, Ipv6Addr};

use super::ruleset::InterfacePattern;

pub use conntrack::{ConnectionStatus, Conntrack, States};
pub use transport::{
    ChunkScope, ChunkTest, Chunks, FlagsTest, IcmpTest, PortRange, PortSide, SctpTest, TcpTest,
    UdpTest,
};

/// A question, or its negation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Not<T> {
    /// Whether a `!` stands before it.
    pub negated: bool,
    /// The question.
    pub value: T,
}

impl<T> Not<T> {
    /// The question itself.
    pub fn is(value: T) -> Self {
        Self {
            negated: false,
            value,
        }
    }

    /// The question negated.
    pub fn negated(value: T) -> Self {
        Self {
            negated: true,
            value,
        }
    }
}

/// A value under a mask, as `--mark 0x1/0x1` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MaskedMark {
    /// What the masked bits must equal.
    pub value: u32,
    /// Which bits count.
    pub mask: u32,
}

/// Which side of a packet an element of a set is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetSide {
    /// `src`.
    Source,
    /// `dst`.
    Destination,
}

/// How `--packets-eq` and its like compare the counter of the element that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterTest {
    /// `--packets-eq`, `--bytes-eq`.
    Equal(u64),
    /// `! --packets-eq`, `! --bytes-eq`.
    NotEqual(u64),
    /// `--packets-lt`, `--bytes-lt`.
    Below(u64),
    /// `--packets-gt`, `--bytes-gt`.
    Above(u64),
}

/// `-m set`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetTest {
    /// The set's name.
    pub name: String,
    /// `src,dst,…`: one side a dimension of the set, one to six.
    pub sides: Vec<SetSide>,
    /// `!` before `--match-set`.
    pub negated: bool,
    /// `--return-nomatch`.
    pub return_nomatch: bool,
    /// `! --update-counters`.
    pub no_counter_update: bool,
    /// `! --update-subcounters`.
    pub no_subcounter_update: bool,
    /// `--packets-eq` and its like.
    pub packets: Option<CounterTest>,
    /// `--bytes-eq` and its like.
    pub bytes: Option<CounterTest>,
}

/// The kinds of address that routing knows, as a set of bits in the order of the kernel's `RTN_`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AddressTypes(pub u16);

impl AddressTypes {
    /// Each type's name; its bit is its place, as in include/uapi/linux/rtnetlink.h.
    pub const NAMES: [&'static str; 12] = [
        "UNSPEC",
        "UNICAST",
        "LOCAL",
        "BROADCAST",
        "ANYCAST",
        "MULTICAST",
        "BLACKHOLE",
        "UNREACHABLE",
        "PROHIBIT",
        "THROW",
        "NAT",
        "XRESOLVE",
    ];

    /// The set of one type by its place in [`AddressTypes::NAMES`].
    #[must_use]
    pub fn one(place: usize) -> Self {
        Self(1 << place)
    }
}

/// `-m addrtype`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddrtypeTest {
    /// `--src-type`.
    pub source: Option<Not<AddressTypes>>,
    /// `--dst-type`.
    pub destination: Option<Not<AddressTypes>>,
    /// `--limit-iface-in`.
    pub limit_in: bool,
    /// `--limit-iface-out`.
    pub limit_out: bool,
}

/// `-m rpfilter`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RpfilterTest {
    /// `--loose`.
    pub loose: bool,
    /// `--validmark`.
    pub valid_mark: bool,
    /// `--accept-local`.
    pub accept_local: bool,
    /// `--invert`.
    pub invert: bool,
}

/// `-m owner`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerTest {
    /// `--uid-owner`, a range.
    pub user: Option<Not<(u32, u32)>>,
    /// `--gid-owner`, a range.
    pub group: Option<Not<(u32, u32)>>,
    /// `--socket-exists`.
    pub socket_exists: Option<Not<()>>,
    /// `--suppl-groups`.
    pub supplementary_groups: bool,
}

/// `-m physdev`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhysdevTest {
    /// `--physdev-in`.
    pub in_port: Option<Not<InterfacePattern>>,
    /// `--physdev-out`.
    pub out_port: Option<Not<InterfacePattern>>,
    /// `--physdev-is-in`.
    pub is_in: Option<Not<()>>,
    /// `--physdev-is-out`.
    pub is_out: Option<Not<()>>,
    /// `--physdev-is-bridged`.
    pub is_bridged: Option<Not<()>>,
}

/// `--pkt-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketType {
    /// To this node.
    Unicast,
    /// To all on the link.
    Broadcast,
    /// To a group.
    Multicast,
    /// To another node, seen by listening.
    OtherHost,
}

/// `-m iprange`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IprangeTest {
    /// `--src-range`, both ends included.
    pub source: Option<Not<(IpAddr, IpAddr)>>,
    /// `--dst-range`, both ends included.
    pub destination: Option<Not<(IpAddr, IpAddr)>>,
}

/// `-m statistic`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatisticTest {
    /// `--mode random --probability`, in units of 2^-31 as the kernel keeps it.
    Random {
        /// 0 never, 2^31 always.
        probability: u32,
    },
    /// `--mode nth --every N --packet P`.
    Nth {
        /// Every how many packets.
        every: u32,
        /// Which one of them, from 0.
        packet: u32,
    },
}

/// How `-m ttl` and `-m hl` compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HopsTest {
    /// `--ttl-eq`, `--hl-eq`.
    Equal(u8),
    /// `! --ttl-eq`, `! --hl-eq`.
    NotEqual(u8),
    /// `--ttl-lt`, `--hl-lt`.
    Below(u8),
    /// `--ttl-gt`, `--hl-gt`.
    Above(u8),
}

/// `-m rt`: what is asked of IPv6's routing header. A packet without one never matches, whatever is
/// negated (net/ipv6/netfilter/ip6t_rt.c, `rt_mt6`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutingHeaderTest {
    /// `--rt-type`.
    pub kind: Option<Not<u32>>,
    /// `--rt-segsleft`: both ends included.
    pub segments_left: Option<Not<(u32, u32)>>,
    /// `--rt-len`: of the header, in bytes.
    pub length: Option<Not<u32>>,
    /// `--rt-0-res`: the reserved field is zero; with `--rt-type 0` only.
    pub reserved: bool,
    /// `--rt-0-addrs`: with `--rt-type 0` only.
    pub stops: Option<RoutingStops>,
}

/// `--rt-0-addrs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingStops {
    /// The addresses, 1 to 16.
    pub addresses: Vec<Ipv6Addr>,
    /// Whether the header lists these and no others; with `--rt-0-not-strict`, others among them.
    pub strict: bool,
}

/// `-m string`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StringTest {
    /// `--algo`: `bm` or `kmp`.
    pub algorithm: String,
    /// `--from`: where the search begins, from the start of the internet header.
    pub from: u16,
    /// `--to`: where it ends.
    pub to: u16,
    /// The bytes sought.
    pub pattern: Vec<u8>,
    /// `--icase`.
    pub ignore_case: bool,
    /// `!` before the pattern.
    pub negated: bool,
}

/// A match whose answer hangs on time, on earlier packets or on state outside the packet, with its
/// words as the tools print them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatefulTest {
    /// Which.
    pub kind: StatefulKind,
    /// Its options in the order and spelling of the tools, one word an element.
    pub words: Vec<String>,
}

/// The matches of [`StatefulTest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatefulKind {
    /// `-m limit`.
    Limit,
    /// `-m hashlimit`.
    Hashlimit,
    /// `-m connlimit`.
    Connlimit,
    /// `-m recent`.
    Recent,
    /// `-m time`.
    Time,
    /// `-m policy` (IPsec).
    Policy,
}

impl StatefulKind {
    /// The word behind `-m`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Hashlimit => "hashlimit",
            Self::Connlimit => "connlimit",
            Self::Recent => "recent",
            Self::Time => "time",
            Self::Policy => "policy",
        }
    }
}

/// One `-m` match of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// `-m comment`: always true.
    Comment(String),
    /// `-m mark`.
    Mark(Not<MaskedMark>),
    /// `-m connmark`.
    Connmark(Not<MaskedMark>),
    /// `-m conntrack`.
    Conntrack(Box<Conntrack>),
    /// `-m state`.
    State(Not<States>),
    /// `-m multiport`, 1 to 15 slots.
    Multiport(PortSide, Not<Vec<PortRange>>),
    /// `-m tcp`.
    Tcp(TcpTest),
    /// `-m udp`.
    Udp(UdpTest),
    /// `-m sctp`.
    Sctp(SctpTest),
    /// `-m icmp`.
    Icmp(Not<IcmpTest>),
    /// `-m icmp6`.
    Icmp6(Not<IcmpTest>),
    /// `-m set`.
    Set(SetTest),
    /// `-m addrtype`.
    Addrtype(AddrtypeTest),
    /// `-m mac`.
    Mac(Not<[u8; 6]>),
    /// `-m rpfilter`.
    Rpfilter(RpfilterTest),
    /// `-m limit`, `hashlimit`, `connlimit`, `recent`, `time`, `policy`.
    Stateful(StatefulTest),
    /// `-m owner`.
    Owner(OwnerTest),
    /// `-m physdev`.
    Physdev(PhysdevTest),
    /// `-m pkttype`.
    Pkttype(Not<PacketType>),
    /// `-m iprange`.
    Iprange(IprangeTest),
    /// `-m statistic`.
    Statistic(Not<StatisticTest>),
    /// `-m ttl`, `-m hl`.
    Hops(HopsTest),
    /// `-m dscp`: the upper six bits, as a number.
    Dscp(Not<u8>),
    /// `-m tos`: value and mask of the whole byte.
    Tos(Not<(u8, u8)>),
    /// `-m length`: of the internet packet, both ends included.
    Length(Not<(u16, u16)>),
    /// `-m rt`.
    RoutingHeader(Box<RoutingHeaderTest>),
    /// `-m string`.
    String(StringTest),
    /// A match that this room does not know: its module and its words to the letter.
    Opaque {
        /// The word behind `-m`.
        module: String,
        /// What follows, one word an element, quotes removed.
        words: Vec<String>,
    },
}
