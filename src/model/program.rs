//! A firewall as the machine keeps it: flat arrays, chains by index, questions with their masks
//! worked out.

use std::net::IpAddr;

use super::sets::SetIndex;
use crate::journey::{Asked, Point, Points};
use crate::mark::Mark;
use crate::packet::{Family, Ports, Protocol};
use crate::xtables::matches::{
    AddrtypeTest, Conntrack, FlagsTest, HopsTest, IcmpTest, Not, OwnerTest, PacketType, PortRange,
    PortSide, RpfilterTest, SctpTest, States, StringTest, TcpTest, UdpTest,
};
use crate::xtables::target::{Connmark, HopsChange, NatRange, Reject, TrafficClass};
use crate::xtables::{Hook, Policy, RuleId, TableName};

/// A number under a mask, or its negation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Masked {
    /// What the masked bits must equal.
    pub(super) value: u128,
    /// Which bits count.
    pub(super) mask: u128,
    /// Whether the answer is turned round.
    pub(super) negated: bool,
}

impl Masked {
    /// Whether a number answers it.
    pub(super) fn admits(&self, number: u128) -> bool {
        (number & self.mask == self.value) != self.negated
    }
}

/// A mark under a mask, or its negation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MaskedMark {
    /// What the masked bits must equal.
    pub(super) value: u32,
    /// Which bits count.
    pub(super) mask: u32,
    /// Whether the answer is turned round.
    pub(super) negated: bool,
}

impl MaskedMark {
    /// Whether a mark answers it.
    pub(super) fn admits(&self, mark: Mark) -> bool {
        mark.matches(self.value, self.mask) != self.negated
    }
}

/// A range of addresses as numbers, or its negation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The lowest.
    pub(super) first: u128,
    /// The highest.
    pub(super) last: u128,
    /// Whether the answer is turned round.
    pub(super) negated: bool,
}

/// `-m set`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SetQuestion {
    /// Which set.
    pub(super) set: SetIndex,
    /// One bit a dimension, the first lowest: whether it is compared with the source.
    pub(super) sources: u8,
    /// How many dimensions the rule names.
    pub(super) dimensions: u8,
    /// `!`.
    pub(super) negated: bool,
    /// `--return-nomatch`.
    pub(super) return_nomatch: bool,
}

/// One question of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// `-s`.
    Source(Masked),
    /// `-d`.
    Destination(Masked),
    /// `-i`.
    InInterface(Masked),
    /// `-o`.
    OutInterface(Masked),
    /// `-p`.
    Protocol {
        /// Which.
        protocol: Protocol,
        /// `!`.
        negated: bool,
    },
    /// `-f`.
    Fragment {
        /// `!`.
        negated: bool,
    },
    /// `-m mark`.
    Mark(MaskedMark),
    /// `-m connmark`.
    Connmark(MaskedMark),
    /// `--ctstate` alone, and `-m state`.
    States {
        /// Which.
        states: States,
        /// `!`.
        negated: bool,
    },
    /// `-m conntrack` with more than states.
    Connection(Box<Conntrack>),
    /// `-m multiport`.
    Multiport {
        /// Which ports.
        side: PortSide,
        /// Any of these.
        ranges: Box<[PortRange]>,
        /// `!`.
        negated: bool,
    },
    /// `-m tcp`.
    Tcp(TcpTest),
    /// `-m udp`.
    Udp(UdpTest),
    /// The flags of `-m tcp`, read by themselves.
    TcpFlags(Not<FlagsTest>),
    /// `--sport` of `-m tcp` or `-m udp`, read by itself.
    SourcePort(Not<PortRange>),
    /// `--dport`, read by itself.
    DestinationPort(Not<PortRange>),
    /// One source and one destination port, compared as one number.
    BothPorts(Not<Ports>),
    /// `-m sctp`.
    Sctp(Box<SctpTest>),
    /// `-m icmp` and `-m icmp6`.
    Icmp {
        /// Which.
        test: IcmpTest,
        /// `!`.
        negated: bool,
    },
    /// `-m set`.
    Set(SetQuestion),
    /// `-m addrtype`.
    Addrtype(Box<AddrtypeTest>),
    /// `-m rpfilter`.
    Rpfilter(RpfilterTest),
    /// `-m owner`.
    Owner(Box<OwnerTest>),
    /// `-m pkttype`.
    Pkttype {
        /// Which.
        kind: PacketType,
        /// `!`.
        negated: bool,
    },
    /// One half of `-m iprange`: of the source.
    SourceSpan(Box<Span>),
    /// The other half: of the destination.
    DestinationSpan(Box<Span>),
    /// `-m ttl`, `-m hl`.
    Hops(HopsTest),
    /// `-m dscp`, `-m tos`: the traffic class under a mask.
    TrafficClass {
        /// What the masked bits must equal.
        value: u8,
        /// Which bits count.
        mask: u8,
        /// `!`.
        negated: bool,
    },
    /// `-m length`.
    Length {
        /// The shortest.
        first: u16,
        /// The longest.
        last: u16,
        /// `!`.
        negated: bool,
    },
    /// `-m string`, and its name in [`Program::unknown`], for where bytes decide that nobody knows.
    String(Box<StringTest>, u16),
    /// A question whose answer hangs on nothing here.
    Fixed(bool),
    /// A question that chance, time or earlier packets answer.
    Chance,
    /// A match that the model does not know: an index into [`Program::unknown`].
    Unknown(u16),
}

/// What a translation puts in the place of an address and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Translation {
    /// `-j DNAT`.
    Destination(NatRange),
    /// `-j SNAT`.
    Source(NatRange),
    /// `-j MASQUERADE`.
    Masquerade(NatRange),
    /// `-j REDIRECT`.
    Redirect(NatRange),
    /// `-j NETMAP`.
    Netmap {
        /// The new network part.
        address: IpAddr,
        /// Which bits are replaced.
        mask: IpAddr,
    },
}

impl Translation {
    /// The target's name.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Destination(_) => "DNAT",
            Self::Source(_) => "SNAT",
            Self::Masquerade(_) => "MASQUERADE",
            Self::Redirect(_) => "REDIRECT",
            Self::Netmap { .. } => "NETMAP",
        }
    }
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing that the model follows: it counts, logs, or touches what nobody asks about.
    Continue,
    /// Ends the table: the packet goes on.
    Accept,
    /// Ends the packet.
    Drop,
    /// Back to the calling chain, or to the policy.
    Return,
    /// On with a chain, and back.
    Jump(ChainIndex),
    /// On with a chain, and back to the caller.
    Goto(ChainIndex),
    /// `-j MARK`.
    Mark {
        /// The bits flipped.
        value: u32,
        /// The bits cleared first.
        mask: u32,
    },
    /// `-j CONNMARK`.
    Connmark(Connmark),
    /// `-j REJECT`.
    Reject(Reject),
    /// Any of the NAT targets.
    Translate(Box<Translation>),
    /// `-j NOTRACK`, `-j CT --notrack`.
    Notrack,
    /// `-j CT --zone`: from here on connections of the default zone are out of sight.
    Zone,
    /// `-j DSCP`, `-j TOS`.
    TrafficClass(TrafficClass),
    /// `-j TTL`, `-j HL`.
    Hops(HopsChange),
    /// A target that the model does not know: an index into [`Program::unknown`].
    Unknown(u16),
}

/// A chain's place in [`Program::chains`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ChainIndex(pub(super) u32);

/// One rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Its first question in [`Program::questions`].
    pub(super) first: u32,
    /// One behind its last.
    pub(super) end: u32,
    /// What it does with a packet that answers all of them.
    pub(super) action: Action,
}

/// One chain.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// Its first rule in [`Program::rules`].
    pub(super) first: u32,
    /// One behind its last.
    pub(super) end: u32,
    /// The policy of a built-in chain.
    pub(super) policy: Option<Policy>,
    /// Its name.
    pub(super) name: String,
    /// Its table.
    pub(super) table: TableName,
}

/// One thing that happens to a packet at a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Fragments are held back to be put together (priority -400).
    Defragment,
    /// Connection tracking classifies (priority -200).
    Track,
    /// A table is asked.
    Table(TableName, ChainIndex),
    /// Addresses are translated; a connection's first packet asks the chain, if there is one.
    Translate(Option<ChainIndex>),
    /// The packet is looked at.
    Look(Point),
}

/// What happens to a packet at one hook, in order.
pub(super) type Plan = Vec<Stage>;

/// Both families' tables.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    /// Every rule, in the order of [`crate::xtables::Ruleset::rules`], IPv4's first.
    pub(super) rules: Vec<Rule>,
    /// The rules' places, beside [`Program::rules`].
    pub(super) ids: Vec<RuleId>,
    /// Every question.
    pub(super) questions: Vec<Question>,
    /// Where it comes from, beside [`Program::questions`].
    pub(super) asked: Vec<Asked>,
    /// Every chain.
    pub(super) chains: Vec<Chain>,
    /// The names of matches and targets that the model does not know.
    pub(super) unknown: Vec<String>,
    plans: [[Plan; 5]; 2],
    points: [Vec<Point>; 2],
}

fn side(family: Family) -> usize {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

fn place(hook: Hook) -> usize {
    match hook {
        Hook::Prerouting => 0,
        Hook::Input => 1,
        Hook::Forward => 2,
        Hook::Output => 3,
        Hook::Postrouting => 4,
    }
}

impl Program {
    /// Whether any rule asks for the port that a packet comes from.
    pub(super) fn asks_source_ports(&self) -> bool {
        self.questions.iter().any(|question| match question {
            Question::Multiport { side, .. } => *side != PortSide::Destination,
            Question::Tcp(test) => test.source.is_some(),
            Question::Udp(test) => test.source.is_some(),
            Question::Sctp(test) => test.source.is_some(),
            Question::Set(set) => set.sources & !1 != 0,
            _ => false,
        })
    }

    /// Makes room for this many rules more.
    pub(super) fn reserve(&mut self, rules: usize) {
        /// About how many questions a rule asks.
        const QUESTIONS: usize = 3;
        self.rules.reserve(rules);
        self.ids.reserve(rules);
        self.questions.reserve(QUESTIONS * rules);
        self.asked.reserve(QUESTIONS * rules);
    }

    /// What happens to a family's packets at a hook.
    pub(super) fn plan(&self, family: Family, hook: Hook) -> &Plan {
        &self.plans[side(family)][place(hook)]
    }

    /// The same, to be written.
    pub(super) fn plan_mut(&mut self, family: Family, hook: Hook) -> &mut Plan {
        &mut self.plans[side(family)][place(hook)]
    }

    /// Whether this point is the last at its hook, so that nothing but routing stands next.
    pub(super) fn is_last(&self, family: Family, point: Point) -> bool {
        self.points[side(family)]
            .iter()
            .rev()
            .find(|one| one.hook == point.hook)
            == Some(&point)
    }

    /// Writes a family's points.
    pub(super) fn set_points(&mut self, family: Family, points: &Points) {
        self.points[side(family)] = points.all().to_vec();
    }

    /// The chain at an index.
    pub(super) fn chain(&self, index: ChainIndex) -> &Chain {
        &self.chains[index.0 as usize]
    }
}
