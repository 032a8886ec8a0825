//! What Felix of August 2026 is told besides, and the parameters whose defaults or values have changed
//! since the seed's era (felix, config/config_params.go, and the resource FelixConfiguration).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::calico::rule::{NamedProtocol, PortNumbers, RuleProtocol};

/// The parameters, with Felix's own defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modern {
    /// `iptablesMarkMask`: the bits of the mark that Felix may use.
    pub mark_mask: u32,
    /// `iptablesFilterAllowAction`: what becomes of what policy allows, in filter.
    pub filter_allow: AllowAction,
    /// `iptablesMangleAllowAction`: and in mangle.
    pub mangle_allow: AllowAction,
    /// `iptablesFilterDenyAction`: what becomes of what is denied.
    pub filter_deny: DenyAction,
    /// `disableConntrackInvalidCheck`: packets of which connection tracking can make nothing are judged
    /// like others.
    pub disable_invalid_check: bool,
    /// `ipipEnabled`; absent: where some pool says so.
    pub ip_in_ip: Option<bool>,
    /// `vxlanEnabled`, of IPv4; absent: where some pool says so.
    pub vxlan: Option<bool>,
    /// `vxlanPort`: the UDP port of VXLAN.
    pub vxlan_port: u16,
    /// This node's own addresses on its VXLAN interfaces, which its resource says.
    pub vxlan_addresses: (Option<Ipv4Addr>, Option<Ipv6Addr>),
    /// `allowVXLANPacketsFromWorkloads`.
    pub allow_vxlan_from_workloads: bool,
    /// `allowIPIPPacketsFromWorkloads`.
    pub allow_ip_in_ip_from_workloads: bool,
    /// Traffic between nodes wrapped in `WireGuard`.
    pub wireguard: Wireguard,
    /// `failsafeInboundHostPorts`: ports of the node that no policy closes; absent:
    /// [`Failsafe::inbound`].
    pub failsafe_inbound: Option<Vec<Failsafe>>,
    /// `failsafeOutboundHostPorts`: ports that the node reaches whatever the policy; absent:
    /// [`Failsafe::outbound`].
    pub failsafe_outbound: Option<Vec<Failsafe>>,
    /// `natPortRange`: the ports that outgoing NAT gives to TCP and UDP.
    pub nat_ports: Option<PortNumbers>,
    /// `natOutgoingAddress`: the address that outgoing NAT gives, in the place of the interface's.
    pub nat_address: Option<IpAddr>,
    /// `natOutgoingExclusions`: where outgoing NAT does not apply.
    pub nat_exclusions: NatExclusions,
    /// `iptablesNATOutgoingInterfaceFilter`: the interface by which a packet leaves to be translated; a
    /// `+` at its end stands for any ending.
    pub nat_interface: Option<String>,
    /// `serviceLoopPrevention`: what becomes of packets to services' addresses that nothing translates.
    pub service_loops: ServiceLoops,
    /// The addresses of services, which BGPConfiguration says.
    pub service_nets: Vec<IpNet>,
    /// `floatingIPs`: whether floating addresses stand for workloads of every orchestrator, not only of
    /// OpenStack's.
    pub floating_addresses: bool,
    /// `kubeNodePortRanges`: the ports of the node that stand for services.
    pub node_ports: Vec<PortNumbers>,
    /// `logActionRateLimit`: how often rules that log do so.
    pub log_rate: Option<Rate>,
    /// `logActionRateLimitBurst`: how often at once.
    pub log_burst: u16,
    /// `flowLogsGoldmaneServer`: whom Felix tells of flows; empty: nobody.
    pub flow_server: String,
    /// `flowLogsLocalReporter`: whether Felix tells the node itself of flows.
    pub flow_reporter: bool,
    /// `istioAmbientMode`: whether connections to Istio's workloads are told by their DSCP.
    pub istio: bool,
    /// `istioDSCPMark`: and by which, 0 to 63.
    pub istio_dscp: u8,
}

impl Default for Modern {
    fn default() -> Self {
        Self {
            mark_mask: 0xffff_0000,
            filter_allow: AllowAction::Accept,
            mangle_allow: AllowAction::Accept,
            filter_deny: DenyAction::Drop,
            disable_invalid_check: false,
            ip_in_ip: None,
            vxlan: None,
            vxlan_port: 4789,
            vxlan_addresses: (None, None),
            allow_vxlan_from_workloads: false,
            allow_ip_in_ip_from_workloads: false,
            wireguard: Wireguard::default(),
            failsafe_inbound: None,
            failsafe_outbound: None,
            nat_ports: None,
            nat_address: None,
            nat_exclusions: NatExclusions::Pools,
            nat_interface: None,
            service_loops: ServiceLoops::Drop,
            service_nets: Vec::new(),
            floating_addresses: false,
            node_ports: PortNumbers::new(30_000, 32_767).into_iter().collect(),
            log_rate: None,
            log_burst: 5,
            flow_server: String::new(),
            flow_reporter: false,
            istio: false,
            istio_dscp: 23,
        }
    }
}

impl Modern {
    /// Whether rules tell the log of flows what became of packets.
    #[must_use]
    pub fn logs_flows(&self) -> bool {
        self.flow_reporter || !self.flow_server.is_empty()
    }

    /// The ports of the node that no policy closes.
    #[must_use]
    pub fn failsafe_inbound(&self) -> Vec<Failsafe> {
        self.failsafe_inbound
            .clone()
            .unwrap_or_else(Failsafe::inbound)
    }

    /// The ports that the node reaches whatever the policy.
    #[must_use]
    pub fn failsafe_outbound(&self) -> Vec<Failsafe> {
        self.failsafe_outbound
            .clone()
            .unwrap_or_else(Failsafe::outbound)
    }
}

/// What becomes of what policy allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AllowAction {
    /// It is accepted, whatever rules stand behind Felix's.
    #[default]
    Accept,
    /// Rules behind Felix's are asked, too.
    Return,
}

/// What becomes of what is denied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DenyAction {
    /// It is dropped.
    #[default]
    Drop,
    /// Its sender is told.
    Reject,
}

/// How traffic between nodes is wrapped in `WireGuard`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wireguard {
    /// `wireguardEnabled`: whether that of IPv4 is.
    pub v4: bool,
    /// `wireguardEnabledV6`: whether that of IPv6 is.
    pub v6: bool,
    /// `wireguardHostEncryptionEnabled`: whether the nodes' own is, too.
    pub host_encryption: bool,
    /// `wireguardListeningPort`: the UDP port of IPv4's.
    pub port: u16,
    /// `wireguardListeningPortV6`: and of IPv6's.
    pub port_v6: u16,
    /// `wireguardInterfaceName`: the interface of IPv4's.
    pub interface: String,
    /// `wireguardInterfaceNameV6`: and of IPv6's.
    pub interface_v6: String,
}

impl Default for Wireguard {
    fn default() -> Self {
        Self {
            v4: false,
            v6: false,
            host_encryption: false,
            port: 51_820,
            port_v6: 51_821,
            interface: "wireguard.cali".to_owned(),
            interface_v6: "wg-v6.cali".to_owned(),
        }
    }
}

impl Wireguard {
    /// Whether it is on for any family.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.v4 || self.v6
    }
}

/// A port that no policy closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Failsafe {
    /// Its protocol.
    pub protocol: RuleProtocol,
    /// The port.
    pub port: u16,
    /// The only addresses at the other end for which it stays open, if not all.
    pub net: Option<IpNet>,
}

impl Failsafe {
    /// A port for everyone.
    #[must_use]
    pub fn new(protocol: NamedProtocol, port: u16) -> Self {
        Self {
            protocol: RuleProtocol::Named(protocol),
            port,
            net: None,
        }
    }

    /// A TCP port for everyone, as all were in the seed's era.
    #[must_use]
    pub fn tcp(port: u16) -> Self {
        Self::new(NamedProtocol::Tcp, port)
    }

    /// The number, where it is a TCP port for everyone.
    #[must_use]
    pub fn plain_tcp(&self) -> Option<u16> {
        (*self == Self::tcp(self.port)).then_some(self.port)
    }

    /// What Felix leaves open by itself on the way in.
    #[must_use]
    pub fn inbound() -> Vec<Self> {
        Self::beside([(NamedProtocol::Tcp, 22), (NamedProtocol::Udp, 68)])
    }

    /// What Felix leaves open by itself on the way out.
    #[must_use]
    pub fn outbound() -> Vec<Self> {
        Self::beside([(NamedProtocol::Udp, 53), (NamedProtocol::Udp, 67)])
    }

    /// A direction's own ports, and those of both: BGP, etcd, Typha and Kubernetes' API.
    fn beside(own: [(NamedProtocol, u16); 2]) -> Vec<Self> {
        let own = own.map(|(protocol, port)| Self::new(protocol, port));
        let both_ways = [179, 2379, 2380, 5473, 6443, 6666, 6667].map(Self::tcp);
        own.into_iter().chain(both_ways).collect()
    }
}

/// Where outgoing NAT does not apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NatExclusions {
    /// To addresses of pools.
    #[default]
    Pools,
    /// To addresses of pools and of nodes.
    PoolsAndHosts,
}

/// What becomes of packets to services' addresses that nothing translates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServiceLoops {
    /// They are dropped.
    #[default]
    Drop,
    /// Their senders are told.
    Reject,
    /// They go on.
    Disabled,
}

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rate {
    /// How many times, 1 to 9999.
    pub times: u16,
    /// In which time.
    pub unit: RateUnit,
}

/// The time that a rate is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RateUnit {
    /// `second`
    Second,
    /// `minute`
    Minute,
    /// `hour`
    Hour,
    /// `day`
    Day,
}

impl RateUnit {
    /// Each with its word.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("second", Self::Second),
        ("minute", Self::Minute),
        ("hour", Self::Hour),
        ("day", Self::Day),
    ];

    /// How many seconds it has.
    #[must_use]
    pub fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
        }
    }
}

impl Rate {
    /// Reads `TIMES/UNIT`; `None` where it is no such rate.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (times, word) = text.split_once('/')?;
        let digits = times.bytes().all(|digit| digit.is_ascii_digit());
        let fits = digits && (1..=4).contains(&times.len()) && !times.starts_with('0');
        let named = RateUnit::NAMES.iter().find(|(name, _)| *name == word);
        let (_, unit) = named.filter(|_| fits)?;
        Some(Self {
            times: times.parse().ok()?,
            unit: *unit,
        })
    }
}

impl fmt::Display for Rate {
    /// As the API writes it: `100/second`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = RateUnit::NAMES.iter().find(|(_, unit)| *unit == self.unit);
        write!(f, "{}/{}", self.times, named.map_or("", |(name, _)| name))
    }
}
