//! A class of divergences as its snapshot shows it: what differs and who is right, the policy, the packet, what
//! each judge says, the rules on its way, its marks, and a script that shows it without this program.
//!
//! The text is the same on every run and machine. What the kernels say stands last: without them it is the
//! same text, only shorter.

use std::fmt::{self, Display, Write as _};

use crate::arm::Failure;
use crate::arm::plan::{Plan, Unplanned};
use crate::calico;
use crate::campaign::shrink::AGAIN;
use crate::campaign::trial::{Panel, Trial};
use crate::diff::class::{Class, Rate};
use crate::diff::{Comparison, compare};
use crate::intent::{Exit, Opinion, Source};
use crate::journey::{Answer, Journey, Step};
use crate::model::Connections;
use crate::node::routing::Way;
use crate::packet::{Connection, Packet};
use crate::render::Layout;
use crate::report::script::{NoScript, Scene, Script, script};
use crate::scenario::Scenario;
use crate::xtables::{Backend, Firewall, Ruleset, save};

/// A divergence, written out.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its class, as it was seen now.
    pub class: Class,
    /// Everything that is to be told of it.
    pub text: String,
    /// The script in it, where there is one.
    pub script: Option<Script>,
}

/// Why a scenario has no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum NoSnapshot {
    /// Nothing is programmed for it.
    #[error(transparent)]
    Unplanned(#[from] Unplanned),
    /// An arm is broken.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// None of its packets is of the class; those that diverge are of others.
    #[error("no packet of it is of the class {id}; found: {}", found.join(", "))]
    Gone {
        /// The class that was looked for.
        id: String,
        /// The classes that were found.
        found: Vec<String>,
    },
}

/// Writes out the divergence of a class that a scenario shows. A class that is not seen every time is looked
/// for several times.
///
/// # Errors
///
/// [`NoSnapshot`] where the scenario does not show it.
pub fn snapshot(
    panel: &mut Panel,
    layout: Layout,
    scenario: &Scenario,
    id: &str,
) -> Result<Snapshot, NoSnapshot> {
    let mut plan = Plan::new(layout, scenario)?;
    let mut found = Vec::new();
    for _ in 0..AGAIN {
        let trial = panel.judge(&mut plan, &scenario.batch)?;
        let classes = trial.classes(&mut plan, &scenario.batch);
        let wanted = classes.iter().find(|(_, class)| is_called(class, id));
        if let Some((packet, class)) = wanted {
            return write_out(panel, &mut plan, scenario, &trial, *packet, class);
        }
        found = classes.iter().map(|(_, class)| class.id()).collect();
        found.sort();
        found.dedup();
    }
    let id = id.to_owned();
    Err(NoSnapshot::Gone { id, found })
}

/// Whether a class that was seen once has this id, perhaps as one that is not seen every time.
fn is_called(class: &Class, id: &str) -> bool {
    let rates = [AGAIN, 1, 0];
    let rates = rates.map(|seen| Rate { fired: AGAIN, seen });
    let mut classes = rates.map(|rate| class.clone().seen_again(rate)).into_iter();
    classes.any(|class| class.id() == id)
}

fn write_out(
    panel: &mut Panel,
    plan: &mut Plan,
    scenario: &Scenario,
    trial: &Trial,
    packet: usize,
    class: &Class,
) -> Result<Snapshot, NoSnapshot> {
    let Some(one) = scenario.batch.packets.get(packet) else {
        return Err(NoSnapshot::Gone {
            id: class.id(),
            found: Vec::new(),
        });
    };
    let connections = trial.expected.connections(&scenario.batch, packet);
    let known = Connections::new(&connections);
    let readings = Backend::BOTH.map(|backend| plan.machine(backend).trace(&known, one));
    let mut kernels = Vec::new();
    for backend in Backend::BOTH {
        let traced = panel.trace(backend, one, &connections)?;
        kernels.extend(traced.map(|(answer, steps)| Kernel {
            backend,
            answer,
            steps,
        }));
    }
    let backend = match trial.outcome(&plan.node, packet) {
        crate::diff::judgement::Outcome::Differ(division) => division.backend(),
        _ => Backend::Legacy,
    };
    let opinion = trial.expected.opinions.get(packet);
    let page = Page {
        class,
        scenario,
        packet: one,
        connections: &connections,
        intent: opinion.map(|opinion| words(plan, opinion)),
        firewall: &plan.firewall,
        backend,
        readings: &readings,
        kernels: &kernels,
    };
    let script = page.script();
    Ok(Snapshot {
        class: class.clone(),
        text: page.text(&script),
        script: script.ok(),
    })
}

/// What the intent says, in the policies' own names: each decision on a line.
pub(super) fn words(plan: &Plan, opinion: &Opinion) -> Vec<String> {
    let mut lines = vec![opinion.verdict.to_string()];
    lines.extend(opinion.exit.as_ref().map(coming_out));
    if opinion.paced && opinion.exit.is_some() {
        lines.push("an endpoint limits how many come a second: others are lost".to_owned());
    }
    let calico = plan.calico.as_ref();
    if let Some(Ok(judge)) = calico.map(|calico| calico.judge(&plan.node)) {
        let decisions = opinion.decisions();
        lines.extend(decisions.map(|decision| judge.words(decision).to_string()));
    }
    lines
}

fn coming_out(exit: &Exit) -> String {
    let way = match exit.way {
        Way::Local => "to the node".to_owned(),
        Way::Out(interface) => format!("out of {interface}"),
        Way::Nowhere(why) => format!("nowhere: {why}"),
    };
    let source = match exit.source {
        Source::Exactly(address) => address.to_string(),
        Source::OfNode => "an address of the node".to_owned(),
    };
    format!(
        "if it comes through: {way} as {source} > {}",
        exit.destination
    )
}

/// What a kernel did.
struct Kernel {
    backend: Backend,
    answer: Answer,
    steps: Vec<Step>,
}

struct Page<'a> {
    class: &'a Class,
    scenario: &'a Scenario,
    packet: &'a Packet,
    connections: &'a [Connection],
    intent: Option<Vec<String>>,
    firewall: &'a Firewall,
    /// As which backend the rules are read where the two readings need not be told apart.
    backend: Backend,
    readings: &'a [(Answer, Vec<Step>); 2],
    kernels: &'a [Kernel],
}

type Scripted = Result<Script, NoScript>;

impl Page<'_> {
    fn script(&self) -> Scripted {
        let title = format!("{}\n{}", self.class.id(), self.class);
        script(&Scene {
            title: &title,
            node: &self.scenario.node,
            firewall: self.firewall,
            packet: self.packet,
            connections: self.connections,
            backend: self.backend,
            steps: &self.readings[self.backend.place()].1,
        })
    }

    fn text(&self, script: &Scripted) -> String {
        let mut text = String::new();
        self.head(&mut text);
        self.policy(&mut text);
        self.judges(&mut text);
        self.way(&mut text);
        self.marks(&mut text);
        title(&mut text, "Without calidiff");
        match script {
            Ok(script) => indented(&mut text, &script.text),
            Err(why) => indented(&mut text, format_args!("no script: {why}")),
        }
        self.kernels(&mut text);
        text
    }

    fn head(&self, text: &mut String) {
        let Class {
            cause,
            clause,
            shape,
            division,
            differs,
        } = self.class;
        let said = [
            ("apart", division.as_str()),
            ("cause", cause.unwrap_or_default()),
            ("what", differs),
            ("clause", clause),
            ("rule", shape),
        ];
        for (name, value) in said.into_iter().filter(|(_, value)| !value.is_empty()) {
            let _ = writeln!(text, "{name:<7} {value}");
        }
        title(text, "Who is right");
        let why = self.scenario.why.as_deref();
        indented(text, why.unwrap_or("not explained yet").trim());
    }

    fn policy(&self, text: &mut String) {
        let resources = self.scenario.resources.as_ref();
        if let Some(Ok(yaml)) = resources.map(calico::write::write) {
            title(text, "Calico's resources");
            indented(text, yaml);
        }
        let foreign = &self.scenario.firewall;
        let rulesets = [&foreign.v4, &foreign.v6];
        for ruleset in rulesets.into_iter().filter(|one| !one.tables.is_empty()) {
            title(text, format_args!("Others' rules, {}", family(ruleset)));
            indented(text, save::print(ruleset, save::Style::default()));
        }
        title(text, "The packet");
        indented(text, self.packet);
        for connection in self.connections {
            indented(text, format_args!("with the connection {connection}"));
        }
    }

    fn judges(&self, text: &mut String) {
        title(text, "What each says");
        if let Some(words) = &self.intent {
            said(text, "intent", words);
        }
        let [legacy, nft] = self.readings;
        let same = legacy.0 == nft.0;
        if same {
            said(text, "model", &endings(&legacy.0));
        } else {
            said(text, "model, legacy", &endings(&legacy.0));
            said(text, "model, nft", &endings(&nft.0));
        }
    }

    /// The rules that matched in the model.
    fn way(&self, text: &mut String) {
        title(text, "The rules that match");
        let (_, steps) = &self.readings[self.backend.place()];
        for step in steps.iter().filter(|step| step.matched.is_ok()) {
            let rule = step.rule_id().and_then(|id| {
                let rule = self.firewall.rule(&id)?;
                Some(save::print_rule(&step.chain, rule, step.family))
            });
            let Some(rule) = rule else {
                continue;
            };
            let hook = step.hook;
            indented(text, format_args!("{hook:<11} {:<6} {rule}", step.table));
        }
    }

    /// The marks of the packet where it is looked at.
    fn marks(&self, text: &mut String) {
        let (Answer::Judged(possible), _) = &self.readings[self.backend.place()] else {
            return;
        };
        for one in possible {
            title(text, "Its marks");
            for sight in &one.journey.sights {
                let point = sight.point.to_string();
                indented(text, format_args!("{point:<26} {}", sight.mark));
            }
        }
    }

    /// What the kernels do, beside what the model says.
    fn kernels(&self, text: &mut String) {
        for kernel in self.kernels {
            title(text, format_args!("The kernel behind {}", kernel.backend));
            let (model, steps) = &self.readings[kernel.backend.place()];
            match compare(model, &kernel.answer) {
                Comparison::Agree => indented(text, "as the model says"),
                Comparison::Differ(difference) => {
                    indented(text, &difference);
                    for line in endings(&kernel.answer) {
                        indented(text, line);
                    }
                }
                Comparison::Unjudged(why) => indented(text, format_args!("not judged: {why}")),
            }
            side_by_side(text, steps, &kernel.steps);
        }
    }
}

fn family(ruleset: &Ruleset) -> &'static str {
    match ruleset.family {
        crate::packet::Family::V4 => "IPv4",
        crate::packet::Family::V6 => "IPv6",
    }
}

fn title(text: &mut String, title: impl Display) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "\n{title}");
}

fn indented(text: &mut String, lines: impl Display) {
    for line in lines.to_string().lines() {
        let _ = match line {
            "" => writeln!(text),
            line => writeln!(text, "  {line}"),
        };
    }
}

/// What somebody says, his name before the first line.
pub(super) fn said(text: &mut String, who: &str, lines: &[String]) {
    let mut who = who;
    for line in lines {
        indented(text, format_args!("{who:<14} {line}"));
        who = "";
    }
}

/// How a packet may end, and what the node answers.
pub(super) fn endings(answer: &Answer) -> Vec<String> {
    let possible = match answer {
        Answer::Judged(possible) => possible,
        Answer::Unjudged(why) => return vec![format!("not judged: {why}")],
    };
    let mut lines = Vec::new();
    for one in possible {
        lines.push(ending(&one.journey));
        let answers = one.journey.answers.iter();
        lines.extend(answers.map(|answer| format!("the node answers: {}", ending(answer))));
    }
    lines
}

fn ending(journey: &Journey) -> String {
    match journey.sights.last() {
        Some(last) => format!("{}, as {}", journey.fate, last.headers),
        None => journey.fate.to_string(),
    }
}

/// One rule that matched, and the mark behind it.
struct Matched<'a>(&'a Step);

impl fmt::Display for Matched<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(step) = self;
        let number = step.rule.map_or(0, |rule| rule + 1);
        let text = format!(
            "{} {} {number}, mark {}",
            step.table, step.chain, step.after
        );
        f.pad(&text)
    }
}

/// The rules that matched in the model and in a kernel, in two columns.
fn side_by_side(text: &mut String, model: &[Step], kernel: &[Step]) {
    let matched = |steps: &'_ [Step]| -> Vec<String> {
        let steps = steps.iter();
        let matched = steps.filter(|step| step.rule.is_some() && step.matched.is_ok());
        matched.map(|step| Matched(step).to_string()).collect()
    };
    let (model, kernel) = (matched(model), matched(kernel));
    let width = model.iter().map(String::len).max().unwrap_or(0).max(20);
    indented(
        text,
        format_args!("{:<width$} | its rules", "the model's rules"),
    );
    for place in 0..model.len().max(kernel.len()) {
        let cell = |column: &[String]| column.get(place).cloned().unwrap_or_default();
        let line = format!("{:<width$} | {}", cell(&model), cell(&kernel));
        indented(text, line.trim_end());
    }
}
