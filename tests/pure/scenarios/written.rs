//! What is written is read back.

use calidiff::calico::Resources;
use calidiff::node::{Interface, Node, ReversePath, Route, RouteKind};
use calidiff::packet::{Batch, Connection, Family, InterfaceName, Order, Packet};
use calidiff::scenario::{Changed, Completion, Scenario, text};
use calidiff::xtables::set::Set;
use calidiff::xtables::{Firewall, Ruleset, TableName, ipset, save};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::resources::made::resources;

/// Text that YAML could take for something else.
fn prose() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "a: b", "- #x", "null", "12", "'", "yes", "{}", "é\nb", "x\n\n", "|"
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,40}[!-~]",
        "([a-z]{1,8} ){5,30}end\\.",
    ]
}

fn interface(name: &'static str) -> impl Strategy<Value = Interface> {
    let reverse_path = [ReversePath::Off, ReversePath::Strict, ReversePath::Loose];
    (select(reverse_path.to_vec()), any::<bool>()).prop_map(move |(reverse_path, localnet)| {
        Interface {
            name: name.parse().expect("a name"),
            addresses: Vec::new(),
            reverse_path,
            route_localnet: localnet,
        }
    })
}

/// Where a route leads: out of eth0, which is always there, or nowhere.
fn route(octet: u8) -> impl Strategy<Value = Route> {
    let out = |via: Option<&str>| RouteKind::Unicast {
        interface: InterfaceName::ETH0,
        via: via.map(|via| via.parse().expect("an address")),
    };
    let ways = [
        out(None),
        out(Some("10.0.0.9")),
        RouteKind::Blackhole,
        RouteKind::Unreachable,
        RouteKind::Prohibit,
    ];
    select(ways.to_vec()).prop_map(move |to| Route {
        destination: format!("172.{octet}.0.0/16").parse().expect("a prefix"),
        to,
    })
}

fn node() -> impl Strategy<Value = Node> {
    let interfaces = (interface("eth0"), option::of(interface("cali1")));
    let addresses = ["10.0.0.1/24", "10.1.0.1/32", "fd00::1/64"];
    let routes = (option::of(route(16)), option::of(route(17)));
    let addresses = subsequence(addresses.to_vec(), 0..=3);
    (prose(), interfaces, addresses, routes, any::<[bool; 2]>()).prop_map(
        |(name, (mut eth0, cali1), addresses, routes, [forwards_v4, forwards_v6])| {
            let addresses = addresses.into_iter();
            eth0.addresses = addresses
                .map(|net| net.parse().expect("a prefix"))
                .collect();
            Node {
                name,
                interfaces: std::iter::once(eth0).chain(cali1).collect(),
                routes: [routes.0, routes.1].into_iter().flatten().collect(),
                forwards_v4,
                forwards_v6,
            }
        },
    )
}

/// Rules of other programs.
fn ruleset(family: Family) -> impl Strategy<Value = Ruleset> {
    let rules = [
        "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
        "-A INPUT -m comment --comment \"it's: - # mine\" -j DROP",
        "-A FORWARD -i eth0 -o docker0 -j mine",
        "-A mine -m mark --mark 0x1/0xff -j RETURN",
    ];
    subsequence(rules.to_vec(), 0..=rules.len()).prop_map(move |rules| {
        if rules.is_empty() {
            return Ruleset::empty(family);
        }
        let chains =
            ":INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:mine - [0:0]";
        let text = format!("*filter\n{chains}\n{}\nCOMMIT\n", rules.join("\n"));
        save::parse("made", &text, family).expect("rules")
    })
}

fn sets() -> impl Strategy<Value = Vec<Set>> {
    let texts = [
        "",
        "create friends hash:ip family inet\nadd friends 10.0.0.9\nadd friends 10.0.0.8\n",
        "create nets hash:net family inet6\nadd nets fd00::/64\n",
    ];
    select(texts.to_vec()).prop_map(|text| ipset::parse("made", text).expect("sets"))
}

fn completion(firewall: &Firewall) -> Vec<Completion> {
    let rules = firewall.v4.rules();
    let mut about = rules.map(|(id, _)| Completion {
        family: Family::V4,
        table: Some(TableName::Filter),
        chain: Some(id.chain),
        rules: vec![id.index + 1],
        why: "it: was missing".to_owned(),
    });
    about.next().into_iter().collect()
}

/// What could come behind a scenario's packets.
fn changed(resources: Option<&Resources>, batch: &Batch) -> Option<Changed> {
    let resources = resources.filter(|_| batch.order == Order::InSequence)?;
    Some(Changed {
        resources: resources.clone(),
        packets: batch.packets.clone(),
    })
}

fn batch() -> impl Strategy<Value = Batch> {
    let packets = [
        "in=eth0 tcp 10.0.0.9:40000 > 10.0.0.1:22",
        "from=node icmp 10.0.0.1 > 10.0.0.2 type=3/1 quotes=(udp 10.0.0.2:53 > 10.0.0.9:4000)",
        "in=eth0 udp [fd00::1]:53 > [fd00::2]:4000 mark=0x1000000 untracked ttl=1 tos=0x10",
        "in=lo proto=47 10.0.0.1 > 10.0.0.2 frag=0+ len=100 bad=header-checksum",
    ];
    let connections = [
        "tcp 10.0.0.9:40001 > 10.0.0.1:22 replied",
        "udp [fd00::9]:53 > [fd00::1]:53 unreplied",
        "tcp 10.0.0.9:40002 > 10.0.0.1:80 replied answers=(tcp 172.16.0.2:8080 > 10.0.0.9:40002)",
    ];
    let packets = vec(select(packets.to_vec()), 0..5);
    let connections = subsequence(connections.to_vec(), 0..=connections.len());
    let order = select(vec![Order::Apart, Order::InSequence]);
    (packets, connections, order).prop_map(|(packets, connections, order)| Batch {
        order,
        connections: connections
            .into_iter()
            .map(|text| text.parse::<Connection>().expect("a connection"))
            .collect(),
        packets: packets
            .into_iter()
            .map(|text| text.parse::<Packet>().expect("a packet"))
            .collect(),
    })
}

/// Scenarios of every shape.
pub fn scenario() -> impl Strategy<Value = Scenario> {
    let firewall = (ruleset(Family::V4), ruleset(Family::V6), sets());
    let firewall = firewall.prop_map(|(v4, v6, sets)| Firewall { v4, v6, sets });
    (
        (prose(), option::of(prose()), node()),
        (firewall, option::of(resources()), any::<bool>()),
        batch(),
    )
        .prop_map(
            |((name, why, node), (firewall, resources, completed), batch)| Scenario {
                changed: changed(resources.as_ref(), &batch),
                name,
                why,
                node,
                completed: if completed {
                    completion(&firewall)
                } else {
                    Vec::new()
                },
                firewall,
                // Without a resource nothing tells the version of the API.
                resources: resources.map(|mut resources| {
                    if calidiff::calico::write::documents(&resources).is_empty() {
                        resources.api = Default::default();
                    }
                    resources
                }),
                batch,
            },
        )
}

fn read(text: &str) -> Result<Scenario, text::NotAScenario> {
    text::read("written.yaml", text, &|_| {
        Err(std::io::ErrorKind::NotFound.into())
    })
}

proptest! {
    #[test]
    fn scenarios_are_read_as_they_were_written(scenario in scenario()) {
        let text = text::write(&scenario).expect("YAML");
        match read(&text) {
            Ok(again) => {
                prop_assert_eq!(&text, &text::write(&again).expect("YAML"));
                prop_assert_eq!(again, scenario, "{}", text);
            }
            Err(error) => prop_assert!(false, "{}\n{}", error, text),
        }
    }
}
