//! What the intent says of a packet: allow, deny or defer, by whom, and where it comes out.

use std::fmt;
use std::net::IpAddr;

use smallvec::SmallVec;

use super::clause::{Clause, Clauses};
use crate::calico::world::Applied;
use crate::node::routing::{NoWay, Way};
use crate::packet::InterfaceName;

/// What becomes of a packet, as far as Calico has a say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// It comes through.
    Allow,
    /// It does not, silently or with a rejection.
    Deny,
    /// Calico has no opinion: the rest of the node decides.
    Defer,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Defer => "defer",
        })
    }
}

/// The intent's answer for one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opinion {
    /// The verdict.
    pub verdict: Verdict,
    /// Who decided.
    pub decision: Decision,
    /// Who allowed it before, in the order in which they were asked.
    pub earlier: SmallVec<[Decision; 2]>,
    /// The branches of clauses that decided or took part.
    pub clauses: Clauses,
    /// Where the packet comes out, if it does. `None` where it is denied, or goes nowhere by itself.
    pub exit: Option<Exit>,
    /// Whether an endpoint on its way limits how many packets a second it sends or receives: then it comes through
    /// only while there is room.
    pub paced: bool,
}

impl Opinion {
    /// Everybody who was asked and said something, in order: the last has decided.
    pub fn decisions(&self) -> impl Iterator<Item = Decision> + '_ {
        self.earlier.iter().copied().chain([self.decision])
    }
}

/// Where a packet comes out, and with which addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exit {
    /// Where.
    pub way: Way,
    /// The source address that it has there.
    pub source: Source,
    /// The destination address that it has there.
    pub destination: IpAddr,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.way {
            Way::Out(interface) => write!(f, "sent out of {interface}")?,
            Way::Local | Way::Nowhere(_) => f.write_str("delivered to the node")?,
        }
        match self.source {
            Source::Exactly(source) => write!(f, " as {source}")?,
            Source::OfNode => f.write_str(" as the node")?,
        }
        write!(f, " > {}", self.destination)
    }
}

/// The source address with which a packet comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// This one.
    Exactly(IpAddr),
    /// One of the node's own.
    OfNode,
}

/// One word on a packet: the branch of the clause, and in whose name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// Which branch of which clause.
    pub clause: Clause,
    /// In whose name.
    pub by: By,
}

/// What somebody says who is asked.
pub(super) type Said = (Verdict, Decision);

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// A rule of a policy, counted from 0.
    Rule {
        /// Of whom it was asked.
        at: At,
        /// Which policy.
        policy: Applied,
        /// Which of its rules in this direction.
        rule: usize,
    },
    /// A tier without a rule that decides, by its place in the world.
    Tier {
        /// Of whom it was asked.
        at: At,
        /// Which tier.
        tier: usize,
    },
    /// A rule of a profile, both counted from 0.
    Profile {
        /// Of whom it was asked.
        at: At,
        /// Which of the endpoint's profiles.
        profile: usize,
        /// Which of its rules in this direction.
        rule: usize,
    },
    /// No profile has a rule that decides.
    NoProfile {
        /// Of whom it was asked.
        at: At,
    },
    /// A failsafe port.
    Failsafe {
        /// Of whom it was asked.
        at: At,
        /// Which.
        port: u16,
    },
    /// What connection tracking knows.
    Connection,
    /// An endpoint's own state.
    Endpoint(Endpoint),
    /// An interface that belongs to nobody.
    Interface(InterfaceName),
    /// What Felix is told.
    Configuration,
    /// The node's routing.
    Routing(NoWay),
}

/// An endpoint and a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct At {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Seen from the endpoint.
    pub heading: Heading,
}

/// An endpoint, by its place in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// A workload.
    Workload(usize),
    /// A host endpoint.
    Host(usize),
}

/// Which way a packet goes, seen from an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Heading {
    /// To it.
    Ingress,
    /// From it.
    Egress,
}

impl fmt::Display for Heading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        })
    }
}
