//! One room: a namespace of its own, shaped after a node, programmed, and observed.
//!
//! A room lives for a whole run and is programmed again and again: making a namespace is cheap, but
//! taking one apart is not. All its descriptors stay with its namespace, so one thread can drive several
//! rooms, and their waiting overlaps ([`super::pool`]).

mod unobserved;

use std::io;
use std::time::Duration;

use nix::poll::PollFd;

use super::conntrack;
use super::error::KernelError;
use super::inject::{Injector, arrive};
use super::link::Links;
use super::namespace::Namespace;
use super::nflog::{Log, Progress};
use super::nfnetlink::{Socket, Writer};
use super::observers::{self, LOOPBACK_INDEX, Palette, Steals};
use super::program::{Programmer, Texts, Tools};
use super::sightings::{BothPoints, InterfaceNames, Salvo, unseen};
use super::trace::Tracer;
use crate::journey::{Journey, Points, Step};
use crate::node::Node;
use crate::packet::wire::{Tag, build};
use crate::packet::{Batch, Connection, Family, InterfaceName, Order, Origin, Packet};
use crate::verdict::NotProgrammed;
use crate::xtables::{Backend, Firewall, RuleId, ipset, save};

/// How often the log is flushed again for a packet that left by `lo` and has not come back: a soft
/// interrupt that was put off runs in a thread of the kernel's. First others are let run, then time
/// passes; what still has not come back was refused.
const LOOPBACK_YIELDS: usize = 8;
const LOOPBACK_PAUSES: usize = 8;
const LOOPBACK_PAUSE: Duration = Duration::from_micros(100);

/// What the observers' table is at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Observed {
    /// The points observed; `None` where nothing is.
    points: Option<BothPoints>,
    palette: Palette,
    steals: Steals,
}

/// Whether packets have left entries of their own in the connection table: only those that passed `lo`
/// can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Confirmed {
    Nothing,
    Something,
}

/// A namespace with everything in it.
pub struct Room {
    namespace: Namespace,
    links: Links,
    programmer: Programmer,
    names: InterfaceNames,
    /// The points that the ruleset asks for; [`Room::finish`] sees to them.
    points: BothPoints,
    observed: Observed,
    nftables: Socket,
    writer: Writer,
    log: Log,
    injector: Injector,
    connections: conntrack::Table,
    /// Whether the table of connections holds what an earlier part of a sequence left.
    is_kept: bool,
    /// The packet that is being sent.
    bytes: Vec<u8>,
}

impl Room {
    /// Makes a room in a new namespace, into which the calling thread moves.
    ///
    /// # Errors
    ///
    /// What the machine lacks, or refuses.
    pub fn new(backend: Backend) -> Result<Self, KernelError> {
        Self::with_tools(backend, Tools::LongLived)
    }

    /// The same, saying how the restore tools are run.
    ///
    /// # Errors
    ///
    /// As [`Room::new`].
    pub fn with_tools(backend: Backend, tools: Tools) -> Result<Self, KernelError> {
        let namespace = Namespace::create()?;
        let links = Links::prepare(&namespace)?;
        let empty = Firewall::default();
        let mut room = Self {
            programmer: Programmer::new(backend, tools),
            names: InterfaceNames::default(),
            points: points_of(&empty, backend),
            observed: Observed::default(),
            nftables: Socket::open(&namespace)?,
            writer: Writer::default(),
            log: Log::open(&namespace)?,
            injector: Injector::open(&namespace)?,
            connections: conntrack::Table::open(&namespace)?,
            is_kept: false,
            bytes: Vec::new(),
            links,
            namespace,
        };
        for family in Family::BOTH {
            room.writer.clear();
            observers::write_ground(&mut room.writer, family);
            room.nftables
                .request(&room.writer, "switch connection tracking on")?;
        }
        room.write_tables()?;
        Ok(room)
    }

    /// Which backend its rules go to.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.programmer.backend()
    }

    /// Shapes the room after a node and begins to load its firewall.
    ///
    /// # Errors
    ///
    /// A fault of the machine.
    pub fn begin(&mut self, node: &Node, firewall: &Firewall) -> Result<(), KernelError> {
        let print = |family| save::print(firewall.ruleset(family), save::Style::default());
        let texts = Texts {
            v4: &print(Family::V4),
            v6: &print(Family::V6),
            sets: &ipset::print_save(&firewall.sets),
        };
        self.begin_texts(node, firewall, &texts)
    }

    /// The same with the firewall's texts at hand: `firewall` is what they say.
    ///
    /// # Errors
    ///
    /// A fault of the machine.
    pub fn begin_texts(
        &mut self,
        node: &Node,
        firewall: &Firewall,
        texts: &Texts<'_>,
    ) -> Result<(), KernelError> {
        self.steal(Steals::Before)?;
        self.links.shape(&self.namespace, node)?;
        self.names = InterfaceNames::default();
        self.names.insert(LOOPBACK_INDEX, InterfaceName::LOOPBACK);
        for tun in self.links.tuns() {
            self.names.insert(tun.index(), tun.name());
        }
        self.points = points_of(firewall, self.backend());
        self.programmer.begin(&self.namespace, texts)
    }

    /// Shapes the room after a node and loads its firewall.
    ///
    /// # Errors
    ///
    /// As [`Room::finish`].
    pub fn program(
        &mut self,
        node: &Node,
        firewall: &Firewall,
    ) -> Result<Result<(), NotProgrammed>, KernelError> {
        self.begin(node, firewall)?;
        self.finish()
    }

    /// Goes on as far as is possible without waiting for a tool, and returns whether all is done, so
    /// that [`Room::finish`] won't wait.
    ///
    /// # Errors
    ///
    /// A fault of the machine.
    pub fn advance(&mut self) -> Result<bool, KernelError> {
        self.programmer.advance(&self.namespace)
    }

    /// What to poll while [`Room::advance`] would do nothing.
    pub(super) fn ends(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.programmer.ends()
    }

    /// Waits until what was begun is loaded, or refused, and places the observers.
    ///
    /// # Errors
    ///
    /// The outer error is a fault of the machine, the inner one the ruleset's own fate.
    pub fn finish(&mut self) -> Result<Result<(), NotProgrammed>, KernelError> {
        let outcome = self.programmer.finish(&self.namespace)?;
        if outcome.is_ok() {
            let before = self.observed.points.replace(self.points.clone());
            if let Err(error) = self.place_changed(before.as_ref()) {
                self.observed.points = None;
                return Err(error);
            }
        }
        Ok(outcome)
    }

    /// Takes the observers away: from now until [`Room::finish`] nothing is seen and nothing stolen.
    ///
    /// # Errors
    ///
    /// A fault of the machine.
    pub fn stop_observing(&mut self) -> Result<(), KernelError> {
        self.observed.points = None;
        self.write_tables()
    }

    /// Places the observers of the families whose points are others than before.
    fn place_changed(&mut self, before: Option<&BothPoints>) -> Result<(), KernelError> {
        for family in Family::BOTH {
            let before = before.map(|points| points.of(family));
            if before != Some(self.points.of(family)) {
                self.write_table(family)?;
            }
        }
        Ok(())
    }

    fn write_tables(&mut self) -> Result<(), KernelError> {
        Family::BOTH
            .into_iter()
            .try_for_each(|family| self.write_table(family))
    }

    fn write_table(&mut self, family: Family) -> Result<(), KernelError> {
        let points = self.observed.points.as_ref();
        let points = points.map(|points| points.of(family));
        self.writer.clear();
        observers::write_table(&mut self.writer, family, points, &self.observed.palette);
        self.nftables.request(&self.writer, "place the observers")
    }

    /// Writes the families' presets where they are others than before.
    fn write_palettes(&mut self, before: &Palette) -> Result<(), KernelError> {
        for family in Family::BOTH {
            self.writer.clear();
            let palette = &self.observed.palette;
            if observers::write_palette(&mut self.writer, family, before, palette) {
                self.nftables
                    .request(&self.writer, "preset the marks of packets")?;
            }
        }
        Ok(())
    }

    /// Sends every packet of a batch, in order, and says what happened to each: `journeys` is cleared
    /// and filled.
    ///
    /// # Errors
    ///
    /// A fault of the machine, or a packet that can't be sent on this node; then `journeys` means
    /// nothing.
    pub fn fire(&mut self, batch: &Batch, journeys: &mut Vec<Journey>) -> Result<(), KernelError> {
        let fired = self.fire_at(batch, journeys);
        let cleared = match fired {
            Ok(confirmed) if batch.order == Order::Apart && !self.is_kept => {
                self.forget(batch, confirmed)
            }
            _ => self.connections.flush(),
        };
        self.is_kept = false;
        fired.and(cleared)
    }

    /// The same with the first part of a sequence: its connections stay, through other rules too, for the batch
    /// that comes next. That begins with them, and not with its own.
    ///
    /// # Errors
    ///
    /// As [`Room::fire`].
    pub fn fire_first(
        &mut self,
        batch: &Batch,
        journeys: &mut Vec<Journey>,
    ) -> Result<(), KernelError> {
        let fired = self.fire_at(batch, journeys);
        self.is_kept = fired.is_ok();
        match fired {
            Ok(_) => Ok(()),
            Err(_) => fired.and(self.connections.flush()),
        }
    }

    fn fire_at(
        &mut self,
        batch: &Batch,
        journeys: &mut Vec<Journey>,
    ) -> Result<Confirmed, KernelError> {
        journeys.clear();
        journeys.resize_with(batch.packets.len(), unseen);
        self.steal(match batch.order {
            Order::Apart => Steals::Before,
            Order::InSequence => Steals::Behind,
        })?;
        if !self.is_kept {
            self.connections.insert(&batch.connections)?;
        }
        match batch.order {
            Order::Apart => self.fire_all(&batch.packets, journeys),
            Order::InSequence => self.fire_in_sequence(&batch.packets, journeys),
        }
    }

    /// Sends packets each of which leaves its connection, and so can't be sent again.
    fn fire_in_sequence(
        &mut self,
        packets: &[Packet],
        journeys: &mut [Journey],
    ) -> Result<Confirmed, KernelError> {
        let mut left = packets;
        let mut unseen = &mut *journeys;
        while !left.is_empty() {
            let count = self.preset(left)?.min(self.log.packets_between_readings());
            let (salvo, behind) = left.split_at(count);
            let (seen, rest) = unseen.split_at_mut(count);
            self.try_salvo(salvo, seen)?.ok_or_else(lost_records)?;
            (left, unseen) = (behind, rest);
        }
        Ok(Confirmed::Something)
    }

    /// Has packets that have come through taken away here from now on.
    fn steal(&mut self, steals: Steals) -> Result<(), KernelError> {
        let Some(points) = &self.observed.points else {
            return Ok(());
        };
        if self.observed.steals == steals {
            return Ok(());
        }
        for family in Family::BOTH {
            self.writer.clear();
            observers::write_steals(&mut self.writer, family, points.of(family), steals);
            self.nftables
                .request(&self.writer, "move where packets are taken away")?;
        }
        self.observed.steals = steals;
        Ok(())
    }

    /// Empties the connection table after a batch. The kernel walks its whole table to throw away all, so what
    /// is known to be there goes by name; where more may be there, it is asked.
    fn forget(&mut self, batch: &Batch, confirmed: Confirmed) -> Result<(), KernelError> {
        let made = batch.connections.iter().map(|one| one.original);
        let own =
            |packet: &&Packet| confirmed == Confirmed::Something && packet.origin == Origin::Node;
        let own = batch.packets.iter().filter(own).map(Packet::tuple);
        // The kernel takes no other tuple for one that a connection begins with.
        let own = own.filter(|tuple| tuple.inverse().is_some());
        let all_were_there = self.connections.remove(made.chain(own))?;
        // A packet may have ended the connection that it belongs to.
        if all_were_there && confirmed == Confirmed::Nothing || self.connections.count()? == 0 {
            return Ok(());
        }
        self.connections.flush()
    }

    fn fire_all(
        &mut self,
        mut packets: &[Packet],
        mut journeys: &mut [Journey],
    ) -> Result<Confirmed, KernelError> {
        let mut confirmed = Confirmed::Nothing;
        while !packets.is_empty() {
            let count = self.preset(packets)?;
            let (salvo, packets_left) = packets.split_at(count);
            let (seen, unseen) = journeys.split_at_mut(count);
            confirmed = confirmed.max(self.fire_salvo(salvo, seen)?);
            (packets, journeys) = (packets_left, unseen);
        }
        Ok(confirmed)
    }

    /// Sends one packet again, as [`Room::fire`] does, and says which rules matched.
    ///
    /// # Errors
    ///
    /// As [`Room::fire`].
    pub fn trace(
        &mut self,
        packet: &Packet,
        connections: &[Connection],
    ) -> Result<(Journey, Vec<Step>), KernelError> {
        const FIRST_NUMBER: u16 = 1;
        let family = packet.family();
        let tracer = Tracer::open(&self.namespace, self.backend())?;
        self.writer.clear();
        observers::write_trace(&mut self.writer, family, packet.origin, FIRST_NUMBER);
        self.nftables.request(&self.writer, "switch tracing on")?;
        let batch = Batch {
            connections: connections.to_vec(),
            packets: vec![packet.clone()],
            ..Batch::default()
        };
        let mut journeys = Vec::new();
        let fired = self.fire(&batch, &mut journeys);
        self.writer.clear();
        observers::write_trace_end(&mut self.writer, family);
        self.nftables.request(&self.writer, "switch tracing off")?;
        fired?;
        let firewall = self.loaded()?;
        let steps = tracer.steps(&self.namespace, &firewall, packet.mark)?;
        Ok((journeys.pop().unwrap_or_else(unseen), steps))
    }

    /// How many packets each rule has matched since it was loaded; with [`Tools::Changes`], that may have
    /// been long ago.
    ///
    /// # Errors
    ///
    /// A fault of the machine.
    pub fn hits(&self) -> Result<Vec<(RuleId, u64)>, KernelError> {
        let firewall = self.loaded()?;
        let rules = firewall.v4.rules().chain(firewall.v6.rules());
        Ok(rules
            .map(|(id, rule)| (id, rule.counters.unwrap_or_default().packets))
            .collect())
    }

    /// The rules as the tools save them, without sets.
    fn loaded(&self) -> Result<Firewall, KernelError> {
        let read = |family| {
            let text = self.programmer.saved(&self.namespace, family)?;
            save::parse("the saved rules", &text, family).map_err(|error| KernelError::Tool {
                tool: self.backend().save(family).to_owned(),
                doing: "save rules that can be read".to_owned(),
                message: error.to_string(),
            })
        };
        Ok(Firewall {
            v4: read(Family::V4)?,
            v6: read(Family::V6)?,
            sets: Vec::new(),
        })
    }

    /// Sees to it that the palette has the presets of the first packets, and says of how many.
    fn preset(&mut self, packets: &[Packet]) -> Result<usize, KernelError> {
        let most = packets.len().min(usize::from(Tag::LAST_NUMBER));
        let mut palette = self.observed.palette.clone();
        let mut count = covered(&mut palette, &packets[..most]);
        if count < most {
            palette = Palette::default();
            count = covered(&mut palette, &packets[..most]);
        }
        if palette != self.observed.palette {
            let before = std::mem::replace(&mut self.observed.palette, palette);
            self.write_palettes(&before)?;
        }
        Ok(count)
    }

    /// Sends packets, each with a number of its own; in halves where records were lost, though what
    /// the rules themselves remember has then moved on.
    fn fire_salvo(
        &mut self,
        packets: &[Packet],
        journeys: &mut [Journey],
    ) -> Result<Confirmed, KernelError> {
        if let Some(confirmed) = self.try_salvo(packets, journeys)? {
            return Ok(confirmed);
        }
        if packets.len() < 2 {
            return Err(lost_records());
        }
        // Half as many leave half as much to be read.
        journeys.fill_with(unseen);
        let middle = packets.len() / 2;
        let (first, second) = journeys.split_at_mut(middle);
        let confirmed = self.fire_salvo(&packets[..middle], first)?;
        Ok(confirmed.max(self.fire_salvo(&packets[middle..], second)?))
    }

    /// `None` where records were lost.
    fn try_salvo(
        &mut self,
        packets: &[Packet],
        journeys: &mut [Journey],
    ) -> Result<Option<Confirmed>, KernelError> {
        let pace = self.log.packets_between_readings();
        let mut salvo = Salvo::new(&self.points, &self.names, packets, journeys);
        let mut whole = true;
        for (number, packet) in (1_u16..).zip(packets) {
            let preset = self.observed.palette.number(packet).unwrap_or(0);
            build(packet, Tag::new(number, preset), &mut self.bytes)
                .map_err(|error| KernelError::system("build a packet", io::Error::other(error)))?;
            send(&self.links, &mut self.injector, packet, &self.bytes)?;
            if usize::from(number) % pace == 0 {
                whole &= self.log.read(|record| salvo.see(record))? != Progress::Lost;
            }
        }
        for attempt in 0..LOOPBACK_YIELDS + LOOPBACK_PAUSES {
            self.injector.send_fence()?;
            whole &= self.log.read(|record| salvo.see(record))? == Progress::Fenced;
            if !whole || !salvo.awaits_loopback() {
                break;
            }
            if attempt < LOOPBACK_YIELDS {
                std::thread::yield_now();
            } else {
                std::thread::sleep(LOOPBACK_PAUSE);
            }
        }
        salvo.conclude();
        let confirmed = if salvo.used_loopback() {
            Confirmed::Something
        } else {
            Confirmed::Nothing
        };
        Ok(whole.then_some(confirmed))
    }
}

fn lost_records() -> KernelError {
    let lost = io::Error::from(io::ErrorKind::OutOfMemory);
    KernelError::system("observe every packet that was sent", lost)
}

fn points_of(firewall: &Firewall, backend: Backend) -> BothPoints {
    BothPoints {
        v4: Points::of(&firewall.v4, backend),
        v6: Points::of(&firewall.v6, backend),
    }
}

/// How many of the packets have their presets in the palette, after adding what there is room for.
fn covered(palette: &mut Palette, packets: &[Packet]) -> usize {
    packets
        .iter()
        .take_while(|packet| palette.number(packet).is_some())
        .count()
}

fn send(
    links: &Links,
    injector: &mut Injector,
    packet: &Packet,
    bytes: &[u8],
) -> Result<(), KernelError> {
    match packet.origin {
        Origin::Node => injector.send(packet, bytes),
        Origin::Arrives(name) => match links.tun(name) {
            Some(tun) => arrive(tun, bytes),
            None => Err(KernelError::system(
                format!("let a packet arrive by {name}"),
                io::Error::from(io::ErrorKind::NotFound),
            )),
        },
    }
}
