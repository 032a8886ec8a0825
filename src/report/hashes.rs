//! What the hashes of dumps say, for people and for machines.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::check::grouped;
use crate::import::Names;
use crate::import::verify::{Departure, Finding, Verification};

/// What the hashes of one dump say.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The file that the dump was read from.
    pub file: String,
    /// What they say.
    pub verification: Verification,
    /// What its chains stand for.
    pub names: Names,
}

/// How many rules must have lost their mark match for the dump to be said to have.
const MANY: usize = 2;

/// The same as [`text`] of those dumps alone in which Felix wrote something.
#[must_use]
pub fn of_felix(all: &[Verified]) -> String {
    let felix = all.iter().filter(|one| {
        let Verification { held, findings, .. } = &one.verification;
        *held > 0 || !findings.is_empty()
    });
    text(&felix.cloned().collect::<Vec<_>>())
}

/// Every dump's findings, a line each, and before them what they are together.
#[must_use]
pub fn text(all: &[Verified]) -> String {
    let mut out = String::new();
    for Verified {
        file,
        verification,
        names,
    } in all
    {
        let Verification {
            held, unfollowed, ..
        } = verification;
        let findings = &verification.findings;
        let (rules, bear, they) = match held {
            1 => ("rule", "bears", "it"),
            _ => ("rules", "bear", "they"),
        };
        let held = grouped(*held as u64);
        let _ = write!(
            out,
            "{file}: {held} {rules} {bear} the hash that {they} should"
        );
        match findings.len() {
            0 => out.push('\n'),
            1 => out.push_str(", 1 thing is not as Felix wrote it"),
            count => {
                let _ = write!(out, ", {count} things are not as Felix wrote them");
            }
        }
        if *unfollowed > 0 {
            let _ = write!(out, ", {} can't be followed", grouped(*unfollowed as u64));
        }
        if !findings.is_empty() {
            out.push('\n');
        }
        if let Some(lost) = lost_marks(findings) {
            let _ = writeln!(
                out,
                "  {lost} rules lost their `-m mark` match: an old iptables-nft (1.8.7 does so) printed the \
                 rules of a newer one. Take the dump again with the iptables that Felix uses: without the \
                 matches these rules say something else."
            );
        }
        for finding in findings {
            let Finding { rule, line, what } = finding;
            let named = names.chain(&rule.chain);
            let named = named.map(|name| format!(" ({name})")).unwrap_or_default();
            let _ = writeln!(out, "  {file}:{line}: {rule}{named}: {what}");
        }
    }
    out
}

/// How many rules lost their mark match, where that is more than somebody's edit.
fn lost_marks(findings: &[Finding]) -> Option<usize> {
    let lost = findings
        .iter()
        .filter(|one| matches!(one.what, Departure::LostMark(_)));
    Some(lost.count()).filter(|count| *count >= MANY)
}

/// The same facts for machines.
#[must_use]
pub fn json(all: &[Verified]) -> Value {
    all.iter()
        .map(
            |Verified {
                 file,
                 verification,
                 names,
             }| {
                let findings = verification.findings.iter();
                json!({
                    "file": file,
                    "held": verification.held,
                    "unfollowed": verification.unfollowed,
                    "lost_mark_matches": lost_marks(&verification.findings).unwrap_or_default(),
                    "findings": findings.map(|Finding { rule, line, what }| json!({
                        "kind": what.word(),
                        "table": rule.table.as_str(),
                        "chain": rule.chain,
                        "stands_for": names.chain(&rule.chain),
                        "number": rule.index + 1,
                        "line": line,
                        "what": what.to_string(),
                    })).collect::<Vec<_>>(),
                })
            },
        )
        .collect()
}
