//! From interface to endpoint: cali-from-wl-dispatch and cali-to-wl-dispatch.

use crate::xtables::Hook::Forward;
use crate::xtables::TableName::Filter;

use super::Outcome::{False, InPart, True};
use super::bench::Bench;
use super::document::contradiction;
use super::marks;
use super::{Claim, Kind, Part, Trouble};

/// The claims of this theme.
pub const CLAIMS: &[Claim] = &[
    Claim {
        id: "C32",
        kind: Kind::Packet,
        says: "The interface's exact name decides, by goto: every packet visits one endpoint's chain.",
        expected: InPart,
        because: "one a dispatch: from workload to workload a packet visits two, by an unknown \
                  interface none",
        check: c32,
    },
    Claim {
        id: "C33",
        kind: Kind::Packet,
        says: "Both dispatch chains drop what belongs to a cali interface without an endpoint.",
        expected: True,
        because: "",
        check: c33,
    },
    Claim {
        id: "X6",
        kind: Kind::Document,
        says: "Rule 1 of cali-from-wl-dispatch leads to the endpoint's inbound rules.",
        expected: False,
        because: "to its egress rules, as the text itself says one line before and elsewhere",
        check: x6,
    },
];

fn c32(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = marks::with_stray(&bench.slave1())?;
    Ok(vec![
        bench.shoot(
            &slave1,
            "from a workload to elsewhere, and from elsewhere to a workload",
            &[
                "in=cali0ef24b1 tcp 172.16.1.1:40000 > 203.0.113.9:443",
                "in=cali0ef24b2 tcp 172.16.1.2:40000 > 203.0.113.9:443",
                "in=eth0 tcp 192.168.40.50:40000 > 172.16.1.2:80",
            ],
            &|seen| {
                seen[0].endpoint_chains() == ["cali-fw-cali0ef24b1"]
                    && seen[1].endpoint_chains() == ["cali-fw-cali0ef24b2"]
                    && seen[2].endpoint_chains() == ["cali-tw-cali0ef24b2"]
            },
        )?,
        bench.shoot(
            &slave1,
            "from workload to workload",
            &["in=cali0ef24b1 tcp 172.16.1.1:40000 > 172.16.1.2:80"],
            &|seen| seen[0].endpoint_chains().len() == 1,
        )?,
        bench.shoot(
            &slave1,
            "by an interface without an endpoint",
            &["in=cali0ef24bf tcp 172.16.1.15:40000 > 203.0.113.9:443"],
            &|seen| seen[0].endpoint_chains().len() == 1,
        )?,
    ])
}

fn c33(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let stray = marks::with_stray(&bench.slave1())?;
    Ok(vec![
        bench.shoot(
            &stray,
            "what comes by it",
            &["in=cali0ef24bf tcp 172.16.1.15:40000 > 203.0.113.9:443"],
            &|seen| {
                seen[0].dropped_at(Forward)
                    && seen[0].decided_by(Filter, "cali-from-wl-dispatch", 3)
            },
        )?,
        bench.shoot(
            &stray,
            "what would leave by it",
            &["in=eth0 tcp 192.168.40.50:40000 > 172.16.1.15:80"],
            &|seen| {
                seen[0].dropped_at(Forward) && seen[0].decided_by(Filter, "cali-to-wl-dispatch", 3)
            },
        )?,
    ])
}

fn x6(bench: &mut Bench<'_>) -> Result<Vec<Part>, Trouble> {
    let slave1 = bench.slave1();
    Ok(vec![
        contradiction(
            bench,
            "the text calls these rules inbound throughout",
            &[
                "cali-from-wl-dispatch,过对应endpoint的egress规则",
                "过对应endpoint的inbound规则, fw表示from workload",
            ],
        ),
        bench.shoot(
            &slave1,
            "what comes from a workload visits its inbound policy",
            &["in=cali0ef24b1 tcp 172.16.1.1:40000 > 203.0.113.9:443"],
            &|seen| seen[0].enters(Filter, "cali-pi-namespace-default"),
        )?,
    ])
}
