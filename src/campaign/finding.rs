//! A divergence as it is reported: the packet, where the journeys part, and both rule paths.

use crate::arm::{Arm, Failure};
use crate::diff::{Comparison, Difference, compare};
use crate::journey::{Answer, Step};
use crate::packet::{Batch, Connection, Packet};
use crate::xtables::Backend;

/// One packet on which a backend and the model differ.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// In which batch it was sent, and as which packet of it.
    pub place: (u64, usize),
    /// The backend.
    pub backend: Backend,
    /// The packet.
    pub packet: Packet,
    /// The connections that existed when it was sent and that touch it.
    pub connections: Vec<Connection>,
    /// Where the journeys part.
    pub difference: Difference,
    /// The model's answer.
    pub expected: Answer,
    /// The kernel's answer.
    pub found: Answer,
}

impl Divergence {
    /// Keeps of a batch what one packet needs.
    #[must_use]
    pub fn connections_of(batch: &Batch, packet: &Packet) -> Vec<Connection> {
        Self::touching(&batch.connections, packet)
    }

    /// Those of some connections that one packet may have to do with.
    #[must_use]
    pub fn touching(connections: &[Connection], packet: &Packet) -> Vec<Connection> {
        let mut tuples = vec![packet.tuple()];
        if let crate::packet::Transport::Icmp(icmp) = packet.transport {
            tuples.extend(icmp.quoted);
        }
        let touches = |connection: &&Connection| {
            tuples.iter().any(|tuple| {
                [
                    Some(connection.original),
                    Some(connection.reply),
                    connection.original.inverse(),
                    connection.reply.inverse(),
                ]
                .contains(&Some(*tuple))
            })
        };
        connections.iter().filter(touches).copied().collect()
    }

    /// What divergences of one kind have in common: the backend and where the journeys part.
    #[must_use]
    pub fn kind(&self) -> String {
        format!("{}: {}", self.backend, self.difference.kind())
    }
}

/// A divergence sent again alone, with the rule paths of both sides.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The model's, every rule that it looked at.
    pub model: Vec<Step>,
    /// The kernel's, every rule that matched.
    pub kernel: Vec<Step>,
    /// Whether the packet, sent again alone, still diverges.
    pub again: bool,
}

/// Sends a divergence's packet again, alone and traced, through both arms.
///
/// # Errors
///
/// Where one of the arms fails.
pub fn trace(
    divergence: &Divergence,
    model: &mut dyn Arm,
    kernel: &mut dyn Arm,
) -> Result<Paths, Failure> {
    let (expected, model_path) = model.trace(&divergence.packet, &divergence.connections)?;
    let (found, kernel_path) = kernel.trace(&divergence.packet, &divergence.connections)?;
    let again = matches!(compare(&expected, &found), Comparison::Differ(_));
    Ok(Paths {
        model: model_path,
        kernel: kernel_path,
        again,
    })
}
