//! The rulesets that a command is asked about: dumps, sets and nodes read from files, what is
//! missing inferred; a scenario; or the seed's nodes.

use std::path::{Path, PathBuf};

use super::args::Ground;
use super::scenarios::{self, Read};
use super::status::Ending;
use crate::arm::plan::Plan;
use crate::campaign::Subject;
use crate::claims::seed;
use crate::node::{self, Node};
use crate::packet::Family;
use crate::scenario::Scenario;
use crate::xtables::{Firewall, Ruleset, ipset, save};

/// Whether a file is taken for a scenario: by its ending.
#[must_use]
pub fn is_scenario(path: &Path) -> bool {
    let extension = path.extension();
    extension.is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// The scenario that the options name, where they name one and no dumps, and its layout.
///
/// # Errors
///
/// Bad input, with its place.
pub fn scenario(ground: &Ground) -> Result<Option<Read>, Ending> {
    let Some(path) = ground.dumps.iter().find(|path| is_scenario(path)) else {
        return Ok(None);
    };
    if ground.dumps.len() > 1 || ground.sets.is_some() {
        return Err(Ending::bad_input(miette::miette!(
            help = "a scenario has its node, rules and sets itself",
            "{} stands beside other files; expected it alone",
            path.display()
        )));
    }
    scenarios::read(path, ground.node.as_deref(), ground.layout).map(Some)
}

/// What is programmed for the scenario that the options name.
///
/// # Errors
///
/// Bad input: the layout's era can't say what the scenario's resources say.
pub fn plan(ground: &Ground, read: &Read) -> Result<Plan, Ending> {
    let path = ground.dumps.first().map_or(Path::new(""), |path| path);
    scenarios::plan(path, read)
}

/// A scenario's ruleset, planned. A family whose rules the tools refuse is left as others have it, which
/// is said on standard error.
#[must_use]
pub fn planned(scenario: &Scenario, plan: &Plan) -> Subject {
    for family in Family::BOTH {
        let refused = plan.calico.as_ref().and_then(|one| one.refused(family));
        if let Some(why) = refused {
            eprintln!("note: {}: {why}", scenario.name);
        }
    }
    Subject {
        name: scenario.name.clone(),
        node: plan.node.clone(),
        firewall: plan.firewall.clone(),
        assumptions: Vec::new(),
        planted: None,
    }
}

/// Reads what the options name.
///
/// # Errors
///
/// Bad input, with its place.
pub fn read(ground: &Ground) -> Result<Vec<Subject>, Ending> {
    if let Some(read) = scenario(ground)? {
        let plan = plan(ground, &read)?;
        return Ok(vec![planned(&read.scenario, &plan)]);
    }
    if ground.dumps.is_empty() {
        let seeds = seed_subjects()?;
        return match &ground.node {
            None => Ok(seeds),
            Some(name) => named(seeds, name).map(|subject| vec![subject]).ok_or_else(|| {
                Ending::bad_input(miette::miette!(
                    help = "give a dump: calidiff check DUMP --node FILE",
                    "`--node {name}` names no node of the seed (slave1, slave2), and a node file needs a dump beside it"
                ))
            }),
        };
    }
    let mut firewall = firewall(ground)?;
    let mut assumptions = Vec::new();
    let node = node_of(ground.node.as_deref(), &firewall, &mut assumptions)?;
    let (sets, assumed) = node::infer::infer_sets(&firewall, &node);
    firewall.sets.extend(sets);
    assumptions.extend(assumed);
    let name = ground.dumps[0].file_name().map_or_else(
        || ground.dumps[0].display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    Ok(vec![Subject {
        name,
        node,
        firewall,
        assumptions,
        planted: None,
    }])
}

/// Reads the rules and sets of one node.
///
/// # Errors
///
/// Bad input, with its place.
pub fn firewall(ground: &Ground) -> Result<Firewall, Ending> {
    let mut firewall = Firewall::default();
    for (name, ruleset) in dumps(&ground.dumps)? {
        place(&mut firewall, ruleset, &name)?;
    }
    if let Some(path) = &ground.sets {
        let (name, text) = text_of(path)?;
        firewall.sets = ipset::parse(&name, &text).map_err(Ending::bad_input)?;
    }
    Ok(firewall)
}

/// Reads dumps, each with the name of its file.
///
/// # Errors
///
/// Bad input, with its place.
pub fn dumps(paths: &[PathBuf]) -> Result<Vec<(String, Ruleset)>, Ending> {
    let read = paths.iter().map(|path| {
        let (name, text) = text_of(path)?;
        let ruleset = save::parse(&name, &text, family_of(&name, &text));
        Ok((name, ruleset.map_err(Ending::bad_input)?))
    });
    read.collect()
}

fn seed_subjects() -> Result<Vec<Subject>, Ending> {
    let nodes = seed::nodes().map_err(Ending::bad_input)?;
    let subject = |scenario: Scenario| Subject {
        name: scenario.name,
        node: scenario.node,
        firewall: scenario.firewall,
        assumptions: Vec::new(),
        planted: None,
    };
    Ok(nodes.into_iter().map(subject).collect())
}

fn named(subjects: Vec<Subject>, name: &str) -> Option<Subject> {
    subjects.into_iter().find(|subject| subject.name == name)
}

/// The node of a name or file; without any, one that is inferred from the rules.
///
/// # Errors
///
/// Bad input, with its place.
pub fn node_of(
    name: Option<&str>,
    firewall: &Firewall,
    assumptions: &mut Vec<String>,
) -> Result<Node, Ending> {
    let Some(name) = name else {
        let inferred = node::infer::infer(firewall);
        assumptions.extend(inferred.assumptions);
        return Ok(inferred.node);
    };
    if let Some(seed) = named(seed_subjects()?, name) {
        return Ok(seed.node);
    }
    let (name, text) = text_of(Path::new(name))?;
    node::text::read(&name, &text).map_err(|why| Ending::bad_input(*why))
}

/// The text of a file, and its name.
///
/// # Errors
///
/// Bad input: a file that can't be read, or is no text.
pub fn text_of(path: &Path) -> Result<(String, String), Ending> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path)
        .map_err(|why| Ending::bad_input(miette::miette!("cannot read {name}: {why}")))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok((name, text)),
        Err(why) => {
            let at = why.utf8_error().valid_up_to();
            let (before, rest) = why.as_bytes().split_at(at);
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            Err(Ending::bad_input(miette::miette!(
                "{name}:{line}: no text: expected UTF-8, found the byte {:#04x}",
                rest[0]
            )))
        }
    }
}

/// Whether a dump is iptables' or ip6tables': its own header says so, else its name's ending in 6,
/// else a word that only one of the two prints.
fn family_of(name: &str, text: &str) -> Family {
    let header = text
        .lines()
        .find(|line| line.starts_with("# Generated by "));
    let six = match header {
        Some(header) => header.contains("ip6tables"),
        None => {
            let words = ["ipv6-icmp", "icmp6", "::/", "fe80:"];
            name.ends_with('6') || words.iter().any(|word| text.contains(word))
        }
    };
    if six { Family::V6 } else { Family::V4 }
}

fn place(firewall: &mut Firewall, ruleset: Ruleset, name: &str) -> Result<(), Ending> {
    let family = ruleset.family;
    let slot = firewall.ruleset_mut(family);
    if !slot.tables.is_empty() {
        let tool = match family {
            Family::V4 => "iptables-save",
            Family::V6 => "ip6tables-save",
        };
        return Err(Ending::bad_input(miette::miette!(
            help = "one node has one dump of each family; check two nodes by two commands",
            "{name} is a second dump of {tool}"
        )));
    }
    *slot = ruleset;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dumps_family_is_its_headers_or_its_names_or_its_words() {
        let six = "# Generated by ip6tables-save v1.8.9\n*filter\nCOMMIT\n";
        let four = "# Generated by iptables-save v1.8.9\n*filter\nCOMMIT\n";
        assert_eq!(family_of("x.save", six), Family::V6);
        assert_eq!(family_of("x.save6", four), Family::V4);
        assert_eq!(family_of("x.save6", "*filter\n"), Family::V6);
        assert_eq!(
            family_of("x.save", "-A INPUT -p ipv6-icmp -j ACCEPT\n"),
            Family::V6
        );
        assert_eq!(
            family_of("x.save", "-A INPUT -p icmp -j ACCEPT\n"),
            Family::V4
        );
    }
}
