//! What `-m conntrack` and `-m state` ask of connection tracking.

use super::{Not, PortRange};
use crate::xtables::ruleset::AddressMask;

/// The states that `--ctstate` and `--state` name, as a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct States(pub u8);

impl States {
    /// Connection tracking can make nothing of the packet.
    pub const INVALID: Self = Self(0x01);
    /// The packet would begin a connection, or belongs to one that has seen no reply.
    pub const NEW: Self = Self(0x02);
    /// The packet belongs to a connection with packets in both directions.
    pub const ESTABLISHED: Self = Self(0x04);
    /// The packet is about a connection.
    pub const RELATED: Self = Self(0x08);
    /// Connection tracking was told to leave the packet alone.
    pub const UNTRACKED: Self = Self(0x10);
    /// The source address is translated.
    pub const SNAT: Self = Self(0x20);
    /// The destination address is translated.
    pub const DNAT: Self = Self(0x40);
    /// Each state with its name, in the order in which the tools print them.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("INVALID", Self::INVALID),
        ("NEW", Self::NEW),
        ("RELATED", Self::RELATED),
        ("ESTABLISHED", Self::ESTABLISHED),
        ("UNTRACKED", Self::UNTRACKED),
        ("SNAT", Self::SNAT),
        ("DNAT", Self::DNAT),
    ];

    /// Both sets together.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether they share a state.
    #[must_use]
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// `-m conntrack`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conntrack {
    /// `--ctstate`.
    pub states: Option<Not<States>>,
    /// `--ctproto`.
    pub protocol: Option<Not<u8>>,
    /// `--ctorigsrc`.
    pub original_source: Option<Not<AddressMask>>,
    /// `--ctorigdst`.
    pub original_destination: Option<Not<AddressMask>>,
    /// `--ctreplsrc`.
    pub reply_source: Option<Not<AddressMask>>,
    /// `--ctrepldst`.
    pub reply_destination: Option<Not<AddressMask>>,
    /// `--ctorigsrcport`.
    pub original_source_port: Option<Not<PortRange>>,
    /// `--ctorigdstport`.
    pub original_destination_port: Option<Not<PortRange>>,
    /// `--ctreplsrcport`.
    pub reply_source_port: Option<Not<PortRange>>,
    /// `--ctrepldstport`.
    pub reply_destination_port: Option<Not<PortRange>>,
    /// `--ctstatus`.
    pub status: Option<Not<ConnectionStatus>>,
    /// `--ctexpire`, in seconds.
    pub expires: Option<Not<(u32, u32)>>,
    /// `--ctdir`: true for `ORIGINAL`.
    pub original_direction: Option<bool>,
}

/// The statuses that `--ctstatus` names, as a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConnectionStatus(pub u8);

impl ConnectionStatus {
    /// Expected by another connection.
    pub const EXPECTED: Self = Self(0x01);
    /// Packets were seen in both directions.
    pub const SEEN_REPLY: Self = Self(0x02);
    /// Never expired early.
    pub const ASSURED: Self = Self(0x04);
    /// Entered in the table.
    pub const CONFIRMED: Self = Self(0x08);
    /// `NONE` stands for none of the bits.
    pub const NONE: Self = Self(0x00);
    /// Each status with its name, in the order in which the tools print them.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("EXPECTED", Self::EXPECTED),
        ("SEEN_REPLY", Self::SEEN_REPLY),
        ("ASSURED", Self::ASSURED),
        ("CONFIRMED", Self::CONFIRMED),
    ];
}
