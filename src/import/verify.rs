//! The hashes of a ruleset recomputed, chain by chain, and what does not hold named.
//!
//! A hash covers all rules above its own, so a chain can be followed only as far as every rule is known.
//! Where the next hash does not hold, later rules are tried (rules were added or moved), then what
//! [`super::guess`] says may have been there; a guess that fits is a proof, for 96 bits of a hash do not
//! agree by chance. Where none fits, the chain ends there. Rules that are gone from a chain's end leave
//! no trace.

use std::fmt;
use std::iter;

use super::guess::{Change, Guesses};
use super::spelling::Spellings;
use crate::hash::{ChainHasher, RULE_PREFIX};
use crate::packet::Family;
use crate::xtables::matches::MaskedMark;
use crate::xtables::save::print_rule;
use crate::xtables::{Hook, Match, Not, Rule, RuleId, Ruleset};

/// How the names of Felix's chains begin.
pub(super) const CHAIN_PREFIX: &str = "cali-";

/// What Felix adds to the name of a chain of the kernel's to hash the rules that it appends there.
pub(super) const APPENDED: &str = "*appends*";

/// How many rules behind the last known one are tried with each rule that may be lost before them.
const TRIED_BEHIND_A_LOST_RULE: usize = 4;

/// What the hashes of a ruleset say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// How many rules bear the hash of what they are and where they stand.
    pub held: usize,
    /// How many rules bear a hash that can't be followed, for the chain above them is not known.
    pub unfollowed: usize,
    /// What does not hold, in the order of the rules.
    pub findings: Vec<Finding>,
}

/// Something that is not as Felix wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule that it is about.
    pub rule: RuleId,
    /// Its line in the text that it was read from, counted from 1.
    pub line: usize,
    /// What it is.
    pub what: Departure,
}

/// How a rule departs from what Felix wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It stands in a chain of Felix's and bears no hash.
    Added,
    /// It bears a hash for which its chain has no place: a copy, or a rule of another chain.
    Foreign,
    /// It stands out of its order: behind a rule that Felix wrote behind it.
    Moved,
    /// Its hash is that of the same rule with this match.
    LostMark(Not<MaskedMark>),
    /// Its hash is that of this rule.
    Altered(String),
    /// The rule that stood right before it is gone: this one, as Felix wrote it. Of two that are gone, the
    /// first is named first.
    Lost(String),
    /// It was altered, or rules right before it are gone, and what there was can't be told; none of the
    /// hashes behind it in the chain can be followed.
    Broken {
        /// How many rules with hashes stand behind it.
        behind: usize,
    },
}

impl Departure {
    /// One word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Foreign => "foreign",
            Self::Moved => "moved",
            Self::LostMark(_) => "lost-mark",
            Self::Altered(_) => "altered",
            Self::Lost(_) => "lost",
            Self::Broken { .. } => "broken",
        }
    }
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added => f.write_str("added: it bears no hash of Felix's"),
            Self::Foreign => {
                f.write_str("added: it bears a hash that Felix gave to a rule of another place")
            }
            Self::Moved => {
                f.write_str("moved: Felix wrote it before the rule that stands above it")
            }
            Self::LostMark(not) => {
                let bang = if not.negated { "! " } else { "" };
                let MaskedMark { value, mask } = not.value;
                write!(
                    f,
                    "altered: it lost `-m mark {bang}--mark {value:#x}/{mask:#x}`"
                )
            }
            Self::Altered(was) => write!(f, "altered: Felix wrote `{was}`"),
            Self::Lost(was) => write!(f, "lost: right before it Felix wrote `{was}`"),
            Self::Broken { behind } => {
                f.write_str(
                    "altered, or the rules right before it are lost: its hash is of something else",
                )?;
                match behind {
                    0 => Ok(()),
                    1 => f.write_str("; the one behind it can't be followed"),
                    more => write!(f, "; the {more} behind it can't be followed"),
                }
            }
        }
    }
}

/// Recomputes the hash of every rule of Felix's: all rules of chains named `cali-…`, and those in the
/// kernel's own chains that bear a hash.
#[must_use]
pub fn verify(ruleset: &Ruleset) -> Verification {
    let guesses = Guesses::of(ruleset);
    let mut verification = Verification::default();
    for table in &ruleset.tables {
        for chain in &table.chains {
            let own = chain.name.starts_with(CHAIN_PREFIX);
            let rules = chain.rules.iter().enumerate();
            let rules = rules.map(|(index, rule)| Claimed::new(index, rule));
            let rules: Vec<Claimed<'_>> = rules.filter(|rule| own || rule.hash.is_some()).collect();
            let walk = Walk::new(&chain.name, ruleset.family, rules);
            let (held, findings) = walk.finish(&guesses);
            verification.held += held;
            for (index, line, what) in findings {
                if let Departure::Broken { behind } = &what {
                    verification.unfollowed += behind;
                }
                let rule = RuleId {
                    family: ruleset.family,
                    table: table.name,
                    chain: chain.name.clone(),
                    index,
                };
                verification.findings.push(Finding { rule, line, what });
            }
        }
    }
    verification.findings.sort_by_key(|finding| finding.line);
    verification
}

/// The hash that a rule bears in its first comment.
#[must_use]
pub fn hash_of(rule: &Rule) -> Option<&str> {
    rule.comments().next()?.strip_prefix(RULE_PREFIX)
}

/// A rule of Felix's, or one that stands among them.
struct Claimed<'r> {
    index: usize,
    rule: &'r Rule,
    hash: Option<&'r str>,
    state: State,
}

/// What is known of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Placed,
}

impl<'r> Claimed<'r> {
    fn new(index: usize, rule: &'r Rule) -> Self {
        Self {
            index,
            rule,
            hash: hash_of(rule),
            state: State::Open,
        }
    }
}

/// The comments of a rule without its hash.
pub(super) fn comments(rule: &Rule) -> impl Iterator<Item = &str> + Clone {
    let hashed = usize::from(hash_of(rule).is_some());
    let texts = rule.matches.iter().filter_map(|one| match one {
        Match::Comment(text) => Some(text.as_str()),
        _ => None,
    });
    texts.skip(hashed)
}

/// The hasher behind a rule of this hash, if one of its spellings has it there.
pub(super) fn extend(
    hasher: &ChainHasher,
    hash: &str,
    comments: impl Iterator<Item = impl AsRef<str>> + Clone,
    spellings: &Spellings,
) -> Option<ChainHasher> {
    let comments: Vec<_> = comments.collect();
    spellings.iter().find_map(|spelling| {
        let mut next = hasher.clone();
        let comments = comments.iter().map(AsRef::as_ref);
        (next.next(comments, &spelling) == hash).then_some(next)
    })
}

/// A chain on the way to be followed.
struct Walk<'r> {
    name: &'r str,
    family: Family,
    rules: Vec<Claimed<'r>>,
    /// What is hashed so far: of the chain, and in a chain of the kernel's also of what is appended.
    hashers: Vec<ChainHasher>,
    findings: Vec<(usize, usize, Departure)>,
    /// Behind the last rule that is placed.
    behind: usize,
}

impl<'r> Walk<'r> {
    fn new(name: &'r str, family: Family, rules: Vec<Claimed<'r>>) -> Self {
        let mut hashers = vec![ChainHasher::new(name)];
        if Hook::of_chain(name).is_some() {
            hashers.push(ChainHasher::new(&format!("{name}{APPENDED}")));
        }
        Self {
            name,
            family,
            rules,
            hashers,
            findings: Vec::new(),
            behind: 0,
        }
    }

    /// Follows the chain to its end; gives how many rules hold, and what does not: the rule's index, its
    /// line and what it is, in the order of the rules.
    fn finish(mut self, guesses: &Guesses) -> (usize, Vec<(usize, usize, Departure)>) {
        while self.step() || self.mend(guesses) {}
        let placed = |claimed: &&Claimed<'_>| claimed.state == State::Placed;
        let placed = self.rules.iter().filter(placed).count();
        let altered = self
            .findings
            .iter()
            .filter(|(_, _, what)| matches!(what, Departure::LostMark(_) | Departure::Altered(_)));
        let held = placed - altered.count();
        let mut broken: Option<usize> = None;
        for at in 0..self.rules.len() {
            let Claimed { hash, state, .. } = self.rules[at];
            if state == State::Placed {
                continue;
            }
            match hash {
                None => self.find(at, Departure::Added),
                Some(_) if at < self.behind => self.find(at, Departure::Foreign),
                Some(_) if broken.is_some() => {}
                Some(_) => {
                    let later = self.rules[at + 1..].iter();
                    let behind = later.filter(|one| one.hash.is_some()).count();
                    broken = Some(at);
                    self.find(at, Departure::Broken { behind });
                }
            }
        }
        self.findings.sort_by_key(|(index, _, _)| *index);
        (held, self.findings)
    }

    fn find(&mut self, at: usize, what: Departure) {
        let claimed = &self.rules[at];
        self.findings.push((claimed.index, claimed.rule.line, what));
    }

    fn open(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.rules.len()).filter(|at| self.rules[*at].state == State::Open)
    }

    /// Places the first open rule whose hash holds behind what is known.
    fn step(&mut self) -> bool {
        let from_next = (self.behind..self.rules.len()).chain(0..self.behind);
        let open = from_next.filter(|at| self.rules[*at].state == State::Open);
        let found = open.into_iter().find_map(|at| {
            let (hashers, count) = (&self.hashers, self.written_as_one(at));
            hashers.iter().enumerate().find_map(|(which, hasher)| {
                let one = self.extended(hasher, at, 1).map(|next| (which, next, 1));
                let several = || {
                    let next = self.extended(hasher, at, count)?;
                    Some((which, next, count))
                };
                let found = if count > 1 { several().or(one) } else { one };
                found.map(|(which, next, count)| (at, which, next, count))
            })
        });
        let Some((at, which, next, count)) = found else {
            return false;
        };
        self.hashers[which] = next;
        for place in at..at + count {
            self.place(place);
        }
        true
    }

    fn place(&mut self, at: usize) {
        self.rules[at].state = State::Placed;
        if at < self.behind {
            self.find(at, Departure::Moved);
        }
        self.behind = self.behind.max(at + 1);
    }

    /// How many rules from this one on bear the same hash and differ in their source alone: what the
    /// tools make of one rule with several.
    fn written_as_one(&self, at: usize) -> usize {
        let first = &self.rules[at];
        let alike = |other: &&Claimed<'_>| {
            let rule = Rule {
                source: first.rule.source,
                line: first.rule.line,
                counters: first.rule.counters,
                ..other.rule.clone()
            };
            other.hash.is_some() && other.hash == first.hash && rule == *first.rule
        };
        self.rules[at..].iter().take_while(alike).count().max(1)
    }

    fn extended(&self, hasher: &ChainHasher, at: usize, count: usize) -> Option<ChainHasher> {
        let claimed = &self.rules[at];
        let sources = self.rules[at..at + count].iter();
        let sources: Vec<_> = sources.filter_map(|one| one.rule.source).collect();
        let spellings = Spellings::with_sources(self.name, claimed.rule, &sources, self.family);
        extend(hasher, claimed.hash?, comments(claimed.rule), &spellings)
    }

    /// Guesses what happened where nothing holds any more; gives whether a guess fits.
    fn mend(&mut self, guesses: &Guesses) -> bool {
        let open = self.open();
        let open = open.filter(|at| *at >= self.behind && self.rules[*at].hash.is_some());
        let open: Vec<usize> = open.collect();
        let Some(first) = open.first().copied() else {
            return false;
        };
        let near = &open[..open.len().min(TRIED_BEHIND_A_LOST_RULE)];
        self.mend_altered(first, guesses) || self.mend_lost(near, guesses)
    }

    fn mend_altered(&mut self, at: usize, guesses: &Guesses) -> bool {
        let Claimed { rule, hash, .. } = self.rules[at];
        let Some(hash) = hash else { return false };
        let found = guesses
            .before_it_was_altered(rule)
            .find_map(|(change, was)| {
                let spellings = Spellings::of(self.name, &was, self.family);
                let mut hashers = self.hashers.iter().enumerate();
                hashers.find_map(|(which, hasher)| {
                    let next = extend(hasher, hash, comments(&was), &spellings)?;
                    Some((which, next, change, was.clone()))
                })
            });
        let (which, next, what) = match found {
            Some((which, next, Change::LostMark(mark), _)) => {
                (which, next, Departure::LostMark(mark))
            }
            Some((which, next, Change::Other, was)) => {
                let was = print_rule(self.name, &was, self.family);
                (which, next, Departure::Altered(was))
            }
            None => match self.replaced(hash, guesses) {
                Some((which, next, was)) => (which, next, Departure::Altered(was)),
                None => return false,
            },
        };
        self.hashers[which] = next;
        self.place(at);
        self.find(at, what);
        true
    }

    /// Another rule altogether that has this hash behind what is known.
    fn replaced(&self, hash: &str, guesses: &Guesses) -> Option<(usize, ChainHasher, String)> {
        guesses.alone().find_map(|written| {
            let mut hashers = self.hashers.iter().enumerate();
            hashers.find_map(|(which, hasher)| {
                let mut next = hasher.clone();
                let comments = written.comments.iter().map(String::as_str);
                let found = next.next(comments, &written.fragments) == hash;
                found.then(|| (which, next, written.text(self.name)))
            })
        })
    }

    fn mend_lost(&mut self, near: &[usize], guesses: &Guesses) -> bool {
        let followers = near.iter().filter_map(|at| {
            let Claimed { rule, hash, .. } = self.rules[*at];
            let spellings = Spellings::of(self.name, rule, self.family);
            Some((*at, hash?, comments(rule), spellings))
        });
        let followers: Vec<_> = followers.collect();
        let found = guesses.lost().find_map(|(lost, behind)| {
            let mut hashers = self.hashers.iter().enumerate();
            hashers.find_map(|(which, hasher)| {
                let mut with = hasher.clone();
                for written in iter::once(lost).chain(behind) {
                    let comments = written.comments.iter().map(String::as_str);
                    with.next(comments, &written.fragments);
                }
                let mut followers = followers.iter();
                followers.find_map(|(at, hash, comments, spellings)| {
                    extend(&with, hash, comments.clone(), spellings)?;
                    Some((*at, which, with.clone(), [Some(lost), behind]))
                })
            })
        });
        let Some((at, which, with, lost)) = found else {
            return false;
        };
        self.hashers[which] = with;
        for written in lost.into_iter().flatten() {
            self.find(at, Departure::Lost(written.text(self.name)));
        }
        true
    }
}
