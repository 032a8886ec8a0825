//! Both backends take what generated scenarios of API v3 are rendered to, but for what is known to be
//! refused; and that both refuse.

use std::error::Error;

use calidiff::arm::plan::Plan;
use calidiff::calico::resources::Api;
use calidiff::generate::bits::Seeded;
use calidiff::generate::world::{Cluster, Dials, Feature};
use calidiff::packet::Family;
use calidiff::render::Layout;
use calidiff::xtables::ipset;
use calidiff::xtables::save::{self, Style};
use libtest_mimic::Trial;

use crate::restore::{BACKENDS, load};
use crate::trial;

/// The trials of this module.
pub fn trials() -> Vec<Trial> {
    vec![trial(
        "generated::modern_scenarios_load_or_are_refused_as_the_model_says",
        modern_scenarios_load_or_are_refused_as_the_model_says,
    )]
}

/// How many scenarios are loaded.
const SCENARIOS: u64 = 60;

fn modern_scenarios_load_or_are_refused_as_the_model_says() -> Result<(), Box<dyn Error>> {
    let mut wrong = Vec::new();
    let mut loaded = 0;
    for seed in 0..SCENARIOS {
        let mut bits = Seeded::new(seed);
        let cluster = Cluster::make(&mut bits, &Dials::default(), Api::V3);
        let made = cluster.scenario(&mut bits);
        // What only the tools refuse is wanted, and seldom.
        let odd = cluster.features().has(Feature::Refusals);
        let plan = Plan::new(Layout::Modern, &made)?;
        let calico = plan.calico.as_ref().ok_or("no Calico")?;
        let sets = ipset::print_save(&plan.firewall.sets);
        for family in Family::BOTH {
            let planned = save::print(plan.firewall.ruleset(family), Style::default());
            let (text, refused) = match calico.refused(family) {
                None => (planned, None),
                Some(why) => (calico.draft.text(family), Some(why)),
            };
            let outcomes = BACKENDS.map(|backend| load(backend, family, &sets, &text, false));
            match (refused, &outcomes) {
                (None, [Ok(_), Ok(_)]) => loaded += 1,
                (refused, outcomes)
                    if outcomes.iter().any(Result::is_err) && (odd || refused.is_some()) => {}
                _ => {
                    let outcomes = outcomes.map(|outcome| outcome.err());
                    wrong.push(format!(
                        "{seed}, {family:?}: {refused:?}, the tools {outcomes:?}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(loaded > SCENARIOS, "{loaded} loaded");
    Ok(())
}
