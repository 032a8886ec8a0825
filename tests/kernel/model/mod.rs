//! The chain machine against the kernel behind both backends: random packets on small rulesets, each
//! about one subject, every journey compared.

mod refused;
mod rulesets;

use std::collections::BTreeMap;
use std::error::Error;

use calidiff::arm::Arm;
use calidiff::arm::kernel::KernelArm;
use calidiff::arm::model::ModelArm;
use calidiff::diff::{Comparison, compare};
use calidiff::generate::batch::Batches;
use calidiff::generate::bits::Seeded;
use calidiff::generate::ground::Ground;
use calidiff::generate::random::Stream;
use calidiff::node::Node;
use calidiff::packet::Family;
use calidiff::xtables::Backend;
use calidiff::xtables::{Firewall, ipset, save};
use libtest_mimic::Trial;

use crate::trial;
use rulesets::Rules;

type Outcome = Result<(), Box<dyn Error>>;

/// How many packets each ruleset is tried with, and how many are sent at once.
const PACKETS: usize = 1500;
const AT_ONCE: usize = 250;
/// How many differences are told.
const TOLD: usize = 12;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("model::agrees_on_routing", || agree(rulesets::ROUTING)),
        trial("model::agrees_on_chains_and_marks", || {
            agree(rulesets::CHAINS)
        }),
        trial("model::agrees_on_matches", || agree(rulesets::MATCHES)),
        trial("model::agrees_on_connections", || {
            agree(rulesets::CONNECTIONS)
        }),
        trial("model::agrees_on_sets", || agree(rulesets::SETS)),
        trial("model::agrees_on_translation", || {
            agree(rulesets::TRANSLATION)
        }),
        trial("model::agrees_on_rejections", || {
            agree(rulesets::REJECTIONS)
        }),
        trial("model::agrees_on_changed_headers", || {
            agree(rulesets::HEADERS)
        }),
        trial("model::agrees_on_what_is_refused", refused::agree),
    ]
}

fn node() -> Result<Node, Box<dyn Error>> {
    Ok(calidiff::node::text::read("node", rulesets::NODE)?)
}

fn firewall(rules: &Rules) -> Result<Firewall, Box<dyn Error>> {
    Ok(Firewall {
        v4: save::parse("v4", rules.v4, Family::V4)?,
        v6: save::parse("v6", rules.v6, Family::V6)?,
        sets: ipset::parse("sets", rules.sets)?,
    })
}

fn agree(cases: &[Rules]) -> Outcome {
    let mut problems = Vec::new();
    for backend in Backend::BOTH {
        let mut kernel = KernelArm::new(backend)?;
        for rules in cases {
            let told = differences(&mut kernel, backend, rules)
                .map_err(|error| format!("{backend:?}, {}: {error}", rules.about))?;
            let told = told.into_iter();
            problems.extend(told.map(|problem| format!("{backend:?}, {}: {problem}", rules.about)));
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n").into())
    }
}

/// The kinds of differences on one ruleset, each with its number and its first packet.
fn differences(
    kernel: &mut KernelArm,
    backend: Backend,
    rules: &Rules,
) -> Result<Vec<String>, Box<dyn Error>> {
    let node = node()?;
    let firewall = firewall(rules)?;
    kernel.program(&node, &firewall)?;
    let mut model = ModelArm::new(backend);
    model.program(&node, &firewall)?;
    let ground = Ground::new(&node, &firewall);
    let mut stream = Stream::new(&ground, Seeded::new(rules.seed()), Vec::new());
    let shots = std::iter::repeat_with(|| stream.draft().shot).take(PACKETS);
    let mut kinds: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let (mut expected, mut found) = (Vec::new(), Vec::new());
    let mut unjudged = 0;
    for salvo in Batches::new(&ground, shots, AT_ONCE) {
        kernel.fire(&salvo.batch, &mut found)?;
        model.fire(&salvo.batch, &mut expected)?;
        for ((packet, expected), found) in salvo.batch.packets.iter().zip(&expected).zip(&found) {
            match compare(expected, found) {
                Comparison::Agree => {}
                Comparison::Unjudged(_) => unjudged += 1,
                Comparison::Differ(difference) => {
                    let text = difference.to_string();
                    let kind = kinds.entry(text).or_insert_with(|| (0, packet.to_string()));
                    kind.0 += 1;
                }
            }
        }
    }
    let mut told: Vec<String> = kinds
        .into_iter()
        .map(|(difference, (count, packet))| format!("{count} times {difference}: {packet}"))
        .take(TOLD)
        .collect();
    if unjudged > PACKETS / 10 {
        told.push(format!("{unjudged} of {PACKETS} packets unjudged"));
    }
    Ok(told)
}
