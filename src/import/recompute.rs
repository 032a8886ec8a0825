//! The hash that each rule should bear, were all rules above it as Felix wrote them.

use super::spelling::Spellings;
use super::verify::{APPENDED, CHAIN_PREFIX, comments, extend, hash_of};
use crate::hash::ChainHasher;
use crate::packet::Family;
use crate::xtables::{Chain, Hook, Rule, RuleId, Ruleset};

/// A rule of Felix's with its hash recomputed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recomputed {
    /// The rule.
    pub rule: RuleId,
    /// The hash in its comment.
    pub found: Option<String>,
    /// The hash that it should bear where it stands.
    pub expected: String,
}

impl Recomputed {
    /// Whether the rule bears the hash that it should.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.found.as_deref() == Some(self.expected.as_str())
    }
}

/// Recomputes the hash of every rule of Felix's, each behind the rules that do stand above it: all rules
/// of chains named `cali-…`, and those in the kernel's own chains that bear a hash.
#[must_use]
pub fn recompute(ruleset: &Ruleset) -> Vec<Recomputed> {
    let mut all = Vec::new();
    for table in &ruleset.tables {
        for chain in &table.chains {
            for (index, found, expected) in of_chain(chain, ruleset.family) {
                let rule = RuleId {
                    family: ruleset.family,
                    table: table.name,
                    chain: chain.name.clone(),
                    index,
                };
                all.push(Recomputed {
                    rule,
                    found,
                    expected,
                });
            }
        }
    }
    all
}

/// Each rule of Felix's of a chain: its place, the hash that it bears and the one that it should.
fn of_chain(chain: &Chain, family: Family) -> Vec<(usize, Option<String>, String)> {
    let own = chain.name.starts_with(CHAIN_PREFIX);
    let mut hashers = vec![ChainHasher::new(&chain.name)];
    if Hook::of_chain(&chain.name).is_some() {
        hashers.push(ChainHasher::new(&format!("{}{APPENDED}", chain.name)));
    }
    let rules = chain.rules.iter().enumerate();
    let felix = rules.filter(|(_, rule)| own || hash_of(rule).is_some());
    felix
        .map(|(index, rule)| {
            let spellings = Spellings::of(&chain.name, rule, family);
            let expected = next(&mut hashers, rule, &spellings);
            (index, hash_of(rule).map(str::to_owned), expected)
        })
        .collect()
}

/// The hash of the next rule: the one that it bears if one of its spellings has it, else that of the
/// likeliest.
fn next(hashers: &mut [ChainHasher], rule: &Rule, spellings: &Spellings) -> String {
    if let Some(borne) = hash_of(rule) {
        for hasher in hashers.iter_mut() {
            if let Some(next) = extend(hasher, borne, comments(rule), spellings) {
                *hasher = next;
                return borne.to_owned();
            }
        }
    }
    let [hasher, ..] = hashers else {
        return String::new();
    };
    hasher.next(comments(rule), &spellings.likeliest())
}
