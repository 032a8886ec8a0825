//! One case of the campaign without any fault: what mutants are held against.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::tell::Tell;
use crate::arm::plan::Plan;
use crate::campaign::finding::Divergence;
use crate::campaign::run::{Broken, Case, Options, Place};
use crate::campaign::trial::classify;
use crate::diff::class::Class;
use crate::diff::judgement::{Outcome, Reading, Said};
use crate::intent::{self, Opinion};
use crate::journey::{Answer, Asked};
use crate::model::{Connections, Machine, Visited};
use crate::packet::{Order, Packet};
use crate::xtables::{Backend, RuleId};

/// By whose reading of the rules mutants are judged. Both readings are of one and the same faulty text:
/// what one shows the other shows.
pub(super) const BACKEND: Backend = Backend::Legacy;

/// A case and all that is said of it where nothing is planted.
pub(super) struct Ground {
    pub(super) case: Case,
    /// Of each packet of each batch.
    usual: Vec<Vec<Usual>>,
    /// Who comes to each rule, in order; nobody twice with the same outcome in a row.
    visitors: FxHashMap<RuleId, Vec<Visitor>>,
    /// How long it took to make and to judge.
    pub(super) took: Duration,
}

/// A packet that comes to a rule.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Visitor {
    /// Its place among all packets.
    place: usize,
    /// Which of the rule's questions it fails; `None` where it matches.
    failed: Option<Asked>,
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
    /// As is meant, where it diverged before in this class.
    Mended(Class),
    /// In a divergence of this class that was not there before.
    Diverges(Class),
}

/// A plan with a fault, made when it is first asked for: most faults show in no packet of a case, and some in
/// many.
pub(super) struct Faulty<'a> {
    make: &'a dyn Fn() -> Option<Plan>,
    made: Option<Option<Plan>>,
}

impl<'a> Faulty<'a> {
    pub(super) fn new(make: &'a dyn Fn() -> Option<Plan>) -> Self {
        Self { make, made: None }
    }

    /// The plan; `None` where the tools refuse it.
    fn get(&mut self) -> Option<&mut Plan> {
        self.made.get_or_insert_with(self.make).as_mut()
    }
}

impl Subject<'_> {
    /// Whether the judges differ on it where nothing is planted.
    pub(super) fn differs(self) -> bool {
        self.usual.class.is_some()
    }
}

impl Ground {
    /// The case of a number.
    pub(super) fn new(options: &Options, number: u64) -> Result<Self, Broken> {
        let start = Instant::now();
        let mut case = options.case(number)?;
        // A fault may change what packets leave behind, and so what is asked: each is judged by itself here.
        case.salvos.retain(|salvo| salvo.order == Order::Apart);
        case.expect(&[BACKEND]);
        let usual = usual(&mut case);
        let visitors = visitors(&mut case);
        Ok(Self {
            case,
            usual,
            visitors,
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

    /// Whether anybody comes to one of some rules.
    pub(super) fn has_visitors(&self, rules: &[(RuleId, Tell)]) -> bool {
        rules
            .iter()
            .any(|(rule, _)| self.visitors.contains_key(rule))
    }

    /// The packets to which something may show at one of some rules, in order. To whom a fault changes nothing
    /// but these rules, no others can fare otherwise.
    pub(super) fn visitors(&self, rules: &[(RuleId, Tell)]) -> Vec<Subject<'_>> {
        let mut places = BTreeSet::new();
        for (rule, tell) in rules {
            let visitors = self.visitors.get(rule).into_iter().flatten();
            let told = visitors.filter(|visitor| tell.is_of(visitor.failed));
            places.extend(told.map(|visitor| visitor.place));
        }
        let packets = self.packets().enumerate();
        let told = packets.filter(|(place, _)| places.contains(place));
        told.map(|(_, subject)| subject).collect()
    }

    /// The classes of the divergences that are there without a fault.
    pub(super) fn classes(&self) -> impl Iterator<Item = &Class> {
        let usual = self.usual.iter().flatten();
        usual.filter_map(|usual| usual.class.as_ref())
    }

    /// What is said of a packet with a fault, held against what is said without. The plan with the fault is for
    /// the class.
    pub(super) fn fares(
        &self,
        subject: Subject<'_>,
        opinion: &Opinion,
        model: &Answer,
        plan: &mut Faulty<'_>,
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
        let usual = subject.usual.class.as_ref();
        let division = match said.outcome() {
            Outcome::Differ(division) => division,
            Outcome::Agree => {
                return usual.map_or(Fares::Unseen, |class| Fares::Mended(class.clone()));
            }
            Outcome::Unjudged(_) => return Fares::Unseen,
        };
        let Some(plan) = plan.get() else {
            return Fares::Unseen;
        };
        let batch = &self.case.salvos[subject.place.salvo];
        let connections = Divergence::connections_of(batch, subject.packet);
        let class = classify(plan, subject.packet, &connections, said, &division);
        match usual == Some(&class) {
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

/// Who comes to each rule.
fn visitors(case: &mut Case) -> FxHashMap<RuleId, Vec<Visitor>> {
    let mut by_rule: BTreeMap<u32, Vec<Visitor>> = BTreeMap::new();
    let machine = case.plan.machine(BACKEND);
    let mut visited = Visited::default();
    let salvos = case.salvos.iter().flat_map(|salvo| {
        let connections = Rc::new(Connections::new(&salvo.connections));
        let packets = salvo.packets.iter();
        packets.map(move |packet| (Rc::clone(&connections), packet))
    });
    for (place, (connections, packet)) in salvos.enumerate() {
        visited.visits.clear();
        machine.visit(&connections, packet, &mut visited);
        for visit in &visited.visits {
            let visitors = by_rule.entry(visit.rule).or_default();
            let visitor = Visitor {
                place,
                failed: visit.failed,
            };
            if visitors.last() != Some(&visitor) {
                visitors.push(visitor);
            }
        }
    }
    let by_rule = by_rule.into_iter();
    let known =
        by_rule.filter_map(|(rule, visitors)| Some((machine.rule_id(rule)?.clone(), visitors)));
    known.collect()
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
