//! The seed's claims, each with its outcome and what shows it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::Style;
use serde::Serialize;

use crate::claims::{ArmShown, Finding, Kind, Outcome, Part, Shown};
use crate::report::palette::Palette;
use crate::verdict::ArmName;

/// The arms in the order of the columns.
const ARMS: [ArmName; 3] = [ArmName::Model, ArmName::Legacy, ArmName::Nft];

/// The findings as a table: a row for each claim, and below it what showed it.
#[must_use]
pub fn text(findings: &[Finding], palette: &Palette) -> String {
    let mut page = Page {
        palette,
        text: String::new(),
    };
    page.heading();
    for finding in findings {
        page.finding(finding);
    }
    page.summary(findings);
    page.text
}

struct Page<'a> {
    palette: &'a Palette,
    text: String,
}

impl Page<'_> {
    /// Writes a line. Writing to a String does not fail, so neither does this.
    fn line(&mut self, indent: usize, style: Style, words: &str) {
        let _ = writeln!(self.text, "{:indent$}{style}{words}{style:#}", "");
    }

    fn heading(&mut self) {
        let row = row("", "by", "claim", ["model", "legacy", "nft"]);
        self.line(0, self.palette.title, &row);
    }

    fn finding(&mut self, finding: &Finding) {
        let claim = finding.claim;
        let columns = ARMS.map(|arm| column(finding, arm));
        let outcome = finding.outcome().to_string();
        let columns = [&columns[0], &columns[1], &columns[2]].map(String::as_str);
        let row = row(claim.id, &claim.kind.to_string(), &outcome, columns);
        let style = if finding.as_expected() {
            self.palette.title
        } else {
            self.palette.differs
        };
        self.line(0, style, &row);
        self.line(5, Style::new(), claim.says);
        if !claim.because.is_empty() {
            self.line(5, Style::new(), &format!("But {}.", claim.because));
        }
        if !finding.arms_agree() {
            self.line(5, self.palette.differs, "The arms differ.");
        } else if !finding.as_expected() {
            let expected = format!("Expected: {}.", claim.expected);
            self.line(5, self.palette.differs, &expected);
        }
        for part in &finding.parts {
            self.part(part);
        }
    }

    fn part(&mut self, part: &Part) {
        let held = held(part);
        let style = match held {
            Some(true) => self.palette.agrees,
            _ => Style::new(),
        };
        let sign = match held {
            Some(true) => "yes",
            Some(false) => "no ",
            None => "?  ",
        };
        self.line(5, style, &format!("{sign}  {}", part.says));
        match &part.shown {
            Shown::Text {
                quotes, compared, ..
            } => {
                for quote in quotes {
                    self.line(10, self.palette.quiet, quote);
                }
                if *compared == Some(false) {
                    let words = "(the document's text is not at hand: not compared)";
                    self.line(10, self.palette.quiet, words);
                }
            }
            Shown::Packets { on, packets, arms } => {
                self.line(10, self.palette.quiet, &format!("on {on}:"));
                let with = packets.iter().take_while(|line| line.starts_with("with "));
                let connections = with.count();
                for line in &packets[..connections] {
                    self.line(10, self.palette.quiet, line);
                }
                for (at, packet) in packets[connections..].iter().enumerate() {
                    self.line(10, self.palette.quiet, packet);
                    for words in saw(arms, at) {
                        self.line(12, self.palette.quiet, &words);
                    }
                }
            }
        }
    }

    fn summary(&mut self, findings: &[Finding]) {
        let summary = Summary::of(findings);
        let palette = *self.palette;
        self.text.push('\n');
        let counts = format!(
            "Claims checked: {}. True: {}, false: {}, in part: {}, unjudged: {}.",
            summary.claims, summary.r#true, summary.r#false, summary.in_part, summary.unjudged
        );
        self.line(0, palette.title, &counts);
        let mut all_well = true;
        for (ids, words) in [
            (&summary.otherwise, "Not as expected"),
            (&summary.arms_differ, "The arms differ"),
        ] {
            if !ids.is_empty() {
                all_well = false;
                self.line(0, palette.differs, &format!("{words}: {}.", ids.join(", ")));
            }
        }
        if all_well {
            self.line(
                0,
                palette.agrees,
                "Every outcome is as expected, on every arm.",
            );
        }
        let absent: Vec<String> = ARMS
            .iter()
            .filter(|arm| !summary.arms.contains(arm))
            .map(ToString::to_string)
            .collect();
        if !absent.is_empty() {
            let words = format!("Not asked: {}.", absent.join(", "));
            self.line(0, palette.differs, &words);
        }
    }
}

fn row(id: &str, kind: &str, outcome: &str, arms: [&str; 3]) -> String {
    let [model, legacy, nft] = arms;
    let row = format!("{id:<5}{kind:<10}{outcome:<10}{model:<10}{legacy:<10}{nft}");
    row.trim_end().to_owned()
}

fn column(finding: &Finding, arm: ArmName) -> String {
    match finding.of_arm(arm) {
        Some(outcome) => outcome.to_string(),
        None => "-".to_owned(),
    }
}

/// Whether a part held, as the last of the arms saw it.
fn held(part: &Part) -> Option<bool> {
    match &part.shown {
        Shown::Text { held, .. } => Some(*held),
        Shown::Packets { arms, .. } => arms.last().and_then(|arm| arm.held),
    }
}

/// What the arms saw of one packet; arms that saw the same on one line.
fn saw(arms: &[ArmShown], packet: usize) -> Vec<String> {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for arm in arms {
        let Some(words) = arm.saw.get(packet) else {
            continue;
        };
        match groups.iter_mut().find(|(known, _)| known == words) {
            Some((_, names)) => names.push(arm.arm.to_string()),
            None => groups.push((words, vec![arm.arm.to_string()])),
        }
    }
    let line = |(words, names): (&str, Vec<String>)| format!("{}: {words}", names.join(", "));
    groups.into_iter().map(line).collect()
}

/// How the claims stand together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How many claims were checked.
    pub claims: usize,
    /// How many are true.
    pub r#true: usize,
    /// How many are false.
    pub r#false: usize,
    /// How many hold in part.
    pub in_part: usize,
    /// How many an arm could not judge.
    pub unjudged: usize,
    /// The claims whose outcome is not the expected one.
    pub otherwise: Vec<&'static str>,
    /// The claims on which the arms differ.
    pub arms_differ: Vec<&'static str>,
    /// The arms that were asked.
    pub arms: Vec<ArmName>,
}

impl Summary {
    /// Counts findings.
    #[must_use]
    pub fn of(findings: &[Finding]) -> Self {
        let mut summary = Self {
            claims: findings.len(),
            ..Self::default()
        };
        for finding in findings {
            let outcome = finding.outcome();
            match outcome {
                Outcome::True => summary.r#true += 1,
                Outcome::False => summary.r#false += 1,
                Outcome::InPart => summary.in_part += 1,
                Outcome::Unjudged => summary.unjudged += 1,
            }
            if outcome != finding.claim.expected {
                summary.otherwise.push(finding.claim.id);
            }
            if !finding.arms_agree() {
                summary.arms_differ.push(finding.claim.id);
            }
        }
        let asked = |arm: &ArmName| findings.iter().any(|one| one.of_arm(*arm).is_some());
        summary.arms = ARMS.into_iter().filter(asked).collect();
        summary
    }
}

/// The whole of the JSON.
#[derive(Serialize)]
struct Findings<'a> {
    summary: Summary,
    claims: Vec<Row<'a>>,
}

/// One claim of it.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    kind: Kind,
    says: &'a str,
    outcome: Outcome,
    expected: Outcome,
    #[serde(skip_serializing_if = "str::is_empty")]
    because: &'a str,
    arms: BTreeMap<String, Outcome>,
    parts: &'a [Part],
}

/// The findings as JSON.
///
/// # Errors
///
/// Where the JSON writer fails, which no finding makes it do.
pub fn json(findings: &[Finding]) -> serde_json::Result<String> {
    let claims = findings.iter().map(|finding| Row {
        id: finding.claim.id,
        kind: finding.claim.kind,
        says: finding.claim.says,
        outcome: finding.outcome(),
        expected: finding.claim.expected,
        because: finding.claim.because,
        arms: finding
            .arms()
            .map(|(arm, outcome)| (arm.to_string(), outcome))
            .collect(),
        parts: &finding.parts,
    });
    serde_json::to_string_pretty(&Findings {
        summary: Summary::of(findings),
        claims: claims.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::{Claim, bench};

    fn finding(expected: Outcome, held: &[(ArmName, Option<bool>)]) -> Finding {
        let arm = |(arm, held): &(ArmName, Option<bool>)| ArmShown {
            arm: *arm,
            held: *held,
            saw: vec![match held {
                Some(true) => "sent by eth0, mark 0x1".to_owned(),
                _ => "dropped".to_owned(),
            }],
        };
        Finding {
            claim: Claim {
                id: "C1",
                kind: Kind::Packet,
                says: "It is so.",
                expected,
                because: "",
                check: |_| Ok(Vec::new()),
            },
            parts: vec![Part {
                says: "it goes".to_owned(),
                shown: Shown::Packets {
                    on: "slave1".to_owned(),
                    packets: vec!["in=eth0 …".to_owned()],
                    arms: held.iter().map(arm).collect(),
                },
            }],
        }
    }

    #[test]
    fn arms_that_saw_the_same_stand_on_one_line() {
        let held = [(ArmName::Model, Some(true)), (ArmName::Nft, Some(true))];
        let page = text(&[finding(Outcome::True, &held)], &Palette::plain());
        let expected = "     by        claim     model     legacy    nft\n\
                        C1   packet    true      true      -         true\n     \
                        It is so.\n     yes  it goes\n          on slave1:\n          in=eth0 …\n            \
                        model, nft: sent by eth0, mark 0x1\n\n\
                        Claims checked: 1. True: 1, false: 0, in part: 0, unjudged: 0.\n\
                        Every outcome is as expected, on every arm.\nNot asked: legacy.\n";
        assert_eq!(page, expected);
    }

    #[test]
    fn differences_are_named() {
        let held = [(ArmName::Model, Some(true)), (ArmName::Legacy, Some(false))];
        let findings = [finding(Outcome::True, &held)];
        let page = text(&findings, &Palette::plain());
        assert!(page.contains("The arms differ."), "{page}");
        assert!(
            page.contains("model: sent by eth0, mark 0x1\n            legacy: dropped"),
            "{page}"
        );
        let summary = Summary::of(&findings);
        assert_eq!(summary.otherwise, ["C1"]);
        assert_eq!(summary.arms_differ, ["C1"]);
        let unjudged = finding(Outcome::True, &[(ArmName::Model, None)]);
        assert_eq!(Summary::of(&[unjudged]).unjudged, 1);
    }

    #[test]
    fn json_holds_every_part() -> Result<(), Box<dyn std::error::Error>> {
        let mut one = finding(Outcome::True, &[(ArmName::Model, Some(true))]);
        let quotes = vec!["a rule".to_owned()];
        one.parts
            .push(bench::by_rules("a rule says so", false, quotes));
        let page: serde_json::Value = serde_json::from_str(&json(&[one])?)?;
        assert_eq!(page["claims"][0]["arms"]["model"], "in-part");
        assert_eq!(page["claims"][0]["outcome"], "in-part");
        assert_eq!(
            page["claims"][0]["parts"][1]["shown"]["quotes"][0],
            "a rule"
        );
        assert_eq!(page["summary"]["otherwise"][0], "C1");
        Ok(())
    }
}
