//! The known divergences, which every test of the ledger shows again: a fault under which one is gone, or is
//! another, is noticed there.

use super::ground::BACKEND;
use super::site::Rules;
use super::{Fault, Site};
use crate::arm::plan::Plan;
use crate::campaign::trial::{Expected, classify};
use crate::diff::judgement::Outcome;
use crate::diff::ledger::Ledger;
use crate::packet::Batch;
use crate::render::Layout;

/// An accepted divergence that shows without a kernel.
pub(super) struct Accepted {
    id: String,
    plan: Plan,
    batch: Batch,
}

impl Accepted {
    /// Those of a ledger that a layout still shows.
    pub(super) fn all(ledger: &Ledger, layout: Layout) -> Vec<Self> {
        let entries = ledger.entries();
        let accepted = entries.filter(|(_, entry)| entry.accepted.is_some());
        let accepted = accepted.filter_map(|(id, entry)| {
            let plan = Plan::new(layout, &entry.scenario).ok()?;
            Some(Self {
                id: id.to_owned(),
                plan,
                batch: entry.scenario.batch.clone(),
            })
        });
        accepted
            .filter(|one| one.is_shown(one.plan.clone()))
            .collect()
    }

    /// The rules that show it, for [`Self::misses`].
    pub(super) fn rules(&self) -> Rules<'_> {
        Rules::of(&self.plan.firewall)
    }

    /// The class that is gone with a fault; `None` where it still shows, or there is nothing to plant in.
    pub(super) fn misses(&self, rules: &Rules<'_>, site: &Site, fault: Fault) -> Option<&str> {
        let (firewall, _) = rules.plant(site, fault)?;
        let shown = match self.plan.with_firewall(firewall) {
            Ok(plan) => self.is_shown(plan),
            Err(_) => false,
        };
        (!shown).then_some(self.id.as_str())
    }

    /// Whether some packet shows the class by a plan.
    fn is_shown(&self, mut plan: Plan) -> bool {
        let Ok(mut bench) = plan.bench() else {
            return false;
        };
        let expected = Expected::of(&mut bench, &[BACKEND], &self.batch);
        let node = plan.node.clone();
        let mut packets = 0..self.batch.packets.len();
        packets.any(|packet| {
            let said = expected.said(&node, [None, None], packet);
            match said.outcome() {
                Outcome::Differ(division) => {
                    let connections = expected.connections(&self.batch, packet);
                    let packet = &self.batch.packets[packet];
                    let class = classify(&mut plan, packet, &connections, said, &division);
                    class.id() == self.id
                }
                Outcome::Agree | Outcome::Unjudged(_) => false,
            }
        })
    }
}
