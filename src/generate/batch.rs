//! Packets put together so that none sees another's traces in connection tracking.
//!
//! What leaves traces: a connection made for a packet, and a packet of the node to itself, which the
//! kernel enters in its table when it passes `lo`. Every other packet is stolen before that, and may
//! share its addresses and ports with others.

use std::collections::VecDeque;
use std::net::IpAddr;

use rustc_hash::{FxHashMap, FxHashSet};

use super::draft::keys;
use super::ground::{Ground, Way, address};
use super::standing::Shot;
use crate::packet::{Batch, Family, Origin, Packet, Ports, Protocol, Tuple};

/// A batch, and which shot each of its packets is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvo {
    /// What is sent.
    pub batch: Batch,
    /// For each packet its place among the shots that came in, counted from 0.
    pub places: Vec<usize>,
}

/// Puts shots together in batches of at most `size`, in the order in which they come; one that would
/// disturb or be disturbed waits for a later batch.
#[derive(Debug)]
pub struct Batches<'g, 'a, I> {
    ground: &'g Ground<'a>,
    shots: I,
    size: usize,
    came: usize,
    waiting: VecDeque<(usize, Shot)>,
}

impl<'g, 'a, I: Iterator<Item = Shot>> Batches<'g, 'a, I> {
    /// The batches of some shots. A `size` of 0 is taken for 1.
    #[must_use]
    pub fn new(ground: &'g Ground<'a>, shots: I, size: usize) -> Self {
        Self {
            ground,
            shots,
            size: size.max(1),
            came: 0,
            waiting: VecDeque::new(),
        }
    }

    fn next_shot(&mut self) -> Option<(usize, Shot)> {
        let shot = self.shots.next()?;
        self.came += 1;
        Some((self.came - 1, shot))
    }
}

impl<I: Iterator<Item = Shot>> Iterator for Batches<'_, '_, I> {
    type Item = Salvo;

    fn next(&mut self) -> Option<Salvo> {
        let mut salvo = Salvo::default();
        let mut traces = Traces::default();
        let mut disturbed = VecDeque::new();
        let waited = std::mem::take(&mut self.waiting);
        let mut candidates = waited.into_iter();
        // So many waiting ones are enough: the source is asked no further until they are sent.
        while salvo.places.len() < self.size && disturbed.len() < self.size {
            let Some((place, shot)) = candidates.next().or_else(|| self.next_shot()) else {
                break;
            };
            if traces.admit(&shot, self.ground) {
                salvo.places.push(place);
                salvo.batch.connections.extend(shot.connections);
                salvo.batch.packets.push(shot.packet);
            } else {
                disturbed.push_back((place, shot));
            }
        }
        self.waiting = disturbed;
        self.waiting.extend(candidates);
        (!salvo.places.is_empty()).then_some(salvo)
    }
}

/// One end of a conversation: protocol, address, and the port or ICMP identifier there.
type Speaker = (Protocol, IpAddr, u16);
/// What a conversation keeps when its source is translated.
type Listener = (Protocol, IpAddr, u16, u16);

/// What the packets of a batch own and ask for.
#[derive(Debug, Default)]
struct Traces {
    /// Keys that a packet of this batch looks up.
    asked: FxHashSet<Tuple>,
    /// Keys that are, or will be, in the kernel's table.
    owned: FxHashSet<Tuple>,
    /// Of either kind, whether traces are left there: translation may move a key, but not all of it.
    speakers: FxHashMap<Speaker, bool>,
    listeners: FxHashMap<Listener, bool>,
}

impl Traces {
    /// Takes a shot in, if it neither disturbs those that are there nor is disturbed by them.
    fn admit(&mut self, shot: &Shot, ground: &Ground<'_>) -> bool {
        let asked: Vec<Tuple> = keys(&shot.packet).flat_map(both).collect();
        let mut owned: Vec<Tuple> = Vec::new();
        for connection in &shot.connections {
            owned.extend([connection.original, connection.reply]);
        }
        let stays = stays(&shot.packet, ground);
        if stays != Stays::No {
            owned.extend(keys(&shot.packet).flat_map(both));
        }
        if stays == Stays::Perhaps {
            owned.extend(keys(&shot.packet).map(to_anyone));
        }
        let leaves = !owned.is_empty();
        let all = || asked.iter().chain(&owned);
        let disturbed = asked.iter().any(|key| self.owned.contains(key))
            || owned
                .iter()
                .any(|key| self.owned.contains(key) || self.asked.contains(key))
            || all().any(|key| blocked(&self.speakers, &speaker(*key), leaves))
            || all().any(|key| blocked(&self.listeners, &listener(*key), leaves));
        if disturbed {
            return false;
        }
        for key in all() {
            *self.speakers.entry(speaker(*key)).or_default() |= leaves;
            *self.listeners.entry(listener(*key)).or_default() |= leaves;
        }
        self.asked.extend(asked);
        self.owned.extend(owned);
        true
    }
}

/// Whether someone is there already, and one of the two leaves traces.
fn blocked<K: std::hash::Hash + Eq>(known: &FxHashMap<K, bool>, key: &K, leaves: bool) -> bool {
    known.get(key).is_some_and(|traces| *traces || leaves)
}

fn both(key: Tuple) -> impl Iterator<Item = Tuple> {
    [Some(key), key.inverse()].into_iter().flatten()
}

/// Whether a packet stays on the node, and so is entered in the kernel's table on `lo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stays {
    Yes,
    /// If its destination is translated.
    Perhaps,
    No,
}

fn stays(packet: &Packet, ground: &Ground<'_>) -> Stays {
    if packet.origin != Origin::Node {
        Stays::No
    } else if ground.translates_destinations(Family::of(packet.destination)) {
        Stays::Perhaps
    } else if ground.way(packet.destination) == Way::Local
        || ground.way_out(packet.destination) == Way::Local
    {
        Stays::Yes
    } else {
        Stays::No
    }
}

/// A key as one that stands for every destination, because nobody knows which it will be.
fn to_anyone(key: Tuple) -> Tuple {
    Tuple {
        destination: address(Family::of(key.destination), 0),
        ports: Ports {
            destination: if is_icmp(key) {
                key.ports.destination
            } else {
                0
            },
            ..key.ports
        },
        ..key
    }
}

fn is_icmp(key: Tuple) -> bool {
    matches!(key.protocol, Protocol::ICMP | Protocol::ICMP6)
}

fn speaker(key: Tuple) -> Speaker {
    let port = if is_icmp(key) {
        key.ports.destination
    } else {
        key.ports.source
    };
    (key.protocol, key.source, port)
}

fn listener(key: Tuple) -> Listener {
    let ports = key.ports;
    (
        key.protocol,
        key.destination,
        ports.source,
        ports.destination,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::standing::Standing;
    use crate::node::Node;
    use crate::node::text::read;
    use crate::xtables::Firewall;

    const NODE: &str = "\
name: one
interfaces:
  - name: eth0
    addresses: [10.0.0.1/24]
";

    fn node() -> Result<Node, Box<dyn std::error::Error>> {
        Ok(read("node.yaml", NODE)?)
    }

    fn salvos(shots: &[Shot]) -> Result<Vec<Vec<usize>>, Box<dyn std::error::Error>> {
        let (node, firewall) = (node()?, Firewall::default());
        let ground = Ground::new(&node, &firewall);
        let batches = Batches::new(&ground, shots.iter().cloned(), 3);
        Ok(batches.map(|salvo| salvo.places).collect())
    }

    fn shot(text: &str, standing: Standing) -> Result<Shot, Box<dyn std::error::Error>> {
        Ok(standing.give(text.parse()?).ok_or("no such standing")?)
    }

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn packets_that_leave_no_traces_share_everything() -> Outcome {
        let new = shot("in=eth0 tcp 10.0.0.2:1 > 10.0.0.1:2", Standing::New)?;
        let shots = vec![new.clone(), new.clone(), new.clone(), new];
        assert_eq!(salvos(&shots)?, [vec![0, 1, 2], vec![3]]);
        Ok(())
    }

    #[test]
    fn a_stray_of_a_connection_waits() -> Outcome {
        let shots = vec![
            shot("in=eth0 tcp 10.0.0.2:1 > 10.0.0.1:2", Standing::Established)?,
            shot("in=eth0 tcp 10.0.0.2:1 > 10.0.0.1:2", Standing::New)?,
            shot("from=node tcp 10.0.0.1:2 > 10.0.0.2:1", Standing::New)?,
            shot("in=eth0 udp 10.0.0.2:1 > 10.0.0.1:2", Standing::New)?,
        ];
        assert_eq!(salvos(&shots)?, [vec![0, 3], vec![1, 2]]);
        Ok(())
    }

    #[test]
    fn a_connection_waits_for_the_strays_before_it() -> Outcome {
        let shots = vec![
            shot("in=eth0 tcp 10.0.0.2:1 > 10.0.0.1:2", Standing::New)?,
            shot("in=eth0 tcp 10.0.0.2:1 > 10.0.0.1:2", Standing::Reply)?,
        ];
        assert_eq!(salvos(&shots)?, [vec![0], vec![1]]);
        Ok(())
    }

    #[test]
    fn the_quoted_connection_counts_too() -> Outcome {
        let shots = vec![
            shot("in=eth0 udp 10.0.0.2:1 > 10.0.0.1:2", Standing::Related)?,
            shot("from=node udp 10.0.0.1:2 > 10.0.0.2:1", Standing::New)?,
        ];
        assert_eq!(salvos(&shots)?, [vec![0], vec![1]]);
        Ok(())
    }

    #[test]
    fn what_the_node_sends_to_itself_leaves_traces() -> Outcome {
        let own = shot("from=node udp 10.0.0.1:5 > 10.0.0.1:6", Standing::New)?;
        assert_eq!(salvos(&[own.clone(), own])?, [vec![0], vec![1]]);
        let away = shot("from=node udp 10.0.0.1:5 > 10.0.0.9:6", Standing::New)?;
        assert_eq!(salvos(&[away.clone(), away])?, [vec![0, 1]]);
        Ok(())
    }

    #[test]
    fn what_may_be_sent_back_to_the_node_leaves_traces() -> Outcome {
        let rules =
            "*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p tcp -j REDIRECT --to-ports 9\nCOMMIT\n";
        let firewall = Firewall {
            v4: crate::xtables::save::parse("rules", rules, Family::V4)?,
            ..Firewall::default()
        };
        let node = node()?;
        let ground = Ground::new(&node, &firewall);
        let shots = [
            shot("from=node tcp 10.0.0.1:5 > 10.0.0.9:6", Standing::New)?,
            shot("from=node tcp 10.0.0.2:5 > 10.0.0.8:7", Standing::New)?,
            shot("from=node tcp 10.0.0.1:6 > 10.0.0.7:8", Standing::New)?,
        ];
        let salvos: Vec<_> = Batches::new(&ground, shots.into_iter(), 3)
            .map(|salvo| salvo.places)
            .collect();
        assert_eq!(salvos, [vec![0, 2], vec![1]]);
        Ok(())
    }

    #[test]
    fn a_translated_source_may_clash_with_a_connection() -> Outcome {
        let shots = vec![
            shot("from=node udp 10.0.0.1:5 > 10.0.0.9:6", Standing::Reply)?,
            shot("in=eth0 udp 10.0.0.3:5 > 10.0.0.9:6", Standing::New)?,
        ];
        assert_eq!(salvos(&shots)?, [vec![0], vec![1]]);
        Ok(())
    }
}
