//! One packet's way: chain by chain, rule by rule, mark by mark, the arms beside one another.
//!
//! The model's trace is the ground, because it holds every rule that was asked; a kernel's trace holds
//! the rules that matched. Where the two part, the kernel's own way is written out from there.
//!
//! * [`reasons`]: what Calico means for the packet, and which rules of the kernel's say so;
//! * `rules`: the rules of a trace, as text and by their place.

pub mod reasons;
mod rules;

use std::fmt::{self, Display, Write as _};

use crate::diff::{Comparison, compare};
use crate::import::Names;
use crate::journey::{Answer, Asked, Fate, Journey, Possible, Step};
use crate::mark::Mark;
use crate::model::Parting;
use crate::packet::{Connection, InterfaceName, Packet};
use crate::report::palette::Palette;
use crate::verdict::{ArmName, NotProgrammed};
use crate::xtables::{Backend, Firewall, Match, RuleId};

pub use reasons::Reason;
use rules::{is_match, matches_of, only, place, place_of, rule_text, text_of_rule};

/// What one arm tells of a packet.
#[derive(Clone, Debug)]
pub struct Telling {
    /// Which arm.
    pub arm: ArmName,
    /// What became of the packet.
    pub answer: Answer,
    /// Its trace.
    pub steps: Vec<Step>,
}

/// Everything that is to be told of one packet.
#[derive(Clone, Debug)]
pub struct Explanation<'a> {
    /// The node's name.
    pub node: &'a str,
    /// What is loaded on it.
    pub firewall: &'a Firewall,
    /// What its chains stand for.
    pub names: &'a Names,
    /// The packet.
    pub packet: &'a Packet,
    /// The connections that exist when it comes.
    pub connections: &'a [Connection],
    /// What Calico means for it, where it runs on the node.
    pub reason: Option<Reason>,
    /// What the model tells, reading the rules as one backend does.
    pub model: Telling,
    /// Where the other backend reads them differently, what comes of that.
    pub otherwise: Option<(Backend, Otherwise)>,
    /// What the kernel arms tell, none where they were not asked.
    pub kernels: Vec<Telling>,
}

/// What comes of another reading.
#[derive(Clone, Debug)]
pub enum Otherwise {
    /// The packet goes another way.
    Parts {
        /// What the model tells then.
        model: Box<Telling>,
        /// Why.
        cause: Parting,
        /// The rule at which the readings part, where it is one.
        rule: Option<RuleId>,
    },
    /// The rules are not loaded.
    Refuses(NotProgrammed),
}

impl Explanation<'_> {
    /// Whether every kernel arm that was asked did what the model says of its backend, and the model what
    /// is meant.
    #[must_use]
    pub fn agreed(&self) -> bool {
        let unmeant = |reason: &Reason| reason.meant == Some(false);
        !self.reason.as_ref().is_some_and(unmeant)
            && self.kernels.iter().all(|kernel| {
                compare(&self.model_of(kernel).answer, &kernel.answer) == Comparison::Agree
            })
    }

    /// What the model tells of a kernel arm's backend.
    fn model_of(&self, kernel: &Telling) -> &Telling {
        match &self.otherwise {
            Some((backend, Otherwise::Parts { model, .. }))
                if ArmName::from(*backend) == kernel.arm =>
            {
                model
            }
            _ => &self.model,
        }
    }

    /// The whole explanation.
    #[must_use]
    pub fn text(&self, palette: &Palette) -> String {
        let mut page = Page {
            explanation: self,
            palette,
            text: String::new(),
        };
        page.write();
        page.text
    }
}

struct Page<'a> {
    explanation: &'a Explanation<'a>,
    palette: &'a Palette,
    text: String,
}

impl Page<'_> {
    fn write(&mut self) {
        self.head();
        self.reason();
        self.way();
        self.otherwise();
        for kernel in &self.explanation.kernels {
            let model = self.explanation.model_of(kernel);
            self.own_way(model, kernel);
        }
        self.looks();
        self.endings();
    }

    fn line(&mut self, line: impl Display) {
        let _ = writeln!(self.text, "{line}");
    }

    fn title(&mut self, title: impl Display) {
        let style = self.palette.title;
        self.line(format_args!("\n{style}{title}{style:#}"));
    }

    fn head(&mut self) {
        let Explanation {
            node,
            packet,
            connections,
            ..
        } = self.explanation;
        let style = self.palette.title;
        self.line(format_args!("{style}{packet}{style:#}"));
        self.line(format_args!("on {node}"));
        for connection in *connections {
            self.line(format_args!("with the connection {connection}"));
        }
    }

    /// Every step of the model, with a column a kernel arm.
    fn way(&mut self) {
        let matched: Vec<usize> = self
            .explanation
            .kernels
            .iter()
            .map(|kernel| agreeing(&self.explanation.model.steps, &kernel.steps))
            .collect();
        let mut place = None;
        let mut chain = None;
        let mut passed = 0;
        for step in &self.explanation.model.steps {
            let here = (step.hook, step.table);
            if place != Some(here) {
                place = Some(here);
                chain = None;
                self.title(format_args!(
                    "{} {}, mark {}",
                    step.hook, step.table, step.before
                ));
            }
            if chain != Some(step.chain.as_str()) {
                chain = Some(step.chain.as_str());
                let name = self.explanation.names.chain(&step.chain);
                let name = name.map(|name| format!("  ({name})")).unwrap_or_default();
                self.line(format_args!(
                    "{}  {}{name}",
                    self.blank_columns(),
                    step.chain
                ));
            }
            let columns = self.columns(step, passed, &matched);
            self.step(&columns, step);
            passed += usize::from(is_match(step));
        }
    }

    /// The heads of the columns, or as much blank.
    fn blank_columns(&self) -> String {
        " ".repeat(self.explanation.kernels.len() * COLUMN)
    }

    fn columns(&self, step: &Step, passed: usize, agreeing: &[usize]) -> String {
        let mut columns = String::new();
        for (kernel, agreeing) in self.explanation.kernels.iter().zip(agreeing) {
            let cell = match step.rule {
                Some(_) if step.matched.is_err() || passed >= *agreeing => "",
                Some(_) => match kernel.arm {
                    ArmName::Legacy => "legacy",
                    ArmName::Nft => "nft",
                    ArmName::Model => "model",
                },
                None => "",
            };
            let style = self.palette.agrees;
            let _ = write!(columns, "{style}{cell:<COLUMN$}{style:#}");
        }
        columns
    }

    fn step(&mut self, columns: &str, step: &Step) {
        let Some(index) = step.rule else {
            self.line(format_args!("{columns}    end   {}", step.did));
            return;
        };
        let number = index + 1;
        let rule = rule_text(self.explanation.firewall, step, index);
        let (quiet, mark) = (self.palette.quiet, self.palette.mark);
        match &step.matched {
            Ok(()) => {
                let change = Change(step.before, step.after);
                self.line(format_args!(
                    "{columns}    {number:>3} yes {rule}{mark}{change}{mark:#}"
                ));
            }
            Err(asked) => {
                let why = self.failed(step, index, *asked);
                self.line(format_args!(
                    "{columns}{quiet}    {number:>3}  no {rule}  ({why}){quiet:#}"
                ));
            }
        }
    }

    /// The question that the packet failed, and of a mark what it was instead.
    fn failed(&self, step: &Step, index: usize, asked: Asked) -> String {
        let Some(rule) = self.explanation.firewall.rule(&place(step, index)) else {
            return String::new();
        };
        let question = text_of_rule(step, &only(rule, asked));
        let about_mark = matches!(asked, Asked::Match(at)
            if matches!(rule.matches.get(usize::from(at)), Some(Match::Mark(_))));
        match about_mark {
            true => format!("not {question}: the mark is {}", step.before),
            false => format!("not {question}"),
        }
    }

    /// What the other backend makes of the rules, where that is something else.
    fn otherwise(&mut self) {
        match &self.explanation.otherwise {
            None => {}
            Some((backend, Otherwise::Refuses(why))) => {
                let style = self.palette.differs;
                self.line(format_args!(
                    "\n{style}{backend} does not load these rules{style:#}"
                ));
                self.line(format_args!("  {}", why.message));
            }
            Some((backend, Otherwise::Parts { model, cause, rule })) => {
                let style = self.palette.differs;
                let place = rule.as_ref().map(|id| format!(" at {id}"));
                self.line(format_args!(
                    "\n{style}{backend} reads the rules differently{}{style:#}",
                    place.unwrap_or_default()
                ));
                self.line(format_args!("  {cause}"));
                self.rest_of(model, agreeing(&self.explanation.model.steps, &model.steps));
            }
        }
    }

    /// Where a kernel's trace parts from the model's: what it did instead.
    fn own_way(&mut self, model: &Telling, kernel: &Telling) {
        let agreeing = agreeing(&model.steps, &kernel.steps);
        let model = matches_of(&model.steps);
        let own = matches_of(&kernel.steps);
        if agreeing == model.len() && agreeing == own.len() {
            return;
        }
        let style = self.palette.differs;
        let after = agreeing.checked_sub(1).map(|last| place_of(own[last]));
        self.line(format_args!(
            "\n{style}{} parts from the model {}{style:#}",
            kernel.arm,
            after.map_or_else(
                || "at the first rule".to_owned(),
                |id| format!("after {id}")
            ),
        ));
        self.rest_of(kernel, agreeing);
    }

    /// The rules that matched, without so many of the first.
    fn rest_of(&mut self, telling: &Telling, without: usize) {
        match matches_of(&telling.steps).get(without..) {
            None | Some([]) => self.line("  it matches no further rule"),
            Some(rest) => {
                for step in rest {
                    let rule = rule_text(self.explanation.firewall, step, step.rule.unwrap_or(0));
                    let change = Change(step.before, step.after);
                    self.line(format_args!(
                        "  {} {}: {rule}{change}",
                        step.hook,
                        place_of(step)
                    ));
                }
            }
        }
    }

    /// The packet as it was at each point, by the model.
    fn looks(&mut self) {
        let Answer::Judged(possible) = &self.explanation.model.answer else {
            return;
        };
        for (index, one) in possible.iter().enumerate() {
            match possible.len() {
                1 => self.title("Seen at each point"),
                all => self.title(format_args!(
                    "Seen at each point, possibility {} of {all}",
                    index + 1
                )),
            }
            self.open_ports(one);
            self.sights(&one.journey, 1);
        }
    }

    fn open_ports(&mut self, one: &Possible) {
        for open in &one.open {
            let which = if open.source { "source" } else { "destination" };
            self.line(format_args!(
                "  chance chooses the {which} port from {} to {}",
                open.first, open.last
            ));
        }
    }

    fn sights(&mut self, journey: &Journey, depth: usize) {
        let indent = "  ".repeat(depth);
        for sight in &journey.sights {
            let way = Way(sight.in_interface, sight.out_interface);
            let mark = self.palette.mark;
            self.line(format_args!(
                "{indent}{:<24} {mark}{:<11}{mark:#} {}{way}",
                sight.point.to_string(),
                sight.mark.to_string(),
                sight.headers,
            ));
        }
        for answer in &journey.answers {
            self.line(format_args!("{indent}the node answers:"));
            self.sights(answer, depth + 1);
            self.line(format_args!("{indent}  which was {}", answer.fate));
        }
    }

    fn endings(&mut self) {
        self.title("The end");
        self.meaning();
        let model = &self.explanation.model;
        self.line(format_args!("  {:<7} {}", model.arm, ending(model)));
        match &self.explanation.otherwise {
            None => {}
            Some((backend, Otherwise::Refuses(_))) => {
                self.line(format_args!(
                    "  {:<7} not programmed, as {backend} reads the rules",
                    model.arm
                ));
            }
            Some((backend, Otherwise::Parts { model, .. })) => {
                self.line(format_args!(
                    "  {:<7} {}, as {backend} reads the rules",
                    model.arm,
                    ending(model)
                ));
            }
        }
        for kernel in &self.explanation.kernels {
            let model = self.explanation.model_of(kernel);
            let (style, told) = match compare(&model.answer, &kernel.answer) {
                Comparison::Agree => (self.palette.agrees, "the same, point by point".to_owned()),
                Comparison::Differ(difference) => (
                    self.palette.differs,
                    format!("{}; first difference: {difference}", ending(kernel)),
                ),
                Comparison::Unjudged(why) => (self.palette.differs, format!("not judged: {why}")),
            };
            self.line(format_args!("  {:<7} {style}{told}{style:#}", kernel.arm));
        }
    }
}

/// The width of a kernel arm's column.
const COLUMN: usize = 7;

/// A mark before and after, where it changes.
struct Change(Mark, Mark);

impl Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == self.1 {
            return Ok(());
        }
        write!(f, "  mark {} -> {}", self.0, self.1)
    }
}

/// The interfaces of a sight, those that its hook knows.
struct Way(Option<InterfaceName>, Option<InterfaceName>);

impl Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(interface) = self.0 {
            write!(f, " in={interface}")?;
        }
        if let Some(interface) = self.1 {
            write!(f, " out={interface}")?;
        }
        Ok(())
    }
}

/// How many of the rules that matched, from the first on, are the same in both traces.
fn agreeing(model: &[Step], kernel: &[Step]) -> usize {
    matches_of(model)
        .into_iter()
        .zip(matches_of(kernel))
        .take_while(|(model, kernel)| {
            model.hook == kernel.hook
                && place_of(model) == place_of(kernel)
                && model.before == kernel.before
        })
        .count()
}

/// How a packet's way ended, and by which rule or policy, in words.
fn ending(telling: &Telling) -> String {
    match &telling.answer {
        Answer::Unjudged(why) => format!("not judged: {why}"),
        Answer::Judged(possible) => {
            let mut fates: Vec<String> = Vec::new();
            for one in possible {
                let fate = fate(&one.journey.fate, telling);
                if !fates.contains(&fate) {
                    fates.push(fate);
                }
            }
            fates.join(", or ")
        }
    }
}

fn fate(fate: &Fate, telling: &Telling) -> String {
    let last = telling.steps.iter().rev().find(|step| step.matched.is_ok());
    match (fate, last) {
        (Fate::Dropped(_), Some(step)) => match step.rule {
            Some(_) => format!("dropped at {} by {}", step.hook, place_of(step)),
            None => format!("dropped at {} by {}'s {}", step.hook, step.chain, step.did),
        },
        _ => fate.to_string(),
    }
}

#[cfg(test)]
mod tests;
