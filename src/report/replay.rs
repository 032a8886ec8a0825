//! Scenarios judged again: packet by packet, what each judge says, and which class it is where they differ.

use std::fmt::Write as _;

use serde::Serialize;

use super::divergence::{endings, said, words};
use super::palette::Palette;
use crate::arm::Failure;
use crate::arm::plan::Plan;
use crate::campaign::trial::{Panel, Trial};
use crate::diff::class::Class;
use crate::diff::judgement::Outcome;
use crate::diff::ledger::Ledger;
use crate::scenario::Scenario;
use crate::xtables::Backend;

/// A scenario judged again.
#[derive(Clone, Debug, Serialize)]
pub struct Replayed {
    /// The scenario's name.
    pub scenario: String,
    /// Where model and tools differ on whether rules can be loaded, in words.
    pub loading: Vec<String>,
    /// Its packets, in order.
    pub packets: Vec<Told>,
    /// Those that come behind a change of the resources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Told>,
}

/// One packet judged again.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// The packet.
    pub packet: String,
    /// Who says what, a line or more each.
    pub said: Vec<(String, Vec<String>)>,
    /// Where the judges differ: how.
    pub divergence: Option<Divergence>,
    /// Why somebody could not judge it, where nobody differs.
    pub unjudged: Option<String>,
}

/// A divergence and whether it is known.
#[derive(Clone, Debug, Serialize)]
pub struct Divergence {
    /// The class's id.
    pub id: String,
    /// The class.
    #[serde(flatten)]
    pub class: Class,
    /// Whether the ledger has it.
    pub known: bool,
}

/// Judges a scenario again.
///
/// # Errors
///
/// Where an arm is broken.
pub fn replay(
    panel: &mut Panel,
    plan: &mut Plan,
    scenario: &Scenario,
    ledger: &Ledger,
) -> Result<Replayed, Failure> {
    let trial = panel.judge(plan, &scenario.batch)?;
    Ok(tell(&trial, plan, scenario, ledger))
}

/// Judges a scenario again, and what comes behind its change; `behind` is that by itself, and its plan.
///
/// # Errors
///
/// Where an arm is broken.
pub fn replay_changed(
    panel: &mut Panel,
    plan: &mut Plan,
    scenario: &Scenario,
    behind: (&mut Plan, &Scenario),
    ledger: &Ledger,
) -> Result<Replayed, Failure> {
    let (plan_behind, scenario_behind) = behind;
    let parts = [
        (&mut *plan, &scenario.batch),
        (&mut *plan_behind, &scenario_behind.batch),
    ];
    let [first, second] = panel.judge_changed(parts)?;
    let mut told = tell(&first, plan, scenario, ledger);
    let changed = tell(&second, plan_behind, scenario_behind, ledger);
    told.loading.extend(changed.loading);
    told.changed = changed.packets;
    Ok(told)
}

/// What was said of a scenario in a trial of its packets.
#[must_use]
pub fn tell(trial: &Trial, plan: &mut Plan, scenario: &Scenario, ledger: &Ledger) -> Replayed {
    let classes = trial.classes(plan, &scenario.batch);
    let packets = scenario.batch.packets.iter().enumerate();
    let told = packets.map(|(index, packet)| {
        let own = trial.said(&plan.node, index);
        let mut told = Vec::new();
        if let Some(opinion) = own.opinion {
            told.push(("intent".to_owned(), words(plan, opinion)));
        }
        for backend in Backend::BOTH {
            let Some(reading) = own.readings[backend.place()] else {
                continue;
            };
            told.push((format!("model, {backend}"), endings(reading.model)));
            let kernel = reading.kernel.map(endings);
            told.extend(kernel.map(|lines| (backend.to_string(), lines)));
        }
        let class = classes.iter().find(|(place, _)| *place == index);
        Told {
            packet: packet.to_string(),
            said: told,
            divergence: class.map(|(_, class)| Divergence {
                id: class.id(),
                class: class.clone(),
                known: ledger.has(class),
            }),
            unjudged: match own.outcome() {
                Outcome::Unjudged(why) => Some(why.to_string()),
                Outcome::Agree | Outcome::Differ(_) => None,
            },
        }
    });
    Replayed {
        scenario: scenario.name.clone(),
        packets: told.collect(),
        changed: Vec::new(),
        loading: trial.loading.iter().map(ToString::to_string).collect(),
    }
}

impl Replayed {
    /// Whether somebody differs, and the ledger does not know why.
    #[must_use]
    pub fn diverges(&self) -> bool {
        let mut divergences = self
            .packets
            .iter()
            .chain(&self.changed)
            .filter_map(|one| one.divergence.as_ref());
        !self.loading.is_empty() || divergences.any(|one| !one.known)
    }

    /// The same without the packets on which nobody differs, or the ledger knows why.
    #[must_use]
    pub fn news(mut self) -> Self {
        let is_new = |told: &Told| told.divergence.as_ref().is_some_and(|one| !one.known);
        self.packets.retain(is_new);
        self.changed.retain(is_new);
        self
    }

    /// As text.
    #[must_use]
    pub fn text(&self, palette: &Palette) -> String {
        let mut text = String::new();
        let (title, differs, agrees) = (palette.title, palette.differs, palette.agrees);
        // Writing to a String does not fail.
        let _ = writeln!(text, "{title}{}{title:#}", self.scenario);
        for loading in &self.loading {
            let _ = writeln!(text, "  {differs}{loading}{differs:#}");
        }
        for (place, told) in self.packets.iter().chain(&self.changed).enumerate() {
            if place == self.packets.len() {
                let _ = writeln!(text, "\nthe resources change");
            }
            let _ = writeln!(text, "\n{}", told.packet);
            for (who, lines) in &told.said {
                said(&mut text, who, lines);
            }
            let _ = match (&told.divergence, &told.unjudged) {
                (Some(one), _) => {
                    let known = if one.known { "known" } else { "new" };
                    writeln!(
                        text,
                        "  {differs}{known}: {} {}{differs:#}",
                        one.id, one.class
                    )
                }
                (None, Some(why)) => writeln!(text, "  not judged: {why}"),
                (None, None) => writeln!(text, "  {agrees}all agree{agrees:#}"),
            };
        }
        text
    }
}
