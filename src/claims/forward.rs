//! Packets through the node: cali-FORWARD.

use crate::xtables::Hook::Forward;
use crate::xtables::Policy::Drop;
use crate::xtables::TableName::Filter;

use super::Outcome::{False, InPart, True};
use super::bench::Bench;
use super::endpoint::ingress_open;
use super::input::{egress_denied, with_host_ingress};
use super::marks::{self, ACCEPT, ALL};
use super::seen::Seen;
use super::stand::{Change, Stand};
use super::{Claim, Kind, Part, Trouble};

/// The claims of this theme.
pub const CLAIMS: &[Claim] = &[
    Claim {
        id: "C49",
        kind: Kind::Packet,
        says: "An untracked packet that raw accepted is accepted by cali-FORWARD.",
        expected: True,
        because: "",
        check: c49,
    },
    Claim {
        id: "C50",
        kind: Kind::Packet,
        says: "Of all forwarded packets the INVALID are dropped, the RELATED and ESTABLISHED accepted.",
        expected: True,
        because: "",
        check: c50,
    },
    Claim {
        id: "C51",
        kind: Kind::Packet,
        says: "What comes by a workload's interface goes to cali-from-wl-dispatch, and returns.",
        expected: True,
        because: "",
        check: c51,
    },
    Claim {
        id: "C52",
        kind: Kind::Packet,
        says: "What leaves by a workload's interface goes to cali-to-wl-dispatch.",
        expected: True,
        because: "",
        check: c52,
    },
    Claim {
        id: "C53",
        kind: Kind::Packet,
        says: "What has been through both is accepted by the rules 6 and 7.",
        expected: True,
        because: "",
        check: c53,
    },
    Claim {
        id: "C54",
        kind: Kind::Packet,
        says: "A workload's packets never reach the host endpoints' rules 8 to 11.",
        expected: True,
        because: "",
        check: c54,
    },
    Claim {
        id: "C55",
        kind: Kind::Variant,
        says: "Of other packets the marks are cleared, the host endpoints of both sides asked, and those \
               accepted that bear 0x1000000 then.",
        expected: True,
        because: "",
        check: c55,
    },
    Claim {
        id: "C56",
        kind: Kind::Packet,
        says: "Without host endpoints, FORWARD's policy decides on what is in transit.",
        expected: True,
        because: "",
        check: c56,
    },
    Claim {
        id: "C57",
        kind: Kind::Variant,
        says: "Rule 9 asks the ingress of the host endpoint by which packets of other nodes come, rule 10 \
               the egress of the one by which packets leave.",
        expected: InPart,
        because: "only for what neither comes from a workload nor goes to one",
        check: c57,
    },
    Claim {
        id: "C58",
        kind: Kind::Variant,
        says: "What the ingress of one host endpoint accepted, the egress of the other decides anew.",
        expected: True,
        because: "",
        check: c58,
    },
    Claim {
        id: "X5",
        kind: Kind::Packet,
        says: "The rules 6 and 7 of cali-FORWARD allow forwarding by default.",
        expected: False,
        because: "they accept what the rules 4 and 5 let through, and those drop what no policy accepted",
        check: x5,
    },
    Claim {
        id: "X11",
        kind: Kind::Packet,
        says: "Packets from other nodes go through the host endpoint's ingress rules.",
        expected: False,
        because: "not those to a workload, which the rules 5 and 7 decide before",
        check: x11,
    },
];

const FROM_WORKLOAD: &str = "in=cali0ef24b1 tcp 172.16.1.1:40000 > 203.0.113.9:443";
const TO_WORKLOAD: &str = "in=eth0 tcp 172.16.1.3:40000 > 172.16.1.1:80";
const BETWEEN_WORKLOADS: &str = "in=cali0ef24b1 tcp 172.16.1.1:40000 > 172.16.1.2:80";
const TO_CONTAINER: &str = "in=eth0 tcp 192.168.40.50:40000 > 172.16.163.9:80";
const FROM_CONTAINER: &str = "in=docker0 tcp 172.16.163.9:40000 > 203.0.113.9:443";
const CHAIN: &str = "cali-FORWARD";

fn closed(stand: &Stand) -> Result<Stand, Trouble> {
    let change = Change::Policy(Filter, "FORWARD", Drop);
    stand.but("FORWARD's policy is DROP", &[change])
}

fn all_dropped(seen: &[Seen<'_>]) -> bool {
    seen.iter().all(|one| one.dropped_at(Forward))
}

fn c49(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let stand = closed(&marks::with_untracked_ingress(&bench.slave1())?)?;
    Ok(vec![
        bench.shoot(
            &stand,
            "it is accepted by the first rule, even where it goes to a workload",
            &[
                TO_CONTAINER,
                "in=eth0 tcp 192.168.40.50:40001 > 172.16.1.1:80",
            ],
            &|seen| {
                seen.iter().all(|one| one.decided_by(Filter, CHAIN, 1))
                    && seen[0].sent_by("docker0")
                    && seen[1].sent_by("cali0ef24b1")
            },
        )?,
        bench.shoot(
            &stand,
            "one that is only untracked is not",
            &["in=eth0 tcp 192.168.40.51:40000 > 172.16.163.9:80 untracked"],
            &|seen| !seen[0].matched(Filter, CHAIN, 1) && all_dropped(seen),
        )?,
    ])
}

fn c50(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let shut = closed(&slave1)?;
    Ok(vec![
        bench.shoot(
            &slave1,
            "the INVALID are dropped, to and from workloads and in transit",
            &[
                "in=cali0ef24b1 tcp 172.16.1.1:40000 > 203.0.113.9:443 flags=SYN,ACK",
                "in=eth0 tcp 203.0.113.9:443 > 172.16.1.1:40000 flags=RST",
                "in=docker0 tcp 172.16.163.9:40000 > 203.0.113.9:443 flags=FIN",
            ],
            &|seen| {
                let by_rule = |one: &Seen<'_>| one.decided_by(Filter, CHAIN, 2);
                all_dropped(seen) && seen.iter().all(by_rule)
            },
        )?,
        bench.shoot_with(
            &shut,
            "the others accepted, whatever policies say",
            &[
                "tcp 172.16.1.3:40001 > 172.16.1.1:80 replied",
                "tcp 192.168.40.50:40001 > 172.16.163.9:80 replied",
                "udp 172.16.1.1:5000 > 203.0.113.9:53 unreplied",
            ],
            &[
                "in=eth0 tcp 172.16.1.3:40001 > 172.16.1.1:80 flags=ACK",
                "in=eth0 tcp 192.168.40.50:40001 > 172.16.163.9:80 flags=ACK",
                "in=eth0 icmp 203.0.113.9 > 172.16.1.1 type=3/3 \
                 quotes=(udp 172.16.1.1:5000 > 203.0.113.9:53)",
            ],
            &|seen| {
                seen[0].sent_by("cali0ef24b1")
                    && seen[1].sent_by("docker0")
                    && seen[2].sent_by("cali0ef24b1")
            },
        )?,
    ])
}

fn c51(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    Ok(vec![bench.shoot(
        &slave1,
        "rule 4 sends it there, and a later rule of cali-FORWARD sees it again",
        &[FROM_WORKLOAD],
        &|seen| {
            seen[0].matched(Filter, CHAIN, 4)
                && seen[0].enters(Filter, "cali-from-wl-dispatch")
                && seen[0].decided_by(Filter, CHAIN, 6)
        },
    )?])
}

fn c52(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    Ok(vec![bench.shoot(
        &slave1,
        "rule 5 sends it there",
        &[TO_WORKLOAD, BETWEEN_WORKLOADS],
        &|seen| {
            let sent = |one: &Seen<'_>| {
                one.matched(Filter, CHAIN, 5) && one.enters(Filter, "cali-to-wl-dispatch")
            };
            seen.iter().all(sent)
        },
    )?])
}

fn c53(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let shut = closed(&bench.slave1())?;
    let open = ingress_open(&shut)?;
    Ok(vec![
        bench.shoot(
            &shut,
            "what comes from a workload, by rule 6",
            &[FROM_WORKLOAD],
            &|seen| seen[0].decided_by(Filter, CHAIN, 6) && seen[0].sent_by("eth0"),
        )?,
        bench.shoot(
            &open,
            "what goes to one, by rule 7",
            &[TO_WORKLOAD],
            &|seen| seen[0].decided_by(Filter, CHAIN, 7) && seen[0].sent_by("cali0ef24b1"),
        )?,
    ])
}

fn c54(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let open = ingress_open(&slave1)?;
    let reaches = |one: &Seen<'_>| (8..=11).any(|rule| one.matched(Filter, CHAIN, rule));
    let packets = [FROM_WORKLOAD, TO_WORKLOAD, BETWEEN_WORKLOADS];
    Ok(vec![
        bench.shoot(
            &slave1,
            "neither where they are dropped",
            &packets,
            &|seen| !seen.iter().any(reaches),
        )?,
        bench.shoot(&open, "nor where they are accepted", &packets, &|seen| {
            !seen.iter().any(reaches)
        })?,
        bench.shoot(
            &slave1,
            "others do",
            &[TO_CONTAINER, FROM_CONTAINER],
            &|seen| seen.iter().all(reaches),
        )?,
    ])
}

/// Felix's chains of a host endpoint on eth0 whose egress policy accepts what goes to 203.0.113.0/24
/// (felix 2.1.1, rules/endpoints.go).
const HOST_EGRESS: &str = "\
-A cali-to-host-endpoint -o eth0 -g cali-th-eth0
-A cali-th-eth0 -j cali-failsafe-out
-A cali-th-eth0 -j MARK --set-xmark 0x0/0x1000000
-A cali-th-eth0 -m comment --comment \"Start of policies\" -j MARK --set-xmark 0x0/0x2000000
-A cali-th-eth0 -m mark --mark 0x0/0x2000000 -j cali-po-host
-A cali-th-eth0 -m mark --mark 0x1000000/0x1000000 -j RETURN
-A cali-th-eth0 -m mark --mark 0x0/0x2000000 -j DROP
-A cali-th-eth0 -j DROP
-A cali-po-host -d 203.0.113.0/24 -j MARK --set-xmark 0x1000000/0x1000000
-A cali-po-host -m mark --mark 0x1000000/0x1000000 -j RETURN";

/// A stand whose eth0 is a host endpoint with an egress policy.
///
/// # Errors
///
/// [`Trouble::Fixture`] where the stand lacks the chains that this fills.
pub fn with_host_egress(stand: &Stand) -> Result<Stand, Trouble> {
    stand.but(
        "the host endpoint eth0 accepts what is sent to 203.0.113.0/24",
        &[Change::Last(Filter, HOST_EGRESS)],
    )
}

fn with_host_endpoint(bench: &Bench<'_>) -> Result<Stand, Trouble> {
    with_host_egress(&with_host_ingress(&closed(&bench.slave1())?)?)
}

fn c55(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let stand = with_host_endpoint(bench)?;
    Ok(vec![
        bench.shoot(
            &stand,
            "one that a host endpoint accepts is accepted by rule 11",
            &[TO_CONTAINER, FROM_CONTAINER],
            &|seen| {
                let asked = |one: &Seen<'_>| (8..=11).all(|rule| one.matched(Filter, CHAIN, rule));
                seen.iter().all(asked) && seen[0].sent_by("docker0") && seen[1].sent_by("eth0")
            },
        )?,
        bench.shoot(
            &stand,
            "one that none accepts is not",
            &[
                "in=docker0 tcp 172.16.163.9:40000 > 172.16.163.10:80",
                "in=eth0 tcp 192.168.40.51:40000 > 172.16.163.9:80",
            ],
            &|seen| all_dropped(seen) && !seen.iter().any(|one| one.matched(Filter, CHAIN, 11)),
        )?,
    ])
}

fn c56(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let shut = closed(&slave1)?;
    let packets = [TO_CONTAINER, FROM_CONTAINER];
    Ok(vec![
        bench.shoot(&slave1, "by ACCEPT, unmarked", &packets, &|seen| {
            let unmarked = |one: &Seen<'_>| one.marked(Forward, Filter, 0, ALL);
            seen.iter().all(unmarked) && seen[0].sent_by("docker0") && seen[1].sent_by("eth0")
        })?,
        bench.shoot(&shut, "by DROP", &packets, &|seen| all_dropped(seen))?,
    ])
}

fn c57(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let stand = with_host_endpoint(bench)?;
    Ok(vec![
        bench.shoot(
            &stand,
            "rule 9 does for what comes to a container",
            &[TO_CONTAINER],
            &|seen| seen[0].matched(Filter, CHAIN, 9) && seen[0].enters(Filter, "cali-fh-eth0"),
        )?,
        bench.shoot(
            &stand,
            "rule 10 for what a container sends",
            &[FROM_CONTAINER],
            &|seen| seen[0].matched(Filter, CHAIN, 10) && seen[0].enters(Filter, "cali-th-eth0"),
        )?,
        bench.shoot(
            &stand,
            "rule 9 does for what comes to a workload",
            &[TO_WORKLOAD],
            &|seen| seen[0].enters(Filter, "cali-fh-eth0"),
        )?,
        bench.shoot(
            &stand,
            "rule 10 does for what a workload sends",
            &[FROM_WORKLOAD],
            &|seen| seen[0].enters(Filter, "cali-th-eth0"),
        )?,
    ])
}

fn c58(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let stand = with_host_endpoint(bench)?;
    let accepted = |one: &Seen<'_>| one.matched(Filter, "cali-fh-eth0", 5);
    let cleared = |one: &Seen<'_>| {
        let before = |rule| {
            one.step(Filter, "cali-th-eth0", rule)
                .map(|step| step.before.0)
        };
        before(2).is_some_and(|mark| mark & ACCEPT != 0)
            && before(3).is_some_and(|mark| mark & ACCEPT == 0)
    };
    Ok(vec![
        bench.shoot(
            &stand,
            "what the egress accepts too is accepted",
            &["in=eth0 tcp 192.168.40.50:40000 > 203.0.113.9:443"],
            &|seen| accepted(&seen[0]) && cleared(&seen[0]) && seen[0].sent_by("eth0"),
        )?,
        bench.shoot(
            &stand,
            "what it does not is dropped",
            &["in=eth0 tcp 192.168.40.50:40000 > 198.51.100.9:443"],
            &|seen| accepted(&seen[0]) && cleared(&seen[0]) && all_dropped(seen),
        )?,
        bench.shoot(
            &stand,
            "where the other side has no endpoint, the ingress has decided",
            &[TO_CONTAINER],
            &|seen| accepted(&seen[0]) && seen[0].sent_by("docker0"),
        )?,
    ])
}

fn x5(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let denied = egress_denied(&slave1)?;
    Ok(vec![
        bench.shoot(
            &denied,
            "what a workload sends and no policy accepts is forwarded",
            &[FROM_WORKLOAD],
            &|seen| seen[0].sent_by("eth0"),
        )?,
        bench.shoot(
            &slave1,
            "what is sent to a workload and no policy accepts is forwarded",
            &[TO_WORKLOAD],
            &|seen| seen[0].sent_by("cali0ef24b1"),
        )?,
    ])
}

fn x11(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let open = ingress_open(&slave1)?;
    let asked = |one: &Seen<'_>| one.matched(Filter, CHAIN, 9);
    Ok(vec![
        bench.shoot(
            &slave1,
            "one to a workload that drops it",
            &[TO_WORKLOAD],
            &|seen| asked(&seen[0]),
        )?,
        bench.shoot(
            &open,
            "one to a workload that accepts it",
            &[TO_WORKLOAD],
            &|seen| asked(&seen[0]),
        )?,
    ])
}
