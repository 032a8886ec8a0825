//! One packet's way through the node under one script of choices: hooks, and the tables at each.

use smallvec::SmallVec;

use super::answer;
use super::choice::{Cause, Script};
use super::conntrack::{self, Connections, Tracking};
use super::matches::{Reply, Surroundings, ask};
use super::nat;
use super::program::{Action, ChainIndex, Program, Rule, Stage};
use super::routing::Ground;
use super::sets::Sets;
use super::targets;
use super::traveller::Traveller;
use super::witness::{Place, Witness};
use crate::journey::{Fate, Journey, Possible, Sight, Unjudged};
use crate::packet::{Family, InterfaceName};
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

/// What has been seen of one packet so far: a journey whose end is not known yet. It is written where the
/// answer will keep it, because journeys are large.
pub(super) type Log = Possible;

/// A journey of which nothing is known yet.
pub(super) fn blank() -> Possible {
    Possible {
        journey: Journey {
            sights: SmallVec::new(),
            fate: Fate::Unhooked,
            answers: Vec::new(),
        },
        open: SmallVec::new(),
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

    /// How a packet ended that did not come through, as its last sight tells it: behind PREROUTING's
    /// last point stands routing, behind any other a table. One that was seen leaving is taken to have
    /// left.
    pub(super) fn lost(&self, family: Family, log: &Log) -> Fate {
        let Some(Sight {
            point,
            out_interface,
            ..
        }) = log.journey.sights.last()
        else {
            return Fate::Unrouted(None);
        };
        let last = self.parts.program.is_last(family, *point);
        match (point.hook, out_interface) {
            // What `lo` takes out comes back in; what does not was refused there before any hook.
            (Hook::Prerouting, _) | (Hook::Postrouting, Some(InterfaceName::LOOPBACK)) if last => {
                Fate::Unrouted(Some(*point))
            }
            (Hook::Postrouting, Some(interface)) if last => Fate::Sent(*interface),
            _ => Fate::Dropped(*point),
        }
    }

    /// Takes a packet through everything at one hook.
    pub(super) fn pass(
        &mut self,
        hook: Hook,
        packet: &mut Traveller<'_>,
        log: &mut Log,
    ) -> Result<Passage, Unjudged> {
        let program = self.parts.program;
        for stage in program.plan(packet.family, hook) {
            match *stage {
                Stage::Look(point) => log.journey.sights.push(packet.sight(point)),
                Stage::Defragment => {
                    if packet.is_reassembled() && packet.tracking != Tracking::Untracked {
                        return Ok(Passage::Lost);
                    }
                }
                Stage::Track => conntrack::track(self.parts.connections, hook, packet),
                Stage::Table(table, chain) => {
                    let before = packet.routed_by();
                    if self.walk(hook, chain, packet, log)? == Verdict::Drop {
                        return Ok(Passage::Lost);
                    }
                    let reroutes = table == TableName::Mangle && hook == Hook::Output;
                    if reroutes && packet.routed_by() != before && !self.reroute(packet) {
                        return Ok(Passage::Lost);
                    }
                }
                Stage::Translate(chain) => {
                    if nat::translate(self, hook, chain, packet, log)? == Passage::Lost {
                        return Ok(Passage::Lost);
                    }
                }
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
        let (mut next, mut end) = self.enter(chain)?;
        loop {
            if next >= end {
                let Some((caller, after)) = callers.pop() else {
                    return Ok(self.policy(place(built_in), packet));
                };
                self.witness.end(place(chain), None, packet.mark);
                (chain, next, end) = (caller, after, program.chain(caller).end);
                continue;
            }
            let index = next;
            next += 1;
            let rule = &program.rules[index as usize];
            let before = packet.mark;
            match self.fits(rule, packet) {
                Fit::Yes => {}
                Fit::No(question) => {
                    self.witness
                        .rule(place(chain), index, Some(question), [before; 2]);
                    continue;
                }
                Fit::Drop(question) => {
                    self.witness
                        .rule(place(chain), index, Some(question), [before; 2]);
                    return Ok(Verdict::Drop);
                }
            }
            self.hits[index as usize] += 1;
            if let Action::Mark { value, mask } = rule.action {
                packet.mark = packet.mark.xmark(value, mask);
            }
            let marks = [before, packet.mark];
            match &rule.action {
                Action::Mark { .. } | Action::Continue => {
                    self.witness.rule(place(chain), index, None, marks);
                }
                Action::Jump(called) => {
                    self.witness.rule(place(chain), index, None, marks);
                    callers.push((chain, next));
                    chain = *called;
                    (next, end) = self.enter(chain)?;
                }
                Action::Goto(called) => {
                    self.witness.rule(place(chain), index, None, marks);
                    chain = *called;
                    (next, end) = self.enter(chain)?;
                }
                Action::Return => {
                    self.witness.rule(place(chain), index, None, marks);
                    let Some((caller, after)) = callers.pop() else {
                        return Ok(self.policy(place(built_in), packet));
                    };
                    (chain, next, end) = (caller, after, program.chain(caller).end);
                }
                Action::Accept => {
                    self.witness.rule(place(chain), index, None, marks);
                    return Ok(Verdict::Accept);
                }
                Action::Drop => {
                    self.witness.rule(place(chain), index, None, marks);
                    return Ok(Verdict::Drop);
                }
                other => {
                    let verdict = self.act(other, hook, packet, log)?;
                    self.witness
                        .rule(place(chain), index, None, [before, packet.mark]);
                    if let Some(verdict) = verdict {
                        return Ok(verdict);
                    }
                }
            }
        }
    }

    /// The first rule of a chain, and one behind its last. All of them are taken to be asked.
    #[inline]
    fn enter(&mut self, chain: ChainIndex) -> Result<(u32, u32), Unjudged> {
        let chain = self.parts.program.chain(chain);
        let length = chain.end - chain.first;
        match self.patience.checked_sub(length + 1) {
            Some(rest) => self.patience = rest,
            None => return Err(too_many_rules()),
        }
        Ok((chain.first, chain.end))
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
    fn fits(&mut self, rule: &Rule, packet: &Traveller<'_>) -> Fit {
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
                answer::reject(self, *reject, packet, log)?;
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

#[cold]
fn too_many_rules() -> Unjudged {
    Unjudged::Other(format!(
        "more than {RULES_ASKED} rules are asked about one packet"
    ))
}

enum Fit {
    Yes,
    No(u32),
    Drop(u32),
}
