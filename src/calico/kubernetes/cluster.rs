//! Namespaces and service accounts, which become profiles (conversion.go, `NamespaceToProfile` and
//! `ServiceAccountToProfile`).

use crate::calico::resources::{Labels, Profile, Rule};
use crate::calico::rule::Action;
use crate::calico::selector::{NAMESPACE_PREFIX, SERVICE_ACCOUNT_PREFIX};

/// What stands before a namespace's name in that of its profile.
const NAMESPACE_PROFILE: &str = "kns.";
/// What stands before a service account's namespace and name in that of its profile.
const SERVICE_ACCOUNT_PROFILE: &str = "ksa.";
/// The label by which Calico lets selectors name a namespace or service account.
const NAME: &str = "projectcalico.org/name";
/// The label by which Kubernetes lets selectors name a namespace. The API server sets it on every one
/// (kubernetes, pkg/apis/core/v1/defaults.go, `SetDefaults_Namespace`, since 1.21).
const KUBERNETES_NAME: &str = "kubernetes.io/metadata.name";

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its labels, without those that the API server and Calico add.
    pub labels: Labels,
}

/// The name of a namespace's profile.
#[must_use]
pub fn namespace_profile(namespace: &str) -> String {
    format!("{NAMESPACE_PROFILE}{namespace}")
}

/// The name of a service account's profile.
#[must_use]
pub fn service_account_profile(namespace: &str, name: &str) -> String {
    format!("{SERVICE_ACCOUNT_PROFILE}{namespace}.{name}")
}

impl Namespace {
    /// The profile that its pods have: it gives them the namespace's labels, and allows what no policy
    /// governs.
    #[must_use]
    pub fn to_calico(&self) -> Profile {
        let mut labels = prefixed(NAMESPACE_PREFIX, &self.labels);
        for label in [KUBERNETES_NAME, NAME] {
            labels.insert(format!("{NAMESPACE_PREFIX}{label}"), self.name.clone());
        }
        Profile {
            name: namespace_profile(&self.name),
            labels,
            ingress: vec![Rule::bare(Action::Allow)],
            egress: vec![Rule::bare(Action::Allow)],
            ..Profile::default()
        }
    }
}

/// A service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its labels, without the one that Calico adds.
    pub labels: Labels,
}

impl ServiceAccount {
    /// The profile that its pods have: it gives them the account's labels, and has no rules.
    #[must_use]
    pub fn to_calico(&self) -> Profile {
        let mut labels = prefixed(SERVICE_ACCOUNT_PREFIX, &self.labels);
        let label = format!("{SERVICE_ACCOUNT_PREFIX}{NAME}");
        labels.insert(label, self.name.clone());
        Profile {
            name: service_account_profile(&self.namespace, &self.name),
            labels,
            ..Profile::default()
        }
    }
}

fn prefixed(prefix: &str, labels: &Labels) -> Labels {
    let labels = labels.iter();
    labels
        .map(|(key, value)| (format!("{prefix}{key}"), value.clone()))
        .collect()
}
