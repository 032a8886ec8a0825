//! What the causes of this layout ask of a packet.

use std::net::IpAddr;

use super::super::Unmeant;
use super::super::facts::{is_felixs, stands_behind};
use crate::calico::configuration::Modern;
use crate::calico::configuration::modern::AllowAction;
use crate::calico::rule::Ports;
use crate::calico::world::{HostInterface, PeersIndex, Stage};
use crate::calico::{Rule, Side};
use crate::diff::chains::is_of_policy;
use crate::diff::meaning::End;
use crate::diff::shape::{Shape, is_calicos};
use crate::intent::{Clause, Verdict};
use crate::journey::Step;
use crate::packet::{InterfaceName, Origin};
use crate::xtables::{Hook, Match, TableName, Target};

pub(super) fn others_set_its_bits(found: &Unmeant<'_>) -> bool {
    let own = found.told().mark_mask;
    let mut set = 0;
    found.steps.iter().any(|step| {
        if !is_felixs(&step.chain) && !found.is_felixs_own(step) {
            set |= (step.before.0 ^ step.after.0) & own;
            return false;
        }
        let rule = found.rule_of(step);
        let mut asked = rule.into_iter().flat_map(|rule| &rule.matches);
        asked.any(|one| matches!(one, Match::Mark(test) if test.value.mask & set != 0))
    })
}

pub(super) fn is_name(ports: &Ports) -> bool {
    matches!(ports, Ports::Named(_))
}

pub(super) fn names_ports(rule: &Rule) -> bool {
    let sides = [&rule.source, &rule.destination];
    let mut ports = sides.into_iter().flat_map(|side| &side.ports);
    ports.any(is_name) || names_other_ports(rule)
}

pub(super) fn names_other_ports(rule: &Rule) -> bool {
    let sides = [&rule.source, &rule.destination];
    let mut ports = sides.into_iter().flat_map(|side| &side.not_ports);
    ports.any(is_name)
}

pub(super) fn is_of_connection(clause: Clause) -> bool {
    matches!(
        clause,
        Clause::I5Original | Clause::I5Reply | Clause::I5Related
    )
}

pub(super) fn translates(step: &Step) -> bool {
    let targets = ["DNAT", "SNAT", "MASQUERADE", "REDIRECT"];
    step.matched.is_ok() && targets.iter().any(|target| step.did.starts_with(target))
}

pub(super) fn came_with_the_drop_bit(found: &Unmeant<'_>) -> bool {
    let Some(bits) = found.modern_bits() else {
        return false;
    };
    // Between the two may stand what tells the log of flows.
    let tells = |step: &&Step| step.did != "goes on";
    let mut back = found.steps.iter().rev().filter(tells);
    let (Some(last), Some(before)) = (back.next(), back.next()) else {
        return false;
    };
    let behind = stands_behind(last, before);
    let ends = last.did.starts_with("DROP") || last.did.starts_with("REJECT");
    found.is_lost()
        && ends
        && behind
        && before.matched.is_err()
        && is_of_policy(&last.chain)
        && last.before.0 & bits.drop.bits() != 0
}

pub(super) fn left_by_an_earlier_block(found: &Unmeant<'_>) -> bool {
    let Some(bits) = found.modern_bits() else {
        return false;
    };
    let second = bits.scratch1.bits();
    let mut set_since = false;
    for step in found.steps.iter().filter(|step| is_of_policy(&step.chain)) {
        let Some(rule) = found.rule_of(step) else {
            continue;
        };
        let asks = rule.matches.iter().any(|one| {
            matches!(one, Match::Mark(test) if test.value.mask == second && test.value.value == 0)
        });
        if asks {
            if step.matched.is_err() && !set_since {
                return true;
            }
            set_since = false;
        }
        let sets = matches!(&rule.target, Target::Mark(mark) if mark.value == second);
        set_since |= sets && step.matched.is_ok();
    }
    false
}

impl Unmeant<'_> {
    pub(in crate::diff::cause) fn told(&self) -> &Modern {
        &self.world.configuration.modern
    }

    pub(in crate::diff::cause) fn arrives_by(&self) -> Option<InterfaceName> {
        match self.packet.origin {
            Origin::Arrives(by) => Some(by),
            Origin::Node => None,
        }
    }

    /// Whether Felix wrote a rule in a kernel's chain.
    pub(in crate::diff::cause) fn is_felixs_own(&self, step: &Step) -> bool {
        let rule = self.rule_of(step);
        rule.is_some_and(|rule| is_calicos(&step.chain, rule))
    }

    /// Whether another program's rule asks it for bits of the mark that are Felix's.
    pub(in crate::diff::cause) fn others_ask_for_its_bits(&self) -> bool {
        let own = self.told().mark_mask;
        self.steps.iter().any(|step| {
            let rule = self.rule_of(step);
            rule.is_some_and(|rule| {
                let mut asked = rule.matches.iter();
                !is_calicos(&step.chain, rule)
                    && asked
                        .any(|one| matches!(one, Match::Mark(test) if test.value.mask & own != 0))
            })
        })
    }

    /// Whether one of Felix's rules about connections takes it for a later packet of one.
    pub(in crate::diff::cause) fn is_taken_for_established(&self) -> bool {
        self.matched_in(TableName::Filter, |step| {
            let rule = self.rule_of(step);
            let shape = rule.map(|rule| Shape::of(step.table, &step.chain, rule));
            is_felixs(&step.chain)
                && shape.is_some_and(|shape| shape.as_str().contains("RELATED+ESTABLISHED"))
        })
    }

    /// Whether cali-wl-to-host takes it whatever policy says.
    pub(in crate::diff::cause) fn is_always_taken(&self) -> bool {
        self.matched_in(TableName::Filter, |step| {
            let rule = self.rule_of(step);
            step.chain == "cali-wl-to-host"
                && matches!(step.did.as_str(), "ACCEPT" | "RETURN")
                && rule.is_some_and(|rule| rule.protocol.is_some())
        })
    }

    /// Whether a rule of a policy or profile of the world is such.
    pub(in crate::diff::cause) fn has_rule(&self, is: impl Fn(&Rule) -> bool) -> bool {
        let policies = self.world.tiers.iter().flat_map(|tier| &tier.policies);
        let policies = policies.flat_map(|policy| policy.ingress.iter().chain(&policy.egress));
        let profiles = self.world.profiles.values();
        let profiles = profiles.flat_map(|profile| profile.ingress.iter().chain(&profile.egress));
        policies.chain(profiles).any(is)
    }

    /// Whether a side of such a rule is so, shown which groups have the packet's address on that side.
    pub(in crate::diff::cause) fn has_side(
        &self,
        is: impl Fn(&Side, &dyn Fn(&PeersIndex) -> bool) -> bool,
    ) -> bool {
        self.has_rule(|rule| {
            let ends = [
                (&rule.source, self.packet.source),
                (&rule.destination, self.real_destination()),
            ];
            let mut ends = ends.into_iter();
            ends.any(|(side, address)| {
                is(side, &|index| self.world.peers(*index).contains(address))
            })
        })
    }

    /// Where it goes in the end, as far as anybody says.
    pub(in crate::diff::cause) fn real_destination(&self) -> IpAddr {
        let meant = self.opinion.exit.as_ref().map(|exit| exit.destination);
        match self.end {
            End::Out { destination, .. } => destination,
            End::Lost => meant.unwrap_or(self.packet.destination),
        }
    }

    /// Whether a host endpoint names an interface, or expects an address of it.
    pub(in crate::diff::cause) fn has_its_own_endpoint(&self, interface: InterfaceName) -> bool {
        let addresses = self.node.addresses().filter(|(at, _)| *at == interface);
        let addresses: Vec<IpAddr> = addresses.map(|(_, net)| net.addr()).collect();
        let mut hosts = self.world.hosts.iter();
        hosts.any(|host| match host.of {
            HostInterface::Named(name) => name == interface,
            HostInterface::ByAddress => {
                let mut expected = host.expected_addresses.iter();
                expected.any(|one| addresses.contains(one))
            }
            HostInterface::All => false,
        })
    }

    /// Whether a host endpoint's dispatch comes to its last rule, which is the wildcard endpoint's.
    pub(in crate::diff::cause) fn comes_to_the_wildcard(
        &self,
        table: TableName,
        dispatch: &str,
    ) -> bool {
        self.matched_in(table, |step| {
            let rule = self.rule_of(step);
            step.chain.starts_with(dispatch)
                && rule.is_some_and(|rule| {
                    let any = rule.in_interface.is_none() && rule.out_interface.is_none();
                    any && matches!(rule.target, Target::Goto(_))
                })
        })
    }

    /// Whether it comes into a chain of a table.
    pub(in crate::diff::cause) fn visits(&self, table: TableName, chain: &str) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| step.table == table && step.chain == chain)
    }

    /// Whether a rule of a table matches of which this is true.
    pub(in crate::diff::cause) fn matched_in(
        &self,
        table: TableName,
        is: impl Fn(&Step) -> bool,
    ) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| {
            step.table == table && step.rule.is_some() && step.matched.is_ok() && is(step)
        })
    }

    /// Whether a rule of this chain has the last word in a table.
    pub(in crate::diff::cause) fn ended_in(&self, table: TableName, chain: &str) -> bool {
        self.deciding(table)
            .is_some_and(|step| step.chain == chain && step.rule.is_some())
    }

    /// Whether cali-INPUT or cali-OUTPUT accepts it before it asks whose it is, as what nodes send each
    /// other.
    pub(in crate::diff::cause) fn is_accepted_as_a_tunnels(&self) -> bool {
        let accept = match self.told().filter_allow {
            AllowAction::Accept => "ACCEPT",
            AllowAction::Return => "RETURN",
        };
        self.matched_in(TableName::Filter, |step| {
            let rule = self.rule_of(step);
            let of_tunnel = rule.is_some_and(|rule| rule.protocol.is_some());
            matches!(step.chain.as_str(), "cali-INPUT" | "cali-OUTPUT")
                && of_tunnel
                && step.did == accept
        })
    }

    /// Whether it left Felix's chain of FORWARD with the accept bit.
    pub(in crate::diff::cause) fn is_marked_accepted(&self) -> bool {
        let Some(bits) = self.modern_bits() else {
            return false;
        };
        let behind = self.steps.iter().rev().find(|step| {
            step.hook == Hook::Forward && step.table == TableName::Filter && is_felixs(&step.chain)
        });
        behind.is_some_and(|step| step.after.0 & bits.accept.bits() != 0)
    }

    /// Whether a host endpoint has policies of a stage.
    pub(in crate::diff::cause) fn has_policies_of(&self, stage: Stage) -> bool {
        let applied = self.world.hosts.iter().flat_map(|host| &host.policies);
        let mut policies = applied.filter_map(|place| {
            let tier = self.world.tiers.get(place.tier)?;
            tier.policies.get(place.policy)
        });
        policies.any(|policy| policy.stage == stage)
    }

    /// Whether Felix accepts it in mangle for its connection, so that others' rules behind are not asked, and
    /// others' rules or a base policy have the last word in filter.
    pub(in crate::diff::cause) fn is_spared_others_in_mangle(&self) -> bool {
        let accepted = self.matched_in(TableName::Mangle, |step| {
            let rule = self.rule_of(step);
            let mut asked = rule.into_iter().flat_map(|rule| &rule.matches);
            step.chain == "cali-PREROUTING"
                && step.did == "ACCEPT"
                && asked.any(|one| matches!(one, Match::Conntrack(_)))
        });
        let ruleset = self.firewall.ruleset(self.packet.family());
        let mangle = ruleset.table(TableName::Mangle);
        let chain = mangle.and_then(|table| table.chain(Hook::Prerouting.chain()));
        let last = chain.and_then(|chain| chain.rules.last());
        let decided = self.deciding(TableName::Filter);
        accepted
            && last.is_some_and(|rule| rule.target != Target::Jump("cali-PREROUTING".to_owned()))
            && decided.is_some_and(|step| !is_felixs(&step.chain))
    }

    /// Whether Felix says nothing about it at a hook, so that others' rules or the base policy decide.
    pub(in crate::diff::cause) fn is_left_to_others(&self, hook: Hook) -> bool {
        let decided = self.deciding(TableName::Filter);
        decided.is_some_and(|step| step.hook == hook && !is_felixs(&step.chain))
            && !(self.opinion.verdict == Verdict::Allow && self.is_marked_accepted())
    }
}
