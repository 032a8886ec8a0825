//! Classes of divergences: those of one cause are of one class.
//!
//! A class is what the intent decided by, the kind of rule that decided in the model, between whom the
//! lines run, and the first thing that differs: never a value, so that thousands of packets come down to
//! dozens of classes (Ferret, Kakarla et al., NSDI 2022, classes test failures so).

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::cause::{Cause, Unmeant};
use super::judgement::{Division, Said};
use super::meaning::{End, sure};
use super::shape::Shape;
use crate::arm::plan::Calico;
use crate::intent::{Clause, Opinion, Verdict};
use crate::journey::{Answer, Fate, Journey, Step};
use crate::node::routing::Way;
use crate::packet::{Connection, Packet};
use crate::verdict::NotProgrammed;
use crate::xtables::{Firewall, Hook, TableName};

/// What divergences of one cause have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Class {
    /// The known cause, where one covers it; the clause, the shape and what differs first are empty then,
    /// for one cause shows itself in many ways.
    pub cause: Option<&'static str>,
    /// The clause by which the intent decides, with its branch but for I3; `none` where Calico is not asked.
    pub clause: String,
    /// The shape of the rule that decides in the model.
    pub shape: String,
    /// Between whom the lines run. A kernel stands here only where it parts from the reading of its rules,
    /// so that a class is the same whichever kernels are asked.
    pub division: String,
    /// What differs first, and where.
    pub differs: String,
}

/// How often a divergence was seen again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Rate {
    /// How often its packet was fired again.
    pub fired: usize,
    /// How often it was of the same class.
    pub seen: usize,
}

impl Rate {
    /// Whether it is there every time.
    #[must_use]
    pub fn is_certain(self) -> bool {
        self.seen == self.fired
    }
}

/// What a class is told from.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What everybody said.
    pub said: Said<'a>,
    /// Between whom the lines run.
    pub division: &'a Division,
    /// What is programmed.
    pub firewall: &'a Firewall,
    /// The packet's ways through the model, as the first backend that somebody differs on reads the rules:
    /// more than one where chance decides on the way, but not how it ends.
    pub ways: &'a [Vec<Step>],
    /// What Calico has to do with it, where it runs on the node.
    pub calico: Option<&'a Calico>,
    /// The packet.
    pub packet: &'a Packet,
    /// The connections that touch it.
    pub connections: &'a [Connection],
}

impl Class {
    /// The class of a divergence.
    #[must_use]
    pub fn of(evidence: &Evidence<'_>) -> Self {
        let Evidence { said, division, .. } = evidence;
        if let Some(cause) = evidence.cause() {
            return Self {
                cause: Some(cause.id),
                clause: String::new(),
                shape: String::new(),
                division: division.lines(),
                differs: String::new(),
            };
        }
        let model = said.readings[division.backend().place()].map(|reading| reading.model);
        let (shape, differs) = match (division.parting(), evidence.refused(), said.opinion, model) {
            (Some(difference), ..) => (evidence.shape(Looked::Anywhere), difference.kind()),
            (None, Some(why), ..) => (reason(why), "Felix's rules are not programmed".to_owned()),
            (None, None, Some(opinion), Some(model)) => {
                let (looked, differs) = unmeant(opinion, model);
                (evidence.shape(looked), differs)
            }
            _ => (Shape::none().to_string(), "nothing".to_owned()),
        };
        let not_programmed = division.parting().is_none() && evidence.refused().is_some();
        Self {
            cause: None,
            clause: match said.opinion {
                Some(opinion) if !not_programmed => cause(opinion.decision.clause),
                _ => "none".to_owned(),
            },
            shape,
            division: division.lines(),
            differs,
        }
    }

    /// Whether a kernel parts from the reading of its rules: without asking it, nobody sees the divergence.
    #[must_use]
    pub fn needs_a_kernel(&self) -> bool {
        let mut parties = self.division.split([' ', '|']);
        parties.any(|party| party == "legacy" || party == "nft")
    }

    /// The class of what was seen once so and then so only this often of so many times: a class of its
    /// own, unless it was every time.
    #[must_use]
    pub fn seen_again(self, rate: Rate) -> Self {
        let how_often = match rate.seen {
            seen if seen == rate.fired => return self,
            0 => "once, and never again",
            _ => "sometimes",
        };
        Self {
            differs: format!("{how_often}: {}", self.differs),
            ..self
        }
    }

    /// What its files are called: who decided, and a few letters that tell it from others.
    #[must_use]
    pub fn id(&self) -> String {
        if let (Some(cause), true) = (self.cause, self.differs.is_empty()) {
            return cause.to_owned();
        }
        let mut digest = Sha256::new();
        for part in [&self.clause, &self.shape, &self.division, &self.differs] {
            digest.update(part.as_bytes());
            digest.update(b"\n");
        }
        let digest = digest.finalize();
        format!(
            "{}-{:02x}{:02x}{:02x}{:02x}",
            self.cause.unwrap_or(&self.clause),
            digest[0],
            digest[1],
            digest[2],
            digest[3]
        )
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cause,
            clause,
            shape,
            division,
            differs,
        } = self;
        match cause {
            Some(cause) => write!(f, "{division}: {differs}{cause}"),
            None => write!(f, "{division}: {differs}; by {clause}, at `{shape}`"),
        }
    }
}

/// Where to look for the rule that decides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looked {
    /// In the tables that translate addresses.
    Nat,
    /// In the table that lets packets pass.
    Filter,
    /// In all that may end one.
    NotNat,
    /// In all.
    Anywhere,
}

impl Evidence<'_> {
    /// Why Felix's rules of the packet's family are not programmed.
    fn refused(&self) -> Option<&NotProgrammed> {
        self.calico?.refused(self.packet.family())
    }

    /// The known cause, where no kernel has a part in the divergence.
    fn cause(&self) -> Option<&'static Cause> {
        let division = self.division;
        if division.parting().is_some() {
            return None;
        }
        let calico = self.calico?;
        if let Some(why) = self.refused() {
            return Cause::of_refusal(calico.layout, &reason(why));
        }
        let reading = self.said.readings[division.backend().place()]?;
        let found = Unmeant {
            layout: calico.layout,
            world: &calico.world,
            node: self.said.node,
            firewall: self.firewall,
            packet: self.packet,
            connections: self.connections,
            opinion: self.said.opinion?,
            end: sure(reading.model)?,
            steps: &[],
        };
        // A limit that ends one way leads by chance where another cause leads as well.
        let mut ways = self.ways.iter();
        ways.find_map(|steps| Cause::of(&Unmeant { steps, ..found }))
    }

    /// The first way.
    fn steps(&self) -> &[Step] {
        self.ways.first().map_or(&[], Vec::as_slice)
    }

    /// The shape of the last rule, or end of a built-in chain, that decided something.
    fn shape(&self, looked: Looked) -> String {
        let mut steps = self.steps().iter().rev().filter(|step| match looked {
            Looked::Nat => step.table == TableName::Nat,
            Looked::Filter => step.table == TableName::Filter,
            Looked::NotNat => step.table != TableName::Nat,
            Looked::Anywhere => true,
        });
        let shape = steps.find_map(|step| {
            let Some(id) = step.rule_id() else {
                let built_in = Hook::of_chain(&step.chain).is_some();
                return built_in.then(|| Shape::of_policy(step.table, &step.chain));
            };
            step.matched.ok()?;
            let rule = self.firewall.rule(&id)?;
            Some(Shape::of(step.table, &step.chain, rule))
        });
        shape.unwrap_or_else(Shape::none).to_string()
    }
}

/// A clause as classes name it. Whether a policy, a tier's end or a profile decides is one process, and
/// which of them it is says nothing about what goes wrong behind it.
fn cause(clause: Clause) -> String {
    match clause.number() {
        3 => "I3".to_owned(),
        _ => clause.to_string(),
    }
}

/// A refusal without the place of the rule that is refused, and without what it quotes.
#[must_use]
pub fn reason(why: &NotProgrammed) -> String {
    let message = &why.message;
    let message = message
        .split_once(": ")
        .map_or(message.as_str(), |(_, reason)| reason);
    let mut reason = String::new();
    let mut rest = message;
    while let Some((before, quoted)) = rest.split_once('`') {
        let end = quoted.find(['`', '\'']).unwrap_or(quoted.len());
        reason.push_str(before);
        reason.push_str("`…");
        rest = &quoted[end..];
        let closing = rest.chars().next();
        reason.extend(closing);
        rest = rest
            .get(closing.map_or(0, char::len_utf8)..)
            .unwrap_or_default();
    }
    reason + rest
}

/// What differs between what was meant and what the model did.
fn unmeant(opinion: &Opinion, model: &Answer) -> (Looked, String) {
    let found = sure(model).unwrap_or(End::Lost);
    let meant = match (opinion.verdict, &opinion.exit) {
        (Verdict::Deny, _) | (_, None) => "lost",
        (_, Some(exit)) => match exit.way {
            Way::Local => "delivered",
            Way::Out(_) => "sent",
            Way::Nowhere(_) => "lost",
        },
    };
    let verdict = opinion.verdict;
    let End::Out { way, .. } = found else {
        let fate = match first(model).map(|journey| journey.fate) {
            Some(Fate::Dropped(point)) => format!("dropped at {}", point.hook),
            Some(Fate::Unrouted(_)) => "not routed".to_owned(),
            _ => "refused".to_owned(),
        };
        return (
            Looked::NotNat,
            format!("{verdict}, meant to be {meant}: {fate}"),
        );
    };
    let came = match way {
        Way::Local | Way::Nowhere(_) => "delivered",
        Way::Out(_) => "sent",
    };
    let same_way = opinion.exit.as_ref().is_some_and(|exit| exit.way == way);
    if opinion.paced && same_way {
        return (
            Looked::Filter,
            format!("{verdict}, meant to be {meant} while there is room: {came} at any pace"),
        );
    }
    if verdict != Verdict::Deny && same_way {
        return (
            Looked::Nat,
            format!("{verdict}, {came} with other addresses"),
        );
    }
    (
        Looked::Filter,
        format!("{verdict}, meant to be {meant}: {came}"),
    )
}

fn first(answer: &Answer) -> Option<&Journey> {
    match answer {
        Answer::Judged(possible) => possible.first().map(|one| &one.journey),
        Answer::Unjudged(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusals_reason_has_neither_its_place_nor_what_it_quotes() {
        let reason = |message: &str| {
            let message = message.to_owned();
            let tool = "ip6tables-restore".to_owned();
            super::reason(&NotProgrammed { tool, message })
        };
        let long = "filter/cali-INPUT rule 5: interface name `abcdefghijklmno+' must be shorter";
        assert_eq!(reason(long), "interface name `…' must be shorter");
        assert_eq!(
            reason("raw/cali-pi-x rule 1: a match wants `-p 58`"),
            "a match wants `…`"
        );
        assert_eq!(reason("nothing quoted"), "nothing quoted");
        assert_eq!(reason("x: an open `quote"), "an open `…");
    }

    #[test]
    fn a_class_is_called_by_its_cause_unless_it_is_not_always_seen() {
        let class = Class {
            cause: Some("ip-in-ip-from-a-workload"),
            clause: String::new(),
            shape: String::new(),
            division: "intent | model".to_owned(),
            differs: String::new(),
        };
        assert_eq!(class.id(), "ip-in-ip-from-a-workload");
        let often = Rate { fired: 8, seen: 8 };
        assert_eq!(class.clone().seen_again(often), class);
        let sometimes = class.clone().seen_again(Rate { fired: 8, seen: 3 });
        assert_ne!(sometimes.id(), class.id());
        assert!(sometimes.to_string().contains("sometimes"), "{sometimes}");
    }
}
