//! Why the two readings of a ruleset part on a packet: every cause that is known, found by the rule at
//! which the ways part.

use std::fmt;

use super::native;
use super::program::Question;
use super::traveller::Body;
use crate::journey::{Points, Step};
use crate::packet::Packet;
use crate::xtables::matches::{FlagsTest, Not, PortRange, TcpTest, UdpTest};
use crate::xtables::{Backend, Firewall, Match, Rule, RuleId};

/// Why iptables-legacy and iptables-nft (1.8.9) end differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parting {
    /// A TCP header is cut short.
    TcpCutShort,
    /// A UDP header is cut short.
    UdpCutShort,
    /// A fragment begins inside the TCP header.
    TcpOverwritten,
    /// A packet is a later fragment.
    LaterFragment,
    /// One source and one destination port are both negated.
    NeitherPort,
    /// Every port is negated.
    EveryPort,
    /// TCP flags are compared, but none is looked at.
    NoFlag,
    /// The security table is asked after nat in INPUT.
    SecurityAfterNat,
    /// None of these.
    Unknown,
}

impl Parting {
    /// What either backend does, and why.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::TcpCutShort => {
                "a TCP header is cut short: where a rule asks for ports or flags legacy drops the packet (xt_tcpudp wants the whole header), while nft reads the bytes that are there and, where they are missing, goes on to the next rule (expressions of its own, NFT_BREAK)"
            }
            Self::UdpCutShort => {
                "a UDP header is cut short: where a rule asks for ports legacy drops the packet (xt_tcpudp wants the whole header), while nft reads the bytes that are there and, where they are missing, goes on to the next rule (expressions of its own, NFT_BREAK)"
            }
            Self::TcpOverwritten => {
                "a fragment begins inside the TCP header: where a rule asks for ports or flags legacy drops it (xt_tcpudp), while nft reads what stands where the header would"
            }
            Self::LaterFragment => {
                "a later fragment, which has no transport header: where a rule asks for ports or flags legacy goes on to the next rule, while nft reads what stands where the header would (nft_payload_fast_eval): in IPv4 the fragment's own first bytes, in IPv6 the flow label and source"
            }
            Self::NeitherPort => {
                "`! --sport A ! --dport B` in one rule: legacy wants neither port, nft compares both as one number and so wants not both"
            }
            Self::EveryPort => {
                "`! --sport 0:65535` or `! --dport 0:65535`: legacy never matches, nft leaves the question out and so always does"
            }
            Self::NoFlag => {
                "`--tcp-flags NONE …`: legacy compares nothing with what is asked and never matches, nft leaves the question out and so always does"
            }
            Self::SecurityAfterNat => {
                "the security table in INPUT: legacy asks it before nat (priority 50), nft after it (150)"
            }
            Self::Unknown => "the model's two readings part, and no cause is known",
        }
    }
}

impl fmt::Display for Parting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.explanation())
    }
}

/// Why the readings part on a packet, by the traces of both; and the rule at which they do, where
/// it is one.
#[must_use]
pub fn parting(
    firewall: &Firewall,
    packet: &Packet,
    legacy: &[Step],
    nft: &[Step],
) -> (Parting, Option<RuleId>) {
    let family = packet.family();
    let ruleset = firewall.ruleset(family);
    let together = legacy
        .iter()
        .zip(nft)
        .take_while(|(one, other)| one == other);
    let apart = together.count();
    // A packet that one reading drops and the other sends on has failed the same rule in both.
    let steps = [legacy.get(apart), nft.get(apart)];
    let last = apart.checked_sub(1).and_then(|last| legacy.get(last));
    for id in steps
        .into_iter()
        .chain([last])
        .flatten()
        .filter_map(rule_of)
    {
        if let Some(parting) = firewall.rule(&id).and_then(|rule| of_rule(rule, packet)) {
            return (parting, Some(id));
        }
    }
    if Points::of(ruleset, Backend::Legacy).all() != Points::of(ruleset, Backend::Nft).all() {
        return (Parting::SecurityAfterNat, None);
    }
    // Where chance decides, the traces are those of one way, and another may part.
    let mut others = ruleset.rules().filter_map(|(id, rule)| {
        let asks = rule.protocol == Some(Not::is(packet.headers().protocol));
        let parting = of_rule(rule, packet).filter(|_| asks)?;
        Some((parting, Some(id)))
    });
    others.next().unwrap_or((Parting::Unknown, None))
}

fn rule_of(step: &Step) -> Option<RuleId> {
    Some(RuleId {
        family: step.family,
        table: step.table,
        chain: step.chain.clone(),
        index: step.rule?,
    })
}

/// Why a rule that a packet is asked by is read differently.
fn of_rule(rule: &Rule, packet: &Packet) -> Option<Parting> {
    let body = Body::of(packet);
    rule.matches.iter().find_map(|one| match one {
        Match::Tcp(test) => of_tcp(test, &native::tcp(test)?, body),
        Match::Udp(test) => of_udp(test, &native::udp(test)?, body),
        _ => None,
    })
}

fn of_tcp(test: &TcpTest, questions: &[Question], body: Body) -> Option<Parting> {
    if body.later && body.overwrites {
        Some(Parting::TcpOverwritten)
    } else if body.later && !questions.is_empty() {
        Some(Parting::LaterFragment)
    } else if !body.later && !body.holds(20) {
        Some(Parting::TcpCutShort)
    } else if test.flags.is_some_and(never_holds) {
        Some(Parting::NoFlag)
    } else {
        of_ports(test.source, test.destination)
    }
}

fn of_udp(test: &UdpTest, questions: &[Question], body: Body) -> Option<Parting> {
    if body.later && !questions.is_empty() {
        Some(Parting::LaterFragment)
    } else if !body.later && !body.holds(8) {
        Some(Parting::UdpCutShort)
    } else {
        of_ports(test.source, test.destination)
    }
}

/// Whether legacy compares no flag with some, or none with none and negates it.
fn never_holds(flags: Not<FlagsTest>) -> bool {
    flags.value.mask == 0 && (flags.value.compare == 0) == flags.negated
}

fn of_ports(
    source: Option<Not<PortRange>>,
    destination: Option<Not<PortRange>>,
) -> Option<Parting> {
    let tests = [source, destination];
    if tests.contains(&Some(Not::negated(native::EVERY))) {
        return Some(Parting::EveryPort);
    }
    match native::ports(source, destination).as_slice() {
        [Question::BothPorts(Not { negated: true, .. })] => Some(Parting::NeitherPort),
        _ => None,
    }
}
