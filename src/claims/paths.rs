//! Which way packets take: tables in their order, INPUT or FORWARD, nat.

use std::net::{IpAddr, Ipv4Addr};

use crate::xtables::Hook::{self, Forward, Input, Output, Postrouting, Prerouting};
use crate::xtables::TableName::{self, Filter, Mangle, Nat, Raw};

use super::Outcome::{False, InPart, True};
use super::bench::Bench;
use super::document::contradiction;
use super::seen::Seen;
use super::stand::{Change, Stand};
use super::{Claim, Kind, Part, Trouble};

/// The claims of this theme.
pub const CLAIMS: &[Claim] = &[
    Claim {
        id: "C10",
        kind: Kind::Packet,
        says: "To the node: raw, mangle and nat PREROUTING, then mangle and filter INPUT.",
        expected: InPart,
        because: "nat has INPUT too, behind filter's (since Linux 2.6.36)",
        check: c10,
    },
    Claim {
        id: "C11",
        kind: Kind::Packet,
        says: "Through the node: raw, mangle and nat PREROUTING, mangle and filter FORWARD, mangle \
               and nat POSTROUTING.",
        expected: True,
        because: "",
        check: c11,
    },
    Claim {
        id: "C12",
        kind: Kind::Packet,
        says: "From the node: raw, mangle, nat and filter OUTPUT, mangle and nat POSTROUTING.",
        expected: True,
        because: "",
        check: c12,
    },
    Claim {
        id: "C13",
        kind: Kind::Packet,
        says: "What is sent to the node's own host endpoint goes through INPUT.",
        expected: True,
        because: "",
        check: c13,
    },
    Claim {
        id: "C14",
        kind: Kind::Packet,
        says: "What is sent to a workload of this node goes through INPUT.",
        expected: False,
        because: "a workload has an address of its own and is routed to: FORWARD",
        check: own_workload,
    },
    Claim {
        id: "C15",
        kind: Kind::Packet,
        says: "What is sent to another node's host endpoint goes through FORWARD.",
        expected: True,
        because: "",
        check: c15,
    },
    Claim {
        id: "C16",
        kind: Kind::Packet,
        says: "What is sent to another node's workload goes through FORWARD.",
        expected: True,
        because: "",
        check: c16,
    },
    Claim {
        id: "C17",
        kind: Kind::Packet,
        says: "Up to the routing decision all packets that come in are treated alike.",
        expected: InPart,
        because: "raw marks what comes by a workload's interface, and spares it the host endpoints' \
                  chain",
        check: c17,
    },
    Claim {
        id: "C18",
        kind: Kind::Packet,
        says: "nat PREROUTING sends packets by cali-PREROUTING to cali-fip-dnat, and changes nothing.",
        expected: True,
        because: "",
        check: c18,
    },
    Claim {
        id: "C19",
        kind: Kind::Variant,
        says: "A floating address is translated before routing: the packet goes to the workload.",
        expected: True,
        because: "",
        check: c19,
    },
    Claim {
        id: "C20",
        kind: Kind::Packet,
        says: "nat sees the first packet of a connection only, and none that is INVALID, UNTRACKED or \
               an ICMP error about a connection.",
        expected: True,
        because: "",
        check: c20,
    },
    Claim {
        id: "X4",
        kind: Kind::Packet,
        says: "Access to this node's workload endpoint is handled by INPUT.",
        expected: False,
        because: "it is forwarded; the seed's own cali-FORWARD sends it to cali-to-wl-dispatch",
        check: own_workload,
    },
    Claim {
        id: "X12",
        kind: Kind::Document,
        says: "The node's own packets meet cali-OUTPUT of nat first, as the figure has it.",
        expected: False,
        because: "raw OUTPUT comes first, as the text below the figure says; the figure leaves out \
                  raw's cali-OUTPUT and cali-to-host-endpoint",
        check: x12,
    },
    Claim {
        id: "X14",
        kind: Kind::Packet,
        says: "Behind cali-wl-to-host packets return to nat's cali-POSTROUTING.",
        expected: False,
        because: "a packet for the node itself ends behind INPUT",
        check: x14,
    },
    Claim {
        id: "X17",
        kind: Kind::Packet,
        says: "In INPUT there are two tables, mangle's and filter's.",
        expected: False,
        because: "nat has one there since Linux 2.6.36, and so may have security",
        check: x17,
    },
];

/// A bit outside Calico's for every table at every hook, lowest first in the order of the tables'
/// priorities.
const PROBES: [(TableName, Hook, u32); 14] = [
    (Raw, Prerouting, 0x1),
    (Mangle, Prerouting, 0x2),
    (Nat, Prerouting, 0x4),
    (Mangle, Input, 0x8),
    (Filter, Input, 0x10),
    (Nat, Input, 0x20),
    (Mangle, Forward, 0x40),
    (Filter, Forward, 0x80),
    (Raw, Output, 0x100),
    (Mangle, Output, 0x200),
    (Nat, Output, 0x400),
    (Filter, Output, 0x800),
    (Mangle, Postrouting, 0x1000),
    (Nat, Postrouting, 0x2000),
];

/// The lines of [`PROBES`], table by table.
const PROBE_LINES: [(TableName, &str); 4] = [
    (
        Raw,
        "-A PREROUTING -j MARK --set-xmark 0x1/0x1\n-A OUTPUT -j MARK --set-xmark 0x100/0x100",
    ),
    (
        Mangle,
        "-A PREROUTING -j MARK --set-xmark 0x2/0x2\n-A INPUT -j MARK --set-xmark 0x8/0x8\n\
         -A FORWARD -j MARK --set-xmark 0x40/0x40\n-A OUTPUT -j MARK --set-xmark 0x200/0x200\n\
         -A POSTROUTING -j MARK --set-xmark 0x1000/0x1000",
    ),
    (
        Nat,
        "-A PREROUTING -j MARK --set-xmark 0x4/0x4\n-A INPUT -j MARK --set-xmark 0x20/0x20\n\
         -A OUTPUT -j MARK --set-xmark 0x400/0x400\n\
         -A POSTROUTING -j MARK --set-xmark 0x2000/0x2000",
    ),
    (
        Filter,
        "-A INPUT -j MARK --set-xmark 0x10/0x10\n-A FORWARD -j MARK --set-xmark 0x80/0x80\n\
         -A OUTPUT -j MARK --set-xmark 0x800/0x800",
    ),
];

fn with_probes(stand: &Stand) -> Result<Stand, Trouble> {
    stand.but(
        "every table sets a bit of its own first at every hook",
        &PROBE_LINES.map(|(table, lines)| Change::First(table, lines)),
    )
}

/// The tables in the order in which their bits appear on the packet.
fn tables(seen: &Seen<'_>) -> Vec<(TableName, Hook)> {
    let mut before = 0;
    let mut order = Vec::new();
    for sight in &seen.journey.sights {
        let new = sight.mark.0 & !before;
        before |= sight.mark.0;
        let probes = PROBES.iter().filter(|(_, _, bit)| new & bit != 0);
        order.extend(probes.map(|(table, hook, _)| (*table, *hook)));
    }
    order
}

const TO_NODE: &str = "in=eth0 tcp 192.168.40.50:40000 > 192.168.40.11:22";
const TO_OWN_NODE: &str = "in=cali0ef24b1 tcp 172.16.1.1:40000 > 192.168.40.11:22";

fn c10(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let probed = with_probes(&bench.slave1())?;
    let named = [
        (Raw, Prerouting),
        (Mangle, Prerouting),
        (Nat, Prerouting),
        (Mangle, Input),
        (Filter, Input),
    ];
    Ok(vec![
        bench.shoot(
            &probed,
            "these five come in this order",
            &[TO_NODE],
            &|seen| {
                let order = tables(&seen[0]);
                order
                    .iter()
                    .filter(|one| named.contains(one))
                    .eq(named.iter())
            },
        )?,
        bench.shoot(&probed, "there is no other", &[TO_NODE], &|seen| {
            tables(&seen[0]) == named
        })?,
    ])
}

fn c11(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let probed = with_probes(&bench.slave1())?;
    Ok(vec![bench.shoot(
        &probed,
        "these seven come, in this order",
        &["in=cali0ef24b1 tcp 172.16.1.1:40000 > 203.0.113.9:443"],
        &|seen| {
            tables(&seen[0])
                == [
                    (Raw, Prerouting),
                    (Mangle, Prerouting),
                    (Nat, Prerouting),
                    (Mangle, Forward),
                    (Filter, Forward),
                    (Mangle, Postrouting),
                    (Nat, Postrouting),
                ]
        },
    )?])
}

const FROM_NODE: &str = "from=node tcp 192.168.40.11:40000 > 203.0.113.9:443";

fn c12(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let probed = with_probes(&bench.slave1())?;
    Ok(vec![bench.shoot(
        &probed,
        "these six come, in this order",
        &[FROM_NODE],
        &|seen| {
            tables(&seen[0])
                == [
                    (Raw, Output),
                    (Mangle, Output),
                    (Nat, Output),
                    (Filter, Output),
                    (Mangle, Postrouting),
                    (Nat, Postrouting),
                ]
        },
    )?])
}

fn takes(seen: &[Seen<'_>], hook: Hook) -> bool {
    let others = [Input, Forward].into_iter().filter(|other| *other != hook);
    let others: Vec<Hook> = others.collect();
    seen.iter()
        .all(|one| one.passes(hook) && !others.iter().any(|other| one.passes(*other)))
}

fn c13(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    Ok(vec![bench.shoot(
        &slave1,
        "from another host, and from an own workload",
        &[TO_NODE, TO_OWN_NODE],
        &|seen| takes(seen, Input),
    )?])
}

fn own_workload(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    Ok(vec![
        bench.shoot(
            &slave1,
            "from another host",
            &["in=eth0 tcp 192.168.40.50:40000 > 172.16.1.1:80"],
            &|seen| takes(seen, Input),
        )?,
        bench.shoot(
            &slave1,
            "from the other workload of the node",
            &["in=cali0ef24b2 tcp 172.16.1.2:40000 > 172.16.1.1:80"],
            &|seen| takes(seen, Input),
        )?,
    ])
}

fn c15(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    Ok(vec![bench.shoot(
        &slave1,
        "from a workload, and from a container of Docker",
        &[
            "in=cali0ef24b1 tcp 172.16.1.1:40000 > 192.168.40.12:22",
            "in=docker0 tcp 172.16.163.9:40000 > 192.168.40.12:22",
        ],
        &|seen| takes(seen, Forward),
    )?])
}

fn c16(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    Ok(vec![bench.shoot(
        &slave1,
        "from a workload, and from a container of Docker",
        &[
            "in=cali0ef24b1 tcp 172.16.1.1:40000 > 172.16.1.3:3306",
            "in=docker0 tcp 172.16.163.9:40000 > 172.16.1.3:3306",
        ],
        &|seen| takes(seen, Forward),
    )?])
}

fn c17(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    let packets = [TO_NODE, TO_OWN_NODE];
    Ok(vec![
        bench.shoot(&slave1, "they pass the same tables", &packets, &|seen| {
            let points = |one: &Seen<'_>| -> Vec<_> {
                let sights = one.journey.sights.iter().map(|sight| sight.point);
                sights.filter(|point| point.hook == Prerouting).collect()
            };
            points(&seen[0]) == points(&seen[1])
        })?,
        bench.shoot(
            &slave1,
            "they leave them with the same mark",
            &packets,
            &|seen| seen[0].mark_after(Prerouting, Nat) == seen[1].mark_after(Prerouting, Nat),
        )?,
        bench.shoot(&slave1, "they visit the same chains", &packets, &|seen| {
            let chains = |one: &Seen<'_>| {
                let entered = one.entered().into_iter();
                let raw = entered.filter(|(table, _)| *table == Raw);
                raw.map(|(_, chain)| chain.to_owned()).collect::<Vec<_>>()
            };
            chains(&seen[0]) == chains(&seen[1])
        })?,
    ])
}

fn c18(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    Ok(vec![bench.shoot(
        &slave1,
        "they go there, and come out as they went in",
        &[
            TO_NODE,
            "in=eth0 udp 192.168.40.50:40000 > 172.16.1.1:53",
            "in=cali0ef24b1 tcp 172.16.1.1:40000 > 203.0.113.9:443",
        ],
        &|seen| {
            seen.iter().all(|one| {
                let first = one.ends().map(|(first, _)| first);
                one.matched(Nat, "cali-PREROUTING", 1)
                    && one.enters(Nat, "cali-fip-dnat")
                    && one.headers_after(Prerouting, Nat) == first
            })
        },
    )?])
}

/// The workload behind the floating address.
pub const WORKLOAD_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 16, 1, 1));
const FLOATING_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 40, 100));

/// A stand on which 192.168.40.100 is the floating address of 172.16.1.1.
///
/// # Errors
///
/// [`Trouble::Fixture`] where the stand lacks the chains that this fills.
pub fn with_floating_address(stand: &Stand) -> Result<Stand, Trouble> {
    stand.but(
        "192.168.40.100 is the floating address of 172.16.1.1",
        &[
            Change::Last(
                Nat,
                "-A cali-fip-dnat -d 192.168.40.100/32 -j DNAT --to-destination 172.16.1.1",
            ),
            Change::Last(
                Nat,
                "-A cali-fip-snat -s 172.16.1.1/32 -d 172.16.1.1/32 -j SNAT --to-source \
                 192.168.40.100",
            ),
        ],
    )
}

fn c19(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let floating = with_floating_address(&bench.slave1())?;
    Ok(vec![bench.shoot(
        &floating,
        "a packet to it leaves nat PREROUTING for the workload, and is forwarded to its interface",
        &["in=eth0 tcp 192.168.40.50:40000 > 192.168.40.100:80"],
        &|seen| {
            let towards = seen[0].journey.sights.iter().find_map(|sight| {
                let forward = sight.point.hook == Forward;
                sight.out_interface.filter(|_| forward)
            });
            seen[0].goes_to(Prerouting, Nat, WORKLOAD_ADDRESS)
                && towards.is_some_and(|name| name.as_str() == "cali0ef24b1")
        },
    )?])
}

fn c20(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let floating = with_floating_address(&bench.slave1())?;
    let asked = |one: &Seen<'_>| one.enters(Nat, "cali-PREROUTING");
    let ignored = |seen: &[Seen<'_>]| {
        seen.iter()
            .all(|one| !asked(one) && one.goes_to(Prerouting, Nat, FLOATING_ADDRESS))
    };
    Ok(vec![
        bench.shoot(
            &floating,
            "it sees a packet that begins a connection",
            &["in=eth0 tcp 192.168.40.50:40000 > 192.168.40.100:80"],
            &|seen| asked(&seen[0]) && seen[0].goes_to(Prerouting, Nat, WORKLOAD_ADDRESS),
        )?,
        bench.shoot_with(
            &floating,
            "it does not see a later one",
            &["tcp 192.168.40.50:40001 > 192.168.40.100:80 replied"],
            &["in=eth0 tcp 192.168.40.50:40001 > 192.168.40.100:80 flags=ACK"],
            &|seen| ignored(seen),
        )?,
        bench.shoot(
            &floating,
            "it does not see one that is INVALID, nor one that is UNTRACKED",
            &[
                "in=eth0 tcp 192.168.40.50:40002 > 192.168.40.100:80 flags=SYN,ACK",
                "in=eth0 tcp 192.168.40.50:40003 > 192.168.40.100:80 untracked",
            ],
            &|seen| ignored(seen),
        )?,
        bench.shoot_with(
            &floating,
            "it does not see an ICMP error about a connection",
            &["udp 192.168.40.100:5000 > 192.168.40.50:53 unreplied"],
            &["in=eth0 icmp 192.168.40.50 > 192.168.40.100 type=3/3 \
               quotes=(udp 192.168.40.100:5000 > 192.168.40.50:53)"],
            &|seen| ignored(seen),
        )?,
    ])
}

fn x12(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let probed = with_probes(&bench.slave1())?;
    Ok(vec![
        contradiction(
            bench,
            "figure and text agree on the way out",
            &[
                "(router descition",
                "-OUTPUT@nat",
                "raw.OUTPUT -> mangle.OUTPUT",
            ],
        ),
        bench.shoot(
            &probed,
            "nat OUTPUT is the first table of the node's own packets",
            &[FROM_NODE],
            &|seen| tables(&seen[0]).first() == Some(&(Nat, Output)),
        )?,
    ])
}

fn x14(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    Ok(vec![bench.shoot(
        &slave1,
        "a workload's packet to the node comes to POSTROUTING",
        &[TO_OWN_NODE],
        &|seen| !seen[0].enters(Filter, "cali-wl-to-host") || seen[0].passes(Postrouting),
    )?])
}

fn x17(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let probed = with_probes(&bench.slave1())?;
    Ok(vec![bench.shoot(
        &probed,
        "no third table acts at INPUT",
        &[TO_NODE],
        &|seen| {
            let order = tables(&seen[0]);
            let input = order.iter().filter(|(_, hook)| *hook == Input);
            input.count() == 2
        },
    )?])
}
