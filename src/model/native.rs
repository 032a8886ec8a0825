//! `-m tcp` and `-m udp` as iptables-nft writes them: expressions of nf_tables' own in the place of
//! xt_tcpudp (`add_nft_tcp`, `add_nft_udp` and `add_nft_tcpudp` in iptables/nft.c of iptables 1.8.9).
//!
//! An expression reads only the bytes that it compares and, where they are missing, fails the rule
//! (`nft_payload_eval` in net/netfilter/nft_payload.c answers NFT_BREAK); xt_tcpudp wants the whole
//! header and drops the packet. Nor do these expressions look whether the packet is a later fragment
//! (`nft_payload_fast_eval` in net/netfilter/nf_tables_core.c; `nft_payload_eval`, which would, is asked
//! only where the bytes are not at hand): they read what stands where the header would, in IPv4 the
//! fragment's first bytes, in IPv6 the internet header, because `ipv6_find_hdr` in net/ipv6/exthdrs_core.c
//! gives no offset of a later fragment's transport.
//!
//! Every other match goes through nft_compat to the same code as in iptables-legacy
//! (net/netfilter/nft_compat.c, `__nft_match_eval`), and so do these two where they ask nothing, or for a
//! TCP option. Of the other matches that have expressions of their own, `mark` reads no header and `limit`
//! hangs on earlier packets.

use super::choice::Cause;
use super::matches::Reply;
use super::program::Question;
use super::traveller::Traveller;
use crate::packet::{Family, Payload, Ports, Transport};
use crate::xtables::matches::{FlagsTest, Not, PortRange, TcpTest, UdpTest};

/// Every port: what a match that does not ask has in the tools' structures.
pub(super) const EVERY: PortRange = PortRange {
    first: 0,
    last: u16::MAX,
};

/// The expressions of a rule's `-m tcp`, each a question; `None` where it goes through nft_compat.
pub(super) fn tcp(test: &TcpTest) -> Option<Vec<Question>> {
    if test.option.is_some() || (is_idle(test.flags) && asks_no_port(test.source, test.destination))
    {
        return None;
    }
    // Flags without a mask are left out, whatever `!` says.
    let flags = test.flags.filter(|flags| flags.value.mask != 0);
    let mut questions: Vec<Question> = flags.map(Question::TcpFlags).into_iter().collect();
    questions.extend(ports(test.source, test.destination));
    Some(questions)
}

/// The same of `-m udp`.
pub(super) fn udp(test: &UdpTest) -> Option<Vec<Question>> {
    let asks = !asks_no_port(test.source, test.destination);
    asks.then(|| ports(test.source, test.destination))
}

/// `tcp_all_zero`, of the flags.
fn is_idle(flags: Option<Not<FlagsTest>>) -> bool {
    flags.is_none_or(|flags| !flags.negated && flags.value.mask == 0 && flags.value.compare == 0)
}

/// `tcp_all_zero` and `udp_all_zero`, of the ports: a range of all that is not negated is none.
fn asks_no_port(source: Option<Not<PortRange>>, destination: Option<Not<PortRange>>) -> bool {
    [source, destination]
        .into_iter()
        .flatten()
        .all(|range| range == Not::is(EVERY))
}

/// `add_nft_tcpudp`: two single ports that are both negated, or neither, are compared as one number, so
/// that `! --sport A ! --dport B` says "not both"; a range of all is left out, whatever `!` says.
pub(super) fn ports(
    source: Option<Not<PortRange>>,
    destination: Option<Not<PortRange>>,
) -> Vec<Question> {
    let (source, destination) = (
        source.unwrap_or(Not::is(EVERY)),
        destination.unwrap_or(Not::is(EVERY)),
    );
    if let (Some(from), Some(to)) = (single(source.value), single(destination.value))
        && source.negated == destination.negated
    {
        return vec![Question::BothPorts(Not {
            value: Ports {
                source: from,
                destination: to,
            },
            negated: source.negated,
        })];
    }
    let mut questions = Vec::new();
    if source.value != EVERY {
        questions.push(Question::SourcePort(source));
    }
    if destination.value != EVERY {
        questions.push(Question::DestinationPort(destination));
    }
    questions
}

/// The port of a range that holds only one; port 0 the tools take for no port there.
fn single(range: PortRange) -> Option<u16> {
    (range.first == range.last && range.first != 0).then_some(range.first)
}

/// `--tcp-flags`: the fourteenth byte.
pub(super) fn asks_flags(test: Not<FlagsTest>, packet: &Traveller<'_>) -> Reply {
    let flags = match packet.packet.transport {
        // The sixth byte of the source address.
        _ if packet.body.later && packet.family == Family::V6 => packet.source.to_be_bytes()[5],
        _ if !packet.body.holds(14) => return Reply::No,
        _ if packet.body.later => payload_byte(packet, 13),
        Transport::Tcp(header) => header.flags.0,
        _ => return Reply::No,
    };
    ((flags & test.value.mask == test.value.compare) != test.negated).into()
}

/// `--sport`: the first two bytes.
pub(super) fn asks_source(test: Not<PortRange>, packet: &Traveller<'_>) -> Reply {
    asks_ports(packet, 2, |ports| {
        test.value.contains(ports.source) != test.negated
    })
}

/// `--dport`: the third and the fourth.
pub(super) fn asks_destination(test: Not<PortRange>, packet: &Traveller<'_>) -> Reply {
    asks_ports(packet, 4, |ports| {
        test.value.contains(ports.destination) != test.negated
    })
}

/// Both ports as one number.
pub(super) fn asks_both(test: &Not<Ports>, packet: &Traveller<'_>) -> Reply {
    asks_ports(packet, 4, |ports| (ports == test.value) != test.negated)
}

/// Asks for ports that end with this byte.
#[inline(always)]
fn asks_ports(packet: &Traveller<'_>, bytes: usize, holds: impl Fn(Ports) -> bool) -> Reply {
    if packet.body.later {
        return asks_later(packet, bytes, holds);
    }
    (packet.body.holds(bytes) && holds(packet.first_ports())).into()
}

/// The same of a later fragment. In IPv6 it is the flow label that decides, of which packets here say
/// nothing.
#[cold]
fn asks_later(packet: &Traveller<'_>, bytes: usize, holds: impl Fn(Ports) -> bool) -> Reply {
    if packet.family == Family::V6 {
        return Reply::Choose(Cause::Chance);
    }
    let [a, b, c, d] = [0, 1, 2, 3].map(|at| payload_byte(packet, at));
    let ports = Ports {
        source: u16::from_be_bytes([a, b]),
        destination: u16::from_be_bytes([c, d]),
    };
    (packet.body.holds(bytes) && holds(ports)).into()
}

/// A byte of a later fragment; behind its payload it is padded with zeros.
fn payload_byte(packet: &Traveller<'_>, at: usize) -> u8 {
    match &packet.packet.payload {
        Payload::Zeros(_) => 0,
        Payload::Bytes(bytes) => bytes.get(at).copied().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Family;
    use crate::xtables::{Match, save};

    /// The questions of the only match of a rule.
    fn native(options: &str) -> Option<Vec<Question>> {
        let text = format!("*filter\n-A FORWARD {options} -j DROP\nCOMMIT\n");
        let ruleset = save::parse("rule", &text, Family::V4).expect("a rule that parses");
        let (_, rule) = ruleset.rules().next().expect("a rule");
        match rule.matches.as_slice() {
            [Match::Tcp(test)] => tcp(test),
            [Match::Udp(test)] => udp(test),
            other => panic!("{other:?}"),
        }
    }

    fn range(first: u16, last: u16) -> PortRange {
        PortRange { first, last }
    }

    #[test]
    fn what_asks_nothing_or_for_an_option_goes_through_nft_compat() {
        for options in [
            "-p tcp -m tcp",
            "-p udp -m udp",
            "-p tcp -m tcp --dport 0:65535",
            "-p tcp -m tcp --tcp-flags NONE NONE",
            "-p tcp -m tcp --dport 80 --tcp-option 5",
            "-p tcp -m tcp ! --tcp-option 5",
        ] {
            assert_eq!(native(options), None, "{options}");
        }
    }

    #[test]
    fn what_can_never_match_in_legacy_asks_nothing() {
        for options in [
            "-p tcp -m tcp ! --dport 0:65535",
            "-p udp -m udp ! --sport 0:65535",
            "-p tcp -m tcp --tcp-flags NONE SYN",
            "-p tcp -m tcp ! --tcp-flags NONE NONE",
        ] {
            assert_eq!(native(options), Some(Vec::new()), "{options}");
        }
    }

    #[test]
    fn flags_come_first_and_single_ports_together() {
        let both = |negated| {
            let value = Ports {
                source: 1,
                destination: 2,
            };
            Question::BothPorts(Not { value, negated })
        };
        let syn = Question::TcpFlags(Not::is(FlagsTest {
            mask: 0x17,
            compare: 2,
        }));
        assert_eq!(
            native("-p tcp -m tcp --sport 1 --dport 2 --tcp-flags SYN,RST,ACK,FIN SYN"),
            Some(vec![syn, both(false)])
        );
        assert_eq!(
            native("-p udp -m udp ! --sport 1 ! --dport 2"),
            Some(vec![both(true)])
        );
        assert_eq!(
            native("-p udp -m udp --sport 1 ! --dport 2"),
            Some(vec![
                Question::SourcePort(Not::is(range(1, 1))),
                Question::DestinationPort(Not::negated(range(2, 2))),
            ])
        );
        assert_eq!(
            native("-p udp -m udp ! --sport 0 ! --dport 2"),
            Some(vec![
                Question::SourcePort(Not::negated(range(0, 0))),
                Question::DestinationPort(Not::negated(range(2, 2))),
            ])
        );
    }
}
