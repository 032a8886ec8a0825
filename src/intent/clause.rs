//! The clauses of the intent, by number and branch: what coverage counts.

use std::fmt;

/// Makes the list of branches once: the enumeration, its order, and how each is written.
macro_rules! clauses {
    ($($(#[$doc:meta])* $name:ident = $number:literal $branch:literal,)*) => {
        /// A branch of a clause of the intent, or of what stands before all clauses.
        ///
        /// A branch *decides* where the last word on a packet is its; it only *takes part* where it changed
        /// what was asked (a list, an order, a translation).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Clause {
            $($(#[$doc])* $name,)*
        }

        impl Clause {
            /// Every branch, in the order of the clauses.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The clause's number, 1 to 18; 0 for what stands before all clauses.
            #[must_use]
            pub fn number(self) -> u8 {
                match self {
                    $(Self::$name => $number,)*
                }
            }

            /// The branch, without the number.
            #[must_use]
            pub fn branch(self) -> &'static str {
                match self {
                    $(Self::$name => $branch,)*
                }
            }
        }
    };
}

clauses! {
    /// Decides: the packet goes nowhere by the node's routing, whatever Calico says.
    Unrouted = 0 "unrouted",
    /// Decides: IPv6 is not governed.
    Ungoverned = 0 "ungoverned",
    /// Decides: what the node would forward to a service's address that nothing has translated, and
    /// that it is told not to forward (`serviceLoopPrevention`).
    ServiceLoop = 0 "service-loop",
    /// Takes part: a log rule matched, and did not decide.
    I1Log = 1 "log",
    /// Takes part: a rule decided that is not the first of its policy.
    I1LaterRule = 1 "later-rule",
    /// Takes part: a policy decided that is not the first of its tier.
    I1LaterPolicy = 1 "later-policy",
    /// Takes part: a tier decided that is not the first.
    I1LaterTier = 1 "later-tier",
    /// Takes part: a policy without rules in this direction governs it all the same.
    I2WithoutRules = 2 "without-rules",
    /// Takes part: a staged policy would have been asked.
    I3Staged = 3 "staged",
    /// Takes part: a rule passed, and a later tier was asked.
    I3Pass = 3 "pass",
    /// Takes part: no rule of a tier decided, and its default action is to pass.
    I3DefaultPass = 3 "default-pass",
    /// Decides: a policy's rule allows.
    I3PolicyAllows = 3 "policy-allows",
    /// Decides: a policy's rule denies.
    I3PolicyDenies = 3 "policy-denies",
    /// Decides: no rule of a tier did.
    I3TierDefault = 3 "tier-default",
    /// Decides: a profile's rule allows.
    I3ProfileAllows = 3 "profile-allows",
    /// Decides: a profile's rule denies.
    I3ProfileDenies = 3 "profile-denies",
    /// Decides: no profile did.
    I3NoProfile = 3 "no-profile",
    /// Takes part: the last tier passed, and the profiles were asked.
    I4PassToProfiles = 4 "pass-to-profiles",
    /// Takes part: a profile's rule passed, and ended the profile.
    I4PassEndsProfile = 4 "pass-ends-profile",
    /// Decides: the packet goes the way of an established connection's first.
    I5Original = 5 "original",
    /// Decides: the packet answers a connection's first.
    I5Reply = 5 "reply",
    /// Decides: the packet is an error about a connection.
    I5Related = 5 "related",
    /// Decides: connection tracking finds the packet invalid.
    I5Invalid = 5 "invalid",
    /// Takes part: connection tracking finds the packet invalid, and nobody is to look at that.
    I5Unchecked = 5 "unchecked",
    /// Takes part: one workload's egress allowed, and another's ingress was asked.
    I6Both = 6 "both",
    /// Decides: a workload wraps packets itself.
    I6Encapsulated = 6 "encapsulated",
    /// Takes part: a workload wraps packets itself, and may.
    I6MayEncapsulate = 6 "may-encapsulate",
    /// Decides: the source address is not the workload's.
    I6Spoofed = 6 "spoofed",
    /// Takes part: the source address is one of the prefixes granted to the workload.
    I6Granted = 6 "granted",
    /// Decides: the packet comes from an interface of no endpoint.
    I6FromUnknown = 6 "from-unknown",
    /// Decides: the packet goes to an interface of no endpoint.
    I6ToUnknown = 6 "to-unknown",
    /// Decides: the packet comes from an endpoint that is down.
    I6FromDown = 6 "from-down",
    /// Decides: the packet goes to an endpoint that is down.
    I6ToDown = 6 "to-down",
    /// Decides: the workload may send it, the node doesn't take it.
    I7Drop = 7 "drop",
    /// Decides: the workload may send it, the node takes it.
    I7Accept = 7 "accept",
    /// Decides: the workload may send it, the node's other rules take it or not.
    I7Defer = 7 "defer",
    /// Decides: neighbour discovery, multicast listeners.
    I7Neighbours = 7 "neighbours",
    /// Decides: OpenStack's DHCP.
    I7Dhcp = 7 "dhcp",
    /// Decides: OpenStack's DNS.
    I7Dns = 7 "dns",
    /// Decides: the node sends to its workload.
    I8Defer = 8 "defer",
    /// Decides: no host endpoint is asked.
    I9NoEndpoint = 9 "no-endpoint",
    /// Decides: a failsafe port of the node.
    I9FailsafeInbound = 9 "failsafe-inbound",
    /// Decides: a failsafe port elsewhere.
    I9FailsafeOutbound = 9 "failsafe-outbound",
    /// Takes part: the failsafe port is open to some addresses alone.
    I9FailsafeNet = 9 "failsafe-net",
    /// Takes part: a host endpoint was asked about a translated destination.
    I9Translated = 9 "translated",
    /// Takes part: forwarded traffic was judged by the host endpoint that it enters by.
    I10In = 10 "in",
    /// Takes part: forwarded traffic was judged by the host endpoint that it leaves by.
    I10Out = 10 "out",
    /// Decides: no applyOnForward policy governs the direction.
    I10Default = 10 "default",
    /// Decides: all tiers of applyOnForward policies passed.
    I10Passed = 10 "passed",
    /// Decides: a preDNAT policy allows.
    I11Allows = 11 "allows",
    /// Decides: a preDNAT policy denies.
    I11Denies = 11 "denies",
    /// Takes part: no preDNAT policy matched.
    I11NoMatch = 11 "no-match",
    /// Takes part: the packet belongs to a connection, and preDNAT policies were not asked.
    I11NotAsked = 11 "not-asked",
    /// Takes part: a preDNAT policy denies, and the packet goes to a failsafe port of the node.
    I11Failsafe = 11 "failsafe",
    /// Decides: a doNotTrack policy allows.
    I12Allows = 12 "allows",
    /// Decides: a doNotTrack policy denies.
    I12Denies = 12 "denies",
    /// Takes part: a failsafe port spared the packet the doNotTrack policies.
    I12Failsafe = 12 "failsafe",
    /// Takes part: an answer from or to a failsafe port was spared the doNotTrack policies.
    I12FailsafeReply = 12 "failsafe-reply",
    /// Takes part: no doNotTrack policy matched.
    I12NoMatch = 12 "no-match",
    /// Takes part: doNotTrack policies were asked, then the host endpoint's others.
    I13ThenHost = 13 "then-host",
    /// Takes part: doNotTrack policies were asked, then a workload's.
    I13ThenWorkload = 13 "then-workload",
    /// Takes part: a host endpoint was asked about what it forwards, then a workload.
    I13HostThenWorkload = 13 "host-then-workload",
    /// Takes part: a workload was asked, then a host endpoint about what it forwards.
    I13WorkloadThenHost = 13 "workload-then-host",
    /// Takes part: a host endpoint that names its interface was asked.
    I14Named = 14 "named",
    /// Takes part: a host endpoint that expects its interface's address was asked.
    I14Expected = 14 "expected",
    /// Takes part: the host endpoint asked was the first of several.
    I14First = 14 "first",
    /// Takes part: the wildcard endpoint was asked.
    I14Wildcard = 14 "wildcard",
    /// Takes part: the rule that decided asked for a family, or names one by what it asks.
    I15Family = 15 "family",
    /// Takes part: … for a protocol.
    I15Protocol = 15 "protocol",
    /// Takes part: … for another protocol.
    I15NotProtocol = 15 "not-protocol",
    /// Takes part: … for an ICMP message.
    I15Icmp = 15 "icmp",
    /// Takes part: … for another ICMP message.
    I15NotIcmp = 15 "not-icmp",
    /// Takes part: … for nets.
    I15Nets = 15 "nets",
    /// Takes part: … for other nets.
    I15NotNets = 15 "not-nets",
    /// Takes part: … for ports.
    I15Ports = 15 "ports",
    /// Takes part: … for other ports.
    I15NotPorts = 15 "not-ports",
    /// Takes part: … for ports by name.
    I15NamedPorts = 15 "named-ports",
    /// Takes part: … for other ports than those of a name.
    I15NotNamedPorts = 15 "not-named-ports",
    /// Takes part: … for who stands behind a service.
    I15Service = 15 "service",
    /// Takes part: … for those whom a selector or tag does not select.
    I15NotSelector = 15 "not-selector",
    /// Takes part: … for those whom a selector selects by their labels.
    I16Selector = 16 "selector",
    /// Takes part: … for those who bear a tag.
    I16Tag = 16 "tag",
    /// Takes part: the packet leaves with the node's address.
    I17OutgoingNat = 17 "outgoing-nat",
    /// Takes part: a floating address stood for a workload's.
    I17Floating = 17 "floating",
    /// Takes part: a workload reached itself by its floating address.
    I17Itself = 17 "itself",
    /// Takes part: another program had taken the packet out of connection tracking.
    I18Untracked = 18 "untracked",
}

impl fmt::Display for Clause {
    /// `I6.spoofed`; without a number, `unrouted`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number() {
            0 => f.pad(self.branch()),
            number => f.pad(&format!("I{number}.{}", self.branch())),
        }
    }
}

/// A set of branches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Clauses(u128);

impl Clauses {
    /// None.
    pub const NONE: Self = Self(0);

    /// Adds one.
    pub fn add(&mut self, clause: Clause) {
        self.0 |= 1 << clause as u32;
    }

    /// Adds all of another set.
    pub fn add_all(&mut self, others: Self) {
        self.0 |= others.0;
    }

    /// Whether one is in it.
    #[must_use]
    pub fn has(self, clause: Clause) -> bool {
        self.0 & (1 << clause as u32) != 0
    }

    /// All of them, in the order of the clauses.
    pub fn iter(self) -> impl Iterator<Item = Clause> {
        Clause::ALL
            .iter()
            .copied()
            .filter(move |clause| self.has(*clause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_branch_is_written_differently_and_fits_the_set() {
        let mut all = Clauses::NONE;
        for clause in Clause::ALL {
            assert!(!all.has(*clause));
            all.add(*clause);
        }
        let written: std::collections::BTreeSet<String> =
            Clause::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(written.len(), Clause::ALL.len());
        assert_eq!(all.iter().count(), Clause::ALL.len());
        assert!(Clause::ALL.is_sorted_by_key(|clause| clause.number()));
        assert_eq!(Clause::I6Spoofed.to_string(), "I6.spoofed");
        assert_eq!(Clause::Unrouted.to_string(), "unrouted");
    }
}
