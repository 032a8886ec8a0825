//! Names of chains that every layout has (felix, rules/rule_defs.go).

use crate::hash;

/// What is on its way in relation to an endpoint: to it or from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To the endpoint.
    Ingress,
    /// From the endpoint.
    Egress,
}

impl Direction {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Ingress, Self::Egress];

    /// The chain of a policy's rules for this direction.
    #[must_use]
    pub fn policy_chain(self, policy: &str) -> String {
        let prefix = match self {
            Self::Ingress => "cali-pi-",
            Self::Egress => "cali-po-",
        };
        hash::chain_name(prefix, policy)
    }

    /// The chain of a profile's rules for this direction.
    #[must_use]
    pub fn profile_chain(self, profile: &str) -> String {
        let prefix = match self {
            Self::Ingress => "cali-pri-",
            Self::Egress => "cali-pro-",
        };
        hash::chain_name(prefix, profile)
    }
}

/// From a host endpoint's interface to what it sends in.
pub const FROM_HOST_ENDPOINT: &str = "cali-from-host-endpoint";
/// To a host endpoint's interface.
pub const TO_HOST_ENDPOINT: &str = "cali-to-host-endpoint";
/// From the workloads' interfaces.
pub const FROM_WORKLOAD_DISPATCH: &str = "cali-from-wl-dispatch";
/// To the workloads' interfaces.
pub const TO_WORKLOAD_DISPATCH: &str = "cali-to-wl-dispatch";
/// From workloads to their node.
pub const WORKLOAD_TO_HOST: &str = "cali-wl-to-host";
/// Ports of the node that no policy closes.
pub const FAILSAFE_IN: &str = "cali-failsafe-in";
/// Ports that the node reaches whatever the policy.
pub const FAILSAFE_OUT: &str = "cali-failsafe-out";
/// Floating addresses, on the way in.
pub const FLOATING_DNAT: &str = "cali-fip-dnat";
/// Floating addresses, on the way out.
pub const FLOATING_SNAT: &str = "cali-fip-snat";
/// From the pools to the world outside.
pub const NAT_OUTGOING: &str = "cali-nat-outgoing";

/// Begins the name of the chain of what goes to a workload.
pub const TO_WORKLOAD: &str = "cali-tw-";
/// Begins the name of the chain of what comes from a workload.
pub const FROM_WORKLOAD: &str = "cali-fw-";
/// Begins the name of the chain of what leaves by a host endpoint.
pub const TO_HOST: &str = "cali-th-";
/// Begins the name of the chain of what enters by a host endpoint.
pub const FROM_HOST: &str = "cali-fh-";
