//! The ground that model and kernel stand on alike: interfaces, addresses, routes, and the
//! settings of the kernel that change a packet's way.

pub mod infer;
pub mod routing;
pub mod text;
pub mod yaml;

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::packet::{Family, InterfaceName};

/// `rp_filter` of an interface: whether a source address must be routed back the way it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReversePath {
    /// 0: no check.
    #[default]
    Off,
    /// 1: the route back must leave by the same interface (RFC 3704, strict).
    Strict,
    /// 2: there must be a route back by any interface.
    Loose,
}

/// One interface of the node, besides `lo`. In the kernel room each is a TUN device: it has no
/// link-layer address and no neighbours to ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Its name.
    pub name: InterfaceName,
    /// Its addresses with their prefixes; each brings its connected route.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub addresses: Vec<IpNet>,
    /// `net.ipv4.conf.IF.rp_filter` (IPv6 has none).
    #[serde(default)]
    pub reverse_path: ReversePath,
    /// `net.ipv4.conf.IF.route_localnet`: whether 127/8 may come and go here.
    #[serde(default)]
    pub route_localnet: bool,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RouteKind {
    /// Out of an interface.
    Unicast {
        /// Which.
        interface: InterfaceName,
        /// The next hop, if not the destination itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        via: Option<IpAddr>,
    },
    /// Nowhere, silently.
    Blackhole,
    /// Nowhere, with ICMP host unreachable.
    Unreachable,
    /// Nowhere, with ICMP administratively prohibited.
    Prohibit,
}

/// One route of the main table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The prefix that it covers.
    #[schemars(with = "String")]
    pub destination: IpNet,
    /// Where it leads.
    pub to: RouteKind,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// What reports call it.
    pub name: String,
    /// Its interfaces besides `lo`, which every node has with 127.0.0.1/8 and ::1/128.
    pub interfaces: Vec<Interface>,
    /// Its routes besides the connected ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Whether it forwards IPv4 (`net.ipv4.ip_forward`).
    #[serde(default = "yes")]
    pub forwards_v4: bool,
    /// Whether it forwards IPv6 (`net.ipv6.conf.all.forwarding`).
    #[serde(default = "yes")]
    pub forwards_v6: bool,
}

fn yes() -> bool {
    true
}

impl Node {
    /// The interface of a name, `lo` excepted.
    #[must_use]
    pub fn interface(&self, name: InterfaceName) -> Option<&Interface> {
        self.interfaces
            .iter()
            .find(|interface| interface.name == name)
    }

    /// Whether it forwards this family.
    #[must_use]
    pub fn forwards(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.forwards_v4,
            Family::V6 => self.forwards_v6,
        }
    }

    /// Every address with its prefix and interface, in order, `lo`'s first.
    pub fn addresses(&self) -> impl Iterator<Item = (InterfaceName, IpNet)> + '_ {
        let loopback = ["127.0.0.1/8", "::1/128"]
            .into_iter()
            .filter_map(|text| text.parse().ok())
            .map(|net| (InterfaceName::LOOPBACK, net));
        let others = self.interfaces.iter().flat_map(|interface| {
            interface
                .addresses
                .iter()
                .map(move |net| (interface.name, *net))
        });
        loopback.chain(others)
    }
}
