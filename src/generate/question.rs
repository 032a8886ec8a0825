//! A rule's questions, one field each: what packets are solved for and mutated along.

use std::fmt;
use std::net::IpAddr;

use super::draft::Draft;
use super::field::Fields;
use crate::packet::Protocol;
use crate::xtables::matches::{
    AddressTypes, ChunkTest, FlagsTest, HopsTest, IcmpTest, MaskedMark, PacketType, PortRange,
    PortSide, RpfilterTest, SetTest, States, StringTest,
};
use crate::xtables::ruleset::{AddressMask, InterfacePattern};
use crate::xtables::{Hook, Match, Not, Rule};

/// One question about one field of a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Question<'a> {
    /// Does the packet pass this hook?
    At(Hook),
    /// `-s`.
    Source(AddressMask),
    /// `-d`.
    Destination(AddressMask),
    /// `-m iprange --src-range`.
    SourceRange(IpAddr, IpAddr),
    /// `-m iprange --dst-range`.
    DestinationRange(IpAddr, IpAddr),
    /// `-m addrtype --src-type`.
    SourceType(AddressTypes),
    /// `-m addrtype --dst-type`.
    DestinationType(AddressTypes),
    /// `-i`.
    In(&'a InterfacePattern),
    /// `-o`.
    Out(&'a InterfacePattern),
    /// `-p`.
    Protocol(Protocol),
    /// `-f`.
    Fragment,
    /// Ports of `-m tcp`, `udp`, `sctp`, `multiport`.
    Ports(PortSide, &'a [PortRange]),
    /// `--tcp-flags`.
    Flags(FlagsTest),
    /// `--tcp-option`.
    Option(u8),
    /// `--chunk-types`.
    Chunk(&'a ChunkTest),
    /// `--icmp-type`, and whether 255 means any type (IPv4).
    Icmp(IcmpTest, bool),
    /// `-m set`.
    Set(&'a SetTest),
    /// `-m mark`.
    Mark(MaskedMark),
    /// `-m conntrack --ctstate`, `-m state`.
    States(States),
    /// `-m conntrack --ctdir`: whether the original's is asked for.
    Direction(bool),
    /// `-m rpfilter`.
    ReversePath(RpfilterTest),
    /// `-m ttl`, `-m hl`.
    Hops(HopsTest),
    /// `-m dscp`.
    Dscp(u8),
    /// `-m tos`: value and mask.
    Tos(u8, u8),
    /// `-m length`.
    Length(u16, u16),
    /// `-m string`.
    Text(&'a StringTest),
    /// `-m pkttype`.
    Cast(PacketType),
    /// Does the packet have these fields as another one has them? No rule asks so; it keeps a
    /// neighbour what it is while the rest of it is solved for.
    Keeps(&'a Draft, Fields),
    /// What no choice of a packet answers: chance, time, earlier packets, sockets, bridges, unknown
    /// matches.
    Beyond(&'a Match),
}

/// A question and the answer that is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition<'a> {
    /// The question.
    pub question: Question<'a>,
    /// The answer.
    pub wanted: bool,
}

impl<'a> Condition<'a> {
    /// That the answer is yes.
    #[must_use]
    pub fn is(question: Question<'a>) -> Self {
        Self {
            question,
            wanted: true,
        }
    }

    /// The opposite.
    #[must_use]
    pub fn opposite(self) -> Self {
        Self {
            wanted: !self.wanted,
            ..self
        }
    }

    /// Whether no packet can be chosen to meet or to miss it.
    #[must_use]
    pub fn is_beyond(&self) -> bool {
        matches!(self.question, Question::Beyond(_))
    }
}

/// Everything that a rule asks, in the order in which the kernel asks it.
#[must_use]
pub fn conditions(rule: &Rule) -> Vec<Condition<'_>> {
    let mut asked = Asked(Vec::new());
    asked.about(rule.source.as_ref(), |mask| Question::Source(*mask));
    asked.about(rule.destination.as_ref(), |mask| {
        Question::Destination(*mask)
    });
    asked.about(rule.in_interface.as_ref(), Question::In);
    asked.about(rule.out_interface.as_ref(), Question::Out);
    asked.about(rule.protocol.as_ref(), |protocol| {
        Question::Protocol(*protocol)
    });
    asked.about(rule.fragment.as_ref(), |()| Question::Fragment);
    rule.matches.iter().for_each(|one| asked.of_match(one));
    asked.0
}

struct Asked<'a>(Vec<Condition<'a>>);

impl<'a> Asked<'a> {
    fn about<T>(&mut self, test: Option<&'a Not<T>>, question: impl FnOnce(&'a T) -> Question<'a>) {
        if let Some(test) = test {
            self.0.push(Condition {
                question: question(&test.value),
                wanted: !test.negated,
            });
        }
    }

    fn ports(&mut self, side: PortSide, range: Option<&'a Not<PortRange>>) {
        self.about(range, |range| {
            Question::Ports(side, std::slice::from_ref(range))
        });
    }

    fn of_match(&mut self, one: &'a Match) {
        match one {
            Match::Comment(_) => {}
            Match::Mark(test) => self.about(Some(test), |mark| Question::Mark(*mark)),
            Match::State(test) => self.about(Some(test), |states| Question::States(*states)),
            Match::Conntrack(test) => {
                self.about(test.states.as_ref(), |states| Question::States(*states));
                if let Some(original) = test.original_direction {
                    self.0.push(Condition::is(Question::Direction(original)));
                }
                let plain = test.states.is_some() || test.original_direction.is_some();
                let fields = crate::xtables::matches::Conntrack {
                    states: None,
                    original_direction: None,
                    ..(**test).clone()
                };
                if !plain || fields != crate::xtables::matches::Conntrack::default() {
                    self.0.push(Condition::is(Question::Beyond(one)));
                }
            }
            Match::Multiport(side, test) => {
                self.about(Some(test), |ranges| Question::Ports(*side, ranges));
            }
            Match::Tcp(test) => {
                self.ports(PortSide::Source, test.source.as_ref());
                self.ports(PortSide::Destination, test.destination.as_ref());
                self.about(test.flags.as_ref(), |flags| Question::Flags(*flags));
                self.about(test.option.as_ref(), |kind| Question::Option(*kind));
            }
            Match::Udp(test) => {
                self.ports(PortSide::Source, test.source.as_ref());
                self.ports(PortSide::Destination, test.destination.as_ref());
            }
            Match::Sctp(test) => {
                self.ports(PortSide::Source, test.source.as_ref());
                self.ports(PortSide::Destination, test.destination.as_ref());
                self.about(test.chunks.as_ref(), Question::Chunk);
            }
            Match::Icmp(test) => self.about(Some(test), |test| Question::Icmp(*test, true)),
            Match::Icmp6(test) => self.about(Some(test), |test| Question::Icmp(*test, false)),
            Match::Set(test) => self.0.push(Condition {
                question: Question::Set(test),
                wanted: !test.negated,
            }),
            Match::Addrtype(test) => {
                self.about(test.source.as_ref(), |types| Question::SourceType(*types));
                self.about(test.destination.as_ref(), |types| {
                    Question::DestinationType(*types)
                });
            }
            Match::Iprange(test) => {
                self.about(test.source.as_ref(), |(a, b)| Question::SourceRange(*a, *b));
                self.about(test.destination.as_ref(), |(a, b)| {
                    Question::DestinationRange(*a, *b)
                });
            }
            Match::Rpfilter(test) => self.0.push(Condition::is(Question::ReversePath(*test))),
            Match::Hops(test) => self.0.push(Condition::is(Question::Hops(*test))),
            Match::Dscp(test) => self.about(Some(test), |dscp| Question::Dscp(*dscp)),
            Match::Tos(test) => self.about(Some(test), |(a, b)| Question::Tos(*a, *b)),
            Match::Length(test) => self.about(Some(test), |(a, b)| Question::Length(*a, *b)),
            Match::String(test) => self.0.push(Condition {
                question: Question::Text(test),
                wanted: !test.negated,
            }),
            Match::Pkttype(test) => self.about(Some(test), |cast| Question::Cast(*cast)),
            Match::Connmark(_)
            | Match::Mac(_)
            | Match::Stateful(_)
            | Match::Owner(_)
            | Match::Physdev(_)
            | Match::Statistic(_)
            | Match::RoutingHeader(_)
            | Match::Opaque { .. } => self.0.push(Condition::is(Question::Beyond(one))),
        }
    }
}

impl fmt::Display for Condition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wanted {
            write!(f, "{}", self.question)
        } else {
            write!(f, "not {}", self.question)
        }
    }
}

impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(hook) => write!(f, "at {hook}"),
            Self::Source(mask) => write!(f, "source {}/{}", mask.address, mask.mask),
            Self::Destination(mask) => write!(f, "destination {}/{}", mask.address, mask.mask),
            Self::SourceRange(first, last) => write!(f, "source {first}-{last}"),
            Self::DestinationRange(first, last) => write!(f, "destination {first}-{last}"),
            Self::SourceType(types) => write!(f, "source type {}", Types(*types)),
            Self::DestinationType(types) => write!(f, "destination type {}", Types(*types)),
            Self::In(pattern) => write!(f, "in-interface {}", Pattern(pattern)),
            Self::Out(pattern) => write!(f, "out-interface {}", Pattern(pattern)),
            Self::Protocol(protocol) => write!(f, "protocol {protocol}"),
            Self::Fragment => write!(f, "fragment"),
            Self::Ports(side, ranges) => {
                write!(
                    f,
                    "{} ",
                    match side {
                        PortSide::Source => "source port",
                        PortSide::Destination => "destination port",
                        PortSide::Either => "either port",
                    }
                )?;
                for (place, range) in ranges.iter().enumerate() {
                    let comma = if place == 0 { "" } else { "," };
                    write!(f, "{comma}{}:{}", range.first, range.last)?;
                }
                Ok(())
            }
            Self::Flags(test) => write!(f, "TCP flags {:#x}/{:#x}", test.compare, test.mask),
            Self::Option(kind) => write!(f, "TCP option {kind}"),
            Self::Chunk(_) => write!(f, "SCTP chunks"),
            Self::Icmp(test, _) => {
                write!(
                    f,
                    "ICMP type {}/{}-{}",
                    test.kind, test.first_code, test.last_code
                )
            }
            Self::Set(test) => write!(f, "in set {}", test.name),
            Self::Mark(test) => write!(f, "mark {:#x}/{:#x}", test.value, test.mask),
            Self::States(states) => {
                let names = States::NAMES
                    .iter()
                    .filter(|(_, one)| one.intersects(*states));
                let names: Vec<&str> = names.map(|(name, _)| *name).collect();
                write!(f, "state {}", names.join(","))
            }
            Self::Direction(true) => write!(f, "original direction"),
            Self::Direction(false) => write!(f, "reply direction"),
            Self::ReversePath(test) if test.invert => f.write_str("source from elsewhere"),
            Self::ReversePath(_) => f.write_str("source from there"),
            Self::Hops(test) => match test {
                HopsTest::Equal(hops) => write!(f, "hops {hops}"),
                HopsTest::NotEqual(hops) => write!(f, "hops other than {hops}"),
                HopsTest::Below(hops) => write!(f, "hops below {hops}"),
                HopsTest::Above(hops) => write!(f, "hops above {hops}"),
            },
            Self::Dscp(dscp) => write!(f, "DSCP {dscp:#x}"),
            Self::Tos(value, mask) => write!(f, "TOS {value:#x}/{mask:#x}"),
            Self::Length(first, last) => write!(f, "length {first}:{last}"),
            Self::Text(test) => write!(f, "text {:?}", String::from_utf8_lossy(&test.pattern)),
            Self::Cast(cast) => write!(f, "packet type {cast:?}"),
            Self::Keeps(..) => write!(f, "kept fields"),
            Self::Beyond(one) => write!(f, "-m {}", module(one)),
        }
    }
}

/// The name of a match's module.
#[must_use]
pub fn module(one: &Match) -> &str {
    match one {
        Match::Connmark(_) => "connmark",
        Match::Conntrack(_) => "conntrack",
        Match::Mac(_) => "mac",
        Match::Owner(_) => "owner",
        Match::Physdev(_) => "physdev",
        Match::Statistic(_) => "statistic",
        Match::RoutingHeader(_) => "rt",
        Match::Stateful(test) => test.kind.name(),
        Match::Opaque { module, .. } => module,
        _ => "match",
    }
}

struct Types(AddressTypes);

impl fmt::Display for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = AddressTypes::NAMES.iter().enumerate();
        let set = names.filter(|(place, _)| self.0.0 & AddressTypes::one(*place).0 != 0);
        let names: Vec<&str> = set.map(|(_, name)| *name).collect();
        f.write_str(&names.join(","))
    }
}

struct Pattern<'a>(&'a InterfacePattern);

impl fmt::Display for Pattern<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            InterfacePattern::Exactly(name) => write!(f, "{name}"),
            InterfacePattern::Prefix(prefix) => write!(f, "{prefix}+"),
            InterfacePattern::Unnameable(name) => f.write_str(name),
        }
    }
}
