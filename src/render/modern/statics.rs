//! What the static chains of several tables share.

use super::ground::Ground;
use super::names;
use crate::calico::configuration::modern::Failsafe;
use crate::calico::rule::RuleProtocol;
use crate::packet::Family;
use crate::render::fragment::{Action, End, Fragment, Network};
use crate::render::pieces::{port, protocol};
use crate::render::table::{FelixChain, FelixRule};
use crate::xtables::Not;

/// UDP, whose number Felix writes where it means its tunnels.
pub(super) const TUNNEL_UDP: RuleProtocol = RuleProtocol::Number(17);

/// The failsafe ports. Untracked, nothing but their own rules lets answers through: those of the other
/// direction's ports are let through, too.
pub(super) fn failsafe_chains(
    ground: &Ground<'_>,
    family: Family,
    untracked: bool,
) -> [FelixChain; 2] {
    let inbound = ground.told.failsafe_inbound();
    let outbound = ground.told.failsafe_outbound();
    let chain = |name, to: &[Failsafe], answers_from: &[Failsafe], far: End| {
        let answers_from = if untracked { answers_from } else { &[] };
        let to = to.iter().map(|one| (End::Destination, one));
        let answers = answers_from.iter().map(|one| (End::Source, one));
        let rules = to.chain(answers);
        let rules = rules.filter_map(|(end, one)| failsafe(family, end, one, far));
        FelixChain::new(name, rules.collect())
    };
    [
        chain(names::FAILSAFE_IN, &inbound, &outbound, End::Source),
        chain(names::FAILSAFE_OUT, &outbound, &inbound, End::Destination),
    ]
}

/// One port; `None` where it is for addresses of the other family.
fn failsafe(family: Family, end: End, open: &Failsafe, far: End) -> Option<FelixRule> {
    if open.net.is_some_and(|net| Family::of(net.addr()) != family) {
        return None;
    }
    let mut asks = vec![protocol(open.protocol), port(end, open.port)];
    let net = open.net.map(Network::Prefix);
    asks.extend(net.map(|net| Fragment::Address(far, Not::is(net))));
    Some(FelixRule::when(asks, Action::Accept))
}

/// What policy has accepted, for an action.
pub(super) fn accepted(ground: &Ground<'_>, action: Action) -> FelixRule {
    FelixRule::when([Fragment::Marked(ground.bits.accept)], action)
}

/// What a host endpoint's policy has accepted, for an action.
pub(super) fn accepted_by_host(ground: &Ground<'_>, action: Action) -> FelixRule {
    accepted(ground, action).saying("Host endpoint policy accepted packet.")
}

/// All bits cleared.
pub(super) fn clear(ground: &Ground<'_>) -> FelixRule {
    FelixRule::always(Action::ClearMark(ground.bits.all()))
}

/// An address in a static set.
pub(super) fn in_set(family: Family, end: End, id: &str) -> Fragment {
    Fragment::Set(end, Not::is(names::set_name(family, id)))
}

/// An address not in a static set.
pub(super) fn not_in_set(family: Family, end: End, id: &str) -> Fragment {
    Fragment::Set(end, Not::negated(names::set_name(family, id)))
}

/// The number of a family.
pub(super) fn version(family: Family) -> u8 {
    match family {
        Family::V4 => 4,
        Family::V6 => 6,
    }
}
