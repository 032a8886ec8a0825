//! What a rule asks and does, in the words that Felix has for it.
//!
//! Each piece is said twice: [`fmt::Display`] gives Felix's own spelling, which enters the rule's hash
//! and is what Felix hands to the tools; [`Fragment::add_to`] and [`Action::target`] give the typed
//! match and target that the tools make of it (felix 2.1.1, iptables/match_builder.go and
//! iptables/actions.go).

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::ports::PortList;
use crate::calico::rule::{IcmpMessage, PortNumbers, RuleProtocol};
use crate::mark::MarkMask;
use crate::packet::Family;
use crate::xtables::matches::{
    AddressTypes, AddrtypeTest, Conntrack, IcmpTest, MaskedMark, PortRange, PortSide, RpfilterTest,
    SetSide, SetTest, States,
};
use crate::xtables::ruleset::{AddressMask, InterfacePattern};
use crate::xtables::target::{Log, NatRange, Xmark};
use crate::xtables::{Match, Not, Rule, Target};

/// One of the two ends of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Destination,
}

impl End {
    fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }
}

/// An address or prefix; how it is spelt is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// A single address, without a length.
    Address(IpAddr),
    /// A prefix, with its length even where that is the whole address.
    Prefix(IpNet),
}

impl Network {
    fn prefix(self) -> IpNet {
        match self {
            Self::Address(address) => address.into(),
            Self::Prefix(net) => net.trunc(),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Prefix(net) => write!(f, "{}", net.trunc()),
        }
    }
}

/// One thing that a rule asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// It came in here.
    InInterface(InterfacePattern),
    /// It leaves here.
    OutInterface(InterfacePattern),
    /// Its protocol.
    Protocol(Not<RuleProtocol>),
    /// Its address.
    Address(End, Not<Network>),
    /// Its address is in the set of this name.
    Set(End, Not<String>),
    /// Its port.
    Ports(End, Not<PortList>),
    /// Its ICMP message, of one family.
    Icmp(Family, Not<IcmpMessage>),
    /// All of these bits of its mark are set.
    Marked(MarkMask),
    /// None of these bits of its mark is set.
    Unmarked(MarkMask),
    /// Its state in connection tracking.
    States(States),
    /// Its source is not routed back the way it came.
    ReversePathFails,
    /// Its source is an address of this node.
    SourceIsLocal,
    /// Its source is no address of the interface by which it leaves.
    SourceIsNotOfOutInterface,
}

fn bang(negated: bool) -> &'static str {
    if negated { "! " } else { "" }
}

impl fmt::Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InInterface(pattern) => write!(f, "--in-interface {}", Interface(pattern)),
            Self::OutInterface(pattern) => write!(f, "--out-interface {}", Interface(pattern)),
            Self::Protocol(not) => write!(f, "{}-p {}", bang(not.negated), not.value),
            Self::Address(end, not) => {
                write!(f, "{}--{} {}", bang(not.negated), end.word(), not.value)
            }
            Self::Set(end, not) => {
                let (bang, name) = (bang(not.negated), &not.value);
                let side = match end {
                    End::Source => "src",
                    End::Destination => "dst",
                };
                write!(f, "-m set {bang}--match-set {name} {side}")
            }
            Self::Ports(end, not) => {
                let (bang, end) = (bang(not.negated), end.word());
                write!(f, "-m multiport {bang}--{end}-ports {}", not.value)
            }
            Self::Icmp(family, not) => {
                let (module, option) = match family {
                    Family::V4 => ("icmp", "icmp-type"),
                    Family::V6 => ("icmp6", "icmpv6-type"),
                };
                let IcmpMessage { kind, code } = not.value;
                write!(f, "-m {module} {}--{option} {kind}", bang(not.negated))?;
                code.map_or(Ok(()), |code| write!(f, "/{code}"))
            }
            Self::Marked(mask) => write!(f, "-m mark --mark {mask}/{mask}"),
            Self::Unmarked(mask) => write!(f, "-m mark --mark 0/{mask}"),
            Self::States(states) => write!(f, "-m conntrack --ctstate {}", StateNames(*states)),
            Self::ReversePathFails => f.write_str("-m rpfilter --invert"),
            Self::SourceIsLocal => f.write_str("-m addrtype --src-type LOCAL"),
            Self::SourceIsNotOfOutInterface => {
                f.write_str("-m addrtype ! --src-type LOCAL --limit-iface-out")
            }
        }
    }
}

struct Interface<'a>(&'a InterfacePattern);

impl fmt::Display for Interface<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            InterfacePattern::Exactly(name) => write!(f, "{name}"),
            InterfacePattern::Prefix(prefix) => write!(f, "{prefix}+"),
            InterfacePattern::Unnameable(name) => f.write_str(name),
        }
    }
}

struct StateNames(States);

impl fmt::Display for StateNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = States::NAMES.iter();
        let mut named = named.filter(|(_, state)| self.0.intersects(*state));
        if let Some((first, _)) = named.next() {
            f.write_str(first)?;
        }
        named.try_for_each(|(name, _)| write!(f, ",{name}"))
    }
}

/// What iptables refuses of a single rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It takes each of these options once a rule.
    #[error("multiple {0} flags not allowed")]
    Twice(&'static str),
    /// It takes addresses of its own family.
    #[error("host/network `{0}' not found")]
    OtherFamily(IpAddr),
    /// It takes names of interfaces, their `+` included, up to 15 bytes.
    #[error("interface name `{0}+' must be shorter than IFNAMSIZ (15)")]
    LongInterface(String),
}

fn once<T>(place: &mut Option<T>, option: &'static str, value: T) -> Result<(), Refusal> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refusal::Twice(option)),
    }
}

impl Fragment {
    /// Has a rule of a family ask this too.
    ///
    /// # Errors
    ///
    /// [`Refusal`] where iptables takes no such rule.
    pub fn add_to(&self, rule: &mut Rule, family: Family) -> Result<(), Refusal> {
        let one_more = match self {
            Self::InInterface(pattern) => {
                return once(&mut rule.in_interface, "-i", interface(pattern)?);
            }
            Self::OutInterface(pattern) => {
                return once(&mut rule.out_interface, "-o", interface(pattern)?);
            }
            Self::Protocol(not) => {
                let Not { negated, value } = *not;
                let value = value.protocol();
                return once(&mut rule.protocol, "-p", Not { negated, value });
            }
            Self::Address(end, not) => return add_address(rule, family, *end, *not),
            Self::Set(end, not) => Match::Set(set_test(*end, not)),
            Self::Ports(end, not) => Match::Multiport(
                match end {
                    End::Source => PortSide::Source,
                    End::Destination => PortSide::Destination,
                },
                Not {
                    negated: not.negated,
                    value: not.value.as_slice().iter().map(port_range).collect(),
                },
            ),
            Self::Icmp(Family::V4, not) => Match::Icmp(icmp_test(*not)),
            Self::Icmp(Family::V6, not) => Match::Icmp6(icmp_test(*not)),
            Self::Marked(mask) => mark_test(mask.bits(), *mask),
            Self::Unmarked(mask) => mark_test(0, *mask),
            Self::States(states) => Match::Conntrack(Box::new(Conntrack {
                states: Some(Not::is(*states)),
                ..Conntrack::default()
            })),
            Self::ReversePathFails => Match::Rpfilter(RpfilterTest {
                invert: true,
                ..RpfilterTest::default()
            }),
            Self::SourceIsLocal => Match::Addrtype(AddrtypeTest {
                source: Some(Not::is(local())),
                ..AddrtypeTest::default()
            }),
            Self::SourceIsNotOfOutInterface => Match::Addrtype(AddrtypeTest {
                source: Some(Not::negated(local())),
                limit_out: true,
                ..AddrtypeTest::default()
            }),
        };
        rule.matches.push(one_more);
        Ok(())
    }
}

/// libxtables/xtables.c, `xtables_parse_interface`.
fn interface(pattern: &InterfacePattern) -> Result<Not<InterfacePattern>, Refusal> {
    match pattern {
        InterfacePattern::Prefix(prefix) if prefix.len() > 14 => {
            Err(Refusal::LongInterface(prefix.clone()))
        }
        _ => Ok(Not::is(pattern.clone())),
    }
}

fn add_address(
    rule: &mut Rule,
    family: Family,
    end: End,
    not: Not<Network>,
) -> Result<(), Refusal> {
    let net = not.value.prefix();
    if Family::of(net.addr()) != family {
        return Err(Refusal::OtherFamily(net.addr()));
    }
    let value = AddressMask {
        address: net.addr(),
        mask: net.netmask(),
    };
    let negated = not.negated;
    match end {
        End::Source => once(&mut rule.source, "-s", Not { negated, value }),
        End::Destination => once(&mut rule.destination, "-d", Not { negated, value }),
    }
}

fn set_test(end: End, not: &Not<String>) -> SetTest {
    SetTest {
        name: not.value.clone(),
        sides: vec![match end {
            End::Source => SetSide::Source,
            End::Destination => SetSide::Destination,
        }],
        negated: not.negated,
        return_nomatch: false,
        no_counter_update: false,
        no_subcounter_update: false,
        packets: None,
        bytes: None,
    }
}

fn port_range(ports: &PortNumbers) -> PortRange {
    PortRange {
        first: ports.first(),
        last: ports.last(),
    }
}

fn icmp_test(not: Not<IcmpMessage>) -> Not<IcmpTest> {
    let IcmpMessage { kind, code } = not.value;
    let (first_code, last_code) = code.map_or((0, u8::MAX), |code| (code, code));
    Not {
        negated: not.negated,
        value: IcmpTest {
            kind,
            first_code,
            last_code,
        },
    }
}

fn mark_test(value: u32, mask: MarkMask) -> Match {
    Match::Mark(Not::is(MaskedMark {
        value,
        mask: mask.bits(),
    }))
}

/// `RTN_LOCAL` (include/uapi/linux/rtnetlink.h).
fn local() -> AddressTypes {
    AddressTypes::one(2)
}

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
}

/// The log level `notice`, which Felix writes as a number.
const NOTICE: u8 = 5;

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
        }
    }
}

impl Action {
    /// The target that the tools make of it.
    #[must_use]
    pub fn target(&self) -> Target {
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
        }
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
