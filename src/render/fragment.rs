//! What a rule asks and does, in the words that Felix has for it.
//!
//! Each piece is said twice: [`fmt::Display`] gives Felix's own spelling, which enters the rule's hash
//! and is what Felix hands to the tools; [`Fragment::add_to`] and [`Action::target`] give the typed
//! match and target that the tools make of it (felix 2.1.1, iptables/match_builder.go and
//! iptables/actions.go).

mod action;

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

pub use action::Action;

use super::ports::PortList;
use crate::calico::rule::{IcmpMessage, PortNumbers, RuleProtocol};
use crate::mark::MarkMask;
use crate::packet::Family;
use crate::xtables::matches::{
    AddressTypes, AddrtypeTest, Conntrack, FlagsTest, IcmpTest, MaskedMark, PortRange, PortSide,
    RpfilterTest, SetSide, SetTest, StatefulKind, StatefulTest, States, TcpTest, UdpTest,
};
use crate::xtables::ruleset::{AddressMask, InterfacePattern};
use crate::xtables::{Match, Not, Rule};

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
    /// Its address is one of these: the tools make a rule of each.
    AnyAddress(End, Vec<IpAddr>),
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
    /// Its destination is an address of this node.
    DestinationIsLocal,
    /// The same as [`Fragment::ReversePathFails`], routed with its mark.
    ReversePathFailsByMark,
    /// These bits of its mark are this number.
    Mark(Not<u32>, MarkMask),
    /// Its state in connection tracking is none of these.
    NotStates(States),
    /// Its address and port are in the set of this name.
    PortSet(End, Not<String>),
    /// Its destination port, of UDP, as the protocol's own match asks it.
    UdpPort(u16),
    /// It would begin a TCP connection.
    BeginsTcp,
    /// There are more connections than these.
    ConnectionsAbove(u32),
    /// There are no more of these than so many in a time.
    Limit(Limit),
}

/// How often a rule may match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many times.
    pub times: u32,
    /// In which time, as Felix spells it.
    pub unit: &'static str,
    /// How many seconds that is.
    pub seconds: u32,
    /// How many times at once, if that is said.
    pub burst: Option<u32>,
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
            Self::AnyAddress(end, addresses) => {
                let addresses: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
                write!(f, "--{} {}", end.word(), addresses.join(","))
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
            Self::DestinationIsLocal => f.write_str("-m addrtype --dst-type LOCAL"),
            Self::ReversePathFailsByMark => f.write_str("-m rpfilter --invert --validmark"),
            Self::Mark(not, mask) if not.value == 0 => {
                write!(f, "-m mark {}--mark 0/{mask}", bang(not.negated))
            }
            Self::Mark(not, mask) => {
                let (bang, value) = (bang(not.negated), not.value);
                write!(f, "-m mark {bang}--mark {value:#x}/{mask}")
            }
            Self::NotStates(states) => {
                write!(f, "-m conntrack ! --ctstate {}", StateNames(*states))
            }
            Self::PortSet(end, not) => {
                let (bang, name) = (bang(not.negated), &not.value);
                let sides = match end {
                    End::Source => "src,src",
                    End::Destination => "dst,dst",
                };
                write!(f, "-m set {bang}--match-set {name} {sides}")
            }
            Self::UdpPort(port) => write!(f, "--dport {port}"),
            Self::BeginsTcp => f.write_str("-m tcp --tcp-flags FIN,SYN,RST,ACK SYN"),
            Self::ConnectionsAbove(most) => {
                write!(
                    f,
                    "-m connlimit --connlimit-above {most} --connlimit-mask 0"
                )
            }
            Self::Limit(limit) => {
                write!(f, "-m limit --limit {}/{}", limit.times, limit.unit)?;
                let burst = limit.burst;
                burst.map_or(Ok(()), |burst| write!(f, " --limit-burst {burst}"))
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
    /// It takes rates up to 10000 a second.
    #[error("Rate too fast `{0}'")]
    Rate(String),
    /// It takes up to 10000 at once.
    #[error("limit: bad value for option \"--limit-burst\", or out of range (0-10000)")]
    Burst,
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
            // The rules of several are made one by one.
            Self::AnyAddress(end, addresses) => {
                let mut nets = addresses.iter().map(|one| Not::is(Network::Address(*one)));
                return nets.try_for_each(|net| add_address(rule, family, *end, net));
            }
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
            Self::DestinationIsLocal => Match::Addrtype(AddrtypeTest {
                destination: Some(Not::is(local())),
                ..AddrtypeTest::default()
            }),
            Self::ReversePathFailsByMark => Match::Rpfilter(RpfilterTest {
                invert: true,
                valid_mark: true,
                ..RpfilterTest::default()
            }),
            Self::Mark(not, mask) => Match::Mark(Not {
                negated: not.negated,
                value: MaskedMark {
                    value: not.value,
                    mask: mask.bits(),
                },
            }),
            Self::NotStates(states) => Match::Conntrack(Box::new(Conntrack {
                states: Some(Not::negated(*states)),
                ..Conntrack::default()
            })),
            Self::PortSet(end, not) => {
                let test = set_test(*end, not);
                Match::Set(SetTest {
                    sides: test.sides.repeat(2),
                    ..test
                })
            }
            Self::UdpPort(port) => Match::Udp(UdpTest {
                destination: Some(Not::is(PortRange {
                    first: *port,
                    last: *port,
                })),
                ..UdpTest::default()
            }),
            Self::BeginsTcp => Match::Tcp(TcpTest {
                flags: Some(Not::is(FlagsTest {
                    mask: FIN | SYN | RST | ACK,
                    compare: SYN,
                })),
                ..TcpTest::default()
            }),
            Self::ConnectionsAbove(most) => stateful(
                StatefulKind::Connlimit,
                // What the mask leaves of a source address is counted, by default
                // (libxt_connlimit.c, `connlimit_save`).
                &format!("--connlimit-above {most} --connlimit-mask 0 --connlimit-saddr"),
            ),
            Self::Limit(limit) => stateful(StatefulKind::Limit, &limit.saved()?),
        };
        rule.matches.push(one_more);
        Ok(())
    }
}

/// TCP's flags (RFC 9293, 3.1).
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

fn stateful(kind: StatefulKind, words: &str) -> Match {
    Match::Stateful(StatefulTest {
        kind,
        words: words.split(' ').map(str::to_owned).collect(),
    })
}

/// What a second has of the kernel's units (include/uapi/linux/netfilter/xt_limit.h,
/// `XT_LIMIT_SCALE`).
const LIMIT_SCALE: u32 = 10_000;
/// How many may come at once where nothing is said (libxt_limit.c, `XT_LIMIT_BURST`).
const LIMIT_BURST: u32 = 5;
/// The units of time in which the tools print rates, with their seconds (libxt_limit.c, `rates`).
const LIMIT_UNITS: [(&str, u32); 4] = [("day", 86_400), ("hour", 3600), ("min", 60), ("sec", 1)];

impl Limit {
    /// The words in which the tools print it: they keep the time between two as a whole number of units
    /// (libxt_limit.c, `parse_rate` and `print_rate`).
    fn saved(&self) -> Result<String, Refusal> {
        let too_fast = || Refusal::Rate(format!("{}/{}", self.times, self.unit));
        let period = (LIMIT_SCALE * self.seconds).checked_div(self.times);
        let period = period.filter(|period| *period > 0).ok_or_else(too_fast)?;
        let finer = LIMIT_UNITS[1..].iter().position(|(_, seconds)| {
            let unit = seconds * LIMIT_SCALE;
            period > unit || unit / period < unit % period
        });
        let (unit, seconds) = LIMIT_UNITS[finer.unwrap_or(LIMIT_UNITS.len() - 1)];
        let mut words = format!("--limit {}/{unit}", seconds * LIMIT_SCALE / period);
        match self.burst {
            Some(burst) if burst > LIMIT_SCALE => return Err(Refusal::Burst),
            Some(burst) if burst != LIMIT_BURST => words += &format!(" --limit-burst {burst}"),
            _ => {}
        }
        Ok(words)
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
