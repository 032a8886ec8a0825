//! Packets aimed at every rule, and at the boundaries of every question that it asks.

use std::fmt;

use rustc_hash::FxHashMap;

use super::bits::Seeded;
use super::coverage::Coverage;
use super::draft::Draft;
use super::edges::edges;
use super::field::Fields;
use super::ground::Ground;
use super::paths::AllPaths;
use super::question::conditions;
use super::random::Stream;
use super::search::Search;
use super::standing::{Shot, Standing};
use super::tour::tour;
use crate::model::Machine;
use crate::xtables::RuleId;

/// How many random packets are tried before single rules are searched for.
const SCOUTS: usize = 2000;
/// How often a rule is searched for: each search starts from other packets.
const SEARCHES: usize = 4;

/// What a packet is meant to show of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Boundary {
    /// That it matches.
    Match,
    /// What it says to a neighbour along one question.
    Near {
        /// The question, in words.
        question: String,
        /// Whether the neighbour still meets it.
        inside: bool,
    },
    /// What it says to the packet when connection tracking thinks this of it.
    Standing(Standing),
    /// What it says to the packet when it comes with the marks that rules use all set, or all others.
    Marked {
        /// Whether those that rules use.
        used: bool,
    },
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Match => f.write_str("matches"),
            Self::Near {
                question,
                inside: true,
            } => write!(f, "just inside {question}"),
            Self::Near {
                question,
                inside: false,
            } => write!(f, "just outside {question}"),
            Self::Standing(standing) => write!(f, "{standing}"),
            Self::Marked { used: true } => f.write_str("marked with all bits that rules use"),
            Self::Marked { used: false } => f.write_str("marked with all other bits"),
        }
    }
}

/// A rule, one of its boundaries, and the packet meant for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The rule.
    pub rule: RuleId,
    /// The boundary.
    pub boundary: Boundary,
    /// The packet's place in [`Aimed::shots`].
    pub shot: usize,
    /// Whether the packet reaches the rule, says the model.
    pub reached: bool,
}

/// Packets aimed at a firewall.
#[derive(Clone, Debug, Default)]
pub struct Aimed {
    /// The packets, none twice.
    pub shots: Vec<Shot>,
    /// What each is for: every rule with every boundary that has a packet at all.
    pub pairs: Vec<Pair>,
    /// The rules that no packet was found to match.
    pub missed: Vec<RuleId>,
    /// The packets again, to be varied.
    pub drafts: Vec<Draft>,
}

/// Aims packets at every rule of the ground's firewall; the model says which rule each reaches.
#[must_use]
pub fn aim(ground: &Ground<'_>, machine: &mut Machine, seed: u64) -> Aimed {
    let paths = AllPaths::of(ground.firewall);
    let mut coverage = Coverage::new(machine);
    let mut aimed = Collector::default();
    for draft in tour(ground) {
        coverage.note(&draft);
        aimed.place(draft);
    }
    let mut stream = Stream::new(ground, Seeded::new(seed), Vec::new());
    for _ in 0..SCOUTS {
        coverage.note(&stream.draft());
    }
    let mut search = Search::new(ground, &paths, stream, Seeded::new(!seed));
    let rules: Vec<RuleId> = coverage.rules().to_vec();
    for _ in 0..SEARCHES {
        for rule in &rules {
            if coverage.witness(rule).is_none() {
                search.find(rule, &mut coverage);
            }
        }
    }
    for rule in rules {
        let witness = coverage.witness(&rule).cloned();
        if witness.is_none() {
            aimed.aimed.missed.push(rule.clone());
        }
        let hit = witness.is_some();
        if let Some(draft) = witness.or_else(|| search.solved(&rule)) {
            for (boundary, near) in neighbours(&rule, &draft, ground) {
                let mut reached = coverage.note(&near).reaches(&rule);
                let mut sent = near;
                let near_by = matches!(boundary, Boundary::Near { .. });
                if hit && near_by && !reached {
                    let fields = Fields::of_difference(&draft, &sent);
                    let other = search.reach(&rule, &sent, fields, &mut coverage);
                    reached = other.is_some();
                    sent = other.unwrap_or(sent);
                }
                aimed.pair(&rule, boundary, sent, reached);
            }
        }
    }
    aimed.aimed
}

/// The packet itself, its neighbours along every question of a rule, and the packet in every standing
/// and with marks.
fn neighbours(rule: &RuleId, draft: &Draft, ground: &Ground<'_>) -> Vec<(Boundary, Draft)> {
    let mut all = vec![(Boundary::Match, draft.clone())];
    for condition in ground
        .firewall
        .rule(rule)
        .map(conditions)
        .unwrap_or_default()
    {
        for near in edges(condition.question, draft, ground) {
            let boundary = Boundary::Near {
                question: condition.to_string(),
                inside: near.meets(&condition, ground),
            };
            all.push((boundary, near));
        }
    }
    for (_, standing) in Standing::NAMES {
        let other = Draft::new(draft.base.clone(), standing);
        all.extend(other.map(|other| (Boundary::Standing(standing), other)));
    }
    let bits = ground.mark_bits(rule.family);
    for (used, bits) in [(true, bits), (false, !bits)] {
        let marked = draft.with(|packet| packet.mark.0 |= bits);
        all.extend(marked.map(|marked| (Boundary::Marked { used }, marked)));
    }
    all.retain(|(_, near)| near.has_transport());
    all
}

#[derive(Default)]
struct Collector {
    aimed: Aimed,
    known: FxHashMap<Shot, usize>,
}

impl Collector {
    /// The place of a draft's packet, taken in if it is new.
    fn place(&mut self, draft: Draft) -> usize {
        let next = self.aimed.shots.len();
        let place = *self.known.entry(draft.shot.clone()).or_insert(next);
        if place == next {
            self.aimed.shots.push(draft.shot.clone());
            self.aimed.drafts.push(draft);
        }
        place
    }

    fn pair(&mut self, rule: &RuleId, boundary: Boundary, draft: Draft, reached: bool) {
        let shot = self.place(draft);
        self.aimed.pairs.push(Pair {
            rule: rule.clone(),
            boundary,
            shot,
            reached,
        });
    }
}
