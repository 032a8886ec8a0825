//! I9 to I12 and I14: host endpoints.

use super::addresses::{Addresses, Number};
use super::clause::{Clause, Clauses};
use super::era::Era;
use super::evaluation::{Governing, Rulebook};
use super::matching::Seen;
use super::opinion::{At, By, Decision, Endpoint, Heading, Said, Verdict};
use crate::calico::configuration::modern;
use crate::calico::world::{HostInterface, Stage};
use crate::calico::{Configuration, World};
use crate::node::Node;
use crate::packet::{InterfaceName, Protocol};

/// A host endpoint, ready to be asked.
pub(super) struct Host {
    endpoint: Endpoint,
    era: Era,
    ingress: Policies,
    egress: Policies,
}

/// What governs a host endpoint in one direction.
struct Policies {
    untracked: Governing,
    pre_dnat: Governing,
    tracked: Governing,
    forward: Governing,
}

/// What those policies say of a packet that are asked before all others: doNotTrack, preDNAT.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Early {
    /// There are none.
    #[default]
    NotAsked,
    /// It goes on to the rest.
    OnToTheRest,
    /// It is allowed.
    Allowed(Decision),
    /// It is denied.
    Denied(Decision),
}

impl Host {
    pub(super) fn new(index: usize, era: Era, rulebook: &Rulebook<'_>) -> Self {
        let endpoint = Endpoint::Host(index);
        let of_stage = |heading, one| rulebook.governing(endpoint, heading, |stage| stage == one);
        let policies = |heading| Policies {
            untracked: of_stage(heading, Stage::Untracked),
            pre_dnat: of_stage(heading, Stage::PreDnat),
            tracked: rulebook.governing(endpoint, heading, Stage::is_of_connections),
            forward: of_stage(heading, Stage::Forward),
        };
        Self {
            endpoint,
            era,
            ingress: policies(Heading::Ingress),
            egress: policies(Heading::Egress),
        }
    }

    /// > I9 […] With one, for traffic that begins or ends at the node: failsafe ports first (inbound by
    /// > destination port, outbound by destination port; by source or destination prefix where given),
    /// > then tiers and profiles as in I3; no policy and no profile: deny.
    ///
    /// In the seed's era failsafe ports are TCP's, and have no prefixes.
    ///
    /// > I10 `applyOnForward` policies *also* judge forwarded traffic
    ///
    /// And so what begins or ends at the node as well.
    pub(super) fn of_the_node(
        &self,
        heading: Heading,
        failsafe: &Failsafe,
        seen: &Seen,
        clauses: &mut Clauses,
    ) -> Said {
        if let Some(port) = failsafe.port(heading, seen, clauses) {
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
    /// What judges in that era is I3 as it reads it, profiles and the last deny with it. Failsafe
    /// ports don't: I9 has them for traffic that begins or ends at the node, and of that era they are TCP
    /// ports *of the node* or that *the node* reaches.
    ///
    /// Where every tier passes there is nobody left who could be asked. I3 does not tell a packet that
    /// all tiers passed from one that no tier applies to, and the latter is allowed here.
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
        if self.era == Era::Seed {
            return self.policies(heading).tracked.judge(seen, clauses);
        }
        let policies = &self.policies(heading).forward;
        let clause = match policies.has_policies() {
            true => Clause::I10Passed,
            false => Clause::I10Default,
        };
        let said = policies.judge_by_tiers_alone(seen, clauses);
        said.unwrap_or_else(|| {
            let by = By::Endpoint(self.endpoint);
            (Verdict::Allow, Decision { clause, by })
        })
    }

    /// > I11 `preDNAT` policies (ingress, with applyOnForward) judge everything that enters by the host
    /// > endpoint, before destination translation, by the original destination. Deny is final. Allow: that
    /// > host endpoint's other *ingress* policy is not asked, but a workload's ingress and the outgoing
    /// > host endpoint's egress still are. No match: on to the rest. Established connections are not asked.
    ///
    /// `seen` has the original destination. `known` is whether the packet belongs to a connection, and `at_node`
    /// what is seen of it at its real destination where that is the node: there a failsafe port is open
    /// first, for I9 lets no policy close it.
    pub(super) fn pre_dnat(
        &self,
        known: bool,
        failsafe: &Failsafe,
        seen: &Seen,
        at_node: Option<&Seen>,
        clauses: &mut Clauses,
    ) -> Early {
        let policies = &self.ingress.pre_dnat;
        if !policies.has_policies() {
            return Early::NotAsked;
        }
        if known {
            clauses.add(Clause::I11NotAsked);
            return Early::OnToTheRest;
        }
        let Some((verdict, Decision { by, .. })) = policies.judge_by_rules_alone(seen, clauses)
        else {
            clauses.add(Clause::I11NoMatch);
            return Early::OnToTheRest;
        };
        if verdict != Verdict::Deny {
            let clause = Clause::I11Allows;
            return Early::Allowed(Decision { clause, by });
        }
        let open = at_node.and_then(|seen| failsafe.port(Heading::Ingress, seen, clauses));
        if open.is_some() {
            clauses.add(Clause::I11Failsafe);
            return Early::OnToTheRest;
        }
        let clause = Clause::I11Denies;
        Early::Denied(Decision { clause, by })
    }

    /// > I12 `doNotTrack` policies judge each packet for itself, both directions, before connection
    /// > tracking. Allow: untracked and accepted, other host endpoint policy is not asked; replies need a
    /// > rule of their own. No match: on to the rest. Failsafes count for them too, their replies
    /// > included. Not for workloads, not for the wildcard endpoint.
    ///
    /// A world has none for the wildcard endpoint: what applies to an endpoint is settled there.
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
    ) -> Early {
        let policies = &self.policies(heading).untracked;
        if !policies.has_policies() {
            return Early::NotAsked;
        }
        if failsafe.port(heading, seen, clauses).is_some() {
            clauses.add(Clause::I12Failsafe);
            return Early::OnToTheRest;
        }
        if failsafe.answers(heading, seen) {
            clauses.add(Clause::I12FailsafeReply);
            return Early::OnToTheRest;
        }
        let Some((verdict, Decision { by, .. })) = policies.judge_by_rules_alone(seen, clauses)
        else {
            clauses.add(Clause::I12NoMatch);
            return Early::OnToTheRest;
        };
        match verdict {
            Verdict::Deny => Early::Denied(Decision {
                clause: Clause::I12Denies,
                by,
            }),
            Verdict::Allow | Verdict::Defer => Early::Allowed(Decision {
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
    inbound: Box<[Open]>,
    outbound: Box<[Open]>,
}

/// A port that no policy closes.
struct Open {
    protocol: Protocol,
    port: u16,
    /// The only addresses at the other end for which it is open, if not all.
    to: Option<Addresses>,
}

impl Open {
    fn of_the_seeds_era(ports: &[u16]) -> Box<[Self]> {
        let ports = ports.iter();
        ports
            .map(|port| Self {
                protocol: Protocol::TCP,
                port: *port,
                to: None,
            })
            .collect()
    }

    fn new(port: &modern::Failsafe) -> Self {
        Self {
            protocol: port.protocol.protocol(),
            port: port.port,
            to: port.net.as_ref().map(|net| Addresses::of([net])),
        }
    }
}

impl Failsafe {
    pub(super) fn new(era: Era, configuration: &Configuration) -> Self {
        let read = |ports: Vec<modern::Failsafe>| ports.iter().map(Open::new).collect();
        match era {
            Era::Seed => Self {
                inbound: Open::of_the_seeds_era(&configuration.failsafe_inbound),
                outbound: Open::of_the_seeds_era(&configuration.failsafe_outbound),
            },
            Era::Modern => Self {
                inbound: read(configuration.modern.failsafe_inbound()),
                outbound: read(configuration.modern.failsafe_outbound()),
            },
        }
    }

    fn port(&self, heading: Heading, seen: &Seen, clauses: &mut Clauses) -> Option<u16> {
        let (open, other) = match heading {
            Heading::Ingress => (&self.inbound, seen.source),
            Heading::Egress => (&self.outbound, seen.destination),
        };
        let found = find(open, seen, seen.ports?.destination, other)?;
        if found.to.is_some() {
            clauses.add(Clause::I9FailsafeNet);
        }
        Some(found.port)
    }

    /// Whether a packet may answer one to a failsafe port: it comes *from* such a port.
    fn answers(&self, heading: Heading, seen: &Seen) -> bool {
        let (asked, other) = match heading {
            Heading::Ingress => (&self.outbound, seen.source),
            Heading::Egress => (&self.inbound, seen.destination),
        };
        seen.ports
            .is_some_and(|ports| find(asked, seen, ports.source, other).is_some())
    }
}

/// Which of the open ports a port is, for the address at the other end.
fn find<'a>(open: &'a [Open], seen: &Seen, port: u16, other: Number) -> Option<&'a Open> {
    open.iter().find(|open| {
        open.port == port
            && open.protocol == seen.protocol
            && open
                .to
                .as_ref()
                .is_none_or(|to| to.contains(seen.family, other))
    })
}

/// The host endpoint of an interface, by its place in the world, and how it was found.
///
/// > I14 The endpoint of an interface: the one that names it; else one whose `expectedIPs` holds one of
/// > its addresses; of several the first by name; else the wildcard `*`, if there is one.
///
/// One that names another interface expects its addresses there. The seed's era has no wildcard. Whose
/// interface is a workload's, or looks like one, has no host endpoint that does not name it or
/// expect its address: the wildcard stands for the node's interfaces.
pub(super) fn endpoint_of(
    interface: InterfaceName,
    is_workloads: bool,
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
    let (first, second) = if let Some(first) = names.next() {
        how.add(Clause::I14Named);
        (first, names.next())
    } else if let Some(first) = expects.next() {
        how.add(Clause::I14Expected);
        (first, expects.next())
    } else {
        let mut wildcards =
            all().filter(|(_, host)| host.of == HostInterface::All && !is_workloads);
        how.add(Clause::I14Wildcard);
        (wildcards.next()?, wildcards.next())
    };
    if second.is_some() {
        how.add(Clause::I14First);
    }
    Some((first.0, how))
}
