//! What the two backends read differently, and why the model says they part. `tests/kernel` holds each
//! reading against its kernel.

use calidiff::model::{Connections, Machine, Parting, parting};
use calidiff::packet::Packet;
use calidiff::xtables::Backend;

use super::Case;

const TRANSIT: &str = "in=eth0 10.99.0.9 > 10.65.0.2";

/// A rule that drops in FORWARD, the packet's transport and words, how the packet ends in either reading,
/// and why they part.
type Reading = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Option<Parting>,
);

const DROPPED: &str = "dropped FORWARD entry 0x0";
const SENT: &str = "sent cali1 0x0";

const READINGS: &[Reading] = &[
    (
        "-p tcp -m tcp --dport 80",
        "tcp 1>80",
        DROPPED,
        DROPPED,
        None,
    ),
    (
        "-p tcp -m tcp --dport 81",
        "tcp 1>80 bad=truncated:19",
        DROPPED,
        SENT,
        Some(Parting::TcpCutShort),
    ),
    (
        "-p tcp -m tcp --dport 80",
        "tcp 1>80 bad=truncated:4",
        DROPPED,
        DROPPED,
        None,
    ),
    (
        "-p tcp -m tcp ! --dport 81",
        "tcp 1>80 bad=truncated:3",
        DROPPED,
        SENT,
        Some(Parting::TcpCutShort),
    ),
    (
        "-p tcp -m tcp --syn",
        "tcp 1>80 bad=truncated:14",
        DROPPED,
        DROPPED,
        None,
    ),
    (
        "-p tcp -m tcp --syn",
        "tcp 1>80 bad=truncated:13",
        DROPPED,
        SENT,
        Some(Parting::TcpCutShort),
    ),
    (
        "-p tcp -m tcp",
        "tcp 1>80 bad=truncated:13",
        DROPPED,
        DROPPED,
        None,
    ),
    (
        "-p tcp -m multiport --dports 81",
        "tcp 1>80 bad=truncated:3",
        DROPPED,
        DROPPED,
        None,
    ),
    (
        "-p udp -m udp --sport 2",
        "udp 1>80 bad=truncated:7",
        DROPPED,
        SENT,
        Some(Parting::UdpCutShort),
    ),
    (
        "-p udp -m udp --dport 80",
        "udp 1>80 frag=2 untracked payload=00010050",
        SENT,
        DROPPED,
        Some(Parting::LaterFragment),
    ),
    (
        "-p tcp -m tcp --dport 80",
        "tcp 1>81 frag=1 untracked payload=0001",
        DROPPED,
        SENT,
        Some(Parting::TcpOverwritten),
    ),
    (
        "-p tcp -m tcp ! --dport 0:65535",
        "tcp 1>80",
        SENT,
        DROPPED,
        Some(Parting::EveryPort),
    ),
    (
        "-p tcp -m tcp ! --sport 1 ! --dport 81",
        "tcp 1>80",
        SENT,
        DROPPED,
        Some(Parting::NeitherPort),
    ),
    (
        "-p tcp -m tcp ! --sport 1 ! --dport 80",
        "tcp 1>80",
        SENT,
        SENT,
        None,
    ),
    (
        "-p tcp -m tcp --tcp-flags NONE SYN",
        "tcp 1>80",
        SENT,
        DROPPED,
        Some(Parting::NoFlag),
    ),
];

fn packet(words: &str) -> String {
    let (transport, rest) = words.split_once(' ').unwrap();
    let (ports, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let (from, to) = ports.split_once('>').unwrap();
    let line = TRANSIT.replace("in=eth0", &format!("in=eth0 {transport}"));
    let line = line.replace("10.99.0.9", &format!("10.99.0.9:{from}"));
    format!("{line}:{to} {rest}")
}

#[test]
fn each_backend_reads_its_own_way() {
    for (asked, words, legacy, nft, _) in READINGS {
        let rules = format!("*filter\n-A FORWARD {asked} -j DROP\nCOMMIT\n");
        let end = |backend| Case::v4(&rules).read_by(backend).end(&packet(words));
        assert_eq!(end(Backend::Legacy), *legacy, "legacy: {asked}: {words}");
        assert_eq!(end(Backend::Nft), *nft, "nft: {asked}: {words}");
    }
}

#[test]
fn each_parting_has_its_cause() {
    for (asked, words, _, _, cause) in READINGS {
        let rules = format!("*filter\n-A FORWARD {asked} -j DROP\nCOMMIT\n");
        let case = Case::v4(&rules);
        let packet: Packet = packet(words).parse().unwrap();
        let trace = |backend| {
            let mut machine = Machine::new(backend, &case.node, &case.firewall).unwrap();
            machine.trace(&Connections::new(&[]), &packet)
        };
        let (legacy, legacy_steps) = trace(Backend::Legacy);
        let (nft, nft_steps) = trace(Backend::Nft);
        assert_eq!(legacy != nft, cause.is_some(), "{asked}: {words}");
        if let Some(cause) = cause {
            let (found, rule) = parting(&case.firewall, &packet, &legacy_steps, &nft_steps);
            assert_eq!(found, *cause, "{asked}: {words}");
            assert_eq!(rule.map(|rule| rule.index), Some(0), "{asked}: {words}");
        }
    }
}

// In IPv6 a later fragment's transport is sought in the internet header: the flow label is as good as
// chance, and the source address's sixth byte stands for TCP's flags.
#[test]
fn later_fragments_of_ipv6_are_read_from_their_internet_header() {
    let drop = |asked: &str| {
        Case::v6(&format!("*filter\n-A FORWARD {asked} -j DROP\nCOMMIT\n")).read_by(Backend::Nft)
    };
    let fragment =
        |source: &str| format!("in=eth0 tcp [{source}]:1 > [fd00:65::2]:80 frag=2 untracked");
    let port = drop("-p tcp -m tcp --dport 80");
    assert_eq!(port.possible(&fragment("fd00:99::9")).len(), 2);
    let syn = drop("-p tcp -m tcp --tcp-flags SYN,ACK SYN");
    let end = |source| super::end(&syn.journey(&fragment(source)));
    assert_eq!(end("fd00:99:2::9"), "dropped FORWARD entry 0x0");
    assert_eq!(end("fd00:99:12::9"), "sent cali1 0x0");
}

#[test]
fn the_security_table_changes_places_with_nat() {
    let rules = "*nat\n-A INPUT -m mark --mark 0x1 -j MARK --set-mark 0x2\nCOMMIT\n\
        *security\n-A INPUT -j MARK --set-mark 0x1\nCOMMIT\n";
    let end = |backend| {
        let packet = "in=eth0 udp 10.99.0.9:1 > 192.168.7.1:80";
        Case::v4(rules).read_by(backend).end(packet)
    };
    assert_eq!(end(Backend::Legacy), "local 0x2");
    assert_eq!(end(Backend::Nft), "local 0x1");
}
