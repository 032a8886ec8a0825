//! Faults in what is meant: the world that the intent is told differs from the one that is rendered.
//!
//! * [`rule`]: every field of a rule of a policy or profile;
//! * [`world`]: everything else in a world.

pub mod rule;
pub mod world;

use std::fmt;

pub use rule::RuleFault;
pub use world::WorldFault;

use crate::calico::{Rule, World};

/// One way in which the intent can misunderstand a world, at every place where it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Misunderstanding {
    /// Of every rule of a kind.
    Rule(Whose, RuleFault),
    /// Of every list of rules of a kind.
    List(Whose, ListFault),
    /// Of anything else.
    World(WorldFault),
}

/// Whose rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Whose {
    /// Policies', for what endpoints receive.
    PolicyIngress,
    /// Policies', for what endpoints send.
    PolicyEgress,
    /// Profiles', for what endpoints receive.
    ProfileIngress,
    /// Profiles', for what endpoints send.
    ProfileEgress,
}

/// One way in which a list of rules can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListFault {
    /// The first rule is lost.
    LoseFirst,
    /// The last rule is lost.
    LoseLast,
    /// All rules are lost.
    LoseAll,
    /// The rules stand in the opposite order.
    Reverse,
}

impl Misunderstanding {
    /// All of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let lists = [
            ListFault::LoseFirst,
            ListFault::LoseLast,
            ListFault::LoseAll,
            ListFault::Reverse,
        ];
        let of_rules = Whose::ALL.into_iter().flat_map(|whose| {
            let rules = RuleFault::all().into_iter();
            let rules = rules.map(move |fault| Self::Rule(whose, fault));
            rules.chain(lists.map(|fault| Self::List(whose, fault)))
        });
        let worlds = WorldFault::ALL.iter().copied().map(Self::World);
        of_rules.chain(worlds).collect()
    }

    /// The world so misunderstood; `None` where there is nothing of the kind in it.
    #[must_use]
    pub fn plant(self, world: &World) -> Option<World> {
        let mut changed = world.clone();
        match self {
            Self::Rule(whose, fault) => {
                let rules = whose.lists(&mut changed).into_iter().flatten();
                for rule in rules {
                    let mut other = rule.clone();
                    if fault.change(&mut other).is_some() {
                        *rule = other;
                    }
                }
            }
            Self::List(whose, fault) => {
                for rules in whose.lists(&mut changed) {
                    fault.change(rules);
                }
            }
            Self::World(fault) => fault.change(&mut changed),
        }
        (changed != *world).then_some(changed)
    }
}

impl Whose {
    /// All four.
    pub const ALL: [Self; 4] = [
        Self::PolicyIngress,
        Self::PolicyEgress,
        Self::ProfileIngress,
        Self::ProfileEgress,
    ];

    fn lists(self, world: &mut World) -> Vec<&mut Vec<Rule>> {
        let policies = world.tiers.iter_mut().flat_map(|tier| &mut tier.policies);
        let profiles = world.profiles.values_mut();
        match self {
            Self::PolicyIngress => policies.map(|policy| &mut policy.ingress).collect(),
            Self::PolicyEgress => policies.map(|policy| &mut policy.egress).collect(),
            Self::ProfileIngress => profiles.map(|profile| &mut profile.ingress).collect(),
            Self::ProfileEgress => profiles.map(|profile| &mut profile.egress).collect(),
        }
    }
}

impl ListFault {
    fn change(self, rules: &mut Vec<Rule>) {
        match self {
            Self::LoseFirst if !rules.is_empty() => drop(rules.remove(0)),
            Self::LoseFirst => {}
            Self::LoseLast => drop(rules.pop()),
            Self::LoseAll => rules.clear(),
            Self::Reverse => rules.reverse(),
        }
    }
}

impl fmt::Display for Misunderstanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(whose, fault) => write!(f, "{whose} rules: {fault}"),
            Self::List(whose, fault) => write!(f, "{whose} rules: {fault:?}"),
            Self::World(fault) => write!(f, "{fault:?}"),
        }
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::PolicyIngress => "policies' ingress",
            Self::PolicyEgress => "policies' egress",
            Self::ProfileIngress => "profiles' ingress",
            Self::ProfileEgress => "profiles' egress",
        })
    }
}
