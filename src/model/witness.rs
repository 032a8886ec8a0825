//! Who watches the rules being asked: nobody, the packet generator, or a reader who wants every step.

use super::conntrack::Tracking;
use super::program::{Action, ChainIndex, Program};
use crate::journey::{Asked, Step};
use crate::mark::Mark;
use crate::packet::Family;
use crate::xtables::{Hook, Policy};

/// A watcher. The machine is compiled once for each, so that watching costs only who watches.
pub(super) trait Witness {
    /// A rule was asked: by its index; the index of the question that failed, if one did; the marks
    /// before and after.
    fn rule(&mut self, place: Place<'_>, rule: u32, failed: Option<u32>, marks: [Mark; 2]);

    /// A chain came to its end.
    fn end(&mut self, place: Place<'_>, policy: Option<Policy>, mark: Mark);

    /// The packet came to the end of its way, tied to this.
    fn tied(&mut self, _: &Tracking) {}
}

/// Where a rule is asked.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    /// The program.
    pub(super) program: &'p Program,
    /// Whose tables.
    pub(super) family: Family,
    /// At which hook.
    pub(super) hook: Hook,
    /// In which chain.
    pub(super) chain: ChainIndex,
}

/// Nobody watches.
pub(super) struct Nobody;

impl Witness for Nobody {
    #[inline(always)]
    fn rule(&mut self, _: Place<'_>, _: u32, _: Option<u32>, _: [Mark; 2]) {}

    #[inline(always)]
    fn end(&mut self, _: Place<'_>, _: Option<Policy>, _: Mark) {}
}

/// One who looks at what a packet leaves in the table of connections.
pub(super) struct Tie {
    /// What it was tied to in the end.
    pub(super) tracking: Tracking,
}

impl Witness for Tie {
    fn rule(&mut self, _: Place<'_>, _: u32, _: Option<u32>, _: [Mark; 2]) {}

    fn end(&mut self, _: Place<'_>, _: Option<Policy>, _: Mark) {}

    fn tied(&mut self, tracking: &Tracking) {
        self.tracking = *tracking;
    }
}

/// One rule that a packet reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The rule's index, for [`super::Machine::rule_id`].
    pub rule: u32,
    /// The question that the packet failed; `None` where it matched.
    pub failed: Option<Asked>,
}

/// The rules that one packet reached (its answers' included), in order. Made to be used again and again.
#[derive(Clone, Debug, Default)]
pub struct Visited {
    /// Each visit.
    pub visits: Vec<Visit>,
}

impl Witness for Visited {
    #[inline]
    fn rule(&mut self, place: Place<'_>, rule: u32, failed: Option<u32>, _: [Mark; 2]) {
        let failed = failed.map(|question| place.program.asked[question as usize]);
        self.visits.push(Visit { rule, failed });
    }

    #[inline(always)]
    fn end(&mut self, _: Place<'_>, _: Option<Policy>, _: Mark) {}
}

/// Every step, in words.
#[derive(Default)]
pub(super) struct Steps {
    /// The steps so far.
    pub(super) steps: Vec<Step>,
}

impl Witness for Steps {
    fn rule(&mut self, place: Place<'_>, rule: u32, failed: Option<u32>, marks: [Mark; 2]) {
        let program = place.program;
        let chain = program.chain(place.chain);
        let matched = match failed {
            None => Ok(()),
            Some(question) => Err(program.asked[question as usize]),
        };
        let did = if matched.is_ok() {
            did(program, &program.rules[rule as usize].action)
        } else {
            String::new()
        };
        self.steps.push(Step {
            family: place.family,
            hook: place.hook,
            table: chain.table,
            chain: chain.name.clone(),
            rule: Some((rule - chain.first) as usize),
            matched,
            did,
            before: marks[0],
            after: marks[1],
        });
    }

    fn end(&mut self, place: Place<'_>, policy: Option<Policy>, mark: Mark) {
        let chain = place.program.chain(place.chain);
        let did = match policy {
            Some(Policy::Accept) => "policy ACCEPT",
            Some(Policy::Drop) => "policy DROP",
            None => "return",
        };
        self.steps.push(Step {
            family: place.family,
            hook: place.hook,
            table: chain.table,
            chain: chain.name.clone(),
            rule: None,
            matched: Ok(()),
            did: did.to_owned(),
            before: mark,
            after: mark,
        });
    }
}

fn did(program: &Program, action: &Action) -> String {
    match action {
        Action::Continue => "goes on".to_owned(),
        Action::Accept => "ACCEPT".to_owned(),
        Action::Drop => "DROP".to_owned(),
        Action::Return => "RETURN".to_owned(),
        Action::Jump(chain) => format!("jump {}", program.chain(*chain).name),
        Action::Goto(chain) => format!("goto {}", program.chain(*chain).name),
        Action::Mark { .. } => "MARK".to_owned(),
        Action::Connmark(_) => "CONNMARK".to_owned(),
        Action::Reject(_) => "REJECT".to_owned(),
        Action::Translate(translation) => translation.name().to_owned(),
        Action::Notrack => "NOTRACK".to_owned(),
        Action::Zone => "CT".to_owned(),
        Action::TrafficClass(_) => "DSCP/TOS".to_owned(),
        Action::Hops(_) => "TTL/HL".to_owned(),
        Action::Unknown(name) => program.unknown[usize::from(*name)].clone(),
    }
}
