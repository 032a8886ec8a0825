//! A decision in the policies' own names.

use std::fmt;

use super::judge::Judge;
use super::opinion::{At, By, Decision, Endpoint};
use crate::calico::World;
use crate::calico::world::Applied;

/// A decision that can be printed: `I3.policy-allows: rule 2 of the ingress of policy …`.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    world: &'a World,
    decision: Decision,
}

impl Judge<'_> {
    /// A decision of this judge, in words.
    #[must_use]
    pub fn words(&self, decision: Decision) -> Words<'_> {
        Words {
            world: self.world,
            decision,
        }
    }
}

impl fmt::Display for Words<'_> {
    /// Rules are counted from 1, as people do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.decision.clause)?;
        match self.decision.by {
            By::Rule { at, policy, rule } => {
                self.rule(f, at, rule)?;
                self.policy(f, policy)?;
                self.endpoint(f, at.endpoint)
            }
            By::Tier { at, tier } => {
                let name = self.world.tiers.get(tier).map_or("?", |tier| &tier.name);
                write!(f, "no {} rule of tier `{name}` matches", at.heading)?;
                self.endpoint(f, at.endpoint)
            }
            By::Profile { at, profile, rule } => {
                self.rule(f, at, rule)?;
                write!(f, " of profile `{}`", self.profile(at.endpoint, profile))?;
                self.endpoint(f, at.endpoint)
            }
            By::NoProfile { at } => {
                write!(f, "no {} rule of a profile matches", at.heading)?;
                self.endpoint(f, at.endpoint)
            }
            By::Failsafe { at, port } => {
                write!(f, "the failsafe port {port} is open to {}", at.heading)?;
                self.endpoint(f, at.endpoint)
            }
            By::Connection => f.write_str("connection tracking"),
            By::Endpoint(endpoint) => self.endpoint_alone(f, endpoint),
            By::Interface(name) => write!(f, "the interface `{name}`"),
            By::Configuration => f.write_str("the configuration"),
            By::Routing(why) => write!(f, "{why}"),
        }
    }
}

impl Words<'_> {
    fn rule(&self, f: &mut fmt::Formatter<'_>, at: At, rule: usize) -> fmt::Result {
        write!(f, "{} rule {}", at.heading, rule + 1)
    }

    fn policy(&self, f: &mut fmt::Formatter<'_>, place: Applied) -> fmt::Result {
        let Some(tier) = self.world.tiers.get(place.tier) else {
            return f.write_str(" of another world");
        };
        let policy = tier.policies.get(place.policy);
        let policy = policy.map_or("?", |policy| &policy.name);
        write!(f, " of policy `{policy}` in tier `{}`", tier.name)
    }

    fn profile(&self, endpoint: Endpoint, profile: usize) -> &str {
        let profiles = match endpoint {
            Endpoint::Workload(index) => self.world.workloads.get(index).map(|one| &one.profiles),
            Endpoint::Host(index) => self.world.hosts.get(index).map(|one| &one.profiles),
        };
        profiles
            .and_then(|profiles| profiles.get(profile))
            .map_or("?", String::as_str)
    }

    fn endpoint(&self, f: &mut fmt::Formatter<'_>, endpoint: Endpoint) -> fmt::Result {
        f.write_str(", at ")?;
        self.endpoint_alone(f, endpoint)
    }

    fn endpoint_alone(&self, f: &mut fmt::Formatter<'_>, endpoint: Endpoint) -> fmt::Result {
        let (kind, name) = match endpoint {
            Endpoint::Workload(index) => (
                "workload",
                self.world.workloads.get(index).map(|one| &one.name),
            ),
            Endpoint::Host(index) => (
                "host endpoint",
                self.world.hosts.get(index).map(|one| &one.name),
            ),
        };
        write!(f, "the {kind} `{}`", name.map_or("?", String::as_str))
    }
}
