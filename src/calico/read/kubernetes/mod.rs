//! Kubernetes' resources, read: what its API server would refuse is refused, with its place, and what it
//! fills in is filled in. What they become says [`crate::calico::kubernetes`].
//!
//! * [`known`] lists the fields of every part, for reading and for [`schema`];
//! * [`labels`] reads label selectors;
//! * [`policy`] and [`admin`] read policies, [`pod`] pods, [`service`] services and what stands behind
//!   them; namespaces and service accounts are read here.

mod admin;
mod known;
mod labels;
mod pod;
mod policy;
pub(super) mod schema;
mod service;

pub(in crate::calico) use service::{ADDRESS_TYPES, SERVICE_NAME};

use serde_saphyr::Location;

use super::Collection;
use super::scalar::LONGEST_NAME_V3;
use super::tree::{Fields, Read, Reader, Tree, Value, alternatives};
use crate::calico::kubernetes::pod::interface_name;
use crate::calico::kubernetes::{Namespace, Pod, ServiceAccount};
use crate::calico::resources::{Api, EndpointSlice, Labels, Profile};
use crate::calico::words::Kind as CalicoKind;
use crate::node::yaml::Yaml;

/// Kinds of Kubernetes' resources that say something about packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    NetworkPolicy,
    AdminNetworkPolicy,
    BaselineAdminNetworkPolicy,
    ClusterNetworkPolicy,
    Namespace,
    ServiceAccount,
    Pod,
    Service,
    EndpointSlice,
}

/// The version of Kubernetes' own kinds: Calico's first version is called the same, and has no kind of
/// these names.
const CORE: &str = "v1";
const NETWORKING: &str = "networking.k8s.io/v1";
const ADMIN: &str = "policy.networking.k8s.io/v1alpha1";
const CLUSTER: &str = "policy.networking.k8s.io/v1alpha2";
/// The version of what stands behind services.
pub(in crate::calico) const DISCOVERY: &str = "discovery.k8s.io/v1";

/// The versions that are Kubernetes' alone.
pub(super) const VERSIONS: [&str; 4] = [NETWORKING, ADMIN, CLUSTER, DISCOVERY];

/// The kinds, with their versions and names.
const KINDS: [(&str, &str, Kind); 9] = [
    (NETWORKING, "NetworkPolicy", Kind::NetworkPolicy),
    (ADMIN, "AdminNetworkPolicy", Kind::AdminNetworkPolicy),
    (
        ADMIN,
        "BaselineAdminNetworkPolicy",
        Kind::BaselineAdminNetworkPolicy,
    ),
    (CLUSTER, "ClusterNetworkPolicy", Kind::ClusterNetworkPolicy),
    (CORE, "Namespace", Kind::Namespace),
    (CORE, "ServiceAccount", Kind::ServiceAccount),
    (CORE, "Pod", Kind::Pod),
    (CORE, "Service", Kind::Service),
    (DISCOVERY, "EndpointSlice", Kind::EndpointSlice),
];

impl Kind {
    fn word(self) -> &'static str {
        let named = KINDS.iter().find(|(_, _, kind)| *kind == self);
        named.map_or("", |(_, word, _)| word)
    }

    fn is_namespaced(self) -> bool {
        matches!(
            self,
            Self::NetworkPolicy
                | Self::ServiceAccount
                | Self::Pod
                | Self::Service
                | Self::EndpointSlice
        )
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

/// What a resource becomes, and what tells it from the others of that kind.
struct Becomes {
    kind: CalicoKind,
    /// Its name as a resource of Calico's.
    name: String,
    /// How it is told from others of the kind.
    id: String,
}

impl Collection {
    /// Takes a resource of Kubernetes', as what Calico makes of it.
    pub(super) fn add_kubernetes(&mut self, yaml: Yaml<'_>, tree: &Tree, kind: Kind) -> Read<()> {
        let reader = Reader { yaml, api: Api::V3 };
        let resource = reader.fields(tree, "a resource of this kind", known::resource(kind))?;
        self.speak(&reader, reader.required(&resource, "apiVersion")?, Api::V3)?;
        let metadata = reader.kubernetes_metadata(kind, &resource)?;
        let alone = |kind, name: &str| Becomes {
            kind,
            name: name.to_owned(),
            id: name.to_owned(),
        };
        let becomes = match kind {
            Kind::NetworkPolicy => {
                let policy = reader.network_policy(&resource, &metadata)?.to_calico();
                let becomes = Becomes {
                    id: format!("{}/{}", metadata.namespace, policy.name),
                    ..alone(CalicoKind::NamespacedPolicy, &policy.name)
                };
                self.resources.policies.push(policy);
                becomes
            }
            Kind::AdminNetworkPolicy
            | Kind::BaselineAdminNetworkPolicy
            | Kind::ClusterNetworkPolicy => {
                let policy = reader.admin_policy(kind, &resource, &metadata)?;
                let policy = policy.to_calico();
                let becomes = alone(CalicoKind::Policy, &policy.name);
                self.resources.policies.push(policy);
                becomes
            }
            Kind::Namespace | Kind::ServiceAccount => {
                let profile = reader.profile_of(kind, &resource, &metadata)?;
                let becomes = alone(CalicoKind::Profile, &profile.name);
                self.resources.profiles.push(profile);
                becomes
            }
            Kind::Pod => {
                let Some(pod) = reader.pod(&resource, &metadata)? else {
                    return Ok(());
                };
                let id = pod.id();
                let becomes = Becomes {
                    id: format!("{id} on {}", id.node),
                    ..alone(CalicoKind::Workload, &id.resource_name())
                };
                self.check_kubernetes_name(&reader, kind, &metadata, becomes)?;
                return self.add_pod(&reader, &metadata, &pod);
            }
            Kind::Service => return reader.service_of_kubernetes(&resource),
            Kind::EndpointSlice => {
                let Some(slice) = reader.endpoint_slice(&resource, &metadata)? else {
                    return Ok(());
                };
                return self.add_slice(&reader, &metadata, slice);
            }
        };
        self.check_kubernetes_name(&reader, kind, &metadata, becomes)
    }

    /// Takes a pod's endpoint, behind an interface of its own.
    fn add_pod(&mut self, reader: &Reader<'_>, metadata: &Metadata, pod: &Pod) -> Read<()> {
        let interface = interface_name(&pod.namespace, &pod.name).ok_or_else(|| {
            let problem = "no interface can have the name of this pod's; expected another name";
            reader.wrong(metadata.place, problem)
        })?;
        let there = (pod.node.clone(), interface.to_string());
        if !self.interfaces.insert(there) {
            let problem = format!(
                "its interface `{interface}` on {} is another workload's already; expected one of \
                 its own",
                pod.node
            );
            return Err(reader.wrong(metadata.place, problem));
        }
        self.resources.workloads.push(pod.to_calico(interface));
        Ok(())
    }

    /// Takes a slice of a service, each once.
    fn add_slice(
        &mut self,
        reader: &Reader<'_>,
        metadata: &Metadata,
        slice: EndpointSlice,
    ) -> Read<()> {
        let mut there = self.resources.slices.iter();
        if there.any(|one| (&one.namespace, &one.name) == (&slice.namespace, &slice.name)) {
            let problem = format!(
                "the EndpointSlice `{}/{}` is here twice; expected it once",
                slice.namespace, slice.name
            );
            return Err(reader.wrong(metadata.place, problem));
        }
        self.resources.slices.push(slice);
        Ok(())
    }

    /// What it becomes has a name of its own, which Calico's resources can have, too.
    fn check_kubernetes_name(
        &mut self,
        reader: &Reader<'_>,
        kind: Kind,
        metadata: &Metadata,
        becomes: Becomes,
    ) -> Read<()> {
        let Becomes { kind: of, name, id } = becomes;
        if name.len() > LONGEST_NAME_V3 {
            let problem = format!(
                "a name of {} characters, with what Calico adds to it; expected {LONGEST_NAME_V3} \
                 at most",
                name.len()
            );
            return Err(reader.wrong(metadata.place, problem));
        }
        if self.names.insert((of, id)) {
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
