//! I12 and I13: doNotTrack policies, and what comes after them.

use calidiff::intent::Clause;

use super::stand::{
    FAR_TO_NODE, FAR_TO_W1, NODE_TO_FAR, Stand, TRANSIT, allow, deny, pass, to_port,
};

/// A host endpoint at the first uplink with doNotTrack policies, and nothing else.
fn untracked(ingress: Vec<calidiff::calico::Rule>, egress: Vec<calidiff::calico::Rule>) -> Stand {
    let mut stand = Stand::new();
    let applied = stand.untracked("u", ingress, egress);
    stand.host("h", "eth0", vec![applied]);
    stand
}

#[test]
fn i12_allow_is_the_last_word_of_the_host_endpoints() {
    let mut stand = untracked(vec![to_port(allow(), 80)], vec![to_port(allow(), 80)]);
    let shut = stand.policy("shut", vec![deny()], vec![deny()]);
    stand.world.hosts[0].policies.push(shut);
    assert_eq!(stand.says(FAR_TO_NODE), "allow I12.allows");
    assert_eq!(stand.says(NODE_TO_FAR), "allow I12.allows");
    stand.host("i", "eth1", vec![shut]);
    assert_eq!(stand.says(TRANSIT), "allow I12.allows");
}

#[test]
fn i12_deny_is_final_for_connections_too() {
    let mut stand = untracked(vec![deny()], vec![deny()]);
    stand.world.hosts[0].profiles = vec!["open".to_owned()];
    stand.connection("tcp 8.8.8.8:1000 > 192.168.1.1:80 replied");
    for line in [FAR_TO_NODE, NODE_TO_FAR, FAR_TO_W1, TRANSIT] {
        assert_eq!(stand.says(line), "deny I12.denies", "{line}");
    }
    // A reply has a direction of its own, and so a rule of its own.
    let reply = "from=node tcp 192.168.1.1:80 > 8.8.8.8:1000 flags=ACK";
    assert_eq!(stand.says(reply), "deny I12.denies");
}

#[test]
fn i12_each_packet_is_judged_for_itself() {
    let stand = untracked(vec![to_port(allow(), 80)], vec![]);
    // Connection tracking, which finds this invalid, does not see it.
    assert_eq!(
        stand.says(&format!("{FAR_TO_NODE} flags=RST")),
        "allow I12.allows"
    );
    // The answer needs a rule of its own: it has none, and begins nothing either.
    assert_eq!(
        stand.says("from=node tcp 192.168.1.1:80 > 8.8.8.8:1000 flags=SYN,ACK"),
        "deny I5.invalid"
    );
}

#[test]
fn i12_no_match_goes_on_to_the_rest() {
    let mut stand = untracked(vec![to_port(deny(), 81), pass()], vec![]);
    assert_eq!(stand.says(FAR_TO_NODE), "deny I3.no-profile");
    assert!(stand.takes_part(FAR_TO_NODE, Clause::I12NoMatch));
    assert!(stand.takes_part(FAR_TO_NODE, Clause::I13ThenHost));
    stand.world.hosts[0].profiles = vec!["open".to_owned()];
    assert_eq!(stand.says(FAR_TO_NODE), "allow I3.profile-allows");
    stand.connection("tcp 8.8.8.8:1000 > 192.168.1.1:80 replied");
    assert_eq!(stand.says(FAR_TO_NODE), "allow I5.original");
}

#[test]
fn i12_failsafe_ports_and_their_replies_are_spared() {
    let mut stand = untracked(vec![deny()], vec![deny()]);
    for (line, says) in [
        (
            "in=eth0 tcp 8.8.8.8:1 > 192.168.1.1:22",
            "allow I9.failsafe-inbound",
        ),
        (
            "in=eth0 tcp 8.8.8.8:2379 > 192.168.1.1:1",
            "deny I3.no-profile",
        ),
        ("in=eth0 tcp 8.8.8.8:22 > 192.168.1.1:1", "deny I12.denies"),
        ("in=eth0 udp 8.8.8.8:1 > 192.168.1.1:22", "deny I12.denies"),
        (
            "from=node tcp 192.168.1.1:1 > 8.8.8.8:2379",
            "allow I9.failsafe-outbound",
        ),
        (
            "from=node tcp 192.168.1.1:22 > 8.8.8.8:1",
            "deny I3.no-profile",
        ),
        (
            "from=node tcp 192.168.1.1:2379 > 8.8.8.8:1",
            "deny I12.denies",
        ),
    ] {
        assert_eq!(stand.says(line), says, "{line}");
    }
    assert!(stand.takes_part(
        "in=eth0 tcp 8.8.8.8:1 > 192.168.1.1:22",
        Clause::I12Failsafe
    ));
    stand.connection("tcp 192.168.1.1:1 > 8.8.8.8:2379 replied");
    let reply = "in=eth0 tcp 8.8.8.8:2379 > 192.168.1.1:1 flags=ACK";
    assert_eq!(stand.says(reply), "allow I5.reply");
    assert!(stand.takes_part(reply, Clause::I12FailsafeReply));
}

#[test]
fn i12_is_not_for_workloads() {
    let mut stand = Stand::new();
    let applied = stand.untracked("u", vec![deny()], vec![deny()]);
    stand.world.workloads[0].policies = vec![applied];
    assert_eq!(stand.says(FAR_TO_W1), "allow I3.profile-allows");
}

#[test]
fn i13_a_workload_is_asked_whatever_a_host_endpoint_allows() {
    let mut stand = untracked(vec![allow()], vec![allow()]);
    assert_eq!(stand.says(FAR_TO_W1), "allow I3.profile-allows");
    assert!(stand.takes_part(FAR_TO_W1, Clause::I13ThenWorkload));
    let shut = stand.policy("shut", vec![deny()], vec![]);
    stand.world.workloads[0].policies = vec![shut];
    assert_eq!(stand.says(FAR_TO_W1), "deny I3.policy-denies");
    assert_eq!(stand.words(FAR_TO_W1).len(), 2);
}

#[test]
fn i13_before_translation_the_original_destination_counts() {
    let mut stand = untracked(vec![to_port(allow(), 80)], vec![]);
    stand.world.tiers[0].policies[0].ingress[0].destination.nets =
        vec!["192.168.1.77/32".parse().expect("a net")];
    stand.world.workloads[0].floating = vec![calidiff::calico::world::FloatingAddress {
        outside: "192.168.1.77".parse().expect("an address"),
        inside: "10.65.0.1".parse().expect("an address"),
    }];
    let line = "in=eth0 tcp 8.8.8.8:1 > 192.168.1.77:80";
    // What is not tracked is not translated either, and leaves by where its own destination is.
    assert_eq!(stand.says(line), "allow I12.allows");
    assert!(!stand.takes_part(line, Clause::I17Floating));
    assert_eq!(
        stand.says("in=eth0 tcp 8.8.8.8:1 > 192.168.1.77:81"),
        "allow I3.profile-allows"
    );
}
