//! Both backends take what the renderer makes, and make the same of Felix's own text.

use std::error::Error;

use calidiff::arm::model::ModelArm;
use calidiff::arm::{Arm, Failure};
use calidiff::calico::rule::{Action, IcmpMessage, NamedProtocol, Rule, RuleProtocol};
use calidiff::import::verify;
use calidiff::packet::Family;
use calidiff::render::modern;
use calidiff::render::seed::draft;
use calidiff::render::table::Draft;
use calidiff::xtables::save::{self, Style};
use calidiff::xtables::{Backend, Firewall, ipset};
use libtest_mimic::Trial;

use crate::restore::{BACKENDS, load};
use crate::trial;

#[path = "../pure/render/worlds.rs"]
mod worlds;

#[path = "../pure/render/modern/worlds.rs"]
mod modern_worlds;

/// The trials of this module.
pub fn trials() -> Vec<Trial> {
    vec![
        trial(
            "render::every_world_loads_as_felix_writes_it",
            every_world_loads_as_felix_writes_it,
        ),
        trial(
            "render::what_is_called_unprogrammable_is_refused",
            what_is_called_unprogrammable_is_refused,
        ),
        trial(
            "render::a_message_of_no_family_is_refused_by_the_other",
            a_message_of_no_family_is_refused_by_the_other,
        ),
        trial(
            "render::modern_nodes_load_and_their_hashes_verify",
            modern_nodes_load_and_their_hashes_verify,
        ),
        trial(
            "render::modern_rules_that_the_tools_refuse",
            modern_rules_that_the_tools_refuse,
        ),
    ]
}

fn every_world_loads_as_felix_writes_it() -> Result<(), Box<dyn Error>> {
    for (name, world, node) in worlds::all() {
        loaded(name, draft(&world, &node)?)?;
    }
    Ok(())
}

/// Through the tools, the kernel and the tools again: the rules are as Felix wrote them, and so are their
/// hashes.
fn modern_nodes_load_and_their_hashes_verify() -> Result<(), Box<dyn Error>> {
    for (name, world, node) in modern_worlds::all() {
        for (family, text) in loaded(name, modern::draft(&world, &node)?)? {
            let saved = save::parse("saved", &text, family)?;
            let verified = verify(&saved);
            // Of a limit of packets the tools keep and print another rate than Felix wrote.
            let mut findings = verified.findings.iter();
            assert!(
                findings.all(|one| one.rule.chain == "cali-tw-cali1a"),
                "{name}, {family:?}: {:?}",
                verified.findings
            );
            assert!(
                verified.held > 0 || saved.tables.is_empty(),
                "{name}, {family:?}"
            );
        }
    }
    Ok(())
}

/// What each backend and family saves again of Felix's own text, which is the same as of ours.
fn loaded(name: &str, draft: Draft) -> Result<Vec<(Family, String)>, Box<dyn Error>> {
    let texts = Family::BOTH.map(|family| draft.text(family));
    let mut firewall = Firewall::default();
    draft.program()?.install(&mut firewall);
    let sets = ipset::print_save(&firewall.sets);
    let mut saved = Vec::new();
    for (family, felix) in Family::BOTH.into_iter().zip(texts) {
        let ours = save::print(firewall.ruleset(family), Style::default());
        for backend in BACKENDS {
            let of = |error| format!("{name}, {family:?}, {backend}: {error}");
            let by_felix = load(backend, family, &sets, &felix, false).map_err(of)?;
            let by_us = load(backend, family, &sets, &ours, false).map_err(of)?;
            assert_eq!(by_us, by_felix, "{name}, {family:?}, {backend}");
            if backend == "legacy" {
                assert_eq!(sorted(&by_us), sorted(&ours), "{name}, {family:?}");
            }
            saved.push((family, by_felix));
        }
    }
    Ok(saved)
}

/// Modern worlds of which Felix makes what the tools refuse.
fn unprogrammable() -> Vec<(&'static str, calidiff::calico::World)> {
    vec![
        (
            "REJECT in raw and mangle",
            modern_worlds::with("  iptablesFilterDenyAction: Reject\n"),
        ),
        ("an address of IPv4 for outgoing NAT of IPv6", {
            let mut world = modern_worlds::with("  natOutgoingAddress: 192.0.2.9\n");
            for pool in &mut world.pools {
                pool.nat_outgoing = true;
            }
            world
        }),
    ]
}

fn modern_rules_that_the_tools_refuse() -> Result<(), Box<dyn Error>> {
    let node = modern_worlds::node(false);
    for (name, world) in unprogrammable() {
        let draft = modern::draft(&world, &node)?;
        let texts = Family::BOTH.map(|family| draft.text(family));
        let sets = ipset::print_save(&draft.sets);
        for backend in Backend::BOTH {
            let tools = backend.to_string();
            let outcomes = Family::BOTH.into_iter().zip(&texts);
            let outcomes = outcomes.map(|(family, text)| load(&tools, family, &sets, text, false));
            let refusals: Vec<String> = outcomes.filter_map(Result::err).collect();
            assert!(!refusals.is_empty(), "{backend} takes {name}");
            // The model knows, or the typed rules do.
            let mut firewall = Firewall::default();
            if let Ok(rendered) = draft.clone().program() {
                rendered.install(&mut firewall);
                let by_model = ModelArm::new(backend).program(&node, &firewall);
                assert!(
                    matches!(by_model, Err(Failure::Refused(_))),
                    "{backend}, {name}"
                );
            }
        }
    }
    Ok(())
}

/// The tables may be saved in another order; and `NOTRACK` is what it became.
fn sorted(text: &str) -> Vec<String> {
    let lines = text.replace("-j CT --notrack", "-j NOTRACK");
    let mut tables: Vec<String> = lines
        .split_inclusive("COMMIT\n")
        .map(str::to_owned)
        .collect();
    tables.sort();
    tables
}

fn what_is_called_unprogrammable_is_refused() -> Result<(), Box<dyn Error>> {
    for (name, world) in worlds::unprogrammable() {
        let draft = draft(&world, &worlds::node())?;
        let texts = Family::BOTH.map(|family| draft.text(family));
        let sets = ipset::print_save(&draft.sets);
        let refused = draft.program().expect_err(name);
        for backend in BACKENDS {
            let outcomes = Family::BOTH.into_iter().zip(&texts);
            let outcomes = outcomes.map(|(family, text)| load(backend, family, &sets, text, false));
            let refusals: Vec<String> = outcomes.filter_map(Result::err).collect();
            assert!(!refusals.is_empty(), "{backend} takes {name}");
            eprintln!("{name}: {refused}; {backend}: {}", refusals.join("; "));
        }
    }
    Ok(())
}

/// Felix 2.1.1 renders a rule about ICMP for IPv6 too unless it says its family; ip6tables takes no
/// `-m icmp6` of that protocol, and so none of the table.
fn a_message_of_no_family_is_refused_by_the_other() -> Result<(), Box<dyn Error>> {
    let mut world = worlds::crowded();
    world.tiers[0].policies[1].ingress = vec![Rule {
        protocol: Some(RuleProtocol::Named(NamedProtocol::Icmp)),
        icmp: Some(IcmpMessage {
            kind: 8,
            code: None,
        }),
        ..Rule::bare(Action::Allow)
    }];
    let node = worlds::node();
    let draft = draft(&world, &node)?;
    let texts = Family::BOTH.map(|family| draft.text(family));
    let mut firewall = Firewall::default();
    draft.program()?.install(&mut firewall);
    let sets = ipset::print_save(&firewall.sets);
    for backend in Backend::BOTH {
        let tools = backend.to_string();
        load(&tools, Family::V4, &sets, &texts[0], false)?;
        let refused = load(&tools, Family::V6, &sets, &texts[1], false);
        assert!(refused.is_err(), "{backend}");
        let by_model = ModelArm::new(backend).program(&node, &firewall);
        assert!(matches!(by_model, Err(Failure::Refused(_))), "{backend}");
    }
    Ok(())
}
