//! Flows: a connection's first packet and what comes behind it, in the order in which it comes: the same again,
//! the answer, what follows, errors about either, an answer that goes past the translation.
//!
//! The model is asked what each packet leaves, so that the next is one that its connection can have.

use super::bits::Bits;
use super::standing::port_unreachable;
use crate::journey::{Answer, Fate};
use crate::model::{Machine, Sequence};
use crate::packet::{
    Connection, Family, Icmp, InterfaceName, Origin, Packet, Progress, Protocol, Tcp, TcpFlags,
    Transport, Tuple,
};

/// How many packets follow the first.
const FOLLOWING: usize = 4;

/// The packets of a flow behind its first, and what connections there are in the end.
#[derive(Clone, Debug)]
pub struct Flow {
    /// The packets, the first among them.
    pub packets: Vec<Packet>,
    /// What they leave.
    pub left: Sequence,
    /// Whose packets come behind.
    talk: Talk,
}

/// Whether a packet can be a flow's first: its protocol's connections are followed, and nothing of it is odd.
#[must_use]
pub fn may_begin(packet: &Packet) -> bool {
    let begins = match packet.transport {
        Transport::Tcp(tcp) => tcp.flags == TcpFlags::SYN,
        Transport::Udp(_) => true,
        Transport::Icmp(icmp) => matches!(
            (packet.family(), icmp.kind),
            (Family::V4, 8) | (Family::V6, 128)
        ),
        Transport::Other(protocol) => !matches!(protocol, Protocol::GRE | Protocol::DCCP),
        Transport::UdpLite(_) | Transport::Sctp { .. } => false,
    };
    begins && !packet.untracked && packet.fragment.is_none() && packet.defect.is_none()
}

impl Flow {
    /// The flow that a packet begins.
    #[must_use]
    pub fn begin(machine: &mut Machine, first: Packet) -> Self {
        let mut left = Sequence::default();
        let answer = machine.follow(&mut left, &first);
        let talk = Talk::of(&first, &answer, left.connections().first());
        Self {
            packets: vec![first],
            left,
            talk,
        }
    }

    /// Whether its first packet has left a connection.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.left.connections().is_empty()
    }

    /// Goes on by a few packets, as far as anybody can follow.
    pub fn go_on(&mut self, bits: &mut impl Bits, machine: &mut Machine) {
        for _ in 0..FOLLOWING {
            if self.left.lost().is_some() {
                return;
            }
            let connection = self.left.connections().first();
            let progress = connection.map_or(Progress::Unreplied, |one| one.progress);
            let Some(packet) = self.talk.next(bits, progress) else {
                return;
            };
            machine.follow(&mut self.left, &packet);
            self.packets.push(packet);
        }
    }

    /// The packets that come behind these where the rules are others.
    pub fn go_on_elsewhere(&mut self, bits: &mut impl Bits, machine: &mut Machine) -> Vec<Packet> {
        let before = self.packets.len();
        self.go_on(bits, machine);
        self.packets.split_off(before)
    }
}

/// Who speaks to whom, as either sees it.
#[derive(Clone, Debug)]
struct Talk {
    /// The first packet.
    first: Packet,
    /// By which way the answers come.
    answers_from: Origin,
    /// The key of the answers.
    reply: Option<Tuple>,
}

impl Talk {
    fn of(first: &Packet, answer: &Answer, connection: Option<&Connection>) -> Self {
        let fate = match answer {
            Answer::Judged(possible) => possible.first().map(|one| one.journey.fate),
            Answer::Unjudged(_) => None,
        };
        let answers_from = match fate {
            Some(Fate::Sent(interface)) if interface != InterfaceName::LOOPBACK => {
                Origin::Arrives(interface)
            }
            _ => Origin::Node,
        };
        Self {
            answers_from,
            reply: match connection {
                Some(connection) => Some(connection.reply),
                None => first.tuple().inverse(),
            },
            first: first.clone(),
        }
    }

    /// A packet that may come next; none where nobody can answer.
    fn next(&self, bits: &mut impl Bits, progress: Progress) -> Option<Packet> {
        let untranslated = self.first.tuple().inverse()?;
        let reply = self.reply?;
        let answered = progress != Progress::Unreplied;
        Some(match bits.below(12) {
            0..=4 => self.spoken(self.answers_from, reply, flags_back(progress)),
            5..=7 => self.spoken(self.first.origin, self.first.tuple(), flags_on(progress)),
            // Past the translation, if there is one.
            8 => self.spoken(self.answers_from, untranslated, flags_back(progress)),
            9 if answered => self.complaint(self.first.origin, untranslated),
            _ => self.complaint(self.answers_from, reply.inverse()?),
        })
    }

    /// A packet of a key.
    fn spoken(&self, origin: Origin, key: Tuple, flags: TcpFlags) -> Packet {
        let transport = match self.first.transport {
            Transport::Tcp(_) => Transport::Tcp(Tcp {
                ports: key.ports,
                flags,
                option: None,
            }),
            Transport::Udp(_) => Transport::Udp(key.ports),
            Transport::Icmp(_) => {
                let (kind, code, identifier) = key.icmp_parts();
                Transport::Icmp(Icmp {
                    kind,
                    code,
                    identifier,
                    quoted: None,
                })
            }
            other => other,
        };
        Packet::new(origin, key.source, key.destination, transport)
    }

    /// An error about a packet of a key, by whoever has received that.
    fn complaint(&self, origin: Origin, about: Tuple) -> Packet {
        let error = Transport::Icmp(port_unreachable(about));
        Packet::new(origin, about.destination, about.source, error)
    }
}

/// What a segment says that goes the way of the first.
fn flags_on(progress: Progress) -> TcpFlags {
    match progress {
        Progress::Unreplied => TcpFlags::SYN,
        Progress::Answered | Progress::Replied => TcpFlags::ACK,
    }
}

/// What one says that comes back.
fn flags_back(progress: Progress) -> TcpFlags {
    match progress {
        Progress::Unreplied | Progress::Answered => TcpFlags::SYN_ACK,
        Progress::Replied => TcpFlags::ACK,
    }
}
