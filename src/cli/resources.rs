//! Calico's resources beside a dump: a file, or a folder of files.

use std::path::{Path, PathBuf};

use miette::miette;

use super::args::BesideDumps;
use super::ground::{is_scenario, text_of};
use super::status::Ending;
use crate::calico::{Resources, read};
use crate::import::Names;
use crate::xtables::Ruleset;

/// What the chains of dumps stand for, by the resources that are given and by what the rules say.
///
/// # Errors
///
/// Bad input, with its place; resources beside a scenario, which has its own.
pub fn names<'r>(
    resources: &BesideDumps,
    dumps: &[PathBuf],
    rulesets: impl IntoIterator<Item = &'r Ruleset>,
) -> Result<Names, Ending> {
    let Some(path) = &resources.path else {
        return Ok(Names::of(rulesets, None));
    };
    if let Some(scenario) = dumps.iter().find(|path| is_scenario(path)) {
        return Err(Ending::bad_input(miette!(
            help = "--resources is for dumps",
            "{} stands beside --resources; a scenario has its resources itself",
            scenario.display()
        )));
    }
    Ok(Names::of(rulesets, Some(&read_path(path)?)))
}

/// Reads a file of resources, or all those of a folder as one.
///
/// # Errors
///
/// Bad input, with its place.
pub fn read_path(path: &Path) -> Result<Resources, Ending> {
    let files = match path.is_dir() {
        true => yaml_files(path)?,
        false => vec![path.to_owned()],
    };
    let texts = files.iter().map(|file| text_of(file));
    let texts: Vec<(String, String)> = texts.collect::<Result<_, _>>()?;
    // The tiers of one file are those of the policies in another, so all are read as one text; what is
    // wrong with a file by itself is said with its own place.
    let all: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
    let whole = match texts.as_slice() {
        [(name, text)] => return read::read(name, text).map_err(|why| Ending::bad_input(*why)),
        _ => read::read(&path.display().to_string(), &all.join("\n---\n")),
    };
    whole.map_err(|together| {
        let alone = texts
            .iter()
            .find_map(|(name, text)| read::read(name, text).err());
        Ending::bad_input(*alone.unwrap_or(together))
    })
}

/// The YAML files of a folder, in the order of their names.
fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>, Ending> {
    let shown = folder.display();
    let unreadable = |why| Ending::bad_input(miette!("cannot read {shown}: {why}"));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml" | "json")) {
            files.push(path);
        }
    }
    files.sort();
    match files.is_empty() {
        false => Ok(files),
        true => Err(Ending::bad_input(miette!(
            "{shown} holds no resources; expected files that end in .yaml, .yml or .json"
        ))),
    }
}
