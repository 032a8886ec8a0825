//! One case of a campaign: a scenario made from the seed and the case's number alone, planned, its
//! packets put together, and what everybody says of them.

use super::count::Place;
use crate::arm::plan::{Plan, Unplanned};
use crate::calico::resources::Api;
use crate::campaign::finding::Divergence;
use crate::campaign::shrink::up_to;
use crate::campaign::trial::{Expected, Loading, classify};
use crate::diff::class::Class;
use crate::diff::judgement::{Division, Said};
use crate::generate::batch::Batches;
use crate::generate::bits::{Bits, Seeded};
use crate::generate::flow::{Flow, may_begin};
use crate::generate::standing::Shot;
use crate::generate::traffic::Traffic;
use crate::generate::world::{Cluster, Dials, Features};
use crate::journey::Answer;
use crate::model::Machine;
use crate::node::Node;
use crate::packet::{Batch, Family, Order, Origin, Packet};
use crate::render::Layout;
use crate::scenario::Scenario;
use crate::xtables::{Backend, ipset, save};

/// What is said of one case.
pub struct Case {
    /// Its number in the campaign.
    pub number: u64,
    /// The number of its cluster.
    pub cluster: u64,
    /// What is in its scenario.
    pub features: Features,
    /// What is programmed.
    pub plan: Plan,
    /// The firewall in the tools' words: IPv4's rules, IPv6's, and the sets.
    pub texts: [String; 3],
    /// The scenario, without packets.
    pub scenario: Scenario,
    /// The packets, in batches that don't disturb each other.
    pub salvos: Vec<Batch>,
    /// What intent and model say, one for each batch.
    pub expected: Vec<Expected>,
    /// What the kernels said, one for each batch; `None` where a kernel was not asked.
    pub kernels: [Option<Vec<Vec<Answer>>>; 2],
    /// Where model and tools differ on what can be loaded.
    pub loading: Vec<Loading>,
}

/// Independent bits for each number: a golden-ratio stride keeps the seeds of neighbours far apart.
fn bits(seed: u64, number: u64) -> Seeded {
    let mut bits = Seeded::new(seed);
    Seeded::new(bits.next() ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl Case {
    /// The case of a number in the campaign of a seed: it hangs on these alone. As many cases in a row as the
    /// dial says are of one cluster.
    ///
    /// # Errors
    ///
    /// [`Unplanned`] where the layout's era can't say what was made.
    pub fn of(
        seed: u64,
        number: u64,
        dials: &Dials,
        layout: Layout,
        packets: usize,
    ) -> Result<Self, Unplanned> {
        let cluster = number / dials.rulesets;
        let made = Cluster::make(&mut bits(seed, cluster), dials, layout.api());
        // Others than any cluster's.
        let mut bits = bits(!seed, number);
        let mut case = Self::make(&mut bits, &made, layout, packets)?;
        case.number = number;
        case.cluster = cluster;
        if layout.api() == Api::V3 && number % dials.rulesets != 0 && number % CHANGES == 1 {
            let before = made.scenario(&mut self::bits(!seed, number - 1));
            case.add_change(&mut bits, Plan::new(layout, &before)?, layout);
        }
        Ok(case)
    }

    /// Lets flows begin under the rules of a plan, and go on under this case's.
    fn add_change(&mut self, bits: &mut impl Bits, mut before: Plan, layout: Layout) {
        let begins = traffic(&before, layout).map(|traffic| firsts(bits, &traffic));
        let begun = flows(before.machine(Backend::Legacy), &begins.unwrap_or_default());
        let machine = self.plan.machine(Backend::Legacy);
        for mut flow in begun.into_iter().filter(Flow::is_open) {
            let connections = flow.left.connections().to_vec();
            let packets = flow.go_on_elsewhere(bits, machine);
            self.salvos.push(Batch {
                connections,
                packets,
                order: Order::InSequence,
            });
        }
        machine.forget_hits();
    }

    /// Makes a case of some bits, the first of a campaign: a scenario for a cluster, and so many packets at it.
    ///
    /// # Errors
    ///
    /// [`Unplanned`] where the layout's era can't say what was made.
    pub fn make(
        bits: &mut impl Bits,
        cluster: &Cluster,
        layout: Layout,
        packets: usize,
    ) -> Result<Self, Unplanned> {
        let scenario = cluster.scenario(bits);
        let mut plan = Plan::new(layout, &scenario)?;
        let (mut all, mut begins) = (Vec::new(), Vec::new());
        if let Some(traffic) = traffic(&plan, layout) {
            all = salvos(bits, &traffic, packets);
            if layout.api() == Api::V3 {
                begins = firsts(bits, &traffic);
            }
        }
        all.extend(sequences(bits, plan.machine(Backend::Legacy), &begins));
        let rules = |family| save::print(plan.firewall.ruleset(family), save::Style::default());
        Ok(Self {
            number: 0,
            cluster: 0,
            features: cluster.features(),
            texts: [
                rules(Family::V4),
                rules(Family::V6),
                ipset::print_save(&plan.firewall.sets),
            ],
            plan,
            scenario,
            salvos: all,
            expected: Vec::new(),
            kernels: [None, None],
            loading: Vec::new(),
        })
    }

    /// Has intent and model judge every packet, by these backends' readings.
    pub fn expect(&mut self, backends: &[Backend]) {
        if let Ok(mut bench) = self.plan.bench() {
            let salvos = self.salvos.iter();
            self.expected = salvos
                .map(|salvo| Expected::of(&mut bench, backends, salvo))
                .collect();
        }
    }

    /// What everybody says of one packet.
    #[must_use]
    pub fn said(&self, salvo: usize, packet: usize) -> Said<'_> {
        let answers = |place: usize| {
            let kernel = self.kernels[place].as_ref()?;
            kernel.get(salvo).map(Vec::as_slice)
        };
        self.expected[salvo].said(&self.plan.node, [answers(0), answers(1)], packet)
    }

    /// The class of a divergence on one packet.
    pub fn classify(&mut self, place: Place, division: &Division) -> Class {
        let node = self.plan.node.clone();
        let kernels = [0, 1].map(|backend: usize| {
            let kernel = self.kernels[backend].as_ref()?;
            kernel.get(place.salvo).map(Vec::as_slice)
        });
        let said = self.expected[place.salvo].said(&node, kernels, place.packet);
        let batch = &self.salvos[place.salvo];
        let connections = self.expected[place.salvo].connections(batch, place.packet);
        let packet = &batch.packets[place.packet];
        classify(&mut self.plan, packet, &connections, said, division)
    }

    /// The scenario with one packet as its last: alone with the connections that touch it, or behind those
    /// that come before it in a sequence.
    #[must_use]
    pub fn with_packet(&self, place: Place) -> Scenario {
        let batch = &self.salvos[place.salvo];
        let packet = &batch.packets[place.packet];
        let batch = match batch.order {
            Order::InSequence => up_to(batch, place.packet),
            Order::Apart => Batch {
                connections: Divergence::connections_of(batch, packet),
                packets: vec![packet.clone()],
                ..Batch::default()
            },
        };
        Scenario {
            batch,
            ..self.scenario.clone()
        }
    }
}

/// Whether a kernel room can send a packet: nothing comes out of `lo` but what went in.
#[must_use]
pub fn is_sendable(node: &Node, packet: &Packet) -> bool {
    match packet.origin {
        Origin::Node => true,
        Origin::Arrives(name) => node.interface(name).is_some(),
    }
}

/// How many packets the kernel room takes at once.
const SIZE: usize = 4000;

/// How many flows there are in a case.
const FLOWS: usize = 3;
/// How many packets are tried as a flow's first: one that comes through says more.
const FIRST_TRIES: usize = 6;
/// In one of so many cases flows go on that began under the rules of the case before.
const CHANGES: u64 = 8;

/// The makers of packets for a plan; none where Calico does not run.
fn traffic(plan: &Plan, layout: Layout) -> Option<Traffic<'_>> {
    let calico = plan.calico.as_ref()?;
    let (node, firewall) = (&plan.node, &plan.firewall);
    Some(Traffic::new(&calico.world, layout.api(), node, firewall))
}

/// Packets each by itself, in batches that don't disturb each other.
fn salvos(bits: &mut impl Bits, traffic: &Traffic<'_>, packets: usize) -> Vec<Batch> {
    let ground = traffic.ground();
    let shots = traffic.shots(bits, packets);
    let sendable = |shot: &Shot| is_sendable(ground.node, &shot.packet);
    let shots = shots.into_iter().filter(sendable);
    Batches::new(ground, shots, SIZE)
        .map(|salvo| salvo.batch)
        .collect()
}

/// Packets with which flows may begin.
fn firsts(bits: &mut impl Bits, traffic: &Traffic<'_>) -> Vec<Packet> {
    let node = traffic.ground().node;
    let shots = traffic.shots(bits, FLOWS * FIRST_TRIES).into_iter();
    let alone = shots.filter(|shot| shot.connections.is_empty());
    let packets = alone.map(|shot| shot.packet);
    packets
        .filter(|packet| is_sendable(node, packet) && may_begin(packet))
        .collect()
}

/// The beginnings of some flows, of several tries each.
fn flows(machine: &mut Machine, firsts: &[Packet]) -> Vec<Flow> {
    let tries = firsts.chunks(FIRST_TRIES).take(FLOWS);
    let flows = tries.filter_map(|tries| {
        let mut begun = None;
        for packet in tries {
            let flow = begun.insert(Flow::begin(machine, packet.clone()));
            if flow.is_open() {
                break;
            }
        }
        begun
    });
    flows.collect()
}

/// Flows under a machine's rules, each by itself.
fn sequences(bits: &mut impl Bits, machine: &mut Machine, firsts: &[Packet]) -> Vec<Batch> {
    let flows = flows(machine, firsts).into_iter();
    let sequences = flows.map(|mut flow| {
        flow.go_on(bits, machine);
        Batch {
            packets: flow.packets,
            order: Order::InSequence,
            ..Batch::default()
        }
    });
    let sequences = sequences.collect();
    machine.forget_hits();
    sequences
}
