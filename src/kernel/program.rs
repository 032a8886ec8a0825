//! Programming a namespace through the real tools, in two steps so that the waiting of several
//! namespaces overlaps.
//!
//! [`Programmer::begin`] tells the tools; [`Programmer::finish`] waits until all of it is committed, or
//! refused. Where old rules stand in the way of new sets there is a round in between, which
//! [`Programmer::advance`] completes. One thread drives a pool so: `begin` on all, `advance` on all,
//! `finish` on all.
//!
//! One `iptables-restore --noflush --verbose` and one `ip6tables-restore` live as long as the namespace:
//! verbose, they echo comments, so a comment after the last `COMMIT` is the sign that all before it is
//! done. They end at the first error, which is the ruleset's refusal; what then is loaded nobody knows,
//! and the next script empties it all.

use super::dialogue::Dialogue;
use super::error::KernelError;
use super::namespace::Namespace;
use super::restore::Restorer;
use super::script::Script;
use super::sets::{self, SetScript, Sets};
use crate::packet::Family;
use crate::verdict::NotProgrammed;

/// Which generation of the kernel's packet filter the tools speak to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// `iptables-legacy`: ip_tables.
    Legacy,
    /// `iptables-nft`: nf_tables through nft_compat.
    Nft,
}

impl Backend {
    /// The restore tool of a family.
    #[must_use]
    pub fn restore(self, family: Family) -> &'static str {
        match (self, family) {
            (Self::Legacy, Family::V4) => "iptables-legacy-restore",
            (Self::Legacy, Family::V6) => "ip6tables-legacy-restore",
            (Self::Nft, Family::V4) => "iptables-nft-restore",
            (Self::Nft, Family::V6) => "ip6tables-nft-restore",
        }
    }

    /// The save tool of a family.
    #[must_use]
    pub fn save(self, family: Family) -> &'static str {
        match (self, family) {
            (Self::Legacy, Family::V4) => "iptables-legacy-save",
            (Self::Legacy, Family::V6) => "ip6tables-legacy-save",
            (Self::Nft, Family::V4) => "iptables-nft-save",
            (Self::Nft, Family::V6) => "ip6tables-nft-save",
        }
    }
}

/// How restore tools are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tools {
    /// One lives as long as its namespace.
    LongLived,
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

/// What is under way.
#[derive(Debug)]
enum Phase {
    /// Nothing.
    Idle,
    /// The old rules are being flushed, because these sets and rules can't be loaded beside them.
    Emptying(Vec<SetScript>, [String; 2]),
    /// The tools have been told the rules.
    Loading,
    /// The ruleset was refused before the tools were told.
    Refused(NotProgrammed),
}

/// Programs one namespace.
pub struct Programmer {
    backend: Backend,
    restorers: [Restorer; 2],
    sets: Sets,
    phase: Phase,
}

impl Programmer {
    /// A programmer for a namespace in which nothing is programmed yet. Starts no tool.
    #[must_use]
    pub fn new(backend: Backend, tools: Tools) -> Self {
        Self {
            backend,
            restorers: Family::BOTH.map(|family| Restorer::new(backend.restore(family), tools)),
            sets: Sets::default(),
            phase: Phase::Idle,
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
        if !matches!(self.phase, Phase::Idle) {
            // Its outcome was not asked for.
            let _ = self.finish(namespace)?;
        }
        let wanted = sets::scripts(texts.sets);
        let rules = [texts.v4, texts.v6];
        if !self.sets.must_unload_first(&wanted, rules) {
            return self.load(namespace, wanted, rules);
        }
        self.phase = Phase::Emptying(wanted, rules.map(str::to_owned));
        for restorer in &mut self.restorers {
            restorer.tell(namespace, Script::empty(restorer.script()))?;
        }
        Ok(())
    }

    /// Completes the round that is under way and begins the next, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Programmer::begin`].
    pub fn advance(&mut self, namespace: &Namespace) -> Result<(), KernelError> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Emptying(wanted, rules) => {
                if let Err(refused) = self.listen()? {
                    return Err(KernelError::Tool {
                        tool: refused.tool,
                        doing: "flush its tables".to_owned(),
                        message: refused.message,
                    });
                }
                self.sets.unload(namespace)?;
                self.load(namespace, wanted, [&rules[0], &rules[1]])
            }
            phase => {
                self.phase = phase;
                Ok(())
            }
        }
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
        self.advance(namespace)?;
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Refused(refused) => Ok(Err(refused)),
            _ => self.listen(),
        }
    }

    fn load(
        &mut self,
        namespace: &Namespace,
        wanted: Vec<SetScript>,
        rules: [&str; 2],
    ) -> Result<(), KernelError> {
        if let Err(refused) = self.sets.load(namespace, wanted)? {
            self.phase = Phase::Refused(refused);
            return Ok(());
        }
        self.phase = Phase::Loading;
        let [v4, v6] = &self.restorers;
        let scripts = v4
            .script_for(rules[0])
            .and_then(|first| Ok([first, v6.script_for(rules[1])?]));
        match scripts {
            Ok(scripts) => {
                for (restorer, script) in self.restorers.iter_mut().zip(scripts) {
                    restorer.tell(namespace, script)?;
                }
            }
            Err(refused) => self.phase = Phase::Refused(refused),
        }
        Ok(())
    }

    /// Hears out every tool that has yet to answer; of two refusals the first counts.
    fn listen(&mut self) -> Result<Result<(), NotProgrammed>, KernelError> {
        let mut outcome = Ok(());
        for restorer in &mut self.restorers {
            outcome = outcome.and(restorer.listen()?);
        }
        Ok(outcome)
    }

    /// What the save tool of a family prints: the tables that exist, with counters.
    ///
    /// # Errors
    ///
    /// As [`Programmer::begin`].
    pub fn saved(&self, namespace: &Namespace, family: Family) -> Result<String, KernelError> {
        namespace.enter()?;
        let mut tool = Dialogue::start(self.backend.save(family), &["--counters"])?;
        tool.hang_up()?;
        match tool.listen_to_the_end()? {
            Some(0) => Ok(tool.heard()),
            _ => Err(KernelError::Tool {
                tool: tool.tool().to_owned(),
                doing: "save the tables".to_owned(),
                message: tool.complaints(),
            }),
        }
    }
}
