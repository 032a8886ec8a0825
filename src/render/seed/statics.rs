//! Chains that several tables have.

use super::ground::Ground;
use super::names;
use crate::packet::InterfaceName;
use crate::render::dispatch::{By, Dispatch};
use crate::render::fragment::{Action, End};
use crate::render::pieces::{TCP, port, protocol};
use crate::render::table::{FelixChain, FelixRule};

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

/// Both trees over host endpoints' interfaces: packets of others return.
pub(super) fn host_dispatch(interfaces: &[InterfaceName]) -> Vec<FelixChain> {
    let from = Dispatch {
        root: names::FROM_HOST_ENDPOINT,
        endpoints: names::FROM_HOST,
        by: By::In,
        end: Vec::new(),
    };
    let to = Dispatch {
        root: names::TO_HOST_ENDPOINT,
        endpoints: names::TO_HOST,
        by: By::Out,
        end: Vec::new(),
    };
    let mut chains = from.render(interfaces);
    chains.extend(to.render(interfaces));
    chains
}
