//! What the seed's era (Calico 2.1, API v1) can't say.
//!
//! Its layout of rules has no place for tiers, types, policies about forwarded traffic, named ports,
//! several prefixes in a field, and sets of prefixes. A world that needs one is refused with its
//! name; nothing is left out silently.

use std::fmt;

use super::resources::policy::DEFAULT_TIER;
use super::rule::{Ports, Rule, Side};
use super::world::{
    DefaultAction, HostInterface, Peers, PeersBy, Policy, Stage, Tier, WorkloadEndpoint, World,
};

/// A world that the seed's era can't say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{whose} {what}, which Calico 2.1 does not know; expected {expected}")]
pub struct NotOfTheSeedsEra {
    whose: String,
    what: String,
    expected: &'static str,
}

impl NotOfTheSeedsEra {
    fn new(whose: &impl fmt::Display, what: impl Into<String>, expected: &'static str) -> Self {
        Self {
            whose: whose.to_string(),
            what: what.into(),
            expected,
        }
    }
}

type Checked = Result<(), NotOfTheSeedsEra>;

/// Checks that the seed's era can say all of a world.
///
/// # Errors
///
/// [`NotOfTheSeedsEra`], the first thing that it can't say.
pub fn check_seed(world: &World) -> Checked {
    check_failsafes(world)?;
    world.tiers.iter().try_for_each(check_tier)?;
    for (name, profile) in &world.profiles {
        let whose = format!("the profile `{name}`");
        check_rules(&whose, &profile.ingress, &profile.egress)?;
    }
    world.peers.iter().try_for_each(check_peers)?;
    world.workloads.iter().try_for_each(check_workload)?;
    for host in &world.hosts {
        if host.of == HostInterface::All {
            let whose = format!("the host endpoint `{}`", host.name);
            let expected = "an interface's name or addresses";
            return Err(NotOfTheSeedsEra::new(
                &whose,
                "is about all interfaces",
                expected,
            ));
        }
    }
    Ok(())
}

fn check_failsafes(world: &World) -> Checked {
    let modern = &world.configuration.modern;
    let told = [
        ("inbound", &modern.failsafe_inbound),
        ("outbound", &modern.failsafe_outbound),
    ];
    for (direction, ports) in told {
        let mut ports = ports.iter().flatten();
        if let Some(other) = ports.find(|port| port.plain_tcp().is_none()) {
            let whose = format!("the {direction} failsafe port {}", other.port);
            let what = match other.net {
                Some(net) => format!("is for {net} alone"),
                None => format!("is of {}", other.protocol),
            };
            let expected = "ports of TCP for everyone";
            return Err(NotOfTheSeedsEra::new(&whose, what, expected));
        }
    }
    Ok(())
}

fn check_tier(tier: &Tier) -> Checked {
    let whose = format!("the tier `{}`", tier.name);
    if tier.name != DEFAULT_TIER && !tier.policies.is_empty() {
        let what = "has policies of its own";
        return Err(NotOfTheSeedsEra::new(
            &whose,
            what,
            "all in the tier `default`",
        ));
    }
    if tier.default_action == DefaultAction::Pass && !tier.policies.is_empty() {
        let what = "passes what it does not decide";
        return Err(NotOfTheSeedsEra::new(
            &whose,
            what,
            "the default action Deny",
        ));
    }
    tier.policies.iter().try_for_each(check_policy)
}

fn check_policy(policy: &Policy) -> Checked {
    let whose = format!("the policy `{}`", policy.name);
    let refused = |what, expected| Err(NotOfTheSeedsEra::new(&whose, what, expected));
    if policy.staged {
        return refused("is only staged", "a policy in force, or none");
    }
    if policy.name.contains('/') {
        return refused("has a namespace", "a policy without one");
    }
    match policy.stage {
        Stage::Normal | Stage::Untracked => {}
        Stage::Forward => return refused("says `applyOnForward`", "a policy without it"),
        Stage::PreDnat => return refused("says `preDNAT`", "a policy without it"),
    }
    if !(policy.governs_ingress && policy.governs_egress) {
        return refused("governs one direction only", "the types Ingress and Egress");
    }
    check_rules(&whose, &policy.ingress, &policy.egress)
}

fn check_rules(whose: &str, ingress: &[Rule], egress: &[Rule]) -> Checked {
    for (direction, rules) in [("ingress", ingress), ("egress", egress)] {
        for (place, rule) in rules.iter().enumerate() {
            let whose = format!("{direction} rule {} of {whose}", place + 1);
            check_side(&whose, "source", &rule.source)?;
            check_side(&whose, "destination", &rule.destination)?;
        }
    }
    Ok(())
}

fn check_side(whose: &str, end: &str, side: &Side) -> Checked {
    let refused = |what: String, expected| Err(NotOfTheSeedsEra::new(&whose, what, expected));
    for (field, nets) in [("nets", &side.nets), ("notNets", &side.not_nets)] {
        if nets.len() > 1 {
            let what = format!("has {} prefixes in `{field}` of its {end}", nets.len());
            return refused(what, "one at most");
        }
    }
    if let Some(service) = &side.service {
        let what = format!("names the service `{}` as its {end}", service.name);
        return refused(what, "addresses or a selector");
    }
    let ports = side.ports.iter().chain(&side.not_ports);
    for port in ports {
        if let Ports::Named(name) = port {
            let what = format!("names the port `{name}` of its {end}");
            return refused(what, "ports by number");
        }
    }
    Ok(())
}

/// The era's sets hold single addresses.
fn check_peers(peers: &Peers) -> Checked {
    let wide = |net: &&ipnet::IpNet| net.prefix_len() != net.max_prefix_len();
    let Some(net) = peers.members.iter().find(wide) else {
        return Ok(());
    };
    let whose = match &peers.by {
        PeersBy::Selector(selector) => format!("the selector `{selector}`"),
        PeersBy::Tag(tag) => format!("the tag `{tag}`"),
    };
    let what = format!("stands for the prefix {net}");
    Err(NotOfTheSeedsEra::new(&whose, what, "single addresses"))
}

fn check_workload(workload: &WorkloadEndpoint) -> Checked {
    if workload.allowed_sources.is_empty() {
        return Ok(());
    }
    let whose = format!("the workload `{}`", workload.name);
    let what = "may send from prefixes besides its addresses";
    Err(NotOfTheSeedsEra::new(&whose, what, "none"))
}
