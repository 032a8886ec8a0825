//! What Felix's hashes show.

use std::collections::BTreeSet;

use crate::hash::{set_id, set_name};
use crate::import::{Recomputed, recompute};
use crate::scenario::Scenario;
use crate::xtables::{Match, RuleId, Ruleset, TableName};

use super::Outcome::True;
use super::bench::{Bench, by_rules};
use super::{Claim, Kind, Part, Shown, Trouble};

/// The claims of this theme.
pub const CLAIMS: &[Claim] = &[
    Claim {
        id: "C43",
        kind: Kind::Hash,
        says: "The set cali4-s:CEmFgJFwDvohR01JKvOkO8D is what namespace == 'default' selects.",
        expected: True,
        because: "",
        check: c43,
    },
    Claim {
        id: "C65",
        kind: Kind::Hash,
        says: "Every `cali:` comment is the hash of its rule where it stands.",
        expected: True,
        because: "",
        check: c65,
    },
    Claim {
        id: "C66",
        kind: Kind::Hash,
        says: "The same hook in two tables bears the same hash: the table is not hashed.",
        expected: True,
        because: "",
        check: c66,
    },
    Claim {
        id: "C67",
        kind: Kind::Hash,
        says: "A chain that the seed lists twice is the same both times.",
        expected: True,
        because: "",
        check: c67,
    },
    Claim {
        id: "C68",
        kind: Kind::Hash,
        says: "Both sets are named by the hash of their canonical selector.",
        expected: True,
        because: "",
        check: c68,
    },
    Claim {
        id: "C69",
        kind: Kind::Hash,
        says: "The rule that the seed leaves out of cali-tw-cali0ef24b1 changes none of the five before.",
        expected: True,
        because: "",
        check: c69,
    },
    Claim {
        id: "C70",
        kind: Kind::Hash,
        says: "A rule that is changed changes its own hash and all later ones of its chain, no others.",
        expected: True,
        because: "",
        check: c70,
    },
];

/// The selector `namespace == 'default'` as Calico hashes it.
const BY_NAMESPACE: &str = "namespace == \"default\"";
/// The selector of the frontends as Calico hashes it.
const FRONTENDS: &str = "(namespace == \"default\" && service == \"frontend\")";

fn names_a_set(scenario: &Scenario, chain: &str, selector: &str) -> Part {
    let expected = set_name("cali4", '-', &set_id("s", selector));
    let rules = scenario.firewall.v4.rules();
    let mut of_chain = rules.filter(|(id, _)| id.table == TableName::Filter && id.chain == chain);
    let named = of_chain.find_map(|(id, rule)| {
        let mut sets = rule.matches.iter().filter_map(|one| match one {
            Match::Set(set) => Some(set.name.clone()),
            _ => None,
        });
        sets.next_back().map(|name| (id, name))
    });
    let (held, quote) = match named {
        Some((id, name)) => (name == expected, format!("{id} matches {name}")),
        None => (false, format!("{chain} names no set")),
    };
    let quotes = vec![quote, format!("`{selector}` hashes to {expected}")];
    by_rules(
        &format!("{chain} matches the set of `{selector}`"),
        held,
        quotes,
    )
}

fn c43(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let part = names_a_set(&bench.slave1, "cali-pi-namespace-default", BY_NAMESPACE);
    Ok(vec![part])
}

fn c68(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let policy = names_a_set(&bench.slave2, "cali-pi-namespace-default", BY_NAMESPACE);
    let profile = names_a_set(&bench.slave2, "cali-pri-profile-database", FRONTENDS);
    Ok(vec![policy, profile])
}

/// The rules of a scenario that the seed prints.
fn printed_by_seed<'c>(scenario: &Scenario, all: &'c [Recomputed]) -> Vec<&'c Recomputed> {
    let printed = |one: &&Recomputed| scenario.completion(&one.rule).is_none();
    all.iter().filter(printed).collect()
}

fn c65(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let mut hashes = BTreeSet::new();
    let mut wrong = Vec::new();
    for scenario in [&bench.slave1, &bench.slave2] {
        let all = recompute(&scenario.firewall.v4);
        for one in printed_by_seed(scenario, &all) {
            hashes.insert(one.found.clone().unwrap_or_default());
            if !one.holds() {
                let found = one.found.as_deref().unwrap_or("none");
                let expected = &one.expected;
                wrong.push(format!("{}: {found}, not {expected}", one.rule));
            }
        }
    }
    let count = hashes.len();
    let mut quotes = vec![format!("{count} distinct hashes")];
    let all_right = wrong.is_empty();
    quotes.extend(wrong);
    let mut parts = vec![by_rules(
        "each of the 85 is what its rule and those above it hash to",
        all_right && count == 85,
        quotes,
    )];
    if let Some(document) = &bench.document {
        let of_text: BTreeSet<String> = document
            .rules()
            .filter_map(|(_, rule)| {
                let (_, hash) = rule.split_once("\"cali:")?;
                Some(hash.split_once('"')?.0.to_owned())
            })
            .collect();
        let quote = format!("the text has {} distinct hashes", of_text.len());
        parts.push(Part {
            says: "they are the ones of the text".to_owned(),
            shown: Shown::Text {
                held: of_text == hashes,
                quotes: vec![quote],
                compared: Some(true),
            },
        });
    }
    Ok(parts)
}

fn c66(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let all = recompute(&bench.slave1.firewall.v4);
    let of_hook = |table: &str, chain: &str| {
        let found = all
            .iter()
            .find(|one| one.rule.table.as_str() == table && one.rule.chain == chain);
        found.and_then(|one| one.found.clone())
    };
    let part = |says: &str, tables: [&str; 2], chain: &str| {
        let hashes = tables.map(|table| of_hook(table, chain));
        let quotes = tables.iter().zip(&hashes).map(|(table, hash)| {
            format!(
                "{table}/{chain} rule 1: {}",
                hash.as_deref().unwrap_or("none")
            )
        });
        let held = hashes[0].is_some() && hashes[0] == hashes[1];
        by_rules(says, held, quotes.collect())
    };
    Ok(vec![
        part("PREROUTING in raw and nat", ["raw", "nat"], "PREROUTING"),
        part("OUTPUT in nat and filter", ["nat", "filter"], "OUTPUT"),
    ])
}

/// The chains that the text lists twice, each with its hashes.
const TWICE: [(&str, &[&str]); 2] = [
    (
        "cali-from-wl-dispatch",
        &["RkM6MKQgU0OTxwKU", "7hIahXYNmY9JDfKG", "YKcphdGNZ1PwfGvt"],
    ),
    (
        "cali-POSTROUTING",
        &["Z-c7XtVd2Bq7s_hA", "nYKhEzDlr11Jccal"],
    ),
];

fn c67(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let all = recompute(&bench.slave1.firewall.v4);
    let part = |chain: &str, hashes: &[&str]| {
        let own: Vec<&str> = all
            .iter()
            .filter(|one| one.rule.chain == chain)
            .filter_map(|one| one.found.as_deref())
            .collect();
        let (held, quotes) = match &bench.document {
            None => (
                own == hashes,
                vec![format!("{chain}: {}", hashes.join(", "))],
            ),
            Some(document) => {
                let prefix = format!("-A {chain} ");
                let of_chain = document
                    .rules()
                    .filter(|(_, rule)| rule.starts_with(&prefix));
                let lines: Vec<(usize, &str)> = of_chain.collect();
                let (first, second) = lines.split_at(lines.len() / 2);
                let same = first.iter().map(|(_, rule)| rule);
                let same = same.eq(second.iter().map(|(_, rule)| rule));
                let at = lines.iter().map(|(line, _)| line.to_string());
                let at: Vec<String> = at.collect();
                let both = first.len() == hashes.len() && own == hashes;
                (
                    same && both,
                    vec![format!("{chain} in the lines {}", at.join(", "))],
                )
            }
        };
        Part {
            says: format!("{chain} is"),
            shown: Shown::Text {
                held,
                quotes,
                compared: Some(bench.document.is_some()),
            },
        }
    };
    Ok(TWICE.map(|(chain, hashes)| part(chain, hashes)).to_vec())
}

fn without(scenario: &Scenario, chain: &str, index: usize) -> Scenario {
    let mut shorter = scenario.clone();
    let filter = shorter.firewall.v4.table_mut(TableName::Filter);
    let chains = filter.into_iter().flat_map(|table| &mut table.chains);
    for one in chains.filter(|one| one.name == chain && one.rules.len() > index) {
        one.rules.remove(index);
    }
    shorter
}

fn c69(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let chain = "cali-tw-cali0ef24b1";
    let of_chain = |scenario: &Scenario| -> Vec<String> {
        let all = recompute(&scenario.firewall.v4).into_iter();
        let of_chain = all.filter(|one| one.rule.chain == chain);
        of_chain.map(|one| one.expected).collect()
    };
    let whole = of_chain(&bench.slave1);
    let short = of_chain(&without(&bench.slave1, chain, 5));
    let held = whole.len() == 6 && short.len() == 5 && whole.starts_with(&short);
    let quotes = vec![
        format!("with it: {}", whole.join(", ")),
        format!("without it: {}", short.join(", ")),
    ];
    Ok(vec![by_rules(
        "the five hash alike with it and without it",
        held,
        quotes,
    )])
}

/// The same rules, one of them with a comment more.
fn commented(ruleset: &Ruleset, id: &RuleId) -> Ruleset {
    let mut changed = ruleset.clone();
    let table = changed.table_mut(id.table).into_iter();
    let chains = table.flat_map(|table| &mut table.chains);
    for chain in chains.filter(|chain| chain.name == id.chain) {
        if let Some(rule) = chain.rules.get_mut(id.index) {
            rule.matches.push(Match::Comment("changed".to_owned()));
        }
    }
    changed
}

fn c70(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let before = recompute(&bench.slave1.firewall.v4);
    let mut stray = Vec::new();
    for changed in &before {
        let after = recompute(&commented(&bench.slave1.firewall.v4, &changed.rule));
        let as_it_should = before.iter().zip(&after).all(|(one, other)| {
            let (rule, changed) = (&one.rule, &changed.rule);
            let same_chain = rule.table == changed.table && rule.chain == changed.chain;
            let touched = same_chain && rule.index >= changed.index;
            (one.expected != other.expected) == touched
        });
        if !as_it_should {
            stray.push(changed.rule.to_string());
        }
    }
    let mut quotes = vec![format!("tried on each of {} rules", before.len())];
    let held = stray.is_empty() && !before.is_empty();
    quotes.extend(stray);
    Ok(vec![by_rules(
        "so it is for every rule of slave1",
        held,
        quotes,
    )])
}
