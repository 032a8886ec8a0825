//! What connection tracking makes of packets (KERNEL's list; nf_conntrack_proto_*.c).

use super::Case;

/// Marks a packet with its state at FORWARD.
const STATES: &str = "*filter\n\
    -A FORWARD -m conntrack --ctstate NEW -j MARK --set-mark 0x1\n\
    -A FORWARD -m conntrack --ctstate ESTABLISHED -j MARK --set-mark 0x2\n\
    -A FORWARD -m conntrack --ctstate RELATED -j MARK --set-mark 0x3\n\
    -A FORWARD -m conntrack --ctstate INVALID -j MARK --set-mark 0x4\n\
    -A FORWARD -m conntrack --ctstate UNTRACKED -j MARK --set-mark 0x5\n\
    COMMIT\n";

fn state(case: &Case, packet: &str) -> &'static str {
    match case.end(packet).as_str() {
        "sent cali1 0x1" | "sent eth0 0x1" => "NEW",
        "sent cali1 0x2" | "sent eth0 0x2" => "ESTABLISHED",
        "sent cali1 0x3" | "sent eth0 0x3" => "RELATED",
        "sent cali1 0x4" | "sent eth0 0x4" => "INVALID",
        "sent cali1 0x5" | "sent eth0 0x5" => "UNTRACKED",
        other => panic!("{packet}: {other}"),
    }
}

#[test]
fn without_an_entry() {
    let case = Case::v4(STATES);
    for (rest, expected) in [
        ("tcp 10.99.0.9:1 > 10.65.0.2:2", "NEW"),
        ("tcp 10.99.0.9:1 > 10.65.0.2:2 flags=ACK", "NEW"),
        ("tcp 10.99.0.9:1 > 10.65.0.2:2 flags=SYN,ACK", "INVALID"),
        ("tcp 10.99.0.9:1 > 10.65.0.2:2 flags=FIN", "INVALID"),
        ("tcp 10.99.0.9:1 > 10.65.0.2:2 flags=FIN,ACK", "INVALID"),
        ("tcp 10.99.0.9:1 > 10.65.0.2:2 flags=RST", "INVALID"),
        ("tcp 10.99.0.9:1 > 10.65.0.2:2 flags=FIN,PSH,URG", "INVALID"),
        ("icmp 10.99.0.9 > 10.65.0.2 type=8/0", "NEW"),
        ("icmp 10.99.0.9 > 10.65.0.2 type=13/0", "NEW"),
        ("icmp 10.99.0.9 > 10.65.0.2 type=0/0", "INVALID"),
        ("icmp 10.99.0.9 > 10.65.0.2 type=3/1", "INVALID"),
        ("icmp 10.99.0.9 > 10.65.0.2 type=30/0", "INVALID"),
        ("udp 10.99.0.9:1 > 10.65.0.2:2", "NEW"),
        (
            "udp 10.99.0.9:1 > 10.65.0.2:2 bad=transport-checksum",
            "INVALID",
        ),
        ("udplite 10.99.0.9:1 > 10.65.0.2:2", "INVALID"),
        ("sctp 10.99.0.9:1 > 10.65.0.2:2", "NEW"),
        ("sctp 10.99.0.9:1 > 10.65.0.2:2 chunk=0", "INVALID"),
        ("proto=47 10.99.0.9 > 10.65.0.2", "NEW"),
        ("proto=4 10.99.0.9 > 10.65.0.2", "NEW"),
        ("udp 10.99.0.9:1 > 10.65.0.2:2 untracked", "UNTRACKED"),
    ] {
        assert_eq!(state(&case, &format!("in=eth0 {rest}")), expected, "{rest}");
    }
}

#[test]
fn ipv6_without_an_entry() {
    let case = Case::v6(STATES);
    for (kind, expected) in [
        (128, "NEW"),
        (139, "NEW"),
        (129, "INVALID"),
        (130, "UNTRACKED"),
        (136, "UNTRACKED"),
        (137, "INVALID"),
        (143, "UNTRACKED"),
        (144, "INVALID"),
        (151, "UNTRACKED"),
        (152, "UNTRACKED"),
        (1, "INVALID"),
    ] {
        let packet = format!("in=eth0 icmp6 fd00:99::9 > fd00:65::2 type={kind}/0");
        assert_eq!(state(&case, &packet), expected, "{kind}");
    }
}

#[test]
fn with_an_entry() {
    let tcp = "tcp 10.99.0.9:1000 > 10.65.0.2:80";
    let replied = Case::v4(STATES).connection(&format!("replied {tcp}"));
    let unreplied = Case::v4(STATES).connection(&format!("unreplied {tcp}"));
    let there = |flags: &str| format!("in=eth0 {tcp} flags={flags}");
    let back = |flags: &str| format!("in=cali1 tcp 10.65.0.2:80 > 10.99.0.9:1000 flags={flags}");
    assert_eq!(state(&replied, &there("ACK")), "ESTABLISHED");
    assert_eq!(state(&replied, &back("ACK")), "ESTABLISHED");
    assert_eq!(state(&replied, &there("SYN")), "ESTABLISHED");
    assert_eq!(state(&replied, &back("SYN")), "INVALID");
    assert_eq!(state(&replied, &there("SYN,ACK")), "INVALID");
    assert_eq!(state(&unreplied, &there("SYN")), "NEW");
    assert_eq!(state(&unreplied, &back("SYN,ACK")), "ESTABLISHED");
    let error =
        "in=cali1 icmp 10.65.0.2 > 10.99.0.9 type=3/3 quotes=(tcp 10.99.0.9:1000 > 10.65.0.2:80)";
    assert_eq!(state(&replied, error), "RELATED");
    // To somebody who did not send the quoted packet (`nf_conntrack_inet_error`).
    let bogus =
        "in=cali1 icmp 10.65.0.2 > 10.99.0.8 type=3/3 quotes=(tcp 10.99.0.9:1000 > 10.65.0.2:80)";
    assert_eq!(state(&replied, bogus), "INVALID");
}

#[test]
fn notrack_comes_before_tracking_and_hides_the_connection() {
    let rules = format!("*raw\n-A PREROUTING -j CT --notrack\nCOMMIT\n{STATES}");
    let case = Case::v4(&rules).connection("replied udp 10.99.0.9:1 > 10.65.0.2:2");
    let packet = "in=eth0 udp 10.99.0.9:1 > 10.65.0.2:2";
    assert_eq!(state(&case, packet), "UNTRACKED");
}

// `xt_conntrack.c`: without a connection there is neither SNAT nor DNAT.
#[test]
fn an_untracked_packet_is_not_translated() {
    let case = Case::v4(
        "*filter\n-A FORWARD -m conntrack --ctstate DNAT -j DROP\n\
         -A FORWARD -m conntrack ! --ctstate DNAT -j MARK --set-mark 0x1\nCOMMIT\n",
    );
    let packet = "in=eth0 udp 10.99.0.9:1 > 10.65.0.2:2 untracked";
    assert_eq!(case.end(packet), "sent cali1 0x1");
}

// Reassembly stands before every table, and connection tracking is always on.
#[test]
fn a_lone_fragment_is_held_back() {
    let fragment = "in=eth0 udp 10.99.0.9:1 > 10.65.0.2:1 frag=0+";
    let case = Case::v4("*filter\n-A FORWARD -p tcp -j DROP\nCOMMIT\n");
    assert_eq!(case.end(fragment), "unrouted PREROUTING entry 0x0");
    let raw = Case::v4("*raw\n-A PREROUTING -j MARK --set-mark 0x1\nCOMMIT\n");
    assert_eq!(raw.end(fragment), "dropped PREROUTING entry 0x0");
    assert_eq!(case.end(&format!("{fragment} untracked")), "sent cali1 0x0");
}

#[test]
fn a_connections_mark_is_saved_and_restored() {
    let case = Case::v4(
        "*mangle\n-A PREROUTING -j MARK --set-mark 0xff\n\
         -A PREROUTING -j CONNMARK --save-mark --nfmask 0xf0 --ctmask 0xff\n\
         -A FORWARD -j MARK --set-mark 0x100\n\
         -A FORWARD -m connmark --mark 0xf0 -j CONNMARK --restore-mark\nCOMMIT\n",
    );
    let packet = "in=eth0 udp 10.99.0.9:1 > 10.65.0.2:2";
    assert_eq!(case.end(packet), "sent cali1 0xf0");
    assert_eq!(case.end(&format!("{packet} untracked")), "sent cali1 0x100");
}
