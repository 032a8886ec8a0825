//! `calidiff render`.

use super::args::{Part, Render};
use super::status::{Ending, Status};
use super::{scenarios, terminal};
use crate::packet::Family;
use crate::report::render::{Parts, refused, text};

/// Renders every file.
///
/// # Errors
///
/// Bad input; then nothing is printed.
pub fn run(options: &Render) -> Result<Status, Ending> {
    let parts = parts(options);
    let mut printed = String::new();
    let mut refusals = Vec::new();
    for path in &options.files {
        let read = scenarios::read(path, options.node.as_deref(), options.layout)?;
        let plan = scenarios::plan(path, &read)?;
        printed.push_str(&text(&read.scenario.name, &plan, parts));
        for family in parts.families().filter(|_| parts.rules) {
            if let Some(why) = refused(&plan, family) {
                refusals.push(format!("{}: {why}", path.display()));
            }
        }
    }
    terminal::print(printed);
    for refusal in &refusals {
        eprintln!("{refusal}");
    }
    Ok(match refusals.is_empty() {
        true => Status::Agreed,
        false => Status::Diverged,
    })
}

fn parts(options: &Render) -> Parts {
    Parts {
        family: match (options.ipv4, options.ipv6) {
            (true, _) => Some(Family::V4),
            (false, true) => Some(Family::V6),
            (false, false) => None,
        },
        sets: options.only != Some(Part::Rules),
        rules: options.only != Some(Part::Sets),
    }
}
