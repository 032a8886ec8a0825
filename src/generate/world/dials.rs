//! What shapes generated scenarios: dials, and features of which each scenario has its own subset.

use std::fmt;
use std::num::NonZeroU64;

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

/// Makes the list of features once: the enumeration, its order, and how each is written.
macro_rules! features {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
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
        }
    };
}

features! {
    /// Addresses of IPv6 beside those of IPv4.
    V6 = "IPv6",
    /// `Ipv6Support: false`.
    V6Off = "IPv6 ungoverned",
    /// A second network of the node.
    SecondNetwork = "second network",
    /// Workloads on another node, and what its routes lead to.
    OtherNode = "another node",
    /// Host endpoints.
    Hosts = "host endpoints",
    /// Host endpoints that name no interface, but expect addresses.
    HostsByAddress = "host endpoints by address",
    /// Several host endpoints for one interface.
    OverlappingHosts = "overlapping host endpoints",
    /// A host endpoint of `lo`, of an interface that is not there, or of a workload's.
    OddHosts = "host endpoints of odd interfaces",
    /// `doNotTrack` policies.
    Untracked = "doNotTrack policies",
    /// Pools within pools, and a workload outside of all.
    NestedPools = "nested pools",
    /// `nat-outgoing` pools.
    NatOutgoing = "outgoing NAT",
    /// Pools with IP in IP, and `IpInIpEnabled`.
    IpInIp = "IP in IP",
    /// Floating addresses.
    Floating = "floating addresses",
    /// Endpoints that are administratively down.
    Down = "endpoints down",
    /// Interfaces that look like workloads' and are nobody's.
    UnknownInterfaces = "unknown interfaces",
    /// Workloads with several addresses of a family, or none.
    Addresses = "several addresses",
    /// `InterfacePrefix` with two prefixes, of which one may begin the other.
    TwoPrefixes = "two interface prefixes",
    /// `InterfacePrefix: tap`, by which Felix takes a node for one of OpenStack.
    TapPrefix = "prefix tap",
    /// Interfaces whose names begin alike, up to 15 letters long.
    AlikeInterfaces = "alike interfaces",
    /// `IptablesMarkMask`.
    MarkMask = "mark mask",
    /// `DefaultEndpointToHostAction`.
    EndpointToHost = "endpoint to host",
    /// `ChainInsertMode: append`.
    Append = "append",
    /// `LogPrefix`.
    LogPrefix = "log prefix",
    /// `FailsafeInboundHostPorts` and `FailsafeOutboundHostPorts`.
    Failsafes = "failsafe lists",
    /// `ClusterType` with OpenStack in it.
    OpenStack = "cluster type",
    /// `MetadataAddr` and `MetadataPort`.
    Metadata = "metadata service",
    /// Profiles.
    Profiles = "profiles",
    /// Labels and tags of profiles.
    ProfileLabels = "profile labels",
    /// Labels without a value.
    EmptyLabels = "empty labels",
    /// Rules with selectors and tags.
    Selectors = "selectors",
    /// Rules with prefixes.
    Nets = "nets",
    /// Rules with ports.
    Ports = "ports",
    /// Lists of ports around the 15 slots of a rule.
    ManyPorts = "many ports",
    /// Rules about ICMP messages.
    Icmp = "ICMP",
    /// Rules about protocols, by name and by number.
    Protocols = "protocols",
    /// Rules that say what shall not be.
    Negations = "negations",
    /// Rules with `ipVersion`.
    Families = "ipVersion",
    /// Rules that ask for everything at once.
    AllFields = "all fields",
    /// Rules that iptables refuses: a field and its negation in one.
    Clashes = "clashing fields",
    /// Rules that log.
    Log = "log",
    /// Rules that pass.
    Pass = "pass",
    /// Policies of the same order, or none.
    EqualOrders = "equal orders",
    /// Names of policies and profiles around the length at which chains' are hashed.
    LongNames = "long names",
    /// Rules of other programs.
    Foreign = "foreign rules",
    /// Base policies DROP.
    BaseDrop = "base policies",
    /// Other settings of the node: reverse path filters, forwarding, missing routes.
    OddNode = "odd node",
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A set of features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Features(u64);

impl Features {
    /// None.
    pub const NONE: Self = Self(0);

    /// A fresh subset: each by itself, as likely as the dial says; what most scenarios are about more
    /// often, what spoils whole scenarios less.
    pub fn draw(bits: &mut impl Bits, dials: &Dials) -> Self {
        let mut drawn = Self::NONE;
        for feature in Feature::ALL {
            let likely = match feature {
                Feature::V6
                | Feature::Hosts
                | Feature::Selectors
                | Feature::Profiles
                | Feature::EndpointToHost => (100 + dials.features) / 2,
                Feature::V6Off => dials.features * 2 / 3,
                Feature::TapPrefix | Feature::OddNode => dials.features / 4,
                Feature::Clashes => dials.features / 8,
                _ => dials.features,
            };
            if bits.chance(likely, 100) {
                drawn.add(*feature);
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
    fn the_dial_decides_how_many_there_are() {
        let mut bits = Seeded::new(1);
        let mut drawn = |features| {
            let dials = Dials {
                features,
                ..Dials::default()
            };
            let sets = (0..200).map(|_| Features::draw(&mut bits, &dials).iter().count());
            sets.sum::<usize>() / 200
        };
        assert!(drawn(0) < 5);
        assert!(drawn(20) < drawn(60));
        assert_eq!(drawn(1000), Feature::ALL.len());
    }
}
