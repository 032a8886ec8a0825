//! The ledger of known divergences of a layout: a folder with two files a class, called by its id.
//!
//! `ID.yaml` is the smallest scenario that shows it, whose `why` says who is right; `ID.snap` is the accepted
//! snapshot of what everybody says of it. A new class stands there with `ID.snap.new`, as insta leaves what
//! is to be reviewed. A class without `ID.snap`, or one that nobody has explained, is not known.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use miette::Diagnostic;

use super::class::Class;
use crate::render::Layout;
use crate::scenario::Scenario;
use crate::scenario::text::{self, NotAScenario};

/// Where a repository keeps its ledgers: a folder a layout, called like it.
pub const FOLDER: &str = "snapshots/divergence";

/// Where a repository keeps a layout's ledger.
#[must_use]
pub fn folder(layout: Layout) -> PathBuf {
    Path::new(FOLDER).join(layout.to_string())
}

/// The known divergences.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    entries: BTreeMap<String, Entry>,
}

/// One class in the ledger.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its scenario's file.
    pub file: PathBuf,
    /// The smallest scenario that shows it.
    pub scenario: Scenario,
    /// The accepted snapshot's text, without insta's head and its last line's end.
    pub accepted: Option<String>,
}

/// A folder that is no ledger: where, and why.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum WrongLedger {
    /// A file or the folder can't be read.
    #[error("can't read `{path}` of the ledger: {why}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// A scenario is wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Scenario(#[from] NotAScenario),
    /// A snapshot without its scenario.
    #[error("`{0}` is accepted without a scenario beside it; expected the same name with .yaml")]
    NoScenario(PathBuf),
    /// An accepted class that nobody has explained.
    #[error("`{0}` is accepted and not explained; expected a `why` that says who is right")]
    NotExplained(PathBuf),
}

impl Ledger {
    /// Reads a ledger's folder; one that is not there is an empty ledger.
    ///
    /// # Errors
    ///
    /// [`WrongLedger`] where a file is wrong, or stands without the one that belongs to it.
    pub fn read(folder: &Path) -> Result<Self, WrongLedger> {
        let mut ledger = Self::default();
        for path in files(folder)? {
            if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                let (id, entry) = Entry::read(path)?;
                ledger.entries.insert(id, entry);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "snap")
                && !path.with_extension("yaml").exists()
            {
                return Err(WrongLedger::NoScenario(path));
            }
        }
        Ok(ledger)
    }

    /// Whether a class is accepted and explained.
    #[must_use]
    pub fn has(&self, class: &Class) -> bool {
        self.has_id(&class.id())
    }

    /// The same, by the class's id.
    #[must_use]
    pub fn has_id(&self, id: &str) -> bool {
        let entry = self.entries.get(id);
        entry.is_some_and(|entry| entry.accepted.is_some() && entry.is_explained())
    }

    /// Every class that has a scenario, accepted or not, by its id.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        let entries = self.entries.iter();
        entries.map(|(id, entry)| (id.as_str(), entry))
    }
}

/// The ledger of each layout.
#[derive(Clone, Debug, Default)]
pub struct Ledgers {
    seed: Ledger,
    modern: Ledger,
}

impl Ledgers {
    /// Reads the ledger of every layout of a repository, whose folder is given.
    ///
    /// # Errors
    ///
    /// As [`Ledger::read`].
    pub fn read(repository: &Path) -> Result<Self, WrongLedger> {
        let read = |layout| Ledger::read(&repository.join(folder(layout)));
        Ok(Self {
            seed: read(Layout::Seed)?,
            modern: read(Layout::Modern)?,
        })
    }

    /// A layout's.
    #[must_use]
    pub fn of(&self, layout: Layout) -> &Ledger {
        match layout {
            Layout::Seed => &self.seed,
            Layout::Modern => &self.modern,
        }
    }
}

impl Entry {
    fn read(file: PathBuf) -> Result<(String, Self), WrongLedger> {
        let stem = file.file_stem().unwrap_or_default();
        let id = stem.to_string_lossy().into_owned();
        let snapshot = file.with_file_name(format!("{id}.snap"));
        let accepted = match fs::read_to_string(&snapshot) {
            Ok(text) => Some(body(&text).to_owned()),
            Err(why) if why.kind() == io::ErrorKind::NotFound => None,
            Err(why) => return Err(unreadable(&snapshot, why)),
        };
        let entry = Self {
            scenario: text::read_file(&file)?,
            accepted,
            file,
        };
        if entry.accepted.is_some() && !entry.is_explained() {
            return Err(WrongLedger::NotExplained(entry.file));
        }
        Ok((id, entry))
    }

    /// Whether somebody has said who is right.
    #[must_use]
    pub fn is_explained(&self) -> bool {
        let why = self.scenario.why.as_deref();
        why.is_some_and(|why| !why.trim().is_empty())
    }
}

fn unreadable(path: &Path, why: io::Error) -> WrongLedger {
    WrongLedger::Unreadable {
        path: path.to_owned(),
        why,
    }
}

/// The files of a folder, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>, WrongLedger> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(unreadable(folder, why)),
    };
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths: Vec<PathBuf> = paths
        .collect::<io::Result<_>>()
        .map_err(|why| unreadable(folder, why))?;
    paths.sort();
    Ok(paths)
}

/// What stands in a snapshot's file behind insta's head, which `---` encloses.
fn body(snapshot: &str) -> &str {
    let behind = snapshot
        .strip_prefix("---\n")
        .and_then(|rest| rest.split_once("\n---\n"));
    let body = behind.map_or(snapshot, |(_, body)| body);
    body.strip_suffix('\n').unwrap_or(body)
}

/// Saves a new class to be reviewed: its scenario, whose `why` is left to a person, and its snapshot's text
/// with `info` (seed, kernel, versions: name and value) in its head, which is not compared. What is there
/// already stays. Returns the scenario's file.
///
/// # Errors
///
/// What the system says of the files.
pub fn record(
    folder: &Path,
    id: &str,
    scenario: &Scenario,
    snapshot: &str,
    info: &[(&str, String)],
) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let file = folder.join(format!("{id}.yaml"));
    if !file.exists() {
        let named = Scenario {
            name: id.to_owned(),
            ..scenario.clone()
        };
        let text = text::write(&named).map_err(io::Error::other)?;
        fs::write(&file, text)?;
    }
    let mut pending = "---\nsource: tests/kernel/ledger.rs\n".to_owned();
    if !info.is_empty() {
        pending.push_str("info:\n");
    }
    for (name, value) in info {
        // Writing to a String does not fail; a JSON string is one of YAML.
        let _ = writeln!(
            pending,
            "  {name}: {}",
            serde_json::Value::from(value.as_str())
        );
    }
    let _ = writeln!(pending, "---\n{}", snapshot.trim_end());
    fs::write(folder.join(format!("{id}.snap.new")), pending)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn class() -> Class {
        Class {
            cause: None,
            clause: "I1".to_owned(),
            shape: "no rule".to_owned(),
            division: "intent | model".to_owned(),
            differs: "nothing".to_owned(),
        }
    }

    fn scenario(why: &str) -> String {
        format!("name: one\nwhy: {why:?}\nnode: {{ name: one, interfaces: [] }}\n")
    }

    #[test]
    fn a_class_is_known_with_scenario_snapshot_and_explanation() -> Outcome {
        let folder = tempfile::tempdir()?;
        let (path, id) = (folder.path(), class().id());
        assert!(!Ledger::read(path)?.has(&class()));
        fs::write(path.join(format!("{id}.yaml")), scenario("the intent"))?;
        assert!(!Ledger::read(path)?.has(&class()), "not accepted");
        let snap = path.join(format!("{id}.snap"));
        fs::write(&snap, "---\nsource: x\n---\nfirst\n---\nlast\n")?;
        let ledger = Ledger::read(path)?;
        assert!(ledger.has(&class()));
        let (_, entry) = ledger.entries().next().ok_or("no entry")?;
        assert_eq!(entry.accepted.as_deref(), Some("first\n---\nlast"));
        let other = Class {
            differs: "something".to_owned(),
            ..class()
        };
        assert!(!ledger.has(&other), "a known class covers itself alone");
        Ok(())
    }

    #[test]
    fn what_is_accepted_must_be_explained_and_have_its_scenario() -> Outcome {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("a.snap"), "---\nsource: x\n---\ntext\n")?;
        let wrong = Ledger::read(folder.path()).err().ok_or("it is read")?;
        assert!(matches!(wrong, WrongLedger::NoScenario(_)), "{wrong}");
        fs::write(folder.path().join("a.yaml"), scenario(" "))?;
        let wrong = Ledger::read(folder.path()).err().ok_or("it is read")?;
        assert!(matches!(wrong, WrongLedger::NotExplained(_)), "{wrong}");
        Ok(())
    }

    #[test]
    fn what_is_recorded_awaits_its_review() -> Outcome {
        let folder = tempfile::tempdir()?;
        let folder = folder.path().join("new");
        let id = class().id();
        let nothing = |_: &str| Err(io::ErrorKind::NotFound.into());
        let one = text::read("one", &scenario("it"), &nothing)?;
        let info = [("kernel", "6.1 \"x\"".to_owned())];
        let file = record(&folder, &id, &Scenario { why: None, ..one }, "text", &info)?;
        let pending = fs::read_to_string(folder.join(format!("{id}.snap.new")))?;
        assert_eq!(body(&pending), "text");
        assert!(
            pending.contains("\n  kernel: \"6.1 \\\"x\\\"\"\n"),
            "{pending}"
        );
        let ledger = Ledger::read(&folder)?;
        assert!(!ledger.has(&class()));
        let mut entries = ledger.entries();
        let (found, entry) = entries.next().ok_or("no entry")?;
        assert_eq!((found, &entry.file), (id.as_str(), &file));
        assert!(!entry.is_explained());
        Ok(())
    }
}
