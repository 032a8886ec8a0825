//! The node's own packets, and nat on the way out.

use std::net::{IpAddr, Ipv4Addr};

use crate::xtables::Hook::{Output, Postrouting};
use crate::xtables::Policy::Drop;
use crate::xtables::TableName::{Filter, Mangle, Nat, Raw};
use crate::xtables::Target;

use super::Outcome::{False, True};
use super::bench::{Bench, by_rules};
use super::forward::with_host_egress;
use super::marks::{self, ALL};
use super::paths::{WORKLOAD_ADDRESS, with_floating_address};
use super::seen::Seen;
use super::stand::{Change, Stand};
use super::{Claim, Kind, Part, Trouble};

/// The claims of this theme.
pub const CLAIMS: &[Claim] = &[
    Claim {
        id: "C59",
        kind: Kind::Packet,
        says: "Of the node's packets, cali-OUTPUT accepts the untracked that raw accepted, drops the \
               INVALID and accepts the ESTABLISHED.",
        expected: True,
        because: "",
        check: c59,
    },
    Claim {
        id: "C60",
        kind: Kind::Packet,
        says: "Of the others the marks are cleared, the host endpoints asked, and those accepted that \
               bear 0x1000000 then.",
        expected: True,
        because: "",
        check: c60,
    },
    Claim {
        id: "C61",
        kind: Kind::Packet,
        says: "What the node sends to its workload returns before: Calico does not police it.",
        expected: True,
        because: "",
        check: c61,
    },
    Claim {
        id: "C62",
        kind: Kind::Packet,
        says: "nat OUTPUT sends the node's packets to cali-fip-dnat.",
        expected: True,
        because: "",
        check: c62,
    },
    Claim {
        id: "C63",
        kind: Kind::Packet,
        says: "nat POSTROUTING asks cali-fip-snat, then cali-nat-outgoing; both are empty, so Calico \
               translates no source.",
        expected: True,
        because: "",
        check: c63,
    },
    Claim {
        id: "C64",
        kind: Kind::Packet,
        says: "What 172.16.163.0/24 sends by another interface than docker0 is masqueraded, and not by \
               Calico.",
        expected: True,
        because: "",
        check: c64,
    },
    Claim {
        id: "X13",
        kind: Kind::Packet,
        says: "What the node sends to a cali interface does not leave it, so no more need be matched.",
        expected: False,
        because: "the workload's ingress policy is skipped: it would have dropped the packet",
        check: x13,
    },
    Claim {
        id: "X20",
        kind: Kind::Static,
        says: "The rules listed are Calico's.",
        expected: False,
        because: "the jumps to DOCKER and the MASQUERADE are Docker's: they bear no hash",
        check: x20,
    },
];

const CHAIN: &str = "cali-OUTPUT";
const TO_ELSEWHERE: &str = "from=node tcp 192.168.40.11:40000 > 203.0.113.9:443";
const TO_WORKLOAD: &str = "from=node tcp 192.168.40.11:40000 > 172.16.1.1:80";
const NODE_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 40, 11));

fn closed(stand: &Stand) -> Result<Stand, Trouble> {
    let change = Change::Policy(Filter, "OUTPUT", Drop);
    stand.but("OUTPUT's policy is DROP", &[change])
}

/// Felix's chains of a host endpoint on eth0 with an untracked egress policy that accepts what goes
/// to 203.0.113.9 (felix 2.1.1, rules/endpoints.go).
const UNTRACKED_EGRESS: &str = "\
-A cali-to-host-endpoint -o eth0 -g cali-th-eth0
-A cali-th-eth0 -j cali-failsafe-out
-A cali-th-eth0 -j MARK --set-xmark 0x0/0x1000000
-A cali-th-eth0 -m comment --comment \"Start of policies\" -j MARK --set-xmark 0x0/0x2000000
-A cali-th-eth0 -m mark --mark 0x0/0x2000000 -j cali-po-untracked
-A cali-th-eth0 -m mark --mark 0x1000000/0x1000000 -j NOTRACK
-A cali-th-eth0 -m mark --mark 0x1000000/0x1000000 -j RETURN
-A cali-po-untracked -d 203.0.113.9/32 -j MARK --set-xmark 0x1000000/0x1000000
-A cali-po-untracked -m mark --mark 0x1000000/0x1000000 -j RETURN";

fn c59(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let shut = closed(&slave1)?;
    let untracked = shut.but(
        "an untracked policy of the host endpoint eth0 accepts what is sent to 203.0.113.9",
        &[Change::Last(Raw, UNTRACKED_EGRESS)],
    )?;
    Ok(vec![
        bench.shoot(&untracked, "the untracked", &[TO_ELSEWHERE], &|seen| {
            seen[0].decided_by(Filter, CHAIN, 1) && seen[0].sent_by("eth0")
        })?,
        bench.shoot(
            &slave1,
            "the INVALID",
            &["from=node tcp 192.168.40.11:40000 > 203.0.113.9:443 flags=SYN,ACK"],
            &|seen| seen[0].dropped_at(Output) && seen[0].decided_by(Filter, CHAIN, 2),
        )?,
        bench.shoot_with(
            &shut,
            "the ESTABLISHED",
            &["tcp 192.168.40.11:40001 > 203.0.113.9:443 replied"],
            &["from=node tcp 192.168.40.11:40001 > 203.0.113.9:443 flags=ACK"],
            &|seen| seen[0].sent_by("eth0"),
        )?,
    ])
}

fn c60(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let marked = bench.slave1().but(
        "mangle sets all three bits",
        &[Change::First(
            Mangle,
            "-A OUTPUT -j MARK --set-xmark 0x7000000/0x7000000",
        )],
    )?;
    let endpoint = with_host_egress(&closed(&marked)?)?;
    Ok(vec![
        bench.shoot(
            &marked,
            "without host endpoints they go on unmarked, and rule 7 does not match",
            &[TO_ELSEWHERE],
            &|seen| {
                seen[0].marked(Output, Filter, 0, ALL)
                    && seen[0].enters(Filter, "cali-to-host-endpoint")
                    && !seen[0].matched(Filter, CHAIN, 7)
                    && seen[0].sent_by("eth0")
            },
        )?,
        bench.shoot(
            &endpoint,
            "what a host endpoint accepts is accepted by rule 7",
            &[TO_ELSEWHERE],
            &|seen| seen[0].decided_by(Filter, CHAIN, 7) && seen[0].sent_by("eth0"),
        )?,
        bench.shoot(
            &endpoint,
            "what none accepts is not",
            &[
                "from=node tcp 192.168.40.11:40000 > 198.51.100.9:443",
                "from=node tcp 172.16.163.1:40000 > 172.16.163.9:80",
            ],
            &|seen| {
                let refused =
                    |one: &Seen<'_>| one.dropped_at(Output) && !one.matched(Filter, CHAIN, 7);
                seen.iter().all(refused)
            },
        )?,
    ])
}

fn c61(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let shut = closed(&slave1)?;
    let returned = |one: &Seen<'_>| {
        one.matched(Filter, CHAIN, 4)
            && !one.matched(Filter, CHAIN, 5)
            && one.endpoint_chains().is_empty()
    };
    Ok(vec![
        bench.shoot(&slave1, "it is delivered", &[TO_WORKLOAD], &|seen| {
            returned(&seen[0]) && seen[0].sent_by("cali0ef24b1")
        })?,
        bench.shoot(
            &shut,
            "OUTPUT's own policy decides on it",
            &[TO_WORKLOAD],
            &|seen| returned(&seen[0]) && seen[0].dropped_at(Output),
        )?,
    ])
}

fn c62(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let floating = with_floating_address(&slave1)?;
    Ok(vec![
        bench.shoot(
            &slave1,
            "it sends them there",
            &[TO_ELSEWHERE, TO_WORKLOAD],
            &|seen| seen.iter().all(|one| one.enters(Nat, "cali-fip-dnat")),
        )?,
        bench.shoot(
            &floating,
            "where a floating address is translated",
            &["from=node tcp 192.168.40.11:40000 > 192.168.40.100:80"],
            &|seen| seen[0].goes_to(Output, Nat, WORKLOAD_ADDRESS),
        )?,
    ])
}

fn c63(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    Ok(vec![bench.shoot(
        &slave1,
        "packets visit both, in this order, and leave with the source that they had",
        &[
            "in=cali0ef24b1 tcp 172.16.1.1:40000 > 203.0.113.9:443",
            TO_ELSEWHERE,
            "in=eth0 tcp 192.168.40.50:40000 > 172.16.163.9:80",
        ],
        &|seen| {
            seen.iter().all(|one| {
                let entered = one.entered();
                let outgoing: Vec<&str> = entered
                    .into_iter()
                    .filter(|(table, chain)| *table == Nat && !chain.ends_with("fip-dnat"))
                    .map(|(_, chain)| chain)
                    .skip_while(|chain| *chain != "cali-POSTROUTING")
                    .skip(1)
                    .collect();
                let same_source = one
                    .ends()
                    .is_some_and(|(first, last)| first.source == last.source);
                one.passes(Postrouting)
                    && same_source
                    && outgoing == ["cali-fip-snat", "cali-nat-outgoing"]
            })
        },
    )?])
}

fn c64(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let without = slave1.but(
        "nat POSTROUTING has no jump to Calico's chain",
        &[Change::Remove(Nat, "POSTROUTING", 1)],
    )?;
    let from_container = "in=docker0 tcp 172.16.163.9:40000 > 203.0.113.9:443";
    let masqueraded = |one: &Seen<'_>| {
        one.ends()
            .is_some_and(|(_, last)| last.source == NODE_ADDRESS)
    };
    let rules = bench.slave1.firewall.v4.rules();
    let masquerading: Vec<_> = rules
        .filter(|(_, rule)| matches!(rule.target, Target::Masquerade(_)))
        .map(|(id, rule)| (marks::quote(&id, rule), has_hash(rule)))
        .collect();
    let foreign = masquerading.len() == 1 && masquerading.iter().all(|(_, hash)| !hash);
    let quotes = masquerading.into_iter().map(|(id, _)| id).collect();
    Ok(vec![
        bench.shoot(&slave1, "it is", &[from_container], &|seen| {
            seen[0].sent_by("eth0") && masqueraded(&seen[0])
        })?,
        bench.shoot(
            &without,
            "it is without Calico's rules too",
            &[from_container],
            &|seen| seen[0].sent_by("eth0") && masqueraded(&seen[0]),
        )?,
        bench.shoot(
            &slave1,
            "what a workload sends is not, nor what leaves by docker0",
            &[
                "in=cali0ef24b1 tcp 172.16.1.1:40000 > 203.0.113.9:443",
                "in=docker0 tcp 172.16.163.9:40000 > 172.16.163.10:80",
            ],
            &|seen| !seen.iter().any(masqueraded),
        )?,
        by_rules("the only rule that does so bears no hash", foreign, quotes),
    ])
}

fn has_hash(rule: &crate::xtables::Rule) -> bool {
    rule.comments()
        .any(|comment| comment.starts_with(crate::hash::RULE_PREFIX))
}

fn x13(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    Ok(vec![bench.shoot(
        &slave1,
        "the node's packet to its workload fares as one from elsewhere does",
        &[
            TO_WORKLOAD,
            "in=eth0 tcp 192.168.40.50:40000 > 172.16.1.1:80",
        ],
        &|seen| seen[0].sent_by("cali0ef24b1") == seen[1].sent_by("cali0ef24b1"),
    )?])
}

fn x20(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = &bench.slave1;
    let listed = slave1.firewall.v4.rules();
    let foreign: Vec<String> = listed
        .filter(|(id, rule)| slave1.completion(id).is_none() && !has_hash(rule))
        .map(|(id, rule)| marks::quote(&id, rule))
        .collect();
    Ok(vec![by_rules(
        "every rule bears a hash",
        foreign.is_empty(),
        foreign,
    )])
}
