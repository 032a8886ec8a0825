//! What the hashes of a dump say about who wrote its rules.

use std::error::Error;

use calidiff::claims::seed;
use calidiff::hash::ChainHasher;
use calidiff::import::{Departure, Finding, Verification, verify};
use calidiff::packet::Family;
use calidiff::xtables::matches::MaskedMark;
use calidiff::xtables::save::{parse, print_rule};
use calidiff::xtables::{Match, Not, Rule, Ruleset, Target};

use super::corpus::each_dump;

type Tried = Result<(), Box<dyn Error>>;

fn slave1() -> Result<String, Box<dyn Error>> {
    Ok(seed::saved("slave1.v4.save")
        .ok_or("no fixture")?
        .to_owned())
}

/// What is found in the seed's first node after a change to its text.
fn found_after(from: &str, to: &str) -> Result<Verification, Box<dyn Error>> {
    let text = slave1()?;
    assert_eq!(text.matches(from).count(), 1, "{from}");
    Ok(verify(&parse(
        "slave1",
        &text.replace(from, to),
        Family::V4,
    )?))
}

/// Its findings, each as its rule's place and its word.
fn places(verification: &Verification) -> Vec<(String, &'static str)> {
    let each = verification.findings.iter();
    each.map(|one| (one.rule.to_string(), one.what.word()))
        .collect()
}

const START_OF_POLICIES: &str = "-A cali-tw-cali0ef24b1 -m comment --comment \
     \"cali:vE8JWROTKOuSK0cA\" -m comment --comment \"Start of policies\" -j MARK --set-xmark \
     0x0/0x2000000\n";

const DROP_AT_THE_END: &str = "-A cali-tw-cali0ef24b1 -m comment --comment \
     \"cali:uNPReN9_BghUJj7S\" -m comment --comment \"Drop if no policies passed packet\" -m mark \
     --mark 0x0/0x2000000 -j DROP\n";

#[test]
fn nothing_is_found_where_nothing_was_done() -> Tried {
    let verification = verify(&parse("slave1", &slave1()?, Family::V4)?);
    assert_eq!(
        (verification.findings.len(), verification.unfollowed),
        (0, 0)
    );
    assert_eq!(verification.held, slave1()?.matches("\"cali:").count());
    Ok(())
}

#[test]
fn a_lost_rule_is_named_and_what_stands_behind_it_holds() -> Tried {
    let whole = verify(&parse("slave1", &slave1()?, Family::V4)?);
    let verification = found_after(START_OF_POLICIES, "")?;
    let [finding] = verification.findings.as_slice() else {
        return Err(format!("{:?}", verification.findings).into());
    };
    assert_eq!(
        finding.rule.to_string(),
        "filter/cali-tw-cali0ef24b1 rule 2"
    );
    let was = "-A cali-tw-cali0ef24b1 -m comment --comment \"Start of policies\" --jump MARK \
               --set-mark 0/0x2000000";
    assert_eq!(finding.what, Departure::Lost(was.to_owned()));
    assert_eq!(verification.held, whole.held - 1);
    let line = slave1()?
        .lines()
        .position(|line| START_OF_POLICIES.trim_end() == line);
    assert_eq!(
        Some(finding.line),
        line.map(|at| at + 1),
        "the rule behind the lost one"
    );
    Ok(())
}

#[test]
fn a_policy_that_is_no_longer_asked_is_named_with_its_return() -> Tried {
    let asked = "-A cali-tw-cali0ef24b1 -m comment --comment \"cali:fVy5z1nXaCLhF0EQ\" -m mark --mark \
         0x0/0x2000000 -j cali-pi-namespace-default\n-A cali-tw-cali0ef24b1 -m comment --comment \
         \"cali:_B9yiomhSoQTzhKL\" -m comment --comment \"Return if policy accepted\" -m mark --mark \
         0x1000000/0x1000000 -j RETURN\n";
    let verification = found_after(asked, "")?;
    let lost = verification.findings.iter().map(|one| match &one.what {
        Departure::Lost(was) => Ok(was.as_str()),
        _ => Err(format!("{one:?}")),
    });
    let expected = [
        "-A cali-tw-cali0ef24b1 -m mark --mark 0/0x2000000 --jump cali-pi-namespace-default",
        "-A cali-tw-cali0ef24b1 -m comment --comment \"Return if policy accepted\" -m mark --mark \
         0x1000000/0x1000000 --jump RETURN",
    ];
    assert_eq!(lost.collect::<Result<Vec<_>, _>>()?, expected);
    let whole = verify(&parse("slave1", &slave1()?, Family::V4)?);
    assert_eq!(verification.held, whole.held - 2);
    Ok(())
}

/// Whichever rule is lost or altered, the first finding is at its place, and no other chain is touched.
/// What is gone from a chain's end leaves no trace.
#[test]
fn whichever_rule_departs_its_place_is_told() -> Tried {
    let whole = parse("slave1", &slave1()?, Family::V4)?;
    let mut proved = 0;
    let mut tried = 0;
    let felix = |rule: &Rule| rule.comments().any(|one| one.starts_with("cali:"));
    let rules = whole.rules().filter(|(_, rule)| felix(rule));
    for (id, rule) in rules {
        for lose in [true, false] {
            let mut changed = whole.clone();
            let table = changed.table_mut(id.table).ok_or("a table")?;
            let mut chains = table.chains.iter_mut();
            let chain = chains
                .find(|chain| chain.name == id.chain)
                .ok_or("a chain")?;
            let hashed = chain.rules.iter().filter(|rule| felix(rule)).count();
            match lose {
                true => drop(chain.rules.remove(id.index)),
                false => chain.rules[id.index].target = Target::Trace,
            }
            let findings = verify(&changed).findings;
            let of_chain = |finding: &Finding| {
                finding.rule.table == id.table && finding.rule.chain == id.chain
            };
            assert!(findings.iter().all(of_chain), "{id}: {findings:?}");
            let last = hashed == 1 || id.index + 1 == hashed;
            match findings.iter().min_by_key(|finding| finding.rule.index) {
                None => assert!(lose && last, "{id} {}", print_rule("", rule, id.family)),
                Some(first) => assert_eq!(first.rule.index, id.index, "{id}: {findings:?}"),
            }
            if !(lose && last) {
                tried += 1;
                let proof = |finding: &Finding| match finding.what {
                    Departure::Lost(_) => lose,
                    Departure::Altered(_) => !lose,
                    _ => false,
                };
                proved += usize::from(findings.iter().all(proof));
            }
        }
    }
    // The others ask for a set, a port or a chain that nothing else names.
    assert!(
        tried > 50 && proved * 10 >= tried * 9,
        "{proved} of {tried}"
    );
    Ok(())
}

#[test]
fn an_added_rule_is_named_and_what_stands_behind_it_holds() -> Tried {
    let whole = verify(&parse("slave1", &slave1()?, Family::V4)?);
    let added = "-A cali-tw-cali0ef24b1 -s 10.0.0.1/32 -j ACCEPT\n";
    for (rule, word) in [(added, "added"), (DROP_AT_THE_END, "foreign")] {
        let rule = rule.replace("uNPReN9_BghUJj7S", "uNPReN9_BghUJj7T");
        let verification = found_after(START_OF_POLICIES, &format!("{rule}{START_OF_POLICIES}"))?;
        let place = "filter/cali-tw-cali0ef24b1 rule 2".to_owned();
        assert_eq!(places(&verification), [(place, word)]);
        assert_eq!(verification.held, whole.held);
    }
    Ok(())
}

#[test]
fn an_altered_rule_is_named_with_what_it_was() -> Tried {
    let dropped = DROP_AT_THE_END.replace("-j DROP", "-j ACCEPT");
    let verification = found_after(DROP_AT_THE_END, &dropped)?;
    let [finding] = verification.findings.as_slice() else {
        return Err(format!("{:?}", verification.findings).into());
    };
    assert_eq!(
        finding.what,
        Departure::Altered(DROP_AT_THE_END.trim_end().to_owned())
    );
    let place = (finding.rule.chain.as_str(), finding.rule.index);
    assert_eq!(place, ("cali-tw-cali0ef24b1", 5 - 1));
    Ok(())
}

#[test]
fn a_match_turned_round_a_comment_that_is_gone_and_another_mark_are_told() -> Tried {
    let text = slave1()?;
    let invalid = text
        .lines()
        .find(|line| line.starts_with("-A cali-FORWARD ") && line.ends_with("INVALID -j DROP"))
        .ok_or("no rule about invalid packets")?;
    let start = START_OF_POLICIES.trim_end();
    for (was, now) in [
        (invalid, invalid.replace("--ctstate", "! --ctstate")),
        (
            start,
            start.replace(" -m comment --comment \"Start of policies\"", ""),
        ),
        (start, start.replace("0x0/0x2000000", "0x0/0x1000000")),
    ] {
        assert_ne!(was, now);
        let verification = found_after(&format!("{was}\n"), &format!("{now}\n"))?;
        let [finding] = verification.findings.as_slice() else {
            return Err(format!("{:?}", verification.findings).into());
        };
        assert_eq!(finding.what, Departure::Altered(was.to_owned()));
    }
    Ok(())
}

#[test]
fn a_lost_rule_is_told_though_another_places_stands_there() -> Tried {
    let foreign =
        "-A cali-tw-cali0ef24b1 -m comment --comment \"cali:6gwbT8clXdHdC1b1\" -j RETURN\n";
    let verification = found_after(START_OF_POLICIES, foreign)?;
    let place = |number| format!("filter/cali-tw-cali0ef24b1 rule {number}");
    assert_eq!(
        places(&verification),
        [(place(2), "foreign"), (place(3), "lost")]
    );
    Ok(())
}

/// The tools make of a rule with several sources one for each, all with the hash of the one.
#[test]
fn a_rule_of_several_sources_holds_as_the_tools_write_it() -> Tried {
    let mut hasher = ChainHasher::new("cali-x");
    let both = hasher.next([], "--source 10.0.0.1,10.0.0.2 --jump ACCEPT");
    let next = hasher.next([], "--jump DROP");
    let text = format!(
        "*filter\n:cali-x - [0:0]\n\
         -A cali-x -s 10.0.0.1/32 -m comment --comment \"cali:{both}\" -j ACCEPT\n\
         -A cali-x -s 10.0.0.2/32 -m comment --comment \"cali:{both}\" -j ACCEPT\n\
         -A cali-x -m comment --comment \"cali:{next}\" -j DROP\nCOMMIT\n"
    );
    let verification = verify(&parse("dump", &text, Family::V4)?);
    assert_eq!((verification.held, verification.findings), (3, Vec::new()));
    Ok(())
}

#[test]
fn a_moved_rule_is_named() -> Tried {
    let text = slave1()?.replace(DROP_AT_THE_END, "");
    let text = text.replace(
        START_OF_POLICIES,
        &format!("{DROP_AT_THE_END}{START_OF_POLICIES}"),
    );
    let verification = verify(&parse("slave1", &text, Family::V4)?);
    let place = "filter/cali-tw-cali0ef24b1 rule 2".to_owned();
    assert_eq!(places(&verification), [(place, "moved")]);
    Ok(())
}

#[test]
fn what_nothing_explains_ends_the_chain() -> Tried {
    let set = "VTQ78plyA8u_8_YC\" -m set --match-set cali4-s:CEmFgJFwDvohR01JKvOkO8D src";
    let other = set.replace("cali4-s:CEmFgJFwDvohR01JKvOkO8D", "other");
    let text = slave1()?.replace(set, &other);
    let verification = verify(&parse("slave1", &text, Family::V4)?);
    let place = |table| {
        (
            format!("{table}/cali-pi-namespace-default rule 2"),
            "broken",
        )
    };
    assert_eq!(places(&verification), [place("raw"), place("filter")]);
    assert_eq!(verification.unfollowed, 2);
    Ok(())
}

/// A ruleset as a reader prints it that does not know how newer tools write `-m mark`.
fn without_marks(ruleset: &Ruleset) -> (Ruleset, Vec<(String, Not<MaskedMark>)>) {
    let mut read = ruleset.clone();
    let mut lost = Vec::new();
    for (id, rule) in ruleset.rules() {
        let marks = rule.matches.iter().filter_map(|one| match one {
            Match::Mark(not) => Some((id.to_string(), *not)),
            _ => None,
        });
        lost.extend(marks);
    }
    for table in &mut read.tables {
        for rule in table.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
            rule.matches.retain(|one| !matches!(one, Match::Mark(_)));
        }
    }
    (read, lost)
}

#[test]
fn a_dump_that_lost_its_mark_matches_is_told_each_of_them() -> Tried {
    for file in ["slave1.v4.save", "slave2.v4.save", "slave1.v6.save"] {
        let family = if file.contains("v6") {
            Family::V6
        } else {
            Family::V4
        };
        let whole = parse(file, seed::saved(file).ok_or("no fixture")?, family)?;
        let (read, mut lost) = without_marks(&whole);
        assert!(lost.len() > 20, "{}", lost.len());
        let verification = verify(&read);
        let told = verification.findings.iter().map(|one| match one.what {
            Departure::LostMark(mark) => Ok((one.rule.to_string(), mark)),
            _ => Err(format!("{one:?}")),
        });
        let mut told: Vec<_> = told.collect::<Result<_, _>>()?;
        let by_rule = |one: &(String, Not<MaskedMark>)| one.0.clone();
        told.sort_by_key(by_rule);
        lost.sort_by_key(by_rule);
        assert_eq!(told, lost, "{file}");
        assert_eq!(verification.held + lost.len(), verify(&whole).held);
    }
    Ok(())
}

#[test]
fn appended_rules_have_a_chain_of_hashes_of_their_own() -> Tried {
    let text = "*filter\n:FORWARD ACCEPT [0:0]\n:cali-FORWARD - [0:0]\n\
         -A FORWARD -m comment --comment \"cali:wUHhoiAYhphO9Mso\" -j cali-FORWARD\n\
         -A FORWARD -j ACCEPT\n\
         -A FORWARD -m comment --comment \"cali:S93hcgKJrXEqnTfs\" -m comment --comment \"Policy \
         explicitly accepted packet.\" -m mark --mark 0x10000/0x10000 -j ACCEPT\n\
         -A FORWARD -m comment --comment \"cali:mp77cMpurHhyjLrM\" -j MARK --set-xmark \
         0x10000/0x10000\nCOMMIT\n";
    let verification = verify(&parse("modern", text, Family::V4)?);
    assert_eq!((verification.held, verification.findings.len()), (3, 0));
    let lost = text.replace("-m mark --mark 0x10000/0x10000 ", "");
    let verification = verify(&parse("modern", &lost, Family::V4)?);
    assert_eq!(
        places(&verification),
        [("filter/FORWARD rule 3".to_owned(), "lost-mark")]
    );
    Ok(())
}

/// The published dumps: how many rules of each hold, and what does not, which is what their publishers
/// cut off: `grep` left one rule of each dispatch chain.
#[test]
fn published_dumps_hold_where_they_are_whole() -> Tried {
    let mut found = Vec::new();
    each_dump(|name, _, ruleset| {
        let verification = verify(&ruleset);
        let file = name.rsplit('/').next().unwrap_or(name).to_owned();
        if verification.held > 0 || !verification.findings.is_empty() {
            found.push((file, verification.held, places(&verification)));
        }
        Ok(true)
    })?;
    if found.is_empty() {
        return Ok(());
    }
    let broken = |chains: &[&str]| -> Vec<(String, &'static str)> {
        let places = chains.iter();
        places
            .map(|chain| (format!("filter/{chain} rule 1"), "broken"))
            .collect()
    };
    let dispatch = broken(&["cali-from-wl-dispatch", "cali-to-wl-dispatch"]);
    let old = vec![("filter/cali-old-chain rule 1".to_owned(), "added")];
    let expected = [
        ("cali-aks-azurecni-2024.save", 23, dispatch.clone()),
        ("cali-docker-libnetwork-v2.6-2019.save", 33, Vec::new()),
        ("cali-gke-2019-a-deny.save", 31, dispatch.clone()),
        ("cali-gke-2019-b-allow-set.save", 35, dispatch),
        ("cali-k8spolicy-kubecontrollers198.save", 8, Vec::new()),
        ("cali-lijiaocn-2017-v1.1.save", 87, Vec::new()),
        ("cali-v2.6-issues741-1129.save", 24, Vec::new()),
        ("kube-docker-felix-fv-2019.save", 0, old),
    ];
    let expected = expected.map(|(file, held, findings)| (file.to_owned(), held, findings));
    assert_eq!(found, expected);
    Ok(())
}
