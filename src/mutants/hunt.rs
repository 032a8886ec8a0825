//! The campaign set on the mutants: case by case, until each is noticed.
//!
//! A mutant is noticed where a packet diverges in a class that nobody knows, and the same packet without
//! the fault does not; or where the tools refuse what is faulty. Everything is by intent and model: the
//! kernel would do what the faulty rules say.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::accepted::Accepted;
use super::ground::{BACKEND, Fares, Faulty, Ground, Subject};
use super::meant::Misunderstanding;
use super::proof::{self, Shown};
use super::site::Rules;
use super::{Fault, Mutant, Site};
use crate::arm::plan::Plan;
use crate::campaign::run::{Broken, Options, Place};
use crate::diff::class::{Class, reason};
use crate::diff::ledger::Ledger;
use crate::diff::meaning::sure;
use crate::model::Machine;
use crate::xtables::Firewall;

/// How many cases are held in memory at a time.
const HANDFUL: u64 = 16;

/// What is asked of a campaign.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The campaign. Its kernels are not asked, and of its cases no more are made than it takes.
    pub campaign: Options,
    /// How many cases there are at the most.
    pub cases: u64,
    /// From how many cases' rules the mutants are made.
    pub sample: u64,
    /// How many mutants are taken at the most, spread evenly over all.
    pub limit: Option<usize>,
    /// After how many cases those that are shown to change nothing are looked for no longer; else in all cases.
    pub until_shown: Option<u64>,
}

/// What a hunt is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Mutants are made from the rules of cases; counted are the cases.
    Making,
    /// Mutants are looked for in cases; counted are the cases.
    Hunting,
    /// The ledger's tests look at those that no case noticed; counted are the mutants.
    Asking,
    /// It is shown which change nothing; counted are the cases.
    Proving,
}

/// How far a hunt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is at.
    pub stage: Stage,
    /// How much of that is done.
    pub done: u64,
    /// How much there is to do.
    pub of: u64,
    /// How many mutants nobody has noticed, of those that there are by now.
    pub at_large: usize,
}

/// Watches a hunt. Called between handfuls of cases.
pub trait Watch {
    /// It has come so far.
    fn done(&self, progress: Progress);

    /// Whether to end now.
    fn stop(&self) -> bool;
}

/// What came of one mutant.
#[derive(Clone, Debug)]
pub struct Trail {
    /// Which.
    pub mutant: Mutant,
    /// How it was noticed, if it was.
    pub noticed: Option<Noticed>,
    /// Whether it changes anything, if it was not.
    pub shown: Shown,
    /// What was seen of it until then.
    pub seen: Seen,
    /// How long that took on one core, the making of every case included.
    pub took: Duration,
}

/// How a mutant was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noticed {
    /// After how many cases.
    pub cases: u64,
    /// After how many packets.
    pub packets: u64,
    /// By what.
    pub by: By,
}

/// By what a mutant was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// A divergence.
    Divergence(Place, Class),
    /// The tools refuse the rules.
    Refusal(String),
    /// A known divergence does not show any more: what the ledger's tests see.
    Ledger(String),
}

/// What was seen of a mutant that was not noticed, or not yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// In how many cases it was planted where packets come.
    pub planted: u64,
    /// How many packets come there to whom it may show.
    pub packets: u64,
    /// On how many packets somebody said something else, and nobody differed who had not.
    pub unseen: u64,
    /// The first of them.
    pub first_unseen: Option<Place>,
    /// How many packets diverged in a class that is known.
    pub known: u64,
    /// The first of those classes.
    pub first_known: Option<Class>,
    /// How many packets end otherwise.
    pub changed: u64,
    /// On how many of these the judges differ for a reason that is known, without the fault or with it.
    pub differed: u64,
    /// How many of these end as is meant, and did not before.
    pub mended: u64,
    /// The class in which the first of them diverged.
    pub first_mended: Option<Class>,
    /// The first case that it was planted in.
    pub first: Option<u64>,
}

/// What a hunt came to.
#[derive(Clone, Debug)]
pub struct Bag {
    /// How many mutants there are, of which so many may have been taken.
    pub all: usize,
    /// Every mutant that was taken.
    pub trails: Vec<Trail>,
    /// How long it took, all together.
    pub took: Duration,
}

/// All mutants of a campaign's first cases, in their order. A rule that stands twice is none: it asks and
/// does the second time what it did the first.
///
/// # Errors
///
/// [`Broken`] where a case can't be made.
pub fn enumerate(
    campaign: &Options,
    sample: u64,
    watch: &dyn Watch,
) -> Result<Vec<Mutant>, Broken> {
    let mut rendered: BTreeSet<(Site, Fault)> = BTreeSet::new();
    let mut meant = BTreeSet::new();
    let mut open = Misunderstanding::all();
    let mut seen = BTreeMap::new();
    for number in 0..sample {
        let case = campaign.case(number)?;
        let rules = Rules::of(&case.plan.firewall);
        let candidates = rules.faults(&mut seen).into_iter();
        let new = candidates.filter(|(site, fault)| {
            *fault != Fault::RepeatRule
                && !rendered.contains(&(site.clone(), *fault))
                && rules.plant(site, *fault).is_some()
        });
        let new: Vec<_> = new.collect();
        rendered.extend(new);
        if let Some(calico) = &case.plan.calico {
            let fits = |fault: &Misunderstanding| fault.plant(&calico.world).is_none();
            let (rest, found) = open.into_iter().partition(fits);
            open = rest;
            meant.extend::<Vec<Misunderstanding>>(found);
        }
        watch.done(Progress {
            stage: Stage::Making,
            done: number + 1,
            of: sample,
            at_large: rendered.len() + meant.len(),
        });
    }
    let rendered = rendered.into_iter();
    let rendered = rendered.map(|(site, fault)| Mutant::Rendered(site, fault));
    Ok(rendered
        .chain(meant.into_iter().map(Mutant::Meant))
        .collect())
}

/// Every so manyth, so that no more than a limit are left.
fn spread(mutants: Vec<Mutant>, limit: Option<usize>) -> Vec<Mutant> {
    let (all, limit) = (mutants.len(), limit.unwrap_or(mutants.len()));
    let mutants = mutants.into_iter().enumerate();
    let chosen = mutants.filter(|(place, _)| place * limit / all != (place + 1) * limit / all);
    chosen.map(|(_, mutant)| mutant).collect()
}

fn at_large(trails: &[Trail]) -> usize {
    trails.iter().filter(|trail| trail.is_at_large()).count()
}

impl Hunt {
    /// Hunts down every mutant. The classes that a ledger accepts are known, and those that the cases show
    /// without a fault.
    ///
    /// # Errors
    ///
    /// [`Broken`] where a case can't be made.
    pub fn run(&self, ledger: &Ledger, watch: &dyn Watch) -> Result<Bag, Broken> {
        let start = Instant::now();
        let mutants = enumerate(&self.campaign, self.sample, watch)?;
        let all = mutants.len();
        let trails = self.hunt(spread(mutants, self.limit), ledger, watch)?;
        Ok(Bag {
            all,
            trails,
            took: start.elapsed(),
        })
    }

    /// Hunts down some mutants; says how it went with each.
    ///
    /// # Errors
    ///
    /// [`Broken`] where a case can't be made.
    pub fn hunt(
        &self,
        mutants: Vec<Mutant>,
        ledger: &Ledger,
        watch: &dyn Watch,
    ) -> Result<Vec<Trail>, Broken> {
        let mut trails: Vec<Trail> = mutants.into_iter().map(Trail::new).collect();
        let mut shown = BTreeSet::new();
        let mut cases = 0;
        while cases < self.cases && !watch.stop() {
            let last = self.cases.min(cases + HANDFUL);
            let grounds = self.grounds(cases..last)?;
            shown.extend(grounds.iter().flat_map(Ground::classes).cloned());
            let known = |class: &Class| ledger.has(class) || shown.contains(class);
            let mut open: Vec<&mut Trail> = trails
                .iter_mut()
                .filter(|trail| trail.is_at_large())
                .collect();
            if open.is_empty() {
                break;
            }
            let rules = grounds
                .iter()
                .map(|ground| Rules::of(&ground.case.plan.firewall));
            let rules: Vec<Rules<'_>> = rules.collect();
            self.share(&mut open, &|trail| {
                let mut cases = grounds.iter().zip(&rules);
                while let Some((ground, rules)) = cases.next().filter(|_| trail.is_at_large()) {
                    trail.follow(ground, rules, &known);
                }
            });
            let shows = |after: u64| (cases..last).contains(&after);
            if self.until_shown.is_some_and(shows) {
                self.prove(&mut trails, watch)?;
            }
            cases = last;
            watch.done(Progress {
                stage: Stage::Hunting,
                done: cases,
                of: self.cases,
                at_large: at_large(&trails),
            });
        }
        self.ask_ledger(&mut trails, ledger, cases, watch);
        self.prove(&mut trails, watch)?;
        Ok(trails)
    }

    /// Has the ledger's tests look at the mutants that no case noticed.
    fn ask_ledger(&self, trails: &mut [Trail], ledger: &Ledger, cases: u64, watch: &dyn Watch) {
        let accepted = Accepted::all(ledger, self.campaign.layout);
        let each = accepted.iter().map(|one| (one, one.rules()));
        let each: Vec<(&Accepted, Rules<'_>)> = each.collect();
        let open = trails.iter_mut().filter(|trail| trail.is_at_large());
        let mut open: Vec<&mut Trail> = open.collect();
        let of = open.len() as u64;
        let mut done = 0;
        for handful in open.chunks_mut(HANDFUL as usize) {
            self.share(handful, &|trail| trail.show_to(&each, cases));
            done += handful.len() as u64;
            watch.done(Progress {
                stage: Stage::Asking,
                done,
                of,
                at_large: of as usize,
            });
        }
    }

    /// Shows of the mutants that were not noticed which change nothing in the cases that they are made from.
    fn prove(&self, trails: &mut [Trail], watch: &dyn Watch) -> Result<(), Broken> {
        let is_new = |trail: &Trail| trail.is_open() && trail.shown == Shown::default();
        let new: Vec<bool> = trails.iter().map(is_new).collect();
        for from in (0..self.sample).step_by(HANDFUL as usize) {
            let open: Vec<(usize, &Trail)> = trails
                .iter()
                .enumerate()
                .filter(|(place, trail)| new[*place] && trail.shown.open.is_none())
                .collect();
            let last = self.sample.min(from + HANDFUL);
            let mut cases: Vec<_> = (from..last).map(|number| (number, None)).collect();
            let mut each: Vec<_> = cases.iter_mut().collect();
            self.share(&mut each, &|(number, shown)| {
                *shown = Some(proof::of_case(&self.campaign, *number, &open));
            });
            for (number, shown) in cases {
                for (place, inert) in shown.transpose()?.unwrap_or_default() {
                    trails[place].shown.add(number, inert);
                }
            }
            watch.done(Progress {
                stage: Stage::Proving,
                done: last,
                of: self.sample,
                at_large: at_large(trails),
            });
        }
        Ok(())
    }

    fn grounds(&self, numbers: std::ops::Range<u64>) -> Result<Vec<Ground>, Broken> {
        let mut grounds: Vec<(u64, Option<Result<Ground, Broken>>)> =
            numbers.map(|number| (number, None)).collect();
        let mut open: Vec<_> = grounds.iter_mut().collect();
        self.share(&mut open, &|(number, ground)| {
            *ground = Some(Ground::new(&self.campaign, *number));
        });
        grounds
            .into_iter()
            .filter_map(|(_, ground)| ground)
            .collect()
    }

    /// Has the workers do something with each of a list, each by itself.
    fn share<T: Send>(&self, list: &mut [&mut T], work: &(dyn Fn(&mut T) + Sync)) {
        let cells: Vec<_> = list.iter_mut().map(std::sync::Mutex::new).collect();
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let workers = (0..self.campaign.jobs.max(1)).map(|_| {
                scope.spawn(|| {
                    while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Ok(mut one) = cell.lock() {
                            work(&mut one);
                        }
                    }
                })
            });
            let workers: Vec<_> = workers.collect();
            for worker in workers {
                worker.join().unwrap_or_else(|panic| resume_unwind(panic));
            }
        });
    }
}

impl Trail {
    fn new(mutant: Mutant) -> Self {
        Self {
            mutant,
            noticed: None,
            shown: Shown::default(),
            seen: Seen::default(),
            took: Duration::ZERO,
        }
    }

    /// Whether every packet whose end it changed does with it what is meant, and did not without.
    #[must_use]
    pub fn mends(&self) -> bool {
        self.seen.changed > 0 && self.seen.mended == self.seen.changed
    }

    /// Whether every packet whose end it changed is one on which the judges differ for a known reason, without
    /// the fault or with it.
    #[must_use]
    pub fn is_masked(&self) -> bool {
        self.seen.changed > 0 && self.seen.differed == self.seen.changed
    }

    fn is_open(&self) -> bool {
        self.noticed.is_none()
    }

    /// Whether it is still to be looked for.
    fn is_at_large(&self) -> bool {
        self.is_open() && !self.shown.is_inert()
    }

    /// Has the known divergences look at it after so many cases.
    fn show_to(&mut self, accepted: &[(&Accepted, Rules<'_>)], cases: u64) {
        let start = Instant::now();
        let Mutant::Rendered(site, fault) = &self.mutant else {
            return;
        };
        let mut missed = accepted
            .iter()
            .filter_map(|(one, rules)| one.misses(rules, site, *fault));
        self.noticed = missed.next().map(|id| Noticed {
            cases,
            packets: self.seen.packets,
            by: By::Ledger(id.to_owned()),
        });
        self.took += start.elapsed();
    }

    /// Looks for it in one case.
    fn follow(&mut self, ground: &Ground, rules: &Rules<'_>, known: &dyn Fn(&Class) -> bool) {
        let start = Instant::now();
        let by = match &self.mutant {
            Mutant::Rendered(site, fault) => {
                let tells = rules.tells(site, *fault);
                let packets = ground.visitors(&tells);
                // Whether the tools take it shows wherever it is planted.
                let is_first = self.seen.planted == 0 && ground.has_visitors(&tells);
                let planted = match is_first || !packets.is_empty() {
                    true => rules.plant(site, *fault),
                    false => None,
                };
                planted.and_then(|(firewall, _)| {
                    self.seen.of_rendered(ground, &firewall, packets, known)
                })
            }
            Mutant::Meant(fault) => self.seen.of_meant(ground, *fault, known),
        };
        self.took += ground.took + start.elapsed();
        self.noticed = by.map(|by| Noticed {
            cases: ground.case.number + 1,
            packets: self.seen.packets,
            by,
        });
    }
}

impl Seen {
    fn plant(&mut self, ground: &Ground) {
        self.planted += 1;
        self.first.get_or_insert(ground.case.number);
    }

    fn of_rendered<'g>(
        &mut self,
        ground: &'g Ground,
        firewall: &Firewall,
        packets: Vec<Subject<'g>>,
        known: &dyn Fn(&Class) -> bool,
    ) -> Option<By> {
        self.plant(ground);
        let plan = &ground.case.plan;
        let mut machine = match Machine::new(BACKEND, &plan.node, firewall) {
            Ok(machine) => machine,
            Err(why) => return Some(By::Refusal(reason(&why))),
        };
        let connections = ground.connections();
        let faulty = || plan.with_firewall(firewall.clone()).ok();
        let mut faulty = Faulty::new(&faulty);
        for subject in packets {
            let model = machine.judge(&connections[subject.place.salvo], subject.packet);
            let fares = ground.fares(subject, subject.opinion, &model, &mut faulty);
            let same = matches!(fares, Fares::Usually) || sure(&model) == sure(subject.model);
            let differ =
                subject.differs() || matches!(&fares, Fares::Diverges(class) if known(class));
            self.changed += u64::from(!same);
            self.differed += u64::from(!same && differ);
            if let Some(class) = self.count(subject.place, fares, known) {
                return Some(By::Divergence(subject.place, class));
            }
        }
        None
    }

    fn of_meant(
        &mut self,
        ground: &Ground,
        fault: Misunderstanding,
        known: &dyn Fn(&Class) -> bool,
    ) -> Option<By> {
        let calico = ground.case.plan.calico.as_ref()?;
        let world = fault.plant(&calico.world)?;
        let plan: Plan = ground.case.plan.with_world(world);
        let misled = plan.calico.as_ref()?;
        // A world that the era's intent has no words for is no misunderstanding of it.
        let judge = misled.judge(&plan.node).ok()?;
        self.plant(ground);
        let mut translator = misled.translator();
        let (known_to_intent, connections) = (ground.known_connections(), ground.connections());
        // It is the intent alone that is told something else.
        let same = || Some(ground.case.plan.clone());
        let mut same = Faulty::new(&same);
        for subject in ground.packets() {
            let salvo = subject.place.salvo;
            let others = translator.others(&judge, subject.packet, &connections[salvo]);
            let opinion = judge.judge_beside(subject.packet, &known_to_intent[salvo], &others);
            let fares = ground.fares(subject, &opinion, subject.model, &mut same);
            if let Some(class) = self.count(subject.place, fares, known) {
                return Some(By::Divergence(subject.place, class));
            }
        }
        None
    }

    /// Counts a packet; gives the class in which it diverges if nobody knows that.
    fn count(
        &mut self,
        place: Place,
        fares: Fares,
        known: &dyn Fn(&Class) -> bool,
    ) -> Option<Class> {
        self.packets += 1;
        match fares {
            Fares::Usually => None,
            Fares::Unseen => {
                self.unseen += 1;
                self.first_unseen.get_or_insert(place);
                None
            }
            Fares::Mended(class) => {
                self.mended += 1;
                self.first_mended.get_or_insert(class);
                None
            }
            Fares::Diverges(class) if known(&class) => {
                self.known += 1;
                self.first_known.get_or_insert(class);
                None
            }
            Fares::Diverges(class) => Some(class),
        }
    }
}
