//! Workloads and host endpoints.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::site::{NAME, OTHER, Site, workload_address};
use super::{Feature, Maker};
use crate::calico::configuration::{Configuration, InterfacePrefix};
use crate::calico::resources::endpoint::WorkloadId;
use crate::calico::resources::{HostEndpoint, Labels, Profile, WorkloadEndpoint};
use crate::calico::world::{FloatingAddress, HostInterface};
use crate::generate::bits::Bits;
use crate::node::{Interface, ReversePath};
use crate::packet::{Family, InterfaceName};

/// Ends of interfaces' names that begin alike: one that begins another, and ones that part late.
const ALIKE: [&str; 10] = [
    "",
    "0",
    "01",
    "012",
    "0123456789a",
    "0123456789b",
    "ab",
    "abc",
    "b",
    "b-_",
];

/// The longest name of an interface (`IFNAMSIZ` less the zero behind it, include/uapi/linux/if.h).
const LONGEST: usize = 15;

impl<B: Bits> Maker<'_, B> {
    /// The workloads of the node, with their interfaces and routes, and those of the other node.
    pub(super) fn workloads(
        &mut self,
        configuration: &Configuration,
        site: &mut Site,
    ) -> Vec<WorkloadEndpoint> {
        let mut names = BTreeSet::new();
        let wanted = self.up_to(self.dials.workloads);
        // Where nobody is, nothing is to judge: that is seldom worth a cluster.
        let count = match wanted {
            0 if self.dials.workloads > 0 => usize::from(!self.bits.chance(1, 8)),
            wanted => wanted,
        };
        let mut workloads = Vec::new();
        for number in 0..count {
            let name = self.interface(configuration, number, &mut names);
            if let Some(name) = name {
                workloads.push(self.workload(number, name, site));
            }
        }
        self.strays(configuration, count, &mut names, site);
        if self.has(Feature::OtherNode) {
            for number in 0..=self.bits.below(2) {
                workloads.extend(self.remote(number, site));
            }
        }
        workloads
    }

    /// Interfaces that look like workloads' and are nobody's, and one that nearly does.
    pub(super) fn strays(
        &mut self,
        configuration: &Configuration,
        count: usize,
        names: &mut BTreeSet<InterfaceName>,
        site: &mut Site,
    ) {
        if self.has(Feature::UnknownInterfaces) {
            let name = self.interface(configuration, count, names);
            if let Some(name) = name {
                self.unknown(name, count, site);
            }
            if self.bits.chance(1, 3)
                && let Some(name) = self.nearly_alike(configuration, names)
            {
                self.unknown(name, count + 1, site);
            }
        }
    }

    /// The name of a workload's interface; `None` where there is none left that begins so.
    pub(super) fn interface(
        &mut self,
        configuration: &Configuration,
        number: usize,
        names: &mut BTreeSet<InterfaceName>,
    ) -> Option<InterfaceName> {
        let prefixes = &configuration.interface_prefixes;
        let prefix = self
            .bits
            .pick(prefixes)
            .unwrap_or(&InterfacePrefix::CALI)
            .as_str();
        let end = match self.at_times(Feature::AlikeInterfaces, 3, 4) {
            true => self.bits.one(ALIKE).to_owned(),
            false => format!("{number}"),
        };
        let name: String = prefix.chars().chain(end.chars()).take(LONGEST).collect();
        let other = format!("{prefix}w{number}");
        let mut free = [name, other]
            .into_iter()
            .filter_map(|name| name.parse().ok());
        free.find(|name| names.insert(*name))
    }

    /// The name of an interface that looks like a workload's but for the last letter of the prefix.
    fn nearly_alike(
        &mut self,
        configuration: &Configuration,
        names: &mut BTreeSet<InterfaceName>,
    ) -> Option<InterfaceName> {
        let prefixes = &configuration.interface_prefixes;
        let prefix = self.bits.pick(prefixes)?.as_str();
        let name = format!("{}-0", &prefix[..prefix.len() - 1]).parse().ok()?;
        names.insert(name).then_some(name)
    }

    fn workload(
        &mut self,
        number: usize,
        name: InterfaceName,
        site: &mut Site,
    ) -> WorkloadEndpoint {
        let mut workload = WorkloadEndpoint::new(id(NAME, number), name);
        workload.labels = self.labels();
        workload.up = !self.at_times(Feature::Down, 1, 3);
        for family in Family::BOTH {
            if family == Family::V4 || self.has(Feature::V6) {
                workload.addresses.extend(self.addresses(family, number));
            }
        }
        site.node.interfaces.push(Interface {
            name,
            addresses: Vec::new(),
            reverse_path: ReversePath::Strict,
            route_localnet: true,
        });
        if self.has(Feature::Floating) {
            workload.floating = self.floating(number, &workload.addresses);
        }
        let outside = workload.floating.iter().map(|floating| floating.outside);
        let all: Vec<IpAddr> = workload.addresses.iter().copied().chain(outside).collect();
        let routed = workload.up || self.bits.chance(1, 2);
        for address in all {
            site.meet(address);
            if routed && !self.at_times(Feature::OddNode, 1, 6) {
                site.route(IpNet::from(address), name, None);
            }
        }
        workload
    }

    pub(super) fn addresses(&mut self, family: Family, number: usize) -> Vec<IpAddr> {
        let several = self.has(Feature::Addresses);
        let count = if several {
            self.bits.one([0, 1, 2, 3])
        } else {
            1
        };
        let outside_pools = self.at_times(Feature::NestedPools, 1, 4);
        let addresses = (0..count).map(|index| {
            let place = number + index * 32;
            match (outside_pools, family) {
                (true, Family::V4) => IpAddr::from([172, 30, 0, u8::try_from(place).unwrap_or(1)]),
                _ => workload_address(family, 0, place),
            }
        });
        addresses.collect()
    }

    /// Addresses outside for some of those inside: of nobody, of the node's network, of a pool; two
    /// for one, or one for two.
    pub(super) fn floating(&mut self, number: usize, inside: &[IpAddr]) -> Vec<FloatingAddress> {
        let mut floating = Vec::new();
        for inside in inside {
            let count = self.bits.one([0, 1, 1, 2]);
            for index in 0..count {
                let outside = self.outside(*inside, number * 4 + index);
                floating.push(FloatingAddress {
                    outside,
                    inside: *inside,
                });
            }
        }
        floating
    }

    fn outside(&mut self, inside: IpAddr, number: usize) -> IpAddr {
        // Now and then the same for several workloads.
        let number = if self.bits.chance(1, 8) { 0 } else { number };
        let low = u8::try_from(100 + number % 100).unwrap_or(100);
        let place = self.bits.below(6);
        match Family::of(inside) {
            Family::V4 => IpAddr::from(match place {
                0 => [192, 168, 40, low],
                1 => [10, 65, 0, low],
                _ => [203, 0, 113, low],
            }),
            Family::V6 => IpAddr::from(match place {
                0 => [0xfd00, 0x192, 0x168, 0x40, 0, 0, 0, low.into()],
                1 => [0xfd65, 0, 0, 0, 0, 0, 0, low.into()],
                _ => [0x2001, 0xdb8, 0xf, 0, 0, 0, 0, low.into()],
            }),
        }
    }

    /// An interface that looks like a workload's and is nobody's, perhaps with somebody behind it.
    fn unknown(&mut self, name: InterfaceName, number: usize, site: &mut Site) {
        site.node.interfaces.push(Interface {
            name,
            addresses: Vec::new(),
            reverse_path: self.bits.one([ReversePath::Off, ReversePath::Strict]),
            route_localnet: self.bits.chance(1, 2),
        });
        for family in Family::BOTH {
            if (family == Family::V4 || self.has(Feature::V6)) && self.bits.chance(3, 4) {
                let address = workload_address(family, 0, 150 + number);
                site.meet(address);
                site.route(IpNet::from(address), name, None);
            }
        }
    }

    fn remote(&mut self, number: usize, site: &mut Site) -> Option<WorkloadEndpoint> {
        // What its interface is called is the other node's business.
        let name = format!("cali{number}").parse().ok()?;
        let mut workload = WorkloadEndpoint::new(id(OTHER, number), name);
        workload.labels = self.labels();
        for family in Family::BOTH {
            if family == Family::V4 || self.has(Feature::V6) {
                let address = workload_address(family, 1, number);
                site.meet(address);
                workload.addresses.push(address);
            }
        }
        Some(workload)
    }

    /// The host endpoints.
    pub(super) fn hosts(
        &mut self,
        site: &Site,
        workloads: &[WorkloadEndpoint],
        profiles: &[Profile],
    ) -> Vec<HostEndpoint> {
        if !self.has(Feature::Hosts) {
            return Vec::new();
        }
        let mut hosts = Vec::new();
        for uplink in &site.uplinks {
            let most = if self.has(Feature::OverlappingHosts) {
                3
            } else {
                1
            };
            let count = match self.bits.chance(1, 5) {
                true => 0,
                false => 1 + self.bits.below(most),
            };
            for _ in 0..count {
                let number = hosts.len();
                hosts.push(self.host(number, *uplink, site, profiles));
            }
        }
        if self.has(Feature::OddHosts) {
            let of_workloads = workloads.iter().map(|workload| workload.interface);
            let mut odd: Vec<InterfaceName> = of_workloads.collect();
            odd.extend([InterfaceName::LOOPBACK]);
            odd.extend("missing0".parse::<InterfaceName>());
            if let Some(name) = self.bits.pick(&odd).copied() {
                let number = hosts.len();
                hosts.push(HostEndpoint {
                    of: HostInterface::Named(name),
                    ..self.host(number, name, site, profiles)
                });
            }
        }
        hosts
    }

    pub(super) fn host(
        &mut self,
        number: usize,
        interface: InterfaceName,
        site: &Site,
        profiles: &[Profile],
    ) -> HostEndpoint {
        let known = site.node.interface(interface);
        let own = known.map_or(&[][..], |interface| &interface.addresses);
        let mut expected: Vec<IpAddr> = own.iter().map(IpNet::addr).collect();
        expected.retain(|_| self.bits.chance(3, 4));
        if self.bits.chance(1, 6) {
            let somebody = self.anyone(site, Family::V4);
            expected.push(somebody);
        }
        let by_address = self.at_times(Feature::HostsByAddress, 1, 2) && !expected.is_empty();
        // The first by name is not the first in the file.
        let name = format!("host-{}", 9 - number % 10);
        HostEndpoint {
            name: if number < 10 {
                name
            } else {
                format!("host-{number}")
            },
            node: NAME.to_owned(),
            labels: match self.bits.chance(1, 4) {
                true => Labels::new(),
                false => self.labels(),
            },
            of: match by_address {
                true => HostInterface::ByAddress,
                false => HostInterface::Named(interface),
            },
            expected_addresses: expected,
            profiles: self.some_profiles(profiles),
            ports: Vec::new(),
            dscp: None,
        }
    }
}

fn id(node: &str, number: usize) -> WorkloadId {
    WorkloadId {
        orchestrator: "cni".to_owned(),
        namespace: None,
        workload: format!("workload{number}"),
        endpoint: "eth0".to_owned(),
        node: node.to_owned(),
    }
}
