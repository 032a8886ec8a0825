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
        let loopback = Some(InterfaceName::LOOPBACK);
        let by_loopback =
            |sight: &Sight| sight.in_interface == loopback || sight.out_interface == loopback;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::observers::point_byte;
    use crate::mark::Mark;
    use crate::packet::wire::build;
    use crate::packet::{Ports, Tcp, TcpFlags, Tuple};
    use crate::xtables::{Backend, Firewall, save};

    /// What the kernel's observers would do, by hand.
    struct Watch {
        points: BothPoints,
        names: InterfaceNames,
        packets: Vec<Packet>,
        records: Vec<(Point, u32, Vec<u8>)>,
    }

    const RULES: &str = "*filter\n-A FORWARD -j DROP\n-A OUTPUT -j DROP\nCOMMIT\n";
    const ETH0: u32 = 2;

    impl Watch {
        fn new(packets: Vec<Packet>) -> Self {
            let v4 = save::parse("rules", RULES, Family::V4).expect("rules");
            let empty = Firewall::default();
            let mut names = InterfaceNames::default();
            names.insert(1, InterfaceName::LOOPBACK);
            names.insert(ETH0, "eth0".parse().expect("a name"));
            Self {
                points: BothPoints {
                    v4: Points::of(&v4, Backend::Legacy),
                    v6: Points::of(&empty.v6, Backend::Legacy),
                },
                names,
                packets,
                records: Vec::new(),
            }
        }

        /// A packet, tagged, is seen at the entry of a hook or after its filter table.
        fn see(&mut self, packet: &Packet, tag: u16, hook: Hook, after_filter: bool, out: u32) {
            let point = Point {
                hook,
                after: after_filter.then_some(crate::xtables::TableName::Filter),
            };
            let mut bytes = Vec::new();
            build(packet, Tag::of_bits(tag), &mut bytes).expect("one family");
            self.records.push((point, out, bytes));
        }

        fn journeys(&self) -> Vec<Journey> {
            let mut journeys: Vec<Journey> = self.packets.iter().map(|_| unseen()).collect();
            let mut salvo = Salvo::new(&self.points, &self.names, &self.packets, &mut journeys);
            for (point, out, bytes) in &self.records {
                let all = self.points.v4.all();
                let index = all.iter().position(|one| one == point).expect("a point");
                salvo.see(Record {
                    family: Family::V4,
                    place: point_byte(index),
                    mark: Mark::NONE,
                    in_interface: 0,
                    out_interface: *out,
                    bytes,
                });
            }
            salvo.conclude();
            journeys
        }
    }

    fn arrives() -> Origin {
        Origin::Arrives("eth0".parse().expect("a name"))
    }

    fn tcp(origin: Origin, flags: TcpFlags) -> Packet {
        let ports = Ports {
            source: 1,
            destination: 2,
        };
        let tcp = Tcp {
            ports,
            flags,
            option: None,
        };
        let (source, destination) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        Packet::new(origin, source, destination, Transport::Tcp(tcp))
    }

    fn icmp_error(origin: Origin) -> Packet {
        let quoted: Tuple = tcp(origin, TcpFlags::SYN).tuple();
        let icmp = Icmp {
            kind: 3,
            code: 3,
            identifier: 0,
            quoted: Some(quoted),
        };
        let (source, destination) = ([10, 0, 0, 2].into(), [10, 0, 0, 1].into());
        Packet::new(origin, source, destination, Transport::Icmp(icmp))
    }

    #[test]
    fn the_last_sight_says_how_a_journey_ended() {
        let syn = tcp(arrives(), TcpFlags::SYN);
        let own = tcp(Origin::Node, TcpFlags::SYN);
        let mut watch = Watch::new(vec![
            syn.clone(),
            syn.clone(),
            syn.clone(),
            syn.clone(),
            own.clone(),
            syn.clone(),
            own.clone(),
        ]);
        watch.see(&syn, 1, Hook::Prerouting, false, 0);
        watch.see(&syn, 2, Hook::Forward, false, ETH0);
        watch.see(&syn, 3, Hook::Input, false, 0);
        watch.see(&syn, 4, Hook::Postrouting, false, ETH0);
        watch.see(&own, 5, Hook::Output, false, ETH0);
        let fates: Vec<Fate> = watch.journeys().iter().map(|one| one.fate).collect();
        let entry = |hook| Point { hook, after: None };
        let expected = [
            Fate::Unrouted(Some(entry(Hook::Prerouting))),
            Fate::Dropped(entry(Hook::Forward)),
            Fate::Local,
            Fate::Sent("eth0".parse().expect("a name")),
            Fate::Dropped(entry(Hook::Output)),
            Fate::Unhooked,
            Fate::Unrouted(None),
        ];
        assert_eq!(fates, expected);
    }

    #[test]
    fn a_reset_answers_the_packet_before_and_other_strangers_are_left_out() {
        let syn = tcp(arrives(), TcpFlags::SYN);
        let mut watch = Watch::new(vec![syn.clone(), syn.clone()]);
        let reset = tcp(Origin::Node, TcpFlags::RST);
        let stranger = tcp(Origin::Node, TcpFlags::SYN);
        watch.see(&stranger, 0, Hook::Output, false, ETH0);
        watch.see(&syn, 1, Hook::Forward, false, ETH0);
        watch.see(&syn, 2, Hook::Forward, false, ETH0);
        watch.see(&reset, 0, Hook::Output, false, ETH0);
        watch.see(&reset, 0, Hook::Output, true, ETH0);
        watch.see(&stranger, 0, Hook::Output, false, ETH0);
        watch.see(&reset, 0, Hook::Postrouting, false, ETH0);
        let journeys = watch.journeys();
        assert_eq!(journeys[0].answers, []);
        assert_eq!(journeys[1].sights.len(), 1);
        let [answer] = journeys[1].answers.as_slice() else {
            panic!("one answer expected");
        };
        assert_eq!(answer.sights.len(), 3);
        assert_eq!(answer.fate, Fate::Sent("eth0".parse().expect("a name")));
    }

    #[test]
    fn an_icmp_error_answers_what_it_quotes_unless_we_sent_it() {
        let syn = tcp(arrives(), TcpFlags::SYN);
        let sent_error = icmp_error(arrives());
        let mut watch = Watch::new(vec![syn.clone(), sent_error.clone()]);
        watch.see(&syn, 1, Hook::Forward, false, ETH0);
        watch.see(&sent_error, 2, Hook::Prerouting, false, 0);
        // The builder quotes the outer tag; the kernel's answer has an identification of its own.
        watch.see(&icmp_error(Origin::Node), 1, Hook::Output, false, ETH0);
        let answer = watch.records.last_mut().expect("a record");
        answer.2[4..6].copy_from_slice(&[0, 2]);
        let journeys = watch.journeys();
        assert_eq!(journeys[1].sights.len(), 1);
        assert_eq!(journeys[1].answers, []);
        assert_eq!(journeys[0].answers.len(), 1);
    }

    #[test]
    fn what_lo_takes_comes_back_or_is_unrouted() {
        let own = tcp(Origin::Node, TcpFlags::SYN);
        let mut watch = Watch::new(vec![own.clone()]);
        watch.see(&own, 1, Hook::Output, false, 1);
        watch.see(&own, 1, Hook::Postrouting, false, 1);
        let postrouting = Point {
            hook: Hook::Postrouting,
            after: None,
        };
        let refused = Fate::Unrouted(Some(postrouting));
        assert_eq!(watch.journeys()[0].fate, refused);
        watch.see(&own, 1, Hook::Prerouting, false, 0);
        watch.see(&own, 1, Hook::Input, false, 0);
        assert_eq!(watch.journeys()[0].fate, Fate::Local);
    }
}
