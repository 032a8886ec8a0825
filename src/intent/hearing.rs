//! A packet before the judge, and what has been said of it.

use smallvec::SmallVec;

use super::clause::{Clause, Clauses};
use super::connection::State;
use super::host::Early;
use super::matching::Seen;
use super::opinion::{By, Decision, Exit, Opinion, Said, Verdict};
use super::translation::{Destination, Others};
use crate::node::routing::NoWay;
use crate::packet::Packet;

/// A packet on its way.
#[derive(Clone, Copy)]
pub(super) struct Case<'p> {
    pub(super) packet: &'p Packet,
    pub(super) state: State,
    pub(super) others: &'p Others,
    pub(super) destination: Destination,
    /// What rules are shown of it once its destination is final.
    pub(super) seen: Seen,
    /// What the doNotTrack policies of the host endpoint that it enters (or leaves) by said.
    pub(super) untracked: Early,
    /// What the preDNAT policies said of the host endpoint that it enters by.
    pub(super) pre_dnat: Early,
}

impl Case<'_> {
    /// Who allowed it before the host endpoint's other policies of ingress could be asked.
    pub(super) fn allowed_early(&self) -> Option<Decision> {
        match (self.untracked, self.pre_dnat) {
            (Early::Allowed(decision), _) | (_, Early::Allowed(decision)) => Some(decision),
            _ => None,
        }
    }
}

/// What has been said of a packet so far.
#[derive(Default)]
pub(super) struct Hearing {
    pub(super) said: SmallVec<[Decision; 2]>,
    pub(super) clauses: Clauses,
    /// Whether the node's other rules decide on what Calico allows, too.
    pub(super) others_too: bool,
    /// Whether an endpoint limits how many such packets come at once.
    pub(super) paced: bool,
}

impl Hearing {
    /// Takes down a word that is not the last.
    pub(super) fn note(&mut self, decision: Decision) {
        self.clauses.add(decision.clause);
        self.said.push(decision);
    }

    /// Takes down a word behind another, if somebody has one: `Err` where it is the last.
    pub(super) fn then(
        &mut self,
        before: Option<Said>,
        next: Option<Said>,
    ) -> Result<Option<Said>, Said> {
        let Some(said) = next else { return Ok(before) };
        if let Some((_, decision)) = before {
            self.note(decision);
        }
        match said.0 {
            Verdict::Deny => Err(said),
            Verdict::Allow | Verdict::Defer => Ok(Some(said)),
        }
    }

    pub(super) fn denied(self, decision: Decision) -> Opinion {
        self.end((Verdict::Deny, decision), None)
    }

    pub(super) fn unrouted(self, why: NoWay) -> Opinion {
        let by = By::Routing(why);
        let clause = Clause::Unrouted;
        self.end((Verdict::Defer, Decision { clause, by }), None)
    }

    pub(super) fn end(mut self, (verdict, decision): Said, exit: Option<Exit>) -> Opinion {
        self.clauses.add(decision.clause);
        let verdict = match verdict {
            Verdict::Allow if self.others_too => Verdict::Defer,
            verdict => verdict,
        };
        Opinion {
            verdict,
            decision,
            earlier: self.said,
            clauses: self.clauses,
            exit: exit.filter(|_| verdict != Verdict::Deny),
            paced: self.paced,
        }
    }
}
