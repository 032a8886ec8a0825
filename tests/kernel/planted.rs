//! Faults planted on purpose: each must make a check fail. A check that can't fail is worth nothing.

use std::collections::BTreeMap;
use std::error::Error;

use calidiff::arm;
use calidiff::campaign::check::{SubjectReport, check};
use calidiff::campaign::{Blind, Options, Subject};
use calidiff::claims::seed;
use calidiff::diff::{Comparison, compare};
use calidiff::generate::aim::aim;
use calidiff::generate::ground::Ground;
use calidiff::generate::standing::Shot;
use calidiff::model::{Connections, Machine};
use calidiff::mutants::{Fault, Planted, all};
use calidiff::packet::Family;
use calidiff::xtables::Backend;
use libtest_mimic::Trial;

/// How many packets a check of a planted fault sends: the aimed ones, and some more.
const PACKETS: u64 = 6_000;

pub fn trials() -> Vec<Trial> {
    vec![
        super::trial("planted_rule_faults_are_found", rule_faults_are_found),
        super::trial("planted_misreadings_are_found", misreadings_are_found),
        super::trial(
            "nothing_planted_nothing_found",
            nothing_planted_nothing_found,
        ),
    ]
}

fn subject(number: usize) -> Result<Subject, Box<dyn Error>> {
    let scenario = seed::nodes()?
        .into_iter()
        .nth(number)
        .ok_or("no such seed node")?;
    Ok(Subject {
        name: scenario.name,
        node: scenario.node,
        firewall: scenario.firewall,
        assumptions: Vec::new(),
        planted: None,
    })
}

fn judge(subject: &Subject, backends: &[Backend]) -> Result<SubjectReport, Box<dyn Error>> {
    let options = Options {
        backends: backends.to_vec(),
        packets: PACKETS,
        seed: 7,
        jobs: 1,
        explain: false,
    };
    Ok(check(subject, &options, &arm::make, &Blind)?)
}

/// One mutant a kind of fault, the first that changes what becomes of some aimed packet: the others
/// stand where no packet comes, and say nothing about the harness.
fn telling_mutants(subject: &Subject) -> Result<BTreeMap<Fault, Planted>, Box<dyn Error>> {
    let ground = Ground::new(&subject.node, &subject.firewall);
    let mut machine = Machine::new(Backend::Legacy, &subject.node, &subject.firewall)?;
    let shots = aim(&ground, &mut machine, 7).shots;
    let mut telling = BTreeMap::new();
    for mutant in all(&subject.firewall, Family::V4) {
        if telling.contains_key(&mutant.fault) {
            continue;
        }
        if let Ok(mut other) = Machine::new(Backend::Legacy, &subject.node, &mutant.firewall)
            && shots
                .iter()
                .any(|shot| parts(shot, &mut machine, &mut other))
        {
            telling.insert(mutant.fault, mutant);
        }
    }
    Ok(telling)
}

fn parts(shot: &Shot, one: &mut Machine, other: &mut Machine) -> bool {
    let connections = Connections::new(&shot.connections);
    let (left, right) = (
        one.judge(&connections, &shot.packet),
        other.judge(&connections, &shot.packet),
    );
    matches!(compare(&left, &right), Comparison::Differ(_))
}

/// The kernel is given a ruleset with a fault, the model the true one.
fn rule_faults_are_found() -> Result<(), Box<dyn Error>> {
    let mut found = BTreeMap::new();
    for number in 0..2 {
        let mut subject = subject(number)?;
        for (fault, mutant) in telling_mutants(&subject)? {
            if found.contains_key(&fault) {
                continue;
            }
            subject.planted = Some(mutant.firewall);
            let report = judge(&subject, &[Backend::Legacy, Backend::Nft])?;
            for backend in &report.backends {
                if backend.tally.diverged == 0 && !backend.refused.differ() {
                    let (rule, arm) = (&mutant.rule, backend.backend);
                    return Err(format!("{fault} at {rule} went unnoticed on {arm}").into());
                }
            }
            found.insert(fault, mutant.rule);
        }
    }
    if found.len() < 25 {
        return Err(format!(
            "only {} kinds of fault were planted: {found:?}",
            found.len()
        )
        .into());
    }
    Ok(())
}

/// The model reads the ruleset wrongly, the kernel has the true one.
fn misreadings_are_found() -> Result<(), Box<dyn Error>> {
    let true_subject = subject(0)?;
    let mutants = telling_mutants(&true_subject)?;
    if mutants.len() < 15 {
        return Err(format!("only {} kinds of misreading were planted", mutants.len()).into());
    }
    for (fault, mutant) in mutants {
        let misread = Subject {
            firewall: mutant.firewall,
            planted: Some(true_subject.firewall.clone()),
            ..true_subject.clone()
        };
        let report = judge(&misread, &[Backend::Legacy])?;
        if report.diverged() > 0 {
            continue;
        }
        // What packets aimed at the misread rules don't tell, those aimed at the true ones do.
        let given = Subject {
            planted: Some(misread.firewall),
            ..true_subject.clone()
        };
        if judge(&given, &[Backend::Legacy])?.diverged() == 0 {
            return Err(format!("{fault} at {} went unnoticed", mutant.rule).into());
        }
    }
    Ok(())
}

fn nothing_planted_nothing_found() -> Result<(), Box<dyn Error>> {
    for number in 0..2 {
        let subject = subject(number)?;
        let report = judge(&subject, &[Backend::Legacy, Backend::Nft])?;
        for backend in &report.backends {
            assert_eq!(backend.tally.diverged, 0, "{:?}", backend.kinds);
            assert_eq!(
                backend.tally.not_judged(),
                0,
                "{:?}",
                backend.tally.unjudged
            );
            assert_eq!(backend.tally.packets, PACKETS);
            assert_eq!(backend.tally.agreed, PACKETS);
        }
    }
    Ok(())
}
