//! Resources, read from YAML: what the API would refuse is refused, with its place.
//!
//! A file holds documents, each a resource, a list of them as `calicoctl get -o yaml` prints it, or
//! a `…List` with `items`.
//!
//! * [`tree`] is YAML with places, and the questions put to it;
//! * [`scalar`] reads what stands in single values;
//! * `known` lists the fields of every part, for reading and for [`schema`];
//! * [`rule`], [`policy`], [`endpoint`], [`cluster`] and [`setting`] read the kinds of resources;
//! * [`kubernetes`] reads Kubernetes' own, which become Calico's.
//!
//! What the API accepts and no packet can tell (annotations, MAC addresses, BGP's numbers, …) is read
//! over.

mod cluster;
mod endpoint;
mod known;
mod kubernetes;
mod policy;
mod rule;
mod scalar;
pub mod schema;
mod setting;
mod tree;

pub(super) use cluster::CLUSTER;
pub(super) use endpoint::DSCP_ANNOTATION;
pub(super) use kubernetes::{ADDRESS_TYPES, DISCOVERY, SERVICE_NAME};

use std::collections::BTreeSet;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};
use serde_saphyr::Location;

use self::tree::{Fields, Read, Reader, Tree, Value, alternatives};
use super::resources::policy::{
    ADMIN_TIER, BASELINE_ADMIN_TIER, DEFAULT_TIER, KUBE_ADMIN_TIER, KUBE_BASELINE_TIER,
};
use super::resources::{Api, Labels, Resources};
use super::words::{self, Kind};
use crate::node::yaml::{WrongYaml, Yaml};

/// The tiers that are there without being written: in August 2026, and what the other two were called
/// before.
const BUILT_IN_TIERS: [&str; 5] = [
    DEFAULT_TIER,
    KUBE_ADMIN_TIER,
    KUBE_BASELINE_TIER,
    ADMIN_TIER,
    BASELINE_ADMIN_TIER,
];

/// Resources inside of other YAML: a document of a file of resources, not read yet.
#[derive(Debug)]
pub struct Document(Tree);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Tree::deserialize(deserializer).map(Self)
    }
}

impl Document {
    /// Whether it says of itself that it is a resource, or is a list.
    #[must_use]
    pub fn is_of_resources(&self) -> bool {
        match &self.0.value {
            Value::List(_) => true,
            Value::Map(fields) => fields
                .iter()
                .any(|(name, _)| matches!(name.value.as_str(), "apiVersion" | "kind")),
            _ => false,
        }
    }
}

/// Reads a file of resources.
///
/// # Errors
///
/// [`WrongYaml`] where the text is no YAML, or something in it that the API would refuse.
pub fn read(file: &str, text: &str) -> Result<Resources, Box<WrongYaml>> {
    let yaml = Yaml { name: file, text };
    let documents: Vec<Document> = yaml.read_all()?;
    read_documents(yaml, &documents)
}

/// Reads resources that stand inside of a file.
///
/// # Errors
///
/// [`WrongYaml`] where something is not as the API wants it.
pub fn read_documents(yaml: Yaml<'_>, documents: &[Document]) -> Result<Resources, Box<WrongYaml>> {
    let mut collection = Collection::default();
    for document in documents {
        collection.add(yaml, &document.0)?;
    }
    collection.finish(yaml)
}

/// The parts that every resource has.
struct Parts<'t> {
    kind: Kind,
    place: Location,
    metadata: Fields<'t>,
    spec: Option<&'t Tree>,
}

/// What stands in the metadata of resources of several kinds.
#[derive(Default)]
struct Metadata {
    name: String,
    namespace: Option<String>,
    labels: Labels,
    tags: Vec<String>,
    /// What a host endpoint's traffic is marked with.
    dscp: Option<u8>,
}

impl Reader<'_> {
    /// A resource's spec, which may be missing.
    fn spec<'t>(
        &self,
        parts: &Parts<'t>,
        what: &'static str,
        known: &[&[&str]],
    ) -> Read<Fields<'t>> {
        match parts.spec {
            Some(tree) => self.fields(tree, what, known),
            None => Ok(Fields::none(what, parts.place)),
        }
    }

    fn parts<'t>(&self, resource: &Fields<'t>) -> Read<Parts<'t>> {
        let kind = self.required(resource, "kind")?;
        let kind = self.word(kind, "kind of resource", words::kinds(self.api))?;
        let known = known::metadata(self.api, kind);
        let metadata = match resource.get("metadata") {
            Some(tree) => self.fields(tree, "the metadata of this kind", known)?,
            None => Fields::none("a resource's metadata", resource.place),
        };
        Ok(Parts {
            kind,
            place: resource.place,
            metadata,
            spec: resource.get("spec"),
        })
    }

    fn metadata(&self, parts: &Parts<'_>) -> Read<Metadata> {
        let fields = &parts.metadata;
        let unnamed = match (self.api, parts.kind) {
            (Api::V1, Kind::Configuration | Kind::Pool | Kind::Workload) => true,
            // What a workload's endpoint is called follows from its spec.
            (Api::V3, Kind::Workload) => fields.get("name").is_none(),
            _ => false,
        };
        let namespace = match fields.get("namespace") {
            Some(tree) => Some(self.name(tree)?),
            None => parts
                .kind
                .is_namespaced(self.api)
                .then(|| "default".to_owned()),
        };
        Ok(Metadata {
            name: if unnamed {
                String::new()
            } else {
                self.name_in(fields, "name")?
            },
            namespace,
            labels: self.labels(fields.get("labels"))?,
            tags: self.list(fields.get("tags"), |tag| self.tag(tag))?,
            dscp: match parts.kind {
                Kind::Host => self.annotated_dscp(fields)?,
                _ => None,
            },
        })
    }
}

/// Resources while they are collected, and what must not be there twice.
#[derive(Default)]
struct Collection {
    resources: Resources,
    api: Option<Api>,
    names: BTreeSet<(Kind, String)>,
    interfaces: BTreeSet<(String, String)>,
    tiers_named: Vec<(String, Location)>,
}

impl Collection {
    fn add(&mut self, yaml: Yaml<'_>, tree: &Tree) -> Read<()> {
        let api = self.api.unwrap_or_default();
        let reader = Reader { yaml, api };
        if let Value::List(items) = &tree.value {
            return items.iter().try_for_each(|item| self.add(yaml, item));
        }
        let fields = reader.any_fields(tree, "a resource")?;
        let is_list = match fields.get("kind") {
            Some(kind) => reader.text(kind)?.ends_with("List"),
            None => false,
        };
        if is_list {
            let list = reader.fields(tree, "a list of resources", &[known::LIST])?;
            reader.list(list.get("items"), |item| self.add(yaml, item))?;
            return Ok(());
        }
        if let Some(kind) = reader.kubernetes_kind(&fields)? {
            return self.add_kubernetes(yaml, tree, kind);
        }
        let resource = reader.fields(tree, "a resource", &[known::RESOURCE])?;
        let api = self.api_of(&reader, &resource)?;
        self.add_resource(&Reader { yaml, api }, &resource)
    }

    /// The version of a resource: the same as that of all before.
    fn api_of(&mut self, reader: &Reader<'_>, resource: &Fields<'_>) -> Read<Api> {
        let tree = reader.required(resource, "apiVersion")?;
        let calico = [Api::V1, Api::V3].map(|api| (api.as_str(), api));
        // Those are read elsewhere: here they only say what else there could be.
        let others = kubernetes::VERSIONS.map(|version| (version, Api::V3));
        let known: Vec<(&str, Api)> = calico.into_iter().chain(others).collect();
        let api = reader.word(tree, "version of the API", &known)?;
        self.speak(reader, tree, api)?;
        Ok(api)
    }

    /// All resources speak one version; Kubernetes' become those of v3.
    fn speak(&mut self, reader: &Reader<'_>, version: &Tree, api: Api) -> Read<()> {
        match self.api.replace(api) {
            Some(other) if other != api => {
                let said = reader.text(version)?;
                let problem = format!("`{said}` beside `{other}`; expected one version in all");
                Err(reader.wrong(version.referenced, problem))
            }
            _ => Ok(()),
        }
    }

    fn add_resource(&mut self, reader: &Reader<'_>, resource: &Fields<'_>) -> Read<()> {
        let parts = reader.parts(resource)?;
        let metadata = reader.metadata(&parts)?;
        let all = &mut self.resources;
        let id = match parts.kind {
            Kind::Configuration => {
                let configuration = reader.configuration(&parts, &metadata.name)?;
                let id = configuration.node.clone().unwrap_or_default();
                all.configurations.push(configuration);
                id
            }
            Kind::Node => {
                all.nodes.push(reader.node(&parts, metadata.name.clone())?);
                metadata.name
            }
            Kind::Pool => {
                let pool = reader.pool(&parts)?;
                self.check_pool(reader, &parts, pool.net)?;
                self.resources.pools.push(pool);
                pool.net.to_string()
            }
            Kind::Tier => {
                all.tiers.push(reader.tier(&parts, metadata.name.clone())?);
                metadata.name
            }
            Kind::Policy
            | Kind::NamespacedPolicy
            | Kind::StagedPolicy
            | Kind::StagedNamespacedPolicy => {
                let policy = reader.policy(&parts, &metadata)?;
                let named = parts
                    .spec
                    .and_then(|spec| parts.metadata.inside(spec).get("tier"));
                let place = named.map_or(parts.place, |tier| tier.referenced);
                self.tiers_named.push((policy.tier.clone(), place));
                all.policies.push(policy);
                metadata.namespaced_name()
            }
            Kind::Profile => {
                all.profiles.push(reader.profile(&parts, &metadata)?);
                metadata.name
            }
            Kind::NetworkSet | Kind::NamespacedNetworkSet => {
                all.sets.push(reader.set(&parts, &metadata)?);
                metadata.namespaced_name()
            }
            Kind::Workload => {
                let workload = reader.workload(&parts, &metadata)?;
                let id = format!("{} on {}", workload.id, workload.id.node);
                let interface = (workload.id.node.clone(), workload.interface.to_string());
                self.resources.workloads.push(workload);
                self.check_interface(reader, &parts, interface)?;
                id
            }
            Kind::Host => {
                let host = reader.host(&parts, &metadata)?;
                // API v1 tells host endpoints apart by their nodes, too.
                let id = match reader.api {
                    Api::V1 => format!("{} on {}", host.name, host.node),
                    Api::V3 => host.name.clone(),
                };
                all.hosts.push(host);
                id
            }
            Kind::Bgp => {
                all.service_nets
                    .push(reader.service_nets(&parts, &metadata)?);
                metadata.name
            }
            Kind::Cluster => {
                all.cluster = Some(reader.cluster(&parts, &metadata)?);
                metadata.name
            }
        };
        self.check_name(reader, &parts, id)
    }

    fn check_name(&mut self, reader: &Reader<'_>, parts: &Parts<'_>, id: String) -> Read<()> {
        if self.names.insert((parts.kind, id.clone())) {
            return Ok(());
        }
        let place = ["name", "cidr", "node"]
            .iter()
            .find_map(|field| parts.metadata.get(field))
            .map_or(parts.place, |tree| tree.referenced);
        let kind = words::word_for(words::kinds(reader.api), &parts.kind);
        let what = if id.is_empty() { "for every node" } else { &id };
        let problem = format!("the {kind} `{what}` is here twice; expected it once");
        Err(reader.wrong(place, problem))
    }

    /// Two workloads behind one interface: no packet could tell them apart.
    fn check_interface(
        &mut self,
        reader: &Reader<'_>,
        parts: &Parts<'_>,
        interface: (String, String),
    ) -> Read<()> {
        let spec = parts.spec.map(|spec| parts.metadata.inside(spec));
        let place = spec
            .and_then(|spec| spec.get("interfaceName"))
            .map_or(parts.place, |tree| tree.referenced);
        let problem = format!(
            "`{}` of {} is another workload's already; expected an interface of its own",
            interface.1, interface.0
        );
        if self.interfaces.insert(interface) {
            return Ok(());
        }
        Err(reader.wrong(place, problem))
    }

    /// Pools of API v3 do not overlap.
    fn check_pool(&self, reader: &Reader<'_>, parts: &Parts<'_>, net: IpNet) -> Read<()> {
        let mut others = self.resources.pools.iter().map(|pool| pool.net);
        let overlapping = others.find(|other| other.contains(&net) || net.contains(other));
        match overlapping.filter(|other| reader.api == Api::V3 && *other != net) {
            None => Ok(()),
            Some(other) => {
                let spec = parts.spec.map(|spec| parts.metadata.inside(spec));
                let place = spec
                    .and_then(|spec| spec.get("cidr"))
                    .map_or(parts.place, |tree| tree.referenced);
                let problem = format!("{net} overlaps the pool {other}; expected pools apart");
                Err(reader.wrong(place, problem))
            }
        }
    }

    /// Checks what only all resources together show.
    fn finish(mut self, yaml: Yaml<'_>) -> Read<Resources> {
        let api = self.api.unwrap_or_default();
        self.resources.api = api;
        let reader = Reader { yaml, api };
        let written = self.resources.tiers.iter().map(|tier| tier.name.as_str());
        let tiers: BTreeSet<&str> = written.chain(BUILT_IN_TIERS).collect();
        let unknown = |(tier, _): &&(String, Location)| !tiers.contains(tier.as_str());
        if let Some((tier, place)) = self.tiers_named.iter().find(unknown) {
            let expected = alternatives(tiers.iter().copied());
            let problem = format!("there is no tier `{tier}`; expected {expected}");
            return Err(reader.wrong(*place, problem));
        }
        Ok(self.resources)
    }
}

impl Metadata {
    fn namespaced_name(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }
}
