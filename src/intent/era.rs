//! Eras of the API: what each can say, and where a sentence of the intent holds in one alone.

use std::fmt;

use super::clause::Clause;
use crate::calico::rule::Ports;
use crate::calico::world::{HostInterface, Policy, Stage};
use crate::calico::{Rule, World};

/// An era of Calico's API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Era {
    /// Calico 2.1, API v1.
    #[default]
    Seed,
    /// Calico of August 2026, API v3.
    Modern,
}

impl fmt::Display for Era {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Seed => "seed",
            Self::Modern => "modern",
        })
    }
}

/// Something in a world that an era's API can't say, and so means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {era} era has no {what}: {whose} has one")]
pub struct NotOfThisEra {
    /// The era.
    pub era: Era,
    /// What it doesn't have.
    pub what: &'static str,
    /// Which resource has it.
    pub whose: String,
}

impl Era {
    /// Whether packets of known connections are allowed, and invalid ones denied, also where Calico
    /// has no endpoint.
    ///
    /// > Seed's era: I5 holds for all traffic of the node, Calico's or not.
    pub(super) fn tracks_all_traffic(self) -> bool {
        match self {
            Self::Seed => true,
            Self::Modern => false,
        }
    }

    /// Whether host endpoints are asked about what is forwarded from or to a workload.
    ///
    /// > I10 `applyOnForward` policies also judge forwarded traffic at the interface's host endpoint:
    /// > before workload policy on the way in, after it on the way out.
    ///
    /// > Seed's era: […] host endpoint policy judges all forwarded traffic that touches no workload
    pub(super) fn asks_hosts_beside_workloads(self) -> bool {
        match self {
            Self::Seed => false,
            Self::Modern => true,
        }
    }

    /// Whether a branch of a clause can come up in the era.
    #[must_use]
    pub fn has(self, clause: Clause) -> bool {
        let of_modern_alone = matches!(
            clause,
            Clause::ServiceLoop
                | Clause::I1LaterTier
                | Clause::I3Staged
                | Clause::I3Pass
                | Clause::I3DefaultPass
                | Clause::I5Unchecked
                | Clause::I6MayEncapsulate
                | Clause::I6Granted
                | Clause::I9FailsafeNet
                | Clause::I10Default
                | Clause::I10Passed
                | Clause::I11Allows
                | Clause::I11Denies
                | Clause::I11NoMatch
                | Clause::I11NotAsked
                | Clause::I11Failsafe
                | Clause::I13HostThenWorkload
                | Clause::I13WorkloadThenHost
                | Clause::I14Wildcard
                | Clause::I15NamedPorts
                | Clause::I15NotNamedPorts
                | Clause::I15Service
        );
        match self {
            Self::Seed => !of_modern_alone,
            Self::Modern => clause != Clause::I16Tag,
        }
    }

    /// > Seed's era: No tiers, no `types` […], no named ports, no preDNAT, no applyOnForward […], one net
    /// > per field. […] What the era's API can't say is refused with a message when that layout is asked
    /// > for.
    ///
    /// Refused here is only what would have to be guessed; more tiers or nets than the era's API can
    /// write mean what they mean anywhere. Of the modern era nothing is.
    pub(super) fn check(self, world: &World) -> Result<(), NotOfThisEra> {
        if self == Self::Modern {
            return Ok(());
        }
        let refused = |what, whose: String| NotOfThisEra {
            era: self,
            what,
            whose,
        };
        for policy in world.tiers.iter().flat_map(|tier| &tier.policies) {
            if let Some(what) = beyond(policy) {
                return Err(refused(what, format!("the policy `{}`", policy.name)));
            }
        }
        for (name, profile) in &world.profiles {
            if names_ports(profile.ingress.iter().chain(&profile.egress)) {
                return Err(refused("named ports", format!("the profile `{name}`")));
            }
        }
        match world
            .hosts
            .iter()
            .find(|host| host.of == HostInterface::All)
        {
            Some(host) => Err(refused(
                "wildcard host endpoints",
                format!("the host endpoint `{}`", host.name),
            )),
            None => Ok(()),
        }
    }
}

fn beyond(policy: &Policy) -> Option<&'static str> {
    match policy.stage {
        Stage::Forward => Some("applyOnForward"),
        Stage::PreDnat => Some("preDNAT"),
        Stage::Normal | Stage::Untracked => {
            names_ports(policy.ingress.iter().chain(&policy.egress)).then_some("named ports")
        }
    }
}

fn names_ports<'a>(mut rules: impl Iterator<Item = &'a Rule>) -> bool {
    rules.any(|rule| {
        [&rule.source, &rule.destination]
            .into_iter()
            .flat_map(|side| side.ports.iter().chain(&side.not_ports))
            .any(|ports| matches!(ports, Ports::Named(_)))
    })
}
