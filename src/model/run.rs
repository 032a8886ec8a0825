//! One packet's way through the node under one script of choices: hooks, and the tables at each.

use smallvec::SmallVec;

use super::answer;
use super::choice::{Cause, Script};
use super::conntrack::{self, Connections, Tracking};
use super::matches::{Reply, Surroundings, ask};
use super::nat;
use super::program::{Action, ChainIndex, Program, Stage};
use super::routing::Ground;
use super::sets::Sets;
use super::targets;
use super::traveller::Traveller;
use super::witness::{Place, Witness};
use crate::journey::{Fate, Journey, Open, Point, Sight, Unjudged};
use crate::packet::Family;
use crate::xtables::{Hook, Policy, TableName};

/// How many rules one packet may be asked about. Chains without loops can still call each other so
/// often that no run would end.
const RULES_ASKED: u32 = 1_000_000;

/// What of a machine a run only reads.
#[derive(Clone, Copy)]
pub(super) struct Parts<'m> {
    /// The tables.
    pub(super) program: &'m Program,
    /// The sets.
    pub(super) sets: &'m Sets,
    /// Interfaces and routes.
    pub(super) ground: &'m Ground,
    /// What connection tracking knows.
    pub(super) connections: &'m Connections,
}

/// One packet's run.
pub(super) struct Run<'m, W> {
    /// What it reads.
    pub(super) parts: Parts<'m>,
    /// The choices.
    pub(super) script: &'m mut Script,
    /// A count a rule.
    pub(super) hits: &'m mut [u64],
    /// Who watches.
    pub(super) witness: &'m mut W,
    /// How many rules may still be asked.
    pub(super) patience: u32,
}

/// What has been seen of one packet so far.
#[derive(Default)]
pub(super) struct Log {
    /// Every look at it.
    pub(super) sights: SmallVec<[Sight; 8]>,
    /// What the node answered.
    pub(super) answers: Vec<Journey>,
    /// The ports that chance chose.
    pub(super) open: SmallVec<[Open; 1]>,
}

impl Log {
    /// The journey that ends so.
    pub(super) fn end(self, fate: Fate) -> Journey {
        Journey {
            sights: self.sights,
            fate,
            answers: self.answers,
        }
    }
}

/// Whether a packet has passed a hook or a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// It goes on.
    On,
    /// It ended there.
    Lost,
}

/// What a table says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on.
    Accept,
    /// It ends.
    Drop,
}

impl<'m, W: Witness> Run<'m, W> {
    /// Starts a run.
    pub(super) fn new(
        parts: Parts<'m>,
        script: &'m mut Script,
        hits: &'m mut [u64],
        witness: &'m mut W,
    ) -> Self {
        Self {
            parts,
            script,
            hits,
            witness,
            patience: RULES_ASKED,
        }
    }

    /// How a packet ended that did not come through: its last sight is followed by a table, or by
    /// routing.
    pub(super) fn lost(&self, family: Family, log: &Log) -> Fate {
        match log.sights.last() {
            None => Fate::Unrouted(None),
            Some(sight) if self.parts.program.is_last(family, sight.point) => {
                Fate::Unrouted(Some(sight.point))
            }
            Some(sight) => Fate::Dropped(sight.point),
        }
    }

    /// Takes a packet through everything at one hook.
    pub(super) fn pass(
        &mut self,
        hook: Hook,
        packet: &mut Traveller<'_>,
        log: &mut Log,
    ) -> Result<Passage, Unjudged> {
        let plan = self.parts.program.plan(packet.family, hook);
        if plan.looks_on_entry {
            log.sights.push(packet.sight(Point { hook, after: None }));
        }
        for stage in &plan.stages {
            let seen_after = match *stage {
                Stage::Defragment => {
                    if packet.is_fragment() && packet.tracking != Tracking::Untracked {
                        return Ok(Passage::Lost);
                    }
                    None
                }
                Stage::Track => {
                    conntrack::track(self.parts.connections, hook, packet);
                    None
                }
                Stage::Table(table, chain) => {
                    let before = packet.routed_by();
                    if self.walk(hook, chain, packet, log)? == Verdict::Drop {
                        return Ok(Passage::Lost);
                    }
                    let reroutes = table == TableName::Mangle && hook == Hook::Output;
                    if reroutes && packet.routed_by() != before && !self.reroute(packet) {
                        return Ok(Passage::Lost);
                    }
                    Some(table)
                }
                Stage::Translate(chain) => {
                    if nat::translate(self, hook, chain, packet, log)? == Passage::Lost {
                        return Ok(Passage::Lost);
                    }
                    chain.map(|_| TableName::Nat)
                }
            };
            if let Some(table) = seen_after {
                log.sights.push(packet.sight(Point {
                    hook,
                    after: Some(table),
                }));
            }
        }
        Ok(Passage::On)
    }

    /// Walks a table from a built-in chain (`ipt_do_table` in net/ipv4/netfilter/ip_tables.c).
    pub(super) fn walk(
        &mut self,
        hook: Hook,
        built_in: ChainIndex,
        packet: &mut Traveller<'_>,
        log: &mut Log,
    ) -> Result<Verdict, Unjudged> {
        let program = self.parts.program;
        let family = packet.family;
        let place = |chain| Place {
            program,
            family,
            hook,
            chain,
        };
        let mut callers: SmallVec<[(ChainIndex, u32); 16]> = SmallVec::new();
        let mut chain = built_in;
        let mut next = program.chain(built_in).first;
        loop {
            if next >= program.chain(chain).end {
                let Some(caller) = callers.pop() else {
                    return Ok(self.policy(place(built_in), packet));
                };
                self.witness.end(place(chain), None, packet.mark);
                (chain, next) = caller;
                continue;
            }
            let index = next;
            next += 1;
            self.patience = self.patience.saturating_sub(1);
            if self.patience == 0 {
                let message = format!("more than {RULES_ASKED} rules are asked about one packet");
                return Err(Unjudged::Other(message));
            }
            let before = packet.mark;
            let failed = match self.fits(index, packet) {
                Fit::Yes => None,
                Fit::No(question) => Some(question),
                Fit::Drop(question) => {
                    self.witness
                        .rule(place(chain), index, Some(question), [before; 2]);
                    return Ok(Verdict::Drop);
                }
            };
            if let Some(question) = failed {
                self.witness
                    .rule(place(chain), index, Some(question), [before; 2]);
                continue;
            }
            self.hits[index as usize] += 1;
            let action = &program.rules[index as usize].action;
            let outcome = match action {
                Action::Mark { value, mask } => {
                    packet.mark = packet.mark.xmark(*value, *mask);
                    None
                }
                Action::Jump(called) => {
                    self.witness.rule(place(chain), index, None, [before; 2]);
                    callers.push((chain, next));
                    (chain, next) = (*called, program.chain(*called).first);
                    continue;
                }
                Action::Goto(called) => {
                    self.witness.rule(place(chain), index, None, [before; 2]);
                    (chain, next) = (*called, program.chain(*called).first);
                    continue;
                }
                Action::Return => {
                    self.witness.rule(place(chain), index, None, [before; 2]);
                    match callers.pop() {
                        Some(caller) => (chain, next) = caller,
                        None => return Ok(self.policy(place(built_in), packet)),
                    }
                    continue;
                }
                Action::Accept => Some(Verdict::Accept),
                Action::Drop => Some(Verdict::Drop),
                Action::Continue => None,
                other => self.act(other, hook, packet, log)?,
            };
            self.witness
                .rule(place(chain), index, None, [before, packet.mark]);
            if let Some(verdict) = outcome {
                return Ok(verdict);
            }
        }
    }

    fn policy(&mut self, place: Place<'_>, packet: &Traveller<'_>) -> Verdict {
        let policy = place.program.chain(place.chain).policy;
        let policy = policy.unwrap_or(Policy::Accept);
        self.witness.end(place, Some(policy), packet.mark);
        match policy {
            Policy::Accept => Verdict::Accept,
            Policy::Drop => Verdict::Drop,
        }
    }

    /// Asks a rule's questions in order.
    #[inline]
    fn fits(&mut self, rule: u32, packet: &Traveller<'_>) -> Fit {
        let rule = &self.parts.program.rules[rule as usize];
        let around = Surroundings {
            sets: self.parts.sets,
            ground: self.parts.ground,
        };
        let questions = &self.parts.program.questions[rule.first as usize..rule.end as usize];
        for (place, question) in (rule.first..).zip(questions) {
            match ask(question, packet, &around) {
                Reply::Yes => {}
                Reply::No => return Fit::No(place),
                Reply::Drop => return Fit::Drop(place),
                Reply::Choose(cause) => {
                    if self.script.choose(2, cause) == 1 {
                        return Fit::No(place);
                    }
                }
            }
        }
        Fit::Yes
    }

    /// The targets that few rules have. A verdict ends the table.
    #[inline(never)]
    fn act(
        &mut self,
        action: &Action,
        hook: Hook,
        packet: &mut Traveller<'_>,
        log: &mut Log,
    ) -> Result<Option<Verdict>, Unjudged> {
        match action {
            Action::Connmark(change) => targets::connmark(*change, packet),
            Action::Notrack => targets::notrack(packet),
            Action::Zone => targets::zone(packet),
            Action::TrafficClass(change) => targets::traffic_class(*change, packet),
            Action::Hops(change) => targets::hops(*change, packet),
            Action::Reject(reject) => {
                answer::reject(self, *reject, hook, packet, log)?;
                return Ok(Some(Verdict::Drop));
            }
            Action::Translate(translation) => {
                return nat::target(self, translation, hook, packet, log).map(Some);
            }
            Action::Unknown(name) => {
                let names = &self.parts.program.unknown;
                let name = names.get(usize::from(*name)).cloned().unwrap_or_default();
                return Err(Unjudged::Target(name));
            }
            // The rest is done in `walk`.
            _ => {}
        }
        Ok(None)
    }

    /// One of several ways that chance opens.
    pub(super) fn chance(&mut self, branches: u16) -> u16 {
        self.script.choose(branches, Cause::Chance)
    }
}

enum Fit {
    Yes,
    No(u32),
    Drop(u32),
}
