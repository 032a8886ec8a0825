//! Resources made at random, as the API takes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use calidiff::calico::configuration::modern::Failsafe;
use calidiff::calico::configuration::{EndpointToHost, InsertMode, InterfacePrefix};
use calidiff::calico::resources::endpoint::WorkloadId;
use calidiff::calico::resources::{
    Api, ClusterInformation, EndpointSlice, Entity, FelixConfiguration, HostEndpoint, IpInIp,
    Labels, NamedPort, NetworkSet, Node, Order, Policy, Pool, Profile, Resources, Rule,
    ServiceAccounts, ServiceNets, Setting, SlicePort, Tier, Types, WorkloadEndpoint,
};
use calidiff::calico::rule::{IcmpMessage, NamedProtocol, PortNumbers, Ports, RuleProtocol};
use calidiff::calico::world::{
    DefaultAction, FloatingAddress, HostInterface, Limits, PacketRate, Qos, Stage,
};
use calidiff::calico::{Action, Selector};
use calidiff::packet::{Family, InterfaceName};
use ipnet::IpNet;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::modern;

/// Something of API v3 only.
fn of_v3<T: Clone + std::fmt::Debug + 'static>(
    api: Api,
    absent: T,
    value: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<T> {
    match api {
        Api::V1 => Just(absent).boxed(),
        Api::V3 => value.boxed(),
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(vec!["a", "b", "true", "null", "12", "1.5", "0x1", "y"]).prop_map(str::to_owned),
        1 => "[a-z0-9][a-z0-9-]{0,8}[a-z0-9](\\.[a-z0-9]{1,4})?",
    ]
}

fn labels() -> impl Strategy<Value = Labels> {
    let value = prop_oneof![
        select(vec!["", "x", "yes", "~", "1e3", "1_0"]).prop_map(str::to_owned),
        "[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,8}[a-zA-Z0-9])?",
    ]
    .prop_filter("a label's value", |value| value != "~");
    btree_map("[a-c]|x\\.org/[a-zA-Z0-9]{1,4}", value, 0..3)
}

fn selector() -> impl Strategy<Value = Selector> {
    let texts = [
        "all()",
        "a == 'x'",
        "a != \"it's\"",
        "has(b) && !(c in {'x', 'y'} || a starts with '#: ')",
        "x.org/a not in {}",
        "b == ' - [x'",
    ];
    select(texts.to_vec()).prop_map(|text| text.parse().expect(text))
}

fn address(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::V4 => any::<u32>()
            .prop_map(|bits| IpAddr::V4(bits.into()))
            .boxed(),
        Family::V6 => any::<u128>()
            .prop_map(|bits| IpAddr::V6(bits.into()))
            .boxed(),
    }
}

fn family() -> impl Strategy<Value = Family> {
    select(Family::BOTH.to_vec())
}

fn net(family: Family) -> impl Strategy<Value = IpNet> {
    (address(family), 1..=family.bits()).prop_map(|(address, length)| {
        IpNet::new(address, length)
            .expect("a length that fits")
            .trunc()
    })
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    family().prop_flat_map(address)
}

fn any_net() -> impl Strategy<Value = IpNet> {
    family().prop_flat_map(net)
}

fn protocol() -> impl Strategy<Value = RuleProtocol> {
    prop_oneof![
        select(NamedProtocol::ALL.to_vec()).prop_map(RuleProtocol::Named),
        (1..=u8::MAX).prop_map(RuleProtocol::Number),
    ]
}

fn ports(api: Api) -> BoxedStrategy<Vec<Ports>> {
    let edges = select(vec![0, 1, 80, 65534, 65535]);
    let numbers = (edges.clone(), edges).prop_map(|(one, other): (u16, u16)| {
        let numbers = PortNumbers::new(one.min(other), one.max(other));
        Ports::Numbers(numbers.expect("the lower first"))
    });
    let named = select(vec!["http", "y", "a1"]).prop_map(|name| Ports::Named(name.to_owned()));
    match api {
        Api::V1 => vec(numbers, 0..4).boxed(),
        Api::V3 => vec(prop_oneof![3 => numbers, 1 => named], 0..4).boxed(),
    }
}

fn icmp() -> impl Strategy<Value = IcmpMessage> {
    (0..=254_u8, option::of(any::<u8>())).prop_map(|(kind, code)| IcmpMessage { kind, code })
}

fn entity(api: Api, family: Family) -> impl Strategy<Value = Entity> {
    let nets = move || match api {
        Api::V1 => vec(net(family), 0..2).boxed(),
        Api::V3 => vec(net(family), 0..4).boxed(),
    };
    let tag = move || match api {
        Api::V1 => option::of(name()).boxed(),
        Api::V3 => Just(None).boxed(),
    };
    let namespaces = prop_oneof![selector(), Just("global()".parse().expect("a selector")),];
    let accounts = (vec(name(), 0..3), option::of(selector()))
        .prop_map(|(names, selector)| ServiceAccounts { names, selector })
        .prop_filter("accounts that are said", |accounts| {
            *accounts != ServiceAccounts::default()
        });
    (
        (nets(), nets(), ports(api), ports(api)),
        (option::of(selector()), option::of(selector()), tag(), tag()),
        of_v3(api, None, option::of(namespaces)),
        of_v3(api, None, option::of(accounts)),
    )
        .prop_map(
            |(places, who, namespace_selector, service_accounts)| Entity {
                nets: places.0,
                not_nets: places.1,
                ports: places.2,
                not_ports: places.3,
                selector: who.0,
                not_selector: who.1,
                tag: who.2,
                not_tag: who.3,
                namespace_selector,
                service_accounts,
                service: None,
            },
        )
}

/// A rule that the API takes: what does not go together is taken out.
fn rule(api: Api) -> impl Strategy<Value = Rule> {
    let actions = [Action::Allow, Action::Deny, Action::Pass, Action::Log];
    family().prop_flat_map(move |family| {
        (
            select(actions.to_vec()),
            option::of(Just(family)),
            option::of(protocol()),
            option::of(protocol()),
            (option::of(icmp()), option::of(icmp())),
            (
                (entity(api, family), entity(api, family)),
                of_v3(api, Labels::new(), labels()),
            ),
        )
            .prop_map(
                move |(action, said, protocol, not_protocol, icmps, (ends, notes))| {
                    let icmp_family = match protocol.map(|one| one.protocol().0) {
                        Some(1) => Some(Family::V4),
                        Some(58) => Some(Family::V6),
                        _ => None,
                    };
                    let mut rule = Rule {
                        action,
                        family: said,
                        protocol: protocol.filter(|_| icmp_family.is_none_or(|one| one == family)),
                        not_protocol,
                        icmp: icmps.0,
                        not_icmp: icmps.1,
                        source: ends.0,
                        destination: ends.1,
                        notes,
                    };
                    if icmp_family != Some(family) {
                        (rule.icmp, rule.not_icmp) = (None, None);
                    }
                    let number = rule.protocol.map(|one| one.protocol().0);
                    if !matches!(number, Some(6 | 17 | 132 | 136)) {
                        for entity in [&mut rule.source, &mut rule.destination] {
                            (entity.ports, entity.not_ports) = (Vec::new(), Vec::new());
                        }
                    }
                    rule
                },
            )
    })
}

fn rules(api: Api) -> impl Strategy<Value = Vec<Rule>> {
    vec(rule(api), 0..3)
}

fn order() -> impl Strategy<Value = Option<Order>> {
    let number = prop_oneof![
        select(vec![
            0.0,
            -1.0,
            0.5,
            1e300,
            -1e-300,
            9_007_199_254_740_993.0,
            1e16
        ]),
        any::<f64>(),
    ];
    option::of(number).prop_map(|number| number.and_then(Order::new))
}

fn policy(api: Api) -> impl Strategy<Value = Policy> {
    let types = select(vec![Types::Ingress, Types::Egress, Types::Both]);
    let stages = match api {
        Api::V1 => vec![Stage::Normal, Stage::Untracked],
        Api::V3 => vec![
            Stage::Normal,
            Stage::Forward,
            Stage::PreDnat,
            Stage::Untracked,
        ],
    };
    (
        (
            name(),
            of_v3(api, None, option::of(name())),
            order(),
            selector(),
        ),
        of_v3(api, None, option::of(selector())),
        of_v3(api, None, option::of(selector())),
        of_v3(api, None, option::of(types)),
        (select(stages), of_v3(api, false, any::<bool>())),
        (rules(api), rules(api)),
    )
        .prop_map(
            |(named, namespaces, accounts, types, (stage, staged), rules)| {
                let global = named.1.is_none();
                let stage = if global { stage } else { Stage::Normal };
                let early = stage == Stage::PreDnat;
                Policy {
                    name: named.0,
                    namespace: named.1,
                    tier: "default".to_owned(),
                    order: named.2,
                    selector: named.3,
                    namespace_selector: namespaces.filter(|_| global),
                    service_account_selector: accounts,
                    types: types.filter(|types| !early || *types == Types::Ingress),
                    stage,
                    staged,
                    ingress: rules.0,
                    egress: if early { Vec::new() } else { rules.1 },
                }
            },
        )
}

fn profile(api: Api) -> impl Strategy<Value = Profile> {
    let tags = match api {
        Api::V1 => vec(name(), 0..3).boxed(),
        Api::V3 => Just(Vec::new()).boxed(),
    };
    (name(), labels(), tags, rules(api), rules(api)).prop_map(
        |(name, labels, tags, ingress, egress)| Profile {
            name,
            labels,
            tags,
            ingress,
            egress,
        },
    )
}

fn named_ports(api: Api) -> BoxedStrategy<Vec<NamedPort>> {
    let protocols = vec![NamedProtocol::Tcp, NamedProtocol::Udp, NamedProtocol::Sctp];
    let one =
        (name(), select(protocols), 1..=u16::MAX).prop_map(|(name, protocol, port)| NamedPort {
            name,
            protocol,
            port,
        });
    of_v3(api, Vec::new(), vec(one, 0..3))
}

fn interface() -> impl Strategy<Value = InterfaceName> {
    "[a-zA-Z0-9_-]{1,15}".prop_map(|name| name.parse().expect("an interface's name"))
}

fn workload_id(api: Api) -> impl Strategy<Value = WorkloadId> {
    let orchestrators = select(vec!["k8s", "cni", "openstack"]).prop_map(str::to_owned);
    let namespace = of_v3(api, None, name().prop_map(Some));
    (orchestrators, namespace, name(), name(), name()).prop_map(
        |(orchestrator, namespace, workload, endpoint, node)| WorkloadId {
            orchestrator,
            namespace,
            workload,
            endpoint,
            node,
        },
    )
}

fn workload(api: Api) -> impl Strategy<Value = WorkloadEndpoint> {
    let addresses = vec(any_address(), 0..4).prop_flat_map(|addresses| {
        let nats = addresses.clone().into_iter().map(|inside| {
            address(Family::of(inside)).prop_map(move |outside| FloatingAddress { outside, inside })
        });
        let nats: Vec<_> = nats.collect();
        (Just(addresses), nats)
    });
    (
        (workload_id(api), labels(), interface(), any::<bool>()),
        addresses,
        vec(name(), 0..3),
        of_v3(api, Vec::new(), vec(any_net(), 0..3)),
        of_v3(api, None, option::of(name())),
        (named_ports(api), of_v3(api, Qos::default(), qos())),
    )
        .prop_map(
            |(head, addresses, profiles, allowed_sources, account, (ports, qos))| {
                WorkloadEndpoint {
                    id: head.0,
                    labels: head.1,
                    interface: head.2,
                    up: head.3,
                    addresses: addresses.0,
                    floating: addresses.1,
                    profiles,
                    allowed_sources,
                    service_account: account,
                    ports,
                    qos,
                }
            },
        )
}

fn host(api: Api) -> impl Strategy<Value = HostEndpoint> {
    let of = match api {
        Api::V1 => interface().prop_map(HostInterface::Named).boxed(),
        Api::V3 => prop_oneof![
            3 => interface().prop_map(HostInterface::Named),
            1 => Just(HostInterface::All),
        ]
        .boxed(),
    };
    let by_address = any::<bool>();
    (
        (name(), name(), labels(), of, by_address),
        vec(any_address(), 0..3),
        vec(name(), 0..3),
        (named_ports(api), of_v3(api, None, option::of(0..64_u8))),
    )
        .prop_map(
            |(head, expected_addresses, profiles, (ports, dscp))| HostEndpoint {
                name: head.0,
                node: head.1,
                labels: head.2,
                of: match head.4 && !expected_addresses.is_empty() {
                    true => HostInterface::ByAddress,
                    false => head.3,
                },
                expected_addresses,
                profiles,
                ports,
                dscp,
            },
        )
}

fn qos() -> impl Strategy<Value = Qos> {
    let rate = (1..=u32::MAX, 1..=u32::MAX)
        .prop_map(|(per_second, burst)| PacketRate { per_second, burst });
    let limits = || {
        (option::of(rate.clone()), option::of(1..=u32::MAX)).prop_map(|(packets, connections)| {
            Limits {
                packets,
                connections,
            }
        })
    };
    (limits(), limits(), option::of(0..64_u8)).prop_map(|(ingress, egress, dscp)| Qos {
        ingress,
        egress,
        dscp,
    })
}

fn service_nets() -> impl Strategy<Value = ServiceNets> {
    let nets = || vec(any_net(), 0..3);
    (name(), nets(), nets(), nets()).prop_map(|(name, cluster, external, load_balancer)| {
        ServiceNets {
            name,
            cluster,
            external,
            load_balancer,
        }
    })
}

fn cluster() -> impl Strategy<Value = ClusterInformation> {
    let types = ["", "k8s", "k8s,bgp,kdd", "openstack", "k8s,OpenStack"];
    select(types.to_vec()).prop_map(|cluster_type| ClusterInformation {
        cluster_type: cluster_type.to_owned(),
    })
}

fn slice() -> impl Strategy<Value = EndpointSlice> {
    let protocols = [NamedProtocol::Tcp, NamedProtocol::Udp, NamedProtocol::Sctp];
    let port = (select(protocols.to_vec()), 1_u16..)
        .prop_map(|(protocol, port)| SlicePort { protocol, port });
    let family = select(Family::BOTH.to_vec());
    let names = (name(), name(), name());
    (names, family, vec(any::<u128>(), 0..3), vec(port, 0..3)).prop_map(
        |((name, namespace, service), family, numbers, ports)| EndpointSlice {
            name,
            namespace,
            service,
            family,
            addresses: numbers
                .into_iter()
                .map(|number| match family {
                    Family::V4 => Ipv4Addr::from_bits(number as u32).into(),
                    Family::V6 => Ipv6Addr::from_bits(number).into(),
                })
                .collect(),
            ports,
        },
    )
}

fn set() -> impl Strategy<Value = NetworkSet> {
    (name(), option::of(name()), labels(), vec(any_net(), 0..4)).prop_map(
        |(name, namespace, labels, nets)| NetworkSet {
            name,
            namespace,
            labels,
            nets,
        },
    )
}

fn pool(api: Api) -> impl Strategy<Value = Pool> {
    let modes = [IpInIp::Never, IpInIp::Always, IpInIp::CrossSubnet];
    let nets = select(vec!["10.0.0.0/8", "10.1.0.0/26", "fd00::/64", "fd01::/122"]);
    let uses = of_v3(api, false, any::<bool>());
    let vxlan = of_v3(api, false, any::<bool>());
    let modes = (select(modes.to_vec()), vxlan);
    (nets, any::<bool>(), modes, uses).prop_map(|(net, nat_outgoing, (mode, vxlan), uses)| {
        let net: IpNet = net.parse().expect("a prefix");
        let v4 = net.addr().is_ipv4();
        Pool {
            net,
            nat_outgoing,
            ip_in_ip: if v4 && !vxlan { mode } else { IpInIp::Never },
            vxlan: if vxlan { mode } else { IpInIp::Never },
            for_services: uses,
        }
    })
}

fn node(api: Api) -> impl Strategy<Value = Node> {
    let v4 = || option::of(any::<u32>()).prop_map(|bits| bits.map(Into::into));
    let v6 = || option::of(any::<u128>()).prop_map(|bits| bits.map(Into::into));
    let own = (of_v3(api, None, v4()), of_v3(api, None, v4()));
    let own = (own, of_v3(api, None, v6()));
    (name(), v4(), v6(), own).prop_map(|(name, v4, v6, ((tunnel, vxlan), vxlan_v6))| Node {
        name,
        v4,
        v6,
        tunnel,
        vxlan,
        vxlan_v6,
    })
}

fn tier() -> impl Strategy<Value = Tier> {
    let actions = [DefaultAction::Deny, DefaultAction::Pass];
    (name(), order(), select(actions.to_vec())).prop_map(|(name, order, default_action)| Tier {
        name,
        order,
        default_action,
    })
}

fn failsafe(api: Api) -> impl Strategy<Value = Failsafe> {
    let protocols = select(vec![NamedProtocol::Tcp, NamedProtocol::Udp]);
    let other =
        (protocols, any::<u16>(), option::of(any_net())).prop_map(|(protocol, port, net)| {
            Failsafe {
                net,
                ..Failsafe::new(protocol, port)
            }
        });
    let plain = any::<u16>().prop_map(Failsafe::tcp);
    match api {
        Api::V1 => plain.boxed(),
        Api::V3 => other.boxed(),
    }
}

fn setting(api: Api) -> impl Strategy<Value = Setting> {
    let prefix = "[a-z]{1,6}".prop_map(|text| InterfacePrefix::new(&text).expect("a prefix"));
    let actions = [
        EndpointToHost::Drop,
        EndpointToHost::Return,
        EndpointToHost::Accept,
    ];
    let modes = [InsertMode::Insert, InsertMode::Append];
    let ports = move || vec(failsafe(api), 0..4);
    let words = || {
        select(vec![
            "",
            "None",
            "k8s,openstack",
            "127.0.0.1",
            "- a: #b",
            "12",
        ])
    };
    prop_oneof![
        vec(prefix, 1..3).prop_map(Setting::InterfacePrefixes),
        (7..=u32::MAX)
            .prop_filter("three bits", |mask| mask.count_ones() > 2)
            .prop_map(Setting::MarkMask),
        any::<bool>().prop_map(Setting::IpInIp),
        address(Family::V4).prop_map(Setting::TunnelAddress),
        select(actions.to_vec()).prop_map(Setting::EndpointToHost),
        select(modes.to_vec()).prop_map(Setting::InsertMode),
        // An empty one is none, in v3.
        words()
            .prop_filter("a prefix that says something", |text| !text.is_empty())
            .prop_map(|text| Setting::LogPrefix(text.to_owned())),
        ports().prop_map(Setting::FailsafeInbound),
        ports().prop_map(Setting::FailsafeOutbound),
        any::<bool>().prop_map(Setting::Ipv6),
        words().prop_map(|text| Setting::MetadataAddress(text.to_owned())),
        any::<u16>().prop_map(Setting::MetadataPort),
        words().prop_map(|text| Setting::ClusterType(text.to_owned())),
        modern::setting().prop_map(Setting::Modern),
    ]
}

fn configuration(api: Api) -> impl Strategy<Value = FelixConfiguration> {
    (option::of(name()), vec(setting(api), 0..12)).prop_map(move |(node, mut settings)| {
        settings.sort_by_key(Setting::parameter);
        settings.dedup_by_key(|setting| setting.parameter());
        let only_v1 = |setting: &Setting| {
            matches!(setting, Setting::TunnelAddress(_) | Setting::ClusterType(_))
        };
        let only_v3 = |setting: &Setting| matches!(setting, Setting::Modern(_));
        settings.retain(|setting| match api {
            Api::V1 => !only_v3(setting),
            Api::V3 => !only_v1(setting),
        });
        FelixConfiguration { node, settings }
    })
}

/// Resources of one version, each name once.
pub fn resources() -> impl Strategy<Value = Resources> {
    select(vec![Api::V1, Api::V3]).prop_flat_map(|api| {
        (
            (
                vec(configuration(api), 0..3),
                vec(node(api), 0..3),
                vec(pool(api), 3),
                of_v3(api, Vec::new(), vec(tier(), 0..3)),
            ),
            (
                vec(policy(api), 0..3),
                vec(profile(api), 0..3),
                of_v3(api, Vec::new(), vec(set(), 0..3)),
                vec(workload(api), 0..3),
                (
                    vec(host(api), 0..3),
                    of_v3(api, Vec::new(), vec(service_nets(), 0..2)),
                    of_v3(api, Vec::new(), vec(slice(), 0..3)),
                    of_v3(api, None, option::of(cluster())),
                ),
            ),
        )
            .prop_map(move |(cluster, inside)| {
                let (configurations, nodes, pools, tiers) = cluster;
                let (policies, profiles, sets, workloads, others) = inside;
                let (hosts, service_nets, slices, cluster) = others;
                once(Resources {
                    api,
                    configurations,
                    nodes,
                    pools,
                    tiers,
                    policies,
                    profiles,
                    sets,
                    workloads,
                    hosts,
                    service_nets,
                    slices,
                    cluster,
                })
            })
    })
}

/// The same without the second of a name, of an interface, of an overlapping pool.
fn once(mut all: Resources) -> Resources {
    fn keep_first<T, K: PartialEq>(items: &mut Vec<T>, key: impl Fn(&T) -> K) {
        let mut seen = Vec::new();
        items.retain(|item| {
            let key = key(item);
            let new = !seen.contains(&key);
            seen.push(key);
            new
        });
    }
    keep_first(&mut all.configurations, |one| one.node.clone());
    keep_first(&mut all.nodes, |one| one.name.clone());
    keep_first(&mut all.pools, |one| one.net.addr().is_ipv4());
    keep_first(&mut all.tiers, |one| one.name.clone());
    keep_first(&mut all.policies, |one| {
        (one.name.clone(), one.namespace.clone())
    });
    keep_first(&mut all.service_nets, |one| one.name.clone());
    keep_first(&mut all.slices, |one| {
        (one.name.clone(), one.namespace.clone())
    });
    keep_first(&mut all.profiles, |one| one.name.clone());
    keep_first(&mut all.sets, |one| {
        (one.name.clone(), one.namespace.clone())
    });
    keep_first(&mut all.workloads, |one| one.id.clone());
    keep_first(&mut all.workloads, |one| {
        (one.id.node.clone(), one.interface)
    });
    keep_first(&mut all.hosts, |one| one.name.clone());
    all
}
