//! What a check found, for people and for machines.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::campaign::check::{BackendReport, NeverHit, SubjectReport};
use crate::campaign::finding::{Divergence, Paths};
use crate::campaign::parting::Partings;
use crate::campaign::{Options, Subject};
use crate::generate::unhit::{Explanation, Reason};
use crate::import::Names;
use crate::journey::Step;
use crate::model::Parting;
use crate::packet::Family;
use crate::xtables::Firewall;

/// How many divergences are written out; the others are counted.
const WRITTEN: usize = 5;

/// One subject's report as text, its chains with what they stand for; `rates` adds what hangs on the machine's mood: times and rates.
#[must_use]
pub fn text(report: &SubjectReport, firewall: &Firewall, names: &Names, rates: bool) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{}: {} rules",
        report.name,
        grouped(report.rules as u64)
    );
    for assumption in &report.assumptions {
        let _ = writeln!(out, "  assumed    {assumption}");
    }
    let pairs = report.pairs;
    let _ = writeln!(
        out,
        "  aimed      {} pairs of rule and boundary: {} sent, {} of them reach their rule",
        grouped(pairs.all as u64),
        if pairs.sent == pairs.all {
            "all".to_owned()
        } else {
            grouped(pairs.sent as u64)
        },
        grouped(pairs.reached as u64),
    );
    for backend in &report.backends {
        write_backend(&mut out, report, backend);
    }
    write_partings(&mut out, &report.partings, firewall);
    write_never_hit(&mut out, &report.never_hit, names);
    if rates {
        let packets: u64 = report
            .backends
            .iter()
            .map(|backend| backend.tally.packets)
            .sum();
        let seconds = report.took.as_secs_f64();
        let _ = writeln!(
            out,
            "  took       {seconds:.1} s, {} verdicts a second",
            grouped((packets as f64 / seconds.max(0.001)) as u64),
        );
    }
    for backend in &report.backends {
        for (divergence, paths) in backend.divergences.iter().take(WRITTEN) {
            let count = backend
                .kinds
                .get(&divergence.kind())
                .copied()
                .unwrap_or_default();
            write_divergence(&mut out, divergence, paths, count, firewall);
        }
    }
    out
}

fn write_backend(out: &mut String, report: &SubjectReport, backend: &BackendReport) {
    let name = backend.backend.to_string();
    match (&backend.refused.model, &backend.refused.kernel) {
        (None, None) => {}
        (Some(why), Some(_)) => {
            let _ = writeln!(
                out,
                "  {name:<10} not programmed, by model and tools alike: {}",
                why.message
            );
            return;
        }
        (Some(why), None) => {
            let _ = writeln!(
                out,
                "  {name:<10} DIVERGENCE: the tools load it, the model refuses: {}",
                why.message
            );
            return;
        }
        (None, Some(why)) => {
            let _ = writeln!(
                out,
                "  {name:<10} not programmed: {} says: {}",
                why.tool, why.message
            );
            return;
        }
    }
    let tally = &backend.tally;
    let _ = writeln!(
        out,
        "  {name:<10} {} packets: {} divergences, {} unjudged; {} of {} rules hit",
        grouped(tally.packets),
        grouped(tally.diverged),
        grouped(tally.not_judged()),
        backend.rules_hit,
        report.rules,
    );
    let endings: Vec<String> = tally
        .endings
        .iter()
        .map(|(ending, count)| format!("{} {}", ending.words(), share(*count, tally.packets)))
        .collect();
    let _ = writeln!(out, "             {}", endings.join(", "));
    for (why, count) in &tally.unjudged {
        let _ = writeln!(
            out,
            "             not judged: {why} ({})",
            share(*count, tally.packets)
        );
    }
}

/// Where the backends part by themselves, a cause each.
fn write_partings(out: &mut String, partings: &Partings, firewall: &Firewall) {
    if let Some((backend, why)) = &partings.refused {
        let _ = writeln!(
            out,
            "  part       {backend} alone refuses these rules: {}",
            why.message
        );
    }
    if partings.causes.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "  part       {} packets go different ways behind legacy and nft (1.8.9), by the model's reading of either:",
        grouped(partings.packets()),
    );
    for (cause, parted) in &partings.causes {
        let example = &parted.example;
        let _ = writeln!(out, "    {} packets: {cause}", grouped(parted.packets));
        let _ = writeln!(
            out,
            "      such as {}: legacy {}, nft {}",
            example.packet,
            example.legacy.words(),
            example.nft.words()
        );
        for connection in &example.connections {
            let _ = writeln!(out, "      where {connection} exists");
        }
        if let Some(rule) = &example.rule {
            let _ = writeln!(out, "      at {rule}: {}", rule_text(firewall, rule));
        }
    }
}

/// The rules that were never hit, those with the same reason together.
fn write_never_hit(out: &mut String, rules: &[NeverHit], names: &Names) {
    if rules.is_empty() {
        let _ = writeln!(
            out,
            "  never hit  no rule: every one was hit on every backend"
        );
        return;
    }
    let proved = rules.iter().filter(|rule| rule.proved()).count();
    let _ = writeln!(
        out,
        "  never hit  {} rules; for {proved} of them the reason is proved: with what is in the way changed, a packet hits the rule",
        rules.len(),
    );
    let mut reasons: BTreeMap<String, BTreeMap<String, Vec<usize>>> = BTreeMap::new();
    for rule in rules {
        let mut chain = format!("{}/{}", rule.rule.table, rule.rule.chain);
        if let Some(name) = names.chain(&rule.rule.chain) {
            let _ = write!(chain, " ({name})");
        }
        let family = if rule.rule.family == Family::V6 {
            " (IPv6)"
        } else {
            ""
        };
        let chains = reasons.entry(reason(rule)).or_default();
        chains
            .entry(chain + family)
            .or_default()
            .push(rule.rule.index + 1);
    }
    for (reason, chains) in reasons {
        let _ = writeln!(out, "    {reason}:");
        for (chain, numbers) in chains {
            let _ = writeln!(out, "      {chain} {}", ranges(&numbers));
        }
    }
}

/// Why a rule was never hit, without the packet that proves it.
fn reason(rule: &NeverHit) -> String {
    let Explanation { reason, edits, .. } = &rule.explanation;
    let refuted: Vec<String> = rule
        .confirmed
        .iter()
        .filter(|(_, held)| !held)
        .map(|(arm, _)| format!(" [REFUTED on {arm}]"))
        .collect();
    let changes: Vec<String> = match reason {
        Reason::Uncalled => Vec::new(),
        _ => edits.iter().map(ToString::to_string).collect(),
    };
    let hit = if changes.is_empty() { "" } else { "; hit " };
    format!("{reason}{hit}{}{}", changes.join(", "), refuted.concat())
}

/// Numbers in order as ranges: `1-3, 5`.
fn ranges(numbers: &[usize]) -> String {
    let mut out: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match out.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => out.push((*number, *number)),
        }
    }
    let text = |(first, last): &(usize, usize)| match last - first {
        0 => format!("rule {first}"),
        _ => format!("rules {first}-{last}"),
    };
    out.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn write_divergence(
    out: &mut String,
    divergence: &Divergence,
    paths: &Paths,
    count: u64,
    firewall: &Firewall,
) {
    let _ = writeln!(
        out,
        "\nDIVERGENCE {} ({} like it)",
        divergence.kind(),
        grouped(count)
    );
    let _ = writeln!(out, "  packet   {}", divergence.packet);
    for connection in &divergence.connections {
        let _ = writeln!(out, "  exists   {connection}");
    }
    let _ = writeln!(out, "  parts    {}", divergence.difference);
    if !paths.again {
        let _ = writeln!(
            out,
            "  alone    sent again by itself it does not diverge: it hangs on the packets before"
        );
    }
    let _ = writeln!(out, "  the rules that matched, model beside kernel:");
    let model: Vec<String> = paths
        .model
        .iter()
        .filter(|step| matched(step))
        .map(step_line)
        .collect();
    let kernel: Vec<String> = paths.kernel.iter().map(step_line).collect();
    let width = model.iter().map(String::len).max().unwrap_or(0).max(5);
    for index in 0..model.len().max(kernel.len()) {
        let left = model.get(index).map_or("-", String::as_str);
        let right = kernel.get(index).map_or("-", String::as_str);
        let sign = if left == right { ' ' } else { '>' };
        let _ = writeln!(out, "  {sign} {left:<width$}  | {right}");
    }
    let last = paths
        .model
        .iter()
        .rev()
        .find(|step| matched(step) && step.rule.is_some());
    if let Some(step) = last {
        let _ = writeln!(
            out,
            "  the model's last rule: {}",
            step_rule_text(firewall, step)
        );
    }
}

fn matched(step: &Step) -> bool {
    step.matched.is_ok()
}

/// A step that matched, in a line: where, and what it did.
pub(super) fn step_line(step: &Step) -> String {
    let place = match step.rule {
        Some(index) => format!("{} rule {}", step.chain, index + 1),
        None => format!("{} end", step.chain),
    };
    format!(
        "{} {}/{place}: {} mark {}",
        step.hook, step.table, step.did, step.before
    )
}

fn step_rule_text(firewall: &Firewall, step: &Step) -> String {
    step.rule_id()
        .map(|id| rule_text(firewall, &id))
        .unwrap_or_default()
}

/// The text of a rule; empty where there is none.
pub(super) fn rule_text(firewall: &Firewall, id: &crate::xtables::RuleId) -> String {
    firewall
        .rule(id)
        .map(|rule| crate::xtables::save::print_rule(&id.chain, rule, id.family))
        .unwrap_or_default()
}

/// A number with its thousands set apart by commas.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A part of a whole in percent, with one digit behind the point.
#[must_use]
pub fn share(part: u64, whole: u64) -> String {
    format!("{:.1}%", 100.0 * part as f64 / whole.max(1) as f64)
}

/// What came of all subjects together, in a line or two.
#[must_use]
pub fn summary(reports: &[SubjectReport], options: &Options, stopped: bool) -> String {
    let mut out = String::new();
    for backend in &options.backends {
        let of = |count: fn(&BackendReport) -> u64| -> u64 {
            let backends = reports.iter().flat_map(|report| &report.backends);
            backends
                .filter(|report| report.backend == *backend)
                .map(count)
                .sum()
        };
        let _ = writeln!(
            out,
            "{backend:<8} {} packets judged by the model and by the kernel: {} divergences, {} unjudged",
            grouped(of(|report| report.tally.packets)),
            grouped(of(
                |report| report.tally.diverged + u64::from(report.refused.differ())
            )),
            grouped(of(|report| report.tally.not_judged())),
        );
    }
    let parting: u64 = reports.iter().map(|report| report.partings.packets()).sum();
    let _ = writeln!(
        out,
        "part     {} packets go different ways behind legacy and nft, by causes that are known{}",
        grouped(parting),
        match reports.iter().map(|report| report.partings.unknown()).sum() {
            0 => String::new(),
            unknown => format!(" but for {}", grouped(unknown)),
        }
    );
    let unexplained: usize = reports
        .iter()
        .map(|report| report.unexplained().count())
        .sum();
    let never: usize = reports.iter().map(|report| report.never_hit.len()).sum();
    let rules: usize = reports.iter().map(|report| report.rules).sum();
    let _ = writeln!(
        out,
        "rules    {rules}: {} hit, {never} never hit, {unexplained} of those without a reason that holds",
        rules - never,
    );
    let _ = write!(out, "seed     {}", options.seed);
    if stopped {
        out.push_str("\nended early: what stands above is what was judged until then");
    }
    out
}

/// Every report for machines: the same facts, times left out.
#[must_use]
pub fn all_json(
    reports: &[SubjectReport],
    subjects: &[Subject],
    options: &Options,
    stopped: bool,
) -> Value {
    let reports = reports.iter().zip(subjects);
    json!({
        "seed": options.seed,
        "packets": options.packets,
        "backends": options.backends,
        "ended_early": stopped,
        "subjects": reports.map(|(report, subject)| json(report, &subject.firewall)).collect::<Vec<_>>(),
    })
}

/// One subject's report for machines: the same facts.
#[must_use]
pub fn json(report: &SubjectReport, firewall: &Firewall) -> Value {
    json!({
        "name": report.name,
        "assumptions": report.assumptions,
        "rules": report.rules,
        "pairs": {
            "all": report.pairs.all, "sent": report.pairs.sent, "reached": report.pairs.reached,
        },
        "backends": report.backends.iter().map(backend_json).collect::<Vec<_>>(),
        "partings": partings_json(&report.partings, firewall),
        "never_hit": report.never_hit.iter().map(|rule| json!({
            "rule": rule.rule.to_string(),
            "text": rule_text(firewall, &rule.rule),
            "backends": rule.backends,
            "why": rule.explanation.to_string(),
            "confirmed": rule.confirmed.iter()
                .map(|(arm, held)| json!({"backend": arm, "held": held})).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

fn partings_json(partings: &Partings, firewall: &Firewall) -> Value {
    let refused = partings.refused.as_ref();
    json!({
        "refused_by_one": refused.map(|(backend, why)| json!({
            "backend": backend,
            "why": why.message,
        })),
        "packets": partings.packets(),
        "causes": partings.causes.iter().map(|(cause, parted)| json!({
            "cause": cause,
            "explanation": cause.explanation(),
            "known": *cause != Parting::Unknown,
            "packets": parted.packets,
            "example": {
                "packet": parted.example.packet.to_string(),
                "connections": parted.example.connections.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "rule": parted.example.rule.as_ref().map(ToString::to_string),
                "text": parted.example.rule.as_ref().map(|rule| rule_text(firewall, rule)),
                "legacy": parted.example.legacy,
                "nft": parted.example.nft,
            },
        })).collect::<Vec<_>>(),
    })
}

fn backend_json(backend: &BackendReport) -> Value {
    json!({
        "backend": backend.backend,
        "refused_by_model": backend.refused.model.as_ref().map(ToString::to_string),
        "refused_by_tools": backend.refused.kernel.as_ref().map(ToString::to_string),
        "tally": backend.tally,
        "rules_hit": backend.rules_hit,
        "kinds": backend.kinds,
        "divergences": backend.divergences.iter().map(|(divergence, paths)| json!({
            "kind": divergence.kind(),
            "packet": divergence.packet.to_string(),
            "connections": divergence.connections.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "parts": divergence.difference.to_string(),
            "again_alone": paths.again,
            "model": paths.model.iter().filter(|step| matched(step)).map(step_line).collect::<Vec<_>>(),
            "kernel": paths.kernel.iter().map(step_line).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::{grouped, ranges};

    #[test]
    fn numbers_in_a_row_are_a_range() {
        assert_eq!(ranges(&[1, 2, 3, 5, 7, 8]), "rules 1-3, rule 5, rules 7-8");
        assert_eq!(ranges(&[]), "");
    }

    #[test]
    fn thousands_are_set_apart() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
    }
}
