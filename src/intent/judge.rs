//! The way of a packet from clause to clause.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::clause::{Clause, Clauses};
use super::connection::{Connections, State};
use super::era::{Era, NotOfThisEra};
use super::evaluation::Rulebook;
use super::host::{self, Failsafe, Host, Untracked};
use super::matching::Seen;
use super::opinion::{By, Decision, Exit, Heading, Opinion, Source, Verdict};
use super::translation::{Destination, Translations, source_of_connection};
use super::workload::{ToNode, Workload, needs_no_address};
use crate::calico::World;
use crate::calico::configuration::InterfacePrefix;
use crate::node::Node;
use crate::node::routing::{NoWay, Routing, Way};
use crate::packet::{Defect, Direction, Family, Fragment, InterfaceName, Origin, Packet};

/// The oracle for one world on one node.
///
/// > I18 The verdict is a function of headers, connection state, endpoints, node and policies, and of
/// > nothing else. What other programs keep on the packet leaves as it came.
///
/// It is made once, and asked packet by packet without allocating; it remembers nothing.
pub struct Judge<'a> {
    pub(super) world: &'a World,
    era: Era,
    routing: Routing,
    owners: FxHashMap<InterfaceName, Owner>,
    prefixes: &'a [InterfacePrefix],
    workloads: Vec<Workload>,
    hosts: Vec<Host>,
    to_node: ToNode,
    failsafe: Failsafe,
    translations: Translations,
}

/// To whom an interface belongs.
#[derive(Clone, Copy, Debug)]
enum Owner {
    /// To a workload.
    Workload(usize),
    /// To a host endpoint, which was found so.
    Host(usize, Clauses),
    /// To no endpoint, though it looks like a workload's.
    Unknown,
    /// To no endpoint.
    Nobody,
}

/// A packet on its way.
struct Case<'p> {
    packet: &'p Packet,
    state: State,
    destination: Destination,
    /// What rules are shown of it once its destination is final.
    seen: Seen,
    /// What the doNotTrack policies of the host endpoint that it enters (or leaves) by said.
    untracked: Untracked,
}

/// What has been said of a packet so far.
#[derive(Default)]
struct Hearing {
    decisions: SmallVec<[Decision; 3]>,
    clauses: Clauses,
}

impl Hearing {
    fn note(&mut self, decision: Decision) {
        self.clauses.add(decision.clause);
        self.decisions.push(decision);
    }

    fn denied(mut self, decision: Decision) -> Opinion {
        self.note(decision);
        self.end(Verdict::Deny, None)
    }

    fn unrouted(mut self, why: NoWay) -> Opinion {
        let by = By::Routing(why);
        let clause = Clause::Unrouted;
        self.note(Decision { clause, by });
        self.end(Verdict::Defer, None)
    }

    fn end(self, verdict: Verdict, exit: Option<Exit>) -> Opinion {
        Opinion {
            verdict,
            decisions: self.decisions,
            clauses: self.clauses,
            exit: exit.filter(|_| verdict != Verdict::Deny),
        }
    }
}

impl<'a> Judge<'a> {
    /// The oracle for a world on a node.
    ///
    /// # Errors
    ///
    /// [`NotOfThisEra`] where the world has what the era's API can't say.
    pub fn new(world: &'a World, node: &Node, era: Era) -> Result<Self, NotOfThisEra> {
        era.check(world)?;
        let rulebook = Rulebook::new(world);
        let workloads = world.workloads.iter().enumerate();
        let hosts = 0..world.hosts.len();
        Ok(Self {
            world,
            era,
            routing: Routing::new(node),
            owners: owners(world, node),
            prefixes: &world.configuration.interface_prefixes,
            workloads: workloads
                .map(|(index, workload)| Workload::new(index, workload, &rulebook))
                .collect(),
            hosts: hosts.map(|index| Host::new(index, &rulebook)).collect(),
            to_node: ToNode::new(&world.configuration),
            failsafe: Failsafe::new(&world.configuration),
            translations: Translations::new(world),
        })
    }

    /// What becomes of a packet where these connections exist.
    #[must_use]
    pub fn judge(&self, packet: &Packet, connections: &Connections) -> Opinion {
        let mut hearing = Hearing::default();
        if packet.family() == Family::V6 && !self.world.configuration.ipv6 {
            // `Ipv6Support` is whether IPv6 is governed at all, and no clause is about what isn't.
            let (clause, by) = (Clause::Ungoverned, By::Configuration);
            hearing.note(Decision { clause, by });
            let exit = self.plain_exit(packet);
            return hearing.end(Verdict::Defer, exit);
        }
        if let Some(why) = no_way_in(packet) {
            return hearing.unrouted(why);
        }
        if packet.untracked {
            hearing.clauses.add(Clause::I18Untracked);
        }
        match packet.origin {
            Origin::Arrives(by) => self.arriving(by, packet, connections, hearing),
            Origin::Node => self.sent(packet, connections, hearing),
        }
    }

    /// > I6 […] A packet from or to an interface that looks like a workload's but belongs to no endpoint is
    /// > denied. An endpoint that is administratively down: everything denied.
    ///
    /// *Everything* and *a packet*: of established connections too, and of the node's own. I5 spares a
    /// connection's later packets the *judging*; what is down or unknown is not judged at all.
    ///
    /// > I13 Order for a packet that enters by a host endpoint: doNotTrack, preDNAT, then (for the node)
    /// > normal policy, or (forwarded) applyOnForward ingress, workload policy, applyOnForward egress.
    fn arriving(
        &self,
        by: InterfaceName,
        packet: &Packet,
        connections: &Connections,
        mut hearing: Hearing,
    ) -> Opinion {
        let from = self.owner(by);
        if let Some(decision) = self.shut(from, by, [Clause::I6FromUnknown, Clause::I6FromDown]) {
            return hearing.denied(decision);
        }
        let untracked = self.untracked(from, Heading::Ingress, packet, &mut hearing);
        if let Untracked::Denied(decision) = untracked {
            return hearing.denied(decision);
        }
        let case = self.case(packet, connections, untracked, &mut hearing);
        let way = self.routing.arriving(by, packet, case.destination.address);
        if let Owner::Workload(index) = from {
            let workload = &self.workloads[index];
            if !self.needs_no_address(way, &case)
                && workload.is_spoofed(packet, &mut hearing.clauses)
            {
                return hearing.denied(workload.decision(Clause::I6Spoofed));
            }
        }
        match way {
            Way::Nowhere(why) => hearing.unrouted(why),
            Way::Local => self.to_node(from, &case, hearing),
            Way::Out(out) => self.forwarded(from, out, &case, hearing),
        }
    }

    /// Whether a packet may have any source, or none.
    fn needs_no_address(&self, way: Way, case: &Case<'_>) -> bool {
        way == Way::Local
            && self
                .to_node
                .always(&case.seen)
                .is_some_and(|clause| needs_no_address(clause, case.packet))
    }

    /// What ends at the node.
    fn to_node(&self, from: Owner, case: &Case<'_>, mut hearing: Hearing) -> Opinion {
        let exit = Exit {
            way: Way::Local,
            source: source_of_connection(case.packet, &case.state),
            destination: case.destination.address,
        };
        if let Some(verdict) = self.by_connection(case, &mut hearing) {
            return hearing.end(verdict, Some(exit));
        }
        let verdict = match from {
            Owner::Workload(index) => self.workload_to_node(index, case, &mut hearing),
            Owner::Host(..) => self.host(from, Heading::Ingress, case, &mut hearing),
            Owner::Unknown | Owner::Nobody => nobody_asked(&mut hearing),
        };
        hearing.end(verdict, Some(exit))
    }

    /// I7, whose words stand in `workload`.
    fn workload_to_node(&self, index: usize, case: &Case<'_>, hearing: &mut Hearing) -> Verdict {
        let workload = &self.workloads[index];
        if let Some(clause) = self.to_node.always(&case.seen) {
            hearing.note(workload.decision(clause));
            return Verdict::Allow;
        }
        let (verdict, decision) = workload.egress(&case.seen, &mut hearing.clauses);
        hearing.note(decision);
        if verdict == Verdict::Deny {
            return verdict;
        }
        let (verdict, decision) = self.to_node.after_policy();
        hearing.note(decision);
        verdict
    }

    /// What the node forwards out of an interface.
    fn forwarded(
        &self,
        from: Owner,
        out: InterfaceName,
        case: &Case<'_>,
        mut hearing: Hearing,
    ) -> Opinion {
        let to = self.owner(out);
        if let Some(decision) = self.shut(to, out, [Clause::I6ToUnknown, Clause::I6ToDown]) {
            return hearing.denied(decision);
        }
        let verdict = match self.by_connection(case, &mut hearing) {
            Some(verdict) => verdict,
            None => match (from, to) {
                (Owner::Workload(_), _) | (_, Owner::Workload(_)) => {
                    self.workloads_judge(from, to, case, &mut hearing)
                }
                _ => self.hosts_judge(from, to, case, &mut hearing),
            },
        };
        if verdict == Verdict::Deny {
            return hearing.end(verdict, None);
        }
        let sender = match from {
            Owner::Workload(index) => Some(index),
            _ => None,
        };
        let source = self.translations.source_of_forwarded(
            case.packet,
            &case.state,
            case.destination,
            sender,
            &mut hearing.clauses,
        );
        let exit = Exit {
            way: Way::Out(out),
            source,
            destination: case.destination.address,
        };
        hearing.end(verdict, Some(exit))
    }

    /// > I6 A packet from a workload is judged by the workload's egress; if it goes to another workload on
    /// > the node, by that one's ingress too. Both must allow.
    ///
    /// A workload that reaches itself by its floating address is judged by both as well: a policy governs
    /// what an endpoint receives, from wherever.
    ///
    /// What doNotTrack policies allowed is asked here all the same: I12 says that other *host endpoint*
    /// policy is not, and a host endpoint does not speak for a workload.
    fn workloads_judge(
        &self,
        from: Owner,
        to: Owner,
        case: &Case<'_>,
        hearing: &mut Hearing,
    ) -> Verdict {
        if let Owner::Workload(index) = from {
            let (verdict, decision) =
                self.workloads[index].egress(&case.seen, &mut hearing.clauses);
            hearing.note(decision);
            if verdict == Verdict::Deny {
                return verdict;
            }
        }
        let Owner::Workload(index) = to else {
            return Verdict::Allow;
        };
        if matches!(from, Owner::Workload(_)) {
            hearing.clauses.add(Clause::I6Both);
        }
        if !matches!(case.untracked, Untracked::NotAsked) {
            hearing.clauses.add(Clause::I13ThenWorkload);
        }
        let ingress = &self.workloads[index].ingress;
        let (verdict, decision) = ingress.judge(&case.seen, &mut hearing.clauses);
        hearing.note(decision);
        verdict
    }

    /// What is forwarded and touches no workload: I10, whose words stand in `host`.
    ///
    /// Where one of two interfaces has a host endpoint and its policy allows, Calico has an opinion,
    /// and it is to allow.
    fn hosts_judge(
        &self,
        from: Owner,
        to: Owner,
        case: &Case<'_>,
        hearing: &mut Hearing,
    ) -> Verdict {
        if let Untracked::Allowed(_) = case.untracked {
            return Verdict::Allow;
        }
        let mut verdict = None;
        for (owner, heading) in [(from, Heading::Ingress), (to, Heading::Egress)] {
            let Owner::Host(index, how) = owner else {
                continue;
            };
            self.host_is_asked(how, case, hearing);
            let host = &self.hosts[index];
            let (said, decision) = host.of_forwarded(heading, &case.seen, &mut hearing.clauses);
            hearing.note(decision);
            if said == Verdict::Deny {
                return said;
            }
            verdict = Some(said);
        }
        verdict.unwrap_or_else(|| nobody_asked(hearing))
    }

    /// What the node itself sends. Its doNotTrack policies are asked before its destination is
    /// translated, of the interface that it would leave by then.
    fn sent(&self, packet: &Packet, connections: &Connections, mut hearing: Hearing) -> Opinion {
        let leaving = match self.routing.sent(packet.destination) {
            Way::Nowhere(why) => return hearing.unrouted(why),
            way => self.owner(leaves_by(way)),
        };
        let untracked = self.untracked(leaving, Heading::Egress, packet, &mut hearing);
        if let Untracked::Denied(decision) = untracked {
            return hearing.denied(decision);
        }
        let case = self.case(packet, connections, untracked, &mut hearing);
        let way = self.routing.sent(case.destination.address);
        if let Way::Nowhere(why) = way {
            return hearing.unrouted(why);
        }
        let out = leaves_by(way);
        let to = self.owner(out);
        if let Some(decision) = self.shut(to, out, [Clause::I6ToUnknown, Clause::I6ToDown]) {
            return hearing.denied(decision);
        }
        let verdict = match (self.by_connection(&case, &mut hearing), to) {
            (Some(verdict), _) => verdict,
            (None, Owner::Workload(index)) => {
                hearing.note(self.workloads[index].decision(Clause::I8Defer));
                node_to_workload()
            }
            (None, Owner::Host(..)) => self.host(to, Heading::Egress, &case, &mut hearing),
            (None, _) => nobody_asked(&mut hearing),
        };
        let exit = Exit {
            way,
            source: source_of_connection(packet, &case.state),
            destination: case.destination.address,
        };
        if way == Way::Local && verdict != Verdict::Deny {
            return self.comes_back(to, case, verdict, exit, hearing);
        }
        hearing.end(verdict, Some(exit))
    }

    /// What the node sends to itself, as it arrives by `lo`: it begins *and* ends at the node.
    fn comes_back(
        &self,
        by: Owner,
        case: Case<'_>,
        verdict: Verdict,
        exit: Exit,
        mut hearing: Hearing,
    ) -> Opinion {
        let untracked = self.untracked(by, Heading::Ingress, case.packet, &mut hearing);
        if let Untracked::Denied(decision) = untracked {
            return hearing.denied(decision);
        }
        let decided = self.is_decided_by_connection(&case);
        let verdict = match by {
            Owner::Host(..) if !decided => {
                let case = Case { untracked, ..case };
                self.host(by, Heading::Ingress, &case, &mut hearing)
            }
            _ => verdict,
        };
        hearing.end(verdict, Some(exit))
    }

    /// A host endpoint's word on what begins or ends at the node, where doNotTrack policies have not
    /// accepted it already.
    fn host(
        &self,
        owner: Owner,
        heading: Heading,
        case: &Case<'_>,
        hearing: &mut Hearing,
    ) -> Verdict {
        let Owner::Host(index, how) = owner else {
            return nobody_asked(hearing);
        };
        if let Untracked::Allowed(_) = case.untracked {
            return Verdict::Allow;
        }
        self.host_is_asked(how, case, hearing);
        let (verdict, decision) = self.hosts[index].of_the_node(
            heading,
            &self.failsafe,
            &case.seen,
            &mut hearing.clauses,
        );
        hearing.note(decision);
        verdict
    }

    /// > I9 […] Traffic to a destination that was translated is judged by where it really leaves and by its
    /// > real destination.
    ///
    /// [`Case::seen`] has the real destination.
    fn host_is_asked(&self, how: Clauses, case: &Case<'_>, hearing: &mut Hearing) {
        hearing.clauses.add_all(how);
        if !matches!(case.untracked, Untracked::NotAsked) {
            hearing.clauses.add(Clause::I13ThenHost);
        }
        if case.destination.address != case.packet.destination {
            hearing.clauses.add(Clause::I9Translated);
        }
    }

    /// I12, whose words stand in `host`: before connection tracking, and so before any translation.
    fn untracked(
        &self,
        owner: Owner,
        heading: Heading,
        packet: &Packet,
        hearing: &mut Hearing,
    ) -> Untracked {
        let Owner::Host(index, how) = owner else {
            return Untracked::NotAsked;
        };
        let seen = Seen::new(packet, packet.destination);
        let said =
            self.hosts[index].untracked(heading, &self.failsafe, &seen, &mut hearing.clauses);
        match said {
            Untracked::NotAsked => {}
            Untracked::Allowed(decision) => {
                hearing.clauses.add_all(how);
                hearing.note(decision);
            }
            Untracked::OnToTheRest | Untracked::Denied(_) => hearing.clauses.add_all(how),
        }
        said
    }

    fn case<'p>(
        &self,
        packet: &'p Packet,
        connections: &Connections,
        untracked: Untracked,
        hearing: &mut Hearing,
    ) -> Case<'p> {
        let state = match untracked {
            Untracked::Allowed(_) => State::Untracked,
            _ => State::of(packet, connections),
        };
        let clauses = &mut hearing.clauses;
        let destination = self.translations.destination(packet, &state, clauses);
        Case {
            packet,
            state,
            destination,
            seen: Seen::new(packet, destination.address),
            untracked,
        }
    }

    /// > I5 Only a connection's first packet is judged. Packets of an established connection, in either
    /// > direction, and packets related to one (ICMP errors about it) are allowed. Packets that connection
    /// > tracking finds invalid are denied (unless that check is disabled).
    ///
    /// In the seed's era nothing disables it. A connection is established once both sides have spoken:
    /// until then, whoever began it begins it again.
    fn by_connection(&self, case: &Case<'_>, hearing: &mut Hearing) -> Option<Verdict> {
        if !self.is_decided_by_connection(case) {
            return None;
        }
        let (verdict, clause) = match case.state {
            State::Established(_, Direction::Original) => (Verdict::Allow, Clause::I5Original),
            State::Established(_, Direction::Reply) => (Verdict::Allow, Clause::I5Reply),
            State::Related(..) => (Verdict::Allow, Clause::I5Related),
            State::Invalid => (Verdict::Deny, Clause::I5Invalid),
            State::New | State::Unanswered(_) | State::Untracked => return None,
        };
        let by = By::Connection;
        hearing.note(Decision { clause, by });
        Some(verdict)
    }

    fn is_decided_by_connection(&self, case: &Case<'_>) -> bool {
        let undecided = matches!(
            case.state,
            State::New | State::Unanswered(_) | State::Untracked
        );
        self.era.tracks_all_traffic() && !undecided
    }

    /// Who lets nothing through, of whom an interface is.
    fn shut(
        &self,
        owner: Owner,
        interface: InterfaceName,
        [unknown, down]: [Clause; 2],
    ) -> Option<Decision> {
        match owner {
            Owner::Unknown => Some(Decision {
                clause: unknown,
                by: By::Interface(interface),
            }),
            Owner::Workload(index) => {
                let workload = &self.workloads[index];
                (!workload.up).then(|| workload.decision(down))
            }
            Owner::Host(..) | Owner::Nobody => None,
        }
    }

    fn owner(&self, interface: InterfaceName) -> Owner {
        match self.owners.get(&interface) {
            Some(owner) => *owner,
            None => owner_by_name(interface, self.prefixes),
        }
    }

    /// Where a packet comes out that nobody translates.
    fn plain_exit(&self, packet: &Packet) -> Option<Exit> {
        let way = match packet.origin {
            Origin::Arrives(by) => self.routing.arriving(by, packet, packet.destination),
            Origin::Node => self.routing.sent(packet.destination),
        };
        let comes_out = !matches!(way, Way::Nowhere(_));
        comes_out.then_some(Exit {
            way,
            source: Source::Exactly(packet.source),
            destination: packet.destination,
        })
    }
}

/// > I8 A node to its own workload: Calico has no opinion (defer); the workload's ingress does not apply.
fn node_to_workload() -> Verdict {
    Verdict::Defer
}

/// > I9 No host endpoint on an interface: defer.
fn nobody_asked(hearing: &mut Hearing) -> Verdict {
    let (clause, by) = (Clause::I9NoEndpoint, By::Configuration);
    hearing.note(Decision { clause, by });
    Verdict::Defer
}

fn leaves_by(way: Way) -> InterfaceName {
    match way {
        Way::Out(interface) => interface,
        Way::Local | Way::Nowhere(_) => InterfaceName::LOOPBACK,
    }
}

/// Why a packet doesn't even come to be judged: addresses of two families, a header with a wrong
/// sum, or a piece of a packet. Connection tracking waits for the other pieces, unless it is
/// told to leave the packet alone.
fn no_way_in(packet: &Packet) -> Option<NoWay> {
    let arrives = matches!(packet.origin, Origin::Arrives(_));
    let wrong_sum = packet.defect == Some(Defect::HeaderChecksum);
    let of_two_families = Family::of(packet.destination) != packet.family();
    if of_two_families || (arrives && wrong_sum && packet.family() == Family::V4) {
        return Some(NoWay::Header);
    }
    let piece = matches!(
        packet.fragment,
        Some(Fragment { more: true, .. } | Fragment { offset: 1.., .. })
    );
    (piece && !packet.untracked).then_some(NoWay::Fragment)
}

/// To whom each interface belongs, of those that somebody says something about.
fn owners(world: &World, node: &Node) -> FxHashMap<InterfaceName, Owner> {
    let mut owners = FxHashMap::default();
    let of_node = node.interfaces.iter().map(|interface| interface.name);
    for name in of_node.chain([InterfaceName::LOOPBACK]) {
        owners.insert(name, owner_beside_workloads(name, world, node));
    }
    for (index, workload) in world.workloads.iter().enumerate().rev() {
        // What two workloads claim is the first one's by name.
        owners.insert(workload.interface, Owner::Workload(index));
    }
    owners
}

/// To whom an interface belongs that is no workload's. A host endpoint is an endpoint: what belongs to
/// one does not belong to none, whatever it looks like.
fn owner_beside_workloads(name: InterfaceName, world: &World, node: &Node) -> Owner {
    match host::endpoint_of(name, world, node) {
        Some((index, how)) => Owner::Host(index, how),
        None => owner_by_name(name, &world.configuration.interface_prefixes),
    }
}

fn owner_by_name(name: InterfaceName, prefixes: &[InterfacePrefix]) -> Owner {
    if prefixes.iter().any(|prefix| prefix.begins(name.as_str())) {
        Owner::Unknown
    } else {
        Owner::Nobody
    }
}
