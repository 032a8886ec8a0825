//! The chains of workloads and host endpoints (felix 2.1.1, rules/endpoints.go).
//!
//! A chain clears the accept bit, asks the policies one after the other while no rule has set the
//! pass bit, drops what none of them let through or passed on, then asks the profiles and drops the
//! rest. There is one list of policies for both directions: one with rules for the other direction
//! only has an empty chain here, and counts.

use super::ground::Ground;
use super::names::{self, Direction};
use crate::calico::world::{HostEndpoint, Stage, WorkloadEndpoint};
use crate::hash;
use crate::mark::MarkBits;
use crate::packet::InterfaceName;
use crate::render::fragment::{Action, Fragment};
use crate::render::table::{FelixChain, FelixRule};

/// How an endpoint's policies are asked.
enum Asked<'a> {
    /// Once a connection, in filter.
    Connections {
        /// The profiles asked behind the policies.
        profiles: &'a [String],
    },
    /// Of each packet, in raw: there is no profile, and what no policy decides goes on.
    Packets,
}

/// A chain to be.
struct Endpoint<'a> {
    name: String,
    direction: Direction,
    /// The chain asked before all policies.
    failsafe: Option<&'static str>,
    policies: Vec<&'a str>,
    asked: Asked<'a>,
}

impl Endpoint<'_> {
    fn render(&self, bits: MarkBits) -> FelixChain {
        let MarkBits { accept, pass, .. } = bits;
        let mut rules = Vec::new();
        if let Some(failsafe) = self.failsafe {
            rules.push(FelixRule::always(Action::Jump(failsafe.to_owned())));
        }
        rules.push(FelixRule::always(Action::ClearMark(accept)));
        if !self.policies.is_empty() {
            let start = FelixRule::always(Action::ClearMark(pass));
            rules.push(start.saying("Start of policies"));
            for policy in &self.policies {
                self.ask_policy(bits, policy, &mut rules);
            }
        }
        if let Asked::Connections { profiles } = self.asked {
            if !self.policies.is_empty() {
                let undecided = FelixRule::when([Fragment::Unmarked(pass)], Action::Drop);
                rules.push(undecided.saying("Drop if no policies passed packet"));
            }
            for profile in profiles {
                let chain = self.direction.profile_chain(profile);
                rules.push(FelixRule::always(Action::Jump(chain)));
                let accepted = FelixRule::when([Fragment::Marked(accept)], Action::Return);
                rules.push(accepted.saying("Return if profile accepted"));
            }
            let rest = FelixRule::always(Action::Drop);
            rules.push(rest.saying("Drop if no profiles matched"));
        }
        FelixChain::new(self.name.clone(), rules)
    }

    fn ask_policy(&self, bits: MarkBits, policy: &str, rules: &mut Vec<FelixRule>) {
        let jump = Action::Jump(self.direction.policy_chain(policy));
        rules.push(FelixRule::when([Fragment::Unmarked(bits.pass)], jump));
        let accepted = [Fragment::Marked(bits.accept)];
        if matches!(self.asked, Asked::Packets) {
            rules.push(FelixRule::when(accepted.clone(), Action::Notrack));
        }
        let accepted = FelixRule::when(accepted, Action::Return);
        rules.push(accepted.saying("Return if policy accepted"));
    }
}

/// Both chains of a workload, for filter.
pub(super) fn workload_chains(
    ground: &Ground<'_>,
    interface: InterfaceName,
    workload: &WorkloadEndpoint,
) -> [FelixChain; 2] {
    let chains = [
        (names::TO_WORKLOAD, Direction::Ingress),
        (names::FROM_WORKLOAD, Direction::Egress),
    ];
    chains.map(|(prefix, direction)| {
        let name = hash::chain_name(prefix, interface.as_str());
        if !workload.up {
            let rule = FelixRule::always(Action::Drop).saying("Endpoint admin disabled");
            return FelixChain::new(name, vec![rule]);
        }
        let endpoint = Endpoint {
            name,
            direction,
            failsafe: None,
            policies: ground.named(&workload.policies, Stage::Normal),
            asked: Asked::Connections {
                profiles: &workload.profiles,
            },
        };
        endpoint.render(ground.bits)
    })
}

/// Both chains of a host endpoint's interface, for filter (with the plain policies) or for raw (with
/// the untracked ones).
pub(super) fn host_chains(
    ground: &Ground<'_>,
    interface: InterfaceName,
    host: &HostEndpoint,
    stage: Stage,
) -> [FelixChain; 2] {
    let chains = [
        (names::TO_HOST, Direction::Egress, names::FAILSAFE_OUT),
        (names::FROM_HOST, Direction::Ingress, names::FAILSAFE_IN),
    ];
    chains.map(|(prefix, direction, failsafe)| {
        let endpoint = Endpoint {
            name: hash::chain_name(prefix, interface.as_str()),
            direction,
            failsafe: Some(failsafe),
            policies: ground.named(&host.policies, stage),
            asked: match stage {
                Stage::Untracked => Asked::Packets,
                _ => Asked::Connections {
                    profiles: &host.profiles,
                },
            },
        };
        endpoint.render(ground.bits)
    })
}
