//! What the static chains of several tables share.

use std::net::IpAddr;

use super::ground::Ground;
use super::names;
use crate::calico::rule::{NamedProtocol, RuleProtocol};
use crate::render::fragment::{Action, End, Fragment, Network};
use crate::render::ports::PortList;
use crate::render::table::{FelixChain, FelixRule};
use crate::xtables::Not;

/// TCP by its name.
pub(super) const TCP: RuleProtocol = RuleProtocol::Named(NamedProtocol::Tcp);
/// UDP by its name.
pub(super) const UDP: RuleProtocol = RuleProtocol::Named(NamedProtocol::Udp);

/// The failsafe ports, for filter and raw alike: TCP only.
pub(super) fn failsafe_chains(ground: &Ground<'_>) -> [FelixChain; 2] {
    let configuration = &ground.world.configuration;
    let chain = |name: &str, open: &[u16]| {
        let rules = open.iter().map(|number| {
            let asks = [protocol(TCP), port(End::Destination, *number)];
            FelixRule::when(asks, Action::Accept)
        });
        FelixChain::new(name, rules.collect())
    };
    [
        chain(names::FAILSAFE_IN, &configuration.failsafe_inbound),
        chain(names::FAILSAFE_OUT, &configuration.failsafe_outbound),
    ]
}

/// A jump that asks nothing.
pub(super) fn jump(chain: &str) -> FelixRule {
    FelixRule::always(Action::Jump(chain.to_owned()))
}

/// A protocol.
pub(super) fn protocol(protocol: RuleProtocol) -> Fragment {
    Fragment::Protocol(Not::is(protocol))
}

/// One port of an end.
pub(super) fn port(end: End, number: u16) -> Fragment {
    Fragment::Ports(end, Not::is(PortList::one(number)))
}

/// A single address of an end.
pub(super) fn address(end: End, address: IpAddr) -> Fragment {
    Fragment::Address(end, Not::is(Network::Address(address)))
}
