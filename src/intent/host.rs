//! I9, I10 as the seed's era has it, I12 and I14: host endpoints.

use super::clause::{Clause, Clauses};
use super::evaluation::{Governing, Rulebook};
use super::matching::Seen;
use super::opinion::{At, By, Decision, Endpoint, Heading, Said, Verdict};
use crate::calico::world::{HostInterface, Stage};
use crate::calico::{Configuration, World};
use crate::node::Node;
use crate::packet::{InterfaceName, Protocol};

/// A host endpoint, ready to be asked.
pub(super) struct Host {
    endpoint: Endpoint,
    ingress: Policies,
    egress: Policies,
}

/// What governs a host endpoint in one direction.
struct Policies {
    untracked: Governing,
    tracked: Governing,
}

/// What doNotTrack policies say of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Untracked {
    /// There are none.
    NotAsked,
    /// It goes on to the rest.
    OnToTheRest,
    /// It is untracked and accepted.
    Allowed(Decision),
    /// It is denied.
    Denied(Decision),
}

impl Host {
    pub(super) fn new(index: usize, rulebook: &Rulebook<'_>) -> Self {
        let endpoint = Endpoint::Host(index);
        let policies = |heading| Policies {
            untracked: rulebook.governing(endpoint, heading, |stage| stage == Stage::Untracked),
            tracked: rulebook.governing(endpoint, heading, |stage| stage == Stage::Normal),
        };
        Self {
            endpoint,
            ingress: policies(Heading::Ingress),
            egress: policies(Heading::Egress),
        }
    }

    /// > I9 […] With one, for traffic that begins or ends at the node: failsafe ports first (inbound by
    /// > destination port, outbound by destination port; by source or destination prefix where given),
    /// > then tiers and profiles as in I3; no policy and no profile: deny.
    ///
    /// In the seed's era failsafe ports are TCP's, and have no prefixes.
    pub(super) fn of_the_node(
        &self,
        heading: Heading,
        failsafe: &Failsafe,
        seen: &Seen,
        clauses: &mut Clauses,
    ) -> Said {
        if let Some(port) = failsafe.port(heading, seen) {
            let clause = match heading {
                Heading::Ingress => Clause::I9FailsafeInbound,
                Heading::Egress => Clause::I9FailsafeOutbound,
            };
            let at = At {
                endpoint: self.endpoint,
                heading,
            };
            let by = By::Failsafe { at, port };
            return (Verdict::Allow, Decision { clause, by });
        }
        self.policies(heading).tracked.judge(seen, clauses)
    }

    /// > I10 `applyOnForward` policies also judge forwarded traffic at the interface's host endpoint:
    /// > before workload policy on the way in, after it on the way out. With no such policy *in that
    /// > direction* forwarded traffic is allowed there. No failsafes and no profiles for it; the tier's
    /// > implicit deny holds. Policies without applyOnForward never judge forwarded traffic.
    ///
    /// > Seed's era: […] no applyOnForward (host endpoint policy judges all forwarded traffic that
    /// > touches no workload: ingress of the interface it comes by, then egress of the one it leaves by)
    ///
    /// What judges is I3 as the era reads it, profiles and the last deny with it. Failsafe ports don't:
    /// I9 has them for traffic that begins or ends at the node, and of that era they are TCP
    /// ports *of the node* or that *the node* reaches.
    pub(super) fn of_forwarded(
        &self,
        heading: Heading,
        seen: &Seen,
        clauses: &mut Clauses,
    ) -> Said {
        clauses.add(match heading {
            Heading::Ingress => Clause::I10In,
            Heading::Egress => Clause::I10Out,
        });
        self.policies(heading).tracked.judge(seen, clauses)
    }

    /// > I12 `doNotTrack` policies judge each packet for itself, both directions, before connection
    /// > tracking. Allow: untracked and accepted, other host endpoint policy is not asked; replies need a
    /// > rule of their own. No match: on to the rest. Failsafes count for them too, their replies
    /// > included. Not for workloads, not for the wildcard endpoint.
    ///
    /// No match is no implicit deny, and leaves the profiles to the rest. A failsafe port spares the
    /// packet these policies, and the rest decides: of what the node forwards that is not the failsafe
    /// port again.
    pub(super) fn untracked(
        &self,
        heading: Heading,
        failsafe: &Failsafe,
        seen: &Seen,
        clauses: &mut Clauses,
    ) -> Untracked {
        let policies = &self.policies(heading).untracked;
        if !policies.has_policies() {
            return Untracked::NotAsked;
        }
        if failsafe.port(heading, seen).is_some() {
            clauses.add(Clause::I12Failsafe);
            return Untracked::OnToTheRest;
        }
        if failsafe.answers(heading, seen) {
            clauses.add(Clause::I12FailsafeReply);
            return Untracked::OnToTheRest;
        }
        let Some((verdict, Decision { by, .. })) = policies.judge_by_rules_alone(seen, clauses)
        else {
            clauses.add(Clause::I12NoMatch);
            return Untracked::OnToTheRest;
        };
        match verdict {
            Verdict::Deny => Untracked::Denied(Decision {
                clause: Clause::I12Denies,
                by,
            }),
            Verdict::Allow | Verdict::Defer => Untracked::Allowed(Decision {
                clause: Clause::I12Allows,
                by,
            }),
        }
    }

    fn policies(&self, heading: Heading) -> &Policies {
        match heading {
            Heading::Ingress => &self.ingress,
            Heading::Egress => &self.egress,
        }
    }
}

/// > I9 No host endpoint on an interface: defer.
pub(super) fn no_endpoint() -> Said {
    let (clause, by) = (Clause::I9NoEndpoint, By::Configuration);
    (Verdict::Defer, Decision { clause, by })
}

/// The ports that no policy closes.
pub(super) struct Failsafe {
    inbound: Box<[u16]>,
    outbound: Box<[u16]>,
}

impl Failsafe {
    pub(super) fn new(configuration: &Configuration) -> Self {
        Self {
            inbound: configuration.failsafe_inbound.clone().into(),
            outbound: configuration.failsafe_outbound.clone().into(),
        }
    }

    fn port(&self, heading: Heading, seen: &Seen) -> Option<u16> {
        let port = seen
            .ports
            .filter(|_| seen.protocol == Protocol::TCP)?
            .destination;
        let open = match heading {
            Heading::Ingress => &self.inbound,
            Heading::Egress => &self.outbound,
        };
        open.contains(&port).then_some(port)
    }

    /// Whether a packet may answer one to a failsafe port: it comes *from* such a port.
    fn answers(&self, heading: Heading, seen: &Seen) -> bool {
        let asked = match heading {
            Heading::Ingress => &self.outbound,
            Heading::Egress => &self.inbound,
        };
        seen.protocol == Protocol::TCP
            && seen
                .ports
                .is_some_and(|ports| asked.contains(&ports.source))
    }
}

/// The host endpoint of an interface, by its place in the world, and how it was found.
///
/// > I14 The endpoint of an interface: the one that names it; else one whose `expectedIPs` holds one of
/// > its addresses; of several the first by name; else the wildcard `*`, if there is one.
///
/// One that names another interface expects its addresses there. The seed's era has no wildcard.
pub(super) fn endpoint_of(
    interface: InterfaceName,
    world: &World,
    node: &Node,
) -> Option<(usize, Clauses)> {
    let named = |of: HostInterface| of == HostInterface::Named(interface);
    let expected = |index: usize| {
        node.addresses()
            .filter(|(at, _)| *at == interface)
            .any(|(_, net)| world.hosts[index].expected_addresses.contains(&net.addr()))
    };
    let all = || world.hosts.iter().enumerate();
    let mut names = all().filter(|(_, host)| named(host.of));
    let mut expects =
        all().filter(|(index, host)| host.of == HostInterface::ByAddress && expected(*index));
    let mut how = Clauses::NONE;
    let (first, second) = match names.next() {
        Some(first) => {
            how.add(Clause::I14Named);
            (first, names.next())
        }
        None => {
            how.add(Clause::I14Expected);
            (expects.next()?, expects.next())
        }
    };
    if second.is_some() {
        how.add(Clause::I14First);
    }
    Some((first.0, how))
}
