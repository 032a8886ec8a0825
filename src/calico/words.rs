//! The words of both versions of the API, for reading and for writing alike. Where two words mean the
//! same, the first is written.

use super::configuration::modern::{AllowAction, DenyAction, NatExclusions, ServiceLoops};
use super::configuration::{EndpointToHost, InsertMode};
use super::resources::setting::Parameter;
use super::resources::setting::modern::{ModernParameter as Modern, Number, Switch, Text};
use super::resources::{Api, IpInIp, Types};
use super::rule::{Action, NamedProtocol};
use super::world::DefaultAction;

/// Words and what they mean.
pub(super) type Words<T> = &'static [(&'static str, T)];

/// The word for a meaning.
pub(super) fn word_for<T: PartialEq>(words: Words<T>, meant: &T) -> &'static str {
    let entry = words.iter().find(|(_, meaning)| meaning == meant);
    entry.map_or("", |(word, _)| word)
}

/// What rules do. `next-tier` is how Felix 2.1 calls `pass`.
pub(super) fn actions(api: Api) -> Words<Action> {
    match api {
        Api::V1 => &[
            ("allow", Action::Allow),
            ("deny", Action::Deny),
            ("log", Action::Log),
            ("pass", Action::Pass),
            ("next-tier", Action::Pass),
        ],
        Api::V3 => &[
            ("Allow", Action::Allow),
            ("Deny", Action::Deny),
            ("Log", Action::Log),
            ("Pass", Action::Pass),
        ],
    }
}

/// The protocols that have names.
pub(super) fn protocols(api: Api) -> Words<NamedProtocol> {
    match api {
        Api::V1 => &[
            ("tcp", NamedProtocol::Tcp),
            ("udp", NamedProtocol::Udp),
            ("icmp", NamedProtocol::Icmp),
            ("icmpv6", NamedProtocol::Icmpv6),
            ("sctp", NamedProtocol::Sctp),
            ("udplite", NamedProtocol::UdpLite),
        ],
        Api::V3 => &[
            ("TCP", NamedProtocol::Tcp),
            ("UDP", NamedProtocol::Udp),
            ("ICMP", NamedProtocol::Icmp),
            ("ICMPv6", NamedProtocol::Icmpv6),
            ("SCTP", NamedProtocol::Sctp),
            ("UDPLite", NamedProtocol::UdpLite),
        ],
    }
}

/// The directions that policies govern (v3).
pub(super) const TYPES: Words<Types> = &[("Ingress", Types::Ingress), ("Egress", Types::Egress)];

/// What tiers do with what they do not decide (v3).
pub(super) const DEFAULT_ACTIONS: Words<DefaultAction> =
    &[("Deny", DefaultAction::Deny), ("Pass", DefaultAction::Pass)];

/// When traffic is wrapped in IP.
pub(super) fn ip_in_ip(api: Api) -> Words<IpInIp> {
    match api {
        Api::V1 => &[
            ("always", IpInIp::Always),
            ("cross-subnet", IpInIp::CrossSubnet),
        ],
        Api::V3 => &[
            ("Never", IpInIp::Never),
            ("Always", IpInIp::Always),
            ("CrossSubnet", IpInIp::CrossSubnet),
        ],
    }
}

/// What becomes of what workloads send to their node.
pub(super) fn endpoint_to_host(api: Api) -> Words<EndpointToHost> {
    match api {
        Api::V1 => &[
            ("DROP", EndpointToHost::Drop),
            ("RETURN", EndpointToHost::Return),
            ("ACCEPT", EndpointToHost::Accept),
        ],
        Api::V3 => &[
            ("Drop", EndpointToHost::Drop),
            ("Return", EndpointToHost::Return),
            ("Accept", EndpointToHost::Accept),
        ],
    }
}

/// Where Felix's rules stand in the kernel's chains.
pub(super) fn insert_modes(api: Api) -> Words<InsertMode> {
    match api {
        Api::V1 => &[
            ("insert", InsertMode::Insert),
            ("append", InsertMode::Append),
        ],
        Api::V3 => &[
            ("Insert", InsertMode::Insert),
            ("Append", InsertMode::Append),
        ],
    }
}

/// Felix's parameters: as felix.cfg and the environment name them, and as the resource does.
pub(super) fn parameters(api: Api) -> Words<Parameter> {
    match api {
        Api::V1 => &[
            ("InterfacePrefix", Parameter::InterfacePrefixes),
            ("IptablesMarkMask", Parameter::MarkMask),
            ("IpInIpEnabled", Parameter::IpInIp),
            ("IpInIpTunnelAddr", Parameter::TunnelAddress),
            ("DefaultEndpointToHostAction", Parameter::EndpointToHost),
            ("ChainInsertMode", Parameter::InsertMode),
            ("LogPrefix", Parameter::LogPrefix),
            ("FailsafeInboundHostPorts", Parameter::FailsafeInbound),
            ("FailsafeOutboundHostPorts", Parameter::FailsafeOutbound),
            ("Ipv6Support", Parameter::Ipv6),
            ("MetadataAddr", Parameter::MetadataAddress),
            ("MetadataPort", Parameter::MetadataPort),
            ("ClusterType", Parameter::ClusterType),
        ],
        Api::V3 => PARAMETERS_V3,
    }
}

/// Felix's parameters as the resource of v3 names them.
const PARAMETERS_V3: Words<Parameter> = &[
    ("interfacePrefix", Parameter::InterfacePrefixes),
    ("iptablesMarkMask", Parameter::MarkMask),
    ("ipipEnabled", Parameter::IpInIp),
    ("defaultEndpointToHostAction", Parameter::EndpointToHost),
    ("chainInsertMode", Parameter::InsertMode),
    ("logPrefix", Parameter::LogPrefix),
    ("failsafeInboundHostPorts", Parameter::FailsafeInbound),
    ("failsafeOutboundHostPorts", Parameter::FailsafeOutbound),
    ("ipv6Support", Parameter::Ipv6),
    ("metadataAddr", Parameter::MetadataAddress),
    ("metadataPort", Parameter::MetadataPort),
    (
        "allowIPIPPacketsFromWorkloads",
        switch(Switch::AllowIpInIpFromWorkloads),
    ),
    (
        "allowVXLANPacketsFromWorkloads",
        switch(Switch::AllowVxlanFromWorkloads),
    ),
    (
        "disableConntrackInvalidCheck",
        switch(Switch::DisableInvalidCheck),
    ),
    ("floatingIPs", switch(Switch::FloatingAddresses)),
    ("flowLogsGoldmaneServer", text(Text::FlowServer)),
    ("flowLogsLocalReporter", switch(Switch::FlowReporter)),
    (
        "iptablesFilterAllowAction",
        Parameter::Modern(Modern::FilterAllow),
    ),
    (
        "iptablesFilterDenyAction",
        Parameter::Modern(Modern::FilterDeny),
    ),
    (
        "iptablesMangleAllowAction",
        Parameter::Modern(Modern::MangleAllow),
    ),
    (
        "iptablesNATOutgoingInterfaceFilter",
        text(Text::NatInterface),
    ),
    ("istioAmbientMode", switch(Switch::Istio)),
    ("istioDSCPMark", number(Number::IstioDscp)),
    ("kubeNodePortRanges", Parameter::Modern(Modern::NodePorts)),
    ("logActionRateLimit", Parameter::Modern(Modern::LogRate)),
    ("logActionRateLimitBurst", number(Number::LogBurst)),
    ("natOutgoingAddress", Parameter::Modern(Modern::NatAddress)),
    (
        "natOutgoingExclusions",
        Parameter::Modern(Modern::NatExclusions),
    ),
    ("natPortRange", Parameter::Modern(Modern::NatPorts)),
    (
        "serviceLoopPrevention",
        Parameter::Modern(Modern::ServiceLoops),
    ),
    ("vxlanEnabled", switch(Switch::Vxlan)),
    ("vxlanPort", number(Number::VxlanPort)),
    ("wireguardEnabled", switch(Switch::Wireguard)),
    ("wireguardEnabledV6", switch(Switch::WireguardV6)),
    (
        "wireguardHostEncryptionEnabled",
        switch(Switch::WireguardHostEncryption),
    ),
    ("wireguardInterfaceName", text(Text::WireguardInterface)),
    ("wireguardInterfaceNameV6", text(Text::WireguardInterfaceV6)),
    ("wireguardListeningPort", number(Number::WireguardPort)),
    ("wireguardListeningPortV6", number(Number::WireguardPortV6)),
];

const fn switch(switch: Switch) -> Parameter {
    Parameter::Modern(Modern::Switch(switch))
}

const fn number(number: Number) -> Parameter {
    Parameter::Modern(Modern::Number(number))
}

const fn text(text: Text) -> Parameter {
    Parameter::Modern(Modern::Text(text))
}

/// What becomes of what policy allows (v3).
pub(super) const ALLOW_ACTIONS: Words<AllowAction> = &[
    ("Accept", AllowAction::Accept),
    ("Return", AllowAction::Return),
];

/// What becomes of what is denied (v3).
pub(super) const DENY_ACTIONS: Words<DenyAction> =
    &[("Drop", DenyAction::Drop), ("Reject", DenyAction::Reject)];

/// Where outgoing NAT does not apply (v3).
pub(super) const NAT_EXCLUSIONS: Words<NatExclusions> = &[
    ("IPPoolsOnly", NatExclusions::Pools),
    ("IPPoolsAndHostIPs", NatExclusions::PoolsAndHosts),
];

/// What becomes of packets to services' addresses that nothing translates (v3).
pub(super) const SERVICE_LOOPS: Words<ServiceLoops> = &[
    ("Drop", ServiceLoops::Drop),
    ("Reject", ServiceLoops::Reject),
    ("Disabled", ServiceLoops::Disabled),
];

/// What some switches are called (v3).
pub(super) const SWITCHES: Words<bool> = &[("Enabled", true), ("Disabled", false)];

/// What pools are for (v3): services, or something else.
pub(super) const POOL_USES: Words<bool> = &[
    ("Workload", false),
    ("Tunnel", false),
    ("LoadBalancer", true),
];

/// The kinds of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Configuration,
    Node,
    Pool,
    Tier,
    /// A policy: in v3, one without a namespace.
    Policy,
    NamespacedPolicy,
    StagedPolicy,
    StagedNamespacedPolicy,
    Profile,
    NetworkSet,
    NamespacedNetworkSet,
    Workload,
    Host,
    Bgp,
    Cluster,
}

impl Kind {
    /// Whether resources of the kind have a namespace.
    pub(super) fn is_namespaced(self, api: Api) -> bool {
        let namespaced = matches!(
            self,
            Self::NamespacedPolicy
                | Self::StagedNamespacedPolicy
                | Self::NamespacedNetworkSet
                | Self::Workload
        );
        namespaced && api == Api::V3
    }
}

/// The kinds of resources that say something about packets.
pub(super) fn kinds(api: Api) -> Words<Kind> {
    match api {
        Api::V1 => &[
            ("felixConfiguration", Kind::Configuration),
            ("node", Kind::Node),
            ("ipPool", Kind::Pool),
            ("policy", Kind::Policy),
            ("profile", Kind::Profile),
            ("workloadEndpoint", Kind::Workload),
            ("hostEndpoint", Kind::Host),
        ],
        Api::V3 => &[
            ("FelixConfiguration", Kind::Configuration),
            ("Node", Kind::Node),
            ("IPPool", Kind::Pool),
            ("Tier", Kind::Tier),
            ("GlobalNetworkPolicy", Kind::Policy),
            ("NetworkPolicy", Kind::NamespacedPolicy),
            ("StagedGlobalNetworkPolicy", Kind::StagedPolicy),
            ("StagedNetworkPolicy", Kind::StagedNamespacedPolicy),
            ("Profile", Kind::Profile),
            ("GlobalNetworkSet", Kind::NetworkSet),
            ("NetworkSet", Kind::NamespacedNetworkSet),
            ("WorkloadEndpoint", Kind::Workload),
            ("HostEndpoint", Kind::Host),
            ("BGPConfiguration", Kind::Bgp),
            ("ClusterInformation", Kind::Cluster),
        ],
    }
}
