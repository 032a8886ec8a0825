//! I17: floating addresses, outgoing NAT, and the addresses of connections.

use std::net::IpAddr;

use calidiff::calico::world::{FloatingAddress, Pool};
use calidiff::intent::{Clause, Source};
use calidiff::node::routing::Way;

use super::stand::{Stand, W1_TO_FAR, deny};

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// `10.65.0.1 > 8.8.8.8 out of eth0`; `the node` for one of the node's addresses.
fn exit(stand: &Stand, line: &str) -> String {
    let Some(exit) = stand.opinion(line).exit else {
        return "nowhere".to_owned();
    };
    let source = match exit.source {
        Source::Exactly(address) => address.to_string(),
        Source::OfNode => "the node".to_owned(),
    };
    let way = match exit.way {
        Way::Local => "local".to_owned(),
        Way::Out(interface) => format!("out of {interface}"),
        Way::Nowhere(why) => why.to_string(),
    };
    format!("{source} > {} {way}", exit.destination)
}

fn pool(net: &str, nat_outgoing: bool) -> Pool {
    Pool {
        net: net.parse().expect("a net"),
        nat_outgoing,
        ip_in_ip: false,
        vxlan: false,
        for_services: false,
    }
}

/// The first workload has a floating address, in the network behind the first uplink.
fn floating() -> Stand {
    let mut stand = Stand::new();
    stand.world.workloads[0].floating = vec![FloatingAddress {
        outside: address("192.168.1.77"),
        inside: address("10.65.0.1"),
    }];
    stand
}

#[test]
fn i17_packets_keep_their_addresses() {
    let mut stand = Stand::new();
    assert_eq!(exit(&stand, W1_TO_FAR), "10.65.0.1 > 8.8.8.8 out of eth0");
    stand.world.pools = vec![pool("10.65.0.0/16", false)];
    assert_eq!(exit(&stand, W1_TO_FAR), "10.65.0.1 > 8.8.8.8 out of eth0");
    let shut = stand.policy("shut", vec![deny()], vec![deny()]);
    stand.world.workloads[0].policies = vec![shut];
    assert_eq!(exit(&stand, W1_TO_FAR), "nowhere");
}

#[test]
fn i17_outgoing_nat_is_for_what_leaves_the_pools() {
    let mut stand = Stand::new();
    stand.world.pools = vec![pool("10.65.0.1/32", true), pool("10.65.0.2/32", false)];
    assert_eq!(exit(&stand, W1_TO_FAR), "the node > 8.8.8.8 out of eth0");
    assert!(stand.takes_part(W1_TO_FAR, Clause::I17OutgoingNat));
    let to_pool = "in=cali1 tcp 10.65.0.1:1 > 10.65.0.2:2";
    assert_eq!(exit(&stand, to_pool), "10.65.0.1 > 10.65.0.2 out of cali2");
    let of_other = "in=cali2 tcp 10.65.0.2:1 > 8.8.8.8:2";
    assert_eq!(exit(&stand, of_other), "10.65.0.2 > 8.8.8.8 out of eth0");
    // What ends at the node does not leave, and the node is no workload.
    stand.world.configuration.endpoint_to_host =
        calidiff::calico::configuration::EndpointToHost::Accept;
    let to_node = "in=cali1 tcp 10.65.0.1:1 > 192.168.1.1:2";
    assert_eq!(exit(&stand, to_node), "10.65.0.1 > 192.168.1.1 local");
    let from_node = "from=node tcp 10.65.0.1:1 > 8.8.8.8:2";
    assert_eq!(exit(&stand, from_node), "10.65.0.1 > 8.8.8.8 out of eth0");
}

#[test]
fn i17_outgoing_nat_is_for_new_connections() {
    let mut stand = Stand::new();
    stand.world.pools = vec![pool("10.65.0.0/16", true)];
    stand.connection("tcp 10.65.0.1:1000 > 8.8.8.8:80 replied");
    assert_eq!(exit(&stand, W1_TO_FAR), "10.65.0.1 > 8.8.8.8 out of eth0");
    assert!(!stand.takes_part(W1_TO_FAR, Clause::I17OutgoingNat));
    let untracked = "in=cali1 tcp 10.65.0.1:1001 > 8.8.8.8:80 untracked";
    assert_eq!(exit(&stand, untracked), "10.65.0.1 > 8.8.8.8 out of eth0");
}

#[test]
fn i17_a_floating_address_stands_for_its_workloads() {
    let mut stand = floating();
    for (line, expected) in [
        (
            "in=eth0 tcp 8.8.8.8:1 > 192.168.1.77:80",
            "8.8.8.8 > 10.65.0.1 out of cali1",
        ),
        (
            "in=cali2 tcp 10.65.0.2:1 > 192.168.1.77:80",
            "10.65.0.2 > 10.65.0.1 out of cali1",
        ),
        (
            "from=node tcp 192.168.1.1:1 > 192.168.1.77:80",
            "192.168.1.1 > 10.65.0.1 out of cali1",
        ),
        (
            "in=eth1 tcp 192.168.2.9:1 > 192.168.1.78:80",
            "192.168.2.9 > 192.168.1.78 out of eth0",
        ),
    ] {
        assert_eq!(exit(&stand, line), expected, "{line}");
    }
    // The workload's ingress judges it, by the real destination.
    let applied = stand.policy("a", vec![super::stand::to_port(deny(), 80)], Vec::new());
    stand.world.workloads[0].policies = vec![applied];
    stand.world.tiers[0].policies[0].ingress[0].destination.nets =
        vec!["10.65.0.1/32".parse().expect("a net")];
    assert_eq!(
        stand.says("in=eth0 tcp 8.8.8.8:1 > 192.168.1.77:80"),
        "deny I3.policy-denies"
    );
    // It is no source.
    assert_eq!(
        stand.says("in=cali1 tcp 192.168.1.77:1 > 8.8.8.8:80"),
        "deny I6.spoofed"
    );
}

#[test]
fn i17_a_workload_reaches_itself_by_its_floating_address() {
    let mut stand = floating();
    let line = "in=cali1 tcp 10.65.0.1:1 > 192.168.1.77:80";
    assert_eq!(exit(&stand, line), "192.168.1.77 > 10.65.0.1 out of cali1");
    assert!(stand.takes_part(line, Clause::I17Itself));
    // Its own ingress is asked.
    let shut = stand.policy("shut", vec![deny()], vec![super::stand::allow()]);
    stand.world.workloads[0].policies = vec![shut];
    assert_eq!(stand.says(line), "deny I3.policy-denies");
}

#[test]
fn i17_a_connection_keeps_its_addresses() {
    let mut stand = Stand::new();
    stand.connection(
        "tcp 8.8.8.8:1 > 192.168.1.77:80 replied answers=(tcp 10.65.0.1:80 > 8.8.8.8:1)",
    );
    stand.connection(
        "udp 10.65.0.1:5 > 8.8.8.8:53 replied answers=(udp 8.8.8.8:53 > 192.168.1.1:5)",
    );
    for (line, expected) in [
        (
            "in=eth0 tcp 8.8.8.8:1 > 192.168.1.77:80 flags=ACK",
            "8.8.8.8 > 10.65.0.1 out of cali1",
        ),
        (
            "in=cali1 tcp 10.65.0.1:80 > 8.8.8.8:1 flags=ACK",
            "192.168.1.77 > 8.8.8.8 out of eth0",
        ),
        (
            "in=cali1 udp 10.65.0.1:5 > 8.8.8.8:53",
            "192.168.1.1 > 8.8.8.8 out of eth0",
        ),
        (
            "in=eth0 udp 8.8.8.8:53 > 192.168.1.1:5",
            "8.8.8.8 > 10.65.0.1 out of cali1",
        ),
        (
            "in=eth0 icmp 9.9.9.9 > 192.168.1.1 type=3/1 quotes=(udp 192.168.1.1:5 > 8.8.8.8:53)",
            "9.9.9.9 > 10.65.0.1 out of cali1",
        ),
        (
            "in=cali1 icmp 10.65.0.1 > 8.8.8.8 type=3/3 quotes=(tcp 8.8.8.8:1 > 10.65.0.1:80)",
            "192.168.1.77 > 8.8.8.8 out of eth0",
        ),
    ] {
        assert_eq!(exit(&stand, line), expected, "{line}");
    }
}
