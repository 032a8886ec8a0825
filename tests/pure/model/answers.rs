//! What the node answers: REJECT's and routing's.

use calidiff::journey::Journey;

use super::{Case, end, last};

fn told(answer: &Journey) -> String {
    let headers = answer.sights.last().unwrap().headers;
    let [kind, code] = headers.ports.source.to_be_bytes();
    let (source, destination) = (headers.source, headers.destination);
    let (hops, class) = (headers.hops, headers.traffic_class);
    format!(
        "{} icmp {kind}/{code} {source} > {destination} ttl={hops} tos={class:#x}",
        end(answer)
    )
}

#[test]
fn a_rejected_packet_is_answered_with_an_error() {
    let case = Case::v4("*filter\n-A FORWARD -j REJECT\nCOMMIT\n");
    let journey = case.journey("in=eth0 udp 10.99.0.9:1 > 10.65.0.2:1 tos=0x13 mark=0x5");
    assert_eq!(end(&journey), "dropped FORWARD entry 0x5");
    assert_eq!(journey.answers.len(), 1);
    // Without a mark, and from the address that the route to the sender prefers.
    assert_eq!(
        told(&journey.answers[0]),
        "sent eth0 0x0 icmp 3/3 192.168.7.1 > 10.99.0.9 ttl=64 tos=0xd2"
    );
}

#[test]
fn a_node_without_addresses_speaks_from_the_dummy() {
    let case = Case::v4("*filter\n-A FORWARD -j REJECT\nCOMMIT\n")
        .node(|node| node.interfaces[1].addresses.clear());
    let journey = case.journey("in=cali1 udp 10.65.0.2:1 > 10.98.0.1:1");
    assert_eq!(
        told(&journey.answers[0]),
        "sent cali1 0x0 icmp 3/3 192.0.0.8 > 10.65.0.2 ttl=64 tos=0xc0"
    );
}

#[test]
fn a_reset_comes_from_the_destination() {
    let case = Case::v4("*filter\n-A FORWARD -p tcp -j REJECT --reject-with tcp-reset\nCOMMIT\n");
    let journey = case.journey("in=eth0 tcp 10.99.0.9:1000 > 10.65.0.2:80");
    assert_eq!(last(&journey.answers[0]), "10.65.0.2:80 > 10.99.0.9:1000");
    assert_eq!(end(&journey.answers[0]), "sent eth0 0x0");
    let silent = [
        "in=eth0 tcp 10.99.0.9:1000 > 10.65.0.2:80 flags=RST",
        "in=eth0 tcp 10.99.0.9:1000 > 10.65.0.2:80 bad=transport-checksum",
    ];
    for packet in silent {
        assert!(case.journey(packet).answers.is_empty(), "{packet}");
    }
}

#[test]
fn some_packets_are_never_answered() {
    let case = Case::v4("*filter\n-A INPUT -j REJECT\n-A FORWARD -j REJECT\nCOMMIT\n");
    for packet in [
        // Broadcasts, errors, unknown types, later fragments, bad sums.
        "in=eth0 udp 10.99.0.9:1 > 255.255.255.255:1",
        "in=eth0 udp 10.99.0.9:1 > 192.168.7.255:1",
        "in=eth0 icmp 10.99.0.9 > 10.65.0.2 type=3/1",
        "in=eth0 icmp 10.99.0.9 > 10.65.0.2 type=40/0",
        "in=eth0 udp 10.99.0.9:1 > 10.65.0.2:1 frag=8+ len=8",
        "in=eth0 udp 10.99.0.9:1 > 10.65.0.2:1 bad=transport-checksum",
    ] {
        assert!(case.journey(packet).answers.is_empty(), "{packet}");
    }
}

#[test]
fn a_rejection_in_output_is_answered_over_lo() {
    let case = Case::v4("*filter\n-A OUTPUT -p udp -j REJECT\nCOMMIT\n");
    let journey = case.journey("from=node udp 192.168.7.1:1 > 10.99.0.9:1");
    assert_eq!(end(&journey), "dropped OUTPUT entry 0x0");
    assert_eq!(
        told(&journey.answers[0]),
        "local 0x0 icmp 3/3 192.168.7.1 > 192.168.7.1 ttl=64 tos=0xc0"
    );
}

#[test]
fn an_answer_is_related_and_goes_through_output() {
    let case = Case::v4(
        "*filter\n-A FORWARD -j REJECT\n\
         -A OUTPUT -m conntrack --ctstate RELATED -m owner --socket-exists -j DROP\nCOMMIT\n",
    );
    let journey = case.journey("in=eth0 udp 10.99.0.9:1 > 10.65.0.2:1");
    assert_eq!(end(&journey.answers[0]), "dropped OUTPUT entry 0x0");
}

#[test]
fn routing_answers_for_hops_and_dead_ends() {
    let case = Case::bare();
    for (packet, expected) in [
        (
            "in=eth0 udp 10.99.0.9:1 > 10.65.0.2:1 ttl=1",
            "sent eth0 0x0 icmp 11/0 192.168.7.1 > 10.99.0.9 ttl=64 tos=0xc0",
        ),
        (
            "in=eth0 udp [fd00:99::9]:1 > [fd00:65::2]:1 ttl=1",
            "sent eth0 0x0 icmp 3/0 2001:db8:7::1 > fd00:99::9 ttl=64 tos=0x0",
        ),
        (
            "in=eth0 udp [fd00:99::9]:1 > [fd00:2::1]:1",
            "sent eth0 0x0 icmp 1/0 2001:db8:7::1 > fd00:99::9 ttl=64 tos=0x0",
        ),
        (
            "in=eth0 udp [fd00:99::9]:1 > [fd00:3::1]:1",
            "sent eth0 0x0 icmp 1/1 2001:db8:7::1 > fd00:99::9 ttl=64 tos=0x0",
        ),
    ] {
        let journey = case.journey(packet);
        assert_eq!(end(&journey), "unrouted PREROUTING entry 0x0", "{packet}");
        assert_eq!(told(&journey.answers[0]), expected, "{packet}");
    }
}

// net/ipv4/route.c, `ip_error`: a bucket of tokens for each sender decides.
#[test]
fn of_ipv4s_dead_ends_the_sender_may_or_may_not_hear() {
    let case = Case::bare();
    for (destination, code) in [("9.9.9.9", 0), ("10.2.0.1", 1), ("10.3.0.1", 13)] {
        let possible = case.possible(&format!("in=eth0 udp 10.99.0.9:1 > {destination}:1"));
        let answers: Vec<Vec<String>> = possible
            .iter()
            .map(|one| one.journey.answers.iter().map(told).collect())
            .collect();
        let told = format!("sent eth0 0x0 icmp 3/{code} 192.168.7.1 > 10.99.0.9 ttl=64 tos=0xc0");
        assert_eq!(answers, [vec![told], vec![]]);
    }
}
