//! Names that stand in several places of a scenario, and must change in all of them at once.

use crate::calico::Resources;
use crate::scenario::Scenario;

/// What the node is called where its name says nothing.
const NODE: &str = "node";

/// The same scenario with one name simpler: the node's, a policy's, a profile's or a workload's.
pub(super) fn simpler(scenario: &Scenario) -> Vec<Scenario> {
    let mut simpler = Vec::new();
    if scenario.node.name != NODE {
        let mut renamed = scenario.clone();
        rename_node(&mut renamed);
        simpler.push(renamed);
    }
    let Some(resources) = &scenario.resources else {
        return simpler;
    };
    let mut push = |resources: Option<Resources>| {
        simpler.extend(resources.map(|resources| Scenario {
            resources: Some(resources),
            ..scenario.clone()
        }));
    };
    for place in 0..resources.policies.len() {
        push(with_policy_renamed(resources, place));
    }
    for place in 0..resources.profiles.len() {
        push(with_profile_renamed(resources, place));
    }
    for place in 0..resources.workloads.len() {
        push(with_workload_renamed(resources, place));
    }
    simpler
}

fn rename_node(scenario: &mut Scenario) {
    let old = std::mem::replace(&mut scenario.node.name, NODE.to_owned());
    let Some(resources) = &mut scenario.resources else {
        return;
    };
    let configurations = resources.configurations.iter_mut();
    let nodes = resources.nodes.iter_mut().map(|one| &mut one.name);
    let workloads = resources.workloads.iter_mut().map(|one| &mut one.id.node);
    let hosts = resources.hosts.iter_mut().map(|one| &mut one.node);
    let names = configurations
        .filter_map(|one| one.node.as_mut())
        .chain(nodes)
        .chain(workloads)
        .chain(hosts);
    for name in names.filter(|name| **name == old) {
        NODE.clone_into(name);
    }
}

fn with_policy_renamed(resources: &Resources, place: usize) -> Option<Resources> {
    let name = format!("policy-{}", place + 1);
    let mut policies = resources.policies.iter();
    if policies.any(|policy| policy.name == name) {
        return None;
    }
    let mut renamed = resources.clone();
    renamed.policies[place].name = name;
    Some(renamed)
}

fn with_profile_renamed(resources: &Resources, place: usize) -> Option<Resources> {
    let name = format!("profile-{}", place + 1);
    let mut profiles = resources.profiles.iter();
    if profiles.any(|profile| profile.name == name) {
        return None;
    }
    let mut renamed = resources.clone();
    let old = std::mem::replace(&mut renamed.profiles[place].name, name.clone());
    let workloads = renamed.workloads.iter_mut().map(|one| &mut one.profiles);
    let hosts = renamed.hosts.iter_mut().map(|one| &mut one.profiles);
    for one in workloads.chain(hosts).flatten().filter(|one| **one == old) {
        one.clone_from(&name);
    }
    Some(renamed)
}

fn with_workload_renamed(resources: &Resources, place: usize) -> Option<Resources> {
    let name = format!("workload-{}", place + 1);
    let mut workloads = resources.workloads.iter();
    if workloads.any(|workload| workload.id.workload == name) {
        return None;
    }
    let mut renamed = resources.clone();
    renamed.workloads[place].id.workload = name;
    Some(renamed)
}
