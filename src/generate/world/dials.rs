//! What shapes generated scenarios: dials, and features of which each scenario has its own subset.

use std::fmt;
use std::num::NonZeroU64;

use crate::calico::resources::Api;
use crate::generate::bits::Bits;

/// How large scenarios are, and how much they combine. The default is the default campaign: about a
/// hundred rules over both families, and now and then many more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dials {
    /// The most workloads on the node in a scenario of ordinary size. More of them: deeper dispatch
    /// trees, more packets between workloads.
    pub workloads: usize,
    /// The most policies in a scenario of ordinary size. More of them: longer chains of jumps in each
    /// endpoint's chain, more endpoints to which several apply.
    pub policies: usize,
    /// The most profiles in a scenario of ordinary size.
    pub profiles: usize,
    /// The most rules for one direction of a policy or profile in a scenario of ordinary size. More of
    /// them: later rules decide more often, and policies are more often decisive.
    pub rules: usize,
    /// How deep selectors stand in each other; 0: each asks one question.
    pub depth: usize,
    /// How likely, in percent, a rule that asks something asks for one more thing, and then for one
    /// more. 0: each rule asks one thing alone, 100: everything that it can.
    pub fields: usize,
    /// How likely, in percent, each [`Feature`] is in a scenario. Few: plain scenarios, each about
    /// little; many: everything meets everything, and little shows by itself.
    pub features: usize,
    /// One scenario of so many has up to five times as much of everything that is counted above; 0:
    /// none has.
    pub large: usize,
    /// How many scenarios in a row are made for one cluster, with other policies and rules in the profiles.
    /// More of them: less to be programmed for each, and fewer clusters.
    pub rulesets: NonZeroU64,
}

/// How many rulesets a cluster has unless said.
const RULESETS: NonZeroU64 = match NonZeroU64::new(8) {
    Some(count) => count,
    None => NonZeroU64::MIN,
};

impl Default for Dials {
    fn default() -> Self {
        Self {
            workloads: 3,
            policies: 2,
            profiles: 2,
            rules: 2,
            depth: 2,
            fields: 35,
            features: 35,
            large: 60,
            rulesets: RULESETS,
        }
    }
}

/// Which era's scenarios may have a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    /// Both eras'.
    Ever,
    /// Those of API v3.
    V3,
}

/// Makes the list of features once: the enumeration, its order, since when there is each, and how each is
/// written.
macro_rules! features {
    ($($(#[$doc:meta])* $name:ident = $text:literal $since:ident,)*) => {
        /// Something that a generated scenario may have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Feature {
            $($(#[$doc])* $name,)*
        }

        impl Feature {
            /// Every feature.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in reports.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            fn since(self) -> Since {
                match self {
                    $(Self::$name => Since::$since,)*
                }
            }
        }
    };
}

features! {
    /// Addresses of IPv6 beside those of IPv4.
    V6 = "IPv6" Ever,
    /// `Ipv6Support: false`.
    V6Off = "IPv6 ungoverned" Ever,
    /// A second network of the node.
    SecondNetwork = "second network" Ever,
    /// Workloads on another node, and what its routes lead to.
    OtherNode = "another node" Ever,
    /// Host endpoints.
    Hosts = "host endpoints" Ever,
    /// Host endpoints that name no interface, but expect addresses.
    HostsByAddress = "host endpoints by address" Ever,
    /// Several host endpoints for one interface.
    OverlappingHosts = "overlapping host endpoints" Ever,
    /// A host endpoint of `lo`, of an interface that is not there, or of a workload's.
    OddHosts = "host endpoints of odd interfaces" Ever,
    /// `doNotTrack` policies.
    Untracked = "doNotTrack policies" Ever,
    /// Several pools, in API v1 within each other, and a workload outside of all.
    NestedPools = "nested pools" Ever,
    /// `nat-outgoing` pools.
    NatOutgoing = "outgoing NAT" Ever,
    /// Pools with IP in IP, and `IpInIpEnabled`.
    IpInIp = "IP in IP" Ever,
    /// Floating addresses.
    Floating = "floating addresses" Ever,
    /// Endpoints that are administratively down.
    Down = "endpoints down" Ever,
    /// Interfaces that look like workloads' and are nobody's.
    UnknownInterfaces = "unknown interfaces" Ever,
    /// Workloads with several addresses of a family, or none.
    Addresses = "several addresses" Ever,
    /// `InterfacePrefix` with two prefixes, of which one may begin the other.
    TwoPrefixes = "two interface prefixes" Ever,
    /// `InterfacePrefix: tap`, by which Felix takes a node for one of OpenStack.
    TapPrefix = "prefix tap" Ever,
    /// Interfaces whose names begin alike, up to 15 letters long.
    AlikeInterfaces = "alike interfaces" Ever,
    /// `IptablesMarkMask`.
    MarkMask = "mark mask" Ever,
    /// `DefaultEndpointToHostAction`.
    EndpointToHost = "endpoint to host" Ever,
    /// `ChainInsertMode: append`.
    Append = "append" Ever,
    /// `LogPrefix`.
    LogPrefix = "log prefix" Ever,
    /// `FailsafeInboundHostPorts` and `FailsafeOutboundHostPorts`.
    Failsafes = "failsafe lists" Ever,
    /// `ClusterType` with OpenStack in it.
    OpenStack = "cluster type" Ever,
    /// `MetadataAddr` and `MetadataPort`.
    Metadata = "metadata service" Ever,
    /// Profiles.
    Profiles = "profiles" Ever,
    /// Labels and tags of profiles.
    ProfileLabels = "profile labels" Ever,
    /// Labels without a value.
    EmptyLabels = "empty labels" Ever,
    /// Rules with selectors and tags.
    Selectors = "selectors" Ever,
    /// Rules with prefixes.
    Nets = "nets" Ever,
    /// Rules with ports.
    Ports = "ports" Ever,
    /// Lists of ports around the 15 slots of a rule.
    ManyPorts = "many ports" Ever,
    /// Rules about ICMP messages.
    Icmp = "ICMP" Ever,
    /// Rules about protocols, by name and by number.
    Protocols = "protocols" Ever,
    /// Rules that say what shall not be.
    Negations = "negations" Ever,
    /// Rules with `ipVersion`.
    Families = "ipVersion" Ever,
    /// Rules that ask for everything at once.
    AllFields = "all fields" Ever,
    /// Rules that iptables refuses: a field and its negation in one.
    Clashes = "clashing fields" Ever,
    /// Rules that log.
    Log = "log" Ever,
    /// Rules that pass.
    Pass = "pass" Ever,
    /// Policies of the same order, or none.
    EqualOrders = "equal orders" Ever,
    /// Names of policies and profiles around the length at which chains' are hashed.
    LongNames = "long names" Ever,
    /// Rules of other programs.
    Foreign = "foreign rules" Ever,
    /// Base policies DROP.
    BaseDrop = "base policies" Ever,
    /// Other settings of the node: reverse path filters, forwarding, missing routes.
    OddNode = "odd node" Ever,
    /// Tiers besides the usual one, with orders and default actions.
    Tiers = "tiers" V3,
    /// Policies that say which directions they govern.
    Types = "policy types" V3,
    /// Staged policies, and tiers of nothing else.
    Staged = "staged policies" V3,
    /// Policies that follow each other with one selector, more than a group asks in one go.
    Groups = "policy groups" V3,
    /// `NetworkPolicy` beside `GlobalNetworkPolicy`.
    Namespaces = "namespaced policies" V3,
    /// Selectors of namespaces.
    NamespaceSelectors = "namespace selectors" V3,
    /// Service accounts, and policies and rules about them.
    ServiceAccounts = "service accounts" V3,
    /// Network sets, global and of a namespace.
    NetworkSets = "network sets" V3,
    /// Rules with ports by name, and endpoints that have such.
    NamedPorts = "named ports" V3,
    /// Rules that name services.
    Services = "services" V3,
    /// Rules with several prefixes in a field.
    SeveralNets = "several nets" V3,
    /// Rules on which their author notes something.
    Notes = "rule annotations" V3,
    /// `applyOnForward` policies.
    Forward = "applyOnForward policies" V3,
    /// `preDNAT` policies.
    PreDnat = "preDNAT policies" V3,
    /// The host endpoint of all other interfaces.
    Wildcard = "wildcard host endpoint" V3,
    /// So many workloads that trees of interfaces branch twice.
    ManyWorkloads = "many workloads" V3,
    /// Pools with VXLAN, `vxlanEnabled` and `vxlanPort`.
    Vxlan = "VXLAN" V3,
    /// WireGuard of either family, its ports and interfaces.
    Wireguard = "WireGuard" V3,
    /// `allowVXLANPacketsFromWorkloads` and `allowIPIPPacketsFromWorkloads`.
    WorkloadTunnels = "tunnels of workloads" V3,
    /// kube-proxy with IPVS.
    Ipvs = "IPVS" V3,
    /// Services' addresses, and `serviceLoopPrevention`.
    ServiceLoops = "service loops" V3,
    /// kube-proxy's rules for services beside Calico's.
    KubeProxy = "kube-proxy" V3,
    /// Translations by other programs.
    OtherNat = "others' NAT" V3,
    /// `iptablesFilterAllowAction` and `iptablesMangleAllowAction`.
    AllowActions = "allow actions" V3,
    /// `iptablesFilterDenyAction`.
    DenyAction = "deny action" V3,
    /// `disableConntrackInvalidCheck`.
    InvalidCheck = "no check of invalid" V3,
    /// `natPortRange`, `natOutgoingAddress`, `natOutgoingExclusions`, and the interface of outgoing NAT.
    NatOptions = "options of NAT" V3,
    /// `logActionRateLimit`.
    LogRate = "log rate" V3,
    /// Flow logs.
    FlowLogs = "flow logs" V3,
    /// Istio's ambient mode.
    Istio = "Istio" V3,
    /// Limits of packets and connections.
    Qos = "QoS limits" V3,
    /// Endpoints' DSCP.
    Dscp = "DSCP" V3,
    /// `allowSpoofedSourcePrefixes`.
    AllowedSources = "allowed sources" V3,
    /// What is refused behind one option, or does nothing good: kept, and seldom.
    Refusals = "odd values" V3,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Feature {
    /// Those that scenarios of one version of the API may have.
    pub fn of(api: Api) -> impl Iterator<Item = Self> {
        let all = Self::ALL.iter().copied();
        all.filter(move |feature| match feature.since() {
            Since::Ever => true,
            Since::V3 => api == Api::V3,
        })
    }

    /// How likely it is, in percent: most as the dial says, what most scenarios are about more often, what
    /// spoils whole scenarios less.
    fn likely(self, dial: usize) -> usize {
        match self {
            Self::V6
            | Self::Hosts
            | Self::Selectors
            | Self::Profiles
            | Self::Tiers
            | Self::EndpointToHost => (100 + dial) / 2,
            Self::V6Off => dial * 2 / 3,
            Self::TapPrefix | Self::OddNode => dial / 4,
            Self::Clashes | Self::Refusals => dial / 8,
            // Their rules are many.
            Self::ManyWorkloads => dial / 3,
            Self::DenyAction => dial / 24,
            _ => dial,
        }
    }
}

/// A set of features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Features(u128);

impl Features {
    /// None.
    pub const NONE: Self = Self(0);

    /// A fresh subset of what scenarios of a version of the API may have: each by itself.
    pub fn draw(bits: &mut impl Bits, dials: &Dials, api: Api) -> Self {
        let mut drawn = Self::NONE;
        for feature in Feature::of(api) {
            if bits.chance(feature.likely(dials.features), 100) {
                drawn.add(feature);
            }
        }
        drawn
    }

    /// Adds one.
    pub fn add(&mut self, feature: Feature) {
        self.0 |= 1 << feature as u32;
    }

    /// Whether one is in it.
    #[must_use]
    pub fn has(self, feature: Feature) -> bool {
        self.0 & (1 << feature as u32) != 0
    }

    /// All of them, in the order of [`Feature::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Feature> {
        let all = Feature::ALL.iter().copied();
        all.filter(move |feature| self.has(*feature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::bits::Seeded;

    #[test]
    fn every_feature_has_a_name_and_a_place_of_its_own() {
        let mut all = Features::NONE;
        for feature in Feature::ALL {
            assert!(!all.has(*feature));
            all.add(*feature);
        }
        let names: std::collections::BTreeSet<&str> = all.iter().map(Feature::as_str).collect();
        assert_eq!(names.len(), Feature::ALL.len());
    }

    #[test]
    fn each_era_has_features_of_its_own() {
        let of = |api| -> Vec<Feature> { Feature::of(api).collect() };
        let (v1, v3) = (of(Api::V1), of(Api::V3));
        assert!(v1.contains(&Feature::OpenStack) && v3.contains(&Feature::OpenStack));
        assert!(v3.contains(&Feature::Tiers) && !v1.contains(&Feature::Tiers));
        assert!(v1.contains(&Feature::V6) && v3.contains(&Feature::V6));
    }

    #[test]
    fn the_dial_decides_how_many_there_are() {
        let mut bits = Seeded::new(1);
        let mut drawn = |features, api| {
            let dials = Dials {
                features,
                ..Dials::default()
            };
            let sets = (0..200).map(|_| Features::draw(&mut bits, &dials, api).iter().count());
            sets.sum::<usize>() / 200
        };
        for api in [Api::V1, Api::V3] {
            assert!(drawn(0, api) < 5);
            assert!(drawn(20, api) < drawn(60, api));
            assert_eq!(drawn(10_000, api), Feature::of(api).count());
        }
    }
}
