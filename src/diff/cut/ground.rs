//! The node, and what other programs have loaded on it.

use super::Walk;
use crate::node::{Interface, Node, ReversePath, RouteKind};
use crate::xtables::set::Set;
use crate::xtables::{Chain, Policy, Rule, Ruleset};

impl Walk<'_> {
    pub(super) fn node(&mut self, node: &mut Node) {
        self.each(&mut node.interfaces, Self::interface);
        self.each(&mut node.routes, |walk, route| {
            if let RouteKind::Unicast { via, .. } = &mut route.to {
                walk.option(via);
            }
        });
        self.ladder(&mut node.forwards_v4, &[true]);
        self.ladder(&mut node.forwards_v6, &[true]);
    }

    fn interface(&mut self, interface: &mut Interface) {
        self.list(&mut interface.addresses);
        self.ladder(&mut interface.reverse_path, &[ReversePath::Off]);
        self.ladder(&mut interface.route_localnet, &[false]);
    }

    pub(super) fn ruleset(&mut self, ruleset: &mut Ruleset) {
        self.each(&mut ruleset.tables, |walk, table| {
            walk.chains(&mut table.chains);
        });
    }

    fn chains(&mut self, chains: &mut Vec<Chain>) {
        self.each(chains, |walk, chain| {
            if chain.policy.is_some() {
                walk.ladder(&mut chain.policy, &[Some(Policy::Accept)]);
            }
            walk.each(&mut chain.rules, Self::programmed_rule);
        });
    }

    fn programmed_rule(&mut self, rule: &mut Rule) {
        self.option(&mut rule.counters);
        self.option(&mut rule.source);
        self.option(&mut rule.destination);
        self.option(&mut rule.in_interface);
        self.option(&mut rule.out_interface);
        self.option(&mut rule.protocol);
        self.option(&mut rule.fragment);
        self.list(&mut rule.matches);
    }

    pub(super) fn sets(&mut self, sets: &mut Vec<Set>) {
        self.each(sets, |walk, set| walk.list(&mut set.elements));
    }
}
