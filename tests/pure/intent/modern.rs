//! What the modern era can say and the seed's can't: tiers that pass, staged policies, what host endpoints
//! forward, preDNAT, wildcard endpoints, failsafe ports of all kinds, ports by name, services, what the
//! options say of workloads and of outgoing NAT.

use std::net::IpAddr;

use calidiff::calico::configuration::modern::{AllowAction, Failsafe, NatExclusions, ServiceLoops};
use calidiff::calico::resources::NamedPort;
use calidiff::calico::rule::{NamedProtocol, Ports, RuleProtocol, ServiceName};
use calidiff::calico::world::{
    DefaultAction, FloatingAddress, HostEndpoint, HostInterface, Pool, Selectable, ServiceEndpoint,
    Stage,
};
use calidiff::intent::{Clause, Others, Source, Verdict};
use calidiff::packet::Protocol;

use super::stand::{
    FAR_TO_NODE, FAR_TO_W1, NODE_TO_FAR, NODE_TO_W1, Stand, TRANSIT, W1_TO_FAR, W1_TO_NODE,
    W1_TO_W2, allow, deny, pass, tier, to_port, with,
};

const KNOWN: &str = "tcp 8.8.8.8:1000 > 10.65.0.1:80 replied";

fn wildcard(stand: &mut Stand, policies: Vec<calidiff::calico::world::Applied>) {
    stand.world.hosts.push(HostEndpoint {
        name: "all".to_owned(),
        of: HostInterface::All,
        expected_addresses: Vec::new(),
        policies,
        profiles: Vec::new(),
        dscp: None,
    });
}

#[test]
fn i3_pass_goes_on_to_the_next_tier_and_only_then_to_the_profiles() {
    let mut stand = Stand::modern();
    stand.world.tiers.push(tier("second"));
    let first = stand.policy_of(0, "a", Stage::Normal, vec![pass()], vec![pass()]);
    let second = stand.policy_of(1, "b", Stage::Normal, vec![], vec![to_port(allow(), 80)]);
    stand.world.workloads[0].policies = vec![first, second];
    assert_eq!(stand.says(W1_TO_FAR), "allow I3.policy-allows");
    assert!(stand.takes_part(W1_TO_FAR, Clause::I3Pass));
    assert!(stand.takes_part(W1_TO_FAR, Clause::I1LaterTier));
    let other = "in=cali1 tcp 10.65.0.1:1000 > 8.8.8.8:81";
    assert_eq!(stand.says(other), "deny I3.tier-default");
    stand.world.tiers[1].default_action = DefaultAction::Pass;
    assert_eq!(stand.says(other), "allow I3.profile-allows");
    assert!(stand.takes_part(other, Clause::I3DefaultPass));
    assert!(!stand.takes_part(other, Clause::I4PassToProfiles));
}

#[test]
fn i3_staged_policies_decide_nothing_and_leave_their_tier_as_if_absent() {
    let mut stand = Stand::modern();
    let place = stand.policy("a", vec![deny()], vec![deny()]);
    stand.world.workloads[0].policies = vec![place];
    assert_eq!(stand.says(W1_TO_FAR), "deny I3.policy-denies");
    stand.world.tiers[0].policies[0].staged = true;
    assert_eq!(stand.says(W1_TO_FAR), "allow I3.profile-allows");
    assert!(stand.takes_part(W1_TO_FAR, Clause::I3Staged));
}

#[test]
fn i5_is_about_what_an_endpoint_is_asked_about() {
    let mut stand = Stand::modern();
    stand.world.profiles.clear();
    stand.connection(KNOWN);
    assert_eq!(stand.says(FAR_TO_W1), "allow I5.original");
    let transit = "in=eth0 tcp 8.8.8.8:1000 > 192.168.2.9:80 flags=none";
    let invalid = "in=eth0 tcp 8.8.8.8:1000 > 192.168.2.9:80 flags=SYN,FIN";
    assert_eq!(stand.says(invalid), "defer I9.no-endpoint");
    stand.host("h", "eth1", Vec::new());
    assert_eq!(stand.says(invalid), "deny I5.invalid");
    assert_eq!(stand.says(transit), "deny I5.invalid");
    stand.world.configuration.modern.disable_invalid_check = true;
    assert_eq!(stand.says(invalid), "allow I10.default");
    assert!(stand.takes_part(invalid, Clause::I5Unchecked));
}

#[test]
fn i6_what_workloads_wrap_is_denied_unless_they_may() {
    let mut stand = Stand::modern();
    let vxlan = "in=cali1 udp 10.65.0.1:1000 > 8.8.8.8:4789";
    let wrapped = "in=cali1 proto=4 10.65.0.1 > 8.8.8.8";
    for line in [vxlan, wrapped] {
        assert_eq!(stand.says(line), "deny I6.encapsulated", "{line}");
    }
    let other = "in=cali1 udp 10.65.0.1:1000 > 8.8.8.8:4790";
    assert_eq!(stand.says(other), "allow I3.profile-allows");
    stand.world.configuration.modern.allow_vxlan_from_workloads = true;
    assert_eq!(stand.says(vxlan), "allow I3.profile-allows");
    assert_eq!(stand.says(wrapped), "deny I6.encapsulated");
    stand
        .world
        .configuration
        .modern
        .allow_ip_in_ip_from_workloads = true;
    assert_eq!(stand.says(wrapped), "allow I3.profile-allows");
    assert!(stand.takes_part(wrapped, Clause::I6MayEncapsulate));
}

#[test]
fn i9_failsafe_ports_have_protocols_and_the_other_ends_prefix() {
    let mut stand = Stand::modern();
    stand.host("h", "eth0", Vec::new());
    let net = Some("8.8.8.0/24".parse().expect("a net"));
    let told = &mut stand.world.configuration.modern;
    told.failsafe_inbound = Some(vec![Failsafe {
        net,
        ..Failsafe::new(NamedProtocol::Udp, 68)
    }]);
    told.failsafe_outbound = Some(vec![Failsafe {
        net,
        ..Failsafe::tcp(179)
    }]);
    for (line, says) in [
        (
            "in=eth0 udp 8.8.8.8:1 > 192.168.1.1:68",
            "allow I9.failsafe-inbound",
        ),
        (
            "in=eth0 udp 8.8.9.8:1 > 192.168.1.1:68",
            "deny I3.no-profile",
        ),
        (
            "in=eth0 tcp 8.8.8.8:1 > 192.168.1.1:68",
            "deny I3.no-profile",
        ),
        (
            "in=eth0 tcp 8.8.8.8:1 > 192.168.1.1:22",
            "deny I3.no-profile",
        ),
        (
            "from=node tcp 192.168.1.1:1 > 8.8.8.8:179",
            "allow I9.failsafe-outbound",
        ),
        (
            "from=node tcp 192.168.1.1:1 > 8.8.9.8:179",
            "deny I3.no-profile",
        ),
    ] {
        assert_eq!(stand.says(line), says, "{line}");
    }
}

#[test]
fn i10_forwarded_traffic_is_allowed_where_no_policy_of_its_direction_is_about_it() {
    let mut stand = Stand::modern();
    let normal = stand.policy("a", vec![deny()], vec![deny()]);
    stand.host("h", "eth0", vec![normal]);
    assert_eq!(stand.says(TRANSIT), "allow I10.default");
    assert_eq!(stand.says(FAR_TO_NODE), "deny I3.policy-denies");
    let forward = stand.policy_of(0, "b", Stage::Forward, vec![to_port(deny(), 80)], vec![]);
    stand.world.hosts[0].policies = vec![forward];
    assert_eq!(stand.says(TRANSIT), "deny I3.policy-denies");
    assert_eq!(stand.says(FAR_TO_W1), "deny I3.policy-denies");
    assert_eq!(
        stand.says("in=eth0 tcp 8.8.8.8:1 > 10.65.0.1:81"),
        "deny I3.tier-default"
    );
    stand.world.tiers[0].default_action = DefaultAction::Pass;
    assert_eq!(
        stand.says("in=eth0 tcp 8.8.8.8:1 > 192.168.2.9:81"),
        "allow I10.passed"
    );
    stand.world.tiers[0].policies[forward.policy].governs_ingress = false;
    assert_eq!(stand.says(TRANSIT), "allow I10.default");
}

#[test]
fn i13_host_endpoints_go_before_workloads_on_the_way_in_and_after_them_on_the_way_out() {
    let mut stand = Stand::modern();
    let forward = stand.policy_of(
        0,
        "b",
        Stage::Forward,
        vec![to_port(allow(), 80)],
        vec![to_port(deny(), 80)],
    );
    stand.host("h", "eth0", vec![forward]);
    assert_eq!(stand.says(FAR_TO_W1), "allow I3.profile-allows");
    assert!(stand.takes_part(FAR_TO_W1, Clause::I13HostThenWorkload));
    assert_eq!(stand.says(W1_TO_FAR), "deny I3.policy-denies");
    assert!(stand.takes_part(W1_TO_FAR, Clause::I13WorkloadThenHost));
    let words = stand.words(W1_TO_FAR);
    assert!(words[0].contains("profile `open`"), "{words:?}");
    assert!(words[1].contains("host endpoint `h`"), "{words:?}");
    assert_eq!(stand.says(W1_TO_W2), "allow I3.profile-allows");
    assert_eq!(stand.says(NODE_TO_W1), "defer I8.defer");
}

#[test]
fn i11_predna_policies_judge_by_the_original_destination_and_spare_the_rest_of_ingress() {
    let mut stand = Stand::modern();
    stand.world.configuration.modern.floating_addresses = true;
    stand.world.workloads[0].floating = vec![FloatingAddress {
        outside: "172.16.0.1".parse().expect("an address"),
        inside: "10.65.0.1".parse().expect("an address"),
    }];
    let to = |rule, net: &str| {
        with(rule, |rule: &mut calidiff::calico::Rule| {
            rule.destination.nets = vec![net.parse().expect("a net")];
        })
    };
    let early = stand.policy_of(
        0,
        "early",
        Stage::PreDnat,
        vec![to(deny(), "172.16.0.1/32"), to(allow(), "192.168.1.1/32")],
        vec![],
    );
    let late = stand.policy_of(0, "late", Stage::Forward, vec![deny()], vec![deny()]);
    stand.host("h", "eth0", vec![early, late]);
    let floating = "in=eth0 tcp 8.8.8.8:1 > 172.16.0.1:80";
    assert_eq!(stand.says(floating), "deny I11.denies");
    assert_eq!(stand.says(FAR_TO_NODE), "allow I11.allows");
    assert_eq!(stand.says(FAR_TO_W1), "deny I3.policy-denies");
    assert!(stand.takes_part(FAR_TO_W1, Clause::I11NoMatch));
    stand.connection(KNOWN);
    assert_eq!(stand.says(FAR_TO_W1), "allow I5.original");
    assert!(stand.takes_part(FAR_TO_W1, Clause::I11NotAsked));
}

#[test]
fn i11_what_it_allows_a_workload_and_the_other_host_endpoint_are_asked_about_all_the_same() {
    let mut stand = Stand::modern();
    let early = stand.policy_of(0, "early", Stage::PreDnat, vec![allow()], vec![]);
    let out = stand.policy_of(0, "out", Stage::Forward, vec![], vec![deny()]);
    stand.host("a", "eth0", vec![early]);
    stand.host("b", "eth1", vec![out]);
    assert_eq!(stand.says(TRANSIT), "deny I3.policy-denies");
    stand.world.workloads[0].profiles.clear();
    assert_eq!(stand.says(FAR_TO_W1), "deny I3.no-profile");
}

#[test]
fn i9_no_policy_closes_a_failsafe_port_of_the_node_predna_policies_neither() {
    let mut stand = Stand::modern();
    let early = stand.policy_of(0, "early", Stage::PreDnat, vec![deny()], vec![]);
    stand.host("h", "eth0", vec![early]);
    let ssh = "in=eth0 tcp 8.8.8.8:1 > 192.168.1.1:22";
    assert_eq!(stand.says(ssh), "allow I9.failsafe-inbound");
    assert!(stand.takes_part(ssh, Clause::I11Failsafe));
    assert_eq!(
        stand.says("in=eth0 tcp 8.8.8.8:1 > 192.168.2.9:22"),
        "deny I11.denies"
    );
}

#[test]
fn i14_the_wildcard_endpoint_is_of_the_nodes_other_interfaces() {
    let mut stand = Stand::modern();
    let normal = stand.policy("a", vec![to_port(allow(), 80)], vec![]);
    wildcard(&mut stand, vec![normal]);
    assert_eq!(stand.says(FAR_TO_NODE), "allow I3.policy-allows");
    assert!(stand.takes_part(FAR_TO_NODE, Clause::I14Wildcard));
    assert_eq!(
        stand.says("in=cali9 tcp 10.65.0.9:1 > 192.168.1.1:80"),
        "deny I6.from-unknown"
    );
    stand.host("h", "eth0", Vec::new());
    assert_eq!(stand.says(FAR_TO_NODE), "deny I3.no-profile");
}

#[test]
fn i15_a_ports_name_stands_for_the_ports_that_endpoints_call_so() {
    let mut stand = Stand::modern();
    let port = |protocol, port| NamedPort {
        name: "web".to_owned(),
        protocol,
        port,
    };
    let who = |net: &str, ports| Selectable {
        nets: vec![net.parse().expect("a net")],
        ports,
        ..Selectable::default()
    };
    stand.world.selectable = vec![
        who("8.8.8.8/32", vec![port(NamedProtocol::Tcp, 80)]),
        who("8.8.8.9/32", vec![port(NamedProtocol::Udp, 81)]),
    ];
    let named = |rule, negated: bool| {
        with(rule, |rule: &mut calidiff::calico::Rule| {
            let ports = vec![Ports::Named("web".to_owned())];
            match negated {
                true => rule.destination.not_ports = ports,
                false => rule.destination.ports = ports,
            }
        })
    };
    let policy = stand.policy("a", vec![], vec![named(allow(), false)]);
    stand.world.workloads[0].policies = vec![policy];
    for (line, verdict) in [
        ("in=cali1 tcp 10.65.0.1:1 > 8.8.8.8:80", Verdict::Allow),
        ("in=cali1 tcp 10.65.0.1:1 > 8.8.8.8:81", Verdict::Deny),
        ("in=cali1 udp 10.65.0.1:1 > 8.8.8.8:80", Verdict::Deny),
        ("in=cali1 udp 10.65.0.1:1 > 8.8.8.9:81", Verdict::Allow),
        ("in=cali1 tcp 10.65.0.1:1 > 8.8.8.9:81", Verdict::Deny),
        ("in=cali1 tcp 10.65.0.1:1 > 8.8.8.7:80", Verdict::Deny),
    ] {
        assert_eq!(stand.opinion(line).verdict, verdict, "{line}");
    }
    let rules = &mut stand.world.tiers[0].policies[0].egress;
    *rules = vec![named(allow(), true)];
    for (line, verdict) in [
        ("in=cali1 tcp 10.65.0.1:1 > 8.8.8.8:80", Verdict::Deny),
        ("in=cali1 tcp 10.65.0.1:1 > 8.8.8.8:81", Verdict::Allow),
        ("in=cali1 icmp 10.65.0.1 > 8.8.8.8", Verdict::Deny),
    ] {
        assert_eq!(stand.opinion(line).verdict, verdict, "not {line}");
    }
    let rules = &mut stand.world.tiers[0].policies[0].egress;
    rules[0] = named(allow(), false);
    rules[0].protocol = Some(RuleProtocol::Named(NamedProtocol::Tcp));
    let udp = "in=cali1 udp 10.65.0.1:1 > 8.8.8.9:81";
    assert_eq!(stand.opinion(udp).verdict, Verdict::Deny);
}

#[test]
fn i15_a_service_stands_for_the_places_behind_it() {
    let mut stand = Stand::modern();
    let name = ServiceName {
        namespace: "ns".to_owned(),
        name: "web".to_owned(),
    };
    let behind = ServiceEndpoint {
        address: "8.8.8.8".parse().expect("an address"),
        protocol: Protocol::TCP,
        port: 80,
    };
    stand.world.services = [(name.clone(), vec![behind])].into();
    let rule = with(allow(), |rule| {
        rule.destination.service = Some(name.clone())
    });
    let source = with(allow(), |rule| rule.source.service = Some(name));
    let policy = stand.policy("a", vec![source], vec![rule]);
    stand.world.workloads[0].policies = vec![policy];
    for (line, verdict) in [
        ("in=cali1 tcp 10.65.0.1:1 > 8.8.8.8:80", Verdict::Allow),
        ("in=cali1 tcp 10.65.0.1:1 > 8.8.8.8:81", Verdict::Deny),
        ("in=cali1 udp 10.65.0.1:1 > 8.8.8.8:80", Verdict::Deny),
        ("in=cali1 tcp 10.65.0.1:1 > 8.8.8.9:80", Verdict::Deny),
        ("in=eth0 udp 8.8.8.8:9 > 10.65.0.1:7", Verdict::Allow),
        ("in=eth0 udp 8.8.8.9:9 > 10.65.0.1:7", Verdict::Deny),
    ] {
        assert_eq!(stand.opinion(line).verdict, verdict, "{line}");
    }
}

#[test]
fn i17_outgoing_nat_does_what_it_is_told() {
    let mut stand = Stand::modern();
    stand.world.pools = vec![Pool {
        net: "10.65.0.0/16".parse().expect("a net"),
        nat_outgoing: true,
        ip_in_ip: false,
        vxlan: false,
        for_services: false,
    }];
    let source = |stand: &Stand, line: &str| {
        let exit = stand.opinion(line).exit.expect("it leaves");
        exit.source
    };
    let own = Source::Exactly("10.65.0.1".parse().expect("an address"));
    assert_eq!(source(&stand, W1_TO_FAR), Source::OfNode);
    let to_host = "in=cali1 tcp 10.65.0.1:1000 > 192.168.1.7:80";
    stand.world.nodes = vec!["192.168.1.7".parse().expect("an address")];
    assert_eq!(source(&stand, to_host), Source::OfNode);
    stand.world.configuration.modern.nat_exclusions = NatExclusions::PoolsAndHosts;
    assert_eq!(source(&stand, to_host), own);
    for (filter, leaves) in [
        ("eth1", own),
        ("eth0", Source::OfNode),
        ("et+", Source::OfNode),
    ] {
        stand.world.configuration.modern.nat_interface = Some(filter.to_owned());
        assert_eq!(source(&stand, W1_TO_FAR), leaves, "{filter}");
    }
    let given: IpAddr = "192.0.2.1".parse().expect("an address");
    stand.world.configuration.modern.nat_address = Some(given);
    assert_eq!(source(&stand, W1_TO_FAR), Source::Exactly(given));
}

#[test]
fn i17_floating_addresses_are_for_openstack_unless_others_may() {
    let mut stand = Stand::modern();
    stand.world.workloads[0].floating = vec![FloatingAddress {
        outside: "172.16.0.1".parse().expect("an address"),
        inside: "10.65.0.1".parse().expect("an address"),
    }];
    let line = "in=eth1 tcp 192.168.2.7:1 > 172.16.0.1:80";
    assert!(!stand.takes_part(line, Clause::I17Floating));
    stand.world.workloads[0].orchestrator = "openstack".to_owned();
    assert!(stand.takes_part(line, Clause::I17Floating));
    stand.world.workloads[0].orchestrator = "k8s".to_owned();
    stand.world.configuration.modern.floating_addresses = true;
    assert!(stand.takes_part(line, Clause::I17Floating));
}

#[test]
fn i9_what_others_translate_is_judged_by_where_it_really_goes() {
    let mut stand = Stand::modern();
    let policy = stand.policy("a", vec![to_port(allow(), 8080)], vec![]);
    stand.world.workloads[0].policies = vec![policy];
    let line = "in=eth0 tcp 8.8.8.8:1 > 172.20.0.1:80";
    let inside: IpAddr = "10.65.0.1".parse().expect("an address");
    let others = Others {
        destination: Some((inside, Some(8080))),
        source: Some("192.168.1.1".parse().expect("an address")),
    };
    let opinion = stand.opinion_beside(line, &others);
    assert_eq!(opinion.verdict, Verdict::Allow);
    let exit = opinion.exit.expect("it leaves");
    assert_eq!(exit.destination, inside);
    assert_eq!(
        exit.source,
        Source::Exactly("192.168.1.1".parse().expect("an address"))
    );
    let others = Others {
        destination: Some((inside, None)),
        ..others
    };
    assert_eq!(stand.opinion_beside(line, &others).verdict, Verdict::Deny);
}

#[test]
fn what_the_node_sends_to_itself_comes_back_with_the_source_that_others_give_it() {
    let mut stand = Stand::modern();
    let from = |net: &str| {
        with(allow(), |rule| {
            rule.source.nets = vec![net.parse().expect("a net")]
        })
    };
    let policy = stand.policy(
        "a",
        vec![from("192.168.2.1/32")],
        vec![from("192.168.1.1/32")],
    );
    stand.host("h", "lo", vec![policy]);
    let line = "from=node tcp 192.168.1.1:1 > 192.168.1.1:80";
    assert_eq!(stand.says(line), "deny I3.tier-default");
    let others = Others {
        destination: None,
        source: Some("192.168.2.1".parse().expect("an address")),
    };
    assert_eq!(stand.opinion_beside(line, &others).verdict, Verdict::Allow);
}

#[test]
fn what_nothing_translates_to_a_services_address_is_not_forwarded() {
    let mut stand = Stand::modern();
    let told = &mut stand.world.configuration.modern;
    told.service_nets = vec!["172.20.0.0/16".parse().expect("a net")];
    let line = "in=eth0 tcp 8.8.8.8:1 > 172.20.0.1:80";
    assert_eq!(stand.says(line), "deny service-loop");
    assert_eq!(
        stand.says("in=eth0 tcp 8.8.8.8:1 > 172.21.0.1:80"),
        "defer I9.no-endpoint"
    );
    stand.world.configuration.modern.service_loops = ServiceLoops::Disabled;
    assert_eq!(stand.says(line), "defer I9.no-endpoint");
}

#[test]
fn what_is_allowed_is_left_to_the_nodes_other_rules_where_felix_is_told_so() {
    let mut stand = Stand::modern();
    stand.world.configuration.modern.filter_allow = AllowAction::Return;
    assert_eq!(stand.says(W1_TO_FAR), "defer I3.profile-allows");
    stand.world.profiles.clear();
    assert_eq!(stand.says(W1_TO_FAR), "deny I3.no-profile");
    assert_eq!(stand.says(W1_TO_NODE), "deny I3.no-profile");
    assert_eq!(stand.says(NODE_TO_FAR), "defer I9.no-endpoint");
}
