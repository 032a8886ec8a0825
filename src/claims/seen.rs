//! What an arm saw of one packet, and the questions that claims ask of it.

use std::net::IpAddr;

use crate::journey::{Fate, Headers, Journey, Sight, Step};
use crate::mark::Mark;
use crate::xtables::{Firewall, Hook, TableName, Target};

/// One packet on one arm: its journey, and the rules that it matched on its way.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// The journey.
    pub journey: Journey,
    /// The trace.
    pub steps: Vec<Step>,
    /// The rules that were loaded.
    pub firewall: &'a Firewall,
}

impl Seen<'_> {
    fn sight(&self, hook: Hook, table: TableName) -> Option<&Sight> {
        let sights = self.journey.sights.iter();
        sights
            .rev()
            .find(|sight| sight.point.hook == hook && sight.point.after == Some(table))
    }

    /// Whether it came to a hook.
    #[must_use]
    pub fn passes(&self, hook: Hook) -> bool {
        let mut sights = self.journey.sights.iter();
        sights.any(|sight| sight.point.hook == hook)
    }

    /// Its mark after a table.
    #[must_use]
    pub fn mark_after(&self, hook: Hook, table: TableName) -> Option<Mark> {
        self.sight(hook, table).map(|sight| sight.mark)
    }

    /// Whether the bits under a mask equal a value after a table.
    #[must_use]
    pub fn marked(&self, hook: Hook, table: TableName, value: u32, mask: u32) -> bool {
        self.mark_after(hook, table)
            .is_some_and(|mark| mark.matches(value, mask))
    }

    /// Its headers after a table.
    #[must_use]
    pub fn headers_after(&self, hook: Hook, table: TableName) -> Option<Headers> {
        self.sight(hook, table).map(|sight| sight.headers)
    }

    /// Whether its destination is this after a table.
    #[must_use]
    pub fn goes_to(&self, hook: Hook, table: TableName, destination: IpAddr) -> bool {
        self.headers_after(hook, table)
            .is_some_and(|headers| headers.destination == destination)
    }

    /// Its source and destination where it was seen first and last.
    #[must_use]
    pub fn ends(&self) -> Option<(Headers, Headers)> {
        let sights = &self.journey.sights;
        Some((sights.first()?.headers, sights.last()?.headers))
    }

    /// Whether the node itself got it.
    #[must_use]
    pub fn local(&self) -> bool {
        self.journey.fate == Fate::Local
    }

    /// Whether it left by an interface.
    #[must_use]
    pub fn sent_by(&self, interface: &str) -> bool {
        matches!(self.journey.fate, Fate::Sent(name) if name.as_str() == interface)
    }

    /// Whether a table ended it at a hook.
    #[must_use]
    pub fn dropped_at(&self, hook: Hook) -> bool {
        matches!(self.journey.fate, Fate::Dropped(point) if point.hook == hook)
    }

    /// Whether it matched a rule, counted from 1.
    #[must_use]
    pub fn matched(&self, table: TableName, chain: &str, rule: usize) -> bool {
        self.step(table, chain, rule).is_some()
    }

    /// The step of a rule that it matched, counted from 1.
    #[must_use]
    pub fn step(&self, table: TableName, chain: &str, rule: usize) -> Option<&Step> {
        self.rules()
            .find(|step| step.table == table && step.chain == chain && step.rule == Some(rule - 1))
    }

    /// The steps of the rules that it matched, in order.
    pub fn rules(&self) -> impl Iterator<Item = &Step> {
        let steps = self.steps.iter();
        steps.filter(|step| step.rule.is_some() && step.matched.is_ok())
    }

    /// Whether this was the last rule that it matched in the rule's table.
    #[must_use]
    pub fn decided_by(&self, table: TableName, chain: &str, rule: usize) -> bool {
        let of_table = self.rules().filter(|step| step.table == table);
        of_table
            .last()
            .is_some_and(|step| step.chain == chain && step.rule == Some(rule - 1))
    }

    /// The chains that it was sent to, in order, with the table of each.
    #[must_use]
    pub fn entered(&self) -> Vec<(TableName, &str)> {
        let sent_to = |step: &Step| match &self.firewall.rule(&step.rule_id()?)?.target {
            Target::Jump(chain) | Target::Goto(chain) => Some((step.table, chain.as_str())),
            _ => None,
        };
        self.rules().filter_map(sent_to).collect()
    }

    /// Whether it was sent to a chain.
    #[must_use]
    pub fn enters(&self, table: TableName, chain: &str) -> bool {
        self.entered().contains(&(table, chain))
    }

    /// The workload endpoints' chains that it was sent to.
    #[must_use]
    pub fn endpoint_chains(&self) -> Vec<&str> {
        let endpoint = |chain: &str| chain.starts_with("cali-fw-") || chain.starts_with("cali-tw-");
        let entered = self.entered().into_iter();
        entered
            .map(|(_, chain)| chain)
            .filter(|chain| endpoint(chain))
            .collect()
    }

    /// What became of it, in few words.
    #[must_use]
    pub fn summary(&self) -> String {
        let mark = self
            .journey
            .sights
            .last()
            .map_or(Mark::NONE, |sight| sight.mark);
        let fate = match self.journey.fate {
            Fate::Local => "delivered to the node".to_owned(),
            Fate::Sent(interface) => format!("sent by {interface}"),
            Fate::Dropped(point) => match self.rules().last() {
                Some(step) => format!(
                    "dropped in {} at {}/{} rule {}",
                    point.hook,
                    step.table,
                    step.chain,
                    step.rule.map_or(0, |rule| rule + 1)
                ),
                None => format!("dropped after {point}"),
            },
            Fate::Unrouted(Some(point)) => format!("lost in routing after {point}"),
            Fate::Unrouted(None) => "lost in routing before OUTPUT".to_owned(),
            Fate::Unhooked => "seen by no hook".to_owned(),
        };
        format!("{fate}, mark {mark}")
    }
}
