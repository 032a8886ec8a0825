//! What a rule does, in the words that Felix has for it.

use std::fmt;
use std::net::IpAddr;

use crate::calico::rule::PortNumbers;
use crate::mark::MarkMask;
use crate::packet::Family;
use crate::xtables::Target;
use crate::xtables::matches::PortRange;
use crate::xtables::target::{Log, NatRange, Nflog, Reject, TrafficClass, Xmark};

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Accepts the packet.
    Accept,
    /// Drops it.
    Drop,
    /// Returns to the calling chain.
    Return,
    /// Asks another chain.
    Jump(String),
    /// Leaves it to another chain.
    Goto(String),
    /// Sets bits of its mark.
    SetMark(MarkMask),
    /// Clears bits of its mark.
    ClearMark(MarkMask),
    /// Keeps it from connection tracking.
    Notrack,
    /// Writes it to the log, with this before it.
    Log(String),
    /// Translates its destination.
    Dnat(IpAddr, Option<u16>),
    /// Translates its source.
    Snat(IpAddr),
    /// Translates its source to the node's address.
    Masquerade,
    /// Translates its source, with a port drawn by lot, of these if they are said.
    SnatRandomly(IpAddr, Option<PortNumbers>),
    /// Translates its source to the node's address, with a port drawn by lot, of these if they are said.
    MasqueradeRandomly(Option<PortNumbers>),
    /// Tells its sender that it is not let through.
    Reject,
    /// Tells its sender that there is no such connection.
    Reset,
    /// Has bits of its mark be a number.
    Number {
        /// The number, in the place of the bits.
        value: u32,
        /// The bits.
        mask: MarkMask,
    },
    /// Sets its DSCP.
    Dscp(u8),
    /// Tells the log of flows, in a group, with this before it.
    Nflog(u16, String),
    /// Nothing: the rule only bears a comment.
    Nothing,
}

/// The log level `notice`, which Felix writes as a number.
const NOTICE: u8 = 5;

/// How many bytes of a packet the log of flows is given.
const NFLOG_SIZE: u32 = 80;

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("--jump ACCEPT"),
            Self::Drop => f.write_str("--jump DROP"),
            Self::Return => f.write_str("--jump RETURN"),
            Self::Jump(chain) => write!(f, "--jump {chain}"),
            Self::Goto(chain) => write!(f, "--goto {chain}"),
            Self::SetMark(mask) => write!(f, "--jump MARK --set-mark {mask}/{mask}"),
            Self::ClearMark(mask) => write!(f, "--jump MARK --set-mark 0/{mask}"),
            Self::Notrack => f.write_str("--jump NOTRACK"),
            Self::Log(prefix) => {
                write!(
                    f,
                    "--jump LOG --log-prefix \"{prefix}\" --log-level {NOTICE}"
                )
            }
            Self::Dnat(to, None) => write!(f, "--jump DNAT --to-destination {to}"),
            Self::Dnat(to, Some(port)) => write!(f, "--jump DNAT --to-destination {to}:{port}"),
            Self::Snat(to) => write!(f, "--jump SNAT --to-source {to}"),
            Self::Masquerade => f.write_str("--jump MASQUERADE"),
            Self::SnatRandomly(to, ports) => {
                write!(f, "--jump SNAT --to-source {to}")?;
                if let Some(ports) = ports {
                    write!(f, ":{}-{}", ports.first(), ports.last())?;
                }
                f.write_str(" --random-fully")
            }
            Self::MasqueradeRandomly(ports) => {
                f.write_str("--jump MASQUERADE")?;
                if let Some(ports) = ports {
                    write!(f, " --to-ports {}-{}", ports.first(), ports.last())?;
                }
                f.write_str(" --random-fully")
            }
            Self::Reject => f.write_str("--jump REJECT"),
            Self::Reset => f.write_str("--jump REJECT --reject-with tcp-reset"),
            Self::Number { value, mask } => write!(f, "--jump MARK --set-mark {value:#x}/{mask}"),
            Self::Dscp(dscp) => write!(f, "--jump DSCP --set-dscp {dscp}"),
            Self::Nflog(group, prefix) => write!(
                f,
                "--jump NFLOG --nflog-group {group} --nflog-prefix {prefix} --nflog-size \
                 {NFLOG_SIZE}"
            ),
            Self::Nothing => Ok(()),
        }
    }
}

impl Action {
    /// The chain to which it leads.
    #[must_use]
    pub fn chain(&self) -> Option<&str> {
        match self {
            Self::Jump(chain) | Self::Goto(chain) => Some(chain),
            _ => None,
        }
    }

    /// The target that the tools make of it for rules of a family.
    #[must_use]
    pub fn target(&self, family: Family) -> Target {
        match self {
            Self::Accept => Target::Accept,
            Self::Drop => Target::Drop,
            Self::Return => Target::Return,
            Self::Jump(chain) => Target::Jump(chain.clone()),
            Self::Goto(chain) => Target::Goto(chain.clone()),
            Self::SetMark(mask) => xmark(mask.bits(), *mask),
            Self::ClearMark(mask) => xmark(0, *mask),
            Self::Notrack => Target::Notrack,
            Self::Log(prefix) => Target::Log(Log {
                prefix: Some(prefix.clone()),
                level: Some(NOTICE),
                ..Log::default()
            }),
            Self::Dnat(to, port) => Target::Dnat(NatRange {
                ports: port.map(|port| PortRange {
                    first: port,
                    last: port,
                }),
                ..to_address(*to)
            }),
            Self::Snat(to) => Target::Snat(to_address(*to)),
            Self::Masquerade => Target::Masquerade(NatRange::default()),
            Self::SnatRandomly(to, ports) => Target::Snat(NatRange {
                random_fully: true,
                ports: ports.map(port_range),
                ..to_address(*to)
            }),
            Self::MasqueradeRandomly(ports) => Target::Masquerade(NatRange {
                random_fully: true,
                ports: ports.map(port_range),
                ..NatRange::default()
            }),
            Self::Reject => Target::Reject(match family {
                Family::V4 => Reject::PortUnreachable,
                Family::V6 => Reject::PortUnreachable6,
            }),
            Self::Reset => Target::Reject(Reject::TcpReset),
            Self::Number { value, mask } => xmark(*value, *mask),
            Self::Dscp(dscp) => Target::TrafficClass(TrafficClass::Dscp(*dscp)),
            Self::Nflog(group, prefix) => Target::Nflog(Nflog {
                group: *group,
                prefix: Some(prefix.clone()),
                size: Some(NFLOG_SIZE),
                ..Nflog::default()
            }),
            Self::Nothing => Target::None,
        }
    }
}

fn port_range(ports: PortNumbers) -> PortRange {
    PortRange {
        first: ports.first(),
        last: ports.last(),
    }
}

fn xmark(value: u32, mask: MarkMask) -> Target {
    Target::Mark(Xmark {
        value,
        mask: mask.bits(),
    })
}

fn to_address(to: IpAddr) -> NatRange {
    NatRange {
        addresses: Some((to, to)),
        ..NatRange::default()
    }
}
