//! Programming a namespace through the real tools, in steps, so that the waiting of several namespaces
//! overlaps.
//!
//! [`Programmer::begin`] tells the first tool and does not wait; [`Programmer::advance`] hears what it has
//! said and tells the next, without waiting either; [`Programmer::finish`] waits to the end. So one
//! thread drives a pool, whose [`Programmer::ends`] it polls ([`super::pool`]).
//!
//! One `iptables-restore --noflush --verbose` and one `ip6tables-restore` live as long as the namespace:
//! verbose, they echo comments, so a comment after the last `COMMIT` is the sign that all before it is
//! done. They end at the first error, which is the ruleset's refusal; what then is loaded nobody knows,
//! and the next script empties it all.
//!
//! The two never work at once: where the tables' generation changes under its hands,
//! `iptables-nft-restore` builds its transaction anew and then flushes chains that the same transaction
//! deletes (iptables/nft.c, `nft_refresh_transaction`). Other writers to nf_tables in the same namespace
//! must keep still too between `begin` and `finish`.

use nix::poll::PollFd;

use super::dialogue;
use super::error::KernelError;
use super::namespace::Namespace;
use super::restore::Restorer;
use super::script::Script;
use super::sets::{self, SetScript, Sets};
use crate::packet::Family;
use crate::verdict::NotProgrammed;
use crate::xtables::Backend;

/// How restore tools are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tools {
    /// One lives as long as its namespace, and loads each ruleset whole.
    LongLived,
    /// One lives as long as its namespace, and is told of the chains that change. What stays as it was goes
    /// on counting the packets that it matches.
    Changes,
    /// One is started for each ruleset: the slow way, to be measured against.
    Spawned,
}

/// What a node has loaded, as the tools' text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Texts<'a> {
    /// iptables-save text.
    pub v4: &'a str,
    /// ip6tables-save text.
    pub v6: &'a str,
    /// `ipset save` text.
    pub sets: &'a str,
}

/// The tool that is at work, by its place in [`Family::BOTH`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It empties its tables, because the new sets can't be loaded beside the old rules.
    Emptying(usize),
    /// It loads the new rules.
    Loading(usize),
}

/// A firewall that is being loaded.
#[derive(Debug)]
struct Job {
    sets: Vec<SetScript>,
    rules: [String; 2],
    stage: Stage,
}

/// Programs one namespace.
pub struct Programmer {
    backend: Backend,
    restorers: [Restorer; 2],
    sets: Sets,
    job: Option<Job>,
    outcome: Result<(), NotProgrammed>,
}

impl Programmer {
    /// A programmer for a namespace in which nothing is programmed yet. Starts no tool.
    #[must_use]
    pub fn new(backend: Backend, tools: Tools) -> Self {
        Self {
            backend,
            restorers: Family::BOTH.map(|family| Restorer::new(backend, family, tools)),
            sets: Sets::default(),
            job: None,
            outcome: Ok(()),
        }
    }

    /// Which backend it speaks to.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Begins to load these rules and sets, and nothing else. What was begun before and not finished is
    /// finished first.
    ///
    /// # Errors
    ///
    /// A fault of the machine. A ruleset's refusal comes from [`Programmer::finish`].
    pub fn begin(&mut self, namespace: &Namespace, texts: &Texts<'_>) -> Result<(), KernelError> {
        self.complete(namespace)?;
        self.outcome = Ok(());
        let sets = sets::scripts(texts.sets);
        let rules = [texts.v4, texts.v6];
        let mut job = Job {
            stage: Stage::Loading(0),
            rules: rules.map(str::to_owned),
            sets,
        };
        if self.sets.must_unload_first(&job.sets, rules) {
            job.stage = Stage::Emptying(0);
            self.empty(namespace, 0)?;
            self.job = Some(job);
        } else {
            self.load_sets(namespace, job)?;
        }
        Ok(())
    }

    /// Goes on as far as is possible without waiting for a tool, and returns whether all is done, so
    /// that [`Programmer::finish`] won't wait.
    ///
    /// # Errors
    ///
    /// As [`Programmer::begin`].
    pub fn advance(&mut self, namespace: &Namespace) -> Result<bool, KernelError> {
        while let Some(index) = self.at_work() {
            let Some(answer) = self.restorers[index].answer()? else {
                return Ok(false);
            };
            self.step(namespace, answer)?;
        }
        Ok(true)
    }

    /// What to poll while [`Programmer::advance`] would do nothing.
    pub(super) fn ends(&self) -> impl Iterator<Item = PollFd<'_>> {
        let awaited = self.at_work().map(|index| &self.restorers[index]);
        awaited.into_iter().flat_map(Restorer::ends)
    }

    /// Waits until what was begun is loaded, or refused.
    ///
    /// # Errors
    ///
    /// The outer error is a fault of the machine, the inner one the ruleset's own fate.
    pub fn finish(
        &mut self,
        namespace: &Namespace,
    ) -> Result<Result<(), NotProgrammed>, KernelError> {
        self.complete(namespace)?;
        Ok(std::mem::replace(&mut self.outcome, Ok(())))
    }

    fn complete(&mut self, namespace: &Namespace) -> Result<(), KernelError> {
        while !self.advance(namespace)? {
            if let Some(index) = self.at_work() {
                self.restorers[index].wait()?;
            }
        }
        Ok(())
    }

    /// Whose turn it is, by its place in [`Family::BOTH`].
    fn at_work(&self) -> Option<usize> {
        let (Stage::Emptying(index) | Stage::Loading(index)) = self.job.as_ref()?.stage;
        Some(index)
    }

    /// Completes a stage with the tool's answer, and begins the next.
    fn step(
        &mut self,
        namespace: &Namespace,
        answer: Result<(), NotProgrammed>,
    ) -> Result<(), KernelError> {
        let Some(mut job) = self.job.take() else {
            return Ok(());
        };
        match (job.stage, answer) {
            (Stage::Emptying(_), Err(refused)) => Err(KernelError::Tool {
                tool: refused.tool,
                doing: "empty its tables".to_owned(),
                message: refused.message,
            }),
            (Stage::Emptying(0), Ok(())) => {
                self.empty(namespace, 1)?;
                job.stage = Stage::Emptying(1);
                self.job = Some(job);
                Ok(())
            }
            (Stage::Emptying(_), Ok(())) => {
                self.sets.unload(namespace)?;
                self.load_sets(namespace, job)
            }
            (Stage::Loading(0), Ok(())) => self.load_rules(namespace, job, 1),
            (Stage::Loading(_), answer) => {
                self.outcome = answer;
                Ok(())
            }
        }
    }

    fn empty(&mut self, namespace: &Namespace, index: usize) -> Result<(), KernelError> {
        let restorer = &mut self.restorers[index];
        restorer.tell(namespace, Script::empty(restorer.script()))
    }

    fn load_sets(&mut self, namespace: &Namespace, mut job: Job) -> Result<(), KernelError> {
        // The target SET, whose name also appears in others: then sets are loaded once too often.
        let changing = job.rules.iter().any(|text| text.contains("-j SET"));
        let sets = std::mem::take(&mut job.sets);
        self.outcome = self.sets.load(namespace, sets, changing)?;
        if self.outcome.is_ok() {
            self.load_rules(namespace, job, 0)
        } else {
            Ok(())
        }
    }

    fn load_rules(
        &mut self,
        namespace: &Namespace,
        mut job: Job,
        index: usize,
    ) -> Result<(), KernelError> {
        let restorer = &mut self.restorers[index];
        match restorer.script_for(&job.rules[index]) {
            Ok(script) => {
                restorer.tell(namespace, script)?;
                job.stage = Stage::Loading(index);
                self.job = Some(job);
            }
            Err(refused) => self.outcome = Err(refused),
        }
        Ok(())
    }

    /// What the save tool of a family prints: the tables that exist, with counters.
    ///
    /// # Errors
    ///
    /// As [`Programmer::begin`].
    pub fn saved(&self, namespace: &Namespace, family: Family) -> Result<String, KernelError> {
        namespace.enter()?;
        let tool = self.backend.save(family);
        let ended = dialogue::run(tool, &["--counters"], "")?;
        match ended.status {
            Some(0) => Ok(ended.output),
            _ => Err(KernelError::Tool {
                tool: tool.to_owned(),
                doing: "save the tables".to_owned(),
                message: ended.complaints,
            }),
        }
    }
}
