//! Who sends and receives, and by which way.

use std::net::IpAddr;

use smallvec::SmallVec;

use super::Traffic;
use crate::calico::World;
use crate::generate::bits::Bits;
use crate::generate::ground::Way;
use crate::node::Node;
use crate::packet::{Family, InterfaceName, Origin};

/// The interface that bears services' addresses where kube-proxy uses IPVS: nobody is behind it.
const IPVS: &str = "kube-ipvs0";

/// Somebody with whom packets begin or end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    /// A workload of the node, by its place in the world.
    Workload(usize),
    /// Whoever is behind an interface that leads elsewhere.
    Behind(InterfaceName),
    /// The node itself.
    Node,
}

/// Those of a world on a node, and how often each comes: the workloads together as often as all
/// others.
pub(super) fn parties(world: &World, node: &Node) -> Vec<(usize, Party)> {
    let is_workloads = |name| {
        world
            .workloads
            .iter()
            .any(|workload| workload.interface == name)
    };
    let names = node.interfaces.iter().map(|interface| interface.name);
    let leads_nowhere = |name: &InterfaceName| name.as_str() == IPVS;
    let others = names.filter(|name| !is_workloads(*name) && !leads_nowhere(name));
    let others: Vec<InterfaceName> = others.collect();
    let prefixes = &world.configuration.interface_prefixes;
    let is_unknown = |name: InterfaceName| {
        let mut prefixes = prefixes.iter();
        prefixes.any(|prefix| prefix.begins(name.as_str()))
    };
    let of_workloads = 0..world.workloads.len();
    let weight = 12_usize.div_ceil(world.workloads.len().max(1));
    let mut parties: Vec<(usize, Party)> = of_workloads
        .map(|index| (weight, Party::Workload(index)))
        .collect();
    let behind = others.into_iter().map(|name| {
        let weight = if is_unknown(name) { 1 } else { 5 };
        (weight, Party::Behind(name))
    });
    parties.extend(behind);
    parties.push((5, Party::Node));
    parties
}

impl Traffic<'_> {
    pub(super) fn party(&self, bits: &mut impl Bits) -> Option<Party> {
        bits.weighted(&self.parties)
    }

    /// Where somebody's packets start, and from which address: one of its own.
    pub(super) fn sender(
        &self,
        bits: &mut impl Bits,
        party: Party,
        family: Family,
    ) -> Option<(Origin, IpAddr)> {
        let origin = match party {
            Party::Workload(index) => Origin::Arrives(self.world.workloads[index].interface),
            Party::Behind(name) => Origin::Arrives(name),
            Party::Node => Origin::Node,
        };
        Some((origin, self.address_of(bits, party, family)?))
    }

    /// An address of somebody.
    pub(super) fn address_of(
        &self,
        bits: &mut impl Bits,
        party: Party,
        family: Family,
    ) -> Option<IpAddr> {
        match party {
            Party::Workload(index) => {
                let own = &self.world.workloads[index].addresses;
                pick_of(bits, family, own.iter().copied())
            }
            Party::Behind(name) => {
                let there = self.ground.on_way(family, Way::Out(name));
                match bits.pick(there) {
                    Some(address) => Some(*address),
                    // Nothing is routed there, and so anybody may be.
                    None => self.stranger(bits, family),
                }
            }
            Party::Node => {
                let own = self.ground.node.addresses().map(|(_, net)| net.addr());
                let plain = own.filter(|address| !address.is_loopback());
                match bits.chance(7, 8) {
                    true => pick_of(bits, family, plain),
                    false => bits.pick(self.ground.on_way(family, Way::Local)).copied(),
                }
            }
        }
    }

    /// Any address that something knows.
    pub(super) fn stranger(&self, bits: &mut impl Bits, family: Family) -> Option<IpAddr> {
        bits.pick(&self.ground.constants(family).addresses).copied()
    }

    /// Where a packet from an address starts, if it comes the way that leads back to it.
    pub(super) fn origin_of(&self, source: IpAddr) -> Option<Origin> {
        let mut workloads = self.world.workloads.iter();
        if let Some(own) = workloads.find(|workload| workload.addresses.contains(&source)) {
            return Some(Origin::Arrives(own.interface));
        }
        match self.ground.way_out(source) {
            Way::Local => Some(Origin::Node),
            Way::Out(name) => Some(Origin::Arrives(name)),
            Way::Nowhere => None,
        }
    }
}

/// One of some addresses that is of a family.
pub(super) fn pick_of(
    bits: &mut impl Bits,
    family: Family,
    addresses: impl Iterator<Item = IpAddr>,
) -> Option<IpAddr> {
    let own = addresses.filter(|address| Family::of(*address) == family);
    let own: SmallVec<[IpAddr; 8]> = own.collect();
    bits.pick(&own).copied()
}
