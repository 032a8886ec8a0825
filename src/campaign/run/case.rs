//! One case of a campaign: a scenario made from the seed and the case's number alone, planned, its
//! packets put together, and what everybody says of them.

use super::count::Place;
use crate::arm::plan::{Plan, Unplanned};
use crate::campaign::finding::Divergence;
use crate::campaign::trial::{Expected, Loading, classify};
use crate::diff::class::Class;
use crate::diff::judgement::{Division, Said};
use crate::generate::batch::Batches;
use crate::generate::bits::{Bits, Seeded};
use crate::generate::ground::Ground;
use crate::generate::standing::Shot;
use crate::generate::traffic::Traffic;
use crate::generate::world::{Cluster, Dials, Features};
use crate::journey::Answer;
use crate::node::Node;
use crate::packet::{Batch, Family, Origin, Packet};
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
        let case = Self::make(&mut bits, &made, layout, packets)?;
        Ok(Self {
            number,
            cluster,
            ..case
        })
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
        let plan = Plan::new(layout, &scenario)?;
        let salvos = salvos(bits, &plan, layout, packets);
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
            salvos,
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
        classify(&mut self.plan, batch, place.packet, said, division)
    }

    /// The scenario with one packet, and the connections that touch it.
    #[must_use]
    pub fn with_packet(&self, place: Place) -> Scenario {
        let batch = &self.salvos[place.salvo];
        let packet = batch.packets[place.packet].clone();
        let connections = Divergence::connections_of(batch, &packet);
        Scenario {
            batch: Batch {
                connections,
                packets: vec![packet],
            },
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

fn salvos(bits: &mut impl Bits, plan: &Plan, layout: Layout, packets: usize) -> Vec<Batch> {
    let Some(calico) = &plan.calico else {
        return Vec::new();
    };
    let ground = Ground::new(&plan.node, &plan.firewall);
    let traffic = Traffic::new(&calico.world, layout.api(), &plan.node, &plan.firewall);
    let shots = traffic.shots(bits, packets);
    let sendable = |shot: &Shot| is_sendable(&plan.node, &shot.packet);
    let shots = shots.into_iter().filter(sendable);
    Batches::new(&ground, shots, SIZE)
        .map(|salvo| salvo.batch)
        .collect()
}
