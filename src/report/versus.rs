//! Two rulesets against each other, for people and for machines.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::check::{grouped, rule_text, step_line};
use crate::campaign::Subject;
use crate::campaign::tally::Ending;
use crate::campaign::versus::{Change, JudgeReport, VersusReport};
use crate::import::Names;
use crate::journey::{Answer, Step};
use crate::xtables::Firewall;

/// How many changes are written out; the others are counted.
const WRITTEN: usize = 10;

/// How many steps are written out behind those that are the same.
const STEPS: usize = 8;

/// The report as text; chains that stand for something are named.
#[must_use]
pub fn text(report: &VersusReport, subjects: &[Subject; 2], names: &Names) -> String {
    let mut out = String::new();
    let [first, second] = subjects;
    let _ = writeln!(out, "{} against {}", first.name, second.name);
    for assumption in &first.assumptions {
        let _ = writeln!(out, "  assumed    {assumption}");
    }
    for judge in &report.judges {
        let _ = writeln!(
            out,
            "  {:<10} {} packets: {} end differently, {} unjudged",
            judge.arm.to_string(),
            grouped(judge.packets),
            grouped(judge.changed),
            grouped(judge.unjudged.values().sum()),
        );
        for (why, count) in &judge.unjudged {
            let _ = writeln!(out, "             not judged: {why} ({})", grouped(*count));
        }
    }
    for change in report.changes.iter().take(WRITTEN) {
        write_change(&mut out, report, change, subjects, names);
    }
    if let Some(more) = report
        .changes
        .len()
        .checked_sub(WRITTEN)
        .filter(|more| *more > 0)
    {
        let _ = writeln!(out, "\n{more} more kinds of change; --json has them all");
    }
    out
}

fn write_change(
    out: &mut String,
    report: &VersusReport,
    change: &Change,
    subjects: &[Subject; 2],
    names: &Names,
) {
    let [before, after] = change.endings.map(Ending::words);
    let counts = report.judges.iter().zip(&change.packets);
    let counts = counts.map(|(judge, count)| format!("{} {}", judge.arm, grouped(*count)));
    let counts: Vec<String> = counts.collect();
    let _ = writeln!(
        out,
        "\nCHANGE {before} -> {after} (packets: {})",
        counts.join(", ")
    );
    let _ = writeln!(out, "  packet   {}", change.packet);
    for connection in &change.connections {
        let _ = writeln!(out, "  exists   {connection}");
    }
    for (subject, answer) in subjects.iter().zip(&change.answers) {
        let _ = writeln!(out, "  by {}: {}", subject.name, fate(answer));
    }
    let _ = writeln!(
        out,
        "  the rules that matched, of {} beside {}, behind {} that are the same:",
        subjects[0].name, subjects[1].name, change.shared
    );
    let [left, right] = rows(change);
    let width = left.iter().map(|line| line.chars().count()).max();
    let width = width.unwrap_or(0).max(1);
    for at in 0..left.len().max(right.len()) {
        let left = left.get(at).map_or("-", String::as_str);
        let right = right.get(at).map_or("-", String::as_str);
        let _ = writeln!(out, "    {left:<width$}  | {right}");
    }
    for (subject, path) in subjects.iter().zip(&change.paths) {
        if let Some(step) = path.get(change.shared) {
            write_parting(out, subject, step, names);
        }
    }
}

/// The rule by which a path parts from the other.
fn write_parting(out: &mut String, subject: &Subject, step: &Step, names: &Names) {
    let name = names.chain(&step.chain);
    let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
    let rule = match parting(&subject.firewall, step) {
        Some((Some(line), rule)) => format!("line {line}: {rule}"),
        Some((None, rule)) => rule,
        None => format!("the end of {}: {}", step.chain, step.did),
    };
    let _ = writeln!(out, "  {}: {rule}{name}", subject.name);
}

/// The line of a step's rule, where it was read from a text, and the rule's text.
fn parting(firewall: &Firewall, step: &Step) -> Option<(Option<usize>, String)> {
    let id = step.rule_id()?;
    let line = firewall.rule(&id)?.line;
    let line = Some(line).filter(|line| *line > 0);
    Some((line, rule_text(firewall, &id)))
}

/// What each path does behind what both do, a line a step.
fn rows(change: &Change) -> [Vec<String>; 2] {
    [0, 1].map(|side| {
        let path = &change.paths[side];
        let rest = &path[change.shared.min(path.len())..];
        let mut lines: Vec<String> = rest.iter().take(STEPS).map(step_line).collect();
        if let Some(more) = rest.len().checked_sub(STEPS).filter(|more| *more > 0) {
            lines.push(format!("and {more} more"));
        }
        lines
    })
}

fn fate(answer: &Answer) -> String {
    let Answer::Judged(possible) = answer else {
        return "not judged".to_owned();
    };
    let mut fates: Vec<String> = Vec::new();
    for one in possible {
        let headers = one
            .journey
            .sights
            .last()
            .map(|sight| sight.headers.to_string());
        let fate = match headers {
            Some(headers) => format!("{}, as {headers}", one.journey.fate),
            None => one.journey.fate.to_string(),
        };
        if !fates.contains(&fate) {
            fates.push(fate);
        }
    }
    fates.join(", or ")
}

/// The same facts for machines.
#[must_use]
pub fn json(report: &VersusReport, subjects: &[Subject; 2], seed: u64) -> Value {
    let judges = report.judges.iter().map(|judge: &JudgeReport| {
        json!({
            "judge": judge.arm.to_string(),
            "packets": judge.packets,
            "changed": judge.changed,
            "unjudged": judge.unjudged,
        })
    });
    let changes = report
        .changes
        .iter()
        .map(|change| change_json(report, change, subjects));
    json!({
        "first": subjects[0].name,
        "second": subjects[1].name,
        "assumptions": subjects[0].assumptions,
        "seed": seed,
        "judges": judges.collect::<Vec<_>>(),
        "changes": changes.collect::<Vec<_>>(),
    })
}

fn change_json(report: &VersusReport, change: &Change, subjects: &[Subject; 2]) -> Value {
    let counts = report.judges.iter().zip(&change.packets);
    let counts: serde_json::Map<String, Value> = counts
        .map(|(judge, count)| (judge.arm.to_string(), Value::from(*count)))
        .collect();
    let side = |at: usize| {
        let steps = change.paths[at].iter().map(|step| {
            let rule = parting(&subjects[at].firewall, step);
            json!({
                "hook": step.hook.chain(),
                "table": step.table.as_str(),
                "chain": step.chain,
                "number": step.rule.map(|index| index + 1),
                "line": rule.as_ref().map(|(line, _)| line),
                "rule": rule.as_ref().map(|(_, text)| text),
                "did": step.did,
            })
        });
        json!({
            "ending": change.endings[at],
            "fate": fate(&change.answers[at]),
            "path": steps.collect::<Vec<_>>(),
        })
    };
    json!({
        "packets": counts,
        "packet": change.packet.to_string(),
        "connections": change.connections.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "same_steps": change.shared,
        "first": side(0),
        "second": side(1),
    })
}
