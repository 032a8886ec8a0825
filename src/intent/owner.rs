//! To whom the node's interfaces belong.

use rustc_hash::FxHashMap;

use super::clause::Clauses;
use super::host;
use crate::calico::World;
use crate::calico::configuration::InterfacePrefix;
use crate::node::Node;
use crate::packet::InterfaceName;

/// To whom an interface belongs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner {
    /// To a workload.
    Workload(usize),
    /// To a host endpoint, which was found so.
    Host(usize, Clauses),
    /// To no endpoint, though it looks like a workload's.
    Unknown,
    /// To no endpoint.
    Nobody,
}

impl Owner {
    /// The workload to which it belongs, by its place in the world.
    pub(super) fn workload(self) -> Option<usize> {
        match self {
            Self::Workload(index) => Some(index),
            Self::Host(..) | Self::Unknown | Self::Nobody => None,
        }
    }

    /// Whether it belongs to an endpoint.
    pub(super) fn is_endpoint(self) -> bool {
        matches!(self, Self::Workload(_) | Self::Host(..))
    }
}

/// The interfaces of a node, ready to be asked.
pub(super) struct Owners<'a> {
    known: FxHashMap<InterfaceName, Owner>,
    prefixes: &'a [InterfacePrefix],
}

impl<'a> Owners<'a> {
    pub(super) fn new(world: &'a World, node: &Node) -> Self {
        let prefixes = &world.configuration.interface_prefixes;
        let mut known = FxHashMap::default();
        let of_node = node.interfaces.iter().map(|interface| interface.name);
        for name in of_node.chain([InterfaceName::LOOPBACK]) {
            // A host endpoint is an endpoint: what belongs to one does not belong to none,
            // whatever it looks like.
            let is_workloads = looks_like_a_workloads(prefixes, name);
            if let Some((index, how)) = host::endpoint_of(name, is_workloads, world, node) {
                known.insert(name, Owner::Host(index, how));
            }
        }
        // What two workloads claim is the first one's by name.
        for (index, workload) in world.workloads.iter().enumerate().rev() {
            known.insert(workload.interface, Owner::Workload(index));
        }
        Self { known, prefixes }
    }

    pub(super) fn of(&self, interface: InterfaceName) -> Owner {
        match self.known.get(&interface) {
            Some(owner) => *owner,
            None if looks_like_a_workloads(self.prefixes, interface) => Owner::Unknown,
            None => Owner::Nobody,
        }
    }
}

fn looks_like_a_workloads(prefixes: &[InterfacePrefix], interface: InterfaceName) -> bool {
    let mut prefixes = prefixes.iter();
    prefixes.any(|prefix| prefix.begins(interface.as_str()))
}
