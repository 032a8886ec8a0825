//! I15 and I16: when a rule matches.

use calidiff::calico::Rule;
use calidiff::calico::rule::{IcmpMessage, NamedProtocol, RuleProtocol, Side};
use calidiff::calico::world::{Peers, PeersBy, PeersIndex};
use calidiff::intent::Clause;
use calidiff::packet::Family;

use super::stand::{Ends, Stand, allow, deny, one_port, ports, to_port, with};

/// Whether a rule matches what comes to the first workload.
fn matches(rule: &Rule, line: &str) -> bool {
    matches_with(Stand::new(), rule, line)
}

fn matches_with(mut stand: Stand, rule: &Rule, line: &str) -> bool {
    let applied = stand.policy("a", vec![rule.clone()], vec![deny()]);
    stand.world.workloads[0].policies = vec![applied];
    match stand.says(line).as_str() {
        "allow I3.policy-allows" => true,
        "deny I3.tier-default" => false,
        other => panic!("{line}: {other}"),
    }
}

fn rule(change: impl FnOnce(&mut Rule)) -> Rule {
    with(allow(), change)
}

fn side(rule: &mut Rule, ends: Ends) -> &mut Side {
    match ends {
        Ends::Source => &mut rule.source,
        Ends::Destination => &mut rule.destination,
    }
}

fn nets(texts: &[&str]) -> Vec<ipnet::IpNet> {
    texts
        .iter()
        .map(|text| text.parse().expect("a net"))
        .collect()
}

const TCP: &str = "in=eth0 tcp 8.8.8.8:1000 > 10.65.0.1:80";
const UDP: &str = "in=eth0 udp 8.8.8.8:1000 > 10.65.0.1:80";
const V6: &str = "in=eth0 tcp [fd00::8]:1000 > [fd00:65::1]:80";
const ECHO: &str = "in=eth0 icmp 8.8.8.8 > 10.65.0.1 type=8/0";
const ECHO6: &str = "in=eth0 icmp6 fd00::8 > fd00:65::1 type=128/0";
const GRE: &str = "in=eth0 proto=47 8.8.8.8 > 10.65.0.1";

#[test]
fn i15_all_fields_must_hold() {
    let both = to_port(rule(|rule| rule.source.nets = nets(&["8.8.8.8/32"])), 80);
    assert!(matches(&both, TCP));
    assert!(!matches(&both, "in=eth0 tcp 8.8.8.9:1000 > 10.65.0.1:80"));
    assert!(!matches(&both, "in=eth0 tcp 8.8.8.8:1000 > 10.65.0.1:81"));
    assert!(!matches(&both, UDP));
    assert!(matches(&allow(), GRE));
}

#[test]
fn i15_protocols_by_name_and_number() {
    for protocol in [
        RuleProtocol::Named(NamedProtocol::Tcp),
        RuleProtocol::Number(6),
    ] {
        let positive = rule(|rule| rule.protocol = Some(protocol));
        let negative = rule(|rule| rule.not_protocol = Some(protocol));
        for (line, is_tcp) in [(TCP, true), (V6, true), (UDP, false), (GRE, false)] {
            assert_eq!(matches(&positive, line), is_tcp, "{line}");
            assert_eq!(matches(&negative, line), !is_tcp, "{line}");
        }
    }
    let several = rule(|rule| {
        rule.not_protocol = Some(RuleProtocol::Number(6));
        rule.protocol = Some(RuleProtocol::Number(6));
    });
    assert!(!matches(&several, TCP));
}

#[test]
fn i15_ports_are_numbers_and_ranges_at_either_end() {
    for ends in [Ends::Source, Ends::Destination] {
        let line = |port: u16| match ends {
            Ends::Source => format!("in=eth0 udp 8.8.8.8:{port} > 10.65.0.1:7"),
            Ends::Destination => format!("in=eth0 udp 8.8.8.8:7 > 10.65.0.1:{port}"),
        };
        let list = vec![one_port(0), ports(10, 20), ports(65534, 65535)];
        let positive = rule(|rule| side(rule, ends).ports = list.clone());
        let negative = rule(|rule| side(rule, ends).not_ports = list);
        for (port, within) in [
            (0, true),
            (1, false),
            (9, false),
            (10, true),
            (20, true),
            (21, false),
            (65533, false),
            (65534, true),
            (65535, true),
        ] {
            assert_eq!(matches(&positive, &line(port)), within, "{port}");
            assert_eq!(matches(&negative, &line(port)), !within, "{port}");
        }
    }
}

#[test]
fn i15_ports_belong_to_four_protocols() {
    let positive = rule(|rule| rule.destination.ports = vec![ports(0, 65535)]);
    let negative = rule(|rule| rule.destination.not_ports = vec![one_port(81)]);
    let sctp = "in=eth0 sctp 8.8.8.8:1000 > 10.65.0.1:80";
    let udplite = "in=eth0 udplite 8.8.8.8:1000 > 10.65.0.1:80 untracked";
    for line in [TCP, UDP, V6, sctp, udplite] {
        assert!(
            matches(&positive, line) && matches(&negative, line),
            "{line}"
        );
    }
    let dccp = "in=eth0 proto=33 8.8.8.8 > 10.65.0.1";
    for line in [ECHO, ECHO6, GRE, dccp] {
        assert!(
            !matches(&positive, line) && !matches(&negative, line),
            "{line}"
        );
    }
    // A later fragment has its first one's ports, but not with it.
    let piece = format!("{UDP} frag=9 untracked");
    assert!(!matches(&positive, &piece) && !matches(&negative, &piece));
    assert!(matches(&allow(), &piece));
}

#[test]
fn i15_icmp_types_and_codes_are_values() {
    let message = |kind, code| Some(IcmpMessage { kind, code });
    let icmp = |kind: u8, code: u8| {
        format!("in=eth0 icmp 8.8.8.8 > 10.65.0.1 type={kind}/{code} untracked")
    };
    for kind in [0, 8, 18, 19, 254] {
        let positive = rule(|rule| rule.icmp = message(kind, None));
        let negative = rule(|rule| rule.not_icmp = message(kind, None));
        for other in [0, 8, 18, 19, 254, 255] {
            let line = icmp(other, 7);
            assert_eq!(matches(&positive, &line), kind == other, "{kind} {other}");
            assert_eq!(matches(&negative, &line), kind != other, "{kind} {other}");
        }
    }
    for code in [0, 1, 255] {
        let positive = rule(|rule| rule.icmp = message(3, Some(code)));
        let negative = rule(|rule| rule.not_icmp = message(3, Some(code)));
        for other in [0, 1, 254, 255] {
            let line = icmp(3, other);
            assert_eq!(matches(&positive, &line), code == other, "{code} {other}");
            assert_eq!(matches(&negative, &line), code != other, "{code} {other}");
        }
        assert!(!matches(&positive, &icmp(4, code)));
    }
    // What is no ICMP message is not the one that is meant.
    assert!(!matches(&rule(|rule| rule.icmp = message(0, None)), GRE));
    assert!(matches(&rule(|rule| rule.not_icmp = message(0, None)), GRE));
}

#[test]
fn i15_nets_at_either_end() {
    for ends in [Ends::Source, Ends::Destination] {
        let own = match ends {
            Ends::Source => "8.8.8.8/32",
            Ends::Destination => "10.65.0.1/32",
        };
        let positive = |list: &[&str]| rule(|rule| side(rule, ends).nets = nets(list));
        let negative = |list: &[&str]| rule(|rule| side(rule, ends).not_nets = nets(list));
        assert!(matches(&positive(&[own]), TCP) && !matches(&negative(&[own]), TCP));
        assert!(matches(&positive(&["1.0.0.0/8", own]), TCP));
        assert!(!matches(&negative(&["1.0.0.0/8", own]), TCP));
        assert!(!matches(&positive(&["1.0.0.0/8"]), TCP));
        assert!(matches(&negative(&["1.0.0.0/8"]), TCP));
        assert!(
            matches(&positive(&["0.0.0.0/0"]), TCP) && !matches(&negative(&["0.0.0.0/0"]), TCP)
        );
    }
}

#[test]
fn i15_addresses_of_a_family_make_a_rule_about_it() {
    let v4 = nets(&["1.0.0.0/8"]);
    let v6 = nets(&["1::/16"]);
    for ends in [Ends::Source, Ends::Destination] {
        let not_v4 = rule(|rule| side(rule, ends).not_nets = v4.clone());
        assert!(matches(&not_v4, TCP) && !matches(&not_v4, V6));
        let not_v6 = rule(|rule| side(rule, ends).not_nets = v6.clone());
        assert!(!matches(&not_v6, TCP) && matches(&not_v6, V6));
    }
    let both = rule(|rule| rule.source.not_nets = nets(&["1.0.0.0/8", "1::/16"]));
    assert!(matches(&both, TCP) && matches(&both, V6));
    let neither = rule(|rule| {
        rule.source.not_nets = v4;
        rule.destination.not_nets = v6;
    });
    assert!(!matches(&neither, TCP) && !matches(&neither, V6));
}

#[test]
fn i15_an_icmp_protocol_makes_a_rule_about_its_family() {
    for icmp in [
        RuleProtocol::Named(NamedProtocol::Icmp),
        RuleProtocol::Number(1),
    ] {
        let positive = rule(|rule| rule.protocol = Some(icmp));
        let negative = rule(|rule| rule.not_protocol = Some(icmp));
        let foreign = "in=eth0 proto=1 fd00::8 > fd00:65::1 untracked";
        assert!(matches(&positive, ECHO) && !matches(&positive, ECHO6));
        assert!(!matches(&positive, foreign));
        assert!(!matches(&negative, ECHO) && matches(&negative, ECHO6) && matches(&negative, V6));
    }
    let icmp6 = rule(|rule| rule.protocol = Some(RuleProtocol::Number(58)));
    assert!(matches(&icmp6, ECHO6) && !matches(&icmp6, ECHO));
    assert!(!matches(
        &icmp6,
        "in=eth0 proto=58 8.8.8.8 > 10.65.0.1 untracked"
    ));
    for family in Family::BOTH {
        let named = rule(|rule| rule.family = Some(family));
        assert_eq!(matches(&named, TCP), family == Family::V4);
        assert_eq!(matches(&named, V6), family == Family::V6);
    }
}

#[test]
fn i15_a_selector_stands_for_addresses_and_a_negated_one_for_all_others() {
    let stand = || {
        let mut stand = Stand::new();
        let group = stand.group("a == 'b'", &["8.8.8.8/32", "9.0.0.0/8", "fd00::8/128"]);
        let tagged = Peers {
            by: PeersBy::Tag("t".to_owned()),
            members: nets(&["8.0.0.0/8"]),
        };
        stand.world.peers.push(tagged);
        (stand, group, PeersIndex(1))
    };
    let (_, group, tagged) = stand();
    let from = |source: &str| format!("in=eth0 tcp {source}:1 > 10.65.0.1:2");
    let selected = rule(|rule| rule.source.peers = vec![group]);
    let others = rule(|rule| rule.source.not_peers = vec![group]);
    for (source, within) in [
        ("8.8.8.8", true),
        ("8.8.8.9", false),
        ("9.255.255.255", true),
        ("10.0.0.0", false),
    ] {
        assert_eq!(matches_with(stand().0, &selected, &from(source)), within);
        assert_eq!(matches_with(stand().0, &others, &from(source)), !within);
    }
    assert!(matches_with(stand().0, &selected, V6) && !matches_with(stand().0, &others, V6));
    // A selector and a tag: both.
    let both = rule(|rule| rule.source.peers = vec![group, tagged]);
    assert!(matches_with(stand().0, &both, &from("8.8.8.8")));
    assert!(!matches_with(stand().0, &both, &from("9.0.0.1")));
    assert!(!matches_with(stand().0, &both, &from("8.8.8.9")));
    let neither = rule(|rule| rule.source.not_peers = vec![group, tagged]);
    assert!(matches_with(stand().0, &neither, &from("7.0.0.1")));
    assert!(!matches_with(stand().0, &neither, &from("9.0.0.1")));
    assert!(!matches_with(stand().0, &neither, &from("8.8.8.9")));
}

#[test]
fn i15_an_empty_selection_is_nobody() {
    let stand = || {
        let mut stand = Stand::new();
        let group = stand.group("a == 'c'", &[]);
        (stand, group)
    };
    let (_, group) = stand();
    let selected = rule(|rule| rule.source.peers = vec![group]);
    let others = rule(|rule| rule.source.not_peers = vec![group]);
    assert!(!matches_with(stand().0, &selected, TCP));
    assert!(matches_with(stand().0, &others, TCP) && matches_with(stand().0, &others, V6));
}

#[test]
fn i16_what_the_deciding_rule_asks_takes_part() {
    let mut stand = Stand::new();
    let group = stand.group("a == 'b'", &["8.8.8.8/32"]);
    let asked = with(to_port(allow(), 80), |rule| {
        rule.source.peers = vec![group];
        rule.destination.not_nets = nets(&["1.0.0.0/8"]);
    });
    let applied = stand.policy("a", vec![asked], Vec::new());
    stand.world.workloads[0].policies = vec![applied];
    for clause in [
        Clause::I15Family,
        Clause::I15Protocol,
        Clause::I15Ports,
        Clause::I15NotNets,
        Clause::I16Selector,
    ] {
        assert!(stand.takes_part(TCP, clause), "{clause}");
    }
    for clause in [Clause::I15Nets, Clause::I15NotPorts, Clause::I16Tag] {
        assert!(!stand.takes_part(TCP, clause), "{clause}");
    }
}
