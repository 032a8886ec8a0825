//! Why: the intent's answer in the policies' own names, and for each decision the kernel's rules that
//! stand for it on the packet's way.
//!
//! A decision names a policy and an endpoint; Felix has a chain for each policy and for each endpoint and
//! direction. So the rule is looked for among those that the packet met: in the policy's chain, as the
//! endpoint's chain asked it. A packet that did not come there has no such rule on its way, which is
//! said, for it is the first hint at what went wrong.

use std::fmt::{self, Display};

use crate::calico::World;
use crate::calico::world::{HostInterface, Stage};
use crate::diff::chains::{self, is_of_endpoint};
use crate::hash;
use crate::intent::opinion::At;
use crate::intent::{By, Clause, Decision, Endpoint, Exit, Heading, Judge, Opinion, Verdict};
use crate::journey::Step;
use crate::render::Layout;
use crate::render::modern::names as modern;
use crate::render::names::{self, Direction};
use crate::verdict::NotProgrammed;
use crate::xtables::{Firewall, Match, Rule, TableName, Target};

use super::Page;
use super::rules::{is_match, place_of, rule_text};

/// What Calico means for a packet, and why.
#[derive(Clone, Debug)]
pub struct Reason {
    /// The verdict.
    pub verdict: Verdict,
    /// Who decided, and who allowed before, in order.
    pub decisions: Vec<Reasoned>,
    /// Where the packet is to come out.
    pub exit: Option<Exit>,
    /// Whether the rules do so; `None` where that is left to chance.
    pub meant: Option<bool>,
    /// Why the tools refuse Felix's rules of the packet's family, if they do.
    pub refused: Option<NotProgrammed>,
}

/// A decision, and the rules on the packet's way that stand for it.
#[derive(Clone, Debug)]
pub struct Reasoned {
    /// The clause, and who decided, in words.
    pub words: String,
    /// The rules that did it.
    pub steps: Vec<Step>,
    /// What is to be said where there is none.
    pub otherwise: &'static str,
}

impl Reason {
    /// The reasons of an opinion, for a packet that went this way.
    #[must_use]
    pub fn new(
        layout: Layout,
        judge: &Judge<'_>,
        opinion: &Opinion,
        firewall: &Firewall,
        steps: &[Step],
    ) -> Self {
        let way = Way {
            layout,
            world: judge.world(),
            firewall,
            steps,
        };
        let reasoned = |decision: Decision| Reasoned {
            words: judge.words(decision).to_string(),
            steps: way.rules_of(decision).into_iter().cloned().collect(),
            otherwise: without_rule(decision),
        };
        Self {
            verdict: opinion.verdict,
            decisions: opinion.decisions().map(reasoned).collect(),
            exit: opinion.exit,
            meant: None,
            refused: None,
        }
    }
}

impl Page<'_> {
    /// What is meant, by whom, and which rules say so.
    pub(super) fn reason(&mut self) {
        let Some(reason) = &self.explanation.reason else {
            return;
        };
        self.title(format_args!("What Calico means: {}", reason.verdict));
        if let Some(refused) = &reason.refused {
            let style = self.palette.differs;
            self.line(format_args!(
                "  {style}Felix's rules of this family are not loaded{style:#}: {}",
                refused.message
            ));
        }
        for decision in &reason.decisions {
            self.line(format_args!("  {}", decision.words));
            for step in &decision.steps {
                let rule = rule_text(self.explanation.firewall, step, step.rule.unwrap_or(0));
                self.line(format_args!("    {}: {rule}", place_of(step)));
            }
            if decision.steps.is_empty() {
                self.line(format_args!("    {}", decision.otherwise));
            }
        }
    }

    /// What is meant, and whether the rules do it.
    pub(super) fn meaning(&mut self) {
        let Some(reason) = &self.explanation.reason else {
            return;
        };
        let meaning = Meaning(reason);
        let (style, told) = match (reason.meant, reason.verdict) {
            (Some(true), Verdict::Defer) => (self.palette.agrees, "and they do"),
            (Some(true), _) => (self.palette.agrees, "and the rules do so"),
            (Some(false), _) => (self.palette.differs, "and the rules do something else"),
            (None, _) => (self.palette.differs, "and chance decides what the rules do"),
        };
        self.line(format_args!("  intent  {meaning}; {style}{told}{style:#}"));
    }
}

/// What is meant, in a few words.
struct Meaning<'a>(&'a Reason);

impl Display for Meaning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reason { verdict, exit, .. } = self.0;
        match (verdict, exit) {
            (Verdict::Defer, _) => write!(f, "{verdict}: the node's other rules decide"),
            (_, Some(exit)) => write!(f, "{verdict}: {exit}"),
            (_, None) => write!(f, "{verdict}"),
        }
    }
}

/// Why there may be no rule for a decision.
fn without_rule(decision: Decision) -> &'static str {
    match (decision.by, decision.clause) {
        (By::Routing(_), _) => "no rule: the node's routing",
        (By::Configuration, Clause::I9NoEndpoint | Clause::Ungoverned) => {
            "no rule of Calico's: other rules decide"
        }
        (_, Clause::I6Spoofed) => "no rule: the kernel's reverse-path check (rp_filter)",
        _ => "no rule on the packet's way says so",
    }
}

fn denies(target: &Target) -> bool {
    matches!(target, Target::Drop | Target::Reject(_))
}

/// A packet's way through the rules.
struct Way<'a> {
    layout: Layout,
    world: &'a World,
    firewall: &'a Firewall,
    steps: &'a [Step],
}

impl<'a> Way<'a> {
    /// The rules that stand for a decision.
    fn rules_of(&self, decision: Decision) -> Vec<&'a Step> {
        match decision.by {
            By::Rule { at, policy, .. } => {
                let tier = self.world.tiers.get(policy.tier);
                match tier.and_then(|tier| tier.policies.get(policy.policy)) {
                    Some(policy) => {
                        let chain = chains::of_policy(self.layout, direction(at), policy);
                        self.asked(at, tables_of(policy.stage), &chain)
                    }
                    None => Vec::new(),
                }
            }
            By::Profile { at, profile, .. } => match self.profile(at.endpoint, profile) {
                Some(name) => {
                    let chain = direction(at).profile_chain(name);
                    self.asked(at, tables_of(Stage::Normal), &chain)
                }
                None => Vec::new(),
            },
            By::Tier { at, .. } | By::NoProfile { at } => self.last(|step, rule| {
                tables_of(Stage::Normal).contains(&step.table)
                    && self.is_of(at, &step.chain)
                    && denies(&rule.target)
            }),
            By::Failsafe { at, .. } => {
                let chain = match at.heading {
                    Heading::Ingress => names::FAILSAFE_IN,
                    Heading::Egress => names::FAILSAFE_OUT,
                };
                self.last(|step, _| step.chain == chain)
            }
            By::Connection => self.last(|step, rule| {
                let by_state = |one: &Match| matches!(one, Match::Conntrack(_) | Match::State(_));
                (HOOKED.contains(&step.chain.as_str()) || is_of_endpoint(&step.chain))
                    && rule.matches.iter().any(by_state)
                    && ends(&rule.target)
            }),
            By::Endpoint(_) => self.of_endpoint(decision.clause),
            By::Interface(_) => self.last(|step, rule| {
                let dispatch = [names::FROM_WORKLOAD_DISPATCH, names::TO_WORKLOAD_DISPATCH];
                let dispatches = dispatch.iter().any(|one| step.chain.starts_with(one));
                dispatches && denies(&rule.target)
            }),
            By::Configuration => self.of_configuration(decision.clause),
            By::Routing(_) => Vec::new(),
        }
    }

    /// The rule in a policy's chain that marked or dropped the packet where an endpoint's chain asked
    /// it: the last, and what came after a mark is its return.
    fn asked(&self, at: At, tables: &[TableName], chain: &str) -> Vec<&'a Step> {
        let mut asking = false;
        let mut found = Vec::new();
        let in_tables = |step: &&Step| tables.contains(&step.table);
        for step in self.steps.iter().filter(in_tables) {
            if is_of_endpoint(&step.chain) {
                asking = self.is_of(at, &step.chain);
            }
            let here = asking && step.chain == chain && is_match(step);
            let decides =
                |rule: &Rule| matches!(rule.target, Target::Mark(_)) || denies(&rule.target);
            if here && self.rule(step).is_some_and(decides) {
                found = vec![step];
            }
        }
        found
    }

    fn of_endpoint(&self, clause: Clause) -> Vec<&'a Step> {
        match clause {
            Clause::I6Spoofed => {
                self.last(|step, rule| step.table == TableName::Raw && denies(&rule.target))
            }
            Clause::I6Encapsulated | Clause::I6FromDown | Clause::I6ToDown => {
                self.last(|step, rule| is_of_endpoint(&step.chain) && denies(&rule.target))
            }
            Clause::I10Default => self.last(|step, rule| {
                let marks = matches!(rule.target, Target::Mark(mark) if mark.value != 0);
                is_of_endpoint(&step.chain) && marks
            }),
            Clause::I8Defer => {
                self.last(|step, rule| step.chain == HOOKED[2] && rule.target == Target::Return)
            }
            _ => self.of_configuration(clause),
        }
    }

    fn of_configuration(&self, clause: Clause) -> Vec<&'a Step> {
        match clause.number() {
            7 => self.last(|step, rule| {
                step.chain == names::WORKLOAD_TO_HOST
                    && (ends(&rule.target) || rule.target == Target::Return)
            }),
            _ if clause == Clause::ServiceLoop => {
                self.last(|step, rule| step.chain == "cali-cidr-block" && denies(&rule.target))
            }
            _ => Vec::new(),
        }
    }

    /// The last rule that matched and is meant.
    fn last(&self, is_meant: impl Fn(&Step, &Rule) -> bool) -> Vec<&'a Step> {
        let mut matched = self.steps.iter().rev().filter(|step| is_match(step));
        let last = matched.find(|step| self.rule(step).is_some_and(|rule| is_meant(step, rule)));
        last.into_iter().collect()
    }

    fn rule(&self, step: &Step) -> Option<&'a Rule> {
        self.firewall.rule(&place_of(step))
    }

    fn profile(&self, endpoint: Endpoint, place: usize) -> Option<&'a str> {
        let profiles = match endpoint {
            Endpoint::Workload(index) => &self.world.workloads.get(index)?.profiles,
            Endpoint::Host(index) => &self.world.hosts.get(index)?.profiles,
        };
        profiles.get(place).map(String::as_str)
    }

    /// Whether a chain is that of an endpoint in a direction. Which interface a host endpoint that names
    /// none came to have is the node's affair; its chain is any host endpoint's.
    fn is_of(&self, at: At, chain: &str) -> bool {
        let prefixes: &[&str] = match (at.endpoint, at.heading) {
            (Endpoint::Workload(_), Heading::Ingress) => &[names::TO_WORKLOAD],
            (Endpoint::Workload(_), Heading::Egress) => &[names::FROM_WORKLOAD],
            (Endpoint::Host(_), Heading::Ingress) => {
                &[names::FROM_HOST, modern::FROM_HOST_FORWARD_ENDPOINT]
            }
            (Endpoint::Host(_), Heading::Egress) => {
                &[names::TO_HOST, modern::TO_HOST_FORWARD_ENDPOINT]
            }
        };
        let mut prefixes = prefixes.iter();
        let interface = match at.endpoint {
            Endpoint::Workload(index) => self.world.workloads.get(index).map(|one| one.interface),
            Endpoint::Host(index) => match self.world.hosts.get(index).map(|one| one.of) {
                Some(HostInterface::Named(interface)) => Some(interface),
                _ => None,
            },
        };
        match interface {
            Some(interface) => {
                prefixes.any(|prefix| chain == hash::chain_name(prefix, interface.as_str()))
            }
            None => prefixes.any(|prefix| chain.starts_with(prefix)),
        }
    }
}

/// Calico's chains in filter at the kernel's hooks.
const HOOKED: [&str; 3] = ["cali-INPUT", "cali-FORWARD", "cali-OUTPUT"];

fn direction(at: At) -> Direction {
    match at.heading {
        Heading::Ingress => Direction::Ingress,
        Heading::Egress => Direction::Egress,
    }
}

/// The tables in which policies of a stage are asked.
fn tables_of(stage: Stage) -> &'static [TableName] {
    match stage {
        Stage::Untracked => &[TableName::Raw],
        Stage::PreDnat => &[TableName::Mangle],
        // Later Felixes ask in mangle about what leaves by a host endpoint.
        Stage::Normal | Stage::Forward => &[TableName::Filter, TableName::Mangle],
    }
}

fn ends(target: &Target) -> bool {
    matches!(target, Target::Accept | Target::Drop | Target::Reject(_))
}
