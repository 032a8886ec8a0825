//! The cluster, its pools and its nodes.

use std::net::IpAddr;

use ipnet::IpNet;

use super::tree::{Fields, Read, Reader, Tree};
use super::{Metadata, Parts, known};
use crate::calico::resources::{Api, ClusterInformation, IpInIp, Node, Pool, ServiceNets};
use crate::calico::words::{self, Kind};
use crate::packet::Family;

/// What the one resource about the cluster is called.
pub(in crate::calico) const CLUSTER: &str = "default";

impl Reader<'_> {
    pub(super) fn pool(&self, parts: &Parts<'_>) -> Read<Pool> {
        let known = known::spec(self.api, Kind::Pool);
        let spec = self.spec(parts, "a pool's spec", known)?;
        let (cidr, nat_outgoing) = match self.api {
            Api::V1 => (self.required(&parts.metadata, "cidr")?, "nat-outgoing"),
            Api::V3 => (self.required(&spec, "cidr")?, "natOutgoing"),
        };
        self.truth(spec.get("disabled"))?;
        let (ip_in_ip, vxlan) = match self.api {
            Api::V1 => (self.ip_in_ip_v1(&spec)?, IpInIp::Never),
            Api::V3 => self.encapsulation(&spec)?,
        };
        let pool = Pool {
            net: self.pool_net(cidr, &spec)?,
            nat_outgoing: self.truth(spec.get(nat_outgoing))?,
            ip_in_ip,
            vxlan,
            for_services: self.for_services(&spec)?,
        };
        if pool.ip_in_ip != IpInIp::Never && Family::of(pool.net.addr()) == Family::V6 {
            let problem = "IP in IP for a pool of IPv6; expected a pool of IPv4";
            return Err(self.wrong(cidr.referenced, problem));
        }
        Ok(pool)
    }

    /// The prefix: none of its bits behind it, room for one block, and not link-local (libcalico-go,
    /// lib/validator, `validateIPPoolSpec`).
    fn pool_net(&self, tree: &Tree, spec: &Fields<'_>) -> Read<IpNet> {
        let net = self.written_net(tree)?;
        let refused = |problem: String| Err(self.wrong(tree.referenced, problem));
        if net != net.trunc() {
            return refused(format!(
                "`{net}` has bits behind its prefix; expected {}",
                net.trunc()
            ));
        }
        let (default, [least, most], link_local) = match Family::of(net.addr()) {
            Family::V4 => (26, [20, 32], IpNet::new(IpAddr::from([169, 254, 0, 0]), 16)),
            Family::V6 => (
                122,
                [116, 128],
                IpNet::new(IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 0]), 10),
            ),
        };
        let block = match spec.get("blockSize") {
            None => default,
            Some(tree) => self.whole(tree, "a block's prefix length", [least, most])?,
        };
        if net.prefix_len() > block {
            return refused(format!(
                "{net} holds no block of addresses; expected /{block} or wider"
            ));
        }
        match link_local {
            Ok(range) if range.contains(&net) || net.contains(&range) => refused(format!(
                "{net} overlaps {range}, the link-local addresses; expected others"
            )),
            _ => Ok(net),
        }
    }

    fn ip_in_ip_v1(&self, spec: &Fields<'_>) -> Read<IpInIp> {
        let Some(tree) = spec.get("ipip") else {
            return Ok(IpInIp::Never);
        };
        let fields = self.fields(tree, "a pool's IP in IP", known::IP_IN_IP)?;
        let mode = match fields.get("mode") {
            None => IpInIp::Always,
            Some(mode) => self.word(mode, "mode of IP in IP", words::ip_in_ip(self.api))?,
        };
        let enabled = self.truth(fields.get("enabled"))?;
        Ok(if enabled { mode } else { IpInIp::Never })
    }

    /// What a pool is for: services alone, or others, too.
    fn for_services(&self, spec: &Fields<'_>) -> Read<bool> {
        let read = |tree: &Tree| self.word(tree, "use of a pool", words::POOL_USES);
        let uses = self.list(spec.get("allowedUses"), read)?;
        Ok(!uses.is_empty() && uses.into_iter().all(|for_services| for_services))
    }

    /// Whether traffic is wrapped in IP, and whether in VXLAN.
    fn encapsulation(&self, spec: &Fields<'_>) -> Read<(IpInIp, IpInIp)> {
        let modes = words::ip_in_ip(self.api);
        let mode = |field| match spec.get(field) {
            None => Ok(IpInIp::Never),
            Some(tree) => self.word(tree, "mode of encapsulation", modes),
        };
        let (ip_in_ip, vxlan) = (mode("ipipMode")?, mode("vxlanMode")?);
        match spec.get("vxlanMode").filter(|_| vxlan != IpInIp::Never) {
            Some(tree) if ip_in_ip != IpInIp::Never => {
                let problem = "both VXLAN and IP in IP; expected one of them";
                Err(self.wrong(tree.referenced, problem))
            }
            _ => Ok((ip_in_ip, vxlan)),
        }
    }

    /// The addresses of services.
    pub(super) fn service_nets(&self, parts: &Parts<'_>, metadata: &Metadata) -> Read<ServiceNets> {
        let known = known::spec(self.api, Kind::Bgp);
        let spec = self.spec(parts, "what BGP is told", known)?;
        let nets = |field| {
            self.list(spec.get(field), |tree| {
                let range = self.fields(tree, "a range of addresses", known::SERVICE_NET)?;
                self.net(self.required(&range, "cidr")?)
            })
        };
        Ok(ServiceNets {
            name: metadata.name.clone(),
            cluster: nets("serviceClusterIPs")?,
            external: nets("serviceExternalIPs")?,
            load_balancer: nets("serviceLoadBalancerIPs")?,
        })
    }

    /// What the cluster is: one resource, of one name (libcalico-go, clientv3/clusterinformation.go).
    pub(super) fn cluster(
        &self,
        parts: &Parts<'_>,
        metadata: &Metadata,
    ) -> Read<ClusterInformation> {
        let known = known::spec(self.api, Kind::Cluster);
        let spec = self.spec(parts, "what a cluster is", known)?;
        if metadata.name != CLUSTER {
            let name = self.required(&parts.metadata, "name")?;
            let problem = format!("a cluster called `{}`; expected `{CLUSTER}`", metadata.name);
            return Err(self.wrong(name.referenced, problem));
        }
        self.truth(spec.get("datastoreReady"))?;
        let cluster_type = match spec.get("clusterType") {
            Some(tree) => self.text(tree)?.to_owned(),
            None => String::new(),
        };
        Ok(ClusterInformation { cluster_type })
    }

    pub(super) fn node(&self, parts: &Parts<'_>, name: String) -> Read<Node> {
        let known = known::spec(self.api, Kind::Node);
        let spec = self.spec(parts, "a node's spec", known)?;
        let mut node = Node {
            name,
            v4: None,
            v6: None,
            tunnel: None,
            vxlan: None,
            vxlan_v6: None,
        };
        if let Some(IpAddr::V4(own)) =
            self.node_address(&spec, "ipv4VXLANTunnelAddr", Family::V4)?
        {
            node.vxlan = Some(own);
        }
        if let Some(IpAddr::V6(own)) =
            self.node_address(&spec, "ipv6VXLANTunnelAddr", Family::V6)?
        {
            node.vxlan_v6 = Some(own);
        }
        let Some(bgp) = spec.get("bgp") else {
            return Ok(node);
        };
        let known = known::bgp(self.api);
        let bgp = self.fields(bgp, "a node's BGP", known)?;
        let address = |field, family| self.node_address(&bgp, field, family);
        for (field, family) in [("ipv4Address", Family::V4), ("ipv6Address", Family::V6)] {
            match address(field, family)? {
                Some(IpAddr::V4(address)) => node.v4 = Some(address),
                Some(IpAddr::V6(address)) => node.v6 = Some(address),
                None => {}
            }
        }
        if let Some(IpAddr::V4(tunnel)) = address("ipv4IPIPTunnelAddr", Family::V4)? {
            node.tunnel = Some(tunnel);
        }
        Ok(node)
    }

    fn node_address(&self, bgp: &Fields<'_>, field: &str, family: Family) -> Read<Option<IpAddr>> {
        let Some(tree) = bgp.get(field) else {
            return Ok(None);
        };
        let address = self.written_net(tree)?.addr();
        if Family::of(address) == family {
            return Ok(Some(address));
        }
        let problem = format!("{address} is of the other family; expected what `{field}` says");
        Err(self.wrong(tree.referenced, problem))
    }
}
