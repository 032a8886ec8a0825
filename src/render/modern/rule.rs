//! One rule of a policy or profile (felix, rules/policy.go, `ProtoRuleToIptablesRules`).
//!
//! A rule is left out for a family where it says the other, by its version or by ICMP's protocol by name;
//! where a list of prefixes, negated or not, has none of the family; and where a negated prefix holds
//! every address.
//!
//! Lists of which one match can't hold all become blocks ([`Blocks`]), in this order: source ports, then
//! destination ports (where the pieces of 15 slots and the sets of named ports together are more than
//! one), source prefixes, destination prefixes (where there are several), negated source prefixes, negated
//! destination prefixes (where these and a prefix left in the rule are more than one). What is left stands
//! in the last rule, which sets the bit of its action; the next one acts on the bit.

use super::asked::{Asked, AskedOfEnd};
use super::blocks::Blocks;
use super::flow::{self, Author};
use super::ground::Ground;
use super::names;
use crate::calico::rule::{Action as RuleAction, NamedProtocol, Rule, RuleProtocol};
use crate::mark::MarkMask;
use crate::packet::Family;
use crate::render::fragment::{Action, End, Fragment, Limit, Network};
use crate::render::ports::{PortList, split};
use crate::render::table::FelixRule;
use crate::xtables::Not;
use ipnet::IpNet;

/// One rule among an author's.
pub(super) struct Place<'a> {
    /// Whose it is.
    pub author: &'a Author<'a>,
    /// The how-manieth, from 0.
    pub index: usize,
}

/// What Felix makes of a rule.
pub(super) fn render(
    ground: &Ground<'_>,
    family: Family,
    rule: &Rule,
    place: &Place<'_>,
) -> Vec<FelixRule> {
    let Some([source, destination]) = ends(family, rule) else {
        return Vec::new();
    };
    let mut ends = [source, destination];
    let mut blocks = Blocks::new(ground.bits);
    for end in &mut ends {
        end.port_block(rule, family, &mut blocks);
    }
    for end in &mut ends {
        end.net_block(&mut blocks);
    }
    for end in &mut ends {
        end.not_net_block(&mut blocks);
    }
    let (mut rules, holds) = blocks.finish();
    let mut asks = asks(rule, family, &ends);
    asks.extend(holds);
    act(ground, rule.action, asks, place, &mut rules);
    let notes = rule.notes.iter();
    let notes: Vec<String> = notes
        .map(|(key, value)| names::comment(&format!("{key}={value}")))
        .collect();
    let rules = rules.into_iter();
    rules
        .map(|rule| notes.iter().cloned().fold(rule, FelixRule::saying))
        .collect()
}

/// One end of a rule: what is still to be asked of it.
struct RuleEnd {
    end: End,
    nets: Vec<IpNet>,
    not_nets: Vec<IpNet>,
    ports: Vec<PortList>,
    asked: AskedOfEnd,
}

/// Both ends, for a family; `None` where the rule is not for it.
fn ends(family: Family, rule: &Rule) -> Option<[RuleEnd; 2]> {
    let by_protocol = match rule.protocol {
        Some(RuleProtocol::Named(NamedProtocol::Icmp)) => Some(Family::V4),
        Some(RuleProtocol::Named(NamedProtocol::Icmpv6)) => Some(Family::V6),
        _ => None,
    };
    if rule
        .family
        .or(by_protocol)
        .is_some_and(|only| only != family)
    {
        return None;
    }
    let end = |end, side: &crate::calico::Side| {
        let not_nets = of_family(family, &side.not_nets)?;
        if not_nets.iter().any(|net| net.prefix_len() == 0) {
            return None;
        }
        let asked = AskedOfEnd::of(end, side, rule.protocol);
        Some(RuleEnd {
            end,
            nets: of_family(family, &side.nets)?,
            not_nets,
            ports: split(&asked.numbers),
            asked,
        })
    };
    Some([
        end(End::Source, &rule.source)?,
        end(End::Destination, &rule.destination)?,
    ])
}

/// The prefixes of a family; `None` where all are of the other.
fn of_family(family: Family, nets: &[IpNet]) -> Option<Vec<IpNet>> {
    let own = nets.iter().filter(|net| Family::of(net.addr()) == family);
    let own: Vec<IpNet> = own.copied().collect();
    (nets.is_empty() || !own.is_empty()).then_some(own)
}

impl RuleEnd {
    fn port_block(&mut self, rule: &Rule, family: Family, blocks: &mut Blocks) {
        if self.ports.len() + self.asked.named.len() <= 1 {
            return;
        }
        let end = self.end;
        let numbers = std::mem::take(&mut self.ports).into_iter().map(|ports| {
            let protocol = rule.protocol.iter();
            let protocol = protocol.map(|protocol| Fragment::Protocol(Not::is(*protocol)));
            let ports = Fragment::Ports(end, Not::is(ports));
            protocol.chain([ports]).collect()
        });
        let named = std::mem::take(&mut self.asked.named);
        let named = named
            .into_iter()
            .map(|asked| vec![Fragment::PortSet(end, Not::is(set(family, &asked)))]);
        blocks.any(numbers.chain(named));
    }

    fn net_block(&mut self, blocks: &mut Blocks) {
        if self.nets.len() > 1 {
            let nets = std::mem::take(&mut self.nets);
            blocks.any(self.alternatives(nets));
        }
    }

    fn not_net_block(&mut self, blocks: &mut Blocks) {
        if !self.not_nets.is_empty() && self.nets.len() + self.not_nets.len() > 1 {
            let nets = std::mem::take(&mut self.not_nets);
            blocks.none(self.alternatives(nets));
        }
    }

    fn alternatives(&self, nets: Vec<IpNet>) -> impl Iterator<Item = Vec<Fragment>> + use<> {
        let end = self.end;
        nets.into_iter().map(move |net| {
            let net = Network::Prefix(net);
            vec![Fragment::Address(end, Not::is(net))]
        })
    }
}

fn set(family: Family, asked: &Asked) -> String {
    names::set_name(family, &asked.id())
}

/// What is left for the last rule, in the order in which it is hashed: first all that is to hold, then
/// all that is not to.
fn asks(rule: &Rule, family: Family, ends: &[RuleEnd; 2]) -> Vec<Fragment> {
    let mut asks = Vec::new();
    let protocol = rule.protocol;
    asks.extend(protocol.map(|protocol| Fragment::Protocol(Not::is(protocol))));
    for one in ends {
        let end = one.end;
        let group = |asked: &Asked| Fragment::Set(end, Not::is(set(family, asked)));
        let with_port = |asked: &Asked| Fragment::PortSet(end, Not::is(set(family, asked)));
        let nets = one.nets.iter().map(|net| Network::Prefix(*net));
        asks.extend(nets.map(|net| Fragment::Address(end, Not::is(net))));
        asks.extend(one.asked.groups.iter().map(group));
        asks.extend(one.asked.service.iter().map(with_port));
        let ports = one.ports.iter().cloned();
        asks.extend(ports.map(|ports| Fragment::Ports(end, Not::is(ports))));
        asks.extend(one.asked.named.iter().map(with_port));
    }
    asks.extend(rule.icmp.map(|icmp| Fragment::Icmp(family, Not::is(icmp))));
    let protocol = rule.not_protocol;
    asks.extend(protocol.map(|protocol| Fragment::Protocol(Not::negated(protocol))));
    for one in ends {
        let end = one.end;
        let nets = one.not_nets.iter().map(|net| Network::Prefix(*net));
        asks.extend(nets.map(|net| Fragment::Address(end, Not::negated(net))));
        let groups = one.asked.not_groups.iter();
        asks.extend(groups.map(|asked| Fragment::Set(end, Not::negated(set(family, asked)))));
        let ports = split(&one.asked.not_numbers).into_iter();
        asks.extend(ports.map(|ports| Fragment::Ports(end, Not::negated(ports))));
        let named = one.asked.not_named.iter();
        asks.extend(named.map(|asked| Fragment::PortSet(end, Not::negated(set(family, asked)))));
    }
    let icmp = rule.not_icmp;
    asks.extend(icmp.map(|icmp| Fragment::Icmp(family, Not::negated(icmp))));
    asks
}

/// The last rules: the bit is set, the log of flows is told, the bit is acted on.
fn act(
    ground: &Ground<'_>,
    action: RuleAction,
    asks: Vec<Fragment>,
    place: &Place<'_>,
    rules: &mut Vec<FelixRule>,
) {
    let (bit, then): (MarkMask, Action) = match action {
        RuleAction::Allow => (ground.bits.accept, Action::Return),
        RuleAction::Pass => (ground.bits.pass, Action::Return),
        RuleAction::Deny => (ground.bits.drop, ground.deny()),
        RuleAction::Log => {
            rules.push(log(ground, asks, place));
            return;
        }
    };
    let marked = [Fragment::Marked(bit)];
    rules.push(FelixRule::when(asks, Action::SetMark(bit)));
    let told = flow::of_rule(ground, action, place);
    rules.extend(told.map(|told| FelixRule::when(marked.clone(), told)));
    rules.push(FelixRule::when(marked, then));
}

/// A rule that logs does not decide: the next one is asked.
fn log(ground: &Ground<'_>, asks: Vec<Fragment>, place: &Place<'_>) -> FelixRule {
    let limit = ground.told.log_rate.map(|rate| {
        let names = crate::calico::configuration::modern::RateUnit::NAMES;
        let named = names.iter().find(|(_, unit)| *unit == rate.unit);
        Fragment::Limit(Limit {
            times: rate.times.into(),
            unit: named.map_or("second", |(name, _)| name),
            seconds: rate.unit.seconds(),
            burst: Some(u32::from(ground.told.log_burst)).filter(|burst| *burst > 0),
        })
    });
    let asks: Vec<Fragment> = limit.into_iter().chain(asks).collect();
    let prefix = flow::log_prefix(&ground.world.configuration.log_prefix, place.author);
    FelixRule::when(asks, Action::Log(format!("{prefix}: ")))
}
