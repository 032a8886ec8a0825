//! Parameters that the seed's era has not.

use std::net::IpAddr;

use crate::calico::configuration::modern::{
    AllowAction, DenyAction, Modern, NatExclusions, Rate, ServiceLoops,
};
use crate::calico::rule::PortNumbers;

/// One of them and its value: the fields of [`Modern`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModernSetting {
    /// What is on or off.
    Switch(Switch, bool),
    /// A number.
    Number(Number, u16),
    /// A text.
    Text(Text, String),
    /// [`Modern::filter_allow`]
    FilterAllow(AllowAction),
    /// [`Modern::mangle_allow`]
    MangleAllow(AllowAction),
    /// [`Modern::filter_deny`]
    FilterDeny(DenyAction),
    /// [`Modern::nat_ports`]
    NatPorts(PortNumbers),
    /// [`Modern::nat_address`]
    NatAddress(IpAddr),
    /// [`Modern::nat_exclusions`]
    NatExclusions(NatExclusions),
    /// [`Modern::service_loops`]
    ServiceLoops(ServiceLoops),
    /// [`Modern::node_ports`]
    NodePorts(Vec<PortNumbers>),
    /// [`Modern::log_rate`]
    LogRate(Rate),
}

/// Which of them a [`ModernSetting`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is documented at its setting")]
pub enum ModernParameter {
    Switch(Switch),
    Number(Number),
    Text(Text),
    FilterAllow,
    MangleAllow,
    FilterDeny,
    NatPorts,
    NatAddress,
    NatExclusions,
    ServiceLoops,
    NodePorts,
    LogRate,
}

/// What is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Switch {
    /// [`Modern::disable_invalid_check`]
    DisableInvalidCheck,
    /// [`Modern::vxlan`]
    Vxlan,
    /// [`Modern::allow_vxlan_from_workloads`]
    AllowVxlanFromWorkloads,
    /// [`Modern::allow_ip_in_ip_from_workloads`]
    AllowIpInIpFromWorkloads,
    /// `Wireguard::v4`
    Wireguard,
    /// `Wireguard::v6`
    WireguardV6,
    /// `Wireguard::host_encryption`
    WireguardHostEncryption,
    /// [`Modern::floating_addresses`]
    FloatingAddresses,
    /// [`Modern::flow_reporter`]
    FlowReporter,
    /// [`Modern::istio`]
    Istio,
}

impl Switch {
    /// Whether the API says `Enabled` and `Disabled` for true and false.
    #[must_use]
    pub fn is_worded(self) -> bool {
        matches!(
            self,
            Self::FloatingAddresses | Self::FlowReporter | Self::Istio
        )
    }
}

/// A number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Number {
    /// [`Modern::vxlan_port`]
    VxlanPort,
    /// `Wireguard::port`
    WireguardPort,
    /// `Wireguard::port_v6`
    WireguardPortV6,
    /// [`Modern::log_burst`]
    LogBurst,
    /// [`Modern::istio_dscp`]
    IstioDscp,
}

impl Number {
    /// The least and the most that it can be.
    #[must_use]
    pub fn bounds(self) -> [u16; 2] {
        match self {
            Self::VxlanPort | Self::WireguardPort | Self::WireguardPortV6 => [1, u16::MAX],
            Self::LogBurst => [0, 9999],
            Self::IstioDscp => [0, 63],
        }
    }
}

/// A text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Text {
    /// [`Modern::nat_interface`]
    NatInterface,
    /// `Wireguard::interface`
    WireguardInterface,
    /// `Wireguard::interface_v6`
    WireguardInterfaceV6,
    /// [`Modern::flow_server`]
    FlowServer,
}

impl Text {
    /// Whether it is the name of an interface.
    #[must_use]
    pub fn is_interface(self) -> bool {
        self != Self::FlowServer
    }
}

impl ModernSetting {
    /// Which parameter it is about.
    #[must_use]
    pub fn parameter(&self) -> ModernParameter {
        match self {
            Self::Switch(switch, _) => ModernParameter::Switch(*switch),
            Self::Number(number, _) => ModernParameter::Number(*number),
            Self::Text(text, _) => ModernParameter::Text(*text),
            Self::FilterAllow(_) => ModernParameter::FilterAllow,
            Self::MangleAllow(_) => ModernParameter::MangleAllow,
            Self::FilterDeny(_) => ModernParameter::FilterDeny,
            Self::NatPorts(_) => ModernParameter::NatPorts,
            Self::NatAddress(_) => ModernParameter::NatAddress,
            Self::NatExclusions(_) => ModernParameter::NatExclusions,
            Self::ServiceLoops(_) => ModernParameter::ServiceLoops,
            Self::NodePorts(_) => ModernParameter::NodePorts,
            Self::LogRate(_) => ModernParameter::LogRate,
        }
    }

    /// Puts it into a configuration.
    pub fn apply(self, modern: &mut Modern) {
        match self {
            Self::Switch(switch, on) => apply_switch(switch, on, modern),
            Self::Number(number, value) => apply_number(number, value, modern),
            Self::Text(Text::NatInterface, name) => modern.nat_interface = Some(name),
            Self::Text(Text::WireguardInterface, name) => modern.wireguard.interface = name,
            Self::Text(Text::WireguardInterfaceV6, name) => modern.wireguard.interface_v6 = name,
            Self::Text(Text::FlowServer, server) => modern.flow_server = server,
            Self::FilterAllow(action) => modern.filter_allow = action,
            Self::MangleAllow(action) => modern.mangle_allow = action,
            Self::FilterDeny(action) => modern.filter_deny = action,
            Self::NatPorts(ports) => modern.nat_ports = Some(ports),
            Self::NatAddress(address) => modern.nat_address = Some(address),
            Self::NatExclusions(exclusions) => modern.nat_exclusions = exclusions,
            Self::ServiceLoops(loops) => modern.service_loops = loops,
            Self::NodePorts(ports) => modern.node_ports = ports,
            Self::LogRate(rate) => modern.log_rate = Some(rate),
        }
    }
}

fn apply_switch(switch: Switch, on: bool, modern: &mut Modern) {
    let place = match switch {
        Switch::Vxlan => {
            modern.vxlan = Some(on);
            return;
        }
        Switch::DisableInvalidCheck => &mut modern.disable_invalid_check,
        Switch::AllowVxlanFromWorkloads => &mut modern.allow_vxlan_from_workloads,
        Switch::AllowIpInIpFromWorkloads => &mut modern.allow_ip_in_ip_from_workloads,
        Switch::Wireguard => &mut modern.wireguard.v4,
        Switch::WireguardV6 => &mut modern.wireguard.v6,
        Switch::WireguardHostEncryption => &mut modern.wireguard.host_encryption,
        Switch::FloatingAddresses => &mut modern.floating_addresses,
        Switch::FlowReporter => &mut modern.flow_reporter,
        Switch::Istio => &mut modern.istio,
    };
    *place = on;
}

fn apply_number(number: Number, value: u16, modern: &mut Modern) {
    let place = match number {
        Number::IstioDscp => {
            // Six bits: what reads it refuses more.
            modern.istio_dscp = u8::try_from(value).unwrap_or(u8::MAX) & 0x3f;
            return;
        }
        Number::VxlanPort => &mut modern.vxlan_port,
        Number::WireguardPort => &mut modern.wireguard.port,
        Number::WireguardPortV6 => &mut modern.wireguard.port_v6,
        Number::LogBurst => &mut modern.log_burst,
    };
    *place = value;
}
