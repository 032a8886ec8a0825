//! I7 and I8: a workload and its own node.

use calidiff::calico::configuration::EndpointToHost;
use calidiff::calico::world::Stage;

use super::stand::{NODE_TO_W1, Stand, W1_TO_NODE, allow, deny};

#[test]
fn i7_the_egress_policy_and_then_the_nodes_action() {
    for (action, says) in [
        (EndpointToHost::Drop, "deny I7.drop"),
        (EndpointToHost::Accept, "allow I7.accept"),
        (EndpointToHost::Return, "defer I7.defer"),
    ] {
        let mut stand = Stand::new();
        stand.world.configuration.endpoint_to_host = action;
        assert_eq!(stand.says(W1_TO_NODE), says);
        assert_eq!(stand.words(W1_TO_NODE).len(), 2);
        let applied = stand.policy("a", vec![allow()], vec![deny()]);
        stand.world.workloads[0].policies = vec![applied];
        assert_eq!(stand.says(W1_TO_NODE), "deny I3.policy-denies");
    }
}

#[test]
fn i7_host_endpoint_policy_does_not_apply() {
    let mut stand = Stand::new();
    stand.world.configuration.endpoint_to_host = EndpointToHost::Accept;
    let normal = stand.policy("a", vec![deny()], vec![deny()]);
    let untracked = stand.policy_of(0, "b", Stage::Untracked, vec![deny()], vec![deny()]);
    for interface in ["eth0", "eth1", "lo"] {
        stand.host(interface, interface, vec![normal, untracked]);
    }
    assert_eq!(stand.says(W1_TO_NODE), "allow I7.accept");
}

#[test]
fn i7_neighbour_discovery_is_always_allowed() {
    let mut stand = Stand::new();
    let applied = stand.policy("a", vec![deny()], vec![deny()]);
    stand.world.workloads[0].policies = vec![applied];
    let from = |source: &str, kind: u8| {
        stand.says(&format!("in=cali1 icmp6 {source} > fd00:1::1 type={kind}"))
    };
    for kind in [130, 131, 132, 133, 135, 136] {
        assert_eq!(from("fd00:65::1", kind), "allow I7.neighbours", "{kind}");
        assert_eq!(from("fe80::1", kind), "allow I7.neighbours", "{kind}");
    }
    for kind in [128, 134, 143] {
        assert_eq!(from("fd00:65::1", kind), "deny I3.policy-denies", "{kind}");
        assert_eq!(from("fe80::1", kind), "deny I6.spoofed", "{kind}");
    }
    assert_eq!(
        stand.says("in=cali1 icmp6 :: > ff02::1 type=135"),
        "allow I7.neighbours"
    );
    // To the node, not past it; and ICMP's 130 is not ICMPv6's.
    assert_eq!(
        stand.says("in=cali1 icmp6 fd00:65::1 > fd00::8 type=135"),
        "deny I3.policy-denies"
    );
    assert_eq!(
        stand.says("in=cali1 icmp 10.65.0.1 > 192.168.1.1 type=130 untracked"),
        "deny I3.policy-denies"
    );
}

#[test]
fn i7_openstack_has_dhcp_and_dns() {
    let mut stand = Stand::new();
    let applied = stand.policy("a", vec![deny()], vec![deny()]);
    stand.world.workloads[0].policies = vec![applied];
    let dns = "in=cali1 udp 10.65.0.1:999 > 192.168.1.1:53";
    let dhcp = "in=cali1 udp 0.0.0.0:68 > 255.255.255.255:67";
    assert_eq!(stand.says(dns), "deny I3.policy-denies");
    assert_eq!(stand.says(dhcp), "deny I6.spoofed");
    stand.world.configuration.cluster_type = "k8s, openstack".to_owned();
    for (line, says) in [
        (dns, "allow I7.dns"),
        (dhcp, "allow I7.dhcp"),
        (
            "in=cali1 udp 10.65.0.1:68 > 192.168.1.1:67",
            "allow I7.dhcp",
        ),
        (
            "in=cali1 udp [fe80::1]:546 > [fd00:1::1]:547",
            "allow I7.dhcp",
        ),
        (
            "in=cali1 udp 10.65.0.1:67 > 192.168.1.1:68",
            "deny I3.policy-denies",
        ),
        (
            "in=cali1 udp 10.65.0.1:546 > 192.168.1.1:547",
            "deny I3.policy-denies",
        ),
        (
            "in=cali1 udp [fd00:65::1]:68 > [fd00:1::1]:67",
            "deny I3.policy-denies",
        ),
        (
            "in=cali1 tcp 10.65.0.1:999 > 192.168.1.1:53",
            "deny I3.policy-denies",
        ),
        (
            "in=cali1 udp 10.65.0.1:53 > 192.168.1.1:999",
            "deny I3.policy-denies",
        ),
        (
            "in=cali1 udp 10.65.0.1:999 > 8.8.8.8:53",
            "deny I3.policy-denies",
        ),
        (
            "in=cali1 udp 10.9.9.9:68 > 192.168.1.1:67",
            "deny I6.spoofed",
        ),
        (
            "in=cali1 udp 10.9.9.9:999 > 192.168.1.1:53",
            "deny I6.spoofed",
        ),
    ] {
        assert_eq!(stand.says(line), says, "{line}");
    }
    stand.world.configuration.cluster_type = "not-openstack".to_owned();
    assert_eq!(stand.says(dns), "deny I3.policy-denies");
}

#[test]
fn i8_calico_has_no_opinion_on_the_node_to_its_workload() {
    let mut stand = Stand::new();
    let applied = stand.policy("a", vec![deny()], vec![deny()]);
    stand.world.workloads[0].policies = vec![applied];
    assert_eq!(stand.says(NODE_TO_W1), "defer I8.defer");
    stand.host("h", "eth0", vec![applied]);
    assert_eq!(stand.says(NODE_TO_W1), "defer I8.defer");
}
