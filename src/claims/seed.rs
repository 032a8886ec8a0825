//! The seed: its two nodes, embedded, and its text where that is at hand.

use std::path::Path;

use crate::scenario::Scenario;
use crate::scenario::text::{self, NotAScenario};

/// The files of the fixtures that the two scenarios name.
const FILES: [(&str, &str); 6] = [
    ("slave1.ipset", include_str!("fixtures/slave1.ipset")),
    ("slave1.v4.save", include_str!("fixtures/slave1.v4.save")),
    ("slave1.v6.save", include_str!("fixtures/slave1.v6.save")),
    ("slave2.ipset", include_str!("fixtures/slave2.ipset")),
    ("slave2.v4.save", include_str!("fixtures/slave2.v4.save")),
    ("slave2.v6.save", include_str!("fixtures/slave2.v6.save")),
];

/// The two scenarios.
const SCENARIOS: [(&str, &str); 2] = [
    ("slave1.yaml", include_str!("fixtures/slave1.yaml")),
    ("slave2.yaml", include_str!("fixtures/slave2.yaml")),
];

/// The seed's two nodes, slave1 and slave2.
///
/// # Errors
///
/// [`NotAScenario`] where a fixture is wrong, which a test rules out.
pub fn nodes() -> Result<[Scenario; 2], NotAScenario> {
    let [one, two] = SCENARIOS;
    Ok([read(one)?, read(two)?])
}

fn read((name, yaml): (&str, &str)) -> Result<Scenario, NotAScenario> {
    text::read(name, yaml, &|beside| {
        saved(beside)
            .map(str::to_owned)
            .ok_or_else(|| std::io::ErrorKind::NotFound.into())
    })
}

/// The text of a fixture's file, such as `slave1.v4.save`.
#[must_use]
pub fn saved(name: &str) -> Option<&'static str> {
    let file = FILES.iter().find(|(file, _)| *file == name);
    file.map(|(_, text)| *text)
}

/// How many characters of a line are quoted before and behind a fragment.
const EXCERPT_MARGIN: usize = 40;

/// The seed document's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its lines.
    lines: Vec<String>,
}

impl Document {
    /// A document of this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self {
            lines: text.lines().map(str::to_owned).collect(),
        }
    }

    /// The document among the seeds, which lie beside the folder that `$CALIDIFF_CORPUS` names; `None`
    /// where they are not there.
    #[must_use]
    pub fn find() -> Option<Self> {
        let corpus = std::env::var_os("CALIDIFF_CORPUS")?;
        Self::find_beside(Path::new(&corpus))
    }

    fn find_beside(corpus: &Path) -> Option<Self> {
        let folder = corpus.parent()?.join("seeds");
        let entries = std::fs::read_dir(folder).ok()?;
        let mut files: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        files.sort();
        let texts = files
            .iter()
            .filter_map(|file| std::fs::read_to_string(file).ok());
        texts
            .map(|text| Self::new(&text))
            .find(|document| document.line_of("-A cali-pi-namespace-default").is_some())
    }

    /// The first line that has a fragment, and its number counted from 1.
    #[must_use]
    pub fn line_of(&self, fragment: &str) -> Option<(usize, &str)> {
        let found = self.lines.iter().position(|line| line.contains(fragment))?;
        Some((found + 1, self.lines[found].trim()))
    }

    /// A fragment with what stands around it on its line, in at most some hundred characters.
    #[must_use]
    pub fn excerpt(&self, fragment: &str) -> Option<String> {
        let (number, line) = self.line_of(fragment)?;
        let (before, after) = line.split_once(fragment)?;
        let skipped = before.chars().count().saturating_sub(EXCERPT_MARGIN);
        let before: String = before.chars().skip(skipped).collect();
        let kept: String = after.chars().take(EXCERPT_MARGIN).collect();
        let dots = |cut: bool| if cut { "…" } else { "" };
        let (start, end) = (dots(skipped > 0), dots(kept.len() < after.len()));
        Some(format!(
            "line {number}: {start}{before}{fragment}{kept}{end}"
        ))
    }

    /// Every rule that it prints, with its line's number.
    pub fn rules(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.lines.iter().enumerate();
        numbered.filter_map(|(at, line)| Some((at + 1, line[line.find("-A ")?..].trim())))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::import::{Departure, verify};
    use crate::packet::Family;
    use crate::xtables::save::{parse, print_rule};

    #[test]
    fn every_rule_of_the_fixtures_bears_its_hash() -> Result<(), Box<dyn std::error::Error>> {
        let mut count = 0;
        let mut bearing = 0;
        for (file, text) in FILES {
            if !file.ends_with(".save") {
                continue;
            }
            bearing += text.matches("\"cali:").count();
            let family = if file.contains(".v6.") {
                Family::V6
            } else {
                Family::V4
            };
            let verification = verify(&parse(file, text, family)?);
            assert_eq!(verification.findings, [], "{file}");
            count += verification.held;
        }
        assert_eq!(count, bearing);
        assert!(count > 4 * 85, "{count}");
        Ok(())
    }

    #[test]
    fn a_rule_out_of_its_place_does_not_bear_its_hash() -> Result<(), Box<dyn std::error::Error>> {
        let text = saved("slave1.v4.save").ok_or("no fixture")?;
        let hook = "-A cali-INPUT -m comment --comment \"cali:5M2EkEm-RVlDLAfE\" -m conntrack \
                    --ctstate INVALID -j DROP\n";
        assert!(text.contains(hook));
        let ruleset = parse("slave1", &text.replace(hook, ""), Family::V4)?;
        let verification = verify(&ruleset);
        let [finding] = verification.findings.as_slice() else {
            return Err(format!("{:?}", verification.findings).into());
        };
        assert_eq!(
            (finding.rule.chain.as_str(), finding.rule.index),
            ("cali-INPUT", 1)
        );
        let was = "-A cali-INPUT -m conntrack --ctstate INVALID --jump DROP";
        assert_eq!(finding.what, Departure::Lost(was.to_owned()));
        Ok(())
    }

    /// The rules of both nodes that are not marked as completed.
    fn of_the_seed() -> Result<BTreeSet<String>, NotAScenario> {
        let mut rules = BTreeSet::new();
        for node in nodes()? {
            for ruleset in [&node.firewall.v4, &node.firewall.v6] {
                let printed = ruleset.rules();
                let printed = printed.filter(|(id, _)| node.completion(id).is_none());
                rules.extend(printed.map(|(id, rule)| print_rule(&id.chain, rule, id.family)));
            }
        }
        Ok(rules)
    }

    #[test]
    fn what_is_not_completed_is_85_hashed_rules_and_dockers_three() -> Result<(), NotAScenario> {
        let rules = of_the_seed()?;
        let hashed = rules.iter().filter(|rule| rule.contains("\"cali:"));
        assert_eq!((hashed.count(), rules.len()), (85, 88));
        Ok(())
    }

    #[test]
    fn what_is_not_completed_is_what_the_seed_prints() -> Result<(), NotAScenario> {
        let Some(document) = Document::find() else {
            eprintln!("the seed's text is not at hand (CALIDIFF_CORPUS): not compared");
            return Ok(());
        };
        let printed = document.rules().map(|(_, rule)| rule.to_owned());
        assert_eq!(printed.collect::<BTreeSet<String>>(), of_the_seed()?);
        Ok(())
    }

    #[test]
    fn the_fixtures_are_read_again_from_one_file() -> Result<(), Box<dyn std::error::Error>> {
        for node in nodes()? {
            let yaml = text::write(&node)?;
            let again = text::read("again.yaml", &yaml, &|_| {
                Err(std::io::ErrorKind::NotFound.into())
            })?;
            assert_eq!(again.node, node.node);
            assert_eq!(again.completed, node.completed);
            assert_eq!(again.firewall.sets, node.firewall.sets);
            assert_eq!(text::write(&again)?, yaml);
        }
        Ok(())
    }

    #[test]
    fn an_excerpt_is_cut_at_both_ends() {
        let long = "x".repeat(60);
        let document = Document::new(&format!("first\n  {long} here {long}\nhere again\n"));
        let cut = "x".repeat(39);
        let expected = format!("line 2: …{cut} here {cut}…");
        assert_eq!(document.excerpt("here"), Some(expected));
        assert_eq!(document.excerpt("first"), Some("line 1: first".to_owned()));
        assert_eq!(document.excerpt("there"), None);
    }

    #[test]
    fn every_completion_completes_something() -> Result<(), NotAScenario> {
        for node in nodes()? {
            let rulesets = [&node.firewall.v4, &node.firewall.v6];
            for completion in &node.completed {
                let mut rules = rulesets.into_iter().flat_map(|ruleset| ruleset.rules());
                assert!(
                    rules.any(|(id, _)| completion.covers(&id)),
                    "{completion:?}"
                );
            }
        }
        Ok(())
    }

    #[test]
    fn the_fixtures_are_printed_as_they_stand() -> Result<(), NotAScenario> {
        for node in nodes()? {
            for (ruleset, family) in [(&node.firewall.v4, "v4"), (&node.firewall.v6, "v6")] {
                let style = crate::xtables::save::Style::default();
                let printed = crate::xtables::save::print(ruleset, style);
                let file = format!("{}.{family}.save", node.name);
                assert_eq!(Some(printed.as_str()), saved(&file));
            }
        }
        Ok(())
    }
}
