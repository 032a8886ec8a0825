//! A dump beside the resources of its cluster: which node it is of, and what they say of it.

use ipnet::IpNet;
use miette::miette;

use super::status::Ending;
use crate::calico::Resources;
use crate::calico::world::HostInterface;
use crate::campaign::Subject;
use crate::node::{Interface, Node, ReversePath, Route, RouteKind};
use crate::packet::InterfaceName;
use crate::scenario::implied::{nodes_named, nodes_with_endpoints};

/// Checks that the resources know the node of a dump, whose file was given.
///
/// # Errors
///
/// Bad input: a node of a name that they don't say.
pub fn check_known(node: &Node, file: &str, resources: &Resources) -> Result<(), Ending> {
    let known = nodes_named(resources);
    if known.is_empty() || known.contains(node.name.as_str()) {
        return Ok(());
    }
    let names: Vec<&str> = known.into_iter().collect();
    Err(Ending::bad_input(miette!(
        help = "the node's `name` says which node's endpoints are meant",
        "{file}: the resources know no node `{}`; they name {}",
        node.name,
        names.join(", ")
    )))
}

/// Makes of a node that was inferred from a dump the one of the resources that has most of its interfaces,
/// with its workloads behind them; what was assumed is said.
pub fn fit(subject: &mut Subject, resources: &Resources) {
    let nodes = nodes_with_endpoints(resources).into_iter();
    let known = |name: &&str| {
        let own = interfaces(resources, name);
        let own = own.filter(|interface| subject.node.interface(*interface).is_some());
        own.count()
    };
    let Some(name) = nodes.rev().max_by_key(known).map(str::to_owned) else {
        return;
    };
    subject.node.name.clone_from(&name);
    subject.assumptions.push(format!(
        "the node is `{name}` of the resources, with its workloads' addresses behind their interfaces"
    ));
    put_workloads(&mut subject.node, resources);
    put_hosts(&mut subject.node, resources);
}

/// The interfaces of a node's endpoints.
fn interfaces<'r>(
    resources: &'r Resources,
    node: &'r str,
) -> impl Iterator<Item = InterfaceName> + 'r {
    let workloads = resources.workloads.iter();
    let workloads = workloads.filter(move |one| one.id.node == node);
    let hosts = resources.hosts.iter().filter(move |one| one.node == node);
    let hosts = hosts.filter_map(|one| match one.of {
        HostInterface::Named(interface) => Some(interface),
        HostInterface::ByAddress | HostInterface::All => None,
    });
    workloads.map(|one| one.interface).chain(hosts)
}

fn interface(node: &mut Node, name: InterfaceName) -> &mut Interface {
    let at = node.interfaces.iter().position(|one| one.name == name);
    let at = at.unwrap_or_else(|| {
        node.interfaces.push(Interface {
            name,
            addresses: Vec::new(),
            reverse_path: ReversePath::Off,
            route_localnet: false,
        });
        node.interfaces.len() - 1
    });
    &mut node.interfaces[at]
}

/// Routes to workloads, in the place of what was made up about their interfaces.
fn put_workloads(node: &mut Node, resources: &Resources) {
    let name = node.name.clone();
    let own = resources.workloads.iter().filter(|one| one.id.node == name);
    for workload in own {
        let by = workload.interface;
        let own = interface(node, by);
        own.addresses.clear();
        own.route_localnet = true;
        let floating = workload.floating.iter().map(|one| one.outside);
        let addresses: Vec<_> = workload.addresses.iter().copied().chain(floating).collect();
        node.routes.retain(|route| {
            let leads_there =
                matches!(route.to, RouteKind::Unicast { interface, .. } if interface == by);
            let is_single = route.destination.prefix_len() == route.destination.max_prefix_len();
            let is_to_it = is_single && addresses.contains(&route.destination.addr());
            !leads_there && !is_to_it
        });
        node.routes
            .extend(addresses.into_iter().map(|address| Route {
                destination: address.into(),
                to: RouteKind::Unicast {
                    interface: by,
                    via: None,
                },
            }));
    }
}

/// The addresses that host endpoints expect on their interfaces.
fn put_hosts(node: &mut Node, resources: &Resources) {
    let name = node.name.clone();
    for host in resources.hosts.iter().filter(|one| one.node == name) {
        let HostInterface::Named(by) = host.of else {
            continue;
        };
        let expected = host.expected_addresses.iter();
        let missing: Vec<IpNet> = expected
            .filter(|address| !node.addresses().any(|(_, net)| net.addr() == **address))
            .map(|address| IpNet::from(*address))
            .collect();
        interface(node, by).addresses.extend(missing);
    }
}
