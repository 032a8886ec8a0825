//! Which bits of the mark anybody still reads.

use std::collections::BTreeMap;

use super::code::{Action, Code, Step, Test};
use super::context::Frame;
use crate::node::{Node, Route, RouteKind};
use crate::packet::InterfaceName;
use crate::xtables::{Backend, Hook, TableName};

/// The bits that are read behind each table at each hook, and within chains.
pub(super) struct Live<'a> {
    code: &'a Code,
    behind: BTreeMap<(Hook, TableName), u32>,
    /// Whether what the node forwards may come back over `lo`.
    comes_back: bool,
}

impl<'a> Live<'a> {
    /// Of all rules of a family. What the node sends to itself comes back over `lo` and is asked from the
    /// start, with its mark; what it forwards only where a route leads there.
    pub(super) fn new(node: &Node, code: &'a Code) -> Self {
        let to_lo = |route: &Route| matches!(route.to, RouteKind::Unicast { interface, .. } if interface == InterfaceName::LOOPBACK);
        let mut live = Self {
            code,
            behind: BTreeMap::new(),
            comes_back: node.routes.iter().any(to_lo),
        };
        loop {
            let before = live.behind.clone();
            for hook in Hook::ALL.into_iter().rev() {
                let mut later = live.after(hook);
                for table in TableName::at(hook, Backend::Legacy).into_iter().rev() {
                    live.behind.insert((hook, table), later);
                    later = live.built_in(hook, table, later);
                }
            }
            if live.behind == before {
                return live;
            }
        }
    }

    /// What is read behind a table at a hook.
    pub(super) fn behind(&self, hook: Hook, table: TableName) -> u32 {
        self.behind.get(&(hook, table)).copied().unwrap_or(0)
    }

    /// What is read from some places on, the innermost last.
    pub(super) fn from(&self, hook: Hook, table: TableName, frames: &[Frame]) -> u32 {
        let end = self.behind(hook, table);
        frames.iter().fold(end, |returned, frame| {
            self.rest(table, &frame.chain, frame.next, returned, end)
        })
    }

    fn after(&self, hook: Hook) -> u32 {
        match hook {
            Hook::Prerouting => self.at(Hook::Input) | self.at(Hook::Forward),
            Hook::Input => 0,
            Hook::Forward if !self.comes_back => self.through(Hook::Postrouting, 0),
            Hook::Forward | Hook::Output => self.at(Hook::Postrouting),
            Hook::Postrouting => self.at(Hook::Prerouting),
        }
    }

    /// What is read from a hook's start on.
    fn at(&self, hook: Hook) -> u32 {
        match TableName::at(hook, Backend::Legacy).first() {
            Some(table) => self.built_in(hook, *table, self.behind(hook, *table)),
            None => 0,
        }
    }

    /// The same, if this is read behind the hook.
    fn through(&self, hook: Hook, behind: u32) -> u32 {
        let tables = TableName::at(hook, Backend::Legacy).into_iter().rev();
        tables.fold(behind, |later, table| self.built_in(hook, table, later))
    }

    fn built_in(&self, hook: Hook, table: TableName, end: u32) -> u32 {
        let live = self.rest(table, hook.chain(), 0, end, end);
        // Whose mark changes here is routed again.
        let reroutes = table == TableName::Mangle && hook == Hook::Output;
        match reroutes {
            true => live | self.written(table),
            false => live,
        }
    }

    fn written(&self, table: TableName) -> u32 {
        let chains = self.code.chains.iter();
        let steps = chains
            .filter(|((of, _), _)| *of == table)
            .flat_map(|(_, chain)| &chain.steps);
        steps.fold(0, |bits, step| match &step.action {
            Action::Mark(mark) => bits | mark.mask | mark.value,
            Action::Opaque(_) => u32::MAX,
            _ => bits,
        })
    }

    /// What is read from a step of a chain on, if that is read behind its return, and that behind the table.
    fn rest(&self, table: TableName, chain: &str, next: usize, returned: u32, end: u32) -> u32 {
        let steps = self.code.steps(table, chain, next);
        steps.iter().rev().fold(returned, |behind, step| {
            let then = match &step.action {
                Action::Pass | Action::Notrack | Action::Class(_) => behind,
                Action::Accept | Action::Ends(_) => end,
                Action::Drop => 0,
                Action::Return => returned,
                Action::Jump(called) => self.rest(table, called, 0, behind, end),
                Action::Goto(called) => self.rest(table, called, 0, returned, end),
                Action::Mark(mark) => behind & !mark.mask,
                Action::Opaque(_) => u32::MAX,
            };
            let otherwise = if is_sure(step) { 0 } else { behind };
            then | otherwise | asked(step)
        })
    }
}

/// Whether every packet matches a rule.
fn is_sure(step: &Step) -> bool {
    step.tests.is_empty()
}

fn asked(step: &Step) -> u32 {
    step.tests.iter().fold(0, |bits, test| match test {
        Test::Mark(mark, _) => bits | mark.mask,
        _ => bits,
    })
}
