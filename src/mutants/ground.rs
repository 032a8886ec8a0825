//! One case of the campaign without any fault: what mutants are held against.

use std::time::{Duration, Instant};

use crate::arm::plan::Plan;
use crate::campaign::run::{Broken, Case, Options, Place};
use crate::campaign::trial::classify;
use crate::diff::class::Class;
use crate::diff::judgement::{Outcome, Reading, Said};
use crate::intent::{self, Opinion};
use crate::journey::Answer;
use crate::model::{Connections, Machine};
use crate::packet::Packet;
use crate::xtables::Backend;

/// By whose reading of the rules mutants are judged. Both readings are of one and the same faulty text:
/// what one shows the other shows.
pub(super) const BACKEND: Backend = Backend::Legacy;

/// A case and all that is said of it where nothing is planted.
pub(super) struct Ground {
    pub(super) case: Case,
    /// Of each packet of each batch.
    usual: Vec<Vec<Usual>>,
    /// How long it took to make and to judge.
    pub(super) took: Duration,
}

/// What else is known of one packet where nothing is planted.
struct Usual {
    /// The model's answer without Calico's rules.
    without: Answer,
    /// The class of the divergence, where there is one already.
    class: Option<Class>,
}

/// One packet of a case.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) place: Place,
    pub(super) packet: &'a Packet,
    /// What the intent says of it.
    pub(super) opinion: &'a Opinion,
    /// What the model says of it.
    pub(super) model: &'a Answer,
    usual: &'a Usual,
}

/// How a packet fares with a fault.
pub(super) enum Fares {
    /// As ever.
    Usually,
    /// Nobody differs, or as ever, but what is said is not the same.
    Unseen,
    /// In a divergence of this class that was not there before.
    Diverges(Class),
}

impl Ground {
    /// The case of a number.
    pub(super) fn new(options: &Options, number: u64) -> Result<Self, Broken> {
        let start = Instant::now();
        let mut case = options.case(number)?;
        case.expect(&[BACKEND]);
        let usual = usual(&mut case);
        Ok(Self {
            case,
            usual,
            took: start.elapsed(),
        })
    }

    /// Every packet, with what is said of it.
    pub(super) fn packets(&self) -> impl Iterator<Item = Subject<'_>> {
        let salvos = self.usual.iter().enumerate();
        salvos.flat_map(move |(salvo, usual)| {
            let expected = &self.case.expected[salvo];
            usual
                .iter()
                .enumerate()
                .map(move |(packet, usual)| Subject {
                    place: Place {
                        case: self.case.number,
                        salvo,
                        packet,
                    },
                    packet: &self.case.salvos[salvo].packets[packet],
                    opinion: &expected.opinions[packet],
                    model: &expected.models[BACKEND.place()][packet],
                    usual,
                })
        })
    }

    /// The classes of the divergences that are there without a fault.
    pub(super) fn classes(&self) -> impl Iterator<Item = &Class> {
        let usual = self.usual.iter().flatten();
        usual.filter_map(|usual| usual.class.as_ref())
    }

    /// What is said of a packet with a fault, held against what is said without. `plan` makes the plan with
    /// the fault, for the class.
    pub(super) fn fares(
        &self,
        subject: Subject<'_>,
        opinion: &Opinion,
        model: &Answer,
        plan: impl FnOnce() -> Option<Plan>,
    ) -> Fares {
        if opinion == subject.opinion && model == subject.model {
            return Fares::Usually;
        }
        let reading = Reading {
            model,
            without: Some(&subject.usual.without),
            kernel: None,
        };
        let said = Said {
            node: &self.case.plan.node,
            opinion: Some(opinion),
            readings: [Some(reading), None],
        };
        let Outcome::Differ(division) = said.outcome() else {
            return Fares::Unseen;
        };
        let Some(mut plan) = plan() else {
            return Fares::Unseen;
        };
        let batch = &self.case.salvos[subject.place.salvo];
        let class = classify(&mut plan, batch, subject.place.packet, said, &division);
        match subject.usual.class.as_ref() == Some(&class) {
            true => Fares::Unseen,
            false => Fares::Diverges(class),
        }
    }

    /// The connections of a batch, as the model has them; one for each batch.
    pub(super) fn connections(&self) -> Vec<Connections> {
        let salvos = self.case.salvos.iter();
        let connections = salvos.map(|salvo| Connections::new(&salvo.connections));
        connections.collect()
    }

    /// The connections of a batch, as the intent has them; one for each batch.
    pub(super) fn known_connections(&self) -> Vec<intent::Connections> {
        let salvos = self.case.salvos.iter();
        let connections = salvos.map(|salvo| intent::Connections::new(&salvo.connections));
        connections.collect()
    }
}

/// What else is known of each packet of a case that intent and model have judged.
fn usual(case: &mut Case) -> Vec<Vec<Usual>> {
    let foreign = case.plan.calico.as_ref().map(|calico| &calico.foreign);
    let foreign = foreign.and_then(|foreign| Machine::new(BACKEND, &case.plan.node, foreign).ok());
    let Some(mut foreign) = foreign else {
        return Vec::new();
    };
    let salvos = 0..case.expected.len();
    let usual = salvos.map(|salvo| {
        let connections = Connections::new(&case.salvos[salvo].connections);
        let packets = 0..case.expected[salvo].opinions.len();
        let usual = packets.map(|packet| {
            let place = Place {
                case: case.number,
                salvo,
                packet,
            };
            let class = match case.said(salvo, packet).outcome() {
                Outcome::Differ(division) => Some(case.classify(place, &division)),
                Outcome::Agree | Outcome::Unjudged(_) => None,
            };
            let packet = &case.salvos[salvo].packets[packet];
            Usual {
                without: foreign.judge(&connections, packet),
                class,
            }
        });
        usual.collect()
    });
    usual.collect()
}
