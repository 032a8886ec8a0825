//! Lines of the document that contradict each other, or its own rules.

use crate::xtables::{Rule, TableName, Target};

use super::Outcome::False;
use super::bench::Bench;
use super::{Claim, Kind, Part, Shown, Trouble};

/// The claims of this theme.
pub const CLAIMS: &[Claim] = &[
    Claim {
        id: "X7",
        kind: Kind::Document,
        says: "The policy's egress rules are misconfigured.",
        expected: False,
        because: "the chain is cali-pi, the policy's ingress, and the resource quoted says `ingress:`",
        check: x7,
    },
    Claim {
        id: "X10",
        kind: Kind::Document,
        says: "Rule 4 of cali-fw-cali0ef24b1 is the jump to cali-po-namespace-default.",
        expected: False,
        because: "it is rule 3; rule 4 returns what the policy accepted",
        check: x10,
    },
    Claim {
        id: "X15",
        kind: Kind::Document,
        says: "cali-fip-snat and cali-nat-outgoing have something in them, as the figure has it.",
        expected: False,
        because: "the text says that both are empty, and the rules show only the jumps to them",
        check: x15,
    },
    Claim {
        id: "X16",
        kind: Kind::Document,
        says: "The chains that the text names are those that the rules have.",
        expected: False,
        because: "it misspells several of them",
        check: x16,
    },
    Claim {
        id: "X19",
        kind: Kind::Document,
        says: "The policy has no deny rule, as the resource in the original article has it.",
        expected: False,
        because: "the seed shows only the variant with deny, in the resource and in the rules",
        check: x19,
    },
];

/// A part that does not hold where the document says all of these things.
///
/// Where its text is not at hand, the fragments themselves are quoted, and the part says that it was
/// not compared.
#[must_use]
pub fn contradiction(bench: &Bench<'_>, says: &str, fragments: &[&str]) -> Part {
    let (all_there, quotes) = quoted(bench, fragments);
    Part {
        says: says.to_owned(),
        shown: Shown::Text {
            held: !all_there,
            quotes,
            compared: Some(bench.document.is_some()),
        },
    }
}

fn quoted(bench: &Bench<'_>, fragments: &[&str]) -> (bool, Vec<String>) {
    let Some(document) = &bench.document else {
        return (
            true,
            fragments.iter().map(|one| (*one).to_owned()).collect(),
        );
    };
    let excerpts: Vec<Option<String>> = fragments.iter().map(|one| document.excerpt(one)).collect();
    let all_there = excerpts.iter().all(Option::is_some);
    let quotes = excerpts
        .into_iter()
        .zip(fragments)
        .map(|(excerpt, fragment)| {
            excerpt.unwrap_or_else(|| format!("`{fragment}` is not in the text"))
        });
    (all_there, quotes.collect())
}

/// A part of words in the document against rules: it does not hold where the document says this and
/// the rules say otherwise.
fn against_rules(
    bench: &Bench<'_>,
    says: &str,
    fragments: &[&str],
    rules_say_so: bool,
    rules: Vec<String>,
) -> Part {
    let (all_there, mut quotes) = quoted(bench, fragments);
    quotes.extend(rules);
    Part {
        says: says.to_owned(),
        shown: Shown::Text {
            held: !all_there || rules_say_so,
            quotes,
            compared: Some(bench.document.is_some()),
        },
    }
}

fn filter_chain<'b>(bench: &'b Bench<'_>, chain: &str) -> &'b [Rule] {
    let table = bench.slave1.firewall.v4.table(TableName::Filter);
    let chain = table.and_then(|table| table.chain(chain));
    chain.map_or(&[], |chain| &chain.rules)
}

fn x7(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let fragments = [
        "policy的egress规则设置是有问题的",
        "ingress:",
        "cali-pi-namespace-default,pi表示policy inbound",
    ];
    Ok(vec![contradiction(
        bench,
        "these words and the resource that they are about speak of the same direction",
        &fragments,
    )])
}

fn x10(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let chain = filter_chain(bench, "cali-fw-cali0ef24b1");
    let jump = Target::Jump("cali-po-namespace-default".to_owned());
    let number = chain.iter().position(|rule| rule.target == jump);
    let number = number.map_or(0, |at| at + 1);
    let quote = format!("filter/cali-fw-cali0ef24b1 rule {number} jumps there");
    Ok(vec![against_rules(
        bench,
        "it is rule 4",
        &["规则4,cali-po-namespace-default"],
        number == 4,
        vec![quote],
    )])
}

fn x15(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let nat = bench.slave1.firewall.v4.table(TableName::Nat);
    let length = |name: &str| {
        let chain = nat.and_then(|nat| nat.chain(name));
        chain.map(|chain| chain.rules.len())
    };
    let chains = ["cali-fip-snat", "cali-nat-outgoing"].map(|name| (name, length(name)));
    let quotes = chains.map(|(name, length)| match length {
        Some(count) => format!("nat/{name} has {count} rules"),
        None => format!("nat/{name} is not there"),
    });
    let filled = chains.iter().any(|(_, length)| *length != Some(0));
    Ok(vec![against_rules(
        bench,
        "they have rules",
        &["-snat@nat", "-outgoing@nat", "都是空的"],
        filled,
        quotes.to_vec(),
    )])
}

/// Names that the text writes and no rule has, as they stand in whole words or in the figure's pieces.
const MISSPELT: [&str; 5] = [
    "cali-PREOUTING",
    "cali-FROWARD",
    "-cali03f24b1",
    "cali-nat-outging",
    "cali-from-host-endpoints",
];

fn x16(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let rulesets = [&bench.slave1, &bench.slave2].map(|node| &node.firewall.v4);
    let tables = rulesets.into_iter().flat_map(|ruleset| &ruleset.tables);
    let chains: Vec<&str> = tables
        .flat_map(|table| table.chains.iter().map(|chain| chain.name.as_str()))
        .collect();
    let parts = MISSPELT.iter().map(|name| {
        let known = chains.iter().any(|chain| chain.ends_with(name));
        let quote = format!("no chain is named so among {}", chains.len());
        against_rules(
            bench,
            &format!("`{name}` names a chain"),
            &[name],
            known,
            vec![quote],
        )
    });
    Ok(parts.collect())
}

fn x19(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let ingress = filter_chain(bench, "cali-pi-namespace-default");
    let denies = ingress
        .first()
        .is_some_and(|rule| rule.target == Target::Drop);
    let quote = "filter/cali-pi-namespace-default rule 1 drops".to_owned();
    Ok(vec![against_rules(
        bench,
        "neither the resource nor the rules deny",
        &["- action: deny"],
        !denies,
        vec![quote],
    )])
}
