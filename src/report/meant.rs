//! A dump held against what Calico's resources mean: for people and for machines.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::check::{grouped, share, step_line};
use crate::campaign::meant::{Meaning, Parting, Unmeant};
use crate::diff::meaning::End;
use crate::import::Names;
use crate::import::verify::Finding;
use crate::packet::Family;
use crate::xtables::RuleId;

/// How many findings are written out; all are counted.
const WRITTEN: usize = 20;

/// Everything, a finding a paragraph. `hashes` is what the hashes of the dump's rules say is not as Felix
/// wrote it: of a chain on a packet's way it is said again there.
#[must_use]
pub fn text(meaning: &Meaning, names: &Names, hashes: &[&Finding]) -> String {
    let mut out = String::new();
    let families: Vec<&str> = meaning.families.iter().map(|one| word(*one)).collect();
    let _ = writeln!(
        out,
        "meaning: {} packets of {} held against the resources, beside the rules of layout {}: {} do not do \
         what is meant, {} unjudged",
        grouped(meaning.packets),
        families.join(" and "),
        meaning.layout,
        grouped(meaning.unmeant),
        grouped(meaning.unjudged.values().sum()),
    );
    for (why, count) in &meaning.unjudged {
        let _ = writeln!(
            out,
            "  not judged: {why} ({})",
            share(*count, meaning.packets)
        );
    }
    for finding in meaning.findings.iter().take(WRITTEN) {
        write_finding(&mut out, finding, names, hashes);
    }
    let more = meaning.findings.len().saturating_sub(WRITTEN);
    if more > 0 {
        let _ = writeln!(out, "\nand {more} more kinds");
    }
    out
}

fn word(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

fn write_finding(out: &mut String, finding: &Unmeant, names: &Names, hashes: &[&Finding]) {
    let _ = writeln!(out, "\nNOT MEANT ({} like it)", grouped(finding.like_it));
    let _ = writeln!(out, "  packet   {}", finding.packet);
    for connection in &finding.connections {
        let _ = writeln!(out, "  exists   {connection}");
    }
    let exit = finding.exit.as_ref().map(|exit| format!(": {exit}"));
    let _ = writeln!(
        out,
        "  meant    {}{}",
        finding.verdict,
        exit.unwrap_or_default()
    );
    for decision in &finding.decisions {
        let _ = writeln!(out, "           {decision}");
    }
    let _ = writeln!(out, "  dump     {}", end(finding.found));
    match (finding.as_written(), finding.cause) {
        (true, Some(cause)) => {
            let _ = writeln!(
                out,
                "  Felix    its own rules do the same, as is known: {cause}"
            );
        }
        (true, None) => {
            let _ = writeln!(out, "  Felix    its own rules do the same");
        }
        (false, _) => {
            let _ = writeln!(out, "  Felix    its own rules: {}", end(finding.written));
        }
    }
    if let Some(parting) = finding.parting.as_ref().filter(|_| !finding.as_written()) {
        write_parting(out, parting, names);
    }
    let _ = writeln!(
        out,
        "  the dump's rules that matched, by {}'s reading:",
        finding.backend
    );
    for step in &finding.steps {
        let _ = writeln!(out, "    {}{}", step_line(step), named(names, &step.chain));
    }
    let on_way = |one: &&&Finding| {
        let mut steps = finding.steps.iter();
        one.rule.family == finding.packet.family()
            && steps.any(|step| step.table == one.rule.table && step.chain == one.rule.chain)
    };
    for one in hashes.iter().filter(on_way) {
        let _ = writeln!(out, "  hash     {}: {}", one.rule, one.what);
    }
}

fn end(end: Option<End>) -> String {
    end.map_or_else(|| "left to chance".to_owned(), |end| end.to_string())
}

fn named(names: &Names, chain: &str) -> String {
    names
        .chain(chain)
        .map(|name| format!("  ({name})"))
        .unwrap_or_default()
}

fn write_parting(out: &mut String, parting: &Parting, names: &Names) {
    let rule = |one: &Option<(RuleId, String)>| match one {
        Some((id, text)) => format!("{id}{}: {text}", named(names, &id.chain)),
        None => "no rule more".to_owned(),
    };
    let _ = writeln!(out, "  parts    by Felix  {}", rule(&parting.written));
    let _ = writeln!(out, "           the dump  {}", rule(&parting.found));
    for set in &parting.sets {
        let list = |what: &str, members: &[String]| match members {
            [] => String::new(),
            some => format!("; {what} {}", some.join(", ")),
        };
        let _ = writeln!(
            out,
            "  set      {} of the dump{}{}",
            set.name,
            list("lacks", &set.lacks),
            list("has besides", &set.has)
        );
    }
}

/// The same for machines.
#[must_use]
pub fn json(meaning: &Meaning) -> Value {
    let rule = |one: &Option<(RuleId, String)>| {
        one.as_ref()
            .map(|(id, text)| json!({"rule": id.to_string(), "text": text}))
    };
    let parting = |parting: &Parting| {
        json!({
            "by_felix": rule(&parting.written),
            "dump": rule(&parting.found),
            "sets": parting.sets.iter().map(|set| json!({
                "name": set.name, "lacks": set.lacks, "has_besides": set.has,
            })).collect::<Vec<_>>(),
        })
    };
    json!({
        "layout": meaning.layout.to_string(),
        "families": meaning.families.iter().map(|one| word(*one)).collect::<Vec<_>>(),
        "packets": meaning.packets,
        "unmeant": meaning.unmeant,
        "unjudged": meaning.unjudged,
        "findings": meaning.findings.iter().map(|one| json!({
            "like_it": one.like_it,
            "backend": one.backend,
            "packet": one.packet.to_string(),
            "connections": one.connections.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "meant": one.verdict.to_string(),
            "exit": one.exit,
            "decisions": one.decisions,
            "dump": end(one.found),
            "by_felix": end(one.written),
            "as_felix_writes_it": one.as_written(),
            "known_cause": one.cause,
            "parts": one.parting.as_ref().map(parting),
            "rules": one.steps.iter().map(step_line).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}
