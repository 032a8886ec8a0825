//! Tiers, policies, profiles, and their rules.

use ipnet::IpNet;

use super::{Api, Labels, Order};
use crate::calico::Selector;
use crate::calico::rule::{Action, IcmpMessage, Ports, RuleProtocol, ServiceName};
use crate::calico::world::{DefaultAction, Stage};
use crate::packet::Family;

/// The tier of every policy that does not name one.
pub const DEFAULT_TIER: &str = "default";

/// The tier of AdminNetworkPolicies, before `default` (libcalico-go, lib/names,
/// `AdminNetworkPolicyTierName`, Calico 3.29 to 3.31).
pub const ADMIN_TIER: &str = "adminnetworkpolicy";

/// The tier of the BaselineAdminNetworkPolicy, behind `default` (libcalico-go, lib/names,
/// `BaselineAdminNetworkPolicyTierName`, Calico 3.30 and 3.31).
pub const BASELINE_ADMIN_TIER: &str = "baselineadminnetworkpolicy";

/// The tier before `default`, of August 2026.
pub const KUBE_ADMIN_TIER: &str = "kube-admin";

/// The tier behind `default`, of August 2026.
pub const KUBE_BASELINE_TIER: &str = "kube-baseline";

/// A tier (v3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Its name.
    pub name: String,
    /// Where it stands; absent: last.
    pub order: Option<Order>,
    /// What becomes of what its policies do not decide.
    pub default_action: DefaultAction,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// The namespace of a `NetworkPolicy` (v3); absent: it is about all of them.
    pub namespace: Option<String>,
    /// Its tier (v3).
    pub tier: String,
    /// Where it stands in its tier; absent: last.
    pub order: Option<Order>,
    /// Which endpoints it applies to.
    pub selector: Selector,
    /// In which namespaces (v3, without a namespace of its own).
    pub namespace_selector: Option<Selector>,
    /// Under which service accounts (v3).
    pub service_account_selector: Option<Selector>,
    /// Which directions it governs; absent: see [`Policy::governs`]. (v3)
    pub types: Option<Types>,
    /// When it is asked (`applyOnForward`, `preDNAT`, `doNotTrack`; v1 has the last).
    pub stage: Stage,
    /// Whether it is only staged: shown, and not enforced (v3).
    pub staged: bool,
    /// Its rules for what endpoints receive.
    pub ingress: Vec<Rule>,
    /// Its rules for what endpoints send.
    pub egress: Vec<Rule>,
}

/// The directions that a policy governs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Types {
    /// What endpoints receive.
    Ingress,
    /// What endpoints send.
    Egress,
    /// Both.
    Both,
}

impl Policy {
    /// A policy about some endpoints, without rules or anything unusual.
    #[must_use]
    pub fn new(name: impl Into<String>, selector: Selector) -> Self {
        Self {
            name: name.into(),
            namespace: None,
            tier: DEFAULT_TIER.to_owned(),
            order: None,
            selector,
            namespace_selector: None,
            service_account_selector: None,
            types: None,
            stage: Stage::Normal,
            staged: false,
            ingress: Vec::new(),
            egress: Vec::new(),
        }
    }

    /// The directions that it governs: as it says; else in v1 both, and in v3 those for which it has
    /// rules, ingress where it has none at all.
    #[must_use]
    pub fn governs(&self, api: Api) -> Types {
        match (self.types, api) {
            (Some(types), _) => types,
            (None, Api::V1) => Types::Both,
            (None, Api::V3) if self.egress.is_empty() => Types::Ingress,
            (None, Api::V3) if self.ingress.is_empty() => Types::Egress,
            (None, Api::V3) => Types::Both,
        }
    }
}

/// A profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The labels that its endpoints have from it (`labelsToApply`; v1: the profile's own).
    pub labels: Labels,
    /// The tags that its endpoints have from it (v1).
    pub tags: Vec<String>,
    /// Its rules for what endpoints receive.
    pub ingress: Vec<Rule>,
    /// Its rules for what endpoints send.
    pub egress: Vec<Rule>,
}

/// One rule. What is absent or empty asks nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it does.
    pub action: Action,
    /// Of which family.
    pub family: Option<Family>,
    /// Which protocol.
    pub protocol: Option<RuleProtocol>,
    /// Which protocol not.
    pub not_protocol: Option<RuleProtocol>,
    /// Which ICMP message.
    pub icmp: Option<IcmpMessage>,
    /// Which ICMP message not.
    pub not_icmp: Option<IcmpMessage>,
    /// Who sends.
    pub source: Entity,
    /// Who receives.
    pub destination: Entity,
    /// What its author notes on it (v3, `metadata.annotations`).
    pub notes: Labels,
}

impl Rule {
    /// A rule without a question.
    #[must_use]
    pub fn bare(action: Action) -> Self {
        Self {
            action,
            family: None,
            protocol: None,
            not_protocol: None,
            icmp: None,
            not_icmp: None,
            source: Entity::default(),
            destination: Entity::default(),
            notes: Labels::new(),
        }
    }
}

/// One end of what a rule is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entity {
    /// Its address lies in one of these (v1: one at most).
    pub nets: Vec<IpNet>,
    /// Its address lies in none of these (v1: one at most).
    pub not_nets: Vec<IpNet>,
    /// Its port is one of these.
    pub ports: Vec<Ports>,
    /// Its port is none of these.
    pub not_ports: Vec<Ports>,
    /// It is selected so.
    pub selector: Option<Selector>,
    /// It is not selected so.
    pub not_selector: Option<Selector>,
    /// One of its profiles has this tag (v1).
    pub tag: Option<String>,
    /// None of its profiles has this tag (v1).
    pub not_tag: Option<String>,
    /// Its namespace is selected so (v3).
    pub namespace_selector: Option<Selector>,
    /// It runs under one of these accounts (v3).
    pub service_accounts: Option<ServiceAccounts>,
    /// It stands behind this service (v3); then nothing else is asked of it.
    pub service: Option<ServiceName>,
}

/// Service accounts: those of these names that are selected so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceAccounts {
    /// Their names; none: of any name.
    pub names: Vec<String>,
    /// How they are selected.
    pub selector: Option<Selector>,
}
