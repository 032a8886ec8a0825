//! The seed's claims on the model: they stand as expected, and each can fail.

use std::error::Error;

use calidiff::arm::model::ModelArm;
use calidiff::claims::bench::Bench;
use calidiff::claims::seed::{self, Document};
use calidiff::claims::stand::{Change, Stand};
use calidiff::claims::{self, Claim, Finding};
use calidiff::report::palette::Palette;
use calidiff::scenario::Scenario;
use calidiff::xtables::Backend;
use calidiff::xtables::Policy::Drop;
use calidiff::xtables::TableName::{Filter, Nat, Raw};

use Change::{First, Flush, Last, Policy, Remove, Replace};

/// Checks one claim on the model.
fn check(
    claim: &Claim,
    [slave1, slave2]: &[Scenario; 2],
    document: Option<Document>,
) -> Result<Finding, Box<dyn Error>> {
    let mut model = ModelArm::new(Backend::Legacy);
    let mut bench = Bench::new(vec![&mut model], slave1.clone(), slave2.clone(), document);
    Ok(claims::check(claim, &mut bench)?)
}

#[test]
fn every_claim_stands_as_expected() -> Result<(), Box<dyn Error>> {
    let nodes = seed::nodes()?;
    let mut wrong = Vec::new();
    for claim in claims::all() {
        let finding = check(&claim, &nodes, Document::find())?;
        if !finding.as_expected() {
            wrong.push(finding);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

/// For each claim, what in the rules makes it stand: with this change on both nodes, where they have
/// the rule, its outcome is another one.
const BREAKS: &[(&[&str], &[Change])] = &[
    (
        &["C1"],
        &[Replace(
            Raw,
            "cali-PREROUTING",
            1,
            "-A cali-PREROUTING -j MARK --set-xmark 0x0/0xf000000",
        )],
    ),
    (&["C2"], &[Remove(Filter, "cali-fw-cali0ef24b1", 4)]),
    (
        &["C3"],
        &[Replace(
            Filter,
            "cali-fw-cali0ef24b3",
            5,
            "-A cali-fw-cali0ef24b3 -m comment --comment \"Drop if no policies passed packet\" -j DROP",
        )],
    ),
    (
        &["C4", "X1"],
        &[Replace(
            Raw,
            "cali-PREROUTING",
            2,
            "-A cali-PREROUTING -i eth0 -j MARK --set-xmark 0x4000000/0x4000000",
        )],
    ),
    (&["C5", "X2"], &[Policy(Filter, "INPUT", Drop)]),
    (&["C6"], &[Remove(Raw, "cali-PREROUTING", 1)]),
    (
        &["C7"],
        &[Replace(
            Raw,
            "cali-PREROUTING",
            2,
            "-A cali-PREROUTING -i cali0ef24b1 -j MARK --set-xmark 0x4000000/0x4000000",
        )],
    ),
    (
        &["C8"],
        &[Replace(
            Raw,
            "cali-PREROUTING",
            3,
            "-A cali-PREROUTING -j cali-from-host-endpoint",
        )],
    ),
    (&["C9"], &[Remove(Raw, "cali-PREROUTING", 4)]),
    (
        &["X3"],
        &[Replace(
            Filter,
            "cali-po-namespace-default",
            1,
            "-A cali-po-namespace-default -j MARK --set-xmark 0x3000000/0x3000000",
        )],
    ),
    (&["C10"], &[Last(Raw, "-A PREROUTING -j DROP")]),
    (
        &["C11"],
        &[
            Policy(Filter, "FORWARD", Drop),
            Flush(Filter, "cali-FORWARD"),
        ],
    ),
    (&["C12"], &[Policy(Filter, "OUTPUT", Drop)]),
    (
        &["C13"],
        &[First(
            Nat,
            "-A PREROUTING -d 192.168.40.11/32 -j DNAT --to-destination 172.16.1.2",
        )],
    ),
    (
        &["C14", "X4"],
        &[First(
            Nat,
            "-A PREROUTING -d 172.16.1.1/32 -j DNAT --to-destination 192.168.40.11",
        )],
    ),
    (
        &["C15"],
        &[First(
            Nat,
            "-A PREROUTING -d 192.168.40.12/32 -j DNAT --to-destination 192.168.40.11",
        )],
    ),
    (
        &["C16"],
        &[First(
            Nat,
            "-A PREROUTING -d 172.16.1.3/32 -j DNAT --to-destination 192.168.40.11",
        )],
    ),
    (&["C17"], &[Remove(Raw, "cali-PREROUTING", 2)]),
    (&["C18"], &[Remove(Nat, "cali-PREROUTING", 1)]),
    (&["C19", "C20"], &[Remove(Nat, "PREROUTING", 1)]),
    (&["X14"], &[Remove(Filter, "cali-INPUT", 4)]),
    (&["X17"], &[First(Raw, "-A PREROUTING -j NOTRACK")]),
    (&["C21"], &[Remove(Filter, "cali-INPUT", 1)]),
    (&["C22"], &[Remove(Filter, "cali-INPUT", 2)]),
    (&["C23"], &[Remove(Filter, "cali-INPUT", 3)]),
    (
        &["C24"],
        &[Replace(
            Filter,
            "cali-INPUT",
            4,
            "-A cali-INPUT -i cali+ -j cali-wl-to-host",
        )],
    ),
    (&["C25"], &[Remove(Filter, "cali-INPUT", 5)]),
    (&["C26"], &[Flush(Filter, "cali-wl-to-host")]),
    (&["C27"], &[Remove(Filter, "cali-wl-to-host", 1)]),
    (&["C28"], &[Remove(Filter, "cali-wl-to-host", 2)]),
    (&["C29"], &[Remove(Filter, "cali-wl-to-host", 3)]),
    (
        &["C30"],
        &[Replace(
            Filter,
            "cali-wl-to-host",
            4,
            "-A cali-wl-to-host -j ACCEPT",
        )],
    ),
    (&["C31"], &[Remove(Filter, "cali-from-wl-dispatch", 3)]),
    (
        &["X18"],
        &[First(
            Filter,
            "-A cali-wl-to-host -p tcp -m tcp --dport 53 -j ACCEPT",
        )],
    ),
    (
        &["C32"],
        &[Replace(
            Filter,
            "cali-from-wl-dispatch",
            1,
            "-A cali-from-wl-dispatch -i cali0ef24b1 -g cali-fw-cali0ef24b2",
        )],
    ),
    (&["C33"], &[Remove(Filter, "cali-to-wl-dispatch", 3)]),
    (
        &["X6"],
        &[Replace(
            Filter,
            "cali-fw-cali0ef24b1",
            3,
            "-A cali-fw-cali0ef24b1 -j cali-pi-namespace-default",
        )],
    ),
    (
        &["C34"],
        &[Replace(
            Filter,
            "cali-fw-cali0ef24b1",
            1,
            "-A cali-fw-cali0ef24b1 -j MARK --set-xmark 0x0/0x3000000",
        )],
    ),
    (&["C35"], &[Remove(Filter, "cali-fw-cali0ef24b1", 5)]),
    (
        &["C36"],
        &[First(
            Filter,
            "-A cali-fw-cali0ef24b1 -j cali-pro-other\n-A cali-pro-other -j RETURN",
        )],
    ),
    (
        &["C37"],
        &[Replace(
            Filter,
            "cali-fw-cali0ef24b1",
            3,
            "-A cali-fw-cali0ef24b1 -j cali-po-namespace-default",
        )],
    ),
    (
        &["C38"],
        &[Replace(
            Filter,
            "cali-po-namespace-default",
            1,
            "-A cali-po-namespace-default -p tcp -j MARK --set-xmark 0x1000000/0x1000000",
        )],
    ),
    (&["C39"], &[Remove(Filter, "cali-pro-profile-database", 1)]),
    (
        &["C40", "C41", "C42", "X19"],
        &[Remove(Filter, "cali-pi-namespace-default", 1)],
    ),
    (
        &["C44", "C45", "X9"],
        &[Remove(Filter, "cali-pri-profile-database", 1)],
    ),
    (&["C46", "X8"], &[Remove(Filter, "cali-fw-cali0ef24b3", 5)]),
    (&["C47"], &[Remove(Filter, "cali-fw-cali0ef24b3", 6)]),
    (&["C48", "C52"], &[Remove(Filter, "cali-FORWARD", 5)]),
    (&["C49"], &[Remove(Filter, "cali-FORWARD", 1)]),
    (&["C50"], &[Remove(Filter, "cali-FORWARD", 2)]),
    (
        &["C51"],
        &[Replace(
            Filter,
            "cali-FORWARD",
            4,
            "-A cali-FORWARD -i cali+ -g cali-from-wl-dispatch",
        )],
    ),
    (&["C53", "C54"], &[Remove(Filter, "cali-FORWARD", 6)]),
    (&["C55"], &[Remove(Filter, "cali-FORWARD", 11)]),
    (&["C56"], &[Last(Filter, "-A cali-FORWARD -j ACCEPT")]),
    (
        &["C57"],
        &[
            Remove(Filter, "cali-FORWARD", 10),
            Remove(Filter, "cali-FORWARD", 9),
        ],
    ),
    (&["C58"], &[Remove(Filter, "cali-FORWARD", 10)]),
    (&["X5"], &[Remove(Filter, "cali-FORWARD", 4)]),
    (
        &["X11"],
        &[
            Replace(
                Filter,
                "cali-FORWARD",
                5,
                "-A cali-FORWARD -p esp -j ACCEPT",
            ),
            Replace(
                Filter,
                "cali-FORWARD",
                7,
                "-A cali-FORWARD -p esp -j ACCEPT",
            ),
        ],
    ),
    (&["C59"], &[Remove(Filter, "cali-OUTPUT", 2)]),
    (&["C60"], &[Remove(Filter, "cali-OUTPUT", 5)]),
    (&["C61"], &[Remove(Filter, "cali-OUTPUT", 4)]),
    (&["C62"], &[Remove(Nat, "cali-OUTPUT", 1)]),
    (&["C63"], &[Remove(Nat, "cali-POSTROUTING", 2)]),
    (&["C64"], &[Remove(Nat, "POSTROUTING", 2)]),
    (
        &["X13"],
        &[Replace(
            Filter,
            "cali-pi-namespace-default",
            1,
            "-A cali-pi-namespace-default -j MARK --set-xmark 0x1000000/0x1000000",
        )],
    ),
    (
        &["X20"],
        &[
            Remove(Nat, "PREROUTING", 2),
            Remove(Nat, "OUTPUT", 2),
            Remove(Nat, "POSTROUTING", 2),
        ],
    ),
    (
        &["C43", "C68"],
        &[Replace(
            Filter,
            "cali-pi-namespace-default",
            2,
            "-A cali-pi-namespace-default -m set --match-set cali4-s:other src -j DROP",
        )],
    ),
    (&["C65"], &[Remove(Filter, "cali-OUTPUT", 1)]),
    (
        &["C66"],
        &[Replace(
            Raw,
            "PREROUTING",
            1,
            "-A PREROUTING -m comment --comment \"cali:tVnHkvAo15HuiPy0\" -j cali-PREROUTING",
        )],
    ),
    (&["C67"], &[Remove(Filter, "cali-from-wl-dispatch", 1)]),
    (&["C69"], &[Remove(Filter, "cali-tw-cali0ef24b1", 6)]),
    (
        &["X10"],
        &[First(
            Filter,
            "-A cali-fw-cali0ef24b1 -j MARK --set-xmark 0x0/0x1",
        )],
    ),
    (&["X15"], &[Last(Nat, "-A cali-fip-snat -j ACCEPT")]),
    (&["X16"], &[Last(Filter, "-A cali-FROWARD -j ACCEPT")]),
];

/// Claims about the text alone, or about hashes whatever the rules: what breaks them is another text, or
/// no rules at all.
const NOT_BY_A_RULE: [&str; 3] = ["C70", "X7", "X12"];

/// Both nodes, changed where they have what is to be changed.
fn broken(nodes: &[Scenario; 2], changes: &[Change]) -> Result<[Scenario; 2], Box<dyn Error>> {
    let mut nodes = nodes.clone();
    let mut touched = false;
    for node in &mut nodes {
        if let Ok(stand) = Stand::of(node).but("it is broken", changes) {
            node.firewall = stand.firewall;
            touched = true;
        }
    }
    assert!(touched, "{changes:?} fit neither node");
    Ok(nodes)
}

#[test]
fn every_claim_can_fail() -> Result<(), Box<dyn Error>> {
    let nodes = seed::nodes()?;
    let mut firm = Vec::new();
    for (ids, changes) in BREAKS {
        let broken = broken(&nodes, changes)?;
        for claim in claims::all().iter().filter(|claim| ids.contains(&claim.id)) {
            let before = check(claim, &nodes, None)?.outcome();
            if check(claim, &broken, None)?.outcome() == before {
                firm.push(claim.id);
            }
        }
    }
    assert!(firm.is_empty(), "nothing changed for {firm:?}");
    Ok(())
}

#[test]
fn every_claim_is_broken_somewhere() {
    let broken: Vec<&str> = BREAKS.iter().flat_map(|(ids, _)| *ids).copied().collect();
    for claim in claims::all() {
        let there = broken.contains(&claim.id) || NOT_BY_A_RULE.contains(&claim.id);
        assert!(there, "{} is never broken", claim.id);
    }
}

#[test]
fn claims_about_the_text_fail_on_another_text() -> Result<(), Box<dyn Error>> {
    let nodes = seed::nodes()?;
    for claim in claims::all()
        .iter()
        .filter(|claim| ["X7", "X12"].contains(&claim.id))
    {
        let other = check(claim, &nodes, Some(Document::new("nothing of the kind\n")))?;
        assert_ne!(other.outcome(), claim.expected, "{}", claim.id);
    }
    Ok(())
}

#[test]
fn claims_about_hashes_fail_without_rules() -> Result<(), Box<dyn Error>> {
    let mut nodes = seed::nodes()?;
    for node in &mut nodes {
        node.firewall.v4.tables.clear();
    }
    for claim in claims::all().iter().filter(|claim| claim.id == "C70") {
        assert_ne!(check(claim, &nodes, None)?.outcome(), claim.expected);
    }
    Ok(())
}

/// The page that `calidiff claims` prints, by the model alone and without the document's text.
#[test]
fn the_page_is_the_accepted_one() -> Result<(), Box<dyn Error>> {
    let nodes = seed::nodes()?;
    let findings: Result<Vec<Finding>, _> = claims::all()
        .iter()
        .map(|claim| check(claim, &nodes, None))
        .collect();
    let page = calidiff::report::claims::text(&findings?, &Palette::plain());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots/claims"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("model", page));
    Ok(())
}
