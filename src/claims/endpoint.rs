//! An endpoint's chain: its policies, then its profiles.

use crate::xtables::Hook::Forward;
use crate::xtables::TableName::{Filter, Mangle};
use crate::xtables::matches::SetSide;
use crate::xtables::{Match, Rule, Ruleset, Target};

use super::Outcome::{False, True};
use super::bench::{Bench, by_rules};
use super::input::egress_denied;
use super::marks::{ACCEPT, PASS};
use super::seen::Seen;
use super::stand::{Change, Stand};
use super::{Claim, Kind, Part, Trouble};

/// The claims of this theme.
pub const CLAIMS: &[Claim] = &[
    Claim {
        id: "C34",
        kind: Kind::Packet,
        says: "An endpoint's chain clears 0x1000000 alone first, then 0x2000000.",
        expected: True,
        because: "",
        check: c34,
    },
    Claim {
        id: "C35",
        kind: Kind::Packet,
        says: "Without a profile, what a policy accepts returns with 0x1000000 set, all else is dropped \
               where policies end; the last rule is out of reach while nothing sets 0x2000000.",
        expected: True,
        because: "",
        check: c35,
    },
    Claim {
        id: "C36",
        kind: Kind::Packet,
        says: "This endpoint has no profile, so only its policy's egress rules are checked.",
        expected: True,
        because: "",
        check: c36,
    },
    Claim {
        id: "C37",
        kind: Kind::Packet,
        says: "A policy is asked only while 0x2000000 is clear.",
        expected: True,
        because: "",
        check: c37,
    },
    Claim {
        id: "C38",
        kind: Kind::Packet,
        says: "The policy's egress rule, allow, marks every packet 0x1000000 and returns.",
        expected: True,
        because: "",
        check: c38,
    },
    Claim {
        id: "C39",
        kind: Kind::Variant,
        says: "So does the profile's egress rule, where a packet gets there.",
        expected: True,
        because: "",
        check: c39,
    },
    Claim {
        id: "C40",
        kind: Kind::Static,
        says: "A policy's rules stand in its chain in the order in which the resource lists them.",
        expected: True,
        because: "",
        check: c40,
    },
    Claim {
        id: "C41",
        kind: Kind::Packet,
        says: "A first rule that denies everything makes the later ones ineffective: the policy's \
               ingress chain drops every new packet.",
        expected: True,
        because: "",
        check: c41,
    },
    Claim {
        id: "C42",
        kind: Kind::Packet,
        says: "So slave1's workloads refuse every new connection that is forwarded to them; replies to \
               their own still come, and so does what their node sends.",
        expected: True,
        because: "",
        check: c42,
    },
    Claim {
        id: "C44",
        kind: Kind::Variant,
        says: "The profile's ingress chain drops everything by its first rule, where a packet gets there.",
        expected: True,
        because: "",
        check: c44,
    },
    Claim {
        id: "C45",
        kind: Kind::Packet,
        says: "The profile's second ingress rule allows TCP port 3306.",
        expected: False,
        because: "its first rule drops everything before, and no packet gets to the profile at all",
        check: database_is_open,
    },
    Claim {
        id: "C46",
        kind: Kind::Packet,
        says: "Packets of cali0ef24b3 reach the profile's chains.",
        expected: False,
        because: "what the policy does not accept is dropped before, as nothing sets 0x2000000",
        check: profile_is_asked,
    },
    Claim {
        id: "C47",
        kind: Kind::Static,
        says: "A profile adds exactly two rules to an endpoint's chain: the jump, and the return of \
               what it accepted.",
        expected: True,
        because: "",
        check: c47,
    },
    Claim {
        id: "C48",
        kind: Kind::Packet,
        says: "From workload to workload on one node, a packet must pass the sender's egress and the \
               receiver's ingress.",
        expected: True,
        because: "",
        check: c48,
    },
    Claim {
        id: "X8",
        kind: Kind::Packet,
        says: "After the first policy's rules, the rules of the profile are checked.",
        expected: False,
        because: "a packet is accepted by the policy or dropped behind it; the profile's chains and the \
                  rules behind them are dead",
        check: profile_is_asked,
    },
    Claim {
        id: "X9",
        kind: Kind::Packet,
        says: "The profile of slave2's endpoint allows access to TCP port 3306.",
        expected: False,
        because: "the policy drops everything first; and the profile, where it is asked, does too",
        check: database_is_open,
    },
];

const TO_ELSEWHERE: &str = "in=cali0ef24b1 tcp 172.16.1.1:40000 > 203.0.113.9:443";
const FROM_OF_B1: &str = "cali-fw-cali0ef24b1";
const EGRESS: &str = "cali-po-namespace-default";
const INGRESS: &str = "cali-pi-namespace-default";

fn c34(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let marked = bench.slave1().but(
        "mangle sets the whole upper byte",
        &[Change::First(
            Mangle,
            "-A FORWARD -j MARK --set-xmark 0xff000000/0xff000000",
        )],
    )?;
    let before = |one: &Seen<'_>, chain: &str| -> Vec<u32> {
        let steps = (1..=3).filter_map(|rule| one.step(Filter, chain, rule));
        steps.map(|step| step.before.0).collect()
    };
    let cleared = [0xff00_0000, 0xfe00_0000, 0xfc00_0000];
    Ok(vec![
        bench.shoot(&marked, "on the way out", &[TO_ELSEWHERE], &|seen| {
            before(&seen[0], FROM_OF_B1) == cleared
        })?,
        bench.shoot(
            &marked,
            "on the way in",
            &["in=eth0 tcp 192.168.40.50:40000 > 172.16.1.1:80"],
            &|seen| before(&seen[0], "cali-tw-cali0ef24b1") == cleared,
        )?,
    ])
}

fn accepting_udp_only(stand: &Stand) -> Result<Stand, Trouble> {
    stand.but(
        "the policy's egress accepts UDP only",
        &[Change::Replace(
            Filter,
            EGRESS,
            1,
            "-A cali-po-namespace-default -p udp -j MARK --set-xmark 0x1000000/0x1000000",
        )],
    )
}

/// What Felix 2.1 renders for a policy whose only egress rule is `pass`.
const PASSING_EGRESS: [Change; 2] = [
    Change::Replace(
        Filter,
        EGRESS,
        1,
        "-A cali-po-namespace-default -j MARK --set-xmark 0x2000000/0x2000000",
    ),
    Change::Replace(
        Filter,
        EGRESS,
        2,
        "-A cali-po-namespace-default -m mark --mark 0x2000000/0x2000000 -j RETURN",
    ),
];

/// The same for ingress.
const PASSING_INGRESS: [Change; 2] = [
    Change::Flush(Filter, INGRESS),
    Change::Last(
        Filter,
        "-A cali-pi-namespace-default -j MARK --set-xmark 0x2000000/0x2000000\n\
         -A cali-pi-namespace-default -m mark --mark 0x2000000/0x2000000 -j RETURN",
    ),
];

fn c35(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let udp_only = accepting_udp_only(&slave1)?;
    let passing = slave1.but("the policy's egress rule is pass", &PASSING_EGRESS)?;
    Ok(vec![
        bench.shoot(
            &slave1,
            "what the policy accepts returns",
            &[TO_ELSEWHERE],
            &|seen| {
                seen[0].matched(Filter, FROM_OF_B1, 4)
                    && seen[0].marked(Forward, Filter, ACCEPT, ACCEPT)
                    && seen[0].sent_by("eth0")
            },
        )?,
        bench.shoot(
            &udp_only,
            "what it does not is dropped where policies end",
            &[TO_ELSEWHERE],
            &|seen| seen[0].dropped_at(Forward) && seen[0].decided_by(Filter, FROM_OF_B1, 5),
        )?,
        bench.shoot(
            &passing,
            "only a policy that passes lets the last rule be reached",
            &[TO_ELSEWHERE],
            &|seen| seen[0].dropped_at(Forward) && seen[0].decided_by(Filter, FROM_OF_B1, 6),
        )?,
    ])
}

fn c36(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    Ok(vec![bench.shoot(
        &slave1,
        "of all policies' and profiles' chains it visits that one",
        &[
            TO_ELSEWHERE,
            "in=cali0ef24b1 udp 172.16.1.1:40000 > 192.168.40.11:4000",
        ],
        &|seen| {
            seen.iter().all(|one| {
                let entered = one.entered().into_iter().map(|(_, chain)| chain);
                let asked: Vec<&str> = entered
                    .filter(|chain| chain.starts_with("cali-p") && chain.contains("o-"))
                    .collect();
                asked == [EGRESS]
            })
        },
    )?])
}

fn c37(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let set = slave1.but(
        "rule 2 of cali-fw-cali0ef24b1 sets 0x2000000",
        &[Change::Replace(
            Filter,
            FROM_OF_B1,
            2,
            "-A cali-fw-cali0ef24b1 -j MARK --set-xmark 0x2000000/0x2000000",
        )],
    )?;
    Ok(vec![
        bench.shoot(
            &slave1,
            "while it is clear, it is asked",
            &[TO_ELSEWHERE],
            &|seen| seen[0].enters(Filter, EGRESS),
        )?,
        bench.shoot(
            &set,
            "while it is set, it is not",
            &[TO_ELSEWHERE],
            &|seen| !seen[0].enters(Filter, EGRESS),
        )?,
    ])
}

fn c38(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    Ok(vec![bench.shoot(
        &slave1,
        "whatever their protocol, port and destination",
        &[
            TO_ELSEWHERE,
            "in=cali0ef24b1 udp 172.16.1.1:40000 > 192.168.40.12:53",
            "in=cali0ef24b1 icmp 172.16.1.1 > 172.16.1.3 id=7",
            "in=cali0ef24b2 proto=47 172.16.1.2 > 203.0.113.9",
        ],
        &|seen| {
            seen.iter().all(|one| {
                one.matched(Filter, EGRESS, 1)
                    && one.matched(Filter, EGRESS, 2)
                    && one.marked(Forward, Filter, ACCEPT, ACCEPT)
                    && one.sent_by("eth0")
            })
        },
    )?])
}

fn c39(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let passing = bench
        .slave2()
        .but("the policy's egress rule is pass", &PASSING_EGRESS)?;
    Ok(vec![bench.shoot(
        &passing,
        "what the policy passes on, the profile accepts",
        &[
            "in=cali0ef24b3 tcp 172.16.1.3:40000 > 203.0.113.9:443",
            "in=cali0ef24b3 udp 172.16.1.3:40000 > 172.16.1.1:53",
        ],
        &|seen| {
            seen.iter().all(|one| {
                one.matched(Filter, "cali-pro-profile-database", 1)
                    && one.matched(Filter, "cali-fw-cali0ef24b3", 7)
                    && one.marked(Forward, Filter, ACCEPT | PASS, ACCEPT | PASS)
                    && one.sent_by("eth0")
            })
        },
    )?])
}

fn rules<'r>(ruleset: &'r Ruleset, chain: &str) -> &'r [Rule] {
    let table = ruleset.table(Filter);
    let chain = table.and_then(|table| table.chain(chain));
    chain.map_or(&[], |chain| &chain.rules)
}

fn quoted(ruleset: &Ruleset, chain: &str) -> Vec<String> {
    let rules = ruleset.rules();
    let of_chain = rules.filter(|(id, _)| id.table == Filter && id.chain == chain);
    of_chain
        .map(|(id, rule)| super::marks::quote(&id, rule))
        .collect()
}

/// The seed's resource lists, as ingress: deny; allow from `namespace == 'default'`.
fn c40(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let ruleset = &bench.slave1.firewall.v4;
    let chain = rules(ruleset, INGRESS);
    let denies = |rule: &Rule| {
        let only_comments = rule
            .matches
            .iter()
            .all(|one| matches!(one, Match::Comment(_)));
        rule.target == Target::Drop && only_comments
    };
    let by_source = |rule: &Rule| {
        rule.matches.iter().any(
            |one| matches!(one, Match::Set(set) if set.sides == [SetSide::Source] && !set.negated),
        )
    };
    let marks = |rule: &Rule| matches!(rule.target, Target::Mark(mark) if mark.value == ACCEPT && mark.mask == ACCEPT);
    let in_order = match chain {
        [first, second, third] => {
            denies(first) && by_source(second) && marks(second) && third.target == Target::Return
        }
        _ => false,
    };
    Ok(vec![by_rules(
        "deny first, then allow by source: one rule, then two",
        in_order,
        quoted(ruleset, INGRESS),
    )])
}

fn c41(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    Ok(vec![bench.shoot(
        &slave1,
        "from members of the set that the second rule allows, and from others",
        &[
            "in=eth0 tcp 172.16.1.3:40000 > 172.16.1.1:80",
            "in=eth0 udp 172.16.1.3:40000 > 172.16.1.2:53",
            "in=cali0ef24b2 icmp 172.16.1.2 > 172.16.1.1 id=7",
            "in=eth0 tcp 192.168.40.50:40000 > 172.16.1.1:80",
        ],
        &|seen| {
            let dropped =
                |one: &Seen<'_>| one.dropped_at(Forward) && one.decided_by(Filter, INGRESS, 1);
            seen.iter().all(dropped)
        },
    )?])
}

fn c42(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    Ok(vec![
        bench.shoot(
            &slave1,
            "new connections are refused, from the allowed selector too",
            &[
                "in=eth0 tcp 172.16.1.3:40000 > 172.16.1.1:80",
                "in=eth0 tcp 172.16.1.3:40000 > 172.16.1.2:80",
                "in=cali0ef24b1 tcp 172.16.1.1:40000 > 172.16.1.2:80",
                "in=docker0 tcp 172.16.163.9:40000 > 172.16.1.1:80",
            ],
            &|seen| seen.iter().all(|one| one.dropped_at(Forward)),
        )?,
        bench.shoot_with(
            &slave1,
            "replies come",
            &["tcp 172.16.1.1:40001 > 203.0.113.9:443 replied"],
            &["in=eth0 tcp 203.0.113.9:443 > 172.16.1.1:40001 flags=ACK"],
            &|seen| seen[0].sent_by("cali0ef24b1"),
        )?,
        bench.shoot(
            &slave1,
            "what the node sends comes",
            &["from=node tcp 192.168.40.11:40000 > 172.16.1.1:80"],
            &|seen| seen[0].sent_by("cali0ef24b1"),
        )?,
    ])
}

const FRONTEND_TO_DATABASE: &str = "in=eth0 tcp 172.16.1.1:40000 > 172.16.1.3:3306";

fn passing_ingress(bench: &Bench<'_>) -> Result<Stand, Trouble> {
    let slave2 = bench.slave2();
    slave2.but("the policy's ingress rule is pass", &PASSING_INGRESS)
}

fn c44(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let passing = passing_ingress(bench)?;
    Ok(vec![bench.shoot(
        &passing,
        "what the policy passes on, the profile drops",
        &[
            FRONTEND_TO_DATABASE,
            "in=eth0 udp 192.168.40.50:40000 > 172.16.1.3:53",
        ],
        &|seen| {
            let dropped = |one: &Seen<'_>| {
                one.dropped_at(Forward) && one.decided_by(Filter, "cali-pri-profile-database", 1)
            };
            seen.iter().all(dropped)
        },
    )?])
}

fn database_is_open(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave2 = bench.slave2();
    let passing = passing_ingress(bench)?;
    let open = |seen: &[Seen<'_>]| seen[0].sent_by("cali0ef24b3");
    Ok(vec![
        bench.shoot(
            &slave2,
            "from a frontend",
            &[FRONTEND_TO_DATABASE],
            &|seen| open(seen),
        )?,
        bench.shoot(
            &passing,
            "from a frontend, where the policy passes it on",
            &[FRONTEND_TO_DATABASE],
            &|seen| open(seen),
        )?,
    ])
}

fn profile_is_asked(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave2 = bench.slave2();
    let udp_only = accepting_udp_only(&slave2)?;
    let from_database = "in=cali0ef24b3 tcp 172.16.1.3:40000 > 203.0.113.9:443";
    Ok(vec![
        bench.shoot(
            &slave2,
            "on the way in",
            &[
                FRONTEND_TO_DATABASE,
                "in=eth0 udp 192.168.40.50:40000 > 172.16.1.3:53",
            ],
            &|seen| {
                seen.iter()
                    .any(|one| one.enters(Filter, "cali-pri-profile-database"))
            },
        )?,
        bench.shoot(&slave2, "on the way out", &[from_database], &|seen| {
            seen[0].enters(Filter, "cali-pro-profile-database")
        })?,
        bench.shoot(
            &udp_only,
            "on the way out, of what the policy does not accept",
            &[from_database],
            &|seen| seen[0].enters(Filter, "cali-pro-profile-database"),
        )?,
    ])
}

fn c47(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let without = &bench.slave1.firewall.v4;
    let with = &bench.slave2.firewall.v4;
    let part = |says: &str, way: &str, profile: &str| {
        let plain = rules(without, &format!("cali-{way}-cali0ef24b1"));
        let profiled = format!("cali-{way}-cali0ef24b3");
        let longer = rules(with, &profiled);
        let two_more = longer.len() == plain.len() + 2;
        let jump = longer.get(5).map(|rule| &rule.target);
        let after = longer.get(6);
        let held = two_more
            && jump == Some(&Target::Jump(profile.to_owned()))
            && after.is_some_and(|rule| {
                let comment = "Return if profile accepted";
                rule.target == Target::Return && rule.comments().any(|one| one == comment)
            });
        let added = quoted(with, &profiled).into_iter().skip(5).take(2);
        by_rules(says, held, added.collect())
    };
    Ok(vec![
        part("on the way out", "fw", "cali-pro-profile-database"),
        part("on the way in", "tw", "cali-pri-profile-database"),
    ])
}

/// A stand whose policy's ingress has lost the rule that denies everything.
///
/// # Errors
///
/// [`Trouble::Fixture`] where the stand lacks the rule.
pub fn ingress_open(stand: &Stand) -> Result<Stand, Trouble> {
    stand.but(
        "the policy's first ingress rule is gone",
        &[Change::Remove(Filter, INGRESS, 1)],
    )
}

fn c48(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let open = ingress_open(&slave1)?;
    let shut = egress_denied(&open)?;
    let packet = ["in=cali0ef24b1 tcp 172.16.1.1:40000 > 172.16.1.2:80"];
    Ok(vec![
        bench.shoot(
            &slave1,
            "it visits both, and the receiver drops it",
            &packet,
            &|seen| {
                seen[0].endpoint_chains() == [FROM_OF_B1, "cali-tw-cali0ef24b2"]
                    && seen[0].dropped_at(Forward)
            },
        )?,
        bench.shoot(
            &open,
            "where both accept, it is delivered",
            &packet,
            &|seen| seen[0].sent_by("cali0ef24b2"),
        )?,
        bench.shoot(
            &shut,
            "where only the sender's denies, it is dropped",
            &packet,
            &|seen| seen[0].dropped_at(Forward) && seen[0].endpoint_chains() == [FROM_OF_B1],
        )?,
    ])
}
