//! Kubernetes' own policies, namespaces, service accounts and pods, and what Calico makes of them.
//!
//! Where Calico keeps its data in Kubernetes, it turns these into resources of its own before anything
//! else sees them (libcalico-go, lib/backend/k8s/conversion, as in Calico 3.30, unless a page here says
//! otherwise). That is where this room ends: its values become [`resources`](super::resources), which are
//! resolved like any others.
//!
//! | kind | becomes |
//! |---|---|
//! | `NetworkPolicy` ([`policy`]) | NetworkPolicy `knp.default.NAME`, tier `default`, order 1000 |
//! | `AdminNetworkPolicy` ([`admin`]) | GlobalNetworkPolicy `kanp.adminnetworkpolicy.NAME` in a tier before `default` |
//! | `BaselineAdminNetworkPolicy` ([`admin`]) | GlobalNetworkPolicy `kbanp.baselineadminnetworkpolicy.default` in a tier behind it |
//! | `ClusterNetworkPolicy` ([`admin`]) | GlobalNetworkPolicy in the tier `kube-admin` or `kube-baseline` |
//! | `Namespace` ([`cluster`]) | Profile `kns.NAME`, which allows everything |
//! | `ServiceAccount` ([`cluster`]) | Profile `ksa.NAMESPACE.NAME`, without rules |
//! | `Pod` ([`pod`]) | WorkloadEndpoint with the profiles of its namespace and service account |
//! | `EndpointSlice` | what `services` of rules mean, see [`EndpointSlice`](super::resources::EndpointSlice) |
//! | `Service` | nothing: what stands behind it say its slices |
//!
//! [`labels`] turns label selectors into Calico's, [`rule`] peers and ports into rules. All of them are of
//! API v3: Calico 2.1, too, enforced Kubernetes' policies, but by another program's hand, under API v1.

pub mod admin;
pub mod cluster;
pub mod labels;
pub mod pod;
pub mod policy;
pub mod rule;

pub use admin::AdminPolicy;
pub use cluster::{Namespace, ServiceAccount};
pub use labels::LabelSelector;
pub use pod::Pod;
pub use policy::NetworkPolicy;
