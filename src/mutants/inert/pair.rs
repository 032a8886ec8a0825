//! Two firewalls side by side: what one packet does in both, for all packets at once.
//!
//! Both are followed from the same place with the same packet. Where they are about to do the same in the
//! same state, what comes is the same and needs no look: a chain that differs itself is followed by
//! itself, from every place that leads to it, and since chains don't call themselves, that is enough.

use std::collections::BTreeSet;

use super::code::{Action, Code, Field, Step, UNTRACKED};
use super::context::{Frame, State, Way};
use super::facts::{BITS, Bit, Facts, Marks, Reply, write};
use super::live::Live;
use super::ranges::Ranges;
use crate::xtables::target::TrafficClass;
use crate::xtables::{Backend, Hook, Policy, TableName};

/// How many steps are followed from one place.
const STEPS: usize = 20_000;

/// Two firewalls of one family.
pub(super) struct Pair<'a> {
    pub(super) codes: [&'a Code; 2],
    pub(super) live: [Live<'a>; 2],
    /// Every interface, and none.
    pub(super) interfaces: Ranges,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Where they did not do the same and came to the same: by what rule each, the first such.
    pub(super) parted: Option<[String; 2]>,
    /// Whether one asks limits that the other does not ask.
    pub(super) spends: bool,
}

/// One firewall's side.
#[derive(Clone, Debug)]
struct Side {
    frames: Vec<Frame>,
    marks: Marks,
    untracked: bool,
    end: Option<End>,
    /// The last rule that it matched.
    last: String,
    /// The limits that it has asked.
    limits: BTreeSet<String>,
    /// What has written its traffic class, in order.
    classes: Vec<Classed>,
}

/// What has written a traffic class.
#[derive(Clone, Debug, PartialEq)]
enum Classed {
    /// A rule.
    By(TrafficClass),
    /// Perhaps a rule of a chain, or of one that it calls.
    Within(String),
}

/// How a table, or the chain that is looked at, is left.
#[derive(Clone, Debug, PartialEq)]
enum End {
    Accept,
    Drop,
    Other(String),
    Returned,
}

#[derive(Clone, Debug)]
struct Both {
    place: Place,
    facts: Facts,
    sides: [Side; 2],
    /// How many variables there are.
    variables: u16,
}

/// Where both are.
#[derive(Clone, Copy, Debug)]
struct Place {
    hook: Hook,
    table: TableName,
    /// The built-in chain's; with none the chain's own return is the end.
    policy: Option<Policy>,
}

impl Place {
    /// What the last return comes to.
    fn returned(self) -> End {
        match self.policy {
            None => End::Returned,
            Some(Policy::Accept) => End::Accept,
            Some(Policy::Drop) => End::Drop,
        }
    }

    /// The table that an accepted packet comes to next with its headers as they are; `None` where that is not
    /// sure, or it has been through all.
    fn next(self) -> Option<(Hook, TableName)> {
        let tables = TableName::at(self.hook, Backend::Legacy);
        let mut behind = tables
            .iter()
            .skip_while(|table| **table != self.table)
            .skip(1);
        match (behind.next(), self.hook) {
            (Some(TableName::Nat), _) => None,
            (Some(table), _) if self.table != TableName::Nat => Some((self.hook, *table)),
            (None, Hook::Forward | Hook::Output) if self.table != TableName::Nat => {
                Some((Hook::Postrouting, TableName::Mangle))
            }
            _ => None,
        }
    }
}

impl Pair<'_> {
    /// Compares what a chain does with the packets of a way there; `None` where they are not shown to fare
    /// alike.
    pub(super) fn compare(&self, chain: &str, way: &Way) -> Option<Found> {
        let name = (way.table, chain.to_owned());
        let [one, other] = self.codes.map(|code| code.chains.get(&name));
        if one?.policy != other?.policy {
            return None;
        }
        let mut found = Found::default();
        for state in &way.states {
            let one = self.follow(chain, way, state, false);
            let one = one.or_else(|| self.follow(chain, way, state, true))?;
            found.parted = found.parted.or(one.parted);
            found.spends |= one.spends;
        }
        Some(found)
    }

    /// Whether what waits for a return is the same in both.
    fn is_same(&self, table: TableName, waiting: &[Frame]) -> bool {
        let [one, other] = self.codes;
        waiting.iter().all(|Frame { chain, next }| {
            one.steps(table, chain, *next) == other.steps(table, chain, *next)
        })
    }

    /// By itself, or to the end of the table, and from there on.
    fn follow(&self, chain: &str, way: &Way, state: &State, to_end: bool) -> Option<Found> {
        let own = Frame {
            chain: chain.to_owned(),
            next: 0,
        };
        let mut frames = Vec::new();
        let mut policy = None;
        if to_end {
            if !self.is_same(way.table, &way.callers) {
                return None;
            }
            frames.clone_from(&way.callers);
            let built_in = (way.table, way.hook.chain().to_owned());
            let built_in = self.codes[0].chains.get(&built_in)?;
            policy = Some(built_in.policy.unwrap_or(Policy::Accept));
        }
        frames.push(own);
        let place = Place {
            hook: way.hook,
            table: way.table,
            policy,
        };
        let side = Side {
            frames,
            marks: state.marks,
            untracked: false,
            end: None,
            last: "nothing".to_owned(),
            limits: BTreeSet::new(),
            classes: Vec::new(),
        };
        let both = Both {
            place,
            facts: state.facts.clone(),
            sides: [side.clone(), side],
            variables: BITS as u16,
        };
        // By itself, what the callers read is still read.
        let waiting = match to_end {
            true => &[][..],
            false => &way.callers[..],
        };
        let mut walk = Walk {
            pair: self,
            waiting,
            open: vec![both],
            found: Found::default(),
        };
        walk.run()?;
        Some(walk.found)
    }
}

struct Walk<'p, 'a> {
    pair: &'p Pair<'a>,
    waiting: &'p [Frame],
    open: Vec<Both>,
    found: Found,
}

impl Walk<'_, '_> {
    fn run(&mut self) -> Option<()> {
        let mut patience = STEPS;
        while let Some(mut both) = self.open.pop() {
            patience = patience.checked_sub(1)?;
            for which in 0..2 {
                self.settle(&mut both, which);
            }
            if self.is_alike(&both) {
                self.note(&both);
                continue;
            }
            match (both.sides[0].end.is_some(), both.sides[1].end.is_some()) {
                (true, true) => self.go_on(both)?,
                (false, false) if self.steps_together(&both) => self.step_together(both)?,
                (ended, _) if ended || self.is_behind(&both) => self.step(both, 1)?,
                _ => self.step(both, 0)?,
            }
        }
        Some(())
    }

    /// Both have left a table alike, but with other marks: what reads those may still do the same.
    fn go_on(&mut self, mut both: Both) -> Option<()> {
        let [one, other] = &both.sides;
        let accepted = one.end == Some(End::Accept) && other.end == Some(End::Accept);
        if !accepted || one.untracked != other.untracked || both.place.policy.is_none() {
            return None;
        }
        let came_by = both.place.hook;
        let (hook, table) = both.place.next()?;
        let built_in = hook.chain().to_owned();
        let chains = self
            .pair
            .codes
            .map(|code| code.chains.get(&(table, built_in.clone())));
        let [usual, faulty] = chains.map(|chain| chain.map(|chain| chain.policy));
        if usual != faulty {
            return None;
        }
        let policy = usual.flatten().unwrap_or(Policy::Accept);
        both.place = Place {
            hook,
            table,
            policy: Some(policy),
        };
        if hook == Hook::Postrouting {
            // Which interface of arrival is shown there is left open.
            both.facts = both.facts.with(Field::In, self.pair.interfaces.clone())?;
        }
        if came_by == Hook::Output && hook == Hook::Postrouting {
            // OUTPUT still shows by which the packet would have left before its translation.
            let leaves = self.pair.interfaces.without(&Ranges::one(0));
            both.facts = both.facts.with(Field::Out, leaves)?;
        }
        for side in &mut both.sides {
            side.end = None;
            side.frames = vec![Frame {
                chain: built_in.clone(),
                next: 0,
            }];
        }
        self.open.push(both);
        Some(())
    }

    /// Returns from chains that are at their end.
    fn settle(&self, both: &mut Both, which: usize) {
        let table = both.place.table;
        let code = self.pair.codes[which];
        let returned = both.place.returned();
        let side = &mut both.sides[which];
        side.frames
            .retain(|frame| !code.steps(table, &frame.chain, frame.next).is_empty());
        if side.frames.is_empty() && side.end.is_none() {
            side.end = Some(returned);
        }
    }

    /// Whether both will do the same from here on.
    fn is_alike(&self, both: &Both) -> bool {
        let [one, other] = &both.sides;
        let live = match (&one.end, &other.end) {
            (Some(one), Some(other)) if one != other => return false,
            (Some(End::Drop), Some(_)) => return true,
            (Some(End::Returned), Some(_)) => self.live(both.place, &[], &[]),
            (Some(_), Some(_)) => {
                let [a, b] = &self.pair.live;
                let (hook, table) = (both.place.hook, both.place.table);
                a.behind(hook, table) | b.behind(hook, table)
            }
            // What asks a limit again is not told the same.
            (None, None) if one.limits != other.limits => return false,
            (None, None) if self.same_rest(both) => {
                self.live(both.place, &one.frames, &other.frames)
            }
            _ => return false,
        };
        one.untracked == other.untracked
            && self.same_marks(both, live)
            && self.same_class(one, other)
    }

    fn same_class(&self, one: &Side, other: &Side) -> bool {
        let asked = self.pair.codes.iter().any(|code| code.asks_class);
        !asked || one.classes == other.classes
    }

    fn same_rest(&self, both: &Both) -> bool {
        let [one, other] = &both.sides;
        let table = both.place.table;
        let rest = |which: usize, frame: &Frame| {
            let code = self.pair.codes[which];
            code.steps(table, &frame.chain, frame.next)
        };
        let both = one.frames.iter().zip(&other.frames);
        one.frames.len() == other.frames.len()
            && both
                .into_iter()
                .all(|(one, other)| rest(0, one) == rest(1, other))
    }

    fn live(&self, place: Place, one: &[Frame], other: &[Frame]) -> u32 {
        let (hook, table) = (place.hook, place.table);
        let [a, b] = &self.pair.live;
        let from = |live: &Live<'_>, frames: &[Frame]| {
            let all: Vec<Frame> = self.waiting.iter().chain(frames).cloned().collect();
            live.from(hook, table, &all)
        };
        match self.pair.is_same(table, self.waiting) {
            true => from(a, one) | from(b, other),
            false => u32::MAX,
        }
    }

    fn same_marks(&self, both: &Both, live: u32) -> bool {
        let [one, other] = [0, 1].map(|which: usize| both.facts.marks(&both.sides[which].marks));
        (0..BITS)
            .filter(|place| live >> place & 1 == 1)
            .all(|place| one[place] == other[place])
    }

    fn note(&mut self, both: &Both) {
        let [one, other] = &both.sides;
        self.found.spends |= one.limits != other.limits;
        if one.last != other.last {
            let names = [one.last.clone(), other.last.clone()];
            self.found.parted.get_or_insert(names);
        }
    }

    fn next(&self, both: &Both, which: usize) -> Option<&Step> {
        let frame = both.sides[which].frames.last()?;
        let code = self.pair.codes[which];
        code.steps(both.place.table, &frame.chain, frame.next)
            .first()
    }

    /// Whether the first side has less to do: the second goes on then.
    fn is_behind(&self, both: &Both) -> bool {
        let rest = |which: usize| {
            let side = &both.sides[which];
            let table = both.place.table;
            let left = side.frames.last().map_or(0, |frame| {
                let code = self.pair.codes[which];
                code.steps(table, &frame.chain, frame.next).len()
            });
            (side.frames.len(), left)
        };
        both.sides[0].end.is_some() || (both.sides[1].end.is_none() && rest(0) < rest(1))
    }

    /// Whether both call the same chain in the same state.
    fn steps_together(&self, both: &Both) -> bool {
        let [Some(one), Some(other)] = [0, 1].map(|which| self.next(both, which)) else {
            return false;
        };
        let calls = matches!(one.action, Action::Jump(_) | Action::Goto(_));
        let [a, b] = &both.sides;
        calls
            && one == other
            && one.limits().next().is_none()
            && a.untracked == b.untracked
            && self.same_marks(both, self.live(both.place, &a.frames, &b.frames))
            && self.same_class(a, b)
    }

    /// What both call does the same in both.
    fn step_together(&mut self, both: Both) -> Option<()> {
        let step = self.next(&both, 0)?.clone();
        let state = untracked(&both.sides[0]);
        let outcomes = both
            .facts
            .ask(&step, &both.sides[0].marks, state.as_ref())?;
        for (facts, reply) in outcomes {
            let mut both = Both {
                facts,
                ..both.clone()
            };
            match (reply, &step.action) {
                (Reply::Drop, _) => continue,
                (Reply::No, _) => both.advance(),
                (Reply::Yes, Action::Jump(called)) => {
                    both.advance();
                    let effects = self.effects(both.place.table, called);
                    self.take_effects(both, &effects);
                    continue;
                }
                (Reply::Yes, Action::Goto(called)) => {
                    for side in &mut both.sides {
                        side.frames.pop();
                    }
                    let effects = self.effects(both.place.table, called);
                    self.take_effects(both, &effects);
                    continue;
                }
                (Reply::Yes, _) => return None,
            }
            self.open.push(both);
        }
        Some(())
    }

    /// Both after a call that may have written marks, and kept connection tracking away.
    fn take_effects(&mut self, mut both: Both, effects: &Effects) {
        for place in (0..BITS).filter(|place| effects.bits >> place & 1 == 1) {
            let fresh = Bit::Like(both.variables, false);
            both.variables = both.variables.saturating_add(1);
            for side in &mut both.sides {
                side.marks[place] = fresh;
            }
        }
        for side in &mut both.sides {
            side.classes.extend(effects.classes.clone());
        }
        if effects.untracks {
            let mut other = both.clone();
            for side in &mut other.sides {
                side.untracked = true;
            }
            self.open.push(other);
        }
        self.open.push(both);
    }

    /// What a chain and all that it calls may write, in either firewall.
    fn effects(&self, table: TableName, called: &str) -> Effects {
        let mut effects = Effects::default();
        let mut seen = BTreeSet::new();
        let mut open = vec![called.to_owned()];
        while let Some(chain) = open.pop() {
            if !seen.insert(chain.clone()) {
                continue;
            }
            for code in self.pair.codes {
                for step in code.steps(table, &chain, 0) {
                    match &step.action {
                        Action::Mark(mark) => effects.bits |= mark.mask | mark.value,
                        Action::Notrack => effects.untracks = true,
                        Action::Jump(called) | Action::Goto(called) => open.push(called.clone()),
                        Action::Class(_) => {
                            effects.classes = Some(Classed::Within(called.to_owned()));
                        }
                        Action::Opaque(_) => effects.bits = u32::MAX,
                        _ => {}
                    }
                }
            }
        }
        effects
    }

    /// One side goes on by a step.
    fn step(&mut self, both: Both, which: usize) -> Option<()> {
        let step = self.next(&both, which)?.clone();
        let mut limits = both.sides[which].limits.clone();
        // Asked again, a limit need not answer the same.
        if !step.limits().all(|limit| limits.insert(limit.to_owned())) {
            return None;
        }
        let state = untracked(&both.sides[which]);
        let outcomes = both
            .facts
            .ask(&step, &both.sides[which].marks, state.as_ref())?;
        for (facts, reply) in outcomes {
            let mut both = Both {
                facts,
                ..both.clone()
            };
            let side = &mut both.sides[which];
            side.limits.clone_from(&limits);
            if let Some(frame) = side.frames.last_mut() {
                if reply == Reply::Yes {
                    side.last = format!("{} ({})", frame.chain, step.action.name());
                }
                frame.next += 1;
            }
            match (reply, &step.action) {
                (Reply::Drop, _) => side.end = Some(End::Drop),
                (Reply::No, _) | (Reply::Yes, Action::Pass) => {}
                (Reply::Yes, Action::Class(class)) => side.classes.push(Classed::By(*class)),
                (Reply::Yes, Action::Accept) => side.end = Some(End::Accept),
                (Reply::Yes, Action::Drop) => side.end = Some(End::Drop),
                (Reply::Yes, Action::Ends(how)) => side.end = Some(End::Other(how.clone())),
                (Reply::Yes, Action::Return) => drop(side.frames.pop()),
                (Reply::Yes, Action::Jump(called)) => side.call(called),
                (Reply::Yes, Action::Goto(called)) => {
                    side.frames.pop();
                    side.call(called);
                }
                (Reply::Yes, Action::Mark(mark)) => side.marks = write(&side.marks, *mark),
                (Reply::Yes, Action::Notrack) => side.untracked = true,
                (Reply::Yes, Action::Opaque(_)) => return None,
            }
            self.open.push(both);
        }
        Some(())
    }
}

/// What a call may do to a packet that comes back.
#[derive(Default)]
struct Effects {
    bits: u32,
    untracks: bool,
    classes: Option<Classed>,
}

impl Both {
    fn advance(&mut self) {
        for side in &mut self.sides {
            if let Some(frame) = side.frames.last_mut() {
                frame.next += 1;
            }
        }
    }
}

impl Side {
    fn call(&mut self, chain: &str) {
        self.frames.push(Frame {
            chain: chain.to_owned(),
            next: 0,
        });
    }
}

/// What connection tracking says, if it was told to keep away.
fn untracked(side: &Side) -> Option<Ranges> {
    side.untracked.then(|| Ranges::one(UNTRACKED))
}
