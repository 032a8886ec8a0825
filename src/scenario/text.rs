//! Scenario files: YAML, read and written.
//!
//! ```yaml
//! name: slave1
//! node: { name: slave1, interfaces: [{ name: eth0, addresses: [10.0.0.1/24] }] }
//! sets: { file: slave1.ipset }         # in a file beside this one,
//! rules:
//!   v4: { text: "*filter\n…" }         # or here
//! packets:
//!   - in=eth0 tcp 10.0.0.9:40000 > 10.0.0.1:22
//! ```

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use serde_saphyr::{LitString, Spanned};

use super::{Completion, Scenario};
use crate::node::yaml::{WrongYaml, Yaml, place};
use crate::node::{self, Node};
use crate::packet::{Batch, Family};
use crate::xtables::{Firewall, ParseError, Ruleset, ipset, save};

/// A file that holds no scenario: where, and why.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum NotAScenario {
    /// The YAML is wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Yaml(#[from] Box<WrongYaml>),
    /// A file of rules or sets beside it is wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Beside(#[from] ParseError),
    /// The scenario's own file can't be read.
    #[error("can't read the scenario `{file}`: {why}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        why: std::io::Error,
    },
}

/// Text in the tools' own language.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    File(Spanned<String>),
    Text(Spanned<String>),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sources {
    v4: Option<Source>,
    v6: Option<Source>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: String,
    node: Node,
    sets: Option<Source>,
    #[serde(default)]
    rules: Sources,
    #[serde(default)]
    completed: Vec<Completion>,
    #[serde(default)]
    connections: Vec<Spanned<String>>,
    #[serde(default)]
    packets: Vec<Spanned<String>>,
}

/// Reads the scenario in a file; files beside are looked for in its folder.
///
/// # Errors
///
/// [`NotAScenario`] where it, or a file beside it, can't be read or is wrong.
pub fn read_file(path: &Path) -> Result<Scenario, NotAScenario> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|why| NotAScenario::Unreadable {
        file: file.clone(),
        why,
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    read(&file, &text, &|name| {
        std::fs::read_to_string(folder.join(name))
    })
}

/// Reads a scenario. `beside` gives the text of a file that the scenario names.
///
/// # Errors
///
/// [`NotAScenario`] where the text, or that of a file beside it, is wrong.
pub fn read(
    file: &str,
    text: &str,
    beside: &dyn Fn(&str) -> std::io::Result<String>,
) -> Result<Scenario, NotAScenario> {
    let yaml = Yaml { name: file, text };
    let document: Document = yaml.read()?;
    node::text::check(&document.node, &yaml)?;
    let reader = Reader { yaml, beside };
    let sets = reader.tools_text(document.sets, ipset::parse)?;
    let v4 = reader.rules(document.rules.v4, Family::V4)?;
    let v6 = reader.rules(document.rules.v6, Family::V6)?;
    Ok(Scenario {
        name: document.name,
        why: None,
        node: document.node,
        firewall: Firewall {
            v4,
            v6,
            sets: sets.unwrap_or_default(),
        },
        resources: None,
        completed: document.completed,
        batch: Batch {
            connections: reader.lines(&document.connections)?,
            packets: reader.lines(&document.packets)?,
        },
    })
}

/// A scenario's file while it is read.
struct Reader<'a> {
    yaml: Yaml<'a>,
    beside: &'a dyn Fn(&str) -> std::io::Result<String>,
}

impl Reader<'_> {
    fn rules(&self, source: Option<Source>, family: Family) -> Result<Ruleset, NotAScenario> {
        let read = |name: &str, text: &str| save::parse(name, text, family);
        let ruleset = self.tools_text(source, read)?;
        Ok(ruleset.unwrap_or_else(|| Ruleset::empty(family)))
    }

    fn tools_text<T>(
        &self,
        source: Option<Source>,
        read: impl Fn(&str, &str) -> Result<T, ParseError>,
    ) -> Result<Option<T>, NotAScenario> {
        match source {
            None => Ok(None),
            Some(Source::Text(text)) => {
                let value = read(self.yaml.name, &text.value);
                value.map(Some).map_err(|error| self.inline(&text, &error))
            }
            Some(Source::File(name)) => {
                let text = (self.beside)(&name.value).map_err(|why| {
                    self.wrong(&name, format!("can't read `{}`: {why}", name.value))
                })?;
                Ok(Some(read(&name.value, &text)?))
            }
        }
    }

    fn lines<T: FromStr<Err: Display>>(
        &self,
        lines: &[Spanned<String>],
    ) -> Result<Vec<T>, NotAScenario> {
        let read = |line: &Spanned<String>| {
            let value = line.value.parse();
            value.map_err(|error: T::Err| self.wrong(line, error.to_string()))
        };
        lines.iter().map(read).collect()
    }

    /// An error of a text inside the YAML, at its line there where that is the same line.
    fn inline(&self, text: &Spanned<String>, error: &ParseError) -> NotAScenario {
        let problem = format!("{}; expected {}", error.found(), error.expected());
        let begins = place(text.referenced.line());
        let wrong = text.value.lines().nth(error.line().saturating_sub(1));
        let candidates = [begins + error.line() - 1, begins + error.line()];
        let found = candidates.into_iter().find_map(|at| {
            let line = self.yaml.text.lines().nth(at)?;
            let inside = line.find(wrong.filter(|wrong| !wrong.is_empty())?)?;
            let before: usize = self
                .yaml
                .text
                .split_inclusive('\n')
                .take(at)
                .map(str::len)
                .sum();
            let column: usize = wrong?
                .chars()
                .take(error.column().saturating_sub(1))
                .map(char::len_utf8)
                .sum();
            Some(before + inside + column)
        });
        match found {
            Some(start) => self.yaml.wrong(start, problem).into(),
            None => self.wrong(text, format!("line {}: {problem}", error.line())),
        }
    }

    fn wrong(&self, value: &Spanned<String>, problem: String) -> NotAScenario {
        let start = self.yaml.offset(value.referenced);
        self.yaml.wrong(start, problem).into()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Written {
    Text(LitString),
}

#[derive(Serialize)]
struct WrittenRules {
    #[serde(skip_serializing_if = "Option::is_none")]
    v4: Option<Written>,
    #[serde(skip_serializing_if = "Option::is_none")]
    v6: Option<Written>,
}

#[derive(Serialize)]
struct WrittenDocument<'a> {
    name: &'a str,
    node: &'a Node,
    #[serde(skip_serializing_if = "Option::is_none")]
    sets: Option<Written>,
    rules: WrittenRules,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    completed: &'a [Completion],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    connections: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    packets: Vec<String>,
}

/// Writes a scenario as one file, rules and sets inline, that [`read`] reads.
///
/// # Errors
///
/// Where the YAML writer fails, which no scenario makes it do.
pub fn write(scenario: &Scenario) -> Result<String, serde_saphyr::ser::Error> {
    let firewall = &scenario.firewall;
    let rules = |ruleset: &Ruleset| {
        let some = !ruleset.tables.is_empty();
        some.then(|| Written::Text(LitString(save::print(ruleset, save::Style::default()))))
    };
    let sets = !firewall.sets.is_empty();
    serde_saphyr::to_string(&WrittenDocument {
        name: &scenario.name,
        node: &scenario.node,
        sets: sets.then(|| Written::Text(LitString(ipset::print_save(&firewall.sets)))),
        rules: WrittenRules {
            v4: rules(&firewall.v4),
            v6: rules(&firewall.v6),
        },
        completed: &scenario.completed,
        connections: printed(&scenario.batch.connections),
        packets: printed(&scenario.batch.packets),
    })
}

fn printed<T: Display>(values: &[T]) -> Vec<String> {
    values.iter().map(T::to_string).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCENARIO: &str = "\
name: small
node:
  name: small
  interfaces:
    - name: eth0
      addresses: [10.0.0.1/24]
sets: { file: small.ipset }
rules:
  v4:
    text: |
      *filter
      :INPUT ACCEPT [0:0]
      -A INPUT -m set --match-set friends src -j ACCEPT
      COMMIT
completed:
  - { family: v4, table: filter, chain: INPUT, rules: [1], why: it was missing }
connections:
  - tcp 10.0.0.9:40001 > 10.0.0.1:22 replied
packets:
  - in=eth0 tcp 10.0.0.9:40000 > 10.0.0.1:22
  - from=node udp 10.0.0.1:53 > 10.0.0.9:4000
";

    const SETS: &str = "create friends hash:ip family inet\nadd friends 10.0.0.9\n";

    fn read_with(text: &str, sets: &str) -> Result<Scenario, NotAScenario> {
        read("small.yaml", text, &|name| match name {
            "small.ipset" => Ok(sets.to_owned()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        })
    }

    fn complaint(text: &str, sets: &str) -> String {
        match read_with(text, sets) {
            Ok(scenario) => format!("read as {scenario:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_scenario_is_read_as_it_is_written() -> Result<(), Box<dyn std::error::Error>> {
        let scenario = read_with(SCENARIO, SETS)?;
        assert_eq!(scenario.firewall.sets[0].elements.len(), 1);
        assert_eq!(scenario.firewall.v4.rules().count(), 1);
        assert_eq!(scenario.firewall.v6, Ruleset::empty(Family::V6));
        assert_eq!(scenario.batch.packets.len(), 2);
        assert_eq!(scenario.batch.connections.len(), 1);
        let again = read_with(&write(&scenario)?, "")?;
        assert_eq!(write(&again)?, write(&scenario)?);
        assert_eq!(again.batch, scenario.batch);
        assert_eq!(again.node, scenario.node);
        Ok(())
    }

    #[test]
    fn errors_point_at_file_line_and_column() {
        for (found, replaced, place) in [
            ("addresses:", "adresses:", "small.yaml:6:7: "),
            ("10.0.0.1/24", "10.0.0.1/240", "small.yaml:6:19: "),
            ("    - name: eth0", "    - name: lo", "small.yaml:5:13: "),
            ("small.ipset", "other.ipset", "small.yaml:7:15: "),
            ("-j ACCEPT", "-j", "small.yaml:13:"),
            ("table: filter", "table: filtre", "small.yaml:16:"),
            ("> 10.0.0.9:4000", "> 10.0.0.9.1:4000", "small.yaml:21:5: "),
        ] {
            let complaint = complaint(&SCENARIO.replace(found, replaced), SETS);
            assert!(complaint.starts_with(place), "{replaced}: {complaint}");
        }
        let complaint = complaint(SCENARIO, "add friends 10.0.0.9\n");
        assert!(complaint.starts_with("small.ipset:1:"), "{complaint}");
    }

    proptest! {
        #[test]
        fn no_change_to_a_file_stops_the_reading(
            start in 0..SCENARIO.len(), length in 0_usize..20, inserted in "[ -~\n]{0,12}"
        ) {
            let end = (start + length).min(SCENARIO.len());
            let mut text = SCENARIO.to_owned();
            text.replace_range(start..end, &inserted);
            if let Err(error) = read_with(&text, SETS) {
                let message = error.to_string();
                prop_assert!(message.starts_with("small."), "{}", message);
            }
        }
    }
}
