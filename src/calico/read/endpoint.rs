//! Endpoints of workloads and nodes, and sets of addresses.

use std::net::IpAddr;

use serde_saphyr::Location;

use super::tree::{Fields, Read, Reader, Tree};
use super::{Metadata, Parts, known};
use crate::calico::resources::endpoint::WorkloadId;
use crate::calico::resources::{Api, HostEndpoint, NamedPort, NetworkSet, WorkloadEndpoint};
use crate::calico::rule::NamedProtocol;
use crate::calico::words::{self, Kind};
use crate::calico::world::{FloatingAddress, HostInterface, Limits, PacketRate, Qos};
use crate::packet::Family;

/// Whether an endpoint is administratively up, as the data beneath the API has it.
pub(super) const STATES: words::Words<bool> = &[("active", true), ("inactive", false)];

/// How many packets may come at once where only the rate is told (iptables' own default,
/// include/uapi/linux/netfilter/xt_limit.h).
const DEFAULT_BURST: u32 = 5;

/// The annotation of a host endpoint that tells the DSCP of what it sends.
pub(in crate::calico) const DSCP_ANNOTATION: &str = "qos.projectcalico.org/dscp";

impl Reader<'_> {
    pub(super) fn workload(
        &self,
        parts: &Parts<'_>,
        metadata: &Metadata,
    ) -> Read<WorkloadEndpoint> {
        let known = known::spec(self.api, Kind::Workload);
        let spec = self.spec(parts, "a workload endpoint's spec", known)?;
        let id = match self.api {
            Api::V1 => self.workload_id_v1(&parts.metadata)?,
            Api::V3 => self.workload_id_v3(&spec, metadata)?,
        };
        self.check_workload_name(parts, &id)?;
        if let Some(mac) = spec.get("mac") {
            self.mac(mac)?;
        }
        for gateway in ["ipv4Gateway", "ipv6Gateway"] {
            spec.get(gateway)
                .map(|tree| self.address(tree))
                .transpose()?;
        }
        let addresses = self.list(spec.get("ipNetworks"), |net| self.single_address(net))?;
        let interface = self.required(&spec, "interfaceName")?;
        let account = spec.get("serviceAccountName").map(|name| self.name(name));
        Ok(WorkloadEndpoint {
            id,
            labels: metadata.labels.clone(),
            interface: self.interface(interface)?,
            up: match spec.get("state") {
                None => true,
                Some(tree) => self.word(tree, "state", STATES)?,
            },
            profiles: self.list(spec.get("profiles"), |name| self.name(name))?,
            floating: self.list(spec.get("ipNATs"), |nat| self.floating(nat, &addresses))?,
            addresses,
            allowed_sources: self
                .list(spec.get("allowSpoofedSourcePrefixes"), |net| self.net(net))?,
            service_account: account.transpose()?,
            ports: self.list(spec.get("ports"), |port| self.named_port(port))?,
            qos: self.qos(spec.get("qosControls"))?,
        })
    }

    /// How a workload's traffic is limited and marked; its bandwidth is no matter of rules.
    fn qos(&self, tree: Option<&Tree>) -> Read<Qos> {
        let Some(tree) = tree else {
            return Ok(Qos::default());
        };
        let fields = self.fields(tree, "QoS controls", known::QOS)?;
        let dscp = fields.get("dscp").map(|tree| self.dscp(tree));
        Ok(Qos {
            ingress: self.limits(&fields, "ingress")?,
            egress: self.limits(&fields, "egress")?,
            dscp: dscp.transpose()?,
        })
    }

    fn limits(&self, fields: &Fields<'_>, direction: &str) -> Read<Limits> {
        let number = |what: &str| {
            let tree = fields.get(&format!("{direction}{what}"));
            let read = tree.map(|tree| self.whole(tree, "a limit", [0, u32::MAX]));
            // Zero is how the API says that there is no limit.
            read.transpose()
                .map(|number| number.filter(|number| *number > 0))
        };
        let burst = number("PacketBurst")?.unwrap_or(DEFAULT_BURST);
        let rate = number("PacketRate")?;
        Ok(Limits {
            packets: rate.map(|per_second| PacketRate { per_second, burst }),
            connections: number("MaxConnections")?,
        })
    }

    fn dscp(&self, tree: &Tree) -> Read<u8> {
        self.whole(tree, "a DSCP", [0, 63])
    }

    /// The DSCP that a host endpoint's annotation tells.
    pub(super) fn annotated_dscp(&self, metadata: &Fields<'_>) -> Read<Option<u8>> {
        let Some(annotations) = metadata.get("annotations") else {
            return Ok(None);
        };
        let annotations = self.any_fields(annotations, "annotations")?;
        let Some(tree) = annotations.get(DSCP_ANNOTATION) else {
            return Ok(None);
        };
        let text = self.text(tree)?;
        match text.parse::<u8>() {
            Ok(dscp) if dscp <= 63 => Ok(Some(dscp)),
            _ => {
                let problem = format!("`{text}` is no DSCP; expected 0 to 63");
                Err(self.wrong(tree.referenced, problem))
            }
        }
    }

    fn workload_id_v1(&self, metadata: &Fields<'_>) -> Read<WorkloadId> {
        let name = |field| self.workload_name(self.required(metadata, field)?);
        Ok(WorkloadId {
            orchestrator: name("orchestrator")?,
            namespace: None,
            workload: name("workload")?,
            endpoint: name("name")?,
            node: self.name_in(metadata, "node")?,
        })
    }

    /// Kubernetes calls workloads pods, CNI by their containers' ids; others call them workloads.
    fn workload_id_v3(&self, spec: &Fields<'_>, metadata: &Metadata) -> Read<WorkloadId> {
        let name = |field| self.workload_name(self.required(spec, field)?);
        let orchestrator = name("orchestrator")?;
        let workload = match orchestrator.as_str() {
            "k8s" => name("pod")?,
            "cni" => name("containerID")?,
            _ => name("workload")?,
        };
        Ok(WorkloadId {
            orchestrator,
            namespace: metadata.namespace.clone(),
            workload,
            endpoint: name("endpoint")?,
            node: self.name_in(spec, "node")?,
        })
    }

    fn check_workload_name(&self, parts: &Parts<'_>, id: &WorkloadId) -> Read<()> {
        let name = parts.metadata.get("name").filter(|_| self.api == Api::V3);
        match name {
            Some(tree) if self.text(tree)? != id.resource_name() => {
                let problem = format!(
                    "`{}` is not the name that its spec makes; expected {}",
                    self.text(tree)?,
                    id.resource_name()
                );
                Err(self.wrong(tree.referenced, problem))
            }
            _ => Ok(()),
        }
    }

    fn mac(&self, tree: &Tree) -> Read<()> {
        let text = self.text(tree)?;
        let is_byte =
            |part: &str| part.len() == 2 && part.chars().all(|digit| digit.is_ascii_hexdigit());
        let separator = if text.contains('-') { '-' } else { ':' };
        let parts: Vec<&str> = text.split(separator).collect();
        if parts.len() == 6 && parts.iter().all(|part| is_byte(part)) {
            return Ok(());
        }
        let problem = format!("`{text}` is no MAC address; expected one as ee:ee:ee:ee:ee:ee");
        Err(self.wrong(tree.referenced, problem))
    }

    fn floating(&self, tree: &Tree, addresses: &[IpAddr]) -> Read<FloatingAddress> {
        let fields = self.fields(tree, "an IP NAT", known::FLOATING)?;
        let [inside, outside] =
            ["internalIP", "externalIP"].map(|field| self.required(&fields, field));
        let (inside, outside) = (inside?, outside?);
        let nat = FloatingAddress {
            inside: self.address(inside)?,
            outside: self.address(outside)?,
        };
        if !addresses.contains(&nat.inside) {
            let problem = format!(
                "{} is not in `ipNetworks`; expected one of them",
                nat.inside
            );
            return Err(self.wrong(inside.referenced, problem));
        }
        if Family::of(nat.inside) != Family::of(nat.outside) {
            let problem = format!(
                "{} is not of the family of {}; expected both alike",
                nat.outside, nat.inside
            );
            return Err(self.wrong(outside.referenced, problem));
        }
        Ok(nat)
    }

    fn named_port(&self, tree: &Tree) -> Read<NamedPort> {
        let fields = self.fields(tree, "a named port", known::NAMED_PORT)?;
        let protocol = self.required(&fields, "protocol")?;
        let protocols: Vec<(&str, NamedProtocol)> = words::protocols(self.api)
            .iter()
            .filter(|(_, protocol)| {
                let ported = [NamedProtocol::Tcp, NamedProtocol::Udp, NamedProtocol::Sctp];
                ported.contains(protocol)
            })
            .copied()
            .collect();
        Ok(NamedPort {
            name: self.tag(self.required(&fields, "name")?)?,
            protocol: self.word(protocol, "protocol of a named port", &protocols)?,
            port: self.whole(self.required(&fields, "port")?, "a port", [1, u16::MAX])?,
        })
    }

    pub(super) fn host(&self, parts: &Parts<'_>, metadata: &Metadata) -> Read<HostEndpoint> {
        let known = known::spec(self.api, Kind::Host);
        let spec = self.spec(parts, "a host endpoint's spec", known)?;
        let node = match self.api {
            Api::V1 => self.name_in(&parts.metadata, "node")?,
            Api::V3 => self.name_in(&spec, "node")?,
        };
        let expected_addresses = self.list(spec.get("expectedIPs"), |tree| self.address(tree))?;
        let of = self.host_interface(&spec, expected_addresses.is_empty())?;
        Ok(HostEndpoint {
            name: metadata.name.clone(),
            node,
            labels: metadata.labels.clone(),
            of,
            expected_addresses,
            profiles: self.list(spec.get("profiles"), |name| self.name(name))?,
            ports: self.list(spec.get("ports"), |port| self.named_port(port))?,
            dscp: metadata.dscp,
        })
    }

    fn host_interface(&self, spec: &Fields<'_>, unexpected: bool) -> Read<HostInterface> {
        match spec.get("interfaceName") {
            Some(tree) if self.api == Api::V3 && self.text(tree)? == "*" => Ok(HostInterface::All),
            Some(tree) => self.interface(tree).map(HostInterface::Named),
            None if unexpected => {
                let place: Location = spec.place;
                let problem = "a host endpoint of no interface; expected `interfaceName`, \
                               `expectedIPs` or both";
                Err(self.wrong(place, problem))
            }
            None => Ok(HostInterface::ByAddress),
        }
    }

    pub(super) fn set(&self, parts: &Parts<'_>, metadata: &Metadata) -> Read<NetworkSet> {
        let spec = self.spec(
            parts,
            "a network set's spec",
            known::spec(self.api, parts.kind),
        )?;
        Ok(NetworkSet {
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            labels: metadata.labels.clone(),
            nets: self.list(spec.get("nets"), |net| self.net(net))?,
        })
    }
}
