//! Rules of policies and profiles.

use ipnet::IpNet;

use super::Walk;
use crate::calico::Selector;
use crate::calico::resources::{Entity, Rule};
use crate::calico::rule::{IcmpMessage, PortNumbers, Ports};
use crate::calico::selector::Expression;

/// An echo request.
const ECHO: IcmpMessage = IcmpMessage {
    kind: 8,
    code: None,
};

impl Walk<'_> {
    pub(super) fn rules(&mut self, rules: &mut Vec<Rule>) {
        self.each(rules, Self::rule);
    }

    fn rule(&mut self, rule: &mut Rule) {
        self.option(&mut rule.family);
        self.option(&mut rule.protocol);
        self.option(&mut rule.not_protocol);
        self.icmp_message(&mut rule.icmp);
        self.icmp_message(&mut rule.not_icmp);
        self.entity(&mut rule.source);
        self.entity(&mut rule.destination);
    }

    fn icmp_message(&mut self, message: &mut Option<IcmpMessage>) {
        if let Some(message) = message {
            self.ladder(message, &[ECHO]);
        }
        self.option(message);
    }

    fn entity(&mut self, entity: &mut Entity) {
        self.each(&mut entity.nets, Self::net);
        self.each(&mut entity.not_nets, Self::net);
        self.each(&mut entity.ports, Self::port_range);
        self.each(&mut entity.not_ports, Self::port_range);
        self.optional_selector(&mut entity.selector);
        self.optional_selector(&mut entity.not_selector);
        self.option(&mut entity.tag);
        self.option(&mut entity.not_tag);
        self.optional_selector(&mut entity.namespace_selector);
        if let Some(accounts) = &mut entity.service_accounts {
            self.list(&mut accounts.names);
            self.optional_selector(&mut accounts.selector);
        }
        self.option(&mut entity.service_accounts);
    }

    /// Wider prefixes on the borders of bytes.
    fn net(&mut self, net: &mut IpNet) {
        let lengths = [0, 8, 16, 24];
        let own = lengths
            .iter()
            .position(|length| *length == net.prefix_len());
        let wider = lengths[..own.unwrap_or(lengths.len())].iter();
        let address = net.addr();
        let wider = wider.filter(|length| **length < net.prefix_len());
        let wider: Vec<IpNet> = wider
            .filter_map(|length| Some(IpNet::new(address, *length).ok()?.trunc()))
            .collect();
        self.simpler(net, wider);
    }

    /// One port, the web's first; of a range also its ends.
    fn port_range(&mut self, ports: &mut Ports) {
        let web = PortNumbers::one(80);
        let simpler = match ports {
            Ports::Named(_) => Vec::new(),
            Ports::Numbers(one) if *one == web => Vec::new(),
            Ports::Numbers(one) if one.first() == one.last() => vec![web],
            Ports::Numbers(range) => vec![
                web,
                PortNumbers::one(range.first()),
                PortNumbers::one(range.last()),
            ],
        };
        self.simpler(ports, simpler.into_iter().map(Ports::Numbers));
    }

    pub(super) fn optional_selector(&mut self, selector: &mut Option<Selector>) {
        if let Some(selector) = selector {
            self.selector(selector);
        }
        self.option(selector);
    }

    /// Everything, or what stands inside.
    pub(super) fn selector(&mut self, selector: &mut Selector) {
        let inside: Vec<Expression> = match selector.expression() {
            Expression::All => return,
            Expression::Not(inner) => vec![inner.as_ref().clone()],
            Expression::And(parts) | Expression::Or(parts) => parts.clone(),
            _ => Vec::new(),
        };
        let inside = inside.into_iter().filter_map(Selector::new);
        let simpler: Vec<Selector> = std::iter::once(Selector::all()).chain(inside).collect();
        self.simpler(selector, simpler);
    }
}
