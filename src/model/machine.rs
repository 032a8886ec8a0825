//! The machine's face: a firewall on a node, and packets judged on it.

use smallvec::SmallVec;

use super::choice::{RUNS, Script};
use super::compile;
use super::conntrack::{Connections, Tracking};
use super::program::Program;
use super::routing::Ground;
use super::run::{Parts, Run, blank};
use super::sequence::Sequence;
use super::sets::Sets;
use super::witness::{Nobody, Steps, Tie, Visited, Witness};
use crate::journey::{Answer, Possible, Step, Unjudged};
use crate::node::Node;
use crate::packet::{Batch, Connection, Order, Packet};
use crate::verdict::NotProgrammed;
use crate::xtables::{Backend, Firewall, RuleId};

/// The chain machine, loaded.
#[derive(Clone, Debug)]
pub struct Machine {
    program: Program,
    sets: Sets,
    ground: Ground,
    hits: Vec<u64>,
    script: Script,
}

impl Machine {
    /// Loads a firewall on a node, and reads it as a backend does.
    ///
    /// # Errors
    ///
    /// [`NotProgrammed`] where the tools refuse the ruleset and the reason can be seen in it: a chain or
    /// a set that is not there, a loop, a match or target where it does not belong.
    pub fn new(backend: Backend, node: &Node, firewall: &Firewall) -> Result<Self, NotProgrammed> {
        let sets = Sets::new(&firewall.sets)?;
        let program = compile::compile(backend, firewall, &sets)?;
        Ok(Self {
            hits: vec![0; program.rules.len()],
            program,
            sets,
            ground: Ground::new(node),
            script: Script::default(),
        })
    }

    /// Judges a packet.
    pub fn judge(&mut self, connections: &Connections, packet: &Packet) -> Answer {
        self.judge_before(connections, packet, &mut Nobody)
    }

    /// Judges the next packet of a sequence, and has it leave there what it leaves.
    pub fn follow(&mut self, sequence: &mut Sequence, packet: &Packet) -> Answer {
        if let Some(why) = sequence.lost() {
            return Answer::Unjudged(why.clone());
        }
        let mut tie = Tie {
            tracking: Tracking::None,
        };
        let answer = self.judge_before(sequence.table(), packet, &mut tie);
        sequence.leave(packet, &answer, &tie.tracking);
        answer
    }

    /// The connections that there are when each packet of a batch comes, and last those that are left in the end.
    pub fn known(&mut self, batch: &Batch) -> Vec<Vec<Connection>> {
        let mut sequence = Sequence::new(&batch.connections);
        let mut known = vec![sequence.connections().to_vec()];
        for packet in &batch.packets {
            if batch.order == Order::InSequence {
                self.follow(&mut sequence, packet);
            }
            known.push(sequence.connections().to_vec());
        }
        known
    }

    /// Judges a packet, and writes down which rules it reached. Where several journeys are possible, the
    /// visits are those of the first.
    pub fn visit(
        &mut self,
        connections: &Connections,
        packet: &Packet,
        visited: &mut Visited,
    ) -> Answer {
        visited.visits.clear();
        self.judge_before(connections, packet, visited)
    }

    /// Judges a packet, and tells each step of its way. Where several journeys are possible, the steps are
    /// those of the first.
    pub fn trace(&mut self, connections: &Connections, packet: &Packet) -> (Answer, Vec<Step>) {
        let mut steps = Steps::default();
        let answer = self.judge_before(connections, packet, &mut steps);
        (answer, steps.steps)
    }

    /// Every way that a packet may go, step by step: more than one where chance decides. Ways that come to
    /// a question that the model can't answer end there. Neither counted nor watched.
    pub fn ways(&mut self, connections: &Connections, packet: &Packet) -> Vec<Vec<Step>> {
        let parts = Parts {
            program: &self.program,
            sets: &self.sets,
            ground: &self.ground,
            connections,
        };
        let mut uncounted = vec![0; self.hits.len()];
        let mut ways = Vec::new();
        self.script.clear();
        loop {
            let mut steps = Steps::default();
            let mut run = Run::new(parts, &mut self.script, &mut uncounted, &mut steps);
            // What can't be judged has its way up to there.
            let _ = run.judge(packet, &mut blank());
            ways.push(steps.steps);
            if ways.len() == RUNS || !self.script.advance() {
                return ways;
            }
        }
    }

    /// How many packets each rule has matched, in the order of the rules, IPv4's first. Of packets with
    /// several possible journeys the first counts.
    #[must_use]
    pub fn hits(&self) -> Vec<(RuleId, u64)> {
        let ids = self.program.ids.iter().cloned();
        ids.zip(self.hits.iter().copied()).collect()
    }

    /// Counts anew.
    pub fn forget_hits(&mut self) {
        self.hits.fill(0);
    }

    /// The place of the rule with an index that [`super::Visit`] gave.
    #[must_use]
    pub fn rule_id(&self, index: u32) -> Option<&RuleId> {
        self.program.ids.get(index as usize)
    }

    /// How many rules there are, and so how many indices.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.program.rules.len()
    }

    fn judge_before<W: Witness>(
        &mut self,
        connections: &Connections,
        packet: &Packet,
        witness: &mut W,
    ) -> Answer {
        let parts = Parts {
            program: &self.program,
            sets: &self.sets,
            ground: &self.ground,
            connections,
        };
        self.script.clear();
        let mut run = Run::new(parts, &mut self.script, &mut self.hits, witness);
        let mut outcomes: SmallVec<[Possible; 1]> = SmallVec::new();
        outcomes.push(blank());
        if let Err(unjudged) = run.judge(packet, &mut outcomes[0]) {
            return Answer::Unjudged(unjudged);
        }
        if self.script.is_empty() {
            return Answer::Judged(outcomes);
        }
        match self.go_other_ways(connections, packet, &mut outcomes) {
            Ok(()) => self.script.verdict(outcomes, &self.program.unknown),
            Err(unjudged) => Answer::Unjudged(unjudged),
        }
    }

    /// Repeats the run with every other choice. Neither counted nor watched.
    #[cold]
    fn go_other_ways(
        &mut self,
        connections: &Connections,
        packet: &Packet,
        outcomes: &mut SmallVec<[Possible; 1]>,
    ) -> Result<(), Unjudged> {
        let parts = Parts {
            program: &self.program,
            sets: &self.sets,
            ground: &self.ground,
            connections,
        };
        let mut uncounted = vec![0; self.hits.len()];
        let mut runs = 1;
        while self.script.advance() {
            if runs == RUNS {
                return Err(Unjudged::Possibilities(RUNS));
            }
            runs += 1;
            let mut nobody = Nobody;
            let mut run = Run::new(parts, &mut self.script, &mut uncounted, &mut nobody);
            let mut possible = blank();
            run.judge(packet, &mut possible)?;
            if !outcomes.contains(&possible) {
                outcomes.push(possible);
            }
        }
        Ok(())
    }
}
