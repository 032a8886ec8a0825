//! The way of a packet from clause to clause.

use std::net::IpAddr;

use super::addresses::{Addresses, number};
use super::clause::{Clause, Clauses};
use super::connection::{Connections, State};
use super::era::{Era, NotOfThisEra};
use super::evaluation::Rulebook;
use super::hearing::{Case, Hearing};
use super::host::{Early, Failsafe, Host, no_endpoint};
use super::matching::Seen;
use super::opinion::{By, Decision, Exit, Heading, Opinion, Said, Source, Verdict};
use super::owner::{Owner, Owners};
use super::translation::{Others, Translations, source_of_connection};
use super::workload::{ToNode, Workload, Wraps, needs_no_address};
use crate::calico::World;
use crate::calico::configuration::modern::{AllowAction, ServiceLoops};
use crate::node::Node;
use crate::node::routing::{NoWay, Routing, Way};
use crate::packet::{Defect, Family, Fragment, InterfaceName, Origin, Packet, Transport, Tuple};

/// The oracle for one world on one node.
///
/// > I18 The verdict is a function of headers, connection state, endpoints, node and policies, and of
/// > nothing else. What other programs keep on the packet leaves as it came.
///
/// It is made once, and asked packet by packet without allocating; it remembers nothing.
pub struct Judge<'a> {
    pub(super) world: &'a World,
    pub(super) era: Era,
    pub(super) routing: Routing,
    pub(super) owners: Owners<'a>,
    pub(super) workloads: Vec<Workload>,
    pub(super) hosts: Vec<Host>,
    to_node: ToNode,
    pub(super) wraps: Wraps,
    failsafe: Failsafe,
    pub(super) translations: Translations,
    /// The addresses of services that the node does not forward to.
    pub(super) service_loops: Addresses,
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
            hosts: hosts
                .map(|index| Host::new(index, era, &rulebook))
                .collect(),
            to_node: ToNode::new(&world.configuration),
            wraps: Wraps::new(era, &world.configuration),
            failsafe: Failsafe::new(era, &world.configuration),
            translations: Translations::new(era, world),
            service_loops: service_loops(era, world),
        })
    }

    /// The world whose policies it speaks for.
    #[must_use]
    pub fn world(&self) -> &'a World {
        self.world
    }

    /// The address for which a floating one stands here.
    #[must_use]
    pub fn floating(&self, outside: IpAddr) -> Option<IpAddr> {
        let governed = Family::of(outside) == Family::V4 || self.world.configuration.ipv6;
        self.translations.inside(outside).filter(|_| governed)
    }

    /// What becomes of a packet where these connections exist, and no other program translates.
    #[must_use]
    pub fn judge(&self, packet: &Packet, connections: &Connections) -> Opinion {
        self.judge_beside(packet, connections, &Others::NONE)
    }

    /// What becomes of a packet where these connections exist, beside what other programs translate.
    ///
    /// `iptablesFilterAllowAction: Return` leaves what Calico allows to the node's other rules: then it
    /// has no opinion but where it denies.
    #[must_use]
    pub fn judge_beside(
        &self,
        packet: &Packet,
        connections: &Connections,
        others: &Others,
    ) -> Opinion {
        let told = self.world.configuration.modern.filter_allow;
        let mut hearing = Hearing {
            others_too: self.era == Era::Modern && told == AllowAction::Return,
            ..Hearing::default()
        };
        if packet.family() == Family::V6 && !self.world.configuration.ipv6 {
            // `Ipv6Support` is whether IPv6 is governed at all, and no clause is about what isn't.
            let (clause, by) = (Clause::Ungoverned, By::Configuration);
            let exit = self.ungoverned_exit(packet, connections, others);
            return hearing.end((Verdict::Defer, Decision { clause, by }), exit);
        }
        if let Some(why) = no_way_in(packet) {
            return hearing.unrouted(why);
        }
        if packet.untracked {
            hearing.clauses.add(Clause::I18Untracked);
        }
        match packet.origin {
            Origin::Arrives(by) => self.arriving(by, packet, (connections, others), hearing),
            Origin::Node => self.sent(packet, (connections, others), hearing),
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
        known: (&Connections, &Others),
        mut hearing: Hearing,
    ) -> Opinion {
        let from = self.owners.of(by);
        if let Some(decision) = self.shut(from, by, [Clause::I6FromUnknown, Clause::I6FromDown]) {
            return hearing.denied(decision);
        }
        let untracked = self.untracked(from, Heading::Ingress, packet, &mut hearing);
        if let Early::Denied(decision) = untracked {
            return hearing.denied(decision);
        }
        let mut case = self.case(packet, known, untracked, &mut hearing);
        let way = self.routing.arriving(by, packet, case.destination.address);
        if let Owner::Workload(index) = from {
            let workload = &self.workloads[index];
            if !self.needs_no_address(way, &case)
                && workload.is_spoofed(packet, &mut hearing.clauses)
            {
                return hearing.denied(workload.decision(Clause::I6Spoofed));
            }
        }
        case.pre_dnat = self.pre_dnat(from, way, &case, &mut hearing);
        if let Early::Denied(decision) = case.pre_dnat {
            return hearing.denied(decision);
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
            source: Source::Exactly(source_of_connection(
                case.packet,
                &case.state,
                &Others::NONE,
            )),
            destination: case.destination.address,
        };
        hearing.paced = self.is_paced(from, Heading::Egress);
        let said = match (
            self.by_connection(case, from.is_endpoint(), &mut hearing),
            from,
        ) {
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
        let (verdict, decision) = workload.egress(&case.seen, &self.wraps, &mut hearing.clauses);
        if verdict == Verdict::Deny {
            return (verdict, decision);
        }
        hearing.note(decision);
        self.to_node.after_policy()
    }

    /// What the node itself sends. Its doNotTrack policies are asked before its destination is
    /// translated, of the interface that it would leave by then.
    fn sent(
        &self,
        packet: &Packet,
        known: (&Connections, &Others),
        mut hearing: Hearing,
    ) -> Opinion {
        let (connections, others) = known;
        let leaving = match self.routing.sent(packet.source, packet.destination) {
            Way::Nowhere(NoWay::Source) => self.owners.of(leaves_by(Way::Local)),
            Way::Nowhere(why) => return hearing.unrouted(why),
            way => self.owners.of(leaves_by(way)),
        };
        let untracked = self.untracked(leaving, Heading::Egress, packet, &mut hearing);
        if let Early::Denied(decision) = untracked {
            return hearing.denied(decision);
        }
        let case = self.case(packet, known, untracked, &mut hearing);
        // What is not tracked nobody translates.
        let others = match case.state {
            State::New => others,
            _ => &Others::NONE,
        };
        let way = self.own_way(
            packet,
            case.destination.address,
            &case.state,
            (connections, others),
        );
        if let Some(why) = no_way_on(way, packet) {
            return hearing.unrouted(why);
        }
        let out = leaves_by(way);
        let to = self.owners.of(out);
        if let Some(decision) = self.shut(to, out, [Clause::I6ToUnknown, Clause::I6ToDown]) {
            return hearing.denied(decision);
        }
        let governed = matches!(to, Owner::Host(..));
        let said = match (self.by_connection(&case, governed, &mut hearing), to) {
            (Some(said), _) => said,
            (None, Owner::Workload(index)) => self.workloads[index].of_its_node(),
            (None, _) => self.host(to, Heading::Egress, &case, &mut hearing),
        };
        let exit = Exit {
            way,
            source: Source::Exactly(source_of_connection(packet, &case.state, case.others)),
            destination: case.destination.address,
        };
        let comes_back = way == Way::Local && matches!(to, Owner::Host(..));
        if !comes_back || said.0 == Verdict::Deny {
            return hearing.end(said, Some(exit));
        }
        self.comes_back(to, case, (said, exit), hearing)
    }

    /// Where a packet of the node's own goes. What it sends to itself is refused by its source only as it comes
    /// back, and by then it may have been given another.
    fn own_way(
        &self,
        packet: &Packet,
        destination: IpAddr,
        state: &State,
        (known, others): (&Connections, &Others),
    ) -> Way {
        let source = source_of_connection(packet, state, others);
        let way = self.routing.sent(source, destination);
        let key = Tuple {
            source,
            destination,
            ..packet.tuple()
        };
        // It is entered before it comes back.
        let is_entered = way == Way::Local && *state == State::New;
        match is_entered && known.has_answers_to(&key) {
            true => Way::Nowhere(NoWay::Answers),
            false => way,
        }
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
        if let Early::Denied(decision) = untracked {
            return hearing.denied(decision);
        }
        if self.by_connection(&case, true, &mut hearing).is_some() {
            return hearing.end(sent, Some(exit));
        }
        hearing.note(sent.1);
        // It bears the source by now that others have given it.
        let mut seen = case.seen;
        if let (State::New, Some(source)) = (case.state, case.others.source) {
            seen.source = number(source);
        }
        let mut case = Case {
            untracked,
            seen,
            ..case
        };
        case.pre_dnat = self.pre_dnat(by, Way::Local, &case, &mut hearing);
        if let Early::Denied(decision) = case.pre_dnat {
            return hearing.denied(decision);
        }
        let said = self.host(by, Heading::Ingress, &case, &mut hearing);
        hearing.end(said, Some(exit))
    }

    /// A host endpoint's word on what begins or ends at the node, where doNotTrack policies have not
    /// accepted it already.
    fn host(&self, owner: Owner, heading: Heading, case: &Case<'_>, hearing: &mut Hearing) -> Said {
        let Owner::Host(index, how) = owner else {
            return no_endpoint();
        };
        let early = match heading {
            Heading::Ingress => case.allowed_early(),
            Heading::Egress => match case.untracked {
                Early::Allowed(decision) => Some(decision),
                _ => None,
            },
        };
        if let Some(decision) = early {
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
    pub(super) fn host_is_asked(&self, how: Clauses, case: &Case<'_>, hearing: &mut Hearing) {
        hearing.clauses.add_all(how);
        let early = [case.untracked, case.pre_dnat];
        if early.iter().any(|early| !matches!(early, Early::NotAsked)) {
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
    ) -> Early {
        let Owner::Host(index, how) = owner else {
            return Early::NotAsked;
        };
        let seen = Seen::new(packet, packet.destination, None);
        let clauses = &mut hearing.clauses;
        let said = self.hosts[index].untracked(heading, &self.failsafe, &seen, clauses);
        if !matches!(said, Early::NotAsked) {
            clauses.add_all(how);
        }
        said
    }

    /// I11, whose words stand in `host`. What doNotTrack policies accept is not asked about.
    fn pre_dnat(&self, from: Owner, way: Way, case: &Case<'_>, hearing: &mut Hearing) -> Early {
        let Owner::Host(index, how) = from else {
            return Early::NotAsked;
        };
        if let Early::Allowed(_) = case.untracked {
            return Early::NotAsked;
        }
        let known = matches!(case.state, State::Established(..) | State::Related(..));
        // What the node sends to itself has its translation behind it when it enters.
        let seen = match case.packet.origin {
            Origin::Arrives(_) => Seen::new(case.packet, case.packet.destination, None),
            Origin::Node => case.seen,
        };
        let at_node = (way == Way::Local).then_some(&case.seen);
        let clauses = &mut hearing.clauses;
        let said = self.hosts[index].pre_dnat(known, &self.failsafe, &seen, at_node, clauses);
        if !matches!(said, Early::NotAsked) {
            clauses.add_all(how);
        }
        said
    }

    pub(super) fn case<'p>(
        &self,
        packet: &'p Packet,
        (connections, others): (&Connections, &'p Others),
        untracked: Early,
        hearing: &mut Hearing,
    ) -> Case<'p> {
        let state = match untracked {
            Early::Allowed(_) => State::Untracked,
            _ => State::of(packet, connections),
        };
        let clauses = &mut hearing.clauses;
        let destination = self
            .translations
            .destination(packet, &state, others, clauses);
        Case {
            packet,
            state,
            others,
            destination,
            seen: Seen::new(packet, destination.address, destination.port),
            untracked,
            pre_dnat: Early::NotAsked,
        }
    }

    /// I5, whose words stand in `connection`: in the seed's era for all traffic, since then for what an
    /// endpoint is asked about.
    pub(super) fn by_connection(
        &self,
        case: &Case<'_>,
        governed: bool,
        hearing: &mut Hearing,
    ) -> Option<Said> {
        let decides = governed || self.era.tracks_all_traffic();
        let said = case.state.decides().filter(|_| decides)?;
        let unchecked = self.era == Era::Modern
            && self.world.configuration.modern.disable_invalid_check
            && said.0 == Verdict::Deny;
        if unchecked {
            hearing.clauses.add(Clause::I5Unchecked);
            return None;
        }
        Some(said)
    }

    /// Who lets nothing through, of whom an interface is.
    pub(super) fn shut(
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
    fn ungoverned_exit(
        &self,
        packet: &Packet,
        connections: &Connections,
        others: &Others,
    ) -> Option<Exit> {
        let state = State::of(packet, connections);
        let destination = match (state, others.destination) {
            (State::New, Some((address, _))) => address,
            (State::New, None) => packet.destination,
            _ => {
                let mut unheard = Clauses::NONE;
                let kept = self
                    .translations
                    .destination(packet, &state, others, &mut unheard);
                kept.address
            }
        };
        let way = match packet.origin {
            Origin::Arrives(by) => self.routing.arriving(by, packet, destination),
            Origin::Node => self.own_way(packet, destination, &state, (connections, others)),
        };
        let comes_out = !matches!(way, Way::Nowhere(_));
        comes_out.then_some(Exit {
            way,
            source: Source::Exactly(source_of_connection(packet, &state, others)),
            destination,
        })
    }
}

/// The addresses of services, where the node is told not to forward to them. The seed's era has no such
/// option.
fn service_loops(era: Era, world: &World) -> Addresses {
    let told = &world.configuration.modern;
    let nets = match (era, told.service_loops) {
        (Era::Seed, _) | (_, ServiceLoops::Disabled) => &[][..],
        (Era::Modern, ServiceLoops::Drop | ServiceLoops::Reject) => &told.service_nets,
    };
    Addresses::of(nets)
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
