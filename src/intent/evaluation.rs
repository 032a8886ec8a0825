//! I1 to I4: in which order an endpoint's policies and profiles are asked, and who decides.

use std::sync::Arc;

use super::addresses::Addresses;
use super::clause::{Clause, Clauses};
use super::matching::{Question, Seen};
use super::opinion::{At, By, Decision, Endpoint, Heading, Said, Verdict};
use crate::calico::world::{Applied, DefaultAction, Policy, Stage};
use crate::calico::{Action, Rule, World};

/// Everything in a world that has rules, its rules ready to be asked.
pub(super) struct Rulebook<'a> {
    world: &'a World,
    groups: Vec<Arc<Addresses>>,
    /// By tier and policy, ingress first.
    policies: Vec<Vec<[Rules; 2]>>,
}

/// Rules in the order in which they are asked.
type Rules = Arc<[Question]>;

impl<'a> Rulebook<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let groups: Vec<Arc<Addresses>> = world
            .peers
            .iter()
            .map(|group| Arc::new(Addresses::of(&group.members)))
            .collect();
        let policies = world
            .tiers
            .iter()
            .map(|tier| {
                let policies = tier.policies.iter();
                let rules = |rules: &[Rule]| read(rules, world, &groups);
                policies
                    .map(|policy| [rules(&policy.ingress), rules(&policy.egress)])
                    .collect()
            })
            .collect();
        Self {
            world,
            groups,
            policies,
        }
    }

    /// What governs an endpoint in one direction, of the policies of a stage.
    pub(super) fn governing(
        &self,
        endpoint: Endpoint,
        heading: Heading,
        stage: impl Fn(Stage) -> bool,
    ) -> Governing {
        let (applied, profiles) = match endpoint {
            Endpoint::Workload(index) => {
                let workload = &self.world.workloads[index];
                (&workload.policies, &workload.profiles)
            }
            Endpoint::Host(index) => {
                let host = &self.world.hosts[index];
                (&host.policies, &host.profiles)
            }
        };
        Governing {
            at: At { endpoint, heading },
            staged: self.has_staged(applied, heading, &stage),
            tiers: self.tiers(applied, heading, stage),
            profiles: profiles
                .iter()
                .map(|name| self.profile(name, heading))
                .collect(),
        }
    }

    /// > I1 Tiers go by `order`, lowest first, an absent order last, ties by name. (Built-in: kube-admin
    /// > 1000, default 1,000,000, kube-baseline 10,000,000.) Policies of a tier by `order`, an absent one
    /// > last, ties by "name/namespace/kind".
    ///
    /// A world has its tiers and policies in this order.
    ///
    /// > I3 For one endpoint and direction: for each tier that holds at least one enforced policy for
    /// > that endpoint *in that direction*: […] Staged policies decide nothing; a tier with only staged
    /// > policies is as if absent.
    ///
    /// > I2 A policy governs ingress, egress or both by `types`. Default: ingress if it has no egress rules;
    /// > egress if it has only egress rules; both if it has both. A policy that governs a direction but has
    /// > no matching rule there adds to the implicit deny.
    ///
    /// > Seed's era: no `types` (a policy with rules for one direction governs both)
    ///
    /// A world says which directions a policy governs.
    fn tiers(
        &self,
        applied: &[Applied],
        heading: Heading,
        stage: impl Fn(Stage) -> bool,
    ) -> Box<[GoverningTier]> {
        let mut tiers: Vec<GoverningTier> = Vec::new();
        for place in applied {
            let Some(policy) = self.policy(*place) else {
                continue;
            };
            if policy.staged || !governs(policy, heading) || !stage(policy.stage) {
                continue;
            }
            let rules = &self.policies[place.tier][place.policy];
            let policy = GoverningPolicy {
                place: *place,
                rules: Arc::clone(match heading {
                    Heading::Ingress => &rules[0],
                    Heading::Egress => &rules[1],
                }),
            };
            match tiers.last_mut() {
                Some(tier) if tier.place == place.tier => tier.policies.push(policy),
                _ => tiers.push(GoverningTier {
                    place: place.tier,
                    default_action: self.world.tiers[place.tier].default_action,
                    policies: vec![policy],
                }),
            }
        }
        tiers.into()
    }

    fn has_staged(
        &self,
        applied: &[Applied],
        heading: Heading,
        stage: impl Fn(Stage) -> bool,
    ) -> bool {
        let mut policies = applied.iter().filter_map(|place| self.policy(*place));
        policies.any(|policy| policy.staged && governs(policy, heading) && stage(policy.stage))
    }

    fn policy(&self, place: Applied) -> Option<&'a Policy> {
        self.world.tiers.get(place.tier)?.policies.get(place.policy)
    }

    fn profile(&self, name: &str, heading: Heading) -> Rules {
        let Some(profile) = self.world.profiles.get(name) else {
            return Arc::default();
        };
        let rules = match heading {
            Heading::Ingress => &profile.ingress,
            Heading::Egress => &profile.egress,
        };
        read(rules, self.world, &self.groups)
    }
}

fn read(rules: &[Rule], world: &World, groups: &[Arc<Addresses>]) -> Rules {
    rules
        .iter()
        .map(|rule| Question::new(rule, world, groups))
        .collect()
}

fn governs(policy: &Policy, heading: Heading) -> bool {
    match heading {
        Heading::Ingress => policy.governs_ingress,
        Heading::Egress => policy.governs_egress,
    }
}

/// What governs one endpoint in one direction.
#[derive(Debug)]
pub(super) struct Governing {
    pub(super) at: At,
    /// Whether a policy would govern it if it were not staged.
    staged: bool,
    tiers: Box<[GoverningTier]>,
    /// The rules of its profiles, in the endpoint's order.
    profiles: Box<[Rules]>,
}

#[derive(Debug)]
struct GoverningTier {
    place: usize,
    default_action: DefaultAction,
    policies: Vec<GoverningPolicy>,
}

#[derive(Debug)]
struct GoverningPolicy {
    place: Applied,
    rules: Rules,
}

/// What a tier says.
enum Word {
    Final(Verdict, Decision),
    /// A rule passed.
    Passed,
    /// No rule decided.
    Nothing,
}

impl Governing {
    /// Whether any policy is there.
    pub(super) fn has_policies(&self) -> bool {
        !self.tiers.is_empty()
    }

    /// > I3 […] allow and deny are final; pass goes on to the next tier; if no rule of the tier decides, the
    /// > tier's default action does (deny, unless it is Pass). After the last tier (all passed, or none
    /// > applied) the endpoint's profiles, in order: the first allow or deny decides; none: deny. So: no
    /// > policy in a direction, profiles decide; no profile either, deny.
    ///
    /// > Seed's era: I3 reads: if any policy applies: first allow or deny; pass goes to the profiles; no
    /// > match: deny. No policy: profiles.
    ///
    /// > I4 Pass in the last tier goes on to the profiles.
    pub(super) fn judge(&self, seen: &Seen, clauses: &mut Clauses) -> Said {
        let word = self.ask_tiers(seen, clauses);
        match word {
            Word::Final(verdict, decision) => return (verdict, decision),
            Word::Passed => clauses.add(Clause::I4PassToProfiles),
            Word::Nothing => {}
        }
        self.ask_profiles(seen, clauses)
    }

    /// Asks the tiers alone: `None` where all of them passed.
    pub(super) fn judge_by_tiers_alone(&self, seen: &Seen, clauses: &mut Clauses) -> Option<Said> {
        match self.ask_tiers(seen, clauses) {
            Word::Final(verdict, decision) => Some((verdict, decision)),
            Word::Passed | Word::Nothing => None,
        }
    }

    /// What the tiers say together: [`Word::Passed`] where a rule of the last one passed.
    fn ask_tiers(&self, seen: &Seen, clauses: &mut Clauses) -> Word {
        if self.staged {
            clauses.add(Clause::I3Staged);
        }
        let mut last = Word::Nothing;
        for (number, tier) in self.tiers.iter().enumerate() {
            if let Word::Passed = last {
                clauses.add(Clause::I3Pass);
            }
            last = match self.ask_tier(tier, seen, clauses) {
                Word::Nothing if tier.default_action == DefaultAction::Deny => {
                    let (verdict, decision) = self.implicit_deny(tier, clauses);
                    Word::Final(verdict, decision)
                }
                Word::Nothing => {
                    clauses.add(Clause::I3DefaultPass);
                    Word::Nothing
                }
                word => word,
            };
            if let Word::Final(..) = last {
                if number > 0 {
                    clauses.add(Clause::I1LaterTier);
                }
                return last;
            }
        }
        last
    }

    /// Asks the policies alone: `None` where none of their rules decides, and no tier's default
    /// action does instead.
    pub(super) fn judge_by_rules_alone(&self, seen: &Seen, clauses: &mut Clauses) -> Option<Said> {
        self.tiers
            .iter()
            .find_map(|tier| match self.ask_tier(tier, seen, clauses) {
                Word::Final(verdict, decision) => Some((verdict, decision)),
                Word::Passed | Word::Nothing => None,
            })
    }

    fn ask_tier(&self, tier: &GoverningTier, seen: &Seen, clauses: &mut Clauses) -> Word {
        for (number, policy) in tier.policies.iter().enumerate() {
            let Some((rule, action)) = first_word(&policy.rules, seen, clauses) else {
                continue;
            };
            let (verdict, clause) = match action {
                Decisive::Pass => return Word::Passed,
                Decisive::Allow => (Verdict::Allow, Clause::I3PolicyAllows),
                Decisive::Deny => (Verdict::Deny, Clause::I3PolicyDenies),
            };
            if number > 0 {
                clauses.add(Clause::I1LaterPolicy);
            }
            let by = By::Rule {
                at: self.at,
                policy: policy.place,
                rule,
            };
            return Word::Final(verdict, Decision { clause, by });
        }
        Word::Nothing
    }

    fn implicit_deny(&self, tier: &GoverningTier, clauses: &mut Clauses) -> Said {
        if tier.policies.iter().any(|policy| policy.rules.is_empty()) {
            clauses.add(Clause::I2WithoutRules);
        }
        let by = By::Tier {
            at: self.at,
            tier: tier.place,
        };
        let clause = Clause::I3TierDefault;
        (Verdict::Deny, Decision { clause, by })
    }

    /// > I4 […] Pass in a profile's rule ends that profile and goes on to the next one.
    fn ask_profiles(&self, seen: &Seen, clauses: &mut Clauses) -> Said {
        let at = self.at;
        for (profile, rules) in self.profiles.iter().enumerate() {
            let (rule, verdict, clause) = match first_word(rules, seen, clauses) {
                None => continue,
                Some((_, Decisive::Pass)) => {
                    clauses.add(Clause::I4PassEndsProfile);
                    continue;
                }
                Some((rule, Decisive::Allow)) => (rule, Verdict::Allow, Clause::I3ProfileAllows),
                Some((rule, Decisive::Deny)) => (rule, Verdict::Deny, Clause::I3ProfileDenies),
            };
            let by = By::Profile { at, profile, rule };
            return (verdict, Decision { clause, by });
        }
        let by = By::NoProfile { at };
        let clause = Clause::I3NoProfile;
        (Verdict::Deny, Decision { clause, by })
    }
}

/// An action that decides.
enum Decisive {
    Allow,
    Deny,
    Pass,
}

/// > I1 […] Rules in the order written; the first allow, deny or pass decides; log never decides.
fn first_word(rules: &[Question], seen: &Seen, clauses: &mut Clauses) -> Option<(usize, Decisive)> {
    for (number, rule) in rules.iter().enumerate() {
        if !rule.matches(seen) {
            continue;
        }
        let action = match rule.action {
            Action::Allow => Decisive::Allow,
            Action::Deny => Decisive::Deny,
            Action::Pass => Decisive::Pass,
            Action::Log => {
                clauses.add(Clause::I1Log);
                continue;
            }
        };
        clauses.add_all(rule.asks);
        if number > 0 {
            clauses.add(Clause::I1LaterRule);
        }
        return Some((number, action));
    }
    None
}
