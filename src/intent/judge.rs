//! The way of a packet from clause to clause.

use smallvec::SmallVec;

use super::clause::{Clause, Clauses};
use super::connection::{Connections, State};
use super::era::{Era, NotOfThisEra};
use super::evaluation::Rulebook;
use super::host::{Failsafe, Host, Untracked, no_endpoint};
use super::matching::Seen;
use super::opinion::{By, Decision, Exit, Heading, Opinion, Said, Verdict};
use super::owner::{Owner, Owners};
use super::translation::{Destination, Translations, source_of_connection};
use super::workload::{ToNode, Workload, needs_no_address};
use crate::calico::World;
use crate::node::Node;
use crate::node::routing::{NoWay, Routing, Way};
use crate::packet::{Defect, Family, Fragment, InterfaceName, Origin, Packet, Transport};

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
    owners: Owners<'a>,
    workloads: Vec<Workload>,
    hosts: Vec<Host>,
    to_node: ToNode,
    failsafe: Failsafe,
    translations: Translations,
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
    said: SmallVec<[Decision; 2]>,
    clauses: Clauses,
}

impl Hearing {
    /// Takes down a word that is not the last.
    fn note(&mut self, decision: Decision) {
        self.clauses.add(decision.clause);
        self.said.push(decision);
    }

    /// Takes down what doNotTrack policies allowed, where somebody else has the last word.
    fn note_untracked(&mut self, untracked: Untracked) {
        if let Untracked::Allowed(decision) = untracked {
            self.note(decision);
        }
    }

    fn denied(self, decision: Decision) -> Opinion {
        self.end((Verdict::Deny, decision), None)
    }

    fn unrouted(self, why: NoWay) -> Opinion {
        let by = By::Routing(why);
        let clause = Clause::Unrouted;
        self.end((Verdict::Defer, Decision { clause, by }), None)
    }

    fn end(mut self, (verdict, decision): Said, exit: Option<Exit>) -> Opinion {
        self.clauses.add(decision.clause);
        Opinion {
            verdict,
            decision,
            earlier: self.said,
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
            owners: Owners::new(world, node),
            workloads: workloads
                .map(|(index, workload)| Workload::new(index, workload, &rulebook))
                .collect(),
            hosts: hosts.map(|index| Host::new(index, &rulebook)).collect(),
            to_node: ToNode::new(&world.configuration),
            failsafe: Failsafe::new(&world.configuration),
            translations: Translations::new(world),
        })
    }

    /// The world whose policies it speaks for.
    #[must_use]
    pub fn world(&self) -> &'a World {
        self.world
    }

    /// What becomes of a packet where these connections exist.
    #[must_use]
    pub fn judge(&self, packet: &Packet, connections: &Connections) -> Opinion {
        let mut hearing = Hearing::default();
        if packet.family() == Family::V6 && !self.world.configuration.ipv6 {
            // `Ipv6Support` is whether IPv6 is governed at all, and no clause is about what isn't.
            let (clause, by) = (Clause::Ungoverned, By::Configuration);
            let exit = self.ungoverned_exit(packet, connections);
            return hearing.end((Verdict::Defer, Decision { clause, by }), exit);
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
        let from = self.owners.of(by);
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
        if let Some(why) = no_way_on(way, packet) {
            return hearing.unrouted(why);
        }
        match way {
            Way::Out(out) => self.forwarded(from, out, &case, hearing),
            Way::Local | Way::Nowhere(_) => self.to_node(from, &case, hearing),
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
        let said = match (self.by_connection(case), from) {
            (Some(said), _) => said,
            (None, Owner::Workload(index)) => self.workload_to_node(index, case, &mut hearing),
            (None, _) => self.host(from, Heading::Ingress, case, &mut hearing),
        };
        hearing.end(said, Some(exit))
    }

    /// I7, whose words stand in `workload`.
    fn workload_to_node(&self, index: usize, case: &Case<'_>, hearing: &mut Hearing) -> Said {
        let workload = &self.workloads[index];
        if let Some(clause) = self.to_node.always(&case.seen) {
            return (Verdict::Allow, workload.decision(clause));
        }
        let (verdict, decision) = workload.egress(&case.seen, &mut hearing.clauses);
        if verdict == Verdict::Deny {
            return (verdict, decision);
        }
        hearing.note(decision);
        self.to_node.after_policy()
    }

    /// What the node forwards out of an interface.
    fn forwarded(
        &self,
        from: Owner,
        out: InterfaceName,
        case: &Case<'_>,
        mut hearing: Hearing,
    ) -> Opinion {
        let to = self.owners.of(out);
        if let Some(decision) = self.shut(to, out, [Clause::I6ToUnknown, Clause::I6ToDown]) {
            return hearing.denied(decision);
        }
        let said = match (self.by_connection(case), from, to) {
            (Some(said), ..) => said,
            (None, Owner::Workload(_), _) | (None, _, Owner::Workload(_)) => {
                self.workloads_judge(from, to, case, &mut hearing)
            }
            (None, ..) => self.hosts_judge(from, to, case, &mut hearing),
        };
        if let (Verdict::Deny, decision) = said {
            return hearing.denied(decision);
        }
        let source = self.translations.source_of_forwarded(
            case.packet,
            &case.state,
            case.destination,
            from.workload(),
            &mut hearing.clauses,
        );
        let exit = Exit {
            way: Way::Out(out),
            source,
            destination: case.destination.address,
        };
        hearing.end(said, Some(exit))
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
    ) -> Said {
        let sent = from
            .workload()
            .map(|index| self.workloads[index].egress(&case.seen, &mut hearing.clauses));
        let Some(receiver) = to.workload() else {
            return sent.unwrap_or_else(no_endpoint);
        };
        match (sent, case.untracked) {
            (Some((Verdict::Deny, decision)), _) => return (Verdict::Deny, decision),
            (Some((_, decision)), _) => {
                hearing.clauses.add(Clause::I6Both);
                hearing.note(decision);
            }
            (None, Untracked::NotAsked) => {}
            (None, untracked) => {
                hearing.clauses.add(Clause::I13ThenWorkload);
                hearing.note_untracked(untracked);
            }
        }
        let ingress = &self.workloads[receiver].ingress;
        ingress.judge(&case.seen, &mut hearing.clauses)
    }

    /// What is forwarded and touches no workload: I10, whose words stand in `host`.
    ///
    /// Where one of two interfaces has a host endpoint and its policy allows, Calico has an opinion,
    /// and it is to allow.
    fn hosts_judge(&self, from: Owner, to: Owner, case: &Case<'_>, hearing: &mut Hearing) -> Said {
        if let Untracked::Allowed(decision) = case.untracked {
            return (Verdict::Allow, decision);
        }
        let mut entered = None;
        if let Owner::Host(index, how) = from {
            self.host_is_asked(how, case, hearing);
            let clauses = &mut hearing.clauses;
            let said = self.hosts[index].of_forwarded(Heading::Ingress, &case.seen, clauses);
            if said.0 == Verdict::Deny {
                return said;
            }
            entered = Some(said);
        }
        let Owner::Host(index, how) = to else {
            return entered.unwrap_or_else(no_endpoint);
        };
        if let Some((_, decision)) = entered {
            hearing.note(decision);
        }
        self.host_is_asked(how, case, hearing);
        self.hosts[index].of_forwarded(Heading::Egress, &case.seen, &mut hearing.clauses)
    }

    /// What the node itself sends. Its doNotTrack policies are asked before its destination is
    /// translated, of the interface that it would leave by then.
    fn sent(&self, packet: &Packet, connections: &Connections, mut hearing: Hearing) -> Opinion {
        let leaving = match self.routing.sent(packet.source, packet.destination) {
            Way::Nowhere(why) => return hearing.unrouted(why),
            way => self.owners.of(leaves_by(way)),
        };
        let untracked = self.untracked(leaving, Heading::Egress, packet, &mut hearing);
        if let Untracked::Denied(decision) = untracked {
            return hearing.denied(decision);
        }
        let case = self.case(packet, connections, untracked, &mut hearing);
        let way = self.routing.sent(packet.source, case.destination.address);
        if let Some(why) = no_way_on(way, packet) {
            return hearing.unrouted(why);
        }
        let out = leaves_by(way);
        let to = self.owners.of(out);
        if let Some(decision) = self.shut(to, out, [Clause::I6ToUnknown, Clause::I6ToDown]) {
            return hearing.denied(decision);
        }
        let said = match (self.by_connection(&case), to) {
            (Some(said), _) => said,
            (None, Owner::Workload(index)) => self.workloads[index].of_its_node(),
            (None, _) => self.host(to, Heading::Egress, &case, &mut hearing),
        };
        let exit = Exit {
            way,
            source: source_of_connection(packet, &case.state),
            destination: case.destination.address,
        };
        let comes_back = way == Way::Local && matches!(to, Owner::Host(..));
        if !comes_back || said.0 == Verdict::Deny {
            return hearing.end(said, Some(exit));
        }
        self.comes_back(to, case, (said, exit), hearing)
    }

    /// What the node sends to itself, as it arrives by `lo`: it begins *and* ends at the node. The
    /// doNotTrack policies are asked once more whatever its connection, for they judge each packet by
    /// itself.
    fn comes_back(
        &self,
        by: Owner,
        case: Case<'_>,
        (sent, exit): (Said, Exit),
        mut hearing: Hearing,
    ) -> Opinion {
        let untracked = self.untracked(by, Heading::Ingress, case.packet, &mut hearing);
        if let Untracked::Denied(decision) = untracked {
            return hearing.denied(decision);
        }
        if self.by_connection(&case).is_some() {
            return hearing.end(sent, Some(exit));
        }
        hearing.note(sent.1);
        let case = Case { untracked, ..case };
        let said = self.host(by, Heading::Ingress, &case, &mut hearing);
        hearing.end(said, Some(exit))
    }

    /// A host endpoint's word on what begins or ends at the node, where doNotTrack policies have not
    /// accepted it already.
    fn host(&self, owner: Owner, heading: Heading, case: &Case<'_>, hearing: &mut Hearing) -> Said {
        let Owner::Host(index, how) = owner else {
            return no_endpoint();
        };
        if let Untracked::Allowed(decision) = case.untracked {
            return (Verdict::Allow, decision);
        }
        self.host_is_asked(how, case, hearing);
        let clauses = &mut hearing.clauses;
        self.hosts[index].of_the_node(heading, &self.failsafe, &case.seen, clauses)
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
        let clauses = &mut hearing.clauses;
        let said = self.hosts[index].untracked(heading, &self.failsafe, &seen, clauses);
        if !matches!(said, Untracked::NotAsked) {
            clauses.add_all(how);
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

    /// I5, whose words stand in `connection`: in the seed's era for all traffic.
    fn by_connection(&self, case: &Case<'_>) -> Option<Said> {
        case.state
            .decides()
            .filter(|_| self.era.tracks_all_traffic())
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

    /// Where a packet comes out that Calico doesn't govern: with the addresses of its connection, which
    /// connection tracking keeps whoever translated it, and else with its own.
    fn ungoverned_exit(&self, packet: &Packet, connections: &Connections) -> Option<Exit> {
        let state = State::of(packet, connections);
        let destination = match state {
            State::New => packet.destination,
            _ => {
                let mut unheard = Clauses::NONE;
                let kept = self.translations.destination(packet, &state, &mut unheard);
                kept.address
            }
        };
        let way = match packet.origin {
            Origin::Arrives(by) => self.routing.arriving(by, packet, destination),
            Origin::Node => self.routing.sent(packet.source, destination),
        };
        let comes_out = !matches!(way, Way::Nowhere(_));
        comes_out.then_some(Exit {
            way,
            source: source_of_connection(packet, &state),
            destination,
        })
    }
}

fn leaves_by(way: Way) -> InterfaceName {
    match way {
        Way::Out(interface) => interface,
        Way::Local | Way::Nowhere(_) => InterfaceName::LOOPBACK,
    }
}

/// Why a packet doesn't even come to be judged: addresses of two families, a header with a wrong
/// sum, or a piece of a packet. Connection tracking waits for the other pieces, unless it is
/// told to leave the packet alone, or IPv6's first piece lacks the header that RFC 8200, section 4.5, wants
/// in it: that goes on by itself.
fn no_way_in(packet: &Packet) -> Option<NoWay> {
    let arrives = matches!(packet.origin, Origin::Arrives(_));
    let wrong_sum = packet.defect == Some(Defect::HeaderChecksum);
    let of_two_families = Family::of(packet.destination) != packet.family();
    if of_two_families || (arrives && wrong_sum && packet.family() == Family::V4) {
        return Some(NoWay::Header);
    }
    let waits = is_piece(packet) && !packet.untracked && !is_first_without_header(packet);
    waits.then_some(NoWay::Fragment)
}

/// Why a packet doesn't come to the end of its way. What ends at the node waits there for its other
/// pieces, if it hasn't before: of IPv4 ahead of all that could judge it (`ip_local_deliver`).
fn no_way_on(way: Way, packet: &Packet) -> Option<NoWay> {
    match way {
        Way::Nowhere(why) => Some(why),
        Way::Local if is_piece(packet) && packet.family() == Family::V4 => Some(NoWay::Fragment),
        Way::Local | Way::Out(_) => None,
    }
}

fn is_piece(packet: &Packet) -> bool {
    matches!(
        packet.fragment,
        Some(Fragment { more: true, .. } | Fragment { offset: 1.., .. })
    )
}

fn is_first_without_header(packet: &Packet) -> bool {
    let header = match packet.transport {
        Transport::Tcp(_) => 20,
        Transport::Udp(_) | Transport::Icmp(_) => 8,
        _ => 1,
    };
    let first = packet.fragment.is_some_and(|piece| piece.offset == 0);
    let lacks = matches!(packet.defect, Some(Defect::Truncated(left)) if left < header);
    packet.family() == Family::V6 && first && lacks
}
