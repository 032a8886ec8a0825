//! Where packets go without any rule: KERNEL's routing verdicts, IPv4 and IPv6.

use calidiff::node::ReversePath;

use super::{Case, end, last};

fn plain() -> Case {
    Case::bare()
}

#[test]
fn transit_leaves_with_one_hop_less() {
    let journey = plain().journey("in=cali1 tcp 10.65.0.2:1 > 10.99.0.9:80 ttl=7");
    assert_eq!(end(&journey), "sent eth0 0x0");
    let hops: Vec<u8> = journey
        .sights
        .iter()
        .map(|sight| sight.headers.hops)
        .collect();
    assert_eq!(hops, [7, 6, 6]);
}

// net/ipv4/route.c, `ip_route_input_slow`.
#[test]
fn ipv4_martians_end_after_prerouting() {
    for packet in [
        "in=eth0 udp 192.168.7.1:1 > 10.65.0.2:1",
        "in=eth0 udp 127.0.0.1:1 > 10.65.0.2:1",
        "in=eth0 udp 224.0.0.5:1 > 10.65.0.2:1",
        "in=eth0 udp 255.255.255.255:1 > 10.65.0.2:1",
        "in=eth0 udp 0.0.0.0:1 > 10.65.0.2:1",
        "in=eth0 udp 10.99.0.9:1 > 127.0.0.1:1",
        "in=eth0 udp 10.99.0.9:1 > 0.0.0.0:1",
        "in=eth0 udp 10.99.0.9:1 > 239.1.1.1:1",
        "in=eth0 udp 10.99.0.9:1 > 10.1.0.1:1",
    ] {
        let journey = plain().journey(packet);
        assert_eq!(end(&journey), "unrouted PREROUTING entry 0x0", "{packet}");
        assert!(journey.answers.is_empty(), "{packet}");
    }
}

#[test]
fn what_is_for_the_node_goes_to_input() {
    for packet in [
        "in=cali1 udp 10.65.0.2:1 > 192.168.7.1:1",
        "in=eth0 udp 10.99.0.9:1 > 192.168.7.255:1",
        "in=eth0 udp 10.99.0.9:1 > 255.255.255.255:1",
        "in=eth0 udp 0.0.0.0:68 > 255.255.255.255:67",
        "in=eth0 udp 10.99.0.9:1 > 224.0.0.1:1",
        "in=eth0 udp [fd00:99::9]:1 > [2001:db8:7::1]:1",
        // The subnet-router address, of a node that forwards.
        "in=eth0 udp [fd00:99::9]:1 > [2001:db8:7::]:1",
        "in=eth0 udp [fd00:99::9]:1 > [ff02::1]:1",
        "in=eth0 udp [::]:1 > [2001:db8:7::1]:1",
        // IPv6 lets the node's own address in from outside.
        "in=eth0 udp [2001:db8:7::1]:1 > [2001:db8:7::1]:2",
    ] {
        assert_eq!(plain().end(packet), "local 0x0", "{packet}");
    }
}

// Since Linux 5.14 a network's first address is an ordinary one.
#[test]
fn the_network_address_is_forwarded() {
    let packet = "in=cali1 udp 10.65.0.2:1 > 192.168.7.0:1";
    assert_eq!(plain().end(packet), "sent eth0 0x0");
}

// net/ipv6/ip6_input.c, `ip6_rcv_core`.
#[test]
fn some_ipv6_headers_reach_no_hook() {
    for packet in [
        "in=eth0 udp [::1]:1 > [fd00:65::2]:1",
        "in=eth0 udp [fd00:99::9]:1 > [::1]:1",
        "in=eth0 udp [ff02::5]:1 > [fd00:65::2]:1",
        "in=eth0 udp [fd00:99::9]:1 > [ff01::1]:1",
    ] {
        assert_eq!(plain().end(packet), "unhooked", "{packet}");
    }
    let bad = "in=eth0 udp 10.99.0.9:1 > 10.65.0.2:1 bad=header-checksum";
    assert_eq!(plain().end(bad), "unhooked");
}

#[test]
fn reverse_path_is_asked_where_the_interface_says_so() {
    let checks = |setting| {
        plain().node(|node| {
            for interface in &mut node.interfaces {
                interface.reverse_path = setting;
            }
        })
    };
    let spoofed = "in=cali1 udp 10.99.0.9:1 > 10.98.0.1:1";
    assert_eq!(plain().end(spoofed), "sent tunl0 0x0");
    let strict = checks(ReversePath::Strict);
    assert_eq!(strict.end(spoofed), "unrouted PREROUTING entry 0x0");
    let dhcp = "in=cali1 udp 0.0.0.0:68 > 255.255.255.255:67";
    assert_eq!(strict.end(dhcp), "local 0x0");
    // `__fib_validate_source`: an interface without an address falls to the last resort, which any
    // check refuses; one with an address is content with a way back by another.
    let loose = checks(ReversePath::Loose);
    assert_eq!(loose.end(spoofed), "unrouted PREROUTING entry 0x0");
    let by_uplink = "in=eth0 udp 10.65.0.2:1 > 10.98.0.1:1";
    assert_eq!(loose.end(by_uplink), "sent tunl0 0x0");
    let unknown = "in=eth0 udp 9.9.9.9:1 > 10.98.0.1:1";
    assert_eq!(loose.end(unknown), "unrouted PREROUTING entry 0x0");
}

#[test]
fn route_localnet_lets_loopback_addresses_in() {
    let packet = "in=cali1 udp 10.65.0.2:1 > 127.0.0.1:1";
    let open = plain().node(|node| node.interfaces[0].route_localnet = true);
    assert_eq!(open.end(packet), "local 0x0");
}

#[test]
fn without_forwarding_transit_ends_silently() {
    let still = plain().node(|node| {
        node.forwards_v4 = false;
        node.forwards_v6 = false;
    });
    for packet in [
        "in=cali1 udp 10.65.0.2:1 > 10.99.0.9:1",
        "in=cali1 udp 10.65.0.2:1 > 10.2.0.1:1",
        "in=cali1 udp [fd00:65::2]:1 > [fd00:99::9]:1",
    ] {
        let journey = still.journey(packet);
        assert_eq!(end(&journey), "unrouted PREROUTING entry 0x0", "{packet}");
        assert!(journey.answers.is_empty(), "{packet}");
    }
}

#[test]
fn the_node_to_itself_goes_over_lo_twice() {
    let journey = plain().journey("from=node udp 192.168.7.1:1 > 192.168.7.1:2 mark=0x9");
    assert_eq!(end(&journey), "local 0x9");
    let way: Vec<String> = journey
        .sights
        .iter()
        .map(|sight| {
            let name = |interface: Option<calidiff::packet::InterfaceName>| {
                interface.map_or("-".to_owned(), |name| name.to_string())
            };
            let (by, to) = (name(sight.in_interface), name(sight.out_interface));
            format!("{} {by} {to}", sight.point.hook)
        })
        .collect();
    assert_eq!(
        way,
        [
            "OUTPUT - lo",
            "POSTROUTING - lo",
            "PREROUTING lo -",
            "INPUT lo -"
        ]
    );
}

#[test]
fn the_node_finds_no_way_before_output() {
    for packet in [
        "from=node udp 192.168.7.1:1 > 9.9.9.9:1",
        "from=node udp 192.168.7.1:1 > 10.1.0.1:1",
        "from=node udp [2001:db8:7::1]:1 > [2001:4860::1]:1",
    ] {
        assert_eq!(plain().end(packet), "unrouted", "{packet}");
    }
}

// `raw_send_hdrinc` in net/ipv4/raw.c.
#[test]
fn an_absent_source_is_filled_in() {
    let journey = plain().journey("from=node udp 0.0.0.0:1 > 10.99.0.9:2");
    assert_eq!(last(&journey), "192.168.7.1:1 > 10.99.0.9:2");
}

#[test]
fn a_lone_fragment_is_forwarded_but_not_delivered() {
    let case = plain();
    let transit = "in=eth0 udp 10.99.0.9:1 > 10.65.0.2:1 frag=0+ untracked";
    assert_eq!(case.end(transit), "sent cali1 0x0");
    let local = "in=eth0 udp 10.99.0.9:1 > 192.168.7.1:1 frag=0+ untracked";
    assert_eq!(case.end(local), "unrouted PREROUTING entry 0x0");
    // IPv6 puts them together behind the hook.
    let local_v6 = "in=eth0 udp [fd00:99::9]:1 > [2001:db8:7::1]:1 frag=0+ untracked";
    assert_eq!(case.end(local_v6), "local 0x0");
}

#[test]
fn the_node_sends_to_all_and_to_groups() {
    for (packet, expected) in [
        (
            "from=node udp 192.168.7.1:1 > 192.168.7.255:1",
            "sent eth0 0x0",
        ),
        ("from=node udp 192.168.7.1:1 > 224.0.0.9:1", "unrouted"),
        ("from=node udp [2001:db8:7::1]:1 > [ff02::9]:1", "unrouted"),
    ] {
        assert_eq!(plain().end(packet), expected, "{packet}");
    }
}
