//! The seed's era: what its API can't say is refused; IPv6 governed or not; what routing decides.

use calidiff::calico::rule::Ports;
use calidiff::calico::world::{HostInterface, Stage};
use calidiff::intent::{Era, Judge};

use super::stand::{FAR_TO_NODE, Stand, W1_TO_FAR, allow, with};

fn refusal(stand: &Stand) -> String {
    match Judge::new(&stand.world, &stand.node, Era::Seed) {
        Ok(_) => "taken".to_owned(),
        Err(why) => why.to_string(),
    }
}

#[test]
fn what_the_api_of_the_era_can_not_say_is_refused() {
    assert_eq!(refusal(&Stand::new()), "taken");
    for (stage, what) in [
        (Stage::Forward, "applyOnForward"),
        (Stage::PreDnat, "preDNAT"),
    ] {
        let mut stand = Stand::new();
        stand.policy_of(0, "a", stage, Vec::new(), Vec::new());
        let expected = format!("the seed era has no {what}: the policy `a` has one");
        assert_eq!(refusal(&stand), expected);
    }
    let named = with(allow(), |rule| {
        rule.source.not_ports = vec![Ports::Named("http".to_owned())];
    });
    let mut stand = Stand::new();
    stand.policy("a", Vec::new(), vec![named.clone()]);
    assert_eq!(
        refusal(&stand),
        "the seed era has no named ports: the policy `a` has one"
    );
    let mut stand = Stand::new();
    if let Some(profile) = stand.world.profiles.get_mut("open") {
        profile.egress.push(named);
    }
    assert_eq!(
        refusal(&stand),
        "the seed era has no named ports: the profile `open` has one"
    );
    let mut stand = Stand::new();
    stand.host("h", "eth0", Vec::new());
    stand.world.hosts[0].of = HostInterface::All;
    assert_eq!(
        refusal(&stand),
        "the seed era has no wildcard host endpoints: the host endpoint `h` has one"
    );
}

#[test]
fn without_ipv6_support_calico_has_no_opinion_on_ipv6() {
    let mut stand = Stand::new();
    stand.world.configuration.ipv6 = false;
    for line in [
        "in=cali1 tcp [fe80::9]:1 > [fd00:65::2]:2",
        "in=cali9 tcp [fd00:65::9]:1 > [fd00:1::1]:2",
    ] {
        assert_eq!(stand.says(line), "defer ungoverned");
    }
    assert_eq!(stand.says(W1_TO_FAR), "allow I3.profile-allows");
}

#[test]
fn what_is_not_governed_keeps_its_connections_addresses() {
    let mut stand = Stand::new();
    stand.world.configuration.ipv6 = false;
    stand.connection(
        "tcp [fd00:1::8]:1 > [fd00:1::9]:2 answers=(tcp [fd00:1::1]:2 > [fd00:1::8]:1) replied",
    );
    let opinion = stand.opinion("in=eth0 tcp [fd00:1::8]:1 > [fd00:1::9]:2 flags=ACK");
    let exit = opinion.exit.expect("it comes out");
    assert_eq!(exit.way, calidiff::node::routing::Way::Local);
    assert_eq!(exit.destination.to_string(), "fd00:1::1");
}

#[test]
fn a_piece_for_the_node_waits_for_the_others_though_untracked() {
    let stand = Stand::new();
    let piece = "in=eth0 udp 8.8.8.8:1 > 192.168.1.1:2 untracked frag=0+";
    assert_eq!(stand.says(piece), "defer unrouted");
    let through = "in=eth0 udp 8.8.8.8:1 > 10.65.0.1:2 untracked frag=0+";
    assert_ne!(stand.says(through), "defer unrouted");
}

#[test]
fn what_routing_ends_calico_has_no_opinion_on() {
    let mut stand = Stand::new();
    for (line, words) in [
        ("in=eth0 tcp 8.8.8.8:1 > 10.1.0.1:2", "no route leads there"),
        (
            "in=cali1 tcp 10.65.0.1:1 > 10.1.0.1:2",
            "no route leads there",
        ),
        (
            "from=node tcp 192.168.1.1:1 > 10.1.0.1:2",
            "no route leads there",
        ),
        (
            "in=eth0 tcp 127.0.0.1:1 > 192.168.1.1:2",
            "its source address is refused",
        ),
        (
            "in=eth0 tcp 8.8.8.8:1 > 10.65.0.1:2 ttl=1",
            "it has no hops left",
        ),
        (
            "in=eth0 udp 8.8.8.8:1 > 10.65.0.1:2 bad=header-checksum",
            "its header is refused on sight",
        ),
        (
            "in=eth0 udp 8.8.8.8:1 > 10.65.0.1:2 frag=0+",
            "it is a fragment, and the others don't come",
        ),
    ] {
        assert_eq!(stand.says(line), "defer unrouted", "{line}");
        assert_eq!(stand.words(line), [format!("unrouted: {words}")], "{line}");
        assert_eq!(stand.opinion(line).exit, None);
    }
    stand.connection("tcp 8.8.8.8:1 > 10.1.0.1:2 replied");
    assert_eq!(
        stand.says("in=eth0 tcp 8.8.8.8:1 > 10.1.0.1:2"),
        "defer unrouted"
    );
    stand.node.forwards_v4 = false;
    assert_eq!(stand.says(W1_TO_FAR), "defer unrouted");
    assert_eq!(stand.says(FAR_TO_NODE), "defer I9.no-endpoint");
}

/// Routing asks no socket for its source: `lo` does, when it brings the packet back with whichever it then has.
#[test]
fn a_source_that_a_connection_gives_is_the_one_that_comes_back() {
    let mut stand = Stand::new();
    let packet = "from=node tcp [ff02::5a]:12 > [::1]:80";
    assert_eq!(stand.says(packet), "defer unrouted");
    stand.connection("tcp [ff02::5a]:12 > [::1]:80 answers=(tcp [::1]:80 > [::1]:12) replied");
    let again = format!("{packet} flags=ACK");
    assert_ne!(stand.says(&again), "defer unrouted");
    let exit = stand.opinion(&again).exit.expect("it comes back");
    assert_eq!(exit.way, calidiff::node::routing::Way::Local);
}

#[test]
fn whose_answers_are_anothers_comes_to_nothing_where_no_port_gives_way() {
    let mut stand = Stand::new();
    let packet = |protocol: &str| format!("from=node {protocol} 127.0.0.5 > 192.168.1.1");
    assert_ne!(stand.says(&packet("proto=253")), "defer unrouted");
    stand.connection(
        "proto=253 192.168.1.1 > 127.0.0.5 answers=(proto=253 127.0.0.5 > 127.0.0.9) replied",
    );
    assert_eq!(
        stand.words(&packet("proto=253")),
        ["unrouted: its answers would be another connection's"]
    );
    assert_ne!(stand.says(&packet("proto=252")), "defer unrouted");
    let with_ports = "from=node udp 127.0.0.5:1 > 192.168.1.1:2";
    stand.connection(
        "udp 192.168.1.1:2 > 127.0.0.5:1 answers=(udp 127.0.0.5:1 > 127.0.0.9:2) replied",
    );
    assert_ne!(stand.says(with_ports), "defer unrouted");
}

#[test]
fn what_is_not_tracked_is_not_put_together() {
    let stand = Stand::new();
    let piece = "in=eth0 udp 8.8.8.8:1 > 10.65.0.1:2 frag=9";
    assert_eq!(stand.says(piece), "defer unrouted");
    assert_eq!(
        stand.says(&format!("{piece} untracked")),
        "allow I3.profile-allows"
    );
    // The whole, marked as a fragment.
    assert_eq!(
        stand.says(&piece.replace("frag=9", "frag=0")),
        "allow I3.profile-allows"
    );
}
