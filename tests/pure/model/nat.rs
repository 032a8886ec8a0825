//! Address translation.

use calidiff::journey::Open;

use super::{Case, end, last};

#[test]
fn a_translated_destination_is_routed() {
    let case = Case::v4(
        "*nat\n-A PREROUTING -d 192.168.7.1 -p tcp --dport 80 -j DNAT --to-destination 10.65.0.2:8080\n\
         COMMIT\n*filter\n-A FORWARD -m conntrack ! --ctstate DNAT -j DROP\nCOMMIT\n",
    );
    let journey = case.journey("in=eth0 tcp 10.99.0.9:1000 > 192.168.7.1:80");
    assert_eq!(end(&journey), "sent cali1 0x0");
    assert_eq!(last(&journey), "10.99.0.9:1000 > 10.65.0.2:8080");
}

// In nat OUTPUT the hook has its out interface already; POSTROUTING has the new one.
#[test]
fn filter_output_sees_the_interface_from_before_the_translation() {
    let case = Case::v4(
        "*nat\n-A OUTPUT -d 10.99.0.9 -j DNAT --to-destination 10.65.0.2\nCOMMIT\n\
         *filter\n-A OUTPUT -o eth0 -d 10.65.0.2 -j MARK --set-mark 0x1\nCOMMIT\n",
    );
    assert_eq!(
        case.end("from=node udp 192.168.7.1:1 > 10.99.0.9:2"),
        "sent cali1 0x1"
    );
}

// net/ipv6/netfilter.c, `ip6_route_me_harder`: to a group goes by the interface that it had, and `lo` has no route
// to any.
#[test]
fn what_is_translated_to_a_group_keeps_its_interface_or_is_lost() {
    let case = Case::v6("*nat\n-A OUTPUT -j DNAT --to-destination ff02::1\nCOMMIT\n");
    for (destination, expected) in [
        ("2001:db8:7::9", "sent eth0 0x0"),
        ("fd00:65::2", "sent cali1 0x0"),
        ("2001:db8:7::1", "dropped OUTPUT entry 0x0"),
    ] {
        let packet = format!("from=node udp [2001:db8:7::1]:1 > [{destination}]:2");
        assert_eq!(case.end(&packet), expected, "{destination}");
    }
}

// net/netfilter/nf_nat_redirect.c, `nf_nat_redirect_ipv6_usable`: what is compatible with IPv4 asks for an address
// of the kind, of which the interface has none.
#[test]
fn redirect_of_an_address_compatible_with_ipv4_wants_one_like_it() {
    let case = Case::v6("*nat\n-A PREROUTING -p udp -j REDIRECT --to-ports 53\nCOMMIT\n");
    let end = |to: &str| case.end(&format!("in=eth0 udp [fd00:99::9]:1 > [{to}]:80"));
    assert_eq!(end("::2"), "dropped PREROUTING entry 0x0");
    assert_eq!(end("2001:db8:9::2"), "local 0x0");
}

#[test]
fn masquerade_takes_another_interfaces_address_where_its_own_has_none() {
    let case = Case::v4("*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n");
    for (destination, expected) in [
        ("10.98.0.1", "192.168.7.1:1000 > 10.98.0.1:53"),
        ("10.99.0.9", "192.168.7.1:1000 > 10.99.0.9:53"),
    ] {
        let journey = case.journey(&format!("in=cali1 udp 10.65.0.2:1000 > {destination}:53"));
        assert_eq!(last(&journey), expected);
    }
}

#[test]
fn a_random_port_is_left_open() {
    let case = Case::v4("*nat\n-A POSTROUTING -p udp -j MASQUERADE --to-ports 1024-1031\nCOMMIT\n");
    let outside = case.possible("in=cali1 udp 10.65.0.2:53 > 10.99.0.9:53");
    assert_eq!(
        outside[0].open.as_slice(),
        [Open {
            since: 2,
            source: true,
            first: 1024,
            last: 1031
        }]
    );
    let inside = case.possible("in=cali1 udp 10.65.0.2:1030 > 10.99.0.9:53");
    assert!(inside[0].open.is_empty());
}

#[test]
fn an_address_range_is_followed_address_by_address() {
    let rules = |range: &str| {
        let target = format!("-j DNAT --to-destination {range}");
        Case::v4(&format!(
            "*nat\n-A PREROUTING -d 192.168.7.1 {target}\nCOMMIT\n"
        ))
    };
    let packet = "in=eth0 tcp 10.99.0.9:1 > 192.168.7.1:80";
    let possible = rules("10.98.0.1-10.98.0.3").possible(packet);
    let ends: Vec<String> = possible.iter().map(|one| last(&one.journey)).collect();
    assert_eq!(
        ends,
        [
            "10.99.0.9:1 > 10.98.0.1:80",
            "10.99.0.9:1 > 10.98.0.2:80",
            "10.99.0.9:1 > 10.98.0.3:80"
        ]
    );
    let many = rules("10.98.0.1-10.98.1.1").answer(packet);
    assert!(matches!(many, calidiff::journey::Answer::Unjudged(_)));
}

#[test]
fn netmap_keeps_the_host_bits_and_redirect_comes_home() {
    let case = Case::v4(
        "*nat\n-A PREROUTING -d 172.16.5.0/24 -j NETMAP --to 10.99.3.0/24\n\
         -A PREROUTING -p tcp --dport 81 -j REDIRECT --to-ports 82\n\
         -A OUTPUT -p tcp --dport 81 -j REDIRECT\nCOMMIT\n",
    );
    let mapped = case.journey("in=cali1 udp 10.65.0.2:1 > 172.16.5.77:9");
    assert_eq!(last(&mapped), "10.65.0.2:1 > 10.99.3.77:9");
    let home = case.journey("in=eth0 tcp 10.99.0.9:1 > 10.65.0.2:81");
    assert_eq!(end(&home), "local 0x0");
    assert_eq!(last(&home), "10.99.0.9:1 > 192.168.7.1:82");
    // cali1 has no address to redirect to (nf_nat_redirect.c).
    let nowhere = case.journey("in=cali1 tcp 10.65.0.2:1 > 10.99.0.9:81");
    assert_eq!(end(&nowhere), "dropped PREROUTING entry 0x0");
    let own = case.journey("from=node tcp 192.168.7.1:1 > 10.99.0.9:81");
    assert_eq!(end(&own), "local 0x0");
    assert_eq!(last(&own), "192.168.7.1:1 > 127.0.0.1:81");
}

#[test]
fn packets_of_translated_connections_are_translated() {
    let case = Case::v4(
        "*nat\n-A PREROUTING -j DNAT --to-destination 10.98.0.1\nCOMMIT\n\
         *filter\n-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT\n-A FORWARD -j DROP\nCOMMIT\n",
    )
    .connection(
        "replied tcp 10.99.0.9:1000 > 192.168.7.1:80 answers=(tcp 10.65.0.2:8080 > 10.99.0.9:1000)",
    );
    let there = case.journey("in=eth0 tcp 10.99.0.9:1000 > 192.168.7.1:80 flags=ACK");
    assert_eq!(end(&there), "sent cali1 0x0");
    assert_eq!(last(&there), "10.99.0.9:1000 > 10.65.0.2:8080");
    let back = case.journey("in=cali1 tcp 10.65.0.2:8080 > 10.99.0.9:1000 flags=ACK");
    assert_eq!(end(&back), "sent eth0 0x0");
}

// `get_unique_tuple`: a reply that another connection already has makes the port give way.
#[test]
fn a_clash_moves_the_port() {
    let case = Case::v4("*nat\n-A POSTROUTING -j SNAT --to-source 192.168.7.1\nCOMMIT\n")
        .connection("replied udp 192.168.7.1:1500 > 10.99.0.9:53");
    let possible = case.possible("in=cali1 udp 10.65.0.2:1500 > 10.99.0.9:53");
    assert_eq!(
        (possible[0].open[0].first, possible[0].open[0].last),
        (1024, 65535)
    );
}
