//! The search for a packet that matches one rule: solve what the way there asks, ask the model how
//! far the packet came, learn from what stopped it, and solve again.

use crate::journey::Step;
use crate::packet::Family;
use crate::xtables::matches::MaskedMark;
use crate::xtables::{Firewall, Rule, RuleId, Target};

use super::bits::Bits;
use super::coverage::Coverage;
use super::draft::Draft;
use super::field::Fields;
use super::ground::Ground;
use super::paths::{AllPaths, Path, conditions_of, way_to};
use super::question::{Condition, Question, conditions};
use super::random::Stream;
use super::solve::{Clause, solve};
use super::stop::{Stop, missed_mark, stop};

/// How often a search starts again, each time with the next path.
const ATTEMPTS: usize = 16;
/// How many lessons one start may take.
const LESSONS: usize = 10;

/// How many paths a neighbour is sent along.
const NEAR_PATHS: usize = 2;

/// What a packet shall do with a rule.
#[derive(Clone, Copy)]
enum Goal {
    /// Come to it.
    Reach,
    /// Match it.
    Match,
}

/// What a packet that did not come through teaches.
enum Lesson<'a> {
    /// Meet one of these next time: none of them was met where the packet was stopped.
    Avoid(Clause<'a>),
    /// Meet all of these too: a rule that writes the mark which was missing.
    Visit(Vec<Condition<'a>>),
    /// Nothing: start again.
    Nothing,
}

/// Searches packets for rules.
pub struct Search<'g, 'a, B> {
    ground: &'g Ground<'a>,
    paths: &'g AllPaths,
    stream: Stream<'g, 'a, B>,
    bits: B,
}

impl<'g, 'a, B: Bits> Search<'g, 'a, B> {
    /// Searches on this ground, with a stream that packets start from and bits for its choices.
    pub fn new(
        ground: &'g Ground<'a>,
        paths: &'g AllPaths,
        stream: Stream<'g, 'a, B>,
        bits: B,
    ) -> Self {
        Self {
            ground,
            paths,
            stream,
            bits,
        }
    }

    /// A packet that matches the rule; all packets tried on the way are noted in `coverage`.
    pub fn find(&mut self, rule: &RuleId, coverage: &mut Coverage<'_>) -> Option<Draft> {
        let paths = self.paths.to(rule);
        (0..ATTEMPTS).find_map(|attempt| {
            let path = paths.get(attempt % paths.len().max(1))?;
            self.attempt(rule, path, attempt, coverage)
        })
    }

    /// A packet that reaches the rule and is like `near` in some fields.
    pub fn reach(
        &mut self,
        rule: &RuleId,
        near: &Draft,
        fields: Fields,
        coverage: &mut Coverage<'_>,
    ) -> Option<Draft> {
        let firewall = self.ground.firewall;
        let paths = self.paths.to(rule);
        paths.iter().take(NEAR_PATHS).find_map(|path| {
            let mut asked = way_to(firewall, path, rule);
            asked.push(Condition::is(Question::Keeps(near, fields)));
            let wanted = asked.into_iter().map(|condition| vec![condition]).collect();
            self.walk(rule, path, wanted, near.clone(), coverage, Goal::Reach)
        })
    }

    /// A packet that meets all that the shortest way to the rule asks, whether or not it gets there.
    pub fn solved(&mut self, rule: &RuleId) -> Option<Draft> {
        let firewall = self.ground.firewall;
        let wanted = match self.paths.to(rule).first() {
            Some(path) => clauses(firewall, path, rule),
            None => {
                let own = firewall.rule(rule).map(conditions).unwrap_or_default();
                own.into_iter().map(|condition| vec![condition]).collect()
            }
        };
        self.solve(rule.family, &wanted)
    }

    /// A packet that meets all of some clauses.
    pub fn solve(&mut self, family: Family, wanted: &[Clause<'_>]) -> Option<Draft> {
        (0..ATTEMPTS).find_map(|attempt| {
            let start = self.start(family, attempt)?;
            solve(wanted, start, self.ground, &mut self.bits)
        })
    }

    /// A packet to start from: first plain ones, then any.
    fn start(&mut self, family: Family, attempt: usize) -> Option<Draft> {
        if attempt < ATTEMPTS / 2 {
            self.stream.plain(family)
        } else {
            self.stream.fresh(family)
        }
    }

    fn attempt(
        &mut self,
        rule: &RuleId,
        path: &Path,
        attempt: usize,
        coverage: &mut Coverage<'_>,
    ) -> Option<Draft> {
        let wanted = clauses(self.ground.firewall, path, rule);
        let start = self.start(rule.family, attempt)?;
        self.walk(rule, path, wanted, start, coverage, Goal::Match)
    }

    /// Solves, asks and learns until a packet comes to where it should.
    fn walk<'c>(
        &mut self,
        rule: &RuleId,
        path: &Path,
        mut wanted: Vec<Clause<'c>>,
        mut start: Draft,
        coverage: &mut Coverage<'_>,
        goal: Goal,
    ) -> Option<Draft>
    where
        'a: 'c,
    {
        for _ in 0..LESSONS {
            let draft = solve(&wanted, start, self.ground, &mut self.bits)?;
            let visits = coverage.note(&draft);
            let arrived = match goal {
                Goal::Reach => visits.reaches(rule),
                Goal::Match => visits.matches(rule),
            };
            if arrived {
                return Some(draft);
            }
            let steps = coverage.steps(&draft);
            match self.lesson(&steps, path, rule, &draft) {
                Lesson::Avoid(clause) => wanted.push(clause),
                Lesson::Visit(conditions) => {
                    wanted.extend(conditions.into_iter().map(|condition| vec![condition]));
                }
                Lesson::Nothing => return None,
            }
            start = draft;
        }
        None
    }

    fn lesson(&mut self, steps: &[Step], path: &Path, rule: &RuleId, draft: &Draft) -> Lesson<'a> {
        match stop(steps, path, rule) {
            Stop::Rules(stack) => self.avoid(&stack, draft),
            Stop::Policy(step) => self.accept(step),
            Stop::Unmet(id, step) => {
                let asked = self
                    .ground
                    .firewall
                    .rule(&id)
                    .map(conditions)
                    .unwrap_or_default();
                let missing = asked
                    .iter()
                    .filter_map(|condition| missed_mark(condition, step));
                self.write(step, &missing.collect::<Vec<_>>())
            }
            Stop::Unseen => Lesson::Nothing,
        }
    }

    /// Some rule that accepts where a policy would drop.
    fn accept(&mut self, step: &Step) -> Lesson<'a> {
        let table = self.ground.firewall.ruleset(step.family).rules();
        let accepting =
            table.filter(|(id, rule)| id.table == step.table && rule.target == Target::Accept);
        let accepting = accepting.map(|(id, _)| id).collect();
        self.visit(accepting, step)
    }

    /// Some rule that leaves the mark as one of the tests wants it.
    fn write(&mut self, step: &Step, missing: &[(MaskedMark, bool)]) -> Lesson<'a> {
        let Some((test, wanted)) = self.bits.pick(missing).copied() else {
            return Lesson::Nothing;
        };
        let writes = |(_, rule): &(RuleId, &Rule)| match rule.target {
            Target::Mark(xmark) => {
                let after = step.before.xmark(xmark.value, xmark.mask);
                after.matches(test.value, test.mask) == wanted
            }
            _ => false,
        };
        let rules = self
            .ground
            .firewall
            .ruleset(step.family)
            .rules()
            .filter(writes);
        let all: Vec<RuleId> = rules.map(|(id, _)| id).collect();
        let near: Vec<RuleId> = all
            .iter()
            .filter(|id| id.table == step.table)
            .cloned()
            .collect();
        if near.is_empty() || self.bits.chance(1, 4) {
            self.visit(all, step)
        } else {
            self.visit(near, step)
        }
    }

    /// One of some rules, by a way that passes the step's hook if it is of the step's table.
    fn visit(&mut self, rules: Vec<RuleId>, step: &Step) -> Lesson<'a> {
        let Some(rule) = self.bits.pick(&rules) else {
            return Lesson::Nothing;
        };
        let near = |path: &&Path| path.hook == step.hook || rule.table != step.table;
        let paths: Vec<&Path> = self.paths.to(rule).iter().filter(near).collect();
        let Some(path) = self.bits.pick(&paths) else {
            return Lesson::Nothing;
        };
        let asked = conditions_of(self.ground.firewall, path, rule);
        // What the way asks of the mark is written on the way, too.
        let plain = asked
            .into_iter()
            .filter(|one| !matches!(one.question, Question::Mark(_)));
        Lesson::Visit(plain.collect())
    }

    /// One of the questions that were answered by a packet which was stopped, answered otherwise.
    fn avoid(&mut self, stack: &[&Step], draft: &Draft) -> Lesson<'a> {
        let mut clause = Clause::new();
        let mut marks = Vec::new();
        for step in stack {
            let found = step.rule_id().and_then(|id| self.ground.firewall.rule(&id));
            for condition in found.map(conditions).unwrap_or_default() {
                let other = condition.opposite();
                if let Question::Mark(test) = condition.question {
                    marks.push((*step, (test, other.wanted)));
                }
                // What the draft meets already did not help.
                if !condition.is_beyond() && !draft.meets(&other, self.ground) {
                    clause.push(other);
                }
            }
        }
        if !marks.is_empty() && (clause.is_empty() || self.bits.chance(1, 2)) {
            let Some((step, mark)) = self.bits.pick(&marks).copied() else {
                return Lesson::Nothing;
            };
            return self.write(step, &[mark]);
        }
        if clause.is_empty() {
            Lesson::Nothing
        } else {
            Lesson::Avoid(clause)
        }
    }
}

/// What a way to a rule and the rule itself ask, each a clause of its own.
pub(super) fn clauses<'a>(firewall: &'a Firewall, path: &Path, rule: &RuleId) -> Vec<Clause<'a>> {
    let asked = conditions_of(firewall, path, rule);
    asked.into_iter().map(|condition| vec![condition]).collect()
}
