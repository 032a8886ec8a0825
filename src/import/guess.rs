//! What may have happened where a hash does not hold: a rule that lost its mark match or was altered, or
//! a rule that is gone. The hashes say which guess is right, so a guess costs only time.

use std::collections::BTreeSet;

use super::spelling::Spellings;
use super::verify::hash_of;
use crate::xtables::matches::MaskedMark;
use crate::xtables::target::{NatRange, Reject, Xmark};
use crate::xtables::{Match, Not, Rule, Ruleset, Target};

/// The bits that Felix takes of the masks that it is given by default: 0xff000000 up to 3.0,
/// 0xffff0000 since 3.1.
const DEFAULT_BITS: [u32; 9] = [
    0x1_0000, 0x2_0000, 0x4_0000, 0x8_0000, 0x10_0000, 0x100_0000, 0x200_0000, 0x400_0000,
    0x800_0000,
];

/// How many rules are thought of at the most that may be gone: of a large dump, Felix's usual ones and
/// the first of its own.
const MOST_WRITTEN: usize = 3000;

/// What was done to a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It lost this match.
    LostMark(Not<MaskedMark>),
    /// Something else.
    Other,
}

/// A rule in Felix's spelling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Written {
    /// Its comments without its hash.
    pub comments: Vec<String>,
    /// Its match and action.
    pub fragments: String,
}

impl Written {
    /// The rule as an order for a chain.
    #[must_use]
    pub fn text(&self, chain: &str) -> String {
        let mut text = format!("-A {chain}");
        for comment in &self.comments {
            text += &format!(" -m comment --comment \"{comment}\"");
        }
        format!("{text} {}", self.fragments)
    }
}

/// What a ruleset lets one guess.
#[derive(Clone, Debug)]
pub struct Guesses {
    marks: Vec<Not<MaskedMark>>,
    written: Vec<Written>,
    returns: Vec<Written>,
}

impl Guesses {
    /// Collects marks and rules of a ruleset, and adds those that Felix always has.
    #[must_use]
    pub fn of(ruleset: &Ruleset) -> Self {
        let bits = bits(ruleset);
        Self {
            marks: marks(ruleset, &bits),
            written: written(ruleset, &bits),
            returns: returns(&bits),
        }
    }

    /// What a rule may have been: the same with a mark match more, which is what old readers lose, then
    /// with something else changed by one step.
    pub fn before_it_was_altered<'s>(
        &'s self,
        rule: &'s Rule,
    ) -> impl Iterator<Item = (Change, Rule)> + 's {
        let marked = self.marks.iter().flat_map(move |mark| {
            places(rule).map(move |place| {
                let mut was = rule.clone();
                was.matches.insert(place, Match::Mark(*mark));
                (Change::LostMark(*mark), was)
            })
        });
        let steps = single_steps(rule).into_iter();
        let other = steps.chain(commented(rule)).chain(self.other_marks(rule));
        marked.chain(other.map(|was| (Change::Other, was)))
    }

    /// The same rule with another mark to be asked or set.
    fn other_marks(&self, rule: &Rule) -> Vec<Rule> {
        let mut all = Vec::new();
        for mark in &self.marks {
            let MaskedMark { value, mask } = mark.value;
            if matches!(rule.target, Target::Mark(_)) && !mark.negated {
                all.push(Rule {
                    target: Target::Mark(Xmark { value, mask }),
                    ..rule.clone()
                });
            }
            for (place, one) in rule.matches.iter().enumerate() {
                if matches!(one, Match::Mark(_)) {
                    let mut was = rule.clone();
                    was.matches[place] = Match::Mark(*mark);
                    all.push(was);
                }
            }
        }
        all
    }

    /// Rules that may have been written, the likeliest first.
    pub fn alone(&self) -> impl Iterator<Item = &Written> {
        self.written.iter()
    }

    /// What may be gone: a rule, the likeliest first, then a rule and the one that returns behind it, as
    /// Felix writes them for a policy or profile that is asked and for one that allows.
    pub fn lost(&self) -> impl Iterator<Item = (&Written, Option<&Written>)> {
        let alone = self.alone().map(|one| (one, None));
        let pairs = self.alone().flat_map(|one| {
            let returns = self.returns.iter();
            returns.map(move |behind| (one, Some(behind)))
        });
        alone.chain(pairs)
    }
}

/// Where a match may be put among a rule's, its comments being first.
fn places(rule: &Rule) -> impl Iterator<Item = usize> {
    let comment = |one: &Match| matches!(one, Match::Comment(_));
    let first = rule.matches.iter().rposition(comment);
    first.map_or(0, |at| at + 1)..=rule.matches.len()
}

/// The single bits of Felix's marks: all that the rules name, and the usual ones.
fn bits(ruleset: &Ruleset) -> BTreeSet<u32> {
    let mut bits: BTreeSet<u32> = DEFAULT_BITS.into_iter().collect();
    for MaskedMark { value, mask } in masked(ruleset) {
        let all = (0..u32::BITS).map(|place| 1 << place);
        bits.extend(all.filter(|bit| (value | mask) & bit != 0));
    }
    bits
}

/// Every mark under a mask that a rule of Felix's asks or sets.
fn masked(ruleset: &Ruleset) -> impl Iterator<Item = MaskedMark> + '_ {
    let hashed = ruleset.bare_rules().filter(|rule| hash_of(rule).is_some());
    hashed.flat_map(|rule| {
        let asked = rule.matches.iter().filter_map(|one| match one {
            Match::Mark(not) => Some(not.value),
            _ => None,
        });
        let set = match rule.target {
            Target::Mark(Xmark { value, mask }) => Some(MaskedMark { value, mask }),
            _ => None,
        };
        asked.chain(set)
    })
}

/// What rules may ask of the mark: one bit, then two, then what the rules have under other masks.
fn marks(ruleset: &Ruleset, bits: &BTreeSet<u32>) -> Vec<Not<MaskedMark>> {
    let pairs = bits.iter().flat_map(|one| {
        let others = bits.iter().filter(move |other| one < *other);
        others.map(move |other| one | other)
    });
    let masks: Vec<u32> = bits.iter().copied().chain(pairs).collect();
    let mut values: Vec<MaskedMark> = Vec::new();
    for mask in masks {
        values.extend([mask, 0].map(|value| MaskedMark { value, mask }));
    }
    for one in masked(ruleset) {
        for value in [one, MaskedMark { value: 0, ..one }] {
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }
    let negated = values.iter().copied().map(Not::negated);
    let asked = values.iter().copied().map(Not::is);
    asked.chain(negated).collect()
}

/// A rule with one thing changed: its verdict, one of its matches gone or turned round, its interface,
/// protocol or an address gone or turned round.
fn single_steps(rule: &Rule) -> Vec<Rule> {
    let mut all = Vec::new();
    let verdicts = [
        Target::Accept,
        Target::Drop,
        Target::Return,
        Target::Reject(Reject::PortUnreachable),
        Target::Reject(Reject::PortUnreachable6),
    ];
    let turned = match &rule.target {
        Target::Jump(chain) => vec![Target::Goto(chain.clone())],
        Target::Goto(chain) => vec![Target::Jump(chain.clone())],
        // Felix says --random-fully where kernel and tool know it; older tools lose it.
        Target::Masquerade(range) => vec![Target::Masquerade(fully(range))],
        Target::Snat(range) => vec![Target::Snat(fully(range))],
        _ => verdicts.to_vec(),
    };
    all.extend(turned.into_iter().map(|target| Rule {
        target,
        ..rule.clone()
    }));
    for (place, one) in rule.matches.iter().enumerate() {
        if matches!(one, Match::Comment(_)) {
            continue;
        }
        let mut without = rule.clone();
        without.matches.remove(place);
        all.push(without);
        if let Some(turned) = turned_round(one) {
            let mut was = rule.clone();
            was.matches[place] = turned;
            all.push(was);
        }
    }
    macro_rules! header {
        ($($field:ident),*) => {$(
            if let Some(not) = &rule.$field {
                let mut without = rule.clone();
                without.$field = None;
                all.push(without);
                let mut turned = rule.clone();
                turned.$field = Some(Not { negated: !not.negated, ..not.clone() });
                all.push(turned);
            }
        )*};
    }
    header!(in_interface, out_interface, protocol, source, destination);
    all
}

/// The same range, drawn from fully at random, or no longer.
fn fully(range: &NatRange) -> NatRange {
    NatRange {
        random_fully: !range.random_fully,
        ..*range
    }
}

/// The rule with one of Felix's comments more.
fn commented(rule: &Rule) -> impl Iterator<Item = Rule> + '_ {
    let standard = STANDARD_WITH_A_BIT.iter().chain(&STANDARD);
    let comments: BTreeSet<&str> = standard
        .flat_map(|(comments, _)| *comments)
        .copied()
        .collect();
    comments.into_iter().map(|comment| {
        let mut was = rule.clone();
        let place = places(rule).next().unwrap_or_default();
        was.matches
            .insert(place, Match::Comment(comment.to_owned()));
        was
    })
}

fn turned_round(one: &Match) -> Option<Match> {
    let mut turned = one.clone();
    match &mut turned {
        Match::Mark(not) => not.negated = !not.negated,
        Match::Multiport(_, not) => not.negated = !not.negated,
        Match::Icmp(not) | Match::Icmp6(not) => not.negated = !not.negated,
        Match::Set(set) => set.negated = !set.negated,
        Match::Conntrack(test) => {
            let states = test.states.as_mut()?;
            states.negated = !states.negated;
        }
        _ => return None,
    }
    Some(turned)
}

/// Every rule that may be gone from some chain: those that other chains have, those that lead to the
/// chains that there are, and those that Felix always writes.
fn written(ruleset: &Ruleset, bits: &BTreeSet<u32>) -> Vec<Written> {
    let mut all: Vec<Written> = Vec::new();
    let mut known: BTreeSet<Written> = BTreeSet::new();
    let mut add = |comments: &[&str], fragments: &str| {
        let comments = comments.iter().map(|comment| (*comment).to_owned());
        let written = Written {
            comments: comments.collect(),
            fragments: fragments.to_owned(),
        };
        if all.len() < MOST_WRITTEN && known.insert(written.clone()) {
            all.push(written);
        }
    };
    for bit in bits {
        for (comments, fragments) in STANDARD_WITH_A_BIT {
            add(comments, &fragments.replace("BIT", &format!("{bit:#x}")));
        }
    }
    for (comments, fragments) in STANDARD {
        add(comments, fragments);
    }
    for chain in ruleset.tables.iter().flat_map(|table| &table.chains) {
        for (prefix, fragments) in CALLS {
            if let Some(interface) = chain.name.strip_prefix(prefix) {
                let fragments = fragments.replace("CHAIN", &chain.name);
                let fragments = fragments.replace("INTERFACE", interface);
                match fragments.contains("BIT") {
                    true => bits.iter().for_each(|bit| {
                        add(&[], &fragments.replace("BIT", &format!("{bit:#x}")));
                    }),
                    false => add(&[], &fragments),
                }
            }
        }
        for rule in &chain.rules {
            if hash_of(rule).is_some() {
                let spelling = Spellings::of(&chain.name, rule, ruleset.family).likeliest();
                let comments: Vec<&str> = rule.comments().skip(1).collect();
                add(&comments, &spelling);
            }
        }
    }
    all
}

/// The rules that return where a bit is set.
fn returns(bits: &BTreeSet<u32>) -> Vec<Written> {
    let comments = ["Return if policy accepted", "Return if profile accepted"];
    let comments = comments.map(|comment| vec![comment.to_owned()]);
    let each = bits.iter().flat_map(|bit| {
        let fragments = format!("-m mark --mark {bit:#x}/{bit:#x} --jump RETURN");
        let comments = comments.iter().cloned().chain([Vec::new()]);
        comments.map(move |comments| Written {
            comments,
            fragments: fragments.clone(),
        })
    });
    each.collect()
}

/// The rules that lead to chains whose names begin so.
const CALLS: [(&str, &str); 16] = [
    ("cali-fw-", "--in-interface INTERFACE --goto CHAIN"),
    ("cali-tw-", "--out-interface INTERFACE --goto CHAIN"),
    ("cali-fh-", "--in-interface INTERFACE --goto CHAIN"),
    ("cali-th-", "--out-interface INTERFACE --goto CHAIN"),
    ("cali-fhfw-", "--in-interface INTERFACE --goto CHAIN"),
    ("cali-thfw-", "--out-interface INTERFACE --goto CHAIN"),
    ("cali-sm-", "--in-interface INTERFACE --goto CHAIN"),
    ("cali-pi-", "-m mark --mark 0/BIT --jump CHAIN"),
    ("cali-po-", "-m mark --mark 0/BIT --jump CHAIN"),
    ("cali-gi-", "-m mark --mark 0/BIT --jump CHAIN"),
    ("cali-go-", "-m mark --mark 0/BIT --jump CHAIN"),
    ("cali-pri-", "--jump CHAIN"),
    ("cali-pro-", "--jump CHAIN"),
    ("cali-", "--jump CHAIN"),
    ("cali-", "--in-interface cali+ --jump CHAIN"),
    ("cali-", "--out-interface cali+ --jump CHAIN"),
];

/// Felix's rules about one bit of the mark, with their comments (felix, rules/endpoints.go,
/// rules/policy.go, rules/static.go).
const STANDARD_WITH_A_BIT: [(&[&str], &str); 17] = [
    (
        &["Return if policy accepted"],
        "-m mark --mark BIT/BIT --jump RETURN",
    ),
    (
        &["Return if profile accepted"],
        "-m mark --mark BIT/BIT --jump RETURN",
    ),
    (&["Start of policies"], "--jump MARK --set-mark 0/BIT"),
    (&["Start of tier default"], "--jump MARK --set-mark 0/BIT"),
    (
        &["Drop if no policies passed packet"],
        "-m mark --mark 0/BIT --jump DROP",
    ),
    (
        &["End of tier default. Drop if no policies passed packet"],
        "-m mark --mark 0/BIT --jump DROP",
    ),
    (&[], "--jump MARK --set-mark 0/BIT"),
    (&[], "--jump MARK --set-mark BIT/BIT"),
    (&[], "-m mark --mark BIT/BIT --jump RETURN"),
    (&[], "-m mark --mark BIT/BIT --jump ACCEPT"),
    (&[], "-m mark --mark BIT/BIT --jump DROP"),
    (
        &["Host endpoint policy accepted packet."],
        "-m mark --mark BIT/BIT --jump ACCEPT",
    ),
    (
        &["Host endpoint policy accepted packet."],
        "-m mark --mark BIT/BIT --jump RETURN",
    ),
    (
        &["Policy explicitly accepted packet."],
        "-m mark --mark BIT/BIT --jump ACCEPT",
    ),
    (
        &[],
        "-m mark --mark BIT/BIT -m conntrack --ctstate UNTRACKED --jump ACCEPT",
    ),
    (&[], "--in-interface cali+ --jump MARK --set-mark BIT/BIT"),
    (
        &[],
        "-m mark --mark BIT/BIT -m rpfilter --invert --validmark --jump DROP",
    ),
];

/// Felix's other rules.
const STANDARD: [(&[&str], &str); 28] = [
    (
        &[],
        "-m conntrack --ctstate RELATED,ESTABLISHED --jump ACCEPT",
    ),
    (
        &[],
        "-m conntrack --ctstate RELATED,ESTABLISHED --jump RETURN",
    ),
    (&[], "-m conntrack --ctstate INVALID --jump DROP"),
    (&["Drop if no profiles matched"], "--jump DROP"),
    (&["Unknown interface"], "--jump DROP"),
    (&["Endpoint admin disabled"], "--jump DROP"),
    (
        &["Drop VXLAN encapped packets originating in workloads"],
        "-p 17 -m multiport --destination-ports 4789 --jump DROP",
    ),
    (
        &["Drop IPinIP encapped packets originating in workloads"],
        "-p 4 --jump DROP",
    ),
    (
        &["Allow IPIP packets from Calico hosts"],
        "-p 4 -m set --match-set cali40all-hosts-net src -m addrtype --dst-type LOCAL --jump ACCEPT",
    ),
    (
        &["Drop IPIP packets from non-Calico hosts"],
        "-p 4 --jump DROP",
    ),
    (
        &["Allow IPIP packets to other Calico hosts"],
        "-p 4 -m set --match-set cali40all-hosts-net dst -m addrtype --src-type LOCAL --jump ACCEPT",
    ),
    (
        &["Drop IPIP packets from non-Calico hosts"],
        "-p 4 -m set ! --match-set cali4-all-hosts src --jump DROP",
    ),
    (
        &["Allow IPv4 VXLAN packets from allowed hosts"],
        "-p 17 -m multiport --destination-ports 4789 -m set --match-set cali40all-vxlan-net src \
         -m addrtype --dst-type LOCAL --jump ACCEPT",
    ),
    (
        &["Drop IPv4 VXLAN packets from non-allowed hosts"],
        "-p 17 -m multiport --destination-ports 4789 -m addrtype --dst-type LOCAL --jump DROP",
    ),
    (
        &["Allow IPv4 VXLAN packets to other allowed hosts"],
        "-p 17 -m multiport --destination-ports 4789 -m addrtype --src-type LOCAL -m set \
         --match-set cali40all-vxlan-net dst --jump ACCEPT",
    ),
    (&[], "--in-interface cali+ --goto cali-wl-to-host"),
    (&[], "--in-interface cali+ --jump ACCEPT"),
    (&[], "--out-interface cali+ --jump ACCEPT"),
    (&[], "--out-interface cali+ --jump RETURN"),
    (&["Configured DefaultEndpointToHostAction"], "--jump DROP"),
    (&["Configured DefaultEndpointToHostAction"], "--jump ACCEPT"),
    (&["Configured DefaultEndpointToHostAction"], "--jump RETURN"),
    (
        &[],
        "-p tcp -m multiport --destination-ports 22 --jump ACCEPT",
    ),
    (
        &[],
        "-p udp -m multiport --destination-ports 53 --jump ACCEPT",
    ),
    (
        &[],
        "-p udp -m multiport --destination-ports 67 --jump ACCEPT",
    ),
    (
        &[],
        "-p udp -m multiport --destination-ports 68 --jump ACCEPT",
    ),
    (&[], "-p udp --dport 4789 --jump NOTRACK"),
    (&[], "--jump DROP"),
];
