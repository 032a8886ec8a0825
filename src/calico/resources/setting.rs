//! What Felix is told, parameter by parameter; [`modern`] has what the seed's era has not.

pub mod modern;

use std::net::IpAddr;

pub use modern::{ModernParameter, ModernSetting};

use crate::calico::configuration::modern::Failsafe;
use crate::calico::configuration::{Configuration, EndpointToHost, InsertMode, InterfacePrefix};

/// Parameters for every node, or for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FelixConfiguration {
    /// The only node that it is for.
    pub node: Option<String>,
    /// What it says, each parameter at most once.
    pub settings: Vec<Setting>,
}

impl FelixConfiguration {
    /// Puts what it says into a configuration.
    pub fn apply(&self, configuration: &mut Configuration) {
        for setting in &self.settings {
            setting.clone().apply(configuration);
        }
    }
}

/// One parameter and its value: the fields of [`Configuration`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// [`Configuration::interface_prefixes`]
    InterfacePrefixes(Vec<InterfacePrefix>),
    /// [`Configuration::mark_mask`]
    MarkMask(u32),
    /// [`Configuration::ip_in_ip`]
    IpInIp(bool),
    /// [`Configuration::tunnel_address`] (not in v3, where the node says it)
    TunnelAddress(IpAddr),
    /// [`Configuration::endpoint_to_host`]
    EndpointToHost(EndpointToHost),
    /// [`Configuration::insert_mode`]
    InsertMode(InsertMode),
    /// [`Configuration::log_prefix`]
    LogPrefix(String),
    /// [`Configuration::failsafe_inbound`]; in the seed's era, those of TCP for everyone.
    FailsafeInbound(Vec<Failsafe>),
    /// [`Configuration::failsafe_outbound`]; in the seed's era, those of TCP for everyone.
    FailsafeOutbound(Vec<Failsafe>),
    /// [`Configuration::ipv6`]
    Ipv6(bool),
    /// [`Configuration::metadata_address`]
    MetadataAddress(String),
    /// [`Configuration::metadata_port`]
    MetadataPort(u16),
    /// [`Configuration::cluster_type`] (not in v3)
    ClusterType(String),
    /// A parameter of [`Configuration::modern`] (not in v1)
    Modern(ModernSetting),
}

/// Which parameter a [`Setting`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is documented at its setting")]
pub enum Parameter {
    InterfacePrefixes,
    MarkMask,
    IpInIp,
    TunnelAddress,
    EndpointToHost,
    InsertMode,
    LogPrefix,
    FailsafeInbound,
    FailsafeOutbound,
    Ipv6,
    MetadataAddress,
    MetadataPort,
    ClusterType,
    Modern(ModernParameter),
}

impl Setting {
    /// Which parameter it is about.
    #[must_use]
    pub fn parameter(&self) -> Parameter {
        match self {
            Self::InterfacePrefixes(_) => Parameter::InterfacePrefixes,
            Self::MarkMask(_) => Parameter::MarkMask,
            Self::IpInIp(_) => Parameter::IpInIp,
            Self::TunnelAddress(_) => Parameter::TunnelAddress,
            Self::EndpointToHost(_) => Parameter::EndpointToHost,
            Self::InsertMode(_) => Parameter::InsertMode,
            Self::LogPrefix(_) => Parameter::LogPrefix,
            Self::FailsafeInbound(_) => Parameter::FailsafeInbound,
            Self::FailsafeOutbound(_) => Parameter::FailsafeOutbound,
            Self::Ipv6(_) => Parameter::Ipv6,
            Self::MetadataAddress(_) => Parameter::MetadataAddress,
            Self::MetadataPort(_) => Parameter::MetadataPort,
            Self::ClusterType(_) => Parameter::ClusterType,
            Self::Modern(setting) => Parameter::Modern(setting.parameter()),
        }
    }

    /// Puts it into a configuration.
    pub fn apply(self, configuration: &mut Configuration) {
        let modern = &mut configuration.modern;
        match self {
            Self::InterfacePrefixes(prefixes) => configuration.interface_prefixes = prefixes,
            Self::MarkMask(mask) => {
                configuration.mark_mask = mask;
                modern.mark_mask = mask;
            }
            Self::IpInIp(enabled) => {
                configuration.ip_in_ip = enabled;
                modern.ip_in_ip = Some(enabled);
            }
            Self::TunnelAddress(address) => configuration.tunnel_address = Some(address),
            Self::EndpointToHost(action) => configuration.endpoint_to_host = action,
            Self::InsertMode(mode) => configuration.insert_mode = mode,
            Self::LogPrefix(prefix) => configuration.log_prefix = prefix,
            Self::FailsafeInbound(ports) => {
                configuration.failsafe_inbound = of_the_seeds_era(&ports);
                modern.failsafe_inbound = Some(ports);
            }
            Self::FailsafeOutbound(ports) => {
                configuration.failsafe_outbound = of_the_seeds_era(&ports);
                modern.failsafe_outbound = Some(ports);
            }
            Self::Ipv6(enabled) => configuration.ipv6 = enabled,
            Self::MetadataAddress(address) => configuration.metadata_address = address,
            Self::MetadataPort(port) => configuration.metadata_port = port,
            Self::ClusterType(kind) => configuration.cluster_type = kind,
            Self::Modern(setting) => setting.apply(modern),
        }
    }
}

/// The ports that the seed's era can say; worlds with others are refused for it (`era`).
fn of_the_seeds_era(ports: &[Failsafe]) -> Vec<u16> {
    ports.iter().filter_map(Failsafe::plain_tcp).collect()
}
