//! Questions and rules that static chains of every layout have.

use std::net::IpAddr;

use crate::calico::rule::{NamedProtocol, RuleProtocol};
use crate::render::fragment::{Action, End, Fragment, Network};
use crate::render::ports::PortList;
use crate::render::table::FelixRule;
use crate::xtables::Not;

/// TCP by its name.
pub(super) const TCP: RuleProtocol = RuleProtocol::Named(NamedProtocol::Tcp);
/// UDP by its name.
pub(super) const UDP: RuleProtocol = RuleProtocol::Named(NamedProtocol::Udp);

/// What IPv6 does not work without: multicast listeners (130, 131, 132), router and neighbour
/// solicitation and neighbour advertisement (133, 135, 136).
pub(super) const NEIGHBOURS: [u8; 6] = [130, 131, 132, 133, 135, 136];

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
