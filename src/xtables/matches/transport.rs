//! What `-m tcp`, `udp`, `sctp`, `multiport`, `icmp` and `icmp6` ask of transport headers.

use super::Not;

/// A range of ports (or of other 16-bit numbers), both ends included; `first` may lie above `last`
/// only where the kernel takes such a rule, and then it never matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl PortRange {
    /// Whether a port lies in it.
    #[must_use]
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

/// Which ports `-m multiport` looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortSide {
    /// `--sports`.
    Source,
    /// `--dports`.
    Destination,
    /// `--ports`: either.
    Either,
}

/// `--tcp-flags MASK COMPARE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlagsTest {
    /// Which flags count.
    pub mask: u8,
    /// Which of them must be set.
    pub compare: u8,
}

/// `-m tcp`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpTest {
    /// `--sport`.
    pub source: Option<Not<PortRange>>,
    /// `--dport`.
    pub destination: Option<Not<PortRange>>,
    /// `--tcp-flags` and `--syn`.
    pub flags: Option<Not<FlagsTest>>,
    /// `--tcp-option`.
    pub option: Option<Not<u8>>,
}

/// `-m udp`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UdpTest {
    /// `--sport`.
    pub source: Option<Not<PortRange>>,
    /// `--dport`.
    pub destination: Option<Not<PortRange>>,
}

/// How `--chunk-types` compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChunkScope {
    /// All of these are there.
    All,
    /// Any of these is there.
    Any,
    /// Only these are there.
    Only,
}

/// Which chunk types `--chunk-types` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunks {
    /// `ALL`: each of the 256 types.
    All,
    /// Each chunk type with its flags to the letter, such as `DATA:Be`'s `Be` (upper case: set, lower
    /// case: not set), empty without; no type at all is `NONE`.
    These(Vec<(u8, String)>),
}

/// `--chunk-types`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkTest {
    /// How.
    pub scope: ChunkScope,
    /// What.
    pub chunks: Chunks,
}

/// `-m sctp`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SctpTest {
    /// `--sport`.
    pub source: Option<Not<PortRange>>,
    /// `--dport`.
    pub destination: Option<Not<PortRange>>,
    /// `--chunk-types`.
    pub chunks: Option<Not<ChunkTest>>,
}

/// `--icmp-type` and `--icmpv6-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IcmpTest {
    /// The type. 255 means any type in IPv4's match, and is a value like others in IPv6's.
    pub kind: u8,
    /// The lowest code.
    pub first_code: u8,
    /// The highest code; 0 to 255 where the rule names none.
    pub last_code: u8,
}
