//! `calidiff shrink`: a scenario that diverges, made small.

use std::path::Path;

use miette::miette;

use super::args::Shrink;
use super::replay::{panel, scenario_of};
use super::scenarios::{self, Read, ledger_folder};
use super::status::{Ending, Status};
use super::terminal;
use crate::campaign::shrink::Questions;
use crate::campaign::trial::Panel;
use crate::diff::class::Class;
use crate::report::keep::{Kept, info, save, understand};
use crate::scenario::{Scenario, text};

/// Makes a scenario small.
///
/// # Errors
///
/// Bad input, a scenario on which nobody differs among it; a machine that lacks what the kernel arms need.
pub fn run(options: &Shrink) -> Result<Status, Ending> {
    let path = scenario_of(&options.file);
    let read = scenarios::read(&path, None, options.layout)?;
    let layout = read.layout;
    let known = options.ledger.as_deref();
    let ledger = scenarios::ledger(known, layout)?;
    let mut panel = panel(&options.arms)?;
    let wanted = options.class.as_deref();
    let Some((scenario, packet, class)) = find(&mut panel, &path, read, wanted)? else {
        let path = path.display();
        return Err(Ending::bad_input(match wanted {
            Some(id) => miette!("no packet of {path} is of the class {id}"),
            None => miette!("the judges agree on every packet of {path}: there is nothing to keep"),
        }));
    };
    let questions = Questions::default();
    let kept = understand(&mut panel, layout, &scenario, packet, &class, questions)
        .map_err(|why| Ending::bad_input(miette!("{why}")))?;
    let written = text::write(&kept.scenario)
        .map_err(|why| Ending::bad_input(miette!("the scenario can't be written: {why}")))?;
    eprintln!("{}", summary(&kept));
    match &options.out {
        None => terminal::print(written),
        Some(out) => std::fs::write(out, written)
            .map_err(|why| Ending::bad_input(miette!("can't write {}: {why}", out.display())))?,
    }
    if options.save {
        let (info, folder) = (info(layout, None), ledger_folder(known, layout));
        let file = save(&mut panel, layout, &kept, &folder, &info)
            .map_err(|why| Ending::bad_input(miette!("{why}")))?;
        eprintln!(
            "saved     {}: explain it there, then `cargo insta review`",
            file.display()
        );
    }
    Ok(match ledger.has(&kept.class) {
        true => Status::Agreed,
        false => Status::Diverged,
    })
}

/// The first packet of a scenario that is of a wanted class, of any where none is named. Behind a change of the
/// resources that is a packet of the scenario from then on, in which the connections that were left stand.
fn find(
    panel: &mut Panel,
    path: &Path,
    read: Read,
    wanted: Option<&str>,
) -> Result<Option<(Scenario, usize, Class)>, Ending> {
    let layout = read.layout;
    let mut next = Some(read.scenario);
    while let Some(scenario) = next {
        let read = Read { scenario, layout };
        let mut plan = scenarios::plan(path, &read)?;
        let scenario = read.scenario;
        let trial = panel.judge(&mut plan, &scenario.batch)?;
        let mut classes = trial.classes(&mut plan, &scenario.batch).into_iter();
        let is_wanted = |class: &Class| wanted.is_none_or(|id| class.id() == id);
        if let Some((packet, class)) = classes.find(|(_, class)| is_wanted(class)) {
            return Ok(Some((scenario, packet, class)));
        }
        next = scenario.behind_change(trial.expected.left.connections());
    }
    Ok(None)
}

fn summary(kept: &Kept) -> String {
    let Kept { class, rate, .. } = kept;
    let end = match &kept.small {
        None => "not seen again: left as it was".to_owned(),
        Some(small) if small.complete => {
            format!("{} cases tried; nothing more can go", small.asked)
        }
        Some(small) => format!("{} cases tried, and no more allowed", small.asked),
    };
    let again = match rate.is_certain() {
        true => "every time".to_owned(),
        false => format!("{} of {} times", rate.seen, rate.fired),
    };
    format!(
        "class     {}\n          {class}\nseen      {again}\nshrunk    {end}",
        class.id()
    )
}
