//! Packets that come one behind the other, each with the connection that those before it left: the model and
//! both backends' kernels see the same.

use std::error::Error;
use std::path::Path;

use calidiff::arm;
use calidiff::arm::plan::Plan;
use calidiff::campaign::trial::Panel;
use calidiff::diff::judgement;
use calidiff::diff::meaning::sure;
use calidiff::diff::{Comparison, compare};
use calidiff::journey::{Answer, Fate};
use calidiff::kernel::Room;
use calidiff::model::{Machine, Sequence};
use calidiff::node::Node;
use calidiff::packet::{Batch, Connection, Family, Order, Packet, Progress};
use calidiff::render::Layout;
use calidiff::scenario::text::read_file;
use calidiff::xtables::{Backend, Firewall, save};
use libtest_mimic::Trial;

use crate::trial;

type Outcome = Result<(), Box<dyn Error>>;

/// How a packet ended, and its mark when it was last seen.
type End = (Fate, u32);

pub fn trials() -> Vec<Trial> {
    vec![
        trial("sequences::each_packet_meets_what_those_before_left", flows),
        trial("sequences::what_is_taken_away_leaves_nothing", refused),
        trial("sequences::a_key_that_is_taken_is_not_entered", taken),
        trial(
            "sequences::connections_outlive_a_change_of_the_rules",
            changed,
        ),
        trial(
            "sequences::an_example_is_judged_through_its_change",
            example,
        ),
        trial("sequences::one_leaves_nothing_for_another", apart),
        trial("sequences::an_entry_by_hand_is_as_one_that_came", by_hand),
    ]
}

const NODE: &str = r#"{
    "name": "n",
    "interfaces": [
        {"name": "eth0", "addresses": ["10.0.0.1/24", "fd00::1/64"]},
        {"name": "cali1", "addresses": []}
    ],
    "routes": [
        {"destination": "10.65.0.2/32", "to": {"unicast": {"interface": "cali1"}}},
        {"destination": "fd65::2/128", "to": {"unicast": {"interface": "cali1"}}},
        {"destination": "10.96.0.0/16", "to": {"unicast": {"interface": "eth0", "via": "10.0.0.254"}}},
        {"destination": "192.0.2.0/24", "to": {"unicast": {"interface": "eth0", "via": "10.0.0.254"}}},
        {"destination": "2001:db8::/64", "to": {"unicast": {"interface": "eth0", "via": "fd00::254"}}}
    ]
}"#;

/// Rules that write down in the mark what a packet is to its connection, and translate.
const V4: &str = "*mangle
-A PREROUTING -m conntrack --ctstate NEW -j MARK --or-mark 0x1
-A PREROUTING -m conntrack --ctstate ESTABLISHED -j MARK --or-mark 0x2
-A PREROUTING -m conntrack --ctstate RELATED -j MARK --or-mark 0x4
-A PREROUTING -m conntrack --ctstate INVALID -j MARK --or-mark 0x8
-A PREROUTING -m conntrack --ctstatus ASSURED -j MARK --or-mark 0x10
-A OUTPUT -m conntrack --ctstate NEW -j MARK --or-mark 0x1
-A OUTPUT -m conntrack --ctstate ESTABLISHED -j MARK --or-mark 0x2
-A OUTPUT -m conntrack --ctstate RELATED -j MARK --or-mark 0x4
-A OUTPUT -m conntrack --ctstate INVALID -j MARK --or-mark 0x8
-A POSTROUTING -m conntrack --ctstate SNAT -j MARK --or-mark 0x20
-A POSTROUTING -m conntrack --ctstate DNAT -j MARK --or-mark 0x40
-A INPUT -m conntrack --ctstate DNAT -j MARK --or-mark 0x40
COMMIT
*nat
-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.65.0.2:8080
-A PREROUTING -d 10.96.0.1/32 -p udp -m udp --dport 53 -j DNAT --to-destination 10.0.0.1:5353
-A OUTPUT -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.65.0.2:8080
-A POSTROUTING -s 10.65.0.0/16 -o eth0 -j MASQUERADE
COMMIT
*filter
-A FORWARD -p tcp -m tcp --dport 99 -j REJECT --reject-with tcp-reset
-A FORWARD -p udp -m udp --dport 99 -j DROP
COMMIT
";

const V6: &str = "*mangle
-A PREROUTING -m conntrack --ctstate NEW -j MARK --or-mark 0x1
-A PREROUTING -m conntrack --ctstate ESTABLISHED -j MARK --or-mark 0x2
-A PREROUTING -m conntrack --ctstate RELATED -j MARK --or-mark 0x4
-A PREROUTING -m conntrack --ctstate INVALID -j MARK --or-mark 0x8
COMMIT
*nat
-A POSTROUTING -s fd65::/64 -o eth0 -j MASQUERADE
COMMIT
";

/// Nothing new goes through the node any more.
const CLOSED: &str = "*filter
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -j DROP
COMMIT
";

/// A connection to a service, out of the cluster, to the node, from it, over `lo`; of TCP, UDP, ICMP and a
/// protocol without ports.
const FLOWS: [&[&str]; 10] = [
    &[
        "in=cali1 tcp 10.65.0.2:40000 > 192.0.2.1:443",
        "in=cali1 tcp 10.65.0.2:40000 > 192.0.2.1:443",
        "in=eth0 tcp 192.0.2.1:443 > 10.0.0.1:40000 flags=SYN,ACK",
        "in=cali1 tcp 10.65.0.2:40000 > 192.0.2.1:443 flags=ACK",
        "in=eth0 tcp 192.0.2.1:443 > 10.0.0.1:40000 flags=ACK",
        "in=eth0 icmp 192.0.2.254 > 10.0.0.1 type=3/1 quotes=(tcp 10.0.0.1:40000 > 192.0.2.1:443)",
        "in=cali1 tcp 10.65.0.2:40000 > 192.0.2.1:443 flags=PSH,ACK",
    ],
    &[
        "in=eth0 tcp 192.0.2.7:5000 > 10.96.0.1:80",
        "in=cali1 tcp 10.65.0.2:8080 > 192.0.2.7:5000 flags=SYN,ACK",
        "in=cali1 tcp 10.65.0.2:8080 > 192.0.2.7:5000 flags=SYN,ACK",
        "in=eth0 tcp 192.0.2.7:5000 > 10.96.0.1:80 flags=ACK",
        "in=cali1 icmp 10.65.0.2 > 192.0.2.7 type=3/3 quotes=(tcp 192.0.2.7:5000 > 10.65.0.2:8080)",
    ],
    &[
        "in=eth0 udp 192.0.2.7:5000 > 10.96.0.1:53",
        "from=node udp 10.0.0.1:5353 > 192.0.2.7:5000",
        "in=eth0 udp 192.0.2.7:5000 > 10.96.0.1:53",
    ],
    &[
        "in=eth0 udp 192.0.2.7:5000 > 10.96.0.1:53",
        "in=eth0 udp 192.0.2.7:5000 > 10.96.0.1:53",
    ],
    &[
        "from=node tcp 10.0.0.1:50000 > 10.96.0.1:80",
        "in=cali1 tcp 10.65.0.2:8080 > 10.0.0.1:50000 flags=SYN,ACK",
        "from=node tcp 10.0.0.1:50000 > 10.96.0.1:80 flags=ACK",
    ],
    &[
        "in=cali1 icmp 10.65.0.2 > 192.0.2.1 id=7",
        "in=eth0 icmp 192.0.2.1 > 10.0.0.1 type=0/0 id=7",
        "in=cali1 icmp 10.65.0.2 > 192.0.2.1 id=7",
    ],
    &[
        "from=node udp 10.0.0.1:1000 > 10.0.0.1:2000",
        "from=node udp 10.0.0.1:2000 > 10.0.0.1:1000",
        "from=node udp 10.0.0.1:1000 > 10.0.0.1:2000",
    ],
    &[
        "in=cali1 proto=253 10.65.0.2 > 192.0.2.1",
        "in=eth0 proto=253 192.0.2.1 > 10.0.0.1",
    ],
    &[
        "in=cali1 tcp 10.65.0.2:40000 > 192.0.2.1:443",
        "in=eth0 tcp 192.0.2.1:443 > 10.0.0.1:40000 flags=SYN,ACK",
        "in=cali1 tcp 10.65.0.2:40000 > 192.0.2.1:443 flags=SYN,ACK",
        "in=cali1 tcp 10.65.0.2:40000 > 192.0.2.1:443 flags=ACK",
    ],
    &[
        "in=cali1 tcp [fd65::2]:40000 > [2001:db8::1]:443",
        "in=eth0 tcp [2001:db8::1]:443 > [fd00::1]:40000 flags=SYN,ACK",
        "in=cali1 tcp [fd65::2]:40000 > [2001:db8::1]:443 flags=ACK",
        "in=eth0 icmp6 2001:db8::9 > fd00::1 type=1/0 quotes=(tcp [fd00::1]:40000 > [2001:db8::1]:443)",
    ],
];

fn node() -> Result<Node, Box<dyn Error>> {
    Ok(serde_json::from_str(NODE)?)
}

fn firewall(v4: &str, v6: &str) -> Result<Firewall, Box<dyn Error>> {
    Ok(Firewall {
        v4: save::parse("v4", v4, Family::V4)?,
        v6: save::parse("v6", v6, Family::V6)?,
        sets: Vec::new(),
    })
}

fn sequence(lines: &[&str]) -> Result<Batch, Box<dyn Error>> {
    let packets: Result<Vec<Packet>, _> = lines.iter().map(|line| line.parse()).collect();
    Ok(Batch {
        packets: packets?,
        order: Order::InSequence,
        ..Batch::default()
    })
}

/// A room and the model behind one backend, on the same rules.
struct Pair {
    room: Room,
    machine: Machine,
    node: Node,
    backend: Backend,
}

impl Pair {
    fn new(backend: Backend, firewall: &Firewall) -> Result<Self, Box<dyn Error>> {
        let node = node()?;
        let mut room = Room::new(backend)?;
        room.program(&node, firewall)??;
        Ok(Self {
            machine: Machine::new(backend, &node, firewall)?,
            room,
            node,
            backend,
        })
    }

    fn reload(&mut self, firewall: &Firewall) -> Outcome {
        self.room.program(&self.node, firewall)??;
        self.machine = Machine::new(self.backend, &self.node, firewall)?;
        Ok(())
    }

    /// Holds what a room saw of a batch against what the model says; gives the packets' ends and the marks
    /// with which they were last seen.
    fn hold(
        &mut self,
        batch: &Batch,
        known: &mut Sequence,
        seen: Vec<calidiff::journey::Journey>,
    ) -> Result<Vec<End>, Box<dyn Error>> {
        let mut ends = Vec::new();
        for (packet, journey) in batch.packets.iter().zip(seen) {
            let expected = self.machine.follow(known, packet);
            let mark = journey.sights.last().map_or(0, |sight| sight.mark.0);
            ends.push((journey.fate, mark));
            match compare(&expected, &Answer::one(journey.clone())) {
                Comparison::Agree => {}
                other => {
                    let backend = self.backend;
                    return Err(format!(
                        "{backend}: {packet}: {other:?}\n{expected:?}\n{journey:?}"
                    )
                    .into());
                }
            }
        }
        Ok(ends)
    }

    fn fire(&mut self, batch: &Batch) -> Result<(Vec<End>, Sequence), Box<dyn Error>> {
        let mut seen = Vec::new();
        self.room.fire(batch, &mut seen)?;
        let mut known = Sequence::new(&batch.connections);
        let ends = self.hold(batch, &mut known, seen)?;
        Ok((ends, known))
    }
}

fn on_both(check: impl Fn(&mut Pair) -> Outcome) -> Outcome {
    let firewall = firewall(V4, V6)?;
    Backend::BOTH
        .into_iter()
        .try_for_each(|backend| check(&mut Pair::new(backend, &firewall)?))
}

fn marks(ends: &[End]) -> Vec<u32> {
    ends.iter().map(|(_, mark)| *mark).collect()
}

fn flows() -> Outcome {
    on_both(|pair| {
        let mut all = Vec::new();
        for lines in FLOWS {
            let (ends, known) = pair.fire(&sequence(lines)?)?;
            assert_eq!(known.lost(), None, "{lines:?}");
            all.push(marks(&ends));
        }
        // What a packet is to its connection (1 new, 2 established, 4 related, 8 invalid, 10 assured), and
        // whether its source (20) or destination (40) is translated: of a first packet the source is not yet.
        assert_eq!(
            all,
            [
                vec![0x01, 0x21, 0x22, 0x32, 0x32, 0x34, 0x32],
                vec![0x41, 0x42, 0x42, 0x52, 0x54],
                vec![0x41, 0x42, 0x42],
                vec![0x41, 0x41],
                vec![0x41, 0x42, 0x42],
                vec![0x01, 0x22, 0x22],
                vec![0x01, 0x02, 0x02],
                vec![0x01, 0x22],
                vec![0x01, 0x22, 0x22, 0x32],
                vec![0x01, 0x02, 0x02, 0x04],
            ]
        );
        Ok(())
    })
}

fn refused() -> Outcome {
    on_both(|pair| {
        let again = [
            "in=cali1 udp 10.65.0.2:1 > 192.0.2.1:99",
            "in=eth0 udp 192.0.2.1:99 > 10.65.0.2:1",
            "in=cali1 tcp 10.65.0.2:2 > 192.0.2.1:99",
            "in=cali1 tcp 10.65.0.2:2 > 192.0.2.1:99",
            "in=cali1 udp 10.65.0.2:1 > 192.0.2.1:99",
        ];
        let (ends, known) = pair.fire(&sequence(&again)?)?;
        // The way back is free, and so begins a connection: what answers it then is established.
        assert_eq!(marks(&ends), [0x1, 0x1, 0x1, 0x1, 0x2]);
        assert_eq!(known.connections().len(), 1);
        Ok(())
    })
}

/// What has no ports can't give way: a connection whose answers another's packets look like is not entered.
fn taken() -> Outcome {
    on_both(|pair| {
        let lines = [
            "in=cali1 proto=253 10.65.0.2 > 192.0.2.1",
            "in=eth0 proto=253 192.0.2.1 > 10.65.0.2",
            "in=cali1 proto=253 10.65.0.2 > 192.0.2.1",
            "in=cali1 proto=253 10.65.0.2 > 192.0.2.1",
        ];
        let (ends, known) = pair.fire(&sequence(&lines)?)?;
        assert_eq!(marks(&ends), [0x1, 0x1, 0x21, 0x21]);
        assert_eq!(known.connections().len(), 1);
        // Over lo that shows: there connections are entered before the second half of the way.
        let rule =
            "-A POSTROUTING -s 10.0.0.1/32 -d 127.0.0.5/32 -o lo -j SNAT --to-source 127.0.0.9\n";
        let rules = V4.replace("COMMIT\n*filter", &format!("{rule}COMMIT\n*filter"));
        pair.reload(&firewall(&rules, V6)?)?;
        let lines = [
            "from=node proto=253 10.0.0.1 > 127.0.0.5",
            "from=node proto=253 127.0.0.5 > 10.0.0.1",
            "from=node proto=253 127.0.0.5 > 127.0.0.9",
        ];
        let (ends, known) = pair.fire(&sequence(&lines)?)?;
        let arrived: Vec<bool> = ends.iter().map(|(fate, _)| *fate == Fate::Local).collect();
        assert_eq!(arrived, [true, false, true]);
        assert_eq!(known.connections().len(), 1);
        Ok(())
    })
}

fn changed() -> Outcome {
    let closed = firewall(CLOSED, "")?;
    on_both(|pair| {
        let first = sequence(&[
            "in=cali1 udp 10.65.0.2:40000 > 192.0.2.1:53",
            "in=eth0 udp 192.0.2.1:53 > 10.0.0.1:40000",
            "in=cali1 udp 10.65.0.2:40001 > 192.0.2.1:53",
        ])?;
        let second = sequence(&[
            "in=cali1 udp 10.65.0.2:40000 > 192.0.2.1:53",
            "in=eth0 udp 192.0.2.1:53 > 10.0.0.1:40000",
            "in=cali1 udp 10.65.0.2:40001 > 192.0.2.1:53",
            "in=eth0 udp 192.0.2.1:53 > 10.0.0.1:40001",
            "in=cali1 udp 10.65.0.2:40002 > 192.0.2.1:53",
            "in=eth0 udp 192.0.2.1:53 > 10.0.0.1:40002",
        ])?;
        let (mut known, mut seen) = (Sequence::default(), Vec::new());
        pair.room.fire_first(&first, &mut seen)?;
        pair.hold(&first, &mut known, seen)?;
        pair.reload(&closed)?;
        let mut seen = Vec::new();
        pair.room.fire(&second, &mut seen)?;
        let ends = pair.hold(&second, &mut known, seen)?;
        let through: Vec<bool> = ends
            .iter()
            .map(|(fate, _)| matches!(fate, Fate::Sent(_)))
            .collect();
        // The connection that was answered goes on; the other is not established before its answer comes,
        // which is. The third can't begin, and nobody answers it: the node itself is spoken to.
        assert_eq!(through, [true, true, false, true, false, false]);
        assert_eq!(ends[5].0, Fate::Local);
        pair.reload(&firewall(V4, V6)?)
    })
}

fn apart() -> Outcome {
    on_both(|pair| {
        let lines = ["in=cali1 udp 10.65.0.2:7 > 192.0.2.1:53"];
        for order in [
            Order::InSequence,
            Order::Apart,
            Order::InSequence,
            Order::Apart,
        ] {
            let batch = Batch {
                order,
                ..sequence(&lines)?
            };
            let (ends, _) = pair.fire(&batch)?;
            assert_eq!(marks(&ends), [0x1], "{order:?}");
        }
        Ok(())
    })
}

/// The example whose policies change: everybody agrees on each packet, behind both backends.
fn example() -> Outcome {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/connection.yaml");
    let scenario = read_file(&path)?;
    let behind = scenario.behind_change(&[]).ok_or("nothing changes")?;
    let mut plan = Plan::new(Layout::Seed, &scenario)?;
    let mut other = Plan::new(Layout::Seed, &behind)?;
    let mut panel = Panel::new(&Backend::BOTH, &Backend::BOTH, &arm::make)?;
    let parts = [(&mut plan, &scenario.batch), (&mut other, &behind.batch)];
    let trials = panel.judge_changed(parts)?;
    for (trial, batch) in trials.iter().zip([&scenario.batch, &behind.batch]) {
        for (place, packet) in batch.packets.iter().enumerate() {
            let said = trial.said(&scenario.node, place);
            assert_eq!(said.outcome(), judgement::Outcome::Agree, "{packet}");
            let asked = said
                .readings
                .iter()
                .flatten()
                .filter(|one| one.kernel.is_some());
            assert_eq!(asked.count(), 2);
        }
    }
    let fates = trials[1].kernels[1].iter().flatten().map(sure);
    let ends: Vec<String> = fates.flatten().map(|end| end.to_string()).collect();
    assert_eq!(
        ends,
        [
            "sent out of cali-web as 203.0.113.7 > 10.65.0.1",
            "sent out of eth0 as 10.96.0.1 > 203.0.113.7",
            "lost",
        ]
    );
    Ok(())
}

/// Connections that packets made, entered by hand: what comes then is seen as if it had come behind them. But
/// nobody can enter when UDP's sides have spoken, on which hangs whether it is assured.
fn by_hand() -> Outcome {
    let assured = "-A PREROUTING -m conntrack --ctstatus ASSURED -j MARK --or-mark 0x10\n";
    let unasked = firewall(&V4.replace(assured, ""), V6)?;
    on_both(|pair| {
        pair.reload(&unasked)?;
        for lines in FLOWS {
            let whole = sequence(lines)?;
            let (ends, _) = pair.fire(&whole)?;
            for (count, expected) in ends.iter().enumerate().skip(1) {
                let mut known = Sequence::default();
                for packet in &whole.packets[..count] {
                    pair.machine.follow(&mut known, packet);
                }
                let behind = Batch {
                    connections: known.connections().to_vec(),
                    packets: vec![whole.packets[count].clone()],
                    order: Order::Apart,
                };
                let (end, _) = pair.fire(&behind)?;
                assert_eq!(end, [*expected], "{lines:?}, {count}");
            }
        }
        // No answer begins a connection of IPv4's, though somebody has entered one.
        let by_answer = Batch {
            connections: vec!["icmp 10.65.0.2 > 192.0.2.1 type=14/0 id=1 replied".parse()?],
            order: Order::Apart,
            ..sequence(&["in=cali1 icmp 10.65.0.2 > 192.0.2.1 type=14/0 id=1"])?
        };
        let (ends, _) = pair.fire(&by_answer)?;
        assert_eq!(marks(&ends), [0x8]);
        let answered: Connection = "tcp 10.0.0.9:1 > 10.0.0.1:22 answered settled".parse()?;
        assert_eq!(answered.progress, Progress::Answered);
        Ok(())
    })
}
