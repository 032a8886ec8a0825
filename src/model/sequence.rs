//! Packets one behind the other: what each leaves in the table of connections for the next.
//!
//! A packet changes the connection that it belongs to where it is classified, whatever becomes of it then
//! (net/netfilter/nf_conntrack_core.c, `nf_conntrack_in`); the connection that it begins is entered where it
//! leaves POSTROUTING or INPUT (`nf_confirm`), and so only if no table takes it away before.

use super::conntrack::{Connections, Kind, Link, Segment, Tracking, is_in_the_way, segment};
use crate::journey::{Answer, Fate, Unjudged};
use crate::mark::Mark;
use crate::packet::{Connection, Direction, Packet, Progress, Protocol, Transport};

/// The connections that exist while packets come one behind the other.
#[derive(Clone, Debug, Default)]
pub struct Sequence {
    connections: Vec<Connection>,
    table: Connections,
    lost: Option<Unjudged>,
}

impl Sequence {
    /// A sequence that begins with these connections.
    #[must_use]
    pub fn new(connections: &[Connection]) -> Self {
        Self {
            connections: connections.to_vec(),
            table: Connections::new(connections),
            lost: None,
        }
    }

    /// The connections that exist now.
    #[must_use]
    pub fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// The same, ready to be asked.
    #[must_use]
    pub fn table(&self) -> &Connections {
        &self.table
    }

    /// Why nobody knows the connections any more, if so: no packet behind can be judged.
    #[must_use]
    pub fn lost(&self) -> Option<&Unjudged> {
        self.lost.as_ref()
    }

    /// Whether another has come to the same, in whatever order.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        let all_in = |mine: &Self, others: &Self| {
            let mut mine = mine.connections.iter();
            mine.all(|one| others.connections.contains(one))
        };
        self.lost == other.lost && all_in(self, other) && all_in(other, self)
    }

    /// From here on nobody knows the connections.
    pub fn lose(&mut self, why: Unjudged) {
        self.lost.get_or_insert(why);
    }

    /// Takes in what a packet leaves.
    pub(super) fn leave(&mut self, packet: &Packet, answer: &Answer, tracking: &Tracking) {
        match left_by((&self.connections, &self.table), packet, answer, tracking) {
            Ok(None) => {}
            Ok(Some(connection)) => {
                let original = connection.original;
                self.connections.retain(|one| one.original != original);
                self.connections.push(connection);
                self.table = Connections::new(&self.connections);
            }
            Err(why) => {
                let message = format!("an earlier packet of the sequence leaves open {why}");
                self.lose(Unjudged::Other(message));
            }
        }
    }
}

/// The connection that a packet leaves behind, new or changed; an error says what nobody can tell of it.
fn left_by(
    (connections, table): (&[Connection], &Connections),
    packet: &Packet,
    answer: &Answer,
    tracking: &Tracking,
) -> Result<Option<Connection>, &'static str> {
    let Answer::Judged(possible) = answer else {
        return Err("what becomes of it");
    };
    let [only] = possible.as_slice() else {
        return Err("which way it goes");
    };
    let Some(link) = tracking.link().filter(|link| link.kind != Kind::Related) else {
        return Ok(None);
    };
    let original = link.entry.original;
    let known = connections.iter().find(|one| one.original == original);
    if let Some(known) = known {
        let progress = advance(known.progress, packet, link.direction);
        return Ok(Some(Connection {
            progress: progress.ok_or("how far its connection has come")?,
            ..*known
        }));
    }
    let arrived = matches!(only.journey.fate, Fate::Local | Fate::Sent(_));
    if !arrived && !link.entry.confirmed {
        return Ok(None);
    }
    if !only.open.is_empty() {
        return Err("by which port its connection goes");
    }
    if is_in_the_way(table, tracking) {
        return Ok(None);
    }
    begin(packet, link).map(Some)
}

/// The connection that a packet begins.
fn begin(packet: &Packet, link: &Link) -> Result<Connection, &'static str> {
    if link.entry.mark != Mark::NONE {
        return Err("its connection's mark to those behind it");
    }
    let followed = match packet.transport {
        Transport::Tcp(tcp) => segment(tcp.flags) == Segment::Syn,
        _ => is_simple(packet),
    };
    if !followed {
        return Err("how far its connection has come");
    }
    Ok(Connection {
        original: link.entry.original,
        reply: link.entry.reply,
        progress: Progress::Unreplied,
        settled: true,
    })
}

/// How far a connection is after one of its packets: of TCP what `tcp_conntracks` says of an opening
/// handshake and of what follows it (net/netfilter/nf_conntrack_proto_tcp.c). `None` where it goes on to a
/// state that is not followed.
fn advance(progress: Progress, packet: &Packet, direction: Direction) -> Option<Progress> {
    let Transport::Tcp(tcp) = packet.transport else {
        return is_simple(packet).then_some(match (progress, direction) {
            (Progress::Unreplied, Direction::Reply) => Progress::Answered,
            (same, _) => same,
        });
    };
    match (progress, direction, segment(tcp.flags)) {
        (Progress::Unreplied, Direction::Original, Segment::Syn) => Some(Progress::Unreplied),
        (Progress::Unreplied, Direction::Reply, Segment::SynAck) => Some(Progress::Answered),
        (Progress::Answered, Direction::Original, Segment::Ack) => Some(Progress::Replied),
        (Progress::Answered, _, Segment::SynAck)
        | (Progress::Answered, Direction::Reply, Segment::Ack) => Some(Progress::Answered),
        (Progress::Replied, _, Segment::Ack) => Some(Progress::Replied),
        _ => None,
    }
}

/// Whether all that counts of a protocol's connection is whether both sides have spoken.
fn is_simple(packet: &Packet) -> bool {
    match packet.transport {
        Transport::Udp(_) | Transport::Icmp(_) => true,
        Transport::Tcp(_) | Transport::UdpLite(_) | Transport::Sctp { .. } => false,
        // Their trackers keep states of their own.
        Transport::Other(protocol) => !matches!(protocol, Protocol::GRE | Protocol::DCCP),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Machine;
    use crate::xtables::{Backend, Firewall, save};

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    const NODE: &str = r#"{
        "name": "n",
        "interfaces": [{"name": "eth0", "addresses": ["10.0.0.1/24", "fd00::1/64"]}, {"name": "cali1"}],
        "routes": [{"destination": "10.65.0.2/32", "to": {"unicast": {"interface": "cali1"}}}]
    }"#;

    fn machine(rules: &str) -> Result<Machine, Box<dyn std::error::Error>> {
        let firewall = Firewall {
            v4: save::parse("v4", rules, crate::packet::Family::V4)?,
            ..Firewall::default()
        };
        Ok(Machine::new(
            Backend::Legacy,
            &serde_json::from_str(NODE)?,
            &firewall,
        )?)
    }

    /// What there is behind each packet, a line each, and why nobody knows more.
    fn left(rules: &str, packets: &[&str]) -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let (mut machine, mut sequence) = (machine(rules)?, Sequence::default());
        let mut left = Vec::new();
        for packet in packets {
            machine.follow(&mut sequence, &packet.parse()?);
            let connections = sequence.connections().iter().map(ToString::to_string);
            let lost = sequence.lost().map(ToString::to_string);
            left.push(connections.chain(lost).collect::<Vec<_>>().join("; "));
        }
        Ok(left)
    }

    #[test]
    fn a_handshake_goes_on_step_by_step() -> Outcome {
        let steps = left(
            "",
            &[
                "in=cali1 tcp 10.65.0.2:4000 > 10.0.0.9:80",
                "in=eth0 tcp 10.0.0.9:80 > 10.65.0.2:4000 flags=SYN,ACK",
                "in=eth0 tcp 10.0.0.9:80 > 10.65.0.2:4000 flags=ACK",
                "in=cali1 tcp 10.65.0.2:4000 > 10.0.0.9:80 flags=ACK",
                "in=eth0 icmp 10.0.0.9 > 10.65.0.2 type=3/3 quotes=(tcp 10.65.0.2:4000 > 10.0.0.9:80)",
                "in=eth0 tcp 10.0.0.9:80 > 10.65.0.2:4000 flags=PSH,ACK",
            ],
        )?;
        let states = [
            "unreplied",
            "answered",
            "answered",
            "replied",
            "replied",
            "replied",
        ];
        assert_eq!(
            steps,
            states.map(|state| format!("tcp 10.65.0.2:4000 > 10.0.0.9:80 {state} settled"))
        );
        Ok(())
    }

    #[test]
    fn what_is_not_followed_is_said_to_be_lost() -> Outcome {
        for (last, why) in [
            (
                "in=cali1 tcp 10.65.0.2:4000 > 10.0.0.9:80 flags=FIN,ACK",
                "how far",
            ),
            (
                "in=cali1 tcp 10.65.0.2:4000 > 10.0.0.9:80 flags=RST",
                "how far",
            ),
            ("in=cali1 sctp 10.65.0.2:1 > 10.0.0.9:80", "how far"),
            (
                "in=cali1 tcp 10.65.0.2:4001 > 10.0.0.9:80 flags=ACK",
                "how far",
            ),
            ("in=cali1 udp 10.65.0.2:4001 > 10.0.0.9:7", "which way"),
            ("in=cali1 udp 10.65.0.2:4001 > 10.0.0.9:8", "which port"),
        ] {
            let rules = "*nat\n-A POSTROUTING -p udp --dport 8 -j MASQUERADE --random-fully\nCOMMIT\n\
                *filter\n-A FORWARD -p udp --dport 7 -m statistic --mode random --probability 0.5 -j DROP\n\
                COMMIT\n";
            let packets = [
                "in=cali1 tcp 10.65.0.2:4000 > 10.0.0.9:80",
                "in=eth0 tcp 10.0.0.9:80 > 10.65.0.2:4000 flags=SYN,ACK",
                "in=cali1 tcp 10.65.0.2:4000 > 10.0.0.9:80 flags=ACK",
                last,
            ];
            let steps = left(rules, &packets)?;
            assert!(!steps[2].contains("leaves open"), "{steps:?}");
            assert!(steps[3].contains(why), "{last}: {steps:?}");
            let (mut machine, mut sequence) = (machine(rules)?, Sequence::default());
            for packet in packets {
                machine.follow(&mut sequence, &packet.parse()?);
            }
            let behind = machine.follow(&mut sequence, &packets[0].parse()?);
            assert!(matches!(behind, Answer::Unjudged(_)), "{last}");
        }
        Ok(())
    }

    #[test]
    fn a_packet_changes_its_connection_though_it_is_taken_away() -> Outcome {
        let steps = left(
            "*filter\n-A FORWARD -i eth0 -j DROP\nCOMMIT\n",
            &[
                "in=eth0 udp 10.0.0.9:1 > 10.65.0.2:2",
                "in=cali1 udp 10.65.0.2:2 > 10.0.0.9:1",
                "in=eth0 udp 10.0.0.9:1 > 10.65.0.2:2",
            ],
        )?;
        assert_eq!(
            steps,
            [
                "",
                "udp 10.65.0.2:2 > 10.0.0.9:1 unreplied settled",
                "udp 10.65.0.2:2 > 10.0.0.9:1 answered settled",
            ]
        );
        Ok(())
    }

    #[test]
    fn sequences_agree_whatever_their_order() -> Outcome {
        let one: Connection = "udp 10.0.0.1:1 > 10.0.0.2:2 replied".parse()?;
        let other: Connection = "udp 10.0.0.1:3 > 10.0.0.2:2 replied".parse()?;
        let both = Sequence::new(&[one, other]);
        assert!(both.agrees(&Sequence::new(&[other, one])));
        assert!(!both.agrees(&Sequence::new(&[one])) && !Sequence::new(&[one]).agrees(&both));
        let mut lost = both.clone();
        lost.lose(Unjudged::Other("why".to_owned()));
        assert!(!lost.agrees(&both));
        Ok(())
    }
}
