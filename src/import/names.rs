//! What the chains of a dump stand for: policies, profiles and endpoints, by their names.
//!
//! A chain's name is a prefix and what it is about, or where that is too long a part of its hash. So the
//! way back is to make the name of everything that there is, in the manner of each version of Felix, and
//! to look the chain's up. Since 3.22 the first rule of a policy's chain says the policy's name in a
//! comment, which is believed where the chain's name is made of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::calico::Resources;
use crate::calico::resources::Policy;
use crate::calico::world::HostInterface;
use crate::hash::chain_name;
use crate::xtables::Ruleset;

use super::verify::comments;

/// What a host endpoint's chains are about where it is about all interfaces.
const ANY_INTERFACE: &str = "any-interface-at-all";

/// The prefixes of policies' chains and of profiles', and which direction's rules are in them.
const OF_POLICIES: [(&str, &str); 2] = [("cali-pi-", "ingress"), ("cali-po-", "egress")];
const OF_PROFILES: [(&str, &str); 2] = [("cali-pri-", "ingress"), ("cali-pro-", "egress")];

/// The prefixes of workloads' chains, and what goes through them.
const OF_WORKLOADS: [(&str, &str); 3] = [
    ("cali-tw-", "to"),
    ("cali-fw-", "from"),
    ("cali-sm-", "the mark of"),
];

/// The same of host endpoints.
const OF_HOSTS: [(&str, &str); 5] = [
    ("cali-th-", "out by"),
    ("cali-fh-", "in by"),
    ("cali-thfw-", "forwarded, out by"),
    ("cali-fhfw-", "forwarded, in by"),
    ("cali-sm-", "the mark of"),
];

/// How the names of Kubernetes' policies begin as Calico stores them, and the words for their kinds in
/// chains' names since 3.32.
const KUBERNETES: [(&str, &str); 3] = [
    ("knp.default.", "knp"),
    ("kanp.adminnetworkpolicy.", "kcnp"),
    ("kbanp.baselineadminnetworkpolicy.", "kcnp"),
];

/// What chains stand for, by their names.
#[derive(Clone, Debug, Default)]
pub struct Names {
    of: BTreeMap<String, BTreeSet<String>>,
}

impl Names {
    /// Names everything that there is, if it is known, and what the rules say of themselves.
    #[must_use]
    pub fn of<'r>(
        rulesets: impl IntoIterator<Item = &'r Ruleset>,
        resources: Option<&Resources>,
    ) -> Self {
        let mut names = Self::default();
        if let Some(resources) = resources {
            names.add_resources(resources);
        }
        for ruleset in rulesets {
            for chain in ruleset.tables.iter().flat_map(|table| &table.chains) {
                let said = chain.rules.first().into_iter().flat_map(comments);
                said.for_each(|comment| names.add_comment(&chain.name, comment));
            }
        }
        names
    }

    /// Every chain that is known, with what it stands for, in the order of their names.
    pub fn chains(&self) -> impl Iterator<Item = (&str, String)> {
        let chains = self.of.keys();
        chains.filter_map(|chain| Some((chain.as_str(), self.chain(chain)?)))
    }

    /// What a chain stands for, in words; several things with `or` between them.
    #[must_use]
    pub fn chain(&self, name: &str) -> Option<String> {
        let meanings = self.of.get(name)?.iter();
        let meanings: Vec<&str> = meanings.map(String::as_str).collect();
        Some(meanings.join(" or "))
    }

    fn add(&mut self, chain: String, meaning: String) {
        self.of.entry(chain).or_default().insert(meaning);
    }

    fn add_resources(&mut self, resources: &Resources) {
        for policy in &resources.policies {
            for (prefix, direction) in OF_POLICIES {
                for suffix in policy_suffixes(policy) {
                    let meaning = format!("{direction} of policy `{}`", full_name(policy));
                    self.add(chain_name(prefix, &suffix), meaning);
                }
            }
        }
        let of_workloads = resources.workloads.iter().flat_map(|one| &one.profiles);
        let of_hosts = resources.hosts.iter().flat_map(|one| &one.profiles);
        let named = resources.profiles.iter().map(|profile| &profile.name);
        for profile in named.chain(of_workloads).chain(of_hosts) {
            for (prefix, direction) in OF_PROFILES {
                let meaning = format!("{direction} of profile `{profile}`");
                self.add(chain_name(prefix, profile), meaning);
            }
        }
        for workload in &resources.workloads {
            for (prefix, way) in OF_WORKLOADS {
                let meaning = format!("{way} the workload `{}`", workload.id);
                self.add(chain_name(prefix, workload.interface.as_str()), meaning);
            }
        }
        for host in &resources.hosts {
            let interface = match &host.of {
                HostInterface::Named(interface) => interface.as_str(),
                HostInterface::All => ANY_INTERFACE,
                HostInterface::ByAddress => continue,
            };
            for (prefix, way) in OF_HOSTS {
                let meaning = format!("{way} the host endpoint `{}`", host.name);
                self.add(chain_name(prefix, interface), meaning);
            }
        }
    }

    /// Adds what a comment says of a chain, where the chain's name is made of it: `Policy NAME ingress`.
    fn add_comment(&mut self, chain: &str, comment: &str) {
        let Some((said, direction)) = comment.rsplit_once(' ') else {
            return;
        };
        let Some((kind, name)) = said.rsplit_once(' ') else {
            return;
        };
        let (prefixes, what) = match kind {
            "Profile" => (OF_PROFILES, "profile"),
            _ => (OF_POLICIES, "policy"),
        };
        let mut prefixes = prefixes.into_iter();
        let Some((prefix, _)) = prefixes.find(|(_, known)| *known == direction) else {
            return;
        };
        let suffixes = suffixes_of_name(name);
        if suffixes
            .iter()
            .any(|suffix| chain_name(prefix, suffix) == chain)
            && !self.of.contains_key(chain)
        {
            self.add(chain.to_owned(), format!("{direction} of {what} `{name}`"));
        }
    }
}

fn full_name(policy: &Policy) -> String {
    match &policy.namespace {
        Some(namespace) => format!("{namespace}/{}", policy.name),
        None => policy.name.clone(),
    }
}

/// What the names of a policy's chains are made of, in the manner of each version: as it is stored up to
/// 3.28, behind its tier up to 3.31, behind its kind since 3.32. The name that is stored may have the
/// tier's before it.
fn policy_suffixes(policy: &Policy) -> BTreeSet<String> {
    let Policy { name, tier, .. } = policy;
    let tiered = format!("{tier}.{name}");
    let bare = name.strip_prefix(&format!("{tier}.")).unwrap_or(name);
    let mut suffixes = BTreeSet::new();
    for name in [name.as_str(), &tiered, bare] {
        let stored = match &policy.namespace {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.to_owned(),
        };
        let kind = if policy.namespace.is_some() {
            "np"
        } else {
            "gnp"
        };
        suffixes.insert(format!("{tier}/{stored}"));
        suffixes.insert(format!("{kind}/{stored}"));
        suffixes.insert(stored);
    }
    suffixes.extend(of_kubernetes(policy.namespace.as_deref(), name));
    suffixes
}

/// The suffixes of a name that a comment says, `NAMESPACE/NAME` or `NAME`, whose tier is not said.
fn suffixes_of_name(said: &str) -> BTreeSet<String> {
    let (namespace, name) = match said.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, said),
    };
    let kinds = match namespace {
        Some(_) => ["np", "knp", "snp", "sknp"],
        None => ["gnp", "kcnp", "sgnp", "skcnp"],
    };
    let tier = name.split('.').next().unwrap_or(name);
    let mut suffixes: BTreeSet<String> = kinds.map(|kind| format!("{kind}/{said}")).into();
    suffixes.extend(["default", tier].map(|tier| format!("{tier}/{said}")));
    suffixes.insert(said.to_owned());
    suffixes.extend(of_kubernetes(namespace, name));
    suffixes
}

/// The suffix that one of Kubernetes' policies has since 3.32.
fn of_kubernetes(namespace: Option<&str>, stored: &str) -> Option<String> {
    KUBERNETES.iter().find_map(|(prefix, kind)| {
        let name = stored.strip_prefix(prefix)?;
        Some(match namespace {
            Some(namespace) => format!("{kind}/{namespace}/{name}"),
            None => format!("{kind}/{name}"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calico::Selector;
    use crate::packet::Family;
    use crate::xtables::save;

    fn policy(namespace: Option<&str>, name: &str) -> Resources {
        let mut policy = Policy::new(name, Selector::all());
        policy.namespace = namespace.map(str::to_owned);
        Resources {
            policies: vec![policy],
            ..Resources::default()
        }
    }

    fn named(resources: &Resources, chain: &str) -> Option<String> {
        Names::of([], Some(resources)).chain(chain)
    }

    #[test]
    fn policies_are_known_in_the_manner_of_each_version() {
        let name = "knp.default.konnectivity-agent";
        let agent = policy(Some("kube-system"), name);
        let meaning = "egress of policy `kube-system/knp.default.konnectivity-agent`".to_owned();
        let tiered = chain_name("cali-po-", &format!("default/kube-system/{name}"));
        let of_kind = chain_name("cali-po-", "knp/kube-system/konnectivity-agent");
        for chain in ["cali-po-_rWDSk9LLgWIl_lpnJE2", &tiered, &of_kind] {
            assert_eq!(named(&agent, chain), Some(meaning.clone()), "{chain}");
        }
        let closed = policy(None, "closed");
        for chain in [
            "cali-pi-closed",
            "cali-pi-default.closed",
            "cali-pi-gnp/closed",
        ] {
            let meaning = Some("ingress of policy `closed`".to_owned());
            assert_eq!(named(&closed, chain), meaning, "{chain}");
        }
        assert_eq!(named(&closed, "cali-pi-close"), None);
        assert_eq!(named(&closed, "cali-pri-closed"), None);
    }

    #[test]
    fn a_policys_own_comment_is_believed_where_its_chain_is_named_so()
    -> Result<(), Box<dyn std::error::Error>> {
        let text = "*filter\n:cali-pi-_f33B8osgBB9KBtqM0k- - [0:0]\n:cali-pi-other - [0:0]\n\
             -A cali-pi-_f33B8osgBB9KBtqM0k- -m comment --comment \"cali:d1YRlouMUUtO1U0c\" -m comment \
             --comment \"Policy demo/knp.default.demo-policy ingress\" -j DROP\n\
             -A cali-pi-other -m comment --comment \"Policy demo/knp.default.demo-policy ingress\" \
             -j DROP\nCOMMIT\n";
        let ruleset = save::parse("dump", text, Family::V4)?;
        let names = Names::of([&ruleset], None);
        let meaning = "ingress of policy `demo/knp.default.demo-policy`".to_owned();
        assert_eq!(names.chain("cali-pi-_f33B8osgBB9KBtqM0k-"), Some(meaning));
        assert_eq!(names.chain("cali-pi-other"), None);
        Ok(())
    }
}
