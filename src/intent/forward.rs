//! I13 for what the node forwards: who is asked, in which order, and who has the last word.

use super::addresses::number;
use super::clause::{Clause, Clauses};
use super::connection::Connections;
use super::hearing::{Case, Hearing};
use super::host::{Early, no_endpoint};
use super::judge::Judge;
use super::opinion::{By, Decision, Exit, Heading, Opinion, Said, Verdict};
use super::owner::Owner;
use super::translation::Others;
use crate::node::routing::Way;
use crate::packet::{InterfaceName, Packet};

impl Judge<'_> {
    /// What the node forwards out of an interface.
    pub(super) fn forwarded(
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
        hearing.paced = self.is_paced(from, Heading::Egress) || self.is_paced(to, Heading::Ingress);
        let governed = from.is_endpoint() || to.is_endpoint();
        let said = match self.by_connection(case, governed, &mut hearing) {
            Some(said) => said,
            None => self.forwarding(from, to, case, &mut hearing),
        };
        if let (Verdict::Deny, decision) = said {
            return hearing.denied(decision);
        }
        let source = self.translations.source_of_forwarded(
            (case.packet, &case.state),
            case.destination,
            (from.workload(), out),
            case.others,
            &mut hearing.clauses,
        );
        let exit = Exit {
            way: Way::Out(out),
            source,
            destination: case.destination.address,
        };
        hearing.end(said, Some(exit))
    }

    /// Whether a workload limits what it sends or receives.
    pub(super) fn is_paced(&self, owner: Owner, heading: Heading) -> bool {
        let workload = owner.workload().map(|index| &self.workloads[index]);
        workload.is_some_and(|workload| workload.paces(heading))
    }

    /// What the endpoints say of a packet that leaves as the node's own, and that another interface's endpoint
    /// sent: what IPVS takes for a service's and sends on is forwarded, and no loop. `None` where it does not
    /// leave.
    #[must_use]
    pub fn sent_on(
        &self,
        from: Option<InterfaceName>,
        packet: &Packet,
        connections: &Connections,
    ) -> Option<Verdict> {
        let mut hearing = Hearing::default();
        let known = (connections, &Others::NONE);
        let case = self.case(packet, known, Early::NotAsked, &mut hearing);
        let Way::Out(out) = self.routing.sent(packet.source, case.destination.address) else {
            return None;
        };
        let owner = from.map_or(Owner::Nobody, |interface| self.owners.of(interface));
        let to = self.owners.of(out);
        let clauses = [Clause::I6FromUnknown, Clause::I6FromDown];
        let from_shut = from.and_then(|interface| self.shut(owner, interface, clauses));
        let to_shut = self.shut(to, out, [Clause::I6ToUnknown, Clause::I6ToDown]);
        if from_shut.or(to_shut).is_some() {
            return Some(Verdict::Deny);
        }
        let governed = owner.is_endpoint() || to.is_endpoint();
        let said = self.by_connection(&case, governed, &mut hearing);
        let said = said.map_or_else(
            || self.endpoints_judge(owner, to, &case, &mut hearing),
            |said| Ok(Some(said)),
        );
        Some(match said {
            Ok(said) => said.map_or(Verdict::Defer, |(verdict, _)| verdict),
            Err((verdict, _)) => verdict,
        })
    }

    /// What is said of a packet that is forwarded and whose connection does not decide.
    fn forwarding(&self, from: Owner, to: Owner, case: &Case<'_>, hearing: &mut Hearing) -> Said {
        let said = self.endpoints_judge(from, to, case, hearing);
        match said {
            Ok(said) if self.is_service_loop(case) => {
                if let Some((_, decision)) = said {
                    hearing.note(decision);
                }
                let (clause, by) = (Clause::ServiceLoop, By::Configuration);
                (Verdict::Deny, Decision { clause, by })
            }
            Ok(said) => said.unwrap_or_else(no_endpoint),
            Err(denied) => denied,
        }
    }

    /// Who is asked of what is forwarded: `None` where nobody is, `Err` where one denies.
    ///
    /// > I13 […] (forwarded) applyOnForward ingress, workload policy, applyOnForward egress.
    ///
    /// > I6 A packet from a workload is judged by the workload's egress; if it goes to another workload on
    /// > the node, by that one's ingress too. Both must allow.
    ///
    /// A workload that reaches itself by its floating address is judged by both as well: a policy governs
    /// what an endpoint receives, from wherever.
    ///
    /// Where one of two interfaces has a host endpoint and its policy allows, Calico has an opinion,
    /// and it is to allow. What doNotTrack policies allowed no host endpoint is asked about, but a
    /// workload is: I12 says that other *host endpoint* policy is not, and a host endpoint does not
    /// speak for a workload.
    fn endpoints_judge(
        &self,
        from: Owner,
        to: Owner,
        case: &Case<'_>,
        hearing: &mut Hearing,
    ) -> Result<Option<Said>, Said> {
        let workloads = from.workload().is_some() || to.workload().is_some();
        let asks_hosts = !workloads || self.era.asks_hosts_beside_workloads();
        let entered = self.entering(from, asks_hosts, case, hearing);
        let mut said = hearing.then(None, entered)?;
        if let Some(index) = from.workload() {
            let workload = &self.workloads[index];
            let sent = workload.egress(&case.seen, &self.wraps, &mut hearing.clauses);
            said = hearing.then(said, Some(sent))?;
            if to.workload().is_some() {
                hearing.clauses.add(Clause::I6Both);
            }
        }
        if let Some(index) = to.workload() {
            self.host_then_workload(from, asks_hosts, case, hearing);
            let ingress = &self.workloads[index].ingress;
            let received = ingress.judge(&case.seen, &mut hearing.clauses);
            said = hearing.then(said, Some(received))?;
        }
        if !asks_hosts {
            return Ok(said);
        }
        let left = self.leaving(to, case, hearing);
        if left.is_some() && workloads {
            hearing.clauses.add(Clause::I13WorkloadThenHost);
        }
        hearing.then(said, left)
    }

    /// What a host endpoint says of what enters by it and is forwarded.
    fn entering(
        &self,
        from: Owner,
        asks_hosts: bool,
        case: &Case<'_>,
        hearing: &mut Hearing,
    ) -> Option<Said> {
        if let Some(decision) = case.allowed_early() {
            return Some((Verdict::Allow, decision));
        }
        match from {
            Owner::Host(index, how) if asks_hosts => {
                Some(self.host_forwards(index, how, Heading::Ingress, case, hearing))
            }
            _ => None,
        }
    }

    /// What a host endpoint says of what is forwarded out of it.
    fn leaving(&self, to: Owner, case: &Case<'_>, hearing: &mut Hearing) -> Option<Said> {
        match (to, case.untracked) {
            (Owner::Host(..), Early::Allowed(_)) => None,
            (Owner::Host(index, how), _) => {
                Some(self.host_forwards(index, how, Heading::Egress, case, hearing))
            }
            _ => None,
        }
    }

    /// I10, whose words stand in `host`.
    fn host_forwards(
        &self,
        index: usize,
        how: Clauses,
        heading: Heading,
        case: &Case<'_>,
        hearing: &mut Hearing,
    ) -> Said {
        self.host_is_asked(how, case, hearing);
        self.hosts[index].of_forwarded(heading, &case.seen, &mut hearing.clauses)
    }

    /// Takes down who was asked before a workload.
    fn host_then_workload(
        &self,
        from: Owner,
        asks_hosts: bool,
        case: &Case<'_>,
        hearing: &mut Hearing,
    ) {
        let early = [case.untracked, case.pre_dnat];
        if early.iter().any(|early| !matches!(early, Early::NotAsked)) {
            hearing.clauses.add(Clause::I13ThenWorkload);
        }
        if asks_hosts && matches!(from, Owner::Host(..)) {
            hearing.clauses.add(Clause::I13HostThenWorkload);
        }
    }

    /// Whether a packet goes to a service that nothing has translated, and is not to be forwarded.
    ///
    /// No clause is about it: `serviceLoopPrevention` is whether such packets are dropped, or refused,
    /// because the routes to services' addresses lead them round in circles.
    fn is_service_loop(&self, case: &Case<'_>) -> bool {
        let (family, address) = (case.packet.family(), case.destination.address);
        address == case.packet.destination && self.service_loops.contains(family, number(address))
    }
}
