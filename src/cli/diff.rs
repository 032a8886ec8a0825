//! `calidiff diff`.

use std::path::{Path, PathBuf};

use super::args::{Arms, Diff, Ground, OfFile};
use super::progress::{Progress, end_on_interrupt};
use super::status::{Ending, Status};
use super::{ground, machine, resources, terminal};
use crate::arm::{self, Failure};
use crate::campaign::versus::versus;
use crate::campaign::{Options, Subject};
use crate::node::{self, Node};
use crate::packet::Family;
use crate::report;
use crate::xtables::{Backend, Firewall, Ruleset, Table};

/// How many packets are aimed at each ruleset, unless said.
const PACKETS: u64 = 20_000;

/// Runs the command.
///
/// # Errors
///
/// Bad input, a ruleset that can't be loaded among it; a machine that lacks what the kernel arms need.
pub fn run(arguments: &Diff) -> Result<Status, Ending> {
    let subjects = subjects(arguments)?;
    let rulesets = subjects.iter().map(|subject| &subject.firewall);
    let rulesets = rulesets.flat_map(|firewall| [&firewall.v4, &firewall.v6]);
    let names = resources::names(&arguments.resources, &arguments.rulesets, rulesets)?;
    let arms = Arms {
        names: arguments.arms.clone(),
    };
    let backends = arms.kernels();
    if !backends.is_empty() {
        machine::enter()?;
    }
    end_on_interrupt();
    let options = Options {
        packets: arguments.packets.unwrap_or(PACKETS),
        explain: false,
        seed: arguments.seed,
        jobs: 1,
        backends,
    };
    let reading = options.backends.first().copied();
    let reading = reading.unwrap_or(Backend::Legacy);
    let judges = 1 + options.backends.len() as u64;
    let watch = Progress::new(2 * judges * options.packets);
    let report = versus(&subjects, &options, reading, &arm::make, &watch);
    let report = report.map_err(|why| refused(&subjects, why))?;
    watch.finish();
    if arguments.json {
        let json = report::versus::json(&report, &subjects, options.seed);
        terminal::print(format_args!("{json:#}\n"));
    } else {
        terminal::print(report::versus::text(&report, &subjects, &names));
    }
    Ok(match report.changes.is_empty() {
        true => Status::Agreed,
        false => Status::Diverged,
    })
}

/// A failure, with the names of the files that it is about where a ruleset is refused.
fn refused([first, second]: &[Subject; 2], why: Failure) -> Ending {
    match why {
        Failure::Refused(why) => Ending::bad_input(miette::miette!(
            "of {} and {} one can't be loaded: {why}",
            first.name,
            second.name
        )),
        broken @ Failure::Broken { .. } => broken.into(),
    }
}

/// What is read of one of the two files.
struct Side {
    firewall: Firewall,
    node: Option<Node>,
}

/// Both rulesets on one node: the one that is given, or a scenario's, or one that is inferred from both,
/// for packets that reach one of them must have a way to the other.
fn subjects(arguments: &Diff) -> Result<[Subject; 2], Ending> {
    let read = |at: usize| side(arguments, at);
    let [mut first, mut second] = [read(0)?, read(1)?];
    let both = union(&first.firewall, &second.firewall);
    let mut assumptions = Vec::new();
    let node = match (&arguments.node, first.node.take().or(second.node.take())) {
        (None, Some(node)) => node,
        (name, _) => ground::node_of(name.as_deref(), &both, &mut assumptions)?,
    };
    let (sets, assumed) = node::infer::infer_sets(&both, &node);
    assumptions.extend(assumed);
    let subject = |at: usize, mut firewall: Firewall| {
        // What only the other's file has, and what neither has.
        for set in both.sets.iter().chain(&sets) {
            if firewall.sets.iter().all(|own| own.name != set.name) {
                firewall.sets.push(set.clone());
            }
        }
        Subject {
            name: arguments.rulesets[at].display().to_string(),
            node: node.clone(),
            firewall,
            assumptions: assumptions.clone(),
            planted: None,
        }
    };
    Ok([subject(0, first.firewall), subject(1, second.firewall)])
}

/// Reads one of the two files, with its sets and in its layout: the first or the last that is given.
fn side(arguments: &Diff, at: usize) -> Result<Side, Ending> {
    let path: &Path = &arguments.rulesets[at];
    let of_both = |given: &[PathBuf]| given.get(at).or(given.last()).cloned();
    let layouts = &arguments.layouts;
    let layout = layouts.get(at).or(layouts.last()).copied();
    let one = Ground {
        dumps: vec![path.to_owned()],
        sets: of_both(&arguments.sets),
        node: None,
        layout: OfFile { given: layout },
    };
    if !ground::is_scenario(path) {
        return Ok(Side {
            firewall: ground::firewall(&one)?,
            node: None,
        });
    }
    let one = Ground { sets: None, ..one };
    let Some(read) = ground::scenario(&one)? else {
        return Ok(Side {
            firewall: Firewall::default(),
            node: None,
        });
    };
    let plan = ground::plan(&one, &read)?;
    let subject = ground::planned(&read.scenario, &plan);
    Ok(Side {
        firewall: subject.firewall,
        node: Some(subject.node),
    })
}

/// The rules and sets of both: what a node must have that either is for.
fn union(first: &Firewall, second: &Firewall) -> Firewall {
    let mut both = first.clone();
    for family in Family::BOTH {
        let others = &second.ruleset(family).tables;
        for table in others {
            add_table(both.ruleset_mut(family), table);
        }
    }
    for set in &second.sets {
        if both.sets.iter().all(|own| own.name != set.name) {
            both.sets.push(set.clone());
        }
    }
    both
}

fn add_table(ruleset: &mut Ruleset, table: &Table) {
    let Some(own) = ruleset.table_mut(table.name) else {
        ruleset.tables.push(table.clone());
        return;
    };
    for chain in &table.chains {
        match own.chains.iter_mut().find(|one| one.name == chain.name) {
            Some(own) => own.rules.extend(chain.rules.iter().cloned()),
            None => own.chains.push(chain.clone()),
        }
    }
}
