//! I9 and I10: host endpoints, for the node and for what it forwards.

use calidiff::calico::world::FloatingAddress;
use calidiff::intent::Clause;

use super::stand::{
    FAR_TO_NODE, FAR_TO_W1, NODE_TO_FAR, Stand, TRANSIT, W1_TO_FAR, allow, deny, to_port, with,
};

#[test]
fn i9_without_a_host_endpoint_calico_has_no_opinion() {
    let stand = Stand::new();
    for line in [FAR_TO_NODE, NODE_TO_FAR, TRANSIT] {
        assert_eq!(stand.says(line), "defer I9.no-endpoint", "{line}");
    }
}

#[test]
fn i9_with_one_its_policy_decides_and_without_policy_it_denies() {
    let mut stand = Stand::new();
    stand.host("h", "eth0", Vec::new());
    assert_eq!(stand.says(FAR_TO_NODE), "deny I3.no-profile");
    assert_eq!(stand.says(NODE_TO_FAR), "deny I3.no-profile");
    stand.world.hosts[0].profiles = vec!["open".to_owned()];
    assert_eq!(stand.says(FAR_TO_NODE), "allow I3.profile-allows");
    let applied = stand.policy("a", vec![to_port(allow(), 80)], vec![to_port(deny(), 80)]);
    stand.world.hosts[0].policies = vec![applied];
    assert_eq!(stand.says(FAR_TO_NODE), "allow I3.policy-allows");
    assert_eq!(stand.says(NODE_TO_FAR), "deny I3.policy-denies");
    assert_eq!(
        stand.words(NODE_TO_FAR),
        [
            "I3.policy-denies: egress rule 1 of policy `a` in tier `default`, at the host endpoint `h`"
        ]
    );
}

#[test]
fn i9_failsafe_ports_go_before_policy() {
    let mut stand = Stand::new();
    let applied = stand.policy("a", vec![deny()], vec![deny()]);
    stand.host("h", "eth0", vec![applied]);
    for (line, says) in [
        (
            "in=eth0 tcp 8.8.8.8:1 > 192.168.1.1:22",
            "allow I9.failsafe-inbound",
        ),
        (
            "in=eth0 tcp 8.8.8.8:1 > 192.168.1.1:23",
            "deny I3.policy-denies",
        ),
        (
            "in=eth0 tcp 8.8.8.8:22 > 192.168.1.1:1",
            "deny I3.policy-denies",
        ),
        (
            "in=eth0 udp 8.8.8.8:1 > 192.168.1.1:22",
            "deny I3.policy-denies",
        ),
        (
            "in=eth0 tcp 8.8.8.8:1 > 192.168.1.1:2379",
            "deny I3.policy-denies",
        ),
        (
            "from=node tcp 192.168.1.1:1 > 8.8.8.8:2379",
            "allow I9.failsafe-outbound",
        ),
        (
            "from=node tcp 192.168.1.1:1 > 8.8.8.8:22",
            "deny I3.policy-denies",
        ),
        (
            "in=eth0 tcp [fd00::8]:1 > [fd00:1::1]:22",
            "allow I9.failsafe-inbound",
        ),
    ] {
        assert_eq!(stand.says(line), says, "{line}");
    }
    assert_eq!(
        stand.words("in=eth0 tcp 8.8.8.8:1 > 192.168.1.1:22"),
        ["I9.failsafe-inbound: the failsafe port 22 is open to ingress, at the host endpoint `h`"]
    );
}

#[test]
fn i9_the_real_destination_and_the_real_way_out_count() {
    let mut stand = Stand::new();
    // A floating address of the network behind eth0, for a workload.
    stand.world.workloads[0].floating = vec![FloatingAddress {
        outside: "192.168.1.77".parse().expect("an address"),
        inside: "10.65.0.1".parse().expect("an address"),
    }];
    let applied = stand.policy("a", vec![deny()], vec![deny()]);
    stand.host("h", "eth0", vec![applied]);
    let line = "from=node tcp 192.168.1.1:1000 > 192.168.1.77:80";
    assert_eq!(stand.says(line), "defer I8.defer");
    // And one that stands for an address behind the other uplink.
    stand.world.workloads[0].floating[0].inside = "192.168.2.9".parse().expect("an address");
    let allows = with(allow(), |rule| {
        rule.destination.nets = vec!["192.168.2.9/32".parse().expect("a net")];
    });
    let applied = stand.policy("b", Vec::new(), vec![allows]);
    stand.host("i", "eth1", vec![applied]);
    assert_eq!(stand.says(line), "allow I3.policy-allows");
    assert!(stand.takes_part(line, Clause::I9Translated));
}

#[test]
fn i9_what_the_node_sends_to_itself_begins_and_ends_at_it() {
    let line = "from=node tcp 192.168.1.1:1 > 192.168.1.1:80";
    let mut stand = Stand::new();
    let shut = stand.policy("shut", vec![deny()], vec![deny()]);
    stand.host("h", "eth0", vec![shut]);
    assert_eq!(stand.says(line), "defer I9.no-endpoint");
    for (ingress, egress, says) in [
        (allow(), allow(), "allow I3.policy-allows"),
        (deny(), allow(), "deny I3.policy-denies"),
        (allow(), deny(), "deny I3.policy-denies"),
    ] {
        let mut stand = Stand::new();
        let applied = stand.policy("a", vec![ingress], vec![egress]);
        stand.host("h", "lo", vec![applied]);
        assert_eq!(stand.says(line), says);
    }
}

#[test]
fn i12_what_comes_back_over_lo_is_asked_again_though_it_is_of_a_connection() {
    let line = "from=node tcp 192.168.1.1:1 > 192.168.1.1:80 flags=ACK";
    let mut stand = Stand::new();
    stand.connection("tcp 192.168.1.1:1 > 192.168.1.1:80 replied");
    assert_eq!(stand.says(line), "allow I5.original");
    let applied = stand.untracked("u", vec![deny()], Vec::new());
    stand.host("h", "lo", vec![applied]);
    assert_eq!(stand.says(line), "deny I12.denies");
}

/// Policies at one uplink or both, for what is forwarded from one to the other.
fn transit(ingress: Option<bool>, egress: Option<bool>) -> String {
    let mut stand = Stand::new();
    let rule = |allowed: bool| if allowed { allow() } else { deny() };
    if let Some(allowed) = ingress {
        let applied = stand.policy("in", vec![rule(allowed)], vec![deny()]);
        stand.host("h", "eth0", vec![applied]);
    }
    if let Some(allowed) = egress {
        let applied = stand.policy("out", vec![deny()], vec![rule(allowed)]);
        stand.host("i", "eth1", vec![applied]);
    }
    stand.says(TRANSIT)
}

#[test]
fn i10_host_endpoint_policy_judges_what_is_forwarded_past_workloads() {
    assert_eq!(transit(None, None), "defer I9.no-endpoint");
    for (ingress, egress) in [
        (Some(true), None),
        (None, Some(true)),
        (Some(true), Some(true)),
    ] {
        assert_eq!(transit(ingress, egress), "allow I3.policy-allows");
    }
    for (ingress, egress) in [
        (Some(false), None),
        (None, Some(false)),
        (Some(true), Some(false)),
        (Some(false), Some(true)),
    ] {
        assert_eq!(transit(ingress, egress), "deny I3.policy-denies");
    }
}

#[test]
fn i10_profiles_judge_it_too_and_failsafe_ports_do_not() {
    let mut stand = Stand::new();
    stand.host("h", "eth0", Vec::new());
    assert_eq!(stand.says(TRANSIT), "deny I3.no-profile");
    assert!(stand.takes_part(TRANSIT, Clause::I10In));
    assert!(!stand.takes_part(TRANSIT, Clause::I10Out));
    let failsafe = "in=eth0 tcp 8.8.8.8:1000 > 192.168.2.9:22";
    assert_eq!(stand.says(failsafe), "deny I3.no-profile");
    stand.world.hosts[0].profiles = vec!["open".to_owned()];
    assert_eq!(stand.says(TRANSIT), "allow I3.profile-allows");
    let back_out = "in=eth0 tcp 192.168.1.9:1000 > 8.8.8.8:80";
    assert!(
        stand.takes_part(back_out, Clause::I10In) && stand.takes_part(back_out, Clause::I10Out)
    );
}

#[test]
fn i10_what_touches_a_workload_is_the_workloads() {
    let mut stand = Stand::new();
    let applied = stand.policy("a", vec![deny()], vec![deny()]);
    stand.host("h", "eth0", vec![applied]);
    assert_eq!(stand.says(FAR_TO_W1), "allow I3.profile-allows");
    assert_eq!(stand.says(W1_TO_FAR), "allow I3.profile-allows");
}
