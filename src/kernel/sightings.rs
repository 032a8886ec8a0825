//! From what the observers saw to the journey of every packet.
//!
//! A record belongs to the packet whose tag it bears, an ICMP error to the packet that it quotes. A
//! reset has no tag: it answers the packet that was seen last, because the kernel sends it while that
//! packet is being judged. Other packets without a tag are the kernel's own talk, and left out.

use smallvec::SmallVec;

use super::observers::point_of;
use crate::journey::{Fate, Journey, Point, Points, Sight};
use crate::packet::wire::{Recognised, Tag, recognise};
use crate::packet::{Family, Icmp, InterfaceName, Origin, Packet, Protocol, Transport};
use crate::xtables::Hook;

use super::nflog::Record;

/// Interfaces by index.
#[derive(Clone, Debug, Default)]
pub(super) struct InterfaceNames(Vec<Option<InterfaceName>>);

impl InterfaceNames {
    /// Notes a name.
    pub(super) fn insert(&mut self, index: u32, name: InterfaceName) {
        let index = index as usize;
        if self.0.len() <= index {
            self.0.resize(index + 1, None);
        }
        self.0[index] = Some(name);
    }

    /// The name of an index; `None` for 0, which says that there is no interface.
    fn get(&self, index: u32) -> Option<InterfaceName> {
        self.0.get(index as usize).copied().flatten()
    }
}

/// The points of both families.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BothPoints {
    /// iptables'.
    pub(super) v4: Points,
    /// ip6tables'.
    pub(super) v6: Points,
}

impl BothPoints {
    /// One family's.
    pub(super) fn of(&self, family: Family) -> &Points {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }
}

/// A journey of which nothing is known yet.
pub(super) fn unseen() -> Journey {
    Journey {
        sights: SmallVec::new(),
        fate: Fate::Unhooked,
        answers: Vec::new(),
    }
}

/// The packets of one salvo, numbered from 1, and their journeys as far as they are known.
pub(super) struct Salvo<'a> {
    points: &'a BothPoints,
    names: &'a InterfaceNames,
    packets: &'a [Packet],
    journeys: &'a mut [Journey],
    /// The index of the packet seen last.
    current: usize,
}

/// Whose record it is.
enum Owner {
    /// The packet itself, by index.
    Packet(usize),
    /// What answers a packet.
    Answer(usize),
    /// What answers the reset that answers a packet.
    AnswerToReset(usize),
}

impl<'a> Salvo<'a> {
    /// A salvo of as many packets as journeys, the journeys [`unseen`].
    pub(super) fn new(
        points: &'a BothPoints,
        names: &'a InterfaceNames,
        packets: &'a [Packet],
        journeys: &'a mut [Journey],
    ) -> Self {
        Self {
            points,
            names,
            packets,
            journeys,
            current: 0,
        }
    }

    /// Adds what one record says.
    pub(super) fn see(&mut self, record: Record) {
        let Some(point) = point_of(self.points.of(record.family), record.place) else {
            return;
        };
        let Some(seen) = recognise(record.family, record.bytes) else {
            return;
        };
        let Some(owner) = self.owner(record.family, &seen) else {
            return;
        };
        let sight = Sight {
            point,
            mark: record.mark,
            headers: seen.headers,
            in_interface: self.names.get(record.in_interface),
            out_interface: self.names.get(record.out_interface),
        };
        self.add(&owner, sight);
    }

    fn owner(&self, family: Family, seen: &Recognised) -> Option<Owner> {
        if let Some(quoted) = seen.quoted {
            return match self.index(family, quoted) {
                Some(index) if is_error(&self.packets[index]) => Some(Owner::Packet(index)),
                Some(index) => Some(Owner::Answer(index)),
                None => Some(Owner::AnswerToReset(self.current)),
            };
        }
        match self.index(family, seen.tag) {
            Some(index) => Some(Owner::Packet(index)),
            None => seen.resets.then_some(Owner::Answer(self.current)),
        }
    }

    fn index(&self, family: Family, tag: Tag) -> Option<usize> {
        let index = usize::from(tag.number()).checked_sub(1)?;
        let packet = self.packets.get(index)?;
        (packet.family() == family).then_some(index)
    }

    fn add(&mut self, owner: &Owner, sight: Sight) {
        match *owner {
            Owner::Packet(index) => {
                self.current = index;
                self.journeys[index].sights.push(sight);
            }
            Owner::Answer(index) => {
                self.current = index;
                add_answer(&mut self.journeys[index].answers, sight);
            }
            Owner::AnswerToReset(index) => {
                let resets = self.journeys.get_mut(index).and_then(|journey| {
                    let mut answers = journey.answers.iter_mut().rev();
                    answers.find(|answer| protocol(answer) == Some(Protocol::TCP))
                });
                if let Some(reset) = resets {
                    add_answer(&mut reset.answers, sight);
                }
            }
        }
    }

    /// Whether a packet left by `lo` and has not been seen again: the kernel hands such packets over in
    /// a soft interrupt, which may be late.
    pub(super) fn awaits_loopback(&self) -> bool {
        self.journeys.iter().any(|journey| {
            leaves_by_loopback(journey) || journey.answers.iter().any(leaves_by_loopback)
        })
    }

    /// Whether a packet has been seen on `lo`, where connections are confirmed.
    pub(super) fn used_loopback(&self) -> bool {
        let by_loopback = |sight: &Sight| sight.in_interface == Some(InterfaceName::LOOPBACK);
        self.journeys
            .iter()
            .any(|journey| journey.sights.iter().any(by_loopback))
    }

    /// Says how every journey ended.
    pub(super) fn conclude(&mut self) {
        for (packet, journey) in self.packets.iter().zip(self.journeys.iter_mut()) {
            conclude(self.points.of(packet.family()), packet.origin, journey);
        }
    }
}

/// Adds a sight to the newest answer of its protocol; at the entry of OUTPUT a new one begins.
fn add_answer(answers: &mut Vec<Journey>, sight: Sight) {
    let begins = sight.point
        == Point {
            hook: Hook::Output,
            after: None,
        };
    if begins {
        let mut answer = unseen();
        answer.sights.push(sight);
        answers.push(answer);
        return;
    }
    let newest = answers
        .iter_mut()
        .rev()
        .find(|answer| protocol(answer) == Some(sight.headers.protocol));
    if let Some(answer) = newest {
        answer.sights.push(sight);
    }
}

fn protocol(journey: &Journey) -> Option<Protocol> {
    journey.sights.first().map(|sight| sight.headers.protocol)
}

/// Whether the packet itself quotes another.
fn is_error(packet: &Packet) -> bool {
    matches!(
        packet.transport,
        Transport::Icmp(Icmp {
            quoted: Some(_),
            ..
        })
    )
}

fn leaves_by_loopback(journey: &Journey) -> bool {
    journey.sights.last().is_some_and(|sight| {
        sight.point.hook == Hook::Postrouting
            && sight.out_interface == Some(InterfaceName::LOOPBACK)
    })
}

fn conclude(points: &Points, origin: Origin, journey: &mut Journey) {
    journey.fate = fate(points, origin, &journey.sights);
    for answer in &mut journey.answers {
        conclude(points, Origin::Node, answer);
    }
}

/// How a journey ended, by where the packet was seen last.
fn fate(points: &Points, origin: Origin, sights: &[Sight]) -> Fate {
    let Some(last) = sights.last() else {
        return match origin {
            Origin::Arrives(_) => Fate::Unhooked,
            Origin::Node => Fate::Unrouted(None),
        };
    };
    if points.last(last.point.hook) != Some(last.point) {
        return Fate::Dropped(last.point);
    }
    match (last.point.hook, last.out_interface) {
        (Hook::Input, _) => Fate::Local,
        // What `lo` takes out comes back in; what doesn't was refused there before any hook.
        (Hook::Postrouting, Some(InterfaceName::LOOPBACK)) => Fate::Unrouted(Some(last.point)),
        (Hook::Postrouting, Some(interface)) => Fate::Sent(interface),
        (Hook::Prerouting, _) => Fate::Unrouted(Some(last.point)),
        _ => Fate::Dropped(last.point),
    }
}
