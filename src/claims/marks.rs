//! What the three bits of the mark mean.

use crate::mark::Mark;
use crate::xtables::Hook::{Forward, Input, Output, Prerouting};
use crate::xtables::TableName::{Filter, Raw};
use crate::xtables::{Match, Rule, RuleId, Target, save};

use super::Outcome::{False, True};
use super::bench::{Bench, by_rules};
use super::seen::Seen;
use super::stand::{Change, Stand};
use super::{Claim, Kind, Part, Trouble};

/// The bit that says: accepted.
pub const ACCEPT: u32 = 0x100_0000;
/// The bit that says: passed on to the next tier or the profiles.
pub const PASS: u32 = 0x200_0000;
/// The bit that says: came by a workload's interface.
pub const WORKLOAD: u32 = 0x400_0000;
/// All three.
pub const ALL: u32 = ACCEPT | PASS | WORKLOAD;

/// The claims of this theme.
pub const CLAIMS: &[Claim] = &[
    Claim {
        id: "C1",
        kind: Kind::Static,
        says: "Three bits of the mark are used, together 0x7000000.",
        expected: True,
        because: "",
        check: c1,
    },
    Claim {
        id: "C2",
        kind: Kind::Packet,
        says: "The bit 0x1000000 says that the packet is accepted.",
        expected: True,
        because: "",
        check: c2,
    },
    Claim {
        id: "C3",
        kind: Kind::Static,
        says: "The bit 0x2000000 belongs to the checking of policies.",
        expected: True,
        because: "",
        check: c3,
    },
    Claim {
        id: "C4",
        kind: Kind::Packet,
        says: "The bit 0x4000000 says that the packet comes from a host endpoint.",
        expected: False,
        because: "it is set for packets that come by a workload's interface, and for no others",
        check: from_host_endpoint,
    },
    Claim {
        id: "C5",
        kind: Kind::Packet,
        says: "Without the bit 0x1000000 a packet is denied.",
        expected: False,
        because: "0 is undecided: such packets fall through to the built-in chain's policy",
        check: zero_is_denied,
    },
    Claim {
        id: "C6",
        kind: Kind::Packet,
        says: "raw PREROUTING clears all three bits first, and leaves the other 29 alone.",
        expected: True,
        because: "",
        check: c6,
    },
    Claim {
        id: "C7",
        kind: Kind::Packet,
        says: "0x4000000 is set if and only if the packet comes by an interface named cali….",
        expected: True,
        because: "",
        check: c7,
    },
    Claim {
        id: "C8",
        kind: Kind::Packet,
        says: "Packets without 0x4000000 visit cali-from-host-endpoint in raw, those with it never do.",
        expected: True,
        because: "",
        check: c8,
    },
    Claim {
        id: "C9",
        kind: Kind::Variant,
        says: "raw accepts a packet if and only if that chain set 0x1000000; where it is empty, never.",
        expected: True,
        because: "",
        check: c9,
    },
    Claim {
        id: "X1",
        kind: Kind::Packet,
        says: "0x4000000 = 1: the packet's source is a host endpoint.",
        expected: False,
        because: "the rule that sets it matches `-i cali+`, and the next one sends packets without it \
                  to the host endpoints",
        check: from_host_endpoint,
    },
    Claim {
        id: "X2",
        kind: Kind::Packet,
        says: "0x1000000 = 0, the default, means deny.",
        expected: False,
        because: "with the mark 0 packets reach the end of INPUT, FORWARD and OUTPUT and go on",
        check: zero_is_denied,
    },
    Claim {
        id: "X3",
        kind: Kind::Packet,
        says: "0x2000000 = 1: the packet has been through the checking of policies.",
        expected: False,
        because: "only an explicit `pass` sets it; checked packets don't bear it, and where no policy \
                  decided, its absence means drop",
        check: x3,
    },
];

/// A rule's place and text, to be quoted.
#[must_use]
pub fn quote(id: &RuleId, rule: &Rule) -> String {
    format!("{id}: {}", save::print_rule(&id.chain, rule, id.family))
}

fn bits(rule: &Rule) -> u32 {
    let tested = rule.matches.iter().map(|one| match one {
        Match::Mark(mark) => mark.value.mask,
        _ => 0,
    });
    let written = match rule.target {
        Target::Mark(xmark) => xmark.mask | xmark.value,
        _ => 0,
    };
    tested.fold(written, |all, one| all | one)
}

fn c1(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let nodes = [&bench.slave1, &bench.slave2];
    let marking: Vec<(RuleId, &Rule)> = nodes
        .into_iter()
        .flat_map(|node| node.firewall.v4.rules())
        .filter(|(_, rule)| bits(rule) != 0)
        .collect();
    let union = marking.iter().fold(0, |all, (_, rule)| all | bits(rule));
    let used: Vec<u32> = (0..32)
        .map(|bit| 1 << bit)
        .filter(|bit| union & bit != 0)
        .collect();
    let quotes = vec![format!("{} rules test or write {union:#x}", marking.len())];
    Ok(vec![
        by_rules("three bits are used", used.len() == 3, quotes.clone()),
        by_rules("they are 0x7000000", union == ALL, quotes),
    ])
}

fn c2(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let some = slave1.but(
        "the policy's egress accepts UDP only",
        &[Change::Replace(
            Filter,
            "cali-po-namespace-default",
            1,
            "-A cali-po-namespace-default -p udp -j MARK --set-xmark 0x1000000/0x1000000",
        )],
    )?;
    Ok(vec![bench.shoot(
        &some,
        "a packet that the policy accepts bears it and goes on, another is dropped",
        &[
            "in=cali0ef24b1 udp 172.16.1.1:40000 > 203.0.113.9:4000",
            "in=cali0ef24b1 tcp 172.16.1.1:40000 > 203.0.113.9:443",
        ],
        &|seen| {
            seen[0].marked(Forward, Filter, ACCEPT, ACCEPT)
                && seen[0].sent_by("eth0")
                && seen[1].dropped_at(Forward)
        },
    )?])
}

fn c3(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let rules: Vec<(RuleId, &Rule)> = bench.slave2.firewall.v4.rules().collect();
    let commented = |rule: &Rule, comment: &str| rule.comments().any(|one| one == comment);
    let all_of = |comment: &str, right: &dyn Fn(&Rule) -> bool| {
        let mut some = rules
            .iter()
            .filter(|(_, rule)| commented(rule, comment))
            .peekable();
        some.peek().is_some() && some.all(|(_, rule)| right(rule))
    };
    let quoted = |comment: &str| -> Vec<String> {
        let some = rules.iter().filter(|(_, rule)| commented(rule, comment));
        some.map(|(id, rule)| quote(id, rule)).collect()
    };
    let start = "Start of policies";
    let end = "Drop if no policies passed packet";
    let clears = |rule: &Rule| matches!(&rule.target, Target::Mark(mark) if mark.mask == PASS && mark.value == 0);
    let asks = |rule: &Rule| bits(rule) == PASS && rule.target == Target::Drop;
    Ok(vec![
        by_rules(
            "it is cleared where policies begin",
            all_of(start, &clears),
            quoted(start),
        ),
        by_rules(
            "where policies end it is asked for",
            all_of(end, &asks),
            quoted(end),
        ),
    ])
}

const HOST_TO_NODE: &str = "in=eth0 tcp 192.168.40.50:40000 > 192.168.40.11:22";
const WORKLOAD_TO_NODE: &str = "in=cali0ef24b1 tcp 172.16.1.1:40000 > 192.168.40.11:22";

fn from_host_endpoint(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    Ok(vec![
        bench.shoot(
            &slave1,
            "a packet that comes by the host's interface bears it",
            &[HOST_TO_NODE],
            &|seen| seen[0].marked(Prerouting, Raw, WORKLOAD, WORKLOAD),
        )?,
        bench.shoot(
            &slave1,
            "a packet that comes by a workload's interface does not",
            &[WORKLOAD_TO_NODE],
            &|seen| seen[0].marked(Prerouting, Raw, 0, WORKLOAD),
        )?,
    ])
}

fn zero_is_denied(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let denied = |seen: &[Seen<'_>]| seen.iter().all(|one| !one.local() && !one.sent_by("eth0"));
    let unmarked_goes_on = |seen: &Seen<'_>, hook| {
        seen.marked(hook, Filter, 0, ALL) && (seen.local() || !seen.dropped_at(hook))
    };
    Ok(vec![
        bench.shoot(
            &slave1,
            "a packet to the node whose mark is 0 is denied",
            &[HOST_TO_NODE],
            &|seen| denied(seen) || !unmarked_goes_on(&seen[0], Input),
        )?,
        bench.shoot(
            &slave1,
            "a packet in transit whose mark is 0 is denied",
            &["in=docker0 tcp 172.16.163.9:40000 > 203.0.113.9:443"],
            &|seen| denied(seen) || !unmarked_goes_on(&seen[0], Forward),
        )?,
        bench.shoot(
            &slave1,
            "a packet of the node to its workload whose mark is 0 is denied",
            &["from=node tcp 192.168.40.11:40000 > 172.16.1.1:80"],
            &|seen| !seen[0].sent_by("cali0ef24b1") || !unmarked_goes_on(&seen[0], Output),
        )?,
    ])
}

fn c6(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let cleared = |seen: &[Seen<'_>], expected: &[u32]| {
        let marks = seen.iter().map(|one| one.mark_after(Prerouting, Raw));
        marks.eq(expected.iter().map(|mark| Some(Mark(*mark))))
    };
    Ok(vec![
        bench.shoot(
            &slave1,
            "of a packet from the host's side the three bits are gone, the others stay",
            &[
                "in=eth0 tcp 192.168.40.50:40000 > 192.168.40.11:22 mark=0xffffffff",
                "in=eth0 udp 192.168.40.50:40001 > 192.168.40.11:53 mark=0x1000000",
                "in=eth0 udp 192.168.40.50:40002 > 192.168.40.11:53 mark=0x2000001",
                "in=eth0 udp 192.168.40.50:40003 > 172.16.1.1:53 mark=0x4000000",
                "in=eth0 udp 192.168.40.50:40004 > 172.16.1.1:53 mark=0x8800000",
                "in=eth0 tcp [fd00:192:168:40::50]:40000 > [fd00:192:168:40::11]:22 mark=0xffffffff",
            ],
            &|seen| cleared(seen, &[0xf8ff_ffff, 0, 1, 0, 0x880_0000, 0xf8ff_ffff]),
        )?,
        bench.shoot(
            &slave1,
            "of a workload's packet they are gone too, before 0x4000000 is set anew",
            &["in=cali0ef24b1 tcp 172.16.1.1:40000 > 203.0.113.9:443 mark=0x3000008"],
            &|seen| cleared(seen, &[0x400_0008]),
        )?,
    ])
}

/// The node slave1 with an interface named `cali…` that no endpoint has.
///
/// # Errors
///
/// None in fact: its words are constant.
pub fn with_stray(stand: &Stand) -> Result<Stand, Trouble> {
    stand.with_interface("cali0ef24bf", "172.16.1.15/32")
}

fn c7(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = with_stray(&bench.slave1())?;
    Ok(vec![
        bench.shoot(
            &slave1,
            "it is set for every packet by an interface whose name begins so",
            &[
                "in=cali0ef24b1 tcp 172.16.1.1:40000 > 203.0.113.9:443",
                "in=cali0ef24b2 udp 172.16.1.2:40000 > 192.168.40.11:53",
                "in=cali0ef24bf tcp 172.16.1.15:40000 > 203.0.113.9:443",
            ],
            &|seen| {
                seen.iter()
                    .all(|one| one.marked(Prerouting, Raw, WORKLOAD, WORKLOAD))
            },
        )?,
        bench.shoot(
            &slave1,
            "it is set for no other, even where the packet brings it along",
            &[
                "in=eth0 tcp 192.168.40.50:40000 > 192.168.40.11:22",
                "in=docker0 tcp 172.16.163.9:40000 > 203.0.113.9:443",
                "in=eth0 tcp 192.168.40.50:40001 > 192.168.40.11:22 mark=0x4000000",
            ],
            &|seen| {
                seen.iter()
                    .all(|one| one.marked(Prerouting, Raw, 0, WORKLOAD))
            },
        )?,
        bench.shoot(
            &slave1,
            "it is not set for the node's own packets",
            &["from=node tcp 192.168.40.11:40000 > 203.0.113.9:443 mark=0x4000000"],
            &|seen| seen[0].marked(Output, Filter, 0, WORKLOAD),
        )?,
    ])
}

fn c8(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let visits = |seen: &Seen<'_>| seen.enters(Raw, "cali-from-host-endpoint");
    Ok(vec![
        bench.shoot(
            &slave1,
            "packets without it are sent there",
            &[
                HOST_TO_NODE,
                "in=docker0 tcp 172.16.163.9:40000 > 203.0.113.9:443",
            ],
            &|seen| seen.iter().all(visits),
        )?,
        bench.shoot(
            &slave1,
            "packets with it are not",
            &[
                WORKLOAD_TO_NODE,
                "in=cali0ef24b2 tcp 172.16.1.2:40000 > 203.0.113.9:443",
            ],
            &|seen| !seen.iter().any(visits),
        )?,
    ])
}

/// Felix's chains of a host endpoint on eth0 with an untracked ingress policy that accepts what
/// 192.168.40.50 sends (felix 2.1.1, rules/endpoints.go).
const UNTRACKED_INGRESS: &str = "\
-A cali-from-host-endpoint -i eth0 -g cali-fh-eth0
-A cali-fh-eth0 -j cali-failsafe-in
-A cali-fh-eth0 -j MARK --set-xmark 0x0/0x1000000
-A cali-fh-eth0 -m comment --comment \"Start of policies\" -j MARK --set-xmark 0x0/0x2000000
-A cali-fh-eth0 -m mark --mark 0x0/0x2000000 -j cali-pi-untracked
-A cali-fh-eth0 -m mark --mark 0x1000000/0x1000000 -j NOTRACK
-A cali-fh-eth0 -m mark --mark 0x1000000/0x1000000 -j RETURN
-A cali-pi-untracked -s 192.168.40.50/32 -j MARK --set-xmark 0x1000000/0x1000000
-A cali-pi-untracked -m mark --mark 0x1000000/0x1000000 -j RETURN";

/// A stand whose eth0 is a host endpoint with an untracked ingress policy.
///
/// # Errors
///
/// [`Trouble::Fixture`] where the stand lacks the chains that this fills.
pub fn with_untracked_ingress(stand: &Stand) -> Result<Stand, Trouble> {
    stand.but(
        "an untracked policy of the host endpoint eth0 accepts what 192.168.40.50 sends",
        &[Change::Last(Raw, UNTRACKED_INGRESS)],
    )
}

fn c9(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let filled = with_untracked_ingress(&slave1)?;
    let accepted = |seen: &Seen<'_>| seen.matched(Raw, "cali-PREROUTING", 4);
    Ok(vec![
        bench.shoot(
            &filled,
            "a packet that the chain marks is accepted by raw, another is not",
            &[
                "in=eth0 tcp 192.168.40.50:40000 > 192.168.40.11:80",
                "in=eth0 tcp 192.168.40.51:40000 > 192.168.40.11:80",
                "in=cali0ef24b1 tcp 172.16.1.1:40000 > 192.168.40.11:80",
            ],
            &|seen| {
                seen[0].marked(Prerouting, Raw, ACCEPT, ACCEPT)
                    && accepted(&seen[0])
                    && seen[1..]
                        .iter()
                        .all(|one| one.marked(Prerouting, Raw, 0, ACCEPT) && !accepted(one))
            },
        )?,
        bench.shoot(
            &slave1,
            "with the chain empty none is",
            &[
                "in=eth0 tcp 192.168.40.50:40000 > 192.168.40.11:80",
                "in=eth0 tcp 192.168.40.50:40001 > 192.168.40.11:80 mark=0x1000000",
                "in=cali0ef24b1 tcp 172.16.1.1:40000 > 192.168.40.11:80 mark=0x1000000",
            ],
            &|seen| !seen.iter().any(accepted),
        )?,
    ])
}

fn x3(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    Ok(vec![bench.shoot(
        &slave1,
        "a packet that the policy has checked and accepted bears it",
        &["in=cali0ef24b1 tcp 172.16.1.1:40000 > 203.0.113.9:443"],
        &|seen| {
            !seen[0].enters(Filter, "cali-po-namespace-default")
                || seen[0].marked(Forward, Filter, PASS, PASS)
        },
    )?])
}
