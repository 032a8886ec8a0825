//! Scenario files: YAML, read and written.
//!
//! ```yaml
//! name: a closed port
//! why: the policy denies it, and nothing else does
//! node: { name: slave1, interfaces: [{ name: eth0, addresses: [10.0.0.1/24] }] }
//! resources:                           # Calico's, of which its rules come,
//!   - apiVersion: v1                   # or { file: slave1.resources.yaml }
//!     kind: hostEndpoint
//!     metadata: { name: eth0, node: slave1 }
//!     spec: { interfaceName: eth0 }
//! sets: { file: slave1.ipset }         # and what other programs have loaded:
//! rules:                               # in a file beside this one,
//!   v4: { text: "*filter\n…" }         # or here
//! order: in-sequence                   # each leaves its connection for those behind it; absent: apart
//! packets:
//!   - in=eth0 tcp 10.0.0.9:40000 > 10.0.0.1:22
//! changed:                             # and what comes where the resources are others
//!   resources: [ … ]
//!   packets:
//!     - from=node tcp 10.0.0.1:22 > 10.0.0.9:40000 flags=SYN,ACK
//! ```
//!
//! What can't be (a packet by an interface that the node lacks, rules of Calico's own beside its
//! resources, …) is refused with its place; `check` holds all of that together.

mod check;
mod write;

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use miette::Diagnostic;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::{Changed, Completion, Scenario};
use crate::calico::Resources;
use crate::calico::read::{self, Document};
use crate::calico::write::documents;
use crate::node::yaml::{WrongYaml, Yaml, place};
use crate::node::{self, Node};
use crate::packet::text::NotAPacket;
use crate::packet::{Batch, Family, Order, Packet};
use crate::xtables::set::Set;
use crate::xtables::{Firewall, ParseError, Ruleset, ipset, save};

pub use write::write;

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
    #[error("cannot read {file}: {why}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        why: std::io::Error,
    },
}

/// Text in the tools' own language.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Source {
    /// In a file beside.
    File(#[schemars(with = "String")] Spanned<String>),
    /// Here.
    Text(#[schemars(with = "String")] Spanned<String>),
}

/// What iptables and ip6tables have loaded.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sources {
    /// As iptables-save prints it.
    v4: Option<Source>,
    /// As ip6tables-save prints it.
    v6: Option<Source>,
}

/// Calico's resources: their file's name, or themselves.
enum ResourcesSource {
    File(Spanned<String>),
    Inline(Vec<Document>),
}

impl<'de> Deserialize<'de> for ResourcesSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ResourcesVisitor)
    }
}

impl JsonSchema for ResourcesSource {
    fn schema_name() -> Cow<'static, str> {
        "Resources".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let resource = read::schema::schema(generator);
        json_schema!({
            "anyOf": [
                { "type": "array", "items": resource },
                {
                    "type": "object",
                    "properties": {
                        "file": { "description": "the name of a file beside", "type": "string" },
                    },
                    "required": ["file"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

struct ResourcesVisitor;

impl<'de> Visitor<'de> for ResourcesVisitor {
    type Value = ResourcesSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of resources, or `file: NAME`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ResourcesSource, A::Error> {
        let mut documents = Vec::new();
        while let Some(document) = items.next_element()? {
            documents.push(document);
        }
        Ok(ResourcesSource::Inline(documents))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<ResourcesSource, A::Error> {
        let expected = "expected a list of resources, or `file: NAME` alone";
        match fields.next_key::<String>()?.as_deref() {
            Some("file") => {}
            Some(other) => {
                let problem = format!("`{other}` in the place of resources; {expected}");
                return Err(A::Error::custom(problem));
            }
            None => return Err(A::Error::custom(format!("no resources; {expected}"))),
        }
        let file = fields.next_value()?;
        match fields.next_key::<String>()? {
            None => Ok(ResourcesSource::File(file)),
            Some(other) => {
                let problem = format!("`{other}` beside the resources' file; {expected}");
                Err(A::Error::custom(problem))
            }
        }
    }
}

/// One whole case: a node, what it has loaded, and the packets sent at it.
#[derive(Deserialize, JsonSchema)]
#[schemars(title = "a scenario of calidiff")]
#[serde(deny_unknown_fields)]
struct Fields {
    /// What reports call it.
    #[schemars(with = "String")]
    name: Spanned<String>,
    /// What it shows, and who is right: a sentence or more for people.
    why: Option<String>,
    /// The node.
    #[schemars(with = "Node")]
    node: Spanned<Node>,
    /// Calico's resources, of one version of the API: here, or in a file beside. Of them Felix makes the
    /// node's rules.
    #[schemars(with = "Option<ResourcesSource>")]
    resources: Option<ResourcesSource>,
    /// The sets that are loaded, as `ipset save` prints them; besides Calico's where there are resources.
    sets: Option<Source>,
    /// The rules that are loaded; besides Calico's where there are resources.
    #[serde(default)]
    rules: Sources,
    /// Which of the rules their source does not have, and why they stand here.
    #[serde(default)]
    #[schemars(with = "Vec<Completion>")]
    completed: Vec<Spanned<Completion>>,
    /// The connections that exist when the packets are sent, each a line: `tcp 10.0.0.9:40000 > 10.0.0.1:22
    /// replied`, or `answered` (TCP's handshake lacks its end), or `unreplied`; `answers=(…)` where addresses are
    /// translated, and `settled` where a packet began it.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    connections: Vec<Spanned<String>>,
    /// Whether each packet is judged by itself, or leaves its connection for those behind it.
    #[serde(default)]
    order: Order,
    /// The packets, each a line: `in=eth0 tcp 10.0.0.9:40000 > 10.0.0.1:22`, or `from=node` first.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    packets: Vec<Spanned<String>>,
    /// What changes behind packets in sequence, and what comes then; the connections stay.
    changed: Option<ChangedFields>,
}

/// Other resources in the place of those before, while the connections stay.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Changed")]
#[serde(deny_unknown_fields)]
struct ChangedFields {
    /// All of Calico's resources that there are from now on: here, or in a file beside.
    resources: ResourcesSource,
    /// The packets that come then, one behind the other, each a line.
    #[schemars(with = "Vec<String>")]
    packets: Vec<Spanned<String>>,
}

/// The JSON Schema of scenario files (draft 2020-12), for editors.
#[must_use]
pub fn schema() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    settings.into_generator().into_root_schema_for::<Fields>()
}

/// Reads the scenario in a file; files beside are looked for in its folder.
///
/// # Errors
///
/// [`NotAScenario`] where it, or a file beside it, can't be read or is wrong.
pub fn read_file(path: &Path) -> Result<Scenario, NotAScenario> {
    let (name, text) = text_of(path)?;
    let (name, text) = (name.as_str(), text.as_str());
    read_beside(path, Yaml { name, text })
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// A scenario.
    Scenario(Box<Scenario>),
    /// Calico's resources alone.
    Resources(Box<Resources>),
}

/// Reads a file that holds a scenario, or resources alone: those say of themselves what they are.
///
/// # Errors
///
/// As [`read_file`].
pub fn read_contents(path: &Path) -> Result<Contents, NotAScenario> {
    let (file, text) = text_of(path)?;
    let yaml = Yaml {
        name: &file,
        text: &text,
    };
    let documents: Vec<Document> = yaml.read_all()?;
    Ok(match documents.as_slice() {
        [one] if !one.is_of_resources() => Contents::Scenario(Box::new(read_beside(path, yaml)?)),
        [] => Contents::Scenario(Box::new(read_beside(path, yaml)?)),
        all => Contents::Resources(Box::new(read::read_documents(yaml, all)?)),
    })
}

fn text_of(path: &Path) -> Result<(String, String), NotAScenario> {
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((file, text)),
        Err(why) => Err(NotAScenario::Unreadable { file, why }),
    }
}

fn read_beside(path: &Path, yaml: Yaml<'_>) -> Result<Scenario, NotAScenario> {
    let folder = path.parent().unwrap_or(Path::new(""));
    read(yaml.name, yaml.text, &|name| {
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
    let fields: Fields = yaml.read()?;
    let node = yaml.offset(fields.node.referenced);
    node::text::check(&fields.node.value, &yaml.up_to_end_of(node))?;
    let reader = Reader { yaml, beside };
    let resources = reader.resources(fields.resources.as_ref())?;
    let firewall = Firewall {
        v4: reader.rules(&fields.rules.v4, Family::V4)?,
        v6: reader.rules(&fields.rules.v6, Family::V6)?,
        sets: reader.sets(&fields.sets)?,
    };
    let batch = Batch {
        connections: reader.lines(&fields.connections)?,
        packets: reader.lines(&fields.packets)?,
        order: fields.order,
    };
    reader.check_name(&fields.name)?;
    reader.check_packets(&fields.packets, &batch.packets, &fields.node.value)?;
    reader.check_connections(&fields.connections, &batch.connections)?;
    reader.check_completed(&fields.completed, &firewall)?;
    if resources.is_some() {
        reader.check_foreign(&fields, &firewall)?;
    }
    let changed = reader.changed(&fields, resources.as_ref())?;
    Ok(Scenario {
        name: fields.name.value,
        why: fields.why,
        node: fields.node.value,
        firewall,
        resources,
        completed: fields.completed.into_iter().map(|one| one.value).collect(),
        batch,
        changed,
    })
}

/// A scenario's file while it is read.
struct Reader<'a> {
    yaml: Yaml<'a>,
    beside: &'a dyn Fn(&str) -> std::io::Result<String>,
}

impl Reader<'_> {
    fn resources(
        &self,
        source: Option<&ResourcesSource>,
    ) -> Result<Option<Resources>, NotAScenario> {
        Ok(match source {
            None => None,
            Some(ResourcesSource::Inline(documents)) => {
                Some(read::read_documents(self.yaml, documents)?)
            }
            Some(ResourcesSource::File(name)) => {
                Some(read::read(&name.value, &self.text_beside(name)?)?)
            }
        })
    }

    /// What changes: resources of the same API, behind packets that leave something.
    fn changed(
        &self,
        fields: &Fields,
        before: Option<&Resources>,
    ) -> Result<Option<Changed>, NotAScenario> {
        let Some(changed) = &fields.changed else {
            return Ok(None);
        };
        let Some(mut resources) = self.resources(Some(&changed.resources))? else {
            return Ok(None);
        };
        // Where none are left, nothing says in which version of the API.
        let is_empty = documents(&resources).is_empty();
        resources.api = before
            .filter(|_| is_empty)
            .map_or(resources.api, |one| one.api);
        let packets: Vec<Packet> = self.lines(&changed.packets)?;
        self.check_packets(&changed.packets, &packets, &fields.node.value)?;
        let problem = match before {
            None => "there are no `resources` that could change; expected some above",
            Some(before) if before.api != resources.api => {
                "these resources are of another version of the API than those above; expected the same"
            }
            Some(_) if fields.order == Order::Apart => {
                "nothing is left behind packets that are apart; expected `order: in-sequence`"
            }
            Some(_) => return Ok(Some(Changed { resources, packets })),
        };
        match changed.packets.first() {
            Some(first) => Err(self.wrong(first, problem.to_owned())),
            None => Err(self.yaml.wrong(0, problem.to_owned()).into()),
        }
    }

    fn rules(&self, source: &Option<Source>, family: Family) -> Result<Ruleset, NotAScenario> {
        let read = |name: &str, text: &str| save::parse(name, text, family);
        let ruleset = self.tools_text(source, read)?;
        Ok(ruleset.unwrap_or_else(|| Ruleset::empty(family)))
    }

    fn sets(&self, source: &Option<Source>) -> Result<Vec<Set>, NotAScenario> {
        Ok(self.tools_text(source, ipset::parse)?.unwrap_or_default())
    }

    fn text_beside(&self, name: &Spanned<String>) -> Result<String, NotAScenario> {
        (self.beside)(&name.value)
            .map_err(|why| self.wrong(name, format!("can't read `{}`: {why}", name.value)))
    }

    fn tools_text<T>(
        &self,
        source: &Option<Source>,
        read: impl Fn(&str, &str) -> Result<T, ParseError>,
    ) -> Result<Option<T>, NotAScenario> {
        match source {
            None => Ok(None),
            Some(Source::Text(text)) => {
                let value = read(self.yaml.name, &text.value);
                value.map(Some).map_err(|error| self.inline(text, &error))
            }
            Some(Source::File(name)) => Ok(Some(read(&name.value, &self.text_beside(name)?)?)),
        }
    }

    fn lines<T: FromStr<Err = NotAPacket>>(
        &self,
        lines: &[Spanned<String>],
    ) -> Result<Vec<T>, NotAScenario> {
        let wrong = |line: &Spanned<String>, error: &NotAPacket| {
            let begins = self.yaml.offset(line.referenced);
            let problem = format!("found {}; expected {}", error.found(), error.expected());
            self.yaml
                .wrong_inside(begins, &line.value, error.offset(), problem)
        };
        let read = |line: &Spanned<String>| {
            let value = line.value.parse();
            value.map_err(|error| wrong(line, &error).into())
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

    fn wrong<T>(&self, value: &Spanned<T>, problem: String) -> NotAScenario {
        let start = self.yaml.offset(value.referenced);
        self.yaml.wrong(start, problem).into()
    }
}

#[cfg(test)]
mod tests;
