//! Worlds for the renderer's tests.

use std::net::IpAddr;

use calidiff::calico::Selector;
use calidiff::calico::configuration::{Configuration, EndpointToHost, InsertMode, InterfacePrefix};
use calidiff::calico::rule::{
    Action, IcmpMessage, NamedProtocol, PortNumbers, Ports, Rule, RuleProtocol, Side,
};
use calidiff::calico::world::{
    Applied, FloatingAddress, HostEndpoint, HostInterface, Peers, PeersBy, PeersIndex, Policy,
    PolicyId, Pool, Profile, Stage, Tier, WorkloadEndpoint, World,
};
use calidiff::node::{Interface, Node, ReversePath};
use calidiff::packet::{Family, InterfaceName};
use ipnet::IpNet;

/// TCP by its name.
pub const TCP: RuleProtocol = RuleProtocol::Named(NamedProtocol::Tcp);

/// An address.
pub fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A prefix, or an address as one.
pub fn net(text: &str) -> IpNet {
    let whole = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| whole()).expect("a prefix")
}

/// An interface's name.
pub fn interface(text: &str) -> InterfaceName {
    text.parse().expect("an interface's name")
}

/// Ports such as `80` and `8000:8080`.
pub fn ports(texts: &[&str]) -> Vec<Ports> {
    let numbers = texts.iter().map(|text| {
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        let number = |text: &str| text.parse().expect("a port");
        let numbers = PortNumbers::new(number(first), number(last));
        Ports::Numbers(numbers.expect("ports"))
    });
    numbers.collect()
}

/// A group told by a selector.
pub fn selected(selector: &str, members: &[&str]) -> Peers {
    Peers {
        by: PeersBy::Selector(selector.to_owned()),
        members: members.iter().map(|text| net(text)).collect(),
    }
}

/// A policy of API v1.
pub fn policy(name: &str, stage: Stage, ingress: Vec<Rule>, egress: Vec<Rule>) -> Policy {
    Policy {
        name: name.to_owned(),
        governs_ingress: true,
        governs_egress: true,
        ingress,
        egress,
        stage,
        id: PolicyId::global(name),
        staged: false,
        selector: Selector::all(),
    }
}

/// API v1's one tier.
pub fn tier(policies: Vec<Policy>) -> Tier {
    Tier {
        name: "default".to_owned(),
        default_action: Default::default(),
        policies,
    }
}

/// The policies at these places of the one tier.
pub fn applied(places: &[usize]) -> Vec<Applied> {
    let places = places.iter();
    places
        .map(|policy| Applied {
            tier: 0,
            policy: *policy,
        })
        .collect()
}

/// A workload that is up.
pub fn workload(name: &str, interface_name: &str, addresses: &[&str]) -> WorkloadEndpoint {
    WorkloadEndpoint {
        name: name.to_owned(),
        interface: interface(interface_name),
        addresses: addresses.iter().map(|text| address(text)).collect(),
        up: true,
        policies: Vec::new(),
        profiles: Vec::new(),
        floating: Vec::new(),
        allowed_sources: Vec::new(),
        orchestrator: "cni".to_owned(),
        qos: Default::default(),
    }
}

/// A host endpoint.
pub fn host(name: &str, of: HostInterface, policies: &[usize], profiles: &[&str]) -> HostEndpoint {
    HostEndpoint {
        name: name.to_owned(),
        of,
        expected_addresses: Vec::new(),
        policies: applied(policies),
        profiles: profiles.iter().map(|name| (*name).to_owned()).collect(),
        dscp: None,
    }
}

/// A node with two addressed interfaces.
pub fn node() -> Node {
    let with = |name: &str, addresses: &[&str]| Interface {
        name: interface(name),
        addresses: addresses.iter().map(|text| net(text)).collect(),
        reverse_path: ReversePath::Off,
        route_localnet: false,
    };
    Node {
        name: "node".to_owned(),
        interfaces: vec![
            with("eth0", &["192.168.40.11/24", "fd00:192:168:40::11/64"]),
            with("eth1", &["10.99.0.1/24"]),
            with("cali1", &[]),
        ],
        routes: Vec::new(),
        forwards_v4: true,
        forwards_v6: true,
    }
}

const BY_NAMESPACE: usize = 1;
const FRONTENDS: usize = 0;

/// The seed's world on one of its nodes, with the workloads of that node.
fn of_the_seed(workloads: Vec<WorkloadEndpoint>) -> World {
    let frontends = [
        "172.16.1.1",
        "172.16.1.2",
        "fd00:172:16:1::1",
        "fd00:172:16:1::2",
    ];
    let database = ["172.16.1.3", "fd00:172:16:1::3"];
    let from = |peers: usize| Side {
        peers: vec![PeersIndex(peers)],
        ..Side::default()
    };
    let from_namespace = Rule {
        source: from(BY_NAMESPACE),
        ..Rule::bare(Action::Allow)
    };
    let to_database = Rule {
        protocol: Some(TCP),
        source: from(FRONTENDS),
        destination: Side {
            ports: ports(&["3306"]),
            ..Side::default()
        },
        ..Rule::bare(Action::Allow)
    };
    let profile = Profile {
        ingress: vec![Rule::bare(Action::Deny), to_database],
        egress: vec![Rule::bare(Action::Allow)],
    };
    let ingress = vec![Rule::bare(Action::Deny), from_namespace];
    let egress = vec![Rule::bare(Action::Allow)];
    World {
        configuration: Configuration {
            endpoint_to_host: EndpointToHost::Return,
            // What calico/node writes.
            metadata_address: "None".to_owned(),
            ..Configuration::default()
        },
        tiers: vec![tier(vec![policy(
            "namespace-default",
            Stage::Normal,
            ingress,
            egress,
        )])],
        profiles: [("profile-database".to_owned(), profile)].into(),
        peers: vec![
            selected(
                "(namespace == \"default\" && service == \"frontend\")",
                &frontends,
            ),
            selected(
                "namespace == \"default\"",
                &[&frontends[..], &database].concat(),
            ),
        ],
        workloads,
        pools: vec![Pool {
            net: net("172.16.0.0/16"),
            nat_outgoing: false,
            ip_in_ip: false,
            vxlan: false,
            for_services: false,
        }],
        nodes: vec![address("192.168.40.11"), address("192.168.40.12")],
        ..World::default()
    }
}

fn frontend(number: u8) -> WorkloadEndpoint {
    let addresses = [
        format!("172.16.1.{number}"),
        format!("fd00:172:16:1::{number}"),
    ];
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let name = format!("slave1-frontend{number}");
    WorkloadEndpoint {
        policies: applied(&[0]),
        ..workload(&name, &format!("cali0ef24b{number}"), &addresses)
    }
}

/// The seed's node slave1.
pub fn slave1() -> World {
    of_the_seed(vec![frontend(1), frontend(2)])
}

/// The seed's node slave2.
pub fn slave2() -> World {
    let addresses = ["172.16.1.3", "fd00:172:16:1::3"];
    of_the_seed(vec![WorkloadEndpoint {
        policies: applied(&[0]),
        profiles: vec!["profile-database".to_owned()],
        ..workload("slave2-database1", "cali0ef24b3", &addresses)
    }])
}

/// Every field of a rule that one rule of a family can hold.
pub fn full_rule(action: Action, family: Family) -> Rule {
    let [source, destination] = match family {
        Family::V4 => ["10.0.0.0/8", "172.16.0.0/12"],
        Family::V6 => ["fd00::/8", "fd00:172::/32"],
    };
    let [own, other] = [0, 1].map(PeersIndex);
    Rule {
        family: Some(family),
        protocol: Some(TCP),
        source: Side {
            nets: vec![net(source)],
            ports: ports(&["1024:65535", "0"]),
            peers: vec![own, other],
            not_ports: ports(&["6000", "6001:6010"]),
            ..Side::default()
        },
        destination: Side {
            not_nets: vec![net(destination)],
            ports: many_ports(),
            not_peers: vec![own, other],
            not_ports: many_ports(),
            ..Side::default()
        },
        ..Rule::bare(action)
    }
}

/// More ports than one match holds, ranges among them.
pub fn many_ports() -> Vec<Ports> {
    let mut list = ports(&["0", "65535", "1:2"]);
    for port in 100..124 {
        list.extend(ports(&[&port.to_string()]));
    }
    list.extend(ports(&["8000:8080", "443"]));
    list
}

/// A rule about ICMP of a family.
fn icmp(action: Action, family: Family, message: IcmpMessage, negated: bool) -> Rule {
    let (is, not) = match negated {
        true => (None, Some(message)),
        false => (Some(message), None),
    };
    Rule {
        family: Some(family),
        protocol: Some(RuleProtocol::Named(match family {
            Family::V4 => NamedProtocol::Icmp,
            Family::V6 => NamedProtocol::Icmpv6,
        })),
        icmp: is,
        not_icmp: not,
        ..Rule::bare(action)
    }
}

/// Rules of every shape that the tools take.
pub fn every_rule() -> Vec<Rule> {
    let mut rules = Vec::new();
    for family in Family::BOTH {
        let echo = match family {
            Family::V4 => 8,
            Family::V6 => 128,
        };
        let message = |kind, code| IcmpMessage { kind, code };
        rules.push(full_rule(Action::Allow, family));
        rules.push(full_rule(Action::Log, family));
        rules.push(icmp(Action::Deny, family, message(echo, None), false));
        rules.push(icmp(Action::Deny, family, message(echo, Some(255)), false));
        rules.push(icmp(Action::Pass, family, message(0, Some(0)), true));
    }
    let whole = |text: &str| Side {
        nets: vec![net(text)],
        ..Side::default()
    };
    for (source, destination) in [
        ("0.0.0.0/0", "10.1.2.3/32"),
        ("fd00::1/128", "::/0"),
        ("10.1.2.3/32", "0.0.0.0/0"),
    ] {
        rules.push(Rule {
            source: whole(source),
            destination: whole(destination),
            ..Rule::bare(Action::Allow)
        });
    }
    rules.push(Rule {
        not_protocol: Some(RuleProtocol::Number(132)),
        source: Side {
            not_nets: vec![net("10.1.2.3/32")],
            ..Side::default()
        },
        ..Rule::bare(Action::Deny)
    });
    for number in [1, 6, 17, 50, 58, 255] {
        rules.push(Rule {
            protocol: Some(RuleProtocol::Number(number)),
            ..Rule::bare(Action::Allow)
        });
    }
    for named in NamedProtocol::ALL {
        rules.push(Rule {
            not_protocol: Some(RuleProtocol::Named(named)),
            ..Rule::bare(Action::Deny)
        });
    }
    rules.extend([Action::Pass, Action::Log, Action::Deny].map(Rule::bare));
    rules
}

/// Two groups: by a selector and by a tag.
fn groups() -> Vec<Peers> {
    vec![
        selected("has(role)", &["10.0.0.1", "10.0.0.2", "fd00::1"]),
        Peers {
            by: PeersBy::Tag("web".to_owned()),
            members: vec![net("10.0.0.2")],
        },
    ]
}

/// Workloads, each with all policies and profiles.
fn crowd(interfaces: &[&str]) -> Vec<WorkloadEndpoint> {
    let workloads = interfaces.iter().enumerate().map(|(place, name)| {
        let own = format!("10.0.0.{}", place + 1);
        WorkloadEndpoint {
            policies: applied(&[0, 1, 2]),
            profiles: vec!["first".to_owned(), "missing".to_owned()],
            ..workload(&format!("w{place}"), name, &[&own])
        }
    });
    workloads.collect()
}

/// Everything but the special cases: policies of all shapes, workloads whose names part in trees,
/// host endpoints with plain and untracked policies.
pub fn crowded() -> World {
    let short = || vec![Rule::bare(Action::Allow)];
    let profile = Profile {
        ingress: every_rule(),
        egress: Vec::new(),
    };
    let mut workloads = crowd(&["cali", "cali1", "cali12", "cali2", "calixxxxxxxxxxx"]);
    workloads[1].up = false;
    let named = |name: &str| HostInterface::Named(interface(name));
    let mut by_address = host("b", HostInterface::ByAddress, &[2], &["first"]);
    by_address.expected_addresses = vec![address("10.99.0.1")];
    World {
        tiers: vec![tier(vec![
            policy("every-rule", Stage::Normal, every_rule(), every_rule()),
            policy(
                "no-rules-but-a-long-name",
                Stage::Normal,
                Vec::new(),
                short(),
            ),
            policy("untracked", Stage::Untracked, every_rule(), short()),
            policy("of-nobody", Stage::Normal, short(), short()),
        ])],
        profiles: [("first".to_owned(), profile)].into(),
        peers: groups(),
        workloads,
        hosts: vec![
            host("a", named("eth0"), &[0, 2], &["first", "missing"]),
            by_address,
            host("c", named("lo"), &[], &[]),
            host("d", named("absent0"), &[0], &[]),
        ],
        ..World::default()
    }
}

/// Every option and special case that adds rules.
pub fn special() -> World {
    let floating = |outside: &str, inside: &str| FloatingAddress {
        outside: address(outside),
        inside: address(inside),
    };
    let pool = |text: &str, nat_outgoing, ip_in_ip| Pool {
        net: net(text),
        nat_outgoing,
        ip_in_ip,
        vxlan: false,
        for_services: false,
    };
    let mut workloads = crowd(&["tap1", "cali1"]);
    workloads[0].floating = vec![
        floating("203.0.113.9", "10.0.0.1"),
        floating("203.0.113.10", "10.0.0.1"),
        floating("2001:db8::9", "fd00::1"),
    ];
    workloads[1].floating = vec![floating("203.0.113.9", "10.0.0.2")];
    World {
        configuration: Configuration {
            interface_prefixes: ["cali", "tap", "ca"]
                .into_iter()
                .filter_map(InterfacePrefix::new)
                .collect(),
            mark_mask: 0x8101_0000,
            ip_in_ip: true,
            modern: Default::default(),
            tunnel_address: Some(address("10.0.0.0")),
            endpoint_to_host: EndpointToHost::Accept,
            insert_mode: InsertMode::Append,
            log_prefix: "it's mine".to_owned(),
            failsafe_inbound: Vec::new(),
            failsafe_outbound: vec![0, 65535],
            ipv6: true,
            metadata_address: "10.77.0.1".to_owned(),
            metadata_port: 8776,
            cluster_type: "k8s,OpenStack".to_owned(),
        },
        pools: vec![
            pool("10.0.0.0/16", true, true),
            pool("10.1.0.0/16", false, false),
            pool("fd00::/48", true, false),
        ],
        nodes: vec![
            address("192.168.40.11"),
            address("fd00:192:168:40::11"),
            address("192.168.40.11"),
        ],
        workloads,
        hosts: Vec::new(),
        ..crowded()
    }
}

/// Worlds that the tools take, each with what it is called and the node that it is on.
pub fn all() -> Vec<(&'static str, World, Node)> {
    let without_v6 = World {
        configuration: Configuration {
            ipv6: false,
            ..Configuration::default()
        },
        ..special()
    };
    vec![
        ("empty", World::default(), node()),
        ("slave1", slave1(), node()),
        ("slave2", slave2(), node()),
        ("crowded", crowded(), node()),
        ("special", special(), node()),
        ("without IPv6", without_v6, node()),
    ]
}

/// Worlds of which Felix makes what the tools refuse, and why they do.
pub fn unprogrammable() -> Vec<(&'static str, World)> {
    let with_rule = |rule: Rule| {
        let mut world = crowded();
        world.tiers[0].policies[1].ingress = vec![rule];
        world
    };
    let between = |net_text: &str, not_net: &str| Side {
        nets: vec![net(net_text)],
        not_nets: vec![net(not_net)],
        ..Side::default()
    };
    let configured = |change: fn(&mut Configuration)| {
        let mut world = crowded();
        change(&mut world.configuration);
        world
    };
    let bare = || Rule::bare(Action::Allow);
    vec![
        (
            "a protocol and not a protocol",
            with_rule(Rule {
                protocol: Some(TCP),
                not_protocol: Some(RuleProtocol::Number(1)),
                ..bare()
            }),
        ),
        (
            "a source and not a source",
            with_rule(Rule {
                source: between("10.0.0.0/8", "10.1.0.0/16"),
                ..bare()
            }),
        ),
        (
            "any destination and not a destination",
            with_rule(Rule {
                destination: between("::/0", "::1/128"),
                ..bare()
            }),
        ),
        (
            "a metadata service on IPv6",
            configured(|configuration| configuration.metadata_address = "fd00::5".to_owned()),
        ),
        (
            "an interface's beginning as long as a whole name",
            configured(|configuration| {
                let long = InterfacePrefix::new("abcdefghijklmno");
                configuration.interface_prefixes = long.into_iter().collect();
            }),
        ),
    ]
}
