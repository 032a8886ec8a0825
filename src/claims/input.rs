//! Packets to the node: cali-INPUT and cali-wl-to-host.

use crate::xtables::Hook::{Forward, Input};
use crate::xtables::Policy::Drop;
use crate::xtables::TableName::{Filter, Mangle};

use super::Outcome::{False, InPart, True};
use super::bench::Bench;
use super::marks::{self, ACCEPT, ALL};
use super::seen::Seen;
use super::stand::{Change, Stand};
use super::{Claim, Kind, Part, Trouble};

/// The claims of this theme.
pub const CLAIMS: &[Claim] = &[
    Claim {
        id: "C21",
        kind: Kind::Variant,
        says: "An untracked packet that raw accepted is accepted by cali-INPUT.",
        expected: True,
        because: "",
        check: c21,
    },
    Claim {
        id: "C22",
        kind: Kind::Packet,
        says: "Every INVALID packet to the node is dropped, Calico's business or not.",
        expected: True,
        because: "",
        check: c22,
    },
    Claim {
        id: "C23",
        kind: Kind::Packet,
        says: "RELATED and ESTABLISHED packets are accepted whatever any policy says.",
        expected: True,
        because: "",
        check: c23,
    },
    Claim {
        id: "C24",
        kind: Kind::Packet,
        says: "A workload's packet goes to cali-wl-to-host for good: from there it returns to INPUT, not \
               to cali-INPUT.",
        expected: True,
        because: "",
        check: c24,
    },
    Claim {
        id: "C25",
        kind: Kind::Packet,
        says: "Of other packets the marks are cleared, the host endpoints are asked, and what they \
               don't accept falls through to the built-in chain.",
        expected: True,
        because: "",
        check: c25,
    },
    Claim {
        id: "C26",
        kind: Kind::Packet,
        says: "With cali-from-host-endpoint empty, the built-in chain's policy decides on every new \
               packet to the node.",
        expected: InPart,
        because: "not on a workload's DHCP and DNS, which cali-wl-to-host accepts, nor on what its \
                  egress policy drops",
        check: c26,
    },
    Claim {
        id: "C27",
        kind: Kind::Packet,
        says: "A workload's DHCP request to the node is accepted whatever its egress policy says.",
        expected: True,
        because: "",
        check: c27,
    },
    Claim {
        id: "C28",
        kind: Kind::Packet,
        says: "So is its DNS request by UDP; by TCP it is not.",
        expected: True,
        because: "",
        check: c28,
    },
    Claim {
        id: "C29",
        kind: Kind::Packet,
        says: "Its other packets pass its egress policies, then its profile.",
        expected: InPart,
        because: "the profile only where a policy passed the packet on, or where there is none",
        check: c29,
    },
    Claim {
        id: "C30",
        kind: Kind::Packet,
        says: "What its policies accept is not accepted yet: the rest of INPUT decides.",
        expected: True,
        because: "",
        check: c30,
    },
    Claim {
        id: "C31",
        kind: Kind::Packet,
        says: "What comes by a cali interface without an endpoint is dropped as `Unknown interface`.",
        expected: InPart,
        because: "not DHCP, DNS and established packets, which earlier rules accept",
        check: c31,
    },
    Claim {
        id: "X18",
        kind: Kind::Packet,
        says: "The rules 1 and 2 of cali-wl-to-host allow DHCP and DNS requests.",
        expected: False,
        because: "only by UDP and only to the node itself; to anywhere else, and by TCP, the egress \
                  policy decides",
        check: x18,
    },
];

const FROM_HOST: &str = "in=eth0 tcp 192.168.40.50:40000 > 192.168.40.11:80";
const FROM_WORKLOAD: &str = "in=cali0ef24b1 tcp 172.16.1.1:40000 > 192.168.40.11:80";
const DHCP: &str = "in=cali0ef24b1 udp 172.16.1.1:68 > 192.168.40.11:67";
const DNS: &str = "in=cali0ef24b1 udp 172.16.1.1:40000 > 192.168.40.11:53";
const DNS_BY_TCP: &str = "in=cali0ef24b1 tcp 172.16.1.1:40000 > 192.168.40.11:53";

fn closed(stand: &Stand) -> Result<Stand, Trouble> {
    let change = Change::Policy(Filter, "INPUT", Drop);
    stand.but("INPUT's policy is DROP", &[change])
}

/// A stand whose policy's egress rule denies everything.
///
/// # Errors
///
/// [`Trouble::Fixture`] where the stand lacks the rule that this changes.
pub fn egress_denied(stand: &Stand) -> Result<Stand, Trouble> {
    stand.but(
        "the policy's egress rule is deny",
        &[Change::Replace(
            Filter,
            "cali-po-namespace-default",
            1,
            "-A cali-po-namespace-default -j DROP",
        )],
    )
}

fn all_local(seen: &[Seen<'_>]) -> bool {
    seen.iter().all(Seen::local)
}

fn all_dropped(seen: &[Seen<'_>]) -> bool {
    seen.iter().all(|one| one.dropped_at(Input))
}

fn c21(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let stand = closed(&marks::with_untracked_ingress(&bench.slave1())?)?;
    Ok(vec![
        bench.shoot(
            &stand,
            "it is accepted by the first rule",
            &[FROM_HOST],
            &|seen| seen[0].local() && seen[0].decided_by(Filter, "cali-INPUT", 1),
        )?,
        bench.shoot(
            &stand,
            "one that is only untracked is not",
            &["in=eth0 tcp 192.168.40.51:40000 > 192.168.40.11:80 untracked"],
            &|seen| !seen[0].matched(Filter, "cali-INPUT", 1) && all_dropped(seen),
        )?,
    ])
}

fn c22(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    Ok(vec![bench.shoot(
        &slave1,
        "from other hosts, Docker's containers and workloads alike",
        &[
            "in=eth0 tcp 192.168.40.50:40000 > 192.168.40.11:80 flags=SYN,ACK",
            "in=docker0 tcp 172.16.163.9:40000 > 172.16.163.1:80 flags=FIN",
            "in=cali0ef24b1 tcp 172.16.1.1:40000 > 192.168.40.11:80 flags=RST",
            "in=eth0 icmp 192.168.40.50 > 192.168.40.11 type=0/0 id=7",
        ],
        &|seen| {
            let by_rule = |one: &Seen<'_>| one.decided_by(Filter, "cali-INPUT", 2);
            all_dropped(seen) && seen.iter().all(by_rule)
        },
    )?])
}

fn c23(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let stand = closed(&egress_denied(&bench.slave1())?)?;
    Ok(vec![
        bench.shoot_with(
            &stand,
            "they are accepted",
            &[
                "tcp 192.168.40.50:40001 > 192.168.40.11:80 replied",
                "tcp 172.16.1.1:40001 > 192.168.40.11:80 replied",
                "udp 192.168.40.11:5000 > 192.168.40.50:53 unreplied",
            ],
            &[
                "in=eth0 tcp 192.168.40.50:40001 > 192.168.40.11:80 flags=ACK",
                "in=cali0ef24b1 tcp 172.16.1.1:40001 > 192.168.40.11:80 flags=ACK",
                "in=eth0 icmp 192.168.40.50 > 192.168.40.11 type=3/3 \
                 quotes=(udp 192.168.40.11:5000 > 192.168.40.50:53)",
            ],
            &|seen| all_local(seen),
        )?,
        bench.shoot(
            &stand,
            "new ones there are not",
            &[FROM_HOST, FROM_WORKLOAD],
            &|seen| all_dropped(seen),
        )?,
    ])
}

fn c24(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let stand = bench.slave1().but(
        "a rule behind the jump to cali-INPUT sets 0x1",
        &[Change::Last(Filter, "-A INPUT -j MARK --set-xmark 0x1/0x1")],
    )?;
    Ok(vec![
        bench.shoot(
            &stand,
            "it meets none of cali-INPUT's rules 5 to 7",
            &[FROM_WORKLOAD],
            &|seen| {
                seen[0].enters(Filter, "cali-wl-to-host")
                    && !(5..=7).any(|rule| seen[0].matched(Filter, "cali-INPUT", rule))
                    && seen[0].marked(Input, Filter, ACCEPT, ACCEPT)
            },
        )?,
        bench.shoot(
            &stand,
            "it meets the rule behind the jump",
            &[FROM_WORKLOAD],
            &|seen| seen[0].marked(Input, Filter, 0x1, 0x1) && all_local(seen),
        )?,
    ])
}

fn c25(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let marked = bench.slave1().but(
        "mangle sets all three bits",
        &[Change::First(
            Mangle,
            "-A INPUT -j MARK --set-xmark 0x7000000/0x7000000",
        )],
    )?;
    let shut = closed(&marked)?;
    let asked = |one: &Seen<'_>| {
        one.enters(Filter, "cali-from-host-endpoint") && !one.matched(Filter, "cali-INPUT", 7)
    };
    Ok(vec![
        bench.shoot(
            &marked,
            "its marks are cleared, the host endpoints asked, and the built-in chain's policy ACCEPT \
             decides",
            &[FROM_HOST],
            &|seen| seen[0].marked(Input, Filter, 0, ALL) && asked(&seen[0]) && all_local(seen),
        )?,
        bench.shoot(
            &shut,
            "or its policy DROP",
            &[FROM_HOST],
            &|seen| asked(&seen[0]) && all_dropped(seen),
        )?,
        bench.shoot(
            &with_host_ingress(&closed(&bench.slave1())?)?,
            "what they do accept is accepted",
            &[FROM_HOST],
            &|seen| seen[0].decided_by(Filter, "cali-INPUT", 7) && all_local(seen),
        )?,
    ])
}

/// Felix's chains of a host endpoint on eth0 whose ingress policy accepts what 192.168.40.50 sends
/// (felix 2.1.1, rules/endpoints.go).
const HOST_INGRESS: &str = "\
-A cali-from-host-endpoint -i eth0 -g cali-fh-eth0
-A cali-fh-eth0 -j cali-failsafe-in
-A cali-fh-eth0 -j MARK --set-xmark 0x0/0x1000000
-A cali-fh-eth0 -m comment --comment \"Start of policies\" -j MARK --set-xmark 0x0/0x2000000
-A cali-fh-eth0 -m mark --mark 0x0/0x2000000 -j cali-pi-host
-A cali-fh-eth0 -m mark --mark 0x1000000/0x1000000 -j RETURN
-A cali-fh-eth0 -m mark --mark 0x0/0x2000000 -j DROP
-A cali-fh-eth0 -j DROP
-A cali-pi-host -s 192.168.40.50/32 -j MARK --set-xmark 0x1000000/0x1000000
-A cali-pi-host -m mark --mark 0x1000000/0x1000000 -j RETURN";

/// A stand whose eth0 is a host endpoint with an ingress policy.
///
/// # Errors
///
/// [`Trouble::Fixture`] where the stand lacks the chains that this fills.
pub fn with_host_ingress(stand: &Stand) -> Result<Stand, Trouble> {
    stand.but(
        "the host endpoint eth0 accepts what 192.168.40.50 sends",
        &[Change::Last(Filter, HOST_INGRESS)],
    )
}

fn c26(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let shut = closed(&slave1)?;
    let others = [
        FROM_HOST,
        "in=docker0 tcp 172.16.163.9:40000 > 172.16.163.1:80",
    ];
    Ok(vec![
        bench.shoot(
            &slave1,
            "by ACCEPT on those from interfaces that are no workload's",
            &others,
            &|seen| all_local(seen),
        )?,
        bench.shoot(&shut, "by DROP on the same", &others, &|seen| {
            all_dropped(seen)
        })?,
        bench.shoot(&shut, "by DROP on a workload's", &[DHCP, DNS], &|seen| {
            all_dropped(seen)
        })?,
    ])
}

fn c27(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let stand = closed(&egress_denied(&bench.slave1())?)?;
    Ok(vec![
        bench.shoot(
            &stand,
            "from its own address, and before it has one",
            &[DHCP, "in=cali0ef24b1 udp 0.0.0.0:68 > 255.255.255.255:67"],
            &|seen| all_local(seen),
        )?,
        bench.shoot(
            &stand,
            "from or to another port it is not",
            &[
                "in=cali0ef24b1 udp 172.16.1.1:69 > 192.168.40.11:67",
                "in=cali0ef24b1 udp 172.16.1.1:68 > 192.168.40.11:68",
                "in=cali0ef24b1 tcp 172.16.1.1:68 > 192.168.40.11:67",
            ],
            &|seen| all_dropped(seen),
        )?,
    ])
}

fn c28(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let stand = closed(&egress_denied(&bench.slave1())?)?;
    Ok(vec![
        bench.shoot(&stand, "by UDP it is accepted", &[DNS], &|seen| {
            all_local(seen)
        })?,
        bench.shoot(
            &stand,
            "by TCP, or to another port, it is not",
            &[
                DNS_BY_TCP,
                "in=cali0ef24b1 udp 172.16.1.1:40000 > 192.168.40.11:54",
            ],
            &|seen| all_dropped(seen),
        )?,
    ])
}

fn c29(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let slave2 = bench.slave2();
    Ok(vec![
        bench.shoot(&slave1, "they pass the policy", &[FROM_WORKLOAD], &|seen| {
            seen[0].enters(Filter, "cali-from-wl-dispatch")
                && seen[0].enters(Filter, "cali-po-namespace-default")
        })?,
        bench.shoot(
            &slave2,
            "where there is a profile, they pass it",
            &["in=cali0ef24b3 tcp 172.16.1.3:40000 > 192.168.40.12:80"],
            &|seen| seen[0].enters(Filter, "cali-pro-profile-database"),
        )?,
    ])
}

fn c30(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let shut = closed(&slave1)?;
    let returned = |one: &Seen<'_>| one.matched(Filter, "cali-wl-to-host", 4);
    Ok(vec![
        bench.shoot(
            &slave1,
            "with INPUT's policy ACCEPT it is accepted",
            &[FROM_WORKLOAD],
            &|seen| returned(&seen[0]) && all_local(seen),
        )?,
        bench.shoot(
            &shut,
            "with INPUT's policy DROP it is dropped",
            &[FROM_WORKLOAD],
            &|seen| returned(&seen[0]) && all_dropped(seen),
        )?,
    ])
}

fn c31(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let stray = marks::with_stray(&bench.slave1())?;
    Ok(vec![
        bench.shoot(
            &stray,
            "new connections are",
            &[
                "in=cali0ef24bf tcp 172.16.1.15:40000 > 192.168.40.11:80",
                "in=cali0ef24bf icmp 172.16.1.15 > 192.168.40.11 id=7",
            ],
            &|seen| {
                let unknown = |one: &Seen<'_>| one.decided_by(Filter, "cali-from-wl-dispatch", 3);
                all_dropped(seen) && seen.iter().all(unknown)
            },
        )?,
        bench.shoot(
            &stray,
            "DHCP and DNS are",
            &[
                "in=cali0ef24bf udp 172.16.1.15:68 > 192.168.40.11:67",
                "in=cali0ef24bf udp 172.16.1.15:40000 > 192.168.40.11:53",
            ],
            &|seen| all_dropped(seen),
        )?,
        bench.shoot_with(
            &stray,
            "packets of a connection that is established are",
            &["tcp 172.16.1.15:40001 > 192.168.40.11:80 replied"],
            &["in=cali0ef24bf tcp 172.16.1.15:40001 > 192.168.40.11:80 flags=ACK"],
            &|seen| all_dropped(seen),
        )?,
    ])
}

fn x18(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let denied = egress_denied(&bench.slave1())?;
    Ok(vec![
        bench.shoot(&denied, "a DNS request by TCP", &[DNS_BY_TCP], &|seen| {
            all_local(seen)
        })?,
        bench.shoot(
            &denied,
            "a DNS or DHCP request to a server that is not the node",
            &[
                "in=cali0ef24b1 udp 172.16.1.1:40000 > 203.0.113.9:53",
                "in=cali0ef24b1 udp 172.16.1.1:68 > 203.0.113.9:67",
            ],
            &|seen| !seen.iter().all(|one| one.dropped_at(Forward)),
        )?,
    ])
}
