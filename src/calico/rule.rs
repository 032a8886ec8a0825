//! One rule of a policy or profile, resolved: selectors have become those whom they stand for.

use std::collections::BTreeMap;
use std::fmt;

use ipnet::IpNet;

use super::selector::Selector;
use super::world::PeersIndex;
use crate::packet::{Family, Protocol};

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Allows it.
    Allow,
    /// Denies it.
    Deny,
    /// Leaves it to the next tier, or to the profiles (API v1: `next-tier`, later `pass`).
    Pass,
    /// Writes it to the log; decides nothing.
    Log,
}

/// One rule. A field that is absent, or a list that is empty, asks nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it does.
    pub action: Action,
    /// Of which family, if it says so.
    pub family: Option<Family>,
    /// Which protocol.
    pub protocol: Option<RuleProtocol>,
    /// Which protocol not.
    pub not_protocol: Option<RuleProtocol>,
    /// Which ICMP message.
    pub icmp: Option<IcmpMessage>,
    /// Which ICMP message not.
    pub not_icmp: Option<IcmpMessage>,
    /// Who sends.
    pub source: Side,
    /// Who receives.
    pub destination: Side,
    /// What its author notes on it (`metadata.annotations`); asks nothing.
    pub notes: BTreeMap<String, String>,
}

impl Rule {
    /// A rule without a question.
    #[must_use]
    pub fn bare(action: Action) -> Self {
        Self {
            action,
            family: None,
            protocol: None,
            not_protocol: None,
            icmp: None,
            not_icmp: None,
            source: Side::default(),
            destination: Side::default(),
            notes: BTreeMap::new(),
        }
    }
}

/// One end of what a rule is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Its address lies in one of these.
    pub nets: Vec<IpNet>,
    /// Its address lies in none of these.
    pub not_nets: Vec<IpNet>,
    /// Its port is one of these.
    pub ports: Vec<Ports>,
    /// Its port is none of these.
    pub not_ports: Vec<Ports>,
    /// It belongs to each of these groups (API v1 has a selector and a tag, which must both hold).
    pub peers: Vec<PeersIndex>,
    /// It belongs to none of these groups.
    pub not_peers: Vec<PeersIndex>,
    /// The selector of the group that it belongs to, with what its namespace and service accounts add.
    pub selector: Option<Selector>,
    /// The selector of the group that it does not belong to.
    pub not_selector: Option<Selector>,
    /// It stands behind this service.
    pub service: Option<ServiceName>,
}

/// Which service of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A protocol as a rule names it: the spelling is part of what Felix renders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RuleProtocol {
    /// By a name that the API knows.
    Named(NamedProtocol),
    /// By number, 1 to 255.
    Number(u8),
}

impl RuleProtocol {
    /// Which protocol it is.
    #[must_use]
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Named(named) => named.protocol(),
            Self::Number(number) => Protocol(number),
        }
    }
}

impl fmt::Display for RuleProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(named) => f.pad(named.as_str()),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// The protocols that have a name in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NamedProtocol {
    /// `tcp`
    Tcp,
    /// `udp`
    Udp,
    /// `icmp`
    Icmp,
    /// `icmpv6`
    Icmpv6,
    /// `sctp`
    Sctp,
    /// `udplite`
    UdpLite,
}

impl NamedProtocol {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Tcp,
        Self::Udp,
        Self::Icmp,
        Self::Icmpv6,
        Self::Sctp,
        Self::UdpLite,
    ];

    /// The name in small letters, as API v1 and Felix's rules have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Icmpv6 => "icmpv6",
            Self::Sctp => "sctp",
            Self::UdpLite => "udplite",
        }
    }

    /// Which protocol it is.
    #[must_use]
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Tcp => Protocol::TCP,
            Self::Udp => Protocol::UDP,
            Self::Icmp => Protocol::ICMP,
            Self::Icmpv6 => Protocol::ICMP6,
            Self::Sctp => Protocol::SCTP,
            Self::UdpLite => Protocol::UDP_LITE,
        }
    }
}

/// An ICMP type, and perhaps a code. The API lets the type go up to 254.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IcmpMessage {
    /// The type.
    pub kind: u8,
    /// The code; absent: any.
    pub code: Option<u8>,
}

/// What a list of ports has in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ports {
    /// A port, or all from one to another.
    Numbers(PortNumbers),
    /// The port that each endpoint calls so.
    Named(String),
}

/// Ports from one to another, both included: never none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortNumbers {
    first: u16,
    last: u16,
}

impl PortNumbers {
    /// From one to another; `None` where the first lies above the last.
    #[must_use]
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// A single port.
    #[must_use]
    pub fn one(port: u16) -> Self {
        Self {
            first: port,
            last: port,
        }
    }

    /// The lowest.
    #[must_use]
    pub fn first(self) -> u16 {
        self.first
    }

    /// The highest.
    #[must_use]
    pub fn last(self) -> u16 {
        self.last
    }

    /// Whether a port is one of them.
    #[must_use]
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl fmt::Display for PortNumbers {
    /// As the API writes it: `80`, `8000:8080`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}:{}", self.first, self.last)
        }
    }
}
