//! `calidiff explain`: one packet's way.

use miette::miette;

use super::args::Explain;
use super::status::{Ending, Status};
use super::{ground, machine, terminal};
use crate::arm::{self, Judge};
use crate::campaign::Subject;
use crate::packet::{Connection, Packet};
use crate::report::explain::{Explanation, Telling};
use crate::xtables::Backend;

/// Explains a packet.
///
/// # Errors
///
/// Bad input; a machine that lacks what the kernel arms need.
pub fn run(options: &Explain) -> Result<Status, Ending> {
    let packet: Packet = options.packet.parse().map_err(Ending::bad_input)?;
    let connections = connections(options)?;
    let subject = subject(options)?;
    let mut kernels = Vec::new();
    let model = tell(
        Judge::Model(Backend::Legacy),
        &subject,
        &packet,
        &connections,
    )?;
    if options.kernel {
        machine::enter()?;
        for backend in options.backends.each() {
            kernels.push(tell(
                Judge::Kernel(backend),
                &subject,
                &packet,
                &connections,
            )?);
        }
    }
    let explanation = Explanation {
        node: &subject.name,
        firewall: &subject.firewall,
        packet: &packet,
        connections: &connections,
        model,
        kernels,
    };
    print!("{}", explanation.text(&terminal::palette()));
    Ok(if explanation.agreed() {
        Status::Agreed
    } else {
        Status::Diverged
    })
}

/// The node that the packet comes to: of the seed's, slave1 unless said otherwise.
fn subject(options: &Explain) -> Result<Subject, Ending> {
    let first = ground::read(&options.ground)?.into_iter().next();
    first.ok_or_else(|| Ending::bad_input(miette!("there is no node for the packet to come to")))
}

fn connections(options: &Explain) -> Result<Vec<Connection>, Ending> {
    let texts = options.connections.iter();
    texts
        .map(|text| text.parse().map_err(Ending::bad_input))
        .collect()
}

fn tell(
    judge: Judge,
    subject: &Subject,
    packet: &Packet,
    connections: &[Connection],
) -> Result<Telling, Ending> {
    let mut arm = arm::make(judge)?;
    arm.program(&subject.node, &subject.firewall)?;
    let (answer, steps) = arm.trace(packet, connections)?;
    Ok(Telling {
        arm: arm.name(),
        answer,
        steps,
    })
}
