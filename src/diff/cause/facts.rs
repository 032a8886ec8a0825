//! What causes ask of a packet that does not end as it was meant to.

use std::net::IpAddr;

use super::Unmeant;
use super::shared::METADATA;
use crate::calico::configuration::InsertMode;
use crate::calico::world::HostInterface;
use crate::diff::chains::is_of_policy;
use crate::diff::meaning::End;
use crate::diff::shape::Shape;
use crate::intent::{By, Clause, Heading, Verdict};
use crate::journey::Step;
use crate::mark::{MarkBits, MarkMask, ModernMarkBits};
use crate::node::ReversePath;
use crate::node::routing::{Routing, Way};
use crate::packet::{Defect, Family, InterfaceName, Origin, Protocol};
use crate::render::Layout;
use crate::xtables::{Hook, Match, Not, Rule, TableName};

impl Unmeant<'_> {
    pub(super) fn clause(&self) -> Clause {
        self.opinion.decision.clause
    }

    pub(super) fn is_lost(&self) -> bool {
        self.end == End::Lost
    }

    /// Whether its header is cut short, and a rule that asks for what is not there ends its way.
    pub(super) fn is_broken_off(&self) -> bool {
        let last = self.steps.last();
        matches!(self.packet.defect, Some(Defect::Truncated(_)))
            && self.is_lost()
            && last.is_some_and(|step| step.matched.is_err())
    }

    /// Whether its header is cut short, and a translation ends its way.
    pub(super) fn is_lost_in_translation(&self) -> bool {
        let translations = ["DNAT", "SNAT", "MASQUERADE"];
        let translates = |step: &Step| {
            step.matched.is_ok() && translations.iter().any(|one| step.did.starts_with(one))
        };
        matches!(self.packet.defect, Some(Defect::Truncated(_)))
            && self.is_lost()
            && self.steps.last().is_some_and(translates)
    }

    /// The rule that a step asks.
    pub(super) fn rule_of(&self, step: &Step) -> Option<&Rule> {
        self.firewall.rule(&step.rule_id()?)
    }

    /// The last rule, or end of a kernel's chain, that decided in a table.
    pub(super) fn deciding(&self, table: TableName) -> Option<&Step> {
        let in_table = self.steps.iter().rev().filter(|step| step.table == table);
        let mut ends = in_table.filter(|step| {
            let ends = [
                "ACCEPT",
                "DROP",
                "REJECT",
                "DNAT",
                "SNAT",
                "MASQUERADE",
                "REDIRECT",
                "policy",
            ];
            step.matched.is_ok() && ends.iter().any(|end| step.did.starts_with(end))
        });
        ends.next()
    }

    /// The same: its chain and its shape.
    pub(super) fn decided(&self, table: TableName) -> (String, String) {
        let Some(step) = self.deciding(table) else {
            return (String::new(), String::new());
        };
        let rule = self.rule_of(step);
        let shape = match rule {
            Some(rule) => Shape::of(table, &step.chain, rule),
            None => Shape::of_policy(table, &step.chain),
        };
        (step.chain.clone(), shape.to_string())
    }

    /// Whether another program's rule accepts it in filter at a hook.
    pub(super) fn others_accept_at(&self, hook: Hook) -> bool {
        self.steps.iter().any(|step| {
            step.table == TableName::Filter
                && step.hook == hook
                && step.chain == hook.chain()
                && step.rule.is_some()
                && step.matched.is_ok()
                && step.did == "ACCEPT"
        })
    }

    /// Whether another program's rule in filter asks it for bits of the mark that are Felix's, and finds them
    /// as Felix leaves them: clear, unless it comes from a workload or is asked before Felix has cleared them.
    pub(super) fn others_read_marks(&self) -> bool {
        let told = &self.world.configuration;
        let Ok(bits) = MarkBits::within(told.mark_mask) else {
            return false;
        };
        let own = bits.all().bits();
        let of_workload = match self.packet.origin {
            Origin::Arrives(by) => self.is_like_a_workloads(by),
            Origin::Node => false,
        };
        self.steps.iter().any(|step| {
            let rule = self.rule_of(step);
            let mut asked = rule.into_iter().flat_map(|rule| &rule.matches);
            let left = step.before.0 & own == 0
                || of_workload
                || told.insert_mode == InsertMode::Append
                || step.hook == Hook::Output;
            step.table == TableName::Filter
                && Hook::of_chain(&step.chain).is_some()
                && left
                && asked.any(|one| matches!(one, Match::Mark(test) if test.value.mask & own != 0))
        })
    }

    /// Whether it has the number of the other family's ICMP, and a policy's rule about that matches it.
    pub(super) fn matches_icmp_of_other_family(&self) -> bool {
        let other = match self.packet.family() {
            Family::V4 => Protocol::ICMP6,
            Family::V6 => Protocol::ICMP,
        };
        self.steps.iter().any(|step| {
            let rule = self.rule_of(step);
            is_of_policy(&step.chain)
                && step.matched.is_ok()
                && rule.is_some_and(|rule| rule.protocol == Some(Not::is(other)))
        })
    }

    /// The bit of the mark that says that a rule passed.
    pub(super) fn pass_bit(&self) -> Option<MarkMask> {
        let told = &self.world.configuration;
        match self.layout {
            Layout::Seed => MarkBits::within(told.mark_mask).ok().map(|bits| bits.pass),
            Layout::Modern => self.modern_bits().map(|bits| bits.pass),
        }
    }

    /// The bits of the mark as Felix of August 2026 hands them out.
    pub(super) fn modern_bits(&self) -> Option<ModernMarkBits> {
        let told = &self.world.configuration.modern;
        ModernMarkBits::within(told.mark_mask, told.wireguard.enabled()).ok()
    }

    /// Whether an interface's name begins as workloads' do.
    pub(super) fn is_like_a_workloads(&self, name: InterfaceName) -> bool {
        let mut prefixes = self.world.configuration.interface_prefixes.iter();
        prefixes.any(|prefix| prefix.begins(name.as_str()))
    }

    /// Whether Felix's rules stand behind another program's, which decides at a hook.
    pub(super) fn others_go_first(&self, hook: Hook) -> bool {
        let decided = self.deciding(TableName::Filter);
        let (_, shape) = self.decided(TableName::Filter);
        let foreign = decided.is_some_and(|step| step.hook == hook && !is_felixs(&step.chain))
            && shape.contains("another program's rule");
        let loses = shape.ends_with("-> DROP") || shape.ends_with("-> REJECT");
        let decides = foreign && self.is_lost() == loses;
        let over_lo = hook == Hook::Output && !self.is_lost() && self.others_accept_at(hook);
        self.world.configuration.insert_mode == InsertMode::Append && (decides || over_lo)
    }

    /// Whether Felix drops it as IP in IP from who is no node of Calico's.
    pub(super) fn is_dropped_as_ip_in_ip(&self) -> bool {
        let shape = self.decided(TableName::Filter).1;
        shape == "filter cali-INPUT: protocol, not set source -> DROP"
            && self.packet.protocol() == Protocol::IPIP
            && !self.world.nodes.contains(&self.packet.source)
    }

    /// Whether Felix accepts it in filter as UNTRACKED and marked.
    pub(super) fn is_accepted_untracked(&self) -> bool {
        self.steps.iter().any(|step| {
            let rule = self.rule_of(step);
            let shape = rule.map(|rule| Shape::of(step.table, &step.chain, rule));
            step.table == TableName::Filter
                && step.matched.is_ok()
                && shape.is_some_and(|shape| shape.as_str().ends_with("mark, UNTRACKED -> ACCEPT"))
        })
    }

    pub(super) fn by_established(&self) -> bool {
        self.decided(TableName::Filter)
            .1
            .contains("RELATED+ESTABLISHED -> ACCEPT")
    }

    pub(super) fn is_dropped_as_invalid(&self) -> bool {
        self.decided(TableName::Filter)
            .1
            .contains("INVALID -> DROP")
    }

    /// Whether it is about an endpoint that is down, or an interface of none.
    pub(super) fn is_shut(&self) -> bool {
        matches!(
            self.clause(),
            Clause::I6FromDown | Clause::I6ToDown | Clause::I6FromUnknown | Clause::I6ToUnknown
        )
    }

    /// Whether the cluster says that it is OpenStack's.
    pub(super) fn is_openstack(&self) -> bool {
        let mut words = self
            .world
            .configuration
            .cluster_type
            .split(',')
            .map(str::trim);
        words.any(|word| word == "openstack")
    }

    /// Whether somebody's floating address is the packet's source, of whose interface it comes.
    pub(super) fn is_from_own_floating(&self) -> bool {
        let mut own = self
            .world
            .workloads
            .iter()
            .filter(|one| self.packet.origin == Origin::Arrives(one.interface))
            .flat_map(|one| &one.floating);
        own.any(|floating| floating.outside == self.packet.source)
    }

    /// Whether a rule of a chain of nat translated it.
    pub(super) fn is_translated_by(&self, chain: &str) -> bool {
        let mut steps = self.steps.iter();
        let translates = ["DNAT", "SNAT", "MASQUERADE"];
        steps.any(|step| {
            step.table == TableName::Nat
                && step.chain == chain
                && step.matched.is_ok()
                && translates.iter().any(|target| step.did.starts_with(target))
        })
    }

    /// Whether Felix's rules stand behind another program's, which gives it another destination.
    pub(super) fn is_translated_by_who_goes_first(&self) -> bool {
        let exit = self.opinion.exit.as_ref();
        self.world.configuration.insert_mode == InsertMode::Append
            && exit.is_some_and(|exit| exit.destination != self.packet.destination)
    }

    /// By which interface its node's routing sends it.
    pub(super) fn out(&self) -> Option<InterfaceName> {
        let routing = Routing::new(self.node);
        let way = match (&self.opinion.exit, self.packet.origin) {
            (Some(exit), _) => exit.way,
            (None, Origin::Node) => routing.sent(self.packet.source, self.packet.destination),
            (None, Origin::Arrives(by)) => {
                routing.arriving(by, self.packet, self.packet.destination)
            }
        };
        match way {
            Way::Out(out) => Some(out),
            Way::Local => Some(InterfaceName::LOOPBACK),
            Way::Nowhere(_) => None,
        }
    }

    /// By which interface the node's own packet would leave if nobody translated it.
    pub(super) fn would_leave(&self) -> Option<InterfaceName> {
        match self.packet.origin {
            Origin::Node => {
                let routing = Routing::new(self.node);
                out_by(routing.sent(self.packet.source, self.packet.destination))
            }
            Origin::Arrives(_) => None,
        }
    }

    /// By which interface it leaves.
    pub(super) fn leaves(&self) -> Option<InterfaceName> {
        match self.end {
            End::Out { way, .. } => out_by(way),
            End::Lost => None,
        }
    }

    /// Whether an interface is named by one host endpoint, and another that expects its address comes
    /// first by name.
    pub(super) fn is_of_two(&self, interface: InterfaceName) -> bool {
        let own: Vec<IpAddr> = self
            .node
            .addresses()
            .filter(|(at, _)| *at == interface)
            .map(|(_, net)| net.addr())
            .collect();
        let mut hosts = self.world.hosts.iter();
        let named = hosts
            .clone()
            .position(|host| host.of == HostInterface::Named(interface));
        let by_address = hosts.position(|host| {
            let mut expected = host.expected_addresses.iter();
            host.of == HostInterface::ByAddress && expected.any(|one| own.contains(one))
        });
        matches!((named, by_address), (Some(named), Some(by_address)) if by_address < named)
    }

    /// Whether its source is the address of the workload of whose interface it comes.
    pub(super) fn is_from_own(&self) -> bool {
        let mut workloads = self.world.workloads.iter();
        workloads.any(|one| {
            self.packet.origin == Origin::Arrives(one.interface)
                && one.addresses.contains(&self.packet.source)
        })
    }

    /// Whether the way back to its source is the way it came.
    pub(super) fn leads_back(&self) -> bool {
        let Origin::Arrives(by) = self.packet.origin else {
            return false;
        };
        let (source, destination) = (self.packet.source, self.packet.destination);
        Routing::new(self.node).sent(destination, source) == Way::Out(by)
    }

    /// Whether it is of IPv4, and the interface that it comes by does not look at the way back.
    pub(super) fn is_unfiltered(&self) -> bool {
        let Origin::Arrives(by) = self.packet.origin else {
            return false;
        };
        let interface = self.node.interface(by);
        let strict = interface.is_some_and(|one| one.reverse_path == ReversePath::Strict);
        self.packet.source.is_ipv4() && !strict
    }

    /// Whether it is of a protocol and to a port.
    pub(super) fn is_to_port(&self, protocol: Protocol, port: u16) -> bool {
        let ports = self.packet.transport.ports();
        self.packet.protocol() == protocol && ports.is_some_and(|ports| ports.destination == port)
    }

    /// Whether it reaches OpenStack's metadata service, asked for by its own address and port or by those
    /// that workloads ask for, or in a connection that says otherwise.
    pub(super) fn is_to_metadata_service(&self) -> bool {
        let told = &self.world.configuration;
        let End::Out { destination, .. } = self.end else {
            return false;
        };
        let fits = match self.packet.destination {
            METADATA => self.is_to_port(Protocol::TCP, 80),
            asked if asked == destination => self.is_to_port(Protocol::TCP, told.metadata_port),
            _ => true,
        };
        fits && told.metadata_address.parse() == Ok(destination)
    }

    /// Whether it comes out as from the floating address, first as text, that stands for where it goes.
    pub(super) fn is_seen_as_from_first_floating(&self) -> bool {
        let End::Out {
            source,
            destination,
            ..
        } = self.end
        else {
            return false;
        };
        let floating = self.world.workloads.iter().flat_map(|one| &one.floating);
        let outside = floating.filter(|one| one.inside == destination);
        let outside = outside.map(|one| (one.outside.to_string(), one.outside));
        outside.min().is_some_and(|(_, first)| first == source)
    }

    /// In which direction, seen from an endpoint, it was meant to be denied by its policies or profiles.
    pub(super) fn denied(&self) -> Option<Heading> {
        match self.opinion.decision.by {
            _ if self.opinion.verdict != Verdict::Deny => None,
            By::Rule { at, .. }
            | By::Tier { at, .. }
            | By::Profile { at, .. }
            | By::NoProfile { at } => Some(at.heading),
            _ => None,
        }
    }

    pub(super) fn inside_of(&self, outside: IpAddr) -> Vec<IpAddr> {
        let floating = self.world.workloads.iter().flat_map(|one| &one.floating);
        let inside = floating.filter(|one| one.outside == outside);
        inside.map(|one| one.inside).collect()
    }
}

/// Whether a rule stands behind another in one chain, with nothing between them but perhaps what tells the
/// log of flows.
pub(super) fn stands_behind(step: &Step, before: &Step) -> bool {
    let (Some(rule), Some(first)) = (step.rule, before.rule) else {
        return false;
    };
    step.chain == before.chain && (rule == first + 1 || rule == first + 2)
}

/// Whether a chain is Felix's.
pub(super) fn is_felixs(chain: &str) -> bool {
    chain.starts_with("cali-")
}

/// By which interface a way leads out of the node, if it does.
pub(super) fn out_by(way: Way) -> Option<InterfaceName> {
    match way {
        Way::Out(out) => Some(out),
        Way::Local | Way::Nowhere(_) => None,
    }
}
