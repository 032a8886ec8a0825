//! What a machine can do and what it lacks, as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::palette::Palette;
use crate::kernel::doctor::{Check, Finding, Weight};

/// The findings, a line each; of what is missing two, the second with the way to get it.
#[must_use]
pub fn text(checks: &[Check], palette: &Palette) -> String {
    let width = checks
        .iter()
        .map(|check| check.subject.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let subject = &check.subject;
        match &check.finding {
            Finding::Present(found) => {
                let _ = writeln!(text, "{subject:<width$}  {found}");
            }
            Finding::Missing {
                weight,
                why,
                remedy,
            } => {
                let (style, word) = match weight {
                    Weight::Essential => (palette.differs, "MISSING"),
                    Weight::Useful => (palette.mark, "in part"),
                };
                let why = why.replace('\n', "; ");
                let _ = writeln!(text, "{subject:<width$}  {style}{word}{style:#}: {why}");
                let _ = writeln!(text, "{:width$}  to get it: {remedy}", "");
            }
        }
    }
    let _ = writeln!(text, "\n{}", conclusion(checks));
    text
}

fn conclusion(checks: &[Check]) -> String {
    match checks.iter().filter(|check| check.is_fatal()).count() {
        0 => "The kernel arms run here.".to_owned(),
        1 => "The kernel arms can't run here: one thing that they need is missing.".to_owned(),
        many => {
            format!("The kernel arms can't run here: {many} things that they need are missing.")
        }
    }
}

/// The same for machines.
#[must_use]
pub fn json(checks: &[Check]) -> Value {
    let ready = !checks.iter().any(Check::is_fatal);
    let checks: Vec<Value> = checks.iter().map(check_json).collect();
    json!({ "ready": ready, "checks": checks })
}

fn check_json(check: &Check) -> Value {
    match &check.finding {
        Finding::Present(found) => json!({ "subject": check.subject, "present": found }),
        Finding::Missing {
            weight,
            why,
            remedy,
        } => json!({
            "subject": check.subject,
            "missing": why,
            "essential": *weight == Weight::Essential,
            "remedy": remedy,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Vec<Check> {
        let missing = |subject: &str, weight| Check {
            subject: subject.to_owned(),
            finding: Finding::Missing {
                weight,
                why: "no such file".to_owned(),
                remedy: "install it".to_owned(),
            },
        };
        vec![
            Check {
                subject: "kernel".to_owned(),
                finding: Finding::Present("6.18".to_owned()),
            },
            missing("set types", Weight::Useful),
            missing("ipset", Weight::Essential),
        ]
    }

    #[test]
    fn what_is_missing_comes_with_the_way_to_get_it() {
        insta::assert_snapshot!(text(&checks(), &Palette::plain()), @r"
        kernel     6.18
        set types  in part: no such file
                   to get it: install it
        ipset      MISSING: no such file
                   to get it: install it

        The kernel arms can't run here: one thing that they need is missing.
        ");
    }

    #[test]
    fn only_what_is_essential_stops_the_kernel_arms() {
        let checks = checks();
        assert!(text(&checks[..2], &Palette::plain()).ends_with("\nThe kernel arms run here.\n"));
        assert_eq!(json(&checks[..2])["ready"], json!(true));
        assert_eq!(json(&checks)["ready"], json!(false));
        assert_eq!(json(&checks)["checks"][1]["essential"], json!(false));
    }
}
