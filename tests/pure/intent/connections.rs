//! I5: connections, and what connection tracking finds invalid.

use super::stand::{FAR_TO_NODE, Stand, allow, deny};

/// With a first workload that may send and receive nothing new.
fn shut() -> Stand {
    let mut stand = Stand::new();
    let applied = stand.policy("shut", vec![deny()], vec![deny()]);
    stand.world.workloads[0].policies = vec![applied];
    stand
}

const THERE: &str = "in=eth0 tcp 8.8.8.8:1000 > 10.65.0.1:80";
const BACK: &str = "in=cali1 tcp 10.65.0.1:80 > 8.8.8.8:1000";

#[test]
fn i5_an_established_connections_packets_are_allowed_both_ways() {
    let mut stand = shut();
    assert_eq!(stand.says(THERE), "deny I3.policy-denies");
    stand.connection("tcp 8.8.8.8:1000 > 10.65.0.1:80 replied");
    assert_eq!(
        stand.says(&format!("{THERE} flags=ACK")),
        "allow I5.original"
    );
    assert_eq!(stand.says(&format!("{BACK} flags=ACK")), "allow I5.reply");
    assert_eq!(
        stand.says("in=eth0 tcp 8.8.8.8:1001 > 10.65.0.1:80"),
        "deny I3.policy-denies"
    );
}

#[test]
fn i5_until_it_is_answered_a_connection_is_begun_again() {
    let mut stand = shut();
    stand.connection("tcp 8.8.8.8:1000 > 10.65.0.1:80 unreplied");
    assert_eq!(stand.says(THERE), "deny I3.policy-denies");
    assert_eq!(
        stand.says(&format!("{BACK} flags=SYN,ACK")),
        "allow I5.reply"
    );
    assert_eq!(stand.says(&format!("{THERE} flags=ACK")), "deny I5.invalid");
}

#[test]
fn i5_errors_about_a_connection_are_related_to_it() {
    let mut stand = shut();
    stand.connection("udp 8.8.8.8:1000 > 10.65.0.1:53 replied");
    let error =
        |quoted: &str, to: &str| format!("in=eth0 icmp 9.9.9.9 > {to} type=3/1 quotes=({quoted})");
    let about_answer = "udp 10.65.0.1:53 > 8.8.8.8:1000";
    assert_eq!(
        stand.says(&error(about_answer, "10.65.0.1")),
        "allow I5.related"
    );
    // It goes to somebody else than who sent what it quotes.
    assert_eq!(
        stand.says(&error(about_answer, "10.65.0.2")),
        "deny I5.invalid"
    );
    let about_other = "udp 10.65.0.1:54 > 8.8.8.8:1000";
    assert_eq!(
        stand.says(&error(about_other, "10.65.0.1")),
        "deny I5.invalid"
    );
    assert_eq!(
        stand.says("in=eth0 icmp 9.9.9.9 > 10.65.0.1 type=3/1"),
        "deny I5.invalid"
    );
}

#[test]
fn i5_what_can_not_begin_is_invalid() {
    let mut stand = Stand::new();
    stand.world.workloads[0].policies = vec![];
    let tcp = |flags: &str| stand.says(&format!("{THERE} flags={flags}"));
    for flags in ["SYN", "ACK", "SYN,URG", "ACK,PSH", "SYN,ECE,CWR"] {
        assert_eq!(tcp(flags), "allow I3.profile-allows", "{flags}");
    }
    for flags in [
        "SYN,ACK",
        "FIN",
        "FIN,ACK",
        "RST",
        "SYN,FIN",
        "none",
        "SYN,ACK,URG",
    ] {
        assert_eq!(tcp(flags), "deny I5.invalid", "{flags}");
    }
    let icmp = |kind: u8| stand.says(&format!("in=eth0 icmp 8.8.8.8 > 10.65.0.1 type={kind}"));
    for kind in [8, 13, 15, 17] {
        assert_eq!(icmp(kind), "allow I3.profile-allows", "{kind}");
    }
    for kind in [0, 3, 5, 14, 18, 19, 255] {
        assert_eq!(icmp(kind), "deny I5.invalid", "{kind}");
    }
    let icmp6 = |kind: u8| stand.says(&format!("in=eth0 icmp6 fd00::8 > fd00:65::1 type={kind}"));
    // Neighbour discovery is not tracked, and so never invalid.
    for kind in [128, 139, 130, 136, 143, 151] {
        assert_eq!(icmp6(kind), "allow I3.profile-allows", "{kind}");
    }
    for kind in [1, 127, 129, 137, 138, 140, 150, 255] {
        assert_eq!(icmp6(kind), "deny I5.invalid", "{kind}");
    }
    let sctp = |chunk: u8| {
        stand.says(&format!(
            "in=eth0 sctp 8.8.8.8:1 > 10.65.0.1:2 chunk={chunk}"
        ))
    };
    assert_eq!(sctp(1), "allow I3.profile-allows");
    assert_eq!(sctp(0), "deny I5.invalid");
}

#[test]
fn i5_what_a_connection_can_not_have_is_invalid() {
    let mut stand = Stand::new();
    stand.connection("tcp 8.8.8.8:1000 > 10.65.0.1:80 replied");
    stand.connection("sctp 8.8.8.8:1000 > 10.65.0.1:80 replied");
    let way = |line: &str, flags: &str| stand.says(&format!("{line} flags={flags}"));
    assert_eq!(way(THERE, "SYN,ACK"), "deny I5.invalid");
    assert_eq!(way(THERE, "SYN"), "allow I5.original");
    assert_eq!(way(THERE, "FIN"), "deny I5.invalid");
    assert_eq!(way(THERE, "FIN,ACK"), "allow I5.original");
    assert_eq!(way(BACK, "SYN,ACK"), "allow I5.reply");
    assert_eq!(way(BACK, "SYN"), "deny I5.invalid");
    assert_eq!(way(BACK, "RST"), "allow I5.reply");
    let sctp = "in=eth0 sctp 8.8.8.8:1000 > 10.65.0.1:80 chunk=";
    assert_eq!(stand.says(&format!("{sctp}0")), "allow I5.original");
    assert_eq!(stand.says(&format!("{sctp}2")), "deny I5.invalid");
}

#[test]
fn i5_broken_headers_are_invalid_and_the_nodes_own_sums_are_not_looked_at() {
    let stand = Stand::new();
    let bad = |line: &str, defect: &str| stand.says(&format!("{line} bad={defect}"));
    assert_eq!(bad(THERE, "transport-checksum"), "deny I5.invalid");
    assert_eq!(bad(THERE, "truncated:19"), "deny I5.invalid");
    assert_eq!(bad(THERE, "truncated:20"), "allow I3.profile-allows");
    let node = "from=node tcp 192.168.1.1:1000 > 8.8.8.8:80";
    assert_eq!(bad(node, "transport-checksum"), "defer I9.no-endpoint");
    assert_eq!(bad(node, "truncated:19"), "deny I5.invalid");
    // Connection tracking takes UDP-Lite's sum for UDP's.
    let udplite = "udplite 8.8.8.8:1 > 10.65.0.1:2";
    assert_eq!(stand.says(&format!("in=eth0 {udplite}")), "deny I5.invalid");
}

#[test]
fn i5_holds_for_all_traffic_of_the_node_in_the_seeds_era() {
    let mut stand = Stand::new();
    assert_eq!(stand.says(FAR_TO_NODE), "defer I9.no-endpoint");
    assert_eq!(
        stand.says(&format!("{FAR_TO_NODE} flags=RST")),
        "deny I5.invalid"
    );
    stand.connection("tcp 8.8.8.8:1000 > 192.168.1.1:80 replied");
    assert_eq!(stand.says(FAR_TO_NODE), "allow I5.original");
    let applied = stand.policy("shut", vec![deny()], vec![deny()]);
    stand.host("h", "eth0", vec![applied]);
    assert_eq!(stand.says(FAR_TO_NODE), "allow I5.original");
}

#[test]
fn i5_a_packet_that_is_not_tracked_is_judged_each_time() {
    let mut stand = shut();
    stand.connection("tcp 8.8.8.8:1000 > 10.65.0.1:80 replied");
    assert_eq!(
        stand.says(&format!("{THERE} flags=ACK untracked")),
        "deny I3.policy-denies"
    );
    stand.world.tiers[0].policies[0].ingress = vec![allow()];
    assert_eq!(
        stand.says(&format!("{THERE} flags=RST untracked")),
        "allow I3.policy-allows"
    );
}
