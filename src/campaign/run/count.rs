//! What a campaign counts on its way: outcomes, the mix, coverage.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use super::case::Case;
use crate::campaign::tally::Ending;
use crate::campaign::trial::Loading;
use crate::diff::class::{Class, reason};
use crate::diff::judgement::Outcome;
use crate::diff::shape::Shape;
use crate::generate::world::Feature;
use crate::intent::{Clause, Verdict};
use crate::packet::{Batch, Family, Order};
use crate::xtables::Backend;

/// Where in a campaign a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The case's number.
    pub case: u64,
    /// The batch.
    pub salvo: usize,
    /// Its place in the batch.
    pub packet: usize,
}

/// One class of divergences as a campaign found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// On how many packets.
    pub packets: u64,
    /// The first of them.
    pub first: Place,
}

/// How often a branch of a clause had the last word, or took part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// It had the last word.
    pub decided: u64,
    /// It took part, or had the last word.
    pub took_part: u64,
}

/// How often rules of a shape were there, and were hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Rules.
    pub rendered: u64,
    /// Packets that matched one, by the first backend's reading.
    pub hits: u64,
}

/// Packets that came one behind the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sequences {
    /// How many rows of them there were.
    pub rows: u64,
    /// How many of the rows go on from connections that began under other policies.
    pub changed: u64,
    /// How many packets.
    pub packets: u64,
}

impl Sequences {
    fn count(&mut self, salvo: &Batch) {
        if salvo.order == Order::InSequence {
            self.rows += 1;
            self.changed += u64::from(!salvo.connections.is_empty());
            self.packets += salvo.packets.len() as u64;
        }
    }

    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.changed += other.changed;
        self.packets += other.packets;
    }
}

/// Everything that is counted.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Cases judged.
    pub cases: u64,
    /// Rulesets with their sets that no other case has, by their text.
    pub rulesets: FxHashSet<u64>,
    /// Rules of all cases.
    pub rules: u64,
    /// Packets, each before all judges.
    pub packets: u64,
    /// Those of them that came one behind the other.
    pub sequences: Sequences,
    /// Packets on which all agree.
    pub agreed: u64,
    /// Packets that somebody could not judge, by reason.
    pub unjudged: BTreeMap<String, u64>,
    /// Packets on which the two readings of the rules part.
    pub parted: u64,
    /// What the intent said.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// How packets ended, by the first backend's reading.
    pub endings: BTreeMap<Ending, u64>,
    /// The branches of the clauses.
    pub clauses: BTreeMap<Clause, Weight>,
    /// The shapes of rules.
    pub shapes: BTreeMap<Shape, Use>,
    /// In how many cases each feature was on.
    pub features: BTreeMap<Feature, u64>,
    /// How many families' rules were not programmed, by reason.
    pub refused: BTreeMap<String, u64>,
    /// The classes of divergences.
    pub classes: BTreeMap<Class, Found>,
    /// Where model and tools differ on what can be loaded: in how many cases, and the first.
    pub loading: BTreeMap<String, (u64, u64)>,
}

impl Counts {
    /// Counts a case that everybody has judged.
    pub fn count(&mut self, case: &mut Case, first: Backend) {
        self.cases += 1;
        self.count_rules(case, first);
        let api = case.scenario.resources.as_ref().map(|one| one.api);
        for feature in api.into_iter().flat_map(Feature::of) {
            let count = self.features.entry(feature).or_default();
            *count += u64::from(case.features.has(feature));
        }
        for loading in &case.loading {
            let entry = self
                .loading
                .entry(words(loading))
                .or_insert((0, case.number));
            entry.0 += 1;
            entry.1 = entry.1.min(case.number);
        }
        for salvo in 0..case.salvos.len() {
            self.sequences.count(&case.salvos[salvo]);
            for packet in 0..case.salvos[salvo].packets.len() {
                self.count_packet(
                    case,
                    Place {
                        case: case.number,
                        salvo,
                        packet,
                    },
                    first,
                );
            }
        }
    }

    fn count_rules(&mut self, case: &mut Case, first: Backend) {
        let hits = case.plan.machine(first).hits();
        let firewall = &case.plan.firewall;
        let rules = Family::BOTH
            .into_iter()
            .flat_map(|family| firewall.ruleset(family).rules());
        for ((id, rule), (_, hits)) in rules.zip(hits) {
            self.rules += 1;
            for shape in Shape::parts_of(id.table, &id.chain, rule) {
                let counted = self.shapes.entry(shape).or_default();
                counted.rendered += 1;
                counted.hits += hits;
            }
        }
        self.rulesets.insert(fingerprint(&case.texts));
        if let Some(calico) = &case.plan.calico {
            for family in Family::BOTH {
                if let Some(why) = calico.refused(family) {
                    *self.refused.entry(reason(why)).or_default() += 1;
                }
            }
        }
    }

    fn count_packet(&mut self, case: &mut Case, place: Place, first: Backend) {
        self.packets += 1;
        let said = case.said(place.salvo, place.packet);
        if let Some(opinion) = said.opinion {
            *self.verdicts.entry(opinion.verdict).or_default() += 1;
            self.clauses
                .entry(opinion.decision.clause)
                .or_default()
                .decided += 1;
            for clause in opinion.clauses.iter() {
                self.clauses.entry(clause).or_default().took_part += 1;
            }
        }
        if let Some(reading) = said.readings[first.place()] {
            *self.endings.entry(Ending::of(reading.model)).or_default() += 1;
        }
        if let [Some(legacy), Some(nft)] = said.readings {
            self.parted += u64::from(legacy.model != nft.model);
        }
        match said.outcome() {
            Outcome::Agree => self.agreed += 1,
            Outcome::Unjudged(why) => *self.unjudged.entry(why.to_string()).or_default() += 1,
            Outcome::Differ(division) => {
                let class = case.classify(place, &division);
                let found = Found {
                    packets: 1,
                    first: place,
                };
                self.add_class(class, &found);
            }
        }
    }

    fn add_class(&mut self, class: Class, found: &Found) {
        match self.classes.get_mut(&class) {
            Some(known) => {
                known.packets += found.packets;
                known.first = known.first.min(found.first);
            }
            None => {
                self.classes.insert(class, found.clone());
            }
        }
    }

    /// Adds what another worker counted.
    pub fn add(&mut self, other: Self) {
        self.cases += other.cases;
        self.rulesets.extend(other.rulesets);
        self.rules += other.rules;
        self.packets += other.packets;
        self.agreed += other.agreed;
        self.sequences.add(other.sequences);
        self.parted += other.parted;
        add_all(&mut self.unjudged, other.unjudged);
        add_all(&mut self.verdicts, other.verdicts);
        add_all(&mut self.endings, other.endings);
        add_all(&mut self.features, other.features);
        add_all(&mut self.refused, other.refused);
        for (clause, weight) in other.clauses {
            let mine = self.clauses.entry(clause).or_default();
            mine.decided += weight.decided;
            mine.took_part += weight.took_part;
        }
        for (shape, used) in other.shapes {
            let mine = self.shapes.entry(shape).or_default();
            mine.rendered += used.rendered;
            mine.hits += used.hits;
        }
        for (class, found) in other.classes {
            self.add_class(class, &found);
        }
        for (words, (cases, first)) in other.loading {
            let entry = self.loading.entry(words).or_insert((0, first));
            entry.0 += cases;
            entry.1 = entry.1.min(first);
        }
    }

    /// On how many packets somebody differs.
    #[must_use]
    pub fn diverged(&self) -> u64 {
        self.classes.values().map(|found| found.packets).sum()
    }
}

fn add_all<K: Ord>(mine: &mut BTreeMap<K, u64>, theirs: BTreeMap<K, u64>) {
    for (key, count) in theirs {
        *mine.entry(key).or_default() += count;
    }
}

fn fingerprint(texts: &[String; 3]) -> u64 {
    use std::hash::{Hash as _, Hasher as _};
    let mut hasher = rustc_hash::FxHasher::default();
    texts.hash(&mut hasher);
    hasher.finish()
}

/// A difference about loading, in words without values.
fn words(loading: &Loading) -> String {
    let family = match loading.family {
        Some(Family::V4) => "IPv4's rules",
        Some(Family::V6) => "IPv6's rules",
        None => "the firewall",
    };
    let backend = loading.backend;
    match (&loading.model, &loading.kernel) {
        (Some(why), _) => {
            let why = reason(why);
            format!("{backend} takes {family}, which the model refuses: {why}")
        }
        (None, Some(why)) => {
            let why = reason(why);
            format!("{backend} refuses {family}, which the model takes: {why}")
        }
        (None, None) => format!("{backend}: {family}"),
    }
}
