//! What a room sees of packets on their way, on both backends.

mod rules;

use std::error::Error;

use std::net::IpAddr;

use calidiff::journey::{Fate, Journey, Point, Sight};
use calidiff::kernel::Room;
use calidiff::mark::Mark;
use calidiff::node::Node;
use calidiff::packet::{
    Batch, Connection, Defect, Family, Fragment, Icmp, InterfaceName, Order, Origin, Packet, Ports,
    Progress, Tcp, TcpFlags, Transport, Tuple,
};
use calidiff::xtables::Backend;
use calidiff::xtables::{Firewall, Hook, save};
use libtest_mimic::Trial;

use crate::trial;

type Outcome = Result<(), Box<dyn Error>>;

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("journeys::transit_is_seen_at_each_point", transit),
        trial("journeys::arrivals_end_where_they_end", arrivals),
        trial("journeys::own_packets_end_where_they_end", own_packets),
        trial("journeys::a_node_talks_to_itself_over_lo", loopback),
        trial("journeys::translations_are_seen", translations),
        trial("journeys::every_reject_is_answered", rejects),
        trial("journeys::resets_belong_to_the_packet_before", resets),
        trial("journeys::an_answer_can_be_answered", answers_to_answers),
        trial("journeys::presets_are_borne_by_all_packets", presets),
        trial("journeys::connections_decide_states", connections),
        trial(
            "journeys::translated_connections_translate",
            translated_connections,
        ),
        trial("journeys::long_batches_keep_their_order", long_batches),
        trial("journeys::pieces_and_defects", pieces_and_defects),
    ];
    trials.extend(rules::trials());
    trials
}

fn node() -> Result<Node, Box<dyn Error>> {
    Ok(serde_json::from_str(
        r#"{
        "name": "n",
        "interfaces": [
            {"name": "eth0", "addresses": ["10.0.0.1/24", "fd00::1/64"]},
            {"name": "cali1", "addresses": []}
        ],
        "routes": [
            {"destination": "10.65.0.2/32", "to": {"unicast": {"interface": "cali1"}}},
            {"destination": "fd65::2/128", "to": {"unicast": {"interface": "cali1"}}}
        ]
    }"#,
    )?)
}

fn on_both(v4: &str, v6: &str, check: impl Fn(&mut Room) -> Outcome) -> Outcome {
    for backend in Backend::BOTH {
        let mut room = Room::new(backend)?;
        let firewall = Firewall {
            v4: save::parse("v4", v4, Family::V4)?,
            v6: save::parse("v6", v6, Family::V6)?,
            sets: Vec::new(),
        };
        room.program(&node()?, &firewall)??;
        check(&mut room).map_err(|error| format!("{backend:?}: {error}"))?;
    }
    Ok(())
}

fn name(text: &str) -> InterfaceName {
    text.parse().expect("an interface name")
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn ports(source: u16, destination: u16) -> Ports {
    Ports {
        source,
        destination,
    }
}

fn eth0() -> Origin {
    Origin::Arrives(name("eth0"))
}

fn cali1() -> Origin {
    Origin::Arrives(name("cali1"))
}

fn entry(hook: Hook) -> Point {
    Point { hook, after: None }
}

fn tcp_between(from: Origin, source: &str, destination: &str, ports: Ports, flags: u8) -> Packet {
    let tcp = Tcp {
        ports,
        flags: TcpFlags(flags),
        option: None,
    };
    let (source, destination) = (address(source), address(destination));
    Packet::new(from, source, destination, Transport::Tcp(tcp))
}

fn tcp(from: Origin, source: &str, destination: &str) -> Packet {
    tcp_between(from, source, destination, ports(40000, 80), TcpFlags::SYN.0)
}

fn udp(from: Origin, source: &str, destination: &str) -> Packet {
    let transport = Transport::Udp(ports(40000, 53));
    Packet::new(from, address(source), address(destination), transport)
}

fn with_flags(mut packet: Packet, flags: u8) -> Packet {
    if let Transport::Tcp(tcp) = &mut packet.transport {
        tcp.flags = TcpFlags(flags);
    }
    packet
}

fn marked(packet: Packet, mark: u32) -> Packet {
    Packet {
        mark: Mark(mark),
        ..packet
    }
}

fn connection(original: Tuple, progress: Progress) -> Connection {
    Connection::new(original, progress).expect("a tuple with an inverse")
}

fn fire(room: &mut Room, packets: Vec<Packet>) -> Result<Vec<Journey>, Box<dyn Error>> {
    let mut journeys = Vec::new();
    room.fire(
        &Batch {
            order: Order::Apart,
            connections: vec![],
            packets,
        },
        &mut journeys,
    )?;
    Ok(journeys)
}

const MARKING: &str = "*raw
-A PREROUTING -j MARK --or-mark 0x1
-A OUTPUT -j MARK --or-mark 0x100
COMMIT
*mangle
-A PREROUTING -j MARK --or-mark 0x2
-A FORWARD -j MARK --or-mark 0x4
-A POSTROUTING -j MARK --or-mark 0x10
COMMIT
*filter
-A FORWARD -j MARK --or-mark 0x8
COMMIT
";

/// The points and marks of a journey, a line each.
fn seen(journey: &Journey) -> Vec<String> {
    let line = |sight: &Sight| format!("{} {}", sight.point, sight.mark);
    journey.sights.iter().map(line).collect()
}

fn transit() -> Outcome {
    on_both(MARKING, MARKING, |room| {
        let packets = vec![
            tcp(eth0(), "192.0.2.1", "10.65.0.2"),
            marked(tcp(eth0(), "2001:db8::1", "fd65::2"), 0xf00),
        ];
        let journeys = fire(room, packets)?;
        let expected = [
            "PREROUTING entry 0x0",
            "PREROUTING after raw 0x1",
            "PREROUTING after mangle 0x3",
            "FORWARD entry 0x3",
            "FORWARD after mangle 0x7",
            "FORWARD after filter 0xf",
            "POSTROUTING after mangle 0x1f",
        ];
        assert_eq!(seen(&journeys[0]), expected);
        let preset = expected.map(|line| line.replace(" 0x", " 0xf0").replace("0xf01f", "0xf1f"));
        assert_eq!(seen(&journeys[1]), preset);
        for journey in &journeys {
            assert_eq!(journey.fate, Fate::Sent(name("cali1")));
            let interfaces = |sight: &Sight| (sight.in_interface, sight.out_interface);
            let (eth0, cali1) = (Some(name("eth0")), Some(name("cali1")));
            assert_eq!(interfaces(&journey.sights[0]), (eth0, None));
            assert_eq!(interfaces(&journey.sights[4]), (eth0, cali1));
            assert_eq!(interfaces(&journey.sights[6]), (eth0, cali1));
            // One hop is spent between the two.
            assert_eq!(journey.sights[2].headers.hops, 64);
            assert_eq!(journey.sights[3].headers.hops, 63);
        }
        Ok(())
    })
}

fn arrivals() -> Outcome {
    let rules = "*filter\n-A INPUT -p udp -j DROP\n-A FORWARD -p udp -j DROP\nCOMMIT\n";
    on_both(rules, rules, |room| {
        let packets = vec![
            tcp(eth0(), "192.0.2.1", "10.0.0.1"),
            udp(eth0(), "192.0.2.1", "10.0.0.1"),
            udp(eth0(), "192.0.2.1", "10.65.0.2"),
            udp(eth0(), "10.0.0.9", "198.51.100.1"),
            udp(eth0(), "127.0.0.1", "10.0.0.1"),
            Packet {
                hops: 1,
                ..tcp(eth0(), "10.0.0.9", "10.65.0.2")
            },
            tcp(eth0(), "2001:db8::1", "fd00::1"),
            udp(eth0(), "2001:db8::1", "fd00::1"),
            udp(eth0(), "2001:db8::1", "fd65::2"),
            udp(eth0(), "::1", "fd65::2"),
            Packet {
                hops: 1,
                ..tcp(eth0(), "fd00::9", "fd65::2")
            },
        ];
        let journeys = fire(room, packets)?;
        let fates: Vec<Fate> = journeys.iter().map(|journey| journey.fate).collect();
        let unrouted = Fate::Unrouted(Some(entry(Hook::Prerouting)));
        let dropped = |hook| Fate::Dropped(entry(hook));
        let expected = [
            Fate::Local,
            dropped(Hook::Input),
            dropped(Hook::Forward),
            unrouted,
            unrouted,
            unrouted,
            Fate::Local,
            dropped(Hook::Input),
            dropped(Hook::Forward),
            Fate::Unhooked,
            unrouted,
        ];
        assert_eq!(fates, expected);
        // No route, and no hops left: routing answers.
        let answered: Vec<usize> = journeys
            .iter()
            .map(|journey| journey.answers.len())
            .collect();
        assert_eq!(answered, [0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1]);
        let answer = &journeys[5].answers[0];
        assert_eq!(answer.fate, Fate::Sent(name("eth0")));
        assert_eq!(answer.sights[0].headers.ports, Tuple::icmp_ports(11, 0, 0));
        Ok(())
    })
}

fn own_packets() -> Outcome {
    let rules = "*filter\n-A OUTPUT -p udp -j DROP\nCOMMIT\n";
    on_both(rules, rules, |room| {
        let node = Origin::Node;
        let packets = vec![
            tcp(node, "10.0.0.1", "10.65.0.2"),
            udp(node, "10.0.0.1", "10.65.0.2"),
            tcp(node, "10.0.0.1", "198.51.100.1"),
            tcp(node, "10.0.0.1", "10.0.0.255"),
            tcp(node, "fd00::1", "fd65::2"),
            udp(node, "fd00::1", "fd65::2"),
            tcp(node, "fd00::1", "2001:db8::1"),
        ];
        let journeys = fire(room, packets)?;
        let fates: Vec<Fate> = journeys.iter().map(|journey| journey.fate).collect();
        let expected = [
            Fate::Sent(name("cali1")),
            Fate::Dropped(entry(Hook::Output)),
            Fate::Unrouted(None),
            Fate::Sent(name("eth0")),
            Fate::Sent(name("cali1")),
            Fate::Dropped(entry(Hook::Output)),
            Fate::Unrouted(None),
        ];
        assert_eq!(fates, expected);
        // A broadcast passes POSTROUTING twice: first as the copy that the node itself would get
        // (net/ipv4/ip_output.c, `ip_mc_output`).
        let twice = [
            "OUTPUT entry 0x0",
            "OUTPUT after filter 0x0",
            "POSTROUTING entry 0x0",
            "POSTROUTING entry 0x0",
        ];
        assert_eq!(seen(&journeys[3]), twice);
        Ok(())
    })
}

fn loopback() -> Outcome {
    on_both(MARKING, MARKING, |room| {
        let packets = vec![
            marked(tcp(Origin::Node, "10.0.0.1", "10.0.0.1"), 0x1000),
            tcp(Origin::Node, "127.0.0.1", "127.0.0.1"),
            tcp(Origin::Node, "::1", "::1"),
        ];
        let journeys = fire(room, packets)?;
        for (journey, preset) in journeys.iter().zip([0x1000, 0, 0]) {
            let expected = [
                ("OUTPUT entry", 0),
                ("OUTPUT after raw", 0x100),
                ("POSTROUTING after mangle", 0x110),
                ("PREROUTING entry", 0x110),
                ("PREROUTING after raw", 0x111),
                ("PREROUTING after mangle", 0x113),
                ("INPUT entry", 0x113),
            ];
            let expected = expected.map(|(point, mark)| format!("{point} {:#x}", mark | preset));
            assert_eq!(seen(journey), expected);
            assert_eq!(journey.fate, Fate::Local);
        }
        Ok(())
    })
}

fn translations() -> Outcome {
    let v4 = "*nat
-A PREROUTING -d 10.99.0.1/32 -p tcp -j DNAT --to-destination 10.65.0.2:8080
-A POSTROUTING -o cali1 -p tcp -j SNAT --to-source 10.0.0.1:5000
COMMIT
";
    let v6 = "*nat
-A PREROUTING -d fd99::1/128 -p tcp -j DNAT --to-destination [fd65::2]:8080
-A POSTROUTING -o cali1 -p tcp -j SNAT --to-source [fd00::1]:5000
COMMIT
";
    on_both(v4, v6, |room| {
        let packets = vec![
            tcp(eth0(), "192.0.2.1", "10.99.0.1"),
            tcp(eth0(), "2001:db8::1", "fd99::1"),
        ];
        let journeys = fire(room, packets.clone())?;
        for (packet, (journey, to, from)) in packets.iter().zip([
            (&journeys[0], "10.65.0.2", "10.0.0.1"),
            (&journeys[1], "fd65::2", "fd00::1"),
        ]) {
            assert_eq!(journey.fate, Fate::Sent(name("cali1")));
            let [before, after, forward, last] = journey.sights.as_slice() else {
                panic!("four sights expected: {:?}", seen(journey));
            };
            assert_eq!(before.headers, packet.headers());
            assert_eq!(after.headers.destination, address(to));
            assert_eq!(after.headers.ports.destination, 8080);
            assert_eq!(forward.headers.source, packet.source);
            assert_eq!(last.headers.source, address(from));
            assert_eq!(last.headers.ports, ports(5000, 8080));
        }
        Ok(())
    })
}

fn rejects() -> Outcome {
    let types_v4 = [
        ("icmp-net-unreachable", 0),
        ("icmp-host-unreachable", 1),
        ("icmp-proto-unreachable", 2),
        ("icmp-port-unreachable", 3),
        ("icmp-net-prohibited", 9),
        ("icmp-host-prohibited", 10),
        ("icmp-admin-prohibited", 13),
    ];
    let types_v6 = [
        ("icmp6-no-route", 0),
        ("icmp6-adm-prohibited", 1),
        ("icmp6-addr-unreachable", 3),
        ("icmp6-port-unreachable", 4),
        ("icmp6-policy-fail", 5),
        ("icmp6-reject-route", 6),
    ];
    for index in 0..types_v4.len() {
        let (name_v4, code_v4) = types_v4[index];
        let (name_v6, code_v6) = types_v6[index % types_v6.len()];
        let rules = |reject| {
            format!(
                "*filter\n-A INPUT -j REJECT --reject-with {reject}\n\
                 -A FORWARD -j REJECT --reject-with {reject}\nCOMMIT\n"
            )
        };
        on_both(&rules(name_v4), &rules(name_v6), |room| {
            let packets = vec![
                marked(udp(eth0(), "10.0.0.9", "10.65.0.2"), 7),
                marked(udp(eth0(), "fd00::9", "fd65::2"), 7),
                udp(eth0(), "10.0.0.9", "10.0.0.1"),
                udp(eth0(), "fd00::9", "fd00::1"),
            ];
            let journeys = fire(room, packets.clone())?;
            for (packet, journey) in packets.iter().zip(&journeys) {
                let (kind, code) = match packet.family() {
                    Family::V4 => (3, code_v4),
                    Family::V6 => (1, code_v6),
                };
                assert!(matches!(journey.fate, Fate::Dropped(_)));
                assert_eq!(journey.answers.len(), 1, "{packet:?}");
                let answer = &journey.answers[0];
                assert_eq!(answer.fate, Fate::Sent(name("eth0")));
                assert_eq!(seen(answer), ["OUTPUT entry 0x0", "POSTROUTING entry 0x0"]);
                let headers = answer.sights[0].headers;
                assert_eq!(headers.ports, Tuple::icmp_ports(kind, code, 0));
                assert_eq!(headers.destination, packet.source);
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn resets() -> Outcome {
    let rules = "*filter\n-A FORWARD -p tcp -j REJECT --reject-with tcp-reset\n\
                 -A OUTPUT -p tcp --dport 80 -j REJECT --reject-with tcp-reset\nCOMMIT\n";
    on_both(rules, rules, |room| {
        let packets = vec![
            udp(eth0(), "10.0.0.9", "10.65.0.2"),
            tcp(eth0(), "10.0.0.9", "10.65.0.2"),
            udp(eth0(), "10.0.0.9", "10.65.0.2"),
            tcp(eth0(), "fd00::9", "fd65::2"),
            // The node's own packet is answered over lo.
            tcp(Origin::Node, "10.0.0.1", "10.65.0.2"),
            tcp(Origin::Node, "fd00::1", "fd65::2"),
            udp(eth0(), "fd00::9", "fd65::2"),
        ];
        let journeys = fire(room, packets.clone())?;
        let answered: Vec<usize> = journeys
            .iter()
            .map(|journey| journey.answers.len())
            .collect();
        assert_eq!(answered, [0, 1, 0, 1, 1, 1, 0]);
        for index in [1, 3] {
            let reset = &journeys[index].answers[0];
            assert_eq!(reset.fate, Fate::Sent(name("eth0")));
            assert_eq!(reset.sights[0].headers.source, packets[index].destination);
            assert_eq!(reset.sights[0].headers.ports, ports(80, 40000));
        }
        for index in [4, 5] {
            let reset = &journeys[index].answers[0];
            assert_eq!(reset.fate, Fate::Local);
            let hooks: Vec<Hook> = reset.sights.iter().map(|sight| sight.point.hook).collect();
            use Hook::{Input, Output, Postrouting, Prerouting};
            assert_eq!(hooks, [Output, Output, Postrouting, Prerouting, Input]);
        }
        Ok(())
    })
}

fn answers_to_answers() -> Outcome {
    let rules = "*filter\n-A FORWARD -p tcp -j REJECT --reject-with tcp-reset\n\
                 -A OUTPUT -p tcp -j REJECT\nCOMMIT\n";
    on_both(rules, rules, |room| {
        let packets = vec![
            tcp(eth0(), "10.0.0.9", "10.65.0.2"),
            tcp(eth0(), "fd00::9", "fd65::2"),
        ];
        for journey in fire(room, packets)? {
            let reset = &journey.answers[0];
            assert_eq!(reset.fate, Fate::Dropped(entry(Hook::Output)));
            assert_eq!(reset.answers.len(), 1, "the reset is rejected in its turn");
            assert_eq!(journey.answers.len(), 1);
        }
        Ok(())
    })
}

/// Writes the state that connection tracking gives a packet into its mark.
const STATES: &str = "*mangle
-A PREROUTING -m conntrack --ctstate INVALID -j MARK --or-mark 0x1
-A PREROUTING -m conntrack --ctstate NEW -j MARK --or-mark 0x2
-A PREROUTING -m conntrack --ctstate ESTABLISHED -j MARK --or-mark 0x4
-A PREROUTING -m conntrack --ctstate RELATED -j MARK --or-mark 0x8
-A PREROUTING -m conntrack --ctstate UNTRACKED -j MARK --or-mark 0x10
-A PREROUTING -m conntrack --ctstate SNAT -j MARK --or-mark 0x20
-A PREROUTING -m conntrack --ctstate DNAT -j MARK --or-mark 0x40
-A OUTPUT -m conntrack --ctstate NEW -j MARK --or-mark 0x2
-A OUTPUT -m conntrack --ctstate UNTRACKED -j MARK --or-mark 0x10
COMMIT
";

fn last_marks(journeys: &[Journey]) -> Vec<u32> {
    let last = |journey: &Journey| journey.sights.last().map_or(u32::MAX, |sight| sight.mark.0);
    journeys.iter().map(last).collect()
}

fn presets() -> Outcome {
    on_both(STATES, STATES, |room| {
        let mut packets = Vec::new();
        let mut expected = Vec::new();
        // More presets than a palette holds.
        for number in 0..40_u32 {
            let untracked = number % 3 == 0;
            let mark = if number % 4 == 0 { 0 } else { number << 16 };
            let state = if untracked { 0x10 } else { 0x2 };
            for packet in [
                tcp(eth0(), "10.0.0.9", "10.65.0.2"),
                tcp(eth0(), "fd00::9", "fd65::2"),
                tcp(Origin::Node, "10.0.0.1", "10.65.0.2"),
                tcp(Origin::Node, "fd00::1", "fd65::2"),
            ] {
                packets.push(Packet {
                    untracked,
                    ..marked(packet, mark)
                });
                expected.push(mark | state);
            }
        }
        let journeys = fire(room, packets.clone())?;
        for (packet, journey) in packets.iter().zip(&journeys) {
            assert_eq!(journey.sights[0].mark, packet.mark, "{packet:?}");
        }
        assert_eq!(last_marks(&journeys), expected);
        Ok(())
    })
}

fn connections() -> Outcome {
    on_both(STATES, STATES, |room| {
        for (source, destination, kinds) in [
            ("10.0.0.9", "10.65.0.2", [8, 3]),
            ("fd00::9", "fd65::2", [128, 1]),
        ] {
            let original = tcp(eth0(), source, destination).tuple();
            let ack = |from, source, destination| with_flags(tcp(from, source, destination), 0x10);
            let reply = Packet {
                source: address(destination),
                destination: address(source),
                ..tcp_between(cali1(), destination, source, ports(80, 40000), 0x10)
            };
            let udp_tuple = udp(eth0(), source, destination).tuple();
            let error = Transport::Icmp(Icmp {
                kind: kinds[1],
                code: 0,
                identifier: 0,
                quoted: Some(udp_tuple),
            });
            let echo = Transport::Icmp(Icmp {
                kind: kinds[0],
                code: 0,
                identifier: 9,
                quoted: None,
            });
            let batch = Batch {
                order: Order::Apart,
                connections: vec![
                    connection(original, Progress::Replied),
                    connection(udp_tuple, Progress::Unreplied),
                ],
                packets: vec![
                    ack(eth0(), source, destination),
                    reply,
                    udp(eth0(), source, destination),
                    Packet::new(cali1(), address(destination), address(source), error),
                    with_flags(
                        tcp_between(eth0(), source, destination, ports(1, 2), 2),
                        0x12,
                    ),
                    Packet::new(eth0(), address(source), address(destination), echo),
                ],
            };
            // Twice: what the first time left must be gone.
            for _ in 0..2 {
                let mut journeys = Vec::new();
                room.fire(&batch, &mut journeys)?;
                assert_eq!(last_marks(&journeys), [4, 4, 2, 8, 1, 2]);
            }
            // And without the connections the same packets are strangers.
            let journeys = fire(room, batch.packets)?;
            assert_eq!(last_marks(&journeys), [2, 2, 2, 1, 1, 2]);
        }
        Ok(())
    })
}

fn translated_connections() -> Outcome {
    // The kernel translates only where a nat table is loaded.
    let rules = format!("{STATES}*nat\n-A OUTPUT -p udp -j ACCEPT\nCOMMIT\n");
    on_both(&rules, &rules, |room| {
        for (client, service, pod, node) in [
            ("10.0.0.9", "10.99.0.1", "10.65.0.2", "10.0.0.1"),
            ("fd00::9", "fd99::1", "fd65::2", "fd00::1"),
        ] {
            let original = tcp(eth0(), client, service).tuple();
            let reply = Tuple {
                source: address(pod),
                destination: address(node),
                protocol: original.protocol,
                ports: ports(8080, 5000),
            };
            let batch = Batch {
                order: Order::Apart,
                connections: vec![Connection {
                    original,
                    reply,
                    progress: Progress::Replied,
                    settled: false,
                }],
                packets: vec![
                    with_flags(tcp(eth0(), client, service), 0x10),
                    tcp_between(cali1(), pod, node, ports(8080, 5000), 0x10),
                ],
            };
            let mut journeys = Vec::new();
            room.fire(&batch, &mut journeys)?;
            assert_eq!(last_marks(&journeys), [0x64, 0x64]);
            let last = |journey: &Journey| journey.sights.last().map(|sight| sight.headers);
            let (there, back) = (last(&journeys[0]), last(&journeys[1]));
            let (there, back) = (there.ok_or("no sight")?, back.ok_or("no sight")?);
            assert_eq!(
                (there.source, there.destination),
                (address(node), address(pod))
            );
            assert_eq!(there.ports, ports(5000, 8080));
            assert_eq!(
                (back.source, back.destination),
                (address(service), address(client))
            );
            assert_eq!(back.ports, ports(80, 40000));
            assert_eq!(journeys[1].fate, Fate::Sent(name("eth0")));
        }
        Ok(())
    })
}

fn long_batches() -> Outcome {
    // Every second packet of the whole batch is marked: the order is kept over salvos.
    let rules = "*raw\n-A PREROUTING -m statistic --mode nth --every 2 --packet 0 \
                 -j MARK --set-mark 0x1\nCOMMIT\n";
    on_both(rules, rules, |room| {
        let packet = |port| tcp_between(eth0(), "10.0.0.9", "10.65.0.2", ports(port, 80), 2);
        let packets: Vec<Packet> = (0..10_001).map(packet).collect();
        let journeys = fire(room, packets)?;
        for (index, journey) in (0_u16..).zip(&journeys) {
            let sight = journey.sights[1];
            assert_eq!(sight.headers.ports.source, index);
            assert_eq!(sight.mark, Mark(u32::from(index % 2 == 0)));
            assert_eq!(journey.fate, Fate::Sent(name("cali1")));
        }
        assert_eq!(journeys.len(), 10_001);
        Ok(())
    })
}

fn pieces_and_defects() -> Outcome {
    on_both(STATES, STATES, |room| {
        let piece = |offset| Packet {
            fragment: Some(Fragment { offset, more: true }),
            ..udp(eth0(), "10.0.0.9", "10.65.0.2")
        };
        let defective = |defect| Packet {
            defect: Some(defect),
            ..tcp(eth0(), "10.0.0.9", "10.65.0.2")
        };
        let packets = vec![
            piece(0),
            piece(3),
            Packet {
                untracked: true,
                ..piece(3)
            },
            defective(Defect::HeaderChecksum),
            defective(Defect::TransportChecksum),
            defective(Defect::Truncated(10)),
        ];
        let journeys = fire(room, packets)?;
        let fates: Vec<Fate> = journeys.iter().map(|journey| journey.fate).collect();
        // Connection tracking is on: a lone piece never comes out of reassembly; an untracked one
        // goes on.
        let reassembled = Fate::Dropped(entry(Hook::Prerouting));
        let sent = Fate::Sent(name("cali1"));
        assert_eq!(
            fates,
            [reassembled, reassembled, sent, Fate::Unhooked, sent, sent]
        );
        assert_eq!(last_marks(&journeys)[4..], [1, 1], "both are invalid");
        Ok(())
    })
}
