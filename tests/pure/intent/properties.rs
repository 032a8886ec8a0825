//! What holds of every world: order that doesn't matter, negation, what adds nothing; and I18.

use calidiff::calico::Rule;
use calidiff::calico::rule::{IcmpMessage, PortNumbers, Ports, RuleProtocol};
use calidiff::calico::world::{PeersIndex, Stage};
use calidiff::intent::{Connections, Era, Judge, Opinion, Verdict};
use calidiff::mark::Mark;
use calidiff::packet::{
    Family, Icmp, Origin, Packet, Ports as PacketPorts, Protocol, Tcp, TcpFlags, Transport,
};
use ipnet::IpNet;
use proptest::prelude::*;

use super::stand::{Stand, allow, deny, log, pass, with};

/// Addresses of both families that the stand's node and rules speak of, and some beside.
const ADDRESSES: [&str; 12] = [
    "10.65.0.1",
    "10.65.0.2",
    "10.65.0.9",
    "192.168.1.1",
    "192.168.2.9",
    "8.8.8.8",
    "10.1.0.1",
    "fd00:65::1",
    "fd00:65::2",
    "fd00:1::1",
    "fd00:2::9",
    "fe80::1",
];

const NETS: [&str; 7] = [
    "10.65.0.0/16",
    "10.65.0.1/32",
    "8.0.0.0/8",
    "0.0.0.0/0",
    "fd00:65::/32",
    "::/0",
    "fd00:65::1/128",
];

fn net() -> impl Strategy<Value = IpNet> {
    prop::sample::select(NETS.to_vec()).prop_map(|text| text.parse().expect("a net"))
}

fn port_range() -> impl Strategy<Value = Ports> {
    (0_u16..5, 0_u16..5).prop_map(|(one, other)| {
        Ports::Numbers(PortNumbers::new(one.min(other), one.max(other)).expect("in order"))
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    let action = prop::sample::select(vec![allow(), deny(), pass(), log()]);
    let protocol = || prop::option::weighted(0.3, prop::sample::select(vec![1_u8, 6, 17, 47, 58]));
    let ports = || prop::collection::vec(port_range(), 0..2);
    let nets = || prop::collection::vec(net(), 0..2);
    let groups = || prop::collection::vec((0_usize..2).prop_map(PeersIndex), 0..2);
    (
        action,
        (protocol(), protocol()),
        (ports(), ports()),
        (nets(), nets()),
        (groups(), groups()),
        prop::option::weighted(0.2, 0_u8..4),
    )
        .prop_map(|(rule, protocols, ports, nets, groups, icmp)| {
            with(rule, |rule| {
                rule.protocol = protocols.0.map(RuleProtocol::Number);
                rule.not_protocol = protocols.1.map(RuleProtocol::Number);
                rule.source.ports = ports.0;
                rule.destination.not_ports = ports.1;
                rule.source.nets = nets.0;
                rule.destination.not_nets = nets.1;
                rule.source.peers = groups.0;
                rule.destination.not_peers = groups.1;
                rule.icmp = icmp.map(|kind| IcmpMessage { kind, code: None });
            })
        })
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    prop::collection::vec(rule(), 0..5)
}

fn transport() -> impl Strategy<Value = Transport> {
    let ports = (0_u16..5, 0_u16..5).prop_map(|(source, destination)| PacketPorts {
        source,
        destination,
    });
    prop_oneof![
        ports.clone().prop_map(|ports| Transport::Tcp(Tcp {
            ports,
            flags: TcpFlags::SYN,
            option: None
        })),
        ports.prop_map(Transport::Udp),
        (0_u8..4).prop_map(|kind| Transport::Icmp(Icmp {
            kind,
            code: 0,
            identifier: 0,
            quoted: None
        })),
        Just(Transport::Other(Protocol::GRE)),
    ]
}

fn packet() -> impl Strategy<Value = Packet> {
    let address = || prop::sample::select(ADDRESSES.to_vec());
    let origin = prop::sample::select(vec!["cali1", "cali2", "cali9", "eth0", "eth1", ""]);
    (origin, address(), address(), transport(), any::<bool>())
        .prop_map(|(origin, source, destination, transport, untracked)| {
            let origin = match origin {
                "" => Origin::Node,
                name => Origin::Arrives(name.parse().expect("a name")),
            };
            let address = |text: &str| text.parse().expect("an address");
            let (source, destination) = (address(source), address(destination));
            let mut packet = Packet::new(origin, source, destination, transport);
            packet.untracked = untracked;
            packet
        })
        .prop_filter("of one family", |packet| {
            Family::of(packet.source) == Family::of(packet.destination)
        })
}

/// A world in which a policy of each list governs the first workload and both uplinks.
fn world(policies: &[Vec<Rule>]) -> Stand {
    let mut stand = Stand::new();
    stand.group("a == 'b'", &["10.65.0.0/24", "fd00:65::1/128"]);
    stand.group("c == 'd'", &["8.8.8.8/32"]);
    let applied: Vec<_> = policies
        .iter()
        .enumerate()
        .map(|(number, rules)| stand.policy(&format!("p{number}"), rules.clone(), rules.clone()))
        .collect();
    stand.world.workloads[0].policies = applied.clone();
    stand.host("h", "eth0", applied.clone());
    stand.host("i", "eth1", applied);
    stand
}

fn judged(stand: &Stand, packet: &Packet) -> Opinion {
    let judge = Judge::new(&stand.world, &stand.node, Era::Seed).expect("a world of the era");
    judge.judge(packet, &Connections::default())
}

/// Whether a rule matches a packet as it comes to the first workload; `None` where it doesn't come so
/// far.
fn matches(rule: &Rule, packet: &Packet) -> Option<bool> {
    let mut rule = rule.clone();
    rule.action = calidiff::calico::Action::Allow;
    let stand = world(&[vec![rule]]);
    let mut packet = packet.clone();
    // Not tracked, so that nothing but the rule decides.
    packet.untracked = true;
    packet.origin = Origin::Arrives("eth0".parse().expect("a name"));
    packet.destination = match packet.family() {
        Family::V4 => "10.65.0.1".parse().expect("an address"),
        Family::V6 => "fd00:65::1".parse().expect("an address"),
    };
    match judged(&stand, &packet).verdict {
        Verdict::Allow => Some(true),
        Verdict::Deny => Some(false),
        Verdict::Defer => None,
    }
}

proptest! {
    #[test]
    fn rules_of_one_action_may_stand_in_any_order(mut one in rules(), packet in packet()) {
        for rule in &mut one {
            rule.action = calidiff::calico::Action::Allow;
        }
        let mut other = one.clone();
        other.reverse();
        prop_assert_eq!(
            judged(&world(&[one]), &packet).verdict,
            judged(&world(&[other]), &packet).verdict
        );
    }

    #[test]
    fn rules_may_be_cut_into_policies_anywhere(all in rules(), at in 0_usize..5, packet in packet()) {
        let at = at.min(all.len());
        let parts = [all[..at].to_vec(), all[at..].to_vec()];
        prop_assert_eq!(
            judged(&world(&[all]), &packet).verdict,
            judged(&world(&parts), &packet).verdict
        );
    }

    #[test]
    fn a_rule_that_logs_changes_nothing(one in rules(), at in 0_usize..5, packet in packet()) {
        let mut logged = one.clone();
        logged.insert(at.min(one.len()), log());
        prop_assert_eq!(
            judged(&world(&[one]), &packet).verdict,
            judged(&world(&[logged]), &packet).verdict
        );
    }

    #[test]
    fn a_negated_field_is_the_complement(net in net(), port in port_range(), packet in packet()) {
        // Of the net's own family; and of what has ports.
        let family = Family::of(net.addr());
        let yes = with(allow(), |rule| rule.source.nets = vec![net]);
        let no = with(allow(), |rule| rule.source.not_nets = vec![net]);
        prop_assume!(matches(&allow(), &packet).is_some());
        let (yes, no) = (matches(&yes, &packet), matches(&no, &packet));
        prop_assert_eq!(yes != no, packet.family() == family);

        let yes = with(allow(), |rule| rule.source.ports = vec![port.clone()]);
        let no = with(allow(), |rule| rule.source.not_ports = vec![port]);
        let (yes, no) = (matches(&yes, &packet), matches(&no, &packet));
        prop_assert_eq!(yes != no, packet.transport.ports().is_some());
        prop_assert_ne!((yes, no), (Some(true), Some(true)));
    }

    #[test]
    fn a_negated_selector_is_the_complement(group in 0_usize..2, packet in packet()) {
        let group = PeersIndex(group);
        let yes = with(allow(), |rule| rule.source.peers = vec![group]);
        let no = with(allow(), |rule| rule.source.not_peers = vec![group]);
        prop_assume!(matches(&allow(), &packet).is_some());
        prop_assert_ne!(matches(&yes, &packet), matches(&no, &packet));
    }

    #[test]
    fn another_field_never_makes_a_rule_match_more(rule in rule(), net in net(), packet in packet()) {
        let mut narrower = rule.clone();
        narrower.destination.nets.push(net);
        // A field that was empty asked nothing.
        prop_assume!(rule.destination.nets.is_empty());
        prop_assert!(matches(&rule, &packet) >= matches(&narrower, &packet));
    }

    #[test]
    fn a_policy_that_matches_nothing_adds_the_implicit_deny_alone(one in rules(), packet in packet()) {
        let nothing = with(allow(), |rule| {
            rule.protocol = Some(RuleProtocol::Number(6));
            rule.not_protocol = Some(RuleProtocol::Number(6));
        });
        let with_policies = world(std::slice::from_ref(&one));
        let added = world(&[one, vec![nothing.clone()]]);
        // Where a policy applies already, one more changes nothing.
        prop_assert_eq!(
            judged(&with_policies, &packet).verdict,
            judged(&added, &packet).verdict
        );
        // Where none does, what the profiles would have decided is denied.
        let before = judged(&world(&[]), &packet);
        let after = judged(&world(&[vec![nothing]]), &packet);
        if before.verdict != after.verdict {
            prop_assert_eq!(after.verdict, Verdict::Deny);
        }
    }

    #[test]
    fn a_policy_that_applies_to_nobody_changes_nothing(one in rules(), packet in packet()) {
        let before = world(std::slice::from_ref(&one));
        let mut after = world(&[one]);
        after.policy_of(0, "elsewhere", Stage::Untracked, vec![deny()], vec![deny()]);
        after.policy("nowhere", vec![deny()], vec![deny()]);
        prop_assert_eq!(judged(&before, &packet), judged(&after, &packet));
    }

    #[test]
    fn i18_what_other_programs_keep_on_a_packet_changes_nothing(
        one in rules(),
        packet in packet(),
        mark in any::<u32>(),
        class in any::<u8>(),
    ) {
        let stand = world(&[one]);
        let mut marked = packet.clone();
        marked.mark = Mark(mark);
        marked.traffic_class = class;
        prop_assert_eq!(judged(&stand, &packet), judged(&stand, &marked));
    }

    #[test]
    fn i18_nothing_is_remembered(one in rules(), first in packet(), second in packet()) {
        let stand = world(&[one]);
        let judge = Judge::new(&stand.world, &stand.node, Era::Seed).expect("a world of the era");
        let connections = Connections::default();
        let alone = judge.judge(&second, &connections);
        let _ = judge.judge(&first, &connections);
        prop_assert_eq!(alone, judge.judge(&second, &connections));
    }
}
