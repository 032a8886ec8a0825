//! The chains that Felix writes, of every layout: how they are called, and which are of a kind.

use crate::calico::world::Policy;
use crate::render::Layout;
use crate::render::modern::names as modern;
use crate::render::names::{self, Direction};

/// The beginnings of the names of chains that differ in the direction alone.
pub const DIRECTIONS: [[&str; 2]; 9] = [
    ["cali-pi-", "cali-po-"],
    ["cali-pri-", "cali-pro-"],
    [names::TO_WORKLOAD, names::FROM_WORKLOAD],
    [names::TO_HOST, names::FROM_HOST],
    [names::TO_WORKLOAD_DISPATCH, names::FROM_WORKLOAD_DISPATCH],
    [names::TO_HOST_ENDPOINT, names::FROM_HOST_ENDPOINT],
    ["cali-gi-", "cali-go-"],
    [
        modern::TO_HOST_FORWARD_ENDPOINT,
        modern::FROM_HOST_FORWARD_ENDPOINT,
    ],
    [modern::TO_HOST_FORWARD, modern::FROM_HOST_FORWARD],
];

/// The beginnings of the chains of policies and profiles.
const OF_POLICIES: [&str; 4] = ["cali-pi-", "cali-po-", "cali-pri-", "cali-pro-"];

/// The beginnings of the chains of endpoints.
const OF_ENDPOINTS: [&str; 6] = [
    names::TO_WORKLOAD,
    names::FROM_WORKLOAD,
    names::TO_HOST,
    names::FROM_HOST,
    modern::TO_HOST_FORWARD_ENDPOINT,
    modern::FROM_HOST_FORWARD_ENDPOINT,
];

/// The beginnings of other chains that are there once for each group of policies, endpoint or branch.
const OTHERS: [&str; 9] = [
    "cali-from-wl-dispatch-",
    "cali-to-wl-dispatch-",
    "cali-gi-",
    "cali-go-",
    "cali-from-hep-forward-",
    "cali-to-hep-forward-",
    "cali-set-endpoint-mark-wep-",
    "cali-set-endpoint-mark-hep-",
    modern::SET_MARK,
];

/// Whether a chain is a policy's or a profile's.
#[must_use]
pub fn is_of_policy(chain: &str) -> bool {
    begins(&OF_POLICIES, chain).is_some()
}

/// Whether a chain asks an endpoint's policies.
#[must_use]
pub fn is_of_endpoint(chain: &str) -> bool {
    begins(&OF_ENDPOINTS, chain).is_some()
}

/// How the names of a chain's kind begin, where there is one for each policy, profile, group, endpoint or
/// branch.
#[must_use]
pub fn one_of_many(chain: &str) -> Option<&'static str> {
    let lists: [&'static [&'static str]; 3] = [&OF_POLICIES, &OF_ENDPOINTS, &OTHERS];
    lists.into_iter().find_map(|list| begins(list, chain))
}

fn begins(list: &'static [&'static str], chain: &str) -> Option<&'static str> {
    let mut beginnings = list.iter().copied();
    beginnings.find(|beginning| chain.starts_with(beginning))
}

/// The chain of a policy's rules for a direction, as a layout calls it.
#[must_use]
pub fn of_policy(layout: Layout, direction: Direction, policy: &Policy) -> String {
    match layout {
        Layout::Seed => direction.policy_chain(&policy.name),
        Layout::Modern => direction.policy_chain(&modern::policy_id(&policy.id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_of_endpoints_are_told_by_their_beginnings() {
        for (chain, kind) in [
            ("cali-th-eth0", Some("cali-th-")),
            ("cali-thfw-eth0", Some("cali-thfw-")),
            ("cali-gi-0123456789abcdef0123", Some("cali-gi-")),
            ("cali-to-wl-dispatch", None),
            ("cali-to-wl-dispatch-1", Some("cali-to-wl-dispatch-")),
            ("cali-sm-cali1", Some("cali-sm-")),
            ("cali-FORWARD", None),
        ] {
            assert_eq!(one_of_many(chain), kind, "{chain}");
        }
        assert!(is_of_endpoint("cali-fhfw-eth0") && !is_of_endpoint("cali-from-wl-dispatch"));
        assert!(is_of_policy("cali-pri-a") && !is_of_policy("cali-gi-a"));
    }
}
