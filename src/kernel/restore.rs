//! The restore tool of one family in one namespace, and what it has loaded.

use nix::poll::PollFd;

use super::dialogue::{Dialogue, Heard, Stream};
use super::error::KernelError;
use super::namespace::Namespace;
use super::program::Tools;
use super::script::Script;
use crate::packet::Family;
use crate::verdict::NotProgrammed;
use crate::xtables::Backend;

/// Loads one script after the other.
pub(super) struct Restorer {
    backend: Backend,
    tool: &'static str,
    tools: Tools,
    dialogue: Option<Dialogue>,
    /// What was told last.
    script: Script,
    /// What was told before that: if the last is refused, some of it may still be there.
    before: Script,
    /// How many lines the tool had been told before `script`.
    said_before: usize,
    /// How often a fence was set.
    fences: u64,
    /// Whether the tool has yet to answer.
    awaited: bool,
}

impl Restorer {
    /// Nothing is loaded yet, and no tool runs.
    pub(super) fn new(backend: Backend, family: Family, tools: Tools) -> Self {
        Self {
            backend,
            tool: backend.restore(family),
            tools,
            dialogue: None,
            script: Script::default(),
            before: Script::default(),
            said_before: 0,
            fences: 0,
            awaited: false,
        }
    }

    /// What was told last.
    pub(super) fn script(&self) -> &Script {
        &self.script
    }

    /// The script that loads these rules in the place of what is loaded.
    pub(super) fn script_for(&self, rules: &str) -> Result<Script, NotProgrammed> {
        let script = match self.tools {
            Tools::LongLived => Script::load(rules, &self.script),
            Tools::Changes => Script::change(rules, &self.script, self.backend),
            Tools::Spawned => Script::load_alone(rules, &self.script),
        };
        script.map_err(|too_long| NotProgrammed {
            tool: self.tool.to_owned(),
            message: too_long.to_string(),
        })
    }

    /// Tells the tool a script, without waiting. A script that says nothing costs nothing.
    pub(super) fn tell(
        &mut self,
        namespace: &Namespace,
        script: Script,
    ) -> Result<(), KernelError> {
        self.before = std::mem::replace(&mut self.script, script);
        if self.script.is_empty() {
            return Ok(());
        }
        let mut dialogue = match self.dialogue.take() {
            Some(dialogue) => dialogue,
            None => {
                namespace.enter()?;
                let arguments: &[&str] = match self.tools {
                    Tools::LongLived | Tools::Changes => &["--noflush", "--verbose"],
                    Tools::Spawned => &[],
                };
                Dialogue::start(self.tool, arguments)?
            }
        };
        dialogue.forget();
        self.said_before = dialogue.lines_said();
        self.fences += 1;
        match self.tools {
            Tools::LongLived | Tools::Changes => {
                dialogue.say(&[self.script.text(), &self.fence(), "\n"])?;
            }
            Tools::Spawned => {
                dialogue.say(&[self.script.text()])?;
                dialogue.hang_up()?;
            }
        }
        self.dialogue = Some(dialogue);
        self.awaited = true;
        Ok(())
    }

    fn fence(&self) -> String {
        format!("# calidiff {}", self.fences)
    }

    /// What to poll while the tool has yet to answer.
    pub(super) fn ends(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.at_work().into_iter().flat_map(Dialogue::ends)
    }

    /// Waits for the tool's next word, if it has yet to answer.
    pub(super) fn wait(&mut self) -> Result<(), KernelError> {
        let waited = self.at_work().map_or(Ok(()), Dialogue::wait);
        waited.inspect_err(|_| self.give_up())
    }

    /// Whether the last script is loaded, or refused; `None` while the tool is at it.
    pub(super) fn answer(&mut self) -> Result<Option<Result<(), NotProgrammed>>, KernelError> {
        let fence = self.fence();
        let Some(dialogue) = self.dialogue.as_mut().filter(|_| self.awaited) else {
            return Ok(Some(Ok(())));
        };
        let heard = dialogue.heard(Stream::Output, &fence);
        match heard.inspect_err(|_| self.give_up())? {
            None => Ok(None),
            Some(Heard::Line) => {
                self.awaited = false;
                Ok(Some(Ok(())))
            }
            Some(Heard::End(status)) => Ok(Some(self.ended(status))),
        }
    }

    fn at_work(&self) -> Option<&Dialogue> {
        self.dialogue.as_ref().filter(|_| self.awaited)
    }

    /// Ends a tool that hangs.
    fn give_up(&mut self) {
        self.awaited = false;
        self.dialogue = None;
        self.script.may_hold(&self.before);
    }

    /// What it means that the tool has ended.
    fn ended(&mut self, status: Option<i32>) -> Result<(), NotProgrammed> {
        self.awaited = false;
        let dialogue = self.dialogue.take();
        if status == Some(0) && self.tools == Tools::Spawned {
            return Ok(());
        }
        let complaints = dialogue.map(|dialogue| dialogue.complaints());
        let complaints = complaints.unwrap_or_default();
        let complaint = self.script.explain(&complaints, self.said_before);
        self.script.may_hold(&self.before);
        let message = match status {
            Some(_) if !complaint.is_empty() => complaint,
            Some(status) => format!("nothing, with exit status {status}"),
            None => format!("{complaint} (ended by a signal)"),
        };
        Err(NotProgrammed {
            tool: self.tool.to_owned(),
            message,
        })
    }
}
