//! I6: what a workload sends and receives.

use calidiff::calico::rule::RuleProtocol;
use calidiff::intent::Clause;

use super::stand::{
    FAR_TO_W1, NODE_TO_W1, Stand, W1_TO_FAR, W1_TO_NODE, W1_TO_W2, allow, deny, to_port, with,
};

#[test]
fn i6_one_workload_to_another_needs_both() {
    for (egress, ingress, says) in [
        (allow(), allow(), "allow I3.policy-allows"),
        (allow(), deny(), "deny I3.policy-denies"),
        (deny(), allow(), "deny I3.policy-denies"),
    ] {
        let mut stand = Stand::new();
        let sends = stand.policy("sends", Vec::new(), vec![egress]);
        let receives = stand.policy("receives", vec![ingress], Vec::new());
        stand.world.workloads[0].policies = vec![sends];
        stand.world.workloads[1].policies = vec![receives];
        assert_eq!(stand.says(W1_TO_W2), says);
    }
    let mut stand = Stand::new();
    let receives = stand.policy("receives", vec![to_port(deny(), 80)], Vec::new());
    stand.world.workloads[1].policies = vec![receives];
    assert!(stand.takes_part(W1_TO_W2, Clause::I6Both));
    assert_eq!(
        stand.words(W1_TO_W2),
        [
            "I3.profile-allows: egress rule 1 of profile `open`, at the workload `w1`",
            "I3.policy-denies: ingress rule 1 of policy `receives` in tier `default`, at the workload `w2`"
        ]
    );
}

#[test]
fn i6_far_away_one_side_is_asked() {
    let mut stand = Stand::new();
    let applied = stand.policy("a", vec![deny()], vec![allow()]);
    stand.world.workloads[0].policies = vec![applied];
    assert_eq!(stand.says(W1_TO_FAR), "allow I3.policy-allows");
    assert_eq!(stand.says(FAR_TO_W1), "deny I3.policy-denies");
    assert!(!stand.takes_part(W1_TO_FAR, Clause::I6Both));
}

#[test]
fn i6_workloads_do_not_wrap_packets_themselves() {
    let mut stand = Stand::new();
    let wrapped = "in=cali1 proto=4 10.65.0.1 > 8.8.8.8";
    assert_eq!(stand.says(wrapped), "deny I6.encapsulated");
    assert_eq!(
        stand.says("in=cali1 proto=41 10.65.0.1 > 8.8.8.8"),
        "allow I3.profile-allows"
    );
    // Nobody minds a wrapped packet that comes to it.
    assert_eq!(
        stand.says("in=eth0 proto=4 8.8.8.8 > 10.65.0.1"),
        "allow I3.profile-allows"
    );
    // The era has no VXLAN.
    assert_eq!(
        stand.says("in=cali1 udp 10.65.0.1:1 > 8.8.8.8:4789"),
        "allow I3.profile-allows"
    );
    let allows = with(allow(), |rule| {
        rule.protocol = Some(RuleProtocol::Number(4))
    });
    let applied = stand.policy("a", Vec::new(), vec![allows]);
    stand.world.workloads[0].policies = vec![applied];
    assert_eq!(stand.says(wrapped), "deny I6.encapsulated");
}

#[test]
fn i6_a_workload_sends_from_its_own_addresses() {
    let mut stand = Stand::new();
    for source in [
        "10.65.0.0",
        "10.65.0.2",
        "192.168.1.1",
        "0.0.0.0",
        "8.8.8.8",
    ] {
        let line = format!("in=cali1 tcp {source}:1000 > 8.8.8.8:80");
        assert_eq!(stand.says(&line), "deny I6.spoofed", "{source}");
    }
    let v6 = |source: &str| format!("in=cali1 tcp [{source}]:1000 > [fd00::8]:80");
    assert_eq!(stand.says(&v6("fd00:65::1")), "allow I3.profile-allows");
    assert_eq!(stand.says(&v6("fd00:65::2")), "deny I6.spoofed");
    assert_eq!(stand.says(&v6("fe80::1")), "deny I6.spoofed");

    stand.world.workloads[0].allowed_sources = vec!["10.66.0.0/16".parse().expect("a net")];
    let granted = "in=cali1 tcp 10.66.255.255:1000 > 8.8.8.8:80";
    assert_eq!(stand.says(granted), "allow I3.profile-allows");
    assert!(stand.takes_part(granted, Clause::I6Granted));
    assert!(!stand.takes_part(W1_TO_FAR, Clause::I6Granted));
    assert_eq!(
        stand.says("in=cali1 tcp 10.67.0.0:1000 > 8.8.8.8:80"),
        "deny I6.spoofed"
    );
}

#[test]
fn i6_a_spoofed_packet_of_a_connection_is_denied_too() {
    let mut stand = Stand::new();
    stand.connection("tcp 10.65.0.2:1000 > 8.8.8.8:80 replied");
    let line = "in=cali1 tcp 10.65.0.2:1000 > 8.8.8.8:80 flags=ACK";
    assert_eq!(stand.says(line), "deny I6.spoofed");
    assert_eq!(
        stand.says(&line.replace("cali1", "cali2")),
        "allow I5.original"
    );
}

#[test]
fn i6_an_interface_of_no_endpoint_is_shut() {
    let mut stand = Stand::new();
    assert_eq!(
        stand.says("in=cali9 tcp 10.65.0.9:1 > 8.8.8.8:80"),
        "deny I6.from-unknown"
    );
    assert_eq!(
        stand.says("in=cali9 tcp 10.65.0.9:1 > 192.168.1.1:80"),
        "deny I6.from-unknown"
    );
    for from in [
        "in=eth0 tcp 8.8.8.8:1",
        "in=cali1 tcp 10.65.0.1:1",
        "from=node tcp 192.168.1.1:1",
    ] {
        let line = format!("{from} > 10.65.0.9:80");
        assert_eq!(stand.says(&line), "deny I6.to-unknown", "{from}");
    }
    assert_eq!(
        stand.words("in=cali9 tcp 10.65.0.9:1 > 8.8.8.8:80"),
        ["I6.from-unknown: the interface `cali9`"]
    );
    // A connection doesn't make it known.
    stand.connection("tcp 10.65.0.9:1 > 8.8.8.8:80 replied");
    assert_eq!(
        stand.says("in=cali9 tcp 10.65.0.9:1 > 8.8.8.8:80 flags=ACK"),
        "deny I6.from-unknown"
    );
    // It is the name that makes it look like a workload's.
    stand.world.configuration.interface_prefixes =
        vec![calidiff::calico::configuration::InterfacePrefix::new("tap").expect("a prefix")];
    assert_eq!(
        stand.says("in=cali9 tcp 10.65.0.9:2 > 192.168.1.1:80"),
        "defer I9.no-endpoint"
    );
    // And where an endpoint has it, it is that endpoint's.
    stand.world.configuration.interface_prefixes =
        Stand::new().world.configuration.interface_prefixes;
    stand.host("h", "cali9", Vec::new());
    assert_eq!(
        stand.says("in=cali9 tcp 10.65.0.9:2 > 192.168.1.1:80"),
        "deny I3.no-profile"
    );
}

#[test]
fn i6_an_endpoint_that_is_down_is_shut() {
    let mut stand = Stand::new();
    stand.world.workloads[0].up = false;
    for line in [W1_TO_FAR, W1_TO_W2, W1_TO_NODE] {
        assert_eq!(stand.says(line), "deny I6.from-down", "{line}");
    }
    for line in [
        FAR_TO_W1,
        NODE_TO_W1,
        "in=cali2 tcp 10.65.0.2:1 > 10.65.0.1:2",
    ] {
        assert_eq!(stand.says(line), "deny I6.to-down", "{line}");
    }
    stand.connection("tcp 8.8.8.8:1000 > 10.65.0.1:80 replied");
    assert_eq!(stand.says(FAR_TO_W1), "deny I6.to-down");
    assert_eq!(
        stand.says("in=cali1 icmp6 fd00:65::1 > ff02::1 type=135"),
        "deny I6.from-down"
    );
    assert_eq!(
        stand.says("in=cali2 tcp 10.65.0.2:1 > 8.8.8.8:2"),
        "allow I3.profile-allows"
    );
}

#[test]
fn what_two_workloads_claim_is_the_first_ones() {
    let mut stand = Stand::new();
    let outside = calidiff::calico::world::FloatingAddress {
        outside: "192.168.1.77".parse().expect("an address"),
        inside: "10.65.0.1".parse().expect("an address"),
    };
    let second = calidiff::calico::world::FloatingAddress {
        inside: "10.65.0.2".parse().expect("an address"),
        ..outside
    };
    stand.world.workloads[0].floating = vec![outside];
    stand.world.workloads[1].floating = vec![second];
    stand.world.workloads[1].profiles = Vec::new();
    assert_eq!(
        stand.says("in=eth0 tcp 8.8.8.8:1 > 192.168.1.77:80"),
        "allow I3.profile-allows"
    );
    stand.world.workloads[1].interface = stand.world.workloads[0].interface;
    assert_eq!(stand.says(W1_TO_FAR), "allow I3.profile-allows");
    assert_eq!(stand.says(FAR_TO_W1), "allow I3.profile-allows");
}
