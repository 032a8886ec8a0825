//! What Felix is told: the parameters that change what it renders or what a packet meets.
//!
//! The seed's era reads [`Configuration`] alone; [`modern`] is what was added to it since, or has other
//! values now.

pub mod modern;

use std::fmt;
use std::net::IpAddr;

pub use modern::Modern;

/// Felix's parameters in the seed's era (Felix 2.1.1, config/config_params.go), with its own defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// `InterfacePrefix`: how the names of workloads' interfaces begin; at least one, in order.
    pub interface_prefixes: Vec<InterfacePrefix>,
    /// `IptablesMarkMask`: the bits of the mark that Felix may use.
    pub mark_mask: u32,
    /// `IpInIpEnabled`: whether traffic between nodes is wrapped in IP.
    pub ip_in_ip: bool,
    /// `IpInIpTunnelAddr`: this node's own address on `tunl0`.
    pub tunnel_address: Option<IpAddr>,
    /// `DefaultEndpointToHostAction`: what becomes of what a workload may send and sends to its node.
    pub endpoint_to_host: EndpointToHost,
    /// `ChainInsertMode`: where Felix's rules stand in the kernel's chains.
    pub insert_mode: InsertMode,
    /// `LogPrefix`: what stands before a line in the log.
    pub log_prefix: String,
    /// `FailsafeInboundHostPorts`: TCP ports of the node that no policy closes.
    pub failsafe_inbound: Vec<u16>,
    /// `FailsafeOutboundHostPorts`: TCP ports that the node reaches whatever the policy.
    pub failsafe_outbound: Vec<u16>,
    /// `Ipv6Support`: whether IPv6 is governed at all.
    pub ipv6: bool,
    /// `MetadataAddr`: where OpenStack's metadata service listens, to the letter; it need not be an
    /// address (`None` is what calico/node writes).
    pub metadata_address: String,
    /// `MetadataPort`: and by which port.
    pub metadata_port: u16,
    /// `ClusterType`: what kind of cluster this is, words separated by commas.
    pub cluster_type: String,
    /// What Felix of August 2026 is told besides. Where it has a parameter of the same name, this one's is
    /// of the seed's era.
    pub modern: Modern,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            interface_prefixes: vec![InterfacePrefix::CALI],
            mark_mask: 0xff00_0000,
            ip_in_ip: false,
            tunnel_address: None,
            endpoint_to_host: EndpointToHost::Drop,
            insert_mode: InsertMode::Insert,
            log_prefix: "calico-packet".to_owned(),
            failsafe_inbound: vec![22],
            failsafe_outbound: vec![2379, 2380, 4001, 7001],
            ipv6: true,
            metadata_address: "127.0.0.1".to_owned(),
            metadata_port: 8775,
            cluster_type: String::new(),
            modern: Modern::default(),
        }
    }
}

/// How the names of interfaces begin: 1 to 15 bytes without white space or `/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfacePrefix(std::borrow::Cow<'static, str>);

impl InterfacePrefix {
    /// Calico's own.
    pub const CALI: Self = Self(std::borrow::Cow::Borrowed("cali"));

    /// A prefix; `None` where no interface's name begins so.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=15).contains(&text.len())
            && !text.contains(|letter: char| letter.is_whitespace() || letter == '/');
        fits.then(|| Self(text.to_owned().into()))
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an interface's name begins so.
    #[must_use]
    pub fn begins(&self, name: &str) -> bool {
        name.starts_with(self.as_str())
    }
}

impl fmt::Display for InterfacePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What becomes of what a workload may send, and sends to its own node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EndpointToHost {
    /// It is dropped.
    #[default]
    Drop,
    /// The node's other rules decide.
    Return,
    /// It is accepted.
    Accept,
}

/// Where Felix's rules stand in the kernel's chains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InsertMode {
    /// Before all others.
    #[default]
    Insert,
    /// Behind all others.
    Append,
}
