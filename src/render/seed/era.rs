//! What the API of the seed's time, v1, can't say: a world with any of it is refused.

use crate::calico::rule::{Ports, Rule, Side};
use crate::calico::world::{
    DefaultAction, HostInterface, Policy, Stage, Tier, WorkloadEndpoint, World,
};
use crate::mark::TooFewBits;

/// Something in a world that Felix 2.1.1 can't have been told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOfTheEra {
    /// More tiers than the one.
    #[error("there are {0} tiers; API v1 has one")]
    Tiers(usize),
    /// A tier with another end.
    #[error("tier `{0}` passes what its policies do not decide; in API v1 it is denied")]
    DefaultAction(String),
    /// A policy asked at a point that came later.
    #[error("policy `{0}` is of {1}; API v1 has only `doNotTrack` besides plain policies")]
    Stage(String, &'static str),
    /// A policy of one direction.
    #[error("policy `{0}` governs one direction; in API v1 it governs both")]
    Direction(String),
    /// A field that held one prefix then.
    #[error("{0} names {1} prefixes in one field; API v1 takes one")]
    Nets(String, usize),
    /// A port's name.
    #[error("{0} names port `{1}`; API v1 takes numbers")]
    NamedPort(String, String),
    /// A group with a prefix in it.
    #[error("a group holds the prefix {0}; in API v1 a selector stands for single addresses")]
    Prefix(ipnet::IpNet),
    /// A host endpoint of all interfaces.
    #[error("host endpoint `{0}` is of all interfaces; API v1 names one, or its addresses")]
    AllInterfaces(String),
    /// Sources besides a workload's own.
    #[error("workload `{0}` may send from {1}; API v1 knows only its own addresses")]
    AllowedSource(String, ipnet::IpNet),
    /// A mark mask without room, which Felix does not start with.
    #[error(transparent)]
    Mark(#[from] TooFewBits),
}

/// Whether Felix 2.1.1 can have been told this world.
///
/// # Errors
///
/// The first thing that it can't.
pub fn check(world: &World) -> Result<(), NotOfTheEra> {
    if world.tiers.len() > 1 {
        return Err(NotOfTheEra::Tiers(world.tiers.len()));
    }
    world.tiers.iter().try_for_each(check_tier)?;
    for (name, profile) in &world.profiles {
        let rules = profile.ingress.iter().chain(&profile.egress);
        check_rules(rules, || format!("profile `{name}`"))?;
    }
    let members = world.peers.iter().flat_map(|group| &group.members);
    for member in members {
        if member.prefix_len() != member.max_prefix_len() {
            return Err(NotOfTheEra::Prefix(*member));
        }
    }
    world.workloads.iter().try_for_each(check_workload)?;
    let mut hosts = world.hosts.iter();
    match hosts.find(|host| host.of == HostInterface::All) {
        Some(host) => Err(NotOfTheEra::AllInterfaces(host.name.clone())),
        None => Ok(()),
    }
}

fn check_tier(tier: &Tier) -> Result<(), NotOfTheEra> {
    if tier.default_action == DefaultAction::Pass {
        return Err(NotOfTheEra::DefaultAction(tier.name.clone()));
    }
    tier.policies.iter().try_for_each(check_policy)
}

fn check_policy(policy: &Policy) -> Result<(), NotOfTheEra> {
    let later = match policy.stage {
        Stage::Normal | Stage::Untracked => None,
        Stage::Forward => Some("applyOnForward"),
        Stage::PreDnat => Some("preDNAT"),
    };
    if let Some(later) = later {
        return Err(NotOfTheEra::Stage(policy.name.clone(), later));
    }
    if !(policy.governs_ingress && policy.governs_egress) {
        return Err(NotOfTheEra::Direction(policy.name.clone()));
    }
    let rules = policy.ingress.iter().chain(&policy.egress);
    check_rules(rules, || format!("policy `{}`", policy.name))
}

fn check_rules<'r>(
    rules: impl Iterator<Item = &'r Rule>,
    whose: impl Fn() -> String,
) -> Result<(), NotOfTheEra> {
    for rule in rules {
        check_side(&rule.source, &whose)?;
        check_side(&rule.destination, &whose)?;
    }
    Ok(())
}

fn check_side(side: &Side, whose: &impl Fn() -> String) -> Result<(), NotOfTheEra> {
    for nets in [&side.nets, &side.not_nets] {
        if nets.len() > 1 {
            return Err(NotOfTheEra::Nets(whose(), nets.len()));
        }
    }
    for ports in side.ports.iter().chain(&side.not_ports) {
        if let Ports::Named(name) = ports {
            return Err(NotOfTheEra::NamedPort(whose(), name.clone()));
        }
    }
    Ok(())
}

fn check_workload(workload: &WorkloadEndpoint) -> Result<(), NotOfTheEra> {
    match workload.allowed_sources.first() {
        Some(source) => Err(NotOfTheEra::AllowedSource(workload.name.clone(), *source)),
        None => Ok(()),
    }
}
