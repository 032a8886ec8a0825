//! The seed's claims on the kernel, behind both backends, beside the model.

use std::error::Error;

use calidiff::arm::kernel::KernelArm;
use calidiff::arm::model::ModelArm;
use calidiff::claims::bench::Bench;
use calidiff::claims::seed::{self, Document};
use calidiff::claims::stand::{Change, Stand};
use calidiff::claims::{self, Outcome};
use calidiff::report::claims::text;
use calidiff::report::palette::Palette;
use calidiff::verdict::ArmName;
use calidiff::xtables::Backend;
use calidiff::xtables::TableName::{Filter, Nat, Raw};
use libtest_mimic::Trial;

use crate::trial;

pub fn trials() -> Vec<Trial> {
    vec![
        trial(
            "claims::every_claim_stands_as_expected_on_every_arm",
            every_claim_stands_as_expected_on_every_arm,
        ),
        trial(
            "claims::claims_fail_on_the_kernel_where_their_rule_is_gone",
            claims_fail_on_the_kernel_where_their_rule_is_gone,
        ),
    ]
}

fn every_claim_stands_as_expected_on_every_arm() -> Result<(), Box<dyn Error>> {
    let [slave1, slave2] = seed::nodes()?;
    let mut model = ModelArm::new(Backend::Legacy);
    let mut legacy = KernelArm::new(Backend::Legacy)?;
    let mut nft = KernelArm::new(Backend::Nft)?;
    let mut bench = Bench::new(
        vec![&mut model, &mut legacy, &mut nft],
        slave1,
        slave2,
        Document::find(),
    );
    let mut wrong = Vec::new();
    for claim in claims::all() {
        let finding = claims::check(&claim, &mut bench)?;
        let by_packets = finding.of_arm(ArmName::Model).is_some();
        let asked = finding.arms().count();
        assert!(asked == 3 || !by_packets, "{}: {asked} arms", claim.id);
        assert_ne!(finding.outcome(), Outcome::Unjudged, "{}", claim.id);
        if !finding.as_expected() {
            wrong.push(finding);
        }
    }
    assert!(wrong.is_empty(), "{}", text(&wrong, &Palette::plain()));
    Ok(())
}

/// A claim of each theme, and a rule without which it does not stand.
const BREAKS: [(&str, Change); 6] = [
    ("C6", Change::Remove(Raw, "cali-PREROUTING", 1)),
    ("C19", Change::Remove(Nat, "PREROUTING", 1)),
    ("C22", Change::Remove(Filter, "cali-INPUT", 2)),
    (
        "C41",
        Change::Remove(Filter, "cali-pi-namespace-default", 1),
    ),
    ("C53", Change::Remove(Filter, "cali-FORWARD", 6)),
    ("C61", Change::Remove(Filter, "cali-OUTPUT", 4)),
];

fn claims_fail_on_the_kernel_where_their_rule_is_gone() -> Result<(), Box<dyn Error>> {
    let [slave1, slave2] = seed::nodes()?;
    let mut legacy = KernelArm::new(Backend::Legacy)?;
    let mut nft = KernelArm::new(Backend::Nft)?;
    for (id, change) in BREAKS {
        let mut broken = slave1.clone();
        broken.firewall = Stand::of(&slave1).but("it is broken", &[change])?.firewall;
        let arms: Vec<&mut dyn calidiff::arm::Arm> = vec![&mut legacy, &mut nft];
        let mut bench = Bench::new(arms, broken, slave2.clone(), None);
        let all = claims::all();
        let claim = all.iter().find(|claim| claim.id == id).ok_or(id)?;
        let finding = claims::check(claim, &mut bench)?;
        assert!(finding.arms_agree(), "{id}");
        assert_ne!(finding.outcome(), claim.expected, "{id}");
    }
    Ok(())
}
