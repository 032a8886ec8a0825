//! Tiers, policies and profiles.

use super::tree::{Fields, Read, Reader, Tree};
use super::{Metadata, Parts, known};
use crate::calico::Selector;
use crate::calico::resources::policy::DEFAULT_TIER;
use crate::calico::resources::{Api, Policy, Profile, Tier, Types};
use crate::calico::words::{self, Kind};
use crate::calico::world::{DefaultAction, Stage};

impl Reader<'_> {
    pub(super) fn tier(&self, parts: &Parts<'_>, name: String) -> Read<Tier> {
        let spec = self.spec(parts, "a tier's spec", known::spec(self.api, Kind::Tier))?;
        let default_action = match spec.get("defaultAction") {
            None => DefaultAction::Deny,
            Some(tree) => self.word(tree, "default action", words::DEFAULT_ACTIONS)?,
        };
        Ok(Tier {
            name,
            order: self.order(spec.get("order"))?,
            default_action,
        })
    }

    pub(super) fn policy(&self, parts: &Parts<'_>, metadata: &Metadata) -> Read<Policy> {
        let known = known::spec(self.api, parts.kind);
        let spec = self.spec(parts, "a policy's spec", known)?;
        let tier = spec.get("tier").map(|tier| self.name(tier)).transpose()?;
        let policy = Policy {
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            tier: tier.unwrap_or_else(|| DEFAULT_TIER.to_owned()),
            order: self.order(spec.get("order"))?,
            selector: self
                .selector(spec.get("selector"))?
                .unwrap_or_else(Selector::all),
            namespace_selector: self.selector(spec.get("namespaceSelector"))?,
            service_account_selector: self.selector(spec.get("serviceAccountSelector"))?,
            types: self.types(spec.get("types"))?,
            stage: self.stage(&spec)?,
            staged: matches!(
                parts.kind,
                Kind::StagedPolicy | Kind::StagedNamespacedPolicy
            ),
            ingress: self.rules(&spec, "ingress")?,
            egress: self.rules(&spec, "egress")?,
        };
        if let Some(action) = spec.get("stagedAction") {
            let actions = ["Set", "Delete", "Ignore", "Learn"].map(|word| (word, ()));
            self.word(action, "staged action", &actions)?;
        }
        self.check_pre_dnat(&spec, &policy)?;
        Ok(policy)
    }

    fn types(&self, tree: Option<&Tree>) -> Read<Option<Types>> {
        let mut said = None;
        let add = |tree: &Tree| {
            let one = self.word(tree, "type of policy", words::TYPES)?;
            if said == Some(one) || said == Some(Types::Both) {
                let problem = "a type of policy twice; expected Ingress, Egress or both once";
                return Err(self.wrong(tree.referenced, problem));
            }
            said = Some(if said.is_none() { one } else { Types::Both });
            Ok(())
        };
        self.list(tree, add)?;
        Ok(said)
    }

    fn stage(&self, spec: &Fields<'_>) -> Read<Stage> {
        let forward = self.truth(spec.get("applyOnForward"))?;
        let pre_dnat = self.truth(spec.get("preDNAT"))?;
        let untracked = self.truth(spec.get("doNotTrack"))?;
        let place = |name| spec.get(name).map_or(spec.place, |tree| tree.referenced);
        if pre_dnat && untracked {
            let problem = "`preDNAT` and `doNotTrack` together; expected one of them";
            return Err(self.wrong(place("preDNAT"), problem));
        }
        let early = [("preDNAT", pre_dnat), ("doNotTrack", untracked)];
        let early = early.iter().find(|(_, set)| *set);
        match (early, forward) {
            (Some((name, _)), false) if self.api == Api::V3 => {
                let problem = format!("`{name}` alone; expected `applyOnForward: true` with it");
                Err(self.wrong(place(name), problem))
            }
            _ if pre_dnat => Ok(Stage::PreDnat),
            _ if untracked => Ok(Stage::Untracked),
            _ if forward => Ok(Stage::Forward),
            _ => Ok(Stage::Normal),
        }
    }

    /// Before translation there is only what enters.
    fn check_pre_dnat(&self, spec: &Fields<'_>, policy: &Policy) -> Read<()> {
        if policy.stage != Stage::PreDnat {
            return Ok(());
        }
        let wrong = |name, problem| {
            let place = spec.get(name).map_or(spec.place, |tree| tree.referenced);
            Err(self.wrong(place, problem))
        };
        if !policy.egress.is_empty() {
            return wrong(
                "egress",
                "egress rules in a preDNAT policy; expected ingress only",
            );
        }
        if !matches!(policy.types, None | Some(Types::Ingress)) {
            return wrong(
                "types",
                "the type Egress in a preDNAT policy; expected Ingress only",
            );
        }
        Ok(())
    }

    pub(super) fn profile(&self, parts: &Parts<'_>, metadata: &Metadata) -> Read<Profile> {
        let known = known::spec(self.api, Kind::Profile);
        let spec = self.spec(parts, "a profile's spec", known)?;
        let labels = match self.api {
            Api::V1 => metadata.labels.clone(),
            Api::V3 => self.labels(spec.get("labelsToApply"))?,
        };
        Ok(Profile {
            name: metadata.name.clone(),
            labels,
            tags: metadata.tags.clone(),
            ingress: self.rules(&spec, "ingress")?,
            egress: self.rules(&spec, "egress")?,
        })
    }
}
