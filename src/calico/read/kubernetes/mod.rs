//! Kubernetes' resources, read: what its API server would refuse is refused, with its place, and what it
//! fills in is filled in. What they become says [`crate::calico::kubernetes`].
//!
//! * [`known`] lists the fields of every part, for reading;
//! * [`labels`] reads label selectors;
//! * [`policy`] and [`admin`] read policies; namespaces and service accounts are read here.

mod admin;
mod known;
mod labels;
mod policy;

use serde_saphyr::Location;

use super::Collection;
use super::scalar::LONGEST_NAME_V3;
use super::tree::{Fields, Read, Reader, Tree, Value, alternatives};
use crate::calico::kubernetes::{Namespace, ServiceAccount};
use crate::calico::resources::{Api, Labels, Profile};
use crate::calico::words::Kind as CalicoKind;
use crate::node::yaml::Yaml;

/// Kinds of Kubernetes' resources that say something about packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    NetworkPolicy,
    AdminNetworkPolicy,
    BaselineAdminNetworkPolicy,
    Namespace,
    ServiceAccount,
}

/// The version of Kubernetes' own kinds: Calico's first version is called the same, and has no kind of
/// these names.
const CORE: &str = "v1";
const NETWORKING: &str = "networking.k8s.io/v1";
const ADMIN: &str = "policy.networking.k8s.io/v1alpha1";

/// The versions that are Kubernetes' alone.
pub(super) const VERSIONS: [&str; 2] = [NETWORKING, ADMIN];

/// The kinds, with their versions and names.
const KINDS: [(&str, &str, Kind); 5] = [
    (NETWORKING, "NetworkPolicy", Kind::NetworkPolicy),
    (ADMIN, "AdminNetworkPolicy", Kind::AdminNetworkPolicy),
    (
        ADMIN,
        "BaselineAdminNetworkPolicy",
        Kind::BaselineAdminNetworkPolicy,
    ),
    (CORE, "Namespace", Kind::Namespace),
    (CORE, "ServiceAccount", Kind::ServiceAccount),
];

impl Kind {
    fn word(self) -> &'static str {
        let named = KINDS.iter().find(|(_, _, kind)| *kind == self);
        named.map_or("", |(_, word, _)| word)
    }

    fn is_namespaced(self) -> bool {
        matches!(self, Self::NetworkPolicy | Self::ServiceAccount)
    }
}

/// A resource's metadata.
struct Metadata {
    name: String,
    /// Where the name stands.
    place: Location,
    /// The namespace, where the kind has one; absent: `default`.
    namespace: String,
    labels: Labels,
}

impl Reader<'_> {
    /// The kind of a resource of Kubernetes'; `None` where it is none of its.
    pub(super) fn kubernetes_kind(&self, resource: &Fields<'_>) -> Read<Option<Kind>> {
        let text = |field| match resource.get(field).map(|tree| &tree.value) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let Some(version) = text("apiVersion") else {
            return Ok(None);
        };
        let of_version = KINDS.iter().filter(|(of, _, _)| *of == version);
        let words: Vec<(&str, Kind)> = of_version.map(|(_, word, kind)| (*word, *kind)).collect();
        if VERSIONS.contains(&version) {
            let kind = self.required(resource, "kind")?;
            return self.word(kind, "kind of resource", &words).map(Some);
        }
        let kind = text("kind");
        let named = words.iter().find(|(word, _)| Some(*word) == kind);
        Ok(named.map(|(_, kind)| *kind))
    }

    fn kubernetes_metadata(&self, kind: Kind, resource: &Fields<'_>) -> Read<Metadata> {
        let fields = match resource.get("metadata") {
            Some(tree) => self.fields(tree, "the metadata of this kind", known::metadata(kind))?,
            None => Fields::none("a resource's metadata", resource.place),
        };
        let name = self.required(&fields, "name")?;
        let namespace = fields.get("namespace").map(|tree| self.name(tree));
        Ok(Metadata {
            name: self.name(name)?,
            place: name.referenced,
            namespace: namespace
                .transpose()?
                .unwrap_or_else(|| "default".to_owned()),
            labels: self.labels(fields.get("labels"))?,
        })
    }

    /// A namespace or service account as a profile.
    fn profile_of(&self, kind: Kind, resource: &Fields<'_>, metadata: &Metadata) -> Read<Profile> {
        let (name, labels) = (metadata.name.clone(), metadata.labels.clone());
        if kind == Kind::ServiceAccount {
            let namespace = metadata.namespace.clone();
            let account = ServiceAccount {
                name,
                namespace,
                labels,
            };
            return Ok(account.to_calico());
        }
        if let Some(spec) = resource.get("spec") {
            self.fields(spec, "a namespace's spec", known::NAMESPACE_SPEC)?;
        }
        Ok(Namespace { name, labels }.to_calico())
    }

    /// The fields of a part that has exactly one of them, and which it is.
    fn only<'t>(
        &self,
        fields: &Fields<'t>,
        names: &[&'static str],
    ) -> Read<(&'static str, &'t Tree)> {
        let mut there = names
            .iter()
            .filter_map(|name| Some((*name, fields.get(name)?)));
        let expected = || alternatives(names.iter().copied());
        match (there.next(), there.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => {
                let problem = format!("nothing in {}; expected {}", fields.what, expected());
                Err(self.wrong(fields.place, problem))
            }
            (Some((first, _)), Some((second, tree))) => {
                let problem = format!("`{first}` and `{second}` together; expected one of them");
                Err(self.wrong(tree.referenced, problem))
            }
        }
    }
}

impl Collection {
    /// Takes a resource of Kubernetes', as what Calico makes of it.
    pub(super) fn add_kubernetes(&mut self, yaml: Yaml<'_>, tree: &Tree, kind: Kind) -> Read<()> {
        let reader = Reader { yaml, api: Api::V3 };
        let resource = reader.fields(tree, "a resource of this kind", known::resource(kind))?;
        self.speak(&reader, reader.required(&resource, "apiVersion")?, Api::V3)?;
        let metadata = reader.kubernetes_metadata(kind, &resource)?;
        let (becomes, name) = match kind {
            Kind::NetworkPolicy => {
                let policy = reader.network_policy(&resource, &metadata)?.to_calico();
                let name = policy.name.clone();
                self.resources.policies.push(policy);
                (CalicoKind::NamespacedPolicy, name)
            }
            Kind::AdminNetworkPolicy | Kind::BaselineAdminNetworkPolicy => {
                let policy = reader.admin_policy(kind, &resource, &metadata)?;
                let policy = policy.to_calico();
                let name = policy.name.clone();
                self.resources.policies.push(policy);
                (CalicoKind::Policy, name)
            }
            Kind::Namespace | Kind::ServiceAccount => {
                let profile = reader.profile_of(kind, &resource, &metadata)?;
                let name = profile.name.clone();
                self.resources.profiles.push(profile);
                (CalicoKind::Profile, name)
            }
        };
        self.check_kubernetes_name(&reader, kind, &metadata, (becomes, name))
    }

    /// What it becomes has a name of its own, which Calico's resources can have, too.
    fn check_kubernetes_name(
        &mut self,
        reader: &Reader<'_>,
        kind: Kind,
        metadata: &Metadata,
        (becomes, name): (CalicoKind, String),
    ) -> Read<()> {
        if name.len() > LONGEST_NAME_V3 {
            let problem = format!(
                "a name of {} characters, with what Calico puts before it; expected {LONGEST_NAME_V3} at most",
                name.len()
            );
            return Err(reader.wrong(metadata.place, problem));
        }
        let id = match becomes {
            CalicoKind::NamespacedPolicy => format!("{}/{name}", metadata.namespace),
            _ => name.clone(),
        };
        if self.names.insert((becomes, id)) {
            return Ok(());
        }
        let problem = format!(
            "the {} `{}`, which becomes `{name}`, is here twice; expected it once",
            kind.word(),
            metadata.name
        );
        Err(reader.wrong(metadata.place, problem))
    }
}
