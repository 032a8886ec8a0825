//! Why a mutant is not noticed, found by looking for a packet that tells it from what it is a fault of.
//!
//! The packets of the cases are followed once more, rule by rule, with the fault and without it; then
//! others are aimed at every rule of both firewalls and at the boundaries of all that they ask. Where one of
//! those fares otherwise, the campaign has a hole: such packets exist, and it does not make them.

use std::fmt;

use super::Mutant;
use super::ground::{BACKEND, Ground, Subject};
use super::hunt::Trail;
use super::meant::Misunderstanding;
use super::site::Rules;
use crate::campaign::run::{Broken, Options};
use crate::diff::class::Class;
use crate::diff::meaning::sure;
use crate::generate::aim::aim;
use crate::generate::ground;
use crate::generate::unhit::explain_unhit;
use crate::journey::Step;
use crate::model::{Connections, Machine, Visit, Visited};
use crate::packet::Packet;
use crate::xtables::{Firewall, RuleId};

/// How many of the cases that it is planted in are looked at.
const CASES: usize = 24;
/// In how many of them other packets are aimed at it.
const AIMED: usize = 2;

/// Why a mutant is not noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// No case has anything to plant it in.
    NotPlanted,
    /// No packet reaches the rules, and why the first of them is not matched.
    Unreached(String),
    /// Packets go another way and end where they would have: what decides with the fault is what stands
    /// behind or before.
    Shadowed(Shadow),
    /// The rules are reached, and every packet goes the way that it goes without the fault.
    Alike {
        /// How many packets reach the rules.
        reached: u64,
        /// How many match them.
        matched: u64,
        /// How many packets were aimed at them besides.
        aimed: u64,
    },
    /// The intent never reads what is changed, or comes to the same.
    Unread {
        /// On how many packets somebody else decided, or by another clause.
        otherwise: u64,
        /// The first of them.
        first: Option<String>,
    },
    /// It shows in classes alone that are known: the ledger has too wide an entry.
    Known(Class),
    /// A packet tells it from what it is a fault of, and no case has it.
    Hole(String),
}

/// Ways that differ, and end alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// How many packets go another way.
    pub packets: u64,
    /// What decides on the first of them.
    pub usually: String,
    /// What decides with the fault.
    pub faulty: String,
    /// How many packets were aimed at the rules besides, and ended alike too.
    pub aimed: u64,
}

impl Why {
    /// Whether all that was looked at speaks for the fault's changing nothing. That is evidence from a few cases
    /// and the packets aimed at them, and no proof.
    #[must_use]
    pub fn is_explained(&self) -> bool {
        !matches!(self, Self::Hole(_) | Self::Known(_) | Self::NotPlanted)
    }

    /// Why a mutant was not noticed by a campaign of so many cases.
    ///
    /// # Errors
    ///
    /// [`Broken`] where a case can't be made.
    pub fn of(trail: &Trail, campaign: &Options, cases: u64) -> Result<Self, Broken> {
        let Some(first) = trail.seen.first else {
            return Ok(Self::NotPlanted);
        };
        if let Some(class) = &trail.seen.first_known {
            return Ok(Self::Known(class.clone()));
        }
        let mut look = Look::default();
        for number in first..cases {
            if look.cases >= CASES {
                break;
            }
            let ground = Ground::new(campaign, number)?;
            match &trail.mutant {
                Mutant::Rendered(site, fault) => {
                    let rules = Rules::of(&ground.case.plan.firewall);
                    if let Some((firewall, ids)) = rules.plant(site, *fault) {
                        look.rendered(&ground, &firewall, &ids);
                    }
                }
                Mutant::Meant(fault) => look.meant(&ground, *fault),
            }
            if look.hole.is_some() {
                break;
            }
        }
        Ok(look.conclude(&trail.mutant))
    }
}

/// What a second look shows.
#[derive(Default)]
struct Look {
    cases: usize,
    reached: u64,
    matched: u64,
    otherwise: u64,
    aimed: u64,
    first: Option<[String; 2]>,
    unreached: Option<String>,
    hole: Option<String>,
}

impl Look {
    fn conclude(self, mutant: &Mutant) -> Why {
        if let Some(packet) = self.hole {
            return Why::Hole(packet);
        }
        match (mutant, self.first) {
            (Mutant::Meant(_), first) => Why::Unread {
                otherwise: self.otherwise,
                first: first.map(|[usually, faulty]| format!("{faulty}, not {usually}")),
            },
            (Mutant::Rendered(..), Some([usually, faulty])) => Why::Shadowed(Shadow {
                packets: self.otherwise,
                usually,
                faulty,
                aimed: self.aimed,
            }),
            (Mutant::Rendered(..), None) if self.reached == 0 => {
                Why::Unreached(self.unreached.unwrap_or_default())
            }
            (Mutant::Rendered(..), None) => Why::Alike {
                reached: self.reached,
                matched: self.matched,
                aimed: self.aimed,
            },
        }
    }

    fn meant(&mut self, ground: &Ground, fault: Misunderstanding) {
        let plan = &ground.case.plan;
        let world = plan.calico.as_ref().map(|calico| &calico.world);
        let Some(misled) = world.and_then(|world| fault.plant(world)) else {
            return;
        };
        let misled = plan.with_world(misled);
        let judge = misled
            .calico
            .as_ref()
            .map(|calico| calico.judge(&misled.node));
        let Some(Ok(judge)) = judge else { return };
        self.cases += 1;
        let connections = ground.known_connections();
        for subject in ground.packets() {
            let opinion = judge.judge(subject.packet, &connections[subject.place.salvo]);
            if opinion != *subject.opinion {
                self.otherwise += 1;
                self.first.get_or_insert_with(|| {
                    let words = [subject.opinion, &opinion];
                    words.map(|one| format!("{} by {}", one.verdict, one.decision.clause))
                });
            }
        }
    }

    fn rendered(&mut self, ground: &Ground, firewall: &Firewall, ids: &[RuleId]) {
        let plan = &ground.case.plan;
        let usual = Machine::new(BACKEND, &plan.node, &plan.firewall);
        let faulty = Machine::new(BACKEND, &plan.node, firewall);
        let (Ok(mut usual), Ok(mut faulty)) = (usual, faulty) else {
            return;
        };
        self.cases += 1;
        let connections = ground.connections();
        let before = self.reached;
        for subject in ground.packets() {
            let connections = &connections[subject.place.salvo];
            self.count_visits(&mut usual, connections, subject, ids);
            let [usually, otherwise] = [&mut usual, &mut faulty]
                .map(|machine| machine.trace(connections, subject.packet).1);
            if way(&usually) != way(&otherwise) {
                self.otherwise += 1;
                self.first
                    .get_or_insert_with(|| [decider(&usually), decider(&otherwise)]);
            }
        }
        if self.reached == before && self.unreached.is_none() {
            let seed = ground.case.number;
            self.unreached = ids
                .first()
                .map(|id| explain_unhit(BACKEND, &plan.node, &plan.firewall, id, seed).to_string());
        }
        if self.cases <= AIMED {
            self.aim(ground, firewall, [&mut usual, &mut faulty]);
        }
    }

    fn count_visits(
        &mut self,
        machine: &mut Machine,
        connections: &Connections,
        subject: Subject<'_>,
        ids: &[RuleId],
    ) {
        let mut visited = Visited::default();
        machine.visit(connections, subject.packet, &mut visited);
        let own = |visit: &&Visit| {
            let id = machine.rule_id(visit.rule);
            id.is_some_and(|id| ids.contains(id))
        };
        let visits: Vec<_> = visited.visits.iter().filter(own).collect();
        self.reached += u64::from(!visits.is_empty());
        self.matched += u64::from(visits.iter().any(|visit| visit.failed.is_none()));
    }

    /// Aims packets at every rule of both firewalls.
    fn aim(&mut self, ground: &Ground, firewall: &Firewall, machines: [&mut Machine; 2]) {
        let plan = &ground.case.plan;
        let [usual, faulty] = machines;
        let seed = ground.case.number;
        let mut shots = aim(
            &ground::Ground::new(&plan.node, &plan.firewall),
            usual,
            seed,
        )
        .shots;
        shots.extend(aim(&ground::Ground::new(&plan.node, firewall), faulty, seed).shots);
        for shot in shots {
            self.aimed += 1;
            let connections = Connections::new(&shot.connections);
            let ends = [&mut *usual, &mut *faulty]
                .map(|machine| sure(&machine.judge(&connections, &shot.packet)));
            if ends[0] != ends[1] && self.hole.is_none() {
                self.hole = Some(told(
                    ground,
                    &shot.packet,
                    ends.map(|end| {
                        end.map_or_else(|| "left to chance".to_owned(), |end| end.to_string())
                    }),
                ));
            }
        }
    }
}

fn told(ground: &Ground, packet: &Packet, [usually, faulty]: [String; 2]) -> String {
    let case = ground.case.number;
    format!("in case {case} {packet} is {usually}; with the fault {faulty}")
}

/// What each rule that matched did, in order.
fn way(steps: &[Step]) -> Vec<(&str, &str)> {
    let matched = steps.iter().filter(|step| step.matched.is_ok());
    matched
        .map(|step| (step.chain.as_str(), step.did.as_str()))
        .collect()
}

/// The last rule that decided, in words.
fn decider(steps: &[Step]) -> String {
    let mut decided = steps.iter().rev().filter(|step| {
        step.matched.is_ok() && (step.rule.is_some() || step.did.starts_with("policy"))
    });
    decided.next().map_or_else(
        || "nothing".to_owned(),
        |step| format!("{} {} ({})", step.table, step.chain, step.did),
    )
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPlanted => f.write_str("no case has anything to plant it in"),
            Self::Unreached(why) => write!(f, "no packet reaches it: {why}"),
            Self::Shadowed(shadow) => write!(
                f,
                "{} packets go another way and end alike, the first by {} in the place of {}; \
                 so do {} packets aimed at every rule",
                shadow.packets, shadow.faulty, shadow.usually, shadow.aimed
            ),
            Self::Alike {
                reached,
                matched,
                aimed,
            } => write!(
                f,
                "{reached} packets reach it, {matched} match it, and each goes the same way with the \
                 fault; {aimed} packets aimed at every rule end alike"
            ),
            Self::Unread {
                otherwise: 0,
                first: _,
            } => f.write_str("the intent says the same of every packet"),
            Self::Unread { otherwise, first } => write!(
                f,
                "the intent decides {otherwise} packets otherwise and to the same end, the first {}",
                first.as_deref().unwrap_or_default()
            ),
            Self::Known(class) => {
                write!(f, "HOLE in the ledger: it shows in a known class, {class}")
            }
            Self::Hole(packet) => write!(f, "HOLE: {packet}"),
        }
    }
}
