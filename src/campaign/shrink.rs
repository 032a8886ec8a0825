//! A divergence made small: seen again, cut down to what its packet touched, then by halves, then value
//! by value.
//!
//! What stays the same is the class ([`Class::id`]). Where no kernel takes part in the division, intent and
//! model alone are asked, which is cheap, and the kernels confirm the end; else they are asked every time.
//! All is bounded in questions, never in time: the same scenario always comes to the same one.

use super::finding::Divergence;
use super::trial::{Panel, Trial};
use crate::arm::Failure;
use crate::arm::plan::Plan;
use crate::diff::class::{Class, Rate};
use crate::diff::shrink::{Shrunk, shrink};
use crate::diff::touched::{Touched, reduce_to_trace};
use crate::packet::Batch;
use crate::render::Layout;
use crate::scenario::{Scenario, text};

/// How many questions may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Questions {
    /// Where intent and model answer.
    pub model: usize,
    /// Where the kernels do, which takes much longer.
    pub kernel: usize,
}

impl Default for Questions {
    /// About a minute at most.
    fn default() -> Self {
        Self {
            model: 4000,
            kernel: 300,
        }
    }
}

/// How often a divergence of the kernels' is fired again before it is believed.
pub const AGAIN: usize = 8;

/// A divergence made small.
#[derive(Clone, Debug)]
pub struct Small {
    /// The smallest scenario found; its last packet is the one that diverges.
    pub scenario: Scenario,
    /// How many cases were tried.
    pub asked: usize,
    /// Whether nothing more can be left out or made simpler; else the questions were used up.
    pub complete: bool,
}

/// Fires the packet of a divergence again, with its connections and nothing beside, and says how often it was
/// of its class. What no kernel takes part in is certain, and not fired.
///
/// # Errors
///
/// Where an arm is broken.
pub fn fire_again(
    panel: &mut Panel,
    plan: &mut Plan,
    batch: &Batch,
    packet: usize,
    class: &Class,
) -> Result<Rate, Failure> {
    let mut rate = Rate {
        fired: AGAIN,
        seen: AGAIN,
    };
    if !class.needs_a_kernel() {
        return Ok(rate);
    }
    let alone = alone(batch, packet);
    rate.seen = 0;
    for _ in 0..rate.fired {
        let trial = panel.judge(plan, &alone)?;
        rate.seen += usize::from(shows(&trial, plan, &alone, class));
    }
    Ok(rate)
}

/// One packet of a batch and the connections that touch it.
fn alone(batch: &Batch, packet: usize) -> Batch {
    let packets = batch.packets.get(packet).cloned();
    let connections = packets.iter();
    Batch {
        connections: connections
            .flat_map(|packet| Divergence::connections_of(batch, packet))
            .collect(),
        packets: packets.into_iter().collect(),
    }
}

/// Whether a packet of a batch is of a class.
fn shows(trial: &Trial, plan: &mut Plan, batch: &Batch, class: &Class) -> bool {
    let classes = trial.classes(plan, batch);
    classes.iter().any(|(_, found)| found == class)
}

/// Makes a scenario small of which a packet is of a class; `class` is as a panel first saw it, without a
/// rate. `None` where its packet alone, or with all others before it, is not of that class again.
///
/// # Errors
///
/// Where an arm is broken before anything was left out.
pub fn make_small(
    panel: &mut Panel,
    layout: Layout,
    scenario: &Scenario,
    packet: usize,
    class: &Class,
    questions: Questions,
) -> Result<Option<Small>, Failure> {
    let scenario = Scenario {
        why: None,
        completed: Vec::new(),
        ..scenario.clone()
    };
    if !class.needs_a_kernel() {
        let mut without = panel.without_kernels();
        let small = cut_down(
            &mut without,
            layout,
            &scenario,
            packet,
            class,
            questions.model,
        )?;
        let confirmed = match &small {
            None => return Ok(None),
            Some(small) => is_of(panel, layout, &small.scenario, class)?,
        };
        if confirmed {
            return Ok(small);
        }
    }
    cut_down(panel, layout, &scenario, packet, class, questions.kernel)
}

/// Makes a scenario small by asking one panel.
fn cut_down(
    panel: &mut Panel,
    layout: Layout,
    scenario: &Scenario,
    packet: usize,
    class: &Class,
    questions: usize,
) -> Result<Option<Small>, Failure> {
    let Some(start) = start(panel, layout, scenario, packet, class)? else {
        return Ok(None);
    };
    let mut asked = 0;
    // A kernel may refuse what the model would take: such a case shows nothing.
    let mut fails = |case: &Scenario| {
        asked += 1;
        is_of(panel, layout, case, class).unwrap_or(false)
    };
    let reduced = match (Plan::new(layout, &start), start.batch.packets.last()) {
        (Ok(mut plan), Some(packet)) => {
            let touched = Touched::by(&start, &mut plan, packet);
            reduce_to_trace(start, &touched, &mut fails)
        }
        _ => start,
    };
    let Shrunk {
        case: scenario,
        complete,
        ..
    } = shrink(reduced, questions, fails);
    Ok(Some(Small {
        scenario,
        asked,
        complete,
    }))
}

/// Where to begin: the packet alone with its connections; else the same after all that came before it.
fn start(
    panel: &mut Panel,
    layout: Layout,
    scenario: &Scenario,
    packet: usize,
    class: &Class,
) -> Result<Option<Scenario>, Failure> {
    let mut before = scenario.batch.clone();
    before.packets.truncate(packet + 1);
    for batch in [alone(&scenario.batch, packet), before] {
        let start = Scenario {
            batch,
            ..scenario.clone()
        };
        if is_of(panel, layout, &start, class)? {
            return Ok(Some(start));
        }
    }
    Ok(None)
}

/// Whether a packet of a scenario is of a class, and the scenario one that a file can hold.
///
/// # Errors
///
/// Where an arm is broken.
pub fn is_of(
    panel: &mut Panel,
    layout: Layout,
    scenario: &Scenario,
    class: &Class,
) -> Result<bool, Failure> {
    let Ok(mut plan) = Plan::new(layout, scenario) else {
        return Ok(false);
    };
    let trial = panel.judge(&mut plan, &scenario.batch)?;
    Ok(shows(&trial, &mut plan, &scenario.batch, class) && can_be_written(scenario))
}

/// Whether what is written of a scenario is read as the same.
fn can_be_written(scenario: &Scenario) -> bool {
    let Ok(written) = text::write(scenario) else {
        return false;
    };
    let nothing = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let read = text::read("the smaller scenario", &written, &nothing);
    read.is_ok_and(|read| text::write(&read).is_ok_and(|again| again == written))
}
