//! The dumps that other people published, where this machine has them.

use std::error::Error;
use std::path::PathBuf;

use calidiff::packet::Family;
use calidiff::xtables::Ruleset;
use calidiff::xtables::save::parse;

/// Hands every dump that can be read to a trial, in the order of their names, and expects at least
/// thirty that the trial says it could use; where `$CALIDIFF_CORPUS` names no folder it says so.
pub fn each_dump(
    mut trial: impl FnMut(&str, Family, Ruleset) -> Result<bool, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let Some(folder) = std::env::var_os("CALIDIFF_CORPUS") else {
        eprintln!("CALIDIFF_CORPUS is not set: the published dumps are not looked at");
        return Ok(());
    };
    let files = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = files.collect::<std::io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    let mut dumps = 0;
    for path in paths {
        let family = match path.extension().and_then(|extension| extension.to_str()) {
            Some("save") => Family::V4,
            Some("save6") => Family::V6,
            _ => continue,
        };
        let name = path.display().to_string();
        if let Ok(ruleset) = parse(&name, &std::fs::read_to_string(&path)?, family) {
            dumps += usize::from(trial(&name, family, ruleset)?);
        }
    }
    assert!(dumps >= 30, "{dumps} dumps could be used");
    Ok(())
}
