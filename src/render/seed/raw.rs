//! The raw table (felix 2.1.1, rules/static.go): it tells the workloads' packets from others, and
//! asks the host endpoints' untracked policies.

use super::endpoint;
use super::ground::Ground;
use super::names;
use super::statics::{failsafe_chains, host_dispatch};
use crate::calico::world::Stage;
use crate::packet::{Family, InterfaceName};
use crate::render::fragment::{Action, Fragment};
use crate::render::pieces::jump;
use crate::render::table::{FelixChain, FelixRule, FelixTable};
use crate::xtables::{Hook, TableName};

pub(super) fn table(ground: &Ground<'_>, family: Family, policies: Vec<FelixChain>) -> FelixTable {
    let mut chains = policies;
    chains.push(FelixChain::new(
        "cali-PREROUTING",
        prerouting(ground, family),
    ));
    chains.push(FelixChain::new("cali-OUTPUT", output(ground)));
    chains.extend(failsafe_chains(ground));
    chains.extend(host_chains(ground));
    FelixTable::new(TableName::Raw, &[Hook::Prerouting, Hook::Output], chains)
}

fn prerouting(ground: &Ground<'_>, family: Family) -> Vec<FelixRule> {
    let bits = ground.bits;
    let mut rules = vec![FelixRule::always(Action::ClearMark(bits.all()))];
    rules.extend(ground.workload_patterns().map(|pattern| {
        let mark = Action::SetMark(bits.from_workload);
        FelixRule::when([Fragment::InInterface(pattern)], mark)
    }));
    // Of IPv4 the kernel checks the way back itself, by the sysctl rp_filter.
    if family == Family::V6 {
        let strays = [
            Fragment::Marked(bits.from_workload),
            Fragment::ReversePathFails,
        ];
        rules.push(FelixRule::when(strays, Action::Drop));
    }
    let dispatch = Action::Jump(names::FROM_HOST_ENDPOINT.to_owned());
    let others = [Fragment::Unmarked(bits.from_workload)];
    rules.push(FelixRule::when(others, dispatch));
    rules.push(accepted(ground));
    rules
}

fn output(ground: &Ground<'_>) -> Vec<FelixRule> {
    vec![
        FelixRule::always(Action::ClearMark(ground.bits.all())),
        jump(names::TO_HOST_ENDPOINT),
        accepted(ground),
    ]
}

fn accepted(ground: &Ground<'_>) -> FelixRule {
    FelixRule::when([Fragment::Marked(ground.bits.accept)], Action::Accept)
}

/// Only interfaces whose host endpoint has untracked policies are led anywhere.
fn host_chains(ground: &Ground<'_>) -> Vec<FelixChain> {
    let untracked = ground
        .hosts
        .iter()
        .filter(|(_, host)| !ground.named(&host.policies, Stage::Untracked).is_empty());
    let interfaces: Vec<InterfaceName> = untracked.clone().map(|(name, _)| *name).collect();
    let mut chains = host_dispatch(&interfaces);
    chains.extend(untracked.flat_map(|(interface, host)| {
        endpoint::host_chains(ground, *interface, host, Stage::Untracked)
    }));
    chains
}
