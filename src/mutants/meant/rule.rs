//! Faults in one rule of a policy or profile, field by field.

use std::fmt;

use ipnet::IpNet;

use crate::calico::rule::{Action, IcmpMessage, PortNumbers, Ports, RuleProtocol};
use crate::calico::{Rule, Side};
use crate::packet::Family;

/// One way in which a rule can be misunderstood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RuleFault {
    /// One action is taken for another.
    Action(Action, Action),
    /// A field of the whole rule.
    Header(HeaderFault),
    /// A field of one end.
    Side(End, SideFault),
}

/// One end of what a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum End {
    /// Who sends.
    Source,
    /// Who receives.
    Destination,
}

/// Makes a list of faults once: the enumeration, and its order.
macro_rules! faults {
    ($(#[$of:meta])* $kind:ident: $($(#[$doc:meta])* $name:ident,)*) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $kind {
            $($(#[$doc])* $name,)*
        }

        impl $kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}
pub(super) use faults;

faults! {
    /// One way in which a field of a whole rule can be misunderstood.
    HeaderFault:
    /// The family does not matter.
    LoseFamily,
    /// The family is the other one.
    OtherFamily,
    /// The protocol does not matter.
    LoseProtocol,
    /// The protocol is the next one.
    NextProtocol,
    /// The protocol is the one before.
    EarlierProtocol,
    /// The protocol is the one that is excluded.
    NegateProtocol,
    /// No protocol is excluded.
    LoseNotProtocol,
    /// The ICMP message does not matter.
    LoseIcmp,
    /// The ICMP type is the next one.
    NextIcmpType,
    /// The ICMP type is the one before.
    EarlierIcmpType,
    /// The ICMP code is the next one.
    NextIcmpCode,
    /// The ICMP code does not matter.
    LoseIcmpCode,
    /// The ICMP message is the one that is excluded.
    NegateIcmp,
    /// No ICMP message is excluded.
    LoseNotIcmp,
    /// Who sends and who receives are taken for each other.
    SwapEnds,
}

faults! {
    /// One way in which a field of one end can be misunderstood.
    SideFault:
    /// The prefixes don't matter.
    LoseNets,
    /// The prefixes are one bit shorter.
    WidenNets,
    /// The prefixes are one bit longer.
    NarrowNets,
    /// The prefixes are the excluded ones.
    NegateNets,
    /// No prefixes are excluded.
    LoseNotNets,
    /// The ports don't matter.
    LosePorts,
    /// The last of several ports is lost.
    LosePort,
    /// The first port range begins one later.
    PortRangeFirst,
    /// The first port range begins one earlier.
    PortRangeBefore,
    /// The last port range ends one later.
    PortRangeLast,
    /// The last port range ends one earlier.
    PortRangeShort,
    /// The ports are the excluded ones.
    NegatePorts,
    /// No ports are excluded.
    LoseNotPorts,
    /// The groups don't matter.
    LosePeers,
    /// The groups are the excluded ones.
    NegatePeers,
    /// No groups are excluded.
    LoseNotPeers,
}

impl RuleFault {
    /// All of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let actions = [Action::Allow, Action::Deny, Action::Pass, Action::Log];
        let actions = actions.iter().flat_map(|from| {
            let others = actions.iter().filter(move |to| *to != from);
            others.map(move |to| Self::Action(*from, *to))
        });
        let headers = HeaderFault::ALL.iter().copied().map(Self::Header);
        let ends = [End::Source, End::Destination].into_iter();
        let ends = ends.flat_map(|end| {
            let faults = SideFault::ALL.iter();
            faults.map(move |fault| Self::Side(end, *fault))
        });
        actions.chain(headers).chain(ends).collect()
    }

    /// Changes a rule; `None` where the fault does not apply to it.
    pub(super) fn change(self, rule: &mut Rule) -> Option<()> {
        match self {
            Self::Action(from, to) => (rule.action == from).then(|| rule.action = to),
            Self::Header(fault) => fault.change(rule),
            Self::Side(End::Source, fault) => fault.change(&mut rule.source),
            Self::Side(End::Destination, fault) => fault.change(&mut rule.destination),
        }
    }
}

impl HeaderFault {
    fn change(self, rule: &mut Rule) -> Option<()> {
        match self {
            Self::LoseFamily => forget(rule.family.take()?),
            Self::OtherFamily => rule.family = Some(Family::other(rule.family?)),
            Self::LoseProtocol => forget(rule.protocol.take()?),
            Self::NextProtocol => rule.protocol = Some(beside(rule.protocol?, 1)?),
            Self::EarlierProtocol => rule.protocol = Some(beside(rule.protocol?, -1)?),
            Self::NegateProtocol => {
                if rule.protocol.is_none() && rule.not_protocol.is_none() {
                    return None;
                }
                std::mem::swap(&mut rule.protocol, &mut rule.not_protocol);
            }
            Self::LoseNotProtocol => forget(rule.not_protocol.take()?),
            Self::LoseIcmp => forget(rule.icmp.take()?),
            Self::NextIcmpType => {
                let icmp = rule.icmp.as_mut()?;
                icmp.kind = icmp.kind.checked_add(1)?;
            }
            Self::EarlierIcmpType => {
                let icmp = rule.icmp.as_mut()?;
                icmp.kind = icmp.kind.checked_sub(1)?;
            }
            Self::NextIcmpCode => {
                let code = rule.icmp.as_mut()?.code.as_mut()?;
                *code = code.checked_add(1)?;
            }
            Self::LoseIcmpCode => {
                let IcmpMessage { code, .. } = rule.icmp.as_mut()?;
                code.take()?;
            }
            Self::NegateIcmp => {
                if rule.icmp.is_none() && rule.not_icmp.is_none() {
                    return None;
                }
                std::mem::swap(&mut rule.icmp, &mut rule.not_icmp);
            }
            Self::LoseNotIcmp => forget(rule.not_icmp.take()?),
            Self::SwapEnds => std::mem::swap(&mut rule.source, &mut rule.destination),
        }
        Some(())
    }
}

impl SideFault {
    fn change(self, side: &mut Side) -> Option<()> {
        match self {
            Self::LoseNets => side.nets.clear(),
            Self::WidenNets => resize(&mut side.nets, -1)?,
            Self::NarrowNets => resize(&mut side.nets, 1)?,
            Self::NegateNets => std::mem::swap(&mut side.nets, &mut side.not_nets),
            Self::LoseNotNets => side.not_nets.clear(),
            Self::LosePorts => side.ports.clear(),
            Self::LosePort if side.ports.len() > 1 => drop(side.ports.pop()),
            Self::LosePort => return None,
            Self::PortRangeFirst => {
                let [first, last] = ends(side.ports.first()?)?;
                side.ports[0] = range(first.checked_add(1)?, last)?;
            }
            Self::PortRangeBefore => {
                let [first, last] = ends(side.ports.first()?)?;
                side.ports[0] = range(first.checked_sub(1)?, last)?;
            }
            Self::PortRangeLast => {
                let port = side.ports.last_mut()?;
                let [first, last] = ends(port)?;
                *port = range(first, last.checked_add(1)?)?;
            }
            Self::PortRangeShort => {
                let port = side.ports.last_mut()?;
                let [first, last] = ends(port)?;
                *port = range(first, last.checked_sub(1)?)?;
            }
            Self::NegatePorts => std::mem::swap(&mut side.ports, &mut side.not_ports),
            Self::LoseNotPorts => side.not_ports.clear(),
            Self::LosePeers => side.peers.clear(),
            Self::NegatePeers => std::mem::swap(&mut side.peers, &mut side.not_peers),
            Self::LoseNotPeers => side.not_peers.clear(),
        }
        Some(())
    }
}

impl fmt::Display for RuleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action(from, to) => write!(f, "{from:?} taken for {to:?}"),
            Self::Header(fault) => write!(f, "{fault:?}"),
            Self::Side(End::Source, fault) => write!(f, "source: {fault:?}"),
            Self::Side(End::Destination, fault) => write!(f, "destination: {fault:?}"),
        }
    }
}

/// What was there is lost.
fn forget<T>(_: T) {}

fn beside(protocol: RuleProtocol, by: i16) -> Option<RuleProtocol> {
    let number = i16::from(protocol.protocol().0) + by;
    let number = u8::try_from(number).ok().filter(|number| *number > 0)?;
    Some(RuleProtocol::Number(number))
}

fn ends(ports: &Ports) -> Option<[u16; 2]> {
    match ports {
        Ports::Numbers(numbers) => Some([numbers.first(), numbers.last()]),
        Ports::Named(_) => None,
    }
}

fn range(first: u16, last: u16) -> Option<Ports> {
    PortNumbers::new(first, last).map(Ports::Numbers)
}

/// Makes prefixes longer or shorter by a bit.
pub(super) fn resize(nets: &mut [IpNet], by: i16) -> Option<()> {
    for net in nets {
        let length = i16::from(net.prefix_len()) + by;
        let length = u8::try_from(length).ok();
        let resized = length.and_then(|length| IpNet::new(net.addr(), length).ok());
        *net = resized.map_or(*net, |resized| resized.trunc());
    }
    Some(())
}
